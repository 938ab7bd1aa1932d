// SPDX-License-Identifier: MIT
/*
 * Hypercall 33: a driver domain and the machine's interrupts and ports.
 *
 * A pirq is a domain's number for a machine interrupt. For lines of the IO-APIC
 * pirq and GSI are the same number. The order in which Linux goes (abi.md 4.1):
 * map_pirq, alloc_irq_vector, setup_gsi; then bind_pirq as an event channel,
 * which unmasks; after each level interrupt, eoi.
 *
 * d->pirqs.lock (RANK_PIRQ) guards the table.
 */
#include "core/physdev.h"
#include "core/access.h"
#include "core/hypercall.h"
#include "x86/irq.h"
#include "xen/physdev.h"

int pirqs_init(struct domain *d)
{
	u32 n = nr_gsis();

	d->pirqs.pirq = hv_alloc(n * sizeof(struct pirq));
	if (!d->pirqs.pirq)
		return -ENOMEM;
	d->pirqs.nr = n;
	for (u32 i = 0; i < n; i++)
		d->pirqs.pirq[i].gsi = -1;
	return 0;
}

static struct pirq *pirq_of(struct domain *d, u32 n)
{
	return n < d->pirqs.nr ? &d->pirqs.pirq[n] : NULL;
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
		rc = irq_bind(p->gsi, d, port);
		if (!rc)
			p->port = port;
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
		irq_unbind(p->gsi);
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

static long map_pirq(struct domain *d, u64 arg)
{
	struct physdev_map_pirq m;
	struct pirq *p;
	int rc;

	if (copy_from_guest(&m, arg, sizeof(m)))
		return -EFAULT;
	if (m.domid != DOMID_SELF && m.domid != d->domain_id)
		return other_domain(m.domid);
	/* Messages (MSI) are on the roadmap; drivers fall back to lines. */
	if (m.type != MAP_PIRQ_TYPE_GSI)
		return m.type == MAP_PIRQ_TYPE_MSI || m.type == MAP_PIRQ_TYPE_MSI_SEG ||
		       m.type == MAP_PIRQ_TYPE_MULTI_MSI ? -EOPNOTSUPP : -EINVAL;
	if (m.index < 0 || (m.pirq >= 0 && m.pirq != m.index))
		return -EINVAL;
	p = pirq_of(d, m.index);
	if (!p)
		return -EINVAL;
	rc = irq_setup_gsi(m.index);
	/* The hypervisor's own line has a number like any other; binding it is what is refused. */
	if (rc && rc != -EBUSY)
		return rc;
	spin_lock(&d->pirqs.lock);
	p->gsi = m.index;
	p->mapped = true;
	spin_unlock(&d->pirqs.lock);
	m.pirq = m.index;
	return copy_to_guest(arg, &m, sizeof(m)) ? -EFAULT : 0;
}

static long unmap_pirq(struct domain *d, u64 arg)
{
	struct physdev_unmap_pirq u;
	struct pirq *p;
	long rc = -EINVAL;

	if (copy_from_guest(&u, arg, sizeof(u)))
		return -EFAULT;
	if (u.domid != DOMID_SELF && u.domid != d->domain_id)
		return other_domain(u.domid);
	p = pirq_of(d, u.pirq);
	if (!p)
		return -EINVAL;
	spin_lock(&d->pirqs.lock);
	if (p->port) {
		rc = -EBUSY;
	} else if (p->mapped) {
		p->mapped = false;
		p->gsi = -1;
		rc = 0;
	}
	spin_unlock(&d->pirqs.lock);
	return rc;
}

static long eoi(struct domain *d, u64 arg)
{
	struct physdev_eoi e;
	struct pirq *p;

	if (copy_from_guest(&e, arg, sizeof(e)))
		return -EFAULT;
	p = pirq_of(d, e.irq);
	if (!p || !p->port)
		return -EINVAL;
	irq_guest_eoi(p->gsi);
	return 0;
}

static long irq_status(struct domain *d, u64 arg)
{
	struct physdev_irq_status_query q;

	if (copy_from_guest(&q, arg, sizeof(q)))
		return -EFAULT;
	if (!pirq_of(d, q.irq))
		return -EINVAL;
	/* Only a level interrupt stays masked until its EOI. */
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

/* News of PCI devices is taken and not yet needed: it matters once MSI and IOMMU are ours to program. */
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
		return take_note(a2, offsetof(struct physdev_pci_device_add, optarr));
	case PHYSDEVOP_pci_device_remove:
		return take_note(a2, sizeof(struct physdev_pci_device));
	default:
		return -ENOSYS;
	}
}
