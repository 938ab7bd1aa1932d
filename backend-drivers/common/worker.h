/* SPDX-License-Identifier: MIT */
/*
 * A worker's side of the keeper: how it comes up, what it may ask, how it gives up its rights. A worker's main() calls
 * worker_begin(), makes its threads, if it has any, calls worker_sandbox(), opens and maps what it needs, calls
 * worker_ready(), then serves. What is in the memory is not to be believed before worker_sandbox(): shared.h, 2.
 */
#ifndef BACKEND_WORKER_H
#define BACKEND_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include "shared.h"

#define EVTCHN_NOTIFY	_IOC(_IOC_NONE, 'E', 4, 4)	/* linux/include/uapi/xen/evtchn.h */

extern struct backend_memory *memory;

/*
 * Becomes the user and goes to the empty root folder that the keeper's arguments say, and maps the memory. Does not come
 * back if something is wrong; @layout is the kind's (struct backend_kind).
 */
void worker_begin(int argc, char **argv, uint32_t layout);
static inline void *worker_memory_own(void)
{
	return (char *)memory + BACKEND_OWN;
}
/* Tells the keeper that the device is served. */
void worker_ready(void);
__attribute__((format(printf, 1, 2))) void worker_log(const char *format, ...);
/* The frontend broke the protocol: tells the keeper, and ends. */
__attribute__((format(printf, 1, 2), noreturn)) void worker_misbehaves(const char *format, ...);
/* Something of our own is wrong: logs it and ends; the keeper starts another. */
__attribute__((format(printf, 1, 2), noreturn)) void worker_die(const char *format, ...);

/*
 * Asks the keeper and waits for its answer, which comes in *@m. @size: bytes of the question. What else comes meanwhile
 * is kept for worker_next(). Ends the worker if the keeper is gone.
 */
void worker_ask(struct message *m, size_t size);
/* Sends without an answer. */
void worker_tell(const struct message *m, size_t size);
/* The next message of the keeper, if there is one: true. Called when the doorbell rang. */
bool worker_next(struct message *m);

/*
 * Maps @count (up to MESSAGE_ITEMS) grants of the guest in one piece; NULL with errno if any of them can't be.
 * They are unmapped with the worker's end, or by worker_unmap() with the same count.
 */
void *worker_map(const uint32_t *refs, unsigned int count, bool readonly, uint64_t *index);
void worker_unmap(void *p, unsigned int count, uint64_t index);

/* Event channels: FD_EVENTS. */
void worker_notify(uint32_t port);
void worker_unmask(uint32_t port);

/* A system call that a worker keeps. */
struct worker_rule {
	int call;			/* SCMP_SYS(...) */
	long second;			/* -1: any; else the value of its second argument (ioctl's and fcntl's command) */
};
/* The first half of that, for worker_begin(): root folder empty, own uid without groups and capabilities. */
void worker_leave(uint32_t uid, const char *root);
/*
 * The second half: limits, and a filter of system calls that kills. The calls that all workers need are in; @more are
 * the kind's. @memory_most: bytes of address space, 0 for no limit. Does not come back if it fails.
 */
void worker_sandbox(const struct worker_rule *more, unsigned int count, size_t memory_most);

/* In the test build, dies here if the keeper was told so (fault LABEL N). */
#ifdef FAULT_POINTS
void fault_point(const char *label);
#else
static inline void fault_point(const char *label)
{
	(void)label;
}
#endif

#endif
