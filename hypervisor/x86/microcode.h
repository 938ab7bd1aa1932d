/* SPDX-License-Identifier: MIT */
/*
 * CPU microcode: found in a file (microcode_file.c, pure), loaded by microcode.c.
 */
#ifndef X86_MICROCODE_H
#define X86_MICROCODE_H

#include "x86/policy.h"

/* What a piece of microcode must fit. */
struct microcode_cpu {
	enum cpu_vendor vendor;
	u32 signature; /* CPUID 1, eax */
	u32 platform;  /* Intel: one bit, by MSR 0x17 */
	u32 revision;  /* that runs now */
};

struct microcode {
	const void *data; /* what the CPU is given the address of, in the file; NULL: nothing newer for this CPU */
	u32 offset;       /* of what the CPU takes from the start of the piece */
	const void *piece;
	u32 bytes;        /* of the piece */
	u32 revision;
};

/*
 * Looks in `file`, `bytes` long, for the newest microcode for `cpu`: a vendor's
 * file as it is, or a cpio archive that begins with one under the name by which
 * Linux finds it. 0 with *out filled; -ENOENT: neither a cpio with it nor of the
 * vendor's form; -EINVAL: damaged, *why says how.
 */
int microcode_find(const void *file, u64 bytes, const struct microcode_cpu *cpu, struct microcode *out,
		   const char **why);

/* --- microcode.c -------------------------------------------------------------------------- */

struct bootinfo;
struct hv_options;

/* The module that ucode= names by its number, which is no initramfs; -1 for none. */
s32 microcode_module(const struct bootinfo *bi, const struct hv_options *o);
/*
 * Takes what the options name from the boot modules and loads it on the boot CPU. True: the CPU runs another
 * revision now, so what CPUID says may have changed. Once there is a heap, before alternatives_apply().
 */
bool microcode_init(const struct bootinfo *bi, const struct hv_options *o);
/* Loads the same on another CPU, where it fits. */
void microcode_cpu_init(void);
/*
 * XENPF_microcode_update: a file in hypervisor memory, loaded on all CPUs. 0;
 * -ENOENT: nothing newer for this CPU in it, or no microcode; -EINVAL: damaged; -ENOMEM;
 * -EIO: a CPU did not take it.
 */
int microcode_update(const void *file, u64 bytes);
/* On each CPU: WORK_MICROCODE. */
void microcode_work(void);

#endif
