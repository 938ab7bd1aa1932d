// SPDX-License-Identifier: MIT
/*
 * Lets Debian's xl parse configurations on a Linux without Xen ("xl create -n"), so that what it makes of them can be
 * compared with ours: a library for LD_PRELOAD with the few calls of libxenctrl and libxenstore that it makes then.
 * The machine it shows has four CPUs, one node, PV and HVM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <xenctrl.h>
#include <xenstore.h>

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *builder, unsigned int flags)
{
	return (xc_interface *)1;
}

int xc_interface_close(xc_interface *xch)
{
	return 0;
}

struct xs_handle *xs_open(unsigned long flags)
{
	return (struct xs_handle *)1;
}

void xs_close(struct xs_handle *xsh)
{
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
	errno = ENOENT;
	return NULL;
}

int xc_version(xc_interface *xch, int cmd, void *arg)
{
	if (arg)
		memset(arg, 0, 16);
	return cmd == XENVER_version ? 4 << 16 | 17 : cmd == XENVER_pagesize ? 4096 : 0;
}

int xc_physinfo(xc_interface *xch, xc_physinfo_t *info)
{
	memset(info, 0, sizeof(*info));
	info->threads_per_core = 1;
	info->cores_per_socket = 4;
	info->nr_cpus = 4;
	info->max_cpu_id = 3;
	info->nr_nodes = 1;
	info->total_pages = 1 << 20;
	info->free_pages = 1 << 19;
	info->capabilities = 0x3ff;
	return 0;
}

long xc_memory_op(xc_interface *xch, unsigned int cmd, void *arg, size_t len);
long xc_memory_op(xc_interface *xch, unsigned int cmd, void *arg, size_t len)
{
	return 0;
}

int xc_get_max_cpus(xc_interface *xch)
{
	return 4;
}

int xc_get_online_cpus(xc_interface *xch)
{
	return 4;
}

int xc_get_max_nodes(xc_interface *xch)
{
	return 1;
}

int xc_flask_sid_to_context(xc_interface *xch, int sid, char *buf, uint32_t size)
{
	errno = ENOSYS;
	return -1;
}

int xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned int max, xc_dominfo_t *info)
{
	return 0;
}

int xc_domain_getinfolist(xc_interface *xch, uint32_t first, unsigned int max, xc_domaininfo_t *info)
{
	return 0;
}

int xc_cputopoinfo(xc_interface *xch, unsigned *max, xc_cputopo_t *topo)
{
	if (topo)
		for (unsigned int i = 0; i < 4 && i < *max; i++)
			topo[i] = (xc_cputopo_t){ .core = i, .socket = 0, .node = 0 };
	*max = 4;
	return 0;
}

/* Shared and saved pages. */
long xc_sharing_freed_pages(xc_interface *xch)
{
	return 0;
}

long xc_sharing_used_frames(xc_interface *xch)
{
	return 0;
}
