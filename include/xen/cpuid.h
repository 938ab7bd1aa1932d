// SPDX-License-Identifier: MIT
/*
 * CPUID leaves by which a guest recognises the hypervisor.
 */
#ifndef XEN_CPUID_H
#define XEN_CPUID_H

#define XEN_CPUID_FIRST_LEAF		0x40000000
#define XEN_CPUID_LEAF(i)		(XEN_CPUID_FIRST_LEAF + (i))
#define XEN_CPUID_MAX_NUM_LEAVES	5

/* Leaf 0: "XenVMMXenVMM" in ebx, ecx, edx; eax is the last leaf. Leaf 1: eax is the version. */
#define XEN_CPUID_SIGNATURE_EBX		0x566e6558
#define XEN_CPUID_SIGNATURE_ECX		0x65584d4d
#define XEN_CPUID_SIGNATURE_EDX		0x4d4d566e

/* Leaf 2, ecx. */
#define _XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD 0
#define XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD (1U << 0)

/* Leaf 4, eax (HVM and PVH only). */
#define XEN_HVM_CPUID_APIC_ACCESS_VIRT	(1U << 0)
#define XEN_HVM_CPUID_X2APIC_VIRT	(1U << 1)
#define XEN_HVM_CPUID_IOMMU_MAPPINGS	(1U << 2)
#define XEN_HVM_CPUID_VCPU_ID_PRESENT	(1U << 3)
#define XEN_HVM_CPUID_DOMID_PRESENT	(1U << 4)
#define XEN_HVM_CPUID_EXT_DEST_ID	(1U << 5)
#define XEN_HVM_CPUID_UPCALL_VECTOR	(1U << 6)

/* Leaf 5, ebx (PV only). */
#define XEN_CPUID_MACHINE_ADDRESS_WIDTH_MASK (0xffU << 0)

#endif
