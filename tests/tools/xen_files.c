// SPDX-License-Identifier: MIT
/*
 * Files in Xen's place, for xenstored's test build: the same as fake_xen.c gives Debian's daemon, so that one test
 * drives both. In the folder XENSTORED_RUNDIR: ring.DOMID, the fifos events and notify, dead.DOMID.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../../dom0-tools/xenstored/xen.h"
#include "rundir.h"

#define FIRST_PORT 16

static int notify = -1;
static uint32_t domids[4096], domid_count;

int xen_events_open(void)
{
	notify = open_fifo("notify");
	return open_fifo("events");
}

int xen_bind(int fd, uint32_t domid, uint32_t port)
{
	return FIRST_PORT + domid;
}

int xen_bind_dom_exc(int fd)
{
	return 1;
}

void xen_unbind(int fd, uint32_t local_port)
{
}

void xen_notify(int fd, uint32_t local_port)
{
	if (write(notify, &local_port, sizeof(local_port)) < 0 && errno != EAGAIN)
		abort();
}

int xen_events_read(int fd, uint32_t *ports, unsigned int count)
{
	ssize_t n = read(fd, ports, count * sizeof(*ports));

	return n < 0 ? 0 : n / sizeof(*ports);
}

void xen_unmask(int fd, const uint32_t *ports, unsigned int count)
{
}

struct xenstore_domain_interface *xen_map_ring(uint32_t domid, uint64_t gfn)
{
	int fd = open(in_rundir("ring.%u", domid), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *p;
	uint32_t i;

	if (fd < 0 || ftruncate(fd, 4096))
		return NULL;
	for (i = 0; i < domid_count && domids[i] != domid; i++)
		continue;
	if (i == domid_count && i < sizeof(domids) / sizeof(domids[0])) {
		for (; i && domids[i - 1] > domid; i--)
			domids[i] = domids[i - 1];
		domids[i] = domid;
		domid_count++;
	}
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

void xen_unmap_ring(uint32_t domid, struct xenstore_domain_interface *ring)
{
	munmap(ring, 4096);
}

int xen_dom0_port(void)
{
	return 1;
}

int xen_domains(uint32_t first, struct xen_domain *list, unsigned int max)
{
	unsigned int n = 0;

	if (!first)
		list[n++] = (struct xen_domain){ 0 };
	for (uint32_t i = 0; i < domid_count && n < max; i++)
		if (domids[i] && domids[i] >= first && access(in_rundir("dead.%u", domids[i]), F_OK))
			list[n++] = (struct xen_domain){ .domid = domids[i] };
	return n;
}
