// SPDX-License-Identifier: MIT
/*
 * Messages of devices (MSI, MSI-X) as a driver domain asks for them, and as a bad one would like to have them.
 *
 * Devices: any function with MSI (q35 has its AHCI); the better for being QEMU's edu (PCI id 1234:11e8), which raises
 * an interrupt when told to. Any function with MSI-X. What is not there is skipped. No driver runs, so that the
 * functions may be bent at will.
 */
#include <xen/errno.h>
#include <xen/physdev.h>

#include "runtime.h"

#define CAP_MSI		5
#define CAP_MSIX	0x11
#define ENABLE		1
#define EDU		0x11e81234
#define Q35		0x29c08086
#define EDU_RAISE	0x60
#define EDU_ACK		0x64
#define NOWHERE		0xf7		/* 00:1e.7 */

#define physdev(cmd, arg) hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_##cmd, arg)

SNIPPET(store_rdi, "mov %eax, (%rdi)");
SNIPPET(store_quad, "mov %rax, (%rdi)");
SNIPPET(store_byte, "mov %al, (%rdi)");
SNIPPET(or_byte, "or %al, (%rdi)");
SNIPPET(store_string, "cld; rep stosb");
SNIPPET(move_string, "cld; rep movsb");

static inline void outl(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* Whole dwords: reg is rounded down. */
static uint32_t config_read(unsigned int bdf, unsigned int reg)
{
	outl(0xcf8, 0x80000000u | bdf << 8 | (reg & 0xfc));
	return inl(0xcfc);
}

static void config_write(unsigned int bdf, unsigned int reg, uint32_t value)
{
	outl(0xcf8, 0x80000000u | bdf << 8 | (reg & 0xfc));
	outl(0xcfc, value);
}

static unsigned int capability(unsigned int bdf, unsigned int id)
{
	unsigned int at = 0, steps = 0;

	if (config_read(bdf, 4) >> 16 & 0x10)
		at = config_read(bdf, 0x34) & 0xfc;
	while (at && steps++ < 48 && (config_read(bdf, at) & 0xff) != id)
		at = config_read(bdf, at) >> 8 & 0xfc;
	return at;
}

/* The first function of bus 0 with a capability, edu before others; 0 for none (00:00.0 is the host bridge). */
static unsigned int find(unsigned int id)
{
	unsigned int found = 0;

	for (unsigned int bdf = 0xff; bdf; bdf--) {
		if (config_read(bdf, 0) == 0xffffffff || !capability(bdf, id))
			continue;
		if (!found || config_read(bdf, 0) == EDU)
			found = bdf;
	}
	return found;
}

static long device_add(unsigned int bdf)
{
	struct physdev_pci_device_add add = { .bus = bdf >> 8, .devfn = bdf & 0xff };

	return physdev(pci_device_add, &add);
}

#define device_op(cmd, bdf)								\
	({										\
		struct physdev_pci_device device = { .devfn = (bdf) };			\
											\
		physdev(cmd, &device);							\
	})

/* The pirq or a negated error. */
static long map(int type, int bus, int devfn, int entry, uint64_t table)
{
	struct physdev_map_pirq m = { .domid = DOMID_SELF, .type = type, .index = -1, .pirq = -1, .bus = bus,
				      .devfn = devfn, .entry_nr = entry, .table_base = table };
	long rc = physdev(map_pirq, &m);

	return rc ? rc : m.pirq;
}

static long map_msi(unsigned int bdf)
{
	return map(MAP_PIRQ_TYPE_MSI_SEG, 0, bdf, 0, 0);
}

static long map_msix(unsigned int bdf, int entry)
{
	return map(MAP_PIRQ_TYPE_MSI_SEG, 0, bdf, entry, 0x1000);
}

static long unmap(long pirq)
{
	struct physdev_unmap_pirq u = { .domid = DOMID_SELF, .pirq = pirq };

	return physdev(unmap_pirq, &u);
}

/* The port or a negated error. */
static long bind(long pirq)
{
	struct evtchn_bind_pirq b = { .pirq = pirq };
	long rc = hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, &b);

	return rc ? rc : (long)b.port;
}

static void refusals(unsigned int msi, unsigned int msix)
{
	tap_long(map_msi(msi), -XEN_ENODEV, "map_of_a_function_not_announced_is_refused");
	tap_long(device_add(NOWHERE), -XEN_ENODEV, "announcing_an_absent_function_is_refused");
	tap_long(device_op(pci_device_remove, NOWHERE), -XEN_ENODEV, "removing_an_unknown_function_is_refused");
	tap_long(device_op(restore_msi_ext, NOWHERE), -XEN_ENODEV, "restoring_an_unknown_function_is_refused");
	tap_long(device_op(prepare_msix, msi), -XEN_ENODEV, "lending_an_unknown_function_is_refused");
	tap_long(device_add(msi), 0, "announcing_a_function_succeeds");
	tap_long(device_add(msi), 0, "announcing_it_again_succeeds");
	if (msix)
		device_add(msix);
	tap_long(map(MAP_PIRQ_TYPE_MSI_SEG, 256, msi, 0, 0), -XEN_EINVAL, "bus_256_is_refused");
	tap_long(map(MAP_PIRQ_TYPE_MSI, 1 << 16, msi, 0, 0), -XEN_EINVAL, "a_segment_in_the_old_type_is_refused");
	tap_long(map(MAP_PIRQ_TYPE_MSI_SEG, 1 << 16, msi, 0, 0), -XEN_ENODEV, "segment_1_is_refused");
	tap_long(map(MAP_PIRQ_TYPE_MSI_SEG, -1, msi, 0, 0), -XEN_EINVAL, "a_negative_bus_is_refused");
	tap_long(map(MAP_PIRQ_TYPE_MSI_SEG, 0, 256, 0, 0), -XEN_EINVAL, "devfn_256_is_refused");
	tap_long(map(MAP_PIRQ_TYPE_MSI_SEG, 0, -1, 0, 0), -XEN_EINVAL, "a_negative_devfn_is_refused");
	tap_long(map(MAP_PIRQ_TYPE_MULTI_MSI, 0, msi, 4, 0), -XEN_EOPNOTSUPP, "four_messages_at_once_are_refused");
	tap_long(map(5, 0, msi, 0, 0), -XEN_EINVAL, "an_unknown_type_is_refused");
	tap_long(unmap(-1), -XEN_EINVAL, "unmap_of_a_negative_pirq_is_refused");
	tap_long(unmap(0x7fffffff), -XEN_EINVAL, "unmap_of_a_huge_pirq_is_refused");
	if (!capability(msi, CAP_MSIX))
		tap_long(map_msix(msi, 0), -XEN_ENODEV, "msi_x_of_a_function_without_it_is_refused");
	else
		tap_skip("msi_x_of_a_function_without_it_is_refused", "it has both");
}

static void msi_registers(unsigned int bdf)
{
	unsigned int cap = capability(bdf, CAP_MSI), data = config_read(bdf, cap) >> 23 & 1 ? 12 : 8;
	uint32_t control = config_read(bdf, cap) & ~((uint32_t)ENABLE << 16);
	uint32_t address, word;
	long pirq, port;

	config_write(bdf, cap, control | ENABLE << 16);
	tap_ok(!(config_read(bdf, cap) >> 16 & ENABLE), "msi_cannot_be_enabled_without_a_message");
	pirq = map_msi(bdf);
	tap_ok(pirq > 0, "msi_gets_a_pirq (%ld)", pirq);
	address = config_read(bdf, cap + 4);
	word = config_read(bdf, cap + data) & 0xffff;
	tap_ok(address >> 20 == 0xfee && word > 0x20 && word < 0xe0, "the_message_is_in_the_device (%x, %x)", address,
	       word);
	tap_long(map_msi(bdf), -XEN_EEXIST, "a_second_map_is_refused");
	for (unsigned int reg = 4; reg <= data; reg += 4)
		config_write(bdf, cap + reg, 0x55555555);
	tap_ok(config_read(bdf, cap + 4) == address && (config_read(bdf, cap + data) & 0xffff) == word,
	       "writes_to_the_message_are_dropped");
	config_write(bdf, cap, control | (ENABLE | 0x30) << 16);
	tap_long(config_read(bdf, cap) >> 16 & (ENABLE | 0x70), ENABLE, "enabling_passes_and_more_messages_do_not");
	port = bind(pirq);
	tap_ok(port > 0, "the_pirq_can_be_bound (%ld)", port);
	tap_long(bind(pirq), -XEN_EEXIST, "a_second_bind_is_refused");
	tap_long(unmap(pirq), -XEN_EBUSY, "unmap_of_a_bound_pirq_is_refused");
	tap_long(device_op(restore_msi_ext, bdf), 0, "restore_succeeds");
	tap_long(config_read(bdf, cap + 4), address, "restore_keeps_the_message");
	event_close(port);
	tap_long(unmap(pirq), 0, "unmap_succeeds");
	tap_ok(!(config_read(bdf, cap) >> 16 & ENABLE), "unmap_disables_msi");
	tap_long(unmap(pirq), -XEN_EINVAL, "a_second_unmap_is_refused");
	tap_long(bind(pirq), -XEN_EINVAL, "bind_of_an_unmapped_pirq_is_refused");
}

/* Many more than there are vectors, some of whose numbers the caller never learns. */
static void nothing_leaks(unsigned int bdf)
{
	struct physdev_map_pirq *m = page_alloc();
	unsigned int good = 0, faults = 0;
	long pirq;

	*m = (struct physdev_map_pirq){ .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI_SEG, .index = -1, .pirq = -1,
					.devfn = bdf };
	page_make_readonly(m);
	for (unsigned int i = 0; i < 1000; i++) {
		pirq = map_msi(bdf);
		good += pirq > 0 && unmap(pirq) == 0;
		faults += physdev(map_pirq, m) == -XEN_EFAULT;
	}
	page_make_writable(m);
	page_free(m);
	tap_long(good, 1000, "map_and_unmap_a_thousand_times");
	tap_long(faults, 1000, "a_map_whose_answer_has_no_place_is_undone");
}

static bool comes(evtchn_port_t port)
{
	for (unsigned int i = 0; i < 100000000; i++)
		if (event_is_pending(port))
			return true;
	return false;
}

/* Interrupts of edu from its register to the event. */
static void delivery(unsigned int bdf)
{
	unsigned int cap = capability(bdf, CAP_MSI);
	volatile uint32_t *edu = page_alloc();
	long pirq, port;

	config_write(bdf, 4, config_read(bdf, 4) | 6);
	if (map_pte((void *)edu, (config_read(bdf, 0x10) & ~0xfffu) | PTE_RWDATA | PTE_PCD | PTE_PWT))
		panic("edu's registers can't be mapped");
	pirq = map_msi(bdf);
	port = bind(pirq);
	event_mask_port(port);
	config_write(bdf, cap, config_read(bdf, cap) | ENABLE << 16);
	tap_ok(!event_is_pending(port), "no_event_before_an_interrupt");
	for (unsigned int i = 0; i < 3; i++) {
		edu[EDU_RAISE / 4] = 1;
		tap_ok(comes(port), "interrupt_%u_comes_without_an_eoi", i);
		event_clear_pending(port);
		edu[EDU_ACK / 4] = 1;
	}
	event_close(port);
	port = bind(pirq);
	edu[EDU_RAISE / 4] = 1;
	tap_ok(comes(port), "an_interrupt_comes_after_binding_again");
	edu[EDU_ACK / 4] = 1;
	event_close(port);
	/* Nobody is bound: it must do no harm. */
	edu[EDU_RAISE / 4] = 1;
	edu[EDU_ACK / 4] = 1;
	tap_long(unmap(pirq), 0, "unmap_after_an_interrupt_for_nobody");
}

static void msix_places(unsigned int bdf, unsigned int bar, unsigned int last)
{
	uint32_t was = config_read(bdf, bar);
	unsigned char *page = page_alloc();
	static const struct { uint64_t maddr; const char *name; } places[] = {
		{ 0, "a_table_nowhere_is_refused" },
		{ 0x00200000, "a_table_over_the_hypervisor_is_refused" },
		{ 0xfee00000, "a_table_over_the_local_apic_is_refused" },
		{ 0xfec00000, "a_table_over_the_io_apic_is_refused" },
	};
	bool zero = true;
	long pirq;

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		config_write(bdf, bar, places[i].maddr);
		tap_long(map_msix(bdf, 0), -XEN_EINVAL, places[i].name);
	}
	config_write(bdf, bar, virt_to_mfn(page) << PAGE_SHIFT);
	tap_long(map_msix(bdf, 0), -XEN_EINVAL, "a_table_over_ram_is_refused");
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		zero &= !page[i];
	tap_ok(zero, "and_the_ram_is_as_it_was");
	config_write(bdf, bar, was);
	tap_long(map_msix(bdf, last + 1), -XEN_EINVAL, "an_entry_behind_the_table_is_refused");
	tap_long(map_msix(bdf, 0x7fffffff), -XEN_EINVAL, "a_huge_entry_is_refused");
	tap_long(map_msix(bdf, -1), -XEN_EINVAL, "a_negative_entry_is_refused");
	pirq = map_msix(bdf, last);
	tap_ok(pirq > 0, "the_last_entry_gets_a_pirq (%ld)", pirq);
	config_write(bdf, bar, was - 0x10000000);
	tap_long(map_msix(bdf, 0), -XEN_EBUSY, "another_entry_is_refused_once_the_table_has_moved");
	config_write(bdf, bar, was);
	tap_long(unmap(pirq), 0, "the_last_entry_is_unmapped");
}

/* With no message in use, what is protected is where the BAR says that the table is. */
static void table_moves(unsigned int bdf, unsigned char *page, uint64_t want)
{
	unsigned int bar = 0x10 + 4 * (config_read(bdf, capability(bdf, CAP_MSIX) + 4) & 7);
	uint32_t was = config_read(bdf, bar);
	uint64_t pte;

	config_write(bdf, bar, was - 0x10000000);
	map_pte(page, want & ~(uint64_t)PTE_RW);
	map_pte(page, want);
	pt_entry(kernel_l4_mfn(), (uint64_t)page, 1, &pte);
	tap_ok(pte & PTE_RW, "where_a_table_was_is_writable");
	map_pte(page, want - 0x10000000);
	pt_entry(kernel_l4_mfn(), (uint64_t)page, 1, &pte);
	tap_ok(!(pte & PTE_RW), "where_it_is_now_is_not");
	config_write(bdf, bar, was);
	tap_long(device_op(pci_device_remove, bdf), 0, "the_function_is_removed");
	map_pte(page, want & ~(uint64_t)PTE_RW);
	map_pte(page, want);
	pt_entry(kernel_l4_mfn(), (uint64_t)page, 1, &pte);
	tap_ok(pte & PTE_RW, "the_table_of_a_function_not_known_is_writable");
	tap_long(device_add(bdf), 0, "the_function_is_announced_again");
	map_pte(page, want & ~(uint64_t)PTE_RW);
}

/* Stores into one function's configuration space in memory; addresses are offsets. */
static unsigned char *config_page;

static bool store(const void *code, unsigned int reg, uint64_t value, uint64_t count)
{
	struct regs regs = { .rax = value, .rdi = (uint64_t)config_page + reg, .rcx = count };

	return run_kernel(code, &regs).vector == NO_FAULT;
}

static uint32_t memory_read(unsigned int reg)
{
	return *(volatile uint32_t *)(config_page + reg);
}

/* Configuration space in memory (q35 has it, where its register 0x60 says): the same rules as by ports. */
static void config_in_memory(unsigned int msi, unsigned int msix)
{
	uint64_t base = config_read(0, 0x60) & 0xf0000000, want, pte;
	unsigned int cap = capability(msi, CAP_MSI);
	uint32_t address, line;
	long pirq;

	config_page = page_alloc();
	want = (base + ((uint64_t)msi << 12)) | PTE_RWDATA | PTE_PCD | PTE_PWT;
	tap_long(map_pte(config_page, want), 0, "config_space_can_be_mapped_writable");
	pt_entry(kernel_l4_mfn(), (uint64_t)config_page, 1, &pte);
	tap_ok(!(pte & PTE_RW), "but_its_entry_is_read_only");
	tap_long(memory_read(0), config_read(msi, 0), "what_is_read_is_the_function's");

	pirq = map_msi(msi);
	address = config_read(msi, cap + 4);
	tap_ok(store(store_rdi, cap + 4, 0x55555555, 0), "a_store_to_the_message_does_not_fault");
	tap_long(config_read(msi, cap + 4), address, "and_is_dropped");
	tap_ok(store(store_quad, cap + 4, ~0ull, 0) && config_read(msi, cap + 4) == address, "so_is_one_of_8_bytes");
	tap_ok(store(store_string, cap + 4, 0x55, 8) && config_read(msi, cap + 4) == address, "and_a_string");
	store(store_rdi, cap, memory_read(cap) | (ENABLE | 0x30) << 16, 0);
	tap_long(config_read(msi, cap) >> 16 & (ENABLE | 0x70), ENABLE, "enabling_passes_alone");
	unmap(pirq);
	store(store_rdi, cap, memory_read(cap) | ENABLE << 16, 0);
	tap_ok(!(config_read(msi, cap) >> 16 & ENABLE), "and_not_without_a_message");

	/* The interrupt line register is the system's to keep a note in. */
	line = config_read(msi, 0x3c) & 0xff;
	tap_ok(store(store_byte, 0x3c, line ^ 0xff, 0) && (config_read(msi, 0x3c) & 0xff) == (line ^ 0xff),
	       "a_byte_is_stored");
	tap_ok(store(or_byte, 0x3c, 0xff, 0) && (config_read(msi, 0x3c) & 0xff) == 0xff, "a_byte_is_changed");
	tap_ok(store(store_string, 0x3c, line, 1) && (config_read(msi, 0x3c) & 0xff) == line, "a_string_is_stored");
	address = memory_read(0x10);
	tap_ok(store(store_rdi, 0x10, 0xffffffff, 0) && (memory_read(0x10) & 0xf) == (address & 0xf) &&
	       memory_read(0x10) != address, "a_bar_shows_its_size");
	tap_ok(store(store_rdi, 0x10, address, 0) && memory_read(0x10) == address, "and_has_its_address_again");

	/* Above 0x100, which ports can't reach: advanced error reporting, whose masks can be written. */
	want = (base + ((uint64_t)msix << 12)) | PTE_RWDATA | PTE_PCD | PTE_PWT;
	map_pte(config_page, want);
	tap_ok((memory_read(0x100) & 0xffff) == 1, "the_function_reports_errors (%x)", memory_read(0x100));
	address = memory_read(0x114);
	tap_ok(store(store_rdi, 0x114, address ^ 0x1000, 0) && memory_read(0x114) == (address ^ 0x1000),
	       "an_extended_register_is_stored");
	store(store_rdi, 0x114, address, 0);
}

static void msix_table(unsigned int bdf, unsigned int last, uint64_t table)
{
	unsigned char *page = page_alloc();
	volatile uint32_t *entry = (volatile uint32_t *)(page + (table & (PAGE_SIZE - 1)));
	uint64_t want = (table & ~(PAGE_SIZE - 1)) | PTE_RWDATA | PTE_PCD | PTE_PWT, pte;
	static const char source[16] = "0123456789abcdef";
	struct regs regs = { .rax = 0x55555555, .rdi = (uint64_t)entry, .rsi = (uint64_t)source, .rcx = 16 };
	uint32_t address, data;
	struct outcome end;
	long pirq, port;

	pirq = map_msix(bdf, 0);
	tap_long(map_pte(page, want), 0, "the_table_can_be_mapped_writable");
	pt_entry(kernel_l4_mfn(), (uint64_t)page, 1, &pte);
	tap_ok((pte & PTE_P) && !(pte & PTE_RW), "but_the_entry_is_read_only (%llx)", (unsigned long long)pte);
	config_write(bdf, 4, config_read(bdf, 4) | 6);
	config_write(bdf, capability(bdf, CAP_MSIX), config_read(bdf, capability(bdf, CAP_MSIX)) | 0x80000000u);
	address = entry[0];
	data = entry[2];
	tap_ok(address >> 20 == 0xfee && !entry[1] && data > 0x20 && data < 0xe0, "the_message_is_in_the_table");
	tap_long(entry[3] & 1, 1, "an_entry_is_masked_before_bind");
	tap_long(!last || (entry[7] & 1), 1, "an_entry_not_in_use_is_masked");
	port = bind(pirq);
	tap_long(entry[3] & 1, 0, "bind_unmasks");
	end = run_kernel(store_rdi, &regs);
	tap_ok(end.vector == NO_FAULT && entry[0] == address, "a_store_to_the_table_is_dropped");
	end = run_kernel(store_string, &regs);
	tap_ok(end.vector == NO_FAULT && end.regs.rcx == 0 && end.regs.rdi == (uint64_t)entry + 16 &&
	       entry[0] == address && entry[2] == data, "stos_to_the_table_is_dropped");
	end = run_kernel(move_string, &regs);
	tap_ok(end.vector == NO_FAULT && end.regs.rcx == 0 && end.regs.rsi == (uint64_t)source + 16 &&
	       entry[0] == address && entry[2] == data, "movs_to_the_table_is_dropped");
	tap_long(device_op(prepare_msix, bdf), -XEN_EBUSY, "a_function_in_use_is_not_lent");
	event_close(port);
	tap_long(entry[3] & 1, 1, "close_masks");
	tap_long(unmap(pirq), 0, "unmap_of_an_entry");
	tap_long(map_pte(page, want), 0, "the_table_can_be_mapped_again");
	pt_entry(kernel_l4_mfn(), (uint64_t)page, 1, &pte);
	tap_ok(!(pte & PTE_RW), "a_table_is_read_only_while_its_function_is_known");
	end = run_kernel(store_rdi, &regs);
	tap_ok(end.vector == NO_FAULT && entry[0] == address, "a_store_to_a_table_not_in_use_is_dropped_too");
	table_moves(bdf, page, want);
	tap_long(device_op(prepare_msix, bdf), 0, "a_function_can_be_lent");
	map_pte(page, want & ~PTE_RW);
	map_pte(page, want);
	pt_entry(kernel_l4_mfn(), (uint64_t)page, 1, &pte);
	tap_ok(!(pte & PTE_RW), "the_table_of_a_lent_function_is_read_only");
	tap_long(device_op(release_msix, bdf), 0, "and_taken_back");
	tap_long(device_op(release_msix, bdf), -XEN_ENODEV, "but_once");
}

void guest_main(void)
{
	struct physdev_set_iopl iopl = { 1 };
	unsigned int msi, msix;

	tap_start("msi");
	physdev(set_iopl, &iopl);
	msi = find(CAP_MSI);
	msix = find(CAP_MSIX);
	if (msi) {
		refusals(msi, msix);
		msi_registers(msi);
		nothing_leaks(msi);
	} else {
		tap_skip("msi", "no function has it");
	}
	if (msi && config_read(msi, 0) == EDU)
		delivery(msi);
	else
		tap_skip("delivery", "there is no edu device");
	if (msix) {
		unsigned int cap = capability(msix, CAP_MSIX), bar = 0x10 + 4 * (config_read(msix, cap + 4) & 7);
		unsigned int last = config_read(msix, cap) >> 16 & 0x7ff;

		device_add(msix);
		msix_places(msix, bar, last);
		msix_table(msix, last, (config_read(msix, bar) & ~0xfULL) + (config_read(msix, cap + 4) & ~7u));
	} else {
		tap_skip("msi_x", "no function has it");
	}
	if (msi && msix && config_read(0, 0) == Q35)
		config_in_memory(msi, msix);
	tap_end();
}
