// SPDX-License-Identifier: MIT
/*
 * The other CPUs.
 *
 * Starting: INIT, then one or two start-up IPIs (SDM 3, 8.4.4) bring a CPU to
 * the trampoline, a page below 1 MiB whose content is put back when all are up.
 * CPUs start one at a time; the boot CPU is number 0 and the others follow in
 * the order of the MADT, without a gap for one that does not answer.
 *
 * TSCs: guests compute time from the TSC with the same numbers on every CPU, so
 * the counters must agree. Each new CPU's is compared with the boot CPU's, and
 * set when it is off by more than the comparison can err.
 *
 * Waiting for readers: event senders and others find objects without a lock and
 * hold the pointers no longer than one way through the hypervisor. Before such an
 * object is freed, wait_for_readers() has every CPU pass a point at which it
 * holds none: do_exit_work(), on the way to a guest or in the idle loop. A CPU
 * that waits there itself holds none either and answers too, so two that wait
 * for each other go on. Whoever calls it must hold no lock: a CPU that spins for
 * that lock would never get to the point.
 */
#include "x86/smp.h"
#include "core/sched.h"
#include "core/seam.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "x86/apic.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/clock.h"
#include "x86/mce.h"
#include "x86/microcode.h"
#include "x86/nmi.h"
#include "x86/paging.h"
#include "x86/tlb.h"

#define TRAMPOLINE_PADDR 0x8000UL
#define MS 1000000ULL

struct trampoline_fields {
	u16 gdt_base, far_64; /* offsets of addresses that are relative to the page */
	u32 unused;
	u64 cr3, stack, entry;
};

extern char trampoline_start[], trampoline_end[], trampoline_fields[];
void idle_vcpu_create(u32 cpu);

/* --- Time-stamp counters -------------------------------------------------------------- */

#define TSC_ROUNDS 16

/* Both CPUs count `turn` up in turns; the new one leaves its TSC between two of the boot CPU's. */
static struct { u32 turn; u64 tsc; s64 correction; } compare __initdata;

static void __init take_turn(u32 turn)
{
	while (__atomic_load_n(&compare.turn, __ATOMIC_ACQUIRE) != turn)
		cpu_relax();
}

static void __init pass_turn(void)
{
	__atomic_fetch_add(&compare.turn, 1, __ATOMIC_ACQ_REL);
}

/* On the boot CPU: what to add to the new CPU's TSC; 0 when both agree as far as can be seen. */
static s64 __init tsc_compare(void)
{
	u64 best = ~0ULL;
	s64 off = 0;

	for (u32 i = 0; i < TSC_ROUNDS; i++) {
		u64 before = rdtsc(), after;
		s64 late, early;

		pass_turn();
		take_turn(2 * i + 2);
		after = rdtsc();
		if (after - before >= best)
			continue;
		best = after - before;
		late = compare.tsc - after;
		early = before - compare.tsc;
		off = late > 0 || early > 0 ? (s64)(before + best / 2 - compare.tsc) : 0;
	}
	compare.correction = off;
	pass_turn();
	return off;
}

static void __init tsc_answer(void)
{
	for (u32 i = 0; i < TSC_ROUNDS; i++) {
		take_turn(2 * i + 1);
		compare.tsc = rdtsc();
		pass_turn();
	}
	take_turn(2 * TSC_ROUNDS + 1);
	if (compare.correction)
		wrmsr(MSR_TSC, rdtsc() + compare.correction);
}

/* --- Starting ---------------------------------------------------------------------------- */

/* A new CPU's first C code, on its own stack. */
static void __noreturn __init ap_main(void)
{
	cpu_load_tables();
	microcode_cpu_init();
	cpu_init();
	apic_init();
	__atomic_store_n(&this_pcpu()->online, true, __ATOMIC_RELEASE);
	tsc_answer();
	mce_cpu_init();
	watchdog_cpu_init();
	sched_start();
}

static bool __init answered(const struct pcpu *p, u64 ns)
{
	u64 until = now_ns() + ns;

	while (!__atomic_load_n(&p->online, __ATOMIC_ACQUIRE)) {
		if (now_ns() > until)
			return false;
		cpu_relax();
	}
	return true;
}

static bool __init start_cpu(u32 cpu, const struct acpi_lapic *lapic)
{
	struct trampoline_fields *f = maddr_to_virt(TRAMPOLINE_PADDR + (trampoline_fields - trampoline_start));
	struct pcpu *p = &pcpus[cpu];
	s64 off;

	percpu_area_init(cpu, lapic->apic_id);
	p->acpi_id = lapic->uid;
	idle_vcpu_create(cpu);
	sched_cpu_init(cpu);
	f->stack = (u64)cpu_info_of(cpu);
	f->entry = (u64)ap_main;
	compare.turn = 0;
	apic_send_init(lapic->apic_id);
	apic_send_startup(lapic->apic_id, TRAMPOLINE_PADDR >> PAGE_SHIFT);
	/* CPUs since the Pentium 4 need no wait between INIT and start-up; a slow one gets a second try, and time. */
	if (!answered(p, 10 * MS)) {
		apic_send_init(lapic->apic_id);
		answered(p, 10 * MS);
		apic_send_startup(lapic->apic_id, TRAMPOLINE_PADDR >> PAGE_SHIFT);
		if (!answered(p, 1000 * MS)) {
			hv_log(LOG_ERR, "CPU with APIC id %u (ACPI uid %u) does not start; going on without it\n",
			       lapic->apic_id, lapic->uid);
			return false;
		}
	}
	off = tsc_compare();
	if (off)
		hv_log(LOG_INFO, "CPU %u: its TSC was %lld ticks off and was set\n", cpu, (long long)-off);
	return true;
}

void __init smp_boot(const struct acpi_info *acpi, u32 maxcpus)
{
	static u8 saved[PAGE_SIZE] __initdata;
	u8 *page = maddr_to_virt(TRAMPOLINE_PADDR);
	struct trampoline_fields *f = (void *)(page + (trampoline_fields - trampoline_start));
	u32 present = 0;

	memcpy(saved, page, PAGE_SIZE);
	memcpy(page, trampoline_start, trampoline_end - trampoline_start);
	*(u32 *)(page + f->gdt_base) += TRAMPOLINE_PADDR;
	*(u32 *)(page + f->far_64) += TRAMPOLINE_PADDR;
	f->cr3 = virt_to_maddr(idle_l4);
	for (u32 i = 0; i < acpi->nr_lapic; i++) {
		const struct acpi_lapic *l = &acpi->lapic[i];

		if (!l->enabled)
			continue;
		present++;
		if (l->apic_id == pcpus[0].apic_id) {
			pcpus[0].acpi_id = l->uid;
			continue;
		}
		if (nr_cpus >= maxcpus || nr_cpus >= MAX_CPUS)
			continue;
		if (l->apic_id > apic_id_max()) {
			hv_log(LOG_WARNING, "CPU with APIC id %u is left alone: add option x2apic, ids above 254 need that mode\n", l->apic_id);
			continue;
		}
		if (start_cpu(nr_cpus, l))
			nr_cpus++;
	}
	memcpy(page, saved, PAGE_SIZE);
	hv_log(LOG_INFO, "CPUs: %u of %u are up\n", nr_cpus, max(present, 1u));
}

/* --- Stopping ------------------------------------------------------------------------------ */

void smp_stop_others(void)
{
	/* Before there are others, this may be called on the boot stack, where this_cpu() does not work. */
	for (u32 c = 0; nr_cpus > 1 && c < nr_cpus; c++) {
		if (c == this_cpu())
			continue;
		WRITE_ONCE(pcpus[c].halt, true);
		send_nmi(c);
	}
}

/* --- Looking at ------------------------------------------------------------------------------ */

static struct cpu_snapshot snapshot;
static u32 snapshot_of = MAX_CPUS; /* [A] the CPU that is to fill it; MAX_CPUS: none, or it has */

bool smp_answer_snapshot(const struct cpu_user_regs *regs)
{
	const u64 *sp = (const u64 *)regs->rsp;

	if (__atomic_load_n(&snapshot_of, __ATOMIC_ACQUIRE) != this_cpu())
		return false;
	snapshot.regs = *regs;
	snapshot.nr_stack = 0;
	/* The interrupted stack ends with the CPU's area. */
	if (!(regs->cs & 3))
		while (snapshot.nr_stack < ARRAY_SIZE(snapshot.stack) && sp < (const u64 *)this_cpu_info())
			snapshot.stack[snapshot.nr_stack++] = *sp++;
	__atomic_store_n(&snapshot_of, MAX_CPUS, __ATOMIC_RELEASE);
	return true;
}

bool smp_snapshot(u32 cpu, struct cpu_snapshot *out)
{
	u64 until = now_ns() + 100 * MS;

	__atomic_store_n(&snapshot_of, cpu, __ATOMIC_RELEASE);
	send_nmi(cpu);
	while (__atomic_load_n(&snapshot_of, __ATOMIC_ACQUIRE) == cpu) {
		if (now_ns() > until) {
			__atomic_store_n(&snapshot_of, MAX_CPUS, __ATOMIC_RELEASE);
			return false;
		}
		spin_wait();
	}
	*out = snapshot;
	return true;
}

/* --- Readers --------------------------------------------------------------------------------- */

static u64 quiesce_wanted;          /* ticket last handed out */
static u64 quiesce_seen[MAX_CPUS];  /* each CPU: ticket it has answered */

void smp_quiesced(void)
{
	u64 ticket = __atomic_load_n(&quiesce_wanted, __ATOMIC_SEQ_CST);

	__atomic_store_n(&quiesce_seen[this_cpu()], ticket, __ATOMIC_SEQ_CST);
}

void wait_for_readers(void)
{
	u64 ticket;

	if (nr_cpus == 1)
		return;
	ticket = __atomic_add_fetch(&quiesce_wanted, 1, __ATOMIC_SEQ_CST);
	for (u32 c = 0; c < nr_cpus; c++)
		if (c != this_cpu())
			set_work(c, WORK_QUIESCE);
	for (u32 c = 0; c < nr_cpus; c++) {
		while (c != this_cpu() && (s64)(__atomic_load_n(&quiesce_seen[c], __ATOMIC_SEQ_CST) - ticket) < 0) {
			smp_quiesced();
			spin_wait();
		}
	}
}
