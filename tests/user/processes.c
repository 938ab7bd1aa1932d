// SPDX-License-Identifier: MIT
/*
 * Processes and threads made in numbers: each fork makes page tables, each exit
 * takes them apart, and copies on write are page faults. What a child sees must
 * be what its parent had, and what it writes must stay its own.
 */
#include "tap.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGES 24
#define STORM 120
#define CROWD 60
#define THREADS 150

static unsigned *shared; /* one page that all processes see */

static unsigned word(unsigned seed, unsigned page) { return seed * 2654435761u + page * 40503u; }

/* Each process has its own pattern, checks its parent's and writes its own over it. */
static bool tree(unsigned char *mem, unsigned seed, int depth)
{
	bool good = true;
	pid_t pid[2];
	int status;

	for (unsigned p = 0; p < PAGES; p++)
		*(unsigned *)(mem + p * 4096) = word(seed, p);
	for (int i = 0; depth && i < 2; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			for (unsigned p = 0; p < PAGES; p++)
				good &= *(unsigned *)(mem + p * 4096) == word(seed, p);
			__atomic_fetch_add(shared, 1, __ATOMIC_SEQ_CST);
			_exit(tree(mem, seed * 2 + i, depth - 1) && good ? 0 : 1);
		}
		good &= pid[i] > 0;
	}
	for (int i = 0; depth && i < 2; i++)
		good &= waitpid(pid[i], &status, 0) == pid[i] && status == 0;
	for (unsigned p = 0; p < PAGES; p++)
		good &= *(unsigned *)(mem + p * 4096) == word(seed, p);
	return good;
}

/* One after the other, each with some memory of its own, and a status of its own. */
static void one_after_the_other(void)
{
	int bad = 0, status;

	for (int i = 0; i < STORM; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			unsigned char *m = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			for (int p = 0; p < 8; p++)
				m[p * 4096] = i + p;
			_exit((unsigned char)(m[7 * 4096] - 7));
		}
		bad += waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != (i & 0xff);
	}
	ok(!bad, "%d forks one after the other, each with its own exit status", STORM);
}

static void all_at_once(void)
{
	static pid_t pid[CROWD];
	unsigned sum = 0, want = 0;
	int status, pipe_fd[2];

	if (pipe(pipe_fd))
		abort();
	for (unsigned i = 0; i < CROWD; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			for (int n = 0; n < 20; n++)
				sched_yield();
			_exit(write(pipe_fd[1], &i, sizeof(i)) != sizeof(i));
		}
		want += i;
	}
	close(pipe_fd[1]);
	for (unsigned i; read(pipe_fd[0], &i, sizeof(i)) == sizeof(i);)
		sum += i;
	close(pipe_fd[0]);
	for (int i = 0; i < CROWD; i++)
		want += waitpid(pid[i], &status, 0) != pid[i] || status;
	ok(sum == want, "%d processes at once, each heard once", CROWD);
}

/* The status of a vfork'ed child that runs this program anew, which returns `i`. */
static int run_self(char *self, int i)
{
	static char number[16];
	int status = -1;
	pid_t pid;

	snprintf(number, sizeof(number), "%d", i);
	pid = vfork();
	if (pid == 0) {
		execl(self, self, "status", number, NULL);
		_exit(255);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void vfork_and_exec(char *self)
{
	int bad = 0;

	for (int i = 0; i < 25; i++)
		bad += run_self(self, i) != i;
	ok(!bad, "25 times vfork and exec");
}

static __thread unsigned own;
static unsigned counter;

static void *thread(void *data)
{
	own = (uintptr_t)data;
	for (int i = 0; i < 50; i++) {
		__atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
		if (i % 10 == 0)
			sched_yield();
		if (own != (uintptr_t)data)
			return NULL;
	}
	return data;
}

static void threads(void)
{
	static pthread_t t[THREADS];
	int bad = 0;

	for (int round = 0; round < 2; round++) {
		for (uintptr_t i = 0; i < THREADS; i++)
			bad += pthread_create(&t[i], NULL, thread, (void *)(i + 1)) != 0;
		for (uintptr_t i = 0; i < THREADS; i++) {
			void *result;

			bad += pthread_join(t[i], &result) != 0 || result != (void *)(i + 1);
		}
	}
	ok(!bad && counter == 2 * THREADS * 50, "2 times %d threads, each with its own thread-local word", THREADS);
}

static void *forker(void *data)
{
	uintptr_t bad = 0;
	int status;

	(void)data;
	for (int i = 0; i < 12; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(7);
		bad += waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7;
	}
	return (void *)bad;
}

static void threads_that_fork(void)
{
	pthread_t t[4];
	uintptr_t bad = 0;
	void *result;

	for (int i = 0; i < 4; i++)
		bad += pthread_create(&t[i], NULL, forker, NULL) != 0;
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &result);
		bad += (uintptr_t)result;
	}
	ok(!bad, "4 threads fork at the same time");
}

/* A process that goes while it has many page tables, spread over its address space. */
static void sparse_space(void)
{
	int bad = 0, status;

	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			for (unsigned n = 1; n < 60; n++) {
				char *at = (char *)((uintptr_t)n << (sizeof(long) == 8 ? 39 : 24)) + 0x10000000;
				char *m = mmap(at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

				if (m == MAP_FAILED)
					_exit(1);
				m[0] = n;
			}
			_exit(0);
		}
		bad += waitpid(pid, &status, 0) != pid || status;
	}
	ok(!bad, "5 processes with pages far apart");
}

int main(int argc, char **argv)
{
	unsigned char *mem = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (argc == 3)
		return atoi(argv[2]);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ok(tree(mem, 1, 5), "a tree of 63 processes, each with its own copy of memory");
	ok(*shared == 62, "and one page of them all (%u)", *shared);
	one_after_the_other();
	all_at_once();
	vfork_and_exec(argv[0]);
	threads();
	threads_that_fork();
	sparse_space();
	return tap_end();
}
