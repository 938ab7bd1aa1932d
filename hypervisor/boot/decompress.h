/* SPDX-License-Identifier: MIT */
/*
 * The boot-time decompressors: gzip, xz and zstd, each from one flat buffer
 * into another.
 *
 * A distribution ships its kernel compressed, and the hypervisor has to unpack
 * it before there is anything to run. The input comes from the boot loader and
 * is not trusted: whatever its bytes are, a decoder reads only [in, in+in_len),
 * writes only [out, out+out_cap) and the work memory, and comes to an end after
 * work in proportion to in_len plus out_cap.
 *
 * The history window of every format is the output itself, so there is no
 * limit on a format's window and nothing is copied twice.
 */
#ifndef BOOT_DECOMPRESS_H
#define BOOT_DECOMPRESS_H

#include "lib/types.h"

/* Work memory that is enough for each of the decoders, at any alignment (bytes). */
#define DECODE_WORK_BYTES (192 * 1024)

struct decode_result {
	u64 out_len;       /* bytes written, all checksums right; 0 on an error */
	const char *error; /* a short sentence (static), NULL on success */
};

/*
 * gunzip, unxz, unzstd - unpack one whole file
 * @in, @in_len: the packed bytes, with nothing behind the format's own end
 * @out, @out_cap: where to, and how many bytes fit there; must not overlap @in
 * @work, @work_len: scratch memory of at least DECODE_WORK_BYTES
 * @r: filled in always
 *
 * Return 0 and r->out_len; -ENOSPC when the unpacked data is longer than
 * @out_cap; -EINVAL when the input is damaged, ends early, or uses what we do
 * not support, or @work_len is too small. On an error r->error says which, and
 * the bytes at @out mean nothing.
 *
 * gunzip: RFC 1952, any number of members. unxz: .xz format 1.1.0, one stream of any
 * number of blocks, LZMA2 with or without the x86 filter, check CRC32, CRC64 or none. unzstd: RFC 8878, any
 * number of frames, no dictionary.
 */
int gunzip(const u8 *in, u64 in_len, u8 *out, u64 out_cap, void *work, u64 work_len, struct decode_result *r);
int unxz(const u8 *in, u64 in_len, u8 *out, u64 out_cap, void *work, u64 work_len, struct decode_result *r);
int unzstd(const u8 *in, u64 in_len, u8 *out, u64 out_cap, void *work, u64 work_len, struct decode_result *r);

/* ---- shared by the decoders ---- */

/*
 * Checksums (checksum.c). The CRC tables live in the caller's work memory; a
 * CRC is passed and returned in its final form, and starts as 0, so that
 * crc32_update(t, crc32_update(t, 0, a), b) is the CRC of a followed by b.
 */
#define CRC32_FOLD_SPAN 300 /* 64-bit words; see checksum.c */
#define CRC32_FOLD_STEP 2048

struct crc32_table {
	u32 slice[8][256];
	u64 fold[CRC32_FOLD_SPAN + CRC32_FOLD_STEP];
};

struct crc64_table {
	u64 slice[8][256];
};

void crc32_init(struct crc32_table *t);
u32 crc32_update(struct crc32_table *t, u32 crc, const u8 *p, u64 len);
void crc64_init(struct crc64_table *t);
u64 crc64_update(const struct crc64_table *t, u64 crc, const u8 *p, u64 len);
u64 xxh64(const u8 *p, u64 len);

/* Little-endian loads and stores at any alignment: one instruction each. */
static inline u16 load16(const u8 *p)
{
	u16 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static inline u32 load32(const u8 *p)
{
	u32 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static inline u64 load64(const u8 *p)
{
	u64 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static inline void store32(u8 *p, u32 v)
{
	__builtin_memcpy(p, &v, sizeof(v));
}

static inline void store64(u8 *p, u64 v)
{
	__builtin_memcpy(p, &v, sizeof(v));
}

/* How far copy_match() may write behind the end of a match, and so how much room it wants there. */
#define COPY_SLACK 8

/*
 * copy_match - repeat what stands @dist bytes back, @len bytes long
 * @out: where the match goes; [out-dist, out) has been written
 * @dist: 1 or more; smaller than @len means that the match repeats itself
 * @len: 1 or more
 * @wide_end: matches that end at or before this have COPY_SLACK bytes of room
 *	behind them, which are spoiled; others are copied byte by byte. The
 *	caller has checked that the match itself fits.
 *
 * Returns the new end of the output.
 */
static inline __attribute__((always_inline)) u8 *copy_match(u8 *out, u64 dist, u64 len, const u8 *wide_end)
{
	/* The least multiple of a distance that is 8 or more, less 8. */
	static const u8 behind[8] = { 0, 0, 0, 1, 0, 2, 4, 6 };
	const u8 *from = out - dist;
	u8 *end = out + len;

	if (unlikely(end > wide_end)) {
		do
			*out++ = *from++;
		while (out < end);
		return end;
	}
	if (likely(dist >= 8)) {
		do {
			store64(out, load64(from));
			out += 8;
			from += 8;
		} while (out < end);
		return end;
	}

	/*
	 * Eight bytes would read what they are still to write. Lay down the
	 * first eight one by one; from there on the same bytes are found any
	 * multiple of dist back, so the first that is 8 or more serves.
	 */
#pragma GCC unroll 8
	for (u32 i = 0; i < 8; i++)
		out[i] = from[i];
	from = out - behind[dist];
	for (out += 8; out < end; out += 8, from += 8)
		store64(out, load64(from));
	return end;
}

#endif
