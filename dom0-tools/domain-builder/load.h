/* SPDX-License-Identifier: MIT */
/* Getting a kernel's segments into a guest's memory. */
#ifndef BUILDER_LOAD_H
#define BUILDER_LOAD_H

#include "kernel.h"
#include "layout.h"
#include "../libxenctrl/xenctrl.h"

#define DIRECT_MAX	ELF_SEGMENTS_MAX

/* Bytes of the unpacked file that are unpacked right to where they belong. */
struct direct {
	u64 offset;		/* in the file, a multiple of pages */
	u64 pfn, count;		/* pages of the guest */
};

/*
 * direct_plan - which parts of an ELF file can lie in the guest's own pages while it is unpacked
 * @head, @len: the first bytes of the file, not trusted
 * @size: most bytes that it may have; @pages: of the guest
 *
 * Returns how many parts there are in @d; they are in order, and neither in the file nor in the guest do they overlap.
 * What is not a usable ELF file has none.
 */
unsigned int direct_plan(const void *head, size_t len, u64 size, u64 pages, struct direct d[DIRECT_MAX]);

/* Is each of these parts what the parsed file means? */
bool direct_right(const struct direct *d, unsigned int n, const struct elf_image *e);

struct loaded {
	struct xc *x;
	uint32_t domid;
	const uint64_t *mfn;
	uint8_t *area;		/* the file, unpacked; the direct parts of it are the guest's pages */
	size_t room;		/* bytes mapped there */
	u64 base;		/* guest's physical address of the first segment */
	struct direct direct[DIRECT_MAX];
	unsigned int n;
};

/*
 * load_kernel_file - unpack a kernel and parse it
 * @mfn, @pages: of the guest
 *
 * Returns 0; or -errno, with a sentence in @error about the file, or with that NULL and errno where a call failed.
 */
int load_kernel_file(struct loaded *ld, struct xc *x, uint32_t domid, const struct kernel_file *k, const uint64_t *mfn,
		     uint64_t pages, struct elf_image *e, const char **error);
/* Copies what is not where it belongs yet. All segments must lie in the guest's pages. 0, or -errno and errno. */
int load_segments(struct loaded *ld, const struct elf_image *e);
void load_close(struct loaded *ld);

#endif
