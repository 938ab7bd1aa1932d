/* SPDX-License-Identifier: MIT */
/*
 * A CPU: what it is, what it can do, and its private area.
 *
 * Each CPU owns a 64 KiB area (x86/layout.h): its system-call stub, TSS, GDT
 * page and stacks. The end of the area holds struct cpu_info, so any of the
 * CPU's stack pointers leads to it by a mask and no segment base is needed:
 * the guest's FS and GS stay as they are while the hypervisor works.
 */
#ifndef X86_CPU_H
#define X86_CPU_H

#include "core/timer.h"
#include "lib/types.h"
#include "x86/layout.h"
#include "xen/arch-x86_64.h"

struct vcpu;

/* Work a CPU must do before it enters a guest again: bits of cpu_info.work. */
#define WORK_SCHEDULE 0x01 /* pick another vcpu */
#define WORK_TIMER 0x02    /* timers have expired */
#define WORK_CONSOLE 0x04  /* console input is waiting */
#define WORK_FLUSH 0x08    /* a TLB flush was asked for */
#define WORK_NMI 0x10      /* the vcpu here has an NMI to take */
#define WORK_QUIESCE 0x20  /* another CPU waits for readers: x86/smp.c */
#define WORK_MCE 0x40      /* dom0 is to hear of machine checks: x86/mce.c */
#define WORK_MICROCODE 0x80 /* load what was chosen: x86/microcode.c */
#define WORK_REAP 0x100    /* domains wait to be freed: core/domain.c */
#define WORK_LOG 0x200     /* dom0 is to hear of messages: core/console.c */

struct cpu_info {
	struct cpu_user_regs regs; /* pushed here by every entry from a guest */
	struct vcpu *vcpu;         /* that runs, or the idle one */
	u16 cpu;
	bool continued;            /* the hypercall that returns -ERESTART means it */
	u32 work;                  /* WORK_*; other CPUs set bits atomically and send an IPI */
	u64 hv_cr3;                /* XPTI: full page table to load on entry, 0 while XPTI is off */
	/* XPTI: the root table that a guest runs on here, first, and the one it had before. */
	u64 root_cr3, other_cr3;
	u64 root_source, other_source; /* the L4 of which each is a copy, */
	u64 root_time, other_time;     /* made at this time by the L4 clock (tlb.c); 0: of none */
	u64 spec_ctrl_guest;       /* IA32_SPEC_CTRL while a guest runs */
	u64 verw_selector;         /* any good one, for VERW to look at */
	struct pcpu *pcpu;
};
/* The CPU aligns the stack it pushes on to 16 bytes: regs.es must be aligned so. */
_Static_assert((sizeof(struct cpu_info) - offsetof(struct cpu_user_regs, es)) % 16 == 0, "stack top");

/* Beside cpu_info, what entry code never touches. */
struct pcpu {
	u32 cpu;
	u32 apic_id, acpi_id;
	u64 gdt_maddr;              /* of the page with its descriptors */
	bool online;                /* [A] */
	bool halt;                  /* [A] the next NMI stops it for good */
	struct vcpu *idle;
	struct timer_heap timers;
	u8 held_ranks[16];          /* debug: ranks of the locks it holds */
	u32 nr_held;
	bool in_panic;
};

/* Host tests have CPUs of their own (tests/host/fake_machine.h). */
#ifdef XENOLITH_HOST
struct cpu_info *this_cpu_info(void);
struct cpu_info *cpu_info_of(u32 cpu);
#else
static inline struct cpu_info *this_cpu_info(void)
{
	u64 sp;

	__asm__("mov %%rsp, %0" : "=r"(sp));
	return (struct cpu_info *)((sp | (PERCPU_SIZE - 1)) + 1 - sizeof(struct cpu_info));
}

static inline struct cpu_info *cpu_info_of(u32 cpu)
{
	return (struct cpu_info *)(PERCPU_START + (u64)(cpu + 1) * PERCPU_SIZE - sizeof(struct cpu_info));
}
#endif

#define current (this_cpu_info()->vcpu)
#define this_pcpu() (this_cpu_info()->pcpu)

static inline u32 this_cpu(void) { return this_cpu_info()->cpu; }
static inline struct cpu_user_regs *guest_regs(void) { return &this_cpu_info()->regs; }

/* What is in force on this machine, decided once at boot from host_cpu (x86/policy.h) and the options. */
struct cpu_features {
	bool smep, smap;
	bool xpti;         /* some domain runs isolated: the guarded entries are in use, */
	bool guard_entry;  /* as they are where entries have other protections to pass */
	bool xpti_dom0, xpti_domu;
	bool l1tf_dom0, l1tf_domu; /* not-present entries that name memory are refused */
};
extern struct cpu_features cpu_features;
extern struct pcpu pcpus[];
extern u32 nr_cpus;

struct hv_options;
/* Reads CPUID and MSRs, decides cpu_features from hardware and options. Boot CPU. */
void cpu_identify(const struct hv_options *o);
/* Control registers, MSRs, PAT, syscall, of this CPU. */
void cpu_init(void);
/* Maps and fills the area of `cpu`; panics when memory is out. */
void percpu_area_init(u32 cpu, u32 apic_id);
/* GDT, IDT, TSS of this CPU. */
void cpu_load_tables(void);
/* Only the GDT, from the CPU's own area, and no LDT: those of a vcpu are about to go. */
void cpu_load_own_gdt(void);
void idt_init(void);
/* Leaves the boot stack for that of `cpu` and runs fn there. */
void __noreturn switch_to_cpu_stack(u32 cpu, void (*fn)(void));
/* Ends the machine. */
void __noreturn machine_restart(void);
void __noreturn machine_halt(void);

#endif
