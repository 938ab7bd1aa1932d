/* SPDX-License-Identifier: MIT */
/* The other CPUs: starting, stopping, and waiting for all of them; see smp.c. */
#ifndef X86_SMP_H
#define X86_SMP_H

#include "lib/types.h"
#include "x86/acpi.h"

/* Starts the CPUs of the ACPI tables, up to `maxcpus` in all, one after another; nr_cpus counts them. Boot CPU. */
void smp_boot(const struct acpi_info *acpi, u32 maxcpus);
/* Every other CPU halts for good, wherever it is. For the end of the machine. */
void smp_stop_others(void);
/* Answers wait_for_readers() of other CPUs: this one holds no pointer that it found without a lock. */
void smp_quiesced(void);
#endif
