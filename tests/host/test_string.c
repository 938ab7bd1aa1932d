// SPDX-License-Identifier: MIT
/*
 * The hypervisor's own memory and text functions, under other names, against
 * libc's: all lengths and alignments up to a few words, and all overlaps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define memcpy hv_memcpy
#define memmove hv_memmove
#define memset hv_memset
#define memcmp hv_memcmp
#define strlen hv_strlen
#define strcmp hv_strcmp
#define strncmp hv_strncmp
#define strchr hv_strchr
#define clear_page hv_clear_page
#define copy_page hv_copy_page
#undef XENOLITH_HOST
#include "../../hypervisor/lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strcmp
#undef strncmp
#undef strchr

#define N 40

static void fill(unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = i * 37 + 11;
}

static void copies_and_fills_touch_only_their_bytes(void **state)
{
	(void)state;
	for (size_t from = 0; from < 9; from++) {
		for (size_t to = 0; to < 9; to++) {
			for (size_t n = 0; n < N; n++) {
				unsigned char src[64], a[64], b[64];

				fill(src, sizeof(src));
				memset(a, 0xaa, sizeof(a));
				memset(b, 0xaa, sizeof(b));
				assert_ptr_equal(hv_memcpy(a + to, src + from, n), a + to);
				memcpy(b + to, src + from, n);
				assert_memory_equal(a, b, sizeof(a));
				assert_ptr_equal(hv_memset(a + to, 0x100 + from, n), a + to);
				memset(b + to, (int)from, n);
				assert_memory_equal(a, b, sizeof(a));
			}
		}
	}
}

static void moves_may_overlap_either_way(void **state)
{
	(void)state;
	for (size_t from = 0; from < 24; from++) {
		for (size_t to = 0; to < 24; to++) {
			for (size_t n = 0; n < N; n++) {
				unsigned char a[64], b[64];

				fill(a, sizeof(a));
				fill(b, sizeof(b));
				assert_ptr_equal(hv_memmove(a + to, a + from, n), a + to);
				memmove(b + to, b + from, n);
				assert_memory_equal(a, b, sizeof(a));
			}
		}
	}
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void comparisons_find_the_first_difference(void **state)
{
	(void)state;
	for (size_t n = 0; n < N; n++) {
		for (size_t at = 0; at < N; at++) {
			unsigned char *a = malloc(n + 1), *b = malloc(n + 1);

			fill(a, n);
			fill(b, n);
			if (at < n)
				b[at] ^= 0x80;
			assert_int_equal(sign(hv_memcmp(a, b, n)), sign(memcmp(a, b, n)));
			free(a);
			free(b);
		}
	}
}

static void texts_are_handled_as_libc_does(void **state)
{
	static const char *const texts[] = { "", "a", "ab", "abc", "abd", "b", "ab\xff", "console=com1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(hv_strlen(texts[i]), strlen(texts[i]));
		assert_ptr_equal(hv_strchr(texts[i], 'b'), strchr(texts[i], 'b'));
		assert_ptr_equal(hv_strchr(texts[i], 0), strchr(texts[i], 0));
		for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
			assert_int_equal(sign(hv_strcmp(texts[i], texts[j])), sign(strcmp(texts[i], texts[j])));
			for (size_t n = 0; n < 5; n++)
				assert_int_equal(sign(hv_strncmp(texts[i], texts[j], n)),
						 sign(strncmp(texts[i], texts[j], n)));
		}
	}
}

static void a_page_is_cleared_and_copied_to_its_end_and_no_further(void **state)
{
	unsigned char *a = malloc(4096), *b = malloc(4096);

	(void)state;
	fill(a, 4096);
	hv_copy_page(b, a);
	assert_memory_equal(a, b, 4096);
	hv_clear_page(a);
	for (int i = 0; i < 4096; i++)
		assert_int_equal(a[i], 0);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_and_fills_touch_only_their_bytes),
		cmocka_unit_test(moves_may_overlap_either_way),
		cmocka_unit_test(comparisons_find_the_first_difference),
		cmocka_unit_test(texts_are_handled_as_libc_does),
		cmocka_unit_test(a_page_is_cleared_and_copied_to_its_end_and_no_further),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
