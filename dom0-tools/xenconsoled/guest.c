// SPDX-License-Identifier: MIT
/*
 * A guest's console: what comes out of its ring goes into the backlog, and from there to the log and the viewers.
 *
 * A guest is served when its event channel rings, one ring's worth each time, and its port stays masked meanwhile; so
 * guests take turns as their events come out of /dev/xen/evtchn. One that has no tokens left (rate.h) is `waiting`: its
 * port stays masked until a tick finds tokens.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xenstore.h>
#include "console.h"

struct guest_list guests = TAILQ_HEAD_INITIALIZER(guests);
static struct guest_list ended = TAILQ_HEAD_INITIALIZER(ended);
static struct guest **by_port;
static uint32_t by_port_count;

/* --- the log ------------------------------------------------------------------------------- */

static void open_log(struct guest *g)
{
	char path[4096], *slash;

	if (!options.log_guests)
		return;
	if (g->name)
		snprintf(path, sizeof(path), "%s/guest-%.200s.log", options.log_dir, g->name);
	else
		snprintf(path, sizeof(path), "%s/guest-domain-%u.log", options.log_dir, g->domid);
	/* A name can't lead out of the folder. */
	for (slash = path + strlen(options.log_dir) + 1; (slash = strchr(slash, '/')) != NULL;)
		*slash = '_';
	logfile_open(&g->log, path, options.log_size, options.log_count, say_errno);
}

static void write_log(struct guest *g)
{
	struct log_style style = { options.stamp_guests ? stamp_text() : NULL, options.replace_escape };
	struct backlog *b = g->backlog;

	if (!g->log.path)
		backlog_log_done(b, b->total);
	while (b->logged < b->total) {
		uint8_t bytes[512];
		char text[LOG_TEXT_MAX(sizeof(bytes))];
		uint64_t pos = b->logged;
		bool line_open = backlog_line_open(b, pos);
		size_t count = backlog_read(b, &pos, bytes, sizeof(bytes));
		size_t len = log_text(text, bytes, count, &style, &line_open);

		logfile_prepare(&g->log, len, say_errno);
		backlog_log_begin(b, g->log.inode, g->log.size);
		logfile_write(&g->log, text, len, say_errno);
		backlog_log_done(b, pos);
	}
}

/* --- the backlog --------------------------------------------------------------------------- */

static void backlog_path(uint32_t domid, char *path, size_t size)
{
	snprintf(path, size, "%s/%u", options.run_dir, domid);
}

static uint32_t backlog_size(const struct guest *g)
{
	char node[64];
	char *text;
	uint32_t size = options.backlog;
	unsigned long limit;

	snprintf(node, sizeof(node), "/local/domain/%u/console/limit", g->domid);
	text = xs_read(store, XBT_NULL, node, NULL);
	limit = text ? strtoul(text, NULL, 10) : 0;
	free(text);
	while (limit && size > limit && size > RING_OUT_SIZE)
		size /= 2;
	return size;
}

/* Maps the guest's file: as it is if it can be gone on with, else a new one. Without a folder it is only memory. */
static bool map_backlog(struct guest *g, const struct backlog_owner *owner, bool *resume)
{
	char path[4096];
	struct stat st = { 0 };
	size_t bytes;
	void *p;
	int fd;

	backlog_path(g->domid, path, sizeof(path));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && !fstat(fd, &st) && st.st_size > BACKLOG_HEAD) {
		p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED && backlog_usable(p, st.st_size, owner)) {
			close(fd);
			g->backlog = p;
			g->backlog_bytes = st.st_size;
			g->backlog_in_file = *resume = true;
			return true;
		}
		if (p != MAP_FAILED)
			munmap(p, st.st_size);
	}
	bytes = BACKLOG_HEAD + backlog_size(g);
	/* Room is taken at once: a full /run must not end us at a later write. */
	if (fd >= 0 && (ftruncate(fd, 0) || posix_fallocate(fd, 0, bytes))) {
		say("%s has no room; the backlog of domain %u is lost if the daemon dies", path, g->domid);
		close(fd);
		fd = -1;
		unlink(path);
	}
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	g->backlog_in_file = fd >= 0;
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED)
		return false;
	g->backlog = p;
	g->backlog_bytes = bytes;
	*resume = false;
	return true;
}

static void unmap_backlog(struct guest *g)
{
	if (g->backlog)
		munmap(g->backlog, g->backlog_bytes);
	g->backlog = NULL;
}

void backlog_forget(uint32_t domid)
{
	char path[4096];

	backlog_path(domid, path, sizeof(path));
	unlink(path);
}

/* --- service ------------------------------------------------------------------------------- */

struct guest *guest_of_port(uint32_t local)
{
	return local < by_port_count ? by_port[local] : NULL;
}

static bool remember_port(struct guest *g)
{
	uint32_t local = g->local;

	if (local >= by_port_count) {
		struct guest **more = realloc(by_port, (local + 64) * sizeof(*more));

		if (!more)
			return false;
		memset(more + by_port_count, 0, (local + 64 - by_port_count) * sizeof(*more));
		by_port = more;
		by_port_count = local + 64;
	}
	by_port[local] = g;
	return true;
}

/* Takes up to @most bytes out of the ring. */
static void take_output(struct guest *g, size_t most)
{
	uint8_t bytes[RING_OUT_SIZE];
	size_t n = ring_peek(&g->ring, bytes, most);

	if (g->ring.nonsense && !g->told_nonsense) {
		say("domain %u: its console's indices make no sense; its output is not taken until they do", g->domid);
		g->told_nonsense = true;
	}
	rate_charge(&g->rate, n);
	if (!n)
		return;
	backlog_add(g->backlog, bytes, n);
	ring_taken(&g->ring, n);
	xen_notify(g->local);
	write_log(g);
	viewers_output(g);
}

void guest_try(struct guest *g)
{
	uint64_t behind;
	size_t most = RING_OUT_SIZE;

	if (!g->waiting || !g->page)
		return;
	if (!rate_allows(&g->rate, now_ns(), options.rate)) {
		tick_soon();
		return;
	}
	if (options.keep) {
		behind = viewers_behind(g);
		most = behind < g->backlog->size ? g->backlog->size - behind : 0;
		if (!most)
			return;
		if (most > RING_OUT_SIZE)
			most = RING_OUT_SIZE;
	}
	g->waiting = false;
	take_output(g, most);
	viewers_input(g);
	xen_unmask(g->local);
	/* With less than all taken no event may come again: the viewers' progress leads here. */
	if (most < RING_OUT_SIZE)
		g->waiting = true;
}

void guest_event(struct guest *g)
{
	g->waiting = true;
	guest_try(g);
}

/* --- life ---------------------------------------------------------------------------------- */

static char *read_node(uint32_t domid, const char *what)
{
	char node[64];

	snprintf(node, sizeof(node), "/local/domain/%u/%s", domid, what);
	return xs_read(store, XBT_NULL, node, NULL);
}

/* A number in decimal that is all of @text. */
static bool number(const char *text, uint64_t *value)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end;
}

struct guest *guest_new(uint32_t domid, const uint8_t uuid[16])
{
	struct guest *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->domid = domid;
	g->local = -1;
	g->log.fd = -1;
	memcpy(g->uuid, uuid, sizeof(g->uuid));
	TAILQ_INIT(&g->viewers);
	TAILQ_INSERT_TAIL(&guests, g, next);
	return g;
}

/* The backlog stays for viewers that still read. */
static void disconnect(struct guest *g)
{
	if (!g->page)
		return;
	xen_unbind(g->local);
	if ((uint32_t)g->local < by_port_count)
		by_port[g->local] = NULL;
	xen_unmap_console(g->page);
	g->page = NULL;
	g->local = -1;
	g->waiting = false;
	viewers_close(g, true);
	logfile_close(&g->log);
	backlog_forget(g->domid);
	if (!viewers_watched(g))
		unmap_backlog(g);
}

/* Goes on where a daemon before us stopped, or begins where the ring is. */
static void take_up(struct guest *g, const struct backlog_owner *owner, bool resume)
{
	if (resume && ring_resume(&g->ring, g->page, backlog_cons(g->backlog))) {
		if (backlog_log_broken(g->backlog))
			logfile_cut(&g->log, g->backlog->log_inode, g->backlog->log_size);
		write_log(g);
		return;
	}
	ring_attach(&g->ring, g->page);
	backlog_init(g->backlog, g->backlog_bytes - BACKLOG_HEAD, owner, g->ring.out_cons);
}

void guest_asked(struct guest *g, bool at_start)
{
	char *tty = g->page ? read_node(g->domid, "console/viewer-tty") : NULL;

	if (tty && !*tty)
		viewers_asked(g);
	else if (tty && at_start)
		viewers_forget_old(g);
	free(tty);
}

static void connect_guest(struct guest *g, uint32_t port, uint64_t frame)
{
	struct backlog_owner owner = { .domid = g->domid, .port = port, .frame = frame };
	bool resume;

	memcpy(owner.uuid, g->uuid, sizeof(owner.uuid));
	g->page = xen_map_console(g->domid, frame);
	if (!g->page) {
		say("domain %u: its console's page can't be mapped: %m", g->domid);
		return;
	}
	g->local = xen_bind(g->domid, port);
	if (g->local < 0) {
		say("domain %u: its console's event channel %u can't be bound: %s", g->domid, port, strerror(-g->local));
		goto unmap;
	}
	if (!remember_port(g) || !map_backlog(g, &owner, &resume)) {
		say("domain %u: no memory for its console", g->domid);
		goto unbind;
	}
	g->port = port;
	g->frame = frame;
	g->told_nonsense = false;
	rate_init(&g->rate, now_ns(), options.rate);
	open_log(g);
	take_up(g, &owner, resume);
	viewers_advertise(g);
	if (resume)
		guest_asked(g, true);
	if (options.verbose)
		say("domain %u (%s): console %s", g->domid, g->name ? g->name : "no name", resume ? "taken up again" : "is there");
	/* It may have waited for room. */
	xen_notify(g->local);
	guest_event(g);
	return;
unbind:
	xen_unbind(g->local);
	if ((uint32_t)g->local < by_port_count)
		by_port[g->local] = NULL;
unmap:
	xen_unmap_console(g->page);
	g->page = NULL;
	g->local = -1;
}

void guest_look(struct guest *g)
{
	char *port_text = read_node(g->domid, "console/port"), *frame_text = read_node(g->domid, "console/ring-ref");
	char *type = read_node(g->domid, "console/type");
	uint64_t port, frame;
	bool ours = !type || !*type || !strcmp(type, "xenconsoled");

	if (ours && number(port_text, &port) && number(frame_text, &frame) && port && port <= UINT32_MAX) {
		if (!g->name)
			guest_rename(g);
		if (g->page && (g->port != port || g->frame != frame)) {
			viewers_close(g, false);
			disconnect(g);
		}
		if (!g->page)
			connect_guest(g, port, frame);
	}
	free(port_text);
	free(frame_text);
	free(type);
}

void guest_rename(struct guest *g)
{
	char *name = read_node(g->domid, "name");

	if (!name || !*name || (g->name && !strcmp(g->name, name))) {
		free(name);
		return;
	}
	free(g->name);
	g->name = name;
	if (g->page && options.log_guests) {
		logfile_close(&g->log);
		open_log(g);
	}
}

void guest_end(struct guest *g)
{
	if (options.verbose)
		say("domain %u (%s): has ended", g->domid, g->name ? g->name : "no name");
	if (g->page)
		take_output(g, RING_OUT_SIZE);
	disconnect(g);
	TAILQ_REMOVE(&guests, g, next);
	TAILQ_INSERT_TAIL(&ended, g, next);
	g->hang_up_ns = now_ns() + (viewers_watched(g) ? LINGER_NS : 0);
	tick_soon();
}

void guests_tick(uint64_t now)
{
	struct guest *g, *after;

	TAILQ_FOREACH(g, &guests, next)
		if (g->waiting)
			guest_try(g);
	for (g = TAILQ_FIRST(&ended); g; g = after) {
		after = TAILQ_NEXT(g, next);
		if (viewers_watched(g) && now < g->hang_up_ns) {
			tick_soon();
			continue;
		}
		viewers_close(g, false);
		unmap_backlog(g);
		TAILQ_REMOVE(&ended, g, next);
		free(g->name);
		free_later(g);
	}
}

void guests_reopen_logs(void)
{
	struct guest *g;

	TAILQ_FOREACH(g, &guests, next)
		logfile_reopen(&g->log, say_errno);
}
