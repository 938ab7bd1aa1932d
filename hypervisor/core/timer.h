/* SPDX-License-Identifier: MIT */
/*
 * Timers of a CPU, ordered in a pairing heap whose links are in the timers: no
 * operation needs memory, so none can fail. See timer.c.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include "lib/spinlock.h"
#include "lib/types.h"

enum timer_state {
	TIMER_IDLE = 0,
	TIMER_QUEUED,  /* in the heap */
	TIMER_EXPIRED, /* taken out by timer_run_expired(), about to be called */
};

struct timer {
	u64 expires;           /* [T] ns of now_ns(); [T] is the lock of heap `cpu` */
	void (*fn)(void *data); /* [I] */
	void *data;            /* [I] */
	struct timer *child;   /* [T] leftmost child */
	struct timer *next;    /* [T] next sibling, or next that expired */
	struct timer *prev;    /* [T] left sibling, or the parent of a leftmost child */
	u32 cpu;               /* [T] of the old heap; read without a lock, then checked under it */
	u8 state;              /* [T] enum timer_state */
};

struct timer_heap {
	spinlock_t lock;        /* RANK_TIMER */
	struct timer *root;     /* [T] earliest deadline, or NULL */
	struct timer *expired;  /* [T] list being worked off, by time of expiry */
	struct timer *running;  /* [T] whose function is being called */
	u64 programmed;         /* [T] deadline timer_reprogram() was last told of, ~0 none */
	u32 cpu;                /* [I] */
	bool busy;              /* [T] timer_run_expired() is at work and will reprogram */
};

void timer_heap_init(struct timer_heap *h, u32 cpu);

/* An idle timer which will call fn(data) on CPU `cpu`, with no lock held. */
void timer_init(struct timer *t, void (*fn)(void *), void *data, u32 cpu);
/* Starts it, or moves its deadline. A deadline that is past fires at once, but never from within this call. */
void timer_set(struct timer *t, u64 expires_ns);
/*
 * It won't start to run after this, until set again. Its function may still be
 * running on another CPU, or be the caller.
 */
void timer_stop(struct timer *t);
/* timer_stop(), and waits for its function on another CPU. Not from the function itself. No locks held. */
void timer_kill(struct timer *t);
/* Moves it to another CPU, running or not: the deadline stays. */
void timer_migrate(struct timer *t, u32 cpu);
bool timer_is_set(const struct timer *t);

/*
 * Calls all timers of this CPU's heap with a deadline <= now_ns, in order of their deadlines. What
 * the functions set anew waits for the next call, however early. Ends with
 * exactly one timer_reprogram().
 */
void timer_run_expired(struct timer_heap *h, u64 now);
/* ns of the earliest deadline, ~0ULL for none. */
u64 timer_next_deadline(struct timer_heap *h);

/* --- To be supplied by time.c ------------------------------------------------ */

struct timer_heap *timer_heap_of(u32 cpu);
/*
 * The earliest deadline of `cpu` changed: program its clock from
 * timer_next_deadline(), or make it do so. Called without timer locks held.
 */
void timer_reprogram(u32 cpu);

#endif
