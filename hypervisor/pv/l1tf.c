// SPDX-License-Identifier: MIT
/*
 * L1TF: what an entry that is not present says to the CPU all the same.
 *
 * When a walk meets an entry without the present bit, an affected CPU goes on
 * for a moment as if it were the last one of the walk: it takes the address
 * that the entry holds, past all rights, and if that line is in the L1 cache
 * the data come (Intel, "L1 Terminal Fault"). A guest writes its own entries,
 * so it could choose the line: the hypervisor's or another guest's.
 *
 * Xen lets such a guest run on shadow tables. Here the entry is refused: in a
 * domain with pv.l1tf_end set, an entry of a page table that is not present
 *
 *   1. is 0 but for its flags, without PSE above level 1, or
 *   2. names an address above all memory that caches may hold.
 *
 * Kernels that know of L1TF on bare machines write no others: Linux inverts the
 * address in entries for swap, migration and PROT_NONE. For those that don't,
 * pv-l1tf= turns this off.
 *
 * Both hold whenever a frame has a page-table type, since every way for an entry
 * into a table goes through page_type.c. Nothing here changes after boot.
 */
#include "pv/l1tf.h"
#include "core/seam.h"

u64 l1tf_address_mask = PTE_MFN_MASK;

void __init l1tf_init(u8 phys_bits)
{
	/* Bits above the CPU's width reach no cache tag. */
	l1tf_address_mask = PTE_MFN_MASK & ((1ULL << phys_bits) - 1);
}

int l1tf_refuse(const struct domain *d, u64 e)
{
	guest_log(d, LOG_WARNING, "page-table entry %#llx is not present but names memory, which L1TF would read: refused "
		  "(the kernel is too old for this CPU, or evil; pv-l1tf= in xenolith(8))\n", (unsigned long long)e);
	return -EINVAL;
}

int l1tf_check_table(const struct domain *d, const u64 *table, unsigned level)
{
	if (likely(!d->pv.l1tf_end))
		return 0;
	for (unsigned i = 0; i < 512; i++) {
		/* What a guest left in the hypervisor's slots is overwritten before the table is used. */
		if (level == 4 && i == HV_SLOT_FIRST)
			i = HV_SLOT_LAST + 1;
		if (!(table[i] & PTE_P) && l1tf_leaks(d, table[i], level))
			return l1tf_refuse(d, table[i]);
	}
	return 0;
}
