// SPDX-License-Identifier: MIT
/*
 * Network cards in the keeper: their nodes in the store, their taps, their event channels. keeper.h says when each of the
 * functions is called; abi of the nodes: xen/io/netif.h. The tap is there before xl runs the script that connects it, from
 * state 2 to the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "../../dom0-tools/libxenctrl/xenctrl.h"
#include "../common/keeper.h"
#include "card.h"
#include "tap.h"

#define RESTRICT_DOMID	_IOC(_IOC_NONE, 'E', 6, 2)	/* linux/include/uapi/xen/evtchn.h */

struct network {
	int tap[CARD_QUEUES_MAX], events[CARD_QUEUES_MAX];	/* -1: none; tap[0] from open() to close() */
	int buffers;						/* of gntalloc; -1: none */
	unsigned int queues;
};

/* What a frontend wrote of one queue. */
struct wish {
	uint64_t tx_ref, rx_ref, tx_port, rx_port;
};

static int network_open(struct device *d)
{
	struct network *n = d->own;
	char name[IF_NAMESIZE], *given = device_back(d, "vifname"), path[64];
	bool left;

	for (int i = 0; i < CARD_QUEUES_MAX; i++)
		n->tap[i] = n->events[i] = -1;
	n->buffers = -1;
	snprintf(name, sizeof(name), "vif%u.%u", d->domid, d->devid);
	/* After a keeper that died the script has renamed it long ago. */
	snprintf(path, sizeof(path), "/sys/class/net/%.15s/tun_flags", given ? given : "");
	left = given && *given && !access(path, F_OK);
	n->tap[0] = tap_make(left ? given : name);
	free(given);
	if (n->tap[0] >= 0)
		return 0;
	if (n->tap[0] == -ENOENT || n->tap[0] == -ENODEV)
		return device_error(d, ENODEV, "there is no /dev/net/tun; load the module tun");
	return device_error(d, -n->tap[0], "its interface %s can't be made: %s", name, strerror(-n->tap[0]));
}

static void network_features(struct device *d, struct xs_batch *b)
{
	static const char *const on[] = {
		"feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6", "feature-ipv6-csum-offload", "feature-rx-copy",
		"feature-multicast-control", "feature-dynamic-multicast-control", "feature-split-event-channels",
	};
	struct network *n = d->own;
	char queues[12];

	tap_carrier(n->tap[0], false);
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++)
		batch_write(b, "1", "%s/%s", d->back, on[i]);
	batch_write(b, "0", "%s/feature-rx-flip", d->back);
	snprintf(queues, sizeof(queues), "%u", CARD_QUEUES_MAX);
	batch_write(b, queues, "%s/multi-queue-max-queues", d->back);
}

static bool front_flag(struct device *d, const char *node, bool otherwise)
{
	uint64_t value;

	return device_front_number(d, &value, UINT32_MAX, "%s", node) ? value : otherwise;
}

/* The nodes of queue @number, in a folder of its own if there are several. False if one is missing or wrong. */
static bool read_wish(struct device *d, unsigned int number, unsigned int queues, struct wish *w)
{
	char at[24] = "";

	if (queues > 1)
		snprintf(at, sizeof(at), "queue-%u/", number);
	if (!device_front_number(d, &w->tx_ref, UINT32_MAX, "%stx-ring-ref", at) ||
	    !device_front_number(d, &w->rx_ref, UINT32_MAX, "%srx-ring-ref", at))
		return false;
	if (device_front_number(d, &w->tx_port, UINT32_MAX, "%sevent-channel-tx", at))
		return device_front_number(d, &w->rx_port, UINT32_MAX, "%sevent-channel-rx", at);
	w->rx_port = UINT64_MAX;
	return device_front_number(d, &w->tx_port, UINT32_MAX, "%sevent-channel", at);
}

static int bind_one(struct device *d, int events, uint64_t remote, uint32_t *local)
{
	int port = xc_events_bind(events, d->domid, remote);

	if (port < 0)
		return device_error(d, -port, "the frontend's event channel %llu can't be bound: %s",
				    (unsigned long long)remote, strerror(-port));
	*local = port;
	return 0;
}

/* The queue's descriptors: event channels of its own, which reach no other domain, and a queue of the tap. */
static int open_queue(struct device *d, unsigned int number, const struct wish *w, struct card_queue *q)
{
	struct network *n = d->own;
	uint16_t domid = d->domid;
	int err;

	if (number)
		n->tap[number] = tap_queue(n->tap[0]);
	if (n->tap[number] < 0)
		return device_error(d, -n->tap[number], "queue %u of its interface can't be made: %s", number,
				    strerror(-n->tap[number]));
	n->events[number] = xc_events_open();
	if (n->events[number] < 0)
		return device_error(d, -n->events[number], "/dev/xen/evtchn can't be opened: %s", strerror(-n->events[number]));
	err = bind_one(d, n->events[number], w->tx_port, &q->tx_port);
	if (!err && w->rx_port != UINT64_MAX)
		err = bind_one(d, n->events[number], w->rx_port, &q->rx_port);
	else if (!err)
		q->rx_port = q->tx_port;
	if (!err && ioctl(n->events[number], RESTRICT_DOMID, &domid))
		err = device_error(d, errno, "its event channels can't be restricted to its domain: %s", strerror(errno));
	q->tx_ref = w->tx_ref;
	q->rx_ref = w->rx_ref;
	return err;
}

static void read_takes(struct device *d, struct net_takes *takes)
{
	takes->sg = front_flag(d, "feature-sg", false);
	takes->gso4 = front_flag(d, "feature-gso-tcpv4", false);
	takes->gso6 = front_flag(d, "feature-gso-tcpv6", false);
	takes->csum4 = !front_flag(d, "feature-no-csum-offload", false);
	takes->csum6 = front_flag(d, "feature-ipv6-csum-offload", false);
}

/* What may change at any time. */
static void network_changed(struct device *d)
{
	struct card_memory *card;
	struct net_rate rate;
	char *text;

	if (!d->connected || !d->memory)
		return;
	card = device_memory_own(d);
	shared_store(&card->groups_wanted, front_flag(d, "request-multicast-control", false));
	text = device_back(d, "rate");
	if (!net_rate_parse(&rate, text) && (card->rate.bytes || card->rate.period))
		log_line("%s: rate \"%s\" is not BYTES,MICROSECONDS; nothing is limited", d->name, text);
	free(text);
	shared_store(&card->rate.period, rate.period);
	shared_store(&card->rate.bytes, rate.bytes);
}

/* Both ends' ring pages and event channels, as text: the same again is the same connection. */
static int read_wishes(struct device *d, struct wish *wishes, unsigned int queues, char *text, size_t size)
{
	size_t used = 0;

	for (unsigned int i = 0; i < queues; i++) {
		if (!read_wish(d, i, queues, &wishes[i]))
			return device_error(d, EINVAL, "the frontend's nodes of queue %u of %u are missing or wrong", i, queues);
		used += snprintf(text + used, size - used, "%llu %llu %llu %llu;", (unsigned long long)wishes[i].tx_ref,
				 (unsigned long long)wishes[i].rx_ref, (unsigned long long)wishes[i].tx_port,
				 (unsigned long long)wishes[i].rx_port);
	}
	return 0;
}

/* linux/include/uapi/xen/gntalloc.h */
struct alloc_gref {
	uint16_t domid, flags;
	uint32_t count;
	uint64_t index;
	uint32_t refs[CARD_QUEUES_MAX * CARD_BUFFER];
};
#define ALLOC_GREF	_IOC(_IOC_NONE, 'G', 5, 24)
#define ALLOC_WRITABLE	1
#define ALLOC_LIMIT	"/sys/module/xen_gntalloc/parameters/limit"
#define ALLOC_MOST	"1048576"

/* The module's limit is there for users without privileges; its default has not room for one card. */
static bool raise_limit(void)
{
	FILE *f = fopen(ALLOC_LIMIT, "we");
	bool good = f && fputs(ALLOC_MOST, f) >= 0;

	return f && !fclose(f) && good;
}

/* Buffers that are granted to this domain itself (card.h says why). Without them it goes on, only slower. */
static void make_buffers(struct device *d, struct card_memory *card)
{
	static struct alloc_gref alloc;
	static bool said;
	struct network *n = d->own;
	int err;

	card->buffers = 0;
	alloc = (struct alloc_gref){ .domid = own_domid, .flags = ALLOC_WRITABLE, .count = n->queues * CARD_BUFFER };
	n->buffers = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	err = n->buffers < 0 ? errno : 0;
	if (!err && ioctl(n->buffers, ALLOC_GREF, &alloc))
		err = errno == ENOSPC && raise_limit() && !ioctl(n->buffers, ALLOC_GREF, &alloc) ? 0 : errno;
	if (err) {
		if (!said)
			log_line("%s: /dev/xen/gntalloc: %s (is the module xen_gntalloc loaded?); its packets are copied at greater cost",
				 d->name, strerror(err));
		said = true;
		if (n->buffers >= 0)
			close(n->buffers);
		n->buffers = -1;
		return;
	}
	for (unsigned int i = 0; i < n->queues; i++)
		memcpy(card->queue[i].buffer_ref, alloc.refs + i * CARD_BUFFER, sizeof(card->queue[i].buffer_ref));
	card->buffer_index = alloc.index;
	card->buffers = 1;
}

static void network_disconnect(struct device *d)
{
	struct network *n = d->own;

	tap_carrier(n->tap[0], false);
	for (int i = 0; i < CARD_QUEUES_MAX; i++) {
		if (n->events[i] >= 0)
			close(n->events[i]);
		if (i && n->tap[i] >= 0)
			close(n->tap[i]);
		n->events[i] = -1;
		if (i)
			n->tap[i] = -1;
	}
	if (n->buffers >= 0)
		close(n->buffers);
	n->buffers = -1;
	n->queues = 0;
}

static bool script_has_run(struct device *d)
{
	char *status = device_back(d, "hotplug-status");
	bool has = status && !strcmp(status, "connected");

	free(status);
	return has;
}

static int network_connect(struct device *d)
{
	struct network *n = d->own;
	struct card_memory *card;
	struct wish wishes[CARD_QUEUES_MAX];
	char text[CARD_QUEUES_MAX * 48];
	uint64_t queues = 1;
	int old, err;

	if (!script_has_run(d))
		return -EAGAIN;
	if (!front_flag(d, "request-rx-copy", false) || !front_flag(d, "feature-rx-notify", false))
		return device_error(d, EOPNOTSUPP, "the frontend does not ask for copies, and for nothing else can be had");
	if (!device_front_number(d, &queues, CARD_QUEUES_MAX, "multi-queue-num-queues"))
		queues = 1;
	if (!queues)
		return device_error(d, EINVAL, "the frontend asks for no queues");
	err = read_wishes(d, wishes, queues, text, sizeof(text));
	if (err)
		return err;
	old = device_memory(d, text, sizeof(*card));
	if (old < 0)
		return old;
	card = device_memory_own(d);
	card->queue_count = n->queues = queues;
	read_takes(d, &card->takes);
	if (!old)
		tap_empty(n->tap[0]);
	err = tap_offload(n->tap[0], &card->takes);
	if (err)
		return device_error(d, -err, "its interface can't be set to what the frontend takes: %s", strerror(-err));
	for (unsigned int i = 0; i < queues && !err; i++)
		err = open_queue(d, i, &wishes[i], &card->queue[i]);
	if (err)
		return err;
	make_buffers(d, card);
	/* It went off with the keeper that was killed, and the frontend is connected still. */
	if (d->resuming)
		tap_carrier(n->tap[0], true);
	return 0;
}

static unsigned int network_descriptors(struct device *d, int *fds)
{
	struct network *n = d->own;

	memcpy(fds, n->tap, n->queues * sizeof(fds[0]));
	memcpy(fds + n->queues, n->events, n->queues * sizeof(fds[0]));
	fds[2 * n->queues] = n->buffers;
	return 2 * n->queues + (n->buffers >= 0);
}

static void network_ready(struct device *d, struct xs_batch *b)
{
	struct network *n = d->own;

	tap_carrier(n->tap[0], true);
}

static void network_close(struct device *d)
{
	struct network *n = d->own;

	tap_remove(n->tap[0]);
	n->tap[0] = -1;
}

/* The tap outlived the keeper that made it. One that a script has renamed is not found; it has no carrier and does nothing. */
static void network_left(uint32_t domid, uint32_t devid)
{
	char name[IF_NAMESIZE], path[64];
	int fd;

	snprintf(name, sizeof(name), "vif%u.%u", domid, devid);
	snprintf(path, sizeof(path), "/sys/class/net/%s/tun_flags", name);
	fd = access(path, F_OK) ? -1 : tap_make(name);
	if (fd >= 0)
		tap_remove(fd);
}

const struct backend_kind netback_kind = {
	.name = "netback",
	.worker = "netback",
	.own_size = sizeof(struct network),
	.layout = CARD_LAYOUT,
	.open = network_open,
	.features = network_features,
	.connect = network_connect,
	.descriptors = network_descriptors,
	.ready = network_ready,
	.disconnect = network_disconnect,
	.close = network_close,
	.left = network_left,
	.changed = network_changed,
};
