// SPDX-License-Identifier: MIT
/*
 * What of a kernel file can be unpacked right into the guest's pages.
 *
 * A kernel's ELF file is mostly its segments, and a linker puts each at an offset that is its address but for whole pages.
 * So the pages of the guest can be mapped where those pages of the file will come out of the decoder, and the largest
 * part of a kernel is written once, to where it stays. That needs the program headers before the rest is unpacked;
 * they are at the start of the file.
 *
 * The headers are read from bytes that nobody has checked yet. So nothing here is more than a guess: direct_right()
 * asks later whether it was right, when the whole file has been parsed.
 */
#include <elf.h>
#include <string.h>
#include "load.h"

/* Less than this is not worth a mapping of its own. */
#define DIRECT_LEAST	16

unsigned int direct_plan(const void *head, size_t len, u64 size, u64 pages, struct direct d[DIRECT_MAX])
{
	u64 offset_done = 0, pfn_done = 0;
	unsigned int n = 0;
	Elf64_Ehdr h;

	if (len < sizeof(h))
		return 0;
	memcpy(&h, head, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) || h.e_phentsize != sizeof(Elf64_Phdr) || h.e_phoff > len ||
	    h.e_phnum > (len - h.e_phoff) / sizeof(Elf64_Phdr))
		return 0;
	for (unsigned int i = 0; i < h.e_phnum && n < DIRECT_MAX; i++) {
		u64 start, end, pfn;
		Elf64_Phdr p;

		memcpy(&p, (const char *)head + h.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type != PT_LOAD || p.p_offset > size || p.p_filesz > size - p.p_offset ||
		    (p.p_offset - p.p_paddr) % PAGE_SIZE || p.p_paddr > pages << PAGE_SHIFT)
			continue;
		start = ALIGN_UP(p.p_offset, PAGE_SIZE);
		end = ALIGN_DOWN(p.p_offset + p.p_filesz, PAGE_SIZE);
		pfn = PFN_UP(p.p_paddr);
		if (end <= start || (end - start) >> PAGE_SHIFT < DIRECT_LEAST || start < offset_done || pfn < pfn_done ||
		    pfn + ((end - start) >> PAGE_SHIFT) > pages)
			continue;
		d[n++] = (struct direct){ .offset = start, .pfn = pfn, .count = (end - start) >> PAGE_SHIFT };
		offset_done = end;
		pfn_done = pfn + ((end - start) >> PAGE_SHIFT);
	}
	return n;
}

bool direct_right(const struct direct *d, unsigned int n, const struct elf_image *e)
{
	for (unsigned int i = 0; i < n; i++) {
		bool found = false;

		for (u32 s = 0; s < e->segments; s++) {
			u64 shift = d[i].offset - e->segment[s].offset;

			if (d[i].offset >= e->segment[s].offset && shift <= e->segment[s].filesz &&
			    d[i].count << PAGE_SHIFT <= e->segment[s].filesz - shift &&
			    e->segment[s].paddr - e->paddr_offset + shift == d[i].pfn << PAGE_SHIFT)
				found = true;
		}
		if (!found)
			return false;
	}
	return true;
}
