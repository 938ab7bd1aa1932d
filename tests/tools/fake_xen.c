// SPDX-License-Identifier: MIT
/*
 * Lets Debian's xenstored run on a Linux without Xen, so that its answers can be compared with ours: a library
 * for LD_PRELOAD which answers the calls that it makes to libxenevtchn, libxengnttab and libxenctrl, and gives it
 * plain files where it looks for /proc/xen.
 *
 * XENSTORED_RUNDIR is the folder of files: ring.DOMID is a domain's ring page (grant or xsd_kva), events a fifo of
 * ports (4 bytes each) that the daemon reads, notify a fifo to which its own notifications go, dead.DOMID says that
 * the domain is gone. A domain's local port is 16 + DOMID.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#include <dlfcn.h>
#include <xenctrl.h>
#include "rundir.h"

static int events = -1, notify = -1;

static void *map_ring(unsigned int domid)
{
	int fd = open(in_rundir("ring.%u", domid), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *p;

	if (fd < 0 || ftruncate(fd, 4096))
		return NULL;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

struct xenevtchn_handle *xenevtchn_open(void *logger, unsigned int flags)
{
	events = open_fifo("events");
	notify = open_fifo("notify");
	return (void *)1;
}

struct xenevtchn_handle *xenevtchn_fdopen(void *logger, int fd, unsigned int flags)
{
	return (void *)1;
}

int xenevtchn_fd(struct xenevtchn_handle *h)
{
	return events;
}

int xenevtchn_bind_interdomain(struct xenevtchn_handle *h, uint32_t domid, uint32_t port)
{
	return 16 + domid;
}

int xenevtchn_bind_virq(struct xenevtchn_handle *h, unsigned int virq)
{
	return 1;
}

int xenevtchn_unbind(struct xenevtchn_handle *h, uint32_t port)
{
	return 0;
}

int xenevtchn_unmask(struct xenevtchn_handle *h, uint32_t port)
{
	return 0;
}

int xenevtchn_pending(struct xenevtchn_handle *h)
{
	uint32_t port;

	return read(events, &port, sizeof(port)) == sizeof(port) ? (int)port : -1;
}

int xenevtchn_notify(struct xenevtchn_handle *h, uint32_t port)
{
	return write(notify, &port, sizeof(port)) == sizeof(port) ? 0 : -1;
}

struct xengntdev_handle *xengnttab_open(void *logger, unsigned int flags)
{
	return (void *)1;
}

int xengnttab_close(struct xengntdev_handle *h)
{
	return 0;
}

int xengnttab_set_max_grants(struct xengntdev_handle *h, uint32_t n)
{
	return 0;
}

void *xengnttab_map_grant_ref(struct xengntdev_handle *h, uint32_t domid, uint32_t ref, int prot)
{
	return map_ring(domid);
}

int xengnttab_unmap(struct xengntdev_handle *h, void *p, uint32_t count)
{
	return munmap(p, 4096);
}

xc_interface *xc_interface_open(xentoollog_logger *a, xentoollog_logger *b, unsigned int flags)
{
	return (void *)1;
}

int xc_interface_close(xc_interface *h)
{
	return 0;
}

int xc_domain_getinfo(xc_interface *h, uint32_t first, unsigned int count, xc_dominfo_t *info)
{
	memset(info, 0, sizeof(*info));
	info->domid = first;
	if (access(in_rundir("dead.%u", first), F_OK) == 0)
		info->domid = first + 1;
	info->running = 1;
	return 1;
}

/* /proc/xen/xsd_kva is dom0's ring, /proc/xen/xsd_port its port. */
static const char *instead(const char *path)
{
	if (!strcmp(path, "/proc/xen/xsd_port")) {
		int fd = creat(in_rundir("port.0", 0), 0600);

		if (write(fd, "1\n", 2) != 2)
			return path;
		close(fd);
		return in_rundir("port.0", 0);
	}
	if (!strcmp(path, "/proc/xen/xsd_kva")) {
		map_ring(0);
		return in_rundir("ring.0", 0);
	}
	return path;
}

int open(const char *path, int flags, ...)
{
	int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return real(instead(path), flags, mode);
}

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
	return open(path, flags);
}
