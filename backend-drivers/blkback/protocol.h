/* SPDX-License-Identifier: MIT */
/*
 * The block protocol as the backend has to doubt it: requests are checked here, and nothing of a request is used that was
 * not checked. Pure: no system calls, no state; what comes in are copies, which the guest can't change any more.
 */
#ifndef BLKBACK_PROTOCOL_H
#define BLKBACK_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>
#include <xen/io/blkif.h>

#define BLK_MOST_SEGMENTS 256u		/* of an indirect request; "feature-max-indirect-segments" */

struct blk_limits {
	uint64_t sectors;		/* of 512 bytes */
	uint32_t sector_bytes;		/* 512 or a multiple: the unit of I/O */
	bool readonly, discard;
};

enum blk_op { BLK_READ, BLK_WRITE, BLK_BARRIER, BLK_FLUSH, BLK_DISCARD };

/* A piece of a request: within one page of the guest. */
struct blk_segment {
	uint32_t ref;
	uint16_t offset, bytes;
};

/* A request that was checked. */
struct blk_work {
	enum blk_op op;
	uint8_t response_op;		/* as the frontend expects it in the response */
	uint64_t id;
	uint64_t offset, bytes;		/* on the disk */
	uint32_t segments;
	uint32_t indirect;		/* pages of segments that have still to be read; then blk_segments() */
	uint32_t indirect_refs[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
};

/*
 * Checks a request. 0, or the status to be answered, with *@why. In either case w->id and w->response_op are set. Fills
 * @segment (room for BLK_MOST_SEGMENTS), unless w->indirect: then w->segments of struct blkif_request_segment are to be
 * read from the pages w->indirect_refs, 512 from each, and to be given to blk_segments().
 */
int blk_parse(const struct blkif_request *r, const struct blk_limits *limits, struct blk_work *w,
	      struct blk_segment *segment, const char **why);
/* Checks the segments of a request: as blk_parse(), which calls it for those within a request. */
int blk_segments(const struct blkif_request_segment *raw, const struct blk_limits *limits, struct blk_work *w,
		 struct blk_segment *segment, const char **why);

#endif
