// SPDX-License-Identifier: MIT
/*
 * Several vcpus of one domain that work against each other and against the hypervisor: they come up from bad
 * contexts and in races, change the same page tables, take and give the same frames, handles and ports, rewrite each
 * other's arguments while those are read, and write through translations that another has just taken away.
 *
 * Runs with any number of CPUs; dom0_max_vcpus must give it at least 8 vcpus. With one CPU the vcpus interrupt each
 * other, with more they meet.
 *
 * A worker is a vcpu that waits for a function to run. It has a stack and events masked, and it must not use what the
 * runtime keeps for the one vcpu that it knows (pages, printing, probes). A store of its own that faults is skipped
 * (worker_fault).
 *
 * Advisories of Xen whose class a test is of are named there by number (docs/advisories.md).
 */
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#include "runtime.h"

#define BASE		0x0000100000000000UL
#define WORKERS		2U
#define ROUNDS		1000U
#define NOT_CANONICAL	0x8000000000000000UL

static unsigned int wrong;		/* of the group that is being tried; vcpu 0's */
static uint64_t l4;

static void group_ends(const char *name)
{
	tap_long(wrong, 0, name);
	wrong = 0;
}

static void yield(void)
{
	hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

static long vcpu_op(unsigned int command, uint64_t vcpu, void *argument)
{
	return hypercall3(__HYPERVISOR_vcpu_op, command, vcpu, argument);
}

/* ---- workers ---- */

typedef void (*work_t)(unsigned int worker);

static struct worker {
	volatile unsigned int asked, done;
	work_t volatile work;
	volatile bool leave;		/* go down after this one */
	unsigned long good, bad;	/* what the work counts */
	uint8_t stack[8192] __attribute__((aligned(16)));
} workers[8];

/* Entered with the worker's number in rdi. */
void worker_main(unsigned long number);

void worker_main(unsigned long number)
{
	struct worker *w = &workers[number];

	for (;;) {
		while (w->asked == w->done)
			yield();
		w->work((unsigned int)number);
		__atomic_store_n(&w->done, w->asked, __ATOMIC_SEQ_CST);
	}
}

/*
 * A fault of a worker's: with an error code, at an instruction that put its way out into r15. rbx counts it. Also the
 * way in for a context that can't be entered (failsafe), which leads to worker_main as the good ones do.
 */
__asm__(".pushsection .text\n"
	".globl worker_fault, worker_store, worker_failsafe\n"
	"worker_fault:\n"
	"	pop	%rcx\n"
	"	pop	%r11\n"
	"	add	$8, %rsp\n"
	"	mov	%r15, (%rsp)\n"
	"	movq	$0xe030, 8(%rsp)\n"	/* the flat selectors: those of a bad context would fault again */
	"	movq	$0xe02b, 32(%rsp)\n"
	"	inc	%rbx\n"
	"	push	$0\n"
	"	push	%rcx\n"
	"	push	%r11\n"
	"	push	%rax\n"
	"	mov	$23, %eax\n"
	"	syscall\n"
	"	ud2\n"
	/* worker_store(address: rdi, value: rsi): rax = 0, or 1 where it faulted */
	"worker_store:\n"
	"	push	%rbx\n"
	"	push	%r15\n"
	"	xor	%ebx, %ebx\n"
	"	lea	1f(%rip), %r15\n"
	"	mov	%rsi, (%rdi)\n"
	"1:	mov	%rbx, %rax\n"
	"	pop	%r15\n"
	"	pop	%rbx\n"
	"	ret\n"
	"worker_failsafe:\n"
	"	cld\n"
	"	incl	failsafes(%rip)\n"
	"	and	$-16, %rsp\n"
	"	call	worker_main\n"
	"	ud2\n"
	".popsection");

extern char worker_fault[], worker_failsafe[];
unsigned long worker_store(uint64_t address, uint64_t value);
unsigned int failsafes;

static struct vcpu_guest_context context;

static void good_context(unsigned int number)
{
	memset(&context, 0, sizeof(context));
	context.flags = VGCF_in_kernel;
	context.user_regs.rip = (uint64_t)(uintptr_t)worker_main;
	context.user_regs.rdi = number;
	context.user_regs.cs = FLAT_KERNEL_CS;
	context.user_regs.ss = FLAT_KERNEL_SS;
	context.user_regs.rsp = (uint64_t)(uintptr_t)(workers[number].stack + sizeof(workers[number].stack)) - 8;
	context.user_regs.rflags = 0x202;
	context.user_regs.r15 = (uint64_t)(uintptr_t)worker_failsafe;	/* TCG faults in ring 3 where others do in ring 0 */
	context.ctrlreg[3] = xen_pfn_to_cr3(l4);
	context.kernel_ss = FLAT_KERNEL_SS;
	context.kernel_sp = context.user_regs.rsp;
	for (unsigned int i = 13; i < 15; i++) {
		context.trap_ctxt[i].vector = (uint8_t)i;
		context.trap_ctxt[i].cs = FLAT_KERNEL_CS;
		context.trap_ctxt[i].address = (uint64_t)(uintptr_t)worker_fault;
	}
	context.event_callback_eip = (uint64_t)(uintptr_t)event_entry;
	context.failsafe_callback_eip = (uint64_t)(uintptr_t)worker_failsafe;
	context.syscall_callback_eip = (uint64_t)(uintptr_t)syscall_entry;
}

static void start(unsigned int number, work_t work)
{
	workers[number].good = workers[number].bad = 0;
	workers[number].work = work;
	__atomic_add_fetch(&workers[number].asked, 1, __ATOMIC_SEQ_CST);
}

static void finish(unsigned int number)
{
	while (workers[number].asked != __atomic_load_n(&workers[number].done, __ATOMIC_SEQ_CST))
		yield();
}

/* The same on all, this vcpu included. Sums of what they counted in *good, *bad. */
static void all_at_once(work_t work, unsigned long *good, unsigned long *bad)
{
	*good = *bad = 0;
	for (unsigned int i = 1; i <= WORKERS; i++)
		start(i, work);
	workers[0].good = workers[0].bad = 0;
	work(0);
	for (unsigned int i = 0; i <= WORKERS; i++) {
		if (i)
			finish(i);
		*good += workers[i].good;
		*bad += workers[i].bad;
	}
}

/* ---- coming up ---- */

/* XSA-296: a context is checked whole before any of it is used; one that is refused leaves nothing. */
static void bad_contexts(void)
{
	uint64_t *page = page_alloc(), *bad_gdt = page_alloc(), *table = page_alloc();
	uint64_t entry, value;

	bad_gdt[100] = 0x00008b000000ffff;
	page_make_readonly(bad_gdt);
	wrong += vcpu_op(VCPUOP_up, 1, NULL) != -XEN_EINVAL;
	wrong += vcpu_op(VCPUOP_initialise, 1, (void *)0xffff830000000000) != -XEN_EFAULT;
	wrong += vcpu_op(VCPUOP_initialise, 0, &context) != -XEN_EEXIST;
	for (unsigned int i = 0; i < 12; i++) {
		long got;

		good_context(1);
		switch (i) {
		case 0: context.ctrlreg[3] = 0; break;
		case 1: context.ctrlreg[3] = xen_pfn_to_cr3(virt_to_mfn(page)); break;
		case 2: context.ctrlreg[3] = xen_pfn_to_cr3(0xfffffff); break;
		case 3: context.ctrlreg[3] = ~0UL; break;
		case 4: entry = pt_entry(l4, BASE, 1, &value); context.ctrlreg[3] = xen_pfn_to_cr3(entry >> PAGE_SHIFT); break;
		case 5: context.ctrlreg[1] = xen_pfn_to_cr3(virt_to_mfn(page)); break;
		case 6: context.ctrlreg[3] = xen_pfn_to_cr3(start_info->shared_info >> PAGE_SHIFT); break;
		case 7: context.gdt_ents = 7169; break;
		case 8: context.gdt_ents = 512; context.gdt_frames[0] = virt_to_mfn(page); break;
		case 9: context.gdt_ents = 512; context.gdt_frames[0] = virt_to_mfn(bad_gdt); break;
		case 10: context.gdt_ents = 512; context.gdt_frames[0] = 0x200; break;
		default: context.flags = 0; break;	/* in user mode, without tables for that */
		}
		got = vcpu_op(VCPUOP_initialise, 1, &context);
		if (got != -XEN_EINVAL) {
			printf("# bad context %u: %ld\n", i, got);
			wrong++;
		}
		wrong += vcpu_op(VCPUOP_up, 1, NULL) != -XEN_EINVAL;
	}
	/* A GDT that is good, with a base that is not: the GDT is let go of again. */
	good_context(1);
	page_make_readonly(table);
	context.gdt_ents = 512;
	context.gdt_frames[0] = virt_to_mfn(table);
	context.ctrlreg[3] = xen_pfn_to_cr3(virt_to_mfn(page));
	wrong += vcpu_op(VCPUOP_initialise, 1, &context) != -XEN_EINVAL;
	wrong += map_pte(table, mfn_pte(virt_to_mfn(table), PTE_RWDATA)) != 0;
	wrong += map_pte(bad_gdt, mfn_pte(virt_to_mfn(bad_gdt), PTE_RWDATA)) != 0;
	wrong += map_pte(page, mfn_pte(virt_to_mfn(page), PTE_RWDATA)) != 0;
	page_free(page);
	page_free(table);
	page_free(bad_gdt);
	group_ends("a bad context is refused, and leaves nothing");
	for (unsigned int vcpu = 8; vcpu < 0x2100; vcpu += 0x1ff)
		for (unsigned int op = 0; op < 14; op++)
			wrong += vcpu_op(op, vcpu, &context) != -XEN_ENOENT && op != VCPUOP_get_physid;
	wrong += vcpu_op(VCPUOP_is_up, 1UL << 32, NULL) != -XEN_ENOENT;
	group_ends("a vcpu that is not there can't be asked for anything");
}

static void nothing(unsigned int worker)
{
	workers[worker].good++;
}

static void bring_up(unsigned int number)
{
	wrong += vcpu_op(VCPUOP_initialise, number, &context) != 0;
	wrong += vcpu_op(VCPUOP_initialise, number, &context) != -XEN_EEXIST;
	wrong += vcpu_op(VCPUOP_up, number, NULL) != 0;
	wrong += vcpu_op(VCPUOP_is_up, number, NULL) != 1;
	start(number, nothing);
	finish(number);
	wrong += workers[number].good != 1;
}

/* What the hypervisor can't check beforehand: the first return to the vcpu faults, and that is told. */
static void contexts_that_cannot_be_entered(void)
{
	unsigned int before = failsafes;

	good_context(3);
	context.user_regs.rip = NOT_CANONICAL;
	context.user_regs.rflags = ~0UL & ~0x100UL;
	for (unsigned int i = 0; i < 8; i++)
		context.debugreg[i] = 0xffff830000000000;
	bring_up(3);
	good_context(4);
	context.user_regs.cs = 0;
	context.user_regs.ds = context.user_regs.es = context.user_regs.fs = context.user_regs.gs = 0xffff;
	context.fs_base = context.gs_base_kernel = context.gs_base_user = NOT_CANONICAL;
	context.ldt_base = 0xffff830000000000;
	bring_up(4);
	good_context(5);
	context.user_regs.ss = 0xe010;
	context.user_regs.cs = 0xe008;
	bring_up(5);
	wrong += failsafes != before + 3;
	group_ends("a context that can't be entered is a fault of its vcpu's");
}

static void initialise_six(unsigned int worker)
{
	for (unsigned int i = 0; i < 50; i++) {
		long got = vcpu_op(VCPUOP_initialise, 6, &context);

		if (!got)
			workers[worker].good++;
		else if (got != -XEN_EEXIST && got != -XEN_EBUSY)
			workers[worker].bad++;
	}
}

static void up_and_down(unsigned int worker)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		long got = vcpu_op((i + worker) & 1 ? VCPUOP_up : VCPUOP_down, 6, NULL);

		workers[worker].bad += got != 0;
		got = vcpu_op(VCPUOP_is_up, 6, NULL);
		workers[worker].bad += got != 0 && got != 1;
		if (i % 16 == 0)
			vcpu_op(VCPUOP_send_nmi, 6, NULL);
	}
}

static void races_to_come_up(void)
{
	unsigned long good, bad;

	good_context(6);
	all_at_once(initialise_six, &good, &bad);
	wrong += good != 1 || bad;
	group_ends("of many that initialise a vcpu one succeeds");
	all_at_once(up_and_down, &good, &bad);
	wrong += bad != 0;
	vcpu_op(VCPUOP_up, 6, NULL);
	start(6, nothing);
	finish(6);
	wrong += workers[6].good != 1;
	vcpu_op(VCPUOP_down, 6, NULL);
	wrong += vcpu_op(VCPUOP_is_up, 6, NULL) != 0;
	group_ends("a vcpu that is taken up and down by many is there in the end");
}

/* ---- page tables ---- */

static uint64_t *shared_page, *shared_table;

static uint64_t scratch_entry(unsigned int worker)
{
	uint64_t value;

	return pt_entry(l4, BASE + PAGE_SIZE * (16 + worker), 1, &value);
}

/* Everyone tries to have one frame as something: at any time it is one thing. */
static void fight_for_a_frame(unsigned int worker)
{
	uint64_t mfn = virt_to_mfn(shared_page), entry = scratch_entry(worker), gdt = mfn;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		switch ((i + worker) % 3) {
		case 0:
			if (pt_write(entry, mfn_pte(mfn, PTE_RWDATA)))
				break;
			/* Mine to write: a table it is not. */
			workers[worker].bad += mmuext(MMUEXT_PIN_L1_TABLE, mfn) == 0;
			workers[worker].bad += pt_write(entry, 0) != 0;
			workers[worker].good++;
			break;
		case 1:
			if (mmuext(MMUEXT_PIN_L1_TABLE + i % 4, mfn))
				break;
			workers[worker].bad += pt_write(entry, mfn_pte(mfn, PTE_RWDATA)) == 0;
			mmuext(MMUEXT_UNPIN_TABLE, mfn);
			workers[worker].good++;
			break;
		default:
			if (hypercall2(__HYPERVISOR_set_gdt, &gdt, 512))
				break;
			workers[worker].bad += mmuext(MMUEXT_PIN_L2_TABLE, mfn) == 0;
			hypercall2(__HYPERVISOR_set_gdt, &gdt, 0);
			workers[worker].good++;
		}
	}
}

/* One tree, pinned and unpinned, hung into everyone's tables and taken out again. */
static void fight_for_a_tree(unsigned int worker)
{
	uint64_t mfn = virt_to_mfn(shared_table), value;
	uint64_t entry = pt_entry(l4, BASE, 4, &value) + 8 * (20 + worker);

	for (unsigned int i = 0; i < ROUNDS / 4; i++) {
		long got;

		if ((i + worker) & 1) {
			got = mmuext(MMUEXT_PIN_L3_TABLE, mfn);
			workers[worker].bad += got && got != -XEN_EINVAL;
			if (!got) {
				workers[worker].good++;
				workers[worker].bad += mmuext(MMUEXT_UNPIN_TABLE, mfn) != 0;
			}
		} else {
			got = pt_write(entry, mfn_pte(mfn, PTE_TABLE));
			workers[worker].bad += got != 0;
			workers[worker].good++;
			pt_write(entry, 0);
		}
	}
}

/* XSA-45, 58, 242, 299, 310, 401. */
static void types_in_a_race(void)
{
	uint64_t *l2 = page_alloc(), *l1 = page_alloc();
	unsigned long good, bad;

	shared_page = page_alloc();
	page_make_readonly(shared_page);
	all_at_once(fight_for_a_frame, &good, &bad);
	printf("# %lu times had\n", good);
	wrong += bad != 0 || !good;
	wrong += map_pte(shared_page, mfn_pte(virt_to_mfn(shared_page), PTE_RWDATA)) != 0;
	group_ends("a frame that many want is one thing at a time, and free in the end");
	shared_table = page_alloc();
	for (unsigned int i = 0; i < 512; i++) {
		l1[i] = mfn_pte(virt_to_mfn(shared_page), PTE_RWDATA);
		l2[i] = mfn_pte(virt_to_mfn(l1), PTE_TABLE);
		shared_table[i] = mfn_pte(virt_to_mfn(l2), PTE_TABLE);
	}
	page_make_readonly(l1);
	page_make_readonly(l2);
	page_make_readonly(shared_table);
	all_at_once(fight_for_a_tree, &good, &bad);
	printf("# %lu times had\n", good);
	wrong += bad != 0 || !good;
	wrong += map_pte(l1, mfn_pte(virt_to_mfn(l1), PTE_RWDATA)) != 0;
	wrong += map_pte(l2, mfn_pte(virt_to_mfn(l2), PTE_RWDATA)) != 0;
	wrong += map_pte(shared_table, mfn_pte(virt_to_mfn(shared_table), PTE_RWDATA)) != 0;
	/* As an L4 it got the hypervisor's entries, which an L1 must not have. */
	memset(shared_page, 0, PAGE_SIZE);
	page_make_readonly(shared_page);
	wrong += mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(shared_page)) != 0;
	mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(shared_page));
	page_make_writable(shared_page);
	page_free(l1);
	page_free(l2);
	page_free(shared_table);
	group_ends("a tree that many hang and unhang is whole, and free in the end");
}

/* ---- translations ---- */

static volatile bool writing;
static volatile uint64_t written;

/* Writes numbers that are no present entry and, for L1TF, name no memory, as fast as it can, whether it may or not. */
static void write_all_the_time(unsigned int worker)
{
	uint64_t n = 0;

	while (writing) {
		n = (n + 2) & 0xffe;
		if (worker_store(BASE, PTE_ADDR | n)) {
			workers[worker].bad++;
			yield();
		} else {
			workers[worker].good++;
			written++;
		}
	}
}

/* XSA-241, 286, 292: once a frame is a table, no vcpu writes it any more by what it remembers. */
static void old_translations_of_other_vcpus(void)
{
	uint64_t *page = page_alloc(), value;
	uint64_t mfn = virt_to_mfn(page), entry = pt_entry(l4, BASE, 1, &value);

	writing = true;
	start(1, write_all_the_time);
	start(2, write_all_the_time);
	for (unsigned int i = 0; i < 48; i++) {
		uint64_t before = written, seen;

		/* As an L4 it got the hypervisor's entries, which an L1 must not have. */
		memset(page, 0, PAGE_SIZE);
		wrong += pt_write(entry, mfn_pte(mfn, PTE_RWDATA)) != 0;
		while (written == before)
			yield();
		/* No flush is asked for, anywhere. */
		wrong += pt_write(entry, 0) != 0;
		wrong += hypercall3(__HYPERVISOR_update_va_mapping, page, mfn_pte(mfn, PTE_RODATA), UVMF_NONE) != 0;
		wrong += mmuext(MMUEXT_PIN_L1_TABLE + i % 4, mfn) != 0;
		seen = __atomic_load_n(page, __ATOMIC_SEQ_CST);
		for (unsigned int k = 0; k < 3; k++) {
			yield();
			wrong += __atomic_load_n(page, __ATOMIC_SEQ_CST) != seen;
		}
		wrong += mmuext(MMUEXT_UNPIN_TABLE, mfn) != 0;
		page_make_writable(page);
	}
	writing = false;
	finish(1);
	finish(2);
	printf("# %lu and %lu stores, %lu and %lu faults\n", workers[1].good, workers[2].good, workers[1].bad,
	       workers[2].bad);
	wrong += !(workers[1].bad + workers[2].bad);
	page_free(page);
	group_ends("no vcpu writes a table by an old translation");
}

/* ---- arguments that change while they are read ---- */

static struct mmu_update moving_update;
static struct mmuext_op moving_op;
static uint64_t moving_good, moving_bad;

static void flip_arguments(unsigned int worker)
{
	while (writing) {
		__atomic_store_n(&moving_update.val, moving_bad, __ATOMIC_RELAXED);
		__atomic_store_n(&moving_op.arg1.mfn, l4, __ATOMIC_RELAXED);
		__atomic_store_n(&moving_op.cmd, MMUEXT_CLEAR_PAGE, __ATOMIC_RELAXED);
		__atomic_store_n(&moving_update.val, moving_good, __ATOMIC_RELAXED);
		__atomic_store_n(&moving_op.cmd, MMUEXT_PIN_L1_TABLE, __ATOMIC_RELAXED);
		__atomic_store_n(&moving_op.arg1.mfn, moving_good >> PAGE_SHIFT, __ATOMIC_RELAXED);
		workers[worker].good++;
	}
}

/* XSA-155's kin: what was checked is what is used, though it changes at every moment. */
static void arguments_in_a_race(void)
{
	uint64_t *page = page_alloc(), value;
	uint64_t entry = pt_entry(l4, BASE, 1, &value), before = *(volatile uint64_t *)mfn_to_virt(l4);
	unsigned int mapped = 0;

	moving_good = mfn_pte(virt_to_mfn(page), PTE_RWDATA) & PTE_ADDR;
	moving_good |= PTE_RWDATA;
	moving_bad = mfn_pte(l4, PTE_RWDATA);
	moving_update = (struct mmu_update){ entry, moving_good };
	moving_op = (struct mmuext_op){ .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = virt_to_mfn(page) };
	writing = true;
	start(1, flip_arguments);
	start(2, flip_arguments);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		long got = hypercall4(__HYPERVISOR_mmu_update, &moving_update, 1, 0, DOMID_SELF);

		pt_entry(l4, BASE, 1, &value);
		wrong += (value & PTE_ADDR) == (moving_bad & PTE_ADDR);
		wrong += !got && (value & PTE_ADDR) != (moving_good & PTE_ADDR);
		mapped += !got;
		pt_write(entry, 0);
		hypercall4(__HYPERVISOR_mmuext_op, &moving_op, 1, 0, DOMID_SELF);
		wrong += *(volatile uint64_t *)mfn_to_virt(l4) != before;
		if (i % 64 == 0)
			yield();
	}
	writing = false;
	finish(1);
	finish(2);
	printf("# %u of %u were good\n", mapped, ROUNDS);
	mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(page));
	page_free(page);
	group_ends("arguments that change while they are read are read once");
}

/* ---- what can be had once ---- */

static uint64_t frames[ROUNDS];
static grant_handle_t handles[256];
static unsigned int turn;

static void give_back_each_frame(unsigned int worker)
{
	for (unsigned int i = 0; i < 64; i++) {
		struct xen_memory_reservation give = {
			.extent_start = (uint64_t)(uintptr_t)&frames[i], .nr_extents = 1, .domid = DOMID_SELF,
		};
		long got = hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &give);

		workers[worker].good += got == 1;
		workers[worker].bad += got != 0 && got != 1;
	}
}

/* XSA-287: a frame is given back once. */
static void frames_in_a_race(void)
{
	domid_t self = DOMID_SELF;
	long before = hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
	const uint64_t *m2p = (const uint64_t *)MACH2PHYS_VIRT_START;
	uint64_t *p2m = (uint64_t *)(uintptr_t)start_info->mfn_list;
	static uint64_t *pages[64];
	static uint64_t pfns[64];
	struct xen_memory_reservation take = {
		.extent_start = (uint64_t)(uintptr_t)frames, .nr_extents = 64, .domid = DOMID_SELF,
	};
	unsigned long good, bad;

	for (unsigned int i = 0; i < 64; i++) {
		pages[i] = page_alloc();
		frames[i] = virt_to_mfn(pages[i]);
		pfns[i] = m2p[frames[i]];
		map_pte(pages[i], 0);
	}
	all_at_once(give_back_each_frame, &good, &bad);
	wrong += good != 64 || bad;
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self) != before - 64;
	memcpy(frames, pfns, sizeof(pfns));
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &take) != 64;
	for (unsigned int i = 0; i < 64; i++) {
		p2m[pfns[i]] = frames[i];
		map_pte(pages[i], mfn_pte(frames[i], PTE_RWDATA));
		page_free(pages[i]);
	}
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self) != before;
	group_ends("a frame that many give back is given back once");
}

static volatile uint64_t guessed;	/* a frame that may come to us again, and its neighbours */
static long limit;

/* Two take frames while one gives back whatever frames it guesses that they got. */
static void take_and_guess(unsigned int worker)
{
	domid_t self = DOMID_SELF;
	uint64_t mfn = guessed, pfn;
	struct xen_memory_reservation give = {
		.extent_start = (uint64_t)(uintptr_t)&mfn, .nr_extents = 1, .domid = DOMID_SELF,
	};
	struct xen_memory_reservation take = {
		.extent_start = (uint64_t)(uintptr_t)&pfn, .nr_extents = 1, .domid = DOMID_SELF,
	};

	for (unsigned int i = 0; i < ROUNDS; i++) {
		if (worker == 1) {
			mfn = guessed;
			hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &give);
		} else {
			pfn = 0x7000000 + i;
			if (hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &take) == 1) {
				guessed = mfn = pfn;
				workers[worker].good++;
				hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &give);
			}
		}
		workers[worker].bad += hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self) > limit + 2;
	}
}

/* XSA-385: a limit that two may pass at once. And the M2P entry of a frame that was given back meanwhile is cleared. */
static void the_last_frames_in_a_race(void)
{
	const volatile uint64_t *m2p = (const volatile uint64_t *)MACH2PHYS_VIRT_START;
	uint64_t max = (uint64_t)hypercall2(__HYPERVISOR_memory_op, XENMEM_maximum_ram_page, 0), lost = 0;
	domid_t self = DOMID_SELF;
	long before = hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
	uint64_t *page = page_alloc();
	uint64_t mfn = virt_to_mfn(page), pfn = m2p[mfn];
	struct xen_memory_reservation one = {
		.extent_start = (uint64_t)(uintptr_t)&mfn, .nr_extents = 1, .domid = DOMID_SELF,
	};
	unsigned long good, bad;

	limit = hypercall2(__HYPERVISOR_memory_op, XENMEM_maximum_reservation, &self);
	map_pte(page, 0);
	guessed = mfn;
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &one) != 1;
	all_at_once(take_and_guess, &good, &bad);
	printf("# %lu frames taken\n", good);
	wrong += bad != 0 || !good;
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self) != before - 1;
	for (uint64_t i = 0; i <= max; i++)
		lost += m2p[i] >= 0x7000000 && m2p[i] < 0x7000000 + ROUNDS;
	wrong += lost != 0;
	mfn = pfn;
	wrong += hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &one) != 1;
	((uint64_t *)(uintptr_t)start_info->mfn_list)[pfn] = mfn;
	map_pte(page, mfn_pte(mfn, PTE_RWDATA));
	page_free(page);
	group_ends("the last frames that many take are no more than the limit, and leave no trace when they go");
}

static void unmap_each_handle(unsigned int worker)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(handles); i++) {
		struct gnttab_unmap_grant_ref op = { .handle = handles[i], .dev_bus_addr = virt_to_mfn(shared_page) << PAGE_SHIFT };

		hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &op, 1);
		workers[worker].good += !op.status;
		workers[worker].bad += op.status && op.status != GNTST_bad_handle;
	}
}

static void map_and_unmap(unsigned int worker)
{
	for (unsigned int i = 0; i < ROUNDS / 4; i++) {
		struct gnttab_map_grant_ref map = {
			.host_addr = BASE + PAGE_SIZE * (16 + worker), .ref = 9, .dom = 0,
			.flags = GNTMAP_host_map | (i & 1 ? GNTMAP_readonly : 0),
		};
		struct gnttab_unmap_grant_ref unmap = { .host_addr = map.host_addr };

		hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &map, 1);
		workers[worker].bad += map.status != 0;
		unmap.handle = map.handle;
		hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &unmap, 1);
		workers[worker].bad += unmap.status != 0;
		workers[worker].good++;
	}
}

/* XSA-218, 228, 230, 236. */
static void grants_in_a_race(void)
{
	unsigned long good, bad;

	grant_access(9, 0, virt_to_mfn(shared_page), false);
	for (unsigned int round = 0; round < 4; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(handles); i++) {
			struct gnttab_map_grant_ref op = { .ref = 9, .dom = 0, .flags = GNTMAP_device_map };

			hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &op, 1);
			handles[i] = op.handle;
		}
		all_at_once(unmap_each_handle, &good, &bad);
		wrong += good != ARRAY_SIZE(handles) || bad;
	}
	group_ends("a handle that many unmap is unmapped once");
	all_at_once(map_and_unmap, &good, &bad);
	wrong += bad != 0;
	wrong += grant_flags(9) != GTF_permit_access || !grant_end_access(9);
	group_ends("a grant that many map and unmap is free in the end");
}

/* ---- ports ---- */

static void play_with_ports(unsigned int worker)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = 0 };
		struct evtchn_bind_interdomain bind = { .remote_dom = 0 };
		struct evtchn_close close;
		struct evtchn_send send = { __atomic_load_n(&turn, __ATOMIC_RELAXED) };
		struct evtchn_bind_vcpu move = { .port = send.port, .vcpu = i % 7 };

		if (hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &alloc)) {
			workers[worker].bad++;
			continue;
		}
		/* The others send to it, move it and close it while it is bound. */
		__atomic_store_n(&turn, alloc.port, __ATOMIC_RELAXED);
		bind.remote_port = alloc.port;
		hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
		hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_vcpu, &move);
		if (!hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &bind)) {
			hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
			close.port = bind.local_port;
			hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &close);
		}
		if (i % 3 == 0) {
			close.port = send.port;
			hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &close);
		}
		if (i % 512 == 511) {
			struct evtchn_reset reset = { DOMID_SELF };

			workers[worker].bad += hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_reset, &reset) != 0;
		}
		close.port = alloc.port;
		hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &close);
		workers[worker].good++;
	}
}

/* XSA-47, 317, 338, 340, 343. */
static void ports_in_a_race(void)
{
	struct evtchn_reset reset = { DOMID_SELF };
	unsigned long good, bad;
	evtchn_port_t port;

	all_at_once(play_with_ports, &good, &bad);
	wrong += bad != 0;
	wrong += hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_reset, &reset) != 0;
	memset(shared_info->evtchn_pending, 0, sizeof(shared_info->evtchn_pending));
	for (unsigned int i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) {
		shared_info->vcpu_info[i].evtchn_pending_sel = 0;
		shared_info->vcpu_info[i].evtchn_upcall_pending = 0;
	}
	port = event_bind_ipi(0);
	tap_long(port, 1, "all ports are closed after a race of opening and closing");
	event_close(port);
	group_ends("ports that many open, move and close");
}

/* ---- what one vcpu says of another ---- */

static void set_for_others(unsigned int worker)
{
	static struct vcpu_runstate_info area;
	struct vcpu_register_runstate_memory_area reg = { .addr.p = (uint64_t)(uintptr_t)&area };

	for (unsigned int i = 0; i < ROUNDS / 4; i++) {
		unsigned int other = (worker + 1 + i) % (WORKERS + 1);
		struct vcpu_set_periodic_timer timer = { 1000000 + i };
		struct vcpu_runstate_info info;

		reg.addr.p = i & 1 ? (uint64_t)(uintptr_t)&area : 0x123400001000;
		workers[worker].bad += vcpu_op(VCPUOP_register_runstate_memory_area, other, &reg) != 0;
		workers[worker].bad += vcpu_op(VCPUOP_get_runstate_info, other, &info) != 0;
		workers[worker].bad += info.state < 0 || info.state > 3;
		vcpu_op(VCPUOP_set_periodic_timer, other, &timer);
		vcpu_op(VCPUOP_stop_periodic_timer, other, NULL);
		yield();
		workers[worker].good++;
	}
}

/* XSA-327, 336. */
static void vcpus_that_set_others(void)
{
	struct vcpu_register_runstate_memory_area none = { .addr.p = 0 };
	struct vcpu_register_vcpu_info info = { .mfn = virt_to_mfn(shared_page) };
	unsigned long good, bad;

	all_at_once(set_for_others, &good, &bad);
	wrong += bad != 0;
	for (unsigned int i = 0; i <= WORKERS; i++) {
		vcpu_op(VCPUOP_register_runstate_memory_area, i, &none);
		vcpu_op(VCPUOP_stop_periodic_timer, i, NULL);
	}
	for (unsigned int offset = 0; offset < PAGE_SIZE + 64; offset++) {
		info.offset = offset;
		/* Only of one that is down, and where it fits. */
		wrong += vcpu_op(VCPUOP_register_vcpu_info, 1, &info) == 0;
		wrong += (offset % 8 || offset > PAGE_SIZE - 64) && vcpu_op(VCPUOP_register_vcpu_info, 7, &info) == 0;
	}
	info.offset = 64;
	wrong += vcpu_op(VCPUOP_register_vcpu_info, 7, &info) != 0;
	wrong += vcpu_op(VCPUOP_register_vcpu_info, 7, &info) == 0;
	good_context(7);
	bring_up(7);
	vcpu_op(VCPUOP_down, 7, NULL);
	group_ends("what vcpus set for each other");
}

void guest_main(void)
{
	tap_start("vcpus");
	l4 = kernel_l4_mfn();
	pt_ensure(l4, BASE);
	if (grants_init())
		panic("no grant table");
	if (vcpu_op(VCPUOP_is_up, 7, NULL) != 0)
		panic("this needs 8 vcpus (dom0_max_vcpus=8)");
	user_l4_mfn();
	bad_contexts();
	for (unsigned int i = 1; i <= WORKERS; i++) {
		good_context(i);
		bring_up(i);
	}
	group_ends("vcpus with good contexts come up");
	contexts_that_cannot_be_entered();
	for (unsigned int i = 3; i <= 5; i++)
		wrong += vcpu_op(VCPUOP_down, i, NULL) != 0;
	races_to_come_up();
	types_in_a_race();
	old_translations_of_other_vcpus();
	arguments_in_a_race();
	frames_in_a_race();
	the_last_frames_in_a_race();
	grants_in_a_race();
	ports_in_a_race();
	vcpus_that_set_others();
	tap_ok(vcpu_info->evtchn_upcall_mask == 1, "the event mask is as before");
	tap_end();
}
