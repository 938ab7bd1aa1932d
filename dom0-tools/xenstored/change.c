// SPDX-License-Identifier: MIT
/*
 * Changes of nodes. Three callers: a request outside a transaction (changes the main tree, fires watches), a request
 * inside one (changes only the transaction's tree and notes what it did), and a transaction's end or the journal's
 * replay (changes the main tree as noted).
 *
 * Only the four functions store_set_node(), store_remove_node(), store_set_special() and store_remove_owned() change
 * the main tree. Each keeps the owners' counts and writes the journal.
 */
#include <errno.h>
#include "store.h"

size_t node_memory(const struct node *n)
{
	return sizeof(*n) + n->name_len + n->value_len + n->perm_count * sizeof(struct perm);
}

static void count_node(struct store *s, const struct node *n, int sign)
{
	struct dom *d = dom_get(s, n->perms[0].domid);

	d->nodes += sign;
	dom_memory(s, d, sign * (int64_t)node_memory(n));
	dom_put(s, d);
}

struct node *store_set_node(struct store *s, const char *path, const void *value, size_t len, const struct perm *perms,
			    unsigned int count)
{
	struct node *n;

	s->gen++;
	if (tree_find(s->root, path)) {
		n = tree_edit(&s->root, path);
		count_node(s, n, -1);
		node_set_perms(n, perms, count);
	} else {
		n = tree_add(&s->root, path, perms, count, s->gen);
	}
	node_set_value(n, value, len);
	n->gen = s->gen;
	count_node(s, n, 1);
	journal_node(s, path, n);
	return n;
}

static void uncount_all(struct store *s, const struct node *n)
{
	struct node *k;

	for (uint32_t i = 0; (k = node_next(n, &i));)
		uncount_all(s, k);
	count_node(s, n, -1);
}

void store_remove_node(struct store *s, const char *path)
{
	struct node *n = tree_find(s->root, path);

	if (!n)
		return;
	uncount_all(s, n);
	tree_del(&s->root, path, ++s->gen);
	journal_remove(s, path);
}

void store_set_special(struct store *s, int number, const struct perm *perms, unsigned int count)
{
	node_set_perms(s->special[number], perms, count);
	journal_special(s, number);
}

/* Watches hear of everything under the removed node @n, from the leaves up. */
static void fire_removed(struct store *s, struct node *n, const struct node *parent, char *path, bool top)
{
	size_t len = strlen(path);
	struct node *k;

	if (!s->watches.count)
		return;
	for (uint32_t i = 0; (k = node_next(n, &i));) {
		if (len + 1 + k->name_len < PATH_ROOM) {
			path[len] = '/';
			memcpy(path + len + 1, k->name, k->name_len + 1);
			fire_removed(s, k, n, path, false);
			path[len] = 0;
		}
	}
	watches_fire(s, path, n, NULL, parent, !top);
}

static struct node *parent_of(struct node *root, const char *path)
{
	char up[PATH_ROOM];

	strcpy(up, path);
	return path_up(up) ? tree_find(root, up) : NULL;
}

/* Removes the node from the main tree and tells of it; it exists. */
static void remove_and_fire(struct store *s, const char *path)
{
	struct node *n = node_get(tree_find(s->root, path));
	char room[PATH_ROOM];

	strcpy(room, path);
	store_remove_node(s, path);
	fire_removed(s, n, parent_of(s->root, path), room, true);
	node_put(n);
}

/* Collects the topmost paths of nodes that @domid owns. */
static void collect_owned(struct node *n, uint32_t domid, char *path, struct buf *found)
{
	size_t len = strlen(path);
	struct node *k;

	for (uint32_t i = 0; (k = node_next(n, &i));) {
		if (len + 1 + k->name_len >= PATH_ROOM)
			continue;
		path[len] = '/';
		memcpy(path + len + 1, k->name, k->name_len + 1);
		if (k->perms[0].domid == domid)
			buf_str(found, path);
		else
			collect_owned(k, domid, path, found);
		path[len] = 0;
	}
}

/* A domain's number is given again: what it owned must not fall to the next one. */
void store_remove_owned(struct store *s, uint32_t domid)
{
	struct dom *d = dom_find(s, domid);
	char path[PATH_ROOM] = "";
	struct buf found = { 0 };

	if (!d || !d->nodes)
		return;
	collect_owned(s->root, domid, path, &found);
	for (size_t at = 0; at < found.len; at += strlen((char *)found.data + at) + 1)
		remove_and_fire(s, (char *)found.data + at);
	buf_free(&found);
}

int node_lookup(struct conn *c, struct txn *t, const char *path, unsigned int want, struct node **found)
{
	struct node *root = t ? *txn_root(t) : c->store->root;
	bool exact;
	struct node *n = tree_nearest(root, path, &exact);
	int err;

	*found = NULL;
	if (t) {
		err = txn_touch(t, path, false);
		if (err)
			return err;
	}
	/* Of a node that is not there only those may know who could have seen it. */
	if ((perms_of(c, n) & want) != want)
		return EACCES;
	if (!exact)
		return ENOENT;
	*found = n;
	return 0;
}

/* Quotas for a node of @c that would be @size bytes, with @more bytes of memory. */
static int size_allowed(struct conn *c, const char *path, size_t size, int64_t more)
{
	if (quota_refuses(c, QUOTA_NODE_SIZE, size, 0, path))
		return ENOSPC;
	if (more > 0 && quota_refuses(c, QUOTA_MEMORY, c->dom->memory, more, path))
		return ENOMEM;
	return 0;
}

/* May @c make all the nodes that @path lacks under @parent? */
static int creation_allowed(struct conn *c, struct txn *t, const char *path, const struct node *parent, size_t len)
{
	size_t name_len = strlen(path), missing = 1, first = name_len;
	struct node *root = t ? *txn_root(t) : c->store->root;
	char up[PATH_ROOM];
	int err;

	strcpy(up, path);
	while (path_up(up) && !tree_find(root, up)) {
		missing++;
		first = strlen(up);
	}
	if (quota_refuses(c, QUOTA_NODES, c->dom->nodes + (t ? *txn_node_delta(t) : 0), missing, path))
		return ENOSPC;
	/* The parent grows by a name. */
	err = size_allowed(c, path, node_size(parent) + first - strlen(up), 0);
	if (err)
		return err;
	return size_allowed(c, path, 24 + parent->perm_count * sizeof(struct perm) + len,
			    missing * (sizeof(struct node) + 64) + name_len + len);
}

/* Makes the node at @path and the ancestors that it lacks. */
static int create_nodes(struct conn *c, struct txn *t, const char *path, const void *value, size_t len)
{
	struct store *s = c->store;
	struct node **root = t ? txn_root(t) : &s->root;
	char prefix[PATH_ROOM];
	struct node *n;
	bool exact;
	int err;

	n = tree_nearest(*root, path, &exact);
	err = creation_allowed(c, t, path, n, len);
	for (size_t i = 1; !err && t && path[i]; i++) {
		memcpy(prefix, path, i);
		prefix[i] = 0;
		if (path[i] == '/' && !tree_find(*root, prefix))
			err = txn_touch(t, prefix, false);
	}
	if (!err && t && !txn_take(t, path, len))
		err = ENOMEM;
	for (size_t i = 1; !err; i++) {
		struct perm perms[XENSTORE_PAYLOAD_MAX / 2];
		unsigned int count;
		bool last = !path[i];

		if (!last && path[i] != '/')
			continue;
		memcpy(prefix, path, i);
		prefix[i] = 0;
		if (tree_find(*root, prefix))
			continue;
		n = tree_nearest(*root, prefix, &exact);
		count = n->perm_count;
		memcpy(perms, n->perms, count * sizeof(*perms));
		if (!conn_privileged(c))
			perms[0].domid = c->domid;
		if (t) {
			n = tree_add(root, prefix, perms, count, s->gen);
			node_set_value(n, last ? value : NULL, last ? len : 0);
			*txn_node_delta(t) += perms[0].domid == c->domid;
			txn_record(t, prefix, false, !last);
		} else {
			store_set_node(s, prefix, last ? value : NULL, last ? len : 0, perms, count);
		}
		if (last)
			break;
	}
	return err;
}

/* WRITE, and MKDIR with @create_only. Returns an errno. */
int change_write(struct conn *c, struct txn *t, const char *path, const void *value, size_t len, bool create_only)
{
	struct store *s = c->store;
	struct node *n, *old;
	int err = node_lookup(c, t, path, PERM_WRITE, &n);

	if (err == ENOENT) {
		err = create_nodes(c, t, path, value, len);
		if (!err && !t)
			watches_fire(s, path, NULL, tree_find(s->root, path), parent_of(s->root, path), false);
		return err;
	}
	if (err || create_only)
		return err;
	err = size_allowed(c, path, node_size(n) - n->value_len + len, (int64_t)len - n->value_len);
	if (err)
		return err;
	if (t) {
		if (!txn_take(t, path, len))
			return ENOMEM;
		node_set_value(tree_edit(txn_root(t), path), value, len);
		txn_record(t, path, false, false);
		return 0;
	}
	old = node_get(n);
	n = store_set_node(s, path, value, len, old->perms, old->perm_count);
	watches_fire(s, path, old, n, NULL, false);
	node_put(old);
	return 0;
}

int change_remove(struct conn *c, struct txn *t, const char *path)
{
	struct node *n;
	int err = node_lookup(c, t, path, PERM_WRITE, &n);

	if (err == ENOENT) {
		/* What is not there is removed, if it could be. */
		struct node *parent = parent_of(t ? *txn_root(t) : c->store->root, path);

		return parent ? 0 : ENOENT;
	}
	if (err)
		return err;
	if (!path[1])
		return EINVAL;
	if (t) {
		if (!txn_take(t, path, 0))
			return ENOMEM;
		*txn_node_delta(t) -= n->perms[0].domid == c->domid;
		tree_del(txn_root(t), path, c->store->gen);
		txn_record(t, path, true, false);
		return 0;
	}
	remove_and_fire(c->store, path);
	return 0;
}

int change_perms(struct conn *c, struct txn *t, const char *path, const struct perm *perms, unsigned int count)
{
	struct store *s = c->store;
	int special = special_number(path), err;
	struct node *n, *old;

	if (quota_refuses(c, QUOTA_PERMISSIONS, count, 0, path))
		return ENOSPC;
	if (special >= 0) {
		n = s->special[special];
		if (!(perms_of(c, n) & PERM_OWNER))
			return EACCES;
		if (!conn_privileged(c) && perms[0].domid != n->perms[0].domid)
			return EPERM;
		store_set_special(s, special, perms, count);
		return 0;
	}
	err = node_lookup(c, t, path, PERM_OWNER, &n);
	if (err)
		return err;
	/* Nodes can't be given away: they count for their owner. */
	if (!conn_privileged(c) && perms[0].domid != n->perms[0].domid)
		return EPERM;
	if (t) {
		if (!txn_take(t, path, count * sizeof(*perms)))
			return ENOMEM;
		node_set_perms(tree_edit(txn_root(t), path), perms, count);
		txn_record(t, path, false, false);
		return 0;
	}
	old = node_get(n);
	n = store_set_node(s, path, old->value, old->value_len, perms, count);
	watches_fire(s, path, old, n, NULL, false);
	node_put(old);
	return 0;
}

/* A transaction's note, carried out on the main tree; @n is what it made of the node. */
void change_apply(struct store *s, const char *path, struct node *n, bool quiet)
{
	struct node *before = tree_find(s->root, path);

	if (!n) {
		if (before)
			remove_and_fire(s, path);
		return;
	}
	if (!before && !parent_of(s->root, path))
		return;
	if (before)
		node_get(before);
	n = store_set_node(s, path, n->value, n->value_len, n->perms, n->perm_count);
	if (!quiet)
		watches_fire(s, path, before, n, parent_of(s->root, path), false);
	if (before)
		node_put(before);
}
