// SPDX-License-Identifier: MIT
/*
 * The page a domU shares with the console daemon: two byte rings. Indexes run freely and are taken modulo the
 * size of their ring; prod - cons bytes are waiting.
 */
#ifndef XEN_IO_CONSOLE_H
#define XEN_IO_CONSOLE_H

#include <xen/abi.h>

typedef uint32_t XENCONS_RING_IDX;

#define MASK_XENCONS_IDX(idx, ring)	((idx) & (sizeof(ring) - 1))

struct xencons_interface {
	char in[1024];
	char out[2048];
	XENCONS_RING_IDX in_cons, in_prod;
	XENCONS_RING_IDX out_cons, out_prod;
};
XEN_ABI_SIZE(struct xencons_interface, 3088);

#endif
