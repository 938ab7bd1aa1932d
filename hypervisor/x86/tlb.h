/* SPDX-License-Identifier: MIT */
/* Translation caches: what is flushed where; see tlb.c. */
#ifndef X86_TLB_H
#define X86_TLB_H

#include "lib/types.h"

struct domain;

#define FLUSH_ALL_VA (~0ULL) /* as a va: every translation that is not global */

/* Everything is about to be flushed on this CPU by another means: a load of CR3. */
void tlb_tick(void);
/* On this CPU: translation of `va`, or all. */
void flush_local(u64 va);
/* On every CPU where `d` has run since it last flushed. */
void flush_domain_va(struct domain *d, u64 va);
/* On the CPUs of the vcpus named in the guest's bitmap at `gva`. 0 or -EFAULT. */
int flush_vcpu_mask(struct domain *d, u64 gva, u64 va);
/* XPTI: the L4 clock; it goes on with each change of an L4. Copies made at another time are old. */
u64 l4_clock(void);
/* Writes back and drops the caches of this CPU. */
void flush_caches(void);
/* Answers what other CPUs asked of this one. */
void tlb_serve_requests(void);

#endif
