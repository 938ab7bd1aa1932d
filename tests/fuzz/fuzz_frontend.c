// SPDX-License-Identifier: MIT
/*
 * Fuzzes the frontends (frontend-drivers/) with hostile backends: a disk and a card are set up, then the input is a row
 * of steps of one byte and its arguments:
 *
 *	0 k n		the guest submits a request of kind k, of about 512 n bytes
 *	1 k n		the guest sends a packet of about 257 n bytes, with offloads k
 *	2 n		the guest receives up to n packets
 *	3 r at v4	the backend writes four bytes at slot space 16 at of ring r (disk, tx, rx)
 *	4 r n		the backend moves its index of ring r by n (signed)
 *	5 r id op s	the backend answers on ring r: id, operation or flags, status
 *	6 d s		the state node of backend d (disk, card) becomes s, and the guest looks
 *	7 n v		one of the limits that backends state becomes v
 *	8 p at v	the backend writes into a page that is granted to it
 *	9 g		the backend keeps a grant, for ever
 *
 * What must hold: nothing outside is read or written (the sanitizers see to that, and to leaks); each request ends
 * exactly once, at the latest when its disk is closed; a packet that is handed up is within its limits; all memory comes
 * back but what the backend keeps.
 */
#include <stdlib.h>

#include "blkfront.h"
#include "fake_os.h"
#include "netfront.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VBD	"/local/domain/0/backend/vbd/1/51712"
#define VIF	"/local/domain/0/backend/vif/1/0"
#define MOST	64

static struct blkfront *disk;
static struct netfront *card;

static struct wish {
	struct blk_request request;
	bool used, over;
} wishes[MOST];

static void over(struct blk_request *request)
{
	struct wish *wish = request->argument;

	if (wish->over)
		abort();
	wish->over = true;
}

static void packet_came(struct netfront *from, unsigned int queue, const struct net_packet *packet)
{
	volatile uint8_t sum = 0;
	uint32_t bytes = 0;

	(void)from, (void)queue;
	if (!packet->nr_parts || packet->nr_parts > NET_MAX_PARTS || packet->bytes > NET_MAX_ARRIVAL)
		abort();
	for (unsigned int i = 0; i < packet->nr_parts; i++) {
		const uint8_t *data = packet->parts[i].data;

		bytes += packet->parts[i].bytes;
		sum = (uint8_t)(sum + data[0] + data[packet->parts[i].bytes - 1]);
	}
	if (bytes != packet->bytes)
		abort();
}

/* ---- the guest ---- */

static void submit(unsigned int kind, unsigned int count)
{
	for (unsigned int i = 0; i < MOST; i++) {
		struct wish *wish = &wishes[i];

		if (wish->used && !wish->over)
			continue;
		if (wish->used)
			free(wish->request.buffer);
		wish->used = true;
		wish->over = false;
		wish->request = (struct blk_request){ .operation = (enum blk_operation)(kind % 5), .sector = kind,
						      .bytes = count * 512ul, .done = over, .argument = wish };
		wish->request.buffer = calloc(1, count * 512ul + 1);
		blkfront_submit(disk, kind, &wish->request);
		return;
	}
}

static void send(unsigned int kind, unsigned int count)
{
	uint32_t bytes = 14 + count * 257;
	uint8_t *data = calloc(1, bytes);
	struct net_part part = { data, bytes };
	struct net_packet packet = { .parts = &part, .nr_parts = 1, .bytes = bytes, .flags = kind & 3,
				     .segment_bytes = kind & 4 ? 1448 : 0, .segment_type = (uint8_t)(kind >> 4) };

	netfront_send(card, kind, &packet);
	free(data);
}

/* ---- the backends ---- */

/* The page behind a node of the guest's; NULL where it published none. */
static struct xen_ring_head *ring_of(unsigned int ring)
{
	static const char *const nodes[] = { "device/vbd/51712/ring-ref", "device/vif/0/tx-ring-ref",
					     "device/vif/0/rx-ring-ref", "device/vbd/51712/ring-ref0" };

	return fake_map((uint32_t)fake_number(nodes[ring % 4]), false);
}

static void tell(unsigned int ring)
{
	static const char *const nodes[] = { "device/vbd/51712/event-channel", "device/vif/0/event-channel-tx",
					     "device/vif/0/event-channel-rx", "device/vbd/51712/event-channel" };

	fake_event((evtchn_port_t)fake_number(nodes[ring % 4]));
}

static void scribble(unsigned int ring, unsigned int at, const uint8_t *value)
{
	struct xen_ring_head *head = ring_of(ring);

	if (head)
		memcpy((char *)head + (at * 16) % 4092, value, 4);
	tell(ring);
}

static void move_index(unsigned int ring, int8_t by)
{
	struct xen_ring_head *head = ring_of(ring);

	if (head)
		head->rsp_prod += (uint32_t)by;
	tell(ring);
}

static void answer(unsigned int ring, uint8_t id, uint8_t word, int8_t status)
{
	struct xen_ring_head *head = ring_of(ring);
	struct blkif_response blk = { id, word, status };
	struct netif_tx_response tx = { id, status };
	struct netif_rx_response rx = { id, (uint16_t)(word << 4), word, (int16_t)(status * 32) };
	uint32_t bytes[] = { 112, 12, 8, 112 };
	void *slot;

	if (!head)
		return;
	ring %= 4;
	slot = xen_ring_slot(head, xen_ring_slots(4096, bytes[ring]), bytes[ring], head->rsp_prod);
	if (ring == 1)
		memcpy(slot, &tx, sizeof(tx));
	else if (ring == 2)
		memcpy(slot, &rx, sizeof(rx));
	else
		memcpy(slot, &blk, sizeof(blk));
	head->rsp_prod++;
	tell(ring);
}

static void set_limit(unsigned int which, unsigned int value)
{
	static const char *const nodes[] = {
		VBD "/sectors", VBD "/sector-size", VBD "/info", VBD "/feature-max-indirect-segments",
		VBD "/max-ring-page-order", VBD "/multi-queue-max-queues", VBD "/feature-discard", VBD "/online",
		VIF "/multi-queue-max-queues", VIF "/feature-sg", VIF "/feature-gso-tcpv4", VIF "/online",
		VIF "/feature-split-event-channels", "device/vbd/51712/backend-id",
	};
	char text[24];

	snprintf(text, sizeof(text), value == 255 ? "-1x" : "%lu", value > 200 ? 1ul << (value - 192) : value);
	fake_write(nodes[which % (sizeof(nodes) / sizeof(nodes[0]))], text);
}

static void set_state(unsigned int device, unsigned int state)
{
	char text[4];

	snprintf(text, sizeof(text), "%u", state % 10);
	fake_write(device & 1 ? VIF "/state" : VBD "/state", text);
	xenbus_poll();
}

static struct fake_grant *grant_at(unsigned int number)
{
	return &fake_grants[8 + number % 1024];
}

/* ---- the world ---- */

static void start(void)
{
	static const struct blkfront_options disk_options = { 2, 1, 16, 20 };
	static const struct netfront_options card_options = { .queues = 2, .takes_large_v4 = true,
							      .packet = packet_came };

	fake_start();
	fake_quiet = true;
	fake_write("device/vbd/51712/backend", VBD);
	fake_write("device/vbd/51712/backend-id", "0");
	fake_write("device/vif/0/backend", VIF);
	fake_write("device/vif/0/backend-id", "0");
	fake_write("device/vif/0/mac", "00:16:3e:00:00:01");
	fake_write(VBD "/sectors", "100000");
	fake_write(VBD "/online", "1");
	fake_write(VBD "/feature-discard", "1");
	fake_write(VBD "/feature-max-indirect-segments", "64");
	fake_write(VBD "/feature-flush-cache", "1");
	fake_write(VIF "/online", "1");
	fake_write(VIF "/feature-sg", "1");
	fake_write(VIF "/feature-gso-tcpv4", "1");
	fake_write(VIF "/feature-split-event-channels", "1");
	fake_write(VBD "/state", "2");
	fake_write(VIF "/state", "2");
	if (blkfront_open(51712, &disk_options, &disk) || netfront_open(0, &card_options, &card))
		abort();
	xenbus_poll();
	set_state(0, 4);
	set_state(1, 4);
}

static void end(void)
{
	unsigned int kept = 0;

	blkfront_close(disk);
	netfront_close(card);
	for (unsigned int i = 0; i < MOST; i++) {
		if (!wishes[i].used)
			continue;
		if (!wishes[i].over)
			abort();
		free(wishes[i].request.buffer);
		wishes[i].used = false;
	}
	for (unsigned int i = 0; i < FAKE_GRANTS; i++) {
		kept += fake_grants[i].taken;
		if (fake_grants[i].taken && !fake_grants[i].mapped)
			abort();
	}
	/* A ring of two pages, one of which is kept, is lost whole. */
	if (fake_pieces || (fake_pages && !kept) || fake_pages > 2 * kept)
		abort();
	fake_forget_pages();
}

static size_t step(const uint8_t *p, size_t size)
{
	static const uint8_t lengths[] = { 3, 3, 2, 7, 3, 5, 3, 3, 4, 2 };
	uint8_t what = p[0] % sizeof(lengths);

	if (lengths[what] > size)
		return size;
	switch (what) {
	case 0: submit(p[1], p[2]); break;
	case 1: send(p[1], p[2]); break;
	case 2: netfront_receive(card, p[1] >> 7, p[1] & 127); break;
	case 3: scribble(p[1], p[2], p + 3); break;
	case 4: move_index(p[1], (int8_t)p[2]); break;
	case 5: answer(p[1], p[2], p[3], (int8_t)p[4]); break;
	case 6: set_state(p[1], p[2]); break;
	case 7: set_limit(p[1], p[2]); break;
	case 8:
		if (grant_at(p[1])->taken && !grant_at(p[1])->readonly)
			((uint8_t *)(uintptr_t)(grant_at(p[1])->frame * OS_PAGE_SIZE))[p[2] * 16] = p[3];
		break;
	case 9: grant_at(p[1])->mapped |= grant_at(p[1])->taken; break;
	}
	return lengths[what];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	start();
	while (size) {
		size_t used = step(data, size);

		data += used;
		size -= used;
	}
	end();
	return 0;
}
