// SPDX-License-Identifier: MIT
/*
 * Page tables: what the hypervisor must refuse, and what a refusal must leave alone.
 *
 * The rule behind all of it: a frame is a page table, a descriptor page, or writable, never two of these at once,
 * and an entry points only where the domain may. The tests work on a low part of the address space in which they
 * build their own tables, so that a refusal that was none breaks nothing else.
 *
 * A refused update is looked at again: the entry must be what it was.
 */
#include <xen/memory.h>

#include "runtime.h"

#define BASE		0x0000100000000000UL	/* nothing is there at the start */
#define BAD_MFN		0x000ffffffffUL
#define LEVELS		4

#define PF		14

SNIPPET(load, "mov (%rdi), %rax");
SNIPPET(store, "mov %rax, (%rdi)");

static uint64_t l4;

/* A read-only page, ready to become a table. */
static uint64_t *new_table(void)
{
	uint64_t *table = page_alloc();

	page_make_readonly(table);
	return table;
}

static void done_with_table(uint64_t *table)
{
	page_make_writable(table);
	page_free(table);
}

/* The runtime's own view of a table entry, from its machine address. */
static const volatile uint64_t *slot_of(uint64_t entry)
{
	return (void *)((uintptr_t)mfn_to_virt(entry >> PAGE_SHIFT) + (entry & (PAGE_SIZE - 1)));
}

/* Writes an entry that must be refused, and looks that it was not written. */
static void refuse_write(uint64_t entry, uint64_t value, long want, long or_else, const char *name)
{
	const volatile uint64_t *slot = slot_of(entry);
	uint64_t before = *slot;
	long got = pt_write(entry, value);

	tap_ok((got == want || got == or_else) && *slot == before, "%s", name);
	if ((got != want && got != or_else) || *slot != before)
		printf("# got %ld, wanted %ld; the entry was %lx and is %lx\n", got, want, before, *slot);
}

static uint64_t entry_of(uint64_t address, int level)
{
	uint64_t value;

	return pt_entry(l4, address, level, &value);
}

static void leaf_entries(void)
{
	uint64_t *table = new_table();
	void *page = page_alloc();
	uint64_t entry = entry_of(BASE, 1);

	tap_long(pt_write(entry, mfn_pte(virt_to_mfn(page), PTE_RWDATA)), 0, "an own page can be mapped twice");
	tap_long(pt_write(entry, 0), 0, "and unmapped");
	refuse_write(entry, mfn_pte(l4, PTE_RWDATA), -XEN_EINVAL, -XEN_EBUSY, "the L4 in use can't be mapped writable");
	refuse_write(entry, mfn_pte(entry_of(BASE, 1) >> PAGE_SHIFT, PTE_RWDATA), -XEN_EINVAL, -XEN_EBUSY,
		     "an L1 in use can't be mapped writable");
	tap_long(pt_write(entry, mfn_pte(l4, PTE_RODATA)), 0, "the L4 in use can be mapped read-only");
	refuse_write(entry, mfn_pte(l4, PTE_RWDATA), -XEN_EINVAL, -XEN_EBUSY,
		     "a read-only mapping of the L4 can't be made writable");
	pt_write(entry, 0);
	refuse_write(entry, mfn_pte(BAD_MFN, PTE_RWDATA), -XEN_EPERM, -XEN_EINVAL,
		     "a frame above all memory can't be mapped");
	refuse_write(entry, mfn_pte(virt_to_mfn(page), PTE_RWDATA) | 1UL << 51, -XEN_EPERM, -XEN_EINVAL,
		     "an address bit that the CPU reserves is refused");
	/* Not even dom0 may: the interrupt controllers are the hypervisor's. */
	refuse_write(entry, mfn_pte(0xfee00, PTE_RWDATA), -XEN_EPERM, -XEN_EINVAL,
		     "the local APIC can't be mapped");
	tap_long(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0, "an empty page can be pinned as an L1");
	refuse_write(entry, mfn_pte(virt_to_mfn(table), PTE_RWDATA), -XEN_EINVAL, -XEN_EBUSY,
		     "a pinned L1 can't be mapped writable");
	tap_long(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0, "it can be unpinned");
	tap_long(pt_write(entry, mfn_pte(virt_to_mfn(table), PTE_RWDATA)), 0, "and mapped writable then");
	tap_ok(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)) < 0, "a page mapped writable can't be pinned as an L1");
	pt_write(entry, 0);
	page_free(page);
	done_with_table(table);
}

static void not_present_entries(void)
{
	uint64_t entry = entry_of(BASE, 1);

	tap_long(pt_write(entry, 0x123456789abcdeUL & ~PTE_P), 0, "an entry that is not present may hold anything");
	tap_long(pt_write(entry, 0), 0, "and be cleared");
	tap_long(map_pte((const void *)BASE, 0), 0, "update_va_mapping can clear what is clear");
}

static void upper_entries(void)
{
	uint64_t *page = page_alloc();
	uint64_t *table = new_table();
	static const char *const names[] = { "", "", "an L2", "an L3", "an L4" };
	char name[80];

	for (int level = 2; level <= LEVELS; level++) {
		/* A slot of the same table that maps nothing. */
		uint64_t entry = entry_of(BASE, level) + 8;

		snprintf(name, sizeof(name), "PSE in %s is refused", names[level]);
		refuse_write(entry, mfn_pte(virt_to_mfn(table), PTE_TABLE | PTE_PSE), -XEN_EINVAL, -XEN_EINVAL, name);
		snprintf(name, sizeof(name), "a writable page can't be put under %s", names[level]);
		refuse_write(entry, mfn_pte(virt_to_mfn(page), PTE_TABLE), -XEN_EINVAL, -XEN_EBUSY, name);
		snprintf(name, sizeof(name), "a frame above all memory can't be put under %s", names[level]);
		refuse_write(entry, mfn_pte(BAD_MFN, PTE_TABLE), -XEN_EINVAL, -XEN_EFAULT, name);
		snprintf(name, sizeof(name), "the L4 can't be put under %s", names[level]);
		refuse_write(entry, mfn_pte(l4, PTE_TABLE), -XEN_EINVAL, -XEN_EBUSY, name);
		snprintf(name, sizeof(name), "reserved bits in %s are refused", names[level]);
		refuse_write(entry, mfn_pte(virt_to_mfn(table), PTE_TABLE) | 1UL << 51, -XEN_EINVAL, -XEN_EFAULT, name);
	}
	page_free(page);
	done_with_table(table);
}

static void hypervisor_slots(void)
{
	static const unsigned int slots[] = { 256, 257, 263, 271 };
	uint64_t *table = new_table();

	for (unsigned int i = 0; i < ARRAY_SIZE(slots); i++) {
		uint64_t value = mfn_pte(virt_to_mfn(table), PTE_TABLE);
		uint64_t before = ((const volatile uint64_t *)mfn_to_virt(l4))[slots[i]];
		long got = pt_write((l4 << PAGE_SHIFT) + 8 * slots[i], value);
		uint64_t after = ((const volatile uint64_t *)mfn_to_virt(l4))[slots[i]];

		tap_ok(after == before, "slot %u of the L4 stays the hypervisor's (the call says %ld)", slots[i], got);
	}
	tap_long(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)), 0, "and the frame offered has no type from it");
	mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table));
	done_with_table(table);
}

static void pins(void)
{
	uint64_t *table = new_table(), *page = page_alloc();
	uint64_t l1 = entry_of(BASE, 1) >> PAGE_SHIFT;
	uint64_t mfn = virt_to_mfn(table);

	tap_long(mmuext(MMUEXT_UNPIN_TABLE, mfn), -XEN_EINVAL, "unpinning what is not pinned is refused");
	tap_long(mmuext(MMUEXT_PIN_L2_TABLE, mfn), 0, "an empty page can be pinned as an L2");
	tap_long(mmuext(MMUEXT_PIN_L2_TABLE, mfn), -XEN_EINVAL, "pinning twice is refused");
	tap_long(mmuext(MMUEXT_PIN_L1_TABLE, mfn), -XEN_EINVAL, "a pinned L2 can't be pinned as an L1");
	tap_long(mmuext(MMUEXT_PIN_L3_TABLE, mfn), -XEN_EINVAL, "a pinned L2 can't be pinned as an L3");
	tap_long(mmuext(MMUEXT_UNPIN_TABLE, mfn), 0, "unpinning works once");
	tap_long(mmuext(MMUEXT_UNPIN_TABLE, mfn), -XEN_EINVAL, "and not twice");
	tap_long(mmuext(MMUEXT_PIN_L3_TABLE, mfn), 0, "an unpinned page can take another type");
	mmuext(MMUEXT_UNPIN_TABLE, mfn);
	tap_long(mmuext(MMUEXT_PIN_L2_TABLE, l1), -XEN_EINVAL, "an L1 in use can't be pinned as an L2");
	tap_long(mmuext(MMUEXT_PIN_L1_TABLE, l4), -XEN_EINVAL, "the L4 in use can't be pinned as an L1");
	tap_long(mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(page)), -XEN_EINVAL,
		 "a writable page can't be pinned as an L4");
	tap_long(mmuext(MMUEXT_PIN_L1_TABLE, BAD_MFN), -XEN_EINVAL, "a frame above all memory can't be pinned");
	tap_long(mmuext(MMUEXT_PIN_L1_TABLE, start_info->shared_info >> PAGE_SHIFT), -XEN_EINVAL,
		 "the page shared with the hypervisor can't be pinned");
	tap_long(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(page)), -XEN_EINVAL, "a writable page can't become the base");
	tap_long(mmuext(MMUEXT_NEW_BASEPTR, l1), -XEN_EINVAL, "an L1 can't become the base");
	tap_long(mmuext(MMUEXT_NEW_BASEPTR, BAD_MFN), -XEN_EINVAL, "a frame above all memory can't become the base");
	tap_long(mmuext(MMUEXT_NEW_USER_BASEPTR, l1), -XEN_EINVAL, "an L1 can't become the user base");
	tap_long(mmuext(MMUEXT_NEW_USER_BASEPTR, BAD_MFN), -XEN_EINVAL,
		 "a frame above all memory can't become it either");
	tap_long(mmuext(99, 0), -XEN_ENOSYS, "an unknown mmuext command is refused");
	tap_long(mmuext(MMUEXT_CLEAR_PAGE, l1), -XEN_EINVAL, "an L1 can't be cleared as a page");
	tap_long(mmuext(MMUEXT_CLEAR_PAGE, virt_to_mfn(page)), 0, "a writable page can");
	page_free(page);
	done_with_table(table);
}

/* An L1 with one bad entry can't be promoted, and is writable afterwards as before. */
static void bad_contents(void)
{
	static const struct {
		const char *name;
		uint64_t value;
	} cases[] = {
		{ "an L1 that maps a frame above all memory can't be pinned", BAD_MFN << PAGE_SHIFT | PTE_RWDATA },
		{ "an L1 with reserved bits can't be pinned", 1UL << 51 | PTE_RWDATA },
	};
	uint64_t *table, *other;

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		table = page_alloc();
		table[511] = cases[i].value;
		page_make_readonly(table);
		tap_ok(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)) < 0, "%s", cases[i].name);
		tap_ok(!map_pte(table, mfn_pte(virt_to_mfn(table), PTE_RWDATA)), "and is no table afterwards");
		page_free(table);
	}
	table = page_alloc();
	other = page_alloc();
	table[0] = mfn_pte(virt_to_mfn(table), PTE_RWDATA);
	page_make_readonly(table);
	tap_ok(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)) < 0, "an L1 that maps itself writable can't be pinned");
	page_make_writable(table);
	for (unsigned int i = 0; i < 511; i++)
		table[i] = mfn_pte(virt_to_mfn(other), PTE_RWDATA);
	table[511] = mfn_pte(l4, PTE_RWDATA);
	page_make_readonly(table);
	tap_ok(mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table)) < 0,
	       "an L1 whose last entry maps the L4 writable can't be pinned");
	page_make_readonly(other);
	tap_long(mmuext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(other)), 0,
		 "and the 511 good entries before it have left no reference");
	mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(other));
	done_with_table(other);
	done_with_table(table);
}

static void descriptors(void)
{
	uint64_t *gdt = page_alloc();
	uint64_t frames[1] = { virt_to_mfn(gdt) };
	uint64_t entry = entry_of(BASE, 1), empty = (frames[0] << PAGE_SHIFT) + 32;

	gdt[2] = 0x00af9b000000ffff;	/* 64-bit code, DPL 0: becomes DPL 3 */
	gdt[3] = 0x00cf93000000ffff;
	tap_ok(hypercall2(__HYPERVISOR_set_gdt, frames, 16) < 0, "a writable page can't become the GDT");
	page_make_readonly(gdt);
	tap_long(hypercall2(__HYPERVISOR_set_gdt, frames, 16), 0, "a read-only page can");
	tap_ok((gdt[2] >> 45 & 3) == 3, "the privilege of its descriptors is 3 afterwards");
	refuse_write(entry, mfn_pte(frames[0], PTE_RWDATA), -XEN_EINVAL, -XEN_EBUSY,
		     "the GDT can't be mapped writable");
	tap_ok(map_pte(gdt, mfn_pte(frames[0], PTE_RWDATA)) < 0, "not by update_va_mapping either");
	tap_ok(mmuext(MMUEXT_PIN_L1_TABLE, frames[0]) < 0, "the GDT can't be pinned as an L1");
	tap_long(hypercall2(__HYPERVISOR_update_descriptor, empty, 0x00cf93000000ffff), 0,
		 "a data descriptor can be written into it");
	tap_long(hypercall2(__HYPERVISOR_update_descriptor, empty + 8, 0x00008b000000ffff), -XEN_EINVAL,
		 "a task state descriptor can't");
	tap_long(hypercall2(__HYPERVISOR_update_descriptor, empty + 8, 0x00008e0000100000), -XEN_EINVAL,
		 "an interrupt gate can't");
	tap_long(hypercall2(__HYPERVISOR_update_descriptor, l4 << PAGE_SHIFT, 0), -XEN_EINVAL,
		 "a descriptor can't be written into the L4");
	tap_long(hypercall2(__HYPERVISOR_set_gdt, frames, 0), 0, "the GDT can be given back");
	tap_long(map_pte(gdt, mfn_pte(frames[0], PTE_RWDATA)), 0, "and is writable then");
	page_free(gdt);
}

static void bad_descriptor_page(void)
{
	uint64_t *gdt = page_alloc();
	uint64_t frames[1] = { virt_to_mfn(gdt) };

	gdt[511] = 0x00008b000000ffff;
	page_make_readonly(gdt);
	tap_ok(hypercall2(__HYPERVISOR_set_gdt, frames, 16) < 0,
	       "a page with a task state descriptor can't become the GDT");
	tap_long(map_pte(gdt, mfn_pte(frames[0], PTE_RWDATA)), 0, "and is an ordinary page afterwards");
	page_free(gdt);
}

static void use_after_unmap(void)
{
	uint64_t *page = page_alloc();
	struct regs at = { .rdi = BASE, .rax = 1 };
	struct outcome o;

	page[0] = 0x1122334455667788;
	tap_long(map_pte((const void *)BASE, mfn_pte(virt_to_mfn(page), PTE_RODATA)), 0, "a page is mapped read-only");
	o = run_kernel(load, &at);
	tap_ok(o.vector == NO_FAULT && o.regs.rax == page[0], "it can be read");
	o = run_kernel(store, &at);
	tap_ok(o.vector == PF && (o.error & 3) == 3 && o.cr2 == BASE, "it can't be written");
	tap_ok(!(o.error & 4), "and the fault is the kernel's");
	map_pte((const void *)BASE, mfn_pte(virt_to_mfn(page), PTE_RWDATA));
	o = run_kernel(store, &at);
	tap_ok(o.vector == NO_FAULT && page[0] == 1, "after a change to writable it can");
	o = run_user(load, &at);
	tap_ok(o.vector == PF && o.error & 4, "guest user does not see it: its tables are others");
	map_pte((const void *)BASE, 0);
	o = run_kernel(load, &at);
	tap_ok(o.vector == PF && !(o.error & 1) && o.cr2 == BASE, "after an unmap with invlpg it is gone at once");
	pt_write(entry_of(BASE, 1), mfn_pte(virt_to_mfn(page), PTE_RWDATA));
	run_kernel(load, &at);
	pt_write(entry_of(BASE, 1), 0);
	mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0);
	o = run_kernel(load, &at);
	tap_ok(o.vector == PF, "after mmu_update and a flush too");
	page_free(page);
}

/* A direct store to a table entry in use faults, or is carried out by the hypervisor under the same rules. */
static void direct_stores(void)
{
	const volatile uint64_t *slot = slot_of(entry_of(BASE, 1));
	uint64_t *page = page_alloc();
	struct regs bad = { .rdi = (uint64_t)(uintptr_t)slot, .rax = mfn_pte(l4, PTE_RWDATA) };
	struct regs good = { .rdi = (uint64_t)(uintptr_t)slot, .rax = mfn_pte(virt_to_mfn(page), PTE_RWDATA) };
	struct outcome o;

	hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables);
	o = run_kernel(store, &bad);
	tap_ok(o.vector == PF && !*slot, "a direct store that maps the L4 writable faults");
	o = run_kernel(store, &good);
	tap_ok(o.vector == NO_FAULT && (*slot & PTE_ADDR) == (good.rax & PTE_ADDR),
	       "a direct store of a good entry into an L1 is carried out");
	bad.rdi = start_info->pt_base;
	o = run_kernel(store, &bad);
	tap_ok(o.vector == PF, "a direct store into the L4 faults");
	pt_write(entry_of(BASE, 1), 0);
	page_free(page);
}

static void foreign_frames(void)
{
	static uint64_t list[1];
	struct xen_memory_reservation give = {
		.extent_start = (uint64_t)(uintptr_t)list, .nr_extents = 1, .domid = DOMID_SELF,
	};
	uint64_t *page = page_alloc();
	uint64_t mfn = virt_to_mfn(page), entry = entry_of(BASE, 1);

	list[0] = mfn;
	tap_long(map_pte(page, 0), 0, "a page is unmapped to be given back");
	tap_long(hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &give), 1, "and given back");
	refuse_write(entry, mfn_pte(mfn, PTE_RWDATA), -XEN_EBUSY, -XEN_EINVAL,
		     "a frame given back can't be mapped again");
	tap_ok(mmuext(MMUEXT_PIN_L1_TABLE, mfn) < 0, "nor pinned");
	tap_long(hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &give), 0, "nor given back twice");
	page = page_alloc();
	list[0] = virt_to_mfn(page);
	tap_long(pt_write(entry, mfn_pte(list[0], PTE_RWDATA)), 0, "a page is mapped a second time");
	hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &give);
	page[0] = 77;
	tap_ok(*(volatile uint64_t *)BASE == 77, "a page given back while mapped is still the same memory");
	pt_write(entry, 0);
}

static int handler_calls;

/* In the event handler, perhaps with a promotion of this very vcpu unfinished. */
static void change_l1_entries(evtchn_port_t port)
{
	(void)port;
	handler_calls++;
	for (int i = 0; i < 6; i++)
		hypercall3(__HYPERVISOR_update_va_mapping, BASE, 0, 0);
}

/* A large table is pinned while an event is due: the call is interrupted, and the handler changes other tables. */
static void interrupted_promotion(void)
{
	uint64_t *l2 = page_alloc(), *l1 = new_table();
	evtchn_port_t port = event_bind_ipi(0);

	for (int i = 0; i < 512; i++)
		l2[i] = mfn_pte(virt_to_mfn(l1), PTE_TABLE);
	page_make_readonly(l2);
	event_set_handler(port, change_l1_entries);
	event_unmask_port(port);
	events_disable();
	event_send(port);
	*(volatile uint8_t *)&vcpu_info->evtchn_upcall_mask = 0;
	tap_long(mmuext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), 0, "a table is pinned though an event comes in between");
	tap_ok(handler_calls == 1, "the event came, and its handler changed other tables");
	tap_long(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(l2)), 0, "the table can be unpinned");
	event_close(port);
	done_with_table(l2);
	done_with_table(l1);
}

/* Memory that is no RAM may be mapped by who has the right; nothing else may be done to it. */
static void io_frames(void)
{
	static const uint32_t ops[] = { MMUEXT_CLEAR_PAGE, MMUEXT_PIN_L1_TABLE, MMUEXT_UNPIN_TABLE };

	for (unsigned int i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		struct mmuext_op op = { .cmd = ops[i], .arg1.mfn = 0xf0 };

		tap_ok(hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_IO) < 0,
		       "mmuext %u on a frame of firmware is refused", ops[i]);
	}
}

static uint64_t ldt[512] __attribute__((aligned(4096)));

SNIPPET(breakpoint, "int3");

/* The first return to a segment of the LDT: its page is found by the fault that this causes. */
static void code_in_ldt(void)
{
	struct mmuext_op op = { .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = (uint64_t)(uintptr_t)ldt, .arg2.nr_ents = 512 };
	struct trap_frame frame = {
		.rip = (uint64_t)(uintptr_t)breakpoint, .cs = 0x0c, .rflags = 2,
		.rsp = (uint64_t)(uintptr_t)trap_stack_top, .ss = FLAT_RING3_SS64,
	};
	struct outcome o;

	ldt[1] = 0x00affb000000ffff;	/* 64-bit code, DPL 3 */
	page_make_readonly(ldt);
	tap_long(hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF), 0, "an LDT is set");
	o = run_frame(&frame);
	tap_ok(o.vector == 3, "code in a segment of the LDT runs, at its first use");
	op.arg2.nr_ents = 0;
	op.arg1.linear_addr = 0;
	hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF);
	page_make_writable(ldt);
}

void guest_main(void)
{
	tap_start("paging");
	l4 = kernel_l4_mfn();
	pt_ensure(l4, BASE);
	leaf_entries();
	not_present_entries();
	upper_entries();
	hypervisor_slots();
	pins();
	bad_contents();
	descriptors();
	bad_descriptor_page();
	use_after_unmap();
	direct_stores();
	foreign_frames();
	interrupted_promotion();
	io_frames();
	code_in_ldt();
	tap_end();
}
