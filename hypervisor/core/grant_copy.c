// SPDX-License-Identifier: MIT
/*
 * Grant tables: copies. grant_table.c has the story, the invariants and the locks.
 *
 * A backend copies a packet page by page, most calls from pages of its own that it has granted to itself to pages of one
 * guest. So what an element costs besides the moving of bytes is dear, and both ends are kept until an element wants
 * something else there; where that is another entry of the same table, the old one's end and the new one's begin share
 * the table's lock.
 */
#include "core/grant_use.h"
#include "lib/string.h"

#define LOOK_EVERY 8u /* elements between two looks at preempt_check(): 32 KiB at most */

/* One end of a copy. */
struct copy_end {
	struct partner partner; /* of the domain, where it is named by number */
	bool held, is_ref;
	struct domain *d;       /* whose page is held: the caller's own or the partner */
	u64 page;               /* number of the grant, or machine frame */
	mfn_t mfn;
	struct grant_use use;   /* where is_ref */
};

static inline void copy_let_go(struct copy_end *e, bool write)
{
	if (!e->held)
		return;
	if (e->is_ref) {
		spin_lock(&e->d->grant->lock);
		grant_use_end(e->d->grant, &e->use, write);
		spin_unlock(&e->d->grant->lock);
	} else if (write) {
		put_page_writable(e->mfn);
	} else {
		put_page(e->mfn);
	}
	e->held = false;
}

static void copy_end(struct copy_end *e, bool write)
{
	copy_let_go(e, write);
	partner_end(&e->partner);
}

/* Makes `e` hold entry `ref` of e->d, instead of the one of e->d that it may hold now. GNTST_*. */
static inline __attribute__((always_inline)) int copy_hold_ref(struct vcpu *v, struct copy_end *e, u32 ref, bool write)
{
	struct grant_table *gt = e->d->grant;
	int status;

	spin_lock(&gt->lock);
	if (e->held)
		grant_use_end(gt, &e->use, write);
	status = grant_use_begin(e->d, ref, v->domain->domain_id, write, &e->use);
	if (likely(!status))
		e->mfn = MFN(e->use.active->frame);
	spin_unlock(&gt->lock);
	return status;
}

/* Makes `e` hold the page that `p` names. GNTST_*. */
static inline __attribute__((always_inline)) int copy_hold(struct vcpu *v, struct copy_end *e, const struct gnttab_copy_ptr *p,
							    bool is_ref, bool write)
{
	const u64 page = is_ref ? p->u.ref : p->u.gmfn;
	const bool own = p->domid == DOMID_SELF;
	int status;

	if (unlikely(!is_ref && !own))
		return GNTST_permission_denied;
	if (likely(e->held && e->is_ref == is_ref && (own ? e->d == v->domain : e->d == e->partner.d &&
						      e->partner.id == p->domid))) {
		if (e->page == page)
			return GNTST_okay;
		if (!is_ref)
			copy_let_go(e, write);
	} else {
		copy_let_go(e, write);
		e->d = own ? v->domain : partner_of(&e->partner, p->domid);
		if (!e->d)
			return GNTST_bad_domain;
	}
	if (is_ref) {
		status = copy_hold_ref(v, e, page, write);
	} else {
		e->mfn = MFN(page);
		status = (write ? get_page_writable(e->mfn, e->d) : get_page(e->mfn, e->d)) ? GNTST_okay : GNTST_bad_page;
	}
	e->is_ref = is_ref;
	e->page = page;
	e->held = !status;
	return status;
}

static int copy_one(struct vcpu *v, const struct gnttab_copy *op, struct copy_end *src, struct copy_end *dst)
{
	int status;
	u8 *from, *to;

	if (op->source.offset + (u32)op->len > PAGE_SIZE || op->dest.offset + (u32)op->len > PAGE_SIZE)
		return GNTST_bad_copy_arg;
	status = copy_hold(v, src, &op->source, op->flags & GNTCOPY_source_gref, false);
	if (likely(!status))
		status = copy_hold(v, dst, &op->dest, op->flags & GNTCOPY_dest_gref, true);
	if (unlikely(status))
		return status;
	from = map_frame(src->mfn);
	to = map_frame(dst->mfn);
	/* The two may be one frame. */
	memmove(to + op->dest.offset, from + op->source.offset, op->len);
	unmap_frame(to);
	unmap_frame(from);
	return GNTST_okay;
}

long grant_copy(struct vcpu *v, u64 gva, u32 count, u32 *done)
{
	struct copy_end src = { .held = false }, dst = { .held = false };
	long rc = 0;

	for (u32 i = 0; !rc && i < count; i++) {
		struct gnttab_copy op;
		u64 at = gva + (u64)i * sizeof(op);

		if (i && !(i % LOOK_EVERY) && preempt_check()) {
			rc = -ERESTART;
		} else if (copy_from_guest(&op, at, sizeof(op))) {
			rc = -EFAULT;
		} else {
			op.status = copy_one(v, &op, &src, &dst);
			if (copy_to_guest(at + offsetof(struct gnttab_copy, status), &op.status, sizeof(op.status)))
				rc = -EFAULT;
			else
				*done = i + 1;
		}
	}
	copy_end(&dst, true);
	copy_end(&src, false);
	return rc;
}
