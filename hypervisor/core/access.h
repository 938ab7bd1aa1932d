/* SPDX-License-Identifier: MIT */
/* The one place that says what a domain may do beyond itself; see access.c. */
#ifndef CORE_ACCESS_H
#define CORE_ACCESS_H

#include "core/domain.h"

/* `d` may map frames of, and pin tables for, `target`. */
bool access_foreign_map(const struct domain *d, const struct domain *target);
/* `d` controls the machine: platform_op, physdev_op on hardware, shutdown of the host. */
bool access_machine(const struct domain *d);
/* `d` may write back and drop the CPU's caches (it drives devices). */
bool access_cache_flush(const struct domain *d);
/* `d` may act for `target` in event channels, grants and memory (toolstack). */
bool access_control(const struct domain *d, const struct domain *target);

#endif
