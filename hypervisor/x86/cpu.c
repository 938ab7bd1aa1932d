// SPDX-License-Identifier: MIT
/*
 * Bringing one CPU into the state the hypervisor keeps it in.
 *
 * After cpu_init(): paging with NX and write protection in ring 0, no global
 * pages (a guest's user pages are marked global by the ABI, so PGE would keep
 * them over a switch of address spaces), SMEP and SMAP where they work, the PAT
 * that the ABI promises to PV guests, SYSCALL and SYSENTER leading to this
 * CPU's stubs.
 *
 * QEMU's TCG has a fault that forbids SMAP: with it on, an iret or far return
 * at CPL 3 reads the user's stack as a supervisor and page-faults. No real CPU
 * does; it is recognised by its name in CPUID.
 */
#include "x86/cpu.h"
#include "boot/cmdline.h"
#include "core/page_alloc.h"
#include "core/seam.h"
#include "lib/string.h"
#include "x86/alternative.h"
#include "x86/asm.h"
#include "x86/paging.h"
#include "x86/policy.h"
#include "x86/protection.h"

struct cpu_features cpu_features;
struct host_protection host_protection;
struct pcpu pcpus[MAX_CPUS];
u32 nr_cpus = 1;

u64 idt_table[512] __aligned(4096);

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 iomap;
} __packed;

enum { IST_DF = 1, IST_NMI = 2, IST_MCE = 3, IST_DB = 4 };

extern char exception_stubs[], exception_stubs_guarded[], lstar_entry[], lstar_entry_guarded[], cstar_entry[],
	cstar_entry_guarded[], sysenter_entry[], sysenter_entry_guarded[], debug_entry[], debug_entry_guarded[], nmi_entry[],
	nmi_entry_guarded[], mce_entry[], mce_entry_guarded[];

/* PAT that PV guests are told: WB WT UC- UC WC WP UC UC (abi.md 3.3, from Xen's public ABI). */
#define PV_PAT 0x0000050100070406ULL

static void __init raw_cpuid(u32 leaf, u32 sub, u32 out[4])
{
	cpuid(leaf, sub, out);
}

void __init cpu_identify(const struct hv_options *o)
{
	u64 caps = 0;

	alternatives_forget();
	policy_init(raw_cpuid);
	if (host_has(X86_FEATURE_ARCH_CAPS))
		caps = rdmsr(MSR_ARCH_CAPABILITIES);
	host_protection = policy_protection(&host_cpu, caps);
	if (!host_has(X86_FEATURE_NX))
		hv_stop("this CPU has no NX (execute disable), which is needed; it may be off in the firmware");

	cpu_features.smep = o->smep && host_has(X86_FEATURE_SMEP);
	cpu_features.smap = o->smap && host_has(X86_FEATURE_SMAP);
	if (cpu_features.smap && host_cpu.under_tcg) {
		cpu_features.smap = false;
		hv_log(LOG_INFO, "SMAP stays off: QEMU's TCG faults on a guest's iret while it is on\n");
	}
	cpu_features.xpti_dom0 = o->xpti_dom0 == AS_NEEDED ? host_protection.needs_xpti : o->xpti_dom0;
	cpu_features.xpti_domu = o->xpti_domu == AS_NEEDED ? host_protection.needs_xpti : o->xpti_domu;
	cpu_features.xpti = cpu_features.xpti_dom0 || cpu_features.xpti_domu;
	if (cpu_features.smap)
		alternative_want(ALT_SMAP);
	if (cpu_features.xpti)
		alternative_want(ALT_XPTI);
	/* AMD's SYSRET takes the fault as the guest, after the change of rings. */
	if (host_cpu.vendor != VENDOR_AMD && host_cpu.vendor != VENDOR_HYGON)
		alternative_want(ALT_SYSRET_CHECK);
	hv_log(LOG_INFO, "CPU: family %#x model %#x stepping %u, %u-bit machine addresses%s%s\n", host_cpu.family,
	       host_cpu.model, host_cpu.stepping, host_cpu.phys_bits, cpu_features.smep ? ", SMEP" : "",
	       cpu_features.smap ? ", SMAP" : "");
	protection_init(o, caps);
}

/* Which of the two sets of entries is in use. */
static bool guarded(void) { return cpu_features.xpti || cpu_features.guard_entry; }

static void set_gate(unsigned vector, const void *handler, unsigned ist, unsigned dpl)
{
	u64 a = (u64)handler;

	idt_table[vector * 2] = (a & 0xffff) | (u64)HV_CS << 16 | (u64)ist << 32 |
				(u64)(0x8e00 | dpl << 13) << 32 | (a >> 16 & 0xffff) << 48;
	idt_table[vector * 2 + 1] = a >> 32;
}

void __init idt_init(void)
{
	bool x = guarded();
	const char *stubs = x ? exception_stubs_guarded : exception_stubs;

	for (unsigned v = 0; v < 256; v++)
		set_gate(v, stubs + v * 16, 0, 0);
	set_gate(1, x ? debug_entry_guarded : debug_entry, IST_DB, 0);
	set_gate(2, x ? nmi_entry_guarded : nmi_entry, IST_NMI, 0);
	set_gate(8, stubs + 8 * 16, IST_DF, 0);
	set_gate(18, x ? mce_entry_guarded : mce_entry, IST_MCE, 0);
	/* What user code may raise by itself: int3, into, and Linux's int $0x80. */
	set_gate(3, stubs + 3 * 16, 0, 3);
	set_gate(4, stubs + 4 * 16, 0, 3);
	set_gate(0x80, stubs + 0x80 * 16, 0, 3);
}

static u64 system_descriptor(u64 base, u32 limit, unsigned type)
{
	return (limit & 0xffff) | (base & 0xffffff) << 16 | (u64)(0x80 | type) << 40 |
	       (u64)(limit >> 16 & 0xf) << 48 | (base >> 24 & 0xff) << 56;
}

/* The two entry stubs of `cpu`: note the guest's rsp in regs.rsp, point rsp there, jump. */
static void write_stub(u8 *code, u64 va, u64 regs_rsp, const char *target)
{
	static const u8 store[] = { 0x48, 0x89, 0x25 }; /* mov %rsp, rel(%rip) */
	static const u8 lea[] = { 0x48, 0x8d, 0x25 };   /* lea rel(%rip), %rsp */
	u32 rel;

	memcpy(code, store, 3);
	rel = regs_rsp - (va + 7);
	memcpy(code + 3, &rel, 4);
	memcpy(code + 7, lea, 3);
	rel = regs_rsp - (va + 14);
	memcpy(code + 10, &rel, 4);
	code[14] = 0xe9; /* jmp rel32 */
	rel = (u64)target - (va + 19);
	memcpy(code + 15, &rel, 4);
}

static void *map_area_page(u64 va, u64 flags)
{
	mfn_t m = alloc_pages(0, 0, 0);

	if (mfn_eq(m, INVALID_MFN))
		hv_panic("no memory for a CPU's stacks");
	map_pages(va, m, 1, flags);
	return mfn_to_virt(m);
}

static void fill_gdt(u64 *gdt, u64 area)
{
	u64 tss = area + PERCPU_TSS;

	gdt[(HV_CS & 0xff8) / 8] = 0x00af9b000000ffff;
	gdt[(HV_DS & 0xff8) / 8] = 0x00cf93000000ffff;
	gdt[(GUEST_CS32 & 0xff8) / 8] = 0x00cffb000000ffff;
	gdt[(GUEST_SS & 0xff8) / 8] = 0x00cff3000000ffff;
	gdt[(GUEST_CS64 & 0xff8) / 8] = 0x00affb000000ffff;
	gdt[(HV_TSS_SEL & 0xff8) / 8] = system_descriptor(tss, sizeof(struct tss) - 1, 9);
	gdt[(HV_TSS_SEL & 0xff8) / 8 + 1] = tss >> 32;
}

void percpu_area_init(u32 cpu, u32 apic_id)
{
	u64 area = PERCPU_START + (u64)cpu * PERCPU_SIZE, regs;
	struct pcpu *p = &pcpus[cpu];
	struct cpu_info *ci;
	struct tss *tss;
	u64 *gdt;
	u8 *stub;

	for (u64 off = PERCPU_STACK; off < PERCPU_SIZE; off += PAGE_SIZE)
		map_area_page(area + off, HV_RW);
	for (u64 off = PERCPU_TSS + PAGE_SIZE; off < PERCPU_DB_STACK_END; off += PAGE_SIZE)
		map_area_page(area + off, HV_RW);

	ci = cpu_info_of(cpu);
	ci->cpu = cpu;
	ci->pcpu = p;
	p->cpu = cpu;
	p->apic_id = apic_id;
	timer_heap_init(&p->timers, cpu);

	regs = (u64)&ci->regs;
	stub = map_area_page(area + PERCPU_STUB, HV_RX);
	memset(stub, 0xcc, PAGE_SIZE);
	write_stub(stub, area + PERCPU_STUB, regs + offsetof(struct cpu_user_regs, rsp),
		   guarded() ? lstar_entry_guarded : lstar_entry);
	write_stub(stub + STUB_CSTAR, area + PERCPU_STUB + STUB_CSTAR, regs + offsetof(struct cpu_user_regs, rsp),
		   guarded() ? cstar_entry_guarded : cstar_entry);

	gdt = map_area_page(area + PERCPU_GDT, HV_RW);
	fill_gdt(gdt, area);
	p->gdt_maddr = virt_to_maddr(gdt);
	tss = map_area_page(area + PERCPU_TSS, HV_RW);
	tss->rsp[0] = regs + offsetof(struct cpu_user_regs, es);
	tss->ist[IST_DF - 1] = area + PERCPU_DF_STACK_END;
	tss->ist[IST_NMI - 1] = area + PERCPU_NMI_STACK_END;
	tss->ist[IST_MCE - 1] = area + PERCPU_MCE_STACK_END;
	tss->ist[IST_DB - 1] = area + PERCPU_DB_STACK_END;
	tss->iomap = sizeof(*tss);

	if (cpu_features.xpti)
		xpti_roots_create(cpu, &ci->root_cr3, &ci->other_cr3);
}

struct table_ptr {
	u16 limit;
	u64 base;
} __packed;

void cpu_load_own_gdt(void)
{
	u64 area = PERCPU_START + (u64)this_cpu() * PERCPU_SIZE;
	struct table_ptr gdt = { HV_GDT_LIMIT, area + PERCPU_GDT - HV_GDT_FIRST_ENTRY * 8 };

	__asm__ volatile("lgdt %0; lldt %w1" :: "m"(gdt), "r"(0));
}

void cpu_load_tables(void)
{
	struct table_ptr idt = { sizeof(idt_table) - 1, (u64)idt_table };

	cpu_load_own_gdt();
	__asm__ volatile("lidt %0" :: "m"(idt));
	__asm__ volatile("pushq %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1:" :: "i"(HV_CS) : "rax", "memory");
	__asm__ volatile("mov %0, %%ss; mov %1, %%ds; mov %1, %%es; mov %1, %%fs; mov %1, %%gs" ::
			 "r"(HV_DS), "r"(0));
	__asm__ volatile("ltr %w0" :: "r"(HV_TSS_SEL));
}

void cpu_init(void)
{
	u64 cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_DE | CR4_MCE;
	u64 area = PERCPU_START + (u64)this_cpu() * PERCPU_SIZE;
	bool x = guarded();

	if (cpu_features.smep)
		cr4 |= CR4_SMEP;
	if (cpu_features.smap)
		cr4 |= CR4_SMAP;
	if (host_has(X86_FEATURE_FSGSBASE))
		cr4 |= CR4_FSGSBASE;
	if (host_has(X86_FEATURE_XSAVE) && host_cpu.guest_xcr0)
		cr4 |= CR4_OSXSAVE;
	write_cr4(cr4);
	write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
	if (cr4 & CR4_OSXSAVE)
		xsetbv0(host_cpu.guest_xcr0);

	wrmsr(MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NX);
	wrmsr(MSR_PAT, PV_PAT);
	wrmsr(MSR_STAR, (u64)GUEST_CS32 << 48 | (u64)HV_CS << 32);
	wrmsr(MSR_LSTAR, area + PERCPU_STUB);
	wrmsr(MSR_CSTAR, area + PERCPU_STUB + STUB_CSTAR);
	wrmsr(MSR_SFMASK, RFLAGS_VM | RFLAGS_RF | RFLAGS_NT | RFLAGS_DF | RFLAGS_IF | RFLAGS_TF | RFLAGS_AC |
			     RFLAGS_IOPL);
	if (host_cpu.vendor == VENDOR_INTEL || host_cpu.vendor == VENDOR_CENTAUR) {
		wrmsr(MSR_SYSENTER_CS, HV_CS);
		wrmsr(MSR_SYSENTER_ESP, (u64)&this_cpu_info()->regs.es);
		wrmsr(MSR_SYSENTER_EIP, (u64)(x ? sysenter_entry_guarded : sysenter_entry));
	} else {
		wrmsr(MSR_SYSENTER_CS, 0); /* AMD: no SYSENTER in long mode; 0 makes it fault */
	}
	protection_cpu_init();
}
