/* SPDX-License-Identifier: MIT */
/*
 * The frame table, and the buddy allocator that keeps its lists in it.
 *
 * struct page_info describes one machine frame in 16 bytes. While the frame is
 * in use, `count` and `type` mean what is said here and belong to
 * pv/page_type.c; while it is free, the head of each free block belongs to
 * page_alloc.c and the other entries of the block mean nothing.
 */
#ifndef CORE_PAGE_ALLOC_H
#define CORE_PAGE_ALLOC_H

#include "lib/types.h"

struct page_info {
	u64 count; /* [A] PGC_* */
	u64 type;  /* [A] PGT_* */
};

/* count: references, owner. A frame no one refers to and no one owns is free. */
#define PGC_count_mask ((1ULL << 47) - 1)
#define PGC_allocated (1ULL << 47) /* the owner's own reference is still there */
#define PGC_owner_shift 48
#define PGC_owner_mask (0x7fffULL << PGC_owner_shift)
#define PGC_owner_none 0x7fffULL   /* free, or the hypervisor's own */

/* type: what the frame is used as, and by how many. */
#define PGT_count_mask ((1ULL << 40) - 1) /* entries that fit 8 TiB; the direct map has 5 */
#define PGT_stamp_shift 40 /* while the count is 0: low bits of the TLB clock when it became 0 */
#define PGT_stamp_mask (0xffffULL << PGT_stamp_shift)
#define PGT_owner_shift 40 /* while it is not: the owner, as in the count word */
#define PGT_owner_mask (0x7fffULL << PGT_owner_shift)
#define PGT_readable (1ULL << 58) /* of no type yet, and a guest has mapped it for reading */
#define PGT_pinned (1ULL << 59)
#define PGT_validated (1ULL << 60)
#define PGT_type_shift 61
#define PGT_type_mask (7ULL << PGT_type_shift)
#define PGT_none (0ULL << PGT_type_shift)
#define PGT_l1 (1ULL << PGT_type_shift)
#define PGT_l2 (2ULL << PGT_type_shift)
#define PGT_l3 (3ULL << PGT_type_shift)
#define PGT_l4 (4ULL << PGT_type_shift)
#define PGT_seg_desc (5ULL << PGT_type_shift)
#define PGT_writable (6ULL << PGT_type_shift)
#define PGT_free (7ULL << PGT_type_shift) /* first frame of a free block: page_alloc.c's */

extern struct page_info *frame_table; /* indexed by mfn; set before page_alloc_add() */
extern u64 frame_table_entries;       /* frames it describes; 2^32 - 1 at most */

static inline struct page_info *mfn_to_page(mfn_t mfn) { return &frame_table[mfn.m]; }
static inline mfn_t page_to_mfn(const struct page_info *pg) { return MFN((u64)(pg - frame_table)); }
static inline domid_t page_owner(const struct page_info *pg)
{
	return (READ_ONCE(pg->count) & PGC_owner_mask) >> PGC_owner_shift;
}

#define PAGE_ALLOC_MAX_ORDER 20 /* 4 GiB */

/* Flags of alloc_pages() */
#define ALLOC_NOSCRUB 1u /* memory that no domain ever had may come as the firmware left it */
#define ALLOC_NOINFO 2u  /* the caller sets count and type of every frame before it shows them to anyone */

/*
 * Gives `nr` frames of RAM that nothing uses to the heap. They count as never
 * owned by a domain, but not as zero. Costs a few blocks, not `nr` frames. Frame
 * 0 is left out: the lists use its number for "none".
 */
void page_alloc_add(mfn_t first, u64 nr);

/*
 * 2^order frames, aligned to their size. Without ALLOC_NOSCRUB they are zero;
 * with it they hold zeros or what the firmware left, never a domain's data.
 * address_bits: every byte lies below 2^address_bits; 0 or >= 64 for no limit, which
 * takes high memory first. Each frame's count word is set to owner none and no
 * reference, its type word to 0 (but for ALLOC_NOINFO). INVALID_MFN when no such block is free.
 */
mfn_t __must_check alloc_pages(unsigned int order, unsigned int address_bits, unsigned int flags);

/*
 * Gives them back. `dirty`: they may hold a domain's data and will be zeroed
 * before anyone gets them; false promises that they hold nothing secret.
 */
void free_pages(mfn_t first, unsigned int order, bool dirty);

/* `nr` frames of RAM went into use without ever having been free; they count as given to the heap. */
void page_alloc_adopt(u64 nr);

/*
 * Sets the claim *claim, which is kept with its owner: `pages` free ones that others don't get. 0, or -ENOMEM where
 * too few are free and not claimed by others; the claim is unchanged then.
 */
int page_alloc_claim(u64 *claim, u64 pages);
/* `pages` of the claim, or what is left of it, have come. */
void page_alloc_claim_used(u64 *claim, u64 pages);
/* Are `pages` free for the owner of `claim`? Others may be quicker. */
bool page_alloc_has(u64 claim, u64 pages);
/* All claims together. */
u64 claimed_page_count(void);

/* Frames free now. */
u64 free_page_count(void);
/* Of these, frames at or above 2^min_bits and below 2^max_bits bytes (0: no limit). */
u64 free_pages_between(unsigned int min_bits, unsigned int max_bits);
/* Frames ever given to the heap. */
u64 total_page_count(void);

#endif
