// SPDX-License-Identifier: MIT
/*
 * Grant tables, with the domain as its own partner: it grants frames to itself, maps and copies them.
 *
 * What is looked at is what a backend relies on: a mapping needs an entry that allows it, the entry shows that it is
 * in use and for what, it can't be taken back meanwhile, and after the last unmap nothing is left.
 */
#include <xen/grant_table.h>

#include "runtime.h"

#define BASE		0x0000100000000000UL
#define PF		14

SNIPPET(load, "mov (%rdi), %rax");
SNIPPET(store, "mov %rax, (%rdi)");

static domid_t self;			/* the own number: mapping wants it, not DOMID_SELF */
static uint64_t *page;

/* A port of ours bound to ourselves tells who we are. */
static domid_t own_domid(void)
{
	evtchn_port_t unbound = event_alloc_unbound(DOMID_SELF);
	struct evtchn_status status = { .dom = DOMID_SELF, .port = unbound };

	hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_status, &status);
	event_close(unbound);
	return status.u.unbound.dom;
}

static int map(uint32_t ref, uint32_t flags, uint64_t address, grant_handle_t *handle)
{
	struct gnttab_map_grant_ref op = { .host_addr = address, .flags = flags, .ref = ref, .dom = self };
	long result = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &op, 1);

	if (result)
		panic("map_grant_ref: %ld", result);
	*handle = op.handle;
	return op.status;
}

static int unmap(uint64_t address, grant_handle_t handle)
{
	struct gnttab_unmap_grant_ref op = { .host_addr = address, .handle = handle };
	long result = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &op, 1);

	if (result)
		panic("unmap_grant_ref: %ld", result);
	return op.status;
}

static int copy(struct gnttab_copy *op)
{
	long result = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, op, 1);

	if (result)
		panic("copy: %ld", result);
	return op->status;
}

static void mapping(void)
{
	struct regs at = { .rdi = BASE, .rax = 99 };
	grant_handle_t handle, second;
	struct outcome o;

	grant_access(9, self, virt_to_mfn(page), false);
	page[0] = 4711;
	tap_long(map(9, GNTMAP_host_map, BASE, &handle), GNTST_okay, "a granted frame can be mapped");
	tap_ok(*(volatile uint64_t *)BASE == 4711, "and is the granter's memory");
	tap_long(grant_flags(9), GTF_permit_access | GTF_reading | GTF_writing, "the entry shows reading and writing");
	tap_ok(!grant_end_access(9), "it can't be taken back meanwhile");
	o = run_kernel(store, &at);
	tap_ok(o.vector == NO_FAULT && page[0] == 99, "the mapping is writable");
	tap_long(map(9, GNTMAP_host_map | GNTMAP_readonly, BASE + PAGE_SIZE, &second), GNTST_okay,
		 "it can be mapped again, read-only");
	tap_ok(second != handle, "with a handle of its own");
	at.rdi = BASE + PAGE_SIZE;
	o = run_kernel(store, &at);
	tap_ok(o.vector == PF, "a read-only mapping can't be written");
	tap_long(unmap(BASE, handle), GNTST_okay, "the first is unmapped");
	tap_long(grant_flags(9), GTF_permit_access | GTF_reading, "the entry shows reading alone");
	tap_long(unmap(BASE, handle), GNTST_bad_handle, "an unmapped handle can't be unmapped again");
	tap_ok(unmap(BASE, second) != GNTST_okay, "a mapping can't be unmapped at an address where it is not");
	tap_long(unmap(BASE + PAGE_SIZE, second), GNTST_okay, "the second is unmapped");
	tap_long(grant_flags(9), GTF_permit_access, "the entry shows no use");
	o = run_kernel(load, &at);
	tap_ok(o.vector == PF, "nothing is mapped there any more");
	tap_ok(grant_end_access(9), "the entry can be taken back");
	tap_long(map(9, GNTMAP_host_map, BASE, &handle), GNTST_general_error, "and then not be mapped");
}

static void refusals(void)
{
	grant_handle_t handle;
	uint64_t l4 = kernel_l4_mfn();

	grant_access(10, self, virt_to_mfn(page), true);
	tap_long(map(10, GNTMAP_host_map, BASE, &handle), GNTST_general_error,
		 "a read-only grant can't be mapped writable");
	tap_long(map(10, GNTMAP_host_map | GNTMAP_readonly, BASE, &handle), GNTST_okay, "but read-only");
	tap_long(unmap(BASE, handle), GNTST_okay, "and is unmapped");
	grant_end_access(10);
	grant_access(10, 0x1234, virt_to_mfn(page), false);
	tap_long(map(10, GNTMAP_host_map, BASE, &handle), GNTST_general_error,
		 "a grant to another domain can't be mapped");
	grant_end_access(10);
	tap_long(map(0x7fffffff, GNTMAP_host_map, BASE, &handle), GNTST_bad_gntref,
		 "a reference beyond the table can't be mapped");
	grant_access(10, self, virt_to_mfn(page), false);
	tap_ok(map(10, 0, BASE, &handle) != GNTST_okay, "a mapping for nobody is refused");
	tap_ok(map(10, GNTMAP_host_map, 0xffff830000000000, &handle) != GNTST_okay,
	       "a mapping in the hypervisor's addresses is refused");
	tap_ok(map(10, GNTMAP_host_map, 0x0000123400000000, &handle) != GNTST_okay,
	       "a mapping where there is no table is refused");
	tap_long(grant_flags(10), GTF_permit_access, "after which the entry shows no use");
	grant_end_access(10);
	grant_access(10, self, l4, false);
	tap_ok(map(10, GNTMAP_host_map, BASE, &handle) != GNTST_okay,
	       "a page table can't be mapped writable by a grant");
	tap_long(grant_flags(10), GTF_permit_access, "after which the entry shows no use");
	grant_end_access(10);
	tap_ok(unmap(BASE, 0x7fffffff) == GNTST_bad_handle, "a handle that can't be is refused");
}

static void copying(void)
{
	uint64_t *target = page_alloc();
	struct gnttab_copy op = {
		.source = { .u.ref = 11, .domid = self, .offset = 8 },
		.dest = { .u.gmfn = virt_to_mfn(target), .domid = DOMID_SELF, .offset = 16 },
		.len = 24,
		.flags = GNTCOPY_source_gref,
	};

	for (unsigned int i = 0; i < 512; i++)
		page[i] = i;
	grant_access(11, self, virt_to_mfn(page), true);
	tap_long(copy(&op), GNTST_okay, "bytes can be copied out of a read-only grant");
	tap_ok(target[1] == 0 && target[2] == 1 && target[3] == 2 && target[4] == 3 && target[5] == 0,
	       "they arrive, and none beside them");
	tap_long(grant_flags(11), GTF_permit_access | GTF_readonly, "the entry shows no use afterwards");
	op.len = 4096;
	tap_long(copy(&op), GNTST_bad_copy_arg, "a copy may not cross the page");
	op.len = 24;
	op.source.u.ref = 0x7fffffff;
	tap_long(copy(&op), GNTST_bad_gntref, "nor come from a reference beyond the table");
	op.source.u.ref = 12;
	tap_long(copy(&op), GNTST_general_error, "nor from an empty entry");
	op = (struct gnttab_copy){
		.source = { .u.gmfn = virt_to_mfn(target), .domid = DOMID_SELF },
		.dest = { .u.ref = 11, .domid = self },
		.len = 8,
		.flags = GNTCOPY_dest_gref,
	};
	tap_long(copy(&op), GNTST_general_error, "nothing can be copied into a read-only grant");
	grant_end_access(11);
	op.flags = 0;
	op.dest = (struct gnttab_copy_ptr){ .u.gmfn = kernel_l4_mfn(), .domid = DOMID_SELF };
	tap_ok(copy(&op) != GNTST_okay, "nor into a page table");
	page_free(target);
}

static void sizes(void)
{
	struct gnttab_query_size query = { .dom = DOMID_SELF };
	struct gnttab_get_version version = { .dom = DOMID_SELF };

	tap_long(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, &query, 1), 0,
		 "the size can be asked for");
	tap_ok(query.status == GNTST_okay && query.nr_frames >= 1 && query.max_nr_frames >= query.nr_frames,
	       "the table has frames, and no more than its limit");
	if (!hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_get_version, &version, 1))
		tap_long(version.version, 1, "it starts as version 1");
}

void guest_main(void)
{
	tap_start("grants");
	self = own_domid();
	page = page_alloc();
	pt_ensure(kernel_l4_mfn(), BASE);
	tap_long(grants_init(), 0, "the table can be mapped");
	sizes();
	mapping();
	refusals();
	copying();
	tap_end();
}
