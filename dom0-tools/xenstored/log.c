// SPDX-License-Identifier: MIT
/* The log: to a file (-T, or XS_CONTROL logfile), else to syslog, and to stderr with -N. Requests too with -V. */
#include <stdarg.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include "daemon.h"

static FILE *file;
bool log_tracing;

void log_open(void)
{
	openlog("xenstored", LOG_PID, LOG_DAEMON);
	log_tracing = options.verbose;
	if (options.trace_file && !log_to_file(options.trace_file))
		fprintf(stderr, "xenstored: %s can't be written: no log file\n", options.trace_file);
}

bool log_to_file(const char *path)
{
	FILE *f = fopen(path, "ae");

	if (!f)
		return false;
	setvbuf(f, NULL, _IOLBF, 0);
	if (file)
		fclose(file);
	file = f;
	return true;
}

static void stamp(char *text, size_t size)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(text, size, "%Y%m%d %H:%M:%S", &tm);
}

void log_line(const char *format, ...)
{
	char text[1024], when[32];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	/* Guests choose parts of it: one line stays one line. */
	for (char *p = text; *p; p++)
		if ((uint8_t)*p < ' ' || *p == 0x7f)
			*p = '?';
	if (file) {
		stamp(when, sizeof(when));
		fprintf(file, "%s %s\n", when, text);
	}
	if (options.no_fork)
		fprintf(stderr, "xenstored: %s\n", text);
	else
		syslog(LOG_NOTICE, "%s", text);
}

void log_trace(const char *direction, const struct conn *c, uint32_t type, const char *data, size_t len)
{
	static const char *const names[XS_TYPE_COUNT] = {
		"CONTROL", "DIRECTORY", "READ", "GET_PERMS", "WATCH", "UNWATCH", "TRANSACTION_START",
		"TRANSACTION_END", "INTRODUCE", "RELEASE", "GET_DOMAIN_PATH", "WRITE", "MKDIR", "RM", "SET_PERMS",
		"WATCH_EVENT", "ERROR", "IS_DOMAIN_INTRODUCED", "RESUME", "SET_TARGET", NULL, "RESET_WATCHES",
		"DIRECTORY_PART"
	};
	char when[32], text[256];
	size_t n = len < sizeof(text) - 1 ? len : sizeof(text) - 1;

	if (!file || !log_tracing)
		return;
	for (size_t i = 0; i < n; i++)
		text[i] = (uint8_t)data[i] < ' ' || (uint8_t)data[i] > '~' ? ' ' : data[i];
	text[n] = 0;
	stamp(when, sizeof(when));
	fprintf(file, "%s %s %llu (domain %u) %s (%s)\n", direction, when, (unsigned long long)c->uid, c->domid,
		type < XS_TYPE_COUNT && names[type] ? names[type] : "UNKNOWN", text);
}
