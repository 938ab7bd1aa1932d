// SPDX-License-Identifier: MIT
/*
 * blkback-nbd: speaks NBD for one disk. The keeper starts it in a jail (jail.h), with descriptors and nothing else; the
 * block worker, whose guest could have made it mad, puts requests into shared memory and has no socket.
 *
 *	           connected                    lost, or NBD_LOOK
 *	  DOWN -----------> CONNECTING -----> UP ---------------> DOWN
 *	   ^  next_try, or     |
 *	   +--- NBD_SOCKET ----+ failed: the first time, it ends with NBD_FAILED; later it tries again every second
 *
 * Requests wait for a lost server for queue->wait_seconds; then they end with EIO, until it is back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "control.h"
#include "link.h"
#include "serve.h"
#include "unflushed.h"

#define NEVER		UINT64_MAX
#define TRY_NS		1000000000ull	/* between two tries */
#define ATTEMPT_NS	15000000000ull	/* that a connection may take to come up */
#define END_NS		10000000000ull	/* that the last flush may take */

static enum link_state state;
static bool known;			/* it was connected once, here or in an earlier process */
static bool looking, ending, gave_up;
static uint64_t next_try = NEVER, attempt_ends, lost_at, end_at = NEVER;

/* --- the keeper ---------------------------------------------------------------------------------- */

static void tell(const struct nbd_message *m)
{
	while (send(NBD_FD_CONTROL, m, sizeof(*m), MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			_exit(4);	/* no keeper any more */
}

static __attribute__((format(printf, 2, 3))) void tell_text(enum nbd_message_type type, const char *format, ...)
{
	struct nbd_message m = { .type = type };
	va_list ap;

	va_start(ap, format);
	vsnprintf(m.text, sizeof(m.text), format, ap);
	va_end(ap);
	tell(&m);
}

void say(const char *format, ...)
{
	struct nbd_message m = { .type = NBD_LOG };
	va_list ap;

	va_start(ap, format);
	vsnprintf(m.text, sizeof(m.text), format, ap);
	va_end(ap);
	tell(&m);
}

void tell_accepted(uint32_t generation)
{
	tell(&(struct nbd_message){ .type = NBD_ACCEPTED, .generation = generation });
}

void ring_worker(void)
{
	uint64_t one = 1;

	while (write(NBD_FD_BELL, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

static __attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...)
{
	struct nbd_message m = { .type = NBD_FAILED };
	va_list ap;

	va_start(ap, format);
	vsnprintf(m.text, sizeof(m.text), format, ap);
	va_end(ap);
	tell(&m);
	_exit(1);
}

/* --- the connection -------------------------------------------------------------------------------- */

/* There is no connection; link_why() says why. */
static void down(void)
{
	bool was_up = state == LINK_UP;

	state = LINK_DOWN;
	link_close();
	serve_link_down();
	if (!known)
		fail("%s", link_why());
	if (was_up) {
		lost_at = now_ns();
		gave_up = false;
	}
	if (was_up && !looking && !ending)
		say("the connection is lost (%s); requests wait for at most %u s", link_why(), queue->wait_seconds);
	next_try = queue->server ? NEVER : was_up ? now_ns() : now_ns() + TRY_NS;
	if (queue->server)
		tell_text(NBD_LOST, "%s", link_why());
}

static void came_up(void)
{
	struct nbd_message m = { .type = NBD_UP };

	if (link_server(&m.disk_bytes, &m.block, &m.flags)) {
		if (known)
			say("the server is back, but can't be used: %s", link_why());
		down();
		return;
	}
	if (known && (m.disk_bytes < queue->disk_bytes || m.block > queue->block ||
		      (m.flags & NBD_IS_READONLY && !queue->readonly))) {
		say("what the server has now is %s: it is not used",
		    m.disk_bytes < queue->disk_bytes ? "smaller than the disk was" :
		    m.block > queue->block ? "of larger blocks than the disk had" : "read-only");
		down();
		return;
	}
	if (!known && m.flags & NBD_IS_READONLY && !queue->readonly)
		fail("the server gives it read-only; give the disk the access mode \"r\"");
	queue->block = known ? queue->block : m.block;
	m.block = queue->block;
	queue->flags = m.flags;
	shared_store(&queue->disk_bytes, m.disk_bytes);
	if (known && !looking)
		say("connected again after %llu ms", (unsigned long long)(now_ns() - lost_at) / 1000000);
	state = LINK_UP;
	known = true;
	looking = false;
	tell(&m);
	serve_link_up(m.flags, m.disk_bytes);
}

/* What poll() found, or 0: a connection can also come up, or end, within a call of ours. */
static void link_event(short revents)
{
	enum link_state s = link_step(revents);

	if (s == LINK_DOWN)
		down();
	else if (s == LINK_UP && state == LINK_CONNECTING)
		came_up();
}

static void connecting(bool begun)
{
	state = LINK_CONNECTING;
	next_try = NEVER;
	attempt_ends = now_ns() + ATTEMPT_NS;
	if (!begun)
		down();
}

/* --- events ------------------------------------------------------------------------------------------ */

static void keeper_says(void)
{
	struct nbd_message m;
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space) };
	struct cmsghdr *c;
	ssize_t n = recvmsg(NBD_FD_CONTROL, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd = -1;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(m))
		_exit(4);
	c = CMSG_FIRSTHDR(&header);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (m.type == NBD_SOCKET && fd >= 0) {
		if (state != LINK_DOWN)
			down();
		connecting(link_connect_socket(fd));
	} else if (m.type == NBD_LOOK) {
		looking = state == LINK_UP;
	} else if (m.type == NBD_END) {
		ending = true;
		end_at = now_ns() + END_NS;
	}
}

static void timers(void)
{
	uint64_t t = now_ns();

	if (state == LINK_DOWN && t >= next_try)
		connecting(link_connect_uri(queue->target));
	if (state == LINK_CONNECTING && t >= attempt_ends) {
		link_close();
		if (!known)
			fail("the server does not answer");
		down();
	}
	if (known && state != LINK_UP && !gave_up && t >= lost_at + queue->wait_seconds * 1000000000ull) {
		gave_up = true;
		say("the server is away for %u s: requests fail until it is back (%s)", queue->wait_seconds, link_why());
		serve_give_up();
	}
	if (looking && state == LINK_UP && serve_hold())
		down();
	if (state == LINK_UP && serve_server_leaves()) {
		down();
		next_try = queue->server ? NEVER : t + TRY_NS;
	}
	if (ending && (state != LINK_UP || t >= end_at || serve_settle())) {
		link_close();
		_exit(0);
	}
}

static int timeout_ms(void)
{
	uint64_t t = now_ns(), first = end_at;

	if (state == LINK_DOWN && next_try < first)
		first = next_try;
	if (state == LINK_CONNECTING && attempt_ends < first)
		first = attempt_ends;
	if (known && state != LINK_UP && !gave_up && lost_at + queue->wait_seconds * 1000000000ull < first)
		first = lost_at + queue->wait_seconds * 1000000000ull;
	return first == NEVER ? -1 : first <= t ? 0 : (int)((first - t + 999999) / 1000000);
}

static __attribute__((noreturn)) void loop(void)
{
	for (;;) {
		struct pollfd fds[3] = { { NBD_FD_CONTROL, POLLIN, 0 }, { NBD_FD_RING, POLLIN, 0 } };
		uint64_t rings;

		enum link_state before;

		timers();
		serve_push();
		/* What was sent may have found the connection dead: then there is nothing left to poll. */
		before = state;
		if (before != LINK_DOWN)
			link_event(0);
		if (state != before)
			continue;
		fds[2].fd = link_fd(&fds[2].events);
		if (poll(fds, 3, timeout_ms()) < 0)
			continue;
		if (fds[1].revents && read(NBD_FD_RING, &rings, sizeof(rings)) < 0 && errno != EAGAIN && errno != EINTR)
			_exit(5);
		if (fds[2].revents)
			link_event(fds[2].revents);
		if (fds[0].revents)
			keeper_says();
	}
}

/* --- rights ------------------------------------------------------------------------------------------- */

static int allow(scmp_filter_ctx f, const int *calls, unsigned int count)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < count; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
	return err;
}

/* The rest gets EPERM: libraries know how to live with that. */
static void filter(void)
{
	static const int always[] = {
		SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close), SCMP_SYS(poll), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
		SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(brk), SCMP_SYS(madvise),
		SCMP_SYS(exit_group), SCMP_SYS(clock_gettime), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigreturn),
		SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid),
		SCMP_SYS(fcntl), SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(setsockopt), SCMP_SYS(getsockopt),
		SCMP_SYS(futex), SCMP_SYS(writev), SCMP_SYS(shutdown), SCMP_SYS(gettimeofday), SCMP_SYS(time),
		SCMP_SYS(getrusage), SCMP_SYS(clock_nanosleep),
	};
	/* To connect by itself: names, certificates, sockets. */
	static const int network[] = {
		SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(newfstatat), SCMP_SYS(fstat), SCMP_SYS(lseek), SCMP_SYS(access),
		SCMP_SYS(pread64), SCMP_SYS(uname), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
		SCMP_SYS(ioctl), SCMP_SYS(sendmmsg), SCMP_SYS(getdents64), SCMP_SYS(readlink), SCMP_SYS(mprotect),
	};
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = f ? allow(f, always, sizeof(always) / sizeof(always[0])) : -ENOMEM;

	/* A library of names is loaded later, so code may be mapped where there is a network. */
	if (!err && queue->server)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!err && !queue->server)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 0);
	if (!err && !queue->server)
		err = allow(f, network, sizeof(network) / sizeof(network[0]));
	for (unsigned int i = 0; !err && !queue->server && i < sizeof(families) / sizeof(families[0]); i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	if (!err && !queue->server)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDONLY));
	if (!err)
		err = seccomp_load(f);
	if (err)
		fail("the filter of system calls can't be set: %s", strerror(-err));
	seccomp_release(f);
}

int main(int argc, char **argv)
{
	static const char text[] = "this program is started by backendd, see backendd(8)\n";
	int err;

	queue = mmap(NULL, NBD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, NBD_FD_QUEUE, 0);
	if (queue == MAP_FAILED)
		return write(2, text, sizeof(text) - 1) > 0 ? 2 : 3;
	if (queue->magic != NBD_MAGIC || queue->layout != NBD_LAYOUT)
		fail("its program and backendd are of different versions: restart backendd");
	buffer = mmap(NULL, NBD_BUFFER, PROT_READ | PROT_WRITE, MAP_SHARED, NBD_FD_BUFFER, 0);
	if (buffer == MAP_FAILED)
		fail("its buffer can't be mapped: %s", strerror(errno));
	queue->target[sizeof(queue->target) - 1] = 0;
	signal(SIGPIPE, SIG_IGN);
	err = unflushed_open(NBD_FD_UNFLUSHED);
	if (err == -EBADMSG)
		say("what was written and not flushed is not known any more: it may be lost");
	else if (err)
		fail("the memory for what is not flushed: %s", strerror(-err));
	filter();
	known = queue->disk_bytes != 0;
	lost_at = now_ns();
	serve_begin();
	if (!queue->server)
		next_try = 0;
	loop();
}
