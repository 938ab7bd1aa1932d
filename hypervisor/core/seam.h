/* SPDX-License-Identifier: MIT */
/*
 * The seam: all that pure code may call.
 *
 * Pure modules (marked (p) in docs/tour.md) hold the rules of the ABI and touch
 * no machine. They call these functions and nothing else but lib/ helpers that
 * are pure themselves. x86/ and core/ implement the seam in the hypervisor,
 * tests/host/fake_machine.c on the host; `make check-seam` fails the build
 * where a pure object imports another symbol.
 */
#ifndef CORE_SEAM_H
#define CORE_SEAM_H

#include "lib/errno.h"
#include "lib/types.h"
#include "x86/layout.h"

struct domain;
struct vcpu;

/* --- Memory of the machine ------------------------------------------------ */

/*
 * Address at which the hypervisor reaches RAM frame `mfn`, until unmap_frame().
 * Every RAM frame can be mapped; in the hypervisor this is the direct map.
 */
#ifdef XENOLITH_HOST
void *map_frame(mfn_t mfn);
void unmap_frame(const void *va);
#else
static inline void *map_frame(mfn_t mfn) { return (void *)(DIRECT_MAP_START + (mfn.m << PAGE_SHIFT)); }
static inline void unmap_frame(const void *va) { (void)va; }
#endif
/* The frame behind an address that map_frame() or hv_alloc() gave. */
mfn_t frame_of(const void *va);

/*
 * Takes a reference and (if writable) a writable type on frame `gfn` of `d` and
 * maps it until put_guest_frame(). NULL where `d` does not own such a frame or
 * its type forbids writing.
 */
void *get_guest_frame(struct domain *d, gfn_t gfn, bool writable);
void put_guest_frame(struct domain *d, void *va, bool writable);

/*
 * Copies between hypervisor memory and the address space that is loaded now
 * (that of the vcpu which made the hypercall). 0, or -EFAULT where any byte is
 * unmapped, read-only (copy_to), non-canonical or inside the hypervisor's range.
 */
int __must_check copy_from_guest(void *dst, u64 gva, size_t bytes);
int __must_check copy_to_guest(u64 gva, const void *src, size_t bytes);

/* Zeroed memory of the hypervisor's own; NULL when there is none. 16-byte aligned. */
void *hv_alloc(size_t bytes);
void hv_free(void *p);

/* --- Time, CPUs ------------------------------------------------------------ */

/* Nanoseconds since the hypervisor started; never goes backwards. */
u64 now_ns(void);

/* `v` has an event to take: wake it if it blocks, interrupt it if it runs elsewhere. */
void vcpu_kick(struct vcpu *v);
/* `v`, which runs here and has rivals, sends an event to v->sent_to: it may give the CPU to another. */
void sched_event_sent(struct vcpu *v);

/* Drop every stale translation of `d` on all CPUs that may hold one. */
void flush_tlb_domain(struct domain *d);

/*
 * The TLB clock: it advances with each flush of everything on a CPU. A
 * translation that was removed when the clock showed t is gone from every CPU
 * after flush_tlb_since(t), which flushes those that have not done so since.
 */
#ifdef XENOLITH_HOST
u64 tlb_clock(void);
#else
extern u64 tlb_clock_now; /* x86/tlb.c */
static inline u64 tlb_clock(void) { return READ_ONCE(tlb_clock_now); }
#endif
void flush_tlb_since(u64 t);

/*
 * True when a long hypercall should stop here and be continued, because an
 * interrupt, an event or the scheduler is waiting.
 */
bool preempt_check(void);

/* --- People ---------------------------------------------------------------- */

enum log_level { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* About the hypervisor itself; option loglvl= decides what is shown. */
void hv_log(enum log_level lvl, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* About something a guest did: rate limited, option guest_loglvl=. */
void guest_log(const struct domain *d, enum log_level lvl, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A guest broke the rules: it ends. Keeps the first reason; returns. */
void domain_crash(struct domain *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A bug of ours: registers, back trace, current vcpu; then the machine stops. */
void __noreturn hv_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Something outside is wrong (options, loader, machine): one sentence, then the machine stops. */
void __noreturn hv_stop(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define BUG_ON(cond)                                                              \
	do {                                                                      \
		if (unlikely(cond))                                               \
			hv_panic("%s:%d: %s", __FILE__, __LINE__, #cond);         \
	} while (0)

#ifdef NDEBUG
#define ASSERT(cond) ((void)sizeof(!(cond)))
#else
#define ASSERT(cond) BUG_ON(!(cond))
#endif

#endif
