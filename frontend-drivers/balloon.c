// SPDX-License-Identifier: MIT
/*
 * Pages go one by one: the OS frees one for us (os_pages_alloc), it loses its frame, the hypervisor gets that. Back the
 * same way: a frame comes, the page has it, the OS gets the page. A step that is refused leaves all as it was before
 * it, and the next change of the target tries again.
 *
 * Only the balloon's watch changes what is here, so there is no lock.
 */
#include "balloon.h"

#include <xen/memory.h>
#include <xen/xen.h>

#define KIB_PER_PAGE	(OS_PAGE_SIZE / 1024)

/* Returns false where no page could be given. */
static bool give_one(struct balloon *balloon)
{
	void *page = balloon->nr_given < balloon->room ? os_pages_alloc(1) : NULL;
	xen_pfn_t frame;
	struct xen_memory_reservation give = { .extent_start = (uint64_t)(uintptr_t)&frame, .nr_extents = 1,
					       .domid = DOMID_SELF };

	if (!page)
		return false;
	frame = os_page_unback(page);
	if (os_memory_op(XENMEM_decrease_reservation, &give) != 1) {
		os_page_back(page, frame);
		os_pages_free(page, 1);
		return false;
	}
	balloon->given[balloon->nr_given++] = page;
	balloon->pages--;
	return true;
}

static bool take_one(struct balloon *balloon)
{
	void *page = balloon->given[balloon->nr_given - 1];
	xen_pfn_t frame = os_page_pfn(page);
	struct xen_memory_reservation take = { .extent_start = (uint64_t)(uintptr_t)&frame, .nr_extents = 1,
					       .domid = DOMID_SELF };

	if (os_memory_op(XENMEM_populate_physmap, &take) != 1)
		return false;
	os_page_back(page, frame);
	os_pages_free(page, 1);
	balloon->nr_given--;
	balloon->pages++;
	return true;
}

static void target_changed(struct xenbus_watch *watch)
{
	struct balloon *balloon = (void *)((char *)watch - offsetof(struct balloon, watch));
	uint64_t kib = xenbus_number_or(watch->path, NULL, 0);
	uint64_t target = kib / KIB_PER_PAGE;

	if (!kib)
		return;		/* no number, or none yet */
	if (target < balloon->least)
		target = balloon->least;
	while (balloon->pages > target)
		if (!give_one(balloon))
			return;
	while (balloon->pages < target && balloon->nr_given)
		if (!take_one(balloon))
			return;
}

int balloon_start(struct balloon *balloon, uint64_t pages, uint64_t most_given)
{
	balloon->pages = pages;
	balloon->least = pages - most_given;
	balloon->nr_given = 0;
	balloon->room = most_given;
	balloon->given = os_alloc(most_given * sizeof(*balloon->given));
	if (!balloon->given)
		return -XEN_ENOMEM;
	balloon->watch.path = "memory/target";
	balloon->watch.changed = target_changed;
	return xenbus_watch(&balloon->watch);
}
