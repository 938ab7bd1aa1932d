// SPDX-License-Identifier: MIT
/* A worker's talk with the keeper; worker.h says what for. One thread, and one question at a time. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "worker.h"

#define KEPT		8u

struct backend_memory *memory;

/* Messages that came while an answer was awaited. */
static struct message kept[KEPT];
static unsigned int kept_count;

void worker_tell(const struct message *m, size_t size)
{
	ssize_t n;

	do
		n = send(FD_CONTROL, m, size, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)size)
		_exit(4);	/* no keeper to talk to */
}

static void tell_text(enum message_type type, const char *format, va_list ap)
{
	struct message m = { .type = type };

	vsnprintf(m.text, sizeof(m.text), format, ap);
	worker_tell(&m, MESSAGE_HEAD + strlen(m.text) + 1);
}

void worker_log(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tell_text(MESSAGE_LOG, format, ap);
	va_end(ap);
}

void worker_misbehaves(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tell_text(MESSAGE_MISBEHAVES, format, ap);
	va_end(ap);
	_exit(3);
}

void worker_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tell_text(MESSAGE_LOG, format, ap);
	va_end(ap);
	_exit(1);
}

void worker_begin(int argc, char **argv, uint32_t layout)
{
	struct backend_memory *head = argc == 4 ? mmap(NULL, BACKEND_OWN, PROT_READ, MAP_SHARED, FD_MEMORY, 0) : MAP_FAILED;

	if (head == MAP_FAILED) {
		static const char text[] = "this program is started by backendd, see backendd(8)\n";

		_exit(write(2, text, sizeof(text) - 1) > 0 ? 2 : 3);
	}
	worker_leave(strtoul(argv[2], NULL, 10), argv[3]);
	if (head->magic != BACKEND_MAGIC || head->layout != layout)
		worker_die("the worker's program and backendd are of different versions: restart backendd");
	memory = mmap(NULL, head->size, PROT_READ | PROT_WRITE, MAP_SHARED, FD_MEMORY, 0);
	if (memory == MAP_FAILED)
		worker_die("the worker can't map its memory: %m");
	munmap(head, BACKEND_OWN);
}

void worker_ready(void)
{
	struct message m = { .type = MESSAGE_READY };

	shared_store(&memory->ready, memory->starts);
	worker_tell(&m, MESSAGE_HEAD);
}

static ssize_t receive(struct message *m, int flags)
{
	ssize_t n;

	do
		n = recv(FD_CONTROL, m, sizeof(*m), flags);
	while (n < 0 && errno == EINTR);
	if (!n || (n < 0 && errno != EAGAIN))
		_exit(4);
	return n;
}

void worker_ask(struct message *m, size_t size)
{
	uint32_t type = m->type;

	worker_tell(m, size);
	while (receive(m, 0), m->type != type)
		if (kept_count < KEPT)
			kept[kept_count++] = *m;
}

bool worker_next(struct message *m)
{
	if (kept_count) {
		*m = kept[0];
		memmove(kept, kept + 1, --kept_count * sizeof(kept[0]));
		return true;
	}
	return receive(m, MSG_DONTWAIT) > 0;
}

void *worker_map(const uint32_t *refs, unsigned int count, bool readonly, uint64_t *index)
{
	static struct message m;
	void *p;

	memset(&m, 0, MESSAGE_HEAD);
	m.type = MESSAGE_MAP;
	m.count = count;
	memcpy(m.refs, refs, count * sizeof(refs[0]));
	worker_ask(&m, MESSAGE_HEAD + count * sizeof(refs[0]));
	if (m.error) {
		errno = m.error;
		return NULL;
	}
	*index = m.index;
	p = mmap(NULL, count * 4096ul, readonly ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, FD_GRANTS, m.index);
	if (p == MAP_FAILED) {
		int err = errno;

		m = (struct message){ .type = MESSAGE_UNMAP, .count = count, .index = *index };
		worker_tell(&m, MESSAGE_HEAD);
		errno = err;
		return NULL;
	}
	return p;
}

void worker_unmap(void *p, unsigned int count, uint64_t index)
{
	struct message m = { .type = MESSAGE_UNMAP, .count = count, .index = index };

	munmap(p, count * 4096ul);
	worker_tell(&m, MESSAGE_HEAD);
}

void worker_notify(uint32_t port)
{
	ioctl(FD_EVENTS, EVTCHN_NOTIFY, &port);
}

void worker_unmask(uint32_t port)
{
	if (write(FD_EVENTS, &port, sizeof(port)) < 0)
		worker_die("its event channel %u can't be unmasked: %m", port);
}

#ifdef FAULT_POINTS
void fault_point(const char *label)
{
	if (memory->fault_left && !strcmp(memory->fault_point, label) && !--memory->fault_left)
		kill(getpid(), SIGKILL);
}
#endif
