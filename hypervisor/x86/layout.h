/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's address space: docs/memory-map.md explains every choice.
 *
 * L4 slots 256..271 (8 TiB) are ours in every page table; the ABI fixes the
 * hole's bounds and the place of the M2P table. Usable from assembly.
 */
#ifndef X86_LAYOUT_H
#define X86_LAYOUT_H

#ifdef __ASSEMBLY__
#define UL(x) x
#else
#define UL(x) x##UL
#endif

#define HV_SLOT_FIRST 256
#define HV_SLOT_LAST 271
#define LOWER_HALF_END UL(0x0000800000000000) /* from here to our hole nothing is canonical */
#define HV_VIRT_START UL(0xffff800000000000)
#define HV_VIRT_END UL(0xffff880000000000)

/* Slot 256: machine-to-phys table, u64 per frame, read-only to guests. ABI. */
#define M2P_RO_START UL(0xffff800000000000)
#define M2P_RO_END UL(0xffff804000000000)
/* Slot 257: the same frames, writable for the hypervisor. */
#define M2P_START UL(0xffff808000000000)
/* Slot 258: frame table, 16 bytes a frame. */
#define FRAME_TABLE_START UL(0xffff810000000000)
/* Slot 259: the loaded domain's own: GDT and LDT of each of its vcpus. */
#define PERDOMAIN_SLOT 259
#define PERDOMAIN_START UL(0xffff818000000000)
#define GDT_LDT_VCPU_SHIFT 17 /* 64 KiB of GDT, then 64 KiB of LDT */
#define GDT_VIRT(vcpu_id) (PERDOMAIN_START + ((u64)(vcpu_id) << GDT_LDT_VCPU_SHIFT))
#define LDT_VIRT(vcpu_id) (GDT_VIRT(vcpu_id) + 0x10000)
/* Slot 261: device memory, the image, the CPUs' areas. */
#define IOREMAP_START UL(0xffff828000000000)
#define IOREMAP_END UL(0xffff82c000000000)
#define HV_IMAGE_START UL(0xffff82d040000000) /* VA of physical 0 as the image is linked */
#define PERCPU_START UL(0xffff82d080000000)   /* within 2 GiB of the image: stubs jump by rel32 */
#define PERCPU_SIZE 0x10000
#define MAX_CPUS 1024
/* Slots 262..271: every RAM frame at DIRECT_MAP_START + maddr. 5 TiB. */
#define DIRECT_MAP_START UL(0xffff830000000000)
#define DIRECT_MAP_END UL(0xffff880000000000)

#define HV_LOAD_PADDR UL(0x200000) /* where the image is loaded */

/* A CPU's area, by pages. Masking any stack pointer finds the cpu_info at its end. */
#define PERCPU_STUB 0x0000 /* syscall stub: the only per-CPU code */
#define PERCPU_GDT 0x1000  /* frame 14 of the GDT of whichever vcpu runs */
#define PERCPU_TSS 0x2000
#define PERCPU_DF_STACK_END 0x4000  /* one page each for #DF, NMI, #MC, #DB */
#define PERCPU_NMI_STACK_END 0x5000
#define PERCPU_MCE_STACK_END 0x6000
#define PERCPU_DB_STACK_END 0x7000
#define PERCPU_STACK 0x8000 /* 32 KiB; page 7 below it stays unmapped */
#define STUB_CSTAR 64       /* offset in the stub page of the compatibility-mode entry */

/* Selectors. 0xe0xx are fixed by the ABI (xen/arch-x86_64.h). */
#define HV_CS 0xe008
#define HV_DS 0xe010
#define GUEST_CS32 0xe023
#define GUEST_SS 0xe02b
#define GUEST_CS64 0xe033
#define HV_TSS_SEL 0xe040
#define HV_LDT_SEL 0xe050
#define HV_GDT_FIRST_ENTRY 7168 /* 0xe000 / 8 */
#define HV_GDT_LIMIT 0xefff     /* 14 guest frames and ours */

/* Page table entry bits (SDM 3, 4.5). */
#define PTE_P 0x001
#define PTE_RW 0x002
#define PTE_U 0x004
#define PTE_PWT 0x008
#define PTE_PCD 0x010
#define PTE_A 0x020
#define PTE_D 0x040
#define PTE_PSE 0x080
#define PTE_PAT 0x080 /* in an L1 entry */
#define PTE_G 0x100
#define PTE_AVAIL 0xe00
#define PTE_GUEST_KERNEL UL(0x0010000000000000) /* bit 52: the guest wrote U=0 (abi) */
#define PTE_NX UL(0x8000000000000000)
#define PTE_MFN_MASK UL(0x000ffffffffff000)

#define HV_RW (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_NX)
#define HV_RO (PTE_P | PTE_A | PTE_D | PTE_NX)
#define HV_RX (PTE_P | PTE_A | PTE_D)
#define HV_TABLE (PTE_P | PTE_RW | PTE_A | PTE_D)
/* Uncached by the PAT the ABI fixes (index 3: PWT and PCD). */
#define HV_UC (HV_RW | PTE_PCD | PTE_PWT)

#endif
