// SPDX-License-Identifier: MIT
/*
 * What the hypercall handlers need beyond the seam, on the host: CPUs with
 * their registers, the clock's scale, the scheduler's and the TLB's calls.
 * FAKE_HOOK functions are weak, as in fake_machine.c.
 */
#include <string.h>
#include "core/console.h"
#include "core/hypercall.h"
#include "core/sched.h"
#include "fake_machine.h"
#include "pv/vcpu_pv.h"
#include "x86/clock.h"
#include "x86/guest_copy.h"
#include "x86/tlb.h"

struct fake_cpus fake_cpus;
struct clock_scale clock_scale = { .tsc_start = 7, .mul = 0x80000000, .shift = 1 };
char hv_command_line[1024] = "loglvl=all";
bool tsc_reliable = true;
u32 domain_ids_end = MAX_DOMID;

struct cpu_info *this_cpu_info(void) { return &fake_cpus.info[fake_cpus.now]; }
struct cpu_info *cpu_info_of(u32 cpu) { return &fake_cpus.info[cpu]; }

void fake_run_on(u32 cpu, struct vcpu *v)
{
	fake_cpus.now = cpu;
	fake_cpus.info[cpu].cpu = cpu;
	fake_cpus.info[cpu].vcpu = v;
}

long fake_hypercall(unsigned nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct cpu_user_regs *regs = guest_regs();

	regs->rdi = a1;
	regs->rsi = a2;
	regs->rdx = a3;
	regs->r10 = a4;
	regs->r8 = a5;
	return hypercall_table[nr](a1, a2, a3, a4, a5);
}

/* --- TLBs ----------------------------------------------------------------------------- */

FAKE_HOOK void tlb_tick(void) { fake.flushes++; }
FAKE_HOOK void flush_caches(void) { fake_cpus.cache_flushes++; }

FAKE_HOOK void flush_local(u64 va)
{
	(void)va;
	fake_cpus.local_flushes++;
}

FAKE_HOOK void flush_domain_va(struct domain *d, u64 va)
{
	(void)d, (void)va;
	fake_cpus.domain_flushes++;
}

FAKE_HOOK int flush_vcpu_mask(struct domain *d, u64 gva, u64 va)
{
	u64 mask;

	(void)va;
	if (copy_from_guest(&mask, gva, (d->max_vcpus + 7) / 8))
		return -EFAULT;
	fake_cpus.mask_flushes++;
	return 0;
}

FAKE_HOOK void load_guest_table(struct vcpu *v)
{
	(void)v;
	fake_cpus.table_loads++;
}

/* --- Vcpus -------------------------------------------------------------------------------- */

/* One address space for both modes. */
FAKE_HOOK int pv_copy_to_kernel(struct vcpu *v, u64 gva, const void *src, size_t bytes)
{
	(void)v;
	return copy_to_guest(gva, src, bytes);
}

FAKE_HOOK int pv_set_ldt(struct vcpu *v, u64 base, u32 ents)
{
	if (ents > 8192 || base % PAGE_SIZE)
		return -EINVAL;
	v->pv.ldt_base = base;
	v->pv.ldt_ents = ents;
	return 0;
}

/* Only what holds references: its page tables. */
FAKE_HOOK int pv_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
	mfn_t l4 = MFN(xen_cr3_to_pfn(c->ctrlreg[3]));
	int rc = get_page_table(current, l4, v->domain, 4);

	if (!rc)
		v->pv.kernel_cr3 = l4.m << PAGE_SHIFT;
	return rc;
}

FAKE_HOOK void sched_wake(struct vcpu *v)
{
	(void)v;
	fake_cpus.wakes++;
}

FAKE_HOOK void sched_stop(struct vcpu *v)
{
	(void)v;
	fake_cpus.stops++;
}

FAKE_HOOK mfn_t m2p_chunk(u64 gib) { return gib ? INVALID_MFN : MFN(7); }

/* A domain of the fake machine has no more than its page tables to lose. */
FAKE_HOOK void domain_release_machine(struct domain *d) { (void)d; }
FAKE_HOOK void domain_unshare_info(struct domain *d) { (void)d; }

FAKE_HOOK int pv_vcpu_release(struct vcpu *v)
{
	u64 base = v->pv.kernel_cr3;

	v->pv.kernel_cr3 = 0;
	if (base)
		put_page_table(current, MFN(base >> PAGE_SHIFT));
	return pt_job_resume(current);
}

FAKE_HOOK void set_work(u32 cpu, u32 bits)
{
	__atomic_fetch_or(&cpu_info_of(cpu)->work, bits, __ATOMIC_SEQ_CST);
}

FAKE_HOOK void runstate_get(struct vcpu *v, struct vcpu_runstate_info *out) { *out = v->runstate; }

FAKE_HOOK void runstate_publish(struct vcpu *v)
{
	struct vcpu_runstate_info rs = v->runstate;

	if (v->runstate_gva)
		(void)!copy_to_guest(v->runstate_gva, &rs, sizeof(rs));
}

FAKE_HOOK void domain_shutdown(struct domain *d, u8 reason)
{
	d->is_shut_down = true;
	d->shutdown_code = reason;
}

/* --- Handlers that touch the machine: not here ------------------------------------------------ */

#define NOT_HERE(name)                        \
	FAKE_HOOK HYPERCALL(name)             \
	{                                     \
		(void)a1, (void)a2, (void)a3; \
		(void)a4, (void)a5;           \
		return -ENOSYS;               \
	}

NOT_HERE(hc_callback_op)
NOT_HERE(hc_domctl)
NOT_HERE(hc_console_io)
NOT_HERE(hc_fpu_taskswitch)
NOT_HERE(hc_iret)
NOT_HERE(hc_mca)
NOT_HERE(hc_sysctl)
NOT_HERE(hc_physdev_op)
NOT_HERE(hc_platform_op)
NOT_HERE(hc_sched_op)
NOT_HERE(hc_set_debugreg)
NOT_HERE(hc_set_gdt)
NOT_HERE(hc_set_segment_base)
NOT_HERE(hc_set_trap_table)
NOT_HERE(hc_stack_switch)
NOT_HERE(hc_update_descriptor)

/* The one whose result may be any number: the guest's own. */
FAKE_HOOK HYPERCALL(hc_get_debugreg)
{
	(void)a2, (void)a3, (void)a4, (void)a5;
	return a1 < 8 ? (long)current->pv.dr[a1] : -EINVAL;
}
