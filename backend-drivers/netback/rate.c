// SPDX-License-Identifier: MIT
/* A guest's share of the network; see rate.h. */
#include <errno.h>
#include <stdlib.h>
#include "rate.h"

bool net_rate_parse(struct net_rate *rate, const char *text)
{
	unsigned long long bytes, usecs;
	char *end;

	*rate = (struct net_rate){ 0 };
	if (!text || !*text)
		return true;
	errno = 0;
	bytes = strtoull(text, &end, 10);
	if (end == text || *end != ',')
		return false;
	text = end + 1;
	usecs = strtoull(text, &end, 10);
	if (end == text || *end || errno || bytes > UINT32_MAX || usecs > UINT32_MAX)
		return false;
	/* As Linux's backend has it: nothing is limited by 0 bytes, or by 0 microseconds. */
	if (bytes && usecs)
		*rate = (struct net_rate){ .bytes = bytes, .period = usecs * 1000, .left = bytes };
	return true;
}

bool net_rate_take(struct net_rate *rate, uint64_t now, uint32_t size)
{
	if (!rate->bytes)
		return true;
	if (now >= rate->next) {
		uint64_t most = rate->bytes > NET_RATE_BURST ? rate->bytes : NET_RATE_BURST;

		rate->left = rate->left + rate->bytes > most ? most : rate->left + rate->bytes;
		rate->next = now + rate->period;
	}
	if (rate->left < size)
		return false;
	rate->left -= size;
	return true;
}
