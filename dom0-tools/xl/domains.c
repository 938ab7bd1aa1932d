// SPDX-License-Identifier: MIT
/*
 * Verbs that tell about domains: list, vm-list, domid, domname, uptime, claims, sharing, vcpu-list. Columns are those
 * of xl 4.17, for scripts cut them. One call brings all domains, and for each its name is read from the store; nothing
 * else is asked that no column shows.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "guest.h"
#include "json.h"
#include "xl.h"

static const struct option list_options[] = {
	{ "long", no_argument, NULL, 'l' }, { "verbose", no_argument, NULL, 'v' }, { "context", no_argument, NULL, 'Z' },
	{ "cpupool", no_argument, NULL, 'c' }, { "numa", no_argument, NULL, 'n' }, { "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct columns {
	bool verbose, context, pool, numa, claim;
};

/* The domains that the words name, all of them if there are none. */
static struct xen_domctl_getdomaininfo *chosen(char **words, unsigned int nr_words, unsigned int *nr)
{
	struct xen_domctl_getdomaininfo *list;

	if (!nr_words)
		return xl_domains(nr);
	list = calloc(nr_words, sizeof(*list));
	if (!list)
		abort();
	for (unsigned int i = 0; i < nr_words; i++) {
		uint32_t domid = xl_domain(words[i]);

		if (xc_domain_info(xl_xc(), domid, &list[i]) < 0) {
			fprintf(stderr, "Domain '%s' does not exist.\n", words[i]);
			exit(1);
		}
	}
	*nr = nr_words;
	return list;
}

/* --- list -l ---------------------------------------------------------------------- */

static const char *scheduler_word(int id)
{
	static const char *const words[] = { [4] = "sedf", "credit", "credit2", "arinc653", "rtds", "null" };

	return id >= 4 && id < (int)(sizeof(words) / sizeof(words[0])) ? words[id] : "unknown";
}

static void put_sched(yajl_gen g, uint32_t domid)
{
	static int id;
	struct xc_sched sched;

	if (!id)
		id = xc_sched_id(xl_xc());
	json_open(g, "sched_params");
	if (xc_sched_get(xl_xc(), domid, id, &sched) >= 0) {
		json_string(g, "sched", scheduler_word(id));
		json_number(g, "weight", sched.weight);
		json_number(g, "cap", sched.cap);
	}
	json_close(g);
}

static bool put_number_of(yajl_gen g, const char *key, const char *node, uint32_t domid)
{
	char *text = xl_read("/local/domain/%u/%s", domid, node);

	if (text)
		json_number(g, key, strtoull(text, NULL, 10));
	free(text);
	return text;
}

/* Which vcpus the guest is to have now. */
static bool put_available(yajl_gen g, uint32_t domid)
{
	unsigned int nr;
	char path[64], **names;

	snprintf(path, sizeof(path), "/local/domain/%u/cpu", domid);
	names = xs_directory(xl_xs(), XBT_NULL, path, &nr);
	if (!names)
		return false;
	json_open_list(g, "avail_vcpus");
	for (unsigned int i = 0; i < nr; i++) {
		char *text = xl_read("%s/%u/availability", path, i);

		if (text && !strcmp(text, "online"))
			json_number(g, NULL, i);
		free(text);
	}
	json_close_list(g);
	free(names);
	return true;
}

/* What is kept, with what changes while a guest runs as it is now. */
static void put_build_info(yajl_gen g, yajl_val info, uint32_t domid)
{
	bool max = false, target = false, sched = false;

	json_open(g, "b_info");
	for (size_t i = 0; i < info->u.object.len; i++) {
		const char *key = info->u.object.keys[i];

		if (!strcmp(key, "max_memkb")) {
			max = put_number_of(g, key, "memory/static-max", domid);
			if (max)
				continue;
		} else if (!strcmp(key, "target_memkb")) {
			target = put_number_of(g, key, "memory/target", domid);
			if (target)
				continue;
		} else if (!strcmp(key, "avail_vcpus")) {
			if (put_available(g, domid))
				continue;
		} else if (!strcmp(key, "sched_params")) {
			if (!max)
				put_number_of(g, "max_memkb", "memory/static-max", domid);
			if (!target)
				put_number_of(g, "target_memkb", "memory/target", domid);
			put_sched(g, domid);
			sched = true;
			continue;
		}
		json_tree(g, key, info->u.object.values[i]);
	}
	if (!sched)
		put_sched(g, domid);
	json_close(g);
}

static void put_create_info(yajl_gen g, yajl_val info, const char *name)
{
	bool done = false;

	json_open(g, "c_info");
	for (size_t i = 0; i < info->u.object.len; i++) {
		const char *key = info->u.object.keys[i];

		if (!strcmp(key, "name")) {
			json_string(g, key, name);
			done = true;
		} else {
			json_tree(g, key, info->u.object.values[i]);
		}
	}
	if (!done)
		json_string(g, "name", name);
	json_close(g);
}

/* A domain that nobody kept a configuration of. */
static void put_unknown(yajl_gen g, const struct xen_domctl_getdomaininfo *info, const char *name)
{
	char uuid[40];

	json_uuid(uuid, info->handle);
	json_open(g, "c_info");
	json_string(g, "type", info->flags & XEN_DOMINF_hvm_guest ? "hvm" : "pv");
	json_string(g, "name", name);
	json_string(g, "uuid", uuid);
	json_close(g);
	json_open(g, "b_info");
	json_number(g, "max_vcpus", info->max_vcpu_id + 1);
	json_number(g, "max_memkb", xl_pages_to_kib(info->max_pages));
	json_number(g, "target_memkb", xl_pages_to_kib(info->tot_pages));
	put_sched(g, info->domain);
	json_close(g);
}

static void put_domain(yajl_gen g, const struct xen_domctl_getdomaininfo *info)
{
	char *text = xl_userdata(info->domain, info->handle, "libxl-json"), *name = xl_domain_name(info->domain);
	char why[128];
	yajl_val tree = text ? yajl_tree_parse(text, why, sizeof(why)) : NULL;

	json_open(g, NULL);
	json_number(g, "domid", info->domain);
	json_open(g, "config");
	if (tree && YAJL_IS_OBJECT(tree)) {
		for (size_t i = 0; i < tree->u.object.len; i++) {
			const char *key = tree->u.object.keys[i];
			yajl_val value = tree->u.object.values[i];

			if (!strcmp(key, "c_info") && YAJL_IS_OBJECT(value))
				put_create_info(g, value, name);
			else if (!strcmp(key, "b_info") && YAJL_IS_OBJECT(value))
				put_build_info(g, value, info->domain);
			else
				json_tree(g, key, value);
		}
	} else {
		put_unknown(g, info, name);
	}
	json_close(g);
	json_close(g);
	yajl_tree_free(tree);
	free(text);
	free(name);
}

/* A list of all domains or of those named; with one name libxl prints a list too. */
static void print_long(const struct xen_domctl_getdomaininfo *list, unsigned int nr)
{
	yajl_gen g = json_new();
	char *text;

	json_open_list(g, NULL);
	for (unsigned int i = 0; i < nr; i++)
		put_domain(g, &list[i]);
	json_close_list(g);
	text = json_finish(g);
	puts(text);
	free(text);
}

/* --- list -------------------------------------------------------------------------- */

static void print_heading(const struct columns *c)
{
	printf("%-40s %5s %5s %5s\tState\tTime(s)", "Name", "ID", "Mem", "VCPUs");
	if (c->verbose)
		printf("   UUID                            Reason-Code\tSecurity Label");
	if (c->context && !c->verbose)
		printf("   Security Label");
	if (c->claim)
		printf("  Claimed");
	if (c->pool)
		printf("         Cpupool");
	if (c->numa)
		printf(" NODE Affinity");
	putchar('\n');
}

static bool is_crashed(const struct xen_domctl_getdomaininfo *info)
{
	return info->flags & XEN_DOMINF_shutdown && xl_shutdown_code(info) == SHUTDOWN_crash;
}

/* The nodes that a domain's memory comes from. */
static void print_nodes(uint32_t domid)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getnodeaffinity, .domain = domid };
	struct xen_sysctl_physinfo machine;
	uint64_t *bits = xc_buffer(xl_xc(), sizeof(*bits));
	struct cpumap map = { 0 };
	char text[256];

	if (!bits || xc_physinfo(xl_xc(), &machine) < 0)
		xl_die_xc();
	op.u.nodeaffinity.nodemap.bitmap = (uintptr_t)bits;
	op.u.nodeaffinity.nodemap.nr_bits = 64;
	if (xc_domctl(xl_xc(), &op, "asking for a domain's nodes") < 0)
		*bits = ~0ULL;
	map.word[0] = *bits;
	printf(" %s", cpus_format(&map, machine.nr_nodes, text, sizeof(text)));
	xc_buffer_free(xl_xc(), bits, sizeof(*bits));
}

static void print_domain(const struct xen_domctl_getdomaininfo *d, const char *name, const struct columns *c)
{
	uint64_t kib = xl_pages_to_kib(d->tot_pages + d->outstanding_pages);

	printf("%-40s %5u %5lu %5u     %c%c%c%c%c%c  %8.1f", name, d->domain, (unsigned long)(kib >> 10),
	       d->nr_online_vcpus, d->flags & XEN_DOMINF_running ? 'r' : '-', d->flags & XEN_DOMINF_blocked ? 'b' : '-',
	       d->flags & XEN_DOMINF_paused ? 'p' : '-', d->flags & XEN_DOMINF_shutdown ? 's' : '-',
	       is_crashed(d) ? 'c' : '-', d->flags & XEN_DOMINF_dying ? 'd' : '-', d->cpu_time / 1e9);
	if (c->verbose) {
		char uuid[40];

		json_uuid(uuid, d->handle);
		printf(" %s %8s %16s", uuid, d->flags & XEN_DOMINF_shutdown ? xl_shutdown_word(xl_shutdown_code(d)) : "-", "-");
	}
	if (c->context && !c->verbose)
		printf(" %16s", "-");
	if (c->claim)
		printf(" %5lu", (unsigned long)(xl_pages_to_kib(d->outstanding_pages) >> 10));
	if (c->pool) {
		char *pool = xl_pool_name(d->cpupool);

		printf("%16s", pool);
		free(pool);
	}
	if (c->numa)
		print_nodes(d->domain);
	putchar('\n');
}

static void print_list(const struct xen_domctl_getdomaininfo *list, unsigned int nr, const struct columns *c)
{
	char **names = xl_domain_names(list, nr);

	print_heading(c);
	for (unsigned int i = 0; i < nr; i++)
		print_domain(&list[i], names[i], c);
	xl_names_free(names);
}

int verb_list(int argc, char **argv)
{
	struct columns columns = { 0 };
	struct xen_domctl_getdomaininfo *list;
	bool details = false;
	unsigned int nr;
	int c;

	while ((c = xl_option(argc, argv, "lvZcn", list_options, 0)) != -1) {
		switch (c) {
		case 'l':
			details = true;
			break;
		case 'v':
			columns.verbose = true;
			break;
		case 'Z':
			columns.context = true;
			break;
		case 'c':
			columns.pool = true;
			break;
		case 'n':
			columns.numa = true;
			break;
		}
	}
	list = chosen(argv + optind, argc - optind, &nr);
	if (details)
		print_long(list, nr);
	else
		print_list(list, nr, &columns);
	free(list);
	return 0;
}

int verb_claims(int argc, char **argv)
{
	const struct columns columns = { .claim = true };
	struct xen_domctl_getdomaininfo *list;
	unsigned int nr;

	while (xl_option(argc, argv, "", NULL, 0) != -1)
		;
	if (!xl_conf()->claim_mode)
		fprintf(stderr, "claim_mode not enabled (see man xl.conf).\n");
	list = xl_domains(&nr);
	print_list(list, nr, &columns);
	free(list);
	return 0;
}

/* No pages are ever shared between guests here, but scripts ask. */
int verb_sharing(int argc, char **argv)
{
	struct xen_domctl_getdomaininfo *list;
	unsigned int nr;

	while (xl_option(argc, argv, "", NULL, 0) != -1)
		;
	list = chosen(argv + optind, argc - optind, &nr);
	printf("%-40s %5s %5s %6s\n", "Name", "ID", "Mem", "Shared");
	for (unsigned int i = 0; i < nr; i++) {
		char *name = xl_domain_name(list[i].domain);

		printf("%-40s %5u %5lu  %5lu\n", name, list[i].domain,
		       (unsigned long)(xl_pages_to_kib(list[i].tot_pages + list[i].outstanding_pages) >> 10),
		       (unsigned long)(xl_pages_to_kib(list[i].shr_pages) >> 10));
		free(name);
	}
	free(list);
	return 0;
}

int verb_vm_list(int argc, char **argv)
{
	struct xen_domctl_getdomaininfo *list;
	unsigned int nr;

	while (xl_option(argc, argv, "", NULL, 0) != -1)
		;
	list = xl_domains(&nr);
	printf("UUID                                  ID    name\n");
	for (unsigned int i = 0; i < nr; i++) {
		char *name = xl_domain_name(list[i].domain);
		char uuid[40];

		json_uuid(uuid, list[i].handle);
		printf("%s  %u    %-30s\n", uuid, list[i].domain, name);
		free(name);
	}
	free(list);
	return 0;
}

/* --- names and numbers --------------------------------------------------------------- */

int verb_domid(int argc, char **argv)
{
	uint32_t domid;

	while (xl_option(argc, argv, "", NULL, 1) != -1)
		;
	if (!xl_domain_by_name(argv[optind], &domid)) {
		fprintf(stderr, "Can't get domid of domain name '%s', maybe this domain does not exist.\n", argv[optind]);
		return 1;
	}
	printf("%u\n", domid);
	return 0;
}

int verb_domname(int argc, char **argv)
{
	unsigned long domid;
	char *end, *name;

	while (xl_option(argc, argv, "", NULL, 1) != -1)
		;
	domid = strtoul(argv[optind], &end, 10);
	if (*end || end == argv[optind] || domid >= DOMID_FIRST_RESERVED) {
		fprintf(stderr, "Invalid domain id.\n\n");
		return 1;
	}
	name = xl_read("/local/domain/%lu/name", domid);
	if (!name) {
		fprintf(stderr, "Can't get domain name of domain id '%lu', maybe this domain does not exist.\n", domid);
		return 1;
	}
	puts(name);
	free(name);
	return 0;
}

/* --- uptime ---------------------------------------------------------------------------- */

/* Seconds since the domain started; negative if nobody wrote when. */
static long uptime_of(uint32_t domid, time_t now)
{
	char *text, *vm;
	long seconds = -1;

	if (!domid) {
		text = xl_read_file("/proc/uptime", NULL);
		if (text)
			seconds = atol(text);
		free(text);
		return seconds;
	}
	vm = xl_read("/local/domain/%u/vm", domid);
	text = vm ? xl_read("%s/start_time", vm) : NULL;
	if (text && atol(text) > 0)
		seconds = now - atol(text);
	free(vm);
	free(text);
	return seconds < 0 ? 0 : seconds;
}

static void format_uptime(char *buf, size_t size, long seconds, bool brief)
{
	long days = seconds / 86400, hours = seconds / 3600 % 24, minutes = seconds / 60 % 60;
	int n = 0;

	if (days)
		n = snprintf(buf, size, days == 1 ? "%ld day, " : "%ld days, ", days);
	if (brief)
		snprintf(buf + n, size - n, "%2ld:%02ld", hours, minutes);
	else
		snprintf(buf + n, size - n, "%2ld:%02ld:%02ld", hours, minutes, seconds % 60);
}

static void print_uptime(uint32_t domid, bool brief, time_t now)
{
	char *name = xl_domain_name(domid);
	char up[64], clock[32];
	struct tm tm;

	format_uptime(up, sizeof(up), uptime_of(domid, now), brief);
	if (brief) {
		strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
		printf(" %s up %s, %s (%u)\n", clock, up, name, domid);
	} else {
		printf("%-33s %4u %s\n", name, domid, up);
	}
	free(name);
}

int verb_uptime(int argc, char **argv)
{
	static const struct option options[] = {
		{ "short", no_argument, NULL, 's' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct xen_domctl_getdomaininfo *list;
	time_t now = time(NULL);
	bool brief = false;
	unsigned int nr;

	while (xl_option(argc, argv, "s", options, 0) != -1)
		brief = true;
	list = chosen(argv + optind, argc - optind, &nr);
	if (!brief)
		printf("%-33s %4s %s\n", "Name", "ID", "Uptime");
	for (unsigned int i = 0; i < nr; i++)
		print_uptime(list[i].domain, brief, now);
	free(list);
	return 0;
}

/* --- vcpu-list --------------------------------------------------------------------------- */

static void print_affinity(uint32_t domid, uint32_t vcpu)
{
	unsigned int nr = xl_topology()->nr_cpus;
	struct cpumap hard = { 0 }, soft = { 0 };
	char a[1024], b[1024];
	size_t bytes = (nr + 7) / 8;

	if (xc_vcpu_get_affinity(xl_xc(), domid, vcpu, (uint8_t *)hard.word, (uint8_t *)soft.word, bytes) < 0) {
		printf("  - / -\n");
		return;
	}
	printf("  %s / %s\n", cpus_format(&hard, nr, a, sizeof(a)), cpus_format(&soft, nr, b, sizeof(b)));
}

static void print_vcpus(const struct xen_domctl_getdomaininfo *d)
{
	char *name = xl_domain_name(d->domain);

	for (uint32_t vcpu = 0; d->max_vcpu_id != XEN_INVALID_MAX_VCPU_ID && vcpu <= d->max_vcpu_id; vcpu++) {
		struct xen_domctl_getvcpuinfo info;

		if (xc_vcpu_info(xl_xc(), d->domain, vcpu, &info) < 0)
			continue;
		printf("%-32s %5u %5u", name, d->domain, vcpu);
		if (!info.online)
			printf("%5c %3c%cp ", '-', '-', '-');
		else
			printf(" %4u %3c%c- ", info.cpu, info.running ? 'r' : '-', info.blocked ? 'b' : '-');
		printf("%9.1f", info.cpu_time / 1e9);
		print_affinity(d->domain, vcpu);
	}
	free(name);
}

int verb_vcpu_list(int argc, char **argv)
{
	struct xen_domctl_getdomaininfo *list;
	unsigned int nr;

	while (xl_option(argc, argv, "", NULL, 0) != -1)
		;
	printf("%-32s %5s %5s %5s %5s %9s %s\n", "Name", "ID", "VCPU", "CPU", "State", "Time(s)", "Affinity (Hard / Soft)");
	list = chosen(argv + optind, argc - optind, &nr);
	for (unsigned int i = 0; i < nr; i++)
		print_vcpus(&list[i]);
	free(list);
	return 0;
}

int verb_rename(int argc, char **argv)
{
	uint32_t domid, other;
	const char *name;
	char *vm;
	int lock;

	while (xl_option(argc, argv, "", NULL, 2) != -1)
		;
	domid = xl_domain(argv[optind]);
	name = argv[optind + 1];
	if (!*name || strlen(name) > 255)
		xl_die("`%s' is no name; accepted are 1 to 255 characters", name);
	/* Until it is written nobody else may take it. */
	lock = name_lock();
	if (lock < 0)
		return 1;
	if (xl_domain_by_name(name, &other) && other != domid)
		xl_die("the name `%s' is in use by domain %u", name, other);
	vm = xl_read("/local/domain/%u/vm", domid);
	if (!vm)
		xl_die("domain %u is not in the store", domid);
	xl_write(name, "/local/domain/%u/name", domid);
	xl_write(name, "%s/name", vm);
	free(vm);
	unlock(lock);
	return 0;
}

/* Labels are Flask's, which neither hypervisor has here; xl's own answer then. */
int verb_getenforce(int argc, char **argv)
{
	while (xl_option(argc, argv, "", NULL, 0) != -1)
		;
	puts("Flask XSM Disabled");
	return 0;
}
