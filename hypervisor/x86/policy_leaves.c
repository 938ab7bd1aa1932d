// SPDX-License-Identifier: MIT
/*
 * CPU policies as toolstacks read and write them: a list of CPUID leaves and one of MSRs.
 *
 * A toolstack reads a policy, changes some of it (libxl does for each guest), and gives the whole to a domain. What it
 * gives is not trusted:
 *
 *  1. Only leaves that a policy has are taken, and Xen's own, which are ignored. Another one is refused by name.
 *  2. The largest leaves may become smaller, never larger than pv_policy's.
 *  3. Of the features those stay that pv_policy has (and the invariant TSC, where the CPU has it). More than that is
 *     dropped without a word, as Xen does: a guest that comes from another machine brings what it had there.
 *  4. XCR0 bits, APIC ids and the layout of the XSAVE area are the hypervisor's to say.
 *  5. A refused list has changed nothing: it was merged into a copy.
 */
#include "core/seam.h"
#include "x86/policy.h"
#include "xen/cpuid.h"
#include "xen/domctl.h"

/* Serialised by libxenguest 4.17 a policy may have leaves of more parts of XSAVE than ours: all have room. */
#define LEAVES_MOST 128

#define MSR_PLATFORM_INFO 0xce
#define MSR_ARCH_CAPABILITIES 0x10a
#define POLICY_MSRS 2

struct leaf_writer {
	u64 gva;
	u32 room, used;
};

static long put_leaf(struct leaf_writer *w, u32 leaf, u32 sub, const u32 *from)
{
	struct xen_cpuid_leaf l = { leaf, sub, from[EAX], from[EBX], from[ECX], from[EDX] };

	if (w->used == w->room)
		return -ENOBUFS;
	return copy_to_guest(w->gva + w->used++ * sizeof(l), &l, sizeof(l)) ? -EFAULT : 0;
}

static u32 subleaves(const struct cpu_policy *p, u32 leaf)
{
	switch (leaf) {
	case 4:
		return CACHE_LEAVES;
	case 7:
		return min(p->feat[0][EAX], FEATURE_LEAVES - 1u) + 1;
	case 0xb:
		return 2;
	case 0xd:
		return XSTATE_LEAVES;
	default:
		return 0;
	}
}

static long put_basic(struct leaf_writer *w, struct cpu_policy *p, u32 leaf)
{
	static const u32 empty[4];
	u32 subs = subleaves(p, leaf);
	long rc = 0;

	if (!subs)
		return put_leaf(w, leaf, XEN_CPUID_NO_SUBLEAF, p->basic[leaf]);
	for (u32 sub = 0; sub < subs && !rc; sub++)
		if (leaf != 0xd || sub < 2 || (p->xstate[0][EAX] >> sub & 1))
			rc = put_leaf(w, leaf, sub, leaf == 0xb ? empty : policy_place(p, leaf, sub));
	return rc;
}

/*
 * libxenguest takes the list apart, changes it, and writes it into the same room again, so there must be no leaf fewer
 * than it writes: every subleaf of caches and topology, used or not, and the limits of Xen's own leaves.
 */
static long put_leaves(struct leaf_writer *w, struct cpu_policy *p)
{
	static const u32 xen_limit[4] = { XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES) }, no_limit[4];
	u32 end = min(p->basic[0][EAX] + 1, (u32)BASIC_LEAVES);
	long rc = 0;

	for (u32 n = 0; n < end && !rc; n++)
		rc = put_basic(w, p, n);
	rc = rc ?: put_leaf(w, XEN_CPUID_FIRST_LEAF, XEN_CPUID_NO_SUBLEAF, xen_limit) ?:
	     put_leaf(w, XEN_CPUID_FIRST_LEAF + 0x100, XEN_CPUID_NO_SUBLEAF, no_limit);
	end = p->ext[0][EAX] ? min((p->ext[0][EAX] & 0xffff) + 1, (u32)EXT_LEAVES) : 0;
	for (u32 n = 0; n < end && !rc; n++)
		rc = put_leaf(w, 0x80000000 + n, XEN_CPUID_NO_SUBLEAF, p->ext[n]);
	return rc;
}

long policy_to_guest(struct cpu_policy *p, u32 *nr_leaves, u64 leaves, u32 *nr_msrs, u64 msrs)
{
	/* A PV guest has neither CPUID faulting nor IA32_ARCH_CAPABILITIES. */
	static const struct xen_msr_entry shown[POLICY_MSRS] = { { .idx = MSR_PLATFORM_INFO }, { .idx = MSR_ARCH_CAPABILITIES } };
	struct leaf_writer w = { .gva = leaves, .room = *nr_leaves };
	long rc;

	if (leaves) {
		rc = put_leaves(&w, p);
		if (rc)
			return rc;
		*nr_leaves = w.used;
	} else {
		*nr_leaves = LEAVES_MOST;
	}
	if (msrs && *nr_msrs < POLICY_MSRS)
		return -ENOBUFS;
	*nr_msrs = POLICY_MSRS;
	return msrs && copy_to_guest(msrs, shown, sizeof(shown)) ? -EFAULT : 0;
}

/* What the toolstack may not change is restored; what it may not have is dropped. */
static void limit(struct cpu_policy *p)
{
	for (u32 w = 0; w < X86_FEATURE_WORDS; w++) {
		u32 allowed = pv_policy.feature[w];

		if (w == FEATURE_E7D)
			allowed |= host_policy.feature[w] & 1u << (X86_FEATURE_ITSC % 32);
		p->feature[w] = *policy_feature_word(p, w) &= allowed;
	}
	p->basic[1][EBX] &= 0x00ffffff;
	for (u32 n = 0; n < XSTATE_LEAVES; n++)
		for (u32 r = 0; r < 4; r++)
			if (n != 1)
				p->xstate[n][r] = pv_policy.xstate[n][r];
	if (!(p->feature[FEATURE_1C] & 1u << (X86_FEATURE_AVX % 32)))
		p->xstate[0][EAX] &= 3;
	else if (!(p->feature[FEATURE_7B0] & 1u << (X86_FEATURE_AVX512F % 32)))
		p->xstate[0][EAX] &= 7;
	p->ext[8][EAX] = pv_policy.ext[8][EAX];
}

static bool leaf_fits(u32 leaf, u32 sub, u32 eax)
{
	if (leaf == 0 || leaf == 0x80000000)
		return eax <= policy_place(&pv_policy, leaf, 0)[EAX];
	return leaf != 7 || sub || eax <= pv_policy.feat[0][EAX];
}

long policy_from_guest(struct cpu_policy *p, u32 nr_leaves, u64 leaves, u32 nr_msrs, u64 msrs, struct policy_error *e)
{
	struct xen_cpuid_leaf l;
	struct xen_msr_entry m;
	u32 *to, sub;

	*e = (struct policy_error){ ~0u, ~0u, ~0u };
	if (nr_leaves > LEAVES_MOST || nr_msrs > POLICY_MSRS)
		return -E2BIG;
	for (u32 i = 0; i < nr_leaves; i++) {
		if (copy_from_guest(&l, leaves + i * sizeof(l), sizeof(l)))
			return -EFAULT;
		if (l.leaf >> 16 == XEN_CPUID_FIRST_LEAF >> 16 || l.leaf == 0xb || (l.leaf == 0xd && l.subleaf != 1))
			continue;
		sub = l.subleaf == XEN_CPUID_NO_SUBLEAF ? 0 : l.subleaf;
		to = policy_place(p, l.leaf, sub);
		if (!to || !leaf_fits(l.leaf, sub, l.a)) {
			e->leaf = l.leaf;
			e->subleaf = l.subleaf;
			return -EINVAL;
		}
		to[EAX] = l.a;
		to[EBX] = l.b;
		to[ECX] = l.c;
		to[EDX] = l.d;
	}
	for (u32 i = 0; i < nr_msrs; i++) {
		if (copy_from_guest(&m, msrs + i * sizeof(m), sizeof(m)))
			return -EFAULT;
		if (m.flags || m.val || (m.idx != MSR_PLATFORM_INFO && m.idx != MSR_ARCH_CAPABILITIES)) {
			e->msr = m.idx;
			return -EINVAL;
		}
	}
	limit(p);
	return 0;
}

/* --- Which CPUs share what ------------------------------------------------------------------ */

static u32 bits_for(u32 count)
{
	return count > 1 ? 32 - __builtin_clz(count - 1) : 0;
}

void policy_topology(cpuid_raw_t raw, u32 *thread_bits, u32 *core_bits)
{
	u32 out[4], logical = 1, cores = 1;

	/* SDM 2A, CPUID leaf 0xb: eax is the shift to the next level. */
	if (host_cpu.max_leaf >= 0xb) {
		raw(0xb, 0, out);
		if (out[EBX] & 0xffff) {
			*thread_bits = out[EAX] & 31;
			raw(0xb, 1, out);
			*core_bits = max(out[EAX] & 31, *thread_bits) - *thread_bits;
			return;
		}
	}
	if (host_has(X86_FEATURE_HTT)) {
		raw(1, 0, out);
		logical = out[EBX] >> 16 & 0xff;
	}
	if (host_cpu.vendor == VENDOR_AMD || host_cpu.vendor == VENDOR_HYGON) {
		raw(0x80000008, 0, out);
		cores = host_cpu.max_ext_leaf >= 0x80000008 ? (out[ECX] & 0xff) + 1 : 1;
	} else if (host_cpu.max_leaf >= 4) {
		raw(4, 0, out);
		cores = (out[EAX] >> 26) + 1;
	}
	*core_bits = bits_for(cores);
	*thread_bits = max(bits_for(logical), *core_bits) - *core_bits;
}
