// SPDX-License-Identifier: MIT
/*
 * Fuzzes what a guest can write into the rings of its network card, with workers that come and go, and what it can send.
 * The input is a row of steps of one byte and its arguments:
 *
 *	0 n			n tx slots follow, 12 bytes each; they go into the ring as an honest frontend would put them
 *	1 w v3 v2 v1 v0		index w of both rings' is set to v
 *	2 at n ...		n bytes go into the tx ring's page, wherever
 *	3 n a			a batch of up to n requests is taken; the frontend scribbles (a); all are sent, or given back, or the
 *				worker dies after some of them
 *	4 n			the guest offers n pages
 *	5 s2 s1 g		a packet of that size comes; GSO g
 *	6			the batch for the guest is shown
 *	7			the worker dies; another comes
 *	8 n ...			a packet of n bytes is parsed as if its first bytes were those, in both directions
 *
 * What must hold: nothing is read or written outside (the sanitizers see to that); each part of a packet that is to be
 * sent lies within one page, and together they are the packet; no answer is shown for a request that was not taken, and
 * what is shown never goes back or ahead of the journal; a broken ring gives no more requests.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "headers.h"
#include "protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *tx_page, *rx_page;
static struct net_journal journal;
static struct net_ring tx, rx;
static struct net_tx_batch batch;
static struct net_rx_batch rx_batch;
static struct net_groups groups;

static void must(bool held)
{
	if (!held)
		abort();
}

static struct xen_ring_head *head(uint8_t *page)
{
	return (void *)page;
}

static void attach(void)
{
	memset(&rx_batch, 0, sizeof(rx_batch));
	if (net_tx_attach(&tx, tx_page, &journal))
		must(head(tx_page)->rsp_prod == journal.tx.done && tx.cons == journal.tx.done);
	if (net_rx_attach(&rx, rx_page, &journal))
		must(head(rx_page)->rsp_prod == journal.rx.done && rx.cons == journal.rx.done);
	must(net_ring_waiting(&tx) <= NET_SLOTS && net_ring_waiting(&rx) <= NET_SLOTS);
}

static void check_packet(const struct net_packet *p)
{
	uint32_t sum = 0;

	must(p->requests && p->request + p->requests <= batch.request_count && p->part + p->parts <= batch.part_count);
	if (p->refused || p->group_action) {
		must(!p->parts);
		return;
	}
	must(p->parts && p->parts <= XEN_NETIF_NR_SLOTS_MIN && p->size >= 14 && p->size <= XEN_NETIF_MAX_TX_SIZE);
	for (unsigned int i = p->part; i < p->part + p->parts; i++) {
		must(batch.part[i].offset + batch.part[i].size <= NET_PAGE);
		sum += batch.part[i].size;
	}
	must(sum == p->size);
	must(p->gso_type <= XEN_NETIF_GSO_TYPE_TCPV6 && !p->gso_type == !p->gso_size);
}

static void send_batch(unsigned int most, uint8_t after)
{
	uint32_t shown = journal.tx.shown, cons = tx.cons;
	bool broken = tx.broken;
	unsigned int packets = net_tx_take(&tx, &batch, most), done;

	must(!broken || !packets);
	must(batch.request_count <= NET_SLOTS && batch.part_count <= NET_SLOTS && tx.cons == cons + batch.request_count);
	for (unsigned int i = 0; i < packets; i++)
		check_packet(&batch.packet[i]);
	memset(tx_page + 64 + after, after, 64);
	done = packets ? after % (packets + 1) : 0;
	if (after & 1)
		net_tx_give_back(&tx, &batch, packets - done);
	for (unsigned int i = 0; i < done; i++)
		net_tx_done(&tx, &journal, &batch, i, NETIF_RSP_OKAY);
	if (done < packets && !(after & 1)) {
		attach();
		return;
	}
	net_tx_show(&tx, &journal);
	must(journal.tx.shown == journal.tx.done && journal.tx.shown - shown <= NET_SLOTS);
	must(head(tx_page)->rsp_prod == journal.tx.shown || journal.tx.shown == shown);
}

static void receive(uint32_t size, uint8_t gso)
{
	struct net_rx_packet p = { .size = size % NET_FRAME_MAX + 1, .csum_blank = gso & 4, .gso_type = gso % 3, .gso_size = 1000 };
	struct net_rx_copy copies[NET_FRAME_MAX / NET_PAGE];
	uint32_t sum = 0, cons = rx.cons;
	unsigned int count = net_rx_take(&rx, &rx_batch, &p, copies);

	must(count <= NET_FRAME_MAX / NET_PAGE && rx_batch.count <= NET_SLOTS && rx.cons == journal.rx.done + rx_batch.count);
	for (unsigned int i = 0; i < count; i++) {
		must(copies[i].from == sum && copies[i].size <= NET_PAGE && copies[i].slot < rx_batch.count);
		sum += copies[i].size;
		if (gso & 8)
			net_rx_failed(&rx_batch, copies[i].slot);
	}
	must(count ? sum == p.size : rx.cons == cons);
}

/* The segments are the packet, each no larger than it. */
static void cut(const uint8_t *packet, size_t size, uint16_t gso_size)
{
	uint8_t *out = malloc(size);
	struct net_headers h;
	size_t sum = 0, n;

	must(net_parse(packet, size, &h));
	for (unsigned int i = 0; (n = net_segment(packet, size, &h, gso_size, i, out)) != 0; i++) {
		must(n > h.end && n <= size && n - h.end <= gso_size);
		sum += n - h.end;
	}
	must(sum == (gso_size ? size - h.end : 0));
	free(out);
}

/* Exactly as many bytes as there are, so that the sanitizer sees each that is read beyond. */
static void parse(const uint8_t *bytes, size_t count)
{
	struct net_takes takes = { .sg = count & 1, .csum4 = count & 2, .csum6 = count & 4, .gso4 = count & 8, .gso6 = count & 16 };
	struct net_packet p = { .size = count, .csum_blank = true, .gso_type = count % 3, .gso_size = 1448 };
	uint8_t *exact = malloc(count + !count);
	struct virtio_net_hdr tap;
	struct net_rx_packet out;

	memcpy(exact, bytes, count);
	if (!net_to_tap(&p, exact, count, &tap) && tap.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		must((size_t)tap.csum_start + tap.csum_offset + 2 <= count && tap.hdr_len <= count);
	if (count >= sizeof(tap)) {
		memcpy(&tap, exact, sizeof(tap));
		const char *problem = net_from_tap(&tap, exact + sizeof(tap), count - sizeof(tap), &takes, &out);

		if (problem == net_to_be_cut)
			cut(exact + sizeof(tap), count - sizeof(tap), tap.gso_size);
		if (!problem)
			must(out.size == count - sizeof(tap) && !out.gso_type == !out.gso_size);
		if (count >= sizeof(tap) + NET_MAC_SIZE && !net_group_filtered(&groups, exact + sizeof(tap)))
			net_group_remove(&groups, exact + sizeof(tap));
		else if (count >= sizeof(tap) + NET_MAC_SIZE)
			net_group_add(&groups, exact + sizeof(tap));
	}
	free(exact);
}

static void offer(unsigned int pages)
{
	while (pages--)
		memset(rx_page + 64 + (head(rx_page)->req_prod++ % NET_SLOTS) * 8, pages, 8);
}

static void put_slots(const uint8_t *slots, unsigned int count)
{
	for (; count; count--, slots += 12)
		memcpy(tx_page + 64 + (head(tx_page)->req_prod++ % NET_SLOTS) * 12, slots, 12);
}

/* Bytes of a step's arguments. */
static size_t length(const uint8_t *p, size_t size)
{
	static const uint8_t fixed[] = { 2, 6, 3, 3, 2, 4, 1, 1, 2 };
	size_t need = fixed[p[0] % 9];

	if (need > size)
		return size + 1;
	if (p[0] % 9 == 0)
		need += p[1] * 12;
	else if (p[0] % 9 == 2)
		need += p[2];
	else if (p[0] % 9 == 8)
		need += p[1];
	return need;
}

static void step(const uint8_t *p)
{
	uint32_t v;

	switch (p[0] % 9) {
	case 0:
		put_slots(p + 2, p[1]);
		break;
	case 1:
		memcpy(&v, p + 2, sizeof(v));
		((uint32_t *)(p[1] & 4 ? rx_page : tx_page))[p[1] % 4] = v;
		break;
	case 2:
		memcpy(tx_page + 64 + p[1] * 15, p + 3, p[2] < 4032 - p[1] * 15 ? p[2] : 4032 - p[1] * 15);
		break;
	case 3:
		send_batch(p[1] + 1, p[2]);
		break;
	case 4:
		offer(p[1]);
		break;
	case 5:
		receive(p[1] << 8 | p[2], p[3]);
		break;
	case 6:
		net_rx_show(&rx, &journal, &rx_batch);
		must(journal.rx.shown == journal.rx.done || rx.broken);
		break;
	case 7:
		attach();
		break;
	default:
		parse(p + 2, p[1]);
	}
	net_ring_arm(&tx, 1);
	net_ring_arm(&rx, 18);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tx_page = aligned_alloc(4096, 4096);
	rx_page = aligned_alloc(4096, 4096);
	memset(tx_page, 0, 4096);
	memset(rx_page, 0, 4096);
	memset(&groups, 0, sizeof(groups));
	net_journal_start(&journal, tx_page, rx_page);
	attach();
	while (size) {
		size_t used = length(data, size);

		if (used > size)
			break;
		step(data);
		data += used;
		size -= used;
	}
	free(tx_page);
	free(rx_page);
	return 0;
}
