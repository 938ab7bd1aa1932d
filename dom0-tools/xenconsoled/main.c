// SPDX-License-Identifier: MIT
/* xenconsoled: options, start, the loop. dom0-tools/man/xenconsoled.8 has the options. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include "../common/daemon.h"
#include "console.h"

#define ROUND_MAX 64		/* events of epoll, and of /dev/xen/evtchn, that are handled at a time */

struct options options = {
	.log_guests = true, .log_hypervisor = true, .log_dir = "/var/log/xen/console", .log_size = 1 << 20,
	.log_count = 4, .backlog = 65536, .rate = 2 << 20, .pid_file = "/var/run/xen/xenconsoled.pid",
};

static int epoll = -1;
static struct source channel_source, signal_source, timer_source;
static bool ticking, stopping, started;
static void **dead;
static unsigned int dead_count, dead_room;

static const char usage[] =
	"Usage: xenconsoled [option...]\n"
	"  --log=none|guest|hv|all             what is logged (all)\n"
	"  --log-dir=DIR                       where (/var/log/xen/console)\n"
	"  --log-size=BYTES                    how large a log grows (1M; 0: no limit)\n"
	"  --log-count=NUMBER                  how many old ones are kept (4)\n"
	"  -t, --timestamp=none|guest|hv|all   whose lines get the time before them (none)\n"
	"  --replace-escape                    a dot for each escape character in logs\n"
	"  -o, --overflow-data=discard|keep    what becomes of output that a viewer does not read\n"
	"  --backlog=BYTES                     how much is kept for viewers (64K)\n"
	"  --rate=BYTES                        how much of a guest's output is taken in a second (2M; 0: no limit)\n"
	"  --pid-file=FILE                     (/var/run/xen/xenconsoled.pid)\n"
	"  -i, --interactive                   stay in the foreground\n"
	"  -v, --verbose                       tell of guests that come and go\n"
	"  -V, --version                       print the version\n"
	"  -h, --help                          print this\n";

/* --- words --------------------------------------------------------------------------------- */

void say(const char *format, ...)
{
	char text[1024];
	va_list ap;
	int saved = errno;

	va_start(ap, format);
	errno = saved;
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	/* Names of guests are among the words: one line stays one line. */
	for (char *p = text; *p; p++)
		if ((uint8_t)*p < ' ' || *p == 0x7f)
			*p = '?';
	if (options.foreground || !started)
		fprintf(stderr, "xenconsoled: %s\n", text);
	if (!options.foreground)
		syslog(LOG_NOTICE, "%s", text);
}

void say_errno(const char *what, const char *path)
{
	say("%s: %s: %m", path, what);
}

static void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "xenconsoled: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

const char *stamp_text(void)
{
	static char text[LOG_STAMP_MAX];
	static time_t last;
	time_t now = time(NULL);
	struct tm tm;

	if (now != last && localtime_r(&now, &tm)) {
		strftime(text, sizeof(text), "[%Y-%m-%d %H:%M:%S] ", &tm);
		last = now;
	}
	return text;
}

/* --- options ------------------------------------------------------------------------------- */

static uint64_t bytes(const char *text, const char *what)
{
	static const char units[] = "KMG";
	char *end;
	uint64_t n = strtoull(text, &end, 10);
	const char *unit = *end > ' ' ? strchr(units, *end & ~0x20) : NULL;

	if (n > UINT32_MAX)
		n = UINT64_MAX;
	else if (unit)
		n <<= 10 * (unit - units + 1);
	end += unit != NULL;
	if (*text < '0' || *text > '9' || *end || n > UINT32_MAX)
		die("--%s: \"%s\" is not a number that it can take (0 to 4294967295; K, M, G may follow)", what, text);
	return n;
}

static void whose(const char *text, const char *what, bool *of_guests, bool *of_hypervisor)
{
	*of_guests = !strcmp(text, "guest") || !strcmp(text, "all");
	*of_hypervisor = !strcmp(text, "hv") || !strcmp(text, "all");
	if (!*of_guests && !*of_hypervisor && strcmp(text, "none"))
		die("--%s: \"%s\" is none of none, guest, hv, all", what, text);
}

static void set_backlog(const char *text)
{
	uint64_t wanted = bytes(text, "backlog");

	options.backlog = RING_OUT_SIZE;
	while (options.backlog < wanted && options.backlog < 1 << 20)
		options.backlog *= 2;
}

enum { LOG = 256, LOG_DIR, LOG_SIZE, LOG_COUNT, PID_FILE, REPLACE_ESCAPE, BACKLOG, RATE };

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", 0, NULL, 'h' }, { "version", 0, NULL, 'V' }, { "verbose", 0, NULL, 'v' },
		{ "interactive", 0, NULL, 'i' }, { "log", 1, NULL, LOG }, { "log-dir", 1, NULL, LOG_DIR },
		{ "log-size", 1, NULL, LOG_SIZE }, { "log-count", 1, NULL, LOG_COUNT },
		{ "pid-file", 1, NULL, PID_FILE }, { "timestamp", 1, NULL, 't' }, { "overflow-data", 1, NULL, 'o' },
		{ "replace-escape", 0, NULL, REPLACE_ESCAPE }, { "backlog", 1, NULL, BACKLOG },
		{ "rate", 1, NULL, RATE }, { NULL, 0, NULL, 0 }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "hVvit:o:", longs, NULL)) != -1) {
		if (opt == 'v')
			options.verbose = true;
		else if (opt == 'i')
			options.foreground = true;
		else if (opt == LOG)
			whose(optarg, "log", &options.log_guests, &options.log_hypervisor);
		else if (opt == 't')
			whose(optarg, "timestamp", &options.stamp_guests, &options.stamp_hypervisor);
		else if (opt == LOG_DIR)
			options.log_dir = optarg;
		else if (opt == LOG_SIZE)
			options.log_size = bytes(optarg, "log-size");
		else if (opt == LOG_COUNT)
			options.log_count = bytes(optarg, "log-count");
		else if (opt == PID_FILE)
			options.pid_file = optarg;
		else if (opt == REPLACE_ESCAPE)
			options.replace_escape = true;
		else if (opt == BACKLOG)
			set_backlog(optarg);
		else if (opt == RATE)
			options.rate = bytes(optarg, "rate");
		else if (opt == 'o' && (!strcmp(optarg, "keep") || !strcmp(optarg, "discard")))
			options.keep = *optarg == 'k';
		else if (opt == 'o')
			die("--overflow-data: \"%s\" is neither discard nor keep", optarg);
		else if (opt == 'V') {
			puts("xenconsoled of Xenolith, for Xen 4.17");
			exit(0);
		} else {
			fputs(usage, opt == 'h' ? stdout : stderr);
			exit(opt == 'h' ? 0 : 1);
		}
	}
	if (optind < argc)
		die("no arguments are expected, \"%s\" is one; -h lists the options", argv[optind]);
	if (options.log_count > 1000)
		die("--log-count: 1000 at most");
}

/* --- the loop ------------------------------------------------------------------------------ */

void source_want(struct source *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };
	int what = !events ? EPOLL_CTL_DEL : s->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (events == s->events)
		return;
	if (epoll_ctl(epoll, what, s->fd, &e))
		say("epoll refuses a descriptor: %m");
	s->events = events;
}

void free_later(void *p)
{
	if (dead_count == dead_room) {
		void **more = realloc(dead, (dead_room + ROUND_MAX) * sizeof(*more));

		if (!more)
			return;		/* better lost than freed under an event */
		dead = more;
		dead_room += ROUND_MAX;
	}
	dead[dead_count++] = p;
}

void tick_soon(void)
{
	struct itimerspec t = { .it_value.tv_nsec = TICK_NS };

	if (ticking)
		return;
	ticking = true;
	timerfd_settime(timer_source.fd, 0, &t, NULL);
}

static void timer_ready(struct source *s, uint32_t events)
{
	uint64_t times;

	if (read(s->fd, &times, sizeof(times)) < 0)
		return;
	ticking = false;
	guests_tick(now_ns());
}

static void channel_ready(struct source *s, uint32_t events)
{
	uint32_t ports[ROUND_MAX];
	unsigned int n = xen_events(ports, ROUND_MAX);

	for (unsigned int i = 0; i < n; i++) {
		struct guest *g = guest_of_port(ports[i]);

		if (g)
			guest_event(g);
		else
			hvlog_event(ports[i]);
	}
}

static void signal_ready(struct source *s, uint32_t events)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		guests_reopen_logs();
		hvlog_reopen();
	} else {
		stopping = true;
	}
}

static void run(void)
{
	struct epoll_event events[ROUND_MAX];

	while (!stopping) {
		int n = epoll_wait(epoll, events, ROUND_MAX, -1);

		for (int i = 0; i < n; i++) {
			struct source *s = events[i].data.ptr;

			s->ready(s, events[i].events);
		}
		while (dead_count)
			free(dead[--dead_count]);
	}
}

/* --- start --------------------------------------------------------------------------------- */

/* A folder with those above it, as far as they are not there. */
static void make_folder(const char *path, mode_t mode)
{
	char part[4096];

	for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
		mkdir(part, 0755);
	}
	if (mkdir(path, mode) && errno != EEXIST)
		die("the folder %s can't be made: %s", path, strerror(errno));
}

/* One daemon on a machine: the lock goes with the process, however it ends. */
static void lock_folder(void)
{
	int fd = open(options.run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die("the folder %s can't be opened: %s", options.run_dir, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB))
		die("another xenconsoled is running (it holds %s)", options.run_dir);
}

static void write_pid_file(void)
{
	char folder[4096];
	char *slash;
	FILE *f;

	snprintf(folder, sizeof(folder), "%s", options.pid_file);
	slash = strrchr(folder, '/');
	if (slash && slash != folder) {
		*slash = 0;
		make_folder(folder, 0755);
	}
	f = fopen(options.pid_file, "we");
	if (!f || fprintf(f, "%d\n", getpid()) < 0 || fclose(f))
		say("the pid file %s can't be written: %m", options.pid_file);
}

/* Messages go to the system log alone from here on. */
static void now_serving(int ready)
{
	started = true;
	if (ready < 0)
		return;
	daemon_silence(false);
	if (!daemon_serves(ready))
		say("who started the daemon is gone");
}

/* A guest takes a terminal, and each viewer one more. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void start_sources(int channels)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	channel_source = (struct source){ .ready = channel_ready, .fd = channels };
	signal_source = (struct source){ .ready = signal_ready, .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) };
	timer_source = (struct source){ .ready = timer_ready,
					.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC) };
	if (epoll < 0 || signal_source.fd < 0 || timer_source.fd < 0 || !viewers_start())
		die("no descriptors to wait on: %s", strerror(errno));
	source_want(&channel_source, EPOLLIN);
	source_want(&signal_source, EPOLLIN);
	source_want(&timer_source, EPOLLIN);
}

int main(int argc, char **argv)
{
	const char *run_dir = getenv("XENCONSOLED_RUNDIR");
	char why[256] = "";
	int ready, channels;

	parse(argc, argv);
	openlog("xenconsoled", LOG_PID, LOG_DAEMON);
	options.run_dir = run_dir ? run_dir : "/run/xen/console";
	make_folder(options.run_dir, 0700);
	if (options.log_guests || options.log_hypervisor)
		make_folder(options.log_dir, 0755);
	lock_folder();
	raise_limits();
	ready = options.foreground ? -1 : daemon_behind("xenconsoled", false);
	/* Not before: memory for hypercalls is not handed down to a child. */
	channels = xen_open(why, sizeof(why));
	if (channels < 0)
		die("%s", why);
	start_sources(channels);
	if (!domains_start())
		return 1;
	hvlog_start();
	write_pid_file();
	now_serving(ready);
	run();
	unlink(options.pid_file);
	return 0;
}
