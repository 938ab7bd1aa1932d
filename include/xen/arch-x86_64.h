// SPDX-License-Identifier: MIT
/*
 * The x86-64 half of the PV interface: selectors, register frames, the state a vcpu starts with, and the part of
 * the address space that belongs to the hypervisor.
 *
 * Both guest kernel and guest user run at CPL 3. The hypervisor remembers which of the two a vcpu is in, so no
 * selector below has ring 0 or 1 for a 64-bit guest.
 */
#ifndef XEN_ARCH_X86_64_H
#define XEN_ARCH_X86_64_H

#include <xen/abi.h>

/*
 * The GDT has 16 pages. The guest owns frames 0..13; pages 14 and 15 show the hypervisor's descriptors, among
 * them the flat ones that every guest may load.
 */
#define FIRST_RESERVED_GDT_PAGE		14
#define FIRST_RESERVED_GDT_BYTE		(FIRST_RESERVED_GDT_PAGE * 4096)
#define FIRST_RESERVED_GDT_ENTRY	(FIRST_RESERVED_GDT_BYTE / 8)

#define FLAT_RING3_CS32			0xe023
#define FLAT_RING3_CS64			0xe033
#define FLAT_RING3_DS32			0xe02b
#define FLAT_RING3_DS64			0x0000
#define FLAT_RING3_SS32			0xe02b
#define FLAT_RING3_SS64			0xe02b

#define FLAT_KERNEL_DS64		FLAT_RING3_DS64
#define FLAT_KERNEL_DS32		FLAT_RING3_DS32
#define FLAT_KERNEL_DS			FLAT_KERNEL_DS64
#define FLAT_KERNEL_CS64		FLAT_RING3_CS64
#define FLAT_KERNEL_CS32		FLAT_RING3_CS32
#define FLAT_KERNEL_CS			FLAT_KERNEL_CS64
#define FLAT_KERNEL_SS64		FLAT_RING3_SS64
#define FLAT_KERNEL_SS32		FLAT_RING3_SS32
#define FLAT_KERNEL_SS			FLAT_KERNEL_SS64

#define FLAT_USER_DS64			FLAT_RING3_DS64
#define FLAT_USER_DS32			FLAT_RING3_DS32
#define FLAT_USER_DS			FLAT_USER_DS64
#define FLAT_USER_CS64			FLAT_RING3_CS64
#define FLAT_USER_CS32			FLAT_RING3_CS32
#define FLAT_USER_CS			FLAT_USER_CS64
#define FLAT_USER_SS64			FLAT_RING3_SS64
#define FLAT_USER_SS32			FLAT_RING3_SS32
#define FLAT_USER_SS			FLAT_USER_SS64

/* L4 slots 256..271 of every guest table are the hypervisor's; the first half slot shows the m2p, read-only. */
#define HYPERVISOR_VIRT_START		0xffff800000000000
#define HYPERVISOR_VIRT_END		0xffff880000000000
#define MACH2PHYS_VIRT_START		0xffff800000000000
#define MACH2PHYS_VIRT_END		0xffff804000000000
#define MACH2PHYS_NR_ENTRIES		((MACH2PHYS_VIRT_END - MACH2PHYS_VIRT_START) >> 3)

/* set_segment_base: which base. */
#define SEGBASE_FS			0
#define SEGBASE_GS_USER			1	/* the base that swapgs would bring in */
#define SEGBASE_GS_KERNEL		2	/* the base in use while in the kernel */
#define SEGBASE_GS_USER_SEL		3	/* a selector, loaded for the user side */

/* vcpu_guest_context.flags, and iret_context.flags for VGCF_in_syscall. */
#define VGCF_I387_VALID			(1 << 0)
#define VGCF_IN_KERNEL			(1 << 2)
#define VGCF_i387_valid			(1 << 0)
#define VGCF_in_kernel			(1 << 2)
#define VGCF_failsafe_disables_events	(1 << 3)
#define VGCF_syscall_disables_events	(1 << 4)
#define VGCF_online			(1 << 5)
#define VGCF_in_syscall			(1 << 8)
#define VGCF_IN_SYSCALL			VGCF_in_syscall

/* vcpus above this number have no place in shared_info and must register their vcpu_info. */
#define XEN_LEGACY_MAX_VCPUS		32

/* `ud2a; "xen"` in front of an instruction asks for the emulated one. */
#ifdef __ASSEMBLER__
#define XEN_EMULATE_PREFIX		.byte 0x0f, 0x0b, 0x78, 0x65, 0x6e ;
#define XEN_CPUID			XEN_EMULATE_PREFIX cpuid
#else
#define XEN_EMULATE_PREFIX		".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e ; "
#define XEN_CPUID			XEN_EMULATE_PREFIX "cpuid"
#endif

/* What a 64-bit guest puts in a cr3 field: the frame's number, shifted. */
#define xen_pfn_to_cr3(pfn)		((uint64_t)(pfn) << 12)
#define xen_cr3_to_pfn(cr3)		((uint64_t)(cr3) >> 12)

#ifndef __ASSEMBLER__

typedef uint64_t xen_callback_t;
typedef uint64_t tsc_timestamp_t;

/* The frame that the iret hypercall finds at the guest's rsp. */
struct iret_context {
	uint64_t rax;
	uint64_t r11;
	uint64_t rcx;
	uint64_t flags;		/* VGCF_in_syscall or 0 */
	uint64_t rip;
	uint64_t cs;
	uint64_t rflags;
	uint64_t rsp;
	uint64_t ss;
};
XEN_ABI_SIZE(struct iret_context, 72);

struct cpu_user_regs {
	uint64_t r15;
	uint64_t r14;
	uint64_t r13;
	uint64_t r12;
	uint64_t rbp;
	uint64_t rbx;
	uint64_t r11;
	uint64_t r10;
	uint64_t r9;
	uint64_t r8;
	uint64_t rax;
	uint64_t rcx;
	uint64_t rdx;
	uint64_t rsi;
	uint64_t rdi;
	uint32_t error_code;
	uint32_t entry_vector;
	uint64_t rip;
	uint16_t cs, _pad0[1];
	uint8_t saved_upcall_mask;
	uint8_t _pad1[3];
	uint64_t rflags;
	uint64_t rsp;
	uint16_t ss, _pad2[3];
	uint16_t es, _pad3[3];
	uint16_t ds, _pad4[3];
	uint16_t fs, _pad5[3];
	uint16_t gs, _pad6[3];
};
typedef struct cpu_user_regs cpu_user_regs_t;
XEN_ABI_SIZE(struct cpu_user_regs, 200);
XEN_ABI_OFFSET(struct cpu_user_regs, rax, 80);
XEN_ABI_OFFSET(struct cpu_user_regs, error_code, 120);
XEN_ABI_OFFSET(struct cpu_user_regs, rip, 128);
XEN_ABI_OFFSET(struct cpu_user_regs, saved_upcall_mask, 140);
XEN_ABI_OFFSET(struct cpu_user_regs, rflags, 144);
XEN_ABI_OFFSET(struct cpu_user_regs, ss, 160);
XEN_ABI_OFFSET(struct cpu_user_regs, gs, 192);

/* One gate of set_trap_table. The list ends with address 0. */
struct trap_info {
	uint8_t vector;
	uint8_t flags;		/* bits 0-1: DPL for `int n`; bit 2: mask events on entry */
	uint16_t cs;		/* ignored for a 64-bit guest */
	uint64_t address;
};
typedef struct trap_info trap_info_t;
XEN_ABI_SIZE(struct trap_info, 16);
XEN_ABI_OFFSET(struct trap_info, address, 8);

#define TI_GET_DPL(ti)			((ti)->flags & 3)
#define TI_GET_IF(ti)			((ti)->flags & 4)
#define TI_SET_DPL(ti, dpl)		((ti)->flags |= (dpl))
#define TI_SET_IF(ti, masks)		((ti)->flags |= ((!!(masks)) << 2))

/* Everything that VCPUOP_initialise and the toolstack set in a vcpu that never ran. */
struct vcpu_guest_context {
	struct {
		char x[512];
	} fpu_ctxt;		/* FXSAVE image; valid with VGCF_i387_valid */
	uint64_t flags;
	struct cpu_user_regs user_regs;
	struct trap_info trap_ctxt[256];	/* indexed by vector; unused ones have address 0 */
	uint64_t ldt_base, ldt_ents;		/* address, number of descriptors */
	uint64_t gdt_frames[16], gdt_ents;	/* machine frames, number of descriptors */
	uint64_t kernel_ss, kernel_sp;
	uint64_t ctrlreg[8];			/* [1]: user L4, [3]: kernel L4; xen_pfn_to_cr3() */
	uint64_t debugreg[8];
	uint64_t event_callback_eip;
	uint64_t failsafe_callback_eip;
	uint64_t syscall_callback_eip;
	uint64_t vm_assist;
	uint64_t fs_base;
	uint64_t gs_base_kernel;
	uint64_t gs_base_user;
};
typedef struct vcpu_guest_context vcpu_guest_context_t;
XEN_ABI_SIZE(struct vcpu_guest_context, 5168);
XEN_ABI_OFFSET(struct vcpu_guest_context, flags, 0x200);
XEN_ABI_OFFSET(struct vcpu_guest_context, user_regs, 0x208);
XEN_ABI_OFFSET(struct vcpu_guest_context, trap_ctxt, 0x2d0);
XEN_ABI_OFFSET(struct vcpu_guest_context, ldt_base, 0x12d0);
XEN_ABI_OFFSET(struct vcpu_guest_context, gdt_frames, 0x12e0);
XEN_ABI_OFFSET(struct vcpu_guest_context, kernel_ss, 0x1368);
XEN_ABI_OFFSET(struct vcpu_guest_context, ctrlreg, 0x1378);
XEN_ABI_OFFSET(struct vcpu_guest_context, event_callback_eip, 0x13f8);
XEN_ABI_OFFSET(struct vcpu_guest_context, gs_base_user, 0x1428);

struct arch_vcpu_info {
	uint64_t cr2;
	uint64_t pad;
};
typedef struct arch_vcpu_info arch_vcpu_info_t;
XEN_ABI_SIZE(struct arch_vcpu_info, 16);

struct arch_shared_info {
	uint64_t max_pfn;		/* one more than the guest's last pfn */
	xen_pfn_t pfn_to_mfn_frame_list_list;
	uint64_t nmi_reason;		/* bits XEN_NMIREASON_* */
	uint64_t p2m_cr3;
	uint64_t p2m_vaddr;
	uint64_t p2m_generation;
};
typedef struct arch_shared_info arch_shared_info_t;
XEN_ABI_SIZE(struct arch_shared_info, 48);

/* Why an NMI came: bit numbers of arch_shared_info.nmi_reason. */
#define _XEN_NMIREASON_io_error		0
#define XEN_NMIREASON_io_error		(1UL << _XEN_NMIREASON_io_error)
#define _XEN_NMIREASON_pci_serr		1
#define XEN_NMIREASON_pci_serr		(1UL << _XEN_NMIREASON_pci_serr)
#define _XEN_NMIREASON_unknown		2
#define XEN_NMIREASON_unknown		(1UL << _XEN_NMIREASON_unknown)

#endif /* !__ASSEMBLER__ */
#endif
