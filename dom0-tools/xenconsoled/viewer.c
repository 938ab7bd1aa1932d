// SPDX-License-Identifier: MIT
/*
 * Viewers: each has a pseudo-terminal of its own, sees all output, and can type.
 *
 * A guest's first terminal is the one that the store's node `tty` names, and stays as long as the guest: programs that
 * know nothing of several viewers use it one after the other (Debian's xl console takes every change of `tty` for a new
 * console). Our xl console asks for a further one by emptying the node `viewer-tty`, and gets its name there; inotify
 * tells that it is opened. That this works is said by the node /tool/xenconsoled/viewers.
 *
 * 1. Nothing is written to a terminal that nobody has opened. Who opens one gets the backlog first.
 * 2. Only as much is read from a terminal as the guest's ring has room for; without room it is not waited for.
 * 3. A terminal counts as left when all was read from it (EIO). The first one is then emptied and waits for the next to
 *    open it; others are removed.
 * 4. Of further ones at most one waits to be opened, and there are VIEWERS_MAX terminals in all: beyond that an asker
 *    is answered when a place comes free.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <xenstore.h>
#include "console.h"

static struct viewer_list all = TAILQ_HEAD_INITIALIZER(all);
static struct source opens;

static void arm(struct viewer *v)
{
	struct guest *g = v->guest;
	uint32_t events = 0;

	if (v->present && g->page && ring_room(&g->ring))
		events |= EPOLLIN;
	if (v->present && g->backlog && v->pos < g->backlog->total)
		events |= EPOLLOUT;
	source_want(&v->source, events);
}

static void remove_viewer(struct viewer *v)
{
	source_want(&v->source, 0);
	inotify_rm_watch(opens.fd, v->watch);
	close(v->source.fd);
	v->source.fd = -1;
	TAILQ_REMOVE(&v->guest->viewers, v, next);
	TAILQ_REMOVE(&all, v, all);
	v->guest->viewer_count--;
	free_later(v);
}

static void write_some(struct viewer *v)
{
	uint8_t bytes[2048];
	uint64_t pos = v->pos;
	size_t n = backlog_read(v->guest->backlog, &pos, bytes, sizeof(bytes));
	ssize_t written = n ? write(v->source.fd, bytes, n) : 0;

	/* The start of what was read: some may have been passed over. */
	v->pos = pos - n + (written > 0 ? written : 0);
	arm(v);
}

/* False at the terminal's end. */
static bool read_some(struct viewer *v)
{
	struct guest *g = v->guest;
	uint8_t bytes[RING_IN_SIZE];
	size_t room = g->page ? ring_room(&g->ring) : 0;
	ssize_t n = room ? read(v->source.fd, bytes, room) : -1;

	if (n > 0) {
		ring_put(&g->ring, bytes, n);
		xen_notify(g->local);
	}
	return n > 0 || !room || errno == EAGAIN || errno == EINTR;
}

/*
 * Raw from the start, so that what is typed before a viewer has set its modes is not echoed to the guest's output; and
 * empty of what the last viewer has not read.
 */
static bool make_raw(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios modes;
	bool good = fd >= 0 && !fchmod(fd, 0600) && !tcgetattr(fd, &modes);

	if (good) {
		cfmakeraw(&modes);
		good = !tcsetattr(fd, TCSANOW, &modes) && !tcflush(fd, TCIFLUSH);
	}
	if (fd >= 0)
		close(fd);
	return good;
}

/* Makes the terminal ready to be opened, and waits for that. */
static bool await_viewer(struct viewer *v)
{
	if (!make_raw(v->path))
		return false;
	v->watch = inotify_add_watch(opens.fd, v->path, IN_OPEN);
	return v->watch >= 0;
}

static bool is_open(const struct viewer *v)
{
	struct pollfd now = { .fd = v->source.fd };

	return poll(&now, 1, 0) >= 0 && !(now.revents & POLLHUP);
}

static void opened(struct viewer *v)
{
	if (v->present)
		return;
	v->present = true;
	v->pos = v->guest->backlog ? backlog_start(v->guest->backlog) : 0;
	arm(v);
}

/* Somebody may have opened it between the emptying and the watch: then the other end is not hung up. */
static void left(struct viewer *v)
{
	struct guest *g = v->guest;

	if (!v->first) {
		remove_viewer(v);
		return;
	}
	source_want(&v->source, 0);
	v->present = false;
	inotify_rm_watch(opens.fd, v->watch);
	if (!await_viewer(v)) {
		say("domain %u: its console's terminal can't be used again: %m", g->domid);
		remove_viewer(v);
	} else if (is_open(v)) {
		opened(v);
	}
}

static void viewer_ready(struct source *s, uint32_t events)
{
	struct viewer *v = (struct viewer *)s;
	struct guest *g = v->guest;

	if (s->fd < 0)
		return;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !read_some(v)) {
		left(v);
		viewers_advertise(g);
		guest_try(g);
		return;
	}
	if (events & EPOLLHUP && g->backlog)
		v->pos = g->backlog->total;	/* nobody will read it: wait for room alone */
	if (events & EPOLLOUT && g->backlog) {
		write_some(v);
		guest_try(g);
	}
	viewers_input(g);
}

static void opens_ready(struct source *s, uint32_t events)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(s->fd, buffer, sizeof(buffer));

	for (char *p = buffer; n > 0 && p < buffer + n;) {
		struct inotify_event *e = (struct inotify_event *)p;
		struct viewer *v, *after;

		for (v = TAILQ_FIRST(&all); v; v = after) {
			after = TAILQ_NEXT(v, all);
			if (v->watch == e->wd && e->mask & IN_OPEN)
				opened(v);
		}
		p += sizeof(*e) + e->len;
	}
}

bool viewers_start(void)
{
	opens = (struct source){ .ready = opens_ready, .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC) };
	if (opens.fd < 0)
		return false;
	source_want(&opens, EPOLLIN);
	return true;
}

static struct viewer *new_terminal(struct guest *g)
{
	struct viewer *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->guest = g;
	v->source = (struct source){ .ready = viewer_ready, .fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC) };
	if (v->source.fd >= 0 && !grantpt(v->source.fd) && !unlockpt(v->source.fd) &&
	    !ptsname_r(v->source.fd, v->path, sizeof(v->path)) && await_viewer(v))
		return v;
	if (v->source.fd >= 0)
		close(v->source.fd);
	free(v);
	return NULL;
}

/*
 * Writes @path if the console's nodes are still there. In a transaction: a guest may be destroyed at this moment, and its
 * node would come back.
 */
static bool write_if_there(const struct guest *g, const char *full, const char *path)
{
	char ring[64];
	bool good;

	snprintf(ring, sizeof(ring), "/local/domain/%u/console/ring-ref", g->domid);
	do {
		xs_transaction_t t = xs_transaction_start(store);
		void *there = t == XBT_NULL ? NULL : xs_read(store, t, ring, NULL);

		if (t == XBT_NULL)
			return false;
		good = !there || xs_write(store, t, full, path, strlen(path));
		good = xs_transaction_end(store, t, !there || !good) && good;
		free(there);
	} while (!good && errno == EAGAIN);
	return good;
}

static void name_terminal(struct guest *g, const char *node, const char *path)
{
	char full[64];

	snprintf(full, sizeof(full), "/local/domain/%u/console/%s", g->domid, node);
	if (path ? !write_if_there(g, full, path) : !xs_rm(store, XBT_NULL, full) && errno != ENOENT)
		say("domain %u: %s can't be written: %m", g->domid, full);
}

static struct viewer *add_terminal(struct guest *g, const char *node)
{
	struct viewer *v = new_terminal(g);

	if (!v) {
		say("domain %u: no terminal can be made for its console: %m", g->domid);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&g->viewers, v, next);
	TAILQ_INSERT_TAIL(&all, v, all);
	g->viewer_count++;
	name_terminal(g, node, v->path);
	return v;
}

void viewers_advertise(struct guest *g)
{
	struct viewer *v;

	if (!g->page)
		return;
	if (TAILQ_EMPTY(&g->viewers)) {
		v = add_terminal(g, "tty");
		if (v)
			v->first = true;
	}
	if (!g->viewer_asked)
		return;
	TAILQ_FOREACH(v, &g->viewers, next)
		if (!v->first && !v->present)
			return;
	if (g->viewer_count < VIEWERS_MAX && add_terminal(g, "viewer-tty"))
		g->viewer_asked = false;
}

void viewers_asked(struct guest *g)
{
	struct viewer *v;

	/* What waits may have been opened, and inotify's word be still to come. */
	TAILQ_FOREACH(v, &g->viewers, next)
		if (!v->first && !v->present) {
			if (!is_open(v)) {
				name_terminal(g, "viewer-tty", v->path);
				return;
			}
			opened(v);
			break;
		}
	g->viewer_asked = true;
	viewers_advertise(g);
}

void viewers_forget_old(struct guest *g)
{
	name_terminal(g, "viewer-tty", NULL);
}

void viewers_output(struct guest *g)
{
	struct viewer *v;

	TAILQ_FOREACH(v, &g->viewers, next)
		if (v->present && !(v->source.events & EPOLLOUT))
			write_some(v);
}

void viewers_input(struct guest *g)
{
	struct viewer *v;

	TAILQ_FOREACH(v, &g->viewers, next)
		arm(v);
}

uint64_t viewers_behind(const struct guest *g)
{
	uint64_t behind = 0;
	struct viewer *v;

	TAILQ_FOREACH(v, &g->viewers, next)
		if (v->present && g->backlog->total - v->pos > behind)
			behind = g->backlog->total - v->pos;
	return behind;
}

void viewers_close(struct guest *g, bool only_unopened)
{
	struct viewer *v, *after;

	for (v = TAILQ_FIRST(&g->viewers); v; v = after) {
		after = TAILQ_NEXT(v, next);
		if (!only_unopened || !v->present)
			remove_viewer(v);
	}
}

bool viewers_watched(const struct guest *g)
{
	struct viewer *v;

	TAILQ_FOREACH(v, &g->viewers, next)
		if (v->present)
			return true;
	return false;
}
