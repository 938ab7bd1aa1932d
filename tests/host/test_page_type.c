// SPDX-License-Identifier: MIT
/*
 * Page types: each rule of the ABI about what a page table or a descriptor page
 * may hold, what is counted for it, and when TLBs are flushed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "page_type_machine.h"

/* -------------------------------------------------------- references and types -- */

static void a_reference_needs_the_right_owner(void **state)
{
	mfn_t m = frame(a);

	(void)state;
	assert_false(get_page(m, b));
	assert_false(get_page(MFN(BEYOND), a));
	assert_false(get_page(MFN(FAKE_FRAMES - 1), a));
	assert_true(get_page(m, a));
	assert_int_equal(refs(m), 2);
	put_page(m);
	assert_int_equal(refs(m), 1);
}

static void a_page_table_is_not_mapped_writable(void **state)
{
	struct tower t = build(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	for (unsigned i = 0; i < 4; i++) {
		mfn_t tables[] = { t.l1, t.l2, t.l3, t.l4 };

		assert_int_equal(update(t.l1, 6, pte(tables[i], RW)), -EINVAL);
		assert_int_equal(table(t.l1)[6], 0);
		assert_false(get_page_writable(tables[i], a));
	}
	assert_as_before();
}

static void a_page_table_may_be_mapped_read_only(void **state)
{
	struct tower t = build(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l1, 6, pte(t.l1, RO)), 0);
	assert_int_equal(update(t.l1, 7, pte(t.l4, RO)), 0);
	assert_int_equal(refs(t.l1), 3); /* owner, its L2 entry, its own entry */
	assert_int_equal(types(t.l1), 1);
}

static void a_writable_frame_does_not_become_a_table(void **state)
{
	struct tower t = build(a);
	mfn_t other = frame(a);

	(void)state;
	table(t.l1)[9] = pte(other, RW);
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	assert_int_equal(pin(other, 1), -EINVAL);
	assert_int_equal(update(t.l2, 1, pte(other, RW)), -EINVAL);
	assert_as_before();
}

static void a_table_that_maps_itself_writable_is_refused(void **state)
{
	mfn_t l1 = frame(a);

	(void)state;
	table(l1)[0] = pte(l1, RW);
	take_snapshot(&before);
	assert_int_equal(pin(l1, 1), -EINVAL);
	assert_as_before();
}

static void a_type_changes_only_at_count_0(void **state)
{
	mfn_t m = frame(a);

	(void)state;
	assert_true(get_page_writable(m, a));
	assert_true(get_page_writable(m, a));
	assert_int_equal(pin(m, 1), -EINVAL);
	put_page_writable(m);
	assert_int_equal(pin(m, 1), -EINVAL);
	put_page_writable(m);
	assert_int_equal(pin(m, 1), 0);
	for (unsigned level = 2; level <= 4; level++)
		assert_int_equal(pin(m, level), -EINVAL);
	assert_false(get_page_seg_desc(m, a));
	assert_int_equal(unpin(m), 0);
	assert_true(get_page_seg_desc(m, a));
	assert_false(get_page_writable(m, a));
	assert_int_equal(pin(m, 1), -EINVAL);
	put_page_seg_desc(m);
	assert_int_equal(refs(m), 1);
	assert_int_equal(types(m), 0);
}

static void a_recursive_entry_is_refused(void **state)
{
	struct tower t = build(a);

	(void)state;
	table(t.l4)[6] = pte(t.l4, RW);
	take_snapshot(&before);
	assert_int_equal(pin(t.l4, 4), -EINVAL);
	assert_as_before();
	table(t.l4)[6] = 0;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l4, 6, pte(t.l4, RW)), -EINVAL);
	assert_int_equal(update(t.l2, 6, pte(t.l3, RW)), -EINVAL);
}

/* --------------------------------------------------------------------- pinning -- */

static void pinning_as_the_wrong_level_is_refused(void **state)
{
	struct tower t = build(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	assert_int_equal(pin(t.l1, 2), -EINVAL);
	assert_int_equal(pin(t.l2, 1), -EINVAL);
	assert_int_equal(pin(t.l2, 3), -EINVAL);
	assert_int_equal(pin(t.l3, 4), -EINVAL);
	assert_as_before();
}

static void pinning_counts_each_table_once(void **state)
{
	struct tower t = build(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(type(t.l4), PGT_l4);
	assert_int_equal(type(t.l3), PGT_l3);
	assert_int_equal(type(t.l2), PGT_l2);
	assert_int_equal(type(t.l1), PGT_l1);
	assert_int_equal(type(t.data), PGT_writable);
	for (unsigned i = 0; i < 5; i++) {
		mfn_t all[] = { t.l4, t.l3, t.l2, t.l1, t.data };

		assert_int_equal(types(all[i]), 1);
		assert_int_equal(refs(all[i]), 2);
		assert_true(validated(all[i]));
	}
}

static void pinning_twice_is_refused(void **state)
{
	struct tower t = build(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	assert_int_equal(pin(t.l4, 4), -EINVAL);
	assert_as_before();
}

static void unpinning_what_is_not_pinned_is_refused(void **state)
{
	struct tower t = build(a);
	mfn_t plain = frame(a), foreign = frame(b);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	assert_int_equal(unpin(t.l1), -EINVAL);
	assert_int_equal(unpin(plain), -EINVAL);
	assert_int_equal(unpin(foreign), -EINVAL);
	assert_int_equal(unpin(MFN(BEYOND)), -EINVAL);
	assert_as_before();
	assert_int_equal(unpin(t.l4), 0);
	assert_int_equal(unpin(t.l4), -EINVAL);
}

static void pinning_a_foreign_or_missing_frame_is_refused(void **state)
{
	mfn_t foreign = frame(b);

	(void)state;
	assert_int_equal(pin(foreign, 1), -EINVAL);
	assert_int_equal(pin(foreign, 4), -EINVAL);
	assert_int_equal(pin(MFN(BEYOND), 1), -EINVAL);
	assert_int_equal(pin(MFN(HOLE), 1), -EINVAL);
	assert_int_equal(refs(foreign), 1);
}

static void unpinning_gives_everything_back(void **state)
{
	struct tower t = build(a);

	(void)state;
	take_snapshot(&before);
	assert_int_equal(pin(t.l1, 1), 0);
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(unpin(t.l1), 0);
	assert_int_equal(types(t.l1), 1);
	assert_int_equal(unpin(t.l4), 0);
	assert_as_before();
}

static void a_shared_lower_table_is_counted_for_each_entry(void **state)
{
	struct tower t = build(a), u = build(a);

	(void)state;
	table(u.l4)[7] = pte(t.l3, RW);
	table(u.l3)[7] = pte(t.l2, RW);
	table(u.l2)[7] = table(u.l2)[8] = pte(t.l1, RW);
	take_snapshot(&before);
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(pin(u.l4, 4), 0);
	assert_int_equal(types(t.l3), 2);
	assert_int_equal(types(t.l2), 2);
	assert_int_equal(types(t.l1), 3);
	assert_int_equal(types(t.data), 1);
	assert_int_equal(unpin(t.l4), 0);
	assert_int_equal(types(t.l1), 3);
	assert_int_equal(unpin(u.l4), 0);
	assert_as_before();
}

static void a_base_pointer_keeps_a_table_after_its_unpinning(void **state)
{
	struct tower t = build(a);

	(void)state;
	take_snapshot(&before);
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(get_page_table(v, t.l4, a, 4), 0);
	assert_int_equal(unpin(t.l4), 0);
	assert_true(validated(t.l4));
	assert_int_equal(types(t.l1), 1);
	put_page_table(v, t.l4);
	assert_as_before();
}

/* ---------------------------------------------------------------------- entries -- */

static void large_pages_are_refused(void **state)
{
	struct tower t = build(a);
	mfn_t tables[] = { t.l2, t.l3, t.l4 };

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(update(tables[i], 6, pte(t.data, RW | PTE_PSE)), -EINVAL);
	assert_as_before();
	for (unsigned level = 2; level <= 4; level++) {
		mfn_t m = frame(a);

		table(m)[3] = pte(t.data, RW | PTE_PSE);
		assert_int_equal(pin(m, level), -EINVAL);
	}
}

static void reserved_and_caching_bits_are_refused_above_l1(void **state)
{
	static const u64 bad[] = { PTE_PWT, PTE_PCD, PTE_PSE, PTE_G };
	struct tower t = build(a);
	mfn_t l1 = frame(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(update(t.l2, 6, pte(l1, RW | bad[i])), -EINVAL);
	assert_int_equal(update(t.l2, 6, pte(l1, RW | PTE_A | PTE_D | PTE_AVAIL | PTE_NX | 0x7ffULL << 52)), 0);
}

static void caching_bits_in_l1_are_for_dom0_only(void **state)
{
	static const u64 bits[] = { PTE_PWT, PTE_PCD, PTE_PAT };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++) {
		u64 own = pte(frame(a), RW | bits[i]), other = pte(frame(b), RW | bits[i]);

		assert_int_equal(l1_entry_get(&own, a, a), 0);
		assert_int_equal(l1_entry_get(&other, b, b), -EINVAL);
	}
}

static void entries_naming_foreign_frames_are_refused(void **state)
{
	struct tower t = build(a);
	mfn_t foreign = frame(b);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	assert_int_equal(update(t.l1, 6, pte(foreign, RO)), -EINVAL);
	assert_int_equal(update(t.l1, 6, pte(foreign, RW)), -EINVAL);
	for (unsigned i = 0; i < 3; i++) {
		mfn_t tables[] = { t.l2, t.l3, t.l4 };

		assert_int_equal(update(tables[i], 6, pte(foreign, RW)), -EINVAL);
	}
	assert_as_before();
}

static void a_foreign_frame_is_mapped_when_its_owner_is_named(void **state)
{
	struct tower t = build(a);
	mfn_t foreign = frame(b);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update_as(t.l1, 6, pte(foreign, RW), false, a, b), 0);
	assert_int_equal(refs(foreign), 2);
	assert_int_equal(types(foreign), 1);
	/* It is taken off its owner's hands, and dies with the mapping. */
	assert_true(release_owned_page(foreign, b));
	assert_int_equal(refs(foreign), 1);
	assert_int_equal(b->tot_pages, 1);
	assert_int_equal(update(t.l1, 6, 0), 0);
	assert_int_equal(b->tot_pages, 0);
}

static void frames_beyond_the_machine_need_the_io_right(void **state)
{
	struct tower t = build(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l1, 6, pte(MFN(BEYOND), RW)), -EPERM);
	assert_int_equal(rangeset_add(a->iomem, BEYOND, BEYOND), 0);
	take_snapshot(&before);
	assert_int_equal(update(t.l1, 6, pte(MFN(BEYOND), RW)), 0);
	assert_int_equal(update(t.l1, 7, pte(MFN(BEYOND + 1), RW)), -EPERM);
	assert_int_equal(update(t.l1, 6, 0), 0);
	assert_as_before();
	/* Tables can't lie there. */
	assert_int_equal(update(t.l2, 6, pte(MFN(BEYOND), RW)), -EINVAL);
}

static void frames_of_dom_io_need_the_io_right_and_are_not_counted(void **state)
{
	struct tower t = build(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l1, 6, pte(MFN(HOLE), RO)), -EPERM);
	assert_int_equal(rangeset_add(a->iomem, HOLE, HOLE), 0);
	take_snapshot(&before);
	assert_int_equal(update(t.l1, 6, pte(MFN(HOLE), RW)), 0);
	assert_int_equal(update_as(t.l1, 7, pte(MFN(HOLE), RO), false, a, dom_io), 0);
	assert_as_before();
	assert_int_equal(update_as(t.l1, 8, pte(MFN(HOLE), RO), false, a, b), -EINVAL);
	assert_int_equal(update(t.l1, 6, 0), 0);
	assert_as_before();
}

static void the_io_right_of_one_domain_is_not_anothers(void **state)
{
	u64 e = pte(MFN(HOLE), RO);

	(void)state;
	assert_int_equal(rangeset_add(a->iomem, HOLE, HOLE), 0);
	assert_int_equal(l1_entry_get(&e, b, b), -EPERM);
	assert_int_equal(l1_entry_get(&e, b, dom_io), -EPERM);
}

static void cached_mappings_of_devices_become_uncached(void **state)
{
	struct tower t = build(a);

	(void)state;
	assert_int_equal(rangeset_add(a->iomem, BEYOND, BEYOND), 0);
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l1, 6, pte(MFN(BEYOND), RW)), 0);
	assert_int_equal(table(t.l1)[6], pte(MFN(BEYOND), RW | PTE_PWT | PTE_PCD));
	/* And stay so when only other bits change. */
	assert_int_equal(update(t.l1, 6, pte(MFN(BEYOND), RW | PTE_A)), 0);
	assert_int_equal(table(t.l1)[6], pte(MFN(BEYOND), RW | PTE_A | PTE_PWT | PTE_PCD));
	/* Write-combining, by the ABI's PAT, is the guest's to choose. */
	assert_int_equal(update(t.l1, 7, pte(MFN(BEYOND), RW | PTE_PAT | PTE_PWT)), 0);
	assert_int_equal(table(t.l1)[7], pte(MFN(BEYOND), RW | PTE_PAT | PTE_PWT));
}

static void taking_writing_back_turns_the_count_into_a_reference(void **state)
{
	struct tower t = build(a);
	mfn_t m = frame(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	/* The last count has a reference, which the entry keeps. */
	assert_int_equal(update(t.l1, 6, pte(m, RW)), 0);
	assert_int_equal(update(t.l1, 6, pte(m, RO)), 0);
	assert_int_equal(types(m), 0);
	assert_int_equal(refs(m), 2);
	/* One of two counts: the other stays, with the reference of both. */
	assert_int_equal(update(t.l1, 7, pte(m, RW)), 0);
	assert_int_equal(update(t.l1, 8, pte(m, RW | PTE_D)), 0);
	assert_int_equal(update_as(t.l1, 8, pte(m, PTE_P), true, a, a), 0);
	assert_int_equal(table(t.l1)[8], pte(m, RO | PTE_D | PTE_GUEST_KERNEL));
	assert_int_equal(types(m), 1);
	assert_int_equal(refs(m), 4); /* owner, two entries for reading, one that all counts share */
	for (unsigned i = 6; i < 9; i++)
		assert_int_equal(update(t.l1, i, 0), 0);
	assert_as_before();
	/* What holds nothing gains nothing. */
	assert_int_equal(rangeset_add(a->iomem, HOLE, HOLE), 0);
	assert_int_equal(update(t.l1, 6, pte(MFN(HOLE), RW)), 0);
	assert_int_equal(update(t.l1, 6, table(t.l1)[6] & ~(u64)PTE_RW), 0);
	assert_int_equal(update(t.l1, 6, 0), 0);
	assert_as_before();
}

static void writing_to_anothers_frame_is_not_turned_into_reading_as_ones_own(void **state)
{
	struct tower t = build(a);
	mfn_t m = frame(b);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update_as(t.l1, 6, pte(m, RW), false, a, b), 0);
	assert_int_equal(update(t.l1, 6, pte(m, RO)), -EINVAL);
	assert_int_equal(table(t.l1)[6], pte(m, RW));
	assert_int_equal(update_as(t.l1, 6, pte(m, RO), false, a, b), 0);
	assert_int_equal(refs(m), 2);
	assert_int_equal(types(m), 0);
	assert_int_equal(update(t.l1, 6, 0), 0);
	assert_int_equal(refs(m), 1);
}

static void frames_with_message_tables_are_mapped_read_only(void **state)
{
	struct tower t = build(a);

	(void)state;
	assert_int_equal(rangeset_add(a->iomem, MSIX_FRAME, MSIX_FRAME), 0);
	table(t.l1)[6] = pte(MFN(MSIX_FRAME), RW);
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(table(t.l1)[6], pte(MFN(MSIX_FRAME), RO | PTE_PWT | PTE_PCD));
	assert_int_equal(update(t.l1, 7, pte(MFN(MSIX_FRAME), RW)), 0);
	assert_int_equal(table(t.l1)[7], pte(MFN(MSIX_FRAME), RO | PTE_PWT | PTE_PCD));
	/* Asking again for the right to write does not help. */
	assert_int_equal(update(t.l1, 7, pte(MFN(MSIX_FRAME), RW | PTE_PWT | PTE_PCD)), 0);
	assert_int_equal(table(t.l1)[7], pte(MFN(MSIX_FRAME), RO | PTE_PWT | PTE_PCD));
	assert_int_equal(update(t.l1, 8, pte(MFN(MSIX_FRAME + 1), RW)), -EPERM);
}

static void kernel_pages_get_the_user_bit_and_the_marker(void **state)
{
	struct tower t = build(a);

	(void)state;
	table(t.l1)[1] = pte(t.data, PTE_P | PTE_RW);
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(table(t.l1)[1], pte(t.data, RW | PTE_GUEST_KERNEL));
	assert_int_equal(table(t.l1)[5], pte(t.data, RW));
	assert_int_equal(update(t.l1, 2, pte(t.data, PTE_P)), 0);
	assert_int_equal(table(t.l1)[2], pte(t.data, RO | PTE_GUEST_KERNEL));
	/* The quick way, where frame and rights stay, too. */
	assert_int_equal(update(t.l1, 2, pte(t.data, PTE_P | PTE_A)), 0);
	assert_int_equal(table(t.l1)[2], pte(t.data, RO | PTE_A | PTE_GUEST_KERNEL));
	assert_int_equal(update(t.l1, 2, pte(t.data, RO)), 0);
	assert_int_equal(table(t.l1)[2], pte(t.data, RO));
}

static void tables_above_l1_get_the_user_bit(void **state)
{
	struct tower t = build(a);
	mfn_t l1 = frame(a);

	(void)state;
	table(t.l4)[5] &= ~(u64)PTE_U;
	table(t.l3)[5] &= ~(u64)PTE_U;
	table(t.l2)[5] &= ~(u64)PTE_U;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(table(t.l4)[5], pte(t.l3, RW));
	assert_int_equal(table(t.l3)[5], pte(t.l2, RW));
	assert_int_equal(table(t.l2)[5], pte(t.l1, RW));
	assert_int_equal(update(t.l2, 6, pte(l1, PTE_P | PTE_RW)), 0);
	assert_int_equal(table(t.l2)[6], pte(l1, RW));
}

static void entries_that_are_not_present_hold_nothing(void **state)
{
	struct tower t = build(a);
	mfn_t foreign = frame(b);

	(void)state;
	table(t.l1)[0] = pte(foreign, PTE_RW | PTE_PSE | PTE_U);
	table(t.l2)[0] = ~(u64)PTE_P;
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	assert_int_equal(update(t.l1, 1, ~(u64)PTE_P), 0);
	assert_int_equal(table(t.l1)[1], ~(u64)PTE_P);
	assert_int_equal(update(t.l4, 1, pte(foreign, PTE_RW)), 0);
	assert_int_equal(update(t.l1, 1, 0), 0);
	assert_as_before();
}

static void an_entry_replaced_gives_back_what_it_held(void **state)
{
	struct tower t = build(a);
	mfn_t other = frame(a), l1 = frame(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l1, 5, pte(other, RW)), 0);
	assert_int_equal(refs(t.data), 1);
	assert_int_equal(types(t.data), 0);
	assert_int_equal(types(other), 1);
	assert_int_equal(update(t.l1, 5, pte(other, RO)), 0);
	assert_int_equal(types(other), 0);
	assert_int_equal(refs(other), 2);
	assert_int_equal(update(t.l1, 5, pte(other, RW)), 0);
	assert_int_equal(types(other), 1);
	assert_int_equal(update(t.l2, 5, pte(l1, RW)), 0);
	assert_int_equal(types(t.l1), 0);
	assert_int_equal(refs(t.l1), 1);
	assert_int_equal(types(other), 0);
	assert_int_equal(refs(other), 1);
}

static void a_refused_update_leaves_the_entry(void **state)
{
	struct tower t = build(a);
	u64 was;

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	was = table(t.l1)[5];
	assert_int_equal(update(t.l1, 5, pte(t.l1, RW)), -EINVAL);
	assert_int_equal(table(t.l1)[5], was);
	was = table(t.l2)[5];
	assert_int_equal(update(t.l2, 5, pte(t.data, RW)), -EINVAL);
	assert_int_equal(table(t.l2)[5], was);
	assert_as_before();
}

static void hypervisor_slots_are_not_written_by_updates(void **state)
{
	struct tower t = build(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	take_snapshot(&before);
	for (unsigned i = HV_SLOT_FIRST; i <= HV_SLOT_LAST; i++) {
		u64 was = table(t.l4)[i];

		assert_int_equal(update(t.l4, i, 0), -EINVAL);
		assert_int_equal(update(t.l4, i, pte(t.l3, RW)), -EINVAL);
		assert_int_equal(table(t.l4)[i], was);
	}
	assert_as_before();
	assert_int_equal(update(t.l4, HV_SLOT_FIRST - 1, pte(t.l3, RW)), 0);
	assert_int_equal(update(t.l4, HV_SLOT_LAST + 1, pte(t.l3, RW)), 0);
	assert_int_equal(types(t.l3), 3);
	/* In an L3 the same indices are the guest's. */
	assert_int_equal(update(t.l3, HV_SLOT_FIRST, pte(t.l2, RW)), 0);
}

static void hypervisor_slots_are_filled_on_promotion_whatever_was_there(void **state)
{
	struct tower t = build(a);
	mfn_t foreign = frame(b);

	(void)state;
	for (unsigned i = HV_SLOT_FIRST; i <= HV_SLOT_LAST; i++)
		table(t.l4)[i] = pte(foreign, RW | PTE_PSE);
	take_snapshot(&before);
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(refs(foreign), 1);
	assert_int_equal(l4_filled.m, t.l4.m);
	assert_int_equal(table(t.l4)[HV_SLOT_FIRST], 0x5a5a000 | RW);
	assert_int_equal(table(t.l4)[HV_SLOT_LAST], 0x5a5a000 | RW);
	assert_int_equal(table(t.l4)[HV_SLOT_LAST + 1], 0);
	assert_int_equal(unpin(t.l4), 0);
	assert_as_before();
}

static void a_changed_l4_is_told_to_those_who_copy_it(void **state)
{
	struct tower t = build(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	l4_told = INVALID_MFN;
	assert_int_equal(update(t.l3, 6, 0), 0);
	assert_int_equal(l4_told.m, INVALID_MFN.m);
	assert_int_equal(update(t.l4, 6, pte(t.l3, RW)), 0);
	assert_int_equal(l4_told.m, t.l4.m);
}

static void accessed_and_dirty_bits_are_preserved_when_asked(void **state)
{
	struct tower t = build(a);
	mfn_t other = frame(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	table(t.l1)[5] |= PTE_A | PTE_D; /* the CPU */
	assert_int_equal(update_as(t.l1, 5, pte(t.data, RW | PTE_NX), true, a, a), 0);
	assert_int_equal(table(t.l1)[5], pte(t.data, RW | PTE_A | PTE_D | PTE_NX));
	assert_int_equal(update_as(t.l1, 5, pte(t.data, RO), true, a, a), 0);
	assert_int_equal(table(t.l1)[5], pte(t.data, RO | PTE_A | PTE_D));
	assert_int_equal(update_as(t.l1, 5, pte(other, RW), true, a, a), 0);
	assert_int_equal(table(t.l1)[5], pte(other, RW | PTE_A | PTE_D));
	assert_int_equal(update(t.l1, 5, pte(other, RW)), 0);
	assert_int_equal(table(t.l1)[5], pte(other, RW));
	table(t.l2)[5] |= PTE_A;
	assert_int_equal(update_as(t.l2, 5, pte(t.l1, RW | PTE_NX), true, a, a), 0);
	assert_int_equal(table(t.l2)[5], pte(t.l1, RW | PTE_A | PTE_NX));
	assert_int_equal(update(t.l2, 5, pte(t.l1, RW)), 0);
	assert_int_equal(table(t.l2)[5], pte(t.l1, RW));
}

/* ------------------------------------------------------------------------- TLBs -- */

static void tlbs_are_flushed_at_dangerous_changes_of_type_only(void **state)
{
	mfn_t m = frame(a);

	(void)state;
	assert_int_equal(pin(m, 1), 0); /* none to table */
	assert_int_equal(unpin(m), 0);
	assert_int_equal(pin(m, 1), 0); /* table to the same */
	assert_int_equal(unpin(m), 0);
	assert_int_equal(fake.flushes, 0);
	assert_true(get_page_writable(m, a)); /* table to writable */
	assert_int_equal(fake.flushes, 1);
	assert_true(get_page_writable(m, a));
	put_page_writable(m);
	put_page_writable(m);
	assert_true(get_page_writable(m, a)); /* writable to the same */
	put_page_writable(m);
	assert_int_equal(fake.flushes, 1);
	assert_int_equal(pin(m, 2), 0); /* writable to table */
	assert_int_equal(fake.flushes, 2);
	assert_int_equal(unpin(m), 0);
	assert_int_equal(pin(m, 1), 0); /* table to another level */
	assert_int_equal(fake.flushes, 3);
	assert_int_equal(unpin(m), 0);
	assert_true(get_page_seg_desc(m, a)); /* table to descriptors */
	assert_int_equal(fake.flushes, 4);
	put_page_seg_desc(m);
	m = frame(a);
	assert_true(get_page_writable(m, a)); /* none to writable */
	assert_int_equal(fake.flushes, 4);
	put_page_writable(m);
	assert_true(get_page_seg_desc(m, a)); /* writable to descriptors */
	assert_int_equal(fake.flushes, 5);
	put_page_seg_desc(m);
}

static void a_frame_never_mapped_is_freed_without_a_flush(void **state)
{
	mfn_t m = frame(a);

	(void)state;
	assert_true(get_page(m, a));
	put_page(m);
	assert_true(release_owned_page(m, a));
	assert_int_equal(fake.flushes, 0);
}

static void a_frame_ever_mapped_writable_is_freed_with_a_flush(void **state)
{
	struct tower t = build(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l1, 5, 0), 0);
	assert_int_equal(fake.flushes, 0);
	assert_true(release_owned_page(t.data, a));
	assert_int_equal(fake.flushes, 1);
}

static void a_frame_ever_mapped_read_only_is_freed_with_a_flush(void **state)
{
	struct tower t = build(a);
	mfn_t m = frame(a);

	(void)state;
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l1, 6, pte(m, RO)), 0);
	assert_int_equal(update(t.l1, 6, 0), 0);
	assert_true(release_owned_page(m, a));
	assert_int_equal(fake.flushes, 1);
}

/* XSA-100's class. Frames end as data, as tables and as descriptors; all come to the next domain as zeros. */
static void a_frame_of_one_domain_comes_zeroed_to_the_next(void **state)
{
	struct tower t = build(a);
	mfn_t desc = frame(a), given[] = { t.data, t.l1, t.l2, t.l3, t.l4, desc };
	u64 found = 0;

	(void)state;
	assert_true(get_page_seg_desc(desc, a));
	put_page_seg_desc(desc);
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(unpin(t.l4), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(given); i++) {
		memset(fake_frame(given[i]), 0xa5, PAGE_SIZE);
		assert_true(release_owned_page(given[i], a));
	}
	for (;;) {
		/* As memory for dom0 is taken: zeroed only where a domain had it. */
		mfn_t m = alloc_pages(0, 0, ALLOC_NOSCRUB);

		if (mfn_eq(m, INVALID_MFN))
			break;
		for (unsigned i = 0; i < ARRAY_SIZE(given); i++) {
			if (!mfn_eq(m, given[i]))
				continue;
			found++;
			for (unsigned k = 0; k < 512; k++)
				assert_int_equal(table(m)[k], 0);
		}
	}
	assert_int_equal(found, ARRAY_SIZE(given));
}

/* ------------------------------------------------------ shared and descriptor pages -- */

static void a_shared_page_is_mapped_writable_but_never_freed(void **state)
{
	struct tower t = build(a);
	mfn_t m = alloc_pages(0, 0, 0);
	u64 free = free_page_count();

	(void)state;
	share_page_with_domain(m, a, true);
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l1, 6, pte(m, RW)), 0);
	assert_int_equal(update(t.l1, 7, pte(m, RO)), 0);
	assert_int_equal(pin(m, 1), -EINVAL);
	assert_false(get_page_seg_desc(m, a));
	assert_false(release_owned_page(m, a));
	assert_int_equal(update(t.l1, 6, 0), 0);
	assert_int_equal(update(t.l1, 7, 0), 0);
	assert_int_equal(free_page_count(), free);
}

static void a_shared_page_lives_on_while_it_is_mapped_and_goes_then(void **state)
{
	struct tower t = build(a);
	mfn_t m = alloc_pages(0, 0, 0);
	u64 free = free_page_count(), pages = a->tot_pages;

	(void)state;
	share_page_with_domain(m, a, true);
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l1, 6, pte(m, RW)), 0);
	disown_shared_page(m, a);
	assert_int_equal(free_page_count(), free);
	assert_int_equal(a->tot_pages, pages + 1);
	assert_int_equal(update(t.l1, 6, 0), 0);
	assert_int_equal(free_page_count(), free + 1);
	assert_int_equal(a->tot_pages, pages);
	assert_false(get_page(m, a));
}

static void memory_is_released_at_once_but_for_what_others_map(void **state)
{
	mfn_t first = MFN(0), kept = MFN(0);
	u64 free, pages;

	(void)state;
	for (u32 i = 0; i < 200; i++) {
		mfn_t m = fake_give_frame(b);

		first = i ? first : m;
		kept = i == 77 ? m : kept;
	}
	assert_true(get_page(kept, b));
	free = free_page_count();
	pages = b->tot_pages;
	fake.flushes = 0;
	for (u64 m = 0; m < max_page; m += 64)
		if (mfn_valid(MFN(m)))
			release_owned_pages(m, b);
	assert_int_equal(b->tot_pages, 1);
	assert_int_equal(free_page_count(), free + pages - 1);
	assert_in_range(fake.flushes, 1, 10);
	put_page(kept);
	assert_int_equal(b->tot_pages, 0);
}

static void a_page_shared_for_reading_is_not_mapped_writable(void **state)
{
	struct tower t = build(a);
	mfn_t m = alloc_pages(0, 0, 0);

	(void)state;
	share_page_with_domain(m, a, false);
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l1, 6, pte(m, RW)), -EINVAL);
	assert_int_equal(update(t.l1, 6, pte(m, RO)), 0);
	assert_int_equal(pin(m, 1), -EINVAL);
	assert_int_equal(update(t.l1, 6, 0), 0);
}

#define CODE64 0x00209b0000000000ULL /* present, DPL 0, L */
#define DATA 0x00cf93000000ffffULL
#define TSS 0x0000890000000067ULL
#define DPL3 (3ULL << 45)

static void a_descriptor_page_is_checked_and_made_ring_3(void **state)
{
	mfn_t m = frame(a);

	(void)state;
	table(m)[2] = CODE64;
	table(m)[511] = DATA;
	assert_true(get_page_seg_desc(m, a));
	assert_int_equal(table(m)[2], CODE64 | DPL3);
	assert_int_equal(table(m)[511], DATA | DPL3);
	assert_int_equal(type(m), PGT_seg_desc);
	assert_true(validated(m));
	assert_true(get_page_seg_desc(m, a));
	assert_int_equal(types(m), 2);
	put_page_seg_desc(m);
	put_page_seg_desc(m);
	assert_int_equal(refs(m), 1);
}

static void a_descriptor_page_is_checked_anew_after_it_was_writable(void **state)
{
	mfn_t m = frame(a);

	(void)state;
	assert_true(get_page_seg_desc(m, a));
	put_page_seg_desc(m);
	assert_true(get_page_writable(m, a));
	table(m)[7] = TSS;
	put_page_writable(m);
	assert_false(get_page_seg_desc(m, a));
	assert_int_equal(refs(m), 1);
	assert_int_equal(types(m), 0);
	table(m)[7] = 0;
	assert_true(get_page_seg_desc(m, a));
	put_page_seg_desc(m);
}

static void a_descriptor_page_is_not_mapped_writable(void **state)
{
	struct tower t = build(a);
	mfn_t m = frame(a);

	(void)state;
	assert_true(get_page_seg_desc(m, a));
	assert_int_equal(pin(t.l4, 4), 0);
	assert_int_equal(update(t.l1, 6, pte(m, RW)), -EINVAL);
	assert_int_equal(update(t.l1, 6, pte(m, RO)), 0);
	assert_false(get_page_seg_desc(t.l1, a));
	assert_false(get_page_seg_desc(t.data, a));
	assert_false(get_page_seg_desc(frame(b), a));
	put_page_seg_desc(m);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_reference_needs_the_right_owner),
		T(a_page_table_is_not_mapped_writable),
		T(a_page_table_may_be_mapped_read_only),
		T(a_writable_frame_does_not_become_a_table),
		T(a_table_that_maps_itself_writable_is_refused),
		T(a_type_changes_only_at_count_0),
		T(a_recursive_entry_is_refused),
		T(pinning_as_the_wrong_level_is_refused),
		T(pinning_counts_each_table_once),
		T(pinning_twice_is_refused),
		T(unpinning_what_is_not_pinned_is_refused),
		T(pinning_a_foreign_or_missing_frame_is_refused),
		T(unpinning_gives_everything_back),
		T(a_shared_lower_table_is_counted_for_each_entry),
		T(a_base_pointer_keeps_a_table_after_its_unpinning),
		T(large_pages_are_refused),
		T(reserved_and_caching_bits_are_refused_above_l1),
		T(caching_bits_in_l1_are_for_dom0_only),
		T(entries_naming_foreign_frames_are_refused),
		T(a_foreign_frame_is_mapped_when_its_owner_is_named),
		T(frames_beyond_the_machine_need_the_io_right),
		T(frames_of_dom_io_need_the_io_right_and_are_not_counted),
		T(the_io_right_of_one_domain_is_not_anothers),
		T(cached_mappings_of_devices_become_uncached),
		T(taking_writing_back_turns_the_count_into_a_reference),
		T(writing_to_anothers_frame_is_not_turned_into_reading_as_ones_own),
		T(frames_with_message_tables_are_mapped_read_only),
		T(kernel_pages_get_the_user_bit_and_the_marker),
		T(tables_above_l1_get_the_user_bit),
		T(entries_that_are_not_present_hold_nothing),
		T(an_entry_replaced_gives_back_what_it_held),
		T(a_refused_update_leaves_the_entry),
		T(hypervisor_slots_are_not_written_by_updates),
		T(hypervisor_slots_are_filled_on_promotion_whatever_was_there),
		T(a_changed_l4_is_told_to_those_who_copy_it),
		T(accessed_and_dirty_bits_are_preserved_when_asked),
		T(tlbs_are_flushed_at_dangerous_changes_of_type_only),
		T(a_frame_never_mapped_is_freed_without_a_flush),
		T(a_frame_ever_mapped_writable_is_freed_with_a_flush),
		T(a_frame_ever_mapped_read_only_is_freed_with_a_flush),
		T(a_frame_of_one_domain_comes_zeroed_to_the_next),
		T(a_shared_page_is_mapped_writable_but_never_freed),
		T(a_shared_page_lives_on_while_it_is_mapped_and_goes_then),
		T(memory_is_released_at_once_but_for_what_others_map),
		T(a_page_shared_for_reading_is_not_mapped_writable),
		T(a_descriptor_page_is_checked_and_made_ring_3),
		T(a_descriptor_page_is_checked_anew_after_it_was_writable),
		T(a_descriptor_page_is_not_mapped_writable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
