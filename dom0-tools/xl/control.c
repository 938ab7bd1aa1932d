// SPDX-License-Identifier: MIT
/*
 * Verbs that act on a running domain: pause, unpause, shutdown, reboot, sysrq, trigger, debug-keys, mem-set, mem-max,
 * vcpu-set, config-update. What a guest is to do itself (shut down, balloon, take vcpus away) is asked of it through
 * its nodes in the store.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "xl.h"

/* Without further options. */
static void only_words(int argc, char **argv, int required)
{
	while (xl_option(argc, argv, "", NULL, required) != -1)
		;
}

int verb_pause(int argc, char **argv)
{
	only_words(argc, argv, 1);
	if (xc_domain_pause(xl_xc(), xl_domain(argv[optind])) < 0)
		xl_die_xc();
	return 0;
}

int verb_unpause(int argc, char **argv)
{
	only_words(argc, argv, 1);
	if (xc_domain_unpause(xl_xc(), xl_domain(argv[optind])) < 0)
		xl_die_xc();
	return 0;
}

/* --- shutdown, reboot ------------------------------------------------------------------- */

/* Milliseconds until a guest has to have noticed a request. */
#define ACKNOWLEDGE_MS	60000

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static bool is_gone(uint32_t domid)
{
	struct xen_domctl_getdomaininfo info;

	return xc_domain_info(xl_xc(), domid, &info) < 0;
}

static bool is_over(uint32_t domid)
{
	struct xen_domctl_getdomaininfo info;

	return xc_domain_info(xl_xc(), domid, &info) < 0 || info.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying);
}

/* Waits for an event of the watches; false at @end. Events are thrown away: everything is looked at again anyway. */
static bool wait_event(int64_t end)
{
	struct pollfd fd = { .fd = xs_fileno(xl_xs()), .events = POLLIN };
	int64_t left = end < 0 ? -1 : end - now_ms();
	char **event;

	if (end >= 0 && left <= 0)
		return false;
	fflush(stdout);
	if (poll(&fd, 1, left > 60000 || left < 0 ? 60000 : left) < 0 && errno != EINTR)
		xl_die("waiting for the store: %s", strerror(errno));
	while ((event = xs_check_watch(xl_xs())))
		free(event);
	return true;
}

/* Asks for it; a guest takes the word off when it has read it. False if it didn't. */
static bool ask_guest(uint32_t domid, const char *word)
{
	int64_t end = now_ms() + ACKNOWLEDGE_MS;
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", domid);
	xl_write(word, "%s", path);
	if (!domid)
		return true;
	xs_watch(xl_xs(), path, "ack");
	xs_watch(xl_xs(), "@releaseDomain", "ack");
	for (;;) {
		char *left = xl_read("%s", path);
		bool taken = !left || !*left;

		free(left);
		if (taken || is_over(domid))
			break;
		if (!wait_event(end)) {
			/* It would be strange if it did so much later; another program may have asked for something else. */
			left = xl_read("%s", path);
			if (left && !strcmp(left, word))
				xl_write("", "%s", path);
			free(left);
			return false;
		}
	}
	xs_unwatch(xl_xs(), path, "ack");
	xs_unwatch(xl_xs(), "@releaseDomain", "ack");
	return true;
}

/* 0, or -errno as the status that xl prints. */
static int end_domain(uint32_t domid, bool reboot, bool fallback)
{
	struct xen_domctl_getdomaininfo info;
	uint32_t trigger = reboot ? XEN_DOMCTL_SENDTRIGGER_RESET : XEN_DOMCTL_SENDTRIGGER_POWER;

	xl_domain_info(domid, &info);
	printf("%s domain %u\n", reboot ? "Rebooting" : "Shutting down", domid);
	fflush(stdout);
	if (ask_guest(domid, reboot ? "reboot" : "poweroff"))
		return 0;
	if (fallback && info.flags & XEN_DOMINF_hvm_guest) {
		fprintf(stderr, "PV control interface not available: sending ACPI %s event.\n", reboot ? "reset" : "power button");
		if (xc_domain_trigger(xl_xc(), domid, trigger, 0) >= 0)
			return 0;
	}
	fprintf(stderr, "%s failed (rc=-9): domain %u doesn't answer; is its kernel running?\n",
		reboot ? "reboot" : "shutdown", domid);
	return -9;
}

/* Until each of @domids has shut down (is gone, with @twice). */
static void wait_for_end(uint32_t *domids, unsigned int nr, bool twice)
{
	bool *done = calloc(nr + 1, sizeof(*done));
	unsigned int left = nr;

	if (!done)
		abort();
	printf("Waiting for %u domains\n", nr);
	xs_watch(xl_xs(), "@releaseDomain", "end");
	while (left) {
		for (unsigned int i = 0; i < nr; i++) {
			struct xen_domctl_getdomaininfo info;

			if (done[i])
				continue;
			if (xc_domain_info(xl_xc(), domids[i], &info) < 0 || info.flags & XEN_DOMINF_dying) {
				done[i] = !twice || is_gone(domids[i]);
				if (done[i])
					printf("Domain %u has been destroyed\n", domids[i]);
			} else if (info.flags & XEN_DOMINF_shutdown && !twice) {
				done[i] = true;
				printf("Domain %u has been shut down, reason code %u\n", domids[i], xl_shutdown_code(&info));
			}
			left -= done[i];
		}
		/* A domain that dies leaves the list when its last page is given back, which nobody tells: look again. */
		if (left)
			wait_event(now_ms() + 200);
	}
	free(done);
}

static int end_domains(int argc, char **argv, bool reboot)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' }, { "wait", no_argument, NULL, 'w' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	uint32_t one, *domids = &one;
	struct xen_domctl_getdomaininfo *list = NULL;
	bool all = false, fallback = false;
	unsigned int nr = 0, waits = 0;
	int c, status = 0;

	while ((c = xl_option(argc, argv, "awF", options, 0)) != -1) {
		all |= c == 'a';
		waits += c == 'w';
		fallback |= c == 'F';
	}
	if (!argv[optind] && !all) {
		fprintf(stderr, "You must specify -a or a domain id.\n\n");
		return 1;
	}
	if (argv[optind] && all) {
		fprintf(stderr, "You can't specify both -a and a domain id.\n\n");
		return 1;
	}
	if (all) {
		unsigned int have;

		list = xl_domains(&have);
		domids = calloc(have + 1, sizeof(*domids));
		if (!domids)
			abort();
		for (unsigned int i = 0; i < have; i++)
			if (list[i].domain && !(list[i].flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown)))
				domids[nr++] = list[i].domain;
	} else {
		one = xl_domain(argv[optind]);
		nr = 1;
	}
	for (unsigned int i = 0; i < nr; i++)
		if (end_domain(domids[i], reboot, fallback))
			status = 1;
	if (waits && !status)
		wait_for_end(domids, nr, waits > 1);
	if (all)
		free(domids);
	free(list);
	return status;
}

int verb_shutdown(int argc, char **argv)
{
	return end_domains(argc, argv, false);
}

int verb_reboot(int argc, char **argv)
{
	return end_domains(argc, argv, true);
}

/* --- keys and triggers -------------------------------------------------------------------- */

int verb_sysrq(int argc, char **argv)
{
	uint32_t domid;

	only_words(argc, argv, 2);
	domid = xl_domain(argv[optind]);
	if (strlen(argv[optind + 1]) != 1) {
		fprintf(stderr, "Invalid sysrq.\n\n");
		xl_usage("sysrq");
		return 1;
	}
	xl_write(argv[optind + 1], "/local/domain/%u/control/sysrq", domid);
	return 0;
}

static int send_trigger(uint32_t domid, const char *word, uint32_t vcpu)
{
	/* The last one is HVM's own. */
	static const char *const words[] = { "nmi", "reset", "init", "power", "sleep", "s3resume" };

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(word, words[i])) {
			if (xc_domain_trigger(xl_xc(), domid, i, vcpu) < 0)
				xl_die_xc();
			return 0;
		}
	fprintf(stderr, "Invalid trigger \"%s\"\n", word);
	return 1;
}

int verb_trigger(int argc, char **argv)
{
	uint32_t domid;

	only_words(argc, argv, 2);
	domid = xl_domain(argv[optind]);
	return send_trigger(domid, argv[optind + 1], argv[optind + 2] ? strtoul(argv[optind + 2], NULL, 0) : 0);
}

int verb_button_press(int argc, char **argv)
{
	only_words(argc, argv, 2);
	fprintf(stderr, "WARNING: \"button-press\" is deprecated. Please use \"trigger\"\n");
	return send_trigger(xl_domain(argv[optind]), argv[optind + 1], 0);
}

int verb_debug_keys(int argc, char **argv)
{
	only_words(argc, argv, 1);
	if (xc_debug_keys(xl_xc(), argv[optind]) < 0)
		xl_die_xc();
	return 0;
}

/* --- memory --------------------------------------------------------------------------------- */

/* KiB above the target that a domain may have, for what isn't RAM; libxl's number. */
#define MEMORY_SLACK_KIB	1024
/* dom0 isn't made smaller than this. */
#define DOM0_MIN_KIB		(128 << 10)

static uint64_t node_number(uint32_t domid, const char *node)
{
	char *text = xl_read("/local/domain/%u/memory/%s", domid, node);
	uint64_t n = text ? strtoull(text, NULL, 10) : 0;

	free(text);
	return n;
}

static uint64_t memory_word(const char *word)
{
	int64_t kib = xl_parse_memory(word);

	if (kib < 0) {
		fprintf(stderr, "invalid memory size: %s\n", word);
		exit(1);
	}
	return kib;
}

int verb_mem_set(int argc, char **argv)
{
	uint64_t kib, most;
	char text[32], *vm;
	uint32_t domid;

	only_words(argc, argv, 2);
	domid = xl_domain(argv[optind]);
	kib = memory_word(argv[optind + 1]);
	most = node_number(domid, "static-max");
	if (!most)
		xl_die("the store doesn't say how much memory domain %u may have", domid);
	if (kib > most)
		xl_die("domain %u may have %llu MiB at most (maxmem), not %llu", domid, (unsigned long long)most >> 10,
		       (unsigned long long)kib >> 10);
	if (!kib || (!domid && kib < DOM0_MIN_KIB))
		xl_die("%llu MiB is too little for domain %u", (unsigned long long)kib >> 10, domid);
	if (domid && xc_domain_max_memory(xl_xc(), domid, kib + MEMORY_SLACK_KIB) < 0)
		xl_die_xc();
	snprintf(text, sizeof(text), "%llu", (unsigned long long)kib);
	xl_write(text, "/local/domain/%u/memory/target", domid);
	vm = xl_read("/local/domain/%u/vm", domid);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)kib >> 10);
	if (vm)
		xl_write(text, "%s/memory", vm);
	free(vm);
	return 0;
}

int verb_mem_max(int argc, char **argv)
{
	uint64_t kib, target;
	uint32_t domid;
	char text[32];

	only_words(argc, argv, 2);
	domid = xl_domain(argv[optind]);
	kib = memory_word(argv[optind + 1]);
	target = node_number(domid, "target");
	if (kib < target)
		xl_die("domain %u is to have %llu MiB now; %llu are too few, see mem-set", domid, (unsigned long long)target >> 10,
		       (unsigned long long)kib >> 10);
	if (xc_domain_max_memory(xl_xc(), domid, kib + MEMORY_SLACK_KIB) < 0)
		xl_die_xc();
	snprintf(text, sizeof(text), "%llu", (unsigned long long)kib);
	xl_write(text, "/local/domain/%u/memory/static-max", domid);
	return 0;
}

/* --- vcpus ------------------------------------------------------------------------------------ */

int verb_vcpu_set(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ignore-host", no_argument, NULL, 'i' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct xen_domctl_getdomaininfo info;
	struct xen_sysctl_physinfo machine;
	bool ignore = false;
	unsigned long wanted;
	uint32_t domid;
	char *end;

	while (xl_option(argc, argv, "i", options, 2) != -1)
		ignore = true;
	domid = xl_domain(argv[optind]);
	wanted = strtoul(argv[optind + 1], &end, 10);
	if (*end || end == argv[optind + 1]) {
		fprintf(stderr, "Error: Invalid argument.\n");
		return 1;
	}
	xl_domain_info(domid, &info);
	if (!ignore) {
		if (xc_physinfo(xl_xc(), &machine) < 0)
			xl_die_xc();
		if (wanted > info.nr_online_vcpus && wanted > machine.nr_cpus) {
			fprintf(stderr, "You are overcommmitting! You have %u physical CPUs and want %lu vCPUs! Aborting, "
				"use --ignore-host to continue\n", machine.nr_cpus, wanted);
			return 1;
		}
	}
	if (wanted > info.max_vcpu_id + 1)
		xl_die("domain %u has %u vcpus at most (maxvcpus), not %lu", domid, info.max_vcpu_id + 1, wanted);
	if (!wanted)
		return 0;
	for (uint32_t vcpu = 0; vcpu <= info.max_vcpu_id; vcpu++) {
		const char *word = vcpu < wanted ? "online" : "offline";
		char *old = xl_read("/local/domain/%u/cpu/%u/availability", domid, vcpu);

		if (!old || strcmp(old, word))
			xl_write(word, "/local/domain/%u/cpu/%u/availability", domid, vcpu);
		free(old);
	}
	return 0;
}
