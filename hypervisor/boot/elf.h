/* SPDX-License-Identifier: MIT */
/* Reading the ELF image of a PV kernel: where its parts go, and what its Xen notes ask for. */
#ifndef BOOT_ELF_H
#define BOOT_ELF_H

#include "lib/types.h"

#define ELF_SEGMENTS_MAX 16

/* Note types of owner "Xen" (xen/elfnote.h). */
enum xen_note {
	XEN_NOTE_INFO,
	XEN_NOTE_ENTRY,
	XEN_NOTE_HYPERCALL_PAGE,
	XEN_NOTE_VIRT_BASE,
	XEN_NOTE_PADDR_OFFSET,
	XEN_NOTE_XEN_VERSION,
	XEN_NOTE_GUEST_OS,
	XEN_NOTE_GUEST_VERSION,
	XEN_NOTE_LOADER,
	XEN_NOTE_PAE_MODE,
	XEN_NOTE_FEATURES,
	XEN_NOTE_BSD_SYMTAB,
	XEN_NOTE_HV_START_LOW,
	XEN_NOTE_L1_MFN_VALID,
	XEN_NOTE_SUSPEND_CANCEL,
	XEN_NOTE_INIT_P2M,
	XEN_NOTE_MOD_START_PFN,
	XEN_NOTE_SUPPORTED_FEATURES,
	XEN_NOTE_PHYS32_ENTRY,
	XEN_NOTES
};

/* A LOAD segment. Only paddr says where it goes: a p_vaddr may be anything (Linux's per-CPU data has 0). */
struct elf_segment {
	u64 offset, filesz; /* in the file, bytes */
	u64 paddr, memsz;   /* in the kernel's physical addresses, before PADDR_OFFSET; bytes */
};

struct elf_image {
	const u8 *image;
	u64 len;
	struct elf_segment segment[ELF_SEGMENTS_MAX];
	u32 segments;

	u64 pstart, pend;  /* of all segments, in p_paddr terms */
	u64 vstart, vend;  /* the same as virtual addresses: + virt_base - paddr_offset */
	u64 entry;	   /* virtual; the ENTRY note, or else the file's e_entry */
	u64 virt_base, paddr_offset;

	u32 notes; /* bit n: a note of type n (enum xen_note) was there */
	bool xen_version_ok, loader_ok; /* "xen-3.0" and "generic" */
	bool has_hypercall_page, has_init_p2m, has_phys32_entry;
	bool mod_start_pfn;  /* the initrd need not be mapped, mod_start is a frame number */
	bool suspend_cancel; /* suspend may return 1 */
	u64 hypercall_page;  /* virtual */
	u64 p2m_base;	     /* virtual; where the p2m list goes (INIT_P2M) */
	u64 hv_start_low;    /* virtual; 0 if not said */
	u64 l1_mfn_mask, l1_mfn_valid;
	u64 phys32_entry;    /* physical; the PVH entry */
	u32 supported_features;
	char guest_os[16], guest_version[32], features[128]; /* printable, cut if longer; "" where not said */

	const char *error; /* one sentence (static), NULL if the image is usable */
};

/*
 * elf_parse - understand a kernel image
 * @image, @len: an ELF file, not trusted; it must stay where it is as long as
 *	@e is used
 * @e: filled in as far as it went
 *
 * Returns 0, or -EINVAL with e->error when the file is damaged, is no ELF64
 * x86-64 EXEC file, or can't run as a PV guest. What is promised on success:
 * every segment's file part lies in the file, its filesz is at most its memsz,
 * and all of them lie in [pstart, pend); the addresses [vstart, vend) do not
 * wrap, are canonical and outside of the hypervisor's hole; entry is among
 * them, and so is the whole hypercall page if there is one. Segments may
 * overlap. pstart need not be at a page boundary.
 */
int elf_parse(const void *image, u64 len, struct elf_image *e);

/*
 * elf_load - hand out the segments of a parsed image
 * @put: called for each in file order: @paddr_off is bytes from e->pstart, @src
 *	and @filesz what to copy there, and up to @memsz is to be zeroed; it
 *	returns 0 or an error, which ends the loading
 *
 * Returns 0 or what @put returned.
 */
int elf_load(const struct elf_image *e,
	     int (*put)(void *ctx, u64 paddr_off, const void *src, u64 filesz, u64 memsz), void *ctx);

#endif
