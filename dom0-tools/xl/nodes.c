// SPDX-License-Identifier: MIT
/*
 * A domain's nodes in xenstore, as the toolstack of Xen 4.17 has them, so that programs of either toolstack find a guest
 * of the other:
 *
 *	/local/domain/N		the guest's own; it may read all and write a few
 *	/vm/UUID		facts that outlive a restart
 *	/libxl/N		the toolstack's; nobody else may read it
 *
 * A child inherits its parent's permissions, so few nodes need a request for them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "../domain-builder/build.h"
#include "../libxenstore/batch.h"
#include "guest.h"

#define DOMAINS_AT_ONCE	256

void uuid_format(char text[37], const uint8_t u[16])
{
	snprintf(text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3], u[4],
		 u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

int uuid_make(uint8_t uuid[16])
{
	if (getrandom(uuid, 16, 0) != 16)
		return say_error(EIO, "no random numbers for the UUID");
	uuid[6] = (uuid[6] & 0x0f) | 0x40;	/* RFC 4122: random */
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
	return 0;
}

static int say_store_error(const struct xs_batch *b, int err)
{
	return say_error(-err, "xenstored: %s%s%s", b->failed, b->failed[0] ? ": " : "", strerror(-err));
}

/* --- names --------------------------------------------------------------------------------- */

/* Names of @n domains, asked for in one piece. */
static int compare_names(struct host *h, const struct xen_domctl_getdomaininfo *list, int n, const char *name,
			 uint32_t *domid)
{
	char **names = calloc(n, sizeof(*names));
	struct xs_batch b = { 0 };
	int err = names ? 0 : -ENOMEM;

	for (int i = 0; i < n && !err; i++)
		batch_read(&b, &names[i], "/local/domain/%u/name", list[i].domain);
	if (!err) {
		err = batch_run(h->xs, &b);
		if (err)
			say_store_error(&b, err);
	}
	for (int i = 0; i < n && names; i++) {
		if (!err && names[i] && !strcmp(names[i], name)) {
			*domid = list[i].domain;
			err = -EEXIST;
		}
		free(names[i]);
	}
	free(names);
	batch_free(&b);
	return err;
}

int name_lookup(struct host *h, const char *name, uint32_t *domid)
{
	struct xen_domctl_getdomaininfo list[DOMAINS_AT_ONCE];
	uint32_t first = 0;
	int n, err = 0;

	do {
		n = xc_domain_list(h->x, first, list, DOMAINS_AT_ONCE);
		if (n < 0)
			return say_call_error(h, "looking for the name %s", name);
		if (n) {
			err = compare_names(h, list, n, name, domid);
			first = list[n - 1].domain + 1;
		}
	} while (!err && n == DOMAINS_AT_ONCE);
	return err;
}

/* --- making -------------------------------------------------------------------------------- */

struct making {
	const struct guest_config *c;
	uint32_t domid;
	char uuid[37];
};

/* Nodes that the guest owns: it answers by them. */
static const char *const own_nodes[] = {
	"control/shutdown", "control/feature-poweroff", "control/feature-reboot",
	"control/feature-suspend", "control/sysrq", "data", "drivers", "feature", "attr", "error",
};

static void fill_own(struct xs_batch *b, const struct making *m)
{
	for (size_t i = 0; i < sizeof(own_nodes) / sizeof(own_nodes[0]); i++) {
		batch_mkdir(b, "/local/domain/%u/%s", m->domid, own_nodes[i]);
		batch_perms(b, m->domid, -1, "/local/domain/%u/%s", m->domid, own_nodes[i]);
	}
	if (!m->c->suspend_evtchn_compat) {
		batch_mkdir(b, "/local/domain/%u/device/suspend/event-channel", m->domid);
		batch_perms(b, m->domid, -1, "/local/domain/%u/device/suspend/event-channel", m->domid);
	}
	if (m->c->driver_domain) {
		batch_mkdir(b, "/local/domain/%u/libxl", m->domid);
		batch_perms(b, m->domid, -1, "/local/domain/%u/libxl", m->domid);
		batch_mkdir(b, "/local/domain/%u/device-model", m->domid);
		batch_perms(b, m->domid, -1, "/local/domain/%u/device-model", m->domid);
	}
}

static void fill_vm(struct xs_batch *b, const struct making *m)
{
	const struct guest_config *c = m->c;
	struct timespec now;
	char text[40];

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(text, sizeof(text), "%lld.%02d", (long long)now.tv_sec, (int)(now.tv_nsec / 10000000));
	batch_remove(b, "/vm/%s", m->uuid);
	batch_mkdir(b, "/vm/%s", m->uuid);
	batch_perms(b, 0, m->domid, "/vm/%s", m->uuid);
	batch_write(b, c->name, "/vm/%s/name", m->uuid);
	batch_write(b, m->uuid, "/vm/%s/uuid", m->uuid);
	batch_write(b, "linux", "/vm/%s/image/ostype", m->uuid);
	if (c->kernel)
		batch_write(b, c->kernel, "/vm/%s/image/kernel", m->uuid);
	if (c->ramdisk)
		batch_write(b, c->ramdisk, "/vm/%s/image/ramdisk", m->uuid);
	if (c->cmdline)
		batch_write(b, c->cmdline, "/vm/%s/image/cmdline", m->uuid);
	batch_write(b, text, "/vm/%s/start_time", m->uuid);
}

static void fill_nodes(struct xs_batch *b, void *arg)
{
	const struct making *m = arg;
	uint32_t domid = m->domid;
	char text[64];

	batch_remove(b, "/local/domain/%u", domid);
	batch_remove(b, "/libxl/%u", domid);
	batch_mkdir(b, "/local/domain/%u", domid);
	batch_perms(b, 0, domid, "/local/domain/%u", domid);
	batch_mkdir(b, "/libxl/%u", domid);
	batch_perms(b, 0, -1, "/libxl/%u", domid);
	snprintf(text, sizeof(text), "/vm/%s", m->uuid);
	batch_write(b, text, "/local/domain/%u/vm", domid);
	batch_write(b, m->c->name, "/local/domain/%u/name", domid);
	for (unsigned int i = 0; i < m->c->maxvcpus; i++)
		batch_write(b, i < m->c->vcpus ? "online" : "offline", "/local/domain/%u/cpu/%u/availability", domid, i);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)m->c->maxmem);
	batch_write(b, text, "/local/domain/%u/memory/static-max", domid);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)m->c->memory);
	batch_write(b, text, "/local/domain/%u/memory/target", domid);
	batch_write(b, "0", "/local/domain/%u/memory/videoram", domid);
	batch_mkdir(b, "/local/domain/%u/device", domid);
	batch_write(b, "1", "/local/domain/%u/control/platform-feature-multiprocessor-suspend", domid);
	batch_write(b, "1", "/local/domain/%u/control/platform-feature-xs_reset_watches", domid);
	fill_own(b, m);
	snprintf(text, sizeof(text), "%u", domid);
	batch_write(b, text, "/local/domain/%u/domid", domid);
	batch_mkdir(b, "/libxl/%u/device", domid);
	batch_write(b, "pv", "/libxl/%u/type", domid);
	batch_write(b, "qemu_xen", "/libxl/%u/dm-version", domid);
	fill_vm(b, m);
}

int nodes_create(struct host *h, const struct guest_config *c, uint32_t domid)
{
	struct making m = { .c = c, .domid = domid };
	struct xs_batch b = { 0 };
	int err;

	uuid_format(m.uuid, c->uuid);
	err = batch_transaction(h->xs, &b, fill_nodes, &m);
	if (err)
		say_store_error(&b, err);
	batch_free(&b);
	return err;
}

/* --- store and console ----------------------------------------------------------------------- */

/* The console's two ends; a daemon serves it, so neither state changes. */
static void fill_console(struct xs_batch *b, const struct pv_guest *g)
{
	char front[64], back[64], domid[16], text[64];

	snprintf(domid, sizeof(domid), "%u", g->domid);
	snprintf(front, sizeof(front), "/local/domain/%u/console", g->domid);
	snprintf(back, sizeof(back), "/local/domain/0/backend/console/%u/0", g->domid);
	batch_mkdir(b, "%s", back);
	batch_perms(b, 0, g->domid, "%s", back);
	for (int libxl = 0; libxl < 2; libxl++) {
		char at[64];

		snprintf(at, sizeof(at), "/libxl/%u/device/console/0", g->domid);
		if (!libxl)
			strcpy(at, back);
		batch_write(b, front, "%s/frontend", at);
		batch_write(b, domid, "%s/frontend-id", at);
		batch_write(b, "1", "%s/online", at);
		batch_write(b, "1", "%s/state", at);
		batch_write(b, "vt100", "%s/protocol", at);
	}
	batch_write(b, back, "/libxl/%u/device/console/0/backend", g->domid);
	batch_write(b, back, "%s/backend", front);
	batch_write(b, "0", "%s/backend-id", front);
	batch_perms(b, g->domid, 0, "%s/backend-id", front);
	batch_write(b, "1048576", "%s/limit", front);
	batch_write(b, "xenconsoled", "%s/type", front);
	batch_write(b, "pty", "%s/output", front);
	batch_write(b, "", "%s/tty", front);
	snprintf(text, sizeof(text), "%u", g->console_port);
	batch_write(b, text, "%s/port", front);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)g->console_mfn);
	batch_write(b, text, "%s/ring-ref", front);
}

int nodes_connect(struct host *h, const struct pv_guest *g)
{
	struct xs_batch b = { 0 };
	char text[32];
	int err;

	snprintf(text, sizeof(text), "%u", g->store_port);
	batch_write(&b, text, "/local/domain/%u/store/port", g->domid);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)g->store_mfn);
	batch_write(&b, text, "/local/domain/%u/store/ring-ref", g->domid);
	fill_console(&b, g);
	batch_introduce(&b, g->domid, g->store_mfn, g->store_port);
	err = batch_run(h->xs, &b);
	if (err)
		say_store_error(&b, err);
	batch_free(&b);
	return err;
}

int nodes_remove(struct host *h, uint32_t domid, const uint8_t uuid[16])
{
	struct xs_batch b = { 0 };
	char text[37];
	int err;

	uuid_format(text, uuid);
	batch_remove(&b, "/local/domain/%u", domid);
	batch_remove(&b, "/vm/%s", text);
	batch_remove(&b, "/libxl/%u", domid);
	batch_remove(&b, "/local/domain/0/backend/console/%u", domid);
	err = batch_run(h->xs, &b);
	if (err)
		say_store_error(&b, err);
	batch_free(&b);
	return err;
}
