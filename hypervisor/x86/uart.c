// SPDX-License-Identifier: MIT
/* A 16550 UART, written by polling, read by interrupt (PC16550D data sheet, 8.0). */
#include "x86/uart.h"
#include "core/console.h"
#include "x86/asm.h"
#include "x86/irq.h"

enum { DATA = 0, IER = 1, FCR = 2, IIR = 2, LCR = 3, MCR = 4, LSR = 5 };
#define LSR_DATA 0x01
#define LSR_THRE 0x20
#define LCR_DLAB 0x80
#define UART_CLOCK 115200 /* baud at divisor 1 */
#define FIFO_BYTES 16

static u16 port;
static u16 irq;
static bool dead;

u16 uart_port(void) { return port; }

void __init uart_init(const struct hv_com *c)
{
	u32 divisor = c->baud ? max(UART_CLOCK / c->baud, 1u) : 1;
	u8 lcr = (c->data_bits - 5) | (c->stop_bits == 2 ? 4 : 0);

	switch (c->parity) {
	case 'o': lcr |= 0x08; break;
	case 'e': lcr |= 0x18; break;
	case 'm': lcr |= 0x28; break;
	case 's': lcr |= 0x38; break;
	}
	port = c->iobase;
	irq = c->irq;
	outb(port + IER, 0);
	outb(port + LCR, lcr | LCR_DLAB);
	outb(port + DATA, divisor);
	outb(port + IER, divisor >> 8);
	outb(port + LCR, lcr);
	outb(port + FCR, 0x07); /* FIFOs on and empty */
	outb(port + MCR, 0x0b); /* DTR, RTS, OUT2 (interrupt gate) */
	dead = inb(port + LSR) == 0xff; /* nothing there */
}

static void wait_empty(void)
{
	/* A UART that never drains must not hang the machine. */
	for (unsigned i = 0; i < 1000000 && !(inb(port + LSR) & LSR_THRE); i++)
		cpu_relax();
}

void uart_write(const char *s, size_t n)
{
	unsigned room = 0;

	if (dead)
		return;
	for (size_t i = 0; i < n; i++) {
		if (room < 2) {
			wait_empty();
			room = FIFO_BYTES;
		}
		if (s[i] == '\n') {
			outb(port + DATA, '\r');
			room--;
		}
		outb(port + DATA, s[i]);
		room--;
	}
}

void uart_interrupt(void)
{
	while (inb(port + LSR) & LSR_DATA)
		console_input(inb(port + DATA));
}

void __init uart_start_input(void)
{
	if (dead || !irq)
		return;
	if (irq_hypervisor_isa(irq, uart_interrupt))
		return;
	outb(port + IER, 0x01);
	uart_interrupt();
}
