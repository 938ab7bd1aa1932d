// SPDX-License-Identifier: MIT
/* The tree of nodes; see tree.h. */
#include "tree.h"

uint64_t hash_seed = 0x5851f42d4c957f2d;

static struct node *node_new(const char *name, size_t len)
{
	struct node *n = xs_zalloc(sizeof(*n) + len + 1);

	n->refs = 1;
	n->hash = hash_bytes(name, len);
	n->name_len = len;
	memcpy(n->name, name, len);
	return n;
}

struct node *tree_new(void)
{
	static const struct perm owner = { 0, 0 };
	struct node *n = node_new("", 0);

	node_set_perms(n, &owner, 1);
	return n;
}

/* As deep as a path has components, which is 1536 at most. */
void node_put(struct node *n)
{
	if (--n->refs)
		return;
	for (uint32_t i = 0; i < n->kid_slots; i++)
		if (n->kids[i])
			node_put(n->kids[i]);
	free(n->kids);
	free(n->index);
	free(n->perms);
	free(n->value);
	free(n);
}

static struct node *node_copy(const struct node *n)
{
	struct node *c = xs_dup(n, sizeof(*n) + n->name_len + 1);

	c->refs = 1;
	c->perms = xs_dup(n->perms, n->perm_count * sizeof(*n->perms));
	c->value = n->value_len ? xs_dup(n->value, n->value_len) : NULL;
	if (n->kid_room) {
		c->kids = xs_alloc(n->kid_room * sizeof(*c->kids));
		memcpy(c->kids, n->kids, n->kid_slots * sizeof(*c->kids));
		for (uint32_t i = 0; i < n->kid_slots; i++)
			if (c->kids[i])
				c->kids[i]->refs++;
	}
	if (n->index_size)
		c->index = xs_dup(n->index, n->index_size * sizeof(*c->index));
	return c;
}

/* Finds a child's slot; -1 if there is none. */
static int64_t kid_slot(const struct node *n, const char *name, size_t len)
{
	uint32_t hash = hash_bytes(name, len);

	if (!n->index_size) {
		for (uint32_t i = 0; i < n->kid_slots; i++) {
			const struct node *k = n->kids[i];

			if (k && k->hash == hash && k->name_len == len && !memcmp(k->name, name, len))
				return i;
		}
		return -1;
	}
	for (uint32_t at = hash & (n->index_size - 1); n->index[at]; at = (at + 1) & (n->index_size - 1)) {
		const struct node *k = n->kids[n->index[at] - 1];

		if (k && k->hash == hash && k->name_len == len && !memcmp(k->name, name, len))
			return n->index[at] - 1;
	}
	return -1;
}

struct node *node_child(const struct node *n, const char *name, size_t len)
{
	int64_t slot = kid_slot(n, name, len);

	return slot < 0 ? NULL : n->kids[slot];
}

static void index_slot(struct node *n, uint32_t slot)
{
	uint32_t at = n->kids[slot]->hash & (n->index_size - 1);

	while (n->index[at])
		at = (at + 1) & (n->index_size - 1);
	n->index[at] = slot + 1;
}

/* Closes the holes, makes room for as many children again, and builds the index. */
static void kids_grow(struct node *n)
{
	uint32_t to = 0;

	for (uint32_t i = 0; i < n->kid_slots; i++)
		if (n->kids[i])
			n->kids[to++] = n->kids[i];
	n->kid_slots = to;
	if (to * 2 > n->kid_room || !n->kid_room) {
		n->kid_room = n->kid_room ? n->kid_room * 2 : 4;
		n->kids = xs_realloc(n->kids, n->kid_room * sizeof(*n->kids));
	}
	free(n->index);
	n->index = NULL;
	n->index_size = 0;
	if (n->kid_room > KIDS_UNINDEXED) {
		n->index_size = n->kid_room * 2;
		n->index = xs_zalloc(n->index_size * sizeof(*n->index));
		for (uint32_t i = 0; i < n->kid_slots; i++)
			index_slot(n, i);
	}
}

static void kid_add(struct node *n, struct node *kid)
{
	if (n->kid_slots == n->kid_room)
		kids_grow(n);
	n->kids[n->kid_slots++] = kid;
	if (n->index_size)
		index_slot(n, n->kid_slots - 1);
	n->kid_count++;
	n->kids_bytes += kid->name_len + 1;
}

static void kid_del(struct node *n, uint32_t slot)
{
	struct node *kid = n->kids[slot];

	n->kids[slot] = NULL;
	n->kid_count--;
	n->kids_bytes -= kid->name_len + 1;
	/* The last of the row can give its place back, where no index entry points at it. */
	while (!n->index_size && n->kid_slots && !n->kids[n->kid_slots - 1])
		n->kid_slots--;
	node_put(kid);
}

/* The component that starts at or after *@p (a slash is skipped); its length, 0 at the end. */
static size_t component(const char **p)
{
	const char *end;

	if (**p == '/')
		(*p)++;
	end = *p;
	while (*end && *end != '/')
		end++;
	return end - *p;
}

struct node *tree_nearest(struct node *root, const char *path, bool *exact)
{
	struct node *n = root;
	size_t len;

	while ((len = component(&path))) {
		struct node *kid = node_child(n, path, len);

		if (!kid) {
			*exact = false;
			return n;
		}
		n = kid;
		path += len;
	}
	*exact = true;
	return n;
}

struct node *tree_find(struct node *root, const char *path)
{
	bool exact;
	struct node *n = tree_nearest(root, path, &exact);

	return exact ? n : NULL;
}

/* Makes the node that *@at points to one that only this tree has. */
static struct node *own(struct node **at)
{
	if ((*at)->refs > 1) {
		struct node *copy = node_copy(*at);

		(*at)->refs--;
		*at = copy;
	}
	return *at;
}

/* Down to @path, or to its parent if @parent, owning each node; *@rest is then the last component. */
static struct node *descend(struct node **root, const char *path, bool parent, const char **rest)
{
	struct node *n = own(root);
	size_t len;

	while ((len = component(&path))) {
		int64_t slot;

		if (parent && !path[len]) {
			*rest = path;
			return n;
		}
		slot = kid_slot(n, path, len);
		if (slot < 0)
			abort();	/* callers have looked it up */
		n = own(&n->kids[slot]);
		path += len;
	}
	return n;
}

struct node *tree_edit(struct node **root, const char *path)
{
	return descend(root, path, false, NULL);
}

struct node *tree_add(struct node **root, const char *path, const struct perm *perms, unsigned int count, uint64_t gen)
{
	const char *name = NULL;
	struct node *parent = descend(root, path, true, &name);
	struct node *n = node_new(name, strlen(name));

	node_set_perms(n, perms, count);
	n->gen = n->kids_gen = gen;
	kid_add(parent, n);
	parent->kids_gen = gen;
	return n;
}

void tree_del(struct node **root, const char *path, uint64_t gen)
{
	const char *name = NULL;
	struct node *parent = descend(root, path, true, &name);

	kid_del(parent, kid_slot(parent, name, strlen(name)));
	parent->kids_gen = gen;
}

void node_set_value(struct node *n, const void *value, size_t len)
{
	if (n->value_len != len) {
		free(n->value);
		n->value = len ? xs_alloc(len) : NULL;
		n->value_len = len;
	}
	if (len)
		memcpy(n->value, value, len);
}

void node_set_perms(struct node *n, const struct perm *perms, unsigned int count)
{
	struct perm *copy = xs_dup(perms, count * sizeof(*perms));

	free(n->perms);
	n->perms = copy;
	n->perm_count = count;
}
