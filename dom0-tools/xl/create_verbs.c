// SPDX-License-Identifier: MIT
/*
 * Verbs that read a guest's configuration: create (its command line, its dry run) and config-update. What makes the
 * guest is create.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "guest.h"
#include "why.h"
#include "xl.h"

/* Words with "=" are lines of the configuration, joined with newlines; the word without is its file. */
struct words {
	const char *file;
	char *extra;
	size_t len;
};

static void add_line(struct words *w, const char *line)
{
	size_t n = strlen(line);

	w->extra = realloc(w->extra, w->len + n + 2);
	if (!w->extra)
		abort();
	memcpy(w->extra + w->len, line, n);
	strcpy(w->extra + w->len + n, "\n");
	w->len += n + 1;
}

/* Statuses: 6 without a file, 3 if it can't be read, 1 if it is wrong: xl's. */
static void read_config(struct guest_config *config, const struct words *w)
{
	size_t len = 0;
	char *text;

	if (!w->file && !w->extra) {
		fprintf(stderr, "Config file not specified and none in save file\n");
		exit(6);
	}
	text = w->file ? xl_read_file(w->file, &len) : strdup("");
	if (!text) {
		fprintf(stderr, "Failed to read config file: %s: %s\n", w->file, strerror(errno));
		exit(3);
	}
	if (config_parse(config, w->file ? w->file : "command line", text, len, w->extra, xl_conf(), &xl_reporter))
		exit(1);
	free(text);
	if (!config->has_uuid) {
		if (getrandom(config->uuid, 16, 0) != 16)
			xl_die("no random numbers: %s", strerror(errno));
		config->uuid[6] = (config->uuid[6] & 0x0f) | 0x40;
		config->uuid[8] = (config->uuid[8] & 0x3f) | 0x80;
		config->has_uuid = true;
	}
}

static void print_config(const struct guest_config *config, bool bare)
{
	/* A dry run is of use on a machine without Xen too; then lists of CPUs have only those that they name. */
	bool ask = (config->nr_cpus || config->nr_cpus_soft) && xl_have_xen();
	char *text = xl_conf()->sxp && config->type == GUEST_PV ? config_to_sxp(config) :
		     config_to_json(config, ask ? xl_topology() : NULL, -1, bare);

	fputs(text, stdout);
	free(text);
}

/* What a text of cpus= means within xl.conf's masks, as text again. */
static char *bounded(const struct guest_config *c, const char *text)
{
	const size_t size = CPUMAP_BITS * 6;
	struct cpumap map;
	const char *why;
	char *buf;

	if (cpus_parse(&map, text, xl_topology(), &why))
		xl_die("%s: cpus=\"%s\": %s", c->name, text, why);
	xl_bound_cpus(&map, c->type != GUEST_PV);
	if (xl_no_cpu_in(&map))
		xl_die("%s: cpus=\"%s\" and the masks of xl.conf have no CPU in common; --ignore-global-affinity-masks leaves the "
		       "masks out", c->name, text);
	buf = malloc(size);
	if (!buf)
		abort();
	return cpus_format(&map, xl_topology()->nr_cpus, buf, size);
}

static void bound_affinity(struct guest_config *c)
{
	const struct xl_conf *conf = xl_conf();
	unsigned int want = c->nr_cpus && !c->cpus_is_list ? 1 : c->maxvcpus;

	if (!conf->cpumask && !(c->type == GUEST_PV ? conf->pv_cpumask : conf->hvm_cpumask))
		return;
	if (!c->nr_cpus) {
		want = 1;
		c->cpus_is_list = false;
	}
	if (want > c->nr_cpus)
		c->cpus = realloc(c->cpus, want * sizeof(*c->cpus));
	if (!c->cpus)
		abort();
	for (; c->nr_cpus < want; c->nr_cpus++)
		c->cpus[c->nr_cpus] = strdup("all");
	for (unsigned int i = 0; i < want; i++) {
		char *text = bounded(c, c->cpus[i]);

		free(c->cpus[i]);
		c->cpus[i] = text;
	}
}

static int take_words(struct words *w, char **argv)
{
	for (; *argv; argv++) {
		if (strchr(*argv, '=') && **argv != '/')
			add_line(w, *argv);
		else if (!w->file)
			w->file = *argv;
		else
			return -1;
	}
	return 0;
}

int verb_config_update(int argc, char **argv)
{
	static const struct option options[] = {
		{ "defconfig", required_argument, NULL, 'f' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct xen_domctl_getdomaininfo info;
	struct guest_config config;
	struct words words = { 0 };
	uint32_t domid;
	int c;

	while ((c = xl_option(argc, argv, "df:", options, 1)) != -1)
		if (c == 'f')
			words.file = optarg;
	fprintf(stderr, "WARNING: xl now has better capability to manage domain configuration, avoid using this command "
		"when possible\n");
	domid = xl_domain(argv[optind]);
	if (take_words(&words, argv + optind + 1)) {
		xl_usage("config-update");
		return 2;
	}
	if (!words.file) {
		fprintf(stderr, "Config file not specified\n");
		return 1;
	}
	read_config(&config, &words);
	if (xl.dry_run) {
		print_config(&config, false);
	} else {
		xl_domain_info(domid, &info);
		printf("setting dom%u configuration\n", domid);
		xl_set_userdata(domid, info.handle, "xl", config.source);
	}
	config_free(&config);
	free(words.extra);
	return 0;
}

int verb_create(int argc, char **argv)
{
	static const struct option options[] = {
		{ "defconfig", required_argument, NULL, 'f' }, { "dryrun", no_argument, NULL, 'n' },
		{ "quiet", no_argument, NULL, 'q' }, { "vncviewer", no_argument, NULL, 'V' },
		{ "vncviewer-autopass", no_argument, NULL, 'A' }, { "ignore-global-affinity-masks", no_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct guest_config config;
	struct words words = { 0 };
	bool dry_run = xl.dry_run, quiet = false, masks = true;
	struct start_how how = { 0 };
	uint32_t domid;
	int c, status;

	while ((c = xl_option(argc, argv, "Fnqf:cpdeVA", options, 0)) != -1) {
		switch (c) {
		case 'f':
			words.file = optarg;
			break;
		case 'n':
			dry_run = true;
			break;
		case 'q':
			quiet = true;
			break;
		case 'p':
			how.paused = true;
			break;
		case 'F':
			how.foreground = true;
			break;
		case 'e':
			how.leave = true;
			break;
		case 'c':
			how.console = true;
			break;
		case 'i':
			masks = false;
			break;
		}
	}
	if (take_words(&words, argv + optind)) {
		xl_usage("create");
		return 2;
	}
	if (!quiet && words.file)
		fprintf(stderr, "Parsing config from %s\n", words.file);
	read_config(&config, &words);
	if (masks && !dry_run)
		bound_affinity(&config);
	status = 0;
	if (dry_run)
		print_config(&config, true);
	else
		status = guest_start(&config, &how);
	/* With -F a guest that ran has its record from its end. */
	if (status && !how.foreground && !xl_domain_by_name(config.name, &domid))
		why_keep_failure(config.name, said_first());
	config_free(&config);
	free(words.extra);
	return status;
}
