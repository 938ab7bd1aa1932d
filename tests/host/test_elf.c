// SPDX-License-Identifier: MIT
/*
 * The reader of kernel images, against images made here byte by byte: one that
 * has what Linux has, a small one without the notes an OS-less guest doesn't
 * need, and many that are wrong in one thing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "boot/elf.h"
#include "lib/errno.h"
#include "lib/string.h"

#define IMAGE_BYTES 4096
#define PROGRAMS_AT 64
#define NOTES_AT 1024
#define TEXT_AT 2048
#define DATA_AT 3072
#define SECTIONS_AT 3584

/* ELF64: where the fields are. */
#define E_TYPE 16
#define E_MACHINE 18
#define E_ENTRY 24
#define E_PHOFF 32
#define E_SHOFF 40
#define E_PHENTSIZE 54
#define E_PHNUM 56
#define E_SHENTSIZE 58
#define E_SHNUM 60
#define P_OFFSET 8
#define P_VADDR 16
#define P_PADDR 24
#define P_FILESZ 32
#define P_MEMSZ 40
#define P_ALIGN 48

#define VIRT_BASE 0xffffffff80000000ull

struct maker {
	u8 image[IMAGE_BYTES];
	u32 programs;
	u64 notes_end;
	struct elf_image e;
};

static struct maker m;

static void put(u64 at, u64 v, u32 bytes)
{
	memcpy(m.image + at, &v, bytes);
}

static void program(u32 type, u64 offset, u64 vaddr, u64 paddr, u64 filesz, u64 memsz)
{
	u64 at = PROGRAMS_AT + m.programs * 56;

	put(at, type, 4);
	put(at + P_OFFSET, offset, 8);
	put(at + P_VADDR, vaddr, 8);
	put(at + P_PADDR, paddr, 8);
	put(at + P_FILESZ, filesz, 8);
	put(at + P_MEMSZ, memsz, 8);
	put(at + P_ALIGN, 4, 8);
	put(E_PHNUM, ++m.programs, 2);
}

static void note_of(const char *owner, u32 type, const void *desc, u32 size)
{
	u64 at = m.notes_end, name = strlen(owner) + 1;

	put(at, name, 4);
	put(at + 4, size, 4);
	put(at + 8, type, 4);
	memcpy(m.image + at + 12, owner, name);
	memcpy(m.image + at + 12 + (name + 3) / 4 * 4, desc, size);
	m.notes_end = at + 12 + (name + 3) / 4 * 4 + (size + 3) / 4 * 4;
}

static void number(u32 type, u64 v)
{
	note_of("Xen", type, &v, 8);
}

static void text(u32 type, const char *s)
{
	note_of("Xen", type, s, strlen(s) + 1);
}

/* The header, a text segment of 512 bytes at 16 MiB and a data segment with 4 KiB of zeros behind 256 bytes. */
static void begin(void)
{
	memset(&m, 0, sizeof(m));
	memcpy(m.image, "\177ELF\2\1\1", 7);
	put(E_TYPE, 2, 2);
	put(E_MACHINE, 62, 2);
	put(E_ENTRY, 0x1000000, 8);
	put(E_PHOFF, PROGRAMS_AT, 8);
	put(E_PHENTSIZE, 56, 2);
	m.notes_end = NOTES_AT;
	for (u32 i = 0; i < 512; i++)
		m.image[TEXT_AT + i] = i;
	memset(m.image + DATA_AT, 0xdd, 256);
	program(1, TEXT_AT, VIRT_BASE + 0x1000000, 0x1000000, 512, 512);
	program(1, DATA_AT, 0, 0x1200000, 256, 256 + 4096);
}

static void notes_segment(void)
{
	program(4, NOTES_AT, 0, 0, m.notes_end - NOTES_AT, m.notes_end - NOTES_AT);
}

static void least_notes(void)
{
	text(XEN_NOTE_XEN_VERSION, "xen-3.0");
	text(XEN_NOTE_LOADER, "generic");
	number(XEN_NOTE_VIRT_BASE, VIRT_BASE);
	number(XEN_NOTE_ENTRY, VIRT_BASE + 0x1000010);
}

/* Parse a copy on the heap, of exactly this length. */
static int parse_cut(u64 len)
{
	static u8 *copy;

	free(copy);
	copy = malloc(len);
	memcpy(copy, m.image, len);
	return elf_parse(copy, len, &m.e);
}

static int parse(void)
{
	int err = parse_cut(IMAGE_BYTES);

	assert_int_equal(!err, !m.e.error);
	return err;
}

static void refused(const char *part_of_sentence)
{
	assert_int_equal(parse(), -EINVAL);
	if (!strstr(m.e.error, part_of_sentence))
		fail_msg("refused, but because it \"%s\"", m.e.error);
}

static void small_image(void)
{
	begin();
	least_notes();
	notes_segment();
}

/* ---- what is accepted ---- */

static void an_image_with_all_of_linux_notes_is_understood(void **state)
{
	static const u64 l1[2] = { 1, 1 };
	u32 features = 0x8801;

	(void)state;
	begin();
	note_of("GNU", 3, "build-id, of another owner", 20);
	least_notes();
	number(XEN_NOTE_PADDR_OFFSET, 0);
	text(XEN_NOTE_GUEST_OS, "linux");
	text(XEN_NOTE_GUEST_VERSION, "2.6");
	text(XEN_NOTE_PAE_MODE, "yes");
	note_of("Xen", XEN_NOTE_FEATURES, "!writable_page_tables|x", 23); /* no NUL */
	number(XEN_NOTE_HV_START_LOW, 0xffff800000000000ull);
	note_of("Xen", XEN_NOTE_L1_MFN_VALID, l1, 16);
	number(XEN_NOTE_SUSPEND_CANCEL, 1);
	number(XEN_NOTE_INIT_P2M, 0x8000000000ull);
	number(XEN_NOTE_MOD_START_PFN, 1);
	note_of("Xen", XEN_NOTE_SUPPORTED_FEATURES, &features, 4);
	number(XEN_NOTE_PHYS32_ENTRY, 0x1000850);
	notes_segment();
	assert_int_equal(parse(), 0);
	assert_int_equal(m.e.segments, 2);
	assert_true(m.e.vstart == VIRT_BASE + 0x1000000);
	assert_true(m.e.vend == VIRT_BASE + 0x1200000 + 256 + 4096);
	assert_true(m.e.entry == VIRT_BASE + 0x1000010);
	assert_true(m.e.virt_base == VIRT_BASE && !m.e.paddr_offset);
	assert_true(m.e.xen_version_ok && m.e.loader_ok);
	assert_string_equal(m.e.guest_os, "linux");
	assert_string_equal(m.e.guest_version, "2.6");
	assert_string_equal(m.e.features, "!writable_page_tables|x");
	assert_true(m.e.hv_start_low == 0xffff800000000000ull);
	assert_true(m.e.l1_mfn_mask == 1 && m.e.l1_mfn_valid == 1);
	assert_true(m.e.suspend_cancel && m.e.mod_start_pfn);
	assert_true(m.e.has_init_p2m && m.e.p2m_base == 0x8000000000ull);
	assert_int_equal(m.e.supported_features, 0x8801);
	assert_true(m.e.has_phys32_entry && m.e.phys32_entry == 0x1000850);
	assert_false(m.e.has_hypercall_page);
}

static void a_small_kernel_with_the_least_notes_is_accepted(void **state)
{
	(void)state;
	small_image();
	assert_int_equal(parse(), 0);
	assert_false(m.e.has_init_p2m || m.e.mod_start_pfn || m.e.suspend_cancel || m.e.has_phys32_entry);
	assert_string_equal(m.e.features, "");
}

static void without_an_entry_note_the_header_says_where_to_start(void **state)
{
	(void)state;
	begin();
	text(XEN_NOTE_XEN_VERSION, "xen-3.0");
	text(XEN_NOTE_LOADER, "generic");
	notes_segment();
	assert_int_equal(parse(), 0);
	assert_true(m.e.entry == 0x1000000 && !m.e.virt_base);
}

static void virtual_addresses_follow_paddr_and_its_offset_but_not_vaddr(void **state)
{
	(void)state;
	begin();
	least_notes();
	number(XEN_NOTE_PADDR_OFFSET, 0x1000000);
	number(XEN_NOTE_ENTRY, VIRT_BASE + 0x10);
	notes_segment();
	assert_int_equal(parse(), 0);
	assert_true(m.e.vstart == VIRT_BASE);
	assert_true(m.e.vend == VIRT_BASE + 0x200000 + 256 + 4096);
}

static void notes_are_found_in_sections_where_no_segment_has_them(void **state)
{
	(void)state;
	begin();
	least_notes();
	put(E_SHOFF, SECTIONS_AT, 8);
	put(E_SHENTSIZE, 64, 2);
	put(E_SHNUM, 2, 2);
	put(SECTIONS_AT + 64 + 4, 7, 4);
	put(SECTIONS_AT + 64 + 24, NOTES_AT, 8);
	put(SECTIONS_AT + 64 + 32, m.notes_end - NOTES_AT, 8);
	assert_int_equal(parse(), 0);
	put(SECTIONS_AT + 64 + 24, IMAGE_BYTES, 8);
	refused("notes that lie outside");
}

static void a_hypercall_page_inside_the_kernel_is_reported(void **state)
{
	(void)state;
	small_image();
	begin();
	least_notes();
	number(XEN_NOTE_HYPERCALL_PAGE, VIRT_BASE + 0x1200000);
	notes_segment();
	assert_int_equal(parse(), 0);
	assert_true(m.e.has_hypercall_page && m.e.hypercall_page == VIRT_BASE + 0x1200000);
}

/* ---- what is refused, and why it says ---- */

static void files_of_another_kind_are_refused_by_what_they_are(void **state)
{
	(void)state;
	small_image();
	m.image[0] = 'e';
	refused("not an ELF file");
	small_image();
	m.image[4] = 1;
	refused("not for x86-64");
	small_image();
	put(E_MACHINE, 183, 2);
	refused("not for x86-64");
	small_image();
	put(E_TYPE, 3, 2);
	refused("EXEC");
	assert_int_equal(elf_parse(m.image, 63, &m.e), -EINVAL);
	assert_int_equal(elf_parse(m.image, 0, &m.e), -EINVAL);
}

static void kernels_without_pv_support_are_refused_by_name(void **state)
{
	(void)state;
	begin();
	refused("no Xen notes");
	begin();
	number(XEN_NOTE_PHYS32_ENTRY, 0x1000000);
	notes_segment();
	refused("PVH");
	begin();
	text(XEN_NOTE_LOADER, "generic");
	text(XEN_NOTE_XEN_VERSION, "xen-4.0");
	notes_segment();
	refused("XEN_VERSION");
	begin();
	text(XEN_NOTE_XEN_VERSION, "xen-3.0");
	notes_segment();
	refused("LOADER");
	begin();
	text(XEN_NOTE_XEN_VERSION, "xen-3.0");
	text(XEN_NOTE_LOADER, "generic");
	number(XEN_NOTE_PADDR_OFFSET, 0x1000);
	notes_segment();
	refused("no VIRT_BASE");
}

static void segments_outside_of_the_file_are_refused(void **state)
{
	static const struct {
		u32 field;
		u64 value;
	} wrong[] = {
		{ P_OFFSET, IMAGE_BYTES - 511 }, { P_OFFSET, ~0ull }, { P_FILESZ, 513 }, { P_FILESZ, ~0ull },
		{ P_MEMSZ, 511 }, { P_PADDR, ~0ull - 510 },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		small_image();
		put(PROGRAMS_AT + wrong[i].field, wrong[i].value, 8);
		refused("LOAD segment");
	}
	small_image();
	put(E_PHOFF, IMAGE_BYTES - 56, 8);
	refused("program headers");
	small_image();
	put(E_PHOFF, ~0ull - 10, 8);
	refused("program headers");
	small_image();
	put(E_PHENTSIZE, 55, 2);
	refused("program headers");
	small_image();
	put(E_PHNUM, 0, 2);
	refused("no LOAD");
}

static void more_segments_than_there_is_room_for_are_refused(void **state)
{
	(void)state;
	begin();
	while (m.programs < ELF_SEGMENTS_MAX)
		program(1, TEXT_AT, 0, 0x1000000, 16, 16);
	least_notes();
	m.programs = ELF_SEGMENTS_MAX;
	program(1, TEXT_AT, 0, 0x1000000, 16, 0);
	refused("impossible sizes");
	put(PROGRAMS_AT + ELF_SEGMENTS_MAX * 56 + P_MEMSZ, 16, 8);
	refused("more than 16");
}

static void addresses_a_guest_can_not_have_are_refused(void **state)
{
	static const u64 wrong[] = {
		0xffff800000000000ull, /* the hypervisor's */
		0xffff87fffe000000ull, /* reaches into it from within */
		0x00007fffff000000ull, /* not canonical at its end */
		0x0000800000000000ull, /* not canonical */
		0xfffffffffee00000ull, /* wraps */
		0xffffffff80000001ull, /* no page boundary */
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		begin();
		least_notes();
		number(XEN_NOTE_VIRT_BASE, wrong[i]);
		number(XEN_NOTE_ENTRY, wrong[i] + 0x1000000);
		notes_segment();
		refused("VIRT_BASE");
	}
	begin();
	least_notes();
	number(XEN_NOTE_PADDR_OFFSET, 0x1001000);
	notes_segment();
	refused("PADDR_OFFSET");
}

static void entry_and_special_pages_must_lie_where_they_can_be(void **state)
{
	static const u64 entries[] = { 0, VIRT_BASE, VIRT_BASE + 0x0ffffff, VIRT_BASE + 0x1201100, ~0ull };
	static const u64 pages[] = { 0, VIRT_BASE + 0x1000800, VIRT_BASE + 0x1201000, ~0ull & ~0xfffull };
	static const u64 lists[] = { 0x8000000001ull, 0xffff800000000000ull, 0x0000800000000000ull, VIRT_BASE + 0x1000 };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(entries); i++) {
		begin();
		least_notes();
		number(XEN_NOTE_ENTRY, entries[i]);
		notes_segment();
		refused("entry point");
	}
	for (u32 i = 0; i < ARRAY_SIZE(pages); i++) {
		begin();
		least_notes();
		number(XEN_NOTE_HYPERCALL_PAGE, pages[i]);
		notes_segment();
		refused("hypercall page");
	}
	for (u32 i = 0; i < ARRAY_SIZE(lists); i++) {
		begin();
		least_notes();
		number(XEN_NOTE_INIT_P2M, lists[i]);
		notes_segment();
		refused("INIT_P2M");
	}
}

static void notes_that_run_out_of_their_segment_are_refused(void **state)
{
	(void)state;
	for (u32 field = 0; field < 8; field += 4) {
		static const u32 sizes[] = { 0x1000, 0x7fffffff, 0xfffffff0, 0xffffffff };

		for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
			small_image();
			put(NOTES_AT + field, sizes[i], 4);
			refused("note that runs out");
		}
	}
	small_image();
	put(PROGRAMS_AT + 2 * 56 + P_FILESZ, ~0ull, 8);
	refused("notes that lie outside");
}

static void no_cut_or_damaged_image_breaks_a_promise(void **state)
{
	(void)state;
	for (u64 len = 0; len < IMAGE_BYTES; len++) {
		small_image();
		parse_cut(len);
	}
	for (u64 at = 0; at < DATA_AT; at++) {
		for (u32 bit = 0; bit < 8; bit++) {
			small_image();
			m.image[at] ^= 1u << bit;
			if (parse())
				continue;
			assert_true(m.e.vstart < m.e.vend && m.e.entry >= m.e.vstart && m.e.entry < m.e.vend);
			for (u32 i = 0; i < m.e.segments; i++) {
				const struct elf_segment *s = &m.e.segment[i];

				assert_true(s->filesz <= s->memsz && s->offset <= IMAGE_BYTES);
				assert_true(s->filesz <= IMAGE_BYTES - s->offset);
				assert_true(s->paddr >= m.e.pstart && s->memsz <= m.e.pend - s->paddr);
			}
		}
	}
}

/* ---- loading ---- */

struct loaded {
	u32 calls, fail_at;
	u64 offset[4], filesz[4], memsz[4];
	u8 first[4];
};

static int note_load(void *ctx, u64 paddr_off, const void *src, u64 filesz, u64 memsz)
{
	struct loaded *l = ctx;
	u32 i = l->calls++;

	l->offset[i] = paddr_off;
	l->filesz[i] = filesz;
	l->memsz[i] = memsz;
	l->first[i] = *(const u8 *)src;
	return l->calls == l->fail_at ? -ENOMEM : 0;
}

static void segments_are_loaded_relative_to_the_lowest(void **state)
{
	struct loaded l = { 0 };

	(void)state;
	small_image();
	assert_int_equal(parse(), 0);
	assert_int_equal(elf_load(&m.e, note_load, &l), 0);
	assert_int_equal(l.calls, 2);
	assert_int_equal(l.offset[0], 0);
	assert_int_equal(l.filesz[0], 512);
	assert_int_equal(l.memsz[0], 512);
	assert_int_equal(l.first[0], 0);
	assert_int_equal(l.offset[1], 0x200000);
	assert_int_equal(l.filesz[1], 256);
	assert_int_equal(l.memsz[1], 256 + 4096);
	assert_int_equal(l.first[1], 0xdd);
}

static void loading_ends_at_the_first_error(void **state)
{
	struct loaded l = { .fail_at = 1 };

	(void)state;
	small_image();
	assert_int_equal(parse(), 0);
	assert_int_equal(elf_load(&m.e, note_load, &l), -ENOMEM);
	assert_int_equal(l.calls, 1);
}

static int teardown(void **state)
{
	(void)state;
	parse_cut(0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_with_all_of_linux_notes_is_understood),
		cmocka_unit_test(a_small_kernel_with_the_least_notes_is_accepted),
		cmocka_unit_test(without_an_entry_note_the_header_says_where_to_start),
		cmocka_unit_test(virtual_addresses_follow_paddr_and_its_offset_but_not_vaddr),
		cmocka_unit_test(notes_are_found_in_sections_where_no_segment_has_them),
		cmocka_unit_test(a_hypercall_page_inside_the_kernel_is_reported),
		cmocka_unit_test(files_of_another_kind_are_refused_by_what_they_are),
		cmocka_unit_test(kernels_without_pv_support_are_refused_by_name),
		cmocka_unit_test(segments_outside_of_the_file_are_refused),
		cmocka_unit_test(more_segments_than_there_is_room_for_are_refused),
		cmocka_unit_test(addresses_a_guest_can_not_have_are_refused),
		cmocka_unit_test(entry_and_special_pages_must_lie_where_they_can_be),
		cmocka_unit_test(notes_that_run_out_of_their_segment_are_refused),
		cmocka_unit_test(no_cut_or_damaged_image_breaks_a_promise),
		cmocka_unit_test(segments_are_loaded_relative_to_the_lowest),
		cmocka_unit_test(loading_ends_at_the_first_error),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
