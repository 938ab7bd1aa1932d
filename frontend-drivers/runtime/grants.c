// SPDX-License-Identifier: MIT
/*
 * The guest's own grant table, version 1, one frame of 512 entries.
 *
 * An entry is given by writing domid and frame first and the flags last; it is taken back by a compare-and-exchange
 * of the flags to 0 that only succeeds while neither "reading" nor "writing" is set.
 */
#include <xen/grant_table.h>

#include "runtime.h"

static struct grant_entry_v1 *table;

long grants_init(void)
{
	xen_pfn_t frame = 0;
	struct gnttab_setup_table setup = {
		.dom = DOMID_SELF,
		.nr_frames = 1,
		.frame_list = (uint64_t)(uintptr_t)&frame,
	};
	long result = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &setup, 1);

	if (result)
		return result;
	if (setup.status)
		return -XEN_EINVAL;
	table = page_alloc();
	map_over(table, frame);
	return 0;
}

void grant_access(uint32_t ref, domid_t domid, uint64_t mfn, bool readonly)
{
	uint16_t flags = (uint16_t)(GTF_permit_access | (readonly ? GTF_readonly : 0));

	table[ref].domid = domid;
	table[ref].frame = (uint32_t)mfn;
	__atomic_store_n(&table[ref].flags, flags, __ATOMIC_RELEASE);
}

bool grant_end_access(uint32_t ref)
{
	uint16_t flags = __atomic_load_n(&table[ref].flags, __ATOMIC_SEQ_CST);

	do {
		if (flags & (GTF_reading | GTF_writing))
			return false;
	} while (!__atomic_compare_exchange_n(&table[ref].flags, &flags, (uint16_t)0, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return true;
}

uint16_t grant_flags(uint32_t ref)
{
	return __atomic_load_n(&table[ref].flags, __ATOMIC_SEQ_CST);
}
