/* SPDX-License-Identifier: MIT */
/* The console: messages out, keys in; see console.c. */
#ifndef CORE_CONSOLE_H
#define CORE_CONSOLE_H

#include "boot/cmdline.h"
#include "core/seam.h"

extern char hv_command_line[1024];

/* From the options: which devices, which levels. What was printed before comes out then. */
void console_init(const struct hv_options *o);
/* Once interrupts work: the serial line's. */
void console_start_input(void);
/* A character came in (interrupt context, serial line). */
void console_input(u8 c);
/* WORK_CONSOLE: what input asks for. */
void console_work(void);
/*
 * Copies up to *count bytes of the ring of messages to a guest, from *index on if `incremental` and still there, else
 * from the oldest. *index: where the next begins, *count: bytes copied. `clear`: they are not shown again. 0 or -EFAULT.
 */
long console_read_ring(bool clear, bool incremental, u32 *index, u64 gva, u32 *count);
/* No locks, no levels: for a machine that is about to stop. */
void console_panic_mode(void);

#endif
