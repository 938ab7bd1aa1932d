// SPDX-License-Identifier: MIT
/*
 * Disks for the keeper: the kind "qdisk". Nodes of the backend, which libxl and our xl write: params = FORMAT:TARGET, mode,
 * device-type, removable, discard-enable. Nodes of both sides for the handshake: xen/io/blkif.h, docs of xl.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../common/keeper.h"
#include "journal.h"

#define QUEUES_MOST 4u		/* that we offer: one process serves them all, the guest's CPUs wait less for each other */

struct disk {
	struct storage storage;
	bool cdrom, removable, discard;
};

static const struct storage_kind *const storage_kinds[] = { &storage_uring_kind, &storage_nbd_kind, NULL };

static struct disk *disk_of(struct device *d)
{
	return d->own;
}

static bool node_is(struct device *d, const char *node, const char *value)
{
	char *text = device_back(d, node);
	bool is = text && !strcmp(text, value);

	free(text);
	return is;
}

/* --- opening ------------------------------------------------------------------------------------ */

static const struct storage_kind *kind_of(const char *format)
{
	for (const struct storage_kind *const *kind = storage_kinds; *kind; kind++)
		for (const char *const *f = (*kind)->formats; *f; f++)
			if (!strcmp(*f, format))
				return *kind;
	return NULL;
}

static void disk_close(struct device *d)
{
	struct disk *disk = disk_of(d);

	if (disk->storage.kind)
		disk->storage.kind->close(&disk->storage);
	free(disk->storage.target);
	memset(disk, 0, sizeof(*disk));
}

static int disk_open(struct device *d)
{
	struct disk *disk = disk_of(d);
	struct storage *s = &disk->storage;
	char *params, *colon;
	int err;

	/* It took a while. */
	if (s->kind) {
		err = s->kind->open(d, s);
		if (err && err != -EAGAIN)
			disk_close(d);
		return err;
	}
	params = device_back(d, "params");
	colon = params ? strchr(params, ':') : NULL;
	*s = (struct storage){ .backing = -1, .buffer_fd = -1, .ring_fd = -1, .drain_fd = -1 };
	s->readonly = !node_is(d, "mode", "w");
	disk->cdrom = node_is(d, "device-type", "cdrom");
	disk->removable = node_is(d, "removable", "1");
	disk->discard = s->discard = !node_is(d, "discard-enable", "0");
	/* A bare path is a raw file or device. */
	if (params && *params == '/')
		colon = NULL;
	if (colon)
		*colon = 0;
	s->kind = params ? kind_of(colon ? params : "raw") : NULL;
	snprintf(s->format, sizeof(s->format), "%s", colon ? params : "raw");
	s->target = params ? strdup(colon ? colon + 1 : params) : NULL;
	if (!params || (s->kind && !s->target))
		err = device_error(d, EINVAL, "its node params does not say what is behind it");
	else if (!s->kind)
		err = device_error(d, ENOTSUP, "the format %.32s can't be served; raw, qcow2, qcow, vhd, vmdk, qed and nbd can", params);
	else
		err = s->kind->open(d, s);
	if (err && err != -EAGAIN)
		disk_close(d);
	free(params);
	return err;
}

/* --- nodes ---------------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static void put(struct device *d, struct xs_batch *b, const char *node,
							const char *format, ...)
{
	char text[32];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	batch_write(b, text, "%s/%s", d->back, node);
}

static void put_size(struct device *d, struct xs_batch *b)
{
	const struct storage_shared *facts = &disk_of(d)->storage.facts;

	put(d, b, "sectors", "%llu", (unsigned long long)facts->bytes / BLKIF_UNIT_BYTES);
	put(d, b, "sector-size", "%u", facts->sector_bytes);
	put(d, b, "physical-sector-size", "%u", facts->physical_bytes);
}

static void disk_features(struct device *d, struct xs_batch *b)
{
	const struct disk *disk = disk_of(d);
	const struct storage *s = &disk->storage;

	put(d, b, "max-ring-page-order", "%u", BLK_RING_ORDER);
	put(d, b, "multi-queue-max-queues", "%u", QUEUES_MOST);
	put(d, b, "feature-max-indirect-segments", "%u", BLK_SEGMENTS);
	put(d, b, "feature-persistent", "1");
	put(d, b, "feature-flush-cache", "%d", !s->readonly);
	put(d, b, "feature-barrier", "%d", !s->readonly);
	put(d, b, "feature-discard", "%d", s->can_discard && disk->discard);
	if (s->can_discard && disk->discard) {
		put(d, b, "discard-granularity", "%u", s->facts.discard_bytes);
		put(d, b, "discard-alignment", "%u", s->facts.discard_alignment);
		put(d, b, "discard-secure", "0");
	}
	put(d, b, "info", "%d", (disk->cdrom ? VDISK_CDROM : 0) | (disk->removable ? VDISK_REMOVABLE : 0) |
	    (s->readonly ? VDISK_READONLY : 0));
	put_size(d, b);
}

int disk_grown(struct device *d)
{
	struct disk *disk = disk_of(d);
	uint64_t old = disk->storage.facts.bytes;
	struct message m = { .type = MESSAGE_CHANGED };
	struct xs_batch b = { 0 };
	struct blk_memory *memory;
	int err = disk->storage.kind->size(&disk->storage);

	if (err || old == disk->storage.facts.bytes)
		return err;
	log_line("%s: it has %llu bytes now, and had %llu", d->name, (unsigned long long)disk->storage.facts.bytes,
		 (unsigned long long)old);
	/* A frontend that has closed would take the nodes for a new beginning. */
	if (!d->serving || d->closing)
		return 0;
	/* The worker first: the guest uses the new size as soon as it reads it. */
	memory = device_memory_own(d);
	shared_store(&memory->storage.bytes, disk->storage.facts.bytes);
	worker_send(d, &m, MESSAGE_HEAD);
	device_ring(d);
	put_size(d, &b);
	err = device_announce(d, &b);
	batch_free(&b);
	return err;
}

static int disk_resize(struct device *d)
{
	struct storage *s = &disk_of(d)->storage;

	return s->kind->look ? s->kind->look(s) : disk_grown(d);
}

/* --- connecting ------------------------------------------------------------------------------------- */

/* What the frontend wrote, in a form that tells connections apart. */
struct frontend {
	uint32_t queues, pages;
	uint64_t ports[BLK_QUEUES];
	uint64_t refs[BLK_QUEUES][BLK_RING_PAGES];
	bool persistent;
};

static int read_queue(struct device *d, struct frontend *f, uint32_t q, bool single_page)
{
	char folder[24] = "";

	if (f->queues > 1)
		snprintf(folder, sizeof(folder), "queue-%u/", q);
	if (!device_front_number(d, &f->ports[q], UINT32_MAX, "%sevent-channel", folder))
		return device_error(d, EINVAL, "its frontend names no event channel for queue %u", q);
	for (uint32_t p = 0; p < f->pages; p++)
		if (single_page ? !device_front_number(d, &f->refs[q][p], UINT32_MAX, "%sring-ref", folder) :
				  !device_front_number(d, &f->refs[q][p], UINT32_MAX, "%sring-ref%u", folder, p))
			return device_error(d, EINVAL, "its frontend names no ring page %u for queue %u", p, q);
	return 0;
}

static int read_frontend(struct device *d, struct frontend *f)
{
	char *protocol = device_front(d, "protocol");
	uint64_t queues = 1, order = 0, persistent = 0;
	bool known = !protocol || !strcmp(protocol, "x86_64-abi");
	int err = 0;

	memset(f, 0, sizeof(*f));
	if (!known)
		err = device_error(d, EINVAL, "its frontend speaks the protocol %.32s; x86_64-abi is served", protocol);
	free(protocol);
	if (err)
		return err;
	if (device_front_number(d, &queues, UINT64_MAX, "multi-queue-num-queues") && (!queues || queues > BLK_QUEUES))
		return device_error(d, EINVAL, "its frontend wants %llu queues", (unsigned long long)queues);
	bool single_page = !device_front_number(d, &order, UINT64_MAX, "ring-page-order");
	if (order > BLK_RING_ORDER)
		return device_error(d, EINVAL, "its frontend wants a ring of 2^%llu pages", (unsigned long long)order);
	device_front_number(d, &persistent, 1, "feature-persistent");
	f->persistent = persistent;
	f->queues = queues;
	f->pages = 1u << order;
	for (uint32_t q = 0; q < f->queues && !err; q++)
		err = read_queue(d, f, q, single_page);
	return err;
}

static int name_connection(struct device *d, const struct frontend *f, char *text, size_t size)
{
	size_t n = snprintf(text, size, "persistent %d", f->persistent);

	for (uint32_t q = 0; q < f->queues; q++) {
		n += snprintf(text + n, n < size ? size - n : 0, ", port %llu pages", (unsigned long long)f->ports[q]);
		for (uint32_t p = 0; p < f->pages && n < size; p++)
			n += snprintf(text + n, size - n, " %llu", (unsigned long long)f->refs[q][p]);
		if (n >= size)
			return device_error(d, EINVAL, "its frontend has too many rings");
	}
	return 0;
}

static void disk_disconnect(struct device *d)
{
	struct storage *s = &disk_of(d)->storage;

	if (s->kind)
		s->kind->disconnect(s);
	d->own_fd = -1;
}

static int disk_connect(struct device *d)
{
	struct disk *disk = disk_of(d);
	struct storage *s = &disk->storage;
	struct blk_memory *m;
	struct frontend f;
	char text[2048];
	int err = read_frontend(d, &f);

	err = err ? err : name_connection(d, &f, text, sizeof(text));
	if (!err)
		err = device_memory(d, text, sizeof(*m));
	if (err < 0)
		return err;
	m = device_memory_own(d);
	m->queues = f.queues;
	m->persistent = f.persistent;
	m->readonly = s->readonly;
	m->discard = s->can_discard && disk->discard;
	for (uint32_t q = 0; q < f.queues; q++) {
		int port = device_bind(d, f.ports[q]);

		if (port < 0)
			return port;
		m->queue[q].port = port;
		m->queue[q].pages = f.pages;
		for (uint32_t p = 0; p < f.pages; p++)
			m->queue[q].refs[p] = f.refs[q][p];
	}
	err = s->kind->size(s);
	err = err ? err : s->kind->connect(d, s);
	d->own_fd = s->drain_fd;
	m->storage = s->facts;
	return err;
}

static unsigned int disk_descriptors(struct device *d, int *fds)
{
	struct storage *s = &disk_of(d)->storage;

	return s->kind->descriptors(s, fds);
}

static bool disk_drained(struct device *d)
{
	struct storage *s = &disk_of(d)->storage;

	return !s->kind || s->kind->drained(s);
}

static void *disk_buffer(struct device *d, size_t *bytes)
{
	*bytes = STORAGE_BUFFER;
	return disk_of(d)->storage.buffer;
}

const struct backend_kind qdisk_kind = {
	.name = "qdisk", .worker = "blkback", .own_size = sizeof(struct disk), .layout = BLK_LAYOUT,
	.open = disk_open, .features = disk_features, .connect = disk_connect, .descriptors = disk_descriptors,
	.ready = put_size, .drained = disk_drained, .disconnect = disk_disconnect, .close = disk_close,
	.lingers = true, .resize = disk_resize, .buffer = disk_buffer,
};
