// SPDX-License-Identifier: MIT
/*
 * Files and block devices: the worker's half, on the ring that the keeper made (storage_uring_open.c).
 *
 * A dead worker's operations end in that ring all the same, whether the device or the kernel's own threads have them.
 * After a new start of the keeper it is another ring, and the old one is closing somewhere in the kernel: but as long as
 * one of its operations runs it keeps the backing file open, and with it the file's lock, for which we wait.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/file.h>
#include "../common/worker.h"
#include "storage.h"

static struct io_uring ring;
static uint64_t base;
static unsigned int put_count;

static void lock_backing(bool readonly)
{
	int how = readonly ? LOCK_SH : LOCK_EX;

	if (!flock(FD_OWN + STORAGE_FD_BACKING, how | LOCK_NB))
		return;
	if (errno == EWOULDBLOCK) {
		worker_log("waiting for its lock: I/O of an earlier backendd is still under way, or another program has the disk");
		while (flock(FD_OWN + STORAGE_FD_BACKING, how) && errno == EINTR)
			continue;
	} else {
		worker_log("its file has no locks (%m): what another backendd left under way is not waited for");
	}
}

static void drain(void)
{
	unsigned int *head = ring.sq.khead, *tail = ring.cq.ktail;

	/* What the dead one had put, but not handed over, was never begun. */
	shared_store(ring.sq.ktail, shared_load(head));
	ring.sq.sqe_head = ring.sq.sqe_tail = *head;
	for (;;) {
		io_uring_cq_advance(&ring, io_uring_cq_ready(&ring));
		if (shared_load(head) == shared_load(tail))
			break;
		if (io_uring_enter(ring.enter_ring_fd, 0, 1, IORING_ENTER_GETEVENTS, NULL) < 0 && errno != EINTR && errno != EAGAIN)
			worker_die("its io_uring can't be waited for: %m");
	}
	io_uring_cq_advance(&ring, io_uring_cq_ready(&ring));
}

static void attach(const struct storage_shared *shared, bool readonly)
{
	struct io_uring_params p = shared->params;
	int err = io_uring_queue_mmap(FD_OWN + STORAGE_FD_RING, &p, &ring);

	if (err)
		worker_die("its io_uring can't be mapped: %s", strerror(-err));
	base = shared->base;
	lock_backing(readonly);
	drain();
}

static void submit(void)
{
	int n = 0;

	while (put_count) {
		n = io_uring_submit(&ring);
		if (n > 0)
			put_count -= n < (int)put_count ? n : (int)put_count;
		else if (n != -EINTR && n != -EAGAIN && n != -EBUSY)
			worker_die("its io_uring takes nothing: %s", strerror(-n));
	}
}

static void put(enum storage_op op, uint64_t tag, uint64_t offset, uint64_t bytes, uint32_t buffer)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	while (!sqe) {
		submit();
		sqe = io_uring_get_sqe(&ring);
	}
	switch (op) {
	case STORAGE_READ:
		io_uring_prep_read_fixed(sqe, 0, (void *)(uintptr_t)(base + buffer), bytes, offset, 0);
		break;
	case STORAGE_WRITE:
		io_uring_prep_write_fixed(sqe, 0, (void *)(uintptr_t)(base + buffer), bytes, offset, 0);
		break;
	case STORAGE_FLUSH:
		io_uring_prep_fsync(sqe, 0, IORING_FSYNC_DATASYNC);
		break;
	case STORAGE_DISCARD:
		io_uring_prep_fallocate(sqe, 0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
		break;
	}
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->user_data = tag;
	put_count++;
}

static bool next(uint64_t *tag, int *result)
{
	struct io_uring_cqe *cqe;

	if (!io_uring_cq_ready(&ring))
		return false;
	cqe = &ring.cq.cqes[*ring.cq.khead & *ring.cq.kring_mask];
	*tag = cqe->user_data;
	*result = cqe->res;
	io_uring_cq_advance(&ring, 1);
	return true;
}

static int fd(void)
{
	return FD_OWN + STORAGE_FD_RING;
}

const struct storage_ops storage_uring_ops = {
	.attach = attach, .put = put, .submit = submit, .next = next, .fd = fd,
};
