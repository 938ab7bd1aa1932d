// SPDX-License-Identifier: MIT
/*
 * A domain's watchdogs: timers that end it unless it sets them anew.
 *
 * A daemon in the domain takes one (SCHEDOP_watchdog with id 0), sets it again
 * every few seconds, and lets it go before a shutdown. When it fires, the domain
 * has hung and is shut down with the reason "watchdog"; the toolstack, or for
 * dom0 we, restart it. Ids count from 1. d->lock guards which are taken.
 */
#include "core/domain.h"
#include "core/hypercall.h"
#include "core/sched.h"
#include "xen/sched.h"

#define NS_PER_S 1000000000ULL

static void fired(void *data)
{
	struct domain *d = data;

	hv_log(LOG_ERR, "domain %u did not set its watchdog anew in time: shutting it down\n", d->domain_id);
	domain_shutdown(d, SHUTDOWN_watchdog);
}

static void start(struct domain *d, struct domain_watchdog *w, u32 seconds)
{
	if (!w->timer.fn)
		timer_init(&w->timer, fired, d, this_cpu());
	timer_set(&w->timer, now_ns() + seconds * NS_PER_S);
}

long watchdog_op(struct domain *d, u32 id, u32 seconds)
{
	long rc = -EINVAL;

	spin_lock(&d->lock);
	if (!id) {
		for (u32 i = 0; seconds && i < DOMAIN_WATCHDOGS; i++) {
			rc = -ENOSPC;
			if (d->watchdogs[i].taken)
				continue;
			d->watchdogs[i].taken = true;
			start(d, &d->watchdogs[i], seconds);
			rc = i + 1;
			break;
		}
	} else if (id <= DOMAIN_WATCHDOGS) {
		struct domain_watchdog *w = &d->watchdogs[index_nospec(id - 1, DOMAIN_WATCHDOGS)];

		if (w->taken) {
			rc = 0;
			if (seconds)
				start(d, w, seconds);
			else
				timer_stop(&w->timer);
			w->taken = seconds;
		}
	}
	spin_unlock(&d->lock);
	return rc;
}

void watchdogs_end(struct domain *d)
{
	for (u32 i = 0; i < DOMAIN_WATCHDOGS; i++)
		if (d->watchdogs[i].timer.fn)
			timer_kill(&d->watchdogs[i].timer);
}
