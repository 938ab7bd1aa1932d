/* SPDX-License-Identifier: MIT */
#ifndef CORE_MEMORY_OP_H
#define CORE_MEMORY_OP_H

#include "x86/e820.h"

/* The machine's memory as dom0 sees it: the firmware's map, interrupt controllers reserved. Constant after boot. */
extern struct e820_map machine_map;

#endif
