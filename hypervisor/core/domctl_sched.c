// SPDX-License-Identifier: MIT
/*
 * Domctl and the scheduler: shares, caps, affinity, and what a vcpu is doing.
 */
#include "core/cpupool.h"
#include "core/domctl.h"
#include "core/sched.h"
#include "core/xenctl_bitmap.h"
#include "x86/cpu.h"

DOMCTL(getvcpuinfo)
{
	struct xen_domctl_getvcpuinfo *out = &op->u.getvcpuinfo;
	struct vcpu *v = domain_vcpu(d, out->vcpu);
	struct vcpu_runstate_info rs;

	if (!v)
		return out->vcpu < d->max_vcpus ? -ESRCH : -EINVAL;
	runstate_get(v, &rs);
	out->online = !READ_ONCE(v->down);
	out->blocked = READ_ONCE(v->blocked);
	out->running = rs.state == RUNSTATE_running;
	out->cpu_time = rs.time[RUNSTATE_running];
	out->cpu = READ_ONCE(v->processor);
	return 0;
}

/* CPUs of `map` (NULL: all) that v may use; of its soft affinity (`soft`) what its hard one has. */
static void effective(const struct vcpu *v, const u64 *map, bool soft, u64 *out)
{
	const u64 *pool = cpupool_cpus(v->domain->cpupool);

	for (u32 w = 0; w < BITMAP_WORDS(nr_cpus); w++)
		out[w] = pool[w] & (map ? map[w] : ~0ULL) & (soft && v->hard ? v->hard[w] : ~0ULL);
}

DOMCTL(setvcpuaffinity)
{
	const struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
	struct vcpu *v = domain_vcpu(d, a->vcpu);
	u64 hard[BITMAP_WORDS(MAX_CPUS)], soft[BITMAP_WORDS(MAX_CPUS)];
	bool sets_hard = a->flags & XEN_VCPUAFFINITY_HARD, sets_soft = a->flags & XEN_VCPUAFFINITY_SOFT;
	long rc;

	if (!v)
		return -ESRCH;
	if (!sets_hard && !sets_soft)
		return -EINVAL;
	if ((sets_hard && bitmap_from_guest(hard, nr_cpus, &a->cpumap_hard)) ||
	    (sets_soft && bitmap_from_guest(soft, nr_cpus, &a->cpumap_soft)))
		return -EFAULT;
	rc = cpupool_set_affinity(v, sets_hard ? hard : NULL, sets_soft ? soft : NULL);
	if (rc)
		return rc;
	/* The caller's maps come to say what became of them. */
	effective(v, v->hard, false, hard);
	effective(v, v->soft, true, soft);
	return (sets_hard ? bitmap_to_guest(&a->cpumap_hard, hard, nr_cpus) : 0) ?:
	       (sets_soft ? bitmap_to_guest(&a->cpumap_soft, soft, nr_cpus) : 0);
}

DOMCTL(getvcpuaffinity)
{
	static const u64 all[BITMAP_WORDS(MAX_CPUS)] = { [0 ... BITMAP_WORDS(MAX_CPUS) - 1] = ~0ULL };
	const struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
	struct vcpu *v = domain_vcpu(d, a->vcpu);
	long rc = 0;

	if (!v)
		return -ESRCH;
	if (!(a->flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)))
		return -EINVAL;
	if (a->flags & XEN_VCPUAFFINITY_HARD)
		rc = bitmap_to_guest(&a->cpumap_hard, v->hard ?: all, nr_cpus);
	if (!rc && (a->flags & XEN_VCPUAFFINITY_SOFT))
		rc = bitmap_to_guest(&a->cpumap_soft, v->soft ?: all, nr_cpus);
	return rc;
}

DOMCTL(scheduler_op)
{
	struct xen_domctl_scheduler_op *s = &op->u.scheduler_op;
	u16 weight = s->u.credit2.weight;

	if (s->sched_id != XEN_SCHEDULER_CREDIT2)
		return -EINVAL;
	switch (s->cmd) {
	case XEN_DOMCTL_SCHEDOP_putinfo:
		/* 0: as it was. */
		if (weight)
			WRITE_ONCE(d->weight, weight);
		return sched_set_cap(d, s->u.credit2.cap);
	case XEN_DOMCTL_SCHEDOP_getinfo:
		s->u.credit2.weight = d->weight;
		s->u.credit2.cap = sched_cap(d);
		return 0;
	default: /* credit2 has nothing of a single vcpu */
		return -EINVAL;
	}
}
