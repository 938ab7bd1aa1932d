// SPDX-License-Identifier: MIT
/*
 * What the store needs of Xen, through dom0's devices. The test build has files in their place
 * (tests/tools/xen_files.c), so that rings can be tried on any Linux.
 */
#ifndef XENSTORED_XEN_H
#define XENSTORED_XEN_H

#include <stdbool.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>

/* The event-channel device; -1 with errno if there is none. The keeper's, inherited by the daemon. */
int xen_events_open(void);

/* Bind to @domid's unbound port @port, or to the virtual interrupt that tells of dying domains. The local port, or -errno. */
int xen_bind(int fd, uint32_t domid, uint32_t port);
int xen_bind_dom_exc(int fd);
void xen_unbind(int fd, uint32_t local_port);
void xen_notify(int fd, uint32_t local_port);

/* Up to @count ports with events, none if there are none; each stays masked until it is given to xen_unmask(). */
int xen_events_read(int fd, uint32_t *ports, unsigned int count);
void xen_unmask(int fd, const uint32_t *ports, unsigned int count);

/* The ring page of @domid (dom0: the kernel's own; else grant 1, or frame @gfn); NULL with errno. */
struct xenstore_domain_interface *xen_map_ring(uint32_t domid, uint64_t gfn);
void xen_unmap_ring(uint32_t domid, struct xenstore_domain_interface *ring);

/* dom0's own port for xenstore, or -errno. */
int xen_dom0_port(void);

/* Domains from number @first on, in order, @max at most: their number, or -errno where the hypervisor can't say. */
struct xen_domain {
	uint32_t domid;
	bool shut_down, dying;
};
int xen_domains(uint32_t first, struct xen_domain *list, unsigned int max);

#endif
