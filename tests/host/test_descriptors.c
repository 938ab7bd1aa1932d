// SPDX-License-Identifier: MIT
/* Which descriptors a guest may load, and what is made of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/types.h"
#include "pv/descriptors.h"

#define P (1ULL << 47)
#define S (1ULL << 44)
#define DPL(n) ((u64)(n) << 45)
#define TYPE(n) ((u64)(n) << 40)

static bool fix(u64 in, u64 *out)
{
	*out = in;
	return descriptor_fix(out);
}

static void absent_descriptors_are_left_alone(void **state)
{
	u64 out;

	(void)state;
	for (u64 bits = 0; bits < 1 << 8; bits++) {
		u64 in = (bits << 40 & ~P) | 0x00cf0000deadbeefULL;

		assert_true(fix(in, &out));
		assert_int_equal(out, in);
	}
}

static void code_and_data_segments_get_ring_3(void **state)
{
	u64 out;

	(void)state;
	for (unsigned type = 0; type < 16; type++) {
		for (unsigned dpl = 0; dpl < 4; dpl++) {
			u64 in = P | S | DPL(dpl) | TYPE(type) | 0x12af00003456789aULL;

			assert_true(fix(in, &out));
			assert_int_equal(out, in | DPL(3));
		}
	}
}

static void present_system_descriptors_are_refused(void **state)
{
	u64 out;

	(void)state;
	/* TSS, LDT, call, interrupt, trap and task gates, and what is reserved. */
	for (unsigned type = 0; type < 16; type++) {
		for (unsigned dpl = 0; dpl < 4; dpl++) {
			u64 in = P | DPL(dpl) | TYPE(type) | 0xffff;

			assert_false(fix(in, &out));
			assert_int_equal(out, in);
		}
	}
}

/* What Linux has in its GDT. */
static void linuxs_flat_segments_are_accepted(void **state)
{
	static const u64 gdt[] = { 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff,
				   0x00affb000000ffff, 0x0040f10000000000, 0 };
	u64 out;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(gdt); i++) {
		assert_true(fix(gdt[i], &out));
		assert_int_equal(out, gdt[i] ? gdt[i] | DPL(3) : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_descriptors_are_left_alone),
		cmocka_unit_test(code_and_data_segments_get_ring_3),
		cmocka_unit_test(present_system_descriptors_are_refused),
		cmocka_unit_test(linuxs_flat_segments_are_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
