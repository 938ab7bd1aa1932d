// SPDX-License-Identifier: MIT
/* The console page's two rings; the rules are in ring.h. Indices run freely modulo 2^32 (xen/io/console.h). */
#include <string.h>
#include "ring.h"

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

void ring_attach(struct ring *r, struct xencons_interface *page)
{
	*r = (struct ring){ .page = page, .out_cons = load(&page->out_cons), .in_prod = load(&page->in_prod) };
}

bool ring_resume(struct ring *r, struct xencons_interface *page, uint32_t out_cons)
{
	ring_attach(r, page);
	if (load(&page->out_prod) - out_cons > RING_OUT_SIZE)
		return false;
	r->out_cons = out_cons;
	store(&page->out_cons, out_cons);
	return true;
}

size_t ring_peek(struct ring *r, uint8_t *to, size_t size)
{
	uint32_t waiting = load(&r->page->out_prod) - r->out_cons;
	uint32_t at = r->out_cons % RING_OUT_SIZE, first;

	r->nonsense = waiting > RING_OUT_SIZE;
	if (r->nonsense)
		return 0;
	if (size > waiting)
		size = waiting;
	first = size < RING_OUT_SIZE - at ? size : RING_OUT_SIZE - at;
	memcpy(to, r->page->out + at, first);
	memcpy(to + first, r->page->out, size - first);
	return size;
}

void ring_taken(struct ring *r, size_t count)
{
	r->out_cons += count;
	store(&r->page->out_cons, r->out_cons);
}

size_t ring_room(struct ring *r)
{
	uint32_t used = r->in_prod - load(&r->page->in_cons);

	r->nonsense = used > RING_IN_SIZE;
	return r->nonsense ? 0 : RING_IN_SIZE - used;
}

size_t ring_put(struct ring *r, const uint8_t *from, size_t count)
{
	size_t room = ring_room(r);
	uint32_t at = r->in_prod % RING_IN_SIZE, first;

	if (count > room)
		count = room;
	first = count < RING_IN_SIZE - at ? count : RING_IN_SIZE - at;
	memcpy(r->page->in + at, from, first);
	memcpy(r->page->in, from + first, count - first);
	r->in_prod += count;
	store(&r->page->in_prod, r->in_prod);
	return count;
}
