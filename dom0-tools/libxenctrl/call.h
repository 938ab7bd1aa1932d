/* SPDX-License-Identifier: MIT */
/* The handle, and what the files of libxenctrl share. */
#ifndef LIBXENCTRL_CALL_H
#define LIBXENCTRL_CALL_H

#include <errno.h>
#include <string.h>
#include "xenctrl.h"

#define XEN_IOCTL(type, nr, size)	_IOC(_IOC_NONE, type, nr, size)

/* Memory of the handle for arguments and data of one call: a page for the first, the rest for the second. */
#define SCRATCH_PAGES	8
#define DATA_BYTES	((SCRATCH_PAGES - 1) * (size_t)XC_PAGE_SIZE)

struct xc {
	int privcmd, hypercall;		/* descriptors; the second -1 where the kernel has no such device */
	uint8_t *op, *data;		/* the scratch memory */
	char error[320];
};

/* Writes the sentence "@what...: why" and returns -@err. */
__attribute__((format(printf, 3, 4))) int xc_fail(struct xc *x, int err, const char *what, ...);
/* The first page of the scratch memory, with @size bytes of @arg in it. */
void *xc_argument(struct xc *x, const void *arg, size_t size);
/* A privcmd ioctl; 0 or more, or -errno. */
long xc_ioctl(struct xc *x, unsigned long request, void *arg);

static inline uint64_t address(const void *p)
{
	return (uintptr_t)p;
}

#endif
