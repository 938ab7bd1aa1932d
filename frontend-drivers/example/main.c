// SPDX-License-Identifier: MIT
/*
 * An example of a guest that is not Linux: lwIP on our frontends answers ping and serves pages over HTTP from its disk.
 *
 *	ip=10.0.0.2/24 gateway=10.0.0.1		its address; without ip= it asks DHCP
 *
 * One vcpu and no threads: a loop looks at the store, the card, the disk and lwIP's timers, and sleeps when none had
 * anything. Whatever happens wakes the store's waiter (xenbus_waiter), so one wait is enough for all.
 */
#include <lwip/apps/httpd.h>
#include <xen/sched.h>

#include "web.h"

void wait_until(bool (*ready)(void *what), void *what)
{
	for (;;) {
		uint32_t key = os_wait_key(xenbus_waiter());

		if (ready(what))
			return;
		if (!xenbus_poll())
			os_wait(xenbus_waiter(), key);
	}
}

/* What the toolstack asks for is acknowledged by emptying the node. */
static void control_changed(struct xenbus_watch *watch)
{
	char word[16];

	if (xenbus_read(0, watch->path, NULL, word, sizeof(word)) <= 0)
		return;
	xenbus_write(0, watch->path, NULL, "");
	printf("web: %s\n", word);
	if (!strcmp(word, "reboot"))
		shutdown(SHUTDOWN_reboot);
	if (!strcmp(word, "poweroff") || !strcmp(word, "halt"))
		shutdown(SHUTDOWN_poweroff);
}

void guest_main(void)
{
	static struct xenbus_watch control = { .path = "control/shutdown", .changed = control_changed };
	static char address[32], gateway[32];
	const char *word;
	long result;

	heap_init();
	events_enable();
	result = xenbus_start(mfn_to_virt(start_info->store_mfn), start_info->store_evtchn);
	if (!result)
		result = xenbus_watch(&control);
	if (result)
		panic("the store does not answer: error %ld", -result);
	if ((word = cmdline_value("gateway=")))
		snprintf(gateway, sizeof(gateway), "%s", word);
	if ((word = cmdline_value("ip=")))
		snprintf(address, sizeof(address), "%s", word);
	pages_start();
	network_start(address[0] ? address : NULL, gateway[0] ? gateway : NULL);
	httpd_init();
	printf("web: ready\n");
	for (;;) {
		uint32_t key = os_wait_key(xenbus_waiter());
		bool some = xenbus_poll() != 0;

		some |= pages_poll();
		some |= network_poll();
		if (!some)
			os_wait(xenbus_waiter(), key);
	}
}
