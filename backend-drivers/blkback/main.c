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
#define LISTENS_EVERY	1024u		/* passes: one whom a guest keeps busy must hear the keeper too */
#define QUIET_MS	200		/* a frontend that has closed, and asks for nothing in that time, has all its answers */
#define CLOSING_NS	2000000000ull	/* after that nothing more is taken from it */

struct blk_memory *disk;
struct blk_limits limits;

static const struct storage_ops *storage;
static struct io_list todo = STAILQ_HEAD_INITIALIZER(todo);
static struct io *barrier;		/* runs alone */
static unsigned int running;		/* operations of the storage */
static uint64_t closing_ns;		/* CLOCK_MONOTONIC when the keeper said CLOSING; 0 before */
static bool said_answered;

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
		io->done = io->stage = io->parts = io->error = 0;
		io->serial = io->refused = false;
		if (status) {
			refuse(io, status, why);
			continue;
		}
		STAILQ_INSERT_TAIL(&checked, io, next);
		for (uint32_t i = 0; i < io->work.indirect; i++)
			data_want(io->work.indirect_refs[i]);
		if (!io->work.indirect)
			data_want_all(io);
	}
	data_map();
	while ((io = STAILQ_FIRST(&checked)) != NULL) {
		STAILQ_REMOVE_HEAD(&checked, next);
		if (io->work.indirect) {
			if (!read_segments(io))
				continue;
			data_want_all(io);
		}
		STAILQ_INSERT_TAIL(&todo, io, next);
	}
	data_map();
}

/* --- under way --------------------------------------------------------------------------------------- */

static void put_part(struct io *io, enum storage_op op, uint32_t from, uint64_t bytes)
{
	storage->put(op, (uintptr_t)io, io->work.offset + from, bytes, io->buffer + from);
	io->parts++;
	running++;
}

/*
 * One operation, or several for what the device can't take as one: the kernel would have to split it, which it does not
 * do without a thread that may wait.
 */
static void put(struct io *io, enum storage_op op)
{
	uint32_t most = disk->storage.most_bytes, bytes = io->work.bytes, part;

	if (op == STORAGE_FLUSH || op == STORAGE_DISCARD) {
		put_part(io, op, 0, io->work.bytes);
	} else if (io->serial || bytes <= most) {
		put_part(io, op, io->done, bytes - io->done);
	} else {
		part = (bytes / ((bytes + most - 1) / most) + 4095) & ~4095u;
		for (uint32_t from = 0; from < bytes; from += part)
			put_part(io, op, from, bytes - from < part ? bytes - from : part);
	}
}

static void finish(struct io *io, int status)
{
	if (barrier == io)
		barrier = NULL;
	queue_answer(io, status);
}

static void begin(struct io *io)
{
	switch (io->work.op) {
	case BLK_READ:
		put(io, STORAGE_READ);
		break;
	case BLK_WRITE:
		if (io->refused)
			refuse(io, BLKIF_RSP_ERROR, "its pages are not granted");
		else
			put(io, STORAGE_WRITE);
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
	struct io_list ready = STAILQ_HEAD_INITIALIZER(ready);
	unsigned int count = running;
	struct io *io;

	while ((io = STAILQ_FIRST(&todo)) != NULL && !barrier && count < STORAGE_OPS / 4) {
		bool alone = io->work.op == BLK_BARRIER;

		if ((alone && count) || (io->work.segments && !data_reserve(io)))
			break;
		STAILQ_REMOVE_HEAD(&todo, next);
		STAILQ_INSERT_TAIL(&ready, io, next);
		count++;
		fault_point("write-copy");
		if (io->work.op == BLK_WRITE)
			data_copy(io, false);
		if (alone)
			break;
	}
	data_copied();
	while ((io = STAILQ_FIRST(&ready)) != NULL) {
		STAILQ_REMOVE_HEAD(&ready, next);
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
		data_copy(io, false);
		data_copied();
		if (!io->refused) {
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

/* A part of a read or write has ended. True if that was the last, and all is done or has failed (io->error). */
static bool data_ended(struct io *io, int result)
{
	if (result < 0 && !io->error)
		io->error = result;
	else if (!result && !io->error)
		io->error = -ENODATA;
	else if (result > 0)
		io->done += result;
	if (io->parts)
		return false;
	if (io->error || io->done == io->work.bytes)
		return true;
	/* Some part came short: the rest, or, not knowing which, all again. */
	if (!io->serial && io->work.bytes > disk->storage.most_bytes)
		io->done = 0;
	io->serial = true;
	put(io, io->work.op == BLK_READ ? STORAGE_READ : STORAGE_WRITE);
	return false;
}

/* @read: gets the reads that are done but for the copies that data_copied() makes. */
static void complete(struct io *io, int result, struct io_list *read)
{
	bool data = io->work.op == BLK_READ || io->work.op == BLK_WRITE || (io->work.op == BLK_BARRIER && io->stage == 1);

	running--;
	io->parts--;
	fault_point("complete");
	if (data && !data_ended(io, result))
		return;
	if (!data && result == -EOPNOTSUPP) {
		finish(io, BLKIF_RSP_EOPNOTSUPP);
		return;
	}
	if (!data && result < 0)
		io->error = result;
	if (io->error) {
		tell_media(io, io->error == -ENODATA ? "what is behind the disk ends before it" : strerror(-io->error));
		finish(io, BLKIF_RSP_ERROR);
		return;
	}
	if (io->work.op == BLK_BARRIER && barrier_goes_on(io))
		return;
	if (io->work.op == BLK_READ) {
		data_copy(io, true);
		STAILQ_INSERT_TAIL(read, io, next);
		return;
	}
	finish(io, BLKIF_RSP_OKAY);
}

/* What the storage has ended. True if there was something. */
static bool complete_all(void)
{
	struct io_list read = STAILQ_HEAD_INITIALIZER(read);
	bool busy = false;
	struct io *io;
	uint64_t tag;
	int result;

	while (storage->next(&tag, &result)) {
		complete((struct io *)(uintptr_t)tag, result, &read);
		busy = true;
	}
	data_copied();
	fault_point("data-done");
	while ((io = STAILQ_FIRST(&read)) != NULL) {
		STAILQ_REMOVE_HEAD(&read, next);
		if (io->refused)
			refuse(io, BLKIF_RSP_ERROR, "its pages are not granted to be written");
		else
			finish(io, BLKIF_RSP_OKAY);
	}
	return busy;
}

/* --- waiting ------------------------------------------------------------------------------------------- */

static void read_limits(void)
{
	limits.sectors = shared_load(&disk->storage.bytes) / BLKIF_UNIT_BYTES;
	limits.sector_bytes = disk->storage.sector_bytes;
	limits.readonly = disk->readonly;
	limits.discard = disk->discard;
}

/* An event, though it brings no answer, makes Linux go on with what waits behind queues that it stopped when it closed. */
static void begin_closing(void)
{
	if (closing_ns)
		return;
	closing_ns = now_ns();
	for (unsigned int i = 0; i < disk->queues; i++)
		worker_notify(queues[i].port);
	fault_point("closing");
}

static bool takes_requests(void)
{
	return !closing_ns || now_ns() - closing_ns < CLOSING_NS;
}

static void say_answered(void)
{
	struct message m = { .type = MESSAGE_ANSWERED };

	said_answered = true;
	worker_tell(&m, MESSAGE_HEAD);
}

static void hear_keeper(void)
{
	static struct message m;

	while (worker_next(&m)) {
		if (m.type == MESSAGE_CHANGED)
			read_limits();
		else if (m.type == MESSAGE_CLOSING)
			begin_closing();
	}
}

/*
 * Event channels whose events were read. They stay masked until the worker sleeps again: what else is sent until then
 * interrupts nobody, and is found where it is.
 */
static uint32_t masked[PORTS];
static unsigned int masked_count;

static void unmask(void)
{
	if (masked_count && write(FD_EVENTS, masked, masked_count * sizeof(masked[0])) < 0)
		worker_die("its event channels can't be unmasked: %m");
	masked_count = 0;
}

static void take_events(void)
{
	ssize_t n = read(FD_EVENTS, masked, sizeof(masked));

	if (n < 0 && errno != EINTR && errno != EAGAIN)
		worker_die("its event channels can't be read: %m");
	masked_count = n > 0 ? n / sizeof(masked[0]) : 0;
	for (unsigned int i = 0; i < masked_count; i++)
		if (masked[i] == memory->doorbell)
			hear_keeper();
}

/* Until a guest, the storage or the keeper has something. */
static void sleep_until_event(void)
{
	struct pollfd fds[] = { { .fd = FD_EVENTS, .events = POLLIN }, { .fd = storage->fd(), .events = POLLIN } };
	bool quiet = closing_ns && !said_answered && !running;
	int ready;

	for (unsigned int i = 0; i < disk->queues; i++)
		if (queue_sleep(&queues[i]) && takes_requests())
			return;
	unmask();
	fault_point("sleep");
	if (running || quiet) {
		ready = poll(fds, 2, quiet ? QUIET_MS : -1);
		if (quiet && (!ready || !takes_requests()))
			say_answered();
		if (ready <= 0 || !fds[0].revents)
			return;
	}
	take_events();
}

static void listen_to_keeper(void)
{
	struct pollfd events = { .fd = FD_EVENTS, .events = POLLIN };

	unmask();
	if (poll(&events, 1, 0) > 0)
		take_events();
}

/* One pass: true if there was something to do. */
static bool pass(struct io_list *fresh)
{
	bool busy = !STAILQ_EMPTY(fresh);

	for (unsigned int i = 0; i < disk->queues; i++)
		busy |= takes_requests() && queue_take(&queues[i], fresh) > 0;
	if (busy)
		prepare(fresh);
	dispatch();
	storage->submit();
	fault_point("submitted");
	busy |= complete_all();
	for (unsigned int i = 0; i < disk->queues; i++)
		queue_publish(&queues[i]);
	return busy;
}

int main(int argc, char **argv)
{
	/* sysinfo is what qsort() asks for memory by. */
	static const struct worker_rule rules[] = {
		{ SCMP_SYS(io_uring_enter), -1 }, { SCMP_SYS(flock), -1 }, { SCMP_SYS(sysinfo), -1 }
	};
	struct io_list fresh = STAILQ_HEAD_INITIALIZER(fresh);
	unsigned int passes = 0;

	worker_begin(argc, argv, BLK_LAYOUT);
	worker_sandbox(rules, sizeof(rules) / sizeof(rules[0]), 0);
	disk = worker_memory_own();
	read_limits();
	storage = disk->storage.kind == STORAGE_NBD ? &storage_nbd_ops : &storage_uring_ops;
	storage->attach(&disk->storage, disk->readonly);
	data_open();
	queues_open(&fresh);
	/* As the rings' event channels: a dead worker may have left it masked. */
	worker_unmask(memory->doorbell);
	worker_ready();
	for (;;)
		if (!pass(&fresh))
			sleep_until_event();
		else if (++passes % LISTENS_EVERY == 0)
			listen_to_keeper();
}
