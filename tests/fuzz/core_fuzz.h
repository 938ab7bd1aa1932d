/* SPDX-License-Identifier: MIT */
/*
 * What the parts of fuzz_core share: core_machine.c is the machine with its
 * guests, core_check.c the invariants, core_calls.c turns input bytes into
 * hypercalls, fuzz_core.c runs a sequence of them.
 */
#ifndef CORE_FUZZ_H
#define CORE_FUZZ_H

#include "core/hypercall.h"
#include "fake_machine.h"
#include "pv/page_type.h"
#include "x86/layout.h"

#define NDOM 4u
#define NVCPU 2u
#define NCPU (NDOM * NVCPU) /* each vcpu has a CPU of its own */
#define NFRAMES 192u        /* of the machine */
#define HOLE_FIRST 176u     /* from here on: not RAM, owned by dom_io */
#define BEYOND 100000u      /* a frame without an entry in the frame table */
#define START_PAGES 20u     /* of each domain */
#define MAX_PAGES 36u
#define NR_PIRQS 8u

/* Where a vcpu puts its hypercalls' arguments: always mapped, in no page table. */
#define SCRATCH_BASE 0x7f0000000000ULL
#define SCRATCH_STRIDE 0x100000ULL
#define SCRATCH_BYTES 0x4000u

/* --- The input (fuzz_core.c) ------------------------------------------------- */

u8 in8(void);
u16 in16(void);
u32 in32(void);
bool in_left(void);

/* --- The machine (core_machine.c) -------------------------------------------- */

/* What callers of page_type.c hold on a frame, counted where they call it. */
struct hold {
	u32 plain, writable, desc, table[5];
};
extern struct hold hold[NFRAMES];
extern bool shared[NFRAMES]; /* the hypervisor's, for a domain to see */
extern u8 tlbs[NFRAMES];     /* domains in whose tables it was seen since TLBs were flushed: one bit each */

extern struct domain *dom[NDOM];
extern u32 pirq_port[NR_PIRQS]; /* dom0's */
extern u32 calls_running;       /* hypercalls that are being carried out, one in another */

/* Faults that the input asks for. */
struct trouble {
	u32 preempt_every; /* preempt_check() says yes at each n-th call; 0 never */
	s32 copy_faults;   /* at this copy from now; -1 never */
	s32 interject;     /* at this call of a hook from now another vcpu runs */
};
extern struct trouble trouble;
extern void (*other_vcpu_runs)(void);

void machine_start(void);
/* Ends all domains. Whatever is still held then was lost. */
void machine_end(void);
/* `killer` ends domain `d`; neither is in the middle of a hypercall. */
void machine_kill(struct domain *d, struct vcpu *killer);
/* Where a dead domain's last reference has gone, a new one starts. No hypercall is running. */
void machine_reap(void);
u8 *scratch_of(u32 cpu);
static inline u32 cpu_of(const struct vcpu *v) { return v->domain->domain_id * NVCPU + v->vcpu_id; }

/* --- The invariants (core_check.c) -------------------------------------------- */

/* Ends the program with a sentence where one does not hold. No hypercall may be running. */
void check_everything(void);
void __noreturn broken(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --- Hypercalls (core_calls.c) -------------------------------------------------- */

struct call {
	unsigned nr;
	u64 a[5];
};

/* The next call in the input, for vcpu `v`; its arguments are in v's scratch memory from *used on. */
void call_build(struct vcpu *v, struct call *c, u32 *used);
/* What a guest does without a hypercall: stores to its memory. */
void guest_store(struct vcpu *v);
/* Interrupts, timers and the passing of time. */
void machine_event(void);

#endif
