/* SPDX-License-Identifier: MIT */
/* Guest memory beyond what the seam has; see guest_copy.c. */
#ifndef X86_GUEST_COPY_H
#define X86_GUEST_COPY_H

#include "core/seam.h"

/* True where gva..gva+bytes lies outside the hypervisor's range and does not wrap. */
bool guest_range_ok(u64 gva, size_t bytes);
/* As many leading bytes as are readable, at least up to the page's end or none. Returns their number. */
size_t copy_from_guest_some(void *dst, u64 gva, size_t bytes);

#endif
