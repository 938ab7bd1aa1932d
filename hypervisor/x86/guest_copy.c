// SPDX-License-Identifier: MIT
/*
 * The only code that touches memory through a guest's pointer.
 *
 * The guest's own page tables are loaded, so the CPU checks presence and write
 * access. What it can't check is that the pointer isn't ours: that is done here,
 * on the whole range, before the first byte. With SMAP the window between stac
 * and clac is just the copy itself.
 *
 * Invariant: a fault inside the copy goes to the extable and becomes -EFAULT;
 * bytes before the fault may have been written.
 */
#include "x86/guest_copy.h"

static inline __attribute__((always_inline)) int copy(void *dst, const void *src, size_t bytes)
{
	size_t words = bytes / 8, rest = bytes & 7;

	__asm__ volatile(STAC CHECK_FENCE
			 "1: rep movsq\n"
			 "   mov %3, %0\n"
			 "2: rep movsb\n"
			 "3:\n" CLAC EXTABLE(1b, 4f) EXTABLE(2b, 3b)
			 ".pushsection .text.fixup, \"ax\"; 4: mov $1, %0; jmp 3b; .popsection\n"
			 : "+c"(words), "+D"(dst), "+S"(src) : "r"(rest) : "memory");
	return words ? -EFAULT : 0;
}

static inline __attribute__((always_inline)) int copy8(void *dst, const void *src)
{
	int rc = 0;
	u64 tmp;

	__asm__ volatile(STAC CHECK_FENCE
			 "1: mov (%3), %1\n"
			 "2: mov %1, (%2)\n"
			 "3:\n" CLAC EXTABLE(1b, 4f) EXTABLE(2b, 4f)
			 ".pushsection .text.fixup, \"ax\"; 4: mov %4, %0; jmp 3b; .popsection\n"
			 : "+r"(rc), "=&r"(tmp) : "r"(dst), "r"(src), "i"(-EFAULT) : "memory");
	return rc;
}

int copy_from_guest(void *dst, u64 gva, size_t bytes)
{
	if (unlikely(!guest_range_ok(gva, bytes)))
		return -EFAULT;
	if (bytes == 8)
		return copy8(dst, (const void *)gva);
	return copy(dst, (const void *)gva, bytes);
}

int copy_to_guest(u64 gva, const void *src, size_t bytes)
{
	if (unlikely(!guest_range_ok(gva, bytes)))
		return -EFAULT;
	if (bytes == 8)
		return copy8((void *)gva, src);
	return copy((void *)gva, src, bytes);
}

/* For instruction fetches: as many of the bytes as are readable. Returns their number. */
size_t copy_from_guest_some(void *dst, u64 gva, size_t bytes)
{
	size_t to_end = PAGE_SIZE - (gva & (PAGE_SIZE - 1));

	if (!copy_from_guest(dst, gva, bytes))
		return bytes;
	if (to_end < bytes && !copy_from_guest(dst, gva, to_end))
		return to_end;
	return 0;
}
