// SPDX-License-Identifier: MIT
/*
 * What the keeper waits for. A source that is removed while its own or another's event is served may still be named by
 * events that epoll has returned already: so it is only marked, and freed when that round is over.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include "keeper.h"

struct event_source {
	int fd;
	bool dead;
	event_handler handler;
	void *context;
	struct event_source *next_dead;
};

static int epoll;
static struct event_source *dead;

void events_open(void)
{
	epoll = epoll_create1(EPOLL_CLOEXEC);
}

struct event_source *events_add(int fd, uint32_t events, event_handler handler, void *context)
{
	struct event_source *s = calloc(1, sizeof(*s));
	struct epoll_event e = { .events = events, .data.ptr = s };

	if (!s)
		return NULL;
	s->fd = fd;
	s->handler = handler;
	s->context = context;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e)) {
		free(s);
		return NULL;
	}
	return s;
}

void events_remove(struct event_source *s)
{
	if (!s || s->dead)
		return;
	epoll_ctl(epoll, EPOLL_CTL_DEL, s->fd, NULL);
	s->dead = true;
	s->next_dead = dead;
	dead = s;
}

void events_serve(int timeout_ms)
{
	struct epoll_event list[16];
	int n = epoll_wait(epoll, list, sizeof(list) / sizeof(list[0]), timeout_ms);

	for (int i = 0; i < n; i++) {
		struct event_source *s = list[i].data.ptr;

		if (!s->dead)
			s->handler(s->context, list[i].events);
	}
	while (dead) {
		struct event_source *s = dead;

		dead = s->next_dead;
		free(s);
	}
}
