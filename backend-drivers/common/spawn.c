// SPDX-License-Identifier: MIT
/*
 * Workers: started, listened to, started again. A worker is a program of its own, so that what is installed can be
 * replaced; it begins with its descriptors under fixed numbers and nothing else, and dies with the keeper.
 *
 * A worker locks its memory's file, with a lock that belongs to a process, and goes with it when the process has no memory
 * any more. So there is one at a time, though a killed keeper's successor starts without knowing the workers of that.
 *
 * A worker that is killed (SIGKILL) is always started again. One that crashes or ends by itself may have been made to by
 * its guest, and would do so for ever: CRASHES_MOST of those, or STARTS_MOST in a row that don't come up, end its device.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "keeper.h"

#define STARTS_MOST	8
#define CRASHES_MOST	100
#define LINES_MOST	60u	/* in the log, of a worker in a minute */
#define MINUTE_NS	60000000000ull
#define HIGH_FD		100	/* above all that the child puts in place */

static __attribute__((noreturn)) void become_worker(struct device *d, int control, pid_t keeper)
{
	int fds[FD_OWN + WORKER_OWN_FDS - FD_CONTROL] = { control, d->memory_fd, d->events_fd, d->grants_fd };
	int count = 4 + d->kind->descriptors(d, fds + 4);
	char path[512], uid[16], root[512], name[] = "PATH=/";
	char *argv[] = { (char *)d->kind->worker, d->name, uid, root, NULL }, *environment[] = { name, NULL };
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(1);
	for (int i = 0; i < count; i++)
		fds[i] = fcntl(fds[i], F_DUPFD, HIGH_FD);
	for (int i = 0; i < count; i++)
		if (fds[i] < 0 || dup2(fds[i], FD_CONTROL + i) < 0)
			_exit(2);
	close_range(FD_CONTROL + count, ~0u, 0);
	/* The lock stays through execve(), and any close() of that file would lose it: so it is the last. */
	while (fcntl(FD_MEMORY, F_SETLKW, &lock))
		if (errno != EINTR)
			_exit(2);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(path, sizeof(path), "%s/%s", options.worker_dir, d->kind->worker);
	snprintf(uid, sizeof(uid), "%u", options.first_uid + d->slot);
	snprintf(root, sizeof(root), "%s/backendd/empty", options.run_dir);
	execve(path, argv, environment);
	_exit(127);
}

static void worker_says(void *context, uint32_t events);

int worker_start(struct device *d)
{
	int pair[2];
	pid_t keeper = getpid();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return device_error(d, errno, "no socket pair for its worker: %s", strerror(errno));
	device_restrict(d);
	d->memory->starts++;
	d->pid = fork();
	if (!d->pid)
		become_worker(d, pair[1], keeper);
	close(pair[1]);
	d->control = pair[0];
	d->control_source = d->pid < 0 ? NULL : events_add(d->control, EPOLLIN, worker_says, d);
	if (d->control_source)
		return 0;
	worker_stop(d);
	return device_error(d, ENOMEM, "its worker can't be started");
}

static void forget(struct device *d)
{
	events_remove(d->control_source);
	d->control_source = NULL;
	if (d->control >= 0)
		close(d->control);
	d->control = -1;
	d->pid = 0;
}

void worker_stop(struct device *d)
{
	if (d->upgrade_client >= 0)
		control_answer(d->upgrade_client, "the device closed");
	d->upgrade_client = -1;
	if (d->pid > 0) {
		kill(d->pid, SIGKILL);
		while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	forget(d);
}

void worker_replace(struct device *d, int client)
{
	if (d->upgrade_client >= 0)
		control_answer(d->upgrade_client, "replaced once more");
	d->upgrade_client = client;
	kill(d->pid, SIGKILL);
}

static void describe(char *text, size_t size, const struct device *d, int status)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 127)
		snprintf(text, size, "can't be run: is there a program %s/%s?", options.worker_dir, d->kind->worker);
	else
		snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
}

/* Messages that it sent before it ended are still there to be read. */
static void read_rest(struct device *d)
{
	pid_t pid = d->pid;

	while (d->pid == pid && d->control >= 0) {
		char peek;

		if (recv(d->control, &peek, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
			break;
		worker_says(d, EPOLLIN);
	}
}

void worker_ended(struct device *d, int status)
{
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	pid_t pid = d->pid;
	char how[256];

	d->pid = -1;		/* it is reaped: nobody may signal that number */
	read_rest(d);
	describe(how, sizeof(how), d, status);
	forget(d);
	if (d->answered) {
		device_look(d);		/* it closes, and may be gone now */
		return;
	}
	if (!d->connected || d->failed || d->draining)
		return;
	log_line("%s: its worker %d %s%s", d->name, pid, how,
		 d->upgrade_client >= 0 ? ": it is replaced" : "; starting it again");
	d->deaths = shared_load(&d->memory->ready) == d->memory->starts ? 0 : d->deaths + 1;
	d->crashes += !killed;
	if (d->deaths >= STARTS_MOST || d->crashes >= CRASHES_MOST) {
		device_give_up(d, "its worker %s, %s times; giving it up", how, d->deaths >= STARTS_MOST ? "8" : "100");
		return;
	}
	d->memory->died_ns = now_ns();
	if (device_new_grants(d) || worker_start(d))
		device_give_up(d, "its worker can't be started again");
}

static void ready(struct device *d)
{
	if (d->memory->died_ns)
		log_line("%s: served again, by worker %d, after %llu us", d->name, d->pid,
			 (unsigned long long)(now_ns() - d->memory->died_ns) / 1000);
	d->memory->died_ns = 0;
	if (d->upgrade_client >= 0)
		control_answer(d->upgrade_client, NULL);
	d->upgrade_client = -1;
	device_ready(d);
}

/* A worker is not trusted with the log's size. */
static void log_worker(struct device *d, const char *text)
{
	uint64_t now = now_ns();

	if (now - d->lines_ns > MINUTE_NS) {
		if (d->lines > LINES_MOST)
			log_line("%s: %u more lines were left out", d->name, d->lines - LINES_MOST);
		d->lines_ns = now;
		d->lines = 0;
	}
	if (d->lines++ < LINES_MOST)
		log_line("%s: %s", d->name, text);
}

static void worker_says(void *context, uint32_t events)
{
	struct device *d = context;
	static struct message m;
	ssize_t size = recv(d->control, &m, sizeof(m), MSG_DONTWAIT);

	if (size <= 0) {
		/* Its end: SIGCHLD says how. */
		if (!size || errno != EAGAIN) {
			events_remove(d->control_source);
			d->control_source = NULL;
		}
		return;
	}
	if (size < (ssize_t)MESSAGE_HEAD) {
		log_line("%s: its worker sends what is no message", d->name);
		return;
	}
	memset((char *)&m + size, 0, sizeof(m) - size);
	m.text[sizeof(m.text) - 1] = 0;
	switch (m.type) {
	case MESSAGE_READY:
		ready(d);
		break;
	case MESSAGE_ANSWERED:
		device_answered(d);
		break;
	case MESSAGE_LOG:
		log_worker(d, m.text);
		break;
	case MESSAGE_MISBEHAVES:
		device_give_up(d, "its frontend misbehaves: %s; the device is closed", m.text);
		break;
	case MESSAGE_MAP:
		device_serve_map(d, &m);
		worker_send(d, &m, MESSAGE_HEAD);
		break;
	case MESSAGE_UNMAP:
		device_serve_unmap(d, &m);
		break;
	case MESSAGE_COPY:
		device_serve_copy(d, &m);
		worker_send(d, &m, sizeof(m));
		break;
	default:
		if (m.type >= MESSAGE_OWN && d->kind->message)
			d->kind->message(d, &m, size);
		else
			log_line("%s: its worker sends a message of unknown type %u", d->name, m.type);
	}
}

bool worker_send(struct device *d, const struct message *m, size_t size)
{
	return d->control >= 0 && send(d->control, m, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}
