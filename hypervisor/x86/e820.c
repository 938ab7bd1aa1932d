// SPDX-License-Identifier: MIT
/*
 * The machine's memory map.
 *
 * Firmware hands over ranges in any order, overlapping, touching, sometimes
 * empty or running past the end of the address space. Everything after
 * e820_sanitise() relies on this:
 *
 *   1. Entries are sorted by address, not empty, and none overlaps another.
 *   2. Neighbours that touch have different types.
 *   3. Where firmware named a byte twice, the higher type number holds: what is
 *      not RAM wins, so that we never give away memory that a device answers.
 *
 * A call that fails for lack of room leaves the map as it was. Boot-only, one
 * CPU, no locks.
 */
#include "x86/e820.h"
#include "lib/string.h"

/* New maps are built here and copied back: too large for the stack. */
static struct e820_map scratch __initdata;

static u64 __init end_of(const struct e820_entry *e)
{
	return e->addr + e->size;
}

int __init e820_add(struct e820_map *m, u64 addr, u64 size, u32 type)
{
	if (!size)
		return 0;
	if (m->nr == E820_MAX)
		return -ENOSPC;
	if (size > ~addr)
		size = ~addr;
	m->e[m->nr++] = (struct e820_entry){ addr, size, type ? type : E820_RESERVED };
	return 0;
}

/* Appends addr..end to a map under construction, merging with the entry before. */
static int __init append(struct e820_map *m, u64 addr, u64 end, u32 type)
{
	struct e820_entry *last = m->nr ? &m->e[m->nr - 1] : NULL;

	if (addr >= end || !type)
		return 0;
	if (last && last->type == type && end_of(last) == addr) {
		last->size += end - addr;
		return 0;
	}
	return e820_add(m, addr, end - addr, type);
}

static void __init sort(struct e820_map *m)
{
	for (u32 i = 1; i < m->nr; i++) {
		struct e820_entry e = m->e[i];
		u32 at = i;

		for (; at && m->e[at - 1].addr > e.addr; at--)
			m->e[at] = m->e[at - 1];
		m->e[at] = e;
	}
}

static void __init copy(struct e820_map *to, const struct e820_map *from)
{
	to->nr = from->nr;
	memcpy(to->e, from->e, from->nr * sizeof(from->e[0]));
}

/*
 * Walks up the address space: at each point the highest type that covers it
 * holds until an entry starts or ends.
 */
int __init e820_sanitise(struct e820_map *m)
{
	u64 at = 0;

	sort(m);
	scratch.nr = 0;
	for (;;) {
		u64 until = ~0ULL;
		u32 type = 0;

		for (u32 i = 0; i < m->nr; i++) {
			const struct e820_entry *e = &m->e[i];

			if (e->addr > at) {
				until = min(until, e->addr);
				break;
			}
			if (end_of(e) <= at)
				continue;
			until = min(until, end_of(e));
			type = max(type, e->type);
		}
		if (append(&scratch, at, until, type))
			return -ENOSPC;
		if (until == ~0ULL)
			break;
		at = until;
	}
	copy(m, &scratch);
	return 0;
}

/* ---- From the boot loader --------------------------------------------------------- */

static u32 __init read32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static u64 __init read64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The last type of ACPI 6.5, table 15.6. Loaders have numbers above it for what they know better (GRUB on UEFI). */
#define E820_LAST 12

/* Both forms have address, size and type at the same places. */
static int __init add_raw(struct e820_map *m, const u8 *p)
{
	u32 type = read32(p + 16);

	return e820_add(m, read64(p), read64(p + 8), type <= E820_LAST ? type : E820_RESERVED);
}

static int __init finish(struct e820_map *m, int rc)
{
	int rc2 = e820_sanitise(m);

	return rc ? rc : rc2;
}

/* Multiboot 0.6.96, 3.3: the size in front does not count itself. */
int __init e820_from_multiboot1(struct e820_map *m, const void *mmap, u32 bytes)
{
	const u8 *p = mmap;
	int rc = 0;

	for (m->nr = 0; bytes && !rc;) {
		u32 size;

		if (bytes < 4 || (size = read32(p)) < 20 || size > bytes - 4) {
			rc = -EINVAL;
			break;
		}
		rc = add_raw(m, p + 4);
		p += size + 4;
		bytes -= size + 4;
	}
	return finish(m, rc);
}

int __init e820_from_multiboot2(struct e820_map *m, const void *entries, u32 bytes, u32 entry_bytes)
{
	const u8 *p = entries;
	int rc = entry_bytes < 20 ? -EINVAL : 0;

	for (m->nr = 0; bytes && !rc; p += entry_bytes, bytes -= entry_bytes) {
		if (bytes < entry_bytes) {
			rc = -EINVAL;
			break;
		}
		rc = add_raw(m, p);
	}
	return finish(m, rc);
}

/* ---- Changes ------------------------------------------------------------------------ */

int __init e820_change(struct e820_map *m, u64 start, u64 end, u32 type)
{
	bool placed = false;
	int rc = 0;

	if (start >= end)
		return 0;
	scratch.nr = 0;
	for (u32 i = 0; i < m->nr; i++) {
		const struct e820_entry *e = &m->e[i];

		rc |= append(&scratch, e->addr, min(end_of(e), start), e->type);
		if (!placed && end_of(e) > start) {
			rc |= append(&scratch, start, end, type);
			placed = true;
		}
		rc |= append(&scratch, max(e->addr, end), end_of(e), e->type);
	}
	if (!placed)
		rc |= append(&scratch, start, end, type);
	if (rc)
		return -ENOSPC;
	copy(m, &scratch);
	return 0;
}

void __init e820_clip_ram(struct e820_map *m, u64 limit)
{
	u32 kept = 0;

	for (u32 i = 0; i < m->nr; i++) {
		struct e820_entry e = m->e[i];

		if (e.type == E820_RAM && end_of(&e) > limit) {
			if (e.addr >= limit)
				continue;
			e.size = limit - e.addr;
		}
		m->e[kept++] = e;
	}
	m->nr = kept;
}

/* ---- Questions ------------------------------------------------------------------------ */

u64 __init e820_ram_end(const struct e820_map *m)
{
	for (u32 i = m->nr; i; i--)
		if (m->e[i - 1].type == E820_RAM)
			return end_of(&m->e[i - 1]);
	return 0;
}

u64 __init e820_ram_bytes(const struct e820_map *m)
{
	u64 bytes = 0;

	for (u32 i = 0; i < m->nr; i++)
		if (m->e[i].type == E820_RAM)
			bytes += m->e[i].size;
	return bytes;
}

bool __init e820_any(const struct e820_map *m, u64 start, u64 end, u32 type)
{
	for (u32 i = 0; i < m->nr; i++)
		if (m->e[i].type == type && m->e[i].addr < end && end_of(&m->e[i]) > start)
			return true;
	return false;
}

bool __init e820_all(const struct e820_map *m, u64 start, u64 end, u32 type)
{
	/* Touching entries of one type are merged, so one entry must hold it all. */
	for (u32 i = 0; i < m->nr; i++)
		if (m->e[i].type == type && m->e[i].addr <= start && end_of(&m->e[i]) >= end)
			return true;
	return start >= end;
}

/* The busy range that start..end touches, or NULL. */
static const struct e820_range *__init touches(u64 start, u64 end, const struct e820_range *busy, u32 nr)
{
	for (u32 i = 0; i < nr; i++)
		if (busy[i].start < end && busy[i].end > start)
			return &busy[i];
	return NULL;
}

/* The highest place inside lo..hi; each busy range met pushes the candidate below it. */
static u64 __init find_in(u64 lo, u64 hi, u64 bytes, u64 align, const struct e820_range *busy, u32 nr_busy)
{
	const struct e820_range *hit;

	if (hi < lo || hi - lo < bytes)
		return 0;
	for (u64 at = ALIGN_DOWN(hi - bytes, align); at >= lo && at; at = ALIGN_DOWN(hit->start - bytes, align)) {
		hit = touches(at, at + bytes, busy, nr_busy);
		if (!hit)
			return at;
		if (hit->start < bytes)
			return 0;
	}
	return 0;
}

u64 __init e820_find(const struct e820_map *m, u64 bytes, u64 align, u64 limit, const struct e820_range *busy,
		     u32 nr_busy)
{
	if (!bytes)
		return 0;
	for (u32 n = m->nr; n-- > 0;) {
		const struct e820_entry *e = &m->e[n];
		u64 at;

		if (e->type != E820_RAM)
			continue;
		at = find_in(e->addr, min(end_of(e), limit), bytes, align, busy, nr_busy);
		if (at)
			return at;
	}
	return 0;
}

int __init e820_dom0_view(struct e820_map *out, const struct e820_map *host, const u64 *ioapic_pa, u32 nr_ioapic)
{
	/* SDM 3A, 11.5.1 and 11.11: local APICs and the addresses that interrupt messages go to. */
	int rc;

	copy(out, host);
	rc = e820_change(out, 0xfee00000, 0xfef00000, E820_RESERVED);
	for (u32 i = 0; i < nr_ioapic && !rc; i++) {
		u64 page = ioapic_pa[i] & PAGE_MASK;

		rc = e820_change(out, page, page + PAGE_SIZE, E820_RESERVED);
	}
	return rc;
}
