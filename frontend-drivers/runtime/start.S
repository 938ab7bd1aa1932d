// SPDX-License-Identifier: MIT
/*
 * Where the PV guest kernel begins, and every place at which the hypervisor enters it.
 *
 * On entry of _start: rsi = address of start_info, rsp = a one-page boot stack, events masked, no trap table.
 *
 * On entry of every trap, event, failsafe and syscall stub the hypervisor has pushed, lowest address first:
 *	rcx, r11, [error code | ds, es, fs, gs], rip, cs, rflags, rsp, ss
 * The stubs turn this into struct trap_frame (runtime.h), whose tail is the frame of the iret hypercall, so that
 * returning is: pop the general registers, call iret with rsp where it is. All returns, to the kernel and to guest
 * user, go that way: it restores the event mask and delivers what became pending meanwhile.
 */
#include <xen/elfnote.h>
#include <xen/features.h>
#include <xen/xen.h>

#include "layout.h"

/* ---- what the domain builder reads ---- */

.macro XEN_NOTE type, kind, value:vararg
	.balign 4
	.long 4
	.long 9002f - 9001f
	.long \type
	.asciz "Xen"
9001:	\kind \value
9002:	.balign 4
.endm

	.section .note.Xen, "a", @note
	XEN_NOTE XEN_ELFNOTE_GUEST_OS, .asciz, "xenolith-runtime"
	XEN_NOTE XEN_ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
	XEN_NOTE XEN_ELFNOTE_LOADER, .asciz, "generic"
	XEN_NOTE XEN_ELFNOTE_PAE_MODE, .asciz, "yes"
	XEN_NOTE XEN_ELFNOTE_ENTRY, .quad, _start
	XEN_NOTE XEN_ELFNOTE_VIRT_BASE, .quad, RUNTIME_VIRT_BASE
	XEN_NOTE XEN_ELFNOTE_PADDR_OFFSET, .quad, 0
	XEN_NOTE XEN_ELFNOTE_HV_START_LOW, .quad, HYPERVISOR_VIRT_START
	XEN_NOTE XEN_ELFNOTE_FEATURES, .asciz, "!writable_page_tables|pae_pgdir_above_4gb"
	XEN_NOTE XEN_ELFNOTE_SUPPORTED_FEATURES, .long, \
		(1 << XENFEAT_writable_page_tables) | (1 << XENFEAT_pae_pgdir_above_4gb) | (1 << XENFEAT_dom0)

	.text

/* ---- entry ---- */

	.globl _start
	.type _start, @function
_start:
	cld
	mov	%rsi, start_info
	lea	kernel_stack_top, %rsp
	xor	%ebp, %ebp
	call	runtime_main
1:	jmp	1b
	.size _start, . - _start

/* ---- traps ---- */

/* On entry: rsp -> rcx, r11, rip ... (no error code). */
.macro ENTRY_PLAIN name, vector
	.globl \name
	.type \name, @function
\name:
	pop	%rcx
	pop	%r11
	push	$0
	push	%rcx
	push	%r11
	push	%rax
	push	$\vector
	jmp	trap_common
	.size \name, . - \name
.endm

/* On entry: rsp -> rcx, r11, error code, rip ... */
.macro ENTRY_ERROR name, vector
	.globl \name
	.type \name, @function
\name:
	pop	%rcx
	pop	%r11
	push	%rcx
	push	%r11
	push	%rax
	push	$\vector
	jmp	trap_common
	.size \name, . - \name
.endm

/* A table of the stubs of vectors 0..255, 16 bytes each, so that C finds stub n at trap_stubs + 16n. */
	.balign 16
	.globl trap_stubs
trap_stubs:
	.set	vector, 0
	.rept	256
	.balign 16
	.set	with_error, (vector == 8) | ((vector >= 10) & (vector <= 14)) | (vector == 17) | (vector == 21)
	pop	%rcx
	pop	%r11
	.if	!with_error
	push	$0
	.endif
	push	%rcx
	push	$vector		/* moved to its place by trap_indexed */
	jmp	trap_indexed
	.set	vector, vector + 1
	.endr
	.balign 16

/* On entry: rsp -> vector, rcx, error, rip ...; the stub had no room for more within its 16 bytes. */
trap_indexed:
	xchg	%r11, (%rsp)	/* r11 = vector; r11 saved */
	push	%rax
	push	%r11
	jmp	trap_common

	ENTRY_PLAIN event_entry, TRAP_EVENT
	ENTRY_PLAIN syscall_entry, TRAP_SYSCALL
	ENTRY_PLAIN syscall32_entry, TRAP_SYSCALL32
	ENTRY_PLAIN sysenter_entry, TRAP_SYSENTER

/* On entry: rsp -> rcx, r11, ds, es, fs, gs, rip ...; the four segments make room for the iret frame's head. */
	.globl failsafe_entry
	.type failsafe_entry, @function
failsafe_entry:
	pop	%rcx
	pop	%r11
	popq	failsafe_segments + 0
	popq	failsafe_segments + 8
	popq	failsafe_segments + 16
	popq	failsafe_segments + 24
	push	$0
	push	%rcx
	push	%r11
	push	%rax
	push	$TRAP_FAILSAFE
	jmp	trap_common
	.size failsafe_entry, . - failsafe_entry

/* On entry: rsp -> vector, rax, r11, rcx, error, rip, cs, rflags, rsp, ss. */
trap_common:
	mov	32(%rsp), %rax	/* the error code, whose slot becomes the flags word of the iret frame */
	movq	$0, 32(%rsp)
	push	%rax
	push	%rdi
	push	%rsi
	push	%rdx
	push	%r8
	push	%r9
	push	%r10
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, %rdi
	mov	%rsp, %rbp
	and	$-16, %rsp
	cld
	call	trap_dispatch
	mov	%rbp, %rsp

/* On entry: rsp -> struct trap_frame. Does not come back. */
	.globl trap_return
trap_return:
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdx
	pop	%rsi
	pop	%rdi
	add	$16, %rsp
	mov	$__HYPERVISOR_iret, %eax
	syscall
	ud2			/* iret never returns here */

/* ---- running a piece of code that may fault ---- */

/*
 * exec_regs(code: rdi, regs: rsi): loads rax, rbx, rcx, rdx, rsi, rdi from *regs, calls code, stores them back.
 * Runs in the kernel and in guest user alike; callee-saved registers as in the C calling convention.
 */
	.globl exec_regs
	.type exec_regs, @function
exec_regs:
	push	%rbx
	push	%rbp
	push	%r12
	push	%rsi
	mov	%rdi, %r12
	mov	%rsi, %rbp
	mov	0(%rbp), %rax
	mov	8(%rbp), %rbx
	mov	16(%rbp), %rcx
	mov	24(%rbp), %rdx
	mov	32(%rbp), %rsi
	mov	40(%rbp), %rdi
	call	*%r12
	mov	(%rsp), %rbp
	mov	%rax, 0(%rbp)
	mov	%rbx, 8(%rbp)
	mov	%rcx, 16(%rbp)
	mov	%rdx, 24(%rbp)
	mov	%rsi, 32(%rbp)
	mov	%rdi, 40(%rbp)
	add	$8, %rsp
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size exec_regs, . - exec_regs

.macro SAVE_CALLEE
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
.endm

.macro RESTORE_CALLEE
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
.endm

/* probe_enter(code: rdi, regs: rsi): exec_regs with a way out: probe_landing with rsp = probe_sp. */
	.globl probe_enter
	.type probe_enter, @function
probe_enter:
	SAVE_CALLEE
	mov	%rsp, probe_sp
	call	exec_regs
	.globl probe_landing
probe_landing:
	RESTORE_CALLEE
	ret
	.size probe_enter, . - probe_enter

/*
 * user_enter(frame: rdi): goes to guest user with *frame; comes back when C calls user_leave(). The frame may lie above
 * the stack that is parked here, so a copy below is used: an NMI on the way pushes its own frame where rsp is.
 */
	.globl user_enter
	.type user_enter, @function
user_enter:
	SAVE_CALLEE
	mov	%rsp, user_sp
	mov	%rdi, %rsi
	sub	$TRAP_FRAME_SIZE, %rsp
	mov	%rsp, %rdi
	mov	$TRAP_FRAME_SIZE / 8, %ecx
	rep movsq
	jmp	trap_return
	.size user_enter, . - user_enter

/* user_leave(): drops the trap stack and returns from user_enter. */
	.globl user_leave
	.type user_leave, @function
user_leave:
	mov	user_sp, %rsp
	RESTORE_CALLEE
	ret
	.size user_leave, . - user_leave

/* What guest user starts with: rdi = code, rsi = regs. Ends with a system call that carries USER_EXIT. */
	.globl user_main
	.type user_main, @function
user_main:
	call	exec_regs
	mov	$USER_EXIT, %eax
	syscall
	ud2
	.size user_main, . - user_main

	.bss
	.balign 4096
	.skip	65536
	.globl kernel_stack_top
kernel_stack_top:
	.skip	32768
	.globl trap_stack_top
trap_stack_top:
	.skip	32768
	.globl user_stack_top
user_stack_top:

	.section .note.GNU-stack, "", @progbits
