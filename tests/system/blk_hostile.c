// SPDX-License-Identifier: MIT
/*
 * A frontend of disks in user space that breaks the rules, in a Linux guest without blkfront: blk_hostile DEVID WHAT
 *
 * Its ring is a page that gntalloc grants, its event channel one of /dev/xen/evtchn. WHAT is done once the backend is
 * connected; then the device is closed in order, and one line tells: "HOSTILE what: ..."
 *
 *	good		reads the first sector: it must work
 *	garbage		two thousand requests of random bytes: each is answered once
 *	grants		requests that name grants that are absent, the guest's console's, read-only, beyond the table
 *	ranges		sectors and sizes beyond every end
 *	jump		the request index far ahead: the backend closes the device
 *	back		the request index behind: likewise
 *	flood N		garbage for N seconds, the ring always full
 *	nodes		nodes that make no sense, instead of connecting
 */
#include <poll.h>
#include <time.h>
#include <xen/io/blkif.h>
#include "hostile.h"

#define SLOTS 32u

static struct xen_ring_end ring;
static uint8_t *data;
static uint32_t ring_ref, data_ref, readonly_ref, port;
static int events;
static uint8_t answered[65536];

static void connect_device(void)
{
	uint32_t remote = 0;
	int bound;

	events = open("/dev/xen/evtchn", O_RDWR | O_NONBLOCK);
	bound = events < 0 ? -1 : ioctl(events, _IOC(_IOC_NONE, 'E', 2, 4), &remote);
	if (bound < 0)
		fail("evtchn: %s", strerror(errno));
	port = bound;
	xen_ring_front_init(&ring, grant_page(&ring_ref, true), 4096, BLKIF_SLOT_BYTES);
	data = grant_page(&data_ref, true);
	grant_page(&readonly_ref, false);
	wait_backend(2, 2);
	set("ring-ref", ring_ref);
	set("event-channel", port);
	set("feature-persistent", 0);
	set("state", 3);
	wait_backend(4, 4);
	set("state", 4);
}

static void close_device(void)
{
	set("state", 5);
	set("state", 6);
	wait_backend(6, 6);
	/* For the next. */
	set("state", 1);
}

static void take_answers(void)
{
	struct blkif_response rsp;

	while (xen_ring_front_waiting(&ring) > 0) {
		xen_ring_get(&ring, &rsp, sizeof(rsp));
		if (rsp.id < sizeof(answered) && answered[rsp.id]++)
			fail("request %llu was answered twice", (unsigned long long)rsp.id);
	}
	if (xen_ring_front_waiting(&ring) < 0)
		fail("more answers than requests");
}

static void push(void)
{
	if (xen_ring_front_push(&ring))
		ioctl(events, _IOC(_IOC_NONE, 'E', 4, 4), &port);
}

static void wait_answers(void)
{
	struct pollfd p = { .fd = events, .events = POLLIN };
	uint32_t ports[4];

	if (xen_ring_front_sleep(&ring, 1) == 0 && poll(&p, 1, 60000) == 0)
		fail("no answer for a minute; %u are missing", ring.mine - ring.cons);
	if (read(events, ports, sizeof(ports)) > 0 && write(events, ports, 4) < 0)
		fail("evtchn: %s", strerror(errno));
	take_answers();
}

static void put(struct blkif_request *r)
{
	while (!xen_ring_front_free(&ring)) {
		push();
		wait_answers();
	}
	xen_ring_put(&ring, r, sizeof(*r));
}

static void finish(uint64_t count)
{
	push();
	while (ring.cons != ring.mine)
		wait_answers();
	for (uint64_t i = 0; i < count; i++)
		if (!answered[i])
			fail("request %llu was not answered", (unsigned long long)i);
}

static struct blkif_request request(uint64_t id, uint32_t ref)
{
	struct blkif_request r = { .operation = BLKIF_OP_READ, .nr_segments = 1, .id = id };

	r.seg[0] = (struct blkif_request_segment){ .gref = ref, .last_sect = 7 };
	return r;
}

static void good(void)
{
	struct blkif_request r = request(0, data_ref);

	put(&r);
	finish(1);
	printf("HOSTILE good: reads \"%.11s\"\n", data);
}

static uint64_t garbage(uint64_t from, uint64_t count)
{
	struct blkif_request r;

	for (uint64_t i = from; i < from + count; i++) {
		for (unsigned int w = 0; w < sizeof(r) / 8; w++)
			((uint64_t *)&r)[w] = any();
		/* Nearly right is what gets far. */
		if (i % 2) {
			r.operation = any() % 8;
			r.nr_segments = any() % 13;
			r.sector_number %= 10000;
			for (unsigned int s = 0; s < 11; s++)
				r.seg[s] = (struct blkif_request_segment){ any() % 4 ? data_ref : any() % 5000, any() % 9,
									   any() % 9 };
		}
		r.id = i;
		if (r.operation == BLKIF_OP_INDIRECT) {
			struct blkif_request_indirect *in = (void *)&r;

			in->id = i;
			in->indirect_op = any() % 3;
			in->nr_segments = any() % 300;
			in->sector_number = any() % 10000;
			for (unsigned int k = 0; k < 8; k++)
				in->indirect_grefs[k] = any() % 4 ? data_ref : any() % 5000;
		}
		put(&r);
	}
	return count;
}

static void grants(void)
{
	const uint32_t refs[] = { 0, 1, 2, 8, 60000, 200000, UINT32_MAX, readonly_ref, ring_ref };
	unsigned int count = 0;

	for (unsigned int i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		struct blkif_request r = request(count++, refs[i]);

		/* These are granted, and a read would go into the rings of our console, of the store, and our own. */
		if (refs[i] < 2 || refs[i] == ring_ref) {
			r.operation = BLKIF_OP_WRITE;
			r.sector_number = 64;
		}
		put(&r);
	}
	finish(count);
	printf("HOSTILE grants: %u answers\n", count);
}

static void ranges(void)
{
	const uint64_t sectors[] = { 8191, 8192, 1ull << 32, 1ull << 63, UINT64_MAX, UINT64_MAX - 7 };
	unsigned int count = 0;

	for (unsigned int i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++)
		for (unsigned int op = 0; op < 7; op++) {
			struct blkif_request r = request(count, data_ref);

			r.operation = op;
			r.sector_number = sectors[i];
			if (op == BLKIF_OP_DISCARD)
				((struct blkif_request_discard *)&r)->nr_sectors = UINT64_MAX - i;
			if (op == BLKIF_OP_INDIRECT)
				((struct blkif_request_indirect *)&r)->id = count;
			count++;
			put(&r);
		}
	finish(count);
	printf("HOSTILE ranges: %u answers\n", count);
}

static void index_lies(int by)
{
	uint32_t *prod = &ring.head->req_prod;

	*(volatile uint32_t *)prod += by;
	ioctl(events, _IOC(_IOC_NONE, 'E', 4, 4), &port);
	wait_backend(5, 6);
	printf("HOSTILE index: the backend closes\n");
}

static void flood(int seconds)
{
	time_t end = time(NULL) + seconds;
	uint64_t count = 0, from = 0;

	/* Answers of the last thousand may still come: the next one has other numbers. */
	while (time(NULL) < end) {
		memset(answered + from, 0, 1000);
		count += garbage(from, 1000);
		from = from ? 0 : 1000;
	}
	finish(0);
	printf("HOSTILE flood: %llu requests\n", (unsigned long long)count);
}

static void nodes(void)
{
	wait_backend(2, 2);
	set("ring-page-order", 77);
	set("multi-queue-num-queues", 4000000000ul);
	set("event-channel", 4000000000ul);
	set("ring-ref", 4000000000ul);
	set("state", 3);
	wait_backend(5, 6);
	printf("HOSTILE nodes: the backend closes\n");
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	char path[96];

	setvbuf(stdout, NULL, _IOLBF, 0);
	xs = xs_open(0);
	if (!xs)
		fail("xenstore: %s", strerror(errno));
	snprintf(front, sizeof(front), "device/vbd/%s", argc > 1 ? argv[1] : "");
	snprintf(path, sizeof(path), "%s/backend", front);
	back = xs_read(xs, 0, path, NULL);
	if (!back)
		fail("no device %s", front);
	if (!strcmp(what, "nodes")) {
		nodes();
		return 0;
	}
	connect_device();
	if (!strcmp(what, "good")) {
		good();
	} else if (!strcmp(what, "garbage")) {
		finish(garbage(0, 2000));
		printf("HOSTILE garbage: 2000 answers\n");
	} else if (!strcmp(what, "grants")) {
		grants();
	} else if (!strcmp(what, "ranges")) {
		ranges();
	} else if (!strcmp(what, "jump")) {
		index_lies(100000);
		return 0;
	} else if (!strcmp(what, "back")) {
		good();
		memset(answered, 0, sizeof(answered));
		index_lies(-1);
		return 0;
	} else if (!strcmp(what, "flood")) {
		flood(argc > 3 ? atoi(argv[3]) : 5);
	} else {
		fail("what is \"%s\"?", what);
	}
	close_device();
	return 0;
}
