// SPDX-License-Identifier: MIT
/*
 * Files and block devices: the keeper's half. It opens them, makes an io_uring, gives that the buffer and the file for
 * good, and restricts it: a worker can read and write that file from and into that buffer, flush it, and punch holes, and
 * nothing else, by no register call either.
 *
 * I/O is direct. A file system that has none (a tmpfs) is used through the page cache: then a flush is fdatasync() as ever.
 *
 * A ring counts in memory how many operations the kernel took (the head of the submission queue) and how many it ended
 * (the tail of the completion queue); the difference is what runs, whoever submitted it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "../common/keeper.h"
#include "storage.h"

#define SUBMISSIONS	256u
static uint64_t from_sysfs(const struct stat *st, const char *what)
{
	char path[128], line[32] = "0";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/queue/%s", major(st->st_rdev), minor(st->st_rdev), what);
	f = fopen(path, "re");
	if (!f) {
		/* A partition has its disk's. */
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../queue/%s", major(st->st_rdev), minor(st->st_rdev), what);
		f = fopen(path, "re");
	}
	if (f && !fgets(line, sizeof(line), f))
		line[0] = '0';
	if (f)
		fclose(f);
	return strtoull(line, NULL, 10);
}

static int size(struct storage *s)
{
	struct stat st;
	uint64_t bytes;

	if (fstat(s->backing, &st))
		return -errno;
	bytes = st.st_size;
	if (s->is_block && ioctl(s->backing, BLKGETSIZE64, &bytes))
		return -errno;
	s->facts.bytes = bytes & ~(uint64_t)(s->facts.sector_bytes - 1);
	return 0;
}

/* What the file system asks of direct I/O; 512 if it does not say. */
static uint32_t file_sector(const struct storage *s)
{
	struct statx x;

	if (s->buffered || statx(s->backing, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) || !(x.stx_mask & STATX_DIOALIGN))
		return 512;
	return x.stx_dio_offset_align < 512 || x.stx_dio_offset_align > 4096 ? 512 : x.stx_dio_offset_align;
}

static void learn(struct storage *s, const struct stat *st)
{
	int logical = 512;
	unsigned int physical = 0;
	uint64_t most = STORAGE_BUFFER;

	if (s->is_block) {
		ioctl(s->backing, BLKSSZGET, &logical);
		ioctl(s->backing, BLKPBSZGET, &physical);
		/* Holes are punched by writing zeroes in a way that frees: a device that only discards has none. */
		s->can_discard = !s->readonly && from_sysfs(st, "discard_max_bytes") > 0 &&
				 from_sysfs(st, "write_zeroes_max_bytes") > 0;
		s->facts.discard_bytes = from_sysfs(st, "discard_granularity");
		most = from_sysfs(st, "max_sectors_kb") * 1024 & ~4095ull;
	} else {
		logical = file_sector(s);
		/* Behind the end of the file there is nothing to lose: does it have holes at all? */
		s->can_discard = !s->readonly && !fallocate(s->backing, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
							    st->st_size + 4096, 4096);
		s->facts.discard_bytes = st->st_blksize;
	}
	s->facts.most_bytes = most && most < STORAGE_BUFFER ? most : STORAGE_BUFFER;
	s->facts.sector_bytes = logical;
	s->facts.physical_bytes = physical < (unsigned int)logical ? (unsigned int)logical : physical;
}

static int open_it(struct device *d, struct storage *s)
{
	int flags = (s->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
	struct stat st;
	int fd;

	if (stat(s->target, &st))
		return device_error(d, errno, "%s: %s", s->target, strerror(errno));
	s->is_block = S_ISBLK(st.st_mode);
	if (!s->is_block && !S_ISREG(st.st_mode))
		return device_error(d, EINVAL, "%s is neither a file nor a block device", s->target);
	/* No times of access: each read would look whether its is due. Only who owns the file may ask for that. */
	fd = open(s->target, flags | O_DIRECT | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = open(s->target, flags | O_DIRECT);
	s->buffered = fd < 0 && errno == EINVAL;
	if (s->buffered)
		fd = open(s->target, flags);
	if (fd < 0)
		return device_error(d, errno, "%s can't be opened%s: %s", s->target, s->readonly ? "" : " to write",
				    strerror(errno));
	s->backing = fd;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	learn(s, &st);
	if (s->facts.sector_bytes > 4096)
		return device_error(d, EINVAL, "%s has sectors of %u bytes; at most 4096 can be served", s->target,
				    s->facts.sector_bytes);
	if (size(s) || !s->facts.bytes)
		return device_error(d, EINVAL, "%s is shorter than one sector", s->target);
	return 0;
}

static void close_it(struct storage *s)
{
	if (s->backing >= 0)
		close(s->backing);
	s->backing = -1;
}

/* --- connections ----------------------------------------------------------------------------------- */

static int restrict_ring(struct io_uring *ring)
{
	static const uint8_t ops[] = { IORING_OP_READ_FIXED, IORING_OP_WRITE_FIXED, IORING_OP_FSYNC, IORING_OP_FALLOCATE };
	struct io_uring_restriction r[sizeof(ops) + 2] = { 0 };
	unsigned int n = 0;

	for (; n < sizeof(ops); n++) {
		r[n].opcode = IORING_RESTRICTION_SQE_OP;
		r[n].sqe_op = ops[n];
	}
	r[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	r[n++].sqe_flags = IOSQE_FIXED_FILE;
	r[n].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	r[n++].sqe_flags = IOSQE_FIXED_FILE;
	return io_uring_register_restrictions(ring, r, n);
}

static void disconnect_it(struct storage *s)
{
	if (s->ring_fd >= 0)
		io_uring_queue_exit(&s->ring);
	if (s->buffer)
		munmap(s->buffer, STORAGE_BUFFER);
	if (s->buffer_fd >= 0)
		close(s->buffer_fd);
	s->buffer = NULL;
	s->ring_fd = s->buffer_fd = -1;
}

static int connect_it(struct device *d, struct storage *s)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_COOP_TASKRUN,
		.cq_entries = 2 * STORAGE_OPS,
	};
	struct iovec iov;
	int err;

	s->buffer_fd = memfd_create("blkback", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->buffer_fd < 0 || ftruncate(s->buffer_fd, STORAGE_BUFFER) ||
	    fcntl(s->buffer_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return device_error(d, ENOMEM, "no memory for its buffer");
	s->buffer = mmap(NULL, STORAGE_BUFFER, PROT_READ | PROT_WRITE, MAP_SHARED, s->buffer_fd, 0);
	if (s->buffer == MAP_FAILED) {
		s->buffer = NULL;
		return device_error(d, ENOMEM, "no memory for its buffer");
	}
	err = io_uring_queue_init_params(SUBMISSIONS, &s->ring, &p);
	if (err)
		return device_error(d, -err, "no io_uring: %s", strerror(-err));
	s->ring_fd = s->drain_fd = s->ring.ring_fd;
	fcntl(s->ring_fd, F_SETFD, FD_CLOEXEC);
	iov = (struct iovec){ s->buffer, STORAGE_BUFFER };
	err = io_uring_register_buffers(&s->ring, &iov, 1);
	err = err ? err : io_uring_register_files(&s->ring, &s->backing, 1);
	err = err ? err : restrict_ring(&s->ring);
	err = err ? err : io_uring_enable_rings(&s->ring);
	if (err < 0)
		return device_error(d, -err, "its io_uring can't be set up: %s", strerror(-err));
	s->facts.base = (uintptr_t)s->buffer;
	s->facts.params = p;
	return 0;
}

static unsigned int descriptors(struct storage *s, int *fds)
{
	fds[STORAGE_FD_BUFFER] = s->buffer_fd;
	fds[STORAGE_FD_RING] = s->ring_fd;
	fds[STORAGE_FD_BACKING] = s->backing;
	return STORAGE_FDS;
}

static bool drained(struct storage *s)
{
	uint32_t taken, ended;

	if (s->ring_fd < 0)
		return true;
	/* Nobody looks at the ends any more; read them, so that the descriptor tells of the next. */
	io_uring_cq_advance(&s->ring, io_uring_cq_ready(&s->ring));
	taken = shared_load(s->ring.sq.khead);
	ended = shared_load(s->ring.cq.ktail);
	return taken == ended;
}

static const char *const formats[] = { "aio", "raw", "phy", "file", NULL };

const struct storage_kind storage_uring_kind = {
	.formats = formats, .open = open_it, .close = close_it, .connect = connect_it, .disconnect = disconnect_it,
	.descriptors = descriptors, .drained = drained, .size = size,
};
