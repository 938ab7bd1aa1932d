// SPDX-License-Identifier: MIT
/*
 * The decompressors against streams of the real packers, whole, cut and
 * damaged. What every test checks in passing: input, output and work memory are
 * heap blocks of exactly the size the decoder is told, so that AddressSanitizer
 * sees one byte too far.
 *
 * With XENOLITH_VMLINUZ set to a distribution's kernel, that is unpacked too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "boot/bzimage.h"
#include "boot/decompress.h"
#include "boot/elf.h"
#include "lib/errno.h"
#include "lib/string.h"

/* ---- the plain data, as decompress_streams.py makes it ---- */

static u64 lcg_state;

static u32 lcg(void)
{
	lcg_state = lcg_state * 6364136223846793005ull + 1442695040888963407ull;
	return lcg_state >> 33;
}

/* A buffer that drops what is written behind its end. */
struct sink {
	u8 *p;
	u64 len, cap;
};

static void put(struct sink *s, u8 b)
{
	if (s->len < s->cap)
		s->p[s->len] = b;
	s->len++;
}

static void puts_sink(struct sink *s, const char *text)
{
	while (*text)
		put(s, *text++);
}

static void plain_zeros(struct sink *s)
{
	while (s->len < s->cap)
		put(s, 0);
}

static void plain_random(struct sink *s)
{
	lcg_state = 1;
	while (s->len < s->cap)
		put(s, lcg());
}

static void plain_text(struct sink *s)
{
	static const char *const words[8] = { "grant ", "event ", "channel ", "page ", "type\n", "domain ", "ring, ", "0x80 " };

	lcg_state = 2;
	while (s->len < s->cap)
		puts_sink(s, words[lcg() & 7]);
}

static void plain_runs(struct sink *s)
{
	lcg_state = 3;
	while (s->len < s->cap) {
		u32 period = 1 + lcg() % 20, length = 1 + lcg() % 400;
		u8 piece[20];

		for (u32 i = 0; i < period; i++)
			piece[i] = lcg();
		for (u32 i = 0; i < length; i++)
			put(s, piece[i % period]);
	}
}

static void plain_code(struct sink *s)
{
	lcg_state = 4;
	while (s->len < s->cap) {
		u32 kind = lcg() % 8;

		if (kind < 3) {
			u32 target;

			put(s, 0xe8 + (lcg() & 1));
			target = (lcg() % 4096) * 16 - 32768;
			for (u32 i = 0; i < 4; i++)
				put(s, target >> 8 * i);
		} else if (kind == 3) {
			put(s, 0xe8 + (lcg() & 1));
		} else if (kind == 4) {
			puts_sink(s, "\xe8\xe9\xff");
		} else if (kind == 5) {
			static const u8 nested[8] = { 0xe8, 0x12, 0xe8, 0, 0, 0, 0xff, 0xe9 };

			for (u32 i = 0; i < 8; i++)
				put(s, nested[i]);
		} else {
			put(s, 0x48);
			put(s, 0x89);
			put(s, lcg());
		}
	}
}

struct stream {
	const char *name;
	int (*decode)(const u8 *, u64, u8 *, u64, void *, u64, struct decode_result *);
	const u8 *packed;
	u64 packed_len;
	void (*plain)(struct sink *);
	u64 plain_len;
	bool checksummed;
};

#include "decompress_streams.h"

/* ---- running a decoder in exact memory ---- */

static void *work;

/* malloc() of exactly @n bytes; of one byte's end for none, so that any access is seen. */
static u8 *exact(u64 n)
{
	u8 *p = malloc(n);

	assert_true(p || !n);
	return p;
}

static u8 *plain_of(const struct stream *s)
{
	struct sink sink = { exact(s->plain_len), 0, s->plain_len };

	s->plain(&sink);
	return sink.p;
}

/* Decode @len bytes at @in into @out of @cap bytes. Holds what is promised of the result in every case. */
static int decode(const struct stream *s, const u8 *in, u64 len, u8 *out, u64 cap, struct decode_result *r)
{
	u8 *copy = exact(len);
	int err;

	memcpy(copy, in, len);
	memset(r, 0xa5, sizeof(*r));
	err = s->decode(copy, len, out, cap, work, DECODE_WORK_BYTES, r);
	free(copy);
	assert_true(err == 0 || err == -EINVAL || err == -ENOSPC);
	assert_int_equal(!err, !r->error);
	assert_true(r->out_len <= cap);
	if (err)
		assert_int_equal(r->out_len, 0);
	return err;
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
	return 0;
}

#define for_each_stream(s) for (const struct stream *s = streams; s < streams + ARRAY_SIZE(streams); s++)

/* ---- whole streams ---- */

static void streams_of_the_real_packers_unpack_to_their_plain_data(void **state)
{
	(void)state;
	for_each_stream(s) {
		u8 *plain = plain_of(s), *out = exact(s->plain_len);
		struct decode_result r;

		if (decode(s, s->packed, s->packed_len, out, s->plain_len, &r))
			fail_msg("%s: %s", s->name, r.error);
		assert_int_equal(r.out_len, s->plain_len);
		if (s->plain_len && memcmp(out, plain, s->plain_len))
			fail_msg("%s: unpacked to something else", s->name);
		free(out);
		free(plain);
	}
}

static void work_memory_needs_no_alignment_and_no_clearing(void **state)
{
	(void)state;
	for_each_stream(s) {
		u8 *plain = plain_of(s), *out = exact(s->plain_len), *odd = exact(DECODE_WORK_BYTES + 7);
		struct decode_result r;

		memset(odd, 0xff, DECODE_WORK_BYTES + 7);
		assert_int_equal(s->decode(s->packed, s->packed_len, out, s->plain_len, odd + 7, DECODE_WORK_BYTES, &r), 0);
		assert_true(!s->plain_len || !memcmp(out, plain, s->plain_len));
		free(odd);
		free(out);
		free(plain);
	}
}

static void too_little_work_memory_is_refused(void **state)
{
	(void)state;
	for_each_stream(s) {
		struct decode_result r;
		u8 byte;

		assert_int_equal(s->decode(s->packed, s->packed_len, &byte, 1, work, DECODE_WORK_BYTES - 1, &r), -EINVAL);
		assert_non_null(r.error);
	}
}

static void output_that_does_not_fit_is_refused_with_enospc(void **state)
{
	(void)state;
	for_each_stream(s) {
		u64 step = s->plain_len / 50 + 1;

		for (u64 cap = s->plain_len; cap-- > 0 && s->plain_len;) {
			struct decode_result r;
			u8 *out = exact(cap);

			assert_int_equal(decode(s, s->packed, s->packed_len, out, cap, &r), -ENOSPC);
			free(out);
			if (cap < step)
				break;
			cap -= step - 1;
		}
	}
}

static void room_to_spare_is_left_alone_behind_the_slack(void **state)
{
	(void)state;
	for_each_stream(s) {
		u64 cap = s->plain_len + 100;
		struct decode_result r;
		u8 *out = exact(cap);

		memset(out, 0x5a, cap);
		assert_int_equal(decode(s, s->packed, s->packed_len, out, cap, &r), 0);
		for (u64 i = s->plain_len + COPY_SLACK; i < cap; i++)
			assert_int_equal(out[i], 0x5a);
		free(out);
	}
}

/* ---- damage ---- */

static void a_stream_cut_anywhere_is_refused(void **state)
{
	(void)state;
	for_each_stream(s) {
		u8 *out = exact(s->plain_len);

		for (u64 len = 0; len < s->packed_len; len++) {
			struct decode_result r;
			int err = decode(s, s->packed, len, out, s->plain_len, &r);

			/* Whole members and frames may end where the cut is. */
			if (!err && r.out_len == s->plain_len)
				fail_msg("%s: complete after %lu of %lu bytes", s->name, (unsigned long)len,
					 (unsigned long)s->packed_len);
			if (!err && !strstr(s->name, "two_members") && !strstr(s->name, "frames"))
				fail_msg("%s: success when cut to %lu bytes", s->name, (unsigned long)len);
		}
		free(out);
	}
}

static void one_damaged_byte_never_gives_other_data_with_success(void **state)
{
	static const u8 flips[] = { 0x01, 0x80, 0xff };

	(void)state;
	for_each_stream(s) {
		u8 *plain, *out, *bad;

		if (s->plain_len > 10000)
			continue;
		plain = plain_of(s);
		bad = exact(s->packed_len);
		memcpy(bad, s->packed, s->packed_len);
		for (u64 i = 0; i < s->packed_len; i++) {
			for (u32 f = 0; f < ARRAY_SIZE(flips); f++) {
				/* More room than needed: a damaged stream may be longer. */
				u64 cap = s->plain_len + 64;
				struct decode_result r;

				out = exact(cap);
				bad[i] ^= flips[f];
				if (!decode(s, bad, s->packed_len, out, cap, &r) && s->checksummed) {
					bool part = strstr(s->name, "frames"); /* a frame may turn into a skipped one */

					if (!part && (r.out_len != s->plain_len || memcmp(out, plain, r.out_len)))
						fail_msg("%s: byte %lu damaged, not noticed", s->name, (unsigned long)i);
				}
				bad[i] ^= flips[f];
				free(out);
			}
		}
		free(bad);
		free(plain);
	}
}

static void anything_behind_the_end_is_refused(void **state)
{
	(void)state;
	for_each_stream(s) {
		u8 *more = exact(s->packed_len + 9), *out = exact(s->plain_len);
		struct decode_result r;

		memcpy(more, s->packed, s->packed_len);
		memcpy(more + s->packed_len, "\0garbage\n", 9);
		assert_int_equal(decode(s, more, s->packed_len + 9, out, s->plain_len, &r), -EINVAL);
		free(out);
		free(more);
	}
}

static void other_formats_are_not_mistaken(void **state)
{
	(void)state;
	for_each_stream(s) {
		for_each_stream(other) {
			struct stream mixed = *other;
			struct decode_result r;
			u8 byte;

			if (s->decode == other->decode)
				continue;
			mixed.decode = s->decode;
			assert_int_equal(decode(&mixed, other->packed, other->packed_len, &byte, 1, &r), -EINVAL);
			assert_non_null(strstr(r.error, "not"));
		}
	}
}

static void an_unsupported_xz_check_is_named(void **state)
{
	/* A stream header that is right but for its check, SHA-256; the CRC is that of the flags 00 0a. */
	static const u8 sha[] = { 0xfd, '7', 'z', 'X', 'Z', 0, 0, 0x0a, 0xe1, 0xfb, 0x0c, 0xa1, 0, 0, 0, 0 };
	struct stream s = { .decode = unxz };
	struct decode_result r;
	u8 byte;

	(void)state;
	assert_int_equal(decode(&s, sha, sizeof(sha), &byte, 1, &r), -EINVAL);
	assert_non_null(strstr(r.error, "CRC32"));
}

/* ---- checksums ---- */

static u32 crc32_by_bit(const u8 *p, u64 len)
{
	u32 crc = ~0u;

	while (len--) {
		crc ^= *p++;
		for (u32 i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void crc32_is_the_same_by_bits_tables_and_folding_in_any_pieces(void **state)
{
	struct crc32_table *t = malloc(sizeof(*t));
	u64 size = 70000;
	struct sink sink = { exact(size), 0, size };

	(void)state;
	plain_random(&sink);
	crc32_init(t);
	for (u64 len = 0; len <= size; len += 1 + len / 9) {
		u8 *p = exact(len);
		u32 want;

		memcpy(p, sink.p, len);
		want = crc32_by_bit(p, len);
		assert_int_equal(crc32_update(t, 0, p, len), want);
		assert_int_equal(crc32_update(t, crc32_update(t, 0, p, len / 3), p + len / 3, len - len / 3), want);
		free(p);
	}
	free(sink.p);
	free(t);
}

static void checksums_have_their_published_values(void **state)
{
	struct crc32_table *t = malloc(sizeof(*t));
	struct crc64_table *t64 = malloc(sizeof(*t64));
	const u8 *digits = (const u8 *)"123456789";

	(void)state;
	crc32_init(t);
	crc64_init(t64);
	assert_int_equal(crc32_update(t, 0, digits, 9), 0xcbf43926);
	assert_true(crc64_update(t64, 0, digits, 9) == 0x995dc9bbdf1939faull);
	assert_true(xxh64(digits, 0) == 0xef46db3751d8e999ull);
	assert_true(xxh64((const u8 *)"abc", 3) == 0x44bc2cf5ad770999ull);
	free(t64);
	free(t);
}

/* ---- a real kernel ---- */

static u8 *read_file(const char *path, u64 *len)
{
	FILE *f = fopen(path, "rb");
	u8 *p;

	if (!f)
		fail_msg("XENOLITH_VMLINUZ: %s can't be opened", path);
	fseek(f, 0, SEEK_END);
	*len = ftell(f);
	rewind(f);
	p = exact(*len);
	assert_int_equal(fread(p, 1, *len, f), *len);
	fclose(f);
	return p;
}

static void the_distribution_kernel_unpacks_to_a_pv_kernel(void **state)
{
	const char *path = getenv("XENOLITH_VMLINUZ");
	struct image_info info;
	struct elf_image e;
	struct decode_result r;
	u8 *file, *out;
	u64 len;

	(void)state;
	if (!path || !*path)
		skip();
	file = read_file(path, &len);
	if (image_probe(file, len, &info))
		fail_msg("%s %s", path, info.error);
	assert_int_equal(info.kind, IMAGE_BZIMAGE);
	out = exact(info.unpacked_len);
	if (image_unpack(&info, out, info.unpacked_len, work, &r))
		fail_msg("%s: %s", path, r.error);
	assert_int_equal(r.out_len, info.unpacked_len);
	if (elf_parse(out, r.out_len, &e))
		fail_msg("%s %s", path, e.error);
	assert_string_equal(e.guest_os, "linux");
	assert_true(e.has_init_p2m && e.mod_start_pfn);
	assert_true(e.virt_base == 0xffffffff80000000ull);
	assert_true(e.supported_features & 1u << 11);
	free(out);
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_of_the_real_packers_unpack_to_their_plain_data),
		cmocka_unit_test(work_memory_needs_no_alignment_and_no_clearing),
		cmocka_unit_test(too_little_work_memory_is_refused),
		cmocka_unit_test(output_that_does_not_fit_is_refused_with_enospc),
		cmocka_unit_test(room_to_spare_is_left_alone_behind_the_slack),
		cmocka_unit_test(a_stream_cut_anywhere_is_refused),
		cmocka_unit_test(one_damaged_byte_never_gives_other_data_with_success),
		cmocka_unit_test(anything_behind_the_end_is_refused),
		cmocka_unit_test(other_formats_are_not_mistaken),
		cmocka_unit_test(an_unsupported_xz_check_is_named),
		cmocka_unit_test(crc32_is_the_same_by_bits_tables_and_folding_in_any_pieces),
		cmocka_unit_test(checksums_have_their_published_values),
		cmocka_unit_test(the_distribution_kernel_unpacks_to_a_pv_kernel),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
