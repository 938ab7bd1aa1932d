// SPDX-License-Identifier: MIT
/* One line there, one line back: "ok", or "error" and a sentence. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "backendd.h"

#define ANSWER_SECONDS 60	/* what outstanding I/O may take before a worker is replaced */

static int connect_to_it(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/var/run/xen/backendd.sock" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

bool backendd_runs(void)
{
	int fd = connect_to_it();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Until the end of the line, of the connection, or of the time; "" if nothing came. */
static void read_line(int fd, char *text, size_t size)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	size_t n = 0;
	ssize_t got;

	while (n < size - 1 && !memchr(text, '\n', n) && poll(&wait, 1, ANSWER_SECONDS * 1000) == 1) {
		got = read(fd, text + n, size - 1 - n);
		if (got <= 0)
			break;
		n += got;
	}
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
}

int backendd_ask(struct host *h, const struct device *d, const char *word)
{
	int fd = connect_to_it(), n;
	char line[512];

	if (fd < 0)
		return device_error(h, d, ENODEV, "backendd, which serves it, is not running (systemctl start backendd starts it)");
	n = snprintf(line, sizeof(line), "%s %s %u %u\n", word, backend_kinds[d->backend], d->domid, d->devid);
	if (send(fd, line, n, MSG_NOSIGNAL) != n)
		line[0] = 0;
	else
		read_line(fd, line, sizeof(line));
	close(fd);
	if (!strcmp(line, "ok"))
		return 0;
	return device_error(h, d, EIO, "%.400s", !strncmp(line, "error ", 6) ? line + 6 : "backendd gave no answer");
}
