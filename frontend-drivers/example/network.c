// SPDX-License-Identifier: MIT
/*
 * A netfront card as an interface of lwIP: packets out of its chains of buffers, and into them.
 *
 * The card copies what is sent, so lwIP may free its buffers at once; what comes is copied into a buffer of lwIP's before
 * anybody looks at it, because the backend can still change it. What the ring has no room for is dropped: TCP sends again.
 */
#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>

#include "web.h"

#define MAX_PARTS	32
#define BUDGET		64

static struct netfront *card;
static struct netif interface;

u32_t sys_now(void)
{
	return (u32_t)(time_ns() / 1000000);
}

static err_t send_packet(struct netif *netif, struct pbuf *chain)
{
	struct net_part parts[MAX_PARTS];
	struct net_packet packet = { .parts = parts, .bytes = chain->tot_len };

	(void)netif;
	for (struct pbuf *at = chain; at; at = at->next) {
		if (packet.nr_parts == MAX_PARTS)
			return ERR_BUF;
		parts[packet.nr_parts++] = (struct net_part){ at->payload, at->len };
	}
	return netfront_send(card, 0, &packet) ? ERR_BUF : ERR_OK;
}

static void packet_came(struct netfront *from, unsigned int queue, const struct net_packet *packet)
{
	struct pbuf *copy = pbuf_alloc(PBUF_RAW, (u16_t)packet->bytes, PBUF_POOL);
	u16_t at = 0;

	(void)from, (void)queue;
	if (!copy)
		return;
	for (unsigned int i = 0; i < packet->nr_parts; i++) {
		pbuf_take_at(copy, packet->parts[i].data, (u16_t)packet->parts[i].bytes, at);
		at = (u16_t)(at + packet->parts[i].bytes);
	}
	/* Sums that the backend vouches for, or that are blank because the packet comes from its own machine. */
	NETIF_SET_CHECKSUM_CTRL(&interface, packet->flags & NET_CSUM_VALID ?
				NETIF_CHECKSUM_ENABLE_ALL & ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP) :
				NETIF_CHECKSUM_ENABLE_ALL);
	if (interface.input(copy, &interface) != ERR_OK)
		pbuf_free(copy);
}

/* In an event handler: the main loop does the rest. */
static void card_event(struct netfront *from, unsigned int queue)
{
	(void)from, (void)queue;
	os_wake(xenbus_waiter());
}

static err_t start_interface(struct netif *netif)
{
	struct netfront_info info;

	netfront_info(card, &info);
	netif->name[0] = 'x';
	netif->name[1] = 'n';
	netif->mtu = 1500;
	netif->hwaddr_len = 6;
	memcpy(netif->hwaddr, info.mac, 6);
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
	netif->output = etharp_output;
	netif->linkoutput = send_packet;
	return ERR_OK;
}

static bool card_is_ready(void *what)
{
	(void)what;
	if (netfront_is_dead(card))
		panic("the network card went away");
	return netfront_is_ready(card);
}

static void address_changed(struct netif *netif)
{
	if (netif_is_up(netif) && !ip4_addr_isany_val(*netif_ip4_addr(netif)))
		printf("web: address %s\n", ip4addr_ntoa(netif_ip4_addr(netif)));
}

/* "10.0.0.2/24" */
static void set_address(const char *text, const char *gateway)
{
	char plain[20];
	unsigned int length = 0, bits = 0;
	ip4_addr_t address, mask, router = { 0 };

	while (text[length] && text[length] != '/' && length < sizeof(plain) - 1) {
		plain[length] = text[length];
		length++;
	}
	plain[length] = '\0';
	for (const char *digit = text[length] ? text + length + 1 : "24"; *digit >= '0' && *digit <= '9'; digit++)
		bits = bits * 10 + (unsigned int)(*digit - '0');
	if (!ip4addr_aton(plain, &address) || !bits || bits > 32 || (gateway && !ip4addr_aton(gateway, &router)))
		panic("ip= and gateway= want addresses, as in \"ip=10.0.0.2/24 gateway=10.0.0.1\"");
	mask.addr = lwip_htonl(~0u << (32 - bits));
	netif_set_addr(&interface, &address, &mask, &router);
}

void network_start(const char *address, const char *gateway)
{
	static const struct netfront_options options = { .packet = packet_came, .event = card_event,
							 .takes_blank_checksums = true };
	long result = netfront_open(0, &options, &card);

	if (result)
		panic("there is no network card: error %ld; give the guest a vif", -result);
	wait_until(card_is_ready, NULL);
	lwip_init();
	netif_add(&interface, NULL, NULL, NULL, NULL, start_interface, ethernet_input);
	netif_set_default(&interface);
	netif_set_status_callback(&interface, address_changed);
	if (address)
		set_address(address, gateway);
	netif_set_up(&interface);
	if (!address)
		dhcp_start(&interface);
}

bool network_poll(void)
{
	bool some = netfront_receive(card, 0, BUDGET) == BUDGET;
	u32_t ms;

	sys_check_timeouts();
	ms = sys_timeouts_sleeptime();
	if (ms != SYS_TIMEOUTS_SLEEPTIME_INFINITE)
		time_wake_at(time_ns() + ms * 1000000ul);
	return some;
}
