// SPDX-License-Identifier: MIT
/*
 * Domains: the table of them, their making, and their end by crash.
 *
 * The table maps ids to domains; an id is taken again only after the last
 * reference to its domain is gone, because frames name their owner by id.
 * table_lock (RANK_DOMLIST) guards changes; look-ups take it too, they are rare.
 *
 * References: the table has one, each pointer that outlives a look-up has one
 * (a hypercall's target, a mapped grant), and from the end of domain_kill() on
 * its frames have one together, for as long as anyone still maps one of them.
 * The last one puts the domain on a list; freeing is for later, when no lock is
 * held and all CPUs have let go of what they found without one (domains_reap()).
 * docs/domain-life.md tells the whole story.
 */
#include "core/domain.h"
#include "core/console.h"
#include "core/grant_table.h"
#include "core/physdev.h"
#include "core/sched.h"
#include "core/seam.h"
#include "core/time.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "pv/vcpu_pv.h"
#include "x86/cpu.h"
#include "x86/paging.h"
#include "x86/panic.h"
#include "x86/policy.h"
#include "x86/xsave.h"

struct domain *dom0, *dom_io, *dom_xen;

static struct domain *domains[MAX_DOMID];
u32 domain_ids_end;
static spinlock_t table_lock = SPINLOCK(RANK_DOMLIST, "domain table");

/* A reference on what the table shows, unless its last one has gone already. */
static struct domain *ref_if_alive(struct domain *d)
{
	u32 refs = d ? READ_ONCE(d->refcount) : 0;

	while (refs && !__atomic_compare_exchange_n(&d->refcount, &refs, refs + 1, false, __ATOMIC_SEQ_CST,
						     __ATOMIC_RELAXED))
		;
	return refs ? d : NULL;
}

struct domain *get_domain(domid_t id)
{
	struct domain *d;

	if (id >= MAX_DOMID)
		return NULL;
	spin_lock(&table_lock);
	d = ref_if_alive(domains[index_nospec(id, MAX_DOMID)]);
	spin_unlock(&table_lock);
	return d;
}

struct domain *next_domain(u32 from)
{
	struct domain *d = NULL;

	spin_lock(&table_lock);
	for (; !d && from < domain_ids_end; from++)
		d = ref_if_alive(domains[from]);
	spin_unlock(&table_lock);
	return d;
}

domid_t domain_free_id(void)
{
	static u32 last;

	for (u32 i = 1; i < MAX_DOMID; i++) {
		u32 id = (last + i) % MAX_DOMID;

		if (id && !READ_ONCE(domains[id]))
			return last = id;
	}
	return 0;
}

/* Domains whose last reference has gone: a stack, pushed to by anyone, anywhere, and emptied by domains_reap(). */
static struct domain *dead;

void put_domain(struct domain *d)
{
	if (__atomic_sub_fetch(&d->refcount, 1, __ATOMIC_SEQ_CST))
		return;
	d->next_dead = READ_ONCE(dead);
	while (!__atomic_compare_exchange_n(&dead, &d->next_dead, d, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	set_work(this_cpu(), WORK_REAP);
}

/* Two see that the frames are gone: who frees the last, and who ends the domain. One of them acts on it. */
void domain_frames_gone(struct domain *d)
{
	if (READ_ONCE(d->frames_awaited) && __atomic_exchange_n(&d->frames_awaited, false, __ATOMIC_SEQ_CST))
		put_domain(d);
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

static void vcpu_free(struct vcpu *v)
{
	if (!v)
		return;
	if (v->info_page) /* of a vcpu that was never shown to anyone */
		disown_shared_page(frame_of(v->info_page), v->domain);
	fpu_area_free(v->fpu);
	sched_vcpu_end(v);
	hv_free(v);
}

/* Whatever of it there is. Nobody else can reach it. */
static void domain_free(struct domain *d)
{
	sched_domain_end(d);
	/* One made for it while it ended. */
	(void)page_alloc_claim(&d->claimed_pages, 0);
	if (d->events.bucket)
		events_free(d);
	for (u32 i = 0; d->vcpus && i < d->max_vcpus; i++)
		vcpu_free(d->vcpus[i]);
	grant_table_free(d);
	pv_domain_free(d);
	hv_free(d->vcpus);
	rangeset_free(d->ioports);
	rangeset_free(d->iomem);
	hv_free(d->e820);
	hv_free(d->console_line);
	hv_free(d->policy);
	hv_free(d);
}

struct domain *domain_create(domid_t id, const struct xen_domctl_createdomain *c, bool privileged)
{
	struct domain *d = hv_alloc(sizeof(*d));
	mfn_t info;

	if (!d)
		return NULL;
	d->domain_id = id;
	d->is_privileged = privileged;
	d->is_xenstore = c->flags & XEN_DOMCTL_CDF_xs_domain;
	d->max_vcpus = c->max_vcpus;
	d->refcount = 1;
	d->weight = SCHED_WEIGHT_DEFAULT;
	d->cpupool = c->cpupool_id;
	memcpy(d->handle, c->handle, sizeof(d->handle));
	spin_lock_init(&d->lock, RANK_DOMAIN, "domain");
	spin_lock_init(&d->pirqs.lock, RANK_PIRQ, "pirqs");
	d->vcpus = hv_alloc(d->max_vcpus * sizeof(struct vcpu *));
	d->ioports = rangeset_new();
	d->iomem = rangeset_new();
	info = alloc_pages(0, 0, 0);
	/* The grant table last: what it shares with the domain can be taken back only from one that is in the table. */
	if (mfn_eq(info, INVALID_MFN) || !d->vcpus || !d->ioports || !d->iomem || pv_domain_init(d) || events_init(d, c->max_evtchn_port) ||
	    grant_table_init(d, c->max_grant_frames < 0 ? GRANT_DEFAULT_MAX_FRAMES : (u32)c->max_grant_frames,
			     c->max_maptrack_frames < 0 ? GRANT_DEFAULT_MAX_MAPTRACK : (u32)c->max_maptrack_frames))
		goto fail;
	share_page_with_domain(info, d, true);
	d->shared_info_mfn = info;
	d->shared_info = map_frame(info);
	/* Every upcall starts masked (abi.md 1.4). */
	for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		d->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
	wallclock_publish(d);

	spin_lock(&table_lock);
	domains[id] = d;
	domain_ids_end = max(domain_ids_end, id + 1u);
	spin_unlock(&table_lock);
	return d;
fail:
	if (!mfn_eq(info, INVALID_MFN))
		free_pages(info, 0, false);
	domain_free(d);
	return NULL;
}

/* --- Its end (core/domain_kill.c goes through the steps) ---------------------------------------------- */

void domain_pause(struct domain *d)
{
	__atomic_fetch_add(&d->pause_count, 1, __ATOMIC_SEQ_CST);
	for (u32 i = 0; i < d->max_vcpus; i++)
		if (d->vcpus[i])
			sched_stop(d->vcpus[i]);
}

void domain_unpause(struct domain *d)
{
	if (__atomic_sub_fetch(&d->pause_count, 1, __ATOMIC_SEQ_CST))
		return;
	for (u32 i = 0; i < d->max_vcpus; i++)
		if (d->vcpus[i])
			sched_wake(d->vcpus[i]);
}

bool domain_is_quiet(const struct domain *d)
{
	for (u32 i = 0; i < d->max_vcpus; i++)
		if (d->vcpus[i] && __atomic_load_n(&d->vcpus[i]->loaded, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

void domain_release_machine(struct domain *d)
{
	static u8 nobody[PAGE_SIZE] __aligned(4096);

	watchdogs_end(d);
	pirqs_free(d);
	(void)page_alloc_claim(&d->claimed_pages, 0); /* less is always granted */
	/*
	 * Nobody writes to the domain's memory any more: what walks over all domains, or has found a port before it
	 * was closed, goes on on a page that means nothing.
	 */
	WRITE_ONCE(d->shared_info, (struct shared_info *)nobody);
	for (u32 i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = d->vcpus[i];

		if (!v)
			continue;
		WRITE_ONCE(v->vcpu_info, (struct vcpu_info *)nobody);
		timer_kill(&v->singleshot);
		timer_kill(&v->periodic);
		timer_kill(&v->poll_timer);
	}
	wait_for_readers();
}

void domain_unshare_info(struct domain *d)
{
	disown_shared_page(d->shared_info_mfn, d);
	for (u32 i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = d->vcpus[i];

		if (v && v->info_page) {
			disown_shared_page(frame_of(v->info_page), d);
			v->info_page = NULL;
		}
	}
}

void domains_reap(void)
{
	struct domain *list = __atomic_exchange_n(&dead, NULL, __ATOMIC_SEQ_CST), *d;

	if (!list)
		return;
	/* The id can be had again, and no look-up finds it; who found it before has left after the wait. */
	spin_lock(&table_lock);
	for (d = list; d; d = d->next_dead)
		domains[d->domain_id] = NULL;
	spin_unlock(&table_lock);
	wait_for_readers();
	while ((d = list)) {
		list = d->next_dead;
		domain_free(d);
	}
	/* Its id is gone from all lists: the toolstack may forget it. */
	send_global_virq(dom0, VIRQ_DOM_EXC);
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

		v->vcpu_info = v->info_page = mfn_eq(m, INVALID_MFN) ? NULL : map_frame(m);
		if (v->vcpu_info)
			v->vcpu_info->evtchn_upcall_mask = 1;
	}
	if (!v->fpu || !v->vcpu_info || pv_vcpu_init(v)) {
		vcpu_free(v);
		return NULL;
	}
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
		if (current->domain == d)
			show_guest(current);
	}
	domain_shutdown(d, SHUTDOWN_crash);
}

void domain_fill_l4(struct domain *d, u64 *l4)
{
	fill_hypervisor_slots(l4, d->pv.perdomain_l3_mfn);
	/* The frame may have been another L4 before, of which a CPU has a copy. */
	l4_changed(virt_to_mfn(l4));
}
