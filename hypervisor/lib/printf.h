/* SPDX-License-Identifier: MIT */
#ifndef LIB_PRINTF_H
#define LIB_PRINTF_H

#include <stdarg.h>
#include "lib/types.h"

/*
 * Formats into buf (size bytes, always terminated when size > 0). Knows
 * %d %i %u %x %X %c %s %p %% with flags - 0 #, width, precision and h hh l ll z.
 * Returns the length the whole text would have had.
 */
int vsnprintf_hv(char *buf, size_t size, const char *fmt, va_list ap);
int snprintf_hv(char *buf, size_t size, const char *fmt, ...) __printf_like(3, 4);

#endif
