/* SPDX-License-Identifier: MIT */
/*
 * Sets of numbers kept as sorted, disjoint, non-adjacent ranges: I/O ports and
 * machine frames a domain may use. The owner's lock guards a set.
 */
#ifndef LIB_RANGESET_H
#define LIB_RANGESET_H

#include "lib/types.h"

struct rangeset;

struct rangeset *rangeset_new(void);
void rangeset_free(struct rangeset *r);
/* Adds or removes first..last, both included. 0 or -ENOMEM (set unchanged). */
int rangeset_add(struct rangeset *r, u64 first, u64 last);
int rangeset_remove(struct rangeset *r, u64 first, u64 last);
/* True where every (any) number of first..last is in the set. */
bool rangeset_contains(const struct rangeset *r, u64 first, u64 last);
bool rangeset_overlaps(const struct rangeset *r, u64 first, u64 last);

#endif
