// SPDX-License-Identifier: MIT
/* Files of microcode: what is taken for a CPU, and that damaged ones are not. Built here, since none may be shipped. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "fake_machine.h"
#include "x86/mce.h"
#include "x86/microcode.h"

static u8 file[8192];
static u32 used;
static struct microcode out;
static const char *why;

static const struct microcode_cpu intel = { VENDOR_INTEL, 0x506e3, 1u << 5, 0xc2 };
static const struct microcode_cpu amd = { VENDOR_AMD, 0x800f12, 0, 0x08001129 };

static void put32(u32 at, u32 value) { memcpy(file + at, &value, 4); }
static void add32(u32 value) { put32(used, value); used += 4; }

/* A piece of 96 bytes, with a table of one further signature where `extra` is not 0. */
static void add_intel(u32 signature, u32 platforms, u32 revision, u32 extra)
{
	u32 start = used, total = 96 + (extra ? 32 : 0), sum = 0;
	u32 head[12] = { 1, revision, 0x01022024, signature, 0, 1, platforms, 48, total };

	memcpy(file + used, head, 48);
	used += 48;
	for (u32 i = 0; i < 12; i++)
		add32(0x1000 + i + revision);
	for (u32 i = 0; i < 96; i += 4)
		sum += *(u32 *)(file + start + i);
	put32(start + 16, -sum);
	if (!extra)
		return;
	sum = 1 + extra + platforms;
	add32(1);
	add32(-sum);
	used += 12;
	add32(extra);
	add32(platforms);
	add32(0);
}

static int find(const struct microcode_cpu *cpu)
{
	return microcode_find(file, used, cpu, &out, &why);
}

static int start(void **state)
{
	(void)state;
	memset(file, 0, sizeof(file));
	used = 0;
	return 0;
}

static void the_newest_piece_for_the_cpu_is_taken(void **state)
{
	(void)state;
	add_intel(0x506e3, 1u << 5, 0xd0, 0);
	add_intel(0x506e3, 0xff, 0xf0, 0);
	add_intel(0x506e3, 1u << 4, 0xf8, 0); /* another platform */
	add_intel(0x906ea, 1u << 5, 0xf9, 0); /* another CPU */
	assert_int_equal(find(&intel), 0);
	assert_int_equal(out.revision, 0xf0);
	assert_ptr_equal(out.piece, file + 96);
	assert_ptr_equal(out.data, file + 96 + 48);
	assert_int_equal(out.bytes, 96);
}

static void what_is_not_newer_is_not_taken(void **state)
{
	(void)state;
	add_intel(0x506e3, 1u << 5, 0xc2, 0);
	assert_int_equal(find(&intel), 0);
	assert_null(out.data);
}

static void further_signatures_count(void **state)
{
	(void)state;
	add_intel(0x906ea, 1u << 5, 0xf0, 0x506e3);
	assert_int_equal(find(&intel), 0);
	assert_int_equal(out.revision, 0xf0);
	file[100] ^= 1; /* the table's checksum */
	assert_int_equal(find(&intel), -EINVAL);
}

static void each_damaged_byte_is_noticed(void **state)
{
	(void)state;
	add_intel(0x506e3, 1u << 5, 0xf0, 0);
	for (u32 i = 0; i < 96; i++) {
		file[i] ^= 0x10;
		/* The version decides whether it is microcode at all; lengths may make it too long. */
		if (find(&intel) == 0)
			fail_msg("byte %u may be wrong and nobody notices", i);
		file[i] ^= 0x10;
	}
	assert_int_equal(find(&intel), 0);
}

static void a_file_cut_anywhere_does_no_harm(void **state)
{
	u32 all;

	(void)state;
	add_intel(0x506e3, 1u << 5, 0xd0, 0x506e4);
	add_intel(0x506e3, 1u << 5, 0xf0, 0);
	for (all = used, used = 0; used < all; used++) {
		int rc = find(&intel);

		assert_true(rc == -ENOENT || rc == -EINVAL || (rc == 0 && used >= 128 && out.revision == 0xd0));
	}
	put32(32, 0xfffffffc); /* total size */
	used = all;
	assert_int_equal(find(&intel), -EINVAL);
}

static void add_amd(u32 signature, u16 id, u32 revision)
{
	u32 patch;

	add32(0x00414d44);
	add32(0);
	add32(32);
	add32(signature);
	used += 8;
	add32(id);
	used += 16; /* the table's end */
	add32(1);
	add32(80);
	patch = used;
	used += 80;
	put32(patch + 4, revision);
	memcpy(file + patch + 24, &id, 2);
}

static void amds_containers_name_cpus_by_a_table(void **state)
{
	(void)state;
	add_amd(0x800f11, 0x8011, 0x08001139);
	add_amd(0x800f12, 0x8012, 0x08001250);
	add_amd(0x800f12, 0x8012, 0x08001240);
	assert_int_equal(find(&amd), 0);
	assert_int_equal(out.revision, 0x08001250);
	assert_int_equal(out.bytes, 80);
	assert_ptr_equal(out.data, out.piece);
	/* A length that points out of the file. */
	put32(8, 0x7fffffff);
	assert_int_equal(find(&amd), -EINVAL);
	assert_int_equal(find(&intel), -ENOENT);
}

static void add_cpio(const char *name, const void *data, u32 bytes)
{
	used += sprintf((char *)file + used, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1, 0100644, 0, 0,
			1, 0, bytes, 0, 0, 0, 0, (u32)strlen(name) + 1, 0);
	strcpy((char *)file + used, name);
	used = ALIGN_UP(used + strlen(name) + 1, 4);
	memcpy(file + used, data, bytes);
	used = ALIGN_UP(used + bytes, 4);
}

static void it_is_found_in_front_of_an_initramfs(void **state)
{
	static u8 raw[96];
	u32 all;

	(void)state;
	add_intel(0x506e3, 1u << 5, 0xf0, 0);
	memcpy(raw, file, 96);
	start(NULL);
	add_cpio("kernel", "", 0);
	add_cpio("kernel/x86/microcode/AuthenticAMD.bin", "none", 4);
	add_cpio("kernel/x86/microcode/GenuineIntel.bin", raw, 96);
	add_cpio("TRAILER!!!", "", 0);
	assert_int_equal(find(&intel), 0);
	assert_int_equal(out.revision, 0xf0);
	assert_int_equal(find(&amd), -ENOENT);
	for (all = used, used = 0; used < all; used++)
		(void)find(&intel);
	start(NULL);
	add_cpio("init", "", 0);
	add_cpio("TRAILER!!!", "", 0);
	assert_int_equal(find(&intel), -ENOENT);
}

/* ---- Machine checks ------------------------------------------------------------------------ */

static void errors_are_graded(void **state)
{
	const u64 uc = MCI_VAL | MCI_UC | MCI_EN;

	(void)state;
	assert_int_equal(mce_grade(0, true, true), MCE_NONE);
	assert_int_equal(mce_grade(~MCI_VAL, true, true), MCE_NONE);
	assert_int_equal(mce_grade(MCI_VAL | MCI_ADDRV, true, false), MCE_CORRECTED);
	assert_int_equal(mce_grade(uc | MCI_PCC, true, true), MCE_FATAL);
	assert_int_equal(mce_grade(uc | MCI_S, true, true), MCE_DEFERRED);
	assert_int_equal(mce_grade(uc, true, false), MCE_DEFERRED);
	assert_int_equal(mce_grade(uc | MCI_S | MCI_AR | MCI_ADDRV, true, true), MCE_MEMORY);
	/* Without an address, or with one lost, nobody knows whom it concerns. */
	assert_int_equal(mce_grade(uc | MCI_S | MCI_AR, true, true), MCE_FATAL);
	assert_int_equal(mce_grade(uc | MCI_S | MCI_AR | MCI_ADDRV | MCI_OVER, true, true), MCE_FATAL);
	/* A CPU that can't tell them apart means the worst. */
	assert_int_equal(mce_grade(uc | MCI_S | MCI_AR | MCI_ADDRV, false, true), MCE_FATAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_newest_piece_for_the_cpu_is_taken, start),
		cmocka_unit_test_setup(what_is_not_newer_is_not_taken, start),
		cmocka_unit_test_setup(further_signatures_count, start),
		cmocka_unit_test_setup(each_damaged_byte_is_noticed, start),
		cmocka_unit_test_setup(a_file_cut_anywhere_does_no_harm, start),
		cmocka_unit_test_setup(amds_containers_name_cpus_by_a_table, start),
		cmocka_unit_test_setup(it_is_found_in_front_of_an_initramfs, start),
		cmocka_unit_test(errors_are_graded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
