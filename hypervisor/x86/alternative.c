// SPDX-License-Identifier: MIT
/*
 * Puts the chosen forms of code in place: x86/alternative.h says what that is.
 *
 * One CPU does this, with interrupts off and nobody else awake, so that nothing
 * runs what is being changed but this file, which has no such places itself.
 * Write protection is off meanwhile; turning it on again (a load of CR0) makes
 * the CPU fetch anew (SDM 3, 8.3).
 */
#include "x86/alternative.h"
#include "core/seam.h"
#include "lib/string.h"
#include "x86/asm.h"

struct alt_site {
	s32 site, code;    /* from each field's own address */
	u8 feature;
	u8 old_bytes;      /* of the form the assembler laid down */
	u8 site_bytes;     /* with what was added for a longer new form */
	u8 code_bytes;     /* of the new form */
};
_Static_assert(sizeof(struct alt_site) == 12, "as the macros lay it down");

extern struct alt_site altsites_start[], altsites_end[];

static u64 wanted __initdata;

void __init alternative_want(unsigned int feature)
{
	wanted |= 1ULL << feature;
}

void __init alternatives_forget(void)
{
	wanted = 0;
}

/* The recommended no-ops of 1 to 9 bytes (SDM 2, NOP). */
static void __init fill_nops(u8 *at, size_t bytes)
{
	static const u8 nops[9][9] __initconst = {
		{ 0x90 },
		{ 0x66, 0x90 },
		{ 0x0f, 0x1f, 0x00 },
		{ 0x0f, 0x1f, 0x40, 0x00 },
		{ 0x0f, 0x1f, 0x44, 0x00, 0x00 },
		{ 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
		{ 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },
		{ 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
		{ 0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
	};

	while (bytes) {
		size_t n = min(bytes, (size_t)9);

		memcpy(at, nops[n - 1], n);
		at += n;
		bytes -= n;
	}
}

/* The displacement of a branch that was assembled at `from` and now lies at `at`. */
static void __init move_branch(u8 *at, const u8 *from, size_t bytes)
{
	size_t operand = at[0] == 0xe8 || at[0] == 0xe9 ? 1 : at[0] == 0x0f && (at[1] & 0xf0) == 0x80 ? 2 : 0;
	s32 displacement;

	if (!operand || bytes < operand + 4)
		return;
	memcpy(&displacement, at + operand, 4);
	displacement += from - at;
	memcpy(at + operand, &displacement, 4);
}

void __init alternatives_apply(void)
{
	u64 cr0 = read_cr0();

	write_cr0(cr0 & ~CR0_WP);
	for (struct alt_site *s = altsites_start; s < altsites_end; s++) {
		u8 *at = (u8 *)&s->site + s->site;
		const u8 *code = (u8 *)&s->code + s->code;
		size_t used = s->old_bytes;

		if (wanted >> s->feature & 1) {
			used = s->code_bytes;
			memcpy(at, code, used);
			move_branch(at, code, used);
		}
		fill_nops(at + used, s->site_bytes - used);
	}
	write_cr0(cr0);
}
