// SPDX-License-Identifier: MIT
/*
 * Page types.
 *
 * A PV guest's page tables are the ones the CPU walks. What keeps the machine
 * safe is a rule about frames: one that is a page table (or holds descriptors)
 * is nowhere mapped writable, and every entry of a table was checked when it
 * was written. The frame table counts, for each frame, references (someone
 * needs it to stay) and uses of its present type.
 *
 * Invariants, true whenever no CPU is inside a function of this file:
 *
 *  1. A frame has one type at a time. The type changes only while its count is 0.
 *  2. A present L1 entry that may write holds a count of the writable type on
 *     its frame; one that may only read holds a reference. Entries for what is
 *     not RAM hold nothing.
 *  3. A present entry of level n > 1 holds a count of type L(n-1) on its frame.
 *  4. PGT_validated is set exactly while every entry of the table holds what 2
 *     and 3 say. A frame with type count > 0 and without it is in the hands of
 *     one vcpu's job (or one CPU's function), which holds the single count.
 *  5. All counts of a frame's type together hold one reference, taken with the
 *     first and given back with the last: a frame in use is not freed.
 *
 * No lock: counts change by compare-and-exchange on the frame's own words. The
 * reasoning at each exchange says what makes it right. Entries are exchanged
 * too; whoever succeeds drops what the old value held.
 *
 * Tables can be deep: promoting an L4 may check every table of a domain. Work
 * above L1 therefore runs as a job with its state in the vcpu, which stops when
 * preempt_check() says so and goes on when the guest repeats the hypercall:
 *
 *   frame states      free of job ──get_page_table──> promoting ──last entry──> validated
 *                          ^                             │ bad entry                │ last count put
 *                          └────────── demoting <────────┴──────────────────────────┘
 *
 * Jobs of two vcpus never wait for each other in a circle: a job works on the
 * lowest table of its chain, which needs only tables lower still, and L1
 * tables are done in one go.
 *
 * TLBs: an old translation must not outlive the type it was made under. They are
 * flushed when a frame changes from writable to something that must not be
 * written, from a table to anything else, and when one that was ever mapped is
 * freed: its next owner's data is nobody else's to read. A frame's type word
 * keeps the time at which its last count went (by the TLB clock, x86/tlb.c), and
 * CPUs that have flushed since then are left alone.
 */
#include "pv/page_type.h"
#include "core/domain.h"
#include "core/seam.h"
#include "pv/descriptors.h"
#include "pv/l1tf.h"
#include "x86/layout.h"

#define TYPE_OF(x) ((x) & PGT_type_mask)
#define COUNT_OF(x) ((x) & PGT_count_mask)
#define LEVEL_TYPE(level) ((u64)(level) << PGT_type_shift)

/* What a guest may set in an entry (abi.md 3.6); all else is refused. */
#define BASE_FLAGS (PTE_P | PTE_RW | PTE_U | PTE_A | PTE_D | PTE_AVAIL | PTE_NX | 0x7ff0000000000000)
#define L1_FLAGS (BASE_FLAGS | PTE_G)
#define CACHE_FLAGS (PTE_PWT | PTE_PCD | PTE_PAT)

/* ------------------------------------------------------------ references -- */

/* A reference on a frame that mfn_valid() knows. */
static inline bool get_page_known(struct page_info *pg, const struct domain *d)
{
	u64 x = READ_ONCE(pg->count);

	/* Owner and count share a word, so one exchange proves both at one moment. */
	do {
		if (unlikely(!(x & PGC_count_mask)) ||
		    unlikely((x & PGC_owner_mask) >> PGC_owner_shift != d->domain_id))
			return false;
	} while (unlikely(!cmpxchg64(&pg->count, &x, x + 1)));
	return true;
}

bool get_page(mfn_t mfn, struct domain *d)
{
	return likely(mfn_valid(mfn)) && get_page_known(mfn_to_page(mfn), d);
}

static __attribute__((noinline)) void free_owned_page(mfn_t mfn, domid_t owner)
{
	struct domain *d = domain_of_owner(owner);
	struct page_info *pg = mfn_to_page(mfn);

	ASSERT(!COUNT_OF(pg->type));
	/* Mappings for reading have left no time behind: every CPU might still hold one. */
	if (TYPE_OF(pg->type) != PGT_none || (pg->type & PGT_readable))
		flush_tlb_since(tlb_clock());
	m2p_set(mfn, ~0ULL);
	free_pages(mfn, 0, true);
	if (!__atomic_sub_fetch(&d->tot_pages, 1, __ATOMIC_SEQ_CST))
		domain_frames_gone(d);
}

void put_page(mfn_t mfn)
{
	struct page_info *pg = mfn_to_page(mfn);
	u64 x = __atomic_fetch_sub(&pg->count, 1, __ATOMIC_SEQ_CST);

	ASSERT(x & PGC_count_mask);
	if (unlikely((x & PGC_count_mask) == 1))
		free_owned_page(mfn, (x & PGC_owner_mask) >> PGC_owner_shift);
}

/* May old translations of a frame of type `was` be dangerous once it is `is`? */
static bool change_needs_flush(u64 was, u64 is)
{
	return was != is && was != PGT_none;
}

/* The type word of a frame whose last count goes: its type, and when that was. */
static u64 type_idle(u64 type)
{
	return TYPE_OF(type) | (tlb_clock() << PGT_stamp_shift & PGT_stamp_mask);
}

/*
 * When the last count of an idle type went, by the TLB clock. The stamp has
 * only the low bits: of the moments they could mean, the latest is taken, which
 * may cost a flush too many and never one too few.
 */
static u64 type_idle_since(u64 x)
{
	u64 clock = tlb_clock();

	return clock - ((clock - ((x & PGT_stamp_mask) >> PGT_stamp_shift)) & (PGT_stamp_mask >> PGT_stamp_shift));
}

/* What a type word says of owner `d`, while the type is in use. */
static inline u64 type_owner(const struct domain *d)
{
	return (u64)d->domain_id << PGT_owner_shift;
}

/*
 * The first count of `type`, where `x` was the word of a frame not in use. 0 or 1 as
 * type_get(); -EAGAIN: it changed meanwhile.
 */
static int type_begin(mfn_t mfn, struct domain *d, u64 type, u64 x)
{
	struct page_info *pg = mfn_to_page(mfn);
	u64 was = x, new = type | type_owner(d) | 1;
	bool flush = change_needs_flush(TYPE_OF(x), type);

	/* Invariant 5: the first count comes with a reference, which all others share. */
	if (unlikely(!get_page_known(pg, d)))
		return -EINVAL;
	if (type == PGT_writable && !flush)
		new |= PGT_validated;
	/* Count 0: nobody relies on the old type, the exchange makes it ours alone. */
	if (unlikely(!cmpxchg64(&pg->type, &x, new))) {
		put_page(mfn);
		return -EAGAIN;
	}
	if (flush) {
		flush_tlb_since(type_idle_since(was));
		if (type == PGT_writable)
			__atomic_fetch_or(&pg->type, PGT_validated, __ATOMIC_RELEASE);
	}
	return type == PGT_writable ? 0 : 1;
}

/*
 * Takes one count of `type` on a frame of `d`, which mfn_valid() knows. 0: taken,
 * the frame is validated. 1: the caller made the change from another use; the
 * frame is not validated and the count is the caller's to validate or drop.
 * -EINVAL: not d's, or used as something else. -ERESTART: someone is at work on it.
 */
static inline int type_get(mfn_t mfn, struct domain *d, u64 type)
{
	struct page_info *pg = mfn_to_page(mfn);
	u64 x = READ_ONCE(pg->type), want = type | type_owner(d);
	int rc;

	for (;;) {
		if (COUNT_OF(x) == 0) {
			rc = type_begin(mfn, d, type, x);
			if (rc != -EAGAIN)
				return rc;
			x = READ_ONCE(pg->type);
		} else if (unlikely((x & (PGT_type_mask | PGT_owner_mask)) != want)) {
			return -EINVAL;
		} else if (unlikely(!(x & PGT_validated))) {
			return -ERESTART;
		} else if (likely(cmpxchg64(&pg->type, &x, x + 1))) {
			/* One exchange has proved type, owner and that it is validated at one moment. */
			return 0;
		}
	}
}

/* Drops one count if others stay. */
static inline bool type_put_unless_last(mfn_t mfn)
{
	struct page_info *pg = mfn_to_page(mfn);
	u64 x = READ_ONCE(pg->type);

	while (likely(COUNT_OF(x) > 1))
		if (likely(cmpxchg64(&pg->type, &x, x - 1)))
			return true;
	return false;
}

/*
 * Drops one count. True: it was the last of a table, which is now not validated
 * and the caller's alone to take apart.
 */
static bool type_put(mfn_t mfn)
{
	struct page_info *pg = mfn_to_page(mfn);
	u64 x = READ_ONCE(pg->type);

	for (;;) {
		if (COUNT_OF(x) > 1) {
			if (likely(cmpxchg64(&pg->type, &x, x - 1)))
				return false;
		} else if (TYPE_OF(x) >= PGT_seg_desc) {
			/* Descriptors, or writable: nothing to take apart. */
			if (likely(cmpxchg64(&pg->type, &x, type_idle(x)))) {
				put_page(mfn);
				return false;
			}
		} else if (cmpxchg64(&pg->type, &x, x & ~PGT_validated)) {
			/* Keeping the count of a table at 1 while it is taken apart keeps everybody else out. */
			return true;
		}
		ASSERT(COUNT_OF(x));
	}
}

/* The count that the taker-apart or failed promoter still holds: it is alone, so a plain store does. */
static void type_drop_unvalidated(mfn_t mfn)
{
	struct page_info *pg = mfn_to_page(mfn);

	ASSERT(COUNT_OF(pg->type) == 1 && !(pg->type & PGT_validated));
	__atomic_store_n(&pg->type, type_idle(pg->type), __ATOMIC_RELEASE);
	put_page(mfn);
}

bool get_page_writable(mfn_t mfn, struct domain *d)
{
	int rc;

	if (unlikely(!mfn_valid(mfn)))
		return false;
	/* "At work" on a writable frame means a TLB flush on another CPU: short, so wait. */
	while (unlikely((rc = type_get(mfn, d, PGT_writable)) == -ERESTART))
		spin_wait();
	return rc == 0;
}

void put_page_writable(mfn_t mfn)
{
	type_put(mfn);
}

bool get_page_seg_desc(mfn_t mfn, struct domain *d)
{
	struct page_info *pg = mfn_to_page(mfn);
	bool good = true;
	u64 *desc;
	int rc;

	if (!mfn_valid(mfn))
		return false;
	while ((rc = type_get(mfn, d, PGT_seg_desc)) == -ERESTART)
		spin_wait();
	if (rc <= 0)
		return rc == 0;
	desc = map_frame(mfn);
	for (unsigned i = 0; i < 512 && good; i++)
		good = descriptor_fix(&desc[i]);
	unmap_frame(desc);
	if (good)
		__atomic_fetch_or(&pg->type, PGT_validated, __ATOMIC_RELEASE);
	else
		type_drop_unvalidated(mfn);
	return good;
}

void put_page_seg_desc(mfn_t mfn)
{
	type_put(mfn);
}

/* ------------------------------------------------------------- L1 entries -- */

/*
 * An entry for what is not RAM. Cached mappings become uncached: device
 * registers must not be cached, and the ABI's PAT has UC at index 3.
 */
static int l1_get_io(u64 *pte, struct domain *pt_owner, struct domain *pg_owner, mfn_t mfn)
{
	if (pg_owner != pt_owner && pg_owner != dom_io)
		return -EINVAL;
	if (!rangeset_contains(pt_owner->iomem, mfn.m, mfn.m))
		return -EPERM;
	if (!(*pte & CACHE_FLAGS))
		*pte |= PTE_PWT | PTE_PCD;
	/* Registers that are ours may be looked at: the mapping succeeds, without the right to write. */
	if (io_frame_readonly(mfn))
		*pte &= ~(u64)PTE_RW;
	return 0;
}

/*
 * Marks a frame that is mapped for reading. One that has a type is flushed from
 * TLBs when it is freed; one that has none yet is marked, so that it is too.
 */
static inline void note_readable(struct page_info *pg)
{
	u64 x = READ_ONCE(pg->type);

	/* A type it gets in between does no harm: it is not none any more, and the mark goes when it changes. */
	if (unlikely(TYPE_OF(x) == PGT_none && !(x & PGT_readable)))
		__atomic_fetch_or(&pg->type, PGT_readable, __ATOMIC_SEQ_CST);
}

/*
 * A count of the writable type, where that is simple: it has some, or it has none
 * and was writable or nothing before, so that old translations can do no harm.
 * False: anything else, or it changed meanwhile.
 */
static inline bool writable_get(struct page_info *pg, const struct domain *d)
{
	const u64 want = PGT_writable | PGT_validated | type_owner(d);
	u64 x = READ_ONCE(pg->type);

	if (COUNT_OF(x))
		return (x & (PGT_type_mask | PGT_validated | PGT_owner_mask)) == want && cmpxchg64(&pg->type, &x, x + 1);
	if (change_needs_flush(TYPE_OF(x), PGT_writable) || !get_page_known(pg, d))
		return false;
	if (likely(cmpxchg64(&pg->type, &x, want | 1)))
		return true;
	put_page(page_to_mfn(pg));
	return false;
}

/* What is not the common case of l1_get(): the frame's state decides. */
static __attribute__((noinline)) int l1_get_other(u64 *pte, struct domain *pt_owner, struct domain *pg_owner, mfn_t mfn)
{
	int rc;

	if (!mfn_valid(mfn) || page_owner(mfn_to_page(mfn)) == DOMID_IO)
		return l1_get_io(pte, pt_owner, pg_owner, mfn);
	if (!(*pte & PTE_RW))
		return -EINVAL;
	while (unlikely((rc = type_get(mfn, pg_owner, PGT_writable)) == -ERESTART))
		spin_wait(); /* as in get_page_writable() */
	return rc;
}

static inline __attribute__((always_inline)) int l1_get(u64 *pte, struct domain *pt_owner, struct domain *pg_owner)
{
	mfn_t mfn = MFN((*pte & PTE_MFN_MASK) >> PAGE_SHIFT);
	struct page_info *pg = mfn_to_page(mfn);

	if (!(*pte & PTE_P))
		return unlikely(l1tf_leaks(pt_owner, *pte, 1)) ? l1tf_refuse(pt_owner, *pte) : 0;
	/* Only who has devices has a use for other caching. */
	if (unlikely(*pte & ~(L1_FLAGS | PTE_MFN_MASK)) &&
	    (!pt_owner->is_privileged || (*pte & ~(L1_FLAGS | PTE_MFN_MASK | CACHE_FLAGS))))
		return -EINVAL;
	/* Guest kernel pages are user pages to the CPU: both rings of the guest are ring 3 (abi.md 3.6). */
	if (!(*pte & PTE_U))
		*pte |= PTE_U | PTE_GUEST_KERNEL;
	/* What is not RAM belongs to dom_io, so it fails these like any frame of another domain. */
	if (likely(mfn_valid(mfn) && pg_owner != dom_io)) {
		if (*pte & PTE_RW) {
			if (likely(writable_get(pg, pg_owner)))
				return 0;
		} else if (likely(get_page_known(pg, pg_owner))) {
			note_readable(pg);
			return 0;
		}
	}
	return l1_get_other(pte, pt_owner, pg_owner, mfn);
}

int l1_entry_get(u64 *pte, struct domain *pt_owner, struct domain *pg_owner)
{
	return l1_get(pte, pt_owner, pg_owner);
}

void l1_entry_put(u64 pte)
{
	mfn_t mfn = MFN((pte & PTE_MFN_MASK) >> PAGE_SHIFT);

	if (!(pte & PTE_P) || !mfn_valid(mfn) || page_owner(mfn_to_page(mfn)) == DOMID_IO)
		return;
	if (pte & PTE_RW)
		type_put(mfn);
	else
		put_page(mfn);
}

/*
 * An entry that could write was exchanged for one that can only read the same
 * frame: its count of the writable type becomes a reference. The last count has
 * one, which is kept; otherwise a new one comes first, while the count still
 * keeps the frame.
 */
static void writable_to_readable(mfn_t mfn)
{
	struct page_info *pg = mfn_to_page(mfn);
	u64 x = READ_ONCE(pg->type);

	while (COUNT_OF(x) == 1)
		if (likely(cmpxchg64(&pg->type, &x, type_idle(x))))
			return;
	__atomic_fetch_add(&pg->count, 1, __ATOMIC_SEQ_CST);
	type_put(mfn);
}

static inline bool is_ram_of(const struct domain *d, u64 pte)
{
	mfn_t mfn = MFN((pte & PTE_MFN_MASK) >> PAGE_SHIFT);

	return mfn_valid(mfn) && page_owner(mfn_to_page(mfn)) == d->domain_id;
}

/* Bits that change what an entry holds; all others may change without counting. */
#define L1_HOLDS (PTE_P | PTE_RW | PTE_MFN_MASK | CACHE_FLAGS)

int mod_l1_entry(struct vcpu *v, u64 *pl1e, u64 new, bool preserve_ad, struct domain *pt_owner,
		 struct domain *pg_owner)
{
	u64 old = READ_ONCE(*pl1e), want;
	int rc;

	(void)v;
	if ((new & PTE_P) && !((old ^ new) & L1_HOLDS) && !(new & ~(L1_FLAGS | PTE_MFN_MASK))) {
		/* Same frame, same rights: what the old entry holds serves the new one. */
		if (!(new & PTE_U))
			new |= PTE_U | PTE_GUEST_KERNEL;
		want = old;
		if (cmpxchg64(pl1e, &want, preserve_ad ? new | (old & (PTE_A | PTE_D)) : new))
			return 0;
		/* The CPU set A or D, or another vcpu wrote: take the long way from the value now there. */
		old = want;
	}
	if ((new & PTE_P) && ((old ^ new) & L1_HOLDS) == PTE_RW && (old & PTE_RW) &&
	    !(new & ~(L1_FLAGS | PTE_MFN_MASK)) && is_ram_of(pg_owner, new)) {
		/* Writing is taken back: what the old entry holds is turned into what the new one needs. */
		if (!(new & PTE_U))
			new |= PTE_U | PTE_GUEST_KERNEL;
		want = old;
		if (likely(cmpxchg64(pl1e, &want, preserve_ad ? new | (old & (PTE_A | PTE_D)) : new))) {
			writable_to_readable(MFN((new & PTE_MFN_MASK) >> PAGE_SHIFT));
			return 0;
		}
		old = want;
	}
	rc = l1_get(&new, pt_owner, pg_owner);
	if (unlikely(rc))
		return rc;
	/* Whoever exchanges an old value away drops what it held: exactly once, since each exchange has one winner. */
	do {
		want = preserve_ad ? new | (old & (PTE_A | PTE_D)) : new;
	} while (!cmpxchg64(pl1e, &old, want));
	l1_entry_put(old);
	return 0;
}

/*
 * First present entry at or after `i`, or 512. Most entries of most tables are
 * empty, and all are looked at when a process comes and goes: four at a time.
 */
static unsigned next_present(const u64 *table, unsigned i)
{
	for (; i & 3; i++)
		if (table[i] & PTE_P)
			return i;
	while (i < 512 && !((table[i] | table[i + 1] | table[i + 2] | table[i + 3]) & PTE_P))
		i += 4;
	while (i < 512 && !(table[i] & PTE_P))
		i++;
	return i;
}

/* The entry below `i` that is present and nearest to it, plus one; 0 when there is none. */
static unsigned last_present(const u64 *table, unsigned i)
{
	for (; i & 3; i--)
		if (table[i - 1] & PTE_P)
			return i;
	while (i && !((table[i - 1] | table[i - 2] | table[i - 3] | table[i - 4]) & PTE_P))
		i -= 4;
	while (i && !(table[i - 1] & PTE_P))
		i--;
	return i;
}

static int promote_l1(mfn_t mfn, struct domain *d)
{
	u64 *l1 = map_frame(mfn);
	int rc = l1tf_check_table(d, l1, 1);
	unsigned i;

	for (i = rc ? 512 : 0; i < 512; i++) {
		u64 pte = l1[i];

		if (!(pte & PTE_P)) {
			i = next_present(l1, i) - 1;
			continue;
		}
		rc = l1_get(&pte, d, d);
		if (unlikely(rc))
			break;
		if (unlikely(pte != l1[i]))
			l1[i] = pte;
	}
	if (rc && i < 512)
		while (i-- > 0)
			l1_entry_put(l1[i]);
	unmap_frame(l1);
	return rc;
}

static void demote_l1(mfn_t mfn)
{
	u64 *l1 = map_frame(mfn);

	for (unsigned i = 0; i < 512; i++) {
		if (l1[i] & PTE_P)
			l1_entry_put(l1[i]);
		else
			i = next_present(l1, i) - 1;
	}
	unmap_frame(l1);
}

/* -------------------------------------------------------- tables above L1 -- */

static bool guest_slot(unsigned level, unsigned i)
{
	return level != 4 || i < HV_SLOT_FIRST || i > HV_SLOT_LAST;
}

static void job_push(struct pt_job *job, mfn_t mfn, unsigned next, bool undo)
{
	ASSERT(job->depth < ARRAY_SIZE(job->frame));
	job->frame[job->depth].mfn = mfn.m;
	job->frame[job->depth].next = next;
	job->frame[job->depth].undo = undo;
	job->depth++;
}

static unsigned level_of(u64 mfn)
{
	return TYPE_OF(mfn_to_page(MFN(mfn))->type) >> PGT_type_shift;
}

/*
 * Begins to hold `mfn` as a level-n table. 0: done. 1: its frame was pushed,
 * and the count is the job's. Errors as get_page_table().
 */
static int table_get(struct pt_job *job, mfn_t mfn, struct domain *d, unsigned level)
{
	int rc = likely(mfn_valid(mfn)) ? type_get(mfn, d, LEVEL_TYPE(level)) : -EINVAL;

	if (rc <= 0)
		return rc;
	if (level > 1) {
		job_push(job, mfn, 0, false);
		return 1;
	}
	rc = promote_l1(mfn, d);
	if (rc)
		type_drop_unvalidated(mfn);
	else
		__atomic_fetch_or(&mfn_to_page(mfn)->type, PGT_validated, __ATOMIC_RELEASE);
	return rc;
}

/* Ends one hold on a table; what must be taken apart above L1 is pushed. */
static void table_put(struct pt_job *job, mfn_t mfn)
{
	if (likely(!type_put(mfn)))
		return;
	if (TYPE_OF(mfn_to_page(mfn)->type) == PGT_l1) {
		demote_l1(mfn);
		type_drop_unvalidated(mfn);
	} else {
		job_push(job, mfn, 512, true);
	}
}

/* What a guest may write into an entry above L1. */
static bool table_entry_ok(u64 e)
{
	return !(e & ~(BASE_FLAGS | PTE_MFN_MASK));
}

static mfn_t entry_mfn(u64 e)
{
	return MFN((e & PTE_MFN_MASK) >> PAGE_SHIFT);
}

/* One step of a promotion: the next present entry of the top frame, if there is one. */
static int promote_step(struct pt_job *job, struct domain *d, unsigned level)
{
	unsigned top = job->depth - 1, i = job->frame[top].next;
	u64 *table = map_frame(MFN(job->frame[top].mfn)), e = 0;
	/* Nobody can write to it from now on, so its empty entries are looked at once. */
	int rc = i ? 0 : l1tf_check_table(d, table, level);

	i = rc ? i : next_present(table, i);
	if (!rc && i < 512 && guest_slot(level, i)) {
		e = table[i];
		rc = table_entry_ok(e) ? table_get(job, entry_mfn(e), d, level - 1) : -EINVAL;
		if (rc >= 0)
			table[i] = e | PTE_U;
	}
	unmap_frame(table);
	/* With a child pushed, the entry counts already: the child's frame holds it until it is done. */
	job->frame[top].next = rc >= 0 ? min(i + 1, 512u) : i;
	return rc;
}

static void promote_done(struct pt_job *job, struct domain *d, unsigned level)
{
	mfn_t mfn = MFN(job->frame[job->depth - 1].mfn);

	if (level == 4) {
		u64 *l4 = map_frame(mfn);

		domain_fill_l4(d, l4);
		unmap_frame(l4);
	}
	__atomic_fetch_or(&mfn_to_page(mfn)->type, PGT_validated, __ATOMIC_RELEASE);
	job->depth--;
}

/* The top frame holds nothing any more. Its parent, if it was promoting, fails with it. */
static void undo_done(struct pt_job *job)
{
	mfn_t mfn = MFN(job->frame[--job->depth].mfn);

	type_drop_unvalidated(mfn);
	if (job->depth && !job->frame[job->depth - 1].undo) {
		job->frame[job->depth - 1].next--;
		job->frame[job->depth - 1].undo = true;
	}
}

static void undo_step(struct pt_job *job, unsigned level)
{
	unsigned top = job->depth - 1, i = job->frame[top].next;
	u64 *table = map_frame(MFN(job->frame[top].mfn)), e;

	i = last_present(table, i);
	e = i ? table[i - 1] : 0;
	unmap_frame(table);
	job->frame[top].next = i ? i - 1 : 0;
	if (i && guest_slot(level, i - 1))
		table_put(job, entry_mfn(e));
}

unsigned pt_job_steps = 16;

/* Works until the job is empty (0) or must stop (-ERESTART). job->rc: a promotion failed. */
static int job_run(struct pt_job *job, struct domain *d)
{
	unsigned steps = 0;

	for (;;) {
		unsigned top = job->depth - 1, level;

		if (!job->depth) {
			/* What was asked for is done, before what was put in the meantime. */
			if (job->root_state == ROOT_RUNS) {
				job->root_state = ROOT_DONE;
				job->root_rc = job->rc;
			}
			if (!job->nr_later)
				return 0;
			table_put(job, MFN(job->later[--job->nr_later]));
			continue;
		}
		level = level_of(job->frame[top].mfn);
		if (job->frame[top].undo) {
			if (job->frame[top].next)
				undo_step(job, level);
			else
				undo_done(job);
		} else if (job->frame[top].next == 512) {
			promote_done(job, d, level);
		} else {
			int rc = promote_step(job, d, level);

			if (rc == -ERESTART)
				return rc;
			if (rc < 0) {
				job->rc = rc;
				job->frame[top].undo = true;
			}
		}
		if (++steps % pt_job_steps == 0 && job->depth && preempt_check())
			return -ERESTART;
	}
}

int get_page_table(struct vcpu *v, mfn_t mfn, struct domain *d, unsigned level)
{
	struct pt_job *job = &v->pv.job;
	int rc;

	/* Something was put in this very call and is not yet taken apart: that comes first. */
	if (unlikely(job->depth))
		return -ERESTART;
	if (unlikely(job->root_state == ROOT_DONE)) {
		if (job->root != mfn.m) {
			/* The guest changed its request before it was repeated. */
			pt_job_settle(v);
			if (job->depth)
				return -ERESTART;
		} else if (job->root_rc) {
			job->root_state = ROOT_NONE;
			return job->root_rc;
		}
	}
	rc = table_get(job, mfn, d, level);
	if (rc <= 0)
		return rc;
	job->rc = 0;
	rc = job_run(job, d);
	if (rc == -ERESTART) {
		job->root = mfn.m;
		job->root_state = ROOT_RUNS;
		return rc;
	}
	return job->rc;
}

void put_page_table(struct vcpu *v, mfn_t mfn)
{
	struct pt_job *job = &v->pv.job;
	bool busy = job->depth;

	if (unlikely(busy && TYPE_OF(mfn_to_page(mfn)->type) != PGT_l1)) {
		if (type_put_unless_last(mfn))
			return;
		/* One operation puts one table and lets go of the one it changed; none begins while a job is there. */
		BUG_ON(job->nr_later == ARRAY_SIZE(job->later));
		job->later[job->nr_later++] = mfn.m;
		return;
	}
	table_put(job, mfn);
	if (!busy && job->depth)
		job_run(job, v->domain);
}

int pt_job_resume(struct vcpu *v)
{
	struct pt_job *job = &v->pv.job;
	struct domain *d;

	if (likely(!job->depth))
		return 0;
	d = domain_of_owner(page_owner(mfn_to_page(MFN(job->frame[0].mfn))));
	return job_run(job, d);
}

/* Gives up the hold a finished, interrupted promotion left for its repeated call. */
void pt_job_settle(struct vcpu *v)
{
	struct pt_job *job = &v->pv.job;

	if (likely(job->root_state != ROOT_DONE) || job->depth)
		return;
	job->root_state = ROOT_NONE;
	if (!job->root_rc)
		put_page_table(v, MFN(job->root));
}

int pt_job_abort(struct vcpu *v)
{
	struct pt_job *job = &v->pv.job;

	/* The entry that leads to the next frame is undone with that frame. */
	if (job->depth)
		job->frame[job->depth - 1].undo = true;
	if (job->root_state == ROOT_RUNS)
		job->root_state = ROOT_NONE;
	if (job_run(job, v->domain))
		return -ERESTART;
	pt_job_settle(v);
	return job->depth ? -ERESTART : 0;
}

/* Holds a validated table of level 1..max_level. */
static unsigned hold_table(mfn_t mfn, struct domain *d, unsigned max_level)
{
	struct page_info *pg;
	u64 x;

	if (unlikely(!mfn_valid(mfn)))
		return 0;
	pg = mfn_to_page(mfn);
	x = READ_ONCE(pg->type);
	do {
		if (!(x & PGT_validated) || !COUNT_OF(x) || TYPE_OF(x) > LEVEL_TYPE(max_level) ||
		    (x & PGT_owner_mask) != type_owner(d))
			return 0;
	} while (unlikely(!cmpxchg64(&pg->type, &x, x + 1)));
	return TYPE_OF(x) >> PGT_type_shift;
}

unsigned hold_page_table(mfn_t mfn, struct domain *d)
{
	return hold_table(mfn, d, 4);
}

bool hold_l1_table(mfn_t mfn, struct domain *d)
{
	return hold_table(mfn, d, 1) == 1;
}

void release_page_table(struct vcpu *v, mfn_t mfn)
{
	if (unlikely(!type_put_unless_last(mfn)))
		put_page_table(v, mfn);
}

int mod_table_entry(struct vcpu *v, u64 *entry, mfn_t table, u64 new, bool preserve_ad, unsigned level,
		    struct domain *d)
{
	u64 old = READ_ONCE(*entry), want;
	unsigned i = ((u64)entry & (PAGE_SIZE - 1)) / 8;
	int rc;

	if (!guest_slot(level, i))
		return -EINVAL;
	if (unlikely(v->pv.job.depth))
		return -ERESTART;
	if (new & PTE_P) {
		if (!table_entry_ok(new))
			return -EINVAL;
		new |= PTE_U;
		rc = get_page_table(v, entry_mfn(new), d, level - 1);
		if (rc)
			return rc;
	} else if (unlikely(l1tf_leaks(d, new, level))) {
		return l1tf_refuse(d, new);
	}
	do {
		want = preserve_ad && (new & PTE_P) ? new | (old & (PTE_A | PTE_D)) : new;
	} while (!cmpxchg64(entry, &old, want));
	if (level == 4)
		l4_changed(table);
	if (old & PTE_P)
		put_page_table(v, entry_mfn(old));
	return 0;
}

int pin_page_table(struct vcpu *v, mfn_t mfn, struct domain *d, unsigned level)
{
	struct page_info *pg;
	int rc;

	if (!mfn_valid(mfn))
		return -EINVAL;
	rc = get_page_table(v, mfn, d, level);
	if (rc)
		return rc;
	pg = mfn_to_page(mfn);
	if (__atomic_fetch_or(&pg->type, PGT_pinned, __ATOMIC_SEQ_CST) & PGT_pinned) {
		put_page_table(v, mfn);
		return -EINVAL;
	}
	return 0;
}

int unpin_page_table(struct vcpu *v, mfn_t mfn, struct domain *d)
{
	struct page_info *pg;
	bool pinned;

	if (unlikely(v->pv.job.depth))
		return -ERESTART;
	if (!get_page(mfn, d))
		return -EINVAL;
	pg = mfn_to_page(mfn);
	pinned = __atomic_fetch_and(&pg->type, ~PGT_pinned, __ATOMIC_SEQ_CST) & PGT_pinned;
	if (pinned)
		put_page_table(v, mfn);
	put_page(mfn);
	return pinned ? 0 : -EINVAL;
}
