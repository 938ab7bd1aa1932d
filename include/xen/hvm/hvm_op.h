// SPDX-License-Identifier: MIT
/*
 * Arguments of hvm_op (34), as far as guests and the toolstack of this ABI need them.
 */
#ifndef XEN_HVM_HVM_OP_H
#define XEN_HVM_HVM_OP_H

#include <xen/xen.h>

#define HVMOP_set_param			0
#define HVMOP_get_param			1
#define HVMOP_flush_tlbs		5
#define HVMOP_pagetable_dying		9
#define HVMOP_get_time			10
#define HVMOP_xentrace			11
#define HVMOP_set_mem_access		12
#define HVMOP_get_mem_access		13
#define HVMOP_get_mem_type		15
#define HVMOP_set_evtchn_upcall_vector	23
#define HVMOP_guest_request_vm_event	24
#define HVMOP_altp2m			25

/* xen_hvm_get_mem_type.mem_type */
typedef enum {
	HVMMEM_ram_rw,
	HVMMEM_ram_ro,
	HVMMEM_mmio_dm,
	HVMMEM_unused,
	HVMMEM_ioreq_server
} hvmmem_type_t;

struct xen_hvm_param {
	domid_t domid;
	uint16_t pad;
	uint32_t index;			/* HVM_PARAM_* */
	uint64_t value;
};
typedef struct xen_hvm_param xen_hvm_param_t;
XEN_ABI_SIZE(struct xen_hvm_param, 16);

struct xen_hvm_pagetable_dying {
	domid_t domid;
	uint16_t pad[3];
	uint64_t gpa;
};
typedef struct xen_hvm_pagetable_dying xen_hvm_pagetable_dying_t;
XEN_ABI_SIZE(struct xen_hvm_pagetable_dying, 16);

struct xen_hvm_get_time {
	uint64_t now;			/* out: ns */
};
typedef struct xen_hvm_get_time xen_hvm_get_time_t;
XEN_ABI_SIZE(struct xen_hvm_get_time, 8);

struct xen_hvm_get_mem_type {
	domid_t domid;
	uint16_t mem_type;		/* out: hvmmem_type_t */
	uint16_t pad[2];
	uint64_t pfn;
};
typedef struct xen_hvm_get_mem_type xen_hvm_get_mem_type_t;
XEN_ABI_SIZE(struct xen_hvm_get_mem_type, 16);

struct xen_hvm_evtchn_upcall_vector {
	uint32_t vcpu;
	uint8_t vector;			/* 16..255 */
};
typedef struct xen_hvm_evtchn_upcall_vector xen_hvm_evtchn_upcall_vector_t;
XEN_ABI_SIZE(struct xen_hvm_evtchn_upcall_vector, 8);

#endif
