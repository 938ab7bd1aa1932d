// SPDX-License-Identifier: MIT
/*
 * The ways by which a program enters its kernel on purpose: SYSCALL, int $0x80
 * and the vdso's choice of them for 32 bits; and by fault: each instruction that
 * a program may not execute ends as the signal and the trap number that the bare
 * machine gives. Every register that the ABI keeps must come back.
 */
#include "tap.h"
#include <elf.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

static sigjmp_buf back;
static bool bare; /* no hypervisor */
static volatile int last_signal, last_trap, last_error;

#ifdef __x86_64__
#define A_REGISTER "rax"
#else
#define A_REGISTER "eax"
#endif

static void on_fault(int sig, siginfo_t *info, void *data)
{
	ucontext_t *uc = data;

	(void)info;
	last_signal = sig;
	last_trap = uc->uc_mcontext.gregs[REG_TRAPNO];
	last_error = uc->uc_mcontext.gregs[REG_ERR];
	siglongjmp(back, 1);
}

#define EXPECT(insn, sig, trap, error)                                                              \
	do {                                                                                        \
		last_signal = 0;                                                                    \
		if (!sigsetjmp(back, 1))                                                            \
			__asm__ volatile(insn ::: "memory", "eax", "edx", "ecx");                   \
		ok(last_signal == (sig) && last_trap == (trap) && last_error == (error),            \
		   "%s gives " #sig ", trap %d, error code %#x (it gave signal %d, trap %d, %#x)",  \
		   insn, trap, error, last_signal, last_trap, last_error);                          \
	} while (0)

static void faults(void)
{
	static const int signals[] = { SIGSEGV, SIGILL, SIGTRAP, SIGFPE, SIGBUS };

	for (unsigned i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		handle(signals[i], on_fault, 0);
	EXPECT("ud2", SIGILL, 6, 0);
	EXPECT("hlt", SIGSEGV, 13, 0);
	EXPECT("cli", SIGSEGV, 13, 0);
	EXPECT("in $0x20, %%al", SIGSEGV, 13, 0);
	EXPECT("mov %%cr0, %%" A_REGISTER, SIGSEGV, 13, 0);
	EXPECT("mov %%db7, %%" A_REGISTER, SIGSEGV, 13, 0);
	EXPECT("rdmsr", SIGSEGV, 13, 0);
	EXPECT("wbinvd", SIGSEGV, 13, 0);
	EXPECT("int3", SIGTRAP, 3, 0);
	/* QEMU's TCG pushes n * 16 + 2; the hypervisor knows that. */
	if (!bare) {
		EXPECT("int $0x20", SIGSEGV, 13, 0x20 * 8 + 2);
		EXPECT("int $0x82", SIGSEGV, 13, 0x82 * 8 + 2);
		EXPECT("int $0xff", SIGSEGV, 13, 0xff * 8 + 2);
		EXPECT("int $2", SIGSEGV, 13, 2 * 8 + 2);
		EXPECT("int $14", SIGSEGV, 13, 14 * 8 + 2);
	}
	EXPECT("int $4", SIGSEGV, 4, 0);
	EXPECT("xor %%eax, %%eax; xor %%edx, %%edx; div %%eax", SIGFPE, 0, 0);
}

static void many(const char *name, long (*call)(long nr))
{
	pid_t pid = syscall(SYS_getpid);
	int bad = 0;

	for (int i = 0; i < 20000; i++)
		bad += call(SYS_getpid) != pid;
	ok(!bad, "20000 times getpid by %s", name);
	ok(call(5000) == -ENOSYS, "a number that is none, by %s", name);
}

#ifdef __x86_64__

static long by_syscall(long nr)
{
	long rc;

	__asm__ volatile("syscall" : "=a"(rc) : "a"(nr) : "rcx", "r11", "memory");
	return rc;
}

/* In 64-bit code int $0x80 is a 32-bit system call: getpid is 20 there. */
static long by_int80(long nr)
{
	long rc;

	__asm__ volatile("int $0x80" : "=a"(rc) : "a"(nr == SYS_getpid ? 20 : nr) : "memory");
	return rc;
}

/*
 * void NAME(uint64_t regs[16]): loads rax, rbx, rcx, rdx, rsi, rdi, rbp, r8..r15 from
 * regs[0..14], enters the kernel, stores them again, and the flags in regs[15].
 */
#define ENTER(name, insn)                                                                           \
	__asm__(".text\n" #name ":\n"                                                               \
		"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"     \
		"mov (%rdi), %rax; mov 8(%rdi), %rbx; mov 16(%rdi), %rcx; mov 24(%rdi), %rdx\n"     \
		"mov 32(%rdi), %rsi; mov 48(%rdi), %rbp; mov 56(%rdi), %r8; mov 64(%rdi), %r9\n"    \
		"mov 72(%rdi), %r10; mov 80(%rdi), %r11; mov 88(%rdi), %r12; mov 96(%rdi), %r13\n"  \
		"mov 104(%rdi), %r14; mov 112(%rdi), %r15; mov 40(%rdi), %rdi\n" insn               \
		"\n.globl after_" #name "\nafter_" #name ":\n"                                      \
		"xchg %rdi, (%rsp)\n"                                                               \
		"mov %rax, (%rdi); mov %rbx, 8(%rdi); mov %rcx, 16(%rdi); mov %rdx, 24(%rdi)\n"     \
		"mov %rsi, 32(%rdi); mov %rbp, 48(%rdi); mov %r8, 56(%rdi); mov %r9, 64(%rdi)\n"    \
		"mov %r10, 72(%rdi); mov %r11, 80(%rdi); mov %r12, 88(%rdi); mov %r13, 96(%rdi)\n"  \
		"mov %r14, 104(%rdi); mov %r15, 112(%rdi); pop 40(%rdi)\n"                          \
		"pushf; pop 120(%rdi)\n"                                                            \
		"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n");               \
	void name(uint64_t regs[16]);                                                               \
	extern char after_##name[]

ENTER(regs_syscall, "syscall");
ENTER(regs_int80, "int $0x80");

static uint64_t pattern(int i) { return 0x0123456789abcdefULL * (i + 3); }

static void registers(void)
{
	uint64_t regs[16];
	int bad = 0;

	for (int i = 0; i < 15; i++)
		regs[i] = pattern(i);
	regs[0] = SYS_getppid;
	regs_syscall(regs);
	for (int i = 1; i < 15; i++)
		bad += i != 2 && i != 10 && regs[i] != pattern(i);
	ok(!bad && regs[0] == (uint64_t)getppid(), "SYSCALL keeps registers");
	ok(regs[2] == (uintptr_t)after_regs_syscall, "SYSCALL leaves its return address in rcx");
	ok((regs[10] & 0x200) && !(regs[10] & ~0x246fd7ULL), "SYSCALL leaves its flags in r11 (%#lx)", (long)regs[10]);

	for (int i = 0; i < 15; i++)
		regs[i] = pattern(i);
	regs[0] = 64; /* getppid */
	bad = 0;
	regs_int80(regs);
	for (int i = 1; i < 15; i++)
		bad += regs[i] != pattern(i);
	ok(!bad && regs[0] == (uint64_t)getppid(), "int $0x80 in 64-bit code keeps registers");
}

/*
 * 32-bit code in a 64-bit program: a far call to it and back. Code and stack must be below
 * 4 GiB. The code is: mov $20, %eax; int $0x80; lret.
 */
static void compatibility_mode(void)
{
	static const uint8_t code[] = { 0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xcb };
	uint8_t *page = mmap(NULL, 65536, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct {
		uint32_t offset;
		uint16_t selector;
	} __attribute__((packed)) *target = (void *)(page + 256);
	int bad = 0;

	if (!ok(page != MAP_FAILED, "memory below 4 GiB"))
		return;
	memcpy(page, code, sizeof(code));
	target->offset = (uintptr_t)page;
	target->selector = 0x23; /* Linux's 32-bit user code */
	for (int i = 0; i < 5000; i++) {
		uint32_t pid;

		/* Going to 32-bit code and back may cost the upper halves, and r8 to r15. */
		__asm__ volatile("mov %%rsp, %%r12; mov %%rdi, %%rsp; lcall *(%%rsi); mov %%r12, %%rsp"
				 : "=a"(pid)
				 : "D"(page + 65536), "S"(target)
				 : "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
		bad += pid != (uint32_t)getpid();
	}
	ok(!bad, "int $0x80 from 32-bit code in a 64-bit program, 5000 times");
}

int main(int argc, char **argv)
{
	bare = argc > 1 && !strcmp(argv[1], "bare");
	many("SYSCALL", by_syscall);
	many("int $0x80 in 64-bit code", by_int80);
	registers();
	compatibility_mode();
	faults();
	return tap_end();
}

#else

static long by_int80(long nr)
{
	long rc;

	__asm__ volatile("int $0x80" : "=a"(rc) : "a"(nr) : "memory");
	return rc;
}

/* The vdso's entry: SYSENTER on Intel's, SYSCALL on AMD's, int $0x80 where there is neither. */
static uintptr_t vdso_entry;

static long by_vdso(long nr)
{
	long rc;

	__asm__ volatile("call *%2" : "=a"(rc) : "a"(nr), "m"(vdso_entry) : "memory");
	return rc;
}

static bool vdso_has(const uint8_t *insn)
{
	for (const uint8_t *p = (const uint8_t *)vdso_entry; p < (const uint8_t *)vdso_entry + 32; p++)
		if (p[0] == insn[0] && p[1] == insn[1])
			return true;
	return false;
}

/* Six arguments, the sixth in ebp, which SYSENTER and SYSCALL need for themselves. */
static void six_arguments(void)
{
	static const uint8_t sysenter[] = { 0x0f, 0x34 }, syscall32[] = { 0x0f, 0x05 };
	char name[] = "/tmp/entryXXXXXX";
	int fd = mkstemp(name);
	char *map;
	int bad = 0;

	note("the vdso enters by %s", vdso_has(sysenter) ? "SYSENTER" : vdso_has(syscall32) ? "SYSCALL" : "int $0x80");
	unlink(name);
	if (ftruncate(fd, 3 * 4096) || pwrite(fd, "second page", 11, 8192) != 11)
		bad++;
	for (int i = 0; i < 500; i++) {
		__asm__ volatile("push %%ebp; mov $2, %%ebp; call *%[in]; pop %%ebp"
				 : "=a"(map)
				 : "0"(192), "b"(0), "c"(4096), "d"(1), "S"(2), "D"(fd), [in] "m"(vdso_entry)
				 : "memory");
		bad += (uintptr_t)map > -4096UL || memcmp(map, "second page", 11);
		if (bad)
			break;
		munmap(map, 4096);
	}
	ok(!bad, "mmap2 with six arguments by the vdso's entry, 500 times");
}

int main(int argc, char **argv)
{
	bare = argc > 1 && !strcmp(argv[1], "bare");
	vdso_entry = getauxval(AT_SYSINFO);
	many("int $0x80", by_int80);
	if (ok(vdso_entry, "there is a vdso entry")) {
		many("the vdso's entry", by_vdso);
		six_arguments();
	}
	faults();
	return tap_end();
}

#endif
