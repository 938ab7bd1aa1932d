/* SPDX-License-Identifier: MIT */
/*
 * What a PV guest learns from CPUID, and what the machine's CPU needs to be
 * protected against. Pure: the CPU is read through a callback.
 */
#ifndef X86_POLICY_H
#define X86_POLICY_H

#include "lib/types.h"
#include "x86/cpufeature.h"

enum cpu_vendor { VENDOR_INTEL, VENDOR_AMD, VENDOR_HYGON, VENDOR_CENTAUR, VENDOR_SHANGHAI, VENDOR_OTHER };

/* CPUID outputs in the order eax, ebx, ecx, edx. */
typedef void (*cpuid_raw_t)(u32 leaf, u32 sub, u32 out[4]);

/* The CPU as it is. Set by policy_init(), constant afterwards. */
struct host_cpu {
	enum cpu_vendor vendor;
	u32 family, model, stepping;
	u32 max_leaf, max_ext_leaf;
	u32 feature[X86_FEATURE_WORDS];
	u8 phys_bits;            /* width of a machine address, 32..52 */
	u8 linear_bits;          /* 48 or 57 */
	u64 xcr0;                /* what the CPU can have in XCR0; 0 without XSAVE */
	u32 xsave_bytes;         /* area for guest_xcr0, standard format; 512 without XSAVE */
	u64 guest_xcr0;          /* what guests may set; 0 without XSAVE */
	bool under_tcg;          /* leaf 0x40000000 says "TCGTCGTCGTCG" */
	bool under_hypervisor;
};

extern struct host_cpu host_cpu;

static inline bool host_has(u32 feature)
{
	return host_cpu.feature[feature / 32] >> (feature % 32) & 1;
}

enum { EAX, EBX, ECX, EDX };

#define BASIC_LEAVES 0xe  /* 0..0xd */
#define EXT_LEAVES 0x22   /* 0x80000000..0x80000021 */
#define CACHE_LEAVES 6    /* those below and EXT_LEAVES: as many as libxenguest 4.17 takes, or fewer */
#define FEATURE_LEAVES 3
#define XSTATE_LEAVES 8   /* XCR0 bits 0..7 */

/* Leaves by their numbers; 4, 7 and 0xd by subleaf, their places in basic[] stay unused. */
struct cpu_policy {
	u32 feature[X86_FEATURE_WORDS]; /* once more, in words of the featureset */
	u32 basic[BASIC_LEAVES][4];
	u32 cache[CACHE_LEAVES][4];
	u32 feat[FEATURE_LEAVES][4];
	u32 xstate[XSTATE_LEAVES][4];   /* [0] has the XCR0 bits it may set; [1] and up as the CPU's */
	u32 ext[EXT_LEAVES][4];
};

/* What a PV guest gets of which nothing else was said, and what the CPU has. Constant after policy_init(). */
extern struct cpu_policy pv_policy, host_policy;

/* Where a policy keeps a leaf; NULL where it has none such. */
u32 *policy_place(struct cpu_policy *p, u32 leaf, u32 sub);
/* Where a policy's leaves have word `word` of the featureset. */
u32 *policy_feature_word(struct cpu_policy *p, u32 word);

/* What a guest's answers depend on beside the CPU. */
struct policy_guest {
	const struct cpu_policy *policy; /* NULL: pv_policy */
	bool privileged;    /* dom0 */
	u64 xcr0;           /* of the vcpu */
};

/* Leaf 0x40000003, set once the clock is calibrated. */
struct policy_time {
	u32 tsc_khz;
	u32 tsc_to_ns_mul;
	s8 tsc_shift;
	u64 tsc_offset;
	bool tsc_reliable;
};

/* Reads the CPU and computes the guests' tables. Boot CPU, once. */
void policy_init(cpuid_raw_t raw);
void policy_set_time(const struct policy_time *t);
/* End of the machine's RAM in bytes, for leaf 0x40000005; until then the CPU's address width is shown. */
void policy_set_ram_end(u64 bytes);

/* Leaf `leaf`, subleaf `sub` as the PV guest `g` sees them. Never fails: unknown leaves are zero. */
void policy_cpuid(const struct policy_guest *g, u32 leaf, u32 sub, u32 out[4]);


/*
 * Writes policy `p` to a guest's lists of leaves and MSRs (xen/domctl.h) and says how many there were. A null pointer
 * asks for the most there can be. -ENOBUFS where the room given is too small, -EFAULT.
 */
long policy_to_guest(struct cpu_policy *p, u32 *nr_leaves, u64 leaves, u32 *nr_msrs, u64 msrs);

/* What was refused; ~0 for nothing. */
struct policy_error {
	u32 leaf, subleaf, msr;
};

/*
 * Merges such lists into `p`, as far as a PV guest may have what they say. -E2BIG, -EFAULT, or -EINVAL with what was
 * refused in `e`; `p` is of no use then.
 */
long policy_from_guest(struct cpu_policy *p, u32 nr_leaves, u64 leaves, u32 nr_msrs, u64 msrs, struct policy_error *e);

/* How many low bits of an APIC id tell threads of a core apart, and how many above them the cores of a socket. */
void policy_topology(cpuid_raw_t raw, u32 *thread_bits, u32 *core_bits);

/* CR4 bits a PV guest may set and sees set: TSD, DE, FSGSBASE, OSXSAVE as offered. */
u64 policy_guest_cr4(void);

#define ARCH_CAP_RDCL_NO (1ULL << 0)
#define ARCH_CAP_IBRS_ALL (1ULL << 1)
#define ARCH_CAP_RSBA (1ULL << 2)
#define ARCH_CAP_SKIP_L1DFL (1ULL << 3)
#define ARCH_CAP_SSB_NO (1ULL << 4)
#define ARCH_CAP_MDS_NO (1ULL << 5)
#define ARCH_CAP_IF_PSCHANGE_MC_NO (1ULL << 6)
#define ARCH_CAP_TSX_CTRL (1ULL << 7)
#define ARCH_CAP_TAA_NO (1ULL << 8)
#define ARCH_CAP_SBDR_SSDP_NO (1ULL << 13)
#define ARCH_CAP_FBSDP_NO (1ULL << 14)
#define ARCH_CAP_PSDP_NO (1ULL << 15)
#define ARCH_CAP_FB_CLEAR (1ULL << 17)
#define ARCH_CAP_RRSBA (1ULL << 19)
#define ARCH_CAP_BHI_NO (1ULL << 20)
#define ARCH_CAP_GDS_CTRL (1ULL << 25)
#define ARCH_CAP_GDS_NO (1ULL << 26)
#define ARCH_CAP_RFDS_NO (1ULL << 27)
#define ARCH_CAP_RFDS_CLEAR (1ULL << 28)

/* true: the CPU has the weakness, so the protection is needed. */
struct host_protection {
	bool needs_xpti;       /* Meltdown */
	bool needs_l1tf;       /* not-present PTEs must not name RAM; L1D flush before a VM entry */
	bool needs_verw;       /* MDS, TAA, MMIO stale data or RFDS: clear buffers on the way to a guest */
	bool verw_clears;      /* ... and verw does it (microcode is new enough) */
	bool needs_taa;        /* TSX is there and leaks */
	bool needs_mmio_stale;
	bool needs_ssbd;       /* Speculative store bypass */
	bool needs_ibpb;       /* Spectre v2: a barrier on a switch between domains */
	bool has_ibpb;         /* ... and the CPU offers it */
	bool needs_rsb_stuff;  /* returns predicted from what a guest did */
	bool needs_bhi;        /* branch history injection */
	bool needs_srbds;      /* special register buffers (RDRAND) */
	bool needs_gds;        /* gather data sampling */
	bool needs_retbleed;   /* returns are predicted by the branch target buffer */
	bool needs_srso;       /* speculative return stack overflow */
	bool needs_zenbleed;   /* vector registers leak: set DE_CFG bit 9 */
	bool needs_div_scrub;  /* AMD Zen 1: the divider keeps old data */
	bool needs_itlb_multihit; /* only HVM */
	bool needs_swapgs_fence;  /* Spectre v1 at entries that test before swapgs */
	bool needs_null_sel_base; /* AMD before Zen 3: loading a null selector keeps the old base */
};

/*
 * In x86/protection.c. Decides from the CPU's identity, its features and IA32_ARCH_CAPABILITIES
 * (`arch_caps`, 0 where the CPU has no such MSR). On a CPU of unknown vendor
 * the answers are those of the worst CPU.
 */
struct host_protection policy_protection(const struct host_cpu *cpu, u64 arch_caps);

#endif
