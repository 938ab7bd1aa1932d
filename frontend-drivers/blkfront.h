// SPDX-License-Identifier: MIT
/*
 * A disk of the guest, served by a backend in another domain.
 *
 *	struct blkfront *disk;
 *	blkfront_open(51712, NULL, &disk);	while another task is in xenbus_run, or
 *	...					until blkfront_is_ready() call xenbus_poll() oneself
 *	blkfront_submit(disk, 0, &request);	request.done() is called when it is over
 *
 * Data are copied between the caller's buffer and pages that stay granted to the backend as long as the device lives.
 * So a backend that lies or never lets go can spoil data (it could anyway) but never reaches the caller's memory, and
 * backends that keep grants mapped ("feature-persistent") need no hypercall for a page.
 *
 * A request may be of any size; it is cut to what the backend takes. Requests are answered in any order; a flush
 * covers the writes that were answered before it was submitted. When the backend goes away and comes back, or the
 * guest was suspended, requests without an answer are sent again, and the caller sees only a pause.
 */
#ifndef FRONTEND_BLKFRONT_H
#define FRONTEND_BLKFRONT_H

#include <xen/io/blkif.h>

#include "xenbus.h"

struct blkfront;

/* What the frontend may use at most; 0: as given in brackets. The backend's limits count too. */
struct blkfront_options {
	unsigned int queues;		/* [1] */
	unsigned int ring_order;	/* pages of a ring: 1 << this [0], at most 4 */
	unsigned int segments;		/* pages of one request on the ring [32], at most 256 */
	unsigned int pages;		/* pages for data of one queue [256] */
};

/* What the disk is; sectors are of 512 bytes. */
struct blkfront_info {
	uint64_t sectors;
	unsigned int sector_bytes;	/* requests must be multiples of this */
	unsigned int physical_sector_bytes;
	bool readonly, removable, cdrom;
	bool can_flush, can_discard, can_discard_secure;
	unsigned int discard_granularity, discard_alignment;	/* bytes */
	unsigned int queues, segments, ring_order;		/* in use now */
};

enum blk_operation {
	BLK_READ,
	BLK_WRITE,
	BLK_FLUSH,			/* answered writes are safe; done at once where the disk has no cache */
	BLK_DISCARD,
	BLK_DISCARD_SECURE
};

/* Caller's memory, and untouched by him until done() is called. */
struct blk_request {
	enum blk_operation operation;
	uint64_t sector;		/* first, of 512 bytes */
	uint64_t bytes;			/* of the buffer, or to discard */
	void *buffer;
	/* In an event handler or in the task that submitted; `status` is 0 or -XEN_E*. May submit. */
	void (*done)(struct blk_request *request);
	void *argument;			/* the caller's */
	int status;
	/* The library's. */
	struct blk_request *next;
	uint64_t sent;
	unsigned int parts;
};

/* Starts with device/vbd/<number>. It becomes ready later. Returns 0 or -XEN_E*. Task. */
int blkfront_open(unsigned int number, const struct blkfront_options *options, struct blkfront **disk);
/* Ends all requests with -XEN_EIO and gives the device up. Not while another task is in xenbus_poll. Task. */
void blkfront_close(struct blkfront *disk);
/* After a resume of the guest, when xenbus_start was called again. Task. */
int blkfront_resume(struct blkfront *disk);

bool blkfront_is_ready(const struct blkfront *disk);
/* The device was taken away, or the backend broke the protocol: requests end with -XEN_EIO. */
bool blkfront_is_dead(const struct blkfront *disk);
/* Sleeps until it is ready, with xenbus_poll being called here or by another task. 0, or -XEN_EIO: dead. Task. */
int blkfront_wait(struct blkfront *disk);
/* As last told by the backend. `sectors` grows or shrinks when the disk is resized. */
void blkfront_info(const struct blkfront *disk, struct blkfront_info *info);

/*
 * Takes a request; `queue` is taken modulo the number of queues. Refused ones end by done() too, before this returns:
 * -XEN_EINVAL out of range or not in whole sectors, -XEN_EROFS, -XEN_EOPNOTSUPP, -XEN_EIO. Task, or in done().
 */
void blkfront_submit(struct blkfront *disk, unsigned int queue, struct blk_request *request);
/* One request from begin to end. Returns its status. Task. */
int blkfront_transfer(struct blkfront *disk, enum blk_operation operation, uint64_t sector, void *buffer, uint64_t bytes);

#endif
