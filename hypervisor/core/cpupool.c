// SPDX-License-Identifier: MIT
#include "core/cpupool.h"
#include "core/domain.h"
#include "core/seam.h"
#include "core/xenctl_bitmap.h"
#include "x86/cpu.h"

bool cpupool_exists(u32 id)
{
	return id == 0;
}

static u32 count_domains(void)
{
	struct domain *d;
	u32 n = 0;

	for (u32 from = 0; (d = next_domain(from)); n++) {
		from = d->domain_id + 1;
		put_domain(d);
	}
	return n;
}

static long info(struct xen_sysctl_cpupool_op *op)
{
	u64 cpus[BITMAP_WORDS(MAX_CPUS)] = { 0 };

	if (op->cpupool_id)
		return -ENOENT;
	op->sched_id = XEN_SCHEDULER_CREDIT2;
	op->n_dom = count_domains();
	for (u32 c = 0; c < nr_cpus; c++)
		bit_set(cpus, c);
	return bitmap_to_guest(&op->cpumap, cpus, nr_cpus);
}

long cpupool_op(struct xen_sysctl_cpupool_op *op)
{
	static const u64 none[BITMAP_WORDS(MAX_CPUS)];

	switch (op->op) {
	case XEN_SYSCTL_CPUPOOL_OP_INFO:
		return info(op);
	case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
		return bitmap_to_guest(&op->cpumap, none, nr_cpus);
	default:
		return -EOPNOTSUPP;
	}
}
