/* SPDX-License-Identifier: MIT */
/* PCI configuration space by ports 0xcf8 and 0xcfc; see pci.c. */
#ifndef X86_PCI_H
#define X86_PCI_H

#include "lib/types.h"

/* What dom0 does through its virtual 0xcf8: `off` 0..3 within the dword, size 1, 2, 4. */
u32 pci_cf8_read(u32 cf8, unsigned off, unsigned size);
void pci_cf8_write(u32 cf8, unsigned off, unsigned size, u32 value);

#endif
