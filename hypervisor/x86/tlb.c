// SPDX-License-Identifier: MIT
/*
 * Flushing translations.
 *
 * CR4.PGE is off, so loading CR3 drops everything. With page-table isolation the
 * guest's entries hang on the CPU's root table, which is loaded on the way back
 * to the guest anyway; only single addresses need no more than INVLPG there too,
 * since it works on the tagless TLB whatever table is loaded.
 *
 * Other CPUs are asked by a generation number: a requester takes a ticket, sets
 * WORK_FLUSH and sends an IPI, and waits until each CPU has flushed at or after
 * that ticket. While it waits it answers requests itself (spin_wait), so two
 * CPUs asking each other don't hang.
 */
#include "x86/tlb.h"
#include "core/sched.h"
#include "core/seam.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/irq.h"

u64 tlb_clock_now;               /* [A] flushes of everything, on any CPU */
static u64 flushed_at[MAX_CPUS]; /* each CPU: the clock at its last one */
static u64 wanted;               /* ticket last handed out */
static u64 served[MAX_CPUS];     /* every CPU: ticket it has flushed for */

/*
 * Time is told before the flush: a translation removed after that may be gone
 * too, but one removed before it certainly is.
 */
void tlb_tick(void)
{
	flushed_at[this_cpu()] = nr_cpus == 1 ? ++tlb_clock_now : __atomic_add_fetch(&tlb_clock_now, 1, __ATOMIC_SEQ_CST);
}

void flush_local(u64 va)
{
	if (va == FLUSH_ALL_VA) {
		tlb_tick();
		write_cr3(read_cr3());
	} else {
		invlpg(va);
	}
}

void flush_caches(void)
{
	__asm__ volatile("wbinvd" ::: "memory");
}

void tlb_serve_requests(void)
{
	u32 cpu = this_cpu();
	u64 ticket = __atomic_load_n(&wanted, __ATOMIC_SEQ_CST);

	if (served[cpu] == ticket)
		return;
	flush_local(FLUSH_ALL_VA);
	__atomic_store_n(&served[cpu], ticket, __ATOMIC_SEQ_CST);
}

void spin_wait(void)
{
	cpu_relax();
	tlb_serve_requests();
}

/* `cpus`: a bitmap of MAX_CPUS. */
static void flush_cpus(const u64 *cpus, u64 va)
{
	u32 self = this_cpu();
	u64 ticket = 0;

	if (bit_test(cpus, self))
		flush_local(va);
	if (nr_cpus == 1)
		return;
	for (u32 c = 0; c < nr_cpus; c++) {
		if (c == self || !bit_test(cpus, c))
			continue;
		if (!ticket)
			ticket = __atomic_add_fetch(&wanted, 1, __ATOMIC_SEQ_CST);
		set_work(c, WORK_FLUSH);
	}
	for (u32 c = 0; ticket && c < nr_cpus; c++)
		if (c != self && bit_test(cpus, c))
			while ((s64)(__atomic_load_n(&served[c], __ATOMIC_SEQ_CST) - ticket) < 0)
				spin_wait();
}

void flush_domain_va(struct domain *d, u64 va)
{
	flush_cpus(d->dirty_cpus, va);
}

void flush_tlb_domain(struct domain *d)
{
	flush_cpus(d->dirty_cpus, FLUSH_ALL_VA);
}

void flush_tlb_since(u64 t)
{
	u64 cpus[BITMAP_WORDS(MAX_CPUS)] = { 0 };

	if (likely(nr_cpus == 1)) {
		if (flushed_at[0] <= t)
			flush_local(FLUSH_ALL_VA);
		return;
	}
	for (u32 c = 0; c < nr_cpus; c++)
		if (READ_ONCE(flushed_at[c]) <= t)
			bit_set(cpus, c);
	flush_cpus(cpus, FLUSH_ALL_VA);
}

int flush_vcpu_mask(struct domain *d, u64 gva, u64 va)
{
	u64 cpus[BITMAP_WORDS(MAX_CPUS)] = { 0 };

	for (u32 w = 0; w * 64 < d->max_vcpus; w++) {
		u64 bits;

		if (copy_from_guest(&bits, gva + w * 8, min(8u, (d->max_vcpus - w * 64 + 7) / 8)))
			return -EFAULT;
		if (d->max_vcpus - w * 64 < 64)
			bits &= (1ULL << (d->max_vcpus - w * 64)) - 1;
		for (; bits; bits &= bits - 1) {
			struct vcpu *v = d->vcpus[w * 64 + __builtin_ctzll(bits)];

			if (v)
				bit_set(cpus, v->processor);
		}
	}
	flush_cpus(cpus, va);
	return 0;
}

/*
 * XPTI: each CPU's root tables have copies of the entries. A guest on another
 * CPU that uses this table must find a new entry as soon as the change is
 * reported, so that CPU leaves the guest, and copies on its way back.
 */
static u64 l4_time = 1; /* [A] changes of any L4 */

u64 l4_clock(void)
{
	return __atomic_load_n(&l4_time, __ATOMIC_SEQ_CST);
}

void l4_changed(mfn_t l4)
{
	u64 cpus[BITMAP_WORDS(MAX_CPUS)] = { 0 };
	bool any = false;

	if (!cpu_features.xpti)
		return;
	__atomic_fetch_add(&l4_time, 1, __ATOMIC_SEQ_CST);
	for (u32 c = 0; c < nr_cpus; c++) {
		if (c != this_cpu() && READ_ONCE(cpu_info_of(c)->hv_cr3) == l4.m << PAGE_SHIFT) {
			bit_set(cpus, c);
			any = true;
		}
	}
	if (any)
		flush_cpus(cpus, FLUSH_ALL_VA);
}
