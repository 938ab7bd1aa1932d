// SPDX-License-Identifier: MIT
/*
 * kill_at N COMMAND...: runs COMMAND and kills it (SIGKILL) where it is about to make its N-th system call, counted from 1
 * at the first after execve(). What a program does to the world it does by system calls, so N from 1 up to the last one is
 * every moment at which it can be killed.
 *
 * Only the program itself is counted and killed, not its children. Ends with COMMAND's status if that made fewer calls,
 * with 137 if it was killed; then what it was killed before is told on stderr.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLED		137
#define SYSCALL_STOP	(SIGTRAP | 0x80)

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	long left = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
	int status, signal_number = 0;
	bool inside = false;
	pid_t pid;

	if (left < 1) {
		fprintf(stderr, "usage: kill_at N COMMAND...\n");
		return 2;
	}
	pid = fork();
	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			die("kill_at: ptrace");
		execvp(argv[2], argv + 2);
		die(argv[2]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		die("kill_at");
	if (!WIFSTOPPED(status))
		return status_of(status);
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
		die("kill_at: ptrace");
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, signal_number) || waitpid(pid, &status, 0) < 0)
			die("kill_at: ptrace");
		if (!WIFSTOPPED(status))
			return status_of(status);
		signal_number = WSTOPSIG(status) == SYSCALL_STOP ? 0 : WSTOPSIG(status);
		if (signal_number)
			continue;
		inside = !inside;
		if (inside && !--left) {
			struct user_regs_struct regs;

			if (!ptrace(PTRACE_GETREGS, pid, NULL, &regs))
				fprintf(stderr, "kill_at: before system call %llu\n", (unsigned long long)regs.orig_rax);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return KILLED;
		}
	}
}
