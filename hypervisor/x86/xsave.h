/* SPDX-License-Identifier: MIT */
/* Guests' FPU and vector registers; see xsave.c. */
#ifndef X86_XSAVE_H
#define X86_XSAVE_H

#include "lib/types.h"

struct vcpu;

/* A save area in its reset state. NULL when memory is out. */
void *fpu_area_new(void);
/* Gives it back; NULL is none. */
void fpu_area_free(void *area);
/* Fills v's area from the 512 bytes that FXSAVE writes, as a guest gives them; v has never run. */
void fpu_set_image(struct vcpu *v, const void *fxsave_image);
/* From the FPU to v's area, and back. v was the one loaded last; another, or v again, is loaded next. */
void fpu_save(struct vcpu *v);
void fpu_load(struct vcpu *v);
/* CR0.TS as the guest wants it: its next FPU instruction is #NM. */
void fpu_set_ts(bool on);
/* XSETBV by the guest: 0 or -EINVAL. */
int fpu_set_xcr0(struct vcpu *v, u64 xcr0);

/* v, which is on no CPU, gets XCR0 and an XSAVE area (standard format, host_cpu.xsave_bytes). 0 or -EINVAL. */
int fpu_set_area(struct vcpu *v, u64 xcr0, u8 *area);

#endif
