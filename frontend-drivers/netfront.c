// SPDX-License-Identifier: MIT
/*
 * A network card: what it publishes to its backend and reads from it. When each of it happens is xenbus_device.c's affair;
 * the packets are netfront_queue.c's.
 */
#include "netfront_queue.h"

static struct netfront *card_of(struct xenbus_device *device)
{
	return (void *)((char *)device - offsetof(struct netfront, device));
}

/* ---- what both sides can ---- */

static bool read_mac(struct netfront *card)
{
	char text[24];
	int length = xenbus_read(0, card->device.path, "mac", text, sizeof(text));

	if (length < 17)
		return false;
	for (unsigned int i = 0; i < 6; i++) {
		unsigned int byte = 0;

		for (unsigned int j = 0; j < 2; j++) {
			char c = (char)(text[3 * i + j] | 0x20);

			if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
				return false;
			byte = byte << 4 | (unsigned int)(c <= '9' ? c - '0' : c - 'a' + 10);
		}
		card->info.mac[i] = (uint8_t)byte;
	}
	return true;
}

static void read_features(struct netfront *card)
{
	struct netfront_info *info = &card->info;
	uint64_t queues = xenbus_number_or(card->device.backend, "multi-queue-max-queues", 1);

	info->queues = queues < card->options.queues ? (unsigned int)queues : card->options.queues;
	if (!info->queues)
		info->queues = 1;
	info->split_events = !card->options.one_event_channel &&
			     xenbus_backend_has(&card->device, "feature-split-event-channels");
	info->can_gather = xenbus_backend_has(&card->device, "feature-sg");
	info->can_blank_v4 = true;	/* every backend; IPv6 came later */
	info->can_blank_v6 = xenbus_backend_has(&card->device, "feature-ipv6-csum-offload");
	info->can_large_v4 = info->can_gather && xenbus_backend_has(&card->device, "feature-gso-tcpv4");
	info->can_large_v6 = info->can_gather && xenbus_backend_has(&card->device, "feature-gso-tcpv6");
}

/* ---- publishing ---- */

static int publish_queue(const struct net_queue *queue, uint32_t tx, const char *dir)
{
	int result = xenbus_write_number(tx, dir, "tx-ring-ref", queue->tx.ref);

	result = result ? result : xenbus_write_number(tx, dir, "rx-ring-ref", queue->rx.ref);
	if (!queue->card->info.split_events)
		return result ? result : xenbus_write_number(tx, dir, "event-channel", queue->tx.port);
	result = result ? result : xenbus_write_number(tx, dir, "event-channel-tx", queue->tx.port);
	return result ? result : xenbus_write_number(tx, dir, "event-channel-rx", queue->rx.port);
}

static int publish(struct xenbus_device *device, uint32_t tx)
{
	struct netfront *card = card_of(device);
	const struct netfront_options *options = &card->options;
	const struct {
		const char *name;
		bool value;
	} features[] = {
		{ "request-rx-copy", true }, { "feature-rx-notify", true }, { "feature-sg", true },
		{ "feature-gso-tcpv4", options->takes_large_v4 }, { "feature-gso-tcpv6", options->takes_large_v6 },
		{ "feature-ipv6-csum-offload", options->takes_blank_checksums },
		{ "feature-no-csum-offload", !options->takes_blank_checksums },
	};
	const char *path = card->device.path;
	int result = 0;

	if (card->info.queues > 1) {
		result = xenbus_write_number(tx, path, "multi-queue-num-queues", card->info.queues);
		for (unsigned int i = 0; i < card->info.queues && !result; i++) {
			char dir[80];

			snprintf(dir, sizeof(dir), "%s/queue-%u", path, i);
			result = publish_queue(card->queues[i], tx, dir);
		}
	} else {
		result = publish_queue(card->queues[0], tx, path);
	}
	for (unsigned int i = 0; i < OS_ARRAY_SIZE(features) && !result; i++)
		result = xenbus_write_number(tx, path, features[i].name, features[i].value);
	return result;
}

/* ---- the driver ---- */

static void close_queues(struct xenbus_device *device)
{
	struct netfront *card = card_of(device);

	for (unsigned int i = 0; i < NET_MAX_QUEUES; i++)
		if (card->queues[i])
			net_queue_close(card->queues[i]);
}

static int open_queues(struct xenbus_device *device)
{
	struct netfront *card = card_of(device);
	int result = 0;

	read_features(card);
	for (unsigned int i = 0; i < card->info.queues && !result; i++) {
		if (!card->queues[i]) {
			struct net_queue *queue = os_alloc(sizeof(*queue));

			if (!queue)
				return -XEN_ENOMEM;
			queue->card = card;
			queue->number = i;
			card->queues[i] = queue;
		}
		result = net_queue_open(card->queues[i]);
	}
	return result;
}

static void connected(struct xenbus_device *device)
{
	struct netfront *card = card_of(device);

	for (unsigned int i = 0; i < card->info.queues; i++)
		net_queue_run(card->queues[i]);
}

static const struct xenbus_driver driver = {
	.kind = "vif", .published = XenbusStateConnected, .open = open_queues, .publish = publish,
	.connected = connected, .close = close_queues,
};

/* ---- for the OS ---- */

int netfront_open(unsigned int number, const struct netfront_options *options, struct netfront **made)
{
	struct netfront *card = os_alloc(sizeof(*card));
	int result;

	if (!card)
		return -XEN_ENOMEM;
	card->options = *options;
	if (!card->options.queues)
		card->options.queues = 1;
	if (card->options.queues > NET_MAX_QUEUES)
		card->options.queues = NET_MAX_QUEUES;
	card->info.queues = 1;
	result = xenbus_device_open(&card->device, &driver, number);
	if (!result && !read_mac(card)) {
		os_log("netfront: %s: its mac is none", card->device.path);
		xenbus_device_close(&card->device);
		result = -XEN_EINVAL;
	}
	if (result)
		os_free(card);
	else
		*made = card;
	return result;
}

void netfront_close(struct netfront *card)
{
	xenbus_device_close(&card->device);
	for (unsigned int i = 0; i < NET_MAX_QUEUES; i++)
		if (card->queues[i])
			net_queue_free(card->queues[i]);
	os_free(card);
}

int netfront_resume(struct netfront *card)
{
	bool moved = false;
	int result = xenbus_device_resume(&card->device, &moved);

	for (unsigned int i = 0; i < NET_MAX_QUEUES && moved; i++)
		if (card->queues[i])
			net_queue_ungrant(card->queues[i]);
	return result;
}

bool netfront_is_ready(const struct netfront *card)
{
	return xenbus_device_is_ready(&card->device);
}

bool netfront_is_dead(const struct netfront *card)
{
	return xenbus_device_is_dead(&card->device);
}

int netfront_wait(struct netfront *card)
{
	return xenbus_device_wait(&card->device);
}

void netfront_info(const struct netfront *card, struct netfront_info *info)
{
	*info = card->info;
}

void netfront_counts(const struct netfront *card, struct netfront_counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	for (unsigned int i = 0; i < NET_MAX_QUEUES; i++) {
		const struct net_queue *queue = card->queues[i];

		if (!queue)
			continue;
		counts->sent += queue->sent;
		counts->received += queue->received;
		counts->send_errors += queue->send_errors;
		counts->receive_errors += queue->receive_errors;
	}
}

void *netfront_argument(const struct netfront *card)
{
	return card->options.argument;
}
