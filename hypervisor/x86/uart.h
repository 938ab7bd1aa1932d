/* SPDX-License-Identifier: MIT */
/* The serial line, a 16550; see uart.c. */
#ifndef X86_UART_H
#define X86_UART_H

#include "boot/cmdline.h"

void uart_init(const struct hv_com *c);
void uart_write(const char *s, size_t n);
/* Received characters come by interrupt from now on. */
void uart_start_input(void);
/* Its interrupt: hands what has come to console_input(). */
void uart_interrupt(void);
/* First port of the UART in use, 0 for none: dom0 must not touch its eight ports. */
u16 uart_port(void);

#endif
