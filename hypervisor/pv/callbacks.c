// SPDX-License-Identifier: MIT
/*
 * What a PV guest registers and how it returns: trap table, callbacks, iret.
 */
#include "core/hypercall.h"
#include "core/sched.h"
#include "lib/string.h"
#include "pv/vcpu_pv.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/guest_copy.h"
#include "x86/layout.h"
#include "xen/callback.h"

/* A handler must not lie in our range; SYSRET to a non-canonical one is caught on exit. */
static bool handler_ok(u64 rip)
{
	return guest_range_ok(rip, 1);
}

HYPERCALL(hc_set_trap_table)
{
	struct vcpu *v = current;
	struct trap_info t;

	if (!a1) {
		memset(v->pv.traps, 0, sizeof(v->pv.traps));
		return 0;
	}
	/* At most one entry for each vector is useful, and a list without an end must not hold us. */
	for (unsigned i = 0; i < NR_TRAPS + 1; i++, a1 += sizeof(t)) {
		if (copy_from_guest(&t, a1, sizeof(t)))
			return -EFAULT;
		if (!t.address)
			return 0;
		if (!handler_ok(t.address))
			return -EINVAL;
		v->pv.traps[t.vector] = (struct pv_trap){ .rip = t.address, .dpl = TI_GET_DPL(&t), .masks = TI_GET_IF(&t) };
	}
	return -EINVAL;
}

static struct pv_callback *callback_slot(struct vcpu *v, unsigned type)
{
	switch (type) {
	case CALLBACKTYPE_event: return &v->pv.event;
	case CALLBACKTYPE_failsafe: return &v->pv.failsafe;
	case CALLBACKTYPE_syscall: return &v->pv.syscall;
	case CALLBACKTYPE_syscall32: return &v->pv.syscall32;
	case CALLBACKTYPE_sysenter: return &v->pv.sysenter;
	default: return NULL;
	}
}

static long register_callback(struct vcpu *v, const struct callback_register *r)
{
	struct pv_callback *slot = callback_slot(v, r->type);

	if (!handler_ok(r->address))
		return -EINVAL;
	if (r->type == CALLBACKTYPE_nmi) {
		v->pv.traps[2] = (struct pv_trap){ .rip = r->address };
		return 0;
	}
	if (!slot)
		return -ENOSYS;
	slot->rip = r->address;
	slot->masks = r->flags & CALLBACKF_mask_events;
	return 0;
}

HYPERCALL(hc_callback_op)
{
	struct vcpu *v = current;
	struct callback_register reg;
	struct callback_unregister unreg;

	switch (a1) {
	case CALLBACKOP_register:
		if (copy_from_guest(&reg, a2, sizeof(reg)))
			return -EFAULT;
		return register_callback(v, &reg);
	case CALLBACKOP_unregister:
		if (copy_from_guest(&unreg, a2, sizeof(unreg)))
			return -EFAULT;
		switch (unreg.type) {
		case CALLBACKTYPE_event:
		case CALLBACKTYPE_failsafe:
		case CALLBACKTYPE_syscall:
		case CALLBACKTYPE_sysenter:
			return -EINVAL;
		case CALLBACKTYPE_nmi:
			v->pv.traps[2].rip = 0;
			return 0;
		default:
			return -ENOSYS;
		}
	default:
		return -ENOSYS;
	}
}

/*
 * The stubs a guest may call instead of using SYSCALL itself: rcx and r11, which
 * SYSCALL destroys, are kept on the stack. That of iret is jumped to with the
 * frame's last six words in place and adds the first three.
 */
void hypercall_page_fill(u8 *page)
{
	static const u8 call[] = { 0x51, 0x41, 0x53, 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3 };
	static const u8 iret[] = { 0x51, 0x41, 0x53, 0x50, 0xb8, __HYPERVISOR_iret, 0, 0, 0, 0x0f, 0x05 };

	memset(page, 0xcc, PAGE_SIZE);
	for (u32 n = 0; n < PAGE_SIZE / 32; n++) {
		memcpy(page + n * 32, call, sizeof(call));
		memcpy(page + n * 32 + 4, &n, sizeof(n));
	}
	memcpy(page + __HYPERVISOR_iret * 32, iret, sizeof(iret));
}

bool pv_install_hypercall_page(struct domain *d, u64 gfn_and_flags)
{
	u8 *page;

	/* The low bits choose one of several pages; there is one. */
	if (gfn_and_flags & (PAGE_SIZE - 1))
		return false;
	page = get_guest_frame(d, GFN(gfn_and_flags >> PAGE_SHIFT), true);
	if (!page)
		return false;
	hypercall_page_fill(page);
	put_guest_frame(d, page, true);
	return true;
}

/*
 * The return from every handler (abi.md 1.9). rax is the guest's, so it is what
 * this call "returns"; entry.S takes no value of it for an error.
 */
HYPERCALL(hc_iret)
{
	struct vcpu *v = current;
	struct cpu_user_regs *regs = guest_regs();
	u64 at = regs->rsp;
	struct iret_context f;

	if (unlikely(!guest_range_ok(at, sizeof(f))))
		goto unreadable;
	guest_window_open();
	guest_get(f.rax, at, offsetof(struct iret_context, rax), unreadable);
	guest_get(f.r11, at, offsetof(struct iret_context, r11), unreadable);
	guest_get(f.rcx, at, offsetof(struct iret_context, rcx), unreadable);
	guest_get(f.flags, at, offsetof(struct iret_context, flags), unreadable);
	guest_get(f.rip, at, offsetof(struct iret_context, rip), unreadable);
	guest_get(f.cs, at, offsetof(struct iret_context, cs), unreadable);
	guest_get(f.rflags, at, offsetof(struct iret_context, rflags), unreadable);
	guest_get(f.rsp, at, offsetof(struct iret_context, rsp), unreadable);
	guest_get(f.ss, at, offsetof(struct iret_context, ss), unreadable);
	guest_window_close();

	regs->rip = f.rip;
	regs->cs = f.cs | 3;
	regs->rflags = (f.rflags & ~(RFLAGS_IOPL | RFLAGS_VM | RFLAGS_VIF | RFLAGS_VIP)) | RFLAGS_IF | 2;
	regs->rsp = f.rsp;
	regs->ss = f.ss | 3;
	if (!(f.flags & VGCF_in_syscall)) {
		regs->entry_vector = 0;
		regs->r11 = f.r11;
		regs->rcx = f.rcx;
	}
	WRITE_ONCE(v->vcpu_info->evtchn_upcall_mask, !(f.rflags & RFLAGS_IF));
	v->pv.nmi_masked = 0;
	if (unlikely(v->pv.nmi_pending))
		set_work(this_cpu(), WORK_NMI);
	if ((f.cs & 3) == 3) {
		if (likely(v->pv.user_cr3))
			pv_enter_user(v);
		else
			domain_crash(v->domain, "vcpu %u: iret to user mode without a user page table", v->vcpu_id);
	}
	return f.rax;

unreadable:
	domain_crash(v->domain, "vcpu %u: iret with an unreadable frame at %#llx", v->vcpu_id, (unsigned long long)at);
	return 0;
}
