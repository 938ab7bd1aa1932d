// SPDX-License-Identifier: MIT
/*
 * The frontends' os.h for a program on Linux: one task, so that locks only check themselves, and waiting runs the other
 * side (fake_os.c).
 */
#ifndef TESTS_FRONT_OS_PORT_H
#define TESTS_FRONT_OS_PORT_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct os_lock {
	int taken;
};

struct os_wait {
	uint32_t count;
};

#endif
