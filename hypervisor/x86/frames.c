// SPDX-License-Identifier: MIT
/* The machine's side of core/seam.h for memory: every RAM frame is in the direct map. */
#include "core/domain.h"
#include "core/seam.h"
#include "x86/paging.h"

mfn_t frame_of(const void *va)
{
	return virt_to_mfn(va);
}

void *get_guest_frame(struct domain *d, gfn_t gfn, bool writable)
{
	mfn_t m = MFN(gfn.g); /* a PV guest's frame numbers are the machine's */

	if (!(writable ? get_page_writable(m, d) : get_page(m, d)))
		return NULL;
	return mfn_to_virt(m);
}

void put_guest_frame(struct domain *d, void *va, bool writable)
{
	mfn_t m = virt_to_mfn((void *)((u64)va & PAGE_MASK));

	(void)d;
	if (writable)
		put_page_writable(m);
	else
		put_page(m);
}

void m2p_set(mfn_t mfn, u64 pfn)
{
	M2P[mfn.m] = pfn;
}
