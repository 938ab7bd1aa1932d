// SPDX-License-Identifier: MIT
/*
 * What Xen's own xl starts beside a PV guest that has a disk of backendtype=qdisk. It expects QEMU there, which would
 * serve the disk; ours is served by backendd, and needs nobody else. So this program only says what xl waits for: that
 * it runs, in the store, and answers on the sockets (QMP) that xl has asked for. It does nothing with the guest, and ends
 * by the signal that xl sends when the guest ends. xl is told of it by device_model_override= in the guest's configuration.
 *
 * A line of QMP is one JSON object with "execute" and maybe "id"; the answer has the same id.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenstore.h>
#include <yajl/yajl_tree.h>

#define LISTENERS	4	/* xl 4.17 wants two */
#define CLIENTS		8
#define LINE_BYTES	4096	/* of a command; xl's have about a hundred */

struct client {
	int fd;			/* -1: none */
	size_t used;
	char line[LINE_BYTES];
};

static struct pollfd fds[LISTENERS + CLIENTS];
static unsigned int nr_listeners;
static struct client clients[CLIENTS];

static void die(const char *what)
{
	fprintf(stderr, "device-model: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* "socket,id=NAME,path=PATH,server=on,wait=off" */
static void open_listener(const char *chardev)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = strstr(chardev, ",path=");
	size_t length;
	int fd;

	if (strncmp(chardev, "socket,", 7) || !path || nr_listeners == LISTENERS)
		return;
	path += 6;
	length = strcspn(path, ",");
	errno = ENAMETOOLONG;
	if (length >= sizeof(address.sun_path))
		die(path);
	memcpy(address.sun_path, path, length);
	unlink(address.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, CLIENTS))
		die(address.sun_path);
	fds[nr_listeners++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

/* xl waits for this node. */
static void tell_running(const char *domid)
{
	struct xs_handle *xs = xs_open(0);
	char *own = xs ? xs_read(xs, XBT_NULL, "domid", NULL) : NULL;
	char path[96];

	snprintf(path, sizeof(path), "/local/domain/%.10s/device-model/%.10s/state", own ? own : "0", domid);
	if (!xs || !xs_write(xs, XBT_NULL, path, "running", 7))
		die("xenstored");
	free(own);
	xs_close(xs);
}

/* What a command returns; NULL: there is no such command here. */
static const char *result_of(const char *command)
{
	static const struct {
		const char *command, *result;
	} known[] = {
		{ "qmp_capabilities", "{}" }, { "query-chardev", "[]" }, { "query-vnc", "{\"enabled\": false}" },
		{ "query-status", "{\"status\": \"running\", \"singlestep\": false, \"running\": true}" },
		{ "query-version", "{\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, \"package\": \"\"}" },
		{ "stop", "{}" }, { "cont", "{}" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(command, known[i].command))
			return known[i].result;
	return NULL;
}

static void say(struct client *c, const char *text)
{
	size_t length = strlen(text);

	if (send(c->fd, text, length, MSG_NOSIGNAL) != (ssize_t)length) {
		close(c->fd);
		c->fd = -1;
	}
}

static void answer(struct client *c)
{
	const char *execute_path[] = { "execute", NULL }, *id_path[] = { "id", NULL };
	yajl_val tree = yajl_tree_parse(c->line, NULL, 0);
	yajl_val execute = tree ? yajl_tree_get(tree, execute_path, yajl_t_string) : NULL;
	yajl_val id = tree ? yajl_tree_get(tree, id_path, yajl_t_number) : NULL;
	const char *result = execute ? result_of(YAJL_GET_STRING(execute)) : NULL;
	char text[512];

	if (result)
		snprintf(text, sizeof(text), "{\"return\": %s, \"id\": %.20s}\r\n", result, id ? YAJL_GET_NUMBER(id) : "null");
	else
		snprintf(text, sizeof(text), "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": "
			 "\"backendd serves this guest's disks; there is no QEMU\"}, \"id\": %.20s}\r\n",
			 id ? YAJL_GET_NUMBER(id) : "null");
	yajl_tree_free(tree);
	say(c, text);
}

static void read_client(struct client *c)
{
	ssize_t n = read(c->fd, c->line + c->used, sizeof(c->line) - 1 - c->used);
	char *end;

	/* The end of it, or a line that has none. */
	if (n <= 0) {
		close(c->fd);
		c->fd = -1;
		return;
	}
	c->used += n;
	c->line[c->used] = 0;
	while (c->fd >= 0 && (end = strchr(c->line, '\n')) != NULL) {
		*end++ = 0;
		if (strspn(c->line, " \r") != strlen(c->line))
			answer(c);
		c->used -= end - c->line;
		memmove(c->line, end, c->used + 1);
	}
}

static void accept_client(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (int i = 0; fd >= 0 && i < CLIENTS; i++)
		if (clients[i].fd < 0) {
			clients[i].fd = fd;
			clients[i].used = 0;
			say(&clients[i], "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, "
			    "\"package\": \"\"}, \"capabilities\": []}}\r\n");
			return;
		}
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	const char *domid = NULL;

	/* It is ignored here if it was where xl was started, by nohup say. */
	signal(SIGHUP, SIG_DFL);
	for (int i = 1; i < argc - 1; i++) {
		if (!strcmp(argv[i], "-xen-domid"))
			domid = argv[i + 1];
		if (!strcmp(argv[i], "-chardev"))
			open_listener(argv[i + 1]);
	}
	if (!domid) {
		fprintf(stderr, "device-model: xl starts this program, with -xen-domid; see backendd(8)\n");
		return 1;
	}
	for (int i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	tell_running(domid);
	for (;;) {
		for (int i = 0; i < CLIENTS; i++)
			fds[nr_listeners + i] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
		if (poll(fds, nr_listeners + CLIENTS, -1) < 0 && errno != EINTR)
			die("poll");
		for (unsigned int i = 0; i < nr_listeners; i++)
			if (fds[i].revents)
				accept_client(fds[i].fd);
		for (int i = 0; i < CLIENTS; i++)
			if (clients[i].fd >= 0 && fds[nr_listeners + i].fd == clients[i].fd && fds[nr_listeners + i].revents)
				read_client(&clients[i]);
	}
}
