// SPDX-License-Identifier: MIT
/*
 * Every privileged instruction, from the guest's kernel and from guest user. Both run at CPL 3, so each traps to the
 * hypervisor, which has three answers: carry out something like it for the kernel (most of what an old kernel does
 * at boot), give the guest the fault that a real machine gives at CPL 3, or both by turns. Guest user gets the fault
 * always.
 *
 * A snippet ends in `ret`; wanted is the vector of the trap that ends it, or NONE where it comes back. A fault is
 * also wanted at the right place: the saved rip is that of the instruction, with error code 0 for #GP.
 *
 * Emulators: QEMU's TCG pushes a wrong error code for `int n` that the gate's DPL refuses. A hypervisor that believes
 * it delivers another trap; for such a one, the command line says int-fault=skip.
 */
#include <xen/cpuid.h>
#include <xen/physdev.h>

#include "runtime.h"

#define NONE	NO_FAULT
#define UD	6
#define GP	13
#define PF	14

#define MSR_EFER	0xc0000080
#define MSR_GS_BASE	0xc0000101
#define MSR_APIC_BASE	0x1b
#define MSR_NOT_THERE	0x12345678

static char memory[64] __attribute__((aligned(64)));
static struct {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed)) table_register __attribute__((aligned(16))) = { 0xffff, 0 };

SNIPPET(i_cli, "cli");
SNIPPET(i_sti, "sti");
SNIPPET(i_hlt, "hlt");
SNIPPET(i_in_dx, "inb %dx, %al");
SNIPPET(i_in_imm, "inb $0x80, %al");
SNIPPET(i_out_dx, "outb %al, %dx");
SNIPPET(i_out_imm, "outb %al, $0x80");
SNIPPET(i_inw, "inw %dx, %ax");
SNIPPET(i_inl, "inl %dx, %eax");
SNIPPET(i_insb, "insb");
SNIPPET(i_outsb, "outsb");
SNIPPET(i_rep_insb, "rep insb");
SNIPPET(i_rep_outsb, "rep outsb");
SNIPPET(i_read_cr0, "mov %cr0, %rax");
SNIPPET(i_read_cr2, "mov %cr2, %rax");
SNIPPET(i_read_cr3, "mov %cr3, %rax");
SNIPPET(i_read_cr4, "mov %cr4, %rax");
SNIPPET(i_read_cr8, "mov %cr8, %rax");
SNIPPET(i_read_cr1, ".byte 0x0f, 0x20, 0xc8");
SNIPPET(i_write_cr0, "mov %rax, %cr0");
SNIPPET(i_write_cr2, "mov %rax, %cr2");
SNIPPET(i_write_cr3, "mov %rax, %cr3");
SNIPPET(i_write_cr4, "mov %rax, %cr4");
SNIPPET(i_write_cr8, "mov %rax, %cr8");
SNIPPET(i_read_dr0, "mov %dr0, %rax");
SNIPPET(i_read_dr6, "mov %dr6, %rax");
SNIPPET(i_read_dr7, "mov %dr7, %rax");
SNIPPET(i_write_dr0, "mov %rax, %dr0");
SNIPPET(i_write_dr7, "mov %rax, %dr7");
SNIPPET(i_clts, "clts");
SNIPPET(i_lgdt, "lgdt (%rdi)");
SNIPPET(i_lidt, "lidt (%rdi)");
SNIPPET(i_lldt, "lldt %ax");
SNIPPET(i_ltr, "ltr %ax");
SNIPPET(i_lmsw, "lmsw %ax");
SNIPPET(i_smsw, "smsw %eax");
SNIPPET(i_sgdt, "sgdt (%rdi)");
SNIPPET(i_sidt, "sidt (%rdi)");
SNIPPET(i_str, "str %eax");
SNIPPET(i_sldt, "sldt %eax");
SNIPPET(i_invlpg, "invlpg (%rdi)");
SNIPPET(i_wbinvd, "wbinvd");
SNIPPET(i_invd, "invd");
SNIPPET(i_rdmsr, "rdmsr");
SNIPPET(i_wrmsr, "wrmsr");
SNIPPET(i_rdtsc, "rdtsc");
SNIPPET(i_rdpmc, "rdpmc");
SNIPPET(i_cpuid, "cpuid");
SNIPPET(i_forced_cpuid, XEN_CPUID);
SNIPPET(i_forced_nop, XEN_EMULATE_PREFIX "nop");
SNIPPET(i_xsetbv, "xsetbv");
SNIPPET(i_swapgs, "swapgs");
SNIPPET(i_sysretq, "sysretq");
SNIPPET(i_sysexit, ".byte 0x48, 0x0f, 0x35");
SNIPPET(i_vmcall, "vmcall");
SNIPPET(i_vmmcall, "vmmcall");
SNIPPET(i_vmrun, "vmrun %rax");
SNIPPET(i_vmxoff, "vmxoff");
SNIPPET(i_rsm, "rsm");
SNIPPET(i_monitor, "monitor");
SNIPPET(i_mwait, "mwait");
SNIPPET(i_stac, "stac");
SNIPPET(i_ud2, "ud2");
SNIPPET(i_int3, "int3");
SNIPPET(i_cd03, ".byte 0xcd, 0x03");
SNIPPET(i_int1, ".byte 0xf1");
SNIPPET(i_int80, "int $0x80");
SNIPPET(i_int20, "int $0x20");
SNIPPET(i_int30, "int $0x30");
SNIPPET(i_int0d, "int $0x0d");
SNIPPET(i_into, ".byte 0xce");
SNIPPET(i_load_ss_ring0, "mov %ss, %ecx\n mov %eax, %ss\n mov %ecx, %ss");
SNIPPET(i_load_ds_null, "mov %eax, %ds");
SNIPPET(i_iret_ring0, "mov %rsp, %rcx\n push $0xe010\n push %rcx\n pushf\n push $0xe008\n push $1f\n iretq\n1:");
SNIPPET(i_lret_ring0, "push $0xe008\n push $1f\n lretq\n1:");
SNIPPET(i_popf_all, "pushf\n pop %rcx\n mov %rcx, %rax\n or $0x3200, %rax\n push %rax\n popf\n pushf\n pop %rax");

struct instruction {
	const char *name;
	const char *code;
	int kernel, kernel_or;
	int user, user_or;
	struct regs regs;
};

#define INSN(name, code, k, u, ...)		{ name, code, k, k, u, u, { __VA_ARGS__ } }
#define INSN2(name, code, k, k2, u, u2, ...)	{ name, code, k, k2, u, u2, { __VA_ARGS__ } }

static const struct instruction instructions[] = {
	INSN("hlt", i_hlt, GP, GP),
	INSN("mov from cr0", i_read_cr0, NONE, GP),
	INSN("mov from cr2", i_read_cr2, NONE, GP),
	INSN("mov from cr3", i_read_cr3, NONE, GP),
	INSN("mov from cr4", i_read_cr4, NONE, GP),
	INSN("mov from cr8", i_read_cr8, GP, GP),
	INSN2("mov from cr1", i_read_cr1, UD, GP, UD, GP),
	INSN("mov to cr2", i_write_cr2, NONE, GP),
	INSN("mov to cr3 of nonsense", i_write_cr3, GP, GP, .rax = 0x123456789000),
	INSN("mov to cr8", i_write_cr8, GP, GP),
	INSN("mov to cr0 that clears paging", i_write_cr0, GP, GP, .rax = 0x11),
	INSN("mov from dr0", i_read_dr0, NONE, GP),
	INSN("mov from dr6", i_read_dr6, NONE, GP),
	INSN("mov from dr7", i_read_dr7, NONE, GP),
	INSN("mov to dr0", i_write_dr0, NONE, GP),
	INSN("mov to dr0 of a hypervisor's address", i_write_dr0, GP, GP, .rax = 0xffff830000000000),
	INSN("mov to dr7", i_write_dr7, NONE, GP, .rax = 0x400),
	INSN("clts", i_clts, NONE, GP),
	INSN("lgdt", i_lgdt, GP, GP, .rdi = (uint64_t)(uintptr_t)&table_register),
	INSN("lidt", i_lidt, GP, GP, .rdi = (uint64_t)(uintptr_t)&table_register),
	INSN("lldt", i_lldt, GP, GP),
	INSN("ltr", i_ltr, GP, GP, .rax = 0xe040),
	INSN("lmsw", i_lmsw, GP, GP, .rax = 0xffff),
	INSN("invlpg", i_invlpg, GP, GP, .rdi = (uint64_t)(uintptr_t)memory),
	INSN("wbinvd", i_wbinvd, NONE, GP),
	INSN2("invd", i_invd, GP, NONE, GP, GP),
	INSN("rdmsr of EFER", i_rdmsr, NONE, GP, .rcx = MSR_EFER),
	INSN("rdmsr of APIC_BASE", i_rdmsr, NONE, GP, .rcx = MSR_APIC_BASE),
	INSN("rdmsr of one that is not there", i_rdmsr, GP, GP, .rcx = MSR_NOT_THERE),
	INSN("wrmsr of one that is not there", i_wrmsr, GP, GP, .rcx = MSR_NOT_THERE),
	INSN("wrmsr of an address that is not canonical to GS_BASE", i_wrmsr, GP, GP, .rcx = MSR_GS_BASE,
	     .rdx = 0x80000000),
	INSN("rdtsc", i_rdtsc, NONE, NONE),
	INSN("rdpmc", i_rdpmc, GP, GP),
	INSN("cpuid", i_cpuid, NONE, NONE),
	INSN("forced cpuid", i_forced_cpuid, NONE, NONE),
	INSN("forced nop", i_forced_nop, UD, UD),
	INSN2("xsetbv", i_xsetbv, UD, GP, UD, GP),
	INSN("swapgs", i_swapgs, GP, GP),
	INSN("sysretq", i_sysretq, GP, GP),
	INSN2("sysexit", i_sysexit, GP, UD, GP, UD),
	INSN2("vmcall", i_vmcall, UD, UD, UD, UD),
	INSN2("vmmcall", i_vmmcall, UD, UD, UD, UD),
	INSN2("vmrun", i_vmrun, GP, UD, GP, UD),
	INSN2("vmxoff", i_vmxoff, GP, UD, GP, UD),
	INSN("rsm", i_rsm, UD, UD),
	INSN2("monitor", i_monitor, UD, GP, UD, GP),
	INSN2("mwait", i_mwait, UD, GP, UD, GP),
	INSN2("stac", i_stac, UD, UD, UD, UD),
	INSN("ud2", i_ud2, UD, UD),
	INSN("int3", i_int3, 3, 3),
	INSN2("int1", i_int1, 1, UD, 1, UD),
	INSN("int 0x80", i_int80, 0x80, 0x80),
	INSN("into", i_into, UD, UD),
	INSN("a null ds", i_load_ds_null, NONE, NONE),
	INSN("the hypervisor's own stack selector", i_load_ss_ring0, GP, GP, .rax = 0xe010),
	INSN("iretq to ring 0", i_iret_ring0, GP, GP),
	INSN("far return to ring 0", i_lret_ring0, GP, GP),
	INSN("popf of IOPL and IF", i_popf_all, NONE, NONE),
	INSN("sgdt", i_sgdt, NONE, NONE, .rdi = (uint64_t)(uintptr_t)memory),
	INSN("sidt", i_sidt, NONE, NONE, .rdi = (uint64_t)(uintptr_t)memory),
	INSN("sldt", i_sldt, NONE, NONE),
	INSN("str", i_str, NONE, NONE),
	INSN("smsw", i_smsw, NONE, NONE),
};

/* Those that ask for the I/O privilege: without it, and with a virtual IOPL of 1. */
static const struct instruction io_denied[] = {
	INSN("cli without privilege", i_cli, GP, GP),
	INSN("sti without privilege", i_sti, GP, GP),
	INSN("in %dx without privilege", i_in_dx, GP, GP, .rdx = 0x80),
	INSN("in imm without privilege", i_in_imm, GP, GP),
	INSN("out %dx without privilege", i_out_dx, GP, GP, .rdx = 0x80),
	INSN("out imm without privilege", i_out_imm, GP, GP),
	INSN("insb without privilege", i_insb, GP, GP, .rdx = 0x80, .rdi = (uint64_t)(uintptr_t)memory),
	INSN("outsb without privilege", i_outsb, GP, GP, .rdx = 0x80, .rsi = (uint64_t)(uintptr_t)memory),
};

static const struct instruction io_allowed[] = {
	INSN("cli", i_cli, NONE, GP),
	INSN("sti", i_sti, NONE, GP),
	INSN("in %dx", i_in_dx, NONE, GP, .rdx = 0x80),
	INSN("in imm", i_in_imm, NONE, GP),
	INSN("out %dx", i_out_dx, NONE, GP, .rdx = 0x80),
	INSN("out imm", i_out_imm, NONE, GP),
	INSN("insb", i_insb, NONE, GP, .rdx = 0x80, .rdi = (uint64_t)(uintptr_t)memory),
	INSN("outsb", i_outsb, NONE, GP, .rdx = 0x80, .rsi = (uint64_t)(uintptr_t)memory),
	INSN("rep insb", i_rep_insb, NONE, GP, .rdx = 0x80, .rcx = 4, .rdi = (uint64_t)(uintptr_t)memory),
	INSN("rep outsb", i_rep_outsb, NONE, GP, .rdx = 0x80, .rcx = 4, .rsi = (uint64_t)(uintptr_t)memory),
	INSN2("insb to an unmapped page", i_insb, PF, PF, GP, GP, .rdx = 0x80, .rdi = 0x1000),
	INSN2("outsb from an unmapped page", i_outsb, PF, PF, GP, GP, .rdx = 0x80, .rsi = 0x1000),
	INSN("inw", i_inw, NONE, GP, .rdx = 0x80),
	INSN2("inl across the last port", i_inl, NONE, GP, GP, GP, .rdx = 0xffff),
};

/* Those that fault behind other instructions of their snippet. */
static bool faults_later(const char *code)
{
	return code == i_iret_ring0 || code == i_lret_ring0 || code == i_load_ss_ring0;
}

static bool is_trap_behind(int vector)
{
	return vector == 3 || vector == 1 || vector >= 32;
}

static void check(const struct instruction *insn, const struct outcome *o, int want, int or_else, const char *where)
{
	uint64_t start = (uint64_t)(uintptr_t)insn->code;
	bool good = o->vector == want || o->vector == or_else;

	if (good && o->vector != NONE && !faults_later(insn->code))
		good = is_trap_behind(o->vector) ? o->rip > start : o->rip == start && (o->vector == PF || !o->error);
	tap_ok(good, "%s from %s", insn->name, where);
	if (!good)
		printf("# got vector %d error %lx rip+%lx, wanted %d or %d\n", o->vector, o->error, o->rip - start,
		       want, or_else);
}

static void run_table(const struct instruction *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct outcome o;

		o = run_kernel(table[i].code, &table[i].regs);
		check(&table[i], &o, table[i].kernel, table[i].kernel_or, "kernel");
		o = run_user(table[i].code, &table[i].regs);
		check(&table[i], &o, table[i].user, table[i].user_or, "user");
	}
}

/* What the emulated ones hand back. */
static void results(void)
{
	struct outcome o;
	uint64_t gs = 0x0000123456789000;

	o = run_kernel(i_read_cr3, NULL);
	tap_ok(o.regs.rax == kernel_l4_mfn() << PAGE_SHIFT, "cr3 reads as the kernel's table");
	o = run_kernel(i_write_cr2, &(struct regs){ .rax = 0x1234567 });
	o = run_kernel(i_read_cr2, NULL);
	tap_ok(o.regs.rax == 0x1234567, "cr2 reads as it was written");
	tap_ok(vcpu_info->arch.cr2 == 0x1234567, "cr2 and vcpu_info agree");
	o = run_kernel(i_read_cr0, NULL);
	tap_ok((o.regs.rax & 0x80000001) == 0x80000001, "cr0 shows protection and paging");
	o = run_kernel(i_read_cr4, NULL);
	tap_ok(o.regs.rax & 1 << 5, "cr4 shows physical address extension");
	o = run_kernel(i_forced_cpuid, &(struct regs){ .rax = XEN_CPUID_FIRST_LEAF });
	tap_ok(o.regs.rbx == XEN_CPUID_SIGNATURE_EBX && o.regs.rcx == XEN_CPUID_SIGNATURE_ECX &&
	       o.regs.rdx == XEN_CPUID_SIGNATURE_EDX, "forced cpuid shows the hypervisor's signature");
	o = run_user(i_forced_cpuid, &(struct regs){ .rax = XEN_CPUID_FIRST_LEAF });
	tap_ok(o.regs.rbx == XEN_CPUID_SIGNATURE_EBX, "and does so for guest user");
	o = run_kernel(i_forced_cpuid, &(struct regs){ .rax = 1 });
	tap_ok(!(o.regs.rdx & (1 << 3 | 1 << 13)), "forced cpuid shows neither large nor global pages");
	tap_ok(o.regs.rcx >> 31 & 1, "forced cpuid shows a hypervisor");
	run_kernel(i_wrmsr, &(struct regs){ .rcx = MSR_GS_BASE, .rax = (uint32_t)gs, .rdx = gs >> 32 });
	o = run_kernel(i_rdmsr, &(struct regs){ .rcx = MSR_GS_BASE });
	tap_ok((o.regs.rdx << 32 | o.regs.rax) == gs, "GS_BASE reads as it was written");
	o = run_kernel(i_rdmsr, &(struct regs){ .rcx = MSR_EFER });
	tap_ok((o.regs.rax & 0x501) == 0x501 && !(o.regs.rax & 0x1000), "EFER shows long mode and no SVM");
	o = run_kernel(i_popf_all, NULL);
	tap_ok((o.regs.rax ^ o.regs.rcx) == 0, "popf changes neither IOPL nor IF");
	o = run_kernel(i_rep_insb, &(struct regs){ .rdx = 0x80, .rcx = 4, .rdi = (uint64_t)(uintptr_t)memory });
	tap_ok(o.regs.rcx == 0 && o.regs.rdi == (uint64_t)(uintptr_t)memory + 4, "rep insb counts to its end");
}

/* `int n`: DPL 3 gates open for all, DPL 1 for the kernel, DPL 0 for nobody at CPL 3. */
static void software_interrupts(void)
{
	struct outcome o;

	if (cmdline_value("int-fault=")) {
		tap_skip("software interrupts", "this hypervisor believes the emulator's wrong error code");
		return;
	}
	o = run_kernel(i_int20, NULL);
	tap_ok(o.vector == GP && o.error == (0x20 << 3 | 2), "int 0x20 of a DPL 0 gate from kernel");
	o = run_user(i_int20, NULL);
	tap_ok(o.vector == GP && o.error == (0x20 << 3 | 2), "int 0x20 of a DPL 0 gate from user");
	tap_ok(o.rip == (uint64_t)(uintptr_t)i_int20, "the refused int n has not been passed");
	o = run_user(i_int0d, NULL);
	tap_ok(o.vector == GP && o.error == (0x0d << 3 | 2), "guest user can't forge a #GP");
	trap_set_gate(0x30, 0, 1);
	o = run_kernel(i_int30, NULL);
	tap_ok(o.vector == 0x30, "int 0x30 of a DPL 1 gate from kernel");
	o = run_user(i_int30, NULL);
	tap_ok(o.vector == GP, "int 0x30 of a DPL 1 gate from user");
	trap_set_gate(0x30, 0, 3);
	o = run_user(i_int30, NULL);
	tap_ok(o.vector == 0x30 && o.rip == (uint64_t)(uintptr_t)i_int30 + 2, "int 0x30 of a DPL 3 gate from user");
	o = run_user(i_cd03, NULL);
	tap_ok(o.vector == 3 && o.rip == (uint64_t)(uintptr_t)i_cd03 + 2, "int 3 in its long form");
}

/*
 * Fills every register but rsp, does `what`, and counts in rax those that have changed. What a hypercall may change
 * is left out there: rax, its arguments, rcx and r11.
 */
#define FILL(n, reg)	"mov $" #n ", %" #reg "\n"
#define LOOK(n, reg)	"cmp $" #n ", %" #reg "\n je 1f\n incl changed(%rip)\n1:\n"
#define KEPT(do)	do(0x101, rbx) do(0x102, rbp) do(0x103, r12) do(0x104, r13) do(0x105, r14) do(0x106, r15) \
			do(0x107, r9)
#define OTHERS(do)	do(0x108, rcx) do(0x109, rdx) do(0x10a, rsi) do(0x10b, rdi) do(0x10c, r8) do(0x10d, r10) \
			do(0x10e, r11) do(0x10f, rax)
#define SAVE		"push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
#define RESTORE		"pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"

SNIPPET(keeps_trap, SAVE KEPT(FILL) OTHERS(FILL) "int3\n" KEPT(LOOK) OTHERS(LOOK) RESTORE);
SNIPPET(keeps_call, SAVE KEPT(FILL) "mov $17, %eax\n xor %edi, %edi\n syscall\n" KEPT(LOOK) RESTORE);

unsigned int changed;

static bool pass_over(struct trap_frame *frame)
{
	(void)frame;
	return true;
}

static void registers(void)
{
	trap_set_handler(3, pass_over);
	changed = 0;
	run_kernel(keeps_trap, NULL);
	tap_long(changed, 0, "a trap and its return keep all registers of the kernel");
	changed = 0;
	run_user(keeps_trap, NULL);
	tap_long(changed, 0, "a trap and its return keep all registers of guest user");
	trap_set_handler(3, NULL);
	changed = 0;
	run_kernel(keeps_call, NULL);
	tap_long(changed, 0, "a hypercall keeps the registers that it does not use");
}

SNIPPET(system_call, "mov $5, %eax\n mov $6, %edi\n syscall\n mov %rax, %rbx");

static struct trap_frame called;

static bool answer(struct trap_frame *frame)
{
	called = *frame;
	frame->rax = 0x1234;
	return true;
}

static void system_calls(void)
{
	struct outcome o;

	user_set_syscall(answer);
	o = run_user(system_call, NULL);
	user_set_syscall(NULL);
	tap_ok(called.rax == 5 && called.rdi == 6,
	       "a system call of guest user reaches the callback with its registers");
	tap_ok(called.cs == FLAT_USER_CS && called.ss == FLAT_USER_SS, "and the flat selectors in its frame");
	tap_ok(called.rip == (uint64_t)(uintptr_t)system_call + 12, "its rip is behind the instruction");
	tap_ok(o.vector == NO_FAULT && o.regs.rbx == 0x1234, "and the answer goes back");
}

void guest_main(void)
{
	struct physdev_set_iopl iopl = { 1 };

	tap_start("privileged");
	run_table(instructions, ARRAY_SIZE(instructions));
	run_table(io_denied, ARRAY_SIZE(io_denied));
	tap_long(hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl), 0, "set_iopl 1");
	run_table(io_allowed, ARRAY_SIZE(io_allowed));
	results();
	registers();
	system_calls();
	software_interrupts();
	tap_ok(vcpu_info->evtchn_upcall_mask == 1, "the event mask is as before");
	tap_end();
}
