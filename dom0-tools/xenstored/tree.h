// SPDX-License-Identifier: MIT
/*
 * The tree of nodes, with snapshots that cost nothing to take.
 *
 * A snapshot is one more reference to a root. Whoever changes a tree through tree_edit(), tree_add() or tree_del()
 * gets its own copy of every shared node between the root and the place of the change, and shares all the rest.
 *
 * 1. A node with refs above 1, or below such a node, is never changed.
 * 2. A node's children keep the order of their creation (XS_DIRECTORY lists them so); a removed child leaves a hole
 *    that the next growth closes.
 * 3. index is there as soon as a node has had more than KIDS_UNINDEXED children, so finding a child is O(1).
 *
 * Paths here are absolute and valid: "/" or "/a/b", no empty component (path.c has checked them). One thread.
 */
#ifndef XENSTORED_TREE_H
#define XENSTORED_TREE_H

#include "util.h"

/* One entry of a node's permissions; the first names the owner and what others may. */
struct perm {
	uint32_t domid;
	uint32_t flags;			/* XS_PERM_READ, XS_PERM_WRITE */
};

#define PERM_READ	1
#define PERM_WRITE	2
#define PERM_OWNER	8		/* only as a demand: may change permissions */

#define KIDS_UNINDEXED	8

struct node {
	uint32_t refs;
	uint32_t hash;			/* of the name */
	uint64_t gen;			/* when value or permissions changed last */
	uint64_t kids_gen;		/* when a child came or went last */
	uint32_t value_len;
	uint32_t kids_bytes;		/* all children's names with terminators */
	uint32_t kid_count, kid_slots, kid_room;
	uint32_t index_size;		/* a power of two, or 0 */
	uint16_t name_len, perm_count;
	struct node **kids;		/* kid_slots, NULL where one was removed */
	uint32_t *index;		/* slot + 1, 0 is empty */
	struct perm *perms;
	uint8_t *value;
	char name[];
};

/* A root without value; owner domid 0, nothing for others. One reference. */
struct node *tree_new(void);
static inline struct node *node_get(struct node *n)
{
	n->refs++;
	return n;
}
void node_put(struct node *n);

/* The node at @path, or NULL. */
struct node *tree_find(struct node *root, const char *path);

/* The node at @path or its nearest ancestor that exists; @exact says which. */
struct node *tree_nearest(struct node *root, const char *path, bool *exact);

/* The child of @n with that name, or NULL. */
struct node *node_child(const struct node *n, const char *name, size_t len);

/* The node at @path, which exists, as a node that may be changed. */
struct node *tree_edit(struct node **root, const char *path);

/* A new node at @path, which does not exist, under a parent that does; empty, with a copy of @perms. */
struct node *tree_add(struct node **root, const char *path, const struct perm *perms, unsigned int count, uint64_t gen);

/* Takes away the node at @path, which exists and is not the root, with all beneath it. */
void tree_del(struct node **root, const char *path, uint64_t gen);

/* On a node that may be changed. */
void node_set_value(struct node *n, const void *value, size_t len);
void node_set_perms(struct node *n, const struct perm *perms, unsigned int count);

/* Walks over the children in order: for (uint32_t i = 0; (k = node_next(n, &i)); ) */
static inline struct node *node_next(const struct node *n, uint32_t *i)
{
	while (*i < n->kid_slots) {
		struct node *k = n->kids[(*i)++];

		if (k)
			return k;
	}
	return NULL;
}

/* Bytes that quotas count for a node, without and with its path. */
static inline size_t node_size(const struct node *n)
{
	return 24 + n->perm_count * sizeof(struct perm) + n->value_len + n->kids_bytes;
}

#endif
