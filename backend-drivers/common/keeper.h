/* SPDX-License-Identifier: MIT */
/*
 * The keeper, backendd: what a kind of device plugs into it (struct backend_kind), and what it gives to a kind.
 *
 * The life of a device, by the states of xen/io/xenbus.h that it writes into its backend's node:
 *
 *	      open()              frontend at 3 or 4, connect(),          frontend at 6 (lingers: then ANSWERED) or gone,
 *	 1 ----------------> 2 ------------------------------------> 4 ------------------------------> 6
 *	      (failed: 6)         worker starts, says READY, ready()      worker killed, disconnect()
 *
 *	 A worker that dies in state 4 is started again on the same memory, rings and event channels. At 6 with `online`
 *	 still 1, a frontend that begins anew (1) leads back to 2. With online = 0, or when the nodes go, close() ends it.
 *
 * One process, one thread, nothing waits: all comes as events of epoll (events.c), and the functions of a kind must
 * return soon. The store's watches only say "look": device_look() reads the states and acts on what it finds.
 */
#ifndef BACKEND_KEEPER_H
#define BACKEND_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <xen/io/xenbus.h>
#include <xenstore.h>
#include "shared.h"
#include "../../dom0-tools/libxenstore/batch.h"

struct device;

/* A kind of device. The functions return 0 or -errno; with an error they have said why by device_error(). */
struct backend_kind {
	const char *name;		/* the folder beneath `backend` in the store: "qdisk" */
	const char *worker;		/* the program in the folder of workers: "blkback" */
	size_t own_size;		/* bytes of device.own */
	uint32_t layout;		/* of its part of the memory; another number for each change of it */

	/*
	 * Opens what is behind the device, as the nodes of its backend say. -EAGAIN: it takes a while; when there is more to
	 * know, it calls device_look(), by which this is called again, or close().
	 */
	int (*open)(struct device *d);
	/* Puts the nodes that a frontend reads before it connects (features); they go out together with state 2. */
	void (*features)(struct device *d, struct xs_batch *b);
	/*
	 * A frontend waits. Reads its nodes (device_front()), then calls device_memory(), device_bind() for each event
	 * channel, and fills its part of the memory. If device_memory() says that it took over the memory of the same
	 * connection, the journal in it stays as it is. -EAGAIN: not all is there yet; the keeper comes again when
	 * something has changed.
	 */
	int (*connect)(struct device *d);
	/* The worker's own descriptors, at most WORKER_OWN_FDS; returns how many. They stay the keeper's. */
	unsigned int (*descriptors)(struct device *d, int *fds);
	/* The worker serves for the first time: puts the nodes that go out together with state 4. */
	void (*ready)(struct device *d, struct xs_batch *b);
	/*
	 * The worker is dead, and the frontend is done. False while I/O of the worker may still run: then d->own_fd is
	 * watched, and it is called again when that is readable. NULL: there is nothing to wait for.
	 */
	bool (*drained)(struct device *d);
	/* Undoes connect(). */
	void (*disconnect)(struct device *d);
	/* Undoes open(). */
	void (*close)(struct device *d);

	/*
	 * Who waits in the guest for an answer of this device waits until it comes, even if the frontend has said Closed: its
	 * worker gets MESSAGE_CLOSING and goes on until it says ANSWERED.
	 */
	bool lingers;

	/* All of these may be NULL. */
	void (*left)(uint32_t domid, uint32_t devid);	/* it is gone: remove what it may have left */
	void (*changed)(struct device *d);	/* a node of the backend may have changed */
	int (*resize)(struct device *d);	/* asked for by xl: what is behind the device may have another size */
	void (*message)(struct device *d, const struct message *m, size_t size);	/* MESSAGE_OWN and above */
	/* Memory that the worker's grant copies go to and come from, mapped by the keeper; NULL to refuse MESSAGE_COPY. */
	void *(*buffer)(struct device *d, size_t *bytes);
};

/* The kinds there are, NULL at the end: kinds.c. */
extern const struct backend_kind *const backend_kinds[];

struct event_source;
typedef void (*event_handler)(void *context, uint32_t events);

struct device {
	LIST_ENTRY(device) next;
	const struct backend_kind *kind;
	void *own;			/* the kind's, own_size bytes, zeroed at the start */
	uint32_t domid, devid;
	char name[48];			/* for messages: "qdisk 3/51712" */
	char back[96];			/* paths */
	char front[192];
	unsigned int slot;		/* lowest free number: makes the worker's uid */

	bool opening, opened, connected, serving, failed, looked_at, draining;
	bool resuming;			/* the keeper has come back, the frontend is connected already */
	bool closing, answered;		/* the worker was sent CLOSING; it has said ANSWERED */
	int own_fd;			/* see drained(); -1 */

	struct backend_memory *memory;	/* NULL unless connected */
	size_t memory_size;
	int memory_fd, events_fd, grants_fd;
	int bell;			/* local event channel, the other end of memory->doorbell; 0 for none */
	unsigned int prepared;		/* pages of grants, mapped or to be mapped by the worker */
	struct event_source *drain_source, *predecessor_source;
	int predecessor;		/* pidfd of a killed keeper's worker that has not ended yet; -1 for none */

	/* The worker: spawn.c */
	pid_t pid;			/* 0 for none */
	int control;
	struct event_source *control_source;
	unsigned int deaths;		/* by themselves, without a READY between */
	unsigned int crashes;		/* by other signals than SIGKILL */
	int upgrade_client;		/* waits for the answer "ok" */
	unsigned int lines;		/* of its in the log, in the minute that began then */
	uint64_t lines_ns;
};

struct keeper_options {
	const char *run_dir;		/* /var/run/xen */
	const char *worker_dir;
	const char *log_file;
	const char *pid_file;
	uint32_t first_uid;
	uint32_t nbd_wait_s;		/* how long requests wait for a lost server */
	bool foreground;
};
extern struct keeper_options options;
extern struct xs_handle *store;
extern uint32_t own_domid;

/* --- log.c ---------------------------------------------------------------------------------- */

void log_open(void);
__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);

/* --- events.c: one epoll ---------------------------------------------------------------------- */

void events_open(void);
/* @handler is called while @fd is ready for @events (EPOLLIN, ...). NULL with errno. */
struct event_source *events_add(int fd, uint32_t events, event_handler handler, void *context);
/* Does not close the descriptor. NULL is nothing. */
void events_remove(struct event_source *s);
/* Serves what is ready, waiting for it if need be; at most @timeout_ms, -1 for ever. */
void events_serve(int timeout_ms);

/* --- device.c --------------------------------------------------------------------------------- */

/* Reads the store's list of devices, and watches it. 0 or -errno. */
int devices_start(void);
/* The worker has said READY. */
void device_ready(struct device *d);
/* The worker has said ANSWERED. The device may be gone when this comes back. */
void device_answered(struct device *d);
/* Acts on a device's states; to be called when something about it has changed. */
void device_look(struct device *d);
struct device *device_find(const char *kind, uint32_t domid, uint32_t devid);
struct device *device_of_pid(pid_t pid);
/* Watch events that wait. */
void devices_watch_event(void);
extern LIST_HEAD(device_list, device) devices;

/*
 * Says in the log and in the store's error node what is wrong with the device. Returns -@err. The caller ends what it
 * does; when it is open() or connect() that fails, the keeper closes the device.
 */
__attribute__((format(printf, 3, 4))) int device_error(struct device *d, int err, const char *format, ...);
/* The frontend broke the rules, or the worker can't be kept alive: the device closes for good. */
__attribute__((format(printf, 2, 3))) void device_give_up(struct device *d, const char *format, ...);

/* A node of the backend or of the frontend as malloc()ed text; NULL if there is none. */
char *device_back(struct device *d, const char *node);
__attribute__((format(printf, 2, 3))) char *device_front(struct device *d, const char *format, ...);
/* A number of the frontend; false if there is none, or more than @most. */
__attribute__((format(printf, 4, 5))) bool device_front_number(struct device *d, uint64_t *value, uint64_t most,
								const char *format, ...);
/* Writes nodes of a connected device and its state 4 again, which is how frontends learn of a change. 0 or -errno. */
int device_announce(struct device *d, struct xs_batch *b);

/* --- memory.c: files of connections ------------------------------------------------------------ */

/*
 * The memory for a connection with @own bytes of the kind's. @connection names it (what the frontend wrote). Returns 1
 * if it was there already and is taken over, 0 if it is new and zeroed, -errno with device_error(); -EAGAIN, to be
 * returned by connect(), while a worker of an earlier keeper is not dead.
 * Opens d->events_fd and d->grants_fd too.
 */
int device_memory(struct device *d, const char *connection, size_t own);
void *device_memory_own(struct device *d);
void device_forget_predecessor(struct device *d);
/* Removes the files of devices that went while there was no keeper. */
void memory_clean(void);
/* Closes and removes it, with the event channels and grants. */
void device_memory_end(struct device *d);
/* An event channel of the frontend: the local port, or -errno with device_error(). */
int device_bind(struct device *d, uint32_t remote_port);
/* No other domain's can be bound from now on; worker_start() does it. */
void device_restrict(struct device *d);
/* Rings the worker's doorbell, after a message. */
void device_ring(struct device *d);
/* Grants for the worker: see MESSAGE_MAP and MESSAGE_COPY. */
void device_serve_map(struct device *d, struct message *m);
void device_serve_unmap(struct device *d, const struct message *m);
void device_serve_copy(struct device *d, struct message *m);
/* The grants of a dead worker, and what was prepared for it, go. 0 or -errno. */
int device_new_grants(struct device *d);

/* --- spawn.c: workers ---------------------------------------------------------------------------- */

/* Starts the worker of a connected device. 0 or -errno with device_error(). */
int worker_start(struct device *d);
/* Ends it, and comes back when it is dead. */
void worker_stop(struct device *d);
/* Replaces it by what is installed now; @client (a descriptor, or -1) gets the answer. */
void worker_replace(struct device *d, int client);
/* It has ended with @status of waitpid(). */
void worker_ended(struct device *d, int status);
/* Sends a message to it; false if it has none, or it does not listen. */
bool worker_send(struct device *d, const struct message *m, size_t size);

/* --- control.c: xl's socket ------------------------------------------------------------------------ */

void control_open(void);
/* The other end: says @command to the keeper that runs, prints its answer. An exit status. */
int control_ask(const char *command);
/* Sends "ok", or "error" and the sentence, and closes. */
__attribute__((format(printf, 2, 3))) void control_answer(int client, const char *format, ...);

#endif
