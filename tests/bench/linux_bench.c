// SPDX-License-Identifier: MIT
/*
 * What common operations of a Linux program cost, counted by the TSC.
 *
 * The same static binary runs on the bare kernel, in dom0 on Debian's Xen and
 * in dom0 on Xenolith.  Under QEMU's -icount shift=0 one tick of the TSC is
 * one executed instruction, so a figure is an exact count of instructions,
 * those of the hypervisor included, and two runs print the same text.
 *
 * Each operation runs often; the smallest count and the median are printed:
 *
 *	BENCH name minimum median
 *
 * The minimum is the operation alone.  The median shows what it costs when
 * timers tick in between.  The cost of reading the TSC twice is taken off.
 * An operation that fails ends the program with a sentence: a figure for a
 * failed call would look like a good one.
 *
 * With an argument, only operations whose names contain it run.  "--tsc" prints
 * the TSC alone, which is the count since power-on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROUNDS	4096
#define PAGE		4096
#define KIB64		(64 * 1024)
#define FAULT_AROUND	16		/* pages; Linux's default */

static uint64_t sample[MAX_ROUNDS];
static uint64_t tsc_cost;

static void die(const char *what)
{
	fprintf(stderr, "linux_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	/* lfence: on real CPUs, what was started before has ended. */
	asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* Marks for the plugin count.c; to a CPU they are no-ops. */
#define MARK(n) asm volatile(".byte 0x0f, 0x1f, 0x80; .long 0x58454e00 + " #n : : : "memory")

/* The operations.  once() is counted; begin() and end(), which may be absent, run
 * once before and after. */
struct operation {
	const char *name;
	unsigned int rounds;
	void (*begin)(void);
	void (*once)(void);
	void (*end)(void);
};

static void nothing(void)
{
	asm volatile("" : : : "memory");
}

static void null_syscall(void)
{
	/* Not getpid(): a library could remember its answer. */
	if (syscall(SYS_getppid) < 0)
		die("getppid");
}

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
	(void)number;
	signals++;
}

static pid_t my_process, my_thread;

static void signal_begin(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	my_process = getpid();
	my_thread = syscall(SYS_gettid);
	if (sigaction(SIGUSR1, &action, NULL))
		die("sigaction");
}

static void signal_once(void)
{
	sig_atomic_t before = signals;

	/* Not raise(): it asks for process and thread each time, which are two null system calls more. */
	if (syscall(SYS_tgkill, my_process, my_thread, SIGUSR1) || signals == before)
		die("tgkill");
}

/* Page faults: one page of a long mapping is touched for the first time. */
static char *pages;
static size_t next_page;

static void anonymous_begin(void)
{
	next_page = 0;
	pages = mmap(NULL, MAX_ROUNDS * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED || madvise(pages, MAX_ROUNDS * PAGE, MADV_NOHUGEPAGE))
		die("mmap");
}

static void touch_next(void)
{
	pages[next_page++ * PAGE] = 1;
}

/*
 * A file in the page cache, of which every `step`-th page has data. A read fault
 * also maps what is there of the 16 pages around it (Linux's fault-around). So
 * one step of 16 pages in a file with data only there is a fault that maps one
 * page; with data everywhere it is a fault that maps 16.
 */
static void file_map(size_t step)
{
	const size_t size = (size_t)MAX_ROUNDS * PAGE;
	static char text[PAGE];
	int file = open("/tmp/bench-file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (file < 0 || ftruncate(file, size))
		die("/tmp/bench-file");
	memset(text, 'x', sizeof(text));
	for (size_t at = 0; at < size; at += step * PAGE)
		if (pwrite(file, text, PAGE, at) != PAGE)
			die("pwrite");
	next_page = 0;
	pages = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
	if (pages == MAP_FAILED)
		die("mmap");
	close(file);
	unlink("/tmp/bench-file");
}

static void file_begin(void)
{
	file_map(FAULT_AROUND);
}

static void file_around_begin(void)
{
	file_map(1);
}

static void read_next(void)
{
	if (((volatile char *)pages)[next_page * PAGE] != 'x')
		die("the file's page");
	next_page += FAULT_AROUND;
}

/* Give the pages back: what is mapped makes each fork dearer. */
static void pages_end(void)
{
	if (munmap(pages, MAX_ROUNDS * PAGE))
		die("munmap");
}

/*
 * The place is fixed, beside a page that stays: where the mapping would be alone
 * under its page table, making and freeing that table would be most of the cost,
 * and whether it is alone would be chance.
 */
#define MMAP_AT		((char *)0x100000000000)

static void mmap_begin(void)
{
	pages = mmap(MMAP_AT, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_FIXED_NOREPLACE, -1, 0);
	if (pages != MMAP_AT)
		die("mmap");
}

static void mmap_once(void)
{
	char *memory = mmap(MMAP_AT + KIB64, KIB64, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (memory != MMAP_AT + KIB64)
		die("mmap");
	for (size_t i = 0; i < KIB64; i += PAGE)
		memory[i] = 1;
	if (munmap(memory, KIB64))
		die("munmap");
}

static void mprotect_begin(void)
{
	pages = mmap(NULL, KIB64, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (pages == MAP_FAILED)
		die("mmap");
}

static void mprotect_once(void)
{
	if (mprotect(pages, KIB64, PROT_READ) ||
	    mprotect(pages, KIB64, PROT_READ | PROT_WRITE))
		die("mprotect");
	for (size_t i = 0; i < KIB64; i += PAGE)
		pages[i] = 2;
}

static void wait_for(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child || status)
		die("child");
}

static void fork_exit(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	wait_for(child);
}

static void fork_exec(void)
{
	pid_t child = fork();

	if (child == 0) {
		execl("/proc/self/exe", "linux_bench", "--exit", (char *)NULL);
		_exit(1);
	}
	wait_for(child);
}

/* A child sends back each byte it gets, until its pipe closes. */
static int to_child[2], from_child[2];

static void pipe_begin(void)
{
	char byte;

	if (pipe(to_child) || pipe(from_child))
		die("pipe");
	if (fork() == 0) {
		close(to_child[1]);
		while (read(to_child[0], &byte, 1) == 1)
			if (write(from_child[1], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
}

static void pipe_once(void)
{
	char byte = 1;

	if (write(to_child[1], &byte, 1) != 1 || read(from_child[0], &byte, 1) != 1)
		die("pipe");
}

static void *thread_body(void *argument)
{
	return argument;
}

static void thread_once(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_body, NULL) || pthread_join(thread, NULL))
		die("thread");
}

static void nanosleep_once(void)
{
	const struct timespec time = { .tv_nsec = 1000 };

	if (nanosleep(&time, NULL))
		die("nanosleep");
}

static void clock_once(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now))
		die("clock_gettime");
}

static int zero_file;

static void read_begin(void)
{
	zero_file = open("/dev/zero", O_RDONLY);
	if (zero_file < 0)
		die("/dev/zero");
}

static void read_once(void)
{
	char byte;

	if (read(zero_file, &byte, 1) != 1)
		die("read");
}

/* The order is part of the figures: heaps remember what ran before. */
static const struct operation operations[] = {
	{ "null_syscall", 2000, NULL, null_syscall, NULL },
	{ "read_one_byte", 2000, read_begin, read_once, NULL },
	{ "signal", 1000, signal_begin, signal_once, NULL },
	{ "anonymous_fault", MAX_ROUNDS, anonymous_begin, touch_next, pages_end },
	{ "file_fault", MAX_ROUNDS / FAULT_AROUND, file_begin, read_next, pages_end },
	{ "file_fault_16_pages", MAX_ROUNDS / FAULT_AROUND, file_around_begin, read_next, pages_end },
	{ "mmap_64k_touch_munmap", 500, mmap_begin, mmap_once, NULL },
	{ "mprotect_64k_twice_touch", 500, mprotect_begin, mprotect_once, NULL },
	{ "fork_exit", 200, NULL, fork_exit, NULL },
	{ "fork_exec", 100, NULL, fork_exec, NULL },
	{ "pipe_round_trip", 1000, pipe_begin, pipe_once, NULL },
	{ "pthread_create_join", 500, NULL, thread_once, NULL },
	{ "nanosleep_1us", 500, NULL, nanosleep_once, NULL },
	{ "clock_gettime", 2000, NULL, clock_once, NULL },
};

static int compare(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

/* Run one operation `rounds` times; the counts are in sample[], sorted. */
static void measure(const struct operation *op)
{
	if (op->begin)
		op->begin();
	for (unsigned int i = 0; i < op->rounds; i++) {
		uint64_t start;

		MARK(0);
		start = rdtsc();
		op->once();
		sample[i] = rdtsc() - start;
		MARK(1);
	}
	MARK(2);
	if (op->end)
		op->end();
	qsort(sample, op->rounds, sizeof(sample[0]), compare);
}

int main(int argc, char **argv)
{
	const struct operation empty = { "empty", 1000, NULL, nothing, NULL };

	if (argc > 1 && !strcmp(argv[1], "--exit"))
		return 0;
	if (argc > 1 && !strcmp(argv[1], "--tsc")) {
		printf("BENCH tsc %lu\n", rdtsc());
		return 0;
	}
	/* The samples' own pages must not fault while something is counted. */
	memset(sample, 1, sizeof(sample));
	measure(&empty);
	tsc_cost = sample[0];
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		const struct operation *op = &operations[i];

		if (argc > 1 && !strstr(op->name, argv[1]))
			continue;
		measure(op);
		printf("BENCH %s %lu %lu\n", op->name, sample[0] - tsc_cost,
		       sample[op->rounds / 2] - tsc_cost);
		fflush(stdout);
	}
	return 0;
}
