// SPDX-License-Identifier: MIT
/*
 * Hypercall 29: a vcpu gives its CPU up - for a moment (yield), until an event
 * comes (block), until one of some ports is pending (poll) - or ends its domain.
 *
 * Blocking races with the event that would end it: `blocked` is set first, then
 * the pending bits are looked at; a sender sets the bit first and then looks at
 * `blocked` (vcpu_kick). One of the two sees the other.
 */
#include "core/access.h"
#include "core/console.h"
#include "core/hypercall.h"
#include "core/sched.h"
#include "x86/cpu.h"
#include "x86/panic.h"
#include "x86/smp.h"

static bool events_due(const struct vcpu *v)
{
	return READ_ONCE(v->vcpu_info->evtchn_upcall_pending) && !READ_ONCE(v->vcpu_info->evtchn_upcall_mask);
}

static long block(struct vcpu *v)
{
	WRITE_ONCE(v->vcpu_info->evtchn_upcall_mask, 0);
	WRITE_ONCE(v->blocked, true);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* An event before `blocked` was seen to be set would have woken nobody. */
	if (events_due(v))
		WRITE_ONCE(v->blocked, false);
	else
		set_work(this_cpu(), WORK_SCHEDULE);
	return 0;
}

static void poll_timeout(void *data)
{
	struct vcpu *v = data;

	events_poll_end(v);
	vcpu_kick(v);
}

void poll_over(struct vcpu *v)
{
	v->in_poll = false;
	events_poll_end(v);
	timer_stop(&v->poll_timer);
}

void sched_vcpu_init(struct vcpu *v)
{
	timer_init(&v->poll_timer, poll_timeout, v, v->processor);
}

static long poll(struct vcpu *v, u64 gva)
{
	struct sched_poll p;
	struct domain *d = v->domain;
	u32 port = 0;

	if (copy_from_guest(&p, gva, sizeof(p)))
		return -EFAULT;
	if (p.nr_ports > 128)
		return -EINVAL;
	if (p.nr_ports == 1 && copy_from_guest(&port, p.ports, 4))
		return -EFAULT;
	WRITE_ONCE(v->blocked, true);
	events_poll_begin(v, p.nr_ports == 1 ? port : ~0u);
	for (u32 i = 0; i < p.nr_ports; i++) {
		long rc = 0;

		if (copy_from_guest(&port, p.ports + i * 4, 4))
			rc = -EFAULT;
		else if (port >= EVTCHN_MAX_PORTS)
			rc = -EINVAL;
		if (rc || evtchn_port_pending(d, port)) {
			events_poll_end(v);
			WRITE_ONCE(v->blocked, false);
			return rc;
		}
	}
	if (events_due(v) || !v->polling) {
		events_poll_end(v);
		WRITE_ONCE(v->blocked, false);
		return 0;
	}
	v->in_poll = true;
	if (p.timeout)
		timer_set(&v->poll_timer, p.timeout);
	set_work(this_cpu(), WORK_SCHEDULE);
	return 0;
}

static const char *const shutdown_names[] = { "poweroff", "reboot", "suspend", "crash", "watchdog", "soft reset" };

/* What dom0's end means for the machine. */
static void __noreturn dom0_ended(u8 reason)
{
	const char *name = reason < ARRAY_SIZE(shutdown_names) ? shutdown_names[reason] : "unknown reason";

	smp_stop_others();
	console_panic_mode();
	hv_log(LOG_ERR, "dom0 shut down (%s)%s%s\n", name, dom0->crash_reason[0] ? ": " : "", dom0->crash_reason);
	if (reason == SHUTDOWN_poweroff) {
		hv_log(LOG_ERR, "halting; the machine may be switched off\n");
		machine_halt();
	}
	if (reason != SHUTDOWN_reboot && machine_noreboot) {
		hv_log(LOG_ERR, "'noreboot' is set: not restarting\n");
		machine_halt();
	}
	hv_log(LOG_ERR, "restarting the machine\n");
	machine_restart();
}

void domain_shutdown(struct domain *d, u8 reason)
{
	spin_lock(&d->lock);
	if (d->is_shut_down) {
		spin_unlock(&d->lock);
		return;
	}
	d->is_shut_down = true;
	d->shutdown_code = reason;
	spin_unlock(&d->lock);
	if (d == dom0)
		dom0_ended(reason);
	for (u32 i = 0; i < d->max_vcpus; i++)
		if (d->vcpus[i])
			sched_stop(d->vcpus[i]);
	send_global_virq(dom0, VIRQ_DOM_EXC);
}

static long remote_shutdown(const struct domain *caller, const struct sched_remote_shutdown *r)
{
	struct domain *d;
	long rc = -EPERM;

	if (r->reason > SHUTDOWN_MAX)
		return -EINVAL;
	d = get_domain(r->domain_id);
	if (!d)
		return -ESRCH;
	if (d != caller && access_control(caller, d)) {
		domain_shutdown(d, r->reason);
		rc = 0;
	}
	put_domain(d);
	return rc;
}

HYPERCALL(hc_sched_op)
{
	struct vcpu *v = current;
	struct sched_watchdog dog;
	struct sched_remote_shutdown remote;
	u32 reason;

	switch (a1) {
	case SCHEDOP_yield:
		sched_yield(v);
		return 0;
	case SCHEDOP_block:
		return block(v);
	case SCHEDOP_shutdown:
		if (copy_from_guest(&reason, a2, 4))
			return -EFAULT;
		if (reason > SHUTDOWN_MAX)
			return -EINVAL;
		domain_shutdown(v->domain, reason);
		return 0;
	case SCHEDOP_poll:
		return poll(v, a2);
	case SCHEDOP_remote_shutdown:
		if (copy_from_guest(&remote, a2, sizeof(remote)))
			return -EFAULT;
		return remote_shutdown(v->domain, &remote);
	case SCHEDOP_watchdog:
		if (copy_from_guest(&dog, a2, sizeof(dog)))
			return -EFAULT;
		return watchdog_op(v->domain, dog.id, dog.timeout);
	default:
		return -ENOSYS;
	}
}
