// SPDX-License-Identifier: MIT
/*
 * Driving the store without sockets: requests as functions, answers taken from the connection's output, and the
 * check that the journal so far makes the same store.
 */
#ifndef STORE_DRIVER_H
#define STORE_DRIVER_H

#include "../../dom0-tools/xenstored/store.h"

#define ANSWER_ROOM (XENSTORE_PAYLOAD_MAX + 1)

struct answer {
	uint32_t type, req_id, tx_id, len;
	char body[ANSWER_ROOM];		/* with a terminator */
};

static char last_log[512];

static inline void keep_log(void *ctx, const char *text)
{
	snprintf(last_log, sizeof(last_log), "%s", text);
}

/* A domain's ring is mapped: always. */
static inline int give_conn(void *ctx, uint32_t domid, uint64_t gfn, uint32_t port, struct conn **c)
{
	*c = conn_new(*(struct store **)ctx, 1000 + domid, domid, true, false);
	return 0;
}

static const struct store_host driver_host = { .log = keep_log, .introduce = give_conn };

/* The first queued message; false if there is none. */
static inline bool take(struct conn *c, struct answer *a)
{
	struct outmsg *m = STAILQ_FIRST(&c->out);
	struct xsd_sockmsg hdr;

	if (!m)
		return false;
	memcpy(&hdr, m->data, sizeof(hdr));
	*a = (struct answer){ .type = hdr.type, .req_id = hdr.req_id, .tx_id = hdr.tx_id, .len = hdr.len };
	memcpy(a->body, m->data + sizeof(hdr), hdr.len);
	conn_sent(c, m->len);
	return true;
}

static inline void drain(struct conn *c)
{
	conn_sent(c, c->out_bytes);
}

static inline void request(struct conn *c, uint32_t type, uint32_t tx, const void *payload, size_t len)
{
	struct xsd_sockmsg hdr = { type, 77, tx, len };
	/* Of its own size, so that the sanitizer sees a read behind its end. */
	void *copy = xs_dup(payload, len);

	store_request(c, &hdr, copy);
	free(copy);
}

/* The answer that is behind any events; those are dropped. */
static inline void ask_raw(struct conn *c, uint32_t type, uint32_t tx, const void *payload, size_t len, struct answer *a)
{
	request(c, type, tx, payload, len);
	do {
		if (!take(c, a))
			abort();
	} while (a->type == XS_WATCH_EVENT);
}

/* What @s is, as records, without the order of the domain table mattering. */
static inline void image_of(struct store *s, struct buf *b)
{
	b->len = 0;
	store_snapshot(s, b, NULL);
}

/* A store of @s's snapshot at @base and all of its journal since; NULL if that can't be read. */
static inline struct store *reborn(const struct buf *base, const struct store *s)
{
	struct store *n = store_new(NULL, NULL);
	struct buf all = { 0 };
	bool good;

	if (base)
		buf_put(&all, base->data, base->len);
	buf_put(&all, s->journal.data, s->journal.len);
	good = store_replay(n, all.data, all.len, NULL);
	buf_free(&all);
	if (!good) {
		store_free(n);
		return NULL;
	}
	return n;
}

/* Output counts differently: a snapshot has what is queued now, the journal all that ever was. */
static inline void drain_all(struct store *s)
{
	struct conn *c;

	TAILQ_FOREACH(c, &s->conns, next)
		drain(c);
}

static inline bool same_counts(struct store *a, struct store *b)
{
	for (int i = 0; i < DOM_BUCKETS; i++) {
		struct dom *d, *e;

		SLIST_FOREACH(d, &a->doms[i], hash_next) {
			e = dom_find(b, d->domid);
			if ((e ? e->nodes : 0) != d->nodes || (e ? e->watches : 0) != d->watches ||
			    (e ? e->transactions : 0) != d->transactions)
				return false;
		}
	}
	return true;
}

/* Is the store that the journal makes the same as @s? Empties all output on the way. */
static inline bool journal_makes_same(const struct buf *base, struct store *s)
{
	struct store *n = reborn(base, s);
	struct buf a = { 0 }, b = { 0 };
	bool same;

	if (!n)
		return false;
	drain_all(n);
	drain_all(s);
	image_of(s, &a);
	image_of(n, &b);
	same = a.len == b.len && !memcmp(a.data, b.data, a.len) && same_counts(s, n);
	buf_free(&a);
	buf_free(&b);
	store_free(n);
	return same;
}

#endif
