// SPDX-License-Identifier: MIT
/* The two processes of xenstored and what they share; keeper.c and worker.c have the essays. */
#ifndef XENSTORED_DAEMON_H
#define XENSTORED_DAEMON_H

#include <sys/queue.h>
#include <sys/types.h>
#include "shm.h"
#include "store.h"
#include "xen.h"

struct options {
	bool no_domain_init, no_fork, output_pid, verbose, keep_orphans;
	const char *pid_file, *trace_file;
	const char *socket, *socket_ro;
	uint32_t quota[QUOTA_COUNT];
	uint32_t quota_memory_soft;
};

extern struct options options;
extern struct shm *shm;
extern int events_fd;			/* -1 without Xen */

/* log.c */
void log_open(void);
bool log_to_file(const char *path);
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_trace(const char *direction, const struct conn *c, uint32_t type, const char *data, size_t len);
extern bool log_tracing;

/* What the daemon asks of the keeper over a SOCK_SEQPACKET pair. */
enum keeper_op { KEEPER_CLOSE = 1, KEEPER_BIND };
struct keeper_call {
	uint32_t op;
	uint32_t slot;			/* CLOSE */
	uint64_t uid;			/* CLOSE: of the connection that had the slot */
	uint32_t domid, port;		/* BIND */
	uint64_t gfn;
};
struct keeper_answer {			/* to BIND */
	int32_t err;
	uint32_t slot;
};

/* keeper.c: does not come back */
void keeper_run(int listener, int listener_ro, int ready_pipe) __attribute__((noreturn));

/* worker.c: the daemon, a child of the keeper; @calls to the keeper, @news of connections from it */
void worker_run(int calls, int news, int ready_pipe) __attribute__((noreturn));

/* --- between the daemon's files --- */

/* A connection's way to its other end. */
struct link {
	TAILQ_ENTRY(link) ready_next, dirty_next, dead_next;
	struct conn *conn;		/* NULL once it is dead */
	struct slot *slot;
	uint64_t uid;
	int fd;				/* socket */
	struct xenstore_domain_interface *ring;
	uint32_t domid, port;		/* of a ring; the slot may be another's by the time that the link ends */
	uint32_t interest;		/* what epoll watches for */
	bool ready, dirty, dead;	/* in that list */
	bool eof, blocked, broken, notify;
};
TAILQ_HEAD(link_list, link);

struct worker {
	struct store *store;
	int epoll, calls, news;
	struct link_list ready, dirty, dead;
	struct link **by_port;		/* local port -> ring */
	uint32_t ports;
	uint64_t snapshot_size;
};
extern struct worker worker;

/* link.c */
struct link *link_new(struct conn *c, struct slot *slot);
void link_receive(struct link *l);
void link_flush(struct link *l);
void link_interest(struct link *l);
void link_kill(struct link *l);
void links_reap(void);
/* Works out what the last receive and send of a killed daemon did. */
void slot_settle(struct slot *slot);
void ring_publish(struct link *l);
/* The next complete message of the input: 1 with its header, 0 if there is none yet, -1 if it is too long. */
int link_message(struct link *l, struct xsd_sockmsg *hdr);
void link_copy(const struct slot *slot, uint64_t from, void *to, size_t len);

/* commit.c */
void commit(void);
void commit_snapshot(void);
void commit_trim(void);
bool recover(void);

/* worker.c */
void make_ready(struct link *l);
int worker_introduce(void *ctx, uint32_t domid, uint64_t gfn, uint32_t port, struct conn **c);

#endif
