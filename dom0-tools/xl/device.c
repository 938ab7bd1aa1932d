// SPDX-License-Identifier: MIT
/*
 * Devices of guests, of either kind. A device has three places in the store:
 *
 *	/local/domain/N/device/KIND/ID			the guest's side, which the guest owns
 *	/local/domain/B/backend/KIND/N/ID		the backend's, in domain B
 *	/libxl/N/device/KIND/ID				the toolstack's copy, which it believes
 *
 * Adding: all nodes of all devices in one transaction, both states Initialising (1); a backend goes to InitWait (2);
 * then what stands behind the device is made (device_disk.c, a script), and the backend is told of it. The guest's
 * driver does the rest when it runs.
 *
 * Removing: online = 0 and the backend's state Closing (5); guest and backend close; at Closed (6) the script undoes
 * what it did, and the nodes go. A domain that is destroyed is not waited for: its side goes first, which makes a
 * backend close by itself.
 *
 * States: xen/io/xenbus.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../libxenstore/batch.h"
#include "device.h"
#include "xl.h"

const char *const device_kinds[] = { "vbd", "vif" };
const char *const backend_kinds[] = { "vbd", "vif", "qdisk", "netback" };

void device_set_backend(struct device *d, enum backend_kind backend, uint32_t backend_domid)
{
	d->backend = backend;
	d->backend_domid = backend_domid;
	snprintf(d->back, sizeof(d->back), "/local/domain/%u/backend/%s/%u/%u", backend_domid, backend_kinds[backend],
		 d->domid, d->devid);
}

void device_init(struct device *d, enum device_kind kind, uint32_t domid, uint32_t backend_domid, unsigned int devid)
{
	const char *word = device_kinds[kind];

	*d = (struct device){ .kind = kind, .domid = domid, .devid = devid, .backing = -1, .keep_open = -1 };
	device_set_backend(d, kind == DEVICE_VBD ? BACKEND_VBD : BACKEND_VIF, backend_domid);
	snprintf(d->front, sizeof(d->front), "/local/domain/%u/device/%s/%u", domid, word, devid);
	snprintf(d->libxl, sizeof(d->libxl), "/libxl/%u/device/%s/%u", domid, word, devid);
	snprintf(d->name, sizeof(d->name), kind == DEVICE_VBD ? "disk %u" : "network interface %u", devid);
}

bool device_is_ours(const struct device *d)
{
	return d->backend == BACKEND_QDISK || d->backend == BACKEND_NETBACK;
}

static char *read_node(struct host *h, const char *folder, const char *node)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, node);
	return xs_read(h->xs, XBT_NULL, path, NULL);
}

/* What the backend, its script or the guest's driver said of it; malloc()ed, NULL if nothing. */
static char *words_of(struct host *h, const struct device *d)
{
	char path[200];
	char *words = read_node(h, d->back, "hotplug-error");

	if (!words) {
		snprintf(path, sizeof(path), "/local/domain/%u/error/backend/%s/%u/%u", d->backend_domid,
			 backend_kinds[d->backend], d->domid, d->devid);
		words = read_node(h, path, "error");
	}
	if (!words) {
		snprintf(path, sizeof(path), "/local/domain/%u/error/device/%s/%u", d->domid, device_kinds[d->kind], d->devid);
		words = read_node(h, path, "error");
	}
	return words;
}

int device_error(struct host *h, const struct device *d, int err, const char *format, ...)
{
	char *words = words_of(h, d), text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	/* A guest may have written them. */
	if (words)
		say_error(err, "%s: %s; the backend says: %.200s", d->name, text, printable(words));
	else
		say_error(err, "%s: %s", d->name, text);
	free(words);
	return -err;
}

uint32_t device_own_domain(struct host *h)
{
	static bool known;
	static uint32_t domid;
	char *text;

	if (known)
		return domid;
	text = xs_read(h->xs, XBT_NULL, "domid", NULL);
	domid = text ? strtoul(text, NULL, 10) : 0;
	known = true;
	free(text);
	return domid;
}

int device_backend(struct host *h, const char *word, uint32_t *domid)
{
	*domid = 0;
	if (!word || !strcmp(word, "0") || !strcmp(word, "Domain-0"))
		return 0;
	return xl_find_domain(word, domid) ? 0 : -ENOENT;
}

/* --- adding ------------------------------------------------------------------------------- */

struct adding {
	struct device *devices;
	unsigned int nr;
	bool written;		/* or begun to be */
	bool udev;		/* its rules run scripts, not we */
};

/* Nodes that both kinds have. */
static void common_nodes(struct xs_batch *b, const struct device *d)
{
	const char *const back_and_copy[] = { d->back, d->libxl };
	char text[16];

	batch_remove(b, "%s", d->front);
	batch_mkdir(b, "%s", d->front);
	batch_perms(b, d->domid, d->backend_domid, "%s", d->front);
	batch_write(b, d->back, "%s/backend", d->front);
	snprintf(text, sizeof(text), "%u", d->backend_domid);
	batch_write(b, text, "%s/backend-id", d->front);
	batch_write(b, "1", "%s/state", d->front);
	batch_remove(b, "%s", d->back);
	batch_mkdir(b, "%s", d->back);
	batch_perms(b, d->backend_domid, d->domid, "%s", d->back);
	batch_remove(b, "%s", d->libxl);
	batch_mkdir(b, "%s", d->libxl);
	batch_write(b, d->back, "%s/backend", d->libxl);
	snprintf(text, sizeof(text), "%u", d->domid);
	for (int i = 0; i < 2; i++) {
		batch_write(b, d->front, "%s/frontend", back_and_copy[i]);
		batch_write(b, text, "%s/frontend-id", back_and_copy[i]);
		batch_write(b, "1", "%s/online", back_and_copy[i]);
		batch_write(b, "1", "%s/state", back_and_copy[i]);
	}
}

static void fill_nodes(struct xs_batch *b, void *arg)
{
	struct adding *a = arg;

	/* For udev's rules: whether scripts are their business. */
	if (a->udev)
		batch_remove(b, "/libxl/disable_udev");
	else
		batch_write(b, "1", "/libxl/disable_udev");
	for (unsigned int i = 0; i < a->nr; i++) {
		common_nodes(b, &a->devices[i]);
		if (a->devices[i].kind == DEVICE_VBD)
			disk_nodes(b, &a->devices[i]);
		else
			nic_nodes(b, &a->devices[i]);
	}
}

static int write_nodes(struct host *h, struct adding *a)
{
	struct xs_batch b = { 0 };
	int err = batch_transaction(h->xs, &b, fill_nodes, a);

	if (err)
		say_error(-err, "the devices' nodes: xenstored: %s%s%s", b.failed, b.failed[0] ? ": " : "", strerror(-err));
	batch_free(&b);
	return err;
}

/* The first number above those of the interfaces that the domain has. */
static unsigned int free_vif(struct host *h, uint32_t domid)
{
	unsigned int nr, next = 0;
	struct device *list = devices_list(h, domid, DEVICE_VIF, &nr);

	for (unsigned int i = 0; i < nr; i++)
		if (list[i].devid >= next)
			next = list[i].devid + 1;
	free(list);
	return next;
}

int devices_check(struct host *h, const struct disk_config *disks, unsigned int nr_disks, const struct vif_config *vifs,
		  unsigned int nr_vifs)
{
	struct device d;
	int err = 0;

	for (unsigned int i = 0; i < nr_disks && !err; i++) {
		err = disk_prepare(h, &d, &disks[i], DOMID_FIRST_RESERVED);
		disk_release(&d);
	}
	for (unsigned int i = 0; i < nr_vifs && !err; i++) {
		struct vif_config copy = vifs[i];

		err = nic_prepare(h, &d, &copy, DOMID_FIRST_RESERVED, i);
	}
	return err;
}

/* Two xl may attach to the same domain at once: numbers are looked at and taken under the lock. */
static int take_numbers(struct host *h, uint32_t domid, struct adding *a, struct disk_config *disks, unsigned int nr_disks,
			struct vif_config *vifs, unsigned int nr_vifs)
{
	int held = devices_lock(), err = held < 0 ? held : 0;
	unsigned int next_vif = nr_vifs && !err ? free_vif(h, domid) : 0;

	for (unsigned int i = 0; i < nr_disks && !err; i++)
		err = disk_prepare(h, &a->devices[a->nr++], &disks[i], domid);
	for (unsigned int i = 0; i < nr_vifs && !err; i++) {
		err = nic_prepare(h, &a->devices[a->nr++], &vifs[i], domid, next_vif);
		if (vifs[i].devid >= (int)next_vif)
			next_vif = vifs[i].devid + 1;
	}
	for (unsigned int i = 0; i < a->nr && !err; i++) {
		char *there = read_node(h, a->devices[i].libxl, "backend");

		if (there)
			err = say_error(EEXIST, "%s: domain %u has it already", a->devices[i].name, domid);
		free(there);
	}
	a->written = !err;
	err = err ? err : write_nodes(h, a);
	unlock(held);
	return err;
}

int devices_add(struct host *h, uint32_t domid, struct disk_config *disks, unsigned int nr_disks,
		struct vif_config *vifs, unsigned int nr_vifs, bool *written)
{
	struct adding a = {
		.devices = calloc(nr_disks + nr_vifs, sizeof(*a.devices)),
		.udev = h->conf && !h->conf->run_hotplug_scripts,
	};
	int err;

	if (written)
		*written = false;
	if (!nr_disks && !nr_vifs) {
		free(a.devices);
		return 0;
	}
	if (!a.devices)
		return say_error(ENOMEM, "no memory for devices");
	err = take_numbers(h, domid, &a, disks, nr_disks, vifs, nr_vifs);
	if (written)
		*written = a.written;
	err = err ? err : devices_wait_ready(h, a.devices, a.nr);
	for (unsigned int i = 0; i < a.nr; i++)
		disk_release(&a.devices[i]);
	free(a.devices);
	return err;
}

/* --- listing ------------------------------------------------------------------------------ */

bool device_find(struct host *h, struct device *d, enum device_kind kind, uint32_t domid, unsigned int devid)
{
	unsigned int backend_domid = 0;
	char *back, word[16];

	device_init(d, kind, domid, 0, devid);
	back = read_node(h, d->libxl, "backend");
	if (back && sscanf(back, "/local/domain/%u/backend/%15[a-z]/", &backend_domid, word) == 2)
		for (int k = 0; k < BACKEND_KINDS; k++)
			if (!strcmp(word, backend_kinds[k]))
				device_set_backend(d, k, backend_domid);
	free(back);
	return back != NULL;
}

/* Adds the devices of one kind that the toolstack's copy has. */
static struct device *list_kind(struct host *h, uint32_t domid, enum device_kind kind, struct device *list,
				unsigned int *nr)
{
	char path[80];
	unsigned int count = 0;
	char **ids;

	snprintf(path, sizeof(path), "/libxl/%u/device/%s", domid, device_kinds[kind]);
	ids = xs_directory(h->xs, XBT_NULL, path, &count);
	for (unsigned int i = 0; ids && i < count; i++) {
		struct device *more = realloc(list, (*nr + 1) * sizeof(*list));

		if (!more)
			break;
		list = more;
		/* Without a backend it is listed all the same: it is there to be removed. */
		device_find(h, &list[(*nr)++], kind, domid, strtoul(ids[i], NULL, 10));
	}
	free(ids);
	return list;
}

struct device *devices_list(struct host *h, uint32_t domid, enum device_kind kind, unsigned int *nr)
{
	struct device *list = NULL;

	*nr = 0;
	for (int k = 0; k < DEVICE_KINDS; k++)
		if (kind == DEVICE_KINDS || kind == (enum device_kind)k)
			list = list_kind(h, domid, k, list, nr);
	return list;
}

/* --- removing ----------------------------------------------------------------------------- */

int devices_close(struct host *h, const struct device *devices, unsigned int nr, bool force)
{
	struct xs_batch b = { 0 };
	int err;

	for (unsigned int i = 0; i < nr; i++) {
		char *state = read_node(h, devices[i].back, "state");

		if (state) {
			batch_write(&b, "0", "%s/online", devices[i].back);
			if (strcmp(state, "6"))
				batch_write(&b, "5", "%s/state", devices[i].back);
		}
		if (force)
			batch_remove(&b, "%s", devices[i].front);
		free(state);
	}
	err = batch_run(h->xs, &b);
	if (err)
		say_error(-err, "closing devices: xenstored: %s: %s", b.failed, strerror(-err));
	batch_free(&b);
	return err;
}

static void remove_if_empty(struct host *h, struct xs_batch *b, const char *folder)
{
	unsigned int count = 1;
	char **names = xs_directory(h->xs, XBT_NULL, folder, &count);

	free(names);
	if (names && !count)
		batch_remove(b, "%s", folder);
}

int devices_forget(struct host *h, const struct device *devices, unsigned int nr)
{
	struct xs_batch b = { 0 };
	int err;

	for (unsigned int i = 0; i < nr; i++) {
		const struct device *d = &devices[i];

		batch_remove(&b, "%s", d->front);
		batch_remove(&b, "%s", d->back);
		batch_remove(&b, "%s", d->libxl);
		batch_remove(&b, "/local/domain/%u/error/backend/%s/%u/%u", d->backend_domid, backend_kinds[d->backend],
			     d->domid, d->devid);
	}
	err = batch_run(h->xs, &b);
	for (unsigned int i = 0; i < nr; i++) {
		char folder[80];

		snprintf(folder, sizeof(folder), "/local/domain/%u/backend/%s/%u", devices[i].backend_domid,
			 backend_kinds[devices[i].backend], devices[i].domid);
		remove_if_empty(h, &b, folder);
	}
	err = err ? err : batch_run(h->xs, &b);
	if (err)
		say_error(-err, "removing devices: xenstored: %s: %s", b.failed, strerror(-err));
	batch_free(&b);
	return err;
}

int devices_remove(struct host *h, uint32_t domid)
{
	unsigned int nr;
	struct device *list = devices_list(h, domid, DEVICE_KINDS, &nr);
	int err = 0, last;

	if (nr) {
		err = devices_close(h, list, nr, true);
		last = devices_wait_closed(h, list, nr, false);
		err = err ? err : last;
		for (unsigned int i = 0; i < nr; i++)
			device_script(h, &list[i], list[i].kind == DEVICE_VBD ? "remove" : "offline");
		last = devices_forget(h, list, nr);
		err = err ? err : last;
	}
	free(list);
	return err;
}
