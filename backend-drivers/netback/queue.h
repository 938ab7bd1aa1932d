/* SPDX-License-Identifier: MIT */
/*
 * One queue of a network card: a pair of rings, a descriptor of the tap, and the thread that carries packets between them.
 *
 * Payload crosses by grant copy, many pages with one call (IOCTL_GNTDEV_GRANT_COPY); no page of the guest's but the two
 * ring pages is ever mapped. The thread sleeps in one place, epoll_wait(), and there only when both directions have
 * nothing to do and the rings say that the frontend is to notify. While it works, its event channels stay masked.
 */
#ifndef NETBACK_QUEUE_H
#define NETBACK_QUEUE_H

#include "card.h"

struct queue;

/*
 * @card and @number say which queue; its rings are mapped, @buffer is CARD_BUFFER pages. NULL with errno. The frontend is
 * notified of what a worker before this one may have left unsaid.
 */
struct queue *queue_open(struct card *card, unsigned int number, void *tx_page, void *rx_page, uint8_t *buffer);
/* Carries packets until the frontend breaks a ring; then it says so and ends the worker. */
__attribute__((noreturn)) void queue_run(struct queue *q);
/* The calls that it makes, for worker_sandbox(): a list and its length. */
struct worker_rule;
extern const struct worker_rule queue_calls[];
extern const unsigned int queue_calls_count;

#endif
