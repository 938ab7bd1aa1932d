// SPDX-License-Identifier: MIT
/*
 * Which of the known weaknesses of CPUs this one has.
 *
 * Newer CPUs say themselves what they are free of, in IA32_ARCH_CAPABILITIES or
 * in CPUID; only for older ones the model decides. A wrong `true` costs time, a
 * wrong `false` leaks memory, so what is not known to be safe counts as weak,
 * and models are listed only where vendors name the weak ones and no register
 * tells. Sources: Intel, "Affected processors: guidance for security issues";
 * AMD product security bulletins, named at each line.
 */
#include "x86/policy.h"

static bool __init has(const struct host_cpu *c, u32 feature)
{
	return c->feature[feature / 32] >> (feature % 32) & 1;
}

static bool __init model_in(const struct host_cpu *c, const u8 *models, u32 nr)
{
	for (u32 i = 0; i < nr; i++)
		if (c->model == models[i])
			return true;
	return false;
}

#define MODEL_IN(c, list) model_in(c, list, ARRAY_SIZE(list))

/* Family 6. */
static const u8 skylake_like[] __initconst = { 0x4e, 0x5e, 0x55, 0x8e, 0x9e, 0xa5, 0xa6, 0x66 };
static const u8 srbds_models[] __initconst = { 0x3a, 0x3c, 0x45, 0x46, 0x3d, 0x47, 0x4e, 0x5e, 0x8e, 0x9e, 0xa5, 0xa6 };
static const u8 gds_models[] __initconst = {
	0x4e, 0x5e, 0x55, 0x8e, 0x9e, 0xa5, 0xa6, 0x66, 0x7d, 0x7e, 0x6a, 0x6c, 0x8c, 0x8d, 0xa7,
};
static const u8 rfds_models[] __initconst = {
	0x5c, 0x5f, 0x7a, 0x86, 0x96, 0x9c, 0x97, 0x9a, 0xb7, 0xba, 0xbf, 0xbe,
};

#define MMIO_ALL_NO (ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO)

static struct host_protection __init intel(const struct host_cpu *c, u64 caps)
{
	struct host_protection p = { 0 };
	bool rfds;

	p.needs_xpti = !(caps & ARCH_CAP_RDCL_NO);
	p.needs_l1tf = !(caps & ARCH_CAP_RDCL_NO);
	p.needs_taa = has(c, X86_FEATURE_RTM) && !(caps & ARCH_CAP_TAA_NO);
	p.needs_mmio_stale = (caps & MMIO_ALL_NO) != MMIO_ALL_NO;
	rfds = caps & ARCH_CAP_RFDS_CLEAR || (!(caps & ARCH_CAP_RFDS_NO) && MODEL_IN(c, rfds_models));
	p.needs_verw = !(caps & ARCH_CAP_MDS_NO) || p.needs_taa || p.needs_mmio_stale || rfds;
	p.verw_clears = has(c, X86_FEATURE_MD_CLEAR) || caps & (ARCH_CAP_FB_CLEAR | ARCH_CAP_RFDS_CLEAR);
	p.needs_ssbd = !(caps & ARCH_CAP_SSB_NO);
	p.has_ibpb = has(c, X86_FEATURE_IBRSB) || has(c, X86_FEATURE_IBPB);
	p.needs_bhi = caps & ARCH_CAP_IBRS_ALL && !(caps & ARCH_CAP_BHI_NO);
	p.needs_srbds = has(c, X86_FEATURE_SRBDS_CTRL) || MODEL_IN(c, srbds_models);
	p.needs_gds = !(caps & ARCH_CAP_GDS_NO) && (caps & ARCH_CAP_GDS_CTRL || MODEL_IN(c, gds_models)) &&
		      has(c, X86_FEATURE_AVX2);
	p.needs_retbleed = caps & ARCH_CAP_RSBA || (!(caps & ARCH_CAP_IBRS_ALL) && MODEL_IN(c, skylake_like));
	p.needs_itlb_multihit = !(caps & ARCH_CAP_IF_PSCHANGE_MC_NO);
	p.needs_swapgs_fence = true;
	return p;
}

static bool __init between(u32 model, u32 first, u32 last)
{
	return model >= first && model <= last;
}

static struct host_protection __init amd(const struct host_cpu *c)
{
	struct host_protection p = { 0 };
	/* Hygon's family 0x18 is a Zen 1. */
	bool zen1 = c->family == 0x18 ||
		    (c->family == 0x17 && (c->model < 0x30 || between(c->model, 0x50, 0x5f)));
	bool zen2 = c->family == 0x17 && !zen1;

	/* Meltdown, L1TF, MDS: AMD's load path never forwards what the rights forbid. */
	p.needs_ssbd = !has(c, X86_FEATURE_SSB_NO);
	p.has_ibpb = has(c, X86_FEATURE_IBPB);
	/* AMD-SB-1037 */
	p.needs_retbleed = !has(c, X86_FEATURE_BTC_NO) && between(c->family, 0x15, 0x18);
	/* AMD-SB-7005 */
	p.needs_srso = !has(c, X86_FEATURE_SRSO_NO) && between(c->family, 0x17, 0x19);
	/* AMD-SB-7008 */
	p.needs_zenbleed = zen2;
	/* AMD-SB-7007 */
	p.needs_div_scrub = zen1;
	p.needs_null_sel_base = !has(c, X86_FEATURE_NSCB) && c->family < 0x19;
	return p;
}

/* A CPU that nobody has told us about: all of it. */
static struct host_protection __init unknown(const struct host_cpu *c)
{
	return (struct host_protection){
		.needs_xpti = true, .needs_l1tf = true, .needs_verw = true, .needs_taa = has(c, X86_FEATURE_RTM),
		.needs_mmio_stale = true, .needs_ssbd = true, .needs_bhi = true, .needs_retbleed = true,
		.verw_clears = has(c, X86_FEATURE_MD_CLEAR),
		.has_ibpb = has(c, X86_FEATURE_IBRSB) || has(c, X86_FEATURE_IBPB),
		.needs_itlb_multihit = true, .needs_swapgs_fence = true, .needs_null_sel_base = true,
		.needs_srbds = true, .needs_gds = true, .needs_srso = true, .needs_zenbleed = true,
		.needs_div_scrub = true,
	};
}

struct host_protection __init policy_protection(const struct host_cpu *cpu, u64 arch_caps)
{
	struct host_protection p;

	switch (cpu->vendor) {
	case VENDOR_INTEL:
		p = intel(cpu, arch_caps);
		break;
	case VENDOR_AMD:
	case VENDOR_HYGON:
		p = amd(cpu);
		break;
	default:
		p = unknown(cpu);
	}
	/* Every CPU that predicts branches, which is every CPU with long mode in use. */
	p.needs_ibpb = true;
	p.needs_rsb_stuff = true;
	return p;
}
