// SPDX-License-Identifier: MIT
/*
 * Arguments of domctl (36): what a toolstack does to other domains. interface_version is checked; another one is
 * -EACCES. Results come back in the same structure.
 *
 * All of 4.17's sub-operations are stated, so that no number is unknown to a reader; docs/abi-coverage.md says which
 * of them are answered.
 */
#ifndef XEN_DOMCTL_H
#define XEN_DOMCTL_H

#include <xen/arch-x86_64.h>
#include <xen/xen.h>

#define XEN_DOMCTL_INTERFACE_VERSION		0x00000015

#define XEN_DOMCTL_createdomain			1
#define XEN_DOMCTL_destroydomain		2
#define XEN_DOMCTL_pausedomain			3
#define XEN_DOMCTL_unpausedomain		4
#define XEN_DOMCTL_getdomaininfo		5
#define XEN_DOMCTL_setvcpuaffinity		9
#define XEN_DOMCTL_shadow_op			10
#define XEN_DOMCTL_max_mem			11
#define XEN_DOMCTL_setvcpucontext		12
#define XEN_DOMCTL_getvcpucontext		13
#define XEN_DOMCTL_getvcpuinfo			14
#define XEN_DOMCTL_max_vcpus			15
#define XEN_DOMCTL_scheduler_op			16
#define XEN_DOMCTL_setdomainhandle		17
#define XEN_DOMCTL_setdebugging			18
#define XEN_DOMCTL_irq_permission		19
#define XEN_DOMCTL_iomem_permission		20
#define XEN_DOMCTL_ioport_permission		21
#define XEN_DOMCTL_hypercall_init		22
#define XEN_DOMCTL_settimeoffset		24
#define XEN_DOMCTL_getvcpuaffinity		25
#define XEN_DOMCTL_real_mode_area		26
#define XEN_DOMCTL_resumedomain			27
#define XEN_DOMCTL_sendtrigger			28
#define XEN_DOMCTL_subscribe			29
#define XEN_DOMCTL_gethvmcontext		33
#define XEN_DOMCTL_sethvmcontext		34
#define XEN_DOMCTL_set_address_size		35
#define XEN_DOMCTL_get_address_size		36
#define XEN_DOMCTL_assign_device		37
#define XEN_DOMCTL_bind_pt_irq			38
#define XEN_DOMCTL_memory_mapping		39
#define XEN_DOMCTL_ioport_mapping		40
#define XEN_DOMCTL_set_ext_vcpucontext		42
#define XEN_DOMCTL_get_ext_vcpucontext		43
#define XEN_DOMCTL_set_opt_feature		44
#define XEN_DOMCTL_test_assign_device		45
#define XEN_DOMCTL_set_target			46
#define XEN_DOMCTL_deassign_device		47
#define XEN_DOMCTL_unbind_pt_irq		48
#define XEN_DOMCTL_get_device_group		50
#define XEN_DOMCTL_debug_op			54
#define XEN_DOMCTL_gethvmcontext_partial	55
#define XEN_DOMCTL_vm_event_op			56
#define XEN_DOMCTL_mem_sharing_op		57
#define XEN_DOMCTL_gettscinfo			59
#define XEN_DOMCTL_settscinfo			60
#define XEN_DOMCTL_getpageframeinfo3		61
#define XEN_DOMCTL_setvcpuextstate		62
#define XEN_DOMCTL_getvcpuextstate		63
#define XEN_DOMCTL_set_access_required		64
#define XEN_DOMCTL_audit_p2m			65
#define XEN_DOMCTL_set_virq_handler		66
#define XEN_DOMCTL_set_broken_page_p2m		67
#define XEN_DOMCTL_setnodeaffinity		68
#define XEN_DOMCTL_getnodeaffinity		69
#define XEN_DOMCTL_cacheflush			71
#define XEN_DOMCTL_get_vcpu_msrs		72
#define XEN_DOMCTL_set_vcpu_msrs		73
#define XEN_DOMCTL_setvnumainfo			74
#define XEN_DOMCTL_psr_cmt_op			75
#define XEN_DOMCTL_monitor_op			77
#define XEN_DOMCTL_psr_alloc			78
#define XEN_DOMCTL_soft_reset			79
#define XEN_DOMCTL_vuart_op			81
#define XEN_DOMCTL_get_cpu_policy		82
#define XEN_DOMCTL_set_cpu_policy		83
#define XEN_DOMCTL_vmtrace_op			84
#define XEN_DOMCTL_get_paging_mempool_size	85
#define XEN_DOMCTL_set_paging_mempool_size	86
#define XEN_DOMCTL_gdbsx_guestmemio		1000
#define XEN_DOMCTL_gdbsx_pausevcpu		1001
#define XEN_DOMCTL_gdbsx_unpausevcpu		1002
#define XEN_DOMCTL_gdbsx_domstatus		1003

/* xen_arch_domainconfig.emulation_flags: devices that the hypervisor plays for an HVM domain */
#define XEN_X86_EMU_LAPIC			0x001
#define XEN_X86_EMU_HPET			0x002
#define XEN_X86_EMU_PM				0x004
#define XEN_X86_EMU_RTC				0x008
#define XEN_X86_EMU_IOAPIC			0x010
#define XEN_X86_EMU_PIC				0x020
#define XEN_X86_EMU_VGA				0x040
#define XEN_X86_EMU_IOMMU			0x080
#define XEN_X86_EMU_PIT				0x100
#define XEN_X86_EMU_USE_PIRQ			0x200
#define XEN_X86_EMU_VPCI			0x400
#define XEN_X86_EMU_ALL				0x7ff
/* xen_arch_domainconfig.misc_flags */
#define XEN_X86_MSR_RELAXED			0x001
#define XEN_X86_MISC_FLAGS_MAX			XEN_X86_MSR_RELAXED

struct xen_arch_domainconfig {
	uint32_t emulation_flags;
	uint32_t misc_flags;
};
XEN_ABI_SIZE(struct xen_arch_domainconfig, 8);

/* xen_domctl_createdomain.flags */
#define XEN_DOMCTL_CDF_hvm			0x01
#define XEN_DOMCTL_CDF_hap			0x02
#define XEN_DOMCTL_CDF_s3_integrity		0x04
#define XEN_DOMCTL_CDF_oos_off			0x08
#define XEN_DOMCTL_CDF_xs_domain		0x10
#define XEN_DOMCTL_CDF_iommu			0x20
#define XEN_DOMCTL_CDF_nested_virt		0x40
#define XEN_DOMCTL_CDF_vpmu			0x80
#define XEN_DOMCTL_CDF_MAX			XEN_DOMCTL_CDF_vpmu
/* .iommu_opts */
#define XEN_DOMCTL_IOMMU_no_sharept		0x1
#define XEN_DOMCTL_IOMMU_MAX			XEN_DOMCTL_IOMMU_no_sharept
/* .grant_opts */
#define XEN_DOMCTL_GRANT_version_mask		0xf
#define XEN_DOMCTL_GRANT_version(v)		((v) & XEN_DOMCTL_GRANT_version_mask)

struct xen_domctl_createdomain {
	uint32_t ssidref;
	xen_domain_handle_t handle;
	uint32_t flags;			/* XEN_DOMCTL_CDF_* */
	uint32_t iommu_opts;
	uint32_t max_vcpus;
	uint32_t max_evtchn_port;	/* highest port that it may have */
	int32_t max_grant_frames;	/* below 0: the hypervisor's own limit */
	int32_t max_maptrack_frames;	/* likewise */
	uint32_t grant_opts;		/* highest grant table version */
	uint32_t vmtrace_size;		/* bytes for each vcpu; 0 for none */
	uint32_t cpupool_id;
	struct xen_arch_domainconfig arch;
};
XEN_ABI_SIZE(struct xen_domctl_createdomain, 64);

/* xen_domctl_getdomaininfo.flags */
#define XEN_DOMINF_dying			0x001
#define XEN_DOMINF_hvm_guest			0x002
#define XEN_DOMINF_shutdown			0x004
#define XEN_DOMINF_paused			0x008
#define XEN_DOMINF_blocked			0x010
#define XEN_DOMINF_running			0x020
#define XEN_DOMINF_debugged			0x040
#define XEN_DOMINF_xs_domain			0x080
#define XEN_DOMINF_hap				0x100
#define XEN_DOMINF_shutdownmask			255	/* SHUTDOWN_*, at bit */
#define XEN_DOMINF_shutdownshift		16
#define XEN_INVALID_MAX_VCPU_ID			0xffffffff

struct xen_domctl_getdomaininfo {
	domid_t domain;
	uint16_t pad1;
	uint32_t flags;			/* XEN_DOMINF_* */
	uint64_t tot_pages;
	uint64_t max_pages;
	uint64_t outstanding_pages;
	uint64_t shr_pages;
	uint64_t paged_pages;
	uint64_t shared_info_frame;	/* gmfn */
	uint64_t cpu_time;		/* ns, of all vcpus */
	uint32_t nr_online_vcpus;
	uint32_t max_vcpu_id;		/* XEN_INVALID_MAX_VCPU_ID for none */
	uint32_t ssidref;
	xen_domain_handle_t handle;
	uint32_t cpupool;
	uint8_t gpaddr_bits;
	uint8_t pad2[7];
	struct xen_arch_domainconfig arch_config;
};
typedef struct xen_domctl_getdomaininfo xen_domctl_getdomaininfo_t;
XEN_ABI_SIZE(struct xen_domctl_getdomaininfo, 112);
XEN_ABI_OFFSET(struct xen_domctl_getdomaininfo, gpaddr_bits, 96);
XEN_ABI_OFFSET(struct xen_domctl_getdomaininfo, arch_config, 104);

/* getpageframeinfo3: a frame's type, in the top four bits of 32 */
#define XEN_DOMCTL_PFINFO_LTAB_SHIFT		28
#define XEN_DOMCTL_PFINFO_NOTAB			0x00000000
#define XEN_DOMCTL_PFINFO_L1TAB			0x10000000
#define XEN_DOMCTL_PFINFO_L2TAB			0x20000000
#define XEN_DOMCTL_PFINFO_L3TAB			0x30000000
#define XEN_DOMCTL_PFINFO_L4TAB			0x40000000
#define XEN_DOMCTL_PFINFO_LTABTYPE_MASK		0x70000000
#define XEN_DOMCTL_PFINFO_LPINTAB		0x80000000	/* pinned */
#define XEN_DOMCTL_PFINFO_XTAB			0xf0000000	/* no such frame */
#define XEN_DOMCTL_PFINFO_XALLOC		0xe0000000
#define XEN_DOMCTL_PFINFO_BROKEN		0xd0000000
#define XEN_DOMCTL_PFINFO_LTAB_MASK		0xf0000000

struct xen_domctl_getpageframeinfo3 {
	uint64_t num;
	uint64_t array;			/* guest pointer: xen_pfn_t[num], frames in, types out */
};
XEN_ABI_SIZE(struct xen_domctl_getpageframeinfo3, 16);

#define XEN_DOMCTL_SHADOW_OP_OFF		0
#define XEN_DOMCTL_SHADOW_OP_ENABLE_TEST	1
#define XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY	2
#define XEN_DOMCTL_SHADOW_OP_CLEAN		11
#define XEN_DOMCTL_SHADOW_OP_PEEK		12
#define XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION	30
#define XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION	31
#define XEN_DOMCTL_SHADOW_OP_ENABLE		32
/* .mode of ENABLE */
#define XEN_DOMCTL_SHADOW_ENABLE_REFCOUNT	(1 << 1)
#define XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY	(1 << 2)
#define XEN_DOMCTL_SHADOW_ENABLE_TRANSLATE	(1 << 3)
#define XEN_DOMCTL_SHADOW_ENABLE_EXTERNAL	(1 << 4)
/* .mode of CLEAN and PEEK */
#define XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL	(1 << 0)

struct xen_domctl_shadow_op_stats {
	uint32_t fault_count;
	uint32_t dirty_count;
};
XEN_ABI_SIZE(struct xen_domctl_shadow_op_stats, 8);

struct xen_domctl_shadow_op {
	uint32_t op;			/* XEN_DOMCTL_SHADOW_OP_* */
	uint32_t mode;
	uint32_t mb;			/* MiB, of SET_ and GET_ALLOCATION */
	uint64_t dirty_bitmap;		/* guest pointer: bytes */
	uint64_t pages;			/* bits in that bitmap */
	struct xen_domctl_shadow_op_stats stats;
};
XEN_ABI_SIZE(struct xen_domctl_shadow_op, 40);
XEN_ABI_OFFSET(struct xen_domctl_shadow_op, dirty_bitmap, 16);

struct xen_domctl_max_mem {
	uint64_t max_memkb;
};
XEN_ABI_SIZE(struct xen_domctl_max_mem, 8);

struct xen_domctl_vcpucontext {
	uint32_t vcpu;
	uint64_t ctxt;			/* guest pointer: struct vcpu_guest_context */
};
XEN_ABI_SIZE(struct xen_domctl_vcpucontext, 16);

struct xen_domctl_getvcpuinfo {
	uint32_t vcpu;
	uint8_t online;
	uint8_t blocked;
	uint8_t running;
	uint64_t cpu_time;		/* ns */
	uint32_t cpu;
};
XEN_ABI_SIZE(struct xen_domctl_getvcpuinfo, 24);
XEN_ABI_OFFSET(struct xen_domctl_getvcpuinfo, cpu_time, 8);

struct xen_domctl_nodeaffinity {
	struct xenctl_bitmap nodemap;
};
XEN_ABI_SIZE(struct xen_domctl_nodeaffinity, 16);

#define XEN_VCPUAFFINITY_HARD			0x1
#define XEN_VCPUAFFINITY_SOFT			0x2
#define XEN_VCPUAFFINITY_FORCE			0x4	/* undoes SCHEDOP_pin_override */

struct xen_domctl_vcpuaffinity {
	uint32_t vcpu;
	uint32_t flags;			/* XEN_VCPUAFFINITY_* */
	struct xenctl_bitmap cpumap_hard;	/* in and out */
	struct xenctl_bitmap cpumap_soft;
};
XEN_ABI_SIZE(struct xen_domctl_vcpuaffinity, 40);

struct xen_domctl_max_vcpus {
	uint32_t max;
};
XEN_ABI_SIZE(struct xen_domctl_max_vcpus, 4);

#define XEN_SCHEDULER_CREDIT			5
#define XEN_SCHEDULER_CREDIT2			6
#define XEN_SCHEDULER_ARINC653			7
#define XEN_SCHEDULER_RTDS			8
#define XEN_SCHEDULER_NULL			9

struct xen_domctl_sched_credit {
	uint16_t weight;
	uint16_t cap;			/* percent of one CPU; 0 for none */
};
XEN_ABI_SIZE(struct xen_domctl_sched_credit, 4);

struct xen_domctl_sched_credit2 {
	uint16_t weight;
	uint16_t cap;
};
XEN_ABI_SIZE(struct xen_domctl_sched_credit2, 4);

#define XEN_DOMCTL_SCHEDRT_extra		0x1
struct xen_domctl_sched_rtds {
	uint32_t period;		/* us */
	uint32_t budget;		/* us */
	uint32_t flags;			/* XEN_DOMCTL_SCHEDRT_* */
};
XEN_ABI_SIZE(struct xen_domctl_sched_rtds, 12);

struct xen_domctl_schedparam_vcpu {
	union {
		struct xen_domctl_sched_credit credit;
		struct xen_domctl_sched_credit2 credit2;
		struct xen_domctl_sched_rtds rtds;
	} u;
	uint32_t vcpuid;
};
typedef struct xen_domctl_schedparam_vcpu xen_domctl_schedparam_vcpu_t;
XEN_ABI_SIZE(struct xen_domctl_schedparam_vcpu, 16);

#define XEN_DOMCTL_SCHEDOP_putinfo		0
#define XEN_DOMCTL_SCHEDOP_getinfo		1
#define XEN_DOMCTL_SCHEDOP_putvcpuinfo		2
#define XEN_DOMCTL_SCHEDOP_getvcpuinfo		3

struct xen_domctl_scheduler_op {
	uint32_t sched_id;		/* XEN_SCHEDULER_* */
	uint32_t cmd;			/* XEN_DOMCTL_SCHEDOP_* */
	union {
		struct xen_domctl_sched_credit credit;
		struct xen_domctl_sched_credit2 credit2;
		struct xen_domctl_sched_rtds rtds;
		struct {
			uint64_t vcpus;	/* guest pointer: struct xen_domctl_schedparam_vcpu[nr_vcpus] */
			uint32_t nr_vcpus;	/* out: how many were done */
			uint32_t padding;
		} v;
	} u;
};
XEN_ABI_SIZE(struct xen_domctl_scheduler_op, 24);

struct xen_domctl_setdomainhandle {
	xen_domain_handle_t handle;
};
XEN_ABI_SIZE(struct xen_domctl_setdomainhandle, 16);

struct xen_domctl_setdebugging {
	uint8_t enable;
};
XEN_ABI_SIZE(struct xen_domctl_setdebugging, 1);

struct xen_domctl_irq_permission {
	uint32_t pirq;
	uint8_t allow_access;
	uint8_t pad[3];
};
XEN_ABI_SIZE(struct xen_domctl_irq_permission, 8);

struct xen_domctl_iomem_permission {
	uint64_t first_mfn;
	uint64_t nr_mfns;
	uint8_t allow_access;
};
XEN_ABI_SIZE(struct xen_domctl_iomem_permission, 24);

struct xen_domctl_ioport_permission {
	uint32_t first_port;
	uint32_t nr_ports;
	uint8_t allow_access;
};
XEN_ABI_SIZE(struct xen_domctl_ioport_permission, 12);

struct xen_domctl_hypercall_init {
	uint64_t gmfn;			/* frame that becomes a hypercall page */
};
XEN_ABI_SIZE(struct xen_domctl_hypercall_init, 8);

struct xen_domctl_settimeoffset {
	int64_t time_offset_seconds;
};
XEN_ABI_SIZE(struct xen_domctl_settimeoffset, 8);

struct xen_domctl_hvmcontext {
	uint32_t size;			/* bytes, in and out */
	uint64_t buffer;		/* guest pointer: bytes; NULL asks for the size */
};
XEN_ABI_SIZE(struct xen_domctl_hvmcontext, 16);

struct xen_domctl_address_size {
	uint32_t size;			/* bits */
};
XEN_ABI_SIZE(struct xen_domctl_address_size, 4);

#define XEN_DOMCTL_SENDTRIGGER_NMI		0
#define XEN_DOMCTL_SENDTRIGGER_RESET		1
#define XEN_DOMCTL_SENDTRIGGER_INIT		2
#define XEN_DOMCTL_SENDTRIGGER_POWER		3
#define XEN_DOMCTL_SENDTRIGGER_SLEEP		4
struct xen_domctl_sendtrigger {
	uint32_t trigger;		/* XEN_DOMCTL_SENDTRIGGER_* */
	uint32_t vcpu;
};
XEN_ABI_SIZE(struct xen_domctl_sendtrigger, 8);

#define XEN_DOMCTL_DEV_PCI			0
#define XEN_DOMCTL_DEV_DT			1
#define XEN_DOMCTL_DEV_RDM_RELAXED		1	/* flag */
struct xen_domctl_assign_device {
	uint32_t dev;			/* XEN_DOMCTL_DEV_* */
	uint32_t flags;
	union {
		struct {
			uint32_t machine_sbdf;	/* segment << 16 | bus << 8 | device << 3 | function */
		} pci;
		struct {
			uint32_t size;
			uint64_t path;	/* guest pointer: char[size] */
		} dt;
	} u;
};
XEN_ABI_SIZE(struct xen_domctl_assign_device, 24);

struct xen_domctl_get_device_group {
	uint32_t machine_sbdf;
	uint32_t max_sdevs;
	uint32_t num_sdevs;		/* out */
	uint64_t sdev_array;		/* guest pointer: uint32_t[max_sdevs] */
};
XEN_ABI_SIZE(struct xen_domctl_get_device_group, 24);

enum pt_irq_type {
	PT_IRQ_TYPE_PCI,
	PT_IRQ_TYPE_ISA,
	PT_IRQ_TYPE_MSI,
	PT_IRQ_TYPE_MSI_TRANSLATE,
	PT_IRQ_TYPE_SPI,
};

#define XEN_DOMCTL_VMSI_X86_DEST_ID_MASK	0x0000ff
#define XEN_DOMCTL_VMSI_X86_RH_MASK		0x000100
#define XEN_DOMCTL_VMSI_X86_DM_MASK		0x000200
#define XEN_DOMCTL_VMSI_X86_DELIV_MASK		0x007000
#define XEN_DOMCTL_VMSI_X86_TRIG_MASK		0x008000
#define XEN_DOMCTL_VMSI_X86_UNMASKED		0x010000

struct xen_domctl_bind_pt_irq {
	uint32_t machine_irq;
	uint32_t irq_type;		/* enum pt_irq_type */
	union {
		struct {
			uint8_t isa_irq;
		} isa;
		struct {
			uint8_t bus;
			uint8_t device;
			uint8_t intx;
		} pci;
		struct {
			uint8_t gvec;
			uint32_t gflags;
			uint64_t gtable;
		} msi;
		struct {
			uint16_t spi;
		} spi;
	} u;
};
XEN_ABI_SIZE(struct xen_domctl_bind_pt_irq, 24);

#define DPCI_REMOVE_MAPPING			0
#define DPCI_ADD_MAPPING			1
struct xen_domctl_memory_mapping {
	uint64_t first_gfn;
	uint64_t first_mfn;
	uint64_t nr_mfns;
	uint32_t add_mapping;		/* DPCI_* */
	uint32_t padding;
};
XEN_ABI_SIZE(struct xen_domctl_memory_mapping, 32);

struct xen_domctl_ioport_mapping {
	uint32_t first_gport;
	uint32_t first_mport;
	uint32_t nr_ports;
	uint32_t add_mapping;		/* DPCI_* */
};
XEN_ABI_SIZE(struct xen_domctl_ioport_mapping, 16);

#define XEN_DOMCTL_MEM_CACHEATTR_UC		0
#define XEN_DOMCTL_MEM_CACHEATTR_WC		1
#define XEN_DOMCTL_MEM_CACHEATTR_WT		4
#define XEN_DOMCTL_MEM_CACHEATTR_WP		5
#define XEN_DOMCTL_MEM_CACHEATTR_WB		6
#define XEN_DOMCTL_MEM_CACHEATTR_UCM		7
#define XEN_DOMCTL_DELETE_MEM_CACHEATTR		0xffffffff

/* Machine-check state of a vcpu (hvm/save.h). */
struct hvm_vmce_vcpu {
	uint64_t caps;
	uint64_t mci_ctl2_bank0;
	uint64_t mci_ctl2_bank1;
	uint64_t mcg_ext_ctl;
};
XEN_ABI_SIZE(struct hvm_vmce_vcpu, 32);

struct xen_domctl_ext_vcpucontext {
	uint32_t vcpu;
	uint32_t size;			/* bytes of this structure that are meant */
	uint64_t syscall32_callback_eip;
	uint64_t sysenter_callback_eip;
	uint16_t syscall32_callback_cs;
	uint16_t sysenter_callback_cs;
	uint8_t syscall32_disables_events;
	uint8_t sysenter_disables_events;
	struct hvm_vmce_vcpu vmce;
};
XEN_ABI_SIZE(struct xen_domctl_ext_vcpucontext, 64);
XEN_ABI_OFFSET(struct xen_domctl_ext_vcpucontext, vmce, 32);

struct xen_domctl_set_target {
	domid_t target;
};
XEN_ABI_SIZE(struct xen_domctl_set_target, 2);

#define XEN_CPUID_INPUT_UNUSED			0xffffffff
#define XEN_CPUID_NO_SUBLEAF			0xffffffff
struct xen_cpuid_leaf {
	uint32_t leaf, subleaf;
	uint32_t a, b, c, d;
};
typedef struct xen_cpuid_leaf xen_cpuid_leaf_t;
XEN_ABI_SIZE(struct xen_cpuid_leaf, 24);

struct xen_msr_entry {
	uint32_t idx;
	uint32_t flags;			/* must be 0 */
	uint64_t val;
};
typedef struct xen_msr_entry xen_msr_entry_t;
XEN_ABI_SIZE(struct xen_msr_entry, 16);

struct xen_domctl_cpu_policy {
	uint32_t nr_leaves;		/* in: room; out: used */
	uint32_t nr_msrs;
	uint64_t leaves;		/* guest pointer: struct xen_cpuid_leaf[] */
	uint64_t msrs;			/* guest pointer: struct xen_msr_entry[] */
	uint32_t err_leaf, err_subleaf, err_msr;	/* out, of set: what was refused */
};
typedef struct xen_domctl_cpu_policy xen_domctl_cpu_policy_t;
XEN_ABI_SIZE(struct xen_domctl_cpu_policy, 40);

struct xen_domctl_subscribe {
	uint32_t port;
};
XEN_ABI_SIZE(struct xen_domctl_subscribe, 4);

#define XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF	0
#define XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON	1
struct xen_domctl_debug_op {
	uint32_t op;
	uint32_t vcpu;
};
XEN_ABI_SIZE(struct xen_domctl_debug_op, 8);

struct xen_domctl_hvmcontext_partial {
	uint32_t type;
	uint32_t instance;
	uint64_t bufsz;			/* bytes */
	uint64_t buffer;		/* guest pointer: bytes */
};
XEN_ABI_SIZE(struct xen_domctl_hvmcontext_partial, 24);

struct xen_domctl_tsc_info {
	uint32_t tsc_mode;
	uint32_t gtsc_khz;
	uint32_t incarnation;
	uint32_t pad;
	uint64_t elapsed_nsec;
};
XEN_ABI_SIZE(struct xen_domctl_tsc_info, 24);

struct xen_domctl_gdbsx_memio {
	uint64_t pgd3val;
	uint64_t gva;
	uint64_t uva;			/* guest pointer: the caller's buffer */
	uint32_t len;			/* bytes */
	uint8_t gwr;			/* 1: write to the guest */
	uint32_t remain;		/* out: bytes */
};
XEN_ABI_SIZE(struct xen_domctl_gdbsx_memio, 40);

struct xen_domctl_gdbsx_pauseunp_vcpu {
	uint32_t vcpu;
};
XEN_ABI_SIZE(struct xen_domctl_gdbsx_pauseunp_vcpu, 4);

struct xen_domctl_gdbsx_domstatus {
	uint8_t paused;
	uint32_t vcpu_id;
	uint32_t vcpu_ev;
};
XEN_ABI_SIZE(struct xen_domctl_gdbsx_domstatus, 12);

#define XEN_VM_EVENT_ENABLE			0
#define XEN_VM_EVENT_DISABLE			1
#define XEN_VM_EVENT_RESUME			2
#define XEN_VM_EVENT_GET_VERSION		3
#define XEN_DOMCTL_VM_EVENT_OP_PAGING		1
#define XEN_DOMCTL_VM_EVENT_OP_MONITOR		2
#define XEN_DOMCTL_VM_EVENT_OP_SHARING		3
struct xen_domctl_vm_event_op {
	uint32_t op;			/* XEN_VM_EVENT_* */
	uint32_t mode;			/* XEN_DOMCTL_VM_EVENT_OP_* */
	union {
		struct {
			uint32_t port;
		} enable;
		uint32_t version;
	} u;
};
XEN_ABI_SIZE(struct xen_domctl_vm_event_op, 12);

#define XEN_DOMCTL_MEM_SHARING_CONTROL		0
struct xen_domctl_mem_sharing_op {
	uint8_t op;
	union {
		uint8_t enable;
	} u;
};
XEN_ABI_SIZE(struct xen_domctl_mem_sharing_op, 2);

struct xen_domctl_audit_p2m {
	uint64_t orphans;
	uint64_t m2p_bad;
	uint64_t p2m_bad;
};
XEN_ABI_SIZE(struct xen_domctl_audit_p2m, 24);

struct xen_domctl_set_virq_handler {
	uint32_t virq;
};
XEN_ABI_SIZE(struct xen_domctl_set_virq_handler, 4);

struct xen_domctl_vcpuextstate {
	uint32_t vcpu;
	uint64_t xfeature_mask;		/* XCR0 bits */
	uint64_t size;			/* bytes, in and out */
	uint64_t buffer;		/* guest pointer: xcr0, xcr0_accum, XSAVE area */
};
XEN_ABI_SIZE(struct xen_domctl_vcpuextstate, 32);
XEN_ABI_OFFSET(struct xen_domctl_vcpuextstate, xfeature_mask, 8);

struct xen_domctl_set_access_required {
	uint8_t access_required;
};
XEN_ABI_SIZE(struct xen_domctl_set_access_required, 1);

struct xen_domctl_set_broken_page_p2m {
	uint64_t pfn;
};
XEN_ABI_SIZE(struct xen_domctl_set_broken_page_p2m, 8);

struct xen_domctl_cacheflush {
	xen_pfn_t start_pfn, nr_pfns;
};
XEN_ABI_SIZE(struct xen_domctl_cacheflush, 16);

struct xen_domctl_paging_mempool {
	uint64_t size;			/* bytes */
};
XEN_ABI_SIZE(struct xen_domctl_paging_mempool, 8);

struct xen_domctl_vcpu_msr {
	uint32_t index;
	uint32_t reserved;
	uint64_t value;
};
typedef struct xen_domctl_vcpu_msr xen_domctl_vcpu_msr_t;
XEN_ABI_SIZE(struct xen_domctl_vcpu_msr, 16);

struct xen_domctl_vcpu_msrs {
	uint32_t vcpu;
	uint32_t msr_count;		/* in: room; out: used */
	uint64_t msrs;			/* guest pointer: struct xen_domctl_vcpu_msr[] */
};
XEN_ABI_SIZE(struct xen_domctl_vcpu_msrs, 16);

struct xen_domctl_vnuma {
	uint32_t nr_vnodes;
	uint32_t nr_vmemranges;
	uint32_t nr_vcpus;
	uint32_t pad;
	uint64_t vdistance;		/* guest pointer: uint32_t[nr_vnodes * nr_vnodes] */
	uint64_t vcpu_to_vnode;		/* guest pointer: uint32_t[nr_vcpus] */
	uint64_t vnode_to_pnode;	/* guest pointer: uint32_t[nr_vnodes] */
	uint64_t vmemrange;		/* guest pointer: struct xen_vmemrange[nr_vmemranges] */
};
XEN_ABI_SIZE(struct xen_domctl_vnuma, 48);

#define XEN_DOMCTL_PSR_CMT_OP_DETACH		0
#define XEN_DOMCTL_PSR_CMT_OP_ATTACH		1
#define XEN_DOMCTL_PSR_CMT_OP_QUERY_RMID	2
struct xen_domctl_psr_cmt_op {
	uint32_t cmd;
	uint32_t data;
};
XEN_ABI_SIZE(struct xen_domctl_psr_cmt_op, 8);

#define XEN_DOMCTL_MONITOR_OP_ENABLE		0
#define XEN_DOMCTL_MONITOR_OP_DISABLE		1
#define XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES	2
#define XEN_DOMCTL_MONITOR_OP_EMULATE_EACH_REP	3
#define XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS	4
#define XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG		0
#define XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR		1
#define XEN_DOMCTL_MONITOR_EVENT_SINGLESTEP		2
#define XEN_DOMCTL_MONITOR_EVENT_SOFTWARE_BREAKPOINT	3
#define XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST		4
#define XEN_DOMCTL_MONITOR_EVENT_DEBUG_EXCEPTION	5
#define XEN_DOMCTL_MONITOR_EVENT_CPUID			6
#define XEN_DOMCTL_MONITOR_EVENT_PRIVILEGED_CALL	7
#define XEN_DOMCTL_MONITOR_EVENT_INTERRUPT		8
#define XEN_DOMCTL_MONITOR_EVENT_DESC_ACCESS		9
#define XEN_DOMCTL_MONITOR_EVENT_EMUL_UNIMPLEMENTED	10
#define XEN_DOMCTL_MONITOR_EVENT_INGUEST_PAGEFAULT	11
#define XEN_DOMCTL_MONITOR_EVENT_VMEXIT			12

struct xen_domctl_monitor_op {
	uint32_t op;			/* XEN_DOMCTL_MONITOR_OP_* */
	uint32_t event;			/* XEN_DOMCTL_MONITOR_EVENT_*, or a bitmap of them */
	union {
		struct {
			uint8_t index;
			uint8_t sync;
			uint8_t onchangeonly;
			uint8_t pad1;
			uint32_t pad2;
			uint64_t bitmask;
		} mov_to_cr;
		struct {
			uint32_t msr;
			uint8_t onchangeonly;
		} mov_to_msr;
		struct {
			uint8_t sync;
			uint8_t allow_userspace;
		} guest_request;
		struct {
			uint8_t sync;
		} debug_exception;
		struct {
			uint8_t sync;
		} vmexit;
	} u;
};
XEN_ABI_SIZE(struct xen_domctl_monitor_op, 24);

#define XEN_DOMCTL_PSR_SET_L3_CBM		0
#define XEN_DOMCTL_PSR_GET_L3_CBM		1
#define XEN_DOMCTL_PSR_SET_L3_CODE		2
#define XEN_DOMCTL_PSR_SET_L3_DATA		3
#define XEN_DOMCTL_PSR_GET_L3_CODE		4
#define XEN_DOMCTL_PSR_GET_L3_DATA		5
#define XEN_DOMCTL_PSR_SET_L2_CBM		6
#define XEN_DOMCTL_PSR_GET_L2_CBM		7
#define XEN_DOMCTL_PSR_SET_MBA_THRTL		8
#define XEN_DOMCTL_PSR_GET_MBA_THRTL		9
struct xen_domctl_psr_alloc {
	uint32_t cmd;			/* XEN_DOMCTL_PSR_* */
	uint32_t target;
	uint64_t data;
};
XEN_ABI_SIZE(struct xen_domctl_psr_alloc, 16);

#define XEN_DOMCTL_VUART_OP_INIT		0
#define XEN_DOMCTL_VUART_TYPE_VPL011		0
struct xen_domctl_vuart_op {
	uint32_t cmd;
	uint32_t type;
	uint64_t gfn;
	domid_t console_domid;
	uint8_t pad[2];
	uint32_t evtchn;
};
XEN_ABI_SIZE(struct xen_domctl_vuart_op, 24);

#define XEN_DOMCTL_vmtrace_enable		1
#define XEN_DOMCTL_vmtrace_disable		2
#define XEN_DOMCTL_vmtrace_reset_and_enable	3
#define XEN_DOMCTL_vmtrace_output_position	4
#define XEN_DOMCTL_vmtrace_get_option		5
#define XEN_DOMCTL_vmtrace_set_option		6
struct xen_domctl_vmtrace_op {
	uint32_t cmd;			/* XEN_DOMCTL_vmtrace_* */
	uint32_t vcpu;
	uint64_t key;
	uint64_t value;
};
typedef struct xen_domctl_vmtrace_op xen_domctl_vmtrace_op_t;
XEN_ABI_SIZE(struct xen_domctl_vmtrace_op, 24);

struct xen_domctl {
	uint32_t cmd;			/* XEN_DOMCTL_* */
	uint32_t interface_version;	/* XEN_DOMCTL_INTERFACE_VERSION */
	domid_t domain;
	uint16_t _pad[3];
	union {
		struct xen_domctl_createdomain createdomain;
		struct xen_domctl_getdomaininfo getdomaininfo;
		struct xen_domctl_getpageframeinfo3 getpageframeinfo3;
		struct xen_domctl_nodeaffinity nodeaffinity;
		struct xen_domctl_vcpuaffinity vcpuaffinity;
		struct xen_domctl_shadow_op shadow_op;
		struct xen_domctl_max_mem max_mem;
		struct xen_domctl_vcpucontext vcpucontext;
		struct xen_domctl_getvcpuinfo getvcpuinfo;
		struct xen_domctl_max_vcpus max_vcpus;
		struct xen_domctl_scheduler_op scheduler_op;
		struct xen_domctl_setdomainhandle setdomainhandle;
		struct xen_domctl_setdebugging setdebugging;
		struct xen_domctl_irq_permission irq_permission;
		struct xen_domctl_iomem_permission iomem_permission;
		struct xen_domctl_ioport_permission ioport_permission;
		struct xen_domctl_hypercall_init hypercall_init;
		struct xen_domctl_settimeoffset settimeoffset;
		struct xen_domctl_tsc_info tsc_info;
		struct xen_domctl_hvmcontext hvmcontext;
		struct xen_domctl_hvmcontext_partial hvmcontext_partial;
		struct xen_domctl_address_size address_size;
		struct xen_domctl_sendtrigger sendtrigger;
		struct xen_domctl_get_device_group get_device_group;
		struct xen_domctl_assign_device assign_device;
		struct xen_domctl_bind_pt_irq bind_pt_irq;
		struct xen_domctl_memory_mapping memory_mapping;
		struct xen_domctl_ioport_mapping ioport_mapping;
		struct xen_domctl_ext_vcpucontext ext_vcpucontext;
		struct xen_domctl_set_target set_target;
		struct xen_domctl_subscribe subscribe;
		struct xen_domctl_debug_op debug_op;
		struct xen_domctl_vm_event_op vm_event_op;
		struct xen_domctl_mem_sharing_op mem_sharing_op;
		struct xen_domctl_cpu_policy cpu_policy;
		struct xen_domctl_vcpuextstate vcpuextstate;
		struct xen_domctl_vcpu_msrs vcpu_msrs;
		struct xen_domctl_set_access_required access_required;
		struct xen_domctl_audit_p2m audit_p2m;
		struct xen_domctl_set_virq_handler set_virq_handler;
		struct xen_domctl_gdbsx_memio gdbsx_guest_memio;
		struct xen_domctl_set_broken_page_p2m set_broken_page_p2m;
		struct xen_domctl_cacheflush cacheflush;
		struct xen_domctl_gdbsx_pauseunp_vcpu gdbsx_pauseunp_vcpu;
		struct xen_domctl_gdbsx_domstatus gdbsx_domstatus;
		struct xen_domctl_vnuma vnuma;
		struct xen_domctl_psr_cmt_op psr_cmt_op;
		struct xen_domctl_monitor_op monitor_op;
		struct xen_domctl_psr_alloc psr_alloc;
		struct xen_domctl_vuart_op vuart_op;
		struct xen_domctl_vmtrace_op vmtrace_op;
		struct xen_domctl_paging_mempool paging_mempool;
		uint8_t pad[128];
	} u;
};
typedef struct xen_domctl xen_domctl_t;
XEN_ABI_SIZE(struct xen_domctl, 144);
XEN_ABI_OFFSET(struct xen_domctl, u, 16);

#endif
