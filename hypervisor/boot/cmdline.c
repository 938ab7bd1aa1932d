// SPDX-License-Identifier: MIT
/*
 * The hypervisor's command line.
 *
 * People boot us with the line that they used for Xen, so three kinds of words
 * come in: options that we have, options that Xen has and we lack, and mistakes.
 *
 *   1. A wrong value changes nothing: it is named together with what is
 *      accepted, and the default (or an earlier, right value) stays.
 *   2. Xen's options that we lack are named once each and ignored, unless
 *      ignoring them would break a promise of protection. Then the boot stops,
 *      because who asked for an IOMMU or for a mitigation counts on it.
 *   3. For the same reason a protection option of our own (xpti=, pv-l1tf=, spec-ctrl=)
 *      that can't be honoured to the letter stops the boot.
 *
 * As with Xen '-' and '_' are the same in names, `no-x` means `x=no`, a bare
 * `x` means `x=yes`, and the last word wins. Boot-only, one CPU, no locks.
 */
#include "boot/cmdline.h"
#include "lib/printf.h"
#include "lib/string.h"

/* A piece of the line; not terminated. */
struct text {
	const char *s;
	u32 len;
};

struct parse {
	struct hv_options *o;
	cmdline_say_t say;
	u64 named[4]; /* rows of lacking[] already told about */
};

#define DOM0_LEAST MiB(16)

static void __init __printf_like(3, 4) tell(const struct parse *p, enum log_level lvl, const char *fmt, ...)
{
	char sentence[240];
	va_list ap;

	if (!p->say)
		return;
	va_start(ap, fmt);
	vsnprintf_hv(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	p->say(lvl, sentence);
}

/* Keeps the first reason. */
static void __init __printf_like(2, 3) stop_boot(struct parse *p, const char *fmt, ...)
{
	va_list ap;

	if (p->o->fatal[0])
		return;
	va_start(ap, fmt);
	vsnprintf_hv(p->o->fatal, sizeof(p->o->fatal), fmt, ap);
	va_end(ap);
}

/* For "%.*s": at most 40 bytes of what somebody typed. */
#define TEXT(t) (int)((t).len < 40 ? (t).len : 40), (t).s

static char __init fold(char c)
{
	return c == '_' ? '-' : c;
}

static bool __init text_starts(struct text t, const char *word)
{
	u32 i = 0;

	for (; word[i]; i++)
		if (i == t.len || fold(t.s[i]) != fold(word[i]))
			return false;
	return true;
}

static bool __init text_is(struct text t, const char *word)
{
	return text_starts(t, word) && strlen(word) == t.len;
}

static struct text __init text_from(struct text t, u32 at)
{
	return (struct text){ t.s + at, t.len - at };
}

/* Cuts *rest at the first `sep`: returns what is before, leaves what is behind. */
static struct text __init text_cut(struct text *rest, char sep, bool *found)
{
	struct text head = *rest;

	*found = false;
	for (u32 i = 0; i < rest->len; i++) {
		if (rest->s[i] != sep)
			continue;
		*found = true;
		head.len = i;
		*rest = text_from(*rest, i + 1);
		return head;
	}
	*rest = text_from(*rest, rest->len);
	return head;
}

/* True where `t` is one of the blank-separated words of `list`. */
static bool __init text_in(struct text t, const char *list)
{
	while (*list) {
		u32 n = 0;
		bool same = true;

		for (; list[n] && list[n] != ' '; n++)
			if (n >= t.len || fold(t.s[n]) != fold(list[n]))
				same = false;
		if (same && n == t.len)
			return true;
		list += n + (list[n] == ' ');
	}
	return false;
}

/* 1, 0, or -1 where it is no boolean. */
static int __init text_bool(struct text t)
{
	if (text_in(t, "yes on true enable 1"))
		return 1;
	if (text_in(t, "no off false disable 0"))
		return 0;
	return -1;
}

/* A number, decimal or 0x hexadecimal, from the start of `t`. Bytes used; 0: none, or too large. */
static u32 __init text_digits(struct text t, u64 *value)
{
	u32 i = 0, base = 10, first;

	if (t.len > 2 && t.s[0] == '0' && (t.s[1] | 0x20) == 'x') {
		base = 16;
		i = 2;
	}
	first = i;
	for (*value = 0; i < t.len; i++) {
		u32 c = (u8)t.s[i], digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (base == 16 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (c | 0x20) - 'a' + 10;
		else
			break;
		if (*value > (~0ULL - digit) / base)
			return 0;
		*value = *value * base + digit;
	}
	return i > first ? i : 0;
}

static bool __init text_number(struct text t, u64 least, u64 most, u64 *value)
{
	u32 used = text_digits(t, value);

	return used && used == t.len && *value >= least && *value <= most;
}

/* Bytes, with suffix B, K, M, G or T; without one KiB, as Xen has it. */
static bool __init text_size(struct text t, u64 *bytes)
{
	u32 used = text_digits(t, bytes), shift = 10;

	if (!used || t.len > used + 1)
		return false;
	if (t.len == used + 1) {
		switch (t.s[used] | 0x20) {
		case 'b': shift = 0; break;
		case 'k': shift = 10; break;
		case 'm': shift = 20; break;
		case 'g': shift = 30; break;
		case 't': shift = 40; break;
		default: return false;
		}
	}
	if (*bytes > ~0ULL >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

/* ---- The options that are more than a flag or a number -------------------- */

/* They return 0, -EINVAL for a wrong value, or -EACCES when it stops the boot. */
typedef int (*parse_fn)(struct parse *p, struct text value);

static int __init parse_console(struct parse *p, struct text value)
{
	u32 set = 0;
	bool more = true;

	while (more) {
		struct text t = text_cut(&value, ',', &more);

		if (text_is(t, "com1"))
			set |= CONSOLE_COM1;
		else if (text_is(t, "vga"))
			set |= CONSOLE_VGA;
		else if (!text_is(t, "none"))
			return -EINVAL;
	}
	p->o->console = set;
	return 0;
}

/* Each field may be left empty, which keeps its default. */
static int __init parse_com1(struct parse *p, struct text value)
{
	struct hv_com c = p->o->com1;
	bool more;
	struct text t = text_cut(&value, ',', &more);
	u64 n;

	if (t.len) {
		/* The divisor latch of a 16550 counts in 1/115200 s. */
		if (!text_number(t, 2, 115200, &n) || 115200 % n)
			return -EINVAL;
		c.baud = n;
	}
	t = text_cut(&value, ',', &more);
	if (t.len) {
		if (t.len != 3 || t.s[0] < '5' || t.s[0] > '8' || (t.s[2] != '1' && t.s[2] != '2') ||
		    !strchr("noems", t.s[1]))
			return -EINVAL;
		c.data_bits = t.s[0] - '0';
		c.parity = t.s[1];
		c.stop_bits = t.s[2] - '0';
	}
	t = text_cut(&value, ',', &more);
	if (t.len) {
		if (!text_number(t, 8, 0xfff8, &n))
			return -EINVAL;
		c.iobase = n;
	}
	t = text_cut(&value, ',', &more);
	if (t.len) {
		if (!text_number(t, 0, 255, &n))
			return -EINVAL;
		c.irq = n;
	}
	if (more)
		return -EINVAL;
	p->o->com1 = c;
	return 0;
}

static int __init level(struct text t)
{
	static const char *const names[] __initconst = { "none", "error", "warning", "info", "debug", "all" };

	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		if (text_is(t, names[i]))
			return i < 4 ? i : 4;
	return -1;
}

static int __init parse_level(struct hv_loglvl *to, struct text value)
{
	bool two;
	int lower = level(text_cut(&value, '/', &two)), upper = two ? level(value) : lower;

	if (lower < 0 || upper < 0)
		return -EINVAL;
	to->always = lower;
	to->limited = max(lower, upper);
	return 0;
}

static int __init parse_loglvl(struct parse *p, struct text value)
{
	return parse_level(&p->o->loglvl, value);
}

static int __init parse_guest_loglvl(struct parse *p, struct text value)
{
	return parse_level(&p->o->guest_loglvl, value);
}

static int __init parse_dom0_mem(struct parse *p, struct text value)
{
	struct hv_amount amount = { 0 }, least = { 0 }, most = { 0 };
	bool more = true;

	while (more) {
		struct text t = text_cut(&value, ',', &more);
		struct hv_amount *a = &amount;

		if (text_starts(t, "min:"))
			a = &least;
		else if (text_starts(t, "max:"))
			a = &most;
		if (a != &amount)
			t = text_from(t, 4);
		a->less = t.len && t.s[0] == '-';
		if (a->less)
			t = text_from(t, 1);
		if (a->given || !text_size(t, &a->bytes) || (!a->less && a->bytes < DOM0_LEAST))
			return -EINVAL;
		a->given = true;
	}
	p->o->dom0_mem = amount;
	p->o->dom0_mem_min = least;
	p->o->dom0_mem_max = most;
	return 0;
}

static int __init parse_dom0_max_vcpus(struct parse *p, struct text value)
{
	bool range;
	struct text first = text_cut(&value, '-', &range);
	u64 lo = 1, hi = ~0U;

	if (!range) {
		if (!text_number(first, 1, 8192, &hi))
			return -EINVAL;
		lo = hi;
	} else if ((first.len && !text_number(first, 1, 8192, &lo)) ||
		   (value.len && !text_number(value, 1, 8192, &hi)) || (!first.len && !value.len) || lo > hi) {
		return -EINVAL;
	}
	p->o->dom0_vcpus_min = lo;
	p->o->dom0_vcpus_max = hi;
	return 0;
}

static int __init parse_dom0(struct parse *p, struct text value)
{
	bool more = true;

	(void)p;
	while (more)
		if (!text_is(text_cut(&value, ',', &more), "pv"))
			return -EINVAL;
	return 0;
}

static int __init parse_nmi(struct parse *p, struct text value)
{
	if (text_is(value, "dom0"))
		p->o->nmi = NMI_DOM0;
	else if (text_is(value, "fatal"))
		p->o->nmi = NMI_FATAL;
	else if (text_is(value, "ignore"))
		p->o->nmi = NMI_IGNORE;
	else
		return -EINVAL;
	return 0;
}

static int __init parse_ucode(struct parse *p, struct text value)
{
	struct hv_ucode u = { .given = true };
	bool more = true, less;
	u64 n;

	while (more) {
		struct text t = text_cut(&value, ',', &more);

		less = t.len && t.s[0] == '-';
		if (text_is(t, "scan") || text_is(t, "scan=yes") || text_is(t, "scan=1"))
			u.scan = true;
		else if (text_is(t, "no") || text_is(t, "off") || text_is(t, "scan=no"))
			u = (struct hv_ucode){ 0 };
		else if (text_number(less ? text_from(t, 1) : t, less, 63, &n))
			u.module = less ? -(s32)n : (s32)n;
		else
			return -EINVAL;
	}
	p->o->ucode = u;
	return 0;
}

/* A protection that dom0 and the others may have or not: a boolean, default, dom0=bool, domu=bool. */
static int __init parse_domains(struct parse *p, const char *name, struct text value, s8 *dom0, s8 *domu)
{
	s8 dom0_on = *dom0, domu_on = *domu;
	bool more = true;

	while (more) {
		struct text t = text_cut(&value, ',', &more);
		int on = text_bool(t);

		if (text_is(t, "default")) {
			dom0_on = domu_on = AS_NEEDED;
		} else if (on >= 0) {
			dom0_on = domu_on = on;
		} else if (text_starts(t, "dom0=") && (on = text_bool(text_from(t, 5))) >= 0) {
			dom0_on = on;
		} else if (text_starts(t, "domu=") && (on = text_bool(text_from(t, 5))) >= 0) {
			domu_on = on;
		} else {
			stop_boot(p, "%s=%.*s is not understood (a boolean, default, dom0=bool, domu=bool); "
				     "correct or remove it", name, TEXT(t));
			return -EACCES;
		}
	}
	*dom0 = dom0_on;
	*domu = domu_on;
	return 0;
}

static int __init parse_xpti(struct parse *p, struct text value)
{
	return parse_domains(p, "xpti", value, &p->o->xpti_dom0, &p->o->xpti_domu);
}

static int __init parse_pv_l1tf(struct parse *p, struct text value)
{
	return parse_domains(p, "pv-l1tf", value, &p->o->l1tf_dom0, &p->o->l1tf_domu);
}

static const struct {
	const char *name;
	u32 bits;
} spec_names[] __initconst = {
	{ "msr-sc", SPEC_MSR_SC },
	{ "rsb", SPEC_RSB },
	{ "md-clear", SPEC_MD_CLEAR },
	{ "verw", SPEC_MD_CLEAR },
	{ "ibpb-entry", SPEC_IBPB_ENTRY },
	{ "bhb-entry", SPEC_BHB_ENTRY },
	{ "bhi-dis-s", SPEC_BHI_DIS_S },
	{ "ibrs", SPEC_IBRS },
	{ "stibp", SPEC_STIBP },
	{ "ibpb", SPEC_IBPB },
	{ "ssbd", SPEC_SSBD },
	{ "psfd", SPEC_PSFD },
	{ "eager-fpu", SPEC_EAGER_FPU },
	{ "l1d-flush", SPEC_L1D_FLUSH },
	{ "branch-harden", SPEC_BRANCH_HARDEN },
	{ "srb-lock", SPEC_SRB_LOCK },
	{ "unpriv-mmio", SPEC_UNPRIV_MMIO },
	{ "gds-mit", SPEC_GDS_MIT },
	{ "div-scrub", SPEC_DIV_SCRUB },
	{ "bti-thunk=jmp", SPEC_THUNK_JMP },
	{ "bti-thunk=retpoline", SPEC_THUNK_RETPOLINE },
	{ "bti-thunk=lfence", SPEC_THUNK_LFENCE },
	/* What we do for ourselves. On is the default; off leaves what hardware and domains have by other options. */
	{ "xen", SPEC_ALL & ~(SPEC_THUNK_JMP | SPEC_EAGER_FPU) },
	/* Rights of guests to protect themselves: `off` takes nothing from what we do. */
	{ "pv", 0 },
	{ "hvm", 0 },
};

/* Row of spec_names[] for `t`, which is taken apart into name and value; or -1. */
static int __init spec_find(struct text t, int *on)
{
	*on = 1;
	if (text_starts(t, "no-")) {
		*on = 0;
		t = text_from(t, 3);
	}
	for (u32 i = 0; i < ARRAY_SIZE(spec_names); i++) {
		const char *name = spec_names[i].name;
		struct text value;

		if (text_is(t, name))
			return i;
		if (!text_starts(t, name) || t.s[strlen(name)] != '=' || !*on)
			continue;
		value = text_from(t, strlen(name) + 1);
		/* "md-clear=pv=off" speaks of one kind of guest; what we do serves both. */
		if (text_starts(value, "pv="))
			value = text_from(value, 3);
		else if (text_starts(value, "hvm="))
			value = text_from(value, 4);
		*on = text_bool(value);
		return *on < 0 ? -1 : (int)i;
	}
	return -1;
}

static int __init parse_spec_ctrl(struct parse *p, struct text value)
{
	u32 want = p->o->spec_on, off = p->o->spec_off;
	bool more = true;

	while (more) {
		struct text t = text_cut(&value, ',', &more);
		int on, row;

		if (text_bool(t) >= 0) {
			want = 0;
			off = text_bool(t) ? 0 : SPEC_ALL;
			continue;
		}
		row = spec_find(t, &on);
		if (row < 0) {
			stop_boot(p, "spec-ctrl=%.*s is not understood, see xenolith(8); correct or remove it", TEXT(t));
			return -EACCES;
		}
		if (on && text_starts(t, "xen")) {
			off &= ~spec_names[row].bits;
			continue;
		}
		if (on && (!spec_names[row].bits || spec_names[row].bits & ~SPEC_IMPLEMENTED)) {
			stop_boot(p, "spec-ctrl=%.*s: Xenolith does not have this protection; "
				     "remove it to boot without", TEXT(t));
			return -EACCES;
		}
		if (on) {
			/* There is one thunk. */
			if (spec_names[row].bits & SPEC_THUNKS)
				want &= ~SPEC_THUNKS;
			want |= spec_names[row].bits;
			off &= ~spec_names[row].bits;
		} else {
			off |= spec_names[row].bits;
			want &= ~spec_names[row].bits;
		}
	}
	p->o->spec_on = want;
	p->o->spec_off = off;
	return 0;
}

/* ---- The table -------------------------------------------------------------- */

enum type { BOOL, NUMBER, LIST };

struct option {
	const char *name;
	enum type type;
	u16 at;            /* BOOL and NUMBER: offset in struct hv_options */
	parse_fn parse;    /* LIST */
	u32 least, most;   /* NUMBER */
	const char *accepted;
};

#define AT(field) offsetof(struct hv_options, field)

static const struct option options[] __initconst = {
	{ "console", LIST, 0, parse_console, 0, 0, "com1, vga, none, with commas between" },
	{ "com1", LIST, 0, parse_com1, 0, 0, "BAUD[,DPS[,IOBASE[,IRQ]]] as in 115200,8n1,0x3f8,4" },
	{ "loglvl", LIST, 0, parse_loglvl, 0, 0, "LEVEL or LEVEL/LEVEL of none, error, warning, info, debug, all" },
	{ "guest_loglvl", LIST, 0, parse_guest_loglvl, 0, 0,
	  "LEVEL or LEVEL/LEVEL of none, error, warning, info, debug, all" },
	{ "dom0_mem", LIST, 0, parse_dom0_mem, 0, 0,
	  "N[,min:N][,max:N], N like 512M, 2G or -128M, at least 16M; without suffix it is KiB" },
	{ "dom0_max_vcpus", LIST, 0, parse_dom0_max_vcpus, 0, 0, "N, MIN-MAX, MIN- or -MAX, each 1 to 8192" },
	{ "maxcpus", NUMBER, AT(maxcpus), NULL, 1, 4095, "1 to 4095" },
	{ "nmi", LIST, 0, parse_nmi, 0, 0, "dom0, fatal or ignore" },
	{ "ucode", LIST, 0, parse_ucode, 0, 0, "scan, or the number of a module, negative from the last" },
	{ "watchdog", BOOL, AT(watchdog), NULL, 0, 0, "a boolean" },
	{ "watchdog_timeout", NUMBER, AT(watchdog_timeout), NULL, 2, 3600, "2 to 3600 seconds" },
	{ "noreboot", BOOL, AT(noreboot), NULL, 0, 0, "a boolean" },
	{ "smap", BOOL, AT(smap), NULL, 0, 0, "a boolean" },
	{ "smep", BOOL, AT(smep), NULL, 0, 0, "a boolean" },
	{ "sync_console", BOOL, AT(sync_console), NULL, 0, 0, "a boolean" },
	{ "x2apic", BOOL, AT(x2apic), NULL, 0, 0, "a boolean" },
	{ "xpti", LIST, 0, parse_xpti, 0, 0, "" },
	{ "pv-l1tf", LIST, 0, parse_pv_l1tf, 0, 0, "" },
	{ "spec-ctrl", LIST, 0, parse_spec_ctrl, 0, 0, "" },
	{ "dom0", LIST, 0, parse_dom0, 0, 0, "pv" },
};

/*
 * Options of Xen 4.17 by which one asks for protection. A row is ignored where
 * each word of the value is harmless or (unless `off_protects`) a refusal.
 */
static const struct promise {
	const char *name;
	const char *harmless;
	bool off_protects;
} promises[] __initconst = {
	{ "iommu", "verbose debug igfx sharept superpages qinval intpost map-inclusive map-reserved crash-disable "
		   "workaround-bios-bug dom0-passthrough passthrough pt snoop", false },
	{ "dom0-iommu", "passthrough none map-inclusive map-reserved pagetables", false },
	{ "flask", "disabled permissive", false },
	{ "xsm", "dummy", false },
	{ "cet", "", false },
	{ "dit", "", false },
	{ "sched-gran", "cpu", false },
	{ "dom0_ioports_disable", "", false },
	{ "smt", "", true },
	{ "tsx", "", true },
};

/* The others of Xen 4.17's: doing without them harms nobody. */
static const char *const lacking[] __initconst = {
	"acpi", "acpi_apic_instance", "acpi_pstate_strict", "acpi_skip_timer_override", "acpi_sleep",
	"allow_unsafe", "altp2m", "apic", "apic_verbosity", "arat", "argo", "asid", "ats", "availmem",
	"badpage", "bootscrub", "bootscrub_chunk", "buddy-alloc-size", "clocksource", "cmci-threshold",
	"cmos-rtc-probe", "com2", "conring_size", "console_timestamps", "console_to_ring", "core_parking",
	"cpu_type", "cpufreq", "cpuid", "cpuid_mask_cpu", "cpuid_mask_ecx", "cpuid_mask_edx",
	"cpuid_mask_ext_ecx", "cpuid_mask_ext_edx", "cpuid_mask_l7s0_eax", "cpuid_mask_l7s0_ebx",
	"cpuid_mask_therm_ecx", "cpuid_mask_xsave_eax", "cpuidle", "cpuinfo", "crashinfo_maxaddr",
	"crashkernel", "credit2_balance_over", "credit2_balance_under", "credit2_cap_period_ms",
	"credit2_load_precision_shift", "credit2_load_window_shift", "credit2_runqueue", "dbgp",
	"debug_stack_lines", "debugtrace", "dma_bits", "dom0-cpuid", "dom0_nodes", "dom0_vcpus_pin",
	"e820-mtrr-clip", "e820-verbose", "edd", "edid", "efi", "ept", "extra_guest_irqs", "font",
	"force-ept", "gdb", "global-pages", "gnttab", "gnttab_max_frames", "gnttab_max_maptrack_frames",
	"gnttab_max_nr_frames", "hap", "hap_1gb", "hap_2mb", "hardware_dom",
	"hest_disable", "highmem-start", "hpet", "hpetbroadcast", "hvm_debug", "hvm_fep", "hvm_port80",
	"idle_latency_factor", "invpcid", "ioapic_ack", "iommu_dev_iotlb_timeout", "iommu_inclusive_mapping",
	"irq-max-guests", "irq_ratelimit", "irq_vector_map", "ivmd", "ivrs_hpet[0]", "ivrs_ioapic[0]",
	"lapic", "lapic_timer_c2_ok", "ler", "low_crashinfo", "low_mem_virq_limit", "max_cstate",
	"max_gsi_irqs", "mce", "mce_fb", "mce_verbosity", "mem", "memop-max-order", "mmcfg", 
	"mwait-idle", "no-real-mode", "noapic", "noirqbalance", "nolapic",
	"nosmp", "nox2apic", "nr_irqs", "numa", "pci", "pci-passthrough",
	"pci-phantom", "pcid", "pku", "ple_gap", "ple_window", "psr", "pv", "pv-linear-pt", "pv-shim",
	"rcu-idle-timer-period-ms", "reboot", "rmrr", "ro-hpet", "sched", "sched_credit2_max_cpus_runqueue",
	"sched_credit2_migrate_resist", "sched_credit_tslice_ms", "sched_debug", "sched_ratelimit_us",
	"sched_smt_power_savings", "scrub-domheap", "serial_tx_buffer", "shim_mem", "snb_igd_quirk",
	"tboot", "tbuf_size", "tdp", "tevt_mask", "tickle_one_idle_cpu", "timer_slop", "tsc",
	"unrestricted_guest", "vcpu_migration_delay", "vesa-map", "vesa-mtrr", "vesa-ram", "vga",
	"viridian-spinlock-retry-count", "viridian-version", "vm-notify-window", "vpid", 
	"vpmu", "x2apic_phys",
	"xenheap_megabytes", "xsave",
};
_Static_assert(ARRAY_SIZE(lacking) <= 4 * 64, "struct parse has a bit for each");

/* ---- One word ----------------------------------------------------------------- */

/* `name` alone counts as yes, `no-name` as no: value is then NULL. */
struct word {
	struct text all, name, value;
	bool has_value;
	bool refused;
};

static int __init apply(struct parse *p, const struct option *opt, const struct word *w)
{
	struct text yes_no = w->refused ? (struct text){ "no", 2 } : (struct text){ "yes", 3 };
	struct text value = w->has_value ? w->value : yes_no;
	void *field = (char *)p->o + opt->at;
	int on;
	u64 n;

	if (w->refused && w->has_value)
		return -EINVAL;
	switch (opt->type) {
	case BOOL:
		on = text_bool(value);
		if (on < 0)
			return -EINVAL;
		*(bool *)field = on;
		return 0;
	case NUMBER:
		if (!text_number(value, opt->least, opt->most, &n))
			return -EINVAL;
		*(u32 *)field = n;
		return 0;
	case LIST:
		return opt->parse(p, value);
	}
	return -EINVAL;
}

static bool __init try_options(struct parse *p, const struct word *w)
{
	for (u32 i = 0; i < ARRAY_SIZE(options); i++) {
		if (!text_is(w->name, options[i].name))
			continue;
		if (apply(p, &options[i], w) == -EINVAL)
			tell(p, LOG_WARNING, "option %.*s: wrong value, accepted is %s; the default is used",
			     TEXT(w->all), options[i].accepted);
		return true;
	}
	return false;
}

static bool __init harmless(const struct promise *pr, const struct word *w)
{
	struct text rest = w->value;
	bool more = true, eq;

	if (!w->has_value)
		return w->refused != pr->off_protects;
	while (more) {
		struct text t = text_cut(&rest, ',', &more), name = text_cut(&t, '=', &eq);
		bool off = text_starts(name, "no-") || text_bool(eq ? t : name) == 0;

		/* A piece like verbose=1 is judged by its name. */
		if (!pr->off_protects && !off && !text_in(name, pr->harmless))
			return false;
		if (pr->off_protects && text_bool(name) != 1)
			return false;
	}
	return true;
}

static bool __init try_promises(struct parse *p, const struct word *w)
{
	for (u32 i = 0; i < ARRAY_SIZE(promises); i++) {
		if (!text_is(w->name, promises[i].name))
			continue;
		if (harmless(&promises[i], w))
			tell(p, LOG_INFO, "option %.*s: not supported by Xenolith, ignored", TEXT(w->all));
		else
			stop_boot(p, "option %.*s asks for a protection that Xenolith does not have; "
				     "remove it to boot without", TEXT(w->all));
		return true;
	}
	return false;
}

static bool __init try_lacking(struct parse *p, const struct word *w)
{
	for (u32 i = 0; i < ARRAY_SIZE(lacking); i++) {
		if (!text_is(w->name, lacking[i]))
			continue;
		if (!(p->named[i / 64] >> (i % 64) & 1))
			tell(p, LOG_INFO, "option %s: not supported by Xenolith, ignored", lacking[i]);
		p->named[i / 64] |= 1ULL << (i % 64);
		return true;
	}
	return false;
}

static bool __init try_word(struct parse *p, const struct word *w)
{
	return try_options(p, w) || try_promises(p, w) || try_lacking(p, w);
}

static void __init parse_word(struct parse *p, struct text all, bool first)
{
	struct word w = { .all = all, .value = all };

	w.name = text_cut(&w.value, '=', &w.has_value);
	/* Loaders may put the image's file name in front, with or without a directory. */
	for (u32 i = 0; first && i < w.name.len; i++)
		if (w.name.s[i] == '/')
			return;
	if (try_word(p, &w))
		return;
	if (text_starts(w.name, "no-")) {
		w.name = text_from(w.name, 3);
		w.refused = true;
		if (try_word(p, &w))
			return;
	}
	if (!first || w.has_value)
		tell(p, LOG_WARNING, "unknown option %.*s, ignored; xenolith(8) lists what there is", TEXT(all));
}

static void __init set_defaults(struct hv_options *o)
{
	memset(o, 0, sizeof(*o));
	o->console = CONSOLE_COM1 | CONSOLE_VGA;
	o->com1 = (struct hv_com){ .baud = 115200, .data_bits = 8, .parity = 'n', .stop_bits = 1,
				   .iobase = 0x3f8, .irq = 4 };
	o->loglvl = (struct hv_loglvl){ 3, 3 };
	o->guest_loglvl = (struct hv_loglvl){ 0, 2 };
	o->dom0_vcpus_min = 1;
	o->dom0_vcpus_max = ~0U;
	o->maxcpus = ~0U;
	o->watchdog_timeout = 5;
	o->smap = true;
	o->smep = true;
	o->xpti_dom0 = o->xpti_domu = AS_NEEDED;
	o->l1tf_dom0 = o->l1tf_domu = AS_NEEDED;
}

int __init cmdline_parse(const char *line, struct hv_options *o, cmdline_say_t say)
{
	struct parse p = { .o = o, .say = say };
	bool first = true;

	set_defaults(o);
	while (line && *line) {
		const char *end = line;

		while (*end && (u8)*end > ' ')
			end++;
		if (end - line == 2 && line[0] == '-' && line[1] == '-') {
			while (*end && (u8)*end <= ' ')
				end++;
			o->dom0_extra = *end ? end : NULL;
			break;
		}
		if (end > line) {
			parse_word(&p, (struct text){ line, (u32)(end - line) }, first);
			first = false;
		}
		line = *end ? end + 1 : end;
	}
	/* spec-ctrl=no turns all of it off, xpti and pv-l1tf too, unless they are given themselves. */
	if (o->spec_off == SPEC_ALL) {
		s8 *as_needed[] = { &o->xpti_dom0, &o->xpti_domu, &o->l1tf_dom0, &o->l1tf_domu };

		for (u32 i = 0; i < ARRAY_SIZE(as_needed); i++)
			if (*as_needed[i] == AS_NEEDED)
				*as_needed[i] = 0;
	}
	return o->fatal[0] ? -EINVAL : 0;
}

static u64 __init resolve(const struct hv_amount *a, u64 available)
{
	if (!a->less)
		return a->bytes;
	return a->bytes < available ? available - a->bytes : 0;
}

u64 __init cmdline_dom0_bytes(const struct hv_options *o, u64 available, u64 *max)
{
	u64 bytes = available - min(available / 16, MiB(128));
	u64 limit = ~0ULL;

	if (o->dom0_mem.given)
		bytes = resolve(&o->dom0_mem, available);
	if (o->dom0_mem_max.given)
		limit = resolve(&o->dom0_mem_max, available);
	if (o->dom0_mem_min.given)
		bytes = max(bytes, resolve(&o->dom0_mem_min, available));
	bytes = min(bytes, limit);
	bytes = min(bytes, available) & PAGE_MASK;
	*max = max(limit, bytes) & PAGE_MASK;
	return bytes;
}
