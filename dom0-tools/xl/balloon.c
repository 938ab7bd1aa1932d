// SPDX-License-Identifier: MIT
/*
 * Making room for a guest: dom0 is asked to give memory up (its balloon driver watches memory/target), and that is waited
 * for.
 *
 * dom0 is never asked below DOM0_LEAST. The waiting ends when memory is there, or when nothing more came for a while.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "guest.h"

#define DOM0_LEAST	(128u << 10)	/* KiB */
#define STEP_MS		20
#define PATIENCE_STEPS	250		/* without progress */
#define TARGET		"/local/domain/0/memory/target"

static int free_memory(struct host *h, uint64_t *kib)
{
	struct xen_sysctl_physinfo info;

	if (xc_physinfo(h->x, &info))
		return say_call_error(h, "looking for memory");
	*kib = info.free_pages + info.scrub_pages > info.outstanding_pages ?
	       (info.free_pages + info.scrub_pages - info.outstanding_pages) * 4 : 0;
	return 0;
}

/* xl.conf's autoballoon; "auto" means not if the hypervisor's options bound dom0's memory. */
static bool may_balloon(struct host *h)
{
	enum autoballoon how = h->conf ? h->conf->autoballoon : AUTOBALLOON_AUTO;
	char line[1024] = "";

	if (how != AUTOBALLOON_AUTO)
		return how == AUTOBALLOON_ON;
	if (xc_version(h->x, XENVER_commandline, line, sizeof(line)) < 0)
		return false;
	line[sizeof(line) - 1] = 0;
	return !strstr(line, "dom0_mem=");
}

/* By @missing KiB, or negative: raise it. */
static int lower_target(struct host *h, int64_t missing)
{
	char *text = xs_read(h->xs, XBT_NULL, TARGET, NULL);
	int64_t target = text ? strtoll(text, NULL, 10) : 0;
	char next[32];

	free(text);
	if (target < missing + DOM0_LEAST)
		return -ENOMEM;
	snprintf(next, sizeof(next), "%lld", (long long)(target - missing));
	return xs_write(h->xs, XBT_NULL, TARGET, next, strlen(next)) ? 0 : -errno;
}

void balloon_give_back(struct host *h, uint64_t kib)
{
	if (kib && lower_target(h, -(int64_t)kib))
		fprintf(stderr, "xl: dom0's memory stays %llu MiB smaller: its target can't be raised\n",
			(unsigned long long)kib >> 10);
}

int balloon_make_room(struct host *h, uint64_t kib, uint64_t *asked)
{
	struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	uint64_t free_kib, last;
	int err = free_memory(h, &free_kib);

	if (err || free_kib >= kib)
		return err;
	if (may_balloon(h) && !lower_target(h, kib - free_kib))
		*asked = kib - free_kib;
	else
		return say_error(ENOMEM, "there is not enough memory: the guest takes %llu MiB, %llu MiB are free",
				 (unsigned long long)(kib + 1023) >> 10, (unsigned long long)free_kib >> 10);
	for (int idle = 0; free_kib < kib && idle < PATIENCE_STEPS; idle++) {
		nanosleep(&step, NULL);
		last = free_kib;
		err = free_memory(h, &free_kib);
		if (err)
			return err;
		if (free_kib > last)
			idle = 0;
	}
	return free_kib >= kib ? 0 :
	       say_error(ENOMEM, "dom0 did not give up the memory in time: the guest takes %llu MiB, %llu MiB are free",
			 (unsigned long long)(kib + 1023) >> 10, (unsigned long long)free_kib >> 10);
}
