// SPDX-License-Identifier: MIT
/*
 * Formatted text: each conversion against libc's, and the edges of the buffer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/printf.h"
#include "lib/string.h"

/* Both libraries must agree on text and length. */
#define SAME(...)                                                    \
	do {                                                         \
		char ours[256], libc[256];                           \
		int a = snprintf_hv(ours, sizeof(ours), __VA_ARGS__); \
		int b = snprintf(libc, sizeof(libc), __VA_ARGS__);   \
		assert_string_equal(ours, libc);                     \
		assert_int_equal(a, b);                              \
	} while (0)

static void numbers_are_printed_as_libc_does(void **state)
{
	(void)state;
	SAME("%d %d %d %i", 0, -1, 2147483647, -2147483647 - 1);
	SAME("%u %x %X", 4294967295u, 0xdeadbeefu, 0xdeadbeefu);
	SAME("%ld %lld %lu", INT64_MIN, (long long)INT64_MAX, UINT64_MAX);
	SAME("%zu %zx", (size_t)0, SIZE_MAX);
	SAME("%hd %hu %hhd %hhu %hhx", (short)-2, (unsigned short)65535, (signed char)-3, (unsigned char)200,
	     (unsigned char)0xab);
	SAME("%5d|%-5d|%05d|%5d|%05d", 42, 42, 42, -42, -42);
	SAME("%#x %#X %#x %#10x %#010x %-#10x|", 255u, 255u, 0u, 255u, 255u, 255u);
	SAME("%.4d %.4x %8.4d %-8.4d| %.0d", 7, 7u, -7, 7, 5);
	SAME("%*d %-*d| %.*d", 6, 1, 6, 2, 3, 4);
	SAME("%016lx %lx", 0x123456789abcdefUL, 0UL);
}

static void texts_are_printed_as_libc_does(void **state)
{
	char open[3] = { 'a', 'b', 'c' };

	(void)state;
	SAME("%s|%10s|%-10s|%.2s|%5.1s|", "abc", "abc", "abc", "abc", "abc");
	SAME("%c%c%3c%-3c|", 'x', 'y', 'z', 'w');
	SAME("%.*s", 3, open);
	SAME("100%% %s", "sure");
	SAME("%s", "");
}

static void pointers_have_all_their_digits(void **state)
{
	char buf[64];

	(void)state;
	snprintf_hv(buf, sizeof(buf), "%p", (void *)0xffff800000001000);
	assert_string_equal(buf, "ffff800000001000");
	snprintf_hv(buf, sizeof(buf), "%p", NULL);
	assert_string_equal(buf, "0000000000000000");
}

static int untyped(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf_hv(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

static void a_null_text_is_named(void **state)
{
	char buf[32];

	(void)state;
	untyped(buf, sizeof(buf), "%s", NULL);
	assert_string_equal(buf, "(null)");
}

static void an_unknown_conversion_shows_itself(void **state)
{
	char buf[64];

	(void)state;
	untyped(buf, sizeof(buf), "a %q b");
	assert_string_equal(buf, "a %q b");
	untyped(buf, sizeof(buf), "end %");
	assert_string_equal(buf, "end %");
	untyped(buf, sizeof(buf), "end %-08l");
	assert_string_equal(buf, "end %-08l");
}

static void a_small_buffer_is_cut_and_terminated(void **state)
{
	static const char text[] = "the length is 42 and the text is \"long\"";

	(void)state;
	for (size_t size = 1; size < sizeof(text) + 3; size++) {
		char *buf = malloc(size); /* AddressSanitizer guards its end */
		size_t kept = size - 1 < sizeof(text) - 1 ? size - 1 : sizeof(text) - 1;

		assert_int_equal(snprintf_hv(buf, size, "the length is %d and the text is \"%s\"", 42, "long"),
				 sizeof(text) - 1);
		assert_memory_equal(buf, text, kept);
		assert_int_equal(buf[kept], 0);
		free(buf);
	}
}

static void size_zero_writes_nothing(void **state)
{
	char c = 'x';

	(void)state;
	assert_int_equal(snprintf_hv(&c, 0, "%d", 12345), 5);
	assert_int_equal(c, 'x');
	assert_int_equal(snprintf_hv(NULL, 0, "%s", "abc"), 3);
}

static void pages_are_cleared_and_copied_whole(void **state)
{
	unsigned char *a = malloc(4096), *b = malloc(4096), zero[4096] = { 0 };

	(void)state;
	for (int i = 0; i < 4096; i++)
		a[i] = i * 7 + 1;
	copy_page(b, a);
	assert_memory_equal(a, b, 4096);
	clear_page(a);
	assert_memory_equal(a, zero, 4096);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_printed_as_libc_does),
		cmocka_unit_test(texts_are_printed_as_libc_does),
		cmocka_unit_test(pointers_have_all_their_digits),
		cmocka_unit_test(a_null_text_is_named),
		cmocka_unit_test(an_unknown_conversion_shows_itself),
		cmocka_unit_test(a_small_buffer_is_cut_and_terminated),
		cmocka_unit_test(size_zero_writes_nothing),
		cmocka_unit_test(pages_are_cleared_and_copied_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
