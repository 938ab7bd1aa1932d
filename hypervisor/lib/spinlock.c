// SPDX-License-Identifier: MIT
/* The parts of spinlocks that need not be inline; see spinlock.h. */
#include "lib/spinlock.h"

void spin_lock_init(spinlock_t *l, enum lock_rank rank, const char *name)
{
	*l = (spinlock_t){ .rank = rank, .name = name };
}

void spin_lock_two(spinlock_t *a, spinlock_t *b)
{
	spinlock_t *first = (uintptr_t)a < (uintptr_t)b ? a : b;
	spinlock_t *second = first == a ? b : a;

	spin_lock(first);
	if (second != first) {
		/* Equal ranks are in order only by address, so the check is for the first alone. */
		u32 old = __atomic_fetch_add(&second->word, 1u << 16, __ATOMIC_ACQUIRE);
		while (__atomic_load_n(&second->owner, __ATOMIC_ACQUIRE) != (u16)(old >> 16))
			spin_wait();
	}
}

void spin_unlock_two(spinlock_t *a, spinlock_t *b)
{
	spinlock_t *first = (uintptr_t)a < (uintptr_t)b ? a : b;
	spinlock_t *second = first == a ? b : a;

	if (second != first)
		__atomic_store_n(&second->owner, second->owner + 1, __ATOMIC_RELEASE);
	spin_unlock(first);
}
