// SPDX-License-Identifier: MIT
/*
 * A load that knows what must be on the disk: blk_load DEVICE DEPTH OPERATIONS MIB [SEED]. With 0 OPERATIONS it writes all
 * of the disk's first MIB MiB once, and reads it back.
 *
 * DEPTH threads share the first MIB MiB, each with blocks of its own: they write, read back and compare, flush, with
 * direct I/O of 4 to 64 KiB, OPERATIONS in all or until SIGTERM. Each 4 KiB block that was written tells its number and how
 * often it was written; what is read must be what was written last, so a write that lands late, twice after another, or
 * not at all, is seen. At the end all is read once more. One line comes out: "LOAD ok: ..." or "LOAD failed: ..." with the first fault.
 * The longest operation is printed in microseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK	4096u
#define WORDS	(BLOCK / 8)
#define MOST	16u		/* blocks of an operation */
#define THREADS	64u

static int fd;
static uint64_t per_thread;	/* blocks */
static long per_thread_ops;
static uint64_t seed = 1;
static uint64_t longest_us;
static unsigned long flushes, operations_done;
static volatile sig_atomic_t enough;

static void stop(int sig)
{
	enough = 1;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

static __attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...)
{
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	va_list ap;

	pthread_mutex_lock(&once);
	printf("LOAD failed: ");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

/* Sixty-four words of a block differ from those of every other block and write; the rest repeats them. */
static void fill(uint64_t *words, uint64_t block, uint32_t generation)
{
	uint64_t key = mix(block * 0x9e3779b97f4a7c15ull + generation + seed);

	words[0] = block;
	words[1] = generation;
	for (unsigned int i = 2; i < WORDS; i++)
		words[i] = key + i;
}

static void check(const uint64_t *words, uint64_t block, uint32_t generation)
{
	uint64_t key = mix(block * 0x9e3779b97f4a7c15ull + generation + seed);

	if (words[0] != block || words[1] != generation)
		fail("block %llu has block %llu as it was written the %lluth time; the %uth was the last",
		     (unsigned long long)block, (unsigned long long)words[0], (unsigned long long)words[1], generation);
	for (unsigned int i = 2; i < WORDS; i++)
		if (words[i] != key + i)
			fail("word %u of block %llu is wrong, though its head is right", i, (unsigned long long)block);
}

static void account(uint64_t begun)
{
	uint64_t took = now_us() - begun, old = __atomic_load_n(&longest_us, __ATOMIC_RELAXED);

	while (took > old && !__atomic_compare_exchange_n(&longest_us, &old, took, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		continue;
}

static void transfer(bool out, uint8_t *buffer, uint64_t block, unsigned int count)
{
	uint64_t begun = now_us();
	ssize_t n = out ? pwrite(fd, buffer, count * BLOCK, block * BLOCK) : pread(fd, buffer, count * BLOCK, block * BLOCK);

	if (n != (ssize_t)(count * BLOCK))
		fail("%s of %u blocks at block %llu: %s", out ? "write" : "read", count, (unsigned long long)block,
		     n < 0 ? strerror(errno) : "short");
	account(begun);
}

static void write_some(uint8_t *buffer, uint32_t *generation, uint64_t first, uint64_t at, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		fill((uint64_t *)(buffer + i * BLOCK), first + at + i, ++generation[at + i]);
	transfer(true, buffer, first + at, count);
}

static void read_some(uint8_t *buffer, const uint32_t *generation, uint64_t first, uint64_t at, unsigned int count)
{
	transfer(false, buffer, first + at, count);
	for (unsigned int i = 0; i < count; i++)
		if (generation[at + i])
			check((uint64_t *)(buffer + i * BLOCK), first + at + i, generation[at + i]);
}

static void *thread(void *arg)
{
	uint64_t number = (uintptr_t)arg, first = number * per_thread, random = mix(seed + number);
	uint32_t *generation = calloc(per_thread, sizeof(*generation));
	uint8_t *buffer;

	if (!generation || posix_memalign((void **)&buffer, BLOCK, MOST * BLOCK))
		fail("no memory");
	for (uint64_t at = 0; !per_thread_ops && at + MOST <= per_thread; at += MOST) {
		__atomic_add_fetch(&operations_done, 1, __ATOMIC_RELAXED);
		write_some(buffer, generation, first, at, MOST);
	}
	for (long i = 0; i < per_thread_ops && !enough; i++) {
		__atomic_add_fetch(&operations_done, 1, __ATOMIC_RELAXED);
		random = mix(random + i);
		unsigned int count = 1 + (random >> 8) % MOST;
		uint64_t at = (random >> 20) % (per_thread - MOST);

		if (random % 32 == 0) {
			uint64_t begun = now_us();

			if (fdatasync(fd))
				fail("flush: %s", strerror(errno));
			account(begun);
			__atomic_add_fetch(&flushes, 1, __ATOMIC_RELAXED);
		} else if (random % 2) {
			write_some(buffer, generation, first, at, count);
		} else {
			read_some(buffer, generation, first, at, count);
		}
	}
	for (uint64_t at = 0; at + MOST <= per_thread; at += MOST)
		read_some(buffer, generation, first, at, MOST);
	free(buffer);
	free(generation);
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned int depth = argc > 2 ? atoi(argv[2]) : 0;
	long operations = argc > 3 ? atol(argv[3]) : 0, mib = argc > 4 ? atol(argv[4]) : 0;
	pthread_t threads[THREADS];

	if (depth < 1 || depth > THREADS || operations < 0 || mib < 1)
		fail("usage: blk_load DEVICE DEPTH OPERATIONS MIB [SEED]");
	signal(SIGTERM, stop);
	if (argc > 5)
		seed = atol(argv[5]);
	fd = open(argv[1], O_RDWR | O_DIRECT);
	if (fd < 0)
		fail("%s: %s", argv[1], strerror(errno));
	per_thread = (uint64_t)mib * 256 / depth;
	per_thread_ops = operations / depth;
	if (per_thread <= MOST)
		fail("too few MiB for that many threads");
	for (unsigned int i = 0; i < depth; i++)
		if (pthread_create(&threads[i], NULL, thread, (void *)(uintptr_t)i))
			fail("no thread");
	for (unsigned int i = 0; i < depth; i++)
		pthread_join(threads[i], NULL);
	printf("LOAD ok: %lu operations at depth %u, %lu flushes, longest %llu us\n", operations_done, depth, flushes,
	       (unsigned long long)longest_us);
	return 0;
}
