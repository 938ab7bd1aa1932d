/* SPDX-License-Identifier: MIT */
/* Pools of CPUs; see cpupool.c. */
#ifndef CORE_CPUPOOL_H
#define CORE_CPUPOOL_H

#include "lib/types.h"
#include "xen/sysctl.h"

struct vcpu;

/* Sysctl cpupool_op. -ENOENT: no such pool, and as xen/sysctl.h says. */
long cpupool_op(struct xen_sysctl_cpupool_op *op);
/* `cpu` came up at boot: it is in pool 0. */
void cpupool_cpu_up(u32 cpu);
/* The CPUs of pool `id`, which exists: a bit for each. */
const u64 *cpupool_cpus(u32 id);
bool cpupool_exists(u32 id);
/* sched_set_affinity(), while no pool changes. */
long cpupool_set_affinity(struct vcpu *v, const u64 *hard, const u64 *soft);

#endif
