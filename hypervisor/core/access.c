// SPDX-License-Identifier: MIT
/*
 * The privilege check. A domain may do to itself what it likes; the privileged
 * domain may do to others, and to the machine, what the toolstack needs. Every
 * hypercall that reaches beyond its caller asks here and nowhere else.
 */
#include "core/access.h"

bool access_machine(const struct domain *d)
{
	return d->is_privileged;
}

bool access_control(const struct domain *d, const struct domain *target)
{
	return d == target || d->is_privileged;
}

bool access_foreign_map(const struct domain *d, const struct domain *target)
{
	/* Naming dom_io gives nothing: each frame is still checked against the caller's iomem rights. */
	return access_control(d, target) || target == dom_io;
}

bool access_cache_flush(const struct domain *d)
{
	return d->is_privileged;
}
