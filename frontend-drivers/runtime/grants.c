// SPDX-License-Identifier: MIT
/*
 * The guest's own grant table, version 1: frames of 512 entries, one to begin with.
 *
 * An entry is given by writing domid and frame first and the flags last; it is taken back by a compare-and-exchange
 * of the flags to 0 that only succeeds while neither "reading" nor "writing" is set.
 *
 * References are used by number (grants_init, then any below 512), or taken from a list of free ones, which grows by a
 * frame when it is empty.
 */
#include <xen/grant_table.h>

#include "os_port.h"
#include "runtime.h"

#define MAX_FRAMES	64
#define PER_FRAME	(PAGE_SIZE / sizeof(struct grant_entry_v1))
#define RESERVED	8		/* console and store have entries here */
#define NONE		(~0u)

static struct grant_entry_v1 *frames[MAX_FRAMES];
static unsigned int nr_frames;

static struct os_lock lock;		/* guards the free list */
static uint32_t next_free[MAX_FRAMES * PER_FRAME];
static uint32_t first_free = NONE;

static struct grant_entry_v1 *entry_of(uint32_t ref)
{
	return &frames[ref / PER_FRAME][ref % PER_FRAME];
}

static long add_frame(void)
{
	static xen_pfn_t list[MAX_FRAMES];
	struct gnttab_setup_table setup = {
		.dom = DOMID_SELF,
		.nr_frames = nr_frames + 1,
		.frame_list = (uint64_t)(uintptr_t)list,
	};
	long result = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &setup, 1);

	if (result)
		return result;
	if (setup.status)
		return -XEN_EINVAL;
	frames[nr_frames] = page_alloc();
	map_over(frames[nr_frames], list[nr_frames]);
	nr_frames++;
	return 0;
}

long grants_init(void)
{
	return nr_frames ? 0 : add_frame();
}

void grant_ref_free(uint32_t ref)
{
	os_lock(&lock);
	next_free[ref] = first_free;
	first_free = ref;
	os_unlock(&lock);
}

/* Under the lock. */
static bool grow(void)
{
	uint32_t ref = nr_frames * PER_FRAME;

	if (nr_frames == MAX_FRAMES || add_frame())
		return false;
	for (ref = ref < RESERVED ? RESERVED : ref; ref < nr_frames * PER_FRAME; ref++) {
		next_free[ref] = first_free;
		first_free = ref;
	}
	return true;
}

int grant_ref_alloc(uint32_t *ref)
{
	int result = 0;

	os_lock(&lock);
	if (first_free == NONE && !grow())
		result = -XEN_ENOSPC;
	if (!result) {
		*ref = first_free;
		first_free = next_free[first_free];
	}
	os_unlock(&lock);
	return result;
}

void grant_access(uint32_t ref, domid_t domid, uint64_t mfn, bool readonly)
{
	uint16_t flags = (uint16_t)(GTF_permit_access | (readonly ? GTF_readonly : 0));

	entry_of(ref)->domid = domid;
	entry_of(ref)->frame = (uint32_t)mfn;
	__atomic_store_n(&entry_of(ref)->flags, flags, __ATOMIC_RELEASE);
}

bool grant_end_access(uint32_t ref)
{
	uint16_t flags = __atomic_load_n(&entry_of(ref)->flags, __ATOMIC_SEQ_CST);

	do {
		if (flags & (GTF_reading | GTF_writing))
			return false;
	} while (!__atomic_compare_exchange_n(&entry_of(ref)->flags, &flags, (uint16_t)0, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return true;
}

uint16_t grant_flags(uint32_t ref)
{
	return __atomic_load_n(&entry_of(ref)->flags, __ATOMIC_SEQ_CST);
}
