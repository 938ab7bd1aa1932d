/* SPDX-License-Identifier: MIT */
/*
 * A program in a jail: namespaces of its own (processes, mounts, System V IPC, host name and, where it needs none, network),
 * a root folder that holds what is named and the libraries, its own user, limits, a filter of system calls.
 *
 * The keeper starts it and is told of its end (jail_ended(), from its SIGCHLD). Nothing here waits.
 */
#ifndef BACKEND_NBD_JAIL_H
#define BACKEND_NBD_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum jail_how {
	JAIL_READ,	/* the file or folder, read-only */
	JAIL_WRITE,	/* the file or block device */
	JAIL_COPY,	/* a copy of the file, or of the files in the folder, that only the program's user can read */
};

struct jail_file {
	enum jail_how how;
	const char *path;	/* absolute; those that don't exist are left out */
	const char *inside;	/* where it is in the jail; NULL for the same */
};

#define JAIL_FDS	8

struct jail {
	const char *program;	/* absolute */
	char *const *argv;
	char *const *environment;
	uint32_t uid;
	const char *mount_on;	/* any empty folder */
	bool network;		/* the keeper's; else none */
	bool own_all;		/* may open all files that are in the jail, whoever owns them (CAP_DAC_OVERRIDE) */
	int death_signal;	/* it gets this when the keeper dies */
	size_t memory_most;	/* bytes of address space; 0: no limit */
	const struct jail_file *files;
	unsigned int nr_files;
	int out, err;		/* become 1 and 2; -1: none */
	int fds[JAIL_FDS];	/* become 3 and so on */
	unsigned int nr_fds;
	int (*filter)(void);	/* sets the filter of system calls, execveat() among them; 0 or -errno. NULL: the program does */
};

typedef void (*jail_end)(void *context, int status);

#define JAIL_FAILED	126

/* The process, or -errno. What goes wrong after that it writes to @err, and ends with status JAIL_FAILED. */
pid_t jail_start(const struct jail *j, jail_end ended, void *context);
/* From the keeper's waitpid(): true if it was one of ours. */
bool jail_ended(pid_t pid, int status);
/* True when none is running. */
bool jail_all_ended(void);

#endif
