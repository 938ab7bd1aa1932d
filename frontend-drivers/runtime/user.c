// SPDX-License-Identifier: MIT
/*
 * Running pieces of code that may fault, in the guest's kernel or in guest user.
 *
 * Kernel: probe_enter() remembers its stack pointer; the trap handler notes what happened and changes the saved rip
 * and rsp so that the return leads to probe_landing.
 * User: guest user has its own L4, in which only the slot of the kernel's image is set, so that the same code runs
 * on both sides at the same address. user_enter() parks the kernel's stack and goes to user_main by the iret
 * hypercall; a trap or the closing system call arrives on the trap stack, and user_leave() drops that.
 *
 * One of either at a time. Events may come in between; they return to where they came from.
 */
#include "user.h"

_Static_assert(sizeof(struct trap_frame) == TRAP_FRAME_SIZE, "start.S copies frames");

void exec_regs(const void *code, struct regs *regs);
void probe_enter(const void *code, struct regs *regs);
void user_enter(const struct trap_frame *frame);
void user_leave(void) __attribute__((noreturn));
void user_main(void);
extern char probe_landing[];

uint64_t probe_sp, user_sp;		/* written by start.S */

static bool probing, in_user, in_frame;
static struct outcome last;
static uint64_t user_l4;
static trap_handler_t syscall_handler;

static void note(const struct trap_frame *f)
{
	last.vector = (int)f->vector;
	last.error = f->error;
	last.rip = f->rip;
	last.cs = f->cs;
	last.ss = f->ss;
	last.rsp = f->rsp;
	last.rflags = f->rflags;
	last.cr2 = vcpu_info->arch.cr2;
	last.regs = (struct regs){ f->rax, f->rbx, f->rcx, f->rdx, f->rsi, f->rdi };
}

bool probe_take_trap(struct trap_frame *frame)
{
	if (!probing || frame_is_user(frame))
		return false;
	probing = false;
	note(frame);
	frame->rip = (uint64_t)(uintptr_t)probe_landing;
	frame->rsp = probe_sp;
	frame->cs = FLAT_KERNEL_CS & ~3UL;
	frame->ss = FLAT_KERNEL_SS;
	frame->rflags &= 0x202;
	return true;
}

struct outcome run_kernel(const void *code, const struct regs *regs)
{
	struct regs used = { 0 };

	if (regs)
		used = *regs;
	probing = true;
	last = (struct outcome){ .vector = NO_FAULT };
	probe_enter(code, &used);
	compiler_barrier();
	probing = false;
	if (last.vector == NO_FAULT)
		last.regs = used;
	return last;
}

bool user_take_trap(struct trap_frame *frame)
{
	if (!in_frame && !(in_user && frame_is_user(frame)))
		return false;
	if (in_user && frame->vector == TRAP_SYSCALL && frame->rax != USER_EXIT && syscall_handler &&
	    syscall_handler(frame))
		return true;
	in_user = in_frame = false;
	if (frame->vector != TRAP_SYSCALL || frame->rax != USER_EXIT)
		note(frame);
	user_leave();
}

void user_set_syscall(trap_handler_t handler)
{
	syscall_handler = handler;
}

uint64_t user_l4_mfn(void)
{
	uint64_t *l4 = page_alloc();
	uint64_t slot;

	if (user_l4) {
		page_free(l4);
		return user_l4;
	}
	pt_entry(kernel_l4_mfn(), RUNTIME_VIRT_BASE, 4, &slot);
	l4[RUNTIME_VIRT_BASE >> 39 & 511] = slot;
	page_make_readonly(l4);
	user_l4 = virt_to_mfn(l4);
	if (mmuext(MMUEXT_PIN_L4_TABLE, user_l4) || mmuext(MMUEXT_NEW_USER_BASEPTR, user_l4))
		panic("the user page table was refused");
	return user_l4;
}

/* Parks this stack, enters the frame, and restores the event mask that the ending trap may have set. */
static void enter(const struct trap_frame *frame)
{
	uint8_t mask = vcpu_info->evtchn_upcall_mask;

	last = (struct outcome){ .vector = NO_FAULT };
	user_enter(frame);
	compiler_barrier();
	vcpu_info->evtchn_upcall_mask = mask;
}

struct outcome run_user(const void *code, const struct regs *regs)
{
	static struct regs used;
	struct trap_frame frame = {
		.rdi = (uint64_t)(uintptr_t)code,
		.rsi = (uint64_t)(uintptr_t)&used,
		.rip = (uint64_t)(uintptr_t)user_main,
		.cs = FLAT_USER_CS,
		.ss = FLAT_USER_SS,
		.rsp = (uint64_t)(uintptr_t)user_stack_top,
		.rflags = vcpu_info->evtchn_upcall_mask ? 0x2 : 0x202,
	};

	user_l4_mfn();
	used = regs ? *regs : (struct regs){ 0 };
	in_user = true;
	enter(&frame);
	if (last.vector == NO_FAULT)
		last.regs = used;
	return last;
}

struct outcome run_frame(const struct trap_frame *frame)
{
	struct trap_frame copy = *frame;

	in_frame = true;
	enter(&copy);
	return last;
}
