// SPDX-License-Identifier: MIT
/*
 * What a toolstack is told of a domain: by domctl getdomaininfo for one, by sysctl getdomaininfolist for many.
 *
 * A domain counts as blocked while all its vcpus that are up wait for events, and as running while one has a CPU. The
 * counts are read without locks, each true by itself.
 */
#include "core/domain_info.h"
#include "core/sched.h"
#include "lib/string.h"
#include "x86/policy.h"

static void add_vcpu(struct vcpu *v, struct xen_domctl_getdomaininfo *out)
{
	struct vcpu_runstate_info rs;

	runstate_get(v, &rs);
	out->cpu_time += rs.time[RUNSTATE_running];
	out->max_vcpu_id = v->vcpu_id;
	if (READ_ONCE(v->down))
		return;
	out->nr_online_vcpus++;
	if (!READ_ONCE(v->blocked))
		out->flags &= ~XEN_DOMINF_blocked;
	if (rs.state == RUNSTATE_running)
		out->flags |= XEN_DOMINF_running;
}

void domain_info(struct domain *d, struct xen_domctl_getdomaininfo *out)
{
	*out = (struct xen_domctl_getdomaininfo){
		.domain = d->domain_id,
		.flags = XEN_DOMINF_blocked | (d->tool_pauses ? XEN_DOMINF_paused : 0) |
			 (d->debugged ? XEN_DOMINF_debugged : 0) | (d->is_xenstore ? XEN_DOMINF_xs_domain : 0),
		.tot_pages = READ_ONCE(d->tot_pages),
		.max_pages = READ_ONCE(d->max_pages),
		.outstanding_pages = READ_ONCE(d->claimed_pages),
		.shared_info_frame = d->shared_info_mfn.m,
		.max_vcpu_id = XEN_INVALID_MAX_VCPU_ID,
		.cpupool = READ_ONCE(d->cpupool),
		.gpaddr_bits = host_cpu.phys_bits,
	};
	memcpy(out->handle, d->handle, sizeof(out->handle));
	for (u32 i = 0; i < d->max_vcpus; i++)
		if (d->vcpus[i])
			add_vcpu(d->vcpus[i], out);
	if (READ_ONCE(d->is_dying))
		out->flags |= XEN_DOMINF_dying;
	if (READ_ONCE(d->is_shut_down))
		out->flags |= XEN_DOMINF_shutdown | (u32)d->shutdown_code << XEN_DOMINF_shutdownshift;
}
