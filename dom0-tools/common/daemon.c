// SPDX-License-Identifier: MIT
/* Coming up as a daemon; daemon.h has the order. A byte in a pipe is the word, its end without one the failure. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "daemon.h"

static __attribute__((noreturn)) void fail(const char *program, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program, what, strerror(errno));
	exit(1);
}

static __attribute__((noreturn)) void wait_and_end(const char *program, int ready, pid_t pid, bool print_pid)
{
	char byte;
	ssize_t n;

	do
		n = read(ready, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1) {
		fprintf(stderr, "%s: the daemon did not come up; see the system log\n", program);
		exit(1);
	}
	if (print_pid)
		printf("%d\n", pid);
	exit(0);
}

int daemon_behind(const char *program, bool print_pid)
{
	int ready[2];
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		fail(program, "no pipe for a daemon");
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fail(program, "no process for a daemon");
	if (pid) {
		close(ready[1]);
		wait_and_end(program, ready[0], pid, print_pid);
	}
	close(ready[0]);
	setsid();
	if (chdir("/"))
		fail(program, "can't go to /");
	umask(022);
	return ready[1];
}

void daemon_silence(bool keep_errors)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd < (keep_errors ? 2 : 3); fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

bool daemon_serves(int ready)
{
	bool heard = write(ready, "", 1) == 1;

	close(ready);
	return heard;
}
