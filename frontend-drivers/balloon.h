// SPDX-License-Identifier: MIT
/*
 * The balloon: the guest follows memory/target, the KiB that the toolstack wants it to have, by giving pages back to
 * the hypervisor and by asking for them again. Works from xenbus_poll.
 */
#ifndef FRONTEND_BALLOON_H
#define FRONTEND_BALLOON_H

#include "xenbus.h"

struct balloon {
	uint64_t pages;			/* that the guest has now */
	uint64_t least;			/* and below which it never goes */
	/* The library's. */
	void **given;			/* addresses of pages that were given back */
	uint64_t nr_given, room;
	struct xenbus_watch watch;
};

/*
 * Starts following. `pages` is what the guest was started with (start_info.nr_pages), `most_given` how many of them may
 * be given back at most. Returns 0 or -XEN_E*. Task.
 */
int balloon_start(struct balloon *balloon, uint64_t pages, uint64_t most_given);

#endif
