// SPDX-License-Identifier: MIT
/*
 * Memory that goes to a disk and comes back: page-table entries that are not
 * present and hold a place on the disk, written by the kernel into live tables.
 * Takes the device; swapping is on while the program runs.
 */
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/swap.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define PAGES (24u << 8) /* 24 MiB */

/*
 * The first page of a disk for swapping: version, last page, and a mark at its end
 * (what mkswap(8) writes).
 */
static bool make_swap(const char *path)
{
	static union {
		char bytes[4096];
		struct {
			char boot[1024];
			uint32_t version, last_page, bad_pages;
		};
	} head;
	int fd = open(path, O_RDWR);
	bool good;

	head.version = 1;
	head.last_page = PAGES + 1024;
	memcpy(head.bytes + sizeof(head) - 10, "SWAPSPACE2", 10);
	good = fd >= 0 && write(fd, &head, sizeof(head)) == sizeof(head) && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return good;
}

static uint32_t word(unsigned page, unsigned i) { return page * 2654435761u ^ i * 40503u; }

static long swapped_kb(void)
{
	long kb = -1;
	char line[128];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmSwap: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static bool check(uint32_t *mem, unsigned from, unsigned step)
{
	unsigned bad = 0;

	for (unsigned p = from; p < PAGES; p += step)
		for (unsigned i = 0; i < 1024; i += 37)
			bad += mem[p * 1024 + i] != word(p, i);
	return !bad;
}

int main(int argc, char **argv)
{
	uint32_t *mem = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	if (argc < 2 || !ok(make_swap(argv[1]) && swapon(argv[1], 0) == 0, "swapping to %s is on", argc < 2 ? "no device" : argv[1]))
		return tap_end() || 1;
	for (unsigned p = 0; p < PAGES; p++)
		for (unsigned i = 0; i < 1024; i += 37)
			mem[p * 1024 + i] = word(p, i);
	for (int round = 0; round < 3; round++) {
		madvise(mem, PAGES * 4096, MADV_PAGEOUT);
		ok(swapped_kb() > (long)PAGES * 2, "most of 24 MiB is on the disk (%ld KiB)", swapped_kb());
		ok(check(mem, round, 3), "a third of it comes back the same");
	}
	madvise(mem, PAGES * 4096, MADV_PAGEOUT);
	pid = fork();
	if (pid == 0)
		_exit(!check(mem, 0, 2));
	ok(check(mem, 1, 2), "all of it comes back to two processes, here");
	ok(waitpid(pid, &status, 0) == pid && status == 0, "and there");
	madvise(mem, PAGES * 4096, MADV_PAGEOUT);
	ok(swapoff(argv[1]) == 0, "swapping is off");
	ok(check(mem, 0, 1), "and all is back");
	return tap_end();
}
