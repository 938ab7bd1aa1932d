// SPDX-License-Identifier: MIT
/*
 * Disks behind NBD, images among them: the worker's half. It has neither socket nor image, only a memory that it shares
 * with the process that has (../nbd/queue.h), which waits until a dead worker's requests have ended.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "../common/worker.h"
#include "../nbd/queue.h"
#include "storage.h"

/* NBD counts bytes in 32 bits; a guest can discard its whole disk with one request, which is done piece by piece. */
#define PIECE	(1u << 30)

_Static_assert(STORAGE_BUFFER == NBD_BUFFER && STORAGE_OPS <= NBD_SLOTS, "nbd/queue.h");

/* What is left of a large discard. Its address, made odd, is the tag of its pieces. */
struct discard {
	uint64_t tag, offset, bytes;	/* bytes: 0 if this is free */
};

static struct nbd_client client;
static struct discard discards[STORAGE_OPS];

static void attach(const struct storage_shared *shared, bool readonly)
{
	int err = nbd_client_open(&client, FD_OWN + NBD_WORKER_QUEUE, FD_OWN + NBD_WORKER_RING, FD_OWN + NBD_WORKER_BELL,
				  memory->starts);

	if (err)
		worker_die("its queue to blkback-nbd can't be mapped: %s", strerror(-err));
	while (!nbd_client_accepted(&client)) {
		struct pollfd bell = { .fd = FD_OWN + NBD_WORKER_BELL, .events = POLLIN };
		int64_t result;
		uint64_t tag;

		poll(&bell, 1, -1);
		nbd_next(&client, &tag, &result);
	}
}

static void put_piece(struct discard *d)
{
	uint32_t bytes = d->bytes < PIECE ? d->bytes : PIECE;

	nbd_submit(&client, NBD_DISCARD, (uintptr_t)d | 1, d->offset, bytes, 0);
	d->offset += bytes;
	d->bytes -= bytes;
}

static void put_discard(uint64_t tag, uint64_t offset, uint64_t bytes)
{
	struct discard *d = discards;

	while (d->tag)
		d++;
	*d = (struct discard){ tag, offset, bytes };
	put_piece(d);
}

static void put(enum storage_op op, uint64_t tag, uint64_t offset, uint64_t bytes, uint32_t buffer)
{
	static const enum nbd_op ops[] = {
		[STORAGE_READ] = NBD_READ, [STORAGE_WRITE] = NBD_WRITE, [STORAGE_FLUSH] = NBD_FLUSH, [STORAGE_DISCARD] = NBD_DISCARD,
	};

	if (op == STORAGE_DISCARD && bytes > PIECE)
		put_discard(tag, offset, bytes);
	else
		nbd_submit(&client, ops[op], tag, offset, bytes, buffer);
}

static void submit(void)
{
	nbd_ring(&client);
}

static bool next(uint64_t *tag, int *result)
{
	int64_t code;

	while (nbd_next(&client, tag, &code)) {
		struct discard *d = (struct discard *)(uintptr_t)(*tag & ~1ull);

		*result = code;
		if (!(*tag & 1))
			return true;
		*tag = d->tag;
		if (code < 0 || !d->bytes) {
			d->tag = 0;
			return true;
		}
		put_piece(d);
		submit();
	}
	return false;
}

static int fd(void)
{
	return FD_OWN + NBD_WORKER_BELL;
}

const struct storage_ops storage_nbd_ops = {
	.attach = attach, .put = put, .submit = submit, .next = next, .fd = fd,
};
