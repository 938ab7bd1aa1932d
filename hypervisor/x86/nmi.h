/* SPDX-License-Identifier: MIT */
/* NMIs that nobody here sent, and the watchdog that lives on them: see nmi.c. */
#ifndef X86_NMI_H
#define X86_NMI_H

#include "lib/types.h"

struct cpu_user_regs;
struct hv_options;

/* What to do with NMIs, from the options. Boot CPU. */
void nmi_init(const struct hv_options *o);
/* This CPU shows the watchdog that it lives. Each CPU, once its timers work; nothing without option watchdog. */
void watchdog_cpu_init(void);
/* Begins to send NMIs. Boot CPU, when all CPUs are up. */
void watchdog_start(void);

/* An NMI that hypervisor_nmi() does not know. May not return. */
void nmi_unasked(struct cpu_user_regs *regs);

#endif
