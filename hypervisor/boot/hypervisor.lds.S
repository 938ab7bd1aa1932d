/* SPDX-License-Identifier: MIT */
/*
 * The image: linked at HV_IMAGE_START + physical address, loaded at 2 MiB.
 * File offsets advance as addresses do, since multiboot 1 loads the file as
 * one piece. Each part with rights of its own starts on a page.
 */
#include "x86/layout.h"

/* Used before dom0 runs and never again: the decoders above all, which are not marked function by function. */
#define BOOT_ONLY *boot/inflate.o *boot/unxz.o *boot/unzstd.o *boot/checksum.o *boot/bzimage.o *boot/image_unpack.o *boot/elf.o \
	*boot/cmdline.o *boot/bootinfo.o *boot/memory.o *boot/dom0_pv.o *x86/e820.o *x86/acpi.o
#define BOOT_ONLY_SECTIONS(...) \
	*boot/inflate.o(__VA_ARGS__) *boot/unxz.o(__VA_ARGS__) *boot/unzstd.o(__VA_ARGS__) \
	*boot/checksum.o(__VA_ARGS__) *boot/bzimage.o(__VA_ARGS__) *boot/image_unpack.o(__VA_ARGS__) *boot/elf.o(__VA_ARGS__) \
	*boot/cmdline.o(__VA_ARGS__) *boot/bootinfo.o(__VA_ARGS__) *boot/memory.o(__VA_ARGS__) \
	*boot/dom0_pv.o(__VA_ARGS__) *x86/e820.o(__VA_ARGS__) *x86/acpi.o(__VA_ARGS__)

OUTPUT_FORMAT("elf64-x86-64")
OUTPUT_ARCH(i386:x86-64)
ENTRY(entry_phys)

PHDRS
{
	text PT_LOAD FLAGS(5);
	data PT_LOAD FLAGS(6);
	note PT_NOTE FLAGS(4);
}

SECTIONS
{
	. = HV_IMAGE_START + HV_LOAD_PADDR;
	image_start = .;
	entry_phys = start32 - HV_IMAGE_START;

	.text : AT(ADDR(.text) - HV_IMAGE_START) {
		KEEP(*(.boot.header))
		text_start = .;
		. = ALIGN(4096);
		KEEP(*(.text.entry))
		*(EXCLUDE_FILE(BOOT_ONLY) .text EXCLUDE_FILE(BOOT_ONLY) .text.*)
		. = ALIGN(4096);
		text_end = .;
	} :text
	.rodata : AT(ADDR(.rodata) - HV_IMAGE_START) {
		rodata_start = .;
		*(EXCLUDE_FILE(BOOT_ONLY) .rodata EXCLUDE_FILE(BOOT_ONLY) .rodata.*)
		. = ALIGN(8);
		extable_start = .;
		KEEP(*(.extable))
		extable_end = .;
	} :text
	.note.Xen : AT(ADDR(.note.Xen) - HV_IMAGE_START) { KEEP(*(.note.Xen)) } :text :note
	rodata_end = .;
	. = ALIGN(4096);
	/* Boot only: given to the heap once dom0 is built. */
	.init : AT(ADDR(.init) - HV_IMAGE_START) {
		init_start = .;
		*(.boot.text)
		/* Copied over other code at boot, never run here. */
		KEEP(*(.altcode))
		*(.init.text .init.text.*)
		BOOT_ONLY_SECTIONS(.text .text.*)
		. = ALIGN(4096);
		init_text_end = .;
		*(.boot.data .init.rodata .init.data)
		. = ALIGN(4);
		altsites_start = .;
		KEEP(*(.altsites))
		altsites_end = .;
		BOOT_ONLY_SECTIONS(.rodata .rodata.* .data .data.*)
		. = ALIGN(4096);
		init_end = .;
	} :data
	.data : AT(ADDR(.data) - HV_IMAGE_START) {
		data_start = .;
		*(EXCLUDE_FILE(BOOT_ONLY) .data EXCLUDE_FILE(BOOT_ONLY) .data.*)
		. = ALIGN(4096);
	} :data
	/* Behind all code: its size changes nothing that it names. */
	.symtab_hv : AT(ADDR(.symtab_hv) - HV_IMAGE_START) {
		KEEP(*(.symtab_hv))
		. = ALIGN(4096);
	} :data
	image_load_end = .;
	.bss (NOLOAD) : AT(ADDR(.bss) - HV_IMAGE_START) {
		*(.boot.bss)
		*(.bss .bss.* COMMON)
		. = ALIGN(4096);
	} :data
	image_end = .;

	/DISCARD/ : { *(.comment) *(.eh_frame*) *(.note.GNU-stack) *(.note.gnu*) }
}
