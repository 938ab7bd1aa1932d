// SPDX-License-Identifier: MIT
/*
 * From the loader to dom0, in order.
 *
 * Everything here runs once, on the boot CPU, with interrupts off until
 * interrupt controllers are ours. Each step says in one line what the next ones
 * may rely on.
 */
#include "boot/bootinfo.h"
#include "boot/cmdline.h"
#include "boot/dom0_pv.h"
#include "boot/memory.h"
#include "core/console.h"
#include "core/domain.h"
#include "core/memory_op.h"
#include "core/page_alloc.h"
#include "core/platform.h"
#include "core/sched.h"
#include "core/time.h"
#include "lib/string.h"
#include "x86/acpi.h"
#include "x86/alternative.h"
#include "x86/apic.h"
#include "x86/asm.h"
#include "x86/clock.h"
#include "x86/cpu.h"
#include "x86/irq.h"
#include "x86/mce.h"
#include "x86/microcode.h"
#include "x86/nmi.h"
#include "x86/panic.h"
#include "x86/paging.h"
#include "x86/pci.h"
#include "x86/policy.h"
#include "x86/protection.h"
#include "x86/smp.h"
#include "x86/vga.h"

extern u64 boot_entry_tsc;
extern char init_start[], init_end[];
void __noreturn reset_stack_and_jump(void (*fn)(void));
void domains_init(void);
void idle_vcpu_create(u32 cpu);

static struct bootinfo bootinfo __initdata;
static struct hv_options options __initdata;
static struct acpi_info acpi __initdata;

/* Until paging_init() the first 4 GiB are at their own addresses. */
static const void *__init map_low(u64 pa, u64 len)
{
	return pa && pa + len >= pa && pa + len <= GiB(4) ? (const void *)pa : NULL;
}

static void __init say(enum log_level lvl, const char *sentence)
{
	hv_log(lvl, "%s\n", sentence);
}

static void __init parse_options(void)
{
	bool bad = cmdline_parse(bootinfo.cmdline, &options, NULL);

	/* The text screen is not there, or not to be seen: UEFI, or a graphics mode. dom0 will draw. */
	if (bootinfo.efi || bootinfo.fb.base)
		options.console &= ~CONSOLE_VGA;
	console_init(&options);
	hv_log(LOG_INFO, "Xenolith, a hypervisor that speaks the Xen 4.17 ABI; loaded by %s\n", bootinfo.protocol);
	hv_log(LOG_INFO, "command line: %s\n", bootinfo.cmdline);
	memcpy(hv_command_line, bootinfo.cmdline, min(strlen(bootinfo.cmdline), sizeof(hv_command_line) - 1));
	/* A second time, now that there is a console to say it on. */
	cmdline_parse(bootinfo.cmdline, &options, say);
	machine_noreboot = options.noreboot;
	if (bad)
		hv_stop("%s", options.fatal);
}

/* dom0's view of the machine's memory (abi.md section 5). */
static void __init make_machine_map(void)
{
	u64 ioapics[ACPI_MAX_IOAPIC];

	for (u32 i = 0; i < acpi.nr_ioapic; i++)
		ioapics[i] = acpi.ioapic[i].pa;
	if (e820_dom0_view(&machine_map, &bootinfo.e820, ioapics, acpi.nr_ioapic))
		hv_stop("the machine's memory map has too many entries for dom0's");
}

static u64 ram_bytes;

static void __init report_memory(void)
{
	ram_bytes = e820_ram_bytes(&bootinfo.e820);
	hv_log(LOG_INFO, "memory: %llu MiB of RAM, %llu MiB free\n",
	       (unsigned long long)(ram_bytes >> 20),
	       (unsigned long long)(free_page_count() >> 8));
}

/* Who has the machine's memory now that boot-only code is given back. */
static void report_owners(void)
{
	u64 ram = ram_bytes >> 10, owned = READ_ONCE(dom0->tot_pages) << 2, unused = free_page_count() << 2;

	hv_log(LOG_INFO, "memory: %llu KiB of RAM: %llu dom0's, %llu free, %llu the hypervisor's\n",
	       (unsigned long long)ram, (unsigned long long)owned, (unsigned long long)unused,
	       (unsigned long long)(ram - owned - unused));
}

/* On the boot CPU's own stack, in the final address space. Runs no more boot-only code at its end. */
static void __noreturn __attribute__((noinline)) finish_boot(void)
{
	u64 freed = (u64)(init_end - init_start);

	paging_finish();
	/* The other CPUs have left the code that is about to go, and forget the tables that did. */
	wait_for_readers();
	flush_tlb_since(tlb_clock());
	vga_end();
	memset(maddr_to_virt((u64)init_start - HV_IMAGE_START), 0, freed);
	page_alloc_add(MFN(PFN_DOWN((u64)init_start - HV_IMAGE_START)), freed / PAGE_SIZE);
	report_owners();
	wallclock_publish(dom0);
	sched_wake(dom0->vcpus[0]);
	sched_start();
}

static void __init build_and_start(void)
{
	u64 entry, start;

	cpu_load_tables();
	cpu_init();
	apic_find(acpi.lapic_pa, options.x2apic);
	apic_init();
	pcpus[0].apic_id = apic_id();
	pcpus[0].online = true;
	irq_init(&acpi);
	pci_init(&acpi, &bootinfo.e820);
	clock_init(&acpi);
	/* System time begins here: what was measured before is forgotten. */
	clock_scale.tsc_start = rdtsc();
	platform_init(&acpi);
	machine_reset_init(&acpi);
	sched_cpu_init(0);
	domains_init();
	idle_vcpu_create(0);
	nmi_init(&options);
	mce_cpu_init();
	watchdog_cpu_init();
	smp_boot(&acpi, options.maxcpus);
	watchdog_start();
	make_machine_map();
	wallclock_set(rtc_read(), 0, now_ns());
	console_start_input();
	dom0_build(&bootinfo, &options);
	policy_set_time(&(struct policy_time){ .tsc_khz = tsc_khz, .tsc_to_ns_mul = clock_scale.mul,
					       .tsc_shift = clock_scale.shift, .tsc_reliable = tsc_reliable });
	entry = boot_entry_tsc;
	start = rdtsc();
	hv_log(LOG_INFO, "boot: entry tsc=%llu\n", (unsigned long long)entry);
	hv_log(LOG_INFO, "boot: dom0 entry tsc=%llu\n", (unsigned long long)start);
	hv_log(LOG_INFO, "*** Serial input to DOM0 (type 'CTRL-a' three times to switch input)\n");
	finish_boot();
}

void __noreturn __init boot_main(u32 magic, u64 info)
{
	const char *error = NULL;
	int rc = bootinfo_parse(magic, info, map_low, &bootinfo, &error);

	parse_options();
	if (rc)
		hv_stop("can't read what the loader passed: %s", error);
	cpu_identify(&options);
	if (acpi_parse(&acpi, bootinfo.rsdp, &(struct acpi_env){ map_low, say }))
		hv_stop("no usable ACPI tables; Xenolith needs them to find interrupt controllers and timers%s",
			 magic == MB1_LOADER_MAGIC ? " (on a UEFI machine, load it by multiboot2)" : "");
	bootinfo.rsdp = acpi.rsdp_pa;
	if (!acpi.nr_ioapic)
		hv_stop("the ACPI tables name no IO-APIC, which Xenolith needs for interrupts");
	/* RAM that the direct map can't show stays unused. */
	e820_clip_ram(&bootinfo.e820, DIRECT_MAP_END - DIRECT_MAP_START);
	boot_memory_init(&bootinfo);
	paging_init(&bootinfo.e820);
	if (microcode_init(&bootinfo, &options))
		cpu_identify(&options);
	alternatives_apply();
	thunks_apply();
	report_memory();
	policy_set_ram_end(e820_ram_end(&bootinfo.e820));
	idt_init();
	percpu_area_init(0, 0);
	switch_to_cpu_stack(0, build_and_start);
}
