/* SPDX-License-Identifier: MIT */
/*
 * What a frame is used as, and by how many: the rules that keep a PV guest's
 * page tables honest. docs/page-types.md tells the whole story; page_type.c
 * holds it.
 */
#ifndef PV_PAGE_TYPE_H
#define PV_PAGE_TYPE_H

#include "core/page_alloc.h"
#include "lib/errno.h"
#include "lib/types.h"

struct domain;
struct vcpu;

/* One past the highest frame that has a frame table entry. */
extern u64 max_page;
/* One bit per MiB of machine memory that has frame table entries. */
extern u64 *mfn_present;

/* One exchange of a frame's or an entry's word; *old becomes what was there. */
static inline bool cmpxchg64(u64 *p, u64 *old, u64 new)
{
	return __atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static inline bool mfn_valid(mfn_t m)
{
	return m.m < max_page && (mfn_present[m.m >> 14] >> (m.m >> 8 & 63) & 1);
}

/*
 * A promotion or demotion of tables that was interrupted, kept by the vcpu that
 * does it. Frames of levels 4, 3 and 2 may be in progress, the lowest last.
 */
struct pt_job {
	u8 depth;
	u8 nr_later;     /* not 0 only while depth is not 0 */
	enum { ROOT_NONE, ROOT_RUNS, ROOT_DONE } root_state;
	int rc;          /* why a promotion is being undone; 0 for none */
	struct {
		u64 mfn;
		u16 next;    /* entries 0..next-1 hold their references */
		bool undo;
	} frame[3];
	u64 later[3];    /* tables to be put once the frames above are done */
	u64 root;        /* frame of the last promotion that was interrupted */
	int root_rc;     /* its outcome, once done: 0 with a type count and a reference held, or the error */
};

/* Present entries that a job deals with between two looks at preempt_check(). Models set 1. */
extern unsigned pt_job_steps;

/* --- References ------------------------------------------------------------ */

/* A reference on a frame `d` owns. False: not d's, or being freed. */
bool get_page(mfn_t mfn, struct domain *d);
void put_page(mfn_t mfn);
/* The same with a type: false also where the frame is used as something else. */
bool get_page_writable(mfn_t mfn, struct domain *d);
void put_page_writable(mfn_t mfn);
/* Descriptor page (GDT, LDT): checked on promotion. */
bool get_page_seg_desc(mfn_t mfn, struct domain *d);
void put_page_seg_desc(mfn_t mfn);

/*
 * A reference and type Ln (1..4) on a frame of `d`; validates its entries where
 * it was no such table. 0; -EINVAL: not d's frame, used otherwise, or an entry
 * is not allowed; -ERESTART: preempted, v->pv.job goes on when the same call is
 * made again after pt_job_resume().
 */
int get_page_table(struct vcpu *v, mfn_t mfn, struct domain *d, unsigned level);
/* Gives both back. Demotion goes into v->pv.job where it is long: see pt_job_resume(). */
void put_page_table(struct vcpu *v, mfn_t mfn);
/* Goes on with what is unfinished. 0, or -ERESTART. */
int pt_job_resume(struct vcpu *v);
/* Gives up the hold that a finished, interrupted promotion left for its repeated call. End of each MMU hypercall. */
void pt_job_settle(struct vcpu *v);
/* Turns what is unfinished back (domain destruction). 0, or -ERESTART. */
int pt_job_abort(struct vcpu *v);

/*
 * Holds a validated table frame in its type, and a reference on it, while one
 * entry is changed. Returns its level 1..4, or 0 where the frame is no table of
 * `d` now.
 */
unsigned hold_page_table(mfn_t mfn, struct domain *d);
/*
 * The same for an L1 table only. For callers that do not go on with v->pv.job
 * (page faults, grants): letting go of a higher table may leave work there.
 */
bool hold_l1_table(mfn_t mfn, struct domain *d);
void release_page_table(struct vcpu *v, mfn_t mfn);

/* Pins a table as level 1..4: it keeps its type until unpinned. -EINVAL, -ERESTART as above. */
int pin_page_table(struct vcpu *v, mfn_t mfn, struct domain *d, unsigned level);
int unpin_page_table(struct vcpu *v, mfn_t mfn, struct domain *d);

/* --- Entries ---------------------------------------------------------------- */

/*
 * Changes the L1 entry at `pl1e` (in a frame the caller holds in its type) from
 * whatever it is to `new`, of frames owned by pg_owner. `preserve_ad`: the
 * accessed and dirty bits stay set where they are. 0, -EINVAL, -EPERM.
 */
int mod_l1_entry(struct vcpu *v, u64 *pl1e, u64 new, bool preserve_ad, struct domain *pt_owner,
		 struct domain *pg_owner);
/* The same for an entry of level 2..4. Also -ERESTART. */
int mod_table_entry(struct vcpu *v, u64 *entry, mfn_t table, u64 new, bool preserve_ad, unsigned level,
		    struct domain *d);
/* Drops what a present L1 entry holds. */
void l1_entry_put(u64 pte);
/* Takes what L1 entry *pte asks for, correcting it to what will be stored. 0, -EINVAL, -EPERM. */
int l1_entry_get(u64 *pte, struct domain *pt_owner, struct domain *pg_owner);

/* --- Ownership (page_owner.c) ------------------------------------------------- */

/* Gives frames fresh from alloc_pages() to `d`, with the owner's reference. */
void assign_pages(mfn_t first, u64 nr, struct domain *d);
/*
 * Takes the owner's reference back (XENMEM_decrease_reservation and the like).
 * False: not d's, or already taken.
 */
bool release_owned_page(mfn_t mfn, struct domain *d);
/* A hypervisor frame (from alloc_pages) becomes mappable by `d`. */
void share_page_with_domain(mfn_t mfn, struct domain *d, bool writable);
/* Ends the sharing of a writable one for good: it is freed once nobody has it mapped any more. */
void disown_shared_page(mfn_t mfn, struct domain *d);
/*
 * release_owned_page() for the 64 frames from `first` on, a multiple of 64, all of which have a frame table entry.
 * The domain is dying and has no page tables left. How many were freed at once.
 */
u32 release_owned_pages(u64 first, struct domain *d);

/* To be supplied: the M2P entry of a frame (x86/paging.h), domains by id. */
/* Fills the hypervisor's slots of a new L4 of `d`. */
void domain_fill_l4(struct domain *d, u64 *l4);
void m2p_set(mfn_t mfn, u64 pfn);
/* A frame that is not RAM and that guests may only read: MSI-X messages or PCI configuration space (x86/msi.c). */
bool io_frame_readonly(mfn_t mfn);
struct domain *domain_of_owner(domid_t id);
/* An L4 changed: CPUs that run on a copy of it (XPTI) must copy again. */
void l4_changed(mfn_t l4);

#endif
