// SPDX-License-Identifier: MIT
/* Logs that take turns; logfile.h has the rules. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "logfile.h"

size_t log_text(char *to, const uint8_t *from, size_t count, const struct log_style *style, bool *line_open)
{
	size_t stamp = style->stamp ? strnlen(style->stamp, LOG_STAMP_MAX) : 0, n = 0;

	for (size_t i = 0; i < count; i++) {
		if (!*line_open && stamp) {
			memcpy(to + n, style->stamp, stamp);
			n += stamp;
		}
		*line_open = from[i] != '\n';
		to[n++] = style->replace_escape && from[i] == 0x1b ? '.' : (char)from[i];
	}
	return n;
}

static void complain_once(struct logfile *l, log_complain_fn complain, const char *what)
{
	if (!l->complained)
		complain(what, l->path);
	l->complained = true;
}

static bool open_file(struct logfile *l, log_complain_fn complain)
{
	struct stat st;

	l->fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (l->fd < 0 || fstat(l->fd, &st)) {
		complain_once(l, complain, "the log can't be opened");
		if (l->fd >= 0)
			close(l->fd);
		l->fd = -1;
		return false;
	}
	l->size = st.st_size;
	l->inode = st.st_ino;
	return true;
}

bool logfile_open(struct logfile *l, const char *path, uint64_t limit, unsigned int count, log_complain_fn complain)
{
	*l = (struct logfile){ .path = strdup(path), .fd = -1, .limit = limit, .count = count };
	return l->path && open_file(l, complain);
}

void logfile_close(struct logfile *l)
{
	if (l->fd >= 0 && l->path)
		close(l->fd);
	free(l->path);
	*l = (struct logfile){ .fd = -1 };
}

void logfile_reopen(struct logfile *l, log_complain_fn complain)
{
	if (!l->path)
		return;
	if (l->fd >= 0)
		close(l->fd);
	l->complained = false;
	open_file(l, complain);
}

/* The path of the @n-th old file; 0: of the present one. False if it would be too long. */
static bool turn_path(const struct logfile *l, unsigned int n, char *path, size_t size)
{
	int len = n ? snprintf(path, size, "%s.%u", l->path, n) : snprintf(path, size, "%s", l->path);

	return len >= 0 && (size_t)len < size;
}

static void take_turns(struct logfile *l, log_complain_fn complain)
{
	char from[4096], to[4096];

	for (unsigned int n = l->count; n; n--) {
		if (!turn_path(l, n - 1, from, sizeof(from)) || !turn_path(l, n, to, sizeof(to)))
			return;
		if (rename(from, to) && errno != ENOENT)
			complain_once(l, complain, "the log can't be renamed");
	}
	if (!l->count)
		unlink(l->path);
	close(l->fd);
	open_file(l, complain);
}

void logfile_prepare(struct logfile *l, size_t bytes, log_complain_fn complain)
{
	if (l->path && l->fd >= 0 && l->limit && l->size && l->size + bytes > l->limit)
		take_turns(l, complain);
}

void logfile_write(struct logfile *l, const char *data, size_t bytes, log_complain_fn complain)
{
	if (!l->path || l->fd < 0)
		return;
	while (bytes) {
		ssize_t n = write(l->fd, data, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			complain_once(l, complain, "the log can't be written, what comes now is lost");
			return;
		}
		l->size += n;
		data += n;
		bytes -= n;
	}
	l->complained = false;
}

void logfile_cut(struct logfile *l, uint64_t inode, uint64_t size)
{
	if (l->path && l->fd >= 0 && l->inode == inode && l->size > size && !ftruncate(l->fd, size))
		l->size = size;
}
