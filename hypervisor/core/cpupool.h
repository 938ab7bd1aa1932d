/* SPDX-License-Identifier: MIT */
/* Pools of CPUs; see cpupool.c. */
#ifndef CORE_CPUPOOL_H
#define CORE_CPUPOOL_H

#include "lib/types.h"
#include "xen/sysctl.h"

/* Sysctl cpupool_op. -ENOENT: no such pool, and as xen/sysctl.h says. */
long cpupool_op(struct xen_sysctl_cpupool_op *op);
bool cpupool_exists(u32 id);

#endif
