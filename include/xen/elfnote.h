// SPDX-License-Identifier: MIT
/*
 * Types of the ELF notes named "Xen" by which a kernel tells the domain builder how it wants to start.
 */
#ifndef XEN_ELFNOTE_H
#define XEN_ELFNOTE_H

#define XEN_ELFNOTE_INFO		0
#define XEN_ELFNOTE_ENTRY		1	/* address of the first instruction */
#define XEN_ELFNOTE_HYPERCALL_PAGE	2	/* page to fill with call stubs */
#define XEN_ELFNOTE_VIRT_BASE		3	/* address of pfn 0 */
#define XEN_ELFNOTE_PADDR_OFFSET	4	/* taken off p_paddr before it becomes a pfn */
#define XEN_ELFNOTE_XEN_VERSION		5	/* "xen-3.0" */
#define XEN_ELFNOTE_GUEST_OS		6
#define XEN_ELFNOTE_GUEST_VERSION	7
#define XEN_ELFNOTE_LOADER		8	/* "generic" */
#define XEN_ELFNOTE_PAE_MODE		9
#define XEN_ELFNOTE_FEATURES		10	/* names with "|" between; "!" is a must */
#define XEN_ELFNOTE_BSD_SYMTAB		11
#define XEN_ELFNOTE_HV_START_LOW	12	/* lowest address the hypervisor may take */
#define XEN_ELFNOTE_L1_MFN_VALID	13	/* pairs of mask, value */
#define XEN_ELFNOTE_SUSPEND_CANCEL	14
#define XEN_ELFNOTE_INIT_P2M		15	/* address wanted for the p2m */
#define XEN_ELFNOTE_MOD_START_PFN	16	/* the initrd need not be mapped */
#define XEN_ELFNOTE_SUPPORTED_FEATURES	17	/* bits XENFEAT_* */
#define XEN_ELFNOTE_PHYS32_ENTRY	18	/* 32-bit entry of a PVH kernel */
#define XEN_ELFNOTE_MAX			XEN_ELFNOTE_PHYS32_ENTRY

/* Notes in dumps. */
#define XEN_ELFNOTE_CRASH_INFO			0x1000001
#define XEN_ELFNOTE_CRASH_REGS			0x1000002
#define XEN_ELFNOTE_DUMPCORE_NONE		0x2000000
#define XEN_ELFNOTE_DUMPCORE_HEADER		0x2000001
#define XEN_ELFNOTE_DUMPCORE_XEN_VERSION	0x2000002
#define XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION	0x2000003

#endif
