// SPDX-License-Identifier: MIT
/* xenstored: options, sockets, shared memory; then this process is the keeper. docs/man/xenstored.8 has the options. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "../common/daemon.h"
#include "daemon.h"

struct options options;
struct shm *shm;
int events_fd = -1;

static const char usage[] =
	"Usage:\n\n"
	"  xenstored <options>\n\n"
	"where options may include:\n\n"
	"  -D, --no-domain-init    to state that xenstored should not initialise dom0,\n"
	"  -F, --pid-file <file>   giving a file for the daemon's pid to be written,\n"
	"  -H, --help              to output this message,\n"
	"  -N, --no-fork           to request that the daemon does not fork,\n"
	"  -P, --output-pid        to request that the pid of the daemon is output,\n"
	"  -T, --trace-file <file> giving the file for logging,\n"
	"  -E, --entry-nb <nb>     limit the number of entries per domain,\n"
	"  -S, --entry-size <size> limit the size of entry per domain,\n"
	"  -W, --watch-nb <nb>     limit the number of watches per domain,\n"
	"  -t, --transaction <nb>  limit the number of transaction allowed per domain,\n"
	"  -A, --perm-nb <nb>      limit the number of permissions per node,\n"
	"  -M, --path-max <chars>  limit the allowed Xenstore node path length,\n"
	"  -Q, --quota <what>=<nb> set the quota <what> to the value <nb>: nodes, watches,\n"
	"                          transactions, outstanding, transaction-nodes, memory,\n"
	"                          node-size, path-max, permissions,\n"
	"  -q, --quota-soft memory=<nb>  log when a domain uses more memory,\n"
	"  -K, --keep-orphans      don't delete nodes owned by a domain when the\n"
	"                          domain is deleted (this is a security risk!),\n"
	"  -V, --verbose           to log every request into the trace file;\n"
	"  -I, -R, -w              are accepted for compatibility and change nothing.\n";

static void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "xenstored: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	exit(1);
}

static uint32_t number(const char *text, const char *what)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*end || end == text || v > INT32_MAX)
		die("%s: \"%s\" is not a number that it can take (0 to 2147483647)", what, text);
	return v;
}

static void set_quota(const char *text, bool soft)
{
	const char *equals = strchr(text, '=');

	if (!equals)
		die("quotas must be specified via <what>=<nb>, not \"%s\"", text);
	for (int i = 0; i < QUOTA_COUNT; i++) {
		const char *name = quota_names[i].name;

		if (strlen(name) != (size_t)(equals - text) || strncmp(name, text, equals - text))
			continue;
		if (!soft)
			options.quota[i] = number(equals + 1, name);
		else if (i == QUOTA_MEMORY)
			options.quota_memory_soft = number(equals + 1, name);
		else
			die("the soft quota can only be for memory, not for %s", name);
		return;
	}
	die("unknown quota \"%.*s\" (known: nodes, watches, transactions, outstanding, transaction-nodes, memory, "
	    "node-size, path-max, permissions)", (int)(equals - text), text);
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "no-domain-init", 0, NULL, 'D' }, { "pid-file", 1, NULL, 'F' }, { "help", 0, NULL, 'H' },
		{ "no-fork", 0, NULL, 'N' }, { "output-pid", 0, NULL, 'P' }, { "trace-file", 1, NULL, 'T' },
		{ "entry-nb", 1, NULL, 'E' }, { "entry-size", 1, NULL, 'S' }, { "watch-nb", 1, NULL, 'W' },
		{ "transaction", 1, NULL, 't' }, { "perm-nb", 1, NULL, 'A' }, { "path-max", 1, NULL, 'M' },
		{ "quota", 1, NULL, 'Q' }, { "quota-soft", 1, NULL, 'q' }, { "keep-orphans", 0, NULL, 'K' },
		{ "verbose", 0, NULL, 'V' }, { "internal-db", 2, NULL, 'I' }, { "no-recovery", 0, NULL, 'R' },
		{ "timeout", 1, NULL, 'w' }, { NULL, 0, NULL, 0 }
	};
	static const struct {
		char option;
		enum quota quota;
	} limits[] = {
		{ 'E', QUOTA_NODES }, { 'S', QUOTA_NODE_SIZE }, { 'W', QUOTA_WATCHES }, { 't', QUOTA_TRANSACTIONS },
		{ 'A', QUOTA_PERMISSIONS }, { 'M', QUOTA_PATH_MAX },
	};
	int opt;

	for (int i = 0; i < QUOTA_COUNT; i++)
		options.quota[i] = quota_names[i].preset;
	options.quota_memory_soft = QUOTA_MEMORY_SOFT_PRESET;
	while ((opt = getopt_long(argc, argv, "DF:HNPT:E:S:W:t:A:M:Q:q:KVI::Rw:", longs, NULL)) != -1) {
		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
			if (limits[i].option == opt)
				options.quota[limits[i].quota] = number(optarg, quota_names[limits[i].quota].name);
		if (opt == 'D')
			options.no_domain_init = true;
		else if (opt == 'F')
			options.pid_file = optarg;
		else if (opt == 'N')
			options.no_fork = true;
		else if (opt == 'P')
			options.output_pid = true;
		else if (opt == 'T')
			options.trace_file = optarg;
		else if (opt == 'K')
			options.keep_orphans = true;
		else if (opt == 'V')
			options.verbose = true;
		else if (opt == 'Q' || opt == 'q')
			set_quota(optarg, opt == 'q');
		else if (opt == 'H' || opt == '?') {
			fputs(usage, opt == 'H' ? stdout : stderr);
			exit(opt == 'H' ? 0 : 1);
		}
	}
	if (optind < argc)
		die("no arguments are expected, \"%s\" is one; -H lists the options", argv[optind]);
	if (options.quota[QUOTA_PATH_MAX] > XENSTORE_ABS_PATH_MAX)
		die("path-max can be %u at most", XENSTORE_ABS_PATH_MAX);
}

/* The path of a file in the folder that XENSTORED_RUNDIR names. */
static const char *in_rundir(const char *name)
{
	const char *dir = getenv("XENSTORED_RUNDIR");
	char *path;

	dir = dir ? dir : "/var/run/xenstored";
	if (mkdir(dir, 0755) && errno != EEXIST)
		die("the folder %s can't be made: %s", dir, strerror(errno));
	if (asprintf(&path, "%s/%s", dir, name) < 0)
		die("no memory");
	return path;
}

static int listen_at(const char *path, mode_t mode)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old;

	if (strlen(path) >= sizeof(addr.sun_path))
		die("the socket's path %s is too long", path);
	strcpy(addr.sun_path, path);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("another xenstored serves %s", path);
	unlink(path);
	old = umask(0777 & ~mode);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, SOMAXCONN))
		die("the socket %s can't be made: %s", path, strerror(errno));
	umask(old);
	return fd;
}

static void share_memory(void)
{
	int fd = memfd_create("xenstored", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, SHM_SIZE))
		die("no shared memory: %s", strerror(errno));
	shm = mmap(NULL, SHM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (shm == MAP_FAILED)
		die("no shared memory: %s", strerror(errno));
	close(fd);
}

#ifdef XENSTORED_TEST
/* XENSTORED_FAULT=POINT:N kills the daemon when it passes that point the N-th time. */
void fault_point(const char *label)
{
	if (shm->fault_left && !strcmp(label, shm->fault_point) && !--shm->fault_left)
		kill(getpid(), SIGKILL);
}

static void arm_fault(void)
{
	const char *text = getenv("XENSTORED_FAULT"), *colon = text ? strchr(text, ':') : NULL;

	if (!colon || (size_t)(colon - text) >= sizeof(shm->fault_point))
		return;
	memcpy(shm->fault_point, text, colon - text);
	shm->fault_left = number(colon + 1, "XENSTORED_FAULT");
}
#else
static void arm_fault(void)
{
}
#endif

int main(int argc, char **argv)
{
	int listener, listener_ro, ready, port;

	parse(argc, argv);
	options.socket = in_rundir("socket");
	options.socket_ro = in_rundir("socket_ro");
	log_open();
	events_fd = xen_events_open();
	if (events_fd < 0 && !options.no_domain_init)
		die("the event-channel device can't be opened (%s): is this dom0? -D starts without domains",
		    strerror(errno));
	share_memory();
	arm_fault();
	listener = listen_at(options.socket, 0600);
	listener_ro = listen_at(options.socket_ro, 0660);
	if (events_fd >= 0 && !options.no_domain_init) {
		port = xen_bind_dom_exc(events_fd);
		if (port < 0)
			die("the interrupt for dying domains can't be bound (%s): does another xenstored run?",
			    strerror(-port));
		shm->virq_port = port;
	}
	ready = options.no_fork ? -1 : daemon_behind("xenstored", options.output_pid);
	if (ready >= 0)
		daemon_silence(options.verbose);
	memset(argv[0], 0, strlen(argv[0]));
	keeper_run(listener, listener_ro, ready);
}
