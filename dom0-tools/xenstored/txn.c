// SPDX-License-Identifier: MIT
/*
 * Transactions. Starting one takes two references to the root: the tree as it began (start), and the tree that its
 * own changes make (root, copied where it is changed). Every path that it looks at or changes is noted (touched),
 * and every change in order (notes).
 *
 * It can be committed if no touched node has changed since: the node in the main tree is as it was in start, with
 * the same generation; where children were listed, with the same children. Then the notes are carried out on the main
 * tree. Two transactions that only make different children of one node do not disturb each other.
 *
 * A doomed one was open when the daemon died. It goes on, on the tree of now, and ends with EAGAIN as any that met a
 * conflict: clients know what to do. A change in it to what one before made, which is lost, is answered as if it were done.
 */
#include <errno.h>
#include "store.h"

struct touched {
	SLIST_ENTRY(touched) hash_next;
	uint32_t hash;
	uint32_t epoch;			/* 1 + removals before the newest note of it */
	bool kids;
	char path[];
};
SLIST_HEAD(touched_bucket, touched);

struct note {
	STAILQ_ENTRY(note) next;
	bool remove, quiet;
	char path[];
};

#define TOUCHED_BUCKETS 32

struct txn {
	TAILQ_ENTRY(txn) next;
	struct conn *conn;
	uint32_t id;
	bool doomed;
	struct node *start, *root;
	struct touched_bucket *touched;
	uint32_t buckets, touched_count;
	uint32_t removals;
	int node_delta;
	size_t memory;
	STAILQ_HEAD(, note) notes;
};

static struct touched *find_touched(struct txn *t, const char *path, uint32_t hash)
{
	struct touched *e;

	SLIST_FOREACH(e, &t->touched[hash & (t->buckets - 1)], hash_next)
		if (e->hash == hash && !strcmp(e->path, path))
			return e;
	return NULL;
}

static void touched_grow(struct txn *t)
{
	struct touched_bucket *old = t->touched;
	uint32_t n = t->buckets;

	t->buckets *= 4;
	t->touched = xs_zalloc(t->buckets * sizeof(*t->touched));
	for (uint32_t i = 0; i < n; i++) {
		struct touched *e;

		while ((e = SLIST_FIRST(&old[i]))) {
			SLIST_REMOVE_HEAD(&old[i], hash_next);
			SLIST_INSERT_HEAD(&t->touched[e->hash & (t->buckets - 1)], e, hash_next);
		}
	}
	free(old);
}

static void take_memory(struct txn *t, size_t bytes)
{
	t->memory += bytes;
	dom_memory(t->conn->store, t->conn->dom, bytes);
}

/* Notes that the transaction depends on @path, with @kids on the list of its children. Returns 0 or ENOSPC. */
int txn_touch(struct txn *t, const char *path, bool kids)
{
	size_t len = strlen(path);
	uint32_t hash = hash_bytes(path, len);
	struct touched *e = find_touched(t, path, hash);

	if (!e) {
		if (quota_refuses(t->conn, QUOTA_TRANSACTION_NODES, t->touched_count, 1, path))
			return ENOSPC;
		if (t->touched_count >= t->buckets)
			touched_grow(t);
		e = xs_zalloc(sizeof(*e) + len + 1);
		e->hash = hash;
		memcpy(e->path, path, len + 1);
		SLIST_INSERT_HEAD(&t->touched[hash & (t->buckets - 1)], e, hash_next);
		t->touched_count++;
		take_memory(t, sizeof(*e) + len + 1);
	}
	e->kids |= kids;
	return 0;
}

/* Takes memory of the quota for a change of @path by @bytes; false if there is none. */
bool txn_take(struct txn *t, const char *path, size_t bytes)
{
	struct conn *c = t->conn;

	if (quota_refuses(c, QUOTA_MEMORY, c->dom->memory, sizeof(struct note) + strlen(path) + bytes, path))
		return false;
	take_memory(t, bytes);
	return true;
}

/* Notes a change: the node at @path was set, or removed; @quiet: no watch hears of it. @path is touched. */
void txn_record(struct txn *t, const char *path, bool remove, bool quiet)
{
	size_t len = strlen(path);
	struct touched *e = find_touched(t, path, hash_bytes(path, len));
	struct note *n;

	if (!remove && !quiet && e->epoch == t->removals + 1)
		return;
	if (remove)
		t->removals++;
	else if (!quiet)
		e->epoch = t->removals + 1;
	n = xs_alloc(sizeof(*n) + len + 1);
	n->remove = remove;
	n->quiet = quiet;
	memcpy(n->path, path, len + 1);
	STAILQ_INSERT_TAIL(&t->notes, n, next);
	take_memory(t, sizeof(*n) + len + 1);
}

struct txn *txn_find(struct conn *c, uint32_t id)
{
	struct txn *t;

	TAILQ_FOREACH(t, &c->txns, next)
		if (t->id == id)
			return t;
	return NULL;
}

static struct txn *txn_new(struct conn *c, uint32_t id)
{
	struct txn *t = xs_zalloc(sizeof(*t));

	t->conn = c;
	t->id = id;
	t->buckets = TOUCHED_BUCKETS;
	t->touched = xs_zalloc(t->buckets * sizeof(*t->touched));
	STAILQ_INIT(&t->notes);
	t->start = node_get(c->store->root);
	t->root = node_get(c->store->root);
	TAILQ_INSERT_TAIL(&c->txns, t, next);
	c->dom->transactions++;
	take_memory(t, sizeof(*t) + t->buckets * sizeof(*t->touched));
	return t;
}

/* XS_TRANSACTION_START; returns 0 with the number, ENOSPC, ENOMEM. */
int txn_start(struct conn *c, uint32_t *id)
{
	if (quota_refuses(c, QUOTA_TRANSACTIONS, c->dom->transactions, 1, "a transaction"))
		return ENOSPC;
	if (quota_refuses(c, QUOTA_MEMORY, c->dom->memory, sizeof(struct txn), "a transaction"))
		return ENOMEM;
	do {
		c->next_txn++;
	} while (!c->next_txn || txn_find(c, c->next_txn));
	*id = c->next_txn;
	txn_new(c, *id);
	journal_txn(c, *id, false);
	return 0;
}

/* One that the journal says was open. */
struct txn *txn_resume(struct conn *c, uint32_t id)
{
	struct txn *t = txn_new(c, id);

	t->doomed = true;
	if (id > c->next_txn)
		c->next_txn = id;
	return t;
}

/* What a doomed transaction sees is the tree of now, not that of somewhere in the journal. */
void txn_refresh(struct txn *t)
{
	node_put(t->start);
	node_put(t->root);
	t->start = node_get(t->conn->store->root);
	t->root = node_get(t->conn->store->root);
}

static void txn_free(struct txn *t)
{
	struct conn *c = t->conn;
	struct note *n;

	for (uint32_t i = 0; i < t->buckets; i++) {
		struct touched *e;

		while ((e = SLIST_FIRST(&t->touched[i]))) {
			SLIST_REMOVE_HEAD(&t->touched[i], hash_next);
			free(e);
		}
	}
	while ((n = STAILQ_FIRST(&t->notes))) {
		STAILQ_REMOVE_HEAD(&t->notes, next);
		free(n);
	}
	journal_txn(c, t->id, true);
	node_put(t->start);
	node_put(t->root);
	TAILQ_REMOVE(&c->txns, t, next);
	c->dom->transactions--;
	dom_memory(c->store, c->dom, -(int64_t)t->memory);
	free(t->touched);
	free(t);
}

static bool conflicts(struct txn *t)
{
	struct node *main_root = t->conn->store->root;

	if (t->doomed)
		return true;
	if (main_root == t->start)
		return false;
	for (uint32_t i = 0; i < t->buckets; i++) {
		struct touched *e;

		SLIST_FOREACH(e, &t->touched[i], hash_next) {
			const struct node *was = tree_find(t->start, e->path), *is = tree_find(main_root, e->path);

			if (was == is)
				continue;
			if (!was || !is || was->gen != is->gen || (e->kids && was->kids_gen != is->kids_gen))
				return true;
		}
	}
	return false;
}

/* XS_TRANSACTION_END; the transaction is gone in any case. Returns 0, EAGAIN or ENOSPC. */
int txn_end(struct txn *t, bool commit)
{
	struct conn *c = t->conn;
	struct note *n;
	int err = 0;

	if (commit && conflicts(t))
		err = EAGAIN;
	else if (commit && t->node_delta > 0 &&
		 quota_refuses(c, QUOTA_NODES, c->dom->nodes, t->node_delta, "a transaction's end"))
		err = ENOSPC;
	if (commit && !err) {
		STAILQ_FOREACH(n, &t->notes, next) {
			struct node *made = n->remove ? NULL : tree_find(t->root, n->path);

			if (made || n->remove)
				change_apply(c->store, n->path, made, n->quiet);
		}
	}
	txn_free(t);
	return err;
}

void txn_end_all(struct conn *c)
{
	while (!TAILQ_EMPTY(&c->txns))
		txn_free(TAILQ_FIRST(&c->txns));
}

bool txn_doomed(const struct txn *t)
{
	return t->doomed;
}

uint32_t txn_id(const struct txn *t)
{
	return t->id;
}

struct txn *txn_next(struct conn *c, struct txn *t)
{
	return t ? TAILQ_NEXT(t, next) : TAILQ_FIRST(&c->txns);
}

struct node **txn_root(struct txn *t)
{
	return &t->root;
}

int *txn_node_delta(struct txn *t)
{
	return &t->node_delta;
}
