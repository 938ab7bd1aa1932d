// SPDX-License-Identifier: MIT
/*
 * Jails: jail.h says what they are for. In the child, in this order:
 *
 * 1. new namespaces, by clone3(): the program is process 1 of its own, so its children die with it;
 * 2. a small tmpfs, filled with the libraries and what is named: binds, read-only but for JAIL_WRITE, and copies. It is moved
 *    over / and becomes the root; what was / is under it, out of reach for who can't unmount. (pivot_root() would refuse
 *    where / is the initramfs.)
 * 3. limits, user, capabilities; 4. the filter; 5. the program, by a descriptor: it is not in the jail.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "jail.h"

#define HIGH_FD		100
#define JAIL_BYTES	"size=4m,nr_inodes=1024,mode=755"
#define COPY_MOST	(1u << 20)

static struct child {
	struct child *next;
	pid_t pid;
	jail_end ended;
	void *context;
} *children;

/* --- in the child -------------------------------------------------------------------------------- */

static __attribute__((noreturn, format(printf, 1, 2))) void cannot(const char *format, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, format);
	dprintf(2, "its sandbox: ");
	vdprintf(2, format, ap);
	dprintf(2, ": %s\n", strerror(err));
	va_end(ap);
	_exit(JAIL_FAILED);
}

/* The folders above @path, which is relative to the new root. */
static void make_parents(const char *path)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(part, 0755) && errno != EEXIST)
			cannot("folder %s", part);
		*slash = '/';
	}
}

static void show(const char *path, const char *inside, bool write)
{
	unsigned long flags = MS_BIND | MS_REMOUNT | MS_NOSUID | (write ? 0 : MS_RDONLY);
	struct stat st;

	if (stat(path, &st))
		return;
	make_parents(inside);
	if (S_ISDIR(st.st_mode)) {
		if (mkdir(inside, 0755) && errno != EEXIST)
			cannot("folder %s", inside);
	} else {
		int fd = open(inside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		/* It may be there, in a folder that is bound. */
		if (fd < 0 && errno != EROFS && errno != EACCES && errno != ENXIO)
			cannot("file %s", inside);
		close(fd);
	}
	flags |= S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode) ? 0 : MS_NODEV;
	if (mount(path, inside, NULL, MS_BIND, NULL) || mount(NULL, inside, NULL, flags, NULL))
		cannot("mount of %s", path);
}

static void copy_file(const char *path, const char *inside, uint32_t uid)
{
	int from = open(path, O_RDONLY | O_CLOEXEC), to;
	static char data[4096];
	size_t all = 0;
	struct stat st;
	ssize_t n;

	if (from < 0)
		return;
	if (fstat(from, &st) || !S_ISREG(st.st_mode)) {
		close(from);
		return;
	}
	make_parents(inside);
	to = open(inside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	/* In a folder that is shown it is there. */
	if (to < 0 && (errno == EROFS || errno == EEXIST)) {
		close(from);
		return;
	}
	if (to < 0)
		cannot("file %s", inside);
	while ((n = read(from, data, sizeof(data))) > 0 && (all += n) <= COPY_MOST)
		if (write(to, data, n) != n)
			cannot("copy of %s", path);
	if (n || fchown(to, uid, uid)) {
		errno = n > 0 ? EFBIG : errno;
		cannot("copy of %s", path);
	}
	close(from);
	close(to);
}

static void copy(const char *path, const char *inside, uint32_t uid)
{
	char from[PATH_MAX], to[PATH_MAX];
	struct dirent *entry;
	DIR *folder = opendir(path);

	if (!folder) {
		copy_file(path, inside, uid);
		return;
	}
	while ((entry = readdir(folder)) != NULL)
		if (snprintf(from, sizeof(from), "%s/%s", path, entry->d_name) < PATH_MAX &&
		    snprintf(to, sizeof(to), "%s/%s", inside, entry->d_name) < PATH_MAX)
			copy_file(from, to, uid);
	closedir(folder);
}

/* Debian's /lib and /lib64 are links into /usr; in an initramfs they are folders. */
static void libraries(void)
{
	static const char *const places[] = { "lib", "lib64", "usr/lib64", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu" };

	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char path[64], target[64];
		ssize_t n;

		snprintf(path, sizeof(path), "/%s", places[i]);
		n = readlink(path, target, sizeof(target) - 1);
		if (n > 0) {
			target[n] = 0;
			make_parents(places[i]);
			if (symlink(target, places[i]))
				cannot("link %s", path);
			continue;
		}
		/* Of a folder /lib only what is named. */
		n = readlink("/lib", target, sizeof(target));
		if (i && !(n > 0 && !strncmp(places[i], "lib/", 4)))
			show(path, places[i], false);
	}
}

static void make_root(const struct jail *j)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		cannot("its own mounts");
	if (mount("jail", j->mount_on, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, JAIL_BYTES) || chdir(j->mount_on))
		cannot("a new root on %s", j->mount_on);
	libraries();
	for (unsigned int i = 0; i < j->nr_files; i++) {
		const struct jail_file *f = &j->files[i];
		const char *inside = (f->inside ? f->inside : f->path) + 1;

		if (f->how == JAIL_COPY)
			copy(f->path, inside, j->uid);
		else
			show(f->path, inside, f->how == JAIL_WRITE);
	}
	if (mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		cannot("its root can't be made read-only");
	if (mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		cannot("its root");
}

static void give_up_rights(const struct jail *j)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2] = { 0 };
	struct rlimit none = { 0, 0 }, memory = { j->memory_most, j->memory_most }, tasks = { 256, 256 };
	struct rlimit files = { 256, 256 };

	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_NPROC, &tasks);
	setrlimit(RLIMIT_NOFILE, &files);
	if (j->memory_most)
		setrlimit(RLIMIT_AS, &memory);
	if (j->own_all)
		prctl(PR_SET_KEEPCAPS, 1);
	for (int i = 0; i <= CAP_LAST_CAP; i++)
		if (!j->own_all || i != CAP_DAC_OVERRIDE)
			prctl(PR_CAPBSET_DROP, i);
	if (setgroups(0, NULL) || setresgid(j->uid, j->uid, j->uid) || setresuid(j->uid, j->uid, j->uid))
		cannot("user %u", j->uid);
	if (j->own_all) {
		caps[0].permitted = caps[0].effective = caps[0].inheritable = 1u << CAP_DAC_OVERRIDE;
		if (syscall(SYS_capset, &head, caps) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0))
			cannot("its one capability");
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		cannot("no new privileges");
}

static __attribute__((noreturn)) void become(const struct jail *j, int alive)
{
	int fds[3 + JAIL_FDS + 1], count = 3 + j->nr_fds, null = open("/dev/null", O_RDWR | O_CLOEXEC), err;
	sigset_t nothing;
	char byte;

	fds[0] = null;
	fds[1] = j->out >= 0 ? j->out : null;
	fds[2] = j->err >= 0 ? j->err : null;
	memcpy(fds + 3, j->fds, j->nr_fds * sizeof(fds[0]));
	fds[count] = open(j->program, O_PATH | O_CLOEXEC);
	err = errno;
	alive = fcntl(alive, F_DUPFD_CLOEXEC, HIGH_FD);
	for (int i = 0; i <= count; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
	for (int i = 0; i < count; i++)
		if (fds[i] < 0 || dup2(fds[i], i) < 0)
			_exit(125);
	errno = err;
	if (fds[count] < 0)
		cannot("program %s", j->program);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&nothing);
	sigprocmask(SIG_SETMASK, &nothing, NULL);
	make_root(j);
	give_up_rights(j);
	/* After the change of user, which clears it. Did the keeper die before? */
	prctl(PR_SET_PDEATHSIG, j->death_signal);
	if (!recv(alive, &byte, 1, MSG_DONTWAIT))
		_exit(1);
	close_range(count, HIGH_FD - 1, 0);
	close_range(HIGH_FD, ~0u, CLOSE_RANGE_CLOEXEC);
	err = j->filter ? j->filter() : 0;
	errno = -err;
	if (err)
		cannot("the filter of system calls");
	syscall(SYS_execveat, fds[count], "", j->argv, j->environment, AT_EMPTY_PATH);
	cannot("program %s", j->program);
}

/* --- in the keeper ------------------------------------------------------------------------------------ */

pid_t jail_start(const struct jail *j, jail_end ended, void *context)
{
	struct clone_args args = { .exit_signal = SIGCHLD,
				   .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (j->network ? 0 : CLONE_NEWNET) };
	struct child *c = malloc(sizeof(*c));
	static int alive[2] = { -1, -1 };	/* the second end closes with the keeper */
	long pid;

	if (!c)
		return -ENOMEM;
	if (alive[0] < 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, alive)) {
		free(c);
		return -errno;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (!pid) {
		close(alive[1]);
		become(j, alive[0]);
	}
	if (pid < 0) {
		int err = errno;

		free(c);
		return -err;
	}
	*c = (struct child){ children, pid, ended, context };
	children = c;
	return pid;
}

bool jail_ended(pid_t pid, int status)
{
	for (struct child **at = &children; *at; at = &(*at)->next) {
		struct child c = **at;

		if (c.pid != pid)
			continue;
		free(*at);
		*at = c.next;
		if (c.ended)
			c.ended(c.context, status);
		return true;
	}
	return false;
}

bool jail_all_ended(void)
{
	return !children;
}
