// SPDX-License-Identifier: MIT
/*
 * NMIs from outside, and the watchdog.
 *
 * Who sends an NMI does not say so: a button, a memory controller, a management
 * board. Port 0x61 tells two reasons apart. Option nmi= says whether dom0 hears
 * of it, the machine stops, or nothing happens.
 *
 * The watchdog finds a CPU that is stuck in the hypervisor. Each CPU counts in
 * a timer once a second, which needs that it comes past do_exit_work() or the
 * idle loop. The PIT's channel 0, whose line leads through an IO-APIC entry of
 * delivery mode NMI to all CPUs, looks 18 times a second whether the count has
 * changed. That needs no performance counters, which emulators lack, and works
 * for a single CPU. A CPU that has not counted for the time given prints its
 * own registers and back trace, and the machine ends as after any bug of ours.
 *
 * Once the watchdog runs, an NMI for which port 0x61 has no reason is its own.
 */
#include "x86/nmi.h"
#include "boot/cmdline.h"
#include "core/seam.h"
#include "core/timer.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/irq.h"
#include "x86/panic.h"

#define TICKS_PER_SECOND 18 /* 1193182 Hz / 65536 */
#define COUNT_NS 1000000000ULL

#define PIT_CHANNEL0 0x40
#define PIT_COMMAND 0x43
#define PIT_CH0_PERIODIC 0x34 /* both bytes, mode 2 */

#define REASON_SERR 0x80
#define REASON_IOCHK 0x40

static enum nmi_policy policy;
static bool watch, running;
static u32 patience; /* NMIs without a count */

static struct {
	struct timer count;
	u64 counted;
	u64 seen;    /* at the last NMI */
	u32 unchanged; /* NMIs since */
} watched[MAX_CPUS];

void __init nmi_init(const struct hv_options *o)
{
	policy = o->nmi;
	watch = o->watchdog;
	patience = o->watchdog_timeout * TICKS_PER_SECOND;
}

static void count(void *data)
{
	(void)data;
	WRITE_ONCE(watched[this_cpu()].counted, watched[this_cpu()].counted + 1);
	timer_set(&watched[this_cpu()].count, now_ns() + COUNT_NS);
}

void watchdog_cpu_init(void)
{
	if (!watch)
		return;
	timer_init(&watched[this_cpu()].count, count, NULL, this_cpu());
	timer_set(&watched[this_cpu()].count, now_ns() + COUNT_NS);
}

void __init watchdog_start(void)
{
	if (!watch)
		return;
	if (irq_pit_to_nmi()) {
		hv_log(LOG_WARNING, "no watchdog: the PIT's interrupt leads to no IO-APIC\n");
		return;
	}
	running = true;
	outb(PIT_COMMAND, PIT_CH0_PERIODIC);
	outb(PIT_CHANNEL0, 0);
	outb(PIT_CHANNEL0, 0);
	hv_log(LOG_INFO, "watchdog: a CPU that is stuck for %u seconds ends the machine\n", patience / TICKS_PER_SECOND);
}

static void look(struct cpu_user_regs *regs)
{
	u32 cpu = this_cpu();
	u64 now = READ_ONCE(watched[cpu].counted);

	if (now != watched[cpu].seen) {
		watched[cpu].seen = now;
		watched[cpu].unchanged = 0;
		return;
	}
	if (++watched[cpu].unchanged < patience)
		return;
	running = false;
	hv_log(LOG_ERR, "watchdog: CPU %u is stuck for %u seconds\n", cpu, patience / TICKS_PER_SECOND);
	hypervisor_died(regs, 0);
}

void nmi_unasked(struct cpu_user_regs *regs)
{
	u8 reason = inb(0x61) & (REASON_SERR | REASON_IOCHK);

	if (READ_ONCE(running)) {
		look(regs);
		/* Only one CPU is to tell dom0. */
		if (!reason || this_cpu())
			return;
	}
	switch (policy) {
	case NMI_DOM0:
		nmi_to_dom0(reason);
		break;
	case NMI_FATAL:
		hv_log(LOG_ERR, "NMI, %s (nmi=fatal)\n", reason & REASON_SERR ? "PCI system error" :
			reason ? "I/O channel check" : "unknown reason");
		hypervisor_died(regs, 0);
	case NMI_IGNORE:
		break;
	}
}
