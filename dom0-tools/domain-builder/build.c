// SPDX-License-Identifier: MIT
/*
 * Building a PV guest.
 *
 * The domain exists and is empty. It gets its memory, its kernel is unpacked straight into it (load.c), what Linux or any
 * PV kernel wants to find at its start is put beside (layout.c says where), its root page table is pinned and the first
 * vcpu gets its registers. Then it may be unpaused.
 *
 * 1. The domain does not run while this goes on, so what is mapped here does not change under us.
 * 2. Nothing is undone on an error: the caller destroys the domain.
 * 3. Each page is mapped here once, in large batches: hypercalls, not bytes, are what a small guest costs.
 *
 * What the guest finds: xen/xen.h (struct start_info), xen/arch-x86_64.h (vcpu_guest_context).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xen/grant_table.h>
#include "build.h"
#include "kernel.h"
#include "load.h"

#define SUPERPAGE_ORDER	9
#define SUPERPAGE	(1u << SUPERPAGE_ORDER)

#define APART_LEAST	(1u << 20)	/* bytes of a kernel file that is worth a process */

#define CS_KERNEL	0xe033		/* FLAT_KERNEL_CS64 */
#define SS_KERNEL	0xe02b
#define FLAG_IF		0x200

struct build {
	struct xc *x;
	struct pv_guest *g;
	uint64_t *mfn;			/* of each pfn */
	struct loaded loaded;
	struct elf_image elf;
	struct layout l;
};

__attribute__((format(printf, 3, 4))) static int fail(struct build *b, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(b->g->error, sizeof(b->g->error), format, args);
	va_end(args);
	return -err;
}

/* A call failed; the sentence is libxenctrl's. */
static int failed(struct build *b)
{
	int err = errno;

	return fail(b, err ? err : EIO, "%s", xc_error(b->x));
}

/* --- files ----------------------------------------------------------------------------------- */

static int open_file(struct build *b, const char *what, const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		int err = errno;

		if (fd >= 0)
			close(fd);
		return fail(b, err, "%s %s: %s", what, path, strerror(err));
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return fail(b, EINVAL, "%s %s is not a file", what, path);
	}
	*len = st.st_size;
	return fd;
}

static int find_kernel(struct build *b, struct kernel_file *k)
{
	const char *error;
	int err = kernel_find(b->g->kernel_bytes, b->g->kernel_len, k, &error);

	return err ? fail(b, -err, "the kernel %s %s", b->g->kernel, error) : 0;
}

static int map_kernel(struct build *b)
{
	struct pv_guest *g = b->g;
	int fd = open_file(b, "the kernel", g->kernel, &g->kernel_len), err;
	void *p;

	if (fd < 0)
		return fd;
	if (!g->kernel_len) {
		close(fd);
		return fail(b, EINVAL, "the kernel %s is empty", g->kernel);
	}
	p = mmap(NULL, g->kernel_len, PROT_READ, MAP_PRIVATE, fd, 0);
	err = errno;
	close(fd);
	if (p == MAP_FAILED)
		return fail(b, err, "the kernel %s: %s", g->kernel, strerror(err));
	g->kernel_bytes = p;
	return 0;
}

int pv_open(struct pv_guest *g)
{
	struct build b = { .g = g };
	struct kernel_file k;
	int err;

	g->ramdisk_fd = -1;
	g->kernel_bytes = NULL;
	err = map_kernel(&b);
	err = err ? err : find_kernel(&b, &k);
	if (!err && g->ramdisk) {
		g->ramdisk_fd = open_file(&b, "the ramdisk", g->ramdisk, &g->ramdisk_len);
		err = g->ramdisk_fd < 0 ? g->ramdisk_fd : 0;
	}
	if (err)
		pv_close(g);
	return err;
}

void pv_close(struct pv_guest *g)
{
	if (g->kernel_bytes)
		munmap((void *)g->kernel_bytes, g->kernel_len);
	if (g->ramdisk_fd >= 0)
		close(g->ramdisk_fd);
	g->kernel_bytes = NULL;
	g->ramdisk_fd = -1;
}

/* --- memory ---------------------------------------------------------------------------------- */

/* Fills in mfn[first, first + count) by blocks of 2 MiB as long as there are such; returns how many pages that were. */
static uint64_t give_superpages(struct build *b, uint64_t blocks)
{
	uint64_t *block = calloc(blocks, sizeof(*block));
	long got;

	if (!block)
		return 0;
	for (uint64_t i = 0; i < blocks; i++)
		block[i] = i << SUPERPAGE_ORDER;
	got = xc_populate(b->x, b->g->domid, block, blocks, SUPERPAGE_ORDER, 0);
	if (got < 0)
		got = 0;
	for (uint64_t i = 0; i < (uint64_t)got << SUPERPAGE_ORDER; i++)
		b->mfn[i] = block[i >> SUPERPAGE_ORDER] + i % SUPERPAGE;
	free(block);
	return (uint64_t)got << SUPERPAGE_ORDER;
}

static int give_memory(struct build *b)
{
	uint64_t pages = b->g->pages, done;
	long got;

	b->mfn = malloc(pages * sizeof(*b->mfn));
	if (!b->mfn)
		return fail(b, ENOMEM, "no memory in dom0 for the list of the guest's pages");
	done = give_superpages(b, pages >> SUPERPAGE_ORDER);
	for (uint64_t i = done; i < pages; i++)
		b->mfn[i] = i;
	got = done < pages ? xc_populate(b->x, b->g->domid, b->mfn + done, pages - done, 0, 0) : 0;
	if (got < 0 || done + got < pages)
		return fail(b, ENOMEM, "there is not enough free memory for a guest of %llu MiB: it ended after %llu MiB",
			    (unsigned long long)pages >> 8, (unsigned long long)(done + (got > 0 ? got : 0)) >> 8);
	return 0;
}

static void *map_pages(struct build *b, uint64_t pfn, uint64_t count)
{
	return xc_map(b->x, b->g->domid, PROT_READ | PROT_WRITE, b->mfn + pfn, count, NULL);
}

/* --- what is put into it ----------------------------------------------------------------------- */

static int plan(struct build *b)
{
	const char *error;
	uint64_t needs;
	int err = layout_plan(&b->l, &b->elf, b->g->pages, b->g->ramdisk_len, &needs, &error);

	if (err == -ENOMEM)
		return fail(b, ENOMEM, "%llu MiB of memory are too few for kernel %s%s%s: it takes %llu MiB to start",
			    (unsigned long long)b->g->pages >> 8, b->g->kernel, b->g->ramdisk ? " and ramdisk " : "",
			    b->g->ramdisk ? b->g->ramdisk : "", (unsigned long long)(needs + 255) >> 8);
	return err ? fail(b, -err, "the kernel %s %s", b->g->kernel, error) : 0;
}

static int load_ramdisk(struct build *b)
{
	size_t done = 0, room = b->l.initrd.count << XC_PAGE_SHIFT;
	uint8_t *to;

	if (b->g->ramdisk_fd < 0 || !room)
		return 0;
	to = map_pages(b, b->l.initrd.pfn, b->l.initrd.count);
	if (!to)
		return failed(b);
	while (done < b->g->ramdisk_len) {
		ssize_t n = read(b->g->ramdisk_fd, to + done, b->g->ramdisk_len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int err = n ? errno : EIO;

			xc_unmap(b->x, to, b->l.initrd.count);
			return fail(b, err, "the ramdisk %s: %s", b->g->ramdisk, n ? strerror(err) : "it became shorter while it was read");
		}
		done += n;
	}
	memset(to + done, 0, room - done);
	xc_unmap(b->x, to, b->l.initrd.count);
	return 0;
}

static int write_p2m(struct build *b)
{
	size_t bytes = b->g->pages * sizeof(*b->mfn), room = b->l.p2m.count << XC_PAGE_SHIFT;
	uint8_t *p2m = map_pages(b, b->l.p2m.pfn, b->l.p2m.count);

	if (!p2m)
		return failed(b);
	memcpy(p2m, b->mfn, bytes);
	memset(p2m + bytes, 0xff, room - bytes);	/* no frame */
	xc_unmap(b->x, p2m, b->l.p2m.count);
	return 0;
}

static uint64_t address_of(const struct layout *l, uint64_t pfn)
{
	return l->virt_base + (pfn << XC_PAGE_SHIFT);
}

static void write_start_info(struct build *b, struct start_info *s, uint64_t shared_info_mfn)
{
	const struct layout *l = &b->l;

	*s = (struct start_info){
		.magic = "xen-3.0-x86_64",
		.nr_pages = b->g->pages,
		.shared_info = shared_info_mfn << XC_PAGE_SHIFT,
		.flags = SIF_VIRT_P2M_4TOOLS,
		.store_mfn = b->mfn[l->store],
		.store_evtchn = b->g->store_port,
		.console.domU = { .mfn = b->mfn[l->console], .evtchn = b->g->console_port },
		.pt_base = address_of(l, l->tables.pfn),
		.nr_pt_frames = l->tables.count,
		.mfn_list = l->p2m_address,
	};
	if (b->g->ramdisk_fd >= 0) {
		s->mod_len = b->g->ramdisk_len;
		s->mod_start = l->initrd_mapped ? address_of(l, l->initrd.pfn) : l->initrd.pfn;
		s->flags |= l->initrd_mapped ? 0 : SIF_MOD_START_PFN;
	}
	if (l->p2m_apart) {
		s->first_p2m_pfn = l->p2m.pfn;
		s->nr_p2m_frames = l->p2m.count + l->p2m_tables.count;
	}
	if (b->g->cmdline)
		strncpy((char *)s->cmd_line, b->g->cmdline, sizeof(s->cmd_line) - 1);
}

/* start_info, the two rings and the page tables follow each other, so one mapping has them all. */
static int write_start(struct build *b, uint64_t shared_info_mfn)
{
	const struct layout *l = &b->l;
	uint64_t pages = l->tables.pfn + l->tables.count - l->start_info;
	uint8_t *p = map_pages(b, l->start_info, pages), *p2m_tables = NULL;

	if (!p)
		return failed(b);
	memset(p, 0, pages << XC_PAGE_SHIFT);
	write_start_info(b, (struct start_info *)p, shared_info_mfn);
	if (l->p2m_tables.count) {
		p2m_tables = map_pages(b, l->p2m_tables.pfn, l->p2m_tables.count);
		if (!p2m_tables)
			return failed(b);
		memset(p2m_tables, 0, l->p2m_tables.count << XC_PAGE_SHIFT);
	}
	layout_tables(l, b->mfn, (uint64_t *)(p + ((l->tables.pfn - l->start_info) << XC_PAGE_SHIFT)),
		      (uint64_t *)p2m_tables);
	/* The root can be pinned only when nobody has a table mapped writable. */
	xc_unmap(b->x, p, pages);
	xc_unmap(b->x, p2m_tables, l->p2m_tables.count);
	return xc_mmuext(b->x, b->g->domid, MMUEXT_PIN_L4_TABLE, b->mfn[l->tables.pfn]) ? failed(b) : 0;
}

static int write_shared_info(struct build *b, uint64_t mfn)
{
	struct shared_info *s = xc_map(b->x, b->g->domid, PROT_READ | PROT_WRITE, &mfn, 1, NULL);

	if (!s)
		return failed(b);
	memset(s, 0, sizeof(*s));
	for (int i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		s->vcpu_info[i].evtchn_upcall_mask = 1;
	s->arch.max_pfn = b->g->pages;
	xc_unmap(b->x, s, 1);
	return 0;
}

/* The daemons of store and console map the rings by these, whatever the guest does with its grant table later. */
static int write_grants(struct build *b)
{
	struct grant_entry_v1 *grants = xc_map_resource(b->x, b->g->domid, XENMEM_resource_grant_table,
							XENMEM_resource_grant_table_id_shared, 0, 1);

	if (!grants)
		return failed(b);
	grants[GNTTAB_RESERVED_CONSOLE] = (struct grant_entry_v1){
		.flags = GTF_permit_access, .domid = b->g->console_domid, .frame = b->mfn[b->l.console]
	};
	grants[GNTTAB_RESERVED_XENSTORE] = (struct grant_entry_v1){
		.flags = GTF_permit_access, .domid = b->g->store_domid, .frame = b->mfn[b->l.store]
	};
	xc_unmap(b->x, grants, 1);
	return 0;
}

static int hypercall_page(struct build *b)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_hypercall_init, .domain = b->g->domid };

	if (!b->elf.has_hypercall_page)
		return 0;
	op.u.hypercall_init.gmfn = b->mfn[(b->elf.hypercall_page - b->elf.virt_base) >> XC_PAGE_SHIFT];
	return xc_domctl(b->x, &op, "filling the kernel's hypercall page") ? failed(b) : 0;
}

static int set_registers(struct build *b)
{
	const struct layout *l = &b->l;
	struct vcpu_guest_context *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return fail(b, ENOMEM, "no memory in dom0");
	c->flags = VGCF_in_kernel | VGCF_online;
	c->user_regs.rip = b->elf.entry;
	c->user_regs.rsp = address_of(l, l->stack + 1);
	c->user_regs.rsi = address_of(l, l->start_info);
	c->user_regs.rflags = FLAG_IF;
	c->user_regs.cs = CS_KERNEL;
	c->user_regs.ss = SS_KERNEL;
	c->kernel_ss = c->user_regs.ss;
	c->kernel_sp = c->user_regs.rsp;
	c->ctrlreg[3] = b->mfn[l->tables.pfn] << XC_PAGE_SHIFT;
	err = xc_vcpu_set_context(b->x, b->g->domid, 0, c) ? failed(b) : 0;
	free(c);
	return err;
}

/* --- the whole ----------------------------------------------------------------------------------- */

static int load_kernel(struct build *b)
{
	const char *error = NULL;
	struct kernel_file k;
	int err = find_kernel(b, &k);

	if (err)
		return err;
	err = load_kernel_file(&b->loaded, b->x, b->g->domid, &k, b->mfn, b->g->pages, &b->elf, &error);
	if (err)
		return error ? fail(b, -err, "the kernel %s %s", b->g->kernel, error) : failed(b);
	return 0;
}

static int fill(struct build *b)
{
	struct xen_domctl_getdomaininfo info;
	int err = xc_domain_info(b->x, b->g->domid, &info) ? failed(b) : give_memory(b);

	err = err ? err : load_kernel(b);
	err = err ? err : plan(b);
	err = err ? err : load_segments(&b->loaded, &b->elf) ? failed(b) : 0;
	err = err ? err : hypercall_page(b);
	err = err ? err : load_ramdisk(b);
	err = err ? err : write_p2m(b);
	err = err ? err : write_shared_info(b, info.shared_info_frame);
	err = err ? err : write_start(b, info.shared_info_frame);
	err = err ? err : set_registers(b);
	err = err ? err : write_grants(b);
	b->g->store_mfn = err ? 0 : b->mfn[b->l.store];
	b->g->console_mfn = err ? 0 : b->mfn[b->l.console];
	return err;
}

/*
 * In a process of its own, for a kernel of some size: its address space goes with it, with all that was mapped there, and
 * that is cheaper than to take thousands of pages of the guest out of a page table that lives on.
 */
static int fill_apart(struct build *b)
{
	struct pv_guest *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t pid;

	if (shared == MAP_FAILED)
		return fail(b, errno, "no memory in dom0");
	*shared = *b->g;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		b->g = shared;
		b->x = xc_open(shared->error, sizeof(shared->error));
		_exit(b->x ? -fill(b) : errno);
	}
	if (pid < 0)
		status = errno << 8;
	else
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
	*b->g = *shared;
	munmap(shared, sizeof(*shared));
	if (status && !b->g->error[0])
		return fail(b, EIO, "the process that builds the guest could not run or was killed");
	return -WEXITSTATUS(status);
}

int pv_build(struct xc *x, struct pv_guest *g)
{
	struct build b = { .x = x, .g = g };
	int err = g->kernel_len < APART_LEAST ? fill(&b) : fill_apart(&b);

	load_close(&b.loaded);
	free(b.mfn);
	return err;
}
