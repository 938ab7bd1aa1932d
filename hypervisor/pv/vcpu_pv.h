/* SPDX-License-Identifier: MIT */
/* The state of a PV vcpu and its switches; see vcpu_pv.c, callbacks.c, bounce.c. */
#ifndef PV_VCPU_PV_H
#define PV_VCPU_PV_H

#include "core/domain.h"

/* --- Address spaces and modes (vcpu_pv.c) --- */

/* Loads the page table of v's present mode on this CPU. */
void load_guest_table(struct vcpu *v);
/* From guest user to guest kernel: page table and GS base. v is current and in user mode. */
void pv_enter_kernel(struct vcpu *v);
/* The other way. The user page table must not be null. */
void pv_enter_user(struct vcpu *v);
/* Copies from and to addresses of v's kernel, in whichever mode v is; v is current. 0 or -EFAULT. */
int pv_copy_from_kernel(struct vcpu *v, void *dst, u64 gva, size_t bytes);
int pv_copy_to_kernel(struct vcpu *v, u64 gva, const void *src, size_t bytes);
/* Guests are shown instructions that read MSR_TSC_AUX. */
bool pv_has_tsc_aux(void);
/* Loads what v has chosen of CR4; v is on this CPU. */
void pv_load_cr4(struct vcpu *v);
/* Selectors that no entry saves: what is in the CPU is the guest's. */
u16 read_selector_ds(void);
u16 read_selector_es(void);
u16 read_selector_fs(void);
u16 read_selector_gs(void);
/* On and off this CPU: selectors, bases, descriptor tables, registers. */
void pv_save(struct vcpu *v);
void pv_load(struct vcpu *v);
/* After pv_save(): nothing of the vcpu is left on the CPU, which runs on the hypervisor's own tables. */
void pv_unload(void);
/* Makes the GDT and LDT slot, and the first use of its page, ready. 0 or -ENOMEM. */
int pv_vcpu_init(struct vcpu *v);
int pv_domain_init(struct domain *d);
/* Frees what they made; none of its vcpus is on a CPU, and no table of the domain is left. */
void pv_domain_free(struct domain *d);

/* MMUEXT_SET_LDT. 0 or -EINVAL. */
int pv_set_ldt(struct vcpu *v, u64 base, u32 ents);
/* Fault in the slot of v's LDT at offset `off`: maps that page. True: retry. */
bool pv_map_ldt_page(struct vcpu *v, u64 off);
void pv_drop_ldt(struct vcpu *v);
/* set_gdt with frames already copied in. 0, -EINVAL. */
int pv_set_gdt(struct vcpu *v, const u64 *frames, u32 entries);
/* Debug register `reg` (0-3, 6, 7). 0, -EPERM: it would watch the hypervisor or I/O, -EINVAL. */
int pv_set_debugreg(struct vcpu *v, unsigned reg, u64 value);
/*
 * VCPUOP_initialise and XEN_DOMCTL_setvcpucontext; v is on no CPU. 0, -EINVAL, -ERESTART; -EOPNOTSUPP: it has a
 * context already, with other tables.
 */
int pv_set_context(struct vcpu *v, const struct vcpu_guest_context *c);
/* The other way; v is on no CPU, *c is zero. */
void pv_get_context(const struct vcpu *v, struct vcpu_guest_context *c);
/* v will never run again, and no job of its is left: gives up its tables and descriptor frames. 0, -ERESTART: call again. */
int pv_vcpu_release(struct vcpu *v);

/* --- Getting the guest's attention (bounce.c) --- */

#define ENTRY_SYSCALL 0x100 /* in regs->entry_vector: SYSRET may end this entry; pv/entry.S */

/* An exception for the guest: vector, and its error code where the vector has one. */
void pv_inject(struct vcpu *v, struct cpu_user_regs *regs, unsigned vector, u32 error);
/* A page fault at `cr2`. */
void pv_inject_page_fault(struct vcpu *v, struct cpu_user_regs *regs, u64 cr2, u32 error);
/* int n by the guest: refused with #GP unless its gate allows. rip already moved behind it. */
void pv_software_int(struct vcpu *v, struct cpu_user_regs *regs, unsigned n, u64 rip_of_insn);
/* An NMI that is due, unless one is being handled: masked until the iret hypercall. */
void pv_deliver_nmi(struct vcpu *v, struct cpu_user_regs *regs);
/* What it is told when one of pv.ds, es, fs, gs can't be loaded. */
void pv_failsafe(struct vcpu *v, struct cpu_user_regs *regs);

/* Called by pv/entry.S. */
void pv_deliver_event(struct vcpu *v, struct cpu_user_regs *regs);
void pv_user_syscall(struct vcpu *v, struct cpu_user_regs *regs);
void pv_user_syscall32(struct vcpu *v, struct cpu_user_regs *regs);
void pv_sysenter(struct vcpu *v, struct cpu_user_regs *regs);
void xpti_sync_root(void);

/* --- Emulation (emulate_priv.c) --- */

/* After #GP with error code 0, or #UD: true where the instruction was carried out or its fault delivered. */
bool pv_emulate(struct vcpu *v, struct cpu_user_regs *regs);
/* #UD that may be a forced CPUID: true where it was one. */
bool pv_forced_cpuid(struct vcpu *v, struct cpu_user_regs *regs);
/* A fault at `cr2` in the slot of v's GDT: true where it was a read by v's kernel and was done. */
bool pv_read_gdt(struct vcpu *v, struct cpu_user_regs *regs, u64 cr2);
/* A write to a read-only page: true where it was a page-table write and was done. */
bool pv_write_page_table(struct vcpu *v, struct cpu_user_regs *regs, u64 va);

/* Writes call stubs into a page: entry n at 32 * n does hypercall n. False: the frame is not the guest's to write. */
void hypercall_page_fill(u8 *page);
bool pv_install_hypercall_page(struct domain *d, u64 gfn_and_flags);

/* To be used by mmu_update.c and ptwr alike: see mmu_update.c. */
u64 *guest_l1_entry(struct vcpu *v, u64 va, mfn_t *table);
/* Do all levels of the kernel's tables of `v` permit a write to `va`, which is not in our range? */
bool guest_may_write(struct vcpu *v, u64 va);

#endif
