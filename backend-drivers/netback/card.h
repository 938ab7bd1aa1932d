/* SPDX-License-Identifier: MIT */
/*
 * A network card as its worker has it, and the memory that it shares with the keeper.
 *
 * struct card_memory is made by the keeper, zeroed, when the frontend connects, and goes when it disconnects; workers come
 * and go over it. What it tells: [K] the keeper writes, before a worker is started unless it says so; [W] the worker
 * writes; [Q] the thread of that queue writes.
 */
#ifndef NETBACK_CARD_H
#define NETBACK_CARD_H

#include <pthread.h>
#include "headers.h"
#include "protocol.h"
#include "rate.h"

#define CARD_QUEUES_MAX	8
#define CARD_VERSION	1

/* Counted since the frontend connected. */
struct card_counts {
	uint64_t packets, bytes;
	uint64_t refused;		/* by us: wrong, or not asked for */
	uint64_t lost;			/* not taken by the tap, or by the guest's page */
};

struct card_queue {
	struct net_journal journal;	/* [Q] */
	struct card_counts from_guest, to_guest;	/* [Q] */
	uint32_t tx_port, rx_port;	/* [K] local; the same where the frontend has one for both */
};

struct card_memory {
	uint32_t version;		/* [K] */
	uint32_t domid;			/* [K] */
	uint32_t queue_count;		/* [K] */
	uint32_t groups_wanted;		/* [K] at any time: only those multicast groups, please */
	struct net_takes takes;		/* [K] */
	uint32_t rate_lock;		/* [W] */
	struct net_rate rate;		/* [K], then [W] under rate_lock */
	struct net_groups groups;	/* [W] under rate_lock; read without, a group more or less is no harm */
	struct card_queue queue[CARD_QUEUES_MAX];
};

struct card {
	struct card_memory *memory;
	int gntdev;
	int tap[CARD_QUEUES_MAX], events[CARD_QUEUES_MAX];
	pthread_mutex_t lock;		/* what [W] says rate_lock of, within this worker */
	void (*log)(const char *format, ...) __attribute__((format(printf, 1, 2)));
};

#endif
