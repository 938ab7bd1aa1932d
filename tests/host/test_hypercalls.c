// SPDX-License-Identifier: MIT
/*
 * Hypercalls by number, as a guest makes them: memory_op, multicall and
 * continuations, vm_assist, xen_version, time. What events, grants and page tables
 * do is tested beside their modules.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/hypercall.h"
#include "core/memory_op.h"
#include "core/time.h"
#include "fake_machine.h"
#include "xen/features.h"
#include "xen/memory.h"
#include "xen/version.h"

#define ARG FAKE_GUEST_BASE
#define LIST (FAKE_GUEST_BASE + 8 * PAGE_SIZE)
#define OTHER_LIST (FAKE_GUEST_BASE + 16 * PAGE_SIZE)

static struct domain *dom_a, *dom_b; /* dom0, and one without rights */
static u64 m2p[FAKE_FRAMES];

/* Set: while this one frees a frame, another CPU gives back the next. */
static struct domain *gives_next_back;

void m2p_set(mfn_t mfn, u64 pfn)
{
	struct domain *d = gives_next_back;

	m2p[mfn.m] = pfn;
	if (d && pfn == ~0ULL) {
		gives_next_back = NULL;
		assert_true(release_owned_page(MFN(mfn.m + 1), d));
	}
}

static u32 flushes_everywhere;

void flush_tlb_since(u64 t)
{
	assert_true(t <= tlb_clock());
	flushes_everywhere++;
}

/* Set: what another CPU does while this one takes hold of a guest's frame. */
static void (*meanwhile)(void);

void *get_guest_frame(struct domain *d, gfn_t gfn, bool writable)
{
	void (*other)(void) = meanwhile;

	if (!(writable ? get_page_writable(MFN(gfn.g), d) : get_page(MFN(gfn.g), d)))
		return NULL;
	meanwhile = NULL;
	if (other)
		other();
	return fake_frame(MFN(gfn.g));
}

static int fresh(void **state)
{
	(void)state;
	fake_reset();
	memset(&fake_cpus, 0, sizeof(fake_cpus));
	dom_a = fake_domain(0, 1, true);
	dom_b = fake_domain(5, 3, false);
	dom_b->max_pages = 20;
	flushes_everywhere = 0;
	meanwhile = NULL;
	for (u32 i = 0; i < 3; i++)
		vcpu_timers_init(dom_b->vcpus[i]);
	fake_run_on(1, dom_b->vcpus[0]);
	return 0;
}

static u64 refs(u64 m) { return mfn_to_page(MFN(m))->count & PGC_count_mask; }
static u64 *list(u64 gva) { return fake_guest(gva); }

static struct xen_memory_reservation *reservation(u64 n, u32 order)
{
	struct xen_memory_reservation *r = fake_guest(ARG);

	*r = (struct xen_memory_reservation){ .extent_start = LIST, .nr_extents = n, .extent_order = order,
					      .domid = DOMID_SELF };
	return r;
}

static long memory_op(u64 cmd) { return fake_hypercall(__HYPERVISOR_memory_op, cmd, ARG, 0, 0, 0); }

/* --- memory_op -------------------------------------------------------------------------- */

static void populate_gives_frames_and_tells_their_numbers(void **state)
{
	(void)state;
	reservation(3, 1);
	for (u64 i = 0; i < 3; i++)
		list(LIST)[i] = 100 + 2 * i;
	assert_int_equal(memory_op(XENMEM_populate_physmap), 3);
	assert_int_equal(dom_b->tot_pages, 6);
	for (u64 i = 0; i < 3; i++) {
		u64 m = list(LIST)[i];

		assert_int_equal(page_owner(mfn_to_page(MFN(m + 1))), 5);
		assert_int_equal(m2p[m], 100 + 2 * i);
		assert_int_equal(m2p[m + 1], 101 + 2 * i);
	}
}

static void populate_stops_at_the_limit(void **state)
{
	(void)state;
	reservation(30, 0);
	assert_int_equal(memory_op(XENMEM_populate_physmap), 20);
	assert_int_equal(dom_b->tot_pages, 20);
	assert_int_equal(memory_op(XENMEM_increase_reservation), 0);
}

static void memory_whose_number_cannot_be_told_is_taken_back(void **state)
{
	(void)state;
	reservation(4, 0);
	fake_guest_readonly(LIST);
	assert_int_equal(memory_op(XENMEM_increase_reservation), 0);
	assert_int_equal(dom_b->tot_pages, 0);
}

static void what_others_gave_back_of_it_meanwhile_keeps_none_of_the_rest(void **state)
{
	u64 free = free_page_count();

	(void)state;
	reservation(1, 3);
	list(LIST)[0] = 100;
	fake_guest_readonly(LIST);
	gives_next_back = dom_b;
	assert_int_equal(memory_op(XENMEM_populate_physmap), 0);
	assert_null(gives_next_back);
	assert_int_equal(dom_b->tot_pages, 0);
	assert_int_equal(free_page_count(), free);
}

static void a_long_call_goes_on_where_it_stopped(void **state)
{
	(void)state;
	reservation(10, 0);
	fake.preempt_after = 3;
	assert_int_equal(memory_op(XENMEM_populate_physmap), -ERESTART);
	assert_true(this_cpu_info()->continued);
	assert_int_equal(dom_b->tot_pages, 4);
	assert_int_equal(guest_regs()->rdi, XENMEM_populate_physmap | 4 << 6);
	assert_int_equal(guest_regs()->rsi, ARG);
	assert_int_equal(memory_op(guest_regs()->rdi), 10);
	assert_int_equal(dom_b->tot_pages, 10);

	fake.preempt_after = 0;
	reservation(20, 0);
	assert_int_equal(memory_op(XENMEM_decrease_reservation), 10);
	assert_int_equal(dom_b->tot_pages, 0);
}

static void decrease_stops_at_a_foreign_frame(void **state)
{
	(void)state;
	reservation(3, 0);
	list(LIST)[0] = fake_give_frame(dom_b).m;
	list(LIST)[1] = fake_give_frame(dom_a).m;
	list(LIST)[2] = fake_give_frame(dom_b).m;
	assert_int_equal(memory_op(XENMEM_decrease_reservation), 1);
	assert_int_equal(dom_b->tot_pages, 1);
	assert_int_equal(dom_a->tot_pages, 1);
	/* Given once, it can't be given again. */
	assert_int_equal(memory_op(XENMEM_decrease_reservation), 0);
	reservation(1, 10);
	assert_int_equal(memory_op(XENMEM_decrease_reservation), -EINVAL);
}

static void only_a_controller_changes_other_domains_memory(void **state)
{
	(void)state;
	reservation(2, 0)->domid = 0;
	assert_int_equal(memory_op(XENMEM_populate_physmap), -EPERM);
	assert_int_equal(memory_op(XENMEM_decrease_reservation), -EPERM);
	reservation(2, 0)->domid = 77;
	assert_int_equal(memory_op(XENMEM_populate_physmap), -ESRCH);
	*(domid_t *)fake_guest(ARG) = 0;
	assert_int_equal(memory_op(XENMEM_current_reservation), -EPERM);
	reservation(1, 10);
	assert_int_equal(memory_op(XENMEM_populate_physmap), -EPERM);
	reservation(1, 19);
	assert_int_equal(memory_op(XENMEM_populate_physmap), -EINVAL);
	assert_int_equal(dom_a->refcount, 1);
	assert_int_equal(dom_b->refcount, 1);

	fake_run_on(0, dom_a->vcpus[0]);
	reservation(2, 0)->domid = 5;
	assert_int_equal(memory_op(XENMEM_populate_physmap), 2);
	assert_int_equal(dom_b->tot_pages, 2);
	*(domid_t *)fake_guest(ARG) = 5;
	assert_int_equal(memory_op(XENMEM_current_reservation), 2);
	assert_int_equal(memory_op(XENMEM_maximum_reservation), 20);
	dom_b->shared_info->arch.max_pfn = 9;
	assert_int_equal(memory_op(XENMEM_maximum_gpfn), 9);
}

/* An exchange of `n` frames of dom_b, in LIST, for one block. */
static struct xen_memory_exchange *exchange(u32 order)
{
	struct xen_memory_exchange *x = fake_guest(ARG);

	*x = (struct xen_memory_exchange){
		.in = { .extent_start = LIST, .nr_extents = 1ULL << order, .domid = DOMID_SELF },
		.out = { .extent_start = OTHER_LIST, .nr_extents = 1, .extent_order = order, .domid = DOMID_SELF },
	};
	for (u64 i = 0; i < 1ULL << order; i++)
		list(LIST)[i] = fake_give_frame(dom_b).m;
	list(OTHER_LIST)[0] = 40;
	return x;
}

static void exchange_makes_scattered_frames_one_block(void **state)
{
	struct xen_memory_exchange *x = exchange(2);
	u64 free = free_page_count(), m;

	(void)state;
	assert_int_equal(memory_op(XENMEM_exchange), 0);
	m = list(OTHER_LIST)[0];
	assert_int_equal(m & 3, 0);
	assert_int_equal(x->nr_exchanged, 4);
	assert_int_equal(dom_b->tot_pages, 4);
	assert_int_equal(free_page_count(), free);
	for (u64 i = 0; i < 4; i++) {
		assert_int_equal(page_owner(mfn_to_page(MFN(m + i))), 5);
		assert_int_equal(refs(m + i), 1);
		assert_int_equal(m2p[m + i], 40 + i);
	}
	/* Also where another domain ran that had mapped them. */
	assert_int_equal(flushes_everywhere, 1);
}

static void assert_exchange_left_all(u32 n)
{
	assert_int_equal(dom_b->tot_pages, n);
	for (u64 i = 0; i < n; i++) {
		assert_int_equal(page_owner(mfn_to_page(MFN(list(LIST)[i]))), 5);
		assert_true(mfn_to_page(MFN(list(LIST)[i]))->count & PGC_allocated);
	}
}

static void exchange_of_a_frame_in_use_changes_nothing(void **state)
{
	u64 free;

	(void)state;
	exchange(2);
	free = free_page_count();
	assert_true(get_page(MFN(list(LIST)[2]), dom_b));
	assert_int_equal(memory_op(XENMEM_exchange), -EINVAL);
	assert_exchange_left_all(4);
	put_page(MFN(list(LIST)[2]));
	assert_true(get_page_writable(MFN(list(LIST)[3]), dom_b));
	assert_int_equal(memory_op(XENMEM_exchange), -EINVAL);
	assert_exchange_left_all(4);
	put_page_writable(MFN(list(LIST)[3]));
	assert_int_equal(free_page_count(), free);
	assert_int_equal(memory_op(XENMEM_exchange), 0);
}

static void exchange_without_memory_changes_nothing(void **state)
{
	(void)state;
	exchange(2);
	((struct xen_memory_exchange *)fake_guest(ARG))->out.mem_flags = 13; /* below 8 KiB: frame 1 at most */
	assert_int_equal(memory_op(XENMEM_exchange), -ENOMEM);
	assert_exchange_left_all(4);
	for (s64 fail = 0; fail < 2; fail++) {
		fake.alloc_fail_after = fail;
		assert_int_equal(memory_op(XENMEM_exchange), -ENOMEM);
		assert_exchange_left_all(4);
	}
}

static void exchange_with_bad_arguments_changes_nothing(void **state)
{
	struct xen_memory_exchange *x = exchange(2);

	(void)state;
	x->in.extent_start = LIST + 4 * PAGE_SIZE - 16;
	fake_guest_unmap(LIST + 4 * PAGE_SIZE);
	memcpy(fake_guest(x->in.extent_start), list(LIST), 16);
	assert_int_equal(memory_op(XENMEM_exchange), -EFAULT);
	assert_exchange_left_all(4);
	x->in.extent_start = LIST;
	x->in.nr_extents = 3;
	assert_int_equal(memory_op(XENMEM_exchange), -EINVAL);
	x->in.nr_extents = x->out.nr_extents = 0;
	assert_int_equal(memory_op(XENMEM_exchange), 0);
	x->in.nr_extents = 1ULL << 52;
	x->in.extent_order = 12;
	assert_int_equal(memory_op(XENMEM_exchange), -EINVAL);
	x->in = (struct xen_memory_reservation){ .extent_start = LIST, .nr_extents = 2, .extent_order = 1, .domid = DOMID_SELF };
	x->out.nr_extents = 1;
	assert_int_equal(memory_op(XENMEM_exchange), -EINVAL);
	x->in.domid = 5;
	assert_int_equal(memory_op(XENMEM_exchange), -EINVAL);
	assert_exchange_left_all(4);
}

static void memory_maps_are_for_those_they_are_about(void **state)
{
	static struct e820_entry two[] = { { 0, 0x1000, E820_RAM }, { 0x2000, 0x1000, E820_RESERVED } };
	struct xen_memory_map *m = fake_guest(ARG);
	struct xen_machphys_mapping *mp = fake_guest(ARG);

	(void)state;
	*m = (struct xen_memory_map){ 5, LIST };
	assert_int_equal(memory_op(XENMEM_memory_map), -ENOSYS);
	dom_b->e820 = two;
	dom_b->nr_e820 = 2;
	assert_int_equal(memory_op(XENMEM_memory_map), 0);
	assert_int_equal(m->nr_entries, 2);
	assert_memory_equal(fake_guest(LIST), two, sizeof(two));
	m->nr_entries = 1;
	assert_int_equal(memory_op(XENMEM_memory_map), 0);
	assert_int_equal(m->nr_entries, 1);
	dom_b->e820 = NULL;

	machine_map.nr = 2;
	memcpy(machine_map.e, two, sizeof(two));
	assert_int_equal(memory_op(XENMEM_machine_memory_map), -EPERM);
	fake_run_on(0, dom_a->vcpus[0]);
	assert_int_equal(memory_op(XENMEM_machine_memory_map), -EINVAL); /* no room for both */
	m->nr_entries = 2;
	assert_int_equal(memory_op(XENMEM_machine_memory_map), 0);
	assert_int_equal(memory_op(XENMEM_maximum_ram_page), FAKE_FRAMES - 1);
	assert_int_equal(memory_op(XENMEM_machphys_mapping), 0);
	assert_true(mp->v_start == M2P_RO_START && mp->max_mfn == FAKE_FRAMES - 1);
	assert_int_equal(memory_op(63), -ENOSYS);
	fake_guest_unmap(ARG);
	for (u64 cmd = 0; cmd < 15; cmd++)
		if (cmd != XENMEM_maximum_ram_page && cmd != XENMEM_memory_map)
			assert_in_set(memory_op(cmd), ((u64[]){ -EFAULT, -ENOSYS }), 2);
}

/* --- What a toolstack does to another domain's memory -------------------------------------- */

/* dom0 makes the next calls. */
static void as_dom0(void) { fake_run_on(0, dom_a->vcpus[0]); }

static void a_toolstack_gives_a_domain_its_map(void **state)
{
	static const struct e820_entry one[] = { { 0, 0x5000, E820_RAM } };
	struct xen_foreign_memory_map *f = fake_guest(ARG);
	struct xen_memory_map *m = fake_guest(ARG);

	(void)state;
	memcpy(fake_guest(LIST), one, sizeof(one));
	*f = (struct xen_foreign_memory_map){ 5, { 1, LIST } };
	assert_int_equal(memory_op(XENMEM_set_memory_map), -EPERM); /* not even for itself */
	as_dom0();
	f->map.nr_entries = 129;
	assert_int_equal(memory_op(XENMEM_set_memory_map), -EINVAL);
	f->map.nr_entries = 1;
	f->domid = 77;
	assert_int_equal(memory_op(XENMEM_set_memory_map), -ESRCH);
	f->domid = 5;
	assert_int_equal(memory_op(XENMEM_set_memory_map), 0);
	assert_int_equal(memory_op(XENMEM_set_memory_map), 0);
	fake_run_on(1, dom_b->vcpus[0]);
	*m = (struct xen_memory_map){ 5, LIST };
	memset(fake_guest(LIST), 0, sizeof(one));
	assert_int_equal(memory_op(XENMEM_memory_map), 0);
	assert_int_equal(m->nr_entries, 1);
	assert_memory_equal(fake_guest(LIST), one, sizeof(one));
	hv_free(dom_b->e820);
	dom_b->e820 = NULL;
}

static void grant_frames_are_named_to_who_controls_the_domain(void **state)
{
	struct xen_mem_acquire_resource *r = fake_guest(ARG);
	const struct xen_mem_acquire_resource ask = {
		.domid = 5, .type = XENMEM_resource_grant_table, .nr_frames = 2, .frame_list = LIST,
	};

	(void)state;
	assert_int_equal(grant_table_init(dom_b, 3, 1), 0);
	*r = ask;
	assert_int_equal(memory_op(XENMEM_acquire_resource), -EPERM); /* its own it has by setup_table */
	as_dom0();
	assert_int_equal(memory_op(XENMEM_acquire_resource), 0);
	for (u32 i = 0; i < 2; i++) {
		assert_int_equal(page_owner(mfn_to_page(MFN(list(LIST)[i]))), 5);
		assert_true(get_page_writable(MFN(list(LIST)[i]), dom_b));
		put_page_writable(MFN(list(LIST)[i]));
	}
	r->nr_frames = 0;
	r->frame_list = 0;
	assert_int_equal(memory_op(XENMEM_acquire_resource), 0);
	assert_int_equal(r->nr_frames, 3);
	*r = ask;
	r->frame = 2;
	assert_int_equal(memory_op(XENMEM_acquire_resource), -EINVAL); /* beyond the last */
	r->frame = ~0ULL;
	assert_int_equal(memory_op(XENMEM_acquire_resource), -EINVAL);
	*r = ask;
	r->pad = 1;
	assert_int_equal(memory_op(XENMEM_acquire_resource), -EINVAL);
	*r = ask;
	r->id = XENMEM_resource_grant_table_id_status;
	assert_int_equal(memory_op(XENMEM_acquire_resource), -EINVAL); /* version 1 has none */
	r->type = XENMEM_resource_vmtrace_buf;
	assert_int_equal(memory_op(XENMEM_acquire_resource), -EOPNOTSUPP);
	grant_table_unshare(dom_b);
	grant_table_free(dom_b);
}

static void claimed_memory_is_kept_from_others(void **state)
{
	struct xen_memory_reservation *r;
	u64 free = free_page_count();

	(void)state;
	r = reservation(10, 0);
	r->extent_start = 0;
	assert_int_equal(memory_op(XENMEM_claim_pages), -EPERM);
	as_dom0();
	dom_a->max_pages = ~0ULL >> 1;
	dom_b->max_pages = free;
	r->domid = 5;
	r->nr_extents = free;
	assert_int_equal(memory_op(XENMEM_claim_pages), 0);
	assert_int_equal(memory_op(XENMEM_claim_pages), -EINVAL); /* one claim at a time */
	r->domid = 0;
	r->nr_extents = 1;
	assert_int_equal(memory_op(XENMEM_claim_pages), -ENOMEM);
	assert_int_equal(memory_op(XENMEM_increase_reservation), 0); /* not one page left for others */
	r->domid = 5;
	r->nr_extents = 4;
	assert_int_equal(memory_op(XENMEM_increase_reservation), 4); /* but for whose it is */
	assert_int_equal(dom_b->claimed_pages, free - 4);
	r->nr_extents = 0;
	assert_int_equal(memory_op(XENMEM_claim_pages), 0);
	assert_int_equal(claimed_page_count(), 0);
	r->domid = 0;
	r->nr_extents = 1;
	assert_int_equal(memory_op(XENMEM_increase_reservation), 1);
}

static void a_dying_domain_gets_no_memory(void **state)
{
	struct xen_memory_reservation *r = reservation(3, 0);

	(void)state;
	as_dom0();
	r->domid = 5;
	dom_b->is_dying = true;
	assert_int_equal(memory_op(XENMEM_populate_physmap), 0);
	assert_int_equal(dom_b->tot_pages, 0);
}

static void a_dying_domain_gets_no_pinned_table(void **state)
{
	struct mmuext_op *op = fake_guest(ARG);
	mfn_t table = fake_give_frame(dom_b);

	(void)state;
	as_dom0();
	*op = (struct mmuext_op){ .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = table.m };
	dom_b->is_dying = true;
	assert_int_equal(fake_hypercall(__HYPERVISOR_mmuext_op, ARG, 1, 0, 5, 0), -EINVAL);
	assert_false(mfn_to_page(table)->type & PGT_pinned);
	assert_int_equal(refs(table.m), 1);
	dom_b->is_dying = false;
	assert_int_equal(fake_hypercall(__HYPERVISOR_mmuext_op, ARG, 1, 0, 5, 0), 0);
	assert_true(mfn_to_page(table)->type & PGT_pinned);
	assert_int_equal(unpin_page_table(current, table, dom_b), 0);
}

static void a_killed_domain_keeps_what_others_map_and_nothing_else(void **state)
{
	u64 free = free_page_count();
	mfn_t f[6];

	(void)state;
	as_dom0();
	assert_int_equal(grant_table_init(dom_b, 1, 1), 0);
	for (u32 i = 0; i < 6; i++)
		f[i] = fake_give_frame(dom_b);
	for (u32 i = 0; i < 3; i++)
		*(u64 *)fake_frame(f[i]) = f[i + 1].m << PAGE_SHIFT | PTE_P | PTE_U | PTE_RW;
	assert_int_equal(pin_page_table(current, f[0], dom_b, 4), 0);
	assert_true(get_page(f[5], dom_b)); /* another's mapping */
	dom_b->is_dying = true;
	fake.preempt_after = 1;
	while (domain_kill(dom_b))
		fake.preempt_after = 1;
	assert_int_equal(dom_b->kill_step, KILL_DONE);
	assert_int_equal(dom_b->tot_pages, 1);
	assert_int_equal(free_page_count(), free - 1);
	assert_int_equal(page_owner(mfn_to_page(f[5])), 5);
	put_page(f[5]);
	assert_int_equal(dom_b->tot_pages, 0);
	assert_int_equal(free_page_count(), free);
	grant_table_free(dom_b);
}

static void the_m2p_is_shown_to_toolstacks(void **state)
{
	struct xen_machphys_mfn_list *l = fake_guest(ARG);

	(void)state;
	*l = (struct xen_machphys_mfn_list){ 4, LIST, 0 };
	assert_int_equal(memory_op(XENMEM_machphys_mfn_list), -EPERM);
	as_dom0();
	assert_int_equal(memory_op(XENMEM_machphys_mfn_list), 0);
	assert_int_equal(l->nr_extents, 1);
	assert_int_equal(list(LIST)[0], 7);
	assert_int_equal(memory_op(XENMEM_get_sharing_freed_pages), 0);
	*(domid_t *)l = 5;
	assert_int_equal(memory_op(XENMEM_add_to_physmap), -EACCES);
}

/* --- multicall ------------------------------------------------------------------------------ */

static struct multicall_entry *entries(void) { return fake_guest(ARG); }
static long multicall(u64 n) { return fake_hypercall(__HYPERVISOR_multicall, ARG, n, 0, 0, 0); }

static void entries_run_in_turn_and_a_failure_stops_nothing(void **state)
{
	struct multicall_entry *e = entries();

	(void)state;
	e[0] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version, .args = { XENVER_version } };
	e[1] = (struct multicall_entry){ .op = 1000 };
	e[2] = (struct multicall_entry){ .op = __HYPERVISOR_iret };
	e[3] = (struct multicall_entry){ .op = __HYPERVISOR_multicall, .args = { ARG, 1 } };
	e[4] = (struct multicall_entry){ .op = __HYPERVISOR_vm_assist, .args = { VMASST_CMD_enable, 3 } };
	assert_int_equal(multicall(5), 0);
	assert_int_equal(e[0].result, 4 << 16 | 17);
	assert_int_equal(e[1].result, -ENOSYS);
	assert_int_equal(e[2].result, -EINVAL);
	assert_int_equal(e[3].result, -EINVAL);
	assert_int_equal(e[4].result, 0);
	assert_int_equal(dom_b->vm_assist, 8);
	fake_guest_readonly(ARG);
	assert_int_equal(multicall(1), -EFAULT);
	fake_guest_unmap(ARG);
	assert_int_equal(multicall(1), -EFAULT);
}

static void an_interrupted_entry_is_continued_in_place(void **state)
{
	struct multicall_entry *e = entries();
	struct xen_memory_reservation *r = fake_guest(LIST);

	(void)state;
	*r = (struct xen_memory_reservation){ .extent_start = OTHER_LIST, .nr_extents = 6, .domid = DOMID_SELF };
	e[0] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version };
	e[1] = (struct multicall_entry){ .op = __HYPERVISOR_memory_op, .args = { XENMEM_populate_physmap, LIST } };
	e[2] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version };
	fake.preempt_after = 2;
	assert_int_equal(multicall(3), -ERESTART);
	assert_int_equal(guest_regs()->rdi, ARG + sizeof(*e));
	assert_int_equal(guest_regs()->rsi, 2);
	assert_int_equal(e[1].args[0], XENMEM_populate_physmap | 3 << 6);
	assert_int_equal(fake_hypercall(__HYPERVISOR_multicall, guest_regs()->rdi, 2, 0, 0, 0), 0);
	assert_int_equal(e[1].result, 6);
	assert_int_equal(e[2].result, 4 << 16 | 17);
	assert_int_equal(dom_b->tot_pages, 6);
}

static void an_entry_that_can_not_be_continued_leaves_no_promise_behind(void **state)
{
	struct multicall_entry *e = entries();
	struct xen_memory_reservation *r = fake_guest(LIST);

	(void)state;
	*r = (struct xen_memory_reservation){ .extent_start = OTHER_LIST, .nr_extents = 6, .domid = DOMID_SELF };
	e[0] = (struct multicall_entry){ .op = __HYPERVISOR_memory_op, .args = { XENMEM_populate_physmap, LIST } };
	fake_guest_readonly(ARG);
	fake.preempt_after = 2;
	assert_int_equal(multicall(1), -EFAULT);
	/* Else the next hypercall of this CPU that returns the number -ERESTART would run again. */
	assert_false(this_cpu_info()->continued);
}

static void work_is_seen_to_between_entries(void **state)
{
	struct multicall_entry *e = entries();

	(void)state;
	for (u32 i = 0; i < 20; i++)
		e[i] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version };
	this_cpu_info()->work = WORK_SCHEDULE;
	assert_int_equal(multicall(20), -ERESTART);
	assert_int_equal(guest_regs()->rdi, ARG + sizeof(*e));
	assert_int_equal(guest_regs()->rsi, 19);
	this_cpu_info()->work = 0;
	fake.preempt_after = 0;
	assert_int_equal(multicall(20), -ERESTART);
	assert_true(guest_regs()->rsi < 20);
}

/* --- Small ones --------------------------------------------------------------------------------- */

static void vm_assist_takes_what_a_pv_guest_may_ask_for(void **state)
{
	(void)state;
	assert_int_equal(fake_hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables, 0, 0, 0), 0);
	assert_int_equal(dom_b->vm_assist, 1 << VMASST_TYPE_writable_pagetables);
	assert_int_equal(fake_hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_disable, VMASST_TYPE_writable_pagetables, 0, 0, 0), 0);
	assert_int_equal(dom_b->vm_assist, 0);
	assert_int_equal(fake_hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 64, 0, 0, 0), -EINVAL);
	assert_int_equal(fake_hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 63, 0, 0, 0), -EINVAL);
	assert_int_equal(fake_hypercall(__HYPERVISOR_vm_assist, 2, 3, 0, 0, 0), -ENOSYS);
}

static u32 features_of(struct vcpu *v)
{
	struct xen_feature_info *f = fake_guest(ARG);

	fake_run_on(1, v);
	f->submap_idx = 0;
	assert_int_equal(fake_hypercall(__HYPERVISOR_xen_version, XENVER_get_features, ARG, 0, 0, 0), 0);
	return f->submap;
}

static void features_say_who_is_dom0(void **state)
{
	(void)state;
	assert_false(features_of(dom_b->vcpus[0]) & 1u << XENFEAT_dom0);
	assert_true(features_of(dom_a->vcpus[0]) & 1u << XENFEAT_dom0);
	assert_false(features_of(dom_a->vcpus[0]) & 1u << XENFEAT_pae_pgdir_above_4gb);
	dom_a->vm_assist = 1 << VMASST_TYPE_pae_extended_cr3;
	assert_true(features_of(dom_a->vcpus[0]) & 1u << XENFEAT_pae_pgdir_above_4gb);
	((struct xen_feature_info *)fake_guest(ARG))->submap_idx = 1;
	assert_int_equal(fake_hypercall(__HYPERVISOR_xen_version, XENVER_get_features, ARG, 0, 0, 0), -EINVAL);
}

static long version(u64 cmd, u64 arg) { return fake_hypercall(__HYPERVISOR_xen_version, cmd, arg, 0, 0, 0); }

static void version_answers_fill_their_fields(void **state)
{
	char *text = fake_guest(ARG);

	(void)state;
	memset(text, 'x', 1024);
	assert_int_equal(version(XENVER_extraversion, ARG), 0);
	assert_string_equal(text, "-xenolith");
	assert_int_equal(text[16], 'x');
	assert_int_equal(version(XENVER_capabilities, ARG), 0);
	assert_string_equal(text, "xen-3.0-x86_64 ");
	assert_int_equal(version(XENVER_changeset, ARG), 0);
	assert_int_equal(version(XENVER_compile_info, ARG), 0);
	assert_int_equal(version(XENVER_commandline, ARG), 0);
	assert_string_equal(text, "");
	fake_run_on(0, dom_a->vcpus[0]);
	assert_int_equal(version(XENVER_commandline, ARG), 0);
	assert_string_equal(text, "loglvl=all");
	assert_int_equal(version(XENVER_platform_parameters, ARG), 0);
	assert_true(*(u64 *)(void *)text == HV_VIRT_START);
	assert_int_equal(version(XENVER_guest_handle, ARG), 0);
	assert_int_equal(version(XENVER_pagesize, 0), 4096);
	assert_int_equal(version(XENVER_pagesize, ARG), -EINVAL);
	assert_int_equal(version(XENVER_build_id, 0), -ENODATA);
	assert_int_equal(version(99, ARG), -ENOSYS);
	fake_guest_unmap(ARG);
	for (u64 cmd = XENVER_extraversion; cmd <= XENVER_get_features; cmd++)
		assert_int_equal(version(cmd, ARG), -EFAULT);
}

static void wall_clock_is_told_to_every_domain(void **state)
{
	const struct shared_info *s = dom_b->shared_info;

	(void)state;
	wallclock_set(1700000000, 500, 100);
	assert_int_equal(s->wc_sec, 1700000000);
	assert_int_equal(s->wc_nsec, 400);
	assert_int_equal(s->wc_version & 1, 0);
	assert_int_equal(dom_a->shared_info->wc_sec, 1700000000);
	/* A guest that spoils the version does not confuse the next reader. */
	dom_b->shared_info->wc_version = 7;
	wallclock_set((1ULL << 32) + 5, 0, 0);
	assert_int_equal(s->wc_version & 1, 0);
	assert_int_equal(s->wc_sec, 5);
	assert_int_equal(s->wc_sec_hi, 1);
	assert_int_equal(dom_b->refcount, 1);
}

static void vcpu_time_has_an_even_version_that_grows(void **state)
{
	struct vcpu *v = dom_b->vcpus[0];
	u32 before;

	(void)state;
	time_publish(v);
	before = v->vcpu_info->time.version;
	assert_int_equal(before & 1, 0);
	assert_true(v->vcpu_info->time.tsc_to_system_mul);
	v->vcpu_info->time.version = 12345;
	time_publish(v);
	assert_int_equal(v->vcpu_info->time.version, before + 2);
}

static void periodic_timer_fires_until_stopped(void **state)
{
	struct vcpu *v = dom_b->vcpus[0];
	struct { u64 period; } *arg = fake_guest(ARG);

	(void)state;
	arg->period = 999999;
	assert_int_equal(fake_hypercall(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, ARG, 0, 0), -EINVAL);
	arg->period = 2000000;
	assert_int_equal(fake_hypercall(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, ARG, 0, 0), 0);
	for (u32 i = 1; i < 4; i++) {
		assert_true(timer_is_set(&v->periodic));
		assert_int_equal(v->periodic.expires, i * 2000000);
		fake.now = i * 2000000;
		timer_run_expired(&fake.timers[0], fake.now);
	}
	assert_int_equal(fake_hypercall(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0, 0, 0), 0);
	assert_false(timer_is_set(&v->periodic));
}

static void singleshot_in_the_past_is_refused_only_if_asked(void **state)
{
	struct vcpu_set_singleshot_timer *t = fake_guest(ARG);
	struct vcpu *v = dom_b->vcpus[0];

	(void)state;
	fake.now = 1000;
	*t = (struct vcpu_set_singleshot_timer){ 500, VCPU_SSHOTTMR_future };
	assert_int_equal(fake_hypercall(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, ARG, 0, 0), -ETIME);
	assert_int_equal(fake_hypercall(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 1, ARG, 0, 0), -EINVAL);
	t->flags = 0;
	assert_int_equal(fake_hypercall(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, ARG, 0, 0), 0);
	assert_true(timer_is_set(&v->singleshot));
	assert_int_equal(fake_hypercall(__HYPERVISOR_vcpu_op, VCPUOP_stop_singleshot_timer, 1, 0, 0, 0), -EINVAL);
	assert_int_equal(fake_hypercall(__HYPERVISOR_vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0, 0, 0), 0);
	assert_false(timer_is_set(&v->singleshot));
	assert_int_equal(fake_hypercall(__HYPERVISOR_set_timer_op, 5000, 0, 0, 0, 0), 0);
	assert_int_equal(v->singleshot.expires, 5000);
	assert_int_equal(fake_hypercall(__HYPERVISOR_set_timer_op, 0, 0, 0, 0, 0), 0);
	assert_false(timer_is_set(&v->singleshot));
}

static long register_info(u32 vcpu, u64 mfn, u32 offset)
{
	*(struct vcpu_register_vcpu_info *)fake_guest(ARG) = (struct vcpu_register_vcpu_info){ .mfn = mfn, .offset = offset };
	return fake_hypercall(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, vcpu, ARG, 0, 0);
}

static void vcpu_info_lies_within_one_frame_of_the_domain(void **state)
{
	mfn_t mine = fake_give_frame(dom_b), other = fake_give_frame(dom_a);
	struct vcpu *v = dom_b->vcpus[0];
	struct vcpu_info *old = v->vcpu_info;

	(void)state;
	assert_int_equal(register_info(0, mine.m, PAGE_SIZE - sizeof(*old) + 8), -EINVAL);
	assert_int_equal(register_info(0, mine.m, 12), -EINVAL);
	assert_int_equal(register_info(0, other.m, 0), -EINVAL);
	assert_int_equal(register_info(7, mine.m, 0), -ENOENT);
	assert_ptr_equal(v->vcpu_info, old);
	assert_int_equal(refs(mine.m), 1);
	old->evtchn_upcall_mask = 1;
	assert_int_equal(register_info(0, mine.m, PAGE_SIZE - sizeof(*old)), 0);
	assert_ptr_equal(v->vcpu_info, (u8 *)fake_frame(mine) + PAGE_SIZE - sizeof(*old));
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 1);
	assert_int_equal(v->vcpu_info->evtchn_upcall_pending, 1);
	assert_true(v->vcpu_info->evtchn_pending_sel == ~0ULL);
	assert_int_equal(register_info(0, mine.m, 0), -EINVAL); /* once */
	assert_int_equal(refs(mine.m), 2);
}

static mfn_t others_frame;

static void vcpu_1_registers_for_vcpu_2(void)
{
	fake_run_on(2, dom_b->vcpus[1]);
	assert_int_equal(register_info(2, others_frame.m, 0), -EINVAL);
	fake_run_on(1, dom_b->vcpus[0]);
}

static void of_two_registrations_at_once_one_is_refused(void **state)
{
	mfn_t mine = fake_give_frame(dom_b);

	(void)state;
	others_frame = fake_give_frame(dom_b);
	dom_b->vcpus[2]->down = true;
	meanwhile = vcpu_1_registers_for_vcpu_2;
	assert_int_equal(register_info(2, mine.m, 0), 0);
	assert_ptr_equal(dom_b->vcpus[2]->vcpu_info, fake_frame(mine));
	assert_int_equal(refs(mine.m), 2);
	assert_int_equal(refs(others_frame.m), 1);
}

static void domains_named_by_their_own_number_are_not_held(void **state)
{
	u64 *req = fake_guest(ARG);

	(void)state;
	req[0] = req[1] = 0;
	for (u64 pt = 0; pt < 2; pt++)
		fake_hypercall(__HYPERVISOR_mmu_update, ARG, 1, 0, 5 | pt * (6ULL << 16), 0);
	fake_hypercall(__HYPERVISOR_mmuext_op, ARG, 0, 0, 5, 0);
	assert_int_equal(dom_b->refcount, 1);
	assert_int_equal(fake_hypercall(__HYPERVISOR_mmu_update, ARG, 1, 0, 0, 0), -EPERM);
	assert_int_equal(fake_hypercall(__HYPERVISOR_mmu_update, ARG, 1, 0, DOMID_SELF | 1ULL << 16, 0), -EPERM);
	assert_int_equal(fake_hypercall(__HYPERVISOR_mmu_update, ARG, 1, 0, 77, 0), -ESRCH);
	assert_int_equal(fake_hypercall(__HYPERVISOR_mmu_update, ARG, 1, 0, DOMID_SELF | 78ULL << 16, 0), -ESRCH);
	assert_int_equal(dom_a->refcount, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(populate_gives_frames_and_tells_their_numbers, fresh),
		cmocka_unit_test_setup(populate_stops_at_the_limit, fresh),
		cmocka_unit_test_setup(memory_whose_number_cannot_be_told_is_taken_back, fresh),
		cmocka_unit_test_setup(a_long_call_goes_on_where_it_stopped, fresh),
		cmocka_unit_test_setup(decrease_stops_at_a_foreign_frame, fresh),
		cmocka_unit_test_setup(only_a_controller_changes_other_domains_memory, fresh),
		cmocka_unit_test_setup(exchange_makes_scattered_frames_one_block, fresh),
		cmocka_unit_test_setup(exchange_of_a_frame_in_use_changes_nothing, fresh),
		cmocka_unit_test_setup(exchange_without_memory_changes_nothing, fresh),
		cmocka_unit_test_setup(exchange_with_bad_arguments_changes_nothing, fresh),
		cmocka_unit_test_setup(memory_maps_are_for_those_they_are_about, fresh),
		cmocka_unit_test_setup(a_toolstack_gives_a_domain_its_map, fresh),
		cmocka_unit_test_setup(grant_frames_are_named_to_who_controls_the_domain, fresh),
		cmocka_unit_test_setup(claimed_memory_is_kept_from_others, fresh),
		cmocka_unit_test_setup(what_others_gave_back_of_it_meanwhile_keeps_none_of_the_rest, fresh),
		cmocka_unit_test_setup(a_dying_domain_gets_no_pinned_table, fresh),
		cmocka_unit_test_setup(a_dying_domain_gets_no_memory, fresh),
		cmocka_unit_test_setup(a_killed_domain_keeps_what_others_map_and_nothing_else, fresh),
		cmocka_unit_test_setup(the_m2p_is_shown_to_toolstacks, fresh),
		cmocka_unit_test_setup(entries_run_in_turn_and_a_failure_stops_nothing, fresh),
		cmocka_unit_test_setup(an_interrupted_entry_is_continued_in_place, fresh),
		cmocka_unit_test_setup(an_entry_that_can_not_be_continued_leaves_no_promise_behind, fresh),
		cmocka_unit_test_setup(work_is_seen_to_between_entries, fresh),
		cmocka_unit_test_setup(vm_assist_takes_what_a_pv_guest_may_ask_for, fresh),
		cmocka_unit_test_setup(features_say_who_is_dom0, fresh),
		cmocka_unit_test_setup(version_answers_fill_their_fields, fresh),
		cmocka_unit_test_setup(wall_clock_is_told_to_every_domain, fresh),
		cmocka_unit_test_setup(vcpu_time_has_an_even_version_that_grows, fresh),
		cmocka_unit_test_setup(periodic_timer_fires_until_stopped, fresh),
		cmocka_unit_test_setup(singleshot_in_the_past_is_refused_only_if_asked, fresh),
		cmocka_unit_test_setup(vcpu_info_lies_within_one_frame_of_the_domain, fresh),
		cmocka_unit_test_setup(of_two_registrations_at_once_one_is_refused, fresh),
		cmocka_unit_test_setup(domains_named_by_their_own_number_are_not_held, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
