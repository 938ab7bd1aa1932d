/* SPDX-License-Identifier: MIT */
/*
 * Memory between a block worker and the process that speaks NBD for its disk (blkback-nbd): requests and their answers. Their
 * data are in the disk's buffer, a memory of its own. The keeper makes both as files in /run/xen/backendd; they outlive the
 * processes.
 *
 * Request i of NBD_SLOTS is slot[i]. Who may write what: [W] the worker, [P] the
 * process, [K] the keeper before it starts either. The rules, which hold when either side is killed at any instruction:
 *
 * 1. The worker fills the slot, then sets its bit in `busy`, then in `fresh`, then rings. `busy` is the truth, `fresh` says
 *    where to look: a process that has just started takes all that is busy and not done.
 * 2. The process writes slot.error, then the bit in `done`, then rings. It never takes what is done.
 * 3. The worker reads slot.error, clears `busy`, then `done`; then the slot is free.
 * 4. A new worker (or the keeper, with 0 for nobody) writes its number into `generation`, rings, and waits until
 *    `accepted` is the same. The process first forgets what it has not sent yet, waits until nothing that it sent can still
 *    run, and clears all bits. So nothing of a dead worker's runs when its successor submits.
 * 5. Neither side believes the other: each value is read once and checked.
 */
#ifndef BACKEND_NBD_QUEUE_H
#define BACKEND_NBD_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../common/shared.h"

#define NBD_MAGIC	0x7144424eu
#define NBD_LAYOUT	1u
#define NBD_SLOTS	2048u		/* STORAGE_OPS */
#define NBD_WORDS	(NBD_SLOTS / 64)
#define NBD_BUFFER	(4u << 20)	/* bytes of the buffer: STORAGE_BUFFER of blkback/storage.h */
#define NBD_MOST	(1u << 20)	/* bytes that one request reads or writes, at most */
#define NBD_SIZE	65536ul		/* of the memory */

enum nbd_op { NBD_READ = 1, NBD_WRITE, NBD_FLUSH, NBD_DISCARD, NBD_ZERO };

/* What the server can do: nbd_queue.flags. */
#define NBD_CAN_FLUSH		1u
#define NBD_CAN_DISCARD		2u
#define NBD_CAN_ZERO		4u
#define NBD_IS_READONLY		8u

struct nbd_slot {
	uint64_t offset;		/* [W] bytes */
	uint32_t length;		/* [W] bytes; read and write at most NBD_MOST */
	uint32_t buffer;		/* [W] bytes from the buffer's start */
	uint32_t op;			/* [W] enum nbd_op */
	uint32_t error;			/* [P] errno, 0 for none */
};

struct nbd_queue {
	uint32_t magic, layout;		/* [K] */
	uint64_t disk_bytes;		/* [P] 0 until it was connected for the first time */
	uint32_t block;			/* [P] bytes: offsets and lengths are multiples of it */
	uint32_t flags;			/* [P] */
	uint32_t wait_seconds;		/* [K] how long requests wait for a lost server */
	uint32_t readonly;		/* [K] */
	uint32_t server;		/* [K] the server is ours: the keeper passes sockets to it, and ends it */
	uint32_t pad;
	uint32_t generation;		/* [W], [K] */
	uint32_t accepted;		/* [P] */
	char name[64];			/* [K] of the device, for messages */
	char target[4096];		/* [K] URI, or FORMAT:PATH of our own server's */

	uint64_t busy[NBD_WORDS] __attribute__((aligned(64)));		/* [W] */
	uint64_t fresh[NBD_WORDS];					/* [W] sets, [P] clears */
	uint64_t done[NBD_WORDS] __attribute__((aligned(64)));		/* [P] sets, [W] clears */
	struct nbd_slot slot[NBD_SLOTS] __attribute__((aligned(64)));
};
_Static_assert(sizeof(struct nbd_queue) <= NBD_SIZE, "struct nbd_queue");

/* The worker's descriptors, in this order. */
enum nbd_worker_fd { NBD_WORKER_BUFFER, NBD_WORKER_QUEUE, NBD_WORKER_RING, NBD_WORKER_BELL, NBD_WORKER_FDS };

/* --- The worker's side: queue.c ------------------------------------------------------------------ */

struct nbd_client {
	struct nbd_queue *q;
	int ring, bell;			/* eventfds: to the process, from it */
	uint32_t generation;
	bool accepted;
	uint64_t busy[NBD_WORDS];	/* our own memory of q->busy */
	unsigned int next;		/* where a free one is looked for */
	bool to_ring;
	uint64_t tag[NBD_SLOTS];
	uint32_t length[NBD_SLOTS];
	unsigned int word;		/* of `done`, which is looked at next */
};

/*
 * Maps the queue (@memory) and begins generation @generation (not 0; another one than the predecessor's). 0 or -errno. The
 * descriptors stay the caller's; @bell is to be polled for reading.
 */
int nbd_client_open(struct nbd_client *c, int memory, int ring, int bell, uint32_t generation);
/* True when the predecessor's requests have ended: before that nothing may be submitted. */
bool nbd_client_accepted(struct nbd_client *c);
/* Puts a request; at most NBD_SLOTS may be under way. nbd_ring() is to be called after the last of a batch. */
void nbd_submit(struct nbd_client *c, enum nbd_op op, uint64_t tag, uint64_t offset, uint32_t length, uint32_t buffer);
void nbd_ring(struct nbd_client *c);
/*
 * The next that has ended: true with its tag, and its length or -errno. When there is none, @bell gets readable with the
 * next.
 */
bool nbd_next(struct nbd_client *c, uint64_t *tag, int64_t *result);

#endif
