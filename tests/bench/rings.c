// SPDX-License-Identifier: MIT
/*
 * What a shared ring between two guests costs: a frontend and a backend without an operating system, nothing but the
 * ring, grants, events, and the hypervisor between them. dom0 makes both from this file (scripts/initramfs/test/ring-bench):
 *
 *	role=front peer=N [plan=short]	puts requests, waits for the responses, measures, prints at the end
 *	role=back peer=N		serves requests until it is told to end
 *
 * A case is: what a request carries (nothing, one page, 16 pages), how the backend gets at it, how many requests are
 * put on the ring at once (the batch, 1 to 256), and whether notifications are held off. The ways to the payload:
 *
 *	map		the frontend grants the pages for this request, the backend maps and unmaps them
 *	copy		granted likewise; the backend has the hypervisor copy them into pages of its own
 *	persistent	the backend mapped all pages once; the frontend copies what it has into them
 *
 * Held off: a batch becomes visible at once, and a side is told only if it asked (req_event, rsp_event): one event
 * each way for each batch. Not held off: each request and each response is published and told alone.
 *
 * A round is a batch, from the first request put to the last response seen. With one CPU this is the whole machine's
 * work for the batch, since somebody always has something to do: nobody idles. Results, one line for each case:
 *
 *	RING way bytes batch held|told instructions-of-a-round latency
 *
 * both the median over the rounds; the latency is the mean over a batch's requests from being put to being answered.
 *
 * Invariants:
 *  1. Nothing is printed before all is measured, since that would wake dom0.
 *  2. The payload is checked: the first word of each page is the request's tag.
 *  3. Slot i of the ring uses the grants FIRST_REF + 16 i to + 15 and the pages of the same numbers.
 */
#include <xen/grant_table.h>
#include <xen/io/ring.h>
#include <xen/sched.h>

#include "runtime.h"

#define SLOTS		256
#define MOST_PAGES	16
#define DATA_PAGES	(SLOTS * MOST_PAGES)
#define RING_REF	8
#define FIRST_REF	16
#define GRANT_FRAMES	((FIRST_REF + DATA_PAGES + 511) / 512)
#define MOST_ROUNDS	15

/* Where things are that the builder did not map; all of it has tables after map_ensure(). */
#define TABLE_AT	0x0000100000000000UL	/* the grant table */
#define DATA_AT		0x0000100040000000UL	/* own pages, DATA_PAGES */
#define FOREIGN_AT	0x0000100080000000UL	/* the other's pages, while a request is served */
#define KEPT_AT		0x00001000c0000000UL	/* the other's pages, mapped for good */

enum way { EMPTY, MAP, COPY, PERSISTENT, END };

struct request {
	uint8_t id;
	uint8_t way;
	uint8_t pages;
	uint8_t told;		/* tell of each response alone */
	uint32_t first_ref;
	uint32_t tag;
};
struct response {
	uint8_t id;
	uint8_t bad;
	uint16_t pad;
	uint32_t zero;
	uint32_t tag;
};
union slot {
	struct request request;
	struct response response;
};
_Static_assert(sizeof(union slot) * SLOTS + sizeof(struct xen_ring_head) + sizeof(evtchn_port_t) <= PAGE_SIZE,
	       "ring and port are one page");

/* The page: ring, and behind it the port that the backend binds. */
static struct xen_ring_head *ring;
static evtchn_port_t *shared_port;
static evtchn_port_t port;
static domid_t peer;

/* Marks for the plugin count.c; to a CPU they are no-ops. */
#define MARK(n) __asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long 0x58454e00 + " #n : : : "memory")

static unsigned int number(const char *key)
{
	const char *text = cmdline_value(key);
	unsigned int n = 0;

	if (!text)
		panic("the command line has no %s", key);
	for (; *text >= '0' && *text <= '9'; text++)
		n = n * 10 + (unsigned int)(*text - '0');
	return n;
}

static bool says(const char *key, const char *value)
{
	const char *text = cmdline_value(key);

	return text && !strcmp(text, value);
}

static union slot *slot_of(RING_IDX index)
{
	return xen_ring_slot(ring, SLOTS, sizeof(union slot), index);
}

static void tell(void)
{
	if (event_send(port))
		panic("the event can't be sent");
}

static void on_event(evtchn_port_t which)
{
	(void)which;
}

/* Sleeps until an event comes, or returns at once if one has come since events were disabled. Disables them again. */
static void sleep(void)
{
	hypercall2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
	events_disable();
}

static void map_ensure(uint64_t address, unsigned int pages)
{
	for (unsigned int i = 0; i < pages; i += 512)
		pt_ensure(kernel_l4_mfn(), address + i * PAGE_SIZE);
	pt_ensure(kernel_l4_mfn(), address + (pages - 1) * PAGE_SIZE);
}

/* Maps the frames that the builder left unmapped, behind its chunk, at DATA_AT. */
static void data_init(void)
{
	uint64_t chunk = (uint64_t)(uintptr_t)image_end, value, pfn;

	map_ensure(DATA_AT, DATA_PAGES);
	chunk = (chunk + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
	while (pt_entry(kernel_l4_mfn(), chunk, 1, &value) && value & PTE_P)
		chunk += PAGE_SIZE;
	pfn = (chunk - RUNTIME_VIRT_BASE) >> PAGE_SHIFT;
	if (pfn + DATA_PAGES > start_info->nr_pages)
		panic("%lu pages are too few", (unsigned long)start_info->nr_pages);
	for (unsigned int i = 0; i < DATA_PAGES; i++) {
		if (map_pte((void *)(DATA_AT + i * PAGE_SIZE), mfn_pte(pfn_to_mfn(pfn + i), PTE_RWDATA)))
			panic("page %u can't be mapped", i);
	}
}

static uint64_t data_mfn(unsigned int page)
{
	static uint64_t first;

	if (!first) {
		uint64_t value;

		pt_entry(kernel_l4_mfn(), DATA_AT, 1, &value);
		while (pfn_to_mfn(first) != (value & PTE_ADDR) >> PAGE_SHIFT)
			first++;
	}
	return pfn_to_mfn(first + page);
}

static uint64_t *data_page(unsigned int page)
{
	return (uint64_t *)(DATA_AT + page * PAGE_SIZE);
}

/* Yields until both are alive: only before anything is measured. */
static void yield(void)
{
	hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

/* ---- the frontend ---- */

static struct grant_entry_v1 *grants = (struct grant_entry_v1 *)TABLE_AT;
static uint32_t frames[DATA_PAGES];
static RING_IDX req_prod, rsp_cons;
static uint64_t put_sum, seen_sum;

static void table_init(void)
{
	static xen_pfn_t list[GRANT_FRAMES];
	struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = GRANT_FRAMES,
					    .frame_list = HYPERCALL_ARG(list) };

	map_ensure(TABLE_AT, GRANT_FRAMES);
	if (hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &setup, 1) || setup.status)
		panic("no grant table of %u frames: %d", GRANT_FRAMES, setup.status);
	for (unsigned int i = 0; i < GRANT_FRAMES; i++) {
		if (map_pte((void *)(TABLE_AT + i * PAGE_SIZE), mfn_pte(list[i], PTE_RWDATA)))
			panic("grant frame %u can't be mapped", i);
	}
}

static void grant(uint32_t ref, uint32_t frame)
{
	grants[ref].domid = peer;
	grants[ref].frame = frame;
	__atomic_store_n(&grants[ref].flags, (uint16_t)GTF_permit_access, __ATOMIC_RELEASE);
}

static void revoke(uint32_t ref)
{
	uint16_t flags = GTF_permit_access;

	if (!__atomic_compare_exchange_n(&grants[ref].flags, &flags, (uint16_t)0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		panic("grant %u is in use (flags %x) though its request is answered", ref, flags);
}

static void copy_page(void *to, const void *from)
{
	uint64_t words = PAGE_SIZE / 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

/* Puts one request; the caller publishes it. */
static void put(enum way way, unsigned int pages, bool told)
{
	const unsigned int id = req_prod & (SLOTS - 1);
	const unsigned int first = id * MOST_PAGES;

	put_sum += rdtsc();
	for (unsigned int i = 0; i < pages; i++) {
		if (way == PERSISTENT)
			copy_page(data_page(first + i), data_page(i));
		else
			grant(FIRST_REF + first + i, frames[first + i]);
		*data_page(first + i) = req_prod;
	}
	slot_of(req_prod)->request = (struct request){ (uint8_t)id, (uint8_t)way, (uint8_t)pages, told, FIRST_REF + first,
						       req_prod };
	req_prod++;
}

static void take(enum way way, unsigned int pages)
{
	const struct response response = slot_of(rsp_cons)->response;

	if (response.bad || response.tag != rsp_cons || response.id != (rsp_cons & (SLOTS - 1)))
		panic("response %u is of %u, bad %u", rsp_cons, response.tag, response.bad);
	if (way != PERSISTENT)
		for (unsigned int i = 0; i < pages; i++)
			revoke(FIRST_REF + response.id * MOST_PAGES + i);
	rsp_cons++;
	seen_sum += rdtsc();
}

/* One batch there and back. */
static void one_round(enum way way, unsigned int pages, unsigned int batch, bool told)
{
	const RING_IDX old = req_prod, end = req_prod + batch;

	XEN_RING_WRITE(ring->rsp_event, told ? rsp_cons + 1 : end);
	while (req_prod != end) {
		put(way, pages, told);
		if (told && (xen_ring_publish(&ring->req_prod, &ring->req_event, req_prod - 1, req_prod) || true))
			tell();
	}
	if (!told && xen_ring_publish(&ring->req_prod, &ring->req_event, old, end))
		tell();
	while (rsp_cons != end) {
		while (XEN_RING_READ(ring->rsp_prod) == rsp_cons)
			sleep();
		xen_ring_rmb();
		while (rsp_cons != XEN_RING_READ(ring->rsp_prod))
			take(way, pages);
	}
}

struct result {
	uint8_t way, pages, told;
	uint16_t batch;
	uint64_t ticks, latency;
};

static uint64_t median(uint64_t *values, unsigned int count)
{
	for (unsigned int i = 1; i < count; i++)
		for (unsigned int j = i; j && values[j] < values[j - 1]; j--) {
			uint64_t other = values[j];

			values[j] = values[j - 1];
			values[j - 1] = other;
		}
	return values[count / 2];
}

static struct result measure(enum way way, unsigned int pages, unsigned int batch, bool told, unsigned int rounds)
{
	static uint64_t ticks[MOST_ROUNDS], latencies[MOST_ROUNDS];

	one_round(way, pages, batch, told);
	for (unsigned int i = 0; i < rounds; i++) {
		uint64_t start;

		put_sum = seen_sum = 0;
		MARK(0);
		start = rdtsc();
		one_round(way, pages, batch, told);
		ticks[i] = rdtsc() - start;
		MARK(1);
		latencies[i] = (seen_sum - put_sum) / batch;
	}
	MARK(2);
	return (struct result){ (uint8_t)way, (uint8_t)pages, told, (uint16_t)batch, median(ticks, rounds),
				median(latencies, rounds) };
}

/* The granter's side of "persistent": all pages stay granted. The backend maps them at the first such request. */
static void grant_all(void)
{
	for (unsigned int i = 0; i < DATA_PAGES; i++)
		grant(FIRST_REF + i, frames[i]);
}

static void run_cases(bool is_short)
{
	static const unsigned int sizes[] = { 1, MOST_PAGES };
	static const char *const names[] = { "empty", "map", "copy", "persistent" };
	static struct result results[200];
	unsigned int count = 0;

	for (enum way way = EMPTY; way <= PERSISTENT; way++) {
		if (way == PERSISTENT)
			grant_all();
		for (unsigned int s = 0; s < (way == EMPTY ? 1 : ARRAY_SIZE(sizes)); s++)
			for (unsigned int told = 0; told < 2; told++)
				for (unsigned int batch = 1; batch <= SLOTS; batch *= is_short ? 16 : 2)
					results[count++] = measure(way, way == EMPTY ? 0 : sizes[s], batch, told,
								   is_short && batch > 1 ? 5 : MOST_ROUNDS);
	}
	put(END, 0, true);
	xen_ring_publish(&ring->req_prod, &ring->req_event, req_prod - 1, req_prod);
	tell();
	for (unsigned int i = 0; i < count; i++) {
		const struct result *r = &results[i];

		printf("RING %s %lu %u %s %lu %lu\n", names[r->way], r->pages * PAGE_SIZE, r->batch, r->told ? "told" : "held",
		       (unsigned long)r->ticks, (unsigned long)r->latency);
	}
}

static void front(bool is_short)
{
	void *page = page_alloc();

	ring = page;
	ring->req_event = ring->rsp_event = 1;
	shared_port = (evtchn_port_t *)((char *)page + PAGE_SIZE) - 1;
	table_init();
	for (unsigned int i = 0; i < DATA_PAGES; i++)
		frames[i] = (uint32_t)data_mfn(i);
	port = event_alloc_unbound(peer);
	event_set_handler(port, on_event);
	event_unmask_port(port);
	*shared_port = port;
	grant(RING_REF, (uint32_t)virt_to_mfn(page));
	/* The backend's first event says that it has bound the port. */
	sleep();
	run_cases(is_short);
	printf("RING end\n");
}

/* ---- the backend ---- */

static struct gnttab_map_grant_ref maps[DATA_PAGES];
static struct gnttab_unmap_grant_ref unmaps[DATA_PAGES];
static struct gnttab_copy copies[DATA_PAGES];
static bool kept;

static void grant_op(unsigned int command, void *ops, unsigned int count)
{
	long result = hypercall3(__HYPERVISOR_grant_table_op, command, ops, count);

	if (result)
		panic("grant_table_op %u of %u: %ld", command, count, result);
}

static struct gnttab_map_grant_ref map_op(uint64_t address, uint32_t ref)
{
	return (struct gnttab_map_grant_ref){ .host_addr = address, .flags = GNTMAP_host_map, .ref = ref, .dom = peer };
}

static void keep_all(void)
{
	map_ensure(KEPT_AT, DATA_PAGES);
	for (unsigned int i = 0; i < DATA_PAGES; i++)
		maps[i] = map_op(KEPT_AT + i * PAGE_SIZE, FIRST_REF + i);
	grant_op(GNTTABOP_map_grant_ref, maps, DATA_PAGES);
	for (unsigned int i = 0; i < DATA_PAGES; i++)
		if (maps[i].status)
			panic("page %u can't be mapped for good: %d", i, maps[i].status);
	kept = true;
}

/* Brings the payload of a group of requests to where it can be looked at, all by one hypercall. */
static unsigned int fetch(const struct request *requests, unsigned int count)
{
	unsigned int n = 0;

	for (unsigned int r = 0; r < count; r++) {
		const struct request *q = &requests[r];

		if (q->way == PERSISTENT && !kept)
			keep_all();
		for (unsigned int i = 0; q->way != PERSISTENT && i < q->pages; i++, n++) {
			const unsigned int page = q->first_ref - FIRST_REF + i;

			if (q->way == MAP)
				maps[n] = map_op(FOREIGN_AT + page * PAGE_SIZE, q->first_ref + i);
			else
				copies[n] = (struct gnttab_copy){ .source = { { .ref = q->first_ref + i }, peer, 0 },
								  .dest = { { .gmfn = frames[page] }, DOMID_SELF, 0 },
								  .len = PAGE_SIZE, .flags = GNTCOPY_source_gref };
		}
	}
	if (n && requests[0].way == MAP)
		grant_op(GNTTABOP_map_grant_ref, maps, n);
	else if (n)
		grant_op(GNTTABOP_copy, copies, n);
	return n;
}

/* Whether each page of a request has its tag; `n` is where its operations are, and goes on. */
static bool payload_is_good(const struct request *q, unsigned int *n)
{
	uint64_t base = q->way == MAP ? FOREIGN_AT : q->way == COPY ? DATA_AT : KEPT_AT;
	bool good = true;

	for (unsigned int i = 0; i < q->pages; i++) {
		if (q->way == MAP) {
			good &= !maps[*n].status;
			unmaps[*n] = (struct gnttab_unmap_grant_ref){ .host_addr = maps[*n].host_addr,
								      .handle = maps[*n].handle };
			(*n)++;
		} else if (q->way == COPY) {
			good &= !copies[(*n)++].status;
		}
		good = good && *(volatile uint64_t *)(base + (q->first_ref - FIRST_REF + i) * PAGE_SIZE) == q->tag;
	}
	return good;
}

static void answer(const struct request *requests, const bool *good, unsigned int count, RING_IDX *rsp_prod)
{
	const RING_IDX old = *rsp_prod;
	const bool told = requests[0].told;

	for (unsigned int r = 0; r < count; r++) {
		slot_of(*rsp_prod)->response = (struct response){ .id = requests[r].id, .bad = !good[r], .tag = requests[r].tag };
		++*rsp_prod;
		if (told) {
			xen_ring_publish(&ring->rsp_prod, &ring->rsp_event, *rsp_prod - 1, *rsp_prod);
			tell();
		}
	}
	if (!told && xen_ring_publish(&ring->rsp_prod, &ring->rsp_event, old, *rsp_prod))
		tell();
}

/* Serves what is on the ring up to `prod`. Returns false at the request to end. */
static bool serve(RING_IDX *req_cons, RING_IDX prod, RING_IDX *rsp_prod)
{
	static struct request requests[SLOTS];
	static bool good[SLOTS];
	unsigned int count = 0, n = 0, fetched;

	for (; *req_cons != prod; ++*req_cons)
		requests[count++] = slot_of(*req_cons)->request;
	if (requests[0].way == END)
		return false;
	fetched = fetch(requests, count);
	for (unsigned int r = 0; r < count; r++)
		good[r] = payload_is_good(&requests[r], &n);
	if (fetched && requests[0].way == MAP)
		grant_op(GNTTABOP_unmap_grant_ref, unmaps, fetched);
	answer(requests, good, count, rsp_prod);
	return true;
}

static void attach(void)
{
	void *page = page_alloc();
	struct gnttab_map_grant_ref map = map_op((uint64_t)page, RING_REF);
	struct evtchn_bind_interdomain bind = { .remote_dom = peer };
	long result;

	/* A grant is mapped where nothing is. */
	if (map_pte(page, 0))
		panic("the ring has no place");
	for (;;) {
		map = map_op((uint64_t)page, RING_REF);
		grant_op(GNTTABOP_map_grant_ref, &map, 1);
		if (!map.status)
			break;
		yield();
	}
	ring = page;
	shared_port = (evtchn_port_t *)((char *)page + PAGE_SIZE) - 1;
	bind.remote_port = *shared_port;
	result = hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &bind);
	if (result)
		panic("port %u of domain %u can't be bound: %ld", bind.remote_port, peer, result);
	port = bind.local_port;
	event_set_handler(port, on_event);
	event_unmask_port(port);
}

static void back(void)
{
	RING_IDX req_cons = 0, rsp_prod = 0, prod;

	map_ensure(FOREIGN_AT, DATA_PAGES);
	for (unsigned int i = 0; i < DATA_PAGES; i++)
		frames[i] = (uint32_t)data_mfn(i);
	attach();
	tell();
	for (;;) {
		prod = xen_ring_final_check(&ring->req_prod, &ring->req_event, req_cons);
		if (prod == req_cons)
			sleep();
		else if (!serve(&req_cons, prod, &rsp_prod))
			break;
	}
}

void guest_main(void)
{
	const bool is_front = says("role=", "front"), is_short = says("plan=", "short");

	peer = (domid_t)number("peer=");
	data_init();
	if (is_front)
		front(is_short);
	else
		back();
}
