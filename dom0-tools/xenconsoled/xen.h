// SPDX-License-Identifier: MIT
/*
 * What the console daemon needs of Xen, through libxenctrl (xen.c). The test build has files in Xen's place
 * (tests/tools/console_xen_files.c), so that the daemon can be tried on any Linux.
 */
#ifndef XENCONSOLED_XEN_H
#define XENCONSOLED_XEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <xen/io/console.h>

/* Opens all devices. The event channels' descriptor, readable while events wait, or -1 with a sentence in @why. */
int xen_open(char *why, size_t size);

/* A local port bound to @domid's unbound port @port, or to the hypervisor's news of its log; or -errno. */
int xen_bind(uint32_t domid, uint32_t port);
int xen_bind_log(void);
void xen_unbind(int local);
void xen_notify(int local);

/* Up to @max ports with events, 0 if there are none; each stays masked until xen_unmask(). */
unsigned int xen_events(uint32_t *ports, unsigned int max);
void xen_unmask(int local);

/* The console page of @domid: grant 0, else frame @frame. NULL with errno. */
struct xencons_interface *xen_map_console(uint32_t domid, uint64_t frame);
void xen_unmap_console(struct xencons_interface *page);

struct xen_domain {
	uint32_t domid;
	bool dying;
	uint8_t uuid[16];
};
/* Domains from number @first on in ascending order, dom0 too: their number, or -errno. */
int xen_domains(uint32_t first, struct xen_domain *list, unsigned int max);

/* The hypervisor's log from *@index on, and @index for the next call. Bytes, or -errno. */
int xen_log_read(char *text, size_t size, uint32_t *index);

#endif
