// SPDX-License-Identifier: MIT
/*
 * The parts of the CPU that a PV guest sees directly or nearly so: exceptions of all kinds with their error codes,
 * segment bases and local descriptors, the floating-point switch, and debug registers.
 */
#include "runtime.h"

#define NOT_CANONICAL	0x8000000000000000UL
#define GDT_FIRST	4		/* descriptor of ours in the GDT: selector 0x23 at privilege 3 */

#define DE	0
#define DB	1
#define NM	7
#define NP	11
#define GP	13
#define PF	14

SNIPPET(divide, "xor %ecx, %ecx\n div %ecx");
SNIPPET(load, "mov (%rdi), %rax");
SNIPPET(store, "mov %rax, (%rdi)");
SNIPPET(jump, "jmp *%rdi");
SNIPPET(load_fs, "mov %edi, %fs\n mov %fs:0, %rax\n xor %edi, %edi\n mov %edi, %fs");
SNIPPET(read_fs, "mov %fs:0, %rax");
SNIPPET(read_gs, "mov %gs:0, %rax");
SNIPPET(float_op, "fninit");
SNIPPET(target, "nop");

static uint64_t data[4] __attribute__((aligned(4096))) = { 0x1111, 0x2222, 0x3333, 0x4444 };

static struct outcome on(bool user, const char *code, const struct regs *regs)
{
	return user ? run_user(code, regs) : run_kernel(code, regs);
}

static void check_fault(bool user, const char *code, uint64_t rdi, int vector, uint64_t error, const char *name)
{
	struct outcome o = on(user, code, &(struct regs){ .rdi = rdi });
	bool good = o.vector == vector && o.error == error;

	tap_ok(good, "%s in %s", name, user ? "guest user" : "the kernel");
	if (!good)
		printf("# got vector %d error %lx, wanted %d and %lx\n", o.vector, o.error, vector, error);
}

static void exceptions(void)
{
	uint64_t *page = page_alloc();
	uint64_t address = (uint64_t)(uintptr_t)page;

	for (int user = 0; user < 2; user++) {
		/* The user bit of a page fault's error code. */
		uint64_t u = user ? 4 : 0;

		check_fault(user, divide, 0, DE, 0, "a division by zero");
		check_fault(user, load, NOT_CANONICAL, GP, 0, "a load from an address that is not canonical");
		check_fault(user, load, 0x1000, PF, u, "a load from no page");
		check_fault(user, store, 0x1000, PF, u | 2, "a store to no page");
		check_fault(user, jump, 0x1000, PF, u | 0x10, "a jump to no page");
		page_make_readonly(page);
		check_fault(user, store, address, PF, u | 3, "a store to a read-only page");
		map_pte(page, mfn_pte(virt_to_mfn(page), PTE_RWDATA | PTE_NX));
		check_fault(user, jump, address, PF, u | 0x11, "a jump to a page without execute");
		page_make_writable(page);
	}
	page_free(page);
}

static void set_base(unsigned int which, uint64_t base, const char *name)
{
	tap_long(hypercall2(__HYPERVISOR_set_segment_base, which, base), 0, name);
}

static void bases(void)
{
	set_base(SEGBASE_FS, (uint64_t)(uintptr_t)&data[0], "the base of fs can be set");
	tap_long((long)run_kernel(read_fs, NULL).regs.rax, 0x1111, "and is used by the kernel");
	tap_long((long)run_user(read_fs, NULL).regs.rax, 0x1111, "and by guest user");
	set_base(SEGBASE_GS_KERNEL, (uint64_t)(uintptr_t)&data[1], "the kernel's base of gs can be set");
	set_base(SEGBASE_GS_USER, (uint64_t)(uintptr_t)&data[2], "the user's base of gs can be set");
	tap_long((long)run_kernel(read_gs, NULL).regs.rax, 0x2222, "the kernel sees its own");
	tap_long((long)run_user(read_gs, NULL).regs.rax, 0x3333, "guest user sees its own");
	tap_long((long)run_kernel(read_gs, NULL).regs.rax, 0x2222, "the kernel's is back after guest user ran");
	tap_long(hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0xfff3), 0,
		 "a bad user selector is no error");
	tap_long(hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0), 0, "nor is the null one");
}

static uint64_t descriptor(uint64_t base, uint64_t flags)
{
	return flags | (base & 0xffffff) << 16 | (base & 0xff000000) << 32 | 0xffff | 0xfUL << 48;
}

#define DATA_DESCRIPTOR		0x00c0f30000000000UL	/* present, DPL 3, writable data */
#define ABSENT_DESCRIPTOR	0x00c0730000000000UL	/* the same, not present */

/* A descriptor's base has 32 bits: the data is mapped where that reaches. */
static void low_data(void)
{
	uint64_t l4 = kernel_l4_mfn();

	pt_ensure(l4, 0x40000000);
	if (map_pte((const void *)0x40000000UL, mfn_pte(virt_to_mfn(data), PTE_RWDATA)))
		panic("the data could not be mapped low");
}

static void global_descriptors(void)
{
	uint64_t *gdt = page_alloc();
	uint64_t frames[1] = { virt_to_mfn(gdt) };

	gdt[GDT_FIRST] = descriptor(0x40000018, DATA_DESCRIPTOR);
	gdt[GDT_FIRST + 1] = descriptor(0x40000018, ABSENT_DESCRIPTOR);
	page_make_readonly(gdt);
	tap_long(hypercall2(__HYPERVISOR_set_gdt, frames, 16), 0, "a table of global descriptors can be set");
	tap_long((long)run_kernel(load_fs, &(struct regs){ .rdi = GDT_FIRST * 8 | 3 }).regs.rax, 0x4444,
		 "its data descriptor has the base that it says");
	check_fault(false, load_fs, (GDT_FIRST + 1) * 8 | 3, NP, (GDT_FIRST + 1) * 8,
		    "a descriptor that is not present");
	check_fault(false, load_fs, 0xe008, GP, 0xe008, "the hypervisor's code descriptor as data");
	check_fault(false, load_fs, 100 * 8 | 3, GP, 100 * 8, "an empty descriptor");
	check_fault(true, load_fs, 100 * 8 | 3, GP, 100 * 8, "an empty descriptor");
	hypercall2(__HYPERVISOR_set_gdt, frames, 0);
	page_make_writable(gdt);
	page_free(gdt);
}

static long set_ldt(uint64_t address, uint32_t entries)
{
	struct mmuext_op op = { .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = address, .arg2.nr_ents = entries };

	return hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF);
}

static void local_descriptors(void)
{
	uint64_t *ldt = page_alloc();
	uint64_t address = (uint64_t)(uintptr_t)ldt;

	ldt[0] = descriptor(0x40000008, DATA_DESCRIPTOR);
	ldt[511] = descriptor(0x40000010, DATA_DESCRIPTOR);
	check_fault(false, load_fs, 7, GP, 4, "a local selector without a table");
	tap_long(set_ldt(address + 8, 512), -XEN_EINVAL, "a local table must lie on a page");
	tap_long(set_ldt(address, 8193), -XEN_EINVAL, "and have no more than 8192 entries");
	page_make_readonly(ldt);
	tap_long(set_ldt(address, 512), 0, "a local table can be set");
	tap_long((long)run_kernel(load_fs, &(struct regs){ .rdi = 7 }).regs.rax, 0x2222, "its first descriptor works");
	tap_long((long)run_kernel(load_fs, &(struct regs){ .rdi = 511 * 8 | 7 }).regs.rax, 0x3333, "and its last");
	check_fault(false, load_fs, 512 * 8 | 7, GP, 512 * 8 | 4, "a selector beyond the local table");
	tap_ok(map_pte(ldt, mfn_pte(virt_to_mfn(ldt), PTE_RWDATA)) < 0,
	       "a local table in use can't be mapped writable");
	tap_long(set_ldt(0, 0), 0, "the local table can be given up");
	tap_long(map_pte(ldt, mfn_pte(virt_to_mfn(ldt), PTE_RWDATA)), 0, "and be mapped writable then");
	check_fault(false, load_fs, 7, GP, 4, "a local selector after that");
	page_free(ldt);
}

static void float_switch(void)
{
	tap_long(run_kernel(float_op, NULL).vector, NO_FAULT, "floating point works at the start");
	tap_long(hypercall1(__HYPERVISOR_fpu_taskswitch, 1), 0, "the switch can be set");
	tap_long(run_kernel(float_op, NULL).vector, NM, "the next use traps in the kernel");
	hypercall1(__HYPERVISOR_fpu_taskswitch, 1);
	tap_long(run_user(float_op, NULL).vector, NM, "and in guest user");
	tap_long(hypercall1(__HYPERVISOR_fpu_taskswitch, 0), 0, "the switch can be cleared");
	tap_long(run_user(float_op, NULL).vector, NO_FAULT, "and no use traps");
}

static long set_debug(unsigned int reg, uint64_t value)
{
	return hypercall2(__HYPERVISOR_set_debugreg, reg, value);
}

static void debug_registers(void)
{
	uint64_t address = (uint64_t)(uintptr_t)target;
	struct outcome o;

	tap_long(set_debug(0, address), 0, "a breakpoint address can be set");
	tap_ok((uint64_t)hypercall1(__HYPERVISOR_get_debugreg, 0) == address, "and read");
	tap_long(set_debug(7, 1 | 1 << 10), 0, "and switched on");
	for (int user = 0; user < 2; user++) {
		set_debug(6, 0);
		o = on(user, target, NULL);
		tap_ok(o.vector == DB && o.rip == address, "it stops %s there", user ? "guest user" : "the kernel");
		tap_ok(hypercall1(__HYPERVISOR_get_debugreg, 6) & 1, "and debug register 6 says which it was");
	}
	tap_long(set_debug(7, 1 << 10), 0, "it can be switched off");
	tap_long(run_kernel(target, NULL).vector, NO_FAULT, "and stops nobody then");
	set_debug(0, (uint64_t)(uintptr_t)&data[3]);
	set_debug(7, 1 | 1 << 10 | 1 << 16 | 3 << 18);
	o = run_kernel(store, &(struct regs){ .rdi = (uint64_t)(uintptr_t)&data[3], .rax = 1 });
	tap_ok(o.vector == DB && data[3] == 1, "a watched store traps behind it");
	set_debug(7, 1 << 10);
	tap_long(set_debug(7, 1 | 1 << 10 | 2 << 16), -XEN_EPERM, "a breakpoint on I/O ports is refused");
	tap_long(set_debug(7, 1 | 1 << 10 | 1 << 13), -XEN_EPERM, "so is watching the debug registers");
}

void guest_main(void)
{
	tap_start("cpu");
	low_data();
	exceptions();
	bases();
	global_descriptors();
	local_descriptors();
	float_switch();
	debug_registers();
	tap_end();
}
