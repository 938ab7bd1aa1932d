// SPDX-License-Identifier: MIT
/* Where things lie in a new guest, for kernels that want different things; and when a guest is too small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lib/errno.h"

#define require(promise) assert_true(promise)
#include "check_layout.h"

#define LINUX_BASE 0xffffffff80000000ULL

/* As in Debian's 6.1 kernel. */
static struct elf_image linux_kernel(void)
{
	return (struct elf_image){
		.vstart = LINUX_BASE + MiB(16), .vend = LINUX_BASE + MiB(74), .virt_base = LINUX_BASE, .entry = LINUX_BASE + MiB(16),
		.has_init_p2m = true, .p2m_base = 1ULL << 39, .mod_start_pfn = true,
	};
}

static struct elf_image grub(void)
{
	return (struct elf_image){ .vstart = 0, .vend = MiB(1), .virt_base = 0, .entry = 0 };
}

static struct layout plan(struct elf_image e, u64 pages, u64 initrd)
{
	const char *error = NULL;
	struct layout l;
	u64 needs;

	assert_int_equal(layout_plan(&l, &e, pages, initrd, &needs, &error), 0);
	assert_true(needs <= pages);
	check_layout(&l);
	return l;
}

static void linux_has_its_p2m_at_512_gib_and_its_initrd_unmapped(void **state)
{
	struct layout l = plan(linux_kernel(), MiB(256) >> 12, MiB(20) + 1);

	assert_int_equal(l.kernel.pfn, MiB(16) >> 12);
	assert_int_equal(l.start_info, MiB(74) >> 12);
	assert_int_equal(l.mapped % (MiB(4) >> 12), 0);
	assert_int_equal(l.initrd.pfn, l.mapped);
	assert_int_equal(l.initrd.count, (MiB(20) >> 12) + 1);
	assert_int_equal(l.p2m.pfn, l.mapped + l.initrd.count);
	assert_int_equal(l.p2m.count, (MiB(256) >> 12) * 8 / 4096);
	assert_int_equal(l.p2m_tables.pfn, l.p2m.pfn + l.p2m.count);
	assert_int_equal(l.p2m_tables.count, 3);
	assert_int_equal(l.p2m_address, 1ULL << 39);
}

static void a_kernel_without_wishes_has_all_mapped_behind_it(void **state)
{
	struct layout l = plan(grub(), MiB(128) >> 12, 5000);

	assert_int_equal(l.initrd.pfn, 256);
	assert_int_equal(l.p2m.pfn, 258);
	assert_int_equal(l.p2m_address, 258 << 12);
	assert_int_equal(l.p2m_tables.count, 0);
}

static void sizes_of_every_kind_are_laid_out(void **state)
{
	for (u64 mib = 96; mib < 40000; mib = mib * 3 / 2 + 1)
		for (u64 initrd = 0; initrd < MiB(12); initrd = initrd * 7 + 4096)
			plan(linux_kernel(), (MiB(mib) >> 12) + mib % 5, initrd);
	for (u64 mib = 5; mib < 2000; mib = mib * 2 + 1)
		plan(grub(), MiB(mib) >> 12, MiB(1) * (mib % 3));
}

/* The p2m next to the rest, before and behind: some tables serve both. */
static void shared_tables_are_used_once(void **state)
{
	struct elf_image e = linux_kernel();

	e.p2m_base = LINUX_BASE - 4096 * 64;
	plan(e, MiB(128) >> 12, 0);
	e.p2m_base = LINUX_BASE + MiB(128);
	plan(e, MiB(128) >> 12, 0);
	e.virt_base = LINUX_BASE + MiB(1);
	e.p2m_base = LINUX_BASE;
	plan(e, MiB(128) >> 12, 0);
	e = grub();
	e.has_init_p2m = true;
	e.p2m_base = GiB(1) - 4096;
	plan(e, MiB(256) >> 12, 0);
}

static void overlapping_or_impossible_p2m_is_refused(void **state)
{
	struct elf_image e = linux_kernel();
	const char *error = NULL;
	struct layout l;
	u64 needs;

	e.p2m_base = LINUX_BASE + MiB(75);
	assert_int_equal(layout_plan(&l, &e, MiB(128) >> 12, 0, &needs, &error), -EINVAL);
	assert_non_null(error);
	e.p2m_base = LINUX_BASE - 4096;
	assert_int_equal(layout_plan(&l, &e, MiB(128) >> 12, 0, &needs, &error), -EINVAL);
	e.p2m_base = (1ULL << 47) - 4096;
	assert_int_equal(layout_plan(&l, &e, MiB(128) >> 12, 0, &needs, &error), -EINVAL);
	e.p2m_base = -4096ULL;
	assert_int_equal(layout_plan(&l, &e, MiB(128) >> 12, 0, &needs, &error), -EINVAL);
}

static void a_kernel_at_the_end_of_the_address_space_is_refused_where_its_memory_does_not_fit(void **state)
{
	struct elf_image e = linux_kernel();
	const char *error = NULL;
	struct layout l;
	u64 needs;

	e.mod_start_pfn = false;
	e.virt_base = -MiB(80);
	e.vstart = e.virt_base;
	e.vend = e.virt_base + MiB(64);
	assert_int_equal(layout_plan(&l, &e, MiB(512) >> 12, MiB(64), &needs, &error), -EINVAL);
	assert_non_null(error);
}

static void too_small_a_guest_is_told_what_it_takes(void **state)
{
	struct elf_image e = linux_kernel();
	const char *error = NULL;
	struct layout l;
	u64 needs = 0;

	assert_int_equal(layout_plan(&l, &e, MiB(64) >> 12, 0, &needs, &error), -ENOMEM);
	assert_in_range(needs, (MiB(74) >> 12) + 128, MiB(76) >> 12);
	/* The kernel would fit, but not with its initrd. */
	assert_int_equal(layout_plan(&l, &e, MiB(96) >> 12, MiB(30), &needs, &error), -ENOMEM);
	assert_true(needs > MiB(104) >> 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linux_has_its_p2m_at_512_gib_and_its_initrd_unmapped),
		cmocka_unit_test(a_kernel_without_wishes_has_all_mapped_behind_it),
		cmocka_unit_test(sizes_of_every_kind_are_laid_out),
		cmocka_unit_test(shared_tables_are_used_once),
		cmocka_unit_test(overlapping_or_impossible_p2m_is_refused),
		cmocka_unit_test(a_kernel_at_the_end_of_the_address_space_is_refused_where_its_memory_does_not_fit),
		cmocka_unit_test(too_small_a_guest_is_told_what_it_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
