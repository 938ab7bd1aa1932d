// SPDX-License-Identifier: MIT
/*
 * Fuzzes blkback's protocol and journal with the ring as input, and with a worker that is killed. The input is a row of
 * steps of one byte and its arguments:
 *
 *	0 s n bytes		the frontend writes n bytes into slot s, from its beginning on
 *	1 n			the frontend's req_prod goes n further than what it has put
 *	2 v3 v2 v1 v0		the frontend writes req_prod
 *	3			the worker takes what waits and checks it
 *	4 n			the worker answers up to n requests
 *	5			the worker publishes
 *	6 n			the worker is killed at the n-th fault point from now; another comes
 *	7 w v			the frontend writes byte v over the ring's head at w
 *	8 s n bytes		an indirect page's segments
 *	9 flags sectors		limits: read-only, discard, sectors of 4096 bytes
 *
 * What must hold: nothing is touched outside (the sanitizers see to that); what passes the check is on the disk, of whole
 * sectors and within pages; each request that was taken is answered once in the journal's order, whenever the worker is
 * killed; a response that was published stays what it was told to be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "blkback.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct blk_memory *disk;
struct blk_limits limits;
struct backend_memory *memory;

static uint8_t ring_page[4096] __attribute__((aligned(4096)));
static struct blkif_request_segment indirect[BLK_SEGMENTS];
static jmp_buf killed;
static unsigned int kill_in;
static bool gone;		/* closed for misbehaviour */
static struct io_list todo;

void *worker_map(const uint32_t *refs, unsigned int count, bool readonly, uint64_t *index)
{
	return ring_page;
}

void worker_notify(uint32_t port)
{
}

void worker_unmask(uint32_t port)
{
}

void worker_log(const char *format, ...)
{
}

void worker_die(const char *format, ...)
{
	abort();
}

void worker_misbehaves(const char *format, ...)
{
	gone = true;
	longjmp(killed, 1);
}

void fault_point(const char *label)
{
	if (kill_in && !--kill_in)
		longjmp(killed, 1);
}

void data_release(struct io *io)
{
}

static void check_work(const struct blk_work *w, const struct blk_segment *segment)
{
	uint64_t bytes = 0;

	if (w->op == BLK_FLUSH || (w->op == BLK_BARRIER && !w->segments))
		return;
	if (w->offset % limits.sector_bytes || w->bytes % limits.sector_bytes || !w->bytes)
		abort();
	if (w->offset / 512 > limits.sectors || w->bytes / 512 > limits.sectors - w->offset / 512)
		abort();
	if (w->op == BLK_DISCARD) {
		if (!limits.discard)
			abort();
		return;
	}
	if (w->op != BLK_READ && limits.readonly)
		abort();
	for (uint32_t i = 0; i < w->segments; i++) {
		if (segment[i].offset + segment[i].bytes > 4096)
			abort();
		bytes += segment[i].bytes;
	}
	if (bytes != w->bytes || w->segments > BLK_SEGMENTS)
		abort();
}

static void check_requests(struct io_list *fresh)
{
	struct io *io;

	while ((io = STAILQ_FIRST(fresh)) != NULL) {
		const char *why = NULL;
		int status = blk_parse(&io->entry->request, &limits, &io->work, io->segment, &why);

		if (!status && io->work.indirect)
			status = blk_segments(indirect, &limits, &io->work, io->segment, &why);
		if (!status)
			check_work(&io->work, io->segment);
		STAILQ_REMOVE_HEAD(fresh, next);
		STAILQ_INSERT_TAIL(&todo, io, next);
	}
}

static void start(void)
{
	struct io_list fresh = STAILQ_HEAD_INITIALIZER(fresh);
	struct blk_queue_memory *m = &disk->queue[0];

	STAILQ_INIT(&todo);
	kill_in = 0;
	memory->starts++;
	queues_open(&fresh);
	/* Taken and not answered is what the new worker must have, no more and no less. */
	unsigned int count = 0;
	struct io *io;

	STAILQ_FOREACH(io, &fresh, next)
		count++;
	if (count != (uint32_t)(m->req_cons - m->rsp_prod) || queues[0].free_count + count != queues[0].ring.slots)
		abort();
	check_requests(&fresh);
}

static void answer(unsigned int most)
{
	struct io *io;

	while (most-- && (io = STAILQ_FIRST(&todo)) != NULL) {
		STAILQ_REMOVE_HEAD(&todo, next);
		queue_answer(io, BLKIF_RSP_OKAY);
	}
}

static void take(void)
{
	struct io_list fresh = STAILQ_HEAD_INITIALIZER(fresh);

	queue_take(&queues[0], &fresh);
	check_requests(&fresh);
}

/* One step; returns the bytes that it took. */
static size_t step(const uint8_t *p, size_t left)
{
	struct xen_ring_head *head = (void *)ring_page;
	uint8_t args[6] = { 0 };
	size_t n;

	memcpy(args, p, left < sizeof(args) ? left : sizeof(args));
	switch (args[0] % 10) {
	case 0:
		n = args[2] % 113;
		n = n < left - (left < 3 ? left : 3) ? n : left - (left < 3 ? left : 3);
		memcpy(ring_page + 64 + args[1] % 32 * 112, p + (left < 3 ? left : 3), n);
		return 3 + n;
	case 1:
		head->req_prod = disk->queue[0].req_cons + args[1] % 40;
		return 2;
	case 2:
		memcpy(&head->req_prod, args + 1, 4);
		return 5;
	case 3:
		take();
		return 1;
	case 4:
		answer(args[1]);
		return 2;
	case 5:
		queue_publish(&queues[0]);
		return 1;
	case 6:
		kill_in = 1 + args[1] % 64;
		return 2;
	case 7:
		ring_page[args[1] % 64] = args[2];
		return 3;
	case 8:
		n = args[2];
		n = n < left - (left < 3 ? left : 3) ? n : left - (left < 3 ? left : 3);
		n = n < sizeof(indirect) - args[1] * 8u ? n : sizeof(indirect) - args[1] * 8u;
		memcpy((uint8_t *)indirect + args[1] * 8u, p + (left < 3 ? left : 3), n);
		return 3 + n;
	default:
		limits = (struct blk_limits){ .sectors = args[2] * 8, .sector_bytes = args[1] & 4 ? 4096 : 512,
					      .readonly = args[1] & 1, .discard = args[1] & 2 };
		return 3;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct backend_memory head;
	static struct blk_memory body;
	volatile size_t at = 0;

	memory = &head;
	disk = &body;
	memset(&head, 0, sizeof(head));
	memset(&body, 0, sizeof(body));
	memset(ring_page, 0, sizeof(ring_page));
	memset(indirect, 0, sizeof(indirect));
	body.queues = 1;
	body.queue[0].pages = 1;
	limits = (struct blk_limits){ .sectors = 1024, .sector_bytes = 512, .discard = true };
	gone = false;

	if (setjmp(killed) && gone)
		return 0;
	start();
	while (at < size) {
		size_t was = at;

		/* A killed step is not made again. */
		at = was + 1;
		at = was + step(data + was, size - was);
	}
	return 0;
}
