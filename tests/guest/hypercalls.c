// SPDX-License-Identifier: MIT
/*
 * Every hypercall, 0 to 63, with wrong arguments.
 *
 * Two tables. `pointers` names an argument of a call that is a guest pointer; it is tried unmapped, non-canonical,
 * in the hypervisor's part of the address space, and straddling the end of the last mapped page; each must fail in
 * the stated way. `calls` has everything else: unknown commands, numbers at their limits, domains that don't exist.
 * The answers are those that Xen 4.17 gives to dom0. Where the ABI leaves a choice (a call that may be missing), a
 * second answer is allowed beside it.
 *
 * Refused calls must have changed nothing: at the end the memory reservation, the ports in use, the page tables and
 * the trap table are looked at.
 */
#include <xen/callback.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#include "runtime.h"

#define NOT_CANONICAL	0x8000000000000000UL
#define IN_THE_HOLE	0xffff830000000000UL
#define UNMAPPED	0x0000123400001000UL
#define BAD_MFN		0x000ffffffffff000UL

#define NO_SUCH_DOMAIN	0x1234

#define P(x)		((uint64_t)(uintptr_t)(x))
#define NOTHING_ELSE	0x7fffffffL	/* no second answer */

struct call {
	const char *name;
	unsigned int number;
	uint64_t a[5];
	long want;
	long or_else;
};

#define CALL(name, n, want, ...)	{ name, __HYPERVISOR_##n, { __VA_ARGS__ }, want, NOTHING_ELSE }
#define CALL2(name, n, want, other, ...) { name, __HYPERVISOR_##n, { __VA_ARGS__ }, want, other }

/* A pointer argument at place `where`; the other arguments are those of `a`. */
struct pointer {
	const char *name;
	unsigned int number;
	int where;
	uint64_t a[5];
	long want;
	long or_else;
};

#define POINTER(name, n, where, want, ...)	{ name, __HYPERVISOR_##n, where, { __VA_ARGS__ }, want, NOTHING_ELSE }
#define POINTER2(name, n, where, want, other, ...) { name, __HYPERVISOR_##n, where, { __VA_ARGS__ }, want, other }

/* Two pages, the second of which is taken out of the tables. */
static char edge[2 * PAGE_SIZE] __attribute__((aligned(4096)));
static char buffer[PAGE_SIZE] __attribute__((aligned(4096)));

static const struct pointer pointers[] = {
	POINTER("set_trap_table: table", set_trap_table, 0, -XEN_EFAULT, 0),
	POINTER("mmu_update: requests", mmu_update, 0, -XEN_EFAULT, 0, 1, 0, DOMID_SELF),
	POINTER("set_gdt: frame list", set_gdt, 0, -XEN_EFAULT, 0, 16),
	POINTER2("sched_op_compat: poll", sched_op_compat, 1, -XEN_EFAULT, -XEN_ENOSYS, SCHEDOP_poll),
	POINTER("platform_op: argument", platform_op, 0, -XEN_EFAULT, 0),
	POINTER2("memory_op increase_reservation does nothing", memory_op, 1, 0, -XEN_EFAULT,
	         XENMEM_increase_reservation),
	POINTER2("memory_op decrease_reservation does nothing", memory_op, 1, 0, -XEN_EFAULT,
	         XENMEM_decrease_reservation),
	POINTER2("memory_op populate_physmap does nothing", memory_op, 1, 0, -XEN_EFAULT, XENMEM_populate_physmap),
	POINTER("memory_op current_reservation", memory_op, 1, -XEN_EFAULT, XENMEM_current_reservation),
	POINTER("memory_op maximum_reservation", memory_op, 1, -XEN_EFAULT, XENMEM_maximum_reservation),
	POINTER2("memory_op machphys_mfn_list", memory_op, 1, -XEN_EFAULT, -XEN_ENOSYS, XENMEM_machphys_mfn_list),
	POINTER2("memory_op add_to_physmap", memory_op, 1, -XEN_EFAULT, -XEN_ENOSYS, XENMEM_add_to_physmap),
	POINTER2("memory_op memory_map", memory_op, 1, -XEN_EFAULT, -XEN_ENOSYS, XENMEM_memory_map),
	POINTER("memory_op machine_memory_map", memory_op, 1, -XEN_EFAULT, XENMEM_machine_memory_map),
	POINTER("memory_op exchange", memory_op, 1, -XEN_EFAULT, XENMEM_exchange),
	POINTER("memory_op machphys_mapping", memory_op, 1, -XEN_EFAULT, XENMEM_machphys_mapping),
	POINTER2("memory_op set_memory_map", memory_op, 1, -XEN_EFAULT, -XEN_ENOSYS, XENMEM_set_memory_map),
	POINTER("memory_op maximum_gpfn", memory_op, 1, -XEN_EFAULT, XENMEM_maximum_gpfn),
	POINTER2("memory_op claim_pages", memory_op, 1, -XEN_EFAULT, -XEN_ENOSYS, XENMEM_claim_pages),
	POINTER2("memory_op acquire_resource", memory_op, 1, -XEN_EFAULT, -XEN_ENOSYS, XENMEM_acquire_resource),
	POINTER("multicall: entries", multicall, 0, -XEN_EFAULT, 0, 2),
	POINTER2("event_channel_op_compat", event_channel_op_compat, 0, -XEN_EFAULT, -XEN_ENOSYS, 0),
	POINTER("xen_version extraversion", xen_version, 1, -XEN_EFAULT, XENVER_extraversion),
	POINTER("xen_version compile_info", xen_version, 1, -XEN_EFAULT, XENVER_compile_info),
	POINTER("xen_version capabilities", xen_version, 1, -XEN_EFAULT, XENVER_capabilities),
	POINTER("xen_version changeset", xen_version, 1, -XEN_EFAULT, XENVER_changeset),
	POINTER("xen_version platform_parameters", xen_version, 1, -XEN_EFAULT, XENVER_platform_parameters),
	POINTER("xen_version get_features", xen_version, 1, -XEN_EFAULT, XENVER_get_features),
	POINTER("xen_version guest_handle", xen_version, 1, -XEN_EFAULT, XENVER_guest_handle),
	POINTER("xen_version commandline", xen_version, 1, -XEN_EFAULT, XENVER_commandline),
	POINTER("console_io write", console_io, 2, -XEN_EFAULT, CONSOLEIO_write, 8),
	POINTER2("physdev_op_compat", physdev_op_compat, 0, -XEN_EFAULT, -XEN_ENOSYS, 0),
	POINTER("grant_table_op map", grant_table_op, 1, -XEN_EFAULT, GNTTABOP_map_grant_ref, 0, 1),
	POINTER("grant_table_op unmap", grant_table_op, 1, -XEN_EFAULT, GNTTABOP_unmap_grant_ref, 0, 1),
	POINTER("grant_table_op setup_table", grant_table_op, 1, -XEN_EFAULT, GNTTABOP_setup_table, 0, 1),
	POINTER2("grant_table_op transfer", grant_table_op, 1, -XEN_EFAULT, -XEN_ENOSYS, GNTTABOP_transfer, 0, 1),
	POINTER("grant_table_op copy", grant_table_op, 1, -XEN_EFAULT, GNTTABOP_copy, 0, 1),
	POINTER("grant_table_op query_size", grant_table_op, 1, -XEN_EFAULT, GNTTABOP_query_size, 0, 1),
	POINTER("grant_table_op set_version", grant_table_op, 1, -XEN_EFAULT, GNTTABOP_set_version, 0, 1),
	POINTER("grant_table_op get_version", grant_table_op, 1, -XEN_EFAULT, GNTTABOP_get_version, 0, 1),
	POINTER2("grant_table_op unmap_and_replace", grant_table_op, 1, -XEN_EFAULT, -XEN_ENOSYS,
	         GNTTABOP_unmap_and_replace, 0, 1),
	POINTER("vcpu_op get_runstate_info", vcpu_op, 2, -XEN_EFAULT, VCPUOP_get_runstate_info, 0),
	POINTER("vcpu_op register_runstate argument", vcpu_op, 2, -XEN_EFAULT, VCPUOP_register_runstate_memory_area, 0),
	POINTER("vcpu_op set_periodic_timer", vcpu_op, 2, -XEN_EFAULT, VCPUOP_set_periodic_timer, 0),
	POINTER("vcpu_op set_singleshot_timer", vcpu_op, 2, -XEN_EFAULT, VCPUOP_set_singleshot_timer, 0),
	POINTER("vcpu_op register_vcpu_info", vcpu_op, 2, -XEN_EFAULT, VCPUOP_register_vcpu_info, 0),
	POINTER("mmuext_op: operations", mmuext_op, 0, -XEN_EFAULT, 0, 1, 0, DOMID_SELF),
	POINTER2("nmi_op register", nmi_op, 1, -XEN_EFAULT, -XEN_ENOSYS, XENNMI_register_callback),
	POINTER("sched_op shutdown", sched_op, 1, -XEN_EFAULT, SCHEDOP_shutdown),
	POINTER("sched_op poll", sched_op, 1, -XEN_EFAULT, SCHEDOP_poll),
	POINTER2("sched_op remote_shutdown", sched_op, 1, -XEN_EFAULT, -XEN_ENOSYS, SCHEDOP_remote_shutdown),
	POINTER2("sched_op watchdog", sched_op, 1, -XEN_EFAULT, -XEN_ENOSYS, SCHEDOP_watchdog),
	POINTER("callback_op register", callback_op, 1, -XEN_EFAULT, CALLBACKOP_register),
	POINTER("callback_op unregister", callback_op, 1, -XEN_EFAULT, CALLBACKOP_unregister),
	POINTER("event_channel_op bind_interdomain", event_channel_op, 1, -XEN_EFAULT, EVTCHNOP_bind_interdomain),
	POINTER("event_channel_op bind_virq", event_channel_op, 1, -XEN_EFAULT, EVTCHNOP_bind_virq),
	POINTER("event_channel_op bind_pirq", event_channel_op, 1, -XEN_EFAULT, EVTCHNOP_bind_pirq),
	POINTER("event_channel_op close", event_channel_op, 1, -XEN_EFAULT, EVTCHNOP_close),
	POINTER("event_channel_op send", event_channel_op, 1, -XEN_EFAULT, EVTCHNOP_send),
	POINTER("event_channel_op status", event_channel_op, 1, -XEN_EFAULT, EVTCHNOP_status),
	POINTER("event_channel_op alloc_unbound", event_channel_op, 1, -XEN_EFAULT, EVTCHNOP_alloc_unbound),
	POINTER("event_channel_op bind_ipi", event_channel_op, 1, -XEN_EFAULT, EVTCHNOP_bind_ipi),
	POINTER("event_channel_op bind_vcpu", event_channel_op, 1, -XEN_EFAULT, EVTCHNOP_bind_vcpu),
	POINTER("event_channel_op unmask", event_channel_op, 1, -XEN_EFAULT, EVTCHNOP_unmask),
	POINTER("event_channel_op reset", event_channel_op, 1, -XEN_EFAULT, EVTCHNOP_reset),
	POINTER2("event_channel_op init_control", event_channel_op, 1, -XEN_EFAULT, -XEN_ENOSYS, EVTCHNOP_init_control),
	POINTER2("event_channel_op expand_array", event_channel_op, 1, -XEN_EFAULT, -XEN_ENOSYS, EVTCHNOP_expand_array),
	POINTER2("event_channel_op set_priority", event_channel_op, 1, -XEN_EFAULT, -XEN_ENOSYS, EVTCHNOP_set_priority),
	POINTER("physdev_op eoi", physdev_op, 1, -XEN_EFAULT, PHYSDEVOP_eoi),
	POINTER("physdev_op irq_status_query", physdev_op, 1, -XEN_EFAULT, PHYSDEVOP_irq_status_query),
	POINTER("physdev_op set_iopl", physdev_op, 1, -XEN_EFAULT, PHYSDEVOP_set_iopl),
	POINTER("physdev_op set_iobitmap", physdev_op, 1, -XEN_EFAULT, PHYSDEVOP_set_iobitmap),
	POINTER("physdev_op apic_read", physdev_op, 1, -XEN_EFAULT, PHYSDEVOP_apic_read),
	POINTER2("physdev_op apic_write", physdev_op, 1, -XEN_EFAULT, -XEN_ENOSYS, PHYSDEVOP_apic_write),
	POINTER("physdev_op alloc_irq_vector", physdev_op, 1, -XEN_EFAULT, PHYSDEVOP_alloc_irq_vector),
	POINTER("physdev_op map_pirq", physdev_op, 1, -XEN_EFAULT, PHYSDEVOP_map_pirq),
	POINTER("physdev_op unmap_pirq", physdev_op, 1, -XEN_EFAULT, PHYSDEVOP_unmap_pirq),
	POINTER2("physdev_op pirq_eoi_gmfn_v2", physdev_op, 1, -XEN_EFAULT, -XEN_ENOSYS, PHYSDEVOP_pirq_eoi_gmfn_v2),
	POINTER("physdev_op setup_gsi", physdev_op, 1, -XEN_EFAULT, PHYSDEVOP_setup_gsi),
	POINTER2("physdev_op get_free_pirq", physdev_op, 1, -XEN_EFAULT, -XEN_ENOSYS, PHYSDEVOP_get_free_pirq),
	POINTER2("physdev_op pci_mmcfg_reserved", physdev_op, 1, -XEN_EFAULT, -XEN_ENOSYS,
	         PHYSDEVOP_pci_mmcfg_reserved),
	POINTER("physdev_op pci_device_add", physdev_op, 1, -XEN_EFAULT, PHYSDEVOP_pci_device_add),
	POINTER("physdev_op pci_device_remove", physdev_op, 1, -XEN_EFAULT, PHYSDEVOP_pci_device_remove),
	POINTER2("hvm_op set_param", hvm_op, 1, -XEN_EFAULT, -XEN_ENOSYS, HVMOP_set_param),
	POINTER2("hvm_op get_param", hvm_op, 1, -XEN_EFAULT, -XEN_ENOSYS, HVMOP_get_param),
	POINTER2("sysctl: argument", sysctl, 0, -XEN_EFAULT, -XEN_ENOSYS, 0),
	POINTER2("domctl: argument", domctl, 0, -XEN_EFAULT, -XEN_ENOSYS, 0),
	POINTER2("mca: argument", arch_0, 0, -XEN_EFAULT, -XEN_ENOSYS, 0),
};

static struct trap_info gate_not_canonical[2] = { { 200, 0, FLAT_KERNEL_CS, NOT_CANONICAL } };
static uint64_t bad_frames[16] = { BAD_MFN >> 12 };
static struct mmu_update update_bad_mfn = { BAD_MFN, 0 };
static struct mmu_update m2p_bad_mfn = { BAD_MFN | MMU_MACHPHYS_UPDATE, 0 };
static struct xen_platform_op platform_old = { XENPF_settime64, 0x02000000, { .pad = { 0 } } };
static struct xen_platform_op platform_efi = {
	XENPF_efi_runtime_call, XENPF_INTERFACE_VERSION, { .efi_runtime_call = { .function = XEN_EFI_get_time } }
};
static struct xen_platform_op platform_unknown = { 999, XENPF_INTERFACE_VERSION, { .pad = { 0 } } };
static struct xen_memory_reservation take_foreign = { 0, 1, 0, 0, NO_SUCH_DOMAIN };
static struct xen_memory_reservation take_bad_list = { UNMAPPED, 1, 0, 0, DOMID_SELF };
static uint64_t bad_mfn_list[1] = { BAD_MFN >> 12 };
static struct xen_memory_reservation give_bad_mfn = { P(bad_mfn_list), 1, 0, 0, DOMID_SELF };
static struct xen_memory_reservation huge_order = { P(bad_mfn_list), 1, 40, 0, DOMID_SELF };
static struct xen_memory_exchange exchange_done_too_much = {
	.in = { P(bad_mfn_list), 1, 0, 0, DOMID_SELF }, .out = { P(bad_mfn_list), 1, 0, 0, DOMID_SELF },
	.nr_exchanged = 2,
};
static struct xen_memory_exchange exchange_unequal = {
	.in = { P(bad_mfn_list), 1, 0, 0, DOMID_SELF }, .out = { P(bad_mfn_list), 1, 1, 0, DOMID_SELF },
};
static struct xen_memory_exchange exchange_bad_mfn = {
	.in = { P(bad_mfn_list), 1, 0, 0, DOMID_SELF }, .out = { P(bad_mfn_list), 1, 0, 0, DOMID_SELF },
};
static struct xen_memory_reservation endless_list = { P(bad_mfn_list), 1UL << 60, 0, 0, DOMID_SELF };
static struct xen_memory_map map_without_room = { 0, P(buffer) };
static domid_t no_domain = NO_SUCH_DOMAIN;
static struct xen_mem_acquire_resource resource_padded = { DOMID_SELF, 1, 0, 1, 1, 0, P(buffer) };
static struct xen_feature_info feature_submap_1 = { 1, 0 };
static struct vcpu_register_vcpu_info info_crosses_page = { 0, 4096 - 32, 0 };
static struct vcpu_register_vcpu_info info_bad_mfn = { BAD_MFN >> 12, 0, 0 };
static struct vcpu_set_periodic_timer too_fast = { 1 };
static struct sched_poll poll_many = { P(buffer), 129, 1 };
static struct sched_poll poll_bad_list = { UNMAPPED, 1, 1 };
static evtchn_port_t huge_port[1] = { 0x7fffffff };
static struct sched_poll poll_bad_port = { P(huge_port), 1, 1 };
static struct callback_register callback_unknown = { 99, 0, P(buffer) };
static struct callback_register callback_not_canonical = { CALLBACKTYPE_event, 0, NOT_CANONICAL };
static struct evtchn_bind_interdomain bind_no_domain = { NO_SUCH_DOMAIN, 1, 0 };
static struct evtchn_bind_interdomain bind_bad_port = { DOMID_SELF, 0x7fffffff, 0 };
static struct evtchn_bind_virq virq_too_high = { NR_VIRQS, 0, 0 };
static struct evtchn_bind_virq virq_no_vcpu = { VIRQ_TIMER, 999, 0 };
static struct evtchn_bind_pirq pirq_too_high = { 0x7fffffff, 0, 0 };
static struct evtchn_bind_ipi ipi_no_vcpu = { 999, 0 };
static struct evtchn_bind_vcpu move_bad_port = { 0x7fffffff, 0 };
static struct evtchn_close close_zero = { 0 };
static struct evtchn_close port_free = { 1000 };
static struct evtchn_close port_too_high = { 0x7fffffff };
static struct evtchn_status status_no_domain = { .dom = NO_SUCH_DOMAIN, .port = 1 };
static struct evtchn_status status_too_high = { .dom = DOMID_SELF, .port = 0x7fffffff };
static struct evtchn_alloc_unbound alloc_no_domain = { NO_SUCH_DOMAIN, DOMID_SELF, 0 };
static struct evtchn_reset reset_no_domain = { NO_SUCH_DOMAIN };
static struct evtchn_init_control control_misaligned = { .control_gfn = 0, .offset = 4 };
static struct evtchn_init_control control_past_end = { .control_gfn = 0, .offset = 4096 - 64 };
static struct evtchn_init_control control_bad_mfn = { .control_gfn = BAD_MFN >> 12 };
static struct evtchn_init_control control_no_vcpu = { .control_gfn = 0, .vcpu = 999 };
static struct evtchn_expand_array expand_before_init = { 0 };
static struct evtchn_set_priority priority_too_low = { 1, 16 };
static struct physdev_set_iopl iopl_4 = { 4 };
static struct physdev_set_iobitmap bitmap_too_long = { P(buffer), 65537 };
static struct physdev_map_pirq map_no_domain = { .domid = NO_SUCH_DOMAIN, .type = MAP_PIRQ_TYPE_GSI };
static struct physdev_map_pirq map_bad_gsi = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 99999,
	.pirq = -1 };
static struct physdev_map_pirq map_bad_type = { .domid = DOMID_SELF, .type = 77, .pirq = -1 };
static struct physdev_unmap_pirq unmap_not_mapped = { DOMID_SELF, 99999 };
static struct physdev_eoi eoi_too_high = { 0x7fffffff };
static struct physdev_irq_status_query query_too_high = { 0x7fffffff, 0 };
static struct physdev_apic apic_nowhere = { 0x12345000, 0, 0 };
static struct physdev_setup_gsi gsi_too_high = { 99999, 0, 0 };
static struct xen_hvm_param param_self = { DOMID_SELF, 0, 0, 0 };
static struct xen_hvm_param param_too_high = { DOMID_SELF, 0, 999, 0 };
static struct gnttab_set_version version_3 = { 3 };

static const struct call calls[] = {
	CALL("set_trap_table refuses a handler that is not canonical", set_trap_table, -XEN_EINVAL,
	     P(gate_not_canonical)),
	CALL("mmu_update of a frame that does not exist", mmu_update, -XEN_EINVAL, P(&update_bad_mfn), 1, 0,
	     DOMID_SELF),
	CALL("m2p update of a frame that does not exist", mmu_update, -XEN_EINVAL, P(&m2p_bad_mfn), 1, 0, DOMID_SELF),
	CALL("mmu_update for a domain that does not exist", mmu_update, -XEN_ESRCH, P(&update_bad_mfn), 1, 0,
	     NO_SUCH_DOMAIN),
	CALL("mmu_update of nothing", mmu_update, 0, P(&update_bad_mfn), 0, 0, DOMID_SELF),
	CALL("set_gdt with more entries than the guest owns", set_gdt, -XEN_EINVAL, P(bad_frames),
	     FIRST_RESERVED_GDT_ENTRY + 1),
	CALL("set_gdt with a frame that does not exist", set_gdt, -XEN_EINVAL, P(bad_frames), 16),
	CALL2("set_callbacks leaves out addresses that are not canonical", set_callbacks, 0, -XEN_ENOSYS,
	      NOT_CANONICAL, NOT_CANONICAL, 0),
	CALL2("sched_op_compat with an unknown command", sched_op_compat, -XEN_ENOSYS, -XEN_EINVAL, 99),
	CALL("platform_op of another interface version", platform_op, -XEN_EACCES, P(&platform_old)),
	CALL("platform_op for a runtime service of EFI", platform_op, -XEN_EOPNOTSUPP, P(&platform_efi)),
	CALL("platform_op with an unknown command", platform_op, -XEN_ENOSYS, P(&platform_unknown)),
	CALL2("set_debugreg 8", set_debugreg, -XEN_ENODEV, -XEN_EINVAL, 8, 0),
	CALL2("set_debugreg -1", set_debugreg, -XEN_ENODEV, -XEN_EINVAL, 0xffffffff, 0),
	CALL("set_debugreg 0 in the hypervisor's addresses", set_debugreg, -XEN_EPERM, 0, IN_THE_HOLE),
	CALL("set_debugreg 7 with bits above 32", set_debugreg, -XEN_EINVAL, 7, 1UL << 32),
	CALL2("get_debugreg 8", get_debugreg, -XEN_ENODEV, -XEN_EINVAL, 8),
	CALL("update_descriptor at an odd address", update_descriptor, -XEN_EINVAL, 1, 0),
	CALL("update_descriptor in a frame that does not exist", update_descriptor, -XEN_EINVAL, BAD_MFN, 0),
	CALL("memory_op with an unknown command", memory_op, -XEN_ENOSYS, 63, P(buffer)),
	CALL2("populate_physmap for a domain that does not exist does nothing", memory_op, 0, -XEN_ESRCH,
	      XENMEM_populate_physmap,
	      P(&take_foreign)),
	CALL("populate_physmap with an unmapped list does nothing", memory_op, 0, XENMEM_populate_physmap,
	     P(&take_bad_list)),
	CALL2("populate_physmap of 2^40 pages does nothing", memory_op, 0, -XEN_EINVAL, XENMEM_populate_physmap,
	      P(&huge_order)),
	CALL("decrease_reservation of a frame that does not exist does nothing", memory_op, 0,
	     XENMEM_decrease_reservation, P(&give_bad_mfn)),
	CALL("decrease_reservation with an unmapped list does nothing", memory_op, 0, XENMEM_decrease_reservation,
	     P(&take_bad_list)),
	CALL("populate_physmap of 2^60 extents does nothing", memory_op, 0, XENMEM_populate_physmap, P(&endless_list)),
	CALL("decrease_reservation of 2^60 extents does nothing", memory_op, 0, XENMEM_decrease_reservation,
	     P(&endless_list)),
	CALL("machine_memory_map without room", memory_op, -XEN_EINVAL, XENMEM_machine_memory_map,
	     P(&map_without_room)),
	CALL("exchange with more done than asked", memory_op, -XEN_EINVAL, XENMEM_exchange, P(&exchange_done_too_much)),
	CALL("exchange of unequal sizes", memory_op, -XEN_EINVAL, XENMEM_exchange, P(&exchange_unequal)),
	CALL("exchange of a frame that does not exist", memory_op, -XEN_EINVAL, XENMEM_exchange, P(&exchange_bad_mfn)),
	CALL("current_reservation of a domain that does not exist", memory_op, -XEN_ESRCH, XENMEM_current_reservation,
	     P(&no_domain)),
	CALL2("acquire_resource with a padding that is not zero", memory_op, -XEN_EINVAL, -XEN_ENOSYS,
	      XENMEM_acquire_resource,
	      P(&resource_padded)),
	CALL("multicall of nothing", multicall, 0, P(buffer), 0),
	CALL("multicall whose list leaves the mapped pages", multicall, -XEN_EFAULT, P(edge + PAGE_SIZE - 64), 2),
	CALL2("mmu_update whose list leaves the address space", mmu_update, -XEN_EINVAL, -XEN_EFAULT, P(buffer),
	      0x7fffffff, 0, DOMID_SELF),
	CALL2("mmuext_op whose list leaves the address space", mmuext_op, -XEN_EINVAL, -XEN_EFAULT, P(buffer),
	      0x7fffffff, 0, DOMID_SELF),
	CALL("set_gdt whose list leaves the mapped pages", set_gdt, -XEN_EFAULT, P(edge + PAGE_SIZE - 8), 1024),
	CALL("console_io of nothing", console_io, 0, CONSOLEIO_write, 0, P(buffer)),
	CALL("grant_table_op of nothing", grant_table_op, 0, GNTTABOP_copy, P(buffer), 0),
	CALL("update_va_mapping at an address that is not canonical", update_va_mapping, -XEN_EINVAL, NOT_CANONICAL,
	     0, 0),
	CALL("update_va_mapping in the hypervisor's addresses", update_va_mapping, -XEN_EINVAL, IN_THE_HOLE, 0, 0),
	CALL("update_va_mapping where no table is", update_va_mapping, -XEN_EINVAL, UNMAPPED, 0, 0),
	CALL("xen_version with an unknown command", xen_version, -XEN_ENOSYS, 99, 0),
	CALL("xen_version pagesize wants no argument", xen_version, -XEN_EINVAL, XENVER_pagesize, P(buffer)),
	CALL("xen_version get_features of submap 1", xen_version, -XEN_EINVAL, XENVER_get_features,
	     P(&feature_submap_1)),
	CALL("console_io with an unknown command", console_io, -XEN_ENOSYS, 99, 1, P(buffer)),
	CALL2("console_io of a negative count", console_io, -XEN_EFAULT, -XEN_E2BIG, CONSOLEIO_write, 0xffffffff,
	      P(edge + PAGE_SIZE - 2)),
	CALL("grant_table_op with an unknown command", grant_table_op, -XEN_ENOSYS, 99, P(buffer), 1),
	CALL2("grant_table_op of a negative count", grant_table_op, -XEN_EINVAL, -XEN_EFAULT, GNTTABOP_copy, P(buffer),
	      0xffffffff),
	CALL("grant table of version 3", grant_table_op, -XEN_EINVAL, GNTTABOP_set_version, P(&version_3), 1),
	CALL("vm_assist with an unknown command", vm_assist, -XEN_ENOSYS, 2, 0),
	CALL("vm_assist with an unknown type", vm_assist, -XEN_EINVAL, VMASST_CMD_enable, 63),
	CALL("vm_assist with a type above the word", vm_assist, -XEN_EINVAL, VMASST_CMD_enable, 64),
	CALL2("update_va_mapping_otherdomain of a domain that does not exist", update_va_mapping_otherdomain,
	      -XEN_ESRCH, -XEN_ENOSYS, P(buffer), 0, 0, NO_SUCH_DOMAIN),
	CALL("vcpu_op with an unknown command", vcpu_op, -XEN_ENOSYS, 99, 0, 0),
	CALL("vcpu_op on a vcpu that does not exist", vcpu_op, -XEN_ENOENT, VCPUOP_is_up, 999, 0),
	CALL("vcpu_op on vcpu 2^32 - 1", vcpu_op, -XEN_ENOENT, VCPUOP_is_up, 0xffffffff, 0),
	CALL2("register_vcpu_info across a page end", vcpu_op, -XEN_ENXIO, -XEN_EINVAL, VCPUOP_register_vcpu_info, 0,
	      P(&info_crosses_page)),
	CALL("register_vcpu_info in a frame that does not exist", vcpu_op, -XEN_EINVAL, VCPUOP_register_vcpu_info, 0,
	     P(&info_bad_mfn)),
	CALL("set_periodic_timer of 1 ns", vcpu_op, -XEN_EINVAL, VCPUOP_set_periodic_timer, 0, P(&too_fast)),
	CALL("send_nmi with an argument", vcpu_op, -XEN_EINVAL, VCPUOP_send_nmi, 0, P(buffer)),
	CALL("set_segment_base 4", set_segment_base, -XEN_EINVAL, 4, 0),
	CALL("set_segment_base fs to an address that is not canonical", set_segment_base, -XEN_EINVAL, SEGBASE_FS,
	     NOT_CANONICAL),
	CALL("set_segment_base user gs to an address that is not canonical", set_segment_base, -XEN_EINVAL,
	     SEGBASE_GS_USER, NOT_CANONICAL),
	CALL("mmuext_op of nothing", mmuext_op, 0, P(buffer), 0, 0, DOMID_SELF),
	CALL("mmuext_op for a domain that does not exist", mmuext_op, -XEN_ESRCH, P(buffer), 1, 0, NO_SUCH_DOMAIN),
	CALL2("nmi_op with an unknown command", nmi_op, -XEN_ENOSYS, -XEN_EINVAL, 99, 0),
	CALL("sched_op with an unknown command", sched_op, -XEN_ENOSYS, 99, 0),
	CALL("sched_op poll of 129 ports", sched_op, -XEN_EINVAL, SCHEDOP_poll, P(&poll_many)),
	CALL("sched_op poll of an unmapped list", sched_op, -XEN_EFAULT, SCHEDOP_poll, P(&poll_bad_list)),
	CALL("sched_op poll of a port that can't be", sched_op, -XEN_EINVAL, SCHEDOP_poll, P(&poll_bad_port)),
	CALL("callback_op with an unknown command", callback_op, -XEN_ENOSYS, 99, P(buffer)),
	CALL("callback_op of an unknown type", callback_op, -XEN_ENOSYS, CALLBACKOP_register, P(&callback_unknown)),
	CALL("callback_op to an address that is not canonical", callback_op, -XEN_EINVAL, CALLBACKOP_register,
	     P(&callback_not_canonical)),
	CALL("event_channel_op with an unknown command", event_channel_op, -XEN_ENOSYS, 99, P(buffer)),
	CALL("bind_interdomain with a domain that does not exist", event_channel_op, -XEN_ESRCH,
	     EVTCHNOP_bind_interdomain, P(&bind_no_domain)),
	CALL("bind_interdomain with a port that can't be", event_channel_op, -XEN_EINVAL, EVTCHNOP_bind_interdomain,
	     P(&bind_bad_port)),
	CALL("bind_virq above the last", event_channel_op, -XEN_EINVAL, EVTCHNOP_bind_virq, P(&virq_too_high)),
	CALL("bind_virq on a vcpu that does not exist", event_channel_op, -XEN_ENOENT, EVTCHNOP_bind_virq,
	     P(&virq_no_vcpu)),
	CALL("bind_pirq above the last", event_channel_op, -XEN_EINVAL, EVTCHNOP_bind_pirq, P(&pirq_too_high)),
	CALL("bind_ipi on a vcpu that does not exist", event_channel_op, -XEN_ENOENT, EVTCHNOP_bind_ipi,
	     P(&ipi_no_vcpu)),
	CALL("bind_vcpu of a port that can't be", event_channel_op, -XEN_EINVAL, EVTCHNOP_bind_vcpu, P(&move_bad_port)),
	CALL("close of port 0", event_channel_op, -XEN_EINVAL, EVTCHNOP_close, P(&close_zero)),
	CALL("close of a free port", event_channel_op, -XEN_EINVAL, EVTCHNOP_close, P(&port_free)),
	CALL("close of a port that can't be", event_channel_op, -XEN_EINVAL, EVTCHNOP_close, P(&port_too_high)),
	CALL("send to port 0", event_channel_op, -XEN_EINVAL, EVTCHNOP_send, P(&close_zero)),
	CALL("send to a free port", event_channel_op, -XEN_EINVAL, EVTCHNOP_send, P(&port_free)),
	CALL("send to a port that can't be", event_channel_op, -XEN_EINVAL, EVTCHNOP_send, P(&port_too_high)),
	CALL("unmask of a port that can't be", event_channel_op, -XEN_EINVAL, EVTCHNOP_unmask, P(&port_too_high)),
	CALL("status of a domain that does not exist", event_channel_op, -XEN_ESRCH, EVTCHNOP_status,
	     P(&status_no_domain)),
	CALL("status of a port that can't be", event_channel_op, -XEN_EINVAL, EVTCHNOP_status, P(&status_too_high)),
	CALL("alloc_unbound in a domain that does not exist", event_channel_op, -XEN_ESRCH, EVTCHNOP_alloc_unbound,
	     P(&alloc_no_domain)),
	CALL("reset of a domain that does not exist", event_channel_op, -XEN_ESRCH, EVTCHNOP_reset,
	     P(&reset_no_domain)),
	CALL2("FIFO control block off its alignment", event_channel_op, -XEN_EINVAL, -XEN_ENOSYS,
	      EVTCHNOP_init_control, P(&control_misaligned)),
	CALL2("FIFO control block past the page end", event_channel_op, -XEN_EINVAL, -XEN_ENOSYS,
	      EVTCHNOP_init_control, P(&control_past_end)),
	CALL2("FIFO control block in a frame that does not exist", event_channel_op, -XEN_EINVAL, -XEN_ENOSYS,
	      EVTCHNOP_init_control, P(&control_bad_mfn)),
	CALL2("FIFO control block of a vcpu that does not exist", event_channel_op, -XEN_ENOENT, -XEN_ENOSYS,
	      EVTCHNOP_init_control, P(&control_no_vcpu)),
	CALL2("FIFO array before there is a control block", event_channel_op, -XEN_EOPNOTSUPP, -XEN_ENOSYS,
	      EVTCHNOP_expand_array, P(&expand_before_init)),
	CALL2("FIFO priority 16", event_channel_op, -XEN_EINVAL, -XEN_ENOSYS, EVTCHNOP_set_priority,
	      P(&priority_too_low)),
	CALL("physdev_op with an unknown command", physdev_op, -XEN_ENOSYS, 99, P(buffer)),
	CALL("set_iopl 4", physdev_op, -XEN_EINVAL, PHYSDEVOP_set_iopl, P(&iopl_4)),
	CALL("set_iobitmap of 65537 ports", physdev_op, -XEN_EINVAL, PHYSDEVOP_set_iobitmap, P(&bitmap_too_long)),
	CALL("map_pirq for a domain that does not exist", physdev_op, -XEN_ESRCH, PHYSDEVOP_map_pirq,
	     P(&map_no_domain)),
	CALL("map_pirq of a GSI that does not exist", physdev_op, -XEN_EINVAL, PHYSDEVOP_map_pirq, P(&map_bad_gsi)),
	CALL("map_pirq of an unknown type", physdev_op, -XEN_EINVAL, PHYSDEVOP_map_pirq, P(&map_bad_type)),
	CALL("unmap_pirq of one that is not mapped", physdev_op, -XEN_EINVAL, PHYSDEVOP_unmap_pirq,
	     P(&unmap_not_mapped)),
	CALL("eoi of a pirq that can't be", physdev_op, -XEN_EINVAL, PHYSDEVOP_eoi, P(&eoi_too_high)),
	CALL("irq_status_query of a pirq that can't be", physdev_op, -XEN_EINVAL, PHYSDEVOP_irq_status_query,
	     P(&query_too_high)),
	CALL2("apic_read of no I/O APIC", physdev_op, -XEN_EINVAL, -XEN_ENOSYS, PHYSDEVOP_apic_read, P(&apic_nowhere)),
	CALL("setup_gsi of a GSI that does not exist", physdev_op, -XEN_EINVAL, PHYSDEVOP_setup_gsi, P(&gsi_too_high)),
	CALL2("hvm_op on a PV domain", hvm_op, -XEN_EINVAL, -XEN_ENOSYS, HVMOP_get_param, P(&param_self)),
	CALL2("hvm_op of a parameter that can't be", hvm_op, -XEN_EINVAL, -XEN_ENOSYS, HVMOP_set_param,
	      P(&param_too_high)),
	CALL2("hvm_op with an unknown command", hvm_op, -XEN_ENOSYS, -XEN_EINVAL, 99, P(buffer)),
	CALL2("sysctl of interface version 0", sysctl, -XEN_EACCES, -XEN_ENOSYS, P(buffer)),
	CALL2("domctl of interface version 0", domctl, -XEN_EACCES, -XEN_ENOSYS, P(buffer)),
};

/* Numbers that no hypervisor of this ABI implements for a PV guest, or that may be missing. */
static const unsigned char never[] = { 11, 38, 43, 44, 45, 46, 47, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61,
				       62, 63 };
static const unsigned char optional[] = { 27, 31, 37, 39, 40, 41, 42, 49 };

static bool accepted(long got, long want, long or_else)
{
	return got == want || (or_else != NOTHING_ELSE && got == or_else);
}

static void check(long got, long want, long or_else, const char *name, const char *how)
{
	bool good = accepted(got, want, or_else);

	tap_ok(good, "%s%s%s", name, *how ? ": " : "", how);
	if (!good)
		printf("# got %ld, wanted %ld\n", got, want);
}

static void bad_pointers(void)
{
	static const struct {
		const char *how;
		uint64_t address;
	} kinds[] = {
		{ "unmapped", UNMAPPED },
		{ "not canonical", NOT_CANONICAL },
		{ "in the hypervisor's addresses", IN_THE_HOLE },
		{ "straddling the end of memory", P(edge + PAGE_SIZE - 1) },
		{ "ending beyond the address space", ~0UL },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(pointers); i++) {
		const struct pointer *p = &pointers[i];

		for (unsigned int k = 0; k < ARRAY_SIZE(kinds); k++) {
			uint64_t a[5];

			memcpy(a, p->a, sizeof(a));
			a[p->where] = kinds[k].address;
			check(hypercall(p->number, a[0], a[1], a[2], a[3], a[4]), p->want, p->or_else, p->name,
				kinds[k].how);
		}
	}
}

static void bad_numbers(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];

		check(hypercall(c->number, c->a[0], c->a[1], c->a[2], c->a[3], c->a[4]), c->want, c->or_else, c->name,
			"");
	}
}

static void unknown_calls(void)
{
	static const uint64_t beyond[] = { 64, 1000, 0x7fffffff, 0xffffffff };

	for (unsigned int i = 0; i < ARRAY_SIZE(never); i++) {
		long got = hypercall0(never[i]);

		tap_ok(got == -XEN_ENOSYS, "hypercall %u does not exist", never[i]);
		if (got != -XEN_ENOSYS)
			printf("# got %ld\n", got);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(beyond); i++)
		tap_ok(hypercall0(beyond[i]) == -XEN_ENOSYS, "hypercall 0x%lx does not exist", beyond[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(optional); i++) {
		long got = hypercall(optional[i], NOT_CANONICAL, NOT_CANONICAL, NOT_CANONICAL, 0, 0);

		tap_ok(got <= 0 && got > -4096, "hypercall %u survives nonsense", optional[i]);
		printf("# it says %ld\n", got);
	}
}

/* A multicall goes on behind a failed entry, and says of each how it went. */
static void multicalls(void)
{
	static struct multicall_entry list[3];

	list[0] = (struct multicall_entry){ .op = 63 };
	list[1] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version, .args = { XENVER_extraversion, UNMAPPED } };
	list[2] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version, .args = { XENVER_version } };
	tap_long(hypercall2(__HYPERVISOR_multicall, list, 3), 0, "a multicall with failing entries succeeds");
	tap_long((long)list[0].result, -XEN_ENOSYS, "an unknown call in a multicall is told in its entry");
	tap_long((long)list[1].result, -XEN_EFAULT, "a bad pointer in a multicall is told in its entry");
	tap_ok((long)list[2].result > 0, "the entry behind a failed one is carried out");
}

static unsigned int upcalls;

static void count_upcall(evtchn_port_t port)
{
	(void)port;
	upcalls++;
}

/* An event still reaches the handler that was registered before all the nonsense. */
static void events_work(void)
{
	evtchn_port_t port = event_bind_ipi(0);

	event_set_handler(port, count_upcall);
	event_unmask_port(port);
	event_send(port);
	events_enable();
	events_disable();
	tap_long(upcalls, 1, "the event callback is as before");
	event_close(port);
}

struct state {
	long pages;
	unsigned long tables;
	unsigned int ports;
	uint8_t mask;
};

static struct state look(void)
{
	static domid_t self = DOMID_SELF;
	struct state s = { .mask = vcpu_info->evtchn_upcall_mask };
	const uint64_t *table = (const uint64_t *)(uintptr_t)start_info->pt_base;

	s.pages = hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
	for (unsigned long i = 0; i < start_info->nr_pt_frames * 512; i++)
		s.tables = s.tables * 31 + (table[i] & ~(PTE_A | PTE_D));
	for (evtchn_port_t port = 1; port < 64; port++) {
		struct evtchn_status status = { .dom = DOMID_SELF, .port = port };

		if (!hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_status, &status))
			s.ports += status.status != EVTCHNSTAT_closed;
	}
	return s;
}

SNIPPET(breakpoint, "int3");

void guest_main(void)
{
	struct state before, after;
	struct outcome outcome;

	tap_start("hypercalls");
	info_crosses_page.mfn = virt_to_mfn(buffer);
	control_misaligned.control_gfn = virt_to_mfn(buffer);
	control_past_end.control_gfn = virt_to_mfn(buffer);
	control_no_vcpu.control_gfn = virt_to_mfn(buffer);
	expand_before_init.array_gfn = virt_to_mfn(buffer);
	tap_long(map_pte(edge + PAGE_SIZE, 0), 0, "a page can be taken out of the tables");
	edge[PAGE_SIZE - 64] = 63;	/* a multicall entry that does nothing: an unknown call */
	memcpy(edge + PAGE_SIZE - 2, "#\n", 2);

	before = look();
	bad_pointers();
	bad_numbers();
	unknown_calls();
	multicalls();
	after = look();
	tap_long(after.pages, before.pages, "the memory reservation is as before");
	tap_ok(after.tables == before.tables, "the page tables are as before");
	tap_long(after.ports, before.ports, "as many ports are open as before");
	tap_long(after.mask, before.mask, "the event mask is as before");
	outcome = run_kernel(breakpoint, NULL);
	tap_long(outcome.vector, 3, "the trap table is as before");
	outcome = run_user(breakpoint, NULL);
	tap_long(outcome.vector, 3, "and so is the kernel's stack");
	events_work();
	tap_end();
}
