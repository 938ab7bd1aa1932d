// SPDX-License-Identifier: MIT
/*
 * The guest's client of xenstore, over the page that the domain builder set up, and what all devices do with it.
 *
 * Paths without a leading slash are relative to /local/domain/N of the guest itself. Requests sleep until the store
 * has answered (task context). They return -XEN_E* of the store's error, -XEN_EIO once the store broke the protocol.
 *
 * Watches call back from xenbus_poll, in whatever context the OS calls that: a thread of its own, or its main loop.
 * They say only that something changed at or below their path; the callback reads what it wants to know. A storm of
 * changes is one call, and no memory is used up by it.
 */
#ifndef FRONTEND_XENBUS_H
#define FRONTEND_XENBUS_H

#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>

#include "os.h"

#define XENBUS_PATH_ROOM	160

/*
 * Starts, with the store's page and port (start_info.store_mfn and store_evtchn, or the parameters of an HVM guest).
 * Again after a resume, with the new ones: watches are set again. Returns 0 or -XEN_E*.
 */
int xenbus_start(struct xenstore_domain_interface *page, evtchn_port_t port);

/* `tx` is a transaction or 0. `node` may be NULL: then `dir` is the whole path. */

/* Reads a value with a NUL behind it. Returns its length; -XEN_ENOSPC where `room` is too small. */
int xenbus_read(uint32_t tx, const char *dir, const char *node, char *value, size_t room);
/* Reads a decimal number. Returns 0; -XEN_EINVAL where it is none. */
int xenbus_read_number(uint32_t tx, const char *dir, const char *node, uint64_t *number);
/* The same, where a missing or bad node stands for `absent`. */
uint64_t xenbus_number_or(const char *dir, const char *node, uint64_t absent);
int xenbus_write(uint32_t tx, const char *dir, const char *node, const char *value);
int xenbus_write_number(uint32_t tx, const char *dir, const char *node, uint64_t number);
int xenbus_remove(uint32_t tx, const char *dir, const char *node);
/* The names in a directory, each with its NUL, one behind the other. Returns their bytes. */
int xenbus_directory(uint32_t tx, const char *path, char *names, size_t room);

int xenbus_transaction_start(uint32_t *tx);
/* Returns -XEN_EAGAIN where another wrote meanwhile: start again from the beginning. */
int xenbus_transaction_end(uint32_t tx, bool abort);

struct xenbus_watch {
	const char *path;		/* stays the caller's; must not change */
	void (*changed)(struct xenbus_watch *watch);
	/* The library's. */
	struct xenbus_watch *next;
	uint32_t token;
	bool fired;
};

/* A new watch fires once at once. */
int xenbus_watch(struct xenbus_watch *watch);
/* After it, `changed` is not called any more; not to be called while another task is in xenbus_poll. */
void xenbus_unwatch(struct xenbus_watch *watch);
/* Calls back for what has changed. Returns how many callbacks there were. Task. */
int xenbus_poll(void);
/* xenbus_poll until `*stop`, sleeping in between: the body of a thread. NULL: for ever. */
void xenbus_run(const volatile bool *stop);

/*
 * What is woken when xenbus_poll may have something to do. A main loop that waits for this and for other things sleeps
 * on it, and has the other things wake it too.
 */
struct os_wait *xenbus_waiter(void);

/* ---- devices ---- */

struct xenbus_device;

/* What a kind of device does on the edges of the state machine in xenbus_device.c. All are called from xenbus_poll. */
struct xenbus_driver {
	const char *kind;		/* "vbd" */
	enum xenbus_state published;	/* what we say when rings and ports are in the store */
	int (*open)(struct xenbus_device *device);	/* reads the backend's limits, makes rings; 0 or -XEN_E* */
	int (*publish)(struct xenbus_device *device, uint32_t tx);	/* writes what they are; may be called again */
	void (*connected)(struct xenbus_device *device);	/* requests may flow; `ready` is not seen yet */
	void (*told_again)(struct xenbus_device *device);	/* backend says Connected once more; may be NULL */
	void (*close)(struct xenbus_device *device);	/* takes rings away, keeps what callers want; also after open failed */
	void (*ended)(struct xenbus_device *device);	/* nothing will come any more; may be NULL */
};

struct xenbus_device {
	const struct xenbus_driver *driver;
	char path[48];			/* "device/vbd/51712" */
	char backend[XENBUS_PATH_ROOM];	/* absolute */
	char backend_state[XENBUS_PATH_ROOM + 8];
	domid_t backend_id;
	enum xenbus_state state;	/* what we last wrote */
	bool offered;			/* rings and ports are published */
	bool ready;			/* the backend has connected */
	bool dead;			/* taken away for ever */
	bool broken;			/* the backend lied; set by whoever saw it */
	struct os_wait wait;		/* woken when one of these changes */
	struct xenbus_watch watch;	/* of the backend's state */
};

/* Finds a device and follows its backend. Returns 0 or -XEN_E* (-XEN_ENOENT: there is no such device). Task. */
int xenbus_device_open(struct xenbus_device *device, const struct xenbus_driver *driver, unsigned int number);
/* Follows it no more, and tells the backend that this is the end. The rings are the caller's to close. */
void xenbus_device_close(struct xenbus_device *device);
/*
 * After a resume: finds the backend anew and begins from the start. Returns 0 or -XEN_E*; *moved where it is another
 * domain than before. Nothing happens before the next xenbus_poll.
 */
int xenbus_device_resume(struct xenbus_device *device, bool *moved);

bool xenbus_device_is_ready(const struct xenbus_device *device);
bool xenbus_device_is_dead(const struct xenbus_device *device);
/* Sleeps until it is ready; -XEN_EIO where it is dead. */
int xenbus_device_wait(struct xenbus_device *device);
/* A node of the backend's as yes or no. */
bool xenbus_backend_has(const struct xenbus_device *device, const char *feature);

/* The numbers of the guest's devices of a kind, at most `room`. Returns how many there are, or -XEN_E*. */
int xenbus_devices(const char *kind, unsigned int *numbers, unsigned int room);

#endif
