/* SPDX-License-Identifier: MIT */
/*
 * Every way into the hypervisor from a guest, and the one way back.
 *
 * Entry contract: the guest's registers end up as struct cpu_user_regs at the
 * start of this CPU's struct cpu_info, which is at the end of its stack area;
 * %rsp points at them; interrupts are off; the direction flag is clear. From
 * then on C code may be called. Exceptions taken in the hypervisor itself push
 * the same frame (without es..gs) on whatever stack was in use.
 *
 * Exit contract: guest_exit is jumped to with %rsp = cpu_info. It does pending
 * work, delivers an event if one is due, and leaves by SYSRET where the guest
 * came by SYSCALL and need not have rcx and r11 back, else by IRET.
 *
 * There are two sets of entries, the plain and the guarded. The IDT and the stub
 * pages decide at boot which set is used, so the other costs nothing. Guarded
 * entries do two things before they leave this section:
 *
 *   - With page-table isolation (XPTI) a guest runs on a root table that maps of
 *     the hypervisor only this section, the CPU's area and the descriptor
 *     tables; they load the full table.
 *   - GUARD_ENTRY drops what the guest taught the branch predictors, as far as
 *     the CPU needs it (x86/protection_plan.c). No return and no indirect branch
 *     is executed before. It is passed by all entries, those from ring 0 too:
 *     a test for where they come from could itself be mispredicted.
 *
 * The way back passes exit_guarded where data that the CPU keeps in buffers
 * must not reach the guest.
 *
 * The frame, from its lowest address: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8
 * rax rcx rdx rsi rdi, error code (32 bits) and vector (32), rip cs rflags rsp ss.
 */
#include "asm_offsets.h"
#include "x86/alternative.h"
#include "x86/layout.h"

#define ENTRY_SYSCALL 0x100 /* in the vector field: SYSRET may be used on the way back */

.macro SAVE_REGS
	push	%rdi
	push	%rsi
	push	%rdx
	push	%rcx
	push	%rax
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
.endm

.macro RESTORE_REGS
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
.endm

.macro SYSCALL_FRAME
	/* The stub page has stored the guest's rsp in regs.rsp and pointed %rsp there. */
	movq	$GUEST_SS, 8(%rsp)
	push	%r11
	push	$GUEST_CS64
	push	%rcx
	pushq	$0
	movl	$ENTRY_SYSCALL, 4(%rsp)
	SAVE_REGS
.endm

/* %rsp = cpu_info. A guest that is not isolated runs on the full table already: hv_cr3 is 0. */
.macro LOAD_HV_TABLE
	mov	CI_hv_cr3(%rsp), %rbx
	test	%rbx, %rbx
	jz	1f
	mov	%rbx, %cr3
1:
.endm

/* %rsp = frame anywhere in the CPU's area. Leaves in %r12 the root table's cr3 if that was loaded, else 0. */
.macro LOAD_FULL_TABLE
	mov	%rsp, %rbx
	or	$(PERCPU_SIZE - 1), %rbx
	mov	%cr3, %r12
	cmp	(CI_root_cr3 + 1 - CI_SIZE)(%rbx), %r12
	je	1f
	xor	%r12d, %r12d
	jmp	2f
1:	mov	(CI_hv_cr3 + 1 - CI_SIZE)(%rbx), %rax
	mov	%rax, %cr3
2:
.endm

/* A protection that is code of its own. Of these, rax, rcx, rdx are free in all that are for entries. */
.macro ALT_ONLY feature, code
	ALT_OLD
	ALT_NEW
	\code
	ALT_END \feature
.endm

.macro WRITE_SPEC_CTRL_HV
	mov	$0x48, %ecx
	xor	%edx, %edx
	wrmsr
.endm

.macro BARRIER_PREDICTIONS
	mov	$1, %eax
	mov	$0x49, %ecx			/* IA32_PRED_CMD */
	xor	%edx, %edx
	wrmsr
.endm

/* 32 calls: the return stack of no CPU is deeper. */
.macro OVERWRITE_RETURN_STACK
	mov	$8, %ecx
1:	.rept	4
	call	3f
2:	lfence
	jmp	2b
3:
	.endr
	dec	%ecx
	jnz	1b
	add	$256, %rsp
	lfence
.endm

/* More taken branches than any CPU's history has room for: 194 (Intel, Branch history injection). */
.macro OVERWRITE_BRANCH_HISTORY
	mov	$12, %ecx
	jmp	4f
1:	mov	$7, %eax
2:	jmp	3f
	int3
3:	dec	%eax
	jnz	2b
	ret
4:	call	1b
	dec	%ecx
	jnz	4b
	lfence
.endm

/* Clobbers rax, rcx, rdx, flags. Any %rsp in the CPU's area. */
.macro GUARD_ENTRY
	mov	spec_ctrl_hv(%rip), %eax
	ALT_ONLY ALT_SPEC_CTRL, WRITE_SPEC_CTRL_HV
	ALT_ONLY ALT_IBPB_ENTRY, BARRIER_PREDICTIONS
	ALT_ONLY ALT_RSB_ENTRY, OVERWRITE_RETURN_STACK
	ALT_ONLY ALT_BHB_ENTRY, OVERWRITE_BRANCH_HISTORY
.endm

/* %rsp = cpu_info */
.macro WRITE_SPEC_CTRL_GUEST
	mov	$0x48, %ecx
	mov	CI_spec_ctrl_guest(%rsp), %eax
	xor	%edx, %edx
	wrmsr
.endm

/* %rsp = &cpu_info.regs.rip */
.macro CLEAR_BUFFERS
	verw	(CI_verw_selector - REGS_rip)(%rsp)
.endm

/* The divider of AMD's Zen 1 shows its last result to who divides by zero: AMD-SB-7007. */
.macro SCRUB_DIVIDER
	mov	$1, %ecx
	mov	%ecx, %eax
	xor	%edx, %edx
	div	%ecx
.endm

/* The handler at index %rax of the table at %r11. */
.macro CALL_TABLE
	ALT_OLD
	cs call	*(%r11, %rax, 8)		/* as long as the other form */
	ALT_NEW
	call	call_table_by_thunk
	ALT_END ALT_THUNK
.endm

	.section .text.entry, "ax", @progbits
	.globl	entry_text_start
entry_text_start:

/* --- SYSCALL: from the guest kernel a hypercall, from its user a system call --- */

	.globl	lstar_entry, lstar_entry_guarded
	.balign	64
lstar_entry:
	SYSCALL_FRAME
syscall_saved:
	mov	CI_current(%rsp), %rbx
	cmpb	$0, VCPU_kernel_mode(%rbx)
	je	user_syscall
	cmp	$NR_HYPERCALLS, %eax
	jae	1f
	sbb	%ecx, %ecx			/* all ones: the branch was not taken in earnest, or it is 0 (Spectre v1) */
	and	%ecx, %eax
	mov	%r10, %rcx
	lea	hypercall_table(%rip), %r11
	CALL_TABLE
	cmp	$-85, %rax			/* -ERESTART, if it is no guest's number that looks the same */
	je	2f
3:	mov	%rax, REGS_rax(%rsp)
	jmp	guest_exit_current
1:	movq	$-38, REGS_rax(%rsp)		/* -ENOSYS */
	jmp	guest_exit_current
2:	cmpb	$0, CI_continue(%rsp)
	je	3b
	movb	$0, CI_continue(%rsp)
	subq	$2, REGS_rip(%rsp)		/* run the same SYSCALL again */
	jmp	guest_exit_current

user_syscall:
	mov	%rbx, %rdi
	mov	%rsp, %rsi
	call	pv_user_syscall
	jmp	guest_exit_current

lstar_entry_guarded:
	SYSCALL_FRAME
	LOAD_HV_TABLE
	GUARD_ENTRY
	mov	REGS_rax(%rsp), %rax
	mov	REGS_rdx(%rsp), %rdx
	jmp	syscall_saved

/* --- SYSCALL in compatibility mode (AMD): always from user, never a hypercall --- */

	.globl	cstar_entry, cstar_entry_guarded
cstar_entry:
	SYSCALL_FRAME
	movq	$GUEST_CS32, REGS_cs(%rsp)
	mov	CI_current(%rsp), %rdi
	mov	%rsp, %rsi
	call	pv_user_syscall32
	jmp	guest_exit

cstar_entry_guarded:
	SYSCALL_FRAME
	movq	$GUEST_CS32, REGS_cs(%rsp)
	LOAD_HV_TABLE
	GUARD_ENTRY
	mov	CI_current(%rsp), %rdi
	mov	%rsp, %rsi
	call	pv_user_syscall32
	jmp	guest_exit

/* --- SYSENTER: no return address is known; %rsp is &regs.es by the MSR --- */

	.globl	sysenter_entry, sysenter_entry_guarded
sysenter_entry:
	push	$GUEST_SS
	push	$0
	pushf
	push	$2				/* NT would make an IRET of ours fault, AC opens SMAP: both are kept by SYSENTER */
	popf
	push	$GUEST_CS32
	push	$0
	pushq	$0
	SAVE_REGS
	mov	CI_current(%rsp), %rdi
	mov	%rsp, %rsi
	call	pv_sysenter
	jmp	guest_exit

sysenter_entry_guarded:
	push	$GUEST_SS
	push	$0
	pushf
	push	$2				/* NT would make an IRET of ours fault, AC opens SMAP: both are kept by SYSENTER */
	popf
	push	$GUEST_CS32
	push	$0
	pushq	$0
	SAVE_REGS
	LOAD_HV_TABLE
	GUARD_ENTRY
	mov	CI_current(%rsp), %rdi
	mov	%rsp, %rsi
	call	pv_sysenter
	jmp	guest_exit

/* --- Exceptions and interrupts ------------------------------------------------- */

exception_common:
	SAVE_REGS
	cld
	ALT_ONLY ALT_SMAP, clac			/* user code can set AC, and a gate leaves it */
	xor	%r12d, %r12d
exception_saved:
	mov	%rsp, %rdi
	mov	REGS_vector(%rsp), %eax
	lea	exception_table(%rip), %r11
	CALL_TABLE
	testb	$3, REGS_cs(%rsp)
	jnz	guest_exit
	jmp	hypervisor_return

exception_common_guarded:
	SAVE_REGS
	cld
	ALT_ONLY ALT_SMAP, clac
	LOAD_FULL_TABLE
	GUARD_ENTRY
	jmp	exception_saved

/* Back to hypervisor code that was interrupted; %r12 = cr3 to restore, or 0. */
hypervisor_return:
	test	%r12, %r12
	jz	1f
	mov	%r12, %cr3
1:	RESTORE_REGS
	add	$8, %rsp
	iretq

/*
 * #DB, NMI, #MC: on a stack of their own. From a guest they move to the normal
 * place at once, so that the guest can be given the event and scheduling works.
 */

.macro IST_BODY vector, common
	pushq	$0
	movl	$\vector, 4(%rsp)
	testb	$3, 16(%rsp)
	jz	\common
	push	%rax
	push	%rbx
	mov	%rsp, %rbx
	or	$(PERCPU_SIZE - 1), %rbx
	lea	(1 - CI_SIZE + REGS_es)(%rbx), %rbx	/* top of the normal frame */
	mov	56(%rsp), %rax			/* ss */
	mov	%rax, -8(%rbx)
	mov	48(%rsp), %rax			/* rsp */
	mov	%rax, -16(%rbx)
	mov	40(%rsp), %rax			/* rflags */
	mov	%rax, -24(%rbx)
	mov	32(%rsp), %rax			/* cs */
	mov	%rax, -32(%rbx)
	mov	24(%rsp), %rax			/* rip */
	mov	%rax, -40(%rbx)
	mov	16(%rsp), %rax			/* error code and vector */
	mov	%rax, -48(%rbx)
	mov	8(%rsp), %rax			/* the guest's rax, rbx */
	mov	%rax, -56(%rbx)
	mov	(%rsp), %rax
	mov	%rax, -64(%rbx)
	lea	-64(%rbx), %rsp
	pop	%rbx
	pop	%rax
	jmp	\common
.endm

/* 16 bytes apart, in vector order: stub of vector v is at \name + 16 * v. */
.macro STUBS name, common
	.globl	\name
	.balign	16
\name:
	vec = 0
	.rept	256
	.balign	16
	.if (vec != 8) && ((vec < 10) || (vec > 14)) && (vec != 17) && (vec != 21) && (vec != 29) && (vec != 30)
	pushq	$0
	.endif
	movl	$vec, 4(%rsp)
	jmp	\common
	vec = vec + 1
	.endr
.endm

	STUBS	exception_stubs, exception_common
	STUBS	exception_stubs_guarded, exception_common_guarded

	.globl	debug_entry, debug_entry_guarded, nmi_entry, nmi_entry_guarded, mce_entry, mce_entry_guarded
debug_entry:
	IST_BODY 1, exception_common
debug_entry_guarded:
	IST_BODY 1, exception_common_guarded
nmi_entry:
	IST_BODY 2, exception_common
nmi_entry_guarded:
	IST_BODY 2, exception_common_guarded
mce_entry:
	IST_BODY 18, exception_common
mce_entry_guarded:
	IST_BODY 18, exception_common_guarded

/* --- The way back ------------------------------------------------------------------ */

/* %rsp = cpu_info, full page table loaded. */
	.globl	guest_exit
	.balign	64
guest_exit:
	mov	CI_current(%rsp), %rbx
guest_exit_current:
	cmpl	$0, CI_work(%rsp)
	jne	exit_work
	mov	VCPU_info(%rbx), %rax
	cmpb	$0, (%rax)			/* evtchn_upcall_pending */
	jne	exit_event
exit_now:
	ALT_OLD
	testl	$ENTRY_SYSCALL, REGS_vector(%rsp)
	ALT_NEW
	jmp	exit_guarded
	ALT_END	ALT_GUARD_EXIT
	jz	exit_iret
exit_sysret:
	ALT_OLD
	mov	REGS_rip(%rsp), %rcx
	ALT_NEW
	jmp	exit_check_rip
	ALT_END	ALT_SYSRET_CHECK
exit_rip_known:
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	mov	(REGS_rflags - 48)(%rsp), %r11
	add	$8, %rsp
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rax
	add	$8, %rsp
	pop	%rdx
	pop	%rsi
	pop	%rdi
	mov	(REGS_rsp - REGS_error_code)(%rsp), %rsp
	sysretq

exit_iret:
	RESTORE_REGS
	add	$8, %rsp
	.globl	guest_iretq
guest_iretq:
	iretq

exit_event:
	cmpb	$0, 1(%rax)			/* evtchn_upcall_mask */
	jne	exit_now
	mov	%rbx, %rdi
	mov	%rsp, %rsi
	call	pv_deliver_event
	cmpl	$0, CI_work(%rsp)		/* a guest whose stack took no frame has ended */
	jne	exit_work
	jmp	exit_now

exit_work:
	call	do_exit_work			/* may put another vcpu here */
	jmp	guest_exit

/*
 * Some domain is isolated (this one, if hv_cr3 is not 0), or the CPU keeps data that must be cleared. With the
 * registers restored all that is loaded is the guest's own, so the buffers are cleared last.
 */
exit_guarded:
	cmpq	$0, CI_hv_cr3(%rsp)
	je	1f
	call	xpti_sync_root
	mov	CI_root_cr3(%rsp), %rax
	mov	%rax, %cr3
1:	ALT_ONLY ALT_DIV_EXIT, SCRUB_DIVIDER
	ALT_ONLY ALT_SPEC_CTRL, WRITE_SPEC_CTRL_GUEST
	testl	$ENTRY_SYSCALL, REGS_vector(%rsp)
	jz	2f
	mov	REGS_rip(%rsp), %rax
	sar	$47, %rax
	inc	%rax
	cmp	$1, %rax
	ja	2f				/* as at exit_check_rip */
	RESTORE_REGS
	add	$8, %rsp
	ALT_ONLY ALT_VERW_EXIT, CLEAR_BUFFERS
	mov	(REGS_rflags - REGS_rip)(%rsp), %r11
	mov	(%rsp), %rcx
	mov	(REGS_rsp - REGS_rip)(%rsp), %rsp
	sysretq
2:	RESTORE_REGS
	add	$8, %rsp
	ALT_ONLY ALT_VERW_EXIT, CLEAR_BUFFERS
	jmp	guest_iretq

/* Not on AMD's CPUs: a SYSRET to a non-canonical address faults in ring 0, on the guest's stack. */
exit_check_rip:
	mov	REGS_rip(%rsp), %rcx
	mov	%rcx, %rax
	sar	$47, %rax			/* 0 or -1 where rip is canonical */
	inc	%rax
	cmp	$1, %rax
	jbe	exit_rip_known
	jmp	exit_iret

	.globl	entry_text_end
	.balign	4096
entry_text_end:

	.text
/* From C, with anything on the stack: enter the guest whose registers are in cpu_info. */
	.globl	reset_stack_and_exit
reset_stack_and_exit:
	or	$(PERCPU_SIZE - 1), %rsp
	lea	(1 - CI_SIZE)(%rsp), %rsp
	jmp	guest_exit

/* From C: drop the stack and run *%rdi, which never returns. */
	.globl	reset_stack_and_jump
reset_stack_and_jump:
	or	$(PERCPU_SIZE - 1), %rsp
	lea	(1 - CI_SIZE)(%rsp), %rsp
	xor	%ebp, %ebp
	push	$0
	jmp	__x86_indirect_thunk_rdi

/* From C on the boot stack: onto the stack of CPU %edi, to *%rsi, which never returns. */
	.globl	switch_to_cpu_stack
switch_to_cpu_stack:
	mov	%edi, %edi
	inc	%rdi
	shl	$16, %rdi			/* PERCPU_SIZE */
	movabs	$PERCPU_START, %rax
	lea	-CI_SIZE(%rax, %rdi), %rsp
	xor	%ebp, %ebp
	push	$0
	jmp	__x86_indirect_thunk_rsi

/* %r11 = table, %rax = index. */
call_table_by_thunk:
	mov	(%r11, %rax, 8), %rax
	jmp	__x86_indirect_thunk_rax
	.section .note.GNU-stack, "", @progbits
