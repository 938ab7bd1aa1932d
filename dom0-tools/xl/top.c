// SPDX-License-Identifier: MIT
/*
 * xl top: what domains use, again and again: on a terminal a screen of ncurses, with -b tables for a file, with the
 * columns of xentop. A sample is one look at all domains; shares of CPU time are what came between two of them. Traffic
 * of network interfaces is dom0's counters of vifDOMID.N (what the guest sends is what dom0 receives), that of disks
 * what the kernel's backends count in sysfs; a guest whose backends run elsewhere shows zeros.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "xl.h"

#define BACKENDS	"/sys/bus/xen-backend/devices"

struct usage {
	unsigned int nets, disks;
	uint64_t sent, received;	/* bytes, by the guest */
	uint64_t stalls, reads, writes, read_sectors, written_sectors;
};

struct row {
	struct xen_domctl_getdomaininfo info;
	const char *name;
	struct usage usage;
	double percent;			/* of one CPU, since the sample before */
};

struct sample {
	struct row *rows;
	struct xen_domctl_getdomaininfo *list;
	char **names;
	unsigned int nr;
	int64_t when;			/* ns */
	struct xen_sysctl_physinfo machine;
};

enum order { BY_ID, BY_CPU, BY_MEMORY, BY_NAME, ORDERS };

static struct {
	double delay;			/* seconds */
	long looks;			/* left; negative: no end */
	bool batch, vcpus, networks, disks, full_names;
	enum order order;
} how = { .delay = 3, .looks = -1 };

/* --- taking a sample --------------------------------------------------------------------- */

static struct row *row_of(struct sample *s, unsigned long domid)
{
	for (unsigned int i = 0; i < s->nr; i++)
		if (s->rows[i].info.domain == domid)
			return &s->rows[i];
	return NULL;
}

/* A line "vif3.0: RECEIVED ... SENT ..." of /proc/net/dev for each interface. */
static void count_networks(struct sample *s)
{
	char *text = xl_read_file("/proc/net/dev", NULL), *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long long received, sent;
		unsigned int domid, index;
		struct row *row;

		if (sscanf(line, " vif%u.%u: %llu %*u %*u %*u %*u %*u %*u %*u %llu", &domid, &index, &received, &sent) != 4)
			continue;
		row = row_of(s, domid);
		if (!row)
			continue;
		row->usage.nets++;
		row->usage.sent += received;
		row->usage.received += sent;
	}
	free(text);
}

static uint64_t counter(const char *device, const char *name)
{
	char path[400], *text;
	uint64_t n;

	snprintf(path, sizeof(path), BACKENDS "/%s/statistics/%s", device, name);
	text = xl_read_file(path, NULL);
	n = text ? strtoull(text, NULL, 10) : 0;
	free(text);
	return n;
}

static void count_disks(struct sample *s)
{
	DIR *folder = opendir(BACKENDS);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		unsigned int domid, number;
		struct row *row;

		if (sscanf(entry->d_name, "vbd-%u-%u", &domid, &number) != 2)
			continue;
		row = row_of(s, domid);
		if (!row)
			continue;
		row->usage.disks++;
		row->usage.stalls += counter(entry->d_name, "oo_req");
		row->usage.reads += counter(entry->d_name, "rd_req");
		row->usage.writes += counter(entry->d_name, "wr_req");
		row->usage.read_sectors += counter(entry->d_name, "rd_sect");
		row->usage.written_sectors += counter(entry->d_name, "wr_sect");
	}
	if (folder)
		closedir(folder);
}

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	switch (how.order) {
	case BY_CPU:
		if (x->percent != y->percent)
			return x->percent < y->percent ? 1 : -1;
		break;
	case BY_MEMORY:
		if (x->info.tot_pages != y->info.tot_pages)
			return x->info.tot_pages < y->info.tot_pages ? 1 : -1;
		break;
	case BY_NAME:
		return strcmp(x->name, y->name);
	default:
		break;
	}
	return (int)x->info.domain - (int)y->info.domain;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* @old may be empty. */
static void take(struct sample *s, struct sample *old)
{
	memset(s, 0, sizeof(*s));
	s->list = xl_domains(&s->nr);
	s->names = xl_domain_names(s->list, s->nr);
	s->when = now_ns();
	s->rows = calloc(s->nr + 1, sizeof(*s->rows));
	if (!s->rows)
		abort();
	if (xc_physinfo(xl_xc(), &s->machine) < 0)
		xl_die_xc();
	for (unsigned int i = 0; i < s->nr; i++) {
		struct row *before = row_of(old, s->list[i].domain);

		s->rows[i].info = s->list[i];
		s->rows[i].name = s->names[i];
		if (before && s->when > old->when && s->list[i].cpu_time >= before->info.cpu_time)
			s->rows[i].percent = 100.0 * (s->list[i].cpu_time - before->info.cpu_time) / (s->when - old->when);
	}
	count_networks(s);
	count_disks(s);
	qsort(s->rows, s->nr, sizeof(*s->rows), compare);
}

static void drop(struct sample *s)
{
	free(s->rows);
	free(s->list);
	if (s->names)
		xl_names_free(s->names);
	memset(s, 0, sizeof(*s));
}

/* --- showing it: lines, to the screen or to standard output ---------------------------------- */

static void put_line(const char *line)
{
	if (!how.batch)
		addnstr(line, COLS - 1);
	else
		fputs(line, stdout);
	if (!how.batch)
		clrtoeol(), addch('\n');
	else
		putchar('\n');
}

static const char heading[] = "      NAME  STATE   CPU(sec) CPU(%)     MEM(k) MEM(%)  MAXMEM(k) MAXMEM(%) VCPUS NETS "
			      "NETTX(k) NETRX(k) VBDS   VBD_OO   VBD_RD   VBD_WR  VBD_RSECT  VBD_WSECT SSID";

static void format_row(char *buf, size_t size, const struct row *r, const struct sample *s)
{
	const struct xen_domctl_getdomaininfo *d = &r->info;
	uint64_t kib = xl_pages_to_kib(d->tot_pages), most = xl_pages_to_kib(d->max_pages);
	uint64_t total = xl_pages_to_kib(s->machine.total_pages);
	bool crashed = d->flags & XEN_DOMINF_shutdown && xl_shutdown_code(d) == SHUTDOWN_crash;
	int width = how.full_names ? (int)strlen(r->name) : 10;
	char limit[24] = "no limit", share[16] = "n/a";

	if (most < 1ULL << 40 && most <= total * 1024) {
		snprintf(limit, sizeof(limit), "%llu", (unsigned long long)most);
		snprintf(share, sizeof(share), "%.1f", 100.0 * most / total);
	}
	snprintf(buf, size, "%10.*s %c%c%c%c%c%c %10llu %6.1f %10llu %6.1f %10s %9s %5u %4u %8llu %8llu %4u %8llu %8llu %8llu "
		 "%10llu %10llu %4u", width, r->name, d->flags & XEN_DOMINF_dying ? 'd' : '-',
		 d->flags & XEN_DOMINF_shutdown ? 's' : '-', d->flags & XEN_DOMINF_blocked ? 'b' : '-', crashed ? 'c' : '-',
		 d->flags & XEN_DOMINF_paused ? 'p' : '-', d->flags & XEN_DOMINF_running ? 'r' : '-',
		 (unsigned long long)(d->cpu_time / 1000000000), r->percent, (unsigned long long)kib, 100.0 * kib / total, limit,
		 share, d->nr_online_vcpus, r->usage.nets, (unsigned long long)r->usage.sent >> 10,
		 (unsigned long long)r->usage.received >> 10, r->usage.disks, (unsigned long long)r->usage.stalls,
		 (unsigned long long)r->usage.reads, (unsigned long long)r->usage.writes,
		 (unsigned long long)r->usage.read_sectors, (unsigned long long)r->usage.written_sectors, d->ssidref);
}

static void show_vcpus(const struct row *r)
{
	char line[256] = "    VCPUs(sec):";
	int n = strlen(line);

	for (uint32_t vcpu = 0; r->info.max_vcpu_id != XEN_INVALID_MAX_VCPU_ID && vcpu <= r->info.max_vcpu_id; vcpu++) {
		struct xen_domctl_getvcpuinfo info;

		if (n < (int)sizeof(line) - 24 && xc_vcpu_info(xl_xc(), r->info.domain, vcpu, &info) >= 0 && info.online)
			n += snprintf(line + n, sizeof(line) - n, " %3u: %9llus", vcpu,
				      (unsigned long long)(info.cpu_time / 1000000000));
	}
	put_line(line);
}

static void show_more(const struct row *r)
{
	char line[160];

	if (how.vcpus)
		show_vcpus(r);
	if (how.networks && r->usage.nets) {
		snprintf(line, sizeof(line), "    Networks: %u, received %llu KiB, sent %llu KiB", r->usage.nets,
			 (unsigned long long)r->usage.received >> 10, (unsigned long long)r->usage.sent >> 10);
		put_line(line);
	}
	if (how.disks && r->usage.disks) {
		snprintf(line, sizeof(line), "    Disks: %u, %llu reads of %llu KiB, %llu writes of %llu KiB, %llu times out of room",
			 r->usage.disks, (unsigned long long)r->usage.reads, (unsigned long long)r->usage.read_sectors / 2,
			 (unsigned long long)r->usage.writes, (unsigned long long)r->usage.written_sectors / 2,
			 (unsigned long long)r->usage.stalls);
		put_line(line);
	}
}

static void show_machine(const struct sample *s)
{
	unsigned int runs = 0, waits = 0, paused = 0, crashed = 0, dying = 0, ended = 0;
	uint64_t total = xl_pages_to_kib(s->machine.total_pages), left = xl_pages_to_kib(s->machine.free_pages);
	char line[200], clock[16];
	time_t now = time(NULL);
	struct tm tm;

	for (unsigned int i = 0; i < s->nr; i++) {
		uint32_t flags = s->rows[i].info.flags;

		runs += !!(flags & XEN_DOMINF_running);
		waits += !!(flags & XEN_DOMINF_blocked);
		paused += !!(flags & XEN_DOMINF_paused);
		dying += !!(flags & XEN_DOMINF_dying);
		ended += !!(flags & XEN_DOMINF_shutdown);
		crashed += flags & XEN_DOMINF_shutdown && xl_shutdown_code(&s->rows[i].info) == SHUTDOWN_crash;
	}
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
	snprintf(line, sizeof(line), "xl top - %s   %u domains: %u running, %u blocked, %u paused, %u crashed, %u dying, %u shutdown",
		 clock, s->nr, runs, waits, paused, crashed, dying, ended);
	put_line(line);
	snprintf(line, sizeof(line), "Mem: %lluk total, %lluk used, %lluk free    CPUs: %u @ %uMHz", (unsigned long long)total,
		 (unsigned long long)(total - left), (unsigned long long)left, s->machine.nr_cpus, s->machine.cpu_khz / 1000);
	put_line(line);
}

static void show(const struct sample *s)
{
	char line[512];

	if (!how.batch) {
		erase();
		show_machine(s);
		attron(A_REVERSE);
	}
	put_line(heading);
	if (!how.batch)
		attroff(A_REVERSE);
	for (unsigned int i = 0; i < s->nr; i++) {
		format_row(line, sizeof(line), &s->rows[i], s);
		put_line(line);
		show_more(&s->rows[i]);
	}
	if (!how.batch) {
		static const char *const orders[] = { "number", "CPU", "memory", "name" };

		snprintf(line, sizeof(line), " q quit  d delay (%.1f s)  s sorted by %s  v vcpus  n networks  b disks", how.delay,
			 orders[how.order]);
		attron(A_REVERSE);
		mvaddnstr(LINES - 1, 0, line, COLS - 1);
		attroff(A_REVERSE);
		refresh();
	} else {
		fflush(stdout);
	}
}

/* --- keys ---------------------------------------------------------------------------------------- */

static void ask_delay(void)
{
	char text[16] = "";
	double seconds;

	mvaddstr(LINES - 1, 0, "Seconds between two looks: ");
	clrtoeol();
	echo();
	timeout(-1);
	getnstr(text, sizeof(text) - 1);
	noecho();
	seconds = atof(text);
	if (seconds >= 0.1 && seconds <= 3600)
		how.delay = seconds;
}

/* Waits for the next look, or for a key that changes what is shown; false for the end. */
static bool next(void)
{
	int key;

	timeout((int)(how.delay * 1000));
	key = getch();
	switch (key) {
	case 'q':
	case 'Q':
	case 27:
		return false;
	case 'd':
	case 'D':
		ask_delay();
		break;
	case 's':
	case 'S':
		how.order = (how.order + 1) % ORDERS;
		break;
	case 'v':
	case 'V':
		how.vcpus = !how.vcpus;
		break;
	case 'n':
	case 'N':
		how.networks = !how.networks;
		break;
	case 'b':
	case 'B':
		how.disks = !how.disks;
		break;
	}
	return true;
}

static void run(void)
{
	struct sample old = { 0 }, s;

	for (;;) {
		take(&s, &old);
		show(&s);
		drop(&old);
		old = s;
		if (how.looks > 0 && !--how.looks)
			break;
		if (how.batch)
			usleep(how.delay * 1e6);
		else if (!next())
			break;
	}
	drop(&old);
}

int verb_top(int argc, char **argv)
{
	static const struct option options[] = {
		{ "batch", no_argument, NULL, 'b' }, { "delay", required_argument, NULL, 'd' },
		{ "iterations", required_argument, NULL, 'i' }, { "full-name", no_argument, NULL, 'f' },
		{ "networks", no_argument, NULL, 'n' }, { "vbds", no_argument, NULL, 'x' }, { "vcpus", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = xl_option(argc, argv, "bd:i:fnxv", options, 0)) != -1) {
		switch (c) {
		case 'b':
			how.batch = true;
			break;
		case 'd':
			how.delay = atof(optarg);
			if (!(how.delay >= 0.1 && how.delay <= 3600))
				xl_die("a delay of `%s' is not possible; 0.1 to 3600 seconds is", optarg);
			break;
		case 'i':
			how.looks = atol(optarg);
			if (how.looks < 1)
				xl_die("`%s' looks are not possible; 1 or more is", optarg);
			break;
		case 'f':
			how.full_names = true;
			break;
		case 'n':
			how.networks = true;
			break;
		case 'x':
			how.disks = true;
			break;
		case 'v':
			how.vcpus = true;
			break;
		}
	}
	/* What has to go wrong does so before the screen is taken. */
	xl_xc();
	xl_xs();
	if (!how.batch) {
		if (!newterm(NULL, stdout, stdin))
			xl_die("the terminal `%s' is not known; -b does without", getenv("TERM") ? getenv("TERM") : "");
		cbreak();
		noecho();
		keypad(stdscr, TRUE);
		curs_set(0);
	}
	run();
	if (!how.batch)
		endwin();
	return 0;
}
