// SPDX-License-Identifier: MIT
/* Disks behind NBD, images among them: the keeper's half, between a device and ../nbd/disk.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../common/keeper.h"
#include "../nbd/disk.h"
#include "../nbd/queue.h"
#include "storage.h"

#define UIDS_BEHIND	10000u		/* workers' users come first */
#define DISCARD_BYTES	65536u		/* a cluster of most images */

static void changed(void *context);

static void say(void *context, const char *text)
{
	struct device *d = context;

	log_line("%s: %s", d->name, text);
}

static int begin(struct device *d, struct storage *s)
{
	char folder[256], empty[256], program[512], why[600];
	struct nbd_options o = {
		.format = s->format, .target = s->target, .readonly = s->readonly, .discard = s->discard,
		.wait_seconds = options.nbd_wait_s, .name = d->name, .folder = folder, .empty = empty, .program = program,
		.uid = options.first_uid + UIDS_BEHIND + 2 * d->slot, .changed = changed, .say = say, .context = d,
	};

	snprintf(folder, sizeof(folder), "%s/backendd/%s-%u-%u", options.run_dir, d->kind->name, d->domid, d->devid);
	snprintf(empty, sizeof(empty), "%s/backendd/empty", options.run_dir);
	snprintf(program, sizeof(program), "%s/blkback-nbd", options.worker_dir);
	s->own = nbd_disk_open(&o, why, sizeof(why));
	return s->own ? -EAGAIN : device_error(d, EIO, "%s", why);
}

static void take_facts(struct storage *s, const struct nbd_geometry *g)
{
	s->facts.kind = STORAGE_NBD;
	s->facts.sector_bytes = s->facts.physical_bytes = g->block;
	s->facts.bytes = g->bytes & ~(uint64_t)(g->block - 1);
	s->facts.discard_bytes = DISCARD_BYTES;
	s->facts.most_bytes = NBD_MOST;
	s->can_discard = !s->readonly && g->flags & NBD_CAN_DISCARD;
}

static int open_it(struct device *d, struct storage *s)
{
	struct nbd_geometry g;
	const char *why;

	if (!s->own)
		return begin(d, s);
	switch (nbd_disk_state(s->own, &g, &why)) {
	case NBD_SERVING:
		take_facts(s, &g);
		return s->facts.bytes ? 0 : device_error(d, EINVAL, "%s is shorter than one sector", s->target);
	case NBD_GONE:
		return device_error(d, EIO, "%s", why);
	default:
		return -EAGAIN;
	}
}

static int size(struct storage *s)
{
	struct nbd_geometry g;
	const char *why;

	if (nbd_disk_state(s->own, &g, &why) == NBD_SERVING)
		s->facts.bytes = g.bytes & ~(uint64_t)(s->facts.sector_bytes - 1);
	return 0;
}

static void changed(void *context)
{
	struct device *d = context;
	struct storage *s = d->own;
	struct nbd_geometry g;
	const char *why;

	if (!d->opened)
		device_look(d);
	else if (nbd_disk_state(s->own, &g, &why) == NBD_GONE)
		device_give_up(d, "%s", why);
	else
		disk_grown(d);
}

static int look(struct storage *s)
{
	return nbd_disk_look(s->own);
}

static void close_it(struct storage *s)
{
	if (s->own)
		nbd_disk_close(s->own);
	s->own = NULL;
}

static int connect_it(struct device *d, struct storage *s)
{
	int fds[NBD_WORKER_FDS];

	nbd_disk_descriptors(s->own, fds);
	s->buffer = mmap(NULL, STORAGE_BUFFER, PROT_READ | PROT_WRITE, MAP_SHARED, fds[NBD_WORKER_BUFFER], 0);
	if (s->buffer == MAP_FAILED) {
		s->buffer = NULL;
		return device_error(d, ENOMEM, "no memory for its buffer");
	}
	s->drain_fd = nbd_disk_drained_fd(s->own);
	return 0;
}

static void disconnect_it(struct storage *s)
{
	if (s->buffer)
		munmap(s->buffer, STORAGE_BUFFER);
	s->buffer = NULL;
}

static unsigned int descriptors(struct storage *s, int *fds)
{
	return nbd_disk_descriptors(s->own, fds);
}

static bool drained(struct storage *s)
{
	return !s->own || nbd_disk_drained(s->own);
}

static const char *const formats[] = { "nbd", "qcow2", "qcow", "vhd", "vmdk", "qed", NULL };

const struct storage_kind storage_nbd_kind = {
	.formats = formats, .open = open_it, .close = close_it, .connect = connect_it, .disconnect = disconnect_it,
	.descriptors = descriptors, .drained = drained, .size = size, .look = look,
};
