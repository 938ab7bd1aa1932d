// SPDX-License-Identifier: MIT
/*
 * xl(1): global options, then a verb of the table in verbs.c. Statuses are those of xl 4.17: 1 for a verb that failed,
 * 2 for a command line that can't be understood.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "xl.h"

struct xl_globals xl;

const struct xl_verb *xl_find_verb(const char *name)
{
	const struct xl_verb *only = NULL;
	size_t n = strlen(name);
	int found = 0;

	for (const struct xl_verb *v = xl_verbs; v->name; v++) {
		if (!strcmp(v->name, name))
			return v;
		if (!strncmp(v->name, name, n)) {
			only = v;
			found++;
		}
	}
	/* A beginning that only one verb has, as xl allows. */
	return found == 1 ? only : NULL;
}

void xl_usage(const char *verb)
{
	const struct xl_verb *v = xl_find_verb(verb);

	if (!v)
		return;
	printf("Usage: xl [-%s] %s %s\n\n%s.\n\n", v->globals, v->name, v->arguments, v->brief);
	if (v->options)
		printf("Options:\n\n%s\n", v->options);
}

static void all_verbs(void)
{
	printf("Usage xl [-vfNtT] <subcommand> [args]\n\nxl full list of subcommands:\n\n");
	for (const struct xl_verb *v = xl_verbs; v->name; v++) {
		if (!v->run)
			continue;
		if (strlen(v->name) > 19)
			printf(" %-19s\n %20s%s\n", v->name, "", v->brief);
		else
			printf(" %-19s %s\n", v->name, v->brief);
	}
	printf("\nNot there yet:\n\n");
	for (const struct xl_verb *v = xl_verbs; v->name; v++)
		if (!v->run)
			printf(" %-19s %s\n", v->name, v->brief);
}

int verb_help(int argc, char **argv)
{
	if (argc < 2 || argv[1][0] == '-')
		all_verbs();
	else if (xl_find_verb(argv[1]))
		xl_usage(argv[1]);
	else
		printf("command \"%s\" not implemented\n", argv[1]);
	return 0;
}

int xl_option(int argc, char **argv, const char *shorts, const struct option *longs, int required)
{
	static const struct option help[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	char all[64];
	int c;

	snprintf(all, sizeof(all), "h%s", shorts);
	opterr = 0;
	c = getopt_long(argc, argv, all, longs ? longs : help, NULL);
	if (c == '?') {
		if (optopt)
			fprintf(stderr, "option `%c' not supported.\n", optopt);
		else
			fprintf(stderr, "option `%s' not supported.\n", argv[optind - 1]);
		exit(2);
	}
	if (c == 'h') {
		xl_usage(argv[0]);
		exit(0);
	}
	if (c == -1 && argc - optind < required) {
		fprintf(stderr, "'xl %s' requires at least %d argument%s.\n\n", argv[0], required, required > 1 ? "s" : "");
		xl_usage(argv[0]);
		exit(2);
	}
	return c;
}

static int read_globals(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+vftTN")) != -1) {
		switch (c) {
		case 'v':
			xl.verbose++;
			break;
		case 'N':
			xl.dry_run = true;
			break;
		case 'f':
			xl.force = true;
			break;
		case 't':
			xl.progress_cr = true;
			break;
		case 'T':
			xl.timestamps = true;
			break;
		default:
			fprintf(stderr, "unknown global option\n");
			exit(2);
		}
	}
	return optind;
}

int main(int argc, char **argv)
{
	int first = read_globals(argc, argv);
	const struct xl_verb *verb;
	int status;

	if (first >= argc) {
		all_verbs();
		return 1;
	}
	verb = xl_find_verb(argv[first]);
	if (!verb) {
		fprintf(stderr, "command not implemented: there is no `%s'; xl help lists what there is\n", argv[first]);
		return 1;
	}
	if (!verb->run) {
		fprintf(stderr, "xl: %s is not there yet\n", verb->name);
		return 1;
	}
	if (xl.dry_run && !strchr(verb->globals, 'N')) {
		fprintf(stderr, "command does not implement -N (dryrun) option\n");
		return 1;
	}
	argv[first] = (char *)verb->name;
	xl.verb = verb->name;
	optind = 0;
	status = verb->run(argc - first, argv + first);
	if (fflush(stdout) || ferror(stdout)) {
		perror("xl: writing the output");
		status = status ? status : 1;
	}
	return status;
}
