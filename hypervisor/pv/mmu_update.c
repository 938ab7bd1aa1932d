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
#include "x86/paging.h"
#include "x86/tlb.h"
#include "xen/xen.h"

/* mmu_update counts 32 bits of requests; the guest never sees ours above them. */
#define MMU_UPDATE_CONTINUED (1ULL << 63) /* in our repeated count: *done was begun */

/* Whose frames entries may name, and whose tables are changed: foreigndom's two halves (abi.md 2.7). */
static int find_others(struct domain *self, u64 foreigndom, struct domain **pt_owner, struct domain **pg_owner)
{
	domid_t pg = foreigndom & 0xffff, pt = foreigndom >> 16 & 0xffff;

	if (pt) {
		*pt_owner = hypercall_target(pt - 1);
		if (!*pt_owner)
			return -ESRCH;
		if (*pt_owner != self && !access_foreign_map(self, *pt_owner)) {
			hypercall_target_put(*pt_owner);
			return -EPERM;
		}
	}
	if (pg == DOMID_SELF)
		return 0;
	*pg_owner = pg == DOMID_IO ? dom_io : pg == DOMID_XEN ? dom_xen : hypercall_target(pg);
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

static inline int find_domains(u64 foreigndom, struct domain **pt_owner, struct domain **pg_owner)
{
	struct domain *self = current->domain;

	*pt_owner = *pg_owner = self;
	return likely(foreigndom == DOMID_SELF) ? 0 : find_others(self, foreigndom, pt_owner, pg_owner);
}

static inline void put_domains(struct domain *pt_owner, struct domain *pg_owner)
{
	if (unlikely(pg_owner != current->domain))
		hypercall_target_put(pg_owner);
	if (unlikely(pt_owner != current->domain))
		hypercall_target_put(pt_owner);
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
static int update_one(struct vcpu *v, u64 ptr, u64 val, bool keep_ad, struct domain *pt_owner,
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

HYPERCALL(hc_mmu_update)
{
	struct vcpu *v = current;
	struct mmu_update req;
	struct domain *pt_owner, *pg_owner;
	u64 gva = a1, count = (u32)a2, done_gva = a3, done = 0;
	struct held_table held = { .held = false };
	int rc;

	if (pt_job_resume(v))
		return hypercall_continue(0, 0, 0, 0, 0);
	rc = find_domains(a4, &pt_owner, &pg_owner);
	if (rc)
		return rc;
	while (done < count) {
		rc = copy_from_guest(&req, gva, sizeof(req));
		if (unlikely(rc))
			break;
		switch (req.ptr & 3) {
		case MMU_NORMAL_PT_UPDATE:
			rc = update_one(v, req.ptr, req.val, false, pt_owner, pg_owner, &held);
			break;
		case MMU_PT_UPDATE_PRESERVE_AD:
			rc = update_one(v, req.ptr, req.val, true, pt_owner, pg_owner, &held);
			break;
		case MMU_MACHPHYS_UPDATE:
			rc = machphys_one(req.ptr, req.val, pg_owner);
			break;
		default:
			rc = -EINVAL;
		}
		if (unlikely(rc))
			break;
		done++;
		gva += sizeof(req);
		if (!(done & 15) && done < count && preempt_check()) {
			rc = -ERESTART;
			break;
		}
	}
	let_go(v, &held);
	put_domains(pt_owner, pg_owner);
	pt_job_settle(v);
	if (done_gva && report_done(done_gva, done, a2))
		return -EFAULT;
	/* An unfinished demotion needs the vcpu to come back, with nothing else left to do perhaps. */
	if (unlikely(rc == -ERESTART || v->pv.job.depth))
		return hypercall_continue(2, gva, (count - done) | MMU_UPDATE_CONTINUED, 0, 0);
	return rc;
}

/*
 * L1 entry that maps `va` in the tables of v's kernel, whichever mode it is in: its table is held until release.
 * NULL where there is none.
 */
u64 *guest_l1_entry(struct vcpu *v, u64 va, mfn_t *table)
{
	mfn_t mfn = MFN(v->pv.kernel_cr3 >> PAGE_SHIFT);

	if (va >= HV_VIRT_START && va < HV_VIRT_END)
		return NULL;
	for (unsigned level = 4; level > 1; level--) {
		u64 *t = map_frame(mfn), e = READ_ONCE(t[va >> (12 + 9 * (level - 1)) & 511]);

		unmap_frame(t);
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

/* --- mmuext_op ------------------------------------------------------------------- */

static int new_baseptr(struct vcpu *v, mfn_t mfn)
{
	u64 old = v->pv.kernel_cr3, new = mfn.m << PAGE_SHIFT;
	int rc;

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
		put_page_table(v, MFN(old >> PAGE_SHIFT));
	return 0;
}

static int new_user_baseptr(struct vcpu *v, mfn_t mfn)
{
	u64 old = v->pv.user_cr3, new = mfn.m << PAGE_SHIFT;
	int rc;

	if (old == new)
		return 0;
	if (new) {
		rc = get_page_table(v, mfn, v->domain, 4);
		if (rc)
			return rc;
	}
	v->pv.user_cr3 = new;
	if (old)
		put_page_table(v, MFN(old >> PAGE_SHIFT));
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

static int mmuext_one(struct vcpu *v, const struct mmuext_op *op, struct domain *d)
{
	mfn_t mfn = MFN(op->arg1.mfn);
	bool foreign = d != v->domain;

	switch (op->cmd) {
	case MMUEXT_PIN_L1_TABLE ... MMUEXT_PIN_L4_TABLE:
		return pin_page_table(v, mfn, d, op->cmd - MMUEXT_PIN_L1_TABLE + 1);
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
	case MMUEXT_NEW_BASEPTR:
		return new_baseptr(v, mfn);
	case MMUEXT_NEW_USER_BASEPTR:
		return new_user_baseptr(v, mfn);
	case MMUEXT_SET_LDT:
		return pv_set_ldt(v, op->arg1.linear_addr, op->arg2.nr_ents);
	case MMUEXT_FLUSH_CACHE:
	case MMUEXT_FLUSH_CACHE_GLOBAL:
		if (!access_cache_flush(v->domain))
			return -EACCES;
		__asm__ volatile("wbinvd" ::: "memory");
		return 0;
	default:
		return -ENOSYS;
	}
}

HYPERCALL(hc_mmuext_op)
{
	struct vcpu *v = current;
	struct domain *d, *pt_owner;
	struct mmuext_op op;
	u64 gva = a1, count = (u32)a2, done = 0;
	int rc;

	if (pt_job_resume(v))
		return hypercall_continue(0, 0, 0, 0, 0);
	rc = find_domains(a4 & 0xffff, &pt_owner, &d);
	if (rc)
		return rc;
	/* What is not RAM, or the hypervisor's to show, can be mapped and nothing else. */
	if (unlikely(d == dom_io || d == dom_xen))
		return -EPERM;
	while (done < count) {
		rc = copy_from_guest(&op, gva, sizeof(op));
		if (!rc)
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
	put_domains(pt_owner, d);
	pt_job_settle(v);
	if (a3 && report_done(a3, done, a2))
		return -EFAULT;
	if (unlikely(rc == -ERESTART || v->pv.job.depth))
		return hypercall_continue(2, gva, (count - done) | MMU_UPDATE_CONTINUED, 0, 0);
	return rc;
}
