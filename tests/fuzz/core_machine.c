// SPDX-License-Identifier: MIT
/*
 * The machine of fuzz_core: four domains of two vcpus, each vcpu on a CPU of its
 * own, on 175 frames of RAM and a few of device memory.
 *
 * Guest addresses go through the vcpu's own page tables, and every table on the
 * way must be one: a frame that the CPU would walk and that is not validated as a
 * table of its level ends the run, and so does a store to a frame that is not of
 * the writable type. Arguments lie outside of that, in scratch memory, so that a
 * guest that has lost its tables can still call.
 *
 * What hypercalls hold on frames is counted where they call page_type.c, by the
 * linker's --wrap. So a reference that is never given back is seen at the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/time.h"
#include "core_fuzz.h"
#include "pv/vcpu_pv.h"

struct hold hold[NFRAMES];
bool shared[NFRAMES];
u8 tlbs[NFRAMES];
struct domain *dom[NDOM];
u32 pirq_port[NR_PIRQS];
u32 calls_running;
struct trouble trouble;
void (*other_vcpu_runs)(void);

static u8 scratch[NCPU][SCRATCH_BYTES];
static u64 allocs_before;
static u32 restarts; /* domains that may still be started in place of dead ones */
static u32 preempt_calls;

u8 *scratch_of(u32 cpu) { return scratch[cpu]; }

/* A place where another CPU may do something in the middle of our hypercall. */
static void let_others(void)
{
	if (!calls_running || trouble.interject < 0 || fake_locks_held() || trouble.interject-- != 0)
		return;
	other_vcpu_runs();
}

bool preempt_check(void)
{
	let_others();
	return trouble.preempt_every && ++preempt_calls % trouble.preempt_every == 0;
}

void wait_for_readers(void)
{
	if (fake_locks_held())
		broken("wait_for_readers() with a lock held");
	let_others();
}

/* --- TLBs: no CPU flushes by itself here --------------------------------------------------- */

void flush_tlb_since(u64 t)
{
	(void)t;
	fake.flushes++;
	memset(tlbs, 0, sizeof(tlbs));
}

void flush_tlb_domain(struct domain *d)
{
	fake.flushes++;
	for (u64 m = 0; m < NFRAMES; m++)
		tlbs[m] &= ~(1u << d->domain_id);
}

/* --- Guest memory ------------------------------------------------------------------------ */

static void *ram(u64 m) { return fake_frame(MFN(m)); }
static u64 entry_frame(u64 e) { return (e & PTE_MFN_MASK) >> PAGE_SHIFT; }

/* The byte at `va`, or NULL where the CPU would fault. */
static u8 *walk(struct vcpu *v, u64 va, bool write)
{
	u64 m = (v->pv.kernel_mode ? v->pv.kernel_cr3 : v->pv.user_cr3) >> PAGE_SHIFT, e;

	if (!m)
		return NULL;
	for (unsigned level = 4; level; level--) {
		u64 type = mfn_to_page(MFN(m))->type;

		if (type >> PGT_type_shift != level || !(type & PGT_validated) || !(type & PGT_count_mask))
			broken("d%uv%u: the CPU walks frame %llx as a table of level %u; type word %llx",
			       v->domain->domain_id, v->vcpu_id, (unsigned long long)m, level, (unsigned long long)type);
		e = ((u64 *)ram(m))[va >> (12 + 9 * (level - 1)) & 511];
		if (!(e & PTE_P) || !(e & PTE_U) || (write && !(e & PTE_RW)))
			return NULL;
		m = entry_frame(e);
		if (m >= HOLE_FIRST)
			return NULL; /* a device, at best */
	}
	if (write && mfn_to_page(MFN(m))->type >> PGT_type_shift != PGT_writable >> PGT_type_shift)
		broken("d%uv%u: %llx maps frame %llx writable; its type word is %llx", v->domain->domain_id, v->vcpu_id,
		       (unsigned long long)va, (unsigned long long)m, (unsigned long long)mfn_to_page(MFN(m))->type);
	return (u8 *)ram(m) + (va & (PAGE_SIZE - 1));
}

static u8 *guest_byte(struct vcpu *v, u64 va, bool write)
{
	u64 base = SCRATCH_BASE + SCRATCH_STRIDE * cpu_of(v);

	if (va - base < SCRATCH_BYTES)
		return scratch[cpu_of(v)] + (va - base);
	if (va - SCRATCH_BASE < SCRATCH_STRIDE * NCPU)
		return NULL;
	return walk(v, va, write);
}

static int copy(u8 *ours, u64 gva, size_t bytes, bool write)
{
	u64 end = gva + bytes;

	let_others();
	if (trouble.copy_faults >= 0 && trouble.copy_faults-- == 0)
		return -EFAULT;
	if (end < gva || (gva < HV_VIRT_END && end > 0x800000000000ULL))
		return -EFAULT;
	while (bytes) {
		size_t n = min(bytes, PAGE_SIZE - (gva & (PAGE_SIZE - 1)));
		u8 *guest = guest_byte(current, gva, write);

		if (!guest)
			return -EFAULT;
		if (write)
			memcpy(guest, ours, n);
		else
			memcpy(ours, guest, n);
		ours += n;
		gva += n;
		bytes -= n;
	}
	return 0;
}

int copy_from_guest(void *dst, u64 gva, size_t bytes) { return copy(dst, gva, bytes, false); }
int copy_to_guest(u64 gva, const void *src, size_t bytes) { return copy((u8 *)src, gva, bytes, true); }

mfn_t frame_of(const void *va)
{
	return MFN((u64)((const u8 *)va - (const u8 *)fake_frame(MFN(0))) / PAGE_SIZE);
}

/* Frames of the guest's that FIFO events and vcpu_info stay in. */
void *get_guest_frame(struct domain *d, gfn_t gfn, bool writable)
{
	if (!(writable ? get_page_writable(MFN(gfn.g), d) : get_page(MFN(gfn.g), d)))
		return NULL;
	let_others();
	return ram(gfn.g);
}

void put_guest_frame(struct domain *d, void *va, bool writable)
{
	if (writable)
		put_page_writable(frame_of(va));
	else
		put_page(frame_of(va));
}

void m2p_set(mfn_t mfn, u64 pfn)
{
	(void)pfn;
	if (!mfn.m || mfn.m >= HOLE_FIRST)
		broken("m2p of frame %llx, which is not RAM", (unsigned long long)mfn.m);
}

/* --- Holds, counted at the call ---------------------------------------------------------------- */

bool __real_get_page(mfn_t mfn, struct domain *d);
void __real_put_page(mfn_t mfn);
bool __real_get_page_writable(mfn_t mfn, struct domain *d);
void __real_put_page_writable(mfn_t mfn);
bool __real_get_page_seg_desc(mfn_t mfn, struct domain *d);
void __real_put_page_seg_desc(mfn_t mfn);
int __real_get_page_table(struct vcpu *v, mfn_t mfn, struct domain *d, unsigned level);
void __real_put_page_table(struct vcpu *v, mfn_t mfn);
void __real_share_page_with_domain(mfn_t mfn, struct domain *d, bool writable);
void __real_disown_shared_page(mfn_t mfn, struct domain *d);
void __wrap_disown_shared_page(mfn_t mfn, struct domain *d);
u32 __real_release_owned_pages(u64 first, struct domain *d);
u32 __wrap_release_owned_pages(u64 first, struct domain *d);
unsigned __real_hold_page_table(mfn_t mfn, struct domain *d);
bool __real_hold_l1_table(mfn_t mfn, struct domain *d);
void __real_release_page_table(struct vcpu *v, mfn_t mfn);
unsigned __wrap_hold_page_table(mfn_t mfn, struct domain *d);
bool __wrap_hold_l1_table(mfn_t mfn, struct domain *d);
void __wrap_release_page_table(struct vcpu *v, mfn_t mfn);
bool __real_release_owned_page(mfn_t mfn, struct domain *d);
bool __wrap_release_owned_page(mfn_t mfn, struct domain *d);
void __real_assign_pages(mfn_t first, u64 nr, struct domain *d);
void __wrap_assign_pages(mfn_t first, u64 nr, struct domain *d);
bool __wrap_get_page(mfn_t mfn, struct domain *d);
void __wrap_put_page(mfn_t mfn);
bool __wrap_get_page_writable(mfn_t mfn, struct domain *d);
void __wrap_put_page_writable(mfn_t mfn);
bool __wrap_get_page_seg_desc(mfn_t mfn, struct domain *d);
void __wrap_put_page_seg_desc(mfn_t mfn);
int __wrap_get_page_table(struct vcpu *v, mfn_t mfn, struct domain *d, unsigned level);
void __wrap_put_page_table(struct vcpu *v, mfn_t mfn);
void __wrap_share_page_with_domain(mfn_t mfn, struct domain *d, bool writable);

static void let_go(u32 *count, mfn_t mfn, const char *what)
{
	if (!*count)
		broken("frame %llx: a %s is given back that nobody has taken", (unsigned long long)mfn.m, what);
	--*count;
}

/* It gives the owner's reference back, which nobody has counted as a hold. */
static bool in_release;

bool __wrap_release_owned_page(mfn_t mfn, struct domain *d)
{
	bool released;

	in_release = true;
	released = __real_release_owned_page(mfn, d);
	in_release = false;
	return released;
}

u32 __wrap_release_owned_pages(u64 first, struct domain *d)
{
	u32 n;

	in_release = true;
	n = __real_release_owned_pages(first, d);
	in_release = false;
	return n;
}

bool __wrap_get_page(mfn_t mfn, struct domain *d)
{
	bool got = __real_get_page(mfn, d);

	if (got && !in_release)
		hold[mfn.m].plain++;
	return got;
}

void __wrap_put_page(mfn_t mfn)
{
	if (!in_release)
		let_go(&hold[mfn.m].plain, mfn, "reference");
	__real_put_page(mfn);
}

bool __wrap_get_page_writable(mfn_t mfn, struct domain *d)
{
	bool got = __real_get_page_writable(mfn, d);

	if (got)
		hold[mfn.m].writable++;
	return got;
}

void __wrap_put_page_writable(mfn_t mfn)
{
	let_go(&hold[mfn.m].writable, mfn, "writable type");
	__real_put_page_writable(mfn);
}

bool __wrap_get_page_seg_desc(mfn_t mfn, struct domain *d)
{
	bool got = __real_get_page_seg_desc(mfn, d);

	if (got)
		hold[mfn.m].desc++;
	return got;
}

void __wrap_put_page_seg_desc(mfn_t mfn)
{
	let_go(&hold[mfn.m].desc, mfn, "descriptor type");
	__real_put_page_seg_desc(mfn);
}

int __wrap_get_page_table(struct vcpu *v, mfn_t mfn, struct domain *d, unsigned level)
{
	int rc = __real_get_page_table(v, mfn, d, level);

	if (!rc)
		hold[mfn.m].table[level]++;
	return rc;
}

unsigned __wrap_hold_page_table(mfn_t mfn, struct domain *d)
{
	unsigned level = __real_hold_page_table(mfn, d);

	if (level)
		hold[mfn.m].table[level]++;
	return level;
}

bool __wrap_hold_l1_table(mfn_t mfn, struct domain *d)
{
	bool held = __real_hold_l1_table(mfn, d);

	if (held)
		hold[mfn.m].table[1]++;
	return held;
}

static void let_go_of_table(mfn_t mfn)
{
	unsigned level = mfn_to_page(mfn)->type >> PGT_type_shift;

	if (level < 1 || level > 4)
		broken("frame %llx is put as a table; type word %llx", (unsigned long long)mfn.m,
		       (unsigned long long)mfn_to_page(mfn)->type);
	let_go(&hold[mfn.m].table[level], mfn, "table");
}

void __wrap_put_page_table(struct vcpu *v, mfn_t mfn)
{
	let_go_of_table(mfn);
	__real_put_page_table(v, mfn);
}

void __wrap_release_page_table(struct vcpu *v, mfn_t mfn)
{
	let_go_of_table(mfn);
	__real_release_page_table(v, mfn);
}

void __wrap_share_page_with_domain(mfn_t mfn, struct domain *d, bool writable)
{
	shared[mfn.m] = true;
	__real_share_page_with_domain(mfn, d, writable);
}

/* A frame that comes to a domain holds nothing of the one that had it before. */
void __wrap_assign_pages(mfn_t first, u64 nr, struct domain *d)
{
	static const u8 zeros[PAGE_SIZE];

	for (u64 i = 0; i < nr; i++) {
		if (memcmp(ram(first.m + i), zeros, PAGE_SIZE))
			broken("frame %llx goes to d%u and is not empty", (unsigned long long)first.m + i, d->domain_id);
		if (tlbs[first.m + i])
			broken("frame %llx goes to d%u and TLBs may know it (domains %x)",
			       (unsigned long long)first.m + i, d->domain_id, tlbs[first.m + i]);
	}
	__real_assign_pages(first, nr, d);
}

void __wrap_disown_shared_page(mfn_t mfn, struct domain *d)
{
	shared[mfn.m] = false;
	hold[mfn.m].writable++; /* what the hypervisor had, which it gives up in there */
	__real_disown_shared_page(mfn, d);
}

/* --- What holds descriptor frames ------------------------------------------------------------- */

/* The real one also maps them for the CPU, pv/vcpu_pv.c. */
HYPERCALL(hc_set_gdt)
{
	struct vcpu *v = current;
	u64 frames[2];
	u32 nr = a2 / 512;

	if (nr > 2 || copy_from_guest(frames, a1, nr * 8))
		return -EFAULT;
	for (u32 i = 0; i < nr; i++) {
		if (get_page_seg_desc(MFN(frames[i]), v->domain))
			continue;
		while (i-- > 0)
			put_page_seg_desc(MFN(frames[i]));
		return -EINVAL;
	}
	for (u32 i = 0; i < 2; i++) {
		if (!mfn_eq(v->pv.gdt_frames[i], INVALID_MFN))
			put_page_seg_desc(v->pv.gdt_frames[i]);
		v->pv.gdt_frames[i] = i < nr ? MFN(frames[i]) : INVALID_MFN;
	}
	return 0;
}

/* --- Machine interrupts ------------------------------------------------------------------------ */

int pirq_bind(struct vcpu *v, u32 pirq, u32 port, bool share)
{
	if (!v->domain->is_privileged || pirq >= NR_PIRQS)
		return -EINVAL;
	if (pirq_port[pirq])
		return -EEXIST;
	pirq_port[pirq] = port;
	return 0;
}

void pirq_unbind(struct domain *d, u32 pirq)
{
	if (d->is_privileged && pirq < NR_PIRQS)
		pirq_port[pirq] = 0;
}

/* --- Beginning and end ---------------------------------------------------------------------------- */

static void must(bool good, const char *what)
{
	if (!good)
		broken("the machine can't be set up: %s", what);
}

/* Tables that map the domain's first frames at 0 and up: one of each level, the L1 with half its frames. */
static void first_tables(struct domain *d, const mfn_t *f)
{
	const u64 flags = PTE_P | PTE_RW | PTE_U;
	struct vcpu *v = d->vcpus[0];

	((u64 *)fake_frame(f[0]))[0] = f[1].m << PAGE_SHIFT | flags;
	((u64 *)fake_frame(f[1]))[0] = f[2].m << PAGE_SHIFT | flags;
	((u64 *)fake_frame(f[2]))[0] = f[3].m << PAGE_SHIFT | flags;
	for (u32 i = 4; i < START_PAGES / 2; i++)
		((u64 *)fake_frame(f[3]))[i] = f[i].m << PAGE_SHIFT | flags;
	/* Domains 2 and 3 must bring up their second vcpu themselves. */
	for (u32 i = 0; i < (d->domain_id < 2 ? NVCPU : 1u); i++) {
		must(!get_page_table(v, f[0], d, 4), "page tables");
		d->vcpus[i]->pv.kernel_cr3 = f[0].m << PAGE_SHIFT;
		d->vcpus[i]->initialised = true;
		d->vcpus[i]->down = false;
	}
}

static void start_domain(u32 id)
{
	struct domain *d = dom[id] = fake_domain(id, NVCPU, !id);
	mfn_t f[START_PAGES];

	d->max_pages = id ? MAX_PAGES : 1000;
	d->iomem = rangeset_new();
	d->ioports = rangeset_new();
	must(d->iomem && d->ioports && !grant_table_init(d, 3, 2), "grants");
	must(id > 1 || !rangeset_add(d->iomem, HOLE_FIRST, HOLE_FIRST + 7), "rights to device memory");
	for (u32 i = 0; i < NVCPU; i++) {
		struct vcpu *v = d->vcpus[i];

		v->processor = cpu_of(v);
		v->down = true;
		v->pv.kernel_mode = 1;
		/* All timers in one heap, to begin with. */
		v->processor = 0;
		vcpu_timers_init(v);
		v->processor = cpu_of(v);
		fake_run_on(v->processor, v);
		for (u32 k = 0; k < GDT_GUEST_FRAMES; k++)
			v->pv.gdt_frames[k] = INVALID_MFN;
	}
	for (u32 i = 0; i < START_PAGES; i++)
		f[i] = fake_give_frame(d);
	first_tables(d, f);
}

void machine_start(void)
{
	fake_reset_frames(NFRAMES);
	page_alloc_add(MFN(1), HOLE_FIRST - 1);
	memset(&fake_cpus, 0, sizeof(fake_cpus));
	memset(hold, 0, sizeof(hold));
	memset(shared, 0, sizeof(shared));
	memset(tlbs, 0, sizeof(tlbs));
	memset(scratch, 0, sizeof(scratch));
	memset(pirq_port, 0, sizeof(pirq_port));
	trouble = (struct trouble){ .copy_faults = -1, .interject = -1 };
	calls_running = preempt_calls = 0;
	restarts = 8;
	pt_job_steps = 1;
	fake.now = 1000000000;
	dom_io = fake_domain(DOMID_IO, 1, false);
	dom_xen = fake_domain(DOMID_XEN, 1, false);
	allocs_before = fake.allocs_live;
	for (u64 m = HOLE_FIRST; m < NFRAMES; m++)
		mfn_to_page(MFN(m))->count = 1 | (u64)DOMID_IO << PGC_owner_shift;
	for (u32 i = 0; i < NDOM; i++)
		start_domain(i);
}

/* --- The end of a domain (core/domain_kill.c) ---------------------------------------------------- */

void domain_release_machine(struct domain *d)
{
	for (u32 i = 0; i < NVCPU; i++) {
		struct vcpu *v = d->vcpus[i];

		v->vcpu_info = &d->shared_info->vcpu_info[i];
		events_poll_end(v);
		timer_kill(&v->singleshot);
		timer_kill(&v->periodic);
	}
	let_others();
}

int pv_vcpu_release(struct vcpu *v)
{
	u64 *base[2] = { &v->pv.kernel_cr3, &v->pv.user_cr3 };

	if (pt_job_resume(current))
		return -ERESTART;
	for (u32 f = 0; f < GDT_GUEST_FRAMES; f++) {
		if (!mfn_eq(v->pv.gdt_frames[f], INVALID_MFN))
			put_page_seg_desc(v->pv.gdt_frames[f]);
		v->pv.gdt_frames[f] = INVALID_MFN;
	}
	for (u32 i = 0; i < 2; i++) {
		u64 was = *base[i];

		*base[i] = 0;
		if (was)
			put_page_table(current, MFN(was >> PAGE_SHIFT));
		if (pt_job_resume(current))
			return -ERESTART;
	}
	return 0;
}

/* As core/domain.c has it. */
void domain_frames_gone(struct domain *d)
{
	if (d->frames_awaited) {
		d->frames_awaited = false;
		d->refcount--;
	}
}

/* Vcpu `killer`, which makes no other call meanwhile, ends domain `d`, none of whose vcpus does. */
void machine_kill(struct domain *d, struct vcpu *killer)
{
	u32 before = fake_cpus.now;
	struct vcpu *was = fake_cpus.info[before].vcpu;

	fake_run_on(cpu_of(killer), killer);
	d->is_dying = true;
	for (u32 i = 0; domain_kill(d); i++)
		if (i == 100000)
			broken("the end of d%u never ends", d->domain_id);
	fake_run_on(before, was);
}

static void start_domain(u32 id);

/* A domain that is gone but for its struct: another one gets its id. */
static void start_again(u32 id)
{
	struct domain *d = dom[id];

	if (d->tot_pages)
		broken("d%u is gone, and %llu frames are its own", id, (unsigned long long)d->tot_pages);
	grant_table_free(d);
	rangeset_free(d->iomem);
	rangeset_free(d->ioports);
	fake_domain_forget(d);
	start_domain(id);
}

void machine_reap(void)
{
	trouble = (struct trouble){ .copy_faults = -1, .interject = -1 };
	fake.alloc_fail_after = -1;
	for (u32 i = 1; i < NDOM; i++)
		if (dom[i]->is_dying && !dom[i]->refcount && restarts && free_page_count() >= 2 * START_PAGES) {
			restarts--;
			start_again(i);
		}
}

void machine_end(void)
{
	static const struct hold nothing;
	struct vcpu *last = dom[0]->vcpus[0];

	trouble = (struct trouble){ .copy_faults = -1, .interject = -1 };
	fake.alloc_fail_after = -1;
	/* dom0's own end is the machine's; here it takes itself apart last. */
	for (u32 i = NDOM; i-- > 0;)
		if (!dom[i]->is_dying)
			machine_kill(dom[i], last);
	for (u64 m = 0; m < NFRAMES; m++)
		if (memcmp(&hold[m], &nothing, sizeof(nothing)))
			broken("frame %llx: %u references, %u writable types are never given back", (unsigned long long)m,
			       hold[m].plain, hold[m].writable);
	check_everything();
	for (u32 i = 0; i < NDOM; i++) {
		if (dom[i]->refcount || dom[i]->tot_pages)
			broken("d%u has %u references and %llu pages at its end", i, dom[i]->refcount,
			       (unsigned long long)dom[i]->tot_pages);
		grant_table_free(dom[i]);
		rangeset_free(dom[i]->iomem);
		rangeset_free(dom[i]->ioports);
		fake_domain_forget(dom[i]);
	}
	if (free_page_count() != HOLE_FIRST - 1)
		broken("%llu frames of %u are free at the end", (unsigned long long)free_page_count(), HOLE_FIRST - 1);
	if (fake.allocs_live != allocs_before)
		broken("%lld allocations of the hypervisor's are never freed", (long long)(fake.allocs_live - allocs_before));
	if (fake.frames_mapped)
		broken("%lld frames stay mapped", (long long)fake.frames_mapped);
}
