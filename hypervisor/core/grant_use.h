/* SPDX-License-Identifier: MIT */
/*
 * Inside of grant tables, for grant_table.c (which has the story and the invariants) and grant_copy.c: the entries, how a
 * use of one begins and ends, and whom the elements of a call name.
 */
#ifndef CORE_GRANT_USE_H
#define CORE_GRANT_USE_H

#include "core/domain.h"
#include "core/page_alloc.h"
#include "core/seam.h"
#include "pv/page_type.h"
#include "xen/grant_table.h"

/* The shared entry as two words, each read or changed in one go (xen/grant_table.h: struct grant_entry_v1). */
struct shared_entry {
	u32 header; /* flags in bits 0..15, domid in bits 16..31 */
	u32 frame;
};
_Static_assert(sizeof(struct shared_entry) == sizeof(struct grant_entry_v1), "one layout");

struct active_grant {
	u32 readers;   /* [G] */
	u32 writers;   /* [G] */
	u32 frame;     /* [G] valid while in use */
	domid_t domid; /* [G] likewise */
};

#define ENTRIES_PER_FRAME (PAGE_SIZE / sizeof(struct shared_entry))
#define CMPXCHG_TRIES 8   /* a granter that changes an entry as often meanwhile is refused */
#define ACTIVE_PART 256u  /* entries whose active parts are a page */

struct maptrack;

struct grant_frame {
	struct shared_entry *shared; /* [I] once it is there */
	struct active_grant *active[ENTRIES_PER_FRAME / ACTIVE_PART]; /* [G] each from the first use on, till the table's end */
};

struct grant_table {
	spinlock_t lock;           /* RANK_GRANT: [G] */
	u32 nr_frames;             /* [G] */
	u32 max_frames;            /* [I] */
	u32 max_maptrack;          /* [I] pages */
	u32 nr_maptrack;           /* [G] pages */
	u32 free_handle;           /* [G] list, NO_HANDLE at its end */
	bool dead;                 /* [G] nobody looks at the shared entries any more, nor may anyone use one */
	struct maptrack **maptrack; /* [G] from the first mapping on */
	struct grant_frame frame[]; /* [G] max_frames */
};

/* Where an entry is. While a use of it lasts neither part moves; the shared one is not touched once the table is dead. */
struct grant_use {
	struct shared_entry *shared;
	struct active_grant *active;
};

/* Entry `ref`; false beyond the table's end. use->active is NULL where none near it was ever used. [G] */
static inline bool entry_find(const struct grant_table *gt, u32 ref, struct grant_use *use)
{
	u32 f = ref / ENTRIES_PER_FRAME;
	const struct grant_frame *frame;

	if (unlikely(f >= gt->nr_frames))
		return false;
	frame = &gt->frame[index_nospec(f, gt->nr_frames)];
	ref %= ENTRIES_PER_FRAME;
	use->shared = frame->shared + ref;
	use->active = frame->active[ref / ACTIVE_PART];
	if (likely(use->active))
		use->active += ref % ACTIVE_PART;
	return true;
}

/* Makes room for what is known of the entries around `ref`, one of the table's. False without memory. [G] */
bool entry_make_active(struct grant_table *gt, u32 ref);

/* Checks the entry for `user` and marks it in use. GNTST_*. [G] */
static inline int entry_mark(struct shared_entry *sh, domid_t user, bool write)
{
	const u32 looked_at = 0xffff0000u | GTF_type_mask | (write ? GTF_readonly : 0);
	u32 header = __atomic_load_n(&sh->header, __ATOMIC_RELAXED);
	u32 marks = GTF_reading | (write ? GTF_writing : 0);

	for (u32 i = 0; i < CMPXCHG_TRIES; i++) {
		if (unlikely((header & looked_at) != ((u32)user << 16 | GTF_permit_access)))
			return GNTST_general_error;
		if (likely(__atomic_compare_exchange_n(&sh->header, &header, header | marks, false,
						       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)))
			return GNTST_okay;
	}
	return GNTST_general_error;
}

static inline void entry_unmark(struct shared_entry *sh, const struct active_grant *act)
{
	if (likely(!(act->readers | act->writers)))
		__atomic_fetch_and(&sh->header, ~(GTF_reading | GTF_writing), __ATOMIC_SEQ_CST);
	else if (!act->writers)
		__atomic_fetch_and(&sh->header, ~GTF_writing, __ATOMIC_SEQ_CST);
}

/*
 * Begins a use of entry `ref` of `granter` by domain `user`: the marks in the entry and a reference (writable type) on its
 * frame, which is use->active->frame then. GNTST_*. Inline for grant_copy(), where `write` is known. [G]
 */
static inline __attribute__((always_inline)) int grant_use_begin(struct domain *granter, u32 ref, domid_t user, bool write,
								 struct grant_use *use)
{
	struct grant_table *gt = granter->grant;
	struct active_grant *act;
	u32 *users;

	if (unlikely(gt->dead))
		return GNTST_bad_domain;
	if (unlikely(!entry_find(gt, ref, use)))
		return GNTST_bad_gntref;
	if (unlikely(!use->active) && (!entry_make_active(gt, ref) || !entry_find(gt, ref, use)))
		return GNTST_general_error;
	act = use->active;
	users = write ? &act->writers : &act->readers;
	if (likely(!(act->readers | act->writers))) {
		if (unlikely(entry_mark(use->shared, user, write)))
			return GNTST_general_error;
		/* The entry's frame is fixed once it is marked. */
		act->frame = __atomic_load_n(&use->shared->frame, __ATOMIC_RELAXED);
		act->domid = user;
	} else if (act->domid != user || *users == ~0u || (!*users && entry_mark(use->shared, user, write))) {
		/* In use already, and marked for what is wanted: then the flags need no look. */
		return GNTST_general_error;
	}
	if (unlikely(write ? !get_page_writable(MFN(act->frame), granter) : !get_page(MFN(act->frame), granter))) {
		entry_unmark(use->shared, act);
		return GNTST_general_error;
	}
	++*users;
	return GNTST_okay;
}

/* Ends one. [G] */
static inline __attribute__((always_inline)) void grant_use_end(struct grant_table *gt, const struct grant_use *use, bool write)
{
	struct active_grant *act = use->active;

	if (write) {
		BUG_ON(!act->writers);
		act->writers--;
		put_page_writable(MFN(act->frame));
	} else {
		BUG_ON(!act->readers);
		act->readers--;
		put_page(MFN(act->frame));
	}
	if (likely(!gt->dead))
		entry_unmark(use->shared, act);
}

/* --- Whom the elements of a call name ------------------------------------------------------------ */

struct partner {
	struct domain *d; /* with a reference, or NULL */
	domid_t id;
};

/* The domain `id`, held by `p` until it is asked for another; NULL where there is none. */
static inline struct domain *partner_of(struct partner *p, domid_t id)
{
	if (p->d && p->id == id)
		return p->d;
	if (p->d)
		put_domain(p->d);
	p->d = get_domain(id);
	p->id = id;
	return p->d;
}

static inline void partner_end(struct partner *p)
{
	if (p->d)
		put_domain(p->d);
	p->d = NULL;
}

/* GNTTABOP_copy, as do_grant_table_op(). In grant_copy.c. */
long grant_copy(struct vcpu *v, u64 gva, u32 count, u32 *done);

#endif
