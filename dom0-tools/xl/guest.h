/* SPDX-License-Identifier: MIT */
/*
 * Making, watching and ending guests.
 *
 * Functions that fail have said why on stderr, one sentence behind the program's name, and return -errno.
 */
#ifndef XL_GUEST_H
#define XL_GUEST_H

#include <xenstore.h>
#include "config.h"
#include "../libxenctrl/xenctrl.h"

/* What every command has at hand. */
struct host {
	struct xc *x;
	struct xs_handle *xs;
	const struct xl_conf *conf;
};

/* A sentence on stderr, behind "xl: "; returns -@err. */
__attribute__((format(printf, 2, 3))) int say_error(int err, const char *format, ...);
/* The same for a call of libxenctrl that failed: its sentence, behind @format's text and a colon. */
__attribute__((format(printf, 2, 3))) int say_call_error(const struct host *h, const char *format, ...);
/* The first of these sentences; "" if there was none. */
const char *said_first(void);

/* --- create.c ---------------------------------------------------------------- */

/*
 * Makes a guest, paused, with its devices. Nothing of it is left if that fails. c->uuid is made up if it has none.
 */
int guest_create(struct host *h, struct guest_config *c, uint32_t *domid);

/* --- destroy.c --------------------------------------------------------------- */

/* Ends a domain at once, whatever it does, and removes its devices, nodes and files. */
int guest_destroy(struct host *h, uint32_t domid);

/* --- record.c ---------------------------------------------------------------- */

/*
 * What xl is about to make or to destroy is on record from before the first step to after the last one; the record is
 * locked by the process that does it. If that process is killed the lock goes, and the next command finishes.
 */
struct record {
	int fd;
	char path[160];
};
/* @what: "create" or "destroy". */
int record_open(struct record *r, const char *what, const uint8_t uuid[16]);
/* -EEXIST, and *domid, if a domain that is not dying has the UUID; 0 if none has; else -errno, said. */
int uuid_lookup(struct host *h, const uint8_t uuid[16], uint32_t *domid);
void record_domid(struct record *r, uint32_t domid);
void record_close(struct record *r);
/* Ends what killed processes have left. Every command that changes something begins with it. */
void guest_sweep(struct host *h);
/* Held while a name, or a device's number, is checked and taken; for unlock(). -errno, said. */
int name_lock(void);
int devices_lock(void);
void unlock(int fd);

/* --- nodes.c ----------------------------------------------------------------- */

/* 0 if no domain has the name; -EEXIST, and *domid, if one has. */
int name_lookup(struct host *h, const char *name, uint32_t *domid);
/* The nodes that a domain has from its first moment, its name among them. */
int nodes_create(struct host *h, const struct guest_config *c, uint32_t domid);
/* Rings and ports of store and console; tells xenstored of the domain. */
struct pv_guest;
int nodes_connect(struct host *h, const struct pv_guest *g);
int nodes_remove(struct host *h, uint32_t domid, const uint8_t uuid[16]);

/* A random one; -EIO, said. */
int uuid_make(uint8_t uuid[16]);
void uuid_format(char text[37], const uint8_t uuid[16]);

/* --- balloon.c --------------------------------------------------------------- */

/* Sees that @kib of memory are free, if need be by having dom0 give some up: *asked KiB, also if that fails. */
int balloon_make_room(struct host *h, uint64_t kib, uint64_t *asked);
/* dom0 may have that much again. */
void balloon_give_back(struct host *h, uint64_t kib);

/* --- watch.c ----------------------------------------------------------------- */

/*
 * Waits until the guest ends and does what its configuration says about it, for each of its lives. Returns the exit
 * status of the process.
 */
int guest_watch(struct host *h, struct guest_config *c, uint32_t domid);

/* --- start.c ----------------------------------------------------------------- */

struct start_how {
	bool paused;		/* leave it so */
	bool foreground;	/* wait for the end in this process */
	bool leave;		/* don't wait for it */
	bool console;		/* connect to the console */
};
/* What xl create does with a configuration; returns xl's status. */
int guest_start(struct guest_config *c, const struct start_how *how);

#endif
