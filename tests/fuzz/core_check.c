// SPDX-License-Identifier: MIT
/*
 * What must be true of the machine between two hypercalls, whatever guests do:
 *
 *  1. Each frame's references and type counts are those that the page tables that
 *     are reached, pins, jobs and callers' holds amount to. Then none is lost and
 *     none too many, no frame is used as two things, and so no table or descriptor
 *     page is mapped writable anywhere.
 *  2. A frame has one owner or is free; owners' counts of pages are right.
 *  3. A mapping of another domain's frame in an unprivileged domain's table does not
 *     outlive the grant it came from: there are as many holds on the frame.
 *  4. An interdomain port's peer leads back to it; a VIRQ's and a pirq's number has
 *     the port that names it; port 0 is closed.
 *  5. A frame that comes to a domain is empty, and no TLB knows it from before
 *     (core_machine.c asks when it comes).
 *  6. Timer heaps are heaps, and hold the timers that say they are in them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core_fuzz.h"

void broken(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "invariant broken: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	abort();
}

/* --- Frames --------------------------------------------------------------------------------- */

enum { USE_NONE, USE_L1, USE_L2, USE_L3, USE_L4, USE_DESC, USE_WRITABLE };

static struct expect {
	u32 refs, types, use;
	u32 foreign_ro, foreign_rw; /* entries in unprivileged domains' tables that map another's frame */
	bool job, walked;
} expect[NFRAMES];

static u64 todo[NFRAMES * 8];
static u32 nr_todo;

static bool is_ram(u64 m) { return m && m < HOLE_FIRST; }
static struct page_info *info(u64 m) { return mfn_to_page(MFN(m)); }
static u64 refs_of(u64 m) { return info(m)->count & PGC_count_mask; }
static u64 types_of(u64 m) { return info(m)->type & PGT_count_mask; }
static u32 use_of(u64 m) { return info(m)->type >> PGT_type_shift; }

#define FRAME_BROKEN(m, what)                                                                              \
	broken("frame %llx: %s (count word %llx, type word %llx; expected %u references, %u of type %u)",     \
	       (unsigned long long)(m), what, (unsigned long long)info(m)->count,                             \
	       (unsigned long long)info(m)->type, expect[m].refs, expect[m].types, expect[m].use)

/* `n` counts of a use; all of a type's counts share one reference. */
static void use_frame(u64 m, u32 use, u32 n)
{
	struct expect *x = &expect[m];

	if (!n)
		return;
	if (!is_ram(m))
		broken("frame %llx is used as %u and is not RAM", (unsigned long long)m, use);
	if (x->types && x->use != use)
		FRAME_BROKEN(m, "used as two things");
	x->refs += !x->types;
	x->use = use;
	x->types += n;
	if (use <= USE_L4 && !x->walked) {
		x->walked = true;
		todo[nr_todo++] = m;
	}
}

static void l1_entry(u64 table, u64 e)
{
	u64 m = (e & PTE_MFN_MASK) >> PAGE_SHIFT;

	if (!is_ram(m))
		return;
	tlbs[m] |= 1u << page_owner(info(table));
	if (page_owner(info(m)) != page_owner(info(table)) && page_owner(info(table))) {
		expect[m].foreign_rw += !!(e & PTE_RW);
		expect[m].foreign_ro += !(e & PTE_RW);
	}
	if (e & PTE_RW)
		use_frame(m, USE_WRITABLE, 1);
	else
		expect[m].refs++;
}

/* What the entries of a table below `end` hold. */
static void walk_table(u64 table, u32 level, u32 end)
{
	const u64 *t = fake_frame(MFN(table));

	for (u32 i = 0; i < end; i++) {
		u64 e = t[i], m = (e & PTE_MFN_MASK) >> PAGE_SHIFT;

		if (!(e & PTE_P) || (level == 4 && i >= HV_SLOT_FIRST && i <= HV_SLOT_LAST))
			continue;
		if (!(e & PTE_U))
			FRAME_BROKEN(table, "has an entry that the guest itself can't use");
		if (level == 1) {
			l1_entry(table, e);
			continue;
		}
		if (!is_ram(m) || page_owner(info(m)) != page_owner(info(table)))
			FRAME_BROKEN(table, "has an entry that leads to what is no table of its owner");
		use_frame(m, level - 1, 1);
	}
}

static void count_job(const struct pt_job *job)
{
	for (u32 i = 0; i < job->depth; i++) {
		u64 m = job->frame[i].mfn;
		u32 level = use_of(m);

		expect[m].job = expect[m].walked = true;
		/* A parent that is being promoted counts it; else the job does. */
		if (!i || job->frame[i - 1].undo)
			use_frame(m, level, 1);
		walk_table(m, level, job->frame[i].next);
	}
	for (u32 i = 0; i < job->nr_later; i++)
		use_frame(job->later[i], use_of(job->later[i]), 1);
	if (job->root_state == ROOT_DONE && !job->root_rc)
		use_frame(job->root, use_of(job->root), 1);
}

static void count_frame(u64 m)
{
	const struct page_info *pg = info(m);
	const struct hold *h = &hold[m];
	struct expect *x = &expect[m];

	if (!refs_of(m) || page_owner(pg) >= NDOM)
		return;
	x->refs += !!(pg->count & PGC_allocated) + h->plain;
	/* The hypervisor's own hold keeps what it shares writable. */
	use_frame(m, USE_WRITABLE, shared[m]);
	use_frame(m, USE_WRITABLE, h->writable);
	use_frame(m, USE_DESC, h->desc);
	for (u32 level = 1; level <= 4; level++)
		use_frame(m, level, h->table[level]);
	if (pg->type & PGT_pinned)
		use_frame(m, use_of(m), 1);
}

static void compare_frame(u64 m, u32 *in_use)
{
	const struct expect *x = &expect[m];
	const struct page_info *pg = info(m);
	domid_t owner = page_owner(pg);

	if (owner >= NDOM || !refs_of(m)) {
		if (x->refs || x->types)
			FRAME_BROKEN(m, "held, and it belongs to nobody");
		return;
	}
	++*in_use;
	if (refs_of(m) != x->refs)
		FRAME_BROKEN(m, "wrong number of references");
	if (types_of(m) != x->types)
		FRAME_BROKEN(m, "wrong number of uses");
	if (x->types && (use_of(m) != x->use || (pg->type & PGT_owner_mask) >> PGT_owner_shift != owner))
		FRAME_BROKEN(m, "wrong type, or owner of the type");
	if (!!(pg->type & PGT_validated) != (x->types && !x->job))
		FRAME_BROKEN(m, "wrongly validated or not");
	if (x->job && x->types != 1)
		FRAME_BROKEN(m, "shared while in a job's hands");
	if (x->foreign_rw > hold[m].writable || x->foreign_ro + x->foreign_rw > hold[m].writable + hold[m].plain)
		FRAME_BROKEN(m, "mapped by another domain without a grant");
}

static void check_frames(void)
{
	u32 in_use = 0, nr_shared = 0;

	memset(expect, 0, sizeof(expect));
	nr_todo = 0;
	for (u32 d = 0; d < NDOM; d++)
		for (u32 i = 0; i < NVCPU; i++)
			count_job(&dom[d]->vcpus[i]->pv.job);
	for (u64 m = 1; m < HOLE_FIRST; m++)
		count_frame(m);
	while (nr_todo) {
		u64 m = todo[--nr_todo];

		if (!expect[m].job)
			walk_table(m, expect[m].use, 512);
	}
	for (u64 m = 1; m < HOLE_FIRST; m++) {
		compare_frame(m, &in_use);
		nr_shared += shared[m];
	}
	if (in_use + free_page_count() != HOLE_FIRST - 1)
		broken("%u frames in use and %llu free of %u", in_use, (unsigned long long)free_page_count(),
		       HOLE_FIRST - 1);
	/* Grant frames stay mapped. */
	if (fake.frames_mapped != nr_shared)
		broken("%lld frames stay mapped, not %u", (long long)fake.frames_mapped, nr_shared);
}

static void check_domain_pages(const struct domain *d)
{
	u64 pages = 0;
	u32 tables = 0;

	for (u64 m = 1; m < HOLE_FIRST; m++)
		pages += page_owner(info(m)) == d->domain_id && refs_of(m) && !shared[m];
	if (pages != d->tot_pages)
		broken("d%u owns %llu pages and counts %llu", d->domain_id, (unsigned long long)pages,
		       (unsigned long long)d->tot_pages);
	if (d->tot_pages > d->max_pages && !d->is_dying)
		broken("d%u has %llu pages of %llu", d->domain_id, (unsigned long long)d->tot_pages,
		       (unsigned long long)d->max_pages);
	for (u32 i = 0; i < NVCPU; i++) {
		const struct pv_vcpu *pv = &d->vcpus[i]->pv;

		tables += !!pv->kernel_cr3 + !!pv->user_cr3;
		if (pv->kernel_cr3 && !hold[pv->kernel_cr3 >> PAGE_SHIFT].table[4])
			broken("d%uv%u runs on a table that it does not hold", d->domain_id, i);
		if (pv->user_cr3 && !hold[pv->user_cr3 >> PAGE_SHIFT].table[4])
			broken("d%uv%u's user runs on a table that it does not hold", d->domain_id, i);
	}
	for (u64 m = 1; m < HOLE_FIRST; m++)
		if (page_owner(info(m)) == d->domain_id && refs_of(m))
			tables -= hold[m].table[4];
	if (tables)
		broken("d%u: its vcpus run on another number of tables than are held for them", d->domain_id);
}

/* --- Events ------------------------------------------------------------------------------------ */

/* What core/event_channel.h says of a link word. */
static u32 link_state(u64 link) { return link >> 17 & 7; }
static u32 link_port(u64 link) { return link & 0x1ffff; }
static u64 link_value(u64 link) { return link >> 20; }

static bool per_vcpu(u64 virq)
{
	return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

static void check_peer(const struct domain *d, u32 port, u64 link)
{
	const struct domain *peer = NULL;
	const struct evtchn *other;

	for (u32 i = 0; i < NDOM; i++)
		if ((u64)(uintptr_t)dom[i] << 16 >> 20 == link >> 20)
			peer = dom[i];
	if (!peer)
		broken("d%u port %u: its peer is no domain; link word %llx", d->domain_id, port, (unsigned long long)link);
	other = evtchn_of(peer, link_port(link));
	if (!other || link_state(other->link) != EVTCHNSTAT_interdomain || link_port(other->link) != port ||
	    other->link >> 20 != (u64)(uintptr_t)d << 16 >> 20)
		broken("d%u port %u: its peer, d%u port %u, does not lead back (link word %llx)", d->domain_id, port,
		       peer->domain_id, link_port(link), other ? (unsigned long long)other->link : 0);
}

static void check_port(const struct domain *d, u32 port, const struct evtchn *chn)
{
	u64 value = link_value(chn->link);

	if (chn->notify_vcpu >= NVCPU || chn->priority > EVTCHN_FIFO_PRIORITY_MIN)
		broken("d%u port %u: vcpu %u, priority %u", d->domain_id, port, chn->notify_vcpu, chn->priority);
	switch (link_state(chn->link)) {
	case EVTCHNSTAT_closed:
	case EVTCHNSTAT_unbound:
	case EVTCHNSTAT_ipi:
		break;
	case EVTCHNSTAT_interdomain:
		check_peer(d, port, chn->link);
		break;
	case EVTCHNSTAT_virq:
		if (value >= NR_VIRQS ||
		    (per_vcpu(value) ? d->vcpus[chn->notify_vcpu]->virq_port[value] : d->virq_port[value]) != port)
			broken("d%u port %u: VIRQ %llu has another port", d->domain_id, port, (unsigned long long)value);
		break;
	case EVTCHNSTAT_pirq:
		if (!d->is_privileged || value >= NR_PIRQS || pirq_port[value] != port)
			broken("d%u port %u: pirq %llu has another port", d->domain_id, port, (unsigned long long)value);
		break;
	default:
		broken("d%u port %u: link word %llx", d->domain_id, port, (unsigned long long)chn->link);
	}
}

/* A number's port is the one whose link names the number. */
static void check_number(const struct domain *d, u32 port, u32 state, u32 number)
{
	const struct evtchn *chn = port ? evtchn_of(d, port) : NULL;

	if (port && (!chn || link_state(chn->link) != state || link_value(chn->link) != number))
		broken("d%u: number %u has port %u, which is not its own", d->domain_id, number, port);
}

static void check_events(const struct domain *d)
{
	u32 used = evtchn_next_used(d, 1);

	for (u32 port = 0; port < d->events.nr_ports; port++) {
		const struct evtchn *chn = evtchn_of(d, port);
		bool open = link_state(chn->link) != EVTCHNSTAT_closed;

		if (open != (port && port == used))
			broken("d%u port %u is %s and marked otherwise", d->domain_id, port, open ? "open" : "closed");
		if (open) {
			check_port(d, port, chn);
			used = evtchn_next_used(d, port + 1);
		}
	}
	for (u32 virq = 0; virq < NR_VIRQS; virq++) {
		check_number(d, d->virq_port[virq], EVTCHNSTAT_virq, virq);
		for (u32 i = 0; i < NVCPU; i++)
			check_number(d, d->vcpus[i]->virq_port[virq], EVTCHNSTAT_virq, virq);
	}
	if (d->is_privileged)
		for (u32 pirq = 0; pirq < NR_PIRQS; pirq++)
			check_number(d, pirq_port[pirq], EVTCHNSTAT_pirq, pirq);
}

/* --- Timers --------------------------------------------------------------------------------------- */

static u32 count_timers(const struct timer *first, const struct timer *above, u64 earliest, u32 cpu)
{
	const struct timer *prev = above;
	u32 n = 0;

	for (const struct timer *t = first; t; prev = t, t = t->next) {
		if (t->expires < earliest || t->prev != prev || t->state != TIMER_QUEUED || t->cpu != cpu)
			broken("the timers of CPU %u are no heap", cpu);
		n += 1 + count_timers(t->child, t, t->expires, cpu);
	}
	return n;
}

static void check_timers(void)
{
	u32 queued = 0, found = 0;

	for (u32 i = 0; i < NCPU; i++) {
		const struct vcpu *v = dom[i / NVCPU]->vcpus[i % NVCPU];

		found += count_timers(fake.timers[i].root, NULL, 0, i);
		queued += timer_is_set(&v->singleshot) + timer_is_set(&v->periodic);
	}
	if (found != queued)
		broken("%u timers are set and %u are in the heaps", queued, found);
}

void check_everything(void)
{
	if (fake_locks_held())
		broken("a lock is held");
	check_frames();
	for (u32 i = 0; i < NDOM; i++) {
		check_domain_pages(dom[i]);
		check_events(dom[i]);
		if ((dom[i]->refcount < 1 && !dom[i]->is_dying) || dom[i]->refcount > 10000)
			broken("d%u has %u references", i, dom[i]->refcount);
	}
	check_timers();
}
