// SPDX-License-Identifier: MIT
/*
 * Numbers that assembly, C and the linker script of the runtime share.
 */
#ifndef RUNTIME_LAYOUT_H
#define RUNTIME_LAYOUT_H

#define RUNTIME_VIRT_BASE	0xffffffff80000000	/* address of pfn 0 */
#define RUNTIME_LOAD_PADDR	0x100000		/* where the image lies, in guest physical bytes */

/* Pseudo vectors: entries that are no trap. */
#define TRAP_EVENT		256
#define TRAP_FAILSAFE		257
#define TRAP_SYSCALL		258
#define TRAP_SYSCALL32		259
#define TRAP_SYSENTER		260
#define NR_TRAPS		261

#define TRAP_FRAME_SIZE		184	/* bytes of struct trap_frame (runtime.h) */

/* The system call by which user_main tells that the code came back. */
#define USER_EXIT		0x7e57e17

#endif
