/* SPDX-License-Identifier: MIT */
/* Machine interrupts; see irq.c. */
#ifndef X86_IRQ_H
#define X86_IRQ_H

#include "lib/types.h"
#include "x86/acpi.h"
#include "xen/arch-x86_64.h"

/* Vectors. Devices get 0x21..0xdf without 0x80; a higher one is served first. */
#define VECTOR_DEVICE_FIRST 0x21
#define VECTOR_DEVICE_LAST 0xdf
#define VECTOR_TIMER 0xf0
#define IPI_EVENT 0xf1 /* look at cpu_info.work */
#define VECTOR_ERROR 0xfe
#define VECTOR_SPURIOUS 0xff

/* Numbers of interrupts: GSIs, then messages, of which there can't be more than vectors (0x80 is none). */
#define MAX_GSI 256
#define IRQ_MSI_FIRST MAX_GSI
#define NR_MSI (VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST)

struct domain;

/* Interrupt controllers: PIC off, every IO-APIC entry masked. */
void irq_init(const struct acpi_info *acpi);
u32 nr_gsis(void);
/* IO-APIC register of PHYSDEVOP_apic_read. 0 or -EINVAL. */
int ioapic_read_for_guest(u64 maddr, u32 reg, u32 *value);
/* True for frames that hold an interrupt controller: no guest may map them. */
bool irq_owns_frame(u64 mfn);

/* A vector for `gsi` and an IO-APIC entry, masked. 0, -EINVAL no such GSI, -EBUSY ours, -ENOSPC. */
int irq_setup_gsi(u32 gsi);
/* Wiring of a GSI: 0; -EEXIST it is in use (unchanged). */
int irq_set_trigger(u32 gsi, bool level, bool active_low);
bool irq_is_level(u32 gsi);
/* A number and a vector for a message: IRQ_MSI_FIRST.. or -ENOSPC. */
int irq_msi_alloc(u8 *vector);
/* Gives both back; unbound before. */
void irq_msi_free(u32 irq);
/*
 * Delivers `irq` to port `port` of `d` from now on / no more. A line is unmasked
 * and masked with it, a message by msi_bound(). 0; -EINVAL: `irq` was not set up;
 * -EBUSY: it is bound, or the hypervisor's own.
 */
int irq_bind(u32 irq, struct domain *d, u32 port);
void irq_unbind(u32 irq);
/* The guest has served a level interrupt; for others nothing happens. */
void irq_guest_eoi(u32 irq);

/* The CPU that `irq` is sent to: 0 until it has followed its vcpu to another one. */
u32 irq_cpu(u32 irq);
/* Debug key: each interrupt in use, where it goes and whose it is. */
void irqs_show(void);

/* A legacy interrupt for the hypervisor itself. 0 or -errno. */
int irq_hypervisor_isa(u8 isa_irq, void (*handler)(void));

/* Exception table: any vector from 32 up. */
void do_irq(struct cpu_user_regs *regs);
void send_ipi(u32 cpu, unsigned vector);

/* The PIT's line becomes an NMI of all CPUs, and nobody else's. 0, -ENODEV. Boot. */
int irq_pit_to_nmi(void);
/* NMIs: true if it was ours (watchdog, crash of another CPU). */
bool hypervisor_nmi(struct cpu_user_regs *regs);
/* Port 0x61 says why it came; dom0's vcpu 0 is told. */
void nmi_to_dom0(u8 port61);

#endif
