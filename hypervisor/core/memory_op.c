// SPDX-License-Identifier: MIT
/*
 * Hypercall 12: a domain's memory - giving frames back, getting more, exchanging
 * scattered frames for contiguous ones, and the maps of what there is.
 *
 * The sub-command is in the low 6 bits of the first argument; the bits above
 * count extents already done when a long call is continued (abi.md 2.2).
 *
 * XENMEM_exchange is all or nothing, since Linux stops where it finds half of
 * it: frames are first taken out of use (so that no one else can come to hold
 * them), new ones allocated, and only then is anything committed.
 */
#include "core/memory_op.h"
#include "core/access.h"
#include "core/hypercall.h"
#include "lib/string.h"
#include "x86/paging.h"
#include "x86/tlb.h"
#include "xen/memory.h"

#define CMD_BITS 6
#define EXCHANGE_MAX_PAGES 4096 /* at once; Linux asks for at most 512 */
#define GUEST_MAP_ENTRIES 128 /* of XENMEM_set_memory_map, as libxl has room for */

struct e820_map machine_map;

static long continue_at(u64 cmd, u64 arg, u64 extent)
{
	return hypercall_continue(2, cmd | extent << CMD_BITS, arg, 0, 0);
}

static unsigned address_bits(u32 mem_flags)
{
	unsigned bits = mem_flags & 0xff;

	return bits ? max(bits, (unsigned)PAGE_SHIFT + 1) : 0;
}

/* The target of a reservation, which the caller must control. */
static struct domain *reservation_target(domid_t id, long *rc)
{
	struct domain *d = hypercall_target(id);

	*rc = -ESRCH;
	if (!d)
		return NULL;
	if (access_control(current->domain, d))
		return d;
	hypercall_target_put(d);
	*rc = -EPERM;
	return NULL;
}

/* --- decrease_reservation ------------------------------------------------------------------ */

static bool release_extent(struct domain *d, u64 mfn, unsigned order)
{
	for (u64 i = 0; i < 1ULL << order; i++)
		if (!release_owned_page(MFN(mfn + i), d))
			return false;
	return true;
}

static long decrease_reservation(u64 cmd, u64 arg, u64 start)
{
	struct xen_memory_reservation r;
	struct domain *d;
	long rc;
	u64 i, mfn;

	if (copy_from_guest(&r, arg, sizeof(r)))
		return -EFAULT;
	if (r.extent_order > 9)
		return -EINVAL;
	d = reservation_target(r.domid, &rc);
	if (!d)
		return rc;
	for (i = start; i < r.nr_extents; i++) {
		if (i != start && !(i & 15) && preempt_check()) {
			rc = continue_at(cmd, arg, i);
			goto out;
		}
		if (copy_from_guest(&mfn, r.extent_start + i * 8, 8) || !release_extent(d, mfn, r.extent_order))
			break;
	}
	rc = i;
out:
	hypercall_target_put(d);
	return rc;
}

/*
 * Takes back what a call has just given to `d`: all that is still there. Some frames may be gone, by d's other vcpus or
 * by its end, and those behind them must not stay for that.
 */
static void take_back(struct domain *d, mfn_t first, unsigned order)
{
	for (u64 i = 0; i < 1ULL << order; i++)
		(void)release_owned_page(MFN(first.m + i), d);
}

/* --- populate_physmap, increase_reservation --------------------------------------------------- */

static bool room_for(struct domain *d, u64 pages)
{
	return d->tot_pages + pages <= d->max_pages;
}

/*
 * Gives `d` a block; the M2P has gpfn for its first frame, if it is one. That is written first: once the frames are
 * d's, another of its vcpus may give them back, and they and their entries may be another domain's.
 */
static void give_block(struct domain *d, u64 mfn, unsigned order, u64 gpfn)
{
	for (u64 i = 0; gpfn != INVALID_M2P && i < 1ULL << order; i++)
		m2p_set(MFN(mfn + i), gpfn + i);
	assign_pages(MFN(mfn), 1ULL << order, d);
}

/* One extent for `d`, from gpfn on (or INVALID_M2P); its first frame in *mfn. */
static bool new_extent(struct domain *d, unsigned order, unsigned bits, u64 gpfn, mfn_t *mfn)
{
	u64 pages = 1ULL << order;

	if (!room_for(d, pages) || !page_alloc_has(d->claimed_pages, pages))
		return false;
	*mfn = alloc_pages(order, bits, d->is_privileged ? ALLOC_NOSCRUB : 0);
	if (mfn_eq(*mfn, INVALID_MFN))
		return false;
	give_block(d, mfn->m, order, gpfn);
	/* What was claimed has come. */
	if (unlikely(d->claimed_pages))
		page_alloc_claim_used(&d->claimed_pages, pages);
	/* Two vcpus may both have found the last room; and a domain that ends now looks for its frames just once. */
	if (likely(room_for(d, 0) && !__atomic_load_n(&d->is_dying, __ATOMIC_SEQ_CST)))
		return true;
	take_back(d, *mfn, order);
	return false;
}

static long add_memory(u64 cmd, u64 arg, u64 start, bool populate)
{
	struct xen_memory_reservation r;
	struct domain *d;
	long rc;
	u64 i, gpfn = INVALID_M2P;
	mfn_t mfn;

	if (copy_from_guest(&r, arg, sizeof(r)))
		return -EFAULT;
	if (r.extent_order > 18)
		return -EINVAL;
	d = reservation_target(r.domid, &rc);
	if (!d)
		return rc;
	/* A guest may not take big blocks at will: they are for the toolstack (xen/memory.h). */
	if (r.extent_order > (access_machine(current->domain) ? 18 : 9)) {
		rc = -EPERM;
		goto out;
	}
	for (i = start; i < r.nr_extents; i++) {
		if (i != start && preempt_check()) {
			rc = continue_at(cmd, arg, i);
			goto out;
		}
		if (populate && copy_from_guest(&gpfn, r.extent_start + i * 8, 8))
			break;
		if (!new_extent(d, r.extent_order, address_bits(r.mem_flags), gpfn, &mfn))
			break;
		if (r.extent_start && copy_to_guest(r.extent_start + i * 8, &mfn.m, 8)) {
			take_back(d, mfn, r.extent_order);
			break;
		}
	}
	rc = i;
out:
	hypercall_target_put(d);
	return rc;
}

/*
 * XENMEM_claim_pages: memory that is free now stays so until the domain, which has `nr_extents` pages then, has got
 * it. So a toolstack knows before it begins to build that there is enough.
 */
static long claim_pages(u64 arg)
{
	struct xen_memory_reservation r;
	struct domain *d;
	long rc;

	if (copy_from_guest(&r, arg, sizeof(r)))
		return -EFAULT;
	if (r.extent_start || r.extent_order || r.mem_flags)
		return -EINVAL;
	if (!access_machine(current->domain))
		return -EPERM;
	d = reservation_target(r.domid, &rc);
	if (!d)
		return rc;
	if (!r.nr_extents)
		rc = page_alloc_claim(&d->claimed_pages, 0);
	else if (d->claimed_pages || r.nr_extents <= d->tot_pages || r.nr_extents > d->max_pages || d->is_dying)
		rc = -EINVAL;
	else
		rc = page_alloc_claim(&d->claimed_pages, r.nr_extents - d->tot_pages);
	hypercall_target_put(d);
	return rc;
}

/* --- exchange ------------------------------------------------------------------------------------- */

/*
 * Takes a frame out of use: only if the owner's reference is the last and no
 * type is counted. Nobody can get hold of it then, until restored or freed.
 */
static bool steal(struct domain *d, mfn_t mfn)
{
	struct page_info *pg;
	u64 only = 1 | PGC_allocated | (u64)d->domain_id << PGC_owner_shift;

	if (!mfn_valid(mfn))
		return false;
	pg = mfn_to_page(mfn);
	if (READ_ONCE(pg->type) & PGT_count_mask)
		return false;
	return __atomic_compare_exchange_n(&pg->count, &only, PGC_owner_none << PGC_owner_shift, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static void restore(struct domain *d, const u64 *mfns, u64 n)
{
	for (u64 i = 0; i < n; i++)
		WRITE_ONCE(mfn_to_page(MFN(mfns[i]))->count, 1 | PGC_allocated | (u64)d->domain_id << PGC_owner_shift);
}

static int steal_all(struct domain *d, const struct xen_memory_reservation *in, u64 *mfns)
{
	u64 n = 0, first;

	for (u64 i = 0; i < in->nr_extents; i++) {
		if (copy_from_guest(&first, in->extent_start + i * 8, 8)) {
			restore(d, mfns, n);
			return -EFAULT;
		}
		for (u64 j = 0; j < 1ULL << in->extent_order; j++) {
			if (!steal(d, MFN(first + j))) {
				restore(d, mfns, n);
				return -EINVAL;
			}
			mfns[n++] = first + j;
		}
	}
	return 0;
}

static int alloc_all(const struct xen_memory_reservation *out, u64 *mfns, unsigned flags)
{
	for (u64 i = 0; i < out->nr_extents; i++) {
		mfn_t m = alloc_pages(out->extent_order, address_bits(out->mem_flags), flags);

		if (mfn_eq(m, INVALID_MFN)) {
			while (i-- > 0)
				free_pages(MFN(mfns[i]), out->extent_order, false);
			return -ENOMEM;
		}
		mfns[i] = m.m;
	}
	return 0;
}

/* The point of no return is behind us: old frames go, new ones come. */
static int commit(struct domain *d, const struct xen_memory_exchange *x, const u64 *old, u64 pages, const u64 *new)
{
	u64 gpfn;
	int rc = 0;

	/* On every CPU: another domain may have mapped them once, and still hold that in a TLB. */
	flush_tlb_since(tlb_clock());
	for (u64 i = 0; i < pages; i++) {
		mfn_to_page(MFN(old[i]))->type = 0;
		m2p_set(MFN(old[i]), INVALID_M2P);
		free_pages(MFN(old[i]), 0, true);
	}
	__atomic_fetch_sub(&d->tot_pages, pages, __ATOMIC_SEQ_CST);
	for (u64 i = 0; i < x->out.nr_extents; i++) {
		if (copy_from_guest(&gpfn, x->out.extent_start + i * 8, 8)) {
			rc = -EFAULT;
			gpfn = INVALID_M2P;
		}
		give_block(d, new[i], x->out.extent_order, gpfn);
		if (gpfn != INVALID_M2P && copy_to_guest(x->out.extent_start + i * 8, &new[i], 8))
			rc = -EFAULT;
	}
	return rc;
}

static long exchange(u64 arg)
{
	struct domain *d = current->domain;
	struct xen_memory_exchange x;
	u64 pages, *old, *new;
	long rc;

	if (copy_from_guest(&x, arg, sizeof(x)))
		return -EFAULT;
	if (x.nr_exchanged || x.in.domid != DOMID_SELF || x.out.domid != DOMID_SELF || x.in.extent_order > 12 ||
	    x.out.extent_order > 12 || x.in.nr_extents > EXCHANGE_MAX_PAGES || x.out.nr_extents > EXCHANGE_MAX_PAGES)
		return -EINVAL;
	pages = x.in.nr_extents << x.in.extent_order;
	if (pages != x.out.nr_extents << x.out.extent_order || pages > EXCHANGE_MAX_PAGES)
		return -EINVAL;
	if (x.in.extent_order > 0 && x.out.extent_order > 0)
		return -EINVAL;
	if (!pages)
		return 0;
	/* Addresses are checked before anything is taken: the same memory is written at the end. */
	old = hv_alloc(pages * 8);
	new = hv_alloc(x.out.nr_extents * 8);
	rc = -ENOMEM;
	if (!old || !new)
		goto out;
	rc = steal_all(d, &x.in, old);
	if (rc)
		goto out;
	rc = alloc_all(&x.out, new, d->is_privileged ? ALLOC_NOSCRUB : 0);
	if (rc) {
		restore(d, old, pages);
		goto out;
	}
	rc = commit(d, &x, old, pages, new);
	x.nr_exchanged = x.in.nr_extents;
	if (copy_to_guest(arg + offsetof(struct xen_memory_exchange, nr_exchanged), &x.nr_exchanged, 8))
		rc = -EFAULT;
out:
	hv_free(old);
	hv_free(new);
	return rc;
}

/* --- Maps --------------------------------------------------------------------------------------------- */

/* `whole`: a part of the map is of no use, so too little room is an error. */
static long give_map(u64 arg, const struct e820_entry *e, u32 nr, bool whole)
{
	struct xen_memory_map m;

	if (copy_from_guest(&m, arg, sizeof(m)))
		return -EFAULT;
	if (whole && m.nr_entries < nr)
		return -EINVAL;
	m.nr_entries = min(m.nr_entries, nr);
	if (copy_to_guest(m.buffer, e, m.nr_entries * sizeof(*e)) || copy_to_guest(arg, &m, sizeof(m)))
		return -EFAULT;
	return 0;
}

/* A map for a domain that has none yet, or another one. */
static long set_memory_map(u64 arg)
{
	struct xen_foreign_memory_map f;
	struct e820_entry *e, *old;
	struct domain *d;
	long rc;

	if (copy_from_guest(&f, arg, sizeof(f)))
		return -EFAULT;
	if (f.map.nr_entries > GUEST_MAP_ENTRIES)
		return -EINVAL;
	d = reservation_target(f.domid, &rc);
	if (!d)
		return rc;
	rc = -EPERM;
	if (!access_machine(current->domain))
		goto out;
	e = hv_alloc(f.map.nr_entries * sizeof(*e) + 1);
	rc = -ENOMEM;
	if (!e)
		goto out;
	old = e;
	rc = -EFAULT;
	if (!copy_from_guest(e, f.map.buffer, f.map.nr_entries * sizeof(*e))) {
		spin_lock(&d->lock);
		old = d->e820;
		d->e820 = e;
		d->nr_e820 = f.map.nr_entries;
		spin_unlock(&d->lock);
		rc = 0;
	}
	hv_free(old);
out:
	hypercall_target_put(d);
	return rc;
}

/* Where the M2P is: a frame number for each 2 MiB of it, for a toolstack that maps them as DOMID_XEN's. */
static long machphys_mfn_list(u64 arg)
{
	struct xen_machphys_mfn_list l;
	u64 mfn = 0;
	u32 n;

	if (!access_machine(current->domain))
		return -EPERM;
	if (copy_from_guest(&l, arg, sizeof(l)))
		return -EFAULT;
	for (n = 0; n < l.max_extents && (u64)n << 18 < max_page; n++) {
		mfn_t chunk = m2p_chunk(n);

		/* Where there is no memory there is no M2P; the list has no holes, so it says the one before again. */
		mfn = mfn_eq(chunk, INVALID_MFN) ? mfn : chunk.m;
		if (copy_to_guest(l.extent_start + n * 8, &mfn, 8))
			return -EFAULT;
	}
	l.nr_extents = n;
	return copy_to_guest(arg, &l, sizeof(l)) ? -EFAULT : 0;
}

/*
 * XENMEM_acquire_resource: machine frames of what the hypervisor keeps for a domain, for the caller to map as that
 * domain's. A version 1 grant table has no status frames; nothing else is there for PV.
 */
static long acquire_resource(u64 cmd, u64 arg, u64 start)
{
	struct xen_mem_acquire_resource r;
	struct domain *d;
	long rc;
	u32 max;

	if (copy_from_guest(&r, arg, sizeof(r)))
		return -EFAULT;
	if (r.pad)
		return -EINVAL;
	if (r.domid == DOMID_SELF || r.domid == current->domain->domain_id)
		return -EPERM;
	d = reservation_target(r.domid, &rc);
	if (!d)
		return rc;
	rc = -EOPNOTSUPP;
	if (r.type != XENMEM_resource_grant_table)
		goto out;
	rc = -EINVAL;
	if (r.id > XENMEM_resource_grant_table_id_status)
		goto out;
	max = r.id == XENMEM_resource_grant_table_id_shared ? grant_table_max_frames(d) : 0;
	if (!r.frame_list) {
		if (r.nr_frames)
			goto out;
		rc = copy_to_guest(arg + offsetof(struct xen_mem_acquire_resource, nr_frames), &max, 4) ? -EFAULT : 0;
		goto out;
	}
	if (r.frame > max || r.nr_frames > max - r.frame)
		goto out;
	rc = 0;
	for (u64 i = start; i < r.nr_frames && !rc; i++) {
		mfn_t mfn;

		if (i != start && preempt_check()) {
			rc = continue_at(cmd, arg, i);
			break;
		}
		rc = grant_table_frame(d, r.frame + i, &mfn);
		if (!rc && copy_to_guest(r.frame_list + i * 8, &mfn.m, 8))
			rc = -EFAULT;
	}
out:
	hypercall_target_put(d);
	return rc;
}

/* The caller's own map, which a toolstack may be about to replace. */
static long own_map(struct domain *d, u64 arg)
{
	struct e820_entry e[GUEST_MAP_ENTRIES];
	u32 nr;

	spin_lock(&d->lock);
	nr = d->e820 ? d->nr_e820 : 0;
	if (nr)
		memcpy(e, d->e820, nr * sizeof(*e));
	spin_unlock(&d->lock);
	return nr ? give_map(arg, e, nr, false) : -ENOSYS;
}

static long machphys_mapping(u64 arg)
{
	const struct xen_machphys_mapping m = { M2P_RO_START, M2P_RO_END, max_page - 1 };

	return copy_to_guest(arg, &m, sizeof(m)) ? -EFAULT : 0;
}

/* Answers about one domain, which *arg begins with. */
static long about_domain(unsigned cmd, u64 arg)
{
	struct domain *d;
	domid_t id;
	long rc;

	if (copy_from_guest(&id, arg, sizeof(id)))
		return -EFAULT;
	d = reservation_target(id, &rc);
	if (!d)
		return rc;
	switch (cmd) {
	case XENMEM_add_to_physmap:
	case XENMEM_remove_from_physmap:
	case XENMEM_add_to_physmap_batch:
		/* A PV domain has no table of its physical memory that could be changed. */
		rc = -EACCES;
		break;
	case XENMEM_current_reservation:
		rc = d->tot_pages;
		break;
	case XENMEM_maximum_reservation:
		rc = d->max_pages;
		break;
	default:
		rc = d->shared_info->arch.max_pfn;
		break;
	}
	hypercall_target_put(d);
	return rc;
}

HYPERCALL(hc_memory_op)
{
	struct domain *d = current->domain;
	unsigned cmd = a1 & ((1 << CMD_BITS) - 1);
	u64 start = a1 >> CMD_BITS;

	switch (cmd) {
	case XENMEM_increase_reservation:
		return add_memory(cmd, a2, start, false);
	case XENMEM_decrease_reservation:
		return decrease_reservation(cmd, a2, start);
	case XENMEM_populate_physmap:
		return add_memory(cmd, a2, start, true);
	case XENMEM_exchange:
		return exchange(a2);
	case XENMEM_maximum_ram_page:
		return max_page - 1;
	case XENMEM_current_reservation:
	case XENMEM_maximum_reservation:
	case XENMEM_maximum_gpfn:
	case XENMEM_add_to_physmap:
	case XENMEM_remove_from_physmap:
	case XENMEM_add_to_physmap_batch:
		return about_domain(cmd, a2);
	case XENMEM_memory_map:
		return own_map(d, a2);
	case XENMEM_set_memory_map:
		return set_memory_map(a2);
	case XENMEM_claim_pages:
		return claim_pages(a2);
	case XENMEM_machphys_mfn_list:
		return machphys_mfn_list(a2);
	case XENMEM_acquire_resource:
		return acquire_resource(cmd, a2, start);
	case XENMEM_get_sharing_freed_pages:
	case XENMEM_get_sharing_shared_pages:
		return access_machine(d) ? 0 : -EPERM;
	case XENMEM_machine_memory_map:
		return access_machine(d) ? give_map(a2, machine_map.e, machine_map.nr, true) : -EPERM;
	case XENMEM_machphys_mapping:
		return machphys_mapping(a2);
	default:
		return -ENOSYS;
	}
}
