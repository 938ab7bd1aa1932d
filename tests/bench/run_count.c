// SPDX-License-Identifier: MIT
/*
 * run_count NAME COMMAND...: runs a command and prints "run_count: NAME INSTRUCTIONS". Under QEMU's -icount the time stamp
 * counter counts instructions: those of the command, of all it had others do, and of the idle time in between, in which
 * the counter goes on to the next timer.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

int main(int argc, char **argv)
{
	unsigned long long start;
	int status = 0;
	pid_t pid;

	if (argc < 3)
		return 2;
	start = __rdtsc();
	pid = fork();
	if (!pid) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	printf("run_count: %s %llu\n", argv[1], __rdtsc() - start);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
