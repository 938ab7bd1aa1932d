// SPDX-License-Identifier: MIT
/*
 * Grant tables: a domain writes into its own table who may map or copy which of its frames (version 1: 8 bytes an
 * entry; version 2: 16 bytes, with the in-use flags in separate status frames), and the other side acts on that
 * with grant_table_op (20): (cmd, array of arguments, count). Each element has its own status, GNTST_*.
 */
#ifndef XEN_GRANT_TABLE_H
#define XEN_GRANT_TABLE_H

#include <xen/xen.h>

#define GNTTAB_NR_RESERVED_ENTRIES	8	/* filled by the toolstack before the guest starts */
#define GNTTAB_RESERVED_CONSOLE		0
#define GNTTAB_RESERVED_XENSTORE	1

/* Flags of an entry: the type, then what the granter allows, then what the hypervisor reports (v1). */
#define GTF_invalid			(0U << 0)
#define GTF_permit_access		(1U << 0)
#define GTF_accept_transfer		(2U << 0)
#define GTF_transitive			(3U << 0)
#define GTF_type_mask			(3U << 0)
#define _GTF_readonly			2
#define GTF_readonly			(1U << _GTF_readonly)
#define _GTF_reading			3
#define GTF_reading			(1U << _GTF_reading)
#define _GTF_writing			4
#define GTF_writing			(1U << _GTF_writing)
#define _GTF_PWT			5
#define GTF_PWT				(1U << _GTF_PWT)
#define _GTF_PCD			6
#define GTF_PCD				(1U << _GTF_PCD)
#define _GTF_PAT			7
#define GTF_PAT				(1U << _GTF_PAT)
#define _GTF_sub_page			8
#define GTF_sub_page			(1U << _GTF_sub_page)
#define _GTF_transfer_committed		2
#define GTF_transfer_committed		(1U << _GTF_transfer_committed)
#define _GTF_transfer_completed		3
#define GTF_transfer_completed		(1U << _GTF_transfer_completed)

#define GNTTABOP_map_grant_ref		0
#define GNTTABOP_unmap_grant_ref	1
#define GNTTABOP_setup_table		2
#define GNTTABOP_dump_table		3
#define GNTTABOP_transfer		4
#define GNTTABOP_copy			5
#define GNTTABOP_query_size		6
#define GNTTABOP_unmap_and_replace	7
#define GNTTABOP_set_version		8
#define GNTTABOP_get_status_frames	9
#define GNTTABOP_get_version		10
#define GNTTABOP_swap_grant_ref		11
#define GNTTABOP_cache_flush		12

/* gnttab_map_grant_ref.flags */
#define _GNTMAP_device_map		0
#define GNTMAP_device_map		(1 << _GNTMAP_device_map)
#define _GNTMAP_host_map		1
#define GNTMAP_host_map			(1 << _GNTMAP_host_map)
#define _GNTMAP_readonly		2
#define GNTMAP_readonly			(1 << _GNTMAP_readonly)
#define _GNTMAP_application_map		3
#define GNTMAP_application_map		(1 << _GNTMAP_application_map)
#define _GNTMAP_contains_pte		4
#define GNTMAP_contains_pte		(1 << _GNTMAP_contains_pte)	/* host_addr: machine address of the PTE */
#define _GNTMAP_guest_avail0		16
#define GNTMAP_guest_avail_mask		((uint32_t)~0 << _GNTMAP_guest_avail0)

#define GNTST_okay			(0)
#define GNTST_general_error		(-1)
#define GNTST_bad_domain		(-2)
#define GNTST_bad_gntref		(-3)
#define GNTST_bad_handle		(-4)
#define GNTST_bad_virt_addr		(-5)
#define GNTST_bad_dev_addr		(-6)
#define GNTST_no_device_space		(-7)
#define GNTST_permission_denied		(-8)
#define GNTST_bad_page			(-9)
#define GNTST_bad_copy_arg		(-10)
#define GNTST_address_too_big		(-11)
#define GNTST_eagain			(-12)
#define GNTST_no_space			(-13)

/* gnttab_copy.flags */
#define _GNTCOPY_source_gref		0
#define GNTCOPY_source_gref		(1 << _GNTCOPY_source_gref)
#define _GNTCOPY_dest_gref		1
#define GNTCOPY_dest_gref		(1 << _GNTCOPY_dest_gref)

/* gnttab_cache_flush.op */
#define GNTTAB_CACHE_CLEAN		(1U << 0)
#define GNTTAB_CACHE_INVAL		(1U << 1)
#define GNTTAB_CACHE_SOURCE_GREF	(1U << 31)

typedef uint32_t grant_ref_t;
typedef uint32_t grant_handle_t;

struct grant_entry_v1 {
	uint16_t flags;
	domid_t domid;
	uint32_t frame;
};
typedef struct grant_entry_v1 grant_entry_v1_t;
XEN_ABI_SIZE(struct grant_entry_v1, 8);

struct grant_entry_header {
	uint16_t flags;
	domid_t domid;
};
typedef struct grant_entry_header grant_entry_header_t;
XEN_ABI_SIZE(struct grant_entry_header, 4);

union grant_entry_v2 {
	grant_entry_header_t hdr;
	struct {
		grant_entry_header_t hdr;
		uint32_t pad0;
		uint64_t frame;
	} full_page;
	struct {			/* with GTF_sub_page */
		grant_entry_header_t hdr;
		uint16_t page_off;
		uint16_t length;
		uint64_t frame;
	} sub_page;
	struct {			/* type GTF_transitive */
		grant_entry_header_t hdr;
		domid_t trans_domid;
		uint16_t pad0;
		grant_ref_t gref;
	} transitive;
	uint32_t __spacer[4];
};
typedef union grant_entry_v2 grant_entry_v2_t;
XEN_ABI_SIZE(union grant_entry_v2, 16);
typedef uint16_t grant_status_t;	/* GTF_reading | GTF_writing of a v2 entry */

struct gnttab_map_grant_ref {
	uint64_t host_addr;
	uint32_t flags;			/* GNTMAP_* */
	grant_ref_t ref;
	domid_t dom;
	int16_t status;			/* out */
	grant_handle_t handle;		/* out */
	uint64_t dev_bus_addr;		/* out */
};
typedef struct gnttab_map_grant_ref gnttab_map_grant_ref_t;
XEN_ABI_SIZE(struct gnttab_map_grant_ref, 32);

struct gnttab_unmap_grant_ref {
	uint64_t host_addr;
	uint64_t dev_bus_addr;
	grant_handle_t handle;
	int16_t status;			/* out */
};
typedef struct gnttab_unmap_grant_ref gnttab_unmap_grant_ref_t;
XEN_ABI_SIZE(struct gnttab_unmap_grant_ref, 24);

struct gnttab_setup_table {
	domid_t dom;
	uint32_t nr_frames;
	int16_t status;			/* out */
	uint64_t frame_list;		/* guest pointer: xen_pfn_t[nr_frames], out */
};
typedef struct gnttab_setup_table gnttab_setup_table_t;
XEN_ABI_SIZE(struct gnttab_setup_table, 24);
XEN_ABI_OFFSET(struct gnttab_setup_table, frame_list, 16);

struct gnttab_dump_table {
	domid_t dom;
	int16_t status;			/* out */
};
typedef struct gnttab_dump_table gnttab_dump_table_t;
XEN_ABI_SIZE(struct gnttab_dump_table, 4);

struct gnttab_transfer {
	xen_pfn_t mfn;
	domid_t domid;
	grant_ref_t ref;
	int16_t status;			/* out */
};
typedef struct gnttab_transfer gnttab_transfer_t;
XEN_ABI_SIZE(struct gnttab_transfer, 24);

struct gnttab_copy {
	struct gnttab_copy_ptr {
		union {
			grant_ref_t ref;
			xen_pfn_t gmfn;
		} u;
		domid_t domid;
		uint16_t offset;
	} source, dest;
	uint16_t len;
	uint16_t flags;			/* GNTCOPY_* */
	int16_t status;			/* out */
};
typedef struct gnttab_copy gnttab_copy_t;
XEN_ABI_SIZE(struct gnttab_copy, 40);
XEN_ABI_OFFSET(struct gnttab_copy, dest, 16);
XEN_ABI_OFFSET(struct gnttab_copy, len, 32);

struct gnttab_query_size {
	domid_t dom;
	uint32_t nr_frames;		/* out */
	uint32_t max_nr_frames;		/* out */
	int16_t status;			/* out */
};
typedef struct gnttab_query_size gnttab_query_size_t;
XEN_ABI_SIZE(struct gnttab_query_size, 16);

struct gnttab_unmap_and_replace {
	uint64_t host_addr;
	uint64_t new_addr;
	grant_handle_t handle;
	int16_t status;			/* out */
};
typedef struct gnttab_unmap_and_replace gnttab_unmap_and_replace_t;
XEN_ABI_SIZE(struct gnttab_unmap_and_replace, 24);

struct gnttab_set_version {
	uint32_t version;		/* in, out */
};
typedef struct gnttab_set_version gnttab_set_version_t;
XEN_ABI_SIZE(struct gnttab_set_version, 4);

struct gnttab_get_status_frames {
	uint32_t nr_frames;
	domid_t dom;
	int16_t status;			/* out */
	uint64_t frame_list;		/* guest pointer: uint64_t[nr_frames], out */
};
typedef struct gnttab_get_status_frames gnttab_get_status_frames_t;
XEN_ABI_SIZE(struct gnttab_get_status_frames, 16);

struct gnttab_get_version {
	domid_t dom;
	uint16_t pad;
	uint32_t version;		/* out */
};
typedef struct gnttab_get_version gnttab_get_version_t;
XEN_ABI_SIZE(struct gnttab_get_version, 8);

struct gnttab_swap_grant_ref {
	grant_ref_t ref_a;
	grant_ref_t ref_b;
	int16_t status;			/* out */
};
typedef struct gnttab_swap_grant_ref gnttab_swap_grant_ref_t;
XEN_ABI_SIZE(struct gnttab_swap_grant_ref, 12);

struct gnttab_cache_flush {
	union {
		uint64_t dev_bus_addr;
		grant_ref_t ref;
	} a;
	uint16_t offset;
	uint16_t length;
	uint32_t op;			/* GNTTAB_CACHE_* */
};
typedef struct gnttab_cache_flush gnttab_cache_flush_t;
XEN_ABI_SIZE(struct gnttab_cache_flush, 16);

#endif
