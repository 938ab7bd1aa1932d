// SPDX-License-Identifier: MIT
/*
 * Too much, too often, at the wrong moment: events that send themselves, timers that lie in the past or wrap, event
 * words full of lies, ports and grant handles until there are none, multicalls that contain what they must not or
 * that change themselves, and long calls whose arguments change while they are continued.
 *
 * All of it harms the guest at most. What is looked at is that each call answers, that the hypervisor still delivers
 * what it should when the storm is over, and that nothing is used up by it.
 *
 * Advisories of Xen whose class a test is of are named there by number (docs/advisories.md).
 */
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#include "runtime.h"

#define BASE		0x0000100000000000UL
#define UNMAPPED	0x0000123400001000UL
#define IN_THE_HOLE	0xffff830000000000UL

static unsigned int wrong;		/* of the group that is being tried */
static unsigned int seen;		/* events */
static bool on_xen;			/* Debian's Xen, where the two differ on purpose */
static evtchn_port_t timer_port;
static bool fifo;			/* the form that is in use */

static void group_ends(const char *name)
{
	tap_long(wrong, 0, name);
	wrong = 0;
}

static long event_op(unsigned int command, void *argument)
{
	return hypercall2(__HYPERVISOR_event_channel_op, command, argument);
}

static void count(evtchn_port_t port)
{
	(void)port;
	seen++;
}

/* An event to oneself arrives once: all is well again. */
static void events_work(const char *name)
{
	evtchn_port_t port = event_bind_ipi(0);

	event_set_handler(port, count);
	event_unmask_port(port);
	seen = 0;
	event_send(port);
	events_enable();
	events_disable();
	tap_long(seen, 1, name);
	event_close(port);
}

/* ---- timers ---- */

static long vcpu_op(unsigned int command, void *argument)
{
	return hypercall3(__HYPERVISOR_vcpu_op, command, 0, argument);
}

/* XSA-20: a period or a deadline that wraps is in the past for ever. */
static void timers_at_their_limits(void)
{
	static const uint64_t values[] = {
		0, 1, 999999, 1000000, 1UL << 31, 1UL << 32, 1UL << 61, (1UL << 62) - 1, 1UL << 62, 1UL << 63,
		(1UL << 63) - 1, ~0UL >> 1, ~0UL - 1000000, ~0UL - 1, ~0UL,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
		struct vcpu_set_periodic_timer periodic = { values[i] };
		struct vcpu_set_singleshot_timer once = { values[i], 0 };
		struct sched_poll poll = { .nr_ports = 0, .timeout = 1 };
		long got = vcpu_op(VCPUOP_set_periodic_timer, &periodic);

		if (got != (values[i] < 1000000 || values[i] > ~0UL >> 2 ? -XEN_EINVAL : 0)) {
			printf("# a period of %lu ns: %ld\n", values[i], got);
			wrong++;
		}
		/* Sleep and wake, so that what is due has its turn. */
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
		wrong += vcpu_op(VCPUOP_stop_periodic_timer, NULL) != 0;
		wrong += vcpu_op(VCPUOP_set_singleshot_timer, &once) != 0;
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
		wrong += vcpu_op(VCPUOP_stop_singleshot_timer, NULL) != 0;
		wrong += hypercall1(__HYPERVISOR_set_timer_op, values[i]) != 0;
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
		wrong += hypercall1(__HYPERVISOR_set_timer_op, 0) != 0;
	}
	group_ends("timers take any number, or refuse it");
}

static void timers_in_the_past(void)
{
	timer_port = event_bind_virq(VIRQ_TIMER, 0);
	event_set_handler(timer_port, count);
	event_unmask_port(timer_port);
	seen = 0;
	events_enable();
	for (unsigned int i = 0; i < 2000; i++) {
		struct vcpu_set_singleshot_timer once = { 1 + i, i & 1 ? VCPU_SSHOTTMR_future : 0 };

		/* Xen 4.17 does not look at the flag. */
		wrong += vcpu_op(VCPUOP_set_singleshot_timer, &once) != (i & 1 && !on_xen ? -XEN_ETIME : 0);
		hypercall1(__HYPERVISOR_set_timer_op, 1);
	}
	events_disable();
	group_ends("timers in the past are due at once, or -ETIME");
	tap_ok(seen > 100, "and come as events (%u)", seen);
	event_close(timer_port);
}

/* ---- storms ---- */

static evtchn_port_t storm_ports[8];
static unsigned int left;

static void send_on(evtchn_port_t port)
{
	seen++;
	for (unsigned int i = 0; i < ARRAY_SIZE(storm_ports) && left; i++, left--)
		event_send(storm_ports[i]);
	(void)port;
}

static void events_that_send_events(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(storm_ports); i++) {
		storm_ports[i] = event_bind_ipi(0);
		event_set_handler(storm_ports[i], send_on);
		event_unmask_port(storm_ports[i]);
	}
	seen = 0;
	left = 20000;
	event_send(storm_ports[0]);
	events_enable();
	while (left)
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	events_disable();
	tap_ok(seen >= 2500, "events that send events end when no more are sent (%u seen)", seen);
	for (unsigned int i = 0; i < ARRAY_SIZE(storm_ports); i++)
		event_close(storm_ports[i]);
}

static unsigned int unanswered;

/* An upcall that leaves everything pending: the next comes as soon as events are let in. */
static bool ignore_upcall(struct trap_frame *frame)
{
	if (++unanswered == 5000) {
		frame->rflags &= ~0x200UL;
		trap_set_handler(TRAP_EVENT, NULL);
	}
	return true;
}

static void upcalls_that_answer_nothing(void)
{
	/* The runtime's own handler comes back by events_init(), which masks all ports. */
	trap_set_handler(TRAP_EVENT, ignore_upcall);
	unanswered = 0;
	vcpu_info->evtchn_upcall_pending = 1;
	*(volatile uint8_t *)&vcpu_info->evtchn_upcall_mask = 0;
	hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0);
	events_disable();
	vcpu_info->evtchn_upcall_pending = 0;
	events_init();
	tap_long(unanswered, 5000, "upcalls come until they are answered");
}

static uint64_t state = 88172645463325252UL;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void use_ports(const evtchn_port_t *ports, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		event_send(ports[i]);
		event_unmask_port(ports[i]);
	}
}

/* XSA-155's kin: what is shared with the hypervisor is full of lies, all of the time. */
static void lies_in_shared_memory(void)
{
	uint64_t *words = (uint64_t *)shared_info;
	evtchn_port_t ports[8];

	for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++)
		ports[i] = event_bind_ipi(0);
	for (unsigned int round = 0; round < 300; round++) {
		struct vcpu_set_singleshot_timer once = { 1, 0 };

		for (unsigned int i = 0; i < PAGE_SIZE / 8; i++)
			words[i] = next_random();
		vcpu_info->evtchn_upcall_mask = (uint8_t)(next_random() | 1);
		use_ports(ports, ARRAY_SIZE(ports));
		vcpu_op(VCPUOP_set_singleshot_timer, &once);
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
		wrong += hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0) < 0;
	}
	memset(words, 0, PAGE_SIZE);
	vcpu_info->evtchn_upcall_mask = 1;
	events_init();
	for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++)
		event_close(ports[i]);
	group_ends("a shared page of random numbers");
}

/* XSA-317: every port taken; the next is refused, and all can be given back. */
static void every_port(void)
{
	unsigned int limit = fifo ? 8000 : EVTCHN_2L_NR_CHANNELS, taken = 0;
	struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
	static evtchn_port_t ports[8192];
	long got;

	while (!(got = event_op(EVTCHNOP_alloc_unbound, &alloc)) && taken < limit) {
		ports[taken++] = alloc.port;
		alloc.remote_dom = taken & 1 ? 0 : DOMID_SELF;
	}
	if (!fifo)
		wrong += got != -XEN_ENOSPC || taken < limit - 64;
	for (unsigned int i = 0; i < taken; i += 2) {
		struct evtchn_bind_interdomain bind = { .remote_dom = 0, .remote_port = ports[i] };

		/* No free port: an error, and the other end is as before. */
		if (!fifo)
			wrong += event_op(EVTCHNOP_bind_interdomain, &bind) != -XEN_ENOSPC;
	}
	for (unsigned int i = 0; i < taken; i++)
		wrong += event_close(ports[i]) != 0;
	for (unsigned int i = 0; i < taken; i++)
		wrong += event_close(ports[i]) != -XEN_EINVAL;
	if (fifo && !got)
		event_close(alloc.port);
	group_ends("every port can be taken once and given back once");
}

/* XSA-47, 343, 344: closing everything while it is in use. */
static void resets_in_a_storm(void)
{
	for (unsigned int round = 0; round < 50; round++) {
		struct evtchn_reset reset = { DOMID_SELF };
		evtchn_port_t ports[16];

		for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
			struct evtchn_bind_interdomain bind = { .remote_dom = 0 };

			ports[i] = i & 1 ? event_bind_ipi(0) : event_alloc_unbound(0);
			event_set_handler(ports[i], count);
			if (i & 1)
				continue;
			bind.remote_port = ports[i];
			wrong += event_op(EVTCHNOP_bind_interdomain, &bind) != 0;
		}
		use_ports(ports, ARRAY_SIZE(ports));
		wrong += event_op(EVTCHNOP_reset, &reset) != 0;
		for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
			wrong += event_send(ports[i]) != -XEN_EINVAL;
			wrong += event_close(ports[i]) != -XEN_EINVAL;
		}
	}
	group_ends("a reset closes every port, whatever is pending");
	/* The words of closed ports are still marked to be looked at. */
	vcpu_info->evtchn_pending_sel = 0;
	vcpu_info->evtchn_upcall_pending = 0;
}

/* XSA-107, 188, 358, 359: queues whose links, heads and flags are what the guest likes. */
static void lies_in_event_words(void)
{
	evtchn_port_t ports[32];
	static const uint32_t links[] = { 0, 1, 2, 7, 31, 1023, 1024, 5000, 0x1ffff };

	for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
		struct evtchn_set_priority priority = { .priority = i % 16 };

		ports[i] = priority.port = event_bind_ipi(0);
		wrong += event_op(EVTCHNOP_set_priority, &priority) != 0;
	}
	for (unsigned int round = 0; round < 2000; round++) {
		struct evtchn_set_priority priority = {
			.port = ports[next_random() % ARRAY_SIZE(ports)], .priority = next_random() % 16,
		};

		for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
			uint32_t word = (uint32_t)next_random() & 0xf0000000;

			*fifo_word(ports[i]) = word | links[next_random() % ARRAY_SIZE(links)];
		}
		event_op(EVTCHNOP_set_priority, &priority);
		use_ports(ports, ARRAY_SIZE(ports));
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
		struct evtchn_set_priority priority = { .port = ports[i], .priority = 16 };

		wrong += event_op(EVTCHNOP_set_priority, &priority) != -XEN_EINVAL;
		*fifo_word(ports[i]) = 1U << EVTCHN_FIFO_MASKED;
		event_close(ports[i]);
	}
	group_ends("event words of random numbers");
}

/* ---- multicalls ---- */

static struct multicall_entry list[64] __attribute__((aligned(4096)));

static long multicall(const void *entries, uint64_t nr)
{
	return hypercall2(__HYPERVISOR_multicall, entries, nr);
}

static struct multicall_entry version_call(void)
{
	return (struct multicall_entry){ .op = __HYPERVISOR_xen_version, .args = { XENVER_version } };
}

/* XSA-213: an iret within would change the mode of those that follow. */
static void multicalls_of_what_must_not_be(void)
{
	static const uint64_t ops[] = { __HYPERVISOR_iret, __HYPERVISOR_multicall, 64, 1000, 1UL << 32, 1UL << 63, ~0UL,
					(1UL << 32) + __HYPERVISOR_xen_version };
	unsigned int n = 0;

	/* Xen carries an iret out there, and ends the guest if the mode has changed. */
	for (unsigned int i = on_xen; i < ARRAY_SIZE(ops); i++) {
		list[n++] = (struct multicall_entry){ .op = ops[i], .args = { (uint64_t)(uintptr_t)list, 2 } };
		list[n++] = version_call();
	}
	wrong += multicall(list, n) != 0;
	for (unsigned int i = 0; i < n; i += 2) {
		long want = list[i].op < 64 ? -XEN_EINVAL : -XEN_ENOSYS;

		if ((long)list[i].result != want && (long)list[i].result != -XEN_ENOSYS) {
			printf("# operation %lx in a multicall: %ld\n", list[i].op, (long)list[i].result);
			wrong++;
		}
		wrong += (long)list[i + 1].result <= 0;
	}
	group_ends("iret, multicall and numbers of no call are refused within a multicall");
}

static void multicalls_that_change_themselves(void)
{
	struct evtchn_status *status = (struct evtchn_status *)&list[1];

	/* The first entry's answer lies over the second, whose number it becomes. */
	memset(list, 0, sizeof(list));
	status->dom = DOMID_SELF;
	list[0] = (struct multicall_entry){
		.op = __HYPERVISOR_event_channel_op, .args = { EVTCHNOP_status, (uint64_t)(uintptr_t)status },
	};
	list[2] = version_call();
	wrong += multicall(list, 3) != 0;
	wrong += (long)list[2].result <= 0;
	/* An entry that takes the page of the list away for writing; results can't be told any more. */
	for (unsigned int i = 0; i < 3; i++)
		list[i] = version_call();
	list[0] = (struct multicall_entry){
		.op = __HYPERVISOR_update_va_mapping,
		.args = { (uint64_t)(uintptr_t)list, mfn_pte(virt_to_mfn(list), PTE_RODATA), UVMF_INVLPG | UVMF_LOCAL },
	};
	wrong += multicall(list, 3) != -XEN_EFAULT;
	wrong += map_pte(list, mfn_pte(virt_to_mfn(list), PTE_RWDATA)) != 0;
	/* And one that takes it away altogether. */
	list[0].args[1] = 0;
	wrong += multicall(list, 3) != -XEN_EFAULT;
	wrong += map_pte(list, mfn_pte(virt_to_mfn(list), PTE_RWDATA)) != 0;
	wrong += (long)list[1].result != 0 && (long)list[1].result != 0x40011;
	group_ends("a multicall that takes its own list away ends with -EFAULT");
}

/* The address space changes in the middle, to one that has neither the list nor the code. */
static void multicalls_that_change_the_base(void)
{
	uint64_t *other = page_alloc();
	uint64_t value;

	pt_entry(kernel_l4_mfn(), RUNTIME_VIRT_BASE, 4, &value);
	other[RUNTIME_VIRT_BASE >> 39 & 511] = value;
	page_make_readonly(other);
	wrong += mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(other)) != 0;
	{
		static struct mmuext_op ops[2];

		ops[0] = (struct mmuext_op){ .cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = virt_to_mfn(other) };
		ops[1] = (struct mmuext_op){ .cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = kernel_l4_mfn() };
		for (unsigned int i = 0; i < 32; i++)
			list[i] = (struct multicall_entry){
				.op = __HYPERVISOR_mmuext_op,
				.args = { (uint64_t)(uintptr_t)&ops[i & 1], 1, 0, DOMID_SELF },
			};
		wrong += multicall(list, 32) != 0;
		for (unsigned int i = 0; i < 32; i++)
			wrong += list[i].result != 0;
	}
	wrong += mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(other)) != 0;
	page_make_writable(other);
	page_free(other);
	group_ends("a multicall may change the base and go on");
}

static void multicalls_without_end(void)
{
	static const uint64_t counts[] = { 0, 1UL << 32, 0xffffffff, 0x7fffffff, 65 };
	/* 64 entries fill one page exactly; what follows is not mapped. */
	char *behind = (char *)list + sizeof(list);
	char *page = page_alloc();
	long got;

	(void)behind;
	pt_ensure(kernel_l4_mfn(), BASE);
	map_pte((const void *)BASE, mfn_pte(virt_to_mfn(page), PTE_RWDATA));
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		for (unsigned int k = 0; k < 64; k++)
			((struct multicall_entry *)BASE)[k] = version_call();
		got = multicall((const void *)BASE, counts[i]);
		wrong += got != ((uint32_t)counts[i] ? -XEN_EFAULT : 0);
		wrong += (uint32_t)counts[i] && (long)((struct multicall_entry *)BASE)[63].result <= 0;
	}
	map_pte((const void *)BASE, 0);
	page_free(page);
	group_ends("a multicall whose count is too high does what there is");
}

/* Sleep and yield in the middle, with an event that comes. (A block could miss it: it may come just before.) */
static void multicalls_that_sleep(void)
{
	evtchn_port_t port = event_bind_ipi(0);

	event_set_handler(port, count);
	event_unmask_port(port);
	seen = 0;
	for (unsigned int i = 0; i < 30; i += 3) {
		static struct evtchn_send send;
		static struct sched_poll poll = { .timeout = 1 };

		send.port = port;
		list[i] = (struct multicall_entry){
			.op = __HYPERVISOR_event_channel_op, .args = { EVTCHNOP_send, (uint64_t)(uintptr_t)&send },
		};
		list[i + 1] = (struct multicall_entry){
			.op = __HYPERVISOR_sched_op, .args = { SCHEDOP_poll, (uint64_t)(uintptr_t)&poll },
		};
		list[i + 2] = (struct multicall_entry){ .op = __HYPERVISOR_sched_op, .args = { SCHEDOP_yield } };
	}
	*(volatile uint8_t *)&vcpu_info->evtchn_upcall_mask = 0;
	wrong += multicall(list, 30) != 0;
	events_disable();
	for (unsigned int i = 0; i < 30; i++)
		wrong += list[i].result != 0;
	wrong += seen == 0;
	event_close(port);
	group_ends("a multicall may sleep and go on");
}

/* ---- continued calls ---- */

/*
 * XSA-296, 318: the place where a long call goes on is in the guest's registers and arguments; here it is a lie from
 * the first.
 */
static void continuations_that_never_began(void)
{
	static uint64_t numbers[4];
	static struct mmu_update update;
	uint32_t done = 0x12345678;
	struct xen_memory_reservation give = {
		.extent_start = (uint64_t)(uintptr_t)numbers, .nr_extents = 4, .domid = DOMID_SELF,
	};
	domid_t self = DOMID_SELF;
	long before = hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
	static const uint64_t starts[] = { 4, 5, 1UL << 20, 1UL << 40, (1UL << 58) - 1 };

	for (unsigned int i = 0; i < ARRAY_SIZE(starts); i++)
		for (unsigned int cmd = 0; cmd < 64; cmd++) {
			long got;

			if (cmd == XENMEM_machine_memory_map)
				continue;
			got = hypercall2(__HYPERVISOR_memory_op, cmd | starts[i] << 6, &give);
			wrong += got < -4095;
		}
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self) != before;
	group_ends("memory calls that begin behind their end do nothing");
	update.ptr = ~3UL;
	wrong += hypercall4(__HYPERVISOR_mmu_update, &update, 1UL << 63 | 1, &done, DOMID_SELF) >= 0;
	wrong += hypercall4(__HYPERVISOR_mmu_update, &update, 1UL << 63, &done, DOMID_SELF) != 0;
	wrong += hypercall4(__HYPERVISOR_mmu_update, &update, 1UL << 63, UNMAPPED, DOMID_SELF) != -XEN_EFAULT;
	wrong += hypercall4(__HYPERVISOR_mmuext_op, &update, 1UL << 63, UNMAPPED, DOMID_SELF) != -XEN_EFAULT;
	wrong += hypercall4(__HYPERVISOR_mmuext_op, &update, 1UL << 63, IN_THE_HOLE, DOMID_SELF) != -XEN_EFAULT;
	group_ends("page-table calls that claim to be continued count what they do");
}

static struct xen_memory_reservation moving;
static uint64_t moving_list[512];

/* While a long call is interrupted its arguments go elsewhere. */
static void move_arguments(evtchn_port_t port)
{
	static const uint64_t places[] = { IN_THE_HOLE, UNMAPPED, 0x8000000000000000, ~0UL };

	seen++;
	moving.extent_start = places[seen % ARRAY_SIZE(places)];
	moving.nr_extents = next_random();
	moving.extent_order = (uint32_t)next_random();
	moving.domid = seen & 1 ? DOMID_SELF : (domid_t)next_random();
	(void)port;
}

static void arguments_that_move(void)
{
	evtchn_port_t port = event_bind_ipi(0);
	domid_t self = DOMID_SELF;
	long before = hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self), got;

	event_set_handler(port, move_arguments);
	event_unmask_port(port);
	seen = 0;
	for (unsigned int round = 0; round < 50; round++) {
		moving = (struct xen_memory_reservation){
			.extent_start = (uint64_t)(uintptr_t)moving_list, .nr_extents = 512, .domid = DOMID_SELF,
		};
		event_send(port);
		*(volatile uint8_t *)&vcpu_info->evtchn_upcall_mask = 0;
		/* Above the limit: a frame or none, and then the arguments have moved. */
		got = hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &moving);
		events_disable();
		wrong += got < -4095;
	}
	event_close(port);
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self) != before;
	group_ends("arguments that move while a call is interrupted");
}

/* ---- grants ---- */

#define HANDLES_AT_ONCE	64U

/* XSA-228, 236, 380: every handle that there is, then all unmapped in another order; and none unmapped twice. */
static void every_grant_handle(void)
{
	static struct gnttab_map_grant_ref maps[HANDLES_AT_ONCE];
	static struct gnttab_unmap_grant_ref unmaps[HANDLES_AT_ONCE];
	uint64_t *page = page_alloc();
	unsigned int mapped = 0, highest = 0, unmapped = 0;
	bool full = false;

	grant_access(9, 0, virt_to_mfn(page), false);
	while (!full && mapped < 1U << 20) {
		for (unsigned int i = 0; i < HANDLES_AT_ONCE; i++)
			maps[i] = (struct gnttab_map_grant_ref){
				.flags = GNTMAP_device_map | (i & 1 ? GNTMAP_readonly : 0), .ref = 9, .dom = 0,
			};
		wrong += hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, maps, HANDLES_AT_ONCE) != 0;
		for (unsigned int i = 0; i < HANDLES_AT_ONCE; i++) {
			if (maps[i].status) {
				wrong += maps[i].status != GNTST_no_device_space;
				full = true;
				continue;
			}
			mapped++;
			highest = maps[i].handle > highest ? maps[i].handle : highest;
		}
	}
	printf("# %u handles\n", mapped);
	wrong += highest != mapped - 1;
	wrong += grant_end_access(9);
	for (int round = 0; round < 2; round++)
		for (unsigned int h = 0; h < mapped; h += HANDLES_AT_ONCE) {
			for (unsigned int i = 0; i < HANDLES_AT_ONCE; i++)
				unmaps[i] = (struct gnttab_unmap_grant_ref){
					.handle = mapped - 1 - (h + i), .dev_bus_addr = virt_to_mfn(page) << PAGE_SHIFT,
				};
			wrong += hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, unmaps,
					    HANDLES_AT_ONCE) != 0;
			for (unsigned int i = 0; i < HANDLES_AT_ONCE; i++) {
				unmapped += !unmaps[i].status;
				wrong += round && unmaps[i].status != GNTST_bad_handle;
			}
		}
	wrong += unmapped != mapped;
	wrong += !grant_end_access(9);
	page_make_readonly(page);
	wrong += mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(page)) != 0;
	mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(page));
	page_make_writable(page);
	page_free(page);
	group_ends("every grant handle can be used once, and nothing is held afterwards");
}

/* XSA-227: the address of an entry must be one, whatever its low bits; XSA-224, 234: flags that don't fit. */
static void grants_at_bad_places(void)
{
	uint64_t *page = page_alloc(), value;
	uint64_t entry = pt_entry(kernel_l4_mfn(), BASE, 1, &value);
	const uint64_t places[] = {
		entry + 1, entry + 7, entry ^ 1UL << 51, kernel_l4_mfn() << PAGE_SHIFT, virt_to_mfn(page) << PAGE_SHIFT, ~0UL,
		0x200000, 0xfee00000,
	};
	static const uint64_t addresses[] = {
		IN_THE_HOLE, 0xffff800000000000, UNMAPPED, 0x8000000000000000, 0x0000800000000000, ~0UL, 0xffff87fffffff000,
	};

	grant_access(9, 0, virt_to_mfn(page), false);
	for (unsigned int i = 0; i < ARRAY_SIZE(places) + ARRAY_SIZE(addresses); i++)
		for (unsigned int readonly = 0; readonly < 2; readonly++) {
			bool by_entry = i < ARRAY_SIZE(places);
			struct gnttab_map_grant_ref map = {
				.host_addr = by_entry ? places[i] : addresses[i - ARRAY_SIZE(places)],
				.flags = GNTMAP_host_map | (by_entry ? GNTMAP_contains_pte : 0) | (readonly ? GNTMAP_readonly : 0),
				.ref = 9, .dom = 0,
			};
			struct gnttab_unmap_grant_ref unmap = { .host_addr = map.host_addr };

			hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &map, 1);
			if (i >= 2 || map.status) {
				wrong += map.status >= 0;
				continue;
			}
			/* The low bits of an entry's address: refused, or as if they were clear. */
			pt_entry(kernel_l4_mfn(), BASE, 1, &value);
			wrong += (value & PTE_ADDR) >> PAGE_SHIFT != virt_to_mfn(page);
			unmap.handle = map.handle;
			hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &unmap, 1);
			wrong += unmap.status != 0;
		}
	wrong += !grant_end_access(9);
	page_free(page);
	group_ends("a grant is mapped by an entry of the caller's or not at all");
}

/* ---- memory ---- */

/* XSA-385: no more than the limit, however it is asked for; XSA-31: orders that no block has. */
static void memory_to_the_limit(void)
{
	static const uint32_t orders[] = { 10, 18, 19, 20, 31, 32, 63, 64, 0x80000000, 0xffffffff };
	domid_t self = DOMID_SELF;
	long before = hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
	long limit = hypercall2(__HYPERVISOR_memory_op, XENMEM_maximum_reservation, &self);
	struct xen_memory_reservation take = {
		.extent_start = (uint64_t)(uintptr_t)moving_list, .nr_extents = 512, .domid = DOMID_SELF,
	};
	long got = 0, sum = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++) {
		take.extent_order = orders[i];
		for (unsigned int cmd = 0; cmd < 2; cmd++) {
			long result = hypercall2(__HYPERVISOR_memory_op, cmd ? XENMEM_decrease_reservation :
							   XENMEM_populate_physmap, &take);

			wrong += result > 0 && (cmd || orders[i] > 18);
		}
	}
	take.extent_order = 0;
	while (before + sum < limit && (got = hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &take)) > 0) {
		struct xen_memory_reservation give = take;

		sum += got;
		give.nr_extents = (uint64_t)got;
		wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &give) != got;
		if (sum > 4096)
			break;
	}
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self) > limit;
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self) != before;
	group_ends("no more memory than the limit, in any order");
}

void guest_main(void)
{
	tap_start("storms");
	on_xen = cmdline_value("hv=");
	if (grants_init())
		panic("no grant table");
	pt_ensure(kernel_l4_mfn(), BASE);
	timers_at_their_limits();
	timers_in_the_past();
	events_that_send_events();
	upcalls_that_answer_nothing();
	lies_in_shared_memory();
	every_port();
	resets_in_a_storm();
	events_work("an event arrives after all that");
	multicalls_of_what_must_not_be();
	multicalls_that_change_themselves();
	multicalls_that_change_the_base();
	multicalls_without_end();
	multicalls_that_sleep();
	/*
	 * Xen's ways differ: it tells nothing of calls with no element, an entry of its grant tables has at most 255 uses,
	 * and its dom0 may take more memory than it began with.
	 */
	if (!on_xen) {
		continuations_that_never_began();
		arguments_that_move();
		every_grant_handle();
		grants_at_bad_places();
		memory_to_the_limit();
	}
	events_work("an event arrives after all that");
	fifo = true;
	if (events_use_fifo()) {
		tap_skip("FIFO events", "this hypervisor has none");
	} else {
		every_port();
		lies_in_event_words();
		resets_in_a_storm();
	}
	tap_ok(vcpu_info->evtchn_upcall_mask == 1, "the event mask is as before");
	tap_end();
}
