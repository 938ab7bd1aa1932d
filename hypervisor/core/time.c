// SPDX-License-Identifier: MIT
/*
 * Time for guests.
 *
 * System time is nanoseconds since the hypervisor started, computed from the
 * TSC by one multiplication and a shift (x86/clock.c measured them). Guests get
 * the same numbers and compute the same time without a hypercall; a vcpu's copy
 * is written when it first comes to a CPU and when its vcpu_info moves.
 *
 * The wall clock is the Unix time at system time 0, read from the RTC at boot
 * and set by dom0. Each domain's copy has a version that is odd while it
 * changes; wallclock_lock (RANK_TIME) makes the changes one at a time.
 */
#include "core/time.h"
#include "core/hypercall.h"
#include "core/sched.h"
#include "pv/vcpu_pv.h"
#include "x86/asm.h"
#include "x86/clock.h"
#include "x86/cpu.h"

static spinlock_t wallclock_lock = SPINLOCK(RANK_TIME, "wall clock");
static u64 wc_sec;
static u32 wc_nsec;

/*
 * The numbers are the same for ever and on each CPU, so only the version tells one
 * writing from the next.
 */
static void write_info(struct vcpu_time_info *t, u32 version)
{
	const struct clock_scale *s = &clock_scale;

	WRITE_ONCE(t->version, version - 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	t->tsc_timestamp = s->tsc_start;
	t->system_time = 0;
	t->tsc_to_system_mul = s->mul;
	t->tsc_shift = s->shift;
	t->flags = tsc_reliable ? XEN_PVCLOCK_TSC_STABLE_BIT : 0;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(t->version, version);
}

void time_publish(struct vcpu *v)
{
	struct vcpu_time_info copy = { 0 };

	/* The version is ours, not the guest's copy of it, which it may have changed. */
	v->time_version = (v->time_version & ~1u) + 2;
	write_info(&v->vcpu_info->time, v->time_version);
	if (!v->time_gva || v != current)
		return;
	write_info(&copy, v->time_version);
	/* A guest that has unmapped its second copy loses it. */
	if (pv_copy_to_kernel(v, v->time_gva, &copy, sizeof(copy)))
		v->time_gva = 0;
}

static void publish_locked(struct domain *d)
{
	struct shared_info *s = d->shared_info;
	u32 version = (s->wc_version & ~1u) + 1;
	u64 sec = wc_sec + d->time_offset;

	WRITE_ONCE(s->wc_version, version);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	s->wc_sec = sec;
	s->wc_sec_hi = sec >> 32;
	s->wc_nsec = wc_nsec;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(s->wc_version, version + 1);
}

void wallclock_publish(struct domain *d)
{
	spin_lock(&wallclock_lock);
	publish_locked(d);
	spin_unlock(&wallclock_lock);
}

void wallclock_set(u64 secs, u32 nsecs, u64 at_ns)
{
	u64 total = secs * 1000000000ULL + nsecs - at_ns;

	spin_lock(&wallclock_lock);
	wc_sec = total / 1000000000ULL;
	wc_nsec = total % 1000000000ULL;
	spin_unlock(&wallclock_lock);
	for (u32 id = 0; id < READ_ONCE(domain_ids_end); id++) {
		struct domain *d = get_domain(id);

		if (!d)
			continue;
		wallclock_publish(d);
		put_domain(d);
	}
}

/* --- Timers of a vcpu ------------------------------------------------------------------ */

static void singleshot_fired(void *data)
{
	send_guest_virq(data, VIRQ_TIMER);
}

static void periodic_fired(void *data)
{
	struct vcpu *v = data;

	send_guest_virq(v, VIRQ_TIMER);
	if (v->periodic_ns)
		timer_set(&v->periodic, v->periodic.expires + v->periodic_ns);
}

void vcpu_timers_init(struct vcpu *v)
{
	timer_init(&v->singleshot, singleshot_fired, v, v->processor);
	timer_init(&v->periodic, periodic_fired, v, v->processor);
}

/* Two timers less than 1 ms apart would only burn the CPU (xen/vcpu.h asks for at least that period). */
#define MIN_PERIOD_NS 1000000ULL
/* Nor may the sum of now and a period wrap: that would lie in the past for ever (Xen refuses from here on too). */
#define MAX_PERIOD_NS (~0ULL >> 2)

long vcpu_set_periodic(struct vcpu *v, u64 period_ns)
{
	if (period_ns < MIN_PERIOD_NS || period_ns > MAX_PERIOD_NS)
		return -EINVAL;
	v->periodic_ns = period_ns;
	timer_set(&v->periodic, now_ns() + period_ns);
	return 0;
}

void vcpu_stop_periodic(struct vcpu *v)
{
	v->periodic_ns = 0;
	timer_stop(&v->periodic);
}

HYPERCALL(hc_set_timer_op)
{
	struct vcpu *v = current;

	if (!a1)
		timer_stop(&v->singleshot);
	else
		timer_set(&v->singleshot, a1);
	return 0;
}
