// SPDX-License-Identifier: MIT
/*
 * The guest's console: two byte rings in one page, which the console daemon of dom0 reads and fills. Nothing sleeps;
 * the OS puts its lock around it where several vcpus write.
 */
#ifndef FRONTEND_CONSFRONT_H
#define FRONTEND_CONSFRONT_H

#include <xen/io/console.h>

#include "os.h"

struct consfront {
	struct xencons_interface *page;
	evtchn_port_t port;
};

/* Puts up to `bytes` bytes on the ring and tells the daemon. Returns how many found room. */
size_t consfront_write(struct consfront *console, const char *text, size_t bytes);
/* Takes up to `room` bytes that were typed. Returns how many; 0: none now, the port's event tells of more. */
size_t consfront_read(struct consfront *console, char *to, size_t room);

#endif
