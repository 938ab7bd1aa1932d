/* SPDX-License-Identifier: MIT */
/*
 * A network card as its worker has it, and the memory that it shares with the keeper.
 *
 * struct card_memory is the kind's part of the memory (../common/shared.h): zeroed when the frontend connects, gone when it
 * disconnects; workers come and go over it. [K] the keeper writes, before a worker is started unless it says so; [W] the
 * worker writes; [Q] the thread of that queue writes.
 *
 * The worker's own descriptors are the taps of all queues, then the event channels of all queues.
 */
#ifndef NETBACK_CARD_H
#define NETBACK_CARD_H

#include <pthread.h>
#include "headers.h"
#include "protocol.h"
#include "rate.h"

#define CARD_QUEUES_MAX	4
#define CARD_LAYOUT	1	/* another number for each change of struct card_memory */

/* Counted since the frontend connected. */
struct card_counts {
	uint64_t packets, bytes;
	uint64_t refused;		/* by us: wrong, or not asked for */
	uint64_t lost;			/* not taken by the tap, or by the guest's page */
};

struct card_queue {
	struct net_journal journal;	/* [Q] */
	struct card_counts from_guest, to_guest;	/* [Q] */
	uint32_t begun;			/* [Q] the journal has been set to where the rings are */
	uint32_t tx_port, rx_port;	/* [K] local; the same where the frontend has one for both */
	uint32_t tx_ref, rx_ref;	/* [K] grants of the ring pages */
};

struct card_memory {
	uint32_t queue_count;		/* [K] */
	uint32_t groups_wanted;		/* [K] at any time: only those multicast groups, please */
	struct net_takes takes;		/* [K] */
	struct net_rate rate;		/* [K] bytes and period, at any time; [W] the rest, under card.lock */
	struct net_groups groups;	/* [W] under card.lock; read without it, for a group more or less is no harm */
	struct card_queue queue[CARD_QUEUES_MAX];
};

struct card {
	struct card_memory *memory;
	uint32_t domid;
	pthread_mutex_t lock;		/* for what the queues share */
};

#endif
