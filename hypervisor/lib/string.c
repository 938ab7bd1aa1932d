// SPDX-License-Identifier: MIT
/*
 * Memory and text functions that the compiler and the hypervisor call.
 *
 * Bulk work is one string instruction over 8-byte words: it is one instruction
 * in code size, and current CPUs run it at the width of a cache line. Small
 * copies whose size the compiler knows never come here, it expands them.
 *
 * -ffreestanding keeps the compiler from turning these loops into calls of the
 * functions that they are.
 */
#include "lib/string.h"
#include "lib/types.h"

#ifdef XENOLITH_HOST

void clear_page(void *page)
{
	memset(page, 0, PAGE_SIZE);
}

void copy_page(void *dst, const void *src)
{
	memcpy(dst, src, PAGE_SIZE);
}

#else

void clear_page(void *page)
{
	u64 n = PAGE_SIZE / 8;

	__asm__ volatile("rep stosq" : "+D"(page), "+c"(n) : "a"(0UL) : "memory");
}

void copy_page(void *dst, const void *src)
{
	u64 n = PAGE_SIZE / 8;

	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;
	size_t words = n / 8, rest = n & 7;

	__asm__ volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(words) : : "memory");
	if (rest)
		__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(rest) : : "memory");
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	char *d = dst;
	const char *s = src;

	/* Forward is right unless dst starts inside the source. */
	if ((uintptr_t)d - (uintptr_t)s >= n)
		return memcpy(dst, src, n);
	/*
	 * Backward: first the odd bytes at the end, then words. The direction
	 * flag would do too, but string instructions are slow with it set.
	 */
	for (; n & 7; n--)
		d[n - 1] = s[n - 1];
	for (; n; n -= 8) {
		u64 word;

		__builtin_memcpy(&word, s + n - 8, 8);
		__builtin_memcpy(d + n - 8, &word, 8);
	}
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;
	u64 pattern = (u8)c * 0x0101010101010101ULL;
	size_t words = n / 8, rest = n & 7;

	__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
	if (rest)
		__asm__ volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(pattern) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	/* Skip what is equal a word at a time; the bytes below find the difference. */
	while (n >= 8) {
		u64 p, q;

		__builtin_memcpy(&p, x, 8);
		__builtin_memcpy(&q, y, 8);
		if (p != q)
			break;
		x += 8;
		y += 8;
		n -= 8;
	}
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end)
		end++;
	return end - s;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b)
			return (u8)*a - (u8)*b;
		if (!*a)
			break;
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (!*s)
			return NULL;
	}
}

#endif
