/* SPDX-License-Identifier: MIT */
/* The local APIC; see apic.c. */
#ifndef X86_APIC_H
#define X86_APIC_H

#include "lib/types.h"
#include "x86/irq.h"

/* Boot CPU: chooses the mode; in xAPIC mode the registers are at `maddr`. Then each CPU: switches its own on. */
void apic_find(u64 maddr, bool want_x2apic);
void apic_init(void);
u32 apic_id(void);
/* The highest id that a CPU can have in this mode. */
u32 apic_id_max(void);
void apic_eoi(void);
/* Counts down from 2^32-1 without interrupting, for measuring. */
void apic_timer_free_run(void);
u32 apic_timer_count(void);
/* One interrupt on VECTOR_TIMER after `ticks` (at most 2^32-1 count); 0 stops it. */
void apic_timer_set(u64 ticks);
/* To another CPU: an NMI; and, by APIC id, what starts it (`page` is the frame below 1 MiB where it begins). */
void send_nmi(u32 cpu);
void apic_send_init(u32 apic_id);
void apic_send_startup(u32 apic_id, u8 page);

#endif
