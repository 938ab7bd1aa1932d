// SPDX-License-Identifier: MIT
/*
 * Grant tables, version 1.
 *
 * A domain lets another use one of its frames by writing an entry into memory
 * that it shares with us: who, which frame, read-only or not. The other names
 * the entry by its number and maps the frame or has bytes copied. Hard about it:
 * the entry can change while it is read, its owner wants to take it back while
 * it may be in use, either side may die, and a frame seen by another domain must
 * not become a page table of its owner.
 *
 *      granter writes                  we, first use              we, last use
 *   0 ---------------> permit(dom) ----------------> reading --------------> permit(dom)
 *     <---------------                              [+ writing]                 |
 *     granter: cmpxchg flags to 0, which fails while reading or writing is set <+
 *
 *  1. An entry with readers + writers > 0 has GTF_reading set in its shared flags, and
 *     GTF_writing iff writers > 0; set by one compare-exchange of flags and
 *     domid together, so that they are true of what was checked.
 *  2. While an entry is in use, frame and domid come from our copy (struct
 *     active_grant), never again from the shared entry.
 *  3. Each use holds one reference on the frame, each writing use a writable
 *     type too. Both are given back before GTF_reading or GTF_writing goes, and
 *     mappings are flushed from TLBs before that.
 *  4. A handle (struct maptrack) of the mapping domain stands for exactly one
 *     use of one entry and holds a reference on the granting domain. So a
 *     granter that dies stays as a shell until the last handle is unmapped.
 *  5. Counters are 32 bits wide and a use that would wrap one is refused.
 *
 * Lock: each table's (RANK_GRANT), [G], guards its entries' active parts and its
 * domain's handles. Two tables' locks are never held together. A handle being
 * mapped or unmapped is MAPTRACK_BUSY, which keeps others away while the lock is
 * not held.
 *
 * Elements of one call mostly name the same partner: a call keeps it until an element names another (struct partner).
 * Entries and their uses are in grant_use.h, copies in grant_copy.c.
 */
#include "core/grant_table.h"
#include "core/access.h"
#include "core/grant_use.h"

enum maptrack_state { MAPTRACK_FREE = 0, MAPTRACK_BUSY, MAPTRACK_MAPPED };

struct maptrack {
	struct domain *granter; /* [G], with a reference */
	u32 ref;                /* [G] */
	u32 frame;              /* [G] */
	u32 next_free;          /* [G] handle */
	u16 flags;              /* [G] GNTMAP_*: what is mapped still */
	u8 state;               /* [A] enum maptrack_state; BUSY becomes another without the lock, by whoever made it so */
};

#define HANDLES_PER_PAGE 128u
#define NO_HANDLE (~0u)
#define MAX_FRAMES_LIMIT 4096u
#define MAX_MAPTRACK_LIMIT 65536u
#define UNMAP_BATCH 32u   /* unmaps that share one TLB flush */

void grants_show(struct domain *d, u32 max)
{
	struct grant_table *gt = d->grant;
	struct grant_use use;

	spin_lock(&gt->lock);
	hv_log(LOG_ERR, "  %u frames of %u, %u pages of handles\n", gt->nr_frames, gt->max_frames, gt->nr_maptrack);
	for (u32 ref = 0; max && entry_find(gt, ref, &use); ref++) {
		const struct active_grant *act = use.active;

		if (!act || (!act->readers && !act->writers))
			continue;
		hv_log(LOG_ERR, "  grant %u: frame %#x used by domain %u, %u for reading, %u for writing\n", ref, act->frame,
		       act->domid, act->readers, act->writers);
		max--;
	}
	spin_unlock(&gt->lock);
	if (!max)
		hv_log(LOG_ERR, "  and perhaps more\n");
}

bool entry_make_active(struct grant_table *gt, u32 ref)
{
	struct active_grant **part = &gt->frame[ref / ENTRIES_PER_FRAME].active[ref % ENTRIES_PER_FRAME / ACTIVE_PART];

	*part = hv_alloc(ACTIVE_PART * sizeof(**part));
	return *part;
}

/* Begins a use (grant_use.h). GNTST_*; *frame on success. */
static int grant_acquire(struct domain *granter, u32 ref, domid_t user, bool write, u32 *frame)
{
	struct grant_use use;
	int status;

	spin_lock(&granter->grant->lock);
	status = grant_use_begin(granter, ref, user, write, &use);
	if (likely(!status))
		*frame = use.active->frame;
	spin_unlock(&granter->grant->lock);
	return status;
}

/* Ends one. */
static void grant_release(struct domain *granter, u32 ref, bool write)
{
	struct grant_table *gt = granter->grant;
	struct grant_use use;

	spin_lock(&gt->lock);
	BUG_ON(!entry_find(gt, ref, &use));
	grant_use_end(gt, &use, write);
	spin_unlock(&gt->lock);
}

/* --- The table's size ------------------------------------------------------------------ */

/* 0, -ENOMEM, or -EINVAL above the limit. What was added before a failure stays. [G] */
static int grow(struct domain *d, struct grant_table *gt, u32 nr_frames)
{
	if (nr_frames > gt->max_frames || gt->dead)
		return -EINVAL;
	while (gt->nr_frames < nr_frames) {
		struct grant_frame *f = &gt->frame[gt->nr_frames];
		mfn_t mfn = alloc_pages(0, 0, 0);

		if (mfn_eq(mfn, INVALID_MFN))
			return -ENOMEM;
		share_page_with_domain(mfn, d, true);
		f->shared = map_frame(mfn);
		gt->nr_frames++;
	}
	return 0;
}

int grant_table_init(struct domain *d, u32 max_frames, u32 max_maptrack)
{
	struct grant_table *gt;
	int rc;

	if (!max_frames || max_frames > MAX_FRAMES_LIMIT || !max_maptrack || max_maptrack > MAX_MAPTRACK_LIMIT)
		return -EINVAL;
	gt = hv_alloc(sizeof(*gt) + max_frames * sizeof(gt->frame[0]));
	if (!gt)
		return -ENOMEM;
	spin_lock_init(&gt->lock, RANK_GRANT, "grant");
	gt->max_frames = max_frames;
	gt->max_maptrack = max_maptrack;
	gt->free_handle = NO_HANDLE;
	d->grant = gt;
	rc = grow(d, gt, 1);
	if (rc) {
		d->grant = NULL;
		hv_free(gt);
	}
	return rc;
}

u32 grant_table_max_frames(const struct domain *d)
{
	return d->grant->max_frames;
}

int grant_table_frame(struct domain *d, u32 index, mfn_t *mfn)
{
	struct grant_table *gt = d->grant;
	int rc = -EINVAL;

	spin_lock(&gt->lock);
	if (index < gt->max_frames)
		rc = grow(d, gt, index + 1);
	if (!rc)
		*mfn = frame_of(gt->frame[index].shared);
	spin_unlock(&gt->lock);
	return rc;
}

int grant_table_seed(struct domain *d, u32 ref, domid_t to, u32 frame)
{
	struct grant_table *gt = d->grant;
	struct grant_use use;
	bool found;

	spin_lock(&gt->lock);
	found = !gt->dead && entry_find(gt, ref, &use);
	if (found) {
		__atomic_store_n(&use.shared->frame, frame, __ATOMIC_RELAXED);
		__atomic_store_n(&use.shared->header, GTF_permit_access | (u32)to << 16, __ATOMIC_RELEASE);
	}
	spin_unlock(&gt->lock);
	return found ? 0 : -EINVAL;
}

/* --- Handles ------------------------------------------------------------------------------ */

/* The handle's entry, or NULL where there never was one. [G] */
static struct maptrack *maptrack_of(const struct grant_table *gt, u32 handle)
{
	u32 page = handle / HANDLES_PER_PAGE;

	if (page >= gt->nr_maptrack)
		return NULL;
	return &gt->maptrack[index_nospec(page, gt->nr_maptrack)][handle % HANDLES_PER_PAGE];
}

/* One page of handles more. False at the limit or without memory. [G] */
static bool maptrack_grow(struct grant_table *gt)
{
	u32 first = gt->nr_maptrack * HANDLES_PER_PAGE;
	struct maptrack *page;

	if (gt->nr_maptrack == gt->max_maptrack)
		return false;
	if (!gt->maptrack)
		gt->maptrack = hv_alloc(gt->max_maptrack * sizeof(*gt->maptrack));
	if (!gt->maptrack)
		return false;
	page = hv_alloc(HANDLES_PER_PAGE * sizeof(*page));
	if (!page)
		return false;
	for (u32 i = 0; i < HANDLES_PER_PAGE; i++)
		page[i].next_free = i + 1 < HANDLES_PER_PAGE ? first + i + 1 : gt->free_handle;
	gt->maptrack[gt->nr_maptrack++] = page;
	gt->free_handle = first;
	return true;
}

/* A handle in state MAPTRACK_BUSY, and its entry; NULL for none. */
static struct maptrack *maptrack_take(struct grant_table *gt, u32 *handle)
{
	struct maptrack *mt = NULL;

	spin_lock(&gt->lock);
	if (gt->free_handle != NO_HANDLE || maptrack_grow(gt)) {
		*handle = gt->free_handle;
		mt = maptrack_of(gt, *handle);
		gt->free_handle = mt->next_free;
		mt->state = MAPTRACK_BUSY;
	}
	spin_unlock(&gt->lock);
	return mt;
}

/* [G] */
static void maptrack_free(struct grant_table *gt, u32 handle)
{
	*maptrack_of(gt, handle) = (struct maptrack){ .next_free = gt->free_handle };
	gt->free_handle = handle;
}

static void maptrack_give_back(struct grant_table *gt, u32 handle)
{
	spin_lock(&gt->lock);
	maptrack_free(gt, handle);
	spin_unlock(&gt->lock);
}

/* --- map_grant_ref ---------------------------------------------------------------------------- */

static void map_one(struct vcpu *v, struct gnttab_map_grant_ref *op, struct partner *partner)
{
	struct grant_table *gt = v->domain->grant;
	bool write = !(op->flags & GNTMAP_readonly);
	struct domain *granter;
	struct maptrack *mt;
	u32 handle, frame;

	op->handle = NO_HANDLE;
	op->status = GNTST_general_error;
	if (!(op->flags & (GNTMAP_host_map | GNTMAP_device_map)))
		return;
	op->status = GNTST_bad_domain;
	granter = partner_of(partner, op->dom);
	if (!granter)
		return;

	op->status = GNTST_no_device_space;
	mt = maptrack_take(gt, &handle);
	if (!mt)
		return;
	op->status = grant_acquire(granter, op->ref, v->domain->domain_id, write, &frame);
	if (op->status)
		goto give_back;
	if (op->flags & GNTMAP_host_map)
		op->status = grant_host_map(v, op->host_addr, MFN(frame), op->flags);
	if (op->status)
		goto release;

	hold_domain(granter);
	mt->granter = granter;
	mt->ref = op->ref;
	mt->frame = frame;
	mt->flags = op->flags;
	__atomic_store_n(&mt->state, MAPTRACK_MAPPED, __ATOMIC_RELEASE);
	op->handle = handle;
	op->dev_bus_addr = (u64)frame << PAGE_SHIFT;
	return;

release:
	grant_release(granter, op->ref, write);
give_back:
	maptrack_give_back(gt, handle);
}

/* --- unmap_grant_ref --------------------------------------------------------------------------- */

/*
 * First half of an unmap: the page-table entry goes, the handle stays busy. True
 * if the second half is due after a TLB flush; else op->status is final.
 */
static bool unmap_begin(struct vcpu *v, struct gnttab_unmap_grant_ref *op)
{
	struct grant_table *gt = v->domain->grant;
	struct maptrack *mt, copy;
	u16 gone = 0;

	spin_lock(&gt->lock);
	mt = maptrack_of(gt, op->handle);
	if (!mt || __atomic_load_n(&mt->state, __ATOMIC_ACQUIRE) != MAPTRACK_MAPPED) {
		spin_unlock(&gt->lock);
		op->status = GNTST_bad_handle;
		return false;
	}
	mt->state = MAPTRACK_BUSY;
	copy = *mt;
	spin_unlock(&gt->lock);

	op->status = GNTST_okay;
	if (op->dev_bus_addr && (copy.flags & GNTMAP_device_map)) {
		if (op->dev_bus_addr != (u64)copy.frame << PAGE_SHIFT)
			op->status = GNTST_general_error;
		else
			gone |= GNTMAP_device_map;
	}
	if (!op->status && op->host_addr && (copy.flags & GNTMAP_host_map)) {
		op->status = grant_host_unmap(v, op->host_addr, MFN(copy.frame), copy.flags);
		gone |= GNTMAP_host_map;
	}
	if (op->status)
		gone = 0;

	if (copy.flags & ~gone & (GNTMAP_host_map | GNTMAP_device_map)) {
		mt->flags &= ~gone;
		__atomic_store_n(&mt->state, MAPTRACK_MAPPED, __ATOMIC_RELEASE);
		return false;
	}
	return true;
}

/*
 * Second half: no CPU can reach the frame through this handle any more. It is busy, or nobody else is there who could
 * use it. What is left is to free it.
 */
static void unmap_release(struct grant_table *gt, u32 handle)
{
	const struct maptrack *mt = maptrack_of(gt, handle);

	grant_release(mt->granter, mt->ref, !(mt->flags & GNTMAP_readonly));
	put_domain(mt->granter);
}

static void unmap_finish(struct domain *d, u32 handle)
{
	unmap_release(d->grant, handle);
	maptrack_give_back(d->grant, handle);
}

/* Second halves of those of `nr` unmaps that are `due`. */
static void unmap_finish_batch(struct domain *d, const struct gnttab_unmap_grant_ref *op, const bool *due, u32 nr)
{
	flush_tlb_domain(d);
	for (u32 i = 0; i < nr; i++) {
		if (due[i])
			unmap_release(d->grant, op[i].handle);
	}
	spin_lock(&d->grant->lock);
	for (u32 i = 0; i < nr; i++) {
		if (due[i])
			maptrack_free(d->grant, op[i].handle);
	}
	spin_unlock(&d->grant->lock);
}

static long op_unmap(struct vcpu *v, u64 gva, u32 count, u32 *done)
{
	struct gnttab_unmap_grant_ref op[UNMAP_BATCH];
	bool finish[UNMAP_BATCH];

	for (u32 i = 0; i < count; i += UNMAP_BATCH) {
		u32 nr = min(count - i, UNMAP_BATCH);
		u64 at = gva + (u64)i * sizeof(op[0]);
		bool any = false;

		if (i && preempt_check())
			return -ERESTART;
		if (copy_from_guest(op, at, nr * sizeof(op[0])))
			return -EFAULT;
		for (u32 k = 0; k < nr; k++) {
			finish[k] = unmap_begin(v, &op[k]);
			any |= finish[k];
		}
		if (any)
			unmap_finish_batch(v->domain, op, finish, nr);
		if (copy_to_guest(at, op, nr * sizeof(op[0])))
			return -EFAULT;
		*done = i + nr;
	}
	return 0;
}

/* --- The calls on whole tables ---------------------------------------------------------------------- */

/* The domain `id` for vcpu `v`: itself, or one that it controls. NULL and *status. */
static struct domain *table_owner(struct vcpu *v, domid_t id, s16 *status)
{
	struct domain *d = get_domain(id == DOMID_SELF ? v->domain->domain_id : id);

	*status = GNTST_bad_domain;
	if (d && !access_control(v->domain, d)) {
		put_domain(d);
		d = NULL;
		*status = GNTST_permission_denied;
	}
	return d;
}

static long op_setup_table(struct vcpu *v, u64 gva)
{
	struct gnttab_setup_table op;
	struct domain *d;

	if (copy_from_guest(&op, gva, sizeof(op)))
		return -EFAULT;
	d = table_owner(v, op.dom, &op.status);
	if (!d)
		goto out;
	op.status = GNTST_general_error;
	if (op.nr_frames <= d->grant->max_frames) {
		int rc;

		spin_lock(&d->grant->lock);
		rc = grow(d, d->grant, op.nr_frames);
		spin_unlock(&d->grant->lock);
		op.status = rc ? GNTST_general_error : GNTST_okay;
	}
	for (u32 i = 0; !op.status && i < op.nr_frames; i++) {
		u64 mfn = frame_of(d->grant->frame[i].shared).m; /* frames below nr_frames never change */

		if (copy_to_guest(op.frame_list + i * sizeof(mfn), &mfn, sizeof(mfn)))
			op.status = GNTST_bad_virt_addr;
	}
	put_domain(d);
out:
	return copy_to_guest(gva, &op, sizeof(op)) ? -EFAULT : 0;
}

static long op_query_size(struct vcpu *v, u64 gva)
{
	struct gnttab_query_size op;
	struct domain *d;

	if (copy_from_guest(&op, gva, sizeof(op)))
		return -EFAULT;
	d = table_owner(v, op.dom, &op.status);
	if (d) {
		op.nr_frames = READ_ONCE(d->grant->nr_frames);
		op.max_nr_frames = d->grant->max_frames;
		op.status = GNTST_okay;
		put_domain(d);
	}
	return copy_to_guest(gva, &op, sizeof(op)) ? -EFAULT : 0;
}

static long op_set_version(u64 gva)
{
	struct gnttab_set_version op;

	if (copy_from_guest(&op, gva, sizeof(op)))
		return -EFAULT;
	if (op.version == 2)
		return -ENOSYS; /* not offered: the guest stays with version 1 */
	if (op.version != 1)
		return -EINVAL;
	return copy_to_guest(gva, &op, sizeof(op)) ? -EFAULT : 0;
}

static long op_get_version(struct vcpu *v, u64 gva)
{
	struct gnttab_get_version op;
	struct domain *d;
	s16 status;

	if (copy_from_guest(&op, gva, sizeof(op)))
		return -EFAULT;
	d = table_owner(v, op.dom, &status);
	if (!d)
		return status == GNTST_bad_domain ? -ESRCH : -EPERM;
	put_domain(d);
	op.version = 1;
	return copy_to_guest(gva, &op, sizeof(op)) ? -EFAULT : 0;
}

/* The guest can't be told of its mapping (its arguments became read-only): it shall not have it. */
static void map_undo(struct vcpu *v, const struct gnttab_map_grant_ref *op)
{
	struct gnttab_unmap_grant_ref u = {
		.host_addr = op->host_addr, .dev_bus_addr = op->dev_bus_addr, .handle = op->handle,
	};

	if (op->status || !unmap_begin(v, &u))
		return;
	flush_tlb_domain(v->domain);
	unmap_finish(v->domain, op->handle);
}

static long op_map(struct vcpu *v, u64 gva, u32 count, u32 *done)
{
	struct partner partner = { NULL };
	long rc = 0;

	for (u32 i = 0; !rc && i < count; i++) {
		struct gnttab_map_grant_ref op;
		u64 at = gva + (u64)i * sizeof(op);

		if (i && preempt_check()) {
			rc = -ERESTART;
		} else if (copy_from_guest(&op, at, sizeof(op))) {
			rc = -EFAULT;
		} else {
			map_one(v, &op, &partner);
			if (copy_to_guest(at, &op, sizeof(op))) {
				map_undo(v, &op);
				rc = -EFAULT;
			} else {
				*done = i + 1;
			}
		}
	}
	partner_end(&partner);
	return rc;
}

long do_grant_table_op(struct vcpu *v, u32 cmd, u64 gva, u32 count, u32 *done)
{
	*done = 0;
	switch (cmd) {
	case GNTTABOP_map_grant_ref:
		return op_map(v, gva, count, done);
	case GNTTABOP_unmap_grant_ref:
		return op_unmap(v, gva, count, done);
	case GNTTABOP_copy:
		return grant_copy(v, gva, count, done);
	case GNTTABOP_setup_table:
		return count == 1 ? op_setup_table(v, gva) : -EINVAL;
	case GNTTABOP_query_size:
		return count == 1 ? op_query_size(v, gva) : -EINVAL;
	case GNTTABOP_set_version:
		return count == 1 ? op_set_version(gva) : -EINVAL;
	case GNTTABOP_get_version:
		return count == 1 ? op_get_version(v, gva) : -EINVAL;
	case GNTTABOP_cache_flush:
		return -EOPNOTSUPP;
	default:
		return -ENOSYS;
	}
}

/* --- End of a domain ------------------------------------------------------------------------------------ */

int grant_table_destroy(struct domain *d)
{
	struct grant_table *gt = d->grant;

	if (!gt)
		return 0;
	/* From the top, dropping pages as they are done, so that a call made again goes on where this one stopped. */
	while (gt->nr_maptrack) {
		u32 first = (gt->nr_maptrack - 1) * HANDLES_PER_PAGE;
		struct maptrack *page = gt->maptrack[gt->nr_maptrack - 1];

		for (u32 i = 0; i < HANDLES_PER_PAGE; i++) {
			if (page[i].state == MAPTRACK_MAPPED)
				unmap_finish(d, first + i);
		}
		gt->nr_maptrack--;
		hv_free(page);
		if (preempt_check())
			return -ERESTART;
	}
	gt->free_handle = NO_HANDLE;
	return 0;
}

void grant_table_unshare(struct domain *d)
{
	struct grant_table *gt = d->grant;

	if (!gt)
		return;
	spin_lock(&gt->lock);
	gt->dead = true;
	spin_unlock(&gt->lock);
	/* Who has found an entry has the lock: from here on none is touched. */
	for (u32 i = 0; i < gt->nr_frames; i++) {
		mfn_t mfn = frame_of(gt->frame[i].shared);

		unmap_frame(gt->frame[i].shared);
		disown_shared_page(mfn, d);
	}
}

void grant_table_free(struct domain *d)
{
	struct grant_table *gt = d->grant;

	if (!gt)
		return;
	BUG_ON(gt->nr_maptrack);
	for (u32 i = 0; i < gt->nr_frames; i++)
		for (u32 k = 0; k < ENTRIES_PER_FRAME / ACTIVE_PART; k++)
			hv_free(gt->frame[i].active[k]);
	hv_free(gt->maptrack);
	hv_free(gt);
	d->grant = NULL;
}
