// SPDX-License-Identifier: MIT
/*
 * Multiboot 1, multiboot 2 and PVH information to one struct bootinfo.
 *
 * The loader is trusted (it put us here), its tables are not assumed to be
 * whole: lengths are followed only inside what `map` vouches for, strings are
 * cut at our buffers, modules beyond BOOT_MAX_MODULES are refused.
 *
 * PVH has one module in practice: the dom0 kernel, whose options are then taken
 * from the hypervisor's line after " -- ".
 */
#include "boot/bootinfo.h"
#include "lib/string.h"
#include "xen/hvm/start_info.h"

/* Multiboot 1 specification 0.6.96, 3.3. */
struct mb1_info {
	u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
	u32 mmap_length, mmap_addr, drives_length, drives_addr, config_table, loader_name;
};
#define MB1_HAS_CMDLINE 0x04
#define MB1_HAS_MODS 0x08
#define MB1_HAS_MMAP 0x40
#define MB1_HAS_LOADER 0x200

struct mb1_module {
	u32 start, end, cmdline, pad;
};

/* Multiboot 2 specification 2.0, 3.6. */
struct mb2_tag {
	u32 type, size;
};
enum { MB2_END = 0, MB2_CMDLINE = 1, MB2_LOADER = 2, MB2_MODULE = 3, MB2_MMAP = 6, MB2_RSDP_OLD = 14, MB2_RSDP_NEW = 15 };

typedef const void *(*map_fn)(u64 pa, u64 len);

static void copy_string(char *dst, size_t size, map_fn map, u64 pa)
{
	size_t n = 0;

	while (n < size - 1) {
		const char *c = map(pa + n, 1);

		if (!c || !*c)
			break;
		dst[n++] = *c;
	}
	dst[n] = 0;
}

static void copy_bounded(char *dst, size_t size, const char *src, size_t len)
{
	size_t n = 0;

	while (n < size - 1 && n < len && src[n]) {
		dst[n] = src[n];
		n++;
	}
	dst[n] = 0;
}

/* GRUB 2 ("GRUB 2.06") passes lines without the file's name in front; GRUB Legacy and QEMU with it. */
static bool is_grub2(const char *loader)
{
	return !strncmp(loader, "GRUB ", 5) && loader[5] >= '1' && loader[5] <= '9';
}

static struct boot_module *add_module(struct bootinfo *bi, u64 start, u64 len)
{
	struct boot_module *m;

	if (bi->nr_modules == BOOT_MAX_MODULES)
		return NULL;
	m = &bi->module[bi->nr_modules++];
	m->start = start;
	m->len = len;
	m->cmdline[0] = 0;
	return m;
}

static int parse_mb1(u64 info_pa, map_fn map, struct bootinfo *bi, const char **error)
{
	const struct mb1_info *mb = map(info_pa, sizeof(*mb));
	const void *mmap;

	if (!mb || !(mb->flags & MB1_HAS_MMAP)) {
		*error = "the multiboot loader passed no memory map";
		return -EINVAL;
	}
	if (mb->flags & MB1_HAS_CMDLINE)
		copy_string(bi->cmdline, sizeof(bi->cmdline), map, mb->cmdline);
	if (mb->flags & MB1_HAS_MODS) {
		for (u32 i = 0; i < mb->mods_count; i++) {
			const struct mb1_module *mm = map(mb->mods_addr + i * sizeof(*mm), sizeof(*mm));
			struct boot_module *m;

			if (!mm || mm->end < mm->start) {
				*error = "a multiboot module's description is broken";
				return -EINVAL;
			}
			m = add_module(bi, mm->start, mm->end - mm->start);
			if (!m) {
				*error = "more than 16 multiboot modules were passed";
				return -EINVAL;
			}
			if (mm->cmdline)
				copy_string(m->cmdline, sizeof(m->cmdline), map, mm->cmdline);
		}
	}
	mmap = map(mb->mmap_addr, mb->mmap_length);
	if (!mmap || e820_from_multiboot1(&bi->e820, mmap, mb->mmap_length)) {
		*error = "the multiboot memory map can't be read";
		return -EINVAL;
	}
	bi->named = true;
	if (mb->flags & MB1_HAS_LOADER) {
		char loader[16];

		copy_string(loader, sizeof(loader), map, mb->loader_name);
		bi->named = !is_grub2(loader);
	}
	bi->protocol = "multiboot 1";
	return 0;
}

static int mb2_one_tag(const struct mb2_tag *tag, u64 pa, struct bootinfo *bi, const char **error)
{
	const u32 *words = (const u32 *)(tag + 1);
	const char *text = (const char *)(tag + 1);
	struct boot_module *m;

	switch (tag->type) {
	case MB2_CMDLINE:
		copy_bounded(bi->cmdline, sizeof(bi->cmdline), text, tag->size - 8);
		break;
	case MB2_LOADER:
		bi->named = tag->size < 16 || !is_grub2(text);
		break;
	case MB2_MODULE:
		if (tag->size < 16 || words[1] < words[0]) {
			*error = "a multiboot2 module's description is broken";
			return -EINVAL;
		}
		m = add_module(bi, words[0], words[1] - words[0]);
		if (!m) {
			*error = "more than 16 multiboot2 modules were passed";
			return -EINVAL;
		}
		copy_bounded(m->cmdline, sizeof(m->cmdline), text + 8, tag->size - 16);
		break;
	case MB2_MMAP:
		if (tag->size < 16 || e820_from_multiboot2(&bi->e820, words + 2, tag->size - 16, words[0])) {
			*error = "the multiboot2 memory map can't be read";
			return -EINVAL;
		}
		break;
	case MB2_RSDP_OLD:
	case MB2_RSDP_NEW:
		/* A copy of the RSDP; where the original lies the tag does not say. The copy stays in place. */
		if (!bi->rsdp || tag->type == MB2_RSDP_NEW)
			bi->rsdp = pa + sizeof(*tag);
		break;
	}
	return 0;
}

static int parse_mb2(u64 info_pa, map_fn map, struct bootinfo *bi, const char **error)
{
	const u32 *total = map(info_pa, 8);
	u64 pos = 8;

	bi->named = true;
	while (total && pos + sizeof(struct mb2_tag) <= *total) {
		const struct mb2_tag *tag = map(info_pa + pos, sizeof(*tag));

		if (!tag || tag->size < sizeof(*tag) || pos + tag->size > *total ||
		    !(tag = map(info_pa + pos, tag->size)))
			break;
		if (tag->type == MB2_END) {
			bi->protocol = "multiboot 2";
			return 0;
		}
		if (mb2_one_tag(tag, info_pa + pos, bi, error))
			return -EINVAL;
		pos += ALIGN_UP(tag->size, 8u);
	}
	*error = "the multiboot2 information ends too early";
	return -EINVAL;
}

static int parse_pvh(u64 info_pa, map_fn map, struct bootinfo *bi, const char **error)
{
	const struct hvm_start_info *si = map(info_pa, sizeof(*si));

	if (!si || si->magic != PVH_LOADER_MAGIC || si->version < 1) {
		*error = "the PVH start info has the wrong magic or no memory map (version 0)";
		return -EINVAL;
	}
	if (si->cmdline_paddr)
		copy_string(bi->cmdline, sizeof(bi->cmdline), map, si->cmdline_paddr);
	for (u32 i = 0; i < si->nr_modules; i++) {
		const struct hvm_modlist_entry *e = map(si->modlist_paddr + i * sizeof(*e), sizeof(*e));
		struct boot_module *m = e ? add_module(bi, e->paddr, e->size) : NULL;

		if (!m) {
			*error = "the PVH module list is broken or has more than 16 entries";
			return -EINVAL;
		}
		if (e->cmdline_paddr)
			copy_string(m->cmdline, sizeof(m->cmdline), map, e->cmdline_paddr);
	}
	for (u32 i = 0; i < si->memmap_entries; i++) {
		const struct hvm_memmap_table_entry *e = map(si->memmap_paddr + i * sizeof(*e), sizeof(*e));

		if (!e || e820_add(&bi->e820, e->addr, e->size, e->type)) {
			*error = "the PVH memory map can't be read or has too many entries";
			return -EINVAL;
		}
	}
	if (e820_sanitise(&bi->e820)) {
		*error = "the PVH memory map has too many entries";
		return -EINVAL;
	}
	bi->rsdp = si->rsdp_paddr;
	bi->protocol = "PVH";
	return 0;
}

int bootinfo_parse(u32 magic, u64 info_pa, map_fn map, struct bootinfo *bi, const char **error)
{
	int rc;

	switch (magic) {
	case MB1_LOADER_MAGIC:
		rc = parse_mb1(info_pa, map, bi, error);
		break;
	case MB2_LOADER_MAGIC:
		rc = parse_mb2(info_pa, map, bi, error);
		break;
	case PVH_LOADER_MAGIC:
		rc = parse_pvh(info_pa, map, bi, error);
		break;
	default:
		*error = "not started by a multiboot 1, multiboot 2 or PVH loader";
		return -EINVAL;
	}
	if (!rc && !bi->e820.nr) {
		*error = "the loader passed no memory map";
		rc = -EINVAL;
	}
	return rc;
}
