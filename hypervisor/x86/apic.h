/* SPDX-License-Identifier: MIT */
/* The local APIC; see apic.c. */
#ifndef X86_APIC_H
#define X86_APIC_H

#include "lib/types.h"
#include "x86/irq.h"

/* Boot CPU: finds and maps it. Then each CPU: switches its own on. */
void apic_map(u64 maddr);
void apic_init(void);
u32 apic_id(void);
void apic_eoi(void);
/* Counts down from 2^32-1 without interrupting, for measuring. */
void apic_timer_free_run(void);
u32 apic_timer_count(void);
/* One interrupt on VECTOR_TIMER after `ticks` (at most 2^32-1 count); 0 stops it. */
void apic_timer_set(u64 ticks);

#endif
