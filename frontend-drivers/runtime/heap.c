// SPDX-License-Identifier: MIT
/*
 * Memory beyond what the domain builder mapped, for guests that need more than the few hundred pages of memory.c: all
 * further frames of the domain are mapped behind it, and handed out as runs of pages and as small pieces.
 *
 * Runs: a bit for each page, first fit. Pieces: sizes 32 bytes to 2 KiB in powers of two, cut out of pages, a free list
 * for each; each page has at its start what size it holds, so a piece is found to belong to it by its address. Larger
 * ones are runs of pages with the same note in front. One lock guards it all.
 */
#include "os_port.h"
#include "runtime.h"

#define MAX_PAGES	(1UL << 17)	/* 512 MiB */
#define SMALLEST	5		/* log2 bytes */
#define CLASSES		7

/* In front of every page with pieces, and of every large piece. */
struct note {
	uint64_t class;			/* CLASSES: a run */
	uint64_t pages;
	uint64_t pad[2];
};

static struct os_lock lock;
static uint64_t used[MAX_PAGES / 64];
static uint64_t first, count, hint;	/* the region: address, pages; where to look next */
static void *pieces[CLASSES];

static bool is_used(uint64_t page)
{
	return used[page / 64] >> (page % 64) & 1;
}

static void mark(uint64_t page, unsigned int pages, bool now_used)
{
	for (uint64_t i = page; i < page + pages; i++) {
		if (now_used)
			used[i / 64] |= 1UL << (i % 64);
		else
			used[i / 64] &= ~(1UL << (i % 64));
	}
}

/* The first run of free pages from `from` on; `count` where there is none. */
static uint64_t find_run(uint64_t from, unsigned int pages)
{
	uint64_t run = 0;

	for (uint64_t i = from; i < count; i++) {
		run = is_used(i) ? 0 : run + 1;
		if (run == pages)
			return i + 1 - pages;
	}
	return count;
}

static void *take_run(unsigned int pages)
{
	uint64_t at = find_run(hint, pages);

	if (at == count)
		at = find_run(0, pages);
	if (at == count)
		return NULL;
	mark(at, pages, true);
	hint = at + pages;
	return (void *)(uintptr_t)(first + at * PAGE_SIZE);
}

void *heap_pages(unsigned int pages)
{
	void *run;

	os_lock(&lock);
	run = take_run(pages);
	os_unlock(&lock);
	return run ? memset(run, 0, pages * PAGE_SIZE) : NULL;
}

void heap_pages_free(void *run, unsigned int pages)
{
	os_lock(&lock);
	mark(((uint64_t)(uintptr_t)run - first) / PAGE_SIZE, pages, false);
	os_unlock(&lock);
}

/* A page of pieces of one class. */
static bool cut_page(unsigned int class)
{
	struct note *note = take_run(1);
	size_t bytes = 1UL << (class + SMALLEST);

	if (!note)
		return false;
	note->class = class;
	for (size_t at = bytes > sizeof(*note) ? bytes : sizeof(*note); at + bytes <= PAGE_SIZE; at += bytes) {
		void **piece = (void **)((char *)note + at);

		*piece = pieces[class];
		pieces[class] = piece;
	}
	return true;
}

static void *take_large(size_t bytes)
{
	unsigned int pages = (unsigned int)((bytes + sizeof(struct note) + PAGE_SIZE - 1) / PAGE_SIZE);
	struct note *note = take_run(pages);

	if (!note)
		return NULL;
	note->class = CLASSES;
	note->pages = pages;
	return note + 1;
}

void *heap_alloc(size_t bytes)
{
	unsigned int class = 0;
	void *piece;

	while (class < CLASSES && bytes > 1UL << (class + SMALLEST))
		class++;
	os_lock(&lock);
	if (class == CLASSES) {
		piece = take_large(bytes);
	} else {
		piece = pieces[class] || cut_page(class) ? pieces[class] : NULL;
		if (piece)
			pieces[class] = *(void **)piece;
	}
	os_unlock(&lock);
	return piece ? memset(piece, 0, bytes) : NULL;
}

void heap_free(void *piece)
{
	struct note *note = (void *)((uintptr_t)piece & ~(PAGE_SIZE - 1));

	if (!piece)
		return;
	if (note->class == CLASSES) {
		heap_pages_free(note, (unsigned int)note->pages);
		return;
	}
	os_lock(&lock);
	*(void **)piece = pieces[note->class];
	pieces[note->class] = piece;
	os_unlock(&lock);
}

unsigned long heap_init(void)
{
	uint64_t end = RUNTIME_VIRT_BASE + start_info->nr_pages * PAGE_SIZE;

	first = memory_end();
	for (uint64_t address = first; address < end && count < MAX_PAGES; address += PAGE_SIZE, count++) {
		uint64_t mfn = pfn_to_mfn((address - RUNTIME_VIRT_BASE) / PAGE_SIZE);

		pt_ensure(kernel_l4_mfn(), address);
		if (map_pte((void *)(uintptr_t)address, mfn_pte(mfn, PTE_RWDATA)))
			panic("page %p of the guest's own could not be mapped", (void *)(uintptr_t)address);
	}
	return count;
}
