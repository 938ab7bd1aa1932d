// SPDX-License-Identifier: MIT
/*
 * backendd.sock, for xl and for people: a line there, lines back, the last of which is "ok", or "error" and a sentence.
 *
 *	upgrade KIND DOMID DEVID	starts the worker anew, from the program that is installed now
 *	resize KIND DOMID DEVID		looks how large what is behind the device is now
 *	status				a line for each device
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "keeper.h"

#define CLIENTS_MOST 32

struct client {
	int fd;
	struct event_source *source;
};

static unsigned int clients;

static void say(int fd, const char *format, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	send(fd, text, n < (int)sizeof(text) ? n : (int)sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void control_answer(int client, const char *format, ...)
{
	char text[400];
	va_list ap;

	if (!format) {
		say(client, "ok\n");
	} else {
		va_start(ap, format);
		vsnprintf(text, sizeof(text), format, ap);
		va_end(ap);
		say(client, "error %s\n", text);
	}
	close(client);
}

static void status(int fd)
{
	struct device *d;

	LIST_FOREACH(d, &devices, next)
		say(fd, "%s worker %d starts %u %s\n", d->name, d->pid, d->memory ? d->memory->starts : 0,
		    d->failed ? "failed" : d->draining || d->closing ? "closing" : d->serving ? "serving" :
		    d->connected ? "connecting" : d->opened ? "waiting" : d->opening ? "opening" : "closed");
	control_answer(fd, NULL);
}

static void about_device(int fd, const char *word, const char *kind, uint32_t domid, uint32_t devid, const char *rest)
{
	struct device *d = device_find(kind, domid, devid);

	if (!d) {
		control_answer(fd, "there is no device %s %u/%u", kind, domid, devid);
	} else if (!strcmp(word, "resize")) {
		int err = !d->kind->resize ? -ENOTSUP : d->opened ? d->kind->resize(d) : 0;

		if (err)
			control_answer(fd, "%s: %s", d->name, strerror(-err));
		else
			control_answer(fd, NULL);
	} else if (!strcmp(word, "upgrade") && d->pid > 0) {
		worker_replace(d, fd);
	} else if (!strcmp(word, "upgrade")) {
		/* The next to connect gets the new program anyway. */
		control_answer(fd, NULL);
#ifdef FAULT_POINTS
	} else if (!strcmp(word, "fault") && d->memory) {
		char label[32];

		if (sscanf(rest, "%31s %u", label, &d->memory->fault_left) == 2)
			strcpy(d->memory->fault_point, label);
		control_answer(fd, NULL);
#endif
	} else {
		control_answer(fd, "there is no command \"%s\"", word);
	}
}

static void client_says(void *context, uint32_t events)
{
	struct client *c = context;
	char line[256], word[16], kind[16];
	uint32_t domid, devid;
	ssize_t n = recv(c->fd, line, sizeof(line) - 1, MSG_DONTWAIT);
	int words, end = 0;

	line[n > 0 ? n : 0] = 0;
	line[strcspn(line, "\n")] = 0;
	words = sscanf(line, "%15s %15s %u %u%n", word, kind, &domid, &devid, &end);
	if (n <= 0)
		close(c->fd);
	else if (words == 1 && !strcmp(word, "status"))
		status(c->fd);
	else if (words == 4)
		about_device(c->fd, word, kind, domid, devid, line + end);
	else
		control_answer(c->fd, "\"%s\" is no command", line);
	events_remove(c->source);
	clients--;
	free(c);
}

static void accept_client(void *context, uint32_t events)
{
	int fd = accept4((int)(intptr_t)context, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c = fd < 0 || clients == CLIENTS_MOST ? NULL : calloc(1, sizeof(*c));

	if (c) {
		c->fd = fd;
		c->source = events_add(fd, EPOLLIN, client_says, c);
	}
	if (c && c->source) {
		clients++;
		return;
	}
	free(c);
	if (fd >= 0)
		close(fd);
}

static struct sockaddr_un socket_address(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/backendd.sock", options.run_dir);
	return address;
}

int control_ask(const char *command)
{
	struct sockaddr_un address = socket_address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[4096];
	bool good = false;
	ssize_t n;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		fprintf(stderr, "backendd: %s: %s\n", address.sun_path, strerror(errno));
		return 1;
	}
	say(fd, "%s\n", command);
	while ((n = read(fd, text, sizeof(text) - 1)) > 0) {
		text[n] = 0;
		fputs(text, stdout);
		good = n >= 3 && !strcmp(text + n - 3, "ok\n");
	}
	close(fd);
	return good ? 0 : 1;
}

void control_open(void)
{
	struct sockaddr_un address = socket_address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	unlink(address.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || chmod(address.sun_path, 0600) ||
	    listen(fd, 16) || !events_add(fd, EPOLLIN, accept_client, (void *)(intptr_t)fd)) {
		log_line("%s can't be made: %s", address.sun_path, strerror(errno));
		exit(1);
	}
}
