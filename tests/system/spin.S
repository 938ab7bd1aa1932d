// SPDX-License-Identifier: MIT
/*
 * The smallest PV guest there is: it takes all the CPU time it gets, and says nothing. For tests of the scheduler.
 * Entry: as the domain builder leaves a vcpu. It never exits, and uses no register, no stack and no hypercall.
 */
#include <xen/elfnote.h>

#include "layout.h"

.macro XEN_NOTE type, kind, value:vararg
	.balign 4
	.long 4, 9002f - 9001f, \type
	.asciz "Xen"
9001:	\kind \value
9002:	.balign 4
.endm

	.section .note.Xen, "a", @note
	XEN_NOTE XEN_ELFNOTE_GUEST_OS, .asciz, "spin"
	XEN_NOTE XEN_ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
	XEN_NOTE XEN_ELFNOTE_LOADER, .asciz, "generic"
	XEN_NOTE XEN_ELFNOTE_PAE_MODE, .asciz, "yes"
	XEN_NOTE XEN_ELFNOTE_ENTRY, .quad, _start
	XEN_NOTE XEN_ELFNOTE_VIRT_BASE, .quad, RUNTIME_VIRT_BASE
	XEN_NOTE XEN_ELFNOTE_PADDR_OFFSET, .quad, 0

	.text
	.globl _start
_start:	/* long, since QEMU runs straight code much faster than jumps */
	.rept 500
	nop
	.endr
	jmp _start

	.section .note.GNU-stack, "", @progbits
