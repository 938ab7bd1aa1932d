// SPDX-License-Identifier: MIT
/*
 * Makes calls of thunks plain indirect branches, where no thunk is needed.
 *
 * `call thunk` and `jmp thunk` have five bytes, a branch by a register two or
 * three; the rest are prefixes without a meaning there, so that it stays one
 * instruction. The linker knows where the calls are: scripts/thunk-sites lists
 * them, each as the offset of the instruction from the image's start with the
 * register's number in the upper byte.
 *
 * Boot CPU, nobody else awake, as alternatives_apply().
 */
#include "core/seam.h"
#include "x86/asm.h"
#include "x86/protection.h"

extern char image_start[];
extern const u32 hv_thunk_sites[]; /* their number, then they */

#define OPCODE_CALL 0xe8
#define OPCODE_JMP 0xe9
#define PREFIX_CS 0x2e

static void __init make_plain(u8 *at, unsigned reg)
{
	bool call = at[0] == OPCODE_CALL;

	BUG_ON(!call && at[0] != OPCODE_JMP);
	at[0] = at[1] = PREFIX_CS;
	/* A REX prefix stands right before the opcode; 0x40 changes nothing. */
	at[2] = reg >= 8 ? 0x41 : 0x40;
	at[3] = 0xff;
	at[4] = (call ? 0xd0 : 0xe0) | (reg & 7);
}

void __init thunks_apply(void)
{
	u64 cr0 = read_cr0();

	if (protections.thunk != THUNK_JMP)
		return;
	write_cr0(cr0 & ~CR0_WP);
	for (u32 i = 1; i <= hv_thunk_sites[0]; i++)
		make_plain((u8 *)image_start + (hv_thunk_sites[i] & 0xffffff), hv_thunk_sites[i] >> 24);
	write_cr0(cr0);
}
