// SPDX-License-Identifier: MIT
/*
 * Verbs of scheduling: sched-credit, sched-credit2, vcpu-pin, cpupool-list. Parameters of a domain and of a pool are
 * shown, or set where any is given.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "xl.h"

struct sched_request {
	const char *domain, *pool;
	bool params;			/* -s */
	int weight, cap;		/* or -1 */
	int tslice, ratelimit, delay;	/* of the pool, or -1 */
};

/* A pool's parameters, got (all of @r negative) or set. */
static int pool_params(uint32_t pool, uint32_t sched_id, struct sched_request *r, bool put)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_scheduler_op, .u.scheduler_op = {
		.cpupool_id = pool, .sched_id = sched_id, .cmd = XEN_SYSCTL_SCHEDOP_getinfo,
	} };
	struct xen_sysctl_credit_schedule *credit = &op.u.scheduler_op.u.sched_credit;
	struct xen_sysctl_credit2_schedule *credit2 = &op.u.scheduler_op.u.sched_credit2;
	int rc = xc_sysctl(xl_xc(), &op, "asking for a pool's scheduling parameters");

	if (rc < 0)
		return rc;
	if (put) {
		if (sched_id == XEN_SCHEDULER_CREDIT2) {
			if (r->ratelimit >= 0)
				credit2->ratelimit_us = r->ratelimit;
		} else {
			if (r->tslice >= 0)
				credit->tslice_ms = r->tslice;
			if (r->ratelimit >= 0)
				credit->ratelimit_us = r->ratelimit;
			if (r->delay >= 0)
				credit->vcpu_migr_delay_us = r->delay;
		}
		op.u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_putinfo;
		rc = xc_sysctl(xl_xc(), &op, "setting a pool's scheduling parameters");
		if (rc < 0)
			return rc;
	}
	if (sched_id == XEN_SCHEDULER_CREDIT2) {
		r->ratelimit = credit2->ratelimit_us;
	} else {
		r->tslice = credit->tslice_ms;
		r->ratelimit = credit->ratelimit_us;
		r->delay = credit->vcpu_migr_delay_us;
	}
	return 0;
}

static void print_pool(uint32_t pool, uint32_t sched_id)
{
	struct sched_request r = { 0 };
	char *name = xl_pool_name(pool);

	if (pool_params(pool, sched_id, &r, false) < 0)
		printf("Cpupool %s: [sched params unavailable]\n", name);
	else if (sched_id == XEN_SCHEDULER_CREDIT2)
		printf("Cpupool %s: ratelimit=%dus\n", name, r.ratelimit);
	else
		printf("Cpupool %s: tslice=%dms ratelimit=%dus migration-delay=%dus\n", name, r.tslice, r.ratelimit, r.delay);
	free(name);
}

static void print_heading(void)
{
	printf("%-33s %4s %6s %4s\n", "Name", "ID", "Weight", "Cap");
}

static int print_domain(uint32_t domid, uint32_t sched_id)
{
	struct xc_sched sched;
	char *name;

	if (xc_sched_get(xl_xc(), domid, sched_id, &sched) < 0) {
		xl_say("%s", xc_error(xl_xc()));
		return 1;
	}
	name = xl_domain_name(domid);
	printf("%-33s %4u %6d %4d\n", name, domid, sched.weight, sched.cap);
	free(name);
	return 0;
}

/* Each pool with this scheduler (or @only one) and its domains. */
static int print_pools(uint32_t sched_id, const char *only, bool domains)
{
	uint32_t chosen = only ? xl_pool(only) : 0;
	uint8_t cpus[CPUMAP_BITS / 8];
	struct xen_domctl_getdomaininfo *list;
	struct xc_pool pool;
	unsigned int nr;
	int status = 0;

	list = xl_domains(&nr);
	for (uint32_t id = chosen; xc_pool_info(xl_xc(), id, &pool, cpus, sizeof(cpus)) >= 0; id = pool.id + 1) {
		if (only && pool.id != chosen)
			break;
		if (pool.sched_id != sched_id)
			continue;
		print_pool(pool.id, sched_id);
		if (!domains)
			continue;
		print_heading();
		for (unsigned int i = 0; i < nr; i++)
			if (list[i].cpupool == pool.id)
				status |= print_domain(list[i].domain, sched_id);
	}
	free(list);
	return status;
}

/* The scheduler that a domain is under: its pool's. */
static uint32_t scheduler_of(uint32_t domid)
{
	struct xen_domctl_getdomaininfo info;
	uint8_t cpus[CPUMAP_BITS / 8];
	struct xc_pool pool;

	xl_domain_info(domid, &info);
	if (xc_pool_info(xl_xc(), info.cpupool, &pool, cpus, sizeof(cpus)) < 0)
		xl_die_xc();
	return pool.sched_id;
}

static const char *sched_word(uint32_t id)
{
	return id == XEN_SCHEDULER_CREDIT ? "credit" : id == XEN_SCHEDULER_CREDIT2 ? "credit2" : "another";
}

static int of_domain(struct sched_request *r, uint32_t sched_id)
{
	uint32_t domid = xl_domain(r->domain);
	struct xen_domctl_getdomaininfo info;
	struct xc_sched sched = { .weight = r->weight, .cap = r->cap };
	bool set = r->weight >= 0 || r->cap >= 0;
	uint32_t have = scheduler_of(domid);

	if (have != sched_id) {
		fprintf(stderr, "libxl_domain_sched_params_get returned %s not %s.\n", sched_word(have), sched_word(sched_id));
		if (!set)
			print_heading();
		return 1;
	}
	if (!set) {
		print_heading();
		return print_domain(domid, sched_id);
	}
	xl_domain_info(domid, &info);
	if (r->weight >= 0 && (r->weight < 1 || r->weight > 65535))
		xl_die("a weight of %d is not possible; 1 to 65535 is", r->weight);
	if (r->cap > (int)(info.max_vcpu_id + 1) * 100)
		xl_die("a cap of %d is not possible; 0 to %u is, for %u vcpus", r->cap, (info.max_vcpu_id + 1) * 100,
		       info.max_vcpu_id + 1);
	if (xc_sched_set(xl_xc(), domid, sched_id, &sched) < 0)
		xl_die_xc();
	return 0;
}

static int number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || end == text || n < 0 || n > INT32_MAX) {
		fprintf(stderr, "xl: `%s' is no number; 0 to 2147483647 is accepted\n", text);
		exit(1);
	}
	return n;
}

static int verb_sched(int argc, char **argv, uint32_t sched_id, const char *shorts, const struct option *longs)
{
	struct sched_request r = { .weight = -1, .cap = -1, .tslice = -1, .ratelimit = -1, .delay = -1 };
	bool set;
	int c;

	while ((c = xl_option(argc, argv, shorts, longs, 0)) != -1) {
		switch (c) {
		case 'd':
			r.domain = optarg;
			break;
		case 'w':
			r.weight = number(optarg);
			break;
		case 'c':
			r.cap = number(optarg);
			break;
		case 't':
			r.tslice = number(optarg);
			break;
		case 'r':
			r.ratelimit = number(optarg);
			break;
		case 'm':
			r.delay = number(optarg);
			break;
		case 's':
			r.params = true;
			break;
		case 'p':
			r.pool = optarg;
			break;
		}
	}
	set = r.weight >= 0 || r.cap >= 0;
	if ((r.pool || r.params) && (r.domain || set)) {
		fprintf(stderr, "Specifying a cpupool or schedparam is not allowed with domain options.\n");
		return 1;
	}
	if (!r.domain && set) {
		fprintf(stderr, "Must specify a domain.\n");
		return 1;
	}
	if (!r.params && (r.tslice >= 0 || r.ratelimit >= 0 || r.delay >= 0)) {
		fprintf(stderr, "Must specify schedparam to set schedule parameters.\n");
		return 1;
	}
	if (r.domain)
		return of_domain(&r, sched_id);
	if (r.params && (r.tslice >= 0 || r.ratelimit >= 0 || r.delay >= 0)) {
		if (pool_params(r.pool ? xl_pool(r.pool) : 0, sched_id, &r, true) < 0)
			xl_die_xc();
		return 0;
	}
	return print_pools(sched_id, r.params && !r.pool ? "0" : r.pool, !r.params);
}

int verb_sched_credit2(int argc, char **argv)
{
	static const struct option options[] = {
		{ "domain", required_argument, NULL, 'd' }, { "weight", required_argument, NULL, 'w' },
		{ "cap", required_argument, NULL, 'c' }, { "schedparam", no_argument, NULL, 's' },
		{ "ratelimit_us", required_argument, NULL, 'r' }, { "cpupool", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};

	return verb_sched(argc, argv, XEN_SCHEDULER_CREDIT2, "d:w:c:p:r:s", options);
}

int verb_sched_credit(int argc, char **argv)
{
	static const struct option options[] = {
		{ "domain", required_argument, NULL, 'd' }, { "weight", required_argument, NULL, 'w' },
		{ "cap", required_argument, NULL, 'c' }, { "schedparam", no_argument, NULL, 's' },
		{ "tslice_ms", required_argument, NULL, 't' }, { "ratelimit_us", required_argument, NULL, 'r' },
		{ "migration_delay_us", required_argument, NULL, 'm' }, { "cpupool", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};

	return verb_sched(argc, argv, XEN_SCHEDULER_CREDIT, "d:w:c:p:t:r:m:s", options);
}

/* --- pools ---------------------------------------------------------------------------------- */

static void print_cpus(const uint8_t *cpus)
{
	const char *between = "";

	for (unsigned int i = 0; i < CPUMAP_BITS; i++)
		if (cpus[i / 8] >> i % 8 & 1) {
			printf("%s%u", between, i);
			between = ",";
		}
	putchar('\n');
}

int verb_cpupool_list(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cpus", no_argument, NULL, 'c' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	uint8_t cpus[CPUMAP_BITS / 8];
	struct xc_pool pool;
	bool list = false;
	uint32_t only = 0;

	while (xl_option(argc, argv, "c", options, 0) != -1)
		list = true;
	if (argv[optind])
		only = xl_pool(argv[optind]);
	printf("%-19s", "Name");
	printf(list ? "CPU list\n" : "CPUs   Sched     Active   Domain count\n");
	for (uint32_t id = only; xc_pool_info(xl_xc(), id, &pool, cpus, sizeof(cpus)) >= 0; id = pool.id + 1) {
		unsigned int nr = 0;
		char *name;

		if (argv[optind] && pool.id != only)
			break;
		name = xl_pool_name(pool.id);
		printf("%-19s", name);
		free(name);
		for (unsigned int i = 0; i < CPUMAP_BITS; i++)
			nr += cpus[i / 8] >> i % 8 & 1;
		if (list)
			print_cpus(cpus);
		else
			printf("%3u %9s       y       %4u\n", nr, sched_word(pool.sched_id), pool.domains);
	}
	return 0;
}

/* --- vcpu-pin ------------------------------------------------------------------------------ */

void xl_bound_cpus(struct cpumap *hard, bool is_hvm)
{
	const struct xl_conf *conf = xl_conf();
	const char *const masks[] = { conf->cpumask, is_hvm ? conf->hvm_cpumask : conf->pv_cpumask };
	const char *why;

	for (unsigned int i = 0; i < 2; i++) {
		struct cpumap mask;

		if (!masks[i])
			continue;
		if (cpus_parse(&mask, masks[i], xl_topology(), &why)) {
			xl_say("xl.conf: the mask `%s' is ignored: %s", masks[i], why);
			continue;
		}
		for (unsigned int w = 0; w < CPUMAP_BITS / 64; w++)
			hard->word[w] &= mask.word[w];
	}
}

/* A word for hard or soft affinity; false for "-" and none. */
static bool read_map(const char *word, struct cpumap *map)
{
	const char *why;

	if (!word || !strcmp(word, "-"))
		return false;
	if (cpus_parse(map, word, xl_topology(), &why)) {
		fprintf(stderr, "xl: `%s': %s\n", word, why);
		exit(1);
	}
	return true;
}

bool xl_no_cpu_in(const struct cpumap *map)
{
	for (unsigned int i = 0; i < xl_topology()->nr_cpus; i++)
		if (cpumap_test(map, i))
			return false;
	return true;
}

static void print_map(const struct cpumap *map)
{
	char text[1024];

	printf("cpumap: %s\n", cpus_format(map, xl_topology()->nr_cpus, text, sizeof(text)));
}

int verb_vcpu_pin(int argc, char **argv)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' }, { "ignore-global-affinity-masks", no_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct xen_domctl_getdomaininfo info;
	struct cpumap hard = { 0 }, soft = { 0 };
	bool ignore = false, have_hard, have_soft;
	uint32_t domid, first = 0, last;
	size_t bytes;
	int c;
	char *end;

	while ((c = xl_option(argc, argv, "f", options, 3)) != -1)
		ignore |= c == 'i';
	domid = xl_domain(argv[optind]);
	xl_domain_info(domid, &info);
	last = info.max_vcpu_id;
	if (strcmp(argv[optind + 1], "all")) {
		first = last = strtoul(argv[optind + 1], &end, 10);
		if (*end || end == argv[optind + 1]) {
			fprintf(stderr, "Error: Invalid argument %s as VCPU.\n", argv[optind + 1]);
			return 1;
		}
	}
	have_hard = read_map(argv[optind + 2], &hard);
	have_soft = read_map(argv[optind + 3], &soft);
	if (have_hard && !ignore)
		xl_bound_cpus(&hard, info.flags & XEN_DOMINF_hvm_guest);
	if (have_hard && xl_no_cpu_in(&hard)) {
		fprintf(stderr, "vcpu hard affinity map is empty\n");
		return 1;
	}
	if (xl.dry_run) {
		if (have_hard)
			print_map(&hard);
		if (have_soft)
			print_map(&soft);
		return 0;
	}
	bytes = (xl_topology()->nr_cpus + 7) / 8;
	for (uint32_t vcpu = first; vcpu <= last; vcpu++) {
		struct cpumap h = hard, s = soft;

		if (xc_vcpu_set_affinity(xl_xc(), domid, vcpu, have_hard ? (uint8_t *)h.word : NULL,
					 have_soft ? (uint8_t *)s.word : NULL, bytes) < 0) {
			fprintf(stderr, "Could not set affinity for vcpu `%u': %s\n", vcpu, xc_error(xl_xc()));
			return 1;
		}
	}
	return 0;
}
