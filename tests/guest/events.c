// SPDX-License-Identifier: MIT
/*
 * Event channels, 2-level and then FIFO: binding, sending to oneself, the three masks (of the port, of the vcpu,
 * and not being bound), status, closing, priorities, and many at once.
 *
 * The same tests run twice, because a guest must not see a difference but in what FIFO adds. The change from the one
 * to the other happens in between, with ports open: they must go on working.
 */
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "runtime.h"

#define MANY	200

static unsigned int calls;			/* upcalls of `count` since reset */
static evtchn_port_t order[64];
static unsigned int ordered;
static const char *form;

static void count(evtchn_port_t port)
{
	(void)port;
	calls++;
}

static void note_order(evtchn_port_t port)
{
	if (ordered < ARRAY_SIZE(order))
		order[ordered++] = port;
}

static long op(unsigned int command, void *argument)
{
	return hypercall2(__HYPERVISOR_event_channel_op, command, argument);
}

/* A port of this vcpu, open for upcalls that are counted. */
static evtchn_port_t open_ipi(event_handler_t handler)
{
	evtchn_port_t port = event_bind_ipi(0);

	event_set_handler(port, handler);
	event_unmask_port(port);
	return port;
}

static uint32_t status_of(evtchn_port_t port)
{
	struct evtchn_status status = { .dom = DOMID_SELF, .port = port };

	return op(EVTCHNOP_status, &status) ? ~0U : status.status;
}

static void ok(bool good, const char *name)
{
	tap_ok(good, "%s: %s", form, name);
}

static void one_port(void)
{
	evtchn_port_t port = open_ipi(count);

	calls = 0;
	ok(status_of(port) == EVTCHNSTAT_ipi, "a bound ipi says so");
	ok(event_send(port) == 0 && calls == 0, "no upcall while the vcpu masks");
	ok(event_is_pending(port), "but the port is pending");
	ok(vcpu_info->evtchn_upcall_pending == 1, "and so is the vcpu");
	events_enable();
	ok(calls == 1, "unmasking the vcpu lets it in");
	ok(!event_is_pending(port), "the handler cleared it");
	event_send(port);
	ok(calls == 2, "a send with nothing masked is taken before it returns");
	event_mask_port(port);
	event_send(port);
	event_send(port);
	ok(calls == 2 && event_is_pending(port), "a masked port collects, without an upcall");
	event_unmask_port(port);
	ok(calls == 3, "unmasking the port lets one in, however many were sent");
	event_unmask_port(port);
	ok(calls == 3, "unmasking an open port does nothing");
	events_disable();
	ok(event_close(port) == 0, "the port closes");
	ok(status_of(port) == EVTCHNSTAT_closed, "and says so");
	ok(event_send(port) == -XEN_EINVAL, "nothing can be sent to it any more");
	ok(event_close(port) == -XEN_EINVAL, "nor can it be closed twice");
}

/* Closing a port with an event in it leaves none for the next user of the number. */
static void closing_pending(void)
{
	evtchn_port_t port = event_bind_ipi(0), again;

	event_mask_port(port);
	event_send(port);
	event_close(port);
	again = event_bind_ipi(0);
	ok(again == port, "a closed port's number is used again");
	event_clear_pending(again);
	event_set_handler(again, count);
	calls = 0;
	event_unmask_port(again);
	events_enable();
	events_disable();
	ok(calls == 0, "with no event of the former one");
	event_send(again);
	events_enable();
	events_disable();
	ok(calls == 1, "and its own arrives");
	event_close(again);
}

static void interdomain(void)
{
	evtchn_port_t unbound = event_alloc_unbound(DOMID_SELF), third = event_alloc_unbound(DOMID_SELF);
	struct evtchn_bind_interdomain bind = { .remote_dom = DOMID_SELF, .remote_port = unbound };
	struct evtchn_bind_interdomain twice;

	ok(status_of(unbound) == EVTCHNSTAT_unbound, "a port waiting for its other end says so");
	ok(event_send(unbound) == 0, "a send to nobody is dropped without an error");
	ok(op(EVTCHNOP_bind_interdomain, &bind) == 0, "its other end can be bound");
	ok(status_of(unbound) == EVTCHNSTAT_interdomain && status_of(bind.local_port) == EVTCHNSTAT_interdomain,
	   "both ends say so");
	ok(event_is_pending(bind.local_port), "the new end is pending at once");
	twice = bind;
	ok(op(EVTCHNOP_bind_interdomain, &twice) == -XEN_EINVAL, "a bound port can't be bound again");
	event_clear_pending(bind.local_port);
	event_set_handler(unbound, count);
	event_unmask_port(unbound);
	calls = 0;
	events_enable();
	event_send(bind.local_port);
	ok(calls == 1, "a send on one end arrives at the other");
	ok(!event_is_pending(bind.local_port), "and not at its own");
	events_disable();
	event_close(bind.local_port);
	ok(status_of(unbound) == EVTCHNSTAT_unbound, "when one end closes, the other is unbound again");
	ok(event_send(unbound) == 0 && !event_is_pending(unbound), "sends into the void are dropped");
	bind.remote_port = unbound;
	ok(op(EVTCHNOP_bind_interdomain, &bind) == 0, "and a new end can come");
	event_close(unbound);
	event_close(bind.local_port);
	event_close(third);
}

static void virqs(void)
{
	struct evtchn_bind_virq twice = { .virq = VIRQ_DEBUG, .vcpu = 0 };
	struct evtchn_bind_vcpu move;
	evtchn_port_t port = event_bind_virq(VIRQ_DEBUG, 0);

	ok(status_of(port) == EVTCHNSTAT_virq, "a bound virq says so");
	ok(op(EVTCHNOP_bind_virq, &twice) == -XEN_EEXIST, "a virq can be bound once");
	ok(event_send(port) == -XEN_EINVAL, "nobody can send to a virq's port");
	move.port = port;
	move.vcpu = 0;
	ok(op(EVTCHNOP_bind_vcpu, &move) == -XEN_EINVAL, "a virq of a vcpu can't be moved");
	event_close(port);
	port = event_bind_virq(VIRQ_DEBUG, 0);
	ok(status_of(port) == EVTCHNSTAT_virq, "after a close it can be bound again");
	event_close(port);
	port = event_bind_ipi(0);
	move.port = port;
	ok(op(EVTCHNOP_bind_vcpu, &move) == -XEN_EINVAL, "an ipi can't be moved either");
	event_close(port);
}

/* Runs as guest user, which sees the kernel's memory. */
static void wait_in_user(void)
{
	while (!*(volatile unsigned int *)&calls)
		__asm__ volatile("pause");
}

/* The timer: an event that comes from nobody's send. */
static void timer(void)
{
	struct vcpu_set_singleshot_timer past = { .timeout_abs_ns = 1, .flags = 0 };
	struct vcpu_set_singleshot_timer must_be_future = { .timeout_abs_ns = 1, .flags = VCPU_SSHOTTMR_future };
	evtchn_port_t port = event_bind_virq(VIRQ_TIMER, 0);
	struct outcome outcome;
	long result;

	event_set_handler(port, count);
	event_unmask_port(port);
	hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
	calls = 0;
	ok(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, &past) == 0, "a timer in the past is set");
	while (!calls) {
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
		events_disable();
	}
	ok(true, "it fires, and wakes a blocked vcpu");
	/* The flag is a hint that newer hypervisors of this ABI ignore. */
	result = hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, &must_be_future);
	ok(result == -XEN_ETIME || result == 0,
	   "a past time where the future was asked for is no error of another kind");
	event_clear_pending(port);
	calls = 0;
	hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, &past);
	events_enable();
	outcome = run_user(wait_in_user, NULL);
	events_disable();
	ok(outcome.vector == NO_FAULT && calls, "it reaches a vcpu that is in guest user, which goes on afterwards");
	event_close(port);
}

static void polling(void)
{
	evtchn_port_t port = event_bind_ipi(0);
	struct sched_poll poll = { .ports = (uint64_t)(uintptr_t)&port, .nr_ports = 1, .timeout = 0 };
	struct sched_poll late = { .ports = (uint64_t)(uintptr_t)&port, .nr_ports = 1, .timeout = 1 };

	event_mask_port(port);
	event_send(port);
	ok(hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll) == 0, "a poll for a pending masked port returns");
	event_clear_pending(port);
	ok(hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &late) == 0, "a poll with a time that is over returns");
	event_close(port);
}

static void many(void)
{
	static evtchn_port_t ports[MANY];
	unsigned int left = 0;

	for (unsigned int i = 0; i < MANY; i++)
		ports[i] = open_ipi(count);
	calls = 0;
	for (unsigned int i = 0; i < MANY; i++)
		event_send(ports[i]);
	ok(calls == 0, "many sends with the vcpu masked make no upcall");
	events_enable();
	ok(calls == MANY, "and are all taken when it unmasks");
	calls = 0;
	for (unsigned int round = 0; round < 20; round++)
		for (unsigned int i = 0; i < MANY; i++)
			event_send(ports[i]);
	ok(calls == 20 * MANY, "a storm of single sends loses none");
	events_disable();
	for (unsigned int i = 0; i < MANY; i++)
		left += event_is_pending(ports[i]);
	ok(left == 0, "nothing is left pending");
	for (unsigned int i = 0; i < MANY; i++)
		left += event_close(ports[i]) != 0;
	ok(left == 0, "all can be closed");
}

/* A handler that sends to its own port again: each is an upcall of its own, and it ends. */
static evtchn_port_t echo_port;

static void echo(evtchn_port_t port)
{
	(void)port;
	if (++calls < 100)
		event_send(echo_port);
}

static void resending(void)
{
	echo_port = open_ipi(echo);
	calls = 0;
	event_send(echo_port);
	events_enable();
	ok(calls == 100, "a handler may send to its own port");
	events_disable();
	event_close(echo_port);
}

static void all(const char *name)
{
	form = name;
	one_port();
	closing_pending();
	interdomain();
	virqs();
	timer();
	polling();
	many();
	resending();
}

static void priorities(void)
{
	static const uint32_t wanted[] = { 7, 3, 15, 0, 7, 11 };
	static const unsigned int sorted[] = { 3, 1, 0, 4, 5, 2 };
	evtchn_port_t ports[ARRAY_SIZE(wanted)];
	bool good = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct evtchn_set_priority set = { .priority = wanted[i] };

		set.port = ports[i] = open_ipi(note_order);
		good &= op(EVTCHNOP_set_priority, &set) == 0;
	}
	ok(good, "priorities 0 to 15 can be set");
	ordered = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(wanted); i++)
		event_send(ports[i]);
	events_enable();
	events_disable();
	good = ordered == ARRAY_SIZE(wanted);
	for (unsigned int i = 0; i < ordered && good; i++)
		good = order[i] == ports[sorted[i]];
	ok(good, "events come by priority, and in the order sent within one");
	for (unsigned int i = 0; i < ARRAY_SIZE(wanted); i++)
		event_close(ports[i]);
}

static void fifo_refusals(void)
{
	void *page = page_alloc();
	struct evtchn_init_control again = { .control_gfn = virt_to_mfn(page), .vcpu = 0 };
	struct evtchn_expand_array bad = { .array_gfn = 0x000ffffffffUL };
	struct evtchn_set_priority closed = { .port = 900, .priority = 3 };

	ok(op(EVTCHNOP_init_control, &again) == -XEN_EINVAL, "a second control block is refused");
	ok(op(EVTCHNOP_expand_array, &bad) == -XEN_EINVAL, "an array page above all memory is refused");
	ok(op(EVTCHNOP_set_priority, &closed) == -XEN_EINVAL, "a closed port has no priority to set");
	page_free(page);
}

/* What was pending before the change to FIFO must not be lost by it. */
static void change_over(void)
{
	evtchn_port_t port = open_ipi(count);
	long result;

	calls = 0;
	event_mask_port(port);
	result = events_use_fifo();
	if (result == -XEN_ENOSYS) {
		tap_skip("FIFO events", "this hypervisor has none");
		event_close(port);
		return;
	}
	form = "FIFO";
	tap_long(result, 0, "FIFO: the change from 2-level with a port open");
	event_unmask_port(port);
	event_send(port);
	events_enable();
	events_disable();
	ok(calls == 1, "a port opened before goes on working");
	event_close(port);
	all("FIFO");
	priorities();
	fifo_refusals();
}

void guest_main(void)
{
	tap_start("events");
	all("2-level");
	change_over();
	tap_end();
}
