// SPDX-License-Identifier: MIT
/* The rings of a network card; the rules and invariants are in protocol.h. */
#include <string.h>
#include "protocol.h"

/* Memory that a kill may cut off between any two stores, or that the frontend reads. */
#define STORE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELEASE)
#define LOAD(x)		__atomic_load_n(&(x), __ATOMIC_ACQUIRE)

static bool break_ring(struct net_ring *r, const char *why)
{
	if (!r->broken)
		r->broken = why;
	return false;
}

/* Copies a slot of @words words once: the compiler may not read it again. */
static void copy_slot(uint32_t *to, const struct xen_ring_head *head, uint32_t index, unsigned int words)
{
	const volatile uint32_t *from = (const volatile uint32_t *)(head + 1) + (index % NET_SLOTS) * words;

	for (unsigned int i = 0; i < words; i++)
		to[i] = from[i];
}

void net_journal_start(struct net_journal *journal, const void *tx_page, const void *rx_page)
{
	uint32_t tx = LOAD(((const struct xen_ring_head *)tx_page)->rsp_prod);
	uint32_t rx = LOAD(((const struct xen_ring_head *)rx_page)->rsp_prod);

	memset(journal, 0, sizeof(*journal));
	journal->tx = (struct net_journal_ring){ tx, tx };
	journal->rx = (struct net_journal_ring){ rx, rx };
}

/* Where answers are still to be shown, in *@from; false if the ring contradicts the journal (protocol.h, 3). */
static bool attach(struct net_ring *r, void *page, struct net_journal_ring *journal, uint32_t *from)
{
	uint32_t done = LOAD(journal->done), shown = LOAD(journal->shown), in_ring;

	*r = (struct net_ring){ .head = page, .journal = journal, .cons = done };
	in_ring = LOAD(r->head->rsp_prod);
	if (done - shown > NET_SLOTS || in_ring - shown > done - shown)
		return break_ring(r, "its rsp_prod is not where it was left");
	*from = in_ring;
	return true;
}

static void show(struct net_ring *r, uint32_t done)
{
	STORE(r->head->rsp_prod, done);
	STORE(r->journal->shown, done);
}

static void write_tx(struct net_ring *r, const struct net_journal *journal, uint32_t from)
{
	struct netif_tx_request *slot = (void *)(r->head + 1);

	for (uint32_t i = from; i != r->journal->done; i++) {
		const struct netif_tx_response *answer = &journal->tx_answer[i % NET_SLOTS];

		*(volatile uint32_t *)&slot[i % NET_SLOTS] = answer->id | (uint32_t)(uint16_t)answer->status << 16;
	}
}

static void write_rx(struct net_ring *r, const struct net_journal *journal, uint32_t from)
{
	volatile uint64_t *slot = (volatile uint64_t *)(r->head + 1);

	for (uint32_t i = from; i != r->journal->done; i++)
		slot[i % NET_SLOTS] = journal->rx_answer[i % NET_SLOTS];
}

bool net_tx_attach(struct net_ring *r, void *page, struct net_journal *journal)
{
	uint32_t from;

	if (!attach(r, page, &journal->tx, &from))
		return false;
	write_tx(r, journal, from);
	show(r, journal->tx.done);
	return true;
}

bool net_rx_attach(struct net_ring *r, void *page, struct net_journal *journal)
{
	uint32_t from;

	if (!attach(r, page, &journal->rx, &from))
		return false;
	write_rx(r, journal, from);
	show(r, journal->rx.done);
	return true;
}

uint32_t net_ring_waiting(struct net_ring *r)
{
	uint32_t waiting = LOAD(r->head->req_prod) - r->cons;

	if (r->broken)
		return 0;
	/* Requests in the ring and requests not answered share its slots. */
	if (waiting + (r->cons - r->journal->shown) > NET_SLOTS || waiting > NET_SLOTS) {
		break_ring(r, "its req_prod jumps");
		return 0;
	}
	return waiting;
}

bool net_ring_arm(struct net_ring *r, uint32_t more)
{
	STORE(r->head->req_event, r->cons + more);
	xen_ring_mb();
	return net_ring_waiting(r) >= more;
}

/* --- packets that leave the guest ------------------------------------------------- */

/* What is being put together of one packet. */
struct taking {
	struct net_ring *r;
	struct net_tx_batch *batch;
	uint32_t next, end;		/* ring indices */
	struct net_packet *p;
};

static void add_answer(struct taking *t, uint16_t id, int16_t status)
{
	t->batch->answer[t->p->request + t->p->requests++] = (struct netif_tx_response){ .id = id, .status = status };
}

static void refuse(struct net_packet *p, const char *why)
{
	if (!p->refused)
		p->refused = why;
}

static void take_one_extra(struct net_packet *p, const struct netif_extra_info *extra)
{
	switch (extra->type) {
	case XEN_NETIF_EXTRA_TYPE_GSO:
		p->gso_type = extra->u.gso.type;
		p->gso_size = extra->u.gso.size;
		if (p->gso_type != XEN_NETIF_GSO_TYPE_TCPV4 && p->gso_type != XEN_NETIF_GSO_TYPE_TCPV6)
			refuse(p, "a kind of GSO that is none");
		else if (!p->gso_size)
			refuse(p, "GSO with segments of 0 bytes");
		break;
	case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
	case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
		p->group_action = extra->type;
		memcpy(p->group, extra->u.mcast.addr, NET_MAC_SIZE);
		break;
	default:	/* a hash: dom0's kernel makes its own */
		break;
	}
}

static bool take_extras(struct taking *t)
{
	struct netif_extra_info extra;

	do {
		uint32_t slot[3];

		if (t->next == t->end)
			return break_ring(t->r, "an extra slot is missing");
		copy_slot(slot, t->r->head, t->next++, 3);
		memcpy(&extra, slot, sizeof(extra));
		add_answer(t, 0, NETIF_RSP_NULL);
		if (extra.type == XEN_NETIF_EXTRA_TYPE_NONE || extra.type >= XEN_NETIF_EXTRA_TYPE_MAX)
			return break_ring(t->r, "an extra slot of an unknown kind");
		take_one_extra(t->p, &extra);
	} while (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return true;
}

static void add_part(struct taking *t, const struct netif_tx_request *request, uint32_t size)
{
	if (request->offset + size > NET_PAGE)
		refuse(t->p, "a part that is not within one page");
	t->batch->part[t->batch->part_count++] = (struct net_part){ request->gref, request->offset, size };
	t->p->parts++;
}

/* The slots behind the first; their bytes in *@bytes. */
static bool take_more(struct taking *t, uint32_t *bytes)
{
	struct netif_tx_request request;

	do {
		uint32_t slot[3];

		if (t->next == t->end)
			return break_ring(t->r, "the rest of a packet is missing");
		copy_slot(slot, t->r->head, t->next++, 3);
		memcpy(&request, slot, sizeof(request));
		add_answer(t, request.id, NETIF_RSP_OKAY);
		add_part(t, &request, request.size);
		*bytes += request.size;
	} while (request.flags & NETTXF_more_data);
	return true;
}

/* Judges the packet as a whole. */
static void check_packet(struct net_packet *p, uint32_t rest)
{
	if (p->group_action)
		return;
	if (rest > p->size)
		refuse(p, "parts that are larger than the whole");
	if (p->size < 14)
		refuse(p, "a packet shorter than an Ethernet header");
	if (p->parts > XEN_NETIF_NR_SLOTS_MIN)
		refuse(p, "a packet in more than 18 parts");
}

/* One packet from t->next on; false if the ring is broken, or the packet has more than @most requests. */
static bool take_packet(struct taking *t, unsigned int most)
{
	struct net_tx_batch *batch = t->batch;
	struct netif_tx_request first;
	unsigned int part = batch->part_count;
	uint32_t slot[3], rest = 0;

	t->p = &batch->packet[batch->packet_count];
	*t->p = (struct net_packet){ .request = batch->request_count, .part = part };
	copy_slot(slot, t->r->head, t->next++, 3);
	memcpy(&first, slot, sizeof(first));
	t->p->size = first.size;
	t->p->csum_blank = first.flags & NETTXF_csum_blank;
	t->p->data_validated = first.flags & NETTXF_data_validated;
	add_answer(t, first.id, NETIF_RSP_OKAY);
	batch->part[batch->part_count++] = (struct net_part){ first.gref, first.offset, 0 };
	t->p->parts = 1;
	if (((first.flags & NETTXF_extra_info) && !take_extras(t)) || ((first.flags & NETTXF_more_data) && !take_more(t, &rest)) ||
	    t->p->requests > most) {
		batch->part_count = part;
		return false;
	}
	check_packet(t->p, rest);
	if (!t->p->refused && !t->p->group_action) {
		if (first.offset + (first.size - rest) > NET_PAGE)
			refuse(t->p, "a first part that is not within one page");
		batch->part[part].size = first.size - rest;
	}
	if (t->p->refused || t->p->group_action) {
		batch->part_count = part;
		t->p->parts = 0;
	}
	batch->request_count += t->p->requests;
	batch->packet_count++;
	return true;
}

unsigned int net_tx_take(struct net_ring *r, struct net_tx_batch *batch, unsigned int most)
{
	struct taking t = { .r = r, .batch = batch, .next = r->cons };

	batch->first = r->cons;
	batch->packet_count = batch->part_count = batch->request_count = 0;
	t.end = r->cons + net_ring_waiting(r);
	xen_ring_rmb();
	while (t.next != t.end && batch->request_count < most) {
		if (!take_packet(&t, batch->packet_count ? most - batch->request_count : NET_SLOTS))
			break;
		r->cons = t.next;
	}
	return batch->packet_count;
}

void net_tx_give_back(struct net_ring *r, struct net_tx_batch *batch, unsigned int packets)
{
	while (packets-- && batch->packet_count) {
		const struct net_packet *p = &batch->packet[--batch->packet_count];

		r->cons -= p->requests;
		batch->request_count -= p->requests;
		batch->part_count = p->part;
	}
}

void net_tx_done(struct net_ring *r, struct net_journal *journal, const struct net_tx_batch *batch, unsigned int packet,
		 int16_t status)
{
	const struct net_packet *p = &batch->packet[packet];

	for (unsigned int i = p->request; i < p->request + p->requests; i++) {
		struct netif_tx_response answer = batch->answer[i];

		if (answer.status != NETIF_RSP_NULL)
			answer.status = status;
		journal->tx_answer[(batch->first + i) % NET_SLOTS] = answer;
	}
	STORE(r->journal->done, batch->first + p->request + p->requests);
}

bool net_tx_show(struct net_ring *r, struct net_journal *journal)
{
	uint32_t old = r->journal->shown, done = r->journal->done;

	if (old == done)
		return false;
	write_tx(r, journal, old);
	show(r, done);
	xen_ring_mb();
	return done - LOAD(r->head->rsp_event) < done - old;
}

/* --- packets that come to the guest ------------------------------------------------- */

static uint64_t rx_word(const void *slot)
{
	uint64_t word;

	memcpy(&word, slot, sizeof(word));
	return word;
}

static uint64_t gso_answer(const struct net_rx_packet *packet)
{
	struct netif_extra_info extra = { .type = XEN_NETIF_EXTRA_TYPE_GSO };

	extra.u.gso.size = packet->gso_size;
	extra.u.gso.type = packet->gso_type;
	return rx_word(&extra);
}

unsigned int net_rx_take(struct net_ring *r, struct net_rx_batch *batch, const struct net_rx_packet *packet,
			 struct net_rx_copy *copies)
{
	bool gso = packet->gso_type != XEN_NETIF_GSO_TYPE_NONE;
	unsigned int need = net_rx_slots(packet->size, gso), count = 0;

	if (net_ring_waiting(r) < need)
		return 0;
	xen_ring_rmb();
	for (uint32_t left = packet->size; left; count++) {
		uint32_t size = left < NET_PAGE ? left : NET_PAGE, slot[2];
		struct netif_rx_response answer = { .status = size };
		struct netif_rx_request request;

		copy_slot(slot, r->head, r->cons, 2);
		memcpy(&request, slot, sizeof(request));
		left -= size;
		answer.id = request.id;
		answer.flags = left ? NETRXF_more_data : 0;
		if (!count) {
			answer.flags |= packet->csum_blank ? NETRXF_csum_blank | NETRXF_data_validated : 0;
			answer.flags |= packet->data_validated ? NETRXF_data_validated : 0;
			answer.flags |= gso ? NETRXF_extra_info : 0;
		}
		copies[count] = (struct net_rx_copy){ request.gref, packet->size - left - size, size, batch->count };
		batch->answer[batch->count++] = rx_word(&answer);
		r->cons++;
		if (!count && gso) {
			batch->answer[batch->count++] = gso_answer(packet);
			r->cons++;
		}
	}
	return count;
}

void net_rx_failed(struct net_rx_batch *batch, unsigned int slot)
{
	struct netif_rx_response answer;

	memcpy(&answer, &batch->answer[slot], sizeof(answer));
	answer.status = NETIF_RSP_ERROR;
	batch->answer[slot] = rx_word(&answer);
}

bool net_rx_show(struct net_ring *r, struct net_journal *journal, struct net_rx_batch *batch)
{
	uint32_t old = r->journal->shown, done = r->journal->done;

	if (!batch->count)
		return false;
	for (unsigned int i = 0; i < batch->count; i++)
		journal->rx_answer[(done + i) % NET_SLOTS] = batch->answer[i];
	done += batch->count;
	batch->count = 0;
	STORE(r->journal->done, done);
	write_rx(r, journal, old);
	show(r, done);
	xen_ring_mb();
	return done - LOAD(r->head->rsp_event) < done - old;
}

/* --- multicast ------------------------------------------------------------------------ */

static uint32_t group_count(const struct net_groups *groups)
{
	return groups->count < NET_GROUPS_MAX ? groups->count : NET_GROUPS_MAX;
}

static uint32_t find_group(const struct net_groups *groups, const uint8_t mac[NET_MAC_SIZE])
{
	uint32_t i = 0;

	while (i < group_count(groups) && memcmp(groups->mac[i], mac, NET_MAC_SIZE))
		i++;
	return i;
}

bool net_group_add(struct net_groups *groups, const uint8_t mac[NET_MAC_SIZE])
{
	uint32_t i = find_group(groups, mac);

	if (i == NET_GROUPS_MAX)
		return false;
	if (i < group_count(groups))
		return true;
	memcpy(groups->mac[i], mac, NET_MAC_SIZE);
	STORE(groups->count, i + 1);
	return true;
}

void net_group_remove(struct net_groups *groups, const uint8_t mac[NET_MAC_SIZE])
{
	uint32_t i = find_group(groups, mac), last = group_count(groups);

	if (i == last)
		return;
	memmove(groups->mac[i], groups->mac[last - 1], NET_MAC_SIZE);
	STORE(groups->count, last - 1);
}

bool net_group_filtered(const struct net_groups *groups, const uint8_t mac[NET_MAC_SIZE])
{
	static const uint8_t broadcast[NET_MAC_SIZE] = { 255, 255, 255, 255, 255, 255 };

	return (mac[0] & 1) && memcmp(mac, broadcast, NET_MAC_SIZE) && find_group(groups, mac) == group_count(groups);
}
