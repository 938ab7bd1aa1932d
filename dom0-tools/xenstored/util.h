// SPDX-License-Identifier: MIT
/*
 * What the daemon's pure part needs of a machine: memory that is there or ends the process, a seeded hash, a
 * growing buffer.
 *
 * Memory that runs out ends the daemon on the spot. That is safe here and simpler than undoing: nothing of a request
 * counts before its journal record is committed, so the keeper starts the daemon anew in the state before that
 * request (docs/xenstore.md).
 */
#ifndef XENSTORED_UTIL_H
#define XENSTORED_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void *xs_alloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p) {
		fprintf(stderr, "xenstored: no memory for %zu bytes\n", size);
		abort();
	}
	return p;
}

static inline void *xs_zalloc(size_t size)
{
	return memset(xs_alloc(size), 0, size);
}

static inline void *xs_realloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (!p) {
		fprintf(stderr, "xenstored: no memory for %zu bytes\n", size);
		abort();
	}
	return p;
}

static inline void *xs_dup(const void *from, size_t size)
{
	void *p = xs_alloc(size);

	if (size)
		memcpy(p, from, size);
	return p;
}

/* A secret of this process: guests choose names, and must not be able to choose collisions. */
extern uint64_t hash_seed;

/* Hash of one byte more; a path's prefixes all come out of one pass. */
static inline uint64_t hash_step(uint64_t h, uint8_t c)
{
	return (h ^ c) * 0x9e3779b97f4a7c15ull ^ h >> 29;
}

static inline uint32_t hash_end(uint64_t h)
{
	h ^= hash_seed << 7;
	h *= 0xd6e8feb86659fd93ull;
	return h >> 32 ^ h >> 7;
}

static inline uint32_t hash_bytes(const char *p, size_t len)
{
	uint64_t h = hash_seed;

	while (len--)
		h = hash_step(h, *p++);
	return hash_end(h);
}

struct buf {
	uint8_t *data;
	size_t len, room;
};

static inline void *buf_add(struct buf *b, size_t len)
{
	if (b->room - b->len < len) {
		b->room = (b->len + len) * 2 + 256;
		b->data = xs_realloc(b->data, b->room);
	}
	b->len += len;
	return b->data + b->len - len;
}

static inline void buf_put(struct buf *b, const void *from, size_t len)
{
	void *to = buf_add(b, len);

	if (len)
		memcpy(to, from, len);
}

static inline void buf_u32(struct buf *b, uint32_t v)
{
	buf_put(b, &v, sizeof(v));
}

static inline void buf_u64(struct buf *b, uint64_t v)
{
	buf_put(b, &v, sizeof(v));
}

/* A string with its terminator. */
static inline void buf_str(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s) + 1);
}

static inline void buf_free(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

#endif
