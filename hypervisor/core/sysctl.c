// SPDX-License-Identifier: MIT
/*
 * Hypercall 35: the machine as a toolstack sees and steers it. Every operation is one handler below, which gets a copy
 * of the arguments; what it leaves there goes back to the caller.
 *
 * No lock is held. Answers that name many things (domains, CPUs) are true of each at some moment of the call, not of
 * all at once.
 */
#include "xen/sysctl.h"
#include "core/access.h"
#include "core/console.h"
#include "core/cpupool.h"
#include "core/domain_info.h"
#include "core/hypercall.h"
#include "core/keyhandler.h"
#include "core/page_alloc.h"
#include "core/sched.h"
#include "lib/string.h"
#include "x86/asm.h"
#include "x86/clock.h"
#include "x86/cpu.h"
#include "x86/policy.h"

#define SYSCTL(name) static long name(struct xen_sysctl *op)

SYSCTL(readconsole)
{
	struct xen_sysctl_readconsole *r = &op->u.readconsole;

	return console_read_ring(r->clear, r->incremental, &r->index, r->buffer, &r->count);
}

static void cpu_place(u32 cpu, u32 *core, u32 *socket)
{
	u32 thread_bits, core_bits;

	policy_topology(cpuid, &thread_bits, &core_bits);
	*core = pcpus[cpu].apic_id >> thread_bits;
	*socket = *core >> core_bits;
	*core &= (1u << core_bits) - 1;
}

SYSCTL(physinfo)
{
	struct xen_sysctl_physinfo *p = &op->u.physinfo;
	u32 core0, socket0, core, socket, in_core = 0, in_socket = 0;

	cpu_place(0, &core0, &socket0);
	for (u32 c = 0; c < nr_cpus; c++) {
		cpu_place(c, &core, &socket);
		in_socket += socket == socket0;
		in_core += socket == socket0 && core == core0;
	}
	*p = (struct xen_sysctl_physinfo){
		.threads_per_core = in_core,
		.cores_per_socket = in_socket / in_core,
		.nr_cpus = nr_cpus,
		.max_cpu_id = nr_cpus - 1,
		.nr_nodes = 1,
		.cpu_khz = tsc_khz,
		.capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1,
		.total_pages = total_page_count(),
		.free_pages = free_page_count(),
		.outstanding_pages = claimed_page_count(),
		.max_mfn = frame_table_entries - 1,
	};
	memcpy(p->hw_cap, host_cpu.feature, sizeof(p->hw_cap));
	return 0;
}

SYSCTL(sched_id)
{
	op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
	return 0;
}

SYSCTL(getdomaininfolist)
{
	struct xen_sysctl_getdomaininfolist *l = &op->u.getdomaininfolist;
	struct xen_domctl_getdomaininfo info;
	struct domain *d;
	u32 from = l->first_domain;

	l->num_domains = 0;
	while (l->num_domains < l->max_domains && (d = next_domain(from))) {
		domain_info(d, &info);
		from = d->domain_id + 1;
		put_domain(d);
		if (copy_to_guest(l->buffer + (u64)l->num_domains++ * sizeof(info), &info, sizeof(info)))
			return -EFAULT;
		irq_window();
	}
	return 0;
}

SYSCTL(debug_keys)
{
	u64 gva = op->u.debug_keys.keys;
	u8 key;

	for (u32 n = op->u.debug_keys.nr_keys; n; n--) {
		if (copy_from_guest(&key, gva++, 1))
			return -EFAULT;
		handle_key(key);
		irq_window();
	}
	return 0;
}

SYSCTL(getcpuinfo)
{
	struct xen_sysctl_getcpuinfo *g = &op->u.getcpuinfo;
	struct xen_sysctl_cpuinfo info;

	g->nr_cpus = min(g->max_cpus, nr_cpus);
	for (u32 c = 0; c < g->nr_cpus; c++) {
		info.idletime = sched_idle_ns(c);
		if (copy_to_guest(g->info + c * sizeof(info), &info, sizeof(info)))
			return -EFAULT;
	}
	return 0;
}

SYSCTL(availheap)
{
	struct xen_sysctl_availheap *a = &op->u.availheap;

	if (a->node > 0)
		return -EINVAL;
	a->avail_bytes = free_pages_between(a->min_bitwidth, a->max_bitwidth) << PAGE_SHIFT;
	return 0;
}

SYSCTL(cputopoinfo)
{
	struct xen_sysctl_cputopoinfo *t = &op->u.cputopoinfo;
	struct xen_sysctl_cputopo one = { .node = 0 };

	for (u32 c = 0; t->cputopo && c < min(t->num_cpus, nr_cpus); c++) {
		cpu_place(c, &one.core, &one.socket);
		if (copy_to_guest(t->cputopo + c * sizeof(one), &one, sizeof(one)))
			return -EFAULT;
	}
	t->num_cpus = nr_cpus;
	return 0;
}

SYSCTL(numainfo)
{
	struct xen_sysctl_numainfo *n = &op->u.numainfo;
	struct xen_sysctl_meminfo m = { total_page_count() << PAGE_SHIFT, free_page_count() << PAGE_SHIFT };
	u32 distance = 10; /* ACPI 6.5, 5.2.17: to oneself */

	if (n->num_nodes && n->meminfo && copy_to_guest(n->meminfo, &m, sizeof(m)))
		return -EFAULT;
	if (n->num_nodes && n->distance && copy_to_guest(n->distance, &distance, sizeof(distance)))
		return -EFAULT;
	n->num_nodes = 1;
	return 0;
}

/* One node, and no device is known to be near to it. */
SYSCTL(pcitopoinfo)
{
	const struct xen_sysctl_pcitopoinfo *t = &op->u.pcitopoinfo;
	u32 node = XEN_INVALID_NODE_ID;

	if (!t->devs || !t->nodes)
		return -EINVAL;
	for (u32 i = 0; i < t->num_devs; i++) {
		if (copy_to_guest(t->nodes + i * 4ULL, &node, 4))
			return -EFAULT;
		irq_window();
	}
	return 0;
}

SYSCTL(cpupool)
{
	return cpupool_op(&op->u.cpupool_op);
}

SYSCTL(scheduler)
{
	struct xen_sysctl_scheduler_op *s = &op->u.scheduler_op;
	u32 us = s->u.sched_credit2.ratelimit_us;

	if (!cpupool_exists(s->cpupool_id))
		return -ESRCH;
	if (s->sched_id != XEN_SCHEDULER_CREDIT2)
		return -EINVAL;
	switch (s->cmd) {
	case XEN_SYSCTL_SCHEDOP_putinfo:
		if (us && (us < XEN_SYSCTL_SCHED_RATELIMIT_MIN || us > XEN_SYSCTL_SCHED_RATELIMIT_MAX))
			return -EINVAL;
		WRITE_ONCE(sched_ratelimit_ns, us * 1000);
		return 0;
	case XEN_SYSCTL_SCHEDOP_getinfo:
		s->u.sched_credit2.ratelimit_us = READ_ONCE(sched_ratelimit_ns) / 1000;
		return 0;
	default:
		return -EINVAL;
	}
}

/* Which policy an index means; NULL for one that there is not, as all of HVM's. */
static struct cpu_policy *system_policy(u32 index)
{
	switch (index) {
	case XEN_SYSCTL_cpu_policy_raw:
	case XEN_SYSCTL_cpu_policy_host:
		return &host_policy;
	case XEN_SYSCTL_cpu_policy_pv_max: /* 2: a featureset's "pv" */
	case XEN_SYSCTL_cpu_policy_pv_default: /* 4: a featureset's "pv_max" */
		return &pv_policy;
	default:
		return NULL;
	}
}

SYSCTL(get_cpu_featureset)
{
	static const u32 none[X86_FEATURE_WORDS];
	struct xen_sysctl_cpu_featureset *f = &op->u.cpu_featureset;
	const struct cpu_policy *p = system_policy(f->index);
	u32 room = f->nr_features;

	if (f->index > XEN_SYSCTL_cpu_featureset_hvm_max)
		return -EINVAL;
	f->nr_features = X86_FEATURE_WORDS;
	if (!f->features)
		return 0;
	/* HVM's are all empty. */
	f->nr_features = min(room, (u32)X86_FEATURE_WORDS);
	if (copy_to_guest(f->features, p ? p->feature : none, f->nr_features * 4))
		return -EFAULT;
	return f->nr_features < X86_FEATURE_WORDS ? -ENOBUFS : 0;
}

SYSCTL(get_cpu_policy)
{
	struct xen_sysctl_cpu_policy *c = &op->u.cpu_policy;
	struct cpu_policy *p = system_policy(c->index);

	if (c->_rsvd || c->index > XEN_SYSCTL_cpu_policy_hvm_default)
		return -EINVAL;
	if (!p)
		return -EOPNOTSUPP;
	return policy_to_guest(p, &c->nr_leaves, c->leaves, &c->nr_msrs, c->msrs);
}

/* CPUID is emulated for a PV kernel, not faulting; levelling is of no need then. */
SYSCTL(get_cpu_levelling_caps)
{
	op->u.cpu_levelling_caps.caps = 0;
	return 0;
}

/* Without a handler: what this hypervisor does not have (tracing, counters, frequencies, hot plug, live patches). */
static long (*const handlers[])(struct xen_sysctl *op) = {
	[XEN_SYSCTL_readconsole] = readconsole,
	[XEN_SYSCTL_physinfo] = physinfo,
	[XEN_SYSCTL_sched_id] = sched_id,
	[XEN_SYSCTL_getdomaininfolist] = getdomaininfolist,
	[XEN_SYSCTL_debug_keys] = debug_keys,
	[XEN_SYSCTL_getcpuinfo] = getcpuinfo,
	[XEN_SYSCTL_availheap] = availheap,
	[XEN_SYSCTL_cputopoinfo] = cputopoinfo,
	[XEN_SYSCTL_numainfo] = numainfo,
	[XEN_SYSCTL_cpupool_op] = cpupool,
	[XEN_SYSCTL_scheduler_op] = scheduler,
	[XEN_SYSCTL_pcitopoinfo] = pcitopoinfo,
	[XEN_SYSCTL_get_cpu_levelling_caps] = get_cpu_levelling_caps,
	[XEN_SYSCTL_get_cpu_featureset] = get_cpu_featureset,
	[XEN_SYSCTL_get_cpu_policy] = get_cpu_policy,
};

HYPERCALL(hc_sysctl)
{
	struct xen_sysctl op;
	long rc;

	if (!access_machine(current->domain))
		return -EPERM;
	if (copy_from_guest(&op, a1, sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return -EACCES;
	if (op.cmd >= ARRAY_SIZE(handlers) || !handlers[op.cmd])
		return -ENOSYS;
	rc = handlers[index_nospec(op.cmd, ARRAY_SIZE(handlers))](&op);
	/* A refused policy or too small a buffer comes with what would have been right. */
	if ((!rc || rc == -ENOBUFS) && copy_to_guest(a1, &op, sizeof(op)))
		rc = -EFAULT;
	return rc;
}
