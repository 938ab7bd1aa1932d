// SPDX-License-Identifier: MIT
/* Packet headers between tap and ring; see headers.h. Layouts: RFC 791, 8200, 4302, 9293, 768; IEEE 802.1Q. */
#include <netinet/in.h>
#include <string.h>
#include "headers.h"

#define ETHERNET	14
#define TYPE_IPV4	0x0800
#define TYPE_IPV6	0x86dd
#define TYPE_VLAN	0x8100
#define TYPE_QINQ	0x88a8

static uint16_t get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

/* The type behind the VLAN tags; h->l3 behind it. */
static bool parse_ethernet(const uint8_t *p, size_t have, struct net_headers *h, uint16_t *type)
{
	size_t at = ETHERNET - 2;

	for (int tags = 0; at + 2 <= have; tags++, at += 4) {
		*type = get16(p + at);
		if (*type == TYPE_VLAN || *type == TYPE_QINQ) {
			if (tags == 2)
				return false;
			h->tagged = true;
			continue;
		}
		h->l3 = at + 2;
		return true;
	}
	return false;
}

static bool parse_v4(const uint8_t *p, size_t have, struct net_headers *h)
{
	const uint8_t *ip = p + h->l3;
	unsigned int length;

	if (h->l3 + 20u > have)
		return false;
	length = (ip[0] & 15) * 4;
	if (ip[0] >> 4 != 4 || length < 20 || (get16(ip + 6) & 0x3fff))	/* a fragment has no checksum of its own */
		return false;
	h->l4 = h->l3 + length;
	h->protocol = ip[9];
	return true;
}

static bool parse_v6(const uint8_t *p, size_t have, struct net_headers *h)
{
	const uint8_t *ip = p + h->l3;
	size_t at = h->l3 + 40;
	uint8_t next;

	if (at > have || ip[0] >> 4 != 6)
		return false;
	h->v6 = true;
	for (next = ip[6]; next != IPPROTO_TCP && next != IPPROTO_UDP; next = p[at], at += h->end) {
		if (at + 8 > have)
			return false;
		if (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS)
			h->end = (p[at + 1] + 1) * 8;
		else if (next == IPPROTO_AH)
			h->end = (p[at + 1] + 2) * 4;
		else if (next == IPPROTO_FRAGMENT && !(get16(p + at + 2) & 0xfff9))
			h->end = 8;
		else
			return false;
	}
	if (at > have)
		return false;
	h->l4 = at;
	h->protocol = next;
	return true;
}

bool net_parse(const uint8_t *p, size_t have, struct net_headers *h)
{
	uint16_t type;

	*h = (struct net_headers){ 0 };
	if (!parse_ethernet(p, have, h, &type))
		return false;
	if (!(type == TYPE_IPV4 && parse_v4(p, have, h)) && !(type == TYPE_IPV6 && parse_v6(p, have, h)))
		return false;
	if (h->protocol == IPPROTO_UDP) {
		h->csum = h->l4 + 6;
		h->end = h->l4 + 8;
	} else if (h->protocol == IPPROTO_TCP && h->l4 + 20u <= have) {
		h->csum = h->l4 + 16;
		h->end = h->l4 + (p[h->l4 + 12] >> 4) * 4;
		if (h->end < h->l4 + 20)
			return false;
	} else {
		return false;
	}
	return h->end <= have;
}

/* The one's complement sum of @size bytes at @p, and of @sum (RFC 1071). */
static uint16_t sum16(const uint8_t *p, size_t size, uint64_t sum)
{
	for (; size >= 2; p += 2, size -= 2)
		sum += get16(p);
	if (size)
		sum += p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The sum of the pseudo header; @length is that of TCP and its payload. */
static uint16_t pseudo_sum(const uint8_t *p, const struct net_headers *h, uint32_t length)
{
	size_t addresses = h->v6 ? 32 : 8, at = h->l3 + (h->v6 ? 8 : 12);

	return sum16(p + at, addresses, (uint64_t)h->protocol + (length >> 16) + (length & 0xffff));
}

/* RFC 9293: the first segment alone has CWR, the last alone FIN and PSH. */
#define TCP_FIN		0x01
#define TCP_PSH		0x08
#define TCP_CWR		0x80

size_t net_segment(const uint8_t *packet, size_t size, const struct net_headers *h, uint16_t gso_size, unsigned int number,
		   uint8_t *out)
{
	size_t from = h->end + (size_t)number * gso_size, part = size - from, bytes;
	uint8_t *tcp = out + h->l4, *ip = out + h->l3;
	uint32_t sequence;

	if (from >= size || !gso_size)
		return 0;
	if (part > gso_size)
		part = gso_size;
	bytes = h->end + part;
	memcpy(out, packet, h->end);
	memcpy(out + h->end, packet + from, part);
	sequence = ((uint32_t)get16(tcp + 4) << 16 | get16(tcp + 6)) + number * gso_size;
	put16(tcp + 4, sequence >> 16);
	put16(tcp + 6, sequence);
	tcp[13] &= ~((number ? TCP_CWR : 0) | (from + part < size ? TCP_FIN | TCP_PSH : 0));
	if (h->v6) {
		put16(ip + 4, bytes - h->l3 - 40);
	} else {
		put16(ip + 2, bytes - h->l3);
		put16(ip + 4, get16(ip + 4) + number);
		put16(ip + 10, 0);
		put16(ip + 10, ~sum16(ip, (ip[0] & 15) * 4, 0));
	}
	put16(out + h->csum, 0);
	put16(out + h->csum, ~sum16(tcp, bytes - h->l4, pseudo_sum(out, h, bytes - h->l4)));
	return bytes;
}

static const char *gso_to_tap(const struct net_packet *p, uint8_t *front, const struct net_headers *h,
			      struct virtio_net_hdr *tap)
{
	if (h->protocol != IPPROTO_TCP || h->v6 != (p->gso_type == XEN_NETIF_GSO_TYPE_TCPV6))
		return "GSO of what is not TCP of that kind";
	if (!p->csum_blank)
		put16(front + h->csum, pseudo_sum(front, h, p->size - h->l4));
	tap->gso_type = h->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	tap->gso_size = p->gso_size;
	return NULL;
}

const char *net_to_tap(const struct net_packet *p, uint8_t *front, size_t have, struct virtio_net_hdr *tap)
{
	bool gso = p->gso_type != XEN_NETIF_GSO_TYPE_NONE;
	struct net_headers h;

	*tap = (struct virtio_net_hdr){ .gso_type = VIRTIO_NET_HDR_GSO_NONE };
	if (!gso && !p->csum_blank) {
		tap->flags = p->data_validated ? VIRTIO_NET_HDR_F_DATA_VALID : 0;
		/* dom0's kernel then puts the headers, not the whole, into one piece of memory. */
		tap->hdr_len = p->size > NET_PAGE ? 128 : 0;
		return NULL;
	}
	if (!net_parse(front, have, &h))
		return gso ? "GSO of what is not TCP" : "a blank checksum in what is neither TCP nor UDP";
	tap->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	tap->csum_start = h.l4;
	tap->csum_offset = h.csum - h.l4;
	tap->hdr_len = h.end;
	return gso ? gso_to_tap(p, front, &h, tap) : NULL;
}

static void finish_checksum(const struct virtio_net_hdr *tap, uint8_t *packet, size_t size)
{
	uint8_t *at = packet + tap->csum_start + tap->csum_offset;
	uint16_t sum = ~sum16(packet + tap->csum_start, size - tap->csum_start, 0);

	put16(at, sum ? sum : 0xffff);
}

const char net_to_be_cut[] = "GSO with a VLAN tag";

const char *net_from_tap(const struct virtio_net_hdr *tap, uint8_t *packet, size_t size, const struct net_takes *takes,
			 struct net_rx_packet *p)
{
	uint8_t gso = tap->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	struct net_headers h;

	*p = (struct net_rx_packet){ .size = size, .data_validated = tap->flags & VIRTIO_NET_HDR_F_DATA_VALID };
	if (size < ETHERNET || size > NET_FRAME_MAX)
		return "a packet of that size";
	if (size > NET_PAGE && !takes->sg)
		return "a packet of more than a page, and the frontend takes one only";
	if (gso != VIRTIO_NET_HDR_GSO_NONE) {
		if (!(gso == VIRTIO_NET_HDR_GSO_TCPV4 && takes->gso4) && !(gso == VIRTIO_NET_HDR_GSO_TCPV6 && takes->gso6))
			return "GSO that the frontend does not take";
		if (!net_parse(packet, size, &h) || h.protocol != IPPROTO_TCP || h.v6 != (gso == VIRTIO_NET_HDR_GSO_TCPV6))
			return "GSO of what is not TCP of that kind";
		if (h.tagged)
			return net_to_be_cut;
		p->gso_type = gso == VIRTIO_NET_HDR_GSO_TCPV4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6;
		p->gso_size = tap->gso_size;
		p->csum_blank = true;
		return p->gso_size ? NULL : "GSO with segments of 0 bytes";
	}
	if (!(tap->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return NULL;
	if ((size_t)tap->csum_start + tap->csum_offset + 2 > size)
		return "a checksum outside the packet";
	if (net_parse(packet, size, &h) && !h.tagged && h.l4 == tap->csum_start && h.csum - h.l4 == tap->csum_offset &&
	    (h.v6 ? takes->csum6 : takes->csum4)) {
		p->csum_blank = true;
	} else {
		finish_checksum(tap, packet, size);
		p->data_validated = true;
	}
	return NULL;
}
