/* SPDX-License-Identifier: MIT */
/*
 * The rings of a network card, seen from the backend (xen/io/netif.h has the layout and its rules). Pure: ring pages in,
 * lists of checked packets and of pages to copy out; nothing here calls the kernel.
 *
 * The frontend owns the pages and may write anything at any time, and the worker may be killed at any instruction. So:
 *
 *  1. A slot is copied once; only the copy is checked and used. Of the page's indices only req_prod and the event indices
 *     are read (and rsp_prod once, at the start), and req_prod is believed only while what it announces fits in the ring
 *     beside what is not answered.
 *  2. Requests are answered in the order in which they came: the answer to request i is response i. So one number, `done`,
 *     says which requests are dealt with; those behind it are still in the ring as the frontend wrote them.
 *  3. An answer is put in the journal (memory that outlives the worker) first, then `done` moves past it, then it is
 *     written into the ring, then rsp_prod moves, then `shown`. After a kill the ring's rsp_prod lies in [shown, done];
 *     what is from there to `done` is written again from the journal, which is the same bytes, and shown. Nothing is
 *     answered twice, and nothing stays unanswered.
 *  4. For packets that leave the guest, `done` moves past a packet before the tap gets it: a kill loses at most one, and
 *     sends none twice. For packets that come, it moves after the copying: a kill loses those that were read from the tap
 *     and not yet shown.
 *  5. What cannot be parsed further (an index that jumps, a packet or its extra slots that have no end, an unknown
 *     kind of extra slot) breaks the ring for good, with one reason. Anything else wrong with a packet costs that packet.
 */
#ifndef NETBACK_PROTOCOL_H
#define NETBACK_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/io/netif.h>

#define NET_SLOTS	256u	/* of one page, for both rings */
#define NET_PAGE	4096u
#define NET_MAC_SIZE	6
#define NET_GROUPS_MAX	64	/* multicast groups that a frontend may join */

/* Of one ring, in memory that the keeper owns. `shown` <= `done`, modulo 2^32. */
struct net_journal_ring {
	uint32_t done, shown;
};

struct net_journal {
	struct net_journal_ring tx, rx;
	struct netif_tx_response tx_answer[NET_SLOTS];
	uint64_t rx_answer[NET_SLOTS];		/* a response or an extra slot */
};

/* The multicast groups that reach the guest, while it asks for such a choice. For the whole card, in the journal too. */
struct net_groups {
	uint32_t count;
	uint8_t mac[NET_GROUPS_MAX][NET_MAC_SIZE];
};

struct net_ring {
	struct xen_ring_head *head;		/* the page */
	struct net_journal_ring *journal;
	uint32_t cons;				/* the next request to take */
	const char *broken;			/* what the frontend did; no more requests are taken then */
};

/*
 * Goes on where the journal is (all zero for a ring that was just connected; then where the ring's rsp_prod is): completes
 * the answers of a worker that was killed. Returns false, and the ring is broken, if the ring contradicts the journal.
 * The frontend must be notified afterwards, for nobody knows whether it was.
 */
bool net_tx_attach(struct net_ring *r, void *page, struct net_journal *journal);
bool net_rx_attach(struct net_ring *r, void *page, struct net_journal *journal);
/* For a ring that was just connected: the journal begins where the frontend has it. */
void net_journal_start(struct net_journal *journal, const void *tx_page, const void *rx_page);

/* Requests that wait; 0 if none, or if the ring is broken. */
uint32_t net_ring_waiting(struct net_ring *r);
/*
 * Asks to be notified once @more requests have come behind those taken. Returns true if they are there already: then
 * there may be no notification.
 */
bool net_ring_arm(struct net_ring *r, uint32_t more);

/* --- packets that leave the guest (tx) ---------------------------------------- */

/* A part of a packet: at most one page of the guest's. */
struct net_part {
	uint32_t gref;
	uint16_t offset, size;
};

struct net_packet {
	uint16_t request, requests;	/* which of the batch's answers are its, the extra slots counted */
	uint16_t part, parts;		/* which of the batch's parts; their sizes add up to size */
	uint32_t size;
	const char *refused;		/* why it is not sent; it is answered with an error */
	uint16_t gso_size;		/* 0: no GSO */
	uint8_t gso_type;		/* XEN_NETIF_GSO_TYPE_* */
	bool csum_blank, data_validated;
	uint8_t group_action;		/* XEN_NETIF_EXTRA_TYPE_MCAST_ADD, _DEL, or 0: this is no packet */
	uint8_t group[NET_MAC_SIZE];
};

struct net_tx_batch {
	uint32_t first;			/* ring index of answer 0 */
	unsigned int packet_count, part_count, request_count;
	struct net_packet packet[NET_SLOTS];
	struct net_part part[NET_SLOTS];
	struct netif_tx_response answer[NET_SLOTS];	/* ids are filled in; status is that of extra slots, or OKAY */
};

/*
 * Takes whole packets of up to @most requests together (at least one packet, if any waits). Returns how many packets.
 * If the ring breaks, those before the damage are in the batch.
 */
unsigned int net_tx_take(struct net_ring *r, struct net_tx_batch *batch, unsigned int most);
/* Gives the last taken @packets of the batch back: they will be taken again. */
void net_tx_give_back(struct net_ring *r, struct net_tx_batch *batch, unsigned int packets);
/* The packet is dealt with (invariant 4); @status is NETIF_RSP_*. Packets in their order. */
void net_tx_done(struct net_ring *r, struct net_journal *journal, const struct net_tx_batch *batch, unsigned int packet,
		 int16_t status);
/* Shows all answers. Returns whether the frontend wants to be notified. */
bool net_tx_show(struct net_ring *r, struct net_journal *journal);

/* --- packets that come to the guest (rx) -------------------------------------- */

/* Slots that a packet of @size bytes takes. */
static inline uint32_t net_rx_slots(uint32_t size, bool gso)
{
	return (size + NET_PAGE - 1) / NET_PAGE + gso;
}

struct net_rx_packet {
	uint32_t size;			/* bytes, at least 1 */
	bool csum_blank, data_validated;
	uint8_t gso_type;		/* XEN_NETIF_GSO_TYPE_* */
	uint16_t gso_size;
};

/* A page of the guest's to be filled from the start, with @size bytes from byte @from of the packet on. */
struct net_rx_copy {
	uint32_t gref;
	uint32_t from;
	uint16_t size;
	uint16_t slot;			/* of the answer: net_rx_failed() */
};

/* Answers being prepared: slots [done, done + count) of the ring. */
struct net_rx_batch {
	unsigned int count;
	uint64_t answer[NET_SLOTS];
};

/*
 * Takes as many requests as the packet needs and prepares their answers. @copies has room for 17. Returns how many copies
 * there are, or 0 if not enough requests wait; then none was taken.
 */
unsigned int net_rx_take(struct net_ring *r, struct net_rx_batch *batch, const struct net_rx_packet *packet,
			 struct net_rx_copy *copies);
/* The page of that answer could not be filled. */
void net_rx_failed(struct net_rx_batch *batch, unsigned int slot);
/* All pages are filled: records the answers, shows them, and empties the batch. Returns whether to notify. */
bool net_rx_show(struct net_ring *r, struct net_journal *journal, struct net_rx_batch *batch);

/* --- multicast ----------------------------------------------------------------- */

/* False if there is no room. A group that is there, or is not, is no error. */
bool net_group_add(struct net_groups *groups, const uint8_t mac[NET_MAC_SIZE]);
void net_group_remove(struct net_groups *groups, const uint8_t mac[NET_MAC_SIZE]);
/* Whether a frame to @mac is one that the guest did not ask for. Broadcast always passes. */
bool net_group_filtered(const struct net_groups *groups, const uint8_t mac[NET_MAC_SIZE]);

#endif
