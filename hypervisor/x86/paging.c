// SPDX-License-Identifier: MIT
/*
 * The hypervisor's page tables.
 *
 * They are built once, on the boot tables, and then never lose an entry: every
 * guest's L4 holds a copy of slots 256..271 (but for slot 259, the domain's
 * own), so an L3 that appears later would be missing there. Hence every slot's
 * L3 is made here. Below L3 the tables may grow (ioremap, CPU areas).
 *
 * Image pages are mapped W^X by their sections. RAM is in the direct map with
 * 2 MiB pages, never executable; what is not RAM is not there, so a wild
 * pointer meets a fault and not a device.
 *
 * Invariant: mfn_present has a bit for each MiB that has frame table entries,
 * and that MiB's page of the frame table is mapped.
 */
#include "x86/paging.h"
#include "boot/memory.h"
#include "core/page_alloc.h"
#include "core/seam.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "xen/xen.h"

extern char text_start[], text_end[], rodata_start[], rodata_end[], init_start[], init_text_end[], init_end[],
	data_start[], image_start[], image_end[], entry_text_start[], entry_text_end[];

u64 max_page;
u64 *idle_l4;
mfn_t idle_l4_mfn;
u64 *mfn_present;


static bool heap_ready;
static u64 ioremap_next = IOREMAP_START;

/* A zeroed page for a table. */
static u64 *table_alloc(void)
{
	u64 maddr;

	if (heap_ready) {
		mfn_t m = alloc_pages(0, 64, 0);

		if (mfn_eq(m, INVALID_MFN))
			hv_panic("no memory for the hypervisor's page tables");
		maddr = m.m << PAGE_SHIFT;
	} else {
		maddr = boot_alloc(PAGE_SIZE, PAGE_SIZE);
	}
	clear_page(maddr_to_virt(maddr));
	return maddr_to_virt(maddr);
}

static u64 *descend(u64 *entry)
{
	if (!(*entry & PTE_P))
		*entry = virt_to_maddr(table_alloc()) | HV_TABLE;
	ASSERT(!(*entry & PTE_PSE));
	return maddr_to_virt(*entry & PTE_MFN_MASK);
}

static unsigned idx(u64 va, unsigned level)
{
	return va >> (12 + 9 * (level - 1)) & 511;
}

static void map_at(u64 *l4, u64 va, u64 maddr, u64 flags, bool large)
{
	u64 *l3 = descend(&l4[idx(va, 4)]);
	u64 *l2 = descend(&l3[idx(va, 3)]);

	if (large) {
		l2[idx(va, 2)] = maddr | flags | PTE_PSE;
		return;
	}
	descend(&l2[idx(va, 2)])[idx(va, 1)] = maddr | flags;
}

/* By 2 MiB pages where both sides are aligned. */
static void map_range(u64 *l4, u64 va, u64 maddr, u64 bytes, u64 flags)
{
	u64 end = va + bytes;

	while (va < end) {
		bool large = !((va | maddr) & (MiB(2) - 1)) && end - va >= MiB(2);

		map_at(l4, va, maddr, flags, large);
		va += large ? MiB(2) : PAGE_SIZE;
		maddr += large ? MiB(2) : PAGE_SIZE;
	}
}

void map_pages(u64 va, mfn_t mfn, u64 pages, u64 flags)
{
	for (u64 i = 0; i < pages; i++)
		map_at(idle_l4, va + i * PAGE_SIZE, (mfn.m + i) << PAGE_SHIFT, flags, false);
}

void *ioremap(u64 maddr, u64 bytes)
{
	u64 offset = maddr & ~PAGE_MASK, pages = PFN_UP(offset + bytes), va = ioremap_next;

	if (va + pages * PAGE_SIZE > IOREMAP_END)
		return NULL;
	ioremap_next += pages * PAGE_SIZE;
	map_pages(va, MFN(PFN_DOWN(maddr)), pages, HV_UC);
	return (void *)(va + offset);
}

static void __init map_image_part(u64 *l4, const char *start, const char *end, u64 flags)
{
	for (u64 va = (u64)start; va < (u64)end; va += PAGE_SIZE)
		map_at(l4, va, va - HV_IMAGE_START, flags, false);
}

static void __init map_image(u64 *l4)
{
	map_image_part(l4, image_start, text_end, HV_RX);
	map_image_part(l4, rodata_start, rodata_end, HV_RO);
	map_image_part(l4, init_start, init_text_end, HV_RX);
	map_image_part(l4, init_text_end, init_end, HV_RW);
	map_image_part(l4, data_start, image_end, HV_RW);
}

/* Everything that is memory: RAM by the firmware's map, and the first MiB but for VGA graphics. */
static void __init map_ram(u64 *l4, const struct e820_map *map)
{
	for (u32 i = 0; i < map->nr; i++) {
		const struct e820_entry *e = &map->e[i];
		u64 start = ALIGN_UP(e->addr, PAGE_SIZE), end = ALIGN_DOWN(e->addr + e->size, PAGE_SIZE);

		if (e->type != E820_RAM || end <= MiB(1))
			continue;
		start = max(start, MiB(1));
		if (start >= end)
			continue;
		map_range(l4, DIRECT_MAP_START + start, start, end - start, HV_RW);
		max_page = max(max_page, PFN_DOWN(end));
	}
	map_range(l4, DIRECT_MAP_START, 0, 0xa0000, HV_RW);
	map_range(l4, DIRECT_MAP_START + 0xb8000, 0xb8000, 0x8000, HV_UC); /* text screen */
	map_range(l4, DIRECT_MAP_START + 0xc0000, 0xc0000, 0x40000, HV_RW);
}

static void __init find_present(const struct e820_map *map)
{
	u64 words = BITMAP_WORDS(ALIGN_UP(max_page, 256) / 256) + 1;

	mfn_present = maddr_to_virt(boot_alloc(ALIGN_UP(words * 8, PAGE_SIZE), PAGE_SIZE));
	memset(mfn_present, 0, words * 8);
	bit_set(mfn_present, 0);
	for (u32 i = 0; i < map->nr; i++) {
		const struct e820_entry *e = &map->e[i];

		if (e->type != E820_RAM)
			continue;
		for (u64 mib = e->addr >> 20; mib < ALIGN_UP(e->addr + e->size, MiB(1)) >> 20; mib++)
			if (mib < ALIGN_UP(max_page, 256) / 256)
				bit_set(mfn_present, mib);
	}
}

/* A page of frame table is 256 frames, 1 MiB; 512 MiB of RAM fill a large page. */
static void __init make_frame_table(u64 *l4)
{
	u64 mibs = ALIGN_UP(max_page, 256) / 256;

	for (u64 mib = 0; mib < mibs;) {
		bool large = !(mib % 512) && mib + 512 <= mibs;
		u64 bytes, maddr;

		for (u64 i = 0; large && i < 8; i++)
			large = mfn_present[mib / 64 + i] == ~0ULL;
		if (!large && !bit_test(mfn_present, mib)) {
			mib++;
			continue;
		}
		bytes = large ? MiB(2) : PAGE_SIZE;
		maddr = boot_alloc(bytes, bytes);
		memset(maddr_to_virt(maddr), 0, bytes);
		map_at(l4, FRAME_TABLE_START + mib * PAGE_SIZE, maddr, HV_RW, large);
		mib += large ? 512 : 1;
	}
}

/* One 2 MiB chunk of M2P for each GiB that has memory: the ABI hands chunks of that size to the toolstack. */
static void __init make_m2p(u64 *l4)
{
	for (u64 gib = 0; gib << 18 < max_page; gib++) {
		bool any = false;
		u64 maddr;

		for (u64 i = 0; i < 16 && (gib * 16 + i) * 64 * 256 < ALIGN_UP(max_page, 64 * 256); i++)
			any |= mfn_present[gib * 16 + i] != 0;
		if (!any)
			continue;
		maddr = boot_alloc(MiB(2), MiB(2));
		memset(maddr_to_virt(maddr), 0xff, MiB(2));
		map_at(l4, M2P_START + gib * MiB(2), maddr, HV_RW, true);
		map_at(l4, M2P_RO_START + gib * MiB(2), maddr, HV_RO | PTE_U, true);
		/* The walk to a user page needs U at every level. */
		l4[256] |= PTE_U;
		((u64 *)maddr_to_virt(l4[256] & PTE_MFN_MASK))[idx(M2P_RO_START + gib * MiB(2), 3)] |= PTE_U;
	}
}

/* Frames that have an entry but are no RAM belong to dom_io: a guest with the right may map them. */
static void __init mark_io_frames(const struct e820_map *map)
{
	const struct page_info io = { .count = 1 | PGC_allocated | (u64)DOMID_IO << PGC_owner_shift };
	u64 next = 0x100;

	for (u64 m = 0; m < 0x100; m++)
		frame_table[m] = io;
	for (u32 i = 0; i <= map->nr; i++) {
		u64 first, last;

		if (i < map->nr && map->e[i].type != E820_RAM)
			continue;
		first = i < map->nr ? PFN_UP(map->e[i].addr) : ALIGN_UP(max_page, 256);
		last = i < map->nr ? PFN_DOWN(map->e[i].addr + map->e[i].size) : first;
		for (u64 m = next; m < first && m < ALIGN_UP(max_page, 256); m++) {
			if (!mfn_valid(MFN(m)) && m < max_page) {
				m |= 0xff; /* the whole MiB is absent */
				continue;
			}
			if (bit_test(mfn_present, m >> 8))
				frame_table[m] = io;
		}
		next = max(next, last);
	}
}

mfn_t m2p_chunk(u64 gib)
{
	u64 va = M2P_START + gib * MiB(2), *l3 = maddr_to_virt(idle_l4[idx(va, 4)] & PTE_MFN_MASK), *l2;

	if (!(l3[idx(va, 3)] & PTE_P))
		return INVALID_MFN;
	l2 = maddr_to_virt(l3[idx(va, 3)] & PTE_MFN_MASK);
	return l2[idx(va, 2)] & PTE_P ? MFN((l2[idx(va, 2)] & PTE_MFN_MASK) >> PAGE_SHIFT) : INVALID_MFN;
}

/* Toolstacks read the M2P as frames of DOMID_XEN. As seg_desc nobody can map them to write. */
static void __init show_m2p(void)
{
	for (u64 gib = 0; gib << 18 < max_page; gib++) {
		mfn_t first = m2p_chunk(gib);

		for (u64 i = 0; !mfn_eq(first, INVALID_MFN) && i < 512; i++)
			*mfn_to_page(MFN(first.m + i)) = (struct page_info){
				.count = 1 | (u64)DOMID_XEN << PGC_owner_shift,
				.type = PGT_seg_desc | PGT_validated | (u64)DOMID_XEN << PGT_owner_shift | 1,
			};
	}
}

void __init paging_init(const struct e820_map *map)
{
	u64 *l4;

	/* The boot tables show the first 4 GiB in the direct map, which is where boot_alloc() takes from. */
	l4 = table_alloc();
	map_image(l4);
	map_ram(l4, map);
	for (unsigned slot = HV_SLOT_FIRST; slot <= HV_SLOT_LAST; slot++)
		if (slot != PERDOMAIN_SLOT && slot != 260)
			descend(&l4[slot]);
	/* The rest of boot still reads firmware tables at their own address. */
	l4[0] = *(u64 *)maddr_to_virt(read_cr3() & PTE_MFN_MASK);
	idle_l4 = l4;
	idle_l4_mfn = virt_to_mfn(l4);
	write_cr3(virt_to_maddr(l4));
	boot_memory_all_mapped();

	frame_table = (struct page_info *)FRAME_TABLE_START;
	frame_table_entries = ALIGN_UP(max_page, 256);
	find_present(map);
	make_frame_table(l4);
	make_m2p(l4);
	write_cr3(virt_to_maddr(l4));
	mark_io_frames(map);
	show_m2p();
	boot_memory_to_heap();
	heap_ready = true;
}

void __init paging_finish(void)
{
	idle_l4[0] = 0;
	write_cr3(read_cr3());
}

void fill_hypervisor_slots(u64 *l4, mfn_t perdomain_l3)
{
	for (unsigned i = HV_SLOT_FIRST; i <= HV_SLOT_LAST; i++)
		l4[i] = idle_l4[i];
	l4[PERDOMAIN_SLOT] = perdomain_l3.m << PAGE_SHIFT | HV_TABLE;
}

/* The PTE that maps `va` in the hypervisor's tables (4 KiB mappings only). */
static u64 lookup(u64 va)
{
	u64 *l3 = maddr_to_virt(idle_l4[idx(va, 4)] & PTE_MFN_MASK);
	u64 *l2 = maddr_to_virt(l3[idx(va, 3)] & PTE_MFN_MASK);

	if (!(l2[idx(va, 2)] & PTE_P))
		return 0;
	return ((u64 *)maddr_to_virt(l2[idx(va, 2)] & PTE_MFN_MASK))[idx(va, 1)];
}

static void expose(u64 *l4, u64 start, u64 end)
{
	for (u64 va = ALIGN_DOWN(start, PAGE_SIZE); va < end; va += PAGE_SIZE) {
		u64 pte = lookup(va);

		if (pte & PTE_P)
			map_at(l4, va, pte & PTE_MFN_MASK, pte & ~PTE_MFN_MASK, false);
	}
}

extern u64 idt_table[512];

void xpti_roots_create(u32 cpu, u64 *first, u64 *second)
{
	u64 *l4 = table_alloc(), *other = table_alloc();
	u64 area = PERCPU_START + (u64)cpu * PERCPU_SIZE;

	l4[256] = idle_l4[256];
	expose(l4, (u64)entry_text_start, (u64)entry_text_end);
	expose(l4, (u64)idt_table, (u64)idt_table + sizeof(idt_table));
	expose(l4, area, area + PERCPU_SIZE);
	copy_page(other, l4);
	*first = virt_to_maddr(l4);
	*second = virt_to_maddr(other);
}
