// SPDX-License-Identifier: MIT
/*
 * Instructions per request to xenstored over its socket, both processes and the kernel included: to be run in a machine
 * that counts them (scripts/qemu.py, exact), where a nanosecond is an instruction. Prints "read N", "write N",
 * "transaction N" (of four requests: start, write, read, end).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xenstore.h>

#define WARM 50
#define TIMES 500

static struct xs_handle *h;

static void must(const void *good, const char *what)
{
	if (!good) {
		perror(what);
		exit(1);
	}
}

static void one_read(void)
{
	unsigned int len;
	char *value = xs_read(h, XBT_NULL, "/local/domain/0/name", &len);

	must(value, "read");
	free(value);
}

static void one_write(void)
{
	must(xs_write(h, XBT_NULL, "/local/domain/0/name", "Domain-0", 8) ? h : NULL, "write");
}

static void one_transaction(void)
{
	unsigned int n;
	xs_transaction_t t = xs_transaction_start(h);
	void *p;

	must(t ? h : NULL, "transaction");
	must(xs_write(h, t, "/bench/a", "1", 1) ? h : NULL, "write");
	p = xs_read(h, t, "/bench/a", &n);
	must(p, "read");
	free(p);
	must(xs_transaction_end(h, t, false) ? h : NULL, "end");
}

static void measure(const char *name, void (*f)(void))
{
	struct timespec a, b;

	for (int i = 0; i < WARM; i++)
		f();
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < TIMES; i++)
		f();
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%s %lld\n", name, ((b.tv_sec - a.tv_sec) * 1000000000ll + b.tv_nsec - a.tv_nsec) / TIMES);
}

int main(void)
{
	h = xs_open(0);
	must(h, "xs_open");
	one_write();
	measure("read", one_read);
	measure("write", one_write);
	measure("transaction", one_transaction);
	xs_close(h);
	return 0;
}
