// SPDX-License-Identifier: MIT
/*
 * What a frame is used as, against everything that would use it as something else.
 *
 * `frames` is one frame in each state that the hypervisor knows: tables of each level, pinned and in use, descriptor
 * tables, pages shared with the hypervisor, frames that it holds for itself, frames that are nobody's. `uses` is every
 * way to ask for a frame. All are tried with each other; each must be refused but for those that the frame's state
 * permits, which `fits` names. A use that gets through where it must not is a hole, whatever it does afterwards.
 *
 * Below that: large pages, tables that name themselves, translations that outlive a mapping, the hypervisor's slots,
 * and promotions that an event interrupts after each few steps while its handler changes what is being promoted.
 *
 * Advisories of Xen whose class a test is of are named there by number (docs/advisories.md).
 */
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/vcpu.h>

#include "runtime.h"

#define BASE		0x0000100000000000UL	/* nothing is there at the start */
#define LDT_SELECTOR	7
#define DATA_DESCRIPTOR	0x00cff3000000ffffUL
#define PF		14

#define HV_SLOT_FIRST	256
#define HV_SLOT_LAST	271

SNIPPET(load, "mov (%rdi), %rax");
SNIPPET(store, "mov %rax, (%rdi)");
SNIPPET(jump, "jmp *%rdi");

static uint64_t l4;
static uint64_t *scratch;		/* a writable page that means nothing */
static unsigned int wrong;		/* of the group that is being tried */
static bool on_xen;			/* Debian's Xen, where the two differ on purpose */

static void group_ends(const char *name)
{
	tap_long(wrong, 0, name);
	wrong = 0;
}

static uint64_t *new_table(void)
{
	uint64_t *table = page_alloc();

	page_make_readonly(table);
	return table;
}

static void done_with_table(uint64_t *table)
{
	page_make_writable(table);
	page_free(table);
}

static uint64_t entry_of(uint64_t address, int level)
{
	uint64_t value;

	return pt_entry(l4, address, level, &value);
}

/* ---- the uses ---- */

static long map_writable(uint64_t mfn)
{
	long result = pt_write(entry_of(BASE, 1), mfn_pte(mfn, PTE_RWDATA));

	if (!result)
		pt_write(entry_of(BASE, 1), 0);
	return result;
}

static long map_by_address(uint64_t mfn)
{
	long result = map_pte((const void *)BASE, mfn_pte(mfn, PTE_RWDATA));

	if (!result)
		map_pte((const void *)BASE, 0);
	return result;
}

/* A mapping for reading that is then made writable: the change of flags alone. */
static long map_then_open(uint64_t mfn)
{
	uint64_t entry = entry_of(BASE, 1);
	struct mmu_update update = { entry | MMU_PT_UPDATE_PRESERVE_AD, mfn_pte(mfn, PTE_RWDATA) };
	long result = pt_write(entry, mfn_pte(mfn, PTE_RODATA));

	if (result)
		return result;
	result = hypercall4(__HYPERVISOR_mmu_update, &update, 1, 0, DOMID_SELF);
	pt_write(entry, 0);
	return result;
}

/* In a table that becomes an L1 with this entry in it. */
static long map_in_new_table(uint64_t mfn)
{
	uint64_t *table = page_alloc();
	long result;

	table[17] = mfn_pte(mfn, PTE_RWDATA);
	page_make_readonly(table);
	result = mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table));
	if (!result)
		mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table));
	done_with_table(table);
	return result;
}

static long pin(uint64_t mfn, unsigned int level)
{
	long result = mmuext(MMUEXT_PIN_L1_TABLE + level - 1, mfn);

	if (!result)
		mmuext(MMUEXT_UNPIN_TABLE, mfn);
	return result;
}

static long pin_l1(uint64_t mfn) { return pin(mfn, 1); }
static long pin_l2(uint64_t mfn) { return pin(mfn, 2); }
static long pin_l3(uint64_t mfn) { return pin(mfn, 3); }
static long pin_l4(uint64_t mfn) { return pin(mfn, 4); }

/* As a table below one in use. */
static long hang_below(uint64_t mfn, int level)
{
	uint64_t entry = entry_of(BASE, level) + 16;
	long result = pt_write(entry, mfn_pte(mfn, PTE_TABLE));

	if (!result)
		pt_write(entry, 0);
	return result;
}

static long below_l2(uint64_t mfn) { return hang_below(mfn, 2); }
static long below_l3(uint64_t mfn) { return hang_below(mfn, 3); }
static long below_l4(uint64_t mfn) { return hang_below(mfn, 4); }

static long base(uint64_t mfn)
{
	return mmuext(MMUEXT_NEW_BASEPTR, mfn);
}

static long user_base(uint64_t mfn)
{
	long result = mmuext(MMUEXT_NEW_USER_BASEPTR, mfn);

	if (!result)
		mmuext(MMUEXT_NEW_USER_BASEPTR, user_l4_mfn());
	return result;
}

static long as_gdt(uint64_t mfn)
{
	long result = hypercall2(__HYPERVISOR_set_gdt, &mfn, 512);

	if (!result)
		hypercall2(__HYPERVISOR_set_gdt, &mfn, 0);
	return result;
}

static long set_ldt(uint64_t address, uint32_t entries)
{
	struct mmuext_op op = { .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = address, .arg2.nr_ents = entries };

	return hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF);
}

SNIPPET(load_fs, "mov %edi, %fs\n xor %edi, %edi\n mov %edi, %fs");

/* The LDT's address is believed; its page is looked at when the CPU reads a descriptor there. */
static long as_ldt(uint64_t mfn)
{
	struct regs regs = { .rdi = LDT_SELECTOR };
	long result = map_pte((const void *)BASE, mfn_pte(mfn, PTE_RODATA));

	if (result)
		return result;
	result = set_ldt(BASE, 512);
	if (!result && run_kernel(load_fs, &regs).vector == PF)
		result = -XEN_EFAULT;
	set_ldt(0, 0);
	map_pte((const void *)BASE, 0);
	return result;
}

static long clear(uint64_t mfn)
{
	return mmuext(MMUEXT_CLEAR_PAGE, mfn);
}

static long copy_over(uint64_t mfn)
{
	struct mmuext_op op = { .cmd = MMUEXT_COPY_PAGE, .arg1.mfn = mfn, .arg2.src_mfn = virt_to_mfn(scratch) };

	return hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF);
}

static long write_descriptor(uint64_t mfn)
{
	return hypercall2(__HYPERVISOR_update_descriptor, (mfn << PAGE_SHIFT) + 8 * 300, 0);
}

static long grant_map(uint64_t mfn)
{
	struct gnttab_map_grant_ref op = { .host_addr = BASE, .flags = GNTMAP_host_map, .ref = 9, .dom = 0 };
	struct gnttab_unmap_grant_ref undo = { .host_addr = BASE };

	grant_access(9, 0, mfn, false);
	hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &op, 1);
	if (!op.status) {
		undo.handle = op.handle;
		hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &undo, 1);
	}
	grant_end_access(9);
	return op.status;
}

static long grant_copy(uint64_t mfn, bool granted)
{
	struct gnttab_copy op = {
		.source = { .u.gmfn = virt_to_mfn(scratch), .domid = DOMID_SELF },
		.dest = { .u.gmfn = mfn, .domid = DOMID_SELF },
		.len = 0,	/* the frame is asked for, and nothing is written */
	};

	if (granted) {
		grant_access(9, 0, mfn, false);
		op.dest.u.ref = 9;
		op.dest.domid = 0;
		op.flags = GNTCOPY_dest_gref;
	}
	hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, &op, 1);
	if (granted)
		grant_end_access(9);
	return op.status;
}

static long copy_to_frame(uint64_t mfn) { return grant_copy(mfn, false); }
static long copy_to_grant(uint64_t mfn) { return grant_copy(mfn, true); }

static long exchange(uint64_t mfn)
{
	uint64_t in = mfn, out = 0;
	struct xen_memory_exchange swap = {
		.in = { (uint64_t)(uintptr_t)&in, 1, 0, 0, DOMID_SELF },
		.out = { (uint64_t)(uintptr_t)&out, 1, 0, 0, DOMID_SELF },
	};

	return hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &swap);
}

static long give_back(uint64_t mfn)
{
	uint64_t list = mfn;
	struct xen_memory_reservation give = {
		.extent_start = (uint64_t)(uintptr_t)&list, .nr_extents = 1, .domid = DOMID_SELF,
	};

	return hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &give) == 1 ? 0 : -XEN_EINVAL;
}

static long event_words(uint64_t mfn)
{
	struct evtchn_expand_array expand = { mfn };

	return hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_expand_array, &expand);
}

static long control_block(uint64_t mfn)
{
	struct evtchn_init_control init = { .control_gfn = mfn, .vcpu = 0 };

	return hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_init_control, &init);
}

static long vcpu_information(uint64_t mfn)
{
	struct vcpu_register_vcpu_info info = { .mfn = mfn };

	return hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, &info);
}

static long hypercall_page(uint64_t mfn)
{
	extern const char install[];
	struct regs regs = { .rcx = 0x40000000, .rax = (uint32_t)(mfn << PAGE_SHIFT), .rdx = mfn >> 20 };

	return run_kernel(install, &regs).vector == NO_FAULT ? 0 : -XEN_EINVAL;
}

SNIPPET(install, "wrmsr");

static long m2p_entry(uint64_t mfn)
{
	uint64_t max = (uint64_t)hypercall2(__HYPERVISOR_memory_op, XENMEM_maximum_ram_page, 0);
	struct mmu_update update = {
		mfn << PAGE_SHIFT | MMU_MACHPHYS_UPDATE,
		mfn <= max ? ((const uint64_t *)MACH2PHYS_VIRT_START)[mfn] : 0,
	};

	return hypercall4(__HYPERVISOR_mmu_update, &update, 1, 0, DOMID_SELF);
}

static long read_only(uint64_t mfn)
{
	long result = pt_write(entry_of(BASE, 1), mfn_pte(mfn, PTE_RODATA));

	if (!result)
		pt_write(entry_of(BASE, 1), 0);
	return result;
}

enum use {
	MAP_WRITABLE, MAP_BY_ADDRESS, MAP_THEN_OPEN, MAP_IN_NEW_TABLE, PIN_L1, PIN_L2, PIN_L3, PIN_L4, BELOW_L2,
	BELOW_L3, BELOW_L4, AS_BASE, AS_USER_BASE, AS_GDT, AS_LDT, CLEAR, COPY_OVER, WRITE_DESCRIPTOR, GRANT_MAP,
	COPY_TO_FRAME, COPY_TO_GRANT, EXCHANGE, GIVE_BACK, EVENT_WORDS, CONTROL_BLOCK, VCPU_INFORMATION, HYPERCALL_PAGE,
	M2P_ENTRY, READ_ONLY, NR_USES
};

static const struct {
	const char *name;
	long (*ask)(uint64_t mfn);
} uses[NR_USES] = {
	{ "mapped writable", map_writable }, { "mapped by its address", map_by_address },
	{ "mapped for reading, then opened", map_then_open }, { "mapped writable in a new table", map_in_new_table },
	{ "pinned as an L1", pin_l1 }, { "pinned as an L2", pin_l2 }, { "pinned as an L3", pin_l3 },
	{ "pinned as an L4", pin_l4 }, { "hung below an L2", below_l2 }, { "hung below an L3", below_l3 },
	{ "hung below an L4", below_l4 }, { "the kernel's base", base }, { "the user's base", user_base },
	{ "a GDT page", as_gdt }, { "an LDT page", as_ldt }, { "cleared", clear }, { "copied over", copy_over },
	{ "written as a descriptor", write_descriptor }, { "granted and mapped", grant_map },
	{ "copied to", copy_to_frame }, { "granted and copied to", copy_to_grant }, { "exchanged", exchange },
	{ "given back", give_back }, { "event words", event_words }, { "a control block", control_block },
	{ "vcpu information", vcpu_information }, { "the hypercall page", hypercall_page },
	{ "given another pfn", m2p_entry }, { "mapped for reading", read_only },
};

#define FITS(use)	(1U << (use))
/* What a guest may do with any frame of its own, whatever it is used as. */
#define OWN		(FITS(M2P_ENTRY) | FITS(READ_ONLY))
/* The owner's hold may always be given up: the frame stays until its uses end. Tried apart, below. */
#define NOT_TRIED	FITS(GIVE_BACK)
/* A page that the hypervisor shares is written by the guest as it likes; these tries would destroy it or stay. */
#define SHARED		(OWN | FITS(MAP_WRITABLE) | FITS(MAP_BY_ADDRESS) | FITS(MAP_THEN_OPEN) |		\
			 FITS(MAP_IN_NEW_TABLE) | FITS(CLEAR) | FITS(COPY_OVER) | FITS(WRITE_DESCRIPTOR) |	\
			 FITS(GRANT_MAP) | FITS(COPY_TO_FRAME) | FITS(COPY_TO_GRANT) | FITS(EVENT_WORDS) |	\
			 FITS(CONTROL_BLOCK) | FITS(VCPU_INFORMATION) | FITS(HYPERCALL_PAGE))
#define MAPPINGS	(FITS(MAP_WRITABLE) | FITS(MAP_BY_ADDRESS) | FITS(MAP_THEN_OPEN) | FITS(MAP_IN_NEW_TABLE) | \
			 FITS(READ_ONLY))
/* The same for frames of the hypervisor, which it must not get in any way. */
#define FOREIGN		0U

static void try_all(const char *name, uint64_t mfn, uint32_t fits)
{
	for (unsigned int u = 0; u < NR_USES; u++) {
		long got;

		if (fits & FITS(u))
			continue;
		got = uses[u].ask(mfn);
		if (got == 0) {
			printf("# %s, frame %lx, can be %s\n", name, mfn, uses[u].name);
			wrong++;
		} else if (got > 0 || got < -4095) {
			/* Grant statuses are small and negative too. */
			printf("# %s, frame %lx, %s: strange answer %ld\n", name, mfn, uses[u].name, got);
			wrong++;
		}
	}
}

/* The frame is as it was: pinned ones can be unpinned once, and be ordinary then. */
static void release(const char *name, uint64_t *page)
{
	char text[80];
	bool good = !mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(page)) && !map_pte(page, mfn_pte(virt_to_mfn(page), PTE_RWDATA));

	snprintf(text, sizeof(text), "%s is an ordinary page after its unpinning", name);
	tap_ok(good, "%s", text);
	page_free(page);
}

/* XSA-109, 212, 214, 217, 227, 234, 242, 287, 291: a frame that is two things at once. */
static void tables_are_nothing_else(void)
{
	static const char *const names[] = { "", "a pinned L1", "a pinned L2", "a pinned L3", "a pinned L4" };

	for (unsigned int level = 1; level <= 4; level++) {
		uint64_t *table = new_table();
		uint64_t mfn = virt_to_mfn(table);
		uint32_t fits = OWN | NOT_TRIED;
		char text[80];

		if (mmuext(MMUEXT_PIN_L1_TABLE + level - 1, mfn))
			panic("a page can't be pinned");
		if (level < 4)
			fits |= FITS(BELOW_L2 + level - 1);
		else
			fits |= FITS(AS_BASE) | FITS(AS_USER_BASE);
		try_all(names[level], mfn, fits);
		snprintf(text, sizeof(text), "%s is nothing else", names[level]);
		group_ends(text);
		release(names[level], table);
	}
	try_all("the L1 in use", entry_of(BASE, 1) >> PAGE_SHIFT, OWN | NOT_TRIED | FITS(BELOW_L2) | FITS(PIN_L1));
	try_all("the L2 in use", entry_of(BASE, 2) >> PAGE_SHIFT, OWN | NOT_TRIED | FITS(BELOW_L3) | FITS(PIN_L2));
	try_all("the L3 in use", entry_of(BASE, 3) >> PAGE_SHIFT, OWN | NOT_TRIED | FITS(BELOW_L4) | FITS(PIN_L3));
	try_all("the L4 in use", l4, OWN | NOT_TRIED | FITS(AS_BASE) | FITS(AS_USER_BASE) | FITS(PIN_L4));
	try_all("the user's L4", user_l4_mfn(), OWN | NOT_TRIED | FITS(AS_BASE) | FITS(AS_USER_BASE));
	group_ends("tables in use are nothing else");
}

static void descriptors_are_nothing_else(void)
{
	uint64_t *gdt = page_alloc(), *ldt = page_alloc();
	uint64_t frame = virt_to_mfn(gdt);
	struct regs regs = { .rdi = LDT_SELECTOR };
	uint32_t fits = OWN | NOT_TRIED | FITS(AS_GDT) | FITS(AS_LDT) | FITS(WRITE_DESCRIPTOR);

	ldt[0] = DATA_DESCRIPTOR;
	page_make_readonly(gdt);
	page_make_readonly(ldt);
	if (hypercall2(__HYPERVISOR_set_gdt, &frame, 512))
		panic("the GDT was refused");
	try_all("the GDT", frame, fits);
	hypercall2(__HYPERVISOR_set_gdt, &frame, 0);
	set_ldt((uint64_t)(uintptr_t)ldt, 512);
	if (run_kernel(load_fs, &regs).vector != NO_FAULT)
		panic("the LDT was refused");
	try_all("the LDT", virt_to_mfn(ldt), fits);
	set_ldt(0, 0);
	group_ends("descriptor tables are nothing else");
	tap_ok(!map_pte(gdt, mfn_pte(frame, PTE_RWDATA)) && !map_pte(ldt, mfn_pte(virt_to_mfn(ldt), PTE_RWDATA)),
	       "and are ordinary pages afterwards");
	page_free(gdt);
	page_free(ldt);
}

#define PRESENT		(1UL << 47)
#define SYSTEM_TYPE(n)	((uint64_t)(n) << 40)	/* S is clear: gates, task states, local tables */
#define CODE_OR_DATA	(1UL << 44)
#define DPL_3		(3UL << 45)

SNIPPET(privileged, "hlt");
SNIPPET(our_cpuid, XEN_EMULATE_PREFIX "cpuid\n int3");

/* Every kind of system descriptor: call, interrupt, trap and task gates, task states, local tables. */
static void system_descriptors(void)
{
	uint64_t *gdt = page_alloc(), *page = page_alloc();
	uint64_t frame = virt_to_mfn(gdt), slot = (frame << PAGE_SHIFT) + 8 * 40;

	page_make_readonly(gdt);
	if (hypercall2(__HYPERVISOR_set_gdt, &frame, 512))
		panic("the GDT was refused");
	for (unsigned int type = 0; type < 16; type++)
		for (unsigned int dpl = 0; dpl < 4; dpl++) {
			uint64_t d = SYSTEM_TYPE(type) | (uint64_t)dpl << 45 | 0x00100000e0080000;

			wrong += hypercall2(__HYPERVISOR_update_descriptor, slot, d | PRESENT) != -XEN_EINVAL;
			/* Not present, it is nothing to the CPU. */
			wrong += hypercall2(__HYPERVISOR_update_descriptor, slot, d) != 0;
			page[77] = d | PRESENT;
			page_make_readonly(page);
			wrong += as_gdt(virt_to_mfn(page)) == 0;
			wrong += as_ldt(virt_to_mfn(page)) == 0;
			page_make_writable(page);
		}
	group_ends("no system descriptor can be had, by any way");
	for (unsigned int type = 0; type < 16; type++)
		for (unsigned int dpl = 0; dpl < 4; dpl++) {
			uint64_t d = SYSTEM_TYPE(type) | CODE_OR_DATA | (uint64_t)dpl << 45 | PRESENT | 0xffff;

			wrong += hypercall2(__HYPERVISOR_update_descriptor, slot, d) != 0;
			wrong += (gdt[40] & DPL_3) != DPL_3;
		}
	group_ends("code and data descriptors have privilege 3, whatever was asked for");
	hypercall2(__HYPERVISOR_set_gdt, &frame, 0);
	done_with_table(gdt);
	page_free(page);
}

/* XSA-298: privileged instructions in a segment of the guest's own, at the ends of its table. */
static void emulation_in_own_segments(void)
{
	static const unsigned int slots[] = { 0, 1, 510, 511 };
	uint64_t *ldt = page_alloc();

	for (unsigned int i = 0; i < ARRAY_SIZE(slots); i++)
		ldt[slots[i]] = 0x00affb000000ffff;	/* 64-bit code, DPL 3 */
	page_make_readonly(ldt);
	for (unsigned int i = 0; i < ARRAY_SIZE(slots); i++)
		for (int user = 0; user < 2; user++) {
			struct trap_frame frame = {
				.rip = (uint64_t)(uintptr_t)privileged, .cs = slots[i] * 8 | 4 | (user ? 3 : 0), .rflags = 2,
				.rsp = (uint64_t)(uintptr_t)(user ? user_stack_top : trap_stack_top), .ss = FLAT_RING3_SS64,
			};

			wrong += set_ldt((uint64_t)(uintptr_t)ldt, slots[i] + 1) != 0;
			wrong += run_frame(&frame).vector != 13;
			frame.rip = (uint64_t)(uintptr_t)our_cpuid;
			wrong += run_frame(&frame).vector != 3;
			/* The table is one entry too short for it. */
			set_ldt((uint64_t)(uintptr_t)ldt, slots[i]);
			wrong += run_frame(&frame).vector == 3;
		}
	set_ldt(0, 0);
	done_with_table(ldt);
	group_ends("instructions are emulated in segments of the guest's own, up to its table's end");
}

static void shared_pages_stay_shared(void)
{
	xen_pfn_t frame = 0;
	struct gnttab_setup_table setup = {
		.dom = DOMID_SELF, .nr_frames = 1, .frame_list = (uint64_t)(uintptr_t)&frame,
	};

	hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &setup, 1);
	/* Xen lets go of its owner's hold when told to; ours is the hypervisor's alone. */
	try_all("shared_info", start_info->shared_info >> PAGE_SHIFT, SHARED | (on_xen ? FITS(GIVE_BACK) : 0));
	try_all("the grant table", frame, SHARED | (on_xen ? FITS(GIVE_BACK) : 0));
	group_ends("pages shared with the hypervisor can't be taken from it");
}

/* Every frame of RAM that the domain does not own: the hypervisor's, and free ones. */
static void frames_of_others(void)
{
	static struct xen_e820_entry map[64];
	static uint8_t own[1 << 18];	/* 2 Mi frames: 8 GiB */
	struct xen_memory_map ask = { .nr_entries = 64, .buffer = (uint64_t)(uintptr_t)map };
	const uint64_t *p2m = (const uint64_t *)(uintptr_t)start_info->mfn_list;
	unsigned long tried = 0;

	if (hypercall2(__HYPERVISOR_memory_op, XENMEM_machine_memory_map, &ask))
		panic("no memory map");
	for (uint64_t pfn = 0; pfn < start_info->nr_pages; pfn++)
		if (p2m[pfn] < sizeof(own) * 8)
			own[p2m[pfn] / 8] |= (uint8_t)(1 << p2m[pfn] % 8);
	for (unsigned int i = 0; i < ask.nr_entries; i++)
		for (uint64_t mfn = (map[i].addr + PAGE_SIZE - 1) >> PAGE_SHIFT;
		     map[i].type == 1 && mfn < (map[i].addr + map[i].size) >> PAGE_SHIFT && mfn < sizeof(own) * 8; mfn++) {
			/* Below 1 MiB is firmware's; shared pages are ours though no pfn names them. */
			if (own[mfn / 8] >> mfn % 8 & 1 || mfn < 256 || mfn == start_info->shared_info >> PAGE_SHIFT ||
			    read_only(mfn) == 0)
				continue;
			try_all("a frame of the hypervisor's", mfn, FOREIGN);
			tried++;
		}
	printf("# %lu frames\n", tried);
	tap_ok(tried > 100, "the hypervisor has frames");
	group_ends("no frame of the hypervisor's can be had");
}

/* XSA-212's kin: frame numbers that no frame has, at the limits of every field that they go through. */
static void frame_numbers_without_frames(void)
{
	uint64_t max = (uint64_t)hypercall2(__HYPERVISOR_memory_op, XENMEM_maximum_ram_page, 0);
	const uint64_t numbers[] = {
		max + 1, max + 2, 0xfffffffe, 0xffffffff, 0x100000000, 0x1ffffffff, 1UL << 39, (1UL << 40) - 1, 0xfee00,
		0xfec00,
	};
	const uint64_t wide[] = {
		1UL << 40, 1UL << 52, 1UL << 63, ~0UL, ~0UL >> 12, 1UL << 41 | 5, 1UL << 52 | l4, 1UL << 52 | user_l4_mfn(),
	};
	/* Written into entries, wide numbers would lose their upper bits: calls only. */
	uint32_t by_call = MAPPINGS | FITS(BELOW_L2) | FITS(BELOW_L3) | FITS(BELOW_L4) | FITS(AS_LDT) |
			   FITS(GRANT_MAP) | FITS(COPY_TO_GRANT) | FITS(M2P_ENTRY) | FITS(WRITE_DESCRIPTOR) |
			   FITS(HYPERCALL_PAGE);

	/* Behind the end of RAM there may be devices, which dom0 may map. */
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++)
		/* Xen lets dom0 see the interrupt controllers' registers, read-only; ours does not. */
		try_all("no frame", numbers[i], i < 2 || (on_xen && numbers[i] == 0xfec00) ? MAPPINGS : numbers[i] <= 0xffffffff ? 0 : FITS(GRANT_MAP) |
			FITS(COPY_TO_GRANT));
	for (unsigned int i = 0; i < ARRAY_SIZE(wide); i++)
		try_all("a number that is too wide", wide[i], by_call);
	group_ends("numbers of no frame are refused");
}

/* XSA-29, XSA-212: XENMEM_exchange writes where it is told; also XSA-159: nothing is lost when it fails. */
static void failed_exchanges_lose_nothing(void)
{
	static uint64_t in[4], out[4];
	static const uint64_t places[] = {
		0xffff800000000000, 0xffff82d040200000, 0xffff830000000000, 0x8000000000000000, 0x123400001000,
		0xffff87fffffffff8,
	};
	uint64_t *pages[4];
	domid_t self = DOMID_SELF;
	long before = hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);

	for (unsigned int i = 0; i < 4; i++) {
		pages[i] = page_alloc();
		pages[i][0] = 0x1111UL * (i + 1);
		in[i] = virt_to_mfn(pages[i]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		struct xen_memory_exchange swap = {
			.in = { places[i], 4, 0, 0, DOMID_SELF }, .out = { (uint64_t)(uintptr_t)out, 4, 0, 0, DOMID_SELF },
		};

		wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &swap) >= 0;
		/* Mapped frames can't be exchanged; the counter would be written to the place. */
		swap.in.extent_start = (uint64_t)(uintptr_t)in;
		swap.out.extent_start = places[i];
		wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &swap) >= 0;
		swap.nr_exchanged = places[i];
		wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &swap) >= 0;
	}
	/* One frame that can be had, then one twice, then one that can't. */
	map_pte(pages[0], 0);
	in[1] = in[0];
	{
		struct xen_memory_exchange swap = {
			.in = { (uint64_t)(uintptr_t)in, 2, 0, 0, DOMID_SELF },
			.out = { (uint64_t)(uintptr_t)out, 2, 0, 0, DOMID_SELF },
		};

		wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &swap) >= 0;
		in[1] = l4;
		wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &swap) >= 0;
		in[1] = 0x200;
		wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &swap) >= 0;
		swap.out.mem_flags = XENMEMF_address_bits(13);	/* no memory is so low */
		swap.in.nr_extents = swap.out.nr_extents = 1;
		wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &swap) >= 0;
	}
	wrong += map_pte(pages[0], mfn_pte(in[0], PTE_RWDATA)) != 0;
	for (unsigned int i = 0; i < 4; i++) {
		wrong += pages[i][0] != 0x1111UL * (i + 1);
		page_free(pages[i]);
	}
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self) != before;
	group_ends("an exchange that fails has taken nothing");
}

/* ---- entries that change in place ---- */

static long update(uint64_t entry, uint64_t value, bool keep)
{
	struct mmu_update one = { entry | (keep ? MMU_PT_UPDATE_PRESERVE_AD : MMU_NORMAL_PT_UPDATE), value };

	return hypercall4(__HYPERVISOR_mmu_update, &one, 1, 0, DOMID_SELF);
}

/* XSA-148, 167, 182: a live entry made large, or led elsewhere, by what looks like a change of flags. */
static void live_entries_change_no_more_than_flags(void)
{
	uint64_t address = BASE + (5UL << 39);

	pt_ensure(l4, address);
	for (int level = 2; level <= 4; level++)
		for (int keep = 0; keep < 2; keep++) {
			uint64_t value, entry = pt_entry(l4, address, level, &value), now;
			static const uint64_t bits[] = { PTE_PSE, PTE_G, PTE_PWT, PTE_PCD, PTE_PSE | PTE_G, 1UL << 51 };

			for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
				wrong += update(entry, value | bits[i], keep) == 0;
				pt_entry(l4, address, level, &now);
				wrong += (now & ~(PTE_A | PTE_D)) != (value & ~(PTE_A | PTE_D));
			}
			/* The bits that software may have, and the right to write: allowed, and back. */
			wrong += update(entry, value ^ 0xe00, keep) != 0;
			wrong += update(entry, value & ~PTE_RW, keep) != 0;
			wrong += update(entry, value, keep) != 0;
		}
	group_ends("live entries above L1 take no large page and no cache bits");
}

/* A write that an upper entry forbids is the guest's fault, though the L1 entry would permit it. */
static void upper_entries_forbid_writing(void)
{
	uint64_t address = BASE + (6UL << 39), *page = page_alloc();

	pt_ensure(l4, address);
	pt_write(entry_of(address, 1), mfn_pte(virt_to_mfn(page), PTE_RWDATA));
	for (int level = 2; level <= 4; level++) {
		struct regs at = { .rdi = address, .rax = 77 };
		uint64_t value, entry = pt_entry(l4, address, level, &value);
		struct outcome o;

		wrong += pt_write(entry, value & ~PTE_RW) != 0;
		mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0);
		o = run_kernel(store, &at);
		wrong += o.vector != PF || (o.error & 7) != 3 || o.cr2 != address || page[0] == 77;
		wrong += pt_write(entry, value) != 0;
		o = run_kernel(store, &at);
		wrong += o.vector != NO_FAULT || page[0] != 77;
		page[0] = 0;
	}
	pt_write(entry_of(address, 1), 0);
	page_free(page);
	group_ends("a write that only an upper entry forbids is a page fault");
}

/* XSA-182, 185, 240, 286, 309: no table maps itself or another of its level. */
static void tables_that_name_themselves(void)
{
	for (unsigned int level = 1; level <= 4; level++) {
		uint64_t *a = page_alloc(), *b = page_alloc();
		uint64_t flags[2] = { PTE_TABLE, PTE_P | PTE_U | PTE_A };

		for (unsigned int i = 0; i < 2; i++) {
			/* Itself; then each the other. */
			memset(a, 0, PAGE_SIZE);
			memset(b, 0, PAGE_SIZE);
			a[3] = mfn_pte(virt_to_mfn(a), flags[i]);
			page_make_readonly(a);
			if (level > 1 || flags[i] & PTE_RW)
				wrong += pin(virt_to_mfn(a), level) == 0;
			page_make_writable(a);
			a[3] = mfn_pte(virt_to_mfn(b), flags[i]);
			b[3] = mfn_pte(virt_to_mfn(a), flags[i]);
			page_make_readonly(a);
			page_make_readonly(b);
			/* Level 1 may map what it likes that is no table; level 2 an L1 that looks at it. */
			if (level > 2 || (level == 2 && flags[i] & PTE_RW))
				wrong += pin(virt_to_mfn(a), level) == 0;
			page_make_writable(a);
			page_make_writable(b);
		}
		page_free(a);
		page_free(b);
	}
	for (int level = 2; level <= 4; level++) {
		uint64_t entry = entry_of(BASE, level) + 8;

		wrong += pt_write(entry, mfn_pte(entry >> PAGE_SHIFT, PTE_P | PTE_U)) == 0;
	}
	group_ends("no table maps itself or one of its level");
	tap_long(read_only(l4), 0, "though all can be looked at");
}

/* ---- the hypervisor's part of the tables ---- */

static void slots_of_the_hypervisor(void)
{
	const volatile uint64_t *m2p = (const volatile uint64_t *)MACH2PHYS_VIRT_START;
	uint64_t *mine = page_alloc(), *l3 = new_table();
	uint64_t before = m2p[l4];

	for (unsigned int slot = HV_SLOT_FIRST; slot <= HV_SLOT_LAST; slot++) {
		uint64_t address = (uint64_t)slot << 39 | 0xffffUL << 48;

		for (int keep = 0; keep < 2; keep++) {
			update((l4 << PAGE_SHIFT) + 8 * slot, 0, keep);
			update((l4 << PAGE_SHIFT) + 8 * slot, mfn_pte(virt_to_mfn(l3), PTE_TABLE), keep);
		}
		wrong += (((uint64_t *)mfn_to_virt(l4))[slot] & PTE_ADDR) == virt_to_mfn(l3) << PAGE_SHIFT;
		wrong += map_pte((const void *)address, mfn_pte(virt_to_mfn(mine), PTE_RWDATA)) == 0;
		wrong += map_pte((const void *)address, 0) == 0;
		/* The same bits of an address in the forbidden middle. */
		wrong += map_pte((const void *)(address & 0xffffffffffff), 0) == 0;
		wrong += map_pte((const void *)((address & 0xffffffffffff) | 1UL << 63), 0) == 0;
	}
	group_ends("no slot of the hypervisor's can be changed");
	/* A table of ours that comes with such slots filled in. */
	memcpy(mine, mfn_to_virt(l4), PAGE_SIZE);
	for (unsigned int slot = HV_SLOT_FIRST; slot <= HV_SLOT_LAST; slot++)
		mine[slot] = mfn_pte(virt_to_mfn(l3), PTE_TABLE);
	page_make_readonly(mine);
	tap_long(mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(mine)), 0, "a table with entries of ours in those slots");
	for (unsigned int slot = HV_SLOT_FIRST; slot <= HV_SLOT_LAST; slot++)
		wrong += (mine[slot] & PTE_ADDR) == virt_to_mfn(l3) << PAGE_SHIFT;
	wrong += mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(mine)) != 0;
	wrong += m2p[l4] != before;
	wrong += mmuext(MMUEXT_NEW_BASEPTR, l4) != 0;
	wrong += mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(mine)) != 0;
	group_ends("has the hypervisor's when it is used");
	wrong += pin(virt_to_mfn(l3), 1) != 0;
	group_ends("and what they named has no type from it");
	done_with_table(mine);
	done_with_table(l3);
}

/* Where SGDT says that the GDT is; Linux reads code segments there, so ours lets a kernel do it. */
static bool reads_as_gdt(uint64_t address)
{
	return !on_xen && address >= 0xffff818000000000 && address < 0xffff81800000f000;
}

/* XSA-248: what the tables hold of the hypervisor can't be used from ring 3, but for the M2P. */
static void addresses_of_the_hypervisor(void)
{
	for (unsigned int slot = HV_SLOT_FIRST; slot <= HV_SLOT_LAST; slot++) {
		static const uint64_t offsets[] = {
			0, 8, 0x1000, 0x200000, 0x40000000, 0x40200000, 0x80000000, 0x8000f000, 0x7ffffffff8,
		};

		for (unsigned int i = 0; i < ARRAY_SIZE(offsets); i++) {
			struct regs at = { .rdi = ((uint64_t)slot << 39 | 0xffffUL << 48) + offsets[i], .rax = 0x41414141 };

			for (int user = 0; user < 2; user++) {
				struct outcome (*run)(const void *, const struct regs *) = user ? run_user : run_kernel;
				struct outcome o = run(store, &at);

				if (o.vector != PF || o.cr2 != at.rdi) {
					printf("# store to %lx: trap %d, cr2 %lx\n", at.rdi, o.vector, o.cr2);
					wrong++;
				}
				o = run(jump, &at);
				wrong += o.vector != PF;
				o = run(load, &at);
				wrong += o.vector != PF && (slot != HV_SLOT_FIRST || o.vector != NO_FAULT) &&
					 (user || !reads_as_gdt(at.rdi) || o.vector != NO_FAULT);
			}
		}
	}
	group_ends("no address of the hypervisor's can be written or run, and only the M2P be read");
}

/* Also with an LDT in use, whose slot the CPU reads for itself but not for the guest; the kernel reads its GDT. */
static void slot_of_descriptors(void)
{
	uint64_t *ldt = page_alloc();
	unsigned int found = 0;

	ldt[0] = DATA_DESCRIPTOR;
	page_make_readonly(ldt);
	set_ldt((uint64_t)(uintptr_t)ldt, 512);
	for (uint64_t address = 0xffff818000000000; address < 0xffff818000000000 + 0x20000; address += PAGE_SIZE) {
		struct regs at = { .rdi = address };
		struct outcome o = run_kernel(load, &at);

		wrong += reads_as_gdt(address) ? o.vector != NO_FAULT : o.vector != PF || o.cr2 != address;
		o = run_user(load, &at);
		wrong += o.vector != PF || o.cr2 != address;
		found++;
	}
	set_ldt(0, 0);
	group_ends("descriptor tables can't be read where the CPU finds them");
	done_with_table(ldt);
}

/* ---- old translations ---- */

/* XSA-241, 286, 292: a translation made while a frame was writable does not outlive that. */
static void translations_end_with_the_type(void)
{
	static long (*const becomes[])(uint64_t mfn) = { pin_l1, pin_l2, pin_l3, pin_l4, as_gdt };

	for (unsigned int i = 0; i < ARRAY_SIZE(becomes); i++) {
		uint64_t *page = page_alloc();
		uint64_t mfn = virt_to_mfn(page);
		struct regs at = { .rdi = BASE, .rax = 0 };
		long result;

		wrong += pt_write(entry_of(BASE, 1), mfn_pte(mfn, PTE_RWDATA)) != 0;
		wrong += run_kernel(store, &at).vector != NO_FAULT;
		/* Both mappings go without a flush; the frame changes its type, and stays it for the store. */
		wrong += pt_write(entry_of(BASE, 1), 0) != 0;
		wrong += hypercall3(__HYPERVISOR_update_va_mapping, page, mfn_pte(mfn, PTE_RODATA), UVMF_NONE) != 0;
		result = i < 4 ? mmuext(MMUEXT_PIN_L1_TABLE + i, mfn) : hypercall2(__HYPERVISOR_set_gdt, &mfn, 512);
		wrong += result != 0;
		at.rax = mfn_pte(l4, PTE_RWDATA);
		wrong += run_kernel(store, &at).vector != PF;
		at.rdi = (uint64_t)(uintptr_t)page;
		wrong += run_kernel(store, &at).vector != PF;
		wrong += page[0] != 0;
		if (i < 4)
			mmuext(MMUEXT_UNPIN_TABLE, mfn);
		else
			hypercall2(__HYPERVISOR_set_gdt, &mfn, 0);
		wrong += becomes[i](mfn) != 0;
		page_make_writable(page);
		page_free(page);
	}
	group_ends("no translation outlives the type that it was made under");
}

/* XSA-100, 241: what was given back can't be reached by the old translation, nor read in its new place. */
static void freed_frames_are_out_of_reach(void)
{
	const uint64_t *m2p = (const uint64_t *)MACH2PHYS_VIRT_START;
	uint64_t *p2m = (uint64_t *)(uintptr_t)start_info->mfn_list;
	enum { NR = 64 };
	static uint64_t *pages[NR];
	static uint64_t list[NR];
	static uint64_t pfns[NR];
	struct xen_memory_reservation op = {
		.extent_start = (uint64_t)(uintptr_t)list, .nr_extents = NR, .domid = DOMID_SELF,
	};
	unsigned long old = 0, reached = 0;

	for (unsigned int i = 0; i < NR; i++) {
		pages[i] = page_alloc();
		for (unsigned int k = 0; k < 512; k++)
			pages[i][k] = 0xfeedfacecafe0000 | i;
		list[i] = virt_to_mfn(pages[i]);
		pfns[i] = m2p[list[i]];
		wrong += hypercall3(__HYPERVISOR_update_va_mapping, pages[i], 0, UVMF_NONE) != 0;
	}
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &op) != NR;
	for (unsigned int i = 0; i < NR; i++)
		reached += run_kernel(store, &(struct regs){ .rdi = (uint64_t)(uintptr_t)pages[i] }).vector != PF;
	memcpy(list, pfns, sizeof(list));
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &op) != NR;
	for (unsigned int i = 0; i < NR; i++) {
		p2m[pfns[i]] = list[i];
		wrong += map_pte(pages[i], mfn_pte(list[i], PTE_RWDATA)) != 0;
		for (unsigned int k = 0; k < 512; k++)
			old += (pages[i][k] & ~0xffUL) == (0xfeedfacecafe0000 & ~0xffUL);
		page_free(pages[i]);
	}
	group_ends("frames can be given back and taken");
	tap_long((long)reached, 0, "no old translation reaches a frame that was given back");
	tap_long((long)old, 0, "a frame that was given back comes again without its old contents");
}

/* ---- interrupted promotions ---- */

#define TREE_L1S	24

static uint64_t *tree_l4, *tree_l3, *tree_l2, *tree_l1[TREE_L1S];
static struct mmuext_op tree_op;
static unsigned int interruptions, mischief;
static evtchn_port_t storm;
static bool storming;

/* In the middle of a promotion: everything that could profit from a table that is half checked. */
static void meddle(evtchn_port_t port)
{
	/* These ask for another thing, for which the hypervisor may give up the promotion and begin it anew. */
	bool given_up = mischief == 1 || mischief == 5;
	uint64_t writable = mfn_pte(virt_to_mfn(tree_l1[0]), PTE_RWDATA);

	(void)port;
	interruptions++;
	/* L1 entries may change at any time; of the tree none may be had while it is promoted. */
	wrong += map_by_address(virt_to_mfn(tree_l2)) == 0 && !given_up;
	if (!hypercall3(__HYPERVISOR_update_va_mapping, tree_l1[0], writable, 0)) {
		wrong += !given_up;
		page_make_readonly(tree_l1[0]);
	}
	if (mischief == 1)
		mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(tree_l4));
	if (mischief == 2)
		tree_op.arg1.mfn = l4;		/* the request changes before it is repeated */
	if (mischief == 4)
		mmuext(MMUEXT_PIN_L3_TABLE, virt_to_mfn(tree_l3));
	if (mischief == 5)
		mmuext(MMUEXT_NEW_BASEPTR, l4);
	if (storming && interruptions < 200)
		event_send(storm);
}

static void make_tree(bool bad)
{
	tree_l4 = page_alloc();
	tree_l3 = page_alloc();
	tree_l2 = page_alloc();
	for (unsigned int i = 0; i < TREE_L1S; i++) {
		tree_l1[i] = page_alloc();
		for (unsigned int k = 0; k < 512; k++)
			tree_l1[i][k] = mfn_pte(virt_to_mfn(scratch), k & 1 ? PTE_RWDATA : PTE_RODATA);
		if (bad && i == TREE_L1S - 1)
			tree_l1[i][511] = mfn_pte(l4, PTE_RWDATA);
		tree_l2[i * 21] = mfn_pte(virt_to_mfn(tree_l1[i]), PTE_TABLE);
		page_make_readonly(tree_l1[i]);
	}
	/* Many entries of the same tables: steps without new pages. */
	for (unsigned int i = 0; i < 512; i++)
		if (!tree_l2[i])
			tree_l2[i] = mfn_pte(virt_to_mfn(tree_l1[i % (TREE_L1S - 1)]), PTE_TABLE);
	for (unsigned int i = 0; i < 100; i++)
		tree_l3[i] = mfn_pte(virt_to_mfn(tree_l2), PTE_TABLE);
	for (unsigned int i = 0; i < 50; i++)
		tree_l4[i] = mfn_pte(virt_to_mfn(tree_l3), PTE_TABLE);
	page_make_readonly(tree_l2);
	page_make_readonly(tree_l3);
	page_make_readonly(tree_l4);
}

static unsigned int drop_tree(void)
{
	unsigned int bad = 0;
	uint64_t *upper[] = { tree_l4, tree_l3, tree_l2 };

	mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(tree_l3));
	mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(tree_l4));
	for (unsigned int i = 0; i < 3; i++) {
		bad += map_pte(upper[i], mfn_pte(virt_to_mfn(upper[i]), PTE_RWDATA)) != 0;
		page_free(upper[i]);
	}
	for (unsigned int i = 0; i < TREE_L1S; i++) {
		bad += map_pte(tree_l1[i], mfn_pte(virt_to_mfn(tree_l1[i]), PTE_RWDATA)) != 0;
		page_free(tree_l1[i]);
	}
	/* Nothing holds the page that all of it mapped. */
	page_make_readonly(scratch);
	bad += pin(virt_to_mfn(scratch), 1) != 0;
	page_make_writable(scratch);
	return bad;
}

/* XSA-45, 58, 97, 252, 264, 290, 299, 310: long changes of types are interrupted, and nothing is half done. */
static void interrupted_promotions(void)
{
	static const char *const names[] = {
		"a promotion that is interrupted all the time", "and by a handler that unpins the table",
		"and by one that changes the request", "and by one that does nothing else", "and by one that pins a part of it",
		"and by one that loads a base", "a promotion of a bad tree that is interrupted all the time",
	};

	storm = event_bind_ipi(0);
	event_set_handler(storm, meddle);
	event_unmask_port(storm);
	for (mischief = 0; mischief < ARRAY_SIZE(names); mischief++) {
		long result;

		/* Xen acts on the changed request, as it may, and keeps the table half promoted. */
		if (on_xen && mischief == 2)
			continue;
		make_tree(mischief == 6);
		interruptions = 0;
		storming = true;
		tree_op = (struct mmuext_op){ .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = virt_to_mfn(tree_l4) };
		events_disable();
		event_send(storm);
		*(volatile uint8_t *)&vcpu_info->evtchn_upcall_mask = 0;
		result = hypercall4(__HYPERVISOR_mmuext_op, &tree_op, 1, 0, DOMID_SELF);
		storming = false;
		events_disable();
		if (mischief == 6)
			wrong += result != -XEN_EINVAL && result != -XEN_EBUSY;
		else if (mischief != 2)
			wrong += result != 0;
		printf("# %u interruptions, result %ld\n", interruptions, result);
		wrong += interruptions < 2;
		if (mischief == 2)
			mmuext(MMUEXT_UNPIN_TABLE, l4);
		wrong += drop_tree();
		group_ends(names[mischief]);
	}
	event_close(storm);
}

void guest_main(void)
{
	tap_start("types");
	on_xen = cmdline_value("hv=");
	l4 = kernel_l4_mfn();
	scratch = page_alloc();
	user_l4_mfn();
	if (grants_init())
		panic("no grant table");
	pt_ensure(l4, BASE);
	tables_are_nothing_else();
	descriptors_are_nothing_else();
	system_descriptors();
	emulation_in_own_segments();
	shared_pages_stay_shared();
	frames_of_others();
	frame_numbers_without_frames();
	/* Xen exchanges as many as it can. */
	if (!on_xen)
		failed_exchanges_lose_nothing();
	live_entries_change_no_more_than_flags();
	upper_entries_forbid_writing();
	/* Xen permits tables that name their own level, for guests that look at their tables so. */
	if (!on_xen)
		tables_that_name_themselves();
	slots_of_the_hypervisor();
	addresses_of_the_hypervisor();
	slot_of_descriptors();
	translations_end_with_the_type();
	/* Xen flushes when such a frame is given to the next domain, and zeroes it then. */
	if (!on_xen)
		freed_frames_are_out_of_reach();
	interrupted_promotions();
	tap_ok(vcpu_info->evtchn_upcall_mask == 1, "the event mask is as before");
	tap_end();
}
