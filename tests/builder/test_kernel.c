// SPDX-License-Identifier: MIT
/*
 * Kernel files in every packing, from the seeds that tests/builder/make_corpus.py made: whole, cut off, changed, and too
 * long for the guest; and loading them into a guest's memory.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "guest_memory.h"
#include "load.h"

#define FOLDER		"tests/fuzz/corpus/kernel"
#define FILE_MAX	(1 << 20)
#define LINUX_BYTES	(0x15000 + 18 * 4096 + 4)

struct seed {
	u8 bytes[FILE_MAX];
	size_t len;
};

static struct seed read_seed(const char *name)
{
	static struct seed s;
	u8 sizes[2];
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), FOLDER "/%s", name);
	file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fread(sizes, 1, 2, file), 2);
	s.len = fread(s.bytes, 1, sizeof(s.bytes), file);
	fclose(file);
	return s;
}

static const char *const linux_files[] = {
	"linux.gz", "linux.xz", "linux.zst", "linux.lz4", "bzimage.gz", "bzimage.xz", "bzimage.zst", "bzimage.lz4",
};
#define EACH(name) for (const char *const *name = linux_files; name < linux_files + sizeof(linux_files) / sizeof(*name); name++)

static long unpack(const u8 *bytes, size_t len, u8 *out, size_t room, const char **error)
{
	u8 *exact = malloc(len + 1);	/* so that reading beyond it shows */
	struct kernel_file k;
	long got;

	memcpy(exact, bytes, len);
	got = kernel_find(exact, len, &k, error);
	if (!got)
		got = kernel_unpack(&k, out, room, error);
	free(exact);
	return got;
}

static void all_packings_give_the_same_kernel(void **state)
{
	static u8 first[FILE_MAX], out[FILE_MAX];
	const char *error = NULL;

	EACH(name) {
		struct seed s = read_seed(*name);

		assert_int_equal(unpack(s.bytes, s.len, *name == linux_files[0] ? first : out, FILE_MAX, &error), LINUX_BYTES);
		if (*name != linux_files[0])
			assert_memory_equal(out, first, LINUX_BYTES);
	}
}

static void the_first_bytes_can_be_had_alone(void **state)
{
	u8 head[4096];

	EACH(name) {
		struct seed s = read_seed(*name);
		const char *error = NULL;
		struct kernel_file k;

		assert_int_equal(kernel_find(s.bytes, s.len, &k, &error), 0);
		assert_int_equal(kernel_peek(&k, head, sizeof(head), &error), sizeof(head));
		assert_memory_equal(head, "\177ELF", 4);
	}
}

static void a_file_cut_off_anywhere_is_refused_with_a_sentence(void **state)
{
	static u8 out[FILE_MAX];

	EACH(name) {
		struct seed s = read_seed(*name);

		for (size_t len = 0; len + 5 < s.len; len += len < 100 ? 1 : 37) {
			const char *error = NULL;
			long got = unpack(s.bytes, len, out, FILE_MAX, &error);

			/* zstd and lz4 files without a length may end with a whole block; the ELF reader sees the rest. */
			if (got < 0)
				assert_non_null(error);
			else
				assert_in_range(got, 0, LINUX_BYTES - 1);
		}
	}
}

static void more_than_there_is_room_for_is_refused(void **state)
{
	static u8 out[FILE_MAX];

	EACH(name) {
		struct seed s = read_seed(*name);
		const char *error = NULL;

		memset(out, 0xaa, FILE_MAX);
		assert_int_equal(unpack(s.bytes, s.len, out, LINUX_BYTES - 1, &error), -EINVAL);
		assert_non_null(error);
		assert_int_equal(out[LINUX_BYTES - 1], 0xaa);
	}
}

static void what_is_no_kernel_is_refused_with_a_sentence(void **state)
{
	static const char *const files[] = { "", "#!/bin/sh\n", "\177ELF", "BZh91AY&SY0000000000", "\x1f\x8b\x08\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" };
	static u8 out[FILE_MAX];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *error = NULL;

		assert_int_equal(unpack((const u8 *)files[i], i == 4 ? 20 : strlen(files[i]), out, FILE_MAX, &error), -EINVAL);
		assert_non_null(error);
	}
}

static void load_file(const char *name, unsigned int direct)
{
	struct seed s = read_seed(name);
	const char *error = NULL;
	struct kernel_file k;
	struct elf_image e;
	struct loaded ld;
	u8 *guest;

	guest_reset();
	assert_int_equal(kernel_find(s.bytes, s.len, &k, &error), 0);
	assert_int_equal(load_kernel_file(&ld, NULL, 1, &k, guest_frames, GUEST_PAGES, &e, &error), 0);
	assert_int_equal(ld.n, direct);
	assert_int_equal(load_segments(&ld, &e), 0);
	load_close(&ld);
	guest = guest_map(NULL, guest_frames, GUEST_PAGES);
	for (u32 i = 0; i < e.segments; i++) {
		u64 at = e.segment[i].paddr - e.paddr_offset;

		/* Page n of the text is full of the number n. */
		for (u64 n = 0; n < e.segment[i].filesz / 4096; n++)
			assert_int_equal(*(u32 *)(guest + at + n * 4096 + 4092), n);
		for (u64 n = e.segment[i].filesz; n < e.segment[i].memsz; n++)
			assert_int_equal(guest[at + n], 0);
	}
	munmap(guest, GUEST_PAGES * 4096);
}

static void a_linear_kernel_is_unpacked_into_the_guest_itself(void **state)
{
	EACH(name)
		load_file(*name, 2);
	load_file("grub.xz", 1);
}

static void a_kernel_whose_pages_do_not_match_is_copied(void **state)
{
	load_file("crooked.gz", 0);
	load_file("crooked.zst", 0);
	load_file("crooked.elf", 0);
}

static void headers_that_lie_are_no_plan(void **state)
{
	struct seed s = read_seed("crooked.elf");
	struct direct d[DIRECT_MAX];

	/* Offset and address in step, but the file or the guest ends before. */
	s.bytes[64 + 56 + 8] = 0;
	assert_int_equal(direct_plan(s.bytes, 4096, s.len, GUEST_PAGES, d), 0);	/* 0x1200: still not a whole page apart */
	s.bytes[64 + 56 + 9] = 0x10;
	assert_int_equal(direct_plan(s.bytes, 4096, s.len, GUEST_PAGES, d), 1);
	assert_int_equal(d[0].pfn, 0x101);
	assert_int_equal(direct_plan(s.bytes, 4096, 0x2000, GUEST_PAGES, d), 0);
	assert_int_equal(direct_plan(s.bytes, 4096, s.len, 0x101 + 10, d), 0);
	assert_int_equal(direct_plan(s.bytes, 100, s.len, GUEST_PAGES, d), 0);
	assert_int_equal(direct_plan(s.bytes, 20, s.len, GUEST_PAGES, d), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_packings_give_the_same_kernel),
		cmocka_unit_test(the_first_bytes_can_be_had_alone),
		cmocka_unit_test(a_file_cut_off_anywhere_is_refused_with_a_sentence),
		cmocka_unit_test(more_than_there_is_room_for_is_refused),
		cmocka_unit_test(what_is_no_kernel_is_refused_with_a_sentence),
		cmocka_unit_test(a_linear_kernel_is_unpacked_into_the_guest_itself),
		cmocka_unit_test(a_kernel_whose_pages_do_not_match_is_copied),
		cmocka_unit_test(headers_that_lie_are_no_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
