/* SPDX-License-Identifier: MIT */
/* Memory before the heap exists; see memory.c. */
#ifndef BOOT_MEMORY_H
#define BOOT_MEMORY_H

#include "boot/bootinfo.h"

/* Takes over the machine's map; the image, modules and first MiB are in use. */
void boot_memory_init(const struct bootinfo *bi);
/* Marks bytes start..end as in use. */
void boot_memory_busy(u64 start, u64 end);
/*
 * `bytes` of RAM aligned to `align` (a power of two, both multiples of 4 KiB),
 * not zeroed, from the highest place that is mapped. Physical address; panics
 * with a sentence when there is none.
 */
u64 boot_alloc(u64 bytes, u64 align);
/* From now on all RAM is in the direct map and boot_alloc() may use it. */
void boot_memory_all_mapped(void);
/* Hands everything that is not in use to the page allocator; boot_alloc() ends. */
void boot_memory_to_heap(void);

#endif
