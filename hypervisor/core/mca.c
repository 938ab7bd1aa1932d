// SPDX-License-Identifier: MIT
/*
 * Machine checks for dom0's log daemon: hypercall arch_0.
 *
 * x86/mce.c keeps records of what CPUs said. VIRQ_MCA tells dom0 that there are
 * some; the driver in its kernel fetches them one by one, urgent ones first, and
 * acknowledges each, which frees it. It needs the list of CPUs to understand them.
 */
#include "core/access.h"
#include "core/hypercall.h"
#include "lib/string.h"
#include "x86/mce.h"
#include "x86/policy.h"
#include "xen/mca.h"

struct mc_op {
	u32 cmd, interface_version;
	union {
		struct xen_mc_fetch fetch;
		struct xen_mc_physcpuinfo cpus;
	} u;
};

static void describe_cpu(u32 cpu, struct mcinfo_logical_cpu *c)
{
	memset(c, 0, sizeof(*c));
	c->mc_cpunr = cpu;
	c->mc_apicid = pcpus[cpu].apic_id;
	c->mc_coreid = cpu;
	c->mc_ncores = c->mc_ncores_active = nr_cpus;
	c->mc_nthreads = 1;
	c->mc_cpuid_level = host_cpu.max_leaf;
	c->mc_family = host_cpu.family;
	c->mc_model = host_cpu.model;
	c->mc_step = host_cpu.stepping;
}

static long cpu_info(struct xen_mc_physcpuinfo *p)
{
	struct mcinfo_logical_cpu c;

	if (!p->info) {
		p->ncpus = nr_cpus;
		return 0;
	}
	p->ncpus = min(p->ncpus, nr_cpus);
	for (u32 i = 0; i < p->ncpus; i++) {
		describe_cpu(i, &c);
		if (copy_to_guest(p->info + i * sizeof(c), &c, sizeof(c)))
			return -EFAULT;
	}
	return 0;
}

static long fetch(struct xen_mc_fetch *f)
{
	const struct mc_info *info;

	if (f->flags & ~(XEN_MC_NONURGENT | XEN_MC_URGENT | XEN_MC_ACK) ||
	    !(f->flags & (XEN_MC_NONURGENT | XEN_MC_URGENT)))
		return -EINVAL;
	if (f->flags & XEN_MC_ACK) {
		f->flags = mce_ack(f->fetch_id) ? XEN_MC_OK : XEN_MC_NODATA;
		return 0;
	}
	f->fetch_id = mce_fetch(f->flags & XEN_MC_URGENT, &info);
	f->flags = f->fetch_id ? XEN_MC_OK : XEN_MC_NODATA;
	return f->fetch_id && copy_to_guest(f->data, info, sizeof(*info)) ? -EFAULT : 0;
}

HYPERCALL(hc_mca)
{
	struct mc_op op;
	long rc = 0;

	if (!access_machine(current->domain))
		return -EPERM;
	if (copy_from_guest(&op, a1, sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XEN_MCA_INTERFACE_VERSION)
		return -EACCES;
	switch (op.cmd) {
	case XEN_MC_fetch:
		rc = fetch(&op.u.fetch);
		break;
	case XEN_MC_physcpuinfo:
		rc = cpu_info(&op.u.cpus);
		break;
	default:
		return -ENOSYS;
	}
	if (!rc && copy_to_guest(a1, &op, sizeof(op)))
		rc = -EFAULT;
	return rc;
}
