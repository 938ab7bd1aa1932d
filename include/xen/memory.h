// SPDX-License-Identifier: MIT
/*
 * Arguments of memory_op (12). The command is in bits 0-5 of the first argument; the bits above count extents
 * done, when a call is continued.
 */
#ifndef XEN_MEMORY_H
#define XEN_MEMORY_H

#include <xen/physdev.h>
#include <xen/xen.h>

#define XENMEM_increase_reservation		0
#define XENMEM_decrease_reservation		1
#define XENMEM_maximum_ram_page			2
#define XENMEM_current_reservation		3
#define XENMEM_maximum_reservation		4
#define XENMEM_machphys_mfn_list		5
#define XENMEM_populate_physmap			6
#define XENMEM_add_to_physmap			7
#define XENMEM_memory_map			9
#define XENMEM_machine_memory_map		10
#define XENMEM_exchange				11
#define XENMEM_machphys_mapping			12
#define XENMEM_set_memory_map			13
#define XENMEM_maximum_gpfn			14
#define XENMEM_remove_from_physmap		15
#define XENMEM_set_pod_target			16
#define XENMEM_get_pod_target			17
#define XENMEM_get_sharing_freed_pages		18
#define XENMEM_get_sharing_shared_pages		19
#define XENMEM_paging_op			20
#define XENMEM_access_op			21
#define XENMEM_sharing_op			22
#define XENMEM_add_to_physmap_batch		23
#define XENMEM_claim_pages			24
#define XENMEM_machphys_compat_mfn_list		25
#define XENMEM_get_vnumainfo			26
#define XENMEM_reserved_device_memory_map	27
#define XENMEM_acquire_resource			28

/* xen_memory_reservation.mem_flags */
#define XENMEMF_address_bits(x)			(x)
#define XENMEMF_get_address_bits(x)		((x) & 0xffu)
#define XENMEMF_node(x)				(((x) + 1) << 8)
#define XENMEMF_get_node(x)			((((x) >> 8) - 1) & 0xffu)
#define XENMEMF_populate_on_demand		(1 << 16)
#define XENMEMF_exact_node_request		(1 << 17)
#define XENMEMF_exact_node(n)			(XENMEMF_node(n) | XENMEMF_exact_node_request)
#define XENMEMF_vnode				(1 << 18)

#define XENMAPSPACE_shared_info			0
#define XENMAPSPACE_grant_table			1
#define XENMAPSPACE_gmfn			2
#define XENMAPSPACE_gmfn_range			3
#define XENMAPSPACE_gmfn_foreign		4
#define XENMAPSPACE_dev_mmio			5
#define XENMAPIDX_grant_table_status		0x80000000

#define XENMEM_RDM_ALL				1

#define XENMEM_resource_ioreq_server		0
#define XENMEM_resource_grant_table		1
#define XENMEM_resource_vmtrace_buf		2
#define XENMEM_resource_grant_table_id_shared	0
#define XENMEM_resource_grant_table_id_status	1
#define XENMEM_resource_ioreq_server_frame_bufioreq 0
#define XENMEM_resource_ioreq_server_frame_ioreq(n) (1 + (n))

struct xen_memory_reservation {
	uint64_t extent_start;		/* guest pointer: xen_pfn_t[nr_extents] */
	xen_ulong_t nr_extents;
	uint32_t extent_order;		/* log2 of pages */
	uint32_t mem_flags;		/* XENMEMF_* */
	domid_t domid;
};
typedef struct xen_memory_reservation xen_memory_reservation_t;
XEN_ABI_SIZE(struct xen_memory_reservation, 32);
XEN_ABI_OFFSET(struct xen_memory_reservation, domid, 24);

struct xen_memory_exchange {
	struct xen_memory_reservation in;
	struct xen_memory_reservation out;
	xen_ulong_t nr_exchanged;	/* in and out: input extents done */
};
typedef struct xen_memory_exchange xen_memory_exchange_t;
XEN_ABI_SIZE(struct xen_memory_exchange, 72);

struct xen_memory_domain {
	domid_t domid;
};
XEN_ABI_SIZE(struct xen_memory_domain, 2);

struct xen_machphys_mfn_list {
	uint32_t max_extents;
	uint64_t extent_start;		/* guest pointer: xen_pfn_t[max_extents], out */
	uint32_t nr_extents;		/* out */
};
typedef struct xen_machphys_mfn_list xen_machphys_mfn_list_t;
XEN_ABI_SIZE(struct xen_machphys_mfn_list, 24);

struct xen_machphys_mapping {
	xen_ulong_t v_start, v_end;	/* out */
	xen_ulong_t max_mfn;		/* out */
};
typedef struct xen_machphys_mapping xen_machphys_mapping_t;
XEN_ABI_SIZE(struct xen_machphys_mapping, 24);

struct xen_add_to_physmap {
	domid_t domid;
	uint16_t size;			/* pages, for gmfn_range */
	uint32_t space;			/* XENMAPSPACE_* */
	xen_ulong_t idx;
	xen_pfn_t gpfn;
};
typedef struct xen_add_to_physmap xen_add_to_physmap_t;
XEN_ABI_SIZE(struct xen_add_to_physmap, 24);

struct xen_add_to_physmap_batch {
	domid_t domid;
	uint16_t space;
	uint16_t size;
	union xen_add_to_physmap_batch_extra {
		domid_t foreign_domid;	/* gmfn_foreign */
		uint16_t res0;		/* all others: 0 */
	} u;
	uint64_t idxs;			/* guest pointer: xen_ulong_t[size] */
	uint64_t gpfns;			/* guest pointer: xen_pfn_t[size] */
	uint64_t errs;			/* guest pointer: int[size], out */
};
typedef struct xen_add_to_physmap_batch xen_add_to_physmap_batch_t;
XEN_ABI_SIZE(struct xen_add_to_physmap_batch, 32);

struct xen_remove_from_physmap {
	domid_t domid;
	xen_pfn_t gpfn;
};
typedef struct xen_remove_from_physmap xen_remove_from_physmap_t;
XEN_ABI_SIZE(struct xen_remove_from_physmap, 16);

struct xen_memory_map {
	uint32_t nr_entries;		/* in: room; out: entries written */
	uint64_t buffer;		/* guest pointer: struct xen_e820_entry[] */
};
typedef struct xen_memory_map xen_memory_map_t;
XEN_ABI_SIZE(struct xen_memory_map, 16);

/* What the memory-map calls fill in: BIOS E820 entries, without padding. The name is ours, the ABI has none. */
struct xen_e820_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
} __attribute__((packed));
XEN_ABI_SIZE(struct xen_e820_entry, 20);

struct xen_foreign_memory_map {
	domid_t domid;
	struct xen_memory_map map;
};
typedef struct xen_foreign_memory_map xen_foreign_memory_map_t;
XEN_ABI_SIZE(struct xen_foreign_memory_map, 24);

struct xen_pod_target {
	uint64_t target_pages;
	uint64_t tot_pages;		/* out */
	uint64_t pod_cache_pages;	/* out */
	uint64_t pod_entries;		/* out */
	domid_t domid;
};
typedef struct xen_pod_target xen_pod_target_t;
XEN_ABI_SIZE(struct xen_pod_target, 40);

struct xen_reserved_device_memory {
	xen_pfn_t start_pfn;
	xen_ulong_t nr_pages;
};
typedef struct xen_reserved_device_memory xen_reserved_device_memory_t;
XEN_ABI_SIZE(struct xen_reserved_device_memory, 16);

struct xen_reserved_device_memory_map {
	uint32_t flags;			/* XENMEM_RDM_ALL */
	uint32_t nr_entries;
	uint64_t buffer;		/* guest pointer: struct xen_reserved_device_memory[] */
	union {
		physdev_pci_device_t pci;
	} dev;
};
typedef struct xen_reserved_device_memory_map xen_reserved_device_memory_map_t;
XEN_ABI_SIZE(struct xen_reserved_device_memory_map, 24);

struct xen_mem_acquire_resource {
	domid_t domid;
	uint16_t type;			/* XENMEM_resource_* */
	uint32_t id;
	uint32_t nr_frames;		/* 0 with frame_list 0: how many there are */
	uint32_t pad;			/* 0 */
	uint64_t frame;			/* the first */
	uint64_t frame_list;		/* guest pointer: xen_pfn_t[nr_frames] */
};
typedef struct xen_mem_acquire_resource xen_mem_acquire_resource_t;
XEN_ABI_SIZE(struct xen_mem_acquire_resource, 32);

struct xen_vmemrange {
	uint64_t start, end;
	uint32_t flags;
	uint32_t nid;
};
typedef struct xen_vmemrange xen_vmemrange_t;
XEN_ABI_SIZE(struct xen_vmemrange, 24);

struct xen_vnuma_topology_info {
	domid_t domid;
	uint16_t pad;
	uint32_t nr_vnodes;
	uint32_t nr_vcpus;
	uint32_t nr_vmemranges;
	union {
		uint64_t h;		/* guest pointer: unsigned int[] */
		uint64_t pad;
	} vdistance;
	union {
		uint64_t h;		/* guest pointer: unsigned int[] */
		uint64_t pad;
	} vcpu_to_vnode;
	union {
		uint64_t h;		/* guest pointer: struct xen_vmemrange[] */
		uint64_t pad;
	} vmemrange;
};
typedef struct xen_vnuma_topology_info xen_vnuma_topology_info_t;
XEN_ABI_SIZE(struct xen_vnuma_topology_info, 40);

#endif
