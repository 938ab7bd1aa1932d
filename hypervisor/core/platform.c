// SPDX-License-Identifier: MIT
/*
 * Hypercall 7: dom0 and the machine as a whole - wall clock, sleep and power
 * off, CPUs, firmware.
 */
#include "core/access.h"
#include "core/hypercall.h"
#include "core/platform.h"
#include "core/time.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/microcode.h"
#include "xen/platform.h"

static struct acpi_gas pm1a_control, pm1b_control;

#define SLP_EN 0x2000 /* ACPI 6.5, table 4.14 */

void __init platform_init(const struct acpi_info *acpi)
{
	pm1a_control = acpi->pm1a_control;
	pm1b_control = acpi->pm1b_control;
}

static void write_pm1(const struct acpi_gas *g, u16 value)
{
	if (g->space == ACPI_SPACE_IO && g->address)
		outw(g->address, value);
}

/* dom0 computed the values from the DSDT; only the final write, with SLP_EN, is ours. */
static long enter_sleep(const struct xenpf_enter_acpi_sleep *s)
{
	if (s->flags & XENPF_ACPI_SLEEP_EXTENDED)
		return -EOPNOTSUPP;
	if (s->sleep_state != 5)
		return -EOPNOTSUPP;
	if (pm1a_control.space != ACPI_SPACE_IO || !pm1a_control.address)
		return -EPERM;
	hv_log(LOG_INFO, "dom0 switches the machine off (ACPI S5)\n");
	write_pm1(&pm1a_control, s->val_a & ~SLP_EN);
	write_pm1(&pm1b_control, s->val_b & ~SLP_EN);
	write_pm1(&pm1a_control, s->val_a | SLP_EN);
	write_pm1(&pm1b_control, s->val_b | SLP_EN);
	for (unsigned i = 0; i < 1000000; i++)
		cpu_relax();
	return -EIO; /* still here: it did not happen */
}

static long cpu_info(struct xenpf_pcpuinfo *p)
{
	p->max_present = nr_cpus - 1;
	if (p->xen_cpuid >= nr_cpus) {
		p->flags = XEN_PCPU_FLAGS_INVALID;
	} else {
		p->flags = XEN_PCPU_FLAGS_ONLINE;
		p->apic_id = pcpus[p->xen_cpuid].apic_id;
		p->acpi_id = pcpus[p->xen_cpuid].acpi_id;
	}
	return 0;
}

#define MICROCODE_MOST MiB(16)

static long update_microcode(const struct xenpf_microcode_update *u)
{
	void *file;
	long rc;

	if (!u->length || u->length > MICROCODE_MOST)
		return -EINVAL;
	file = hv_alloc(u->length);
	if (!file)
		return -ENOMEM;
	rc = copy_from_guest(file, u->data, u->length) ?: microcode_update(file, u->length);
	hv_free(file);
	return rc;
}

HYPERCALL(hc_platform_op)
{
	struct xen_platform_op op;
	long rc;

	if (!access_machine(current->domain))
		return -EPERM;
	if (copy_from_guest(&op, a1, sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XENPF_INTERFACE_VERSION)
		return -EACCES;
	switch (op.cmd) {
	case XENPF_settime64:
		if (op.u.settime64.mbz || op.u.settime64.nsecs >= 1000000000)
			return -EINVAL;
		wallclock_set(op.u.settime64.secs, op.u.settime64.nsecs, op.u.settime64.system_time);
		return 0;
	case XENPF_settime32:
		wallclock_set(op.u.settime32.secs, op.u.settime32.nsecs, op.u.settime32.system_time);
		return 0;
	case XENPF_enter_acpi_sleep:
		return enter_sleep(&op.u.enter_acpi_sleep);
	case XENPF_microcode_update:
		return update_microcode(&op.u.microcode);
	case XENPF_get_cpuinfo:
		rc = cpu_info(&op.u.pcpu_info);
		break;
	/* Firmware's code would run with all of our rights. dom0 was told of no EFI, so it does not ask. */
	case XENPF_efi_runtime_call:
		return -EOPNOTSUPP;
	default:
		return -ENOSYS;
	}
	if (!rc && copy_to_guest(a1, &op, sizeof(op)))
		rc = -EFAULT;
	return rc;
}
