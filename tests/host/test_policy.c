// SPDX-License-Identifier: MIT
/*
 * What PV guests see of a few CPUs whose CPUID leaves are typed below, and what
 * those CPUs need protection against.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/policy.h"

struct leaf {
	u32 leaf, sub, out[4];
};

/* A name in the order of the registers of leaf 0. */
#define INTEL 0x756e6547, 0x6c65746e, 0x49656e69
#define AMD 0x68747541, 0x444d4163, 0x69746e65

/* QEMU's qemu64 under TCG: AMD family 15, no XSAVE, no leaf 0xd. */
static const struct leaf qemu64[] = {
	{ 0x0, 0, { 0xd, AMD } },
	{ 0x1, 0, { 0x00060fb1, 0x00000800, 0x80802001, 0x078bfbfd } },
	{ 0x7, 0, { 0, 0, 0, 0 } },
	{ 0x40000000, 0, { 0x40000001, 0x54474354, 0x43544743, 0x47435447 } },
	{ 0x80000000, 0, { 0x8000000a, AMD } },
	{ 0x80000001, 0, { 0x00060fb1, 0, 0x00000005, 0x2191abfd } },
	{ 0x80000002, 0, { 0x554d4551, 0x72695620, 0x6c617574, 0x55504320 } },
	{ 0x80000008, 0, { 0x00003028, 0, 0, 0 } },
	{ 0x8000000a, 0, { 1, 16, 0, 0 } },
};

/* Core i7-4770, with microcode that has IBRS and MD_CLEAR. */
static const struct leaf haswell[] = {
	{ 0x0, 0, { 0xd, INTEL } },
	{ 0x1, 0, { 0x000306c3, 0x05100800, 0x7ffafbff, 0xbfebfbff } },
	{ 0x2, 0, { 0x76036301, 0x00f0b5ff, 0, 0x00c10000 } },
	{ 0x4, 0, { 0x1c004121, 0x01c0003f, 0x3f, 0 } },
	{ 0x4, 1, { 0x1c004122, 0x01c0003f, 0x3f, 0 } },
	{ 0x4, 2, { 0x1c004143, 0x01c0003f, 0x1ff, 0 } },
	{ 0x4, 3, { 0x1c03c163, 0x03c0003f, 0x1fff, 6 } },
	{ 0x5, 0, { 0x40, 0x40, 3, 0x42120 } },
	{ 0x7, 0, { 0, 0x000027ab, 0, 0x9c000400 } },
	{ 0xa, 0, { 0x07300403, 0, 0, 0x603 } },
	{ 0xb, 0, { 1, 2, 0x100, 5 } },
	{ 0xb, 1, { 4, 8, 0x201, 5 } },
	{ 0xd, 0, { 7, 0x340, 0x340, 0 } },
	{ 0xd, 1, { 1, 0, 0, 0 } },
	{ 0xd, 2, { 0x100, 0x240, 0, 0 } },
	{ 0x80000000, 0, { 0x80000008, 0, 0, 0 } },
	{ 0x80000001, 0, { 0, 0, 0x21, 0x2c100800 } },
	{ 0x80000006, 0, { 0, 0, 0x01006040, 0 } },
	{ 0x80000007, 0, { 0, 0, 0, 0x100 } },
	{ 0x80000008, 0, { 0x3027, 0, 0, 0 } },
};

/* Xeon with AVX-512, MPX and PKU (Skylake server). */
static const struct leaf skylake_sp[] = {
	{ 0x0, 0, { 0x16, INTEL } },
	{ 0x1, 0, { 0x00050654, 0x11400800, 0x7ffefbff, 0xbfebfbff } },
	{ 0x7, 0, { 0, 0xd39ffffb, 0x00000008, 0x9c000400 } },
	{ 0xd, 0, { 0x2ff, 0xa88, 0xa88, 0 } },
	{ 0xd, 1, { 0xf, 0xa08, 0x100, 0 } },
	{ 0xd, 2, { 0x100, 0x240, 0, 0 } },
	{ 0xd, 3, { 0x40, 0x3c0, 0, 0 } },
	{ 0xd, 4, { 0x40, 0x400, 0, 0 } },
	{ 0xd, 5, { 0x40, 0x440, 0, 0 } },
	{ 0xd, 6, { 0x200, 0x480, 0, 0 } },
	{ 0xd, 7, { 0x400, 0x680, 0, 0 } },
	{ 0xd, 8, { 0x80, 0, 1, 0 } },
	{ 0xd, 9, { 8, 0xa80, 0, 0 } },
	{ 0x80000000, 0, { 0x80000008, 0, 0, 0 } },
	{ 0x80000001, 0, { 0, 0, 0x121, 0x2c100800 } },
	{ 0x80000007, 0, { 0, 0, 0, 0x100 } },
	{ 0x80000008, 0, { 0x302e, 0, 0, 0 } },
};

/* EPYC 7001. */
static const struct leaf epyc[] = {
	{ 0x0, 0, { 0xd, AMD } },
	{ 0x1, 0, { 0x00800f12, 0x00400800, 0x7ed8320b, 0x178bfbff } },
	{ 0x7, 0, { 0, 0x209c01a9, 0, 0 } },
	{ 0xd, 0, { 7, 0x340, 0x340, 0 } },
	{ 0xd, 1, { 0xf, 0x340, 0, 0 } },
	{ 0xd, 2, { 0x100, 0x240, 0, 0 } },
	{ 0x80000000, 0, { 0x8000001f, AMD } },
	{ 0x80000001, 0, { 0x00800f12, 0x40000000, 0x35c233ff, 0x2fd3fbff } },
	{ 0x80000005, 0, { 0xff40ff40, 0xff40ff40, 0x20080140, 0x40040140 } },
	{ 0x80000007, 0, { 0, 0x1b, 0, 0x6599 } },
	{ 0x80000008, 0, { 0x00003030, 0x00001007, 0x0000603f, 0 } },
	{ 0x8000000a, 0, { 1, 0x8000, 0, 0x1bcff } },
	{ 0x8000001d, 0, { 0x4121, 0x01c0003f, 0x3f, 0 } },
	{ 0x8000001e, 0, { 0, 0x100, 0x300, 0 } },
	{ 0x8000001f, 0, { 0xf, 0x16f, 0xf, 1 } },
};

static const struct leaf *cpu;
static size_t nr_leaves;

/* As hardware: leaves nobody typed are zero; unknown subleaves of 4 and 0xd too. */
static void raw(u32 leaf, u32 sub, u32 out[4])
{
	memset(out, 0, 16);
	for (size_t i = 0; i < nr_leaves; i++)
		if (cpu[i].leaf == leaf && cpu[i].sub == sub)
			memcpy(out, cpu[i].out, 16);
}

#define USE(model) (cpu = (model), nr_leaves = ARRAY_SIZE(model), policy_init(raw))

static const struct policy_guest dom0 = { .privileged = true, .xcr0 = 7 }, domu = { .xcr0 = 7 };

static u32 out[4];

static void ask(const struct policy_guest *g, u32 leaf, u32 sub)
{
	memset(out, 0xee, sizeof(out));
	policy_cpuid(g, leaf, sub, out);
}

/* The bit that CPUID shows a guest. */
static bool guest_has(u32 feature)
{
	static const struct { u32 leaf, sub, reg; } word[X86_FEATURE_WORDS] = {
		[FEATURE_1D] = { 1, 0, 3 }, [FEATURE_1C] = { 1, 0, 2 }, [FEATURE_E1D] = { 0x80000001, 0, 3 },
		[FEATURE_E1C] = { 0x80000001, 0, 2 }, [FEATURE_DA1] = { 0xd, 1, 0 }, [FEATURE_7B0] = { 7, 0, 1 },
		[FEATURE_7C0] = { 7, 0, 2 }, [FEATURE_E7D] = { 0x80000007, 0, 3 }, [FEATURE_E8B] = { 0x80000008, 0, 1 },
		[FEATURE_7D0] = { 7, 0, 3 }, [FEATURE_7A1] = { 7, 1, 0 }, [FEATURE_E21A] = { 0x80000021, 0, 0 },
	};
	u32 o[4];

	policy_cpuid(&domu, word[feature / 32].leaf, word[feature / 32].sub, o);
	return o[word[feature / 32].reg] >> (feature % 32) & 1;
}

static void assert_zero(const struct policy_guest *g, u32 leaf, u32 sub)
{
	ask(g, leaf, sub);
	assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
}

static void the_host_is_recognised(void **state)
{
	(void)state;
	USE(qemu64);
	assert_int_equal(host_cpu.vendor, VENDOR_AMD);
	assert_int_equal(host_cpu.family, 15);
	assert_int_equal(host_cpu.model, 0x6b);
	assert_true(host_cpu.under_hypervisor && host_cpu.under_tcg);
	assert_int_equal(host_cpu.phys_bits, 40);
	assert_int_equal(host_cpu.guest_xcr0, 0);
	assert_int_equal(host_cpu.xsave_bytes, 512);
	USE(haswell);
	assert_int_equal(host_cpu.vendor, VENDOR_INTEL);
	assert_int_equal(host_cpu.family, 6);
	assert_int_equal(host_cpu.model, 0x3c);
	assert_int_equal(host_cpu.stepping, 3);
	assert_false(host_cpu.under_hypervisor);
	assert_int_equal(host_cpu.guest_xcr0, 7);
	assert_int_equal(host_cpu.xsave_bytes, 832);
	assert_true(host_has(X86_FEATURE_SMEP));
	assert_false(host_has(X86_FEATURE_SMAP));
	USE(epyc);
	assert_int_equal(host_cpu.family, 0x17);
	assert_int_equal(host_cpu.model, 1);
}

/* Each needs a CR4 bit, an MSR, or ring 0: a PV guest must not believe in it. */
static const u16 never[] = {
	X86_FEATURE_VME, X86_FEATURE_PSE, X86_FEATURE_PSE36, X86_FEATURE_PGE, X86_FEATURE_MTRR, X86_FEATURE_PCID,
	X86_FEATURE_INVPCID, X86_FEATURE_SMEP, X86_FEATURE_SMAP, X86_FEATURE_UMIP, X86_FEATURE_PKU,
	X86_FEATURE_OSPKE, X86_FEATURE_PAGE1GB, X86_FEATURE_TSC_DEADLINE, X86_FEATURE_X2APIC,
	X86_FEATURE_TSC_ADJUST, X86_FEATURE_XSAVES, X86_FEATURE_MONITOR, X86_FEATURE_VMX, X86_FEATURE_SVM,
	X86_FEATURE_DS, X86_FEATURE_DTES64, X86_FEATURE_PDCM, X86_FEATURE_SMX, X86_FEATURE_EIST, X86_FEATURE_TM,
	X86_FEATURE_LA57, X86_FEATURE_MPX, X86_FEATURE_PROC_TRACE, X86_FEATURE_TOPOEXT, X86_FEATURE_CET_SS,
	X86_FEATURE_CET_IBT, X86_FEATURE_AMD_IBRS, X86_FEATURE_AMD_STIBP, X86_FEATURE_IBPB, X86_FEATURE_IBRSB,
	X86_FEATURE_STIBP, X86_FEATURE_SSBD, X86_FEATURE_ARCH_CAPS, X86_FEATURE_SGX, X86_FEATURE_ENQCMD,
	X86_FEATURE_LWP, X86_FEATURE_IBS, X86_FEATURE_SKINIT, X86_FEATURE_WDT, X86_FEATURE_OSVW,
	X86_FEATURE_NODEID_MSR, X86_FEATURE_FFXSR, X86_FEATURE_EXTAPIC, X86_FEATURE_AMX_TILE, X86_FEATURE_XFD,
};

static u32 all_ones_max;

static void raw_everything(u32 leaf, u32 sub, u32 o[4])
{
	memset(o, 0xff, 16);
	if (leaf == 0 || leaf == 0x80000000)
		o[0] = leaf + all_ones_max;
	else if (leaf == 0xd && sub >= 2) {
		o[0] = 64;
		o[1] = 576 + 64 * sub;
	}
}

static void what_needs_privilege_is_hidden_even_if_all_bits_are_set(void **state)
{
	(void)state;
	all_ones_max = 0x30;
	policy_init(raw_everything);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		assert_false(guest_has(never[i]));
	ask(&domu, 7, 0);
	assert_int_equal(out[1] & (1u << 7 | 1u << 20 | 1u << 10), 0);
	assert_int_equal(out[2] & (1u << 2 | 1u << 3 | 1u << 4 | 1u << 16), 0);
	ask(&domu, 0, 0);
	assert_int_equal(out[0], 0xd);
	ask(&domu, 0xd, 0);
	assert_int_equal(out[0], 0xe7);
	assert_int_equal(out[3], 0);
	/* Leaves that nobody thought of. */
	assert_zero(&dom0, 6, 0);
	assert_zero(&dom0, 0xa, 0);
	assert_zero(&dom0, 0xe, 0);
	assert_zero(&dom0, 0x12, 0);
	assert_zero(&dom0, 0x24, 0);
	assert_zero(&dom0, 0x8000000a, 0);
	assert_zero(&dom0, 0x8000001b, 0);
	assert_zero(&dom0, 0x8000001f, 0);
	assert_zero(&dom0, 0x80000022, 0);
	assert_zero(&dom0, 0xffffffff, 0);
}

static void nothing_is_shown_that_the_cpu_lacks(void **state)
{
	(void)state;
	USE(qemu64);
	ask(&domu, 1, 0);
	assert_int_equal(out[2], 0x80802001);
	assert_false(guest_has(X86_FEATURE_XSAVE));
	assert_false(guest_has(X86_FEATURE_OSXSAVE));
	assert_false(guest_has(X86_FEATURE_FSGSBASE));
	assert_zero(&domu, 0xd, 0);
	assert_zero(&domu, 0xd, 1);
	assert_zero(&domu, 7, 0);
	assert_int_equal(policy_guest_cr4(), 1 << 2 | 1 << 3);
}

static void hardware_features_are_shown(void **state)
{
	static const u16 on_haswell[] = {
		X86_FEATURE_FPU, X86_FEATURE_TSC, X86_FEATURE_PAE, X86_FEATURE_CX8, X86_FEATURE_APIC,
		X86_FEATURE_SEP, X86_FEATURE_PAT, X86_FEATURE_SSE2, X86_FEATURE_HTT, X86_FEATURE_CX16,
		X86_FEATURE_NX, X86_FEATURE_LM, X86_FEATURE_SYSCALL, X86_FEATURE_RDTSCP, X86_FEATURE_FSGSBASE,
		X86_FEATURE_XSAVE, X86_FEATURE_XSAVEOPT, X86_FEATURE_AVX, X86_FEATURE_AVX2, X86_FEATURE_FMA,
		X86_FEATURE_RDRAND, X86_FEATURE_MD_CLEAR, X86_FEATURE_HYPERVISOR, X86_FEATURE_ERMS,
	};

	(void)state;
	USE(haswell);
	for (size_t i = 0; i < ARRAY_SIZE(on_haswell); i++)
		assert_true(guest_has(on_haswell[i]));
	assert_int_equal(policy_guest_cr4(), 1 << 2 | 1 << 3 | 1 << 16 | 1 << 18);
}

static void osxsave_is_shown_before_the_guest_sets_it(void **state)
{
	(void)state;
	USE(haswell);
	ask(&domu, 1, 0);
	assert_true(out[2] >> 26 & 1);
	assert_true(out[2] >> 27 & 1);
}

static void the_apic_id_is_zero_and_topology_is_hidden(void **state)
{
	(void)state;
	USE(haswell);
	ask(&domu, 1, 0);
	assert_int_equal(out[0], 0x000306c3);
	assert_int_equal(out[1] >> 24, 0);
	assert_int_equal(out[1] >> 8 & 0xff, 8); /* clflush line */
	ask(&domu, 0xb, 0);
	assert_int_equal(out[1], 0);
	ask(&domu, 0xb, 1);
	assert_int_equal(out[1], 0);
	assert_int_equal(out[2], 1);
	ask(&domu, 4, 3);
	assert_int_equal(out[0], 0x163);
	assert_int_equal(out[2], 0x1fff);
	assert_zero(&domu, 4, 4);
	assert_zero(&domu, 4, 100);
	assert_zero(&domu, 5, 0);
	USE(epyc);
	ask(&domu, 0x80000008, 0);
	assert_int_equal(out[0], 0x3030);
	assert_int_equal(out[2], 0);
	assert_int_equal(out[1], 0x5); /* clzero, rstr_fp_err_ptrs; no IBPB */
}

static void amd_repeats_leaf_1_in_the_extended_leaf(void **state)
{
	u32 edx;

	(void)state;
	USE(epyc);
	ask(&domu, 1, 0);
	edx = out[3];
	ask(&domu, 0x80000001, 0);
	assert_int_equal(out[3] & 0x0183f3ff, edx & 0x0183f3ff);
	assert_int_equal(out[3] & 1 << 13, 0); /* PGE stays hidden there, too */
	assert_true(out[3] >> 11 & 1);
	USE(haswell);
	ask(&domu, 0x80000001, 0);
	assert_int_equal(out[3] & 0x0183f3ff, 0);
}

static void xsave_sizes_follow_xcr0(void **state)
{
	struct policy_guest g = { .xcr0 = 3 };

	(void)state;
	USE(skylake_sp);
	assert_int_equal(host_cpu.guest_xcr0, 0xe7);
	assert_int_equal(host_cpu.xsave_bytes, 0xa80);
	ask(&g, 0xd, 0);
	assert_int_equal(out[0], 0xe7);
	assert_int_equal(out[1], 576);
	assert_int_equal(out[2], 0xa80);
	ask(&g, 0xd, 1);
	assert_int_equal(out[0], 7); /* XSAVEOPT, XSAVEC, XGETBV1; not XSAVES */
	assert_int_equal(out[1], 576);
	g.xcr0 = 7;
	ask(&g, 0xd, 0);
	assert_int_equal(out[1], 832);
	g.xcr0 = 0xe7;
	ask(&g, 0xd, 0);
	assert_int_equal(out[1], 0xa80);
	ask(&g, 0xd, 1);
	assert_int_equal(out[1], 576 + 0x100 + 0x40 + 0x200 + 0x400);
	ask(&g, 0xd, 5);
	assert_int_equal(out[0], 0x40);
	assert_int_equal(out[1], 0x440);
	assert_zero(&g, 0xd, 3); /* MPX */
	assert_zero(&g, 0xd, 8);
	assert_zero(&g, 0xd, 9); /* PKRU */
	assert_zero(&g, 0xd, 63);
}

static void avx_without_its_state_is_hidden_with_all_that_needs_it(void **state)
{
	static struct leaf cut[ARRAY_SIZE(skylake_sp)];

	(void)state;
	memcpy(cut, skylake_sp, sizeof(cut));
	cut[3].out[0] = 3; /* leaf 0xd.0: XCR0 can have x87 and SSE only */
	USE(cut);
	assert_true(guest_has(X86_FEATURE_XSAVE));
	assert_false(guest_has(X86_FEATURE_AVX));
	assert_false(guest_has(X86_FEATURE_AVX2));
	assert_false(guest_has(X86_FEATURE_FMA));
	assert_false(guest_has(X86_FEATURE_AVX512F));
	assert_false(guest_has(X86_FEATURE_AVX512BW));
	cut[3].out[0] = 0x27; /* a part of AVX-512 is none */
	USE(cut);
	assert_int_equal(host_cpu.guest_xcr0, 7);
	assert_true(guest_has(X86_FEATURE_AVX2));
	assert_false(guest_has(X86_FEATURE_AVX512F));
}

static void maximum_leaves_are_bounded(void **state)
{
	(void)state;
	USE(skylake_sp);
	ask(&domu, 0, 0);
	assert_int_equal(out[0], 0xd);
	assert_int_equal(out[1], 0x756e6547);
	USE(epyc);
	ask(&domu, 0x80000000, 0);
	assert_int_equal(out[0], 0x80000008);
	assert_zero(&domu, 0x8000001d, 0);
	assert_zero(&domu, 0x8000001e, 0);
	ask(&domu, 0x80000005, 0);
	assert_int_equal(out[0], 0xff40ff40);
}

static void only_dom0_hears_of_the_invariant_tsc(void **state)
{
	(void)state;
	USE(epyc);
	ask(&dom0, 0x80000007, 0);
	assert_int_equal(out[3], 0x100);
	assert_zero(&domu, 0x80000007, 0);
}

static void xens_leaves_are_there(void **state)
{
	static const struct policy_time t = { .tsc_khz = 2400000, .tsc_to_ns_mul = 0x12345678, .tsc_shift = -1,
					      .tsc_offset = 0x1122334455667788, .tsc_reliable = true };

	(void)state;
	USE(haswell);
	policy_set_time(&t);
	ask(&domu, 0x40000000, 0);
	assert_int_equal(out[0], 0x40000005);
	assert_memory_equal(&out[1], "XenVMMXenVMM", 12);
	ask(&domu, 0x40000001, 0);
	assert_int_equal(out[0], 0x40011);
	ask(&domu, 0x40000002, 0);
	assert_int_equal(out[0], 1);
	assert_int_equal(out[1], 0x40000000);
	assert_int_equal(out[2], 1);
	ask(&domu, 0x40000003, 0);
	assert_int_equal(out[0], 2 | 4); /* safe, rdtscp */
	assert_int_equal(out[2], 2400000);
	ask(&domu, 0x40000003, 1);
	assert_int_equal(out[0], 0x55667788);
	assert_int_equal(out[1], 0x11223344);
	assert_int_equal(out[2], 0x12345678);
	assert_int_equal(out[3], 0xff);
	ask(&domu, 0x40000003, 2);
	assert_int_equal(out[0], 2400000);
	assert_zero(&domu, 0x40000003, 3);
	assert_zero(&domu, 0x40000004, 0);
	ask(&domu, 0x40000005, 0);
	assert_int_equal(out[1], 39);
	policy_set_ram_end(GiB(6));
	ask(&domu, 0x40000005, 0);
	assert_int_equal(out[1], 33);
	policy_set_ram_end(GiB(4));
	ask(&domu, 0x40000005, 0);
	assert_int_equal(out[1], 32);
	assert_zero(&domu, 0x40000006, 0);
	assert_zero(&domu, 0x40000100, 0);
}

/* ---- Protection ------------------------------------------------------------------------------------ */

static void intel_needs_xpti_unless_it_says_otherwise(void **state)
{
	struct host_protection p;

	(void)state;
	USE(haswell);
	p = policy_protection(&host_cpu, 0);
	assert_true(p.needs_xpti && p.needs_l1tf && p.needs_verw && p.verw_clears);
	assert_true(p.needs_ssbd && p.needs_ibpb && p.has_ibpb && p.needs_srbds && p.needs_swapgs_fence);
	assert_false(p.needs_gds || p.needs_retbleed || p.needs_taa || p.needs_srso);
	USE(skylake_sp);
	p = policy_protection(&host_cpu, 0);
	assert_true(p.needs_xpti && p.needs_gds && p.needs_retbleed && p.needs_taa);
	/* Cascade Lake: the same model, but it says that it is mended. */
	p = policy_protection(&host_cpu, ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_SKIP_L1DFL | ARCH_CAP_MDS_NO);
	assert_false(p.needs_xpti || p.needs_l1tf || p.needs_retbleed);
	assert_true(p.needs_verw && p.needs_taa && p.needs_mmio_stale && p.needs_bhi && p.needs_gds);
	p = policy_protection(&host_cpu, ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_MDS_NO | ARCH_CAP_TAA_NO |
					 ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO |
					 ARCH_CAP_GDS_NO | ARCH_CAP_BHI_NO | ARCH_CAP_SSB_NO |
					 ARCH_CAP_IF_PSCHANGE_MC_NO);
	assert_false(p.needs_verw || p.needs_gds || p.needs_bhi || p.needs_ssbd || p.needs_itlb_multihit);
	assert_true(p.needs_ibpb);
}

static void amd_never_needs_xpti(void **state)
{
	struct host_protection p;

	(void)state;
	USE(epyc);
	p = policy_protection(&host_cpu, 0);
	assert_false(p.needs_xpti || p.needs_l1tf || p.needs_verw || p.needs_taa || p.needs_gds);
	assert_true(p.has_ibpb && p.needs_retbleed && p.needs_srso && p.needs_div_scrub && p.needs_null_sel_base);
	assert_false(p.needs_zenbleed);
	host_cpu.model = 0x31; /* Zen 2 */
	p = policy_protection(&host_cpu, 0);
	assert_true(p.needs_zenbleed && !p.needs_div_scrub);
	host_cpu.family = 0x1a; /* Zen 5 */
	p = policy_protection(&host_cpu, 0);
	assert_false(p.needs_srso || p.needs_retbleed || p.needs_zenbleed || p.needs_null_sel_base);
	host_cpu.family = 0x18;
	host_cpu.vendor = VENDOR_HYGON;
	p = policy_protection(&host_cpu, 0);
	assert_false(p.needs_xpti);
	assert_true(p.needs_div_scrub);
	USE(qemu64);
	assert_false(policy_protection(&host_cpu, 0).needs_xpti);
}

static void an_unknown_vendor_counts_as_weak(void **state)
{
	struct host_protection p;

	(void)state;
	USE(epyc);
	host_cpu.vendor = VENDOR_OTHER;
	p = policy_protection(&host_cpu, 0);
	assert_true(p.needs_xpti && p.needs_l1tf && p.needs_verw && p.needs_ssbd && p.needs_swapgs_fence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_host_is_recognised),
		cmocka_unit_test(what_needs_privilege_is_hidden_even_if_all_bits_are_set),
		cmocka_unit_test(nothing_is_shown_that_the_cpu_lacks),
		cmocka_unit_test(hardware_features_are_shown),
		cmocka_unit_test(osxsave_is_shown_before_the_guest_sets_it),
		cmocka_unit_test(the_apic_id_is_zero_and_topology_is_hidden),
		cmocka_unit_test(amd_repeats_leaf_1_in_the_extended_leaf),
		cmocka_unit_test(xsave_sizes_follow_xcr0),
		cmocka_unit_test(avx_without_its_state_is_hidden_with_all_that_needs_it),
		cmocka_unit_test(maximum_leaves_are_bounded),
		cmocka_unit_test(only_dom0_hears_of_the_invariant_tsc),
		cmocka_unit_test(xens_leaves_are_there),
		cmocka_unit_test(intel_needs_xpti_unless_it_says_otherwise),
		cmocka_unit_test(amd_never_needs_xpti),
		cmocka_unit_test(an_unknown_vendor_counts_as_weak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
