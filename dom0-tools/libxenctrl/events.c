// SPDX-License-Identifier: MIT
/*
 * Event channels and grants: hypercalls where another domain's are meant, Linux's devices where this program's are.
 * ioctl numbers and structures: linux/include/uapi/xen/{evtchn,gntdev}.h.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "call.h"

int xc_evtchn_alloc(struct xc *x, uint32_t domid, uint32_t remote)
{
	struct evtchn_alloc_unbound arg = { .dom = domid, .remote_dom = remote }, *call;
	long result;

	call = xc_argument(x, &arg, sizeof(arg));
	result = xc_hypercall(x, __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, address(call), 0, 0, 0);
	return result < 0 ? xc_fail(x, -result, "making an event channel of domain %u", domid) : (int)call->port;
}

int xc_evtchn_status(struct xc *x, uint32_t domid, uint32_t port, struct evtchn_status *status)
{
	struct evtchn_status *call;
	long result;

	memset(status, 0, sizeof(*status));
	status->dom = domid;
	status->port = port;
	call = xc_argument(x, status, sizeof(*status));
	result = xc_hypercall(x, __HYPERVISOR_event_channel_op, EVTCHNOP_status, address(call), 0, 0, 0);
	memcpy(status, call, sizeof(*status));
	return result < 0 ? xc_fail(x, -result, "asking for event channel %u of domain %u", port, domid) : 0;
}

/* --- this program's ---------------------------------------------------------------------- */

int xc_events_open(void)
{
	int fd = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int event_call(int fd, unsigned int nr, void *arg, size_t size)
{
	int result = ioctl(fd, XEN_IOCTL('E', nr, size), arg);

	return result < 0 ? -errno : result;
}

int xc_events_bind_virq(int fd, uint32_t virq)
{
	return event_call(fd, 0, &virq, sizeof(virq));
}

int xc_events_bind(int fd, uint32_t domid, uint32_t port)
{
	uint32_t arg[2] = { domid, port };

	return event_call(fd, 1, arg, sizeof(arg));
}

int xc_events_unbind(int fd, uint32_t local)
{
	return event_call(fd, 3, &local, sizeof(local));
}

int xc_events_notify(int fd, uint32_t local)
{
	return event_call(fd, 4, &local, sizeof(local));
}

int xc_events_read(int fd, uint32_t *ports, unsigned int max)
{
	ssize_t n = read(fd, ports, max * sizeof(*ports));

	return n < 0 ? -errno : (int)(n / sizeof(*ports));
}

int xc_events_unmask(int fd, uint32_t local)
{
	return write(fd, &local, sizeof(local)) < 0 ? -errno : 0;
}

/* --- grants -------------------------------------------------------------------------------- */

struct grant_count {
	uint64_t index;
	uint32_t count, pad;
};

int xc_grants_open(void)
{
	int fd = open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void *xc_grants_map(int fd, uint32_t domid, const uint32_t *refs, size_t count, int prot)
{
	struct {
		uint32_t count, pad;
		uint64_t index;
		struct {
			uint32_t domid, ref;
		} ref[];
	} *arg = calloc(1, sizeof(*arg) + count * sizeof(arg->ref[0]));
	void *p = MAP_FAILED;
	int err = ENOMEM;

	if (!arg)
		return NULL;
	arg->count = count;
	for (size_t i = 0; i < count; i++) {
		arg->ref[i].domid = domid;
		arg->ref[i].ref = refs[i];
	}
	/* The ioctl's number has the size of the structure with one reference. */
	if (ioctl(fd, XEN_IOCTL('G', 0, sizeof(*arg) + sizeof(arg->ref[0])), arg)) {
		err = errno;
	} else {
		p = mmap(NULL, count << XC_PAGE_SHIFT, prot, MAP_SHARED, fd, arg->index);
		if (p == MAP_FAILED) {
			struct grant_count undo = { .index = arg->index, .count = count };

			err = errno;
			ioctl(fd, XEN_IOCTL('G', 1, sizeof(undo)), &undo);
		}
	}
	free(arg);
	errno = err;
	return p == MAP_FAILED ? NULL : p;
}

int xc_grants_unmap(int fd, void *p, size_t count)
{
	struct {
		uint64_t where, index;
		uint32_t count, pad;
	} find = { .where = address(p) };
	struct grant_count undo = { .count = count };

	if (ioctl(fd, XEN_IOCTL('G', 2, sizeof(find)), &find))
		return -errno;
	munmap(p, count << XC_PAGE_SHIFT);
	undo.index = find.index;
	return ioctl(fd, XEN_IOCTL('G', 1, sizeof(undo)), &undo) ? -errno : 0;
}
