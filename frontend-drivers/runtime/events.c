// SPDX-License-Identifier: MIT
/*
 * Event channels, in both forms.
 *
 * 2-level: a bit of shared_info.evtchn_pending per port, a bit of evtchn_pending_sel per word of those, the upcall
 * flag on top. The upcall clears from the top down, before it looks below, so that a sender who sets from the
 * bottom up is never lost.
 * FIFO: an event word per port and one queue per priority, whose head lies in the control block. The queue is a
 * list linked through the words; the hypervisor appends, the upcall takes from the front: it reads the link, clears
 * LINKED together with it, and the last word of a queue has link 0.
 *
 * Several vcpus (2-level only): each sees all ports in the words, and handles those that are its own (`own`).
 *
 * Only the upcall, with events masked, changes what this file keeps of FIFO events.
 */
#include "runtime.h"

#define FIFO_WORDS_PER_PAGE	(PAGE_SIZE / sizeof(event_word_t))
#define FIFO_MAX_PAGES		4

static event_handler_t handlers[EVTCHN_2L_NR_CHANNELS];
static uint64_t own[MAX_VCPUS][EVTCHN_2L_NR_CHANNELS / 64];
static volatile event_word_t *fifo_pages[FIFO_MAX_PAGES];
static volatile struct evtchn_fifo_control_block *control;
static uint32_t fifo_head[EVTCHN_FIFO_MAX_QUEUES];	/* our place in each queue; 0: at its head */

void event_set_handler(evtchn_port_t port, event_handler_t handler)
{
	handlers[port] = handler;
}

volatile event_word_t *fifo_word(evtchn_port_t port)
{
	unsigned long page = port / FIFO_WORDS_PER_PAGE;

	if (page >= FIFO_MAX_PAGES || !fifo_pages[page])
		return NULL;
	return fifo_pages[page] + port % FIFO_WORDS_PER_PAGE;
}

static bool test_bit(const volatile uint64_t *bits, unsigned int nr)
{
	return bits[nr / 64] >> (nr % 64) & 1;
}

bool event_is_pending(evtchn_port_t port)
{
	if (control)
		return *fifo_word(port) >> EVTCHN_FIFO_PENDING & 1;
	return test_bit(shared_info->evtchn_pending, port);
}

bool event_is_masked(evtchn_port_t port)
{
	if (control)
		return *fifo_word(port) >> EVTCHN_FIFO_MASKED & 1;
	return test_bit(shared_info->evtchn_mask, port);
}

void event_clear_pending(evtchn_port_t port)
{
	if (control)
		__atomic_fetch_and(fifo_word(port), ~(1U << EVTCHN_FIFO_PENDING), __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(&shared_info->evtchn_pending[port / 64], ~(1UL << port % 64), __ATOMIC_SEQ_CST);
}

void event_mask_port(evtchn_port_t port)
{
	if (control)
		__atomic_fetch_or(fifo_word(port), 1U << EVTCHN_FIFO_MASKED, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_or(&shared_info->evtchn_mask[port / 64], 1UL << port % 64, __ATOMIC_SEQ_CST);
}

static void handle(evtchn_port_t port)
{
	event_clear_pending(port);
	if (port < ARRAY_SIZE(handlers) && handlers[port])
		handlers[port](port);
}

static void upcall_2l(unsigned int cpu)
{
	uint64_t selected = __atomic_exchange_n(&shared_info->vcpu_info[cpu].evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

	while (selected) {
		unsigned int word = (unsigned int)__builtin_ctzl(selected);
		uint64_t bits = __atomic_load_n(&shared_info->evtchn_pending[word], __ATOMIC_SEQ_CST) &
				~shared_info->evtchn_mask[word] & own[cpu][word];

		selected &= selected - 1;
		for (; bits; bits &= bits - 1)
			handle(word * 64 + (unsigned int)__builtin_ctzl(bits));
	}
}

/* Takes one word off the front of a queue; returns the next port, 0 at the end. */
static uint32_t fifo_unlink(volatile event_word_t *word)
{
	event_word_t old = *word;

	while (!__atomic_compare_exchange_n(word, &old,
					    old & ~(1U << EVTCHN_FIFO_LINKED | (uint32_t)EVTCHN_FIFO_LINK_MASK), false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return old & EVTCHN_FIFO_LINK_MASK;
}

static void upcall_fifo(void)
{
	uint32_t ready = __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);

	while (ready) {
		unsigned int queue = (unsigned int)__builtin_ctz(ready);
		uint32_t port = fifo_head[queue];
		volatile event_word_t *word;

		if (!port)
			port = control->head[queue];
		word = fifo_word(port);
		fifo_head[queue] = fifo_unlink(word);
		if (!fifo_head[queue])
			ready &= ~(1U << queue);
		if (*word >> EVTCHN_FIFO_PENDING & 1 && !(*word >> EVTCHN_FIFO_MASKED & 1))
			handle(port);
		/* Something more urgent may have come meanwhile. */
		ready |= __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
	}
}

static bool upcall(struct trap_frame *frame)
{
	unsigned int cpu = this_cpu();

	(void)frame;
	while (__atomic_exchange_n(&shared_info->vcpu_info[cpu].evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
		if (control)
			upcall_fifo();
		else
			upcall_2l(cpu);
	}
	return true;
}

void events_enable(void)
{
	volatile struct vcpu_info *info = &shared_info->vcpu_info[this_cpu()];

	compiler_barrier();
	info->evtchn_upcall_mask = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* The hypervisor looks at the flag only when it runs: any call makes it. */
	if (info->evtchn_upcall_pending)
		hypercall2(__HYPERVISOR_xen_version, 0, 0);
}

static long op(unsigned int command, void *argument)
{
	return hypercall2(__HYPERVISOR_event_channel_op, command, argument);
}

long event_send(evtchn_port_t port)
{
	struct evtchn_send send = { port };

	return op(EVTCHNOP_send, &send);
}

long event_unmask_port(evtchn_port_t port)
{
	struct evtchn_unmask unmask = { port };

	return op(EVTCHNOP_unmask, &unmask);
}

long event_close(evtchn_port_t port)
{
	struct evtchn_close close = { port };

	return op(EVTCHNOP_close, &close);
}

evtchn_port_t event_bind_ipi(uint32_t vcpu)
{
	struct evtchn_bind_ipi bind = { .vcpu = vcpu };
	long result = op(EVTCHNOP_bind_ipi, &bind);

	if (result)
		panic("bind_ipi: %ld", result);
	return bind.port;
}

evtchn_port_t event_bind_virq(uint32_t virq, uint32_t vcpu)
{
	struct evtchn_bind_virq bind = { .virq = virq, .vcpu = vcpu };
	long result = op(EVTCHNOP_bind_virq, &bind);

	if (result)
		panic("bind_virq %u: %ld", virq, result);
	return bind.port;
}

evtchn_port_t event_alloc_unbound(domid_t remote)
{
	struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = remote };
	long result = op(EVTCHNOP_alloc_unbound, &alloc);

	if (result)
		panic("alloc_unbound: %ld", result);
	return alloc.port;
}

void event_set_vcpu(evtchn_port_t port, unsigned int vcpu)
{
	struct evtchn_bind_vcpu bind = { .port = port, .vcpu = vcpu };

	for (unsigned int i = 0; i < MAX_VCPUS; i++) {
		if (i == vcpu)
			__atomic_fetch_or(&own[i][port / 64], 1UL << port % 64, __ATOMIC_SEQ_CST);
		else
			__atomic_fetch_and(&own[i][port / 64], ~(1UL << port % 64), __ATOMIC_SEQ_CST);
	}
	/* Refused for IPIs and VIRQs, which have their vcpu already, and for ports that are closed. */
	op(EVTCHNOP_bind_vcpu, &bind);
}

static long add_array_page(void)
{
	unsigned int n = 0;
	struct evtchn_expand_array expand;
	event_word_t *page = page_alloc();
	long result;

	while (fifo_pages[n])
		n++;
	for (unsigned int i = 0; i < FIFO_WORDS_PER_PAGE; i++)
		page[i] = 1U << EVTCHN_FIFO_MASKED;
	expand.array_gfn = virt_to_mfn(page);
	result = op(EVTCHNOP_expand_array, &expand);
	if (result)
		page_free(page);
	else
		fifo_pages[n] = page;
	return result;
}

long events_use_fifo(void)
{
	void *page = page_alloc();
	struct evtchn_init_control init = { .control_gfn = virt_to_mfn(page), .offset = 0, .vcpu = 0 };
	long result = op(EVTCHNOP_init_control, &init);

	if (result) {
		page_free(page);
		return result;
	}
	control = page;
	return add_array_page();
}

void events_init(void)
{
	trap_set_handler(TRAP_EVENT, upcall);
	memset(own[0], 0xff, sizeof(own[0]));
	memset(shared_info->evtchn_mask, 0xff, sizeof(shared_info->evtchn_mask));
}
