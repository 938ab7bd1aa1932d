// SPDX-License-Identifier: MIT
/*
 * blkback: serves one disk of one guest.
 *
 *	 ring --take--> fresh --prepare()--> todo --dispatch()--> storage --complete()--> answer --publish--> ring
 *
 * All that waits is done in one pass, stage by stage, so that system calls, grant mappings and notifications are made once
 * for many requests; a pass that found nothing ends in sleep, and nothing is looked at again before an event.
 *
 * Order: requests are begun in the order of their ring, and end in any. A barrier waits until all that was begun has
 * ended, is flushed, written, flushed, and only then is anything behind it begun. A flush is asked of the storage when it
 * is begun: what was answered before it was taken, which is all that a guest may count on, is covered.
 *
 * After a restart the requests that were under way come first, in their old order, and go the same way.
 */
#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>
#include "blkback.h"

#define ERRORS_TOLD	20u		/* each of these; then one of a thousand */
#define PORTS		64u

struct blk_memory *disk;
struct blk_limits limits;

static const struct storage_ops *storage;
static struct io_list todo = STAILQ_HEAD_INITIALIZER(todo);
static struct io *barrier;		/* runs alone */
static unsigned int running;		/* operations of the storage */

/* --- what went wrong -------------------------------------------------------------------------------- */

static bool worth_telling(unsigned int *count)
{
	++*count;
	return *count <= ERRORS_TOLD || *count % 1000 == 0;
}

static const char *word_of(enum blk_op op)
{
	static const char *const words[] = {
		[BLK_READ] = "read", [BLK_WRITE] = "write", [BLK_BARRIER] = "barrier", [BLK_FLUSH] = "flush",
		[BLK_DISCARD] = "discard"
	};

	return words[op];
}

static void tell_media(const struct io *io, const char *reason)
{
	static unsigned int count;

	if (worth_telling(&count))
		worker_log("error %u: %s of %llu bytes at sector %llu: %s", count, word_of(io->work.op),
			   (unsigned long long)io->work.bytes, (unsigned long long)io->work.offset / BLKIF_UNIT_BYTES, reason);
}

static void refuse(struct io *io, int status, const char *why)
{
	static unsigned int count;

	if (why && worth_telling(&count))
		worker_log("refused request %u of its frontend (operation %u, sector %llu): %s", count,
			   io->entry->request.operation, (unsigned long long)io->entry->request.sector_number, why);
	queue_answer(io, status);
}

/* --- before ---------------------------------------------------------------------------------------- */

static void want_pages(const struct io *io)
{
	for (uint32_t i = 0; i < io->work.segments; i++)
		data_want(io->segment[i].ref);
}

static bool read_segments(struct io *io)
{
	static struct blkif_request_segment raw[BLK_SEGMENTS];
	const char *why = "its pages of segments are not granted";
	int status = data_read_indirect(io, raw) ? blk_segments(raw, &limits, &io->work, io->segment, &why) : BLKIF_RSP_ERROR;

	if (status)
		refuse(io, status, why);
	return !status;
}

/* Checks requests, and has all their pages mapped that are to be; what is good goes to todo. */
static void prepare(struct io_list *fresh)
{
	struct io_list checked = STAILQ_HEAD_INITIALIZER(checked);
	struct io *io;

	while ((io = STAILQ_FIRST(fresh)) != NULL) {
		const char *why = NULL;
		int status = blk_parse(&io->entry->request, &limits, &io->work, io->segment, &why);

		STAILQ_REMOVE_HEAD(fresh, next);
		io->done = io->stage = 0;
		if (status) {
			refuse(io, status, why);
			continue;
		}
		STAILQ_INSERT_TAIL(&checked, io, next);
		for (uint32_t i = 0; i < io->work.indirect; i++)
			data_want(io->work.indirect_refs[i]);
		if (!io->work.indirect)
			want_pages(io);
	}
	data_map();
	while ((io = STAILQ_FIRST(&checked)) != NULL) {
		STAILQ_REMOVE_HEAD(&checked, next);
		if (io->work.indirect) {
			if (!read_segments(io))
				continue;
			want_pages(io);
		}
		STAILQ_INSERT_TAIL(&todo, io, next);
	}
	data_map();
}

/* --- under way --------------------------------------------------------------------------------------- */

static void put(struct io *io, enum storage_op op)
{
	bool data = op == STORAGE_READ || op == STORAGE_WRITE;
	uint32_t done = data ? io->done : 0;

	storage->put(op, (uintptr_t)io, io->work.offset + done, io->work.bytes - done, io->buffer + done);
	running++;
}

static void finish(struct io *io, int status)
{
	if (barrier == io)
		barrier = NULL;
	queue_answer(io, status);
}

static void write_out(struct io *io)
{
	fault_point("write-copy");
	if (data_copy(io, false))
		put(io, STORAGE_WRITE);
	else
		refuse(io, BLKIF_RSP_ERROR, "its pages are not granted");
}

static void begin(struct io *io)
{
	switch (io->work.op) {
	case BLK_READ:
		put(io, STORAGE_READ);
		break;
	case BLK_WRITE:
		write_out(io);
		break;
	case BLK_BARRIER:
		barrier = io;
		put(io, STORAGE_FLUSH);
		break;
	case BLK_FLUSH:
		put(io, STORAGE_FLUSH);
		break;
	case BLK_DISCARD:
		put(io, STORAGE_DISCARD);
		break;
	}
}

static void dispatch(void)
{
	struct io *io;

	while ((io = STAILQ_FIRST(&todo)) != NULL && !barrier && running < STORAGE_OPS) {
		if (io->work.op == BLK_BARRIER && running)
			break;
		if (io->work.segments && !data_reserve(io))
			break;
		STAILQ_REMOVE_HEAD(&todo, next);
		begin(io);
	}
	fault_point("begun");
}

/* --- after -------------------------------------------------------------------------------------------- */

/* A barrier's next step; false after the last. */
static bool barrier_goes_on(struct io *io)
{
	switch (io->stage++) {
	case 0:
		if (!io->work.segments)
			return false;
		if (data_copy(io, false)) {
			put(io, STORAGE_WRITE);
		} else {
			barrier = NULL;
			refuse(io, BLKIF_RSP_ERROR, "its pages are not granted");
		}
		return true;
	case 1:
		put(io, STORAGE_FLUSH);
		return true;
	default:
		return false;
	}
}

static void complete(struct io *io, int result)
{
	bool data = io->work.op == BLK_READ || io->work.op == BLK_WRITE || (io->work.op == BLK_BARRIER && io->stage == 1);

	running--;
	fault_point("complete");
	if (result == -EOPNOTSUPP && io->work.op != BLK_READ && io->work.op != BLK_WRITE) {
		finish(io, BLKIF_RSP_EOPNOTSUPP);
		return;
	}
	if (result < 0 || (data && !result)) {
		tell_media(io, result ? strerror(-result) : "what is behind the disk ends before it");
		finish(io, BLKIF_RSP_ERROR);
		return;
	}
	if (data) {
		io->done += result;
		if (io->done < io->work.bytes) {
			put(io, io->work.op == BLK_READ ? STORAGE_READ : STORAGE_WRITE);
			return;
		}
	}
	if (io->work.op == BLK_BARRIER && barrier_goes_on(io))
		return;
	if (io->work.op == BLK_READ && !data_copy(io, true)) {
		refuse(io, BLKIF_RSP_ERROR, "its pages are not granted to be written");
		return;
	}
	fault_point("data-done");
	finish(io, BLKIF_RSP_OKAY);
}

/* --- waiting ------------------------------------------------------------------------------------------- */

static void read_limits(void)
{
	limits.sectors = shared_load(&disk->storage.bytes) / BLKIF_UNIT_BYTES;
	limits.sector_bytes = disk->storage.sector_bytes;
	limits.readonly = disk->readonly;
	limits.discard = disk->discard;
}

static void hear_keeper(void)
{
	static struct message m;

	while (worker_next(&m))
		if (m.type == MESSAGE_CHANGED)
			read_limits();
}

static void take_events(void)
{
	uint32_t ports[PORTS];
	ssize_t n = read(FD_EVENTS, ports, sizeof(ports));

	if (n < 0 && errno != EINTR && errno != EAGAIN)
		worker_die("its event channels can't be read: %m");
	if (n <= 0)
		return;
	/* They can come again. */
	if (write(FD_EVENTS, ports, n) < 0)
		worker_die("its event channels can't be unmasked: %m");
	for (unsigned int i = 0; i < n / sizeof(ports[0]); i++)
		if (ports[i] == memory->doorbell)
			hear_keeper();
}

/* Until a guest, the storage or the keeper has something. */
static void sleep_until_event(void)
{
	struct pollfd fds[] = { { .fd = FD_EVENTS, .events = POLLIN }, { .fd = storage->fd(), .events = POLLIN } };

	for (unsigned int i = 0; i < disk->queues; i++)
		if (queue_sleep(&queues[i]))
			return;
	fault_point("sleep");
	if (running && (poll(fds, 2, -1) <= 0 || !fds[0].revents))
		return;
	take_events();
}

/* One pass: true if there was something to do. */
static bool pass(struct io_list *fresh)
{
	bool busy = !STAILQ_EMPTY(fresh);
	uint64_t tag;
	int result;

	for (unsigned int i = 0; i < disk->queues; i++)
		busy |= queue_take(&queues[i], fresh) > 0;
	if (busy)
		prepare(fresh);
	dispatch();
	storage->submit();
	fault_point("submitted");
	while (storage->next(&tag, &result)) {
		complete((struct io *)(uintptr_t)tag, result);
		busy = true;
	}
	for (unsigned int i = 0; i < disk->queues; i++)
		queue_publish(&queues[i]);
	return busy;
}

int main(void)
{
	static const struct worker_rule rules[] = { { SCMP_SYS(io_uring_enter), -1 } };
	struct io_list fresh = STAILQ_HEAD_INITIALIZER(fresh);

	worker_begin(BLK_LAYOUT);
	disk = worker_memory_own();
	read_limits();
	storage = disk->storage.kind == STORAGE_NBD ? &storage_nbd_ops : &storage_uring_ops;
	storage->attach(&disk->storage, disk->readonly);
	data_open();
	queues_open(&fresh);
	worker_sandbox(rules, sizeof(rules) / sizeof(rules[0]), 0);
	worker_ready();
	for (;;)
		if (!pass(&fresh))
			sleep_until_event();
}
