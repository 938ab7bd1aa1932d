// SPDX-License-Identifier: MIT
/*
 * xl dump-core: a domain's memory and vcpus as an ELF file of the form that Xen's tools and crash(8) know (Xen's
 * docs/misc/dump-core-format): no segments but sections.
 *
 *	.note.Xen		what it is: pages and vcpus, the hypervisor
 *	.xen_prstatus		struct vcpu_guest_context of each vcpu that ever was up
 *	.xen_shared_info	the shared info page
 *	.xen_pages		the pages, one behind the other
 *	.xen_p2m		for each of them its pfn and its mfn
 *
 * A PV kernel itself keeps the table of its frames and says where: as an address in a page table of its own (p2m_vaddr
 * under p2m_cr3), older ones as a tree of frames (pfn_to_mfn_frame_list_list). All of that is the guest's word: each
 * frame is mapped by the hypervisor's leave only, and what can't be mapped is left out.
 *
 * The domain goes on meanwhile, as with xl of 4.17; pause it to have one moment of it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xen/version.h>
#include "xl.h"

#define FOLDER		"/var/lib/xen/dump"
#define PFNS_MOST	(1ULL << 36)
#define HOLES		(1ULL << 20)	/* page numbers without memory, besides as many as there are pages: 4 GiB */
#define BATCH		512			/* pages that are mapped at once */
#define NOTE_MAGIC_PV	0xf00febedULL
#define NOTE_NONE	0x2000000
#define NOTE_HEADER	0x2000001
#define NOTE_XEN	0x2000002
#define NOTE_FORMAT	0x2000003

enum section { NONE, NAMES, NOTE, PRSTATUS, SHARED_INFO, P2M, PAGES, SECTIONS };
static const char names[] = "\0.shstrtab\0.note.Xen\0.xen_prstatus\0.xen_shared_info\0.xen_p2m\0.xen_pages";

struct p2m_entry {
	uint64_t pfn, mfn;
};

struct core {
	uint32_t domid;
	int fd;
	const char *path;
	struct shared_info *shared;
	uint64_t *p2m;				/* mfn of each pfn below max_pfn */
	uint64_t max_pfn;
	struct p2m_entry *entries;		/* of the pages that were written */
	uint64_t nr;
	unsigned int vcpus;
	uint64_t offset;			/* of what is written next */
	Elf64_Shdr headers[SECTIONS];
	/* What its kernel says is believed up to here, or it could fill dom0's memory and disk. */
	uint64_t most_pages, most_pfns;
};

/* --- the guest's table of its frames --------------------------------------------------------------- */

static void *map(uint32_t domid, const uint64_t *frames, size_t count)
{
	return xc_map(xl_xc(), domid, PROT_READ, frames, count, NULL);
}

/* One entry of a page-table page; 0 if it is not there. */
static uint64_t entry_of(uint32_t domid, uint64_t mfn, unsigned int index)
{
	uint64_t *page = map(domid, &mfn, 1), value;

	if (!page)
		return 0;
	value = page[index];
	xc_unmap(xl_xc(), page, 1);
	return value & 1 ? value : 0;
}

#define ENTRY_FRAME(e)	(((e) & 0x000ffffffffff000ULL) >> 12)

/* Frames of the table's pages by walking the page table, one L1 page (2 MiB of addresses) after the other. */
static bool find_by_address(struct core *c, uint64_t *frames, uint64_t count)
{
	uint64_t root = c->shared->arch.p2m_cr3 >> 12, address = c->shared->arch.p2m_vaddr;
	uint64_t done = 0;

	while (done < count) {
		uint64_t at = address + (done << 12), mfn = root, *page;

		for (int level = 4; level > 1; level--) {
			uint64_t e = entry_of(c->domid, mfn, at >> (12 + 9 * (level - 1)) & 511);

			/* A table of large pages isn't one of a PV guest. */
			if (!e || (level < 4 && e & 0x80))
				return false;
			mfn = ENTRY_FRAME(e);
		}
		page = map(c->domid, &mfn, 1);
		if (!page)
			return false;
		for (unsigned int i = at >> 12 & 511; i < 512 && done < count; i++) {
			if (!(page[i] & 1)) {
				xc_unmap(xl_xc(), page, 1);
				return false;
			}
			frames[done++] = ENTRY_FRAME(page[i]);
		}
		xc_unmap(xl_xc(), page, 1);
	}
	return true;
}

/* The same by the tree: a page of frames of pages of frames. */
static bool find_by_tree(struct core *c, uint64_t *frames, uint64_t count)
{
	uint64_t root = c->shared->arch.pfn_to_mfn_frame_list_list, *top = map(c->domid, &root, 1);
	uint64_t done = 0;
	bool good = top;

	while (good && done < count) {
		uint64_t mfn = done / 512 < 512 ? top[done / 512] : 0, *page = mfn ? map(c->domid, &mfn, 1) : NULL;
		uint64_t n = count - done < 512 ? count - done : 512;

		good = page;
		if (page) {
			memcpy(frames + done, page, n * sizeof(*frames));
			xc_unmap(xl_xc(), page, 1);
		}
		done += n;
	}
	if (top)
		xc_unmap(xl_xc(), top, 1);
	return good;
}

static void read_p2m(struct core *c)
{
	uint64_t pages, *frames;
	bool found;

	c->max_pfn = c->shared->arch.max_pfn;
	if (!c->max_pfn)
		xl_die("domain %u can't be dumped: its kernel hasn't said yet where its memory is", c->domid);
	if (c->max_pfn > c->most_pfns)
		xl_die("domain %u can't be dumped: its kernel speaks of %llu pages, with %llu that it may have", c->domid,
		       (unsigned long long)c->max_pfn, (unsigned long long)c->most_pages);
	pages = (c->max_pfn + 511) / 512;
	frames = calloc(pages, sizeof(*frames));
	c->p2m = malloc(pages * XC_PAGE_SIZE);
	if (!frames || !c->p2m)
		xl_die("no memory for a table of %llu frames", (unsigned long long)c->max_pfn);
	found = c->shared->arch.p2m_cr3 ? find_by_address(c, frames, pages) : find_by_tree(c, frames, pages);
	if (!found)
		xl_die("domain %u can't be dumped: the table of its frames can't be found where its kernel says", c->domid);
	for (uint64_t done = 0; done < pages; done += BATCH) {
		size_t n = pages - done < BATCH ? pages - done : BATCH;
		void *part = map(c->domid, frames + done, n);

		if (!part)
			xl_die("domain %u can't be dumped: a part of the table of its frames can't be mapped", c->domid);
		memcpy((uint8_t *)c->p2m + done * XC_PAGE_SIZE, part, n * XC_PAGE_SIZE);
		xc_unmap(xl_xc(), part, n);
	}
	free(frames);
}

/* --- writing -------------------------------------------------------------------------------------- */

static void put_at(struct core *c, uint64_t offset, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = pwrite(c->fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int err = n ? errno : ENOSPC;

			unlink(c->path);
			xl_die("writing %s: %s; nothing is left of it", c->path, strerror(err));
		}
		p += n;
		len -= n;
		offset += n;
	}
}

static void begin(struct core *c, enum section section, uint32_t type, uint64_t align, uint64_t entry)
{
	Elf64_Shdr *h = &c->headers[section];
	const char *name = names;

	for (unsigned int i = 0; i < section; i++)
		name += strlen(name) + 1;
	c->offset = (c->offset + align - 1) / align * align;
	h->sh_name = name - names;
	h->sh_type = type;
	h->sh_offset = c->offset;
	h->sh_addralign = align;
	h->sh_entsize = entry;
}

static void add(struct core *c, enum section section, const void *data, size_t len)
{
	put_at(c, c->offset, data, len);
	c->offset += len;
	c->headers[section].sh_size += len;
}

static void put_vcpus(struct core *c, const struct xen_domctl_getdomaininfo *d)
{
	struct vcpu_guest_context *context = malloc(sizeof(*context));

	if (!context)
		abort();
	begin(c, PRSTATUS, SHT_PROGBITS, 8, sizeof(*context));
	for (uint32_t vcpu = 0; vcpu <= d->max_vcpu_id; vcpu++) {
		/* One that is offline has a context if it ever ran. */
		if (xc_vcpu_get_context(xl_xc(), c->domid, vcpu, context) < 0)
			continue;
		add(c, PRSTATUS, context, sizeof(*context));
		c->vcpus++;
	}
	free(context);
}

static void show_progress(uint64_t done, uint64_t all)
{
	static int last = -1;
	int percent = all ? done * 100 / all : 100;

	if ((!xl.progress_cr && !isatty(2)) || percent == last)
		return;
	last = percent;
	fprintf(stderr, "\rxl: dumping memory: %3d %%%s", percent, percent == 100 ? "\n" : "");
}

static void put_pages(struct core *c)
{
	uint64_t frames[BATCH], pfns[BATCH];
	int errors[BATCH];

	begin(c, PAGES, SHT_PROGBITS, XC_PAGE_SIZE, XC_PAGE_SIZE);
	for (uint64_t pfn = 0; pfn < c->max_pfn;) {
		size_t n = 0;
		uint8_t *part;

		/* The two highest bits: a page of another domain, or memory of a device. */
		for (; pfn < c->max_pfn && n < BATCH; pfn++)
			if (!(c->p2m[pfn] >> 62)) {
				frames[n] = c->p2m[pfn];
				pfns[n++] = pfn;
			}
		part = n ? xc_map(xl_xc(), c->domid, PROT_READ, frames, n, errors) : NULL;
		for (size_t i = 0; part && i < n; i++) {
			if (errors[i])
				continue;
			if (c->nr == c->most_pages) {
				unlink(c->path);
				xl_die("domain %u can't be dumped: its kernel's table has more pages than it may have", c->domid);
			}
			add(c, PAGES, part + i * XC_PAGE_SIZE, XC_PAGE_SIZE);
			c->entries[c->nr++] = (struct p2m_entry){ pfns[i], frames[i] };
		}
		if (part)
			xc_unmap(xl_xc(), part, n);
		show_progress(pfn, c->max_pfn);
	}
}

/* --- notes and headers -------------------------------------------------------------------------------- */

struct note {
	uint32_t name_size, size, type;
	char name[4];
};

static size_t put_note(uint8_t *buf, uint32_t type, const void *data, size_t size)
{
	const struct note note = { 4, size, type, "Xen" };

	memcpy(buf, &note, sizeof(note));
	memcpy(buf + sizeof(note), data, size);
	return sizeof(note) + (size + 3) / 4 * 4;
}

struct note_xen {
	uint64_t major, minor;
	char extra[16];
	char compiler[64], by[16], domain[32], date[32];
	char capabilities[1024];
	char changeset[64];
	uint64_t virt_start;
	uint64_t page_size;
};

static void ask_xen(struct note_xen *xen)
{
	long version = xc_version(xl_xc(), XENVER_version, NULL, 0);

	xen->major = version >> 16;
	xen->minor = version & 0xffff;
	xc_version(xl_xc(), XENVER_extraversion, xen->extra, sizeof(xen->extra));
	xc_version(xl_xc(), XENVER_compile_info, xen->compiler, sizeof(struct xen_compile_info));
	xc_version(xl_xc(), XENVER_capabilities, xen->capabilities, sizeof(xen->capabilities));
	xc_version(xl_xc(), XENVER_changeset, xen->changeset, sizeof(xen->changeset));
	xc_version(xl_xc(), XENVER_platform_parameters, &xen->virt_start, sizeof(xen->virt_start));
	xen->page_size = XC_PAGE_SIZE;
}

/* Last, when it is known how much there is. */
static void put_notes(struct core *c)
{
	const uint64_t header[4] = { NOTE_MAGIC_PV, c->vcpus, c->nr, XC_PAGE_SIZE }, format = 1;
	struct note_xen xen = { 0 };
	uint8_t buf[2048] = { 0 };
	size_t n = 0;

	ask_xen(&xen);
	n += put_note(buf + n, NOTE_NONE, NULL, 0);
	n += put_note(buf + n, NOTE_HEADER, header, sizeof(header));
	n += put_note(buf + n, NOTE_XEN, &xen, sizeof(xen));
	n += put_note(buf + n, NOTE_FORMAT, &format, sizeof(format));
	begin(c, NOTE, SHT_NOTE, 4, 0);
	add(c, NOTE, buf, n);
}

static void put_headers(struct core *c)
{
	Elf64_Ehdr e = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT, ELFOSABI_SYSV },
		.e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_shoff = sizeof(e), .e_ehsize = sizeof(e),
		.e_shentsize = sizeof(Elf64_Shdr), .e_shnum = SECTIONS, .e_shstrndx = NAMES,
	};

	put_at(c, 0, &e, sizeof(e));
	put_at(c, sizeof(e), c->headers, sizeof(c->headers));
}

static void dump(struct core *c, const struct xen_domctl_getdomaininfo *d)
{
	uint64_t frame = d->shared_info_frame;

	c->shared = map(c->domid, &frame, 1);
	if (!c->shared)
		xl_die("domain %u can't be dumped: its shared info page can't be mapped", c->domid);
	read_p2m(c);
	c->entries = malloc(c->max_pfn * sizeof(*c->entries));
	if (!c->entries)
		xl_die("no memory for a table of %llu pages", (unsigned long long)c->max_pfn);
	c->fd = open(c->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (c->fd < 0)
		xl_die("%s can't be written: %s", c->path, strerror(errno));
	c->offset = sizeof(Elf64_Ehdr) + sizeof(c->headers);
	put_vcpus(c, d);
	begin(c, SHARED_INFO, SHT_PROGBITS, 8, XC_PAGE_SIZE);
	add(c, SHARED_INFO, c->shared, XC_PAGE_SIZE);
	put_pages(c);
	begin(c, P2M, SHT_PROGBITS, 8, sizeof(*c->entries));
	add(c, P2M, c->entries, c->nr * sizeof(*c->entries));
	put_notes(c);
	begin(c, NAMES, SHT_STRTAB, 1, 0);
	add(c, NAMES, names, sizeof(names));
	put_headers(c);
	if (fsync(c->fd) || close(c->fd))
		xl_die("writing %s: %s", c->path, strerror(errno));
}

int verb_dump_core(int argc, char **argv)
{
	struct xen_domctl_getdomaininfo info;
	struct core c = { 0 };
	char path[512];

	while (xl_option(argc, argv, "", NULL, 1) != -1)
		;
	c.domid = xl_domain(argv[optind]);
	xl_domain_info(c.domid, &info);
	if (info.flags & XEN_DOMINF_hvm_guest)
		xl_die("domain %u is no PV guest; others can't be dumped yet", c.domid);
	c.path = argv[optind + 1];
	if (!c.path) {
		char *name = xl_domain_name(c.domid);

		mkdir(FOLDER, 0700);
		snprintf(path, sizeof(path), FOLDER "/%s", name);
		for (char *p = path + strlen(FOLDER "/"); *p; p++)
			if (*p == '/')
				*p = '_';
		free(name);
		c.path = path;
	}
	c.most_pages = info.max_pages > info.tot_pages ? info.max_pages : info.tot_pages;
	c.most_pfns = c.most_pages > PFNS_MOST / 2 ? PFNS_MOST : 2 * c.most_pages + HOLES;
	dump(&c, &info);
	xl_log("%llu pages of domain %u are in %s", (unsigned long long)c.nr, c.domid, c.path);
	free(c.p2m);
	free(c.entries);
	return 0;
}
