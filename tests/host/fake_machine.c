// SPDX-License-Identifier: MIT
/* The seam on the host; see fake_machine.h. */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "fake_machine.h"
#include "pv/page_type.h"

struct fake_machine fake;
struct domain *dom0, *dom_io, *dom_xen;
u64 max_page;
u64 *mfn_present;

static u8 *frames;
static u64 nr_frames;

static u8 guest_space[FAKE_GUEST_PAGES * PAGE_SIZE] __aligned(4096);
static enum { GUEST_RW, GUEST_RO, GUEST_NONE } guest_page[FAKE_GUEST_PAGES];

#define MAX_FAKE_DOMAINS 2048
static struct domain *domains[MAX_FAKE_DOMAINS];
static u32 nr_domains;
static void *owned[MAX_FAKE_DOMAINS * 4]; /* allocations of fake_domain() */
static u32 nr_owned;

static void *own(size_t bytes)
{
	void *p = aligned_alloc(16, ALIGN_UP(bytes, 16));

	if (!p || nr_owned == ARRAY_SIZE(owned))
		abort();
	memset(p, 0, bytes);
	owned[nr_owned++] = p;
	return p;
}

/* --- Set-up --------------------------------------------------------------------------- */

/* The heap of page_alloc.c lives as long as the program: what an earlier machine left free goes. */
static void drain_heap(void)
{
	for (int order = PAGE_ALLOC_MAX_ORDER; order >= 0; order--) {
		while (!mfn_eq(alloc_pages(order, 0, ALLOC_NOSCRUB | ALLOC_NOINFO), INVALID_MFN))
			;
	}
}

static void forget_domains(void)
{
	for (u32 i = 0; i < nr_domains; i++) {
		if (domains[i])
			events_free(domains[i]);
	}
	while (nr_owned)
		free(owned[--nr_owned]);
	nr_domains = 0;
	dom0 = dom_io = dom_xen = NULL;
}

static void *map_zeros(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

void fake_reset_frames(u64 wanted)
{
	forget_domains();
	drain_heap();
	if (frames) {
		munmap(frames, nr_frames * PAGE_SIZE);
		munmap(frame_table, nr_frames * sizeof(*frame_table));
		free(mfn_present);
	}
	nr_frames = wanted;
	frames = map_zeros(wanted * PAGE_SIZE);
	frame_table = map_zeros(wanted * sizeof(*frame_table));
	frame_table_entries = max_page = wanted;
	mfn_present = calloc(BITMAP_WORDS(PFN_UP(wanted << 4)) + 1, sizeof(u64));
	if (!mfn_present)
		abort();
	for (u64 mib = 0; mib << 8 < wanted; mib++)
		bit_set(mfn_present, mib);

	memset(&fake, 0, sizeof(fake));
	fake.preempt_after = fake.alloc_fail_after = -1;
	for (u32 i = 0; i < FAKE_CPUS; i++)
		timer_heap_init(&fake.timers[i], i);
	memset(guest_space, 0, sizeof(guest_space));
	memset(guest_page, 0, sizeof(guest_page));
}

void fake_reset(void)
{
	fake_reset_frames(FAKE_FRAMES);
	page_alloc_add(MFN(1), FAKE_FRAMES - 1);
}

void *fake_frame(mfn_t mfn)
{
	if (mfn.m >= nr_frames)
		hv_panic("frame %llx is not RAM of the fake machine", (unsigned long long)mfn.m);
	return frames + mfn.m * PAGE_SIZE;
}

struct domain *fake_domain(domid_t id, u32 vcpus, bool privileged)
{
	struct domain *d = own(sizeof(*d));

	d->domain_id = id;
	d->is_privileged = privileged;
	d->max_vcpus = vcpus;
	d->refcount = 1;
	d->vcpus = own(vcpus * sizeof(*d->vcpus));
	d->shared_info = own(PAGE_SIZE);
	spin_lock_init(&d->lock, RANK_DOMAIN, "domain");
	if (events_init(d, EVTCHN_MAX_PORTS - 1))
		abort();
	for (u32 i = 0; i < vcpus; i++) {
		struct vcpu *v = own(sizeof(*v));

		v->vcpu_id = i;
		v->domain = d;
		v->vcpu_info = i < XEN_LEGACY_MAX_VCPUS ? &d->shared_info->vcpu_info[i] : own(64);
		events_vcpu_init(v);
		d->vcpus[i] = v;
	}
	domains[nr_domains++] = d;
	if (privileged)
		dom0 = d;
	return d;
}

void fake_domain_forget(struct domain *d)
{
	for (u32 i = 0; i < nr_domains; i++) {
		if (domains[i] == d) {
			events_free(d);
			domains[i] = NULL;
		}
	}
}

mfn_t fake_give_frame(struct domain *d)
{
	mfn_t mfn = alloc_pages(0, 0, 0);

	if (mfn_eq(mfn, INVALID_MFN))
		abort();
	assign_pages(mfn, 1, d);
	return mfn;
}

/* --- Memory ------------------------------------------------------------------------------- */

FAKE_HOOK void *map_frame(mfn_t mfn)
{
	fake.frames_mapped++;
	return fake_frame(mfn);
}

FAKE_HOOK void unmap_frame(const void *va)
{
	(void)va;
	fake.frames_mapped--;
}

FAKE_HOOK void *get_guest_frame(struct domain *d, gfn_t gfn, bool writable)
{
	if (gfn.g >= nr_frames)
		return NULL;
	if (writable ? !get_page_writable(MFN(gfn.g), d) : !get_page(MFN(gfn.g), d))
		return NULL;
	fake.guest_frames_held++;
	return fake_frame(MFN(gfn.g));
}

FAKE_HOOK void put_guest_frame(struct domain *d, void *va, bool writable)
{
	mfn_t mfn = MFN((u64)((u8 *)va - frames) / PAGE_SIZE);

	(void)d;
	if ((uintptr_t)va % PAGE_SIZE)
		hv_panic("put_guest_frame of %p, which is no page", va);
	fake.guest_frames_held--;
	if (writable)
		put_page_writable(mfn);
	else
		put_page(mfn);
}

void *fake_guest(u64 gva)
{
	if (gva < FAKE_GUEST_BASE || gva - FAKE_GUEST_BASE >= sizeof(guest_space))
		hv_panic("guest address %llx is outside the fake address space", (unsigned long long)gva);
	return guest_space + (gva - FAKE_GUEST_BASE);
}

void fake_guest_unmap(u64 gva) { guest_page[(gva - FAKE_GUEST_BASE) / PAGE_SIZE] = GUEST_NONE; }
void fake_guest_readonly(u64 gva) { guest_page[(gva - FAKE_GUEST_BASE) / PAGE_SIZE] = GUEST_RO; }

static bool guest_range_ok(u64 gva, size_t bytes, bool write)
{
	if (!bytes)
		return true;
	if (gva < FAKE_GUEST_BASE || bytes > sizeof(guest_space) || gva - FAKE_GUEST_BASE > sizeof(guest_space) - bytes)
		return false;
	for (u64 p = (gva - FAKE_GUEST_BASE) / PAGE_SIZE; p <= (gva - FAKE_GUEST_BASE + bytes - 1) / PAGE_SIZE; p++) {
		if (guest_page[p] == GUEST_NONE || (write && guest_page[p] == GUEST_RO))
			return false;
	}
	return true;
}

FAKE_HOOK int copy_from_guest(void *dst, u64 gva, size_t bytes)
{
	if (!guest_range_ok(gva, bytes, false))
		return -EFAULT;
	memcpy(dst, guest_space + (gva - FAKE_GUEST_BASE), bytes);
	return 0;
}

FAKE_HOOK int copy_to_guest(u64 gva, const void *src, size_t bytes)
{
	if (!guest_range_ok(gva, bytes, true))
		return -EFAULT;
	memcpy(guest_space + (gva - FAKE_GUEST_BASE), src, bytes);
	return 0;
}

FAKE_HOOK void *hv_alloc(size_t bytes)
{
	void *p;

	if (fake.alloc_fail_after >= 0 && fake.alloc_fail_after-- == 0)
		return NULL;
	p = aligned_alloc(16, ALIGN_UP(bytes, 16));
	if (!p)
		abort();
	memset(p, 0, bytes);
	__atomic_fetch_add(&fake.allocs_live, 1, __ATOMIC_RELAXED);
	return p;
}

FAKE_HOOK void hv_free(void *p)
{
	if (p)
		__atomic_fetch_sub(&fake.allocs_live, 1, __ATOMIC_RELAXED);
	free(p);
}

/* --- Time, CPUs, domains ---------------------------------------------------------------------- */

FAKE_HOOK u64 now_ns(void) { return fake.now; }

FAKE_HOOK void vcpu_kick(struct vcpu *v)
{
	__atomic_fetch_add(&fake.kicks, 1, __ATOMIC_RELAXED);
	fake.last_kicked = v;
	if (fake.on_kick)
		fake.on_kick(v);
}

FAKE_HOOK void sched_event_sent(struct vcpu *v)
{
	fake.sent_with_rivals = v->sent_to;
}

FAKE_HOOK void flush_tlb_domain(struct domain *d)
{
	(void)d;
	fake.flushes++;
}

/* Here no CPU has flushed by itself: every call is one. */
FAKE_HOOK u64 tlb_clock(void) { return fake.flushes; }

FAKE_HOOK void flush_tlb_since(u64 t)
{
	(void)t;
	fake.flushes++;
}

FAKE_HOOK bool preempt_check(void)
{
	return fake.preempt_after >= 0 && fake.preempt_after-- == 0;
}

FAKE_HOOK void wait_for_readers(void)
{
	if (fake_locks_held())
		hv_panic("wait_for_readers() with a lock held");
	fake.grace_periods++;
}

FAKE_HOOK struct timer_heap *timer_heap_of(u32 cpu) { return &fake.timers[cpu]; }

FAKE_HOOK void timer_reprogram(u32 cpu)
{
	if (fake_locks_held())
		hv_panic("timer_reprogram() with a lock held");
	__atomic_fetch_add(&fake.reprograms[cpu], 1, __ATOMIC_RELAXED);
}

FAKE_HOOK struct domain *get_domain(domid_t id)
{
	for (u32 i = 0; i < nr_domains && id < MAX_DOMID; i++) {
		if (domains[i] && domains[i]->domain_id == id) {
			__atomic_fetch_add(&domains[i]->refcount, 1, __ATOMIC_SEQ_CST);
			return domains[i];
		}
	}
	return NULL;
}

FAKE_HOOK void put_domain(struct domain *d)
{
	if (fake_locks_held())
		hv_panic("put_domain() with a lock held");
	if (!__atomic_fetch_sub(&d->refcount, 1, __ATOMIC_SEQ_CST))
		hv_panic("domain %u: reference count below 0", d->domain_id);
}

FAKE_HOOK mfn_t frame_of(const void *va) { return MFN((u64)((const u8 *)va - (const u8 *)fake_frame(MFN(0))) / PAGE_SIZE); }

FAKE_HOOK void domain_frames_gone(struct domain *d) { (void)d; }

FAKE_HOOK struct domain *domain_of_owner(domid_t id)
{
	for (u32 i = 0; i < nr_domains; i++) {
		if (domains[i] && domains[i]->domain_id == id)
			return domains[i];
	}
	return NULL;
}

/* --- What other modules supply ------------------------------------------------------------------- */

FAKE_HOOK int pirq_bind(struct vcpu *v, u32 pirq, u32 port, bool share)
{
	(void)v, (void)pirq, (void)port, (void)share;
	fake.pirq_bound += !fake.pirq_rc;
	return fake.pirq_rc;
}

FAKE_HOOK void pirq_unbind(struct domain *d, u32 pirq)
{
	(void)d, (void)pirq;
	fake.pirq_unbound++;
}

FAKE_HOOK int grant_host_map(struct vcpu *v, u64 host_addr, mfn_t frame, u32 flags)
{
	(void)v, (void)host_addr, (void)frame, (void)flags;
	fake.grant_ptes += !fake.grant_map_status;
	return fake.grant_map_status;
}

FAKE_HOOK int grant_host_unmap(struct vcpu *v, u64 host_addr, mfn_t frame, u32 flags)
{
	(void)v, (void)host_addr, (void)frame, (void)flags;
	fake.grant_ptes -= !fake.grant_unmap_status;
	return fake.grant_unmap_status;
}

FAKE_HOOK void domain_fill_l4(struct domain *d, u64 *l4) { (void)d, (void)l4; }
FAKE_HOOK void m2p_set(mfn_t mfn, u64 pfn) { (void)mfn, (void)pfn; }
FAKE_HOOK bool io_frame_readonly(mfn_t mfn) { (void)mfn; return false; }
FAKE_HOOK void l4_changed(mfn_t l4) { (void)l4; }

/* --- People ---------------------------------------------------------------------------------------- */

static void keep_log(const char *fmt, va_list ap)
{
	vsnprintf(fake.log, sizeof(fake.log), fmt, ap);
	fake.logs++;
}

FAKE_HOOK void hv_log(enum log_level lvl, const char *fmt, ...)
{
	va_list ap;

	(void)lvl;
	va_start(ap, fmt);
	keep_log(fmt, ap);
	va_end(ap);
}

FAKE_HOOK void guest_log(const struct domain *d, enum log_level lvl, const char *fmt, ...)
{
	va_list ap;

	(void)d, (void)lvl;
	va_start(ap, fmt);
	keep_log(fmt, ap);
	va_end(ap);
}

FAKE_HOOK void domain_crash(struct domain *d, const char *fmt, ...)
{
	va_list ap;

	if (d->crash_noted)
		return;
	d->crash_noted = true;
	va_start(ap, fmt);
	vsnprintf(d->crash_reason, sizeof(d->crash_reason), fmt, ap);
	va_end(ap);
}

static __thread const spinlock_t *held[16];
static __thread u32 nr_held;

FAKE_HOOK void __noreturn hv_panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fake.panic, sizeof(fake.panic), fmt, ap);
	va_end(ap);
	nr_held = 0;
	if (fake.panic_expected)
		longjmp(fake.panic_exit, 1);
	fprintf(stderr, "hypervisor panic: %s\n", fake.panic);
	abort();
}

/* --- Locks -------------------------------------------------------------------------------------------- */

FAKE_HOOK void spin_wait(void) { sched_yield(); }

u32 fake_locks_held(void) { return nr_held; }

void lock_rank_enter(const spinlock_t *l)
{
	if (nr_held && held[nr_held - 1]->rank >= l->rank)
		hv_panic("lock %s (rank %u) taken while %s (rank %u) is held", l->name, l->rank,
			 held[nr_held - 1]->name, held[nr_held - 1]->rank);
	if (nr_held == ARRAY_SIZE(held))
		hv_panic("too many locks held");
	held[nr_held++] = l;
}

void lock_rank_leave(const spinlock_t *l)
{
	if (!nr_held || held[nr_held - 1] != l)
		hv_panic("lock %s released, but it is not the last one taken", l->name);
	nr_held--;
}
