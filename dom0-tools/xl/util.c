// SPDX-License-Identifier: MIT
/* What the verbs share; see xl.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "../libxenstore/batch.h"
#include "destroy.h"
#include "xl.h"

static void say(const char *format, va_list ap)
{
	fflush(stdout);
	if (xl.timestamps) {
		struct timespec now;
		struct tm tm;
		char text[32];

		clock_gettime(CLOCK_REALTIME, &now);
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", localtime_r(&now.tv_sec, &tm));
		fprintf(stderr, "%s [%d] ", text, getpid());
	}
	fputs("xl: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
}

void xl_say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap);
	va_end(ap);
}

void xl_log(const char *format, ...)
{
	va_list ap;

	if (!xl.verbose)
		return;
	va_start(ap, format);
	say(format, ap);
	va_end(ap);
}

void xl_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap);
	va_end(ap);
	exit(1);
}

void xl_die_xc(void)
{
	xl_die("%s", xc_error(xl_xc()));
}

static void report(void *arg, bool is_error, const char *line)
{
	fprintf(stderr, "xl: %s%s\n", is_error ? "" : "warning: ", line);
}

const struct reporter xl_reporter = { .say = report };

static struct xc *hypervisor;
static struct xs_handle *store;

bool xl_have_xen(void)
{
	if (!hypervisor)
		hypervisor = xc_open(NULL, 0);
	return hypervisor;
}

struct xc *xl_xc(void)
{
	char why[256];

	if (!hypervisor) {
		hypervisor = xc_open(why, sizeof(why));
		if (!hypervisor)
			xl_die("%s", why);
	}
	return hypervisor;
}

struct xs_handle *xl_xs(void)
{
	if (!store) {
		store = xs_open(0);
		if (!store)
			xl_die("the store can't be reached (%s); is xenstored running?", strerror(errno));
	}
	return store;
}

void xl_forked(void)
{
	if (hypervisor)
		xc_close(hypervisor);
	if (store)
		xs_daemon_destroy_postfork(store);
	hypervisor = NULL;
	store = NULL;
}

char *xl_read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t n = 0, room = 0;
	ssize_t got;
	int err;

	if (fd < 0)
		return NULL;
	do {
		if (room - n < 4096) {
			room = room ? room * 2 : 8192;
			text = realloc(text, room);
			if (!text)
				abort();
		}
		got = read(fd, text + n, room - n - 1);
		if (got > 0)
			n += got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	err = errno;
	close(fd);
	if (got < 0) {
		free(text);
		errno = err;
		return NULL;
	}
	text[n] = 0;
	if (len)
		*len = n;
	return text;
}

const struct xl_conf *xl_conf(void)
{
	static const char path[] = "/etc/xen/xl.conf";
	static struct xl_conf conf;
	static bool have;
	size_t len = 0;
	char *text;

	if (have)
		return &conf;
	text = xl_read_file(path, &len);
	if (!text && errno != ENOENT)
		xl_say("%s can't be read (%s); defaults are used", path, strerror(errno));
	xl_conf_parse(&conf, path, text ? text : "", len, &xl_reporter);
	free(text);
	have = true;
	return &conf;
}

/* --- the store ---------------------------------------------------------------- */

char *xl_read(const char *path, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, path);
	vsnprintf(text, sizeof(text), path, ap);
	va_end(ap);
	return xs_read(xl_xs(), XBT_NULL, text, NULL);
}

void xl_write(const char *value, const char *path, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, path);
	vsnprintf(text, sizeof(text), path, ap);
	va_end(ap);
	if (!xs_write(xl_xs(), XBT_NULL, text, value, strlen(value)))
		xl_die("writing %s to the store: %s", text, strerror(errno));
}

/* --- domains ------------------------------------------------------------------ */

char *xl_domain_name(uint32_t domid)
{
	char *name = xl_read("/local/domain/%u/name", domid);

	if (!name && !(name = strdup("")))
		abort();
	return name;
}

struct xen_domctl_getdomaininfo *xl_domains(unsigned int *nr)
{
	struct xen_domctl_getdomaininfo *list = NULL;
	unsigned int room = 64;
	int got;

	do {
		room *= 2;
		list = realloc(list, room * sizeof(*list));
		if (!list)
			abort();
		got = xc_domain_list(xl_xc(), 0, list, room);
		if (got < 0)
			xl_die_xc();
	} while ((unsigned int)got == room);
	*nr = got;
	return list;
}

char **xl_domain_names(const struct xen_domctl_getdomaininfo *list, unsigned int nr)
{
	char **names = calloc(nr + 1, sizeof(*names));
	struct xs_batch b = { 0 };

	if (!names)
		abort();
	for (unsigned int i = 0; i < nr; i++)
		batch_read(&b, &names[i], "/local/domain/%u/name", list[i].domain);
	if (nr && batch_run(xl_xs(), &b))
		xl_die("asking the store for names: %s", strerror(b.error));
	batch_free(&b);
	for (unsigned int i = 0; i < nr; i++)
		if (!names[i] && !(names[i] = strdup("")))
			abort();
	return names;
}

void xl_names_free(char **names)
{
	for (char **name = names; *name; name++)
		free(*name);
	free(names);
}

bool xl_domain_by_name(const char *name, uint32_t *domid)
{
	unsigned int nr;
	struct xen_domctl_getdomaininfo *list = xl_domains(&nr);
	char **names = xl_domain_names(list, nr);
	bool found = false;

	for (unsigned int i = 0; i < nr && !found; i++) {
		found = *name && !strcmp(names[i], name);
		if (found)
			*domid = list[i].domain;
	}
	xl_names_free(names);
	free(list);
	return found;
}

bool xl_find_domain(const char *word, uint32_t *domid)
{
	if (*word && strspn(word, "0123456789") == strlen(word)) {
		unsigned long n = strtoul(word, NULL, 10);

		*domid = n;
		return n < DOMID_FIRST_RESERVED;
	}
	return xl_domain_by_name(word, domid);
}

uint32_t xl_domain(const char *word)
{
	uint32_t domid;

	if (!xl_find_domain(word, &domid)) {
		fflush(stdout);
		fprintf(stderr, "%s is an invalid domain identifier (rc=-6)\n", word);
		exit(1);
	}
	return domid;
}

void xl_domain_info(uint32_t domid, struct xen_domctl_getdomaininfo *info)
{
	int rc = xc_domain_info(xl_xc(), domid, info);

	if (rc == -ESRCH)
		xl_die("there is no domain %u", domid);
	if (rc < 0)
		xl_die_xc();
}

const char *xl_shutdown_word(unsigned int code)
{
	static const char *const words[] = { "poweroff", "reboot", "suspend", "crash", "watchdog", "soft_reset" };

	return code < sizeof(words) / sizeof(words[0]) ? words[code] : "-";
}

/* --- files of libxl --------------------------------------------------------- */

char *xl_userdata(uint32_t domid, const uint8_t uuid[16], const char *kind)
{
	char path[256];

	userdata_path(path, sizeof(path), domid, uuid, kind);
	return xl_read_file(path, NULL);
}

void xl_set_userdata(uint32_t domid, const uint8_t uuid[16], const char *kind, const char *text)
{
	char path[256], temporary[272];
	size_t len = strlen(text);
	int fd;

	userdata_path(path, sizeof(path), domid, uuid, kind);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	mkdir("/var/lib/xen", 0700);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fsync(fd) || close(fd) || rename(temporary, path))
		xl_die("writing %s: %s", temporary, strerror(errno));
}

int64_t xl_parse_memory(const char *text)
{
	unsigned long long n;
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || (*end && end[1]) || n > 1ULL << 50)
		return -1;
	switch (*end) {
	case 't': case 'T':
		return n < 1 << 20 ? (int64_t)(n << 30) : -1;
	case 'g': case 'G':
		return n < 1 << 30 ? (int64_t)(n << 20) : -1;
	case 'm': case 'M': case 0:
		return n << 10;
	case 'k': case 'K':
		return n;
	case 'b': case 'B':
		return n >> 10;
	}
	return -1;
}

/* --- CPUs ----------------------------------------------------------------------- */

const struct cpu_topology *xl_topology(void)
{
	static struct cpu_topology t;
	static int nodes[CPUMAP_BITS];
	struct xen_sysctl_cputopo *cpus;
	int got;

	if (t.nr_cpus)
		return &t;
	cpus = calloc(CPUMAP_BITS, sizeof(*cpus));
	if (!cpus)
		abort();
	got = xc_cpu_topology(xl_xc(), cpus, CPUMAP_BITS);
	if (got < 0)
		xl_die_xc();
	t.nr_cpus = got < CPUMAP_BITS ? got : CPUMAP_BITS;
	t.node_of = nodes;
	for (unsigned int i = 0; i < t.nr_cpus; i++) {
		nodes[i] = cpus[i].core == XEN_INVALID_CORE_ID ? -1 : (int)cpus[i].node;
		if (nodes[i] >= (int)t.nr_nodes)
			t.nr_nodes = nodes[i] + 1;
	}
	free(cpus);
	return &t;
}

char *xl_pool_name(uint32_t id)
{
	char *name = xl_read("/local/pool/%u/name", id);

	if (!name && asprintf(&name, "Pool-%u", id) < 0)
		abort();
	return name;
}

uint32_t xl_pool(const char *word)
{
	struct xc_pool pool;
	uint8_t cpus[CPUMAP_BITS / 8];
	char *end;
	unsigned long number = strtoul(word, &end, 10);

	for (uint32_t id = 0; xc_pool_info(xl_xc(), id, &pool, cpus, sizeof(cpus)) >= 0; id = pool.id + 1) {
		char *name = xl_pool_name(pool.id);
		bool same = !strcmp(name, word) || (!*end && end != word && number == pool.id);

		free(name);
		if (same)
			return pool.id;
	}
	fprintf(stderr, "Pool '%s' does not exist\n", word);
	exit(1);
}
