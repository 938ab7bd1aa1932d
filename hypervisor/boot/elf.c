// SPDX-License-Identifier: MIT
/*
 * The ELF image of a PV kernel.
 *
 * Problem: an image says in three places where it wants to be, and only one of
 * them is to be believed. A PV kernel runs with paging on from its first
 * instruction, at virtual address p_paddr - PADDR_OFFSET + VIRT_BASE, the last
 * two being notes of owner "Xen". p_vaddr is not used: Linux links its per-CPU
 * data at 0. The rest of the notes tells how to start it (xen/elfnote.h).
 *
 * Notes are looked for in the PT_NOTE segments and, where there are none of
 * Xen's, in the sections of type NOTE.
 *
 * Invariants:
 *  1. no byte outside [image, image+len) is read; every range from the file is
 *     checked by in_file() before use.
 *  2. texts are copied out, so that they end and can be printed.
 *  3. sums of two numbers from the file are checked for wrapping.
 *
 * No locks and no state.
 */
#include "boot/elf.h"
#include "lib/errno.h"
#include "lib/string.h"

/* System V ABI and its x86-64 supplement: layouts and numbers of ELF64. */
struct elf_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_program {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_section {
	u32 name, type;
	u64 flags, addr, offset, size;
	u32 link, info;
	u64 addralign, entsize;
};

struct elf_note {
	u32 namesz, descsz, type;
};

_Static_assert(sizeof(struct elf_header) == 64, "ELF64 header");
_Static_assert(sizeof(struct elf_program) == 56, "ELF64 program header");
_Static_assert(sizeof(struct elf_section) == 64, "ELF64 section header");

#define CLASS_64 2
#define DATA_LITTLE 1
#define TYPE_EXEC 2
#define MACHINE_X86_64 62
#define PROGRAM_LOAD 1
#define PROGRAM_NOTE 4
#define SECTION_NOTE 7

/* The hypervisor's part of every address space (abi 1.7), and the end of the lower half. */
#define HOLE_START 0xffff800000000000ull
#define HOLE_END 0xffff880000000000ull
#define LOWER_END 0x0000800000000000ull

static int bad(struct elf_image *e, const char *error)
{
	e->error = error;
	return -EINVAL;
}

static bool in_file(const struct elf_image *e, u64 offset, u64 size)
{
	return offset <= e->len && size <= e->len - offset;
}

/* Copy a structure out, since nothing in the file need be aligned. The range has been checked. */
static void get(const struct elf_image *e, u64 offset, void *to, u64 size)
{
	memcpy(to, e->image + offset, size);
}

/* ---- notes ---- */

/* A number of 1, 2, 4 or 8 bytes, 0 for any other size. */
static u64 note_number(const u8 *desc, u64 size)
{
	u64 v = 0;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		return 0;
	memcpy(&v, desc, size);
	return v;
}

/* Copy a note's text, which may lack its NUL (Linux's FEATURES does), and is cut if too long. */
static void note_text(char *to, u64 room, const u8 *desc, u64 size)
{
	u64 i;

	for (i = 0; i < size && i < room - 1 && desc[i]; i++)
		to[i] = desc[i] >= ' ' && desc[i] <= '~' ? desc[i] : '?';
	to[i] = 0;
}

static void xen_text_note(struct elf_image *e, u32 type, const u8 *desc, u64 size)
{
	char word[16];

	switch (type) {
	case XEN_NOTE_XEN_VERSION:
		note_text(word, sizeof(word), desc, size);
		e->xen_version_ok = !strcmp(word, "xen-3.0");
		break;
	case XEN_NOTE_LOADER:
		note_text(word, sizeof(word), desc, size);
		e->loader_ok = !strcmp(word, "generic");
		break;
	case XEN_NOTE_GUEST_OS:
		note_text(e->guest_os, sizeof(e->guest_os), desc, size);
		break;
	case XEN_NOTE_GUEST_VERSION:
		note_text(e->guest_version, sizeof(e->guest_version), desc, size);
		break;
	case XEN_NOTE_FEATURES:
		note_text(e->features, sizeof(e->features), desc, size);
		break;
	}
}

/* One note of owner "Xen". Of a note that comes twice the last counts. */
static int xen_note(struct elf_image *e, u32 type, const u8 *desc, u64 size)
{
	u64 v = note_number(desc, size);

	switch (type) {
	case XEN_NOTE_ENTRY:
		e->entry = v;
		break;
	case XEN_NOTE_HYPERCALL_PAGE:
		e->hypercall_page = v;
		e->has_hypercall_page = true;
		break;
	case XEN_NOTE_VIRT_BASE:
		e->virt_base = v;
		break;
	case XEN_NOTE_PADDR_OFFSET:
		e->paddr_offset = v;
		break;
	case XEN_NOTE_HV_START_LOW:
		e->hv_start_low = v;
		break;
	case XEN_NOTE_L1_MFN_VALID:
		/* Pairs of mask and value; all kernels have one. */
		if (size < 16)
			return bad(e, "has an L1_MFN_VALID note that is too short");
		memcpy(&e->l1_mfn_mask, desc, 8);
		memcpy(&e->l1_mfn_valid, desc + 8, 8);
		break;
	case XEN_NOTE_SUSPEND_CANCEL:
		e->suspend_cancel = v;
		break;
	case XEN_NOTE_INIT_P2M:
		e->p2m_base = v;
		e->has_init_p2m = true;
		break;
	case XEN_NOTE_MOD_START_PFN:
		e->mod_start_pfn = v;
		break;
	case XEN_NOTE_SUPPORTED_FEATURES:
		e->supported_features = v;
		break;
	case XEN_NOTE_PHYS32_ENTRY:
		e->phys32_entry = v;
		e->has_phys32_entry = true;
		break;
	case XEN_NOTE_XEN_VERSION:
	case XEN_NOTE_LOADER:
	case XEN_NOTE_GUEST_OS:
	case XEN_NOTE_GUEST_VERSION:
	case XEN_NOTE_FEATURES:
		xen_text_note(e, type, desc, size);
		break;
	}
	if (type < XEN_NOTES)
		e->notes |= 1u << type;
	return 0;
}

/* All notes in @size bytes of the file at @offset, each part padded to @align (4 or 8) bytes. */
static int read_notes(struct elf_image *e, u64 offset, u64 size, u64 align)
{
	const u8 *base;
	u64 at = 0;

	if (!in_file(e, offset, size))
		return bad(e, "has notes that lie outside of the file");
	base = e->image + offset;
	while (size - at >= sizeof(struct elf_note)) {
		struct elf_note n;
		u64 name, desc, end;
		int err;

		get(e, offset + at, &n, sizeof(n));
		name = at + sizeof(n);
		desc = ALIGN_UP(name + n.namesz, align);
		end = desc + n.descsz;
		if (desc > size || end > size)
			return bad(e, "has a note that runs out of its segment");
		if (n.namesz == 4 && !memcmp(base + name, "Xen", 4)) {
			err = xen_note(e, n.type, base + desc, n.descsz);
			if (err)
				return err;
		}
		at = min(ALIGN_UP(end, align), size); /* the last may lack its padding */
	}
	return 0;
}

/* ---- segments ---- */

static int add_segment(struct elf_image *e, const struct elf_program *p)
{
	if (p->filesz > p->memsz || !in_file(e, p->offset, p->filesz) || p->paddr + p->memsz < p->paddr)
		return bad(e, "has a LOAD segment that lies outside of the file or has impossible sizes");
	if (!p->memsz)
		return 0;
	if (e->segments == ELF_SEGMENTS_MAX)
		return bad(e, "has more than 16 LOAD segments");
	e->pstart = e->segments ? min(e->pstart, p->paddr) : p->paddr;
	e->pend = max(e->pend, p->paddr + p->memsz);
	e->segment[e->segments++] = (struct elf_segment){
		.offset = p->offset,
		.filesz = p->filesz,
		.paddr = p->paddr,
		.memsz = p->memsz,
	};
	return 0;
}

static int read_programs(struct elf_image *e, const struct elf_header *h)
{
	if (h->phentsize != sizeof(struct elf_program) || !in_file(e, h->phoff, (u64)h->phnum * h->phentsize))
		return bad(e, "has program headers that lie outside of the file");
	for (u32 i = 0; i < h->phnum; i++) {
		struct elf_program p;
		int err = 0;

		get(e, h->phoff + i * sizeof(p), &p, sizeof(p));
		if (p.type == PROGRAM_LOAD)
			err = add_segment(e, &p);
		else if (p.type == PROGRAM_NOTE)
			err = read_notes(e, p.offset, p.filesz, p.align == 8 ? 8 : 4);
		if (err)
			return err;
	}
	return e->segments ? 0 : bad(e, "has no LOAD segment");
}

static int read_note_sections(struct elf_image *e, const struct elf_header *h)
{
	if (!h->shnum)
		return 0;
	if (h->shentsize != sizeof(struct elf_section) || !in_file(e, h->shoff, (u64)h->shnum * h->shentsize))
		return bad(e, "has section headers that lie outside of the file");
	for (u32 i = 0; i < h->shnum; i++) {
		struct elf_section s;
		int err;

		get(e, h->shoff + i * sizeof(s), &s, sizeof(s));
		if (s.type != SECTION_NOTE)
			continue;
		err = read_notes(e, s.offset, s.size, s.addralign == 8 ? 8 : 4);
		if (err)
			return err;
	}
	return 0;
}

/* ---- the whole ---- */

/* Are [start, end) addresses that a guest may have something at? */
static bool guest_range(u64 start, u64 end)
{
	return start < end && (end <= LOWER_END || start >= HOLE_END);
}

/* From physical to virtual, and whether the kernel can be where it wants to be. */
static int place(struct elf_image *e)
{
	u64 shift = e->virt_base - e->paddr_offset;

	e->vstart = e->pstart + shift;
	e->vend = e->pend + shift;
	if (e->virt_base % PAGE_SIZE || e->paddr_offset % PAGE_SIZE)
		return bad(e, "has a note VIRT_BASE or PADDR_OFFSET that is not at a page boundary");
	if (e->pstart < e->paddr_offset || !guest_range(e->vstart, e->vend) || e->vstart < e->virt_base)
		return bad(e, "wants to be at addresses it can't have (see its notes VIRT_BASE and PADDR_OFFSET)");
	if (e->entry < e->vstart || e->entry >= e->vend)
		return bad(e, "has its entry point outside of its own segments");
	if (e->has_hypercall_page && (e->hypercall_page % PAGE_SIZE || e->hypercall_page < e->vstart ||
				      e->hypercall_page >= e->vend || e->vend - e->hypercall_page < PAGE_SIZE))
		return bad(e, "has its hypercall page outside of its own segments");
	if (e->has_init_p2m && (e->p2m_base % PAGE_SIZE || !guest_range(e->p2m_base, e->p2m_base + PAGE_SIZE) ||
				(e->p2m_base >= e->virt_base && e->p2m_base < e->vend)))
		return bad(e, "wants its p2m list at an address that it can't have (see its note INIT_P2M)");
	return 0;
}

static int check_header(struct elf_image *e, const struct elf_header *h)
{
	if (memcmp(h->ident, "\177ELF", 4))
		return bad(e, "is not an ELF file");
	if (h->ident[4] != CLASS_64 || h->ident[5] != DATA_LITTLE || h->machine != MACHINE_X86_64)
		return bad(e, "is an ELF file, but not for x86-64");
	if (h->type != TYPE_EXEC)
		return bad(e, "is an ELF file, but not an executable with fixed addresses (type EXEC)");
	return 0;
}

/* Do the notes tell of a PV kernel that we can start? */
static int check_notes(struct elf_image *e)
{
	if (!e->notes)
		return bad(e, "has no Xen notes: it was built without support for running as a Xen PV guest");
	if (!(e->notes & 1u << XEN_NOTE_XEN_VERSION) && e->has_phys32_entry)
		return bad(e, "can be started as a PVH guest only: it was built without support for Xen PV");
	if (!e->xen_version_ok)
		return bad(e, "is for another version of the Xen interface (its note XEN_VERSION is not xen-3.0)");
	if (!e->loader_ok)
		return bad(e, "needs a boot loader of its own (its note LOADER is not generic)");
	if (e->notes & 1u << XEN_NOTE_PADDR_OFFSET && !(e->notes & 1u << XEN_NOTE_VIRT_BASE))
		return bad(e, "has a note PADDR_OFFSET, but no VIRT_BASE");
	return 0;
}

int elf_parse(const void *image, u64 len, struct elf_image *e)
{
	struct elf_header h;
	int err;

	memset(e, 0, sizeof(*e));
	e->image = image;
	e->len = len;
	if (len < sizeof(h))
		return bad(e, "is too short for an ELF file");
	get(e, 0, &h, sizeof(h));
	err = check_header(e, &h);
	if (err)
		return err;
	e->entry = h.entry;
	err = read_programs(e, &h);
	if (!err && !e->notes)
		err = read_note_sections(e, &h);
	if (!err)
		err = check_notes(e);
	return err ? err : place(e);
}

int elf_load(const struct elf_image *e,
	     int (*put)(void *ctx, u64 paddr_off, const void *src, u64 filesz, u64 memsz), void *ctx)
{
	for (u32 i = 0; i < e->segments; i++) {
		const struct elf_segment *s = &e->segment[i];
		int err = put(ctx, s->paddr - e->pstart, e->image + s->offset, s->filesz, s->memsz);

		if (err)
			return err;
	}
	return 0;
}
