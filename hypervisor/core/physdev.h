/* SPDX-License-Identifier: MIT */
#ifndef CORE_PHYSDEV_H
#define CORE_PHYSDEV_H

#include "core/domain.h"

/* Room for the machine's interrupts in a domain: 0 or -ENOMEM. */
int pirqs_init(struct domain *d);
/* Gives all back, when none is bound any more and no vcpu of the domain can run. */
void pirqs_free(struct domain *d);

#endif
