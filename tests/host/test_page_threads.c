// SPDX-License-Identifier: MIT
/*
 * Page types on several CPUs at once: threads play vcpus of one domain that
 * change, pin, unpin, load and free the same tables. What they do is random from
 * fixed seeds, how they meet is not; but in the end every count must be what
 * it was, whatever happened.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <cmocka.h>
#include "fake_machine.h"
#include "pv/page_type.h"
#include "x86/layout.h"

#define NFRAMES 24u
#define NTHREADS 4u
#define OPS 400000u

static struct domain *d;
static u64 frame[NFRAMES];
static __thread u64 rng;

static u32 below(u32 n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 16) % n;
}

/* Of no use here, and two threads may not write them: these are the tests' own hooks without records. */
void *map_frame(mfn_t mfn) { return fake_frame(mfn); }
void unmap_frame(const void *va) { (void)va; }
u64 tlb_clock(void) { return 0; }
void flush_tlb_since(u64 t) { (void)t; }
bool preempt_check(void) { return rng && below(4) == 0; }

static void change(struct vcpu *v, mfn_t m, u32 i, u64 val)
{
	unsigned level = hold_page_table(m, d);
	u64 *entry = (u64 *)fake_frame(m) + i;

	if (level == 1) {
		mod_l1_entry(v, entry, val, below(2), d, d);
		release_page_table(v, m);
	} else if (level) {
		mod_table_entry(v, entry, m, val, below(2), level, d);
		release_page_table(v, m);
	} else if (get_page_writable(m, d)) {
		WRITE_ONCE(*entry, val);
		put_page_writable(m);
	}
}

static void load(struct vcpu *v, mfn_t m, u64 *base)
{
	if (get_page_table(v, m, d, 4))
		return;
	if (*base)
		put_page_table(v, MFN(*base));
	*base = m.m;
}

/* False: still busy with what was interrupted, or waiting for another who is. */
static bool one(struct vcpu *v, u64 *base)
{
	/* Frame i likes to be of level 1 + i % 4, so that something to take apart comes about. */
	u32 i = below(NFRAMES), level = 1 + i % 4, below_it = i % 4 ? (i & ~3u) % NFRAMES + i % 4 - 1 : below(NFRAMES);
	mfn_t m = MFN(frame[i]);
	u64 val = frame[below(8) ? (below_it + 4 * below(NFRAMES / 4)) % NFRAMES : below(NFRAMES)] << PAGE_SHIFT |
		  PTE_U | (below(4) ? PTE_P : 0) | (below(8) ? 0 : PTE_RW);

	if (pt_job_resume(v)) {
		sched_yield();
		return false;
	}
	switch (below(12)) {
	case 0:
	case 1:
		pin_page_table(v, m, d, below(8) ? level : 1 + below(4));
		break;
	case 2:
		unpin_page_table(v, m, d);
		break;
	case 3:
		load(v, m, base);
		break;
	case 4:
		if (get_page_seg_desc(m, d))
			put_page_seg_desc(m);
		break;
	case 5:
		if (get_page(m, d))
			put_page(m);
		break;
	default:
		change(v, m, below(6) * 100, val);
	}
	pt_job_settle(v);
	return true;
}

static void finish(struct vcpu *v)
{
	while (pt_job_abort(v))
		sched_yield();
}

static void *thread(void *arg)
{
	struct vcpu *v = arg;
	u64 base = 0;

	rng = 0x9e3779b97f4a7c15 * (v->vcpu_id + 1);
	for (u32 i = 0; i < OPS;)
		i += one(v, &base);
	finish(v);
	if (base)
		put_page_table(v, MFN(base));
	finish(v);
	return NULL;
}

static void counts_are_right_after_many_cpus_met(void **state)
{
	pthread_t t[NTHREADS];
	struct vcpu *v;

	(void)state;
	fake_reset();
	pt_job_steps = 1;
	d = fake_domain(1, NTHREADS, false);
	dom_io = fake_domain(DOMID_IO, 1, false);
	for (u32 i = 0; i < NFRAMES; i++)
		frame[i] = fake_give_frame(d).m;
	for (u32 i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, thread, d->vcpus[i]), 0);
	for (u32 i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);

	v = d->vcpus[0];
	for (u32 i = 0; i < NFRAMES; i++) {
		if (mfn_to_page(MFN(frame[i]))->type & PGT_pinned)
			assert_int_equal(unpin_page_table(v, MFN(frame[i]), d), 0);
		finish(v);
	}
	for (u32 i = 0; i < NFRAMES; i++) {
		assert_int_equal(mfn_to_page(MFN(frame[i]))->type & PGT_count_mask, 0);
		assert_int_equal(mfn_to_page(MFN(frame[i]))->count & PGC_count_mask, 1);
	}
}

/* Two threads fight for one table: one updates it, the other pins, unpins, frees it and gets it anew. */
static u64 victim;
static bool stop;

static void *updater(void *arg)
{
	struct vcpu *v = arg;

	rng = 77;
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		change(v, MFN(__atomic_load_n(&victim, __ATOMIC_SEQ_CST)), below(4),
		       frame[below(4)] << PAGE_SHIFT | PTE_P | PTE_U | (below(2) ? PTE_RW : 0));
		finish(v);
	}
	return NULL;
}

static void a_table_freed_under_an_update_takes_its_counts_along(void **state)
{
	struct vcpu *v;
	pthread_t t;

	(void)state;
	fake_reset();
	rng = 0;
	stop = false;
	d = fake_domain(1, 2, false);
	dom_io = fake_domain(DOMID_IO, 1, false);
	v = d->vcpus[0];
	for (u32 i = 0; i < 4; i++)
		frame[i] = fake_give_frame(d).m;
	victim = fake_give_frame(d).m;
	assert_int_equal(pthread_create(&t, NULL, updater, d->vcpus[1]), 0);
	for (u32 i = 0; i < 20000; i++) {
		mfn_t m = MFN(victim);
		int rc;

		/* Refused where the other has it writable for a moment, or filled it with what can't be. */
		rc = pin_page_table(v, m, d, 1);
		for (u32 n = 0; n < i % 50; n++)
			barrier();
		if (!rc)
			assert_int_equal(unpin_page_table(v, m, d), 0);
		finish(v);
		__atomic_store_n(&victim, fake_give_frame(d).m, __ATOMIC_SEQ_CST);
		assert_true(release_owned_page(m, d));
	}
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	assert_int_equal(pthread_join(t, NULL), 0);
	for (u32 i = 0; i < 4; i++) {
		assert_int_equal(mfn_to_page(MFN(frame[i]))->type & PGT_count_mask, 0);
		assert_int_equal(mfn_to_page(MFN(frame[i]))->count & PGC_count_mask, 1);
	}
	assert_int_equal(d->tot_pages, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_right_after_many_cpus_met),
		cmocka_unit_test(a_table_freed_under_an_update_takes_its_counts_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
