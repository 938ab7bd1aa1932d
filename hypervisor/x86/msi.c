// SPDX-License-Identifier: MIT
/*
 * Message-signalled interrupts (PCI 3.0, 6.8).
 *
 * A device raises one by writing a word to an address; on x86 address and data
 * name CPU and vector (SDM 3, 11.11). Vectors are the hypervisor's, so the
 * messages are too: they are written here, into the MSI capability in config
 * space or the MSI-X table in device memory, and dom0 has only the enable bits.
 *
 *  1. A message in use has a number (irq.h) and a vector; messages[number -
 *     IRQ_MSI_FIRST] says where in which device it stands.
 *  2. A message is masked, where the device can, while no event channel is bound.
 *     An MSI without a mask bit that comes before that is lost, as on bare metal.
 *  3. MSI is enabled only while its message is in use, and sends one vector only.
 *  4. The MSI-X tables of all functions that dom0 has announced are in tables[],
 *     which follows their BARs until messages are in use. Nobody gets a table's
 *     frames mapped writable, and configuration space neither.
 *
 * Writes to such frames fault, and what of them is none of our affair is done
 * here for the guest (io_frame_write): many a device has other registers in the
 * page of its table.
 *
 * What a device shows in config space, and what dom0 makes of it, is not
 * trusted: a table is written only where dom0 could have written itself, which
 * excludes RAM and interrupt controllers, and a capability is looked at again
 * before it is written, since the device may have been exchanged.
 *
 * All messages are edge triggered: no EOI from the guest is needed, whether or
 * not the device can mask.
 *
 * What this can't hold: a device can be told to write a message by DMA, and dom0
 * can move the BAR of a table that is in use to where nothing is guarded. Both
 * need interrupt remapping.
 *
 * msi_lock (RANK_MSI) guards all of it, the window, and any config space that is
 * read, changed and written back.
 */
#include "x86/msi.h"
#include "core/domain.h"
#include "core/page_alloc.h"
#include "core/seam.h"
#include "lib/bitmap.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/irq.h"
#include "x86/paging.h"
#include "x86/pci.h"

/* Registers from the start of a capability. */
#define CAP_CONTROL 2
#define MSI_ADDRESS 4
#define MSI_ENABLE 0x0001
#define MSI_MULTIPLE 0x0070 /* how many messages it may send */
#define MSI_WIDE 0x0080     /* has the upper half of an address */
#define MSI_CAN_MASK 0x0100
#define MSIX_TABLE 4
#define MSIX_SIZE 0x07ff    /* entries, less one */
#define MSIX_MASK_ALL 0x4000
#define MSIX_ENABLE 0x8000

/* An entry of the table, in dwords. */
enum { ENTRY_ADDRESS, ENTRY_ADDRESS_HIGH, ENTRY_DATA, ENTRY_CONTROL };
#define ENTRY_BYTES 16
#define ENTRY_MASKED 1u

struct message {
	bool used;
	bool msix;
	bool bound;
	u16 bdf;
	u16 entry;  /* of the MSI-X table */
	u8 cap;     /* where its capability starts */
	u8 vector;
	u16 irq;
};

struct table {
	u64 maddr;  /* 0: it is nowhere at present */
	u32 entries;
	u16 bdf;
	u16 users;  /* messages */
	bool lent;
};

static struct message messages[NR_MSI];
static struct table tables[NR_MSI];
static u32 nr_tables;
static u64 known[65536 / 64];
static u64 window; /* two pages through which a table is reached */
static spinlock_t msi_lock = SPINLOCK(RANK_MSI, "msi");

static bool still_there(u16 bdf, u8 cap, bool msix)
{
	return pci_present(bdf) && pci_read(bdf, cap, 1) == (msix ? PCI_CAP_MSIX : PCI_CAP_MSI);
}

/* Where message `irq` goes: fixed delivery, edge. */
static u32 message_address(u32 irq)
{
	return 0xfee00000 | pcpus[irq_cpu(irq)].apic_id << 12;
}

/* --- MSI: in config space ---------------------------------------------------------------- */

static unsigned msi_data(u32 control) { return control & MSI_WIDE ? 0xc : 8; }
static unsigned msi_mask(u32 control) { return control & MSI_WIDE ? 0x10 : 0xc; }
static unsigned msi_end(u32 control) { return msi_mask(control) + (control & MSI_CAN_MASK ? 8 : 0); }

static void msi_set_mask(const struct message *m)
{
	u32 control = pci_read(m->bdf, m->cap + CAP_CONTROL, 2);

	if (control & MSI_CAN_MASK)
		pci_write(m->bdf, m->cap + msi_mask(control), 4, m->bound ? ~1u : ~0u);
}

static void msi_write(const struct message *m)
{
	u32 control = pci_read(m->bdf, m->cap + CAP_CONTROL, 2) & ~MSI_MULTIPLE;

	pci_write(m->bdf, m->cap + CAP_CONTROL, 2, control & ~MSI_ENABLE);
	pci_write(m->bdf, m->cap + MSI_ADDRESS, 4, message_address(m->irq));
	if (control & MSI_WIDE)
		pci_write(m->bdf, m->cap + MSI_ADDRESS + 4, 4, 0);
	pci_write(m->bdf, m->cap + msi_data(control), 2, m->vector);
	msi_set_mask(m);
	if (control & MSI_ENABLE)
		pci_write(m->bdf, m->cap + CAP_CONTROL, 2, control);
}

/* --- MSI-X: a table in device memory ------------------------------------------------------- */

/* May dom0 itself write this frame, because it is a device's? */
static bool is_device_frame(u64 mfn)
{
	if (mfn_valid(MFN(mfn)) && page_owner(mfn_to_page(MFN(mfn))) != DOMID_IO)
		return false;
	return rangeset_contains(dom0->iomem, mfn, mfn);
}

static int table_find(u16 bdf, u8 cap, struct table *t)
{
	u32 where = pci_read(bdf, cap + MSIX_TABLE, 4);
	u64 last;

	t->bdf = bdf;
	t->entries = (pci_read(bdf, cap + CAP_CONTROL, 2) & MSIX_SIZE) + 1;
	if (pci_bar_address(bdf, where & 7, &t->maddr))
		return -EINVAL;
	t->maddr += where & ~7u;
	last = t->maddr + t->entries * ENTRY_BYTES - 1;
	if (last < t->maddr)
		return -EINVAL;
	for (u64 f = PFN_DOWN(t->maddr); f <= PFN_DOWN(last); f++)
		if (!is_device_frame(f))
			return -EINVAL;
	return 0;
}

/*
 * Shows `bytes` of device memory, up to a page, through the window, which exists.
 * Another CPU may still have an older translation of it: it drops that here too,
 * before it uses the window.
 */
static volatile void *show(u64 maddr, u64 bytes)
{
	u64 offset = maddr & ~PAGE_MASK, pages = PFN_UP(offset + bytes);

	map_pages(window, MFN(PFN_DOWN(maddr)), pages, HV_UC);
	for (u64 i = 0; i < pages; i++)
		invlpg(window + i * PAGE_SIZE);
	return (volatile void *)(window + offset);
}

static volatile u32 *table_entry(const struct table *t, u32 entry)
{
	return show(t->maddr + entry * ENTRY_BYTES, ENTRY_BYTES);
}

/* The window's two pages; what they show first does not matter. False: no room in our address space. */
static bool window_ready(u64 maddr)
{
	if (!window)
		window = (u64)ioremap(ALIGN_DOWN(maddr, PAGE_SIZE), 2 * PAGE_SIZE);
	return window != 0;
}

struct reach {
	u32 command, control;
};

/* Some devices show the table only while MSI-X is on, and all only while they answer to memory addresses. */
static struct reach table_open(u16 bdf, u8 cap)
{
	struct reach was = { pci_read(bdf, PCI_COMMAND, 2), pci_read(bdf, cap + CAP_CONTROL, 2) };

	if (!(was.control & MSIX_ENABLE))
		pci_write(bdf, cap + CAP_CONTROL, 2, was.control | MSIX_ENABLE | MSIX_MASK_ALL);
	if (!(was.command & PCI_COMMAND_MEMORY))
		pci_write(bdf, PCI_COMMAND, 2, was.command | PCI_COMMAND_MEMORY);
	return was;
}

static void table_close(u16 bdf, u8 cap, struct reach was)
{
	if (!(was.command & PCI_COMMAND_MEMORY))
		pci_write(bdf, PCI_COMMAND, 2, was.command);
	if (!(was.control & MSIX_ENABLE))
		pci_write(bdf, cap + CAP_CONTROL, 2, was.control);
}

/* Writes the message, or (mask_only) just its mask bit. 0, or -EINVAL: it can't be reached. */
static int msix_write(const struct message *m, bool mask_only)
{
	struct table t;
	struct reach was;
	volatile u32 *e;

	if (table_find(m->bdf, m->cap, &t) || m->entry >= t.entries)
		return -EINVAL;
	was = table_open(m->bdf, m->cap);
	e = table_entry(&t, m->entry);
	if (!mask_only) {
		/* Only a masked entry may change (PCI 3.0, 6.8.2). */
		e[ENTRY_CONTROL] |= ENTRY_MASKED;
		e[ENTRY_ADDRESS] = message_address(m->irq);
		e[ENTRY_ADDRESS_HIGH] = 0;
		e[ENTRY_DATA] = m->vector;
	}
	if (m->bound)
		e[ENTRY_CONTROL] &= ~ENTRY_MASKED;
	else
		e[ENTRY_CONTROL] |= ENTRY_MASKED;
	(void)e[ENTRY_CONTROL]; /* the device has it once it has answered a read */
	table_close(m->bdf, m->cap, was);
	return 0;
}

static struct table *table_of(u16 bdf)
{
	for (u32 i = 0; i < nr_tables; i++)
		if (tables[i].bdf == bdf)
			return &tables[i];
	return NULL;
}

static bool in_use(const struct table *t) { return t->users || t->lent; }

/*
 * Where the table of `bdf`, which has MSI-X at `cap`, is now; one in use is left where
 * it was. NULL: there is no room for it in tables[].
 */
static struct table *table_learn(u16 bdf, u8 cap)
{
	struct table *t = table_of(bdf), now = { 0 };

	if (t && in_use(t))
		return t;
	if (!t) {
		if (nr_tables == ARRAY_SIZE(tables))
			return NULL;
		t = &tables[nr_tables];
		WRITE_ONCE(nr_tables, nr_tables + 1);
	}
	if (table_find(bdf, cap, &now))
		now.maddr = 0;
	*t = now;
	return t;
}

/* The table of a function that begins to use it, without a valid entry then, or goes on to. */
static int table_take(u16 bdf, u8 cap, struct table **table)
{
	struct table *t = table_learn(bdf, cap), now;
	struct reach was;

	if (!t)
		return -ENOSPC;
	if (table_find(bdf, cap, &now))
		return -EINVAL;
	*table = t;
	if (in_use(t))
		return t->maddr == now.maddr && t->entries == now.entries ? 0 : -EBUSY;
	if (!window_ready(t->maddr))
		return -ENOSPC;
	was = table_open(bdf, cap);
	for (u32 i = 0; i < t->entries; i++)
		table_entry(t, i)[ENTRY_CONTROL] |= ENTRY_MASKED;
	table_close(bdf, cap, was);
	return 0;
}

static void table_forget(u16 bdf)
{
	struct table *t = table_of(bdf);

	if (!t || in_use(t) || bit_test(known, bdf))
		return;
	WRITE_ONCE(nr_tables, nr_tables - 1);
	*t = tables[nr_tables];
}

/* Does any table reach into first..last (machine addresses)? */
static bool touches_table(u64 first, u64 last)
{
	for (u32 i = 0; i < nr_tables; i++) {
		const struct table *t = &tables[i];

		if (t->maddr && first < t->maddr + t->entries * ENTRY_BYTES && last >= t->maddr)
			return true;
	}
	return false;
}

bool io_frame_readonly(mfn_t mfn)
{
	u32 function;
	bool found;

	if (pci_config_frame(mfn.m, &function))
		return true;
	if (!READ_ONCE(nr_tables))
		return false;
	spin_lock(&msi_lock);
	found = touches_table(mfn.m << PAGE_SHIFT, (mfn.m << PAGE_SHIFT) + PAGE_SIZE - 1);
	spin_unlock(&msi_lock);
	return found;
}

/* --- Messages ------------------------------------------------------------------------------- */

/* May `bdf` take this message into use? 0, -EEXIST, -EBUSY. */
static int message_conflict(u16 bdf, bool msix, u32 entry)
{
	for (u32 i = 0; i < NR_MSI; i++) {
		const struct message *m = &messages[i];

		if (!m->used || m->bdf != bdf)
			continue;
		if (m->msix != msix)
			return -EBUSY;
		if (m->entry == entry)
			return -EEXIST;
	}
	return 0;
}

static int map_locked(u16 bdf, bool msix, u32 entry)
{
	struct message m = { .used = true, .msix = msix, .bdf = bdf, .entry = msix ? entry : 0 };
	struct table *t = NULL;
	int rc, irq;

	m.cap = bit_test(known, bdf) ? pci_find_cap(bdf, msix ? PCI_CAP_MSIX : PCI_CAP_MSI) : 0;
	if (!m.cap)
		return -ENODEV;
	if (entry > (msix ? pci_read(bdf, m.cap + CAP_CONTROL, 2) & MSIX_SIZE : 0))
		return -EINVAL;
	rc = message_conflict(bdf, msix, m.entry);
	if (rc)
		return rc;
	if (msix) {
		rc = table_take(bdf, m.cap, &t);
		if (rc)
			return rc;
	}
	irq = rc = irq_msi_alloc(&m.vector);
	if (irq < 0)
		return rc;
	m.irq = irq;
	if (msix) {
		rc = msix_write(&m, false);
		if (rc)
			goto free;
		t->users++;
	} else {
		msi_write(&m);
	}
	messages[irq - IRQ_MSI_FIRST] = m;
	return irq;
free:
	irq_msi_free(irq);
	return rc;
}

int msi_map(u16 bdf, bool msix, u32 entry)
{
	int rc;

	spin_lock(&msi_lock);
	rc = map_locked(bdf, msix, entry);
	spin_unlock(&msi_lock);
	return rc;
}

static struct message *message_of(u32 irq)
{
	struct message *m = &messages[irq - IRQ_MSI_FIRST];

	ASSERT(irq >= IRQ_MSI_FIRST && irq < IRQ_MSI_FIRST + NR_MSI && m->used);
	return m;
}

void msi_unmap(u32 irq)
{
	struct message *m;

	spin_lock(&msi_lock);
	m = message_of(irq);
	if (m->msix) {
		table_of(m->bdf)->users--;
		table_forget(m->bdf);
	} else if (still_there(m->bdf, m->cap, false)) {
		u32 control = pci_read(m->bdf, m->cap + CAP_CONTROL, 2);

		/* It may have no mask bit: this is what keeps it quiet. */
		pci_write(m->bdf, m->cap + CAP_CONTROL, 2, control & ~MSI_ENABLE);
	}
	m->used = false;
	irq_msi_free(irq);
	spin_unlock(&msi_lock);
}

void msi_bound(u32 irq, bool bound)
{
	struct message *m;

	spin_lock(&msi_lock);
	m = message_of(irq);
	m->bound = bound;
	if (still_there(m->bdf, m->cap, m->msix)) {
		/* A table that can't be reached any more is one that dom0 took away: its loss. */
		if (m->msix)
			msix_write(m, true);
		else
			msi_set_mask(m);
	}
	spin_unlock(&msi_lock);
}

void msi_follow(u32 irq)
{
	const struct message *m = &messages[irq - IRQ_MSI_FIRST];

	spin_lock(&msi_lock);
	if (m->used && still_there(m->bdf, m->cap, m->msix)) {
		if (m->msix)
			msix_write(m, false);
		else
			pci_write(m->bdf, m->cap + MSI_ADDRESS, 4, message_address(irq));
	}
	spin_unlock(&msi_lock);
}

/* --- Functions ------------------------------------------------------------------------------- */

int msi_device_add(u16 bdf, u16 answers)
{
	int rc = -ENODEV;

	spin_lock(&msi_lock);
	if (pci_present(answers)) {
		u8 cap = pci_find_cap(bdf, PCI_CAP_MSIX);

		bit_set(known, bdf);
		/* Before its driver maps it. Without room that is missed, and tried again at its first message. */
		if (cap)
			table_learn(bdf, cap);
		rc = 0;
	}
	spin_unlock(&msi_lock);
	return rc;
}

int msi_device_remove(u16 bdf)
{
	bool was;

	spin_lock(&msi_lock);
	was = bit_test_and_clear(known, bdf);
	table_forget(bdf);
	spin_unlock(&msi_lock);
	return was ? 0 : -ENODEV;
}

int msi_restore(u16 bdf)
{
	int rc = 0;

	spin_lock(&msi_lock);
	if (!bit_test(known, bdf))
		rc = -ENODEV;
	for (u32 i = 0; i < NR_MSI && !rc; i++) {
		const struct message *m = &messages[i];

		if (!m->used || m->bdf != bdf)
			continue;
		if (!still_there(bdf, m->cap, m->msix))
			rc = -ENODEV;
		else if (m->msix)
			rc = msix_write(m, false);
		else
			msi_write(m);
	}
	spin_unlock(&msi_lock);
	return rc;
}

static int lend_locked(u16 bdf)
{
	u8 cap = bit_test(known, bdf) ? pci_find_cap(bdf, PCI_CAP_MSIX) : 0;
	struct table *t;
	int rc;

	if (!cap)
		return -ENODEV;
	rc = table_take(bdf, cap, &t);
	if (rc)
		return rc;
	if (t->users)
		return -EBUSY;
	t->lent = true;
	return 0;
}

int msi_lend(u16 bdf, bool lent)
{
	struct table *t;
	int rc = 0;

	spin_lock(&msi_lock);
	if (lent) {
		rc = lend_locked(bdf);
	} else {
		t = table_of(bdf);
		if (!t || !t->lent)
			rc = -ENODEV;
		else if (t->users)
			rc = -EBUSY;
		if (!rc) {
			t->lent = false;
			table_forget(bdf);
		}
	}
	spin_unlock(&msi_lock);
	return rc;
}

/* --- dom0's writes to config space ---------------------------------------------------------- */

static bool uses_msi(u16 bdf)
{
	for (u32 i = 0; i < NR_MSI; i++)
		if (messages[i].used && !messages[i].msix && messages[i].bdf == bdf)
			return true;
	return false;
}

/* What of a write may pass: false for nothing. `*value` is adapted. */
static bool write_may_pass(u16 bdf, unsigned reg, unsigned size, u32 *value)
{
	unsigned cap = reg >= 0x40 ? pci_find_cap(bdf, PCI_CAP_MSI) : 0;
	unsigned shift;
	u32 refused;

	if (!cap || reg + size <= cap)
		return true;
	/* Address, data and mask: all of a write within them is dropped. Registers are dwords, writes stay in one. */
	if (reg >= cap + MSI_ADDRESS)
		return reg >= cap + msi_end(pci_read(bdf, cap + CAP_CONTROL, 2));
	if (reg > cap + CAP_CONTROL || reg + size <= cap + CAP_CONTROL)
		return true;
	/* The control word's low byte: never more than one message, and none while there is none to send. */
	refused = MSI_MULTIPLE | (uses_msi(bdf) ? 0 : MSI_ENABLE);
	shift = (cap + CAP_CONTROL - reg) * 8;
	*value &= ~(refused << shift);
	return true;
}

static void config_write(u16 bdf, unsigned reg, unsigned size, u32 value)
{
	const struct table *t;

	if (!write_may_pass(bdf, reg, size, &value))
		return;
	pci_write(bdf, reg, size, value);
	if (reg >= PCI_BAR0 && reg < PCI_BAR_END && (t = table_of(bdf)) && !in_use(t)) {
		u8 cap = pci_find_cap(bdf, PCI_CAP_MSIX);

		if (cap)
			table_learn(bdf, cap);
	}
}

void msi_guest_config_write(u32 cf8, unsigned off, unsigned size, u32 value)
{
	if (!pci_cf8_names(cf8))
		return;
	spin_lock(&msi_lock);
	config_write(cf8 >> 8, (cf8 & 0xfc) + off, size, value);
	spin_unlock(&msi_lock);
}

/* --- Frames that guests may only read -------------------------------------------------------- */

u64 io_frame_read(mfn_t mfn, unsigned offset, unsigned size)
{
	u64 maddr = mfn.m << PAGE_SHIFT | offset, value = ~0ULL;

	spin_lock(&msi_lock);
	if (window_ready(maddr)) {
		volatile void *p = show(maddr, size);

		value = size == 1 ? *(volatile u8 *)p : size == 2 ? *(volatile u16 *)p :
			size == 4 ? *(volatile u32 *)p : *(volatile u64 *)p;
	}
	spin_unlock(&msi_lock);
	return value;
}

static void write_through(u64 maddr, unsigned size, u64 value)
{
	volatile void *p;

	if (!window_ready(maddr))
		return;
	p = show(maddr, size);
	if (size == 1)
		*(volatile u8 *)p = value;
	else if (size == 2)
		*(volatile u16 *)p = value;
	else if (size == 4)
		*(volatile u32 *)p = value;
	else
		*(volatile u64 *)p = value;
}

void io_frame_write(mfn_t mfn, unsigned offset, unsigned size, u64 value)
{
	u64 maddr = mfn.m << PAGE_SHIFT | offset;
	u32 bdf;

	spin_lock(&msi_lock);
	if (pci_config_frame(mfn.m, &bdf) && bdf != ~0u && offset < PCI_PORTS_END) {
		/* Dword by dword, and never across two: no device has to understand more. */
		for (; size == 8; size = 4, offset += 4, value >>= 32)
			config_write(bdf, offset & ~3u, 4, value);
		if ((offset & 3) + size <= 4 && !(offset & (size - 1)))
			config_write(bdf, offset, size, value);
	} else if (!touches_table(maddr, maddr + size - 1)) {
		write_through(maddr, size, value);
	}
	spin_unlock(&msi_lock);
}
