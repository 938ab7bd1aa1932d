/* SPDX-License-Identifier: MIT */
/* A guest's kernel file: what it is packed in, and unpacking it. */
#ifndef BUILDER_KERNEL_H
#define BUILDER_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum packing { PACKED_NOT, PACKED_GZIP, PACKED_XZ, PACKED_ZSTD, PACKED_LZ4 };

struct kernel_file {
	enum packing packing;
	const uint8_t *data;	/* the packed bytes, within the file */
	size_t len;
	size_t size;		/* bytes when unpacked, as the file says; 0 where it does not say */
};

/*
 * kernel_find - find the ELF image in a file
 * @file, @len: not trusted
 * @error: set to a sentence that fits behind the file's name
 *
 * Takes an ELF file, a bzImage, and an ELF file packed by gzip, xz, zstd or lz4. Returns 0 or -EINVAL; what @k then
 * says lies within the file, but may turn out to be damaged.
 */
int kernel_find(const void *file, size_t len, struct kernel_file *k, const char **error);

/*
 * kernel_unpack - unpack it
 * @out, @room: where to, and the bytes there
 *
 * Returns the number of bytes, or -EINVAL with a sentence: damaged, longer than @room, or of another length than the
 * file says. What was written before is then of no use.
 */
long kernel_unpack(const struct kernel_file *k, uint8_t *out, size_t room, const char **error);

/* The first @room bytes only, or all if it is shorter. Returns how many, or -EINVAL with a sentence. */
long kernel_peek(const struct kernel_file *k, uint8_t *out, size_t room, const char **error);

#endif
