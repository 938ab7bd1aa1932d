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

/*
 * One end of a ring, in that end's own memory. `mine` is the producer index of this end, with what is not yet
 * shown; `shown` what the other side was last told; `cons` the next slot to read of what the other side produces.
 *
 * Frontend: at most `slots` requests without a response, so mine - cons <= slots.
 * Backend: no response without a request, so cons - mine <= slots (requests taken and not yet answered).
 */
struct xen_ring_end {
	struct xen_ring_head *head;
	uint32_t slots;
	uint32_t slot_bytes;
	RING_IDX mine, shown, cons;
};

/*
 * Frontend: makes an empty ring of `bytes` bytes (a multiple of the page size) at `ring`. slot_bytes is the larger
 * of request and response. The bytes must be zero or the frontend's own: all that is in them is shown to the backend.
 */
static inline void xen_ring_front_init(struct xen_ring_end *end, void *ring, uint64_t bytes, uint32_t slot_bytes)
{
	struct xen_ring_head *head = ring;

	*end = (struct xen_ring_end){ .head = head, .slots = xen_ring_slots(bytes, slot_bytes),
				      .slot_bytes = slot_bytes };
	XEN_RING_WRITE(head->req_prod, 0);
	XEN_RING_WRITE(head->rsp_prod, 0);
	XEN_RING_WRITE(head->req_event, 1);
	XEN_RING_WRITE(head->rsp_event, 1);
}

/*
 * Backend: takes over a mapped ring where responses up to `rsp_prod` were shown and requests up to `req_cons` taken
 * (both 0 on a new ring; a backend that comes back knows them from its own records, never from the page).
 */
static inline void xen_ring_back_init(struct xen_ring_end *end, void *ring, uint64_t bytes, uint32_t slot_bytes,
				      RING_IDX rsp_prod, RING_IDX req_cons)
{
	*end = (struct xen_ring_end){ .head = ring, .slots = xen_ring_slots(bytes, slot_bytes),
				      .slot_bytes = slot_bytes, .mine = rsp_prod, .shown = rsp_prod,
				      .cons = req_cons };
}

/* How many requests a frontend may still put. */
static inline uint32_t xen_ring_front_free(const struct xen_ring_end *end)
{
	return end->slots - (RING_IDX)(end->mine - end->cons);
}

/* Puts one request or response of `bytes` bytes, not yet shown. The caller knows that there is room. */
static inline void xen_ring_put(struct xen_ring_end *end, const void *what, uint32_t bytes)
{
	__builtin_memcpy(xen_ring_slot(end->head, end->slots, end->slot_bytes, end->mine++), what, bytes);
}

/*
 * Copies the next request or response out; call only when xen_ring_*_waiting said that there is one. What the
 * other side does to the slot from now on does not reach the copy.
 */
static inline void xen_ring_get(struct xen_ring_end *end, void *copy, uint32_t bytes)
{
	__builtin_memcpy(copy, xen_ring_slot(end->head, end->slots, end->slot_bytes, end->cons++), bytes);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Shows all that was put. Returns whether the other side must be notified. */
static inline int xen_ring_front_push(struct xen_ring_end *end)
{
	RING_IDX old = end->shown;

	end->shown = end->mine;
	return xen_ring_publish(&end->head->req_prod, &end->head->req_event, old, end->mine);
}

static inline int xen_ring_back_push(struct xen_ring_end *end)
{
	RING_IDX old = end->shown;

	end->shown = end->mine;
	return xen_ring_publish(&end->head->rsp_prod, &end->head->rsp_event, old, end->mine);
}

/*
 * How many responses (frontend) or requests (backend) can be read now; -1 where the other side's index is
 * impossible, and then nothing on this ring can be believed any more.
 */
static inline int xen_ring_front_waiting(const struct xen_ring_end *end)
{
	RING_IDX waiting = XEN_RING_READ(end->head->rsp_prod) - end->cons;

	xen_ring_rmb();
	return waiting <= (RING_IDX)(end->shown - end->cons) ? (int)waiting : -1;
}

static inline int xen_ring_back_waiting(const struct xen_ring_end *end)
{
	RING_IDX prod = XEN_RING_READ(end->head->req_prod);

	xen_ring_rmb();
	return xen_ring_prod_is_sane(prod, end->mine, end->slots) &&
	       (RING_IDX)(prod - end->mine) >= (RING_IDX)(end->cons - end->mine) ? (int)(prod - end->cons) : -1;
}

/*
 * Before sleeping: asks to be told when `after` more entries have come (1: the next one) and looks once more.
 * Returns as xen_ring_*_waiting does: only 0 may sleep; with `after` above 1, fewer than that may be waiting.
 */
static inline int xen_ring_front_sleep(struct xen_ring_end *end, uint32_t after)
{
	XEN_RING_WRITE(end->head->rsp_event, end->cons + after);
	xen_ring_mb();
	return xen_ring_front_waiting(end);
}

/*
 * The first half of it alone, before responses are shown: who gets them and puts the next request tells at once, which
 * finds a backend awake that would else have gone to sleep.
 */
static inline void xen_ring_back_ask(struct xen_ring_end *end, uint32_t after)
{
	XEN_RING_WRITE(end->head->req_event, end->cons + after);
}

static inline int xen_ring_back_sleep(struct xen_ring_end *end, uint32_t after)
{
	xen_ring_back_ask(end, after);
	xen_ring_mb();
	return xen_ring_back_waiting(end);
}

#endif
