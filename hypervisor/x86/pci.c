// SPDX-License-Identifier: MIT
/*
 * PCI configuration space (PCI 3.0, 3.2.2.3.2). Address and data port belong
 * together, so accesses are made one at a time; dom0 has only a virtual address
 * port, which is written to the real one here. It can also map configuration
 * space as memory, though not to write. What it may write is for x86/msi.c to say.
 *
 * A function's registers are whatever the device and dom0 make of them, so
 * nothing found here is trusted: lists are walked a bounded number of steps,
 * and addresses are checked by whoever uses them.
 *
 * config_lock (RANK_PCI) guards the pair of ports.
 */
#include "x86/pci.h"
#include "core/seam.h"
#include "lib/errno.h"
#include "lib/spinlock.h"
#include "x86/asm.h"

#define CF8_ENABLE 0x80000000u
#define CF8_RESERVED 0x7f000000u

#define PCI_STATUS 0x06
#define PCI_STATUS_CAPS 0x10
#define PCI_HEADER_TYPE 0x0e
#define PCI_CAP_LIST 0x34

/* Configuration space in memory: frames first..last are the functions of segment `segment` from bus `bus` on. */
struct region {
	u64 first, last;
	u16 segment;
	u8 bus;
};

static struct region regions[ACPI_MAX_MCFG];
static u32 nr_regions;
static spinlock_t config_lock = SPINLOCK(RANK_PCI, "pci config");

void __init pci_init(const struct acpi_info *acpi, const struct e820_map *map)
{
	for (u32 i = 0; i < acpi->nr_mcfg; i++) {
		const struct acpi_mcfg *m = &acpi->mcfg[i];
		/* A page for each function (PCI Express 3.0, 7.2.2). */
		u64 start = m->base + ((u64)m->start_bus << 20), end = m->base + ((m->end_bus + 1ULL) << 20);

		/* Firmware that is wrong about the place would have us guard something else. */
		if (end <= start || !e820_all(map, start, end, E820_RESERVED)) {
			hv_log(LOG_WARNING, "PCI: configuration space of segment %u at %#llx-%#llx is not reserved in the memory map, so not guarded\n",
			       m->segment, (unsigned long long)start, (unsigned long long)end - 1);
			continue;
		}
		regions[nr_regions++] = (struct region){ PFN_DOWN(start), PFN_DOWN(end - 1), m->segment, m->start_bus };
	}
}

bool pci_config_frame(u64 mfn, u32 *bdf)
{
	for (u32 i = 0; i < nr_regions; i++) {
		const struct region *r = &regions[i];

		if (mfn < r->first || mfn > r->last)
			continue;
		*bdf = r->segment ? ~0u : ((u32)r->bus << 8) + (u32)(mfn - r->first);
		return true;
	}
	return false;
}

bool pci_cf8_names(u32 cf8)
{
	return (cf8 & (CF8_ENABLE | CF8_RESERVED)) == CF8_ENABLE;
}

u32 pci_cf8_read(u32 cf8, unsigned off, unsigned size)
{
	u32 v;

	if (!pci_cf8_names(cf8))
		return ~0u;
	spin_lock(&config_lock);
	outl(0xcf8, cf8);
	v = size == 1 ? inb(0xcfc + off) : size == 2 ? inw(0xcfc + off) : inl(0xcfc);
	spin_unlock(&config_lock);
	return v;
}

static u32 cf8_of(u16 bdf, unsigned reg)
{
	return CF8_ENABLE | (u32)bdf << 8 | (reg & 0xfc);
}

u32 pci_read(u16 bdf, unsigned reg, unsigned size)
{
	return pci_cf8_read(cf8_of(bdf, reg), reg & 3, size);
}

void pci_write(u16 bdf, unsigned reg, unsigned size, u32 value)
{
	spin_lock(&config_lock);
	outl(0xcf8, cf8_of(bdf, reg));
	if (size == 1)
		outb(0xcfc + (reg & 3), value);
	else if (size == 2)
		outw(0xcfc + (reg & 2), value);
	else
		outl(0xcfc, value);
	spin_unlock(&config_lock);
}

bool pci_present(u16 bdf)
{
	return pci_read(bdf, 0, 2) != 0xffff;
}

u8 pci_find_cap(u16 bdf, u8 id)
{
	u8 at;

	if (!pci_present(bdf) || !(pci_read(bdf, PCI_STATUS, 2) & PCI_STATUS_CAPS))
		return 0;
	at = pci_read(bdf, PCI_CAP_LIST, 1) & 0xfc;
	/* 48 capabilities of 4 bytes fill the space: a longer list is a circle. */
	for (unsigned i = 0; i < 48 && at >= 0x40; i++) {
		u32 head = pci_read(bdf, at, 2);

		if ((head & 0xff) == id)
			return at;
		at = head >> 8 & 0xfc;
	}
	return 0;
}

int pci_bar_address(u16 bdf, unsigned bar, u64 *maddr)
{
	u8 type = pci_read(bdf, PCI_HEADER_TYPE, 1) & 0x7f;
	unsigned bars = type == 0 ? 6 : type == 1 ? 2 : 0;
	u32 low;

	if (bar >= bars)
		return -EINVAL;
	low = pci_read(bdf, PCI_BAR0 + 4 * bar, 4);
	if (low & 1)
		return -EINVAL;
	*maddr = low & ~0xfu;
	/* Bits 1..2: a 64-bit address, which goes on in the next BAR (PCI 3.0, 6.2.5.1). */
	if ((low & 6) == 4) {
		if (bar + 1 >= bars)
			return -EINVAL;
		*maddr |= (u64)pci_read(bdf, PCI_BAR0 + 4 * bar + 4, 4) << 32;
	}
	return *maddr ? 0 : -EINVAL;
}
