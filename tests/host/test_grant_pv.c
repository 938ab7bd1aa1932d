// SPDX-License-Identifier: MIT
/* Granted frames in page tables: the entry that is written, the one that is cleared, what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "page_type_machine.h"
#include "xen/grant_table.h"

#define SLOT 5u
#define VA ((u64)SLOT << 39 | (u64)SLOT << 30 | (u64)SLOT << 21 | (u64)(SLOT + 1) << 12) /* empty in build()'s tables */

static struct tower t; /* of a, which maps frames that b grants */
static mfn_t granted;

static int with_tables(void **state)
{
	fresh(state);
	t = build(a);
	assert_int_equal(pin(t.l4, 4), 0);
	v->pv.kernel_mode = 1;
	v->pv.kernel_cr3 = t.l4.m << PAGE_SHIFT;
	granted = frame(b);
	/* What grant_table.c holds while it is mapped. */
	assert_true(get_page_writable(granted, b));
	return 0;
}

static int without_tables(void **state)
{
	put_page_writable(granted);
	assert_int_equal(refs(granted), 1);
	assert_int_equal(unpin(t.l4), 0);
	return done(state);
}

static u64 entry(void) { return table(t.l1)[SLOT + 1]; }
static u64 pte_address(void) { return (t.l1.m << PAGE_SHIFT) + (SLOT + 1) * 8; }

static void a_grant_is_mapped_at_a_kernel_address(void **state)
{
	(void)state;
	assert_int_equal(grant_host_map(v, VA, granted, GNTMAP_host_map), GNTST_okay);
	assert_true((entry() & PTE_MFN_MASK) >> PAGE_SHIFT == granted.m);
	assert_true((entry() & (PTE_P | PTE_RW | PTE_U | PTE_GUEST_KERNEL)) == (PTE_P | PTE_RW | PTE_U | PTE_GUEST_KERNEL));
	assert_int_equal(types(granted), 2);
	assert_int_equal(grant_host_unmap(v, VA, granted, GNTMAP_host_map), GNTST_okay);
	assert_int_equal(entry(), 0);
	assert_int_equal(types(granted), 1);
}

static void a_grant_is_mapped_in_an_entry(void **state)
{
	const u32 flags = GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_application_map | 5u << 16;

	(void)state;
	assert_int_equal(grant_host_map(v, pte_address(), granted, flags), GNTST_okay);
	assert_true((entry() & (PTE_GUEST_KERNEL | PTE_AVAIL)) == 5ULL << 9);
	/* Not an L1 table: no place for it. */
	assert_int_equal(grant_host_map(v, (t.l2.m << PAGE_SHIFT) + 8, granted, flags), GNTST_general_error);
	assert_int_equal(grant_host_map(v, t.data.m << PAGE_SHIFT, granted, flags), GNTST_general_error);
	assert_int_equal(grant_host_unmap(v, pte_address(), granted, flags), GNTST_okay);
	assert_int_equal(entry(), 0);
}

static void a_read_only_grant_is_mapped_read_only(void **state)
{
	const u32 flags = GNTMAP_host_map | GNTMAP_readonly;

	(void)state;
	assert_int_equal(grant_host_map(v, VA, granted, flags), GNTST_okay);
	assert_true((entry() & PTE_P) && !(entry() & PTE_RW));
	assert_int_equal(types(granted), 1);
	/* As a writable one it can't be unmapped. */
	assert_int_equal(grant_host_unmap(v, VA, granted, GNTMAP_host_map), GNTST_general_error);
	assert_int_equal(grant_host_unmap(v, VA, granted, flags), GNTST_okay);
}

static void an_unmap_clears_only_its_own_frame(void **state)
{
	mfn_t mine = frame(a);

	(void)state;
	assert_int_equal(update(t.l1, SLOT + 1, pte(mine, RW)), 0);
	assert_int_equal(grant_host_unmap(v, VA, granted, GNTMAP_host_map), GNTST_general_error);
	assert_true((entry() & PTE_MFN_MASK) >> PAGE_SHIFT == mine.m);
	assert_int_equal(update(t.l1, SLOT + 1, 0), 0);
	assert_int_equal(grant_host_unmap(v, VA, granted, GNTMAP_host_map), GNTST_general_error);
}

static void addresses_without_a_table_are_refused(void **state)
{
	(void)state;
	assert_int_equal(grant_host_map(v, 0x123000, granted, GNTMAP_host_map), GNTST_general_error);
	assert_int_equal(grant_host_map(v, HV_VIRT_START, granted, GNTMAP_host_map), GNTST_general_error);
	assert_int_equal(grant_host_unmap(v, 0x123000, granted, GNTMAP_host_map), GNTST_general_error);
}

static void a_grant_of_a_page_table_is_not_mapped_writable(void **state)
{
	struct tower other = build(b);

	(void)state;
	assert_int_equal(pin_page_table(w, other.l1, b, 1), 0);
	assert_int_equal(grant_host_map(v, VA, other.l1, GNTMAP_host_map), GNTST_general_error);
	assert_int_equal(entry(), 0);
	assert_int_equal(unpin_page_table(w, other.l1, b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_grant_is_mapped_at_a_kernel_address, with_tables, without_tables),
		cmocka_unit_test_setup_teardown(a_grant_is_mapped_in_an_entry, with_tables, without_tables),
		cmocka_unit_test_setup_teardown(a_read_only_grant_is_mapped_read_only, with_tables, without_tables),
		cmocka_unit_test_setup_teardown(an_unmap_clears_only_its_own_frame, with_tables, without_tables),
		cmocka_unit_test_setup_teardown(addresses_without_a_table_are_refused, with_tables, without_tables),
		cmocka_unit_test_setup_teardown(a_grant_of_a_page_table_is_not_mapped_writable, with_tables, without_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
