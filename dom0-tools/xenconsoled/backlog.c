// SPDX-License-Identifier: MIT
/* A stream's last bytes in a ring; backlog.h has the rules. */
#include <string.h>
#include "backlog.h"

_Static_assert(offsetof(struct backlog, data) == BACKLOG_HEAD, "the data begin behind one page");

#define SIZE_LEAST	2048u
#define SIZE_MOST	(1u << 20)

void backlog_init(struct backlog *b, uint32_t size, const struct backlog_owner *owner, uint32_t out_cons)
{
	memset(b, 0, BACKLOG_HEAD);
	b->size = size;
	b->domid = owner->domid;
	b->port = owner->port;
	b->frame = owner->frame;
	memcpy(b->uuid, owner->uuid, sizeof(b->uuid));
	b->cons_base = out_cons;
	b->log_from = UINT64_MAX;
	__atomic_store_n(&b->magic, BACKLOG_MAGIC, __ATOMIC_RELEASE);
}

bool backlog_usable(const struct backlog *b, size_t bytes, const struct backlog_owner *owner)
{
	if (bytes < BACKLOG_HEAD || b->magic != BACKLOG_MAGIC)
		return false;
	if (b->size < SIZE_LEAST || b->size > SIZE_MOST || b->size & (b->size - 1) || bytes - BACKLOG_HEAD < b->size)
		return false;
	return b->logged <= b->total && b->domid == owner->domid && b->port == owner->port &&
	       b->frame == owner->frame && !memcmp(b->uuid, owner->uuid, sizeof(b->uuid));
}

void backlog_add(struct backlog *b, const uint8_t *from, size_t count)
{
	size_t at = b->total & (b->size - 1);
	size_t first = count < b->size - at ? count : b->size - at;

	memcpy(b->data + at, from, first);
	memcpy(b->data, from + first, count - first);
	__atomic_store_n(&b->total, b->total + count, __ATOMIC_RELEASE);
}

uint32_t backlog_cons(const struct backlog *b)
{
	return (uint32_t)b->total + b->cons_base;
}

uint64_t backlog_start(const struct backlog *b)
{
	return b->total > b->size ? b->total - b->size : 0;
}

size_t backlog_read(const struct backlog *b, uint64_t *pos, uint8_t *to, size_t size)
{
	size_t at, first;

	if (*pos < backlog_start(b))
		*pos = backlog_start(b);
	if (*pos > b->total)
		*pos = b->total;
	if (size > b->total - *pos)
		size = b->total - *pos;
	at = *pos & (b->size - 1);
	first = size < b->size - at ? size : b->size - at;
	memcpy(to, b->data + at, first);
	memcpy(to + first, b->data, size - first);
	*pos += size;
	return size;
}

bool backlog_line_open(const struct backlog *b, uint64_t pos)
{
	return pos > backlog_start(b) && b->data[(pos - 1) & (b->size - 1)] != '\n';
}

void backlog_log_begin(struct backlog *b, uint64_t inode, uint64_t size)
{
	b->log_inode = inode;
	b->log_size = size;
	__atomic_store_n(&b->log_from, b->logged, __ATOMIC_RELEASE);
}

void backlog_log_done(struct backlog *b, uint64_t pos)
{
	__atomic_store_n(&b->logged, pos, __ATOMIC_RELEASE);
}

bool backlog_log_broken(const struct backlog *b)
{
	return b->log_from == b->logged;
}
