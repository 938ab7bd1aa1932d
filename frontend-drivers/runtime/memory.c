// SPDX-License-Identifier: MIT
/*
 * Memory of a PV guest: which frame is where, pages to hand out, and changes to page tables.
 *
 * The domain builder mapped one dense chunk: address RUNTIME_VIRT_BASE + 4096 * pfn, up to some end past the boot
 * stack. Everything this file hands out lies in that chunk, so that
 *  1. each own page has one writable address, found from its mfn through the m2p;
 *  2. a page becomes a page table by losing that writable mapping (page_make_readonly), and only then is put to
 *     use; the hypervisor would refuse it otherwise;
 *  3. tables are always readable, so walking a tree needs no hypercall.
 */
#include "os_port.h"
#include "runtime.h"

static struct os_lock lock;		/* guards the free list */
static uint64_t *p2m;
static const uint64_t *m2p = (const uint64_t *)MACH2PHYS_VIRT_START;
static void *free_list;			/* linked through the pages' first word */
static unsigned long free_count;
static uint64_t end_of_chunk;

uint64_t pfn_to_mfn(uint64_t pfn)
{
	return p2m[pfn];
}

void pfn_set_mfn(uint64_t pfn, uint64_t mfn)
{
	p2m[pfn] = mfn;
}

uint64_t memory_end(void)
{
	return end_of_chunk;
}

uint64_t virt_to_mfn(const void *address)
{
	return p2m[((uint64_t)(uintptr_t)address - RUNTIME_VIRT_BASE) >> PAGE_SHIFT];
}

void *mfn_to_virt(uint64_t mfn)
{
	return (void *)(uintptr_t)(RUNTIME_VIRT_BASE + (m2p[mfn] << PAGE_SHIFT));
}

uint64_t kernel_l4_mfn(void)
{
	return virt_to_mfn((const void *)(uintptr_t)start_info->pt_base);
}

uint64_t pt_entry(uint64_t l4_mfn, uint64_t address, int level, uint64_t *value)
{
	uint64_t mfn = l4_mfn;

	for (int at = 4;; at--) {
		unsigned int slot = address >> (PAGE_SHIFT + 9 * (at - 1)) & 511;
		const volatile uint64_t *table = mfn_to_virt(mfn);

		*value = table[slot];
		if (at == level)
			return (mfn << PAGE_SHIFT) + 8 * slot;
		if (!(*value & PTE_P))
			return 0;
		mfn = (*value & PTE_ADDR) >> PAGE_SHIFT;
	}
}

long pt_write(uint64_t entry_maddr, uint64_t value)
{
	struct mmu_update update = { entry_maddr | MMU_NORMAL_PT_UPDATE, value };

	return hypercall4(__HYPERVISOR_mmu_update, &update, 1, 0, DOMID_SELF);
}

void pt_ensure(uint64_t l4_mfn, uint64_t address)
{
	for (int level = 4; level > 1; level--) {
		uint64_t value;
		uint64_t entry = pt_entry(l4_mfn, address, level, &value);
		void *table;

		if (value & PTE_P)
			continue;
		table = page_alloc();
		page_make_readonly(table);
		if (pt_write(entry, mfn_pte(virt_to_mfn(table), PTE_TABLE)))
			panic("no table of level %d for %p", level - 1, (void *)address);
	}
}

long map_pte(const void *address, uint64_t pte)
{
	return hypercall3(__HYPERVISOR_update_va_mapping, address, pte, UVMF_INVLPG | UVMF_LOCAL);
}

void map_over(void *page, uint64_t mfn)
{
	long result = map_pte(page, mfn_pte(mfn, PTE_RWDATA));

	if (result)
		panic("frame %lx could not be mapped at %p: %ld", mfn, page, result);
}

void page_make_readonly(void *page)
{
	if (map_pte(page, mfn_pte(virt_to_mfn(page), PTE_RODATA)))
		panic("page %p could not be made read-only", page);
}

void page_make_writable(void *page)
{
	if (map_pte(page, mfn_pte(virt_to_mfn(page), PTE_RWDATA)))
		panic("page %p could not be made writable", page);
}

long mmuext(unsigned int command, uint64_t mfn_or_address)
{
	struct mmuext_op op = { .cmd = command, .arg1.linear_addr = mfn_or_address };

	return hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF);
}

void *page_alloc(void)
{
	void *page;

	os_lock(&lock);
	page = free_list;
	if (!page)
		panic("out of pages");
	free_list = *(void **)page;
	free_count--;
	os_unlock(&lock);
	return memset(page, 0, PAGE_SIZE);
}

void page_free(void *page)
{
	os_lock(&lock);
	*(void **)page = free_list;
	free_list = page;
	free_count++;
	os_unlock(&lock);
}

unsigned long pages_free(void)
{
	return free_count;
}

void memory_init(void)
{
	uint64_t address = start_info->pt_base + start_info->nr_pt_frames * PAGE_SIZE + PAGE_SIZE;
	uint64_t l4, value;

	p2m = (uint64_t *)(uintptr_t)start_info->mfn_list;
	l4 = kernel_l4_mfn();
	/* The chunk ends within its last L1 table, or with it. */
	while (pt_entry(l4, address, 1, &value) && value & PTE_P) {
		/* Not by page_free: there is no event mask for its lock yet. */
		*(void **)(uintptr_t)address = free_list;
		free_list = (void *)(uintptr_t)address;
		free_count++;
		address += PAGE_SIZE;
	}
	end_of_chunk = address;
}
