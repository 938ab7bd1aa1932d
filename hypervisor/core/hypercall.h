/* SPDX-License-Identifier: MIT */
/* The hypercall table's handlers and how a long one is continued; see hypercall.c. */
#ifndef CORE_HYPERCALL_H
#define CORE_HYPERCALL_H

#include "core/domain.h"
#include "core/seam.h"
#include "x86/cpu.h"

#define NR_HYPERCALLS 64 /* also in pv/entry.S, by asm_offsets.h */

typedef long (*hypercall_fn)(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);

/*
 * Makes the guest repeat the hypercall it is in, with its first `nr` arguments
 * replaced, after whatever is pending has been dealt with. Returns -ERESTART,
 * which the handler passes on. Inside a multicall the entry is changed instead.
 */
long hypercall_continue(unsigned nr, u64 a1, u64 a2, u64 a3, u64 a4);

/* The vcpu that made the hypercall may act on `d` (which may be its own domain). */
struct domain *hypercall_target(domid_t id);
void hypercall_target_put(struct domain *d);

#define HYPERCALL(name) long name(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)

HYPERCALL(hc_set_trap_table);
HYPERCALL(hc_mmu_update);
HYPERCALL(hc_set_gdt);
HYPERCALL(hc_stack_switch);
HYPERCALL(hc_fpu_taskswitch);
HYPERCALL(hc_platform_op);
HYPERCALL(hc_set_debugreg);
HYPERCALL(hc_get_debugreg);
HYPERCALL(hc_update_descriptor);
HYPERCALL(hc_memory_op);
HYPERCALL(hc_multicall);
HYPERCALL(hc_update_va_mapping);
HYPERCALL(hc_update_va_mapping_otherdomain);
HYPERCALL(hc_set_timer_op);
HYPERCALL(hc_xen_version);
HYPERCALL(hc_console_io);
HYPERCALL(hc_grant_table_op);
HYPERCALL(hc_vm_assist);
HYPERCALL(hc_iret);
HYPERCALL(hc_vcpu_op);
HYPERCALL(hc_set_segment_base);
HYPERCALL(hc_mmuext_op);
HYPERCALL(hc_sched_op);
HYPERCALL(hc_callback_op);
HYPERCALL(hc_event_channel_op);
HYPERCALL(hc_physdev_op);
HYPERCALL(hc_domctl);
HYPERCALL(hc_mca);
HYPERCALL(hc_sysctl);

#endif
