/* SPDX-License-Identifier: MIT */
/* The other CPUs: starting, stopping, and waiting for all of them; see smp.c. */
#ifndef X86_SMP_H
#define X86_SMP_H

#include "lib/types.h"
#include "x86/acpi.h"
#include "xen/arch-x86_64.h"

/* Starts the CPUs of the ACPI tables, up to `maxcpus` in all, one after another; nr_cpus counts them. Boot CPU. */
void smp_boot(const struct acpi_info *acpi, u32 maxcpus);
/* Every other CPU halts for good, wherever it is. For the end of the machine. */
void smp_stop_others(void);
/* What a CPU was doing when an NMI asked it: its registers, and the words on its stack if it was in the hypervisor. */
struct cpu_snapshot {
	struct cpu_user_regs regs;
	u64 stack[64];
	u32 nr_stack;
};

/* Of another CPU. False: it did not answer within 100 ms. One caller at a time (the console's work). */
bool smp_snapshot(u32 cpu, struct cpu_snapshot *out);
/* In the NMI handler: answers smp_snapshot(). False: nobody asked this CPU. */
bool smp_answer_snapshot(const struct cpu_user_regs *regs);
/* Answers wait_for_readers() of other CPUs: this one holds no pointer that it found without a lock. */
void smp_quiesced(void);
#endif
