// SPDX-License-Identifier: MIT
/* The parts of libxenstore that talk to nobody: where the daemon's files are, permissions as text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenstore.h>

#define PATH_SIZE 4096

const char *xs_daemon_rundir(void)
{
	const char *dir = getenv("XENSTORED_RUNDIR");

	return dir ? dir : "/var/run/xenstored";
}

/* XENSTORED_PATH, or @name in the run folder. */
static const char *daemon_path(char *room, const char *name)
{
	const char *path = getenv("XENSTORED_PATH");

	if (path)
		return path;
	if (snprintf(room, PATH_SIZE, "%s/%s", xs_daemon_rundir(), name) >= PATH_SIZE)
		return NULL;
	return room;
}

const char *xs_daemon_socket(void)
{
	static char room[PATH_SIZE];

	return daemon_path(room, "socket");
}

const char *xs_daemon_socket_ro(void)
{
	static char room[PATH_SIZE];
	const char *path = daemon_path(room, "socket_ro");

	/* A daemon without a second socket takes everything at the first. */
	return path && !access(path, F_OK) ? path : xs_daemon_socket();
}

bool xs_write_all(int fd, const void *data, unsigned int len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

bool xs_strings_to_perms(struct xs_permissions *perms, unsigned int num, const char *strings)
{
	for (unsigned int i = 0; i < num; i++) {
		char *end;

		switch (*strings) {
		case 'r':
			perms[i].perms = XS_PERM_READ;
			break;
		case 'w':
			perms[i].perms = XS_PERM_WRITE;
			break;
		case 'b':
			perms[i].perms = XS_PERM_READ | XS_PERM_WRITE;
			break;
		case 'n':
			perms[i].perms = XS_PERM_NONE;
			break;
		default:
			errno = EINVAL;
			return false;
		}
		perms[i].id = strtol(strings + 1, &end, 0);
		if (*end || !strings[1]) {
			errno = EINVAL;
			return false;
		}
		strings = end + 1;
	}
	return true;
}
