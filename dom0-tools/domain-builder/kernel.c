// SPDX-License-Identifier: MIT
/*
 * Finding and unpacking a guest's kernel.
 *
 * A bzImage is told by the same code that the hypervisor uses for dom0's kernel (boot/bzimage.c); the decoders are the
 * libraries of the system, which are faster than the hypervisor's and know lz4 too. Files come from whoever may name
 * one, so nothing in them is believed:
 *
 * 1. A decoder reads within the file and writes within the room it is given, which its caller has chosen.
 * 2. A length that the file states must be the length that comes out.
 * 3. Where a format has a checksum of the whole, gzip's is not looked at: DEFLATE's own structure finds what is cut off
 *    or changed in a way that matters to us (elf_parse() checks each offset), and the sum costs as much as unpacking.
 *
 * Formats: gzip is RFC 1952; lz4 is the kernel's "legacy" form, a magic number and blocks of at most 8 MiB, each behind
 * its length (lz4_Frame_format.md, "Legacy frame"); behind xz, zstd and lz4 streams the kernel's build puts the
 * unpacked length, which boot/bzimage.c takes away.
 */
#include <errno.h>
#include <libdeflate.h>
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>
#include "boot/bzimage.h"
#include "kernel.h"

#define LZ4_MAGIC	0x184c2102u
#define LZ4_BLOCK	(8u << 20)
#define XZ_MEMORY	(256u << 20)	/* bytes that a stream's dictionary may take */

static const uint8_t gzip_magic[] = { 0x1f, 0x8b }, xz_magic[] = { 0xfd, '7', 'z', 'X', 'Z', 0 },
		     zstd_magic[] = { 0x28, 0xb5, 0x2f, 0xfd }, lz4_magic[] = { 0x02, 0x21, 0x4c, 0x18 };

static const char cut_off[] = "is cut off or damaged: its packed kernel does not unpack; copy the file anew";
static const char too_long[] = "unpacks to more than a kernel for this guest can have; is it the right file?";

static uint32_t le32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static int bad(const char **error, const char *sentence)
{
	*error = sentence;
	return -EINVAL;
}

/* --- what it is ------------------------------------------------------------------------------ */

static int packing_of(const uint8_t *p, size_t len)
{
	if (len >= 18 && !memcmp(p, gzip_magic, sizeof(gzip_magic)))
		return PACKED_GZIP;
	if (len >= 12 && !memcmp(p, xz_magic, sizeof(xz_magic)))
		return PACKED_XZ;
	if (len >= 12 && !memcmp(p, zstd_magic, sizeof(zstd_magic)))
		return PACKED_ZSTD;
	if (len >= 12 && !memcmp(p, lz4_magic, sizeof(lz4_magic)))
		return PACKED_LZ4;
	return PACKED_NOT;
}

int kernel_find(const void *file, size_t len, struct kernel_file *k, const char **error)
{
	struct image_info info;

	*k = (struct kernel_file){ .packing = packing_of(file, len), .data = file, .len = len };
	if (k->packing != PACKED_NOT) {
		if (k->packing == PACKED_GZIP)
			k->size = le32(k->data + len - 4);
		return 0;
	}
	if (image_probe(file, len, &info) && (!info.payload || packing_of(info.payload, info.payload_len) != PACKED_LZ4))
		return bad(error, info.error);
	k->data = info.payload;
	k->len = info.payload_len;
	k->size = info.unpacked_len;
	if (info.kind != IMAGE_ELF)
		k->packing = packing_of(k->data, k->len);
	return 0;
}

/* --- the decoders ------------------------------------------------------------------------------
 *
 * Each unpacks into at most @room bytes. It returns how many there were; with @part it stops without complaint when the
 * room is full, else that is an error.
 */

/* Where the DEFLATE data begin behind the header of a gzip member; 0 if there is none. */
static size_t gzip_header(const uint8_t *p, size_t len)
{
	size_t at = 10;
	uint8_t flags = p[3];

	if (p[2] != 8)
		return 0;
	if (flags & 4)
		at += 2 + (p[10] | p[11] << 8);
	for (int i = 0; i < 2; i++) {		/* name and comment, if they are there */
		if (!(flags & 8 << i))
			continue;
		while (at < len && p[at])
			at++;
		at++;
	}
	if (flags & 2)
		at += 2;
	return at < len ? at : 0;
}

static long unpack_gzip(const struct kernel_file *k, uint8_t *out, size_t room, bool part, const char **error)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	size_t at = gzip_header(k->data, k->len), got = 0;
	enum libdeflate_result result = LIBDEFLATE_BAD_DATA;

	if (d && at)
		result = libdeflate_deflate_decompress(d, k->data + at, k->len - at, out, room, &got);
	libdeflate_free_decompressor(d);
	if (result == LIBDEFLATE_INSUFFICIENT_SPACE)
		return part ? (long)room : bad(error, too_long);
	return result == LIBDEFLATE_SUCCESS ? (long)got : bad(error, cut_off);
}

static long unpack_xz(const struct kernel_file *k, uint8_t *out, size_t room, bool part, const char **error)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret result = lzma_stream_decoder(&stream, XZ_MEMORY, 0);
	size_t got;

	stream.next_in = k->data;
	stream.avail_in = k->len;
	stream.next_out = out;
	stream.avail_out = room;
	if (result == LZMA_OK)
		result = lzma_code(&stream, part ? LZMA_RUN : LZMA_FINISH);
	got = room - stream.avail_out;
	lzma_end(&stream);
	if (result == LZMA_STREAM_END || (part && result == LZMA_OK && got == room))
		return got;
	return bad(error, got == room ? too_long : cut_off);
}

static long unpack_zstd(const struct kernel_file *k, uint8_t *out, size_t room, bool part, const char **error)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	ZSTD_inBuffer in = { .src = k->data, .size = k->len };
	ZSTD_outBuffer to = { .dst = out, .size = room };
	size_t left = 1;

	if (!part) {
		left = context ? ZSTD_decompressDCtx(context, out, room, k->data, k->len) : 0;
		ZSTD_freeDCtx(context);
		if (ZSTD_isError(left))
			return bad(error, ZSTD_getErrorCode(left) == ZSTD_error_dstSize_tooSmall ? too_long : cut_off);
		return left;
	}
	while (context && left && !ZSTD_isError(left) && in.pos < in.size && to.pos < to.size)
		left = ZSTD_decompressStream(context, &to, &in);
	ZSTD_freeDCtx(context);
	return ZSTD_isError(left) ? bad(error, cut_off) : (long)to.pos;
}

static long unpack_lz4(const struct kernel_file *k, uint8_t *out, size_t room, bool part, const char **error)
{
	size_t at = 4, got = 0;

	while (k->len - at >= 4 && got < room) {
		uint32_t block = le32(k->data + at);
		size_t left = room - got, most = left < LZ4_BLOCK ? left : LZ4_BLOCK;
		int n;

		at += 4;
		if (block == LZ4_MAGIC)
			continue;	/* another frame begins */
		if (!block || block > k->len - at || block > (uint32_t)LZ4_COMPRESSBOUND(LZ4_BLOCK))
			return bad(error, cut_off);
		if (part)
			n = LZ4_decompress_safe_partial((const char *)k->data + at, (char *)out + got, block, most, most);
		else
			n = LZ4_decompress_safe((const char *)k->data + at, (char *)out + got, block, most);
		if (n < 0)
			return bad(error, most < LZ4_BLOCK ? too_long : cut_off);
		got += n;
		at += block;
	}
	if (!part && k->len - at >= 4)
		return bad(error, too_long);
	return got;
}

static long unpack(const struct kernel_file *k, uint8_t *out, size_t room, bool part, const char **error)
{
	switch (k->packing) {
	case PACKED_NOT:
		if (k->len > room && !part)
			return bad(error, too_long);
		if (room > k->len)
			room = k->len;
		memcpy(out, k->data, room);
		return room;
	case PACKED_GZIP:
		return unpack_gzip(k, out, room, part, error);
	case PACKED_XZ:
		return unpack_xz(k, out, room, part, error);
	case PACKED_ZSTD:
		return unpack_zstd(k, out, room, part, error);
	case PACKED_LZ4:
		return unpack_lz4(k, out, room, part, error);
	}
	return bad(error, "is packed in a way that is not known");
}

long kernel_unpack(const struct kernel_file *k, uint8_t *out, size_t room, const char **error)
{
	long got = unpack(k, out, room, false, error);

	if (got >= 0 && k->size && (size_t)got != k->size)
		return bad(error, "unpacks to another length than it says; copy the file anew");
	return got;
}

long kernel_peek(const struct kernel_file *k, uint8_t *out, size_t room, const char **error)
{
	return unpack(k, out, room, true, error);
}
