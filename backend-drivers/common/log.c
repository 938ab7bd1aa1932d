// SPDX-License-Identifier: MIT
/* The keeper's log: a line for each thing that went wrong or began again, with its time (UTC). */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include "keeper.h"

static int file = -1;

void log_open(void)
{
	if (file >= 0)
		close(file);
	file = open(options.log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (file < 0)
		openlog("backendd", LOG_PID, LOG_DAEMON);
}

void log_line(const char *format, ...)
{
	char text[1024];
	struct timespec t;
	struct tm tm;
	va_list ap;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	n += snprintf(text + n, sizeof(text) - n, ".%03ld ", t.tv_nsec / 1000000);
	va_start(ap, format);
	vsnprintf(text + n, sizeof(text) - n - 1, format, ap);
	va_end(ap);
	/* Parts may come from a guest's nodes: one line, and nothing for a terminal to act on. */
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	if (file < 0)
		syslog(LOG_WARNING, "%s", text + n);
	strcat(text, "\n");
	n = strlen(text);
	if (file >= 0 && write(file, text, n) != (ssize_t)n)
		file = -1;
	if (options.foreground)
		fputs(text, stderr);
}
