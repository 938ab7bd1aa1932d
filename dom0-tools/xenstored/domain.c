// SPDX-License-Identifier: MIT
/*
 * Domains: what is counted for each, which quota refuses what, and their coming and going. dom0 has no quotas.
 *
 * A refusal is logged by domain and by the quota's name: the 1st, 2nd, 4th, 8th ... of each, since a hostile guest can
 * provoke as many as it likes.
 */
#include <errno.h>
#include "store.h"

const struct quota_name quota_names[QUOTA_COUNT] = {
	[QUOTA_NODES] = { "nodes", "Nodes per domain", 1000 },
	[QUOTA_WATCHES] = { "watches", "Watches per domain", 128 },
	[QUOTA_TRANSACTIONS] = { "transactions", "Transactions per domain", 10 },
	[QUOTA_OUTSTANDING] = { "outstanding", "Outstanding requests per domain", 20 },
	[QUOTA_TRANSACTION_NODES] = { "transaction-nodes", "Max. number of accessed nodes per transaction", 1024 },
	[QUOTA_MEMORY] = { "memory", "Total Xenstore memory per domain (error level)", (2u << 20) + (1u << 19) },
	[QUOTA_NODE_SIZE] = { "node-size", "Max. size of a node", 2048 },
	[QUOTA_PATH_MAX] = { "path-max", "Max. length of a node path", XENSTORE_REL_PATH_MAX },
	[QUOTA_PERMISSIONS] = { "permissions", "Max. number of permissions per node", 5 },
};

static struct dom_bucket *bucket(struct store *s, uint32_t domid)
{
	return &s->doms[domid % DOM_BUCKETS];
}

struct dom *dom_find(struct store *s, uint32_t domid)
{
	struct dom *d;

	SLIST_FOREACH(d, bucket(s, domid), hash_next)
		if (d->domid == domid)
			return d;
	return NULL;
}

/* The counters of @domid, made if it has none. dom_put() when its numbers may have gone back to nothing. */
struct dom *dom_get(struct store *s, uint32_t domid)
{
	struct dom *d = dom_find(s, domid);

	if (!d) {
		d = xs_zalloc(sizeof(*d));
		d->domid = domid;
		SLIST_INSERT_HEAD(bucket(s, domid), d, hash_next);
	}
	return d;
}

void dom_put(struct store *s, struct dom *d)
{
	if (d->refs || d->nodes || d->introduced)
		return;
	SLIST_REMOVE(bucket(s, d->domid), d, dom, hash_next);
	free(d);
}

void dom_memory(struct store *s, struct dom *d, int64_t bytes)
{
	d->memory += bytes;
	if (!d->domid || !s->quota_memory_soft)
		return;
	if (d->memory > s->quota_memory_soft && !d->soft_warned) {
		d->soft_warned = true;
		store_log(s, "domain %u: soft quota memory (%u bytes) is exceeded", d->domid, s->quota_memory_soft);
	} else if (d->memory < s->quota_memory_soft / 2) {
		d->soft_warned = false;
	}
}

bool quota_refuses(struct conn *c, enum quota q, uint64_t have, uint64_t more, const char *what)
{
	struct store *s = c->store;
	uint64_t *n = &c->dom->refusals[q];

	if (conn_privileged(c) || !s->quota[q] || have + more <= s->quota[q])
		return false;
	(*n)++;
	if (!(*n & (*n - 1)))
		store_log(s, "domain %u: quota %s (%u) refuses %.200s (refusal %llu)", c->domid, quota_names[q].name,
			  s->quota[q], what, (unsigned long long)*n);
	return true;
}

static void fire_special(struct store *s, int number)
{
	static const char *const paths[SPECIAL_COUNT] = { "@introduceDomain", "@releaseDomain" };

	watches_fire(s, paths[number], s->special[number], s->special[number], NULL, true);
}

/* Everything of the connection's past is over: a domain that is introduced again starts fresh. */
static void drop_conn(struct store *s, struct dom *d)
{
	struct conn *c = d->conn;

	if (!c)
		return;
	d->conn = NULL;
	if (s->host && s->host->gone)
		s->host->gone(s->host_ctx, c);
	conn_free(c);
}

int store_introduce(struct store *s, uint32_t domid, uint64_t gfn, uint32_t port)
{
	struct dom *d = dom_get(s, domid);
	bool again = d->introduced;
	struct conn *c = NULL;
	int err = 0;

	drop_conn(s, d);
	d->introduced = true;
	d->gfn = gfn;
	d->port = port;
	if (s->host && s->host->introduce)
		err = s->host->introduce(s->host_ctx, domid, gfn, port, &c);
	if (err && !again) {
		d->introduced = false;
		dom_put(s, d);
		return err;
	}
	d->conn = c;
	journal_domain(s, d);
	if (!again && !err)
		fire_special(s, 0);
	return err;
}

int domain_introduce(struct conn *c, uint32_t domid, uint64_t gfn, uint32_t port)
{
	struct store *s = c->store;

	if (!conn_privileged(c))
		return EACCES;
	if (domid >= DOMID_FIRST_RESERVED)
		return EINVAL;
	/* The ring that this very request came over can't be pulled from under it. */
	if (domid == 0)
		return dom_find(s, 0) && dom_find(s, 0)->introduced ? 0 : EINVAL;
	return store_introduce(s, domid, gfn, port);
}

/* The domain is no more for the store; what it owned goes with it. */
void dom_forget(struct store *s, struct dom *d)
{
	d->refs++;
	drop_conn(s, d);
	d->introduced = d->shutdown = d->has_target = false;
	d->gfn = d->port = 0;
	memset(d->refusals, 0, sizeof(d->refusals));
	journal_domain_gone(s, d->domid);
	if (!s->keep_orphans)
		store_remove_owned(s, d->domid);
	d->refs--;
	dom_put(s, d);
}

int domain_release(struct conn *c, uint32_t domid)
{
	struct store *s = c->store;
	struct dom *d = dom_find(s, domid);

	if (!conn_privileged(c))
		return EACCES;
	if (!domid)
		return EINVAL;
	if (!d || !d->introduced)
		return ENOENT;
	if (c->dom == d)
		return EINVAL;
	dom_forget(s, d);
	fire_special(s, 1);
	return 0;
}

void store_domain_ended(struct store *s, uint32_t domid, bool gone)
{
	struct dom *d = dom_find(s, domid);

	if (!d || !d->introduced || (!gone && d->shutdown))
		return;
	if (gone) {
		dom_forget(s, d);
	} else {
		d->shutdown = true;
		journal_domain(s, d);
	}
	fire_special(s, 1);
}

int domain_resume(struct conn *c, uint32_t domid)
{
	struct dom *d = dom_find(c->store, domid);

	if (!conn_privileged(c))
		return EACCES;
	if (!domid)
		return EINVAL;
	if (!d || !d->introduced)
		return ENOENT;
	d->shutdown = false;
	journal_domain(c->store, d);
	return 0;
}

int domain_target(struct conn *c, uint32_t domid, uint32_t target)
{
	struct dom *d = dom_find(c->store, domid), *of = dom_find(c->store, target);

	if (!conn_privileged(c))
		return EACCES;
	if (!domid)
		return EINVAL;
	if (!d || !d->introduced || !of || !of->introduced)
		return ENOENT;
	d->has_target = true;
	d->target = target;
	journal_domain(c->store, d);
	return 0;
}
