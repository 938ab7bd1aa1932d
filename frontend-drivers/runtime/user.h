// SPDX-License-Identifier: MIT
/*
 * What traps.c asks of the runners in user.c. Each returns true where the trap ended the code it was running; the
 * frame then leads out of it (user_take_trap does not return at all in that case).
 */
#ifndef RUNTIME_USER_H
#define RUNTIME_USER_H

#include "runtime.h"

bool probe_take_trap(struct trap_frame *frame);
bool user_take_trap(struct trap_frame *frame);

#endif
