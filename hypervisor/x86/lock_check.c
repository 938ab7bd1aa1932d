// SPDX-License-Identifier: MIT
/*
 * Debug builds: every CPU's held locks, to hold it to the order of
 * core/lock_rank.h. Release builds compile the calls away (lib/spinlock.h).
 */
#include "core/seam.h"
#include "lib/spinlock.h"
#include "x86/asm.h"
#include "x86/cpu.h"

#undef lock_rank_enter
#undef lock_rank_leave

/* Before the CPU has its own stack there is one CPU and no cpu_info. */
static struct pcpu *checked_cpu(void)
{
	u64 sp = rsp_now();

	if (sp < PERCPU_START || sp >= PERCPU_START + (u64)MAX_CPUS * PERCPU_SIZE)
		return NULL;
	return this_pcpu()->in_panic ? NULL : this_pcpu();
}

void lock_rank_enter(const spinlock_t *l)
{
	struct pcpu *p = checked_cpu();

	if (!p)
		return;
	if (p->nr_held && p->held_ranks[p->nr_held - 1] >= l->rank)
		hv_panic("lock \"%s\" (rank %u) taken while one of rank %u is held", l->name, l->rank,
			 p->held_ranks[p->nr_held - 1]);
	BUG_ON(p->nr_held == ARRAY_SIZE(p->held_ranks));
	p->held_ranks[p->nr_held++] = l->rank;
}

/* Locks are released in any order: the rank is taken out wherever it is. */
void lock_rank_leave(const spinlock_t *l)
{
	struct pcpu *p = checked_cpu();
	u32 i;

	if (!p)
		return;
	for (i = p->nr_held; i-- > 0 && p->held_ranks[i] != l->rank;)
		;
	BUG_ON(i >= p->nr_held);
	for (; i + 1 < p->nr_held; i++)
		p->held_ranks[i] = p->held_ranks[i + 1];
	p->nr_held--;
}
