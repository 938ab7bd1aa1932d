// SPDX-License-Identifier: MIT
/*
 * The two functions of a C library that lwIP calls and the runtime has no use for.
 */
#include "runtime.h"

char *strchr(const char *in, int what);
long strtol(const char *text, char **end, int base);

char *strchr(const char *in, int what)
{
	for (; *in != (char)what; in++)
		if (!*in)
			return NULL;
	return (char *)(uintptr_t)in;
}

/* Decimal numbers, whatever the base: atoi is all that lwIP uses it for. */
long strtol(const char *text, char **end, int base)
{
	bool negative = *text == '-';
	long number = 0;

	(void)base;
	for (text += negative; *text >= '0' && *text <= '9'; text++)
		number = number * 10 + (*text - '0');
	if (end)
		*end = (char *)(uintptr_t)text;
	return negative ? -number : number;
}
