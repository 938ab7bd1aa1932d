/* SPDX-License-Identifier: MIT */
/*
 * Writes that the server has confirmed and not yet flushed. A server that dies may have had them in its memory only: an
 * image's tables, for one. A guest that was told "written" and has not crashed would find old data there. So they are kept
 * until a flush that began after them has ended, and are written again when a connection was lost, in their order.
 *
 * The memory is a file in /run/xen/backendd, the process's alone; it outlives it. `head` and `tail` count entries, and an
 * entry is there when `tail` says so. The data lie in a ring too; an entry's are in one piece.
 */
#ifndef BACKEND_NBD_UNFLUSHED_H
#define BACKEND_NBD_UNFLUSHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNFLUSHED_ENTRIES	4096u
#define UNFLUSHED_BYTES		(16u << 20)
#define UNFLUSHED_DATA		(132ul << 10)	/* from the start to the data */
#define UNFLUSHED_SIZE		(UNFLUSHED_DATA + UNFLUSHED_BYTES)

struct unflushed_entry {
	uint64_t offset;		/* bytes on the disk */
	uint32_t length;
	uint32_t zero;			/* zeroes were written, there are no data */
	uint64_t start;			/* of the data: counts all bytes that ever were in the ring */
	uint64_t end;
};

/* Maps the file. 0 or -errno; -EBADMSG if what is in it makes no sense, and then it is empty. */
int unflushed_open(int fd);
/* False if there is no room: a flush has to make some. */
bool unflushed_add(uint64_t offset, uint32_t length, const void *data);
/* To be asked when a flush begins, and given to unflushed_drop() when it has ended. */
uint32_t unflushed_mark(void);
void unflushed_drop(uint32_t mark);
/* True when a flush is due. */
bool unflushed_is_much(void);
/* The entries there are, from the oldest: first with *@at = 0. NULL behind the last. @data: NULL for zeroes. */
const struct unflushed_entry *unflushed_next(uint32_t *at, const void **data);

#endif
