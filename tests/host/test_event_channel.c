// SPDX-License-Identifier: MIT
/* Event channels: the rules of hypercall 32, and the 2-level form. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>
#include "event_guest.h"

static struct domain *a, *b; /* a is dom0 */
static struct vcpu *av, *bv;

static int fresh(void **state)
{
	(void)state;
	fake_reset();
	a = fake_domain(0, 2, true);
	b = fake_domain(5, 4, false);
	av = a->vcpus[0];
	bv = b->vcpus[0];
	return 0;
}

/* All closed, nothing held, nothing leaked. */
static int done(void **state)
{
	(void)state;
	for (u32 i = 0; i < 2; i++) {
		struct domain *d = i ? b : a;

		assert_int_equal(events_destroy(d), 0);
		assert_int_equal(evtchn_next_used(d, 1), EVTCHN_MAX_PORTS);
		fake_domain_forget(d);
		assert_int_equal(d->refcount, 1);
	}
	assert_int_equal(fake.allocs_live, 0);
	assert_int_equal(fake.guest_frames_held, 0);
	return 0;
}

static bool pending(const struct domain *d, u32 port) { return bit_test(d->shared_info->evtchn_pending, port); }
static void mask(const struct domain *d, u32 port) { bit_set(d->shared_info->evtchn_mask, port); }

static u32 state_of(const struct domain *d, u32 port)
{
	struct evtchn_status s;
	long rc = guest_status(av, d->domain_id, port, &s);

	return rc ? ~0u : s.status;
}

static void connect(u32 *pa, u32 *pb)
{
	*pb = guest_alloc_unbound(bv, DOMID_SELF, 0);
	*pa = guest_bind_interdomain(av, b->domain_id, *pb);
}

static void ports_are_given_from_the_lowest_and_never_0(void **state)
{
	(void)state;
	for (long p = 1; p < 300; p++)
		assert_int_equal(guest_alloc_unbound(bv, DOMID_SELF, 0), p);
	assert_int_equal(guest_close(bv, 257), 0);
	assert_int_equal(guest_close(bv, 17), 0);
	assert_int_equal(guest_alloc_unbound(bv, DOMID_SELF, 0), 17);
	assert_int_equal(guest_alloc_unbound(bv, DOMID_SELF, 0), 257);
	assert_int_equal(guest_alloc_unbound(bv, DOMID_SELF, 0), 300);
}

static void a_2_level_domain_has_4095_ports(void **state)
{
	(void)state;
	for (long p = 1; p < 4096; p++)
		assert_int_equal(guest_alloc_unbound(bv, DOMID_SELF, 0), p);
	assert_int_equal(guest_alloc_unbound(bv, DOMID_SELF, 0), -ENOSPC);
	assert_int_equal(guest_close(bv, 4095), 0);
	assert_int_equal(guest_bind_ipi(bv, 1), 4095);
}

static void the_domains_own_limit_holds(void **state)
{
	(void)state;
	b->events.max_port = 3;
	for (u32 p = 1; p <= 3; p++)
		assert_int_equal(guest_bind_ipi(bv, 0), p);
	assert_int_equal(guest_bind_ipi(bv, 0), -ENOSPC);
}

static void interdomain_sends_arrive_both_ways(void **state)
{
	u32 pa, pb;

	(void)state;
	connect(&pa, &pb);
	assert_true(pending(a, pa)); /* the binder looks once */
	assert_int_equal(fake.kicks, 1);
	assert_int_equal(guest_send(av, pa), 0);
	assert_true(pending(b, pb));
	assert_int_equal(bv->vcpu_info->evtchn_upcall_pending, 1);
	assert_int_equal(bv->vcpu_info->evtchn_pending_sel, 1);
	assert_ptr_equal(fake.last_kicked, bv);
	bit_clear(a->shared_info->evtchn_pending, pa);
	assert_int_equal(guest_send(bv, pb), 0);
	assert_true(pending(a, pa));
}

static void the_scheduler_hears_of_what_is_sent_while_others_wait(void **state)
{
	u32 pa, pb;

	(void)state;
	connect(&pa, &pb);
	assert_int_equal(guest_send(av, pa), 0);
	assert_int_equal(fake.sent_with_rivals, 0);
	av->has_rivals = true;
	mask(b, pb);
	assert_int_equal(guest_send(av, pa), 0);
	assert_int_equal(fake.sent_with_rivals, pa);
}

static void a_vcpu_is_kicked_once_until_it_takes_its_upcall(void **state)
{
	u32 p1 = guest_bind_ipi(bv, 0), p2 = guest_bind_ipi(bv, 0), p65;

	(void)state;
	for (u32 i = 0; i < 62; i++)
		guest_alloc_unbound(bv, DOMID_SELF, 0);
	p65 = guest_bind_ipi(bv, 0);
	assert_int_equal(p65, 65);
	guest_send(bv, p1);
	guest_send(bv, p1);
	guest_send(bv, p2);
	guest_send(bv, p65);
	assert_int_equal(fake.kicks, 1);
	assert_int_equal(bv->vcpu_info->evtchn_pending_sel, 3);
}

static void a_masked_port_becomes_pending_without_an_upcall(void **state)
{
	u32 p = guest_bind_ipi(bv, 2);

	(void)state;
	mask(b, p);
	assert_int_equal(guest_send(bv, p), 0);
	assert_true(pending(b, p));
	assert_int_equal(fake.kicks, 0);
	assert_int_equal(b->vcpus[2]->vcpu_info->evtchn_upcall_pending, 0);
	assert_int_equal(guest_unmask(bv, p), 0);
	assert_int_equal(fake.kicks, 1);
	assert_ptr_equal(fake.last_kicked, b->vcpus[2]);
	assert_int_equal(guest_unmask(bv, p), 0); /* it isn't masked: nothing to raise again */
	assert_int_equal(fake.kicks, 1);
}

static void unbound_sends_are_dropped_and_wrong_sends_refused(void **state)
{
	u32 u = guest_alloc_unbound(bv, DOMID_SELF, 0);
	u32 q = guest_bind_virq(bv, VIRQ_TIMER, 0);

	(void)state;
	assert_int_equal(guest_send(bv, u), 0);
	assert_int_equal(guest_send(bv, q), -EINVAL);
	assert_int_equal(guest_send(bv, 0), -EINVAL);
	assert_int_equal(guest_send(bv, 77), -EINVAL);
	assert_int_equal(guest_send(bv, 4096), -EINVAL);
	assert_int_equal(guest_send(bv, ~0u), -EINVAL);
	assert_int_equal(fake.kicks, 0);
}

static void only_the_domain_it_is_reserved_for_may_bind(void **state)
{
	struct domain *c = fake_domain(6, 1, false);
	u32 p = guest_alloc_unbound(bv, DOMID_SELF, 0);

	(void)state;
	assert_int_equal(guest_bind_interdomain(c->vcpus[0], 5, p), -EINVAL);
	assert_int_equal(guest_bind_interdomain(av, 5, p + 1), -EINVAL);
	assert_int_equal(guest_bind_interdomain(av, 5, ~0u), -EINVAL);
	assert_int_equal(guest_bind_interdomain(av, 99, p), -ESRCH);
	assert_int_equal(guest_bind_interdomain(av, 5, p), 1);
	assert_int_equal(guest_bind_interdomain(av, 5, p), -EINVAL); /* taken */
	assert_int_equal(events_destroy(c), 0);
	fake_domain_forget(c);
}

static void a_domain_can_connect_to_itself(void **state)
{
	u32 p = guest_alloc_unbound(bv, DOMID_SELF, DOMID_SELF);
	u32 q = guest_bind_interdomain(bv, DOMID_SELF, p);

	(void)state;
	assert_int_equal(guest_send(bv, q), 0);
	assert_true(pending(b, p));
	assert_int_equal(guest_close(bv, p), 0);
	assert_int_equal(state_of(b, q), EVTCHNSTAT_unbound);
}

static void a_closed_peer_leaves_a_port_reserved_for_it(void **state)
{
	struct evtchn_status s;
	u32 pa, pb;

	(void)state;
	connect(&pa, &pb);
	assert_int_equal(guest_close(av, pa), 0);
	assert_int_equal(guest_status(bv, DOMID_SELF, pb, &s), 0);
	assert_int_equal(s.status, EVTCHNSTAT_unbound);
	assert_int_equal(s.u.unbound.dom, 0);
	assert_int_equal(guest_send(bv, pb), 0);
	assert_int_equal(guest_bind_interdomain(av, 5, pb), pa);
	assert_int_equal(state_of(b, pb), EVTCHNSTAT_interdomain);
}

static void a_reused_port_starts_without_an_event(void **state)
{
	u32 p = guest_bind_ipi(bv, 0);

	(void)state;
	guest_send(bv, p);
	assert_int_equal(guest_close(bv, p), 0);
	assert_int_equal(guest_close(bv, p), -EINVAL);
	assert_int_equal(guest_bind_ipi(bv, 0), p);
	assert_false(pending(b, p));
}

static void closing_what_is_not_open_is_refused(void **state)
{
	(void)state;
	assert_int_equal(guest_close(bv, 0), -EINVAL);
	assert_int_equal(guest_close(bv, 1), -EINVAL);
	assert_int_equal(guest_close(bv, 131072), -EINVAL);
	guest_bind_ipi(bv, 0);
	assert_int_equal(guest_close(bv, 0), -EINVAL);
}

static void virqs_bind_once_and_to_whom_they_may(void **state)
{
	(void)state;
	assert_int_equal(guest_bind_virq(bv, VIRQ_TIMER, 0), 1);
	assert_int_equal(guest_bind_virq(bv, VIRQ_TIMER, 0), -EEXIST);
	assert_int_equal(guest_bind_virq(bv, VIRQ_TIMER, 3), 2);
	assert_int_equal(guest_bind_virq(bv, VIRQ_TIMER, 4), -ENOENT);
	assert_int_equal(guest_bind_virq(bv, VIRQ_DOM_EXC, 1), -EINVAL);
	assert_int_equal(guest_bind_virq(bv, VIRQ_DOM_EXC, 0), 3);
	assert_int_equal(guest_bind_virq(bv, NR_VIRQS, 0), -EINVAL);
	assert_int_equal(guest_bind_virq(bv, ~0u, 0), -EINVAL);
	send_guest_virq(b->vcpus[3], VIRQ_TIMER);
	assert_ptr_equal(fake.last_kicked, b->vcpus[3]);
	assert_true(pending(b, 2));
	assert_false(pending(b, 1));
	send_global_virq(b, VIRQ_DOM_EXC);
	assert_true(pending(b, 3));
	send_global_virq(b, VIRQ_CONSOLE); /* not bound */
	assert_int_equal(guest_close(bv, 2), 0);
	assert_int_equal(guest_close(bv, 3), 0);
	fake.kicks = 0;
	send_guest_virq(b->vcpus[3], VIRQ_TIMER);
	send_global_virq(b, VIRQ_DOM_EXC);
	assert_int_equal(fake.kicks, 0);
	assert_int_equal(guest_bind_virq(bv, VIRQ_TIMER, 3), 2);
}

static void pirqs_are_let_through_and_shut_again(void **state)
{
	u32 p;

	(void)state;
	p = guest_bind_pirq(av, 11, BIND_PIRQ__WILL_SHARE);
	assert_int_equal(fake.pirq_bound, 1);
	evtchn_raise_port(a, p);
	assert_true(pending(a, p));
	fake.pirq_rc = -EBUSY;
	assert_int_equal(guest_bind_pirq(av, 12, 0), -EBUSY);
	assert_int_equal(state_of(a, p + 1), EVTCHNSTAT_closed);
	assert_int_equal(guest_close(av, p), 0);
	assert_int_equal(fake.pirq_unbound, 1);
	evtchn_raise_port(a, p); /* late: nobody's now */
	assert_false(pending(a, p));
}

static void events_go_to_the_vcpu_they_were_bound_to(void **state)
{
	u32 pa, pb, ipi = guest_bind_ipi(bv, 1), timer = guest_bind_virq(bv, VIRQ_TIMER, 1);
	u32 exc = guest_bind_virq(bv, VIRQ_DOM_EXC, 0);

	(void)state;
	connect(&pa, &pb);
	assert_int_equal(guest_bind_vcpu(bv, pb, 3), 0);
	guest_send(av, pa);
	assert_ptr_equal(fake.last_kicked, b->vcpus[3]);
	assert_int_equal(guest_bind_vcpu(bv, exc, 2), 0);
	send_global_virq(b, VIRQ_DOM_EXC);
	assert_ptr_equal(fake.last_kicked, b->vcpus[2]);
	assert_int_equal(guest_bind_vcpu(bv, ipi, 2), -EINVAL);
	assert_int_equal(guest_bind_vcpu(bv, timer, 2), -EINVAL);
	assert_int_equal(guest_bind_vcpu(bv, pb, 4), -ENOENT);
	assert_int_equal(guest_bind_vcpu(bv, 200, 0), -EINVAL);
}

static void status_tells_what_each_port_is(void **state)
{
	struct evtchn_status s;
	u32 pa, pb, ipi, virq, pirq;

	(void)state;
	connect(&pa, &pb);
	ipi = guest_bind_ipi(av, 1);
	virq = guest_bind_virq(av, VIRQ_TIMER, 1);
	pirq = guest_bind_pirq(av, 9, 0);
	assert_int_equal(guest_status(av, DOMID_SELF, pa, &s), 0);
	assert_int_equal(s.status, EVTCHNSTAT_interdomain);
	assert_int_equal(s.u.interdomain.dom, 5);
	assert_int_equal(s.u.interdomain.port, pb);
	assert_int_equal(guest_status(av, DOMID_SELF, ipi, &s), 0);
	assert_int_equal(s.status, EVTCHNSTAT_ipi);
	assert_int_equal(s.vcpu, 1);
	assert_int_equal(guest_status(av, DOMID_SELF, virq, &s), 0);
	assert_int_equal(s.status, EVTCHNSTAT_virq);
	assert_int_equal(s.u.virq, VIRQ_TIMER);
	assert_int_equal(guest_status(av, DOMID_SELF, pirq, &s), 0);
	assert_int_equal(s.status, EVTCHNSTAT_pirq);
	assert_int_equal(s.u.pirq, 9);
	assert_int_equal(guest_status(av, DOMID_SELF, 0, &s), 0);
	assert_int_equal(s.status, EVTCHNSTAT_closed);
	assert_int_equal(guest_status(av, DOMID_SELF, 100000, &s), -EINVAL);
	assert_int_equal(guest_status(av, 5, pb, &s), 0);
	assert_int_equal(guest_status(bv, 0, pa, &s), -EPERM);
	assert_int_equal(guest_status(av, 42, 1, &s), -ESRCH);
}

static void only_a_toolstack_opens_ports_of_others(void **state)
{
	(void)state;
	assert_int_equal(guest_alloc_unbound(av, 5, DOMID_SELF), 1);
	assert_int_equal(state_of(b, 1), EVTCHNSTAT_unbound);
	assert_int_equal(guest_bind_interdomain(av, 5, 1), 1);
	assert_int_equal(guest_alloc_unbound(bv, 0, 5), -EPERM);
	assert_int_equal(guest_alloc_unbound(av, 33, 0), -ESRCH);
}

static void reset_closes_everything(void **state)
{
	u32 pa, pb;

	(void)state;
	connect(&pa, &pb);
	guest_bind_virq(bv, VIRQ_TIMER, 0);
	guest_bind_ipi(bv, 1);
	assert_int_equal(guest_reset(bv, 0), -EPERM);
	assert_int_equal(guest_reset(bv, DOMID_SELF), 0);
	assert_int_equal(evtchn_next_used(b, 1), EVTCHN_MAX_PORTS);
	assert_int_equal(bv->virq_port[VIRQ_TIMER], 0);
	assert_int_equal(state_of(a, pa), EVTCHNSTAT_unbound);
	assert_int_equal(guest_bind_virq(bv, VIRQ_TIMER, 0), 1);
}

static void a_long_reset_can_be_interrupted_and_goes_on(void **state)
{
	u32 rounds = 0;

	(void)state;
	for (u32 i = 0; i < 1000; i++)
		guest_alloc_unbound(bv, DOMID_SELF, 0);
	do {
		fake.preempt_after = 0;
		rounds++;
	} while (guest_reset(bv, DOMID_SELF) == -ERESTART);
	fake.preempt_after = -1;
	assert_true(rounds > 10);
	assert_int_equal(evtchn_next_used(b, 1), EVTCHN_MAX_PORTS);
}

static void a_dying_domain_gives_out_no_ports(void **state)
{
	u32 p = guest_alloc_unbound(bv, DOMID_SELF, 0);

	(void)state;
	assert_int_equal(events_destroy(b), 0);
	assert_int_equal(guest_alloc_unbound(av, 5, 0), -EINVAL);
	assert_int_equal(guest_bind_interdomain(av, 5, p), -EINVAL);
}

static void a_call_that_cannot_answer_opens_nothing(void **state)
{
	(void)state;
	*(struct evtchn_bind_ipi *)fake_guest(ARG) = (struct evtchn_bind_ipi){ .vcpu = 0 };
	fake_guest_readonly(ARG);
	assert_int_equal(do_event_channel_op(bv, EVTCHNOP_bind_ipi, ARG), -EFAULT);
	assert_int_equal(evtchn_next_used(b, 1), EVTCHN_MAX_PORTS);
	fake_guest_unmap(ARG);
	for (u32 cmd = 0; cmd < 14; cmd++)
		assert_int_equal(do_event_channel_op(bv, cmd, ARG), -EFAULT);
	assert_int_equal(do_event_channel_op(bv, 14, ARG), -ENOSYS);
	assert_int_equal(do_event_channel_op(bv, ~0u, ARG), -ENOSYS);
}

static void without_memory_nothing_is_opened(void **state)
{
	(void)state;
	for (s64 n = 0; n < 2; n++) {
		fake.alloc_fail_after = n;
		assert_int_equal(guest_bind_ipi(bv, 0), -ENOMEM);
		assert_int_equal(evtchn_next_used(b, 1), EVTCHN_MAX_PORTS);
	}
	fake.alloc_fail_after = -1;
	assert_int_equal(guest_bind_ipi(bv, 0), 1);
}

static void pollers_of_the_port_are_woken_even_if_it_is_masked(void **state)
{
	u32 p = guest_bind_ipi(bv, 0), other = guest_bind_ipi(bv, 0);

	(void)state;
	mask(b, p);
	mask(b, other);
	events_poll_begin(b->vcpus[2], p);
	events_poll_begin(b->vcpus[3], ~0u);
	events_poll_begin(b->vcpus[1], other);
	assert_false(evtchn_port_pending(b, p));
	guest_send(bv, p);
	assert_true(evtchn_port_pending(b, p));
	assert_int_equal(fake.kicks, 2);
	assert_false(b->vcpus[2]->polling);
	assert_false(b->vcpus[3]->polling);
	assert_true(b->vcpus[1]->polling);
	assert_int_equal(b->events.pollers, 1);
	events_poll_end(b->vcpus[1]);
	events_poll_end(b->vcpus[1]);
	assert_int_equal(b->events.pollers, 0);
	guest_send(bv, other);
	assert_int_equal(fake.kicks, 2);
	assert_false(evtchn_port_pending(b, 131072));
	assert_false(evtchn_port_pending(b, 1000));
}

static void a_vcpu_without_vcpu_info_loses_no_pending_bit(void **state)
{
	u32 p = guest_bind_ipi(bv, 1);

	(void)state;
	b->vcpus[1]->vcpu_info = NULL;
	assert_int_equal(guest_send(bv, p), 0);
	assert_true(pending(b, p));
	assert_int_equal(fake.kicks, 0);
}

static void fifo_calls_are_refused_in_2_level_form(void **state)
{
	struct evtchn_expand_array e = { 100 };

	(void)state;
	guest_bind_ipi(bv, 0);
	assert_int_equal(evtchn_op(bv, EVTCHNOP_expand_array, &e, sizeof(e)), -EOPNOTSUPP);
	assert_int_equal(guest_set_priority(bv, 1, 3), -ENOSYS);
	assert_int_equal(guest_set_priority(bv, 2, 3), -EINVAL); /* closed */
	assert_int_equal(guest_set_priority(bv, 1000, 3), -EINVAL);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ports_are_given_from_the_lowest_and_never_0),
		TEST(a_2_level_domain_has_4095_ports),
		TEST(the_domains_own_limit_holds),
		TEST(interdomain_sends_arrive_both_ways),
		TEST(the_scheduler_hears_of_what_is_sent_while_others_wait),
		TEST(a_vcpu_is_kicked_once_until_it_takes_its_upcall),
		TEST(a_masked_port_becomes_pending_without_an_upcall),
		TEST(unbound_sends_are_dropped_and_wrong_sends_refused),
		TEST(only_the_domain_it_is_reserved_for_may_bind),
		TEST(a_domain_can_connect_to_itself),
		TEST(a_closed_peer_leaves_a_port_reserved_for_it),
		TEST(a_reused_port_starts_without_an_event),
		TEST(closing_what_is_not_open_is_refused),
		TEST(virqs_bind_once_and_to_whom_they_may),
		TEST(pirqs_are_let_through_and_shut_again),
		TEST(events_go_to_the_vcpu_they_were_bound_to),
		TEST(status_tells_what_each_port_is),
		TEST(only_a_toolstack_opens_ports_of_others),
		TEST(reset_closes_everything),
		TEST(a_long_reset_can_be_interrupted_and_goes_on),
		TEST(a_dying_domain_gives_out_no_ports),
		TEST(a_call_that_cannot_answer_opens_nothing),
		TEST(without_memory_nothing_is_opened),
		TEST(pollers_of_the_port_are_woken_even_if_it_is_masked),
		TEST(a_vcpu_without_vcpu_info_loses_no_pending_bit),
		TEST(fifo_calls_are_refused_in_2_level_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
