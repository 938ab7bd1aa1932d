// SPDX-License-Identifier: MIT
/*
 * Time as a PV guest sees it: the record in vcpu_info that turns the time-stamp counter into nanoseconds, the clock
 * on the wall, timers, and the account of what the vcpu did.
 *
 * Nothing here compares with another clock: the tests hold for any speed of the machine. Each wait is for an event
 * that must come; where it does not, the guest never ends, and the test system says so.
 */
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "runtime.h"

#define MS	1000000UL		/* ns */

static unsigned int fired, early_polls;

static void count(evtchn_port_t port)
{
	(void)port;
	fired++;
}

static void clock(void)
{
	struct vcpu_time_info t = time_record();
	uint64_t before, after, backwards = 0;

	tap_ok(t.version && !(t.version & 1), "the record has been written");
	tap_ok(t.tsc_to_system_mul >> 31, "the multiplier uses its whole width");
	tap_ok(t.tsc_timestamp <= rdtsc(), "its time stamp is not of the future");
	tap_ok(time_scale(&t, 1000000) > 0, "a million ticks take some time");
	before = time_ns();
	for (unsigned int i = 0; i < 20000; i++) {
		after = time_ns();
		backwards += after < before;
		before = after;
	}
	tap_long((long)backwards, 0, "time does not go backwards");
	for (unsigned int i = 0; i < 2000; i++) {
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
		after = time_ns();
		backwards += after < before;
		before = after;
	}
	tap_long((long)backwards, 0, "not even across calls");
}

static void wall_clock(void)
{
	tap_ok(shared_info->wc_version && !(shared_info->wc_version & 1), "the wall clock has been set");
	tap_ok(shared_info->wc_sec_hi == 0 && shared_info->wc_sec > 1577836800 && shared_info->wc_nsec < 1000000000,
	       "to a date behind 2020");
}

static long vcpu_op(unsigned int command, void *argument)
{
	return hypercall3(__HYPERVISOR_vcpu_op, command, 0, argument);
}

static void wait_for_fired(unsigned int wanted)
{
	while (*(volatile unsigned int *)&fired < wanted) {
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
		events_disable();
	}
}

static void timers(void)
{
	struct vcpu_set_singleshot_timer one = { 0 };
	struct vcpu_set_periodic_timer period = { .period_ns = 2 * MS };
	evtchn_port_t port;
	uint64_t start;
	long result;

	tap_long(vcpu_op(VCPUOP_stop_periodic_timer, NULL), 0, "the periodic timer can be stopped");
	/* Bound after that: no tick of before is taken for a timer of ours. */
	port = event_bind_virq(VIRQ_TIMER, 0);
	event_set_handler(port, count);
	event_unmask_port(port);
	for (unsigned int i = 1; i <= 3; i++) {
		fired = 0;
		one.timeout_abs_ns = time_ns() + i * MS;
		vcpu_op(VCPUOP_set_singleshot_timer, &one);
		wait_for_fired(1);
		tap_ok(time_ns() >= one.timeout_abs_ns, "a timer of %u ms does not fire early", i);
	}
	fired = 0;
	one.timeout_abs_ns = time_ns() + 1000000 * MS;
	vcpu_op(VCPUOP_set_singleshot_timer, &one);
	one.timeout_abs_ns = time_ns() + MS;
	vcpu_op(VCPUOP_set_singleshot_timer, &one);
	wait_for_fired(1);
	tap_ok(fired == 1, "a second setting replaces the first");
	/* Where the emulator stood still between the two calls, the timer was right to fire: again then. */
	do {
		event_clear_pending(port);
		one.timeout_abs_ns = time_ns() + 5 * MS;
		vcpu_op(VCPUOP_set_singleshot_timer, &one);
		result = vcpu_op(VCPUOP_stop_singleshot_timer, NULL);
	} while (time_ns() >= one.timeout_abs_ns);
	tap_long(result, 0, "a timer can be stopped");
	fired = 0;
	events_enable();
	while (time_ns() < one.timeout_abs_ns + MS)
		__asm__ volatile("pause");
	events_disable();
	tap_long(fired, 0, "and does not fire then");
	start = time_ns();
	tap_long(vcpu_op(VCPUOP_set_periodic_timer, &period), 0, "a period can be set");
	/* Without blocking: the tick may stop while a vcpu waits. */
	events_enable();
	while (*(volatile unsigned int *)&fired < 5)
		__asm__ volatile("pause");
	events_disable();
	tap_ok(time_ns() >= start + 4 * period.period_ns, "five ticks take four periods at least");
	vcpu_op(VCPUOP_stop_periodic_timer, NULL);
	event_clear_pending(port);
	fired = 0;
	hypercall1(__HYPERVISOR_set_timer_op, time_ns() + MS);
	wait_for_fired(1);
	tap_ok(true, "the older call for a timer works too");
	event_close(port);
}

static long poll_for(uint64_t ns)
{
	evtchn_port_t port = event_bind_ipi(0);
	struct sched_poll poll = { .ports = (uint64_t)(uintptr_t)&port, .nr_ports = 1, .timeout = time_ns() + ns };
	long result;

	/* An upcall that waits would end it at once. */
	vcpu_info->evtchn_upcall_pending = 0;
	result = hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
	if (time_ns() < poll.timeout && !vcpu_info->evtchn_upcall_pending)
		early_polls++;
	event_close(port);
	return result;
}

static void accounts(void)
{
	static struct vcpu_runstate_info area;
	struct vcpu_register_runstate_memory_area where = { .addr.v = (uint64_t)(uintptr_t)&area };
	struct vcpu_runstate_info asked;
	uint64_t sum = 0;

	tap_long(vcpu_op(VCPUOP_get_runstate_info, &asked), 0, "the account can be asked for");
	tap_long(asked.state, RUNSTATE_running, "who asks is running");
	for (unsigned int i = 0; i < 4; i++)
		sum += asked.time[i];
	tap_ok(sum > 0 && sum <= time_ns(), "its times are not more than the time there was");
	tap_ok(asked.time[RUNSTATE_blocked] > 0, "the waits above count as blocked");
	tap_long(vcpu_op(VCPUOP_register_runstate_memory_area, &where), 0, "an area can be registered");
	tap_long(area.state, RUNSTATE_running, "and is filled at once");
	/* A wait can be over before it begins, where the emulator stood still: then there was none. */
	for (unsigned int i = 0; i < 100 && area.time[RUNSTATE_blocked] <= asked.time[RUNSTATE_blocked]; i++)
		poll_for(2 * MS);
	tap_ok(area.time[RUNSTATE_blocked] > asked.time[RUNSTATE_blocked], "and again when the vcpu ran after a wait");
	where.addr.v = 0;
	vcpu_op(VCPUOP_register_runstate_memory_area, &where);
}

void guest_main(void)
{
	tap_start("time");
	clock();
	wall_clock();
	timers();
	tap_long(poll_for(2 * MS), 0, "a poll with a time limit returns");
	accounts();
	tap_long(early_polls, 0, "and not before the limit");
	tap_end();
}
