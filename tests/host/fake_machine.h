/* SPDX-License-Identifier: MIT */
/*
 * The machine that pure modules run on in host tests: core/seam.h and the few
 * functions that other modules supply, made of plain memory, counters and
 * records that a test can look at and change.
 *
 * fake_reset() before every test gives a new machine. What the counters in
 * `fake` hold is only what happened since. Functions in fake_machine.c marked
 * FAKE_HOOK are weak: a test that needs another behaviour defines its own.
 */
#ifndef FAKE_MACHINE_H
#define FAKE_MACHINE_H

#include <setjmp.h>
#include "core/domain.h"
#include "core/page_alloc.h"
#include "core/seam.h"
#include "lib/types.h"
#include "x86/cpu.h"

#define FAKE_HOOK __attribute__((weak))
#define FAKE_CPUS 8
#define FAKE_FRAMES 2048u           /* of the machine, unless fake_reset_frames() says otherwise */
#define FAKE_GUEST_BASE 0x100000ULL /* first byte of the one guest address space */
#define FAKE_GUEST_PAGES 64u

struct fake_machine {
	u64 now;                   /* what now_ns() says */
	u32 kicks;                 /* vcpu_kick() calls */
	struct vcpu *last_kicked;
	u32 sent_with_rivals; /* the port of the last such event */
	void (*on_kick)(struct vcpu *v);
	u32 flushes;               /* flush_tlb_domain() calls */
	u32 grace_periods;         /* wait_for_readers() calls */
	s64 preempt_after;         /* preempt_check() is true at this call from now, 0 the next; -1 never */
	s64 alloc_fail_after;      /* hv_alloc() fails at this call from now; -1 never */
	u64 allocs_live;           /* hv_alloc() minus hv_free() */
	s64 guest_frames_held;     /* get_guest_frame() minus put_guest_frame() */
	s64 frames_mapped;         /* map_frame() minus unmap_frame() */
	u64 reprograms[FAKE_CPUS]; /* timer_reprogram() calls */
	struct timer_heap timers[FAKE_CPUS];
	int pirq_rc;               /* what pirq_bind() returns */
	u32 pirq_bound, pirq_unbound;
	int grant_map_status, grant_unmap_status; /* what grant_host_map() and _unmap() return */
	s64 grant_ptes;            /* entries that grant_host_map() installed, less those removed */
	char log[512];             /* last line logged, by whomever */
	u32 logs;
	jmp_buf panic_exit;        /* see FAKE_EXPECT_PANIC */
	bool panic_expected;
	char panic[256];
};

extern struct fake_machine fake;

/* FAKE_FRAMES frames, all but frame 0 in the heap. */
void fake_reset(void);
/* `frames` frames, none in the heap: page_alloc_add() what you want. They cost nothing until touched. */
void fake_reset_frames(u64 frames);

/* Memory of frame `mfn`; for looking at, whoever owns it. */
void *fake_frame(mfn_t mfn);

/*
 * A domain with `vcpus` vcpus, shared_info, events set up, no memory and no
 * grant table. Freed by the next fake_reset(), whose leak check does not count it.
 */
struct domain *fake_domain(domid_t id, u32 vcpus, bool privileged);
/* Makes the id free again: get_domain() does not find it any more. */
void fake_domain_forget(struct domain *d);
/* A zeroed frame that `d` owns. */
mfn_t fake_give_frame(struct domain *d);

/* Host address of a guest address that a test wants to fill or read, whatever its rights. */
void *fake_guest(u64 gva);
void fake_guest_unmap(u64 gva);    /* its page: any copy faults */
void fake_guest_readonly(u64 gva); /* its page: copies to the guest fault */

/*
 * CPUs, for the hypercall handlers (fake_core.c). fake_run_on() goes to a CPU,
 * where `v` is the vcpu that runs; fake_hypercall() then calls by number, as a
 * guest does. What hypercall_continue() stored is in guest_regs().
 */
struct fake_cpus {
	u32 now; /* the CPU that the host program plays */
	struct cpu_info info[FAKE_CPUS];
	u32 local_flushes, domain_flushes, mask_flushes, cache_flushes, table_loads, wakes, stops;
};
extern struct fake_cpus fake_cpus;
extern long (*const hypercall_table[])(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
void fake_run_on(u32 cpu, struct vcpu *v);
long fake_hypercall(unsigned nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);

/* Runs `statement` and fails the test unless it ends in hv_panic(). */
#define FAKE_EXPECT_PANIC(statement)                                   \
	do {                                                           \
		fake.panic_expected = true;                            \
		if (!setjmp(fake.panic_exit)) {                        \
			statement;                                     \
			fail_msg("no panic: %s", #statement);          \
		}                                                      \
		fake.panic_expected = false;                           \
	} while (0)

/* Locks the calling thread holds, as the rank check sees them. */
u32 fake_locks_held(void);

#endif
