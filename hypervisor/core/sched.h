/* SPDX-License-Identifier: MIT */
/* Which vcpu runs on which CPU; see sched.c. */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include "core/domain.h"
#include "core/sched_credit.h"

/* The queue of `cpu`, before anything runs there. */
void sched_cpu_init(u32 cpu);
/* A waking vcpu that is less than this ahead waits for the end of the slice (sysctl scheduler_op), ns. */
extern u32 sched_ratelimit_ns;
/* How long `cpu` had nothing to run, ns. */
u64 sched_idle_ns(u32 cpu);
/* Makes a vcpu that may run runnable, on its own CPU or an idle one. */
void sched_wake(struct vcpu *v);
/* What CPUs v may use has changed: it leaves one that it may not. */
void sched_recheck(struct vcpu *v);
/* Affinity: nr_cpus bits each, NULL for no change. -EINVAL: `hard` has no CPU of v's pool. -ENOMEM. */
long sched_set_affinity(struct vcpu *v, const u64 *hard, const u64 *soft);
/* Most of the CPU time that a domain may have, in percent of one CPU; 0: no limit. 0 or -ENOMEM. */
long sched_set_cap(struct domain *d, u32 percent);
u32 sched_cap(const struct domain *d);
/* Before they are freed, when nobody can find them any more. No locks held. */
void sched_vcpu_end(struct vcpu *v);
void sched_domain_end(struct domain *d);
/* v must stop as soon as possible: it went down, or its domain did. */
void sched_stop(struct vcpu *v);
/* v, which runs here, lets others go first. */
void sched_yield(struct vcpu *v);
/* v is made: what it needs for SCHEDOP_poll. */
void sched_vcpu_init(struct vcpu *v);
/* v goes on after SCHEDOP_poll, whatever ended it. */
void poll_over(struct vcpu *v);
/* Prints every CPU's queue. For the debug keys. */
void sched_show(void);
/* Sets WORK_* bits of `cpu` and makes it look at them soon. */
void set_work(u32 cpu, u32 bits);
/* Work bits of this CPU, on the way to a guest: see x86/cpu.h. */
void do_exit_work(void);
/* This CPU begins to run vcpus. Does not return. */
void __noreturn sched_start(void);
/* Writes v's runstate to the area it registered; v is loaded on this CPU. */
void runstate_publish(struct vcpu *v);
/* v's runstate with the time of its present state added up to now. */
void runstate_get(struct vcpu *v, struct vcpu_runstate_info *out);

/* --- watchdog.c --- */

/*
 * SCHEDOP_watchdog. `id` 0: takes a watchdog, which fires in `seconds`; its id, or -ENOSPC. Else sets it anew, or
 * gives it back where `seconds` is 0: 0, or -EINVAL where it is not taken.
 */
long watchdog_op(struct domain *d, u32 id, u32 seconds);
/* None fires any more. No locks held. */
void watchdogs_end(struct domain *d);

#endif
