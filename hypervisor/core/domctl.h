/* SPDX-License-Identifier: MIT */
/*
 * Handlers of domctl (36), one for each sub-operation; the table is in domctl.c.
 *
 * A handler gets the target with a reference held (the caller is privileged and the interface version was right) and
 * the hypervisor's copy of the arguments, which is copied back to the caller after success where the table says so.
 * No lock is held: each takes what its fields need (core/domain.h). -ERESTART has the caller repeat the call
 * unchanged once pending work is done, with the changed arguments where the table says that they are copied back.
 */
#ifndef CORE_DOMCTL_H
#define CORE_DOMCTL_H

#include "core/domain.h"
#include "xen/domctl.h"

#define DOMCTL(name) long domctl_##name(struct domain *d, struct xen_domctl *op)

/* core/domctl_sched.c */
DOMCTL(getvcpuinfo);
DOMCTL(setvcpuaffinity);
DOMCTL(getvcpuaffinity);
DOMCTL(scheduler_op);
/* x86/domctl_cpu.c */
DOMCTL(get_cpu_policy);
DOMCTL(set_cpu_policy);
DOMCTL(settscinfo);
DOMCTL(gettscinfo);
DOMCTL(settimeoffset);
DOMCTL(get_ext_vcpucontext);
DOMCTL(set_ext_vcpucontext);
DOMCTL(getvcpuextstate);
DOMCTL(setvcpuextstate);
DOMCTL(get_vcpu_msrs);
DOMCTL(set_vcpu_msrs);

#endif
