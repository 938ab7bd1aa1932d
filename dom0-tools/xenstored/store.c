// SPDX-License-Identifier: MIT
/* The store's beginning and end, and its connections'; see store.h. */
#include "store.h"

struct store *store_new(const struct store_host *host, void *ctx)
{
	static const struct perm owner = { 0, 0 };
	struct store *s = xs_zalloc(sizeof(*s));

	s->host = host;
	s->host_ctx = ctx;
	s->root = tree_new();
	s->next_uid = 1;
	for (int i = 0; i < SPECIAL_COUNT; i++)
		s->special[i] = tree_new();
	for (int i = 0; i < QUOTA_COUNT; i++)
		s->quota[i] = quota_names[i].preset;
	s->quota_memory_soft = QUOTA_MEMORY_SOFT_PRESET;
	TAILQ_INIT(&s->conns);
	dom_get(s, 0)->refs++;
	dom_get(s, 0)->nodes++;
	dom_get(s, 0)->memory += node_memory(s->root);
	s->replaying = true;
	store_set_node(s, "/tool", NULL, 0, &owner, 1);
	store_set_node(s, "/tool/xenstored", NULL, 0, &owner, 1);
	s->replaying = false;
	return s;
}

void store_free(struct store *s)
{
	s->replaying = true;
	while (!TAILQ_EMPTY(&s->conns)) {
		struct conn *c = TAILQ_FIRST(&s->conns);

		if (c->dom->conn == c)
			c->dom->conn = NULL;
		conn_free(c);
	}
	watches_free(s);
	node_put(s->root);
	for (int i = 0; i < SPECIAL_COUNT; i++)
		node_put(s->special[i]);
	for (int i = 0; i < DOM_BUCKETS; i++) {
		struct dom *d;

		while ((d = SLIST_FIRST(&s->doms[i]))) {
			SLIST_REMOVE_HEAD(&s->doms[i], hash_next);
			free(d);
		}
	}
	buf_free(&s->journal);
	free(s);
}

void store_log(struct store *s, const char *format, ...)
{
	char text[512];
	va_list ap;

	if (!s->host || !s->host->log)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	s->host->log(s->host_ctx, text);
}

struct conn *conn_new(struct store *s, uint32_t slot, uint32_t domid, bool ring, bool read_only)
{
	struct conn *c = xs_zalloc(sizeof(*c));

	c->store = s;
	c->slot = slot;
	c->uid = s->next_uid++;
	c->domid = domid;
	c->dom = dom_get(s, domid);
	c->dom->refs++;
	c->ring = ring;
	c->read_only = read_only;
	TAILQ_INIT(&c->txns);
	TAILQ_INIT(&c->watches);
	STAILQ_INIT(&c->out);
	TAILQ_INSERT_TAIL(&s->conns, c, next);
	journal_conn(c);
	return c;
}

void conn_free(struct conn *c)
{
	struct store *s = c->store;
	struct outmsg *m;

	/* One record stands for all that goes with it. */
	journal_conn_gone(c);
	bool replaying = s->replaying;

	s->replaying = true;
	txn_end_all(c);
	watch_del_all(c);
	s->replaying = replaying;
	while ((m = STAILQ_FIRST(&c->out))) {
		STAILQ_REMOVE_HEAD(&c->out, next);
		free(m);
	}
	dom_memory(s, c->dom, -(int64_t)c->out_bytes);
	TAILQ_REMOVE(&s->conns, c, next);
	if (c->dom->conn == c)
		c->dom->conn = NULL;
	c->dom->refs--;
	dom_put(s, c->dom);
	free(c);
}
