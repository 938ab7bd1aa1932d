// SPDX-License-Identifier: MIT
/*
 * Arguments of nmi_op (28). The reasons of an NMI are in arch-x86_64.h, beside the word that holds them.
 */
#ifndef XEN_NMI_H
#define XEN_NMI_H

#include <xen/xen.h>

#define XENNMI_register_callback	0
#define XENNMI_unregister_callback	1

struct xennmi_callback {
	uint64_t handler_address;
	uint64_t pad;
};
typedef struct xennmi_callback xennmi_callback_t;
XEN_ABI_SIZE(struct xennmi_callback, 16);

#endif
