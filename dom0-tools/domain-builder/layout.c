// SPDX-License-Identifier: MIT
/*
 * Where everything lies in a new PV guest.
 *
 * pfns run from 0 without a gap. The first of them, up to `mapped`, are mapped in order from the kernel's VIRT_BASE on:
 *
 *	kernel | initrd | p2m | start_info | store ring | console ring | page tables | stack | room
 *
 * with at least 512 KiB behind the stack, up to a multiple of 4 MiB (xen/xen.h, "start-of-day memory layout"). Kernels
 * may ask for two exceptions, and Linux does:
 *
 *	MOD_START_PFN	the initrd lies behind what is mapped, and is told by its pfn
 *	INIT_P2M	so does the p2m, which is mapped at an address of the kernel's choice by page tables of its own; the
 *			kernel frees them together with it, so they lie together (start_info.first_p2m_pfn)
 *
 * 1. Page tables are mapped, but not writable; frames that are not mapped twice are.
 * 2. The two pieces of address space never overlap. They may share tables near the root; then those of the first piece
 *    are used.
 */
#include "lib/errno.h"
#include "lib/string.h"
#include "layout.h"

#define ROOM_PAGES	(KiB(512) >> PAGE_SHIFT)
#define ROUND_PAGES	(MiB(4) >> PAGE_SHIFT)
#define ADDRESS_MASK	((1ULL << 48) - 1)
#define LOWER_END	(1ULL << 47)	/* of the lower half of the address space */

/* P, RW, U, A, D; the hypervisor makes all pages of a PV guest user pages. */
#define ENTRY		0x67ULL
#define ENTRY_READ_ONLY	0x65ULL

/* Can a guest have @count pages at @address? In the upper half it can up to the end; elf_parse() has checked the start. */
static bool fits(u64 address, u64 count)
{
	u64 room = (address < LOWER_END ? LOWER_END - address : -address) >> PAGE_SHIFT;

	return count <= room;
}

static u64 table_shift(int level)
{
	return PAGE_SHIFT + 9 * level;
}

static void cover(struct tables t[5], u64 start, u64 end)
{
	start &= ADDRESS_MASK;
	end = (end - 1) & ADDRESS_MASK;
	for (int level = 1; level <= 4; level++) {
		t[level].first = start >> table_shift(level);
		t[level].count = (end >> table_shift(level)) - t[level].first + 1;
	}
}

/* Numbers the tables, root first. Returns how many there are. */
static u64 number(struct tables t[5])
{
	u64 at = 0;

	for (int level = 4; level; level--) {
		t[level].at = at;
		at += t[level].count;
	}
	return at;
}

static bool has(const struct tables *t, u64 idx)
{
	return idx - t->first < t->count;
}

/* Takes from @t what @other has: the pieces don't overlap, so that is at most one table, at an end of @t. */
static void take_away(struct tables *t, const struct tables *other)
{
	if (t->count && has(other, t->first)) {
		t->first++;
		t->count--;
	}
	if (t->count && has(other, t->first + t->count - 1))
		t->count--;
}

static struct pages take(u64 *next, u64 count)
{
	struct pages p = { .pfn = *next, .count = count };

	*next += count;
	return p;
}

/* Lays out the mapped part with room for @tables page tables; returns the tables it then needs, 0 if it can't be. */
static u64 plan_mapped(struct layout *l, u64 start, u64 tables)
{
	u64 next = start;

	if (l->initrd_mapped)
		l->initrd = take(&next, l->initrd.count);
	if (!l->p2m_apart) {
		l->p2m = take(&next, l->p2m.count);
		l->p2m_address = l->virt_base + (l->p2m.pfn << PAGE_SHIFT);
	}
	l->start_info = next++;
	l->store = next++;
	l->console = next++;
	l->tables = take(&next, tables);
	l->stack = next++;
	l->mapped = ALIGN_UP(next + ROOM_PAGES, ROUND_PAGES);
	/* A small guest has less room behind the stack, but never less than the least. */
	if (l->mapped > l->nr_pages)
		l->mapped = max(l->nr_pages, next + ROOM_PAGES);
	if (!fits(l->virt_base, l->mapped))
		return 0;
	cover(l->level, l->virt_base, l->virt_base + (l->mapped << PAGE_SHIFT));
	return number(l->level);
}

static int plan_p2m_apart(struct layout *l, const char **error)
{
	u64 end = l->p2m_address + (l->p2m.count << PAGE_SHIFT), mapped_end = l->virt_base + (l->mapped << PAGE_SHIFT);

	/* mapped_end is 0 where the mapped part is the last of all; its last byte is compared. */
	if (!fits(l->p2m_address, l->p2m.count) ||
	    (l->p2m_address <= mapped_end - 1 && end - 1 >= l->virt_base)) {
		*error = "wants its p2m list where its memory is mapped (see its note INIT_P2M)";
		return -EINVAL;
	}
	cover(l->p2m_level, l->p2m_address, end);
	for (int level = 1; level <= 4; level++)
		take_away(&l->p2m_level[level], &l->level[level]);
	l->p2m_tables.count = number(l->p2m_level);
	return 0;
}

int layout_plan(struct layout *l, const struct elf_image *e, u64 nr_pages, u64 initrd_bytes, u64 *needs,
		const char **error)
{
	u64 kernel_end = PFN_UP(e->vend - e->virt_base), tables = 4, wanted, next;
	int err = 0;

	*l = (struct layout){
		.nr_pages = nr_pages, .virt_base = e->virt_base, .initrd_mapped = !e->mod_start_pfn, .p2m_apart = e->has_init_p2m,
		.p2m_address = e->p2m_base, .initrd.count = PFN_UP(initrd_bytes), .p2m.count = PFN_UP(nr_pages * 8),
	};
	l->kernel.pfn = PFN_DOWN(e->vstart - e->virt_base);
	l->kernel.count = kernel_end - l->kernel.pfn;
	*needs = kernel_end + l->initrd.count + l->p2m.count + ROOM_PAGES + 16;
	if (*needs > nr_pages)
		return -ENOMEM;
	/* More tables may make the mapped part longer, and that may need more tables; it ends, since it only grows. */
	while ((wanted = plan_mapped(l, kernel_end, tables)) > tables)
		tables = wanted;
	if (!wanted) {
		*error = "has no room for its memory where it wants it (see its note VIRT_BASE)";
		return -EINVAL;
	}
	next = l->mapped;
	if (!l->initrd_mapped)
		l->initrd = take(&next, l->initrd.count);
	if (l->p2m_apart) {
		err = plan_p2m_apart(l, error);
		l->p2m = take(&next, l->p2m.count);
		l->p2m_tables = take(&next, l->p2m_tables.count);
	}
	/* The root is the first of the tables, and there may be more room for tables than there are. */
	l->tables.count = wanted;
	*needs = next;
	if (!err && next > nr_pages)
		return -ENOMEM;
	return err;
}

/* --- page tables --------------------------------------------------------------------------- */

struct writer {
	const struct layout *l;
	const u64 *mfn;
	u64 *tables, *p2m_tables;
};

/* Table @idx of @level, and its pfn if that is asked for. */
static u64 *table(const struct writer *w, int level, u64 idx, u64 *pfn)
{
	const struct tables *t = &w->l->level[level];
	bool own = !has(t, idx);
	u64 at;

	if (own)
		t = &w->l->p2m_level[level];
	at = t->at + idx - t->first;
	if (pfn)
		*pfn = (own ? w->l->p2m_tables.pfn : w->l->tables.pfn) + at;
	return (own ? w->p2m_tables : w->tables) + at * 512;
}

/* Each of the tables in @t gets its entry in the one above it. */
static void link_tables(const struct writer *w, const struct tables t[5])
{
	for (int level = 3; level; level--) {
		for (u64 idx = t[level].first; idx < t[level].first + t[level].count; idx++) {
			u64 pfn;

			table(w, level, idx, &pfn);
			table(w, level + 1, idx >> 9, NULL)[idx & 511] = w->mfn[pfn] << PAGE_SHIFT | ENTRY;
		}
	}
}

static void map_pages(const struct writer *w, u64 address, u64 pfn, u64 count)
{
	u64 page = (address & ADDRESS_MASK) >> PAGE_SHIFT, *l1 = NULL;

	for (u64 i = 0; i < count; i++) {
		if (!l1 || !((page + i) & 511))
			l1 = table(w, 1, (page + i) >> 9, NULL);
		l1[(page + i) & 511] = w->mfn[pfn + i] << PAGE_SHIFT | ENTRY;
	}
}

void layout_tables(const struct layout *l, const u64 *mfn, u64 *tables, u64 *p2m_tables)
{
	struct writer w = { .l = l, .mfn = mfn, .tables = tables, .p2m_tables = p2m_tables };
	u64 page = ((l->virt_base & ADDRESS_MASK) >> PAGE_SHIFT) + l->tables.pfn;

	link_tables(&w, l->level);
	map_pages(&w, l->virt_base, 0, l->mapped);
	for (u64 i = 0; i < l->tables.count; i++)
		table(&w, 1, (page + i) >> 9, NULL)[(page + i) & 511] ^= ENTRY ^ ENTRY_READ_ONLY;
	if (l->p2m_apart) {
		link_tables(&w, l->p2m_level);
		map_pages(&w, l->p2m_address, l->p2m.pfn, l->p2m.count);
	}
}
