// SPDX-License-Identifier: MIT
/*
 * The devices, and their states. keeper.h has the diagram; here is who takes its edges:
 *
 *	1 -> 2	prepare()	4 -> 5	the frontend has gone to 5, or device_give_up()
 *	2 -> 4	device_ready()	4, 5 -> 6	finish(), once all is answered, the worker is dead and its I/O has ended
 *
 * Invariants:
 * 1. A device that is `connected` has its memory, event channels and grants, and a worker (or one is being started).
 * 2. `failed` is for good: such a device only closes. It goes with its nodes.
 * 3. What the store says is read anew at each look, and what is done does not depend on how often one looks.
 *
 * After a new start of the keeper a device at 4 or 5 whose frontend is connected is taken over (`resuming`): opened and
 * connected again without a word to the frontend, which only sees that its requests take longer.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "keeper.h"

struct device_list devices = LIST_HEAD_INITIALIZER(devices);

/* --- nodes ------------------------------------------------------------------------------------ */

char *device_back(struct device *d, const char *node)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", d->back, node);
	return xs_read(store, XBT_NULL, path, NULL);
}

char *device_front(struct device *d, const char *format, ...)
{
	char path[320];
	int n = snprintf(path, sizeof(path), "%s/", d->front);
	va_list ap;

	va_start(ap, format);
	vsnprintf(path + n, sizeof(path) - n, format, ap);
	va_end(ap);
	return xs_read(store, XBT_NULL, path, NULL);
}

bool device_front_number(struct device *d, uint64_t *value, uint64_t most, const char *format, ...)
{
	char node[96], *text, *end;
	va_list ap;
	bool good;

	va_start(ap, format);
	vsnprintf(node, sizeof(node), format, ap);
	va_end(ap);
	text = device_front(d, "%s", node);
	if (!text)
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	good = end != text && !*end && *text != '-' && !errno && *value <= most;
	free(text);
	return good;
}

static void write_error(struct device *d, const char *text)
{
	char path[160];

	log_line("%s: %s", d->name, text);
	snprintf(path, sizeof(path), "/local/domain/%u/error/backend/%s/%u/%u/error", own_domid, d->kind->name, d->domid,
		 d->devid);
	xs_write(store, XBT_NULL, path, text, strlen(text));
}

int device_error(struct device *d, int err, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	write_error(d, text);
	return -err;
}

static void put_state(struct device *d, struct xs_batch *b, enum xenbus_state state)
{
	char text[4];

	snprintf(text, sizeof(text), "%d", state);
	batch_write(b, text, "%s/state", d->back);
}

/* All that was put, in one transaction, so that no frontend sees half of it. */
struct announcement {
	struct device *d;
	void (*put)(struct device *d, struct xs_batch *b);
	enum xenbus_state state;
};

static void put_announcement(struct xs_batch *b, void *arg)
{
	struct announcement *a = arg;

	if (a->put)
		a->put(a->d, b);
	put_state(a->d, b, a->state);
}

static int announce(struct device *d, enum xenbus_state state, void (*put)(struct device *d, struct xs_batch *b))
{
	struct announcement a = { d, put, state };
	struct xs_batch b = { 0 };
	int err = batch_transaction(store, &b, put_announcement, &a);

	if (err)
		log_line("%s: its nodes can't be written: %s: %s", d->name, b.failed, strerror(-err));
	batch_free(&b);
	return err;
}

static void set_state(struct device *d, enum xenbus_state state)
{
	struct xs_batch b = { 0 };

	put_state(d, &b, state);
	if (batch_run(store, &b))
		log_line("%s: state %d can't be written: %s", d->name, state, strerror(b.error));
	batch_free(&b);
}

int device_announce(struct device *d, struct xs_batch *b)
{
	int err;

	put_state(d, b, XenbusStateConnected);
	err = batch_run(store, b);
	if (err)
		log_line("%s: its nodes can't be written: %s: %s", d->name, b->failed, strerror(-err));
	return err;
}

/* --- the way up --------------------------------------------------------------------------------- */

static void fail(struct device *d, enum xenbus_state state)
{
	d->failed = true;
	set_state(d, state);
}

static bool prepare(struct device *d)
{
	int err;

	if (d->opened)
		return true;
	err = d->kind->open(d);
	d->opening = err == -EAGAIN;
	if (err) {
		if (!d->opening)
			fail(d, XenbusStateClosed);
		return false;
	}
	return d->opened = true;
}

/* Everything of the connection goes; the worker is dead, and so is its I/O. */
static void finish(struct device *d)
{
	events_remove(d->drain_source);
	d->drain_source = NULL;
	d->draining = false;
	d->kind->disconnect(d);
	device_memory_end(d);
	d->connected = d->serving = d->closing = d->answered = false;
}

static void drain_event(void *context, uint32_t events)
{
	struct device *d = context;

	if (d->kind->drained(d)) {
		finish(d);
		device_look(d);
	}
}

/* True if it is done at once. */
static bool disconnect(struct device *d)
{
	if (d->draining)
		return false;
	worker_stop(d);
	if (d->kind->drained && !d->kind->drained(d)) {
		d->drain_source = events_add(d->own_fd, EPOLLIN, drain_event, d);
		d->draining = d->drain_source != NULL;
	}
	if (d->draining)
		return false;
	finish(d);
	return true;
}

static void tell_closing(struct device *d)
{
	struct message m = { .type = MESSAGE_CLOSING };

	worker_send(d, &m, MESSAGE_HEAD);
	device_ring(d);
}

/*
 * Linux's blkfront says Closed while requests are in its ring, and more behind its queues, and takes the disk away only when
 * all of them have been answered: with the worker they would be gone, and whoever removes the disk would wait for ever.
 * True when the worker can be ended.
 */
static bool all_answered(struct device *d)
{
	if (!d->kind->lingers || (!d->serving && !d->resuming) || d->failed || d->draining)
		return true;
	if (!d->closing) {
		d->closing = true;
		tell_closing(d);
	}
	return d->answered;
}

static void connect(struct device *d)
{
	int err = d->kind->connect(d);

	if (err == -EAGAIN)
		return;
	d->connected = d->memory != NULL;
	if (!err)
		err = worker_start(d);
	if (!err)
		return;
	/* A frontend that is connected hears of it by Closing. */
	fail(d, XenbusStateClosing);
	if (d->connected)
		disconnect(d);
}

void device_ready(struct device *d)
{
	/* A successor, or one that a new keeper started, and the frontend closed meanwhile. */
	if (d->closing)
		tell_closing(d);
	if (d->serving)
		return;
	d->serving = true;
	if (!d->resuming)
		announce(d, XenbusStateConnected, d->kind->ready);
	d->resuming = false;
}

void device_answered(struct device *d)
{
	d->answered = d->closing;
	/* Of one that has ended these are the last words, and worker_ended() goes on from there. */
	if (d->answered && d->pid > 0)
		device_look(d);
}

void device_give_up(struct device *d, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	write_error(d, text);
	fail(d, XenbusStateClosing);
	worker_stop(d);
}

/* --- looking ------------------------------------------------------------------------------------- */

static void device_close(struct device *d)
{
	if (d->opened || d->opening)
		d->kind->close(d);
	d->opened = d->opening = false;
}

static void device_free(struct device *d)
{
	xs_unwatch(store, d->front, d->name);
	device_forget_predecessor(d);
	device_close(d);
	if (d->kind->left)
		d->kind->left(d->domid, d->devid);
	LIST_REMOVE(d, next);
	free(d->own);
	free(d);
}

static int number(const char *text)
{
	return text ? atoi(text) : 0;
}

static void step(struct device *d, int back, int front, bool online)
{
	bool there = front == XenbusStateConnected || front == XenbusStateClosing || front == XenbusStateInitialised;
	bool fresh = back == XenbusStateInitialising || back == XenbusStateInitWait ||
		     (back == XenbusStateClosed && online && front == XenbusStateInitialising);
	bool resume = (back == XenbusStateConnected || back == XenbusStateClosing) && there && !d->looked_at;
	/* Only a toolstack writes 1: these nodes are another device's, and that the old ones went was not seen. */
	bool other = back == XenbusStateInitialising && (d->failed || d->opened || d->connected);

	/* Once it has been seen to close there is no way back, however soon the frontend comes again. */
	bool leaves = d->connected && (!there || other || d->closing);

	if (leaves && front == XenbusStateClosed && !other && !all_answered(d))
		return;
	if (leaves && !disconnect(d))
		return;
	if (other) {
		device_close(d);
		d->failed = false;
	}
	if (d->connected) {
		if (front == XenbusStateClosing && back != XenbusStateClosing)
			set_state(d, XenbusStateClosing);
		return;
	}
	if (!d->failed && (fresh || resume)) {
		if (!prepare(d))
			return;
		if (fresh && back != XenbusStateInitWait)
			announce(d, XenbusStateInitWait, d->kind->features);
		d->resuming = resume;
		if (there && (resume || front != XenbusStateClosing))
			connect(d);
		return;
	}
	if (back != XenbusStateClosed && (!d->failed || !there))
		set_state(d, XenbusStateClosed);
	device_close(d);
}

void device_look(struct device *d)
{
	struct xs_batch b = { 0 };
	char *back, *front, *online;

	batch_read(&b, &back, "%s/state", d->back);
	batch_read(&b, &online, "%s/online", d->back);
	batch_read(&b, &front, "%s/state", d->front);
	if (batch_run(store, &b)) {
		log_line("%s: its nodes can't be read: %s", d->name, strerror(b.error));
		batch_free(&b);
		return;
	}
	batch_free(&b);
	if (!d->draining && back) {
		step(d, number(back), number(front), number(online));
		d->looked_at = !d->predecessor_source && !d->opening;
		if (d->kind->changed && d->opened)
			d->kind->changed(d);
	} else if (!d->draining && (!d->connected || disconnect(d))) {
		device_free(d);
	}
	free(back);
	free(front);
	free(online);
}

/* --- which there are -------------------------------------------------------------------------------- */

struct device *device_find(const char *kind, uint32_t domid, uint32_t devid)
{
	struct device *d;

	LIST_FOREACH(d, &devices, next)
		if (d->domid == domid && d->devid == devid && !strcmp(d->kind->name, kind))
			return d;
	return NULL;
}

struct device *device_of_pid(pid_t pid)
{
	struct device *d;

	LIST_FOREACH(d, &devices, next)
		if (d->pid == pid)
			return d;
	return NULL;
}

static unsigned int free_slot(void)
{
	unsigned int slot = 0;
	struct device *d;

	for (bool taken = true; taken; slot += taken) {
		taken = false;
		LIST_FOREACH(d, &devices, next)
			taken |= d->slot == slot;
	}
	return slot;
}

/* NULL if the nodes are not all there, or there is no memory. */
static struct device *device_new(const struct backend_kind *kind, uint32_t domid, uint32_t devid)
{
	struct device *d = calloc(1, sizeof(*d));
	char *front;

	if (!d)
		return NULL;
	d->kind = kind;
	d->domid = domid;
	d->devid = devid;
	d->own_fd = d->memory_fd = d->events_fd = d->grants_fd = d->control = d->upgrade_client = d->predecessor = -1;
	snprintf(d->name, sizeof(d->name), "%s %u/%u", kind->name, domid, devid);
	snprintf(d->back, sizeof(d->back), "/local/domain/%u/backend/%s/%u/%u", own_domid, kind->name, domid, devid);
	front = device_back(d, "frontend");
	d->own = calloc(1, kind->own_size);
	if (!front || strlen(front) >= sizeof(d->front) || !d->own) {
		free(front);
		free(d->own);
		free(d);
		return NULL;
	}
	strcpy(d->front, front);
	free(front);
	d->slot = free_slot();
	LIST_INSERT_HEAD(&devices, d, next);
	/* Its first event comes at once, and is the first look. */
	if (!xs_watch(store, d->front, d->name))
		log_line("%s: its frontend can't be watched: %s", d->name, strerror(errno));
	return d;
}

/* The devices of a kind that are in the store and that we don't know yet. */
static void look_for_new(const struct backend_kind *kind)
{
	char path[128];
	unsigned int nr_domains = 0, nr;
	char **domains, **ids;

	snprintf(path, sizeof(path), "/local/domain/%u/backend/%s", own_domid, kind->name);
	domains = xs_directory(store, XBT_NULL, path, &nr_domains);
	for (unsigned int i = 0; domains && i < nr_domains; i++) {
		snprintf(path, sizeof(path), "/local/domain/%u/backend/%s/%.12s", own_domid, kind->name, domains[i]);
		ids = xs_directory(store, XBT_NULL, path, &nr);
		for (unsigned int k = 0; ids && k < nr; k++)
			if (!device_find(kind->name, strtoul(domains[i], NULL, 10), strtoul(ids[k], NULL, 10)))
				device_new(kind, strtoul(domains[i], NULL, 10), strtoul(ids[k], NULL, 10));
		free(ids);
	}
	free(domains);
}

static void back_event(const char *path)
{
	char kind_name[16];
	uint32_t domid, devid;
	struct device *d, *next;
	int n = sscanf(path, "/local/domain/%*u/backend/%15[a-z]/%u/%u", kind_name, &domid, &devid);

	d = n == 3 ? device_find(kind_name, domid, devid) : NULL;
	if (d) {
		device_look(d);
		return;
	}
	for (const struct backend_kind *const *kind = backend_kinds; *kind; kind++)
		look_for_new(*kind);
	/* A whole branch may be gone. */
	if (n < 3)
		for (d = LIST_FIRST(&devices); d; d = next) {
			next = LIST_NEXT(d, next);
			device_look(d);
		}
}

void devices_watch_event(void)
{
	char **event;

	while ((event = xs_check_watch(store)) != NULL) {
		char kind[16];
		uint32_t domid, devid;

		if (!strcmp(event[XS_WATCH_TOKEN], "back")) {
			back_event(event[XS_WATCH_PATH]);
		} else if (sscanf(event[XS_WATCH_TOKEN], "%15s %u/%u", kind, &domid, &devid) == 3) {
			struct device *d = device_find(kind, domid, devid);

			if (d)
				device_look(d);
		}
		free(event);
	}
}

int devices_start(void)
{
	char path[64];

	for (const struct backend_kind *const *kind = backend_kinds; *kind; kind++) {
		snprintf(path, sizeof(path), "/local/domain/%u/backend/%s", own_domid, (*kind)->name);
		if (!xs_watch(store, path, "back"))
			return -errno;
	}
	return 0;
}

