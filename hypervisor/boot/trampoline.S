/* SPDX-License-Identifier: MIT */
/*
 * Where every CPU but the first begins: in real mode, at the start of a page
 * below 1 MiB to which this code was copied (x86/smp.c), with CS = page >> 4.
 *
 * It goes to 64-bit mode in one step (SDM 3, 9.8.5: with EFER.LME and PAE set,
 * PE and PG may be set together), on the hypervisor's own page tables, which
 * still show the first 4 GiB at their own address. The fields at the end are
 * filled in for each start; all addresses here are offsets in the page.
 */
#include "x86/layout.h"

#define OFF(sym) (sym - trampoline_start)

	.section .init.rodata, "a", @progbits
	.balign	16
	.globl	trampoline_start, trampoline_end, trampoline_fields
	.code16
trampoline_start:
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	OFF(gdt_ptr)
	mov	$0x20, %eax			/* CR4: PAE */
	mov	%eax, %cr4
	mov	OFF(field_cr3), %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx		/* EFER: NXE, LME */
	mov	$0x900, %eax
	xor	%edx, %edx
	wrmsr
	mov	$0x80010011, %eax		/* CR0: PG, WP, ET, PE */
	mov	%eax, %cr0
	ljmpl	*OFF(far_64)

	.code64
in_64:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	mov	field_stack(%rip), %rsp
	xor	%ebp, %ebp
	push	$0
	jmp	*field_entry(%rip)

	.balign	8
gdt:
	.quad	0, 0x00209a0000000000, 0x0000920000000000
gdt_ptr:
	.short	gdt_ptr - gdt - 1
gdt_base:
	.long	OFF(gdt)			/* + the page's address */
far_64:
	.long	OFF(in_64)			/* + the page's address */
	.short	8
	.balign	8
/* struct trampoline_fields of x86/smp.c: offsets of the two addresses to add to, then what to fill in. */
trampoline_fields:
	.short	OFF(gdt_base), OFF(far_64)
	.long	0
field_cr3:
	.quad	0
field_stack:
	.quad	0
field_entry:
	.quad	0
trampoline_end:
	.section .note.GNU-stack, "", @progbits
