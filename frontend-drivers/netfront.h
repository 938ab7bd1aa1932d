// SPDX-License-Identifier: MIT
/*
 * A network card of the guest, served by a backend in another domain.
 *
 *	netfront_open(0, &options, &card);	comes up as xenbus_poll is called, like a disk (blkfront.h)
 *	netfront_send(card, queue, &packet);	any number of parts; copied, so they may be reused at once
 *	netfront_receive(card, queue, budget);	calls options.packet() for each packet that came
 *
 * Packets are copied into and out of pages that stay granted to the backend as long as the card lives: a backend that
 * lies reaches no memory of the guest's, and grants cost no hypercall. What the backend says about a packet is checked
 * (lengths, order, number of parts) before the OS sees it; what is in the packet is the network's, not to be trusted.
 *
 * When the backend goes away and comes back, packets on the way are lost, as on any network; the card stays.
 */
#ifndef FRONTEND_NETFRONT_H
#define FRONTEND_NETFRONT_H

#include <xen/io/netif.h>

#include "xenbus.h"

#define NET_MAX_PACKET	65535u		/* bytes to send, with the Ethernet header */
#define NET_MAX_ARRIVAL	65553u		/* bytes that may come: IP's largest, behind an Ethernet header with a VLAN tag */
#define NET_MAX_PARTS	XEN_NETIF_NR_SLOTS_MIN

struct netfront;

/* net_packet.flags */
#define NET_CSUM_BLANK	1	/* TCP's or UDP's checksum field holds the sum of the pseudo header only */
#define NET_CSUM_VALID	2	/* it is right, or blank and the data are known to be right */

struct net_part {
	void *data;
	uint32_t bytes;
};

struct net_packet {
	const struct net_part *parts;
	unsigned int nr_parts;
	uint32_t bytes;			/* of all parts */
	unsigned int flags;
	uint16_t segment_bytes;		/* TCP data to be cut into segments of so many bytes; 0: one packet as it is */
	uint8_t segment_type;		/* XEN_NETIF_GSO_TYPE_TCPV4, _TCPV6 */
};

struct netfront_options {
	unsigned int queues;		/* at most so many; 0 and 1: one */
	/* What the OS takes from the network. */
	bool takes_blank_checksums;	/* otherwise the backend fills them in */
	bool takes_large_v4, takes_large_v6;	/* TCP packets of up to 64 KiB, with segment_bytes */
	bool one_event_channel;		/* even where the backend could split tx from rx */
	/*
	 * A packet. Its parts are shared with the backend: copy once, look at the copy. They are valid until this
	 * returns.
	 */
	void (*packet)(struct netfront *card, unsigned int queue, const struct net_packet *packet);
	/* There is something to receive, or room to send again. In an event handler. */
	void (*event)(struct netfront *card, unsigned int queue);
	void *argument;
};

struct netfront_info {
	uint8_t mac[6];
	unsigned int queues;
	bool split_events;
	/* What may be sent. */
	bool can_gather;		/* more than one page */
	bool can_blank_v4, can_blank_v6;
	bool can_large_v4, can_large_v6;
};

struct netfront_counts {
	uint64_t sent, received, send_errors, receive_errors;	/* packets */
};

/* Starts with device/vif/<number>. It becomes ready later. Returns 0 or -XEN_E*. Task. */
int netfront_open(unsigned int number, const struct netfront_options *options, struct netfront **card);
/* Not while another task is in xenbus_poll, or in send or receive of this card. Task. */
void netfront_close(struct netfront *card);
/* After a resume of the guest, when xenbus_start was called again. Task. */
int netfront_resume(struct netfront *card);

bool netfront_is_ready(const struct netfront *card);
bool netfront_is_dead(const struct netfront *card);
/* Sleeps until it is ready, with xenbus_poll being called by another task. 0, or -XEN_EIO: dead. Task. */
int netfront_wait(struct netfront *card);
void netfront_info(const struct netfront *card, struct netfront_info *info);
void netfront_counts(const struct netfront *card, struct netfront_counts *counts);
void *netfront_argument(const struct netfront *card);

/*
 * Sends a packet by a queue (modulo the number of queues). Returns 0; -XEN_EAGAIN: no room now, options.event will be
 * called when there is; -XEN_EINVAL: too long, or it asks for what the backend can't; -XEN_EIO: not connected.
 * Anywhere, also in options.packet.
 */
int netfront_send(struct netfront *card, unsigned int queue, const struct net_packet *packet);
/*
 * Hands up to `budget` packets to options.packet. Returns how many; fewer than `budget`: an event will tell of more.
 * Not for one queue twice at once; anywhere.
 */
unsigned int netfront_receive(struct netfront *card, unsigned int queue, unsigned int budget);

#endif
