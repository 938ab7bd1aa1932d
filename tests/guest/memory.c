// SPDX-License-Identifier: MIT
/*
 * What a domain starts with, and how its memory changes: the tables between guest and machine frames, giving frames
 * back and taking others, exchanging them for contiguous ones, and what the hypervisor says about the machine.
 *
 * Linux as dom0 does each of these at boot, some of them with a BUG where the answer is not exactly this.
 */
#include <xen/memory.h>
#include <xen/version.h>

#include "runtime.h"

#define BASE		0x0000100000000000UL
#define EXCHANGED	16U		/* single frames, for one extent of 2^4 */
#define EXCHANGE_ORDER	4

static const volatile uint64_t *m2p = (const volatile uint64_t *)MACH2PHYS_VIRT_START;

static long memory_op(unsigned int command, void *argument)
{
	return hypercall2(__HYPERVISOR_memory_op, command, argument);
}

static long reservation(void)
{
	domid_t self = DOMID_SELF;

	return memory_op(XENMEM_current_reservation, &self);
}

/* What the domain builder promises (start_info and the registers it does not show). */
static void born(void)
{
	const uint64_t *p2m = (const uint64_t *)(uintptr_t)start_info->mfn_list;
	unsigned long wrong = 0, twice = 0;

	tap_ok(!strncmp(start_info->magic, "xen-3.0-x86_64", 14), "start_info has its magic");
	tap_ok(start_info->nr_pages > 0 && start_info->nr_pt_frames >= 4, "it counts pages and tables");
	tap_long(reservation(), (long)start_info->nr_pages, "the reservation is what start_info says");
	for (uint64_t pfn = 0; pfn < start_info->nr_pages; pfn++) {
		wrong += m2p[p2m[pfn]] != pfn;
		twice += pfn && p2m[pfn] == p2m[pfn - 1];
	}
	tap_long((long)wrong, 0, "each frame of the list has the way back in the machine's table");
	tap_long((long)twice, 0, "and no neighbour has the same");
	tap_ok((start_info->shared_info & (PAGE_SIZE - 1)) == 0, "shared_info lies on a page");
	tap_long(vcpu_info->evtchn_upcall_mask, 1, "events start masked");
	for (unsigned int i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		wrong += shared_info->vcpu_info[i].evtchn_upcall_mask != 1;
	tap_long((long)wrong, 0, "for every vcpu that may come");
}

static void machine(void)
{
	static struct xen_e820_entry entries[64];
	struct xen_memory_map map = { .nr_entries = 64, .buffer = (uint64_t)(uintptr_t)entries };
	struct xen_machphys_mapping mapping = { 0 };
	uint64_t ram = 0, end = 0;
	bool sorted = true;

	tap_long(memory_op(XENMEM_machphys_mapping, &mapping), 0, "the place of the machine's table can be asked for");
	tap_ok(mapping.v_start == MACH2PHYS_VIRT_START && mapping.v_end == MACH2PHYS_VIRT_END && mapping.max_mfn > 0,
	       "and is that of the ABI");
	tap_long(memory_op(XENMEM_machine_memory_map, &map), 0, "dom0 gets the machine's memory map");
	for (unsigned int i = 0; i < map.nr_entries; i++) {
		sorted &= entries[i].addr >= end && entries[i].size > 0;
		end = entries[i].addr + entries[i].size;
		ram += entries[i].type == 1 ? entries[i].size : 0;
	}
	tap_ok(map.nr_entries > 0 && sorted, "its entries are sorted and don't overlap");
	tap_ok(ram >= start_info->nr_pages * PAGE_SIZE, "it has at least as much memory as we were given");
	tap_ok(memory_op(XENMEM_maximum_ram_page, NULL) > 0, "the last frame of the machine can be asked for");
}

static void give_and_take(void)
{
	uint64_t *page = page_alloc(), mfn = virt_to_mfn(page), pfn, list[1];
	struct xen_memory_reservation extents = {
		.extent_start = (uint64_t)(uintptr_t)list, .nr_extents = 1, .domid = DOMID_SELF,
	};
	long before = reservation();

	pfn = m2p[mfn];
	page[0] = 0xdeadbeef;
	list[0] = mfn;
	map_pte(page, 0);
	tap_long(memory_op(XENMEM_decrease_reservation, &extents), 1, "a frame can be given back");
	tap_long(reservation(), before - 1, "the reservation shrinks by it");
	list[0] = pfn;
	tap_long(memory_op(XENMEM_populate_physmap, &extents), 1, "a frame can be taken in its place");
	tap_long(reservation(), before, "the reservation is as before");
	tap_long((long)m2p[list[0]], (long)pfn, "the machine's table has the way back");
	tap_long(map_pte(page, mfn_pte(list[0], PTE_RWDATA)), 0, "and it can be mapped");
	tap_ok(page[0] != 0xdeadbeef || list[0] == mfn, "it is not another's memory with its contents");
	((uint64_t *)(uintptr_t)start_info->mfn_list)[pfn] = list[0];
	page_free(page);
	list[0] = pfn;
	tap_ok(memory_op(XENMEM_populate_physmap, &extents) <= 0 || reservation() == before + 1,
	       "a frame beyond the limit is refused, or counted");
}

static void exchange(void)
{
	static uint64_t *pages[EXCHANGED];
	static uint64_t in[EXCHANGED], out[1], pfns[EXCHANGED];
	uint64_t *p2m = (uint64_t *)(uintptr_t)start_info->mfn_list;
	struct xen_memory_exchange swap = {
		.in = { (uint64_t)(uintptr_t)in, EXCHANGED, 0, 0, DOMID_SELF },
		.out = { (uint64_t)(uintptr_t)out, 1, EXCHANGE_ORDER, XENMEMF_address_bits(32), DOMID_SELF },
	};
	unsigned long wrong = 0;
	long before = reservation(), result;

	/* The new extent gets the pfns from pfns[0] on: take 16 in a row. */
	for (unsigned int i = 0; i < EXCHANGED; i++)
		pages[i] = page_alloc();
	for (unsigned int i = 0; i < EXCHANGED; i++) {
		pfns[i] = m2p[virt_to_mfn(pages[0])] - EXCHANGED + 1 + i;
		in[i] = p2m[pfns[i]];
		map_pte((void *)(RUNTIME_VIRT_BASE + (pfns[i] << PAGE_SHIFT)), 0);
	}
	out[0] = pfns[0];
	result = memory_op(XENMEM_exchange, &swap);
	tap_long(result, 0, "16 frames can be exchanged for one extent");
	tap_long((long)swap.nr_exchanged, result ? 0 : EXCHANGED, "and all or none are counted as done");
	if (result)
		panic("the pages are gone");
	tap_long(reservation(), before, "the reservation is as before");
	tap_ok((out[0] & (EXCHANGED - 1)) == 0 && out[0] + EXCHANGED <= 1UL << 20,
	       "the extent is aligned, and below 4 GiB");
	for (unsigned int i = 0; i < EXCHANGED; i++) {
		wrong += m2p[out[0] + i] != pfns[i];
		p2m[pfns[i]] = out[0] + i;
		wrong += map_pte((void *)(RUNTIME_VIRT_BASE + (pfns[i] << PAGE_SHIFT)),
				 mfn_pte(out[0] + i, PTE_RWDATA)) != 0;
	}
	tap_long((long)wrong, 0, "its frames have the way back and can be mapped");
	for (unsigned int i = 0; i < EXCHANGED; i++)
		page_free(pages[i]);

	/* A mapped frame can't be exchanged; nothing may happen then. */
	in[0] = virt_to_mfn(pages[0]);
	swap.in.nr_extents = 1;
	swap.out = (struct xen_memory_reservation){ (uint64_t)(uintptr_t)out, 1, 0, 0, DOMID_SELF };
	swap.nr_exchanged = 0;
	out[0] = m2p[in[0]];
	result = memory_op(XENMEM_exchange, &swap);
	tap_ok(result < 0 && swap.nr_exchanged == 0, "a mapped frame is not exchanged (%ld)", result);
	tap_ok(reservation() == before && m2p[in[0]] == out[0], "and stays ours");
}

/* The machine's table is readable for the guest, and nothing else of it. */
static void machine_table(void)
{
	struct mmu_update update;
	uint64_t *page = page_alloc();
	uint64_t mfn = virt_to_mfn(page), pfn = m2p[mfn];

	update = (struct mmu_update){ mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 0x12345 };
	tap_long(hypercall4(__HYPERVISOR_mmu_update, &update, 1, 0, DOMID_SELF), 0, "an own entry can be changed");
	tap_long((long)m2p[mfn], 0x12345, "and reads so");
	update.val = pfn;
	hypercall4(__HYPERVISOR_mmu_update, &update, 1, 0, DOMID_SELF);
	tap_long((long)m2p[mfn], (long)pfn, "and back");
	page_free(page);
}

SNIPPET(load, "mov (%rdi), %rax");
SNIPPET(store, "mov %rax, (%rdi)");

static void isolation(void)
{
	static const uint64_t places[] = { 0xffff810000000000, 0xffff820000000000, 0xffff82c000000000,
					  0xffff82d040000000,
					   0xffff830000000000, 0xffff87ffffffff00 };
	struct outcome o;

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		o = run_kernel(load, &(struct regs){ .rdi = places[i] });
		tap_ok(o.vector == 14 && o.cr2 == places[i], "%lx can't be read by the kernel", places[i]);
		o = run_user(load, &(struct regs){ .rdi = places[i] });
		tap_ok(o.vector == 14 && o.cr2 == places[i], "nor by guest user");
		o = run_kernel(store, &(struct regs){ .rdi = places[i] });
		tap_ok(o.vector == 14, "nor written");
	}
	o = run_kernel(store, &(struct regs){ .rdi = MACH2PHYS_VIRT_START });
	tap_ok(o.vector == 14, "the machine's table can't be written");
}

static void versions(void)
{
	struct xen_feature_info features = { 0, 0 };
	static xen_capabilities_info_t capabilities;
	struct xen_platform_parameters parameters = { 0 };

	tap_long(hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17, "the version is 4.17");
	tap_long(hypercall2(__HYPERVISOR_xen_version, XENVER_pagesize, 0), PAGE_SIZE, "a page has 4096 bytes");
	hypercall2(__HYPERVISOR_xen_version, XENVER_get_features, &features);
	tap_ok((features.submap >> XENFEAT_mmu_pt_update_preserve_ad & 1) &&
	       (features.submap >> XENFEAT_gnttab_map_avail_bits & 1),
		"the features without which Linux stops are there");
	tap_ok(!(features.submap & (1 << XENFEAT_writable_page_tables | 1 << XENFEAT_auto_translated_physmap |
				    1 << XENFEAT_supervisor_mode_kernel)), "and those that PV has not are not");
	tap_ok((features.submap >> XENFEAT_dom0 & 1) == is_dom0(), "the feature dom0 tells the truth");
	hypercall2(__HYPERVISOR_xen_version, XENVER_capabilities, &capabilities);
	tap_ok(strstr(capabilities, "xen-3.0-x86_64") != NULL, "64-bit PV is among the capabilities");
	hypercall2(__HYPERVISOR_xen_version, XENVER_platform_parameters, &parameters);
	tap_ok(parameters.virt_start == HYPERVISOR_VIRT_START, "the hypervisor starts where the ABI says");
}

void guest_main(void)
{
	tap_start("memory");
	born();
	versions();
	machine();
	give_and_take();
	exchange();
	machine_table();
	isolation();
	tap_end();
}
