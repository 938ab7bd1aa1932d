// SPDX-License-Identifier: MIT
/*
 * A quiet neighbour of hostile guests: it sleeps, wakes every 10 ms and counts. Each half second it tells how often it
 * woke and the longest time between two of these. tests/system/test_hostile.py reads its console.
 */
#include <xen/sched.h>

#include "runtime.h"

#define BEAT_NS		10000000ul
#define BEATS_A_LINE	50

/* System time in ns, by vcpu 0's record. */
static uint64_t now(void)
{
	const volatile struct vcpu_time_info *t = &shared_info->vcpu_info[0].time;
	uint64_t ns, ticks;
	uint32_t version;

	do {
		version = t->version;
		__asm__ volatile("" : : : "memory");
		ticks = rdtsc() - t->tsc_timestamp;
		ticks = t->tsc_shift < 0 ? ticks >> -t->tsc_shift : ticks << t->tsc_shift;
		ns = t->system_time + (uint64_t)((unsigned __int128)ticks * t->tsc_to_system_mul >> 32);
		__asm__ volatile("" : : : "memory");
	} while (version & 1 || version != t->version);
	return ns;
}

void guest_main(void)
{
	uint64_t last = now(), longest = 0;

	for (unsigned int beat = 1;; beat++) {
		struct sched_poll poll = { .timeout = last + BEAT_NS };
		uint64_t time;

		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
		time = now();
		if (time - last > longest)
			longest = time - last;
		last = time;
		if (beat % BEATS_A_LINE)
			continue;
		printf("beat %u, longest gap %u us\n", beat, (unsigned int)(longest / 1000));
		longest = 0;
		last = now();
	}
}
