// SPDX-License-Identifier: MIT
/*
 * The memory map: real maps, edges of the address space, and random operations
 * against a reference model, which is an array with one type for each page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/e820.h"

static u64 seed = 1;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* What QEMU's q35 with 6 GiB hands over. */
static const struct e820_entry q35[] = {
	{ 0x0, 0x9fc00, 1 }, { 0x9fc00, 0x400, 2 }, { 0xf0000, 0x10000, 2 }, { 0x100000, 0x7fedf000, 1 },
	{ 0x7ffdf000, 0x21000, 2 }, { 0xb0000000, 0x10000000, 2 }, { 0xfed1c000, 0x4000, 2 },
	{ 0xfeffc000, 0x4000, 2 }, { 0xfffc0000, 0x40000, 2 }, { 0x100000000, 0x100000000, 1 },
};

static void map_of(struct e820_map *m, const struct e820_entry *e, u32 nr)
{
	m->nr = 0;
	for (u32 i = 0; i < nr; i++)
		assert_int_equal(e820_add(m, e[i].addr, e[i].size, e[i].type), 0);
	assert_int_equal(e820_sanitise(m), 0);
}

static void check(const struct e820_map *m, const struct e820_entry *e, u32 nr)
{
	assert_int_equal(m->nr, nr);
	assert_memory_equal(m->e, e, nr * sizeof(*e));
}

static void assert_in_order(const struct e820_map *m)
{
	for (u32 i = 0; i < m->nr; i++) {
		assert_true(m->e[i].size > 0);
		assert_true(m->e[i].type > 0);
		if (!i)
			continue;
		assert_true(m->e[i - 1].addr + m->e[i - 1].size <= m->e[i].addr);
		if (m->e[i - 1].addr + m->e[i - 1].size == m->e[i].addr)
			assert_true(m->e[i - 1].type != m->e[i].type);
	}
}

static void a_clean_map_stays_as_it_is(void **state)
{
	struct e820_map m;

	(void)state;
	map_of(&m, q35, ARRAY_SIZE(q35));
	check(&m, q35, ARRAY_SIZE(q35));
	assert_int_equal(sizeof(struct e820_entry), 20);
}

static void unsorted_overlapping_and_touching_ranges_are_resolved(void **state)
{
	static const struct e820_entry raw[] = {
		{ 0x5000, 0x1000, 1 }, { 0x0, 0x3000, 1 }, { 0x3000, 0x2000, 1 }, { 0x2000, 0x2000, 2 },
		{ 0x3000, 0x800, 4 }, { 0x9000, 0, 1 }, { 0x8000, 0x1000, 0 },
	};
	static const struct e820_entry want[] = {
		{ 0x0, 0x2000, 1 }, { 0x2000, 0x1000, 2 }, { 0x3000, 0x800, 4 }, { 0x3800, 0x800, 2 },
		{ 0x4000, 0x2000, 1 }, { 0x8000, 0x1000, 2 },
	};
	struct e820_map m;

	(void)state;
	map_of(&m, raw, ARRAY_SIZE(raw));
	check(&m, want, ARRAY_SIZE(want));
}

static void a_range_past_the_end_is_cut_there(void **state)
{
	static const struct e820_entry raw[] = { { 0xfffffffffffff000, 0x10000, 2 }, { 0x1000, ~0ULL, 1 } };
	struct e820_map m;

	(void)state;
	map_of(&m, raw, ARRAY_SIZE(raw));
	assert_in_order(&m);
	assert_int_equal(m.nr, 2);
	assert_true(m.e[0].size == 0xffffffffffffe000);
	assert_true(m.e[1].addr + m.e[1].size == ~0ULL);
}

static void multiboot1_entries_carry_their_own_size(void **state)
{
	u8 *raw = malloc(24 + 32);
	u32 size = 20;
	u64 addr = 0, len = 0x9f000;
	u32 type = 1;
	struct e820_map m;

	(void)state;
	memcpy(raw, &size, 4);
	memcpy(raw + 4, &addr, 8);
	memcpy(raw + 12, &len, 8);
	memcpy(raw + 20, &type, 4);
	size = 28; /* longer than needed is allowed */
	addr = 0x100000;
	len = 0x7f00000;
	memcpy(raw + 24, &size, 4);
	memcpy(raw + 28, &addr, 8);
	memcpy(raw + 36, &len, 8);
	memcpy(raw + 44, &type, 4);
	assert_int_equal(e820_from_multiboot1(&m, raw, 56), 0);
	assert_int_equal(m.nr, 2);
	assert_int_equal(m.e[1].addr, 0x100000);
	for (u32 n = 0; n < 56; n++) {
		u8 *cut = malloc(n ? n : 1);
		int rc;

		memcpy(cut, raw, n);
		rc = e820_from_multiboot1(&m, cut, n);
		assert_int_equal(rc, n == 0 || n == 24 ? 0 : -EINVAL);
		assert_int_equal(m.nr, n >= 24);
		free(cut);
	}
	size = 19;
	memcpy(raw + 24, &size, 4);
	assert_int_equal(e820_from_multiboot1(&m, raw, 56), -EINVAL);
	size = 0xfffffff0;
	memcpy(raw + 24, &size, 4);
	assert_int_equal(e820_from_multiboot1(&m, raw, 56), -EINVAL);
	free(raw);
}

/* GRUB on UEFI has numbers of its own. */
static void types_that_acpi_does_not_know_are_reserved(void **state)
{
	struct __packed { u64 addr, len; u32 type, zero; } e[] = {
		{ 0x1000, 0x1000, 1, 0 }, { 0x3000, 0x1000, 12, 0 }, { 0x5000, 0x1000, 13, 0 },
		{ 0x7000, 0x1000, 20, 0 }, { 0x9000, 0x1000, 0xffffffff, 0 },
	};
	static const u32 want[] = { 1, 12, 2, 2, 2 };
	struct e820_map m;

	(void)state;
	assert_int_equal(e820_from_multiboot2(&m, e, sizeof(e), sizeof(e[0])), 0);
	assert_int_equal(m.nr, 5);
	for (u32 i = 0; i < 5; i++)
		assert_int_equal(m.e[i].type, want[i]);
}

static void multiboot2_entries_have_one_size(void **state)
{
	struct {
		u64 addr, len;
		u32 type, zero;
	} e[2] = { { 0x100000, 0x100000, 1, 0 }, { 0, 0x9f000, 1, 0 } };
	struct e820_map m;

	(void)state;
	assert_int_equal(e820_from_multiboot2(&m, e, sizeof(e), sizeof(e[0])), 0);
	assert_int_equal(m.nr, 2);
	assert_int_equal(m.e[0].size, 0x9f000);
	assert_int_equal(e820_from_multiboot2(&m, e, sizeof(e) - 1, sizeof(e[0])), -EINVAL);
	assert_int_equal(m.nr, 1);
	assert_int_equal(e820_from_multiboot2(&m, e, sizeof(e), 0), -EINVAL);
	assert_int_equal(e820_from_multiboot2(&m, e, sizeof(e), 19), -EINVAL);
}

static void a_range_is_carved_out_of_ram(void **state)
{
	struct e820_map m;

	(void)state;
	map_of(&m, q35, ARRAY_SIZE(q35));
	assert_int_equal(e820_change(&m, 0x200000, 0x600000, E820_RESERVED), 0);
	assert_true(e820_all(&m, 0x200000, 0x600000, E820_RESERVED));
	assert_true(e820_all(&m, 0x100000, 0x200000, E820_RAM));
	assert_false(e820_any(&m, 0x200000, 0x600000, E820_RAM));
	assert_int_equal(m.nr, ARRAY_SIZE(q35) + 2);
	assert_int_equal(e820_change(&m, 0x200000, 0x600000, E820_RAM), 0);
	check(&m, q35, ARRAY_SIZE(q35));
	assert_true(e820_any(&m, 0x80000, 0x200000, E820_RAM));
	assert_false(e820_any(&m, 0xa0000, 0xf0000, E820_RAM));
}

static void clipping_removes_ram_only(void **state)
{
	struct e820_map m;

	(void)state;
	map_of(&m, q35, ARRAY_SIZE(q35));
	assert_true(e820_ram_end(&m) == 0x200000000);
	assert_true(e820_ram_bytes(&m) == 0x9fc00 + 0x7fedf000 + 0x100000000);
	e820_clip_ram(&m, 0x140000000);
	assert_true(e820_ram_end(&m) == 0x140000000);
	e820_clip_ram(&m, 0x40000000);
	assert_true(e820_ram_end(&m) == 0x40000000);
	assert_true(e820_all(&m, 0xfffc0000, 0x100000000, E820_RESERVED));
	e820_clip_ram(&m, 0);
	assert_int_equal(e820_ram_end(&m), 0);
	assert_int_equal(e820_ram_bytes(&m), 0);
}

static void a_free_range_avoids_what_is_busy(void **state)
{
	static const struct e820_range busy[] = { { 0x100000, 0x500000 }, { 0x7f000000, 0x7ffdf000 } };
	struct e820_map m;

	(void)state;
	map_of(&m, q35, ARRAY_SIZE(q35));
	assert_true(e820_find(&m, 0x200000, 0x200000, ~0ULL, NULL, 0) == 0x1ffe00000);
	assert_int_equal(e820_find(&m, 0x200000, 0x200000, 0x100000000, busy, 2), 0x7ee00000);
	assert_int_equal(e820_find(&m, 0x1000, 0x1000, 0x501000, busy, 2), 0x500000);
	assert_int_equal(e820_find(&m, 0x1000, 0x1000, 0x500000, busy, 2), 0x9e000);
	assert_int_equal(e820_find(&m, 0x1000, 0x1000, 0x2000, busy, 2), 0x1000);
	assert_int_equal(e820_find(&m, 0x1000, 0x1000, 0x1000, busy, 2), 0);
	assert_int_equal(e820_find(&m, 0x100000000, 0x1000, ~0ULL, NULL, 0), 0x100000000);
	assert_int_equal(e820_find(&m, 0x100001000, 0x1000, ~0ULL, NULL, 0), 0);
	assert_int_equal(e820_find(&m, 0, 0x1000, ~0ULL, NULL, 0), 0);
	assert_int_equal(e820_find(&m, ~0ULL, 0x1000, ~0ULL, busy, 2), 0);
}

static void dom0_sees_the_apics_as_reserved(void **state)
{
	static const u64 ioapic[] = { 0xfec00000, 0xfec10040 };
	struct e820_map m, view;

	(void)state;
	map_of(&m, q35, ARRAY_SIZE(q35));
	assert_int_equal(e820_dom0_view(&view, &m, ioapic, 2), 0);
	check(&m, q35, ARRAY_SIZE(q35));
	assert_true(e820_all(&view, 0xfee00000, 0xfef00000, E820_RESERVED));
	assert_true(e820_all(&view, 0xfec00000, 0xfec01000, E820_RESERVED));
	assert_true(e820_all(&view, 0xfec10000, 0xfec11000, E820_RESERVED));
	assert_int_equal(view.nr, ARRAY_SIZE(q35) + 3);
	assert_in_order(&view);
}

static void a_full_map_refuses_and_stays(void **state)
{
	struct e820_map m = { 0 }, before;

	(void)state;
	for (u64 i = 0; i < E820_MAX; i++)
		assert_int_equal(e820_add(&m, i * 0x4000, 0x3000, 1), 0);
	assert_int_equal(e820_add(&m, 0, 1, 1), -ENOSPC);
	assert_int_equal(e820_sanitise(&m), 0);
	memcpy(&before, &m, sizeof(m));
	assert_int_equal(e820_change(&m, 0x1000, 0x2000, 2), -ENOSPC);
	assert_memory_equal(&m, &before, sizeof(m));
	/* Whole entries can still change. */
	assert_int_equal(e820_change(&m, 0, 0x3000, 2), 0);
	/* Overlaps that resolve into more entries than fit. */
	m.nr = 0;
	for (u64 i = 0; i < E820_MAX - 1; i++)
		e820_add(&m, i * 0x4000, 0x1000, 2);
	e820_add(&m, 0, E820_MAX * 0x4000, 1);
	assert_int_equal(e820_sanitise(&m), -ENOSPC);
	assert_int_equal(m.nr, E820_MAX);
}

/* ---- The model: a type for each of 256 pages --------------------------------------------- */

#define PAGES 256

static u8 model[PAGES];

static void compare(const struct e820_map *m)
{
	u64 bytes = 0, end = 0;

	assert_in_order(m);
	for (u32 p = 0; p < PAGES; p++) {
		u64 a = p * PAGE_SIZE;
		u8 type = 0;

		for (u32 i = 0; i < m->nr; i++)
			if (a >= m->e[i].addr && a < m->e[i].addr + m->e[i].size)
				type = m->e[i].type;
		assert_int_equal(type, model[p]);
		if (type == E820_RAM) {
			bytes += PAGE_SIZE;
			end = a + PAGE_SIZE;
		}
	}
	assert_int_equal(e820_ram_bytes(m), bytes);
	assert_int_equal(e820_ram_end(m), end);
}

static bool model_free(u32 first, u32 pages, const struct e820_range *busy, u32 nr)
{
	for (u32 p = first; p < first + pages; p++) {
		if (p >= PAGES || model[p] != E820_RAM)
			return false;
		for (u32 i = 0; i < nr; i++)
			if (busy[i].start < (p + 1) * PAGE_SIZE && busy[i].end > p * PAGE_SIZE)
				return false;
	}
	return true;
}

static void compare_find(const struct e820_map *m)
{
	struct e820_range busy[4];
	u32 nr = rnd() % 5, pages = 1 + rnd() % 16, align = 1u << rnd() % 4, limit = rnd() % (PAGES + 1);
	u64 high = 0;

	for (u32 i = 0; i < nr; i++) {
		busy[i].start = rnd() % (PAGES * PAGE_SIZE);
		busy[i].end = busy[i].start + rnd() % (32 * PAGE_SIZE);
	}
	for (u32 p = align; p + pages <= limit; p += align) {
		if (model_free(p, pages, busy, nr))
			high = p * PAGE_SIZE;
	}
	assert_int_equal(e820_find(m, pages * PAGE_SIZE, align * PAGE_SIZE, limit * PAGE_SIZE, busy, nr), high);
}

static void random_operations_match_the_model(void **state)
{
	(void)state;
	for (int round = 0; round < 400; round++) {
		struct e820_map m = { 0 };

		memset(model, 0, sizeof(model));
		for (int i = rnd() % 30; i; i--) {
			u32 first = rnd() % PAGES, n = rnd() % 64, type = 1 + rnd() % 5;

			if (first + n > PAGES)
				n = PAGES - first;
			assert_int_equal(e820_add(&m, first * PAGE_SIZE, n * PAGE_SIZE, type), 0);
			for (u32 p = first; p < first + n; p++)
				model[p] = max(model[p], (u8)type);
		}
		assert_int_equal(e820_sanitise(&m), 0);
		compare(&m);
		for (int step = 0; step < 40; step++) {
			u32 first = rnd() % PAGES, n = rnd() % 64, to = rnd() % 6;

			if (first + n > PAGES)
				n = PAGES - first;
			assert_int_equal(e820_change(&m, first * PAGE_SIZE, (first + n) * PAGE_SIZE, to), 0);
			for (u32 p = first; p < first + n; p++)
				model[p] = to;
			compare(&m);
			compare_find(&m);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clean_map_stays_as_it_is),
		cmocka_unit_test(unsorted_overlapping_and_touching_ranges_are_resolved),
		cmocka_unit_test(a_range_past_the_end_is_cut_there),
		cmocka_unit_test(multiboot1_entries_carry_their_own_size),
		cmocka_unit_test(multiboot2_entries_have_one_size),
		cmocka_unit_test(types_that_acpi_does_not_know_are_reserved),
		cmocka_unit_test(a_range_is_carved_out_of_ram),
		cmocka_unit_test(clipping_removes_ram_only),
		cmocka_unit_test(a_free_range_avoids_what_is_busy),
		cmocka_unit_test(dom0_sees_the_apics_as_reserved),
		cmocka_unit_test(a_full_map_refuses_and_stays),
		cmocka_unit_test(random_operations_match_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
