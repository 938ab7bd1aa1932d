// SPDX-License-Identifier: MIT
/*
 * bootloader=: a program of dom0 that looks into the guest's first disk and takes kernel, ramdisk and command line out of
 * it (pygrub is one). It is called as by the toolstack of Xen 4.17:
 *
 *	PROGRAM --output=FILE --output-format=simple0 --output-directory=FOLDER [bootloader_args] DISK
 *
 * and writes to FILE words that each end with a zero byte: "kernel PATH", "ramdisk PATH", "args TEXT". The two files lie in
 * FOLDER, are read once, and removed with it. The program may ask its user: it has the terminal of xl, so it is ended by
 * Ctrl-C together with xl. The folder is locked as records are (record.c); one that can be locked was left behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bootloader.h"

#define PARENT		"/var/run/xen"
#define PREFIX		"bootloader."
#define FOLDER_TRIES	8
#define ARGS_MAX	64
#define OUTPUT_MAX	65536
/* Where a name without a folder may be, besides PATH. */
#define DEBIAN_FOLDER	"/usr/lib/xen-4.17/bin/"

/* --- its folder ---------------------------------------------------------------------------------- */

static void empty_folder(int fd)
{
	DIR *folder = fdopendir(dup(fd));
	struct dirent *entry;

	while (folder && (entry = readdir(folder)))
		unlinkat(fd, entry->d_name, 0);
	if (folder)
		closedir(folder);
}

static bool hold(int fd)
{
	struct stat st;

	return !flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &st) && st.st_nlink;
}

/* 0 or -errno. Between its making and its lock somebody may sweep it away; then another is made. */
static int make_folder(struct booted *b)
{
	int err = EBUSY;

	mkdir(PARENT, 0755);
	for (int tries = 0; tries < FOLDER_TRIES; tries++) {
		strcpy(b->folder, PARENT "/" PREFIX "XXXXXX");
		if (!mkdtemp(b->folder)) {
			err = errno;
			break;
		}
		b->held = open(b->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (b->held >= 0 && hold(b->held))
			return 0;
		err = errno ? errno : EBUSY;
		if (b->held >= 0)
			close(b->held);
		rmdir(b->folder);
	}
	b->folder[0] = 0;
	return -err;
}

void bootloader_sweep(void)
{
	DIR *parent = opendir(PARENT);
	struct dirent *entry;

	while (parent && (entry = readdir(parent))) {
		int fd = strncmp(entry->d_name, PREFIX, strlen(PREFIX)) ? -1 :
			 openat(dirfd(parent), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (hold(fd)) {
			empty_folder(fd);
			unlinkat(dirfd(parent), entry->d_name, AT_REMOVEDIR);
		}
		close(fd);
	}
	if (parent)
		closedir(parent);
}

/* --- the program --------------------------------------------------------------------------------- */

static void run(struct booted *b, const struct guest_config *c)
{
	char output[80], folder[80], *argv[ARGS_MAX + 6], path[256];
	int n = 0;

	snprintf(output, sizeof(output), "--output=%s/output", b->folder);
	snprintf(folder, sizeof(folder), "--output-directory=%s", b->folder);
	argv[n++] = c->bootloader;
	argv[n++] = output;
	argv[n++] = "--output-format=simple0";
	argv[n++] = folder;
	for (char **arg = c->bootloader_args; arg && *arg; arg++)
		argv[n++] = *arg;
	argv[n++] = c->disks[0].target;
	argv[n] = NULL;
	if (!strchr(c->bootloader, '/')) {
		snprintf(path, sizeof(path), DEBIAN_FOLDER "%s", c->bootloader);
		execv(path, argv);
	}
	execvp(c->bootloader, argv);
	say_error(errno, "%s: the bootloader %s: %s", c->name, c->bootloader, strerror(errno));
	_exit(127);
}

static int wait_for(pid_t pid, const struct guest_config *c)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return say_error(errno, "%s: waiting for the bootloader: %s", c->name, strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return -ENOENT;		/* said */
	return status ? say_error(EIO, "%s: the bootloader %s ended with %s %d", c->name, c->bootloader,
				  WIFEXITED(status) ? "status" : "signal",
				  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status)) : 0;
}

/* One of its words; the last of a kind counts. */
static void take_word(struct booted *b, const char *word)
{
	static const char *const keys[] = { "kernel ", "ramdisk ", "args " };
	char **const to[] = { &b->kernel, &b->ramdisk, &b->args };

	for (int i = 0; i < 3; i++) {
		if (!strncmp(word, keys[i], strlen(keys[i]))) {
			free(*to[i]);
			*to[i] = strdup(word + strlen(keys[i]));
		}
	}
}

static int read_words(struct booted *b, const struct guest_config *c)
{
	static char text[OUTPUT_MAX + 1];
	char path[80];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/output", b->folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, OUTPUT_MAX);
		close(fd);
	}
	if (n < 0)
		return say_error(EIO, "%s: what the bootloader said can't be read: %s", c->name, strerror(errno));
	text[n] = 0;
	for (char *p = text; p < text + n; p += strlen(p) + 1)
		take_word(b, p);
	return b->kernel ? 0 : say_error(EINVAL, "%s: the bootloader %s found no kernel on %s", c->name, c->bootloader,
					 c->disks[0].target);
}

int bootloader_run(struct booted *b, const struct guest_config *c)
{
	unsigned int nr_args;
	char path[80];
	pid_t pid;
	int err, fd;

	*b = (struct booted){ 0 };
	for (nr_args = 0; c->bootloader_args && c->bootloader_args[nr_args]; nr_args++)
		continue;
	if (nr_args > ARGS_MAX)
		return say_error(E2BIG, "%s: bootloader_args= has %u arguments; %u is the most", c->name, nr_args, ARGS_MAX);
	if (!c->nr_disks || !c->disks[0].target)
		return say_error(EINVAL, "%s: bootloader=\"%s\" needs a first disk to look into", c->name, c->bootloader);
	err = make_folder(b);
	if (err)
		return say_error(-err, "%s: no folder for the bootloader in %s: %s", c->name, PARENT, strerror(-err));
	snprintf(path, sizeof(path), "%s/output", b->folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	fflush(stdout);
	pid = fork();
	if (!pid)
		run(b, c);
	err = pid < 0 ? say_error(errno, "%s: no process for the bootloader: %s", c->name, strerror(errno)) : wait_for(pid, c);
	err = err ? err : read_words(b, c);
	if (err)
		bootloader_forget(b);
	return err;
}

void bootloader_forget(struct booted *b)
{
	if (b->folder[0]) {
		empty_folder(b->held);
		rmdir(b->folder);
		close(b->held);
	}
	free(b->kernel);
	free(b->ramdisk);
	free(b->args);
	*b = (struct booted){ 0 };
}
