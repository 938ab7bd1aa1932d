/* SPDX-License-Identifier: MIT */
/*
 * What a tap says of a packet (struct virtio_net_hdr) and what a network card's ring says of it (xen/io/netif.h). Pure.
 *
 * The ring says only that the checksum is blank; where it belongs, both ends find out from the headers. The tap wants, and
 * gives, offsets. So the headers are parsed here: Ethernet, up to two VLAN tags, IPv4 with options, IPv6 with the extension
 * headers that may stand before TCP and UDP. Every length in them is a stranger's: each is checked against the bytes there
 * are. What a frontend could not parse in its turn (it knows no VLAN tag) gets its checksum here.
 */
#ifndef NETBACK_HEADERS_H
#define NETBACK_HEADERS_H

#include <linux/virtio_net.h>
#include "protocol.h"

#define NET_FRONT_MAX	512u		/* bytes of a packet within which its headers must be */
#define NET_FRAME_MAX	(17 * NET_PAGE)	/* the largest packet, bytes */

struct net_headers {
	uint16_t l3, l4, end;		/* where IP, TCP or UDP, and the payload begin; bytes from the start */
	uint16_t csum;			/* where TCP's or UDP's checksum is */
	uint8_t protocol;		/* IPPROTO_TCP, IPPROTO_UDP */
	bool v6, tagged;
};

/* Finds TCP or UDP in the first @have bytes of a packet. False if it is neither, a fragment, or cut off. */
bool net_parse(const uint8_t *packet, size_t have, struct net_headers *h);

/*
 * For a packet that leaves the guest: fills in what the tap wants. @front is its first @have bytes (all, or at least
 * NET_FRONT_MAX) and may be changed: the pseudo header's sum is put in where GSO needs it and the frontend left it out.
 * Returns NULL, or why the packet can't be sent on.
 */
const char *net_to_tap(const struct net_packet *p, uint8_t *front, size_t have, struct virtio_net_hdr *tap);

/* What net_from_tap() says of a GSO packet with VLAN tags: it is to be cut by net_segment(). */
extern const char net_to_be_cut[];

/* What a frontend takes (feature-* in xenstore). */
struct net_takes {
	bool sg, gso4, gso6, csum4, csum6;
};

/*
 * Segment @number, from 0 on, of a GSO packet that the frontend can't take whole; with its checksum, into @out (the packet's
 * size is enough room). Returns its bytes, 0 if there is none of that number.
 */
size_t net_segment(const uint8_t *packet, size_t size, const struct net_headers *h, uint16_t gso_size, unsigned int number,
		   uint8_t *out);

/*
 * For a packet of @size bytes that comes from the tap: fills in what the ring wants. The packet may be changed: its checksum
 * is finished where the frontend can't. Returns NULL, or why it can't be given to the frontend.
 */
const char *net_from_tap(const struct virtio_net_hdr *tap, uint8_t *packet, size_t size, const struct net_takes *takes,
			 struct net_rx_packet *p);

#endif
