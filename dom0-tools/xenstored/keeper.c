// SPDX-License-Identifier: MIT
/*
 * The keeper: the process that must not die, and therefore hardly does anything. It owns the listening sockets, every
 * connection's descriptor, the event channels with their bindings, and the shared memory; and it starts the daemon,
 * its child, as often as that dies. A new daemon inherits all descriptors under their numbers.
 *
 * It reads no byte that a client or guest sends, parses nothing, and allocates nothing after its start.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "daemon.h"

#define GIVE_UP_AFTER 20	/* starts in a row of which none came up */

static pid_t daemon_pid;
static int calls = -1, news = -1;
static uint32_t free_slots[SLOTS], free_count;
static uint16_t ring_slots[DOMID_FIRST_RESERVED];	/* of a domain's ring: slot + 1 */
static unsigned int failed_starts;

/* By another name first: whoever reads it finds the old number or the new one. */
static void write_pid_file(pid_t pid)
{
	char other[4096];
	FILE *f;

	if (!options.pid_file)
		return;
	snprintf(other, sizeof(other), "%s.new", options.pid_file);
	f = fopen(other, "we");
	if (f) {
		fprintf(f, "%d\n", pid);
		if (!fclose(f) && !rename(other, options.pid_file))
			return;
	}
	log_line("the pid file %s can't be written: %m", options.pid_file);
}

static void slot_free(struct slot *slot)
{
	if (slot->kind == KIND_RING) {
		xen_unbind(events_fd, slot->local_port);
		ring_slots[slot->domid] = 0;
	} else {
		close(slot->fd);
	}
	slot->uid = 0;
	free_slots[free_count++] = slot - shm->slots;
	shm_store(&slot->state, SLOT_FREE);
}

/* A free slot with all its numbers at the beginning; NULL if there is none. */
static struct slot *slot_take(void)
{
	struct slot *slot;

	if (free_count)
		slot = &shm->slots[free_slots[--free_count]];
	else if (shm->slots_used < SLOTS)
		slot = &shm->slots[shm->slots_used++];
	else {
		log_line("no room for another connection: %u are open", SLOTS);
		return NULL;
	}
	memset(slot, 0, offsetof(struct slot, input));
	slot->rx.msg_len = slot->tx.msg_len = NONE;
	slot->fd = -1;
	slot->born = shm->starts;
	return slot;
}

/* Gives the daemon a connection's descriptor; if the daemon is just dying the next one inherits it. */
static void tell_daemon(struct slot *slot)
{
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	uint32_t number = slot - shm->slots;
	struct iovec iov = { &number, sizeof(number) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &slot->fd, sizeof(int));
	while (sendmsg(news, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR)
		continue;
}

static void accept_one(int listener, enum slot_kind kind)
{
	struct pollfd room = { news, POLLOUT, 0 };
	struct slot *slot;
	int fd;

	/* While the daemon has a queue of connections to look at, the others wait in the kernel's. */
	if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT))
		return;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	slot = slot_take();
	if (!slot) {
		close(fd);
		return;
	}
	slot->kind = kind;
	slot->fd = fd;
	shm_store(&slot->state, SLOT_NEW);
	tell_daemon(slot);
}

/* A domain's port is bound once: whatever was bound for it before is given up. */
static void bind_domain(const struct keeper_call *call, struct keeper_answer *answer)
{
	struct slot *slot;
	int port;

	if (call->domid >= DOMID_FIRST_RESERVED) {
		answer->err = EINVAL;
		return;
	}
	if (ring_slots[call->domid])
		slot_free(&shm->slots[ring_slots[call->domid] - 1]);
	port = xen_bind(events_fd, call->domid, call->port);
	slot = port < 0 ? NULL : slot_take();
	if (!slot) {
		answer->err = port < 0 ? -port : ENOSPC;
		if (port >= 0)
			xen_unbind(events_fd, port);
		return;
	}
	slot->kind = KIND_RING;
	slot->domid = call->domid;
	slot->gfn = call->gfn;
	slot->port = call->port;
	slot->local_port = port;
	ring_slots[call->domid] = slot - shm->slots + 1;
	shm_store(&slot->state, SLOT_NEW);
	answer->err = 0;
	answer->slot = slot - shm->slots;
}

static void serve_call(void)
{
	struct keeper_call call;
	struct keeper_answer answer = { 0 };
	ssize_t n = recv(calls, &call, sizeof(call), MSG_DONTWAIT);

	if (n != sizeof(call))
		return;
	if (call.op == KEEPER_BIND) {
		bind_domain(&call, &answer);
		send(calls, &answer, sizeof(answer), MSG_NOSIGNAL);
	} else if (call.op == KEEPER_CLOSE && call.slot < SLOTS) {
		struct slot *slot = &shm->slots[call.slot];

		if (slot->state == SLOT_CLOSING && slot->uid == call.uid)
			slot_free(slot);
	}
}

static void start_daemon(int ready_pipe, const sigset_t *old_mask)
{
	int call_pair[2], news_pair[2];
	pid_t keeper = getpid();

	for (uint32_t i = 0; i < shm->slots_used; i++)
		if (shm->slots[i].state == SLOT_CLOSING)
			slot_free(&shm->slots[i]);
	shm->ready = 0;
	shm->starts++;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, call_pair) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, news_pair)) {
		log_line("no socket pair for the daemon: %m");
		exit(1);
	}
	daemon_pid = fork();
	if (daemon_pid < 0) {
		log_line("the daemon can't be started: %m");
		exit(1);
	}
	if (!daemon_pid) {
		prctl(PR_SET_NAME, "xenstored");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != keeper)
			_exit(1);
		sigprocmask(SIG_SETMASK, old_mask, NULL);
		close(call_pair[0]);
		close(news_pair[0]);
		worker_run(call_pair[1], news_pair[1], ready_pipe);
	}
	close(call_pair[1]);
	close(news_pair[1]);
	calls = call_pair[0];
	news = news_pair[0];
	write_pid_file(daemon_pid);
}

static void daemon_died(int status)
{
	close(calls);
	close(news);
	if (WIFSIGNALED(status))
		log_line("the daemon died of signal %d (%s); starting it again", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		log_line("the daemon ended with status %d; starting it again", WEXITSTATUS(status));
	/* A message that kills the daemon by itself must not do so for ever. */
	if (shm->executing && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		shm->crashes++;
	failed_starts = shm->ready ? 0 : failed_starts + 1;
	if (failed_starts == GIVE_UP_AFTER) {
		log_line("the daemon did not come up %u times in a row; giving up", failed_starts);
		exit(1);
	}
}

static void stop(void)
{
	kill(daemon_pid, SIGKILL);
	waitpid(daemon_pid, NULL, 0);
	unlink(options.socket);
	unlink(options.socket_ro);
	if (options.pid_file)
		unlink(options.pid_file);
	exit(0);
}

/* Signals: the end, a log file that was moved away, the daemon's death. Returns true if a daemon is wanted. */
static bool serve_signal(int fd)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
		stop();
	if (info.ssi_signo == SIGHUP) {
		if (options.trace_file)
			log_to_file(options.trace_file);
		kill(daemon_pid, SIGHUP);
	}
	pid = waitpid(daemon_pid, &status, WNOHANG);
	if (pid != daemon_pid)
		return false;
	daemon_died(status);
	return true;
}

void keeper_run(int listener, int listener_ro, int ready_pipe)
{
	sigset_t mask, old_mask;
	int signals;

	prctl(PR_SET_NAME, "xenstore-keeper");
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, &old_mask);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	start_daemon(ready_pipe, &old_mask);
	for (;;) {
		struct pollfd p[] = {
			{ signals, POLLIN, 0 }, { calls, POLLIN, 0 }, { listener, POLLIN, 0 },
			{ listener_ro, POLLIN, 0 },
		};

		if (poll(p, sizeof(p) / sizeof(p[0]), -1) < 0)
			continue;
		if (p[0].revents && serve_signal(signals)) {
			start_daemon(ready_pipe, &old_mask);
			continue;
		}
		if (p[1].revents & POLLIN)
			serve_call();
		else if (p[1].revents)
			nanosleep(&(struct timespec){ 0, 1000000 }, NULL);	/* it is dying */
		if (p[2].revents)
			accept_one(listener, KIND_SOCKET);
		if (p[3].revents)
			accept_one(listener_ro, KIND_SOCKET_RO);
	}
}
