/* SPDX-License-Identifier: MIT */
/*
 * What the tests of page types share: two domains, tables to pin and update as
 * the hypercalls do, snapshots of all counts to compare with.
 */
#ifndef PAGE_TYPE_MACHINE_H
#define PAGE_TYPE_MACHINE_H

#include "fake_machine.h"
#include "pv/page_type.h"
#include "x86/layout.h"

#define RO (PTE_P | PTE_U)
#define RW (PTE_P | PTE_U | PTE_RW)
#define HOLE 1000u   /* a frame with a frame table entry that is not RAM */
#define BEYOND 5000u /* a frame without */
#define MSIX_FRAME 6000u /* another, whose registers are the hypervisor's to write */

static struct domain *a, *b; /* a is dom0, b an ordinary domain */
static struct vcpu *v, *w;   /* a's */
static u32 preempt_every, preempt_calls;
static u64 allocs_before;
static mfn_t l4_told, l4_filled;

bool preempt_check(void) { return preempt_every && ++preempt_calls % preempt_every == 0; }
void l4_changed(mfn_t l4) { l4_told = l4; }
bool io_frame_readonly(mfn_t mfn) { return mfn.m == MSIX_FRAME; }

void domain_fill_l4(struct domain *d, u64 *l4)
{
	(void)d;
	l4_filled = frame_of(l4);
	for (unsigned i = HV_SLOT_FIRST; i <= HV_SLOT_LAST; i++)
		l4[i] = 0x5a5a000 | RW;
}

mfn_t frame_of(const void *va)
{
	return MFN((u64)((const u8 *)va - (const u8 *)fake_frame(MFN(0))) / PAGE_SIZE);
}

/* ------------------------------------------------------------------ helpers -- */

static inline u64 refs(mfn_t m) { return mfn_to_page(m)->count & PGC_count_mask; }
static inline u64 types(mfn_t m) { return mfn_to_page(m)->type & PGT_count_mask; }
static inline u64 type(mfn_t m) { return mfn_to_page(m)->type & PGT_type_mask; }
static inline bool validated(mfn_t m) { return mfn_to_page(m)->type & PGT_validated; }
static inline u64 *table(mfn_t m) { return fake_frame(m); }
static inline u64 pte(mfn_t m, u64 flags) { return m.m << PAGE_SHIFT | flags; }
static inline mfn_t frame(struct domain *d) { return fake_give_frame(d); }

/* What is counted in the whole machine, to be compared with later. */
struct snapshot {
	struct { u64 refs, types, type; } f[FAKE_FRAMES];
};
static struct snapshot before;

static inline void take_snapshot(struct snapshot *s)
{
	for (u64 i = 1; i < FAKE_FRAMES; i++) {
		s->f[i].refs = refs(MFN(i));
		s->f[i].types = types(MFN(i));
		s->f[i].type = types(MFN(i)) ? type(MFN(i)) : 0;
	}
}

static inline void assert_as_before(void)
{
	static struct snapshot now;

	take_snapshot(&now);
	for (u64 i = 1; i < FAKE_FRAMES; i++)
		if (memcmp(&before.f[i], &now.f[i], sizeof(before.f[i])))
			fail_msg("frame %u: references %u before, %u now; types %u before, %u now", (u32)i,
				 (u32)before.f[i].refs, (u32)now.f[i].refs, (u32)before.f[i].types,
				 (u32)now.f[i].types);
}

/* Pins as the hypercall does, continuing for as long as it takes. *stops: how often it was interrupted. */
static inline int pin_counting(struct vcpu *on, mfn_t m, struct domain *d, unsigned level, u32 *stops)
{
	int rc;

	do {
		while (pt_job_resume(on))
			++*stops;
		rc = pin_page_table(on, m, d, level);
		*stops += rc == -ERESTART;
	} while (rc == -ERESTART);
	pt_job_settle(on);
	while (pt_job_resume(on))
		++*stops;
	return rc;
}

static inline int pin(mfn_t m, unsigned level)
{
	u32 stops = 0;

	return pin_counting(v, m, a, level, &stops);
}

static inline int unpin(mfn_t m)
{
	int rc = unpin_page_table(v, m, a);

	while (pt_job_resume(v))
		;
	return rc;
}

/* One mmu_update of a table that is a table. */
static inline int update_as(mfn_t m, unsigned i, u64 val, bool keep_ad, struct domain *pt, struct domain *pg)
{
	unsigned level = hold_page_table(m, pt);
	int rc;

	assert_true(level);
	if (level == 1)
		rc = mod_l1_entry(v, &table(m)[i], val, keep_ad, pt, pg);
	else
		rc = mod_table_entry(v, &table(m)[i], m, val, keep_ad, level, pt);
	release_page_table(v, m);
	return rc;
}

static inline int update(mfn_t m, unsigned i, u64 val) { return update_as(m, i, val, false, a, a); }

/* Tables of a that map one frame, RW, in entry 5 of each level. */
struct tower {
	mfn_t l4, l3, l2, l1, data;
};

static inline struct tower build(struct domain *d)
{
	struct tower t = { frame(d), frame(d), frame(d), frame(d), frame(d) };

	table(t.l4)[5] = pte(t.l3, RW);
	table(t.l3)[5] = pte(t.l2, RW);
	table(t.l2)[5] = pte(t.l1, RW);
	table(t.l1)[5] = pte(t.data, RW);
	return t;
}

static inline int fresh(void **state)
{
	(void)state;
	fake_reset();
	preempt_every = preempt_calls = 0;
	a = fake_domain(0, 2, true);
	b = fake_domain(5, 1, false);
	dom_io = fake_domain(DOMID_IO, 1, false);
	allocs_before = fake.allocs_live;
	a->iomem = rangeset_new();
	b->iomem = rangeset_new();
	v = a->vcpus[0];
	w = a->vcpus[1];
	mfn_to_page(MFN(HOLE))->count = 1 | (u64)DOMID_IO << PGC_owner_shift;
	return 0;
}

static inline int done(void **state)
{
	(void)state;
	rangeset_free(a->iomem);
	rangeset_free(b->iomem);
	assert_int_equal(fake.allocs_live, allocs_before);
	assert_int_equal(fake.frames_mapped, 0);
	return 0;
}

#endif
