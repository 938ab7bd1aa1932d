// SPDX-License-Identifier: MIT
/*
 * xl devd, for driver domains: does there what the toolstack in dom0 does for its own backends. It watches the domain's
 * own `backend` folder; a device whose backend waits (InitWait) is given what is behind it, one that is closed and not
 * online any more is undone and its nodes removed. A device that fails says so in hotplug-error and hotplug-status.
 *
 * What was done is remembered here only: a devd that starts anew looks at hotplug-status and does nothing twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../libxenstore/batch.h"
#include "device.h"
#include "xl.h"

#define LOOK_MS 20

/* Disks whose loop device we hold until the backend has it. */
struct held {
	struct held *next;
	struct device d;
};

static struct held *all_held;

static char *node(struct host *h, const struct device *d, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", d->back, name);
	return xs_read(h->xs, XBT_NULL, path, NULL);
}

static void tell_failure(struct host *h, const struct device *d)
{
	struct xs_batch b = { 0 };

	batch_write(&b, "the driver domain could not set it up; see the messages of its xl devd", "%s/hotplug-error", d->back);
	batch_write(&b, "error", "%s/hotplug-status", d->back);
	batch_run(h->xs, &b);
	batch_free(&b);
}

/* A disk as its nodes say it. */
static int plug_disk(struct host *h, struct device *d)
{
	char *params = node(h, d, "params"), *mode = node(h, d, "mode"), *script = node(h, d, "script");
	struct disk_config disk = { .target = params, .vdev = "disk", .format = DISK_RAW, .readwrite = mode && *mode == 'w' };
	struct held *held;
	int err;

	if (script && strcmp(script, "/etc/xen/scripts/block")) {
		err = device_script(h, d, "add");
	} else {
		err = params ? disk_open(h, d, &disk) : -ENOENT;
		err = err ? err : disk_attach(h, d);
		d->disk = NULL;
		held = err ? NULL : malloc(sizeof(*held));
		if (held) {
			*held = (struct held){ all_held, *d };
			all_held = held;
		} else {
			disk_release(d);
		}
	}
	free(params);
	free(mode);
	free(script);
	return err;
}

static void look_at(struct host *h, struct device *d)
{
	char *state = node(h, d, "state"), *online = node(h, d, "online"), *status = node(h, d, "hotplug-status");

	/* A qdisk's backend has opened it by itself. */
	if (state && !strcmp(state, "2") && (!status || !*status) && d->backend != BACKEND_QDISK) {
		if (d->kind == DEVICE_VBD ? plug_disk(h, d) : device_script(h, d, "online"))
			tell_failure(h, d);
	} else if (state && !strcmp(state, "6") && online && !strcmp(online, "0")) {
		if (d->backend != BACKEND_QDISK)
			device_script(h, d, d->kind == DEVICE_VBD ? "remove" : "offline");
		xs_rm(h->xs, XBT_NULL, d->back);
	}
	free(state);
	free(online);
	free(status);
}

static void look_at_kind(struct host *h, uint32_t own, enum backend_kind kind)
{
	char path[96];
	unsigned int nr_domains = 0, nr;
	char **domains, **ids;

	snprintf(path, sizeof(path), "/local/domain/%u/backend/%s", own, backend_kinds[kind]);
	domains = xs_directory(h->xs, XBT_NULL, path, &nr_domains);
	for (unsigned int i = 0; domains && i < nr_domains; i++) {
		snprintf(path, sizeof(path), "/local/domain/%u/backend/%s/%s", own, backend_kinds[kind], domains[i]);
		nr = 0;
		ids = xs_directory(h->xs, XBT_NULL, path, &nr);
		for (unsigned int k = 0; ids && k < nr; k++) {
			struct device d;

			device_init(&d, kind == BACKEND_VBD || kind == BACKEND_QDISK ? DEVICE_VBD : DEVICE_VIF,
				    strtoul(domains[i], NULL, 10), own, strtoul(ids[k], NULL, 10));
			device_set_backend(&d, kind, own);
			look_at(h, &d);
		}
		free(ids);
	}
	free(domains);
}

/* True while some are left. */
static bool let_go(void)
{
	for (struct held **p = &all_held; *p;) {
		struct held *held = *p;

		if (!disk_taken(&held->d)) {
			p = &held->next;
			continue;
		}
		disk_release(&held->d);
		*p = held->next;
		free(held);
	}
	return all_held;
}

static void serve(struct host *h)
{
	uint32_t own = device_own_domain(h);
	struct pollfd fd = { .events = POLLIN };
	char **event;

	if (!xs_watch(h->xs, "backend", "backend"))
		xl_die("the own backends can't be watched: xenstored: %s", strerror(errno));
	fd.fd = xs_fileno(h->xs);
	for (;;) {
		poll(&fd, 1, let_go() ? LOOK_MS : -1);
		while ((event = xs_check_watch(h->xs)) != NULL)
			free(event);
		if (errno != EAGAIN)
			xl_die("the connection to xenstored is lost: %s", strerror(errno));
		for (int k = 0; k < BACKEND_KINDS; k++)
			look_at_kind(h, own, k);
	}
}

static void write_pid(const char *path)
{
	FILE *f = path ? fopen(path, "we") : NULL;

	if (path && (!f || fprintf(f, "%d\n", getpid()) < 0 || fclose(f)))
		xl_die("the pid file %s can't be written: %s", path, strerror(errno));
}

int verb_devd(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "pidfile", required_argument, NULL, 'p' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 }
	};
	const char *pid_file = NULL;
	struct host h = { 0 };
	bool foreground = false;
	int c;

	while ((c = xl_option(argc, argv, "Fp:", longs, 0)) != -1) {
		foreground |= c == 'F';
		if (c == 'p')
			pid_file = optarg;
	}
	if (!foreground && daemon(0, 1))
		xl_die("no process: %s", strerror(errno));
	write_pid(pid_file);
	h.xs = xl_xs();
	h.conf = xl_conf();
	serve(&h);
	return 1;
}
