// SPDX-License-Identifier: MIT
/*
 * Clocks as programs read them: by the vdso, without a system call, and by system
 * calls; on every CPU, one after the other and all at once. None may go back, and
 * the two ways must agree. getcpu must name the CPU that one is on.
 */
#include "tap.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

static int64_t ns(const struct timespec *t) { return t->tv_sec * 1000000000LL + t->tv_nsec; }

static int64_t by_library(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return ns(&t);
}

static int64_t by_syscall(clockid_t clock)
{
	struct {
		long sec, nsec;
	} t;

	syscall(SYS_clock_gettime, clock, &t);
	return t.sec * 1000000000LL + t.nsec;
}

/* Both ways in turn, on each CPU in turn: every reading is at or after the one before. */
static void both_ways(clockid_t clock, const char *name)
{
	int64_t last = by_syscall(clock), worst = 0;
	int cpus = nr_cpus_online();

	for (int i = 0; i < 3000; i++) {
		int64_t now = i & 1 ? by_syscall(clock) : by_library(clock);

		if (now - last < worst)
			worst = now - last;
		last = now;
		if (i % 50 == 0)
			run_on(i / 50 % cpus);
	}
	ok(worst == 0, "%s never goes back, by vdso and by system call on %d CPUs (%lld ns)", name, cpus, (long long)worst);
}

static int64_t latest;
static int64_t back;

static void *reader(void *data)
{
	run_on((uintptr_t)data % nr_cpus_online());
	for (int i = 0; i < 20000; i++) {
		int64_t seen = __atomic_load_n(&latest, __ATOMIC_SEQ_CST), now = by_library(CLOCK_MONOTONIC);

		if (now < seen)
			__atomic_store_n(&back, seen - now, __ATOMIC_SEQ_CST);
		while (now > seen && !__atomic_compare_exchange_n(&latest, &seen, now, false, __ATOMIC_SEQ_CST,
								   __ATOMIC_SEQ_CST))
			;
	}
	return NULL;
}

static void all_at_once(void)
{
	pthread_t t[4];

	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, reader, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ok(!back, "4 threads never see the clock before another's reading (%lld ns)", (long long)back);
}

static void getcpu_everywhere(void)
{
	int cpus = nr_cpus_online(), bad = 0, done = 0;

	for (int round = 0; round < 20; round++) {
		for (int cpu = 0; cpu < cpus; cpu++) {
			unsigned by_call = ~0u, node = ~0u;

			if (!run_on(cpu))
				continue;
			done++;
			syscall(SYS_getcpu, &by_call, &node, NULL);
			bad += by_call != (unsigned)cpu || sched_getcpu() != cpu || node != 0;
		}
	}
	ok(!bad && done >= 20, "getcpu gives the right CPU on each of %d", cpus);
}

#ifdef SYS_clock_gettime64
#define OTHER_CLOCK_GETTIME SYS_clock_gettime64
#else
#define OTHER_CLOCK_GETTIME SYS_clock_gettime
#endif

/* A process for which the system calls that tell the time are the end. */
static bool reads_clock_without_calls(void *data)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OTHER_CLOCK_GETTIME, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_gettimeofday, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(*filter), .filter = filter };
	struct timeval tv;
	struct timespec t;

	(void)data;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return false;
	for (int i = 0; i < 100; i++)
		if (clock_gettime(CLOCK_MONOTONIC, &t) || clock_gettime(CLOCK_REALTIME, &t) || gettimeofday(&tv, NULL))
			return false;
	return true;
}

static void without_calls(void)
{
	const char *what = "the clock is read without a system call";
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");
	char source[32] = "none";

	if (!f || fscanf(f, "%31s", source) != 1)
		note("no clocksource is named");
	if (f)
		fclose(f);
	if (strcmp(source, "tsc") && strcmp(source, "xen"))
		skip(what, source);
	else
		ok(in_child(reads_clock_without_calls, NULL), "%s (%s)", what, source);
}

static void sleeps(void)
{
	int bad = 0;

	for (int i = 0; i < 20; i++) {
		struct timespec t = { 0, 3000000 };
		int64_t before = by_library(CLOCK_MONOTONIC);

		nanosleep(&t, NULL);
		bad += by_library(CLOCK_MONOTONIC) - before < 3000000;
	}
	ok(!bad, "no sleep ends early");
}

static sigjmp_buf back_to;

static void on_segv(int sig, siginfo_t *info, void *data)
{
	(void)sig; (void)info; (void)data;
	siglongjmp(back_to, 1);
}

static bool rdtsc_works(void)
{
	unsigned a, d;

	if (sigsetjmp(back_to, 1))
		return false;
	__asm__ volatile("rdtsc" : "=a"(a), "=d"(d));
	return true;
}

/* The flag is CR4.TSD, of this task only, and the clock is read by the vdso elsewhere meanwhile. */
static bool tsc_can_be_forbidden(void *data)
{
	int bad = 0;

	(void)data;
	handle(SIGSEGV, on_segv, SA_NODEFER);
	bad += !rdtsc_works();
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
	for (int i = 0; i < 20; i++) {
		bad += rdtsc_works();
		sched_yield();
	}
	prctl(PR_SET_TSC, PR_TSC_ENABLE);
	bad += !rdtsc_works();
	return !bad;
}

static bool tsc_everywhere(void *data)
{
	pid_t pid = fork();
	int bad = 0, status;

	(void)data;
	handle(SIGSEGV, on_segv, SA_NODEFER);
	if (pid == 0)
		_exit(!tsc_can_be_forbidden(NULL));
	for (int i = 0; i < 200; i++) {
		bad += !rdtsc_works();
		sched_yield();
	}
	return waitpid(pid, &status, 0) == pid && status == 0 && !bad;
}

#ifdef __x86_64__

/* The page of old, which Linux shows at a fixed address where vsyscall= says so. */
static void vsyscall(void)
{
	int (*page_gettimeofday)(struct timeval *, void *) = (void *)0xffffffffff600000;
	time_t (*page_time)(time_t *) = (void *)0xffffffffff600400;
	int (*page_getcpu)(unsigned *, unsigned *, void *) = (void *)0xffffffffff600800;
	struct timeval page, call;
	unsigned cpu = ~0u;
	int bad = 0;

	handle(SIGSEGV, on_segv, SA_NODEFER);
	if (sigsetjmp(back_to, 1)) {
		skip("the vsyscall page", "the kernel does not show it");
		return;
	}
	for (int i = 0; i < 50; i++) {
		bad += page_gettimeofday(&page, NULL);
		gettimeofday(&call, NULL);
		bad += timercmp(&page, &call, >) || call.tv_sec - page.tv_sec > 60;
		/* time() is as of the last tick, which may lie before the second that has just begun. */
		bad += page_time(NULL) + 1 < page.tv_sec;
		run_on(i % nr_cpus_online());
		bad += page_getcpu(&cpu, NULL, NULL) || cpu != (unsigned)i % nr_cpus_online();
	}
	ok(!bad, "the vsyscall page gives time and CPU");
}

#else
static void vsyscall(void) {}
#endif

int main(void)
{
	ok(getauxval(AT_SYSINFO_EHDR), "there is a vdso");
	both_ways(CLOCK_MONOTONIC, "CLOCK_MONOTONIC");
	both_ways(CLOCK_REALTIME, "CLOCK_REALTIME");
	all_at_once();
	getcpu_everywhere();
	run_on(0);
	without_calls();
	sleeps();
	ok(in_child(tsc_can_be_forbidden, NULL), "rdtsc can be forbidden and allowed again");
	ok(in_child(tsc_everywhere, NULL), "it stays allowed for others");
	vsyscall();
	return tap_end();
}
