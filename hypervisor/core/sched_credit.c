// SPDX-License-Identifier: MIT
/*
 * The arithmetic of the scheduler, apart from queues, CPUs and locks (core/sched.c has those).
 *
 * Weights. A vcpu's virtual time is the time it ran, divided by its domain's weight, in units of the default weight.
 * Who has the least runs next, so over time all that are busy have the same virtual time, and shares of the CPU stand
 * as the weights do.
 *
 * Sleepers. A virtual time that stood still is brought near to those of the vcpus that it now waits with:
 *
 *  1. not further behind them than WAKE_NS, so that sleeping saves up nothing but a quick start;
 *  2. not further ahead than LEAD_NS of its own CPU time, so that it waits a bounded time, wherever it ran before.
 *     Where all share all CPUs nobody is further ahead than a slice, and the rule does nothing. Vcpus bound to CPUs are:
 *     virtual time passes faster where fewer wait.
 *
 * One that moves to another CPU's queue may be far behind that queue, since that is why it moved: the same bounds with
 * twice MOVE_NS for the first.
 *
 * Who woke does not get the CPU before the one that runs has had it for the rate limit: two that wake each other often
 * would else be switched at each event, where one could have done much for the other at once. But one that, as seen
 * before, sleeps soon after an event to that port, and sends no more events before, hands the CPU over at once: the answer
 * may be there before it goes to sleep, which is dear in most guests. That is a frontend with one request under way; a
 * backend that answers many is not of that kind.
 *
 * Caps. A domain with a cap has a budget for each period of PERIOD_NS. All its vcpus together use it up; then none of
 * them runs before the period's end. What they ran beyond it is owed, so the average holds; what they did not use is
 * gone.
 */
#include "core/sched_credit.h"

#define SLICE_NS 10000000ULL      /* 10 ms, as credit2's upper bound; shared among those that wait */
#define SLICE_MIN_NS 2000000ULL
#define WAKE_NS 5000000ULL
#define LEAD_NS 20000000ULL
#define TAIL_NS 20000ULL          /* who sleeps as soon hands over; a guest's way to sleep is a few microseconds */
#define RUNS_ON_FOR 4             /* times that it must sleep soon before that is believed again */
#define SHOWS_EVERY 37            /* a number that bursts of events seldom have: it must not always fall on the same of them */
#define PERIOD_NS 10000000ULL     /* as credit2's, which says so at boot */

u64 credit_charge(u64 ran, u32 weight)
{
	return ran * SCHED_WEIGHT_DEFAULT / weight;
}

static u64 within(u64 vtime, u64 least, u64 behind, u32 weight)
{
	if (vtime + behind < least)
		return least - behind;
	return min(vtime, least + credit_charge(LEAD_NS, weight));
}

u64 credit_woken(u64 vtime, u64 least, u32 weight)
{
	return within(vtime, least, WAKE_NS, weight);
}

u64 credit_moved(u64 vtime, u64 least, u32 weight)
{
	return within(vtime, least, 2 * MOVE_NS, weight);
}

u64 credit_woken_alone(u64 vtime, u64 floor)
{
	return vtime + WAKE_NS < floor ? floor - WAKE_NS : vtime;
}

bool credit_goes_on(u64 vtime, u64 rival, bool slice_over, u64 ran, u64 ratelimit)
{
	return slice_over ? vtime < rival : ran < ratelimit || vtime <= rival + ratelimit;
}

bool credit_hands_over(struct credit_habit *h, u64 vtime, u64 rival)
{
	/* Handed over, it does not show how long it would have run on: from time to time it may. */
	if (rival > vtime + 2 * WAKE_NS || h->runs_on)
		return false;
	if (++h->handed_over < SHOWS_EVERY)
		return true;
	h->handed_over = 0;
	return false;
}

void credit_watch_begin(struct credit_watch *w, struct credit_habit *h, u8 stint, u64 now)
{
	credit_watch_runs_on(w);
	w->habit = h;
	w->since = now;
	w->again = h->stint == stint;
	h->stint = stint;
}

void credit_watch_slept(struct credit_watch *w, u64 now)
{
	if (!w->habit || w->again)
		return;
	if (now - w->since > TAIL_NS)
		w->habit->runs_on = RUNS_ON_FOR;
	else if (w->habit->runs_on)
		w->habit->runs_on--;
}

void credit_watch_runs_on(struct credit_watch *w)
{
	if (!w->habit)
		return;
	w->habit->runs_on = RUNS_ON_FOR;
	w->again = true;
}

u64 credit_slice(u32 waiting)
{
	return max(SLICE_NS / (waiting ?: 1), SLICE_MIN_NS);
}

static s64 quota(const struct credit_cap *c)
{
	return PERIOD_NS / 100 * c->percent;
}

void credit_cap_set(struct credit_cap *c, u32 percent, u64 now)
{
	c->percent = percent;
	c->budget = quota(c);
	c->period_ends = now + PERIOD_NS;
}

s64 credit_cap_left(struct credit_cap *c, u64 now)
{
	if (now >= c->period_ends) {
		s64 periods = (now - c->period_ends) / PERIOD_NS + 1, given = periods * quota(c);

		c->period_ends += periods * PERIOD_NS;
		c->budget = min(c->budget + given, quota(c));
	}
	return c->budget;
}
