/* SPDX-License-Identifier: MIT */
/* Guests' segment descriptors; see descriptors.c. */
#ifndef PV_DESCRIPTORS_H
#define PV_DESCRIPTORS_H

#include "lib/types.h"

/*
 * Makes a guest's GDT or LDT entry safe: present code and data segments get
 * DPL 3. False where it may not be loaded at all (a present system descriptor).
 */
bool descriptor_fix(u64 *desc);

#endif
