// SPDX-License-Identifier: MIT
/*
 * Xen, through what Linux gives dom0: /dev/xen/evtchn for event channels, /dev/xen/gntdev and /dev/xen/privcmd for
 * domains' pages and for asking which domains there are, /proc/xen for dom0's own ring.
 *
 * ioctl numbers and structures: linux/include/uapi/xen/{evtchn,gntdev,privcmd}.h; the hypercall: xen/sysctl.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "xen.h"

#define XEN_IOCTL(type, nr, size)	_IOC(_IOC_NONE, type, nr, size)

#define VIRQ_DOM_EXC			3	/* xen/xen.h */
#define GRANT_XENSTORE			1	/* GNTTAB_RESERVED_XENSTORE, xen/grant_table.h */
#define HYPERVISOR_SYSCTL		35
#define SYSCTL_VERSION			0x15
#define SYSCTL_GETDOMAININFOLIST	6
#define DOMINFO_SIZE			112	/* struct xen_domctl_getdomaininfo */
#define DOMINFO_DYING			1u
#define DOMINFO_SHUTDOWN		4u
#define PAGE				4096u

static int gntdev = -1, privcmd = -1;

int xen_events_open(void)
{
	return open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC | O_NONBLOCK);
}

int xen_bind(int fd, uint32_t domid, uint32_t port)
{
	uint32_t arg[2] = { domid, port };
	int local = ioctl(fd, XEN_IOCTL('E', 1, sizeof(arg)), arg);

	return local < 0 ? -errno : local;
}

int xen_bind_dom_exc(int fd)
{
	uint32_t arg = VIRQ_DOM_EXC;
	int local = ioctl(fd, XEN_IOCTL('E', 0, sizeof(arg)), &arg);

	return local < 0 ? -errno : local;
}

void xen_unbind(int fd, uint32_t local_port)
{
	ioctl(fd, XEN_IOCTL('E', 3, sizeof(local_port)), &local_port);
}

void xen_notify(int fd, uint32_t local_port)
{
	ioctl(fd, XEN_IOCTL('E', 4, sizeof(local_port)), &local_port);
}

int xen_events_read(int fd, uint32_t *ports, unsigned int count)
{
	ssize_t n = read(fd, ports, count * sizeof(*ports));

	return n < 0 ? 0 : n / sizeof(*ports);
}

void xen_unmask(int fd, const uint32_t *ports, unsigned int count)
{
	ssize_t n = write(fd, ports, count * sizeof(*ports));

	(void)n;	/* a port that is not masked is not an error */
}

static struct xenstore_domain_interface *map_grant(uint32_t domid)
{
	struct {
		uint32_t count, pad;
		uint64_t index;
		uint32_t domid, ref;
	} arg = { .count = 1, .domid = domid, .ref = GRANT_XENSTORE };
	void *p;

	if (gntdev < 0)
		gntdev = open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC);
	if (gntdev < 0 || ioctl(gntdev, XEN_IOCTL('G', 0, sizeof(arg)), &arg))
		return NULL;
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, gntdev, arg.index);
	if (p == MAP_FAILED) {
		struct {
			uint64_t index;
			uint32_t count, pad;
		} undo = { arg.index, 1, 0 };

		ioctl(gntdev, XEN_IOCTL('G', 1, sizeof(undo)), &undo);
		return NULL;
	}
	return p;
}

static bool open_privcmd(void)
{
	if (privcmd < 0)
		privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
	return privcmd >= 0;
}

/* A domain that was built without seeded grants. */
static struct xenstore_domain_interface *map_frame(uint32_t domid, uint64_t gfn)
{
	int err = 0;
	struct {
		uint32_t num;
		uint16_t domid;
		uint64_t addr;
		const uint64_t *frames;
		int *err;
	} arg = { .num = 1, .domid = domid, .frames = &gfn, .err = &err };
	void *p;

	if (!open_privcmd())
		return NULL;
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, privcmd, 0);
	if (p == MAP_FAILED)
		return NULL;
	arg.addr = (uintptr_t)p;
	if (ioctl(privcmd, XEN_IOCTL('P', 4, sizeof(arg)), &arg) || err) {
		munmap(p, PAGE);
		errno = err ? -err : errno;
		return NULL;
	}
	return p;
}

static struct xenstore_domain_interface *map_own(void)
{
	int fd = open("/proc/xen/xsd_kva", O_RDWR | O_CLOEXEC);
	void *p;

	if (fd < 0)
		fd = open("/dev/xen/xenbus_backend", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

struct xenstore_domain_interface *xen_map_ring(uint32_t domid, uint64_t gfn)
{
	struct xenstore_domain_interface *ring;

	if (!domid)
		return map_own();
	ring = map_grant(domid);
	return ring ? ring : map_frame(domid, gfn);
}

void xen_unmap_ring(uint32_t domid, struct xenstore_domain_interface *ring)
{
	struct {
		uint64_t vaddr, index;
		uint32_t count, pad;
	} where = { .vaddr = (uintptr_t)ring };
	struct {
		uint64_t index;
		uint32_t count, pad;
	} unmap = { .count = 1 };
	bool granted = domid && gntdev >= 0 && !ioctl(gntdev, XEN_IOCTL('G', 2, sizeof(where)), &where);

	munmap(ring, PAGE);
	if (granted) {
		unmap.index = where.index;
		ioctl(gntdev, XEN_IOCTL('G', 1, sizeof(unmap)), &unmap);
	}
}

int xen_dom0_port(void)
{
	char text[16] = "";
	int fd = open("/proc/xen/xsd_port", O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int port;

	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		return n > 0 ? atoi(text) : -EIO;
	}
	fd = open("/dev/xen/xenbus_backend", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	port = ioctl(fd, XEN_IOCTL('B', 0, 0));
	n = -errno;
	close(fd);
	return port < 0 ? n : port;
}

/* Memory that the hypervisor may write to while it works: /dev/xen/hypercall gives such, else locked pages. */
static void *hypercall_memory(size_t size)
{
	static void *memory;
	int fd;

	if (memory)
		return memory;
	fd = open("/dev/xen/hypercall", O_RDWR | O_CLOEXEC);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED : MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (memory == MAP_FAILED)
		memory = NULL;
	return memory;
}

struct sysctl_domain_list {
	uint32_t cmd, version;
	union {
		struct {
			uint16_t first, pad;
			uint32_t max;
			uint64_t buffer;
			uint32_t count;
		};
		uint8_t room[128];
	};
};

int xen_domains(uint32_t first, struct xen_domain *list, unsigned int max)
{
	size_t size = (PAGE + (size_t)max * DOMINFO_SIZE + PAGE - 1) & ~(size_t)(PAGE - 1);
	uint8_t *memory = open_privcmd() ? hypercall_memory(size) : NULL;
	struct sysctl_domain_list *op = (void *)memory;
	uint64_t call[6] = { HYPERVISOR_SYSCTL, (uintptr_t)memory };

	if (!memory)
		return -ENOSYS;
	memset(op, 0, sizeof(*op));
	op->cmd = SYSCTL_GETDOMAININFOLIST;
	op->version = SYSCTL_VERSION;
	op->first = first;
	op->max = max;
	op->buffer = (uintptr_t)memory + PAGE;
	if (ioctl(privcmd, XEN_IOCTL('P', 0, sizeof(call)), call) < 0)
		return -errno;
	for (uint32_t i = 0; i < op->count && i < max; i++) {
		const uint8_t *info = memory + PAGE + i * DOMINFO_SIZE;
		uint32_t flags;
		uint16_t domid;

		memcpy(&domid, info, sizeof(domid));
		memcpy(&flags, info + 4, sizeof(flags));
		list[i] = (struct xen_domain){
			.domid = domid, .dying = flags & DOMINFO_DYING, .shut_down = flags & DOMINFO_SHUTDOWN
		};
	}
	return op->count < max ? op->count : max;
}
