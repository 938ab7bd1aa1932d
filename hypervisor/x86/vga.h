/* SPDX-License-Identifier: MIT */
/* The VGA text screen; see vga.c. */
#ifndef X86_VGA_H
#define X86_VGA_H

#include "lib/types.h"

void vga_init(void);
void vga_write(const char *s, size_t n);
/* dom0 takes the screen over. */
void vga_end(void);

#endif
