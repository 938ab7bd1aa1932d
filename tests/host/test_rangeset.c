// SPDX-License-Identifier: MIT
/* Sets of ranges, also against a bitmap. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake_machine.h"
#include "lib/rangeset.h"

static struct rangeset *r;

static int fresh(void **state)
{
	(void)state;
	fake_reset();
	r = rangeset_new();
	return 0;
}

static int done(void **state)
{
	(void)state;
	rangeset_free(r);
	assert_int_equal(fake.allocs_live, 0);
	return 0;
}

static void an_empty_set_contains_nothing(void **state)
{
	(void)state;
	assert_false(rangeset_contains(r, 0, 0));
	assert_false(rangeset_overlaps(r, 0, ~0ULL));
	assert_int_equal(rangeset_remove(r, 0, ~0ULL), 0);
}

static void neighbours_become_one_range(void **state)
{
	(void)state;
	assert_int_equal(rangeset_add(r, 10, 19), 0);
	assert_int_equal(rangeset_add(r, 30, 39), 0);
	assert_false(rangeset_contains(r, 10, 39));
	assert_int_equal(rangeset_add(r, 20, 29), 0);
	assert_true(rangeset_contains(r, 10, 39));
	assert_false(rangeset_contains(r, 9, 10));
	assert_false(rangeset_contains(r, 39, 40));
}

static void a_hole_splits_a_range(void **state)
{
	(void)state;
	assert_int_equal(rangeset_add(r, 0, 0xffff), 0);
	assert_int_equal(rangeset_remove(r, 0xcf8, 0xcff), 0);
	assert_true(rangeset_contains(r, 0, 0xcf7));
	assert_true(rangeset_contains(r, 0xd00, 0xffff));
	assert_false(rangeset_overlaps(r, 0xcf8, 0xcff));
	assert_true(rangeset_overlaps(r, 0xcf8, 0xd00));
}

static void both_ends_of_the_number_space_work(void **state)
{
	(void)state;
	assert_int_equal(rangeset_add(r, 0, ~0ULL), 0);
	assert_true(rangeset_contains(r, 0, ~0ULL));
	assert_int_equal(rangeset_remove(r, 0, 0), 0);
	assert_int_equal(rangeset_remove(r, ~0ULL, ~0ULL), 0);
	assert_true(rangeset_contains(r, 1, ~0ULL - 1));
	assert_false(rangeset_overlaps(r, ~0ULL, ~0ULL));
	assert_int_equal(rangeset_add(r, ~0ULL, ~0ULL), 0);
	assert_true(rangeset_contains(r, 1, ~0ULL));
	assert_int_equal(rangeset_remove(r, 0, ~0ULL), 0);
	assert_false(rangeset_overlaps(r, 0, ~0ULL));
}

static void without_memory_the_set_stays_as_it_was(void **state)
{
	(void)state;
	fake.alloc_fail_after = 0;
	assert_int_equal(rangeset_add(r, 1, 2), -ENOMEM);
	assert_false(rangeset_overlaps(r, 0, ~0ULL));
	for (u64 i = 0; i < 8; i++)
		assert_int_equal(rangeset_add(r, i * 10, i * 10 + 5), 0);
	fake.alloc_fail_after = 0;
	assert_int_equal(rangeset_remove(r, 2, 3), -ENOMEM);
	assert_true(rangeset_contains(r, 0, 5));
}

static void random_use_matches_a_bitmap(void **state)
{
	static bool in[512];

	(void)state;
	memset(in, 0, sizeof(in));
	srand(3);
	for (u32 step = 0; step < 100000; step++) {
		u32 first = rand() % 512;
		u32 last = min(511u, first + rand() % 20);
		bool all = true, any = false;

		if (rand() % 2) {
			assert_int_equal(rangeset_add(r, first, last), 0);
			memset(in + first, true, last - first + 1);
		} else {
			assert_int_equal(rangeset_remove(r, first, last), 0);
			memset(in + first, false, last - first + 1);
		}
		first = rand() % 512;
		last = min(511u, first + rand() % 8);
		for (u32 i = first; i <= last; i++) {
			all &= in[i];
			any |= in[i];
		}
		assert_int_equal(rangeset_contains(r, first, last), all);
		assert_int_equal(rangeset_overlaps(r, first, last), any);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_set_contains_nothing, fresh, done),
		cmocka_unit_test_setup_teardown(neighbours_become_one_range, fresh, done),
		cmocka_unit_test_setup_teardown(a_hole_splits_a_range, fresh, done),
		cmocka_unit_test_setup_teardown(both_ends_of_the_number_space_work, fresh, done),
		cmocka_unit_test_setup_teardown(without_memory_the_set_stays_as_it_was, fresh, done),
		cmocka_unit_test_setup_teardown(random_use_matches_a_bitmap, fresh, done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
