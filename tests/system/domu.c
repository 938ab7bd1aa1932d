// SPDX-License-Identifier: MIT
/*
 * A hostile guest without privileges: whatever would reach beyond it is refused, and it says so on the hypervisor's
 * console, line by line. tests/system/test_domains.py starts it by xl.
 *
 * Every sub-operation of domctl, sysctl and platform_op is tried with the right version; memory, page tables, ports
 * and grants of dom0 by number; frames that are not its own.
 */
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/version.h>

#include "runtime.h"

#define SYSCTL_VERSION 0x15

/* Where every answer must be `want`; the first that is not is told. */
static void all_refused(const char *what, unsigned int number, unsigned int first, unsigned int last, long want)
{
	static uint32_t op[64];

	for (unsigned int cmd = first; cmd <= last; cmd++) {
		long got;

		memset(op, 0, sizeof(op));
		op[0] = cmd;
		op[1] = number == __HYPERVISOR_platform_op ? XENPF_INTERFACE_VERSION : SYSCTL_VERSION;
		got = hypercall1(number, op);
		if (got != want) {
			tap_ok(false, "%s %u is answered %ld", what, cmd, got);
			return;
		}
	}
	tap_ok(true, "%s is refused, every sub-operation", what);
}

static void machine(void)
{
	static const unsigned int needs_rights[] = {
		PHYSDEVOP_map_pirq, PHYSDEVOP_unmap_pirq, PHYSDEVOP_setup_gsi, PHYSDEVOP_apic_read,
		PHYSDEVOP_alloc_irq_vector, PHYSDEVOP_pci_device_add, PHYSDEVOP_pci_device_remove,
	};
	static char buffer[1024];
	bool good = true;

	all_refused("domctl", __HYPERVISOR_domctl, 0, 90, -XEN_EPERM);
	all_refused("domctl of a debugger", __HYPERVISOR_domctl, 1000, 1003, -XEN_EPERM);
	all_refused("sysctl", __HYPERVISOR_sysctl, 0, 40, -XEN_EPERM);
	all_refused("platform_op", __HYPERVISOR_platform_op, 0, 70, -XEN_EPERM);
	for (unsigned int i = 0; i < ARRAY_SIZE(needs_rights); i++)
		good &= hypercall2(__HYPERVISOR_physdev_op, needs_rights[i], buffer) == -XEN_EPERM;
	tap_ok(good, "physdev_op of the machine is refused");
	tap_long(hypercall3(__HYPERVISOR_console_io, CONSOLEIO_read, 8, buffer), -XEN_EPERM,
		 "the keyboard is not its own");
	tap_ok(!hypercall2(__HYPERVISOR_xen_version, XENVER_commandline, buffer) && !buffer[0],
	       "the hypervisor's options are not shown");
	tap_ok(hypercall1(__HYPERVISOR_arch_0, buffer) < 0, "machine checks are not told");
}

static void memory_of_others(void)
{
	static const unsigned int reservations[] = {
		XENMEM_increase_reservation, XENMEM_decrease_reservation, XENMEM_populate_physmap, XENMEM_claim_pages,
	};
	static const unsigned int about[] = {
		XENMEM_current_reservation, XENMEM_maximum_reservation, XENMEM_maximum_gpfn, XENMEM_add_to_physmap,
		XENMEM_remove_from_physmap,
	};
	static uint64_t list[4];
	struct xen_mem_acquire_resource r = { .domid = 0, .type = XENMEM_resource_grant_table, .nr_frames = 1,
					      .frame_list = HYPERCALL_ARG(list) };
	struct xen_machphys_mfn_list m2p = { 4, HYPERCALL_ARG(list), 0 };
	struct xen_foreign_memory_map map = { 0, { 0, 0 } };
	struct xen_memory_map host = { 4, HYPERCALL_ARG(list) };
	domid_t other = 0;
	bool good = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(reservations); i++) {
		struct xen_memory_reservation x = { .nr_extents = 1, .domid = 0 };

		good &= hypercall2(__HYPERVISOR_memory_op, reservations[i], &x) == -XEN_EPERM;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(about); i++)
		good &= hypercall2(__HYPERVISOR_memory_op, about[i], &other) == -XEN_EPERM;
	tap_ok(good, "dom0's memory is not its to ask for or change");
	tap_long(hypercall2(__HYPERVISOR_memory_op, XENMEM_acquire_resource, &r), -XEN_EPERM, "nor its grant table");
	tap_long(hypercall2(__HYPERVISOR_memory_op, XENMEM_machphys_mfn_list, &m2p), -XEN_EPERM, "nor the M2P's frames");
	tap_long(hypercall2(__HYPERVISOR_memory_op, XENMEM_set_memory_map, &map), -XEN_EPERM, "nor a memory map");
	tap_long(hypercall2(__HYPERVISOR_memory_op, XENMEM_machine_memory_map, &host), -XEN_EPERM, "nor the machine's");
}

/* Is it one of ours? */
static bool own_frame(uint64_t mfn)
{
	for (uint64_t pfn = 0; pfn < start_info->nr_pages; pfn++)
		if (pfn_to_mfn(pfn) == mfn)
			return true;
	return mfn == start_info->shared_info >> PAGE_SHIFT;
}

static void frames_of_others(void)
{
	static const domid_t owners[] = { 0, DOMID_XEN, DOMID_FIRST_RESERVED - 1 };
	void *page = page_alloc();
	uint64_t entry, old, mapped = 0, pinned = 0, tried = 0;
	struct xen_machphys_mapping m2p;
	bool good = true;

	entry = pt_entry(kernel_l4_mfn(), (uint64_t)page, 1, &old);
	hypercall2(__HYPERVISOR_memory_op, XENMEM_machphys_mapping, &m2p);
	for (uint64_t mfn = 1; mfn < m2p.max_mfn; mfn += 997) {
		if (own_frame(mfn))
			continue;
		tried++;
		mapped += !map_pte(page, mfn_pte(mfn, PTE_RODATA)) + !pt_write(entry, mfn_pte(mfn, PTE_RWDATA));
		for (unsigned int level = MMUEXT_PIN_L1_TABLE; level <= MMUEXT_PIN_L4_TABLE; level++)
			pinned += !mmuext(level, mfn);
		pinned += !mmuext(MMUEXT_UNPIN_TABLE, mfn) + !mmuext(MMUEXT_NEW_BASEPTR, mfn) +
			  !mmuext(MMUEXT_CLEAR_PAGE, mfn);
	}
	tap_ok(tried > 20 && !mapped, "frames of others can't be mapped (%lu tried, %lu mapped)", (unsigned long)tried,
	       (unsigned long)mapped);
	tap_ok(!pinned, "nor be made tables, or cleared");
	for (unsigned int i = 0; i < ARRAY_SIZE(owners); i++) {
		struct mmu_update u = { entry, mfn_pte(m2p.max_mfn / 2, PTE_RODATA) };
		struct mmuext_op op = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = m2p.max_mfn / 2 };

		good &= hypercall4(__HYPERVISOR_mmu_update, &u, 1, 0, owners[i]) < 0;
		good &= hypercall4(__HYPERVISOR_mmu_update, &u, 1, 0, DOMID_SELF | (owners[i] + 1UL) << 16) < 0;
		good &= hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, owners[i]) < 0;
		good &= hypercall4(__HYPERVISOR_update_va_mapping_otherdomain, page, u.val, 0, owners[i]) < 0;
	}
	tap_ok(good, "naming their owner does not help");
	tap_ok(map_pte(page, mfn_pte(0xfee00, PTE_RWDATA)) < 0 && map_pte(page, mfn_pte(0xb8, PTE_RWDATA)) < 0,
	       "devices can't be mapped");
}

static void ports_and_grants(void)
{
	struct evtchn_alloc_unbound unbound = { .dom = 0, .remote_dom = DOMID_SELF };
	struct evtchn_status status = { .dom = 0, .port = 1 };
	struct evtchn_reset reset = { .dom = 0 };
	struct gnttab_setup_table table = { .dom = 0, .nr_frames = 1 };
	struct gnttab_query_size size = { .dom = 0 };
	unsigned int bound = 0, mapped = 0, copied = 0;
	void *page = page_alloc();

	tap_long(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &unbound), -XEN_EPERM,
		 "no port can be opened in dom0");
	tap_long(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_status, &status), -XEN_EPERM, "nor looked at");
	tap_long(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_reset, &reset), -XEN_EPERM, "nor all closed");
	for (unsigned int port = 0; port < 200; port++) {
		struct evtchn_bind_interdomain bind = { .remote_dom = 0, .remote_port = port };

		bound += !hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &bind);
	}
	tap_long(bound, 0, "none of dom0's ports can be bound");
	for (unsigned int ref = 0; ref < 600; ref++) {
		struct gnttab_map_grant_ref map = { .host_addr = (uint64_t)page, .flags = GNTMAP_host_map, .ref = ref };
		struct gnttab_copy copy = { .source.u.ref = ref, .dest = { { .gmfn = virt_to_mfn(page) }, DOMID_SELF, 0 },
					    .len = 8, .flags = GNTCOPY_source_gref };
		struct gnttab_copy frame = { .source.u.gmfn = ref * 101, .dest = copy.dest, .len = 8 };

		mapped += !hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &map, 1) && !map.status;
		copied += !hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, &copy, 1) && !copy.status;
		copied += !hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, &frame, 1) && !frame.status;
	}
	tap_long(mapped, 0, "nothing of dom0 can be mapped that it did not grant");
	tap_long(copied, 0, "nor copied");
	hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &table, 1);
	hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, &size, 1);
	tap_ok(table.status == GNTST_permission_denied && size.status == GNTST_permission_denied,
	       "dom0's grant table is not its own");
}

void guest_main(void)
{
	static const char words[] = "a line\033[2J of a guest's\nno line";
	struct sched_remote_shutdown end = { .domain_id = 0, .reason = SHUTDOWN_crash };

	tap_start("domu");
	tap_ok(!is_dom0(), "this is no dom0");
	tap_long(hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, sizeof(words) - 1, words), 0,
		 "it can write to the hypervisor's console");
	machine();
	memory_of_others();
	frames_of_others();
	ports_and_grants();
	tap_long(hypercall2(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, &end), -XEN_EPERM, "dom0 can't be shut down");
	tap_end();
}
