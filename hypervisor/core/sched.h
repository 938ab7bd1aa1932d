/* SPDX-License-Identifier: MIT */
/* Which vcpu runs on which CPU; see sched.c. */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include "core/domain.h"

void sched_init(void);
/* Makes a vcpu that may run runnable. */
void sched_wake(struct vcpu *v);
/* v must stop as soon as possible: it went down, or its domain did. */
void sched_stop(struct vcpu *v);
/* Work bits of this CPU, on the way to a guest: see x86/cpu.h. */
void do_exit_work(void);
/* The boot CPU's first vcpu comes from here. Does not return. */
void __noreturn sched_start(void);
/* Writes v's runstate to the area it registered; v is loaded on this CPU. */
void runstate_publish(struct vcpu *v);
/* v's runstate with the time of its present state added up to now. */
void runstate_get(struct vcpu *v, struct vcpu_runstate_info *out);

#endif
