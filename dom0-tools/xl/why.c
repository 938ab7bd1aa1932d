// SPDX-License-Identifier: MIT
/*
 * xl why: why a guest ended, crashed, does not run, or never started. What is known is in many places, of which a
 * guest's end takes most away: the hypervisor's first reason is in its log, registers are in the vcpus, last words in
 * the console's log, devices' errors in the store, what was done about it in xl's own log. So the process that waits
 * for a guest's end has all of it written down first (xl why --keep), in /var/log/xen/why-NAME, where it stays until
 * the guest of that name ends once more; and create writes down why it failed.
 *
 * Guests write much of that. Which device has which backend is therefore read in the toolstack's part of the store, and
 * their text is shown line by line, made printable, of a bounded length.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "console.h"
#include "why.h"
#include "xl.h"

#define KEPT_FOLDER	"/var/log/xen"
/* How much is shown of what others wrote. */
#define CONSOLE_LINES	15
#define LOG_LINES	12

/* --- the hypervisor ------------------------------------------------------------------------- */

/* Does the line speak of this domain? "domain 3 crashed", "d3v0", "Domain 3 (vcpu#0)". */
static bool speaks_of(const char *line, size_t len, uint32_t domid)
{
	char word[16];
	int n = snprintf(word, sizeof(word), "%u", domid);

	for (size_t i = 1; i + n <= len; i++) {
		bool named;

		if (memcmp(line + i, word, n) || (i + n < len && line[i + n] >= '0' && line[i + n] <= '9'))
			continue;
		named = line[i - 1] == 'd' && (i < 2 || line[i - 2] < 'a' || line[i - 2] > 'z') && i + n < len &&
			strchr("v :[]", line[i + n]);
		if (i >= 7)
			named |= !memcmp(line + i - 6, "omain ", 6);
		if (named)
			return true;
	}
	return false;
}

static char *hypervisor_log(size_t *len)
{
	const size_t most = 1 << 20;
	char *text = malloc(most + 1);
	uint32_t index = 0;
	int n;

	*len = 0;
	if (!text)
		abort();
	while (*len < most && (n = xc_console_read(xl_xc(), text + *len, most - *len, &index, false, true)) > 0)
		*len += n;
	return text;
}

/* The first line that speaks of a crash, and the last ones that speak of the domain. */
static void tell_hypervisor(FILE *out, uint32_t domid)
{
	const char *lines[LOG_LINES], *first = NULL;
	size_t len;
	unsigned int nr = 0;
	char *text = hypervisor_log(&len);

	for (char *line = text, *next; line < text + len; line = next) {
		char *end = memchr(line, '\n', text + len - line);
		size_t n = (end ? end : text + len) - line;

		next = line + n + 1;
		line[n] = 0;
		if (!speaks_of(line, n, domid))
			continue;
		printable(line);
		if (!first && strstr(line, "crash"))
			first = line;
		lines[nr++ % LOG_LINES] = line;
	}
	if (first)
		fprintf(out, "  the hypervisor's reason: %s\n", first);
	for (unsigned int i = nr > LOG_LINES ? nr - LOG_LINES : 0; i < nr; i++)
		if (lines[i % LOG_LINES] != first)
			fprintf(out, "  the hypervisor says: %s\n", lines[i % LOG_LINES]);
	free(text);
}

static void tell_vcpus(FILE *out, const struct xen_domctl_getdomaininfo *d)
{
	struct vcpu_guest_context *context = malloc(sizeof(*context));

	if (!context)
		abort();
	for (uint32_t vcpu = 0; d->max_vcpu_id != XEN_INVALID_MAX_VCPU_ID && vcpu <= d->max_vcpu_id; vcpu++) {
		struct xen_domctl_getvcpuinfo info;

		if (xc_vcpu_info(xl_xc(), d->domain, vcpu, &info) < 0)
			continue;
		fprintf(out, "  vcpu %u: %s, %.1f s", vcpu, !info.online ? "offline" : info.running ? "running" :
			info.blocked ? "waiting" : "stopped", info.cpu_time / 1e9);
		if (info.online && !(d->flags & XEN_DOMINF_hvm_guest) &&
		    xc_vcpu_get_context(xl_xc(), d->domain, vcpu, context) >= 0)
			fprintf(out, ", in %s at %016llx, stack %016llx", context->flags & VGCF_in_kernel ? "its kernel" : "a program",
				(unsigned long long)context->user_regs.rip, (unsigned long long)context->user_regs.rsp);
		fputc('\n', out);
	}
	free(context);
}

/* --- devices --------------------------------------------------------------------------------- */

static const char *state_word(const char *text)
{
	static const char *const words[] = {
		"unknown", "initialising", "waiting for the other end", "initialised", "connected", "closing", "closed",
		"reconfiguring", "reconfigured",
	};
	unsigned long n = text ? strtoul(text, NULL, 10) : 99;

	return n < sizeof(words) / sizeof(words[0]) ? words[n] : "not there";
}

static void tell_error(FILE *out, const char *who, char *text)
{
	if (text && *text)
		fprintf(out, "    %s says: %.300s\n", who, printable(text));
	free(text);
}

/* A device that isn't connected, or that has anything to say. */
static bool tell_device(FILE *out, uint32_t domid, const char *type, const char *id)
{
	char *state = xl_read("/local/domain/%u/device/%s/%s/state", domid, type, id);
	char *backend = xl_read("/libxl/%u/device/%s/%s/backend", domid, type, id);
	char *backend_state = backend ? xl_read("%s/state", backend) : NULL;
	char *said = xl_read("/local/domain/%u/error/device/%s/%s/error", domid, type, id);
	const char *tail = backend && !strncmp(backend, "/local/domain/", 14) ? strchr(backend + 14, '/') : NULL;
	char *backend_said = tail ? xl_read("%.*s/error%s/error", (int)(tail - backend), backend, tail) : NULL;
	char *hotplug = backend ? xl_read("%s/hotplug-error", backend) : NULL;
	bool good = state && *state == '4' && backend_state && *backend_state == '4' && !said && !backend_said && !hotplug;

	if (!good) {
		char *name = backend ? xl_read("%s/dev", backend) : NULL;

		fprintf(out, "  device %s %s%s%.40s%s: the guest's end is %s, the backend's %s\n", type, id, name ? " (" : "",
			name ? printable(name) : "", name ? ")" : "", state_word(state), state_word(backend_state));
		free(name);
		tell_error(out, "the guest", said);
		tell_error(out, "the backend", backend_said);
		tell_error(out, "its script", hotplug);
	}
	free(state);
	free(backend);
	free(backend_state);
	return !good;
}

static bool tell_devices(FILE *out, uint32_t domid)
{
	unsigned int nr_types, nr;
	bool any = false;
	char path[128], **types, **ids;

	snprintf(path, sizeof(path), "/local/domain/%u/device", domid);
	types = xs_directory(xl_xs(), XBT_NULL, path, &nr_types);
	for (unsigned int i = 0; types && i < nr_types; i++) {
		if (!strcmp(types[i], "suspend"))
			continue;
		snprintf(path, sizeof(path), "/local/domain/%u/device/%s", domid, types[i]);
		ids = xs_directory(xl_xs(), XBT_NULL, path, &nr);
		for (unsigned int j = 0; ids && j < nr; j++)
			any |= tell_device(out, domid, types[i], ids[j]);
		free(ids);
	}
	free(types);
	return any;
}

/* --- ends of texts ---------------------------------------------------------------------------- */

/* Cuts the newlines at the end of a text off its length; returns where its last @most lines begin. */
static char *last_lines(char *text, size_t *len, unsigned int most)
{
	char *line;

	while (*len && text[*len - 1] == '\n')
		text[--*len] = 0;
	line = text + *len;
	for (; line > text && most; most--)
		do
			line--;
		while (line > text && line[-1] != '\n');
	return line;
}

/* --- last words ---------------------------------------------------------------------------- */

static void tell_console(FILE *out, const char *name)
{
	char text[4096] = "";
	size_t len = console_last_words(name, text, sizeof(text));
	char *line = last_lines(text, &len, CONSOLE_LINES);

	if (len)
		fprintf(out, "  its last words on the console:\n");
	while (*line) {
		size_t n = strcspn(line, "\n");
		bool more = line[n];

		line[n] = 0;
		/* Ends of lines are often two characters. */
		if (n && line[n - 1] == '\r')
			line[n - 1] = 0;
		fprintf(out, "    | %s\n", printable(line));
		line += n + more;
	}
}

/* --- a report ------------------------------------------------------------------------------- */

static void tell_state(FILE *out, const struct xen_domctl_getdomaininfo *d, const char *name)
{
	fprintf(out, "%s (domain %u) ", name, d->domain);
	if (d->flags & XEN_DOMINF_dying)
		fprintf(out, "is being destroyed");
	else if (!(d->flags & XEN_DOMINF_shutdown))
		fprintf(out, d->flags & XEN_DOMINF_paused ? "is paused: xl unpause lets it run" : "runs");
	else if (xl_shutdown_code(d) == SHUTDOWN_crash)
		fprintf(out, "has crashed");
	else if (xl_shutdown_code(d) == SHUTDOWN_watchdog)
		fprintf(out, "was ended by its watchdog");
	else if (xl_shutdown_code(d) == SHUTDOWN_reboot)
		fprintf(out, "has asked for a reboot");
	else if (xl_shutdown_code(d) == SHUTDOWN_poweroff)
		fprintf(out, "has shut down");
	else
		fprintf(out, "has ended: %s", xl_shutdown_word(xl_shutdown_code(d)));
	fputc('\n', out);
}

static void tell_all(FILE *out, const struct xen_domctl_getdomaininfo *d, const char *name)
{
	bool ended = d->flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying);

	tell_state(out, d, name);
	tell_hypervisor(out, d->domain);
	tell_vcpus(out, d);
	if (!tell_devices(out, d->domain) && !ended)
		fprintf(out, "  its devices are connected\n");
	tell_console(out, name);
}

/* --- what is kept ------------------------------------------------------------------------------ */

static void kept_path(char *path, size_t size, const char *what, const char *name)
{
	int n = snprintf(path, size, KEPT_FOLDER "/%s", what);

	snprintf(path + n, size - n, "%s", name);
	one_component(path + n);
}

static FILE *kept_open(const char *name)
{
	char path[512], stamp[64];
	time_t now = time(NULL);
	struct tm tm;
	FILE *out;

	mkdir(KEPT_FOLDER, 0755);
	kept_path(path, sizeof(path), "why-", name);
	out = fopen(path, "we");
	if (!out) {
		xl_say("%s can't be written: %s", path, strerror(errno));
		return NULL;
	}
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
	fprintf(out, "%s: ", stamp);
	return out;
}

void why_keep_failure(const char *name, const char *reason)
{
	FILE *out = kept_open(name);

	if (!out)
		return;
	fprintf(out, "%s was not started: %s\n", name, *reason ? reason : "create failed");
	fclose(out);
}

static int keep(uint32_t domid)
{
	struct xen_domctl_getdomaininfo info;
	char *name = xl_domain_name(domid);
	FILE *out;

	xl_domain_info(domid, &info);
	out = kept_open(name);
	if (!out)
		return 1;
	tell_all(out, &info, name);
	free(name);
	return fclose(out) ? 1 : 0;
}

/* The last lines of a file, indented. */
static bool show_file(const char *what, const char *name, const char *heading, unsigned int most)
{
	char path[512], *text, *line;
	size_t len;

	kept_path(path, sizeof(path), what, name);
	text = xl_read_file(path, &len);
	if (!text)
		return false;
	line = last_lines(text, &len, most);
	if (heading && len)
		printf("%s (%s):\n", heading, path);
	for (line = strtok(line, "\n"); line; line = strtok(NULL, "\n"))
		printf(heading ? "    | %s\n" : "%s\n", line);
	free(text);
	return len;
}

static int tell_of_gone(const char *name)
{
	char path[512], log[512];
	bool any;

	snprintf(log, sizeof(log), "%s.log", name);
	any = show_file("why-", name, NULL, 200);
	if (!any) {
		kept_path(path, sizeof(path), "why-", name);
		printf("There is no domain %s, and nothing is kept of its end in %s\n", name, path);
		tell_console(stdout, name);
	}
	if (show_file("xl-", log, "  what xl did", 8))
		any = true;
	return any ? 0 : 1;
}

int verb_why(int argc, char **argv)
{
	static const struct option options[] = {
		{ "keep", no_argument, NULL, 'k' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct xen_domctl_getdomaininfo info;
	bool keeping = false;
	uint32_t domid;
	char *name;

	while (xl_option(argc, argv, "", options, 1) != -1)
		keeping = true;
	if (!xl_find_domain(argv[optind], &domid) || xc_domain_info(xl_xc(), domid, &info) < 0)
		return tell_of_gone(argv[optind]);
	if (keeping)
		return keep(domid);
	name = xl_domain_name(domid);
	tell_all(stdout, &info, name);
	free(name);
	return 0;
}
