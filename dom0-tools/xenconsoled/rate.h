// SPDX-License-Identifier: MIT
/*
 * How much of a guest's output is taken in a time. Pure.
 *
 * Each guest has tokens, one for a byte, that come back at a steady rate up to a burst. An event costs at least
 * RATE_EVENT tokens, so that one who only rings the bell is held too. A guest without tokens is left alone until some
 * are back: its bytes stay in its ring, its event channel stays masked.
 */
#ifndef XENCONSOLED_RATE_H
#define XENCONSOLED_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_EVENT	256

struct rate {
	uint64_t last_ns;	/* when tokens were last counted */
	int64_t tokens;
};

/* @per_second tokens (2^32 at most) come back each second; the burst is a quarter of a second's worth. 0: no limit. */
static inline void rate_init(struct rate *r, uint64_t now_ns, uint64_t per_second)
{
	r->last_ns = now_ns;
	r->tokens = per_second / 4 + 1;
}

/* May something be taken at time @now_ns (of a clock that does not go back)? */
static inline bool rate_allows(struct rate *r, uint64_t now_ns, uint64_t per_second)
{
	uint64_t passed = now_ns - r->last_ns, burst = per_second / 4 + 1, back;

	if (!per_second)
		return true;
	if (passed > 1000000000)
		passed = 1000000000;
	back = passed * per_second / 1000000000;
	r->tokens += back;
	/* Only as far as whole tokens came back: what is left counts the next time. */
	r->last_ns = passed == 1000000000 ? now_ns : r->last_ns + back * 1000000000 / per_second;
	if (r->tokens > (int64_t)burst)
		r->tokens = burst;
	return r->tokens > 0;
}

static inline void rate_charge(struct rate *r, uint64_t bytes)
{
	r->tokens -= bytes > RATE_EVENT ? bytes : RATE_EVENT;
}

#endif
