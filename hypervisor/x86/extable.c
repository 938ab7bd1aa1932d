// SPDX-License-Identifier: MIT
/*
 * The table of faults that are allowed in ring 0. It is short (a few dozen
 * entries) and read only after a guest passed a bad pointer, so it is scanned.
 */
#include "x86/extable.h"
#include "core/seam.h"

extern s32 extable_start[], extable_end[];

u64 extable_find(u64 rip)
{
	for (s32 *e = extable_start; e < extable_end; e += 2)
		if ((u64)e + e[0] == rip)
			return (u64)(e + 1) + e[1];
	return 0;
}

int rdmsr_safe(u32 msr, u64 *value)
{
	u32 lo = 0, hi = 0;
	int rc = 0;

	__asm__ volatile("1: rdmsr; jmp 3f; 2: mov %4, %0; 3:" EXTABLE(1b, 2b)
			 : "+r"(rc), "+a"(lo), "+d"(hi) : "c"(msr), "i"(-EFAULT));
	*value = (u64)hi << 32 | lo;
	return rc;
}

int wrmsr_safe(u32 msr, u64 value)
{
	int rc = 0;

	__asm__ volatile("1: wrmsr; jmp 3f; 2: mov %4, %0; 3:" EXTABLE(1b, 2b)
			 : "+r"(rc) : "a"((u32)value), "d"((u32)(value >> 32)), "c"(msr), "i"(-EFAULT) : "memory");
	return rc;
}
