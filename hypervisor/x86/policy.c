// SPDX-License-Identifier: MIT
/*
 * CPUID for PV guests, and what the CPU has to be protected against.
 *
 * A PV kernel asks through the forced CPUID instruction and believes what it
 * hears: a feature that is shown must work in ring 3, without CR4 bits or MSRs
 * that we don't give. So the rule is a list of what is shown; what is not on
 * the list, or newer than the list, is hidden.
 *
 *   1. A feature is shown when the CPU has it, shown[] lists it, and all that
 *      depends[] says it needs is shown too.
 *   2. OSXSAVE is shown whenever XSAVE is, before the guest sets CR4.OSXSAVE:
 *      kernels look at both before they set it.
 *   3. XCR0 may hold x87, SSE, AVX and, all or none, AVX-512. Never MPX, PKRU
 *      or AMX, whatever the CPU has; leaf 0xd says the same.
 *   4. Address widths are the CPU's own: guests build real page tables.
 *   5. Topology is hidden. Every vcpu has APIC id 0.
 *   6. All answers are computed at boot; a lookup is a few compares and a copy.
 *
 * The tables are written by the boot CPU before any guest runs, and are
 * constant afterwards, except for the time leaf (policy_set_time(), at boot
 * too). No lock.
 */
#include "x86/policy.h"
#include "lib/string.h"
#include "xen/cpuid.h"

#define FEATURE(x) X86_FEATURE_##x

#define XCR0_X87 (1ULL << 0)
#define XCR0_SSE (1ULL << 1)
#define XCR0_AVX (1ULL << 2)
#define XCR0_AVX512 (7ULL << 5)

/* Legacy area and header: SDM 1, 13.4. */
#define XSAVE_BASE_BYTES 576

#define XEN_VERSION_SHOWN (4u << 16 | 17)

struct host_cpu host_cpu;

struct cpu_policy pv_policy, host_policy;

static struct {
	u32 e7d_dom0;
	struct policy_time time;
	u8 machine_bits;
} extra;

static const u16 shown[] __initconst = {
	FEATURE(FPU), FEATURE(DE), FEATURE(TSC), FEATURE(MSR), FEATURE(PAE), FEATURE(MCE), FEATURE(CX8),
	FEATURE(APIC), FEATURE(SEP), FEATURE(MCA), FEATURE(CMOV), FEATURE(PAT), FEATURE(CLFLUSH),
	FEATURE(ACPI), FEATURE(MMX), FEATURE(FXSR), FEATURE(SSE), FEATURE(SSE2), FEATURE(SS), FEATURE(HTT),

	FEATURE(SSE3), FEATURE(PCLMULQDQ), FEATURE(SSSE3), FEATURE(FMA), FEATURE(CX16), FEATURE(SSE4_1),
	FEATURE(SSE4_2), FEATURE(MOVBE), FEATURE(POPCNT), FEATURE(AESNI), FEATURE(XSAVE), FEATURE(AVX),
	FEATURE(F16C), FEATURE(RDRAND),

	FEATURE(SYSCALL), FEATURE(NX), FEATURE(MMXEXT), FEATURE(RDTSCP), FEATURE(LM), FEATURE(3DNOWEXT),
	FEATURE(3DNOW),

	FEATURE(LAHF_LM), FEATURE(CMP_LEGACY), FEATURE(ABM), FEATURE(SSE4A), FEATURE(MISALIGNSSE),
	FEATURE(3DNOWPREFETCH), FEATURE(XOP), FEATURE(FMA4), FEATURE(TBM),

	FEATURE(XSAVEOPT), FEATURE(XSAVEC), FEATURE(XGETBV1),

	FEATURE(FSGSBASE), FEATURE(BMI1), FEATURE(AVX2), FEATURE(FDP_EXCP_ONLY), FEATURE(BMI2), FEATURE(ERMS),
	FEATURE(NO_FPU_SEL), FEATURE(AVX512F), FEATURE(AVX512DQ), FEATURE(RDSEED), FEATURE(ADX),
	FEATURE(AVX512_IFMA), FEATURE(CLFLUSHOPT), FEATURE(CLWB), FEATURE(AVX512PF), FEATURE(AVX512ER),
	FEATURE(AVX512CD), FEATURE(SHA), FEATURE(AVX512BW), FEATURE(AVX512VL),

	FEATURE(PREFETCHWT1), FEATURE(AVX512_VBMI), FEATURE(AVX512_VBMI2), FEATURE(GFNI), FEATURE(VAES),
	FEATURE(VPCLMULQDQ), FEATURE(AVX512_VNNI), FEATURE(AVX512_BITALG), FEATURE(AVX512_VPOPCNTDQ),
	FEATURE(RDPID), FEATURE(CLDEMOTE), FEATURE(MOVDIRI), FEATURE(MOVDIR64B),

	FEATURE(AVX512_4VNNIW), FEATURE(AVX512_4FMAPS), FEATURE(FSRM), FEATURE(AVX512_VP2INTERSECT),
	FEATURE(MD_CLEAR), FEATURE(SERIALIZE), FEATURE(AVX512_FP16),

	FEATURE(AVX_VNNI), FEATURE(AVX512_BF16), FEATURE(FZRM), FEATURE(FSRS), FEATURE(FSRCS), FEATURE(AVX_IFMA),

	FEATURE(CLZERO), FEATURE(RSTR_FP_ERR_PTRS), FEATURE(WBNOINVD), FEATURE(BTC_NO), FEATURE(SSB_NO),

	FEATURE(LFENCE_DISPATCH), FEATURE(NSCB), FEATURE(SRSO_NO),
};

/* Each needs the other; a need stands above all that need it in turn. */
static const u16 depends[][2] __initconst = {
	{ FEATURE(AVX), FEATURE(XSAVE) },
	{ FEATURE(XSAVEOPT), FEATURE(XSAVE) },
	{ FEATURE(XSAVEC), FEATURE(XSAVE) },
	{ FEATURE(XGETBV1), FEATURE(XSAVE) },
	{ FEATURE(FMA), FEATURE(AVX) },
	{ FEATURE(F16C), FEATURE(AVX) },
	{ FEATURE(XOP), FEATURE(AVX) },
	{ FEATURE(FMA4), FEATURE(AVX) },
	{ FEATURE(AVX2), FEATURE(AVX) },
	{ FEATURE(VAES), FEATURE(AVX) },
	{ FEATURE(VPCLMULQDQ), FEATURE(AVX) },
	{ FEATURE(AVX_VNNI), FEATURE(AVX2) },
	{ FEATURE(AVX_IFMA), FEATURE(AVX2) },
	{ FEATURE(AVX512F), FEATURE(AVX2) },
	{ FEATURE(AVX512DQ), FEATURE(AVX512F) },
	{ FEATURE(AVX512_IFMA), FEATURE(AVX512F) },
	{ FEATURE(AVX512PF), FEATURE(AVX512F) },
	{ FEATURE(AVX512ER), FEATURE(AVX512F) },
	{ FEATURE(AVX512CD), FEATURE(AVX512F) },
	{ FEATURE(AVX512BW), FEATURE(AVX512F) },
	{ FEATURE(AVX512VL), FEATURE(AVX512F) },
	{ FEATURE(AVX512_VNNI), FEATURE(AVX512F) },
	{ FEATURE(AVX512_VPOPCNTDQ), FEATURE(AVX512F) },
	{ FEATURE(AVX512_4VNNIW), FEATURE(AVX512F) },
	{ FEATURE(AVX512_4FMAPS), FEATURE(AVX512F) },
	{ FEATURE(AVX512_VP2INTERSECT), FEATURE(AVX512F) },
	{ FEATURE(AVX512_VBMI), FEATURE(AVX512BW) },
	{ FEATURE(AVX512_VBMI2), FEATURE(AVX512BW) },
	{ FEATURE(AVX512_BITALG), FEATURE(AVX512BW) },
	{ FEATURE(AVX512_BF16), FEATURE(AVX512BW) },
	{ FEATURE(AVX512_FP16), FEATURE(AVX512BW) },
};

static bool word_has(const u32 *words, u32 feature)
{
	return words[feature / 32] >> (feature % 32) & 1;
}

static void __init word_set(u32 *words, u32 feature, bool on)
{
	u32 bit = 1u << (feature % 32);

	words[feature / 32] = on ? words[feature / 32] | bit : words[feature / 32] & ~bit;
}

static bool guest_has(u32 feature)
{
	return word_has(pv_policy.feature, feature);
}

static const u8 feature_place[X86_FEATURE_WORDS][3] = {
	[FEATURE_1D] = { 1, 0, EDX }, [FEATURE_1C] = { 1, 0, ECX }, [FEATURE_E1D] = { 0x81, 0, EDX },
	[FEATURE_E1C] = { 0x81, 0, ECX }, [FEATURE_DA1] = { 0xd, 1, EAX }, [FEATURE_7B0] = { 7, 0, EBX },
	[FEATURE_7C0] = { 7, 0, ECX }, [FEATURE_E7D] = { 0x87, 0, EDX }, [FEATURE_E8B] = { 0x88, 0, EBX },
	[FEATURE_7D0] = { 7, 0, EDX }, [FEATURE_7A1] = { 7, 1, EAX }, [FEATURE_E21A] = { 0xa1, 0, EAX },
	[FEATURE_7B1] = { 7, 1, EBX }, [FEATURE_7D2] = { 7, 2, EDX },
};

u32 *policy_place(struct cpu_policy *p, u32 leaf, u32 sub)
{
	if (leaf == 4)
		return sub < CACHE_LEAVES ? p->cache[sub] : NULL;
	if (leaf == 7)
		return sub < FEATURE_LEAVES ? p->feat[sub] : NULL;
	if (leaf == 0xd)
		return sub < XSTATE_LEAVES ? p->xstate[sub] : NULL;
	if (leaf < BASIC_LEAVES)
		return p->basic[leaf];
	return leaf - 0x80000000 < EXT_LEAVES ? p->ext[leaf - 0x80000000] : NULL;
}

u32 *policy_feature_word(struct cpu_policy *p, u32 word)
{
	const u8 *at = feature_place[word];

	return &policy_place(p, at[0] & 0x80 ? 0x80000000 | (at[0] & 0x7f) : at[0], at[1])[at[2]];
}

u64 policy_guest_cr4(void)
{
	u64 cr4 = 0;

	if (guest_has(X86_FEATURE_TSC))
		cr4 |= 1u << 2; /* TSD */
	if (guest_has(X86_FEATURE_DE))
		cr4 |= 1u << 3;
	if (guest_has(X86_FEATURE_FSGSBASE))
		cr4 |= 1u << 16;
	if (guest_has(X86_FEATURE_XSAVE))
		cr4 |= 1u << 18;
	return cr4;
}

/* ---- The CPU ------------------------------------------------------------------------- */

static enum cpu_vendor __init vendor_of(const u32 leaf0[4])
{
	static const struct {
		char name[13]; /* ebx, edx, ecx */
		enum cpu_vendor vendor;
	} known[] = {
		{ "GenuineIntel", VENDOR_INTEL }, { "AuthenticAMD", VENDOR_AMD }, { "HygonGenuine", VENDOR_HYGON },
		{ "CentaurHauls", VENDOR_CENTAUR }, { "  Shanghai  ", VENDOR_SHANGHAI },
	};

	for (u32 i = 0; i < ARRAY_SIZE(known); i++)
		if (!memcmp(known[i].name, &leaf0[EBX], 4) && !memcmp(known[i].name + 4, &leaf0[EDX], 4) &&
		    !memcmp(known[i].name + 8, &leaf0[ECX], 4))
			return known[i].vendor;
	return VENDOR_OTHER;
}

/* SDM 2A, CPUID leaf 1: the extended fields count only for the largest family (and Intel's 6). */
static void __init read_signature(struct host_cpu *c, u32 eax)
{
	c->stepping = eax & 15;
	c->model = eax >> 4 & 15;
	c->family = eax >> 8 & 15;
	if (c->family == 6 || c->family == 15)
		c->model |= eax >> 12 & 0xf0;
	if (c->family == 15)
		c->family += eax >> 20 & 0xff;
}

static void __init read_features(struct host_cpu *c, cpuid_raw_t raw)
{
	u32 out[4];

	raw(1, 0, out);
	read_signature(c, out[EAX]);
	c->feature[FEATURE_1D] = out[EDX];
	c->feature[FEATURE_1C] = out[ECX];
	if (c->max_leaf >= 7) {
		u32 most;

		raw(7, 0, out);
		most = out[EAX];
		c->feature[FEATURE_7B0] = out[EBX];
		c->feature[FEATURE_7C0] = out[ECX];
		c->feature[FEATURE_7D0] = out[EDX];
		if (most >= 1) {
			raw(7, 1, out);
			c->feature[FEATURE_7A1] = out[EAX];
			c->feature[FEATURE_7B1] = out[EBX];
		}
		if (most >= 2) {
			raw(7, 2, out);
			c->feature[FEATURE_7D2] = out[EDX];
		}
	}
	if (c->max_leaf >= 0xd && host_has(X86_FEATURE_XSAVE)) {
		raw(0xd, 1, out);
		c->feature[FEATURE_DA1] = out[EAX];
	}
	if (c->max_ext_leaf >= 0x80000001) {
		raw(0x80000001, 0, out);
		c->feature[FEATURE_E1D] = out[EDX];
		c->feature[FEATURE_E1C] = out[ECX];
	}
	if (c->max_ext_leaf >= 0x80000007) {
		raw(0x80000007, 0, out);
		c->feature[FEATURE_E7D] = out[EDX];
	}
	c->phys_bits = 36;
	c->linear_bits = 48;
	if (c->max_ext_leaf >= 0x80000008) {
		raw(0x80000008, 0, out);
		c->feature[FEATURE_E8B] = out[EBX];
		c->phys_bits = out[EAX];
		c->linear_bits = out[EAX] >> 8;
	}
	if (c->max_ext_leaf >= 0x80000021) {
		raw(0x80000021, 0, out);
		c->feature[FEATURE_E21A] = out[EAX];
	}
}

static void __init read_host(struct host_cpu *c, cpuid_raw_t raw)
{
	u32 out[4];

	memset(c, 0, sizeof(*c));
	raw(0, 0, out);
	c->max_leaf = out[EAX];
	c->vendor = vendor_of(out);
	raw(0x80000000, 0, out);
	c->max_ext_leaf = out[EAX] >> 16 == 0x8000 ? out[EAX] : 0;
	read_features(c, raw);
	if (host_has(X86_FEATURE_HYPERVISOR)) {
		c->under_hypervisor = true;
		raw(0x40000000, 0, out);
		c->under_tcg = !memcmp(&out[EBX], "TCGTCGTCGTCG", 12);
	}
}

/* ---- State that XSAVE moves --------------------------------------------------------------- */

static void __init choose_xcr0(struct host_cpu *c, cpuid_raw_t raw)
{
	u32 out[4];

	c->xsave_bytes = 512;
	if (!host_has(X86_FEATURE_XSAVE) || c->max_leaf < 0xd)
		return;
	raw(0xd, 0, out);
	c->xcr0 = out[EAX] | (u64)out[EDX] << 32;
	c->guest_xcr0 = c->xcr0 & (XCR0_X87 | XCR0_SSE);
	if (host_has(X86_FEATURE_AVX))
		c->guest_xcr0 |= c->xcr0 & XCR0_AVX;
	if (c->guest_xcr0 & XCR0_AVX && host_has(X86_FEATURE_AVX512F) && (c->xcr0 & XCR0_AVX512) == XCR0_AVX512)
		c->guest_xcr0 |= XCR0_AVX512;

	for (u32 n = 2; n < XSTATE_LEAVES; n++) {
		if (!(c->guest_xcr0 >> n & 1))
			continue;
		raw(0xd, n, out);
		pv_policy.xstate[n][EAX] = out[EAX];
		pv_policy.xstate[n][EBX] = out[EBX];
		pv_policy.xstate[n][ECX] = out[ECX] & 2; /* starts at 64 bytes in the compact format */
	}
}

/* Bytes of the standard format for `xcr0`: where the last enabled part ends. */
static u32 xsave_size(u64 xcr0)
{
	u32 bytes = XSAVE_BASE_BYTES;

	for (u32 n = 2; n < XSTATE_LEAVES; n++)
		if (xcr0 >> n & 1)
			bytes = max(bytes, pv_policy.xstate[n][EAX] + pv_policy.xstate[n][EBX]);
	return bytes;
}

/* The same for the compact format of XSAVEC: parts follow each other. */
static u32 xsavec_size(u64 xcr0)
{
	u32 bytes = XSAVE_BASE_BYTES;

	for (u32 n = 2; n < XSTATE_LEAVES; n++) {
		if (!(xcr0 >> n & 1))
			continue;
		if (pv_policy.xstate[n][ECX] & 2)
			bytes = ALIGN_UP(bytes, 64);
		bytes += pv_policy.xstate[n][EAX];
	}
	return bytes;
}

/* ---- The guests' tables ---------------------------------------------------------------------- */

static void __init choose_features(const struct host_cpu *c)
{
	u32 *f = pv_policy.feature;

	memset(f, 0, sizeof(pv_policy.feature));
	for (u32 i = 0; i < ARRAY_SIZE(shown); i++)
		word_set(f, shown[i], word_has(c->feature, shown[i]));
	if (!c->guest_xcr0)
		word_set(f, X86_FEATURE_XSAVE, false);
	if (!(c->guest_xcr0 & XCR0_AVX))
		word_set(f, X86_FEATURE_AVX, false);
	if (!(c->guest_xcr0 & XCR0_AVX512))
		word_set(f, X86_FEATURE_AVX512F, false);
	for (u32 i = 0; i < ARRAY_SIZE(depends); i++)
		if (!word_has(f, depends[i][1]))
			word_set(f, depends[i][0], false);

	word_set(f, X86_FEATURE_HYPERVISOR, true);
	word_set(f, X86_FEATURE_OSXSAVE, word_has(f, X86_FEATURE_XSAVE));
	/* Intel shows SYSCALL in 64-bit mode only; guests are always asked from there. */
	word_set(f, X86_FEATURE_SYSCALL, true);
	/* AMD repeats leaf 1's edx in these bits: AMD 3, E.4.2. */
	if (c->vendor == VENDOR_AMD || c->vendor == VENDOR_HYGON)
		f[FEATURE_E1D] |= f[FEATURE_1D] & 0x0183f3ff;
	/* A guest that migrates would lose it, so only dom0 hears of the invariant TSC. */
	extra.e7d_dom0 = c->feature[FEATURE_E7D] & 1u << (X86_FEATURE_ITSC % 32);
}

static void __init fill_basic(const struct host_cpu *c, cpuid_raw_t raw)
{
	const u32 *f = pv_policy.feature;
	u32 (*b)[4] = pv_policy.basic;
	u32 out[4];

	raw(0, 0, b[0]);
	b[0][EAX] = min(c->max_leaf, (u32)BASIC_LEAVES - 1);

	raw(1, 0, b[1]);
	b[1][EBX] &= 0x00ffffff; /* APIC id 0 */

	if (c->max_leaf >= 2 && c->vendor != VENDOR_AMD && c->vendor != VENDOR_HYGON)
		raw(2, 0, b[2]);
	for (u32 n = 0; c->max_leaf >= 4 && n < CACHE_LEAVES; n++) {
		raw(4, n, out);
		if (!(out[EAX] & 31))
			break;
		out[EAX] &= 0x3fff; /* no other thread shares it, one core */
		memcpy(pv_policy.cache[n], out, sizeof(out));
	}
	pv_policy.feat[0][EAX] = f[FEATURE_7A1] ? 1 : 0;
	pv_policy.xstate[0][EAX] = c->guest_xcr0;
	pv_policy.xstate[0][EDX] = c->guest_xcr0 >> 32;
}

static void __init fill_ext(const struct host_cpu *c, cpuid_raw_t raw)
{
	u32 (*e)[4] = pv_policy.ext;
	u32 most = c->max_ext_leaf;

	if (!most)
		return;
	most = most >= 0x80000021 && pv_policy.feature[FEATURE_E21A] ? 0x80000021 : min(most, 0x80000008u);
	raw(0x80000000, 0, e[0]);
	e[0][EAX] = most;
	raw(0x80000001, 0, e[1]);
	for (u32 n = 2; n <= 6 && 0x80000000 + n <= most; n++)
		raw(0x80000000 + n, 0, e[n]);
	e[8][EAX] = c->phys_bits | c->linear_bits << 8;
}

/* The CPU's own leaves, as toolstacks may ask for them: those that a policy has. */
static void __init fill_host(cpuid_raw_t raw)
{
	static const u8 subs[BASIC_LEAVES] = { [4] = CACHE_LEAVES, [7] = FEATURE_LEAVES, [0xd] = XSTATE_LEAVES };

	for (u32 n = 0; n < BASIC_LEAVES && n <= host_cpu.max_leaf; n++)
		for (u32 sub = 0; sub < max(subs[n], (u8)1); sub++)
			raw(n, sub, policy_place(&host_policy, n, sub));
	host_policy.basic[0][EAX] = min(host_cpu.max_leaf, (u32)BASIC_LEAVES - 1);
	for (u32 n = 0; n < EXT_LEAVES && 0x80000000 + n <= host_cpu.max_ext_leaf; n++)
		raw(0x80000000 + n, 0, host_policy.ext[n]);
	host_policy.ext[0][EAX] = min(host_cpu.max_ext_leaf, 0x80000000u + EXT_LEAVES - 1);
	memcpy(host_policy.feature, host_cpu.feature, sizeof(host_policy.feature));
}

void __init policy_init(cpuid_raw_t raw)
{
	memset(&pv_policy, 0, sizeof(pv_policy));
	memset(&host_policy, 0, sizeof(host_policy));
	memset(&extra, 0, sizeof(extra));
	read_host(&host_cpu, raw);
	choose_xcr0(&host_cpu, raw);
	if (host_cpu.guest_xcr0)
		host_cpu.xsave_bytes = xsave_size(host_cpu.guest_xcr0);
	choose_features(&host_cpu);
	fill_basic(&host_cpu, raw);
	fill_ext(&host_cpu, raw);
	for (u32 w = 0; w < X86_FEATURE_WORDS; w++)
		*policy_feature_word(&pv_policy, w) = pv_policy.feature[w];
	fill_host(raw);
	extra.machine_bits = host_cpu.phys_bits;
}

void __init policy_set_time(const struct policy_time *t)
{
	extra.time = *t;
}

void __init policy_set_ram_end(u64 bytes)
{
	extra.machine_bits = bytes > 1 ? 64 - __builtin_clzll(bytes - 1) : 1;
}

/* ---- Lookups ------------------------------------------------------------------------------------ */

static void set(u32 out[4], u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	out[EAX] = eax;
	out[EBX] = ebx;
	out[ECX] = ecx;
	out[EDX] = edx;
}

static void take(u32 out[4], const u32 from[4])
{
	set(out, from[EAX], from[EBX], from[ECX], from[EDX]);
}

/* xen/arch-x86/cpuid.h */
static void xen_time(u32 sub, u32 out[4])
{
	const struct policy_time *t = &extra.time;

	switch (sub) {
	case 0: /* not emulated, tsc_mode 0, first incarnation */
		set(out, (t->tsc_reliable ? 2 : 0) | (guest_has(X86_FEATURE_RDTSCP) ? 4 : 0), 0, t->tsc_khz, 0);
		break;
	case 1:
		set(out, (u32)t->tsc_offset, t->tsc_offset >> 32, t->tsc_to_ns_mul, (u8)t->tsc_shift);
		break;
	case 2:
		set(out, t->tsc_khz, 0, 0, 0);
		break;
	}
}

static void xen_leaf(u32 leaf, u32 sub, u32 out[4])
{
	switch (leaf - XEN_CPUID_FIRST_LEAF) {
	case 0:
		set(out, XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES), XEN_CPUID_SIGNATURE_EBX,
		    XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX);
		break;
	case 1:
		set(out, XEN_VERSION_SHOWN, 0, 0, 0);
		break;
	case 2: /* one hypercall page, written through MSR 0x40000000 */
		set(out, 1, 0x40000000, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0);
		break;
	case 3:
		xen_time(sub, out);
		break;
	case 5:
		set(out, 0, extra.machine_bits, 0, 0);
		break;
	}
}

static void xstate_leaf(const struct cpu_policy *p, u64 xcr0, u32 sub, u32 out[4])
{
	u64 own = p->xstate[0][EAX] | (u64)p->xstate[0][EDX] << 32;

	if (!word_has(p->feature, X86_FEATURE_XSAVE))
		return;
	if (sub == 0)
		set(out, (u32)own, xsave_size(xcr0 & own), xsave_size(own), own >> 32);
	else if (sub == 1)
		set(out, p->feature[FEATURE_DA1],
		    word_has(p->feature, X86_FEATURE_XSAVEC) ? xsavec_size(xcr0 & own) : 0, 0, 0);
	else if (sub < XSTATE_LEAVES && (own >> sub & 1))
		take(out, p->xstate[sub]);
}

void policy_cpuid(const struct policy_guest *g, u32 leaf, u32 sub, u32 out[4])
{
	const struct cpu_policy *p = g->policy ?: &pv_policy;
	const u32 *from;

	set(out, 0, 0, 0, 0);
	if (leaf - XEN_CPUID_FIRST_LEAF <= XEN_CPUID_MAX_NUM_LEAVES) {
		xen_leaf(leaf, sub, out);
		return;
	}
	if (leaf < BASIC_LEAVES ? leaf > host_cpu.max_leaf : leaf - 0x80000000 >= EXT_LEAVES)
		return;
	if (leaf == 0xd)
		xstate_leaf(p, g->xcr0, sub, out);
	else if (leaf == 0xb)
		out[ECX] = sub & 0xff; /* no such level */
	else if ((from = policy_place((struct cpu_policy *)p, leaf, sub)))
		take(out, from);
	if (leaf == 0x80000007 && g->privileged)
		out[EDX] = extra.e7d_dom0;
}
