/* SPDX-License-Identifier: MIT */
/*
 * What the loader told us, whichever protocol it speaks: one structure.
 */
#ifndef BOOT_BOOTINFO_H
#define BOOT_BOOTINFO_H

#include "lib/types.h"
#include "x86/e820.h"

#define BOOT_MAX_MODULES 16
#define BOOT_CMDLINE 2048

#define MB1_LOADER_MAGIC 0x2badb002
#define MB2_LOADER_MAGIC 0x36d76289
#define PVH_LOADER_MAGIC 0x336ec578 /* set by our own entry stub */

struct boot_module {
	u64 start, len; /* bytes, physical */
	char cmdline[1024];
};

/* A linear framebuffer with direct colours: places and sizes of each colour in bits. */
struct boot_framebuffer {
	u64 base; /* physical; 0: the loader set no such mode */
	u32 pitch, width, height; /* bytes, pixels, pixels */
	u8 bpp;
	u8 red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
};

struct bootinfo {
	const char *protocol;
	char cmdline[BOOT_CMDLINE];
	u32 nr_modules;
	struct boot_module module[BOOT_MAX_MODULES];
	struct e820_map e820;
	bool named; /* command lines begin with the file's name (all loaders but GRUB 2 and PVH) */
	u64 rsdp; /* physical address the loader gave, 0 for none */
	bool efi; /* started by UEFI firmware, whose boot services have ended */
	struct boot_framebuffer fb;
};

/*
 * Reads the loader's information at physical address `info_pa`; `map` gives
 * readable bytes of low physical memory (NULL where there are none). 0, or
 * -EINVAL with a sentence in *error.
 */
int bootinfo_parse(u32 magic, u64 info_pa, const void *(*map)(u64 pa, u64 len), struct bootinfo *bi,
		   const char **error);

#endif
