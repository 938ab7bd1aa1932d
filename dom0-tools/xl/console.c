// SPDX-License-Identifier: MIT
/*
 * A viewer of a console: a terminal that the console daemon has made, whose name is in the store, and ours.
 *
 * 1. The terminal is ours alone (flock), so that its output is not divided between two. The node `tty` names a guest's
 *    first terminal, which is left to others where the daemon is ours: that names a further one in `viewer-tty` to who
 *    empties that node.
 * 2. When the terminal hangs up, the one that the store names may be of the same dead daemon, and its number somebody
 *    else's by now. Without a word of the store since then only one is opened that none but root may open, as our
 *    daemon makes them and a login does not. The domain's end is told from the daemon's by its folder in the store.
 * 3. Our terminal's modes are put back on every way out.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <xenstore.h>
#include "console.h"

#define ESCAPE		0x1d	/* Ctrl-] */
#define PATIENCE_MS	5000	/* before who waits is told for what */
#define LOG_FOLDER	"/var/log/xen/console"

struct console {
	struct xs_handle *store;
	uint32_t domid;
	char home[64], node[96];
	char further[96];	/* "": the daemon can't be asked for one */
	int tty;		/* -1: none yet, or hung up */
	int ready;
	bool told;
	char type_ahead[256];	/* typed while there was no terminal */
	size_t type_ahead_len;
};

static struct termios saved_modes;
static volatile sig_atomic_t modes_changed;

static void restore_modes(void)
{
	if (modes_changed)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_modes);
	modes_changed = 0;
}

static void on_signal(int number)
{
	restore_modes();
	_exit(128 + number);
}

static void change_modes(void)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };
	struct sigaction action = { .sa_handler = on_signal };
	struct termios modes;

	if (tcgetattr(STDIN_FILENO, &saved_modes))
		return;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	/* From the background this would stop us. */
	signal(SIGTTOU, SIG_IGN);
	modes = saved_modes;
	cfmakeraw(&modes);
	modes_changed = !tcsetattr(STDIN_FILENO, TCSANOW, &modes);
}

int console_type_parse(const char *text, enum console_type *type)
{
	static const char *const names[] = { "pv", "serial", "vuart" };

	for (int i = 0; i < 3; i++)
		if (!strcmp(text, names[i])) {
			*type = i;
			return 0;
		}
	return -EINVAL;
}

static bool write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t written = write(fd, p, n);
		struct pollfd wait = { .fd = fd, .events = POLLOUT };

		if (written < 0 && errno == EAGAIN)
			poll(&wait, 1, -1);
		else if (written < 0 && errno != EINTR)
			return false;
		if (written > 0) {
			p += written;
			n -= written;
		}
	}
	return true;
}

static bool domain_there(struct console *c)
{
	unsigned int count;
	char **names = xs_directory(c->store, XBT_NULL, c->home, &count);

	free(names);
	return names || errno != ENOENT;
}

static bool set_raw(int fd)
{
	struct termios modes;

	if (tcgetattr(fd, &modes))
		return false;
	cfmakeraw(&modes);
	return !tcsetattr(fd, TCSANOW, &modes);
}

/* The terminal of that path, or -1: there is none, or another viewer has it. */
static int open_terminal(const char *path, bool may_be_stale)
{
	int fd = path && *path == '/' ? open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK) : -1;
	struct stat st;

	if (fd < 0)
		return -1;
	if (isatty(fd) && !(may_be_stale && (fstat(fd, &st) || st.st_mode & 077)) && !flock(fd, LOCK_EX | LOCK_NB) &&
	    set_raw(fd))
		return fd;
	close(fd);
	return -1;
}

/* In a transaction, so that a console which is removed at this moment does not come back. */
static void ask_for_terminal(struct console *c)
{
	char ring[96];
	bool good;

	snprintf(ring, sizeof(ring), "%s/console/ring-ref", c->home);
	do {
		xs_transaction_t t = xs_transaction_start(c->store);
		void *there = t == XBT_NULL ? NULL : xs_read(c->store, t, ring, NULL);

		if (t == XBT_NULL)
			return;
		if (there)
			xs_write(c->store, t, c->further, "", 0);
		good = xs_transaction_end(c->store, t, !there);
		free(there);
	} while (!good && errno == EAGAIN);
}

/* Asks the daemon for a terminal where it has none for us, and nobody has asked yet. */
static int open_further(struct console *c, bool may_be_stale)
{
	char *path = xs_read(c->store, XBT_NULL, c->further, NULL);
	int fd = open_terminal(path, may_be_stale);

	if (fd < 0 && (!path || *path))
		ask_for_terminal(c);
	free(path);
	return fd;
}

static int open_first(struct console *c, bool may_be_stale)
{
	char *path = xs_read(c->store, XBT_NULL, c->node, NULL);
	int fd = open_terminal(path, may_be_stale);

	free(path);
	return fd;
}

/* None that is free is no error: the store will tell of the next. */
static void use_terminal(struct console *c, int fd)
{
	if (fd < 0)
		return;
	c->tty = fd;
	c->told = false;
	if (c->ready >= 0) {
		if (write(c->ready, "", 1) < 0)
			fprintf(stderr, "xl: who waits for the console is gone\n");
		close(c->ready);
		c->ready = -1;
	}
	write_all(fd, c->type_ahead, c->type_ahead_len);
	c->type_ahead_len = 0;
}

static void try_open(struct console *c, bool may_be_stale)
{
	use_terminal(c, *c->further ? open_further(c, may_be_stale) : open_first(c, may_be_stale));
}

static void tell_waiting(struct console *c)
{
	if (c->told)
		return;
	c->told = true;
	fprintf(stderr, "xl: domain %u has no console terminal that is free; waiting (does xenconsoled run? is another viewer "
		"there? Ctrl-] ends this)%s\n", c->domid, modes_changed ? "\r" : "");
}

/* False when it is over. */
static bool from_us(struct console *c)
{
	char bytes[512], *escape;
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
	size_t keep;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	escape = n ? memchr(bytes, ESCAPE, n) : NULL;
	if (escape)
		n = escape - bytes;
	if (c->tty >= 0) {
		if (!write_all(c->tty, bytes, n))
			n = 0;
	} else {
		keep = sizeof(c->type_ahead) - c->type_ahead_len;
		keep = (size_t)n < keep ? (size_t)n : keep;
		memcpy(c->type_ahead + c->type_ahead_len, bytes, keep);
		c->type_ahead_len += keep;
	}
	return !escape && n > 0;
}

/* False if our own output is gone. */
static bool from_guest(struct console *c)
{
	char bytes[4096];
	ssize_t n = read(c->tty, bytes, sizeof(bytes));

	if (n > 0)
		return write_all(STDOUT_FILENO, bytes, n);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	close(c->tty);
	c->tty = -1;
	return true;
}

/* False when the domain is gone. */
static bool from_store(struct console *c)
{
	bool named = false;
	char **event;

	while ((event = xs_check_watch(c->store)) != NULL) {
		named |= !strcmp(event[XS_WATCH_TOKEN], "tty");
		free(event);
	}
	if (errno != EAGAIN) {
		fprintf(stderr, "xl: the connection to xenstored is lost: %s\n", strerror(errno));
		return false;
	}
	/* With a terminal, its own hang-up tells of the end, behind the last words. */
	if (c->tty >= 0)
		return true;
	if (!domain_there(c))
		return false;
	if (named)
		try_open(c, false);
	return true;
}

static void loop(struct console *c)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = xs_fileno(c->store), .events = POLLIN }, { .fd = c->tty, .events = POLLIN },
			{ .fd = STDIN_FILENO, .events = POLLIN },
		};
		int n = poll(fds, 3, c->tty < 0 && !c->told ? PATIENCE_MS : -1);

		/* A daemon that could be asked may have been replaced by one that can't. */
		if (!n && *c->further)
			use_terminal(c, open_first(c, true));
		if (!n && c->tty < 0)
			tell_waiting(c);
		if (n <= 0)
			continue;
		if (fds[1].revents) {
			if (!from_guest(c))
				return;
			if (c->tty < 0 && !domain_there(c))
				return;
			if (c->tty < 0)
				try_open(c, true);
		}
		if (fds[0].revents && !from_store(c))
			return;
		if (fds[2].revents && !from_us(c))
			return;
	}
}

static bool find_node(struct console *c, enum console_type type, unsigned int number)
{
	char *asks;

	snprintf(c->home, sizeof(c->home), "/local/domain/%u", c->domid);
	if (type == CONSOLE_SERIAL)
		snprintf(c->node, sizeof(c->node), "%s/serial/%u/tty", c->home, number);
	else if (type == CONSOLE_VUART)
		snprintf(c->node, sizeof(c->node), "%s/vuart/%u/tty", c->home, number);
	else if (number)
		snprintf(c->node, sizeof(c->node), "%s/device/console/%u/tty", c->home, number);
	else
		snprintf(c->node, sizeof(c->node), "%s/console/tty", c->home);
	asks = xs_read(c->store, XBT_NULL, "/tool/xenconsoled/viewers", NULL);
	if (type == CONSOLE_PV && !number && asks)
		snprintf(c->further, sizeof(c->further), "%s/console/viewer-tty", c->home);
	free(asks);
	if (!domain_there(c)) {
		fprintf(stderr, "xl: there is no domain %u\n", c->domid);
		return false;
	}
	if (xs_watch(c->store, c->node, "tty") && (!*c->further || xs_watch(c->store, c->further, "tty")) &&
	    xs_watch(c->store, "@releaseDomain", "release"))
		return true;
	fprintf(stderr, "xl: %s can't be watched: %s\n", c->node, strerror(errno));
	return false;
}

int console_run(uint32_t domid, enum console_type type, unsigned int number, int ready)
{
	struct console c = { .store = xs_open(0), .domid = domid, .tty = -1, .ready = ready };

	if (!c.store) {
		fprintf(stderr, "xl: xenstored can't be reached: %s; is it running?\n", strerror(errno));
		return 1;
	}
	if (!find_node(&c, type, number)) {
		xs_close(c.store);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	change_modes();
	loop(&c);
	restore_modes();
	if (c.tty >= 0)
		close(c.tty);
	xs_close(c.store);
	return 0;
}

pid_t console_start(uint32_t domid)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		close(ready[0]);
		exit(console_run(domid, CONSOLE_PV, 0, ready[1]));
	}
	close(ready[1]);
	if (pid > 0)
		while (read(ready[0], &byte, 1) < 0 && errno == EINTR)
			continue;
	close(ready[0]);
	return pid > 0 ? pid : -EAGAIN;
}

size_t console_last_words(const char *name, char *text, size_t size)
{
	char path[512];
	int fd, folder = snprintf(path, sizeof(path), LOG_FOLDER "/");
	ssize_t n = 0;

	/* As the daemon names it. */
	snprintf(path + folder, sizeof(path) - folder, "guest-%.200s.log", name);
	for (char *slash = path + folder; (slash = strchr(slash, '/')) != NULL;)
		*slash = '_';
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		if (lseek(fd, -(off_t)(size - 1), SEEK_END) < 0)
			lseek(fd, 0, SEEK_SET);
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = 0;
	return n > 0 ? n : 0;
}
