// SPDX-License-Identifier: MIT
/*
 * Reading the ACPI tables.
 *
 * Tables come from firmware, and firmware has bugs: lengths that run past the
 * end, entries of length 0, wrong checksums. What is read here decides where
 * interrupts go and which ports power the machine off, so:
 *
 *   1. Every byte is read through a mapping of exactly the bytes asked for,
 *      and every offset is compared with the table's length before it is used.
 *   2. A table counts only as a whole: signature, length and checksum right.
 *      Entries inside it are taken one by one until one does not fit.
 *   3. Lists that are longer than our arrays are cut, and that is said.
 *   4. Nothing is kept but values: no pointer into a table survives.
 *
 * Sources: ACPI 6.5, chapter 5; MCFG: PCI firmware 3.3, 4.1.2; HPET: IA-PC HPET
 * 1.0a, 3.2.4. Boot-only, one CPU, no locks.
 */
#include "x86/acpi.h"
#include "lib/printf.h"
#include "lib/string.h"

#define HEADER_BYTES 36
#define RSDP_V1_BYTES 20
#define RSDP_V2_BYTES 36
/* Larger than any table in use; a greater length is a broken header. */
#define TABLE_MOST MiB(1)

/* A table, mapped and checked. */
struct table {
	const u8 *p;
	u32 len;
};

struct walk {
	struct acpi_info *info;
	const struct acpi_env *env;
};

static void __init __printf_like(3, 4) tell(const struct walk *w, enum log_level lvl, const char *fmt, ...)
{
	char sentence[160];
	va_list ap;

	if (!w->env->say)
		return;
	va_start(ap, fmt);
	vsnprintf_hv(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	w->env->say(lvl, sentence);
}

/* Little-endian fields; 0 where the table ends before them (older revisions are shorter). */
static u64 __init get(struct table t, u32 at, u32 bytes)
{
	u64 v = 0;

	if (at <= t.len && bytes <= t.len - at)
		memcpy(&v, t.p + at, bytes);
	return v;
}

static u8 __init get8(struct table t, u32 at)
{
	return get(t, at, 1);
}

static u16 __init get16(struct table t, u32 at)
{
	return get(t, at, 2);
}

static u32 __init get32(struct table t, u32 at)
{
	return get(t, at, 4);
}

static u8 __init sum(const u8 *p, u32 len)
{
	u8 s = 0;

	while (len--)
		s += *p++;
	return s;
}

static bool __init has_name(const u8 *p, const char *name)
{
	return !memcmp(p, name, 4);
}

/* A signature is shown as it is only where it is text. */
static void __init name_of(const u8 *p, char name[5])
{
	for (u32 i = 0; i < 4; i++)
		name[i] = p[i] >= ' ' && p[i] < 0x7f ? p[i] : '?';
	name[4] = '\0';
}

/* Maps the table at `pa`. The signature goes to `name` even where the table is no good. */
static bool __init open_table(const struct walk *w, u64 pa, struct table *t, char name[5])
{
	const u8 *p = pa && pa <= ~0ULL - TABLE_MOST ? w->env->map(pa, HEADER_BYTES) : NULL;
	struct table header = { p, HEADER_BYTES };

	if (!p) {
		memcpy(name, "????", 5);
		tell(w, LOG_WARNING, "ACPI: no table can be read at %#lx, skipped", pa);
		return false;
	}
	name_of(p, name);
	t->len = get32(header, 4);
	if (t->len < HEADER_BYTES || t->len > TABLE_MOST) {
		tell(w, LOG_WARNING, "ACPI: table %s at %#lx has an impossible length of %u bytes, skipped",
		     name, pa, t->len);
		return false;
	}
	t->p = w->env->map(pa, t->len);
	if (!t->p) {
		tell(w, LOG_WARNING, "ACPI: table %s at %#lx is cut short (%u bytes), skipped", name, pa, t->len);
		return false;
	}
	if (sum(t->p, t->len)) {
		tell(w, LOG_WARNING, "ACPI: table %s at %#lx has a wrong checksum, skipped", name, pa);
		return false;
	}
	return true;
}

/* ---- MADT: 5.2.12 --------------------------------------------------------------------- */

static void __init wiring(u16 flags, bool *active_low, bool *level)
{
	/* Two bits each: 0 conforms to the bus (ISA: high, edge), 1 high or edge, 3 low or level. */
	*active_low = (flags & 3) == 3;
	*level = (flags >> 2 & 3) == 3;
}

static void __init add_lapic(struct walk *w, u32 apic_id, u32 uid, u32 flags, bool x2apic)
{
	struct acpi_info *info = w->info;

	/* Broadcast ids mark unused entries; without either flag the CPU can't ever be used. */
	if (apic_id == (x2apic ? ~0U : 0xff) || !(flags & 3))
		return;
	for (u32 i = 0; i < info->nr_lapic; i++)
		if (info->lapic[i].apic_id == apic_id)
			return;
	if (info->nr_lapic == ACPI_MAX_LAPIC) {
		tell(w, LOG_WARNING, "ACPI: more than %u CPUs, CPU with APIC id %u is left out", ACPI_MAX_LAPIC, apic_id);
		return;
	}
	info->lapic[info->nr_lapic++] = (struct acpi_lapic){ apic_id, uid, flags & 1, x2apic };
}

static void __init add_ioapic(struct walk *w, struct table e)
{
	struct acpi_info *info = w->info;

	if (info->nr_ioapic == ACPI_MAX_IOAPIC) {
		tell(w, LOG_WARNING, "ACPI: more than %u I/O APICs, id %u is left out", ACPI_MAX_IOAPIC, get8(e, 2));
		return;
	}
	info->ioapic[info->nr_ioapic++] =
		(struct acpi_ioapic){ .id = get8(e, 2), .pa = get32(e, 4), .gsi_base = get32(e, 8) };
}

static void __init add_override(struct walk *w, struct table e)
{
	struct acpi_info *info = w->info;
	struct acpi_override o = { .irq = get8(e, 3), .gsi = get32(e, 4), .flags = get16(e, 8) };

	wiring(o.flags, &o.active_low, &o.level);
	if (get8(e, 2) || o.irq > 15) {
		tell(w, LOG_WARNING, "ACPI: interrupt override of bus %u, irq %u is not ISA's, skipped", get8(e, 2), o.irq);
		return;
	}
	for (u32 i = 0; i < info->nr_override; i++)
		if (info->override[i].irq == o.irq)
			return;
	if (info->nr_override < ACPI_MAX_OVERRIDE)
		info->override[info->nr_override++] = o;
}

static void __init add_nmi(struct walk *w, u16 flags, u32 gsi)
{
	struct acpi_nmi n = { .gsi = gsi };

	wiring(flags, &n.active_low, &n.level);
	if (w->info->nr_nmi < ACPI_MAX_NMI)
		w->info->nmi[w->info->nr_nmi++] = n;
}

static void __init add_lapic_nmi(struct walk *w, u32 uid, u16 flags, u8 lint)
{
	struct acpi_lapic_nmi n = { .uid = uid, .lint = lint };

	wiring(flags, &n.active_low, &n.level);
	if (w->info->nr_lapic_nmi < ACPI_MAX_NMI && lint < 2)
		w->info->lapic_nmi[w->info->nr_lapic_nmi++] = n;
}

static void __init madt_entry(struct walk *w, struct table e)
{
	/* Type and the length that its fields need. */
	static const u8 least[] = { [0] = 8, [1] = 12, [2] = 10, [3] = 8, [4] = 6, [5] = 12, [9] = 16, [10] = 12 };
	u8 type = get8(e, 0);

	if (type >= sizeof(least) || !least[type])
		return;
	if (e.len < least[type]) {
		tell(w, LOG_WARNING, "ACPI: MADT entry of type %u has only %u bytes, skipped", type, e.len);
		return;
	}
	switch (type) {
	case 0:
		add_lapic(w, get8(e, 3), get8(e, 2), get32(e, 4), false);
		break;
	case 1:
		add_ioapic(w, e);
		break;
	case 2:
		add_override(w, e);
		break;
	case 3:
		add_nmi(w, get16(e, 2), get32(e, 4));
		break;
	case 4:
		add_lapic_nmi(w, get8(e, 2) == 0xff ? ~0U : get8(e, 2), get16(e, 3), get8(e, 5));
		break;
	case 5:
		w->info->lapic_pa = get(e, 4, 8);
		break;
	case 9:
		add_lapic(w, get32(e, 4), get32(e, 12), get32(e, 8), true);
		break;
	case 10:
		add_lapic_nmi(w, get32(e, 4), get16(e, 2), get8(e, 8));
		break;
	}
}

static void __init parse_madt(struct walk *w, struct table t)
{
	u32 at = 44;

	if (t.len < at) {
		tell(w, LOG_WARNING, "ACPI: the MADT has only %u bytes, skipped", t.len);
		return;
	}
	w->info->lapic_pa = get32(t, 36);
	w->info->pcat_compat = get32(t, 40) & 1;
	while (t.len - at >= 2) {
		u32 len = get8(t, at + 1);

		if (len < 2 || len > t.len - at) {
			tell(w, LOG_WARNING, "ACPI: MADT entry at offset %u has a bad length of %u, the rest is skipped",
			     at, len);
			return;
		}
		madt_entry(w, (struct table){ t.p + at, len });
		at += len;
	}
}

/* ---- FADT: 5.2.9 ------------------------------------------------------------------------ */

static struct acpi_gas __init gas(struct table t, u32 at)
{
	return (struct acpi_gas){
		.space = get8(t, at), .bits = get8(t, at + 1), .offset = get8(t, at + 2),
		.access = get8(t, at + 3), .address = get(t, at + 4, 8),
	};
}

/* The extended field where it is filled, else the port number of the old one. */
static struct acpi_gas __init block(struct table t, u32 extended, u32 old, u8 bytes)
{
	struct acpi_gas g = gas(t, extended);

	if (!g.address)
		g = (struct acpi_gas){ .space = ACPI_SPACE_IO, .bits = bytes * 8, .address = get32(t, old) };
	if (!g.address)
		g = (struct acpi_gas){ 0 };
	return g;
}

static void __init parse_fadt(struct walk *w, struct table t)
{
	struct acpi_info *info = w->info;
	u32 flags = get32(t, 112);
	u16 boot_arch = get16(t, 109);

	/* ACPI 1.0's table, the shortest there is. */
	if (t.len < 116) {
		tell(w, LOG_WARNING, "ACPI: the FADT has only %u bytes, skipped", t.len);
		return;
	}
	info->facs_pa = get(t, 132, 8) ? get(t, 132, 8) : get32(t, 36);
	info->dsdt_pa = get(t, 140, 8) ? get(t, 140, 8) : get32(t, 40);
	info->sci_int = get16(t, 46);
	info->smi_cmd = get32(t, 48);
	info->acpi_enable = get8(t, 52);
	info->acpi_disable = get8(t, 53);
	info->pm1_event_bytes = get8(t, 88);
	info->pm1_control_bytes = get8(t, 89);
	info->pm1a_event = block(t, 148, 56, info->pm1_event_bytes);
	info->pm1b_event = block(t, 160, 60, info->pm1_event_bytes);
	info->pm1a_control = block(t, 172, 64, info->pm1_control_bytes);
	info->pm1b_control = block(t, 184, 68, info->pm1_control_bytes);
	if (get8(t, 91) >= 4)
		info->pm_timer = block(t, 208, 76, 4);
	info->century_reg = get8(t, 108);
	info->pm_timer_32bit = flags >> 8 & 1;
	info->hw_reduced = flags >> 20 & 1;
	info->reset = gas(t, 116);
	info->reset_value = get8(t, 128);
	info->has_reset = flags >> 10 & 1 && t.len >= 129 && info->reset.address;
	/* Revision 1 leaves IAPC_BOOT_ARCH undefined. */
	if (get8(t, 8) >= 2) {
		info->no_8042 = !(boot_arch & 2);
		info->no_vga = boot_arch & 4;
	}
}

static void __init parse_hpet(struct walk *w, struct table t)
{
	struct acpi_gas g = gas(t, 40);

	if (t.len < 56 || g.space != ACPI_SPACE_MEMORY || !g.address) {
		tell(w, LOG_WARNING, "ACPI: the HPET table names no usable address, skipped");
		return;
	}
	w->info->hpet_pa = g.address;
	w->info->hpet_id = get32(t, 36);
}

static void __init parse_mcfg(struct walk *w, struct table t)
{
	struct acpi_info *info = w->info;

	for (u32 at = 44; at + 16 <= t.len; at += 16) {
		struct acpi_mcfg m = {
			.base = get(t, at, 8), .segment = get16(t, at + 8),
			.start_bus = get8(t, at + 10), .end_bus = get8(t, at + 11),
		};

		if (!m.base || m.base & 0xfffff || m.end_bus < m.start_bus) {
			tell(w, LOG_WARNING, "ACPI: MCFG entry for segment %u is wrong, skipped", m.segment);
			continue;
		}
		if (info->nr_mcfg < ACPI_MAX_MCFG)
			info->mcfg[info->nr_mcfg++] = m;
	}
}

/* ---- Root tables: 5.2.5, 5.2.7, 5.2.8 ------------------------------------------------------- */

/* The RSDP at `p`, of which RSDP_V1_BYTES can be read. */
static bool __init is_rsdp(const u8 *p)
{
	return !memcmp(p, "RSD PTR ", 8) && !sum(p, RSDP_V1_BYTES);
}

static u64 __init scan(const struct walk *w, u64 start, u64 bytes)
{
	const u8 *p = w->env->map(start, bytes);

	for (u64 at = 0; p && at + RSDP_V1_BYTES <= bytes; at += 16)
		if (is_rsdp(p + at))
			return start + at;
	return 0;
}

static u64 __init find_rsdp(const struct walk *w, u64 given)
{
	const u8 *p;
	u64 ebda = 0, found = 0;

	if (given) {
		p = w->env->map(given, RSDP_V1_BYTES);
		if (p && is_rsdp(p))
			return given;
		tell(w, LOG_WARNING, "ACPI: no RSDP at %#lx as the boot loader says, looking for it", given);
	}
	p = w->env->map(0x40e, 2);
	if (p)
		ebda = (p[0] | (u64)p[1] << 8) << 4;
	/* Its first KiB, below the ROMs. */
	if (ebda >= 0x400 && ebda <= 0xa0000 - 1024)
		found = scan(w, ebda, 1024);
	return found ? found : scan(w, 0xe0000, 0x20000);
}

static void __init read_rsdp(struct walk *w)
{
	struct acpi_info *info = w->info;
	struct table t = { w->env->map(info->rsdp_pa, RSDP_V1_BYTES), RSDP_V1_BYTES };
	u8 revision = t.p ? get8(t, 15) : 0;

	info->rsdt_pa = t.p ? get32(t, 16) : 0;
	if (revision < 2)
		return;
	t.p = w->env->map(info->rsdp_pa, RSDP_V2_BYTES);
	t.len = RSDP_V2_BYTES;
	if (t.p && !sum(t.p, t.len))
		info->xsdt_pa = get(t, 24, 8);
	else
		tell(w, LOG_WARNING, "ACPI: the RSDP has a wrong extended checksum, using the RSDT");
}

static void __init parse_table(struct walk *w, u64 pa)
{
	static const struct {
		const char *name;
		u16 keep; /* offset of its address in struct acpi_info */
		void (*parse)(struct walk *w, struct table t);
	} known[] __initconst = {
		{ "APIC", offsetof(struct acpi_info, madt_pa), parse_madt },
		{ "FACP", offsetof(struct acpi_info, fadt_pa), parse_fadt },
		{ "HPET", offsetof(struct acpi_info, hpet_table_pa), parse_hpet },
		{ "MCFG", offsetof(struct acpi_info, mcfg_pa), parse_mcfg },
		{ "DMAR", offsetof(struct acpi_info, dmar_pa), NULL },
		{ "IVRS", offsetof(struct acpi_info, ivrs_pa), NULL },
	};
	struct table t;
	char name[5];

	if (!open_table(w, pa, &t, name))
		return;
	for (u32 i = 0; i < ARRAY_SIZE(known); i++) {
		u64 *kept = (u64 *)((char *)w->info + known[i].keep);

		if (!has_name(t.p, known[i].name))
			continue;
		if (*kept) {
			tell(w, LOG_WARNING, "ACPI: a second table %s at %#lx, skipped", name, pa);
			return;
		}
		*kept = pa;
		if (known[i].parse)
			known[i].parse(w, t);
	}
}

/* Parses every table that the root table at `root` lists, by addresses of `width` bytes. */
static bool __init parse_root(struct walk *w, u64 root, const char *signature, u32 width)
{
	struct table t;
	char name[5];

	if (!root || !open_table(w, root, &t, name))
		return false;
	if (!has_name(t.p, signature)) {
		tell(w, LOG_WARNING, "ACPI: table %s at %#lx should be the %s, skipped", name, root, signature);
		return false;
	}
	for (u32 at = HEADER_BYTES; at + width <= t.len; at += width) {
		u64 pa = get(t, at, width);

		if (pa)
			parse_table(w, pa);
		/* The mapping lives only until the next one. */
		t.p = w->env->map(root, t.len);
		if (!t.p)
			return true;
	}
	return true;
}

/* The SCI conforms to PCI's wiring, not to ISA's: 5.2.9, SCI_INT. Known only after both tables. */
static void __init wire_sci(struct acpi_info *info)
{
	for (u32 i = 0; i < info->nr_override; i++) {
		struct acpi_override *o = &info->override[i];

		if (o->irq != info->sci_int)
			continue;
		o->active_low |= !(o->flags & 3);
		o->level |= !(o->flags & 0xc);
	}
}

int __init acpi_parse(struct acpi_info *info, u64 rsdp_pa, const struct acpi_env *env)
{
	struct walk w = { info, env };

	memset(info, 0, sizeof(*info));
	info->rsdp_pa = find_rsdp(&w, rsdp_pa);
	if (!info->rsdp_pa) {
		tell(&w, LOG_ERR, "ACPI: no RSDP in the EBDA or at 0xe0000..0xfffff; "
				  "the machine or its firmware settings have no ACPI");
		return -ENOENT;
	}
	read_rsdp(&w);
	if (parse_root(&w, info->xsdt_pa, "XSDT", 8) || parse_root(&w, info->rsdt_pa, "RSDT", 4)) {
		wire_sci(info);
		return 0;
	}
	tell(&w, LOG_ERR, "ACPI: neither XSDT nor RSDT can be used");
	return -EINVAL;
}

struct acpi_override __init acpi_isa_irq(const struct acpi_info *info, u8 irq)
{
	for (u32 i = 0; i < info->nr_override; i++)
		if (info->override[i].irq == irq)
			return info->override[i];
	return (struct acpi_override){
		.irq = irq, .gsi = irq,
		.active_low = info->fadt_pa && irq == info->sci_int,
		.level = info->fadt_pa && irq == info->sci_int,
	};
}
