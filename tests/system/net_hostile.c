// SPDX-License-Identifier: MIT
/*
 * A frontend of a network card in user space that breaks the rules, in a Linux guest without xen-netfront:
 *
 *	net_hostile DEVID WHAT
 *
 * Its rings are pages that gntalloc grants, its event channel one of /dev/xen/evtchn, for both directions. WHAT is done
 * once the backend is connected; then the device is closed in order, and one line tells: "HOSTILE what: ..."
 *
 *	good		sends a frame and gets one (dom0 must be sending broadcasts): both must be whole
 *	garbage		two thousand requests of random bytes: each is answered once
 *	grants		packets and pages by grants that are absent, read-only, the console's, beyond the table
 *	change		requests that change while they are looked at: each is answered once, or the backend closes
 *	flood N		garbage for N seconds, the ring always full
 *	jump, back	the request index far ahead, or behind: the backend closes the device
 *	open, extras	a packet without an end, extra slots without an end: likewise
 *	nodes		nodes that make no sense, instead of connecting
 */
#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <xen/io/netif.h>
#include "hostile.h"

#define SLOTS	256u
#define TX_BYTES sizeof(struct netif_tx_request)
#define RX_BYTES sizeof(struct netif_rx_request)

static struct xen_ring_end tx, rx;
static uint8_t *sent, *page[2];
static uint32_t tx_ref, rx_ref, sent_ref, readonly_ref, page_ref[2], port;
static int events;
static uint8_t pending[65536];	/* requests without an answer, by id */
static uint64_t answers[3];	/* okay, error, dropped */

static void connect_device(void)
{
	uint32_t remote = 0;
	int bound;

	events = open("/dev/xen/evtchn", O_RDWR | O_NONBLOCK);
	bound = events < 0 ? -1 : ioctl(events, _IOC(_IOC_NONE, 'E', 2, 4), &remote);
	if (bound < 0)
		fail("evtchn: %s", strerror(errno));
	port = bound;
	xen_ring_front_init(&tx, grant_page(&tx_ref, true), 4096, TX_BYTES);
	xen_ring_front_init(&rx, grant_page(&rx_ref, true), 4096, RX_BYTES);
	sent = grant_page(&sent_ref, true);
	grant_page(&readonly_ref, false);
	for (int i = 0; i < 2; i++)
		page[i] = grant_page(&page_ref[i], true);
	wait_backend(2, 2);
	set("tx-ring-ref", tx_ref);
	set("rx-ring-ref", rx_ref);
	set("event-channel", port);
	set("request-rx-copy", 1);
	set("feature-rx-notify", 1);
	set("feature-sg", 1);
	set("state", 4);
	wait_backend(4, 4);
}

static void close_device(void)
{
	set("state", 5);
	set("state", 6);
	wait_backend(6, 6);
	/* For the next. */
	set("state", 1);
}

static void notify(void)
{
	ioctl(events, _IOC(_IOC_NONE, 'E', 4, 4), &port);
}

static void push_tx(void)
{
	if (xen_ring_front_push(&tx))
		notify();
}

static void take_answers(void)
{
	struct netif_tx_response answer;

	while (xen_ring_front_waiting(&tx) > 0) {
		xen_ring_get(&tx, &answer, sizeof(answer));
		if (answer.status == NETIF_RSP_NULL)
			continue;
		if (!pending[answer.id]--)
			fail("request %u was answered twice", answer.id);
		answers[answer.status < -2 || answer.status > 0 ? 2 : -answer.status]++;
	}
	if (xen_ring_front_waiting(&tx) < 0)
		fail("more answers than requests");
}

/* Until something has come, or a minute is over: false. */
static bool wait_event(void)
{
	struct pollfd p = { .fd = events, .events = POLLIN };
	uint32_t ports[4];

	if (poll(&p, 1, 60000) <= 0)
		return false;
	return read(events, ports, sizeof(ports)) <= 0 || write(events, ports, 4) == 4;
}

static void wait_answers(void)
{
	if (xen_ring_front_sleep(&tx, 1) == 0 && !wait_event())
		fail("no answer for a minute; %u are missing", tx.mine - tx.cons);
	take_answers();
}

static void put(const struct netif_tx_request *r)
{
	while (!xen_ring_front_free(&tx)) {
		push_tx();
		wait_answers();
	}
	pending[r->id]++;
	xen_ring_put(&tx, r, sizeof(*r));
}

static void finish(void)
{
	push_tx();
	while (tx.cons != tx.mine)
		wait_answers();
	for (unsigned int i = 0; i < sizeof(pending); i++)
		if (pending[i])
			fail("request %u was not answered", i);
}

/* A broadcast of a kind that nobody knows. */
static void make_frame(void)
{
	memset(sent, 255, 6);
	memset(sent + 6, 2, 6);
	sent[12] = 0x88;
	sent[13] = 0xb5;
}

static void offer(uint16_t id, uint32_t ref)
{
	struct netif_rx_request r = { .id = id, .gref = ref };

	xen_ring_put(&rx, &r, sizeof(r));
	if (xen_ring_front_push(&rx))
		notify();
}

/* The next page that comes back. */
static struct netif_rx_response take_page(void)
{
	struct netif_rx_response answer;

	while (xen_ring_front_sleep(&rx, 1) == 0)
		if (!wait_event())
			fail("no packet comes");
	xen_ring_get(&rx, &answer, sizeof(answer));
	return answer;
}

static void good(void)
{
	struct netif_tx_request r = { .gref = sent_ref, .size = 60, .id = 1 };
	struct netif_rx_response got;

	make_frame();
	put(&r);
	finish();
	if (answers[0] != 1)
		fail("a good packet was refused");
	offer(7, page_ref[0]);
	got = take_page();
	if (got.id != 7 || got.status < 14 || got.offset || (page[0][12] != 8 && page[0][12] != 0x86))
		fail("page %u came back with status %d", got.id, got.status);
	printf("HOSTILE good: sends and receives\n");
}

/* Requests that can be parsed as packets, for what can't be ends the device. */
static void garbage(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct netif_tx_request r = { .gref = any(), .offset = any(), .flags = any() & 3, .id = any() % 256, .size = any() };

		if (i % 2) {
			r.gref = any() % 4 ? sent_ref : any() % 5000;
			r.offset %= 5000;
			r.size %= 5000;
		}
		for (unsigned int k = 14; k < 80 && i % 3; k++)
			sent[k] = any();
		sent[12] = any() % 3 ? 8 : 0x86;
		sent[13] = sent[12] == 8 ? 0 : 0xdd;
		put(&r);
	}
}

static void grants(void)
{
	const uint32_t refs[] = { 0, 1, 2, 60000, 200000, UINT32_MAX };
	unsigned int count = sizeof(refs) / sizeof(refs[0]);
	struct netif_tx_request r = { .gref = readonly_ref, .size = 100 };

	for (unsigned int i = 0; i < count; i++) {
		struct netif_tx_request bad = { .gref = refs[i], .size = 100, .id = i + 1 };

		/* Two of these are granted to dom0: the console's page and the store's. */
		put(&bad);
	}
	put(&r);
	finish();
	if (answers[1] < count - 2 || !answers[0])
		fail("%llu of %u were refused", (unsigned long long)answers[1], count + 1);
	for (unsigned int i = 2; i < count; i++) {
		struct netif_rx_response got;

		offer(i, refs[i]);
		got = take_page();
		if (got.id != i || got.status >= 0)
			fail("page %u by reference %u came back with status %d", got.id, refs[i], got.status);
	}
	offer(1, readonly_ref);
	if (take_page().status >= 0)
		fail("a page that is read-only was written");
	printf("HOSTILE grants: refused\n");
}

static volatile bool changing = true;

static void *change(void *arg)
{
	volatile uint64_t *words = (volatile uint64_t *)(tx.head + 1);
	uint64_t x = 1;

	while (changing) {
		x = x * 6364136223846793005ull + 1;
		/* References, offsets and ids. */
		words[x >> 40 & 0xff] ^= (x & 0x3fff) << 32;
	}
	return arg;
}

static void requests_that_change(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, change, NULL);
	for (int i = 0; i < 20 && backend_state() == 4; i++) {
		uint32_t was = tx.mine;
		struct pollfd p = { .fd = events, .events = POLLIN };
		uint32_t ports[4];

		for (unsigned int k = 0; k < SLOTS; k++) {
			struct netif_tx_request r = { .gref = sent_ref, .size = 100, .id = k };

			xen_ring_put(&tx, &r, sizeof(r));
		}
		push_tx();
		while (tx.cons - was < SLOTS && backend_state() == 4) {
			int waiting = xen_ring_front_sleep(&tx, 1);

			if (waiting < 0)
				fail("more answers than requests");
			tx.cons += waiting;
			if (!waiting && poll(&p, 1, 100) > 0 && read(events, ports, sizeof(ports)) > 0 &&
			    write(events, ports, 4) < 0)
				fail("evtchn: %s", strerror(errno));
		}
	}
	changing = false;
	pthread_join(thread, NULL);
	printf("HOSTILE change: survived\n");
}

static void flood(int seconds)
{
	time_t end = time(NULL) + seconds;
	uint64_t count = 0;

	for (; time(NULL) < end; count += 1000)
		garbage(1000);
	finish();
	printf("HOSTILE flood: %llu requests\n", (unsigned long long)count);
}

static void index_lies(int by)
{
	*(volatile uint32_t *)&tx.head->req_prod += by;
	notify();
	wait_backend(5, 6);
	printf("HOSTILE index: the backend closes\n");
}

static void without_an_end(bool extras)
{
	struct netif_tx_request r = { .gref = sent_ref, .size = 100, .flags = extras ? NETTXF_extra_info : NETTXF_more_data };
	struct netif_extra_info extra = { .type = XEN_NETIF_EXTRA_TYPE_HASH, .flags = XEN_NETIF_EXTRA_FLAG_MORE };
	uint8_t slot[TX_BYTES] = { 0 };

	put(&r);
	memcpy(slot, &extra, sizeof(extra));
	while (extras && xen_ring_front_free(&tx))
		xen_ring_put(&tx, slot, sizeof(slot));
	push_tx();
	wait_backend(5, 6);
	printf("HOSTILE no end: the backend closes\n");
}

static void nodes(void)
{
	wait_backend(2, 2);
	set("tx-ring-ref", 4000000000ul);
	set("rx-ring-ref", 4000000000ul);
	set("event-channel", 4000000000ul);
	set("multi-queue-num-queues", 1);
	set("request-rx-copy", 1);
	set("feature-rx-notify", 1);
	set("state", 4);
	wait_backend(5, 6);
	printf("HOSTILE nodes: the backend closes\n");
}

static bool ends_the_device(const char *what)
{
	if (!strcmp(what, "jump"))
		index_lies(100000);
	else if (!strcmp(what, "back"))
		index_lies(-1);
	else if (!strcmp(what, "open"))
		without_an_end(false);
	else if (!strcmp(what, "extras"))
		without_an_end(true);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	char path[96];

	setvbuf(stdout, NULL, _IOLBF, 0);
	xs = xs_open(0);
	if (!xs)
		fail("xenstore: %s", strerror(errno));
	snprintf(front, sizeof(front), "device/vif/%s", argc > 1 ? argv[1] : "");
	snprintf(path, sizeof(path), "%s/backend", front);
	back = xs_read(xs, 0, path, NULL);
	if (!back)
		fail("no device %s", front);
	if (!strcmp(what, "nodes")) {
		nodes();
		return 0;
	}
	connect_device();
	if (ends_the_device(what))
		return 0;
	if (!strcmp(what, "good")) {
		good();
	} else if (!strcmp(what, "garbage")) {
		garbage(2000);
		finish();
		printf("HOSTILE garbage: all answered\n");
	} else if (!strcmp(what, "grants")) {
		grants();
	} else if (!strcmp(what, "change")) {
		requests_that_change();
	} else if (!strcmp(what, "flood")) {
		flood(argc > 3 ? atoi(argv[3]) : 3);
	} else {
		fail("what is \"%s\"?", what);
	}
	close_device();
	return 0;
}
