/* SPDX-License-Identifier: MIT */
/*
 * The tap that stands in dom0 for a guest's network card: made and owned by the keeper. It stays when the keeper dies
 * (TUNSETPERSIST), a member of its bridge as before, and goes with tap_remove().
 */
#ifndef NETBACK_TAP_H
#define NETBACK_TAP_H

#include <net/if.h>
#include <stdbool.h>
#include "headers.h"

/* Makes the interface @name, or takes over one that a keeper left. A descriptor that does not block, or -errno. */
int tap_make(const char *name);
/* One more queue of the same interface (which a script may have renamed). A descriptor, or -errno. */
int tap_queue(int first);
/* Its name now. False if it is not there any more. */
bool tap_name(int fd, char name[IF_NAMESIZE]);
/* What dom0's kernel may leave to the frontend. 0 or -errno. */
int tap_offload(int fd, const struct net_takes *takes);
/* Whether there is somebody at the other end. */
void tap_carrier(int fd, bool on);
/* Throws away what waits to be read. */
void tap_empty(int fd);
/* The interface goes, and @fd with it. */
void tap_remove(int fd);

#endif
