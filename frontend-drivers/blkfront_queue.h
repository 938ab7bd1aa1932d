// SPDX-License-Identifier: MIT
/*
 * Between blkfront.c (the device and its handshake) and blkfront_queue.c (one ring and its requests).
 */
#ifndef FRONTEND_BLKFRONT_QUEUE_H
#define FRONTEND_BLKFRONT_QUEUE_H

#include "blkfront.h"

#define BLK_MAX_ORDER	4
#define BLK_MAX_QUEUES	16

/* A page that stays granted to the backend. */
struct blk_page {
	void *address;
	grant_ref_t ref;
	bool granted;
};

/* What is on the ring under one id. */
struct blk_slot {
	struct blk_request *request;	/* NULL: free */
	uint8_t operation;		/* as on the ring; of an indirect request the one inside */
	bool indirect;
	uint64_t offset;		/* bytes, in the request */
	uint32_t bytes;
	unsigned int nr_pages, nr_indirect;
	uint16_t *pages;		/* numbers in queue.pages: of data, behind them of segments */
};

struct blk_queue {
	struct blkfront *disk;
	unsigned int number;
	struct os_lock lock;		/* [L] guards what has an L */
	void *ring_pages;		/* 1 << ring_order */
	grant_ref_t ring_refs[1 << BLK_MAX_ORDER];
	unsigned int nr_ring_refs;
	evtchn_port_t port;
	bool has_port;
	bool running;			/* [L] connected: the ring may be used */
	struct xen_ring_end ring;	/* [L] */
	struct blk_slot *slots;		/* [L] as many as the ring has */
	uint16_t *free_slots;		/* [L] */
	unsigned int nr_slots, nr_free_slots;
	struct blk_page *pages;
	uint16_t *free_pages;		/* [L] */
	unsigned int nr_pages, nr_free_pages;
	uint16_t *slot_pages;		/* the arrays that slots[].pages point into */
	struct blk_request *first, *last;	/* [L] not yet (wholly) on the ring */
};

struct blkfront {
	struct xenbus_device device;
	struct blkfront_options options;
	struct blkfront_info info;	/* written by the store's side only */
	struct blk_queue queues[BLK_MAX_QUEUES];
	bool can_barrier;		/* flush by an empty barrier */
};

/* Ends all requests of all queues, and wakes who waits for the disk. */
void blkfront_fail(struct blkfront *disk);

/* Makes ring, slots and pages for what disk->info says. Returns 0 or -XEN_E*. Task. */
int blk_queue_open(struct blk_queue *queue);
/*
 * Takes the ring away from the backend. Requests without an answer are put back, to be sent again. False where the
 * backend keeps a page of the ring mapped: that page is lost.
 */
bool blk_queue_close(struct blk_queue *queue);
/* Takes the data pages away too, and ends all requests with an error. */
void blk_queue_destroy(struct blk_queue *queue);
/* The backend has connected: what waits is sent. */
void blk_queue_run(struct blk_queue *queue);
/* Ends all requests that wait. */
void blk_queue_fail(struct blk_queue *queue, int status);
void blk_queue_submit(struct blk_queue *queue, struct blk_request *request);
/* Moves what waits in a closed queue behind what waits in another. */
void blk_queue_move(struct blk_queue *from, struct blk_queue *to);
/* The backend is another domain now: a closed queue's pages are granted anew when it is opened. */
void blk_queue_regrant(struct blk_queue *queue);
/* The event handler. */
void blk_queue_event(void *queue);

#endif
