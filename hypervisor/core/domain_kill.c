// SPDX-License-Identifier: MIT
/*
 * The end of a domain: giving back all that it has and holds.
 *
 * A domain holds frames through its page tables, others hold frames of it
 * through theirs, grants go both ways, and all of it may be gigabytes. So the end
 * goes in steps, each of which may stop and be called again, in an order in which
 * nothing can come back:
 *
 *   dying ──> its vcpus never run again (paused, off their CPUs)
 *     1 ports closed: peers find theirs unbound, nobody sends to it
 *     2 timers, pirqs; nobody writes to its vcpu_info any more
 *     3 its vcpus' vcpu_info pages, descriptor frames and page tables
 *     4 pinned tables: now no frame of it is a table, unless another's job is at work on it
 *     5 grants of others that it had mapped
 *     6 pages that the hypervisor shared with it
 *     7 its memory
 *     8 the table's reference: the rest is in the hands of those who still map its frames or grants
 *
 *  1. is_dying is set before all this and looked at after anything is given to a
 *     domain (core/memory_op.c): what comes too late is given back by who gave it.
 *  2. A frame that another domain maps stays owned by the dying one, which stays
 *     in the table under its id until the last is gone (domain_frames_gone()).
 *
 * Lock: [L], one caller at a time.
 */
#include "core/domain.h"
#include "core/seam.h"
#include "pv/vcpu_pv.h"
#include "x86/cpu.h"

static int release_vcpus(struct domain *d)
{
	/* Tables that they were at first: others, we even, may wait for that. */
	for (u32 i = 0; !d->kill_at && i < d->max_vcpus; i++)
		if (d->vcpus[i] && pt_job_abort(d->vcpus[i]))
			return -ERESTART;
	for (; d->kill_at < d->max_vcpus; d->kill_at++) {
		struct vcpu *v = d->vcpus[d->kill_at];

		if (!v)
			continue;
		if (v->vcpu_info_placed) {
			v->vcpu_info_placed = false;
			put_page_writable(v->vcpu_info_mfn);
		}
		if (pv_vcpu_release(v))
			return -ERESTART;
		if (preempt_check()) {
			d->kill_at++;
			return -ERESTART;
		}
	}
	return 0;
}

/* A range of its frames, 64 at a time, from where the last call stopped. */
static bool next_chunk(struct domain *d, u64 *first)
{
	while (d->kill_at < d->max_mfn && READ_ONCE(d->tot_pages)) {
		*first = d->kill_at;
		d->kill_at += 64;
		if (mfn_valid(MFN(*first)))
			return true;
	}
	return false;
}

static int unpin_tables(struct domain *d)
{
	struct vcpu *self = current;
	u64 first;

	/* What an earlier call left half taken apart comes first. */
	if (pt_job_resume(self))
		return -ERESTART;
	for (u32 n = 0; next_chunk(d, &first); n++) {
		for (u32 i = 0; i < 64; i++) {
			mfn_t mfn = MFN(first + i);

			if (!(READ_ONCE(mfn_to_page(mfn)->type) & PGT_pinned) || page_owner(mfn_to_page(mfn)) != d->domain_id)
				continue;
			(void)unpin_page_table(self, mfn, d); /* -EINVAL: another was quicker */
			if (pt_job_resume(self)) {
				d->kill_at = first;
				return -ERESTART;
			}
		}
		if (n % 16 == 15 && preempt_check())
			return -ERESTART;
	}
	return 0;
}

static int release_memory(struct domain *d)
{
	u64 first;

	while (next_chunk(d, &first)) {
		release_owned_pages(first, d);
		if (preempt_check())
			return -ERESTART;
	}
	return 0;
}

int domain_kill(struct domain *d)
{
	int rc = 0;

	switch (d->kill_step) {
	case 0:
		rc = events_destroy(d);
		break;
	case 1:
		domain_release_machine(d);
		break;
	case 2:
		rc = release_vcpus(d);
		break;
	case 3:
		rc = unpin_tables(d);
		break;
	case 4:
		rc = grant_table_destroy(d);
		break;
	case 5:
		domain_unshare_info(d);
		grant_table_unshare(d);
		break;
	case 6:
		rc = release_memory(d);
		break;
	default:
		/* Whoever sees them gone now, the next to free one or we, gives this reference up. */
		__atomic_fetch_add(&d->refcount, 1, __ATOMIC_SEQ_CST);
		__atomic_store_n(&d->frames_awaited, true, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&d->tot_pages, __ATOMIC_SEQ_CST))
			domain_frames_gone(d);
		d->kill_step = KILL_DONE;
		put_domain(d);
		return 0;
	}
	if (rc)
		return rc;
	d->kill_step++;
	d->kill_at = d->kill_step == 2 ? 0 : READ_ONCE(d->min_mfn) & ~63ULL;
	return -ERESTART;
}
