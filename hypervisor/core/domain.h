/* SPDX-License-Identifier: MIT */
/*
 * Domains and vcpus.
 *
 * Letters on the fields name what guards them:
 *   [I] immutable once the domain is visible   [D] d->lock
 *   [E] d->events.lock  [P] d->pirqs.lock      [S] the run queue's lock
 *   [A] changed atomically                     [V] only by the vcpu itself, or while it can't run
 *   [L] the one domctl at work on the domain (core/domctl.c)
 */
#ifndef CORE_DOMAIN_H
#define CORE_DOMAIN_H

#include "core/event_channel.h"
#include "core/grant_table.h"
#include "core/sched_credit.h"
#include "core/timer.h"
#include "lib/bitmap.h"
#include "lib/rangeset.h"
#include "lib/spinlock.h"
#include "lib/nospec.h"
#include "lib/types.h"
#include "pv/pv.h"
#include "xen/domctl.h"
#include "xen/sched.h"
#include "xen/vcpu.h"
#include "xen/xen.h"

#define MAX_DOMID 0x7ff0 /* xen/xen.h: ids below DOMID_FIRST_RESERVED are domains */
#define MAX_VCPUS 8192   /* what HVM and PV kernels probe for (VCPUOP_is_up) */

struct e820_entry;
struct guest_line;

enum vcpu_state {
	VCPU_RUNNING = 0, /* xen/vcpu.h: RUNSTATE_running, and so on */
	VCPU_RUNNABLE = 1,
	VCPU_BLOCKED = 2,
	VCPU_OFFLINE = 3,
};

struct vcpu {
	/* Read on every entry and exit, hence first. */
	struct vcpu_info *vcpu_info; /* [V] in guest-owned memory; never trusted */
	struct domain *domain;       /* [I] */
	u32 vcpu_id;                 /* [I] */
	u32 processor;               /* [S] CPU it runs on, waits for or last ran on */

	struct pv_vcpu pv;           /* [V] */

	/* Scheduling */
	struct vcpu *rq_next;        /* [S] next in the queue of `processor` */
	enum vcpu_state state;       /* [S] */
	u64 vtime;                   /* [S] ns it ran, weighted: core/sched.c */
	u64 charged_at;              /* [S] ns up to which vtime counts, while it runs */
	u32 sent_to;                 /* [V] the port that it sent an event to last */
	u8 stint;                    /* [S] how often it got a CPU, modulo 256 */
	bool has_rivals;             /* [A] while it runs: others may be waiting for its CPU */
	bool parked;                 /* [S] runnable, and in no queue until its domain's budget is filled again */
	u64 *hard, *soft;            /* [S] affinity, a bit for each CPU; NULL: all. Once set never freed before v */
	bool loaded;                 /* [A] `processor` holds its registers; changed by that CPU alone */
	bool initialised;            /* [D] has a context: may be brought up */
	bool down;                   /* [A] VCPUOP_down, or never brought up */
	bool is_idle;                /* [I] */
	u32 pause_count;             /* [A] */
	bool blocked;                /* [A] in SCHEDOP_block or poll */
	u32 poll_port;               /* [A] 0 none, ~0 several */
	bool polling;                /* [A] */
	bool in_poll;                /* [V] it gave up its CPU to poll */
	bool initialising;           /* [A] VCPUOP_initialise is at work on it */

	/* Time */
	struct timer singleshot;     /* [V] VCPUOP_set_singleshot_timer -> VIRQ_TIMER */
	struct timer periodic;       /* [V] VCPUOP_set_periodic_timer */
	u64 periodic_ns;
	struct timer poll_timer;     /* [V] SCHEDOP_poll timeout */
	u32 time_version;            /* [V] of the vcpu_time_info last published */
	struct vcpu_runstate_info runstate; /* [S] */
	u64 runstate_gva;            /* [V] registered area, 0 for none */
	u64 time_gva;                /* [V] registered second copy of its time, 0 for none */

	struct vcpu_events events;   /* [E] */
	u32 virq_port[NR_VIRQS];     /* [E] per-vcpu VIRQs; 0 for none */

	void *fpu;                   /* [V] XSAVE area */
	u64 xcr0;                    /* [V] */
	bool vcpu_info_placed;       /* [V] VCPUOP_register_vcpu_info was used */
	mfn_t vcpu_info_mfn;         /* [V] holds a writable reference when placed */
	void *info_page;             /* [I] where a vcpu without a place in shared_info has it at first, or NULL */

	struct credit_habit habit[HABITS]; /* [V] by sent_to: core/sched_credit.c */
};

struct pirq {
	u32 port;     /* [P] event channel bound to it, 0 for none */
	s16 irq;      /* [P] machine interrupt (x86/irq.h), -1 for none */
	bool mapped;  /* [P] */
};

#define DOMAIN_WATCHDOGS 2

struct domain_watchdog {
	struct timer timer;
	bool taken;   /* [D] */
};

/* What settscinfo's tsc_mode says of a guest's rdtsc. */
enum { TSC_DEFAULT, TSC_ALWAYS_EMULATE, TSC_NEVER_EMULATE };

struct domain {
	domid_t domain_id;           /* [I] */
	bool is_privileged;          /* [I] dom0 */
	bool is_dying;               /* [A] destroydomain began; never taken back */
	bool is_shut_down;           /* [D] */
	bool crash_noted;            /* [A] the first reason is kept */
	u8 shutdown_code;            /* [D] SHUTDOWN_* */
	u32 max_vcpus;               /* [I] */
	struct vcpu **vcpus;         /* [I] max_vcpus pointers */

	spinlock_t lock;
	u32 refcount;                /* [A] */
	struct domain *next_dead;    /* core/domain.c */
	u32 pause_count;             /* [A] no vcpu runs while it is not 0 */
	u32 tool_pauses;             /* [L] how many of them XEN_DOMCTL_pausedomain made */
	bool domctl_busy;            /* [A] a domctl is at work on it: [L] */
	bool debugged;               /* [L] */
	bool is_xenstore;            /* [I] */
	u8 kill_step;                /* [L] how far its end has come: core/domain_kill.c */
	bool frames_awaited;         /* [A] all of it is given up, but for frames that others still use */
	u64 kill_at;                 /* [L] next vcpu or frame to look at */

	/* Memory */
	u64 tot_pages;               /* [A] frames owned */
	u64 max_pages;               /* [A] */
	u64 claimed_pages;           /* page_alloc.c: free ones that nobody else gets */
	u64 min_mfn, max_mfn;        /* [A] every owned frame lies within (for relinquishing) */
	struct e820_entry *e820;     /* [D] map set by XENMEM_set_memory_map, or NULL */
	u32 nr_e820;

	struct shared_info *shared_info; /* [I] */
	mfn_t shared_info_mfn;           /* [I] */
	struct pv_domain pv;
	struct domain_events events;
	struct grant_table *grant;       /* [I] */
	u32 virq_port[NR_VIRQS];         /* [E] global VIRQs */

	/* Rights */
	struct rangeset *ioports;        /* [D], and it is paused: ports it may touch */
	struct rangeset *iomem;          /* [D], and it is paused: frames outside RAM it may map */
	struct { spinlock_t lock; struct pirq *pirq; u32 nr; } pirqs;
	u32 pci_cf8;                     /* [A] its virtual 0xcf8 */

	u32 cpupool;                     /* [A] pool whose CPUs it may use */
	u32 weight;                      /* [A] share of CPU time against other domains; 256 is the usual */
	struct cpu_policy *policy;       /* [L] and only while it is paused; what CPUID shows it, NULL: pv_policy */
	u32 tsc_mode, tsc_incarnation;   /* [L] as settscinfo said; its vcpus, which are paused for that, read the mode */
	s64 time_offset;                 /* [L] seconds between its wall clock and the machine's */
	struct sched_cap *cap;           /* [I] once set: core/sched.c */
	u64 dirty_cpus[16];              /* [A] CPUs whose TLB may hold its translations: 1,024 */
	u8 handle[16];                   /* [D] uuid */
	struct guest_line *console_line; /* [D] what it wrote by console_io: core/console.c */
	struct domain_watchdog watchdogs[DOMAIN_WATCHDOGS];
	u64 vm_assist;                   /* [A] VMASST_TYPE_* bits */
	char crash_reason[160];          /* [D] first reason given to domain_crash() */
};

#define KILL_DONE 0xff /* kill_step: all is given up */

extern struct domain *dom0;
extern struct domain *dom_io;  /* owner of what is not RAM */
extern struct domain *dom_xen; /* owner of hypervisor frames that guests may see */

/* One past the highest id that a domain ever had: for loops over all of them. */
extern u32 domain_ids_end;

/* Domain by id with a reference, or NULL. Give it back with put_domain(). */
struct domain *get_domain(domid_t id);
void put_domain(struct domain *d);
/* One reference more on a domain on which the caller has one, or which it runs for. */
static inline void hold_domain(struct domain *d)
{
	__atomic_fetch_add(&d->refcount, 1, __ATOMIC_RELAXED);
}
/* The domain with the lowest id that is not below `from`, with a reference, or NULL. */
struct domain *next_domain(u32 from);

/*
 * Creates domain `id`, which must be free (one caller at a time), with the limits
 * of `c`, which the caller has checked. It starts with no memory, no vcpu able to
 * run and one reference, which domain_kill() gives up at its end. NULL when memory is out.
 */
struct domain *domain_create(domid_t id, const struct xen_domctl_createdomain *c, bool privileged);
/* vcpu `id` of `d`, offline. NULL when memory is out. */
struct vcpu *vcpu_create(struct domain *d, u32 id);
/* An id that no domain has, from the one after the last that was given; 0 when all are taken. */
domid_t domain_free_id(void);
/* Frees the domains whose last reference has gone. WORK_REAP. No locks held. */
void domains_reap(void);

/* No vcpu of `d` is let run; those that run stop soon. Counted. */
void domain_pause(struct domain *d);
void domain_unpause(struct domain *d);
/* After domain_pause(): all have stopped, and their registers are in struct vcpu. */
bool domain_is_quiet(const struct domain *d);

/*
 * One stretch of the end of `d`, which is paused and quiet (core/domain_kill.c): takes back all it has and holds.
 * 0: done, and the table's reference is given up; -ERESTART: call again.
 */
int __must_check domain_kill(struct domain *d);
/* For domain_kill(): timers and pirqs end, and nothing is written to its shared_info or a vcpu_info any more. */
void domain_release_machine(struct domain *d);
/* For domain_kill(): shared_info and its like are freed once nobody has them mapped. */
void domain_unshare_info(struct domain *d);
/* The last frame of `d` was freed. */
void domain_frames_gone(struct domain *d);
/* Every vcpu stops; tells the toolstack (or, for dom0, does it to the machine). */
void domain_shutdown(struct domain *d, u8 reason);
/* v takes an NMI as soon as it can. */
void vcpu_send_nmi(struct vcpu *v);

/* What a 64-bit PV guest may ask of vm_assist; the 4gb-segment ones mean nothing here but are asked for. */
#define VM_ASSIST_KNOWN                                                                                       \
	(1ULL << VMASST_TYPE_4gb_segments | 1ULL << VMASST_TYPE_4gb_segments_notify |                          \
	 1ULL << VMASST_TYPE_writable_pagetables | 1ULL << VMASST_TYPE_pae_extended_cr3 |                      \
	 1ULL << VMASST_TYPE_runstate_update_flag)

static inline struct vcpu *domain_vcpu(const struct domain *d, u32 id)
{
	return id < d->max_vcpus ? d->vcpus[index_nospec(id, d->max_vcpus)] : NULL;
}

#endif
