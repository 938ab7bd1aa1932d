// SPDX-License-Identifier: MIT
/* Writes that were confirmed and not flushed: unflushed.h. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "../common/shared.h"
#include "unflushed.h"

static struct {
	uint32_t head, tail;		/* entries that ever were taken out, put in */
	struct unflushed_entry entry[UNFLUSHED_ENTRIES];
} *kept;
_Static_assert(sizeof(*kept) <= UNFLUSHED_DATA, "the data come behind");

static struct unflushed_entry *entry(uint32_t n)
{
	return &kept->entry[n % UNFLUSHED_ENTRIES];
}

static char *bytes(uint64_t position)
{
	return (char *)kept + UNFLUSHED_DATA + position % UNFLUSHED_BYTES;
}

/* A process that was killed leaves it whole; one that went mad may not. */
static bool makes_sense(void)
{
	uint64_t end = 0;

	if (kept->tail - kept->head > UNFLUSHED_ENTRIES)
		return false;
	for (uint32_t n = kept->head; n != kept->tail; n++) {
		const struct unflushed_entry *e = entry(n);

		if (e->end < e->start || (n != kept->head && e->start < end) ||
		    e->end - entry(kept->head)->start > UNFLUSHED_BYTES ||
		    (e->zero ? e->start != e->end :
		     (e->end - e->start != e->length || e->start % UNFLUSHED_BYTES + e->length > UNFLUSHED_BYTES)))
			return false;
		end = e->end;
	}
	return true;
}

int unflushed_open(int fd)
{
	kept = mmap(NULL, UNFLUSHED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (kept == MAP_FAILED)
		return -errno;
	if (makes_sense())
		return 0;
	kept->head = kept->tail = 0;
	return -EBADMSG;
}

bool unflushed_add(uint64_t offset, uint32_t length, const void *data)
{
	uint32_t used = kept->tail - kept->head, room = data ? length : 0;
	uint64_t start = used ? entry(kept->tail - 1)->end : 0, oldest = used ? entry(kept->head)->start : start;
	struct unflushed_entry *e = entry(kept->tail);

	if (start % UNFLUSHED_BYTES + room > UNFLUSHED_BYTES)
		start += UNFLUSHED_BYTES - start % UNFLUSHED_BYTES;
	if (used == UNFLUSHED_ENTRIES || start + room - oldest > UNFLUSHED_BYTES)
		return false;
	if (data)
		memcpy(bytes(start), data, length);
	*e = (struct unflushed_entry){ .offset = offset, .length = length, .zero = !data, .start = start, .end = start + room };
	shared_store(&kept->tail, kept->tail + 1);
	return true;
}

uint32_t unflushed_mark(void)
{
	return kept->tail;
}

void unflushed_drop(uint32_t mark)
{
	/* A mark from before the last drop is behind the head. */
	if ((int32_t)(mark - kept->head) > 0)
		shared_store(&kept->head, mark);
}

bool unflushed_is_much(void)
{
	uint32_t used = kept->tail - kept->head;

	return used > UNFLUSHED_ENTRIES / 2 ||
	       (used && entry(kept->tail - 1)->end - entry(kept->head)->start > UNFLUSHED_BYTES / 2);
}

const struct unflushed_entry *unflushed_next(uint32_t *at, const void **data)
{
	const struct unflushed_entry *e = entry(kept->head + *at);

	if (*at == kept->tail - kept->head)
		return NULL;
	(*at)++;
	*data = e->zero ? NULL : bytes(e->start);
	return e;
}
