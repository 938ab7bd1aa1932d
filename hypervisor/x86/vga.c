// SPDX-License-Identifier: MIT
/* The 80x25 text screen at 0xb8000, until dom0's kernel takes it over. */
#include "x86/vga.h"
#include "x86/asm.h"
#include "x86/layout.h"
#include "x86/paging.h"

#define COLS 80
#define ROWS 25
#define GREY 0x0700

static volatile u16 *screen;
static unsigned x, y;

void __init vga_init(void)
{
	/* In the direct map, as firmware (MTRR) has it: uncached. */
	screen = (volatile u16 *)(DIRECT_MAP_START + 0xb8000);
	for (unsigned i = 0; i < COLS * ROWS; i++)
		screen[i] = GREY | ' ';
}

void vga_end(void)
{
	screen = NULL;
}

static void newline(void)
{
	x = 0;
	if (++y < ROWS)
		return;
	y = ROWS - 1;
	for (unsigned i = 0; i < COLS * (ROWS - 1); i++)
		screen[i] = screen[i + COLS];
	for (unsigned i = 0; i < COLS; i++)
		screen[COLS * (ROWS - 1) + i] = GREY | ' ';
}

void vga_write(const char *s, size_t n)
{
	if (!screen)
		return;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\n') {
			newline();
		} else if (s[i] >= ' ') {
			screen[y * COLS + x] = GREY | (u8)s[i];
			if (++x == COLS)
				newline();
		}
	}
}
