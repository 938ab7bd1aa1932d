// SPDX-License-Identifier: MIT
/*
 * The iret hypercall with bad frames.
 *
 * Without a word on the command line: frames that are the guest's own affair. The hypervisor carries out the return
 * as far as the CPU lets it; where the CPU refuses a selector or an address, the guest gets its failsafe callback
 * (or the fault itself), and lives.
 *
 * With case=NAME: one thing after which the domain can't go on. Each is a boot of its own; the test system looks in
 * the hypervisor's log for the crash and must not see "# STILL ALIVE":
 *	no-user-table		return to guest user without a user page table
 *	frame-unmapped		rsp of the call points to no memory
 *	frame-in-hole		rsp of the call lies in the hypervisor's addresses
 *	frame-straddles		the frame's last word lies on an unmapped page
 *	frame-not-canonical	rsp of the call is not canonical
 *	no-handler		an exception for which the trap table has no address
 *	trap-stack-unmapped	an exception from guest user with no memory under the kernel stack
 *	trap-stack-in-hole	the same with that stack in the hypervisor's addresses
 */
#include "runtime.h"

#define NOT_CANONICAL	0x8000000000000000UL
#define IN_THE_HOLE	0xffff830000000000UL
#define UNMAPPED	0x0000123400001000UL

#define GP	13
#define PF	14
#define BREAKPOINT 3

#define EFLAGS_FIXED	0x2UL
#define EFLAGS_TF	(1UL << 8)
#define EFLAGS_IF	(1UL << 9)
#define EFLAGS_IOPL	(3UL << 12)
#define EFLAGS_NT	(1UL << 14)
#define EFLAGS_VM	(1UL << 17)

SNIPPET(stop, "int3");
SNIPPET(undefined, "ud2");

static char two_pages[2 * PAGE_SIZE] __attribute__((aligned(4096)));

static struct trap_frame good_frame(bool user)
{
	return (struct trap_frame){
		.rip = (uint64_t)(uintptr_t)stop,
		.cs = user ? FLAT_USER_CS : FLAT_KERNEL_CS & ~3UL,
		.ss = FLAT_KERNEL_SS,
		/* A trap from the kernel is pushed here: not on the stack that guest_main runs on. */
		.rsp = (uint64_t)(uintptr_t)(user ? user_stack_top : trap_stack_top),
		.rflags = EFLAGS_FIXED,
	};
}

static const char *side(bool user)
{
	return user ? "guest user" : "kernel";
}

/* The frame was refused: failsafe or the CPU's own fault, at the frame's address. */
static bool refused(const struct outcome *o)
{
	return o->vector == TRAP_FAILSAFE || o->vector == GP;
}

static void say(const struct outcome *o, bool good)
{
	if (!good)
		printf("# got trap %d error %lx rip %lx cs %lx ss %lx rsp %lx rflags %lx cr2 %lx\n", o->vector,
		       o->error, o->rip, o->cs, o->ss, o->rsp, o->rflags, o->cr2);
}

static void good_frames(void)
{
	for (int user = 0; user < 2; user++) {
		struct trap_frame f = good_frame(user);
		struct outcome o = run_frame(&f);

		tap_ok(o.vector == BREAKPOINT, "a good frame to %s is followed", side(user));
		say(&o, o.vector == BREAKPOINT);
		tap_long((long)(o.cs & 3), user ? 3 : 0, user ? "a trap from guest user shows privilege 3"
							      : "a trap from the kernel shows privilege 0");
		f.rax = 0x1111;
		f.rcx = 0x2222;
		o = run_frame(&f);
		tap_ok(o.regs.rax == 0x1111 && o.regs.rcx == 0x2222,
		       "rax and rcx come from the frame, to %s", side(user));
	}
}

static void bad_selectors(void)
{
	static const struct {
		const char *name;
		uint64_t cs, ss;
	} cases[] = {
		{ "a null cs", 0, FLAT_KERNEL_SS },
		{ "the hypervisor's code selector", 0xe008, FLAT_KERNEL_SS },
		{ "a data selector as cs", FLAT_KERNEL_SS, FLAT_KERNEL_SS },
		{ "a cs beyond the table", 0xfff0, FLAT_KERNEL_SS },
		{ "a cs of an empty entry", 0x20, FLAT_KERNEL_SS },
		{ "a cs in a local table that is not there", 0x0c, FLAT_KERNEL_SS },
		{ "a code selector as ss", FLAT_KERNEL_CS, FLAT_KERNEL_CS },
		{ "the hypervisor's data selector as ss", FLAT_KERNEL_CS, 0xe010 },
		{ "an ss beyond the table", FLAT_KERNEL_CS, 0xfff0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++)
		for (int user = 0; user < 2; user++) {
			struct trap_frame f = good_frame(user);
			struct outcome o;
			bool good;

			f.cs = (cases[i].cs & ~3UL) | (user ? 3 : 0);
			f.ss = cases[i].ss;
			o = run_frame(&f);
			good = refused(&o);
			tap_ok(good, "%s is refused on the way to %s", cases[i].name, side(user));
			say(&o, good);
			good = o.rip == f.rip || o.vector == GP;
			tap_ok(good, "and the frame's rip is shown");
			say(&o, good);
		}
}

static void bad_addresses(void)
{
	for (int user = 0; user < 2; user++) {
		struct trap_frame f = good_frame(user);
		struct outcome o;
		bool good;

		f.rip = NOT_CANONICAL;
		o = run_frame(&f);
		good = refused(&o) || o.vector == PF;
		tap_ok(good, "a rip that is not canonical is refused on the way to %s", side(user));
		say(&o, good);
		f.rip = IN_THE_HOLE;
		o = run_frame(&f);
		good = o.vector == PF || refused(&o);
		tap_ok(good, "a rip in the hypervisor's addresses faults in %s", side(user));
		say(&o, good);
		f.rip = UNMAPPED;
		o = run_frame(&f);
		good = o.vector == PF && o.rip == UNMAPPED && o.cr2 == UNMAPPED;
		tap_ok(good, "a rip on no page faults in %s", side(user));
		say(&o, good);
		good = !!(o.error & 4) == user;
		tap_ok(good, "and the error code says who it was: %s", side(user));
		say(&o, good);
	}
}

static void user_only(void)
{
	struct trap_frame f = good_frame(true);
	struct outcome o;
	bool good;

	f.rsp = IN_THE_HOLE;
	o = run_frame(&f);
	good = o.vector == BREAKPOINT && o.rsp == IN_THE_HOLE;
	tap_ok(good, "guest user may have any rsp while it does not use it: in the hypervisor's addresses");
	say(&o, good);
	f.rsp = 0;
	o = run_frame(&f);
	good = o.vector == BREAKPOINT && o.rsp == 0;
	tap_ok(good, "guest user may have any rsp while it does not use it: 0");
	say(&o, good);
	f = good_frame(true);
	f.cs = FLAT_USER_CS32;
	f.rip = 0x1000;
	o = run_frame(&f);
	good = o.vector == PF && o.rip == 0x1000 && o.cs == FLAT_USER_CS32;
	tap_ok(good, "the 32-bit code selector is allowed");
	say(&o, good);
	f = good_frame(true);
	f.flags = VGCF_in_syscall;
	f.rsp = (uint64_t)(uintptr_t)user_stack_top - 64;
	o = run_frame(&f);
	good = o.vector == BREAKPOINT && o.rsp == f.rsp;
	tap_ok(good, "a frame marked as the end of a system call is followed");
	say(&o, good);
	f.flags = ~0UL;
	o = run_frame(&f);
	good = o.vector == BREAKPOINT;
	tap_ok(good, "unknown flags of the frame do no harm");
	say(&o, good);
}

static void flags(void)
{
	for (int user = 0; user < 2; user++) {
		struct trap_frame f = good_frame(user);
		struct outcome o;
		bool good;

		f.rflags = EFLAGS_FIXED | EFLAGS_IOPL;
		o = run_frame(&f);
		good = o.vector == BREAKPOINT && !(o.rflags & EFLAGS_IOPL);
		tap_ok(good, "IOPL of the frame is dropped for %s", side(user));
		say(&o, good);
		f.rflags = EFLAGS_FIXED | EFLAGS_VM;
		o = run_frame(&f);
		good = o.vector == BREAKPOINT && !(o.rflags & EFLAGS_VM);
		tap_ok(good, "VM of the frame is dropped for %s", side(user));
		say(&o, good);
		f.rflags = EFLAGS_FIXED;
		o = run_frame(&f);
		good = o.vector == BREAKPOINT && !(o.rflags & EFLAGS_IF);
		tap_ok(good, "a clear IF masks events for %s", side(user));
		say(&o, good);
		f.rflags = EFLAGS_FIXED | EFLAGS_IF;
		o = run_frame(&f);
		good = o.vector == BREAKPOINT && o.rflags & EFLAGS_IF;
		tap_ok(good, "a set IF lets events in for %s", side(user));
		say(&o, good);
		f.rflags = EFLAGS_FIXED | EFLAGS_TF;
		o = run_frame(&f);
		good = (o.vector == 1 || o.vector == BREAKPOINT) && o.rip == f.rip + 1;
		tap_ok(good, "TF traps behind one instruction of %s", side(user));
		say(&o, good);
		f.rflags = EFLAGS_FIXED | EFLAGS_NT;
		o = run_frame(&f);
		good = o.vector == BREAKPOINT;
		tap_ok(good, "NT of the frame does no harm to %s", side(user));
		say(&o, good);
	}
}

/* The iret hypercall with a stack pointer of the caller's choice. */
static void iret_at(uint64_t rsp)
{
	__asm__ volatile("mov %0, %%rsp\n\tmov %1, %%eax\n\tsyscall" : : "r"(rsp), "i"(__HYPERVISOR_iret) : "memory");
}

static void fatal(const char *name)
{
	struct trap_frame f = good_frame(true);

	printf("# CASE %s\n", name);
	map_pte(two_pages + PAGE_SIZE, 0);
	if (!strcmp(name, "no-user-table")) {
		run_frame(&f);
	} else if (!strcmp(name, "frame-unmapped")) {
		iret_at(UNMAPPED);
	} else if (!strcmp(name, "frame-in-hole")) {
		iret_at(IN_THE_HOLE);
	} else if (!strcmp(name, "frame-straddles")) {
		iret_at((uint64_t)(uintptr_t)two_pages + PAGE_SIZE - 64);
	} else if (!strcmp(name, "frame-not-canonical")) {
		iret_at(NOT_CANONICAL);
	} else if (!strcmp(name, "no-handler")) {
		hypercall1(__HYPERVISOR_set_trap_table, 0);
		run_kernel(undefined, NULL);
	} else if (!strcmp(name, "trap-stack-unmapped")) {
		hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, UNMAPPED);
		run_user(undefined, NULL);
	} else if (!strcmp(name, "trap-stack-in-hole")) {
		hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, IN_THE_HOLE);
		run_user(undefined, NULL);
	} else {
		panic("no case is called %s", name);
	}
	printf("# STILL ALIVE\n");
}

void guest_main(void)
{
	const char *name = cmdline_value("case=");

	tap_start("iret");
	if (name) {
		fatal(name);
		return;
	}
	user_l4_mfn();
	good_frames();
	bad_selectors();
	bad_addresses();
	user_only();
	flags();
	tap_end();
}
