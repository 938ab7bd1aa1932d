// SPDX-License-Identifier: MIT
/*
 * The parts of the example guest: main.c, network.c (a card for lwIP), pages.c (a disk for its HTTP server).
 */
#ifndef EXAMPLE_WEB_H
#define EXAMPLE_WEB_H

#include "blkfront.h"
#include "netfront.h"
#include "runtime.h"

/*
 * Brings lwIP up on card 0. `address` is "10.0.0.2/24" or NULL for DHCP; `gateway` may be NULL. Ends the guest where
 * there is no card or the address is none.
 */
void network_start(const char *address, const char *gateway);
/* Whether it has work to do, and does some. */
bool network_poll(void);

/* Reads what there is on disk xvda. Ends the guest where there is no disk with an archive. */
void pages_start(void);
/* Tells the server of the reads that are done. Returns whether there were any. */
bool pages_poll(void);

/* Serves the store until `ready` says so; for starting up. */
void wait_until(bool (*ready)(void *what), void *what);

#endif
