/* SPDX-License-Identifier: MIT */
/*
 * What is behind a disk. A kind of storage has two halves: the keeper's (struct storage_kind) opens it and owns all of it
 * that must outlive a worker; the worker's (struct storage_ops) does I/O with the descriptors that the keeper passes.
 *
 * I/O goes between the storage and the disk's buffer, memory that keeper and workers share; the worker copies between
 * that and the guest's pages. So no I/O ever touches a guest's page: what a guest does to its grants can't disturb it,
 * and what a killed worker left running can't write into a page that was given to another use.
 *
 * The rule for which both halves exist: before a successor starts any I/O, all I/O of the dead worker has ended
 * (attach()); before a device counts as closed, likewise (drained()). Else a write that was replayed or superseded could
 * land after a newer one.
 */
#ifndef BLKBACK_STORAGE_H
#define BLKBACK_STORAGE_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORAGE_BUFFER	(4u << 20)	/* bytes of a disk's buffer: bounds what is under way */
#define STORAGE_OPS	2048u		/* under way at once, at most: 512 requests, one of them in parts for each page of the buffer */

/* Descriptors of the worker, from FD_OWN on; what is behind the buffer is the kind's own. */
enum storage_fd { STORAGE_FD_BUFFER, STORAGE_FD_RING, STORAGE_FD_BACKING, STORAGE_FDS };

enum storage_number { STORAGE_URING, STORAGE_NBD };

/* In the shared memory: what the keeper tells the worker. `bytes` changes when the disk grows. */
struct storage_shared {
	uint64_t bytes;
	uint32_t sector_bytes;		/* the smallest piece of I/O: 512 to 4096 */
	uint32_t physical_bytes;	/* a hint for the guest */
	uint32_t most_bytes;		/* the largest piece of I/O that is not split further down; a multiple of 4096 */
	uint32_t discard_bytes, discard_alignment;	/* granularity, and offset of the first; 0 where unknown */
	uint32_t kind;			/* enum storage_number */
	uint32_t pad;
	uint64_t base;			/* uring: the buffer's address as the ring knows it */
	struct io_uring_params params;	/* uring: for mmap() */
};

/* --- the keeper's half -------------------------------------------------------------------------- */

struct device;

struct storage {
	const struct storage_kind *kind;
	int backing;			/* -1 if there is none */
	bool readonly;
	bool is_block;
	bool buffered;			/* its file system has no direct I/O */
	bool can_discard;
	struct storage_shared facts;	/* bytes, sectors, discard */
	char *target;			/* as it is called in messages */
	char format[16];		/* the word before it */
	bool discard;			/* wanted, if it can be */
	void *own;			/* the kind's */
	/* Of a connection: */
	void *buffer;
	int buffer_fd, ring_fd;
	int drain_fd;			/* readable when it is worth to ask drained() again */
	struct io_uring ring;
};

struct storage_kind {
	const char *const *formats;	/* the words before the : of `params`, NULL at the end */
	/*
	 * Opens s->target and fills s->facts. 0 or -errno with device_error(). -EAGAIN: it takes a while, device_look() is
	 * called when there is more to know, and this again by that.
	 */
	int (*open)(struct device *d, struct storage *s);
	void (*close)(struct storage *s);
	/* For a connection: makes the buffer and all that workers need. 0 or -errno with device_error(). */
	int (*connect)(struct device *d, struct storage *s);
	void (*disconnect)(struct storage *s);
	/* The worker's descriptors; returns how many. */
	unsigned int (*descriptors)(struct storage *s, int *fds);
	/* The worker is dead. Has its I/O ended? If not, s->drain_fd gets readable when to ask again. */
	bool (*drained)(struct storage *s);
	/* How large it is now: s->facts.bytes. 0 or -errno. */
	int (*size)(struct storage *s);
	/* Asks what the size is, where that takes a while: disk_grown() is called when it is another. May be NULL. */
	int (*look)(struct storage *s);
};

extern const struct storage_kind storage_uring_kind, storage_nbd_kind;

/* kind.c: size() says something new; tells worker and guest. 0 or -errno. */
int disk_grown(struct device *d);

/* --- the worker's half ---------------------------------------------------------------------------- */

enum storage_op { STORAGE_READ, STORAGE_WRITE, STORAGE_FLUSH, STORAGE_DISCARD };

struct storage_ops {
	/* Takes over from a dead worker: comes back when none of its I/O runs any more. Ends the worker if it can't. */
	void (*attach)(const struct storage_shared *shared, bool readonly);
	/*
	 * Puts an operation; @tag comes back with its end. @buffer: bytes from the buffer's start. At most STORAGE_OPS may
	 * be under way; the caller counts.
	 */
	void (*put)(enum storage_op op, uint64_t tag, uint64_t offset, uint64_t bytes, uint32_t buffer);
	/* Hands over what was put. */
	void (*submit)(void);
	/* The next that has ended: true with its tag and result (bytes done, or -errno). */
	bool (*next)(uint64_t *tag, int *result);
	/* Readable while there may be some that have ended. */
	int (*fd)(void);
};

extern const struct storage_ops storage_uring_ops, storage_nbd_ops;

#endif
