// SPDX-License-Identifier: MIT
/*
 * Whose a frame is: giving frames to a domain and taking them back.
 *
 * A frame's count word names its owner. The owner's own reference (PGC_allocated)
 * keeps it until it is given back once; the last reference of all, whoever holds
 * it, frees the frame (page_type.c, put_page()). What the hypervisor shows to a
 * guest it holds itself, for as long as it is shown.
 */
#include "pv/page_type.h"
#include "core/domain.h"
#include "core/seam.h"

/* Several CPUs may give pages to one domain. */
static void widen(struct domain *d, u64 first, u64 end)
{
	u64 old = READ_ONCE(d->min_mfn);

	while ((!old || first < old) && !cmpxchg64(&d->min_mfn, &old, first))
		;
	old = READ_ONCE(d->max_mfn);
	while (end > old && !cmpxchg64(&d->max_mfn, &old, end))
		;
}

void assign_pages(mfn_t first, u64 nr, struct domain *d)
{
	u64 word = 1 | PGC_allocated | (u64)d->domain_id << PGC_owner_shift;

	for (u64 i = 0; i < nr; i++) {
		struct page_info *pg = mfn_to_page(MFN(first.m + i));

		pg->type = 0;
		__atomic_store_n(&pg->count, word, __ATOMIC_RELEASE);
	}
	__atomic_fetch_add(&d->tot_pages, nr, __ATOMIC_SEQ_CST);
	widen(d, first.m, first.m + nr);
}

bool release_owned_page(mfn_t mfn, struct domain *d)
{
	u64 x;

	if (!get_page(mfn, d))
		return false;
	x = __atomic_fetch_and(&mfn_to_page(mfn)->count, ~PGC_allocated, __ATOMIC_SEQ_CST);
	if (x & PGC_allocated)
		put_page(mfn);
	put_page(mfn);
	return x & PGC_allocated;
}

void share_page_with_domain(mfn_t mfn, struct domain *d, bool writable)
{
	struct page_info *pg = mfn_to_page(mfn);

	/* The hypervisor's own hold keeps type and count above 0 for as long as it is shared. */
	pg->type = (writable ? PGT_writable : PGT_seg_desc) | PGT_validated |
		   (u64)d->domain_id << PGT_owner_shift | 1;
	__atomic_store_n(&pg->count, 1 | (u64)d->domain_id << PGC_owner_shift, __ATOMIC_RELEASE);
}

void disown_shared_page(mfn_t mfn, struct domain *d)
{
	/* Counted like any frame of d's from now on: who has it mapped keeps it, and with it the domain's id. */
	__atomic_fetch_add(&d->tot_pages, 1, __ATOMIC_SEQ_CST);
	put_page_writable(mfn);
}

/*
 * Frees those frames of first..first+63 that `d` owns and nobody refers to, all behind one flush of TLBs; takes the
 * owner's reference of the others, which are freed when their last user lets go.
 */
u32 release_owned_pages(u64 first, struct domain *d)
{
	const u64 alone = 1 | PGC_allocated | (u64)d->domain_id << PGC_owner_shift;
	u64 ours = 0;
	u32 n = 0;

	for (u32 i = 0; i < 64; i++) {
		u64 x = alone;
		struct page_info *pg = mfn_to_page(MFN(first + i));

		/* The one reference is the owner's: after the exchange nobody can get another. */
		if (!(pg->type & PGT_count_mask) && cmpxchg64(&pg->count, &x, PGC_owner_none << PGC_owner_shift)) {
			ours |= 1ULL << i;
			n++;
		} else if ((x & (PGC_owner_mask | PGC_allocated)) == (alone & ~1ULL)) {
			release_owned_page(MFN(first + i), d);
		}
	}
	if (!ours)
		return 0;
	flush_tlb_since(tlb_clock());
	for (u32 i = 0; i < 64; i++) {
		if (!(ours >> i & 1))
			continue;
		mfn_to_page(MFN(first + i))->type = 0;
		m2p_set(MFN(first + i), ~0ULL);
		if (~ours)
			free_pages(MFN(first + i), 0, true);
	}
	if (!~ours)
		free_pages(MFN(first), 6, true);
	if (!__atomic_sub_fetch(&d->tot_pages, n, __ATOMIC_SEQ_CST))
		domain_frames_gone(d);
	return n;
}
