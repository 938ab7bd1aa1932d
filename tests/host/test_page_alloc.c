// SPDX-License-Identifier: MIT
/* The page allocator: limits, merging, zeroing, and a long random run against a map of who owns what. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake_machine.h"

static int fresh(void **state)
{
	(void)state;
	fake_reset_frames(8192);
	return 0;
}

static bool is_zero(mfn_t mfn)
{
	const u8 *p = fake_frame(mfn);

	for (u32 i = 0; i < PAGE_SIZE; i++)
		if (p[i])
			return false;
	return true;
}

static void whole_heap_comes_back_as_it_was_added(void **state)
{
	mfn_t a, b;

	(void)state;
	page_alloc_add(MFN(4096), 4096);
	assert_int_equal(free_page_count(), 4096);
	a = alloc_pages(12, 0, ALLOC_NOSCRUB);
	assert_int_equal(a.m, 4096);
	assert_true(mfn_eq(alloc_pages(0, 0, ALLOC_NOSCRUB), INVALID_MFN));
	free_pages(a, 12, false);
	b = alloc_pages(12, 0, ALLOC_NOSCRUB);
	assert_int_equal(b.m, 4096);
}

static void single_frames_merge_into_the_largest_block(void **state)
{
	mfn_t m[1024];

	(void)state;
	page_alloc_add(MFN(1024), 1024);
	for (u32 i = 0; i < 1024; i++) {
		m[i] = alloc_pages(0, 0, ALLOC_NOSCRUB);
		assert_false(mfn_eq(m[i], INVALID_MFN));
	}
	assert_int_equal(free_page_count(), 0);
	for (u32 i = 0; i < 1024; i++)
		free_pages(m[i * 37 % 1024], 0, false);
	assert_false(mfn_eq(alloc_pages(10, 0, ALLOC_NOSCRUB), INVALID_MFN));
}

static void odd_ranges_are_added_whole(void **state)
{
	(void)state;
	page_alloc_add(MFN(3), 1021);
	page_alloc_add(MFN(1025), 2);
	assert_int_equal(free_page_count(), 1023);
	page_alloc_add(MFN(1024), 1);
	assert_int_equal(free_page_count(), 1024);
	assert_int_equal(alloc_pages(9, 0, ALLOC_NOSCRUB).m, 512);
}

static void frame_0_is_never_handed_out(void **state)
{
	(void)state;
	page_alloc_add(MFN(0), 4);
	assert_int_equal(free_page_count(), 3);
	for (u32 i = 0; i < 3; i++)
		assert_int_not_equal(alloc_pages(0, 0, 0).m, 0);
	assert_true(mfn_eq(alloc_pages(0, 0, 0), INVALID_MFN));
}

static void limited_allocations_lie_below_their_limit(void **state)
{
	(void)state;
	fake_reset_frames(1u << 21); /* 8 GiB */
	page_alloc_add(MFN(1), (1u << 21) - 1);
	for (u32 bits = 14; bits <= 33; bits++) {
		mfn_t m = alloc_pages(1, bits, ALLOC_NOSCRUB);

		assert_false(mfn_eq(m, INVALID_MFN));
		assert_true((m.m + 2) << PAGE_SHIFT <= 1ULL << bits);
		/* As high as it may be: the low ones are for those who need them. */
		assert_true((m.m + 2) << PAGE_SHIFT > 1ULL << (bits - 1));
	}
	assert_true(mfn_eq(alloc_pages(0, 12, ALLOC_NOSCRUB), INVALID_MFN));
	assert_true(mfn_eq(alloc_pages(6, 18, ALLOC_NOSCRUB), INVALID_MFN)); /* 256 KiB below 256 KiB */
}

static void unlimited_allocations_leave_low_memory_alone(void **state)
{
	u64 low = 0;

	(void)state;
	fake_reset_frames(1u << 21);
	page_alloc_add(MFN(1), (1u << 21) - 1);
	for (u32 i = 0; i < 1u << 11; i++) /* 4 GiB in blocks of 2 MiB */
		low += alloc_pages(9, 0, ALLOC_NOSCRUB).m < 1u << 20;
	assert_int_equal(low, 0);
	assert_int_equal(alloc_pages(9, 24, ALLOC_NOSCRUB).m >> 12, 0);
}

static void memory_is_zero_unless_told_otherwise(void **state)
{
	mfn_t m;

	(void)state;
	page_alloc_add(MFN(4096), 16);
	memset(fake_frame(MFN(4096)), 0xa5, 16 * PAGE_SIZE);
	m = alloc_pages(2, 0, 0);
	for (u32 i = 0; i < 4; i++)
		assert_true(is_zero(MFN(m.m + i)));
	assert_int_equal(fake.frames_mapped, 0);
}

static void boot_memory_may_come_as_it_is(void **state)
{
	mfn_t m;

	(void)state;
	page_alloc_add(MFN(4096), 1);
	memset(fake_frame(MFN(4096)), 0xa5, PAGE_SIZE);
	m = alloc_pages(0, 0, ALLOC_NOSCRUB);
	assert_false(is_zero(m));
}

static void a_domains_data_is_never_seen_by_the_next_owner(void **state)
{
	mfn_t m[16];

	(void)state;
	page_alloc_add(MFN(4096), 16);
	for (u32 i = 0; i < 16; i++)
		m[i] = alloc_pages(0, 0, ALLOC_NOSCRUB);
	memset(fake_frame(MFN(4096)), 0xa5, 16 * PAGE_SIZE);
	/* One dirty frame merges with clean ones: the whole is dirty then. */
	for (u32 i = 0; i < 16; i++) {
		bool dirty = m[i].m == 4096 + 5;

		if (!dirty)
			memset(fake_frame(m[i]), 0, PAGE_SIZE);
		free_pages(m[i], 0, dirty);
	}
	assert_int_equal(alloc_pages(4, 0, ALLOC_NOSCRUB).m, 4096);
	assert_true(is_zero(MFN(4096 + 5)));
}

static void frames_come_without_owner_reference_or_type(void **state)
{
	mfn_t m;

	(void)state;
	page_alloc_add(MFN(4096), 8);
	m = alloc_pages(3, 0, 0);
	for (u32 i = 0; i < 8; i++) {
		struct page_info *pg = mfn_to_page(MFN(m.m + i));

		assert_int_equal(page_owner(pg), PGC_owner_none);
		assert_int_equal(pg->count & PGC_count_mask, 0);
		assert_int_equal(pg->type, 0);
		assert_int_equal(page_to_mfn(pg).m, m.m + i);
	}
}

static void no_reference_can_be_had_on_a_free_frame(void **state)
{
	struct domain *d = fake_domain(3, 1, false);
	mfn_t m;

	(void)state;
	page_alloc_add(MFN(4096), 8);
	m = alloc_pages(0, 0, 0);
	free_pages(m, 0, true);
	for (u64 i = 4096; i < 4104; i++)
		assert_null(get_guest_frame(d, GFN(i), false));
}

static void wrong_frees_are_bugs(void **state)
{
	mfn_t m;

	(void)state;
	page_alloc_add(MFN(4096), 8);
	m = alloc_pages(1, 0, 0);
	FAKE_EXPECT_PANIC(free_pages(MFN(m.m + 1), 1, false));
	FAKE_EXPECT_PANIC(free_pages(MFN(0), 0, false));
	FAKE_EXPECT_PANIC(free_pages(MFN(1u << 30), 0, false));
	FAKE_EXPECT_PANIC(page_alloc_add(MFN(8000), 1000));
}

static void too_large_orders_fail(void **state)
{
	(void)state;
	page_alloc_add(MFN(1), 8191);
	assert_true(mfn_eq(alloc_pages(PAGE_ALLOC_MAX_ORDER + 1, 0, 0), INVALID_MFN));
	assert_true(mfn_eq(alloc_pages(13, 0, 0), INVALID_MFN));
	assert_true(mfn_eq(alloc_pages(~0u, 0, 0), INVALID_MFN));
}

/* Every frame belongs to nobody or to one live block; the free count is exact; all merges in the end. */
static void random_use_keeps_every_frame_in_one_place(void **state)
{
	static u16 owner[8192];
	struct { u64 first; u32 order; } block[600];
	u32 nr = 0;
	u64 taken = 0;

	(void)state;
	memset(owner, 0, sizeof(owner));
	page_alloc_add(MFN(1), 8191);
	srand(7);
	for (u32 step = 0; step < 100000; step++) {
		if (rand() % 2 && nr < ARRAY_SIZE(block)) {
			u32 order = rand() % 8;
			u32 bits = rand() % 3 ? 0 : 18 + rand() % 8;
			mfn_t m = alloc_pages(order, bits, ALLOC_NOSCRUB);

			if (mfn_eq(m, INVALID_MFN))
				continue;
			assert_int_equal(m.m % (1u << order), 0);
			assert_true(!bits || (m.m + (1u << order)) << PAGE_SHIFT <= 1ULL << bits);
			for (u64 i = 0; i < 1u << order; i++) {
				assert_int_equal(owner[m.m + i], 0);
				owner[m.m + i] = 1;
			}
			taken += 1u << order;
			block[nr].first = m.m;
			block[nr++].order = order;
		} else if (nr) {
			u32 k = rand() % nr;

			for (u64 i = 0; i < 1u << block[k].order; i++)
				owner[block[k].first + i] = 0;
			taken -= 1u << block[k].order;
			free_pages(MFN(block[k].first), block[k].order, false);
			block[k] = block[--nr];
		}
		assert_int_equal(free_page_count(), 8191 - taken);
	}
	while (nr-- > 0)
		free_pages(MFN(block[nr].first), block[nr].order, false);
	for (u32 order = 12; order > 0; order--) /* 4096.., 2048.., ... 2..3: only whole blocks are left */
		assert_int_equal(alloc_pages(order, 0, ALLOC_NOSCRUB).m, 1u << order);
	assert_int_equal(alloc_pages(0, 0, ALLOC_NOSCRUB).m, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(whole_heap_comes_back_as_it_was_added, fresh),
		cmocka_unit_test_setup(single_frames_merge_into_the_largest_block, fresh),
		cmocka_unit_test_setup(odd_ranges_are_added_whole, fresh),
		cmocka_unit_test_setup(frame_0_is_never_handed_out, fresh),
		cmocka_unit_test_setup(limited_allocations_lie_below_their_limit, fresh),
		cmocka_unit_test_setup(unlimited_allocations_leave_low_memory_alone, fresh),
		cmocka_unit_test_setup(memory_is_zero_unless_told_otherwise, fresh),
		cmocka_unit_test_setup(boot_memory_may_come_as_it_is, fresh),
		cmocka_unit_test_setup(a_domains_data_is_never_seen_by_the_next_owner, fresh),
		cmocka_unit_test_setup(frames_come_without_owner_reference_or_type, fresh),
		cmocka_unit_test_setup(no_reference_can_be_had_on_a_free_frame, fresh),
		cmocka_unit_test_setup(wrong_frees_are_bugs, fresh),
		cmocka_unit_test_setup(too_large_orders_fail, fresh),
		cmocka_unit_test_setup(random_use_keeps_every_frame_in_one_place, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
