// SPDX-License-Identifier: MIT
/*
 * One segment, readable, writable and executable: the domain builder maps everything writable anyway.
 */
#include "layout.h"

OUTPUT_FORMAT("elf64-x86-64")
ENTRY(_start)

PHDRS
{
	load PT_LOAD FLAGS(7);
	note PT_NOTE FLAGS(4);
}

SECTIONS
{
	. = RUNTIME_VIRT_BASE + RUNTIME_LOAD_PADDR;
	.text : AT(RUNTIME_LOAD_PADDR) { *(.text .text.*) } :load
	.note.Xen : { *(.note.Xen) } :load :note
	.rodata : { *(.rodata .rodata.*) } :load
	.data : { *(.data .data.*) } :load
	.bss : { *(.bss .bss.* COMMON) } :load
	. = ALIGN(4096);
	image_end = .;
	/DISCARD/ : { *(.comment) *(.eh_frame) *(.note.GNU-stack) *(.note.gnu.property) }
}
