// SPDX-License-Identifier: MIT
/*
 * xl create and xl destroy.
 *
 * After a guest is made, create leaves a process behind that waits for its end (watch.c), unless -e says not to; -F is
 * that process itself. It is there before the guest runs its first instruction.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "console.h"
#include "guest.h"
#include "xl.h"

#define LOG_FOLDER	"/var/log/xen"
#define OLD_LOGS	9

struct how {
	const char *file;
	char *extra;		/* lines of key=value */
	bool paused, quiet, foreground, leave, console, dry_run;
};

/* --- the command line ----------------------------------------------------------------------- */

static void add_line(struct how *how, const char *line)
{
	size_t old = how->extra ? strlen(how->extra) : 0;
	char *p = realloc(how->extra, old + strlen(line) + 2);

	if (!p)
		xl_die("no memory");
	sprintf(p + old, "%s\n", line);
	how->extra = p;
}

static void read_options(struct how *how, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "quiet", no_argument, NULL, 'q' }, { "defconfig", required_argument, NULL, 'f' },
		{ "dryrun", no_argument, NULL, 'n' }, { "foreground", no_argument, NULL, 'F' },
		{ "vncviewer", no_argument, NULL, 'V' }, { "vncviewer-autopass", no_argument, NULL, 'A' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int c;

	how->dry_run = xl.dry_run;
	/* The file may stand before the options. */
	if (argc > 1 && argv[1][0] != '-' && !strchr(argv[1], '=')) {
		how->file = argv[1];
		argv[1] = argv[0];
		argc--;
		argv++;
	}
	while ((c = xl_option(argc, argv, "Fnqf:pcdeVA", longs, 0)) != -1) {
		switch (c) {
		case 'f':
			how->file = optarg;
			break;
		case 'p':
			how->paused = true;
			break;
		case 'c':
			how->console = true;
			break;
		case 'F':
			how->foreground = true;
			break;
		case 'e':
			how->leave = true;
			break;
		case 'n':
			how->dry_run = true;
			break;
		case 'q':
			how->quiet = true;
			break;
		case 'V':
		case 'A':
			xl_say("-%c: there is no VNC for PV guests yet; it is ignored", c);
			break;
		}
	}
	for (; optind < argc; optind++) {
		if (strchr(argv[optind], '='))
			add_line(how, argv[optind]);
		else if (!how->file)
			how->file = argv[optind];
		else
			xl_die("create: %s is neither a setting key=value nor the one configuration file", argv[optind]);
	}
}

static void read_config(struct how *how, struct guest_config *c)
{
	size_t len = 0;
	char *text = NULL;

	if (how->file) {
		text = xl_read_file(how->file, &len);
		if (!text)
			xl_die("the configuration file %s: %s", how->file, strerror(errno));
		if (!how->quiet)
			printf("Parsing config from %s\n", how->file);
	} else if (!how->extra) {
		xl_die("create: say a configuration file or settings key=value");
	}
	if (config_parse(c, how->file ? how->file : "command line", text ? text : "", len, how->extra, xl_conf(), &xl_reporter))
		exit(1);
	free(text);
	free(how->extra);
}

/* --- the process that stays --------------------------------------------------------------------- */

struct log_path {
	char text[320];
};

/* xl-NAME.log; older ones are xl-NAME.log.1 and so on. */
static struct log_path log_path(const char *name, int age)
{
	struct log_path p;
	int n = snprintf(p.text, sizeof(p.text) - 8, LOG_FOLDER "/xl-%s.log", name);

	for (char *c = p.text + strlen(LOG_FOLDER "/"); *c; c++)
		if (*c == '/')
			*c = '_';
	if (age)
		snprintf(p.text + (n < (int)sizeof(p.text) - 8 ? n : (int)sizeof(p.text) - 9), 8, ".%d", age);
	return p;
}

static int open_log(const char *name)
{
	struct log_path path = log_path(name, 0);

	mkdir(LOG_FOLDER, 0755);
	for (int age = access(path.text, F_OK) ? -1 : OLD_LOGS - 1; age >= 0; age--)
		rename(log_path(name, age).text, log_path(name, age + 1).text);
	return open(path.text, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
}

/* In the child: nothing of the terminal, no handle of the parent's. */
static __attribute__((noreturn)) void stay(struct guest_config *c, uint32_t domid)
{
	struct host h = { .conf = xl_conf() };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), log = open_log(c->name);
	char why[200];

	setsid();
	dup2(null, 0);
	dup2(log < 0 ? null : log, 1);
	dup2(log < 0 ? null : log, 2);
	setvbuf(stderr, NULL, _IOLBF, 0);
	if (chdir("/"))
		say_error(errno, "can't leave the current folder: %s", strerror(errno));
	/* A connection and hypercall memory belong to one process. */
	h.x = xc_open(why, sizeof(why));
	h.xs = xs_open(0);
	if (!h.x || !h.xs) {
		say_error(errno, "%s", h.x ? "xenstored can't be reached" : why);
		_exit(1);
	}
	guest_sweep(&h);
	_exit(guest_watch(&h, c, domid));
}

static void leave_watcher(struct guest_config *c, uint32_t domid)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		stay(c, domid);
	if (pid < 0)
		xl_say("no process to wait for the end of %s: %s; what happens then is up to you", c->name, strerror(errno));
}

/* --- the verbs ------------------------------------------------------------------------------------- */

static struct host this_host(void)
{
	struct host h = { .x = xl_xc(), .xs = xl_xs(), .conf = xl_conf() };

	guest_sweep(&h);
	return h;
}

static int start(struct host *h, struct how *how, struct guest_config *c, uint32_t domid)
{
	pid_t console = how->console ? console_start(domid) : 0;
	int status = 0;

	if (!how->foreground && !how->leave)
		leave_watcher(c, domid);
	if (!how->paused && xc_domain_unpause(h->x, domid))
		return say_call_error(h, "%s", c->name) ? 1 : 0;
	if (how->foreground)
		status = guest_watch(h, c, domid);
	else if (console > 0)
		waitpid(console, NULL, 0);
	return status;
}

int verb_create(int argc, char **argv)
{
	struct guest_config c = { 0 };
	struct how how = { 0 };
	struct host h;
	uint32_t domid;

	read_options(&how, argc, argv);
	read_config(&how, &c);
	if (how.dry_run) {
		char *json = config_to_json(&c, NULL, -1, false);

		if (!json)
			xl_die("no memory");
		puts(json);
		free(json);
		return 0;
	}
	h = this_host();
	if (guest_create(&h, &c, &domid))
		return 1;
	return start(&h, &how, &c, domid);
}

int verb_destroy(int argc, char **argv)
{
	struct host h;

	/* -f has nothing to force: a guest is not asked, and domain 0 is never destroyed. */
	while (xl_option(argc, argv, "f", NULL, 1) != -1)
		continue;
	h = this_host();
	return guest_destroy(&h, xl_domain(argv[optind])) ? 1 : 0;
}
