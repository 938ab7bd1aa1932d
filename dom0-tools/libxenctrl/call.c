// SPDX-License-Identifier: MIT
/*
 * Hypercalls from a program of dom0.
 *
 * The kernel passes a hypercall on as it is (/dev/xen/privcmd, ioctl 0), so the pointers in it are addresses of this
 * program, and what they point to must be in memory while the hypervisor looks at it. Ordinary memory may be moved or
 * swapped by Linux meanwhile, even if it is locked; pages of /dev/xen/hypercall never are.
 *
 * 1. Each argument is copied into such memory before the call and back after it: the handle's scratch memory, which is
 *    mapped once, since mapping costs more than most calls.
 * 2. A function that needs more than that goes in steps, or asks for xc_buffer().
 *
 * ioctl numbers and structures: linux/include/uapi/xen/privcmd.h.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/sched.h>
#include "call.h"

int xc_fail(struct xc *x, int err, const char *what, ...)
{
	va_list args;
	size_t n;

	va_start(args, what);
	vsnprintf(x->error, sizeof(x->error), what, args);
	va_end(args);
	n = strlen(x->error);
	if (err == EPERM || err == EACCES)
		snprintf(x->error + n, sizeof(x->error) - n, ": the hypervisor refuses (%s); is this dom0 of Xen 4.17 or Xenolith?",
			 strerror(err));
	else if (err == ENOSYS)
		snprintf(x->error + n, sizeof(x->error) - n, ": the hypervisor does not know this call");
	else
		snprintf(x->error + n, sizeof(x->error) - n, ": %s", strerror(err));
	errno = err;
	return -err;
}

const char *xc_error(const struct xc *x)
{
	return x->error;
}

long xc_ioctl(struct xc *x, unsigned long request, void *arg)
{
	long result;

	do {
		result = ioctl(x->privcmd, request, arg);
	} while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : result;
}

/* --- memory that hypercalls can reach ------------------------------------------------ */

static size_t whole_pages(size_t bytes)
{
	return (bytes + XC_PAGE_SIZE - 1) & ~(size_t)(XC_PAGE_SIZE - 1);
}

void *xc_buffer(struct xc *x, size_t bytes)
{
	int flags = x->hypercall < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE : MAP_SHARED;
	void *p = mmap(NULL, whole_pages(bytes), PROT_READ | PROT_WRITE, flags, x->hypercall, 0);

	if (p == MAP_FAILED) {
		xc_fail(x, errno, "getting %zu bytes for a hypercall", bytes);
		return NULL;
	}
	madvise(p, whole_pages(bytes), MADV_DONTFORK);
	return p;
}

void xc_buffer_free(struct xc *x, void *buffer, size_t bytes)
{
	(void)x;
	if (buffer)
		munmap(buffer, whole_pages(bytes));
}

void *xc_argument(struct xc *x, const void *arg, size_t size)
{
	return memcpy(x->op, arg, size);
}

/* --- the handle ------------------------------------------------------------------------ */

struct xc *xc_open(char *why, size_t size)
{
	struct xc *x = calloc(1, sizeof(*x));
	int err = ENOMEM;

	if (x) {
		x->hypercall = open("/dev/xen/hypercall", O_RDWR | O_CLOEXEC);
		x->privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
		err = errno;
	}
	if (x && x->privcmd >= 0) {
		x->op = xc_buffer(x, SCRATCH_PAGES * XC_PAGE_SIZE);
		err = errno;
	}
	if (x && x->op) {
		x->data = x->op + XC_PAGE_SIZE;
		return x;
	}
	if (why && size)
		snprintf(why, size, "can't make hypercalls: /dev/xen/privcmd: %s; are you root in dom0, and is xen_privcmd loaded?",
			 strerror(err));
	if (x)
		xc_close(x);
	errno = err;
	return NULL;
}

void xc_close(struct xc *x)
{
	if (!x)
		return;
	xc_buffer_free(x, x->op, SCRATCH_PAGES * XC_PAGE_SIZE);
	if (x->privcmd >= 0)
		close(x->privcmd);
	if (x->hypercall >= 0)
		close(x->hypercall);
	free(x);
}

/* --- calls ------------------------------------------------------------------------------- */

long xc_hypercall(struct xc *x, unsigned int number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	uint64_t call[6] = { number, a1, a2, a3, a4, a5 };

	return xc_ioctl(x, XEN_IOCTL('P', 0, sizeof(call)), call);
}

static int control_call(struct xc *x, unsigned int number, void *op, size_t size, const char *what)
{
	void *call = xc_argument(x, op, size);
	long result = xc_hypercall(x, number, address(call), 0, 0, 0, 0);

	memcpy(op, call, size);
	return result < 0 ? xc_fail(x, -result, "%s", what) : result;
}

int xc_domctl(struct xc *x, struct xen_domctl *op, const char *what)
{
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	return control_call(x, __HYPERVISOR_domctl, op, sizeof(*op), what);
}

int xc_sysctl(struct xc *x, struct xen_sysctl *op, const char *what)
{
	op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return control_call(x, __HYPERVISOR_sysctl, op, sizeof(*op), what);
}

long xc_memory_op(struct xc *x, unsigned int command, void *arg, size_t size)
{
	void *call = xc_argument(x, arg, size);
	long result = xc_hypercall(x, __HYPERVISOR_memory_op, command, address(call), 0, 0, 0);

	memcpy(arg, call, size);
	return result < 0 ? xc_fail(x, -result, "memory call %u", command) : result;
}

long xc_version(struct xc *x, unsigned int command, void *out, size_t size)
{
	long result;

	if (size > DATA_BYTES)
		return xc_fail(x, E2BIG, "asking for the hypervisor's version");
	if (out)
		memcpy(x->data, out, size);
	result = xc_hypercall(x, __HYPERVISOR_xen_version, command, out ? address(x->data) : 0, 0, 0, 0);
	if (result < 0)
		return xc_fail(x, -result, "asking for the hypervisor's version (%u)", command);
	if (out)
		memcpy(out, x->data, size);
	return result;
}

int xc_domain_shutdown(struct xc *x, uint32_t domid, uint32_t reason)
{
	struct sched_remote_shutdown arg = { .domain_id = domid, .reason = reason };
	void *call = xc_argument(x, &arg, sizeof(arg));
	long result = xc_hypercall(x, __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, address(call), 0, 0, 0);

	return result < 0 ? xc_fail(x, -result, "shutting down domain %u", domid) : 0;
}
