// SPDX-License-Identifier: MIT
/*
 * The core of the public ABI: hypercall numbers, domain numbers, virtual interrupts, the two pages a PV guest is
 * born with (start_info and shared_info), and the arguments of the memory-management calls.
 *
 * A PV guest calls with `syscall` from its kernel: number in eax, arguments in rdi, rsi, rdx, r10, r8, result in
 * rax (a negated XEN_E* on failure); rcx and r11 are lost.
 */
#ifndef XEN_XEN_H
#define XEN_XEN_H

#include <xen/abi.h>
#include <xen/arch-x86_64.h>
#include <xen/errno.h>

#define __HYPERVISOR_set_trap_table			0
#define __HYPERVISOR_mmu_update				1
#define __HYPERVISOR_set_gdt				2
#define __HYPERVISOR_stack_switch			3
#define __HYPERVISOR_set_callbacks			4
#define __HYPERVISOR_fpu_taskswitch			5
#define __HYPERVISOR_sched_op_compat			6
#define __HYPERVISOR_platform_op			7
#define __HYPERVISOR_set_debugreg			8
#define __HYPERVISOR_get_debugreg			9
#define __HYPERVISOR_update_descriptor			10
#define __HYPERVISOR_memory_op				12
#define __HYPERVISOR_multicall				13
#define __HYPERVISOR_update_va_mapping			14
#define __HYPERVISOR_set_timer_op			15
#define __HYPERVISOR_event_channel_op_compat		16
#define __HYPERVISOR_xen_version			17
#define __HYPERVISOR_console_io				18
#define __HYPERVISOR_physdev_op_compat			19
#define __HYPERVISOR_grant_table_op			20
#define __HYPERVISOR_vm_assist				21
#define __HYPERVISOR_update_va_mapping_otherdomain	22
#define __HYPERVISOR_iret				23
#define __HYPERVISOR_vcpu_op				24
#define __HYPERVISOR_set_segment_base			25
#define __HYPERVISOR_mmuext_op				26
#define __HYPERVISOR_xsm_op				27
#define __HYPERVISOR_nmi_op				28
#define __HYPERVISOR_sched_op				29
#define __HYPERVISOR_callback_op			30
#define __HYPERVISOR_xenoprof_op			31
#define __HYPERVISOR_event_channel_op			32
#define __HYPERVISOR_physdev_op				33
#define __HYPERVISOR_hvm_op				34
#define __HYPERVISOR_sysctl				35
#define __HYPERVISOR_domctl				36
#define __HYPERVISOR_kexec_op				37
#define __HYPERVISOR_tmem_op				38
#define __HYPERVISOR_argo_op				39
#define __HYPERVISOR_xenpmu_op				40
#define __HYPERVISOR_dm_op				41
#define __HYPERVISOR_hypfs_op				42
#define __HYPERVISOR_arch_0				48	/* machine checks: mca */
#define __HYPERVISOR_arch_1				49
#define __HYPERVISOR_arch_2				50
#define __HYPERVISOR_arch_3				51
#define __HYPERVISOR_arch_4				52
#define __HYPERVISOR_arch_5				53
#define __HYPERVISOR_arch_6				54
#define __HYPERVISOR_arch_7				55

/* Virtual interrupts. "per vcpu": one binding for each vcpu; the rest exist once for a domain, on vcpu 0. */
#define VIRQ_TIMER		0	/* per vcpu */
#define VIRQ_DEBUG		1	/* per vcpu */
#define VIRQ_CONSOLE		2	/* dom0: input on the hypervisor's console */
#define VIRQ_DOM_EXC		3	/* a domain shut down or died */
#define VIRQ_TBUF		4
#define VIRQ_DEBUGGER		6
#define VIRQ_XENOPROF		7	/* per vcpu */
#define VIRQ_CON_RING		8
#define VIRQ_PCPU_STATE		9
#define VIRQ_MEM_EVENT		10
#define VIRQ_ARGO		11
#define VIRQ_ENOMEM		12
#define VIRQ_XENPMU		13	/* per vcpu */
#define VIRQ_ARCH_0		16
#define VIRQ_ARCH_1		17
#define VIRQ_ARCH_2		18
#define VIRQ_ARCH_3		19
#define VIRQ_ARCH_4		20
#define VIRQ_ARCH_5		21
#define VIRQ_ARCH_6		22
#define VIRQ_ARCH_7		23
#define NR_VIRQS		24
#define VIRQ_MCA		VIRQ_ARCH_0

/* Domain numbers that name no ordinary domain. */
#define DOMID_FIRST_RESERVED	0x7ff0
#define DOMID_SELF		0x7ff0	/* the caller */
#define DOMID_IO		0x7ff1	/* owner of memory-mapped I/O */
#define DOMID_XEN		0x7ff2	/* owner of what the hypervisor shares */
#define DOMID_COW		0x7ff3
#define DOMID_INVALID		0x7ff4
#define DOMID_IDLE		0x7fff
#define DOMID_MASK		0x7fff

/* mmu_update: bits 0-1 of mmu_update.ptr. */
#define MMU_NORMAL_PT_UPDATE		0	/* store val at machine address ptr, a table entry */
#define MMU_MACHPHYS_UPDATE		1	/* m2p[ptr >> 12] = val */
#define MMU_PT_UPDATE_PRESERVE_AD	2	/* as 0, but accessed and dirty are kept if set */
#define MMU_PT_UPDATE_NO_TRANSLATE	3

#define MMUEXT_PIN_L1_TABLE		0
#define MMUEXT_PIN_L2_TABLE		1
#define MMUEXT_PIN_L3_TABLE		2
#define MMUEXT_PIN_L4_TABLE		3
#define MMUEXT_UNPIN_TABLE		4
#define MMUEXT_NEW_BASEPTR		5
#define MMUEXT_TLB_FLUSH_LOCAL		6
#define MMUEXT_INVLPG_LOCAL		7
#define MMUEXT_TLB_FLUSH_MULTI		8
#define MMUEXT_INVLPG_MULTI		9
#define MMUEXT_TLB_FLUSH_ALL		10
#define MMUEXT_INVLPG_ALL		11
#define MMUEXT_FLUSH_CACHE		12
#define MMUEXT_SET_LDT			13
#define MMUEXT_NEW_USER_BASEPTR		15
#define MMUEXT_CLEAR_PAGE		16
#define MMUEXT_COPY_PAGE		17
#define MMUEXT_FLUSH_CACHE_GLOBAL	18
#define MMUEXT_MARK_SUPER		19
#define MMUEXT_UNMARK_SUPER		20

/* update_va_mapping: what to flush. Without UVMF_ALL, bits 3.. may be a pointer to a vcpu bitmap. */
#define UVMF_NONE			0
#define UVMF_TLB_FLUSH			1
#define UVMF_INVLPG			2
#define UVMF_FLUSHTYPE_MASK		3
#define UVMF_MULTI			0
#define UVMF_LOCAL			0
#define UVMF_ALL			4

#define CONSOLEIO_write			0
#define CONSOLEIO_read			1

#define VMASST_CMD_enable		0
#define VMASST_CMD_disable		1
#define VMASST_TYPE_4gb_segments	0
#define VMASST_TYPE_4gb_segments_notify	1
#define VMASST_TYPE_writable_pagetables	2
#define VMASST_TYPE_pae_extended_cr3	3
#define VMASST_TYPE_architectural_iopl	4
#define VMASST_TYPE_runstate_update_flag 5
#define VMASST_TYPE_m2p_strict		32

/* start_info.flags */
#define SIF_PRIVILEGED			(1 << 0)
#define SIF_INITDOMAIN			(1 << 1)
#define SIF_MULTIBOOT_MOD		(1 << 2)
#define SIF_MOD_START_PFN		(1 << 3)	/* mod_start is a pfn, not an address */
#define SIF_VIRT_P2M_4TOOLS		(1 << 4)	/* the toolstack knows a virtually mapped p2m */
#define SIF_PM_MASK			(0xff << 8)

#define MAX_GUEST_CMDLINE		1024

#define XEN_VGATYPE_TEXT_MODE_3		0x03
#define XEN_VGATYPE_VESA_LFB		0x23
#define XEN_VGATYPE_EFI_LFB		0x70

#ifndef __ASSEMBLER__

struct mmuext_op {
	uint32_t cmd;			/* MMUEXT_* */
	union {
		xen_pfn_t mfn;
		uint64_t linear_addr;
	} arg1;
	union {
		uint32_t nr_ents;
		uint64_t vcpumask;	/* guest pointer: bitmap of vcpus */
		xen_pfn_t src_mfn;
	} arg2;
};
typedef struct mmuext_op mmuext_op_t;
XEN_ABI_SIZE(struct mmuext_op, 24);
XEN_ABI_OFFSET(struct mmuext_op, arg1, 8);
XEN_ABI_OFFSET(struct mmuext_op, arg2, 16);

struct mmu_update {
	uint64_t ptr;			/* machine address of the entry | MMU_* in bits 0-1 */
	uint64_t val;
};
typedef struct mmu_update mmu_update_t;
XEN_ABI_SIZE(struct mmu_update, 16);

struct multicall_entry {
	xen_ulong_t op, result;
	xen_ulong_t args[6];
};
typedef struct multicall_entry multicall_entry_t;
XEN_ABI_SIZE(struct multicall_entry, 64);

/*
 * ns = system_time + (((tsc - tsc_timestamp) << tsc_shift) * tsc_to_system_mul >> 32). A reader takes version
 * before and after; it is odd during an update. A negative shift is a shift to the right.
 */
struct vcpu_time_info {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;		/* ns since the hypervisor started */
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;			/* XEN_PVCLOCK_* */
	uint8_t pad1[2];
};
typedef struct vcpu_time_info vcpu_time_info_t;
XEN_ABI_SIZE(struct vcpu_time_info, 32);
XEN_ABI_OFFSET(struct vcpu_time_info, tsc_shift, 28);

#define XEN_PVCLOCK_TSC_STABLE_BIT	(1 << 0)
#define XEN_PVCLOCK_GUEST_STOPPED	(1 << 1)

struct vcpu_info {
	uint8_t evtchn_upcall_pending;
	uint8_t evtchn_upcall_mask;
	xen_ulong_t evtchn_pending_sel;	/* which words of shared_info.evtchn_pending to look at */
	struct arch_vcpu_info arch;
	vcpu_time_info_t time;
};
typedef struct vcpu_info vcpu_info_t;
XEN_ABI_SIZE(struct vcpu_info, 64);
XEN_ABI_OFFSET(struct vcpu_info, evtchn_pending_sel, 8);
XEN_ABI_OFFSET(struct vcpu_info, time, 32);

struct shared_info {
	struct vcpu_info vcpu_info[XEN_LEGACY_MAX_VCPUS];
	xen_ulong_t evtchn_pending[64];
	xen_ulong_t evtchn_mask[64];
	uint32_t wc_version;		/* odd during an update */
	uint32_t wc_sec;		/* Unix time at system time 0 */
	uint32_t wc_nsec;
	uint32_t wc_sec_hi;
	struct arch_shared_info arch;
};
typedef struct shared_info shared_info_t;
#define xen_wc_sec_hi wc_sec_hi
XEN_ABI_SIZE(struct shared_info, 3136);
XEN_ABI_OFFSET(struct shared_info, evtchn_pending, 0x800);
XEN_ABI_OFFSET(struct shared_info, evtchn_mask, 0xa00);
XEN_ABI_OFFSET(struct shared_info, wc_version, 0xc00);
XEN_ABI_OFFSET(struct shared_info, arch, 0xc10);

struct start_info {
	char magic[32];			/* "xen-3.0-x86_64", with "p" at the end in dom0 */
	uint64_t nr_pages;
	uint64_t shared_info;		/* machine address */
	uint32_t flags;			/* SIF_* */
	xen_pfn_t store_mfn;
	uint32_t store_evtchn;
	union {
		struct {
			xen_pfn_t mfn;
			uint32_t evtchn;
		} domU;
		struct {
			uint32_t info_off;	/* of dom0_vga_console_info, from start_info */
			uint32_t info_size;
		} dom0;
	} console;
	uint64_t pt_base;		/* address of the L4 */
	uint64_t nr_pt_frames;
	uint64_t mfn_list;		/* address of the p2m */
	uint64_t mod_start;		/* address, or pfn with SIF_MOD_START_PFN */
	uint64_t mod_len;		/* bytes */
	int8_t cmd_line[MAX_GUEST_CMDLINE];
	uint64_t first_p2m_pfn;
	uint64_t nr_p2m_frames;
};
typedef struct start_info start_info_t;
XEN_ABI_SIZE(struct start_info, 1168);
XEN_ABI_OFFSET(struct start_info, flags, 48);
XEN_ABI_OFFSET(struct start_info, store_mfn, 56);
XEN_ABI_OFFSET(struct start_info, store_evtchn, 64);
XEN_ABI_OFFSET(struct start_info, console, 72);
XEN_ABI_OFFSET(struct start_info, pt_base, 88);
XEN_ABI_OFFSET(struct start_info, cmd_line, 128);
XEN_ABI_OFFSET(struct start_info, first_p2m_pfn, 1152);

struct xen_multiboot_mod_list {
	uint32_t mod_start;
	uint32_t mod_end;
	uint32_t cmdline;
	uint32_t pad;
};
XEN_ABI_SIZE(struct xen_multiboot_mod_list, 16);

struct dom0_vga_console_info {
	uint8_t video_type;		/* XEN_VGATYPE_* */
	union {
		struct {
			uint16_t font_height;
			uint16_t cursor_x, cursor_y;
			uint16_t rows, columns;
		} text_mode_3;
		struct {
			uint16_t width, height;
			uint16_t bytes_per_line;
			uint16_t bits_per_pixel;
			uint32_t lfb_base;
			uint32_t lfb_size;	/* units of 64 KiB */
			uint8_t red_pos, red_size;
			uint8_t green_pos, green_size;
			uint8_t blue_pos, blue_size;
			uint8_t rsvd_pos, rsvd_size;
			uint32_t gbl_caps;
			uint16_t mode_attrs;
			uint16_t pad;
			uint32_t ext_lfb_base;	/* bits 63-32 of the base */
		} vesa_lfb;
	} u;
};
typedef struct dom0_vga_console_info dom0_vga_console_info_t;
XEN_ABI_SIZE(struct dom0_vga_console_info, 40);

typedef uint8_t xen_domain_handle_t[16];

struct xenctl_bitmap {
	uint64_t bitmap;		/* guest pointer: bytes */
	uint32_t nr_bits;
};
XEN_ABI_SIZE(struct xenctl_bitmap, 16);

#endif /* !__ASSEMBLER__ */
#endif
