// SPDX-License-Identifier: MIT
/*
 * Memory of domains: giving it, and mapping it here.
 *
 * Pages of another domain are mapped by the kernel, which knows how to put them into this program's page tables
 * (privcmd ioctls MMAPBATCH_V2 and MMAP_RESOURCE). Room in the address space comes from mmap() of /dev/xen/privcmd;
 * the ioctl may be used once for each of its pages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "call.h"

#define FRAMES_IN_DATA	(DATA_BYTES / sizeof(uint64_t))

long xc_populate(struct xc *x, uint32_t domid, uint64_t *frames, unsigned long count, unsigned int order,
		 uint32_t mem_flags)
{
	unsigned long done = 0;

	while (done < count) {
		unsigned long n = count - done < FRAMES_IN_DATA ? count - done : FRAMES_IN_DATA;
		struct xen_memory_reservation arg = {
			.extent_start = address(x->data), .nr_extents = n, .extent_order = order,
			.mem_flags = mem_flags, .domid = domid,
		};
		long got;

		memcpy(x->data, frames + done, n * sizeof(*frames));
		got = xc_memory_op(x, XENMEM_populate_physmap, &arg, sizeof(arg));
		if (got < 0)
			return done ? (long)done : xc_fail(x, -got, "giving memory to domain %u", domid);
		memcpy(frames + done, x->data, got * sizeof(*frames));
		done += got;
		if ((unsigned long)got < n)
			break;
	}
	return done;
}

int xc_claim_pages(struct xc *x, uint32_t domid, unsigned long pages)
{
	struct xen_memory_reservation arg = { .nr_extents = pages, .domid = domid };
	long result = xc_memory_op(x, XENMEM_claim_pages, &arg, sizeof(arg));

	return result < 0 ? xc_fail(x, -result, "setting aside %lu KiB of memory for domain %u", pages * 4, domid) : 0;
}

int xc_set_memory_map(struct xc *x, uint32_t domid, const struct xen_e820_entry *map, unsigned int entries)
{
	struct xen_foreign_memory_map arg = {
		.domid = domid, .map = { .nr_entries = entries, .buffer = address(x->data) }
	};
	long result;

	if (entries > DATA_BYTES / sizeof(*map))
		return xc_fail(x, E2BIG, "setting the memory map of domain %u", domid);
	memcpy(x->data, map, entries * sizeof(*map));
	result = xc_memory_op(x, XENMEM_set_memory_map, &arg, sizeof(arg));
	return result < 0 ? xc_fail(x, -result, "setting the memory map of domain %u", domid) : 0;
}

long xc_domain_pages(struct xc *x, uint32_t domid)
{
	domid_t arg = domid;
	long result = xc_memory_op(x, XENMEM_current_reservation, &arg, sizeof(arg));

	return result < 0 ? xc_fail(x, -result, "asking for the memory of domain %u", domid) : result;
}

/* --- mapping ------------------------------------------------------------------------------- */

/* Room in the address space, at @where if that is not NULL. */
static void *map_room(struct xc *x, void *where, int prot, size_t pages)
{
	void *p = mmap(where, pages << XC_PAGE_SHIFT, prot, MAP_SHARED | (where ? MAP_FIXED : 0), x->privcmd, 0);

	if (p == MAP_FAILED) {
		xc_fail(x, errno, "finding room to map %zu pages", pages);
		return NULL;
	}
	return p;
}

static int map_frames(struct xc *x, void *where, uint32_t domid, const uint64_t *frames, size_t count, int *err)
{
	struct {
		uint32_t count;
		domid_t domid;
		uint64_t where;
		const uint64_t *frames;
		int *err;
	} arg = { .count = count, .domid = domid, .where = address(where), .frames = frames, .err = err };
	int *errors = err ? err : calloc(count, sizeof(*errors));
	long result;

	if (!errors)
		return xc_fail(x, ENOMEM, "mapping %zu pages of domain %u", count, domid);
	arg.err = errors;
	result = count ? xc_ioctl(x, XEN_IOCTL('P', 4, sizeof(arg)), &arg) : 0;
	for (size_t i = 0; !err && i < count && !result; i++)
		result = errors[i];
	if (!err)
		free(errors);
	return result < 0 ? xc_fail(x, -result, "mapping %zu pages of domain %u", count, domid) : 0;
}

void *xc_map(struct xc *x, uint32_t domid, int prot, const uint64_t *frames, size_t count, int *err)
{
	void *p = map_room(x, NULL, prot, count);

	if (p && map_frames(x, p, domid, frames, count, err) < 0) {
		int saved = errno;

		xc_unmap(x, p, count);
		errno = saved;
		return NULL;
	}
	return p;
}

int xc_map_at(struct xc *x, void *where, uint32_t domid, int prot, const uint64_t *frames, size_t count)
{
	return map_room(x, where, prot, count) ? map_frames(x, where, domid, frames, count, NULL) : -errno;
}

void xc_unmap(struct xc *x, void *p, size_t pages)
{
	(void)x;
	if (p)
		munmap(p, pages << XC_PAGE_SHIFT);
}

void *xc_map_resource(struct xc *x, uint32_t domid, uint32_t type, uint32_t id, uint64_t first, size_t count)
{
	struct {
		domid_t domid;
		uint32_t type, id, first;
		uint64_t count, where;
	} arg = { .domid = domid, .type = type, .id = id, .first = first, .count = count };
	void *p = map_room(x, NULL, PROT_READ | PROT_WRITE, count);
	long result;

	if (!p)
		return NULL;
	arg.where = address(p);
	result = xc_ioctl(x, XEN_IOCTL('P', 7, sizeof(arg)), &arg);
	if (result < 0) {
		xc_unmap(x, p, count);
		xc_fail(x, -result, "mapping resource %u of domain %u", type, domid);
		return NULL;
	}
	return p;
}

int xc_mmuext(struct xc *x, uint32_t domid, unsigned int command, uint64_t mfn)
{
	struct mmuext_op op = { .cmd = command, .arg1 = { .mfn = mfn } };
	void *call = xc_argument(x, &op, sizeof(op));
	long result = xc_hypercall(x, __HYPERVISOR_mmuext_op, address(call), 1, 0, domid, 0);

	return result < 0 ? xc_fail(x, -result, "page table call %u on frame %#llx of domain %u", command,
				    (unsigned long long)mfn, domid) : 0;
}
