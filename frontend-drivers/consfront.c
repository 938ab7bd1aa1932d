// SPDX-License-Identifier: MIT
/*
 * The console's two rings. The guest owns out_prod and in_cons, the daemon out_cons and in_prod. Each index of the
 * daemon's is read once for a call; one that is impossible counts as "full" or "empty", so that the worst a daemon can
 * do is to be silent.
 */
#include "consfront.h"

static uint32_t read_index(const XENCONS_RING_IDX *index)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

size_t consfront_write(struct consfront *console, const char *text, size_t bytes)
{
	struct xencons_interface *page = console->page;
	uint32_t prod = page->out_prod;
	uint32_t used = prod - read_index(&page->out_cons);
	size_t put = 0;

	while (put < bytes && used + put < sizeof(page->out)) {
		page->out[MASK_XENCONS_IDX(prod, page->out)] = text[put++];
		prod++;
	}
	__atomic_store_n(&page->out_prod, prod, __ATOMIC_RELEASE);
	os_event_notify(console->port);
	return put;
}

size_t consfront_read(struct consfront *console, char *to, size_t room)
{
	struct xencons_interface *page = console->page;
	uint32_t cons = page->in_cons;
	uint32_t there = read_index(&page->in_prod) - cons;
	size_t got = 0;

	if (there > sizeof(page->in))
		return 0;
	for (; got < room && got < there; cons++)
		to[got++] = page->in[MASK_XENCONS_IDX(cons, page->in)];
	if (got) {
		__atomic_store_n(&page->in_cons, cons, __ATOMIC_RELEASE);
		os_event_notify(console->port);
	}
	return got;
}
