// SPDX-License-Identifier: MIT
/*
 * Page types against a model.
 *
 * Three domains of two vcpus do random things to a few dozen frames: write
 * entries at all levels, pin and unpin, load base pointers, hold tables in the
 * middle of an update, map for grants, use frames as descriptor pages, free
 * frames and get new ones, abort. Calls are preempted at random places, and
 * other vcpus run before they are repeated, sometimes with other arguments.
 *
 * The model knows only who holds what from outside (its own notes) and what the
 * tables contain. After every operation it counts anew from there, following
 * every table that is reached, and compares each frame's owner, references, type
 * and type count. So invariants 1 to 5 of page_type.c are checked in whole:
 *
 *  1. a frame that is reached as two types is found at once;
 *  2, 3. each present entry of a reached table is one reference, and one count of
 *     the type it needs;
 *  4. reached and not in the hands of a job means validated, and the reverse;
 *  5. a frame with counts is not free.
 *
 * What an update of an L1 entry must answer is predicted too. And each frame has
 * notes of what its owner's TLBs may still know of it, since they were flushed.
 *
 * Tables are empty but for some slots (the first, the last, both sides of the
 * hypervisor's): walking them stays cheap. Some frames are filled with entries
 * that all lead to one table, so that there is much to promote.
 *
 * MODEL_OPS in the environment sets the number of operations for each seed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake_machine.h"
#include "pv/page_type.h"
#include "x86/layout.h"

#define NFRAMES 40u /* of the machine; frame 0 is nobody's */
#define HOLE 39u    /* has a frame table entry and is not RAM */
#define BEYOND 100000u
#define NDOM 3u
#define NVCPU 2u

static const u16 slot[] = { 0, 1, 2, 3, 4, 5, 6, 7, 200, 253, 254, 255, 256, 257, 258, 270, 271, 272, 273,
			    300, 400, 509, 510, 511 };

/* --------------------------------------------------------- what the model notes -- */

enum { USE_NONE, USE_L1, USE_L2, USE_L3, USE_L4, USE_DESC, USE_WRITABLE };

struct model_frame {
	s32 owner;       /* index of a domain, -1 for free */
	bool allocated;  /* the owner's own reference */
	bool pinned;
	u32 pin_level;
	u32 plain, writable, desc; /* held from outside: by copies, grants, GDTs */
	u32 table[5];              /* by level: base pointers and updates in progress */
	/* Counted anew each time */
	u32 refs, types, use;
	bool job;        /* being promoted or taken apart */
	bool walked;
	u32 tlb;         /* TLB_*, TLB_TABLE << level */
};

#define TLB_READ 1u
#define TLB_WRITE 2u
#define TLB_TABLE 4u

struct model_vcpu {
	struct vcpu *v;
	u64 base;        /* frame loaded as its base pointer, 0 for none */
	u64 held;        /* table it is changing an entry of, 0 for none */
	u32 held_level;
	u32 last;        /* operation that was interrupted, to be repeated */
	u64 arg[4];
};

static struct model_frame frame[NFRAMES];
static struct domain *dom[NDOM];
static struct model_vcpu vcpu[NDOM][NVCPU];
static u64 rng, ops_done, restarts, refused, done_well;
static u32 free_frames;

static u64 rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static u32 below(u32 n) { return (rnd() >> 16) % n; }
static bool chance(u32 percent) { return below(100) < percent; }

static u32 preempt_percent;
bool preempt_check(void) { return chance(preempt_percent); }

/* One CPU. Flushes come from the code under test, and from guests' own (see flush_op). */
static u64 tlb_time = 1, last_flush;

static void flush_all(void)
{
	last_flush = ++tlb_time;
	for (u64 m = 1; m < NFRAMES; m++)
		frame[m].tlb = 0;
}

u64 tlb_clock(void) { return tlb_time; }

void flush_tlb_since(u64 t)
{
	if (last_flush <= t)
		flush_all();
}

static u64 *table(u64 m) { return fake_frame(MFN(m)); }
static u64 target(u64 e) { return (e & PTE_MFN_MASK) >> PAGE_SHIFT; }

/* --------------------------------------------------------------- counting anew -- */

#define FAIL(m, what)                                                                                     \
	fail_msg("operation %llu, frame %llu: %s (count %#llx, type %#llx; model: refs %u, types %u of %u)", \
		 (unsigned long long)ops_done, (unsigned long long)(m), what,                             \
		 (unsigned long long)mfn_to_page(MFN(m))->count, (unsigned long long)mfn_to_page(MFN(m))->type, \
		 frame[m].refs, frame[m].types, frame[m].use)

static void use_frame(u64 m, u32 use)
{
	struct model_frame *f = &frame[m];

	if (f->types && f->use != use)
		FAIL(m, "two uses at a time");
	f->use = use;
	/* All counts of a type share one reference. */
	if (!f->types++)
		f->refs++;
}

static bool is_ram(u64 m) { return m && m < NFRAMES && m != HOLE; }

/* What entries of slots below `end` hold. Pushes tables on `todo`. */
static void walk(u64 m, u32 level, u32 end, u64 *todo, u32 *nr)
{
	for (u32 s = 0; s < ARRAY_SIZE(slot) && slot[s] < end; s++) {
		u64 e = table(m)[slot[s]], t = target(e);

		if (level == 4 && slot[s] >= HV_SLOT_FIRST && slot[s] <= HV_SLOT_LAST)
			continue;
		if (!(e & PTE_P))
			continue;
		if (level > 1) {
			if (!is_ram(t) || frame[t].owner != frame[m].owner)
				FAIL(m, "an entry leads to what is no table");
			use_frame(t, level - 1);
			todo[(*nr)++] = t;
		} else if (is_ram(t)) {
			if (frame[t].owner == frame[m].owner)
				frame[t].tlb |= e & PTE_RW ? TLB_READ | TLB_WRITE : TLB_READ;
			if (e & PTE_RW)
				use_frame(t, USE_WRITABLE);
			else
				frame[t].refs++;
		}
		if (!(e & PTE_U))
			FAIL(m, "an entry without the user bit");
	}
}

static void count_job(const struct model_vcpu *mv, u64 *todo, u32 *nr)
{
	const struct pt_job *job = &mv->v->pv.job;

	for (u32 i = 0; i < job->depth; i++) {
		u64 m = job->frame[i].mfn;
		u32 level = mfn_to_page(MFN(m))->type >> PGT_type_shift;

		frame[m].job = true;
		/* A parent that is being promoted counts it; else the job does. */
		if (!i || job->frame[i - 1].undo)
			use_frame(m, level);
		walk(m, level, job->frame[i].next, todo, nr);
	}
	for (u32 i = 0; i < job->nr_later; i++) {
		u64 m = job->later[i];

		use_frame(m, mfn_to_page(MFN(m))->type >> PGT_type_shift);
		todo[(*nr)++] = m;
	}
	if (job->root_state == ROOT_DONE && !job->root_rc) {
		use_frame(job->root, mfn_to_page(MFN(job->root))->type >> PGT_type_shift);
		todo[(*nr)++] = job->root;
	}
}

static void count_outside(u64 m, u64 *todo, u32 *nr)
{
	struct model_frame *f = &frame[m];

	f->refs += f->allocated + f->plain;
	for (u32 i = 0; i < f->writable; i++)
		use_frame(m, USE_WRITABLE);
	for (u32 i = 0; i < f->desc; i++)
		use_frame(m, USE_DESC);
	if (f->pinned)
		use_frame(m, f->pin_level);
	for (u32 level = 1; level <= 4; level++)
		for (u32 i = 0; i < f->table[level]; i++)
			use_frame(m, level);
	if (f->pinned || f->table[1] || f->table[2] || f->table[3] || f->table[4])
		todo[(*nr)++] = m;
}

/* No translation may be left that what the frame is now forbids. */
static void compare_tlb(u64 m)
{
	struct model_frame *f = &frame[m];
	u32 tables = f->tlb & ~(TLB_READ | TLB_WRITE);

	if (!f->types)
		return;
	if (f->use != USE_WRITABLE && (f->tlb & TLB_WRITE))
		FAIL(m, "a TLB may hold a writable translation");
	if (f->use <= USE_L4)
		tables &= ~(TLB_TABLE << f->use);
	if (tables)
		FAIL(m, "a TLB may know it as another table");
	if (f->use <= USE_L4)
		f->tlb |= TLB_TABLE << f->use;
}

static void compare(u64 m)
{
	const struct model_frame *f = &frame[m];
	const struct page_info *pg = mfn_to_page(MFN(m));
	u64 types = pg->type & PGT_count_mask;

	if (f->owner < 0) {
		if (f->refs || f->types)
			FAIL(m, "free and held");
		return;
	}
	if (page_owner(pg) != dom[f->owner]->domain_id)
		FAIL(m, "wrong owner");
	if ((pg->count & PGC_count_mask) != f->refs)
		FAIL(m, "wrong reference count");
	if (types != f->types)
		FAIL(m, "wrong type count");
	if (types && pg->type >> PGT_type_shift != f->use)
		FAIL(m, "wrong type");
	if (!!(pg->type & PGT_validated) != (types && !f->job))
		FAIL(m, "wrongly validated or not");
	if (f->job && types != 1)
		FAIL(m, "shared while in a job's hands");
	if (!!(pg->type & PGT_pinned) != f->pinned)
		FAIL(m, "wrongly pinned or not");
	if (!!(pg->count & PGC_allocated) != f->allocated)
		FAIL(m, "the owner's reference is wrong");
}

/* Frames that lost their last reference must be back in the heap by now. */
static void note_freed(u64 m)
{
	struct model_frame *f = &frame[m];

	if (f->owner >= 0 && !f->refs) {
		if (f->tlb)
			FAIL(m, "freed, and a TLB may know it");
		f->owner = -1;
		free_frames++;
	}
}

static void check(void)
{
	u64 todo[NFRAMES * ARRAY_SIZE(slot) * 2];
	u32 nr = 0, owned[NDOM] = { 0 };

	for (u64 m = 1; m < NFRAMES; m++) {
		frame[m].refs = frame[m].types = 0;
		frame[m].job = frame[m].walked = false;
	}
	for (u64 m = 1; m < NFRAMES; m++)
		count_outside(m, todo, &nr);
	for (u32 d = 0; d < NDOM; d++)
		for (u32 i = 0; i < NVCPU; i++)
			count_job(&vcpu[d][i], todo, &nr);
	while (nr) {
		u64 m = todo[--nr];

		if (frame[m].walked || frame[m].job)
			continue;
		frame[m].walked = true;
		walk(m, frame[m].use, 512, todo, &nr);
	}
	for (u64 m = 1; m < NFRAMES; m++) {
		if (m == HOLE)
			continue;
		note_freed(m);
		compare(m);
		compare_tlb(m);
		if (frame[m].owner >= 0)
			owned[frame[m].owner]++;
	}
	assert_int_equal(free_page_count(), free_frames);
	for (u32 d = 0; d < NDOM; d++)
		assert_int_equal(dom[d]->tot_pages, owned[d]);
	assert_int_equal(fake.frames_mapped, 0);
}

/* ------------------------------------------------------------------- operations -- */

/* A frame, mostly one of d's. */
static u64 pick(u32 d)
{
	u64 m = 1 + below(NFRAMES - 1);

	for (u32 tries = 0; tries < 6 && (!is_ram(m) || frame[m].owner != (s32)d); tries++)
		m = 1 + below(NFRAMES - 1);
	return m;
}

/* One that is a table of d now, if luck has it. */
static u64 pick_table(u32 d)
{
	u64 m = pick(d);

	for (u32 tries = 0; tries < 6 && !(frame[m].types && frame[m].use <= USE_L4); tries++)
		m = pick(d);
	return m;
}

static u64 random_entry(u32 d)
{
	u64 e = pick(d) << PAGE_SHIFT | PTE_U | PTE_A;

	if (chance(3))
		e = (u64)(chance(50) ? HOLE : BEYOND) << PAGE_SHIFT;
	if (chance(75))
		e |= PTE_P;
	if (chance(50))
		e |= PTE_RW;
	if (chance(10))
		e &= ~(u64)PTE_U;
	if (chance(10))
		e |= PTE_NX | PTE_D;
	if (chance(2))
		e |= PTE_PSE;
	if (chance(2))
		e |= PTE_PCD;
	return e;
}

/* Whether L1 entry `e` of a table of `pt`, naming frames of `pg`, may be stored. */
static int l1_verdict(u64 e, u32 pt, u32 pg)
{
	u64 t = target(e);

	if (!(e & PTE_P))
		return 0;
	if ((e & (PTE_PCD | PTE_PWT | PTE_PAT)) && pt)
		return -EINVAL;
	if (!is_ram(t))
		return pg != pt ? -EINVAL : pt ? -EPERM : 0;
	if (frame[t].owner != (s32)pg || !frame[t].refs)
		return -EINVAL;
	if ((e & PTE_RW) && frame[t].types && frame[t].use != USE_WRITABLE)
		return -EINVAL;
	return 0;
}

/* The short way of mod_l1_entry(): same frame and rights need no question. */
static bool l1_same(u64 old, u64 new)
{
	u64 holds = PTE_P | PTE_RW | PTE_MFN_MASK | PTE_PWT | PTE_PCD | PTE_PAT;

	return (new & PTE_P) && !((old ^ new) & holds) && !(new & (PTE_PWT | PTE_PCD | PTE_PAT));
}

/* arg: table, slot, entry, which domain's frames. First half: the table is held. */
static void op_hold(struct model_vcpu *mv, u32 d)
{
	u32 pt = !d && mv->arg[3] >> 8 ? (mv->arg[3] >> 8) % NDOM : d;
	u64 m = mv->arg[0];
	unsigned level = hold_page_table(MFN(m), dom[pt]);
	bool is_table = is_ram(m) && frame[m].owner == (s32)pt && frame[m].types && frame[m].use <= USE_L4 &&
			!frame[m].job;

	assert_int_equal(level, is_table ? frame[m].use : 0);
	if (level) {
		mv->held = m;
		mv->held_level = level;
		frame[m].table[level]++;
	} else if (get_page_writable(MFN(m), dom[pt])) {
		/* No table: a plain store. */
		table(m)[slot[mv->arg[1]]] = mv->arg[2];
		put_page_writable(MFN(m));
	}
}

/* Second half: the entry is changed, the table let go. */
static int op_change(struct model_vcpu *mv)
{
	u64 m = mv->held, *entry = &table(m)[slot[mv->arg[1]]], old = *entry;
	u32 pt = frame[m].owner, pg = mv->arg[3] & 0xff;
	bool preserve = mv->arg[3] >> 16 & 1;
	int rc, want;

	if (pt)
		pg = pt;
	if (mv->held_level == 1) {
		want = l1_same(old, mv->arg[2]) ? 0 : l1_verdict(mv->arg[2], pt, pg);
		rc = mod_l1_entry(mv->v, entry, mv->arg[2], preserve, dom[pt], dom[pg]);
		if (rc != want)
			FAIL(m, "an L1 update had another outcome than predicted");
	} else {
		rc = mod_table_entry(mv->v, entry, MFN(m), mv->arg[2], preserve, mv->held_level, dom[pt]);
	}
	frame[m].table[mv->held_level]--;
	mv->held = 0;
	release_page_table(mv->v, MFN(m));
	return rc;
}

static int op_pin(struct model_vcpu *mv, u32 d)
{
	u64 m = mv->arg[0];
	u32 level = mv->arg[1] & 3;
	int rc = pin_page_table(mv->v, MFN(m), dom[d], level + 1);

	if (!rc) {
		assert_false(frame[m].pinned);
		frame[m].pinned = true;
		frame[m].pin_level = level + 1;
	}
	return rc;
}

static int op_unpin(struct model_vcpu *mv, u32 d)
{
	u64 m = mv->arg[0];
	int rc = unpin_page_table(mv->v, MFN(m), dom[d]);

	assert_int_equal(rc, is_ram(m) && frame[m].pinned && frame[m].owner == (s32)d ? 0 : -EINVAL);
	if (!rc)
		frame[m].pinned = false;
	return rc;
}

static int op_base(struct model_vcpu *mv, u32 d)
{
	u64 m = mv->arg[1] & 3 ? mv->arg[0] : 0;
	int rc = m ? get_page_table(mv->v, MFN(m), dom[d], 4) : 0;

	if (rc)
		return rc;
	if (m)
		frame[m].table[4]++;
	if (mv->base) {
		frame[mv->base].table[4]--;
		put_page_table(mv->v, MFN(mv->base));
	}
	mv->base = m;
	return 0;
}

static u32 others; /* holds by grants, copies and GDTs in all */
#define MAX_OTHERS 8u

/* One of them is given back. */
static void drop_use(u64 m)
{
	struct model_frame *f = &frame[m];

	if (f->plain) {
		f->plain--;
		put_page(MFN(m));
	} else if (f->writable) {
		f->writable--;
		put_page_writable(MFN(m));
	} else {
		f->desc--;
		put_page_seg_desc(MFN(m));
	}
	others--;
}

/* Frames used otherwise: by grants and copies, or as descriptor pages. */
static int op_use(struct model_vcpu *mv, u32 d)
{
	u64 m = mv->arg[0];
	struct model_frame *f = &frame[m];
	bool mine = is_ram(m) && f->owner == (s32)d && f->refs, ok;

	if (others && (others == MAX_OTHERS || (mv->arg[1] & 1))) {
		for (m = 1 + below(NFRAMES - 1); !frame[m].plain && !frame[m].writable && !frame[m].desc;)
			m = m + 1 < NFRAMES ? m + 1 : 1;
		drop_use(m);
		return 0;
	}
	switch (mv->arg[1] % 3) {
	case 0:
		ok = get_page(MFN(m), dom[d]);
		assert_int_equal(ok, mine);
		f->plain += ok;
		break;
	case 1:
		ok = get_page_writable(MFN(m), dom[d]);
		assert_int_equal(ok, mine && (!f->types || f->use == USE_WRITABLE));
		f->writable += ok;
		break;
	default:
		ok = get_page_seg_desc(MFN(m), dom[d]);
		if (!mine || (f->types && f->use != USE_DESC))
			assert_false(ok);
		f->desc += ok;
	}
	others += ok;
	return ok ? 0 : -EINVAL;
}

static int op_free(struct model_vcpu *mv, u32 d)
{
	u64 m = mv->arg[0];
	bool ok = release_owned_page(MFN(m), dom[d]);

	assert_int_equal(ok, is_ram(m) && frame[m].owner == (s32)d && frame[m].allocated);
	if (ok)
		frame[m].allocated = false;
	return 0;
}

static int op_new(u32 d)
{
	mfn_t m;

	if (!free_frames)
		return 0;
	m = fake_give_frame(dom[d]);
	assert_true(is_ram(m.m) && frame[m.m].owner < 0);
	for (u32 s = 0; s < ARRAY_SIZE(slot); s++)
		assert_int_equal(table(m.m)[slot[s]], 0);
	memset(&frame[m.m], 0, sizeof(frame[m.m]));
	frame[m.m].owner = d;
	frame[m.m].allocated = true;
	free_frames--;
	return 0;
}

/* A frame gets entries that lead to one table, or map one frame. */
static int op_fill(struct model_vcpu *mv, u32 d)
{
	u64 m = mv->arg[0], t = chance(80) ? pick_table(d) : pick(d), e = t << PAGE_SHIFT | PTE_P | PTE_U;

	if (!get_page_writable(MFN(m), dom[d]))
		return -EINVAL;
	for (u32 s = 0; s < ARRAY_SIZE(slot); s++)
		table(m)[slot[s]] = chance(90) ? e : 0;
	put_page_writable(MFN(m));
	mv->arg[1] = is_ram(t) && frame[t].types && frame[t].use < USE_L4 ? frame[t].use : 0;
	return 0;
}

enum { OP_NONE, OP_UPDATE, OP_PIN, OP_UNPIN, OP_BASE, OP_USE, OP_FREE, OP_NEW, OP_FILL };

static u32 choose(struct model_vcpu *mv, u32 d)
{
	static const u8 weight[] = { [OP_UPDATE] = 55, [OP_PIN] = 9, [OP_UNPIN] = 5, [OP_BASE] = 4, [OP_USE] = 10,
				     [OP_FREE] = 4, [OP_NEW] = 7, [OP_FILL] = 6 };
	u32 x = below(100), op = OP_UPDATE;

	while (x >= weight[op])
		x -= weight[op++];
	mv->arg[0] = op == OP_UPDATE ? chance(90) ? pick_table(d) : pick(d) : op == OP_UNPIN ? pick_table(d) : pick(d);
	mv->arg[1] = op == OP_UPDATE ? below(ARRAY_SIZE(slot)) : rnd();
	mv->arg[2] = random_entry(d);
	mv->arg[3] = d;
	if (op == OP_UPDATE && !d && chance(8)) {
		/* dom0 names another domain's frames, or changes its tables. */
		u32 other = 1 + below(NDOM - 1);

		if (chance(50)) {
			mv->arg[2] = random_entry(other);
			mv->arg[3] = other;
		} else {
			mv->arg[0] = pick_table(other);
			mv->arg[2] = random_entry(other);
			mv->arg[3] = other | other << 8;
		}
	}
	mv->arg[3] |= (u64)chance(30) << 16;
	return op;
}

/* With a call unfinished, the guest took an event and changes an L1 entry in its handler. */
static void change_in_handler(struct model_vcpu *mv, u32 d)
{
	u64 m = pick_table(d), e = random_entry(d), *entry = &table(m)[slot[below(ARRAY_SIZE(slot))]];
	int want;

	if (!hold_l1_table(MFN(m), dom[d]))
		return;
	assert_true(is_ram(m) && frame[m].use == USE_L1 && frame[m].types);
	want = l1_same(*entry, e) ? 0 : l1_verdict(e, d, d);
	if (mod_l1_entry(mv->v, entry, e, false, dom[d], dom[d]) != want)
		FAIL(m, "an L1 update in a handler had another outcome than predicted");
	release_page_table(mv->v, MFN(m));
}

/* One turn of a vcpu: it goes on with what it left, or begins a hypercall. */
static void turn(u32 d, u32 i)
{
	struct model_vcpu *mv = &vcpu[d][i];
	bool busy = mv->v->pv.job.depth;
	u32 op;
	int rc = 0;

	if (mv->held) {
		rc = op_change(mv);
		op = OP_UPDATE;
	} else {
		if (mv->v->pv.job.depth && chance(2)) {
			pt_job_abort(mv->v);
			mv->last = OP_NONE;
			return;
		}
		if (busy && chance(20)) {
			change_in_handler(mv, d);
			return;
		}
		if (pt_job_resume(mv->v)) {
			restarts++;
			return;
		}
		if (busy)
			check(); /* what is predicted below must know what that did */
		op = mv->last && chance(95) ? mv->last : choose(mv, d);
		if (op == OP_UPDATE) {
			op_hold(mv, d);
			if (!mv->held || chance(20))
				return; /* others run while it holds the table */
			rc = op_change(mv);
		} else {
			rc = op == OP_PIN ? op_pin(mv, d) : op == OP_UNPIN ? op_unpin(mv, d) :
			     op == OP_BASE ? op_base(mv, d) : op == OP_USE ? op_use(mv, d) :
			     op == OP_FREE ? op_free(mv, d) : op == OP_FILL ? op_fill(mv, d) : op_new(d);
		}
	}
	pt_job_settle(mv->v);
	mv->last = rc == -ERESTART ? op : OP_NONE;
	/* What was filled mostly becomes a table next. */
	if (op == OP_FILL && !rc && chance(80))
		mv->last = OP_PIN;
	restarts += rc == -ERESTART;
	refused += rc == -EINVAL || rc == -EPERM;
	done_well += !rc;
}

/* ------------------------------------------------------------------ begin and end -- */

static void birth(void)
{
	fake_reset_frames(NFRAMES);
	page_alloc_add(MFN(1), HOLE - 1);
	free_frames = HOLE - 1;
	for (u32 d = 0; d < NDOM; d++) {
		dom[d] = fake_domain(d, NVCPU, !d);
		dom[d]->iomem = rangeset_new();
		for (u32 i = 0; i < NVCPU; i++)
			vcpu[d][i] = (struct model_vcpu){ .v = dom[d]->vcpus[i] };
	}
	dom_io = fake_domain(DOMID_IO, 1, false);
	mfn_to_page(MFN(HOLE))->count = 1 | (u64)DOMID_IO << PGC_owner_shift;
	assert_int_equal(rangeset_add(dom[0]->iomem, 0, 1 << 20), 0);
	memset(frame, 0, sizeof(frame));
	for (u64 m = 1; m < NFRAMES; m++)
		frame[m].owner = -1;
	for (u32 d = 0; d < NDOM; d++)
		for (u32 i = 0; i < 11; i++)
			op_new(d);
}

/* Everybody lets go of everything: not one frame may be left. */
static void death(void)
{
	for (u32 d = 0; d < NDOM; d++) {
		for (u32 i = 0; i < NVCPU; i++) {
			struct model_vcpu *mv = &vcpu[d][i];

			if (mv->held)
				op_change(mv);
			while (pt_job_abort(mv->v))
				check();
			if (mv->base) {
				frame[mv->base].table[4]--;
				put_page_table(mv->v, MFN(mv->base));
			}
			while (pt_job_abort(mv->v))
				check();
			mv->base = 0;
		}
	}
	for (u64 m = 1; m < NFRAMES; m++) {
		struct model_frame *f = &frame[m];
		u32 d = f->owner;

		if (!is_ram(m) || f->owner < 0)
			continue;
		while (f->plain || f->writable || f->desc)
			drop_use(m);
		if (f->pinned) {
			f->pinned = false;
			assert_int_equal(unpin_page_table(vcpu[d][0].v, MFN(m), dom[d]), 0);
			while (pt_job_abort(vcpu[d][0].v))
				check();
		}
		if (f->allocated) {
			f->allocated = false;
			assert_true(release_owned_page(MFN(m), dom[d]));
		}
		check();
	}
	assert_int_equal(free_frames, HOLE - 1);
	assert_int_equal(free_page_count(), HOLE - 1);
	for (u32 d = 0; d < NDOM; d++)
		rangeset_free(dom[d]->iomem);
}

static void run(u64 seed, u32 percent)
{
	const char *env = getenv("MODEL_OPS");
	u64 ops = env ? strtoull(env, NULL, 0) : 400000;

	rng = seed;
	preempt_percent = percent;
	pt_job_steps = 1;
	restarts = refused = done_well = others = 0;
	birth();
	for (ops_done = 0; ops_done < ops; ops_done++) {
		check();
		turn(below(NDOM), below(NVCPU));
	}
	check();
	death();
	print_message("%llu operations: %llu succeeded, %llu refused, %llu interrupted\n", (unsigned long long)ops,
		      (unsigned long long)done_well, (unsigned long long)refused, (unsigned long long)restarts);
	/* A run that hardly does anything would prove nothing. */
	assert_true(done_well > ops / 5);
	assert_true(refused > ops / 20);
	assert_true(restarts >= ops * percent / 5000);
}

static void counts_agree_without_preemption(void **state) { (void)state; run(0x9e3779b97f4a7c15, 0); }
static void counts_agree_with_some_preemption(void **state) { (void)state; run(0xd1b54a32d192ed03, 5); }
static void counts_agree_with_much_preemption(void **state) { (void)state; run(0x8cb92ba72f3d8dd7, 20); }
static void counts_agree_with_more_preemption(void **state) { (void)state; run(0x2545f4914f6cdd1d, 50); }
static void counts_agree_when_preempted_always(void **state) { (void)state; run(0xabad1deafee1900d, 100); }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_agree_without_preemption),
		cmocka_unit_test(counts_agree_with_some_preemption),
		cmocka_unit_test(counts_agree_with_much_preemption),
		cmocka_unit_test(counts_agree_with_more_preemption),
		cmocka_unit_test(counts_agree_when_preempted_always),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
