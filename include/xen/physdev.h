// SPDX-License-Identifier: MIT
/*
 * Arguments of physdev_op (33): interrupts of real devices, I/O privileges, and what dom0 tells about PCI.
 */
#ifndef XEN_PHYSDEV_H
#define XEN_PHYSDEV_H

#include <xen/xen.h>

#define PHYSDEVOP_IRQ_UNMASK_NOTIFY	4
#define PHYSDEVOP_irq_status_query	5
#define PHYSDEVOP_set_iopl		6
#define PHYSDEVOP_set_iobitmap		7
#define PHYSDEVOP_apic_read		8
#define PHYSDEVOP_apic_write		9
#define PHYSDEVOP_alloc_irq_vector	10
#define PHYSDEVOP_free_irq_vector	11
#define PHYSDEVOP_eoi			12
#define PHYSDEVOP_map_pirq		13
#define PHYSDEVOP_unmap_pirq		14
#define PHYSDEVOP_manage_pci_add	15
#define PHYSDEVOP_manage_pci_remove	16
#define PHYSDEVOP_pirq_eoi_gmfn_v1	17
#define PHYSDEVOP_restore_msi		19
#define PHYSDEVOP_manage_pci_add_ext	20
#define PHYSDEVOP_setup_gsi		21
#define PHYSDEVOP_get_free_pirq		23
#define PHYSDEVOP_pci_mmcfg_reserved	24
#define PHYSDEVOP_pci_device_add	25
#define PHYSDEVOP_pci_device_remove	26
#define PHYSDEVOP_restore_msi_ext	27
#define PHYSDEVOP_pirq_eoi_gmfn_v2	28
#define PHYSDEVOP_pirq_eoi_gmfn		PHYSDEVOP_pirq_eoi_gmfn_v2
#define PHYSDEVOP_dbgp_op		29
#define PHYSDEVOP_prepare_msix		30
#define PHYSDEVOP_release_msix		31

#define _XENIRQSTAT_needs_eoi		0
#define XENIRQSTAT_needs_eoi		(1U << _XENIRQSTAT_needs_eoi)
#define _XENIRQSTAT_shared		1
#define XENIRQSTAT_shared		(1U << _XENIRQSTAT_shared)

#define MAP_PIRQ_TYPE_MSI		0x0
#define MAP_PIRQ_TYPE_GSI		0x1
#define MAP_PIRQ_TYPE_UNKNOWN		0x2
#define MAP_PIRQ_TYPE_MSI_SEG		0x3	/* bus holds segment << 16 | bus */
#define MAP_PIRQ_TYPE_MULTI_MSI		0x4

#define XEN_PCI_MMCFG_RESERVED		0x1
#define XEN_PCI_DEV_EXTFN		0x1
#define XEN_PCI_DEV_VIRTFN		0x2
#define XEN_PCI_DEV_PXM			0x4	/* optarr[0] is the proximity domain */

#define PHYSDEVOP_DBGP_RESET_PREPARE	1
#define PHYSDEVOP_DBGP_RESET_DONE	2
#define PHYSDEVOP_DBGP_BUS_UNKNOWN	0
#define PHYSDEVOP_DBGP_BUS_PCI		1

struct physdev_eoi {
	uint32_t irq;
};
typedef struct physdev_eoi physdev_eoi_t;
XEN_ABI_SIZE(struct physdev_eoi, 4);

struct physdev_pirq_eoi_gmfn {
	xen_pfn_t gmfn;
};
typedef struct physdev_pirq_eoi_gmfn physdev_pirq_eoi_gmfn_t;
XEN_ABI_SIZE(struct physdev_pirq_eoi_gmfn, 8);

struct physdev_irq_status_query {
	uint32_t irq;
	uint32_t flags;			/* out: XENIRQSTAT_* */
};
typedef struct physdev_irq_status_query physdev_irq_status_query_t;
XEN_ABI_SIZE(struct physdev_irq_status_query, 8);

struct physdev_set_iopl {
	uint32_t iopl;
};
typedef struct physdev_set_iopl physdev_set_iopl_t;
XEN_ABI_SIZE(struct physdev_set_iopl, 4);

struct physdev_set_iobitmap {
	uint64_t bitmap;		/* guest pointer: bytes */
	uint32_t nr_ports;
};
typedef struct physdev_set_iobitmap physdev_set_iobitmap_t;
XEN_ABI_SIZE(struct physdev_set_iobitmap, 16);

struct physdev_apic {
	uint64_t apic_physbase;
	uint32_t reg;
	uint32_t value;
};
typedef struct physdev_apic physdev_apic_t;
XEN_ABI_SIZE(struct physdev_apic, 16);

struct physdev_irq {
	uint32_t irq;
	uint32_t vector;		/* out */
};
typedef struct physdev_irq physdev_irq_t;
XEN_ABI_SIZE(struct physdev_irq, 8);

struct physdev_map_pirq {
	domid_t domid;
	int32_t type;			/* MAP_PIRQ_TYPE_* */
	int32_t index;			/* GSI, or -1 */
	int32_t pirq;			/* in: wanted or -1; out: given */
	int32_t bus;
	int32_t devfn;
	int32_t entry_nr;
	uint64_t table_base;		/* MSI-X: start of the BAR that holds the table, else 0 */
};
typedef struct physdev_map_pirq physdev_map_pirq_t;
XEN_ABI_SIZE(struct physdev_map_pirq, 40);
XEN_ABI_OFFSET(struct physdev_map_pirq, type, 4);
XEN_ABI_OFFSET(struct physdev_map_pirq, table_base, 32);

struct physdev_unmap_pirq {
	domid_t domid;
	int32_t pirq;
};
typedef struct physdev_unmap_pirq physdev_unmap_pirq_t;
XEN_ABI_SIZE(struct physdev_unmap_pirq, 8);

struct physdev_manage_pci {
	uint8_t bus;
	uint8_t devfn;
};
typedef struct physdev_manage_pci physdev_manage_pci_t;
XEN_ABI_SIZE(struct physdev_manage_pci, 2);

struct physdev_restore_msi {
	uint8_t bus;
	uint8_t devfn;
};
typedef struct physdev_restore_msi physdev_restore_msi_t;
XEN_ABI_SIZE(struct physdev_restore_msi, 2);

struct physdev_manage_pci_ext {
	uint8_t bus;
	uint8_t devfn;
	uint32_t is_extfn;
	uint32_t is_virtfn;
	struct {
		uint8_t bus;
		uint8_t devfn;
	} physfn;
};
typedef struct physdev_manage_pci_ext physdev_manage_pci_ext_t;
XEN_ABI_SIZE(struct physdev_manage_pci_ext, 16);

/* Argument of the compat call (19), which carries its own command. */
struct physdev_op {
	uint32_t cmd;
	union {
		physdev_irq_status_query_t irq_status_query;
		physdev_set_iopl_t set_iopl;
		physdev_set_iobitmap_t set_iobitmap;
		physdev_apic_t apic_op;
		physdev_irq_t irq_op;
	} u;
};
typedef struct physdev_op physdev_op_t;
XEN_ABI_SIZE(struct physdev_op, 24);

struct physdev_setup_gsi {
	int32_t gsi;
	uint8_t triggering;		/* 0 edge, 1 level */
	uint8_t polarity;		/* 0 high, 1 low */
};
typedef struct physdev_setup_gsi physdev_setup_gsi_t;
XEN_ABI_SIZE(struct physdev_setup_gsi, 8);

struct physdev_get_free_pirq {
	int32_t type;
	uint32_t pirq;			/* out */
};
typedef struct physdev_get_free_pirq physdev_get_free_pirq_t;
XEN_ABI_SIZE(struct physdev_get_free_pirq, 8);

struct physdev_pci_mmcfg_reserved {
	uint64_t address;
	uint16_t segment;
	uint8_t start_bus;
	uint8_t end_bus;
	uint32_t flags;			/* XEN_PCI_MMCFG_RESERVED */
};
typedef struct physdev_pci_mmcfg_reserved physdev_pci_mmcfg_reserved_t;
XEN_ABI_SIZE(struct physdev_pci_mmcfg_reserved, 16);

struct physdev_pci_device_add {
	uint16_t seg;
	uint8_t bus;
	uint8_t devfn;
	uint32_t flags;			/* XEN_PCI_DEV_* */
	struct {
		uint8_t bus;
		uint8_t devfn;
	} physfn;
	uint32_t optarr[];
};
typedef struct physdev_pci_device_add physdev_pci_device_add_t;
XEN_ABI_SIZE(struct physdev_pci_device_add, 12);

struct physdev_pci_device {
	uint16_t seg;
	uint8_t bus;
	uint8_t devfn;
};
typedef struct physdev_pci_device physdev_pci_device_t;
XEN_ABI_SIZE(struct physdev_pci_device, 4);

struct physdev_dbgp_op {
	uint8_t op;
	uint8_t bus;
	union {
		physdev_pci_device_t pci;
	} u;
};
typedef struct physdev_dbgp_op physdev_dbgp_op_t;
XEN_ABI_SIZE(struct physdev_dbgp_op, 6);

#endif
