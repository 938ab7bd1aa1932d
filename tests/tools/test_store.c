// SPDX-License-Identifier: MIT
/* The store's rules, request by request. At each test's end the journal must make the same store. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "store_driver.h"

static struct store *s;
static struct conn *dom0, *g1, *g2;
static struct answer a;
static struct buf base;			/* the store as each test finds it */

static int setup(void **state)
{
	s = store_new(&driver_host, &s);
	dom0 = conn_new(s, 0, 0, false, false);
	dom_get(s, 0)->introduced = true;
	assert_int_equal(store_introduce(s, 1, 11, 1), 0);
	assert_int_equal(store_introduce(s, 2, 12, 2), 0);
	g1 = dom_find(s, 1)->conn;
	g2 = dom_find(s, 2)->conn;
	last_log[0] = 0;
	image_of(s, &base);
	s->journal.len = 0;
	return 0;
}

static int teardown(void **state)
{
	bool same = journal_makes_same(&base, s);

	store_free(s);
	return same ? 0 : -1;
}

/* Strings joined with their terminators. */
static void ask(struct conn *c, uint32_t type, uint32_t tx, const char *one, const char *two)
{
	struct buf b = { 0 };

	if (one)
		buf_str(&b, one);
	if (two)
		buf_put(&b, two, strlen(two) + (type != XS_WRITE));
	ask_raw(c, type, tx, b.data ? b.data : (void *)"", b.len, &a);
	buf_free(&b);
}

static void good(struct conn *c, uint32_t type, uint32_t tx, const char *one, const char *two)
{
	ask(c, type, tx, one, two);
	if (a.type == XS_ERROR)
		fail_msg("type %u of %s is answered %s", type, one, a.body);
	assert_int_equal(a.type, type);
	assert_int_equal(a.tx_id, tx);
	assert_int_equal(a.req_id, 77);
}

static void bad(struct conn *c, uint32_t type, uint32_t tx, const char *one, const char *two, const char *error)
{
	ask(c, type, tx, one, two);
	if (a.type != XS_ERROR)
		fail_msg("type %u of %s is carried out, instead of %s", type, one, error);
	assert_string_equal(a.body, error);
}

static void reads(struct conn *c, uint32_t tx, const char *path, const char *value)
{
	good(c, XS_READ, tx, path, NULL);
	assert_string_equal(a.body, value);
}

static uint32_t begin(struct conn *c)
{
	good(c, XS_TRANSACTION_START, 0, "", NULL);
	return atoi(a.body);
}

static void hears(struct conn *c, const char *path, const char *token)
{
	if (!take(c, &a))
		fail_msg("no event of %s", path);
	assert_int_equal(a.type, XS_WATCH_EVENT);
	assert_string_equal(a.body, path);
	assert_string_equal(a.body + strlen(a.body) + 1, token);
}

static void hears_nothing(struct conn *c)
{
	if (take(c, &a))
		fail_msg("a message of type %u: %s", a.type, a.body);
}

static void watch(struct conn *c, const char *path, const char *token)
{
	good(c, XS_WATCH, 0, path, token);
	hears(c, path, token);
}

/* A node of dom0's that all may read, or with other permissions. */
static void node(const char *path, const char *value, const char *perms)
{
	good(dom0, XS_WRITE, 0, path, value);
	good(dom0, XS_SET_PERMS, 0, path, perms);
}

static void limit(enum quota q, uint32_t value)
{
	s->quota[q] = value;
	journal_quota(s);
}

static void written_value_is_read(void **state)
{
	good(dom0, XS_WRITE, 0, "/a", "hello");
	reads(dom0, 0, "/a", "hello");
	good(dom0, XS_WRITE, 0, "/a", "");
	reads(dom0, 0, "/a", "");
	ask_raw(dom0, XS_WRITE, 0, "/b\0x\0y", 6, &a);
	good(dom0, XS_READ, 0, "/b", NULL);
	assert_int_equal(a.len, 3);
	assert_memory_equal(a.body, "x\0y", 3);
}

static void write_makes_missing_parents(void **state)
{
	good(dom0, XS_WRITE, 0, "/a/b/c/d", "x");
	reads(dom0, 0, "/a/b", "");
	good(dom0, XS_DIRECTORY, 0, "/a/b/c", NULL);
	assert_memory_equal(a.body, "d", 2);
	good(dom0, XS_MKDIR, 0, "/a/b/c/d", NULL);
	reads(dom0, 0, "/a/b/c/d", "x");
}

static void directory_keeps_the_order_of_creation(void **state)
{
	char name[16];

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "/d/%d", i * 7 % 300);
		good(dom0, XS_MKDIR, 0, name, NULL);
	}
	for (int i = 0; i < 300; i += 2) {
		snprintf(name, sizeof(name), "/d/%d", i);
		good(dom0, XS_RM, 0, name, NULL);
	}
	good(dom0, XS_MKDIR, 0, "/d/0", NULL);
	good(dom0, XS_DIRECTORY, 0, "/d", NULL);
	assert_string_equal(a.body, "7");
	assert_string_equal(a.body + 2, "21");
	assert_string_equal(a.body + a.len - 2, "0");
	for (int i = 1; i < 300; i += 2) {
		snprintf(name, sizeof(name), "/d/%d", i);
		reads(dom0, 0, name, "");
	}
}

static void removed_subtree_is_gone(void **state)
{
	good(dom0, XS_WRITE, 0, "/a/b/c", "x");
	good(dom0, XS_RM, 0, "/a", NULL);
	bad(dom0, XS_READ, 0, "/a/b/c", NULL, "ENOENT");
	good(dom0, XS_RM, 0, "/a", NULL);
	bad(dom0, XS_RM, 0, "/a/b", NULL, "ENOENT");
	bad(dom0, XS_RM, 0, "/", NULL, "EINVAL");
}

static void paths_that_make_no_sense_are_refused(void **state)
{
	static const char *const paths[] = { "", "//", "/a/", "/a//b", "/a b", "/a:b", "@introduceDomain", "@x", "/\xff" };
	char longest[XENSTORE_ABS_PATH_MAX + 8];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		bad(dom0, XS_READ, 0, paths[i], NULL, "EINVAL");
		bad(dom0, XS_MKDIR, 0, paths[i], NULL, "EINVAL");
	}
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[XENSTORE_REL_PATH_MAX + 1] = 0;
	bad(dom0, XS_MKDIR, 0, longest, NULL, "EINVAL");
	longest[XENSTORE_REL_PATH_MAX] = 0;
	good(dom0, XS_MKDIR, 0, longest, NULL);
	ask_raw(dom0, XS_READ, 0, "/a", 2, &a);
	assert_int_equal(a.type, XS_ERROR);
}

static void relative_path_is_under_the_own_domain(void **state)
{
	node("/local/domain/1", "", "n1");
	good(g1, XS_WRITE, 0, "data/x", "1");
	reads(dom0, 0, "/local/domain/1/data/x", "1");
	bad(g2, XS_READ, 0, "/local/domain/1/data/x", NULL, "EACCES");
	bad(g2, XS_WRITE, 0, "data/x", "1", "EACCES");
}

static void guest_needs_permission_for_each_kind_of_access(void **state)
{
	node("/ro", "x", "n0");
	good(dom0, XS_SET_PERMS, 0, "/ro", "n0");
	ask_raw(dom0, XS_SET_PERMS, 0, "/ro\0n0\0r1\0", 10, &a);
	reads(g1, 0, "/ro", "x");
	bad(g1, XS_WRITE, 0, "/ro", "y", "EACCES");
	bad(g1, XS_RM, 0, "/ro", NULL, "EACCES");
	bad(g1, XS_SET_PERMS, 0, "/ro", "n1", "EACCES");
	bad(g2, XS_READ, 0, "/ro", NULL, "EACCES");
	ask_raw(dom0, XS_SET_PERMS, 0, "/ro\0n0\0w1\0", 10, &a);
	bad(g1, XS_READ, 0, "/ro", NULL, "EACCES");
	good(g1, XS_WRITE, 0, "/ro", "y");
}

static void guest_learns_nothing_of_absent_nodes_it_could_not_read(void **state)
{
	node("/secret", "", "n0");
	bad(g1, XS_READ, 0, "/secret/x", NULL, "EACCES");
	node("/open", "", "r0");
	bad(g1, XS_READ, 0, "/open/x", NULL, "ENOENT");
}

static void guest_owns_what_it_makes_and_cannot_give_it_away(void **state)
{
	node("/g", "", "b0");
	good(g1, XS_WRITE, 0, "/g/mine", "1");
	good(g1, XS_GET_PERMS, 0, "/g/mine", NULL);
	assert_string_equal(a.body, "b1");
	bad(g1, XS_SET_PERMS, 0, "/g/mine", "n2", "EPERM");
	good(g1, XS_SET_PERMS, 0, "/g/mine", "n1");
	bad(g2, XS_READ, 0, "/g/mine", NULL, "EACCES");
	assert_int_equal(dom_find(s, 1)->nodes, 1);
	good(dom0, XS_SET_PERMS, 0, "/g/mine", "n2");
	assert_int_equal(dom_find(s, 1)->nodes, 0);
	assert_int_equal(dom_find(s, 2)->nodes, 1);
}

static void domain_with_a_target_may_what_that_may(void **state)
{
	node("/t", "x", "n2");
	bad(g1, XS_READ, 0, "/t", NULL, "EACCES");
	good(dom0, XS_SET_TARGET, 0, "1", "2");
	reads(g1, 0, "/t", "x");
	bad(g1, XS_SET_TARGET, 0, "1", "0", "EACCES");
}

static void only_dom0_manages_domains(void **state)
{
	bad(g1, XS_CONTROL, 0, "check", NULL, "EACCES");
	bad(g1, XS_RELEASE, 0, "2", NULL, "EACCES");
	bad(g1, XS_RESUME, 0, "2", NULL, "EACCES");
	ask_raw(g1, XS_INTRODUCE, 0, "3\0001\0001", 6, &a);
	assert_string_equal(a.body, "EACCES");
	bad(g1, XS_IS_DOMAIN_INTRODUCED, 0, "2", NULL, "EACCES");
	good(dom0, XS_IS_DOMAIN_INTRODUCED, 0, "2", NULL);
	assert_string_equal(a.body, "T");
}

static void transaction_sees_its_own_changes_and_no_others(void **state)
{
	uint32_t t;

	good(dom0, XS_WRITE, 0, "/a", "1");
	t = begin(dom0);
	good(dom0, XS_WRITE, t, "/mine", "1");
	good(dom0, XS_WRITE, 0, "/other", "1");
	reads(dom0, t, "/mine", "1");
	bad(dom0, XS_READ, t, "/other", NULL, "ENOENT");
	bad(dom0, XS_READ, 0, "/mine", NULL, "ENOENT");
	bad(dom0, XS_TRANSACTION_END, t, "T", NULL, "EAGAIN");
	bad(dom0, XS_READ, 0, "/mine", NULL, "ENOENT");
}

static void committed_transaction_counts_at_once(void **state)
{
	uint32_t t = begin(dom0);

	watch(dom0, "/x", "w");
	good(dom0, XS_WRITE, t, "/x/a", "1");
	good(dom0, XS_WRITE, t, "/x/b", "2");
	good(dom0, XS_WRITE, t, "/x/b", "3");
	good(dom0, XS_MKDIR, t, "/x/c/d", NULL);
	good(dom0, XS_RM, t, "/x/a", NULL);
	hears_nothing(dom0);
	request(dom0, XS_TRANSACTION_END, t, "T", 2);
	hears(dom0, "/x/b", "w");
	hears(dom0, "/x/c/d", "w");
	assert_true(take(dom0, &a));
	assert_int_equal(a.type, XS_TRANSACTION_END);
	reads(dom0, 0, "/x/b", "3");
	bad(dom0, XS_READ, 0, "/x/a", NULL, "ENOENT");
	bad(dom0, XS_READ, t, "/x/b", NULL, "ENOENT");
}

static void transactions_on_different_children_do_not_conflict(void **state)
{
	uint32_t t, u;

	good(dom0, XS_MKDIR, 0, "/p", NULL);
	t = begin(dom0);
	u = begin(dom0);
	good(dom0, XS_WRITE, t, "/p/one", "1");
	good(dom0, XS_WRITE, u, "/p/two", "2");
	good(dom0, XS_TRANSACTION_END, t, "T", NULL);
	good(dom0, XS_TRANSACTION_END, u, "T", NULL);
	reads(dom0, 0, "/p/one", "1");
	reads(dom0, 0, "/p/two", "2");
}

static void transaction_that_listed_conflicts_with_a_new_child(void **state)
{
	uint32_t t;

	good(dom0, XS_MKDIR, 0, "/p", NULL);
	t = begin(dom0);
	good(dom0, XS_DIRECTORY, t, "/p", NULL);
	good(dom0, XS_WRITE, t, "/q", "1");
	good(dom0, XS_WRITE, 0, "/p/new", "1");
	bad(dom0, XS_TRANSACTION_END, t, "T", NULL, "EAGAIN");
}

static void aborted_transaction_leaves_nothing(void **state)
{
	uint32_t t = begin(dom0);

	good(dom0, XS_WRITE, t, "/a/b", "1");
	good(dom0, XS_TRANSACTION_END, t, "F", NULL);
	bad(dom0, XS_READ, 0, "/a", NULL, "ENOENT");
	bad(dom0, XS_TRANSACTION_END, t, "T", NULL, "ENOENT");
}

static void transactions_belong_to_their_connection(void **state)
{
	uint32_t t = begin(dom0);

	bad(g1, XS_READ, t, "/tool", NULL, "ENOENT");
	bad(dom0, XS_TRANSACTION_START, t, "", NULL, "EBUSY");
	bad(dom0, XS_TRANSACTION_END, t, "x", NULL, "EINVAL");
	good(dom0, XS_TRANSACTION_END, t, "T", NULL);
}

static void transaction_open_when_the_daemon_dies_ends_with_eagain(void **state)
{
	uint32_t t = begin(dom0);
	struct store *n;
	struct conn *c;

	good(dom0, XS_WRITE, t, "/a", "1");
	n = reborn(&base, s);
	assert_non_null(n);
	c = TAILQ_FIRST(&n->conns);
	drain(c);
	good(c, XS_WRITE, t, "/b", "1");
	/* /a is lost; who has made it must not hear that it isn't there, but at the end that all is to be done again. */
	good(c, XS_SET_PERMS, t, "/a", "n0");
	bad(c, XS_SET_PERMS, t, "/b", "x", "EINVAL");
	bad(c, XS_TRANSACTION_END, t, "T", NULL, "EAGAIN");
	bad(c, XS_READ, 0, "/b", NULL, "ENOENT");
	bad(c, XS_SET_PERMS, 0, "/a", "n0", "ENOENT");
	assert_int_not_equal(begin(c), t);
	store_free(n);
}

static void watch_hears_of_the_node_and_beneath(void **state)
{
	watch(dom0, "/a", "t");
	good(dom0, XS_WRITE, 0, "/ab", "1");
	hears_nothing(dom0);
	request(dom0, XS_WRITE, 0, "/a/b/c\0001", 8);
	hears(dom0, "/a/b/c", "t");
	take(dom0, &a);
	request(dom0, XS_SET_PERMS, 0, "/a\0r0", 6);
	hears(dom0, "/a", "t");
	take(dom0, &a);
	good(dom0, XS_UNWATCH, 0, "/a", "t");
	good(dom0, XS_WRITE, 0, "/a/b/c", "2");
	hears_nothing(dom0);
	bad(dom0, XS_UNWATCH, 0, "/a", "t", "ENOENT");
}

static void removal_is_told_to_watches_of_what_was_beneath(void **state)
{
	good(dom0, XS_WRITE, 0, "/a/b/c", "1");
	watch(dom0, "/a/b/c", "leaf");
	watch(dom0, "/a/b/none", "absent");
	watch(dom0, "/", "root");
	request(dom0, XS_RM, 0, "/a", 3);
	hears(dom0, "/a/b/c", "leaf");
	hears(dom0, "/a", "root");
	take(dom0, &a);
	assert_int_equal(a.type, XS_RM);
	hears_nothing(dom0);
}

static void same_watch_twice_is_refused(void **state)
{
	watch(dom0, "/a", "t");
	bad(dom0, XS_WATCH, 0, "/a", "t", "EEXIST");
	hears_nothing(dom0);
	watch(dom0, "/a", "u");
}

static void relative_watch_gets_relative_paths(void **state)
{
	node("/local/domain/1", "", "n1");
	watch(g1, "data", "t");
	good(dom0, XS_WRITE, 0, "/local/domain/1/data/x", "1");
	hears(g1, "data/x", "t");
	watch(g1, "/local/domain/1/data", "abs");
	good(dom0, XS_WRITE, 0, "/local/domain/1/data/x", "2");
	hears(g1, "data/x", "t");
	hears(g1, "/local/domain/1/data/x", "abs");
}

static void guest_hears_nothing_of_what_it_may_not_read(void **state)
{
	node("/hidden", "x", "n0");
	watch(g1, "/", "t");
	good(dom0, XS_WRITE, 0, "/hidden", "y");
	good(dom0, XS_WRITE, 0, "/hidden/child", "y");
	good(dom0, XS_RM, 0, "/hidden/child", NULL);
	hears_nothing(g1);
	good(dom0, XS_SET_PERMS, 0, "/hidden", "r0");
	hears(g1, "/hidden", "t");
	good(dom0, XS_SET_PERMS, 0, "/hidden", "n0");
	hears(g1, "/hidden", "t");
	good(dom0, XS_WRITE, 0, "/hidden", "z");
	hears_nothing(g1);
}

static void special_watches_tell_of_domains_to_who_may_know(void **state)
{
	watch(dom0, "@introduceDomain", "in");
	watch(dom0, "@releaseDomain", "out");
	watch(g1, "@releaseDomain", "guest");
	ask_raw(dom0, XS_INTRODUCE, 0, "5\0001\0001", 6, &a);
	assert_int_equal(a.type, XS_INTRODUCE);
	good(dom0, XS_RELEASE, 0, "5", NULL);
	hears_nothing(g1);
	request(dom0, XS_SET_PERMS, 0, "@releaseDomain\0n0\0r1", 20);
	drain(dom0);
	store_domain_ended(s, 2, false);
	hears(dom0, "@releaseDomain", "out");
	hears(g1, "@releaseDomain", "guest");
	store_domain_ended(s, 2, false);
	hears_nothing(g1);
	store_domain_ended(s, 2, true);
	hears(g1, "@releaseDomain", "guest");
	assert_null(dom_find(s, 2));
}

static void ended_domain_leaves_no_nodes(void **state)
{
	node("/local/domain/1", "", "n1");
	good(g1, XS_WRITE, 0, "data/a/b", "1");
	node("/dom0s", "", "b0");
	good(g1, XS_WRITE, 0, "/dom0s/guests", "1");
	good(dom0, XS_RELEASE, 0, "1", NULL);
	bad(dom0, XS_READ, 0, "/local/domain/1", NULL, "ENOENT");
	bad(dom0, XS_READ, 0, "/dom0s/guests", NULL, "ENOENT");
	reads(dom0, 0, "/dom0s", "");
}

static void introducing_again_starts_the_connection_anew(void **state)
{
	watch(g1, "/", "t");
	begin(g1);
	ask_raw(dom0, XS_INTRODUCE, 0, "1\0001\0003", 6, &a);
	assert_int_equal(a.type, XS_INTRODUCE);
	g1 = dom_find(s, 1)->conn;
	assert_true(TAILQ_EMPTY(&g1->watches));
	assert_true(TAILQ_EMPTY(&g1->txns));
	assert_int_equal(dom_find(s, 1)->watches, 0);
	assert_int_equal(dom_find(s, 1)->port, 3);
}

static void reset_watches_ends_watches_and_transactions(void **state)
{
	uint32_t t = begin(g1);

	watch(g1, "/", "t");
	good(g1, XS_RESET_WATCHES, 0, "", NULL);
	bad(g1, XS_TRANSACTION_END, t, "T", NULL, "ENOENT");
	good(dom0, XS_WRITE, 0, "/x", "1");
	hears_nothing(g1);
}

static void quota_of_nodes_holds_inside_and_outside_of_transactions(void **state)
{
	char path[32];
	uint32_t t;

	node("/g", "", "b0");
	limit(QUOTA_NODES, 10);
	for (int i = 0; i < 9; i++) {
		snprintf(path, sizeof(path), "/g/%d", i);
		good(g1, XS_MKDIR, 0, path, NULL);
	}
	bad(g1, XS_MKDIR, 0, "/g/a/b", NULL, "ENOSPC");
	assert_non_null(strstr(last_log, "domain 1: quota nodes (10) refuses"));
	t = begin(g1);
	good(g1, XS_MKDIR, t, "/g/x", NULL);
	bad(g1, XS_MKDIR, t, "/g/y", NULL, "ENOSPC");
	good(g1, XS_RM, t, "/g/0", NULL);
	good(g1, XS_MKDIR, t, "/g/y", NULL);
	good(g1, XS_TRANSACTION_END, t, "T", NULL);
	assert_int_equal(dom_find(s, 1)->nodes, 10);
	bad(g1, XS_MKDIR, 0, "/g/z", NULL, "ENOSPC");
	good(dom0, XS_MKDIR, 0, "/g/z", NULL);
	good(g2, XS_MKDIR, 0, "/g/z2", NULL);
}

static void each_quota_refuses_by_name(void **state)
{
	char value[3000] = "/g/v";

	node("/g", "", "b0");
	memset(value + 5, 'v', sizeof(value) - 5);
	ask_raw(g1, XS_WRITE, 0, value, sizeof(value), &a);
	assert_string_equal(a.body, "ENOSPC");
	assert_non_null(strstr(last_log, "node-size"));

	limit(QUOTA_WATCHES, 2);
	watch(g1, "/a", "1");
	watch(g1, "/a", "2");
	bad(g1, XS_WATCH, 0, "/a", "3", "E2BIG");
	assert_non_null(strstr(last_log, "watches"));

	limit(QUOTA_TRANSACTIONS, 1);
	begin(g1);
	bad(g1, XS_TRANSACTION_START, 0, "", NULL, "ENOSPC");
	assert_non_null(strstr(last_log, "transactions"));

	limit(QUOTA_TRANSACTION_NODES, 2);
	good(g1, XS_READ, 1, "/g", NULL);
	bad(g1, XS_READ, 1, "/g/a", NULL, "ENOENT");
	bad(g1, XS_READ, 1, "/g/b", NULL, "ENOSPC");
	assert_non_null(strstr(last_log, "transaction-nodes"));

	good(g1, XS_MKDIR, 0, "/g/p", NULL);
	ask_raw(g1, XS_SET_PERMS, 0, "/g/p\0n1\0n0\0n2\0n3\0n4\0n5", 23, &a);
	assert_string_equal(a.body, "ENOSPC");
	assert_non_null(strstr(last_log, "permissions"));

	limit(QUOTA_MEMORY, dom_find(s, 1)->memory);
	bad(g1, XS_WRITE, 0, "/g/q", "1", "ENOMEM");
	assert_non_null(strstr(last_log, "memory"));
}

static void failed_write_in_a_transaction_changes_nothing(void **state)
{
	uint32_t t;

	node("/g", "", "b0");
	limit(QUOTA_TRANSACTION_NODES, 3);
	t = begin(g1);
	bad(g1, XS_WRITE, t, "/g/1/2/3/4/5", "x", "ENOSPC");
	good(g1, XS_TRANSACTION_END, t, "T", NULL);
	bad(g1, XS_READ, 0, "/g/1", NULL, "ENOENT");
}

static void connection_that_does_not_read_is_not_served(void **state)
{
	node("/r", "x", "r0");
	assert_true(conn_may_run(g1));
	for (int i = 0; i < 20; i++) {
		assert_true(conn_may_run(g1));
		request(g1, XS_READ, 0, "/r", 3);
	}
	assert_false(conn_may_run(g1));
	take(g1, &a);
	assert_true(conn_may_run(g1));
}

static void events_for_a_guest_that_does_not_read_stay_bounded(void **state)
{
	char path[64];

	watch(g1, "/e", "t");
	node("/e", "", "r0");
	drain(g1);
	for (int i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "/e/%d", i % 700);
		good(dom0, XS_WRITE, 0, path, "1");
	}
	assert_true(g1->out_bytes < (66u << 10));
	assert_true(take(g1, &a));
	while (STAILQ_FIRST(&g1->out))
		take(g1, &a);
	assert_string_equal(a.body, "/e");
	good(dom0, XS_WRITE, 0, "/e/1", "1");
	hears(g1, "/e/1", "t");
}

static void equal_events_for_a_guest_are_folded(void **state)
{
	watch(g1, "/e", "t");
	node("/e", "", "r0");
	drain(g1);
	for (int i = 0; i < 10; i++)
		good(dom0, XS_WRITE, 0, "/e/x", "1");
	hears(g1, "/e/x", "t");
	hears_nothing(g1);
}

static void long_directory_comes_in_parts(void **state)
{
	char path[64], want[64], gen[32] = "";
	unsigned int seen = 0;
	size_t offset = 0;

	for (int i = 0; i < 700; i++) {
		snprintf(path, sizeof(path), "/long/child-%d", i);
		good(dom0, XS_MKDIR, 0, path, NULL);
	}
	bad(dom0, XS_DIRECTORY, 0, "/long", NULL, "E2BIG");
	for (;;) {
		size_t at;

		snprintf(path, sizeof(path), "%zu", offset);
		good(dom0, XS_DIRECTORY_PART, 0, "/long", path);
		at = strlen(a.body) + 1;
		if (!*gen)
			strcpy(gen, a.body);
		assert_string_equal(a.body, gen);
		while (at < a.len && a.body[at]) {
			snprintf(want, sizeof(want), "child-%u", seen++);
			assert_string_equal(a.body + at, want);
			offset += strlen(want) + 1;
			at += strlen(want) + 1;
		}
		if (at < a.len)
			break;
	}
	assert_int_equal(seen, 700);
}

static void read_only_connection_changes_nothing(void **state)
{
	struct conn *ro = conn_new(s, 5, 0, false, true);

	good(dom0, XS_WRITE, 0, "/a", "1");
	reads(ro, 0, "/a", "1");
	bad(ro, XS_WRITE, 0, "/a", "2", "EROFS");
	bad(ro, XS_RM, 0, "/a", NULL, "EROFS");
	bad(ro, XS_CONTROL, 0, "check", NULL, "EROFS");
}

static void unknown_types_are_refused(void **state)
{
	static const uint32_t types[] = { XS_WATCH_EVENT, XS_ERROR, 20, 23, 0xffff, 0xffffffff };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		ask_raw(dom0, types[i], 0, "", 0, &a);
		assert_int_equal(a.type, XS_ERROR);
		assert_string_equal(a.body, "ENOSYS");
	}
}

static void journal_cut_anywhere_is_refused_or_a_prefix(void **state)
{
	good(dom0, XS_WRITE, 0, "/a/b", "1");
	watch(dom0, "/a", "t");
	good(dom0, XS_RM, 0, "/a/b", NULL);
	drain(dom0);
	for (size_t len = 0; len < s->journal.len; len++) {
		struct store *n = store_new(NULL, NULL);
		uint8_t *part = xs_dup(s->journal.data, len);

		store_replay(n, part, len, NULL);
		free(part);
		store_free(n);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(written_value_is_read), T(write_makes_missing_parents), T(directory_keeps_the_order_of_creation),
		T(removed_subtree_is_gone), T(paths_that_make_no_sense_are_refused),
		T(relative_path_is_under_the_own_domain), T(guest_needs_permission_for_each_kind_of_access),
		T(guest_learns_nothing_of_absent_nodes_it_could_not_read),
		T(guest_owns_what_it_makes_and_cannot_give_it_away), T(domain_with_a_target_may_what_that_may),
		T(only_dom0_manages_domains), T(transaction_sees_its_own_changes_and_no_others),
		T(committed_transaction_counts_at_once), T(transactions_on_different_children_do_not_conflict),
		T(transaction_that_listed_conflicts_with_a_new_child), T(aborted_transaction_leaves_nothing),
		T(transactions_belong_to_their_connection),
		T(transaction_open_when_the_daemon_dies_ends_with_eagain), T(watch_hears_of_the_node_and_beneath),
		T(removal_is_told_to_watches_of_what_was_beneath), T(same_watch_twice_is_refused),
		T(relative_watch_gets_relative_paths), T(guest_hears_nothing_of_what_it_may_not_read),
		T(special_watches_tell_of_domains_to_who_may_know), T(ended_domain_leaves_no_nodes),
		T(introducing_again_starts_the_connection_anew), T(reset_watches_ends_watches_and_transactions),
		T(quota_of_nodes_holds_inside_and_outside_of_transactions), T(each_quota_refuses_by_name),
		T(failed_write_in_a_transaction_changes_nothing), T(connection_that_does_not_read_is_not_served),
		T(events_for_a_guest_that_does_not_read_stay_bounded), T(equal_events_for_a_guest_are_folded),
		T(long_directory_comes_in_parts), T(read_only_connection_changes_nothing), T(unknown_types_are_refused),
		T(journal_cut_anywhere_is_refused_or_a_prefix),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_free(&base);
	return failed;
}
