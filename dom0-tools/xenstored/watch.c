// SPDX-License-Identifier: MIT
/*
 * Watches. One of /a fires for changes of /a and of all beneath it, so a change of /a/b/c asks the table of watched
 * paths for /a/b/c, /a/b, /a and /: the work is the path's depth, not the number of watches. Events go out in the
 * order of the connections' ages, within one in the order in which its watches were made.
 *
 * An event is only given to who may know of it: whoever may read the node, before or after the change, or its parent
 * if the node came or went (Xen's advisory 115).
 */
#include "store.h"

#define POINTS_FIRST	64

static struct point_bucket *bucket(struct watches *w, uint32_t hash)
{
	return &w->buckets[hash & (w->size - 1)];
}

static struct watch_point *point_find(struct watches *ws, uint32_t hash, const char *path, size_t len)
{
	struct watch_point *p;

	if (!ws->count)
		return NULL;
	SLIST_FOREACH(p, bucket(ws, hash), hash_next)
		if (p->hash == hash && !strncmp(p->path, path, len) && !p->path[len])
			return p;
	return NULL;
}

static void points_grow(struct watches *ws)
{
	struct point_bucket *old = ws->buckets;
	uint32_t size = ws->size;

	ws->size = size ? size * 2 : POINTS_FIRST;
	ws->buckets = xs_zalloc(ws->size * sizeof(*ws->buckets));
	for (uint32_t i = 0; i < size; i++) {
		struct watch_point *p;

		while ((p = SLIST_FIRST(&old[i]))) {
			SLIST_REMOVE_HEAD(&old[i], hash_next);
			SLIST_INSERT_HEAD(bucket(ws, p->hash), p, hash_next);
		}
	}
	free(old);
}

static struct watch_point *point_get(struct watches *ws, const char *path)
{
	size_t len = strlen(path);
	uint32_t hash = hash_bytes(path, len);
	struct watch_point *p = point_find(ws, hash, path, len);

	if (p)
		return p;
	if (ws->count >= ws->size)
		points_grow(ws);
	p = xs_alloc(sizeof(*p) + len + 1);
	p->hash = hash;
	TAILQ_INIT(&p->watches);
	memcpy(p->path, path, len + 1);
	SLIST_INSERT_HEAD(bucket(ws, hash), p, hash_next);
	ws->count++;
	return p;
}

static size_t watch_memory(const struct watch *w)
{
	return sizeof(*w) + strlen(w->token) + strlen(w->point->path);
}

struct watch *watch_find(struct conn *c, const char *path, const char *token)
{
	size_t len = strlen(path);
	struct watch_point *p = point_find(&c->store->watches, hash_bytes(path, len), path, len);
	struct watch *w;

	if (p)
		TAILQ_FOREACH(w, &p->watches, point_next)
			if (w->conn == c && !strcmp(w->token, token))
				return w;
	return NULL;
}

/* The event for @path as @w's connection sees it. */
static void watch_event(struct watch *w, const char *path)
{
	struct buf b = { 0 };
	const char *shown = path;

	/* Too much waits: this one event says to look at everything. */
	if (conn_crowded(w->conn))
		shown = w->point->path;
	if (w->relative)
		shown += path_own_prefix(w->conn, shown);
	if (w->resync)
		return;
	buf_str(&b, shown);
	buf_str(&b, w->token);
	if (b.len <= XENSTORE_PAYLOAD_MAX)
		conn_queue(w->conn, XS_WATCH_EVENT, 0, 0, b.data, b.len, w);
	buf_free(&b);
}

void watch_add(struct conn *c, const char *path, const char *token, bool relative)
{
	struct watch *w = xs_zalloc(sizeof(*w));

	w->conn = c;
	w->point = point_get(&c->store->watches, path);
	w->seq = c->store->watches.next_seq++;
	w->relative = relative;
	w->token = xs_dup(token, strlen(token) + 1);
	TAILQ_INSERT_TAIL(&w->point->watches, w, point_next);
	TAILQ_INSERT_TAIL(&c->watches, w, conn_next);
	c->dom->watches++;
	dom_memory(c->store, c->dom, watch_memory(w));
	journal_watch(w);
}

/* The first event, which tells nothing but that the watch is there. */
void watch_first_event(struct watch *w)
{
	watch_event(w, w->point->path);
}

void watch_del(struct watch *w)
{
	struct conn *c = w->conn;
	struct watch_point *p = w->point;
	struct outmsg *m;

	journal_unwatch(w);
	if (w->queued)
		STAILQ_FOREACH(m, &c->out, next)
			if (m->watch == w)
				m->watch = NULL;
	c->dom->watches--;
	dom_memory(c->store, c->dom, -(int64_t)watch_memory(w));
	TAILQ_REMOVE(&c->watches, w, conn_next);
	TAILQ_REMOVE(&p->watches, w, point_next);
	if (TAILQ_EMPTY(&p->watches)) {
		SLIST_REMOVE(bucket(&c->store->watches, p->hash), p, watch_point, hash_next);
		c->store->watches.count--;
		free(p);
	}
	free(w->token);
	free(w);
}

void watch_del_all(struct conn *c)
{
	while (!TAILQ_EMPTY(&c->watches))
		watch_del(TAILQ_FIRST(&c->watches));
}

void watches_free(struct store *s)
{
	free(s->watches.buckets);
}

static bool may_know(const struct conn *c, const struct node *before, const struct node *after,
		     const struct node *parent)
{
	if (before && (perms_of(c, before) & PERM_READ))
		return true;
	if (after && (perms_of(c, after) & PERM_READ))
		return true;
	return (!before || !after) && parent && (perms_of(c, parent) & PERM_READ);
}

#define HITS_FEW 32

struct hits {
	struct watch *few[HITS_FEW];
	struct watch **all;
	size_t count, room;
};

static void hit(struct hits *h, struct watch *w)
{
	if (h->count == h->room) {
		h->room *= 2;
		if (h->all == h->few)
			h->all = memcpy(xs_alloc(h->room * sizeof(*h->all)), h->few, sizeof(h->few));
		else
			h->all = xs_realloc(h->all, h->room * sizeof(*h->all));
	}
	h->all[h->count++] = w;
}

static int by_age(const void *a, const void *b)
{
	const struct watch *x = *(struct watch *const *)a, *y = *(struct watch *const *)b;

	if (x->conn->uid != y->conn->uid)
		return x->conn->uid < y->conn->uid ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void hit_point(struct hits *h, struct watch_point *p)
{
	struct watch *w;

	if (p)
		TAILQ_FOREACH(w, &p->watches, point_next)
			hit(h, w);
}

/*
 * Tells of a change at @path: the node as it was and as it is (NULL: it was not, it is not there), and its parent.
 * @exact: only watches of that very path (the nodes under one that was removed). For a special path @before is its
 * permissions.
 */
void watches_fire(struct store *s, const char *path, const struct node *before, const struct node *after,
		  const struct node *parent, bool exact)
{
	struct hits h = { .all = h.few, .room = HITS_FEW };
	uint64_t hash = hash_seed;
	size_t len = strlen(path);

	if (s->replaying || !s->watches.count)
		return;
	if (!exact && *path == '/')
		hit_point(&h, point_find(&s->watches, hash_bytes("/", 1), "/", 1));
	for (size_t i = 0; i < len; i++) {
		if (i && path[i] == '/' && !exact)
			hit_point(&h, point_find(&s->watches, hash_end(hash), path, i));
		hash = hash_step(hash, path[i]);
	}
	if (exact || len > 1)
		hit_point(&h, point_find(&s->watches, hash_end(hash), path, len));
	if (h.count > 1)
		qsort(h.all, h.count, sizeof(*h.all), by_age);
	for (size_t i = 0; i < h.count; i++)
		if (may_know(h.all[i]->conn, before, after, parent))
			watch_event(h.all[i], path);
	if (h.all != h.few)
		free(h.all);
}
