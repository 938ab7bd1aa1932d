/* SPDX-License-Identifier: MIT */
/*
 * Bits in arrays of 64-bit words. The atomic forms are for words shared with
 * guests or other CPUs; the plain forms are for words under a lock.
 */
#ifndef LIB_BITMAP_H
#define LIB_BITMAP_H

#include "lib/types.h"

#define BITS_PER_WORD 64
#define BITMAP_WORDS(bits) (((bits) + 63) / 64)

static inline bool bit_test(const u64 *map, u64 bit)
{
	return READ_ONCE(map[bit / 64]) >> (bit % 64) & 1;
}

static inline void bit_set(u64 *map, u64 bit) { map[bit / 64] |= 1ULL << (bit % 64); }
static inline void bit_clear(u64 *map, u64 bit) { map[bit / 64] &= ~(1ULL << (bit % 64)); }

/* Atomic: return the bit's old value. Full barriers. */
static inline bool bit_test_and_set(u64 *map, u64 bit)
{
	u64 m = 1ULL << (bit % 64);
	return __atomic_fetch_or(&map[bit / 64], m, __ATOMIC_SEQ_CST) & m;
}

static inline bool bit_test_and_clear(u64 *map, u64 bit)
{
	u64 m = 1ULL << (bit % 64);
	return __atomic_fetch_and(&map[bit / 64], ~m, __ATOMIC_SEQ_CST) & m;
}

static inline void bit_set_atomic(u64 *map, u64 bit)
{
	__atomic_fetch_or(&map[bit / 64], 1ULL << (bit % 64), __ATOMIC_SEQ_CST);
}

static inline void bit_clear_atomic(u64 *map, u64 bit)
{
	__atomic_fetch_and(&map[bit / 64], ~(1ULL << (bit % 64)), __ATOMIC_SEQ_CST);
}

/* First clear bit below `bits`, or `bits` when there is none. */
u64 bitmap_first_zero(const u64 *map, u64 bits);
/* First set bit at or after `from`, likewise. */
u64 bitmap_next_set(const u64 *map, u64 bits, u64 from);

#endif
