// SPDX-License-Identifier: MIT
/*
 * The guest's console. dom0 writes through console_io to the hypervisor's serial line; a domU has a ring in a page
 * that it shares with the console daemon, and an event channel to tell about it.
 *
 * The ring is consfront's. A full one is waited for by yielding; the daemon was woken.
 */
#include <xen/sched.h>

#include "../consfront.h"
#include "runtime.h"

static struct consfront ring;

void console_init(void)
{
	if (is_dom0())
		return;
	ring.page = mfn_to_virt(start_info->console.domU.mfn);
	ring.port = start_info->console.domU.evtchn;
}

static void ring_write(const char *text, size_t bytes)
{
	while (bytes) {
		size_t put = consfront_write(&ring, text, bytes);

		text += put;
		bytes -= put;
		if (bytes)
			hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	}
}

void console_write(const char *text, size_t bytes)
{
	size_t line;

	if (!ring.page) {
		hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, bytes, text);
		return;
	}
	for (; bytes; text += line, bytes -= line) {
		for (line = 0; line < bytes && text[line] != '\n'; line++)
			;
		ring_write(text, line);
		if (line < bytes) {
			ring_write("\r\n", 2);
			line++;
		}
	}
}

size_t console_read(char *to, size_t room)
{
	long result;

	if (ring.page)
		return consfront_read(&ring, to, room);
	result = hypercall3(__HYPERVISOR_console_io, CONSOLEIO_read, room, to);
	return result > 0 ? (size_t)result : 0;
}
