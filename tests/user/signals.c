// SPDX-License-Identifier: MIT
/*
 * Signals: the frame is written by the kernel on a stack of the program, and
 * the return restores every register, also those of the FPU. Page faults carry
 * an address and an error code, which the hypervisor passes on.
 */
#include "tap.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

static sigjmp_buf back;
static siginfo_t seen;
static volatile long seen_error, seen_trap;
static char *volatile seen_stack;
static char alternate[65536] __attribute__((aligned(16)));

static void on_fault(int sig, siginfo_t *info, void *data)
{
	ucontext_t *uc = data;
	char here;

	(void)sig;
	seen = *info;
	seen_error = uc->uc_mcontext.gregs[REG_ERR];
	seen_trap = uc->uc_mcontext.gregs[REG_TRAPNO];
	__asm__ volatile("" : "=r"(seen_stack) : "0"(&here));
	siglongjmp(back, 1);
}

static bool on_alternate(void) { return seen_stack >= alternate && seen_stack < alternate + sizeof(alternate); }

static volatile int endless = 1;

static int __attribute__((noinline)) overflow(int n)
{
	volatile char frame[4096];

	frame[0] = n;
	return endless ? overflow(n + 1) + frame[0] : 0;
}

static void stack_overflow(void)
{
	stack_t ss = { .ss_sp = alternate, .ss_size = sizeof(alternate) };

	sigaltstack(&ss, NULL);
	handle(SIGSEGV, on_fault, SA_ONSTACK);
	for (int i = 0; i < 5; i++) {
		seen_stack = NULL;
		if (!sigsetjmp(back, 1))
			overflow(0);
		if (!on_alternate())
			break;
	}
	ok(on_alternate(), "a stack overflow is handled on the alternate stack, 5 times");
}

/* The errors of page faults: bit 0 protection, 1 write, 2 user, 4 fetch (SDM 3, 4.7). */
static void page_faults(void)
{
	char *m = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	handle(SIGSEGV, on_fault, 0);
	m[4096] = (char)0xc3; /* ret */
	mprotect(m, 4096, PROT_NONE);
	mprotect(m + 4096, 4096, PROT_READ);

#define FAULT(what, code, error, where)                                                                       \
	do {                                                                                                  \
		seen_error = -1;                                                                              \
		if (!sigsetjmp(back, 1))                                                                      \
			what;                                                                                 \
		ok(seen.si_signo == SIGSEGV && seen.si_code == (code) && (seen_error & 0x17) == (error) &&    \
			   seen.si_addr == (void *)(where) && seen_trap == 14,                                \
		   #what " faults with error code %#x (%#lx at %p)", error, seen_error, seen.si_addr);        \
	} while (0)

	FAULT(m[4096] = 1, SEGV_ACCERR, 7, m + 4096);
	FAULT((void)*(volatile char *)m, SEGV_ACCERR, 4, m);
	FAULT(((void (*)(void))(m + 4096))(), SEGV_ACCERR, 0x15, m + 4096);
	munmap(m, 4096);
	FAULT((void)*(volatile char *)(m + 5), SEGV_MAPERR, 4, m + 5);
	FAULT(m[9] = 1, SEGV_MAPERR, 6, m + 9);
	FAULT(((void (*)(void))m)(), SEGV_MAPERR, 0x14, m);
#ifdef __x86_64__
	/* The hypervisor's and the kernel's ranges look the same to a program: no page of its own. */
	FAULT((void)*(volatile char *)0xffff888000000010, SEGV_MAPERR, 5, 0xffff888000000010);
	FAULT(*(volatile char *)0xffff82d040200000 = 1, SEGV_MAPERR, 7, 0xffff82d040200000);
	/* What is not canonical is a general protection fault without an address. */
	if (!sigsetjmp(back, 1))
		(void)*(volatile char *)0x8000000000000000;
	ok(seen_trap == 13 && seen.si_addr == NULL, "a non-canonical address gives trap 13");
	if (!sigsetjmp(back, 1))
		__asm__ volatile("jmp *%0" : : "r"(0x0000800000000000));
	ok(seen_trap == 13, "a jump to a non-canonical address gives trap 13");
#endif
}

static volatile int depth, deepest;

static void on_nested(int sig, siginfo_t *info, void *data)
{
	(void)sig; (void)info; (void)data;
	if (++depth > deepest)
		deepest = depth;
	if (depth < 40)
		raise(SIGUSR1);
	depth--;
}

static volatile int count;

static void on_count(int sig, siginfo_t *info, void *data)
{
	(void)sig; (void)info; (void)data;
	count++;
}

static void numbers(void)
{
	int bad = 0;

	handle(SIGUSR1, on_nested, SA_NODEFER);
	raise(SIGUSR1);
	ok(deepest == 40 && depth == 0, "40 signals inside each other");

	handle(SIGUSR2, on_count, 0);
	for (int i = 0; i < 20000; i++) {
		kill(getpid(), SIGUSR2);
		bad += count != i + 1;
	}
	ok(!bad, "20000 signals to oneself");
}

static volatile int ticks;

/* Leaves other values in the registers than it found. */
static void on_tick(int sig, siginfo_t *info, void *data)
{
	static const uint64_t ones[2] = { ~0ULL, ~0ULL };

	(void)sig; (void)info; (void)data;
	ticks++;
	__asm__ volatile("movdqu %0, %%xmm0; movdqu %0, %%xmm1; movdqu %0, %%xmm6; movdqu %0, %%xmm7; fninit; fldpi; fldpi"
			 : : "m"(ones) : "xmm0", "xmm1", "xmm6", "xmm7", "memory");
}

/* A computation that a timer interrupts at any place comes to the same result. */
static uint64_t __attribute__((noinline)) compute(unsigned rounds)
{
	double x = 1.0, y = 0.5;
	uint64_t h = 14695981039346656037ULL;

	for (unsigned i = 0; i < rounds; i++) {
		x = x * 1.0000001 + y;
		y = y * 0.9999999 + 1.0 / (i + 1);
		h = (h ^ (uint64_t)x) * 1099511628211ULL;
	}
	return h ^ (uint64_t)(y * 1e6);
}

static void timers(void)
{
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } }, never = { { 0, 0 }, { 0, 0 } };
	uint64_t want = compute(200000);
	int bad = 0;

	handle(SIGALRM, on_tick, 0);
	setitimer(ITIMER_REAL, &every, NULL);
	while (ticks < 150)
		bad += compute(200000) != want;
	setitimer(ITIMER_REAL, &never, NULL);
	ok(!bad, "floating point is the same under 150 signals of a timer");
}

/* Registers of a program interrupted by a signal, seen and changed by the handler. */
static void on_change(int sig, siginfo_t *info, void *data)
{
	ucontext_t *uc = data;

	(void)sig; (void)info;
#ifdef __x86_64__
	uc->uc_mcontext.gregs[REG_RBX] += 0x1000000000;
	uc->uc_mcontext.gregs[REG_R11] = 0x11;
	uc->uc_mcontext.gregs[REG_RCX] = 0xc0ffee;
	uc->uc_mcontext.gregs[REG_RIP] += 2; /* the ud2 */
#else
	uc->uc_mcontext.gregs[REG_EBX] += 0x10000000;
	uc->uc_mcontext.gregs[REG_ECX] = 0xc0ffee;
	uc->uc_mcontext.gregs[REG_EIP] += 2;
#endif
}

static void registers(void)
{
	unsigned long b, c, s = 0x5151, d = 0xd1d1;

	handle(SIGILL, on_change, 0);
#ifdef __x86_64__
	unsigned long r11;

	__asm__ volatile("mov $5, %%ebx; mov $6, %%ecx; mov $7, %%r11d; ud2; mov %%r11, %[r11]"
			 : "=b"(b), "=c"(c), "+S"(s), "+D"(d), [r11] "=a"(r11) : : "r11");
	ok(r11 == 0x11 && b == 0x1000000005, "a handler changes rbx and r11");
#else
	__asm__ volatile("mov $5, %%ebx; mov $6, %%ecx; ud2" : "=b"(b), "=c"(c), "+S"(s), "+D"(d));
	ok(b == 0x10000005, "a handler changes ebx");
#endif
	ok(c == 0xc0ffee && s == 0x5151 && d == 0xd1d1, "a handler changes cx and leaves si and di");
}

int main(void)
{
	page_faults();
	stack_overflow();
	numbers();
	registers();
	timers();
	return tap_end();
}
