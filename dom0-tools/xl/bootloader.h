/* SPDX-License-Identifier: MIT */
/* bootloader=: kernel, ramdisk and command line by a program that looks into the guest's disk. */
#ifndef XL_BOOTLOADER_H
#define XL_BOOTLOADER_H

#include "guest.h"

/* What it found: files in @folder, and text. All zero: nothing. */
struct booted {
	char folder[40];
	int held;		/* the folder, locked, if it has a name */
	char *kernel, *ramdisk, *args;
};

/* 0, or -errno, said. */
int bootloader_run(struct booted *b, const struct guest_config *c);
/* Removes the files. */
void bootloader_forget(struct booted *b);
/* Removes the folders that killed processes have left. */
void bootloader_sweep(void);

#endif
