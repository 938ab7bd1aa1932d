// SPDX-License-Identifier: MIT
/* The rings, and the journal of what was taken from them; journal.h has the rules that the order of stores here keeps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "blkback.h"

struct queue queues[BLK_QUEUES];

/* Touched as far as they are used. */
static struct blk_segment segments[BLK_QUEUES][BLK_SLOTS][BLK_SEGMENTS];

/* --- coming back --------------------------------------------------------------------------------- */

/* Finishes what the dead worker was doing to its journal. */
static void settle(struct queue *q)
{
	struct blk_queue_memory *m = q->memory;

	for (unsigned int i = 0; i < q->ring.slots; i++) {
		struct blk_entry *e = &m->entry[i];
		uint64_t state = BLK_STATE(e->word);
		uint32_t index = e->word;

		if (state == BLK_ANSWERED) {
			/* The response may not be counted yet, and what counts is here, not in the ring. */
			if (index == m->rsp_prod)
				shared_store(&m->rsp_prod, index + 1);
			shared_store(&e->word, BLK_FREE);
		} else if (state == BLK_TAKEN && (int32_t)(index - m->req_cons) >= 0) {
			shared_store(&e->word, BLK_FREE);
		}
	}
}

static int by_index(const void *a, const void *b)
{
	const struct io *const *x = a, *const *y = b;

	return (int32_t)((uint32_t)(*x)->entry->word - (uint32_t)(*y)->entry->word);
}

static void take_up(struct queue *q, struct io_list *todo)
{
	static struct io *list[BLK_SLOTS];
	unsigned int count = 0;

	q->free_count = 0;
	for (unsigned int i = q->ring.slots; i-- > 0;) {
		struct io *io = &q->io[i];

		io->queue = q;
		io->entry = &q->memory->entry[i];
		io->segment = segments[q->number][i];
		if (io->entry->word == BLK_FREE)
			q->free_io[q->free_count++] = i;
		else
			list[count++] = io;
	}
	qsort(list, count, sizeof(list[0]), by_index);
	for (unsigned int i = 0; i < count; i++)
		STAILQ_INSERT_TAIL(todo, list[i], next);
	if (count)
		worker_log("takes up %u requests of queue %u that its predecessor had begun", count, q->number);
}

void queues_open(struct io_list *todo)
{
	if (!disk->queues || disk->queues > BLK_QUEUES)
		worker_die("backendd gave it %u queues", disk->queues);
	for (unsigned int i = 0; i < disk->queues; i++) {
		struct queue *q = &queues[i];
		struct blk_queue_memory *m = &disk->queue[i];
		uint32_t pages = shared_load(&m->pages);
		uint64_t index;
		void *ring;

		if (!pages || pages > BLK_RING_PAGES)
			worker_die("backendd gave it a ring of %u pages", pages);
		ring = worker_map(m->refs, pages, false, &index);

		if (!ring)
			worker_misbehaves("the pages of ring %u can't be mapped: %s", i, strerror(errno));
		q->memory = m;
		q->number = i;
		q->port = m->port;
		xen_ring_back_init(&q->ring, ring, pages * 4096ul, BLKIF_SLOT_BYTES, 0, 0);
		settle(q);
		q->ring.mine = q->ring.shown = m->rsp_prod;
		q->ring.cons = m->req_cons;
		take_up(q, todo);
		/* On a ring that was in use answers may wait that nobody heard of; one notification too many does no harm. */
		if (memory->starts > 1) {
			xen_ring_wmb();
			XEN_RING_WRITE(q->ring.head->rsp_prod, m->rsp_prod);
			worker_notify(q->port);
		}
		/* An event that the dead one took and did not unmask would be the last; to unmask one more does no harm. */
		worker_unmask(q->port);
	}
}

/* --- requests -------------------------------------------------------------------------------------- */

unsigned int queue_take(struct queue *q, struct io_list *todo)
{
	int waiting = xen_ring_back_waiting(&q->ring);

	if (waiting < 0)
		worker_misbehaves("the request index of ring %u jumps from %u to %u", q->number, q->ring.cons,
				  XEN_RING_READ(q->ring.head->req_prod));
	/* An entry is free for each request: no more than there are slots can be unanswered. */
	for (int i = 0; i < waiting; i++) {
		struct io *io = &q->io[q->free_io[--q->free_count]];
		uint32_t index = q->ring.cons;

		xen_ring_get(&q->ring, &io->entry->request, sizeof(io->entry->request));
		fault_point("take-copied");
		shared_store(&io->entry->word, BLK_TAKEN | index);
		fault_point("take-entered");
		shared_store(&q->memory->req_cons, index + 1);
		fault_point("take-counted");
		STAILQ_INSERT_TAIL(todo, io, next);
	}
	return waiting;
}

void queue_answer(struct io *io, int status)
{
	struct queue *q = io->queue;
	struct blkif_response rsp = { .id = io->work.id, .operation = io->work.response_op, .status = status };
	uint32_t index = q->ring.mine;

	fault_point("answer-begins");
	xen_ring_put(&q->ring, &rsp, sizeof(rsp));
	fault_point("answer-written");
	xen_ring_wmb();
	shared_store(&io->entry->word, BLK_ANSWERED | index);
	fault_point("answer-entered");
	shared_store(&q->memory->rsp_prod, index + 1);
	fault_point("answer-counted");
	shared_store(&io->entry->word, BLK_FREE);
	q->free_io[q->free_count++] = io - q->io;
	data_release(io);
}

void queue_publish(struct queue *q)
{
	bool notify;

	if (q->ring.shown == q->ring.mine)
		return;
	fault_point("publish-begins");
	xen_ring_back_ask(&q->ring, 1);
	notify = xen_ring_back_push(&q->ring);
	fault_point("publish-shown");
	if (notify)
		worker_notify(q->port);
	fault_point("publish-notified");
}

bool queue_sleep(struct queue *q)
{
	return xen_ring_back_sleep(&q->ring, 1) != 0;
}
