// SPDX-License-Identifier: MIT
/*
 * Checking requests. A frontend that is wrong gets an error for that request, as from Linux's backend; numbers are compared
 * so that no sum can wrap: a sector is first held to be on the disk, and then the rest of the disk is looked at.
 */
#include <stddef.h>
#include <string.h>
#include "protocol.h"

static int bad(const char **why, const char *text)
{
	*why = text;
	return BLKIF_RSP_ERROR;
}

static bool on_disk(const struct blk_limits *limits, uint64_t sector, uint64_t sectors)
{
	return sector <= limits->sectors && sectors <= limits->sectors - sector;
}

int blk_segments(const struct blkif_request_segment *raw, const struct blk_limits *limits, struct blk_work *w,
		 struct blk_segment *segment, const char **why)
{
	const uint32_t count = w->segments;
	uint64_t sector = w->offset / BLKIF_UNIT_BYTES;
	uint32_t units = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint8_t first = raw[i].first_sect, last = raw[i].last_sect;

		if (first > last || last > 7)
			return bad(why, "a segment is not within its page");
		segment[i] = (struct blk_segment){ .ref = raw[i].gref, .offset = first * BLKIF_UNIT_BYTES,
						   .bytes = (last - first + 1) * BLKIF_UNIT_BYTES };
		units += last - first + 1;
	}
	if (!on_disk(limits, sector, units))
		return bad(why, "it goes beyond the end of the disk");
	w->bytes = (uint64_t)units * BLKIF_UNIT_BYTES;
	w->indirect = 0;
	if ((w->offset | w->bytes) & (limits->sector_bytes - 1))
		return bad(why, "it is not of whole sectors");
	return 0;
}

static int parse_discard(const struct blkif_request *r, const struct blk_limits *limits, struct blk_work *w, const char **why)
{
	struct blkif_request_discard d;

	memcpy(&d, r, sizeof(d));
	w->op = BLK_DISCARD;
	w->id = d.id;
	if (!limits->discard || (d.flag & BLKIF_DISCARD_SECURE)) {
		*why = NULL;
		return BLKIF_RSP_EOPNOTSUPP;
	}
	if (!d.nr_sectors || !on_disk(limits, d.sector_number, d.nr_sectors))
		return bad(why, "it goes beyond the end of the disk");
	w->offset = d.sector_number * BLKIF_UNIT_BYTES;
	w->bytes = d.nr_sectors * BLKIF_UNIT_BYTES;
	if ((w->offset | w->bytes) & (limits->sector_bytes - 1))
		return bad(why, "it is not of whole sectors");
	return 0;
}

/* Reads and writes of either form: where on the disk. */
static int parse_place(const struct blk_limits *limits, struct blk_work *w, uint64_t sector, const char **why)
{
	if (w->op != BLK_READ && limits->readonly)
		return bad(why, "it writes to a disk that can only be read");
	if (!on_disk(limits, sector, 1))
		return bad(why, "it goes beyond the end of the disk");
	w->offset = sector * BLKIF_UNIT_BYTES;
	return 0;
}

static int parse_indirect(const struct blkif_request *r, const struct blk_limits *limits, struct blk_work *w, const char **why)
{
	struct blkif_request_indirect in;
	int status;

	memcpy(&in, r, sizeof(in));
	w->id = in.id;
	w->response_op = in.indirect_op;
	if (in.indirect_op != BLKIF_OP_READ && in.indirect_op != BLKIF_OP_WRITE)
		return bad(why, "it is indirect, and neither reads nor writes");
	w->op = in.indirect_op == BLKIF_OP_READ ? BLK_READ : BLK_WRITE;
	if (!in.nr_segments || in.nr_segments > BLK_MOST_SEGMENTS)
		return bad(why, "it has no segments, or more than were offered");
	status = parse_place(limits, w, in.sector_number, why);
	w->segments = in.nr_segments;
	w->indirect = (in.nr_segments + BLKIF_SEGMENTS_PER_INDIRECT_PAGE - 1) / BLKIF_SEGMENTS_PER_INDIRECT_PAGE;
	memcpy(w->indirect_refs, in.indirect_grefs, sizeof(w->indirect_refs));
	return status;
}

int blk_parse(const struct blkif_request *r, const struct blk_limits *limits, struct blk_work *w,
	      struct blk_segment *segment, const char **why)
{
	int status;

	w->response_op = r->operation;
	w->id = r->id;
	w->offset = w->bytes = 0;
	w->segments = w->indirect = 0;
	switch (r->operation) {
	case BLKIF_OP_READ:
		w->op = BLK_READ;
		break;
	case BLKIF_OP_WRITE:
		w->op = BLK_WRITE;
		break;
	case BLKIF_OP_WRITE_BARRIER:
		w->op = BLK_BARRIER;
		break;
	case BLKIF_OP_FLUSH_DISKCACHE:
		w->op = BLK_FLUSH;
		break;
	case BLKIF_OP_DISCARD:
		return parse_discard(r, limits, w, why);
	case BLKIF_OP_INDIRECT:
		return parse_indirect(r, limits, w, why);
	default:
		w->op = BLK_READ;
		*why = "there is no such operation";
		return BLKIF_RSP_EOPNOTSUPP;
	}
	if (r->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST)
		return bad(why, "it has more than 11 segments");
	/* A flush flushes; what some frontends put beside it is not looked at. */
	if (w->op == BLK_FLUSH || (w->op == BLK_BARRIER && !r->nr_segments))
		return 0;
	if (!r->nr_segments)
		return bad(why, "it has no segments");
	status = parse_place(limits, w, r->sector_number, why);
	w->segments = r->nr_segments;
	return status ? status : blk_segments(r->seg, limits, w, segment, why);
}
