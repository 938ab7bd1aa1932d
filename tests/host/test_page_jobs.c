// SPDX-License-Identifier: MIT
/*
 * Page types when things do not go through at once: promotions that fail or are
 * preempted, several vcpus at work, tables held while others let them go, frames
 * freed while they are in use.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "page_type_machine.h"

/* ------------------------------------------------------------ failures, preemption -- */

/*
 * A wide, deep set of tables: 3 L3, 6 L2 of 300 entries each that lead to 2 L1, data below; `bad` goes in the
 * last L1's last entry. preempt_check() is asked some 120 times while it is promoted, and while it is demoted.
 */
static mfn_t build_wide(u64 bad)
{
	mfn_t l4 = frame(a), l1 = l4;

	for (unsigned i = 0; i < 3; i++) {
		mfn_t l3 = frame(a);

		table(l4)[i * 250] = pte(l3, RW);
		for (unsigned j = 0; j < 2; j++) {
			mfn_t l2 = frame(a);

			table(l3)[j * 511] = pte(l2, RW);
			for (unsigned k = 0; k < 2; k++) {
				l1 = frame(a);
				for (unsigned i2 = k; i2 < 300; i2 += 2)
					table(l2)[i2 + 100] = pte(l1, RW);
				for (unsigned e = 0; e < 3; e++)
					table(l1)[e * 200] = pte(frame(a), e & 1 ? RO : RW);
			}
		}
	}
	table(l1)[511] = bad;
	return l4;
}

static void a_failed_promotion_gives_back_exactly_what_it_took(void **state)
{
	mfn_t l4 = build_wide(pte(MFN(BEYOND), RW | PTE_PSE | PTE_NX));

	(void)state;
	take_snapshot(&before);
	assert_int_equal(pin(l4, 4), -EPERM);
	assert_as_before();
	assert_int_equal(v->pv.job.depth, 0);
}

static void a_failure_at_each_level_gives_back_what_was_taken(void **state)
{
	struct tower t = build(a);
	mfn_t tables[] = { t.l1, t.l2, t.l3, t.l4 }, foreign = frame(b);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned at = 0; at < 512; at += 73) {
			u64 was = table(tables[i])[at];

			table(tables[i])[at] = pte(foreign, RO);
			take_snapshot(&before);
			assert_int_equal(pin(t.l4, 4), at >= HV_SLOT_FIRST && at <= HV_SLOT_LAST && i == 3 ? 0 : -EINVAL);
			if (types(t.l4))
				assert_int_equal(unpin(t.l4), 0);
			assert_as_before();
			table(tables[i])[at] = was;
		}
	}
}

static void a_preempted_promotion_ends_as_if_it_had_not_been(void **state)
{
	static struct snapshot plain;
	mfn_t l4 = build_wide(0);
	u32 stops = 0;

	(void)state;
	assert_int_equal(pin(l4, 4), 0);
	take_snapshot(&plain);
	assert_int_equal(unpin(l4), 0);
	for (u32 n = 1; n < 40; n += 6) {
		preempt_every = n;
		stops = 0;
		assert_int_equal(pin_counting(v, l4, a, 4, &stops), 0);
		assert_true(stops > 0);
		preempt_every = 0;
		before = plain;
		assert_as_before();
		assert_int_equal(unpin(l4), 0);
	}
}

static void a_preempted_promotion_that_fails_gives_everything_back(void **state)
{
	mfn_t l4 = build_wide(pte(MFN(FAKE_FRAMES - 1), RO)); /* a free frame */
	u32 stops;

	(void)state;
	take_snapshot(&before);
	for (u32 n = 1; n < 40; n += 6) {
		preempt_every = n;
		stops = 0;
		assert_int_equal(pin_counting(v, l4, a, 4, &stops), -EINVAL);
		assert_true(stops > 0);
		assert_as_before();
	}
}

static void a_preempted_demotion_goes_on_until_nothing_is_left(void **state)
{
	mfn_t l4 = build_wide(0);
	u32 stops = 0;

	(void)state;
	take_snapshot(&before);
	assert_int_equal(pin(l4, 4), 0);
	preempt_every = 1;
	assert_int_equal(unpin_page_table(v, l4, a), 0);
	assert_int_not_equal(v->pv.job.depth, 0);
	/* Half taken apart, it is nobody's. */
	assert_false(get_page_writable(l4, a));
	assert_int_equal(hold_page_table(l4, a), 0);
	assert_int_equal(get_page_table(w, l4, a, 4), -ERESTART);
	while (pt_job_resume(v))
		stops++;
	assert_true(stops > 10);
	assert_as_before();
}

/* As core/domctl.c does it for a paused domain. */
static void a_stopped_vcpus_job_can_be_ended_by_who_waits_for_its_table(void **state)
{
	mfn_t l4 = build_wide(0);

	(void)state;
	take_snapshot(&before);
	preempt_every = 1;
	assert_int_equal(pin_page_table(v, l4, a, 4), -ERESTART);
	for (u32 i = 0; i < 100; i++)
		assert_int_equal(pin_page_table(w, l4, a, 4), -ERESTART);
	while (pt_job_resume(v))
		;
	preempt_every = 0;
	assert_int_equal(pin_page_table(w, l4, a, 4), 0);
	/* Its own call, when it goes on, finds it pinned. */
	assert_int_equal(pin_page_table(v, l4, a, 4), -EINVAL);
	pt_job_settle(v);
	assert_int_equal(unpin_page_table(w, l4, a), 0);
	assert_as_before();
}

static void nothing_new_begins_while_a_job_is_unfinished(void **state)
{
	mfn_t l4 = build_wide(0);
	struct tower t = build(a), u = build(a);
	unsigned level;

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(pin(u.l1, 1), 0);
	take_snapshot(&before);
	assert_int_equal(pin(l4, 4), 0);
	level = hold_page_table(t.l4, a);
	assert_int_equal(level, 4);
	preempt_every = 1;
	assert_int_equal(unpin_page_table(v, l4, a), 0);
	assert_int_equal(get_page_table(v, u.l4, a, 4), -ERESTART);
	assert_int_equal(pin_page_table(v, u.l2, a, 2), -ERESTART);
	assert_int_equal(unpin_page_table(v, u.l1, a), -ERESTART);
	assert_int_equal(mod_table_entry(v, &table(t.l4)[5], t.l4, 0, false, 4, a), -ERESTART);
	/* But what is held can be let go. */
	release_page_table(v, t.l4);
	while (pt_job_resume(v))
		;
	assert_as_before();
}

static void a_table_let_go_during_a_job_is_taken_apart_after_it(void **state)
{
	mfn_t l4 = build_wide(0);
	struct tower t = build(a);

	(void)state;
	take_snapshot(&before);
	assert_int_equal(pin(l4, 4), 0);
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(hold_page_table(t.l4, a), 4);
	assert_int_equal(unpin_page_table(w, t.l4, a), 0);
	preempt_every = 1;
	assert_int_equal(unpin_page_table(v, l4, a), 0);
	assert_int_not_equal(v->pv.job.depth, 0);
	release_page_table(v, t.l4);
	while (pt_job_resume(v))
		;
	assert_as_before();
}

/* The guest takes an event between two pieces of a hypercall, and its handler changes entries. */
static void tables_can_be_changed_while_a_job_is_unfinished(void **state)
{
	mfn_t l4 = build_wide(0);
	struct tower t = build(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	preempt_every = 1;
	assert_int_equal(pin_page_table(v, l4, a, 4), -ERESTART);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(hold_l1_table(t.l1, a));
		assert_int_equal(mod_l1_entry(v, &table(t.l1)[i], pte(t.data, RW), false, a, a), 0);
		release_page_table(v, t.l1);
		assert_int_equal(hold_page_table(t.l4, a), 4);
		release_page_table(v, t.l4);
		assert_true(hold_l1_table(t.l1, a));
		assert_int_equal(mod_l1_entry(v, &table(t.l1)[i], 0, false, a, a), 0);
		release_page_table(v, t.l1);
	}
	assert_int_equal(v->pv.job.nr_later, 0);
	assert_int_equal(update(t.l1, 5, pte(t.data, RW)), 0);
	while (pt_job_abort(v))
		;
	assert_as_before();
}

static void an_aborted_promotion_gives_back_everything(void **state)
{
	mfn_t l4 = build_wide(0);

	(void)state;
	take_snapshot(&before);
	for (u32 resumes = 0; resumes < 100; resumes += 9) {
		preempt_every = 1;
		assert_int_equal(pin_page_table(v, l4, a, 4), -ERESTART);
		for (u32 i = 0; i < resumes; i++)
			assert_int_equal(pt_job_resume(v), -ERESTART);
		while (pt_job_abort(v))
			;
		assert_int_equal(v->pv.job.depth, 0);
		assert_as_before();
	}
}

static void an_aborted_demotion_is_finished(void **state)
{
	mfn_t l4 = build_wide(0);

	(void)state;
	take_snapshot(&before);
	assert_int_equal(pin(l4, 4), 0);
	preempt_every = 2;
	assert_int_equal(unpin_page_table(v, l4, a), 0);
	assert_int_not_equal(v->pv.job.depth, 0);
	while (pt_job_abort(v))
		;
	assert_as_before();
}

static void aborting_after_a_finished_promotion_drops_its_hold(void **state)
{
	mfn_t l4 = build_wide(0);

	(void)state;
	take_snapshot(&before);
	preempt_every = 3;
	assert_int_equal(pin_page_table(v, l4, a, 4), -ERESTART);
	while (pt_job_resume(v))
		;
	assert_int_equal(types(l4), 1);
	while (pt_job_abort(v))
		;
	assert_as_before();
}

static void aborting_nothing_is_fine(void **state)
{
	(void)state;
	take_snapshot(&before);
	assert_int_equal(pt_job_abort(v), 0);
	assert_as_before();
}

static void a_request_changed_between_repetitions_leaks_nothing(void **state)
{
	mfn_t first = build_wide(0), second = build_wide(0);
	u32 stops = 0;

	(void)state;
	take_snapshot(&before);
	preempt_every = 3;
	assert_int_equal(pin_page_table(v, first, a, 4), -ERESTART);
	/* The hypercall is repeated, and another vcpu wrote another frame into its arguments. */
	assert_int_equal(pin_counting(v, second, a, 4, &stops), 0);
	preempt_every = 0;
	assert_int_equal(types(first), 0);
	assert_int_equal(unpin(second), 0);
	assert_as_before();
}

static void an_error_is_not_told_to_another_request(void **state)
{
	mfn_t bad = build_wide(pte(MFN(FAKE_FRAMES - 1), RO)), good = build_wide(0);

	(void)state;
	preempt_every = 3;
	assert_int_equal(pin_page_table(v, bad, a, 4), -ERESTART);
	while (pt_job_resume(v))
		;
	preempt_every = 0;
	assert_int_equal(pin_page_table(v, good, a, 4), 0);
	pt_job_settle(v);
	take_snapshot(&before);
	assert_int_equal(pin_page_table(v, bad, a, 4), -EINVAL);
	assert_as_before();
}

static void jobs_of_two_vcpus_share_tables_and_both_finish(void **state)
{
	static struct snapshot plain;
	mfn_t one = build_wide(0), two = frame(a);
	struct { struct vcpu *v; mfn_t root; int rc; } job[] = { { v, one, -ERESTART }, { w, two, -ERESTART } };

	(void)state;
	/* The second L4 has the first's L3s in reverse order and shares the L2s of one more. */
	for (unsigned i = 0; i < 3; i++)
		table(two)[i * 200] = table(one)[(2 - i) * 250];
	table(two)[511] = pte(frame(a), RW);
	memcpy(fake_frame(MFN(table(two)[511] >> PAGE_SHIFT)), fake_frame(MFN(table(one)[250] >> PAGE_SHIFT)), PAGE_SIZE);
	take_snapshot(&before);
	assert_int_equal(pin(one, 4), 0);
	assert_int_equal(pin(two, 4), 0);
	take_snapshot(&plain);
	assert_int_equal(unpin(one), 0);
	assert_int_equal(unpin(two), 0);
	assert_as_before();

	preempt_every = 1;
	for (u32 turn = 0; job[0].rc == -ERESTART || job[1].rc == -ERESTART; turn++) {
		u32 who = turn & 1;

		assert_true(turn < 100000);
		if (job[who].rc != -ERESTART || pt_job_resume(job[who].v))
			continue;
		job[who].rc = pin_page_table(job[who].v, job[who].root, a, 4);
		if (job[who].rc != -ERESTART)
			pt_job_settle(job[who].v);
	}
	assert_int_equal(job[0].rc, 0);
	assert_int_equal(job[1].rc, 0);
	before = plain;
	assert_as_before();
}

/* --------------------------------------------------------------- holds, freeing -- */

static void only_a_table_of_the_named_domain_can_be_held(void **state)
{
	struct tower t = build(a);
	mfn_t tables[] = { t.l1, t.l2, t.l3, t.l4 };

	(void)state;
	assert_int_equal(hold_page_table(t.l1, a), 0);
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	assert_int_equal(hold_page_table(t.data, a), 0);
	assert_int_equal(hold_page_table(t.l1, b), 0);
	assert_int_equal(hold_page_table(MFN(BEYOND), a), 0);
	assert_int_equal(hold_page_table(MFN(HOLE), a), 0);
	assert_int_equal(hold_page_table(frame(a), a), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(hold_page_table(tables[i], a), i + 1);
		release_page_table(v, tables[i]);
		assert_int_equal(hold_l1_table(tables[i], a), !i);
		if (!i)
			release_page_table(v, tables[i]);
	}
}

static void a_held_table_stays_though_all_others_let_it_go(void **state)
{
	mfn_t l1 = frame(a), data = frame(a);
	u64 pages;

	(void)state;
	table(l1)[0] = pte(data, RW);
	assert_int_equal(pin(l1, 1), 0);
	pages = a->tot_pages;
	assert_int_equal(hold_page_table(l1, a), 1);
	/* Meanwhile another vcpu unpins and frees it. */
	assert_int_equal(unpin_page_table(w, l1, a), 0);
	assert_true(release_owned_page(l1, a));
	assert_int_equal(a->tot_pages, pages);
	assert_int_equal(type(l1), PGT_l1);
	assert_int_equal(mod_l1_entry(v, &table(l1)[1], pte(data, RO), false, a, a), 0);
	assert_int_equal(refs(data), 3);
	release_page_table(v, l1);
	assert_int_equal(a->tot_pages, pages - 1);
	assert_int_equal(refs(data), 1);
	assert_int_equal(types(data), 0);
}

static void a_released_frame_lives_until_its_last_mapping_goes(void **state)
{
	struct tower t = build(a);
	u64 pages, free;

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l1, 6, pte(t.data, RO)), 0);
	pages = a->tot_pages;
	free = free_page_count();
	assert_true(release_owned_page(t.data, a));
	assert_false(release_owned_page(t.data, a));
	assert_int_equal(update(t.l1, 5, 0), 0);
	assert_int_equal(a->tot_pages, pages);
	assert_int_equal(free_page_count(), free);
	assert_int_equal(update(t.l1, 6, 0), 0);
	assert_int_equal(a->tot_pages, pages - 1);
	assert_int_equal(free_page_count(), free + 1);
	assert_false(get_page(t.data, a));
	assert_int_equal(update(t.l1, 6, pte(t.data, RO)), -EINVAL);
}

static void a_released_pinned_table_lives_until_unpinned(void **state)
{
	struct tower t = build(a);
	u64 pages;

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	pages = a->tot_pages;
	assert_true(release_owned_page(t.l4, a));
	assert_true(release_owned_page(t.l2, a));
	assert_int_equal(a->tot_pages, pages);
	assert_int_equal(unpin(t.l4), 0);
	assert_int_equal(a->tot_pages, pages - 2);
	assert_int_equal(types(t.l1), 0);
}

static void releasing_what_is_not_owned_is_refused(void **state)
{
	(void)state;
	assert_false(release_owned_page(frame(b), a));
	assert_false(release_owned_page(MFN(BEYOND), a));
	assert_false(release_owned_page(MFN(HOLE), a));
	assert_false(release_owned_page(MFN(FAKE_FRAMES - 1), a));
}

#define T(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_failed_promotion_gives_back_exactly_what_it_took),
		T(a_failure_at_each_level_gives_back_what_was_taken),
		T(a_preempted_promotion_ends_as_if_it_had_not_been),
		T(a_preempted_promotion_that_fails_gives_everything_back),
		T(a_preempted_demotion_goes_on_until_nothing_is_left),
		T(a_stopped_vcpus_job_can_be_ended_by_who_waits_for_its_table),
		T(nothing_new_begins_while_a_job_is_unfinished),
		T(a_table_let_go_during_a_job_is_taken_apart_after_it),
		T(tables_can_be_changed_while_a_job_is_unfinished),
		T(an_aborted_promotion_gives_back_everything),
		T(an_aborted_demotion_is_finished),
		T(aborting_after_a_finished_promotion_drops_its_hold),
		T(aborting_nothing_is_fine),
		T(a_request_changed_between_repetitions_leaks_nothing),
		T(an_error_is_not_told_to_another_request),
		T(jobs_of_two_vcpus_share_tables_and_both_finish),
		T(only_a_table_of_the_named_domain_can_be_held),
		T(a_held_table_stays_though_all_others_let_it_go),
		T(a_released_frame_lives_until_its_last_mapping_goes),
		T(a_released_pinned_table_lives_until_unpinned),
		T(releasing_what_is_not_owned_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
