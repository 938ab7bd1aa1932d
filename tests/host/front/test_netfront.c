// SPDX-License-Identifier: MIT
/*
 * The network card's frontend against a backend in the same program, which sends back what it gets, or lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_os.h"
#include "netfront.h"

#define DEVICE	"device/vif/0"
#define BACKEND	"/local/domain/0/backend/vif/1/0"

static struct netfront *card;

/* The other side: both rings of the first queue. */
static struct xen_ring_end tx, rx;
static evtchn_port_t tx_port, rx_port;

/* What the frontend handed up. */
static unsigned char came[NET_MAX_ARRIVAL];
static struct net_packet last;
static unsigned int nr_came, nr_events;

static void packet_came(struct netfront *from, unsigned int queue, const struct net_packet *packet)
{
	size_t at = 0;

	(void)queue;
	assert_ptr_equal(from, card);
	assert_true(packet->nr_parts && packet->nr_parts <= NET_MAX_PARTS);
	for (unsigned int i = 0; i < packet->nr_parts; i++) {
		assert_true(at + packet->parts[i].bytes <= sizeof(came));
		memcpy(came + at, packet->parts[i].data, packet->parts[i].bytes);
		at += packet->parts[i].bytes;
	}
	assert_int_equal(at, packet->bytes);
	last = *packet;
	nr_came++;
}

static void event(struct netfront *from, unsigned int queue)
{
	(void)from, (void)queue;
	nr_events++;
}

static int fresh_world(void **state)
{
	static const char *const features[] = { "feature-sg", "feature-gso-tcpv4", "feature-rx-copy",
						"feature-split-event-channels", "feature-ipv6-csum-offload" };

	(void)state;
	fake_start();
	fake_quiet = false;
	nr_came = nr_events = 0;
	fake_write(DEVICE "/backend", BACKEND);
	fake_write(DEVICE "/backend-id", "0");
	fake_write(DEVICE "/mac", "00:16:3e:0a:BC:7f");
	fake_write(DEVICE "/state", "1");
	fake_write(BACKEND "/state", "2");
	fake_write(BACKEND "/online", "1");
	fake_write(BACKEND "/multi-queue-max-queues", "4");
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		char path[96];

		snprintf(path, sizeof(path), BACKEND "/%s", features[i]);
		fake_write(path, "1");
	}
	return 0;
}

static void map_rings(const char *dir)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/tx-ring-ref", dir);
	xen_ring_back_init(&tx, fake_map((uint32_t)fake_number(path), true), OS_PAGE_SIZE,
			   sizeof(struct netif_tx_request), 0, 0);
	snprintf(path, sizeof(path), "%s/rx-ring-ref", dir);
	xen_ring_back_init(&rx, fake_map((uint32_t)fake_number(path), true), OS_PAGE_SIZE,
			   sizeof(struct netif_rx_request), 0, 0);
	snprintf(path, sizeof(path), "%s/event-channel-tx", dir);
	tx_port = (evtchn_port_t)fake_number(path);
	snprintf(path, sizeof(path), "%s/event-channel-rx", dir);
	rx_port = (evtchn_port_t)fake_number(path);
	if (!tx_port) {
		snprintf(path, sizeof(path), "%s/event-channel", dir);
		tx_port = rx_port = (evtchn_port_t)fake_number(path);
	}
}

static void connect(const char *dir)
{
	assert_string_equal(fake_read(DEVICE "/state"), "4");
	assert_string_equal(fake_read(DEVICE "/request-rx-copy"), "1");
	map_rings(dir);
	fake_write(BACKEND "/state", "4");
	xenbus_poll();
	assert_true(netfront_is_ready(card));
}

static void open_card(struct netfront_options options)
{
	options.packet = packet_came;
	options.event = event;
	assert_int_equal(netfront_open(0, &options, &card), 0);
	xenbus_poll();
}

static void open_and_connect(void)
{
	open_card((struct netfront_options){ .takes_large_v4 = true, .takes_blank_checksums = true });
	connect(DEVICE);
}

static void close_card(void)
{
	netfront_close(card);
	assert_true(fake_nothing_left());
}

static void fill(unsigned char *buffer, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		buffer[i] = (unsigned char)(i * 2654435761u >> 11);
}

/* ---- sending ---- */

/* Takes one packet off the tx ring, as a backend reads it. Returns its bytes, its flags and its extra slot, if any. */
static uint32_t take_packet(unsigned char *to, uint16_t *flags, struct netif_extra_info *extra, int16_t status)
{
	struct netif_tx_request request, first;
	struct netif_tx_response response;
	uint32_t bytes = 0, rest = 0, first_bytes, slots = 0;
	unsigned char parts[NET_MAX_PARTS][OS_PAGE_SIZE];
	uint16_t sizes[NET_MAX_PARTS];

	do {
		assert_true(xen_ring_back_waiting(&tx) > 0);
		xen_ring_get(&tx, &request, sizeof(request));
		assert_true(slots < NET_MAX_PARTS);
		assert_null(fake_map(request.gref, true));	/* granted for reading only */
		assert_non_null(fake_map(request.gref, false));
		if (!slots)
			first = request;
		else
			rest += request.size;
		sizes[slots] = request.size;
		memcpy(parts[slots], (char *)fake_map(request.gref, false) + request.offset, OS_PAGE_SIZE - request.offset);
		response = (struct netif_tx_response){ request.id, status };
		xen_ring_put(&tx, &response, sizeof(response));
		if (!slots++ && request.flags & NETTXF_extra_info) {
			xen_ring_get(&tx, extra, sizeof(*extra));
			response = (struct netif_tx_response){ 0xbeef, NETIF_RSP_NULL };
			xen_ring_put(&tx, &response, sizeof(response));
		}
	} while (request.flags & NETTXF_more_data);
	first_bytes = first.size - rest;
	assert_true(first_bytes <= OS_PAGE_SIZE);
	sizes[0] = (uint16_t)first_bytes;
	for (uint32_t i = 0; i < slots; i++) {
		memcpy(to + bytes, parts[i], sizes[i]);
		bytes += sizes[i];
	}
	assert_int_equal(bytes, first.size);
	*flags = first.flags;
	if (xen_ring_back_push(&tx))
		fake_event(tx_port);
	return bytes;
}

static int send_bytes(unsigned char *from, uint32_t bytes, struct net_packet like)
{
	/* In pieces that fit no page. */
	struct net_part parts[3] = { { from, bytes / 7 }, { from + bytes / 7, bytes / 2 }, { NULL, 0 } };

	parts[2].data = from + bytes / 7 + bytes / 2;
	parts[2].bytes = bytes - bytes / 7 - bytes / 2;
	like.parts = parts;
	like.nr_parts = 3;
	like.bytes = bytes;
	return netfront_send(card, 0, &like);
}

static void packets_of_any_size_arrive_whole(void **state)
{
	static unsigned char out[NET_MAX_PACKET], in[NET_MAX_PACKET];
	static const uint32_t sizes[] = { 14, 60, 1514, 4096, 4097, 9014, 65535 };
	struct netif_extra_info extra;
	uint16_t flags;

	(void)state;
	fill(out, sizeof(out));
	open_and_connect();
	for (unsigned int turn = 0; turn < 100; turn++) {
		uint32_t bytes = sizes[turn % 7];

		assert_int_equal(send_bytes(out, bytes, (struct net_packet){ .flags = 0 }), 0);
		assert_int_equal(take_packet(in, &flags, &extra, NETIF_RSP_OKAY), bytes);
		assert_memory_equal(in, out, bytes);
		assert_int_equal(flags & ~NETTXF_more_data, 0);
	}
	close_card();
}

static void offloads_are_told_to_the_backend(void **state)
{
	static unsigned char out[60000], in[NET_MAX_PACKET];
	struct netif_extra_info extra = { 0 };
	uint16_t flags;

	(void)state;
	open_and_connect();
	assert_int_equal(send_bytes(out, 100, (struct net_packet){ .flags = NET_CSUM_BLANK }), 0);
	take_packet(in, &flags, &extra, 0);
	assert_int_equal(flags, NETTXF_csum_blank | NETTXF_data_validated);
	assert_int_equal(send_bytes(out, sizeof(out), (struct net_packet){ .segment_bytes = 1448,
			 .segment_type = XEN_NETIF_GSO_TYPE_TCPV4 }), 0);
	assert_int_equal(take_packet(in, &flags, &extra, 0), sizeof(out));
	assert_int_equal(extra.type, XEN_NETIF_EXTRA_TYPE_GSO);
	assert_int_equal(extra.u.gso.size, 1448);
	assert_int_equal(extra.u.gso.type, XEN_NETIF_GSO_TYPE_TCPV4);
	/* What the backend did not offer. */
	assert_int_equal(send_bytes(out, sizeof(out), (struct net_packet){ .segment_bytes = 1448,
			 .segment_type = XEN_NETIF_GSO_TYPE_TCPV6 }), -XEN_EINVAL);
	assert_int_equal(send_bytes(out, 13, (struct net_packet){ .flags = 0 }), -XEN_EINVAL);
	close_card();
}

static void full_ring_refuses_and_tells_when_there_is_room(void **state)
{
	static unsigned char out[1514], in[NET_MAX_PACKET];
	struct netif_extra_info extra;
	uint16_t flags;
	int sent = 0;

	(void)state;
	open_and_connect();
	while (!send_bytes(out, sizeof(out), (struct net_packet){ .flags = 0 }))
		sent++;
	assert_int_equal(sent, 256);
	nr_events = 0;
	for (int i = 0; i < 256; i++)
		take_packet(in, &flags, &extra, i % 2 ? NETIF_RSP_OKAY : NETIF_RSP_DROPPED);
	assert_int_equal(nr_events, 1);
	assert_int_equal(send_bytes(out, sizeof(out), (struct net_packet){ .flags = 0 }), 0);
	close_card();
}

/* ---- receiving ---- */

static struct netif_rx_request take_offer(void)
{
	struct netif_rx_request offer;

	assert_true(xen_ring_back_waiting(&rx) > 0);
	xen_ring_get(&rx, &offer, sizeof(offer));
	return offer;
}

static void put_response(struct netif_rx_response response)
{
	xen_ring_put(&rx, &response, sizeof(response));
}

/* Fills pages with a packet, as a backend does. */
static void deliver(const unsigned char *from, uint32_t bytes, uint16_t flags, const struct netif_extra_info *extra)
{
	for (uint32_t at = 0; at < bytes;) {
		uint32_t part = bytes - at < OS_PAGE_SIZE ? bytes - at : OS_PAGE_SIZE;
		struct netif_rx_request offer = take_offer();
		char *page = fake_map(offer.gref, true);

		assert_non_null(page);
		memcpy(page, from + at, part);
		put_response((struct netif_rx_response){ offer.id, 0, (uint16_t)(
			(at ? 0 : flags | (extra ? NETRXF_extra_info : 0)) | (at + part < bytes ? NETRXF_more_data : 0)),
			(int16_t)part });
		if (!at && extra) {
			take_offer();
			xen_ring_put(&rx, extra, sizeof(*extra));
		}
		at += part;
	}
	if (xen_ring_back_push(&rx))
		fake_event(rx_port);
}

static void packets_that_come_are_handed_up_whole(void **state)
{
	static unsigned char out[NET_MAX_ARRIVAL];
	static const uint32_t sizes[] = { 14, 60, 1514, 4096, 4097, 9014, NET_MAX_ARRIVAL };
	struct netif_extra_info gso = { .type = XEN_NETIF_EXTRA_TYPE_GSO };

	(void)state;
	fill(out, sizeof(out));
	gso.u.gso.size = 1448;
	gso.u.gso.type = XEN_NETIF_GSO_TYPE_TCPV4;
	open_and_connect();
	for (unsigned int turn = 0; turn < 300; turn++) {
		deliver(out, sizes[turn % 7], NETRXF_csum_blank, turn % 3 ? NULL : &gso);
		assert_int_equal(netfront_receive(card, 0, 64), 1);
		assert_int_equal(last.bytes, sizes[turn % 7]);
		assert_memory_equal(came, out, last.bytes);
		assert_int_equal(last.flags, NET_CSUM_BLANK | NET_CSUM_VALID);
		assert_int_equal(last.segment_bytes, turn % 3 ? 0 : 1448);
	}
	assert_int_equal(nr_came, 300);
	close_card();
}

static void budget_is_kept_and_the_rest_waits(void **state)
{
	static unsigned char out[100];

	(void)state;
	open_and_connect();
	nr_events = 0;
	for (unsigned int i = 0; i < 10; i++)
		deliver(out, sizeof(out), 0, NULL);
	assert_int_equal(nr_events, 1);
	assert_int_equal(netfront_receive(card, 0, 4), 4);
	assert_int_equal(netfront_receive(card, 0, 64), 6);
	deliver(out, sizeof(out), 0, NULL);
	assert_int_equal(nr_events, 2);
	close_card();
}

static void bad_packet_is_counted_and_the_next_is_good(void **state)
{
	static unsigned char out[100];
	struct netfront_counts counts;
	struct netif_rx_request offer;

	(void)state;
	open_and_connect();
	offer = take_offer();
	put_response((struct netif_rx_response){ offer.id, 4000, 0, 200 });
	offer = take_offer();
	put_response((struct netif_rx_response){ offer.id, 0, 0, NETIF_RSP_ERROR });
	offer = take_offer();
	put_response((struct netif_rx_response){ offer.id, 0xffff, 0, 0x7fff });
	for (unsigned int i = 0; i < 20; i++) {
		offer = take_offer();
		put_response((struct netif_rx_response){ offer.id, 0, i < 19 ? NETRXF_more_data : 0, 100 });
	}
	deliver(out, sizeof(out), 0, NULL);
	assert_int_equal(netfront_receive(card, 0, 64), 5);
	assert_int_equal(nr_came, 1);
	netfront_counts(card, &counts);
	assert_int_equal(counts.receive_errors, 4);
	assert_int_equal(counts.received, 1);
	close_card();
}

/* ---- coming and going ---- */

static void queues_and_channels_are_as_both_sides_want(void **state)
{
	struct netfront_info info;

	(void)state;
	open_card((struct netfront_options){ .queues = 3 });
	assert_int_equal(fake_number(DEVICE "/multi-queue-num-queues"), 3);
	assert_int_equal(fake_number(DEVICE "/feature-no-csum-offload"), 1);
	connect(DEVICE "/queue-2");
	assert_int_not_equal(tx_port, rx_port);
	netfront_info(card, &info);
	assert_int_equal(info.queues, 3);
	assert_memory_equal(info.mac, "\x00\x16\x3e\x0a\xbc\x7f", 6);
	close_card();
	fake_write(BACKEND "/state", "2");
	fake_remove(BACKEND "/multi-queue-max-queues");
	fake_remove(DEVICE "/multi-queue-num-queues");
	fake_remove(DEVICE "/event-channel-tx");
	open_card((struct netfront_options){ .queues = 3, .one_event_channel = true });
	connect(DEVICE);
	assert_int_equal(tx_port, rx_port);
	close_card();
}

static void card_survives_a_backend_that_comes_back(void **state)
{
	static unsigned char out[1000], in[NET_MAX_PACKET];
	struct netif_extra_info extra;
	uint16_t flags;

	(void)state;
	open_and_connect();
	assert_int_equal(send_bytes(out, sizeof(out), (struct net_packet){ .flags = 0 }), 0);
	fake_write(BACKEND "/state", "5");
	xenbus_poll();
	assert_int_equal(send_bytes(out, sizeof(out), (struct net_packet){ .flags = 0 }), -XEN_EIO);
	assert_string_equal(fake_read(DEVICE "/state"), "6");
	fake_write(BACKEND "/state", "6");
	xenbus_poll();
	assert_string_equal(fake_read(DEVICE "/state"), "1");
	fake_write(BACKEND "/state", "2");
	xenbus_poll();
	connect(DEVICE);
	assert_int_equal(send_bytes(out, sizeof(out), (struct net_packet){ .flags = 0 }), 0);
	assert_int_equal(take_packet(in, &flags, &extra, 0), sizeof(out));
	deliver(out, sizeof(out), 0, NULL);
	assert_int_equal(netfront_receive(card, 0, 64), 1);
	fake_write(DEVICE "/backend-id", "7");
	fake_write(BACKEND "/state", "2");
	assert_int_equal(netfront_resume(card), 0);
	xenbus_poll();
	connect(DEVICE);
	deliver(out, sizeof(out), 0, NULL);
	assert_int_equal(netfront_receive(card, 0, 64), 1);
	fake_remove(BACKEND "/online");
	fake_remove(BACKEND "/state");
	xenbus_poll();
	assert_true(netfront_is_dead(card));
	close_card();
}

/* ---- lies ---- */

static void lies_end_the_card(void **state)
{
	static unsigned char out[100];

	for (unsigned int kind = 0; kind < 7; kind++) {
		struct netif_rx_request offer;

		fresh_world(state);
		fake_quiet = true;
		open_and_connect();
		send_bytes(out, sizeof(out), (struct net_packet){ .flags = 0 });
		offer = take_offer();
		switch (kind) {
		case 0:		/* an id that is not out */
		case 1:		/* or none at all */
			xen_ring_put(&tx, &(struct netif_tx_response){ kind ? 256 : 3, 0 }, 4);
			xen_ring_back_push(&tx);
			fake_event(tx_port);
			break;
		case 2:
			tx.head->rsp_prod = 77;
			fake_event(tx_port);
			break;
		case 3:
			rx.head->rsp_prod = 257;
			break;
		case 4:		/* a page out of its turn */
			put_response((struct netif_rx_response){ (uint16_t)(offer.id + 1), 0, 0, 100 });
			xen_ring_back_push(&rx);
			break;
		case 5:		/* half a packet */
			put_response((struct netif_rx_response){ offer.id, 0, NETRXF_more_data, 100 });
			xen_ring_back_push(&rx);
			break;
		case 6:		/* the extra slot is missing */
			put_response((struct netif_rx_response){ offer.id, 0, NETRXF_extra_info, 100 });
			xen_ring_back_push(&rx);
			break;
		}
		netfront_receive(card, 0, 64);
		assert_true(netfront_is_dead(card));
		assert_int_equal(nr_came, 0);
		close_card();
	}
}

static void bad_mac_and_missing_memory_leave_nothing(void **state)
{
	struct netfront_options options = { .packet = packet_came };

	for (unsigned int n = 2; n < 600; n += 13) {
		fresh_world(state);
		fake_quiet = true;
		fake_memory_left = n;
		if (netfront_open(0, &options, &card))
			continue;
		xenbus_poll();
		assert_true(n > 515 || netfront_is_dead(card));
		fake_memory_left = 0;
		close_card();
	}
	fresh_world(state);
	fake_quiet = true;
	fake_write(DEVICE "/mac", "00:16:3e:0a:bc:zz");
	assert_int_equal(netfront_open(0, &options, &card), -XEN_EINVAL);
	assert_true(fake_nothing_left());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(packets_of_any_size_arrive_whole, fresh_world),
		cmocka_unit_test_setup(offloads_are_told_to_the_backend, fresh_world),
		cmocka_unit_test_setup(full_ring_refuses_and_tells_when_there_is_room, fresh_world),
		cmocka_unit_test_setup(packets_that_come_are_handed_up_whole, fresh_world),
		cmocka_unit_test_setup(budget_is_kept_and_the_rest_waits, fresh_world),
		cmocka_unit_test_setup(bad_packet_is_counted_and_the_next_is_good, fresh_world),
		cmocka_unit_test_setup(queues_and_channels_are_as_both_sides_want, fresh_world),
		cmocka_unit_test_setup(card_survives_a_backend_that_comes_back, fresh_world),
		cmocka_unit_test_setup(lies_end_the_card, fresh_world),
		cmocka_unit_test_setup(bad_mac_and_missing_memory_leave_nothing, fresh_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
