// SPDX-License-Identifier: MIT
/*
 * Memory before the page allocator: a list of ranges in use, searched from the
 * top of RAM downwards, so that low memory, which devices need, stays free.
 *
 * The list is short (image, modules, a few tables; neighbours merge), so every
 * operation is a linear scan. Boot CPU only, no lock.
 */
#include "boot/memory.h"
#include "core/page_alloc.h"
#include "core/seam.h"
#include "x86/layout.h"

#define MAX_BUSY 64

extern char image_start[], image_end[];

static struct e820_map *map __initdata;
static struct e820_map map_storage __initdata;
static struct e820_range busy[MAX_BUSY] __initdata;
static u32 nr_busy __initdata;
static u64 limit __initdata = GiB(4);

void __init boot_memory_busy(u64 start, u64 end)
{
	start = ALIGN_DOWN(start, PAGE_SIZE);
	end = ALIGN_UP(end, PAGE_SIZE);
	for (u32 i = 0; i < nr_busy; i++) {
		if (busy[i].end == start) {
			busy[i].end = end;
			return;
		}
		if (busy[i].start == end) {
			busy[i].start = start;
			return;
		}
	}
	if (nr_busy == MAX_BUSY)
		hv_stop("boot memory: more than %d ranges in use", MAX_BUSY);
	busy[nr_busy++] = (struct e820_range){ start, end };
}

void __init boot_memory_init(const struct bootinfo *bi)
{
	map_storage = bi->e820;
	map = &map_storage;
	boot_memory_busy(0, MiB(1));
	boot_memory_busy((u64)image_start - HV_IMAGE_START, (u64)image_end - HV_IMAGE_START);
	for (u32 i = 0; i < bi->nr_modules; i++)
		boot_memory_busy(bi->module[i].start, bi->module[i].start + bi->module[i].len);
}

void __init boot_memory_all_mapped(void)
{
	limit = ~0ULL;
}

u64 __init boot_alloc(u64 bytes, u64 align)
{
	u64 start = e820_find(map, bytes, align, limit, busy, nr_busy);

	if (!start)
		hv_stop("not enough memory: no free %llu KiB for the hypervisor's own tables",
			(unsigned long long)(bytes >> 10));
	boot_memory_busy(start, start + bytes);
	return start;
}

static void __init give(u64 start, u64 end)
{
	start = ALIGN_UP(start, PAGE_SIZE);
	end = ALIGN_DOWN(end, PAGE_SIZE);
	if (start < end)
		page_alloc_add(MFN(PFN_DOWN(start)), PFN_DOWN(end - start));
}

void __init boot_memory_to_heap(void)
{
	for (u32 i = 0; i < map->nr; i++) {
		const struct e820_entry *e = &map->e[i];
		u64 start = e->addr, end = e->addr + e->size;

		if (e->type != E820_RAM)
			continue;
		while (start < end) {
			u64 next = end, resume = end;

			for (u32 j = 0; j < nr_busy; j++) {
				if (busy[j].end > start && busy[j].start < next) {
					next = max(busy[j].start, start);
					resume = busy[j].end;
				}
			}
			give(start, next);
			start = resume;
		}
	}
}
