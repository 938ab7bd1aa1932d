// SPDX-License-Identifier: MIT
/*
 * Arguments of vcpu_op (24): (cmd, vcpu number, argument).
 */
#ifndef XEN_VCPU_H
#define XEN_VCPU_H

#include <xen/xen.h>

#define VCPUOP_initialise			0	/* struct vcpu_guest_context */
#define VCPUOP_up				1
#define VCPUOP_down				2
#define VCPUOP_is_up				3
#define VCPUOP_get_runstate_info		4
#define VCPUOP_register_runstate_memory_area	5
#define VCPUOP_set_periodic_timer		6
#define VCPUOP_stop_periodic_timer		7
#define VCPUOP_set_singleshot_timer		8
#define VCPUOP_stop_singleshot_timer		9
#define VCPUOP_register_vcpu_info		10
#define VCPUOP_send_nmi				11
#define VCPUOP_get_physid			12
#define VCPUOP_register_vcpu_time_memory_area	13

#define RUNSTATE_running			0
#define RUNSTATE_runnable			1
#define RUNSTATE_blocked			2
#define RUNSTATE_offline			3

/* Set in state_entry_time while the area is being written, if the guest asked for it with vm_assist. */
#define XEN_RUNSTATE_UPDATE			(1ULL << 63)

#define _VCPU_SSHOTTMR_future			0
#define VCPU_SSHOTTMR_future			(1U << _VCPU_SSHOTTMR_future)	/* a past time is -ETIME */

#define xen_vcpu_physid_to_x86_apicid(physid)	((uint32_t)(physid))
#define xen_vcpu_physid_to_x86_acpiid(physid)	((uint32_t)((physid) >> 32))

struct vcpu_runstate_info {
	int32_t state;			/* RUNSTATE_* */
	uint64_t state_entry_time;	/* ns */
	uint64_t time[4];		/* ns spent in each state */
};
typedef struct vcpu_runstate_info vcpu_runstate_info_t;
XEN_ABI_SIZE(struct vcpu_runstate_info, 48);
XEN_ABI_OFFSET(struct vcpu_runstate_info, state_entry_time, 8);

struct vcpu_register_runstate_memory_area {
	union {
		uint64_t h;		/* guest pointer: struct vcpu_runstate_info */
		uint64_t v;
		uint64_t p;
	} addr;
};
typedef struct vcpu_register_runstate_memory_area vcpu_register_runstate_memory_area_t;
XEN_ABI_SIZE(struct vcpu_register_runstate_memory_area, 8);

struct vcpu_set_periodic_timer {
	uint64_t period_ns;
};
typedef struct vcpu_set_periodic_timer vcpu_set_periodic_timer_t;
XEN_ABI_SIZE(struct vcpu_set_periodic_timer, 8);

struct vcpu_set_singleshot_timer {
	uint64_t timeout_abs_ns;	/* system time */
	uint32_t flags;			/* VCPU_SSHOTTMR_* */
};
typedef struct vcpu_set_singleshot_timer vcpu_set_singleshot_timer_t;
XEN_ABI_SIZE(struct vcpu_set_singleshot_timer, 16);

struct vcpu_register_vcpu_info {
	uint64_t mfn;
	uint32_t offset;		/* bytes; the 64 bytes must not cross the page */
	uint32_t rsvd;
};
typedef struct vcpu_register_vcpu_info vcpu_register_vcpu_info_t;
XEN_ABI_SIZE(struct vcpu_register_vcpu_info, 16);

struct vcpu_get_physid {
	uint64_t phys_id;		/* out: ACPI id << 32 | APIC id */
};
typedef struct vcpu_get_physid vcpu_get_physid_t;
XEN_ABI_SIZE(struct vcpu_get_physid, 8);

struct vcpu_register_time_memory_area {
	union {
		uint64_t h;		/* guest pointer: struct vcpu_time_info */
		uint64_t v;
		uint64_t p;
	} addr;
};
typedef struct vcpu_register_time_memory_area vcpu_register_time_memory_area_t;
XEN_ABI_SIZE(struct vcpu_register_time_memory_area, 8);

#endif
