// SPDX-License-Identifier: MIT
/*
 * ACPI tables built here, read whole, cut at every length, and damaged at
 * random. The mapping callback hands out heap blocks of just the bytes asked
 * for and frees them at the next call, so AddressSanitizer sees any read beside
 * them and any pointer kept too long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/acpi.h"

#define RSDP 0xf5a40 /* found by scanning; given where that would only cost time */
#define HIGH 0x7ffe0000ULL
#define HIGH_BYTES 0x4000

static u8 low[0x100000], high[HIGH_BYTES];
static u32 high_used;
static u64 memory_end; /* of the high part: what lies behind can't be mapped */
static void *mapped;
static char said[4096];
static struct acpi_info info;

static u64 seed = 1;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static const void *map(u64 pa, u64 len)
{
	const u8 *from;

	free(mapped);
	mapped = NULL;
	if (pa < sizeof(low) && len <= sizeof(low) - pa)
		from = low + pa;
	else if (pa >= HIGH && pa < memory_end && len <= memory_end - pa)
		from = high + (pa - HIGH);
	else
		return NULL;
	mapped = malloc(len);
	memcpy(mapped, from, len);
	return mapped;
}

static void say(enum log_level lvl, const char *sentence)
{
	size_t used = strlen(said);

	(void)lvl;
	snprintf(said + used, sizeof(said) - used, "%s\n", sentence);
}

static const struct acpi_env env = { map, say };

static int parse(u64 rsdp)
{
	int rc;

	said[0] = 0;
	memset(&info, 0xee, sizeof(info));
	rc = acpi_parse(&info, rsdp, &env);
	free(mapped);
	mapped = NULL;
	return rc;
}

/* ---- Building ------------------------------------------------------------------------------ */

static void checksum(u8 *p, u32 len, u32 at)
{
	u8 s = 0;

	p[at] = 0;
	for (u32 i = 0; i < len; i++)
		s += p[i];
	p[at] = -s;
}

static void put(u8 *p, u32 at, u64 v, u32 bytes)
{
	memcpy(p + at, &v, bytes);
}

/* Places a table of `len` bytes with a header; its fields come after, then seal(). */
static u64 table(const char *name, u8 revision, u32 len)
{
	u8 *p = high + high_used;

	assert_true(high_used + len <= HIGH_BYTES);
	memset(p, 0, len);
	memcpy(p, name, 4);
	put(p, 4, len, 4);
	p[8] = revision;
	high_used += (len + 63) & ~63;
	return HIGH + (p - high);
}

static u8 *at(u64 pa)
{
	return pa >= HIGH ? high + (pa - HIGH) : low + pa;
}

static void seal(u64 pa)
{
	u32 len;

	memcpy(&len, at(pa) + 4, 4);
	checksum(at(pa), len, 9);
}

static const u8 madt_entries[] = {
	0, 8, 0, 0, 1, 0, 0, 0,                                /* CPU 0 */
	0, 8, 1, 2, 1, 0, 0, 0,                                /* CPU 1, APIC id 2 */
	0, 8, 2, 4, 0, 0, 0, 0,                                /* never usable */
	0, 8, 3, 6, 2, 0, 0, 0,                                /* can be plugged in */
	0, 8, 4, 0xff, 1, 0, 0, 0,                             /* unused */
	9, 16, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0,    /* x2APIC id 300 */
	9, 16, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,       /* id 2 once more */
	1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0,             /* I/O APIC 0 */
	1, 12, 9, 0, 0, 0x10, 0xc0, 0xfe, 24, 0, 0, 0,         /* I/O APIC 9 */
	2, 10, 0, 0, 2, 0, 0, 0, 0, 0,                         /* irq 0 is GSI 2 */
	2, 10, 0, 9, 9, 0, 0, 0, 0, 0,                         /* irq 9, the SCI: conforms */
	2, 10, 0, 5, 5, 0, 0, 0, 0x0d, 0,                      /* irq 5: high, level */
	2, 10, 0, 11, 11, 0, 0, 0, 0x0f, 0,                    /* irq 11: low, level */
	2, 10, 7, 3, 3, 0, 0, 0, 0, 0,                         /* not ISA's bus */
	3, 8, 0x0f, 0, 17, 0, 0, 0,                            /* NMI on GSI 17 */
	4, 6, 0xff, 5, 0, 1,                                   /* LINT1 of all */
	5, 12, 0, 0, 0, 0, 0xe0, 0xfe, 1, 0, 0, 0,             /* local APIC at 4 GiB + */
	10, 12, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,                  /* x2APIC: LINT0 of uid 7 */
	0x7f, 4, 1, 2,                                         /* from the future */
};

static u64 madt, fadt, hpet, mcfg, rsdt, xsdt;

static void build_rsdp(u8 *p, u8 revision)
{
	memset(p, 0, 36);
	memcpy(p, "RSD PTR ", 8);
	p[15] = revision;
	put(p, 16, rsdt, 4);
	if (revision >= 2) {
		put(p, 20, 36, 4);
		put(p, 24, xsdt, 8);
	}
	checksum(p, 20, 8);
	if (revision >= 2)
		checksum(p, 36, 32);
}

static void build_fadt(void)
{
	u8 *p;

	fadt = table("FACP", 5, 268);
	p = at(fadt);
	put(p, 36, HIGH + 0x3000, 4);
	put(p, 40, HIGH + 0x3100, 4);
	put(p, 46, 9, 2);
	put(p, 48, 0xb2, 4);
	p[52] = 2;
	p[53] = 3;
	put(p, 56, 0x600, 4);
	put(p, 64, 0x604, 4);
	put(p, 76, 0x608, 4);
	p[88] = 4;
	p[89] = 2;
	p[91] = 4;
	p[108] = 0x32;
	put(p, 109, 3, 2);
	put(p, 112, 1 << 8 | 1 << 10, 4);
	memcpy(p + 116, "\x01\x08\x00\x00\xf9\x0c\x00\x00\x00\x00\x00\x00", 12);
	p[128] = 0x0f;
	memcpy(p + 172, "\x01\x10\x00\x02\x04\x06\x00\x00\x00\x00\x00\x00", 12);
	seal(fadt);
}

static void build(u8 revision)
{
	u64 list[6], dmar;
	u8 *p;

	memset(low + 0x400, 0, 0x100);
	memset(low + 0x9fc00, 0, 0x400);
	memset(low + 0xf5000, 0, 0x2000);
	memset(high, 0, sizeof(high));
	high_used = 0;
	memory_end = HIGH + HIGH_BYTES;

	madt = table("APIC", 4, 44 + sizeof(madt_entries));
	put(at(madt), 36, 0xfee00000, 4);
	put(at(madt), 40, 1, 4);
	memcpy(at(madt) + 44, madt_entries, sizeof(madt_entries));
	seal(madt);
	build_fadt();
	hpet = table("HPET", 1, 56);
	put(at(hpet), 36, 0x8086a201, 4);
	put(at(hpet), 44, 0xfed00000, 8);
	seal(hpet);
	mcfg = table("MCFG", 1, 44 + 32);
	p = at(mcfg);
	put(p, 44, 0xb0000000, 8);
	p[44 + 11] = 255;
	put(p, 60, 0xc0000001, 8); /* not aligned: wrong */
	p[60 + 11] = 15;
	seal(mcfg);
	dmar = table("DMAR", 1, 48);
	seal(dmar);

	list[0] = fadt;
	list[1] = madt;
	list[2] = hpet;
	list[3] = mcfg;
	list[4] = dmar;
	list[5] = 0;
	rsdt = table("RSDT", 1, 36 + 6 * 4);
	xsdt = table("XSDT", 1, 36 + 6 * 8);
	for (u32 i = 0; i < 6; i++) {
		put(at(rsdt), 36 + 4 * i, list[i], 4);
		put(at(xsdt), 36 + 8 * i, list[i], 8);
	}
	seal(rsdt);
	seal(xsdt);
	build_rsdp(low + RSDP, revision);
}

/* ---- Whole tables ----------------------------------------------------------------------------- */

static void check_all(void)
{
	assert_int_equal(info.madt_pa, madt);
	assert_int_equal(info.nr_lapic, 4);
	assert_int_equal(info.lapic[1].apic_id, 2);
	assert_int_equal(info.lapic[1].uid, 1);
	assert_true(info.lapic[1].enabled);
	assert_int_equal(info.lapic[2].apic_id, 6);
	assert_false(info.lapic[2].enabled);
	assert_int_equal(info.lapic[3].apic_id, 300);
	assert_true(info.lapic[3].x2apic);
	assert_int_equal(info.nr_ioapic, 2);
	assert_int_equal(info.ioapic[0].pa, 0xfec00000);
	assert_int_equal(info.ioapic[1].id, 9);
	assert_int_equal(info.ioapic[1].gsi_base, 24);
	assert_int_equal(info.lapic_pa, 0x1fee00000);
	assert_true(info.pcat_compat);
	assert_int_equal(info.nr_nmi, 1);
	assert_int_equal(info.nmi[0].gsi, 17);
	assert_true(info.nmi[0].active_low && info.nmi[0].level);
	assert_int_equal(info.nr_lapic_nmi, 2);
	assert_int_equal(info.lapic_nmi[0].uid, ~0U);
	assert_int_equal(info.lapic_nmi[0].lint, 1);
	assert_int_equal(info.lapic_nmi[1].uid, 7);

	assert_int_equal(info.sci_int, 9);
	assert_int_equal(info.smi_cmd, 0xb2);
	assert_int_equal(info.pm1a_event.address, 0x600);
	assert_int_equal(info.pm1a_event.space, ACPI_SPACE_IO);
	assert_int_equal(info.pm1a_event.bits, 32);
	assert_int_equal(info.pm1a_control.address, 0x604);
	assert_int_equal(info.pm1a_control.access, 2);
	assert_int_equal(info.pm1b_control.address, 0);
	assert_int_equal(info.pm_timer.address, 0x608);
	assert_true(info.pm_timer_32bit);
	assert_true(info.has_reset);
	assert_int_equal(info.reset.address, 0xcf9);
	assert_int_equal(info.reset.space, ACPI_SPACE_IO);
	assert_int_equal(info.reset_value, 0x0f);
	assert_int_equal(info.facs_pa, HIGH + 0x3000);
	assert_false(info.no_8042);

	assert_int_equal(info.hpet_pa, 0xfed00000);
	assert_int_equal(info.hpet_id, 0x8086a201);
	assert_int_equal(info.nr_mcfg, 1);
	assert_int_equal(info.mcfg[0].base, 0xb0000000);
	assert_int_equal(info.mcfg[0].end_bus, 255);
	assert_true(info.dmar_pa != 0);
}

static void everything_is_read_through_the_xsdt(void **state)
{
	(void)state;
	build(2);
	assert_int_equal(parse(0), 0);
	assert_int_equal(info.xsdt_pa, xsdt);
	check_all();
}

static void everything_is_read_through_the_rsdt(void **state)
{
	(void)state;
	build(0);
	assert_int_equal(parse(0), 0);
	assert_int_equal(info.xsdt_pa, 0);
	check_all();
}

static void a_bad_xsdt_falls_back_to_the_rsdt(void **state)
{
	(void)state;
	build(2);
	at(xsdt)[40] ^= 1;
	assert_int_equal(parse(0), 0);
	assert_non_null(strstr(said, "XSDT"));
	assert_non_null(strstr(said, "checksum"));
	check_all();
	/* So does a bad extended checksum of the RSDP. */
	build(2);
	low[RSDP + 33] ^= 1;
	assert_int_equal(parse(0), 0);
	check_all();
}

static void the_rsdp_is_found_in_the_ebda_first(void **state)
{
	(void)state;
	build(2);
	put(low, 0x40e, 0x9fc0, 2);
	build_rsdp(low + 0x9fc10, 2);
	assert_int_equal(parse(0), 0);
	assert_int_equal(info.rsdp_pa, 0x9fc10);
	/* An EBDA pointer to nowhere does no harm. */
	put(low, 0x40e, 0xffff, 2);
	assert_int_equal(parse(0), 0);
	assert_int_equal(info.rsdp_pa, RSDP);
}

static void the_loaders_rsdp_wins_when_it_is_one(void **state)
{
	(void)state;
	build(2);
	build_rsdp(high + 0x3800, 2);
	assert_int_equal(parse(HIGH + 0x3800), 0);
	assert_int_equal(info.rsdp_pa, HIGH + 0x3800);
	assert_int_equal(parse(0x1000), 0);
	assert_int_equal(info.rsdp_pa, RSDP);
	assert_non_null(strstr(said, "0x1000"));
}

static void without_rsdp_or_root_there_is_an_error(void **state)
{
	(void)state;
	build(2);
	low[RSDP] = 'X';
	assert_int_equal(parse(0), -ENOENT);
	assert_non_null(strstr(said, "no RSDP"));
	/* Its address must be a multiple of 16. */
	build(2);
	low[RSDP] = 'X';
	build_rsdp(low + 0xf6008, 2);
	assert_int_equal(parse(0), -ENOENT);
	build(2);
	at(xsdt)[0] ^= 1;
	at(rsdt)[0] ^= 1;
	assert_int_equal(parse(0), -EINVAL);
}

static void interrupts_get_their_wiring(void **state)
{
	struct acpi_override o;

	(void)state;
	build(2);
	assert_int_equal(parse(0), 0);
	assert_int_equal(info.nr_override, 4);
	o = acpi_isa_irq(&info, 0);
	assert_int_equal(o.gsi, 2);
	assert_false(o.active_low || o.level);
	o = acpi_isa_irq(&info, 5);
	assert_true(!o.active_low && o.level);
	o = acpi_isa_irq(&info, 11);
	assert_true(o.active_low && o.level);
	o = acpi_isa_irq(&info, 4);
	assert_int_equal(o.gsi, 4);
	assert_false(o.active_low || o.level);
	/* The SCI conforms to PCI, with an override that leaves it open and without one. */
	o = acpi_isa_irq(&info, 9);
	assert_true(o.active_low && o.level);
	assert_non_null(strstr(said, "bus 7"));
	build(2);
	put(at(fadt), 46, 10, 2);
	seal(fadt);
	assert_int_equal(parse(0), 0);
	o = acpi_isa_irq(&info, 10);
	assert_int_equal(o.gsi, 10);
	assert_true(o.active_low && o.level);
	o = acpi_isa_irq(&info, 9);
	assert_false(o.active_low || o.level);
}

static void a_bad_checksum_leaves_out_that_table_only(void **state)
{
	(void)state;
	build(2);
	at(hpet)[50] ^= 0x10;
	assert_int_equal(parse(0), 0);
	assert_int_equal(info.hpet_pa, 0);
	assert_non_null(strstr(said, "HPET"));
	assert_non_null(strstr(said, "checksum"));
	assert_int_equal(info.nr_lapic, 4);
	assert_int_equal(info.nr_mcfg, 1);
}

static void a_second_madt_is_not_mixed_in(void **state)
{
	u64 second;

	(void)state;
	build(2);
	second = table("APIC", 1, 44 + 8);
	memcpy(at(second) + 44, madt_entries, 8);
	at(second)[47] = 77;
	seal(second);
	put(at(xsdt), 36 + 40, second, 8);
	seal(xsdt);
	assert_int_equal(parse(0), 0);
	assert_int_equal(info.nr_lapic, 4);
	assert_non_null(strstr(said, "second table APIC"));
}

static void acpi_1_tables_are_enough(void **state)
{
	(void)state;
	build(0);
	/* The old FADT ends at 116 bytes: no reset register, no extended blocks. */
	put(at(fadt), 4, 116, 4);
	at(fadt)[8] = 1;
	seal(fadt);
	assert_int_equal(parse(0), 0);
	assert_int_equal(info.pm1a_control.address, 0x604);
	assert_int_equal(info.pm1a_control.bits, 16);
	assert_false(info.has_reset);
	assert_int_equal(info.pm_timer.address, 0x608);
	assert_int_equal(info.facs_pa, HIGH + 0x3000);
}

static void more_cpus_than_fit_are_cut_and_named(void **state)
{
	u32 nr = ACPI_MAX_IOAPIC + 3;

	(void)state;
	build(2);
	madt = table("APIC", 4, 44 + nr * 12);
	for (u32 i = 0; i < nr; i++) {
		at(madt)[44 + i * 12] = 1;
		at(madt)[45 + i * 12] = 12;
		at(madt)[46 + i * 12] = i;
	}
	seal(madt);
	put(at(xsdt), 44, madt, 8);
	seal(xsdt);
	assert_int_equal(parse(0), 0);
	assert_int_equal(info.nr_ioapic, ACPI_MAX_IOAPIC);
	assert_non_null(strstr(said, "more than 64 I/O APICs"));
}

/* ---- Broken ones --------------------------------------------------------------------------------- */

static u64 *const tables[] = { &madt, &fadt, &hpet, &mcfg, &xsdt, &rsdt };

/* Header length says n, checksum right: no byte behind n may be read. */
static void tables_of_every_shorter_length_are_read_within_bounds(void **state)
{
	(void)state;
	for (u32 t = 0; t < ARRAY_SIZE(tables); t++) {
		u32 whole;

		build(2);
		memcpy(&whole, at(*tables[t]) + 4, 4);
		for (u32 n = 0; n <= whole; n++) {
			build(2);
			put(at(*tables[t]), 4, n, 4);
			if (n >= 10)
				seal(*tables[t]);
			if (tables[t] == &rsdt)
				low[RSDP + 33] ^= 1; /* so that it is used */
			assert_in_range(-parse(RSDP), 0, EINVAL);
			if (n < 36)
				assert_non_null(strstr(said, "impossible length"));
		}
	}
}

/* The tables are whole, but physical memory ends inside them. */
static void memory_that_ends_inside_a_table_is_noticed(void **state)
{
	(void)state;
	build(2);
	for (u64 end = HIGH; end < HIGH + high_used; end++) {
		memory_end = end;
		assert_in_range(-parse(RSDP), 0, EINVAL);
	}
	memory_end = HIGH + 50; /* MADT cut, and the XSDT with it */
	assert_int_equal(parse(RSDP), -EINVAL);
}

static void madt_entries_of_length_zero_or_too_long_end_the_walk(void **state)
{
	(void)state;
	for (u32 len = 0; len < 256; len++) {
		build(2);
		at(madt)[44 + 8 + 1] = len;
		seal(madt);
		assert_int_equal(parse(RSDP), 0);
		assert_int_equal(info.lapic[0].apic_id, 0);
		if (len < 2 || len > sizeof(madt_entries) - 8)
			assert_int_equal(info.nr_lapic, 1);
	}
}

static void random_damage_is_read_within_bounds(void **state)
{
	(void)state;
	build(2);
	for (int turn = 0; turn < 20000; turn++) {
		if (turn % 16 == 0)
			build(turn & 32 ? 2 : 0);
		for (int k = 1 + rnd() % 4; k; k--) {
			u64 pa = *tables[rnd() % ARRAY_SIZE(tables)];
			u32 len;

			at(pa)[rnd() % 3 ? rnd() % 200 : 4 + rnd() % 4] = rnd();
			memcpy(&len, at(pa) + 4, 4);
			/* Mostly with a right checksum, or nothing behind it is reached. */
			if (rnd() % 8 && len >= 10 && len <= HIGH_BYTES - (pa - HIGH))
				checksum(at(pa), len, 9);
		}
		assert_in_range(-parse(RSDP), 0, EINVAL);
		assert_true(info.nr_lapic <= ACPI_MAX_LAPIC && info.nr_ioapic <= ACPI_MAX_IOAPIC);
		assert_true(info.nr_mcfg <= ACPI_MAX_MCFG && info.nr_override <= ACPI_MAX_OVERRIDE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_read_through_the_xsdt),
		cmocka_unit_test(everything_is_read_through_the_rsdt),
		cmocka_unit_test(a_bad_xsdt_falls_back_to_the_rsdt),
		cmocka_unit_test(the_rsdp_is_found_in_the_ebda_first),
		cmocka_unit_test(the_loaders_rsdp_wins_when_it_is_one),
		cmocka_unit_test(without_rsdp_or_root_there_is_an_error),
		cmocka_unit_test(interrupts_get_their_wiring),
		cmocka_unit_test(a_bad_checksum_leaves_out_that_table_only),
		cmocka_unit_test(a_second_madt_is_not_mixed_in),
		cmocka_unit_test(acpi_1_tables_are_enough),
		cmocka_unit_test(more_cpus_than_fit_are_cut_and_named),
		cmocka_unit_test(tables_of_every_shorter_length_are_read_within_bounds),
		cmocka_unit_test(memory_that_ends_inside_a_table_is_noticed),
		cmocka_unit_test(madt_entries_of_length_zero_or_too_long_end_the_walk),
		cmocka_unit_test(random_damage_is_read_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
