// SPDX-License-Identifier: MIT
/*
 * How the headers of this folder are built.
 *
 * They state Xen 4.17's public ABI for 64-bit x86 guests: numbers, layouts and names are those that stock
 * kernels were compiled with, so none of them is ours to choose. Rules that hold for every file here:
 *
 *  1. A structure that crosses the border is followed by its size, and by the offset of each field behind a
 *     padding hole, as compile-time assertions. A compiler that lays it out differently does not compile it.
 *  2. A guest pointer is a plain uint64_t: the hypervisor can't dereference it by accident and must go through
 *     its copy functions. The comment beside the field says what it points to.
 *  3. Constants carry no type suffix, so that assembly files can use them; C declarations hide behind
 *     __ASSEMBLER__.
 *  4. Nothing but <stdint.h> is included: the same files serve the hypervisor, its guests and host programs.
 */
#ifndef XEN_ABI_H
#define XEN_ABI_H

#ifndef __ASSEMBLER__

#include <stdint.h>

/* The size in bytes that the ABI gives to a structure or union. */
#define XEN_ABI_SIZE(type, bytes) \
	_Static_assert(sizeof(type) == (bytes), #type " must be " #bytes " bytes")

/* The offset in bytes that the ABI gives to a field. */
#define XEN_ABI_OFFSET(type, field, bytes) \
	_Static_assert(__builtin_offsetof(type, field) == (bytes), #type "." #field " must be at " #bytes)

typedef uint64_t xen_pfn_t;
typedef uint64_t xen_ulong_t;
typedef uint16_t domid_t;

#endif /* !__ASSEMBLER__ */
#endif
