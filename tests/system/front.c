// SPDX-License-Identifier: MIT
/*
 * A guest that tries the frontends (frontend-drivers/) against whatever backends it was given, and says on its console
 * what came of it: lines that begin with FRONT. tests/system/test_frontends.py starts it by xl.
 *
 * Words of its command line:
 *	disk=MIB	writes that much of xvda with several requests at once, flushes, reads it back, compares
 *	queues= order= segments= depth=		limits of the disk's frontend; requests at once on each vcpu
 *	endless=1	goes on with that until dom0 types something
 *	net=PACKETS	sends so many from one of its two interfaces to the other, both ways, compares
 *	large=1		TCP packets of 60 KB, too, cut by whoever must
 *	balloon=1	follows memory/target
 *
 * Each vcpu works on a part of the disk of its own, by the queue of its number. vcpu 0 also serves the store.
 */
#include <xen/sched.h>

#include "balloon.h"
#include "blkfront.h"
#include "netfront.h"
#include "runtime.h"

#define MAX_DEPTH	64u
#define MAX_BYTES	(128u << 10)
#define SECTOR		512u

static unsigned long word(const char *name, unsigned long absent)
{
	const char *text = cmdline_value(name);
	unsigned long number = 0;

	if (!text)
		return absent;
	for (; *text >= '0' && *text <= '9'; text++)
		number = number * 10 + (unsigned long)(*text - '0');
	return number;
}

static void failed(const char *what, long number)
{
	printf("FRONT failed: %s: %ld\n", what, number);
	shutdown(SHUTDOWN_poweroff);
}

/* ---- disk ---- */

static struct blkfront *disk;
static struct blkfront_info info;

struct io {
	struct blk_request request;
	struct worker *worker;
	bool busy, over;
};

static struct worker {
	unsigned int cpu, depth, out;
	uint64_t first, end;		/* sectors */
	uint32_t generation;
	struct os_wait *wait;
	struct os_wait own_wait;
	bool done;
	struct io io[MAX_DEPTH];
} workers[MAX_VCPUS];

static uint64_t pattern(uint64_t sector, unsigned int at, uint32_t generation)
{
	return (sector * 64 + at) * 0x9e3779b97f4a7c15 + generation;
}

static void fill(const struct blk_request *request, uint32_t generation)
{
	uint64_t *words = request->buffer;

	for (uint64_t i = 0; i < request->bytes / 8; i++)
		words[i] = pattern(request->sector + i / 64, i % 64, generation);
}

static void compare(const struct blk_request *request, uint32_t generation)
{
	const uint64_t *words = request->buffer;

	for (uint64_t i = 0; i < request->bytes / 8; i++)
		if (words[i] != pattern(request->sector + i / 64, i % 64, generation))
			failed("other data than were written, at sector", (long)(request->sector + i / 64));
}

static void io_done(struct blk_request *request)
{
	struct io *io = request->argument;

	__atomic_store_n(&io->over, true, __ATOMIC_RELEASE);
	os_wake(io->worker->wait);
}

/* Sizes that begin and end anywhere, that fill a page, and that need several parts. */
static uint64_t next_size(unsigned int turn)
{
	static const uint32_t sizes[] = { 4096, 65536, 512, 131072, 12800, 4096, 45056, 49152, 1024, 3584 };
	uint64_t bytes = sizes[turn % ARRAY_SIZE(sizes)];

	return bytes < info.sector_bytes ? info.sector_bytes : bytes - bytes % info.sector_bytes;
}

static bool reap(struct worker *w, struct io *io)
{
	if (!io->busy || !__atomic_load_n(&io->over, __ATOMIC_ACQUIRE))
		return false;
	io->busy = false;
	w->out--;
	if (io->request.status) {
		printf("FRONT request %d of %lu bytes at sector %lu; the disk is %s\n", io->request.operation,
		       io->request.bytes, io->request.sector, blkfront_is_dead(disk) ? "dead" : "alive");
		failed("a request ends with status", io->request.status);
	}
	if (io->request.operation == BLK_READ)
		compare(&io->request, w->generation);
	return true;
}

static void start(struct worker *w, struct io *io, enum blk_operation operation, uint64_t sector, uint64_t bytes)
{
	io->busy = true;
	io->over = false;
	io->request.operation = operation;
	io->request.sector = sector;
	io->request.bytes = bytes;
	if (operation == BLK_WRITE)
		fill(&io->request, w->generation);
	else if (operation == BLK_READ)
		memset(io->request.buffer, 0, bytes);
	w->out++;
	blkfront_submit(disk, w->cpu, &io->request);
}

/* All of the worker's part, `depth` requests at once. */
static void pass(struct worker *w, enum blk_operation operation)
{
	uint64_t at = operation == BLK_FLUSH ? w->end - 1 : w->first;
	unsigned int turn = 0;

	while (at < w->end || w->out) {
		uint32_t key = os_wait_key(w->wait);
		bool moved = false;

		for (unsigned int i = 0; i < w->depth; i++) {
			moved |= reap(w, &w->io[i]);
			if (!w->io[i].busy && at < w->end) {
				uint64_t bytes = operation == BLK_FLUSH ? SECTOR : next_size(turn++);

				if (bytes > (w->end - at) * SECTOR)
					bytes = (w->end - at) * SECTOR;
				start(w, &w->io[i], operation, at, bytes);
				at += bytes / SECTOR;
				moved = true;
			}
		}
		if (!w->cpu)
			xenbus_poll();
		if (!moved)
			os_wait(w->wait, key);
	}
}

static void round(struct worker *w)
{
	w->generation++;
	pass(w, BLK_WRITE);
	pass(w, BLK_FLUSH);
	pass(w, BLK_READ);
}

static bool typed(void)
{
	char c;

	return console_read(&c, 1) != 0;
}

static volatile bool enough;

static void work(unsigned int cpu)
{
	struct worker *w = &workers[cpu];
	unsigned long rounds = 0;

	do {
		round(w);
		rounds++;
		if (!cpu && word("endless=", 0)) {
			printf("FRONT round %lu\n", rounds);
			enough = typed();
		}
	} while (word("endless=", 0) && !enough);
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	os_wake(workers[0].wait);
}

static volatile bool may_start;

static void work_elsewhere(unsigned int cpu)
{
	struct os_wait *wait = &workers[cpu].own_wait;

	events_enable();
	for (;;) {
		uint32_t key = os_wait_key(wait);

		if (may_start)
			break;
		os_wait(wait, key);
	}
	work(cpu);
	events_disable();
}

static void open_disk(void)
{
	struct blkfront_options options = { .queues = (unsigned int)word("queues=", 1),
					    .ring_order = (unsigned int)word("order=", 0),
					    .segments = (unsigned int)word("segments=", 0) };
	long result = blkfront_open(51712, &options, &disk);

	if (result)
		failed("blkfront_open", result);
	while (!blkfront_is_ready(disk)) {
		uint32_t key = os_wait_key(xenbus_waiter());

		if (blkfront_is_dead(disk))
			failed("the disk went away", 0);
		if (!xenbus_poll())
			os_wait(xenbus_waiter(), key);
	}
	blkfront_info(disk, &info);
	printf("FRONT disk: %lu sectors of %u, queues %u, ring order %u, segments %u%s%s%s\n", info.sectors,
	       info.sector_bytes, info.queues, info.ring_order, info.segments, info.can_flush ? ", flush" : "",
	       info.can_discard ? ", discard" : "", info.readonly ? ", read-only" : "");
}

static void prepare(struct worker *w, unsigned int cpu, unsigned int cpus, uint64_t sectors)
{
	w->cpu = cpu;
	w->depth = (unsigned int)word("depth=", 32);
	w->wait = cpu ? &w->own_wait : xenbus_waiter();
	w->first = sectors / cpus * cpu;
	w->end = w->first + sectors / cpus;
	for (unsigned int i = 0; i < w->depth; i++) {
		w->io[i].worker = w;
		w->io[i].request.done = io_done;
		w->io[i].request.argument = &w->io[i];
		w->io[i].request.buffer = heap_pages(MAX_BYTES / PAGE_SIZE);
		if (!w->io[i].request.buffer)
			failed("no memory for buffers", i);
	}
}

/* Refusals that need no backend, and requests that the backend must refuse. */
static void refusals(void)
{
	static char sector[SECTOR];

	if (blkfront_transfer(disk, BLK_READ, info.sectors, sector, SECTOR) != -XEN_EINVAL ||
	    blkfront_transfer(disk, BLK_READ, ~0UL, sector, SECTOR) != -XEN_EINVAL ||
	    blkfront_transfer(disk, BLK_READ, 0, sector, 100) != -XEN_EINVAL)
		failed("a read beyond the end is not refused", 0);
	if (info.can_discard && blkfront_transfer(disk, BLK_DISCARD, 0, NULL, 65536))
		failed("discard", 0);
}

static void try_disk(unsigned long mib)
{
	unsigned int cpus = 1;
	uint64_t begin = time_ns();

	/* vcpus first: the queues' events go to those that are there. */
	for (; cpus < MAX_VCPUS && cpus < word("vcpus=", 1); cpus++) {
		long result = smp_start(cpus, work_elsewhere);

		if (result)
			failed("a vcpu does not come up", result);
	}
	open_disk();
	refusals();
	for (unsigned int i = 0; i < cpus; i++)
		prepare(&workers[i], i, cpus, mib << 11);
	may_start = true;
	for (unsigned int i = 1; i < cpus; i++)
		os_wake(&workers[i].own_wait);
	work(0);
	for (unsigned int i = 1; i < cpus; i++) {
		while (!__atomic_load_n(&workers[i].done, __ATOMIC_ACQUIRE)) {
			uint32_t key = os_wait_key(xenbus_waiter());

			if (!xenbus_poll() && !__atomic_load_n(&workers[i].done, __ATOMIC_ACQUIRE))
				os_wait(xenbus_waiter(), key);
		}
	}
	printf("FRONT disk verified: %lu MiB by %u vcpus, depth %u, %lu ms\n", mib, cpus, workers[0].depth,
	       (time_ns() - begin) / 1000000);
}

/* ---- network ---- */

#define TYPE		0x88b5	/* for experiments (IEEE 802) */
#define WINDOW		16u
#define LARGE		60000u	/* bytes of TCP data in a large packet */
#define HEADERS		54u	/* Ethernet, IPv4, TCP */

static struct netfront *cards[2];
static struct netfront_info card_info[2];
static uint32_t received[2];		/* packets, by each card */
static bool bridged[2];			/* something came through to it */
static uint8_t seen_before[2][8192];	/* bit for each number: queues don't keep the order among each other */
static uint32_t large_bytes[2];		/* of the large packet that is coming in */
static unsigned int cut;		/* packets in which large ones came */

static void put16(uint8_t *to, unsigned int value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static unsigned int get16(const uint8_t *from)
{
	return (unsigned int)from[0] << 8 | from[1];
}

static uint32_t get32(const uint8_t *from)
{
	return get16(from) << 16 | get16(from + 2);
}

static uint8_t data_at(uint32_t seed, uint32_t at)
{
	return (uint8_t)((seed * 131 + at) * 2654435761u >> 24);
}

static uint32_t add_up(uint32_t sum, const uint8_t *data, uint32_t bytes)
{
	for (uint32_t i = 0; i + 1 < bytes; i += 2)
		sum += get16(data + i);
	if (bytes & 1)
		sum += (uint32_t)data[bytes - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The pseudo header's part of TCP's sum. */
static uint32_t pseudo(const uint8_t *ip, uint32_t tcp_bytes)
{
	return add_up(6 + tcp_bytes, ip + 12, 8);
}

/* A TCP packet that was sent by send_large, or a piece of it. */
static void take_large(unsigned int card, uint8_t *frame, const struct net_packet *packet)
{
	uint8_t *ip = frame + 14, *tcp = frame + 34;
	uint32_t total = get16(ip + 2), data = total - 40, at = get32(tcp + 4);

	if (total + 14 > packet->bytes || total < 40)
		failed("a TCP packet with a wrong length", (long)total);
	if (!(packet->flags & NET_CSUM_BLANK) && !packet->segment_bytes &&
	    add_up(pseudo(ip, total - 20), tcp, total - 20) != 0xffff)
		failed("a TCP packet with a wrong checksum, of bytes", (long)total);
	if (at != large_bytes[card])
		failed("a piece of a large packet is missing before", (long)at);
	for (uint32_t i = 0; i < data; i++)
		if (frame[HEADERS + i] != data_at(7, at + i))
			failed("other data in a large packet, at", (long)(at + i));
	large_bytes[card] += data;
	cut++;
}

/* Runs under netfront_receive: copy once, look at the copy. */
static void take_packet(struct netfront *card, unsigned int queue, const struct net_packet *packet)
{
	static uint8_t frame[NET_MAX_ARRIVAL];
	unsigned int number = card == cards[1];
	uint32_t at = 0, length;

	(void)queue;
	for (unsigned int i = 0; i < packet->nr_parts; at += packet->parts[i++].bytes)
		memcpy(frame + at, packet->parts[i].data, packet->parts[i].bytes);
	if (packet->bytes > HEADERS && get16(frame + 12) == 0x0800 && frame[23] == 6 && get16(frame + 34) == TYPE) {
		take_large(number, frame, packet);
		return;
	}
	if (get16(frame + 12) != TYPE || packet->bytes < 24)
		return;		/* dom0's bridge talks too */
	length = get32(frame + 18);
	if (get32(frame + 14) == 0xffffffff) {
		bridged[number] = true;
	} else {
		at = get32(frame + 14);
		if (length > packet->bytes || at / 8 >= sizeof(seen_before[0]))
			failed("a packet is too short or not ours: number", (long)at);
		if (seen_before[number][at / 8] & 1 << at % 8)
			failed("a packet comes twice: number", (long)at);
		seen_before[number][at / 8] |= (uint8_t)(1 << at % 8);
		received[number]++;
	}
	for (at = 22; at < length; at++)
		if (frame[at] != data_at(get32(frame + 14), at))
			failed("other data in a packet of bytes", (long)length);
}

static void card_event(struct netfront *card, unsigned int queue)
{
	(void)card, (void)queue;
	os_wake(xenbus_waiter());
}

static void look(void)
{
	xenbus_poll();
	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int queue = 0; queue < card_info[i].queues; queue++)
			netfront_receive(cards[i], queue, 64);
}

static void address_frame(uint8_t *frame, unsigned int from)
{
	memcpy(frame, card_info[!from].mac, 6);
	memcpy(frame + 6, card_info[from].mac, 6);
}

static int send(unsigned int from, uint32_t number, uint32_t bytes)
{
	static uint8_t frame[2048];
	/* Parts of odd sizes: the frontend has to gather. */
	struct net_part parts[3] = { { frame, 14 }, { frame + 14, bytes / 3 - 14 }, { frame + bytes / 3, bytes - bytes / 3 } };
	struct net_packet packet = { .parts = parts, .nr_parts = 3, .bytes = bytes };

	address_frame(frame, from);
	put16(frame + 12, TYPE);
	put16(frame + 14, number >> 16);
	put16(frame + 16, number);
	put16(frame + 18, 0);
	put16(frame + 20, bytes);
	for (uint32_t at = 22; at < bytes; at++)
		frame[at] = data_at(number, at);
	return netfront_send(cards[from], number, &packet);
}

static int send_large(unsigned int from)
{
	static uint8_t frame[HEADERS + LARGE];
	struct net_part part = { frame, sizeof(frame) };
	struct net_packet packet = { .parts = &part, .nr_parts = 1, .bytes = sizeof(frame), .flags = NET_CSUM_BLANK,
				     .segment_bytes = 1448, .segment_type = XEN_NETIF_GSO_TYPE_TCPV4 };
	static const uint8_t ip[20] = { 0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2 };
	uint8_t *tcp = frame + 34;

	memset(frame, 0, HEADERS);
	address_frame(frame, from);
	put16(frame + 12, 0x0800);
	memcpy(frame + 14, ip, sizeof(ip));
	put16(frame + 16, 40 + LARGE);
	put16(frame + 24, ~add_up(0, frame + 14, 20) & 0xffff);
	put16(tcp, TYPE);
	put16(tcp + 2, TYPE);
	tcp[12] = 5 << 4;
	tcp[13] = 0x10;
	put16(tcp + 14, 8192);
	put16(tcp + 16, pseudo(frame + 14, 20 + LARGE));
	for (uint32_t i = 0; i < LARGE; i++)
		frame[HEADERS + i] = data_at(7, i);
	return netfront_send(cards[from], 0, &packet);
}

/* Sends until one comes through. */
static void open_bridge(unsigned int from)
{
	while (!bridged[!from]) {
		uint32_t key = os_wait_key(xenbus_waiter());

		send(from, 0xffffffff, 60);
		time_wake_at(time_ns() + 50000000);
		look();
		if (!bridged[!from])
			os_wait(xenbus_waiter(), key);
	}
}

static void wait_or_fail(uint32_t key, uint64_t since, const char *what)
{
	if (time_ns() - since > 30000000000)
		failed(what, received[0] + received[1]);
	time_wake_at(time_ns() + 1000000000);
	os_wait(xenbus_waiter(), key);
}

static void stream(unsigned int from, uint32_t packets)
{
	uint64_t moved = time_ns();
	uint32_t sent = 0, seen = 0;

	while (received[!from] < packets) {
		uint32_t key = os_wait_key(xenbus_waiter());
		bool stuck = false;

		while (sent < packets && sent - received[!from] < WINDOW && !stuck) {
			int result = send(from, sent, 60 + (sent * 379) % 1455);

			if (result && result != -XEN_EAGAIN)
				failed("netfront_send", result);
			stuck = result;
			sent += !result;
		}
		look();
		if (received[!from] != seen) {
			seen = received[!from];
			moved = time_ns();
		} else {
			wait_or_fail(key, moved, "no packet comes any more; received");
		}
	}
}

static void stream_large(unsigned int from)
{
	uint64_t begin = time_ns();
	int result;

	cut = 0;
	large_bytes[!from] = 0;
	result = send_large(from);
	if (result)
		failed("netfront_send of a large packet", result);
	while (large_bytes[!from] < LARGE) {
		uint32_t key = os_wait_key(xenbus_waiter());

		look();
		if (large_bytes[!from] < LARGE)
			wait_or_fail(key, begin, "the large packet does not come");
	}
	printf("FRONT net: a packet of %u bytes came in %u\n", LARGE + HEADERS, cut);
}

static void open_cards(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct netfront_options options = { .queues = (unsigned int)word("queues=", 1), .packet = take_packet,
						    .event = card_event, .takes_large_v4 = i, .takes_blank_checksums = i,
						    .one_event_channel = !i };
		long result = netfront_open(i, &options, &cards[i]);

		if (result)
			failed("netfront_open", result);
	}
	while (!netfront_is_ready(cards[0]) || !netfront_is_ready(cards[1])) {
		uint32_t key = os_wait_key(xenbus_waiter());

		if (netfront_is_dead(cards[0]) || netfront_is_dead(cards[1]))
			failed("an interface went away", 0);
		if (!xenbus_poll())
			os_wait(xenbus_waiter(), key);
	}
	for (unsigned int i = 0; i < 2; i++) {
		netfront_info(cards[i], &card_info[i]);
		printf("FRONT net %u: queues %u%s%s%s%s\n", i, card_info[i].queues,
		       card_info[i].split_events ? ", split events" : "", card_info[i].can_gather ? ", gather" : "",
		       card_info[i].can_large_v4 ? ", TSO" : "", card_info[i].can_large_v6 ? ", TSO6" : "");
	}
}

static void try_net(uint32_t packets)
{
	uint64_t begin = time_ns();

	open_cards();
	for (unsigned int from = 0; from < 2; from++) {
		open_bridge(from);
		stream(from, packets);
		if (word("large=", 0))
			stream_large(from);
	}
	printf("FRONT net verified: %u packets each way, %lu ms\n", packets, (time_ns() - begin) / 1000000);
}

/* ---- memory ---- */

static void try_balloon(void)
{
	static struct balloon balloon;
	uint64_t before = 0;
	long result = balloon_start(&balloon, start_info->nr_pages, start_info->nr_pages / 2);

	if (result)
		failed("balloon_start", result);
	while (!typed()) {
		uint32_t key = os_wait_key(xenbus_waiter());

		if (!xenbus_poll()) {
			if (balloon.pages != before)
				printf("FRONT balloon: %lu pages\n", balloon.pages);
			before = balloon.pages;
			os_wait(xenbus_waiter(), key);
		}
	}
}

static void was_typed(void *argument)
{
	(void)argument;
	os_wake(xenbus_waiter());
}

void guest_main(void)
{
	unsigned long pages = heap_init();
	long result;

	printf("FRONT is here, %lu pages\n", pages);
	events_enable();
	result = xenbus_start(mfn_to_virt(start_info->store_mfn), start_info->store_evtchn);
	if (result)
		failed("xenbus_start", result);
	os_event_attach(start_info->console.domU.evtchn, was_typed, NULL);
	if (word("disk=", 0))
		try_disk(word("disk=", 0));
	if (word("net=", 0))
		try_net((uint32_t)word("net=", 0));
	if (word("balloon=", 0))
		try_balloon();
	printf("FRONT end\n");
}
