/* SPDX-License-Identifier: MIT */
/*
 * The folder of files that stand in Xen's place in tests: XENSTORED_RUNDIR of the environment.
 */
#ifndef TESTS_RUNDIR_H
#define TESTS_RUNDIR_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The path of a file in it; `format` has one number at most. Good until the next call. */
static inline const char *in_rundir(const char *format, unsigned int n)
{
	static char path[4096];
	const char *dir = getenv("XENSTORED_RUNDIR");
	int len = snprintf(path, sizeof(path) - 64, "%s/", dir ? dir : ".");

	snprintf(path + len, 64, format, n);
	return path;
}

/* Opens the fifo `name` there, made if need be; it never blocks and has no end. -1 with errno. */
static inline int open_fifo(const char *name)
{
	const char *path = in_rundir(name, 0);

	mkfifo(path, 0600);
	return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

#endif
