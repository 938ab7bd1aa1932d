// SPDX-License-Identifier: MIT
/*
 * Puts the plan (protection_plan.c) in place.
 *
 * What is done at each crossing is code that boot copies in where it is needed
 * (x86/alternative.h): in pv/entry.S the guard of the guarded entries and
 * exit_guarded, in x86/thunk.S the thunks. The rest is a few MSRs of each CPU,
 * all of which CPUID names, so that none is written that isn't there.
 *
 * Constant after boot; no lock.
 */
#include "x86/protection.h"
#include "boot/cmdline.h"
#include "core/seam.h"
#include "pv/l1tf.h"
#include "x86/alternative.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/extable.h"

#define MSR_SPEC_CTRL 0x48
#define MSR_PRED_CMD 0x49
#define MSR_MCU_OPT_CTRL 0x123 /* SDM 4; bit 0: no protection of random numbers, bit 4: none of gathers, 5: for good */
#define MCU_RNGDS_MITG_DIS 0x01
#define MCU_GDS_MITG_DIS 0x10
#define MCU_GDS_MITG_LOCK 0x20
#define MSR_DE_CFG 0xc0011029 /* AMD-SB-7008: bit 9 */
#define DE_CFG_ZENBLEED 0x200
#define EFER_AIBRSE (1ULL << 21) /* AMD 2, 3.2.9 */

struct protection_plan protections;
/* What the guarded entries load into IA32_SPEC_CTRL: pv/entry.S */
u32 spec_ctrl_hv;

static const char *__init for_whom(bool dom0_has, bool domu_has)
{
	return dom0_has ? domu_has ? "on" : "dom0" : domu_has ? "domU" : "off";
}

static void __init tell(void)
{
	char text[320], open[320];

	protection_describe(&protections, &host_protection, text, open, sizeof(text));
	hv_log(LOG_INFO, "Protections: page-table isolation %s, L1TF checks %s; %s\n",
	       for_whom(cpu_features.xpti_dom0, cpu_features.xpti_domu),
	       for_whom(cpu_features.l1tf_dom0, cpu_features.l1tf_domu), text);
	if (open[0])
		hv_log(LOG_WARNING, "This CPU is open to: %s. New microcode may help (docs/security.md)\n", open);
}

void __init protection_init(const struct hv_options *o, u64 arch_caps)
{
	struct protection_plan *p = &protections;

	*p = protection_plan(&host_cpu, &host_protection, arch_caps, o->spec_on, o->spec_off, cpu_features.smep);
	if (p->missing)
		hv_stop("spec-ctrl=%s: this CPU can't do that, or not with its microcode; remove it to boot without",
			p->missing);
	cpu_features.l1tf_dom0 = o->l1tf_dom0 == AS_NEEDED ? host_protection.needs_l1tf : o->l1tf_dom0;
	cpu_features.l1tf_domu = o->l1tf_domu == AS_NEEDED ? host_protection.needs_l1tf : o->l1tf_domu;
	l1tf_init(host_cpu.phys_bits);
	spec_ctrl_hv = p->spec_ctrl_hv;
	cpu_features.guard_entry = p->spec_ctrl_switch || p->ibpb_entry || p->rsb_entry || p->bhb_entry;
	if (cpu_features.xpti || p->spec_ctrl_switch || p->verw_exit || p->div_exit)
		alternative_want(ALT_GUARD_EXIT);
	if (p->spec_ctrl_switch)
		alternative_want(ALT_SPEC_CTRL);
	if (p->ibpb_entry)
		alternative_want(ALT_IBPB_ENTRY);
	if (p->rsb_entry)
		alternative_want(ALT_RSB_ENTRY);
	if (p->bhb_entry)
		alternative_want(ALT_BHB_ENTRY);
	if (p->check_fence)
		alternative_want(ALT_CHECK_FENCE);
	if (p->verw_exit)
		alternative_want(ALT_VERW_EXIT);
	if (p->div_exit)
		alternative_want(ALT_DIV_EXIT);
	if (p->thunk == THUNK_LFENCE)
		alternative_want(ALT_THUNK_LFENCE);
	if (p->thunk == THUNK_RETPOLINE)
		alternative_want(ALT_THUNK_RETPOLINE);
	if (p->thunk != THUNK_JMP)
		alternative_want(ALT_THUNK);
	tell();
}

/* Keeps, or by option ends, what the microcode does by itself. */
static void microcode_options(void)
{
	bool srbds = host_has(X86_FEATURE_SRBDS_CTRL);
	u64 old, new;

	if (!srbds && !protections.gds_mit)
		return;
	if (rdmsr_safe(MSR_MCU_OPT_CTRL, &old))
		return;
	new = old;
	if (srbds)
		new = protections.srb_lock ? new & ~(u64)MCU_RNGDS_MITG_DIS : new | MCU_RNGDS_MITG_DIS;
	if (protections.gds_mit && !(old & MCU_GDS_MITG_LOCK))
		new &= ~(u64)MCU_GDS_MITG_DIS;
	if (new != old)
		wrmsr(MSR_MCU_OPT_CTRL, new);
}

void protection_cpu_init(void)
{
	struct cpu_info *ci = this_cpu_info();
	u64 cfg;

	ci->verw_selector = HV_DS;
	ci->spec_ctrl_guest = protections.spec_ctrl_guest;
	if (protections.auto_ibrs)
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_AIBRSE);
	/* Firmware may have left bits that nobody asked for: where it is there, it is written. */
	if (host_has(X86_FEATURE_IBRSB) || host_has(X86_FEATURE_AMD_IBRS))
		wrmsr(MSR_SPEC_CTRL, protections.spec_ctrl_hv);
	if (protections.zenbleed && !rdmsr_safe(MSR_DE_CFG, &cfg) && !(cfg & DE_CFG_ZENBLEED))
		wrmsr(MSR_DE_CFG, cfg | DE_CFG_ZENBLEED);
	microcode_options();
}

/* 32 calls, whose returns lead nowhere: what a guest left in the return stack is gone. */
static void overwrite_return_stack(void)
{
	u64 n = 8;

	__asm__ volatile("1:\n"
			 ".rept 4\n"
			 "	call 3f\n"
			 "2:	lfence\n"
			 "	jmp 2b\n"
			 "3:\n"
			 ".endr\n"
			 "	dec %0\n"
			 "	jnz 1b\n"
			 "	add $256, %%rsp\n"
			 "	lfence" : "+r"(n) :: "memory", "cc");
}

void protection_vcpu_switch(void)
{
	if (!protections.ibpb_switch)
		return;
	wrmsr(MSR_PRED_CMD, 1);
	/* On AMD before IBPB_RET the barrier leaves return predictions. */
	if (!host_has(X86_FEATURE_IBPB_RET))
		overwrite_return_stack();
}
