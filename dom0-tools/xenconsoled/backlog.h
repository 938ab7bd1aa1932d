// SPDX-License-Identifier: MIT
/*
 * What a guest said last, in memory that outlives the daemon (a file in /run, mapped). Pure: it works on a piece of
 * memory.
 *
 * A guest's output is one stream, counted in bytes from 0. The daemon takes it from the ring into the backlog, and
 * from there gives it to the log and to each viewer. Any of these steps may be the daemon's last, so:
 *
 * 1. Bytes count as taken with the one store to `total`, which comes after the bytes and before the ring's index is
 *    moved. The index that belongs to `total` is always total + cons_base, modulo 2^32: who comes back sets the ring's
 *    index to that, and nothing is lost or taken twice.
 * 2. Before a write to the log, log_inode and log_size say which file it goes to and how long that is, and log_from is
 *    set to `logged`; after it `logged` moves on. Who comes back and finds the two equal cuts that file to log_size,
 *    since part of the write may be in it, and writes from `logged` on.
 * 3. Nothing in here is believed before backlog_usable() has said so: a file can be of another version or cut short.
 */
#ifndef XENCONSOLED_BACKLOG_H
#define XENCONSOLED_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BACKLOG_HEAD	4096u
#define BACKLOG_MAGIC	0x31676f6c6b636162ull

struct backlog {
	uint64_t magic;
	uint32_t size;		/* of data: a power of two */
	uint32_t domid, port;	/* these four: whose it is */
	uint32_t unused;
	uint64_t frame;
	uint8_t uuid[16];
	uint64_t total;		/* bytes taken since the guest began; the last `size` of them are in data */
	uint32_t cons_base;
	uint32_t unused2;
	uint64_t logged;	/* how far the stream is in the log */
	uint64_t log_from, log_inode, log_size;
	uint8_t rest[BACKLOG_HEAD - 96];
	uint8_t data[];
};

/* Whose it is: a domain's number may come again. */
struct backlog_owner {
	uint32_t domid, port;
	uint64_t frame;
	uint8_t uuid[16];
};

/* @size bytes of data (a power of two) behind the head; the ring's index is @out_cons. */
void backlog_init(struct backlog *b, uint32_t size, const struct backlog_owner *owner, uint32_t out_cons);

/* If memory of @bytes bytes holds a backlog of @owner that can be gone on with. */
bool backlog_usable(const struct backlog *b, size_t bytes, const struct backlog_owner *owner);

/* Adds @count bytes, `size` at most. They count when this returns. */
void backlog_add(struct backlog *b, const uint8_t *from, size_t count);

/* The ring's index up to which output has been taken. */
uint32_t backlog_cons(const struct backlog *b);

/*
 * Copies up to @size bytes from position *pos of the stream on and moves *pos behind them; what is no longer there is
 * passed over first. Returns how many; 0 at the end.
 */
size_t backlog_read(const struct backlog *b, uint64_t *pos, uint8_t *to, size_t size);

/* The first position that is still there. */
uint64_t backlog_start(const struct backlog *b);

/* Is the last line before position @pos without an end? */
bool backlog_line_open(const struct backlog *b, uint64_t pos);

/* Rule 2: before a write to the log, after it, and whether the last one may have been cut short. */
void backlog_log_begin(struct backlog *b, uint64_t inode, uint64_t size);
void backlog_log_done(struct backlog *b, uint64_t pos);
bool backlog_log_broken(const struct backlog *b);

#endif
