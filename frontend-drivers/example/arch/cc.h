// SPDX-License-Identifier: MIT
/*
 * What lwIP wants to know of the compiler and the system it is built for: the runtime.
 */
#ifndef EXAMPLE_ARCH_CC_H
#define EXAMPLE_ARCH_CC_H

#include "runtime.h"

/* There is one task, and no libc but for the runtime's strings. */
#define LWIP_NO_CTYPE_H		1
#define LWIP_NO_UNISTD_H	1
#define LWIP_TIMEVAL_PRIVATE	0
#define SSIZE_MAX		INT_MAX
typedef long ssize_t;

#define LWIP_PLATFORM_DIAG(x)	do { printf x; } while (0)
#define LWIP_PLATFORM_ASSERT(x)	panic("lwIP: %s", x)
#define LWIP_RAND()		((u32_t)(rdtsc() * 2654435761u >> 7))

#endif
