// SPDX-License-Identifier: MIT
/*
 * A domU to talk to, for the tests of consoles: answers each line that it is sent.
 *
 *	say TEXT	"heard TEXT"
 *	count N		N numbered lines, as fast as the console takes them
 *	off, crash, reboot	ends that way
 */
#include <xen/sched.h>

#include "runtime.h"

static void wait_for_input(void)
{
	evtchn_port_t port = start_info->console.domU.evtchn;
	struct sched_poll poll = { .nr_ports = 1 };

	poll.ports = (uint64_t)&port;
	hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
	__atomic_fetch_and(&shared_info->evtchn_pending[port / 64], ~(1ul << port % 64), __ATOMIC_SEQ_CST);
}

static unsigned int number(const char *text)
{
	unsigned int n = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		n = n * 10 + *text - '0';
	return n;
}

static void answer(const char *line)
{
	if (!strncmp(line, "say ", 4))
		printf("heard %s\n", line + 4);
	else if (!strncmp(line, "count ", 6))
		for (unsigned int i = 0, n = number(line + 6); i < n; i++)
			printf("line %u of many that are counted\n", i);
	else if (!strcmp(line, "off"))
		shutdown(SHUTDOWN_poweroff);
	else if (!strcmp(line, "crash"))
		shutdown(SHUTDOWN_crash);
	else if (!strcmp(line, "reboot"))
		shutdown(SHUTDOWN_reboot);
}

void guest_main(void)
{
	static char line[128];
	size_t length = 0;
	char c;

	printf("talk is here\n");
	for (;;) {
		while (!console_read(&c, 1))
			wait_for_input();
		if (c == '\r' || c == '\n') {
			line[length] = '\0';
			length = 0;
			answer(line);
		} else if (length < sizeof(line) - 1) {
			line[length++] = c;
		}
	}
}
