// SPDX-License-Identifier: MIT
/* Structure offsets for assembly: compiled to text, from which the Makefile makes build/asm_offsets.h. */
#include "core/domain.h"
#include "core/hypercall.h"
#include "x86/cpu.h"

#define OFFSET(name, type, field) __asm__ volatile("\n#define " #name " %c0" :: "i"(offsetof(type, field)))
#define VALUE(name, v) __asm__ volatile("\n#define " #name " %c0" :: "i"(v))

void asm_offsets(void)
{
	OFFSET(REGS_r15, struct cpu_user_regs, r15);
	OFFSET(REGS_rax, struct cpu_user_regs, rax);
	OFFSET(REGS_rdx, struct cpu_user_regs, rdx);
	OFFSET(REGS_error_code, struct cpu_user_regs, error_code);
	OFFSET(REGS_vector, struct cpu_user_regs, entry_vector);
	OFFSET(REGS_rip, struct cpu_user_regs, rip);
	OFFSET(REGS_cs, struct cpu_user_regs, cs);
	OFFSET(REGS_rflags, struct cpu_user_regs, rflags);
	OFFSET(REGS_rsp, struct cpu_user_regs, rsp);
	OFFSET(REGS_ss, struct cpu_user_regs, ss);
	OFFSET(REGS_es, struct cpu_user_regs, es);
	OFFSET(CI_current, struct cpu_info, vcpu);
	OFFSET(CI_continue, struct cpu_info, continued);
	OFFSET(CI_work, struct cpu_info, work);
	OFFSET(CI_hv_cr3, struct cpu_info, hv_cr3);
	OFFSET(CI_root_cr3, struct cpu_info, root_cr3);
	OFFSET(CI_spec_ctrl_guest, struct cpu_info, spec_ctrl_guest);
	OFFSET(CI_verw_selector, struct cpu_info, verw_selector);
	VALUE(CI_SIZE, sizeof(struct cpu_info));
	VALUE(NR_HYPERCALLS, NR_HYPERCALLS);
	OFFSET(VCPU_info, struct vcpu, vcpu_info);
	OFFSET(VCPU_kernel_mode, struct vcpu, pv.kernel_mode);
	OFFSET(VCPU_nmi_pending, struct vcpu, pv.nmi_pending);
}
