// SPDX-License-Identifier: MIT
/*
 * A disk behind NBD, in the keeper. Its processes: blkback-nbd ("client"), and for images qemu-img once and qemu-nbd
 * ("server"). go_on() looks at what there is and does what comes next, after every event:
 *
 *	 lock free? --> image looked at by qemu-img? --> client --> server, its socket to the client --> SERVING
 *
 * 1. All processes of a disk hold its lock file's lock, and nothing is started before it is free of others: those that a
 *    killed keeper left behind have ended then, and what they were writing has landed.
 * 2. A server is ended, and its end waited for, before the next starts: when the client has lost it, and when the client has
 *    died. SIGTERM lets it end what it does; SIGKILL comes after PATIENCE_S.
 * 3. An image that an earlier disk is still closing is waited for.
 * 4. What the processes say is checked: they may be in the hands of a server's or an image's author.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../common/keeper.h"
#include "control.h"
#include "disk.h"
#include "image.h"
#include "jail.h"
#include "queue.h"
#include "unflushed.h"

#define PATIENCE_S	15		/* that a process may take to end when it is asked to */
#define LOCK_TRY_MS	50
#define LOCK_TRIES	(60 * 1000 / LOCK_TRY_MS)
#define PAUSE_MS	1000		/* before something that did not come up is started again */
#define DEATHS_MOST	8		/* in a row, without coming up */
#define CLIENT_MEMORY	(1ul << 30)	/* bytes of address space */
#define WORDS_MOST	40		/* lines of the server's that are logged */

struct program {
	pid_t pid;			/* 0: none */
	bool told;			/* to end */
};

struct nbd_disk {
	LIST_ENTRY(nbd_disk) next;
	struct nbd_options o;
	char *strings[6];
	enum nbd_state state;
	char why[600];
	bool closing, locked, checked;
	bool server_served;		/* the one that there is, or was last */
	unsigned int lock_tries, deaths;

	struct nbd_queue *queue;
	int memory, buffer, unflushed, lock, ring, bell, drained, timer;
	struct event_source *timer_source;
	struct nbd_geometry geometry;

	struct program client, server, checker;
	int control;			/* to the client */
	int client_words;		/* what it wrote before it was itself: a pipe */
	struct event_source *control_source;
	bool want_server;		/* the client waits for a socket */
	bool pause;			/* until the timer */

	bool is_image;
	struct image image;
	int words;			/* of the server or checker: a pipe */
	struct event_source *words_source;
	char text[32768];
	size_t text_used;
	unsigned int lines;
};

static LIST_HEAD(, nbd_disk) disks = LIST_HEAD_INITIALIZER(disks);

static void go_on(struct nbd_disk *d);

static __attribute__((format(printf, 2, 3))) void say(struct nbd_disk *d, const char *format, ...)
{
	char text[700];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (!d->closing)
		d->o.say(d->o.context, text);
}

static void set_timer(struct nbd_disk *d, unsigned int ms)
{
	struct itimerspec t = { .it_value = { ms / 1000, ms % 1000 * 1000000l } };

	timerfd_settime(d->timer, 0, &t, NULL);
}

static void ring(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return;		/* the counter is full: it has been rung */
}

/* --- ending -------------------------------------------------------------------------------------- */

static void kill_program(struct program *p)
{
	if (p->pid > 0)
		kill(p->pid, SIGKILL);
}

static void end_server(struct nbd_disk *d)
{
	if (d->server.pid > 0 && !d->server.told) {
		kill(d->server.pid, SIGTERM);
		d->server.told = true;
		set_timer(d, PATIENCE_S * 1000);
	}
}

static void gone(struct nbd_disk *d, const char *why)
{
	if (d->state == NBD_GONE || d->closing)
		return;
	if (why != d->why)
		snprintf(d->why, sizeof(d->why), "%s", why);
	d->state = NBD_GONE;
	kill_program(&d->client);
	kill_program(&d->checker);
	end_server(d);
	ring(d->drained);
	d->o.changed(d->o.context);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void file_path(const struct nbd_disk *d, const char *end, char *path, size_t size)
{
	snprintf(path, size, "%s.%s", d->o.folder, end);
}

/* All processes have ended. */
static void release(struct nbd_disk *d)
{
	static const char *const files[] = { "nbd", "nbd-buffer", "nbd-unflushed", "nbd-lock" };
	struct nbd_disk *other, *following;
	char path[256];

	if (d->locked)
		for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
			file_path(d, files[i], path, sizeof(path));
			unlink(path);
		}
	LIST_REMOVE(d, next);
	events_remove(d->timer_source);
	events_remove(d->control_source);
	events_remove(d->words_source);
	if (d->queue)
		munmap(d->queue, NBD_SIZE);
	close_fd(&d->memory);
	close_fd(&d->buffer);
	close_fd(&d->unflushed);
	close_fd(&d->lock);
	close_fd(&d->ring);
	close_fd(&d->bell);
	close_fd(&d->drained);
	close_fd(&d->timer);
	close_fd(&d->control);
	close_fd(&d->client_words);
	close_fd(&d->words);
	image_close(&d->image);
	for (unsigned int i = 0; i < sizeof(d->strings) / sizeof(d->strings[0]); i++)
		free(d->strings[i]);
	free(d);
	for (other = LIST_FIRST(&disks); other; other = following) {
		following = LIST_NEXT(other, next);
		if (!other->closing)
			go_on(other);
	}
}

/* --- words of the server ---------------------------------------------------------------------------- */

static void read_words(struct nbd_disk *d)
{
	char spill[512];
	ssize_t n;

	for (;;) {
		size_t room = sizeof(d->text) - 1 - d->text_used;

		n = read(d->words, room ? d->text + d->text_used : spill, room ? room : sizeof(spill));
		if (n <= 0)
			break;
		d->text_used += room ? n : 0;
	}
	d->text[d->text_used] = 0;
}

/* While it serves, each line goes to the log. */
static void words_event(void *context, uint32_t events)
{
	struct nbd_disk *d = context;
	char *line = d->text, *end;

	read_words(d);
	while (d->state == NBD_SERVING && d->server.pid > 0 && (end = strchr(line, '\n')) != NULL) {
		*end = 0;
		if (d->lines++ < WORDS_MOST)
			say(d, "%s", line);
		line = end + 1;
	}
	if (line != d->text) {
		d->text_used -= line - d->text;
		memmove(d->text, line, d->text_used + 1);
	}
	if (events & EPOLLHUP) {
		events_remove(d->words_source);
		d->words_source = NULL;
	}
}

static void stop_words(struct nbd_disk *d)
{
	if (d->words >= 0)
		read_words(d);
	events_remove(d->words_source);
	d->words_source = NULL;
	close_fd(&d->words);
}

/* The end that the program writes to, or -1. */
static int new_words(struct nbd_disk *d)
{
	int pair[2];

	stop_words(d);
	d->text_used = 0;
	d->text[0] = 0;
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK))
		return -1;
	fcntl(pair[1], F_SETFL, 0);
	d->words = pair[0];
	d->words_source = events_add(d->words, EPOLLIN, words_event, d);
	return pair[1];
}

/* --- the image's server -------------------------------------------------------------------------------- */

static void checker_ended(void *context, int status)
{
	struct nbd_disk *d = context;
	bool bad;

	d->checker = (struct program){ 0 };
	stop_words(d);
	if (d->closing) {
		go_on(d);
		return;
	}
	bad = image_is_bad(&d->image, d->text, status, d->why, sizeof(d->why));
	if (!bad && d->text_used == sizeof(d->text) - 1) {
		snprintf(d->why, sizeof(d->why), "%s: too many backing files", d->image.path);
		bad = true;
	}
	d->checked = !bad;
	if (bad)
		gone(d, d->why);
	else
		go_on(d);
}

static void server_ended(void *context, int status)
{
	struct nbd_disk *d = context;
	char why[sizeof(d->why)];
	bool asked = d->server.told;

	d->server = (struct program){ 0 };
	stop_words(d);
	ring(d->drained);
	if (d->closing || d->state == NBD_GONE) {
		go_on(d);
		return;
	}
	if (d->state == NBD_STARTING && !d->queue->disk_bytes) {
		/* The client may have told already what this led to. */
		if (!*d->why || d->text_used)
			image_why(&d->image, d->text, status, d->why, sizeof(d->why));
		gone(d, d->why);
		return;
	}
	image_why(&d->image, d->text, status, why, sizeof(why));
	if ((!asked || !d->server_served) && strcmp(why, d->why))
		say(d, "%s; its server is started again", strcpy(d->why, why));
	/* One that can't serve any more is not to be started all the time. */
	if (!d->server_served) {
		d->pause = true;
		set_timer(d, PAUSE_MS);
	}
	go_on(d);
}

/* A listening socket, and one that is connected to it; there is a name for a moment only. 0 or -errno. */
static int socket_pair(struct nbd_disk *d, int *listening, int *connected)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[256];
	int err = 0;

	file_path(d, "nbd-socket", path, sizeof(path));
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	unlink(path);
	*listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*listening < 0 || *connected < 0 || bind(*listening, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(*listening, 1) || connect(*connected, (struct sockaddr *)&address, sizeof(address)))
		err = -errno;
	unlink(path);
	if (err) {
		close_fd(listening);
		close_fd(connected);
	}
	return err;
}

static bool send_client(struct nbd_disk *d, enum nbd_message_type type, int fd)
{
	struct nbd_message m = { .type = type };
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *c;

		header.msg_control = space;
		header.msg_controllen = sizeof(space);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return d->control >= 0 && sendmsg(d->control, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(m);
}

static void start_server(struct nbd_disk *d)
{
	int listening = -1, connected = -1, words = -1, err = socket_pair(d, &listening, &connected);

	if (!err) {
		words = new_words(d);
		err = image_serve(&d->image, d->o.uid + 1, d->o.empty, words, listening, d->lock, server_ended, d);
	}
	if (err > 0) {
		d->server = (struct program){ .pid = err };
		d->server_served = false;
		d->want_server = !send_client(d, NBD_SOCKET, connected);
	} else {
		char text[128];

		snprintf(text, sizeof(text), "its server can't be started: %s", strerror(-err));
		gone(d, text);
	}
	close_fd(&listening);
	close_fd(&connected);
	close_fd(&words);
}

static void start_checker(struct nbd_disk *d)
{
	int words = new_words(d);
	pid_t pid = image_check(&d->image, d->o.uid + 1, d->o.empty, words, d->lock, checker_ended, d);

	close_fd(&words);
	if (pid > 0) {
		d->checker = (struct program){ .pid = pid };
	} else {
		char text[128];

		snprintf(text, sizeof(text), "qemu-img can't be started: %s", strerror(-pid));
		gone(d, text);
	}
}

/* --- the client -------------------------------------------------------------------------------------------- */

static void forget_client(struct nbd_disk *d)
{
	events_remove(d->control_source);
	d->control_source = NULL;
	close_fd(&d->control);
	close_fd(&d->client_words);
	d->client = (struct program){ 0 };
}

static void came_up(struct nbd_disk *d, const struct nbd_message *m)
{
	bool news = d->state != NBD_SERVING || m->disk_bytes != d->geometry.bytes || m->flags != d->geometry.flags;

	if (!m->disk_bytes || m->disk_bytes > INT64_MAX || m->block < 512 || m->block > 4096 || m->block & (m->block - 1)) {
		gone(d, "its client says what can't be");
		return;
	}
	d->geometry = (struct nbd_geometry){ m->disk_bytes, m->block, m->flags };
	d->state = NBD_SERVING;
	d->server_served = true;
	d->deaths = 0;
	d->why[0] = 0;
	if (news && !d->closing)
		d->o.changed(d->o.context);
}

static void client_says(void *context, uint32_t events)
{
	struct nbd_disk *d = context;
	struct nbd_message m;
	ssize_t n = recv(d->control, &m, sizeof(m), MSG_DONTWAIT);

	if (n != sizeof(m)) {
		if (!n || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			events_remove(d->control_source);	/* its end: SIGCHLD */
			d->control_source = NULL;
		}
		return;
	}
	m.text[sizeof(m.text) - 1] = 0;
	switch (m.type) {
	case NBD_UP:
		came_up(d, &m);
		break;
	case NBD_LOST:
		d->want_server = d->is_image;
		end_server(d);
		go_on(d);
		break;
	case NBD_FAILED:
		snprintf(d->why, sizeof(d->why), "%s: %s", d->o.target, m.text);
		break;
	case NBD_LOG:
		say(d, "%s", m.text);
		break;
	case NBD_ACCEPTED:
		ring(d->drained);
		break;
	default:
		say(d, "its client sends a message of unknown type %u", m.type);
	}
}

static void client_ended(void *context, int status)
{
	struct nbd_disk *d = context;
	char words[512];
	ssize_t n;

	/* What it said before. */
	while (d->control_source && d->state != NBD_GONE) {
		char byte;

		if (recv(d->control, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
			break;
		client_says(d, EPOLLIN);
	}
	n = read(d->client_words, words, sizeof(words) - 1);
	words[n > 0 ? n : 0] = 0;
	words[strcspn(words, "\n")] = 0;
	forget_client(d);
	ring(d->drained);
	if (d->closing || d->state == NBD_GONE) {
		go_on(d);
		return;
	}
	if (!d->queue->disk_bytes) {
		/* A server that could not begin has more to say; its end comes. */
		if (!d->server.pid) {
			if (!*d->why)
				snprintf(d->why, sizeof(d->why), "its client ended before it was connected; %.400s", words);
			gone(d, d->why);
		} else {
			end_server(d);
		}
		return;
	}
	if (WIFSIGNALED(status))
		say(d, "its client was ended by signal %d; it is started again", WTERMSIG(status));
	else
		say(d, "its client ended with status %d (%s); it is started again", WEXITSTATUS(status), *d->why ? d->why : words);
	if (++d->deaths > DEATHS_MOST) {
		gone(d, "its client does not come up again");
		return;
	}
	if (d->deaths > 1) {
		d->pause = true;
		set_timer(d, PAUSE_MS);
	}
	d->want_server = d->is_image;
	end_server(d);
	go_on(d);
}

/* The value of a URI's parameter as malloc()ed text, or NULL. */
static char *uri_parameter(const char *uri, const char *name)
{
	const char *at = strchr(uri, '?');
	size_t length = strlen(name);
	char *value, *to;

	for (; at; at = strpbrk(at, "&;")) {
		at++;
		if (!strncmp(at, name, length) && at[length] == '=')
			break;
	}
	if (!at)
		return NULL;
	at += length + 1;
	value = to = malloc(strlen(at) + 1);
	for (; value && *at && *at != '&' && *at != ';' && *at != '#'; at++) {
		unsigned int code;
		char two[3] = { at[0] == '%' ? at[1] : 0, at[0] == '%' && at[1] ? at[2] : 0 };

		if (strlen(two) == 2 && sscanf(two, "%2x", &code) == 1) {
			*to++ = code;
			at += 2;
		} else {
			*to++ = *at;
		}
	}
	if (value)
		*to = 0;
	return value;
}

static void start_client(struct nbd_disk *d)
{
	char *argv[] = { "blkback-nbd", (char *)d->o.name, NULL }, *environment[] = { "HOME=/", "LC_ALL=C", NULL };
	char *socket_path = d->is_image ? NULL : uri_parameter(d->o.target, "socket");
	char *certificates = d->is_image ? NULL : uri_parameter(d->o.target, "tls-certificates");
	char *keys = d->is_image ? NULL : uri_parameter(d->o.target, "tls-psk-file");
	char *slash = socket_path ? strrchr(socket_path, '/') : NULL;
	struct jail_file files[16] = {
		{ JAIL_COPY, "/etc/pki/libnbd", "/.pki/libnbd" }, { JAIL_READ, "/etc/ssl/certs/ca-certificates.crt", NULL },
		{ JAIL_READ, "/etc/resolv.conf", NULL }, { JAIL_READ, "/etc/hosts", NULL }, { JAIL_READ, "/etc/nsswitch.conf", NULL },
		{ JAIL_READ, "/etc/gai.conf", NULL }, { JAIL_READ, "/etc/host.conf", NULL }, { JAIL_READ, "/etc/services", NULL },
		{ JAIL_READ, "/etc/gnutls", NULL },
	};
	struct jail j = { .program = d->o.program, .argv = argv, .environment = environment, .uid = d->o.uid,
			  .mount_on = d->o.empty, .memory_most = CLIENT_MEMORY, .death_signal = SIGKILL, .out = -1, .err = -1, .files = files,
			  .fds = { [NBD_FD_QUEUE - 3] = d->memory, d->buffer, d->unflushed, d->ring, d->bell, d->lock },
			  .nr_fds = NBD_FDS - 3 };
	int pair[2], words[2];
	pid_t pid = -ENOMEM;

	j.nr_files = d->is_image ? 0 : 9;
	if (slash) {
		*slash = 0;
		files[j.nr_files++] = (struct jail_file){ JAIL_READ, slash == socket_path ? "/" : socket_path, NULL };
		j.own_all = true;	/* of that folder, and of nothing else */
	}
	if (certificates && *certificates == '/')
		files[j.nr_files++] = (struct jail_file){ JAIL_COPY, certificates, NULL };
	if (keys && *keys == '/')
		files[j.nr_files++] = (struct jail_file){ JAIL_COPY, keys, NULL };
	j.network = !d->is_image && !slash;
	if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		j.fds[0] = pair[1];
		if (!pipe2(words, O_CLOEXEC | O_NONBLOCK)) {
			d->client_words = words[0];
			j.err = words[1];
		}
		d->control = pair[0];
		d->control_source = events_add(d->control, EPOLLIN, client_says, d);
		pid = jail_start(&j, client_ended, d);
		close(pair[1]);
		close_fd(&j.err);
	}
	free(socket_path);
	free(certificates);
	free(keys);
	d->client = (struct program){ .pid = pid > 0 ? pid : 0 };
	if (pid <= 0) {
		char text[128];

		forget_client(d);
		snprintf(text, sizeof(text), "its client can't be started: %s", strerror(-pid));
		gone(d, text);
	}
}

/* --- what comes next ------------------------------------------------------------------------------------------ */

/* A file in the keeper's folder; *@was_there becomes false if it did not have that size. */
static int open_file(struct nbd_disk *d, const char *end, off_t size, bool *was_there)
{
	char path[256];
	off_t had;
	int fd;

	file_path(d, end, path, sizeof(path));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	had = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	*was_there &= had == size;
	if (fd >= 0 && had != size && (ftruncate(fd, 0) || ftruncate(fd, size)))
		close_fd(&fd);
	return fd;
}

/* What a killed keeper left is taken over if it is of the same disk. */
static void fill_queue(struct nbd_disk *d, bool there)
{
	struct nbd_queue *q = d->queue;
	char target[sizeof(q->target)];
	bool same;

	snprintf(target, sizeof(target), "%s%s%s", d->is_image ? d->o.format : "", d->is_image ? ":" : "", d->o.target);
	same = there && q->magic == NBD_MAGIC && q->layout == NBD_LAYOUT && !strncmp(q->target, target, sizeof(target)) &&
	       q->readonly == d->o.readonly;
	if (!same) {
		memset(q, 0, sizeof(*q));
		if (ftruncate(d->unflushed, 0) || ftruncate(d->unflushed, UNFLUSHED_SIZE))
			say(d, "the memory of what is not flushed: %s", strerror(errno));
	}
	/* No client runs: a worker's number of an earlier connection must not look like one that is accepted. */
	q->generation = 0;
	q->accepted = same ? UINT32_MAX : 0;
	strcpy(q->target, target);
	snprintf(q->name, sizeof(q->name), "%s", d->o.name);
	q->wait_seconds = d->o.wait_seconds;
	q->readonly = d->o.readonly;
	q->server = d->is_image;
	q->layout = NBD_LAYOUT;
	shared_store(&q->magic, NBD_MAGIC);
}

/* The lock, then the files that it is for. False if they are not to be had, now or at all. */
static bool prepared(struct nbd_disk *d)
{
	bool there = true;

	if (d->queue)
		return true;
	if (d->lock < 0)
		d->lock = open_file(d, "nbd-lock", 0, &there);
	if (d->lock >= 0 && flock(d->lock, LOCK_EX | LOCK_NB)) {
		if (++d->lock_tries == LOCK_TRIES)
			gone(d, "what an earlier backendd started for it does not end; look for its qemu-nbd");
		else
			set_timer(d, LOCK_TRY_MS);
		return false;
	}
	d->locked = d->lock >= 0;
	d->memory = open_file(d, "nbd", NBD_SIZE, &there);
	d->buffer = open_file(d, "nbd-buffer", NBD_BUFFER, &there);
	d->unflushed = open_file(d, "nbd-unflushed", UNFLUSHED_SIZE, &there);
	d->queue = mmap(NULL, NBD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, d->memory, 0);
	if (d->queue == MAP_FAILED || d->buffer < 0 || d->unflushed < 0 || !d->locked) {
		char text[256];

		snprintf(text, sizeof(text), "%s.nbd: %s", d->o.folder, strerror(errno));
		if (d->queue != MAP_FAILED)
			munmap(d->queue, NBD_SIZE);
		d->queue = NULL;
		gone(d, text);
		return false;
	}
	fill_queue(d, there);
	return true;
}

static bool still_closing(const struct nbd_disk *d)
{
	struct nbd_disk *other;

	LIST_FOREACH(other, &disks, next)
		if (other != d && other->closing &&
		    (!strcmp(other->o.folder, d->o.folder) ||
		     (d->is_image && other->is_image && !strcmp(other->image.path, d->image.path))))
			return true;
	return false;
}

static void go_on(struct nbd_disk *d)
{
	if (d->closing || d->state == NBD_GONE) {
		if (!d->client.pid)
			end_server(d);
		if (d->closing && !d->client.pid && !d->server.pid && !d->checker.pid)
			release(d);
		return;
	}
	if (d->pause || d->checker.pid || still_closing(d) || !prepared(d))
		return;
	if (d->is_image && !d->checked) {
		start_checker(d);
		return;
	}
	/* Of a dead client's server all is to have ended before the next says anything. */
	if (!d->client.pid && !d->server.pid)
		start_client(d);
	if (d->want_server && d->client.pid && !d->server.pid)
		start_server(d);
}

static void timer_event(void *context, uint32_t events)
{
	struct nbd_disk *d = context;
	uint64_t times;

	if (read(d->timer, &times, sizeof(times)) < 0)
		return;
	d->pause = false;
	if (d->server.told)
		kill_program(&d->server);
	if (d->client.told)
		kill_program(&d->client);
	go_on(d);
}

/* --- for the kind of device ---------------------------------------------------------------------------------------- */

struct nbd_disk *nbd_disk_open(const struct nbd_options *o, char *why, size_t size)
{
	struct nbd_disk *d = calloc(1, sizeof(*d));
	int err;

	if (!d || strlen(o->target) + strlen(o->format) + 2 > sizeof(d->queue->target)) {
		snprintf(why, size, d ? "its target is too long" : "no memory");
		free(d);
		return NULL;
	}
	d->o = *o;
	d->memory = d->buffer = d->unflushed = d->lock = -1;
	d->ring = d->bell = d->drained = d->timer = d->control = d->client_words = d->words = -1;
	d->o.format = d->strings[0] = strdup(o->format);
	d->o.target = d->strings[1] = strdup(o->target);
	d->o.name = d->strings[2] = strdup(o->name);
	d->o.folder = d->strings[3] = strdup(o->folder);
	d->o.empty = d->strings[4] = strdup(o->empty);
	d->o.program = d->strings[5] = strdup(o->program);
	d->is_image = d->want_server = image_known(o->format);
	LIST_INSERT_HEAD(&disks, d, next);
	d->closing = true;	/* release() then frees it alone */
	d->ring = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->drained = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	d->timer_source = d->timer < 0 ? NULL : events_add(d->timer, EPOLLIN, timer_event, d);
	if (!d->timer_source || d->ring < 0 || d->bell < 0 || d->drained < 0) {
		err = -errno;
		snprintf(why, size, "no descriptors for it: %s", strerror(errno));
	} else {
		err = d->is_image ? image_open(&d->image, o->format, o->target, o->readonly, o->discard, why, size) : 0;
	}
	if (err) {
		release(d);
		return NULL;
	}
	d->closing = false;
	set_timer(d, 1);	/* go_on(), but not before the caller has what we return */
	return d;
}

enum nbd_state nbd_disk_state(const struct nbd_disk *d, struct nbd_geometry *g, const char **why)
{
	*g = d->geometry;
	*why = d->why;
	return d->state;
}

unsigned int nbd_disk_descriptors(const struct nbd_disk *d, int *fds)
{
	fds[NBD_WORKER_BUFFER] = d->buffer;
	fds[NBD_WORKER_QUEUE] = d->memory;
	fds[NBD_WORKER_RING] = d->ring;
	fds[NBD_WORKER_BELL] = d->bell;
	return NBD_WORKER_FDS;
}

bool nbd_disk_drained(struct nbd_disk *d)
{
	uint64_t times;

	if (read(d->drained, &times, sizeof(times)) < 0 && errno != EAGAIN)
		return false;
	if (d->state == NBD_GONE)
		return !d->client.pid && !d->server.pid;
	if (d->queue->generation) {
		shared_store(&d->queue->generation, 0);
		ring(d->ring);
	}
	return !shared_load(&d->queue->accepted);
}

int nbd_disk_drained_fd(const struct nbd_disk *d)
{
	return d->drained;
}

int nbd_disk_look(struct nbd_disk *d)
{
	if (d->is_image)
		return -ENOTSUP;
	return send_client(d, NBD_LOOK, -1) ? 0 : -EAGAIN;
}

void nbd_disk_close(struct nbd_disk *d)
{
	d->closing = true;
	kill_program(&d->checker);
	if (d->client.pid && d->state == NBD_SERVING && send_client(d, NBD_END, -1)) {
		d->client.told = true;
		set_timer(d, PATIENCE_S * 1000);
	} else {
		kill_program(&d->client);
		/* Not at once: the caller may be in a callback of ours. */
		set_timer(d, 1);
	}
}
