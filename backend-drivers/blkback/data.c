// SPDX-License-Identifier: MIT
/*
 * The guest's pages and the disk's buffer.
 *
 * A frontend with persistent grants uses the same pages again and again: they are mapped when first seen, up to MAPS_MOST,
 * and stay so; a page of data then costs one copy between two mappings. A frontend that gives new grants with each request
 * has its pages copied by the hypervisor, which the keeper asks for; so has one whose pages can't be mapped. Either way
 * nothing of the guest is touched once the copy is done: no answer leaves while a page is in use (but for those that stay
 * mapped by agreement), and no device ever writes into a guest's page.
 *
 * The buffer is given out in runs of pages. A request that finds none waits until others have ended; none is larger than
 * the whole buffer, so that ends.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "blkback.h"

#define MAPS_MOST	16384u		/* pages of a guest that stay mapped */
#define REFS_MOST	131072u		/* grants above are copied: no frontend of ours has so many */
#define PAGE		4096u
#define PAGES		(STORAGE_BUFFER / PAGE)
#define SCRATCH		(PAGES - 1)	/* the buffer's last page: indirect segments that are copied */

static uint8_t *buffer;
static uint8_t *page_of[REFS_MOST];	/* of a grant that is mapped */
static unsigned int mapped;

static uint32_t want[MESSAGE_ITEMS];
static unsigned int want_count;

static uint64_t taken[PAGES / 64];	/* a bit for each page of the buffer */
static unsigned int next_page;

void data_open(void)
{
	buffer = mmap(NULL, STORAGE_BUFFER, PROT_READ | PROT_WRITE, MAP_SHARED, FD_OWN + STORAGE_FD_BUFFER, 0);
	if (buffer == MAP_FAILED)
		worker_die("its buffer can't be mapped: %m");
	taken[SCRATCH / 64] |= 1ull << (SCRATCH % 64);
}

/* --- mapped pages ---------------------------------------------------------------------------------- */

static inline uint8_t *find(uint32_t ref)
{
	return ref < REFS_MOST ? page_of[ref] : NULL;
}

void data_map(void)
{
	static bool told;
	uint64_t index;
	uint8_t *p;

	if (!want_count)
		return;
	p = worker_map(want, want_count, false, &index);
	if (!p && !told) {
		told = true;
		worker_log("its pages can't be mapped (%m): they are copied, which takes longer");
	}
	for (unsigned int i = 0; i < want_count; i++)
		page_of[want[i]] = p ? p + i * PAGE : NULL;
	mapped += p ? want_count : 0;
	want_count = 0;
}

void data_want(uint32_t ref)
{
	/* A mark while it waits, so that it is noted once. */
	static uint8_t marked;

	if (!disk->persistent || ref >= REFS_MOST || page_of[ref] || mapped + want_count >= MAPS_MOST)
		return;
	if (want_count == MESSAGE_ITEMS)
		data_map();
	page_of[ref] = &marked;
	want[want_count++] = ref;
}

void data_want_all(const struct io *io)
{
	const uint32_t count = io->work.segments;

	for (uint32_t i = 0; i < count; i++)
		if (!find(io->segment[i].ref))
			data_want(io->segment[i].ref);
}

/* --- copying ---------------------------------------------------------------------------------------- */

/* Both are 8-byte aligned, as is the length. */
static void copy(void *to, const void *from, size_t bytes)
{
	size_t words = bytes / 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

static struct message grant_copies;
static struct io *copied_for[MESSAGE_ITEMS];

void data_copied(void)
{
	uint32_t count = grant_copies.count;

	if (!count)
		return;
	grant_copies.type = MESSAGE_COPY;
	grant_copies.error = 0;
	worker_ask(&grant_copies, MESSAGE_HEAD + count * sizeof(grant_copies.copies[0]));
	for (uint32_t i = 0; i < count; i++)
		copied_for[i]->refused |= grant_copies.error || grant_copies.status[i] != GNTST_okay;
	grant_copies.count = 0;
}

static void by_grant(struct io *io, uint32_t ref, uint16_t offset, uint16_t bytes, uint32_t where, bool to_guest)
{
	if (grant_copies.count == MESSAGE_ITEMS)
		data_copied();
	copied_for[grant_copies.count] = io;
	grant_copies.copies[grant_copies.count++] =
		(struct message_copy){ .ref = ref, .offset = offset, .length = bytes, .buffer = where, .to_guest = to_guest };
}

static inline __attribute__((always_inline)) void copy_all(struct io *io, const bool to_guest)
{
	const struct blk_segment *s = io->segment, *end = s + io->work.segments;
	uint8_t *own = buffer + io->buffer;

	for (; s < end; own += s->bytes, s++) {
		uint8_t *page = find(s->ref);

		if (!page)
			by_grant(io, s->ref, s->offset, s->bytes, own - buffer, to_guest);
		else if (to_guest)
			copy(page + s->offset, own, s->bytes);
		else
			copy(own, page + s->offset, s->bytes);
	}
}

/* Twice in the program, with one test of the direction for each request. */
void data_copy(struct io *io, bool to_guest)
{
	if (to_guest)
		copy_all(io, true);
	else
		copy_all(io, false);
}

bool data_read_indirect(struct io *io, struct blkif_request_segment *raw)
{
	uint32_t left = io->work.segments;

	for (uint32_t i = 0; i < io->work.indirect && !io->refused; i++) {
		uint32_t count = left < BLKIF_SEGMENTS_PER_INDIRECT_PAGE ? left : BLKIF_SEGMENTS_PER_INDIRECT_PAGE;
		const uint8_t *page = find(io->work.indirect_refs[i]);

		if (!page) {
			by_grant(io, io->work.indirect_refs[i], 0, count * sizeof(*raw), SCRATCH * PAGE, false);
			data_copied();
			page = buffer + SCRATCH * PAGE;
		}
		copy(raw, page, count * sizeof(*raw));
		raw += count;
		left -= count;
	}
	return !io->refused;
}

/* --- the buffer --------------------------------------------------------------------------------------- */

/* Of the word of taken[] that has page `from`: the bits of the pages from there to before `end`. *next: the first behind. */
static inline uint64_t bits(unsigned int from, unsigned int end, unsigned int *next)
{
	unsigned int behind = (from | 63) + 1;

	*next = behind < end ? behind : end;
	return ~0ull >> (64 - (*next - from)) << (from & 63);
}

/* The page behind the last of these that is taken; 0 if none is. */
static unsigned int after_taken(unsigned int first, unsigned int end)
{
	unsigned int after = 0;

	for (unsigned int p = first, next; p < end; p = next) {
		uint64_t busy = taken[p / 64] & bits(p, end, &next);

		if (busy)
			after = (p & ~63u) + 64 - __builtin_clzll(busy);
	}
	return after;
}

bool data_reserve(struct io *io)
{
	const unsigned int pages = (io->work.bytes + PAGE - 1) / PAGE;
	unsigned int first = next_page;
	bool again = false;

	if (!pages)
		return true;
	for (;;) {
		unsigned int after;

		if (first + pages > PAGES) {
			if (again)
				return false;
			again = true;
			first = 0;
		}
		after = after_taken(first, first + pages);
		if (!after)
			break;
		first = after;
	}
	next_page = first + pages;
	for (unsigned int p = first, next; p < next_page; p = next)
		taken[p / 64] |= bits(p, next_page, &next);
	io->buffer = first * PAGE;
	io->buffer_pages = pages;
	return true;
}

void data_release(struct io *io)
{
	const unsigned int first = io->buffer / PAGE, end = first + io->buffer_pages;

	for (unsigned int p = first, next; p < end; p = next)
		taken[p / 64] &= ~bits(p, end, &next);
	io->buffer_pages = 0;
}
