/* SPDX-License-Identifier: MIT */
/*
 * What is done about the weaknesses of this CPU: decided in protection_plan.c
 * (pure), put in place by protect.c.
 */
#ifndef X86_PROTECTION_H
#define X86_PROTECTION_H

#include "x86/policy.h"

/* How indirect branches of the hypervisor are made (x86/thunk.S). */
enum thunk { THUNK_JMP, THUNK_LFENCE, THUNK_RETPOLINE };

/* IA32_SPEC_CTRL (SDM 4; AMD 2, 3.2.9) */
#define SPEC_CTRL_IBRS (1u << 0)
#define SPEC_CTRL_STIBP (1u << 1)
#define SPEC_CTRL_SSBD (1u << 2)
#define SPEC_CTRL_PSFD (1u << 7)
#define SPEC_CTRL_BHI_DIS_S (1u << 10)

struct protection_plan {
	bool predicts;         /* the CPU predicts branches, and guests can teach it */
	enum thunk thunk;
	u32 spec_ctrl_hv;      /* IA32_SPEC_CTRL while the hypervisor runs; */
	u32 spec_ctrl_guest;   /* while a guest does. 0 and 0 where the CPU has none */
	bool spec_ctrl_switch; /* the two differ: written at each crossing */
	bool auto_ibrs;        /* AMD's EFER bit, for good */
	bool ibpb_entry;       /* all predictions dropped on each entry from a guest */
	bool rsb_entry;        /* return predictions overwritten there */
	bool bhb_entry;        /* branch history overwritten there */
	bool ibpb_switch;      /* all predictions dropped when another vcpu comes to a CPU */
	bool check_fence;      /* no memory is touched through a guest's pointer before its check is decided */
	bool verw_exit;        /* CPU buffers cleared on the way to a guest */
	bool div_exit;         /* the divider's last data, likewise */
	bool zenbleed;         /* DE_CFG bit 9 */
	bool srb_lock, gds_mit; /* the microcode's own protections are kept on; false: turned off, where that can be */
	/* A part of Xen's name of what the options ask for and the CPU can't do; NULL when there is none. */
	const char *missing;
};

/*
 * `p`, `arch_caps` as of policy_protection(); `on`, `off`: SPEC_* bits of boot/cmdline.h; `smep`: it is in force.
 * What neither names is done where the CPU needs it and can.
 */
struct protection_plan protection_plan(const struct host_cpu *cpu, const struct host_protection *p, u64 arch_caps,
				       u32 on, u32 off, bool smep);

/*
 * One line on `plan` for people, e.g. "retpoline, VERW on exit", at most `bytes` with the end; "none" for nothing.
 * What of `p` stays open for want of microcode goes to `open`, likewise, "" for nothing.
 */
void protection_describe(const struct protection_plan *plan, const struct host_protection *p, char *text, char *open,
			 size_t bytes);

/* --- protect.c --------------------------------------------------------------------------- */

struct hv_options;

extern struct host_protection host_protection;
extern struct protection_plan protections;

/*
 * Decides, asks for the code (x86/alternative.h) and tells people. Boot CPU, after cpu_features is decided,
 * before alternatives_apply(). Stops the boot where the options ask for what the CPU can't do.
 */
void protection_init(const struct hv_options *o, u64 arch_caps);
/* This CPU's MSRs. Each CPU, at the end of cpu_init(). */
void protection_cpu_init(void);
/* Another vcpu than before comes to this CPU: drops what branch predictors learned from the last. */
void protection_vcpu_switch(void);
/* Makes indirect calls plain where no thunk is needed (x86/thunk_sites.c). Boot CPU, beside alternatives_apply(). */
void thunks_apply(void);

#endif
