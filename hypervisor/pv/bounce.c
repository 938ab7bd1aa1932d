// SPDX-License-Identifier: MIT
/*
 * Bounce frames: how a PV guest is told of exceptions and events.
 *
 * The hypervisor plays the CPU: it pushes a frame on the guest kernel's stack
 * and continues at the handler the guest registered (abi.md 1.8). The frame is
 * what the CPU would push, with rcx and r11 below it, since those are lost when
 * the kernel is entered by SYSRET.
 *
 * Invariants:
 *  1. The frame is complete in the guest's memory before any register changes;
 *     where it can't be written the guest ends, since there is no other way to
 *     tell it.
 *  2. The saved flags show the virtual IF (not upcall_mask) and never an IOPL.
 *  3. A kernel interrupted in kernel mode sees an RPL of 0 in the saved CS.
 */
#include "core/seam.h"
#include "pv/vcpu_pv.h"
#include "x86/guest_copy.h"
#include "x86/layout.h"

#define FLAG_IF 0x200ULL
#define FLAG_DF 0x400ULL
#define FLAG_IOPL 0x3000ULL
/* Cleared on the way into a handler, as the CPU clears them: TF NT RF VM AC. */
#define FLAGS_CLEARED 0x74100ULL

/* Vectors with an error code: #DF #TS #NP #SS #GP #PF #AC #CP. */
#define HAS_ERROR_CODE 0x227d00u

/*
 * False: the guest's stack would not take the frame, and it ended.
 *
 * Part of every system call, fault and event, so it is written out in the few
 * callers that matter, each with its constants (bounce_rare() serves the rest).
 */
static inline __attribute__((always_inline)) bool bounce(struct vcpu *v, struct cpu_user_regs *regs, u64 handler,
							 bool masks, bool has_error, u32 error)
{
	u64 mask = READ_ONCE(v->vcpu_info->evtchn_upcall_mask), cs = regs->cs, sp = regs->rsp, flags = regs->rflags;
	const size_t bytes = has_error ? 64 : 56;

	if (v->pv.kernel_mode) {
		cs &= ~3ULL;
	} else {
		pv_enter_kernel(v);
		sp = v->pv.kernel_sp;
	}
	sp = (sp & ~15ULL) - bytes;
	if (unlikely(!guest_range_ok(sp, bytes)))
		goto bad;
	guest_window_open();
	guest_put(sp, 0, regs->rcx, bad);
	guest_put(sp, 8, regs->r11, bad);
	if (has_error)
		guest_put(sp, 16, error, bad);
	guest_put(sp, bytes - 40, regs->rip, bad);
	guest_put(sp, bytes - 32, cs | mask << 32, bad);
	guest_put(sp, bytes - 24, (flags & ~(FLAG_IF | FLAG_IOPL)) | (mask ? 0 : FLAG_IF), bad);
	guest_put(sp, bytes - 16, regs->rsp, bad);
	guest_put(sp, bytes - 8, regs->ss, bad);
	guest_window_close();

	regs->rip = handler;
	regs->rsp = sp;
	regs->cs = GUEST_CS64;
	regs->ss = GUEST_SS;
	regs->rflags = (flags & ~(FLAGS_CLEARED | FLAG_IOPL)) | FLAG_IF;
	regs->entry_vector = ENTRY_SYSCALL;
	if (masks)
		WRITE_ONCE(v->vcpu_info->evtchn_upcall_mask, 1);
	return true;
bad:
	domain_crash(v->domain, "vcpu %u: its kernel stack at %#llx can't take a frame (handler %#llx)", v->vcpu_id,
		     (unsigned long long)sp, (unsigned long long)handler);
	return false;
}

static __attribute__((noinline)) bool bounce_rare(struct vcpu *v, struct cpu_user_regs *regs,
						  const struct pv_trap *t)
{
	return bounce(v, regs, t->rip, t->masks, false, 0);
}

/* A kernel relies on SYSCALL having cleared DF; the flags here are still the user's. */
static inline __attribute__((always_inline)) void bounce_syscall(struct vcpu *v, struct cpu_user_regs *regs,
								 const struct pv_callback *c)
{
	bounce(v, regs, c->rip, c->masks, false, 0);
	regs->rflags &= ~FLAG_DF;
}

void pv_inject(struct vcpu *v, struct cpu_user_regs *regs, unsigned vector, u32 error)
{
	const struct pv_trap *t = &v->pv.traps[vector];

	if (unlikely(!t->rip)) {
		domain_crash(v->domain, "vcpu %u: exception %u (error code %#x) at %04x:%llx and no handler for it",
			     v->vcpu_id, vector, error, regs->cs, (unsigned long long)regs->rip);
		return;
	}
	if (vector < 32 && (HAS_ERROR_CODE >> vector & 1))
		bounce(v, regs, t->rip, t->masks, true, error);
	else
		bounce_rare(v, regs, t);
}

void pv_inject_page_fault(struct vcpu *v, struct cpu_user_regs *regs, u64 cr2, u32 error)
{
	v->pv.cr2 = cr2;
	v->vcpu_info->arch.cr2 = cr2;
	/* Both modes are ring 3 to the CPU; the guest wants to know its own. */
	error = v->pv.kernel_mode ? error & ~4u : error | 4u;
	pv_inject(v, regs, 14, error);
}

void pv_software_int(struct vcpu *v, struct cpu_user_regs *regs, unsigned n, u64 rip_of_insn)
{
	const struct pv_trap *t = &v->pv.traps[n];

	/* A guest kernel counts as ring 1 here, so that DPL 1 gates are its own. */
	if (!t->rip || t->dpl < (v->pv.kernel_mode ? 1 : 3)) {
		regs->rip = rip_of_insn;
		pv_inject(v, regs, 13, n << 3 | 2);
		return;
	}
	bounce_rare(v, regs, t);
}

void pv_deliver_event(struct vcpu *v, struct cpu_user_regs *regs)
{
	if (unlikely(!v->pv.event.rip)) {
		domain_crash(v->domain, "vcpu %u: an event is due and no event callback is registered", v->vcpu_id);
		return;
	}
	bounce(v, regs, v->pv.event.rip, true, false, 0);
}

void pv_deliver_nmi(struct vcpu *v, struct cpu_user_regs *regs)
{
	if (!v->pv.nmi_pending || v->pv.nmi_masked || !v->pv.traps[2].rip)
		return;
	v->pv.nmi_pending = 0;
	v->pv.nmi_masked = 1;
	bounce_rare(v, regs, &v->pv.traps[2]);
}

void pv_user_syscall(struct vcpu *v, struct cpu_user_regs *regs)
{
	if (unlikely(!v->pv.syscall.rip)) {
		regs->rip -= 2;
		pv_inject(v, regs, 6, 0);
		return;
	}
	bounce_syscall(v, regs, &v->pv.syscall);
}

void pv_user_syscall32(struct vcpu *v, struct cpu_user_regs *regs)
{
	if (unlikely(!v->pv.syscall32.rip)) {
		regs->rip -= 2;
		pv_inject(v, regs, 6, 0);
		return;
	}
	bounce_syscall(v, regs, &v->pv.syscall32);
}

void pv_sysenter(struct vcpu *v, struct cpu_user_regs *regs)
{
	if (unlikely(!v->pv.sysenter.rip)) {
		pv_inject(v, regs, 13, 0);
		return;
	}
	bounce_syscall(v, regs, &v->pv.sysenter);
}

/*
 * A data segment that the guest had loaded can't be loaded any more. Its failsafe
 * callback gets the selectors, to find out which.
 */
void pv_failsafe(struct vcpu *v, struct cpu_user_regs *regs)
{
	u64 frame[4] = { v->pv.ds, v->pv.es, v->pv.fs, v->pv.gs };
	struct cpu_user_regs before = *regs;

	if (!v->pv.failsafe.rip) {
		domain_crash(v->domain, "vcpu %u: can't return to %04x:%llx stack %04x:%llx and no failsafe callback",
			     v->vcpu_id, regs->cs, (unsigned long long)regs->rip, regs->ss,
			     (unsigned long long)regs->rsp);
		return;
	}
	if (!bounce(v, regs, v->pv.failsafe.rip, v->pv.failsafe.masks, false, 0))
		return;
	/* rcx and r11 move down, the four selectors go between them and rip. */
	regs->rsp -= sizeof(frame);
	if (copy_to_guest(regs->rsp + 16, frame, sizeof(frame)) || copy_to_guest(regs->rsp, &before.rcx, 8) ||
	    copy_to_guest(regs->rsp + 8, &before.r11, 8))
		domain_crash(v->domain, "vcpu %u: its kernel stack can't take a failsafe frame", v->vcpu_id);
}
