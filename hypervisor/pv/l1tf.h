/* SPDX-License-Identifier: MIT */
/*
 * Page-table entries that are not present, on CPUs with L1TF: see l1tf.c.
 */
#ifndef PV_L1TF_H
#define PV_L1TF_H

#include "core/domain.h"
#include "x86/layout.h"

/* Address bits of an entry that the CPU looks at. Set at boot by l1tf_init(). */
extern u64 l1tf_address_mask;

/* `phys_bits`: width of a machine address. Boot CPU, before the first domain. */
void l1tf_init(u8 phys_bits);

/*
 * Would the CPU speculate into memory through `e`, an entry of level 1..4 that is not present?
 * An entry whose address is 0 is an empty one; with PSE it stands for the first megabytes all the same.
 */
static inline bool l1tf_leaks(const struct domain *d, u64 e, unsigned level)
{
	u64 address = e & l1tf_address_mask;

	if (likely(address >= d->pv.l1tf_end))
		return false;
	return address || (level > 1 && (e & PTE_PSE));
}

/* Says so to people. Always -EINVAL. */
int l1tf_refuse(const struct domain *d, u64 e);

/* 0, or -EINVAL where one of the 512 entries of a table of `level` leaks. */
int l1tf_check_table(const struct domain *d, const u64 *table, unsigned level);

#endif
