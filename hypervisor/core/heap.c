// SPDX-License-Identifier: MIT
/*
 * Memory for the hypervisor's own structures: hv_alloc() and hv_free().
 *
 * Up to 2 KiB less a header, sizes are rounded up to a power of two and come from
 * pages cut into equal pieces, kept on a free list for each size. The header of 16
 * bytes in front of each piece says which; it keeps the piece 16-byte aligned.
 * Above that, whole pages without a header, no more than are needed: what a
 * block of the page allocator has beyond them goes back at once. Such memory
 * starts at a page boundary, where no piece does, and the type word of its first
 * frame, which means nothing else for the hypervisor's own, is its length.
 */
#include "core/page_alloc.h"
#include "core/seam.h"
#include "lib/spinlock.h"
#include "lib/string.h"

#define MIN_SHIFT 5 /* 32 bytes with the header */
#define MAX_SHIFT 11
#define MAGIC 0x58656e6f6c697468ULL

struct header {
	u64 magic;
	u32 shift; /* of the piece's size */
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

/* Gives back pages first..first+n-1, of one block whose start is aligned to its size. */
static void free_run(u64 first, u64 n, bool dirty)
{
	while (n) {
		unsigned order = min((unsigned)__builtin_ctzll(first), 63 - (unsigned)__builtin_clzll(n));

		free_pages(MFN(first), order, dirty);
		first += 1ULL << order;
		n -= 1ULL << order;
	}
}

static void *alloc_whole_pages(u64 n)
{
	unsigned order = n > 1 ? 64 - __builtin_clzll(n - 1) : 0;
	mfn_t m = alloc_pages(order, 0, 0);

	if (mfn_eq(m, INVALID_MFN))
		return NULL;
	free_run(m.m + n, (1ULL << order) - n, false);
	mfn_to_page(m)->type = n;
	return map_frame(m);
}

void *hv_alloc(size_t bytes)
{
	size_t total = bytes + sizeof(struct header);
	unsigned shift = MIN_SHIFT;
	struct header *h;

	while (1ULL << shift < total && shift <= MAX_SHIFT)
		shift++;
	if (shift > MAX_SHIFT)
		return alloc_whole_pages(PFN_UP(bytes));
	h = alloc_small(shift);
	if (!h)
		return NULL;
	h->magic = MAGIC;
	h->shift = shift;
	return h + 1;
}

void hv_free(void *p)
{
	struct header *h = (struct header *)p - 1;
	struct free_piece *f = (struct free_piece *)h;

	if (!p)
		return;
	if (!((u64)p & ~PAGE_MASK)) {
		struct page_info *pg = mfn_to_page(frame_of(p));
		u64 n = pg->type;

		BUG_ON(!n || n >> 32 || page_owner(pg) != PGC_owner_none);
		pg->type = 0;
		free_run(frame_of(p).m, n, true);
		return;
	}
	BUG_ON(h->magic != MAGIC);
	h->magic = 0;
	spin_lock(&lock);
	f->next = lists[h->shift];
	lists[h->shift] = f;
	spin_unlock(&lock);
}
