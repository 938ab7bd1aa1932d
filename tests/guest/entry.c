// SPDX-License-Identifier: MIT
/*
 * The ways into the hypervisor and back, taken with everything set that makes them slippery: flags that survive an
 * entry (TF NT AC), a debug exception held back over a MOV SS, watchpoints on the very memory that a bounce frame is
 * pushed to, breakpoints on the first instruction of a handler, addresses at the edge of what is canonical.
 *
 * What is wanted of each is little: the guest gets the trap that it asked for, in its handler the flags are clear
 * that the CPU clears, the trap is told once, and the hypervisor lives. Debug exceptions of the guest's own making
 * may come before or after it, or (where the access was the hypervisor's) not at all.
 *
 * Advisories of Xen whose class a test is of are named there by number (docs/advisories.md).
 */
#include <xen/callback.h>
#include <xen/physdev.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#include "runtime.h"

#define DE	0
#define DB	1
#define BP	3
#define UD	6
#define GP	13
#define PF	14
#define AC	17

#define FLAG_TF		(1UL << 8)
#define FLAG_DF		(1UL << 10)
#define FLAG_IOPL	(3UL << 12)
#define FLAG_NT		(1UL << 14)
#define FLAG_RF		(1UL << 16)
#define FLAG_VM		(1UL << 17)
#define FLAG_AC		(1UL << 18)
#define FLAG_VIF	(1UL << 19)
#define FLAG_VIP	(1UL << 20)
#define FLAG_ID		(1UL << 21)

#define HOLE_FIRST	0xffff800000000000UL
#define HOLE_END	0xffff880000000000UL
#define CANONICAL_END	0x0000800000000000UL
#define LAST_PAGE	(CANONICAL_END - PAGE_SIZE)
#define NOT_CANONICAL	0x8000000000000000UL

/* ---- the entries ---- */

/*
 * Each way in, in three dressings: with rbx as the flags; behind a MOV SS from (%rsi); on the stack that rdx points
 * behind. rax and rdi are the system call's or hypercall's.
 */
#define ENTRY(name, text)										\
	SNIPPET(flags_##name, "push %rbx\n popf\n" text "\n push $2\n popf");				\
	SNIPPET(shadow_##name, "mov (%rsi), %ss\n" text);						\
	SNIPPET(stack_##name, "mov %rsp, %rbp\n mov %rdx, %rsp\n" text "\n mov %rbp, %rsp")

ENTRY(syscall, "syscall");
ENTRY(int80, "int $0x80");
ENTRY(int3, "int3");
ENTRY(icebp, ".byte 0xf1");
ENTRY(ud2, "ud2");
ENTRY(hlt, "hlt");
ENTRY(int20, "int $0x20");
ENTRY(fault, "mov 0x1000, %al");
ENTRY(divide, "xor %ecx, %ecx\n div %ecx");
ENTRY(cpuid, XEN_EMULATE_PREFIX "cpuid");
ENTRY(sysenter, "sysenter");

struct entry {
	const char *name;
	const char *flags, *shadow, *stack;
	int user, kernel;	/* the trap that ends it; NO_FAULT: it comes back */
};

#define ROW(name, user, kernel)		{ #name, flags_##name, shadow_##name, stack_##name, user, kernel }
#define NOT_FROM_KERNEL	(-2)

static const struct entry entries[] = {
	ROW(syscall, TRAP_SYSCALL, NO_FAULT),
	ROW(int80, 0x80, 0x80),
	ROW(int3, BP, BP),
	ROW(icebp, NO_FAULT, NO_FAULT),		/* #DB, which a handler here takes */
	ROW(ud2, UD, UD),
	ROW(hlt, GP, GP),
	ROW(int20, GP, GP),
	ROW(fault, PF, PF),
	ROW(divide, DE, DE),
	ROW(cpuid, NO_FAULT, NO_FAULT),
	ROW(sysenter, TRAP_SYSENTER, NOT_FROM_KERNEL),	/* or #GP and #UD, where the CPU has none */
};

static bool vector_good(const struct entry *e, bool user, int vector)
{
	if (e->flags == flags_sysenter)
		return vector == TRAP_SYSENTER || vector == GP || vector == UD;
	/* QEMU's TCG has no ICEBP. */
	if (e->flags == flags_icebp)
		return vector == NO_FAULT || vector == UD;
	if (e->flags == flags_int20 && cmdline_value("int-fault="))
		return vector == GP || vector == 0x40;
	return vector == (user ? e->user : e->kernel);
}

/* ---- what the handlers see ---- */

static unsigned int debug_traps;	/* #DB taken since the last look */
static uint64_t handler_flags;		/* all flags that some handler ran with */
static uint64_t selector __attribute__((aligned(8))) = FLAT_KERNEL_SS;

static uint64_t flags_now(void)
{
	uint64_t flags;

	__asm__ volatile("pushf\n\tpop %0" : "=r"(flags));
	return flags;
}

/* Takes every #DB: goes on, without TF, and over the instruction if a breakpoint is on it. */
static bool take_debug(struct trap_frame *frame)
{
	handler_flags |= flags_now();
	debug_traps++;
	frame->rflags &= ~FLAG_TF;
	frame->rflags |= FLAG_RF;
	return true;
}

static bool look_at_flags(struct trap_frame *frame)
{
	(void)frame;
	handler_flags |= flags_now();
	return false;
}

static void watch_handlers(bool on)
{
	static const unsigned int vectors[] = { DE, BP, UD, GP, PF, 0x80, TRAP_SYSCALL, TRAP_SYSENTER };

	for (unsigned int i = 0; i < ARRAY_SIZE(vectors); i++)
		trap_set_handler(vectors[i], on ? look_at_flags : NULL);
	trap_set_handler(DB, on ? take_debug : NULL);
	handler_flags = 0;
	debug_traps = 0;
}

static struct outcome run(bool user, const char *code, const struct regs *regs)
{
	return user ? run_user(code, regs) : run_kernel(code, regs);
}

static const char *side(bool user)
{
	return user ? "guest user" : "the kernel";
}

static void say(const struct outcome *o)
{
	printf("# got trap %d error %lx rip %lx cs %lx ss %lx rsp %lx rflags %lx cr2 %lx, %u debug traps, flags %lx\n",
	       o->vector, o->error, o->rip, o->cs, o->ss, o->rsp, o->rflags, o->cr2, debug_traps, handler_flags);
}

static unsigned int wrong;		/* of the group that is being tried */

/* One try of a group; says what it saw if that was wrong. */
static void try_is(bool good, const struct outcome *o, const char *what, const char *how, bool user)
{
	if (good)
		return;
	printf("# %s %s from %s:\n", what, how, side(user));
	say(o);
	wrong++;
}

static void group_ends(const char *name)
{
	tap_long(wrong, 0, name);
	wrong = 0;
}

static const struct regs call_regs = {
	.rax = __HYPERVISOR_xen_version, .rdi = XENVER_version, .rsi = (uint64_t)(uintptr_t)&selector,
};

/* ---- flags ---- */

/*
 * XSA-44: NT left set by SYSENTER makes the hypervisor's own IRET fault. XSA-204: a single step of SYSCALL must not
 * be taken in ring 0. XSA-183: AC left set would open SMAP.
 */
static void flags_survive_no_entry(bool sysenter)
{
	static const struct {
		const char *name;
		uint64_t flags;
	} sets[] = {
		{ "TF", FLAG_TF }, { "NT", FLAG_NT }, { "AC", FLAG_AC }, { "ID", FLAG_ID }, { "DF", FLAG_DF },
		{ "TF and NT", FLAG_TF | FLAG_NT }, { "all flags", FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID | 0x8d5 },
	};

	for (unsigned int s = 0; s < ARRAY_SIZE(sets); s++)
		for (unsigned int i = 0; i < ARRAY_SIZE(entries); i++)
			for (int user = 0; user < 2; user++) {
				const struct entry *e = &entries[i];
				struct regs regs = call_regs;
				struct outcome o;
				bool good;

				if (!user && e->kernel == NOT_FROM_KERNEL)
					continue;
				watch_handlers(true);
				regs.rbx = sets[s].flags | 2;
				o = run(user, e->flags, &regs);
				good = vector_good(e, user, o.vector) &&
				       !(handler_flags & (FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM | FLAG_AC)) &&
				       (o.vector == NO_FAULT || (o.cs & 3) == (user ? 3 : 0));
				/* A step over an instruction is told, where no fault was quicker. */
				good = good && (!(sets[s].flags & FLAG_TF) || o.vector != NO_FAULT || debug_traps);
				try_is(good, &o, e->name, sets[s].name, user);
			}
	group_ends(sysenter ? "no entry keeps flags, with a sysenter callback" : "no entry keeps flags");
	watch_handlers(false);
}

/* XSA-339: a SYSENTER that nobody handles is one #GP of guest user's, not a second one of the kernel's. */
static void unhandled_sysenter_faults_once(void)
{
	struct outcome o;

	watch_handlers(true);
	o = run(true, flags_sysenter, &call_regs);
	tap_ok((o.vector == GP || o.vector == UD) && (o.cs & 3) == 3, "a sysenter without a callback is guest user's fault");
	if ((o.vector != GP && o.vector != UD) || (o.cs & 3) != 3)
		say(&o);
	watch_handlers(false);
}

/* From here on SYSENTER reaches the kernel, on CPUs that have it. */
static void register_sysenter(void)
{
	struct callback_register callback = {
		.type = CALLBACKTYPE_sysenter, .flags = CALLBACKF_mask_events,
		.address = (uint64_t)(uintptr_t)sysenter_entry,
	};

	tap_long(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback), 0, "sysenter can have a callback");
}

/* ---- debug registers ---- */

static long set_debug(unsigned int reg, uint64_t value)
{
	return hypercall2(__HYPERVISOR_set_debugreg, reg, value);
}

#define WATCH_EXEC	0UL
#define WATCH_WRITE	1UL
#define WATCH_ACCESS	3UL
#define LENGTH_8	2UL

static void watch(unsigned int reg, uint64_t address, uint64_t kind, uint64_t length)
{
	uint64_t dr7 = (uint64_t)hypercall1(__HYPERVISOR_get_debugreg, 7) & ~(0xfUL << (16 + 4 * reg) | 3UL << 2 * reg);

	if (set_debug(reg, address) || set_debug(7, dr7 | 0x400 | 1UL << 2 * reg | kind << (16 + 4 * reg) |
						 length << (18 + 4 * reg)))
		panic("watching %lx was refused", address);
}

static void watch_nothing(void)
{
	set_debug(7, 0x400);
	set_debug(6, 0);
}

/* One run of every entry from both sides; `stack`: the code that runs on `on`, else the one behind MOV SS. */
static void every_entry(const char *how, bool stack, uint64_t on)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(entries); i++)
		for (int user = 0; user < 2; user++) {
			const struct entry *e = &entries[i];
			struct regs regs = call_regs;
			struct outcome o;
			bool good;

			if (!user && e->kernel == NOT_FROM_KERNEL)
				continue;
			watch_handlers(true);
			regs.rdx = on;
			o = run(user, stack ? e->stack : e->shadow, &regs);
			good = vector_good(e, user, o.vector) && !(handler_flags & (FLAG_TF | FLAG_NT | FLAG_RF));
			try_is(good, &o, e->name, how, user);
		}
	group_ends(how);
	watch_handlers(false);
}

/* XSA-260, XSA-265: the debug exception of a MOV SS waits until the entry's first instruction in ring 0. */
static void debug_exceptions_held_over_an_entry(void)
{
	watch(0, (uint64_t)(uintptr_t)&selector, WATCH_ACCESS, LENGTH_8);
	every_entry("every entry behind a watched mov to ss", false, 0);
	watch_nothing();
}

/* XSA-156, XSA-444: pushing the frame of a debug exception hits a watchpoint again. */
static void watched_stacks(void)
{
	static char stack[4096] __attribute__((aligned(64)));
	uint64_t user_top = (uint64_t)(uintptr_t)trap_stack_top, kernel_top = (uint64_t)(uintptr_t)(stack + sizeof(stack));
	static const unsigned int slots[][4] = { { 8, 16, 40, 56 }, { 24, 32, 48, 64 } };

	for (unsigned int i = 0; i < ARRAY_SIZE(slots); i++) {
		for (unsigned int reg = 0; reg < 4; reg++)
			watch(reg, user_top - slots[i][reg], WATCH_ACCESS, LENGTH_8);
		every_entry(i ? "every entry to a watched kernel stack, even words" : "every entry to a watched kernel stack", true, kernel_top);
		for (unsigned int reg = 0; reg < 4; reg++)
			watch(reg, kernel_top - slots[i][reg], WATCH_WRITE, LENGTH_8);
		every_entry(i ? "every entry on its own watched stack, even words" : "every entry on its own watched stack", true, kernel_top);
	}
	watch_nothing();
}

static void breakpoints_on_handlers(void)
{
	static char stack[4096] __attribute__((aligned(64)));

	watch(0, (uint64_t)(uintptr_t)syscall_entry, WATCH_EXEC, 0);
	watch(1, (uint64_t)(uintptr_t)(trap_stubs + 16 * GP), WATCH_EXEC, 0);
	watch(2, (uint64_t)(uintptr_t)(trap_stubs + 16 * PF), WATCH_EXEC, 0);
	watch(3, (uint64_t)(uintptr_t)(trap_stubs + 16 * 0x80), WATCH_EXEC, 0);
	every_entry("every entry with breakpoints on the handlers", true, (uint64_t)(uintptr_t)(stack + sizeof(stack)));
	tap_ok(debug_traps == 0, "no debug trap is left over");
	watch_nothing();
}

static void watched_arguments(void)
{
	static struct xen_feature_info info;
	static struct vcpu_register_runstate_memory_area area;
	static struct vcpu_runstate_info runstate;
	static struct multicall_entry list[2];

	watch_handlers(true);
	watch(0, (uint64_t)(uintptr_t)&info, WATCH_ACCESS, LENGTH_8);
	watch(1, (uint64_t)(uintptr_t)&runstate.state_entry_time, WATCH_ACCESS, LENGTH_8);
	watch(2, (uint64_t)(uintptr_t)&list[0].result, WATCH_ACCESS, LENGTH_8);
	area.addr.p = (uint64_t)(uintptr_t)&runstate;
	tap_long(hypercall2(__HYPERVISOR_xen_version, XENVER_get_features, &info), 0,
		 "a hypercall with a watched argument succeeds");
	tap_long(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, &area), 0,
		 "a watched runstate area can be registered");
	list[0] = (struct multicall_entry){ .op = __HYPERVISOR_xen_version, .args = { XENVER_version } };
	list[1] = list[0];
	tap_long(hypercall2(__HYPERVISOR_multicall, list, 2), 0, "a multicall with a watched entry succeeds");
	watch_nothing();
	tap_ok(list[0].result == list[1].result && (long)list[0].result > 0, "and carries its entries out");
	watch_handlers(false);
}

SNIPPET(write_dr0, "mov %rax, %dr0");

/* XSA-12, XSA-444: no debug register may lead into the hypervisor, or keep a bit that the CPU reserves. */
static void debug_register_values(void)
{
	/* Frame table, descriptor tables, entry code, a CPU's stack, direct map, and the edges of all that. */
	static const uint64_t addresses[] = {
		HOLE_FIRST, 0xffff810000000000, 0xffff818000000000, 0xffff82d040200000, 0xffff82d08000f000,
		0xffff830000000000, HOLE_END - 1, CANONICAL_END, NOT_CANONICAL, HOLE_FIRST - 1,
	};
	static const struct {
		const char *name;
		uint64_t value;
		long want;
	} controls[] = {
		{ "bit 32", 1UL << 32 | 0x400, -XEN_EINVAL }, { "all upper bits", 0xffffffff00000400, -XEN_EINVAL },
		{ "bit 63", 1UL << 63 | 0x400, -XEN_EINVAL }, { "GD", 0x2400, -XEN_EPERM },
		{ "an I/O breakpoint in register 0", 2UL << 16 | 0x401, -XEN_EPERM },
		{ "an I/O breakpoint in register 3", 2UL << 28 | 0x480, -XEN_EPERM },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++)
		for (unsigned int reg = 0; reg < 4; reg++)
			wrong += set_debug(reg, addresses[i]) != -XEN_EPERM ||
				 run_kernel(write_dr0, &(struct regs){ .rax = addresses[i] }).vector != GP;
	group_ends("no debug register can hold an address of the hypervisor's, nor a bad one");
	for (unsigned int i = 0; i < ARRAY_SIZE(controls); i++) {
		long got = set_debug(7, controls[i].value);

		tap_ok(got == controls[i].want || got == -XEN_EPERM, "debug register 7 with %s is refused", controls[i].name);
		if (got != controls[i].want && got != -XEN_EPERM)
			printf("# got %ld\n", got);
	}
	for (unsigned int reg = 8; reg < 40; reg += 7)
		wrong += set_debug(reg, 0) != -XEN_EINVAL && set_debug(reg, 0) != -XEN_ENODEV;
	group_ends("a debug register that is not there can't be set");
	tap_ok((long)hypercall1(__HYPERVISOR_get_debugreg, 0xffffffff) < 0, "nor be read");
}

/* ---- the edges of the address space ---- */

/* Maps one page of code at the end of the lower half, for the kernel and for guest user. */
static char *code_at_the_edge(void)
{
	char *page = page_alloc();
	uint64_t l4s[2] = { kernel_l4_mfn(), user_l4_mfn() };

	for (unsigned int i = 0; i < 2; i++) {
		uint64_t value, entry;

		pt_ensure(l4s[i], LAST_PAGE);
		entry = pt_entry(l4s[i], LAST_PAGE, 1, &value);
		if (pt_write(entry, mfn_pte(virt_to_mfn(page), PTE_RWDATA)))
			panic("the last page of the lower half can't be mapped");
	}
	page[PAGE_SIZE - 2] = 0x0f;	/* syscall */
	page[PAGE_SIZE - 1] = 0x05;
	return page;
}

static uint64_t return_to, return_flags, call_rip;

static bool send_elsewhere(struct trap_frame *frame)
{
	call_rip = frame->rip;
	frame->rip = return_to;
	frame->flags = return_flags;
	return true;
}

SNIPPET(jump, "jmp *%rbx");
SNIPPET(stop, "int3");

/* XSA-7: SYSRET to an address that is not canonical faults in ring 0 on Intel. XSA-170's kin. */
static void edge_of_the_lower_half(void)
{
	static const uint64_t targets[] = { CANONICAL_END, CANONICAL_END + 1, NOT_CANONICAL, HOLE_FIRST - 1, 0x1234567890abcdef };
	struct regs regs = call_regs;
	struct outcome o;
	bool good;

	code_at_the_edge();
	regs.rbx = CANONICAL_END - 2;
	o = run_kernel(jump, &regs);
	good = o.vector == TRAP_FAILSAFE || o.vector == GP;
	tap_ok(good && o.rip == CANONICAL_END, "a hypercall from the last bytes of the lower half ends behind them");
	if (!good || o.rip != CANONICAL_END)
		say(&o);
	for (int in_syscall = 0; in_syscall < 2; in_syscall++)
		for (unsigned int i = 0; i < ARRAY_SIZE(targets); i++) {
			return_to = targets[i];
			return_flags = in_syscall ? VGCF_in_syscall : 0;
			user_set_syscall(send_elsewhere);
			o = run_user(jump, &regs);
			user_set_syscall(NULL);
			good = (o.vector == TRAP_FAILSAFE || o.vector == GP) && o.rip == targets[i] &&
			       call_rip == CANONICAL_END;
			tap_ok(good, "a system call from there can't return to %lx%s", targets[i],
			       in_syscall ? ", marked as a system call's end" : "");
			if (!good)
				say(&o);
		}
	/* And one that returns to where it can. */
	return_to = (uint64_t)(uintptr_t)stop;
	return_flags = VGCF_in_syscall;
	user_set_syscall(send_elsewhere);
	o = run_user(jump, &regs);
	user_set_syscall(NULL);
	tap_long(o.vector, BP, "but to a good address it does");
}

/* Every flag bit of an iret frame, alone and together, to both sides. */
static void flags_of_iret_frames(void)
{
	for (int user = 0; user < 2; user++)
		for (unsigned int bit = 0; bit <= 64; bit++) {
			uint64_t flags = bit == 64 ? ~0UL : 1UL << bit;
			struct trap_frame f = {
				.rip = (uint64_t)(uintptr_t)stop,
				.cs = user ? FLAT_USER_CS : FLAT_KERNEL_CS & ~3UL,
				.ss = FLAT_KERNEL_SS,
				.rsp = (uint64_t)(uintptr_t)(user ? user_stack_top : trap_stack_top),
				.rflags = flags,
			};
			struct outcome o;
			bool good;

			watch_handlers(false);
			trap_set_handler(BP, look_at_flags);
			o = run_frame(&f);
			good = (o.vector == BP || (o.vector == DB && flags & FLAG_TF)) &&
			       !(o.rflags & (FLAG_IOPL | FLAG_VM | FLAG_VIF | FLAG_VIP)) &&
			       !(handler_flags & (FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM | FLAG_AC | FLAG_IOPL));
			try_is(good, &o, "an iret frame with", "some flag", user);
		}
	group_ends("an iret frame may have any flags");
	watch_handlers(false);
}

/* ---- what guest user may not do ---- */

static uint64_t seen_number;
static unsigned int seen_calls;

static bool count_call(struct trap_frame *frame)
{
	seen_number = frame->rax;
	seen_calls++;
	frame->rax = 0x5ca1ab1e;
	return true;
}

SNIPPET(call, "syscall");

/* XSA-76's kin: a hypercall number from guest user is a system call, whatever it is. */
static void guest_user_makes_no_hypercalls(void)
{
	user_set_syscall(count_call);
	for (unsigned int number = 0; number < 64; number++) {
		struct regs regs = {
			.rax = number, .rdi = (uint64_t)(uintptr_t)&selector, .rsi = (uint64_t)(uintptr_t)&selector,
		};
		struct outcome o;

		seen_calls = 0;
		o = run_user(call, &regs);
		try_is(seen_calls == 1 && seen_number == number && o.regs.rax == 0x5ca1ab1e, &o, "a hypercall", "", true);
	}
	group_ends("a hypercall of guest user is its kernel's system call");
	user_set_syscall(NULL);
}

SNIPPET(in_byte, "inb %dx, %al");
SNIPPET(in_long, "inl %dx, %eax");
SNIPPET(out_byte, "outb %al, %dx");
SNIPPET(out_long, "outl %eax, %dx");
SNIPPET(read_msr, "rdmsr");
SNIPPET(write_msr, "wrmsr");
SNIPPET(set_xcr, "xsetbv");

/* XSA-171's kin. */
static void ports_without_rights(void)
{
	static const char *const codes[] = { in_byte, in_long, out_byte, out_long };
	struct physdev_set_iopl iopl = { 0 };

	hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl);
	for (unsigned int port = 0; port < 0x10000; port += port < 0x1000 ? 1 : 97)
		for (unsigned int i = 0; i < ARRAY_SIZE(codes); i++) {
			struct regs regs = { .rdx = port };

			wrong += run_user(codes[i], &regs).vector != GP;
			wrong += run_kernel(codes[i], &regs).vector != GP;
		}
	group_ends("no port can be used without the right to, by guest user or its kernel");
}

/* Ports that the hypervisor keeps: writes go nowhere, reads tell nothing. Needs the right to use ports. */
static void ports_of_the_hypervisor(void)
{
	static const uint16_t ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x40, 0x43 };
	struct physdev_set_iopl iopl = { 1 };

	hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl);
	for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
		struct regs regs = { .rdx = ports[i], .rax = 0x12 };
		struct outcome o;

		wrong += run_kernel(out_byte, &regs).vector != NO_FAULT;
		o = run_kernel(in_byte, &regs);
		/* The timer's control port may be read: nothing is behind it. */
		wrong += o.vector != NO_FAULT || (ports[i] != 0x43 && (o.regs.rax & 0xff) != 0xff);
		/* Wide accesses that begin before, in and across them. */
		for (unsigned int off = 0; off < 4; off++) {
			regs.rdx = (uint64_t)ports[i] - off;
			wrong += run_kernel(in_long, &regs).vector != NO_FAULT;
		}
	}
	group_ends("the interrupt controllers and the timer can't be reached by their ports");
	iopl.iopl = 0;
	hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl);
}

static bool is_base(uint32_t msr)
{
	return msr >= 0xc0000100 && msr <= 0xc0000102;
}

/* XSA-108, XSA-269, XSA-333, XSA-351: every register is refused or answered, none leaks or kills. */
static void machine_registers(void)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0, 0x1fff }, { 0x40000000, 0x400000ff }, { 0x80860000, 0x80860010 }, { 0xc0000000, 0xc0001fff },
		{ 0xc0010000, 0xc0011fff }, { 0xfffffff0, 0xffffffff },
	};
	unsigned int readable = 0, strange = 0, user = 0;

	for (unsigned int r = 0; r < ARRAY_SIZE(ranges); r++)
		for (uint64_t msr = ranges[r].first; msr <= ranges[r].last; msr++) {
			struct regs regs = { .rcx = msr };
			struct outcome o = run_kernel(read_msr, &regs);

			readable += o.vector == NO_FAULT;
			strange += o.vector != NO_FAULT && o.vector != GP;
			if (is_base((uint32_t)msr))
				continue;
			/* All ones, which is not canonical nor reserved-clean, then what it was. */
			regs.rax = regs.rdx = 0xffffffff;
			o = run_kernel(write_msr, &regs);
			strange += o.vector != NO_FAULT && o.vector != GP;
			regs.rax = regs.rdx = 0;
			if (msr != 0x40000000)
				o = run_kernel(write_msr, &regs);
			strange += o.vector != NO_FAULT && o.vector != GP;
			if (msr < 0x1fff && msr % 16)
				continue;
			user += run_user(read_msr, &regs).vector != GP;
			user += run_user(write_msr, &regs).vector != GP;
		}
	tap_ok(readable > 3 && readable < 1000, "few machine registers can be read (%u)", readable);
	tap_long(strange, 0, "all others fault as on a machine that has none of them");
	tap_long(user, 0, "guest user reaches none");
}

/* XSA-193: bases must be canonical, however they are set. */
static void bases_are_canonical(void)
{
	static const uint64_t bad[] = { CANONICAL_END, NOT_CANONICAL, HOLE_FIRST - 1, 0x0123456789abcdef };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		for (unsigned int which = SEGBASE_FS; which <= SEGBASE_GS_KERNEL; which++) {
			struct regs regs = {
				.rcx = 0xc0000100 + which, .rax = (uint32_t)bad[i], .rdx = bad[i] >> 32,
			};

			wrong += hypercall2(__HYPERVISOR_set_segment_base, which, bad[i]) != -XEN_EINVAL;
			wrong += run_kernel(write_msr, &regs).vector != GP;
		}
	group_ends("a segment base that is not canonical is refused");
	/* XSA-293's kin: a selector that is bad, or in a table that is not there, is no error and no crash. */
	for (unsigned int sel = 0; sel < 0x10000; sel += 0x333)
		hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, sel);
	hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0);
	tap_long(hypercall2(__HYPERVISOR_set_segment_base, 4, 0), -XEN_EINVAL, "there is no fifth base");
}

/* XSA-54: XSETBV of what the CPU refuses is the guest's fault, not the hypervisor's. */
static void extended_states(void)
{
	static const uint64_t bad[] = {
		0, 2, 4, 5, 1UL << 63 | 1, 0x9, 0x19, 0x27, 0x67, 0xc7, 0x203, ~0UL, 1UL << 62 | 3, 0x60003,
	};
	struct regs regs;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		for (unsigned int index = 0; index < 3; index++) {
			int vector;

			regs = (struct regs){ .rcx = index, .rax = (uint32_t)bad[i], .rdx = bad[i] >> 32 };
			vector = run_kernel(set_xcr, &regs).vector;
			wrong += vector != GP && vector != UD;
			vector = run_user(set_xcr, &regs).vector;
			wrong += vector != GP && vector != UD;
		}
	group_ends("no extended state that the CPU refuses can be switched on");
}

SNIPPET(misaligned, "push %rbx\n popf\n mov 1(%rsi), %eax\n push $2\n popf");

/* XSA-156: an alignment check whose frame lies on a misaligned stack must not check alignment for ever. */
static void alignment_checks(void)
{
	struct regs regs = call_regs;
	struct outcome o;

	regs.rbx = FLAG_AC | 2;
	hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, (uint64_t)(uintptr_t)trap_stack_top - 3);
	o = run_user(misaligned, &regs);
	hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, trap_stack_top);
	tap_ok(o.vector == NO_FAULT || o.vector == AC, "a misaligned access with AC is done or is #AC, once");
	if (o.vector != NO_FAULT && o.vector != AC)
		say(&o);
}

/* ---- NMI ---- */

static unsigned int nmis;

static bool take_nmi(struct trap_frame *frame)
{
	handler_flags |= flags_now();
	nmis++;
	if (frame->rip < 0x1000)
		panic("an NMI came from nowhere");
	return true;
}

static void non_maskable(void)
{
	uint64_t stack_top = (uint64_t)(uintptr_t)trap_stack_top;
	struct callback_register callback = {
		.type = CALLBACKTYPE_nmi, .address = (uint64_t)(uintptr_t)(trap_stubs + 16 * 2),
	};

	trap_set_handler(2, take_nmi);
	tap_long(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback), 0, "an NMI can have a handler");
	for (unsigned int reg = 0; reg < 4; reg++)
		watch(reg, stack_top - 8 * (reg + 1), WATCH_ACCESS, LENGTH_8);
	watch_handlers(true);
	for (unsigned int i = 0; i < 100; i++) {
		struct regs regs = { .rax = __HYPERVISOR_vcpu_op, .rdi = VCPUOP_send_nmi, .rbx = FLAG_TF | FLAG_NT | 2 };

		run_kernel(flags_syscall, &regs);
	}
	watch_nothing();
	tap_ok(nmis >= 99 && (nmis <= 100 || cmdline_value("nmi-storm=")), "an NMI to oneself arrives each time, through single steps (%u of 100)", nmis);
	tap_ok(!(handler_flags & (FLAG_TF | FLAG_NT)), "and its handler runs without their flags");
	watch_handlers(false);
	tap_long(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 999, 0), -XEN_ENOENT, "a vcpu that is not there gets none");
}

/*
 * With nmi-storm=1 NMIs come from outside at any time (tests/system/test_errors.py): between any two instructions, on
 * any stack, and in the hypervisor. They are to change nothing else.
 */
static bool take_any_nmi(struct trap_frame *frame)
{
	(void)frame;
	return true;
}

void guest_main(void)
{
	if (cmdline_value("nmi-storm="))
		trap_set_handler(2, take_any_nmi);
	tap_start("entry");
	user_l4_mfn();
	unhandled_sysenter_faults_once();
	flags_survive_no_entry(false);
	register_sysenter();
	flags_survive_no_entry(true);
	debug_exceptions_held_over_an_entry();
	watched_stacks();
	breakpoints_on_handlers();
	watched_arguments();
	debug_register_values();
	edge_of_the_lower_half();
	flags_of_iret_frames();
	guest_user_makes_no_hypercalls();
	ports_without_rights();
	ports_of_the_hypervisor();
	machine_registers();
	bases_are_canonical();
	extended_states();
	alignment_checks();
	non_maskable();
	tap_ok(vcpu_info->evtchn_upcall_mask == 1, "the event mask is as before");
	tap_end();
}
