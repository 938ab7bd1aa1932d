// SPDX-License-Identifier: MIT
/*
 * Domctl and the CPU: what a domain is shown of it, its clock, and what a saved vcpu has beside its context.
 *
 * All that comes from a toolstack is checked: a value that faults when it is loaded would be the hypervisor's fault.
 * The operations that write are carried out while no vcpu of the domain is on a CPU (core/domctl.c).
 */
#include "core/domctl.h"
#include "core/time.h"
#include "lib/string.h"
#include "x86/clock.h"
#include "x86/policy.h"
#include "x86/xsave.h"

DOMCTL(get_cpu_policy)
{
	struct xen_domctl_cpu_policy *c = &op->u.cpu_policy;

	return policy_to_guest(d->policy ?: &pv_policy, &c->nr_leaves, c->leaves, &c->nr_msrs, c->msrs);
}

DOMCTL(set_cpu_policy)
{
	struct xen_domctl_cpu_policy *c = &op->u.cpu_policy;
	struct cpu_policy *new = hv_alloc(sizeof(*new)), *old = d->policy;
	struct policy_error e;
	long rc;

	if (!new)
		return -ENOMEM;
	*new = *(old ?: &pv_policy);
	rc = policy_from_guest(new, c->nr_leaves, c->leaves, c->nr_msrs, c->msrs, &e);
	c->err_leaf = e.leaf;
	c->err_subleaf = e.subleaf;
	c->err_msr = e.msr;
	if (rc) {
		hv_free(new);
		return rc;
	}
	/* The usual case needs no copy of its own. */
	if (!memcmp(new, &pv_policy, sizeof(*new))) {
		hv_free(new);
		new = NULL;
	}
	d->policy = new;
	hv_free(old);
	return 0;
}

/* --- Time ---------------------------------------------------------------------------------- */


DOMCTL(settscinfo)
{
	const struct xen_domctl_tsc_info *t = &op->u.tsc_info;

	/* Emulated or not, guests read the CPU's own TSC: neither another rate nor a counter that goes on where it was. */
	if (t->tsc_mode != TSC_DEFAULT && t->tsc_mode != TSC_ALWAYS_EMULATE && t->tsc_mode != TSC_NEVER_EMULATE)
		return -EOPNOTSUPP;
	d->tsc_mode = t->tsc_mode;
	d->tsc_incarnation = t->incarnation;
	return 0;
}

DOMCTL(gettscinfo)
{
	op->u.tsc_info = (struct xen_domctl_tsc_info){
		.tsc_mode = d->tsc_mode, .gtsc_khz = tsc_khz, .incarnation = d->tsc_incarnation,
	};
	return 0;
}

DOMCTL(settimeoffset)
{
	d->time_offset = op->u.settimeoffset.time_offset_seconds;
	wallclock_publish(d);
	return 0;
}

/* --- What a saved vcpu has ------------------------------------------------------------------- */

static bool callback_ok(u64 rip)
{
	return (s64)(rip << 16) >> 16 == (s64)rip && (rip < HV_VIRT_START || rip >= HV_VIRT_END);
}

DOMCTL(get_ext_vcpucontext)
{
	struct xen_domctl_ext_vcpucontext *x = &op->u.ext_vcpucontext;
	struct vcpu *v = domain_vcpu(d, x->vcpu);

	if (!v)
		return -ESRCH;
	*x = (struct xen_domctl_ext_vcpucontext){
		.vcpu = v->vcpu_id,
		.size = sizeof(*x),
		.syscall32_callback_eip = v->pv.syscall32.rip,
		.sysenter_callback_eip = v->pv.sysenter.rip,
		.syscall32_disables_events = v->pv.syscall32.masks,
		.sysenter_disables_events = v->pv.sysenter.masks,
	};
	return 0;
}

DOMCTL(set_ext_vcpucontext)
{
	const struct xen_domctl_ext_vcpucontext *x = &op->u.ext_vcpucontext;
	struct vcpu *v = domain_vcpu(d, x->vcpu);

	if (!v)
		return -ESRCH;
	if (x->size < offsetof(struct xen_domctl_ext_vcpucontext, vmce) || !callback_ok(x->syscall32_callback_eip) ||
	    !callback_ok(x->sysenter_callback_eip))
		return -EINVAL;
	v->pv.syscall32 = (struct pv_callback){ x->syscall32_callback_eip, x->syscall32_disables_events };
	v->pv.sysenter = (struct pv_callback){ x->sysenter_callback_eip, x->sysenter_disables_events };
	return 0;
}

/* In front of the XSAVE area in a toolstack's buffer. */
struct extstate_head {
	u64 xcr0, xcr0_accum;
};

DOMCTL(getvcpuextstate)
{
	struct xen_domctl_vcpuextstate *x = &op->u.vcpuextstate;
	struct vcpu *v = domain_vcpu(d, x->vcpu);
	u64 size = host_cpu.guest_xcr0 ? sizeof(struct extstate_head) + host_cpu.xsave_bytes : 0;
	struct extstate_head head;

	if (!v)
		return -ESRCH;
	head = (struct extstate_head){ v->xcr0, host_cpu.guest_xcr0 };
	x->xfeature_mask = host_cpu.guest_xcr0;
	if (x->buffer && size) {
		if (x->size != size)
			return -EINVAL;
		if (copy_to_guest(x->buffer, &head, sizeof(head)) ||
		    copy_to_guest(x->buffer + sizeof(head), v->fpu, host_cpu.xsave_bytes))
			return -EFAULT;
	}
	x->size = size;
	return 0;
}

DOMCTL(setvcpuextstate)
{
	const struct xen_domctl_vcpuextstate *x = &op->u.vcpuextstate;
	struct vcpu *v = domain_vcpu(d, x->vcpu);
	u64 bytes = x->size - sizeof(struct extstate_head);
	struct extstate_head head;
	u8 *area;
	long rc = -EFAULT;

	if (!v)
		return -ESRCH;
	if (!x->size)
		return 0;
	if (!host_cpu.guest_xcr0 || x->size < sizeof(head) + 576 || bytes > host_cpu.xsave_bytes)
		return -EINVAL;
	area = hv_alloc(host_cpu.xsave_bytes);
	if (!area)
		return -ENOMEM;
	if (!copy_from_guest(&head, x->buffer, sizeof(head)) && !copy_from_guest(area, x->buffer + sizeof(head), bytes))
		rc = fpu_set_area(v, head.xcr0, area);
	hv_free(area);
	return rc;
}

#define MSR_TSC_AUX 0xc0000103

/* Of a PV vcpu's MSRs only this is not in its context. */
DOMCTL(get_vcpu_msrs)
{
	struct xen_domctl_vcpu_msrs *m = &op->u.vcpu_msrs;
	struct vcpu *v = domain_vcpu(d, m->vcpu);
	struct xen_domctl_vcpu_msr out = { .index = MSR_TSC_AUX };

	if (!v)
		return -ESRCH;
	out.value = v->pv.tsc_aux;
	if (m->msrs && out.value) {
		if (!m->msr_count)
			return -ENOBUFS;
		if (copy_to_guest(m->msrs, &out, sizeof(out)))
			return -EFAULT;
	}
	m->msr_count = !m->msrs || out.value;
	return 0;
}

DOMCTL(set_vcpu_msrs)
{
	struct xen_domctl_vcpu_msrs *m = &op->u.vcpu_msrs;
	struct vcpu *v = domain_vcpu(d, m->vcpu);
	struct xen_domctl_vcpu_msr in;

	if (!v)
		return -ESRCH;
	if (m->msr_count > 1)
		return -E2BIG;
	if (!m->msr_count)
		return 0;
	if (copy_from_guest(&in, m->msrs, sizeof(in)))
		return -EFAULT;
	if (in.reserved || in.index != MSR_TSC_AUX || in.value >> 32)
		return -EINVAL;
	v->pv.tsc_aux = in.value;
	return 0;
}
