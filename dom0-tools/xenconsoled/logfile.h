// SPDX-License-Identifier: MIT
/*
 * A log of what a guest says: how the text is written down, and files that take turns. Without Xen; the text is pure.
 *
 * NAME is written to until it would grow beyond its limit; then NAME.(n-1) becomes NAME.n and so on, NAME becomes
 * NAME.1, and a new NAME is begun; the oldest is gone. A write that fails (a full disk) loses its bytes, is told once,
 * and stops nobody.
 */
#ifndef XENCONSOLED_LOGFILE_H
#define XENCONSOLED_LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_STAMP_MAX	32u

/* How text is written down. */
struct log_style {
	const char *stamp;	/* put before each line; NULL: nothing is. LOG_STAMP_MAX bytes at most */
	bool replace_escape;	/* a dot for each escape character */
};

/* The most that @count bytes become. */
#define LOG_TEXT_MAX(count)	((count) * (1 + LOG_STAMP_MAX))

/*
 * Writes @count bytes down at @to, which has room for LOG_TEXT_MAX(@count). *line_open is whether the last line has no
 * end yet, before and after. Returns the length.
 */
size_t log_text(char *to, const uint8_t *from, size_t count, const struct log_style *style, bool *line_open);

struct logfile {
	char *path;		/* NULL: there is none */
	int fd;
	uint64_t size, inode;
	uint64_t limit;		/* bytes; 0: none */
	unsigned int count;	/* how many old ones are kept */
	bool complained;
};

/* Told of what went wrong, with errno set; a sentence's beginning and the file. */
typedef void (*log_complain_fn)(const char *what, const char *path);

/* Opens @path, at its end; false if that can't be done (and it was told): logfile_reopen() tries again. */
bool logfile_open(struct logfile *l, const char *path, uint64_t limit, unsigned int count, log_complain_fn complain);
void logfile_close(struct logfile *l);
/* Opens the same path anew, as after somebody else has renamed the file. */
void logfile_reopen(struct logfile *l, log_complain_fn complain);
/* Makes room for @bytes: renames if they would not fit. */
void logfile_prepare(struct logfile *l, size_t bytes, log_complain_fn complain);
/* Writes; what does not go is lost. */
void logfile_write(struct logfile *l, const char *data, size_t bytes, log_complain_fn complain);
/* If the file is still the one with that @inode: cuts it to @size. */
void logfile_cut(struct logfile *l, uint64_t inode, uint64_t size);

#endif
