/* SPDX-License-Identifier: MIT */
/*
 * blkback's part of the memory that keeper and workers share (common/shared.h): what the keeper tells, and the journal.
 *
 * The journal has to say, whenever a worker is killed, which requests were taken off the ring and not yet answered: their
 * slots there may be overwritten by then. For each request that was taken there is an entry, with the request's copy.
 *
 *	FREE ------------> TAKEN | index in the ring ------------> ANSWERED | index of the response -----------> FREE
 *	      blk_take()                               blk_answer()                                 blk_answer()
 *
 * Each edge is one 64-bit store into blk_entry.word. The orders of stores that the successor (blk_recover()) relies on:
 * 1. request, word = TAKEN, req_cons. So an entry that is TAKEN at or after req_cons does not count: its request is still
 *    in the ring, and is taken again.
 * 2. status, the response in the ring, word = ANSWERED, rsp_prod, word = FREE; only then, maybe much later and for many at
 *    once, the ring's own rsp_prod, which is the only thing that a frontend looks at. So a request is answered if and only
 *    if its word says so, and the response of at most one ANSWERED entry, that with the index rsp_prod, is not counted.
 * 3. Nothing is read back from the ring that the frontend could have changed: indices are these here.
 *
 * What is TAKEN is done again from the beginning. That is safe because nobody was told that it was done, and because no
 * I/O of the dead worker runs any more by then: storage.h, drained().
 */
#ifndef BLKBACK_JOURNAL_H
#define BLKBACK_JOURNAL_H

#include <stdint.h>
#include <xen/io/blkif.h>
#include "storage.h"

#define BLK_LAYOUT	2u		/* to be changed with anything here */
#define BLK_QUEUES	8u
#define BLK_RING_ORDER	4u		/* at most 2^4 pages for a ring */
#define BLK_RING_PAGES	(1u << BLK_RING_ORDER)
#define BLK_SLOTS	512u		/* of such a ring */
#define BLK_SEGMENTS	256u		/* of an indirect request, at most */

#define BLK_FREE	0ull
#define BLK_TAKEN	(1ull << 32)
#define BLK_ANSWERED	(2ull << 32)
#define BLK_STATE(word)	((word) & ~0xffffffffull)

struct blk_entry {
	uint64_t word;
	int64_t status;			/* of an answer, BLKIF_RSP_* */
	struct blkif_request request;
};

struct blk_queue_memory {
	/* The keeper's. */
	uint32_t port;			/* local event channel */
	uint32_t pages;			/* of the ring */
	uint32_t refs[BLK_RING_PAGES];
	/* The journal. */
	uint32_t req_cons, rsp_prod;
	struct blk_entry entry[BLK_SLOTS];
};

struct blk_memory {
	uint32_t queues;
	uint32_t persistent;		/* the frontend reuses its grants: they stay mapped */
	uint32_t readonly, discard;	/* bool */
	struct storage_shared storage;
	struct blk_queue_memory queue[BLK_QUEUES];
};

#endif
