/* SPDX-License-Identifier: MIT */
#ifndef BOOT_DOM0_PV_H
#define BOOT_DOM0_PV_H

#include "boot/bootinfo.h"
#include "boot/cmdline.h"

/*
 * Builds dom0 from the first module (kernel) and the second (initramfs, may be
 * missing), and makes its vcpu 0 ready to run. Panics with a sentence when it
 * can't. The modules' memory is given to the heap.
 */
void dom0_build(const struct bootinfo *bi, const struct hv_options *o);

#endif
