// SPDX-License-Identifier: MIT
/*
 * Exceptions and callbacks: who gets a trap.
 *
 * Order, first that takes it:
 *  1. the handler set for the vector;
 *  2. run_user or run_frame, when what they entered was interrupted (user.c);
 *  3. run_kernel, when a probe is on (user.c);
 *  4. nobody: the registers are printed and the guest ends as crashed.
 */
#include <xen/callback.h>
#include <xen/sched.h>

#include "runtime.h"
#include "user.h"

uint64_t failsafe_segments[4];

static trap_handler_t handlers[NR_TRAPS];

void trap_set_handler(unsigned int vector, trap_handler_t handler)
{
	handlers[vector] = handler;
}

void trap_set_gate(unsigned int vector, uint64_t address, uint8_t flags)
{
	struct trap_info gate[2] = { 0 };

	gate[0].vector = (uint8_t)vector;
	gate[0].flags = flags;
	gate[0].cs = FLAT_KERNEL_CS;
	gate[0].address = address ? address : (uint64_t)(uintptr_t)trap_stubs + 16 * vector;
	if (hypercall1(__HYPERVISOR_set_trap_table, gate))
		panic("set_trap_table of vector %u was refused", vector);
}

static void dump(const struct trap_frame *f)
{
	printf("# trap %lu error %lx at rip %p cs %lx rflags %lx rsp %p ss %lx cr2 %p\n", f->vector, f->error,
	       (void *)f->rip, f->cs, f->rflags, (void *)f->rsp, f->ss, (void *)vcpu_info->arch.cr2);
	printf("# rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx\n", f->rax, f->rbx, f->rcx, f->rdx, f->rsi,
	       f->rdi, f->rbp);
	printf("# r8 %lx r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx r14 %lx r15 %lx\n", f->r8, f->r9, f->r10, f->r11,
	       f->r12, f->r13, f->r14, f->r15);
}

/* Called by start.S with the frame that it will return to. */
void trap_dispatch(struct trap_frame *frame)
{
	frame->cs &= 0xffff;	/* above it: the event mask, which the saved IF repeats */
	if (handlers[frame->vector] && handlers[frame->vector](frame))
		return;
	if (user_take_trap(frame) || probe_take_trap(frame))
		return;
	dump(frame);
	panic("unexpected trap");
}

static struct trap_info table[257];

void traps_of_vcpu(struct vcpu_guest_context *context)
{
	memcpy(context->trap_ctxt, table, sizeof(context->trap_ctxt));
	context->event_callback_eip = (uint64_t)(uintptr_t)event_entry;
	context->failsafe_callback_eip = (uint64_t)(uintptr_t)failsafe_entry;
	context->syscall_callback_eip = (uint64_t)(uintptr_t)syscall_entry;
}

static void set_callback(uint16_t type, uint16_t flags, const void *address)
{
	struct callback_register callback = {
		.type = type,
		.flags = flags,
		.address = (uint64_t)(uintptr_t)address,
	};

	if (hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback))
		panic("callback %u was refused", type);
}

void traps_init(void)
{
	/* Gates that guest user may use with `int n`: breakpoint, overflow and the old system call. */
	static const uint8_t open_to_user[] = { 3, 4, 0x80 };

	for (unsigned int vector = 0; vector < 256; vector++) {
		table[vector].vector = (uint8_t)vector;
		table[vector].cs = FLAT_KERNEL_CS;
		table[vector].address = (uint64_t)(uintptr_t)trap_stubs + 16 * vector;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(open_to_user); i++)
		TI_SET_DPL(&table[open_to_user[i]], 3);
	if (hypercall1(__HYPERVISOR_set_trap_table, table))
		panic("set_trap_table was refused");
	set_callback(CALLBACKTYPE_event, 0, event_entry);
	set_callback(CALLBACKTYPE_failsafe, CALLBACKF_mask_events, failsafe_entry);
	set_callback(CALLBACKTYPE_syscall, CALLBACKF_mask_events, syscall_entry);
	if (hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, trap_stack_top))
		panic("stack_switch was refused");
}
