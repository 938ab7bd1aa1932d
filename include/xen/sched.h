// SPDX-License-Identifier: MIT
/*
 * Arguments of sched_op (29): giving up the CPU, waiting, and ending the domain.
 */
#ifndef XEN_SCHED_H
#define XEN_SCHED_H

#include <xen/event_channel.h>

#define SCHEDOP_yield			0
#define SCHEDOP_block			1	/* unmasks events, then waits for one */
#define SCHEDOP_shutdown		2
#define SCHEDOP_poll			3
#define SCHEDOP_remote_shutdown		4
#define SCHEDOP_shutdown_code		5
#define SCHEDOP_watchdog		6
#define SCHEDOP_pin_override		7

#define SHUTDOWN_poweroff		0
#define SHUTDOWN_reboot			1
#define SHUTDOWN_suspend		2
#define SHUTDOWN_crash			3
#define SHUTDOWN_watchdog		4
#define SHUTDOWN_soft_reset		5
#define SHUTDOWN_MAX			5

struct sched_shutdown {
	uint32_t reason;		/* SHUTDOWN_* */
};
typedef struct sched_shutdown sched_shutdown_t;
XEN_ABI_SIZE(struct sched_shutdown, 4);

struct sched_poll {
	uint64_t ports;			/* guest pointer: evtchn_port_t[nr_ports] */
	uint32_t nr_ports;
	uint64_t timeout;		/* absolute system time in ns, 0: none */
};
typedef struct sched_poll sched_poll_t;
XEN_ABI_SIZE(struct sched_poll, 24);
XEN_ABI_OFFSET(struct sched_poll, timeout, 16);

struct sched_remote_shutdown {
	domid_t domain_id;
	uint32_t reason;
};
typedef struct sched_remote_shutdown sched_remote_shutdown_t;
XEN_ABI_SIZE(struct sched_remote_shutdown, 8);

struct sched_watchdog {
	uint32_t id;			/* 0: a new one */
	uint32_t timeout;		/* seconds, 0: stop */
};
typedef struct sched_watchdog sched_watchdog_t;
XEN_ABI_SIZE(struct sched_watchdog, 8);

struct sched_pin_override {
	int32_t pcpu;
};
typedef struct sched_pin_override sched_pin_override_t;
XEN_ABI_SIZE(struct sched_pin_override, 4);

#endif
