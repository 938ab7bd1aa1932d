// SPDX-License-Identifier: MIT
/*
 * Segments of a program's own: an LDT made by modify_ldt, slots of the GDT for
 * threads, the bases of FS and GS. Descriptors are checked by the hypervisor,
 * which also has to map each page of an LDT when it is first used.
 */
#include "tap.h"
#include <asm/ldt.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#ifdef __x86_64__
#include <asm/prctl.h>
#endif

static sigjmp_buf back;

static void on_fault(int sig, siginfo_t *info, void *data)
{
	(void)info; (void)data;
	siglongjmp(back, sig);
}

#define SELECTOR(entry) ((entry) * 8 + 7)

static int set_ldt(int entry, void *base, unsigned limit, bool code, bool absent)
{
	struct user_desc d = { .entry_number = entry, .base_addr = (uintptr_t)base, .limit = limit, .seg_32bit = 1,
			       .contents = code ? 2 : 0, .seg_not_present = absent, .useable = 1 };

	return syscall(SYS_modify_ldt, 1, &d, sizeof(d));
}

static int clear_ldt(int entry)
{
	struct user_desc d = { .entry_number = entry, .read_exec_only = 1, .seg_not_present = 1 };

	return syscall(SYS_modify_ldt, 1, &d, sizeof(d));
}

static uint32_t *low;

/*
 * The FS base of a thread is a word that a selector can't bring back in 64-bit
 * mode, so the reads are done with gs there, which the C library does not use.
 */
static uint32_t read_segment(unsigned selector, uint32_t offset)
{
#ifdef __x86_64__
	uint32_t value;

	__asm__ volatile("mov %1, %%gs; mov %%gs:(%2), %0; mov %3, %%gs"
			 : "=&r"(value) : "r"(selector), "r"((unsigned long)offset), "r"(0) : "memory");
	return value;
#else
	uint32_t value, old;

	/* gs holds the thread's own segment. */
	__asm__ volatile("mov %%fs, %1; mov %2, %%fs; mov %%fs:(%3), %0; mov %1, %%fs"
			 : "=&r"(value), "=&r"(old) : "r"(selector), "r"(offset) : "memory");
	return value;
#endif
}

static void data_segments(void)
{
	int bad = 0;

	for (int i = 0; i < 1024; i++)
		low[i] = i * 3 + 1;
	for (int entry = 0; entry < 40; entry++)
		bad += set_ldt(entry, low + entry, 4095, false, false) != 0;
	for (int entry = 0; entry < 40; entry++)
		bad += read_segment(SELECTOR(entry), 8) != low[entry + 2];
	ok(!bad, "40 segments of an LDT, each with its base");

	bad = set_ldt(8191, low, 4095, false, false) != 0 || set_ldt(4096, low + 1, 4095, false, false) != 0;
	ok(!bad && read_segment(SELECTOR(8191), 0) == low[0] && read_segment(SELECTOR(4096), 0) == low[1],
	   "entries in all 16 pages of an LDT");

	if (!sigsetjmp(back, 1)) {
		set_ldt(5, low, 4095, false, true);
		read_segment(SELECTOR(5), 0);
		ok(false, "a segment that is not present is refused");
	} else {
		ok(true, "a segment that is not present is refused");
	}
	if (!sigsetjmp(back, 1)) {
		clear_ldt(6);
		read_segment(SELECTOR(6), 0);
		ok(false, "an entry that was taken back is refused");
	} else {
		ok(true, "an entry that was taken back is refused");
	}
	if (!sigsetjmp(back, 1)) {
		read_segment(SELECTOR(3000), 0);
		ok(false, "an entry never made is refused");
	} else {
		ok(true, "an entry never made is refused");
	}
}

/* Each process has its own LDT; they take turns. */
static bool own_ldt(void *data)
{
	int n = (uintptr_t)data, bad = 0;

	bad += set_ldt(3, low + n, 4095, false, false) != 0;
	for (int i = 0; i < 300; i++) {
		bad += read_segment(SELECTOR(3), 0) != low[n];
		sched_yield();
	}
	return !bad;
}

static void many_ldts(void)
{
	pid_t pid[8];
	int bad = 0, status;

	for (int i = 0; i < 8; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(!own_ldt((void *)(uintptr_t)(i + 100)));
	}
	for (int i = 0; i < 8; i++)
		bad += waitpid(pid[i], &status, 0) != pid[i] || status;
	ok(!bad, "8 processes with an LDT each take turns");
}

/*
 * Code in a segment with a base: a 32-bit program's, or called by a far call from 64 bits.
 * It reads a port, which the hypervisor does for it, having found the instruction
 * through the segment: in $0x80 is done, cli faults. int $0x80 is a system call there too.
 */
static uint32_t call_far(unsigned selector, uint32_t offset, char *stack)
{
	struct {
		uint32_t offset;
		uint16_t selector;
	} __attribute__((packed)) *target = (void *)(stack - 16);
	uint32_t value;

	target->offset = offset;
	target->selector = selector;
#ifdef __x86_64__
	__asm__ volatile("mov %%rsp, %%r12; mov %%rdi, %%rsp; lcall *(%%rsi); mov %%r12, %%rsp"
			 : "=a"(value) : "D"(stack - 64), "S"(target), "0"(0)
			 : "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
#else
	__asm__ volatile("lcall *(%%esi)" : "=a"(value) : "S"(target), "0"(0) : "memory", "cc");
#endif
	return value;
}

static void code_segments(void)
{
	/* in $0x70, %al; mov $42, %eax; lret        mov $20, %eax; int $0x80; lret         cli; lret */
	static const uint8_t code[] = { 0xe4, 0x70, 0xb8, 42, 0, 0, 0, 0xcb, 0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xcb,
					0xfa, 0xcb };
	char *page = mmap((void *)0x20000000, 65536, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	memcpy(page + 0x100, code, sizeof(code));
	ok(set_ldt(7, page, 0xffff, true, false) == 0 && ioperm(0x70, 2, 1) == 0, "a code segment with a base");
	ok(call_far(SELECTOR(7), 0x100, page + 65536) == 42, "it reads a port");
	ok(call_far(SELECTOR(7), 0x108, page + 65536) == (uint32_t)getpid(), "it makes a system call");
	if (!sigsetjmp(back, 1)) {
		call_far(SELECTOR(7), 0x110, page + 65536);
		ok(false, "its cli faults");
	} else {
		ok(true, "its cli faults");
	}
	if (!sigsetjmp(back, 1)) {
		set_ldt(7, page, 0xff, true, false);
		call_far(SELECTOR(7), 0x100, page + 65536);
		ok(false, "beyond its limit is a fault");
	} else {
		ok(true, "beyond its limit is a fault");
	}
}

#ifdef __x86_64__

static bool bases_stay(void *data)
{
	unsigned long base = (unsigned long)low + (uintptr_t)data * 8, got;
	uint64_t value;
	int bad = 0;

	bad += syscall(SYS_arch_prctl, ARCH_SET_GS, base) != 0;
	for (int i = 0; i < 300; i++) {
		__asm__ volatile("mov %%gs:0, %0" : "=r"(value));
		bad += value != *(uint64_t *)base;
		bad += syscall(SYS_arch_prctl, ARCH_GET_GS, &got) != 0 || got != base;
		sched_yield();
	}
	return !bad;
}

static bool fsgsbase_stays(void *data)
{
	unsigned long base = 0x123456789000 + (uintptr_t)data * 0x1000, got;
	int bad = 0;

	for (int i = 0; i < 300; i++) {
		__asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xd8" : : "a"(base + i)); /* wrgsbase %rax */
		sched_yield();
		__asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xc8" : "=a"(got)); /* rdgsbase %rax */
		bad += got != base + i;
	}
	return !bad;
}

static void all(bool (*fn)(void *), const char *what)
{
	pid_t pid[6];
	int bad = 0, status;

	for (int i = 0; i < 6; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(!fn((void *)(uintptr_t)i));
	}
	for (int i = 0; i < 6; i++)
		bad += waitpid(pid[i], &status, 0) != pid[i] || status;
	ok(!bad, "%s", what);
}

#define HWCAP2_FSGSBASE_BIT 2

static void bases(void)
{
	all(bases_stay, "6 processes with a GS base each take turns");
	if (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT)
		all(fsgsbase_stays, "6 processes set it by wrgsbase");
	else
		skip("6 processes set it by wrgsbase", "the kernel does not offer FSGSBASE");
}

#else

/* Slots of the GDT for a thread: 32-bit programs' thread-local storage. */
static bool own_slot(void *data)
{
	int n = (uintptr_t)data, bad = 0;
	struct user_desc d = { .entry_number = -1, .base_addr = (uintptr_t)(low + n), .limit = 4095, .seg_32bit = 1,
			       .useable = 1 }, got;

	bad += syscall(SYS_set_thread_area, &d) != 0;
	got = (struct user_desc){ .entry_number = d.entry_number };
	bad += syscall(SYS_get_thread_area, &got) != 0 || got.base_addr != d.base_addr;
	for (int i = 0; i < 300; i++) {
		bad += read_segment(d.entry_number * 8 + 3, 0) != low[n];
		sched_yield();
	}
	return !bad;
}

static void bases(void)
{
	pid_t pid[8];
	int bad = 0, status;

	for (int i = 0; i < 8; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(!own_slot((void *)(uintptr_t)(i + 50)));
	}
	for (int i = 0; i < 8; i++)
		bad += waitpid(pid[i], &status, 0) != pid[i] || status;
	ok(!bad, "8 processes with a segment in the GDT each take turns");
}

#endif

int main(void)
{
	/* A base of the LDT has 32 bits. */
	low = mmap((void *)0x10000000, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	handle(SIGSEGV, on_fault, SA_NODEFER);
	handle(SIGBUS, on_fault, SA_NODEFER);
	data_segments();
	many_ldts();
	code_segments();
	bases();
	return tap_end();
}
