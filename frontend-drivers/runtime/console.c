// SPDX-License-Identifier: MIT
/*
 * The guest's console. dom0 writes through console_io to the hypervisor's serial line; a domU has a ring in a page
 * that it shares with the console daemon, and an event channel to tell about it.
 *
 * The ring: the guest owns out_prod and in_cons, the daemon out_cons and in_prod. A full ring is waited for by
 * yielding; the daemon is woken first.
 */
#include <xen/io/console.h>
#include <xen/sched.h>

#include "runtime.h"

static struct xencons_interface *ring;
static evtchn_port_t ring_port;

void console_init(void)
{
	if (is_dom0())
		return;
	ring = mfn_to_virt(start_info->console.domU.mfn);
	ring_port = start_info->console.domU.evtchn;
}

static void notify(void)
{
	struct evtchn_send send = { .port = ring_port };

	hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
}

static uint32_t read_index(const uint32_t *index)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static void ring_put(char c)
{
	uint32_t prod = ring->out_prod;

	while (prod - read_index(&ring->out_cons) >= sizeof(ring->out)) {
		notify();
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	}
	ring->out[MASK_XENCONS_IDX(prod, ring->out)] = c;
	__atomic_store_n(&ring->out_prod, prod + 1, __ATOMIC_RELEASE);
}

void console_write(const char *text, size_t bytes)
{
	if (!ring) {
		hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, bytes, text);
		return;
	}
	for (; bytes; bytes--, text++) {
		if (*text == '\n')
			ring_put('\r');
		ring_put(*text);
	}
	notify();
}

size_t console_read(char *to, size_t room)
{
	size_t got = 0;
	long result;

	if (!ring) {
		result = hypercall3(__HYPERVISOR_console_io, CONSOLEIO_read, room, to);
		return result > 0 ? (size_t)result : 0;
	}
	while (got < room && ring->in_cons != read_index(&ring->in_prod)) {
		to[got++] = ring->in[MASK_XENCONS_IDX(ring->in_cons, ring->in)];
		__atomic_store_n(&ring->in_cons, ring->in_cons + 1, __ATOMIC_RELEASE);
	}
	if (got)
		notify();
	return got;
}
