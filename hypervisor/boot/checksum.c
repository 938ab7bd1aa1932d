// SPDX-License-Identifier: MIT
/*
 * The checksums of the packed formats: CRC-32 (gzip, xz), CRC-64 (xz) and
 * XXH64 (zstd).
 *
 * Problem: a kernel is some 66 MB unpacked, and with the usual eight tables a
 * CRC costs three instructions a byte: more than the decoder spends on most of
 * those bytes. So CRC-32 over long data goes another way.
 *
 * A CRC is the remainder of a polynomial over GF(2), and a message of 64-bit
 * words w[0..n) is the sum of w[i] * y^(n-1-i), y being x^64. The powers of y
 * modulo the CRC's polynomial are 32-bit numbers, so some small set of them
 * must add up to nothing; a search through all sets of five finds as the
 * shortest
 *
 *	y^300 + y^155 + y^117 + y^89 + 1 = 0	(modulo the CRC-32 polynomial)
 *
 * and thus a word may be taken out of the message if it is added to the words
 * 145, 183, 211 and 300 places behind it. Doing so from the front leaves a
 * message of 300 words with the same remainder, for which the tables are good
 * enough. Seen from the word that receives, with v[i] as what w[i] has become:
 *
 *	v[i] = w[i] + v[i-145] + v[i-183] + v[i-211] + v[i-300]
 *
 * which is six instructions for eight bytes, and no table.
 *
 * Invariant: fold[] holds v of the last CRC32_FOLD_SPAN words in its first
 * CRC32_FOLD_SPAN places whenever a step begins. No locks: the caller owns the
 * tables.
 */
#include "boot/decompress.h"
#include "lib/string.h"

#define CRC32_POLY 0xedb88320u		     /* IEEE 802.3, lowest bit first (RFC 1952, 8) */
#define CRC64_POLY 0xc96c5795d7870f42ull /* ECMA-182, lowest bit first (.xz 1.1.0, 6) */

/* Below this many bytes folding can't pay for its last 300 words. */
#define CRC32_FOLD_MIN (4 * 8 * CRC32_FOLD_SPAN)

void crc32_init(struct crc32_table *t)
{
	for (u32 i = 0; i < 256; i++) {
		u32 c = i;

		for (u32 bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ (CRC32_POLY & (0 - (c & 1)));
		t->slice[0][i] = c;
	}
	for (u32 k = 1; k < 8; k++) {
		for (u32 i = 0; i < 256; i++) {
			u32 c = t->slice[k - 1][i];

			t->slice[k][i] = (c >> 8) ^ t->slice[0][c & 0xff];
		}
	}
}

/* The CRC without its inversions at both ends, by tables. */
static u32 crc32_raw(const struct crc32_table *t, u32 crc, const u8 *p, u64 len)
{
	for (; len >= 8; p += 8, len -= 8) {
		u64 w = load64(p) ^ crc;

		crc = t->slice[7][(u8)w] ^ t->slice[6][(u8)(w >> 8)] ^ t->slice[5][(u8)(w >> 16)] ^
		      t->slice[4][(u8)(w >> 24)] ^ t->slice[3][(u8)(w >> 32)] ^ t->slice[2][(u8)(w >> 40)] ^
		      t->slice[1][(u8)(w >> 48)] ^ t->slice[0][w >> 56];
	}
	while (len--)
		crc = (crc >> 8) ^ t->slice[0][(u8)(crc ^ *p++)];
	return crc;
}

/* One step of folding: takes out @n words at @p, a multiple of eight, at most CRC32_FOLD_STEP. */
static void crc32_fold(u64 *fold, const u8 *p, u64 n)
{
	u64 *v = fold + CRC32_FOLD_SPAN;

	for (u64 i = 0; i < n; i += 8, p += 64, v += 8) {
#pragma GCC unroll 8
		for (s32 k = 0; k < 8; k++)
			v[k] = load64(p + 8 * k) ^ v[k - 145] ^ v[k - 183] ^ v[k - 211] ^ v[k - 300];
	}
	memmove(fold, fold + n, CRC32_FOLD_SPAN * sizeof(*fold));
}

/* The last words stay: each receives from the words taken out before them, not from one another. */
static u32 crc32_fold_end(struct crc32_table *t, const u8 *p)
{
	u64 *v = t->fold + CRC32_FOLD_SPAN;
	u64 *left = v + CRC32_FOLD_SPAN;

	memset(v, 0, CRC32_FOLD_SPAN * sizeof(*v));
	for (s32 k = 0; k < CRC32_FOLD_SPAN; k++)
		left[k] = load64(p + 8 * k) ^ v[k - 145] ^ v[k - 183] ^ v[k - 211] ^ v[k - 300];
	return crc32_raw(t, 0, (const u8 *)left, CRC32_FOLD_SPAN * sizeof(*left));
}

u32 crc32_update(struct crc32_table *t, u32 crc, const u8 *p, u64 len)
{
	crc = ~crc;
	if (len >= CRC32_FOLD_MIN) {
		u64 words = (len / 8 - CRC32_FOLD_SPAN) & ~7ull;

		/*
		 * The words before the message are zero. What the CRC has
		 * come to so far is added to the first four bytes: it is put
		 * where only the very first word meets it, 300 places back.
		 */
		memset(t->fold, 0, CRC32_FOLD_SPAN * sizeof(*t->fold));
		t->fold[0] = crc;
		len -= 8 * (words + CRC32_FOLD_SPAN);
		while (words) {
			u64 n = min(words, (u64)CRC32_FOLD_STEP);

			crc32_fold(t->fold, p, n);
			p += 8 * n;
			words -= n;
		}
		crc = crc32_fold_end(t, p);
		p += 8 * CRC32_FOLD_SPAN;
	}
	return ~crc32_raw(t, crc, p, len);
}

void crc64_init(struct crc64_table *t)
{
	for (u32 i = 0; i < 256; i++) {
		u64 c = i;

		for (u32 bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ (CRC64_POLY & (0 - (c & 1)));
		t->slice[0][i] = c;
	}
	for (u32 k = 1; k < 8; k++) {
		for (u32 i = 0; i < 256; i++) {
			u64 c = t->slice[k - 1][i];

			t->slice[k][i] = (c >> 8) ^ t->slice[0][c & 0xff];
		}
	}
}

u64 crc64_update(const struct crc64_table *t, u64 crc, const u8 *p, u64 len)
{
	crc = ~crc;
	for (; len >= 8; p += 8, len -= 8) {
		u64 w = load64(p) ^ crc;

		crc = t->slice[7][(u8)w] ^ t->slice[6][(u8)(w >> 8)] ^ t->slice[5][(u8)(w >> 16)] ^
		      t->slice[4][(u8)(w >> 24)] ^ t->slice[3][(u8)(w >> 32)] ^ t->slice[2][(u8)(w >> 40)] ^
		      t->slice[1][(u8)(w >> 48)] ^ t->slice[0][w >> 56];
	}
	while (len--)
		crc = (crc >> 8) ^ t->slice[0][(u8)(crc ^ *p++)];
	return ~crc;
}

/* XXH64 with seed 0, as zstd's content checksum has it (RFC 8878, 3.1.1; the primes are xxHash's). */
#define XXH_P1 0x9e3779b185ebca87ull
#define XXH_P2 0xc2b2ae3d27d4eb4full
#define XXH_P3 0x165667b19e3779f9ull
#define XXH_P4 0x85ebca77c2b2ae63ull
#define XXH_P5 0x27d4eb2f165667c5ull

static inline u64 rotl64(u64 v, u32 n)
{
	return v << n | v >> (64 - n);
}

static inline u64 xxh_lane(u64 lane, u64 word)
{
	return rotl64(lane + word * XXH_P2, 31) * XXH_P1;
}

u64 xxh64(const u8 *p, u64 len)
{
	u64 h = XXH_P5;
	u64 left = len;

	if (len >= 32) {
		u64 a = XXH_P1 + XXH_P2, b = XXH_P2, c = 0, d = 0 - XXH_P1;

		for (; left >= 32; p += 32, left -= 32) {
			a = xxh_lane(a, load64(p));
			b = xxh_lane(b, load64(p + 8));
			c = xxh_lane(c, load64(p + 16));
			d = xxh_lane(d, load64(p + 24));
		}
		h = rotl64(a, 1) + rotl64(b, 7) + rotl64(c, 12) + rotl64(d, 18);
		h = (h ^ xxh_lane(0, a)) * XXH_P1 + XXH_P4;
		h = (h ^ xxh_lane(0, b)) * XXH_P1 + XXH_P4;
		h = (h ^ xxh_lane(0, c)) * XXH_P1 + XXH_P4;
		h = (h ^ xxh_lane(0, d)) * XXH_P1 + XXH_P4;
	}
	h += len;
	for (; left >= 8; p += 8, left -= 8)
		h = rotl64(h ^ xxh_lane(0, load64(p)), 27) * XXH_P1 + XXH_P4;
	if (left >= 4) {
		h = rotl64(h ^ (u64)load32(p) * XXH_P1, 23) * XXH_P2 + XXH_P3;
		p += 4;
		left -= 4;
	}
	for (; left; p++, left--)
		h = rotl64(h ^ *p * XXH_P5, 11) * XXH_P1;
	h = (h ^ h >> 33) * XXH_P2;
	h = (h ^ h >> 29) * XXH_P3;
	return h ^ h >> 32;
}
