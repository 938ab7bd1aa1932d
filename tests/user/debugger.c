// SPDX-License-Identifier: MIT
/*
 * What a debugger does: single steps, breakpoints and watchpoints in the debug
 * registers, and the trap flag that a program sets for itself. The registers are
 * the vcpu's: the hypervisor loads them, and must keep every other program, and
 * itself, free of them.
 */
#include "tap.h"
#include <stddef.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <ucontext.h>

#ifdef __x86_64__
#define IP(regs) ((regs).rip)

#else
#define IP(regs) ((regs).eip)

#endif

static struct {
	volatile char bytes[64];
} watched __attribute__((aligned(64)));

/*
 * Instructions at known places. A step over `rep` is one iteration, over a system
 * call the whole call; mov to ss holds the trap back for one instruction.
 */
__asm__(".text\n.globl work, work_end\nwork:\n"
	"nop\n"
	"step1: mov $3, %ecx\n"
	"step2: nop\n"
	"step3: push $0\n"
	"step4: pop %"
#ifdef __x86_64__
	"rax\n"
#else
	"eax\n"
#endif
	"step5: mov $20, %eax\n"
	"step6: int $0x80\n"
	"step7: nop\n"
	"step8: mov %ss, %edx\n"
	"step9: mov %edx, %ss\n"
	"nop\n"
	"step10: nop\n"
	"work_end: ret\n");
void work(void);
extern char step1[], step2[], step3[], step4[], step5[], step6[], step7[], step8[], step9[], step10[], work_end[];

static pid_t traced(void (*fn)(void))
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		fn();
		_exit(5);
	}
	waitpid(pid, &status, 0);
	return pid;
}

static unsigned long where(pid_t pid)
{
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	return IP(regs);
}

static long set_dr(pid_t pid, int n, unsigned long value)
{
	return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[n]), value);
}

static unsigned long get_dr(pid_t pid, int n)
{
	return ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[n]), 0);
}

/* Lets it run to the next stop; true where that is a trap. */
static bool go_on(pid_t pid, int request)
{
	int status;

	return ptrace(request, pid, 0, 0) == 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == SIGTRAP;
}

static bool ends(pid_t pid)
{
	int status;

	ptrace(PTRACE_CONT, pid, 0, 0);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5;
}

static void single_steps(void)
{
	char *const want[] = { step1, step2, step3, step4, step5, step6, step7, step8, step9, step10, work_end };
	pid_t pid = traced(work);
	unsigned long at = 0;
	int seen = 0, steps = 0;

	set_dr(pid, 0, (unsigned long)work);
	set_dr(pid, 7, 1);
	ok(go_on(pid, PTRACE_CONT) && where(pid) == (unsigned long)work, "a breakpoint stops before its instruction");
	set_dr(pid, 7, 0);
	while (seen < 11 && steps < 40 && go_on(pid, PTRACE_SINGLESTEP)) {
		at = where(pid);
		steps++;
		if (at != (unsigned long)want[seen])
			break;
		seen++;
	}
	ok(seen == 11, "11 single steps stop at each instruction, and over a mov to ss at the next but one (%d, at %#lx)",
	   seen, at);
	ok(get_dr(pid, 6) & 0x4000, "dr6 says that it was a step (%#lx)", get_dr(pid, 6));
	ok(ends(pid), "the program goes on to its end");
}

static void many_steps_child(void)
{
	for (volatile int i = 0; i < 300; i++)
		if (i % 50 == 0)
			syscall(SYS_getppid);
}

static void many_steps(void)
{
	pid_t pid = traced(many_steps_child);
	int n = 0;

	while (n < 3000 && go_on(pid, PTRACE_SINGLESTEP))
		n++;
	ok(n >= 1000, "%d single steps through a loop with system calls", n);
	if (n == 3000)
		ok(ends(pid), "and it ends as if nothing had been");
	else
		ok(true, "and it ended");
}

/* --- Watchpoints --------------------------------------------------------------------------- */

static void touch(void)
{
	watched.bytes[0] = 1;          /* none watches this one */
	watched.bytes[8] = 2;
	(void)watched.bytes[8];
	watched.bytes[11] = 3;
	watched.bytes[12] = 4;
	for (int i = 0; i < 3; i++) {
		sched_yield();
		watched.bytes[9]++;
	}
}

/* kind: 1 write, 3 read or write; length: bytes. Counts the traps of touch(). */
static int watch(int slot, int kind, int length, bool *dr6_good)
{
	static const int code[9] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	pid_t pid = traced(touch);
	int n = 0;

	*dr6_good = true;
	if (set_dr(pid, slot, (unsigned long)&watched.bytes[8]) ||
	    set_dr(pid, 7, 1UL << (slot * 2) | (unsigned long)(kind | code[length] << 2) << (16 + slot * 4))) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return -errno;
	}
	while (n < 50 && go_on(pid, PTRACE_CONT)) {
		*dr6_good &= (get_dr(pid, 6) & 15) == 1u << slot;
		n++;
	}
	return n;
}

static void watchpoints(void)
{
	static const struct {
		int slot, kind, length, want;
	} cases[] = {
		{ 0, 1, 1, 1 }, { 1, 3, 1, 2 }, { 2, 1, 2, 1 + 3 }, { 3, 1, 4, 2 + 3 }, { 0, 3, 4, 3 + 6 },
#ifdef __x86_64__
		{ 1, 1, 8, 3 + 3 },
#endif
	};
	bool dr6_good;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int got = watch(cases[i].slot, cases[i].kind, cases[i].length, &dr6_good);

		/* A read and a write in one instruction may be one trap or two. */
		ok((got == cases[i].want || (cases[i].kind == 3 && got == cases[i].want - 3)) && dr6_good,
		   "dr%d watches %s of %d bytes: %d traps (%d)", cases[i].slot,
		   cases[i].kind == 1 ? "writes" : "reads and writes", cases[i].length, got, cases[i].want);
	}
}

/* While one program has a watchpoint on a page that all share, the others write it in peace. */
static void others_are_not_watched(void)
{
	volatile char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = traced(touch), other;
	int status = 0, n = 0;

	set_dr(pid, 0, (unsigned long)&watched.bytes[8]);
	set_dr(pid, 7, 1 | 1 << 16);
	other = fork();
	if (other == 0) {
		for (int i = 0; i < 2000; i++) {
			watched.bytes[8]++;
			page[0]++;
			if (i % 20 == 0)
				sched_yield();
		}
		_exit(0);
	}
	while (n < 50 && go_on(pid, PTRACE_CONT))
		n++;
	waitpid(other, &status, 0);
	ok(n == 1 && status == 0, "another program writes the same address and is not stopped");
}

static void refused(void)
{
	pid_t pid = traced(touch);

	errno = 0;
#ifdef __x86_64__
	ok(set_dr(pid, 0, 0xffff800000000000) < 0, "no watchpoint in the hypervisor's range");
	ok(set_dr(pid, 0, 0xffffffff81000000) < 0, "no watchpoint in the kernel's range");
#else
	ok(set_dr(pid, 0, 0xffffe000) == 0, "a watchpoint at the end of 32 bits is a program's own");
#endif
	set_dr(pid, 0, (unsigned long)&watched.bytes[8]);
	ok(set_dr(pid, 7, 1 | 2 << 16) < 0, "no breakpoint on I/O");
	ok(ends(pid), "and the program is as it was");
}

/* --- The trap flag of a program itself -------------------------------------------------------- */

static volatile int traps;

static void on_trap(int sig, siginfo_t *info, void *data)
{
	(void)sig; (void)info; (void)data;
	traps++;
}

static void own_trap_flag(void)
{
	handle(SIGTRAP, on_trap, 0);
	/* Six instructions end with the flag set: the traps come behind the first five nops and popf. */
#ifdef __x86_64__
	__asm__ volatile("pushf; orl $0x100, (%%rsp); popf; nop; nop; nop; nop; pushf; andl $~0x100, (%%rsp); popf"
			 : : : "memory", "cc");
#else
	__asm__ volatile("pushf; orl $0x100, (%%esp); popf; nop; nop; nop; nop; pushf; andl $~0x100, (%%esp); popf"
			 : : : "memory", "cc");
#endif
	ok(traps == 7, "a program that steps itself is trapped 7 times (%d)", traps);
	traps = 0;
	__asm__ volatile("int3");
	ok(traps == 1, "int3 is one trap");
}

int main(void)
{
	single_steps();
	many_steps();
	watchpoints();
	others_are_not_watched();
	refused();
	own_trap_flag();
	return tap_end();
}
