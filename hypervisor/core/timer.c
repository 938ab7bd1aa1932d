// SPDX-License-Identifier: MIT
/*
 * Timers.
 *
 * Each CPU has a pairing heap of timers, ordered by deadline. The links are in
 * the timers, so setting one can't fail for want of memory; setting is O(1), and
 * taking out the earliest is O(log n) over a run of operations, which a guest
 * that sets and stops timers can't spoil.
 *
 *  1. A timer with state TIMER_QUEUED is in the heap of its `cpu`; with
 *     TIMER_EXPIRED it is on the `expired` list of that heap; else nowhere.
 *  2. No child is earlier than its parent. `prev` of a leftmost child is its
 *     parent, of another child its left sibling, of the root NULL.
 *  3. Functions are called without the lock, by the CPU of the heap. They may
 *     set or stop any timer, also their own.
 *  4. timer_run_expired() first moves what is due to the `expired` list and
 *     only works that off: a guest whose timer sets itself into the past can't
 *     keep a CPU in the loop.
 *  5. `cpu` changes only under the old heap's lock while the timer is in no
 *     heap, so a timer's heap is known for sure after its lock was taken and
 *     `cpu` looked at again.
 *
 * Lock: the heap's (RANK_TIMER). timer_reprogram() is called after it is dropped,
 * only when the earliest deadline is another than the one it was last told of,
 * and not by what runs inside timer_run_expired(), which does it once at its end.
 */
#include "core/timer.h"
#include "core/seam.h"

#define NO_DEADLINE (~0ULL)

void timer_heap_init(struct timer_heap *h, u32 cpu)
{
	*h = (struct timer_heap){ .cpu = cpu, .programmed = NO_DEADLINE };
	spin_lock_init(&h->lock, RANK_TIMER, "timer");
}

void timer_init(struct timer *t, void (*fn)(void *), void *data, u32 cpu)
{
	*t = (struct timer){ .fn = fn, .data = data, .cpu = cpu };
}

/* --- The pairing heap ------------------------------------------------------- */

/* Joins two heaps; either may be NULL. The later root becomes the leftmost child of the other. */
static struct timer *meld(struct timer *a, struct timer *b)
{
	struct timer *parent, *kid;

	if (!a || !b)
		return a ? a : b;
	/* Of two equal deadlines the one that was there first (a) stays above. */
	parent = b->expires < a->expires ? b : a;
	kid = parent == a ? b : a;
	kid->next = parent->child;
	kid->prev = parent;
	if (parent->child)
		parent->child->prev = kid;
	parent->child = kid;
	parent->next = parent->prev = NULL;
	return parent;
}

/* One heap out of a list of siblings: pairs from the left, then all pairs from the right. */
static struct timer *meld_siblings(struct timer *first)
{
	struct timer *pairs = NULL; /* latest pair first, linked by next */
	struct timer *root = NULL;

	while (first) {
		struct timer *a = first;
		struct timer *b = a->next;

		first = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct timer *a = pairs;

		pairs = a->next;
		a->next = NULL;
		root = meld(a, root);
	}
	return root;
}

static void heap_insert(struct timer_heap *h, struct timer *t)
{
	t->child = t->next = t->prev = NULL;
	h->root = meld(h->root, t);
	t->state = TIMER_QUEUED;
}

static void heap_remove(struct timer_heap *h, struct timer *t)
{
	struct timer *kids = meld_siblings(t->child);

	if (h->root == t) {
		h->root = kids;
	} else {
		if (t->prev->child == t)
			t->prev->child = t->next;
		else
			t->prev->next = t->next;
		if (t->next)
			t->next->prev = t->prev;
		h->root = meld(h->root, kids);
	}
	t->child = t->next = t->prev = NULL;
	t->state = TIMER_IDLE;
}

/* --- Under the lock ----------------------------------------------------------- */

static struct timer_heap *lock_heap_of(const struct timer *t)
{
	for (;;) {
		u32 cpu = READ_ONCE(t->cpu);
		struct timer_heap *h = timer_heap_of(cpu);

		spin_lock(&h->lock);
		if (READ_ONCE(t->cpu) == cpu)
			return h;
		spin_unlock(&h->lock);
	}
}

static void dequeue(struct timer_heap *h, struct timer *t)
{
	if (t->state == TIMER_QUEUED) {
		heap_remove(h, t);
	} else if (t->state == TIMER_EXPIRED) {
		if (t->prev)
			t->prev->next = t->next;
		else
			h->expired = t->next;
		if (t->next)
			t->next->prev = t->prev;
		t->next = t->prev = NULL;
		t->state = TIMER_IDLE;
	}
}

/* Unlocks, and tells the CPU's clock if its earliest deadline changed. */
static void unlock_heap(struct timer_heap *h)
{
	u64 deadline = h->root ? h->root->expires : NO_DEADLINE;
	bool tell = !h->busy && deadline != h->programmed;
	u32 cpu = h->cpu;

	if (tell)
		h->programmed = deadline;
	spin_unlock(&h->lock);
	if (tell)
		timer_reprogram(cpu);
}

void timer_set(struct timer *t, u64 expires_ns)
{
	struct timer_heap *h = lock_heap_of(t);

	dequeue(h, t);
	t->expires = expires_ns;
	heap_insert(h, t);
	unlock_heap(h);
}

void timer_stop(struct timer *t)
{
	struct timer_heap *h;

	/* The common case of one that is idle: nobody else may be starting it, or the order would be open anyway. */
	if (READ_ONCE(t->state) == TIMER_IDLE)
		return;
	h = lock_heap_of(t);
	dequeue(h, t);
	unlock_heap(h);
}

void timer_kill(struct timer *t)
{
	struct timer_heap *h = lock_heap_of(t);

	for (;;) {
		dequeue(h, t); /* again after a wait: its function may have set it */
		if (h->running != t)
			break;
		spin_unlock(&h->lock);
		spin_wait();
		spin_lock(&h->lock);
	}
	unlock_heap(h);
}

void timer_migrate(struct timer *t, u32 cpu)
{
	struct timer_heap *h = lock_heap_of(t);
	bool queued = t->state != TIMER_IDLE;
	u64 expires = t->expires;

	if (h->cpu == cpu) {
		spin_unlock(&h->lock);
		return;
	}
	dequeue(h, t);
	WRITE_ONCE(t->cpu, cpu);
	unlock_heap(h);
	if (queued)
		timer_set(t, expires);
}

bool timer_is_set(const struct timer *t)
{
	return READ_ONCE(t->state) != TIMER_IDLE;
}

/* --- By the CPU of the heap ------------------------------------------------------ */

u64 timer_next_deadline(struct timer_heap *h)
{
	u64 deadline;

	spin_lock(&h->lock);
	deadline = h->root ? h->root->expires : NO_DEADLINE;
	h->programmed = deadline;
	spin_unlock(&h->lock);
	return deadline;
}

void timer_run_expired(struct timer_heap *h, u64 now)
{
	struct timer *last = NULL;
	struct timer *t;

	spin_lock(&h->lock);
	BUG_ON(h->busy);
	h->busy = true;
	while ((t = h->root) && t->expires <= now) {
		heap_remove(h, t);
		t->state = TIMER_EXPIRED;
		t->prev = last;
		if (last)
			last->next = t;
		else
			h->expired = t;
		last = t;
	}
	while ((t = h->expired)) {
		dequeue(h, t);
		h->running = t;
		spin_unlock(&h->lock);
		t->fn(t->data);
		spin_lock(&h->lock);
		h->running = NULL;
	}
	h->busy = false;
	h->programmed = h->root ? h->root->expires : NO_DEADLINE;
	spin_unlock(&h->lock);
	timer_reprogram(h->cpu);
}
