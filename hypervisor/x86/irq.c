// SPDX-License-Identifier: MIT
/*
 * Machine interrupts: IO-APIC entries, vectors, and who gets them.
 *
 * They have one space of numbers: below MAX_GSI a number is a GSI, a line of an
 * IO-APIC; from IRQ_MSI_FIRST up it is a message that a device sends, for which
 * there is a vector here and a message in the device (x86/msi.c).
 *
 * An interrupt belongs to the hypervisor (timer, serial line), to a guest (as a
 * pirq bound to an event channel) or to nobody. An edge interrupt, as every
 * message is, is acknowledged and passed on. A level interrupt would come again
 * at once, so its IO-APIC entry is masked until the guest says it has served the
 * device (PHYSDEVOP_eoi); the local APIC is acknowledged immediately, so that no
 * guest's slowness holds up other vectors.
 *
 * Interrupts follow who serves them: one that comes FOLLOW_AFTER times in a row to
 * a CPU other than its vcpu's is sent to that CPU from then on. Vectors mean the
 * same on all CPUs, so that only the destination changes and one on its way to the
 * old CPU is not lost.
 *
 * A message under way when its vector is given back finds the vector without an
 * owner, or with a new one, for whom it is an interrupt without a cause.
 *
 * irq_lock (RANK_IRQ) guards the table and the IO-APICs' index registers.
 * Delivery reads an entry without it: binding changes port before domain, and
 * unbinding masks first.
 */
#include "x86/irq.h"
#include "core/domain.h"
#include "core/seam.h"
#include "x86/apic.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/msi.h"
#include "x86/paging.h"
#include "x86/smp.h"
#include "x86/tlb.h"

#define RTE_MASKED 0x10000
#define RTE_LEVEL 0x8000
#define RTE_LOW 0x2000
#define FOLLOW_AFTER 32 /* a vcpu that moves more often has no place worth an access to its device */
#define RTE_NMI 0x400 /* delivery mode, edge, to physical APIC ids */

struct ioapic {
	volatile u32 *regs;
	u64 maddr;
	u32 gsi_base, pins;
};

struct irq_desc {
	u8 vector;              /* 0: not set up */
	bool level, active_low;
	bool guest_masked;      /* until the guest's EOI */
	u8 astray;              /* came to another CPU than its vcpu's, in a row */
	u32 cpu;                /* where it is sent */
	struct domain *domain;
	u32 port;
	void (*handler)(void);  /* the hypervisor's own */
};

static struct ioapic ioapics[ACPI_MAX_IOAPIC];
static u32 nr_ioapics, gsis;
static struct irq_desc irqs[IRQ_MSI_FIRST + NR_MSI];
static s16 vector_irq[256];
static struct acpi_override isa[16];
static spinlock_t irq_lock = SPINLOCK(RANK_IRQ, "irq");

u32 nr_gsis(void) { return gsis; }

static u32 io_read(const struct ioapic *io, u32 reg)
{
	io->regs[0] = reg;
	return io->regs[4];
}

static void io_write(const struct ioapic *io, u32 reg, u32 v)
{
	io->regs[0] = reg;
	io->regs[4] = v;
}

static struct ioapic *ioapic_of(u32 gsi)
{
	for (u32 i = 0; i < nr_ioapics; i++)
		if (gsi >= ioapics[i].gsi_base && gsi < ioapics[i].gsi_base + ioapics[i].pins)
			return &ioapics[i];
	return NULL;
}

static void write_rte(u32 gsi, bool masked)
{
	struct ioapic *io = ioapic_of(gsi);
	const struct irq_desc *d = &irqs[gsi];
	u32 lo = d->vector | (d->level ? RTE_LEVEL : 0) | (d->active_low ? RTE_LOW : 0) | (masked ? RTE_MASKED : 0);
	u32 reg = 0x10 + 2 * (gsi - io->gsi_base);

	io_write(io, reg + 1, pcpus[d->cpu].apic_id << 24);
	io_write(io, reg, lo);
}

/* Masking alone leaves the rest of the entry as it is. */
static void set_mask(u32 gsi, bool masked)
{
	struct ioapic *io = ioapic_of(gsi);
	const struct irq_desc *d = &irqs[gsi];

	io_write(io, 0x10 + 2 * (gsi - io->gsi_base), d->vector | (d->level ? RTE_LEVEL : 0) |
		 (d->active_low ? RTE_LOW : 0) | (masked ? RTE_MASKED : 0));
}

void __init irq_init(const struct acpi_info *acpi)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	for (unsigned v = 0; v < 256; v++)
		vector_irq[v] = -1;
	for (unsigned i = 0; i < 16; i++)
		isa[i] = acpi_isa_irq(acpi, i);
	for (u32 i = 0; i < acpi->nr_ioapic; i++) {
		struct ioapic *io = &ioapics[nr_ioapics];

		io->maddr = acpi->ioapic[i].pa;
		io->regs = ioremap(io->maddr, 0x20);
		io->gsi_base = acpi->ioapic[i].gsi_base;
		io->pins = (io_read(io, 1) >> 16 & 0xff) + 1;
		if (io->gsi_base + io->pins > MAX_GSI)
			io->pins = io->gsi_base < MAX_GSI ? MAX_GSI - io->gsi_base : 0;
		for (u32 p = 0; p < io->pins; p++)
			io_write(io, 0x10 + 2 * p, RTE_MASKED);
		gsis = max(gsis, io->gsi_base + io->pins);
		nr_ioapics++;
	}
	/* Defaults: legacy interrupts by the MADT's overrides, all others level and low, as PCI is. */
	for (u32 g = 0; g < gsis; g++) {
		irqs[g].level = g >= 16;
		irqs[g].active_low = g >= 16;
	}
	for (unsigned i = 0; i < 16; i++) {
		if (isa[i].gsi < gsis) {
			irqs[isa[i].gsi].level = isa[i].level;
			irqs[isa[i].gsi].active_low = isa[i].active_low;
		}
	}
}

bool irq_owns_frame(u64 mfn)
{
	for (u32 i = 0; i < nr_ioapics; i++)
		if (PFN_DOWN(ioapics[i].maddr) == mfn)
			return true;
	return mfn == 0xfee00;
}

int ioapic_read_for_guest(u64 maddr, u32 reg, u32 *value)
{
	for (u32 i = 0; i < nr_ioapics; i++) {
		if (ioapics[i].maddr != maddr)
			continue;
		if (reg > 2 && (reg < 0x10 || reg >= 0x10 + 2 * ioapics[i].pins))
			return -EINVAL;
		spin_lock(&irq_lock);
		*value = io_read(&ioapics[i], reg);
		spin_unlock(&irq_lock);
		return 0;
	}
	return -EINVAL;
}

static u8 new_vector(void)
{
	static u8 next = VECTOR_DEVICE_FIRST;

	for (unsigned tries = 0; tries < 256; tries++) {
		u8 v = next;

		/* Steps of 16 spread devices over priority classes; each round begins one further on. */
		next += 16;
		if (next > VECTOR_DEVICE_LAST)
			next = VECTOR_DEVICE_FIRST + (next - VECTOR_DEVICE_FIRST + 1) % 16;
		if (v != 0x80 && vector_irq[v] < 0)
			return v;
	}
	return 0;
}

int irq_setup_gsi(u32 gsi)
{
	struct irq_desc *d = &irqs[gsi];
	int rc = 0;

	if (gsi >= gsis || !ioapic_of(gsi))
		return -EINVAL;
	spin_lock(&irq_lock);
	if (d->handler) {
		rc = -EBUSY;
	} else if (!d->vector) {
		d->vector = new_vector();
		if (d->vector) {
			vector_irq[d->vector] = gsi;
			write_rte(gsi, true);
		} else {
			rc = -ENOSPC;
		}
	}
	spin_unlock(&irq_lock);
	return rc;
}

int irq_set_trigger(u32 gsi, bool level, bool active_low)
{
	struct irq_desc *d = &irqs[gsi];
	int rc = -EEXIST;

	if (gsi >= gsis)
		return -EINVAL;
	spin_lock(&irq_lock);
	if (!d->domain && !d->handler) {
		d->level = level;
		d->active_low = active_low;
		if (d->vector)
			write_rte(gsi, true);
		rc = 0;
	}
	spin_unlock(&irq_lock);
	return rc;
}

bool irq_is_level(u32 gsi)
{
	return gsi < gsis && irqs[gsi].level;
}

int irq_msi_alloc(u8 *vector)
{
	int irq = -ENOSPC;

	spin_lock(&irq_lock);
	*vector = new_vector();
	if (*vector) {
		/* There are as many numbers as vectors: with a vector comes a free number. */
		for (irq = IRQ_MSI_FIRST; irqs[irq].vector; irq++)
			;
		irqs[irq].vector = *vector;
		irqs[irq].cpu = 0;
		vector_irq[*vector] = irq;
	}
	spin_unlock(&irq_lock);
	return irq;
}

void irq_msi_free(u32 irq)
{
	ASSERT(irq >= IRQ_MSI_FIRST && !irqs[irq].domain);
	spin_lock(&irq_lock);
	vector_irq[irqs[irq].vector] = -1;
	irqs[irq].vector = 0;
	spin_unlock(&irq_lock);
}

int irq_bind(u32 irq, struct domain *dom, u32 port)
{
	struct irq_desc *d;
	int rc = -EBUSY;

	/* Numbers that no controller has, and messages not allocated, have no vector. */
	if (irq >= IRQ_MSI_FIRST + NR_MSI || !irqs[irq].vector)
		return -EINVAL;
	d = &irqs[irq];
	spin_lock(&irq_lock);
	if (!d->domain && !d->handler) {
		d->port = port;
		d->guest_masked = false;
		__atomic_store_n(&d->domain, dom, __ATOMIC_RELEASE);
		if (irq < IRQ_MSI_FIRST)
			write_rte(irq, false);
		rc = 0;
	}
	spin_unlock(&irq_lock);
	return rc;
}

void irq_unbind(u32 irq)
{
	spin_lock(&irq_lock);
	if (irq < IRQ_MSI_FIRST)
		set_mask(irq, true);
	irqs[irq].domain = NULL;
	irqs[irq].port = 0;
	spin_unlock(&irq_lock);
}

void irq_guest_eoi(u32 irq)
{
	struct irq_desc *d = &irqs[irq];

	spin_lock(&irq_lock);
	if (d->guest_masked && d->domain) {
		d->guest_masked = false;
		set_mask(irq, false);
	}
	spin_unlock(&irq_lock);
}

int irq_hypervisor_isa(u8 isa_irq, void (*handler)(void))
{
	u32 gsi = isa_irq < 16 ? isa[isa_irq].gsi : isa_irq;
	int rc = irq_setup_gsi(gsi);

	if (rc)
		return rc;
	spin_lock(&irq_lock);
	irqs[gsi].handler = handler;
	write_rte(gsi, false);
	spin_unlock(&irq_lock);
	return 0;
}

u32 irq_cpu(u32 irq)
{
	return irqs[irq].cpu;
}

/* `irq` came here, and its vcpu is on `cpu`. */
static void follow(u32 irq, u32 cpu)
{
	struct irq_desc *d = &irqs[irq];

	/* Without interrupt remapping, ids above 254 get IPIs alone. */
	if (cpu == this_cpu() || cpu == NO_CPU || pcpus[cpu].apic_id > 0xfe) {
		d->astray = 0;
		return;
	}
	if (++d->astray < FOLLOW_AFTER)
		return;
	d->astray = 0;
	spin_lock(&irq_lock);
	d->cpu = cpu;
	if (irq < IRQ_MSI_FIRST && d->domain)
		write_rte(irq, d->guest_masked);
	spin_unlock(&irq_lock);
	if (irq >= IRQ_MSI_FIRST)
		msi_follow(irq);
}

void irqs_show(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(irqs); i++) {
		const struct irq_desc *d = &irqs[i];
		const struct domain *dom = READ_ONCE(d->domain);

		if (!d->vector || (!d->handler && !dom))
			continue;
		hv_log(LOG_ERR, "%s %u: vector 0x%02x, CPU %u, %s, %s %u port %u%s\n",
		       i < IRQ_MSI_FIRST ? "GSI" : "message", i < IRQ_MSI_FIRST ? i : i - IRQ_MSI_FIRST, d->vector, d->cpu,
		       d->level ? "level" : "edge", dom ? "domain" : "hypervisor", dom ? dom->domain_id : 0, d->port,
		       d->guest_masked ? ", masked until it is served" : "");
	}
}

static void device_interrupt(u32 irq)
{
	struct irq_desc *d = &irqs[irq];
	struct domain *dom;

	if (d->handler) {
		d->handler();
		apic_eoi();
		return;
	}
	dom = __atomic_load_n(&d->domain, __ATOMIC_ACQUIRE);
	if (d->level) {
		spin_lock(&irq_lock);
		d->guest_masked = true;
		set_mask(irq, true);
		spin_unlock(&irq_lock);
	}
	apic_eoi();
	if (dom)
		follow(irq, evtchn_raise_port(dom, d->port));
}

void do_irq(struct cpu_user_regs *regs)
{
	unsigned vector = regs->entry_vector & 0xff;
	s16 irq = vector_irq[vector];

	switch (vector) {
	case VECTOR_TIMER:
		apic_eoi();
		__atomic_fetch_or(&this_cpu_info()->work, WORK_TIMER, __ATOMIC_SEQ_CST);
		return;
	case IPI_EVENT:
		apic_eoi();
		tlb_serve_requests();
		return;
	case VECTOR_SPURIOUS:
		return;
	case VECTOR_ERROR:
		apic_eoi();
		return;
	}
	if (irq >= 0)
		device_interrupt(irq);
	else
		apic_eoi();
}

/* Owner of a line that raises no vector. */
static void nobody(void) { }

int __init irq_pit_to_nmi(void)
{
	const u32 gsi = isa[0].gsi;
	struct ioapic *io = ioapic_of(gsi);

	if (!io)
		return -ENODEV;
	irqs[gsi].handler = nobody;
	io_write(io, 0x10 + 2 * (gsi - io->gsi_base) + 1, 0xffu << 24);
	io_write(io, 0x10 + 2 * (gsi - io->gsi_base), RTE_NMI);
	return 0;
}

bool hypervisor_nmi(struct cpu_user_regs *regs)
{
	if (READ_ONCE(this_pcpu()->halt))
		machine_halt();
	return this_pcpu()->in_panic || smp_answer_snapshot(regs);
}

void nmi_to_dom0(u8 port61)
{
	struct vcpu *v = dom0 ? dom0->vcpus[0] : NULL;
	u64 reason = port61 & 0x80 ? XEN_NMIREASON_pci_serr : port61 & 0x40 ? XEN_NMIREASON_io_error
									     : XEN_NMIREASON_unknown;

	if (!v)
		return;
	__atomic_fetch_or(&dom0->shared_info->arch.nmi_reason, reason, __ATOMIC_SEQ_CST);
	v->pv.nmi_pending = 1;
	/* No IPI from here: an NMI may have interrupted the sending of one. The next tick of its CPU will do. */
	__atomic_fetch_or(&cpu_info_of(v->processor)->work, WORK_NMI, __ATOMIC_SEQ_CST);
}
