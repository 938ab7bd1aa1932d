// SPDX-License-Identifier: MIT
/*
 * One ring of a disk: requests onto it, responses off it.
 *
 * A request of the caller is cut into parts; each part is one slot: an id, some pages of the pool, and one place on the
 * ring. The backend may answer in any order, slowly, never, or wrongly. Invariants:
 *  1. An id is free, or on the ring under a request; only an answer with such an id, and with the operation that was
 *     asked, is believed. Any other, or an impossible index, and the queue stops (`broken`): nothing it says later counts.
 *  2. A page belongs to one slot or is free. It stays granted; what the backend writes to it at a wrong moment reaches
 *     nobody, because data are copied out once, under the slot's answer.
 *  3. A request is over when all of it was sent and no part is out. done() is called without the lock.
 *  4. When the ring is torn down, each part that was out becomes "to be sent" again by starting its whole request
 *     anew: reads and writes of the same data can be repeated.
 */
#include "blkfront_queue.h"

#define SEGMENT_BYTES	OS_PAGE_SIZE

static unsigned int pages_for(uint64_t bytes)
{
	return (unsigned int)((bytes + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE);
}

/* Pages of segments that a part of so many data pages needs. */
static unsigned int indirect_for(unsigned int pages)
{
	if (pages <= BLKIF_MAX_SEGMENTS_PER_REQUEST)
		return 0;
	return (pages + BLKIF_SEGMENTS_PER_INDIRECT_PAGE - 1) / BLKIF_SEGMENTS_PER_INDIRECT_PAGE;
}

/* ---- the list of requests that wait ---- */

static void append(struct blk_queue *queue, struct blk_request *request)
{
	request->next = NULL;
	if (queue->last)
		queue->last->next = request;
	else
		queue->first = request;
	queue->last = request;
}

static void remove_first(struct blk_queue *queue)
{
	queue->first = queue->first->next;
	if (!queue->first)
		queue->last = NULL;
}

/* ---- onto the ring ---- */

static uint8_t ring_operation(const struct blk_queue *queue, const struct blk_request *request)
{
	switch (request->operation) {
	case BLK_READ:
		return BLKIF_OP_READ;
	case BLK_WRITE:
		return BLKIF_OP_WRITE;
	case BLK_FLUSH:
		return queue->disk->can_barrier ? BLKIF_OP_WRITE_BARRIER : BLKIF_OP_FLUSH_DISKCACHE;
	default:
		return BLKIF_OP_DISCARD;
	}
}

static bool carries_data(const struct blk_request *request)
{
	return request->operation <= BLK_WRITE;
}

static struct blkif_request_segment segment_of(const struct blk_queue *queue, const struct blk_slot *slot, unsigned int n)
{
	uint32_t bytes = slot->bytes - n * SEGMENT_BYTES;

	return (struct blkif_request_segment){
		.gref = queue->pages[slot->pages[n]].ref,
		.last_sect = (uint8_t)((bytes < SEGMENT_BYTES ? bytes : SEGMENT_BYTES) / BLKIF_UNIT_BYTES - 1),
	};
}

static void put_data(struct blk_queue *queue, const struct blk_slot *slot, uint64_t id)
{
	uint64_t sector = slot->request->sector + slot->offset / BLKIF_UNIT_BYTES;

	if (!slot->indirect) {
		struct blkif_request request = { .operation = slot->operation, .nr_segments = (uint8_t)slot->nr_pages,
						 .id = id, .sector_number = sector };

		for (unsigned int i = 0; i < slot->nr_pages; i++)
			request.seg[i] = segment_of(queue, slot, i);
		xen_ring_put(&queue->ring, &request, sizeof(request));
	} else {
		struct blkif_request_indirect request = { .operation = BLKIF_OP_INDIRECT, .indirect_op = slot->operation,
							  .nr_segments = (uint16_t)slot->nr_pages, .id = id,
							  .sector_number = sector };

		for (unsigned int i = 0; i < slot->nr_indirect; i++)
			request.indirect_grefs[i] = queue->pages[slot->pages[slot->nr_pages + i]].ref;
		for (unsigned int i = 0; i < slot->nr_pages; i++) {
			const struct blk_page *page = &queue->pages[slot->pages[slot->nr_pages +
										 i / BLKIF_SEGMENTS_PER_INDIRECT_PAGE]];
			struct blkif_request_segment segment = segment_of(queue, slot, i);

			memcpy((struct blkif_request_segment *)page->address + i % BLKIF_SEGMENTS_PER_INDIRECT_PAGE,
			       &segment, sizeof(segment));
		}
		xen_ring_put(&queue->ring, &request, sizeof(request));
	}
}

static void put_plain(struct blk_queue *queue, const struct blk_slot *slot, uint64_t id)
{
	const struct blk_request *from = slot->request;

	if (slot->operation == BLKIF_OP_DISCARD) {
		struct blkif_request_discard request = {
			.operation = BLKIF_OP_DISCARD, .id = id, .sector_number = from->sector,
			.flag = from->operation == BLK_DISCARD_SECURE ? BLKIF_DISCARD_SECURE : 0,
			.nr_sectors = from->bytes / BLKIF_UNIT_BYTES,
		};

		xen_ring_put(&queue->ring, &request, sizeof(request));
	} else {
		struct blkif_request request = { .operation = slot->operation, .id = id };

		xen_ring_put(&queue->ring, &request, sizeof(request));
	}
}

/* Copies a part's data between the caller's buffer and the pages. */
static void copy(const struct blk_queue *queue, const struct blk_slot *slot)
{
	char *buffer = (char *)slot->request->buffer + slot->offset;

	for (uint32_t at = 0; at < slot->bytes; at += SEGMENT_BYTES) {
		void *page = queue->pages[slot->pages[at / SEGMENT_BYTES]].address;
		uint32_t bytes = slot->bytes - at < SEGMENT_BYTES ? slot->bytes - at : SEGMENT_BYTES;

		if (slot->operation == BLKIF_OP_READ)
			memcpy(buffer + at, page, bytes);
		else
			memcpy(page, buffer + at, bytes);
	}
}

/* Sends the next part of a request. Returns false where there is no room for it now. */
static bool send_part(struct blk_queue *queue, struct blk_request *request)
{
	uint64_t left = carries_data(request) ? request->bytes - request->sent : 0;
	uint64_t most = (uint64_t)queue->disk->info.segments * SEGMENT_BYTES;
	uint32_t bytes = (uint32_t)(left < most ? left : most);
	unsigned int pages = pages_for(bytes), indirect = indirect_for(pages);
	struct blk_slot *slot;
	uint16_t id;

	if (!queue->nr_free_slots || queue->nr_free_pages < pages + indirect)
		return false;
	id = queue->free_slots[--queue->nr_free_slots];
	slot = &queue->slots[id];
	slot->request = request;
	slot->operation = ring_operation(queue, request);
	slot->offset = request->sent;
	slot->bytes = bytes;
	slot->nr_pages = pages;
	slot->nr_indirect = indirect;
	slot->indirect = indirect != 0;
	for (unsigned int i = 0; i < pages + indirect; i++)
		slot->pages[i] = queue->free_pages[--queue->nr_free_pages];
	if (bytes) {
		if (slot->operation == BLKIF_OP_WRITE)
			copy(queue, slot);
		put_data(queue, slot, id);
	} else {
		put_plain(queue, slot, id);
	}
	request->sent += carries_data(request) ? bytes : request->bytes;
	request->parts++;
	return true;
}

/* Sends what there is room for, under the lock. */
static void send_waiting(struct blk_queue *queue)
{
	RING_IDX before = queue->ring.mine;

	if (!queue->running)
		return;
	while (queue->first) {
		struct blk_request *request = queue->first;

		do {
			if (!send_part(queue, request))
				goto full;
		} while (request->sent < request->bytes && carries_data(request));
		remove_first(queue);
	}
full:
	if (queue->ring.mine != before && xen_ring_front_push(&queue->ring))
		os_event_notify(queue->port);
}

/* ---- off the ring ---- */

static void stop(struct blk_queue *queue, const char *why)
{
	queue->running = false;
	queue->disk->device.broken = true;
	os_log("blkfront: %s: the backend %s; the disk is given up", queue->disk->device.path, why);
}

static void free_slot(struct blk_queue *queue, struct blk_slot *slot)
{
	for (unsigned int i = 0; i < slot->nr_pages + slot->nr_indirect; i++)
		queue->free_pages[queue->nr_free_pages++] = slot->pages[i];
	slot->request = NULL;
	queue->free_slots[queue->nr_free_slots++] = (uint16_t)(slot - queue->slots);
}

static int error_of(int16_t status)
{
	if (status == BLKIF_RSP_OKAY)
		return 0;
	return status == BLKIF_RSP_EOPNOTSUPP ? -XEN_EOPNOTSUPP : -XEN_EIO;
}

/* Takes one response. Returns the request that is over with it, if one is. */
static struct blk_request *take_response(struct blk_queue *queue)
{
	struct blkif_response response;
	struct blk_request *request;
	struct blk_slot *slot;

	xen_ring_get(&queue->ring, &response, sizeof(response));
	if (response.id >= queue->nr_slots || !queue->slots[response.id].request) {
		stop(queue, "answers what was not asked");
		return NULL;
	}
	slot = &queue->slots[response.id];
	if (response.operation != (slot->indirect ? BLKIF_OP_INDIRECT : slot->operation) &&
	    response.operation != slot->operation) {
		stop(queue, "answers another operation than was asked");
		return NULL;
	}
	request = slot->request;
	if (response.status != BLKIF_RSP_OKAY && !request->status)
		request->status = error_of(response.status);
	if (slot->operation == BLKIF_OP_READ && response.status == BLKIF_RSP_OKAY)
		copy(queue, slot);
	free_slot(queue, slot);
	request->parts--;
	/* A part failed and the rest is not yet sent: it need not be. */
	if (request->status && request == queue->first) {
		remove_first(queue);
		request->sent = request->bytes;
	}
	return !request->parts && request->sent >= request->bytes ? request : NULL;
}

static void finish_all(struct blk_request *over)
{
	while (over) {
		struct blk_request *request = over;

		over = over->next;
		request->done(request);
	}
}

void blk_queue_event(void *argument)
{
	struct blk_queue *queue = argument;
	struct blk_request *over = NULL, **end = &over;
	int count;

	os_lock(&queue->lock);
	while (queue->running && (count = xen_ring_front_sleep(&queue->ring, 1))) {
		if (count < 0)
			stop(queue, "shows an impossible index");
		for (; count > 0 && queue->running; count--) {
			struct blk_request *request = take_response(queue);

			if (request) {
				request->next = NULL;
				*end = request;
				end = &request->next;
			}
		}
		send_waiting(queue);
	}
	os_unlock(&queue->lock);
	finish_all(over);
	if (queue->disk->device.broken)
		blkfront_fail(queue->disk);
}

void blk_queue_submit(struct blk_queue *queue, struct blk_request *request)
{
	bool broken;

	request->status = 0;
	request->sent = 0;
	request->parts = 0;
	os_lock(&queue->lock);
	append(queue, request);
	if (queue->first == request)
		send_waiting(queue);
	broken = blkfront_is_dead(queue->disk);
	os_unlock(&queue->lock);
	if (broken)
		blk_queue_fail(queue, -XEN_EIO);
}

/* ---- coming and going ---- */

/* Puts requests whose parts are out in front of those that wait, to be sent from their beginning. Under the lock. */
static void put_back(struct blk_queue *queue)
{
	for (unsigned int i = 0; i < queue->nr_slots; i++) {
		struct blk_request *request = queue->slots[i].request;
		struct blk_request *at;

		if (!request)
			continue;
		free_slot(queue, &queue->slots[i]);
		request->sent = request->parts = 0;
		request->status = 0;
		for (at = queue->first; at && at != request; at = at->next)
			;
		if (at)
			continue;
		request->next = queue->first;
		queue->first = request;
		if (!queue->last)
			queue->last = request;
	}
	if (queue->first)
		queue->first->sent = 0;
}

void blk_queue_fail(struct blk_queue *queue, int status)
{
	struct blk_request *over;

	os_lock(&queue->lock);
	queue->running = false;
	put_back(queue);
	over = queue->first;
	queue->first = queue->last = NULL;
	for (struct blk_request *request = over; request; request = request->next)
		request->status = status;
	os_unlock(&queue->lock);
	finish_all(over);
}

void blk_queue_run(struct blk_queue *queue)
{
	os_lock(&queue->lock);
	queue->running = true;
	send_waiting(queue);
	os_unlock(&queue->lock);
	blk_queue_event(queue);
}

static int open_pages(struct blk_queue *queue)
{
	const struct blkfront *disk = queue->disk;

	if (!queue->pages) {
		queue->nr_pages = disk->options.pages;
		queue->pages = os_alloc(queue->nr_pages * sizeof(*queue->pages));
		queue->free_pages = os_alloc(queue->nr_pages * sizeof(*queue->free_pages));
		if (!queue->pages || !queue->free_pages)
			return -XEN_ENOMEM;
		for (unsigned int i = 0; i < queue->nr_pages; i++) {
			queue->pages[i].address = os_pages_alloc(1);
			if (!queue->pages[i].address)
				return -XEN_ENOMEM;
			queue->free_pages[queue->nr_free_pages++] = (uint16_t)i;
		}
	}
	for (unsigned int i = 0; i < queue->nr_pages; i++) {
		struct blk_page *page = &queue->pages[i];
		int result;

		if (!page->address)
			return -XEN_ENOMEM;
		result = page->granted ? 0 : os_grant(disk->device.backend_id, os_frame(page->address), false, &page->ref);

		if (result)
			return result;
		page->granted = true;
	}
	return 0;
}

static int open_slots(struct blk_queue *queue)
{
	unsigned int each = queue->disk->info.segments + indirect_for(queue->disk->info.segments);

	queue->nr_slots = queue->ring.slots;
	queue->slots = os_alloc(queue->nr_slots * sizeof(*queue->slots));
	queue->free_slots = os_alloc(queue->nr_slots * sizeof(*queue->free_slots));
	queue->slot_pages = os_alloc((size_t)queue->nr_slots * each * sizeof(*queue->slot_pages));
	if (!queue->slots || !queue->free_slots || !queue->slot_pages) {
		queue->nr_slots = 0;
		return -XEN_ENOMEM;
	}
	for (unsigned int i = queue->nr_slots; i-- > 0;) {
		queue->slots[i].pages = queue->slot_pages + (size_t)i * each;
		queue->free_slots[queue->nr_free_slots++] = (uint16_t)i;
	}
	return 0;
}

int blk_queue_open(struct blk_queue *queue)
{
	const struct blkfront *disk = queue->disk;
	unsigned int pages = 1u << disk->info.ring_order;
	int result = open_pages(queue);

	if (result)
		return result;
	queue->ring_pages = os_pages_alloc(pages);
	if (!queue->ring_pages)
		return -XEN_ENOMEM;
	xen_ring_front_init(&queue->ring, queue->ring_pages, (uint64_t)pages * OS_PAGE_SIZE, BLKIF_SLOT_BYTES);
	result = open_slots(queue);
	for (queue->nr_ring_refs = 0; queue->nr_ring_refs < pages && !result;) {
		void *page = (char *)queue->ring_pages + queue->nr_ring_refs * OS_PAGE_SIZE;

		result = os_grant(disk->device.backend_id, os_frame(page), false, &queue->ring_refs[queue->nr_ring_refs]);
		queue->nr_ring_refs += !result;
	}
	if (!result)
		result = os_event_open(disk->device.backend_id, queue->number, blk_queue_event, queue, &queue->port);
	queue->has_port = !result;
	return result;
}

bool blk_queue_close(struct blk_queue *queue)
{
	bool ours = true;

	if (queue->has_port)
		os_event_close(queue->port);
	queue->has_port = false;
	os_lock(&queue->lock);
	queue->running = false;
	put_back(queue);
	queue->nr_slots = queue->nr_free_slots = 0;
	os_unlock(&queue->lock);
	for (unsigned int i = 0; i < queue->nr_ring_refs; i++)
		ours &= os_grant_end(queue->ring_refs[i]);
	queue->nr_ring_refs = 0;
	if (queue->ring_pages && ours)
		os_pages_free(queue->ring_pages, 1u << queue->disk->info.ring_order);
	queue->ring_pages = NULL;
	os_free(queue->slots);
	os_free(queue->free_slots);
	os_free(queue->slot_pages);
	queue->slots = NULL;
	queue->free_slots = queue->slot_pages = NULL;
	return ours;
}

void blk_queue_move(struct blk_queue *from, struct blk_queue *to)
{
	struct blk_request *moved;

	os_lock(&from->lock);
	moved = from->first;
	from->first = from->last = NULL;
	os_unlock(&from->lock);
	os_lock(&to->lock);
	while (moved) {
		struct blk_request *request = moved;

		moved = moved->next;
		append(to, request);
	}
	os_unlock(&to->lock);
}

void blk_queue_regrant(struct blk_queue *queue)
{
	for (unsigned int i = 0; i < queue->nr_pages; i++) {
		struct blk_page *page = &queue->pages[i];

		if (page->granted && !os_grant_end(page->ref)) {
			/* The old backend keeps it: another page takes its place, or nothing does and opening fails. */
			page->address = os_pages_alloc(1);
			if (!page->address)
				os_log("blkfront: %s: no memory for a page that the backend keeps",
				       queue->disk->device.path);
		}
		page->granted = false;
	}
}

void blk_queue_destroy(struct blk_queue *queue)
{
	blk_queue_close(queue);
	blk_queue_fail(queue, -XEN_EIO);
	for (unsigned int i = 0; i < queue->nr_pages && queue->pages; i++) {
		struct blk_page *page = &queue->pages[i];

		/* What the backend keeps mapped is lost to us; anything else could be read or changed by it. */
		if (page->address && (!page->granted || os_grant_end(page->ref)))
			os_pages_free(page->address, 1);
	}
	os_free(queue->pages);
	os_free(queue->free_pages);
	queue->pages = NULL;
	queue->free_pages = NULL;
	queue->nr_pages = queue->nr_free_pages = 0;
}
