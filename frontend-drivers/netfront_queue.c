// SPDX-License-Identifier: MIT
/*
 * One queue of a card: a ring of packets to send, a ring of pages to fill.
 *
 * Each ring has one page of memory for each of its 256 ids, granted once. Invariants:
 *  1. Sending: an id is free or on the ring. A response frees the id it names; one that names a free id, or none, is
 *     a lie, and the card is given up. Responses to extra slots carry no id worth reading (NETIF_RSP_NULL).
 *  2. Receiving: id = index modulo 256, both ways, because pages are filled in the order in which they were offered.
 *     A response that names another id than its place has is a lie.
 *  3. A page that was handed up is offered again when the OS has returned; so 256 pages are always either offered or
 *     being looked at, and refilling can't fail.
 *  4. A packet is handed up only when it is whole, and lies within its pages.
 * The two rings have a lock each: sending and receiving don't wait for each other.
 */
#include "netfront_queue.h"

static void give_up(struct net_queue *queue, struct net_ring *ring, const char *why)
{
	ring->running = false;
	queue->card->device.broken = true;
	os_log("netfront: %s: the backend %s; the card is given up", queue->card->device.path, why);
	os_wake(&queue->card->device.wait);
}

/* ---- sending ---- */

/*
 * Takes the responses that are there, under the lock. With `sleep`, asks to be told when half of those that are still
 * to come have come. Nobody is told otherwise: responses are only needed when there is no room.
 */
static void take_responses(struct net_queue *queue, bool sleep)
{
	struct net_ring *tx = &queue->tx;
	struct netif_tx_response response;
	int count;

	while (tx->running) {
		RING_IDX to_come = tx->end.shown - tx->end.cons;

		count = sleep ? xen_ring_front_sleep(&tx->end, (to_come + 1) / 2) : xen_ring_front_waiting(&tx->end);
		if (count < 0)
			give_up(queue, tx, "shows an impossible index");
		if (count <= 0)
			return;
		for (; count > 0 && tx->running; count--) {
			xen_ring_get(&tx->end, &response, sizeof(response));
			if (response.status == NETIF_RSP_NULL)
				continue;
			if (response.id >= NET_SLOTS || !queue->on_ring[response.id]) {
				give_up(queue, tx, "answers what was not sent");
				return;
			}
			queue->on_ring[response.id] = false;
			queue->free_ids[queue->nr_free++] = response.id;
			queue->send_errors += response.status != NETIF_RSP_OKAY;
		}
	}
}

/* What of a packet lies in its parts, page by page: copies up to a page's worth. */
struct gather {
	const struct net_packet *packet;
	unsigned int part;
	uint32_t at;
};

static uint32_t fill_page(struct gather *from, void *page)
{
	uint32_t filled = 0;

	while (filled < OS_PAGE_SIZE && from->part < from->packet->nr_parts) {
		const struct net_part *part = &from->packet->parts[from->part];
		uint32_t bytes = part->bytes - from->at;

		if (bytes > OS_PAGE_SIZE - filled)
			bytes = OS_PAGE_SIZE - filled;
		memcpy((char *)page + filled, (const char *)part->data + from->at, bytes);
		filled += bytes;
		from->at += bytes;
		if (from->at == part->bytes) {
			from->part++;
			from->at = 0;
		}
	}
	return filled;
}

static void put_extra(struct net_queue *queue, const struct net_packet *packet)
{
	struct netif_extra_info extra = { .type = XEN_NETIF_EXTRA_TYPE_GSO };

	extra.u.gso.size = packet->segment_bytes;
	extra.u.gso.type = packet->segment_type;
	xen_ring_put(&queue->tx.end, &extra, sizeof(extra));
}

static void put_packet(struct net_queue *queue, const struct net_packet *packet, unsigned int slots)
{
	uint16_t blank = packet->flags & NET_CSUM_BLANK || packet->segment_bytes ? NETTXF_csum_blank : 0;
	uint16_t valid = blank || packet->flags & NET_CSUM_VALID ? NETTXF_data_validated : 0;
	struct gather from = { .packet = packet };

	for (unsigned int i = 0; i < slots; i++) {
		uint16_t id = queue->free_ids[--queue->nr_free];
		uint32_t bytes = fill_page(&from, queue->tx.pages[id]);
		struct netif_tx_request request = {
			.gref = queue->tx.refs[id], .id = id,
			.flags = (uint16_t)((i ? 0 : blank | valid) | (i + 1 < slots ? NETTXF_more_data : 0)),
			.size = (uint16_t)(i ? bytes : packet->bytes),
		};

		if (!i && packet->segment_bytes)
			request.flags |= NETTXF_extra_info;
		queue->on_ring[id] = true;
		xen_ring_put(&queue->tx.end, &request, sizeof(request));
		if (!i && packet->segment_bytes)
			put_extra(queue, packet);
	}
}

/* Whether the backend takes such a packet at all. */
static bool can_send(const struct netfront_info *info, const struct net_packet *packet)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < packet->nr_parts; i++)
		bytes += packet->parts[i].bytes;
	if (bytes != packet->bytes || bytes < 14 || bytes > NET_MAX_PACKET ||
	    (bytes > OS_PAGE_SIZE && !info->can_gather))
		return false;
	if (!packet->segment_bytes)
		return !(packet->flags & NET_CSUM_BLANK) || info->can_blank_v4 || info->can_blank_v6;
	return packet->segment_type == XEN_NETIF_GSO_TYPE_TCPV4 ? info->can_large_v4 :
	       packet->segment_type == XEN_NETIF_GSO_TYPE_TCPV6 && info->can_large_v6;
}

static int send_locked(struct net_queue *queue, const struct net_packet *packet)
{
	unsigned int slots = (packet->bytes + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE;
	unsigned int on_ring = slots + (packet->segment_bytes != 0);

	if (queue->nr_free < slots || xen_ring_front_free(&queue->tx.end) < on_ring)
		take_responses(queue, false);
	if (queue->nr_free < slots || xen_ring_front_free(&queue->tx.end) < on_ring) {
		queue->wants_room = true;
		/* From now on the event handler tells; but what has just come would tell nobody. */
		take_responses(queue, true);
		if (queue->nr_free < slots || xen_ring_front_free(&queue->tx.end) < on_ring)
			return queue->tx.running ? -XEN_EAGAIN : -XEN_EIO;
	}
	put_packet(queue, packet, slots);
	queue->sent++;
	if (xen_ring_front_push(&queue->tx.end))
		os_event_notify(queue->tx.port);
	return 0;
}

int netfront_send(struct netfront *card, unsigned int number, const struct net_packet *packet)
{
	struct net_queue *queue = card->queues[number % card->info.queues];
	int result = -XEN_EIO;

	if (!queue || !netfront_is_ready(card))
		return -XEN_EIO;
	if (!can_send(&card->info, packet))
		return -XEN_EINVAL;
	os_lock(&queue->tx.lock);
	if (queue->tx.running)
		result = send_locked(queue, packet);
	os_unlock(&queue->tx.lock);
	return result;
}

static void tx_event(void *argument)
{
	struct net_queue *queue = argument;
	bool tell;

	os_lock(&queue->tx.lock);
	take_responses(queue, false);
	tell = queue->wants_room;
	queue->wants_room = false;
	os_unlock(&queue->tx.lock);
	if (tell && queue->card->options.event)
		queue->card->options.event(queue->card, queue->number);
}

/* ---- receiving ---- */

static void offer_page(struct net_queue *queue)
{
	uint16_t id = (uint16_t)(queue->rx.end.mine % NET_SLOTS);
	struct netif_rx_request request = { .id = id, .gref = queue->rx.refs[id] };

	xen_ring_put(&queue->rx.end, &request, sizeof(request));
}

static void show_offers(struct net_queue *queue)
{
	if (xen_ring_front_push(&queue->rx.end))
		os_event_notify(queue->rx.port);
}

/* A packet while it is taken off the ring. */
struct arrival {
	struct net_part parts[NET_MAX_PARTS];
	struct net_packet packet;
	bool bad;			/* an error of this packet alone */
	unsigned int slots;		/* it takes so many, all to be offered again */
};

static bool take_extras(struct net_queue *queue, struct arrival *arrival, int *left)
{
	struct netif_extra_info extra;

	do {
		if (!(*left)--) {
			give_up(queue, &queue->rx, "leaves a packet unfinished");
			return false;
		}
		xen_ring_get(&queue->rx.end, &extra, sizeof(extra));
		arrival->slots++;
		if (extra.type == XEN_NETIF_EXTRA_TYPE_GSO && extra.u.gso.size &&
		    (extra.u.gso.type == XEN_NETIF_GSO_TYPE_TCPV4 || extra.u.gso.type == XEN_NETIF_GSO_TYPE_TCPV6)) {
			arrival->packet.segment_bytes = extra.u.gso.size;
			arrival->packet.segment_type = extra.u.gso.type;
		} else if (extra.type != XEN_NETIF_EXTRA_TYPE_HASH) {
			arrival->bad = true;
		}
	} while (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return true;
}

/* One response: a part of the packet, an error, or a lie (false). */
static bool take_part(struct net_queue *queue, struct arrival *arrival, int *left, bool *more)
{
	uint16_t place = (uint16_t)(queue->rx.end.cons % NET_SLOTS);
	struct net_packet *packet = &arrival->packet;
	struct netif_rx_response response;

	xen_ring_get(&queue->rx.end, &response, sizeof(response));
	(*left)--;
	arrival->slots++;
	*more = response.flags & NETRXF_more_data;
	if (response.id != place) {
		give_up(queue, &queue->rx, "fills pages out of their order");
		return false;
	}
	if (response.flags & NETRXF_extra_info && !take_extras(queue, arrival, left))
		return false;
	if (response.status <= 0 || response.offset + (uint32_t)response.status > OS_PAGE_SIZE ||
	    packet->nr_parts == NET_MAX_PARTS || packet->bytes + (uint32_t)response.status > NET_MAX_ARRIVAL) {
		arrival->bad = true;
		return true;
	}
	if (!packet->nr_parts)
		packet->flags = (response.flags & NETRXF_csum_blank ? NET_CSUM_BLANK | NET_CSUM_VALID : 0) |
				(response.flags & NETRXF_data_validated ? NET_CSUM_VALID : 0);
	arrival->parts[packet->nr_parts++] = (struct net_part){
		(char *)queue->rx.pages[place] + response.offset, (uint32_t)response.status };
	packet->bytes += (uint32_t)response.status;
	return true;
}

/*
 * Takes one packet of `left` responses. False where it is a lie. A backend shows the parts of a packet at once, so one
 * that is cut off is a lie, too.
 */
static bool take_packet(struct net_queue *queue, struct arrival *arrival, int *left)
{
	bool more = true;

	memset(&arrival->packet, 0, sizeof(arrival->packet));
	arrival->bad = false;
	arrival->slots = 0;
	arrival->packet.parts = arrival->parts;
	while (more) {
		if (!*left) {
			give_up(queue, &queue->rx, "leaves a packet unfinished");
			return false;
		}
		if (!take_part(queue, arrival, left, &more))
			return false;
	}
	if (arrival->packet.bytes < 14)
		arrival->bad = true;
	return true;
}

unsigned int netfront_receive(struct netfront *card, unsigned int number, unsigned int budget)
{
	struct net_queue *queue = card->queues[number % card->info.queues];
	unsigned int done = 0, slots, epoch;
	struct arrival arrival;
	int left = 0;

	if (!queue)
		return 0;
	os_lock(&queue->rx.lock);
	epoch = queue->rx.epoch;
	while (done < budget && queue->rx.running) {
		if (!left) {
			left = xen_ring_front_waiting(&queue->rx.end);
			if (!left)
				left = xen_ring_front_sleep(&queue->rx.end, 1);
			if (left < 0)
				give_up(queue, &queue->rx, "shows an impossible index");
			if (left <= 0)
				break;
		}
		if (!take_packet(queue, &arrival, &left))
			break;
		queue->received += !arrival.bad;
		queue->receive_errors += arrival.bad;
		done++;
		os_unlock(&queue->rx.lock);
		if (!arrival.bad)
			card->options.packet(card, number, &arrival.packet);
		os_lock(&queue->rx.lock);
		/* The ring may have been torn down meanwhile, and another be there. */
		if (!queue->rx.running || queue->rx.epoch != epoch)
			break;
		for (slots = arrival.slots; slots; slots--)
			offer_page(queue);
		if (left < 1)
			show_offers(queue);
	}
	if (queue->rx.running && queue->rx.epoch == epoch)
		show_offers(queue);
	os_unlock(&queue->rx.lock);
	return done;
}

static void rx_event(void *argument)
{
	struct net_queue *queue = argument;

	if (queue->card->options.event)
		queue->card->options.event(queue->card, queue->number);
}

/* One channel for both. */
static void both_event(void *argument)
{
	struct net_queue *queue = argument;

	tx_event(queue);
	rx_event(queue);
}

/* ---- coming and going ---- */

static int open_ring(struct net_queue *queue, struct net_ring *ring, uint32_t slot_bytes, bool readonly)
{
	domid_t backend = queue->card->device.backend_id;
	int result;

	if (!ring->page)
		ring->page = os_pages_alloc(1);
	if (!ring->page)
		return -XEN_ENOMEM;
	memset(ring->page, 0, OS_PAGE_SIZE);
	xen_ring_front_init(&ring->end, ring->page, OS_PAGE_SIZE, slot_bytes);
	result = ring->granted ? 0 : os_grant(backend, os_frame(ring->page), false, &ring->ref);
	ring->granted = !result;
	for (unsigned int i = 0; i < NET_SLOTS && !result; i++) {
		if (!ring->pages[i])
			ring->pages[i] = os_pages_alloc(1);
		if (!ring->pages[i])
			return -XEN_ENOMEM;
		if (ring->refs_granted[i])
			continue;
		result = os_grant(backend, os_frame(ring->pages[i]), readonly, &ring->refs[i]);
		ring->refs_granted[i] = !result;
	}
	return result;
}

int net_queue_open(struct net_queue *queue)
{
	domid_t backend = queue->card->device.backend_id;
	bool split = queue->card->info.split_events;
	int result = open_ring(queue, &queue->tx, sizeof(struct netif_tx_request), true);

	result = result ? result : open_ring(queue, &queue->rx, sizeof(struct netif_rx_request), false);
	result = result ? result : os_event_open(backend, queue->number, split ? tx_event : both_event, queue,
						 &queue->tx.port);
	if (result)
		return result;
	queue->tx.has_port = true;
	queue->rx.port = queue->tx.port;
	if (split) {
		result = os_event_open(backend, queue->number, rx_event, queue, &queue->rx.port);
		queue->rx.has_port = !result;
	}
	queue->nr_free = 0;
	for (unsigned int i = NET_SLOTS; i-- > 0;) {
		queue->on_ring[i] = false;
		queue->free_ids[queue->nr_free++] = (uint16_t)i;
	}
	for (unsigned int i = 0; i < NET_SLOTS; i++)
		offer_page(queue);
	xen_ring_front_push(&queue->rx.end);
	return result;
}

static void close_ring(struct net_queue *queue, struct net_ring *ring)
{
	if (ring->has_port)
		os_event_close(ring->port);
	ring->has_port = false;
	os_lock(&ring->lock);
	ring->running = false;
	ring->epoch++;
	os_unlock(&ring->lock);
	if (ring->granted && !os_grant_end(ring->ref)) {
		os_log("netfront: %s: the backend keeps a ring; its page is lost", queue->card->device.path);
		ring->page = NULL;
	}
	ring->granted = false;
}

void net_queue_close(struct net_queue *queue)
{
	close_ring(queue, &queue->tx);
	close_ring(queue, &queue->rx);
}

static void ungrant_ring(struct net_ring *ring)
{
	for (unsigned int i = 0; i < NET_SLOTS; i++) {
		if (ring->refs_granted[i] && !os_grant_end(ring->refs[i]))
			ring->pages[i] = NULL;
		ring->refs_granted[i] = false;
	}
}

void net_queue_ungrant(struct net_queue *queue)
{
	ungrant_ring(&queue->tx);
	ungrant_ring(&queue->rx);
}

static void free_ring(struct net_ring *ring)
{
	for (unsigned int i = 0; i < NET_SLOTS; i++)
		if (ring->pages[i])
			os_pages_free(ring->pages[i], 1);
	if (ring->page)
		os_pages_free(ring->page, 1);
}

void net_queue_free(struct net_queue *queue)
{
	net_queue_close(queue);
	net_queue_ungrant(queue);
	free_ring(&queue->tx);
	free_ring(&queue->rx);
	os_free(queue);
}

void net_queue_run(struct net_queue *queue)
{
	os_lock(&queue->tx.lock);
	queue->tx.running = true;
	os_unlock(&queue->tx.lock);
	os_lock(&queue->rx.lock);
	queue->rx.running = true;
	os_unlock(&queue->rx.lock);
	os_event_notify(queue->rx.port);
	both_event(queue);
}
