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
 *
 * On UEFI only multiboot 2 tells enough: GRUB adds the address of the EFI system
 * table, whose configuration tables say where the RSDP is. The tags also hold a
 * copy of it, but a copy lies in RAM that will be dom0's, where dom0 could not
 * find it.
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
enum {
	MB2_END = 0, MB2_CMDLINE = 1, MB2_LOADER = 2, MB2_MODULE = 3, MB2_MMAP = 6, MB2_FRAMEBUFFER = 8,
	MB2_EFI64 = 12, MB2_RSDP_OLD = 14, MB2_RSDP_NEW = 15
};

/* 3.6.12, with the reserved word as wide as in the specification's own header file. */
struct mb2_framebuffer {
	struct mb2_tag tag;
	u64 base;
	u32 pitch, width, height;
	u8 bpp, kind;
	u16 reserved;
	u8 red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
} __packed;
#define MB2_FB_DIRECT 1 /* colours are in the pixels: no palette, no text */

/* UEFI 2.10, 4.2 to 4.6, for 64-bit firmware; offsets in bytes. */
#define EFI_TABLE_SIGNATURE 0x5453595320494249ULL
#define EFI_TABLE_BYTES 120
#define EFI_NR_CONFIG 104
#define EFI_CONFIG 112
#define EFI_MAX_CONFIG 256 /* more than any firmware has */
struct efi_config {
	u64 guid[2];
	u64 table;
};

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

static u64 efi_word(const void *table, u32 at)
{
	u64 v;

	memcpy(&v, (const u8 *)table + at, sizeof(v));
	return v;
}

/* The RSDP by the configuration tables of the EFI system table at `pa`, that of ACPI 2.0 first; 0: none. */
static u64 efi_rsdp(u64 pa, map_fn map)
{
	/* 8868e871-e4f1-11d3-bc22-0080c73c8881, eb9d2d30-2d88-11d3-9a16-0090273fc14d */
	static const u64 acpi2[2] = { 0x11d3e4f18868e871, 0x81883cc7800022bc };
	static const u64 acpi1[2] = { 0x11d32d88eb9d2d30, 0x4dc13f279000169a };
	const void *system = map(pa, EFI_TABLE_BYTES);
	u64 nr, list, older = 0;

	if (!system || efi_word(system, 0) != EFI_TABLE_SIGNATURE)
		return 0;
	nr = min(efi_word(system, EFI_NR_CONFIG), (u64)EFI_MAX_CONFIG);
	list = efi_word(system, EFI_CONFIG);
	for (u64 i = 0; i < nr; i++) {
		const struct efi_config *c = map(list + i * sizeof(*c), sizeof(*c));

		if (!c)
			break;
		if (!memcmp(c->guid, acpi2, sizeof(acpi2)))
			return c->table;
		if (!memcmp(c->guid, acpi1, sizeof(acpi1)))
			older = c->table;
	}
	return older;
}

/* What no kernel could draw on is as if it were not there. */
static void mb2_framebuffer(const struct mb2_framebuffer *f, u32 bytes, struct boot_framebuffer *fb)
{
	if (bytes < sizeof(*f) || f->kind != MB2_FB_DIRECT || !f->width || !f->height || f->bpp < 15 || f->bpp > 32 ||
	    f->pitch > 0xffff || f->height > 0xffff || f->width > f->pitch / ((f->bpp + 7u) / 8))
		return;
	*fb = (struct boot_framebuffer){
		.base = f->base, .pitch = f->pitch, .width = f->width, .height = f->height, .bpp = f->bpp,
		.red_pos = f->red_pos, .red_size = f->red_size, .green_pos = f->green_pos,
		.green_size = f->green_size, .blue_pos = f->blue_pos, .blue_size = f->blue_size,
	};
}

static int mb2_one_tag(const struct mb2_tag *tag, u64 pa, struct bootinfo *bi, u64 *efi_table, const char **error)
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
	case MB2_FRAMEBUFFER:
		mb2_framebuffer((const struct mb2_framebuffer *)tag, tag->size, &bi->fb);
		break;
	case MB2_EFI64:
		if (tag->size >= 16) {
			bi->efi = true;
			*efi_table = efi_word(tag, 8);
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
	u64 pos = 8, efi_table = 0;

	bi->named = true;
	while (total && pos + sizeof(struct mb2_tag) <= *total) {
		const struct mb2_tag *tag = map(info_pa + pos, sizeof(*tag));

		if (!tag || tag->size < sizeof(*tag) || pos + tag->size > *total ||
		    !(tag = map(info_pa + pos, tag->size)))
			break;
		if (tag->type == MB2_END) {
			u64 rsdp = efi_table ? efi_rsdp(efi_table, map) : 0;

			bi->rsdp = rsdp ? rsdp : bi->rsdp;
			bi->protocol = "multiboot 2";
			return 0;
		}
		if (mb2_one_tag(tag, info_pa + pos, bi, &efi_table, error))
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
