// SPDX-License-Identifier: MIT
/*
 * Which guests there are. xenstored tells when a domain comes (@introduceDomain) or goes (@releaseDomain), not which;
 * the hypervisor's list says which. New numbers are mostly above all others, so after an introduction only the list's
 * end is looked at first. Each guest's `console` and `name` nodes are watched.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <xenstore.h>
#include <xen/xen.h>
#include "console.h"

#define LIST_MAX 128

struct xs_handle *store;
static struct source store_source;
static struct guest *by_domid[DOMID_FIRST_RESERVED];
static uint32_t highest, scans;

/* "C5" is the watch on the nodes of domain 5's console, "N5" that on its name. */
static void watch_nodes(uint32_t domid, bool on)
{
	static const struct {
		char letter;
		const char *node;
	} watched[] = { { 'C', "console" }, { 'N', "name" } };
	char path[64], token[16];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/local/domain/%u/%s", domid, watched[i].node);
		snprintf(token, sizeof(token), "%c%u", watched[i].letter, domid);
		if (on && !xs_watch(store, path, token))
			say("domain %u: %s can't be watched: %m", domid, path);
		if (!on)
			xs_unwatch(store, path, token);
	}
}

static void domain_gone(uint32_t domid)
{
	watch_nodes(domid, false);
	guest_end(by_domid[domid]);
	by_domid[domid] = NULL;
}

static void domain_seen(const struct xen_domain *d)
{
	struct guest *g;

	if (!d->domid || d->domid >= DOMID_FIRST_RESERVED)
		return;
	g = by_domid[d->domid];
	/* The same number and another UUID is another domain. */
	if (g && (d->dying || memcmp(g->uuid, d->uuid, sizeof(g->uuid)))) {
		domain_gone(d->domid);
		g = NULL;
	}
	if (d->dying)
		return;
	if (!g) {
		g = by_domid[d->domid] = guest_new(d->domid, d->uuid);
		if (!g)
			return;
		if (d->domid > highest)
			highest = d->domid;
		watch_nodes(d->domid, true);
	}
	g->scan = scans;
}

/* Sees all domains from number @first on. Returns how many there were; -errno if the hypervisor does not say. */
static int see_domains(uint32_t first)
{
	struct xen_domain list[LIST_MAX];
	int n, sum = 0;

	do {
		n = xen_domains(first, list, LIST_MAX);
		if (n < 0)
			return n;
		for (int i = 0; i < n; i++)
			domain_seen(&list[i]);
		sum += n;
		first = n ? list[n - 1].domid + 1 : first;
	} while (n == LIST_MAX);
	return sum;
}

static void scan(void)
{
	struct guest *g, *after;
	int n;

	scans++;
	n = see_domains(0);
	if (n < 0) {
		say("the hypervisor does not list its domains: %s", strerror(-n));
		return;
	}
	for (g = TAILQ_FIRST(&guests); g; g = after) {
		after = TAILQ_NEXT(g, next);
		if (g->scan != scans)
			domain_gone(g->domid);
	}
}

static void console_changed(const char *path, struct guest *g)
{
	const char *node = strrchr(path, '/');

	if (node && (!strcmp(node, "/console") || !strcmp(node, "/port") || !strcmp(node, "/ring-ref") ||
		     !strcmp(node, "/type")))
		guest_look(g);
	else if (node && !strcmp(node, "/viewer-tty"))
		guest_asked(g, false);
}

static void store_event(const char *path, const char *token)
{
	unsigned long domid = *token ? strtoul(token + 1, NULL, 10) : 0;
	struct guest *g = domid < DOMID_FIRST_RESERVED ? by_domid[domid] : NULL;

	if (!strcmp(token, "release"))
		scan();
	else if (!strcmp(token, "introduce") && see_domains(highest + 1) <= 0)
		scan();
	else if (*token == 'C' && g)
		console_changed(path, g);
	else if (*token == 'N' && g)
		guest_rename(g);
}

static void store_ready(struct source *s, uint32_t events)
{
	char **event;

	errno = 0;
	while ((event = xs_check_watch(store)) != NULL) {
		store_event(event[XS_WATCH_PATH], event[XS_WATCH_TOKEN]);
		free(event);
		errno = 0;
	}
	if (errno == EAGAIN)
		return;
	/* All that must outlive us is in the rings and in run_dir: who started us starts us again. */
	say("the connection to xenstored is lost (%m): ending; a new xenconsoled goes on from here");
	exit(1);
}

bool domains_start(void)
{
	store = xs_open(0);
	if (!store) {
		say("xenstored can't be reached: %m; is it running?");
		return false;
	}
	if (!xs_watch(store, "@introduceDomain", "introduce") || !xs_watch(store, "@releaseDomain", "release")) {
		say("xenstored does not tell of domains: %m");
		return false;
	}
	if (!xs_write(store, XBT_NULL, "/tool/xenconsoled/viewers", "1", 1))
		say("/tool/xenconsoled/viewers can't be written (%m): xl console will not ask for terminals");
	store_source = (struct source){ .ready = store_ready, .fd = xs_fileno(store) };
	source_want(&store_source, EPOLLIN);
	scan();
	return true;
}
