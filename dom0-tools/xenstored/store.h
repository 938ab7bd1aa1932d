// SPDX-License-Identifier: MIT
/*
 * The store: what one request does to the tree, the watches, the transactions and the domains. Pure: it knows no
 * socket, ring or clock; the daemon, the unit tests, the model and the fuzzer drive it by the same few functions.
 *
 * Invariants:
 * 1. store_request() runs one message from its first byte to its last effect. Each effect (a node, a watch, a
 *    transaction's start or end, an answer's bytes) is put into store.journal as it happens.
 * 2. Replaying all journal records from an empty store gives a store with the same dump (store_snapshot()), but
 *    that open transactions are doomed: they can be used, and end with EAGAIN.
 * 3. Only conn_queue() adds to a connection's output, and out_total counts each byte once, for ever.
 * 4. A domain's counters (struct dom) are what walking tree, watches and transactions would give.
 * 5. No request's work depends on the number of domains, connections or watches that it does not touch.
 *
 * One thread; nothing is locked.
 */
#ifndef XENSTORED_STORE_H
#define XENSTORED_STORE_H

#include <stdarg.h>
#include <sys/queue.h>
#include <xen/io/xs_wire.h>
#include "tree.h"

#define DOMID_FIRST_RESERVED	0x7ff0u
#define PATH_ROOM		(XENSTORE_ABS_PATH_MAX + 1)

enum quota {
	QUOTA_NODES, QUOTA_WATCHES, QUOTA_TRANSACTIONS, QUOTA_OUTSTANDING, QUOTA_TRANSACTION_NODES, QUOTA_MEMORY,
	QUOTA_NODE_SIZE, QUOTA_PATH_MAX, QUOTA_PERMISSIONS, QUOTA_COUNT
};

struct quota_name {
	const char *name, *what;
	uint32_t preset;
};
extern const struct quota_name quota_names[QUOTA_COUNT];
#define QUOTA_MEMORY_SOFT_PRESET	(2u << 20)

/* What is counted for one domain, introduced or not: it may own nodes before and after. */
struct dom {
	SLIST_ENTRY(dom) hash_next;
	uint32_t domid;
	uint32_t nodes, watches, transactions;
	uint64_t memory;		/* bytes: nodes, watches, transactions, output */
	uint64_t refusals[QUOTA_COUNT];
	bool soft_warned;
	/* of an introduced domain */
	bool introduced, shutdown;
	bool has_target;
	uint32_t target;
	uint64_t gfn;
	uint32_t port;			/* the domain's own */
	struct conn *conn;		/* NULL while its ring could not be mapped */
	uint32_t refs;			/* connections, transactions and counts keep it */
};
SLIST_HEAD(dom_bucket, dom);

/* A message on its way out. */
struct outmsg {
	STAILQ_ENTRY(outmsg) next;
	struct watch *watch;		/* of an event, while that watch is there */
	uint32_t len;			/* of all, header included */
	uint32_t sent;
	bool event;
	uint8_t data[];
};

struct watch {
	TAILQ_ENTRY(watch) conn_next;
	TAILQ_ENTRY(watch) point_next;
	struct conn *conn;
	struct watch_point *point;
	struct outmsg *last;		/* the newest event that is still queued */
	uint64_t seq;
	uint32_t queued;		/* events in the connection's output */
	bool relative;			/* the path was given relative to the domain's own */
	bool resync;			/* too much was queued: one event stands for all, and is queued */
	char *token;
};
TAILQ_HEAD(watch_list, watch);

/* All watches of one path. */
struct watch_point {
	SLIST_ENTRY(watch_point) hash_next;
	uint32_t hash;
	struct watch_list watches;
	char path[];
};
SLIST_HEAD(point_bucket, watch_point);

struct watches {
	struct point_bucket *buckets;
	uint32_t size, count;		/* buckets (a power of two), points */
	uint64_t next_seq;
};

struct txn;
TAILQ_HEAD(txn_list, txn);

struct conn {
	TAILQ_ENTRY(conn) next;
	struct store *store;
	uint32_t slot;			/* the daemon's number for it */
	uint64_t uid;			/* never given twice */
	uint32_t domid;
	struct dom *dom;
	bool read_only;
	bool ring;			/* a domain's ring, dom0's kernel included */
	uint32_t next_txn;
	struct txn_list txns;
	struct watch_list watches;
	STAILQ_HEAD(out_list, outmsg) out;
	uint64_t out_total;		/* bytes ever queued */
	uint32_t out_bytes;		/* of them not yet sent */
	uint32_t out_replies;		/* answers queued */
	void *io;			/* the daemon's */
};
TAILQ_HEAD(conn_list, conn);

/* What the store asks of the program around it. All may be NULL. */
struct store_host {
	void (*log)(void *ctx, const char *text);
	/* @m was added to @c's output. */
	void (*output)(void *ctx, struct conn *c, const struct outmsg *m);
	/* Map a domain's ring and bind its port; returns 0 with a new connection in *c, or an errno. */
	int (*introduce)(void *ctx, uint32_t domid, uint64_t gfn, uint32_t port, struct conn **c);
	/* @c goes away: drop what belongs to it. */
	void (*gone)(void *ctx, struct conn *c);
	/* XS_CONTROL that the store does not know; returns 0 with text in @answer, or an errno. */
	int (*control)(void *ctx, unsigned int argc, const char **argv, struct buf *answer);
};

#define DOM_BUCKETS	1024
#define SPECIAL_COUNT	2

struct store {
	struct node *root;
	struct node *special[SPECIAL_COUNT];	/* only permissions: @introduceDomain, @releaseDomain */
	uint64_t gen;
	uint64_t next_uid;
	struct conn_list conns;
	struct watches watches;
	struct dom_bucket doms[DOM_BUCKETS];
	uint32_t quota[QUOTA_COUNT];
	uint32_t quota_memory_soft;
	bool keep_orphans;
	bool replaying;			/* effects are not put into the journal, and no event fires */
	struct buf journal;
	const struct store_host *host;
	void *host_ctx;
};

/* An empty store: the root, /tool/xenstored, the special nodes. */
struct store *store_new(const struct store_host *host, void *ctx);
void store_free(struct store *s);
void store_log(struct store *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A connection of domain @domid in the daemon's slot @slot; conn_free() ends it with its watches and transactions. */
struct conn *conn_new(struct store *s, uint32_t slot, uint32_t domid, bool ring, bool read_only);
void conn_free(struct conn *c);

/*
 * Runs one message: @hdr and @payload of hdr->len bytes, at most XENSTORE_PAYLOAD_MAX, in memory that does not
 * change meanwhile. The answer and all events are queued when it returns.
 */
void store_request(struct conn *c, const struct xsd_sockmsg *hdr, const void *payload);

/* An answer without running the message. */
void conn_error(struct conn *c, const struct xsd_sockmsg *hdr, int error);

/* May the next message of @c run, or has it too much output waiting? */
bool conn_may_run(const struct conn *c);

/* The first @len bytes of @c's output are sent. */
void conn_sent(struct conn *c, size_t len);

/* Domains, from outside a request. @gone: it is no more; else it has shut down. Fires @releaseDomain. */
void store_domain_ended(struct store *s, uint32_t domid, bool gone);
int store_introduce(struct store *s, uint32_t domid, uint64_t gfn, uint32_t port);
struct dom *dom_find(struct store *s, uint32_t domid);

/* --- between the files of the store --- */

static inline bool conn_privileged(const struct conn *c)
{
	return c->domid == 0;
}

/* path.c */
bool path_valid(const struct store *s, const char *path);
/* @name as an absolute path, itself or made in @room; NULL if it is not a valid one. */
const char *path_full(const struct conn *c, const char *name, char room[PATH_ROOM]);
size_t path_own_prefix(const struct conn *c, const char *path);
/* Cuts the last component off; false at the root. */
bool path_up(char *path);
int special_number(const char *path);

/* perms.c */
unsigned int perms_of(const struct conn *c, const struct node *n);
bool perms_parse(const char *text, size_t len, struct perm *perms, unsigned int count);
void perms_print(struct buf *b, const struct node *n);

/* watch.c */
struct watch *watch_find(struct conn *c, const char *path, const char *token);
void watch_add(struct conn *c, const char *path, const char *token, bool relative);
void watch_first_event(struct watch *w);
void watch_del(struct watch *w);
void watch_del_all(struct conn *c);
void watches_fire(struct store *s, const char *path, const struct node *before, const struct node *after,
		  const struct node *parent, bool exact);
void watches_free(struct store *s);

/* change.c: the main tree, and the trees of transactions */
int change_write(struct conn *c, struct txn *t, const char *path, const void *value, size_t len, bool create_only);
int change_remove(struct conn *c, struct txn *t, const char *path);
int change_perms(struct conn *c, struct txn *t, const char *path, const struct perm *perms, unsigned int count);
void change_apply(struct store *s, const char *path, struct node *n, bool quiet);
int node_lookup(struct conn *c, struct txn *t, const char *path, unsigned int want, struct node **found);
struct node *store_set_node(struct store *s, const char *path, const void *value, size_t len, const struct perm *perms,
			    unsigned int count);
void store_remove_node(struct store *s, const char *path);
void store_set_special(struct store *s, int number, const struct perm *perms, unsigned int count);
/* Bytes that a node costs its owner. */
size_t node_memory(const struct node *n);
void store_remove_owned(struct store *s, uint32_t domid);

/* txn.c */
struct txn *txn_find(struct conn *c, uint32_t id);
int txn_start(struct conn *c, uint32_t *id);
struct txn *txn_resume(struct conn *c, uint32_t id);
void txn_refresh(struct txn *t);
int txn_end(struct txn *t, bool commit);
void txn_end_all(struct conn *c);
uint32_t txn_id(const struct txn *t);
bool txn_doomed(const struct txn *t);
/* The transactions of @c: the first, or the one after @t. */
struct txn *txn_next(struct conn *c, struct txn *t);
struct node **txn_root(struct txn *t);
int txn_touch(struct txn *t, const char *path, bool kids);
void txn_record(struct txn *t, const char *path, bool remove, bool quiet);
bool txn_take(struct txn *t, const char *path, size_t bytes);
int *txn_node_delta(struct txn *t);

/* domain.c */
struct dom *dom_get(struct store *s, uint32_t domid);
void dom_put(struct store *s, struct dom *d);
void dom_forget(struct store *s, struct dom *d);
/* Would @more of @q be too much for @c? If so it is logged, by the quota's name. */
bool quota_refuses(struct conn *c, enum quota q, uint64_t have, uint64_t more, const char *what);
void dom_memory(struct store *s, struct dom *d, int64_t bytes);
int domain_introduce(struct conn *c, uint32_t domid, uint64_t gfn, uint32_t port);
int domain_release(struct conn *c, uint32_t domid);
int domain_resume(struct conn *c, uint32_t domid);
int domain_target(struct conn *c, uint32_t domid, uint32_t target);

/* output.c */
/* Does so much wait that events must be folded? */
bool conn_crowded(const struct conn *c);
void conn_queue(struct conn *c, uint32_t type, uint32_t req_id, uint32_t tx_id, const void *data, size_t len,
		struct watch *w);

/* control.c */
int control_request(struct conn *c, unsigned int argc, const char **argv, struct buf *answer);

/* journal.c */
enum journal_kind {
	J_NODE = 1, J_REMOVE, J_SPECIAL, J_GEN, J_CONN, J_CONN_GONE, J_WATCH, J_UNWATCH, J_TXN, J_TXN_END, J_OUT,
	J_DONE, J_DOMAIN, J_DOMAIN_GONE, J_QUOTA
};
void journal_node(struct store *s, const char *path, const struct node *n);
void journal_remove(struct store *s, const char *path);
void journal_special(struct store *s, int number);
void journal_conn(struct conn *c);
void journal_conn_gone(struct conn *c);
void journal_watch(struct watch *w);
void journal_unwatch(struct watch *w);
void journal_txn(struct conn *c, uint32_t id, bool end);
void journal_out(struct conn *c, const void *data, size_t len);
void journal_domain(struct store *s, const struct dom *d);
void journal_domain_gone(struct store *s, uint32_t domid);
void journal_quota(struct store *s);
/* The daemon's: up to byte @consumed of its input, @c's messages are done. */
void journal_done(struct conn *c, uint64_t consumed);

/* The whole state as records, appended to @out; @consumed as in journal_done(), asked of @of for each connection. */
void store_snapshot(struct store *s, struct buf *out, uint64_t (*consumed)(struct conn *c));
/* Makes @s, fresh from store_new(), what the records say; returns false on a record that makes no sense. @done gets J_DONE. */
bool store_replay(struct store *s, const uint8_t *data, size_t len, void (*done)(struct conn *c, uint64_t consumed));

#endif
