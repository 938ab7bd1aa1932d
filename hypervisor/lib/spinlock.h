/* SPDX-License-Identifier: MIT */
/*
 * Ticket spinlocks with ranks.
 *
 * The hypervisor runs with interrupts off (docs/locking.md), so there is one
 * form of lock and no irq-saving variant. A CPU that spins keeps serving other
 * CPUs' requests through spin_wait() (x86: TLB flush mailbox), which is why
 * holding a lock while waiting for another CPU's answer can't deadlock.
 */
#ifndef LIB_SPINLOCK_H
#define LIB_SPINLOCK_H

#include "lib/types.h"
#include "core/lock_rank.h"

typedef struct spinlock {
	union {
		u32 word;
		struct {
			u16 owner; /* ticket now served */
			u16 next;  /* next ticket to hand out */
		};
	};
	u8 rank;
	const char *name;
} spinlock_t;

#define SPINLOCK(r, n) { .rank = (r), .name = (n) }

void spin_lock_init(spinlock_t *l, enum lock_rank rank, const char *name);

/* Seam: called in each turn of a wait loop; must not sleep or take locks. */
void spin_wait(void);
/* Seam, debug builds: check and record the rank order. */
void lock_rank_enter(const spinlock_t *l);
void lock_rank_leave(const spinlock_t *l);

#ifdef NDEBUG
#define lock_rank_enter(l) ((void)0)
#define lock_rank_leave(l) ((void)0)
#endif

static inline void spin_lock(spinlock_t *l)
{
	u32 old;
	u16 ticket;

	lock_rank_enter(l);
	old = __atomic_fetch_add(&l->word, 1u << 16, __ATOMIC_ACQUIRE);
	ticket = old >> 16;
	if (likely((u16)old == ticket))
		return;
	while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket)
		spin_wait();
}

static inline void spin_unlock(spinlock_t *l)
{
	lock_rank_leave(l);
	__atomic_store_n(&l->owner, l->owner + 1, __ATOMIC_RELEASE);
}

static inline bool spin_is_locked(const spinlock_t *l)
{
	return READ_ONCE(l->owner) != READ_ONCE(l->next);
}

/* Takes two locks of one rank (which may be the same lock) in address order. */
void spin_lock_two(spinlock_t *a, spinlock_t *b);
void spin_unlock_two(spinlock_t *a, spinlock_t *b);

#endif
