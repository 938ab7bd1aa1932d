/* SPDX-License-Identifier: MIT */
/*
 * Code that is chosen once, at boot, by what the CPU is or needs.
 *
 * A protection that few CPUs need should cost the others nothing, not even a
 * test. So a place in the code can have two forms: the assembler lays down the
 * usual one, and boot copies the other over it where its feature is wanted
 * (alternative.c). What is left over of the place is filled with long no-ops,
 * one for up to nine bytes.
 *
 *	ALTERNATIVE(old, feature, new)		in C's asm statements: strings
 *	ALT_OLD; ...; ALT_NEW; ...; ALT_END feature	in assembly, on lines of their own
 *
 * "old" may be empty; then the place costs one no-op where the feature is not
 * wanted. To cost nothing at all, let "old" be instructions of at least five
 * bytes together that are there anyway, and "new" a jmp to code elsewhere that
 * does what is needed, repeats "old" and jumps back. No label may lie inside
 * "old". Of the instructions of "new" only the first may be relative to rip,
 * and only as call, jmp or a conditional jump to code outside of it.
 */
#ifndef X86_ALTERNATIVE_H
#define X86_ALTERNATIVE_H

#define ALT_SMAP 0         /* copies to and from guests need stac and clac */
#define ALT_XPTI 1         /* some domain runs on a page table without the hypervisor */
#define ALT_SYSRET_CHECK 2 /* SYSRET to a non-canonical address would fault in ring 0 */
#define ALT_GUARD_EXIT 3   /* the way to a guest has protections to pass */
#define ALT_SPEC_CTRL 4    /* IA32_SPEC_CTRL is another for us than for guests */
#define ALT_IBPB_ENTRY 5
#define ALT_RSB_ENTRY 6    /* return stack overwritten on entry */
#define ALT_BHB_ENTRY 7    /* branch history, likewise */
#define ALT_VERW_EXIT 8    /* buffers of the CPU cleared on the way to a guest */
#define ALT_DIV_EXIT 9     /* the divider, likewise */
#define ALT_THUNK 10       /* indirect calls go by thunks; */
#define ALT_THUNK_LFENCE 11
#define ALT_THUNK_RETPOLINE 12
#define ALT_CHECK_FENCE 13 /* a fence behind the check of a guest's pointer */
#define ALT_NR 64

#ifdef __ASSEMBLY__

/* Laid down: struct alt_site of alternative.c. */
.macro ALT_OLD
7703:
.endm
.macro ALT_NEW
7704:	.pushsection .altcode, "ax", @progbits
7701:
.endm
.macro ALT_END feature
7702:	.popsection
	.fill	-((7702b - 7701b) > (7704b - 7703b)) * ((7702b - 7701b) - (7704b - 7703b)), 1, 0x90
7705:	.pushsection .altsites, "a", @progbits
	.balign	4
	.long	7703b - ., 7701b - .
	.byte	\feature, 7704b - 7703b, 7705b - 7703b, 7702b - 7701b
	.popsection
.endm

#else

#include "lib/types.h"

#define ALT_STR_(x) #x
#define ALT_STR(x) ALT_STR_(x)

#define ALTERNATIVE(old, feature, new)                                            \
	".pushsection .altcode, \"ax\", @progbits\n"                              \
	"7701: " new "\n7702: .popsection\n"                                      \
	"7703: " old "\n7704: .skip -((7702b - 7701b) > (7704b - 7703b)) * ((7702b - 7701b) - (7704b - 7703b)), 0x90\n" \
	"7705: .pushsection .altsites, \"a\", @progbits; .balign 4\n"             \
	".long 7703b - ., 7701b - .\n"                                            \
	".byte " ALT_STR(feature) ", 7704b - 7703b, 7705b - 7703b, 7702b - 7701b; .popsection\n"

/* In C: true where `feature` is wanted, for the price of one no-op where it is not. */
#define alternative_on(feature)                                                   \
	({                                                                        \
		__label__ yes_, end_;                                             \
		bool on_ = false;                                                 \
		__asm__ goto(ALTERNATIVE("", feature, "jmp %l[yes_]") :::: yes_);  \
		goto end_;                                                        \
	yes_:                                                                     \
		on_ = true;                                                       \
	end_:                                                                     \
		on_;                                                              \
	})

/* Boot CPU, before alternatives_apply(): the new form is to be used. */
void alternative_want(unsigned int feature);
/* Takes all wishes back: the CPU is looked at anew. */
void alternatives_forget(void);
/* Boot CPU, once, before any other CPU runs and before the first guest does. */
void alternatives_apply(void);

#endif
#endif
