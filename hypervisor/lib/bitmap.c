// SPDX-License-Identifier: MIT
/* Bit searches, a word at a time. */
#include "lib/bitmap.h"

static u64 first(const u64 *map, u64 bits, u64 from, u64 invert)
{
	for (u64 i = from / 64; i * 64 < bits; i++) {
		u64 w = map[i] ^ invert;

		if (i == from / 64)
			w &= ~0ULL << (from % 64);
		if (w) {
			u64 bit = i * 64 + __builtin_ctzll(w);
			return min(bit, bits);
		}
	}
	return bits;
}

u64 bitmap_first_zero(const u64 *map, u64 bits) { return first(map, bits, 0, ~0ULL); }
u64 bitmap_next_set(const u64 *map, u64 bits, u64 from) { return first(map, bits, from, 0); }
