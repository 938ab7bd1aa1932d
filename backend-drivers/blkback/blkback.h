/* SPDX-License-Identifier: MIT */
/*
 * The worker of a disk. queue.c: rings and journal; data.c: the guest's pages and the disk's buffer; main.c: the way of a
 * request through them. One thread; all state here is the worker's own, and dies with it.
 */
#ifndef BLKBACK_BLKBACK_H
#define BLKBACK_BLKBACK_H

#include <sys/queue.h>
#include "../common/worker.h"
#include "journal.h"
#include "protocol.h"

struct queue;

/* A request that was taken, from its entry in the journal on. */
struct io {
	STAILQ_ENTRY(io) next;
	struct queue *queue;
	struct blk_entry *entry;
	struct blk_work work;
	uint32_t buffer;		/* bytes from the start of the disk's buffer */
	uint32_t buffer_pages;		/* 0: has none */
	uint32_t done;			/* bytes, of a read or write that is done in parts */
	uint16_t parts;			/* operations of the storage under way */
	bool serial;			/* parts one after the other, each from where the last ended */
	int error;			/* of a part, -errno */
	bool refused;			/* its pages are not granted */
	uint8_t stage;			/* of a barrier: main.c */
	struct blk_segment *segment;	/* BLK_SEGMENTS of them */
};
STAILQ_HEAD(io_list, io);

struct queue {
	struct xen_ring_end ring;
	struct blk_queue_memory *memory;
	unsigned int number;
	uint32_t port;
	struct io io[BLK_SLOTS];
	uint16_t free_io[BLK_SLOTS];	/* a stack of numbers */
	unsigned int free_count;
};

extern struct blk_memory *disk;
extern struct queue queues[];		/* disk->queues of them */
extern struct blk_limits limits;

/* --- queue.c -------------------------------------------------------------------------------------- */

/* Maps the rings, and takes up what a dead worker left: adds what it had taken to @todo, in the order of the ring. */
void queues_open(struct io_list *todo);
/* Takes the requests that wait, adds them to @todo; returns how many. */
unsigned int queue_take(struct queue *q, struct io_list *todo);
/* Answers a request (BLKIF_RSP_*); the frontend sees it after queue_publish(). */
void queue_answer(struct io *io, int status);
/* Shows answers to the frontend, and notifies it if it wants that. */
void queue_publish(struct queue *q);
/* Asks for an event with the next request. True if there is one already. */
bool queue_sleep(struct queue *q);

/* --- data.c ---------------------------------------------------------------------------------------- */

void data_open(void);
/* Notes pages of a request that are not mapped yet, if this frontend's are to be; data_map() maps what was noted. */
void data_want(uint32_t ref);
void data_want_all(const struct io *io);	/* its segments' */
void data_map(void);
/* Copies the segments of an indirect request from the guest. False if it doesn't grant them. */
bool data_read_indirect(struct io *io, struct blkif_request_segment *raw);
/* Room in the buffer for a request's data; false if there is none now. */
bool data_reserve(struct io *io);
void data_release(struct io *io);
/*
 * Copies all data of a request between its buffer and the guest. What is mapped is copied at once, the rest by
 * data_copied(), for all requests together; io->refused then tells of a guest that does not grant its pages.
 */
void data_copy(struct io *io, bool to_guest);
void data_copied(void);

#endif
