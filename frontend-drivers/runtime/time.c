// SPDX-License-Identifier: MIT
/*
 * System time: nanoseconds since the hypervisor started, from the record that it keeps in vcpu_info and the TSC; and
 * sleeping until such a time, by the vcpu's timer.
 *
 * The record is written by the hypervisor while we read it: its version is odd meanwhile, and another afterwards.
 */
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "runtime.h"

static evtchn_port_t timer_port;

struct vcpu_time_info time_record(void)
{
	const volatile struct vcpu_time_info *record = &shared_info->vcpu_info[this_cpu()].time;
	struct vcpu_time_info copy;

	do {
		copy.version = record->version;
		compiler_barrier();
		copy.tsc_timestamp = record->tsc_timestamp;
		copy.system_time = record->system_time;
		copy.tsc_to_system_mul = record->tsc_to_system_mul;
		copy.tsc_shift = record->tsc_shift;
		copy.flags = record->flags;
		compiler_barrier();
	} while (copy.version & 1 || copy.version != record->version);
	return copy;
}

uint64_t time_scale(const struct vcpu_time_info *t, uint64_t ticks)
{
	ticks = t->tsc_shift < 0 ? ticks >> -t->tsc_shift : ticks << t->tsc_shift;
	return (uint64_t)((unsigned __int128)ticks * t->tsc_to_system_mul >> 32);
}

uint64_t time_ns(void)
{
	struct vcpu_time_info t = time_record();

	return t.system_time + time_scale(&t, rdtsc() - t.tsc_timestamp);
}

static void nothing(evtchn_port_t port)
{
	(void)port;
}

void time_wake_at(uint64_t ns)
{
	struct vcpu_set_singleshot_timer timer = { .timeout_abs_ns = ns };

	if (!timer_port) {
		hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
		timer_port = event_bind_virq(VIRQ_TIMER, 0);
		event_set_handler(timer_port, nothing);
		event_unmask_port(timer_port);
	}
	hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, &timer);
}
