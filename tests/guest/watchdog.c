// SPDX-License-Identifier: MIT
/*
 * SCHEDOP_watchdog: two timers for a domain, which end it unless it sets them anew.
 *
 * With case=fires: one is taken and left alone; the test system looks how the domain ends.
 */
#include <xen/sched.h>

#include "runtime.h"

static long watchdog(uint32_t id, uint32_t seconds)
{
	struct sched_watchdog w = { .id = id, .timeout = seconds };

	return hypercall2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &w);
}

void guest_main(void)
{
	tap_start("watchdog");
	if (cmdline_value("case=")) {
		watchdog(0, 1);
		for (;;)
			;
	}
	tap_long(watchdog(0, 0), -XEN_EINVAL, "a watchdog without a time is refused");
	tap_long(watchdog(1, 10), -XEN_EINVAL, "one that is not taken can't be set anew");
	tap_long(watchdog(1, 0), -XEN_EINVAL, "nor given back");
	tap_long(watchdog(3, 10), -XEN_EINVAL, "there is no third");
	tap_long(watchdog(~0u, 10), -XEN_EINVAL, "nor one with the last number");
	tap_long(watchdog(0, 1000), 1, "the first is taken");
	tap_long(watchdog(0, 1000), 2, "the second is taken");
	tap_long(watchdog(0, 1000), -XEN_ENOSPC, "no more");
	tap_long(watchdog(1, 2000), 0, "it is set anew");
	tap_long(watchdog(1, ~0u), 0, "for as long as can be");
	tap_long(watchdog(1, 0), 0, "it is given back");
	tap_long(watchdog(1, 0), -XEN_EINVAL, "once");
	tap_long(watchdog(0, 500), 1, "and taken again");
	tap_long(watchdog(1, 0), 0, "and given back");
	tap_long(watchdog(2, 0), 0, "the other too, so that none fires");
	tap_end();
}
