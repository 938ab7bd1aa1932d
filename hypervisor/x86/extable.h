/* SPDX-License-Identifier: MIT */
/*
 * Instructions of the hypervisor that may fault on purpose, and where to go on.
 */
#ifndef X86_EXTABLE_H
#define X86_EXTABLE_H

#include "lib/types.h"

/* One pair of self-relative offsets per entry: the instruction, and its continuation. */
#define EXTABLE(insn, fixup)                                                      \
	".pushsection .extable, \"a\"; .balign 4; .long " #insn " - ., " #fixup " - .; .popsection;"

/* Where to go on after a fault at `rip`; 0 when none was expected there. */
u64 extable_find(u64 rip);

/* *p, or 0 where there is no memory any more. Host tests have all they read. */
static inline u64 read_or_zero(const u64 *p)
{
#ifdef XENOLITH_HOST
	return READ_ONCE(*p);
#else
	u64 v;

	__asm__ volatile("1: mov %1, %0\n2:\n"
			 ".pushsection .text.fixup, \"ax\"; 3: xor %k0, %k0; jmp 2b; .popsection\n" EXTABLE(1b, 3b)
			 : "=r"(v) : "m"(*p));
	return v;
#endif
}

/* WRMSR that may #GP: 0 or -EFAULT. */
int wrmsr_safe(u32 msr, u64 value);
/* RDMSR that may #GP: 0 or -EFAULT. */
int rdmsr_safe(u32 msr, u64 *value);

#endif
