/* SPDX-License-Identifier: MIT */
/* Building a PV guest: memory, kernel, initrd, page tables, first vcpu. */
#ifndef BUILDER_BUILD_H
#define BUILDER_BUILD_H

#include <stdbool.h>
#include <stdint.h>
#include "../libxenctrl/xenctrl.h"

struct pv_guest {
	/* what is wanted */
	uint32_t domid;		/* made, with vcpus and a memory limit */
	const char *kernel;	/* path */
	const char *ramdisk;	/* path, or NULL */
	const char *cmdline;	/* or NULL */
	uint64_t pages;
	uint32_t store_domid, console_domid;
	uint32_t store_port, console_port;	/* the guest's, made for those domains */

	/* the files, from pv_open() to pv_close() */
	const void *kernel_bytes;
	size_t kernel_len, ramdisk_len;
	int ramdisk_fd;		/* -1 for none */

	/* what came out */
	uint64_t store_mfn, console_mfn;
	char error[400];	/* a sentence, if it did not */
};

/* Opens kernel and ramdisk; is the kernel one? Before anything is made. 0 or -errno with a sentence in g->error. */
int pv_open(struct pv_guest *g);
void pv_close(struct pv_guest *g);

/*
 * pv_build - fill a new domain, up to the registers of vcpu 0
 *
 * Returns 0 or -errno with a sentence in g->error; then the domain may have part of its memory, and is to be destroyed.
 */
int pv_build(struct xc *x, struct pv_guest *g);

#endif
