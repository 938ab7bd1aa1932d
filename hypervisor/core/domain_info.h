/* SPDX-License-Identifier: MIT */
/* What a toolstack is told of a domain; see domain_info.c. */
#ifndef CORE_DOMAIN_INFO_H
#define CORE_DOMAIN_INFO_H

#include "core/domain.h"
#include "xen/domctl.h"

/* Fills all of `out`. The caller holds a reference on d. */
void domain_info(struct domain *d, struct xen_domctl_getdomaininfo *out);

#endif
