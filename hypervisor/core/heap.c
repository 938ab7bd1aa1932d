// SPDX-License-Identifier: MIT
/*
 * Memory for the hypervisor's own structures: hv_alloc() and hv_free().
 *
 * Sizes are rounded up to a power of two. Up to 1 KiB they come from pages cut
 * into equal pieces, kept on a free list for each size; above that, whole pages
 * from the page allocator. A header of 16 bytes in front of each piece says
 * which; it keeps the piece 16-byte aligned.
 */
#include "core/page_alloc.h"
#include "core/seam.h"
#include "lib/spinlock.h"
#include "lib/string.h"

#define MIN_SHIFT 5 /* 32 bytes with the header */
#define MAX_SHIFT 10
#define MAGIC 0x58656e6f6c697468ULL

struct header {
	u64 magic;
	u32 shift; /* of the piece's size; above MAX_SHIFT: page order + PAGE_SHIFT */
	u32 pad;
};

struct free_piece {
	struct header h;
	struct free_piece *next;
};

static struct free_piece *lists[MAX_SHIFT + 1];
/* Ranked like the page allocator, whose lock is taken with this one released. */
static spinlock_t lock = SPINLOCK(RANK_PAGE_ALLOC, "heap");

static bool refill(unsigned shift)
{
	mfn_t m = alloc_pages(0, 0, 0);
	u8 *page;

	if (mfn_eq(m, INVALID_MFN))
		return false;
	page = map_frame(m);
	spin_lock(&lock);
	for (u64 off = 0; off < PAGE_SIZE; off += 1u << shift) {
		struct free_piece *p = (struct free_piece *)(page + off);

		p->next = lists[shift];
		lists[shift] = p;
	}
	spin_unlock(&lock);
	return true;
}

static void *alloc_small(unsigned shift)
{
	struct free_piece *p;

	for (;;) {
		spin_lock(&lock);
		p = lists[shift];
		if (p)
			lists[shift] = p->next;
		spin_unlock(&lock);
		if (p)
			break;
		if (!refill(shift))
			return NULL;
	}
	memset(p, 0, 1u << shift);
	return p;
}

void *hv_alloc(size_t bytes)
{
	size_t total = bytes + sizeof(struct header);
	unsigned shift = MIN_SHIFT;
	struct header *h;

	while (1ULL << shift < total)
		shift++;
	if (shift <= MAX_SHIFT) {
		h = alloc_small(shift);
	} else {
		mfn_t m;

		shift = max(shift, (unsigned)PAGE_SHIFT);
		m = alloc_pages(shift - PAGE_SHIFT, 0, 0);
		h = mfn_eq(m, INVALID_MFN) ? NULL : map_frame(m);
	}
	if (!h)
		return NULL;
	h->magic = MAGIC;
	h->shift = shift;
	return h + 1;
}

void hv_free(void *p)
{
	struct header *h = (struct header *)p - 1;

	if (!p)
		return;
	BUG_ON(h->magic != MAGIC);
	h->magic = 0;
	if (h->shift <= MAX_SHIFT) {
		struct free_piece *f = (struct free_piece *)h;

		spin_lock(&lock);
		f->next = lists[h->shift];
		lists[h->shift] = f;
		spin_unlock(&lock);
	} else {
		unsigned order = h->shift - PAGE_SHIFT;

		free_pages(frame_of(h), order, true);
	}
}
