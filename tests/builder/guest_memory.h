// SPDX-License-Identifier: MIT
/*
 * A guest's memory as a file in memory, in place of libxenctrl's mapping of foreign pages: the frame of pfn n is
 * n + FRAME_OF_0, so that taking one for the other shows. Frames that the guest does not have can't be mapped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "libxenctrl/xenctrl.h"

#define FRAME_OF_0	0x1000
#define GUEST_PAGES	1024

static int guest_fd = -1;
static uint64_t guest_frames[GUEST_PAGES];

static void guest_reset(void)
{
	if (guest_fd < 0)
		guest_fd = memfd_create("guest", 0);
	if (guest_fd < 0 || ftruncate(guest_fd, 0) || ftruncate(guest_fd, GUEST_PAGES * 4096L))
		abort();
	for (uint64_t i = 0; i < GUEST_PAGES; i++)
		guest_frames[i] = i + FRAME_OF_0;
}

static void *guest_map(void *where, const uint64_t *frames, size_t count)
{
	void *p;

	errno = EINVAL;
	for (size_t i = 0; i < count; i++)
		if (frames[i] < FRAME_OF_0 || frames[i] >= FRAME_OF_0 + GUEST_PAGES || frames[i] != frames[0] + i)
			return NULL;
	p = mmap(where, count * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | (where ? MAP_FIXED : 0), guest_fd,
		 (frames[0] - FRAME_OF_0) * 4096);
	return p == MAP_FAILED ? NULL : p;
}

void *xc_map(struct xc *x, uint32_t domid, int prot, const uint64_t *frames, size_t count, int *err)
{
	return guest_map(NULL, frames, count);
}

int xc_map_at(struct xc *x, void *where, uint32_t domid, int prot, const uint64_t *frames, size_t count)
{
	return guest_map(where, frames, count) ? 0 : -errno;
}

void xc_unmap(struct xc *x, void *p, size_t pages)
{
	if (p)
		munmap(p, pages * 4096);
}
