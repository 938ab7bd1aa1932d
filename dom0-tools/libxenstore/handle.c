// SPDX-License-Identifier: MIT
/*
 * A connection to xenstored: the socket, or the kernel's device, and who reads from it.
 *
 * At first the thread that made a request reads its answer itself: one send, one receive. With the first watch a
 * thread of the library's own starts to read, since events come at any time and must show in xs_fileno(); it sorts
 * what comes into the lists of replies and events.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "handle.h"

#define READER_STACK (64 * 1024)

void xentoolcore__register_active_handle(struct active_handle *h) __attribute__((weak));
void xentoolcore__deregister_active_handle(struct active_handle *h) __attribute__((weak));
int xentoolcore__restrict_by_dup2_null(int fd) __attribute__((weak));

static int restrict_handle(struct active_handle *a, uint32_t domid)
{
	struct xs_handle *h = (struct xs_handle *)((char *)a - offsetof(struct xs_handle, active));

	return xentoolcore__restrict_by_dup2_null ? xentoolcore__restrict_by_dup2_null(h->fd) : -1;
}

static int open_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = errno;
		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static struct xs_handle *open_path(const char *path)
{
	struct xs_handle *h;
	struct stat st;
	int fd, err;

	if (!path || stat(path, &st))
		return NULL;
	fd = S_ISSOCK(st.st_mode) ? open_socket(path) : open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	h = calloc(1, sizeof(*h));
	if (!h) {
		err = errno;
		close(fd);
		errno = err;
		return NULL;
	}
	h->fd = fd;
	h->is_socket = S_ISSOCK(st.st_mode);
	h->stop = h->pipe[0] = h->pipe[1] = -1;
	pthread_mutex_init(&h->request_lock, NULL);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
	STAILQ_INIT(&h->replies);
	STAILQ_INIT(&h->events);
	h->active.restrict_callback = restrict_handle;
	if (xentoolcore__register_active_handle)
		xentoolcore__register_active_handle(&h->active);
	return h;
}

static const char *device(void)
{
	const char *path = getenv("XENSTORED_PATH");

	if (path)
		return path;
	return access("/dev/xen/xenbus", F_OK) ? "/proc/xen/xenbus" : "/dev/xen/xenbus";
}

struct xs_handle *xs_open(unsigned long flags)
{
	struct xs_handle *h = open_path(xs_daemon_socket());

	if (!h)
		h = open_path(device());
	if (h)
		h->unwatch_filter = flags & XS_UNWATCH_FILTER;
	return h;
}

struct xs_handle *xs_daemon_open(void)
{
	return xs_open(0);
}

struct xs_handle *xs_domain_open(void)
{
	return xs_open(0);
}

struct xs_handle *xs_daemon_open_readonly(void)
{
	return xs_open(0);
}

static void free_list(struct message_list *list)
{
	struct message *m;

	while ((m = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, next);
		free(m);
	}
}

static void free_handle(struct xs_handle *h)
{
	if (xentoolcore__deregister_active_handle)
		xentoolcore__deregister_active_handle(&h->active);
	free_list(&h->replies);
	free_list(&h->events);
	if (h->pipe[0] >= 0) {
		close(h->pipe[0]);
		close(h->pipe[1]);
	}
	if (h->stop >= 0)
		close(h->stop);
	close(h->fd);
	free(h);
}

void xs_daemon_close(struct xs_handle *h)
{
	pthread_mutex_lock(&h->request_lock);
	if (h->reader_runs) {
		eventfd_write(h->stop, 1);
		pthread_join(h->reader, NULL);
	}
	pthread_mutex_unlock(&h->request_lock);
	pthread_mutex_destroy(&h->request_lock);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->changed);
	free_handle(h);
}

void xs_close(struct xs_handle *h)
{
	if (h)
		xs_daemon_close(h);
}

/* The reader lives in the parent only, and a lock may have been held when it forked: nothing is waited for. */
void xs_daemon_destroy_postfork(struct xs_handle *h)
{
	free_handle(h);
}

/* --- reading --- */

/* The first message of the input if it is complete. Returns -1 with errno if what came is no message. */
static int take_message(struct xs_handle *h, struct message **out)
{
	struct xsd_sockmsg hdr;
	struct message *m;

	*out = NULL;
	if (h->input_len < sizeof(hdr))
		return 0;
	memcpy(&hdr, h->input, sizeof(hdr));
	if (hdr.len > XENSTORE_PAYLOAD_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (h->input_len < sizeof(hdr) + hdr.len)
		return 0;
	m = malloc(sizeof(*m) + hdr.len + 1);
	if (!m)
		return -1;
	m->hdr = hdr;
	memcpy(m->body, h->input + sizeof(hdr), hdr.len);
	m->body[hdr.len] = 0;
	h->input_len -= sizeof(hdr) + hdr.len;
	memmove(h->input, h->input + sizeof(hdr) + hdr.len, h->input_len);
	*out = m;
	return 1;
}

/* Waits until there is something to read; the library's thread also until it is to end, which is an error. */
static int wait_input(struct xs_handle *h)
{
	struct pollfd p[2] = { { h->fd, POLLIN, 0 }, { h->stop, POLLIN, 0 } };

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return -1;
	errno = ECANCELED;
	return p[1].revents ? -1 : 0;
}

static int read_more(struct xs_handle *h)
{
	ssize_t n;

	if (h->stop >= 0 && wait_input(h))
		return -1;
	do {
		n = read(h->fd, h->input + h->input_len, sizeof(h->input) - h->input_len);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = EIO;	/* the daemon is gone */
	if (n <= 0)
		return -1;
	h->input_len += n;
	return 0;
}

/* Into its list; an event also shows in the pipe. */
static void sort_message(struct xs_handle *h, struct message *m)
{
	pthread_mutex_lock(&h->lock);
	if (m->hdr.type == XS_WATCH_EVENT) {
		if (STAILQ_EMPTY(&h->events) && h->pipe[1] >= 0)
			while (write(h->pipe[1], "", 1) < 0 && errno == EINTR)
				continue;
		STAILQ_INSERT_TAIL(&h->events, m, next);
	} else {
		STAILQ_INSERT_TAIL(&h->replies, m, next);
	}
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

/* Reads until at least one message is sorted. */
static int read_message(struct xs_handle *h)
{
	for (;;) {
		struct message *m;
		int have = take_message(h, &m);

		if (have < 0)
			return -1;
		if (have) {
			sort_message(h, m);
			return 0;
		}
		if (read_more(h))
			return -1;
	}
}

static void fail(struct xs_handle *h, int error)
{
	pthread_mutex_lock(&h->lock);
	h->failed = error ? error : EIO;
	if (h->pipe[1] >= 0 && STAILQ_EMPTY(&h->events))
		while (write(h->pipe[1], "", 1) < 0 && errno == EINTR)
			continue;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

static void *reader(void *arg)
{
	struct xs_handle *h = arg;

	while (!read_message(h))
		continue;
	fail(h, errno);
	return NULL;
}

bool xenstore_start_reader(struct xs_handle *h)
{
	sigset_t all, old;
	pthread_attr_t attr;
	int err = 0;

	pthread_mutex_lock(&h->request_lock);
	if (!h->reader_runs && h->stop < 0) {
		h->stop = eventfd(0, EFD_CLOEXEC);
		err = h->stop < 0 ? errno : 0;
	}
	if (!h->reader_runs && !err) {
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, READER_STACK);
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		err = pthread_create(&h->reader, &attr, reader, h);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		pthread_attr_destroy(&attr);
		pthread_mutex_lock(&h->lock);
		h->reader_runs = !err;
		pthread_mutex_unlock(&h->lock);
	}
	pthread_mutex_unlock(&h->request_lock);
	errno = err;
	return !err;
}

/* --- requests --- */

static bool send_all(struct xs_handle *h, struct iovec *iov, unsigned int count)
{
	while (count) {
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
		ssize_t n = h->is_socket ? sendmsg(h->fd, &msg, MSG_NOSIGNAL) :
					   write(h->fd, iov->iov_base, iov->iov_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		while (count && (size_t)n >= iov->iov_len) {
			n -= iov->iov_len;
			iov++;
			count--;
		}
		if (count) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= n;
		}
	}
	return true;
}

/* The next answer; with request_lock held. */
static struct message *wait_reply(struct xs_handle *h)
{
	struct message *m;

	pthread_mutex_lock(&h->lock);
	while (!(m = STAILQ_FIRST(&h->replies)) && !h->failed) {
		if (h->reader_runs) {
			pthread_cond_wait(&h->changed, &h->lock);
			continue;
		}
		pthread_mutex_unlock(&h->lock);
		if (read_message(h))
			fail(h, errno);
		pthread_mutex_lock(&h->lock);
	}
	if (m)
		STAILQ_REMOVE_HEAD(&h->replies, next);
	else
		errno = h->failed;
	pthread_mutex_unlock(&h->lock);
	return m;
}

static int error_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} errors[] = {
		{ "EINVAL", EINVAL }, { "EACCES", EACCES }, { "EEXIST", EEXIST }, { "EISDIR", EISDIR },
		{ "ENOENT", ENOENT }, { "ENOMEM", ENOMEM }, { "ENOSPC", ENOSPC }, { "EIO", EIO },
		{ "ENOTEMPTY", ENOTEMPTY }, { "ENOSYS", ENOSYS }, { "EROFS", EROFS }, { "EBUSY", EBUSY },
		{ "EAGAIN", EAGAIN }, { "EISCONN", EISCONN }, { "E2BIG", E2BIG }, { "EPERM", EPERM },
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (!strcmp(errors[i].name, name))
			return errors[i].number;
	return EINVAL;
}

/* The answer's body alone, in the memory that the caller will free. */
static void *body_of(struct message *m, uint32_t type, unsigned int *len)
{
	int err = 0;

	if (m->hdr.type == XS_ERROR)
		err = error_number(m->body);
	else if (m->hdr.type != type)
		err = EBADF;
	if (err) {
		free(m);
		errno = err;
		return NULL;
	}
	if (len)
		*len = m->hdr.len;
	return memmove(m, m->body, m->hdr.len + 1);
}

#define PIECES_MAX 8

void *xenstore_talk(struct xs_handle *h, xs_transaction_t t, uint32_t type, const struct iovec *pieces,
		    unsigned int count, unsigned int *len)
{
	struct xsd_sockmsg hdr = { .type = type, .tx_id = t };
	struct iovec iov[PIECES_MAX + 1] = { { &hdr, sizeof(hdr) } };
	struct message *m = NULL;
	size_t total = 0;

	for (unsigned int i = 0; i < count; i++) {
		iov[i + 1] = pieces[i];
		total += pieces[i].iov_len;
	}
	if (total > XENSTORE_PAYLOAD_MAX) {
		errno = E2BIG;
		return NULL;
	}
	hdr.len = total;
	pthread_mutex_lock(&h->request_lock);
	if (send_all(h, iov, count + 1))
		m = wait_reply(h);
	pthread_mutex_unlock(&h->request_lock);
	return m ? body_of(m, type, len) : NULL;
}

/*
 * The socket takes all requests at once. The kernel's device takes one for each write, drops what follows it there, and
 * answers watches before what was asked earlier: each waits for its answer.
 */
bool xenstore_talk_many(struct xs_handle *h, void *requests, size_t bytes, unsigned int count,
			void (*answer)(void *arg, unsigned int i, int err, const char *body, unsigned int len), void *arg)
{
	char *next = requests;
	bool good = true;

	pthread_mutex_lock(&h->request_lock);
	for (unsigned int i = 0; good && i < count; i++) {
		struct iovec iov = { next, bytes };
		struct message *m;

		if (!h->is_socket) {
			struct xsd_sockmsg hdr;

			memcpy(&hdr, next, sizeof(hdr));
			iov.iov_len = sizeof(hdr) + hdr.len;
			next += iov.iov_len;
		}
		if (!i || !h->is_socket)
			good = send_all(h, &iov, 1);
		m = good ? wait_reply(h) : NULL;
		if (m)
			answer(arg, i, m->hdr.type == XS_ERROR ? error_number(m->body) : 0, m->body, m->hdr.len);
		good = m;
		free(m);
	}
	pthread_mutex_unlock(&h->request_lock);
	return good;
}

/* --- events --- */

int xs_fileno(struct xs_handle *h)
{
	pthread_mutex_lock(&h->lock);
	if (h->pipe[0] < 0 && !pipe2(h->pipe, O_CLOEXEC | O_NONBLOCK) && (!STAILQ_EMPTY(&h->events) || h->failed))
		while (write(h->pipe[1], "", 1) < 0 && errno == EINTR)
			continue;
	pthread_mutex_unlock(&h->lock);
	return h->pipe[0];
}

/* The pipe's byte goes with the last event; with lock held. */
static void empty_pipe(struct xs_handle *h)
{
	char byte;

	if (STAILQ_EMPTY(&h->events) && h->pipe[0] >= 0 && !h->failed)
		while (read(h->pipe[0], &byte, 1) < 0 && errno == EINTR)
			continue;
}

static struct message *wait_event(struct xs_handle *h, bool block)
{
	struct message *m;

	pthread_mutex_lock(&h->lock);
	while (!(m = STAILQ_FIRST(&h->events)) && !h->failed && block) {
		if (h->reader_runs) {
			pthread_cond_wait(&h->changed, &h->lock);
			continue;
		}
		pthread_mutex_unlock(&h->lock);
		pthread_mutex_lock(&h->request_lock);
		if (!h->reader_runs && read_message(h))
			fail(h, errno);
		pthread_mutex_unlock(&h->request_lock);
		pthread_mutex_lock(&h->lock);
	}
	if (m) {
		STAILQ_REMOVE_HEAD(&h->events, next);
		empty_pipe(h);
	} else {
		errno = h->failed ? h->failed : EAGAIN;
	}
	pthread_mutex_unlock(&h->lock);
	return m;
}

/* Array and strings in one piece, for one free(). */
static char **next_event(struct xs_handle *h, bool block, unsigned int *num)
{
	struct message *m = wait_event(h, block);
	char **out, *text;
	size_t first;

	if (!m)
		return NULL;
	first = strlen(m->body) + 1;
	if (first >= m->hdr.len) {
		free(m);
		errno = EINVAL;
		return NULL;
	}
	out = malloc(2 * sizeof(*out) + m->hdr.len + 1);
	if (out) {
		text = (char *)(out + 2);
		memcpy(text, m->body, m->hdr.len + 1);
		out[XS_WATCH_PATH] = text;
		out[XS_WATCH_TOKEN] = text + first;
		if (num)
			*num = 2;
	}
	free(m);
	return out;
}

char **xs_check_watch(struct xs_handle *h)
{
	return next_event(h, false, NULL);
}

char **xs_read_watch(struct xs_handle *h, unsigned int *num)
{
	return next_event(h, true, num);
}

void xenstore_drop_events(struct xs_handle *h, const char *path, const char *token)
{
	struct message_list keep = STAILQ_HEAD_INITIALIZER(keep);
	struct message *m;

	pthread_mutex_lock(&h->lock);
	if (!STAILQ_EMPTY(&h->events)) {
		while ((m = STAILQ_FIRST(&h->events))) {
			STAILQ_REMOVE_HEAD(&h->events, next);
			if (!strcmp(m->body + strlen(m->body) + 1, token) && xs_path_is_subpath(path, m->body))
				free(m);
			else
				STAILQ_INSERT_TAIL(&keep, m, next);
		}
		STAILQ_CONCAT(&h->events, &keep);
		empty_pipe(h);
	}
	pthread_mutex_unlock(&h->lock);
}
