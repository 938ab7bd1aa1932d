// SPDX-License-Identifier: MIT
/*
 * Runs a fuzz target without a fuzzer: over files, over directories of files,
 * and over mutations of them from a fixed seed, so that gcc alone and a test run
 * do, and every run is the same.
 *
 *	replay [-n COUNT] [-s SEED] FILE|DIRECTORY ...
 *
 * Each file is given to the target once as it is; with -n, COUNT mutations of
 * files picked at random follow. Returns 0 if the target came back from all; a
 * sanitizer or abort() ends the process otherwise, and the number of the
 * mutation is then what was printed last.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEEDS_MAX 1024
#define GROW_MAX 64
#define REPORT_EVERY 1000

struct seed {
	uint8_t *data;
	size_t size;
};

static struct seed seeds[SEEDS_MAX];
static size_t seed_count, largest;
static uint64_t random_state;

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

int main(int argc, char **argv)
{
	uint64_t count = 0, seed = 1;
	uint8_t *p;
	int opt;

	while ((opt = getopt(argc, argv, "n:s:")) != -1) {
		if (opt == 'n')
			count = strtoull(optarg, NULL, 0);
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	for (int i = optind; i < argc; i++)
		add(argv[i]);
	if (!seed_count) {
		fprintf(stderr, "usage: replay [-n COUNT] [-s SEED] FILE|DIRECTORY ...\n");
		return 2;
	}
	for (size_t i = 0; i < seed_count; i++)
		LLVMFuzzerTestOneInput(seeds[i].data, seeds[i].size);

	random_state = seed * 0x9e3779b97f4a7c15ull + 1;
	p = malloc(largest + GROW_MAX);
	for (uint64_t i = 0; i < count; i++) {
		const struct seed *s = &seeds[random_below(seed_count)];
		size_t size = s->size;

		if (i % REPORT_EVERY == 0)
			fprintf(stderr, "replay: from mutation %llu of seed %llu\n", (unsigned long long)i,
				(unsigned long long)seed);
		memcpy(p, s->data, size);
		for (uint32_t changes = 1 + random_below(4); changes; changes--)
			size = mutate(p, size, largest + GROW_MAX);
		LLVMFuzzerTestOneInput(p, size);
	}
	free(p);
	for (size_t i = 0; i < seed_count; i++)
		free(seeds[i].data);
	printf("replay: %zu files and %llu mutations\n", seed_count, (unsigned long long)count);
	return 0;
}
