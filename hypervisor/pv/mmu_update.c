// SPDX-License-Identifier: MIT
/*
 * The hypercalls by which a PV guest changes its page tables: mmu_update,
 * update_va_mapping and mmuext_op.
 *
 * This file finds entries, flushes TLBs and continues long calls; what may be
 * written is decided in page_type.c. A call first finishes what an interrupted
 * one left (pt_job_resume) and last lets go of what it held for its repetition
 * (pt_job_settle).
 *
 * Foreign domains: dom0 maps other domains' frames by naming them in foreigndom;
 * core/access.c says who may.
 */
#include "core/access.h"
#include "core/hypercall.h"
#include "lib/string.h"
#include "pv/vcpu_pv.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/extable.h"
#include "x86/guest_copy.h"
#include "x86/paging.h"
#include "x86/tlb.h"
#include "xen/xen.h"

/* mmu_update counts 32 bits of requests; the guest never sees ours above them. */
#define MMU_UPDATE_CONTINUED (1ULL << 63) /* in our repeated count: *done was begun */

/* Domain `id`; with a reference unless it is the caller, whom put_domains() leaves alone however it was named. */
static struct domain *domain_named(struct domain *self, domid_t id)
{
	return id == DOMID_SELF || id == self->domain_id ? self : get_domain(id);
}

/* Whose frames entries may name, and whose tables are changed: foreigndom's two halves (abi.md 2.7). */
static int find_others(struct domain *self, u64 foreigndom, struct domain **pt_owner, struct domain **pg_owner)
{
	domid_t pg = foreigndom & 0xffff, pt = foreigndom >> 16 & 0xffff;

	if (pt) {
		*pt_owner = domain_named(self, pt - 1);
		if (!*pt_owner)
			return -ESRCH;
		if (*pt_owner != self && !access_foreign_map(self, *pt_owner)) {
			hypercall_target_put(*pt_owner);
			return -EPERM;
		}
	}
	if (pg == DOMID_SELF)
		return 0;
	*pg_owner = pg == DOMID_IO ? dom_io : pg == DOMID_XEN ? dom_xen : domain_named(self, pg);
	if (!*pg_owner || !access_foreign_map(self, *pg_owner)) {
		int rc = *pg_owner ? -EPERM : -ESRCH;

		if (*pg_owner)
			hypercall_target_put(*pg_owner);
		if (*pt_owner != self)
			hypercall_target_put(*pt_owner);
		return rc;
	}
	return 0;
}

static inline int find_domains(struct domain *self, u64 foreigndom, struct domain **pt_owner,
			       struct domain **pg_owner)
{
	*pt_owner = *pg_owner = self;
	return likely(foreigndom == DOMID_SELF) ? 0 : find_others(self, foreigndom, pt_owner, pg_owner);
}

static inline void put_domains(struct domain *self, struct domain *pt_owner, struct domain *pg_owner)
{
	if (unlikely(pg_owner != self))
		hypercall_target_put(pg_owner);
	if (unlikely(pt_owner != self))
		hypercall_target_put(pt_owner);
}

/* Page-table work of an earlier call is left, and could not be ended now. */
static inline bool job_remains(struct vcpu *v)
{
	return unlikely(v->pv.job.depth) && pt_job_resume(v);
}

/* Lets go of what the job held for the repetition of its call. */
static inline void settle_job(struct vcpu *v)
{
	if (unlikely(v->pv.job.root_state != ROOT_NONE))
		pt_job_settle(v);
}

/*
 * The L1 table that a batch of updates is at: held from one update to the next,
 * since most batches go through one table.
 */
struct held_table {
	mfn_t mfn;
	bool held;
};

static inline void let_go(struct vcpu *v, struct held_table *h)
{
	if (h->held)
		release_page_table(v, h->mfn);
	h->held = false;
}

/* Not a table now: a plain store, as Linux does to tables it has not pinned yet. */
static int store_plain(u64 ptr, u64 val, struct domain *d)
{
	mfn_t mfn = MFN(ptr >> PAGE_SHIFT);
	u64 *entry;

	if (!get_page_writable(mfn, d))
		return -EINVAL;
	entry = (u64 *)((char *)map_frame(mfn) + (ptr & (PAGE_SIZE - 1) & ~7ULL));
	WRITE_ONCE(*entry, val);
	unmap_frame(entry);
	put_page_writable(mfn);
	return 0;
}

/* One MMU_NORMAL_PT_UPDATE or MMU_PT_UPDATE_PRESERVE_AD. */
static inline __attribute__((always_inline)) int update_one(struct vcpu *v, u64 ptr, u64 val, bool keep_ad, struct domain *pt_owner,
							    struct domain *pg_owner, struct held_table *h)
{
	mfn_t mfn = MFN(ptr >> PAGE_SHIFT);
	unsigned level = 1;
	u64 *entry;
	int rc;

	if (!h->held || !mfn_eq(h->mfn, mfn)) {
		let_go(v, h);
		level = hold_page_table(mfn, pt_owner);
		if (unlikely(!level))
			return store_plain(ptr, val, pt_owner);
		*h = (struct held_table){ mfn, true };
	}
	entry = (u64 *)((char *)map_frame(mfn) + (ptr & (PAGE_SIZE - 1) & ~7ULL));
	if (likely(level == 1)) {
		rc = mod_l1_entry(v, entry, val, keep_ad, pt_owner, pg_owner);
	} else {
		/* A hold on a higher table could become the last one and start a job: not longer than needed. */
		rc = pg_owner != pt_owner ? -EPERM :
					    mod_table_entry(v, entry, mfn, val, keep_ad, level, pt_owner);
		let_go(v, h);
	}
	unmap_frame(entry);
	return rc;
}

static int machphys_one(u64 ptr, u64 pfn, struct domain *d)
{
	mfn_t mfn = MFN(ptr >> PAGE_SHIFT);

	if (d == dom_io || d == dom_xen || !get_page(mfn, d))
		return -EINVAL;
	m2p_set(mfn, pfn);
	put_page(mfn);
	return 0;
}

/* Tells how many requests are done, in all parts of a continued call together. */
static int report_done(u64 gva, u32 done, u64 count_arg)
{
	u32 total = 0;

	if ((count_arg & MMU_UPDATE_CONTINUED) && copy_from_guest(&total, gva, 4))
		return -EFAULT;
	total += done;
	return copy_to_guest(gva, &total, 4);
}

/* The request at `gva`. */
static inline int read_request(u64 gva, u64 *ptr, u64 *val)
{
	guest_window_open();
	guest_get(*ptr, gva, offsetof(struct mmu_update, ptr), unreadable);
	guest_get(*val, gva, offsetof(struct mmu_update, val), unreadable);
	guest_window_close();
	return 0;
unreadable:
	return -EFAULT;
}

static inline __attribute__((always_inline)) long mmu_updates(struct vcpu *v, u64 gva, u64 count_arg, u64 done_gva,
							      struct domain *pt_owner, struct domain *pg_owner)
{
	struct held_table held = { .held = false };
	u64 count = (u32)count_arg, done = 0, ptr, val;
	int rc = 0;

	if (unlikely(!guest_range_ok(gva, count * sizeof(struct mmu_update))))
		rc = -EFAULT;
	while (done < count && likely(!rc)) {
		rc = read_request(gva, &ptr, &val);
		if (unlikely(rc))
			break;
		/* "Not translated", the fourth kind, is what every frame number of a PV guest is. */
		if (likely((ptr & 3) != MMU_MACHPHYS_UPDATE))
			rc = update_one(v, ptr, val, (ptr & 3) == MMU_PT_UPDATE_PRESERVE_AD, pt_owner, pg_owner, &held);
		else
			rc = machphys_one(ptr, val, pg_owner);
		if (unlikely(rc))
			break;
		done++;
		gva += sizeof(struct mmu_update);
		if (!(done & 15) && done < count && preempt_check())
			rc = -ERESTART;
	}
	let_go(v, &held);
	put_domains(v->domain, pt_owner, pg_owner);
	settle_job(v);
	if (done_gva && report_done(done_gva, done, count_arg))
		return -EFAULT;
	/* An unfinished demotion needs the vcpu to come back, with nothing else left to do perhaps. */
	if (unlikely(rc == -ERESTART || v->pv.job.depth))
		return hypercall_continue(2, gva, (count - done) | MMU_UPDATE_CONTINUED, 0, 0);
	return rc;
}

static __attribute__((noinline)) long mmu_updates_foreign(struct vcpu *v, u64 gva, u64 count_arg, u64 done_gva,
							  u64 foreigndom)
{
	struct domain *pt_owner = v->domain, *pg_owner = v->domain;
	int rc = find_others(v->domain, foreigndom, &pt_owner, &pg_owner);

	return rc ? rc : mmu_updates(v, gva, count_arg, done_gva, pt_owner, pg_owner);
}

HYPERCALL(hc_mmu_update)
{
	struct vcpu *v = current;

	if (job_remains(v))
		return hypercall_continue(0, 0, 0, 0, 0);
	if (unlikely(a4 != DOMID_SELF))
		return mmu_updates_foreign(v, a1, a2, a3, a4);
	return mmu_updates(v, a1, a2, a3, v->domain, v->domain);
}

/*
 * One entry of a table that is not held. On another CPU the table may be freed and written meanwhile, so that the
 * entry leads to no memory; the next read then faults, and is taken for an entry that is not present.
 */
static u64 read_unheld(mfn_t table, unsigned i)
{
	u64 *t = map_frame(table), e = read_or_zero(&t[i]);

	unmap_frame(t);
	return e;
}

/*
 * L1 entry that maps `va` in the tables of v's kernel, whichever mode it is in: its table is held until release.
 * NULL where there is none.
 */
u64 *guest_l1_entry(struct vcpu *v, u64 va, mfn_t *table)
{
	mfn_t mfn = MFN(v->pv.kernel_cr3 >> PAGE_SHIFT);

	/* Ours, and what is not canonical: the bits looked at below could be those of one of our slots. */
	if (unlikely(va >= LOWER_HALF_END && va < HV_VIRT_END))
		return NULL;
	for (unsigned level = 4; level > 1; level--) {
		u64 e = read_unheld(mfn, va >> (12 + 9 * (level - 1)) & 511);

		if (!(e & PTE_P))
			return NULL;
		mfn = MFN((e & PTE_MFN_MASK) >> PAGE_SHIFT);
	}
	/* The walk took no references: what it found is believed only once the table is held. */
	if (!hold_l1_table(mfn, v->domain))
		return NULL;
	*table = mfn;
	return (u64 *)map_frame(mfn) + (va >> 12 & 511);
}

bool guest_may_write(struct vcpu *v, u64 va)
{
	mfn_t mfn = MFN(v->pv.kernel_cr3 >> PAGE_SHIFT);

	for (unsigned level = 4; level > 0; level--) {
		u64 e = read_unheld(mfn, va >> (12 + 9 * (level - 1)) & 511);

		if ((e & (PTE_P | PTE_RW)) != (PTE_P | PTE_RW))
			return false;
		mfn = MFN((e & PTE_MFN_MASK) >> PAGE_SHIFT);
	}
	return true;
}

static int flush_va(struct vcpu *v, u64 va, u64 flags)
{
	u64 kind = flags & UVMF_FLUSHTYPE_MASK;

	if (kind == UVMF_NONE)
		return 0;
	if (flags & ~(u64)(UVMF_FLUSHTYPE_MASK | UVMF_ALL))
		return flush_vcpu_mask(v->domain, flags & ~7ULL, kind == UVMF_INVLPG ? va : FLUSH_ALL_VA);
	if (flags & UVMF_ALL)
		flush_domain_va(v->domain, kind == UVMF_INVLPG ? va : FLUSH_ALL_VA);
	else
		flush_local(kind == UVMF_INVLPG ? va : FLUSH_ALL_VA);
	return 0;
}

HYPERCALL(hc_update_va_mapping)
{
	struct vcpu *v = current;
	mfn_t table;
	u64 *pl1e;
	int rc;

	pl1e = guest_l1_entry(v, a1, &table);
	if (unlikely(!pl1e))
		return -EINVAL;
	rc = mod_l1_entry(v, pl1e, a2, false, v->domain, v->domain);
	unmap_frame(pl1e);
	release_page_table(v, table);
	if (unlikely(rc))
		return rc;
	return a3 ? flush_va(v, a1, a3) : 0;
}

HYPERCALL(hc_update_va_mapping_otherdomain)
{
	struct vcpu *v = current;
	struct domain *pt_owner, *pg_owner;
	mfn_t table;
	u64 *pl1e;
	int rc = find_domains(v->domain, (domid_t)a4, &pt_owner, &pg_owner);

	if (rc)
		return rc;
	pl1e = guest_l1_entry(v, a1, &table);
	rc = -EINVAL;
	if (pl1e) {
		rc = mod_l1_entry(v, pl1e, a2, false, v->domain, pg_owner);
		unmap_frame(pl1e);
		release_page_table(v, table);
	}
	put_domains(v->domain, pt_owner, pg_owner);
	return rc ?: flush_va(v, a1, a3);
}

/* --- mmuext_op ------------------------------------------------------------------- */

static int new_baseptr(struct vcpu *v, mfn_t mfn)
{
	u64 old = v->pv.kernel_cr3, new = mfn.m << PAGE_SHIFT;
	int rc;

	if (mfn.m > PTE_MFN_MASK >> PAGE_SHIFT)
		return -EINVAL;
	if (old != new) {
		rc = get_page_table(v, mfn, v->domain, 4);
		if (rc)
			return rc;
		v->pv.kernel_cr3 = new;
	}
	/* The one load of CR3 that counts as a flush: those between kernel and user are too many to keep time by. */
	tlb_tick();
	load_guest_table(v);
	if (old != new)
		release_page_table(v, MFN(old >> PAGE_SHIFT));
	return 0;
}

static int new_user_baseptr(struct vcpu *v, mfn_t mfn)
{
	u64 old = v->pv.user_cr3, new = mfn.m << PAGE_SHIFT;
	int rc;

	if (mfn.m > PTE_MFN_MASK >> PAGE_SHIFT)
		return -EINVAL;
	if (old == new)
		return 0;
	if (new) {
		rc = get_page_table(v, mfn, v->domain, 4);
		if (rc)
			return rc;
	}
	v->pv.user_cr3 = new;
	if (old)
		release_page_table(v, MFN(old >> PAGE_SHIFT));
	return 0;
}

static int clear_or_copy(struct domain *d, mfn_t dst, bool copy, mfn_t src)
{
	void *to, *from;

	if (!get_page_writable(dst, d))
		return -EINVAL;
	if (copy && !get_page(src, d)) {
		put_page_writable(dst);
		return -EINVAL;
	}
	to = map_frame(dst);
	if (copy) {
		from = map_frame(src);
		copy_page(to, from);
		unmap_frame(from);
		put_page(src);
	} else {
		clear_page(to);
	}
	unmap_frame(to);
	put_page_writable(dst);
	return 0;
}

/* The end of a domain looks for pinned tables just once (core/domain_kill.c): what is pinned too late is unpinned. */
static int pin(struct vcpu *v, mfn_t mfn, struct domain *d, unsigned level)
{
	int rc = READ_ONCE(d->is_dying) ? -EINVAL : pin_page_table(v, mfn, d, level);

	if (!rc && unlikely(__atomic_load_n(&d->is_dying, __ATOMIC_SEQ_CST))) {
		(void)unpin_page_table(v, mfn, d);
		rc = -EINVAL;
	}
	return rc;
}

static __attribute__((noinline)) int mmuext_other(struct vcpu *v, const struct mmuext_op *op, struct domain *d)
{
	mfn_t mfn = MFN(op->arg1.mfn);
	bool foreign = d != v->domain;

	switch (op->cmd) {
	case MMUEXT_PIN_L1_TABLE ... MMUEXT_PIN_L4_TABLE:
		return pin(v, mfn, d, op->cmd - MMUEXT_PIN_L1_TABLE + 1);
	case MMUEXT_UNPIN_TABLE:
		return unpin_page_table(v, mfn, d);
	case MMUEXT_CLEAR_PAGE:
		return clear_or_copy(d, mfn, false, mfn);
	case MMUEXT_COPY_PAGE:
		return clear_or_copy(d, mfn, true, MFN(op->arg2.src_mfn));
	case MMUEXT_TLB_FLUSH_LOCAL:
		flush_local(FLUSH_ALL_VA);
		return 0;
	case MMUEXT_INVLPG_LOCAL:
		flush_local(op->arg1.linear_addr);
		return 0;
	case MMUEXT_TLB_FLUSH_ALL:
		flush_domain_va(v->domain, FLUSH_ALL_VA);
		return 0;
	case MMUEXT_INVLPG_ALL:
		flush_domain_va(v->domain, op->arg1.linear_addr);
		return 0;
	case MMUEXT_TLB_FLUSH_MULTI:
		return flush_vcpu_mask(v->domain, op->arg2.vcpumask, FLUSH_ALL_VA);
	case MMUEXT_INVLPG_MULTI:
		return flush_vcpu_mask(v->domain, op->arg2.vcpumask, op->arg1.linear_addr);
	}
	if (foreign)
		return -EPERM;
	switch (op->cmd) {
	case MMUEXT_SET_LDT:
		return pv_set_ldt(v, op->arg1.linear_addr, op->arg2.nr_ents);
	case MMUEXT_FLUSH_CACHE:
	case MMUEXT_FLUSH_CACHE_GLOBAL:
		if (!access_cache_flush(v->domain))
			return -EACCES;
		flush_caches();
		return 0;
	default:
		return -ENOSYS;
	}
}

/* The two that Linux makes with each switch of process come first. */
static inline int mmuext_one(struct vcpu *v, const struct mmuext_op *op, struct domain *d)
{
	if (op->cmd == MMUEXT_NEW_BASEPTR && d == v->domain)
		return new_baseptr(v, MFN(op->arg1.mfn));
	if (op->cmd == MMUEXT_NEW_USER_BASEPTR && d == v->domain)
		return new_user_baseptr(v, MFN(op->arg1.mfn));
	return mmuext_other(v, op, d);
}

/*
 * A flush of this CPU alone: Linux makes one call for each page of a range that
 * it changed. 0: done. 1: it is something else, and nothing was done. -EFAULT.
 */
static inline int flush_alone(u64 gva)
{
	u64 va = FLUSH_ALL_VA;
	u32 cmd;

	if (unlikely(!guest_range_ok(gva, sizeof(struct mmuext_op))))
		return -EFAULT;
	guest_window_open();
	guest_get(cmd, gva, offsetof(struct mmuext_op, cmd), unreadable);
	if (cmd == MMUEXT_INVLPG_LOCAL)
		guest_get(va, gva, offsetof(struct mmuext_op, arg1.linear_addr), unreadable);
	guest_window_close();
	if (cmd != MMUEXT_INVLPG_LOCAL && cmd != MMUEXT_TLB_FLUSH_LOCAL)
		return 1;
	flush_local(va);
	return 0;
unreadable:
	return -EFAULT;
}

static inline int read_op(u64 gva, struct mmuext_op *op)
{
	if (unlikely(!guest_range_ok(gva, sizeof(*op))))
		return -EFAULT;
	guest_window_open();
	guest_get(op->cmd, gva, offsetof(struct mmuext_op, cmd), unreadable);
	guest_get(op->arg1.mfn, gva, offsetof(struct mmuext_op, arg1.mfn), unreadable);
	guest_get(op->arg2.vcpumask, gva, offsetof(struct mmuext_op, arg2.vcpumask), unreadable);
	guest_window_close();
	return 0;
unreadable:
	return -EFAULT;
}

static __attribute__((noinline)) long mmuext_ops(u64 a1, u64 a2, u64 a3, u64 a4)
{
	struct vcpu *v = current;
	struct domain *d, *pt_owner;
	struct mmuext_op op;
	u64 gva = a1, count = (u32)a2, done = 0;
	int rc;

	if (job_remains(v))
		return hypercall_continue(0, 0, 0, 0, 0);
	rc = find_domains(v->domain, a4 & 0xffff, &pt_owner, &d);
	if (unlikely(rc))
		return rc;
	/* What is not RAM, or the hypervisor's to show, can be mapped and nothing else. */
	if (unlikely(d == dom_io || d == dom_xen))
		return -EPERM;
	while (done < count) {
		rc = read_op(gva, &op);
		if (likely(!rc))
			rc = mmuext_one(v, &op, d);
		if (unlikely(rc))
			break;
		done++;
		gva += sizeof(op);
		if (done < count && preempt_check()) {
			rc = -ERESTART;
			break;
		}
	}
	put_domains(v->domain, pt_owner, d);
	settle_job(v);
	if (a3 && report_done(a3, done, a2))
		return -EFAULT;
	if (unlikely(rc == -ERESTART || v->pv.job.depth))
		return hypercall_continue(2, gva, (count - done) | MMU_UPDATE_CONTINUED, 0, 0);
	return rc;
}

HYPERCALL(hc_mmuext_op)
{
	/* All 64 bits: a call that is continued has more of them, and perhaps a table to finish first. */
	if (a2 == 1 && !a3 && a4 == DOMID_SELF) {
		int rc = flush_alone(a1);

		if (rc <= 0)
			return rc;
	}
	return mmuext_ops(a1, a2, a3, a4);
}
