// SPDX-License-Identifier: MIT
/*
 * The store against a model that is too simple to be wrong: an array of all paths that there can be (four names, three
 * levels), copied whole for each transaction, searched from end to end for each watch. Random requests of dom0 and two
 * guests go to both; every answer and every event must be the same. Now and then the store is replaced by the one that
 * its journal makes, as after a kill.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "store_driver.h"

#define NAMES 4
#define PATHS (1 + NAMES + NAMES * NAMES + NAMES * NAMES * NAMES)
#define CONNS 3
#define TXNS 3
#define WATCHES 24
#define STEPS 60000
#define NEVER 0

static char paths[PATHS][16];
static int parents[PATHS];

struct model_node {
	bool there;
	int value;
	int owner, others, guest;	/* others: what all may; guest: what domain 1 may besides, -1 no entry */
	uint64_t changed, kids_changed, made;
};

struct model_txn {
	uint32_t id;			/* NEVER: not open */
	bool doomed;
	struct model_node start[PATHS], now[PATHS];
	bool touched[PATHS], listed[PATHS];
	int notes[1024];		/* path, with REMOVED for removal, QUIET for implied parents */
	int note_count;
};
#define REMOVED 1000
#define QUIET 2000

static struct model_node tree[PATHS];
static struct model_txn txns[CONNS][TXNS];
static struct {
	int path, conn;			/* path -1: free */
	uint64_t age;
} watches[WATCHES];
static uint64_t clock_now = 1, ages = 1;

static struct store *s;
static struct conn *conns[CONNS];
static struct buf base;

static char events[CONNS][PATHS * WATCHES + 1][24];
static int event_count[CONNS];

static uint64_t random_state = 88172645463325252ull;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint64_t)(uint32_t)(random_state >> 16) * n >> 32;
}

static void make_paths(void)
{
	int n = 1;

	strcpy(paths[0], "/");
	parents[0] = -1;
	for (int i = 0; n < PATHS; i++)
		for (int k = 0; k < NAMES; k++, n++) {
			snprintf(paths[n], sizeof(paths[n]), "%.12s/%c", i ? paths[i] : "", 'a' + k);
			parents[n] = i;
		}
}

static bool beneath(int path, int top)
{
	for (; path >= 0; path = parents[path])
		if (path == top)
			return true;
	return false;
}

/* --- the model's rules --- */

static int may(int domid, const struct model_node *n)
{
	if (!domid || n->owner == domid)
		return 15;
	if (domid == 1 && n->guest >= 0)
		return n->guest;
	return n->others;
}

static int nearest(const struct model_node *t, int path)
{
	while (!t[path].there)
		path = parents[path];
	return path;
}

static const char *lookup(int domid, const struct model_node *t, struct model_txn *x, int path, int want)
{
	int n = nearest(t, path);

	if (x)
		x->touched[path] = true;
	if ((may(domid, &t[n]) & want) != want)
		return "EACCES";
	return n == path ? NULL : "ENOENT";
}

static void event(int path, const struct model_node *before, const struct model_node *after,
		  const struct model_node *parent, bool exact)
{
	for (int c = 0; c < CONNS; c++)
		for (uint64_t age = 0; age < ages; age++)
			for (int w = 0; w < WATCHES; w++) {
				if (watches[w].path < 0 || watches[w].conn != c || watches[w].age != age)
					continue;
				if (exact ? watches[w].path != path : !beneath(path, watches[w].path))
					continue;
				if ((before && may(c, before) & 1) || (after && may(c, after) & 1) ||
				    ((!before || !after) && parent && may(c, parent) & 1))
					snprintf(events[c][event_count[c]++], sizeof(events[c][0]), "%s %d", paths[path],
						 w);
			}
}

static void removed_events(struct model_node *old, int path, bool top)
{
	bool done[PATHS] = { false };

	/* Children in the order in which they were made. */
	for (;;) {
		int first = -1;

		for (int i = 0; i < PATHS; i++)
			if (parents[i] == path && old[i].there && !done[i] &&
			    (first < 0 || old[i].made < old[first].made))
				first = i;
		if (first < 0)
			break;
		done[first] = true;
		removed_events(old, first, false);
	}
	event(path, &old[path], NULL, parents[path] >= 0 ? &old[parents[path]] : NULL, !top);
}

static void set(struct model_node *t, int path, const struct model_node *like, int value)
{
	bool made = !t[path].there;

	clock_now++;
	if (made) {
		t[path] = *like;
		t[path].there = true;
		t[path].made = t[path].kids_changed = clock_now;
		if (parents[path] >= 0)
			t[parents[path]].kids_changed = clock_now;
	} else {
		t[path].owner = like->owner;
		t[path].others = like->others;
		t[path].guest = like->guest;
	}
	t[path].value = value;
	t[path].changed = clock_now;
}

static void drop(struct model_node *t, int path)
{
	clock_now++;
	for (int i = 0; i < PATHS; i++)
		if (beneath(i, path))
			t[i].there = false;
	t[parents[path]].kids_changed = clock_now;
}

static void note(struct model_txn *x, int what)
{
	assert(x->note_count < 1024);
	x->notes[x->note_count++] = what;
}

static const char *model_write(int c, struct model_txn *x, int path, int value, bool create_only)
{
	struct model_node *t = x ? x->now : tree, old;
	const char *err = lookup(c, t, x, path, 2);

	if (err && strcmp(err, "ENOENT"))
		return err;
	if (err) {
		int top = nearest(t, path);

		/* From the top down. */
		while (!t[path].there) {
			int next = path;
			struct model_node like;

			while (parents[next] != top)
				next = parents[next];
			like = t[top];
			if (c)
				like.owner = c;
			if (x) {
				x->touched[next] = true;
				note(x, next == path ? next : next + QUIET);
			}
			set(t, next, &like, next == path ? value : 0);
			top = next;
		}
		if (!x)
			event(path, NULL, &t[path], parents[path] < 0 ? NULL : &t[parents[path]], false);
		return NULL;
	}
	if (create_only)
		return NULL;
	old = t[path];
	set(t, path, &old, value);
	if (x)
		note(x, path);
	else
		event(path, &old, &t[path], NULL, false);
	return NULL;
}

static const char *model_remove(int c, struct model_txn *x, int path)
{
	struct model_node *t = x ? x->now : tree, old[PATHS];
	const char *err = lookup(c, t, x, path, 2);

	if (err && !strcmp(err, "ENOENT"))
		return t[parents[path]].there ? NULL : err;
	if (err)
		return err;
	if (!path)
		return "EINVAL";
	memcpy(old, t, sizeof(old));
	drop(t, path);
	if (x)
		note(x, path + REMOVED);
	else
		removed_events(old, path, true);
	return NULL;
}

static const char *model_perms(int c, struct model_txn *x, int path, struct model_node *like)
{
	struct model_node *t = x ? x->now : tree, old;
	const char *err = lookup(c, t, x, path, 8);

	if (err)
		return err;
	if (c && like->owner != t[path].owner)
		return "EPERM";
	old = t[path];
	set(t, path, like, old.value);
	if (x)
		note(x, path);
	else
		event(path, &old, &t[path], NULL, false);
	return NULL;
}

static const char *model_end(struct model_txn *x, bool commit)
{
	bool conflict = x->doomed, seen[PATHS] = { false };

	x->id = NEVER;
	for (int i = 0; i < PATHS; i++) {
		const struct model_node *was = &x->start[i], *is = &tree[i];

		if (x->touched[i] && (was->there != is->there || (was->there && was->changed != is->changed)))
			conflict = true;
		if (x->listed[i] && was->there && was->kids_changed != is->kids_changed)
			conflict = true;
	}
	if (!commit)
		return NULL;
	if (conflict)
		return "EAGAIN";
	for (int i = 0; i < x->note_count; i++) {
		int path = x->notes[i] % 1000;
		bool quiet = x->notes[i] >= QUIET, there = tree[path].there;
		struct model_node old[PATHS];

		memcpy(old, tree, sizeof(old));
		if (!quiet && x->notes[i] >= REMOVED) {
			memset(seen, 0, sizeof(seen));
			if (there) {
				drop(tree, path);
				removed_events(old, path, true);
			}
			continue;
		}
		/* One event tells of all changes since the last removal. */
		if (!quiet && seen[path])
			continue;
		if (!quiet)
			seen[path] = true;
		if (!x->now[path].there || !tree[parents[path] < 0 ? 0 : parents[path]].there)
			continue;
		set(tree, path, &x->now[path], x->now[path].value);
		if (!quiet)
			event(path, there ? &old[path] : NULL, &tree[path],
			      parents[path] < 0 ? NULL : &tree[parents[path]], false);
	}
	return NULL;
}

/* --- both --- */

static void compare_events(int step)
{
	for (int c = 0; c < CONNS; c++) {
		for (int i = 0; i < event_count[c]; i++) {
			struct answer a;
			char got[64];

			if (!take(conns[c], &a))
				fail_msg("step %d: connection %d lacks event %s", step, c, events[c][i]);
			snprintf(got, sizeof(got), "%.20s %.20s", a.body, a.body + strlen(a.body) + 1);
			if (strcmp(got, events[c][i]))
				fail_msg("step %d: connection %d got event %s instead of %s", step, c, got, events[c][i]);
		}
		event_count[c] = 0;
		if (STAILQ_FIRST(&conns[c]->out))
			fail_msg("step %d: connection %d has a message too many", step, c);
	}
}

/* The answer is somewhere among the events: take it out of the row. */
static void find_answer(struct conn *c, struct answer *a)
{
	struct outmsg *m;

	STAILQ_FOREACH(m, &c->out, next)
		if (!m->event)
			break;
	assert(m);
	memcpy(&a->type, m->data, 4);
	a->len = m->len - 16;
	memcpy(a->body, m->data + 16, a->len);
	a->body[a->len] = 0;
	STAILQ_REMOVE(&c->out, m, outmsg, next);
	c->out_bytes -= m->len;
	c->out_replies--;
	dom_memory(s, c->dom, -(int64_t)m->len);
	free(m);
}

static void expect(int step, const struct answer *a, const char *err)
{
	bool failed = a->type == XS_ERROR;

	if (failed != !!err || (err && strcmp(err, a->body)))
		fail_msg("step %d: the store says %s, the model %s", step, failed ? a->body : "well", err ? err : "well");
}

static void list_kids(const struct model_node *t, int path, char *out)
{
	bool done[PATHS] = { false };

	*out = 0;
	for (;;) {
		int first = -1;

		for (int i = 0; i < PATHS; i++)
			if (parents[i] == path && t[i].there && !done[i] && (first < 0 || t[i].made < t[first].made))
				first = i;
		if (first < 0)
			return;
		done[first] = true;
		out[strlen(out) + 1] = 0;
		out[strlen(out)] = paths[first][strlen(paths[first]) - 1];
	}
}

static void one_read(int step, int c, struct model_txn *x, int path, bool directory)
{
	struct model_node *t = x ? x->now : tree;
	const char *err = lookup(c, t, x, path, 1);
	struct answer a;
	char want[32];

	request(conns[c], directory ? XS_DIRECTORY : XS_READ, x ? x->id : 0, paths[path], strlen(paths[path]) + 1);
	find_answer(conns[c], &a);
	expect(step, &a, err);
	if (err)
		return;
	if (directory) {
		char got[32] = "";

		if (x)
			x->listed[path] = true;
		list_kids(t, path, want);
		for (uint32_t i = 0; i < a.len; i += 2)
			got[i / 2] = a.body[i];
		if (strcmp(got, want))
			fail_msg("step %d: %s has children %s instead of %s", step, paths[path], got, want);
	} else if (atoi(a.body) != t[path].value) {
		fail_msg("step %d: %s is %s instead of %d", step, paths[path], a.body, t[path].value);
	}
}

/* What a change refers to may be among those that a doomed transaction has lost. */
static const char *change_said(struct model_txn *x, const char *err)
{
	return err && x && x->doomed && (!strcmp(err, "ENOENT") || !strcmp(err, "EACCES")) ? NULL : err;
}

static void one_write(int step, int c, struct model_txn *x, int path)
{
	int value = 1 + random_below(1000);
	const char *err = change_said(x, model_write(c, x, path, value, false));
	char text[40];
	struct answer a;
	int len = snprintf(text, sizeof(text), "%s", paths[path]) + 1;

	len += snprintf(text + len, sizeof(text) - len, "%d", value);
	request(conns[c], XS_WRITE, x ? x->id : 0, text, len);
	find_answer(conns[c], &a);
	expect(step, &a, err);
}

static void one_perms(int step, int c, struct model_txn *x, int path)
{
	static const char letters[] = "nrwb";
	struct model_node like = { .owner = random_below(3), .others = random_below(4), .guest = (int)random_below(5) - 1 };
	struct answer a;
	const char *err;
	char text[40];
	int len;

	if (!random_below(3))
		like.owner = c;
	err = change_said(x, model_perms(c, x, path, &like));
	len = snprintf(text, sizeof(text), "%s", paths[path]) + 1;
	len += snprintf(text + len, sizeof(text) - len, "%c%d", letters[like.others], like.owner) + 1;
	if (like.guest >= 0)
		len += snprintf(text + len, sizeof(text) - len, "%c1", letters[like.guest]) + 1;
	request(conns[c], XS_SET_PERMS, x ? x->id : 0, text, len);
	find_answer(conns[c], &a);
	expect(step, &a, err);
}

static void one_watch(int step, int c, int path)
{
	int w = random_below(WATCHES);
	struct answer a;
	char text[40];
	int len;

	if (watches[w].path >= 0 && watches[w].conn != c)
		return;
	if (watches[w].path >= 0)
		path = watches[w].path;
	len = snprintf(text, sizeof(text), "%s", paths[path]) + 1;
	len += snprintf(text + len, sizeof(text) - len, "%d", w) + 1;
	if (watches[w].path >= 0) {
		request(conns[c], XS_UNWATCH, 0, text, len);
		watches[w].path = -1;
	} else {
		request(conns[c], XS_WATCH, 0, text, len);
		watches[w].path = path;
		watches[w].conn = c;
		watches[w].age = ages++;
		snprintf(events[c][event_count[c]++], sizeof(events[c][0]), "%s %d", paths[path], w);
	}
	find_answer(conns[c], &a);
	expect(step, &a, NULL);
}

static void one_transaction(int step, int c, struct model_txn *x)
{
	struct answer a;

	if (x->id == NEVER) {
		request(conns[c], XS_TRANSACTION_START, 0, "", 1);
		find_answer(conns[c], &a);
		expect(step, &a, NULL);
		memset(x, 0, sizeof(*x));
		x->id = atoi(a.body);
		memcpy(x->start, tree, sizeof(tree));
		memcpy(x->now, tree, sizeof(tree));
	} else {
		bool commit = random_below(4);
		uint32_t id = x->id;
		const char *err = model_end(x, commit);

		request(conns[c], XS_TRANSACTION_END, id, commit ? "T" : "F", 2);
		find_answer(conns[c], &a);
		expect(step, &a, err);
	}
}

/* As after a kill: the store that the journal makes takes the old one's place. */
static void kill_and_restart(void)
{
	struct store *n;
	struct conn *c;

	n = reborn(&base, s);
	assert_non_null(n);
	drain_all(n);
	store_free(s);
	s = n;
	c = TAILQ_FIRST(&s->conns);
	for (int i = 0; i < CONNS; i++, c = TAILQ_NEXT(c, next))
		conns[i] = c;
	image_of(s, &base);
	for (int i = 0; i < CONNS; i++)
		for (int k = 0; k < TXNS; k++)
			if (txns[i][k].id != NEVER) {
				uint32_t id = txns[i][k].id;

				memset(&txns[i][k], 0, sizeof(txns[i][k]));
				txns[i][k].id = id;
				txns[i][k].doomed = true;
				memcpy(txns[i][k].start, tree, sizeof(tree));
				memcpy(txns[i][k].now, tree, sizeof(tree));
			}
}

static void start(void)
{
	make_paths();
	s = store_new(&driver_host, &s);
	for (int i = 0; i < CONNS; i++)
		conns[i] = conn_new(s, i, i, i, false);
	store_remove_node(s, "/tool");
	/* Guests may write at the top, so that all have something to do. */
	store_set_node(s, "/", "0", 1, &(struct perm){ 0, 3 }, 1);
	memset(tree, 0, sizeof(tree));
	tree[0] = (struct model_node){ .there = true, .others = 3, .guest = -1, .changed = 1, .kids_changed = 1 };
	memset(txns, 0, sizeof(txns));
	for (int i = 0; i < WATCHES; i++)
		watches[i].path = -1;
	image_of(s, &base);
	s->journal.len = 0;
}

static void store_answers_as_the_model_does(void **state)
{
	start();
	for (int step = 0; step < STEPS; step++) {
		int c = random_below(CONNS), path = random_below(PATHS);
		struct model_txn *x = &txns[c][random_below(TXNS)], *in = x->id && random_below(2) ? x : NULL;
		uint32_t what = random_below(20);
		const char *err;
		struct answer a;

		if (in && in->note_count > 1000)
			continue;
		if (what < 6) {
			one_read(step, c, in, path, what < 2);
		} else if (what < 11) {
			one_write(step, c, in, path);
		} else if (what < 12) {
			err = change_said(in, model_write(c, in, path, 0, true));
			request(conns[c], XS_MKDIR, in ? in->id : 0, paths[path], strlen(paths[path]) + 1);
			find_answer(conns[c], &a);
			expect(step, &a, err);
		} else if (what < 14) {
			err = change_said(in, path ? model_remove(c, in, path) : lookup(c, in ? in->now : tree, in, 0, 2));
			request(conns[c], XS_RM, in ? in->id : 0, paths[path], strlen(paths[path]) + 1);
			find_answer(conns[c], &a);
			expect(step, &a, path || err ? err : "EINVAL");
		} else if (what < 16) {
			one_perms(step, c, in, path);
		} else if (what < 17) {
			one_watch(step, c, path);
		} else if (random_below(300) == 0) {
			kill_and_restart();
		} else {
			one_transaction(step, c, x);
		}
		compare_events(step);
		if (s->journal.len > 1 << 16) {
			assert_true(journal_makes_same(&base, s));
			image_of(s, &base);
			s->journal.len = 0;
		}
	}
	store_free(s);
	buf_free(&base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(store_answers_as_the_model_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
