/* SPDX-License-Identifier: MIT */
/* The hypervisor's own end; see panic.c. */
#ifndef X86_PANIC_H
#define X86_PANIC_H

#include "lib/types.h"
#include "xen/arch-x86_64.h"

/* An exception in ring 0 that nobody expected, or #DF, #MC: prints all and stops. */
void __noreturn hypervisor_died(const struct cpu_user_regs *regs, u64 cr2);

/* Prints registers; what on a stack (its words up to `end`) may be return addresses of ours. */
void show_registers(const struct cpu_user_regs *r);
void show_trace(const u64 *word, const u64 *end);

/* Prints the registers, bases and selectors of `v`, the current vcpu, and the top of its stack. */
struct vcpu;
void show_guest(struct vcpu *v);

/* noreboot was given: stop instead of restarting. */
extern bool machine_noreboot;
/* The reset register of ACPI, if there is one. */
struct acpi_info;
void machine_reset_init(const struct acpi_info *acpi);

#endif
