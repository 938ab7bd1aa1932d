// SPDX-License-Identifier: MIT
/*
 * The page allocator: a buddy system over machine frames.
 *
 * The problem is threefold. Memory must be handed out by the million frames at
 * boot without a step for each; old devices need frames below an address that
 * only the caller knows (from 256 KiB to 4 GiB); and a frame that one domain
 * gave back must be zeroed before another sees it, though zeroing what the
 * firmware left would cost a boot more than all its other work.
 *
 * So the free lists live in the frame table, one entry per block; there is a
 * set of lists for every power of two of the address; and a block remembers how
 * clean it is.
 *
 *  1. A free block has 2^order frames, starts at a multiple of that, and only its
 *     first frame's entry means anything: type is PGT_free with order,
 *     cleanness and next block, count is "no owner" with the previous block.
 *  2. No frame in use has type PGT_free, hence a look at the buddy's first entry
 *     says whether the two can be merged. (Entries inside a free block may hold
 *     anything: nobody looks there, because a buddy that lies inside a larger
 *     free block would make ours free as well.)
 *  3. Frame 0 is never in the heap. Thus a block at frame f > 0 lies entirely
 *     between two powers of two, and its zone is the bit length of f: an
 *     allocation below 2^b bytes takes zones up to b - 12 and never has to look
 *     at where a block lies.
 *  4. Two free buddies are always merged. A merged block is as dirty as its
 *     dirtier half.
 *  5. `nonempty[zone]` has bit o set where list (zone, o) has a block.
 *
 * The lock (RANK_PAGE_ALLOC) guards the lists and the entries of free blocks.
 * Zeroing and the setting-up of entries happen after it is dropped, when the
 * block belongs to the caller.
 */
#include "core/page_alloc.h"
#include "core/seam.h"
#include "lib/spinlock.h"
#include "lib/string.h"

#define NR_ORDERS (PAGE_ALLOC_MAX_ORDER + 1)
#define NR_ZONES 33 /* bit lengths of a 32-bit frame number; zone 0 stays empty */

/* What a free block's frames may hold. Merging takes the larger of two. */
enum cleanness {
	FRAME_HARMLESS = 0, /* what the firmware or the hypervisor left */
	FRAME_DIRTY = 1,    /* a domain's data */
};

/* type word of a free block's first frame, below PGT_free */
#define FREE_next_mask 0xffffffffULL
#define FREE_order_shift 32
#define FREE_clean_shift 40
/* its count word, below "no owner" */
#define FREE_prev_mask 0xffffffffULL

#define COUNT_UNOWNED (PGC_owner_none << PGC_owner_shift)

struct page_info *frame_table;
u64 frame_table_entries;

static struct {
	spinlock_t lock;
	u32 head[NR_ZONES][NR_ORDERS];
	u32 nonempty[NR_ZONES];
	u64 nr_free;
	u64 free_in[NR_ZONES];
	u64 nr_total;
	u64 nr_claimed;
} heap = { .lock = SPINLOCK(RANK_PAGE_ALLOC, "page_alloc") };

static unsigned int zone_of(u64 mfn)
{
	return 64 - __builtin_clzll(mfn);
}

static unsigned int free_order(const struct page_info *pg)
{
	return pg->type >> FREE_order_shift & 0xff;
}

static enum cleanness free_cleanness(const struct page_info *pg)
{
	return pg->type >> FREE_clean_shift & 1;
}

static void list_insert(u32 mfn, unsigned int order, enum cleanness clean)
{
	unsigned int zone = zone_of(mfn);
	u32 *head = &heap.head[zone][order];
	struct page_info *pg = &frame_table[mfn];

	heap.free_in[zone] += 1ULL << order;
	pg->count = COUNT_UNOWNED;
	pg->type = PGT_free | (u64)order << FREE_order_shift | (u64)clean << FREE_clean_shift | *head;
	if (*head)
		frame_table[*head].count = COUNT_UNOWNED | mfn;
	else
		heap.nonempty[zone] |= 1u << order;
	*head = mfn;
}

static void list_remove(u32 mfn, unsigned int order)
{
	unsigned int zone = zone_of(mfn);
	struct page_info *pg = &frame_table[mfn];
	u32 next = pg->type & FREE_next_mask;
	u32 prev = pg->count & FREE_prev_mask;

	heap.free_in[zone] -= 1ULL << order;
	if (next)
		frame_table[next].count = pg->count;
	if (prev) {
		frame_table[prev].type = (frame_table[prev].type & ~FREE_next_mask) | next;
	} else {
		heap.head[zone][order] = next;
		if (!next)
			heap.nonempty[zone] &= ~(1u << order);
	}
	pg->type = 0;
}

/* Puts a block on its list after merging it with what is free beside it. */
static void insert_merged(u32 mfn, unsigned int order, enum cleanness clean)
{
	BUG_ON((frame_table[mfn].type & PGT_type_mask) == PGT_free);
	heap.nr_free += 1ULL << order;
	while (order < PAGE_ALLOC_MAX_ORDER) {
		u64 buddy = mfn ^ (1ULL << order);
		struct page_info *pg;

		if (!buddy || buddy >= frame_table_entries)
			break;
		pg = &frame_table[buddy];
		if ((pg->type & PGT_type_mask) != PGT_free || free_order(pg) != order)
			break;
		clean = max(clean, free_cleanness(pg));
		list_remove(buddy, order);
		mfn &= ~(1u << order);
		order++;
	}
	list_insert(mfn, order, clean);
}

void page_alloc_add(mfn_t first, u64 nr)
{
	u64 mfn = first.m;
	u64 end = mfn + nr;

	BUG_ON(end > frame_table_entries || end < mfn || end > 0xffffffffULL);
	if (!mfn && nr)
		mfn = 1;
	spin_lock(&heap.lock);
	while (mfn < end) {
		unsigned int order = min((unsigned int)__builtin_ctzll(mfn),
					 63 - (unsigned int)__builtin_clzll(end - mfn));

		order = min(order, (unsigned int)PAGE_ALLOC_MAX_ORDER);
		insert_merged(mfn, order, FRAME_HARMLESS);
		heap.nr_total += 1ULL << order;
		mfn += 1ULL << order;
	}
	spin_unlock(&heap.lock);
}

/*
 * A block of `order` from the highest zone that has one, at or below `zone`; what
 * is left of a larger one goes back. 0 if there is none.
 */
static u32 take_block(unsigned int zone, unsigned int order, enum cleanness *clean)
{
	for (; zone > order; zone--) { /* zone z has no block above order z - 1 */
		u32 fits = heap.nonempty[zone] & ~0u << order;
		unsigned int o;
		u32 mfn;

		if (!fits)
			continue;
		o = __builtin_ctz(fits);
		mfn = heap.head[zone][o];
		*clean = free_cleanness(&frame_table[mfn]);
		list_remove(mfn, o);
		while (o > order) {
			o--;
			list_insert(mfn + (1u << o), o, *clean);
		}
		heap.nr_free -= 1ULL << order;
		return mfn;
	}
	return 0;
}

mfn_t alloc_pages(unsigned int order, unsigned int address_bits, unsigned int flags)
{
	unsigned int zone = NR_ZONES - 1;
	enum cleanness clean = FRAME_DIRTY;
	u32 mfn;

	if (order > PAGE_ALLOC_MAX_ORDER)
		return INVALID_MFN;
	if (address_bits) {
		if (address_bits <= PAGE_SHIFT)
			return INVALID_MFN;
		zone = min(zone, address_bits - PAGE_SHIFT);
	}

	spin_lock(&heap.lock);
	mfn = take_block(zone, order, &clean);
	spin_unlock(&heap.lock);
	if (!mfn)
		return INVALID_MFN;

	if (!(flags & ALLOC_NOINFO)) {
		for (u64 i = 0; i < 1ULL << order; i++)
			frame_table[mfn + i] = (struct page_info){ .count = COUNT_UNOWNED };
	}
	if (clean == FRAME_DIRTY || !(flags & ALLOC_NOSCRUB)) {
		for (u64 i = 0; i < 1ULL << order; i++) {
			void *page = map_frame(MFN(mfn + i));

			clear_page(page);
			unmap_frame(page);
		}
	}
	return MFN(mfn);
}

void free_pages(mfn_t first, unsigned int order, bool dirty)
{
	BUG_ON(!first.m || order > PAGE_ALLOC_MAX_ORDER || first.m & ((1ULL << order) - 1) ||
	       first.m + (1ULL << order) > frame_table_entries);
	spin_lock(&heap.lock);
	insert_merged(first.m, order, dirty ? FRAME_DIRTY : FRAME_HARMLESS);
	spin_unlock(&heap.lock);
}

void page_alloc_adopt(u64 nr)
{
	spin_lock(&heap.lock);
	heap.nr_total += nr;
	spin_unlock(&heap.lock);
}

int page_alloc_claim(u64 *claim, u64 pages)
{
	int rc = -ENOMEM;
	u64 others;

	spin_lock(&heap.lock);
	others = heap.nr_claimed - *claim;
	if (pages <= *claim || (heap.nr_free >= others && pages <= heap.nr_free - others)) {
		heap.nr_claimed = others + pages;
		*claim = pages;
		rc = 0;
	}
	spin_unlock(&heap.lock);
	return rc;
}

void page_alloc_claim_used(u64 *claim, u64 pages)
{
	spin_lock(&heap.lock);
	pages = min(pages, *claim);
	heap.nr_claimed -= pages;
	*claim -= pages;
	spin_unlock(&heap.lock);
}

bool page_alloc_has(u64 claim, u64 pages)
{
	return free_page_count() + claim >= claimed_page_count() + pages;
}

u64 claimed_page_count(void)
{
	return READ_ONCE(heap.nr_claimed);
}

u64 free_page_count(void)
{
	return READ_ONCE(heap.nr_free);
}

u64 free_pages_between(unsigned int min_bits, unsigned int max_bits)
{
	u64 sum = 0;

	for (unsigned int zone = 1; zone < NR_ZONES; zone++)
		if (zone + PAGE_SHIFT > min_bits && (!max_bits || zone + PAGE_SHIFT <= max_bits))
			sum += READ_ONCE(heap.free_in[zone]);
	return sum;
}

u64 total_page_count(void)
{
	return READ_ONCE(heap.nr_total);
}
