// SPDX-License-Identifier: MIT
/*
 * Events in FIFO form: 131,072 ports, 16 priorities for each vcpu.
 *
 * Every port has an event word in pages that the guest gives one after the other
 * (expand_array); every vcpu has a control block (init_control) with a ready bit
 * and a head for each of its 16 queues. A queue is a chain through the LINK
 * fields of the event words. We append, the guest takes from the front, and
 * both do so at the same moment:
 *
 *        control block          event words
 *      ready: 0...1000 (7)     [PENDING LINKED 12] --> [PENDING LINKED 0]
 *      head[7] = 5 ------------> port 5                port 12 = our `tail`
 *
 *  1. A port is in a queue iff its LINKED bit is set. Only we set it, only the
 *     guest clears it (together with LINK, in one compare-exchange).
 *  2. We remember the last port of each queue, `tail`. If its LINKED is still set
 *     the chain has not been eaten up and the new port goes into its LINK, by
 *     compare-exchange against the guest. If not, the queue is empty for the
 *     guest: the port goes into head, and the ready bit is set after that.
 *  3. A port is the tail of one queue at most: before it is linked anew it stops
 *     being the tail of the queue it was last on, `last_queue`. Hence both queues'
 *     locks are needed when the port has been moved to another vcpu or priority.
 *  4. The guest changes mask bits of the tail's word too. If our compare-exchange
 *     keeps losing, we set BUSY, and the guest waits with unmasking.
 *  5. A raise that finds no event word is remembered in `saved` and made good by
 *     expand_array; one that finds no control block is found again because
 *     PENDING is set while `missed` tells init_control to look.
 *  6. All of it is the guest's memory. Whatever it writes there, we touch only
 *     words of ports below 131,072 in pages that we hold references for; it can
 *     only lose events of its own.
 *
 * Locks: each queue's (RANK_FIFO) guards its tail, and the last_queue of ports
 * that are being linked there. Pages and control blocks are published under [E] and found
 * without a lock; teardown unhooks them, waits for readers, then gives them back.
 */
#include "core/domain.h"
#include "core/event_channel.h"
#include "core/seam.h"

#define WORD_PENDING (1u << EVTCHN_FIFO_PENDING)
#define WORD_MASKED (1u << EVTCHN_FIFO_MASKED)
#define WORD_LINKED (1u << EVTCHN_FIFO_LINKED)
#define WORD_BUSY (1u << EVTCHN_FIFO_BUSY)
#define WORD_LINK ((u32)EVTCHN_FIFO_LINK_MASK)

#define WORDS_PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define MAX_PAGES (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)

/* Compare-exchanges that may fail before we set BUSY, and before we take the guest for hostile. */
#define TRIES_POLITE 4
#define TRIES_ALL 64

struct evtchn_fifo {
	event_word_t *page[MAX_PAGES];    /* [E] to write; read without a lock */
	event_word_t *retired[MAX_PAGES]; /* [E] while tearing_down */
	u32 nr_pages;                     /* [E] */
	bool tearing_down;                /* [E] */
};

struct fifo_queue {
	spinlock_t lock; /* RANK_FIFO */
	u32 tail;        /* port linked last, 0 for none */
};

struct vcpu_fifo {
	struct evtchn_fifo_control_block *control; /* [E] to write; read without a lock */
	struct evtchn_fifo_control_block *retired; /* [E] while tearing_down */
	struct fifo_queue queue[EVTCHN_FIFO_MAX_QUEUES];
};

static inline event_word_t *word_of(const struct domain *d, u32 port)
{
	event_word_t *page = __atomic_load_n(&d->events.fifo->page[port / WORDS_PER_PAGE], __ATOMIC_SEQ_CST);

	return likely(page) ? page + port % WORDS_PER_PAGE : NULL;
}

static struct fifo_queue *queue_of(const struct domain *d, u32 id)
{
	struct vcpu *v = d->vcpus[id / EVTCHN_FIFO_MAX_QUEUES];

	return v && v->events.fifo ? &v->events.fifo->queue[id % EVTCHN_FIFO_MAX_QUEUES] : NULL;
}

/* Appends `port` to the word of a queue's last port. False: that one was taken out already. */
static bool link_after(struct domain *d, event_word_t *tail, u32 port)
{
	u32 old = READ_ONCE(*tail);

	for (u32 tries = 0; old & WORD_LINKED; tries++) {
		u32 new = (old & ~(WORD_BUSY | WORD_LINK)) | port;

		if (__atomic_compare_exchange_n(tail, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return true;
		if (tries == TRIES_POLITE)
			old = __atomic_or_fetch(tail, WORD_BUSY, __ATOMIC_SEQ_CST);
		if (tries == TRIES_ALL) {
			guest_log(d, LOG_WARNING, "event port %u: its FIFO queue never stands still; starting it anew",
				  port);
			break;
		}
	}
	if (old & WORD_BUSY)
		__atomic_fetch_and(tail, ~WORD_BUSY, __ATOMIC_SEQ_CST);
	return false;
}

static void unlock_queues(struct fifo_queue *q, struct fifo_queue *old)
{
	if (likely(old == q) || !old)
		spin_unlock(&q->lock);
	else
		spin_unlock_two(&q->lock, &old->lock);
}

/*
 * Locks the queue the port goes to and the one it was last on, nearly always the
 * same; returns the latter (NULL if its vcpu has none).
 */
static struct fifo_queue *lock_queues(struct domain *d, struct evtchn *chn, struct fifo_queue *q)
{
	for (;;) {
		u32 last = READ_ONCE(chn->last_queue);
		struct fifo_queue *old = queue_of(d, last);

		if (likely(old == q) || !old)
			spin_lock(&q->lock);
		else
			spin_lock_two(&q->lock, &old->lock);
		if (likely(READ_ONCE(chn->last_queue) == last))
			return old;
		unlock_queues(q, old);
	}
}

/* Puts a pending port on its queue, unless someone else did; tells the vcpu if the queue was empty. */
static void link_event(struct domain *d, struct evtchn *chn, u32 port, event_word_t *word)
{
	u32 vcpu_id = READ_ONCE(chn->notify_vcpu);
	u32 priority = READ_ONCE(chn->priority);
	struct vcpu *v = d->vcpus[vcpu_id];
	struct evtchn_fifo_control_block *control;
	struct fifo_queue *q, *old;
	bool linked = false;

	if (unlikely(!v))
		return;
	control = v->events.fifo ? __atomic_load_n(&v->events.fifo->control, __ATOMIC_SEQ_CST) : NULL;
	if (unlikely(!control)) {
		__atomic_store_n(&v->events.missed, true, __ATOMIC_SEQ_CST);
		if (!v->events.fifo)
			return;
		control = __atomic_load_n(&v->events.fifo->control, __ATOMIC_SEQ_CST);
		if (!control)
			return;
	}

	q = &v->events.fifo->queue[priority];
	old = lock_queues(d, chn, q);
	if (__atomic_fetch_or(word, WORD_LINKED, __ATOMIC_SEQ_CST) & WORD_LINKED)
		goto out;
	if (old && old->tail == port)
		old->tail = 0; /* all of that queue was taken */
	WRITE_ONCE(chn->last_queue, vcpu_id * EVTCHN_FIFO_MAX_QUEUES + priority);
	if (q->tail) {
		event_word_t *tail = word_of(d, q->tail);

		linked = tail && link_after(d, tail, port);
	}
	if (!linked)
		__atomic_store_n(&control->head[priority], port, __ATOMIC_RELEASE);
	q->tail = port;
	if (!linked && !(__atomic_fetch_or(&control->ready, 1u << priority, __ATOMIC_SEQ_CST) & 1u << priority))
		vcpu_mark_events(v);
out:
	unlock_queues(q, old);
}

static int raise_fifo(struct domain *d, struct evtchn *chn, u32 port)
{
	event_word_t *word = word_of(d, port);
	u32 old;

	if (unlikely(!word)) {
		__atomic_store_n(&chn->saved, 1, __ATOMIC_SEQ_CST);
		word = word_of(d, port);
		/* Either expand_array sees `saved`, or we see its page. */
		if (!word || !__atomic_exchange_n(&chn->saved, 0, __ATOMIC_SEQ_CST)) {
			evtchn_wake_pollers(d, port);
			return 0;
		}
	}
	old = __atomic_fetch_or(word, WORD_PENDING, __ATOMIC_SEQ_CST);
	/*
	 * Also when it was pending: the guest may be about to clear PENDING of an
	 * event it took out, or may have set it itself.
	 */
	if (!(old & (WORD_MASKED | WORD_LINKED)))
		link_event(d, chn, port, word);
	if (!(old & WORD_PENDING))
		evtchn_wake_pollers(d, port);
	return 0;
}

static void unmask_fifo(struct domain *d, struct evtchn *chn, u32 port)
{
	event_word_t *word = word_of(d, port);
	u32 old;

	if (!word)
		return;
	old = __atomic_fetch_and(word, ~WORD_MASKED, __ATOMIC_SEQ_CST);
	if ((old & WORD_PENDING) && !(old & WORD_LINKED))
		link_event(d, chn, port, word);
}

static void clear_fifo(struct domain *d, struct evtchn *chn, u32 port)
{
	event_word_t *word = word_of(d, port);

	__atomic_store_n(&chn->saved, 0, __ATOMIC_SEQ_CST);
	if (word)
		__atomic_fetch_and(word, ~WORD_PENDING, __ATOMIC_SEQ_CST);
}

static bool pending_fifo(struct domain *d, const struct evtchn *chn, u32 port)
{
	event_word_t *word = word_of(d, port);

	return word ? READ_ONCE(*word) & WORD_PENDING : READ_ONCE(chn->saved);
}

static int set_priority_fifo(struct evtchn *chn, u32 priority)
{
	if (priority > EVTCHN_FIFO_PRIORITY_MIN)
		return -EINVAL;
	WRITE_ONCE(chn->priority, priority); /* an event already linked stays where it is */
	return 0;
}

const struct evtchn_abi evtchn_abi_fifo = {
	.max_ports = EVTCHN_FIFO_NR_CHANNELS,
	.raise = raise_fifo,
	.unmask = unmask_fifo,
	.clear = clear_fifo,
	.pending = pending_fifo,
	.set_priority = set_priority_fifo,
};

/* --- The guest's pages --------------------------------------------------------------- */

/* Memory for the FIFO form of `d` and `v`, once. 0 or -ENOMEM. [E] */
static int provide(struct domain *d, struct vcpu *v)
{
	if (!d->events.fifo) {
		struct evtchn_fifo *fifo = hv_alloc(sizeof(*fifo));

		if (!fifo)
			return -ENOMEM;
		__atomic_store_n(&d->events.fifo, fifo, __ATOMIC_RELEASE);
	}
	if (!v->events.fifo) {
		struct vcpu_fifo *vf = hv_alloc(sizeof(*vf));

		if (!vf)
			return -ENOMEM;
		for (u32 i = 0; i < EVTCHN_FIFO_MAX_QUEUES; i++)
			spin_lock_init(&vf->queue[i].lock, RANK_FIFO, "fifo queue");
		__atomic_store_n(&v->events.fifo, vf, __ATOMIC_SEQ_CST);
	}
	return 0;
}

/* From 2-level: what is pending there becomes pending here. [E] */
static void convert(struct domain *d)
{
	__atomic_store_n(&d->events.abi, &evtchn_abi_fifo, __ATOMIC_SEQ_CST);
	for (u32 port = evtchn_next_used(d, 1); port < EVTCHN_2L_NR_CHANNELS;
	     port = evtchn_next_used(d, port + 1)) {
		if (bit_test_and_clear(d->shared_info->evtchn_pending, port))
			(void)raise_fifo(d, evtchn_of(d, port), port);
	}
}

/* Links the events of `v` that came while it had no control block. [E] */
static void link_missed(struct domain *d, struct vcpu *v)
{
	for (u32 port = evtchn_next_used(d, 1); port < EVTCHN_FIFO_NR_CHANNELS;
	     port = evtchn_next_used(d, port + 1)) {
		struct evtchn *chn = evtchn_of(d, port);
		event_word_t *word = word_of(d, port);

		if (chn->notify_vcpu == v->vcpu_id && word &&
		    (READ_ONCE(*word) & (WORD_PENDING | WORD_MASKED | WORD_LINKED)) == WORD_PENDING)
			link_event(d, chn, port, word);
	}
}

/*
 * EVTCHNOP_init_control: the vcpu's control block; the first of a domain turns
 * it to FIFO. -ENOENT no such vcpu; -EINVAL misplaced, not a frame that the
 * guest may write, or the vcpu has one; -ENOMEM; -EBUSY during a reset.
 */
int evtchn_fifo_init_control(struct domain *d, struct evtchn_init_control *arg)
{
	struct vcpu *v = domain_vcpu(d, arg->vcpu);
	u8 *page;
	int rc;

	if (!v)
		return -ENOENT;
	if (arg->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || arg->offset % 8)
		return -EINVAL;
	page = get_guest_frame(d, GFN(arg->control_gfn), true);
	if (!page)
		return -EINVAL;

	spin_lock(&d->events.lock);
	rc = d->events.dying ? -EINVAL : provide(d, v);
	if (!rc && d->events.fifo->tearing_down)
		rc = -EBUSY;
	if (!rc && v->events.fifo->control)
		rc = -EINVAL;
	if (!rc) {
		__atomic_store_n(&v->events.fifo->control,
				 (struct evtchn_fifo_control_block *)(void *)(page + arg->offset), __ATOMIC_SEQ_CST);
		if (d->events.abi != &evtchn_abi_fifo)
			convert(d);
		if (__atomic_exchange_n(&v->events.missed, false, __ATOMIC_SEQ_CST))
			link_missed(d, v);
	}
	spin_unlock(&d->events.lock);
	if (rc)
		put_guest_frame(d, page, true);
	arg->link_bits = EVTCHN_FIFO_LINK_BITS;
	return rc;
}

/*
 * EVTCHNOP_expand_array: event words of the next 1024 ports. -EOPNOTSUPP before
 * init_control; -ENOSPC all 128 pages are there; -EINVAL no such writable frame;
 * -EBUSY during a reset.
 */
int evtchn_fifo_expand_array(struct domain *d, u64 gfn)
{
	struct evtchn_fifo *fifo;
	u32 first, port;
	void *page;
	int rc = 0;

	if (READ_ONCE(d->events.abi) != &evtchn_abi_fifo)
		return -EOPNOTSUPP;
	page = get_guest_frame(d, GFN(gfn), true);
	if (!page)
		return -EINVAL;

	spin_lock(&d->events.lock);
	fifo = d->events.fifo;
	if (d->events.dying || d->events.abi != &evtchn_abi_fifo)
		rc = -EOPNOTSUPP;
	else if (fifo->tearing_down)
		rc = -EBUSY;
	else if (fifo->nr_pages == MAX_PAGES)
		rc = -ENOSPC;
	if (rc)
		goto out;
	first = fifo->nr_pages * WORDS_PER_PAGE;
	__atomic_store_n(&fifo->page[fifo->nr_pages++], page, __ATOMIC_SEQ_CST);
	for (port = evtchn_next_used(d, max(first, 1u)); port < first + WORDS_PER_PAGE;
	     port = evtchn_next_used(d, port + 1)) {
		struct evtchn *chn = evtchn_of(d, port);

		if (__atomic_exchange_n(&chn->saved, 0, __ATOMIC_SEQ_CST))
			(void)raise_fifo(d, chn, port);
	}
out:
	spin_unlock(&d->events.lock);
	if (rc)
		put_guest_frame(d, page, true);
	return rc;
}

/* Unhooks everything that is the guest's, so that no new reader finds it. False: nothing to do. */
static bool retire(struct domain *d)
{
	struct evtchn_fifo *fifo = d->events.fifo;
	bool begun = false;

	spin_lock(&d->events.lock);
	if (fifo && d->events.abi == &evtchn_abi_fifo && !fifo->tearing_down) {
		fifo->tearing_down = begun = true;
		__atomic_store_n(&d->events.abi, &evtchn_abi_2l, __ATOMIC_SEQ_CST);
		for (u32 i = 0; i < fifo->nr_pages; i++)
			fifo->retired[i] = __atomic_exchange_n(&fifo->page[i], NULL, __ATOMIC_SEQ_CST);
		for (u32 i = 0; i < d->max_vcpus; i++) {
			struct vcpu_fifo *vf = d->vcpus[i] ? d->vcpus[i]->events.fifo : NULL;

			if (vf)
				vf->retired = __atomic_exchange_n(&vf->control, NULL, __ATOMIC_SEQ_CST);
		}
	}
	spin_unlock(&d->events.lock);
	return begun;
}

bool evtchn_fifo_teardown(struct domain *d)
{
	struct evtchn_fifo *fifo = d->events.fifo;

	if (!retire(d))
		return false;
	wait_for_readers();
	/* tearing_down keeps all others out, and no raiser has a queue any more. */
	for (u32 i = 0; i < fifo->nr_pages; i++) {
		put_guest_frame(d, fifo->retired[i], true);
		fifo->retired[i] = NULL;
	}
	for (u32 i = 0; i < d->max_vcpus; i++) {
		struct vcpu_fifo *vf = d->vcpus[i] ? d->vcpus[i]->events.fifo : NULL;

		if (!vf)
			continue;
		if (vf->retired)
			put_guest_frame(d, (void *)((uintptr_t)vf->retired & PAGE_MASK), true);
		vf->retired = NULL;
		for (u32 q = 0; q < EVTCHN_FIFO_MAX_QUEUES; q++)
			vf->queue[q].tail = 0;
	}
	spin_lock(&d->events.lock);
	fifo->nr_pages = 0;
	fifo->tearing_down = false;
	spin_unlock(&d->events.lock);
	return true;
}

void evtchn_fifo_free(struct domain *d)
{
	for (u32 i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = d->vcpus[i];

		if (v) {
			hv_free(v->events.fifo);
			v->events.fifo = NULL;
		}
	}
	hv_free(d->events.fifo);
	d->events.fifo = NULL;
}
