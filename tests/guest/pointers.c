// SPDX-License-Identifier: MIT
/*
 * Every hypercall and every sub-operation, numbers that are none included, with every kind of bad pointer.
 *
 * `rows` says of each hypercall which argument is the sub-operation, which a pointer, and what the others are;
 * `places` is where a pointer may lead that should lead nowhere. All are tried with each other, also by way of a
 * multicall. A call must refuse, in the range of error numbers; `harmless` lists the few that do not look at their
 * pointer. Memory is mapped right up to the hypervisor's hole and up to the end of the lower half, so that a range
 * which straddles an edge begins or ends well.
 *
 * `nested` are pointers within structures. `out_calls` succeed but for their answer, which can't be told: they must
 * have opened nothing. `arrays` have one good element before a page's end and a count that goes on for ever.
 *
 * Nothing may have changed afterwards. The answers for single calls are in hypercalls.c; what is here is that no
 * combination was forgotten.
 */
#include <xen/callback.h>
#include <xen/grant_table.h>
#include <xen/mca.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#include "runtime.h"

#define HOLE_FIRST	0xffff800000000000UL
#define HOLE_END	0xffff880000000000UL
#define LOWER_END	0x0000800000000000UL
#define UNMAPPED	0x0000123400001000UL
#define GP		13
#define PF		14

#define P(x)		((uint64_t)(uintptr_t)(x))

static char edge[2 * PAGE_SIZE] __attribute__((aligned(4096)));		/* the second page is not mapped */
static char closed[2 * PAGE_SIZE] __attribute__((aligned(4096)));	/* the second page is read-only */
static unsigned int wrong;
static unsigned long calls_made;
static bool on_xen;			/* Debian's Xen, where the two differ on purpose */

static void group_ends(const char *name)
{
	tap_long(wrong, 0, name);
	wrong = 0;
}

static const struct {
	const char *name;
	uint64_t address;
} places[] = {
	{ "address 16", 16 },
	{ "an unmapped page", UNMAPPED },
	{ "one byte before an unmapped page", P(edge + PAGE_SIZE - 1) },
	{ "the lower half's last byte", LOWER_END - 1 },
	{ "the lower half's end", LOWER_END },
	{ "not canonical", 0x8000000000000000 },
	{ "not canonical, before the hole", HOLE_FIRST - 1 },
	{ "not canonical, far", 0x0123456789abcdef },
	{ "the hole's first byte, readable", HOLE_FIRST },
	{ "the M2P, readable", HOLE_FIRST + 0x1000 },
	{ "the M2P for writing", 0xffff808000000000 },
	{ "the frame table", 0xffff810000000000 },
	{ "the descriptor tables", 0xffff818000000000 },
	{ "the image", 0xffff82d040200000 },
	{ "a CPU's stack", 0xffff82d08000f000 },
	{ "the direct map", 0xffff830000100000 },
	{ "the hole's last byte but two", HOLE_END - 3 },
	{ "the hole's last byte", HOLE_END - 1 },
	{ "the last byte of all", ~0UL },
	{ "the last word of all", ~0UL - 7 },
};

/* ---- calls ---- */

#define NONE		(-1)
#define ITSELF		1UL		/* a count of one */

struct row {
	const char *name;
	unsigned int number;
	int op, last;		/* which argument is the sub-operation, and the last one to try */
	int pointer;		/* which argument is the pointer */
	uint64_t a[5];
};

static const struct row rows[] = {
	{ "set_trap_table", __HYPERVISOR_set_trap_table, NONE, 0, 0, { 0 } },
	{ "mmu_update", __HYPERVISOR_mmu_update, NONE, 0, 0, { 0, 1, 0, DOMID_SELF } },
	{ "mmu_update of many", __HYPERVISOR_mmu_update, NONE, 0, 0, { 0, 0xffffffff, 0, DOMID_SELF } },
	{ "mmu_update, count done", __HYPERVISOR_mmu_update, NONE, 0, 2, { 0, 0, 0, DOMID_SELF } },
	{ "set_gdt", __HYPERVISOR_set_gdt, NONE, 0, 0, { 0, 512 } },
	{ "set_gdt of 14 frames", __HYPERVISOR_set_gdt, NONE, 0, 0, { 0, 7168 } },
	{ "sched_op_compat", __HYPERVISOR_sched_op_compat, 0, 4, 1, { 0 } },
	{ "platform_op", __HYPERVISOR_platform_op, NONE, 0, 0, { 0 } },
	{ "memory_op", __HYPERVISOR_memory_op, 0, 63, 1, { 0 } },
	{ "multicall", __HYPERVISOR_multicall, NONE, 0, 0, { 0, 1 } },
	{ "multicall of many", __HYPERVISOR_multicall, NONE, 0, 0, { 0, 0xffffffff } },
	{ "update_va_mapping", __HYPERVISOR_update_va_mapping, NONE, 0, 0, { 0, 0, 0 } },
	{ "update_va_mapping, vcpus", __HYPERVISOR_update_va_mapping, NONE, 0, 2, { P(edge + PAGE_SIZE), 0, 0 } },
	{ "event_channel_op_compat", __HYPERVISOR_event_channel_op_compat, NONE, 0, 0, { 0 } },
	{ "xen_version", __HYPERVISOR_xen_version, 0, 16, 1, { 0 } },
	{ "console_io", __HYPERVISOR_console_io, 0, 4, 2, { 0, 16, 0 } },
	{ "console_io of much", __HYPERVISOR_console_io, 0, 0, 2, { 0, 0xffffffff, 0 } },
	{ "physdev_op_compat", __HYPERVISOR_physdev_op_compat, NONE, 0, 0, { 0 } },
	{ "grant_table_op", __HYPERVISOR_grant_table_op, 0, 20, 1, { 0, 0, 1 } },
	{ "grant_table_op of many", __HYPERVISOR_grant_table_op, 0, 20, 1, { 0, 0, 0xffffffff } },
	{ "update_va_mapping_otherdomain", __HYPERVISOR_update_va_mapping_otherdomain, NONE, 0, 0, { 0, 0, 0, 0x1234 } },
	{ "vcpu_op", __HYPERVISOR_vcpu_op, 0, 20, 2, { 0, 0, 0 } },
	{ "mmuext_op", __HYPERVISOR_mmuext_op, NONE, 0, 0, { 0, 1, 0, DOMID_SELF } },
	{ "mmuext_op of many", __HYPERVISOR_mmuext_op, NONE, 0, 0, { 0, 0xffffffff, 0, DOMID_SELF } },
	{ "mmuext_op, count done", __HYPERVISOR_mmuext_op, NONE, 0, 2, { 0, 0, 0, DOMID_SELF } },
	{ "xsm_op", __HYPERVISOR_xsm_op, NONE, 0, 0, { 0 } },
	{ "nmi_op", __HYPERVISOR_nmi_op, 0, 3, 1, { 0 } },
	{ "sched_op", __HYPERVISOR_sched_op, 0, 12, 1, { 0 } },
	{ "callback_op", __HYPERVISOR_callback_op, 0, 3, 1, { 0 } },
	{ "xenoprof_op", __HYPERVISOR_xenoprof_op, 0, 20, 1, { 0 } },
	{ "event_channel_op", __HYPERVISOR_event_channel_op, 0, 20, 1, { 0 } },
	{ "physdev_op", __HYPERVISOR_physdev_op, 0, 40, 1, { 0 } },
	{ "hvm_op", __HYPERVISOR_hvm_op, 0, 30, 1, { 0 } },
	{ "sysctl", __HYPERVISOR_sysctl, NONE, 0, 0, { 0 } },
	{ "domctl", __HYPERVISOR_domctl, NONE, 0, 0, { 0 } },
	{ "kexec_op", __HYPERVISOR_kexec_op, 0, 10, 1, { 0 } },
	{ "tmem_op", __HYPERVISOR_tmem_op, NONE, 0, 0, { 0 } },
	{ "argo_op, first", __HYPERVISOR_argo_op, 0, 6, 1, { 0 } },
	{ "argo_op, second", __HYPERVISOR_argo_op, 0, 6, 2, { 0 } },
	{ "xenpmu_op", __HYPERVISOR_xenpmu_op, 0, 8, 1, { 0 } },
	{ "dm_op", __HYPERVISOR_dm_op, NONE, 0, 2, { 0, 1 } },
	{ "hypfs_op", __HYPERVISOR_hypfs_op, 0, 4, 1, { 0 } },
	{ "mca", __HYPERVISOR_arch_0, NONE, 0, 0, { 0 } },
	{ "arch_1", __HYPERVISOR_arch_1, NONE, 0, 0, { 0 } },
};

/* What does not look at its pointer, and may succeed. Sleeping for ever and going down is not tried at all. */
static bool harmless(const struct row *r, int op)
{
	switch (r->number) {
	case __HYPERVISOR_memory_op:
		/* The first three count what they have done; the rest is about the machine. */
		return op == XENMEM_increase_reservation || op == XENMEM_decrease_reservation ||
		       op == XENMEM_populate_physmap || op == XENMEM_maximum_ram_page || op == XENMEM_get_sharing_freed_pages ||
		       op == XENMEM_get_sharing_shared_pages;
	case __HYPERVISOR_xen_version:
		return op == XENVER_version;
	case __HYPERVISOR_vcpu_op:
		return op == VCPUOP_up || op == VCPUOP_is_up || op == VCPUOP_stop_periodic_timer ||
		       op == VCPUOP_stop_singleshot_timer;
	case __HYPERVISOR_sched_op:
	case __HYPERVISOR_sched_op_compat:
		return op == SCHEDOP_yield;
	case __HYPERVISOR_kexec_op:
		return op >= 7;			/* Xen's status op looks at the type alone, and has no error for others */
	case __HYPERVISOR_hypfs_op:
		return op == 0;			/* its version */
	case __HYPERVISOR_physdev_op:
		return op == PHYSDEVOP_IRQ_UNMASK_NOTIFY;
	case __HYPERVISOR_nmi_op:
		return op == XENNMI_unregister_callback;
	case __HYPERVISOR_console_io:
		return op == CONSOLEIO_read;	/* nothing was typed */
	case __HYPERVISOR_mmu_update:
	case __HYPERVISOR_mmuext_op:
		return r->pointer == 2;		/* nothing was done, so nothing need be told */
	case __HYPERVISOR_update_va_mapping:
		return r->pointer == 2;		/* low bits that ask for no flush */
	default:
		return false;
	}
}

static bool deadly(const struct row *r, int op)
{
	/* In the old form the reason is no pointer. */
	if (r->number == __HYPERVISOR_sched_op_compat && op == SCHEDOP_shutdown)
		return true;
	return ((r->number == __HYPERVISOR_sched_op || r->number == __HYPERVISOR_sched_op_compat) && op == SCHEDOP_block) ||
	       (r->number == __HYPERVISOR_vcpu_op && op == VCPUOP_down);
}

static long call(unsigned int number, const uint64_t *a, bool by_multicall)
{
	static struct multicall_entry entry;
	long result;

	calls_made++;
	if (!by_multicall)
		return hypercall(number, a[0], a[1], a[2], a[3], a[4]);
	entry.op = number;
	memcpy(entry.args, a, 5 * sizeof(a[0]));
	result = hypercall2(__HYPERVISOR_multicall, &entry, 1);
	return result ? result : (long)entry.result;
}

static void try_row(const struct row *r, int op, unsigned int place, bool by_multicall)
{
	uint64_t a[5];
	long got;

	/* There it is no pointer but the address to be changed, and these two are mapped. */
	if (r->number == __HYPERVISOR_update_va_mapping && !r->pointer &&
	    (places[place].address == P(edge + PAGE_SIZE - 1) || places[place].address == LOWER_END - 1))
		return;
	memcpy(a, r->a, sizeof(a));
	if (r->op != NONE)
		a[r->op] = (uint64_t)op;
	a[r->pointer] = places[place].address;
	if (r->pointer == 2 && r->number == __HYPERVISOR_update_va_mapping)
		a[2] = (a[2] & ~7UL) | UVMF_TLB_FLUSH;
	got = call(r->number, a, by_multicall);
	/* A one-byte read across the hole's end, and the like, can't be good whatever the structure. */
	if (got < 0 && got >= -4095)
		return;
	if (harmless(r, op) && got >= 0)
		return;
	printf("# %s %d, pointer to %s: %ld (0x%lx)\n", r->name, r->op == NONE ? 0 : op, places[place].name, got, got);
	wrong++;
}

static void every_call_with_every_place(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		char name[80];

		for (int op = 0; op <= rows[i].last; op++)
			for (unsigned int p = 0; !deadly(&rows[i], op) && p < ARRAY_SIZE(places); p++)
				for (int by_multicall = 0; by_multicall < 2; by_multicall++)
					try_row(&rows[i], op, p, by_multicall);
		snprintf(name, sizeof(name), "%s refuses every bad pointer", rows[i].name);
		group_ends(name);
	}
	printf("# %lu calls\n", calls_made);
}

/* ---- pointers within structures ---- */

struct nested {
	const char *name;
	long (*ask)(uint64_t pointer);
	long want, or_else;
};

static long populate(uint64_t p)
{
	struct xen_memory_reservation r = { p, 4, 0, 0, DOMID_SELF };

	return hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &r);
}

static long decrease(uint64_t p)
{
	struct xen_memory_reservation r = { p, 4, 0, 0, DOMID_SELF };

	return hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &r);
}

static long exchange_in(uint64_t p)
{
	struct xen_memory_exchange x = { .in = { p, 4, 0, 0, DOMID_SELF }, .out = { P(closed), 4, 0, 0, DOMID_SELF } };

	return hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &x);
}

static long machine_map(uint64_t p)
{
	struct xen_memory_map m = { 128, p };

	return hypercall2(__HYPERVISOR_memory_op, XENMEM_machine_memory_map, &m);
}

static long poll_ports(uint64_t p)
{
	struct sched_poll poll = { p, 2, 1 };

	return hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
}

static long poll_one_port(uint64_t p)
{
	struct sched_poll poll = { p, 1, 1 };

	return hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
}

static long grant_frames(uint64_t p)
{
	struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 2, .frame_list = p };
	long result = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &setup, 1);

	return result ? result : setup.status;
}

static long cpu_records(uint64_t p)
{
	struct {
		uint32_t cmd, version;
		struct xen_mc_physcpuinfo cpus;
	} op = { XEN_MC_physcpuinfo, XEN_MCA_INTERFACE_VERSION, { .ncpus = 8, .info = p } };

	return hypercall1(__HYPERVISOR_arch_0, &op);
}

static long flush_vcpus(uint64_t p)
{
	struct mmuext_op op = { .cmd = MMUEXT_TLB_FLUSH_MULTI, .arg2.vcpumask = p };

	return hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF);
}

static long invalidate_on_vcpus(uint64_t p)
{
	struct mmuext_op op = { .cmd = MMUEXT_INVLPG_MULTI, .arg1.linear_addr = p, .arg2.vcpumask = p };

	return hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF);
}

static long runstate_area(uint64_t p)
{
	struct vcpu_register_runstate_memory_area area = { .addr.p = p };
	long result = hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, &area);
	struct sched_poll poll = { .timeout = 1 };

	/* Given up the CPU and taken it again: the area is written, if there is one. */
	hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
	return result;
}

static long console_text(uint64_t p)
{
	return hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, 5, p);
}

static long local_table(uint64_t p)
{
	struct mmuext_op op = { .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = p, .arg2.nr_ents = 8192 };
	struct mmuext_op none = { .cmd = MMUEXT_SET_LDT };
	long result = hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF);
	extern const char use_local[];
	static const uint64_t selectors[] = { 7, 511 * 8 | 7, 512 * 8 | 7, 8191 * 8 | 7 };

	for (unsigned int i = 0; !result && i < ARRAY_SIZE(selectors); i++) {
		struct regs regs = { .rdi = selectors[i] };
		struct outcome o = run_kernel(use_local, &regs);

		if (o.vector == NO_FAULT)
			result = 1;
	}
	hypercall4(__HYPERVISOR_mmuext_op, &none, 1, 0, DOMID_SELF);
	return result;
}

SNIPPET(use_local, "mov %edi, %fs\n xor %edi, %edi\n mov %edi, %fs");
SNIPPET(port_in, "inb %dx, %al");

/* XSA-329's kin: the bitmap is looked at when a port is used. Guest user gets #GP, whatever it leads to. */
static long port_bitmap(uint64_t p)
{
	struct physdev_set_iobitmap set = { p, 65536 }, none = { 0, 0 };
	long result;
	static const uint16_t ports[] = { 0, 7, 0x1f, 0x80 };

	/* Where there is something, it forbids. */
	memset(edge, 0xff, PAGE_SIZE);
	memset((void *)(LOWER_END - PAGE_SIZE), 0xff, PAGE_SIZE);
	memset((void *)HOLE_END, 0xff, PAGE_SIZE);
	result = hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &set);
	for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
		struct regs regs = { .rdx = ports[i] };

		struct outcome o = run_user(port_in, &regs);

		if (o.vector != GP) {
			printf("# bitmap at %lx, port %x: trap %d\n", p, ports[i], o.vector);
			wrong++;
		}
	}
	hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &none);
	return result;
}

static long callback(uint64_t p)
{
	/* A type that nothing here uses; its address must be the guest's. */
	struct callback_register reg = { .type = CALLBACKTYPE_syscall32, .address = p };

	return hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &reg);
}

static long trap_gate(uint64_t p)
{
	struct trap_info gates[2] = { { 200, 0, FLAT_KERNEL_CS, p } };

	return hypercall1(__HYPERVISOR_set_trap_table, gates);
}

#define ANY_ERROR	1L
#define ANYTHING	2L

static const struct nested nested[] = {
	{ "populate_physmap: list", populate, 0, 0 },
	{ "decrease_reservation: list", decrease, 0, 0 },
	{ "exchange: list", exchange_in, -XEN_EFAULT, -XEN_EINVAL },
	{ "machine_memory_map: buffer", machine_map, -XEN_EFAULT, -XEN_EFAULT },
	{ "poll: ports", poll_ports, -XEN_EFAULT, -XEN_EFAULT },
	{ "poll: one port", poll_one_port, -XEN_EFAULT, -XEN_EFAULT },
	{ "setup_table: frames", grant_frames, GNTST_bad_virt_addr, -XEN_EFAULT },
	{ "mca: CPUs", cpu_records, -XEN_EFAULT, -XEN_ENOSYS },
	{ "flush: vcpus", flush_vcpus, -XEN_EFAULT, -XEN_EINVAL },
	{ "invalidate: vcpus", invalidate_on_vcpus, -XEN_EFAULT, -XEN_EINVAL },
	{ "runstate area", runstate_area, ANYTHING, 0 },
	{ "console text", console_text, -XEN_EFAULT, -XEN_EFAULT },
	{ "LDT", local_table, ANYTHING, 0 },
	{ "port bitmap", port_bitmap, ANYTHING, 0 },
	{ "callback", callback, ANYTHING, 0 },
	{ "trap gate", trap_gate, ANYTHING, 0 },
};

/* Calls whose pointer is an address for later: taken where it is the guest's, refused where it never can be. */
static bool never_a_guests(uint64_t address)
{
	return address >= LOWER_END && address < HOLE_END;
}

static void every_nested_pointer(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(nested); i++) {
		char name[80];

		for (unsigned int p = 0; p < ARRAY_SIZE(places); p++) {
			long got;
			bool good;

			/* A vcpu mask of one byte fits where nothing larger does; -1 there is no straddling. */
			if ((nested[i].ask == flush_vcpus || nested[i].ask == invalidate_on_vcpus) &&
			    (places[p].address == P(edge + PAGE_SIZE - 1) || places[p].address == LOWER_END - 1))
				continue;
			got = nested[i].ask(places[p].address);
			if (nested[i].want == ANYTHING)
				/* Xen takes a handler in the hole, and ends the guest when it is called. */
				good = got <= 0 && got > -4095 &&
				       (got < 0 || !never_a_guests(places[p].address) || nested[i].ask == port_bitmap || on_xen);
			else
				good = got == nested[i].want || got == nested[i].or_else;
			if (!good) {
				printf("# %s at %s: %ld\n", nested[i].name, places[p].name, got);
				wrong++;
			}
		}
		snprintf(name, sizeof(name), "%s: every bad pointer", nested[i].name);
		group_ends(name);
	}
	runstate_area(0);
	/* What was accepted of these is taken back. */
	trap_gate(P(trap_stubs + 16 * 200));
	callback(P(syscall32_entry));
}

/* ---- answers that can't be told ---- */

/* The argument lies on a read-only page: it can be read, and the answer not be written. */
static void answers_that_cannot_be_told(void)
{
	void *argument = closed + PAGE_SIZE;
	static const struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
	static const struct evtchn_bind_ipi ipi = { .vcpu = 0 };
	static const struct evtchn_bind_virq virq = { .virq = VIRQ_DEBUG, .vcpu = 0 };
	static const struct physdev_map_pirq pirq = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 9, .pirq = 9 };
	static const struct physdev_irq irq = { .irq = 9 };
	static const struct gnttab_query_size query = { .dom = DOMID_SELF };
	static const struct gnttab_map_grant_ref map = { .flags = GNTMAP_device_map, .ref = 9, .dom = 0 };
	static const struct xen_memory_map no_map = { 0, 0 };
	struct evtchn_bind_interdomain bind = { .remote_dom = 0 };
	const struct {
		const char *name;
		unsigned int number;
		uint64_t op;
		const void *from;
		size_t bytes;
		uint64_t count;
	} out_calls[] = {
		{ "alloc_unbound", __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &alloc, sizeof(alloc), 0 },
		{ "bind_ipi", __HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, &ipi, sizeof(ipi), 0 },
		{ "bind_virq", __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, &virq, sizeof(virq), 0 },
		{ "bind_interdomain", __HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &bind, sizeof(bind), 0 },
		{ "map_pirq", __HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &pirq, sizeof(pirq), 0 },
		{ "alloc_irq_vector", __HYPERVISOR_physdev_op, PHYSDEVOP_alloc_irq_vector, &irq, sizeof(irq), 0 },
		{ "query_size", __HYPERVISOR_grant_table_op, GNTTABOP_query_size, &query, sizeof(query), 1 },
		{ "map_grant_ref", __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &map, sizeof(map), 1 },
		{ "machphys_mapping", __HYPERVISOR_memory_op, XENMEM_machphys_mapping, &no_map, sizeof(no_map), 0 },
		{ "get_features", __HYPERVISOR_xen_version, XENVER_get_features, &no_map, sizeof(no_map), 0 },
		{ "capabilities", __HYPERVISOR_xen_version, XENVER_capabilities, &no_map, 0, 0 },
		{ "runstate", __HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, &no_map, 0, 0 },
	};
	uint64_t *page = page_alloc();
	evtchn_port_t unbound = event_alloc_unbound(0), after;

	bind.remote_port = unbound;
	grant_access(9, 0, virt_to_mfn(page), false);
	for (unsigned int i = 0; i < ARRAY_SIZE(out_calls); i++) {
		long got;
		bool vcpu = out_calls[i].number == __HYPERVISOR_vcpu_op;

		page_make_writable(argument);
		memset(argument, 0, PAGE_SIZE);
		memcpy(argument, out_calls[i].from, out_calls[i].bytes);
		page_make_readonly(argument);
		got = hypercall(out_calls[i].number, out_calls[i].op, vcpu ? 0 : P(argument), vcpu ? P(argument) :
				out_calls[i].count, 0, 0);
		if (got != -XEN_EFAULT) {
			printf("# %s: %ld\n", out_calls[i].name, got);
			wrong++;
		}
	}
	group_ends("a call whose answer can't be told fails");
	after = event_alloc_unbound(0);
	tap_long(after, unbound + 1, "and has opened no port");
	tap_ok(grant_end_access(9), "nor kept a grant");
	event_close(after);
	event_close(unbound);
	page_free(page);
	page_make_writable(argument);
}

/* ---- counts ---- */

/* One good element before the end of memory, and a count that goes on for ever. */
static void endless_counts(void)
{
	static const uint64_t counts[] = { 2, 0x7fffffff, 0x80000000, 0xffffffff };
	static const struct {
		const char *name;
		unsigned int number;
		size_t bytes;
		int op;		/* a[0], with the pointer behind it, or NONE */
	} arrays[] = {
		{ "mmu_update", __HYPERVISOR_mmu_update, sizeof(struct mmu_update), NONE },
		{ "mmuext_op", __HYPERVISOR_mmuext_op, sizeof(struct mmuext_op), NONE },
		{ "multicall", __HYPERVISOR_multicall, sizeof(struct multicall_entry), NONE },
		{ "map_grant_ref", __HYPERVISOR_grant_table_op, sizeof(struct gnttab_map_grant_ref), GNTTABOP_map_grant_ref },
		{ "unmap_grant_ref", __HYPERVISOR_grant_table_op, sizeof(struct gnttab_unmap_grant_ref),
		  GNTTABOP_unmap_grant_ref },
		{ "copy", __HYPERVISOR_grant_table_op, sizeof(struct gnttab_copy), GNTTABOP_copy },
	};
	uint64_t value, entry = pt_entry(kernel_l4_mfn(), P(edge), 1, &value);

	for (unsigned int i = 0; i < ARRAY_SIZE(arrays); i++)
		for (unsigned int c = 0; c < ARRAY_SIZE(counts); c++) {
			uint64_t at = P(edge + PAGE_SIZE - arrays[i].bytes);
			uint32_t done = 99;
			long got;

			memset(edge, 0, PAGE_SIZE);
			if (arrays[i].number == __HYPERVISOR_mmu_update)
				*(struct mmu_update *)at = (struct mmu_update){ entry, value };
			else if (arrays[i].number == __HYPERVISOR_mmuext_op)
				((struct mmuext_op *)at)->cmd = MMUEXT_TLB_FLUSH_LOCAL;
			else if (arrays[i].number == __HYPERVISOR_multicall)
				((struct multicall_entry *)at)->op = __HYPERVISOR_xen_version;
			if (arrays[i].op == NONE)
				got = hypercall(arrays[i].number, at, counts[c],
						arrays[i].number == __HYPERVISOR_multicall ? 0 : P(&done), DOMID_SELF, 0);
			else
				got = hypercall(arrays[i].number, (uint64_t)arrays[i].op, at, counts[c], 0, 0);
			if (got != -XEN_EFAULT || (done != 99 && done > 1)) {
				printf("# %s of %lx: %ld, %u done\n", arrays[i].name, counts[c], got, done);
				wrong++;
			}
		}
	group_ends("an array that leaves the mapped memory is done up to there, or not at all");
}

void guest_main(void)
{
	void *before_hole = page_alloc(), *behind_hole = page_alloc();
	domid_t self = DOMID_SELF;
	long pages;
	evtchn_port_t first, last;

	tap_start("pointers");
	on_xen = cmdline_value("hv=");
	user_l4_mfn();
	if (grants_init())
		panic("no grant table");
	pt_ensure(kernel_l4_mfn(), LOWER_END - PAGE_SIZE);
	pt_ensure(kernel_l4_mfn(), HOLE_END);
	if (map_pte((const void *)(LOWER_END - PAGE_SIZE), mfn_pte(virt_to_mfn(before_hole), PTE_RWDATA)) ||
	    map_pte((const void *)HOLE_END, mfn_pte(virt_to_mfn(behind_hole), PTE_RWDATA)) ||
	    map_pte(edge + PAGE_SIZE, 0))
		panic("the edges can't be mapped");
	pages = hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
	first = event_alloc_unbound(0);
	event_close(first);
	every_call_with_every_place();
	every_nested_pointer();
	/*
	 * Xen keeps what it opened though the caller can't learn of it, and has a mark of its own in the upper bit of
	 * counts.
	 */
	if (!on_xen) {
		answers_that_cannot_be_told();
		endless_counts();
		last = event_alloc_unbound(0);
		tap_long(last, first, "no port is open that was not before");
	}
	tap_long(hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self), pages,
		 "the memory reservation is as before");
	tap_ok(vcpu_info->evtchn_upcall_mask == 1, "the event mask is as before");
	tap_end();
}
