// SPDX-License-Identifier: MIT
/*
 * Building dom0: from a kernel image to a vcpu that can run (abi.md section 1).
 *
 * Its pseudo-physical memory, by pfn from 0, no holes:
 *
 *   0 ................ chunk: mapped at VIRT_BASE: (gap) kernel, start_info, page tables, boot stack, slack
 *   chunk ............ initramfs (not mapped)
 *   first_p2m ........ the p2m list and the tables that map it at INIT_P2M
 *   ................. everything else, only listed in the p2m
 *
 * A kernel without INIT_P2M or MOD_START_PFN notes gets list and initramfs
 * inside the chunk instead, behind the kernel.
 *
 * A kernel that is not packed and the initramfs stay where the loader put them:
 * whole pages of theirs become dom0's, and only what shares a page is copied.
 *
 * Order matters for memory: the unpacked kernel and the modules are freed
 * before dom0 is given the rest, so that it gets their frames too. The tables
 * are filled by plain stores and then promoted like any guest's, which counts
 * every reference and proves that what we built is what we demand of others.
 */
#include "boot/dom0_pv.h"
#include "boot/bzimage.h"
#include "boot/elf.h"
#include "core/domain.h"
#include "core/physdev.h"
#include "core/sched.h"
#include "core/seam.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "pv/vcpu_pv.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/irq.h"
#include "x86/microcode.h"
#include "x86/paging.h"
#include "x86/policy.h"
#include "x86/uart.h"

#define CHUNK_ALIGN MiB(4)   /* v_end, abi.md 1.2 */
#define CHUNK_SLACK KiB(512) /* at least this much behind the boot stack */

/* Frames of a boot module that dom0 gets as they are. */
struct piece {
	u64 pfn, mfn, nr;
};

struct build {
	struct domain *d;
	struct elf_image elf;
	u64 nr_pages;      /* of dom0 in the end */
	u64 given;         /* pfns that have a frame so far */
	u64 *p2m;          /* the list, at its place in dom0's memory */
	u64 chunk;         /* pages */
	u64 start_info, tables, nr_tables, next_table, stack, p2m_pfn, initrd_pfn; /* pfns */
	u64 p2m_pages;     /* frames of the list itself */
	u64 p2m_tables;    /* frames of the tables that map it */
	u64 next_p2m_table;
	u64 initrd_len;    /* bytes */
	bool p2m_inside, initrd_inside;
	struct piece piece[8]; /* ascending by pfn, none overlaps another */
	u32 nr_pieces;
};

static struct build build __initdata;

/* The first frame at or after `mfn` that is of piece `p`, or `end`. */
static u64 __init piece_begin(const struct piece *p, u64 mfn, u64 end)
{
	return p->mfn + p->nr <= mfn || p->mfn >= end ? end : max(p->mfn, mfn);
}

/* A module's whole frames go to the heap, but for those that dom0 has got. */
static void __init give_back(const struct build *b, u64 maddr, u64 bytes)
{
	u64 at = PFN_UP(maddr), end = PFN_DOWN(maddr + bytes);

	while (at < end) {
		const struct piece *next = NULL;
		u64 begin = end;

		for (u32 i = 0; i < b->nr_pieces; i++) {
			if (piece_begin(&b->piece[i], at, end) < begin) {
				next = &b->piece[i];
				begin = piece_begin(next, at, end);
			}
		}
		page_alloc_add(MFN(at), begin - at);
		if (next)
			page_alloc_adopt(next->nr);
		at = next ? next->mfn + next->nr : end;
	}
}

/* `bytes` of contiguous memory; the tail that the power of two does not need goes back. */
static void *__init contiguous(u64 bytes, const char *what)
{
	u64 pages = PFN_UP(bytes);
	unsigned order = 0;
	mfn_t m;

	while (1ULL << order < pages)
		order++;
	m = order > PAGE_ALLOC_MAX_ORDER ? INVALID_MFN : alloc_pages(order, 0, ALLOC_NOSCRUB);
	if (mfn_eq(m, INVALID_MFN))
		hv_stop("not enough memory for dom0: no %llu KiB in one piece for %s",
			 (unsigned long long)(bytes >> 10), what);
	for (u64 p = pages; p < 1ULL << order; p++)
		free_pages(MFN(m.m + p), 0, false);
	return mfn_to_virt(m);
}

/* The ELF image of module 0: unpacked to *buffer where it is packed. */
static void __init find_kernel(const struct boot_module *mod, struct elf_image *elf, void **buffer, u64 *buffer_len)
{
	struct image_info info;
	struct decode_result r;
	const void *image = maddr_to_virt(mod->start);
	void *work;
	u64 len = mod->len;

	if (image_probe(image, len, &info))
		hv_stop("dom0 kernel (module 0, \"%.60s\"): %s", mod->cmdline, info.error);
	*buffer_len = 0;
	if (info.kind != IMAGE_ELF) {
		*buffer = contiguous(info.unpacked_len, "the unpacked dom0 kernel");
		*buffer_len = info.unpacked_len;
		work = contiguous(DECODE_WORK_BYTES, "unpacking");
		if (image_unpack(&info, *buffer, info.unpacked_len, work, &r))
			hv_stop("dom0 kernel (module 0, \"%.60s\"): %s payload: %s", mod->cmdline,
				 info.packing_name, r.error);
		for (u64 p = 0; p < DECODE_WORK_BYTES / PAGE_SIZE; p++)
			free_pages(MFN(virt_to_mfn(work).m + p), 0, false);
		image = *buffer;
		len = r.out_len;
	}
	if (elf_parse(image, len, elf))
		hv_stop("dom0 kernel (module 0, \"%.60s\"): %s", mod->cmdline, elf->error);
	hv_log(LOG_INFO, "dom0 kernel: %s, virtual %#llx-%#llx, entry %#llx\n", info.packing_name,
	       (unsigned long long)elf->vstart, (unsigned long long)elf->vend, (unsigned long long)elf->entry);
}

/* --- Layout ----------------------------------------------------------------------------------- */

/* Tables that map va..va+bytes: how many of level `level`. */
static u64 __init tables_for(u64 va, u64 bytes, unsigned level)
{
	unsigned shift = 12 + 9 * level;

	return ((va + bytes - 1) >> shift) - (va >> shift) + 1;
}

static void __init lay_out(struct build *b)
{
	const struct elf_image *e = &b->elf;
	u64 next = PFN_UP(e->vend - e->virt_base), pages;

	b->p2m_inside = !e->has_init_p2m;
	b->initrd_inside = !e->mod_start_pfn;
	b->p2m_pages = PFN_UP(b->nr_pages * 8);
	if (b->initrd_inside && b->initrd_len) {
		b->initrd_pfn = next;
		next += PFN_UP(b->initrd_len);
	}
	if (b->p2m_inside) {
		b->p2m_pfn = next;
		next += b->p2m_pages;
	}
	b->start_info = next++;
	b->tables = next;
	/* The tables map themselves: more tables, a longer range, perhaps more tables. */
	for (b->nr_tables = 4;; b->nr_tables++) {
		u64 end = (next + b->nr_tables + 1) * PAGE_SIZE + CHUNK_SLACK;

		end = ALIGN_UP(e->virt_base + end, CHUNK_ALIGN) - e->virt_base;
		pages = end / PAGE_SIZE;
		if (1 + tables_for(e->virt_base, end, 1) + tables_for(e->virt_base, end, 2) +
			    tables_for(e->virt_base, end, 3) <= b->nr_tables)
			break;
	}
	b->stack = b->tables + b->nr_tables;
	b->chunk = pages;
	next = pages;
	if (!b->initrd_inside && b->initrd_len) {
		b->initrd_pfn = next;
		next += PFN_UP(b->initrd_len);
	}
	if (!b->p2m_inside) {
		u64 bytes = b->p2m_pages * PAGE_SIZE;

		b->p2m_pfn = next;
		b->p2m_tables = tables_for(e->p2m_base, bytes, 1) + tables_for(e->p2m_base, bytes, 2) +
				tables_for(e->p2m_base, bytes, 3);
		next += b->p2m_pages + b->p2m_tables;
	}
	if (next > b->nr_pages)
		hv_stop("dom0_mem: dom0 needs at least %llu MiB for its kernel, initramfs and tables and has %llu MiB",
			 (unsigned long long)(next >> 8) + 1, (unsigned long long)(b->nr_pages >> 8));
}

/* --- Memory --------------------------------------------------------------------------------------- */

static u64 __init mfn_of(const struct build *b, u64 pfn)
{
	return b->p2m[pfn];
}

static void *__init at(const struct build *b, u64 pfn)
{
	return mfn_to_virt(MFN(mfn_of(b, pfn)));
}

static void __init add_frames(struct build *b, mfn_t m, u64 n)
{
	assign_pages(m, n, b->d);
	for (u64 i = 0; i < n; i++) {
		b->p2m[b->given + i] = m.m + i;
		m2p_set(MFN(m.m + i), b->given + i);
	}
	b->given += n;
}

/* Whole pages among `bytes` at `src` in a module, for dom0's memory from byte `where` on. */
static void __init note_piece(struct build *b, u64 where, const void *src, u64 bytes)
{
	struct piece new;
	u64 maddr = virt_to_maddr(src), skip = -where & (PAGE_SIZE - 1);

	if (bytes < skip + PAGE_SIZE || (maddr + skip) & (PAGE_SIZE - 1) || b->nr_pieces == ARRAY_SIZE(b->piece))
		return;
	new = (struct piece){ PFN_DOWN(where + skip), PFN_DOWN(maddr + skip), (bytes - skip) / PAGE_SIZE };
	/* Segments that overlap, or are out of order, are copied. */
	for (u32 i = 0; i < b->nr_pieces; i++) {
		const struct piece *p = &b->piece[i];

		if (new.pfn < p->pfn + p->nr || (new.mfn < p->mfn + p->nr && p->mfn < new.mfn + new.nr))
			return;
	}
	b->piece[b->nr_pieces++] = new;
}

static int __init note_segment(void *ctx, u64 off, const void *src, u64 filesz, u64 memsz)
{
	struct build *b = ctx;

	(void)memsz;
	note_piece(b, b->elf.vstart - b->elf.virt_base + off, src, filesz);
	return 0;
}

/* Frames for pfns up to `upto`, in blocks as large as there are. */
static void __init give_free_frames(struct build *b, u64 upto)
{
	unsigned order = 9;

	while (b->given < upto) {
		mfn_t m;

		while (order && (1ULL << order > upto - b->given))
			order--;
		m = alloc_pages(order, 0, ALLOC_NOSCRUB | ALLOC_NOINFO);
		if (mfn_eq(m, INVALID_MFN)) {
			if (!order)
				hv_stop("not enough memory for dom0: %llu of %llu MiB could be had",
					 (unsigned long long)(b->given >> 8), (unsigned long long)(b->nr_pages >> 8));
			order--;
			continue;
		}
		add_frames(b, m, 1ULL << order);
	}
}

/* Frames for pfns up to `upto`: those of the modules, and free ones between. */
static void __init give_frames(struct build *b, u64 upto)
{
	for (u32 i = 0; i < b->nr_pieces; i++) {
		const struct piece *p = &b->piece[i];
		u64 end = min(upto, p->pfn + p->nr);

		if (b->given >= end)
			continue;
		give_free_frames(b, min(upto, p->pfn));
		if (b->given < end)
			add_frames(b, MFN(p->mfn + b->given - p->pfn), end - b->given);
	}
	give_free_frames(b, upto);
}

static int __init load_segment(void *ctx, u64 off, const void *src, u64 filesz, u64 memsz)
{
	struct build *b = ctx;
	u64 where = b->elf.vstart - b->elf.virt_base + off, done = 0;

	while (done < memsz) {
		u64 in_page = (where + done) & (PAGE_SIZE - 1), n = min(PAGE_SIZE - in_page, memsz - done);
		u8 *dst = (u8 *)at(b, PFN_DOWN(where + done)) + in_page;
		u64 copy = done < filesz ? min(n, filesz - done) : 0;

		if (copy && dst != (const u8 *)src + done)
			memcpy(dst, (const u8 *)src + done, copy);
		if (n > copy)
			memset(dst + copy, 0, n - copy);
		done += n;
	}
	return 0;
}

static void __init copy_initrd(struct build *b, const struct boot_module *mod)
{
	const u8 *src = maddr_to_virt(mod->start);

	for (u64 off = 0; off < mod->len; off += PAGE_SIZE) {
		void *dst = at(b, b->initrd_pfn + off / PAGE_SIZE);

		if (dst != src + off)
			memcpy(dst, src + off, min(PAGE_SIZE, mod->len - off));
	}
}

/* --- Page tables ------------------------------------------------------------------------------------ */

static u64 *__init table_page(u64 pfn, struct build *b)
{
	u64 *t = at(b, pfn);

	clear_page(t);
	return t;
}

static void __init map_one(struct build *b, u64 *l4, u64 va, u64 pfn, bool writable, u64 *next_table)
{
	u64 *table = l4;

	for (unsigned level = 4; level > 1; level--) {
		u64 *e = &table[va >> (12 + 9 * (level - 1)) & 511];

		if (!(*e & PTE_P)) {
			u64 t = (*next_table)++;

			table_page(t, b);
			*e = mfn_of(b, t) << PAGE_SHIFT | PTE_P | PTE_RW | PTE_U | PTE_A | PTE_D;
		}
		table = maddr_to_virt(*e & PTE_MFN_MASK);
	}
	table[va >> 12 & 511] = mfn_of(b, pfn) << PAGE_SHIFT | PTE_P | PTE_U | PTE_A | PTE_D |
				(writable ? PTE_RW : 0) | PTE_GUEST_KERNEL;
}

static void __init build_tables(struct build *b)
{
	u64 *l4 = table_page(b->tables, b);
	u64 next = b->tables + 1, p2m_next = b->p2m_pfn + b->p2m_pages;

	for (u64 pfn = 0; pfn < b->chunk; pfn++) {
		bool is_table = pfn >= b->tables && pfn < b->tables + b->nr_tables;

		map_one(b, l4, b->elf.virt_base + pfn * PAGE_SIZE, pfn, !is_table, &next);
	}
	/* Spare table pages stay empty L1s to be: cleared, so that nothing of old is in them. */
	for (; next < b->tables + b->nr_tables; next++)
		table_page(next, b);
	if (!b->p2m_inside)
		for (u64 i = 0; i < b->p2m_pages; i++)
			map_one(b, l4, b->elf.p2m_base + i * PAGE_SIZE, b->p2m_pfn + i, true, &p2m_next);
}

static void __init promote(struct build *b, struct vcpu *v)
{
	mfn_t l4 = MFN(mfn_of(b, b->tables));
	int rc;

	do {
		rc = pin_page_table(v, l4, b->d, 4);
		while (rc == -ERESTART && pt_job_resume(v))
			;
	} while (rc == -ERESTART);
	pt_job_settle(v);
	if (!rc)
		rc = get_page_table(v, l4, b->d, 4); /* for cr3 */
	if (rc)
		hv_panic("dom0's first page tables were refused (error %d)", rc);
	v->pv.kernel_cr3 = l4.m << PAGE_SHIFT;
}

/* --- start_info --------------------------------------------------------------------------------------- */

static const char *__init kernel_options(const struct bootinfo *bi)
{
	const char *line = bi->module[0].cmdline;

	if (!bi->named)
		return line;
	while (*line == ' ')
		line++;
	while (*line && *line != ' ')
		line++;
	while (*line == ' ')
		line++;
	return line;
}

/*
 * Linux takes 100 us for the least time that it can set its timer ahead, since
 * Xen's own timers are that lazy: a sleep of 1 us takes 100. Ours come when
 * they are due, so it may set them as close as setting one takes on hardware.
 */
#define LINUX_TIMER_WORD "xen_timer_slop=4000 "

/*
 * What dom0 must be told to find the ACPI tables: it looks below 1 MiB itself, as on
 * a BIOS, but not elsewhere. 0: nothing.
 */
static u64 __init rsdp_to_tell(const struct bootinfo *bi)
{
	if (bi->rsdp < MiB(1))
		return 0;
	/* A copy that the loader made. Its place will be RAM of dom0 or others. */
	if (e820_any(&bi->e820, bi->rsdp, bi->rsdp + 1, E820_RAM)) {
		if (bi->efi)
			hv_log(LOG_WARNING, "the loader copied the RSDP and does not say from where: dom0 finds no ACPI tables\n");
		return 0;
	}
	return bi->rsdp;
}

static void __init fill_command_line(struct start_info *si, const struct build *b, const struct bootinfo *bi,
				     const struct hv_options *o)
{
	const char *opts = kernel_options(bi), *extra = o->dom0_extra ? o->dom0_extra : "";
	u64 rsdp = rsdp_to_tell(bi);
	char first[80] = "";
	size_t n = 0;

	/* In front, so that the user's own words come later and hold. */
	if (!strcmp(b->elf.guest_os, "linux"))
		n = snprintf_hv(first, sizeof(first), LINUX_TIMER_WORD);
	if (rsdp)
		snprintf_hv(first + n, sizeof(first) - n, "acpi_rsdp=%#llx ", (unsigned long long)rsdp);
	if (snprintf_hv((char *)si->cmd_line, MAX_GUEST_CMDLINE, "%s%s%s%s", first, opts, *extra ? " " : "", extra) >=
	    MAX_GUEST_CMDLINE)
		hv_log(LOG_WARNING, "dom0's command line is cut at %d characters\n", MAX_GUEST_CMDLINE - 1);
}

/* What the screen shows now, for dom0's kernel to go on from. On UEFI without a framebuffer nothing is known. */
static void __init fill_screen(struct start_info *si, const struct bootinfo *bi)
{
	struct dom0_vga_console_info *vga = (void *)(si + 1);
	const struct boot_framebuffer *fb = &bi->fb;
	unsigned colours = fb->red_size + fb->green_size + fb->blue_size;

	si->console.dom0.info_off = sizeof(*si);
	si->console.dom0.info_size = fb->base || !bi->efi ? sizeof(*vga) : 0;
	if (!fb->base) {
		vga->video_type = XEN_VGATYPE_TEXT_MODE_3;
		vga->u.text_mode_3.font_height = 16;
		vga->u.text_mode_3.rows = 25;
		vga->u.text_mode_3.columns = 80;
		return;
	}
	vga->video_type = bi->efi ? XEN_VGATYPE_EFI_LFB : XEN_VGATYPE_VESA_LFB;
	vga->u.vesa_lfb.width = fb->width;
	vga->u.vesa_lfb.height = fb->height;
	vga->u.vesa_lfb.bytes_per_line = fb->pitch;
	vga->u.vesa_lfb.bits_per_pixel = fb->bpp;
	vga->u.vesa_lfb.lfb_base = fb->base;
	vga->u.vesa_lfb.ext_lfb_base = fb->base >> 32;
	vga->u.vesa_lfb.lfb_size = ((u64)fb->pitch * fb->height + KiB(64) - 1) / KiB(64);
	vga->u.vesa_lfb.red_pos = fb->red_pos;
	vga->u.vesa_lfb.red_size = fb->red_size;
	vga->u.vesa_lfb.green_pos = fb->green_pos;
	vga->u.vesa_lfb.green_size = fb->green_size;
	vga->u.vesa_lfb.blue_pos = fb->blue_pos;
	vga->u.vesa_lfb.blue_size = fb->blue_size;
	if (colours < fb->bpp) {
		vga->u.vesa_lfb.rsvd_pos = colours;
		vga->u.vesa_lfb.rsvd_size = fb->bpp - colours;
	}
}

static void __init fill_start_info(struct build *b, const struct bootinfo *bi, const struct hv_options *o)
{
	u8 *page = at(b, b->start_info);
	struct start_info *si = (struct start_info *)page;

	clear_page(page);
	memcpy(si->magic, "xen-3.0-x86_64p", 16);
	si->nr_pages = b->nr_pages;
	si->shared_info = b->d->shared_info_mfn.m << PAGE_SHIFT;
	si->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
	si->pt_base = b->elf.virt_base + b->tables * PAGE_SIZE;
	si->nr_pt_frames = b->nr_tables;
	if (b->p2m_inside) {
		si->mfn_list = b->elf.virt_base + b->p2m_pfn * PAGE_SIZE;
	} else {
		si->mfn_list = b->elf.p2m_base;
		si->first_p2m_pfn = b->p2m_pfn;
		si->nr_p2m_frames = b->p2m_pages + b->p2m_tables;
	}
	if (b->initrd_len) {
		si->mod_len = b->initrd_len;
		if (b->initrd_inside) {
			si->mod_start = b->elf.virt_base + b->initrd_pfn * PAGE_SIZE;
		} else {
			si->mod_start = b->initrd_pfn;
			si->flags |= SIF_MOD_START_PFN;
		}
	}
	fill_command_line(si, b, bi, o);
	fill_screen(si, bi);
}

/* --- Rights ----------------------------------------------------------------------------------------------- */

static void __init deny_ports(struct domain *d, u16 first, u16 last)
{
	if (rangeset_remove(d->ioports, first, last))
		hv_stop("no memory for dom0's port rights");
}

static void __init give_rights(struct domain *d)
{
	u64 last_frame = (1ULL << (host_cpu.phys_bits - PAGE_SHIFT)) - 1;

	if (rangeset_add(d->ioports, 0, 0xffff) || rangeset_add(d->iomem, 0, last_frame))
		hv_stop("no memory for dom0's rights");
	deny_ports(d, 0x20, 0x21);   /* the two 8259s */
	deny_ports(d, 0xa0, 0xa1);
	deny_ports(d, 0x40, 0x43);   /* PIT; channel 2 is let through by pv/emulate_priv.c */
	deny_ports(d, 0x61, 0x61);
	deny_ports(d, 0xcf8, 0xcff); /* PCI configuration: emulated */
	if (uart_port())
		deny_ports(d, uart_port(), uart_port() + 7);
	/* Local APIC and message window, IO-APICs. */
	rangeset_remove(d->iomem, 0xfee00, 0xfeeff);
	for (u64 f = 0xfec00; f < 0xfed00; f++)
		if (irq_owns_frame(f))
			rangeset_remove(d->iomem, f, f);
}

/* The first module behind the kernel that is not microcode; NULL for none. */
static const struct boot_module *__init initramfs_of(const struct bootinfo *bi, const struct hv_options *o)
{
	for (u32 i = 1; i < bi->nr_modules; i++)
		if ((s32)i != microcode_module(bi, o))
			return &bi->module[i];
	return NULL;
}

void __init dom0_build(const struct bootinfo *bi, const struct hv_options *o)
{
	struct xen_domctl_createdomain config = {
		.max_evtchn_port = EVTCHN_MAX_PORTS - 1, .max_grant_frames = -1, .max_maptrack_frames = -1,
	};
	struct build *b = &build;
	void *buffer = NULL, *p2m_area;
	u64 buffer_len, available, max_bytes;
	const struct boot_module *initrd;
	u32 vcpus;
	struct vcpu *v;

	if (!bi->nr_modules)
		hv_stop("no dom0 kernel: the loader passed no module (first module: kernel and its options, second: initramfs)");
	find_kernel(&bi->module[0], &b->elf, &buffer, &buffer_len);
	initrd = initramfs_of(bi, o);
	b->initrd_len = initrd ? initrd->len : 0;

	vcpus = min(nr_cpus, o->dom0_vcpus_max);
	vcpus = max(vcpus, o->dom0_vcpus_min);
	config.max_vcpus = vcpus;
	dom0 = b->d = domain_create(0, &config, true);
	if (!dom0 || pirqs_init(dom0))
		hv_stop("not enough memory for dom0: its structures don't fit");
	for (u32 i = 0; i < vcpus; i++)
		if (!vcpu_create(dom0, i))
			hv_stop("not enough memory for dom0: vcpu %u of %u", i, vcpus);
	v = dom0->vcpus[0];
	give_rights(dom0);

	available = free_page_count() * PAGE_SIZE + ALIGN_UP(buffer_len, PAGE_SIZE);
	for (u32 i = 0; i < bi->nr_modules; i++)
		available += ALIGN_DOWN(bi->module[i].len, PAGE_SIZE);
	b->nr_pages = cmdline_dom0_bytes(o, available, &max_bytes) / PAGE_SIZE;
	if (o->dom0_mem.given && !o->dom0_mem.less && o->dom0_mem.bytes > available)
		hv_log(LOG_ERR, "dom0_mem asks for %llu MiB of memory and %llu MiB are free: dom0 gets %llu MiB\n",
		       (unsigned long long)(o->dom0_mem.bytes >> 20), (unsigned long long)(available >> 20),
		       (unsigned long long)(b->nr_pages >> 8));
	/* Without a max: Linux would spend memory on describing what it might get one day. */
	dom0->max_pages = o->dom0_mem_max.given ? max(max_bytes / PAGE_SIZE, b->nr_pages) : b->nr_pages;
	lay_out(b);

	if (!buffer_len)
		elf_load(&b->elf, note_segment, b);
	if (b->initrd_len)
		note_piece(b, b->initrd_pfn * PAGE_SIZE, maddr_to_virt(initrd->start), b->initrd_len);
	/* The list comes first, since everything else is found through it. */
	p2m_area = contiguous((b->p2m_pages + b->p2m_tables) * PAGE_SIZE, "dom0's p2m list");
	b->p2m = p2m_area;
	memset(b->p2m, 0, b->p2m_pages * PAGE_SIZE);
	give_frames(b, b->p2m_pfn);
	add_frames(b, virt_to_mfn(p2m_area), b->p2m_pages + b->p2m_tables);
	give_frames(b, b->chunk);

	elf_load(&b->elf, load_segment, b);
	if (b->elf.has_hypercall_page)
		hypercall_page_fill(at(b, PFN_DOWN(b->elf.hypercall_page - b->elf.virt_base)));
	if (b->initrd_len)
		copy_initrd(b, initrd);
	if (buffer_len)
		for (u64 p = 0; p < PFN_UP(buffer_len); p++)
			free_pages(MFN(virt_to_mfn(buffer).m + p), 0, false);
	build_tables(b);
	fill_start_info(b, bi, o);
	for (u32 i = 0; i < bi->nr_modules; i++)
		give_back(b, bi->module[i].start, bi->module[i].len);
	give_frames(b, b->nr_pages);

	promote(b, v);
	dom0->shared_info->arch.max_pfn = b->nr_pages;
	v->pv.regs.rip = b->elf.entry;
	v->pv.regs.cs = GUEST_CS64;
	v->pv.regs.ss = GUEST_SS;
	v->pv.regs.rflags = RFLAGS_IF | 2;
	v->pv.regs.rsp = b->elf.virt_base + (b->stack + 1) * PAGE_SIZE;
	v->pv.regs.rsi = b->elf.virt_base + b->start_info * PAGE_SIZE;
	v->initialised = true;
	v->down = false;
	hv_log(LOG_INFO, "dom0: %llu MiB of memory, up to %llu MiB, %u vcpu%s\n",
	       (unsigned long long)(b->nr_pages >> 8), (unsigned long long)(dom0->max_pages >> 8), vcpus,
	       vcpus == 1 ? "" : "s");
}
