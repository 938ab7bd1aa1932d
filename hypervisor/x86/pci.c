// SPDX-License-Identifier: MIT
/*
 * PCI configuration space (PCI 3.0, 3.2.2.3.2). Address and data port belong
 * together, so accesses are made one at a time; dom0 has only a virtual address
 * port, which is written to the real one here.
 */
#include "x86/pci.h"
#include "lib/spinlock.h"
#include "x86/asm.h"

static spinlock_t config_lock = SPINLOCK(RANK_PCI, "pci config");

u32 pci_cf8_read(u32 cf8, unsigned off, unsigned size)
{
	u32 v;

	if (!(cf8 & 0x80000000))
		return ~0u;
	spin_lock(&config_lock);
	outl(0xcf8, cf8);
	v = size == 1 ? inb(0xcfc + off) : size == 2 ? inw(0xcfc + off) : inl(0xcfc);
	spin_unlock(&config_lock);
	return v;
}

void pci_cf8_write(u32 cf8, unsigned off, unsigned size, u32 value)
{
	if (!(cf8 & 0x80000000))
		return;
	spin_lock(&config_lock);
	outl(0xcf8, cf8);
	if (size == 1)
		outb(0xcfc + off, value);
	else if (size == 2)
		outw(0xcfc + off, value);
	else
		outl(0xcfc, value);
	spin_unlock(&config_lock);
}
