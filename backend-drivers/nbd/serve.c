// SPDX-License-Identifier: MIT
/*
 * Requests: taken from the worker's queue, sent to the server, sent once more when a connection was lost, answered.
 *
 *	 FREE --take--> WAITING --send--> SENT --answer--> FREE (and `done` in the queue)
 *	                   ^                |  \
 *	                   +--- lost -------+   +-- no room to keep a write --> KEEPING --flushed--> FREE
 *
 * 1. A request that was SENT when the connection was lost waits to be sent again: it may have been done or not, and doing
 *    it twice is the same. It is marked `again`, since the old connection's may still run until the next is up (our own
 *    server is dead by then; of a foreign one nobody can know, see backendd(8)).
 * 2. A write or zeroing that was answered is kept (unflushed.h) before the worker hears of it. What was kept is written
 *    again, in its order, before anything else is sent over a new connection.
 * 3. A flush is answered when the server has answered a flush that was sent after it was taken. Our own flushes only make
 *    room; when one fails, the guest's next flush fails for it.
 * 4. Another generation (queue.h, rule 4): nothing is taken until all of the old has ended.
 */
#include <errno.h>
#include <string.h>
#include <sys/queue.h>
#include "link.h"
#include "serve.h"
#include "unflushed.h"

#define REPLAYS_MOST	32u
#define OWN_FLUSH	NBD_SLOTS

enum step { FREE, WAITING, SENT, KEEPING };

struct command {
	TAILQ_ENTRY(command) next;	/* of those WAITING or KEEPING */
	enum step step;
	bool again;
	uint32_t length, buffer;
	enum nbd_op op;
	uint64_t offset;
	uint32_t mark;			/* of a flush */
};
TAILQ_HEAD(command_list, command);

struct nbd_queue *queue;
char *buffer;
static struct command commands[NBD_SLOTS + 1];
static struct command_list waiting = TAILQ_HEAD_INITIALIZER(waiting), keeping = TAILQ_HEAD_INITIALIZER(keeping);
static unsigned int sent;
static bool up, given_up, held, leaves, to_ring, broken_flush;
static uint32_t server_flags;
static uint64_t server_bytes;

/* What was not flushed, while it is written again. */
static struct replay {
	bool on, failed;
	uint32_t at;
	unsigned int sent;
	struct {
		uint64_t offset;
		uint32_t length;	/* 0: free */
	} under_way[REPLAYS_MOST];
} replay;

static void end(struct command *c, int error)
{
	unsigned int i = c - commands;

	if (c->step == WAITING)
		TAILQ_REMOVE(&waiting, c, next);
	if (c->step == KEEPING)
		TAILQ_REMOVE(&keeping, c, next);
	c->step = FREE;
	if (i == OWN_FLUSH)
		return;
	queue->slot[i].error = error;
	__atomic_or_fetch(&queue->done[i / 64], 1ull << i % 64, __ATOMIC_RELEASE);
	to_ring = true;
}

static void wait(struct command *c)
{
	c->step = WAITING;
	TAILQ_INSERT_TAIL(&waiting, c, next);
}

/* --- taking ------------------------------------------------------------------------------------ */

/* 0, or the errno that the worker gets. The slot is the worker's to change: read once. */
static int check(struct command *c, const volatile struct nbd_slot *slot)
{
	bool change;

	c->op = slot->op;
	c->offset = slot->offset;
	c->length = slot->length;
	c->buffer = slot->buffer;
	change = c->op != NBD_READ && c->op != NBD_FLUSH;
	if (c->op < NBD_READ || c->op > NBD_ZERO)
		return EINVAL;
	if (change && (queue->readonly || server_flags & NBD_IS_READONLY))
		return EROFS;
	if (c->op == NBD_FLUSH)
		return 0;
	if (!c->length || c->offset > server_bytes || c->length > server_bytes - c->offset ||
	    (c->op <= NBD_WRITE && (c->length > NBD_MOST || c->buffer > NBD_BUFFER - c->length)))
		return EINVAL;
	return 0;
}

static void take(unsigned int i)
{
	struct command *c = &commands[i];
	uint64_t bit = 1ull << i % 64;
	int error;

	/* Rule 1 of the queue: `fresh` may speak of one that is taken or done already. */
	if (c->step != FREE || !(shared_load(&queue->busy[i / 64]) & bit) || shared_load(&queue->done[i / 64]) & bit)
		return;
	error = check(c, &queue->slot[i]);
	c->again = false;
	wait(c);
	if (error || given_up)
		end(c, error ? error : EIO);
}

/* A new worker, or nobody: true while what is there is the old one's. */
static bool old_generation(void)
{
	uint32_t generation = shared_load(&queue->generation);
	struct command *c, *next;

	if (generation == queue->accepted)
		return false;
	for (c = TAILQ_FIRST(&waiting); c; c = next) {
		next = TAILQ_NEXT(c, next);
		if (!c->again)
			end(c, ECANCELED);
	}
	if (sent || !TAILQ_EMPTY(&waiting) || !TAILQ_EMPTY(&keeping))
		return true;
	for (unsigned int w = 0; w < NBD_WORDS; w++)
		queue->busy[w] = queue->fresh[w] = queue->done[w] = 0;
	shared_store(&queue->accepted, generation);
	to_ring = true;
	tell_accepted(generation);
	return false;
}

static void look(void)
{
	if (old_generation())
		return;
	for (unsigned int w = 0; w < NBD_WORDS; w++) {
		uint64_t bits = shared_load(&queue->fresh[w]);

		if (bits)
			bits = __atomic_exchange_n(&queue->fresh[w], 0, __ATOMIC_ACQ_REL);
		for (; bits; bits &= bits - 1)
			take(w * 64 + __builtin_ctzll(bits));
	}
}

void serve_begin(void)
{
	server_bytes = queue->disk_bytes;
	server_flags = queue->flags;
	/* The old process's may run until the next connection is up. */
	for (unsigned int i = 0; i < NBD_SLOTS; i++) {
		take(i);
		commands[i].again = true;
	}
	/* It may have died between an answer and the bell. */
	to_ring = true;
	tell_accepted(queue->accepted);
}

/* --- answers ------------------------------------------------------------------------------------- */

static bool flush_due(void)
{
	return unflushed_is_much() || !TAILQ_EMPTY(&keeping);
}

static void own_flush(void)
{
	struct command *c = &commands[OWN_FLUSH];

	if (c->step == FREE && server_flags & NBD_CAN_FLUSH) {
		c->op = NBD_FLUSH;
		wait(c);
	}
}

/* A write that the server has done: false if it can't be kept yet. */
static bool keep(struct command *c)
{
	void *data = c->op == NBD_WRITE ? buffer + c->buffer : NULL;

	if (!(server_flags & NBD_CAN_FLUSH) || unflushed_add(c->offset, c->length, data))
		return true;
	c->step = KEEPING;
	TAILQ_INSERT_TAIL(&keeping, c, next);
	return false;
}

static void flushed(struct command *c, int error)
{
	struct command_list list = TAILQ_HEAD_INITIALIZER(list);

	/* What could not be flushed once will not be in the server's memory for the next time either. */
	unflushed_drop(c->mark);
	if (error && c == &commands[OWN_FLUSH]) {
		say("a flush failed: %s", strerror(error));
		broken_flush = true;
	} else if (c != &commands[OWN_FLUSH] && broken_flush) {
		broken_flush = false;
		error = error ? error : EIO;
	}
	end(c, error);
	TAILQ_CONCAT(&list, &keeping, next);
	while ((c = TAILQ_FIRST(&list)) != NULL) {
		TAILQ_REMOVE(&list, c, next);
		c->step = SENT;
		if (keep(c))
			end(c, 0);
	}
}

static void answered(void *context, int error)
{
	struct command *c = context;

	sent--;
	/* The server goes: the next one may do it. */
	if (error == ENOTCONN || error == ESHUTDOWN) {
		leaves |= error == ESHUTDOWN;
		c->again = true;
		wait(c);
		return;
	}
	if (c->op == NBD_FLUSH)
		flushed(c, error);
	else if (error || c->op == NBD_READ || c->op == NBD_DISCARD || keep(c))
		end(c, error);
}

/* --- sending -------------------------------------------------------------------------------------- */

static void send(struct command *c)
{
	int error;

	if (c->op == NBD_FLUSH && !(server_flags & NBD_CAN_FLUSH)) {
		end(c, 0);
		return;
	}
	if ((c->op == NBD_DISCARD && !(server_flags & NBD_CAN_DISCARD)) || (c->op == NBD_ZERO && !(server_flags & NBD_CAN_ZERO))) {
		end(c, EOPNOTSUPP);
		return;
	}
	TAILQ_REMOVE(&waiting, c, next);
	c->step = SENT;
	c->mark = unflushed_mark();
	sent++;
	/* It may be answered, or lost, before this comes back. */
	if (link_send(c->op, c->offset, c->length, buffer + c->buffer, answered, c, &error) ||
	    c->step != SENT)
		return;
	answered(c, error);
}

static void replayed(void *context, int error)
{
	unsigned int i = (uintptr_t)context;

	replay.under_way[i].length = 0;
	replay.sent--;
	leaves |= error == ESHUTDOWN;
	if (error && error != ENOTCONN && error != ESHUTDOWN) {
		say("a write that was not flushed can't be written again, at sector %llu: %s",
		    (unsigned long long)replay.under_way[i].offset / 512, strerror(error));
		replay.failed = true;
	}
}

/* A place for it, or -1 while one that it overlaps, or too many, are under way. */
static int replay_place(const struct unflushed_entry *e)
{
	int place = -1;

	for (unsigned int i = 0; i < REPLAYS_MOST; i++) {
		uint64_t start = replay.under_way[i].offset, length = replay.under_way[i].length;

		if (!length)
			place = i;
		else if (e->offset < start + length && start < e->offset + e->length)
			return -1;
	}
	return place;
}

/* True when all has been written again. */
static bool replay_push(void)
{
	const struct unflushed_entry *e;
	const void *data;
	uint32_t at;
	int place, error;

	while (replay.on && !leaves && (at = replay.at, e = unflushed_next(&at, &data)) != NULL) {
		place = replay_place(e);
		if (place < 0)
			return false;
		replay.under_way[place].offset = e->offset;
		replay.under_way[place].length = e->length;
		replay.sent++;
		replay.at = at;
		if (!link_send(data ? NBD_WRITE : NBD_ZERO, e->offset, e->length, (void *)data, replayed,
			       (void *)(uintptr_t)place, &error) && replay.under_way[place].length)
			replayed((void *)(uintptr_t)place, error);
	}
	if (replay.on && !leaves && !replay.sent) {
		replay.on = false;
		broken_flush |= replay.failed;
	}
	return !replay.on;
}

void serve_push(void)
{
	struct command *c, *last, *next;

	look();
	if (up && !leaves && !held && replay_push()) {
		if (flush_due())
			own_flush();
		/* What can't be sent is put behind the last: it is for the next connection. */
		last = TAILQ_LAST(&waiting, command_list);
		for (c = TAILQ_FIRST(&waiting); c; c = next) {
			next = c == last ? NULL : TAILQ_NEXT(c, next);
			send(c);
		}
	}
	if (to_ring)
		ring_worker();
	to_ring = false;
}

void serve_link_up(uint32_t flags, uint64_t disk_bytes)
{
	struct command *c;

	up = true;
	given_up = leaves = held = false;
	server_flags = flags;
	server_bytes = disk_bytes;
	memset(&replay, 0, sizeof(replay));
	replay.on = true;
	TAILQ_FOREACH(c, &waiting, next)
		c->again = false;
}

void serve_link_down(void)
{
	struct command *c = &commands[OWN_FLUSH], *next;

	up = false;
	/* Ours is made anew when it is due. */
	if (c->step == WAITING)
		end(c, 0);
	/* What waits for room is written again as if it had not been. */
	for (c = TAILQ_FIRST(&keeping); c; c = next) {
		next = TAILQ_NEXT(c, next);
		TAILQ_REMOVE(&keeping, c, next);
		c->again = true;
		wait(c);
	}
}

void serve_give_up(void)
{
	struct command *c;

	given_up = true;
	while ((c = TAILQ_FIRST(&waiting)) != NULL)
		end(c, EIO);
}

bool serve_hold(void)
{
	held = true;
	return !sent && !replay.sent;
}

bool serve_server_leaves(void)
{
	return leaves && !sent && !replay.sent;
}

bool serve_settle(void)
{
	uint32_t at = 0;
	const void *data;

	if (!up || !(server_flags & NBD_CAN_FLUSH))
		return true;
	if (!unflushed_next(&at, &data) && !sent)
		return true;
	if (!sent)
		own_flush();
	return false;
}
