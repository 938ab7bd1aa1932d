// SPDX-License-Identifier: MIT
/*
 * Telling kernels from other files, and unpacking them: bzImages made here
 * around one short text, packed three ways.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "boot/bzimage.h"
#include "lib/errno.h"
#include "lib/string.h"

/* "xenolith " eight times, packed by gzip, by xz with x86 filter and CRC32, and by zstd. */
#define PLAIN_BYTES 72
static const u8 packed_gzip[] = {
	31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 72, 205, 203, 207, 201, 44, 201, 80, 168,
	160, 140, 1, 0, 203, 249, 229, 74, 72, 0, 0, 0,
};
static const u8 packed_xz[] = {
	253, 55, 122, 88, 90, 0, 0, 1, 105, 34, 222, 54, 2, 1, 4, 0, 33, 1, 16, 0,
	139, 33, 111, 73, 224, 0, 71, 0, 16, 93, 0, 60, 25, 74, 33, 233, 176, 174, 15, 134,
	60, 84, 209, 152, 32, 0, 0, 0, 203, 249, 229, 74, 0, 1, 40, 72, 35, 210, 220, 5,
	144, 66, 153, 13, 1, 0, 0, 0, 0, 1, 89, 90,
};
static const u8 packed_zstd[] = {
	40, 181, 47, 253, 4, 104, 125, 0, 0, 72, 120, 101, 110, 111, 108, 105, 116, 104, 32, 1,
	0, 164, 84, 142, 114, 36, 9, 201,
};

#define SETUP_SECTS 2
#define KERNEL_AT ((SETUP_SECTS + 1) * 512)
#define PAYLOAD_OFFSET 0x40
#define PAYLOAD_AT (KERNEL_AT + PAYLOAD_OFFSET)

static u8 image[8192];
static u64 image_len;
static u8 out[256];
static void *work;
static struct image_info info;

static void put(u64 at, u64 v, u32 bytes)
{
	memcpy(image + at, &v, bytes);
}

/* A bzImage with this payload; a length is put behind it where the kernel's build would. */
static void make(const void *payload, u64 len, bool trailer, u32 unpacked)
{
	memset(image, 0, sizeof(image));
	memcpy(image, "MZ", 2);
	put(0x1f1, SETUP_SECTS, 1);
	put(0x1fe, 0xaa55, 2);
	memcpy(image + 0x202, "HdrS", 4);
	put(0x206, 0x20f, 2);
	put(0x248, PAYLOAD_OFFSET, 4);
	memcpy(image + PAYLOAD_AT, payload, len);
	if (trailer) {
		put(PAYLOAD_AT + len, unpacked, 4);
		len += 4;
	}
	put(0x24c, len, 4);
	image_len = PAYLOAD_AT + len;
}

/* Probe a copy on the heap that ends where the image does. */
static int probe(u64 len)
{
	static u8 *copy;
	int err;

	free(copy);
	copy = malloc(len);
	if (len)
		memcpy(copy, image, len);
	memset(&info, 0xa5, sizeof(info));
	err = image_probe(copy, len, &info);
	assert_int_equal(!err, !info.error);
	assert_int_equal(!err, info.kind != IMAGE_UNUSABLE);
	if (!err) {
		assert_true(info.payload >= copy && info.payload_len <= len);
		assert_true(info.payload + info.payload_len <= copy + len);
	}
	return err;
}

static void refused(const char *part_of_sentence)
{
	assert_int_equal(probe(image_len), -EINVAL);
	if (!strstr(info.error, part_of_sentence))
		fail_msg("refused, but because it \"%s\"", info.error);
}

static void unpacks_to_plain(enum image_packing packing, const char *name)
{
	struct decode_result r;

	assert_int_equal(probe(image_len), 0);
	assert_int_equal(info.kind, IMAGE_BZIMAGE);
	assert_int_equal(info.packing, packing);
	assert_string_equal(info.packing_name, name);
	assert_int_equal(info.protocol, 0x20f);
	assert_int_equal(info.unpacked_len, PLAIN_BYTES);
	assert_int_equal(image_unpack(&info, out, sizeof(out), work, &r), 0);
	assert_null(r.error);
	assert_int_equal(r.out_len, PLAIN_BYTES);
	for (u32 i = 0; i < PLAIN_BYTES; i++)
		assert_int_equal(out[i], "xenolith "[i % 9]);
	assert_int_equal(image_unpack(&info, out, PLAIN_BYTES - 1, work, &r), -ENOSPC);
	assert_non_null(r.error);
}

static void bzimages_with_each_accepted_packing_unpack(void **state)
{
	(void)state;
	make(packed_gzip, sizeof(packed_gzip), false, 0);
	unpacks_to_plain(PACKING_GZIP, "gzip");
	make(packed_xz, sizeof(packed_xz), true, PLAIN_BYTES);
	unpacks_to_plain(PACKING_XZ, "xz");
	make(packed_zstd, sizeof(packed_zstd), true, PLAIN_BYTES);
	unpacks_to_plain(PACKING_ZSTD, "zstd");
}

static void no_setup_sectors_mean_four(void **state)
{
	(void)state;
	make(packed_gzip, sizeof(packed_gzip), false, 0);
	memmove(image + 5 * 512 + PAYLOAD_OFFSET, image + PAYLOAD_AT, sizeof(packed_gzip));
	put(0x1f1, 0, 1);
	image_len = 5 * 512 + PAYLOAD_OFFSET + sizeof(packed_gzip);
	unpacks_to_plain(PACKING_GZIP, "gzip");
}

/* The start of an ELF64 x86-64 file. */
static void make_elf(u8 *at)
{
	memset(at, 0, 64);
	memcpy(at, "\177ELF\2\1\1", 7);
	at[18] = 62;
}

static void an_elf_image_is_used_as_it_is(void **state)
{
	struct decode_result r;

	(void)state;
	make_elf(image);
	image_len = 100;
	assert_int_equal(probe(image_len), 0);
	assert_int_equal(info.kind, IMAGE_ELF);
	assert_int_equal(info.unpacked_len, 100);
	assert_int_equal(image_unpack(&info, out, 100, work, &r), 0);
	assert_int_equal(r.out_len, 100);
	assert_memory_equal(out, image, 100);
	assert_int_equal(image_unpack(&info, out, 99, work, &r), -ENOSPC);
}

static void an_unpacked_payload_is_an_elf_image_too(void **state)
{
	u8 elf[64];

	(void)state;
	make_elf(elf);
	make(elf, sizeof(elf), false, 0);
	assert_int_equal(probe(image_len), 0);
	assert_int_equal(info.kind, IMAGE_ELF);
	assert_int_equal(info.payload_len, 64);
}

static void elf_files_for_other_machines_are_refused(void **state)
{
	(void)state;
	image_len = 64;
	make_elf(image);
	image[4] = 1;
	refused("32-bit");
	make_elf(image);
	image[18] = 183;
	refused("another kind of processor");
	image_len = 63;
	make_elf(image);
	refused("ends within its header");
}

static void other_packings_are_named(void **state)
{
	static const struct {
		const char *bytes, *name;
		u32 len;
	} others[] = {
		{ "BZh91AY&SY", "bzip2", 10 },
		{ "\x5d\0\0\x80\0\xff\xff\xff\xff", "lzma", 9 },
		{ "\x89LZO\0\r\n\x1a\n", "lzo", 9 },
		{ "\x02\x21\x4c\x18\0\0\0\0", "lz4", 8 },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(others); i++) {
		make(others[i].bytes, others[i].len, true, 1000);
		refused(others[i].name);
		assert_non_null(strstr(info.error, "gzip, xz or zstd"));
	}
	make("anything", 8, true, 1000);
	refused("unknown kind");
}

static void files_that_are_no_kernels_are_named(void **state)
{
	(void)state;
	memset(image, 0, sizeof(image));
	image_len = 0;
	refused("is empty");
	image_len = 4096;
	refused("neither an ELF file nor a bzImage");
	memcpy(image, "070701", 6);
	refused("initramfs");
	memcpy(image, packed_gzip, sizeof(packed_gzip));
	refused("gzip file by itself");
	memcpy(image, packed_xz, sizeof(packed_xz));
	refused("xz file by itself");
	memcpy(image, packed_zstd, sizeof(packed_zstd));
	refused("zstd file by itself");
}

static void an_old_boot_protocol_is_refused(void **state)
{
	(void)state;
	make(packed_gzip, sizeof(packed_gzip), false, 0);
	put(0x206, 0x207, 2);
	refused("2.08");
}

static void a_payload_outside_of_the_file_is_refused(void **state)
{
	static const u32 wrong[] = { 0xffffffff, 0x80000000, 8192 };

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		make(packed_gzip, sizeof(packed_gzip), false, 0);
		put(0x248, wrong[i], 4);
		refused("ends before its payload");
		make(packed_gzip, sizeof(packed_gzip), false, 0);
		put(0x24c, wrong[i], 4);
		refused("ends before its payload");
	}
	make(packed_gzip, sizeof(packed_gzip), false, 0);
	put(0x1f1, 255, 1);
	refused("ends before its payload");
}

static void a_bzimage_cut_anywhere_is_refused(void **state)
{
	(void)state;
	make(packed_xz, sizeof(packed_xz), true, PLAIN_BYTES);
	for (u64 len = 0; len < image_len; len++)
		assert_int_equal(probe(len), -EINVAL);
}

static void a_payload_of_only_a_few_bytes_is_refused(void **state)
{
	(void)state;
	for (u32 len = 2; len < 6; len++) {
		make(packed_gzip, len, false, 0);
		assert_int_equal(probe(image_len), -EINVAL);
	}
	make(packed_xz, sizeof(packed_xz), true, 0);
	refused("empty when unpacked");
}

static void a_length_that_is_not_the_real_one_is_refused(void **state)
{
	struct decode_result r;

	(void)state;
	make(packed_zstd, sizeof(packed_zstd), true, PLAIN_BYTES + 1);
	assert_int_equal(probe(image_len), 0);
	assert_int_equal(image_unpack(&info, out, sizeof(out), work, &r), -EINVAL);
	assert_int_equal(r.out_len, 0);
	assert_non_null(strstr(r.error, "another length"));
}

static void what_was_not_recognised_is_not_unpacked(void **state)
{
	struct decode_result r;

	(void)state;
	image_len = 0;
	refused("is empty");
	assert_int_equal(image_unpack(&info, out, sizeof(out), work, &r), -EINVAL);
	assert_non_null(r.error);
}

static int setup(void **state)
{
	(void)state;
	work = malloc(DECODE_WORK_BYTES);
	return !work;
}

static int teardown(void **state)
{
	(void)state;
	free(work);
	probe(0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bzimages_with_each_accepted_packing_unpack),
		cmocka_unit_test(no_setup_sectors_mean_four),
		cmocka_unit_test(an_elf_image_is_used_as_it_is),
		cmocka_unit_test(an_unpacked_payload_is_an_elf_image_too),
		cmocka_unit_test(elf_files_for_other_machines_are_refused),
		cmocka_unit_test(other_packings_are_named),
		cmocka_unit_test(files_that_are_no_kernels_are_named),
		cmocka_unit_test(an_old_boot_protocol_is_refused),
		cmocka_unit_test(a_payload_outside_of_the_file_is_refused),
		cmocka_unit_test(a_bzimage_cut_anywhere_is_refused),
		cmocka_unit_test(a_payload_of_only_a_few_bytes_is_refused),
		cmocka_unit_test(a_length_that_is_not_the_real_one_is_refused),
		cmocka_unit_test(what_was_not_recognised_is_not_unpacked),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
