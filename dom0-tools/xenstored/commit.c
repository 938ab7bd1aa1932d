// SPDX-License-Identifier: MIT
/*
 * The journal in shared memory: adding a message's records, replacing all by a snapshot when they have grown to
 * several times its size, and making a store of them after the daemon was killed.
 */
#include <sys/mman.h>
#include <unistd.h>
#include "daemon.h"

#define GROWTH_FREE	(4ull << 20)	/* bytes of journal that are never worth a snapshot */
#define GROWTH_TIMES	3

static uint64_t slot_consumed(struct conn *c)
{
	struct link *l = c->io;

	return l->slot->consumed;
}

void commit_snapshot(void)
{
	static struct buf image;
	int region = !(shm->commit & COMMIT_REGION);

	image.len = 0;
	store_snapshot(worker.store, &image, slot_consumed);
	if (image.len > REGION_SIZE / 2) {
		log_line("the store's image of %zu bytes is larger than the journal can hold", image.len);
		abort();
	}
	memcpy(shm_region(shm, region), image.data, image.len);
	fault_point("snapshot");
	shm_store(&shm->commit, (region ? COMMIT_REGION : 0) | image.len);
	fault_point("snapshot-counts");
	worker.snapshot_size = image.len;
	madvise(shm_region(shm, !region), REGION_SIZE, MADV_REMOVE);
	if (image.room > (64u << 20))
		buf_free(&image);
}

/* A snapshot, when the journal is long enough to make it worth its time. */
void commit_trim(void)
{
	uint64_t len = shm->commit & ~COMMIT_REGION;

	if (len > GROWTH_FREE && len > GROWTH_TIMES * worker.snapshot_size)
		commit_snapshot();
}

/* Everything in the store's journal counts from here on. */
void commit(void)
{
	struct buf *journal = &worker.store->journal;
	uint64_t at = shm->commit & ~COMMIT_REGION;
	int region = !!(shm->commit & COMMIT_REGION);

	if (!journal->len)
		return;
	if (at + journal->len > REGION_SIZE) {
		log_line("the journal is full");
		abort();
	}
	memcpy(shm_region(shm, region) + at, journal->data, journal->len);
	fault_point("commit");
	shm_store(&shm->commit, shm->commit + journal->len);
	fault_point("committed");
	journal->len = 0;
	if (journal->room > (1u << 20))
		buf_free(journal);
}

/* What a J_DONE record says: the slot may not have got to know. */
static void replayed_done(struct conn *c, uint64_t consumed)
{
	struct slot *slot = &shm->slots[c->slot];

	if (c->slot < SLOTS && slot->uid == c->uid && slot->consumed < consumed)
		shm_store(&slot->consumed, consumed);
}

/* A connection of the journal and its slot find each other; false if the slot is another's by now. */
static bool recover_conn(struct conn *c)
{
	struct slot *slot = c->slot < SLOTS ? &shm->slots[c->slot] : NULL;
	struct link *l;

	if (!slot || slot->uid != c->uid || (slot->state != SLOT_NEW && slot->state != SLOT_ACTIVE))
		return false;
	slot_settle(slot);
	l = link_new(c, slot);
	if (slot->kind == KIND_RING) {
		l->ring = xen_map_ring(slot->domid, slot->gfn);
		if (!l->ring) {
			free(l);
			return false;
		}
	} else {
		l->fd = slot->fd;
	}
	conn_sent(c, slot->sent - (c->out_total - c->out_bytes));
	shm_store(&slot->state, SLOT_ACTIVE);
	return true;
}

/* The store as the journal has it, each connection with its link. Returns false if there is no journal yet. */
bool recover(void)
{
	const uint8_t *image = shm_region(shm, !!(shm->commit & COMMIT_REGION));
	struct conn *c, *next;

	if (!shm->commit)
		return false;
	if (!store_replay(worker.store, image, shm->commit & ~COMMIT_REGION, replayed_done)) {
		log_line("the journal makes no sense; the store can't be brought back");
		abort();
	}
	for (c = TAILQ_FIRST(&worker.store->conns); c; c = next) {
		next = TAILQ_NEXT(c, next);
		if (!recover_conn(c)) {
			if (c->dom->conn == c)
				c->dom->conn = NULL;
			conn_free(c);
		}
	}
	worker.store->journal.len = 0;
	return true;
}
