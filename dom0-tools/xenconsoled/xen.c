// SPDX-License-Identifier: MIT
/* Xen for the console daemon: libxenctrl's calls. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenctrl.h>
#include "xen.h"

#define GRANT_CONSOLE	0	/* GNTTAB_RESERVED_CONSOLE, xen/grant_table.h */
#define LIST_MAX	256

static struct xc *xc;
static int events = -1, grants = -1;

/* Which pages came by grant: they are given back another way. */
static struct mapping {
	struct mapping *next;
	void *page;
} *granted;

int xen_open(char *why, size_t size)
{
	xc = xc_open(why, size);
	if (!xc)
		return -1;
	events = xc_events_open();
	if (events < 0)
		snprintf(why, size, "/dev/xen/evtchn can't be opened: %s; is the module xen_evtchn loaded?",
			 strerror(-events));
	if (events >= 0)
		fcntl(events, F_SETFL, O_NONBLOCK);
	/* Without grants (no module xen_gntdev) pages are mapped by their frames. */
	grants = xc_grants_open();
	return events < 0 ? -1 : events;
}

int xen_bind(uint32_t domid, uint32_t port)
{
	return xc_events_bind(events, domid, port);
}

int xen_bind_log(void)
{
	return xc_events_bind_virq(events, VIRQ_CON_RING);
}

void xen_unbind(int local)
{
	xc_events_unbind(events, local);
}

void xen_notify(int local)
{
	xc_events_notify(events, local);
}

unsigned int xen_events(uint32_t *ports, unsigned int max)
{
	int n = xc_events_read(events, ports, max);

	return n < 0 ? 0 : n;
}

void xen_unmask(int local)
{
	xc_events_unmask(events, local);
}

struct xencons_interface *xen_map_console(uint32_t domid, uint64_t frame)
{
	uint32_t ref = GRANT_CONSOLE;
	struct mapping *m;
	void *page = NULL;

	if (grants >= 0)
		page = xc_grants_map(grants, domid, &ref, 1, PROT_READ | PROT_WRITE);
	if (!page)
		return xc_map(xc, domid, PROT_READ | PROT_WRITE, &frame, 1, NULL);
	m = malloc(sizeof(*m));
	if (!m) {
		xc_grants_unmap(grants, page, 1);
		errno = ENOMEM;
		return NULL;
	}
	*m = (struct mapping){ granted, page };
	granted = m;
	return page;
}

void xen_unmap_console(struct xencons_interface *page)
{
	for (struct mapping **p = &granted; *p; p = &(*p)->next) {
		struct mapping *m = *p;

		if (m->page != page)
			continue;
		*p = m->next;
		free(m);
		xc_grants_unmap(grants, page, 1);
		return;
	}
	xc_unmap(xc, page, 1);
}

int xen_domains(uint32_t first, struct xen_domain *list, unsigned int max)
{
	static struct xen_domctl_getdomaininfo info[LIST_MAX];
	int n = xc_domain_list(xc, first, info, max < LIST_MAX ? max : LIST_MAX);

	for (int i = 0; i < n; i++) {
		list[i] = (struct xen_domain){ .domid = info[i].domain, .dying = info[i].flags & XEN_DOMINF_dying };
		memcpy(list[i].uuid, info[i].handle, sizeof(list[i].uuid));
	}
	return n;
}

int xen_log_read(char *text, size_t size, uint32_t *index)
{
	return xc_console_read(xc, text, size, index, false, true);
}
