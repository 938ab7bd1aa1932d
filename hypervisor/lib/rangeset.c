// SPDX-License-Identifier: MIT
/*
 * Sets of numbers as a sorted array of ranges.
 *
 * A domain has a handful of ranges (dom0: all ports but a few, all of memory but RAM), they are
 * looked up on every port access and page-table entry for a device and changed hardly ever. So: one
 * array, binary search, and on a change one memmove.
 *
 *  1. range[i].last + 1 < range[i + 1].first: sorted, disjoint, and a gap between
 *     any two, or they would be one.
 *  2. An operation that needs a longer array gets it before it changes anything.
 */
#include "lib/rangeset.h"
#include "core/seam.h"
#include "lib/string.h"

struct range {
	u64 first, last;
};

struct rangeset {
	u32 nr, room;
	struct range *range;
};

struct rangeset *rangeset_new(void)
{
	return hv_alloc(sizeof(struct rangeset));
}

void rangeset_free(struct rangeset *r)
{
	if (!r)
		return;
	hv_free(r->range);
	hv_free(r);
}

/* Index of the first range that ends at or after `x`; r->nr if none does. */
static u32 find(const struct rangeset *r, u64 x)
{
	u32 lo = 0, hi = r->nr;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (r->range[mid].last < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int make_room(struct rangeset *r)
{
	struct range *bigger;

	if (r->nr < r->room)
		return 0;
	bigger = hv_alloc((r->room ? r->room * 2 : 8) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	if (r->nr)
		memcpy(bigger, r->range, r->nr * sizeof(*bigger));
	hv_free(r->range);
	r->range = bigger;
	r->room = r->room ? r->room * 2 : 8;
	return 0;
}

/* Replaces ranges from..to-1 by the `nr_new` ranges at `by`; there is room. */
static void replace(struct rangeset *r, u32 from, u32 to, const struct range *by, u32 nr_new)
{
	if (r->nr > to)
		memmove(&r->range[from + nr_new], &r->range[to], (r->nr - to) * sizeof(*by));
	for (u32 i = 0; i < nr_new; i++)
		r->range[from + i] = by[i];
	r->nr = r->nr - (to - from) + nr_new;
}

int rangeset_add(struct rangeset *r, u64 first, u64 last)
{
	struct range new = { first, last };
	u32 from, to;
	int rc;

	if (first > last)
		return 0;
	rc = make_room(r);
	if (rc)
		return rc;
	/* All that overlap or touch become one; one that ends at first - 1 touches. */
	from = find(r, first ? first - 1 : 0);
	for (to = from; to < r->nr && (last == ~0ULL || r->range[to].first <= last + 1); to++) {
		new.first = min(new.first, r->range[to].first);
		new.last = max(new.last, r->range[to].last);
	}
	replace(r, from, to, &new, 1);
	return 0;
}

int rangeset_remove(struct rangeset *r, u64 first, u64 last)
{
	struct range rest[2];
	u32 nr_rest = 0;
	u32 from, to;
	int rc;

	if (first > last)
		return 0;
	from = find(r, first);
	for (to = from; to < r->nr && r->range[to].first <= last; to++)
		;
	if (from == to)
		return 0;
	if (r->range[from].first < first)
		rest[nr_rest++] = (struct range){ r->range[from].first, first - 1 };
	if (r->range[to - 1].last > last)
		rest[nr_rest++] = (struct range){ last + 1, r->range[to - 1].last };
	if (nr_rest > to - from) { /* a hole in one range */
		rc = make_room(r);
		if (rc)
			return rc;
	}
	replace(r, from, to, rest, nr_rest);
	return 0;
}

bool rangeset_contains(const struct rangeset *r, u64 first, u64 last)
{
	u32 i;

	if (first > last)
		return true;
	i = find(r, first);
	return i < r->nr && r->range[i].first <= first && last <= r->range[i].last;
}

bool rangeset_overlaps(const struct rangeset *r, u64 first, u64 last)
{
	u32 i;

	if (first > last)
		return false;
	i = find(r, first);
	return i < r->nr && r->range[i].first <= last;
}
