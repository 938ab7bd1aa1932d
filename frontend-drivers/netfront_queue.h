// SPDX-License-Identifier: MIT
/*
 * Between netfront.c (the card and its handshake) and netfront_queue.c (two rings and their pages).
 */
#ifndef FRONTEND_NETFRONT_QUEUE_H
#define FRONTEND_NETFRONT_QUEUE_H

#include "netfront.h"

#define NET_MAX_QUEUES	16
#define NET_SLOTS	256		/* of either ring, in its one page */

/* One ring, and a page for each of its ids. */
struct net_ring {
	struct os_lock lock;		/* guards all below */
	void *page;
	grant_ref_t ref;
	bool granted;
	struct xen_ring_end end;
	void *pages[NET_SLOTS];
	grant_ref_t refs[NET_SLOTS];
	bool refs_granted[NET_SLOTS];
	evtchn_port_t port;
	bool has_port;
	bool running;
	unsigned int epoch;		/* counts how often it was torn down */
};

struct net_queue {
	struct netfront *card;
	unsigned int number;
	struct net_ring tx, rx;
	uint16_t free_ids[NET_SLOTS];	/* tx.lock: ids that are not on the tx ring */
	unsigned int nr_free;
	bool on_ring[NET_SLOTS];	/* tx.lock */
	bool wants_room;		/* tx.lock: a send was refused */
	uint64_t sent, send_errors;	/* tx.lock */
	uint64_t received, receive_errors;	/* rx.lock */
};

struct netfront {
	struct xenbus_device device;
	struct netfront_options options;
	struct netfront_info info;
	struct net_queue *queues[NET_MAX_QUEUES];
};

/* Makes or renews rings, grants and ports of a queue. Returns 0 or -XEN_E*. */
int net_queue_open(struct net_queue *queue);
/* Takes rings and ports away. */
void net_queue_close(struct net_queue *queue);
/* Takes the pages' grants away too; what the backend keeps is lost. For another backend, or before freeing. */
void net_queue_ungrant(struct net_queue *queue);
void net_queue_free(struct net_queue *queue);
/* The backend is there: packets may flow. */
void net_queue_run(struct net_queue *queue);

#endif
