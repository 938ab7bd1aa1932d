// SPDX-License-Identifier: MIT
/* What every layout promises, by walking the page tables as a CPU does. require() is the includer's. */
#include <stdlib.h>
#include "layout.h"

#define LAYOUT_FRAME_OF_0	0x100000ULL

static u64 *table_page(const struct layout *l, u64 *tables, u64 *p2m_tables, u64 entry)
{
	u64 pfn = (entry >> PAGE_SHIFT) - LAYOUT_FRAME_OF_0;

	require((entry & 0xfff) == 0x67);
	if (pfn - l->tables.pfn < l->tables.count)
		return tables + (pfn - l->tables.pfn) * 512;
	require(pfn - l->p2m_tables.pfn < l->p2m_tables.count);
	return p2m_tables + (pfn - l->p2m_tables.pfn) * 512;
}

/* The entry of an address. */
static u64 walk(const struct layout *l, u64 *tables, u64 *p2m_tables, u64 address)
{
	u64 *table = tables;

	for (int level = 4; level > 1; level--)
		table = table_page(l, tables, p2m_tables, table[address >> (12 + 9 * (level - 1)) & 511]);
	return table[address >> 12 & 511];
}

static void check_apart(const struct layout *l)
{
	const struct pages all[] = { l->kernel, l->initrd, l->p2m, l->tables, l->p2m_tables, { l->start_info, 1 },
				     { l->store, 1 }, { l->console, 1 }, { l->stack, 1 } };
	const int n = sizeof(all) / sizeof(all[0]);

	for (int i = 0; i < n; i++) {
		require(all[i].pfn <= l->nr_pages && all[i].count <= l->nr_pages - all[i].pfn);
		for (int j = 0; j < i; j++)
			require(!all[i].count || !all[j].count || all[i].pfn + all[i].count <= all[j].pfn ||
				all[j].pfn + all[j].count <= all[i].pfn);
	}
	require(l->mapped <= l->nr_pages && l->stack + 1 + (KiB(512) >> PAGE_SHIFT) <= l->mapped);
}

static u64 entries_in(const u64 *tables, u64 pages)
{
	u64 n = 0;

	for (u64 i = 0; i < pages * 512; i++)
		n += tables[i] != 0;
	return n;
}

static void check_layout(const struct layout *l)
{
	u64 *mfn = malloc(l->nr_pages * sizeof(*mfn)), *tables = calloc(l->tables.count, 4096);
	u64 *p2m_tables = calloc(l->p2m_tables.count + 1, 4096), mapped_tables = l->tables.count + l->p2m_tables.count - 1;

	check_apart(l);
	for (u64 i = 0; i < l->nr_pages; i++)
		mfn[i] = LAYOUT_FRAME_OF_0 + i;
	layout_tables(l, mfn, tables, p2m_tables);
	for (u64 i = 0; i < l->mapped; i++) {
		bool table = i - l->tables.pfn < l->tables.count;

		require(walk(l, tables, p2m_tables, l->virt_base + (i << PAGE_SHIFT)) ==
			((mfn[i] << PAGE_SHIFT) | (table ? 0x65 : 0x67)));
	}
	for (u64 i = 0; i < l->p2m.count; i++)
		require(walk(l, tables, p2m_tables, l->p2m_address + (i << PAGE_SHIFT)) ==
			((mfn[l->p2m.pfn + i] << PAGE_SHIFT) | 0x67));
	/* And nothing else is mapped: each page once, each table but the root once. */
	require(entries_in(tables, l->tables.count) + entries_in(p2m_tables, l->p2m_tables.count) ==
		l->mapped + (l->p2m_apart ? l->p2m.count : 0) + mapped_tables);
	free(mfn);
	free(tables);
	free(p2m_tables);
}
