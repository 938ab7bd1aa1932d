// SPDX-License-Identifier: MIT
/*
 * Network cards over shared rings (xen/io/netif.h): for each queue one ring for packets that leave the guest (tx)
 * and one for those that come (rx), and for the whole card a control ring, where both sides know it.
 *
 * Rules that the layout alone does not say:
 *  1. A packet is a chain of tx requests, each but the last with NETTXF_more_data. `size` of the first counts the
 *     whole packet, `size` of the others their own part: the first part is what the others leave over.
 *  2. NETTXF_extra_info on the first request (only there) puts netif_extra_info slots behind it, before the second
 *     part; each but the last with XEN_NETIF_EXTRA_FLAG_MORE. They are answered too, with NETIF_RSP_NULL.
 *  3. A frontend may use 18 slots for a packet; a backend takes at least so many, without the extra ones.
 *  4. A tx response names the request's id; all parts are answered, in any order.
 *  5. rx requests offer one whole page each. A packet that comes is a chain of responses, each with the id of the
 *     page it fills, in the order in which the pages were offered; NETRXF_more_data and _extra_info as above.
 *     An extra slot takes the place of one response, and the page offered in that place comes back empty.
 *  6. status of an rx response is the number of bytes, or negative: an error, the page comes back.
 *  7. csum_blank: the checksum field holds the pseudo header's sum only; whoever sends it on must finish it.
 *     data_validated: the sum is known to be right.
 *  8. gso.size is what one segment may carry behind its headers, in bytes.
 */
#ifndef XEN_IO_NETIF_H
#define XEN_IO_NETIF_H

#include <xen/grant_table.h>
#include <xen/io/ring.h>

#define XEN_NETIF_NR_SLOTS_MIN			18	/* slots of one packet that every backend takes */
#define XEN_NETIF_MAX_TX_SIZE			0xffff	/* bytes of one packet */

/* netif_tx_request.flags */
#define NETTXF_csum_blank			0x1
#define NETTXF_data_validated			0x2
#define NETTXF_more_data			0x4
#define NETTXF_extra_info			0x8

/* netif_rx_response.flags; bits 0 and 1 are the other way round than above */
#define NETRXF_data_validated			0x1
#define NETRXF_csum_blank			0x2
#define NETRXF_more_data			0x4
#define NETRXF_extra_info			0x8
#define NETRXF_gso_prefix			0x10	/* given up by all */

/* status of responses */
#define NETIF_RSP_DROPPED			-2
#define NETIF_RSP_ERROR				-1
#define NETIF_RSP_OKAY				0
#define NETIF_RSP_NULL				1	/* answer to an extra slot */

/* netif_extra_info.type */
#define XEN_NETIF_EXTRA_TYPE_NONE		0
#define XEN_NETIF_EXTRA_TYPE_GSO		1
#define XEN_NETIF_EXTRA_TYPE_MCAST_ADD		2
#define XEN_NETIF_EXTRA_TYPE_MCAST_DEL		3
#define XEN_NETIF_EXTRA_TYPE_HASH		4
#define XEN_NETIF_EXTRA_TYPE_MAX		5

#define XEN_NETIF_EXTRA_FLAG_MORE		1	/* netif_extra_info.flags */

/* netif_extra_info.u.gso.type */
#define XEN_NETIF_GSO_TYPE_NONE			0
#define XEN_NETIF_GSO_TYPE_TCPV4		1
#define XEN_NETIF_GSO_TYPE_TCPV6		2

struct netif_tx_request {
	grant_ref_t gref;
	uint16_t offset;		/* bytes, in the page */
	uint16_t flags;
	uint16_t id;
	uint16_t size;			/* rule 1 */
};
XEN_ABI_SIZE(struct netif_tx_request, 12);
XEN_ABI_OFFSET(struct netif_tx_request, flags, 6);
XEN_ABI_OFFSET(struct netif_tx_request, size, 10);

struct netif_tx_response {
	uint16_t id;
	int16_t status;
};
XEN_ABI_SIZE(struct netif_tx_response, 4);

struct netif_rx_request {
	uint16_t id;
	uint16_t pad;
	grant_ref_t gref;
};
XEN_ABI_SIZE(struct netif_rx_request, 8);
XEN_ABI_OFFSET(struct netif_rx_request, gref, 4);

struct netif_rx_response {
	uint16_t id;
	uint16_t offset;
	uint16_t flags;
	int16_t status;			/* bytes, or an error */
};
XEN_ABI_SIZE(struct netif_rx_response, 8);
XEN_ABI_OFFSET(struct netif_rx_response, status, 6);

struct netif_extra_info {
	uint8_t type;
	uint8_t flags;
	union {
		struct {
			uint16_t size;
			uint8_t type;
			uint8_t pad;
			uint16_t features;
		} gso;
		struct {
			uint8_t addr[6];
		} mcast;
		struct {
			uint8_t type;		/* bit number of one XEN_NETIF_CTRL_HASH_TYPE */
			uint8_t algorithm;
			uint8_t value[4];
		} hash;
		uint16_t pad[3];
	} u;
};
XEN_ABI_SIZE(struct netif_extra_info, 8);
XEN_ABI_OFFSET(struct netif_extra_info, u, 2);
XEN_ABI_OFFSET(struct netif_extra_info, u.gso.features, 6);

/* The control ring ("ctrl-ring-ref", "event-channel-ctrl"): how the backend spreads packets over rx queues. */
#define XEN_NETIF_CTRL_TYPE_INVALID			0
#define XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS		1
#define XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS		2
#define XEN_NETIF_CTRL_TYPE_SET_HASH_KEY		3
#define XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE	4
#define XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE	5
#define XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING		6
#define XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM		7
#define XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE	8
#define XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING		9
#define XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING		10

#define XEN_NETIF_CTRL_STATUS_SUCCESS			0
#define XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED		1
#define XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER		2
#define XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW		3

#define XEN_NETIF_CTRL_HASH_ALGORITHM_NONE		0
#define XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ		1

#define XEN_NETIF_CTRL_HASH_TYPE_IPV4			0x1
#define XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP		0x2
#define XEN_NETIF_CTRL_HASH_TYPE_IPV6			0x4
#define XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP		0x8

struct xen_netif_ctrl_request {
	uint16_t id;
	uint16_t type;
	uint32_t data[3];
};
XEN_ABI_SIZE(struct xen_netif_ctrl_request, 16);

struct xen_netif_ctrl_response {
	uint16_t id;
	uint16_t type;
	uint32_t status;
	uint32_t data;
};
XEN_ABI_SIZE(struct xen_netif_ctrl_response, 12);

#endif
