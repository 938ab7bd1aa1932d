// SPDX-License-Identifier: MIT
/*
 * Pools of CPUs. Each CPU is in one pool or in none, each domain in one; its vcpus use that pool's CPUs and no others.
 * At boot pool 0 has all CPUs and every domain.
 *
 *  1. A pool with a domain has a CPU.
 *  2. Every vcpu's hard affinity has a CPU of its pool.
 *
 * pool_lock (RANK_CPUPOOL) guards which pools there are and changes of either assignment. The scheduler reads the bits
 * without it; whoever changes them has it look again at those concerned (sched_recheck).
 */
#include "core/cpupool.h"
#include "core/sched.h"
#include "core/seam.h"
#include "core/xenctl_bitmap.h"
#include "x86/cpu.h"

#define POOLS 16

static spinlock_t pool_lock = SPINLOCK(RANK_CPUPOOL, "CPU pools");
static struct {
	bool taken;
	u64 cpus[BITMAP_WORDS(MAX_CPUS)];
} pools[POOLS] = { { .taken = true } };

void __init cpupool_cpu_up(u32 cpu)
{
	bit_set_atomic(pools[0].cpus, cpu);
}

bool cpupool_exists(u32 id)
{
	return id < POOLS && READ_ONCE(pools[id].taken);
}

const u64 *cpupool_cpus(u32 id)
{
	return pools[id].cpus;
}

static bool empty(const u64 *cpus)
{
	return bitmap_next_set(cpus, nr_cpus, 0) >= nr_cpus;
}

/* Those in no pool. */
static void free_cpus(u64 *cpus)
{
	for (u32 c = 0; c < nr_cpus; c++) {
		bit_set(cpus, c);
		for (u32 p = 0; p < POOLS; p++)
			if (bit_test(pools[p].cpus, c))
				bit_clear(cpus, c);
	}
}

/* Calls fn for each domain of pool `id` until one returns an error, and returns that; counts those before. */
static long each_domain(u32 id, long (*fn)(struct domain *d, u32 cpu), u32 cpu, u32 *count)
{
	struct domain *d;
	long rc = 0;

	*count = 0;
	for (u32 from = 0; !rc && (d = next_domain(from)); from = d->domain_id + 1) {
		if (d->cpupool == id) {
			rc = fn ? fn(d, cpu) : 0;
			(*count)++;
		}
		put_domain(d);
	}
	return rc;
}

/* -EADDRINUSE: a vcpu of d may use no other CPU than this. */
static long needs_cpu(struct domain *d, u32 cpu)
{
	for (u32 i = 0; i < d->max_vcpus; i++) {
		const u64 *hard = d->vcpus[i] ? d->vcpus[i]->hard : NULL;
		u64 others = 0;

		for (u32 c = 0; hard && c < nr_cpus; c++)
			others |= c != cpu && bit_test(hard, c) && bit_test(pools[d->cpupool].cpus, c);
		if (hard && !others)
			return -EADDRINUSE;
	}
	return 0;
}

static long recheck(struct domain *d, u32 cpu)
{
	for (u32 i = 0; i < d->max_vcpus; i++)
		if (d->vcpus[i])
			sched_recheck(d->vcpus[i]);
	return 0;
}

long cpupool_set_affinity(struct vcpu *v, const u64 *hard, const u64 *soft)
{
	long rc;

	spin_lock(&pool_lock);
	rc = sched_set_affinity(v, hard, soft);
	spin_unlock(&pool_lock);
	return rc;
}

static long create(struct xen_sysctl_cpupool_op *op)
{
	u32 id = op->cpupool_id;

	if (op->sched_id && op->sched_id != XEN_SCHEDULER_CREDIT2)
		return -EINVAL;
	if (id == XEN_SYSCTL_CPUPOOL_PAR_ANY)
		for (id = 0; id < POOLS && pools[id].taken; id++)
			;
	if (id >= POOLS)
		return -ENOSPC;
	if (pools[id].taken)
		return -EEXIST;
	pools[id].taken = true;
	op->cpupool_id = id;
	return 0;
}

static long destroy(u32 id)
{
	u32 domains;

	each_domain(id, NULL, 0, &domains);
	if (!id || domains)
		return -EBUSY;
	for (u32 w = 0; w < BITMAP_WORDS(MAX_CPUS); w++)
		WRITE_ONCE(pools[id].cpus[w], 0);
	pools[id].taken = false;
	return 0;
}

static long info(struct xen_sysctl_cpupool_op *op)
{
	u32 id = op->cpupool_id;

	while (id < POOLS && !pools[id].taken)
		id++;
	if (id >= POOLS)
		return -ENOENT;
	op->cpupool_id = id;
	op->sched_id = XEN_SCHEDULER_CREDIT2;
	each_domain(id, NULL, 0, &op->n_dom);
	return bitmap_to_guest(&op->cpumap, pools[id].cpus, nr_cpus);
}

static long add_cpu(u32 id, u32 cpu)
{
	u64 unused[BITMAP_WORDS(MAX_CPUS)] = { 0 };

	free_cpus(unused);
	if (cpu == XEN_SYSCTL_CPUPOOL_PAR_ANY)
		cpu = bitmap_next_set(unused, nr_cpus, 0);
	else if (cpu >= nr_cpus)
		return -EINVAL;
	if (cpu >= nr_cpus || !bit_test(unused, cpu))
		return -ENODEV;
	bit_set_atomic(pools[id].cpus, cpu);
	set_work(cpu, WORK_SCHEDULE);
	return 0;
}

static long remove_cpu(u32 id, u32 cpu)
{
	u64 left[BITMAP_WORDS(MAX_CPUS)];
	u32 domains;
	long rc;

	if (cpu == XEN_SYSCTL_CPUPOOL_PAR_ANY)
		for (u32 c = 0; c < nr_cpus; c++)
			cpu = bit_test(pools[id].cpus, c) ? c : cpu;
	else if (cpu >= nr_cpus)
		return -EINVAL;
	if (cpu >= nr_cpus || !bit_test(pools[id].cpus, cpu))
		return -ENODEV;
	for (u32 w = 0; w < BITMAP_WORDS(MAX_CPUS); w++)
		left[w] = pools[id].cpus[w];
	bit_clear(left, cpu);
	rc = each_domain(id, needs_cpu, cpu, &domains);
	if (domains && empty(left))
		return -EBUSY;
	if (rc)
		return rc;
	bit_clear_atomic(pools[id].cpus, cpu);
	return each_domain(id, recheck, cpu, &domains);
}

static long move_domain(u32 id, u32 domid)
{
	struct domain *d = domid < MAX_DOMID ? get_domain(domid) : NULL;
	u64 all[BITMAP_WORDS(MAX_CPUS)];
	long rc = 0;

	if (!d)
		return -ESRCH;
	if (empty(pools[id].cpus) || d->is_dying)
		rc = -EINVAL;
	for (u32 w = 0; w < BITMAP_WORDS(MAX_CPUS); w++)
		all[w] = ~0ULL;
	if (!rc) {
		WRITE_ONCE(d->cpupool, id);
		/* One whose affinity has nothing there may use all of it. */
		for (u32 i = 0; i < d->max_vcpus; i++)
			if (d->vcpus[i] && d->vcpus[i]->hard && sched_set_affinity(d->vcpus[i], d->vcpus[i]->hard, NULL))
				sched_set_affinity(d->vcpus[i], all, NULL);
		recheck(d, 0);
	}
	put_domain(d);
	return rc;
}

long cpupool_op(struct xen_sysctl_cpupool_op *op)
{
	u64 unused[BITMAP_WORDS(MAX_CPUS)] = { 0 };
	bool any = op->op == XEN_SYSCTL_CPUPOOL_OP_CREATE || op->op == XEN_SYSCTL_CPUPOOL_OP_INFO ||
		   op->op == XEN_SYSCTL_CPUPOOL_OP_FREEINFO;
	long rc;

	spin_lock(&pool_lock);
	if (!any && !cpupool_exists(op->cpupool_id)) {
		rc = -ENOENT;
	} else {
		switch (op->op) {
		case XEN_SYSCTL_CPUPOOL_OP_CREATE: rc = create(op); break;
		case XEN_SYSCTL_CPUPOOL_OP_DESTROY: rc = destroy(op->cpupool_id); break;
		case XEN_SYSCTL_CPUPOOL_OP_INFO: rc = info(op); break;
		case XEN_SYSCTL_CPUPOOL_OP_ADDCPU: rc = add_cpu(op->cpupool_id, op->cpu); break;
		case XEN_SYSCTL_CPUPOOL_OP_RMCPU: rc = remove_cpu(op->cpupool_id, op->cpu); break;
		case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN: rc = move_domain(op->cpupool_id, op->domid); break;
		case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
			free_cpus(unused);
			rc = bitmap_to_guest(&op->cpumap, unused, nr_cpus);
			break;
		default: rc = -ENOSYS;
		}
	}
	spin_unlock(&pool_lock);
	return rc;
}
