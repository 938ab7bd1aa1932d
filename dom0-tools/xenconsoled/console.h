// SPDX-License-Identifier: MIT
/*
 * The console daemon: one process, one loop over epoll; all that is waited for is a `struct source`.
 *
 *	main.c		options, start, the loop
 *	domains.c	which guests there are: the store's watches, the hypervisor's list
 *	guest.c		one guest: its ring, its backlog, its log
 *	viewer.c	who looks at a guest's console: a terminal each
 *	hvlog.c		the hypervisor's own log
 *	ring.c backlog.c logfile.c rate.h	without Xen, pure
 */
#ifndef XENCONSOLED_CONSOLE_H
#define XENCONSOLED_CONSOLE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "backlog.h"
#include "logfile.h"
#include "rate.h"
#include "ring.h"
#include "xen.h"

#define VIEWERS_MAX	8
#define LINGER_NS	1000000000ull	/* how long viewers can read the last words of a guest that has ended */
#define TICK_NS		50000000ull	/* after this a guest without tokens is looked at again */

struct options {
	bool log_guests, log_hypervisor, stamp_guests, stamp_hypervisor;
	bool replace_escape, keep, foreground, verbose;
	const char *log_dir, *pid_file, *run_dir;
	uint64_t log_size, rate;
	uint32_t log_count, backlog;
};
extern struct options options;

struct source {
	void (*ready)(struct source *s, uint32_t events);
	int fd;
	uint32_t events;	/* what epoll waits for; 0: it does not know the descriptor */
};

/* A terminal that is opened, or waits for that. */
struct viewer {
	struct source source;	/* the terminal's other side */
	struct guest *guest;
	TAILQ_ENTRY(viewer) next, all;
	int watch;		/* inotify's, on the terminal */
	bool first;		/* the one of the node `tty` */
	bool present;		/* somebody has opened it */
	uint64_t pos;		/* of the guest's stream: what was written to it */
	char path[32];
};
TAILQ_HEAD(viewer_list, viewer);

struct guest {
	TAILQ_ENTRY(guest) next;
	uint32_t domid;
	uint8_t uuid[16];
	char *name;		/* NULL: not known */
	uint32_t scan;		/* the last list of domains that it was in */
	/* While page is not NULL: */
	struct xencons_interface *page;
	struct ring ring;
	uint32_t port;
	uint64_t frame;
	int local;
	struct backlog *backlog;
	size_t backlog_bytes;
	bool backlog_in_file;	/* else in memory of this process only */
	struct logfile log;
	struct rate rate;
	bool waiting;		/* not served: no tokens, or (options.keep) a slow viewer */
	bool told_nonsense;
	struct viewer_list viewers;
	unsigned int viewer_count;
	bool viewer_asked;	/* a further terminal is wanted */
	/* After its end: */
	uint64_t hang_up_ns;
};
TAILQ_HEAD(guest_list, guest);
extern struct guest_list guests;	/* those that have not ended */

/* main.c */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_errno(const char *what, const char *path);
uint64_t now_ns(void);
const char *stamp_text(void);
/* Has epoll wait for @events of a source; 0: for nothing. */
void source_want(struct source *s, uint32_t events);
/* Makes the timer run if it does not. */
void tick_soon(void);
/* free() after all events of this round have been handled. */
void free_later(void *p);

/* domains.c */
struct xs_handle;
extern struct xs_handle *store;
bool domains_start(void);

/* guest.c */
struct guest *guest_new(uint32_t domid, const uint8_t uuid[16]);
/* Looks at the store's nodes: takes up a console that is there now. */
void guest_look(struct guest *g);
void guest_rename(struct guest *g);
/* A viewer may have asked for a terminal; @at_start also takes the name of a dead daemon's terminal away. */
void guest_asked(struct guest *g, bool at_start);
void guest_event(struct guest *g);
/* There is room at a viewer, or input was put in. */
void guest_try(struct guest *g);
struct guest *guest_of_port(uint32_t local);
/* The domain is gone, or will be. Viewers can still read; guests_tick() frees it. */
void guest_end(struct guest *g);
void guests_tick(uint64_t now);
void guests_reopen_logs(void);
/* Removes the file of a domain's backlog. */
void backlog_forget(uint32_t domid);

/* viewer.c */
bool viewers_start(void);
/* Sees to it that the guest has its first terminal, and a further one if that was asked for. */
void viewers_advertise(struct guest *g);
/* The node viewer-tty has changed: if there is no unopened terminal of that kind, one is wanted. */
void viewers_asked(struct guest *g);
/* Takes a dead daemon's terminal out of the store. */
void viewers_forget_old(struct guest *g);
void viewers_output(struct guest *g);
/* The guest has taken input, or its ring has changed. */
void viewers_input(struct guest *g);
/* How many bytes the slowest viewer is behind. */
uint64_t viewers_behind(const struct guest *g);
/* Closes all, or those that nobody has opened. */
void viewers_close(struct guest *g, bool only_unopened);
bool viewers_watched(const struct guest *g);

/* hvlog.c */
void hvlog_start(void);
bool hvlog_event(uint32_t local);
void hvlog_reopen(void);

#endif
