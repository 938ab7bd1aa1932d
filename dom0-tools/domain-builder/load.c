// SPDX-License-Identifier: MIT
/*
 * Getting a kernel's segments into a guest's memory: unpacked into an area of this program in which the guest's pages
 * are mapped where they can be (direct.c), then what is left is copied.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "load.h"

#define HEAD_BYTES	4096
/* A kernel file may have symbols and the like: so much more than the guest's memory may it unpack to. */
#define FILE_LEAST	(128ULL << 20)

static int make_area(struct loaded *ld, const struct kernel_file *k, uint64_t pages, const char **error)
{
	u64 most = max(pages << PAGE_SHIFT, FILE_LEAST), size = k->size ? k->size : most;
	void *p;

	if (size > most) {
		/* A gzip file says its length at its end, which a file that was cut off does not have. */
		*error = "is cut off, or unpacks to more than a kernel for this guest can have; copy the file anew";
		return -EFBIG;
	}
	ld->room = ALIGN_UP(size, PAGE_SIZE);
	p = mmap(NULL, ld->room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		*error = "can't be unpacked: dom0 has not enough memory";
		return -ENOMEM;
	}
	ld->area = p;
	return 0;
}

static int map_direct(struct loaded *ld, const struct kernel_file *k, uint64_t pages)
{
	const char *error;
	u8 head[HEAD_BYTES];
	long got = kernel_peek(k, head, sizeof(head), &error);

	ld->n = got > 0 ? direct_plan(head, got, ld->room, pages, ld->direct) : 0;
	for (unsigned int i = 0; i < ld->n; i++) {
		const struct direct *d = &ld->direct[i];

		if (xc_map_at(ld->x, ld->area + d->offset, ld->domid, PROT_READ | PROT_WRITE, ld->mfn + d->pfn, d->count))
			return -errno;
	}
	return 0;
}

/* Unpacks and parses; 1 if the direct parts were guessed wrong. */
static int unpack(struct loaded *ld, const struct kernel_file *k, uint64_t pages, bool direct, struct elf_image *e,
		  const char **error)
{
	int err = make_area(ld, k, pages, error);
	long got;

	ld->n = 0;
	if (!err && direct)
		err = map_direct(ld, k, pages);
	if (err)
		return err;
	got = kernel_unpack(k, ld->area, ld->room, error);
	if (got < 0)
		return got;
	err = elf_parse(ld->area, got, e);
	if (err)
		*error = e->error;
	return err ? err : !direct_right(ld->direct, ld->n, e);
}

int load_kernel_file(struct loaded *ld, struct xc *x, uint32_t domid, const struct kernel_file *k, const uint64_t *mfn,
		     uint64_t pages, struct elf_image *e, const char **error)
{
	int err = 1;

	*ld = (struct loaded){ .x = x, .domid = domid, .mfn = mfn };
	*error = NULL;
	if (k->packing == PACKED_NOT) {
		err = elf_parse(k->data, k->len, e);
		*error = err ? e->error : NULL;
	}
	for (int direct = 1; direct >= 0 && err == 1; direct--) {
		load_close(ld);
		err = unpack(ld, k, pages, direct, e, error);
	}
	if (!err)
		ld->base = e->pstart - e->paddr_offset;
	return err;
}

/* Bytes [offset, offset + len) of the file, and of the guest from @where on, but for those in direct parts. */
static int copy(struct loaded *ld, u64 where, const u8 *src, u64 filesz, u64 memsz)
{
	u64 first = PFN_DOWN(where), pages = PFN_UP(where + memsz) - first, in_page = where % PAGE_SIZE;
	u8 *to;

	if (!memsz)
		return 0;
	to = xc_map(ld->x, ld->domid, PROT_READ | PROT_WRITE, ld->mfn + first, pages, NULL);
	if (!to)
		return -errno;
	memcpy(to + in_page, src, filesz);
	memset(to + in_page + filesz, 0, memsz - filesz);
	xc_unmap(ld->x, to, pages);
	return 0;
}

static int put(void *ctx, u64 paddr_off, const void *src, u64 filesz, u64 memsz)
{
	struct loaded *ld = ctx;
	u64 where = ld->base + paddr_off, offset = (const u8 *)src - ld->area;
	int err;

	for (unsigned int i = 0; i < ld->n; i++) {
		const struct direct *d = &ld->direct[i];
		u64 before = d->offset - offset, direct = d->count << PAGE_SHIFT;

		/* A part is within one segment, and direct_right() found it at its place. */
		if (d->offset < offset || before > filesz || direct > filesz - before || where + before != d->pfn << PAGE_SHIFT)
			continue;
		err = copy(ld, where, src, before, before);
		if (err)
			return err;
		return copy(ld, where + before + direct, (const u8 *)src + before + direct, filesz - before - direct,
			    memsz - before - direct);
	}
	return copy(ld, where, src, filesz, memsz);
}

int load_segments(struct loaded *ld, const struct elf_image *e)
{
	return elf_load(e, put, ld);
}

void load_close(struct loaded *ld)
{
	if (ld->area)
		munmap(ld->area, ld->room);
	ld->area = NULL;
	ld->n = 0;
}
