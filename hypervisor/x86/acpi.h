/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor needs out of the ACPI tables. Boot-only code, pure: the
 * tables are read through a callback and are not trusted.
 */
#ifndef X86_ACPI_H
#define X86_ACPI_H

#include "core/seam.h"
#include "lib/types.h"

#define ACPI_MAX_LAPIC 1024
#define ACPI_MAX_IOAPIC 64
#define ACPI_MAX_OVERRIDE 64
#define ACPI_MAX_NMI 64
#define ACPI_MAX_MCFG 32

/* ACPI 6.5, 5.2.3.2: generic address structure, without its access size. */
#define ACPI_SPACE_MEMORY 0
#define ACPI_SPACE_IO 1
#define ACPI_SPACE_PCI 2
struct acpi_gas {
	u8 space;
	u8 bits;   /* width of the register */
	u8 offset; /* first bit */
	u8 access; /* 1 byte, 2 word, 3 dword, 4 qword, 0 undefined */
	u64 address;
};

struct acpi_lapic {
	u32 apic_id;
	u32 uid;
	bool enabled;        /* else only present when a CPU is plugged in later */
	bool x2apic;         /* listed by an x2APIC entry */
};

struct acpi_ioapic {
	u8 id;
	u64 pa;
	u32 gsi_base;
};

/*
 * ISA interrupt `irq` arrives as `gsi`. "Conforms to the bus" is already resolved:
 * ISA is high, edge; the SCI is low, level.
 */
struct acpi_override {
	u8 irq;
	bool active_low;
	bool level;
	u16 flags;           /* as in the table */
	u32 gsi;
};

struct acpi_nmi {
	bool active_low;
	bool level;
	u32 gsi;
};

/* A LINT pin of a local APIC wired to NMI. */
struct acpi_lapic_nmi {
	u32 uid;             /* 0xff or 0xffffffff: all CPUs; given here as ~0 */
	u8 lint;
	bool active_low;
	bool level;
};

struct acpi_mcfg {
	u64 base;            /* of bus 0, though the segment starts at start_bus */
	u16 segment;
	u8 start_bus, end_bus;
};

struct acpi_info {
	u64 rsdp_pa, rsdt_pa, xsdt_pa;         /* 0 where absent */
	u64 madt_pa, fadt_pa, hpet_table_pa, mcfg_pa, dmar_pa, ivrs_pa, facs_pa, dsdt_pa;

	/* MADT */
	u64 lapic_pa;
	bool pcat_compat;                      /* there are also two 8259s to mask */
	u32 nr_lapic, nr_ioapic, nr_override, nr_nmi, nr_lapic_nmi;
	struct acpi_lapic lapic[ACPI_MAX_LAPIC];
	struct acpi_ioapic ioapic[ACPI_MAX_IOAPIC];
	struct acpi_override override[ACPI_MAX_OVERRIDE];
	struct acpi_nmi nmi[ACPI_MAX_NMI];
	struct acpi_lapic_nmi lapic_nmi[ACPI_MAX_NMI];

	/* FADT; port numbers, 0 where absent */
	struct acpi_gas pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm_timer;
	u8 pm1_event_bytes, pm1_control_bytes;
	bool pm_timer_32bit;
	bool hw_reduced;
	u16 sci_int;
	u32 smi_cmd;
	u8 acpi_enable, acpi_disable;
	bool has_reset;
	struct acpi_gas reset;
	u8 reset_value;
	bool no_8042, no_vga;                  /* IAPC_BOOT_ARCH says so */
	u8 century_reg;

	/* HPET */
	u64 hpet_pa;
	u32 hpet_id;

	/* MCFG */
	u32 nr_mcfg;
	struct acpi_mcfg mcfg[ACPI_MAX_MCFG];
};

struct acpi_env {
	/* `len` readable bytes of physical memory at `pa`, valid until the next call; NULL where there is none. */
	const void *(*map)(u64 pa, u64 len);
	/* One sentence about a table that can't be used. May be NULL. */
	void (*say)(enum log_level lvl, const char *sentence);
};

/*
 * Finds the RSDP (at `rsdp_pa`; where that is 0 or wrong, in the EBDA or at
 * 0xe0000..0xfffff) and reads every table above into `info`, which is cleared
 * first. A table that is cut short or has a bad checksum is left out and named.
 *
 * 0; -ENOENT: no RSDP; -EINVAL: neither a usable XSDT nor RSDT.
 */
int acpi_parse(struct acpi_info *info, u64 rsdp_pa, const struct acpi_env *env);

/* GSI and wiring of ISA interrupt `irq` (0..15): the override, or itself, high and edge (the SCI: low, level). */
struct acpi_override acpi_isa_irq(const struct acpi_info *info, u8 irq);

#endif
