// SPDX-License-Identifier: MIT
/*
 * What xl create does besides making the guest, and xl destroy.
 *
 * After a guest is made, create leaves a process behind that waits for its end (watch.c), unless -e says not to; with -F it
 * is that process itself. It is there before the guest runs its first instruction.
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

/* --- the process that stays --------------------------------------------------------------------- */

struct log_path {
	char text[320];
};

/* xl-NAME.log; older ones are xl-NAME.log.1 and so on. */
static struct log_path log_path(const char *name, int age)
{
	struct log_path p;
	int n = snprintf(p.text, sizeof(p.text) - 8, LOG_FOLDER "/xl-%s.log", name);

	one_component(p.text + strlen(LOG_FOLDER "/"));
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

	/* A connection and hypercall memory belong to one process, and xenstored keeps a connection while any has it. */
	xl_forked();
	setsid();
	dup2(null, 0);
	dup2(log < 0 ? null : log, 1);
	dup2(log < 0 ? null : log, 2);
	setvbuf(stderr, NULL, _IOLBF, 0);
	if (chdir("/"))
		say_error(errno, "can't leave the current folder: %s", strerror(errno));
	if (null > 2)
		close(null);
	if (log > 2)
		close(log);
	h.x = xl_xc();
	h.xs = xl_xs();
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

/* --- the verbs' work ------------------------------------------------------------------------------------- */

static struct host this_host(void)
{
	struct host h = { .x = xl_xc(), .xs = xl_xs(), .conf = xl_conf() };

	guest_sweep(&h);
	return h;
}

int guest_start(struct guest_config *c, const struct start_how *how)
{
	struct host h = this_host();
	pid_t console = 0;
	uint32_t domid;
	int status = 0;

	if (guest_create(&h, c, &domid))
		return 1;
	if (how->console)
		console = console_start(domid);
	if (!how->foreground && !how->leave)
		leave_watcher(c, domid);
	if (!how->paused && xc_domain_unpause(h.x, domid)) {
		say_call_error(&h, "%s", c->name);
		return 1;
	}
	if (how->foreground)
		status = guest_watch(&h, c, domid);
	if (console > 0)
		waitpid(console, NULL, 0);
	return status;
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
