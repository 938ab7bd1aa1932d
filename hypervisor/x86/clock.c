// SPDX-License-Identifier: MIT
/*
 * Clocks.
 *
 * The TSC is the only clock read at run time. Its rate is measured at boot
 * against the HPET or the ACPI PM timer, for no longer than the wanted
 * precision needs: the error is one read of the reference, about 1 us, so
 * 2 ms give 500 ppm from one pair of readings and the best of several pairs of
 * reads (the one with the least TSC distance around it) about 10 ppm. NTP in
 * dom0 sees to the rest.
 */
#include "x86/clock.h"
#include "core/domain.h"
#include "core/seam.h"
#include "x86/apic.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/paging.h"
#include "x86/policy.h"

struct clock_scale clock_scale;
u32 tsc_khz;
bool tsc_reliable;
u64 apic_timer_hz;
static u64 apic_ticks_per_ns; /* times 2^32 */

#define NS_PER_S 1000000000ULL
#define MEASURE_NS 2000000ULL
#define PM_TIMER_HZ 3579545ULL /* ACPI 6.5, 4.8.3.3 */

/* The reference: ticks, mask of its width, rate. */
static volatile u32 *hpet;
static u16 pm_port;
static u64 ref_mask, ref_hz;

static u64 ref_read(void)
{
	return hpet ? hpet[0xf0 / 4] : inl(pm_port) & ref_mask;
}

static void __init find_reference(const struct acpi_info *acpi)
{
	if (acpi->hpet_pa) {
		u64 period_fs;

		hpet = ioremap(acpi->hpet_pa, 0x400);
		period_fs = hpet[1]; /* IA-PC HPET 1.0a, 2.3.4: femtoseconds per tick */
		if (period_fs && period_fs <= 100000000) {
			hpet[4] |= 1; /* overall enable */
			ref_hz = 1000000000000000ULL / period_fs;
			ref_mask = 0xffffffff;
			return;
		}
		hpet = NULL;
	}
	pm_port = acpi->pm_timer.space == ACPI_SPACE_IO ? acpi->pm_timer.address : 0;
	if (!pm_port)
		hv_stop("no HPET and no ACPI PM timer: nothing to measure the TSC with");
	ref_mask = acpi->pm_timer_32bit ? 0xffffffff : 0xffffff;
	ref_hz = PM_TIMER_HZ;
}

struct reading {
	u64 ref, tsc, apic;
};

/* All three at one moment: of a few tries, the one that took the TSC the least time. */
static struct reading __init read_all(void)
{
	struct reading best = { 0 };
	u64 best_width = ~0ULL;

	for (unsigned i = 0; i < 5; i++) {
		u64 before = rdtsc(), ref = ref_read(), after = rdtsc();
		u64 apic = apic_timer_count();

		if (after - before < best_width) {
			best_width = after - before;
			best = (struct reading){ ref, before + (after - before) / 2, apic };
		}
	}
	return best;
}

static void __init set_scale(u64 hz)
{
	/* mul in [2^31, 2^32) keeps the most bits: 10^9 * 2^(32 - shift) / hz. */
	s8 shift = 0;
	u64 scaled = 1000000000ULL, rate = hz;

	while (rate > scaled * 2) {
		rate >>= 1;
		shift--;
	}
	while (rate <= scaled) {
		rate <<= 1;
		shift++;
	}
	clock_scale.mul = (scaled << 32) / rate;
	clock_scale.shift = shift;
	tsc_khz = hz / 1000;
}

void __init clock_init(const struct acpi_info *acpi)
{
	struct reading a, b;
	u64 ticks, want;

	/* TCG's TSC is one virtual clock for all its CPUs, though it does not say so in CPUID. */
	tsc_reliable = host_has(X86_FEATURE_ITSC) || host_cpu.under_tcg;
	find_reference(acpi);
	want = ref_hz * MEASURE_NS / 1000000000ULL;
	apic_timer_free_run();
	a = read_all();
	while (((ref_read() - a.ref) & ref_mask) < want)
		cpu_relax();
	b = read_all();
	ticks = (b.ref - a.ref) & ref_mask;
	/* 2 ms of a 10 GHz clock times 10^8 fits 64 bits. */
	set_scale((b.tsc - a.tsc) * ref_hz / ticks);
	apic_timer_hz = (a.apic - b.apic) * ref_hz / ticks;
	apic_ticks_per_ns = (apic_timer_hz << 28) / NS_PER_S << 4; /* hz below 2^36 */
	hv_log(LOG_INFO, "clock: TSC %u.%03u MHz by the %s, local APIC timer %llu.%03llu MHz\n", tsc_khz / 1000,
	       tsc_khz % 1000, hpet ? "HPET" : "ACPI PM timer", (unsigned long long)apic_timer_hz / 1000000,
	       (unsigned long long)apic_timer_hz / 1000 % 1000);
}

u64 now_ns(void)
{
	u64 delta = rdtsc() - clock_scale.tsc_start;

	if (clock_scale.shift >= 0)
		delta <<= clock_scale.shift;
	else
		delta >>= -clock_scale.shift;
	return (u64)((unsigned __int128)delta * clock_scale.mul >> 32);
}

struct timer_heap *timer_heap_of(u32 cpu)
{
	return &pcpus[cpu].timers;
}

void timer_reprogram(u32 cpu)
{
	struct timer_heap *h = timer_heap_of(cpu);
	u64 deadline, now;

	if (cpu != this_cpu()) {
		/* Its own timer interrupt handler programs it. */
		__atomic_fetch_or(&cpu_info_of(cpu)->work, WORK_TIMER, __ATOMIC_SEQ_CST);
		send_ipi(cpu, IPI_EVENT);
		return;
	}
	deadline = timer_next_deadline(h);
	if (deadline == ~0ULL) {
		apic_timer_set(0);
		return;
	}
	now = now_ns();
	if (deadline <= now) {
		__atomic_fetch_or(&this_cpu_info()->work, WORK_TIMER, __ATOMIC_SEQ_CST);
		return;
	}
	/* Rounded up, so that the interrupt is never too early to find the timer due. A far deadline takes several. */
	apic_timer_set((u64)((unsigned __int128)min(deadline - now, (u64)NS_PER_S) * apic_ticks_per_ns >> 32) + 1);
}

/* --- RTC (MC146818) ----------------------------------------------------------------------- */

static u8 cmos(u8 reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static u32 from_bcd(u8 v, bool binary)
{
	return binary ? v : (v >> 4) * 10 + (v & 15);
}

u64 __init rtc_read(void)
{
	static const u16 days_before[12] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	u8 raw[6], again[6], status_b;
	static const u8 regs[6] = { 0, 2, 4, 7, 8, 9 };
	u32 f[6];
	u64 days;

	/* Read until two readings agree: then no update came in between. */
	do {
		for (unsigned i = 0; i < 6; i++)
			raw[i] = cmos(regs[i]);
		for (unsigned i = 0; i < 6; i++)
			again[i] = cmos(regs[i]);
	} while (__builtin_memcmp(raw, again, 6));
	status_b = cmos(0x0b);
	for (unsigned i = 0; i < 6; i++)
		f[i] = from_bcd(i == 2 ? raw[i] & 0x7f : raw[i], status_b & 4);
	if (!(status_b & 2)) { /* 12-hour clock */
		f[2] %= 12;
		if (raw[2] & 0x80)
			f[2] += 12;
	}
	f[5] += f[5] < 70 ? 2000 : 1900;
	if (f[4] < 1 || f[4] > 12)
		f[4] = 1;
	days = (u64)(f[5] - 1970) * 365 + (f[5] - 1969) / 4 + days_before[f[4] - 1] + f[3] - 1;
	if (f[4] > 2 && f[5] % 4 == 0)
		days++;
	return ((days * 24 + f[2]) * 60 + f[1]) * 60 + f[0];
}
