// SPDX-License-Identifier: MIT
/*
 * The state of the FPU: x87, MXCSR, SSE and, where the CPU has it, AVX. Several
 * processes for each CPU hold a pattern of their own in every register, for long
 * enough that timers take the CPU from them, and by giving it up themselves; a
 * fork copies the registers, a signal's return restores them.
 */
#include "tap.h"
#include <cpuid.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>

#ifdef __x86_64__
#define VECTORS 16
#define CLOBBERED , "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define REST(insn) insn(8) insn(9) insn(10) insn(11) insn(12) insn(13) insn(14) insn(15)
#define PTR "%%r"
#else
#define VECTORS 8
#define CLOBBERED
#define REST(insn)
#define PTR "%%e"
#endif
#define ALL(insn) insn(0) insn(1) insn(2) insn(3) insn(4) insn(5) insn(6) insn(7) REST(insn)

struct state {
	uint64_t vector[VECTORS][4];
	uint64_t x87[8];
	uint32_t mxcsr;
	uint16_t control;
} __attribute__((aligned(64)));

static bool have_avx;

static bool cpu_has_avx(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX))
		return false;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (a & 6) == 6;
}

static void fill(struct state *s, unsigned seed)
{
	memset(s, 0, sizeof(*s));
	for (int i = 0; i < VECTORS; i++)
		for (int j = 0; j < (have_avx ? 4 : 2); j++)
			s->vector[i][j] = 0x9e3779b97f4a7c15ULL * (seed * 64 + i * 4 + j + 1);
	/* Integers of 52 bits are loaded and stored exactly. */
	for (int i = 0; i < 8; i++)
		s->x87[i] = (0x123456789abULL * (seed + i + 1)) & 0xfffffffffffffULL;
	s->mxcsr = 0x1f80 | (seed & 3) << 13; /* rounding: any of four */
	s->control = 0x37f | (seed & 3) << 10;
}

#define LOAD_X(n) "movdqu " #n "*32(" PTR "bx), %%xmm" #n "\n"
#define LOAD_Y(n) "vmovdqu " #n "*32(" PTR "bx), %%ymm" #n "\n"
#define STORE_X(n) "movdqu %%xmm" #n ", " #n "*32(" PTR "dx)\n"
#define STORE_Y(n) "vmovdqu %%ymm" #n ", " #n "*32(" PTR "dx)\n"
#define FILD(n) "fildll %c[x87]+" #n "*8(" PTR "bx)\n"
#define FIST(n) "fistpll %c[x87]+" #n "*8(" PTR "dx)\n"

/* rbx = registers to load, rdx = where to store them again, rcx = turns to wait; %eax = system call in between, -1 for none */
#define HOLD(load, store)                                                                                     \
	__asm__ volatile("ldmxcsr %c[mxcsr](" PTR "bx)\n fldcw %c[cw](" PTR "bx)\n" FILD(0) FILD(1) FILD(2)   \
			 FILD(3) FILD(4) FILD(5) FILD(6) FILD(7) ALL(load)                                    \
			 "1: dec %%ecx\n jnz 1b\n"                                                            \
			 "cmp $-1, %%eax\n je 2f\n int $0x80\n 2:\n"                                          \
			 ALL(store) FIST(7) FIST(6) FIST(5) FIST(4) FIST(3) FIST(2) FIST(1) FIST(0)           \
			 "stmxcsr %c[mxcsr](" PTR "dx)\n fnstcw %c[cw](" PTR "dx)\n"                          \
			 : "+a"(nr), "+c"(turns)                                                              \
			 : "b"(in), "d"(out), [mxcsr] "i"(offsetof(struct state, mxcsr)),                     \
			   [cw] "i"(offsetof(struct state, control)), [x87] "i"(offsetof(struct state, x87))  \
			 : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7" CLOBBERED)

/* Returns what the system call did. */
static int hold(const struct state *in, struct state *out, unsigned turns, int nr)
{
	const uint32_t mxcsr = 0x1f80;
	const uint16_t control = 0x37f;

	if (have_avx)
		HOLD(LOAD_Y, STORE_Y);
	else
		HOLD(LOAD_X, STORE_X);
	__asm__ volatile("fninit; fldcw %0; ldmxcsr %1" : : "m"(control), "m"(mxcsr));
	return nr;
}

static bool same(const struct state *in, const struct state *out)
{
	return !memcmp(in->vector, out->vector, sizeof(in->vector)) && !memcmp(in->x87, out->x87, sizeof(in->x87)) &&
	       in->control == out->control && (in->mxcsr & ~0x3f) == (out->mxcsr & ~0x3f);
}

#define NR_FORK 2
#define NR_YIELD 158 /* of int $0x80 */

static bool spin(void *data)
{
	unsigned seed = (uintptr_t)data, bad = 0;
	struct state in, out;

	for (unsigned round = 0; round < 60; round++) {
		fill(&in, seed * 100 + round);
		memset(&out, 0, sizeof(out));
		hold(&in, &out, round % 3 ? 200 : 400000, round % 3 ? NR_YIELD : -1);
		bad += !same(&in, &out);
	}
	return !bad;
}

static void under_load(void)
{
	int bad = 0, status, n = 5 * nr_cpus_online();
	pid_t pid[64];

	if (n > 64)
		n = 64;
	for (int i = 0; i < n; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(!spin((void *)(uintptr_t)(i + 1)));
	}
	for (int i = 0; i < n; i++)
		bad += waitpid(pid[i], &status, 0) != pid[i] || status;
	ok(!bad, "%d processes keep x87, MXCSR and %s", n, have_avx ? "AVX" : "SSE");
}

static void across_fork(void)
{
	struct state in, out;
	int bad = 0, status;

	for (int i = 0; i < 40; i++) {
		int rc;

		fill(&in, 7000 + i);
		memset(&out, 0, sizeof(out));
		rc = hold(&in, &out, 1, NR_FORK);
		if (rc == 0)
			_exit(!same(&in, &out));
		bad += rc < 0 || !same(&in, &out) || waitpid(rc, &status, 0) != rc || status;
	}
	ok(!bad, "a fork copies the registers, 40 times");
}

static volatile int ticks;

static void on_tick(int sig, siginfo_t *info, void *data)
{
	struct state in, out;

	(void)sig; (void)info; (void)data;
	ticks++;
	fill(&in, 9999 + ticks);
	hold(&in, &out, 1, -1);
}

static void across_signals(void)
{
	struct itimerval every = { { 0, 3000 }, { 0, 3000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct state in, out;
	int bad = 0;

	handle(SIGALRM, on_tick, 0);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int i = 0; ticks < 60; i++) {
		fill(&in, 4000 + i);
		memset(&out, 0, sizeof(out));
		hold(&in, &out, 100000, -1);
		bad += !same(&in, &out);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	ok(!bad, "60 handlers that use every register leave none changed");
}

/* A new program starts with what the ABI says, whatever ran before. */
static void fresh(void)
{
	uint32_t mxcsr;
	uint16_t control;

	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(control));
	ok(mxcsr == 0x1f80 && control == 0x37f, "a program starts with MXCSR %#x and control word %#x", mxcsr, control);
}

static volatile int fpe_code;

static void on_fpe(int sig, siginfo_t *info, void *data)
{
	(void)sig; (void)data;
	fpe_code = info->si_code;
	_exit(info->si_code == FPE_FLTDIV ? 0 : 1);
}

static bool divide_x87(void *data)
{
	const uint16_t unmasked = 0x37b;

	(void)data;
	handle(SIGFPE, on_fpe, 0);
	__asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait" : : "m"(unmasked));
	return false;
}

int main(void)
{
	have_avx = cpu_has_avx();
	note("vector registers: %s", have_avx ? "AVX" : "SSE");
	fresh();
	under_load();
	across_fork();
	across_signals();
	ok(in_child(divide_x87, NULL), "an x87 division by zero is a SIGFPE that says so");
	return tap_end();
}
