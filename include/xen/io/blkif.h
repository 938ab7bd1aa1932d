// SPDX-License-Identifier: MIT
/*
 * Disks over a shared ring (xen/io/blkif.h).
 *
 * The frontend writes requests, the backend answers each one exactly once, in any order, with the request's id. A
 * request names pages of the frontend by grant references; a segment is a run of 512-byte units inside one page.
 *
 * Rules that the layout alone does not say:
 *  1. sector_number, nr_sectors, first_sect and last_sect count 512 bytes always, whatever "sector-size" says; with
 *     sector-size 4096 they are multiples of 8 (last_sect: plus 7). last_sect belongs to the segment.
 *  2. Slots hold requests of 112 bytes and responses of 16: a ring of one page has 32 slots.
 *  3. The layout is that of "x86_64-abi", which the frontend names in its node "protocol".
 *  4. An indirect request names up to 8 pages that hold the segments, 512 in each; how many segments in all is
 *     the backend's "feature-max-indirect-segments".
 *  5. FLUSH has no segments and no sector. BARRIER is a write (or empty) ordered against all others.
 *  6. Discard ("feature-discard") has no segments; DISCARD_SECURE asks that the old contents can't be read again.
 */
#ifndef XEN_IO_BLKIF_H
#define XEN_IO_BLKIF_H

#include <xen/grant_table.h>
#include <xen/io/ring.h>

typedef uint16_t blkif_vdev_t;
typedef uint64_t blkif_sector_t;

/* operation, indirect_op */
#define BLKIF_OP_READ				0
#define BLKIF_OP_WRITE				1
#define BLKIF_OP_WRITE_BARRIER			2
#define BLKIF_OP_FLUSH_DISKCACHE		3
#define BLKIF_OP_DISCARD			5
#define BLKIF_OP_INDIRECT			6

/* status */
#define BLKIF_RSP_EOPNOTSUPP			-2
#define BLKIF_RSP_ERROR				-1
#define BLKIF_RSP_OKAY				0

#define BLKIF_DISCARD_SECURE			1	/* flag */

/* Bits of the backend's node "info". */
#define VDISK_CDROM				0x1
#define VDISK_REMOVABLE				0x2
#define VDISK_READONLY				0x4

#define BLKIF_MAX_SEGMENTS_PER_REQUEST		11
#define BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST	8
#define BLKIF_SEGMENTS_PER_INDIRECT_PAGE	512
#define BLKIF_UNIT_BYTES			512	/* what a sector is on the ring */
#define BLKIF_SLOT_BYTES			112

struct blkif_request_segment {
	grant_ref_t gref;
	uint8_t first_sect, last_sect;	/* both inclusive; 0 to 7 */
};
XEN_ABI_SIZE(struct blkif_request_segment, 8);
XEN_ABI_OFFSET(struct blkif_request_segment, first_sect, 4);

struct blkif_request {
	uint8_t operation;
	uint8_t nr_segments;		/* 0 to 11 */
	blkif_vdev_t handle;
	uint64_t id;			/* given back in the response */
	blkif_sector_t sector_number;
	struct blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST];
};
XEN_ABI_SIZE(struct blkif_request, 112);
XEN_ABI_OFFSET(struct blkif_request, handle, 2);
XEN_ABI_OFFSET(struct blkif_request, id, 8);
XEN_ABI_OFFSET(struct blkif_request, sector_number, 16);
XEN_ABI_OFFSET(struct blkif_request, seg, 24);

struct blkif_request_discard {
	uint8_t operation;
	uint8_t flag;
	blkif_vdev_t handle;
	uint64_t id;
	blkif_sector_t sector_number;
	uint64_t nr_sectors;
};
XEN_ABI_SIZE(struct blkif_request_discard, 32);
XEN_ABI_OFFSET(struct blkif_request_discard, id, 8);
XEN_ABI_OFFSET(struct blkif_request_discard, nr_sectors, 24);

struct blkif_request_indirect {
	uint8_t operation;		/* BLKIF_OP_INDIRECT */
	uint8_t indirect_op;		/* BLKIF_OP_READ, _WRITE */
	uint16_t nr_segments;
	uint64_t id;
	blkif_sector_t sector_number;
	blkif_vdev_t handle;
	grant_ref_t indirect_grefs[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
};
XEN_ABI_SIZE(struct blkif_request_indirect, 64);
XEN_ABI_OFFSET(struct blkif_request_indirect, nr_segments, 2);
XEN_ABI_OFFSET(struct blkif_request_indirect, id, 8);
XEN_ABI_OFFSET(struct blkif_request_indirect, handle, 24);
XEN_ABI_OFFSET(struct blkif_request_indirect, indirect_grefs, 28);

struct blkif_response {
	uint64_t id;
	uint8_t operation;
	int16_t status;
};
XEN_ABI_SIZE(struct blkif_response, 16);
XEN_ABI_OFFSET(struct blkif_response, operation, 8);
XEN_ABI_OFFSET(struct blkif_response, status, 10);

#endif
