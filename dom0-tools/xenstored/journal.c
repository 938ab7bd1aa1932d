// SPDX-License-Identifier: MIT
/*
 * The journal: what a request changed, as records; and the whole state as the same records (a snapshot). A record is
 * a length (u32, header included), a kind (u32) and a body of fixed numbers and strings; all in the machine's byte
 * order, since it is read again on the same machine by the same program.
 *
 * Records name connections by uid, which is never given twice. Replay trusts nothing more than it must: a record that
 * runs out of its length or names what is not there ends it.
 */
#include "store.h"

struct record {
	struct buf *b;
	size_t start;
};

static struct record begin(struct buf *b, enum journal_kind kind)
{
	struct record r = { b, b->len };

	buf_u32(b, 0);
	buf_u32(b, kind);
	return r;
}

static void end(struct record r)
{
	uint32_t len = r.b->len - r.start;

	memcpy(r.b->data + r.start, &len, sizeof(len));
}

static void put_perms(struct buf *b, const struct node *n)
{
	buf_u32(b, n->perm_count);
	buf_put(b, n->perms, n->perm_count * sizeof(*n->perms));
}

static void put_node(struct buf *b, const char *path, const struct node *n)
{
	struct record r = begin(b, J_NODE);

	buf_u64(b, n->gen);
	buf_u64(b, n->kids_gen);
	put_perms(b, n);
	buf_u32(b, n->value_len);
	buf_put(b, n->value, n->value_len);
	buf_str(b, path);
	end(r);
}

static void put_special(struct store *s, struct buf *b, int number)
{
	struct record r = begin(b, J_SPECIAL);

	buf_u32(b, number);
	put_perms(b, s->special[number]);
	end(r);
}

static void put_conn(struct buf *b, const struct conn *c, uint64_t out_base)
{
	struct record r = begin(b, J_CONN);

	buf_u64(b, c->uid);
	buf_u64(b, out_base);
	buf_u32(b, c->slot);
	buf_u32(b, c->domid);
	buf_u32(b, c->next_txn);
	buf_u32(b, c->ring | c->read_only << 1);
	end(r);
}

static void put_watch(struct buf *b, const struct watch *w, enum journal_kind kind)
{
	struct record r = begin(b, kind);

	buf_u64(b, w->conn->uid);
	buf_u32(b, w->relative);
	buf_str(b, w->point->path);
	buf_str(b, w->token);
	end(r);
}

static void put_two(struct buf *b, enum journal_kind kind, uint64_t uid, uint64_t v)
{
	struct record r = begin(b, kind);

	buf_u64(b, uid);
	buf_u64(b, v);
	end(r);
}

static void put_out(struct buf *b, const struct conn *c, const void *data, size_t len)
{
	struct record r = begin(b, J_OUT);

	buf_u64(b, c->uid);
	buf_put(b, data, len);
	end(r);
}

static void put_domain(struct buf *b, const struct dom *d)
{
	struct record r = begin(b, J_DOMAIN);

	buf_u32(b, d->domid);
	buf_u32(b, d->port);
	buf_u64(b, d->gfn);
	buf_u32(b, d->shutdown | d->has_target << 1);
	buf_u32(b, d->target);
	buf_u64(b, d->conn ? d->conn->uid : 0);
	end(r);
}

static void put_quota(struct buf *b, const struct store *s)
{
	struct record r = begin(b, J_QUOTA);

	buf_put(b, s->quota, sizeof(s->quota));
	buf_u32(b, s->quota_memory_soft);
	end(r);
}

void journal_node(struct store *s, const char *path, const struct node *n)
{
	if (!s->replaying)
		put_node(&s->journal, path, n);
}

void journal_remove(struct store *s, const char *path)
{
	struct record r;

	if (s->replaying)
		return;
	r = begin(&s->journal, J_REMOVE);
	buf_u64(&s->journal, s->gen);
	buf_str(&s->journal, path);
	end(r);
}

void journal_special(struct store *s, int number)
{
	if (!s->replaying)
		put_special(s, &s->journal, number);
}

void journal_conn(struct conn *c)
{
	if (!c->store->replaying)
		put_conn(&c->store->journal, c, c->out_total);
}

void journal_conn_gone(struct conn *c)
{
	if (!c->store->replaying)
		put_two(&c->store->journal, J_CONN_GONE, c->uid, 0);
}

void journal_watch(struct watch *w)
{
	if (!w->conn->store->replaying)
		put_watch(&w->conn->store->journal, w, J_WATCH);
}

void journal_unwatch(struct watch *w)
{
	if (!w->conn->store->replaying)
		put_watch(&w->conn->store->journal, w, J_UNWATCH);
}

void journal_txn(struct conn *c, uint32_t id, bool over)
{
	if (!c->store->replaying)
		put_two(&c->store->journal, over ? J_TXN_END : J_TXN, c->uid, id);
}

void journal_out(struct conn *c, const void *data, size_t len)
{
	put_out(&c->store->journal, c, data, len);
}

void journal_domain(struct store *s, const struct dom *d)
{
	if (!s->replaying)
		put_domain(&s->journal, d);
}

void journal_domain_gone(struct store *s, uint32_t domid)
{
	if (!s->replaying)
		put_two(&s->journal, J_DOMAIN_GONE, domid, 0);
}

void journal_quota(struct store *s)
{
	if (!s->replaying)
		put_quota(&s->journal, s);
}

void journal_done(struct conn *c, uint64_t consumed)
{
	put_two(&c->store->journal, J_DONE, c->uid, consumed);
}

static void snapshot_nodes(struct buf *out, struct node *n, char *path)
{
	size_t len = strlen(path);
	struct node *k;

	put_node(out, len ? path : "/", n);
	for (uint32_t i = 0; (k = node_next(n, &i));) {
		path[len] = '/';
		memcpy(path + len + 1, k->name, k->name_len + 1);
		snapshot_nodes(out, k, path);
		path[len] = 0;
	}
}

static void snapshot_conn(struct buf *out, struct conn *c, uint64_t (*consumed)(struct conn *c))
{
	struct outmsg *m;
	struct watch *w;
	struct txn *t;

	put_conn(out, c, c->out_total - c->out_bytes);
	TAILQ_FOREACH(w, &c->watches, conn_next)
		put_watch(out, w, J_WATCH);
	for (t = txn_next(c, NULL); t; t = txn_next(c, t))
		put_two(out, J_TXN, c->uid, txn_id(t));
	STAILQ_FOREACH(m, &c->out, next)
		put_out(out, c, m->data + m->sent, m->len - m->sent);
	if (consumed)
		put_two(out, J_DONE, c->uid, consumed(c));
}

void store_snapshot(struct store *s, struct buf *out, uint64_t (*consumed)(struct conn *c))
{
	char path[PATH_ROOM] = "";
	struct conn *c;

	put_two(out, J_GEN, s->gen, s->next_uid);
	put_quota(out, s);
	snapshot_nodes(out, s->root, path);
	for (int i = 0; i < SPECIAL_COUNT; i++)
		put_special(s, out, i);
	TAILQ_FOREACH(c, &s->conns, next)
		snapshot_conn(out, c, consumed);
	for (int i = 0; i < DOM_BUCKETS; i++) {
		struct dom *d;

		SLIST_FOREACH(d, &s->doms[i], hash_next)
			if (d->introduced)
				put_domain(out, d);
	}
}

/* --- reading --- */

struct reader {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static const void *get(struct reader *r, size_t len)
{
	const void *p = r->at;

	if (r->bad || r->left < len) {
		r->bad = true;
		return NULL;
	}
	r->at += len;
	r->left -= len;
	return p;
}

static uint32_t get_u32(struct reader *r)
{
	const void *p = get(r, 4);
	uint32_t v = 0;

	if (p)
		memcpy(&v, p, 4);
	return v;
}

static uint64_t get_u64(struct reader *r)
{
	const void *p = get(r, 8);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, 8);
	return v;
}

static const char *get_str(struct reader *r)
{
	const void *nul = r->bad ? NULL : memchr(r->at, 0, r->left);

	if (!nul) {
		r->bad = true;
		return "";
	}
	return get(r, (const uint8_t *)nul + 1 - r->at);
}

/* Connections by uid while the journal is read: uids rise, so the list is in their order. */
static struct conn *conn_of(struct store *s, uint64_t uid, struct conn **last)
{
	struct conn *c = *last;

	if (c && c->uid == uid)
		return c;
	TAILQ_FOREACH_REVERSE(c, &s->conns, conn_list, next)
		if (c->uid == uid)
			return *last = c;
	return NULL;
}

static bool get_perms(struct reader *r, struct perm *perms, unsigned int *count)
{
	const void *p;

	*count = get_u32(r);
	if (!*count || *count > XENSTORE_PAYLOAD_MAX / 2)
		return false;
	p = get(r, *count * sizeof(*perms));
	if (p)
		memcpy(perms, p, *count * sizeof(*perms));
	return p;
}

static bool node_path(const char *path)
{
	size_t len = strlen(path);

	if (*path != '/' || len >= PATH_ROOM)
		return false;
	return len == 1 || (path[len - 1] != '/' && !strstr(path, "//"));
}

static bool replay_node(struct store *s, struct reader *r)
{
	struct perm perms[XENSTORE_PAYLOAD_MAX / 2];
	uint64_t gen = get_u64(r), kids_gen = get_u64(r);
	char up[PATH_ROOM];
	unsigned int count;
	uint32_t len;
	const void *value;
	const char *path;
	struct node *n, *parent;
	uint64_t parent_gen;

	if (!get_perms(r, perms, &count))
		return false;
	len = get_u32(r);
	value = get(r, len);
	path = get_str(r);
	if (r->bad || !node_path(path))
		return false;
	strcpy(up, path);
	parent = path_up(up) ? tree_find(s->root, up) : s->root;
	if (!parent)
		return false;
	parent_gen = parent->kids_gen;
	s->gen = gen - 1;
	store_set_node(s, path, value, len, perms, count);
	/* A node that is as it was made may be new, and that changed its parent; else its parent's record has said all. */
	parent = tree_edit(&s->root, up);
	parent->kids_gen = gen == kids_gen && gen > parent_gen ? gen : parent_gen;
	n = tree_edit(&s->root, path);
	n->gen = gen;
	n->kids_gen = kids_gen;
	return true;
}

static bool replay_conn(struct store *s, struct reader *r, struct conn **last)
{
	uint64_t uid = get_u64(r), out_base = get_u64(r);
	uint32_t slot = get_u32(r), domid = get_u32(r), next_txn = get_u32(r), flags = get_u32(r);
	uint64_t next_uid = s->next_uid;
	struct conn *c;

	if (r->bad)
		return false;
	c = conn_new(s, slot, domid, flags & 1, flags & 2);
	c->uid = uid;
	c->out_total = out_base;
	c->next_txn = next_txn;
	s->next_uid = next_uid > uid ? next_uid : uid + 1;
	*last = c;
	return true;
}

static bool replay_watch(struct store *s, struct reader *r, bool add, struct conn **last)
{
	struct conn *c = conn_of(s, get_u64(r), last);
	bool relative = get_u32(r);
	const char *path = get_str(r), *token = get_str(r);
	struct watch *w;

	if (r->bad || !c)
		return false;
	w = watch_find(c, path, token);
	if (add && !w)
		watch_add(c, path, token, relative);
	else if (!add && w)
		watch_del(w);
	else
		return false;
	return true;
}

static bool replay_domain(struct store *s, struct reader *r, struct conn **last)
{
	uint32_t domid = get_u32(r), port = get_u32(r);
	uint64_t gfn = get_u64(r);
	uint32_t flags = get_u32(r), target = get_u32(r);
	uint64_t uid = get_u64(r);
	struct dom *d;

	if (r->bad)
		return false;
	d = dom_get(s, domid);
	d->introduced = true;
	d->gfn = gfn;
	d->port = port;
	d->shutdown = flags & 1;
	d->has_target = flags & 2;
	d->target = target;
	d->conn = uid ? conn_of(s, uid, last) : NULL;
	return true;
}

static void replay_out(struct conn *c, struct reader *r)
{
	struct outmsg *m = xs_zalloc(sizeof(*m) + r->left);

	m->len = r->left;
	m->event = true;
	memcpy(m->data, r->at, r->left);
	STAILQ_INSERT_TAIL(&c->out, m, next);
	c->out_total += m->len;
	c->out_bytes += m->len;
	dom_memory(c->store, c->dom, m->len);
}

static bool replay_domain_gone(struct store *s, uint32_t domid)
{
	struct dom *d = dom_find(s, domid);

	if (!d)
		return false;
	d->introduced = d->shutdown = d->has_target = false;
	d->gfn = d->port = 0;
	d->conn = NULL;
	dom_put(s, d);
	return true;
}

static bool replay_quota(struct store *s, struct reader *r)
{
	const void *p = get(r, sizeof(s->quota));

	if (p)
		memcpy(s->quota, p, sizeof(s->quota));
	s->quota_memory_soft = get_u32(r);
	return !r->bad;
}

/* A record of a connection: uid and one number. */
static bool replay_two(struct store *s, enum journal_kind kind, struct reader *r, struct conn **last,
		       void (*done)(struct conn *c, uint64_t consumed))
{
	uint64_t uid = get_u64(r), v = get_u64(r);
	struct conn *c;
	struct txn *t;

	if (kind == J_DOMAIN_GONE)
		return !r->bad && replay_domain_gone(s, uid);
	c = conn_of(s, uid, last);
	if (r->bad || !c)
		return false;
	switch (kind) {
	case J_CONN_GONE:
		*last = NULL;
		conn_free(c);
		return true;
	case J_TXN:
		txn_resume(c, v);
		return true;
	case J_TXN_END:
		t = txn_find(c, v);
		if (t)
			txn_end(t, false);
		return t;
	default:
		if (done)
			done(c, v);
		return true;
	}
}

static void start_empty(struct store *s)
{
	char path[PATH_ROOM];

	while (s->root->kid_count) {
		uint32_t i = 0;

		snprintf(path, sizeof(path), "/%s", node_next(s->root, &i)->name);
		store_remove_node(s, path);
	}
}

static bool replay_record(struct store *s, enum journal_kind kind, struct reader *r, struct conn **last,
			  void (*done)(struct conn *c, uint64_t consumed))
{
	struct perm perms[XENSTORE_PAYLOAD_MAX / 2];
	unsigned int count;
	uint32_t number;
	struct conn *c;
	uint64_t gen;
	const char *path;

	switch (kind) {
	case J_NODE:
		return replay_node(s, r);
	case J_REMOVE:
		gen = get_u64(r);
		path = get_str(r);
		if (r->bad || !node_path(path) || !path[1] || !tree_find(s->root, path))
			return false;
		s->gen = gen - 1;
		store_remove_node(s, path);
		return true;
	case J_SPECIAL:
		number = get_u32(r);
		if (number >= SPECIAL_COUNT || !get_perms(r, perms, &count))
			return false;
		node_set_perms(s->special[number], perms, count);
		return true;
	case J_GEN:
		/* A snapshot begins: it has all nodes, and no other is there. */
		start_empty(s);
		s->gen = get_u64(r);
		s->next_uid = get_u64(r);
		return !r->bad;
	case J_CONN:
		return replay_conn(s, r, last);
	case J_WATCH:
	case J_UNWATCH:
		return replay_watch(s, r, kind == J_WATCH, last);
	case J_OUT:
		c = conn_of(s, get_u64(r), last);
		if (r->bad || !c)
			return false;
		replay_out(c, r);
		return true;
	case J_DOMAIN:
		return replay_domain(s, r, last);
	case J_QUOTA:
		return replay_quota(s, r);
	case J_CONN_GONE:
	case J_TXN:
	case J_TXN_END:
	case J_DONE:
	case J_DOMAIN_GONE:
		return replay_two(s, kind, r, last, done);
	}
	return false;
}

bool store_replay(struct store *s, const uint8_t *data, size_t len, void (*done)(struct conn *c, uint64_t consumed))
{
	struct conn *last = NULL, *c;
	bool good = true;
	uint64_t gen = 0;
	struct txn *t;

	s->replaying = true;
	while (good && len) {
		struct reader r = { .at = data, .left = len };
		uint32_t size = get_u32(&r), kind = get_u32(&r);

		if (r.bad || size < 8 || size > len) {
			good = false;
			break;
		}
		r.left = size - 8;
		good = replay_record(s, kind, &r, &last, done);
		if (s->gen > gen)
			gen = s->gen;
		data += size;
		len -= size;
	}
	TAILQ_FOREACH(c, &s->conns, next)
		for (t = txn_next(c, NULL); t; t = txn_next(c, t))
			txn_refresh(t);
	s->gen = gen;
	s->replaying = false;
	return good;
}
