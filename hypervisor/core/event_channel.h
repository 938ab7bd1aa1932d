/* SPDX-License-Identifier: MIT */
/*
 * Event channels: ports of a domain, each tied to a port of another domain, a
 * virtual interrupt, a machine interrupt or one of its own vcpus.
 *
 * event_channel.c holds the rules of hypercall 32; event_2l.c and event_fifo.c
 * hold the two forms in which pending events show in the guest's memory. The
 * essay on locking and on reading without locks is in event_channel.c.
 */
#ifndef CORE_EVENT_CHANNEL_H
#define CORE_EVENT_CHANNEL_H

#include "lib/spinlock.h"
#include "lib/types.h"
#include "xen/event_channel.h"

struct domain;
struct vcpu;
struct evtchn_abi;
struct evtchn_group;
struct evtchn_fifo;
struct vcpu_fifo;

#define EVTCHN_MAX_PORTS EVTCHN_FIFO_NR_CHANNELS
#define EVTCHN_BUCKET_PORTS 256 /* one page of struct evtchn */
#define EVTCHN_BUCKETS (EVTCHN_MAX_PORTS / EVTCHN_BUCKET_PORTS)
#define EVTCHN_GROUP_BUCKETS 32
#define EVTCHN_GROUPS (EVTCHN_BUCKETS / EVTCHN_GROUP_BUCKETS)

/*
 * One port. All that a sender must know is in `link`, so that it takes one
 * load to see a port's state and peer as they were at one moment:
 *
 *   bits 0..16   port of the peer (interdomain)
 *   bits 17..19  EVTCHNSTAT_*
 *   bits 20..63  interdomain: bits 4..47 of the peer's struct domain, which is
 *                16-byte aligned and has a sign-extended 48-bit address;
 *                unbound: domid it is reserved for; else number of pirq or virq
 */
struct evtchn {
	u64 link;        /* [E] to write; read without a lock */
	u16 notify_vcpu; /* [E] to write; read without a lock */
	u8 priority;     /* [E] likewise; FIFO queue it goes to */
	u8 saved;        /* [A] FIFO: raised while it had no event word */
	u32 last_queue;  /* both queues' locks: vcpu << 4 | priority it was last linked on */
};
_Static_assert(sizeof(struct evtchn) == 16, "256 of them are a page");

struct domain_events {
	spinlock_t lock;             /* RANK_EVENT: [E] */
	u32 max_port;                /* [E] highest port the domain may use, besides what its ABI allows */
	const struct evtchn_abi *abi; /* [E] to write; read without a lock */
	/* Read without a lock: ports below nr_ports have an entry, bucket[port / 256][port % 256]. Only ever more. */
	u32 nr_ports;                /* [E] to write */
	struct evtchn **bucket;      /* [E] to write its entries */
	struct evtchn_group *group[EVTCHN_GROUPS]; /* [E] which ports are free */
	struct evtchn_fifo *fifo;    /* [E] likewise */
	u64 *poll_map;               /* [A] vcpus in SCHEDOP_poll */
	u32 pollers;                 /* [A] their number */
	bool dying;                  /* [E] no port can be had any more */
};

struct vcpu_events {
	struct vcpu_fifo *fifo; /* [E] to write; only ever filled in */
	bool missed;            /* [A] an event found no control block: look for it when there is one */
};

/*
 * Sets up d->events for 2-level use, with ports up to max_port. d->max_vcpus must be known. 0 or -ENOMEM.
 */
int __must_check events_init(struct domain *d, u32 max_port);
/*
 * Closes every port for good and lets go of the guest's frames. 0, or -ERESTART
 * when preempt_check() asked to stop: call again. No locks may be held.
 */
int __must_check events_destroy(struct domain *d);
/*
 * Frees the memory. Only when no CPU can be inside a lock-free read of `d` any
 * more: after events_destroy() and wait_for_readers().
 */
void events_free(struct domain *d);
/* Before `v` is visible in d->vcpus. */
void events_vcpu_init(struct vcpu *v);

/*
 * Hypercall 32 of vcpu `v`. 0 or -errno; -ERESTART: make the same call again.
 * -ENOSYS for a command that does not exist.
 */
long do_event_channel_op(struct vcpu *v, u32 cmd, u64 arg_gva);

/* EVTCHNOP_send on a port of `d`. 0; -EINVAL where the port can't be sent on. */
int evtchn_send(struct domain *d, u32 port);
/* A VIRQ of one vcpu (timer, debug, ...). Nothing happens where it isn't bound. */
void send_guest_virq(struct vcpu *v, u32 virq);
/* A VIRQ of the whole domain. */
void send_global_virq(struct domain *d, u32 virq);
/* A machine interrupt bound to `port` came. The CPU of the vcpu that was told; NO_CPU and nothing done if it isn't a pirq's port. */
#define NO_CPU (~0u)
u32 evtchn_raise_port(struct domain *d, u32 port);

/* --- SCHEDOP_poll ----------------------------------------------------------- */

/*
 * The order that loses no event: events_poll_begin(); look at every port with
 * evtchn_port_pending(); block if none is pending; events_poll_end().
 * `port` is the only port polled, or ~0 for several. A raise ends the poll
 * itself (v->polling turns false) and kicks the vcpu; events_poll_end() after
 * that, or twice, does nothing.
 */
void events_poll_begin(struct vcpu *v, u32 port);
void events_poll_end(struct vcpu *v);
/* Masked or not. False for a port that does not exist. */
bool evtchn_port_pending(struct domain *d, u32 port);

/* --- To be supplied by physdev.c --------------------------------------------- */

/*
 * Ties machine interrupt `pirq` of v's domain to `port` and lets it come. Called
 * with d->events.lock held (RANK_PIRQ and above may be taken). 0; -EINVAL no
 * such pirq; -EPERM not the domain's; -EEXIST already bound; -EBUSY not shareable.
 */
int __must_check pirq_bind(struct vcpu *v, u32 pirq, u32 port, bool share);
void pirq_unbind(struct domain *d, u32 pirq);

/*
 * Returns when every other CPU has left the hypervisor path it was in at the
 * time of the call (or was in none): gone back to a guest, or to its idle loop. A
 * CPU that waits for a lock in spin_wait() has not left: it may hold a pointer it
 * found without a lock. Called without locks. What was unhooked before may be
 * freed or handed back after. With one CPU: nothing to do.
 */
void wait_for_readers(void);

/* --- For the two forms only -------------------------------------------------- */

struct evtchn_abi {
	u32 max_ports;
	/* Makes the port pending and tells its vcpu, if it isn't masked. Takes no [E]. 0, for senders to end with. */
	int (*raise)(struct domain *d, struct evtchn *chn, u32 port);
	void (*unmask)(struct domain *d, struct evtchn *chn, u32 port);
	/* The port is free again: its next owner must not see an old event. */
	void (*clear)(struct domain *d, struct evtchn *chn, u32 port);
	bool (*pending)(struct domain *d, const struct evtchn *chn, u32 port);
	/* [E]. 0, -EINVAL priority out of range, -ENOSYS this form has none. */
	int (*set_priority)(struct evtchn *chn, u32 priority);
};

extern const struct evtchn_abi evtchn_abi_2l, evtchn_abi_fifo;

/* The port's entry, whatever its state; NULL beyond those that were ever used. */
struct evtchn *evtchn_of(const struct domain *d, u32 port);
/* First port >= from that isn't free, or EVTCHN_MAX_PORTS. [E] */
u32 evtchn_next_used(const struct domain *d, u32 from);
/* An event shows in v's memory: set upcall_pending, and kick it if that is new. */
void vcpu_mark_events(struct vcpu *v);
/* Prints the ports of `d` that are in use, at most `max`. For the debug keys. */
void events_show(struct domain *d, u32 max);
/* Wakes the vcpus that poll `port`; called after the pending bit is set. */
void evtchn_wake_pollers(struct domain *d, u32 port);

/* The FIFO calls of hypercall 32; errors as event_fifo.c describes. [E] not held. */
int evtchn_fifo_init_control(struct domain *d, struct evtchn_init_control *arg);
int evtchn_fifo_expand_array(struct domain *d, u64 gfn);
/* Back to 2-level after all ports were closed; true if it was FIFO. [E] not held. */
bool evtchn_fifo_teardown(struct domain *d);
void evtchn_fifo_free(struct domain *d);

#endif
