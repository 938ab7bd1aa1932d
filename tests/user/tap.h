/* SPDX-License-Identifier: MIT */
/*
 * What the programs of this directory share: results in TAP, and children that
 * report one. A program prints a line for each thing it checks and its plan at
 * the end, so a program that dies on the way has no plan and has failed.
 */
#ifndef TAP_H
#define TAP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int tap_tests, tap_failed;

static inline bool __attribute__((format(printf, 2, 3))) ok(bool good, const char *format, ...)
{
	va_list args;

	tap_tests++;
	tap_failed += !good;
	printf("%sok %d - ", good ? "" : "not ", tap_tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	return good;
}

static inline void __attribute__((format(printf, 1, 2))) note(const char *format, ...)
{
	va_list args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

static inline void skip(const char *what, const char *why)
{
	printf("ok %d - %s # skip %s\n", ++tap_tests, what, why);
	fflush(stdout);
}

/* The last words of main(). */
static inline int tap_end(void)
{
	printf("1..%d\n", tap_tests);
	fflush(stdout);
	return tap_failed != 0;
}

/* Runs fn in a child; true when it returned true there. */
static inline bool in_child(bool (*fn)(void *), void *data)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(fn(data) ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static inline void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	sigemptyset(&sa.sa_mask);
	if (sigaction(sig, &sa, NULL))
		abort();
}

static inline int nr_cpus_online(void) { return sysconf(_SC_NPROCESSORS_ONLN); }

/* Moves the calling thread to a CPU; false where there is none. */
static inline bool run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0;
}

#endif
