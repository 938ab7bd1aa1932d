// SPDX-License-Identifier: MIT
/*
 * The process that waits for a guest's end and does what its configuration says about it.
 *
 * It sleeps in the store: xenstored reports each end of a domain by the watch @releaseDomain, and then the hypervisor is
 * asked about this one. A domain that has another UUID under the same number, or that is gone, was destroyed by somebody
 * else, and there is nothing to do.
 *
 * What it says goes to stderr: the log /var/log/xen/xl-NAME.log where xl create started it in the background.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xen/sched.h>
#include "../libxenstore/batch.h"
#include "destroy.h"
#include "saved.h"
#include "xl.h"

#define DUMP_FOLDER	"/var/lib/xen/dump"
/* Seconds. A guest that lived shorter is not started again at once: see too_soon(). */
#define SHORT_LIFE	20
#define LONGEST_PAUSE	60

enum next { NEXT_END, NEXT_RESTART };

static const char *reason_word(unsigned int reason)
{
	static const char *const words[] = { "poweroff", "reboot", "suspend", "crash", "watchdog", "soft-reset" };

	return reason < sizeof(words) / sizeof(words[0]) ? words[reason] : "an unknown reason";
}

static enum shutdown_action action_for(const struct guest_config *c, unsigned int reason)
{
	switch (reason) {
	case SHUTDOWN_poweroff:
		return c->on_poweroff;
	case SHUTDOWN_reboot:
		return c->on_reboot;
	case SHUTDOWN_watchdog:
		return c->on_watchdog;
	case SHUTDOWN_soft_reset:
		return c->on_soft_reset;
	case SHUTDOWN_suspend:
		return ACTION_PRESERVE;
	}
	return c->on_crash;
}

/* --- waiting ------------------------------------------------------------------------------- */

static int start_watch(struct host *h)
{
	struct xs_batch b = { 0 };
	int err;

	batch_watch(&b, "@releaseDomain", "end");
	err = batch_run(h->xs, &b);
	batch_free(&b);
	return err ? say_error(-err, "xenstored: watching for the end of domains: %s", strerror(-err)) : 0;
}

/* Until the domain shut down: 1 with its state in *info; 0 if it is gone; negative if it can't be watched. */
static int wait_for_end(struct host *h, uint32_t domid, const uint8_t uuid[16], struct xen_domctl_getdomaininfo *info)
{
	for (;;) {
		char **event;

		if (xc_domain_info(h->x, domid, info)) {
			if (errno != ESRCH)
				return say_call_error(h, "waiting for the end of domain %u", domid);
			return 0;
		}
		if (memcmp(info->handle, uuid, 16) || info->flags & XEN_DOMINF_dying)
			return 0;
		if (info->flags & XEN_DOMINF_shutdown)
			return 1;
		event = xs_read_watch(h->xs, NULL);
		if (!event)
			return say_error(errno, "xenstored has gone, so the end of domain %u can't be waited for", domid);
		free(event);
	}
}

/* --- what to do -------------------------------------------------------------------------------- */

/* By a process of its own, as xl dump-core: whatever goes wrong there, what else was to be done is done. */
static void dump_core(const struct guest_config *c, uint32_t domid)
{
	char path[512], number[16];
	int status = 1, folder;
	pid_t pid;

	mkdir(DUMP_FOLDER, 0700);
	folder = snprintf(path, sizeof(path), DUMP_FOLDER "/");
	snprintf(path + folder, sizeof(path) - folder, "%s", c->name);
	one_component(path + folder);
	snprintf(number, sizeof(number), "%u", domid);
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", "xl", "dump-core", number, path, NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	fprintf(stderr, status ? "domain %u: its memory could not be written to %s\n" : "domain %u: its memory is in %s\n",
		domid, path);
}

/* What its end takes away is written down for xl why, likewise by a process of its own. */
static void keep_reason(uint32_t domid)
{
	char number[16];
	int status;
	pid_t pid;

	snprintf(number, sizeof(number), "%u", domid);
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", "xl", "why", "--keep", number, NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
}

/* The old domain stays, under another name and UUID. */
static int rename_old(struct host *h, struct guest_config *c, uint32_t domid)
{
	char old_text[37], new_text[37], old_path[128], new_path[128], vm[64], name[512], stamp[32];
	time_t now = time(NULL);
	struct xs_batch b = { 0 };
	uint8_t uuid[16];
	struct tm tm;
	int err;

	err = uuid_make(uuid);
	if (err)
		return err;
	strftime(stamp, sizeof(stamp), "-%Y%m%dT%H%MZ", gmtime_r(&now, &tm));
	snprintf(name, sizeof(name), "%s%s", c->name, stamp);
	uuid_format(old_text, c->uuid);
	uuid_format(new_text, uuid);
	if (xc_domain_set_handle(h->x, domid, uuid))
		return say_call_error(h, "renaming domain %u", domid);
	snprintf(vm, sizeof(vm), "/vm/%s", new_text);
	batch_remove(&b, "/vm/%s", old_text);
	batch_mkdir(&b, "%s", vm);
	batch_perms(&b, 0, domid, "%s", vm);
	batch_write(&b, name, "%s/name", vm);
	batch_write(&b, new_text, "%s/uuid", vm);
	batch_write(&b, vm, "/local/domain/%u/vm", domid);
	batch_write(&b, name, "/local/domain/%u/name", domid);
	err = batch_run(h->xs, &b);
	if (err)
		say_error(-err, "xenstored: %s: %s", b.failed, strerror(-err));
	batch_free(&b);
	userdata_path(old_path, sizeof(old_path), domid, c->uuid, "libxl-json");
	userdata_path(new_path, sizeof(new_path), domid, uuid, "libxl-json");
	rename(old_path, new_path);
	fprintf(stderr, "domain %u stays, as %s\n", domid, name);
	return err;
}

static bool is_restart(enum shutdown_action action)
{
	return action == ACTION_RESTART || action == ACTION_COREDUMP_RESTART || action == ACTION_RENAME_RESTART;
}

static enum next act(struct host *h, struct guest_config *c, uint32_t domid, enum shutdown_action action)
{
	switch (action) {
	case ACTION_COREDUMP_DESTROY:
	case ACTION_COREDUMP_RESTART:
		dump_core(c, domid);
		break;
	case ACTION_PRESERVE:
		return NEXT_END;
	case ACTION_RENAME_RESTART:
		return rename_old(h, c, domid) ? NEXT_END : NEXT_RESTART;
	case ACTION_SOFT_RESET:
		fprintf(stderr, "domain %u: soft reset is not there yet; it is destroyed\n", domid);
		break;
	default:
		break;
	}
	if (guest_destroy(h, domid))
		return NEXT_END;
	return is_restart(action) ? NEXT_RESTART : NEXT_END;
}

/* xl rename may have been used; the guest keeps that name when it is made anew. */
static void learn_name(struct host *h, struct guest_config *c, uint32_t domid)
{
	char path[48], *name;

	snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	name = xs_read(h->xs, XBT_NULL, path, NULL);
	if (name && *name) {
		free(c->name);
		c->name = name;
	} else {
		free(name);
	}
}

/* Devices may have come and gone since the guest was made. */
static void learn_devices(struct guest_config *c, uint32_t domid)
{
	char *text = xl_userdata(domid, c->uuid, "libxl-json");

	if (saved_devices(c, text))
		fprintf(stderr, "what is kept of domain %u can't be read; it gets the devices it was made with\n", domid);
	free(text);
}

/* What xl config-update has kept for the next start; the UUID stays. */
static void learn_config(struct host *h, struct guest_config *c, uint32_t domid)
{
	char *text = xl_userdata(domid, c->uuid, "xl");
	struct guest_config next;

	if (!text) {
		learn_devices(c, domid);
		return;
	}
	if (config_parse(&next, "config-update", text, strlen(text), NULL, h->conf, &xl_reporter)) {
		fprintf(stderr, "the configuration of xl config-update can't be used; %s keeps the one it has\n", c->name);
	} else {
		memcpy(next.uuid, c->uuid, sizeof(next.uuid));
		next.has_uuid = true;
		config_free(c);
		*c = next;
	}
	free(text);
}

/*
 * A guest that ends as soon as it is started and is to be restarted would keep the machine busy for ever. After the second
 * short life in a row there is a pause, and it doubles each time. Meanwhile the ended domain stays, so that xl list shows it
 * and xl destroy ends it for good. 0: it may be started; 1: somebody else has destroyed it.
 */
static int too_soon(struct host *h, uint32_t domid, const uint8_t uuid[16], time_t lived, unsigned int *short_lives)
{
	struct xen_domctl_getdomaininfo info;
	unsigned int pause;

	if (lived >= SHORT_LIFE) {
		*short_lives = 0;
		return 0;
	}
	if (!(*short_lives)++)
		return 0;
	pause = *short_lives > 7 ? LONGEST_PAUSE : 1u << (*short_lives - 2);
	fprintf(stderr, "domain %u lived for %ld s, the life before it was short too: waiting %u s before it is started again\n",
		domid, (long)lived, pause);
	for (; pause; pause--) {
		sleep(1);
		if (xc_domain_info(h->x, domid, &info) || memcmp(info.handle, uuid, 16) || info.flags & XEN_DOMINF_dying)
			return 1;
	}
	return 0;
}

static time_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

int guest_watch(struct host *h, struct guest_config *c, uint32_t domid)
{
	struct xen_domctl_getdomaininfo info;
	unsigned int short_lives = 0;
	time_t start = seconds_now();
	int got = start_watch(h);

	if (got)
		return 1;
	for (;;) {
		enum shutdown_action action;
		unsigned int reason;

		fprintf(stderr, "waiting for the end of %s (domain %u), process %d\n", c->name, domid, (int)getpid());
		got = wait_for_end(h, domid, c->uuid, &info);
		if (got <= 0) {
			if (!got)
				fprintf(stderr, "domain %u has been destroyed\n", domid);
			return got < 0;
		}
		learn_config(h, c, domid);
		learn_name(h, c, domid);
		reason = info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
		action = action_for(c, reason);
		fprintf(stderr, "domain %u has shut down: %s (%u); what to do about it: %s\n", domid, reason_word(reason), reason,
			shutdown_action_name(action));
		keep_reason(domid);
		if (is_restart(action) && too_soon(h, domid, c->uuid, seconds_now() - start, &short_lives)) {
			fprintf(stderr, "domain %u has been destroyed\n", domid);
			return 0;
		}
		if (act(h, c, domid, action) == NEXT_END)
			return 0;
		if (guest_create(h, c, &domid))
			return 1;
		if (xc_domain_unpause(h->x, domid)) {
			say_call_error(h, "starting %s again", c->name);
			return 1;
		}
		start = seconds_now();
		fprintf(stderr, "%s runs again, as domain %u\n", c->name, domid);
	}
}
