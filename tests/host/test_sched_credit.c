// SPDX-License-Identifier: MIT
/* The scheduler's arithmetic: shares by weight, caps, and how long one that wakes can have to wait, played on one CPU. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include "core/sched_credit.h"

#define MS 1000000ULL
#define RATELIMIT MS

/* A vcpu, of a domain of its own. It is busy, or runs `burst` and sleeps `sleep`, over and over. */
struct player {
	u32 weight;
	u64 burst, sleep;
	struct credit_cap cap;
	/* from here on zero at first */
	u64 vtime, ran, left, wakes_at, woken_at, longest_wait;
	bool asleep, parked;
};

static u64 least_of(struct player *p, u32 nr, const struct player *but)
{
	u64 least = ~0ULL;

	for (u32 i = 0; i < nr; i++)
		if (&p[i] != but && !p[i].asleep && !p[i].parked)
			least = min(least, p[i].vtime);
	return least;
}

static void wake(struct player *p, u32 nr, struct player *v, u64 now, u64 floor)
{
	u64 least = least_of(p, nr, v);

	v->vtime = least == ~0ULL ? credit_woken_alone(v->vtime, floor) : credit_woken(v->vtime, least, v->weight);
	if (v->asleep) {
		v->left = v->burst;
		v->woken_at = now;
	}
	v->asleep = v->parked = false;
}

static bool used_up(struct player *v, u64 now)
{
	return v->cap.percent && credit_cap_left(&v->cap, now) <= 0;
}

static struct player *pick(struct player *p, u32 nr, const struct player *but, u64 now)
{
	struct player *best = NULL;

	for (u32 i = 0; i < nr; i++) {
		p[i].parked |= !p[i].asleep && used_up(&p[i], now);
		if (&p[i] != but && !p[i].asleep && !p[i].parked && (!best || p[i].vtime < best->vtime))
			best = &p[i];
	}
	return best;
}

/* Plays `until` ns on one CPU, by steps of 10 us: what core/sched.c does at each of its occasions. */
static void play(struct player *p, u32 nr, u64 until)
{
	struct player *curr = NULL, *rival;
	u64 slice_ends = 0, since = 0, floor = 0;
	const u64 step = MS / 100;

	for (u64 now = 0; now < until; now += step) {
		bool look = !curr || now >= slice_ends || now == since + RATELIMIT;

		for (u32 i = 0; i < nr; i++)
			if ((p[i].asleep && now >= p[i].wakes_at) || (p[i].parked && now >= p[i].cap.period_ends)) {
				wake(p, nr, &p[i], now, floor);
				look = true;
			}
		if (curr && (curr->asleep || used_up(curr, now))) {
			curr->parked = !curr->asleep;
			curr = NULL;
		}
		rival = pick(p, nr, curr, now);
		if (!curr || (look && rival && !credit_goes_on(curr->vtime, rival->vtime, now >= slice_ends,
							       now - since, RATELIMIT))) {
			u32 waiting = 0;

			curr = rival;
			since = now;
			for (u32 i = 0; i < nr; i++)
				waiting += &p[i] != curr && !p[i].asleep && !p[i].parked;
			slice_ends = now + credit_slice(waiting);
			if (curr) {
				floor = max(floor, curr->vtime);
				if (curr->woken_at)
					curr->longest_wait = max(curr->longest_wait, now - curr->woken_at);
				curr->woken_at = 0;
			}
		}
		if (!curr)
			continue;
		curr->ran += step;
		curr->vtime += credit_charge(step, curr->weight);
		if (curr->cap.percent)
			credit_cap_use(&curr->cap, step);
		if (curr->burst && (curr->left -= min(curr->left, step)) == 0) {
			curr->asleep = true;
			curr->wakes_at = now + curr->sleep;
		}
	}
}

static void assert_share(const struct player *v, u64 total, double share)
{
	double is = (double)v->ran / total;

	if (is < share * 0.95 || is > share * 1.05)
		fail_msg("a share of %.3f, not %.3f", is, share);
}

static void busy_vcpus_run_as_their_weights_say(void **state)
{
	struct player two[] = { { .weight = 256 }, { .weight = 512 } };
	struct player four[] = { { .weight = 256 }, { .weight = 512 }, { .weight = 1024 }, { .weight = 256 } };

	(void)state;
	play(two, 2, 3000 * MS);
	assert_share(&two[0], 3000 * MS, 1.0 / 3);
	assert_share(&two[1], 3000 * MS, 2.0 / 3);
	play(four, 4, 10000 * MS);
	assert_share(&four[0], 10000 * MS, 1.0 / 8);
	assert_share(&four[2], 10000 * MS, 1.0 / 2);
}

static void extreme_weights_starve_nobody(void **state)
{
	struct player p[] = { { .weight = 1 }, { .weight = SCHED_WEIGHT_MAX }, { .weight = 2560, .burst = MS, .sleep = 50 * MS } };

	(void)state;
	play(p, 3, 5000 * MS);
	assert_true(p[0].ran > 0);
	/* Its tenth of a hundredth, and more it does not want. */
	assert_true(p[2].ran > 50 * MS);
}

static void a_cap_is_kept_with_and_without_competition(void **state)
{
	(void)state;
	for (u32 percent = 5; percent <= 95; percent += 10) {
		struct player p[] = { { .weight = 256 }, { .weight = 65535 } };

		credit_cap_set(&p[1].cap, percent, 0);
		play(p + 1, 1, 4000 * MS);
		assert_share(&p[1], 4000 * MS, percent / 100.0);
		p[1].ran = 0;
		credit_cap_set(&p[1].cap, percent, 0);
		play(p, 2, 4000 * MS);
		assert_share(&p[1], 4000 * MS, percent / 100.0);
		assert_share(&p[0], 4000 * MS - p[1].ran, 1);
	}
}

static void what_was_overrun_is_owed_and_what_was_not_used_is_gone(void **state)
{
	struct credit_cap c;

	(void)state;
	credit_cap_set(&c, 25, 1000 * MS);
	assert_int_equal(credit_cap_left(&c, 1000 * MS), 5 * MS / 2);
	credit_cap_use(&c, 9 * MS); /* several CPUs at once */
	assert_true(credit_cap_left(&c, 1009 * MS) < 0);
	assert_true(credit_cap_left(&c, 1020 * MS) < 0);
	assert_true(credit_cap_left(&c, 1029 * MS) < 0);
	assert_int_equal(credit_cap_left(&c, 1030 * MS), MS);
	assert_int_equal(credit_cap_left(&c, 5000 * MS), 5 * MS / 2);
	assert_int_equal(c.period_ends, 5010 * MS);
	credit_cap_set(&c, 400, 6000 * MS);
	assert_int_equal(credit_cap_left(&c, 6000 * MS), 40 * MS);
}

static void one_that_wakes_runs_at_once_among_busy_ones(void **state)
{
	struct player p[] = { { .weight = 256 }, { .weight = 256 }, { .weight = 256 }, { .weight = 256 },
			      { .weight = 256, .burst = MS / 2, .sleep = 10 * MS } };

	(void)state;
	play(p, 5, 5000 * MS);
	assert_true(p[4].longest_wait <= MS);
	assert_true(p[4].ran > 200 * MS);
}

static void one_that_wakes_waits_until_the_rate_limit_is_over(void **state)
{
	(void)state;
	assert_true(credit_goes_on(500 * MS, 400 * MS, false, MS - 1, MS));
	assert_false(credit_goes_on(500 * MS, 400 * MS, false, MS, MS));
	assert_true(credit_goes_on(500 * MS, 499 * MS, false, 3 * MS, MS));
	assert_false(credit_goes_on(500 * MS, 499 * MS, true, 0, MS));
}

/* How many of 80 times it hands over to one that is 5 ms ahead. */
static unsigned int handed_over(struct credit_habit *h)
{
	unsigned int handed = 0;

	for (unsigned int i = 0; i < 80; i++)
		handed += credit_hands_over(h, 500 * MS, 505 * MS);
	return handed;
}

/* It sends an event while another waits, and then sleeps after `ran_on` ns. */
static void sends_and_sleeps(struct credit_habit *h, u8 stint, u64 ran_on)
{
	struct credit_watch w = { 0 };

	credit_watch_begin(&w, h, stint, 500 * MS);
	credit_watch_slept(&w, 500 * MS + ran_on);
}

static void the_last_event_of_a_burst_shows_nothing(void **state)
{
	struct credit_habit h = { 0 }, other = { 0 };
	struct credit_watch w = { 0 };

	(void)state;
	/* Two by one port, and sleeps. */
	credit_watch_begin(&w, &h, 1, 0);
	credit_watch_runs_on(&w);
	credit_watch_slept(&w, MS / 1000);
	assert_int_equal(handed_over(&h), 0);
	/* By two ports in turn: the one before had more to tell, the last one too. */
	w.habit = NULL;
	for (u64 i = 0; i < 20; i++)
		credit_watch_begin(&w, i % 2 ? &h : &other, 2, i * MS / 1000);
	credit_watch_slept(&w, 20 * MS / 1000);
	assert_int_equal(handed_over(&h), 0);
	assert_int_equal(handed_over(&other), 0);
	/* One by each: the second is the last. */
	for (u8 stint = 3; stint < 20; stint++) {
		w.habit = NULL;
		credit_watch_begin(&w, &h, stint, 0);
		credit_watch_begin(&w, &other, stint, 0);
		credit_watch_slept(&w, MS / 1000);
	}
	assert_int_equal(handed_over(&h), 0);
	assert_in_range(handed_over(&other), 77, 78);
}

static void who_sleeps_soon_hands_over_and_who_works_on_does_not(void **state)
{
	struct credit_habit h = { 0 };

	(void)state;
	assert_in_range(handed_over(&h), 77, 78); /* at times it may run on, and shows how long */
	assert_false(credit_hands_over(&h, 500 * MS, 511 * MS));
	sends_and_sleeps(&h, 1, MS / 1000);
	assert_in_range(handed_over(&h), 77, 78);
	sends_and_sleeps(&h, 2, MS / 10);
	assert_int_equal(handed_over(&h), 0);
	/* Once is not believed. */
	sends_and_sleeps(&h, 3, MS / 100);
	assert_int_equal(handed_over(&h), 0);
	for (u8 stint = 4; stint < 12; stint++)
		sends_and_sleeps(&h, stint, MS / 100);
	assert_in_range(handed_over(&h), 77, 78);
}

static void wherever_it_ran_before_it_waits_a_bounded_time(void **state)
{
	(void)state;
	/* It comes from a CPU where virtual time went far ahead, or was left far behind. */
	for (int far = 0; far < 2; far++) {
		struct player p[] = { { .weight = 256 }, { .weight = 256 }, { .weight = 256 },
				      { .weight = 256, .burst = MS, .sleep = 20 * MS, .asleep = true, .wakes_at = MS } };

		p[0].vtime = p[1].vtime = p[2].vtime = 1000000 * MS;
		p[3].vtime = far ? 9000000 * MS : 0;
		play(p, 4, 1000 * MS);
		assert_true(p[3].longest_wait <= 3 * 20 * MS + 10 * MS);
		assert_true(p[0].ran > 200 * MS);
	}
}

static void sleeping_saves_nothing_up(void **state)
{
	struct player p[] = { { .weight = 256 }, { .weight = 256, .burst = 10000 * MS, .asleep = true, .wakes_at = 2000 * MS } };

	(void)state;
	play(p, 2, 3000 * MS);
	assert_true(p[1].ran < 510 * MS);
	assert_int_equal(credit_woken_alone(3, 7000 * MS), 6995 * MS);
	assert_int_equal(credit_woken_alone(8000 * MS, 7000 * MS), 8000 * MS);
}

static void one_that_moves_keeps_its_place_within_bounds(void **state)
{
	(void)state;
	assert_int_equal(credit_moved(980 * MS, 1000 * MS, 256), 980 * MS);
	assert_int_equal(credit_moved(0, 1000 * MS, 256), 1000 * MS - 2 * MOVE_NS);
	assert_int_equal(credit_moved(2000 * MS, 1000 * MS, 512), 1010 * MS);
	assert_int_equal(credit_moved(7, 9, 256), 7);
}

static void a_slice_is_shared_among_those_that_wait(void **state)
{
	(void)state;
	assert_int_equal(credit_slice(0), 10 * MS);
	assert_int_equal(credit_slice(1), 10 * MS);
	assert_int_equal(credit_slice(4), 5 * MS / 2);
	assert_int_equal(credit_slice(1000), 2 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(busy_vcpus_run_as_their_weights_say),
		cmocka_unit_test(extreme_weights_starve_nobody),
		cmocka_unit_test(a_cap_is_kept_with_and_without_competition),
		cmocka_unit_test(what_was_overrun_is_owed_and_what_was_not_used_is_gone),
		cmocka_unit_test(one_that_wakes_runs_at_once_among_busy_ones),
		cmocka_unit_test(one_that_wakes_waits_until_the_rate_limit_is_over),
		cmocka_unit_test(who_sleeps_soon_hands_over_and_who_works_on_does_not),
		cmocka_unit_test(the_last_event_of_a_burst_shows_nothing),
		cmocka_unit_test(wherever_it_ran_before_it_waits_a_bounded_time),
		cmocka_unit_test(sleeping_saves_nothing_up),
		cmocka_unit_test(one_that_moves_keeps_its_place_within_bounds),
		cmocka_unit_test(a_slice_is_shared_among_those_that_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
