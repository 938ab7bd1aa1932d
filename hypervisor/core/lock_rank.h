/* SPDX-License-Identifier: MIT */
/*
 * The only lock order there is. A CPU may take a lock only if its rank is
 * higher than that of every lock it already holds; two locks of one rank are
 * taken only through spin_lock_two(), by address. Debug builds check this at
 * every acquisition. docs/locking.md explains what each guards.
 */
#ifndef CORE_LOCK_RANK_H
#define CORE_LOCK_RANK_H

enum lock_rank {
	RANK_DOMCTL = 1,  /* one domctl at a time per domain */
	RANK_CPUPOOL,     /* pools of CPUs, and which domain has which */
	RANK_DOMLIST,     /* insertion and removal in the domain table */
	RANK_DOMAIN,      /* struct domain: life cycle, memory limits */
	RANK_GRANT,       /* a domain's grant table */
	RANK_EVENT,       /* a domain's event channels */
	RANK_FIFO,        /* one FIFO queue */
	RANK_PIRQ,        /* a domain's pirq table */
	RANK_MSI,         /* messages in devices, and config space as dom0 writes it */
	RANK_IRQ,         /* one machine interrupt */
	RANK_PCI,
	RANK_PAGE_ALLOC,  /* the buddy allocator */
	RANK_SCHED,       /* one CPU's run queue */
	RANK_CAP,         /* what a domain with a cap has used */
	RANK_TIMER,       /* one CPU's timer heap */
	RANK_TIME,        /* wall clock */
	RANK_CONSOLE,     /* always innermost: anything may print */
};

#endif
