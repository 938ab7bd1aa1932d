// SPDX-License-Identifier: MIT
/*
 * The local APIC (SDM 3, chapter 11): end of interrupt, timer, IPIs.
 *
 * Its registers are a page of memory (xAPIC) or MSRs (x2APIC). Firmware of large
 * machines leaves it in the second mode, since ids above 254 have no place in the
 * first; it can't be left but by a reset of the APIC, so that mode is kept. Option
 * x2apic asks for it. All CPUs have the same.
 *
 * A write to the page is ordered like a store to uncached memory. One to an MSR is
 * not ordered with the stores before it, which an IPI tells another CPU to look at.
 */
#include "x86/apic.h"
#include "core/seam.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/paging.h"
#include "x86/policy.h"

enum {
	APIC_ID = 0x020, APIC_TPR = 0x080, APIC_EOI = 0x0b0, APIC_LDR = 0x0d0, APIC_DFR = 0x0e0, APIC_SPIV = 0x0f0,
	APIC_ICR_LO = 0x300, APIC_ICR_HI = 0x310, APIC_LVT_TIMER = 0x320, APIC_LVT_THERMAL = 0x330,
	APIC_LVT_PERF = 0x340, APIC_LVT_LINT0 = 0x350, APIC_LVT_LINT1 = 0x360, APIC_LVT_ERROR = 0x370,
	APIC_TIMER_INIT = 0x380, APIC_TIMER_COUNT = 0x390, APIC_TIMER_DIVIDE = 0x3e0,
};
#define LVT_MASKED 0x10000
#define LVT_NMI 0x400
#define DIVIDE_BY_1 0x0b
#define ICR_BUSY 0x1000

#define BASE_ENABLED 0x800
#define BASE_X2APIC 0x400
#define X2APIC_MSR(reg) (0x800 + (reg) / 16)

static volatile u32 *apic;
static bool x2apic;

static u32 rd(u32 reg)
{
	return x2apic ? (u32)rdmsr(X2APIC_MSR(reg)) : apic[reg / 4];
}

static void wr(u32 reg, u32 v)
{
	if (x2apic)
		wrmsr(X2APIC_MSR(reg), v);
	else
		apic[reg / 4] = v;
}

void __init apic_find(u64 maddr, bool want_x2apic)
{
	x2apic = rdmsr(MSR_APIC_BASE) & BASE_X2APIC;
	if (want_x2apic && !x2apic) {
		x2apic = host_has(X86_FEATURE_X2APIC);
		if (!x2apic)
			hv_log(LOG_WARNING, "option x2apic: this CPU has no x2APIC\n");
	}
	hv_log(LOG_INFO, "local APICs: %s mode\n", x2apic ? "x2APIC" : "xAPIC");
	if (x2apic)
		return;
	apic = ioremap(maddr, PAGE_SIZE);
	if (!apic)
		hv_panic("can't map the local APIC at %#llx", (unsigned long long)maddr);
}

void apic_init(void)
{
	u64 base = rdmsr(MSR_APIC_BASE) | BASE_ENABLED;

	/* In two steps: from off to x2APIC there is no way at once. */
	wrmsr(MSR_APIC_BASE, base);
	if (x2apic)
		wrmsr(MSR_APIC_BASE, base | BASE_X2APIC);
	wr(APIC_TPR, 0);
	wr(APIC_LVT_TIMER, LVT_MASKED);
	wr(APIC_LVT_THERMAL, LVT_MASKED);
	wr(APIC_LVT_PERF, LVT_MASKED);
	wr(APIC_LVT_LINT0, LVT_MASKED);
	wr(APIC_LVT_LINT1, this_cpu() == 0 ? LVT_NMI : LVT_MASKED);
	wr(APIC_LVT_ERROR, VECTOR_ERROR);
	wr(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	wr(APIC_SPIV, 0x100 | VECTOR_SPURIOUS);
}

u32 apic_id(void) { return x2apic ? rd(APIC_ID) : rd(APIC_ID) >> 24; }
u32 apic_id_max(void) { return x2apic ? ~0u - 1 : 0xfe; }
void apic_eoi(void) { wr(APIC_EOI, 0); }

void apic_timer_free_run(void)
{
	wr(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	wr(APIC_TIMER_INIT, ~0u);
}

u32 apic_timer_count(void) { return rd(APIC_TIMER_COUNT); }

void apic_timer_set(u64 ticks)
{
	wr(APIC_LVT_TIMER, VECTOR_TIMER);
	wr(APIC_TIMER_INIT, ticks > 0xffffffff ? 0xffffffff : ticks);
}

/* SDM 3, 10.6.1: delivery modes and the level bit that every message but an INIT de-assert has set. */
#define ICR_NMI 0x4400
#define ICR_INIT 0x4500
#define ICR_STARTUP 0x4600

static void send(u32 id, u32 what)
{
	if (x2apic) {
		__asm__ volatile("mfence; lfence" ::: "memory");
		wrmsr(X2APIC_MSR(APIC_ICR_LO), (u64)id << 32 | what);
		return;
	}
	while (rd(APIC_ICR_LO) & ICR_BUSY)
		cpu_relax();
	wr(APIC_ICR_HI, id << 24);
	wr(APIC_ICR_LO, what);
}

void send_ipi(u32 cpu, unsigned vector) { send(pcpus[cpu].apic_id, vector); }
void send_nmi(u32 cpu) { send(pcpus[cpu].apic_id, ICR_NMI); }
void __init apic_send_init(u32 id) { send(id, ICR_INIT); }
void __init apic_send_startup(u32 id, u8 page) { send(id, ICR_STARTUP | page); }
