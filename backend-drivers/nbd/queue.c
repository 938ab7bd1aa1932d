// SPDX-License-Identifier: MIT
/* The worker's side of the queue to blkback-nbd: queue.h has the rules, whose numbers stand here. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "queue.h"

static void ring(int fd)
{
	uint64_t one = 1;

	/* It can't fail but when the counter is full, and then the other side is rung anyway. */
	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

int nbd_client_open(struct nbd_client *c, int memory, int ring_fd, int bell, uint32_t generation)
{
	memset(c, 0, sizeof(*c));
	c->q = mmap(NULL, NBD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (c->q == MAP_FAILED)
		return -errno;
	if (c->q->magic != NBD_MAGIC || c->q->layout != NBD_LAYOUT) {
		munmap(c->q, NBD_SIZE);
		return -EINVAL;
	}
	c->ring = ring_fd;
	c->bell = bell;
	c->generation = generation;
	shared_store(&c->q->generation, generation);
	ring(c->ring);
	return 0;
}

bool nbd_client_accepted(struct nbd_client *c)
{
	if (!c->accepted)
		c->accepted = shared_load(&c->q->accepted) == c->generation;
	return c->accepted;
}

void nbd_submit(struct nbd_client *c, enum nbd_op op, uint64_t tag, uint64_t offset, uint32_t length, uint32_t buffer)
{
	unsigned int i = c->next;
	struct nbd_slot *s;
	uint64_t bit;

	while (c->busy[i / 64] >> i % 64 & 1)
		i = (i + 1) % NBD_SLOTS;
	c->next = (i + 1) % NBD_SLOTS;
	bit = 1ull << i % 64;
	s = &c->q->slot[i];
	s->offset = offset;
	s->length = length;
	s->buffer = buffer;
	s->op = op;
	c->tag[i] = tag;
	c->length[i] = length;
	c->busy[i / 64] |= bit;
	__atomic_or_fetch(&c->q->busy[i / 64], bit, __ATOMIC_RELEASE);
	__atomic_or_fetch(&c->q->fresh[i / 64], bit, __ATOMIC_RELEASE);
	c->to_ring = true;
}

void nbd_ring(struct nbd_client *c)
{
	if (c->to_ring)
		ring(c->ring);
	c->to_ring = false;
}

bool nbd_next(struct nbd_client *c, uint64_t *tag, int64_t *result)
{
	uint64_t rings;

	for (unsigned int looked = 0; looked <= NBD_WORDS; looked++, c->word = (c->word + 1) % NBD_WORDS) {
		unsigned int w = c->word;
		uint64_t bits = shared_load(&c->q->done[w]) & c->busy[w], bit = bits & -bits;
		unsigned int i;
		uint32_t code;

		/* The bell is silenced before the last look around. */
		if (!looked && !bits)
			while (read(c->bell, &rings, sizeof(rings)) < 0 && errno == EINTR)
				continue;
		if (!bits)
			continue;
		i = w * 64 + __builtin_ctzll(bits);
		code = c->q->slot[i].error;
		*result = !code ? c->length[i] : code > 4095 ? -EIO : -(int64_t)code;
		*tag = c->tag[i];
		/* Rule 3. */
		__atomic_and_fetch(&c->q->busy[w], ~bit, __ATOMIC_RELEASE);
		__atomic_and_fetch(&c->q->done[w], ~bit, __ATOMIC_RELEASE);
		c->busy[w] &= ~bit;
		return true;
	}
	return false;
}
