/* SPDX-License-Identifier: MIT */
/*
 * Multiboot 1, multiboot 2 and PVH entry, down to C in 64-bit mode.
 *
 * All three loaders enter in 32-bit protected mode without paging, flat
 * segments, interrupts off, the image at HV_LOAD_PADDR. Multiboot: %eax is the
 * loader's magic and %ebx the physical address of its information; PVH: %ebx
 * is hvm_start_info. Nothing else may be assumed, not even a stack.
 *
 * Tables built here last until x86/paging.c makes the real ones: the first
 * 4 GiB mapped three times with 2 MiB pages - at their own address (for the
 * jump into 64-bit mode), at the start of the direct map, and (1 GiB) at
 * HV_IMAGE_START, where the image is linked.
 *
 * boot_main(magic, info) gets both values, on a boot stack.
 */
#include "x86/layout.h"

#define PA(sym) (sym - HV_IMAGE_START)
#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x00010003 /* page-aligned modules, memory map, address fields valid */
#define MB2_MAGIC 0xe85250d6
#define PVH_MAGIC 0x336ec578

	.section .boot.header, "a", @progbits
	.balign	8
	.globl	multiboot1_header
multiboot1_header:
	.long	MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
	.long	PA(multiboot1_header), PA(image_start), PA(image_load_end), PA(image_end), PA(start32)

	.balign	8
multiboot2_header:
	.long	MB2_MAGIC, 0, mb2_end - multiboot2_header
	.long	-(MB2_MAGIC + (mb2_end - multiboot2_header))
	.short	1, 0				/* information wanted: command line, modules, memory map */
	.long	20, 1, 3, 6
	.balign	8
	.short	2, 0				/* addresses */
	.long	24, PA(multiboot2_header), PA(image_start), PA(image_load_end), PA(image_end)
	.balign	8
	.short	3, 0				/* entry */
	.long	12, PA(start32)
	.balign	8
	.short	5, 1				/* a framebuffer is welcome, of any size; optional */
	.long	20, 0, 0, 0
	.balign	8
	.short	6, 0				/* modules on page boundaries */
	.long	8
	.balign	8
	.short	0, 0
	.long	8
mb2_end:

	.section .note.Xen, "a", @note
	.balign	4
	.long	4, 4, 18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	PA(start_pvh)

	.section .boot.text, "ax", @progbits
	.code32
	.globl	start32, start_pvh
start_pvh:
	mov	$PVH_MAGIC, %eax
start32:
	cld
	cli
	mov	$PA(boot_stack_end), %esp
	mov	%eax, %ebp			/* magic */
	mov	%ebx, %esi			/* info */
	rdtsc
	mov	%eax, PA(boot_entry_tsc)
	mov	%edx, PA(boot_entry_tsc) + 4

	mov	$0x80000000, %eax
	cpuid
	cmp	$0x80000001, %eax
	jb	no_long_mode
	mov	$0x80000001, %eax
	cpuid
	bt	$29, %edx
	jnc	no_long_mode
	mov	%edx, %ebx			/* bit 20: NX, needed by the real tables */

	/* 2,048 large pages for 4 GiB in four L2 tables. */
	mov	$PA(boot_l2), %edi
	mov	$(PTE_P | PTE_RW | PTE_A | PTE_D | PTE_PSE), %eax
	mov	$2048, %ecx
1:	mov	%eax, (%edi)
	movl	$0, 4(%edi)
	add	$8, %edi
	add	$0x200000, %eax
	loop	1b

	mov	$PA(boot_l2) + HV_TABLE, %eax
	mov	$PA(boot_l3), %edi
	mov	$4, %ecx
1:	mov	%eax, (%edi)
	add	$8, %edi
	add	$0x1000, %eax
	loop	1b
	/* The image: L3 index 321 of slot 261. */
	movl	$PA(boot_l2) + HV_TABLE, PA(boot_l3_image) + 8 * ((HV_IMAGE_START >> 30) & 511)
	movl	$PA(boot_l3) + HV_TABLE, PA(boot_l4)
	movl	$PA(boot_l3) + HV_TABLE, PA(boot_l4) + 8 * 262
	movl	$PA(boot_l3_image) + HV_TABLE, PA(boot_l4) + 8 * 261

	mov	%cr4, %eax
	or	$0x20, %eax			/* PAE */
	mov	%eax, %cr4
	mov	$PA(boot_l4), %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx		/* EFER: LME */
	rdmsr
	or	$0x100, %eax
	bt	$20, %ebx
	jnc	1f
	or	$0x800, %eax			/* NXE */
1:	wrmsr
	mov	%cr0, %eax
	or	$0x80010001, %eax		/* PG, WP, PE */
	mov	%eax, %cr0
	lgdt	PA(boot_gdt_ptr)
	ljmp	$8, $PA(start64)

no_long_mode:
	mov	$PA(no_long_mode_text), %esi
1:	lodsb
	test	%al, %al
	jz	2f
	mov	$0x3f8, %edx
	out	%al, %dx
	jmp	1b
2:	hlt
	jmp	2b

	.code64
start64:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	movabs	$boot_stack_end, %rsp
	mov	%ebp, %edi
	mov	%esi, %esi
	xor	%ebp, %ebp
	movabs	$boot_main, %rax
	call	*%rax
	ud2

	.section .boot.data, "aw", @progbits
	.balign	8
boot_gdt:
	.quad	0, 0x00209a0000000000, 0x0000920000000000
boot_gdt_ptr:
	.short	boot_gdt_ptr - boot_gdt - 1
	.quad	PA(boot_gdt)
no_long_mode_text:
	.asciz	"(XEN) This CPU has no 64-bit mode; Xenolith needs an x86-64 processor.\r\n"
	.balign	8
	.globl	boot_entry_tsc
boot_entry_tsc:
	.quad	0

	.section .boot.bss, "aw", @nobits
	.balign	4096
boot_l4:	.skip	4096
boot_l3:	.skip	4096
boot_l3_image:	.skip	4096
boot_l2:	.skip	4 * 4096
	.globl	boot_stack_end
boot_stack:	.skip	16384
boot_stack_end:
	.section .note.GNU-stack, "", @progbits
