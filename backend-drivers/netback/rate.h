/* SPDX-License-Identifier: MIT */
/*
 * How much a guest may send (rate= of its vif): so many bytes in each period, as the node `rate` says it ("BYTES,MICROSECONDS").
 * What was not used up is not saved, except that a packet of 64 KiB must get through at some time. Pure; the time is the
 * caller's. One for all queues of a card, so it is in shared memory; its lock is the word itself.
 */
#ifndef NETBACK_RATE_H
#define NETBACK_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define NET_RATE_BURST	(128u << 10)	/* bytes that may be saved up, if a period has fewer */

struct net_rate {
	uint64_t bytes, period;		/* bytes a period, nanoseconds; bytes 0: no limit */
	uint64_t left;			/* bytes that may be sent now */
	uint64_t next;			/* when more come, ns */
};

/* From the text of the node `rate`, or NULL. False if the text is not understood; then there is no limit. */
bool net_rate_parse(struct net_rate *rate, const char *text);
/* Whether @size bytes may be sent at @now (ns of a clock that only goes forward); takes them if so. */
bool net_rate_take(struct net_rate *rate, uint64_t now, uint32_t size);

#endif
