// SPDX-License-Identifier: MIT
/* What three kinds of loader hand over, whole and broken. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "boot/bootinfo.h"
#include "lib/errno.h"
#include "xen/hvm/start_info.h"

/* ------------------------------------------------------------- low memory of the test -- */

#define BASE 0x9000ull
#define ROOM 0x4000u

static u8 image[ROOM] __aligned(16); /* what the loader wrote, from BASE on */
static u32 used;
static u8 *memory;                   /* the part of it that can be read: a heap block of just that size */
static u32 readable;

static struct bootinfo bi;
static const char *error;

static const void *map(u64 pa, u64 len)
{
	if (pa < BASE || len > readable || pa - BASE > readable - len)
		return NULL;
	return memory + (pa - BASE);
}

static void clear_image(void)
{
	memset(image, 0, sizeof(image));
	used = 0;
}

/* Puts bytes at the next 8-byte boundary and returns their physical address. */
static u64 put(const void *data, u32 bytes)
{
	u64 at;

	used = ALIGN_UP(used, 8u);
	at = BASE + used;
	assert_true(used + bytes <= ROOM);
	memcpy(image + used, data, bytes);
	used += bytes;
	return at;
}

static u64 put_text(const char *s) { return put(s, strlen(s) + 1); }

/* Parses what is there, of which only `bytes` can be read. */
static int parse_part(u32 magic, u64 info, u32 bytes)
{
	int rc;

	memory = malloc(bytes ? bytes : 1);
	assert_non_null(memory);
	memcpy(memory, image, bytes);
	readable = bytes;
	memset(&bi, 0, sizeof(bi));
	error = NULL;
	rc = bootinfo_parse(magic, info, map, &bi, &error);
	free(memory);
	if (rc) {
		assert_int_equal(rc, -EINVAL);
		assert_non_null(error);
		assert_true(strlen(error) > 10);
	}
	return rc;
}

static int parse(u32 magic, u64 info) { return parse_part(magic, info, used); }

static void assert_error(const char *word)
{
	if (!strstr(error, word))
		fail_msg("the error \"%s\" does not say \"%s\"", error, word);
}

/* 640 KiB and 255 MiB of RAM, as every builder below describes. */
static void assert_usual_memory(void)
{
	assert_int_equal(e820_ram_bytes(&bi.e820), 0x9f000 + MiB(255));
	assert_int_equal(e820_ram_end(&bi.e820), MiB(256));
}

/* --------------------------------------------------------------------- multiboot 1 -- */

enum { M1_FLAGS, M1_CMDLINE = 4, M1_MODS_COUNT, M1_MODS_ADDR, M1_MMAP_LENGTH = 11, M1_MMAP_ADDR, M1_LOADER = 16, M1_WORDS };

static u32 mb1[M1_WORDS + 4];

static void mb1_begin(void)
{
	struct __packed { u32 size; u64 addr, len; u32 type; } mmap[] = {
		{ 20, 0, 0x9f000, 1 }, { 20, 0xf0000, 0x10000, 2 }, { 20, MiB(1), MiB(255), 1 },
	};

	clear_image();
	memset(mb1, 0, sizeof(mb1));
	used = sizeof(mb1); /* the structure itself comes first, filled last */
	mb1[M1_FLAGS] = 0x40;
	mb1[M1_MMAP_ADDR] = put(mmap, sizeof(mmap));
	mb1[M1_MMAP_LENGTH] = sizeof(mmap);
}

static void mb1_cmdline(const char *s)
{
	mb1[M1_FLAGS] |= 4;
	mb1[M1_CMDLINE] = put_text(s);
}

static void mb1_loader(const char *s)
{
	mb1[M1_FLAGS] |= 0x200;
	mb1[M1_LOADER] = put_text(s);
}

static void mb1_modules(u32 n)
{
	u32 list[32][4] = { { 0 } };
	char text[40];

	for (u32 i = 0; i < n; i++) {
		strcpy(text, "/boot/module-a opt=a");
		text[13] = text[19] = 'a' + i;
		list[i][0] = MiB(16) + i * MiB(1);
		list[i][1] = list[i][0] + 1000 + i;
		list[i][2] = put_text(text);
	}
	mb1[M1_FLAGS] |= 8;
	mb1[M1_MODS_COUNT] = n;
	mb1[M1_MODS_ADDR] = put(list, n * sizeof(list[0]));
}

static u64 mb1_end(void)
{
	memcpy(image, mb1, sizeof(mb1));
	return BASE;
}

static void multiboot1_is_read_whole(void **state)
{
	(void)state;
	mb1_begin();
	mb1_cmdline("xenolith console=com1 dom0_mem=512M");
	mb1_modules(3);
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), 0);
	assert_string_equal(bi.protocol, "multiboot 1");
	assert_string_equal(bi.cmdline, "xenolith console=com1 dom0_mem=512M");
	assert_int_equal(bi.nr_modules, 3);
	for (u32 i = 0; i < 3; i++) {
		assert_int_equal(bi.module[i].start, MiB(16) + i * MiB(1));
		assert_int_equal(bi.module[i].len, 1000 + i);
		assert_int_equal(bi.module[i].cmdline[13], 'a' + i);
	}
	assert_int_equal(bi.rsdp, 0);
	assert_usual_memory();
}

static void multiboot1_needs_no_command_line_or_modules(void **state)
{
	(void)state;
	mb1_begin();
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), 0);
	assert_string_equal(bi.cmdline, "");
	assert_int_equal(bi.nr_modules, 0);
	assert_true(bi.named);
}

static void multiboot1_without_a_memory_map_is_refused(void **state)
{
	(void)state;
	mb1_begin();
	mb1[M1_FLAGS] = 4 | 8;
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), -EINVAL);
	assert_error("memory map");
	mb1_begin();
	mb1[M1_MMAP_LENGTH] = 0;
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), -EINVAL);
	assert_error("memory map");
}

static void a_multiboot1_memory_map_out_of_reach_is_refused(void **state)
{
	(void)state;
	mb1_begin();
	mb1[M1_MMAP_ADDR] = 0xfffff000;
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), -EINVAL);
	assert_error("memory map");
	mb1_begin();
	mb1[M1_MMAP_LENGTH] = 0xffffffff;
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), -EINVAL);
	mb1_begin();
	mb1[M1_MMAP_LENGTH] -= 1;
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), -EINVAL);
}

static void sixteen_multiboot1_modules_fit_and_one_more_does_not(void **state)
{
	(void)state;
	mb1_begin();
	mb1_modules(16);
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), 0);
	assert_int_equal(bi.nr_modules, 16);
	mb1_begin();
	mb1_modules(17);
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), -EINVAL);
	assert_error("16");
	/* A count of nonsense ends in the same, not in a long walk. */
	mb1_begin();
	mb1_modules(2);
	mb1[M1_MODS_COUNT] = 0xffffffff;
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), -EINVAL);
}

static void a_multiboot1_module_that_ends_before_it_starts_is_refused(void **state)
{
	(void)state;
	mb1_begin();
	mb1_modules(1);
	((u32 *)(image + (mb1[M1_MODS_ADDR] - BASE)))[1] = 5;
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), -EINVAL);
	assert_error("module");
}

static void a_multiboot1_module_without_options_has_none(void **state)
{
	(void)state;
	mb1_begin();
	mb1_modules(1);
	((u32 *)(image + (mb1[M1_MODS_ADDR] - BASE)))[2] = 0;
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), 0);
	assert_string_equal(bi.module[0].cmdline, "");
}

static void grub2_lines_have_no_name_in_front_and_others_have(void **state)
{
	static const struct { const char *loader; bool named; } c[] = {
		{ "GRUB 2.06-13", false }, { "GRUB 2.12", false }, { "GRUB 1.99", false },
		{ "GNU GRUB 0.97", true }, { "qemu", true }, { "iPXE 1.21", true }, { "GRUB", true }, { "", true },
		{ "GRUB legacy", true },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(c); i++) {
		mb1_begin();
		mb1_loader(c[i].loader);
		assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), 0);
		assert_int_equal(bi.named, c[i].named);
	}
}

static void long_lines_are_cut_at_the_buffers(void **state)
{
	static char line[3000];
	u32 list[4] = { MiB(1), MiB(2) };

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	mb1_begin();
	mb1_cmdline(line);
	list[2] = mb1[M1_CMDLINE];
	mb1[M1_FLAGS] |= 8;
	mb1[M1_MODS_COUNT] = 1;
	mb1[M1_MODS_ADDR] = put(list, sizeof(list));
	assert_int_equal(parse(MB1_LOADER_MAGIC, mb1_end()), 0);
	assert_int_equal(strlen(bi.cmdline), BOOT_CMDLINE - 1);
	assert_int_equal(strlen(bi.module[0].cmdline), sizeof(bi.module[0].cmdline) - 1);
}

static void truncated_multiboot1_tables_are_never_read_past_their_end(void **state)
{
	u64 info;

	(void)state;
	mb1_begin();
	mb1_cmdline("xenolith a b c");
	mb1_loader("GRUB 2.06");
	mb1_modules(4);
	info = mb1_end();
	for (u32 n = 0; n < used; n++) {
		/* The list of modules comes last, so that all of it is needed. */
		assert_int_equal(parse_part(MB1_LOADER_MAGIC, info, n), -EINVAL);
	}
	assert_int_equal(parse(MB1_LOADER_MAGIC, info), 0);
}

/* --------------------------------------------------------------------- multiboot 2 -- */

static const char rsdp_copy[36] = "RSD PTR ";

static void mb2_begin(void)
{
	clear_image();
	put("\0\0\0\0\0\0\0\0", 8);
}

/* A tag of `type` with two words and `bytes` more. Returns its offset. */
static u32 mb2_tag(u32 type, const void *data, u32 bytes)
{
	u32 head[2] = { type, 8 + bytes }, at;

	at = put(head, 8) - BASE;
	memcpy(image + used, data, bytes);
	used += bytes;
	return at;
}

static u32 mb2_memory(u32 entry_bytes)
{
	struct __packed { u32 size, version; u8 e[3][32]; } m = { .size = entry_bytes };
	struct __packed { u64 addr, len; u32 type, zero; } e[] = {
		{ 0, 0x9f000, 1, 0 }, { 0xf0000, 0x10000, 2, 0 }, { MiB(1), MiB(255), 1, 0 },
	};

	for (u32 i = 0; i < 3; i++)
		memcpy((u8 *)m.e + i * entry_bytes, &e[i], 24);
	return mb2_tag(6, &m, 8 + 3 * entry_bytes);
}

static u32 mb2_module(u32 start, u32 end, const char *line)
{
	struct __packed { u32 start, end; char line[100]; } m = { start, end, "" };

	strcpy(m.line, line);
	return mb2_tag(3, &m, 8 + strlen(line) + 1);
}

static u64 mb2_end(void)
{
	mb2_tag(0, "", 0);
	memcpy(image, &used, 4);
	return BASE;
}

static void multiboot2_is_read_whole(void **state)
{
	u32 rsdp;

	(void)state;
	mb2_begin();
	mb2_tag(2, "GRUB 2.06", 10);
	mb2_tag(1, "console=com1", 13);
	mb2_module(MiB(32), MiB(33), "root=/dev/vda1 ro");
	mb2_module(MiB(40), MiB(44) + 1, "");
	mb2_memory(24);
	mb2_tag(99, "what nobody knows", 18);
	mb2_tag(14, rsdp_copy, 20);
	rsdp = mb2_tag(15, rsdp_copy, 36);
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), 0);
	assert_string_equal(bi.protocol, "multiboot 2");
	assert_string_equal(bi.cmdline, "console=com1");
	assert_int_equal(bi.nr_modules, 2);
	assert_int_equal(bi.module[0].start, MiB(32));
	assert_int_equal(bi.module[0].len, MiB(1));
	assert_string_equal(bi.module[0].cmdline, "root=/dev/vda1 ro");
	assert_int_equal(bi.module[1].len, MiB(4) + 1);
	assert_string_equal(bi.module[1].cmdline, "");
	assert_int_equal(bi.rsdp, BASE + rsdp + 8);
	assert_false(bi.named);
	assert_usual_memory();
}

static void the_newer_rsdp_wins_in_either_order(void **state)
{
	u32 newer, older;

	(void)state;
	mb2_begin();
	mb2_memory(24);
	newer = mb2_tag(15, rsdp_copy, 36);
	mb2_tag(14, rsdp_copy, 20);
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), 0);
	assert_int_equal(bi.rsdp, BASE + newer + 8);
	mb2_begin();
	mb2_memory(24);
	older = mb2_tag(14, rsdp_copy, 20);
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), 0);
	assert_int_equal(bi.rsdp, BASE + older + 8);
}

/* Firmware's tables as GRUB passes them on UEFI: where the RSDP is, is in none of the tags. */
static const u8 guid_acpi1[16] = { 0x30, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11, 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f,
				   0xc1, 0x4d };
static const u8 guid_acpi2[16] = { 0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11, 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c,
				   0x88, 0x81 };
static const u8 guid_other[16] = { 1, 2, 3 };

/* A system table with `nr` of the configuration tables `guid`, the first at 0x7f000000, and a MiB between them. */
static u64 efi_tables(const u8 *const *guid, u32 nr, u64 said)
{
	u8 system[120] = "IBI SYST";
	struct { u8 guid[16]; u64 at; } config[4];
	u64 list;

	for (u32 i = 0; i < nr; i++) {
		memcpy(config[i].guid, guid[i], 16);
		config[i].at = 0x7f000000 + i * MiB(1);
	}
	list = put(config, nr * sizeof(config[0]));
	memcpy(system + 104, &said, 8);
	memcpy(system + 112, &list, 8);
	return put(system, sizeof(system));
}

static u64 efi_boot(const u8 *const *guid, u32 nr, u64 said)
{
	u64 system;
	u32 tag;

	mb2_begin();
	mb2_memory(24);
	mb2_tag(15, rsdp_copy, 36);
	system = 0;
	tag = mb2_tag(12, &system, 8);
	mb2_end();
	system = efi_tables(guid, nr, said);
	memcpy(image + tag + 8, &system, 8);
	return BASE;
}

static void on_uefi_the_rsdp_is_found_by_the_system_table(void **state)
{
	const u8 *const both[] = { guid_other, guid_acpi1, guid_acpi2, guid_other };
	const u8 *const turned[] = { guid_acpi2, guid_acpi1 };
	const u8 *const old[] = { guid_acpi1, guid_other };

	(void)state;
	assert_int_equal(parse(MB2_LOADER_MAGIC, efi_boot(both, 4, 4)), 0);
	assert_true(bi.efi);
	assert_int_equal(bi.rsdp, 0x7f200000);
	assert_int_equal(parse(MB2_LOADER_MAGIC, efi_boot(turned, 2, 2)), 0);
	assert_int_equal(bi.rsdp, 0x7f000000);
	assert_int_equal(parse(MB2_LOADER_MAGIC, efi_boot(old, 2, 2)), 0);
	assert_int_equal(bi.rsdp, 0x7f000000);
	mb2_begin();
	mb2_memory(24);
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), 0);
	assert_false(bi.efi);
}

static void an_efi_system_table_that_says_nothing_leaves_the_copy(void **state)
{
	const u8 *const none[] = { guid_other };
	u64 info;

	(void)state;
	info = efi_boot(none, 1, 1);
	assert_int_equal(parse(MB2_LOADER_MAGIC, info), 0);
	assert_true(bi.efi);
	assert_in_range(bi.rsdp, BASE, BASE + used);
	/* More entries than can be read, a list out of reach, no table at all. */
	assert_int_equal(parse(MB2_LOADER_MAGIC, efi_boot(none, 1, ~0ULL)), 0);
	assert_in_range(bi.rsdp, BASE, BASE + used);
	info = efi_boot(none, 1, 1);
	memset(image + used - 8, 0xff, 8);
	assert_int_equal(parse(MB2_LOADER_MAGIC, info), 0);
	assert_in_range(bi.rsdp, BASE, BASE + used);
	info = efi_boot(none, 1, 1);
	image[used - 120] ^= 1;
	assert_int_equal(parse(MB2_LOADER_MAGIC, info), 0);
	assert_in_range(bi.rsdp, BASE, BASE + used);
}

struct __packed fb_tag {
	u64 base;
	u32 pitch, width, height;
	u8 bpp, kind;
	u16 reserved;
	u8 colour[6];
};

/* Parses a framebuffer tag of which the first `bytes` are there. */
static void fb_parse(const struct fb_tag *t, u32 bytes)
{
	mb2_begin();
	mb2_memory(24);
	mb2_tag(8, t, bytes);
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), 0);
}

static void a_framebuffer_of_direct_colours_is_taken_and_others_are_not(void **state)
{
	static const struct fb_tag good = { 0x380000000, 5120, 1280, 800, 32, 1, 0, { 16, 8, 8, 8, 0, 8 } };
	struct fb_tag t = good;

	(void)state;
	fb_parse(&t, sizeof(t));
	assert_int_equal(bi.fb.base, 0x380000000);
	assert_int_equal(bi.fb.pitch, 5120);
	assert_int_equal(bi.fb.width, 1280);
	assert_int_equal(bi.fb.height, 800);
	assert_int_equal(bi.fb.bpp, 32);
	assert_int_equal(bi.fb.red_pos, 16);
	assert_int_equal(bi.fb.green_pos, 8);
	assert_int_equal(bi.fb.blue_pos, 0);
	assert_int_equal(bi.fb.red_size, 8);
	assert_int_equal(bi.fb.green_size, 8);
	assert_int_equal(bi.fb.blue_size, 8);
	fb_parse(&good, sizeof(good) - 1);
	assert_int_equal(bi.fb.base, 0);
#define REFUSED(field, value) \
	do { \
		t = good; \
		t.field = value; \
		fb_parse(&t, sizeof(t)); \
		assert_int_equal(bi.fb.base, 0); \
	} while (0)
	REFUSED(kind, 0);       /* palette */
	REFUSED(kind, 2);       /* text */
	REFUSED(width, 0);
	REFUSED(height, 0);
	REFUSED(bpp, 8);
	REFUSED(bpp, 64);
	REFUSED(pitch, 5119);   /* rows would overlap */
	REFUSED(pitch, 0x10000); /* more than the ABI's field */
	REFUSED(height, 0x10000);
	REFUSED(width, 0xffffffff);
}

static void a_loader_without_a_name_is_not_grub2(void **state)
{
	(void)state;
	mb2_begin();
	mb2_memory(24);
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), 0);
	assert_true(bi.named);
	mb2_begin();
	mb2_memory(24);
	mb2_tag(2, "x", 2);
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), 0);
	assert_true(bi.named);
}

static void wider_multiboot2_memory_entries_are_understood(void **state)
{
	(void)state;
	mb2_begin();
	mb2_memory(32);
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), 0);
	assert_usual_memory();
}

static void broken_multiboot2_memory_maps_are_refused(void **state)
{
	static const u32 entry_bytes[] = { 0, 1, 19, 25, 0xffffffff };
	u32 at;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(entry_bytes); i++) {
		mb2_begin();
		at = mb2_memory(24);
		memcpy(image + at + 8, &entry_bytes[i], 4);
		assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), -EINVAL);
		assert_error("memory map");
	}
	mb2_begin();
	mb2_tag(6, "", 0);
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), -EINVAL);
	mb2_begin();
	mb2_tag(1, "no map", 7);
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), -EINVAL);
	assert_error("memory map");
}

static void sixteen_multiboot2_modules_fit_and_one_more_does_not(void **state)
{
	(void)state;
	for (u32 n = 16; n <= 17; n++) {
		mb2_begin();
		mb2_memory(24);
		for (u32 i = 0; i < n; i++)
			mb2_module(MiB(16 + i), MiB(17 + i), "m");
		assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), n == 16 ? 0 : -EINVAL);
		assert_int_equal(bi.nr_modules, 16);
	}
	assert_error("16");
}

static void broken_multiboot2_modules_are_refused(void **state)
{
	(void)state;
	mb2_begin();
	mb2_memory(24);
	mb2_module(MiB(2), MiB(1), "backwards");
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), -EINVAL);
	assert_error("module");
	mb2_begin();
	mb2_memory(24);
	mb2_tag(3, "\0\0\0\0", 4);
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), -EINVAL);
	assert_error("module");
}

static void a_multiboot2_tag_of_impossible_size_ends_the_reading(void **state)
{
	static const u32 size[] = { 0, 1, 7, 0x7fffffff, 0xffffffff };
	u32 at;

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(size); i++) {
		mb2_begin();
		mb2_memory(24);
		at = mb2_tag(1, "line", 5);
		memcpy(image + at + 4, &size[i], 4);
		assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), -EINVAL);
		assert_error("too early");
	}
}

static void multiboot2_without_an_end_tag_is_refused(void **state)
{
	(void)state;
	mb2_begin();
	mb2_memory(24);
	memcpy(image, &used, 4);
	assert_int_equal(parse(MB2_LOADER_MAGIC, BASE), -EINVAL);
	assert_error("too early");
}

static void a_multiboot2_line_without_its_nul_ends_with_its_tag(void **state)
{
	(void)state;
	mb2_begin();
	mb2_tag(1, "abcdef", 4);
	mb2_memory(24);
	assert_int_equal(parse(MB2_LOADER_MAGIC, mb2_end()), 0);
	assert_string_equal(bi.cmdline, "abcd");
}

static void truncated_multiboot2_tables_are_never_read_past_their_end(void **state)
{
	u64 info;

	(void)state;
	mb2_begin();
	mb2_tag(2, "GRUB 2.06", 10);
	mb2_tag(1, "console=com1", 13);
	mb2_memory(24);
	mb2_module(MiB(32), MiB(33), "root=/dev/vda1");
	mb2_tag(15, rsdp_copy, 36);
	info = mb2_end();
	for (u32 n = 0; n < used; n++) {
		u32 total = n;

		assert_int_equal(parse_part(MB2_LOADER_MAGIC, info, n), -EINVAL);
		/* The same with a total that says so. */
		memcpy(image, &total, 4);
		assert_int_equal(parse_part(MB2_LOADER_MAGIC, info, n), -EINVAL);
		memcpy(image, &used, 4);
	}
	assert_int_equal(parse(MB2_LOADER_MAGIC, info), 0);
}

/* ----------------------------------------------------------------------------- PVH -- */

static struct hvm_start_info si;

static void pvh_begin(void)
{
	static const struct hvm_memmap_table_entry m[] = {
		{ .addr = 0, .size = 0x9f000, .type = 1 }, { .addr = 0xf0000, .size = 0x10000, .type = 2 },
		{ .addr = MiB(1), .size = MiB(255), .type = 1 },
	};

	clear_image();
	si = (struct hvm_start_info){ .magic = PVH_LOADER_MAGIC, .version = 1 };
	used = sizeof(si);
	si.memmap_paddr = put(m, sizeof(m));
	si.memmap_entries = ARRAY_SIZE(m);
	si.rsdp_paddr = 0xf5a00;
}

static void pvh_modules(u32 n)
{
	struct hvm_modlist_entry e[20] = { { 0 } };

	for (u32 i = 0; i < n; i++)
		e[i] = (struct hvm_modlist_entry){ .paddr = MiB(64) + i, .size = 77 + i,
						   .cmdline_paddr = i & 1 ? 0 : put_text("kernel line") };
	si.nr_modules = n;
	si.modlist_paddr = put(e, n * sizeof(e[0]));
}

static u64 pvh_end(void)
{
	memcpy(image, &si, sizeof(si));
	return BASE;
}

static void pvh_is_read_whole(void **state)
{
	(void)state;
	pvh_begin();
	si.cmdline_paddr = put_text("console=com1 -- root=/dev/vda");
	pvh_modules(2);
	assert_int_equal(parse(PVH_LOADER_MAGIC, pvh_end()), 0);
	assert_string_equal(bi.protocol, "PVH");
	assert_string_equal(bi.cmdline, "console=com1 -- root=/dev/vda");
	assert_int_equal(bi.nr_modules, 2);
	assert_int_equal(bi.module[0].start, MiB(64));
	assert_int_equal(bi.module[0].len, 77);
	assert_string_equal(bi.module[0].cmdline, "kernel line");
	assert_string_equal(bi.module[1].cmdline, "");
	assert_int_equal(bi.rsdp, 0xf5a00);
	assert_false(bi.named);
	assert_usual_memory();
}

static void pvh_with_the_wrong_magic_or_version_is_refused(void **state)
{
	(void)state;
	pvh_begin();
	si.magic ^= 1;
	assert_int_equal(parse(PVH_LOADER_MAGIC, pvh_end()), -EINVAL);
	assert_error("magic");
	pvh_begin();
	si.version = 0;
	assert_int_equal(parse(PVH_LOADER_MAGIC, pvh_end()), -EINVAL);
	assert_error("version 0");
}

static void sixteen_pvh_modules_fit_and_one_more_does_not(void **state)
{
	(void)state;
	for (u32 n = 16; n <= 17; n++) {
		pvh_begin();
		pvh_modules(n);
		assert_int_equal(parse(PVH_LOADER_MAGIC, pvh_end()), n == 16 ? 0 : -EINVAL);
	}
	assert_error("16");
}

static void pvh_without_a_memory_map_is_refused(void **state)
{
	(void)state;
	pvh_begin();
	si.memmap_entries = 0;
	assert_int_equal(parse(PVH_LOADER_MAGIC, pvh_end()), -EINVAL);
	assert_error("memory map");
	pvh_begin();
	si.memmap_paddr = 1ULL << 40;
	assert_int_equal(parse(PVH_LOADER_MAGIC, pvh_end()), -EINVAL);
	assert_error("memory map");
}

/* Half a map would make RAM of what is not: reserved ranges come in any order. */
static void a_pvh_memory_map_cut_short_is_refused(void **state)
{
	(void)state;
	pvh_begin();
	si.memmap_entries = 1000;
	assert_int_equal(parse(PVH_LOADER_MAGIC, pvh_end()), -EINVAL);
	assert_error("memory map");
}

static void truncated_pvh_tables_are_never_read_past_their_end(void **state)
{
	u64 info;

	(void)state;
	pvh_begin();
	si.cmdline_paddr = put_text("console=com1");
	pvh_modules(3);
	info = pvh_end();
	for (u32 n = 0; n < used; n++)
		assert_int_equal(parse_part(PVH_LOADER_MAGIC, info, n), -EINVAL);
	assert_int_equal(parse(PVH_LOADER_MAGIC, info), 0);
}

/* ------------------------------------------------------------------------- others -- */

static void an_unknown_loader_is_refused(void **state)
{
	(void)state;
	pvh_begin();
	assert_int_equal(parse(0, pvh_end()), -EINVAL);
	assert_error("multiboot 1, multiboot 2 or PVH");
	assert_int_equal(parse(MB1_LOADER_MAGIC + 1, BASE), -EINVAL);
}

static void information_out_of_reach_is_refused(void **state)
{
	static const u32 magic[] = { MB1_LOADER_MAGIC, MB2_LOADER_MAGIC, PVH_LOADER_MAGIC };
	static const u64 at[] = { 0, BASE - 8, BASE + ROOM, ~0ULL, ~0ULL << 12 };

	(void)state;
	clear_image();
	used = ROOM;
	for (u32 i = 0; i < ARRAY_SIZE(magic); i++)
		for (u32 k = 0; k < ARRAY_SIZE(at); k++)
			assert_int_equal(parse(magic[i], at[k]), -EINVAL);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(multiboot1_is_read_whole),
		T(multiboot1_needs_no_command_line_or_modules),
		T(multiboot1_without_a_memory_map_is_refused),
		T(a_multiboot1_memory_map_out_of_reach_is_refused),
		T(sixteen_multiboot1_modules_fit_and_one_more_does_not),
		T(a_multiboot1_module_that_ends_before_it_starts_is_refused),
		T(a_multiboot1_module_without_options_has_none),
		T(grub2_lines_have_no_name_in_front_and_others_have),
		T(long_lines_are_cut_at_the_buffers),
		T(truncated_multiboot1_tables_are_never_read_past_their_end),
		T(multiboot2_is_read_whole),
		T(the_newer_rsdp_wins_in_either_order),
		T(on_uefi_the_rsdp_is_found_by_the_system_table),
		T(an_efi_system_table_that_says_nothing_leaves_the_copy),
		T(a_framebuffer_of_direct_colours_is_taken_and_others_are_not),
		T(a_loader_without_a_name_is_not_grub2),
		T(wider_multiboot2_memory_entries_are_understood),
		T(broken_multiboot2_memory_maps_are_refused),
		T(sixteen_multiboot2_modules_fit_and_one_more_does_not),
		T(broken_multiboot2_modules_are_refused),
		T(a_multiboot2_tag_of_impossible_size_ends_the_reading),
		T(multiboot2_without_an_end_tag_is_refused),
		T(a_multiboot2_line_without_its_nul_ends_with_its_tag),
		T(truncated_multiboot2_tables_are_never_read_past_their_end),
		T(pvh_is_read_whole),
		T(pvh_with_the_wrong_magic_or_version_is_refused),
		T(sixteen_pvh_modules_fit_and_one_more_does_not),
		T(pvh_without_a_memory_map_is_refused),
		T(a_pvh_memory_map_cut_short_is_refused),
		T(truncated_pvh_tables_are_never_read_past_their_end),
		T(an_unknown_loader_is_refused),
		T(information_out_of_reach_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
