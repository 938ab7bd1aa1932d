// SPDX-License-Identifier: MIT
/*
 * What a guest can't survive, beyond the iret frames of iret.c: it has taken away what the hypervisor needs to tell it
 * of a trap. One case for each boot, named by case= on the command line; tests/system/test_guest_end.py has the list
 * with the reason that the hypervisor must give, and looks that it gives no other and lives on to say it.
 */
#include <xen/callback.h>
#include <xen/memory.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#include "runtime.h"

#define HOLE_END	0xffff880000000000UL
#define IN_THE_HOLE	0xffff830000000000UL
#define UNMAPPED	0x0000123400001000UL
#define PF		14
#define DB		1

SNIPPET(undefined, "ud2");
SNIPPET(load, "mov (%rdi), %rax");

static char two_pages[2 * PAGE_SIZE] __attribute__((aligned(4096)));

static void set_callback(uint16_t type, uint64_t address)
{
	struct callback_register callback = { .type = type, .address = address };

	if (hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback))
		panic("the callback was refused");
}

static void set_stack(uint64_t address)
{
	hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, address);
}

/* A hypercall with a stack pointer of the caller's choice: what the hypervisor pushes on its way back goes there. */
static void call_at(uint64_t rsp, uint64_t number, uint64_t a1, uint64_t a2)
{
	__asm__ volatile("mov %0, %%rsp\n\tsyscall" : : "r"(rsp), "a"(number), "D"(a1), "S"(a2), "d"(0UL)
			 : "memory", "rcx", "r11");
}

static void bad_return(uint64_t rsp)
{
	struct trap_frame f = {
		.rip = (uint64_t)(uintptr_t)undefined, .cs = 0x20, .ss = FLAT_KERNEL_SS, .rsp = rsp, .rflags = 2,
	};

	run_frame(&f);
}

static void bad_return_stack_unmapped(void)
{
	bad_return(UNMAPPED);
}

static void no_event_callback(void)
{
	evtchn_port_t port = event_bind_ipi(0);

	set_callback(CALLBACKTYPE_event, 0);
	event_unmask_port(port);
	event_send(port);
	events_enable();
}

static void event_stack_in_hole(void)
{
	evtchn_port_t port = event_bind_ipi(0);

	event_unmask_port(port);
	event_send(port);
	*(volatile uint8_t *)&vcpu_info->evtchn_upcall_mask = 0;
	call_at(IN_THE_HOLE, __HYPERVISOR_xen_version, XENVER_version, 0);
}

static void nmi_stack_unmapped(void)
{
	set_callback(CALLBACKTYPE_nmi, (uint64_t)(uintptr_t)(trap_stubs + 16 * 2));
	call_at(UNMAPPED, __HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0);
}

/* Single step over a hypercall: the debug exception finds no stack. */
static void debug_stack_not_canonical(void)
{
	__asm__ volatile("pushf\n\torq $0x100, (%%rsp)\n\tmov %0, %%rbx\n\tpopf\n\tmov %%rbx, %%rsp\n\tnop"
			 : : "r"(0x8000000000000000UL) : "memory", "rbx");
}

static void stack_straddles_hole(void)
{
	pt_ensure(kernel_l4_mfn(), HOLE_END);
	map_pte((const void *)HOLE_END, mfn_pte(virt_to_mfn(page_alloc()), PTE_RWDATA));
	set_stack(HOLE_END + 32);
	run_user(undefined, NULL);
}

static void stack_straddles_pages(void)
{
	map_pte(two_pages, 0);
	set_stack((uint64_t)(uintptr_t)two_pages + PAGE_SIZE + 16);
	run_user(undefined, NULL);
}

static void stack_at_zero(void)
{
	set_stack(0);
	run_user(undefined, NULL);
}

static void stack_not_canonical(void)
{
	set_stack(0x0000800000000010);
	run_user(undefined, NULL);
}

/* The kernel's stack is a page table: mapped for reading only. */
static void stack_is_a_table(void)
{
	uint64_t *table = page_alloc();

	page_make_readonly(table);
	mmuext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(table));
	set_stack((uint64_t)(uintptr_t)table + PAGE_SIZE);
	run_user(undefined, NULL);
}

/* The handler of page faults is itself on no page: frame follows frame, until the stack ends. */
static void handler_unmapped(void)
{
	trap_set_gate(PF, UNMAPPED, 0);
	run_kernel(load, &(struct regs){ .rdi = UNMAPPED });
}

static void base_without_kernel(void)
{
	uint64_t *table = page_alloc();

	page_make_readonly(table);
	mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(table));
}

static void kernel_unmapped(void)
{
	pt_write((kernel_l4_mfn() << PAGE_SHIFT) + 8 * (RUNTIME_VIRT_BASE >> 39 & 511), 0);
	mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0);
}

/* All memory goes, the code that gives it back too: the domain's tables name frames that are no more its own. */
static void all_memory_given_back(void)
{
	static uint64_t list[512];
	const uint64_t *p2m = (const uint64_t *)(uintptr_t)start_info->mfn_list;
	struct xen_memory_reservation give = { (uint64_t)(uintptr_t)list, 512, 0, 0, DOMID_SELF };

	for (uint64_t pfn = 0; pfn + 512 <= start_info->nr_pages; pfn += 512) {
		memcpy(list, p2m + pfn, sizeof(list));
		hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &give);
	}
	kernel_unmapped();
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "bad-return-stack-unmapped", bad_return_stack_unmapped },
	{ "no-event-callback", no_event_callback },
	{ "event-stack-in-hole", event_stack_in_hole },
	{ "nmi-stack-unmapped", nmi_stack_unmapped },
	{ "debug-stack-not-canonical", debug_stack_not_canonical },
	{ "stack-straddles-hole", stack_straddles_hole },
	{ "stack-straddles-pages", stack_straddles_pages },
	{ "stack-at-zero", stack_at_zero },
	{ "stack-not-canonical", stack_not_canonical },
	{ "stack-is-a-table", stack_is_a_table },
	{ "handler-unmapped", handler_unmapped },
	{ "base-without-kernel", base_without_kernel },
	{ "kernel-unmapped", kernel_unmapped },
	{ "all-memory-given-back", all_memory_given_back },
};

void guest_main(void)
{
	const char *name = cmdline_value("case=");

	tap_start("fatal");
	user_l4_mfn();
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
		if (name && !strcmp(name, cases[i].name)) {
			printf("# CASE %s\n", name);
			cases[i].run();
			printf("# STILL ALIVE\n");
			return;
		}
	panic("no case is called %s", name ? name : "(none)");
}
