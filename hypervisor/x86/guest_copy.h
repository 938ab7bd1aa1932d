/* SPDX-License-Identifier: MIT */
/*
 * Guest memory beyond what the seam has; see guest_copy.c.
 *
 * Frames and requests of a few words are the body of every crossing between a
 * guest's kernel and its user. For these there are guest_get() and guest_put(),
 * one instruction each, which leave by a label where the page is not there. The
 * caller checks the whole range first and keeps the window open just for them:
 *
 *	if (!guest_range_ok(gva, 16))
 *		goto bad;
 *	guest_window_open();
 *	guest_put(gva, 0, first, bad);
 *	guest_put(gva, 8, second, bad);
 *	guest_window_close();
 *
 * On the way to the label the window closes by itself. On the host the same
 * names are the seam's copies.
 */
#ifndef X86_GUEST_COPY_H
#define X86_GUEST_COPY_H

#include "core/seam.h"
#include "x86/alternative.h"
#include "x86/extable.h"
#include "x86/layout.h"

/* True where gva..gva+bytes lies outside the hypervisor's range and does not wrap. */
static inline bool guest_range_ok(u64 gva, size_t bytes)
{
	u64 end = gva + bytes;

	/* Kernels live above our range, so that is looked at first. */
	return likely(end >= gva) && (likely(gva >= HV_VIRT_END) || end <= 0x800000000000);
}

/* As many leading bytes as are readable, at least up to the page's end or none. Returns their number. */
size_t copy_from_guest_some(void *dst, u64 gva, size_t bytes);

#ifndef XENOLITH_HOST

#define STAC ALTERNATIVE("", ALT_SMAP, ".byte 0x0f, 0x01, 0xcb")
#define CLAC ALTERNATIVE("", ALT_SMAP, ".byte 0x0f, 0x01, 0xca")

/* Behind the check of a pointer: what the CPU predicted of it is known before memory is touched (Spectre v1). */
#define CHECK_FENCE ALTERNATIVE("", ALT_CHECK_FENCE, "lfence")

#define guest_window_open() __asm__ volatile(STAC CHECK_FENCE ::: "memory")
#define guest_window_close() __asm__ volatile(CLAC ::: "memory")

/* A fault in the window: the extable leads here, which closes it and goes on at the caller's label. */
#define GUEST_FAULT_TO(label)                                                     \
	EXTABLE(7710b, 7711f)                                                     \
	".pushsection .text.fixup, \"ax\"; 7711: " CLAC "jmp " label "; .popsection"

/* variable = the u64 or u32 (as its type is) at gva + offset; offset is a constant. */
#define guest_get(variable, gva, offset, fault)                                   \
	do {                                                                      \
		__typeof__(variable) word_; /* itself the output: gcc 12 dies of a structure's field there */ \
		__asm__ goto("7710: mov %c[at](%[base]), %[to]\n" GUEST_FAULT_TO("%l[" #fault "]") \
			     : [to] "=r"(word_) : [base] "r"(gva), [at] "i"(offset) :: fault); \
		(variable) = word_;                                               \
	} while (0)

/* The u64 at gva + offset becomes `value`. */
#define guest_put(gva, offset, value, fault)                                      \
	__asm__ goto("7710: mov %[from], %c[at](%[base])\n" GUEST_FAULT_TO("%l[" #fault "]")    \
		     :: [from] "r"((u64)(value)), [base] "r"(gva), [at] "i"(offset) :: fault)

#else

#define guest_window_open() ((void)0)
#define guest_window_close() ((void)0)
#define guest_get(variable, gva, offset, fault)                                   \
	do {                                                                      \
		if (copy_from_guest(&(variable), (gva) + (offset), sizeof(variable)))            \
			goto fault;                                               \
	} while (0)
#define guest_put(gva, offset, value, fault)                                      \
	do {                                                                      \
		u64 word_ = (value);                                              \
		if (copy_to_guest((gva) + (offset), &word_, 8))                   \
			goto fault;                                               \
	} while (0)

#endif
#endif
