// SPDX-License-Identifier: MIT
/*
 * Domains: the table of them, their making, and their end by crash.
 *
 * The table maps ids to domains; an id is taken again only after the last
 * reference to its domain is gone, because frames name their owner by id.
 * table_lock (RANK_DOMLIST) guards changes; look-ups take it too, they are rare.
 */
#include "core/domain.h"
#include "core/console.h"
#include "core/grant_table.h"
#include "core/sched.h"
#include "core/seam.h"
#include "core/time.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "pv/vcpu_pv.h"
#include "x86/cpu.h"
#include "x86/paging.h"
#include "x86/policy.h"
#include "x86/xsave.h"

struct domain *dom0, *dom_io, *dom_xen;

static struct domain *domains[MAX_DOMID];
u32 domain_ids_end;
static spinlock_t table_lock = SPINLOCK(RANK_DOMLIST, "domain table");

struct domain *get_domain(domid_t id)
{
	struct domain *d;

	if (id >= MAX_DOMID)
		return NULL;
	spin_lock(&table_lock);
	d = domains[index_nospec(id, MAX_DOMID)];
	if (d)
		__atomic_fetch_add(&d->refcount, 1, __ATOMIC_SEQ_CST);
	spin_unlock(&table_lock);
	return d;
}

struct domain *next_domain(u32 from)
{
	struct domain *d = NULL;

	spin_lock(&table_lock);
	while (from < domain_ids_end && !(d = domains[from]))
		from++;
	if (d)
		__atomic_fetch_add(&d->refcount, 1, __ATOMIC_SEQ_CST);
	spin_unlock(&table_lock);
	return d;
}

void put_domain(struct domain *d)
{
	u32 left = __atomic_sub_fetch(&d->refcount, 1, __ATOMIC_SEQ_CST);

	/* The table's own reference is given up by domain destruction, which only toolstacks reach (docs/roadmap.md). */
	BUG_ON(!left);
}

struct domain *domain_of_owner(domid_t id)
{
	return id < MAX_DOMID ? domains[id] : id == DOMID_XEN ? dom_xen : dom_io;
}

static struct domain *special_domain(domid_t id)
{
	struct domain *d = hv_alloc(sizeof(*d));

	if (!d)
		hv_panic("no memory for the system domains");
	d->domain_id = id;
	d->refcount = 1;
	d->iomem = rangeset_new();
	d->ioports = rangeset_new();
	spin_lock_init(&d->lock, RANK_DOMAIN, "domain");
	return d;
}

void __init domains_init(void)
{
	dom_io = special_domain(DOMID_IO);
	dom_xen = special_domain(DOMID_XEN);
}

/* A frame of the hypervisor's that the domain may map. */
static mfn_t shared_frame(struct domain *d)
{
	mfn_t m = alloc_pages(0, 0, 0);

	if (!mfn_eq(m, INVALID_MFN))
		share_page_with_domain(m, d, true);
	return m;
}

struct domain *domain_create(domid_t id, u32 max_vcpus, bool privileged)
{
	struct domain *d = hv_alloc(sizeof(*d));

	if (!d)
		return NULL;
	d->domain_id = id;
	d->is_privileged = privileged;
	d->max_vcpus = max_vcpus;
	d->refcount = 1;
	d->weight = SCHED_WEIGHT_DEFAULT;
	spin_lock_init(&d->lock, RANK_DOMAIN, "domain");
	spin_lock_init(&d->pirqs.lock, RANK_PIRQ, "pirqs");
	d->vcpus = hv_alloc(max_vcpus * sizeof(struct vcpu *));
	d->ioports = rangeset_new();
	d->iomem = rangeset_new();
	if (!d->vcpus || !d->ioports || !d->iomem || pv_domain_init(d) || events_init(d) ||
	    grant_table_init(d, GRANT_DEFAULT_MAX_FRAMES, GRANT_DEFAULT_MAX_MAPTRACK))
		return NULL;
	d->shared_info_mfn = shared_frame(d);
	if (mfn_eq(d->shared_info_mfn, INVALID_MFN))
		return NULL;
	d->shared_info = map_frame(d->shared_info_mfn);
	/* Every upcall starts masked (abi.md 1.4). */
	for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		d->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
	wallclock_publish(d);

	spin_lock(&table_lock);
	domains[id] = d;
	domain_ids_end = max(domain_ids_end, id + 1u);
	spin_unlock(&table_lock);
	return d;
}

static struct vcpu *new_vcpu(u32 id)
{
	struct vcpu *v = hv_alloc(sizeof(*v));

	if (!v)
		return NULL;
	v->vcpu_id = id;
	v->runstate.state_entry_time = now_ns();
	return v;
}

struct vcpu *vcpu_create(struct domain *d, u32 id)
{
	struct vcpu *v = new_vcpu(id);

	if (!v)
		return NULL;
	v->domain = d;
	v->processor = id % nr_cpus;
	v->down = true;
	v->state = VCPU_OFFLINE;
	v->runstate.state = VCPU_OFFLINE;
	v->fpu = fpu_area_new();
	v->xcr0 = host_cpu.guest_xcr0 & 3;
	if (id < XEN_LEGACY_MAX_VCPUS) {
		v->vcpu_info = &d->shared_info->vcpu_info[id];
	} else {
		/* No place in shared_info: a page of its own until it registers one. */
		mfn_t m = shared_frame(d);

		v->vcpu_info = mfn_eq(m, INVALID_MFN) ? NULL : map_frame(m);
		if (v->vcpu_info)
			v->vcpu_info->evtchn_upcall_mask = 1;
	}
	if (!v->fpu || !v->vcpu_info || pv_vcpu_init(v))
		return NULL;
	vcpu_timers_init(v);
	sched_vcpu_init(v);
	events_vcpu_init(v);
	d->vcpus[id] = v;
	return v;
}

/* The vcpu that runs when no other can: it has no domain and no registers. */
void __init idle_vcpu_create(u32 cpu)
{
	struct vcpu *v = new_vcpu(cpu);

	if (!v)
		hv_panic("no memory for an idle vcpu");
	v->domain = dom_xen;
	v->processor = cpu;
	v->is_idle = true;
	pcpus[cpu].idle = v;
	cpu_info_of(cpu)->vcpu = v;
}

void domain_crash(struct domain *d, const char *fmt, ...)
{
	va_list ap;

	if (!__atomic_exchange_n(&d->crash_noted, true, __ATOMIC_SEQ_CST)) {
		va_start(ap, fmt);
		vsnprintf_hv(d->crash_reason, sizeof(d->crash_reason), fmt, ap);
		va_end(ap);
		hv_log(LOG_ERR, "domain %u crashed: %s\n", d->domain_id, d->crash_reason);
	}
	domain_shutdown(d, SHUTDOWN_crash);
}

void domain_fill_l4(struct domain *d, u64 *l4)
{
	fill_hypervisor_slots(l4, d->pv.perdomain_l3_mfn);
	/* The frame may have been another L4 before, of which a CPU has a copy. */
	l4_changed(virt_to_mfn(l4));
}
