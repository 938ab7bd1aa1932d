// SPDX-License-Identifier: MIT
/* Grant table v1: who gets what, what is refused, what is counted, and what is left when someone dies. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake_machine.h"
#include "pv/page_type.h"

#define ARG FAKE_GUEST_BASE
#define LIST (FAKE_GUEST_BASE + 8 * PAGE_SIZE)

static struct domain *a, *b, *c; /* a is dom0 and maps, b grants, c looks on */
static mfn_t frame;              /* of b */
static grant_entry_v1_t *entry;  /* b's table, first frame */
static u64 refs_before;

static grant_entry_v1_t *table_of(struct domain *d)
{
	mfn_t m;

	assert_int_equal(grant_table_frame(d, 0, &m), 0);
	return fake_frame(m);
}

static u64 refs(mfn_t m) { return mfn_to_page(m)->count & PGC_count_mask; }
static u64 types(mfn_t m) { return mfn_to_page(m)->type & PGT_count_mask; }

static void grant(u32 ref, domid_t to, u32 flags, mfn_t m)
{
	entry[ref] = (grant_entry_v1_t){ .flags = flags, .domid = to, .frame = m.m };
}

static struct domain *unshared; /* its table was given up by the test itself */

static int fresh(void **state)
{
	(void)state;
	fake_reset();
	a = fake_domain(0, 1, true);
	b = fake_domain(5, 1, false);
	c = fake_domain(6, 1, false);
	assert_int_equal(grant_table_init(a, 4, 2), 0);
	assert_int_equal(grant_table_init(b, 4, 2), 0);
	assert_int_equal(grant_table_init(c, 4, 2), 0);
	unshared = NULL;
	entry = table_of(b);
	frame = fake_give_frame(b);
	refs_before = refs(frame);
	grant(8, 0, GTF_permit_access, frame);
	grant(9, 0, GTF_permit_access | GTF_readonly, frame);
	return 0;
}

static int done(void **state)
{
	struct domain *all[] = { a, b, c };

	(void)state;
	fake.alloc_fail_after = -1;
	fake.preempt_after = -1;
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(grant_table_destroy(all[i]), 0);
	assert_int_equal(refs(frame), refs_before);
	assert_int_equal(types(frame), 0);
	for (u32 i = 0; i < 3; i++) {
		if (all[i] != unshared)
			grant_table_unshare(all[i]);
		grant_table_free(all[i]);
		fake_domain_forget(all[i]);
		assert_int_equal(all[i]->refcount, 1);
	}
	assert_int_equal(fake.allocs_live, 0);
	assert_int_equal(fake.frames_mapped, 0);
	return 0;
}

static long op(struct domain *d, u32 cmd, void *arg, size_t bytes, u32 count)
{
	u32 did;
	long rc;

	memcpy(fake_guest(ARG), arg, bytes * count);
	rc = do_grant_table_op(d->vcpus[0], cmd, ARG, count, &did);
	memcpy(arg, fake_guest(ARG), bytes * count);
	assert_int_equal(fake_locks_held(), 0);
	return rc;
}

/* Handle, or the (negative) status. */
static s64 map(struct domain *d, domid_t from, u32 ref, u32 flags)
{
	gnttab_map_grant_ref_t m = { .host_addr = 0x1000, .flags = flags, .ref = ref, .dom = from };

	assert_int_equal(op(d, GNTTABOP_map_grant_ref, &m, sizeof(m), 1), 0);
	if (!m.status)
		assert_int_equal(m.dev_bus_addr, frame.m << PAGE_SHIFT);
	return m.status ? m.status : (s64)m.handle;
}

static int unmap(struct domain *d, u32 handle)
{
	gnttab_unmap_grant_ref_t u = { .host_addr = 0x1000, .handle = handle };

	assert_int_equal(op(d, GNTTABOP_unmap_grant_ref, &u, sizeof(u), 1), 0);
	return u.status;
}

static int copy(struct domain *d, domid_t sd, u64 s, u32 soff, domid_t dd, u64 t, u32 toff, u32 len, u32 flags)
{
	gnttab_copy_t x = { .len = len, .flags = flags };

	x.source.domid = sd;
	x.source.offset = soff;
	x.source.u.gmfn = s;
	x.dest.domid = dd;
	x.dest.offset = toff;
	x.dest.u.gmfn = t;
	assert_int_equal(op(d, GNTTABOP_copy, &x, sizeof(x), 1), 0);
	return x.status;
}

static void a_mapping_marks_the_entry_and_holds_the_frame(void **state)
{
	s64 h = map(a, 5, 8, GNTMAP_host_map);

	(void)state;
	assert_true(h >= 0);
	assert_int_equal(entry[8].flags, GTF_permit_access | GTF_reading | GTF_writing);
	assert_int_equal(refs(frame), refs_before + 1);
	assert_int_equal(types(frame), 1);
	assert_int_equal(mfn_to_page(frame)->type & PGT_type_mask, PGT_writable);
	assert_int_equal(fake.grant_ptes, 1);
	assert_int_equal(unmap(a, h), GNTST_okay);
	assert_int_equal(entry[8].flags, GTF_permit_access);
	assert_int_equal(refs(frame), refs_before);
	assert_int_equal(types(frame), 0);
	assert_int_equal(fake.grant_ptes, 0);
	assert_int_equal(fake.flushes, 1);
}

static void read_only_mappings_take_no_writable_type(void **state)
{
	s64 h = map(a, 5, 9, GNTMAP_host_map | GNTMAP_readonly);

	(void)state;
	assert_true(h >= 0);
	assert_int_equal(entry[9].flags, GTF_permit_access | GTF_readonly | GTF_reading);
	assert_int_equal(types(frame), 0);
	assert_int_equal(unmap(a, h), GNTST_okay);
	assert_int_equal(entry[9].flags, GTF_permit_access | GTF_readonly);
}

static void marks_stay_until_the_last_use_ends(void **state)
{
	s64 r = map(a, 5, 8, GNTMAP_host_map | GNTMAP_readonly);
	s64 w1 = map(a, 5, 8, GNTMAP_host_map);
	s64 w2 = map(a, 5, 8, GNTMAP_host_map);

	(void)state;
	/* One for reading, and one that the two writable types share. */
	assert_int_equal(refs(frame), refs_before + 2);
	assert_int_equal(types(frame), 2);
	assert_int_equal(unmap(a, w1), 0);
	assert_int_equal(entry[8].flags, GTF_permit_access | GTF_reading | GTF_writing);
	assert_int_equal(unmap(a, w2), 0);
	assert_int_equal(entry[8].flags, GTF_permit_access | GTF_reading);
	assert_int_equal(unmap(a, r), 0);
	assert_int_equal(entry[8].flags, GTF_permit_access);
}

static void grant_map_of_revoked_ref_is_refused(void **state)
{
	(void)state;
	entry[8].flags = GTF_invalid;
	assert_int_equal(map(a, 5, 8, GNTMAP_host_map), GNTST_general_error);
	grant(8, 6, GTF_permit_access, frame);
	assert_int_equal(map(a, 5, 8, GNTMAP_host_map), GNTST_general_error);
	grant(8, 0, GTF_accept_transfer, frame);
	assert_int_equal(map(a, 5, 8, GNTMAP_host_map), GNTST_general_error);
	grant(8, 0, GTF_transitive, frame);
	assert_int_equal(map(a, 5, 8, GNTMAP_host_map), GNTST_general_error);
	assert_int_equal(map(a, 5, 9, GNTMAP_host_map), GNTST_general_error); /* read-only */
	assert_int_equal(entry[9].flags, GTF_permit_access | GTF_readonly);
	assert_int_equal(map(a, 5, 512, GNTMAP_host_map), GNTST_bad_gntref);
	assert_int_equal(map(a, 5, ~0u, GNTMAP_host_map), GNTST_bad_gntref);
	assert_int_equal(map(a, 77, 8, GNTMAP_host_map), GNTST_bad_domain);
	assert_int_equal(map(a, 5, 8, 0), GNTST_general_error);
}

static void frames_the_granter_does_not_own_are_refused(void **state)
{
	(void)state;
	grant(10, 0, GTF_permit_access, fake_give_frame(c));
	assert_int_equal(map(a, 5, 10, GNTMAP_host_map), GNTST_general_error);
	grant(10, 0, GTF_permit_access, MFN(0xffffffff));
	assert_int_equal(map(a, 5, 10, GNTMAP_host_map | GNTMAP_readonly), GNTST_general_error);
	assert_int_equal(entry[10].flags, GTF_permit_access);
}

static void a_page_table_is_not_given_writable(void **state)
{
	struct page_info *pg = mfn_to_page(frame);

	(void)state;
	pg->type = PGT_l1 | PGT_validated | 1;
	assert_int_equal(map(a, 5, 8, GNTMAP_host_map), GNTST_general_error);
	assert_int_equal(entry[8].flags, GTF_permit_access);
	pg->type = 0;
}

static void what_the_granter_changes_meanwhile_does_not_matter(void **state)
{
	s64 h = map(a, 5, 8, GNTMAP_host_map), h2;

	(void)state;
	entry[8].frame = 1;
	entry[8].domid = 6;
	assert_int_equal(map(c, 5, 8, GNTMAP_host_map), GNTST_general_error);
	h2 = map(a, 5, 8, GNTMAP_host_map); /* dev_bus_addr is checked against the frame */
	assert_true(h2 >= 0);
	entry[8].flags = 0;
	assert_int_equal(unmap(a, h2), 0);
	assert_int_equal(unmap(a, h), 0);
	assert_int_equal(entry[8].flags, 0);
}

/* Like the one above, where the second use is of another kind than the first. */
static void a_second_use_is_of_the_frame_and_domain_of_the_first(void **state)
{
	s64 h = map(a, 5, 8, GNTMAP_host_map | GNTMAP_readonly), h2;

	(void)state;
	assert_true(h >= 0);
	entry[8].frame = 1;
	h2 = map(a, 5, 8, GNTMAP_host_map);
	assert_true(h2 >= 0);
	assert_int_equal(unmap(a, h2), 0);
	entry[8].domid = 6;
	assert_int_equal(map(c, 5, 8, GNTMAP_host_map | GNTMAP_readonly), GNTST_general_error);
	assert_int_equal(map(c, 5, 8, GNTMAP_host_map), GNTST_general_error);
	assert_int_equal(unmap(a, h), 0);
}

static void a_failed_mapping_leaves_nothing(void **state)
{
	(void)state;
	fake.grant_map_status = GNTST_bad_virt_addr;
	assert_int_equal(map(a, 5, 8, GNTMAP_host_map), GNTST_bad_virt_addr);
	assert_int_equal(entry[8].flags, GTF_permit_access);
	assert_int_equal(refs(frame), refs_before);
	assert_int_equal(b->refcount, 1);
	fake.grant_map_status = 0;
	assert_int_equal(map(a, 5, 8, GNTMAP_host_map), 0); /* the handle is free again */
}

static void a_mapping_that_cannot_be_told_is_undone(void **state)
{
	gnttab_map_grant_ref_t m = { .host_addr = 0x1000, .flags = GNTMAP_host_map, .ref = 8, .dom = 5 };
	u32 did;

	(void)state;
	memcpy(fake_guest(ARG), &m, sizeof(m));
	fake_guest_readonly(ARG);
	assert_int_equal(do_grant_table_op(a->vcpus[0], GNTTABOP_map_grant_ref, ARG, 1, &did), -EFAULT);
	assert_int_equal(entry[8].flags, GTF_permit_access);
	assert_int_equal(refs(frame), refs_before);
	assert_int_equal(fake.grant_ptes, 0);
	assert_int_equal(b->refcount, 1);
}

static void a_failed_unmap_keeps_the_mapping(void **state)
{
	s64 h = map(a, 5, 8, GNTMAP_host_map);

	(void)state;
	fake.grant_unmap_status = GNTST_general_error;
	assert_int_equal(unmap(a, h), GNTST_general_error);
	assert_int_equal(refs(frame), refs_before + 1);
	fake.grant_unmap_status = 0;
	assert_int_equal(unmap(a, h), 0);
}

static void handles_are_used_once_and_only_by_their_domain(void **state)
{
	s64 h = map(a, 5, 8, GNTMAP_host_map);

	(void)state;
	assert_int_equal(unmap(c, h), GNTST_bad_handle);
	assert_int_equal(unmap(a, h + 1), GNTST_bad_handle);
	assert_int_equal(unmap(a, ~0u), GNTST_bad_handle);
	assert_int_equal(unmap(a, h), 0);
	assert_int_equal(unmap(a, h), GNTST_bad_handle);
}

static void device_and_host_parts_end_separately(void **state)
{
	s64 h = map(a, 5, 8, GNTMAP_host_map | GNTMAP_device_map);
	gnttab_unmap_grant_ref_t u = { .handle = h, .dev_bus_addr = (frame.m + 1) << PAGE_SHIFT };

	(void)state;
	assert_int_equal(op(a, GNTTABOP_unmap_grant_ref, &u, sizeof(u), 1), 0);
	assert_int_equal(u.status, GNTST_general_error);
	u.dev_bus_addr = frame.m << PAGE_SHIFT;
	assert_int_equal(op(a, GNTTABOP_unmap_grant_ref, &u, sizeof(u), 1), 0);
	assert_int_equal(u.status, GNTST_okay);
	assert_int_equal(refs(frame), refs_before + 1);
	assert_int_equal(unmap(a, h), 0);
	assert_int_equal(refs(frame), refs_before);
}

static void handles_run_out_at_the_limit(void **state)
{
	(void)state;
	for (u32 i = 0; i < 256; i++)
		assert_true(map(a, 5, 8, GNTMAP_host_map) >= 0);
	assert_int_equal(map(a, 5, 8, GNTMAP_host_map), GNTST_no_device_space);
	assert_int_equal(unmap(a, 100), 0);
	assert_int_equal(map(a, 5, 8, GNTMAP_host_map), 100);
	/* the teardown unmaps all 256 */
}

static void a_dead_mapper_gives_everything_back(void **state)
{
	u32 rounds = 0;

	(void)state;
	for (u32 i = 0; i < 200; i++)
		map(a, 5, i % 2 ? 8 : 9, GNTMAP_host_map | GNTMAP_readonly);
	assert_int_equal(b->refcount, 201);
	do {
		fake.preempt_after = 0;
		rounds++;
	} while (grant_table_destroy(a) == -ERESTART);
	assert_int_equal(rounds, 3);
	assert_int_equal(b->refcount, 1);
	assert_int_equal(entry[8].flags, GTF_permit_access);
}

static void batches_share_a_flush_and_stop_where_asked(void **state)
{
	gnttab_map_grant_ref_t m[70];
	gnttab_unmap_grant_ref_t u[70];
	u32 did;

	(void)state;
	memset(m, 0, sizeof(m));
	memset(u, 0, sizeof(u));
	for (u32 i = 0; i < 70; i++)
		m[i] = (gnttab_map_grant_ref_t){ .host_addr = 0x1000, .flags = GNTMAP_host_map, .ref = 8, .dom = 5 };
	memcpy(fake_guest(ARG), m, sizeof(m));
	fake.preempt_after = 9;
	assert_int_equal(do_grant_table_op(a->vcpus[0], GNTTABOP_map_grant_ref, ARG, 70, &did), -ERESTART);
	assert_int_equal(did, 10);
	assert_int_equal(do_grant_table_op(a->vcpus[0], GNTTABOP_map_grant_ref, ARG + 10 * sizeof(m[0]), 60, &did), 0);
	assert_int_equal(did, 60);
	memcpy(m, fake_guest(ARG), sizeof(m));
	for (u32 i = 0; i < 70; i++) {
		assert_int_equal(m[i].status, 0);
		u[i] = (gnttab_unmap_grant_ref_t){ .host_addr = 0x1000, .handle = m[i].handle };
	}
	assert_int_equal(op(a, GNTTABOP_unmap_grant_ref, u, sizeof(u[0]), 70), 0);
	assert_int_equal(fake.flushes, 3);
	assert_int_equal(entry[8].flags, GTF_permit_access);
}

static void copies_go_both_ways_between_frames(void **state)
{
	mfn_t mine = fake_give_frame(a);
	u8 *own = fake_frame(mine), *theirs = fake_frame(frame);

	(void)state;
	memset(own, 'x', PAGE_SIZE);
	assert_int_equal(copy(a, DOMID_SELF, mine.m, 0, 5, 8, 100, 50, GNTCOPY_dest_gref), 0);
	assert_int_equal(theirs[99], 0);
	assert_int_equal(theirs[100], 'x');
	assert_int_equal(theirs[149], 'x');
	assert_int_equal(theirs[150], 0);
	theirs[0] = 'y';
	assert_int_equal(copy(a, 5, 9, 0, DOMID_SELF, mine.m, 4095, 1, GNTCOPY_source_gref), 0);
	assert_int_equal(own[4095], 'y');
	assert_int_equal(copy(a, 5, 9, 0, 5, 8, 0, PAGE_SIZE, GNTCOPY_source_gref | GNTCOPY_dest_gref), 0);
	assert_int_equal(entry[8].flags, GTF_permit_access);
	assert_int_equal(entry[9].flags, GTF_permit_access | GTF_readonly);
	assert_int_equal(refs(frame), refs_before);
	assert_int_equal(types(mine), 0);
}

static void wrong_copies_are_refused(void **state)
{
	mfn_t mine = fake_give_frame(a);

	(void)state;
	assert_int_equal(copy(a, DOMID_SELF, mine.m, 1, 5, 8, 0, PAGE_SIZE, GNTCOPY_dest_gref), GNTST_bad_copy_arg);
	assert_int_equal(copy(a, DOMID_SELF, mine.m, 0, 5, 8, 0xffff, 0xffff, GNTCOPY_dest_gref), GNTST_bad_copy_arg);
	assert_int_equal(copy(a, DOMID_SELF, mine.m, 0, 5, 9, 0, 1, GNTCOPY_dest_gref), GNTST_general_error);
	assert_int_equal(copy(a, DOMID_SELF, mine.m, 0, 5, frame.m, 0, 1, 0), GNTST_permission_denied);
	assert_int_equal(copy(a, DOMID_SELF, frame.m, 0, 5, 8, 0, 1, GNTCOPY_dest_gref), GNTST_bad_page);
	assert_int_equal(copy(a, DOMID_SELF, mine.m, 0, 44, 8, 0, 1, GNTCOPY_dest_gref), GNTST_bad_domain);
	assert_int_equal(copy(c, DOMID_SELF, mine.m, 0, 5, 8, 0, 1, GNTCOPY_dest_gref), GNTST_bad_page);
	assert_int_equal(copy(c, 5, 8, 0, DOMID_SELF, fake_give_frame(c).m, 0, 1, GNTCOPY_source_gref),
			 GNTST_general_error);
}

static void tables_grow_to_their_limit(void **state)
{
	gnttab_setup_table_t s = { .dom = DOMID_SELF, .nr_frames = 3, .frame_list = LIST };
	gnttab_query_size_t q = { .dom = DOMID_SELF };
	u64 *list = fake_guest(LIST);
	mfn_t m;

	(void)state;
	assert_int_equal(op(b, GNTTABOP_setup_table, &s, sizeof(s), 1), 0);
	assert_int_equal(s.status, 0);
	assert_ptr_equal(fake_frame(MFN(list[0])), entry);
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(page_owner(mfn_to_page(MFN(list[i]))), 5);
	assert_int_equal(op(b, GNTTABOP_query_size, &q, sizeof(q), 1), 0);
	assert_int_equal(q.nr_frames, 3);
	assert_int_equal(q.max_nr_frames, 4);
	s.nr_frames = 5;
	assert_int_equal(op(b, GNTTABOP_setup_table, &s, sizeof(s), 1), 0);
	assert_int_equal(s.status, GNTST_general_error);
	s = (gnttab_setup_table_t){ .dom = 0, .nr_frames = 1, .frame_list = LIST };
	assert_int_equal(op(b, GNTTABOP_setup_table, &s, sizeof(s), 1), 0);
	assert_int_equal(s.status, GNTST_permission_denied);
	s = (gnttab_setup_table_t){ .dom = 5, .nr_frames = 2, .frame_list = 0x10 };
	assert_int_equal(op(a, GNTTABOP_setup_table, &s, sizeof(s), 1), 0);
	assert_int_equal(s.status, GNTST_bad_virt_addr);
	assert_int_equal(grant_table_frame(b, 3, &m), 0);
	assert_int_equal(grant_table_frame(b, 4, &m), -EINVAL);
	assert_int_equal(map(a, 5, 4 * 512, GNTMAP_host_map), GNTST_bad_gntref);
	assert_int_equal(map(a, 5, 4 * 512 - 1, GNTMAP_host_map), GNTST_general_error);
}

static void without_memory_nothing_is_mapped(void **state)
{
	(void)state;
	assert_int_equal(map(a, 5, 512, GNTMAP_host_map), GNTST_bad_gntref);
	/* For the handle, its table, and what is known of the entry. */
	for (s64 i = 0; i < 3; i++) {
		fake.alloc_fail_after = i;
		assert_int_equal(map(c, 5, 8, GNTMAP_host_map), i < 2 ? GNTST_no_device_space : GNTST_general_error);
	}
}

static void a_dying_domains_table_serves_nobody_and_lets_go_of_its_pages(void **state)
{
	s64 h = map(a, 5, 8, GNTMAP_host_map);
	u64 free = free_page_count();
	mfn_t m;

	(void)state;
	assert_true(h >= 0);
	grant_table_unshare(b);
	assert_int_equal(free_page_count(), free + 1);
	assert_int_equal(map(a, 5, 8, GNTMAP_host_map), GNTST_bad_domain);
	assert_int_equal(grant_table_frame(b, 0, &m), -EINVAL);
	/* What was mapped stays until it is unmapped. */
	assert_int_equal(types(frame), 1);
	assert_int_equal(unmap(a, h), GNTST_okay);
	assert_int_equal(types(frame), 0);
	unshared = b;
}

static void version_1_is_all_there_is(void **state)
{
	gnttab_set_version_t s = { 1 };
	gnttab_get_version_t g = { .dom = DOMID_SELF };
	gnttab_copy_t x = { 0 };

	(void)state;
	assert_int_equal(op(b, GNTTABOP_set_version, &s, sizeof(s), 1), 0);
	s.version = 2;
	assert_int_equal(op(b, GNTTABOP_set_version, &s, sizeof(s), 1), -ENOSYS);
	s.version = 3;
	assert_int_equal(op(b, GNTTABOP_set_version, &s, sizeof(s), 1), -EINVAL);
	assert_int_equal(op(b, GNTTABOP_get_version, &g, sizeof(g), 1), 0);
	assert_int_equal(g.version, 1);
	g.dom = 0;
	assert_int_equal(op(b, GNTTABOP_get_version, &g, sizeof(g), 1), -EPERM);
	g.dom = 99;
	assert_int_equal(op(a, GNTTABOP_get_version, &g, sizeof(g), 1), -ESRCH);
	for (u32 cmd = 0; cmd < 20; cmd++) {
		bool ours = cmd <= 2 || cmd == 5 || cmd == 6 || cmd == 8 || cmd == 10;

		if (!ours)
			assert_int_equal(op(b, cmd, &x, sizeof(x), 1), cmd == 12 ? -EOPNOTSUPP : -ENOSYS);
		else
			assert_int_equal(op(b, cmd, &x, 0, 0), cmd <= 1 || cmd == 5 ? 0 : -EINVAL);
	}
	fake_guest_unmap(ARG);
	for (u32 cmd = 0; cmd < 11; cmd++) {
		u32 did;
		long rc = do_grant_table_op(b->vcpus[0], cmd, ARG, 1, &did);

		assert_true(rc == -EFAULT || rc == -ENOSYS);
	}
}

static void seeded_entries_can_be_mapped(void **state)
{
	(void)state;
	assert_int_equal(grant_table_seed(b, GNTTAB_RESERVED_XENSTORE, 0, frame.m), 0);
	assert_int_equal(grant_table_seed(b, 512, 0, frame.m), -EINVAL);
	assert_true(map(a, 5, GNTTAB_RESERVED_XENSTORE, GNTMAP_host_map) >= 0);
}

/* Counts of every entry, and of the frame, against handles that the test knows of. */
static void random_use_keeps_marks_and_counts_exact(void **state)
{
	struct { u32 handle, ref; bool write; } held[256];
	u32 nr = 0, readers[2] = { 0, 0 }, writers[2] = { 0, 0 };

	(void)state;
	srand(13);
	for (u32 step = 0; step < 50000; step++) {
		u32 k = rand() % 2;

		if (rand() % 2) {
			bool write = rand() % 2;
			s64 h = map(a, 5, 8 + k, GNTMAP_host_map | (write ? 0 : GNTMAP_readonly));

			if (k == 1 && write) {
				assert_int_equal(h, GNTST_general_error);
			} else if (nr == 256) {
				assert_int_equal(h, GNTST_no_device_space);
			} else {
				assert_true(h >= 0);
				held[nr].handle = h;
				held[nr].ref = k;
				held[nr++].write = write;
				(write ? writers : readers)[k]++;
			}
		} else if (nr) {
			u32 i = rand() % nr;

			assert_int_equal(unmap(a, held[i].handle), 0);
			(held[i].write ? writers : readers)[held[i].ref]--;
			held[i] = held[--nr];
		}
		for (k = 0; k < 2; k++)
			assert_int_equal(entry[8 + k].flags & (GTF_reading | GTF_writing),
					 (readers[k] || writers[k] ? GTF_reading : 0) | (writers[k] ? GTF_writing : 0));
		assert_int_equal(types(frame), writers[0] + writers[1]);
		/* All writable types together hold one reference. */
		assert_int_equal(refs(frame), refs_before + readers[0] + readers[1] + !!types(frame));
		assert_int_equal(b->refcount, 1 + nr);
	}
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_mapping_marks_the_entry_and_holds_the_frame),
		TEST(read_only_mappings_take_no_writable_type),
		TEST(marks_stay_until_the_last_use_ends),
		TEST(grant_map_of_revoked_ref_is_refused),
		TEST(frames_the_granter_does_not_own_are_refused),
		TEST(a_page_table_is_not_given_writable),
		TEST(what_the_granter_changes_meanwhile_does_not_matter),
		TEST(a_second_use_is_of_the_frame_and_domain_of_the_first),
		TEST(a_failed_mapping_leaves_nothing),
		TEST(a_mapping_that_cannot_be_told_is_undone),
		TEST(a_failed_unmap_keeps_the_mapping),
		TEST(handles_are_used_once_and_only_by_their_domain),
		TEST(device_and_host_parts_end_separately),
		TEST(handles_run_out_at_the_limit),
		TEST(a_dead_mapper_gives_everything_back),
		TEST(batches_share_a_flush_and_stop_where_asked),
		TEST(copies_go_both_ways_between_frames),
		TEST(wrong_copies_are_refused),
		TEST(tables_grow_to_their_limit),
		TEST(without_memory_nothing_is_mapped),
		TEST(a_dying_domains_table_serves_nobody_and_lets_go_of_its_pages),
		TEST(version_1_is_all_there_is),
		TEST(seeded_entries_can_be_mapped),
		TEST(random_use_keeps_marks_and_counts_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
