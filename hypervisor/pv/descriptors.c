// SPDX-License-Identifier: MIT
/*
 * Which descriptors a guest may put in a GDT or LDT.
 *
 * Guest code runs in ring 3 always, so a code or data segment can do no harm
 * once its DPL is 3: in 64-bit mode base and limit mean nothing, and a 32-bit
 * segment reaches only the low 4 GiB, which are the guest's. System descriptors
 * are another matter: a TSS, LDT or gate is an entry point into ring 0. All of
 * them are refused; Linux uses none (its LDT and TSS loads are hypercalls).
 */
#include "pv/descriptors.h"

#define DESC_P (1ULL << 47)
#define DESC_S (1ULL << 44) /* code or data */
#define DESC_DPL (3ULL << 45)

bool descriptor_fix(u64 *desc)
{
	if (!(*desc & DESC_P))
		return true;
	if (!(*desc & DESC_S))
		return false;
	if ((*desc & DESC_DPL) != DESC_DPL)
		*desc |= DESC_DPL;
	return true;
}
