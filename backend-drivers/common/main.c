// SPDX-License-Identifier: MIT
/*
 * backendd: serves disks and network interfaces to other domains, each by a worker of its own.
 *
 * Two processes. The guard does nothing but start the keeper, again when that dies; the keeper does all the rest, and
 * finds in the store and in /run/xen/backendd what there was (device.c, memory.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../../dom0-tools/common/daemon.h"
#include "../nbd/jail.h"
#include "keeper.h"

#define WORKER_DIR	"../libexec/xenolith"	/* from the folder of this program */
#define NBD_WAIT	60
#define NBD_WAIT_MOST	86400u
#define FIRST_UID	61000	/* none of these is a user of Debian's */

struct keeper_options options = {
	.run_dir = "/var/run/xen", .log_file = "/var/log/xen/backendd.log",
	.first_uid = FIRST_UID, .nbd_wait_s = NBD_WAIT,
};
struct xs_handle *store;
uint32_t own_domid;

static void usage(int status)
{
	fprintf(status ? stderr : stdout,
		"usage: backendd [-i] [-l FILE] [-p FILE] [-w FOLDER] [-u UID]\n"
		"       backendd -a COMMAND\n"
		"  -a, --ask=COMMAND      ask the one that runs: status; upgrade or resize, KIND DOMID DEVID\n"
		"  -i, --interactive      stay in the foreground, and log to stderr too\n"
		"  -l, --log=FILE         the log (%s)\n"
		"  -p, --pid-file=FILE    write the number of the process there\n"
		"  -w, --workers=FOLDER   where the programs of the workers are (%s)\n"
		"  -u, --first-uid=UID    the first of the user numbers that workers get (%u)\n"
		"  -n, --nbd-wait=SECONDS how long requests wait for an NBD server that is away (%u)\n",
		"/var/log/xen/backendd.log", WORKER_DIR " from here", FIRST_UID, NBD_WAIT);
	exit(status);
}

static void read_options(int argc, char **argv)
{
	static const struct option list[] = {
		{ "interactive", no_argument, NULL, 'i' }, { "log", required_argument, NULL, 'l' },
		{ "pid-file", required_argument, NULL, 'p' }, { "workers", required_argument, NULL, 'w' },
		{ "first-uid", required_argument, NULL, 'u' }, { "nbd-wait", required_argument, NULL, 'n' },
		{ "ask", required_argument, NULL, 'a' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "a:il:n:p:w:u:h", list, NULL)) != -1)
		switch (c) {
		case 'a':
			exit(control_ask(optarg));
		case 'i':
			options.foreground = true;
			break;
		case 'l':
			options.log_file = optarg;
			break;
		case 'p':
			options.pid_file = optarg;
			break;
		case 'w':
			options.worker_dir = optarg;
			break;
		case 'u':
			options.first_uid = strtoul(optarg, &end, 10);
			if (*end || !options.first_uid || options.first_uid > 0x7fffffff) {
				fprintf(stderr, "backendd: \"%s\" is no user number\n", optarg);
				exit(1);
			}
			break;
		case 'n':
			options.nbd_wait_s = strtoul(optarg, &end, 10);
			if (*end || !*optarg || options.nbd_wait_s > NBD_WAIT_MOST) {
				fprintf(stderr, "backendd: \"%s\" is no number of seconds up to %u\n", optarg, NBD_WAIT_MOST);
				exit(1);
			}
			break;
		case 'h':
			usage(0);
			break;
		default:
			usage(1);
		}
	if (optind < argc)
		usage(1);
}

/* Where they were installed with this program, wherever that was. */
static void find_workers(void)
{
	static char path[4096 + sizeof(WORKER_DIR)];
	ssize_t n = readlink("/proc/self/exe", path, 4095);

	if (options.worker_dir || n <= 0)
		return;
	path[n] = 0;
	strcpy(strrchr(path, '/') + 1, WORKER_DIR);
	options.worker_dir = path;
}

/* One backendd in a domain: the lock goes with the last of its processes. */
static void lock(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/backendd", options.run_dir);
	mkdir(options.run_dir, 0755);
	mkdir(path, 0711);
	snprintf(path, sizeof(path), "%s/backendd/empty", options.run_dir);
	mkdir(path, 0555);
	snprintf(path, sizeof(path), "%s/backendd/lock", options.run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		fprintf(stderr, "backendd: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		fprintf(stderr, "backendd: another one is running in this domain\n");
		exit(1);
	}
}

static void write_pid_file(void)
{
	FILE *f = options.pid_file ? fopen(options.pid_file, "we") : NULL;

	if (f) {
		fprintf(f, "%d\n", getpid());
		fclose(f);
	} else if (options.pid_file) {
		log_line("the pid file %s can't be written: %s", options.pid_file, strerror(errno));
	}
}

/* --- the keeper ------------------------------------------------------------------------------------ */

static void signal_event(void *context, uint32_t events)
{
	int fd = (int)(intptr_t)context, status;
	struct signalfd_siginfo info;
	struct device *d;
	pid_t pid;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		log_open();
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		d = device_of_pid(pid);
		if (d)
			worker_ended(d, status);
		else
			jail_ended(pid, status);
	}
}

static void store_event(void *context, uint32_t events)
{
	devices_watch_event();
}

static __attribute__((noreturn)) void keeper(int ready_pipe, const sigset_t *mask, pid_t guard)
{
	int signals = signalfd(-1, mask, SFD_CLOEXEC | SFD_NONBLOCK), err;
	char *text;

	prctl(PR_SET_NAME, "backendd");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != guard)
		_exit(1);
	events_open();
	store = xs_open(0);
	if (!store) {
		log_line("xenstored can't be reached: %s", strerror(errno));
		exit(1);
	}
	text = xs_read(store, XBT_NULL, "domid", NULL);
	own_domid = text ? strtoul(text, NULL, 10) : 0;
	free(text);
	memory_clean();
	err = devices_start();
	if (err) {
		log_line("the store can't be watched: %s", strerror(-err));
		exit(1);
	}
	if (!events_add(signals, EPOLLIN, signal_event, (void *)(intptr_t)signals) ||
	    !events_add(xs_fileno(store), EPOLLIN, store_event, NULL)) {
		log_line("no events: %s", strerror(errno));
		exit(1);
	}
	control_open();
	if (ready_pipe >= 0)
		daemon_serves(ready_pipe);
	for (;;)
		events_serve(-1);
}

/* --- the guard -------------------------------------------------------------------------------------- */

static void guard(int ready_pipe)
{
	sigset_t mask;
	pid_t child = 0, self = getpid();
	int sig = SIGCHLD, status = 0;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	for (;;) {
		if (!child) {
			child = fork();
			if (!child) {
				/* SIGTERM and SIGINT are the guard's. */
				sigdelset(&mask, SIGTERM);
				sigdelset(&mask, SIGINT);
				keeper(ready_pipe, &mask, self);
			}
			if (ready_pipe >= 0)
				close(ready_pipe);
			ready_pipe = -1;
		}
		if (child < 0) {
			log_line("no process for the keeper: %s", strerror(errno));
			exit(1);
		}
		sigwait(&mask, &sig);
		if (sig == SIGHUP)
			kill(child, SIGHUP);
		if (sig == SIGTERM || sig == SIGINT) {
			kill(child, SIGKILL);
			waitpid(child, NULL, 0);
			if (options.pid_file)
				unlink(options.pid_file);
			exit(0);
		}
		if (waitpid(child, &status, WNOHANG) != child)
			continue;
		/* By itself it ends only when it can't begin. */
		if (WIFEXITED(status))
			exit(WEXITSTATUS(status));
		log_line("the keeper was ended by signal %d (%s); starting it again", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
		child = 0;
	}
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 }, locked = { RLIM_INFINITY, RLIM_INFINITY };
	int ready_pipe = -1;

	read_options(argc, argv);
	find_workers();
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_MEMLOCK, &locked);
	signal(SIGPIPE, SIG_IGN);
	if (!options.foreground) {
		ready_pipe = daemon_behind("backendd", false);
		daemon_silence(false);
	}
	lock();
	log_open();
	write_pid_file();
	guard(ready_pipe);
	return 0;
}
