// SPDX-License-Identifier: MIT
/*
 * Event channels against a model.
 *
 * The model is the ABI said again in the plainest way: arrays, lists, no bits, no
 * sharing, no locks. Three domains, in either form and changing between them, do random
 * things to each other; every call's result must be the model's, and after every step
 * all that the guests can see must be as the model says:
 *
 *   - every port's state and peer, both ways round;
 *   - pending and mask bits, selectors, upcall flags, number of kicks, pollers;
 *   - each FIFO queue, walked through the guest's pages from where the guest stopped,
 *     port by port; no linked port outside a queue, none in two;
 *   - no event lost: what is pending and not masked can be reached by a vcpu whose upcall
 *     is pending or under way (or waits for a page or a control block).
 *
 * MODEL_OPS in the environment sets the number of operations for each seed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "event_guest.h"

#define NDOM 3
#define NVCPU 3
#define LIMIT 40 /* highest port, so that tables fill up and ports are used again */
#define NPORT 48 /* ports asked about */
#define NQ (NVCPU * EVTCHN_FIFO_MAX_QUEUES)
#define BIRTHS_MAX 300

struct mport {
	u32 state;
	u32 peer_dom, peer_port; /* interdomain; peer_dom also unbound */
	u32 number;              /* virq, pirq */
	u32 notify, priority;
	bool pending;            /* also: saved without a word */
	bool linked;
};

struct mdom {
	struct domain *d;
	struct fifo_guest g;
	bool fifo, array, used_once;
	bool control[NVCPU];
	bool missed[NVCPU];
	struct mport port[NPORT];
	bool mask_2l[NPORT], mask_fifo[NPORT];
	bool sel[NVCPU], upcall[NVCPU];
	u32 ready[NVCPU];        /* FIFO: bits the guest took and has not worked off */
	bool in_upcall[NVCPU];
	bool control_ready[NQ];
	u32 queue[NQ][NPORT], len[NQ];
	bool polling[NVCPU];
	u32 poll_port[NVCPU];
};

static struct mdom dom[NDOM];
static u32 kicks;
static u32 births;

static u64 rng;

static u32 rnd(u32 n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 11) % n;
}

/* --- The model -------------------------------------------------------------------------- */

static void m_upcall(struct mdom *m, u32 vcpu)
{
	kicks += !m->upcall[vcpu];
	m->upcall[vcpu] = true;
}

static void m_wake(struct mdom *m, u32 p)
{
	for (u32 i = 0; i < NVCPU; i++) {
		if (m->polling[i] && (m->poll_port[i] == p || m->poll_port[i] == ~0u)) {
			m->polling[i] = false;
			kicks++;
		}
	}
}

static void m_tell_2l(struct mdom *m, u32 p)
{
	u32 vcpu = m->port[p].notify;

	if (!m->sel[vcpu])
		m_upcall(m, vcpu);
	m->sel[vcpu] = true;
}

static void m_link(struct mdom *m, u32 p)
{
	struct mport *mp = &m->port[p];
	u32 q = mp->notify * EVTCHN_FIFO_MAX_QUEUES + mp->priority;

	if (!m->control[mp->notify]) {
		m->missed[mp->notify] = true;
		return;
	}
	mp->linked = true;
	m->queue[q][m->len[q]++] = p;
	if (m->len[q] == 1) {
		if (!m->control_ready[q])
			m_upcall(m, mp->notify);
		m->control_ready[q] = true;
	}
}

static void m_raise(struct mdom *m, u32 p)
{
	struct mport *mp = &m->port[p];
	bool was = mp->pending;

	mp->pending = true;
	if (!m->fifo) {
		if (was)
			return;
		if (!m->mask_2l[p])
			m_tell_2l(m, p);
	} else if (m->array && !m->mask_fifo[p] && !mp->linked) {
		m_link(m, p);
	}
	if (!was || (m->fifo && !m->array))
		m_wake(m, p);
}

static void m_unmask(struct mdom *m, u32 p)
{
	struct mport *mp = &m->port[p];

	if (!m->fifo) {
		if (m->mask_2l[p] && mp->pending)
			m_tell_2l(m, p);
		m->mask_2l[p] = false;
	} else if (m->array) {
		m->mask_fifo[p] = false;
		if (mp->pending && !mp->linked)
			m_link(m, p);
	}
}

/* Lowest free port, or -ENOSPC. */
static long m_take(struct mdom *m, u32 state, u32 notify)
{
	for (u32 p = 1; p <= LIMIT; p++) {
		struct mport *mp = &m->port[p];

		if (mp->state)
			continue;
		mp->state = state;
		mp->notify = notify;
		mp->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
		m->used_once = true;
		return p;
	}
	return -ENOSPC;
}

static void m_close(struct mdom *m, u32 p)
{
	struct mport *mp = &m->port[p];

	if (mp->state == EVTCHNSTAT_interdomain) {
		struct mport *peer = &dom[mp->peer_dom].port[mp->peer_port];

		peer->state = EVTCHNSTAT_unbound;
		peer->peer_dom = m - dom;
	}
	mp->state = EVTCHNSTAT_closed;
	mp->pending = false;
	mp->notify = 0;
	mp->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
}

static bool m_virq_taken(const struct mdom *m, u32 virq, u32 vcpu, bool global)
{
	for (u32 p = 1; p < NPORT; p++) {
		const struct mport *mp = &m->port[p];

		if (mp->state == EVTCHNSTAT_virq && mp->number == virq && (global || mp->notify == vcpu))
			return true;
	}
	return false;
}

static bool is_global(u32 virq)
{
	return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

/* --- What all must look like ----------------------------------------------------------------- */

/* Chains in the guest's pages are the model's lists; every linked port is in one. */
static void check_queues(struct mdom *m)
{
	u32 linked = 0, queued = 0;

	for (u32 p = 1; p < NPORT; p++)
		linked += !!(*guest_word(&m->g, p) & W_LINKED);
	for (u32 q = 0; q < NQ; q++) {
		u32 vcpu = q / EVTCHN_FIFO_MAX_QUEUES, prio = q % EVTCHN_FIFO_MAX_QUEUES;
		u32 p;

		if (!m->control[vcpu]) {
			assert_int_equal(m->len[q], 0);
			continue;
		}
		assert_int_equal(m->g.vcpu[vcpu].control->ready >> prio & 1, m->control_ready[q]);
		if (!m->len[q])
			continue;
		assert_true(m->control_ready[q] || m->ready[vcpu] >> prio & 1);
		p = m->g.vcpu[vcpu].head[prio] ? m->g.vcpu[vcpu].head[prio] : m->g.vcpu[vcpu].control->head[prio];
		for (u32 i = 0; i < m->len[q]; i++) {
			assert_int_equal(p, m->queue[q][i]);
			p = *guest_word(&m->g, p) & W_LINK;
		}
		assert_int_equal(p, 0);
		queued += m->len[q];
	}
	assert_int_equal(linked, queued);
}

static void check_port(struct mdom *m, u32 p)
{
	struct mport *mp = &m->port[p];
	bool masked = m->fifo ? m->array && m->mask_fifo[p] : m->mask_2l[p];

	if (m->used_once)
		assert_int_equal(evtchn_port_pending(m->d, p), mp->pending);
	if (!m->fifo) {
		bool reachable = false;

		assert_int_equal(bit_test(m->d->shared_info->evtchn_pending, p), mp->pending);
		assert_int_equal(bit_test(m->d->shared_info->evtchn_mask, p), m->mask_2l[p]);
		for (u32 i = 0; i < NVCPU; i++)
			reachable |= m->sel[i] && m->upcall[i];
		assert_true(!mp->pending || masked || reachable);
	} else if (m->array) {
		u32 w = *guest_word(&m->g, p);

		assert_int_equal(!!(w & W_PENDING), mp->pending);
		assert_int_equal(!!(w & W_MASKED), m->mask_fifo[p]);
		assert_int_equal(!!(w & W_LINKED), mp->linked);
		assert_int_equal(w & W_BUSY, 0);
		/* Linked ones are reachable by check_queues(). */
		assert_true(!mp->pending || masked || mp->linked || !m->control[mp->notify]);
	}
	if (mp->state == EVTCHNSTAT_interdomain) {
		struct mport *peer = &dom[mp->peer_dom].port[mp->peer_port];

		assert_int_equal(peer->state, EVTCHNSTAT_interdomain);
		assert_int_equal(peer->peer_port, p);
		assert_ptr_equal(&dom[peer->peer_dom], m);
	}
}

static void check(struct mdom *m)
{
	for (u32 p = 1; p < NPORT; p++)
		check_port(m, p);
	for (u32 i = 0; i < NVCPU; i++) {
		struct vcpu *v = m->d->vcpus[i];

		assert_int_equal(v->vcpu_info->evtchn_upcall_pending, m->upcall[i]);
		assert_int_equal(v->vcpu_info->evtchn_pending_sel & 1, m->sel[i]);
		assert_int_equal(v->polling, m->polling[i]);
		if (m->fifo && m->control[i] && m->g.vcpu[i].control->ready)
			assert_true(m->upcall[i] || m->in_upcall[i]);
	}
	if (m->fifo && m->array)
		check_queues(m);
	assert_int_equal(fake.kicks, kicks);
}

static void check_status(struct mdom *m, u32 p)
{
	struct mport *mp = &m->port[p];
	struct evtchn_status s;
	long rc = guest_status(dom[0].d->vcpus[0], m->d->domain_id, p, &s);

	assert_int_equal(rc, m->used_once ? 0 : -EINVAL);
	if (rc)
		return;
	assert_int_equal(s.status, mp->state);
	switch (s.status) {
	case EVTCHNSTAT_closed:
		return;
	case EVTCHNSTAT_unbound:
		assert_int_equal(s.u.unbound.dom, dom[mp->peer_dom].d->domain_id);
		break;
	case EVTCHNSTAT_interdomain:
		assert_int_equal(s.u.interdomain.dom, dom[mp->peer_dom].d->domain_id);
		assert_int_equal(s.u.interdomain.port, mp->peer_port);
		break;
	case EVTCHNSTAT_pirq:
	case EVTCHNSTAT_virq:
		assert_int_equal(s.u.virq, mp->number);
	}
	assert_int_equal(s.vcpu, mp->notify);
}

/* --- Random steps --------------------------------------------------------------------------------- */

static void birth(u32 i)
{
	dom[i] = (struct mdom){ .d = fake_domain(i * 5, NVCPU, i == 0) };
	dom[i].d->events.max_port = LIMIT;
	dom[i].g.d = dom[i].d;
	for (u32 p = 0; p < NPORT; p++)
		dom[i].port[p].priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
}

static void step_alloc(struct mdom *m, struct vcpu *v)
{
	u32 remote = rnd(NDOM);
	struct mdom *owner = m == dom && !rnd(3) ? &dom[rnd(NDOM)] : m;
	long want = m_take(owner, EVTCHNSTAT_unbound, 0);

	if (want > 0)
		owner->port[want].peer_dom = remote;
	assert_int_equal(guest_alloc_unbound(v, owner->d->domain_id, dom[remote].d->domain_id), want);
}

static void step_bind_interdomain(struct mdom *m, struct vcpu *v)
{
	struct mdom *r = &dom[rnd(NDOM)];
	u32 rp = rnd(NPORT);
	long want = -EINVAL;

	/* Half of the time a port that can be bound, if there is one. */
	for (u32 i = 0; i < NPORT && rnd(2); i++)
		if (r->port[i].state == EVTCHNSTAT_unbound && &dom[r->port[i].peer_dom] == m)
			rp = i;
	if (r->port[rp].state == EVTCHNSTAT_unbound && &dom[r->port[rp].peer_dom] == m)
		want = m_take(m, EVTCHNSTAT_interdomain, 0);
	if (want > 0) {
		m->port[want].peer_dom = r - dom;
		m->port[want].peer_port = rp;
		r->port[rp].state = EVTCHNSTAT_interdomain;
		r->port[rp].peer_dom = m - dom;
		r->port[rp].peer_port = want;
		m_raise(m, want);
	}
	assert_int_equal(guest_bind_interdomain(v, r->d->domain_id, rp), want);
}

static void step_bind_virq(struct mdom *m, struct vcpu *v)
{
	static const u32 some[] = { VIRQ_TIMER, VIRQ_DEBUG, VIRQ_DOM_EXC, VIRQ_CONSOLE, NR_VIRQS };
	u32 virq = some[rnd(5)], vcpu = rnd(NVCPU + 1);
	long want;

	if (virq == NR_VIRQS || (is_global(virq) && vcpu))
		want = -EINVAL;
	else if (vcpu == NVCPU)
		want = -ENOENT;
	else if (m_virq_taken(m, virq, vcpu, is_global(virq)))
		want = -EEXIST;
	else
		want = m_take(m, EVTCHNSTAT_virq, vcpu);
	if (want > 0)
		m->port[want].number = virq;
	assert_int_equal(guest_bind_virq(v, virq, vcpu), want);
}

static void step_bind_other(struct mdom *m, struct vcpu *v)
{
	long want;

	if (rnd(2)) {
		u32 vcpu = rnd(NVCPU + 1);

		want = vcpu == NVCPU ? -ENOENT : m_take(m, EVTCHNSTAT_ipi, vcpu);
		assert_int_equal(guest_bind_ipi(v, vcpu), want);
	} else {
		u32 pirq = rnd(64);

		fake.pirq_rc = rnd(4) ? 0 : -EBUSY;
		want = m_take(m, EVTCHNSTAT_pirq, 0);
		if (want > 0)
			m->port[want].number = pirq;
		if (want > 0 && fake.pirq_rc) {
			m_close(m, want);
			want = fake.pirq_rc;
		}
		assert_int_equal(guest_bind_pirq(v, pirq, 0), want);
	}
}

static void step_close(struct mdom *m, struct vcpu *v)
{
	u32 p = rnd(NPORT);
	long want = m->port[p].state ? 0 : -EINVAL;

	if (!want)
		m_close(m, p);
	assert_int_equal(guest_close(v, p), want);
}

static void step_send(struct mdom *m, struct vcpu *v)
{
	u32 p = rnd(NPORT);
	struct mport *mp = &m->port[p];
	long want = -EINVAL;

	switch (mp->state) {
	case EVTCHNSTAT_unbound:
		want = 0;
		break;
	case EVTCHNSTAT_interdomain:
		want = 0;
		m_raise(&dom[mp->peer_dom], mp->peer_port);
		break;
	case EVTCHNSTAT_ipi:
		want = 0;
		m_raise(m, p);
	}
	assert_int_equal(guest_send(v, p), want);
}

static void step_interrupt(struct mdom *m)
{
	u32 p = rnd(NPORT);
	struct mport *mp = &m->port[p];

	if (mp->state == EVTCHNSTAT_pirq || mp->state == EVTCHNSTAT_virq)
		m_raise(m, p);
	if (mp->state != EVTCHNSTAT_virq)
		evtchn_raise_port(m->d, p); /* of others than pirqs: ignored */
	else if (is_global(mp->number))
		send_global_virq(m->d, mp->number);
	else
		send_guest_virq(m->d->vcpus[mp->notify], mp->number);
}

static void step_bind_vcpu(struct mdom *m, struct vcpu *v)
{
	u32 p = rnd(NPORT), vcpu = rnd(NVCPU + 1);
	struct mport *mp = &m->port[p];
	long want = 0;

	if (vcpu == NVCPU)
		want = -ENOENT;
	else if (!mp->state || mp->state == EVTCHNSTAT_ipi || (mp->state == EVTCHNSTAT_virq && !is_global(mp->number)))
		want = -EINVAL;
	if (!want && mp->notify != vcpu) {
		mp->notify = vcpu;
		if (mp->pending)
			m_raise(m, p);
	}
	assert_int_equal(guest_bind_vcpu(v, p, vcpu), want);
}

static void step_priority(struct mdom *m, struct vcpu *v)
{
	u32 p = rnd(NPORT), prio = rnd(17);
	long want = !m->port[p].state ? -EINVAL : !m->fifo ? -ENOSYS : prio > 15 ? -EINVAL : 0;

	if (!want)
		m->port[p].priority = prio;
	assert_int_equal(guest_set_priority(v, p, prio), want);
}

static void step_mask(struct mdom *m, struct vcpu *v)
{
	u32 p = 1 + rnd(NPORT - 1);

	if (rnd(2)) {
		if (m->used_once)
			m_unmask(m, p);
		assert_int_equal(guest_unmask(v, p), m->used_once ? 0 : -EINVAL);
	} else if (!m->fifo) {
		m->mask_2l[p] = true;
		bit_set_atomic(m->d->shared_info->evtchn_mask, p);
	} else if (m->array) {
		m->mask_fifo[p] = true;
		*guest_word(&m->g, p) |= W_MASKED;
	}
}

/* 2-level guest: one whole upcall. */
static void step_upcall_2l(struct mdom *m, u32 vcpu)
{
	struct vcpu_info *info = m->d->vcpus[vcpu]->vcpu_info;

	info->evtchn_upcall_pending = 0;
	m->upcall[vcpu] = false;
	if (!m->sel[vcpu])
		return;
	info->evtchn_pending_sel = 0;
	m->sel[vcpu] = false;
	for (u32 p = 1; p < NPORT; p++) {
		if (m->port[p].pending && !m->mask_2l[p]) {
			m->port[p].pending = false;
			bit_clear_atomic(m->d->shared_info->evtchn_pending, p);
		}
	}
}

static void take_ready(struct mdom *m, u32 vcpu)
{
	m->ready[vcpu] |= __atomic_exchange_n(&m->g.vcpu[vcpu].control->ready, 0, __ATOMIC_SEQ_CST);
	for (u32 q = 0; q < EVTCHN_FIFO_MAX_QUEUES; q++)
		m->control_ready[vcpu * EVTCHN_FIFO_MAX_QUEUES + q] = false;
}

/* FIFO guest: begins an upcall, or goes on by one event. */
static void step_upcall_fifo(struct mdom *m, u32 vcpu)
{
	u32 prio, q, p;
	bool last;

	if (!m->control[vcpu] || !m->array)
		return;
	if (!m->in_upcall[vcpu]) {
		m->d->vcpus[vcpu]->vcpu_info->evtchn_upcall_pending = 0;
		m->upcall[vcpu] = false;
		m->in_upcall[vcpu] = true;
		take_ready(m, vcpu);
	}
	if (!m->ready[vcpu]) {
		m->in_upcall[vcpu] = false;
		return;
	}
	prio = __builtin_ctz(m->ready[vcpu]);
	q = vcpu * EVTCHN_FIFO_MAX_QUEUES + prio;
	p = guest_take(&m->g, vcpu, prio, &last);
	assert_true(m->len[q] > 0);
	assert_int_equal(p, m->queue[q][0]);
	memmove(&m->queue[q][0], &m->queue[q][1], --m->len[q] * sizeof(m->queue[q][0]));
	assert_int_equal(last, m->len[q] == 0);
	m->port[p].linked = false;
	if (last)
		m->ready[vcpu] &= ~(1u << prio);
	if (m->port[p].pending && !m->mask_fifo[p]) {
		m->port[p].pending = false;
		__atomic_fetch_and(guest_word(&m->g, p), ~W_PENDING, __ATOMIC_SEQ_CST);
	}
	take_ready(m, vcpu);
}

static void step_poll(struct mdom *m)
{
	u32 vcpu = rnd(NVCPU);

	if (m->polling[vcpu]) {
		m->polling[vcpu] = false;
		events_poll_end(m->d->vcpus[vcpu]);
	} else {
		m->polling[vcpu] = true;
		m->poll_port[vcpu] = rnd(4) ? rnd(NPORT) : ~0u;
		events_poll_begin(m->d->vcpus[vcpu], m->poll_port[vcpu]);
	}
}

static void step_init_control(struct mdom *m)
{
	u32 vcpu = rnd(NVCPU);
	bool had = m->control[vcpu];
	mfn_t mfn = fake_give_frame(m->d);

	assert_int_equal(guest_init_control(&m->g, vcpu, mfn, rnd(500) * 8), had ? -EINVAL : 0);
	release_owned_page(mfn, m->d); /* whoever holds it, holds it by its own reference */
	if (had)
		return;
	m->control[vcpu] = true;
	if (!m->fifo) {
		m->fifo = true;
		for (u32 p = 1; p < NPORT; p++) {
			if (m->port[p].pending)
				m_wake(m, p);
		}
	}
	if (!m->missed[vcpu])
		return;
	m->missed[vcpu] = false;
	for (u32 p = 1; p < NPORT && m->array; p++) {
		struct mport *mp = &m->port[p];

		if (mp->state && mp->notify == vcpu && mp->pending && !m->mask_fifo[p] && !mp->linked)
			m_link(m, p);
	}
}

static void step_expand(struct mdom *m)
{
	if (m->array)
		return;
	if (!m->fifo) {
		struct evtchn_expand_array a = { 1 };

		assert_int_equal(evtchn_op(m->d->vcpus[0], EVTCHNOP_expand_array, &a, sizeof(a)), -EOPNOTSUPP);
		return;
	}
	m->array = true;
	memset(m->mask_fifo, 0, sizeof(m->mask_fifo));
	for (u32 p = 1; p < NPORT; p++) {
		if (m->port[p].pending) {
			m->port[p].pending = false;
			m_raise(m, p);
		}
	}
	assert_int_equal(guest_expand_array(&m->g, false), 0);
}

static void m_forget_fifo(struct mdom *m)
{
	m->fifo = m->array = false;
	memset(m->control, 0, sizeof(m->control));
	memset(m->control_ready, 0, sizeof(m->control_ready));
	memset(m->ready, 0, sizeof(m->ready));
	memset(m->in_upcall, 0, sizeof(m->in_upcall));
	memset(m->len, 0, sizeof(m->len));
	for (u32 p = 0; p < NPORT; p++)
		m->port[p].linked = false;
	m->g = (struct fifo_guest){ .d = m->d };
}

static void step_reset(struct mdom *m)
{
	long rc;

	for (u32 p = 1; p < NPORT; p++)
		if (m->port[p].state)
			m_close(m, p);
	for (u32 i = 0; i < NVCPU && m->fifo; i++) {
		m->sel[i] = true;
		m_upcall(m, i);
	}
	m_forget_fifo(m);
	while ((rc = guest_reset(m->d->vcpus[0], DOMID_SELF)) == -ERESTART)
		;
	assert_int_equal(rc, 0);
	assert_int_equal(evtchn_next_used(m->d, 1), EVTCHN_MAX_PORTS);
}

static void step_death(u32 i)
{
	struct mdom *m = &dom[i];

	if (births == BIRTHS_MAX)
		return;
	births++;
	for (u32 p = 1; p < NPORT; p++)
		if (m->port[p].state)
			m_close(m, p);
	while (events_destroy(m->d))
		;
	fake_domain_forget(m->d);
	birth(i);
}

static void step(void)
{
	u32 i = rnd(NDOM), what = rnd(1000);
	struct mdom *m = &dom[i];
	struct vcpu *v = m->d->vcpus[rnd(NVCPU)];

	if (what < 300)
		step_send(m, v);
	else if (what < 600)
		m->fifo ? step_upcall_fifo(m, rnd(NVCPU)) : step_upcall_2l(m, rnd(NVCPU));
	else if (what < 680)
		step_interrupt(m);
	else if (what < 760)
		step_mask(m, v);
	else if (what < 800)
		step_alloc(m, v);
	else if (what < 850)
		step_bind_interdomain(m, v);
	else if (what < 865)
		step_bind_virq(m, v);
	else if (what < 880)
		step_bind_other(m, v);
	else if (what < 920)
		step_close(m, v);
	else if (what < 940)
		step_bind_vcpu(m, v);
	else if (what < 955)
		step_priority(m, v);
	else if (what < 970)
		step_poll(m);
	else if (what < 985)
		check_status(m, rnd(NPORT));
	else if (what < 988)
		step_init_control(m);
	else if (what < 994)
		step_expand(m);
	else if (what == 994 && !rnd(4))
		step_reset(m);
	else if (what == 995 && !rnd(8))
		step_death(i);
}

static void run(u64 seed)
{
	const char *env = getenv("MODEL_OPS");
	u64 ops = env ? strtoull(env, NULL, 10) : 700000;

	fake_reset();
	rng = seed;
	kicks = births = 0;
	for (u32 i = 0; i < NDOM; i++)
		birth(i);
	for (u64 n = 0; n < ops; n++) {
		step();
		/* A step reaches two domains at most; all are looked at in turn as well. */
		for (u32 i = 0; i < NDOM; i++)
			check(&dom[i]);
	}
	for (u32 i = 0; i < NDOM; i++) {
		assert_int_equal(events_destroy(dom[i].d), 0);
		fake_domain_forget(dom[i].d);
		assert_int_equal(dom[i].d->refcount, 1);
	}
	assert_int_equal(fake.guest_frames_held, 0);
	assert_int_equal(fake.allocs_live, 0);
}

static void seed_1_agrees_with_the_model(void **state) { (void)state; run(0x9e3779b97f4a7c15); }
static void seed_2_agrees_with_the_model(void **state) { (void)state; run(0xd1b54a32d192ed03); }
static void seed_3_agrees_with_the_model(void **state) { (void)state; run(0x8cb92ba72f3d8dd7); }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seed_1_agrees_with_the_model),
		cmocka_unit_test(seed_2_agrees_with_the_model),
		cmocka_unit_test(seed_3_agrees_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
