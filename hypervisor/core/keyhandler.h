/* SPDX-License-Identifier: MIT */
#ifndef CORE_KEYHANDLER_H
#define CORE_KEYHANDLER_H

#include "lib/types.h"

/* A key typed while input goes to the hypervisor; unknown keys do nothing. */
void handle_key(u8 key);

#endif
