/* SPDX-License-Identifier: MIT */
/* Where everything lies in a new PV guest, and its first page tables. */
#ifndef BUILDER_LAYOUT_H
#define BUILDER_LAYOUT_H

#include "boot/elf.h"

struct pages {
	u64 pfn, count;
};

/* The tables of one level that a piece of address space needs: number idx covers addresses from idx << shift on. */
struct tables {
	u64 first, count;	/* idx of the first one */
	u64 at;			/* which page of the segment that holds them the first one is */
};

struct layout {
	u64 nr_pages;
	u64 virt_base;		/* where pfn 0 is mapped */
	u64 mapped;		/* pfns [0, mapped) are mapped there, one behind the other */

	struct pages kernel, initrd, p2m, tables, p2m_tables;
	u64 start_info, store, console, stack;	/* pfns */

	bool initrd_mapped;	/* else it is behind what is mapped, and start_info has its pfn */
	u64 p2m_address;
	bool p2m_apart;		/* p2m and p2m_tables lie behind all that, and are mapped by p2m_tables */

	struct tables level[5], p2m_level[5];	/* by level, 1 to 4 */
};

/*
 * layout_plan - decide where everything goes
 * @e: what elf_parse() said of the kernel
 * @nr_pages: of the guest; @initrd_bytes: 0 for none
 *
 * Returns 0, or -ENOMEM if the guest is too small: @needs is then the pages it would take; or -EINVAL with a sentence
 * (that fits behind the kernel's name) if what the kernel asks for is impossible. On success all pieces lie in
 * [0, nr_pages) and none overlaps another.
 */
int layout_plan(struct layout *l, const struct elf_image *e, u64 nr_pages, u64 initrd_bytes, u64 *needs,
		const char **error);

/*
 * layout_tables - write the page tables
 * @mfn: the frame of each pfn
 * @tables, @p2m_tables: l->tables.count and l->p2m_tables.count zeroed pages; the first of @tables is the root
 */
void layout_tables(const struct layout *l, const u64 *mfn, u64 *tables, u64 *p2m_tables);

#endif
