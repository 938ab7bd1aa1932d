// SPDX-License-Identifier: MIT
/*
 * Files in Xen's place, for xenconsoled's test build. In the folder XENSTORED_RUNDIR: console.DOMID is a guest's page,
 * the fifo console-events has ports that ring, console-notify those that were rung, `domains` a line
 * "DOMID DYING UUID" for each domain, `hvlog` the hypervisor's log.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../../../dom0-tools/xenconsoled/xen.h"
#include "../rundir.h"

#define LOG_PORT	1
#define FIRST_PORT	16

static int events = -1, notify = -1;

int xen_open(char *why, size_t size)
{
	notify = open_fifo("console-notify");
	events = open_fifo("console-events");
	if (events < 0)
		snprintf(why, size, "no fifo");
	return events;
}

int xen_bind(uint32_t domid, uint32_t port)
{
	return FIRST_PORT + domid;
}

int xen_bind_log(void)
{
	return LOG_PORT;
}

void xen_unbind(int local)
{
}

void xen_notify(int local)
{
	uint32_t port = local;

	if (write(notify, &port, sizeof(port)) < 0 && errno != EAGAIN)
		abort();
}

unsigned int xen_events(uint32_t *ports, unsigned int max)
{
	ssize_t n = read(events, ports, max * sizeof(*ports));

	return n < 0 ? 0 : n / sizeof(*ports);
}

/* What came while the port was masked was dropped by nobody here: the fifo has it. */
void xen_unmask(int local)
{
}

struct xencons_interface *xen_map_console(uint32_t domid, uint64_t frame)
{
	int fd = open(in_rundir("console.%u", domid), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *p;

	if (fd < 0 || ftruncate(fd, 4096))
		return NULL;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

void xen_unmap_console(struct xencons_interface *page)
{
	munmap(page, 4096);
}

int xen_domains(uint32_t first, struct xen_domain *list, unsigned int max)
{
	FILE *f = fopen(in_rundir("domains", 0), "re");
	unsigned int n = 0, domid, dying;
	char uuid[17];

	while (f && n < max && fscanf(f, "%u %u %16s", &domid, &dying, uuid) == 3) {
		if (domid < first)
			continue;
		list[n] = (struct xen_domain){ .domid = domid, .dying = dying };
		memcpy(list[n++].uuid, uuid, strnlen(uuid, sizeof(list[0].uuid)));
	}
	if (f)
		fclose(f);
	return n;
}

int xen_log_read(char *text, size_t size, uint32_t *index)
{
	int fd = open(in_rundir("hvlog", 0), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : pread(fd, text, size, *index);

	if (fd >= 0)
		close(fd);
	if (n > 0)
		*index += n;
	return n < 0 ? -errno : n;
}
