/* SPDX-License-Identifier: MIT */
/* The arithmetic of the scheduler: virtual time, slices, caps; see sched_credit.c. All times in ns. */
#ifndef CORE_SCHED_CREDIT_H
#define CORE_SCHED_CREDIT_H

#include "lib/types.h"

#define SCHED_WEIGHT_DEFAULT 256 /* as in Xen's schedulers */
#define SCHED_WEIGHT_MAX 65535
#define MOVE_NS 20000000ULL      /* two slices behind the vcpu running elsewhere: worth a move */

/* What a domain with a cap may use of CPU time. */
struct credit_cap {
	u32 percent;     /* of one CPU, above 0 */
	s64 budget;      /* left in this period; below 0: owed to the next */
	u64 period_ends;
};

/* Virtual time of `ran` at `weight`. */
u64 credit_charge(u64 ran, u32 weight);
/* The virtual time with which one that has `vtime` may wait among others of which the least is `least`. */
u64 credit_woken(u64 vtime, u64 least, u32 weight);
u64 credit_moved(u64 vtime, u64 least, u32 weight);
/* ... or alone, where the busiest have come to `floor`. */
u64 credit_woken_alone(u64 vtime, u64 floor);
/*
 * Does the one that runs go on, with another waiting? It has run for `ran` ns. Before its slice is over it does within
 * the first `ratelimit` ns, and as long as it is no further ahead than that.
 */
bool credit_goes_on(u64 vtime, u64 rival, bool slice_over, u64 ran, u64 ratelimit);
#define HABITS 64                /* of a vcpu: ports share them by their last bits */
/* What a vcpu does after it sent an event to some port while another waited for its CPU. A new one is taken to sleep soon. */
struct credit_habit {
	u8 runs_on;     /* not 0: it lately did not sleep soon, or had more to tell before */
	u8 handed_over; /* how often, since it was last to show whether it still sleeps soon */
	u8 stint;       /* of the vcpu's, in which it was last judged: the last event of many shows nothing */
};
/* The habit that a vcpu shows by what it does: from since on, NULL as long as nobody waits for its CPU. */
struct credit_watch {
	struct credit_habit *habit;
	u64 since;
	bool again;     /* it was judged in this stint already */
};
/* Another waits for its CPU: shall it have it at once? Not if it had much more time. */
bool credit_hands_over(struct credit_habit *h, u64 vtime, u64 rival);
/* An event was sent by the port that has the habit h. What was watched before had more to tell. */
void credit_watch_begin(struct credit_watch *w, struct credit_habit *h, u8 stint, u64 now);
/* It sleeps; ... or was stopped, or sent another event by the same port. */
void credit_watch_slept(struct credit_watch *w, u64 now);
void credit_watch_runs_on(struct credit_watch *w);
/* How long one may run while `waiting` wait. */
u64 credit_slice(u32 waiting);

/* Sets the cap and begins a period. */
void credit_cap_set(struct credit_cap *c, u32 percent, u64 now);
/* What is left to use at `now`, at most one period's; 0 or below: nothing before period_ends. */
s64 credit_cap_left(struct credit_cap *c, u64 now);
static inline void credit_cap_use(struct credit_cap *c, u64 ran) { c->budget -= ran; }

#endif
