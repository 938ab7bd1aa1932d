// SPDX-License-Identifier: MIT
/*
 * Fuzz target: a guest's kernel file from anyone. The input's first bytes say how large the guest and its initrd are; the
 * rest is the file. It is found, unpacked into the guest, parsed, laid out and loaded, as xl create does; then
 * the guest's memory must be what a plain reading of the same ELF file gives, and the page tables what layout.h promises.
 */
#include <stdint.h>
#include <stdlib.h>
#include "load.h"

static void require(bool promise)
{
	if (!promise)
		abort();
}

#include "../builder/check_layout.h"
#include "../builder/guest_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX (4u << 20)

/* The plain reading. */
struct plain {
	u8 *memory;
	u64 base;
};

static int put_plain(void *ctx, u64 paddr_off, const void *src, u64 filesz, u64 memsz)
{
	struct plain *p = ctx;

	memcpy(p->memory + p->base + paddr_off, src, filesz);
	memset(p->memory + p->base + paddr_off + filesz, 0, memsz - filesz);
	return 0;
}

/* Segments that overlap may be loaded in any order, since then parts of the file lie in the guest before. */
static bool overlap(const struct elf_image *e)
{
	for (u32 i = 0; i < e->segments; i++)
		for (u32 j = 0; j < i; j++)
			if (e->segment[i].paddr < e->segment[j].paddr + e->segment[j].memsz &&
			    e->segment[j].paddr < e->segment[i].paddr + e->segment[i].memsz)
				return true;
	return false;
}

static void compare(const struct kernel_file *k, const struct elf_image *loaded)
{
	struct plain p = { .memory = calloc(GUEST_PAGES, 4096), .base = loaded->pstart - loaded->paddr_offset };
	u8 *file = malloc(FILE_MAX), *guest;
	const char *error;
	long got = kernel_unpack(k, file, FILE_MAX, &error);
	struct elf_image e;

	require(p.memory && file);
	if (got >= 0) {
		require(!elf_parse(file, got, &e) && e.segments == loaded->segments && e.entry == loaded->entry);
		elf_load(&e, put_plain, &p);
		guest = guest_map(NULL, guest_frames, GUEST_PAGES);
		require(guest && (overlap(&e) || !memcmp(guest, p.memory, GUEST_PAGES * 4096)));
		munmap(guest, GUEST_PAGES * 4096);
	}
	free(file);
	free(p.memory);
}

static void load(const struct kernel_file *k, u64 pages, u64 initrd)
{
	struct loaded ld;
	struct elf_image e;
	struct layout l;
	const char *error = NULL;
	u64 needs;
	int err;

	guest_reset();
	err = load_kernel_file(&ld, NULL, 1, k, guest_frames, pages, &e, &error);
	require(err <= 0 && (!err || error));
	if (!err && !layout_plan(&l, &e, pages, initrd, &needs, &error)) {
		check_layout(&l);
		require(!load_segments(&ld, &e));
		load_close(&ld);
		compare(k, &e);
	}
	load_close(&ld);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kernel_file k;
	const char *error = NULL;
	u8 *file;

	if (size < 2)
		return 0;
	file = malloc(size - 2 + 1);
	require(file);
	memcpy(file, data + 2, size - 2);
	if (kernel_find(file, size - 2, &k, &error))
		require(error);
	else if (k.size <= FILE_MAX)
		load(&k, data[0] * 4 + 1, data[1] * 512);
	free(file);
	return 0;
}
