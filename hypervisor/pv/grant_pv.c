// SPDX-License-Identifier: MIT
/*
 * Granted frames in a PV guest's page tables.
 *
 * A grant is mapped by writing one L1 entry: that of a kernel address, or the
 * one at a given machine address (which user mappings of gntdev use). The entry
 * holds references of its own like any other, so it may also be overwritten or
 * torn down with its table without harm; the grant's own hold is separate.
 */
#include "core/domain.h"
#include "core/seam.h"
#include "pv/vcpu_pv.h"
#include "x86/layout.h"

/* The L1 entry meant, its table held in *table. */
static u64 *find_entry(struct vcpu *v, u64 host_addr, u32 flags, mfn_t *table)
{
	if (!(flags & GNTMAP_contains_pte))
		return guest_l1_entry(v, host_addr, table);
	*table = MFN(host_addr >> PAGE_SHIFT);
	if (!hold_l1_table(*table, v->domain))
		return NULL;
	return (u64 *)((char *)map_frame(*table) + (host_addr & (PAGE_SIZE - 1) & ~7ULL));
}

int grant_host_map(struct vcpu *v, u64 host_addr, mfn_t frame, u32 flags)
{
	struct domain *owner = domain_of_owner(page_owner(mfn_to_page(frame)));
	u64 pte = frame.m << PAGE_SHIFT | PTE_P | PTE_U | PTE_A | PTE_D | PTE_NX, *entry;
	mfn_t table;
	int rc;

	if (!(flags & GNTMAP_readonly))
		pte |= PTE_RW;
	if (!(flags & GNTMAP_application_map))
		pte |= PTE_GUEST_KERNEL;
	pte |= (u64)(flags >> 16 & 7) << 9; /* the guest's own bits, AVL */
	entry = find_entry(v, host_addr, flags, &table);
	if (!entry)
		return GNTST_general_error;
	rc = mod_l1_entry(v, entry, pte, false, v->domain, owner);
	unmap_frame(entry);
	release_page_table(v, table);
	return rc ? GNTST_general_error : GNTST_okay;
}

int grant_host_unmap(struct vcpu *v, u64 host_addr, mfn_t frame, u32 flags)
{
	mfn_t table;
	u64 *entry = find_entry(v, host_addr, flags, &table), old;
	int rc = GNTST_general_error;

	if (!entry)
		return rc;
	old = READ_ONCE(*entry);
	/* It may have been overwritten since; then there is nothing of the grant's left to clear. */
	if ((old & PTE_P) && (old & PTE_MFN_MASK) >> PAGE_SHIFT == frame.m &&
	    !(old & PTE_RW) == !!(flags & GNTMAP_readonly) &&
	    !mod_l1_entry(v, entry, 0, false, v->domain, v->domain))
		rc = GNTST_okay;
	unmap_frame(entry);
	release_page_table(v, table);
	return rc;
}
