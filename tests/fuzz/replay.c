// SPDX-License-Identifier: MIT
/*
 * Runs a fuzz target without a fuzzer: over files, over directories of files,
 * and over mutations of them from a fixed seed, so that gcc alone and a test run
 * do, and every run is the same.
 *
 *	replay [-n COUNT | -t SECONDS] [-s SEED] [-o FOLDER] [-m FOLDER] FILE|DIRECTORY ...
 *
 * Each file is given to the target once as it is; with -n, COUNT mutations of
 * files picked at random follow, with -t as many as SECONDS allow. A target whose
 * code was compiled with -fsanitize-coverage=trace-pc tells where it has been: an
 * input that got to a new place is then mutated too, and kept in the folder of -o.
 * -m writes those files there that together reach nearly all that all of them reach.
 *
 * Returns 0 if the target came back from all; a sanitizer or abort() ends the
 * process otherwise. The input is then in the file "crash" in the folder of -o, or
 * what was printed last is the number of a mutation shortly before.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEEDS_MAX 8192
#define GROW_MAX 64
#define REPORT_EVERY 1000
#define PLACES 65536u
#define WORTH_A_FILE 4 /* new places */

struct seed {
	uint8_t *data;
	size_t size;
};

static struct seed seeds[SEEDS_MAX];
static size_t seed_count, largest;
static uint64_t random_state;

/* --- Where the target has been ------------------------------------------------- */

void __sanitizer_cov_trace_pc(void);

static uint8_t hits[PLACES]; /* of this input: how often each step from place to place was taken */
static uint8_t seen[PLACES]; /* of all: a bit for once, twice, 4 times, ... */
static uintptr_t last_place;

/* Called by the target's code at each branch. */
void __sanitizer_cov_trace_pc(void)
{
	/* By distance, since the program lies somewhere else in every run. */
	uintptr_t place = ((uintptr_t)__builtin_return_address(0) - (uintptr_t)LLVMFuzzerTestOneInput) * 0x9e3779b1u >> 8;
	uint8_t *h = &hits[(place ^ last_place) % PLACES];

	*h += *h < 255;
	last_place = place >> 1;
}

/*
 * The steps that were new in the last run; with `counts` also those taken in a new
 * order of magnitude. They are not new after it.
 */
static uint32_t news(bool counts)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < PLACES; i++) {
		uint8_t bit = hits[i] ? 1u << (31 - __builtin_clz(hits[i])) : 0;

		found += counts ? !!(bit & ~seen[i]) : bit && !seen[i];
		seen[i] |= bit;
	}
	return found;
}

/* --- The input at hand, for the file of a crash --------------------------------- */

static const uint8_t *at_hand;
static size_t at_hand_size;
static char crash_file[4096];

/* A sanitizer's end is an abort, too. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__asan_default_options(void) { return "abort_on_error=1"; }
const char *__ubsan_default_options(void) { return "abort_on_error=1:print_stacktrace=1"; }

static void on_abort(int number)
{
	int fd = open(crash_file, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (fd >= 0 && write(fd, at_hand, at_hand_size) == (ssize_t)at_hand_size)
		(void)!write(2, "replay: the input is in the file \"crash\"\n", 41);
	signal(number, SIG_DFL);
	raise(number);
}

static void run(const uint8_t *data, size_t size)
{
	at_hand = data;
	at_hand_size = size;
	memset(hits, 0, sizeof(hits));
	last_place = 0;
	LLVMFuzzerTestOneInput(data, size);
}

static void die(const char *what, const char *path)
{
	fprintf(stderr, "replay: %s: %s\n", path, what);
	exit(2);
}

/* xorshift64* (Vigna 2016) */
static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint64_t)(uint32_t)(random_state * 0x2545f4914f6cdd1dull >> 32) * n >> 32;
}

static void add_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	struct seed *s = &seeds[seed_count];

	if (!f || fstat(fileno(f), &st))
		die("can't be opened", path);
	if (seed_count == SEEDS_MAX)
		die("more files than replay can take", path);
	s->size = st.st_size;
	s->data = malloc(s->size + 1);
	if (!s->data || fread(s->data, 1, s->size, f) != s->size)
		die("can't be read", path);
	fclose(f);
	if (s->size > largest)
		largest = s->size;
	seed_count++;
}

static void add(const char *path)
{
	struct dirent **names;
	struct stat st;
	int n;

	if (stat(path, &st))
		die("no such file or directory", path);
	if (!S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	/* By name, since the seed picks files by number. */
	n = scandir(path, &names, NULL, alphasort);
	if (n < 0)
		die("can't be read", path);
	for (int i = 0; i < n; i++) {
		char full[4096];

		if (names[i]->d_name[0] != '.') {
			if (snprintf(full, sizeof(full), "%s/%s", path, names[i]->d_name) >= (int)sizeof(full))
				die("path is too long", path);
			add(full);
		}
		free(names[i]);
	}
	free(names);
}

/* One change to @p of @size bytes, which has room for @room; returns the new size. */
static size_t mutate(uint8_t *p, size_t size, size_t room)
{
	static const uint8_t telling[] = { 0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe };
	size_t at = size ? random_below(size) : 0, n, to;
	const struct seed *other;

	if (!size) {
		p[0] = random_below(256);
		return 1;
	}
	switch (random_below(8)) {
	case 0:
		p[at] ^= 1u << random_below(8);
		return size;
	case 1:
		p[at] = random_below(256);
		return size;
	case 2:
		p[at] = telling[random_below(sizeof(telling))];
		return size;
	case 3: /* one up or down */
		p[at] += random_below(2) ? 1 : 255;
		return size;
	case 4:
		return at; /* cut */
	case 5: /* take some out */
		n = 1 + random_below(size - at < 16 ? size - at : 16);
		memmove(p + at, p + at + n, size - at - n);
		return size - n;
	case 6: /* double some */
		n = 1 + random_below(size - at < 16 ? size - at : 16);
		if (size + n > room)
			return size;
		memmove(p + at + n, p + at, size - at);
		return size + n;
	default: /* splice in a piece of another file */
		other = &seeds[random_below(seed_count)];
		if (!other->size)
			return size;
		to = random_below(other->size);
		n = other->size - to < size - at ? other->size - to : size - at;
		n = random_below(n + 1);
		memcpy(p + at, other->data + to, n);
		return size;
	}
}

static void write_file(const char *folder, const uint8_t *data, size_t size)
{
	uint64_t name = 0xcbf29ce484222325ull; /* FNV-1a, so that the same input has the same name */
	char path[4200];
	FILE *f;

	for (size_t i = 0; i < size; i++)
		name = (name ^ data[i]) * 0x100000001b3ull;
	snprintf(path, sizeof(path), "%s/%016llx", folder, (unsigned long long)name);
	f = fopen(path, "wb");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f))
		die("can't be written", path);
}

static void keep(const char *folder, const uint8_t *data, size_t size)
{
	struct seed *s = &seeds[seed_count];

	if (folder)
		write_file(folder, data, size);
	if (seed_count == SEEDS_MAX)
		return;
	s->data = malloc(size + 1);
	if (!s->data)
		return;
	memcpy(s->data, data, size);
	s->size = size;
	seed_count++;
}

static int by_size(const void *a, const void *b)
{
	const struct seed *x = a, *y = b;

	return (x->size > y->size) - (x->size < y->size);
}

/* Each seed once. */
static void run_seeds(void)
{
	for (size_t i = 0; i < seed_count; i++) {
		run(seeds[i].data, seeds[i].size);
		(void)news(true);
	}
}

/*
 * Writes few and short seeds that reach nearly all that all of them reach: first those
 * that find something new, short ones first; of these, long ones first, once more.
 */
static void write_minimal(const char *folder)
{
	static bool kept[SEEDS_MAX];
	size_t n = 0;

	qsort(seeds, seed_count, sizeof(seeds[0]), by_size);
	for (size_t i = 0; i < seed_count; i++) {
		run(seeds[i].data, seeds[i].size);
		kept[i] = news(false);
	}
	memset(seen, 0, sizeof(seen));
	for (size_t i = seed_count; i-- > 0;) {
		if (!kept[i])
			continue;
		run(seeds[i].data, seeds[i].size);
		if (news(false) < WORTH_A_FILE)
			continue;
		write_file(folder, seeds[i].data, seeds[i].size);
		n++;
	}
	printf("replay: %zu of %zu files reach nearly all\n", n, seed_count);
}

static void mutations(uint64_t count, uint64_t seconds, uint64_t seed, const char *folder)
{
	uint8_t *p = malloc(largest + GROW_MAX);
	time_t end = time(NULL) + seconds;
	uint64_t i;

	random_state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (i = 0; count ? i < count : seconds && (i % 64 || time(NULL) < end); i++) {
		const struct seed *s = &seeds[random_below(seed_count)];
		size_t size = s->size;

		if (i % REPORT_EVERY == 0)
			fprintf(stderr, "replay: from mutation %llu of seed %llu; %zu inputs\n", (unsigned long long)i,
				(unsigned long long)seed, seed_count);
		memcpy(p, s->data, size);
		for (uint32_t changes = 1 + random_below(4); changes; changes--)
			size = mutate(p, size, largest + GROW_MAX);
		run(p, size);
		if (news(true))
			keep(folder, p, size);
	}
	free(p);
	printf("replay: %zu inputs and %llu mutations\n", seed_count, (unsigned long long)i);
}

int main(int argc, char **argv)
{
	const char *folder = NULL, *minimal = NULL;
	uint64_t count = 0, seconds = 0, seed = 1;
	int opt;

	while ((opt = getopt(argc, argv, "n:t:s:o:m:")) != -1) {
		if (opt == 'n')
			count = strtoull(optarg, NULL, 0);
		else if (opt == 't')
			seconds = strtoull(optarg, NULL, 0);
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 'o')
			folder = optarg;
		else if (opt == 'm')
			minimal = optarg;
		else
			return 2;
	}
	for (int i = optind; i < argc; i++)
		add(argv[i]);
	if (!seed_count) {
		fprintf(stderr, "usage: replay [-n COUNT | -t SECONDS] [-s SEED] [-o FOLDER] [-m FOLDER] FILE|DIRECTORY ...\n");
		return 2;
	}
	if (folder) {
		snprintf(crash_file, sizeof(crash_file), "%s/crash", folder);
		signal(SIGABRT, on_abort);
	}
	if (minimal) {
		write_minimal(minimal);
	} else {
		run_seeds();
		mutations(count, seconds, seed, folder);
	}
	for (size_t i = 0; i < seed_count; i++)
		free(seeds[i].data);
	return 0;
}
