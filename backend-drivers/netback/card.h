/* SPDX-License-Identifier: MIT */
/*
 * A network card as its worker has it, and the memory that it shares with the keeper.
 *
 * struct card_memory is the kind's part of the memory (../common/shared.h): zeroed when the frontend connects, gone when it
 * disconnects; workers come and go over it. [K] the keeper writes, before a worker is started unless it says so; [W] the
 * worker writes; [Q] the thread of that queue writes.
 *
 * The worker's own descriptors are the taps of all queues, then the event channels of all queues, then gntalloc's.
 *
 * Why buffers are grants too: a copy between a grant and memory of a program makes the kernel find and pin each page, by
 * a walk through page tables that costs a PV kernel 1,700 instructions and more. A copy between two grants is the
 * hypervisor's alone. So the buffers come from /dev/xen/gntalloc, granted to this domain itself. Where the kernel has no
 * gntalloc they are plain memory.
 */
#ifndef NETBACK_CARD_H
#define NETBACK_CARD_H

#include <pthread.h>
#include "headers.h"
#include "protocol.h"
#include "rate.h"

#define CARD_QUEUES_MAX	4
#define CARD_BUFFER	326u	/* pages of ours for each queue: queue.c says what for */
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
	uint32_t buffer_ref[CARD_BUFFER];	/* [K] grants of our buffer to ourselves, if card_memory.buffers */
};

struct card_memory {
	uint32_t queue_count;		/* [K] */
	uint32_t buffers;		/* [K] whether there is a descriptor of gntalloc with all queues' buffers */
	uint64_t buffer_index;		/* [K] where in it they begin, for mmap() */
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
