// SPDX-License-Identifier: MIT
/*
 * Event channels: the rules of hypercall 32.
 *
 * A port is one bit that someone else can set and that interrupts a vcpu. The
 * difficulty is not the bit but who may set it: both ends of a channel belong to
 * domains that don't trust each other, close at any moment, and die; and sending
 * is the most frequent thing that domains do to each other, so that it should
 * take no lock.
 *
 *              alloc_unbound                    bind_interdomain by the domain
 *      closed ---------------> unbound(domid) ---------------------> interdomain
 *        |  <---------------                <---------------------      (peer)
 *        |        close              the peer closes
 *        |
 *        +-- bind_virq --> virq    --+
 *        +-- bind_pirq --> pirq    --+-- close --> closed
 *        +-- bind_ipi  --> ipi     --+
 *
 *  1. If port a of A is interdomain with b of B, then b of B is interdomain with
 *     a of A. Both change under both domains' event locks.
 *  2. An interdomain port goes back to unbound when its peer closes, reserved for
 *     the domain that closed: a backend that starts again can bind again.
 *  3. A VIRQ number has at most one port (per vcpu, or per domain if global) and
 *     that port's link names the number; likewise a pirq.
 *  4. Port 0 is never anything but closed.
 *  5. The lowest free port is taken first, because a guest pays memory for the
 *     highest one it uses.
 *  6. A failed call has changed nothing; so has one that opened a port but could
 *     not write its number to the guest.
 *
 * Locks: a domain's [E] lock (RANK_EVENT) guards all of its ports; two domains'
 * are taken with spin_lock_two(). Raising an event takes none of them. It reads
 * the port's `link` once, which holds state and peer together, and so sees the
 * port as it was at some moment during the call. At worst the peer closed since
 * then, and its port gets one event too many, which a guest must expect
 * from any port. Entries, groups and buckets are only ever added while the
 * domain exists; they, struct domain and struct vcpu are freed after
 * wait_for_readers(), so a pointer found in a link stays good until the
 * hypercall ends.
 *
 * The form can change under a raiser. To FIFO: event_2l.c says how nothing is lost. Back to
 * 2-level: only by a reset, when every port is closed.
 */
#include "core/event_channel.h"
#include "core/access.h"
#include "core/domain.h"
#include "core/seam.h"
#include "lib/nospec.h"
#include "x86/guest_copy.h"

struct evtchn_group {
	u64 full; /* [E] buckets without a free port */
	u64 used[EVTCHN_GROUP_BUCKETS][EVTCHN_BUCKET_PORTS / 64]; /* [E] ports that aren't closed */
};

#define GROUP_PORTS (EVTCHN_BUCKET_PORTS * EVTCHN_GROUP_BUCKETS)

/* --- The link word ------------------------------------------------------------ */

#define LINK_PORT_MASK ((1ULL << EVTCHN_FIFO_LINK_BITS) - 1)
#define LINK_STATE_SHIFT EVTCHN_FIFO_LINK_BITS
#define LINK_VALUE_SHIFT 20

static inline u64 link_make(unsigned int state, u64 value)
{
	return (u64)state << LINK_STATE_SHIFT | value << LINK_VALUE_SHIFT;
}

static inline u64 link_make_peer(const struct domain *peer, u32 port)
{
	return (u64)(uintptr_t)peer << 16 | (u64)EVTCHNSTAT_interdomain << LINK_STATE_SHIFT | port;
}

static inline unsigned int link_state(u64 link) { return link >> LINK_STATE_SHIFT & 7; }
static inline u64 link_value(u64 link) { return link >> LINK_VALUE_SHIFT; }
static inline u32 link_port(u64 link) { return link & LINK_PORT_MASK; }

static inline struct domain *link_peer(u64 link)
{
	return (struct domain *)(uintptr_t)((s64)link >> 16 & ~15LL);
}

/* One load or store of the whole word; release and acquire, for what the port's state makes visible. */
static inline u64 link_load(const struct evtchn *chn)
{
	return __atomic_load_n(&chn->link, __ATOMIC_ACQUIRE);
}

static inline void link_store(struct evtchn *chn, u64 link)
{
	__atomic_store_n(&chn->link, link, __ATOMIC_RELEASE);
}

/* --- Ports ---------------------------------------------------------------------- */

/* The entry of a port that is known to have one. */
static inline struct evtchn *port_entry_known(const struct domain *d, u32 port)
{
	return &d->events.bucket[port / EVTCHN_BUCKET_PORTS][port % EVTCHN_BUCKET_PORTS];
}

static inline struct evtchn *port_entry(const struct domain *d, u32 port)
{
	if (unlikely(port >= __atomic_load_n(&d->events.nr_ports, __ATOMIC_ACQUIRE)))
		return NULL;
	return port_entry_known(d, index_nospec(port, __atomic_load_n(&d->events.nr_ports, __ATOMIC_RELAXED)));
}

struct evtchn *evtchn_of(const struct domain *d, u32 port)
{
	return port_entry(d, port);
}

u32 evtchn_next_used(const struct domain *d, u32 from)
{
	while (from < EVTCHN_MAX_PORTS) {
		const struct evtchn_group *g = d->events.group[from / GROUP_PORTS];
		u32 base = from & ~(GROUP_PORTS - 1u);

		if (g) {
			u32 found = bitmap_next_set(&g->used[0][0], GROUP_PORTS, from - base);

			if (found < GROUP_PORTS)
				return base + found;
		}
		from = base + GROUP_PORTS;
	}
	return EVTCHN_MAX_PORTS;
}

/*
 * Makes sure group and bucket of `port` exist. As ports are taken from the lowest,
 * it is at most the first port beyond those that have an entry. 0 or -ENOMEM.
 */
static int port_provide(struct domain *d, u32 port)
{
	struct evtchn_group **g = &d->events.group[port / GROUP_PORTS];
	struct evtchn *bucket;

	if (!*g) {
		*g = hv_alloc(sizeof(**g));
		if (!*g)
			return -ENOMEM;
		(*g)->full = ~0ULL << EVTCHN_GROUP_BUCKETS; /* those that it does not have */
	}
	if (port < d->events.nr_ports)
		return 0;
	bucket = hv_alloc(EVTCHN_BUCKET_PORTS * sizeof(*bucket));
	if (!bucket)
		return -ENOMEM;
	for (u32 i = 0; i < EVTCHN_BUCKET_PORTS; i++) {
		bucket[i].priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
		bucket[i].last_queue = EVTCHN_FIFO_PRIORITY_DEFAULT; /* of vcpu 0: likely, no more */
	}
	d->events.bucket[port / EVTCHN_BUCKET_PORTS] = bucket;
	__atomic_store_n(&d->events.nr_ports, d->events.nr_ports + EVTCHN_BUCKET_PORTS, __ATOMIC_RELEASE);
	return 0;
}

/* The lowest free port (3 searches in bitmaps), marked used; or -EINVAL, -ENOSPC, -ENOMEM. [E] */
static int port_take(struct domain *d)
{
	u32 limit = min(d->events.max_port, d->events.abi->max_ports - 1);
	struct evtchn_group *g;
	u32 group = 0, bucket, bit, port;
	int rc;

	if (d->events.dying)
		return -EINVAL;
	while (group < EVTCHN_GROUPS && d->events.group[group] && !~d->events.group[group]->full)
		group++;
	if (group == EVTCHN_GROUPS)
		return -ENOSPC;
	g = d->events.group[group];
	bucket = g ? bitmap_first_zero(&g->full, EVTCHN_GROUP_BUCKETS) : 0;
	bit = g ? bitmap_first_zero(g->used[bucket], EVTCHN_BUCKET_PORTS) : 0;
	if (!group && !bucket && !bit)
		bit = 1; /* port 0: its bit in `used` is set with the first port */
	port = group * GROUP_PORTS + bucket * EVTCHN_BUCKET_PORTS + bit;
	if (port > limit)
		return -ENOSPC;

	rc = port_provide(d, port);
	if (rc)
		return rc;
	g = d->events.group[group];
	bit_set(g->used[bucket], bit);
	if (port == 1)
		bit_set(g->used[0], 0);
	if (bitmap_first_zero(g->used[bucket], EVTCHN_BUCKET_PORTS) == EVTCHN_BUCKET_PORTS)
		bit_set(&g->full, bucket);
	return port;
}

/* Closes the entry itself; whoever was tied to it has been untied. [E] */
static void port_give_back(struct domain *d, struct evtchn *chn, u32 port)
{
	struct evtchn_group *g = d->events.group[port / GROUP_PORTS];
	u32 bucket = port / EVTCHN_BUCKET_PORTS % EVTCHN_GROUP_BUCKETS;

	link_store(chn, 0);
	d->events.abi->clear(d, chn, port);
	WRITE_ONCE(chn->notify_vcpu, 0);
	WRITE_ONCE(chn->priority, EVTCHN_FIFO_PRIORITY_DEFAULT);
	bit_clear(g->used[bucket], port % EVTCHN_BUCKET_PORTS);
	bit_clear(&g->full, bucket);
}

static inline int raise_entry(struct domain *d, struct evtchn *chn, u32 port)
{
	return __atomic_load_n(&d->events.abi, __ATOMIC_ACQUIRE)->raise(d, chn, port);
}

/* --- What the two forms call ----------------------------------------------------- */

void vcpu_mark_events(struct vcpu *v)
{
	struct vcpu_info *info = READ_ONCE(v->vcpu_info);

	/* Without a vcpu_info (above the 32 legacy ones): registering one marks everything. */
	if (likely(info) && !__atomic_exchange_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST))
		vcpu_kick(v);
}

static void __attribute__((noinline)) wake_pollers_slow(struct domain *d, u32 port)
{
	for (u32 w = 0; w < BITMAP_WORDS(d->max_vcpus); w++) {
		u64 bits = READ_ONCE(d->events.poll_map[w]);

		for (; bits; bits &= bits - 1) {
			struct vcpu *v = d->vcpus[w * 64 + __builtin_ctzll(bits)];
			u32 polled = READ_ONCE(v->poll_port);

			if (polled == port || polled == ~0u) {
				events_poll_end(v);
				vcpu_kick(v);
			}
		}
	}
}

void evtchn_wake_pollers(struct domain *d, u32 port)
{
	if (unlikely(READ_ONCE(d->events.pollers)))
		wake_pollers_slow(d, port);
}

/*
 * The bit in poll_map is the token: who clears it ends the poll. A raiser may be
 * so slow that it turns `polling` off in the vcpu's next poll, which then ends
 * early, as a poll may; but that poll's token stays until someone takes it.
 */
void events_poll_begin(struct vcpu *v, u32 port)
{
	struct domain_events *e = &v->domain->events;

	WRITE_ONCE(v->poll_port, port);
	WRITE_ONCE(v->polling, true);
	if (!bit_test_and_set(e->poll_map, v->vcpu_id))
		__atomic_fetch_add(&e->pollers, 1, __ATOMIC_SEQ_CST);
}

void events_poll_end(struct vcpu *v)
{
	struct domain_events *e = &v->domain->events;

	if (bit_test_and_clear(e->poll_map, v->vcpu_id)) {
		WRITE_ONCE(v->polling, false);
		__atomic_fetch_sub(&e->pollers, 1, __ATOMIC_SEQ_CST);
	}
}

bool evtchn_port_pending(struct domain *d, u32 port)
{
	struct evtchn *chn = port_entry(d, port);

	return chn && __atomic_load_n(&d->events.abi, __ATOMIC_ACQUIRE)->pending(d, chn, port);
}

/* --- Raising ---------------------------------------------------------------------- */

int evtchn_send(struct domain *d, u32 port)
{
	struct evtchn *chn = port_entry(d, port);
	u64 link;

	if (unlikely(!chn))
		return -EINVAL;
	link = link_load(chn);
	if (likely(link_state(link) == EVTCHNSTAT_interdomain)) {
		d = link_peer(link);
		port = link_port(link);
		return raise_entry(d, port_entry_known(d, port), port);
	}
	if (link_state(link) == EVTCHNSTAT_ipi)
		return raise_entry(d, chn, port);
	/* Unbound: the peer is away, and gets an event when it binds. */
	return link_state(link) == EVTCHNSTAT_unbound ? 0 : -EINVAL;
}

/* Raises `port` if it still is what the caller found it in: the port's entry then, or NULL. */
static struct evtchn *raise_if(struct domain *d, u32 port, unsigned int state, u32 number, bool any_number)
{
	struct evtchn *chn = port_entry(d, port);
	u64 link;

	if (!port || !chn)
		return NULL;
	link = link_load(chn);
	if (link_state(link) != state || (!any_number && link_value(link) != number))
		return NULL;
	(void)raise_entry(d, chn, port);
	return chn;
}

void send_guest_virq(struct vcpu *v, u32 virq)
{
	(void)raise_if(v->domain, READ_ONCE(v->virq_port[virq]), EVTCHNSTAT_virq, virq, false);
}

void send_global_virq(struct domain *d, u32 virq)
{
	(void)raise_if(d, READ_ONCE(d->virq_port[virq]), EVTCHNSTAT_virq, virq, false);
}

u32 evtchn_raise_port(struct domain *d, u32 port)
{
	struct evtchn *chn = raise_if(d, port, EVTCHNSTAT_pirq, 0, true);

	return chn ? READ_ONCE(d->vcpus[READ_ONCE(chn->notify_vcpu)]->processor) : NO_CPU;
}

/* --- Binding ------------------------------------------------------------------------ */

/* VIRQs that each vcpu has for itself (xen/xen.h); the others belong to the domain. */
static bool virq_is_per_vcpu(u32 virq)
{
	return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

/*
 * The domain that caller `v` names, with a reference: itself, or another one that
 * it controls. NULL and *rc = -ESRCH or -EPERM.
 */
static struct domain *domain_for(struct vcpu *v, domid_t id, int *rc)
{
	struct domain *d = get_domain(id == DOMID_SELF ? v->domain->domain_id : id);

	if (!d) {
		*rc = -ESRCH;
	} else if (!access_control(v->domain, d)) {
		put_domain(d);
		*rc = -EPERM;
		d = NULL;
	}
	return d;
}

/* Takes a port of `d` and makes it what `link` says. Port or -errno. [E] */
static int port_bind(struct domain *d, u64 link, u32 notify_vcpu)
{
	int port = port_take(d);
	struct evtchn *chn;

	if (port < 0)
		return port;
	chn = port_entry(d, port);
	WRITE_ONCE(chn->notify_vcpu, notify_vcpu);
	link_store(chn, link);
	return port;
}

static int alloc_unbound(struct vcpu *v, struct evtchn_alloc_unbound *arg)
{
	domid_t remote = arg->remote_dom == DOMID_SELF ? v->domain->domain_id : arg->remote_dom;
	int rc = 0;
	struct domain *d = domain_for(v, arg->dom, &rc);

	if (!d)
		return rc;
	spin_lock(&d->events.lock);
	rc = port_bind(d, link_make(EVTCHNSTAT_unbound, remote), 0);
	spin_unlock(&d->events.lock);
	put_domain(d);
	arg->port = max(rc, 0);
	return min(rc, 0);
}

static int bind_interdomain(struct vcpu *v, struct evtchn_bind_interdomain *arg)
{
	struct domain *ld = v->domain;
	struct domain *rd = get_domain(arg->remote_dom == DOMID_SELF ? ld->domain_id : arg->remote_dom);
	struct evtchn *rchn;
	int rc = -EINVAL;

	if (!rd)
		return -ESRCH;
	spin_lock_two(&ld->events.lock, &rd->events.lock);
	rchn = port_entry(rd, arg->remote_port);
	if (rchn && !rd->events.dying &&
	    rchn->link == link_make(EVTCHNSTAT_unbound, ld->domain_id))
		rc = port_bind(ld, link_make_peer(rd, arg->remote_port), 0);
	if (rc > 0) {
		arg->local_port = rc;
		link_store(rchn, link_make_peer(ld, rc));
		/* The peer may have sent while no one was here: let the binder look. */
		(void)raise_entry(ld, port_entry(ld, rc), rc);
		rc = 0;
	}
	spin_unlock_two(&ld->events.lock, &rd->events.lock);
	put_domain(rd);
	return rc;
}

static int bind_virq(struct vcpu *caller, struct evtchn_bind_virq *arg)
{
	struct domain *d = caller->domain;
	struct vcpu *v;
	u32 *slot;
	int rc;

	if (arg->virq >= NR_VIRQS || (!virq_is_per_vcpu(arg->virq) && arg->vcpu))
		return -EINVAL;
	v = domain_vcpu(d, arg->vcpu);
	if (!v)
		return -ENOENT;

	arg->virq = index_nospec(arg->virq, NR_VIRQS);
	spin_lock(&d->events.lock);
	slot = virq_is_per_vcpu(arg->virq) ? &v->virq_port[arg->virq] : &d->virq_port[arg->virq];
	rc = *slot ? -EEXIST : port_bind(d, link_make(EVTCHNSTAT_virq, arg->virq), arg->vcpu);
	if (rc > 0) {
		WRITE_ONCE(*slot, rc);
		arg->port = rc;
		rc = 0;
	}
	spin_unlock(&d->events.lock);
	return rc;
}

static int bind_ipi(struct vcpu *v, struct evtchn_bind_ipi *arg)
{
	struct domain *d = v->domain;
	int rc;

	if (!domain_vcpu(d, arg->vcpu))
		return -ENOENT;
	spin_lock(&d->events.lock);
	rc = port_bind(d, link_make(EVTCHNSTAT_ipi, 0), arg->vcpu);
	spin_unlock(&d->events.lock);
	arg->port = max(rc, 0);
	return min(rc, 0);
}

static int bind_pirq(struct vcpu *v, struct evtchn_bind_pirq *arg)
{
	struct domain *d = v->domain;
	int port, rc;

	spin_lock(&d->events.lock);
	/* The port first: an interrupt that comes while it is being let through must find it. */
	port = port_bind(d, link_make(EVTCHNSTAT_pirq, arg->pirq), 0);
	rc = min(port, 0);
	if (!rc) {
		rc = pirq_bind(v, arg->pirq, port, arg->flags & BIND_PIRQ__WILL_SHARE);
		if (rc)
			port_give_back(d, port_entry(d, port), port);
	}
	spin_unlock(&d->events.lock);
	arg->port = max(port, 0);
	return rc;
}

/* --- Closing ------------------------------------------------------------------------- */

/* Unties and frees one port under the lock of `d`, and the peer's lock if it has a peer. */
static void close_locked(struct domain *d, struct evtchn *chn, u32 port, u64 link)
{
	switch (link_state(link)) {
	case EVTCHNSTAT_interdomain:
		link_store(port_entry(link_peer(link), link_port(link)),
			   link_make(EVTCHNSTAT_unbound, d->domain_id));
		break;
	case EVTCHNSTAT_pirq:
		pirq_unbind(d, link_value(link));
		break;
	case EVTCHNSTAT_virq:
		/* A vcpu's own VIRQ can't be moved, so notify_vcpu still names whose it is. */
		if (virq_is_per_vcpu(link_value(link)))
			WRITE_ONCE(d->vcpus[chn->notify_vcpu]->virq_port[link_value(link)], 0);
		else
			WRITE_ONCE(d->virq_port[link_value(link)], 0);
		break;
	}
	port_give_back(d, chn, port);
}

/* 0, or -EINVAL where nothing is open. */
static int evtchn_close(struct domain *d, u32 port)
{
	struct evtchn *chn = port_entry(d, port);

	if (!chn)
		return -EINVAL;
	for (;;) {
		u64 link = link_load(chn);
		struct domain *peer = link_state(link) == EVTCHNSTAT_interdomain ? link_peer(link) : d;
		bool same;

		spin_lock_two(&d->events.lock, &peer->events.lock);
		same = chn->link == link;
		if (same && link_state(link) != EVTCHNSTAT_closed)
			close_locked(d, chn, port, link);
		spin_unlock_two(&d->events.lock, &peer->events.lock);
		if (same)
			return link_state(link) == EVTCHNSTAT_closed ? -EINVAL : 0;
		/* Bound or closed by the other side in between: look again. */
	}
}

/* 0 or -ERESTART. */
static int close_all(struct domain *d)
{
	u32 port = 0;

	for (;;) {
		spin_lock(&d->events.lock);
		port = evtchn_next_used(d, port + 1);
		spin_unlock(&d->events.lock);
		if (port >= EVTCHN_MAX_PORTS)
			return 0;
		(void)evtchn_close(d, port); /* -EINVAL: another vcpu was quicker */
		if (port % 64 == 0 && preempt_check())
			return -ERESTART;
	}
}

/*
 * Back in 2-level form: selector bits may be left from before the FIFO form, with
 * upcalls that were taken since. A set one would keep the next event quiet, so let
 * every vcpu look at everything once.
 */
static void mark_everything(struct domain *d)
{
	for (u32 i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = d->vcpus[i];
		struct vcpu_info *info = v ? READ_ONCE(v->vcpu_info) : NULL;

		if (!info)
			continue;
		__atomic_store_n(&info->evtchn_pending_sel, ~0ULL, __ATOMIC_SEQ_CST);
		vcpu_mark_events(v);
	}
}

static int reset(struct vcpu *v, const struct evtchn_reset *arg)
{
	int rc = 0;
	struct domain *d = domain_for(v, arg->dom, &rc);

	if (!d)
		return rc;
	rc = close_all(d);
	if (!rc && evtchn_fifo_teardown(d))
		mark_everything(d);
	put_domain(d);
	return rc;
}

void events_show(struct domain *d, u32 max)
{
	static const char *const names[] = { "closed", "unbound", "interdomain", "pirq", "virq", "ipi" };
	u32 port;

	spin_lock(&d->events.lock);
	for (port = evtchn_next_used(d, 1); port < EVTCHN_MAX_PORTS && max; port = evtchn_next_used(d, port + 1), max--) {
		const struct evtchn *chn = evtchn_of(d, port);
		u32 state = link_state(chn->link);
		const char *name = state < ARRAY_SIZE(names) ? names[state] : "?";
		const char *pending = evtchn_port_pending(d, port) ? ", pending" : "";

		if (state == EVTCHNSTAT_interdomain)
			hv_log(LOG_ERR, "  port %u: %s, port %u of domain %u, vcpu %u%s\n", port, name, link_port(chn->link),
			       link_peer(chn->link)->domain_id, chn->notify_vcpu, pending);
		else
			hv_log(LOG_ERR, "  port %u: %s %u, vcpu %u%s\n", port, name, (u32)link_value(chn->link),
			       chn->notify_vcpu, pending);
	}
	spin_unlock(&d->events.lock);
	if (port < EVTCHN_MAX_PORTS)
		hv_log(LOG_ERR, "  and more\n");
}

/* --- The rest ------------------------------------------------------------------------- */

static int status(struct vcpu *v, struct evtchn_status *arg)
{
	int rc = 0;
	struct domain *d = domain_for(v, arg->dom, &rc);
	struct evtchn *chn;
	u64 link;

	if (!d)
		return rc;
	spin_lock(&d->events.lock);
	chn = port_entry(d, arg->port);
	if (!chn || arg->port >= d->events.abi->max_ports) {
		rc = -EINVAL;
		goto out;
	}
	link = chn->link;
	arg->status = link_state(link);
	arg->vcpu = chn->notify_vcpu;
	switch (arg->status) {
	case EVTCHNSTAT_unbound:
		arg->u.unbound.dom = link_value(link);
		break;
	case EVTCHNSTAT_interdomain:
		arg->u.interdomain.dom = link_peer(link)->domain_id;
		arg->u.interdomain.port = link_port(link);
		break;
	case EVTCHNSTAT_pirq:
		arg->u.pirq = link_value(link);
		break;
	case EVTCHNSTAT_virq:
		arg->u.virq = link_value(link);
		break;
	}
out:
	spin_unlock(&d->events.lock);
	put_domain(d);
	return rc;
}

static int bind_vcpu(struct vcpu *caller, const struct evtchn_bind_vcpu *arg)
{
	struct domain *d = caller->domain;
	struct evtchn *chn = port_entry(d, arg->port);
	int rc = 0;

	if (!domain_vcpu(d, arg->vcpu))
		return -ENOENT;
	if (!chn)
		return -EINVAL;
	spin_lock(&d->events.lock);
	switch (link_state(chn->link)) {
	case EVTCHNSTAT_virq:
		if (virq_is_per_vcpu(link_value(chn->link)))
			rc = -EINVAL;
		break;
	case EVTCHNSTAT_unbound:
	case EVTCHNSTAT_interdomain:
	case EVTCHNSTAT_pirq:
		break;
	default:
		rc = -EINVAL;
	}
	if (!rc && chn->notify_vcpu != arg->vcpu) {
		WRITE_ONCE(chn->notify_vcpu, arg->vcpu);
		/* It may wait for the control block of the vcpu that had it before. */
		if (d->events.abi->pending(d, chn, arg->port))
			(void)raise_entry(d, chn, arg->port);
	}
	spin_unlock(&d->events.lock);
	return rc;
}

static int unmask(struct vcpu *v, const struct evtchn_unmask *arg)
{
	struct domain *d = v->domain;
	struct evtchn *chn = port_entry(d, arg->port);
	const struct evtchn_abi *abi = __atomic_load_n(&d->events.abi, __ATOMIC_ACQUIRE);

	if (!chn || arg->port >= abi->max_ports)
		return -EINVAL;
	abi->unmask(d, chn, arg->port);
	return 0;
}

static int set_priority(struct vcpu *v, const struct evtchn_set_priority *arg)
{
	struct domain *d = v->domain;
	struct evtchn *chn = port_entry(d, arg->port);
	int rc;

	if (!chn)
		return -EINVAL;
	spin_lock(&d->events.lock);
	rc = link_state(chn->link) == EVTCHNSTAT_closed ? -EINVAL :
		d->events.abi->set_priority(chn, arg->priority);
	spin_unlock(&d->events.lock);
	return rc;
}

/*
 * Sizes of the arguments, by command, and whether they carry results back. One
 * table instead of fourteen copies of the same copying.
 */
static const struct {
	u8 bytes;
	bool out;
} op_arg[] = {
	[EVTCHNOP_bind_interdomain] = { sizeof(struct evtchn_bind_interdomain), true },
	[EVTCHNOP_bind_virq] = { sizeof(struct evtchn_bind_virq), true },
	[EVTCHNOP_bind_pirq] = { sizeof(struct evtchn_bind_pirq), true },
	[EVTCHNOP_close] = { sizeof(struct evtchn_close), false },
	[EVTCHNOP_send] = { sizeof(struct evtchn_send), false },
	[EVTCHNOP_status] = { sizeof(struct evtchn_status), true },
	[EVTCHNOP_alloc_unbound] = { sizeof(struct evtchn_alloc_unbound), true },
	[EVTCHNOP_bind_ipi] = { sizeof(struct evtchn_bind_ipi), true },
	[EVTCHNOP_bind_vcpu] = { sizeof(struct evtchn_bind_vcpu), false },
	[EVTCHNOP_unmask] = { sizeof(struct evtchn_unmask), false },
	[EVTCHNOP_reset] = { sizeof(struct evtchn_reset), false },
	[EVTCHNOP_init_control] = { sizeof(struct evtchn_init_control), true },
	[EVTCHNOP_expand_array] = { sizeof(struct evtchn_expand_array), false },
	[EVTCHNOP_set_priority] = { sizeof(struct evtchn_set_priority), false },
};

union op_arg {
	struct evtchn_bind_interdomain bind_interdomain;
	struct evtchn_bind_virq bind_virq;
	struct evtchn_bind_pirq bind_pirq;
	struct evtchn_close close;
	struct evtchn_send send;
	struct evtchn_status status;
	struct evtchn_alloc_unbound alloc_unbound;
	struct evtchn_bind_ipi bind_ipi;
	struct evtchn_bind_vcpu bind_vcpu;
	struct evtchn_unmask unmask;
	struct evtchn_reset reset;
	struct evtchn_init_control init_control;
	struct evtchn_expand_array expand_array;
	struct evtchn_set_priority set_priority;
};

/* The port that a command has just opened, for undoing it; 0 for none. */
static u32 port_opened(u32 cmd, const union op_arg *arg, struct vcpu *v)
{
	switch (cmd) {
	case EVTCHNOP_bind_interdomain:
		return arg->bind_interdomain.local_port;
	case EVTCHNOP_bind_virq:
		return arg->bind_virq.port;
	case EVTCHNOP_bind_pirq:
		return arg->bind_pirq.port;
	case EVTCHNOP_bind_ipi:
		return arg->bind_ipi.port;
	case EVTCHNOP_alloc_unbound:
		/* In another domain's table only a toolstack opens ports, and that domain's end closes them. */
		return arg->alloc_unbound.dom == DOMID_SELF ||
		       arg->alloc_unbound.dom == v->domain->domain_id ? arg->alloc_unbound.port : 0;
	default:
		return 0;
	}
}

static long do_op(struct vcpu *v, u32 cmd, union op_arg *arg)
{
	switch (cmd) {
	case EVTCHNOP_bind_interdomain:
		return bind_interdomain(v, &arg->bind_interdomain);
	case EVTCHNOP_bind_virq:
		return bind_virq(v, &arg->bind_virq);
	case EVTCHNOP_bind_pirq:
		return bind_pirq(v, &arg->bind_pirq);
	case EVTCHNOP_close:
		return evtchn_close(v->domain, arg->close.port);
	case EVTCHNOP_status:
		return status(v, &arg->status);
	case EVTCHNOP_alloc_unbound:
		return alloc_unbound(v, &arg->alloc_unbound);
	case EVTCHNOP_bind_ipi:
		return bind_ipi(v, &arg->bind_ipi);
	case EVTCHNOP_bind_vcpu:
		return bind_vcpu(v, &arg->bind_vcpu);
	case EVTCHNOP_unmask:
		return unmask(v, &arg->unmask);
	case EVTCHNOP_reset:
		return reset(v, &arg->reset);
	case EVTCHNOP_init_control:
		return evtchn_fifo_init_control(v->domain, &arg->init_control);
	case EVTCHNOP_expand_array:
		return evtchn_fifo_expand_array(v->domain, arg->expand_array.array_gfn);
	case EVTCHNOP_set_priority:
		return set_priority(v, &arg->set_priority);
	default:
		return -ENOSYS;
	}
}

static __attribute__((noinline)) long any_event_op(struct vcpu *v, u32 cmd, u64 arg_gva)
{
	union op_arg arg;
	long rc;

	if (cmd >= ARRAY_SIZE(op_arg))
		return -ENOSYS;
	cmd = index_nospec(cmd, ARRAY_SIZE(op_arg));
	if (copy_from_guest(&arg, arg_gva, op_arg[cmd].bytes))
		return -EFAULT;
	rc = do_op(v, cmd, &arg);
	if (!rc && op_arg[cmd].out && copy_to_guest(arg_gva, &arg, op_arg[cmd].bytes)) {
		u32 opened = port_opened(cmd, &arg, v);

		if (opened)
			(void)evtchn_close(v->domain, opened); /* -EINVAL: its owner closed it already */
		rc = -EFAULT;
	}
	return rc;
}

/* Sending is most of all calls. */
long do_event_channel_op(struct vcpu *v, u32 cmd, u64 arg_gva)
{
	evtchn_port_t port;

	if (unlikely(cmd != EVTCHNOP_send))
		return any_event_op(v, cmd, arg_gva);
	if (unlikely(!guest_range_ok(arg_gva, sizeof(struct evtchn_send))))
		return -EFAULT;
	guest_window_open();
	guest_get(port, arg_gva, offsetof(struct evtchn_send, port), bad_pointer);
	guest_window_close();
	v->sent_to = port;
	if (unlikely(READ_ONCE(v->has_rivals)))
		sched_event_sent(v);
	return evtchn_send(v->domain, port);
bad_pointer:
	return -EFAULT;
}

/* --- Life cycle ------------------------------------------------------------------------- */

int events_init(struct domain *d, u32 max_port)
{
	BUG_ON((uintptr_t)d & 15); /* see struct evtchn */
	d->events = (struct domain_events){ .max_port = min(max_port, EVTCHN_MAX_PORTS - 1u), .abi = &evtchn_abi_2l };
	spin_lock_init(&d->events.lock, RANK_EVENT, "events");
	d->events.poll_map = hv_alloc(BITMAP_WORDS(d->max_vcpus) * sizeof(u64));
	d->events.bucket = hv_alloc((d->events.max_port / EVTCHN_BUCKET_PORTS + 1) * sizeof(*d->events.bucket));
	if (d->events.poll_map && d->events.bucket)
		return 0;
	events_free(d);
	return -ENOMEM;
}

int events_destroy(struct domain *d)
{
	spin_lock(&d->events.lock);
	d->events.dying = true;
	spin_unlock(&d->events.lock);
	if (close_all(d))
		return -ERESTART;
	(void)evtchn_fifo_teardown(d);
	return 0;
}

void events_free(struct domain *d)
{
	for (u32 i = 0; i < d->events.nr_ports / EVTCHN_BUCKET_PORTS; i++)
		hv_free(d->events.bucket[i]);
	for (u32 i = 0; i < EVTCHN_GROUPS; i++) {
		hv_free(d->events.group[i]);
		d->events.group[i] = NULL;
	}
	hv_free(d->events.bucket);
	d->events.bucket = NULL;
	d->events.nr_ports = 0;
	evtchn_fifo_free(d);
	hv_free(d->events.poll_map);
	d->events.poll_map = NULL;
}

void events_vcpu_init(struct vcpu *v)
{
	v->events = (struct vcpu_events){ 0 };
	v->polling = false;
	v->poll_port = 0;
	for (u32 i = 0; i < NR_VIRQS; i++)
		v->virq_port[i] = 0;
}
