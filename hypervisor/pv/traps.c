// SPDX-License-Identifier: MIT
/*
 * Exceptions: who they belong to.
 *
 * From a guest, most are the guest's own affair and are bounced to its handler.
 * Some are ours to deal with first: #GP may be a privileged instruction to
 * emulate, #UD a forced CPUID, #PF a page-table write or an LDT page to map.
 * From the hypervisor itself, an exception is either expected (extable), or the
 * consequence of a bad return to a guest (guest_iretq), or a bug: then we stop.
 *
 * Everything runs with interrupts off, on the CPU's stack; regs of a guest are
 * those in cpu_info.
 */
#include "core/domain.h"
#include "core/seam.h"
#include "lib/string.h"
#include "pv/vcpu_pv.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/extable.h"
#include "x86/guest_copy.h"
#include "x86/irq.h"
#include "x86/mce.h"
#include "x86/nmi.h"
#include "x86/panic.h"
#include "x86/paging.h"

extern char guest_iretq[], entry_text_start[], entry_text_end[];
void __noreturn reset_stack_and_exit(void);

static bool from_guest(const struct cpu_user_regs *regs)
{
	return regs->cs & 3;
}

/* Where the guest has what the CPU reads at `cr2` in the slot of its LDT. */
static u64 table_address(struct vcpu *v, u64 cr2)
{
	u64 off = cr2 - LDT_VIRT(v->vcpu_id);

	return off < 0x10000 ? v->pv.ldt_base + off : cr2;
}

/*
 * The IRET to the guest faulted. The exception frame lies just below the guest's
 * rip..ss in cpu_info, so its general registers are where SAVE_REGS put them,
 * one or two words off; move them home. The guest sees the fault as that of the
 * first instruction it would have gone on with: it tells best what was wrong.
 */
static void __noreturn bad_return(struct cpu_user_regs *regs)
{
	struct cpu_user_regs *home = guest_regs();
	struct vcpu *v = current;
	unsigned vector = regs->entry_vector & 0xff;
	u32 error = regs->error_code;

	memmove(home, regs, offsetof(struct cpu_user_regs, error_code));
	home->entry_vector = 0;
	if (vector == 14)
		pv_inject_page_fault(v, home, table_address(v, read_cr2()), error & ~1u);
	else
		pv_inject(v, home, vector, error);
	reset_stack_and_exit();
}

/* The CPU read a descriptor of the current guest's LDT at `cr2`, and its page is not there yet. True: now it is. */
static bool ldt_fault(u64 cr2)
{
	struct vcpu *v = current;

	return v && !v->is_idle && cr2 >= LDT_VIRT(v->vcpu_id) && cr2 < LDT_VIRT(v->vcpu_id) + 0x10000 &&
	       pv_map_ldt_page(v, cr2 - LDT_VIRT(v->vcpu_id));
}

/* A fault in ring 0: fixes regs->rip up, or does not return. */
static void hypervisor_fault(struct cpu_user_regs *regs)
{
	u64 to;

	/* An IRET to the guest, or a load of one of its selectors: the instruction is tried again. */
	if (regs->entry_vector == 14 && ldt_fault(read_cr2()))
		return;
	if (regs->rip == (u64)guest_iretq)
		bad_return(regs);
	to = extable_find(regs->rip);
	if (!to)
		hypervisor_died(regs, regs->entry_vector == 14 ? read_cr2() : 0);
	regs->rip = to;
}

static void do_reflect(struct cpu_user_regs *regs)
{
	if (!from_guest(regs))
		return hypervisor_fault(regs);
	pv_inject(current, regs, regs->entry_vector & 0xff, regs->error_code);
}

static void do_int3(struct cpu_user_regs *regs)
{
	if (!from_guest(regs))
		return hypervisor_fault(regs);
	/* int3 and into trap through DPL-3 gates, so the guest's own DPL decides here. */
	pv_inject(current, regs, regs->entry_vector & 0xff, 0);
}

static void do_int80(struct cpu_user_regs *regs)
{
	if (!from_guest(regs))
		return hypervisor_fault(regs);
	pv_software_int(current, regs, 0x80, regs->rip - 2);
}

static void do_debug(struct cpu_user_regs *regs)
{
	struct vcpu *v = current;
	u64 dr6;

	__asm__ volatile("mov %%dr6, %0; mov %1, %%dr6" : "=&r"(dr6) : "r"(0xffff0ff0ULL));
	if (!from_guest(regs)) {
		/*
		 * A single step that began in the guest (SYSENTER keeps TF), or a MOV SS
		 * that held a breakpoint back until after SYSCALL: the guest's doing, not
		 * ours. Entry code goes on without the flag.
		 */
		if (regs->rip >= PERCPU_START || (regs->rip >= (u64)entry_text_start && regs->rip < (u64)entry_text_end) ||
		    (dr6 & 0xf)) {
			regs->rflags &= ~RFLAGS_TF;
			return;
		}
		return hypervisor_fault(regs);
	}
	v->pv.dr[6] = (v->pv.dr[6] & ~0xfULL) | (dr6 & 0xe00f) | 0xffff0ff0;
	pv_inject(v, regs, 1, 0);
}

static void do_nmi(struct cpu_user_regs *regs)
{
	if (!hypervisor_nmi(regs))
		nmi_unasked(regs);
}

static void do_invalid_opcode(struct cpu_user_regs *regs)
{
	if (!from_guest(regs))
		return hypervisor_fault(regs);
	if (pv_forced_cpuid(current, regs))
		return;
	pv_inject(current, regs, 6, 0);
}

static void do_device_not_available(struct cpu_user_regs *regs)
{
	if (!from_guest(regs))
		return hypervisor_fault(regs);
	/* TS is set only because the guest asked for it; the handler clears it by fpu_taskswitch or clts. */
	pv_inject(current, regs, 7, 0);
}

static void do_general_protection(struct cpu_user_regs *regs)
{
	struct vcpu *v = current;
	u8 code[2];

	if (!from_guest(regs))
		return hypervisor_fault(regs);
	if (regs->error_code & 2) {
		/*
		 * int n through a gate of ours. The vector should be in the error code, but
		 * QEMU's TCG puts another one there; the instruction itself is reliable.
		 */
		if (copy_from_guest(code, regs->rip, 2) == 0 && code[0] == 0xcd) {
			u64 at = regs->rip;

			regs->rip += 2;
			pv_software_int(v, regs, code[1], at);
			return;
		}
	} else if (regs->error_code == 0 && pv_emulate(v, regs)) {
		return;
	}
	pv_inject(v, regs, 13, regs->error_code);
}

static void do_page_fault(struct cpu_user_regs *regs)
{
	u64 cr2 = read_cr2();
	struct vcpu *v = current;
	u32 ec = regs->error_code;

	if (unlikely(!from_guest(regs)))
		return hypervisor_fault(regs);
	/* The slot of its GDT, then that of its LDT. */
	if (unlikely(cr2 - GDT_VIRT(v->vcpu_id) < 0x20000)) {
		u64 off = cr2 - LDT_VIRT(v->vcpu_id);

		/*
		 * The CPU read a descriptor of the guest's LDT, and the guest sees a fault on its own
		 * page, if any. What it does there itself (bit 2: user) is an access to our addresses.
		 */
		if (off < 0x10000 && !(ec & 4)) {
			if (!pv_map_ldt_page(v, off))
				pv_inject_page_fault(v, regs, v->pv.ldt_base + off, ec & ~1u);
		} else if (off < 0x10000 || !pv_read_gdt(v, regs, cr2)) {
			pv_inject_page_fault(v, regs, cr2, ec);
		}
		return;
	}
	/* A write to a page that is there: perhaps to a page table, which the guest sees as read-only. */
	if ((ec & 3) == 3 && !(ec & 8) && v->pv.kernel_mode && pv_write_page_table(v, regs, cr2))
		return;
	pv_inject_page_fault(v, regs, cr2, ec);
}

static void do_double_fault(struct cpu_user_regs *regs)
{
	hypervisor_died(regs, read_cr2());
}

static void do_machine_check(struct cpu_user_regs *regs)
{
	mce_exception(regs);
}

typedef void (*exception_fn)(struct cpu_user_regs *regs);

const exception_fn exception_table[256] = {
	[0] = do_reflect,
	[1] = do_debug,
	[2] = do_nmi,
	[3] = do_int3,
	[4] = do_int3,
	[5] = do_reflect,
	[6] = do_invalid_opcode,
	[7] = do_device_not_available,
	[8] = do_double_fault,
	[9 ... 12] = do_reflect,
	[13] = do_general_protection,
	[14] = do_page_fault,
	[15 ... 17] = do_reflect,
	[18] = do_machine_check,
	[19 ... 31] = do_reflect,
	[32 ... 0x7f] = do_irq,
	[0x80] = do_int80,
	[0x81 ... 255] = do_irq,
};
