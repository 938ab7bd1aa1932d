/* SPDX-License-Identifier: MIT */
/* blkback-nbd: requests between the worker's queue and the link. See serve.c. */
#ifndef BACKEND_NBD_SERVE_H
#define BACKEND_NBD_SERVE_H

#include <stdbool.h>
#include "queue.h"

extern struct nbd_queue *queue;
extern char *buffer;		/* NBD_BUFFER bytes */

/* A process that takes over has all that is busy to do again. */
void serve_begin(void);
/* The link is up, with a server that can do @flags: what was not flushed is written again first. */
void serve_link_up(uint32_t flags, uint64_t disk_bytes);
/* The link is down. */
void serve_link_down(void);
/* The server has been away for too long: requests end with EIO until the link is up again. */
void serve_give_up(void);
/* Takes what is new, sends what waits, tells the worker what has ended. To be called after each round. */
void serve_push(void);
/* No more requests are sent until the link is up anew; true when none is under way. */
bool serve_hold(void);
/* The server has said that it goes, and nothing is under way: connect to another. */
bool serve_server_leaves(void);
/* Flushes what was written, as far as the server can; true when nothing is unflushed. */
bool serve_settle(void);

/* main.c */
void ring_worker(void);
void tell_accepted(uint32_t generation);
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

#endif
