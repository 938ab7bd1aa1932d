/* SPDX-License-Identifier: MIT */
/* The TSC as a clock, measured against a timer of known rate; see clock.c. */
#ifndef X86_CLOCK_H
#define X86_CLOCK_H

#include "lib/types.h"
#include "x86/acpi.h"

/* ns = (((tsc - tsc_start) << shift or >> -shift) * mul) >> 32 */
struct clock_scale {
	u64 tsc_start;
	u32 mul;
	s8 shift;
};
extern struct clock_scale clock_scale;
extern u32 tsc_khz;
/* The TSC runs at one rate whatever the CPU does, so that programs may be shown it as a clock. */
extern bool tsc_reliable;

/* Measures the TSC and the local APIC's timer. Boot CPU; acpi and apic are known. */
void clock_init(const struct acpi_info *acpi);
/* Local APIC timer ticks per second. */
extern u64 apic_timer_hz;
/* Seconds since 1970 by the RTC. */
u64 rtc_read(void);

#endif
