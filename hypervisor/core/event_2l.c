// SPDX-License-Identifier: MIT
/*
 * Events in 2-level form: one pending and one mask bit for each of 4096 ports in
 * shared_info, and in each vcpu_info a word that says which 64-port words of
 * the pending map to look at. Every domain starts so.
 *
 * All of it is the guest's to scribble on: a word is never read back to decide
 * more than whether to set the next bit, and each bit is set by one atomic
 * operation whose result alone counts. Order of a raise: pending bit, then mask
 * looked at, then selector, then upcall_pending; the guest clears from the other end.
 * A guest that unmasks after we saw the mask looks at the pending bit itself.
 */
#include "core/domain.h"
#include "core/event_channel.h"
#include "core/seam.h"

static void tell_vcpu(struct domain *d, const struct evtchn *chn, u32 port)
{
	struct vcpu *v = d->vcpus[READ_ONCE(chn->notify_vcpu)];
	struct vcpu_info *info;

	/* Vcpu 0 may not exist yet when a toolstack opens a new domain's ports. */
	if (unlikely(!v))
		return;
	info = READ_ONCE(v->vcpu_info);
	if (likely(info) && !bit_test_and_set(&info->evtchn_pending_sel, port / 64))
		vcpu_mark_events(v);
}

/*
 * The domain may go over to FIFO meanwhile, on another CPU: that changes `abi`
 * first and carries the pending bits over then. So a raiser that still finds
 * this form after setting its bit is carried over; one that does not raises again.
 */
static int raise_2l(struct domain *d, struct evtchn *chn, u32 port)
{
	struct shared_info *s = d->shared_info;
	const struct evtchn_abi *now;

	/* A port above the form's limit is left from before a reset. */
	if (unlikely(port >= EVTCHN_2L_NR_CHANNELS))
		return 0;
	if (!bit_test_and_set(s->evtchn_pending, port)) {
		if (!bit_test(s->evtchn_mask, port))
			tell_vcpu(d, chn, port);
		evtchn_wake_pollers(d, port);
	}
	now = __atomic_load_n(&d->events.abi, __ATOMIC_ACQUIRE);
	return likely(now == &evtchn_abi_2l) ? 0 : now->raise(d, chn, port);
}

static void unmask_2l(struct domain *d, struct evtchn *chn, u32 port)
{
	struct shared_info *s = d->shared_info;

	if (bit_test_and_clear(s->evtchn_mask, port) && bit_test(s->evtchn_pending, port))
		tell_vcpu(d, chn, port);
}

static void clear_2l(struct domain *d, struct evtchn *chn, u32 port)
{
	(void)chn;
	if (port < EVTCHN_2L_NR_CHANNELS)
		bit_clear_atomic(d->shared_info->evtchn_pending, port);
}

static bool pending_2l(struct domain *d, const struct evtchn *chn, u32 port)
{
	(void)chn;
	return port < EVTCHN_2L_NR_CHANNELS && bit_test(d->shared_info->evtchn_pending, port);
}

static int set_priority_2l(struct evtchn *chn, u32 priority)
{
	(void)chn;
	(void)priority;
	return -ENOSYS;
}

const struct evtchn_abi evtchn_abi_2l = {
	.max_ports = EVTCHN_2L_NR_CHANNELS,
	.raise = raise_2l,
	.unmask = unmask_2l,
	.clear = clear_2l,
	.pending = pending_2l,
	.set_priority = set_priority_2l,
};
