// SPDX-License-Identifier: MIT
/*
 * Test results on the console, in the Test Anything Protocol. The plan comes last, when the number is known; then
 * "# END", by which the test system knows that nothing was cut off.
 */
#include "runtime.h"

static unsigned int count, failed;

void tap_start(const char *name)
{
	printf("# BEGIN %s\n", name);
}

void tap_ok(bool good, const char *format, ...)
{
	char name[256];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	count++;
	failed += !good;
	printf("%sok %u - %s\n", good ? "" : "not ", count, name);
}

void tap_skip(const char *name, const char *why)
{
	printf("ok %u - %s # SKIP %s\n", ++count, name, why);
}

void tap_long(long got, long wanted, const char *name)
{
	tap_ok(got == wanted, "%s", name);
	if (got != wanted)
		printf("# got %ld (0x%lx), wanted %ld (0x%lx)\n", got, got, wanted, wanted);
}

void tap_end(void)
{
	printf("1..%u\n", count);
	printf("# END passed %u failed %u\n", count - failed, failed);
}
