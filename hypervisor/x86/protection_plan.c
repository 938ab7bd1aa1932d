// SPDX-License-Identifier: MIT
/*
 * What to do about the CPU's weaknesses.
 *
 * protection.c says what the CPU has; here each answer becomes an act, as far as
 * the CPU offers one and the options allow it. Guest kernel and guest user both
 * run in ring 3 and we in ring 0, on page tables whose guest pages are all user
 * pages. So for predictions there are three borders:
 *
 *   guest to hypervisor   ring 3 to 0: hardware that keeps modes apart (enhanced or automatic IBRS) suffices
 *                         against injected targets; older CPUs need thunks or IBRS at each entry, AMD's with
 *                         predicted returns IBPB at each entry. Guests' return addresses are in user pages, which
 *                         SMEP keeps us from running, so return predictions are overwritten only without SMEP,
 *                         or where IBPB is to close them and leaves them.
 *   vcpu to vcpu          ring 3 to 3: IBPB when another vcpu comes to a CPU.
 *   guest user to kernel  ring 3 to 3 within a guest: nothing of the CPU tells them apart. The guest's kernel
 *                         protects itself as on CPUs without SMEP or IBRS.
 *
 * QEMU's TCG, which names itself in CPUID, predicts no branches that a guest
 * could train, so there the predictors' protections are off unless asked for.
 * Those against data that leak past rights follow CPUID even there.
 *
 * Sources: Intel, "Affected processors" and the guidance documents it names;
 * AMD, "Software techniques for managing speculation" and its bulletins.
 */
#include "x86/protection.h"
#include "boot/cmdline.h"
#include "lib/printf.h"

struct wishes {
	u32 on, off;
	const char *missing;
};

/* Is `bit` done, where it is `needed` and the CPU `can`? A wish that the CPU can't fulfil is noted by its name. */
static bool __init wanted(struct wishes *w, u32 bit, const char *name, bool can, bool needed)
{
	if (w->off & bit)
		return false;
	if (w->on & bit) {
		if (!can && !w->missing)
			w->missing = name;
		return can;
	}
	return can && needed;
}

static bool __init has(const struct host_cpu *c, u32 feature)
{
	return c->feature[feature / 32] >> (feature % 32) & 1;
}

/* Bits of IA32_SPEC_CTRL that stay the same on both sides. */
static u32 __init lasting_bits(const struct host_cpu *c, const struct host_protection *p, struct wishes *w, bool weak,
			       bool ibrs)
{
	bool amd = c->vendor != VENDOR_INTEL, bhi = has(c, X86_FEATURE_BHI_CTRL);
	u32 bits = 0;

	/* AMD-SB-1037: the sibling thread's predictions too. */
	if (wanted(w, SPEC_STIBP, "stibp", has(c, X86_FEATURE_STIBP) || has(c, X86_FEATURE_AMD_STIBP),
		   weak && amd && p->needs_retbleed))
		bits |= SPEC_CTRL_STIBP;
	if (wanted(w, SPEC_SSBD, "ssbd", has(c, X86_FEATURE_SSBD) || has(c, X86_FEATURE_AMD_SSBD), false))
		bits |= SPEC_CTRL_SSBD;
	if (wanted(w, SPEC_PSFD, "psfd", has(c, X86_FEATURE_PSFD) || has(c, X86_FEATURE_INTEL_PSFD), false))
		bits |= SPEC_CTRL_PSFD;
	if (wanted(w, SPEC_BHI_DIS_S, "bhi-dis-s", bhi, weak && ibrs && p->needs_bhi))
		bits |= SPEC_CTRL_BHI_DIS_S;
	return bits;
}

static enum thunk __init choose_thunk(const struct wishes *w, bool weak, bool ibrs)
{
	if (w->on & SPEC_THUNK_RETPOLINE)
		return THUNK_RETPOLINE;
	if (w->on & SPEC_THUNK_LFENCE)
		return THUNK_LFENCE;
	if (w->on & SPEC_THUNK_JMP || w->off & SPEC_THUNK_RETPOLINE)
		return THUNK_JMP;
	return weak && !ibrs ? THUNK_RETPOLINE : THUNK_JMP;
}

struct protection_plan __init protection_plan(const struct host_cpu *c, const struct host_protection *p, u64 caps,
					      u32 on, u32 off, bool smep)
{
	struct wishes w = { on, off, NULL };
	struct protection_plan plan = { 0 };
	bool weak = !c->under_tcg, intel = c->vendor == VENDOR_INTEL;
	bool msr = has(c, X86_FEATURE_IBRSB) || has(c, X86_FEATURE_AMD_IBRS);
	bool enhanced = msr && caps & ARCH_CAP_IBRS_ALL, automatic = has(c, X86_FEATURE_AUTO_IBRS);
	/* Skylake and its like predict returns from the target buffer when they run out: retpolines don't hold. */
	bool ibrs = wanted(&w, SPEC_IBRS, "ibrs", msr || automatic,
			   weak && (enhanced || automatic || (intel && p->needs_retbleed)));
	u32 lasting = lasting_bits(c, p, &w, weak, ibrs);

	plan.predicts = weak;
	plan.auto_ibrs = ibrs && automatic;
	plan.spec_ctrl_hv = lasting | (ibrs && !automatic ? SPEC_CTRL_IBRS : 0);
	plan.spec_ctrl_guest = lasting | (ibrs && !automatic && enhanced ? SPEC_CTRL_IBRS : 0);
	plan.spec_ctrl_switch = plan.spec_ctrl_hv != plan.spec_ctrl_guest;
	plan.thunk = choose_thunk(&w, weak, ibrs);

	plan.ibpb_entry = wanted(&w, SPEC_IBPB_ENTRY, "ibpb-entry", p->has_ibpb,
				 weak && ((p->needs_retbleed && !intel) || p->needs_srso));
	plan.rsb_entry = wanted(&w, SPEC_RSB, "rsb", true,
				weak && (!smep || (plan.ibpb_entry && !has(c, X86_FEATURE_IBPB_RET))));
	plan.bhb_entry = wanted(&w, SPEC_BHB_ENTRY, "bhb-entry", true,
				weak && p->needs_bhi && !(lasting & SPEC_CTRL_BHI_DIS_S));
	/* Where every entry drops them, nothing that one vcpu taught is left for the next. */
	plan.ibpb_switch = wanted(&w, SPEC_IBPB, "ibpb", p->has_ibpb, weak && p->needs_ibpb && !plan.ibpb_entry);

	plan.check_fence = wanted(&w, SPEC_BRANCH_HARDEN, "branch-harden", true, weak);
	plan.verw_exit = wanted(&w, SPEC_MD_CLEAR, "md-clear", true, p->needs_verw && p->verw_clears);
	plan.div_exit = wanted(&w, SPEC_DIV_SCRUB, "div-scrub", true, p->needs_div_scrub && !c->under_tcg);
	/* A chicken bit that CPUID does not name: on bare machines only, others' hypervisors see to their own. */
	plan.zenbleed = p->needs_zenbleed && !c->under_hypervisor && off != SPEC_ALL;
	plan.srb_lock = wanted(&w, SPEC_SRB_LOCK, "srb-lock", has(c, X86_FEATURE_SRBDS_CTRL), true);
	plan.gds_mit = wanted(&w, SPEC_GDS_MIT, "gds-mit", caps & ARCH_CAP_GDS_CTRL, true);
	plan.missing = w.missing;
	return plan;
}

static void __init add(char *text, size_t bytes, const char *what)
{
	size_t used = 0;

	while (text[used])
		used++;
	snprintf_hv(text + used, bytes - used, "%s%s", used ? ", " : "", what);
}

static void __init describe_open(const struct protection_plan *plan, const struct host_protection *p, char *open,
				 size_t bytes)
{
	if (p->needs_verw && !p->verw_clears && !plan->verw_exit)
		add(open, bytes, "MDS and its like (no MD_CLEAR)");
	if (plan->predicts && p->needs_ibpb && !p->has_ibpb)
		add(open, bytes, "branch predictions across vcpus (no IBPB)");
	if (p->needs_gds && !plan->gds_mit)
		add(open, bytes, "gather data sampling");
	if (p->needs_srbds && !plan->srb_lock)
		add(open, bytes, "special register buffers");
}

void __init protection_describe(const struct protection_plan *plan, const struct host_protection *p, char *text,
				char *open, size_t bytes)
{
	static const char *const thunks[] __initconst = { NULL, "LFENCE thunks", "retpolines" };
	const u32 both = plan->spec_ctrl_hv & plan->spec_ctrl_guest;
	const struct {
		bool on;
		const char *name;
	} list[] = {
		{ plan->thunk != THUNK_JMP, thunks[plan->thunk] },
		{ plan->auto_ibrs, "automatic IBRS" },
		{ both & SPEC_CTRL_IBRS, "enhanced IBRS" },
		{ plan->spec_ctrl_hv & ~plan->spec_ctrl_guest & SPEC_CTRL_IBRS, "IBRS on entry" },
		{ both & SPEC_CTRL_STIBP, "STIBP" },
		{ both & SPEC_CTRL_SSBD, "SSBD" },
		{ both & SPEC_CTRL_PSFD, "PSFD" },
		{ both & SPEC_CTRL_BHI_DIS_S, "BHI_DIS_S" },
		{ plan->ibpb_entry, "IBPB on entry" },
		{ plan->rsb_entry, "return stack on entry" },
		{ plan->bhb_entry, "branch history on entry" },
		{ plan->ibpb_switch, "IBPB on a switch of vcpus" },
		{ plan->check_fence, "fences behind checks of pointers" },
		{ plan->verw_exit, "VERW on exit" },
		{ plan->div_exit, "division on exit" },
		{ plan->zenbleed, "DE_CFG against Zenbleed" },
		{ plan->srb_lock, "RNG lock" },
		{ plan->gds_mit, "gather mitigation" },
	};

	text[0] = open[0] = 0;
	for (u32 i = 0; i < ARRAY_SIZE(list); i++)
		if (list[i].on)
			add(text, bytes, list[i].name);
	if (!text[0])
		add(text, bytes, "none");
	describe_open(plan, p, open, bytes);
}
