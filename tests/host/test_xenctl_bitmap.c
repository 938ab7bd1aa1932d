// SPDX-License-Identifier: MIT
/* Bitmaps of CPUs in a toolstack's memory: of any length, bytes in order, nothing beyond. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include "fake_machine.h"
#include "core/xenctl_bitmap.h"

static u8 *bytes;
static struct xenctl_bitmap map = { .bitmap = FAKE_GUEST_BASE };

static int fresh(void **state)
{
	(void)state;
	fake_reset();
	bytes = fake_guest(FAKE_GUEST_BASE);
	memset(bytes, 0x55, 64);
	return 0;
}

static void a_shorter_one_gets_what_it_has_room_for(void **state)
{
	const u64 cpus[] = { 0x8899aabbccddeeff, 0x3 };

	(void)state;
	map.nr_bits = 12;
	assert_int_equal(bitmap_to_guest(&map, cpus, 66), 0);
	assert_int_equal(bytes[0], 0xff);
	assert_int_equal(bytes[1], 0xee);
	assert_int_equal(bytes[2], 0x55);
}

static void a_longer_one_is_clear_beyond_the_last_cpu(void **state)
{
	const u64 cpus[] = { ~0ULL, ~0ULL };

	(void)state;
	map.nr_bits = 100;
	assert_int_equal(bitmap_to_guest(&map, cpus, 66), 0);
	assert_int_equal(bytes[7], 0xff);
	assert_int_equal(bytes[8], 0x03);
	assert_int_equal(bytes[9] | bytes[10] | bytes[11] | bytes[12], 0);
	assert_int_equal(bytes[13], 0x55);
}

static void what_the_caller_does_not_have_reads_as_clear(void **state)
{
	u64 cpus[2] = { ~0ULL, ~0ULL };

	(void)state;
	map.nr_bits = 11;
	assert_int_equal(bitmap_from_guest(cpus, 70, &map), 0);
	assert_int_equal(cpus[0], 0x555);
	assert_int_equal(cpus[1], 0);
	map.nr_bits = 500;
	assert_int_equal(bitmap_from_guest(cpus, 70, &map), 0);
	assert_int_equal(cpus[0], 0x5555555555555555);
	assert_int_equal(cpus[1], 0x15);
}

static void bad_pointers_are_faults(void **state)
{
	u64 cpus[2] = { 0, 0 };

	(void)state;
	map.nr_bits = 70;
	fake_guest_readonly(FAKE_GUEST_BASE);
	assert_int_equal(bitmap_to_guest(&map, cpus, 70), -EFAULT);
	fake_guest_unmap(FAKE_GUEST_BASE);
	assert_int_equal(bitmap_from_guest(cpus, 70, &map), -EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_shorter_one_gets_what_it_has_room_for, fresh),
		cmocka_unit_test_setup(a_longer_one_is_clear_beyond_the_last_cpu, fresh),
		cmocka_unit_test_setup(what_the_caller_does_not_have_reads_as_clear, fresh),
		cmocka_unit_test_setup(bad_pointers_are_faults, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
