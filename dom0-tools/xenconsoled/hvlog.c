// SPDX-License-Identifier: MIT
/*
 * The hypervisor's log: read whenever the hypervisor says that there is more (VIRQ_CON_RING), written down as guests'
 * logs are. How far it was read outlives the daemon in the file `hypervisor`; the write of a chunk that was cut short
 * is done again as backlog.h's rule 2 has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "console.h"

#define CHUNK 16384

struct position {
	uint64_t index;		/* of the hypervisor's log: what comes next */
	uint64_t from;		/* index: a write is under way */
	uint64_t inode, size;	/* of the log before it */
	uint64_t line_open;
};

static struct position *position, alone = { .from = UINT64_MAX };
static struct logfile log_file = { .fd = -1 };
static int port = -1;

static void read_all(void)
{
	static char raw[CHUNK], text[LOG_TEXT_MAX(CHUNK)];
	struct log_style style = { options.stamp_hypervisor ? stamp_text() : NULL, options.replace_escape };

	for (;;) {
		uint32_t index = position->index;
		bool line_open = position->line_open;
		int n = xen_log_read(raw, sizeof(raw), &index);
		size_t len;

		if (n <= 0)
			break;
		len = log_text(text, (uint8_t *)raw, n, &style, &line_open);
		logfile_prepare(&log_file, len, say_errno);
		position->inode = log_file.inode;
		position->size = log_file.size;
		__atomic_store_n(&position->from, position->index, __ATOMIC_RELEASE);
		logfile_write(&log_file, text, len, say_errno);
		__atomic_store_n(&position->index, index, __ATOMIC_RELEASE);
		position->line_open = line_open;
	}
}

static void map_position(void)
{
	char path[4096];
	void *p = MAP_FAILED;
	int fd;
	off_t size;

	snprintf(path, sizeof(path), "%s/hypervisor", options.run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	if (fd >= 0 && (size == sizeof(*position) || !posix_fallocate(fd, 0, sizeof(*position))))
		p = mmap(NULL, sizeof(*position), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	position = p == MAP_FAILED ? &alone : p;
	if (size != sizeof(*position))
		*position = alone;
}

void hvlog_start(void)
{
	char path[4096];

	if (!options.log_hypervisor)
		return;
	port = xen_bind_log();
	if (port < 0)
		say("the hypervisor does not tell of its log: %s", strerror(-port));
	map_position();
	snprintf(path, sizeof(path), "%s/hypervisor.log", options.log_dir);
	logfile_open(&log_file, path, options.log_size, options.log_count, say_errno);
	if (position->from == position->index)
		logfile_cut(&log_file, position->inode, position->size);
	read_all();
}

bool hvlog_event(uint32_t local)
{
	if (port < 0 || local != (uint32_t)port)
		return false;
	read_all();
	xen_unmask(port);
	return true;
}

void hvlog_reopen(void)
{
	logfile_reopen(&log_file, say_errno);
	if (options.log_hypervisor)
		read_all();
}
