// SPDX-License-Identifier: MIT
/*
 * From the first C function to the guest's own, and to the end.
 *
 * Ending: dom0 powers the machine off as a real one would, by ACPI S5 through the hypervisor. SCHEDOP_shutdown alone
 * only halts the machine there. A domU's shutdown is the toolstack's affair.
 */
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>

#include "runtime.h"

#define ACPI_SLP_EN	(1 << 13)
#define ACPI_SLP_TYP_S5	0		/* of QEMU's machines: \_S5 is {0, 0, 0, 0} */
#define Q35_PM1A_CNT	0x604

struct start_info *start_info;
struct vcpu_info *vcpu_info;

/* A whole page of our own, over which the hypervisor's is mapped. */
static union {
	struct shared_info info;
	char page[PAGE_SIZE];
} shared __attribute__((aligned(4096)));
struct shared_info *shared_info = &shared.info;

void runtime_main(void);

bool is_dom0(void)
{
	return start_info->flags & SIF_INITDOMAIN;
}

const char *cmdline_value(const char *key)
{
	static char value[64];
	const char *at = strstr((const char *)start_info->cmd_line, key);
	size_t length = 0;

	if (!at)
		return NULL;
	at += strlen(key);
	while (at[length] && at[length] != ' ' && length < sizeof(value) - 1) {
		value[length] = at[length];
		length++;
	}
	value[length] = '\0';
	return value;
}

static void acpi_power_off(void)
{
	struct physdev_set_iopl iopl = { 1 };
	struct xen_platform_op op = {
		.cmd = XENPF_enter_acpi_sleep,
		.interface_version = XENPF_INTERFACE_VERSION,
		.u.enter_acpi_sleep = {
			.val_a = ACPI_SLP_EN | ACPI_SLP_TYP_S5 << 10,
			.val_b = 0,
			.sleep_state = 5,
		},
	};

	hypercall1(__HYPERVISOR_platform_op, &op);
	/* Still here: a hypervisor that does not know the registers lets dom0 write them itself. */
	hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl);
	__asm__ volatile("outw %0, %1" : : "a"((uint16_t)ACPI_SLP_EN), "d"((uint16_t)Q35_PM1A_CNT));
}

void shutdown(unsigned int reason)
{
	struct sched_shutdown arg = { reason };

	if (is_dom0() && reason == SHUTDOWN_poweroff)
		acpi_power_off();
	for (;;)
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &arg);
}

void panic(const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("# PANIC %s\n", text);
	shutdown(is_dom0() ? SHUTDOWN_poweroff : SHUTDOWN_crash);
}

void runtime_main(void)
{
	vcpu_info = &shared.info.vcpu_info[0];
	memory_init();
	console_init();
	traps_init();
	map_over(&shared, start_info->shared_info >> PAGE_SHIFT);
	events_init();
	guest_main();
	shutdown(SHUTDOWN_poweroff);
}
