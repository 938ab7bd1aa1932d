// SPDX-License-Identifier: MIT
/*
 * Hypercall 24: a domain's own vcpus - bringing them up and down, where they
 * show their state, their timers.
 */
#include "core/hypercall.h"
#include "core/sched.h"
#include "core/time.h"
#include "lib/string.h"
#include "pv/vcpu_pv.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/guest_copy.h"

long vcpu_set_periodic(struct vcpu *v, u64 period_ns);
void vcpu_stop_periodic(struct vcpu *v);

static long initialise(struct vcpu *v, u64 gva)
{
	struct vcpu_guest_context *c;
	long rc;

	/* Checking its page tables may take several goes; what an earlier one left comes first. */
	if (pt_job_resume(current))
		return hypercall_continue(0, 0, 0, 0, 0);
	if (READ_ONCE(v->initialised))
		return -EEXIST;
	if (__atomic_exchange_n(&v->initialising, true, __ATOMIC_ACQUIRE))
		return -EBUSY;
	c = hv_alloc(sizeof(*c));
	rc = -ENOMEM;
	if (c) {
		rc = -EFAULT;
		if (!copy_from_guest(c, gva, sizeof(*c)))
			rc = v->initialised ? -EEXIST : pv_set_context(v, c);
		if (!rc)
			v->initialised = true;
		hv_free(c);
	}
	__atomic_store_n(&v->initialising, false, __ATOMIC_RELEASE);
	pt_job_settle(current);
	return rc == -ERESTART ? hypercall_continue(0, 0, 0, 0, 0) : rc;
}

static long bring_up(struct vcpu *v)
{
	if (!v->initialised)
		return -EINVAL;
	if (__atomic_exchange_n(&v->down, false, __ATOMIC_SEQ_CST))
		sched_wake(v);
	return 0;
}

static long take_down(struct vcpu *v)
{
	struct domain *d = v->domain;

	for (u32 i = 0; i < d->max_vcpus; i++) {
		if (d->vcpus[i] && d->vcpus[i] != v && !READ_ONCE(d->vcpus[i]->down)) {
			if (!__atomic_exchange_n(&v->down, true, __ATOMIC_SEQ_CST))
				sched_stop(v);
			return 0;
		}
	}
	/* The last one going down is the domain's way of powering off (abi.md 2.3). */
	domain_shutdown(d, SHUTDOWN_poweroff);
	return 0;
}

static long register_info(struct vcpu *v, u64 gva)
{
	struct vcpu_register_vcpu_info r;
	struct vcpu_info *new, *old = v->vcpu_info;
	u8 *page;

	if (copy_from_guest(&r, gva, sizeof(r)))
		return -EFAULT;
	/* Its kernel must not be at work on the old one. */
	if (v != current && !READ_ONCE(v->down))
		return -EINVAL;
	if (r.offset > PAGE_SIZE - sizeof(*new) || (r.offset & 7))
		return -EINVAL;
	/* Once, whoever asks: two vcpus may do it for a third. */
	if (__atomic_exchange_n(&v->vcpu_info_placed, true, __ATOMIC_SEQ_CST))
		return -EINVAL;
	page = get_guest_frame(v->domain, GFN(r.mfn), true);
	if (!page) {
		WRITE_ONCE(v->vcpu_info_placed, false);
		return -EINVAL;
	}
	new = (struct vcpu_info *)(page + r.offset);
	*new = *old;
	/* Nothing may be lost in between: the guest shall look at every word (abi.md 2.3). */
	new->evtchn_pending_sel = ~0ULL;
	v->vcpu_info_mfn = MFN(r.mfn);
	__atomic_store_n(&v->vcpu_info, new, __ATOMIC_SEQ_CST);
	WRITE_ONCE(new->evtchn_upcall_pending, 1);
	time_publish(v);
	return 0;
}

static long singleshot(struct vcpu *v, u64 gva)
{
	struct vcpu_set_singleshot_timer t;

	if (v != current)
		return -EINVAL;
	if (copy_from_guest(&t, gva, sizeof(t)))
		return -EFAULT;
	if ((t.flags & VCPU_SSHOTTMR_future) && t.timeout_abs_ns < now_ns())
		return -ETIME;
	timer_set(&v->singleshot, t.timeout_abs_ns);
	return 0;
}

/*
 * A guest that asked for the update flag sees it set in the entry time before
 * anything else changes, and cleared when all has. One that unmapped its area
 * misses the news; that is its own affair.
 */
static int write_runstate(u64 gva, struct vcpu_runstate_info rs, bool flag)
{
	const u64 at = gva + offsetof(struct vcpu_runstate_info, state_entry_time), entry_time = rs.state_entry_time;

	if (!flag)
		return copy_to_guest(gva, &rs, sizeof(rs));
	rs.state_entry_time |= XEN_RUNSTATE_UPDATE;
	return copy_to_guest(at, &rs.state_entry_time, 8) ?: copy_to_guest(gva, &rs, sizeof(rs)) ?:
	       copy_to_guest(at, &entry_time, 8);
}

void runstate_publish(struct vcpu *v)
{
	bool user = !v->pv.kernel_mode;

	if (!v->runstate_gva)
		return;
	/* The area is in the kernel's address space. */
	if (user)
		write_cr3(v->pv.kernel_cr3);
	write_runstate(v->runstate_gva, v->runstate, bit_test(&v->domain->vm_assist, VMASST_TYPE_runstate_update_flag));
	if (user)
		write_cr3(v->pv.user_cr3);
}

/* Another vcpu's area is written when that comes to a CPU the next time. */
static long register_area(struct vcpu *v, u64 gva, u64 *slot, size_t bytes)
{
	u64 addr;

	if (copy_from_guest(&addr, gva, 8))
		return -EFAULT;
	if (!guest_range_ok(addr, bytes))
		return -EFAULT;
	*slot = addr;
	if (v != current)
		return 0;
	if (slot == &v->runstate_gva)
		runstate_publish(v);
	else
		time_publish(v);
	return 0;
}

void vcpu_send_nmi(struct vcpu *v)
{
	v->pv.nmi_pending = 1;
	/* Should it come to a CPU only now, it is looked for there. */
	set_work(READ_ONCE(v->processor), WORK_NMI);
	vcpu_kick(v);
}

HYPERCALL(hc_vcpu_op)
{
	struct domain *d = current->domain;
	struct vcpu *v = domain_vcpu(d, a2);
	struct vcpu_runstate_info rs;
	struct vcpu_set_periodic_timer per;

	if (a2 >= MAX_VCPUS || !v)
		return -ENOENT;
	switch (a1) {
	case VCPUOP_initialise:
		return initialise(v, a3);
	case VCPUOP_up:
		return bring_up(v);
	case VCPUOP_down:
		return take_down(v);
	case VCPUOP_is_up:
		return !READ_ONCE(v->down);
	case VCPUOP_get_runstate_info:
		runstate_get(v, &rs);
		return copy_to_guest(a3, &rs, sizeof(rs)) ? -EFAULT : 0;
	case VCPUOP_register_runstate_memory_area:
		return register_area(v, a3, &v->runstate_gva, sizeof(rs));
	case VCPUOP_register_vcpu_time_memory_area:
		return register_area(v, a3, &v->time_gva, sizeof(struct vcpu_time_info));
	case VCPUOP_set_periodic_timer:
		if (copy_from_guest(&per, a3, sizeof(per)))
			return -EFAULT;
		return vcpu_set_periodic(v, per.period_ns);
	case VCPUOP_stop_periodic_timer:
		vcpu_stop_periodic(v);
		return 0;
	case VCPUOP_set_singleshot_timer:
		return singleshot(v, a3);
	case VCPUOP_stop_singleshot_timer:
		if (v != current)
			return -EINVAL;
		timer_stop(&v->singleshot);
		return 0;
	case VCPUOP_register_vcpu_info:
		return register_info(v, a3);
	case VCPUOP_send_nmi:
		if (a3)
			return -EINVAL;
		vcpu_send_nmi(v);
		return 0;
	default:
		return -ENOSYS;
	}
}
