// SPDX-License-Identifier: MIT
/*
 * Shared rings of requests and responses.
 *
 * A ring page starts with four indexes and is followed by slots; a slot holds a request on its way to the backend
 * and afterwards the response to some request. Only the layout is ABI; how to walk it is written here anew.
 *
 * Invariants that each side relies on, and must hold for itself:
 *  1. Indexes run freely (mod 2^32); slot = index & (slots - 1). The number of slots is a power of two.
 *  2. The frontend writes req_prod and rsp_event; the backend writes rsp_prod and req_event. Each side keeps its
 *     own copy of what it wrote and never reads it back: the other side could have changed it.
 *  3. A slot is written before the index that shows it (xen_ring_wmb between).
 *  4. "event" indexes ask for a notification when the producer passes them: event in (old, new].
 *  5. A reader copies a slot once and looks only at the copy.
 */
#ifndef XEN_IO_RING_H
#define XEN_IO_RING_H

#include <xen/abi.h>

typedef uint32_t RING_IDX;

/* The head of every ring page: 64 bytes, then the slots. */
struct xen_ring_head {
	RING_IDX req_prod, req_event;
	RING_IDX rsp_prod, rsp_event;
	uint8_t pad[48];
};
XEN_ABI_SIZE(struct xen_ring_head, 64);
XEN_ABI_OFFSET(struct xen_ring_head, rsp_prod, 8);

/* How many slots of a size fit in a ring of a number of bytes: the largest power of two. */
static inline uint32_t xen_ring_slots(uint64_t ring_bytes, uint64_t slot_bytes)
{
	uint64_t fit = (ring_bytes - sizeof(struct xen_ring_head)) / slot_bytes;
	uint32_t slots = 1;

	while ((uint64_t)slots * 2 <= fit)
		slots *= 2;
	return slots;
}

/* The address of the slot that an index names. */
static inline void *xen_ring_slot(struct xen_ring_head *head, uint32_t slots, uint64_t slot_bytes, RING_IDX index)
{
	return (char *)(head + 1) + (index & (slots - 1)) * slot_bytes;
}

/* x86 keeps stores in order and loads in order; only the compiler must be held back. */
#define xen_ring_wmb()	__atomic_signal_fence(__ATOMIC_RELEASE)
#define xen_ring_rmb()	__atomic_signal_fence(__ATOMIC_ACQUIRE)
#define xen_ring_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)

#define XEN_RING_READ(x)	(*(const volatile RING_IDX *)&(x))
#define XEN_RING_WRITE(x, v)	(*(volatile RING_IDX *)&(x) = (v))

/*
 * Shows everything up to `fresh` through a producer index. Returns whether the other side asked to be told: its
 * event index lies in what was just added.
 */
static inline int xen_ring_publish(RING_IDX *prod, const RING_IDX *event, RING_IDX old, RING_IDX fresh)
{
	xen_ring_wmb();
	XEN_RING_WRITE(*prod, fresh);
	xen_ring_mb();
	return (RING_IDX)(fresh - XEN_RING_READ(*event)) < (RING_IDX)(fresh - old);
}

/*
 * Before sleeping: asks to be told about the next entry and looks once more. Returns the producer index seen last;
 * where it differs from `cons`, there is work and no sleep.
 */
static inline RING_IDX xen_ring_final_check(const RING_IDX *prod, RING_IDX *event, RING_IDX cons)
{
	RING_IDX seen = XEN_RING_READ(*prod);

	if (seen == cons) {
		XEN_RING_WRITE(*event, cons + 1);
		xen_ring_mb();
		seen = XEN_RING_READ(*prod);
	}
	xen_ring_rmb();
	return seen;
}

/* Whether a producer index that the other side claims is possible: no more than `slots` ahead of `cons`. */
static inline int xen_ring_prod_is_sane(RING_IDX prod, RING_IDX cons, uint32_t slots)
{
	return (RING_IDX)(prod - cons) <= slots;
}

#endif
