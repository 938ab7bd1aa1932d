// SPDX-License-Identifier: MIT
/*
 * A guest's console page, seen from dom0. Pure.
 *
 * The guest owns the page and may write anything into it at any time. So: 1. the indices that are ours (out_cons,
 * in_prod) are kept here, and those in the page are only written, after the page was attached. 2. The guest's indices
 * are read once for each use and believed only if they leave the ring no fuller than it can be; else the ring counts
 * as empty (output) or full (input) until they make sense again. 3. A byte is copied out once.
 */
#ifndef XENCONSOLED_RING_H
#define XENCONSOLED_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/io/console.h>

#define RING_OUT_SIZE	2048u
#define RING_IN_SIZE	1024u

struct ring {
	struct xencons_interface *page;
	uint32_t out_cons, in_prod;
	bool nonsense;		/* the guest's indices made no sense at the last look */
};

/* Takes up the page where it is: what was consumed and produced so far stays so. */
void ring_attach(struct ring *r, struct xencons_interface *page);

/* Like ring_attach(), but output is taken from @out_cons on if the guest's index allows for it. Returns if it does. */
bool ring_resume(struct ring *r, struct xencons_interface *page, uint32_t out_cons);

/* Copies up to @size bytes of waiting output; they stay in the ring. Returns how many. */
size_t ring_peek(struct ring *r, uint8_t *to, size_t size);
/* Gives @count bytes that ring_peek() returned back to the guest. */
void ring_taken(struct ring *r, size_t count);

/* Bytes of input for which there is room. */
size_t ring_room(struct ring *r);
/* Puts in as many of @count bytes as there is room for. Returns how many. */
size_t ring_put(struct ring *r, const uint8_t *from, size_t count);

#endif
