// SPDX-License-Identifier: MIT
/*
 * Hypercall 36: what a toolstack does to domains.
 *
 * All 60 sub-operations have one form: a copy of one structure comes in, the
 * domain that it names is looked up, something is done, and for some the
 * structure goes back. So there is a table, and what all need is done once:
 * version, right, look-up, copying, and one operation at a time for each domain
 * ([L] in core/domain.h; who comes second repeats its call).
 *
 * Some work on registers or tables of vcpus, which must be on no CPU meanwhile.
 * The table says so (DOMCTL_QUIET); the domain is paused before, and let go
 * after. Other CPUs need a moment to leave its vcpus, and may need us to leave
 * the hypervisor for that, so the call is repeated until they have. The second
 * argument of the hypercall, which is not the caller's, says that it is such a
 * repetition: what was counted once is not counted again.
 */
#include "core/domctl.h"
#include "core/access.h"
#include "core/cpupool.h"
#include "core/domain_info.h"
#include "core/hypercall.h"
#include "core/sched.h"
#include "lib/string.h"
#include "pv/vcpu_pv.h"
#include "x86/cpu.h"
#include "x86/e820.h"
#include "x86/policy.h"

#define AGAIN 0x7065727474656e00ULL /* second argument of a repeated call, in which the pause is made */

/* --- Life -------------------------------------------------------------------------------- */

/* 0 or -EINVAL, and for what is known but not there -EOPNOTSUPP. */
static long check_config(const struct xen_domctl_createdomain *c)
{
	/* All but these need HVM or an IOMMU. */
	const u32 flags = XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_s3_integrity | XEN_DOMCTL_CDF_oos_off;

	if (c->flags & ~flags)
		return -EINVAL;
	if (!c->max_vcpus || c->max_vcpus > MAX_VCPUS || c->iommu_opts || !cpupool_exists(c->cpupool_id))
		return -EINVAL;
	if (XEN_DOMCTL_GRANT_version(c->grant_opts) != 1 || c->grant_opts & ~XEN_DOMCTL_GRANT_version_mask)
		return -EINVAL;
	if (!c->max_grant_frames || c->max_grant_frames > 4096 || !c->max_maptrack_frames ||
	    c->max_maptrack_frames > 65536)
		return -EINVAL;
	if (c->arch.misc_flags & ~XEN_X86_MISC_FLAGS_MAX)
		return -EINVAL;
	return c->arch.emulation_flags || c->vmtrace_size ? -EOPNOTSUPP : 0;
}

static long create(struct xen_domctl *op)
{
	static bool busy;
	domid_t id = op->domain;
	struct domain *d;
	long rc = check_config(&op->u.createdomain);

	if (rc)
		return rc;
	if (__atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE))
		return -ERESTART;
	if (!id || id >= DOMID_FIRST_RESERVED) {
		id = domain_free_id();
		rc = id ? 0 : -ENFILE;
	} else if (domain_of_owner(id)) {
		rc = -EEXIST;
	}
	if (!rc) {
		d = domain_create(id, &op->u.createdomain, false);
		rc = d ? 0 : -ENOMEM;
	}
	__atomic_store_n(&busy, false, __ATOMIC_RELEASE);
	if (rc)
		return rc;
	/* As if its toolstack had paused it: the first unpause lets it run. */
	d->tool_pauses = 1;
	domain_pause(d);
	op->domain = id;
	return 0;
}

static DOMCTL(max_vcpus)
{
	u32 max = op->u.max_vcpus.max;

	if (max != d->max_vcpus)
		return -EINVAL;
	for (u32 i = 0; i < max; i++) {
		if (d->vcpus[i])
			continue;
		if (!vcpu_create(d, i))
			return -ENOMEM;
		if (preempt_check())
			return -ERESTART;
	}
	return 0;
}

static DOMCTL(unpausedomain)
{
	(void)op;
	if (!d->tool_pauses)
		return -EINVAL;
	d->tool_pauses--;
	domain_unpause(d);
	return 0;
}

static DOMCTL(resumedomain)
{
	(void)op;
	spin_lock(&d->lock);
	d->is_shut_down = false;
	d->crash_noted = false;
	spin_unlock(&d->lock);
	for (u32 i = 0; i < d->max_vcpus; i++)
		if (d->vcpus[i])
			sched_wake(d->vcpus[i]);
	return 0;
}

static DOMCTL(max_mem)
{
	WRITE_ONCE(d->max_pages, op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10));
	return 0;
}

/* --- What is known of it ---------------------------------------------------------------------- */

static DOMCTL(getdomaininfo)
{
	domain_info(d, &op->u.getdomaininfo);
	op->domain = d->domain_id;
	return 0;
}

/* What a toolstack that saves a domain must know of frame `mfn`. */
static u32 frame_kind(struct domain *d, u64 mfn)
{
	u64 type;

	if (!get_page(MFN(mfn), d))
		return XEN_DOMCTL_PFINFO_XTAB;
	type = READ_ONCE(mfn_to_page(MFN(mfn))->type);
	put_page(MFN(mfn));
	if (!(type & PGT_count_mask) || (type & PGT_type_mask) > PGT_l4)
		return XEN_DOMCTL_PFINFO_NOTAB;
	return (type & PGT_type_mask) >> PGT_type_shift << XEN_DOMCTL_PFINFO_LTAB_SHIFT |
	       (type & PGT_pinned ? XEN_DOMCTL_PFINFO_LPINTAB : 0);
}

static DOMCTL(getpageframeinfo3)
{
	const struct xen_domctl_getpageframeinfo3 *info = &op->u.getpageframeinfo3;
	u64 buf[32];

	if (info->num > 1024)
		return -E2BIG;
	for (u64 i = 0; i < info->num; i += ARRAY_SIZE(buf)) {
		u64 n = min(info->num - i, (u64)ARRAY_SIZE(buf));

		if (copy_from_guest(buf, info->array + i * 8, n * 8))
			return -EFAULT;
		for (u64 k = 0; k < n; k++)
			buf[k] = frame_kind(d, buf[k]);
		if (copy_to_guest(info->array + i * 8, buf, n * 8))
			return -EFAULT;
	}
	return 0;
}

/* --- Vcpus --------------------------------------------------------------------------------------- */

static DOMCTL(setvcpucontext)
{
	struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);
	struct vcpu_guest_context *c;
	long rc = -EFAULT;

	if (!v)
		return op->u.vcpucontext.vcpu < d->max_vcpus ? -ESRCH : -EINVAL;
	/* No context is how Xen takes a vcpu's away (for HVM); a PV vcpu's tables go with its domain. */
	if (!op->u.vcpucontext.ctxt)
		return -EOPNOTSUPP;
	if (READ_ONCE(v->initialising))
		return -EBUSY;
	c = hv_alloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	if (!copy_from_guest(c, op->u.vcpucontext.ctxt, sizeof(*c)))
		rc = pv_set_context(v, c);
	if (!rc) {
		v->initialised = true;
		WRITE_ONCE(v->down, !(c->flags & VGCF_online));
		if (!v->vcpu_id)
			d->vm_assist |= c->vm_assist & VM_ASSIST_KNOWN;
	}
	hv_free(c);
	pt_job_settle(current);
	return rc;
}

static DOMCTL(getvcpucontext)
{
	struct vcpu *v = domain_vcpu(d, op->u.vcpucontext.vcpu);
	struct vcpu_guest_context *c;
	long rc;

	if (!v)
		return op->u.vcpucontext.vcpu < d->max_vcpus ? -ESRCH : -EINVAL;
	if (!v->initialised)
		return -ENODATA;
	c = hv_alloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	pv_get_context(v, c);
	rc = copy_to_guest(op->u.vcpucontext.ctxt, c, sizeof(*c)) ? -EFAULT : 0;
	hv_free(c);
	return rc;
}

static DOMCTL(sendtrigger)
{
	struct vcpu *v = domain_vcpu(d, op->u.sendtrigger.vcpu);

	if (op->u.sendtrigger.trigger != XEN_DOMCTL_SENDTRIGGER_NMI)
		return -ENOSYS; /* the others are an HVM machine's buttons */
	if (!v)
		return -ESRCH;
	vcpu_send_nmi(v);
	return 0;
}

static DOMCTL(set_address_size)
{
	(void)d;
	return op->u.address_size.size == 64 ? 0 : -EINVAL;
}

static DOMCTL(get_address_size)
{
	(void)d;
	op->u.address_size.size = 64;
	return 0;
}

static DOMCTL(hypercall_init)
{
	return pv_install_hypercall_page(d, op->u.hypercall_init.gmfn << PAGE_SHIFT) ? 0 : -EACCES;
}

/* --- Small things ----------------------------------------------------------------------------------- */

static DOMCTL(setdomainhandle)
{
	spin_lock(&d->lock);
	memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
	spin_unlock(&d->lock);
	return 0;
}

static DOMCTL(setdebugging)
{
	if (d == current->domain)
		return -EINVAL;
	d->debugged = op->u.setdebugging.enable;
	return 0;
}

/* A right to first..first+nr-1, which `r` shall have or not. */
static long permit(struct domain *d, struct rangeset *r, u64 first, u64 nr, u64 limit, bool allow)
{
	long rc;

	if (!nr || first > limit || nr - 1 > limit - first)
		return -EINVAL;
	spin_lock(&d->lock);
	rc = allow ? rangeset_add(r, first, first + nr - 1) : rangeset_remove(r, first, first + nr - 1);
	spin_unlock(&d->lock);
	return rc;
}

static DOMCTL(ioport_permission)
{
	const struct xen_domctl_ioport_permission *p = &op->u.ioport_permission;

	/* Nobody gives what he has not. */
	if (p->allow_access && p->nr_ports && !rangeset_contains(current->domain->ioports, p->first_port,
								 (u64)p->first_port + p->nr_ports - 1))
		return -EPERM;
	return permit(d, d->ioports, p->first_port, p->nr_ports, 0xffff, p->allow_access);
}

static DOMCTL(iomem_permission)
{
	const struct xen_domctl_iomem_permission *p = &op->u.iomem_permission;
	u64 limit = (1ULL << (host_cpu.phys_bits - PAGE_SHIFT)) - 1;

	if (p->first_mfn > limit || p->nr_mfns > limit)
		return -EINVAL;
	if (p->allow_access && p->nr_mfns && !rangeset_contains(current->domain->iomem, p->first_mfn,
								p->first_mfn + p->nr_mfns - 1))
		return -EPERM;
	return permit(d, d->iomem, p->first_mfn, p->nr_mfns, limit, p->allow_access);
}

static DOMCTL(irq_permission)
{
	/* Interrupts are dom0's until PCI passthrough is there: none to give, none to take. */
	(void)d;
	return op->u.irq_permission.allow_access ? -EOPNOTSUPP : 0;
}

static DOMCTL(shadow_op)
{
	/* No log of dirty pages is kept yet, so it is off. */
	(void)d;
	return op->u.shadow_op.op == XEN_DOMCTL_SHADOW_OP_OFF ? 0 : -EOPNOTSUPP;
}

/* One node, which has all: an affinity must include it. */
static DOMCTL(setnodeaffinity)
{
	u8 first = 0;

	(void)d;
	if (op->u.nodeaffinity.nodemap.nr_bits && copy_from_guest(&first, op->u.nodeaffinity.nodemap.bitmap, 1))
		return -EFAULT;
	return first & 1 ? 0 : -EINVAL;
}

static DOMCTL(getnodeaffinity)
{
	const struct xenctl_bitmap *m = &op->u.nodeaffinity.nodemap;
	u8 byte = 1;

	(void)d;
	for (u32 i = 0; i < min((m->nr_bits + 7) / 8, 128u); i++, byte = 0)
		if (copy_to_guest(m->bitmap + i, &byte, 1))
			return -EFAULT;
	return 0;
}

/* --- The table --------------------------------------------------------------------------------------- */

#define DOMCTL_BACK 1u  /* the structure goes back to the caller */
#define DOMCTL_QUIET 2u /* no vcpu of the domain is on a CPU meanwhile; not for one's own domain */
#define DOMCTL_BACK_FAILED 4u /* likewise, whatever came of it: it says what was refused */

static const struct {
	long (*fn)(struct domain *d, struct xen_domctl *op);
	u8 flags;
} domctls[] = {
	[XEN_DOMCTL_unpausedomain] = { domctl_unpausedomain },
	[XEN_DOMCTL_getdomaininfo] = { domctl_getdomaininfo, DOMCTL_BACK },
	[XEN_DOMCTL_shadow_op] = { domctl_shadow_op, DOMCTL_BACK },
	[XEN_DOMCTL_max_mem] = { domctl_max_mem },
	[XEN_DOMCTL_setvcpucontext] = { domctl_setvcpucontext, DOMCTL_QUIET },
	[XEN_DOMCTL_getvcpucontext] = { domctl_getvcpucontext, DOMCTL_QUIET },
	[XEN_DOMCTL_max_vcpus] = { domctl_max_vcpus },
	[XEN_DOMCTL_setvcpuaffinity] = { domctl_setvcpuaffinity, DOMCTL_BACK },
	[XEN_DOMCTL_getvcpuaffinity] = { domctl_getvcpuaffinity, DOMCTL_BACK },
	[XEN_DOMCTL_getvcpuinfo] = { domctl_getvcpuinfo, DOMCTL_BACK },
	[XEN_DOMCTL_scheduler_op] = { domctl_scheduler_op, DOMCTL_BACK },
	[XEN_DOMCTL_get_cpu_policy] = { domctl_get_cpu_policy, DOMCTL_BACK },
	[XEN_DOMCTL_set_cpu_policy] = { domctl_set_cpu_policy, DOMCTL_QUIET | DOMCTL_BACK_FAILED },
	[XEN_DOMCTL_settscinfo] = { domctl_settscinfo, DOMCTL_QUIET },
	[XEN_DOMCTL_gettscinfo] = { domctl_gettscinfo, DOMCTL_BACK },
	[XEN_DOMCTL_settimeoffset] = { domctl_settimeoffset },
	[XEN_DOMCTL_get_ext_vcpucontext] = { domctl_get_ext_vcpucontext, DOMCTL_QUIET | DOMCTL_BACK },
	[XEN_DOMCTL_set_ext_vcpucontext] = { domctl_set_ext_vcpucontext, DOMCTL_QUIET },
	[XEN_DOMCTL_getvcpuextstate] = { domctl_getvcpuextstate, DOMCTL_QUIET | DOMCTL_BACK },
	[XEN_DOMCTL_setvcpuextstate] = { domctl_setvcpuextstate, DOMCTL_QUIET },
	[XEN_DOMCTL_get_vcpu_msrs] = { domctl_get_vcpu_msrs, DOMCTL_QUIET | DOMCTL_BACK },
	[XEN_DOMCTL_set_vcpu_msrs] = { domctl_set_vcpu_msrs, DOMCTL_QUIET },
	[XEN_DOMCTL_setdomainhandle] = { domctl_setdomainhandle },
	[XEN_DOMCTL_setdebugging] = { domctl_setdebugging },
	[XEN_DOMCTL_irq_permission] = { domctl_irq_permission },
	/* Its vcpus look at their rights without a lock. */
	[XEN_DOMCTL_iomem_permission] = { domctl_iomem_permission, DOMCTL_QUIET },
	[XEN_DOMCTL_ioport_permission] = { domctl_ioport_permission, DOMCTL_QUIET },
	[XEN_DOMCTL_hypercall_init] = { domctl_hypercall_init },
	[XEN_DOMCTL_resumedomain] = { domctl_resumedomain, DOMCTL_QUIET },
	[XEN_DOMCTL_sendtrigger] = { domctl_sendtrigger },
	[XEN_DOMCTL_set_address_size] = { domctl_set_address_size },
	[XEN_DOMCTL_get_address_size] = { domctl_get_address_size, DOMCTL_BACK },
	[XEN_DOMCTL_getpageframeinfo3] = { domctl_getpageframeinfo3 },
	[XEN_DOMCTL_setnodeaffinity] = { domctl_setnodeaffinity },
	[XEN_DOMCTL_getnodeaffinity] = { domctl_getnodeaffinity },
};

/*
 * `d`, which is paused, has stopped: its vcpus are on no CPU, and none has page tables half done. Whoever wants such a
 * table waits for the vcpu that is at work on it, which can't go on; so its work is ended here, and so is what an earlier
 * call of ours left.
 */
static bool has_stopped(struct domain *d)
{
	bool done;

	if (!domain_is_quiet(d))
		return false;
	done = !pt_job_resume(current);
	/* All of them, since one may wait for another. */
	for (u32 i = 0; i < d->max_vcpus; i++)
		if (d->vcpus[i] && pt_job_resume(d->vcpus[i]))
			done = false;
	return done;
}

/* Both begin with a pause that stays. */
static long stop_domain(struct domain *d, u32 cmd, bool again)
{
	long rc;

	if (d == current->domain || d == dom0)
		return -EINVAL;
	if (!again && cmd == XEN_DOMCTL_pausedomain) {
		d->tool_pauses++;
		domain_pause(d);
	} else if (cmd == XEN_DOMCTL_destroydomain && !__atomic_exchange_n(&d->is_dying, true, __ATOMIC_SEQ_CST)) {
		domain_pause(d);
	}
	if (cmd == XEN_DOMCTL_pausedomain)
		return has_stopped(d) ? 0 : -ERESTART;
	if (!domain_is_quiet(d))
		return -ERESTART;
	rc = d->kill_step == KILL_DONE ? 0 : domain_kill(d);
	if (!rc)
		send_global_virq(dom0, VIRQ_DOM_EXC);
	return rc;
}

static long on_domain(struct domain *d, struct xen_domctl *op, u32 cmd, bool again)
{
	bool quiet = domctls[cmd].flags & DOMCTL_QUIET;
	long rc = 0;

	if (cmd == XEN_DOMCTL_pausedomain || cmd == XEN_DOMCTL_destroydomain)
		return stop_domain(d, cmd, again);
	if (quiet && d == current->domain)
		return -EINVAL;
	if (quiet && !again)
		domain_pause(d);
	if (quiet && !has_stopped(d))
		return -ERESTART;
	/* All but questions: nothing is given to the dying. */
	rc = d->is_dying && !(domctls[cmd].flags & DOMCTL_BACK) ? -EINVAL : domctls[cmd].fn(d, op);
	if (quiet && rc != -ERESTART)
		domain_unpause(d);
	return rc;
}

HYPERCALL(hc_domctl)
{
	struct xen_domctl op;
	struct domain *d;
	long rc;
	u32 cmd;

	if (!access_machine(current->domain))
		return -EPERM;
	if (copy_from_guest(&op, a1, sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return -EACCES;
	if (op.cmd == XEN_DOMCTL_createdomain) {
		rc = create(&op);
		if (!rc && copy_to_guest(a1, &op, sizeof(op)))
			rc = -EFAULT;
		return rc == -ERESTART ? hypercall_continue(0, 0, 0, 0, 0) : rc;
	}
	if (op.cmd == XEN_DOMCTL_test_assign_device)
		return -ENODEV; /* no IOMMU is driven: nothing can be assigned, whoever asks for whom */
	cmd = index_nospec(op.cmd, ARRAY_SIZE(domctls));
	if (op.cmd >= ARRAY_SIZE(domctls) ||
	    (!domctls[cmd].fn && cmd != XEN_DOMCTL_pausedomain && cmd != XEN_DOMCTL_destroydomain))
		return -ENOSYS;
	d = cmd == XEN_DOMCTL_getdomaininfo ? next_domain(op.domain) : hypercall_target(op.domain);
	if (!d)
		return -ESRCH;
	rc = -ERESTART;
	if (!__atomic_exchange_n(&d->domctl_busy, true, __ATOMIC_ACQUIRE)) {
		rc = on_domain(d, &op, cmd, a2 == AGAIN);
		__atomic_store_n(&d->domctl_busy, false, __ATOMIC_RELEASE);
		if (rc == -ERESTART)
			a2 = AGAIN;
	}
	put_domain(d);
	if (rc == -ERESTART)
		return hypercall_continue(2, a1, a2, 0, 0);
	if ((domctls[cmd].flags & (rc ? DOMCTL_BACK_FAILED : DOMCTL_BACK | DOMCTL_BACK_FAILED)) && copy_to_guest(a1, &op, sizeof(op)))
		return -EFAULT;
	return rc;
}
