/* SPDX-License-Identifier: MIT */
/*
 * What a PV domain and a PV vcpu have beside the common parts.
 */
#ifndef PV_PV_H
#define PV_PV_H

#include "lib/types.h"
#include "pv/page_type.h"
#include "xen/arch-x86_64.h"

#define NR_TRAPS 256
#define GDT_GUEST_FRAMES 14 /* entries 0..7167; frames 14 and 15 are the hypervisor's */

struct pv_callback {
	u64 rip;     /* 0 for none */
	bool masks;  /* sets upcall_mask on entry */
};

struct pv_trap {
	s64 rip : 48; /* 0 for unset: a fault there ends the guest. Canonical, so 48 bits say it all */
	u64 dpl : 2;  /* least privileged ring that may raise it by int n */
	u64 masks : 1;
};
_Static_assert(sizeof(struct pv_trap) == 8, "256 of them are half a page");

struct pv_vcpu {
	/* Hot, read by pv/entry.S */
	u8 kernel_mode;       /* 1: guest kernel, 0: guest user; both run in ring 3 */
	u8 iopl;              /* virtual I/O privilege level, 0..3 */
	u8 nmi_pending;
	u8 nmi_masked;        /* until the iret hypercall */
	u64 kernel_cr3;       /* maddr of the guest kernel's L4; holds a reference and type */
	u64 user_cr3;         /* maddr of the guest user L4, 0 for none; likewise */
	u64 kernel_sp;
	struct pv_callback event, failsafe, syscall, syscall32, sysenter;
	struct pv_trap traps[NR_TRAPS];

	u64 fs_base, gs_base_kernel, gs_base_user; /* valid while the vcpu is not on a CPU */
	u16 ds, es, fs, gs;                        /* likewise */
	u16 kernel_ss;

	u64 cr0_ts;           /* guest's CR0.TS: next FPU use is #NM for it */
	u64 cr2;
	u64 cr4;              /* bits the guest believes set */
	u32 tsc_aux;          /* what rdtscp and rdpid say: for Linux the vcpu's number */
	u64 dr[8];

	u32 gdt_ents;         /* entries in use; frames below */
	mfn_t gdt_frames[GDT_GUEST_FRAMES];
	u32 ldt_ents;
	u64 ldt_base;         /* guest VA */
	u32 ldt_mapped;       /* frames mapped in the LDT slot, one bit each (0..15) */

	u64 iobitmap_gva;     /* PHYSDEVOP_set_iobitmap */
	u32 iobitmap_ports;

	struct cpu_user_regs regs; /* while not on a CPU */
	struct pt_job job;         /* page tables being promoted or taken apart */
};

struct pv_domain {
	u64 *perdomain_l3;    /* [I] L3 of the slot that holds its vcpus' GDTs and LDTs */
	mfn_t perdomain_l3_mfn;
	u64 *perdomain_l2;    /* [I] one L2: 1 GiB, 8,192 vcpus */
	u64 **perdomain_l1;   /* [I] one L1 for 16 vcpus */
	bool xpti;            /* [I] its guests run on a page table without the hypervisor */
	u64 l1tf_end;         /* [I] not-present entries that name memory below it (bytes) are refused; 0: none are */
};

#endif
