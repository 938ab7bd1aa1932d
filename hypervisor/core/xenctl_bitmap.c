// SPDX-License-Identifier: MIT
/*
 * Bitmaps in a toolstack's memory: bytes, the lowest bit first, as many as it says, which need not be as many as the
 * hypervisor has.
 */
#include "core/xenctl_bitmap.h"
#include "core/seam.h"
#include "lib/string.h"

#define MOST_BYTES 4096ULL /* what lies beyond in a longer one stays as it is */
#define BYTES(bits) (((u64)(bits) + 7) / 8)

long bitmap_to_guest(const struct xenctl_bitmap *to, const u64 *map, u32 bits)
{
	u64 bytes = min(BYTES(to->nr_bits), MOST_BYTES);
	u8 b;

	for (u64 i = 0; i < bytes; i++) {
		b = i < BYTES(bits) ? (u8)(map[i / 8] >> (i % 8 * 8)) : 0;
		if (i == bits / 8)
			b &= (1u << bits % 8) - 1;
		if (copy_to_guest(to->bitmap + i, &b, 1))
			return -EFAULT;
	}
	return 0;
}

long bitmap_from_guest(u64 *map, u32 bits, const struct xenctl_bitmap *from)
{
	u32 nr = min(bits, from->nr_bits);

	memset(map, 0, BITMAP_WORDS(bits) * 8);
	if (copy_from_guest(map, from->bitmap, BYTES(nr)))
		return -EFAULT;
	if (nr % 64)
		map[nr / 64] &= (1ULL << nr % 64) - 1;
	return 0;
}
