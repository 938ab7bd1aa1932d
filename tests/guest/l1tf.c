// SPDX-License-Identifier: MIT
/*
 * Entries that are not present, with pv-l1tf=on: none may name memory, by whatever way it comes into a table.
 *
 * Before the CPU says that an entry is not present, one with L1TF reads what is cached of the address it holds. So
 * the address must be none, or lie above all memory, as Linux's inverted ones do. tests/guest/paging.c holds that
 * without the option such entries may be anything.
 */
#include "runtime.h"

#define BASE	0x0000100000000000UL	/* nothing is there at the start */
#define PF	14
#define LEVELS	4

SNIPPET(store, "mov %rax, (%rdi)");

static uint64_t l4;

static uint64_t read_entry(uint64_t entry)
{
	return *(volatile uint64_t *)((uintptr_t)mfn_to_virt(entry >> PAGE_SHIFT) + (entry & (PAGE_SIZE - 1)));
}

static void refuse(uint64_t entry, uint64_t value, const char *name)
{
	uint64_t before = read_entry(entry);
	long rc = pt_write(entry, value);

	tap_ok(rc == -XEN_EINVAL && read_entry(entry) == before, "%s", name);
	if (!rc)
		pt_write(entry, before);
}

/* What Linux writes for swap, migration and PROT_NONE: the address inverted. */
static uint64_t inverted(uint64_t mfn)
{
	return ~(mfn << PAGE_SHIFT) & PTE_ADDR;
}

static void leaf_entries(uint64_t mfn)
{
	uint64_t value, entry = pt_entry(l4, BASE, 1, &value);

	refuse(entry, mfn_pte(mfn, 0), "an own page's address is refused");
	refuse(entry, mfn_pte(mfn, PTE_RWDATA & ~PTE_P), "whatever flags go with it");
	refuse(entry, mfn_pte(0x200, 0), "the hypervisor's address is refused");
	refuse(entry, mfn_pte(1, PTE_PSE), "the second page's address is refused");
	/* Bits that CPUs with fewer address bits don't look at. */
	refuse(entry, mfn_pte(mfn, 0) | 1UL << 51, "an address bit that the CPU lacks makes it no better");
	tap_long(pt_write(entry, inverted(mfn)), 0, "an inverted address is accepted");
	tap_long(pt_write(entry, inverted(mfn) | PTE_G | PTE_RW), 0, "with flags as well");
	tap_long(pt_write(entry, 0xe7e), 0, "flags alone are accepted");
	tap_long(pt_write(entry, 0), 0, "and so is nothing");
	tap_long(map_pte((const void *)BASE, mfn_pte(mfn, 0)), -XEN_EINVAL, "update_va_mapping refuses likewise");
	tap_long(map_pte((const void *)BASE, inverted(mfn)), 0, "and accepts likewise");
	pt_write(entry, 0);
}

static void upper_entries(uint64_t mfn)
{
	char name[80];

	for (int level = 2; level <= LEVELS; level++) {
		uint64_t value, entry = pt_entry(l4, BASE, level, &value) + 8;

		snprintf(name, sizeof(name), "level %d: an address without P is refused", level);
		refuse(entry, mfn_pte(mfn, 0), name);
		snprintf(name, sizeof(name), "level %d: PSE without P is refused, it stands for the first memory", level);
		refuse(entry, PTE_PSE, name);
		snprintf(name, sizeof(name), "level %d: an inverted address is accepted", level);
		tap_long(pt_write(entry, inverted(mfn)), 0, name);
		pt_write(entry, 0);
	}
}

static void stores(uint64_t mfn)
{
	uint64_t value, entry = pt_entry(l4, BASE, 1, &value);
	struct regs regs = { .rdi = (uintptr_t)mfn_to_virt(entry >> PAGE_SHIFT) + (entry & (PAGE_SIZE - 1)) };
	struct outcome o;

	regs.rax = mfn_pte(mfn, 0);
	o = run_kernel(store, &regs);
	tap_ok(o.vector == PF && read_entry(entry) == 0, "a store of it into a table faults");
	regs.rax = inverted(mfn);
	o = run_kernel(store, &regs);
	tap_ok(o.vector == NO_FAULT && read_entry(entry) == inverted(mfn), "a store of an inverted one is done");
	pt_write(entry, 0);
}

static void tables(uint64_t mfn)
{
	uint64_t *table = page_alloc();

	for (int level = 1; level <= LEVELS; level++) {
		unsigned int op = MMUEXT_PIN_L1_TABLE + level - 1;

		/* Not the L4's slots of the hypervisor: what is there does not count. */
		table[511] = mfn_pte(mfn, 0);
		page_make_readonly(table);
		tap_ok(mmuext(op, virt_to_mfn(table)) == -XEN_EINVAL, "level %d: a table that holds one can't be pinned",
		       level);
		page_make_writable(table);
		table[511] = inverted(mfn);
		page_make_readonly(table);
		tap_ok(!mmuext(op, virt_to_mfn(table)), "level %d: one with an inverted address can", level);
		tap_long(mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table)), 0, "and unpinned");
		page_make_writable(table);
	}
	table[511] = 0;
	page_free(table);
}

void guest_main(void)
{
	void *page;

	tap_start("l1tf");
	l4 = kernel_l4_mfn();
	pt_ensure(l4, BASE);
	page = page_alloc();
	leaf_entries(virt_to_mfn(page));
	upper_entries(virt_to_mfn(page));
	stores(virt_to_mfn(page));
	tables(virt_to_mfn(page));
	tap_end();
}
