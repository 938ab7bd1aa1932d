/* SPDX-License-Identifier: MIT */
/*
 * Spectre v1: an index that a guest chose, behind a check that the CPU may have
 * predicted wrongly. Each table that guests index goes through here, where what
 * is read could lead to a second access.
 */
#ifndef LIB_NOSPEC_H
#define LIB_NOSPEC_H

#include "lib/types.h"

/* index, and 0 where a mispredicted branch got here with index >= size. Without a branch; size > 0. */
static inline u64 index_nospec(u64 index, u64 size)
{
	u64 mask;

	__asm__ volatile("cmp %2, %1; sbb %0, %0" : "=r"(mask) : "r"(index), "re"(size) : "cc");
	return index & mask;
}

#endif
