/* SPDX-License-Identifier: MIT */
/*
 * Indirect branches.
 *
 * The compiler makes each of them a call or jmp to the thunk of the register
 * that holds the target. Boot decides what a thunk does (x86/protect.c):
 *
 *   jmp        nothing to protect from: every call site is made a plain
 *              indirect branch again (x86/thunk_sites.c), thunks are not used
 *   lfence     the target is known before the branch (some AMD CPUs)
 *   retpoline  the branch is a return, whose prediction is the loop that the
 *              call behind it planted; what a guest taught the CPU about
 *              indirect branches is not asked
 *
 * Contract: as the branch itself; no register is changed but %rsp's usual part.
 */
#include "x86/alternative.h"

.macro THUNK reg
	.globl	__x86_indirect_thunk_\reg
	.hidden	__x86_indirect_thunk_\reg
	.type	__x86_indirect_thunk_\reg, @function
	.balign	32
__x86_indirect_thunk_\reg:
	ALT_OLD
	ALT_NEW
	lfence
	ALT_END	ALT_THUNK_LFENCE
	ALT_OLD
	jmp	*%\reg
	ALT_NEW
	jmp	retpoline_\reg
	ALT_END	ALT_THUNK_RETPOLINE
	int3
retpoline_\reg:
	call	2f
1:	pause
	lfence
	jmp	1b
2:	mov	%\reg, (%rsp)
	ret
	int3
.endm

	.text
	.irp	reg, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	THUNK	\reg
	.endr
	.section .note.GNU-stack, "", @progbits
