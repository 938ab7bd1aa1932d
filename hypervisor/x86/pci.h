/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space by ports 0xcf8 and 0xcfc; see pci.c. A function is
 * named by its bus << 8 | device << 3 | function, all of segment 0.
 */
#ifndef X86_PCI_H
#define X86_PCI_H

#include "lib/types.h"
#include "x86/acpi.h"
#include "x86/e820.h"

/* Learns where configuration space is in memory: regions that both the MCFG table and the memory map reserve for it. */
void pci_init(const struct acpi_info *acpi, const struct e820_map *map);
/*
 * True for a frame that is a function's configuration space, by which a device can
 * be told what ports would tell it too. *bdf is the function in segment 0, or ~0:
 * it is in another segment.
 */
bool pci_config_frame(u64 mfn, u32 *bdf);

/* Registers of every function (PCI 3.0, 6.1). */
#define PCI_COMMAND 0x04
#define PCI_COMMAND_MEMORY 0x0002 /* it answers to memory addresses */
#define PCI_BAR0 0x10
#define PCI_BAR_END 0x28
#define PCI_PORTS_END 0x100      /* registers from here on can't be reached by ports */

#define PCI_CAP_MSI 0x05
#define PCI_CAP_MSIX 0x11

/* A register of `bdf`: `reg` 0..255, aligned to its size of 1, 2 or 4. All ones where nothing answers. */
u32 pci_read(u16 bdf, unsigned reg, unsigned size);
void pci_write(u16 bdf, unsigned reg, unsigned size, u32 value);
/* True when a function answers there. Virtual functions never do. */
bool pci_present(u16 bdf);
/* Where capability `id` starts in config space; 0: it has none. */
u8 pci_find_cap(u16 bdf, u8 id);
/* Machine address that memory BAR `bar` (0..5) is set to. 0; -EINVAL: no such BAR, an I/O BAR, or not set. */
int pci_bar_address(u16 bdf, unsigned bar, u64 *maddr);

/*
 * Does `cf8`, as written to the address port, name a register? The enable bit is
 * set and no reserved one (24..30).
 */
bool pci_cf8_names(u32 cf8);
/* The data port: `off` 0..3 within the dword, size 1, 2, 4. All ones where `cf8` names no register. */
u32 pci_cf8_read(u32 cf8, unsigned off, unsigned size);

#endif
