// SPDX-License-Identifier: MIT
/*
 * Images: qcow2, qcow, VHD, VMDK, QED. None of our code reads them. Debian's qemu-img looks whether the image and the files
 * behind it can be used, then qemu-nbd serves it, each in a jail that holds the libraries, the image's folder (read-only:
 * backing files are there) and the image itself, and has no network. What they read was written by who made the image.
 *
 * 1. The format is always said, also that of the backing files: an image that does not name it is refused. Where it is
 *    guessed, a guest that once had the raw file could have written another format's head there, which names any file.
 * 2. The page cache is left out where the file system allows it. Flushes reach the medium either way.
 * 3. The jail's mounts are the permission: the program may open all files that it sees, as own user.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image.h"

#ifndef QEMU_DIR
#define QEMU_DIR "/usr/bin"
#endif
#define EXTENTS_MOST	64
#define MEMORY_MOST	(4ul << 30)	/* address space: each thread takes much of it and uses little */

static const struct {
	const char *format, *driver;
} formats[] = { { "qcow2", "qcow2" }, { "qcow", "qcow" }, { "vhd", "vpc" }, { "vmdk", "vmdk" }, { "qed", "qed" } };

static const char *driver_of(const char *format)
{
	for (unsigned int i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(format, formats[i].format))
			return formats[i].driver;
	return NULL;
}

bool image_known(const char *format)
{
	return driver_of(format) != NULL;
}

int image_open(struct image *i, const char *format, const char *path, bool readonly, bool discard, char *why, size_t size)
{
	struct stat st;
	char *slash;
	int fd;

	*i = (struct image){ .driver = driver_of(format), .path = realpath(path, NULL), .readonly = readonly, .discard = discard };
	if (!i->path) {
		snprintf(why, size, "%s: %s", path, strerror(errno));
		return -errno;
	}
	if (stat(i->path, &st) || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))) {
		snprintf(why, size, "%s is neither a file nor a block device", path);
		return -EINVAL;
	}
	i->device = S_ISBLK(st.st_mode);
	fd = open(i->path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	i->direct = fd >= 0;
	if (fd >= 0)
		close(fd);
	i->folder = strdup(i->path);
	slash = i->folder ? strrchr(i->folder, '/') : NULL;
	if (!slash) {
		snprintf(why, size, "no memory");
		return -ENOMEM;
	}
	/* A device's folder is no place for backing files, and an image in / gets none. */
	*slash = 0;
	if (i->device || slash == i->folder) {
		free(i->folder);
		i->folder = NULL;
	}
	return 0;
}

void image_close(struct image *i)
{
	free(i->path);
	free(i->folder);
	i->path = i->folder = NULL;
}

/* --- the jail ---------------------------------------------------------------------------------- */

/* What Debian's qemu-nbd and qemu-img were seen to use, and what belongs to that; nothing that makes sockets to elsewhere. */
static int filter(void)
{
	static const int calls[] = {
		SCMP_SYS(execveat), SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(preadv),
		SCMP_SYS(pwritev), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(lseek), SCMP_SYS(openat), SCMP_SYS(open),
		SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx),
		SCMP_SYS(fstatfs), SCMP_SYS(statfs), SCMP_SYS(access), SCMP_SYS(readlink), SCMP_SYS(getcwd), SCMP_SYS(chdir),
		SCMP_SYS(getdents64), SCMP_SYS(fallocate), SCMP_SYS(ftruncate), SCMP_SYS(fdatasync), SCMP_SYS(fsync),
		SCMP_SYS(fcntl), SCMP_SYS(ioctl), SCMP_SYS(io_setup), SCMP_SYS(io_submit), SCMP_SYS(io_getevents),
		SCMP_SYS(io_cancel), SCMP_SYS(io_destroy), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect),
		SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(get_mempolicy), SCMP_SYS(set_mempolicy),
		SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address), SCMP_SYS(rseq), SCMP_SYS(membarrier),
		SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_yield), SCMP_SYS(sched_setscheduler), SCMP_SYS(clone), SCMP_SYS(clone3),
		SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
		SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigpending), SCMP_SYS(sigaltstack), SCMP_SYS(tgkill), SCMP_SYS(signalfd4),
		SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(poll),
		SCMP_SYS(ppoll), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
		SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
		SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
		SCMP_SYS(getegid), SCMP_SYS(prctl), SCMP_SYS(prlimit64), SCMP_SYS(arch_prctl), SCMP_SYS(uname), SCMP_SYS(sysinfo),
		SCMP_SYS(umask), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(restart_syscall), SCMP_SYS(getrusage),
		SCMP_SYS(accept4), SCMP_SYS(accept), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
		SCMP_SYS(setsockopt), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(shutdown),
	};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int err = f ? 0 : -ENOMEM;

	for (unsigned int i = 0; !err && i < sizeof(calls) / sizeof(calls[0]); i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
	if (!err)
		err = seccomp_load(f);
	seccomp_release(f);
	return err;
}

/* A VMDK can be a text that names files with the data: NAME-flat.vmdk, NAME-s001.vmdk, NAME-f001.vmdk. By name alone. */
static unsigned int extents(const struct image *i, struct jail_file *files, char paths[][PATH_MAX], unsigned int most)
{
	const char *name = i->folder ? i->path + strlen(i->folder) + 1 : "";
	size_t stem = strlen(name) > 5 && !strcmp(name + strlen(name) - 5, ".vmdk") ? strlen(name) - 5 : 0;
	DIR *folder = stem && !strcmp(i->driver, "vmdk") ? opendir(i->folder) : NULL;
	struct dirent *e;
	unsigned int n = 0;

	while (folder && n < most && (e = readdir(folder)) != NULL) {
		const char *rest = e->d_name + stem;
		size_t digits;

		if (strncmp(e->d_name, name, stem) || *rest++ != '-')
			continue;
		digits = *rest == 's' || *rest == 'f' ? strspn(rest + 1, "0123456789") : 0;
		if (strcmp(rest, "flat.vmdk") && (!digits || strcmp(rest + 1 + digits, ".vmdk")))
			continue;
		if (snprintf(paths[n], PATH_MAX, "%s/%s", i->folder, e->d_name) >= PATH_MAX)
			continue;
		files[n] = (struct jail_file){ JAIL_WRITE, paths[n], NULL };
		n++;
	}
	if (folder)
		closedir(folder);
	return n;
}

/* The options of QEMU's block layer, where a comma is written twice. */
static void block_options(const struct image *i, char *text, size_t size)
{
	int n = snprintf(text, size, "driver=%s,file.driver=%s,file.filename=", i->driver, i->device ? "host_device" : "file");

	for (const char *c = i->path; *c && n + 3 < (int)size; c++) {
		text[n++] = *c;
		if (*c == ',')
			text[n++] = ',';
	}
	text[n] = 0;
}

static pid_t start(const struct image *i, struct jail *j, jail_end ended, void *context)
{
	static char paths[EXTENTS_MOST][PATH_MAX];
	static struct jail_file files[EXTENTS_MOST + 3];
	unsigned int n = 0;

	/* By which QEMU tries whether there are locks. */
	files[n++] = (struct jail_file){ JAIL_WRITE, "/dev/null", NULL };
	if (i->folder)
		files[n++] = (struct jail_file){ JAIL_READ, i->folder, NULL };
	files[n++] = (struct jail_file){ i->readonly ? JAIL_READ : JAIL_WRITE, i->path, NULL };
	if (!i->readonly)
		n += extents(i, files + n, paths, EXTENTS_MOST);
	j->files = files;
	j->nr_files = n;
	j->own_all = true;
	j->filter = filter;
	return jail_start(j, ended, context);
}

pid_t image_check(const struct image *i, uint32_t uid, const char *mount_on, int out, int lock, jail_end ended, void *context)
{
	char options[2 * PATH_MAX + 64];
	char *argv[] = { "qemu-img", "info", "--output=json", "--backing-chain", "--image-opts", options, NULL };
	char *environment[] = { "LC_ALL=C", NULL };
	struct jail j = { .program = QEMU_DIR "/qemu-img", .argv = argv, .environment = environment, .uid = uid,
			  .mount_on = mount_on, .memory_most = MEMORY_MOST, .death_signal = SIGKILL, .out = out, .err = out,
			  .fds = { lock }, .nr_fds = 1 };

	block_options(i, options, sizeof(options));
	return start(i, &j, ended, context);
}

pid_t image_serve(const struct image *i, uint32_t uid, const char *mount_on, int err, int listen, int lock, jail_end ended,
		  void *context)
{
	char options[2 * PATH_MAX + 64];
	char *argv[] = { "qemu-nbd", i->direct ? "--cache=none" : "--cache=writeback", i->direct ? "--aio=native" : "--aio=threads",
			 i->discard ? "--discard=unmap" : "--discard=ignore",
			 i->discard ? "--detect-zeroes=unmap" : "--detect-zeroes=off", "--image-opts", options,
			 i->readonly ? "--read-only" : NULL, NULL };
	/* It is process 1 of its namespace, and the socket is descriptor 3: sd_listen_fds(3). */
	char *environment[] = { "LC_ALL=C", "LISTEN_PID=1", "LISTEN_FDS=1", NULL };
	struct jail j = { .program = QEMU_DIR "/qemu-nbd", .argv = argv, .environment = environment, .uid = uid,
			  .mount_on = mount_on, .memory_most = MEMORY_MOST, .death_signal = SIGTERM, .out = -1, .err = err, .fds = { listen, lock },
			  .nr_fds = 2 };

	block_options(i, options, sizeof(options));
	return start(i, &j, ended, context);
}

/* --- what they say --------------------------------------------------------------------------------- */

/* "qemu-nbd: Failed to blk_new_open 'OPTIONS': WHAT\nMORE\n" becomes "PATH: WHAT; MORE". */
void image_why(const struct image *i, const char *text, int status, char *why, size_t size)
{
	const char *what = text, *quote = strstr(text, "file.filename=");
	int n;

	if (!strncmp(what, "qemu-", 5) && strstr(what, ": "))
		what = strstr(what, ": ") + 2;
	if (quote && quote > what && strstr(quote, "': "))
		what = strstr(quote, "': ") + 3;
	n = snprintf(why, size, "%s: ", i->path);
	if (!*what)
		snprintf(why + n, size - n, WIFSIGNALED(status) ? "qemu-nbd was ended by signal %d" : "qemu-nbd ended with status %d",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	for (; *what && n + 3 < (int)size; what++) {
		if (*what != '\n') {
			why[n++] = *what;
		} else if (what[1]) {
			why[n++] = ';';
			why[n++] = ' ';
		}
		why[n] = 0;
	}
	/* The image itself is there: image_open(). */
	if (WIFEXITED(status) && WEXITSTATUS(status) == JAIL_FAILED)
		snprintf(why + n, size - n, " (images need Debian's package qemu-utils)");
	else if (i->folder && strstr(text, "No such file") && n + 80 < (int)size)
		n += snprintf(why + n, size - n, " (what belongs to an image has to be in its own folder)");
}

static unsigned int count(const char *text, const char *word)
{
	unsigned int n = 0;

	for (; (text = strstr(text, word)) != NULL; text++)
		n++;
	return n;
}

bool image_is_bad(const struct image *i, const char *text, int status, char *why, size_t size)
{
	const char *error = strstr(text, "qemu-img: ");

	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		image_why(i, error ? error : text, status, why, size);
		return true;
	}
	/* Quotes within a name are escaped there, so that no name can look like a key. */
	if (count(text, "\"backing-filename\":") == count(text, "\"backing-filename-format\":"))
		return false;
	snprintf(why, size, "%s: a backing file is named there without its format; "
		 "qemu-img rebase -u -b FILE -F FORMAT %s says it", i->path, i->path);
	return true;
}
