/* SPDX-License-Identifier: MIT */
/* Bitmaps of CPUs and nodes in a toolstack's memory; see xenctl_bitmap.c. */
#ifndef CORE_XENCTL_BITMAP_H
#define CORE_XENCTL_BITMAP_H

#include "lib/bitmap.h"
#include "xen/xen.h"

/* Writes `bits` bits of `map` to the caller's bitmap: as many as it has room for; bits that it has beyond are cleared. 0 or -EFAULT. */
long bitmap_to_guest(const struct xenctl_bitmap *to, const u64 *map, u32 bits);
/* Reads the caller's bitmap into `map` of `bits` bits; what it does not have is clear. 0 or -EFAULT. */
long bitmap_from_guest(u64 *map, u32 bits, const struct xenctl_bitmap *from);

#endif
