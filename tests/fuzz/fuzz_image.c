// SPDX-License-Identifier: MIT
/*
 * Fuzz target: a boot module from anyone. The input is taken as a module
 * (probed, unpacked, parsed, loaded), and also given straight to the decoder
 * its first bytes name. The unpacked data of a broken stream is parsed too,
 * since a checksum would else keep the fuzzer from getting there.
 *
 * Everything lies in heap blocks of the exact size, for AddressSanitizer; what
 * the interfaces promise of their results is checked and ends in abort().
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "boot/bzimage.h"
#include "boot/decompress.h"
#include "boot/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (128 * 1024)

static void require(bool promise)
{
	if (!promise)
		abort();
}

struct range {
	const struct elf_image *e;
	volatile uint8_t sum; /* keeps the reads */
};

static int touch(void *ctx, u64 paddr_off, const void *src, u64 filesz, u64 memsz)
{
	struct range *r = ctx;
	const uint8_t *p = src;

	require(filesz <= memsz && paddr_off <= r->e->pend - r->e->pstart);
	require(memsz <= r->e->pend - r->e->pstart - paddr_off);
	if (filesz)
		r->sum += p[0] + p[filesz / 2] + p[filesz - 1];
	return 0;
}

static void parse(const uint8_t *image, u64 len)
{
	struct elf_image e;
	struct range r = { .e = &e };
	int err = elf_parse(image, len, &e);

	require(!err == !e.error);
	if (err)
		return;
	require(e.vstart < e.vend && e.vend - e.vstart == e.pend - e.pstart);
	require(e.entry >= e.vstart && e.entry < e.vend);
	require(e.segments && !elf_load(&e, touch, &r));
}

static void decode(const uint8_t *in, u64 len, void *work)
{
	int (*const decoders[])(const u8 *, u64, u8 *, u64, void *, u64, struct decode_result *) = { gunzip, unxz, unzstd };
	uint8_t first = len ? in[0] : 0;
	/* Several capacities, small ones too, chosen by the input so that a case repeats. */
	u64 cap = len & 3 ? OUT_MAX : len * 2;
	struct decode_result r;
	uint8_t *out = calloc(1, cap ? cap : 1);
	int err;

	err = decoders[first == 0x1f ? 0 : first == 0xfd ? 1 : 2](in, len, out, cap, work, DECODE_WORK_BYTES, &r);
	require(!err == !r.error && r.out_len <= cap && (!err || !r.out_len));
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *module = malloc(size), *work = malloc(DECODE_WORK_BYTES);
	struct image_info info;

	if (size)
		memcpy(module, data, size);
	if (!image_probe(module, size, &info)) {
		u64 cap = info.unpacked_len < OUT_MAX ? info.unpacked_len : OUT_MAX;
		uint8_t *out = calloc(1, cap);
		struct decode_result r;

		require(!info.error && info.payload >= module);
		require(info.payload_len <= size && (u64)(info.payload - module) <= size - info.payload_len);
		if (image_unpack(&info, out, cap, work, &r))
			require(r.error && !r.out_len);
		parse(out, cap);
		free(out);
	} else {
		require(info.error && info.kind == IMAGE_UNUSABLE);
	}
	parse(module, size);
	decode(module, size, work);
	free(work);
	free(module);
	return 0;
}
