/* SPDX-License-Identifier: MIT */
/*
 * The machine's memory map (E820). Boot-only code: see e820.c.
 */
#ifndef X86_E820_H
#define X86_E820_H

#include "lib/errno.h"
#include "lib/types.h"

#define E820_MAX 256

#define E820_RAM 1
#define E820_RESERVED 2
#define E820_ACPI 3
#define E820_NVS 4
#define E820_UNUSABLE 5

/* The layout of XENMEM_machine_memory_map: 20 bytes. */
struct e820_entry {
	u64 addr;
	u64 size;
	u32 type;
} __packed;

/* Sorted by address and disjoint after e820_sanitise(); every other call needs and keeps that. */
struct e820_map {
	u32 nr;
	struct e820_entry e[E820_MAX];
};

/* Bytes start..end, end not included. */
struct e820_range {
	u64 start, end;
};

/*
 * Appends a range as firmware gave it. Empty ranges are dropped, one that runs
 * past 2^64 is cut there, type 0 becomes reserved. -ENOSPC when the map is full.
 */
int e820_add(struct e820_map *m, u64 addr, u64 size, u32 type);

/*
 * Fills `m` from a multiboot1 mmap (entries led by their own size) of `bytes`
 * bytes, and sanitises it. Or from a multiboot2 mmap tag's entries, each
 * `entry_bytes` long. 0, -EINVAL where an entry is cut short or too small
 * (entries before it are kept), -ENOSPC where there are too many.
 */
int e820_from_multiboot1(struct e820_map *m, const void *mmap, u32 bytes);
int e820_from_multiboot2(struct e820_map *m, const void *entries, u32 bytes, u32 entry_bytes);

/* Sorts, resolves overlaps (the higher type number wins) and merges. -ENOSPC: does not fit, unchanged. */
int e820_sanitise(struct e820_map *m);

/*
 * Gives all of `start..end` the type `type`, whatever was there or nothing;
 * type 0 removes the range from the map. -ENOSPC: unchanged.
 */
int e820_change(struct e820_map *m, u64 start, u64 end, u32 type);

/* Removes RAM at and above `limit` bytes; other types stay. */
void e820_clip_ram(struct e820_map *m, u64 limit);

/* End of the highest RAM in bytes, 0 without RAM; bytes of RAM in all. */
u64 e820_ram_end(const struct e820_map *m);
u64 e820_ram_bytes(const struct e820_map *m);

/* True where all (any) of start..end has type `type`. */
bool e820_all(const struct e820_map *m, u64 start, u64 end, u32 type);
bool e820_any(const struct e820_map *m, u64 start, u64 end, u32 type);

/*
 * The highest aligned address of `bytes` of RAM which ends at or below `limit`
 * and touches none of the nr_busy ranges. `align` is a power of two. 0 when there
 * is none (address 0 is never returned).
 */
u64 e820_find(const struct e820_map *m, u64 bytes, u64 align, u64 limit, const struct e820_range *busy, u32 nr_busy);

/*
 * What dom0 is shown: the machine's map plus, as reserved, the page of each
 * I/O APIC and 0xfee00000..0xfeefffff. -ENOSPC as above.
 */
int e820_dom0_view(struct e820_map *out, const struct e820_map *host, const u64 *ioapic_pa, u32 nr_ioapic);

#endif
