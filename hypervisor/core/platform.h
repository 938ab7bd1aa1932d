/* SPDX-License-Identifier: MIT */
#ifndef CORE_PLATFORM_H
#define CORE_PLATFORM_H

#include "x86/acpi.h"

/* Where the machine's sleep registers are. */
void platform_init(const struct acpi_info *acpi);

#endif
