/* SPDX-License-Identifier: MIT */
/*
 * The guest side of event channels for host tests: hypercalls with their
 * arguments in the fake guest's memory, and the consumer of FIFO queues, written
 * from the ABI alone.
 */
#ifndef EVENT_GUEST_H
#define EVENT_GUEST_H

#include <string.h>
#include "fake_machine.h"

#define ARG FAKE_GUEST_BASE

static inline long evtchn_op(struct vcpu *v, u32 cmd, void *arg, size_t bytes)
{
	long rc;

	memcpy(fake_guest(ARG), arg, bytes);
	rc = do_event_channel_op(v, cmd, ARG);
	memcpy(arg, fake_guest(ARG), bytes);
	assert_int_equal(fake_locks_held(), 0);
	return rc;
}

/* Port or -errno. */
static inline long guest_alloc_unbound(struct vcpu *v, domid_t dom, domid_t remote)
{
	struct evtchn_alloc_unbound a = { .dom = dom, .remote_dom = remote };
	long rc = evtchn_op(v, EVTCHNOP_alloc_unbound, &a, sizeof(a));

	return rc ? rc : a.port;
}

static inline long guest_bind_interdomain(struct vcpu *v, domid_t remote, u32 port)
{
	struct evtchn_bind_interdomain a = { .remote_dom = remote, .remote_port = port };
	long rc = evtchn_op(v, EVTCHNOP_bind_interdomain, &a, sizeof(a));

	return rc ? rc : a.local_port;
}

static inline long guest_bind_virq(struct vcpu *v, u32 virq, u32 vcpu)
{
	struct evtchn_bind_virq a = { .virq = virq, .vcpu = vcpu };
	long rc = evtchn_op(v, EVTCHNOP_bind_virq, &a, sizeof(a));

	return rc ? rc : a.port;
}

static inline long guest_bind_pirq(struct vcpu *v, u32 pirq, u32 flags)
{
	struct evtchn_bind_pirq a = { .pirq = pirq, .flags = flags };
	long rc = evtchn_op(v, EVTCHNOP_bind_pirq, &a, sizeof(a));

	return rc ? rc : a.port;
}

static inline long guest_bind_ipi(struct vcpu *v, u32 vcpu)
{
	struct evtchn_bind_ipi a = { .vcpu = vcpu };
	long rc = evtchn_op(v, EVTCHNOP_bind_ipi, &a, sizeof(a));

	return rc ? rc : a.port;
}

static inline long guest_close(struct vcpu *v, u32 port)
{
	return evtchn_op(v, EVTCHNOP_close, &(struct evtchn_close){ port }, sizeof(struct evtchn_close));
}

static inline long guest_send(struct vcpu *v, u32 port)
{
	return evtchn_op(v, EVTCHNOP_send, &(struct evtchn_send){ port }, sizeof(struct evtchn_send));
}

static inline long guest_unmask(struct vcpu *v, u32 port)
{
	return evtchn_op(v, EVTCHNOP_unmask, &(struct evtchn_unmask){ port }, sizeof(struct evtchn_unmask));
}

static inline long guest_bind_vcpu(struct vcpu *v, u32 port, u32 vcpu)
{
	return evtchn_op(v, EVTCHNOP_bind_vcpu, &(struct evtchn_bind_vcpu){ port, vcpu },
			 sizeof(struct evtchn_bind_vcpu));
}

static inline long guest_set_priority(struct vcpu *v, u32 port, u32 priority)
{
	return evtchn_op(v, EVTCHNOP_set_priority, &(struct evtchn_set_priority){ port, priority },
			 sizeof(struct evtchn_set_priority));
}

static inline long guest_reset(struct vcpu *v, domid_t dom)
{
	return evtchn_op(v, EVTCHNOP_reset, &(struct evtchn_reset){ dom }, sizeof(struct evtchn_reset));
}

/* rc; *s filled in. */
static inline long guest_status(struct vcpu *v, domid_t dom, u32 port, struct evtchn_status *s)
{
	*s = (struct evtchn_status){ .dom = dom, .port = port };
	return evtchn_op(v, EVTCHNOP_status, s, sizeof(*s));
}

/* --- FIFO ------------------------------------------------------------------------------- */

#define W_PENDING (1u << EVTCHN_FIFO_PENDING)
#define W_MASKED (1u << EVTCHN_FIFO_MASKED)
#define W_LINKED (1u << EVTCHN_FIFO_LINKED)
#define W_BUSY (1u << EVTCHN_FIFO_BUSY)
#define W_LINK ((u32)EVTCHN_FIFO_LINK_MASK)

/* What a FIFO guest keeps of one domain. */
struct fifo_guest {
	struct domain *d;
	event_word_t *page[EVTCHN_FIFO_NR_CHANNELS / 1024];
	u32 nr_pages;
	struct {
		struct evtchn_fifo_control_block *control;
		u32 head[EVTCHN_FIFO_MAX_QUEUES]; /* where it stopped in each queue, 0: look at the control block */
	} vcpu[8];
};

static inline event_word_t *guest_word(struct fifo_guest *g, u32 port)
{
	assert_true(port / 1024 < g->nr_pages);
	return &g->page[port / 1024][port % 1024];
}

static inline long guest_init_control(struct fifo_guest *g, u32 vcpu, mfn_t mfn, u32 offset)
{
	struct evtchn_init_control a = { .control_gfn = mfn.m, .offset = offset, .vcpu = vcpu };
	long rc = evtchn_op(g->d->vcpus[0], EVTCHNOP_init_control, &a, sizeof(a));

	if (!rc) {
		assert_int_equal(a.link_bits, 17);
		g->vcpu[vcpu].control = (void *)((u8 *)fake_frame(mfn) + offset);
		memset(g->vcpu[vcpu].head, 0, sizeof(g->vcpu[vcpu].head));
	}
	return rc;
}

/* A page of event words, all masked or none. */
static inline long guest_expand_array(struct fifo_guest *g, bool masked)
{
	mfn_t mfn = fake_give_frame(g->d);
	event_word_t *words = fake_frame(mfn);
	struct evtchn_expand_array a = { mfn.m };
	long rc;

	for (u32 i = 0; i < 1024; i++)
		words[i] = masked ? W_MASKED : 0;
	rc = evtchn_op(g->d->vcpus[0], EVTCHNOP_expand_array, &a, sizeof(a));
	if (!rc)
		g->page[g->nr_pages++] = words;
	return rc;
}

/*
 * Takes the next event off queue `q` of `vcpu`, as a guest does: port, or 0 when
 * the queue is at its end. *last: nothing comes after it now.
 */
static inline u32 guest_take(struct fifo_guest *g, u32 vcpu, u32 q, bool *last)
{
	u32 port = g->vcpu[vcpu].head[q];
	event_word_t *w;
	u32 old;

	if (!port)
		port = __atomic_load_n(&g->vcpu[vcpu].control->head[q], __ATOMIC_SEQ_CST);
	w = guest_word(g, port);
	old = __atomic_load_n(w, __ATOMIC_SEQ_CST);
	while (!__atomic_compare_exchange_n(w, &old, old & ~(W_LINKED | W_LINK), false, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST))
		;
	g->vcpu[vcpu].head[q] = old & W_LINK;
	*last = !(old & W_LINK);
	return old & W_LINKED ? port : 0;
}

/*
 * One upcall of `vcpu`: takes all events, most urgent queue first, and gives each
 * that is pending and not masked to `handle`. Returns how many.
 */
static inline u32 guest_upcall(struct fifo_guest *g, u32 vcpu, void (*handle)(struct fifo_guest *, u32, u32))
{
	struct vcpu_info *info = g->d->vcpus[vcpu]->vcpu_info;
	u32 ready, n = 0;

	__atomic_store_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
	ready = __atomic_exchange_n(&g->vcpu[vcpu].control->ready, 0, __ATOMIC_SEQ_CST);
	while (ready) {
		u32 q = __builtin_ctz(ready);
		bool last;
		u32 port = guest_take(g, vcpu, q, &last);

		if (last)
			ready &= ~(1u << q);
		if (port && (*guest_word(g, port) & (W_PENDING | W_MASKED)) == W_PENDING) {
			__atomic_fetch_and(guest_word(g, port), ~W_PENDING, __ATOMIC_SEQ_CST);
			n++;
			if (handle)
				handle(g, vcpu, port);
		}
		ready |= __atomic_exchange_n(&g->vcpu[vcpu].control->ready, 0, __ATOMIC_SEQ_CST);
	}
	return n;
}

#endif
