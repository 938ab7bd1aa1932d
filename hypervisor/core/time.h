/* SPDX-License-Identifier: MIT */
/* System time, wall clock, and what guests are told of them; see time.c. */
#ifndef CORE_TIME_H
#define CORE_TIME_H

#include "core/domain.h"

/* Writes v's vcpu_time_info anew. */
void time_publish(struct vcpu *v);
/* Writes the wall clock into d's shared_info. */
void wallclock_publish(struct domain *d);
/* Sets it: `secs` and `nsecs` since 1970 were true at system time `at_ns`. Tells every domain. */
void wallclock_set(u64 secs, u32 nsecs, u64 at_ns);
/* A vcpu's timers, set up when it is made. */
void vcpu_timers_init(struct vcpu *v);

#endif
