// SPDX-License-Identifier: MIT
/* Timers: order, restarting and stopping from everywhere, telling the clock, a random run against a plain array. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake_machine.h"

#define NR 300
static struct timer t[NR];
static u32 fired[NR];
static u32 order[NR * 4];
static u32 nr_fired;

static void note(void *data)
{
	u32 i = (struct timer *)data - t;

	assert_int_equal(fake_locks_held(), 0);
	fired[i]++;
	if (nr_fired < ARRAY_SIZE(order))
		order[nr_fired] = i;
	nr_fired++;
}

static int fresh(void **state)
{
	(void)state;
	fake_reset();
	memset(fired, 0, sizeof(fired));
	nr_fired = 0;
	for (u32 i = 0; i < NR; i++)
		timer_init(&t[i], note, &t[i], 0);
	return 0;
}

static struct timer_heap *const heap = &fake.timers[0];

static void timers_fire_in_order_of_their_deadlines(void **state)
{
	(void)state;
	for (u32 i = 0; i < NR; i++)
		timer_set(&t[i], 1000 + i * 7919 % NR);
	timer_run_expired(heap, 999);
	assert_int_equal(nr_fired, 0);
	timer_run_expired(heap, 1000 + NR);
	assert_int_equal(nr_fired, NR);
	for (u32 i = 0; i + 1 < NR; i++)
		assert_true(t[order[i]].expires < t[order[i + 1]].expires);
	assert_int_equal(timer_next_deadline(heap), ~0ULL);
}

static void a_deadline_can_be_moved_both_ways(void **state)
{
	(void)state;
	timer_set(&t[0], 100);
	timer_set(&t[1], 200);
	timer_set(&t[1], 50);
	assert_int_equal(timer_next_deadline(heap), 50);
	timer_set(&t[1], 300);
	assert_int_equal(timer_next_deadline(heap), 100);
	timer_run_expired(heap, 299);
	assert_int_equal(fired[0], 1);
	assert_int_equal(fired[1], 0);
}

static void a_stopped_timer_does_not_fire(void **state)
{
	(void)state;
	timer_set(&t[0], 10);
	timer_set(&t[1], 20);
	timer_stop(&t[0]);
	timer_stop(&t[0]);
	assert_false(timer_is_set(&t[0]));
	timer_run_expired(heap, 100);
	assert_int_equal(fired[0], 0);
	assert_int_equal(fired[1], 1);
}

static void again(void *data)
{
	note(data);
	timer_set(data, 5); /* in the past */
}

static void a_timer_that_sets_itself_into_the_past_fires_once_per_run(void **state)
{
	(void)state;
	t[0].fn = again;
	timer_set(&t[0], 10);
	timer_run_expired(heap, 100);
	assert_int_equal(fired[0], 1);
	assert_int_equal(timer_next_deadline(heap), 5);
	timer_run_expired(heap, 100);
	assert_int_equal(fired[0], 2);
}

static void stop_others(void *data)
{
	note(data);
	timer_stop(&t[2]);
	timer_stop(&t[0]);
	timer_set(&t[3], 1);
}

static void a_function_can_stop_those_that_expired_with_it(void **state)
{
	(void)state;
	t[1].fn = stop_others;
	for (u32 i = 1; i < 5; i++)
		timer_set(&t[i], 10 + i);
	timer_run_expired(heap, 100);
	assert_int_equal(fired[1], 1);
	assert_int_equal(fired[2], 0);
	assert_int_equal(fired[3], 0); /* was moved: next run */
	assert_int_equal(fired[4], 1);
	timer_run_expired(heap, 100);
	assert_int_equal(fired[3], 1);
}

static void the_clock_is_told_only_when_the_earliest_deadline_changes(void **state)
{
	(void)state;
	timer_set(&t[0], 100);
	assert_int_equal(fake.reprograms[0], 1);
	timer_set(&t[1], 200);
	assert_int_equal(fake.reprograms[0], 1);
	timer_set(&t[2], 50);
	assert_int_equal(fake.reprograms[0], 2);
	timer_stop(&t[1]);
	assert_int_equal(fake.reprograms[0], 2);
	timer_stop(&t[2]);
	assert_int_equal(fake.reprograms[0], 3);
	timer_run_expired(heap, 100);
	assert_int_equal(fake.reprograms[0], 4);
}

static void a_run_reprograms_once_whatever_its_functions_do(void **state)
{
	(void)state;
	for (u32 i = 0; i < 10; i++) {
		t[i].fn = again;
		timer_set(&t[i], 100 - i);
	}
	fake.reprograms[0] = 0;
	timer_run_expired(heap, 200);
	assert_int_equal(fake.reprograms[0], 1);
}

static void a_timer_moves_to_another_cpu_with_its_deadline(void **state)
{
	(void)state;
	timer_set(&t[0], 100);
	timer_migrate(&t[0], 2);
	assert_int_equal(timer_next_deadline(&fake.timers[0]), ~0ULL);
	assert_int_equal(timer_next_deadline(&fake.timers[2]), 100);
	timer_migrate(&t[1], 2);
	assert_false(timer_is_set(&t[1]));
	timer_run_expired(&fake.timers[2], 100);
	assert_int_equal(fired[0], 1);
}

/* A restless function on one thread, kills from another: after a kill nothing runs. */
static bool stop_now;
static u32 in_function;

static void restless(void *data)
{
	__atomic_store_n(&in_function, 1, __ATOMIC_SEQ_CST);
	timer_set(data, 0);
	sched_yield();
	__atomic_store_n(&in_function, 0, __ATOMIC_SEQ_CST);
}

static void *run_cpu(void *arg)
{
	while (!__atomic_load_n(&stop_now, __ATOMIC_SEQ_CST)) {
		timer_run_expired(arg, 1);
		sched_yield();
	}
	return NULL;
}

static void kill_waits_for_a_function_on_another_cpu(void **state)
{
	pthread_t cpu;

	(void)state;
	stop_now = false;
	t[0].fn = restless;
	assert_int_equal(pthread_create(&cpu, NULL, run_cpu, heap), 0);
	for (u32 i = 0; i < 2000; i++) {
		timer_set(&t[0], 0);
		if (i % 3 == 0)
			sched_yield();
		timer_kill(&t[0]);
		assert_int_equal(__atomic_load_n(&in_function, __ATOMIC_SEQ_CST), 0);
		assert_false(timer_is_set(&t[0]));
	}
	__atomic_store_n(&stop_now, true, __ATOMIC_SEQ_CST);
	pthread_join(cpu, NULL);
}

static void random_use_matches_a_plain_array(void **state)
{
	u64 due[NR]; /* 0: not set */
	u64 now = 1;
	u32 want[NR];

	(void)state;
	memset(due, 0, sizeof(due));
	memset(want, 0, sizeof(want));
	srand(11);
	for (u32 step = 0; step < 200000; step++) {
		u32 i = rand() % NR;
		u64 first = ~0ULL;

		switch (rand() % 8) {
		case 0:
			now += rand() % 500;
			nr_fired = 0;
			for (u32 k = 0; k < NR; k++) {
				want[k] += due[k] && due[k] <= now;
				if (due[k] <= now)
					due[k] = 0;
			}
			timer_run_expired(heap, now);
			break;
		case 1:
		case 2:
			timer_stop(&t[i]);
			due[i] = 0;
			break;
		default:
			due[i] = now + rand() % 3000;
			timer_set(&t[i], due[i]);
		}
		for (u32 k = 0; k < NR && step % 16 == 0; k++) {
			assert_int_equal(fired[k], want[k]);
			assert_int_equal(timer_is_set(&t[k]), due[k] != 0);
			if (due[k])
				first = min(first, due[k]);
		}
		if (step % 16 == 0)
			assert_true(timer_next_deadline(heap) == first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(timers_fire_in_order_of_their_deadlines, fresh),
		cmocka_unit_test_setup(a_deadline_can_be_moved_both_ways, fresh),
		cmocka_unit_test_setup(a_stopped_timer_does_not_fire, fresh),
		cmocka_unit_test_setup(a_timer_that_sets_itself_into_the_past_fires_once_per_run, fresh),
		cmocka_unit_test_setup(a_function_can_stop_those_that_expired_with_it, fresh),
		cmocka_unit_test_setup(the_clock_is_told_only_when_the_earliest_deadline_changes, fresh),
		cmocka_unit_test_setup(a_run_reprograms_once_whatever_its_functions_do, fresh),
		cmocka_unit_test_setup(a_timer_moves_to_another_cpu_with_its_deadline, fresh),
		cmocka_unit_test_setup(kill_waits_for_a_function_on_another_cpu, fresh),
		cmocka_unit_test_setup(random_use_matches_a_plain_array, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
