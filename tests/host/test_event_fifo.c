// SPDX-License-Identifier: MIT
/* The FIFO form of event channels, with a guest that consumes as the ABI says, and with hostile ones. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <pthread.h>
#include <stdlib.h>
#include <cmocka.h>
#include "event_guest.h"

static struct domain *d;
static struct vcpu *v;
static struct fifo_guest g;
static u32 taken[64];
static u32 nr_taken;

static void note(struct fifo_guest *fg, u32 vcpu, u32 port)
{
	(void)fg, (void)vcpu;
	if (nr_taken < ARRAY_SIZE(taken))
		taken[nr_taken] = port;
	nr_taken++;
}

static int fresh(void **state)
{
	(void)state;
	fake_reset();
	d = fake_domain(5, 4, false);
	v = d->vcpus[0];
	g = (struct fifo_guest){ .d = d };
	nr_taken = 0;
	return 0;
}

static int done(void **state)
{
	(void)state;
	assert_int_equal(events_destroy(d), 0);
	assert_int_equal(fake.guest_frames_held, 0);
	fake_domain_forget(d);
	assert_int_equal(fake.allocs_live, 0);
	return 0;
}

static void go_fifo(void)
{
	for (u32 i = 0; i < 4; i++)
		assert_int_equal(guest_init_control(&g, i, fake_give_frame(d), i * 72), 0);
	assert_int_equal(guest_expand_array(&g, false), 0);
}

static void events_come_in_the_order_they_were_sent(void **state)
{
	u32 p[5];

	(void)state;
	go_fifo();
	for (u32 i = 0; i < 5; i++)
		p[i] = guest_bind_ipi(v, 0);
	for (u32 i = 0; i < 5; i++)
		guest_send(v, p[(i * 3 + 1) % 5]);
	assert_int_equal(fake.kicks, 1);
	assert_int_equal(guest_upcall(&g, 0, note), 5);
	for (u32 i = 0; i < 5; i++)
		assert_int_equal(taken[i], p[(i * 3 + 1) % 5]);
	assert_int_equal(guest_upcall(&g, 0, note), 0);
	guest_send(v, p[2]);
	assert_int_equal(fake.kicks, 2);
	assert_int_equal(guest_upcall(&g, 0, note), 1);
}

static void urgent_queues_come_first(void **state)
{
	u32 slow = guest_bind_ipi(v, 0), normal = guest_bind_ipi(v, 0), timer = guest_bind_virq(v, VIRQ_TIMER, 0);

	(void)state;
	go_fifo();
	assert_int_equal(guest_set_priority(v, timer, 0), 0);
	assert_int_equal(guest_set_priority(v, slow, 15), 0);
	assert_int_equal(guest_set_priority(v, slow, 16), -EINVAL);
	guest_send(v, slow);
	guest_send(v, normal);
	send_guest_virq(v, VIRQ_TIMER);
	assert_int_equal(guest_upcall(&g, 0, note), 3);
	assert_int_equal(taken[0], timer);
	assert_int_equal(taken[1], normal);
	assert_int_equal(taken[2], slow);
}

static void repeated_sends_are_one_event(void **state)
{
	u32 p = guest_bind_ipi(v, 1);

	(void)state;
	go_fifo();
	for (u32 i = 0; i < 10; i++)
		guest_send(v, p);
	assert_int_equal(guest_upcall(&g, 1, note), 1);
}

static void a_masked_port_is_linked_when_it_is_unmasked(void **state)
{
	u32 p = guest_bind_ipi(v, 0);

	(void)state;
	go_fifo();
	*guest_word(&g, p) = W_MASKED;
	guest_send(v, p);
	assert_int_equal(fake.kicks, 0);
	assert_int_equal(*guest_word(&g, p), W_MASKED | W_PENDING);
	assert_int_equal(guest_unmask(v, p), 0);
	assert_int_equal(fake.kicks, 1);
	assert_int_equal(guest_upcall(&g, 0, note), 1);
	assert_int_equal(guest_unmask(v, p), 0);
	assert_int_equal(guest_upcall(&g, 0, note), 0);
}

static void an_event_that_the_guest_set_pending_itself_is_linked_by_the_next_send(void **state)
{
	u32 p = guest_bind_ipi(v, 0);

	(void)state;
	go_fifo();
	*guest_word(&g, p) = W_PENDING;
	guest_send(v, p);
	assert_int_equal(guest_upcall(&g, 0, note), 1);
}

static void events_before_the_change_of_form_are_carried_over(void **state)
{
	u32 p = guest_bind_ipi(v, 0), q = guest_bind_ipi(v, 0);

	(void)state;
	guest_send(v, q);
	go_fifo();
	assert_int_equal(guest_upcall(&g, 0, note), 1);
	assert_int_equal(taken[0], q);
	assert_false(evtchn_port_pending(d, p));
	assert_false(bit_test(d->shared_info->evtchn_pending, q));
}

static void events_without_a_word_wait_for_their_page(void **state)
{
	u32 p = guest_bind_ipi(v, 0);

	(void)state;
	assert_int_equal(guest_init_control(&g, 0, fake_give_frame(d), 0), 0);
	assert_int_equal(guest_send(v, p), 0);
	assert_true(evtchn_port_pending(d, p));
	assert_int_equal(fake.kicks, 0);
	assert_int_equal(guest_expand_array(&g, false), 0);
	assert_int_equal(guest_upcall(&g, 0, note), 1);
}

static void events_without_a_control_block_wait_for_it(void **state)
{
	u32 p = guest_bind_ipi(v, 2);

	(void)state;
	assert_int_equal(guest_init_control(&g, 0, fake_give_frame(d), 0), 0);
	assert_int_equal(guest_expand_array(&g, false), 0);
	assert_int_equal(guest_send(v, p), 0);
	assert_true(evtchn_port_pending(d, p));
	assert_int_equal(guest_init_control(&g, 2, fake_give_frame(d), 4096 - 72), 0);
	assert_ptr_equal(fake.last_kicked, d->vcpus[2]);
	assert_int_equal(guest_upcall(&g, 2, note), 1);
}

static void ports_above_the_2_level_limit_work(void **state)
{
	u32 last = 0;

	(void)state;
	go_fifo();
	for (u32 i = 1; i < 9000; i++)
		last = guest_bind_ipi(v, 0);
	assert_int_equal(last, 8999);
	while (g.nr_pages < 9)
		assert_int_equal(guest_expand_array(&g, false), 0);
	guest_send(v, last);
	assert_int_equal(guest_upcall(&g, 0, note), 1);
	assert_int_equal(taken[0], last);
}

static void all_131071_ports_can_be_had_and_no_more(void **state)
{
	(void)state;
	go_fifo();
	for (u32 i = 1; i < EVTCHN_FIFO_NR_CHANNELS; i++)
		if (guest_alloc_unbound(v, DOMID_SELF, 0) != i)
			fail_msg("port %u", i);
	assert_int_equal(guest_alloc_unbound(v, DOMID_SELF, 0), -ENOSPC);
	assert_int_equal(guest_close(v, 70000), 0);
	assert_int_equal(guest_alloc_unbound(v, DOMID_SELF, 0), 70000);
}

static void the_array_has_128_pages(void **state)
{
	(void)state;
	go_fifo();
	while (g.nr_pages < 128)
		assert_int_equal(guest_expand_array(&g, true), 0);
	assert_int_equal(guest_expand_array(&g, true), -ENOSPC);
}

static void wrong_control_blocks_are_refused(void **state)
{
	struct domain *other = fake_domain(6, 1, false);
	mfn_t mine = fake_give_frame(d), foreign = fake_give_frame(other);

	(void)state;
	assert_int_equal(guest_init_control(&g, 4, mine, 0), -ENOENT);
	assert_int_equal(guest_init_control(&g, 0, mine, 4096 - 71), -EINVAL);
	assert_int_equal(guest_init_control(&g, 0, mine, 4096 - 64), -EINVAL);
	assert_int_equal(guest_init_control(&g, 0, mine, 4), -EINVAL);
	assert_int_equal(guest_init_control(&g, 0, mine, ~0u), -EINVAL);
	assert_int_equal(guest_init_control(&g, 0, foreign, 0), -EINVAL);
	assert_int_equal(guest_init_control(&g, 0, MFN(~0ULL), 0), -EINVAL);
	for (s64 n = 0; n < 2; n++) {
		fake.alloc_fail_after = n;
		assert_int_equal(guest_init_control(&g, 0, mine, 0), -ENOMEM);
	}
	fake.alloc_fail_after = -1;
	assert_ptr_equal(d->events.abi, &evtchn_abi_2l);
	assert_int_equal(fake.guest_frames_held, 0);
	assert_int_equal(guest_init_control(&g, 0, mine, 0), 0);
	assert_int_equal(guest_init_control(&g, 0, mine, 80), -EINVAL); /* it has one */
	assert_int_equal(fake.guest_frames_held, 1);
	assert_int_equal(events_destroy(other), 0);
	fake_domain_forget(other);
}

static void a_moved_port_is_delivered_by_its_new_queue(void **state)
{
	u32 p = guest_alloc_unbound(v, DOMID_SELF, DOMID_SELF), q = guest_bind_interdomain(v, DOMID_SELF, p);
	u32 other = guest_bind_ipi(v, 0);

	(void)state;
	go_fifo();
	guest_upcall(&g, 0, NULL);
	nr_taken = 0;
	guest_send(v, q); /* p is tail of (0, 7), and taken */
	assert_int_equal(guest_upcall(&g, 0, note), 1);
	assert_int_equal(guest_bind_vcpu(v, p, 3), 0);
	guest_send(v, q); /* now tail of (3, 7), not taken */
	guest_send(v, other); /* must not be chained behind p */
	assert_int_equal(guest_upcall(&g, 0, note), 1);
	assert_int_equal(taken[1], other);
	assert_int_equal(guest_upcall(&g, 3, note), 1);
	assert_int_equal(taken[2], p);
}

static void a_port_still_linked_stays_on_its_old_queue(void **state)
{
	u32 p = guest_alloc_unbound(v, DOMID_SELF, DOMID_SELF), q = guest_bind_interdomain(v, DOMID_SELF, p);

	(void)state;
	go_fifo();
	guest_upcall(&g, 0, NULL);
	guest_send(v, q);
	assert_int_equal(guest_bind_vcpu(v, p, 3), 0);
	guest_send(v, q);
	assert_int_equal(guest_upcall(&g, 3, note), 0);
	assert_int_equal(guest_upcall(&g, 0, note), 1);
}

static void a_reused_port_starts_without_an_event(void **state)
{
	u32 p = guest_bind_ipi(v, 0);

	(void)state;
	go_fifo();
	guest_send(v, p);
	guest_close(v, p);
	assert_int_equal(guest_bind_ipi(v, 1), p);
	assert_false(evtchn_port_pending(d, p));
	assert_int_equal(guest_upcall(&g, 0, note), 0); /* linked still, but not pending */
	guest_send(v, p);
	assert_int_equal(guest_upcall(&g, 1, note), 1);
}

static void reset_goes_back_to_2_level_and_fifo_can_be_had_again(void **state)
{
	u32 p;

	(void)state;
	go_fifo();
	p = guest_bind_ipi(v, 0);
	guest_send(v, p);
	assert_int_equal(guest_reset(v, DOMID_SELF), 0);
	assert_ptr_equal(d->events.abi, &evtchn_abi_2l);
	assert_int_equal(fake.guest_frames_held, 0);
	assert_int_equal(fake.grace_periods, 1);
	assert_int_equal(v->vcpu_info->evtchn_upcall_pending, 1); /* whatever it had seen: it looks anew */
	assert_true(v->vcpu_info->evtchn_pending_sel == ~0ULL);
	v->vcpu_info->evtchn_upcall_pending = 0;
	assert_int_equal(guest_bind_ipi(v, 0), p);
	guest_send(v, p);
	assert_true(bit_test(d->shared_info->evtchn_pending, p));
	g = (struct fifo_guest){ .d = d };
	go_fifo();
	assert_int_equal(guest_upcall(&g, 0, note), 1);
}

static void pollers_are_woken(void **state)
{
	u32 p = guest_bind_ipi(v, 0);

	(void)state;
	go_fifo();
	*guest_word(&g, p) = W_MASKED;
	events_poll_begin(d->vcpus[1], p);
	guest_send(v, p);
	assert_false(d->vcpus[1]->polling);
	assert_ptr_equal(fake.last_kicked, d->vcpus[1]);
}

/* Whatever is in the guest's pages, no send may touch anything else or hang; only its events may suffer. */
static void a_guest_that_scribbles_over_its_pages_harms_only_itself(void **state)
{
	u32 p[40];

	(void)state;
	go_fifo();
	srand(5);
	for (u32 i = 0; i < 40; i++)
		p[i] = guest_bind_ipi(v, i % 4);
	for (u32 step = 0; step < 100000; step++) {
		switch (rand() % 6) {
		case 0:
			*guest_word(&g, rand() % 1024) = (u32)rand() << 1 ^ rand();
			break;
		case 1:
			((u32 *)g.vcpu[rand() % 4].control)[rand() % 18] = (u32)rand() << 1 ^ rand();
			break;
		case 2:
			assert_int_equal(guest_set_priority(v, p[rand() % 40], rand() % 16), 0);
			break;
		case 3:
			assert_int_equal(guest_unmask(v, p[rand() % 40]), 0);
			break;
		default:
			assert_int_equal(guest_send(v, p[rand() % 40]), 0);
		}
	}
}

/* Another vcpu of the guest that never lets a word stand still. */
static bool stop_now;

static void *restless(void *word)
{
	while (!__atomic_load_n(&stop_now, __ATOMIC_RELAXED))
		__atomic_fetch_xor((u32 *)word, W_MASKED, __ATOMIC_SEQ_CST);
	return NULL;
}

static void a_restless_tail_does_not_hold_up_the_sender(void **state)
{
	u32 p = guest_bind_ipi(v, 0), q = guest_bind_ipi(v, 0);
	pthread_t other;

	(void)state;
	go_fifo();
	stop_now = false;
	guest_send(v, p);
	assert_int_equal(pthread_create(&other, NULL, restless, guest_word(&g, p)), 0);
	for (u32 i = 0; i < 20000; i++) {
		__atomic_store_n(guest_word(&g, q), 0, __ATOMIC_SEQ_CST);
		__atomic_fetch_or(guest_word(&g, p), W_LINKED, __ATOMIC_SEQ_CST);
		assert_int_equal(guest_send(v, q), 0);
	}
	__atomic_store_n(&stop_now, true, __ATOMIC_RELAXED);
	pthread_join(other, NULL);
}

/*
 * Two CPUs send while a third is the guest: each send is followed by its
 * delivery. Events merge, so a counter tells how many sends a delivery answers for.
 */
#define SENDS 20000
static u32 port_of[2], sent[2], seen[2];

static void count(struct fifo_guest *fg, u32 vcpu, u32 port)
{
	(void)fg, (void)vcpu;
	for (u32 i = 0; i < 2; i++)
		if (port_of[i] == port)
			seen[i] = __atomic_load_n(&sent[i], __ATOMIC_SEQ_CST);
}

static void *sender(void *arg)
{
	u32 i = (uintptr_t)arg;

	for (u32 n = 1; n <= SENDS; n++) {
		__atomic_store_n(&sent[i], n, __ATOMIC_SEQ_CST);
		if (evtchn_send(d, port_of[i]))
			abort();
		if (n % 8 == 0)
			sched_yield();
	}
	return NULL;
}

static void no_event_is_lost_between_cpus(void **state)
{
	pthread_t cpu[2];

	(void)state;
	go_fifo();
	for (u32 i = 0; i < 2; i++) {
		port_of[i] = guest_bind_ipi(v, 0);
		sent[i] = seen[i] = 0;
	}
	for (u32 i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&cpu[i], NULL, sender, (void *)(uintptr_t)i), 0);
	while (__atomic_load_n(&sent[0], __ATOMIC_SEQ_CST) < SENDS ||
	       __atomic_load_n(&sent[1], __ATOMIC_SEQ_CST) < SENDS) {
		guest_upcall(&g, 0, count);
		sched_yield();
	}
	pthread_join(cpu[0], NULL);
	pthread_join(cpu[1], NULL);
	guest_upcall(&g, 0, count);
	assert_int_equal(seen[0], SENDS);
	assert_int_equal(seen[1], SENDS);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events_come_in_the_order_they_were_sent),
		TEST(urgent_queues_come_first),
		TEST(repeated_sends_are_one_event),
		TEST(a_masked_port_is_linked_when_it_is_unmasked),
		TEST(an_event_that_the_guest_set_pending_itself_is_linked_by_the_next_send),
		TEST(events_before_the_change_of_form_are_carried_over),
		TEST(events_without_a_word_wait_for_their_page),
		TEST(events_without_a_control_block_wait_for_it),
		TEST(ports_above_the_2_level_limit_work),
		TEST(all_131071_ports_can_be_had_and_no_more),
		TEST(the_array_has_128_pages),
		TEST(wrong_control_blocks_are_refused),
		TEST(a_moved_port_is_delivered_by_its_new_queue),
		TEST(a_port_still_linked_stays_on_its_old_queue),
		TEST(a_reused_port_starts_without_an_event),
		TEST(reset_goes_back_to_2_level_and_fifo_can_be_had_again),
		TEST(pollers_are_woken),
		TEST(a_guest_that_scribbles_over_its_pages_harms_only_itself),
		TEST(a_restless_tail_does_not_hold_up_the_sender),
		TEST(no_event_is_lost_between_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
