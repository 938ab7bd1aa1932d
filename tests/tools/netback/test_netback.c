// SPDX-License-Identifier: MIT
/* Units of netback: rings with honest and other frontends, what a restart finds, headers, multicast groups, rates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "headers.h"
#include "protocol.h"
#include "rate.h"

/* --- a frontend ------------------------------------------------------------------- */

static _Alignas(4096) uint8_t tx_page[4096], rx_page[4096];
static struct net_journal journal;
static struct net_ring tx, rx;
static struct net_tx_batch batch;
static struct net_rx_batch rx_batch;

static struct xen_ring_head *head(uint8_t *page)
{
	return (void *)page;
}

static struct netif_tx_request *tx_slot(uint32_t i)
{
	return (struct netif_tx_request *)(tx_page + 64) + i % NET_SLOTS;
}

/* Responses lie at the start of slots that are as large as requests. */
static struct netif_tx_response tx_answer(uint32_t i)
{
	struct netif_tx_response answer;

	memcpy(&answer, tx_slot(i), sizeof(answer));
	return answer;
}

static struct netif_rx_request *rx_slot(uint32_t i)
{
	return (struct netif_rx_request *)(rx_page + 64) + i % NET_SLOTS;
}

static struct netif_rx_response rx_answer(uint32_t i)
{
	struct netif_rx_response answer;

	memcpy(&answer, rx_slot(i), sizeof(answer));
	return answer;
}

static void put_tx(uint16_t id, uint32_t gref, uint16_t offset, uint16_t size, uint16_t flags)
{
	uint32_t i = head(tx_page)->req_prod++;

	*tx_slot(i) = (struct netif_tx_request){ .gref = gref, .offset = offset, .flags = flags, .id = id, .size = size };
}

static void put_extra(uint8_t type, uint8_t flags, uint16_t gso_size, uint8_t gso_type)
{
	struct netif_extra_info extra = { .type = type, .flags = flags };
	uint32_t i = head(tx_page)->req_prod++;

	extra.u.gso.size = gso_size;
	extra.u.gso.type = gso_type;
	memcpy(tx_slot(i), &extra, sizeof(extra));
}

static void offer_rx(unsigned int pages)
{
	while (pages--) {
		uint32_t i = head(rx_page)->req_prod++;

		*rx_slot(i) = (struct netif_rx_request){ .id = i % NET_SLOTS, .gref = 1000 + i };
	}
}

static int setup_at(uint32_t start)
{
	memset(tx_page, 0, sizeof(tx_page));
	memset(rx_page, 0, sizeof(rx_page));
	*head(tx_page) = (struct xen_ring_head){ .req_prod = start, .rsp_prod = start };
	*head(rx_page) = (struct xen_ring_head){ .req_prod = start, .rsp_prod = start };
	net_journal_start(&journal, tx_page, rx_page);
	memset(&rx_batch, 0, sizeof(rx_batch));
	assert_true(net_tx_attach(&tx, tx_page, &journal));
	assert_true(net_rx_attach(&rx, rx_page, &journal));
	return 0;
}

static int setup(void **state)
{
	return setup_at(0xffffffc0u);	/* indices wrap in each test that goes on for long */
}

static bool finish_tx(int16_t status)
{
	for (unsigned int i = 0; i < batch.packet_count; i++)
		net_tx_done(&tx, &journal, &batch, i, status);
	return net_tx_show(&tx, &journal);
}

/* --- tx ------------------------------------------------------------------------------ */

static void packet_in_one_slot_is_taken_and_answered(void **state)
{
	uint32_t start = head(tx_page)->req_prod;

	put_tx(7, 99, 100, 60, NETTXF_csum_blank | NETTXF_data_validated);
	assert_int_equal(net_ring_waiting(&tx), 1);
	assert_int_equal(net_tx_take(&tx, &batch, 128), 1);
	assert_null(batch.packet[0].refused);
	assert_int_equal(batch.packet[0].size, 60);
	assert_true(batch.packet[0].csum_blank);
	assert_int_equal(batch.part_count, 1);
	assert_int_equal(batch.part[0].gref, 99);
	assert_int_equal(batch.part[0].offset, 100);
	assert_int_equal(batch.part[0].size, 60);
	assert_int_equal(head(tx_page)->rsp_prod, start);
	head(tx_page)->rsp_event = start + 1;
	assert_true(finish_tx(NETIF_RSP_OKAY));
	assert_int_equal(head(tx_page)->rsp_prod, start + 1);
	assert_int_equal(tx_answer(start).id, 7);
	assert_int_equal(tx_answer(start).status, NETIF_RSP_OKAY);
	assert_int_equal(net_ring_waiting(&tx), 0);
	assert_false(net_tx_show(&tx, &journal));
}

static void large_packet_has_its_parts_and_its_extra_slot(void **state)
{
	uint32_t start = head(tx_page)->req_prod;

	put_tx(1, 10, 4000, 96 + 4096 + 500, NETTXF_csum_blank | NETTXF_more_data | NETTXF_extra_info);
	put_extra(XEN_NETIF_EXTRA_TYPE_GSO, 0, 1448, XEN_NETIF_GSO_TYPE_TCPV4);
	put_tx(2, 11, 0, 4096, NETTXF_more_data);
	put_tx(3, 12, 0, 500, 0);
	assert_int_equal(net_tx_take(&tx, &batch, 128), 1);
	assert_null(batch.packet[0].refused);
	assert_int_equal(batch.packet[0].parts, 3);
	assert_int_equal(batch.packet[0].requests, 4);
	assert_int_equal(batch.part[0].size, 96);
	assert_int_equal(batch.part[1].size, 4096);
	assert_int_equal(batch.part[2].size, 500);
	assert_int_equal(batch.packet[0].gso_size, 1448);
	assert_int_equal(batch.packet[0].gso_type, XEN_NETIF_GSO_TYPE_TCPV4);
	finish_tx(NETIF_RSP_OKAY);
	assert_int_equal(tx_answer(start).id, 1);
	assert_int_equal(tx_answer(start + 1).status, NETIF_RSP_NULL);
	assert_int_equal(tx_answer(start + 2).id, 2);
	assert_int_equal(tx_answer(start + 3).id, 3);
}

static void batch_ends_between_packets(void **state)
{
	for (int i = 0; i < 5; i++) {
		put_tx(2 * i, 1, 0, 200, NETTXF_more_data);
		put_tx(2 * i + 1, 2, 0, 100, 0);
	}
	assert_int_equal(net_tx_take(&tx, &batch, 5), 2);
	assert_int_equal(batch.request_count, 4);
	finish_tx(NETIF_RSP_OKAY);
	assert_int_equal(net_tx_take(&tx, &batch, 1), 1);
	assert_int_equal(batch.packet[0].requests, 2);
	assert_int_equal(batch.answer[0].id, 4);
	finish_tx(NETIF_RSP_OKAY);
	assert_int_equal(net_tx_take(&tx, &batch, 128), 2);
}

static void packets_given_back_are_taken_again(void **state)
{
	for (int i = 0; i < 4; i++)
		put_tx(i, 50 + i, 0, 100, 0);
	assert_int_equal(net_tx_take(&tx, &batch, 128), 4);
	net_tx_give_back(&tx, &batch, 3);
	assert_int_equal(batch.packet_count, 1);
	assert_int_equal(batch.part_count, 1);
	finish_tx(NETIF_RSP_OKAY);
	assert_int_equal(net_tx_take(&tx, &batch, 128), 3);
	assert_int_equal(batch.answer[0].id, 1);
	assert_int_equal(batch.part[0].gref, 51);
}

static const char *reason_of_one(void)
{
	assert_int_equal(net_tx_take(&tx, &batch, 128), 1);
	assert_null(tx.broken);
	assert_int_equal(batch.part_count, 0);
	return batch.packet[0].refused;
}

static void wrong_packet_costs_itself_alone(void **state)
{
	const struct { uint16_t offset, size, more; } wrong[] = {
		{ 4090, 60, 0 },	/* over the page's end */
		{ 65535, 60, 0 },
		{ 0, 13, 0 },		/* no Ethernet header */
		{ 0, 0, 0 },
		{ 0, 100, 101 },	/* the part is larger than the whole */
		{ 0, 9000, 60 },	/* what is left for the first part is more than a page */
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint32_t at = head(tx_page)->req_prod;

		put_tx(i, 5, wrong[i].offset, wrong[i].size, wrong[i].more ? NETTXF_more_data : 0);
		if (wrong[i].more)
			put_tx(100 + i, 6, 0, wrong[i].more, 0);
		assert_non_null(reason_of_one());
		finish_tx(NETIF_RSP_ERROR);
		assert_int_equal(tx_answer(at).status, NETIF_RSP_ERROR);
		put_tx(40, 7, 0, 100, 0);
		assert_int_equal(net_tx_take(&tx, &batch, 128), 1);
		assert_null(batch.packet[0].refused);
		finish_tx(NETIF_RSP_OKAY);
	}
}

static void packet_of_19_parts_is_refused_whole(void **state)
{
	put_tx(0, 1, 0, 1900, NETTXF_more_data);
	for (int i = 1; i < 19; i++)
		put_tx(i, 1, 0, 100, i < 18 ? NETTXF_more_data : 0);
	assert_non_null(reason_of_one());
	assert_int_equal(batch.packet[0].requests, 19);
}

static void gso_without_sense_is_refused(void **state)
{
	const uint16_t wrong[][2] = { { 0, XEN_NETIF_GSO_TYPE_TCPV4 }, { 1448, 0 }, { 1448, 3 } };

	for (int i = 0; i < 3; i++) {
		put_tx(0, 1, 0, 1900, NETTXF_extra_info);
		put_extra(XEN_NETIF_EXTRA_TYPE_GSO, 0, wrong[i][0], wrong[i][1]);
		assert_non_null(reason_of_one());
		finish_tx(NETIF_RSP_ERROR);
	}
}

static void expect_broken(unsigned int packets)
{
	uint32_t cons;

	assert_int_equal(net_tx_take(&tx, &batch, 128), packets);
	assert_non_null(tx.broken);
	cons = tx.cons;
	put_tx(0, 1, 0, 100, 0);
	assert_int_equal(net_tx_take(&tx, &batch, 128), 0);
	assert_int_equal(tx.cons, cons);
}

static void index_that_jumps_breaks_the_ring(void **state)
{
	head(tx_page)->req_prod += NET_SLOTS + 1;
	expect_broken(0);
	setup_at(5);
	head(tx_page)->req_prod--;
	expect_broken(0);
}

static void requests_over_unanswered_ones_break_the_ring(void **state)
{
	for (int i = 0; i < 200; i++)
		put_tx(i, 1, 0, 100, 0);
	assert_int_equal(net_tx_take(&tx, &batch, 128), 128);
	head(tx_page)->req_prod += 57;	/* 257 from the first that is not answered */
	assert_int_equal(net_ring_waiting(&tx), 0);
	assert_non_null(tx.broken);
}

static void packet_without_an_end_breaks_the_ring(void **state)
{
	put_tx(0, 1, 0, 100, 0);
	put_tx(1, 1, 0, 200, NETTXF_more_data);
	expect_broken(1);
}

static void endless_extra_slots_break_the_ring(void **state)
{
	put_tx(0, 1, 0, 100, NETTXF_extra_info);
	for (int i = 0; i < 255; i++)
		put_extra(XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE, 0, 0);
	expect_broken(0);
	setup_at(0);
	put_tx(0, 1, 0, 100, NETTXF_extra_info);
	expect_broken(0);
	setup_at(0);
	put_tx(0, 1, 0, 100, NETTXF_extra_info);
	put_extra(77, 0, 0, 0);
	expect_broken(0);
}

static void frontend_joins_and_leaves_groups_without_sending(void **state)
{
	put_tx(3, 0, 0, 0, NETTXF_extra_info);
	put_extra(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 0, 0x3333, 1);
	assert_int_equal(net_tx_take(&tx, &batch, 128), 1);
	assert_null(batch.packet[0].refused);
	assert_int_equal(batch.packet[0].group_action, XEN_NETIF_EXTRA_TYPE_MCAST_ADD);
	assert_int_equal(batch.packet[0].group[0], 0x33);
	assert_int_equal(batch.part_count, 0);
}

static void armed_ring_says_what_came_meanwhile(void **state)
{
	assert_false(net_ring_arm(&tx, 1));
	assert_int_equal(head(tx_page)->req_event, tx.cons + 1);
	put_tx(0, 1, 0, 100, 0);
	assert_true(net_ring_arm(&tx, 1));
	assert_false(net_ring_arm(&tx, 2));
}

/* --- rx -------------------------------------------------------------------------------- */

static void packet_for_the_guest_fills_pages_in_order(void **state)
{
	struct net_rx_packet p = { .size = 2 * 4096 + 10, .csum_blank = true, .gso_type = XEN_NETIF_GSO_TYPE_TCPV6, .gso_size = 1220 };
	uint32_t start = head(rx_page)->req_prod;
	struct netif_extra_info extra;
	struct net_rx_copy copies[17];

	offer_rx(3);
	assert_int_equal(net_rx_take(&rx, &rx_batch, &p, copies), 0);
	assert_int_equal(rx.cons, start);
	offer_rx(1);
	assert_int_equal(net_rx_take(&rx, &rx_batch, &p, copies), 3);
	assert_int_equal(copies[0].gref, 1000 + start);
	assert_int_equal(copies[1].gref, 1000 + start + 2);
	assert_int_equal(copies[2].from, 8192);
	assert_int_equal(copies[2].size, 10);
	assert_int_equal(head(rx_page)->rsp_prod, start);
	head(rx_page)->rsp_event = start + 1;
	assert_true(net_rx_show(&rx, &journal, &rx_batch));
	assert_int_equal(head(rx_page)->rsp_prod, start + 4);
	assert_int_equal(rx_answer(start).flags,
			 NETRXF_csum_blank | NETRXF_data_validated | NETRXF_more_data | NETRXF_extra_info);
	assert_int_equal(rx_answer(start).id, start % NET_SLOTS);
	assert_int_equal(rx_answer(start).status, 4096);
	memcpy(&extra, rx_slot(start + 1), sizeof(extra));
	assert_int_equal(extra.type, XEN_NETIF_EXTRA_TYPE_GSO);
	assert_int_equal(extra.u.gso.size, 1220);
	assert_int_equal(extra.u.gso.type, XEN_NETIF_GSO_TYPE_TCPV6);
	assert_int_equal(rx_answer(start + 2).flags, NETRXF_more_data);
	assert_int_equal(rx_answer(start + 3).flags, 0);
	assert_int_equal(rx_answer(start + 3).status, 10);
}

static void page_that_can_not_be_filled_comes_back_with_an_error(void **state)
{
	struct net_rx_packet p = { .size = 5000 };
	uint32_t start = head(rx_page)->req_prod;
	struct net_rx_copy copies[17];

	offer_rx(2);
	assert_int_equal(net_rx_take(&rx, &rx_batch, &p, copies), 2);
	net_rx_failed(&rx_batch, copies[1].slot);
	net_rx_show(&rx, &journal, &rx_batch);
	assert_int_equal(rx_answer(start).status, 4096);
	assert_int_equal(rx_answer(start + 1).status, NETIF_RSP_ERROR);
	assert_int_equal(rx_answer(start + 1).id, (start + 1) % NET_SLOTS);
}

/* --- after a kill -------------------------------------------------------------------------- */

/* What is left if the worker is killed before its @stores-th store: both rings and the journal, put together by hand. */
static void tx_is_answered_once_wherever_the_worker_died(void **state)
{
	for (int died = 0; died < 4; died++) {
		uint32_t start, notified = 0;

		setup_at(0xfffffff0u);
		start = head(tx_page)->req_prod;
		for (int i = 0; i < 40; i++)
			put_tx(i, 70 + i, 0, 100, 0);
		assert_int_equal(net_tx_take(&tx, &batch, 20), 20);
		for (int i = 0; i < 10; i++)	/* killed while sending: 10 were answered in the journal */
			net_tx_done(&tx, &journal, &batch, i, NETIF_RSP_OKAY);
		if (died >= 1)			/* some answers are in the ring */
			for (int i = 0; i < 5; i++)
				memcpy(tx_slot(start + i), &journal.tx_answer[(start + i) % NET_SLOTS], 4);
		if (died >= 2) {		/* all are, and shown */
			for (int i = 0; i < 10; i++)
				memcpy(tx_slot(start + i), &journal.tx_answer[(start + i) % NET_SLOTS], 4);
			head(tx_page)->rsp_prod = start + 10;
		}
		if (died >= 3)			/* and the frontend has used the slots again */
			for (int i = 0; i < 226; i++)
				put_tx(i, 900 + i, 0, 100, 0);
		memset(&tx, 0, sizeof(tx));
		assert_true(net_tx_attach(&tx, tx_page, &journal));
		assert_int_equal(head(tx_page)->rsp_prod, start + 10);
		for (uint32_t i = 0; i < 10 && died < 3; i++)
			assert_int_equal(tx_answer(start + i).id, i);
		/* The rest is taken from where it was, each once. */
		while (net_tx_take(&tx, &batch, 128)) {
			assert_int_equal(batch.part[0].gref, notified + 10 < 40 ? 70 + notified + 10 : 900 + notified - 30);
			notified += batch.packet_count;
			finish_tx(NETIF_RSP_OKAY);
		}
		assert_null(tx.broken);
		assert_int_equal(notified, died >= 3 ? 256 : 30);
	}
}

static void rx_is_answered_once_wherever_the_worker_died(void **state)
{
	for (int died = 0; died < 4; died++) {
		struct net_rx_packet p = { .size = 100 };
		struct net_rx_copy copies[17];
		uint32_t start;

		setup_at(0xfffffffeu);
		start = head(rx_page)->req_prod;
		offer_rx(6);
		for (int i = 0; i < 4; i++)
			assert_int_equal(net_rx_take(&rx, &rx_batch, &p, copies), 1);
		if (died >= 1) {	/* recorded, half of it in the ring */
			for (int i = 0; i < 4; i++)
				journal.rx_answer[(start + i) % NET_SLOTS] = rx_batch.answer[i];
			journal.rx.done = start + 4;
			memcpy(rx_slot(start), &rx_batch.answer[0], 8);
			memcpy(rx_slot(start + 1), &rx_batch.answer[1], 8);
		}
		if (died >= 2)		/* all of it, shown */
			for (int i = 0; i < 4; i++)
				memcpy(rx_slot(start + i), &rx_batch.answer[i], 8);
		if (died >= 2)
			head(rx_page)->rsp_prod = start + 4;
		if (died >= 3)		/* all slots used again */
			offer_rx(254);
		memset(&rx, 0, sizeof(rx));
		memset(&rx_batch, 0, sizeof(rx_batch));
		assert_true(net_rx_attach(&rx, rx_page, &journal));
		assert_int_equal(head(rx_page)->rsp_prod, start + (died ? 4 : 0));
		for (uint32_t i = 0; i < 4 && died && died < 3; i++) {
			assert_int_equal(rx_answer(start + i).id, (start + i) % NET_SLOTS);
			assert_int_equal(rx_answer(start + i).status, 100);
		}
		assert_int_equal(net_ring_waiting(&rx), died == 0 ? 6 : died == 3 ? 256 : 2);
		assert_int_equal(net_rx_take(&rx, &rx_batch, &p, copies), 1);
		assert_int_equal(copies[0].gref, 1000 + start + (died ? 4 : 0));
	}
}

static void ring_that_contradicts_the_journal_is_broken(void **state)
{
	put_tx(1, 1, 0, 100, 0);
	assert_int_equal(net_tx_take(&tx, &batch, 1), 1);
	finish_tx(NETIF_RSP_OKAY);
	head(tx_page)->rsp_prod += 3;
	assert_false(net_tx_attach(&tx, tx_page, &journal));
	assert_non_null(tx.broken);
	assert_int_equal(net_ring_waiting(&tx), 0);
}

/* --- headers --------------------------------------------------------------------------------- */

/* IPv4 or IPv6 with TCP or UDP, options where @more; the payload counts up. Returns its size. */
static size_t make_packet(uint8_t *p, bool v6, bool tcp, bool vlan, bool more, size_t payload)
{
	size_t at = 12, l4_size = tcp ? (more ? 32 : 20) : 8;

	memset(p, 0, 256);
	if (vlan) {
		p[at] = 0x81;
		at += 4;
	}
	p[at] = v6 ? 0x86 : 0x08;
	p[at + 1] = v6 ? 0xdd : 0;
	at += 2;
	p[at] = v6 ? 0x60 : more ? 0x47 : 0x45;
	if (v6) {
		p[at + 6] = more ? IPPROTO_DSTOPTS : tcp ? IPPROTO_TCP : IPPROTO_UDP;
		for (int i = 8; i < 40; i++)
			p[at + i] = i * 7;
		at += 40;
		if (more) {
			p[at] = tcp ? IPPROTO_TCP : IPPROTO_UDP;
			p[at + 1] = 1;
			at += 16;
		}
	} else {
		p[at + 9] = tcp ? IPPROTO_TCP : IPPROTO_UDP;
		for (int i = 12; i < 20; i++)
			p[at + i] = i * 9;
		at += more ? 28 : 20;
	}
	if (tcp)
		p[at + 12] = (l4_size / 4) << 4;
	for (size_t i = 0; i < payload; i++)
		p[at + l4_size + i] = i;
	return at + l4_size + payload;
}

static void offsets_are_found_in_every_form_of_headers(void **state)
{
	static uint8_t p[4096];

	for (int form = 0; form < 16; form++) {
		bool v6 = form & 1, tcp = form & 2, vlan = form & 4, more = form & 8;
		size_t l4 = 14 + 4 * vlan + (v6 ? 40 + 16 * more : 20 + 8 * more), size = make_packet(p, v6, tcp, vlan, more, 100);
		struct net_packet packet = { .size = size, .csum_blank = true };
		struct virtio_net_hdr tap;

		assert_null(net_to_tap(&packet, p, size, &tap));
		assert_int_equal(tap.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(tap.csum_start, l4);
		assert_int_equal(tap.csum_offset, tcp ? 16 : 6);
		assert_int_equal(tap.hdr_len, size - 100);
		assert_int_equal(tap.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		/* However it is cut off, nothing beyond is looked at. */
		for (size_t have = 0; have < size - 100; have++) {
			uint8_t *exact = malloc(have + !have);

			memcpy(exact, p, have);
			assert_non_null(net_to_tap(&packet, exact, have, &tap));
			free(exact);
		}
	}
}

static void gso_must_be_of_the_kind_it_says(void **state)
{
	static uint8_t p[4096];
	size_t size = make_packet(p, false, true, false, true, 3000);
	struct net_packet packet = { .size = size, .csum_blank = true, .gso_size = 1448, .gso_type = XEN_NETIF_GSO_TYPE_TCPV4 };
	struct virtio_net_hdr tap;

	assert_null(net_to_tap(&packet, p, size, &tap));
	assert_int_equal(tap.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(tap.gso_size, 1448);
	packet.gso_type = XEN_NETIF_GSO_TYPE_TCPV6;
	assert_non_null(net_to_tap(&packet, p, size, &tap));
	size = packet.size = make_packet(p, true, true, false, false, 3000);
	assert_null(net_to_tap(&packet, p, size, &tap));
	assert_int_equal(tap.gso_type, VIRTIO_NET_HDR_GSO_TCPV6);
	size = packet.size = make_packet(p, true, false, false, false, 3000);
	assert_non_null(net_to_tap(&packet, p, size, &tap));
}

static uint16_t whole_sum(const uint8_t *p, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void gso_without_a_pseudo_sum_gets_one(void **state)
{
	static uint8_t p[4096];
	size_t size = make_packet(p, false, true, false, false, 3000);
	struct net_packet packet = { .size = size, .gso_size = 1448, .gso_type = XEN_NETIF_GSO_TYPE_TCPV4 };
	struct virtio_net_hdr tap;

	assert_null(net_to_tap(&packet, p, size, &tap));
	assert_int_equal(tap.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(p[50] << 8 | p[51], whole_sum(p + 26, 8, IPPROTO_TCP + size - 34));
}

static void packet_without_a_blank_checksum_is_not_looked_at(void **state)
{
	uint8_t p[14] = { 0 };
	struct net_packet packet = { .size = 14, .data_validated = true };
	struct virtio_net_hdr tap;

	assert_null(net_to_tap(&packet, p, sizeof(p), &tap));
	assert_int_equal(tap.flags, VIRTIO_NET_HDR_F_DATA_VALID);
	packet.data_validated = false;
	assert_null(net_to_tap(&packet, p, sizeof(p), &tap));
	assert_int_equal(tap.flags, 0);
}

static void checksum_that_the_frontend_can_not_finish_is_finished(void **state)
{
	static uint8_t p[4096];

	for (int form = 0; form < 16; form++) {
		bool v6 = form & 1, tcp = form & 2, vlan = form & 4, takes6 = form & 8, blank;
		size_t size = make_packet(p, v6, tcp, vlan, false, 101), l4 = 14 + 4 * vlan + (v6 ? 40 : 20);
		size_t at = l4 - (v6 ? 32 : 8), length = size - l4;
		struct net_takes takes = { .sg = true, .csum4 = true, .csum6 = takes6 };
		struct virtio_net_hdr tap = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = l4, .csum_offset = tcp ? 16 : 6 };
		uint32_t pseudo = whole_sum(p + at, v6 ? 32 : 8, (tcp ? IPPROTO_TCP : IPPROTO_UDP) + length);
		struct net_rx_packet out;

		p[l4 + tap.csum_offset] = pseudo >> 8;
		p[l4 + tap.csum_offset + 1] = pseudo;
		assert_null(net_from_tap(&tap, p, size, &takes, &out));
		blank = !vlan && (!v6 || takes6);
		assert_int_equal(out.csum_blank, blank);
		if (!blank) {
			assert_true(out.data_validated);
			assert_int_equal(whole_sum(p + l4, length, pseudo), 0xffff);
		}
	}
}

static void tagged_gso_packet_is_cut_into_whole_segments(void **state)
{
	static uint8_t p[8192], out[8192];

	for (int v6 = 0; v6 < 2; v6++) {
		size_t size = make_packet(p, v6, true, true, true, 3001), got = 0, n;
		struct net_takes takes = { .sg = true, .csum4 = true, .csum6 = true, .gso4 = true, .gso6 = true };
		struct virtio_net_hdr tap = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_size = 1400,
					      .gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4 };
		struct net_rx_packet packet;
		struct net_headers h;

		assert_ptr_equal(net_from_tap(&tap, p, size, &takes, &packet), net_to_be_cut);
		assert_true(net_parse(p, size, &h));
		p[h.l4 + 7] = 200;	/* the sequence number; it carries over */
		p[h.l4 + 13] = 0x99;	/* CWR, ACK, PSH, FIN */
		for (unsigned int i = 0; (n = net_segment(p, size, &h, 1400, i, out)) != 0; i++) {
			uint32_t sequence = out[h.l4 + 4] << 24 | out[h.l4 + 5] << 16 | out[h.l4 + 6] << 8 | out[h.l4 + 7];
			size_t addresses = h.l3 + (v6 ? 8 : 12), length = n - h.l4;

			assert_int_equal(sequence, 200 + i * 1400);
			assert_int_equal(out[h.l4 + 13], i == 0 ? 0x90 : i == 1 ? 0x10 : 0x19);
			assert_memory_equal(out + h.end, p + h.end + got, n - h.end);
			assert_int_equal(whole_sum(out + h.l4, length, whole_sum(out + addresses, v6 ? 32 : 8, IPPROTO_TCP + length)),
					 0xffff);
			if (!v6)
				assert_int_equal(whole_sum(out + h.l3, h.l4 - h.l3, 0), 0xffff);
			assert_int_equal(v6 ? out[h.l3 + 4] << 8 | out[h.l3 + 5] : out[h.l3 + 2] << 8 | out[h.l3 + 3],
					 n - h.l3 - (v6 ? 40 : 0));
			got += n - h.end;
		}
		assert_int_equal(got, 3001);
	}
}

static void tap_that_speaks_of_bytes_outside_is_not_believed(void **state)
{
	static uint8_t p[4096];
	struct virtio_net_hdr tap = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 90, .csum_offset = 9 };
	struct net_takes takes = { .csum4 = true };
	struct net_rx_packet out;

	assert_non_null(net_from_tap(&tap, p, 100, &takes, &out));
	tap = (struct virtio_net_hdr){ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1448 };
	assert_non_null(net_from_tap(&tap, p, 100, &takes, &out));
	tap = (struct virtio_net_hdr){ 0 };
	assert_non_null(net_from_tap(&tap, p, 13, &takes, &out));
	assert_null(net_from_tap(&tap, p, 4096, &takes, &out));
}

/* --- groups, rates ------------------------------------------------------------------------------ */

static void guest_gets_the_groups_it_joined(void **state)
{
	struct net_groups groups = { 0 };
	uint8_t mac[6] = { 0x33, 0x33, 0, 0, 0, 0 }, all[6] = { 255, 255, 255, 255, 255, 255 }, one[6] = { 2 };

	assert_true(net_group_filtered(&groups, mac));
	assert_false(net_group_filtered(&groups, all));
	assert_false(net_group_filtered(&groups, one));
	for (int i = 0; i < NET_GROUPS_MAX; i++) {
		mac[5] = i;
		assert_true(net_group_add(&groups, mac));
		assert_true(net_group_add(&groups, mac));
	}
	assert_int_equal(groups.count, NET_GROUPS_MAX);
	mac[5] = NET_GROUPS_MAX;
	assert_false(net_group_add(&groups, mac));
	assert_true(net_group_filtered(&groups, mac));
	mac[5] = 3;
	assert_false(net_group_filtered(&groups, mac));
	net_group_remove(&groups, mac);
	net_group_remove(&groups, mac);
	assert_true(net_group_filtered(&groups, mac));
	mac[5] = NET_GROUPS_MAX - 1;
	assert_false(net_group_filtered(&groups, mac));
	assert_int_equal(groups.count, NET_GROUPS_MAX - 1);
}

static void rate_is_kept_over_time(void **state)
{
	struct net_rate rate;
	uint64_t sent = 0, now = 0;

	assert_true(net_rate_parse(&rate, "1000000,50000"));	/* 20 MB/s */
	for (now = 0; now < 1000000000; now += 100000)
		while (net_rate_take(&rate, now, 1500))
			sent += 1500;
	assert_in_range(sent, 19000000, 21100000);
	/* A rate below one packet a period still lets packets through. */
	assert_true(net_rate_parse(&rate, "1000,1000"));
	for (sent = 0, now = 0; now < 1000000000; now += 100000)
		if (net_rate_take(&rate, now, 65535))
			sent += 65535;
	assert_in_range(sent, 800000, 1200000);
	assert_true(net_rate_parse(&rate, NULL));
	assert_true(net_rate_take(&rate, 0, 65535));
	assert_true(net_rate_parse(&rate, "0,50000"));
	assert_true(net_rate_take(&rate, 0, 65535));
	assert_false(net_rate_parse(&rate, "12"));
	assert_false(net_rate_parse(&rate, "12,x"));
	assert_false(net_rate_parse(&rate, "99999999999,5"));
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(packet_in_one_slot_is_taken_and_answered),
		TEST(large_packet_has_its_parts_and_its_extra_slot),
		TEST(batch_ends_between_packets),
		TEST(packets_given_back_are_taken_again),
		TEST(wrong_packet_costs_itself_alone),
		TEST(packet_of_19_parts_is_refused_whole),
		TEST(gso_without_sense_is_refused),
		TEST(index_that_jumps_breaks_the_ring),
		TEST(requests_over_unanswered_ones_break_the_ring),
		TEST(packet_without_an_end_breaks_the_ring),
		TEST(endless_extra_slots_break_the_ring),
		TEST(frontend_joins_and_leaves_groups_without_sending),
		TEST(armed_ring_says_what_came_meanwhile),
		TEST(packet_for_the_guest_fills_pages_in_order),
		TEST(page_that_can_not_be_filled_comes_back_with_an_error),
		TEST(tx_is_answered_once_wherever_the_worker_died),
		TEST(rx_is_answered_once_wherever_the_worker_died),
		TEST(ring_that_contradicts_the_journal_is_broken),
		TEST(offsets_are_found_in_every_form_of_headers),
		TEST(gso_must_be_of_the_kind_it_says),
		TEST(gso_without_a_pseudo_sum_gets_one),
		TEST(packet_without_a_blank_checksum_is_not_looked_at),
		TEST(checksum_that_the_frontend_can_not_finish_is_finished),
		TEST(tagged_gso_packet_is_cut_into_whole_segments),
		TEST(tap_that_speaks_of_bytes_outside_is_not_believed),
		TEST(guest_gets_the_groups_it_joined),
		TEST(rate_is_kept_over_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
