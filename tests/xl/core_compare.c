// SPDX-License-Identifier: MIT
/*
 * core-compare A B: do two dumps of one paused domain hold the same? Sections are found by name, pages by pfn. Ours and
 * Debian's xl differ in what they leave out: it is named, and an error if it is more than a page in a hundred.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct dump {
	const uint8_t *data;
	size_t size;
	const Elf64_Ehdr *e;
	const Elf64_Shdr *s;
};

struct entry {
	uint64_t pfn, mfn;
};

static void fail(const char *what, const char *path)
{
	printf("core-compare: %s: %s\n", path, what);
	exit(1);
}

static struct dump load(const char *path)
{
	struct dump d;
	struct stat st;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st) || st.st_size < (off_t)sizeof(Elf64_Ehdr))
		fail("can't be read", path);
	d.size = st.st_size;
	d.data = mmap(NULL, d.size, PROT_READ, MAP_PRIVATE, fd, 0);
	d.e = (const void *)d.data;
	if (d.data == MAP_FAILED || memcmp(d.e->e_ident, ELFMAG, 4) || d.e->e_type != ET_CORE || d.e->e_machine != EM_X86_64)
		fail("is no core", path);
	d.s = (const void *)(d.data + d.e->e_shoff);
	return d;
}

static const Elf64_Shdr *section(const struct dump *d, const char *name)
{
	const char *names = (const char *)d->data + d->s[d->e->e_shstrndx].sh_offset;

	for (int i = 0; i < d->e->e_shnum; i++)
		if (!strcmp(names + d->s[i].sh_name, name) && d->s[i].sh_offset + d->s[i].sh_size <= d->size)
			return &d->s[i];
	printf("core-compare: there is no section %s\n", name);
	exit(1);
}

static int by_pfn(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->pfn < y->pfn ? -1 : x->pfn > y->pfn;
}

int main(int argc, char **argv)
{
	struct dump a = load(argv[1]), b = load(argv[2]);
	const Elf64_Shdr *pa = section(&a, ".xen_p2m"), *pb = section(&b, ".xen_p2m");
	const Elf64_Shdr *da = section(&a, ".xen_pages"), *db = section(&b, ".xen_pages");
	const Elf64_Shdr *va = section(&a, ".xen_prstatus"), *vb = section(&b, ".xen_prstatus");
	const struct entry *ea = (const void *)(a.data + pa->sh_offset), *eb = (const void *)(b.data + pb->sh_offset);
	size_t na = pa->sh_size / sizeof(*ea), nb = pb->sh_size / sizeof(*eb), same = 0, only = 0, differ = 0;

	section(&a, ".note.Xen");
	section(&a, ".xen_shared_info");
	if (da->sh_size / 4096 != na || db->sh_size / 4096 != nb)
		fail("pages and their table don't agree", argv[1]);
	if (va->sh_size != vb->sh_size || memcmp(a.data + va->sh_offset, b.data + vb->sh_offset, va->sh_size))
		fail("the vcpus differ", argv[1]);
	for (size_t i = 0; i < na; i++) {
		const struct entry *e = bsearch(&ea[i], eb, nb, sizeof(*eb), by_pfn);

		if (!e)
			only++;
		else if (e->mfn == ea[i].mfn &&
			 !memcmp(a.data + da->sh_offset + i * 4096, b.data + db->sh_offset + (e - eb) * 4096, 4096))
			same++;
		else
			differ++;
	}
	printf("core-compare: %zu pages the same, %zu differ, %zu are in the first only, %zu in the second only\n", same, differ,
	       only, nb - same - differ);
	return differ || only * 100 > na || (nb - same) * 100 > nb;
}
