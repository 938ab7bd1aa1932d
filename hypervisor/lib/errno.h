/* SPDX-License-Identifier: MIT */
/* Error numbers of the hypercall ABI: Linux's values, returned negative (abi: xen/errno.h). */
#ifndef LIB_ERRNO_H
#define LIB_ERRNO_H

#ifdef XENOLITH_HOST
#include <errno.h>
#ifndef ERESTART
#define ERESTART 85
#endif
#else
#define EPERM 1
#define ENOENT 2
#define ESRCH 3
#define EIO 5
#define ENXIO 6
#define E2BIG 7
#define ENOEXEC 8
#define EBADF 9
#define EAGAIN 11
#define ENOMEM 12
#define EACCES 13
#define EFAULT 14
#define EBUSY 16
#define EEXIST 17
#define EXDEV 18
#define ENODEV 19
#define EINVAL 22
#define ENFILE 23
#define ENOSPC 28
#define ERANGE 34
#define ENOSYS 38
#define ENODATA 61
#define ETIME 62
#define EILSEQ 84
#define ERESTART 85 /* internal: the hypercall continues, never seen by a guest */
#define EOPNOTSUPP 95
#define EADDRINUSE 98
#define ENOBUFS 105
#endif

#endif
