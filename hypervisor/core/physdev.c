// SPDX-License-Identifier: MIT
/*
 * Hypercall 33: a driver domain and the machine's interrupts and ports.
 *
 * A pirq is a domain's number for a machine interrupt. For lines of the IO-APIC
 * pirq and GSI are the same number; messages (MSI, MSI-X) get numbers from
 * nr_gsis() up. The order in which Linux goes (abi.md 4.1), for a line: map_pirq,
 * alloc_irq_vector, setup_gsi; then bind_pirq as an event channel, which
 * unmasks; after each level interrupt, eoi. For a message: map_pirq, which
 * writes it to the device; bind_pirq, which unmasks; Linux then enables it in
 * config space; at the end close, and unmap_pirq.
 *
 *  1. A mapped pirq has an interrupt, p->irq, and nobody else's pirq has that one.
 *  2. A pirq with a port is mapped.
 *
 * d->pirqs.lock (RANK_PIRQ) guards the table.
 */
#include "core/physdev.h"
#include "core/access.h"
#include "core/hypercall.h"
#include "x86/irq.h"
#include "x86/msi.h"
#include "xen/physdev.h"

int pirqs_init(struct domain *d)
{
	u32 n = nr_gsis() + NR_MSI;

	d->pirqs.pirq = hv_alloc(n * sizeof(struct pirq));
	if (!d->pirqs.pirq)
		return -ENOMEM;
	d->pirqs.nr = n;
	for (u32 i = 0; i < n; i++)
		d->pirqs.pirq[i].irq = -1;
	return 0;
}

static struct pirq *pirq_of(struct domain *d, u32 n)
{
	return n < d->pirqs.nr ? &d->pirqs.pirq[index_nospec(n, d->pirqs.nr)] : NULL;
}

int pirq_bind(struct vcpu *v, u32 n, u32 port, bool share)
{
	struct domain *d = v->domain;
	struct pirq *p = pirq_of(d, n);
	int rc;

	(void)share; /* one domain has all of them; sharing is within it */
	if (!p)
		return -EINVAL;
	spin_lock(&d->pirqs.lock);
	if (p->port) {
		rc = -EEXIST;
	} else if (!p->mapped) {
		rc = -EINVAL;
	} else {
		rc = irq_bind(p->irq, d, port);
		if (!rc) {
			p->port = port;
			/* What a masked message has waited with comes now, and finds its port. */
			if (p->irq >= IRQ_MSI_FIRST)
				msi_bound(p->irq, true);
		}
	}
	spin_unlock(&d->pirqs.lock);
	return rc;
}

void pirq_unbind(struct domain *d, u32 n)
{
	struct pirq *p = pirq_of(d, n);

	if (!p)
		return;
	spin_lock(&d->pirqs.lock);
	if (p->port) {
		if (p->irq >= IRQ_MSI_FIRST)
			msi_bound(p->irq, false);
		irq_unbind(p->irq);
		p->port = 0;
	}
	spin_unlock(&d->pirqs.lock);
}

/* Interrupts of other domains come with PCI passthrough: the domain is looked for, no more. */
static long other_domain(domid_t id)
{
	struct domain *d = get_domain(id);

	if (!d)
		return -ESRCH;
	put_domain(d);
	return -EPERM;
}

static long map_gsi(struct domain *d, struct physdev_map_pirq *m)
{
	struct pirq *p;
	int rc;

	if (m->index < 0 || (u32)m->index >= nr_gsis() || (m->pirq >= 0 && m->pirq != m->index))
		return -EINVAL;
	p = pirq_of(d, m->index);
	rc = irq_setup_gsi(m->index);
	/* The hypervisor's own line has a number like any other; binding it is what is refused. */
	if (rc && rc != -EBUSY)
		return rc;
	spin_lock(&d->pirqs.lock);
	p->irq = m->index;
	p->mapped = true;
	spin_unlock(&d->pirqs.lock);
	m->pirq = m->index;
	return 0;
}

/* A free number for a message: `wanted`, or any where that is negative. -EEXIST, -EINVAL, -ENOSPC. */
static int free_pirq(struct domain *d, s32 wanted)
{
	if (wanted >= 0) {
		if ((u32)wanted < nr_gsis() || (u32)wanted >= d->pirqs.nr)
			return -EINVAL;
		return d->pirqs.pirq[wanted].mapped ? -EEXIST : wanted;
	}
	for (u32 n = nr_gsis(); n < d->pirqs.nr; n++)
		if (!d->pirqs.pirq[n].mapped)
			return n;
	return -ENOSPC;
}

static long map_message(struct domain *d, struct physdev_map_pirq *m)
{
	/* The segment has the upper half; the oldest type knows none. */
	u32 segment = m->type == MAP_PIRQ_TYPE_MSI ? 0 : (u32)m->bus >> 16;
	u32 bus = m->type == MAP_PIRQ_TYPE_MSI ? (u32)m->bus : m->bus & 0xffff;
	bool msix = m->table_base && m->type != MAP_PIRQ_TYPE_MULTI_MSI;
	int n, irq;

	if (bus > 0xff || m->devfn < 0 || m->devfn > 0xff || m->entry_nr < 0)
		return -EINVAL;
	/* Several messages of one MSI need vectors in a row; Linux is content with one (MSI-X has many). */
	if (m->type == MAP_PIRQ_TYPE_MULTI_MSI && m->entry_nr > 1)
		return -EOPNOTSUPP;
	/* Other segments can't be reached by ports. */
	if (segment)
		return -ENODEV;

	spin_lock(&d->pirqs.lock);
	n = free_pirq(d, m->pirq);
	if (n >= 0) {
		irq = msi_map(bus << 8 | m->devfn, msix, msix ? m->entry_nr : 0);
		if (irq < 0) {
			n = irq;
		} else {
			d->pirqs.pirq[n].irq = irq;
			d->pirqs.pirq[n].mapped = true;
		}
	}
	spin_unlock(&d->pirqs.lock);
	if (n < 0)
		return n;
	m->pirq = n;
	return 0;
}

/* Lets go of a mapped pirq. The domain's pirqs.lock is held. */
static void release_pirq(struct pirq *p)
{
	if (p->irq >= IRQ_MSI_FIRST)
		msi_unmap(p->irq);
	p->mapped = false;
	p->irq = -1;
}

void pirqs_free(struct domain *d)
{
	for (u32 n = 0; n < d->pirqs.nr; n++)
		if (d->pirqs.pirq[n].mapped)
			release_pirq(&d->pirqs.pirq[n]);
	hv_free(d->pirqs.pirq);
	d->pirqs.pirq = NULL;
	d->pirqs.nr = 0;
}

static int unmap_number(struct domain *d, u32 n)
{
	struct pirq *p = pirq_of(d, n);
	int rc = -EINVAL;

	if (!p)
		return -EINVAL;
	spin_lock(&d->pirqs.lock);
	if (p->port) {
		rc = -EBUSY;
	} else if (p->mapped) {
		release_pirq(p);
		rc = 0;
	}
	spin_unlock(&d->pirqs.lock);
	return rc;
}

static long map_pirq(struct domain *d, u64 arg)
{
	struct physdev_map_pirq m;
	long rc;

	if (copy_from_guest(&m, arg, sizeof(m)))
		return -EFAULT;
	if (m.domid != DOMID_SELF && m.domid != d->domain_id)
		return other_domain(m.domid);
	switch (m.type) {
	case MAP_PIRQ_TYPE_GSI:
		rc = map_gsi(d, &m);
		break;
	case MAP_PIRQ_TYPE_MSI:
	case MAP_PIRQ_TYPE_MSI_SEG:
	case MAP_PIRQ_TYPE_MULTI_MSI:
		rc = map_message(d, &m);
		break;
	default:
		return -EINVAL;
	}
	if (!rc && copy_to_guest(arg, &m, sizeof(m))) {
		/* A line may be mapped again; a message whose number nobody knows would be lost. */
		if (m.type != MAP_PIRQ_TYPE_GSI)
			unmap_number(d, m.pirq);
		return -EFAULT;
	}
	return rc;
}

static long unmap_pirq(struct domain *d, u64 arg)
{
	struct physdev_unmap_pirq u;

	if (copy_from_guest(&u, arg, sizeof(u)))
		return -EFAULT;
	if (u.domid != DOMID_SELF && u.domid != d->domain_id)
		return other_domain(u.domid);
	return unmap_number(d, u.pirq);
}

static long eoi(struct domain *d, u64 arg)
{
	struct physdev_eoi e;
	struct pirq *p;
	int irq;

	if (copy_from_guest(&e, arg, sizeof(e)))
		return -EFAULT;
	p = pirq_of(d, e.irq);
	if (!p || !READ_ONCE(p->port))
		return -EINVAL;
	/* Without the lock: only lines need it, and theirs is the one number that a pirq of a line ever has. */
	irq = READ_ONCE(p->irq);
	if (irq >= 0)
		irq_guest_eoi(irq);
	return 0;
}

static long irq_status(struct domain *d, u64 arg)
{
	struct physdev_irq_status_query q;

	if (copy_from_guest(&q, arg, sizeof(q)))
		return -EFAULT;
	if (!pirq_of(d, q.irq))
		return -EINVAL;
	/* Only a level interrupt stays masked until its EOI; numbers of messages are no GSIs. */
	q.flags = irq_is_level(q.irq) ? XENIRQSTAT_needs_eoi : 0;
	return copy_to_guest(arg, &q, sizeof(q)) ? -EFAULT : 0;
}

static long setup_gsi(u64 arg)
{
	struct physdev_setup_gsi s;

	if (copy_from_guest(&s, arg, sizeof(s)))
		return -EFAULT;
	if (s.gsi < 0 || (u32)s.gsi >= nr_gsis())
		return -EINVAL;
	return irq_set_trigger(s.gsi, s.triggering, s.polarity);
}

static long apic_read(u64 arg)
{
	struct physdev_apic a;
	int rc;

	if (copy_from_guest(&a, arg, sizeof(a)))
		return -EFAULT;
	rc = ioapic_read_for_guest(a.apic_physbase, a.reg, &a.value);
	if (rc)
		return rc;
	return copy_to_guest(arg, &a, sizeof(a)) ? -EFAULT : 0;
}

static long alloc_vector(struct domain *d, u64 arg)
{
	struct physdev_irq i;
	struct pirq *p;

	if (copy_from_guest(&i, arg, sizeof(i)))
		return -EFAULT;
	p = pirq_of(d, i.irq);
	if (!p)
		return -EINVAL;
	/* The vector is the hypervisor's affair: guests get their line's number and never use it. */
	i.vector = i.irq;
	return copy_to_guest(arg, &i, sizeof(i)) ? -EFAULT : 0;
}

static long set_iopl(struct vcpu *v, u64 arg)
{
	struct physdev_set_iopl s;

	if (copy_from_guest(&s, arg, sizeof(s)))
		return -EFAULT;
	if (s.iopl > 3)
		return -EINVAL;
	v->pv.iopl = s.iopl;
	return 0;
}

static long set_iobitmap(struct vcpu *v, u64 arg)
{
	struct physdev_set_iobitmap s;

	if (copy_from_guest(&s, arg, sizeof(s)))
		return -EFAULT;
	if (s.nr_ports > 65536)
		return -EINVAL;
	v->pv.iobitmap_gva = s.bitmap;
	v->pv.iobitmap_ports = s.bitmap ? s.nr_ports : 0;
	return 0;
}

static u16 bdf(u8 bus, u8 devfn) { return bus << 8 | devfn; }

static long device_add(u64 arg)
{
	struct physdev_pci_device_add a;
	u16 function, answers;

	if (copy_from_guest(&a, arg, sizeof(a)))
		return -EFAULT;
	/* Devices elsewhere work, by lines only: map_pirq refuses their messages. */
	if (a.seg)
		return 0;
	function = bdf(a.bus, a.devfn);
	/* A virtual function's identity reads as absent: its physical one must be there. */
	answers = a.flags & XEN_PCI_DEV_VIRTFN ? bdf(a.physfn.bus, a.physfn.devfn) : function;
	return msi_device_add(function, answers);
}

/* What is done with one function that dom0 names. */
static long device_op(u64 cmd, u64 arg)
{
	struct physdev_pci_device p;
	u16 function;

	if (copy_from_guest(&p, arg, sizeof(p)))
		return -EFAULT;
	if (p.seg)
		return cmd == PHYSDEVOP_pci_device_remove ? 0 : -ENODEV;
	function = bdf(p.bus, p.devfn);
	switch (cmd) {
	case PHYSDEVOP_pci_device_remove:
		return msi_device_remove(function);
	case PHYSDEVOP_restore_msi_ext:
		return msi_restore(function);
	default:
		return msi_lend(function, cmd == PHYSDEVOP_prepare_msix);
	}
}

static long restore_msi(u64 arg)
{
	struct physdev_restore_msi r;

	if (copy_from_guest(&r, arg, sizeof(r)))
		return -EFAULT;
	return msi_restore(bdf(r.bus, r.devfn));
}

/* Where config space is in memory: taken, and not yet needed, since ports reach what is used here. */
static long take_note(u64 arg, size_t bytes)
{
	u8 news[64];

	return copy_from_guest(news, arg, bytes) ? -EFAULT : 0;
}

HYPERCALL(hc_physdev_op)
{
	struct vcpu *v = current;
	struct domain *d = v->domain;

	switch (a1) {
	case PHYSDEVOP_set_iopl:
		return set_iopl(v, a2);
	case PHYSDEVOP_set_iobitmap:
		return set_iobitmap(v, a2);
	case PHYSDEVOP_eoi:
		return eoi(d, a2);
	case PHYSDEVOP_irq_status_query:
		return irq_status(d, a2);
	}
	if (!access_machine(d))
		return a1 <= PHYSDEVOP_release_msix ? -EPERM : -ENOSYS;
	switch (a1) {
	case PHYSDEVOP_map_pirq:
		return map_pirq(d, a2);
	case PHYSDEVOP_unmap_pirq:
		return unmap_pirq(d, a2);
	case PHYSDEVOP_setup_gsi:
		return setup_gsi(a2);
	case PHYSDEVOP_apic_read:
		return apic_read(a2);
	case PHYSDEVOP_alloc_irq_vector:
		return alloc_vector(d, a2);
	case PHYSDEVOP_pci_mmcfg_reserved:
		return take_note(a2, sizeof(struct physdev_pci_mmcfg_reserved));
	case PHYSDEVOP_pci_device_add:
		return device_add(a2);
	case PHYSDEVOP_pci_device_remove:
	case PHYSDEVOP_restore_msi_ext:
	case PHYSDEVOP_prepare_msix:
	case PHYSDEVOP_release_msix:
		return device_op(a1, a2);
	case PHYSDEVOP_restore_msi:
		return restore_msi(a2);
	default:
		return -ENOSYS;
	}
}
