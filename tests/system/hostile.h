/* SPDX-License-Identifier: MIT */
/* What the frontends that break the rules share: nodes in the store, granted pages, random numbers, the word of failure. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenstore.h>

static struct xs_handle *xs;
static char front[64], *back;
static uint64_t random_state = 88172645463325252ull;

static __attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...)
{
	va_list ap;

	printf("HOSTILE failed: ");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	exit(1);
}

static uint64_t any(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

static void set(const char *node, unsigned long value)
{
	char path[128], text[24];

	snprintf(path, sizeof(path), "%s/%s", front, node);
	snprintf(text, sizeof(text), "%lu", value);
	if (!xs_write(xs, 0, path, text, strlen(text)))
		fail("%s: %s", path, strerror(errno));
}

static int backend_state(void)
{
	char path[160], *text;
	int state;

	snprintf(path, sizeof(path), "%s/state", back);
	text = xs_read(xs, 0, path, NULL);
	state = text ? atoi(text) : 0;
	free(text);
	return state;
}

static void wait_backend(int a, int b)
{
	for (int tries = 0; backend_state() != a && backend_state() != b; tries++) {
		if (tries == 6000)
			fail("the backend stays at %d; %d was wanted", backend_state(), a);
		usleep(10000);
	}
}

/* A page that dom0 may use; its reference. */
static void *grant_page(uint32_t *ref, bool writable)
{
	static int fd = -1;
	struct {
		uint16_t domid, flags;
		uint32_t count;
		uint64_t index;
		uint32_t ref[2];
	} arg = { .flags = writable, .count = 1 };
	void *p;

	if (fd < 0)
		fd = open("/dev/xen/gntalloc", O_RDWR);
	if (fd < 0 || ioctl(fd, _IOC(_IOC_NONE, 'G', 5, 24), &arg))
		fail("gntalloc: %s", strerror(errno));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, arg.index);
	if (p == MAP_FAILED)
		fail("gntalloc: mmap: %s", strerror(errno));
	memset(p, 0, 4096);
	*ref = arg.ref[0];
	return p;
}

#endif
