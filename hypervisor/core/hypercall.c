// SPDX-License-Identifier: MIT
/*
 * The hypercall table, multicalls and continuations.
 *
 * entry.S calls hypercall_table[rax] with the guest's five arguments. A handler
 * that has worked long enough returns hypercall_continue(): the entry code then
 * sets the guest's rip back to its SYSCALL instruction, pending events and other
 * vcpus get their turn, and the guest repeats the call with the arguments that
 * were stored. Nothing of an unfinished call stays in the hypervisor but what
 * its arguments say (and a page-table job, see pv/page_type.c).
 *
 * Who may call what is decided in the handlers, by core/access.c.
 */
#include "core/hypercall.h"
#include "lib/nospec.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/guest_copy.h"
#include "xen/xen.h"

static long hc_nosys(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return -ENOSYS;
}

const hypercall_fn hypercall_table[NR_HYPERCALLS] = {
	/* Every number without a handler; docs/abi-coverage.md names them. */
	[4] = hc_nosys,
	[6] = hc_nosys,
	[11] = hc_nosys,
	[16] = hc_nosys,
	[19] = hc_nosys,
	[27 ... 28] = hc_nosys,
	[31] = hc_nosys,
	[34] = hc_nosys,
	[37 ... 47] = hc_nosys,
	[49 ... 63] = hc_nosys,
	[__HYPERVISOR_set_trap_table] = hc_set_trap_table,
	[__HYPERVISOR_mmu_update] = hc_mmu_update,
	[__HYPERVISOR_set_gdt] = hc_set_gdt,
	[__HYPERVISOR_stack_switch] = hc_stack_switch,
	[__HYPERVISOR_fpu_taskswitch] = hc_fpu_taskswitch,
	[__HYPERVISOR_platform_op] = hc_platform_op,
	[__HYPERVISOR_set_debugreg] = hc_set_debugreg,
	[__HYPERVISOR_get_debugreg] = hc_get_debugreg,
	[__HYPERVISOR_update_descriptor] = hc_update_descriptor,
	[__HYPERVISOR_memory_op] = hc_memory_op,
	[__HYPERVISOR_multicall] = hc_multicall,
	[__HYPERVISOR_update_va_mapping] = hc_update_va_mapping,
	[__HYPERVISOR_update_va_mapping_otherdomain] = hc_update_va_mapping_otherdomain,
	[__HYPERVISOR_set_timer_op] = hc_set_timer_op,
	[__HYPERVISOR_xen_version] = hc_xen_version,
	[__HYPERVISOR_console_io] = hc_console_io,
	[__HYPERVISOR_grant_table_op] = hc_grant_table_op,
	[__HYPERVISOR_vm_assist] = hc_vm_assist,
	[__HYPERVISOR_iret] = hc_iret,
	[__HYPERVISOR_vcpu_op] = hc_vcpu_op,
	[__HYPERVISOR_set_segment_base] = hc_set_segment_base,
	[__HYPERVISOR_mmuext_op] = hc_mmuext_op,
	[__HYPERVISOR_sched_op] = hc_sched_op,
	[__HYPERVISOR_callback_op] = hc_callback_op,
	[__HYPERVISOR_event_channel_op] = hc_event_channel_op,
	[__HYPERVISOR_physdev_op] = hc_physdev_op,
	[__HYPERVISOR_sysctl] = hc_sysctl,
	[__HYPERVISOR_domctl] = hc_domctl,
	[__HYPERVISOR_arch_0] = hc_mca,
};

/* What an entry of a multicall leaves for its next round. */
struct entry_rest {
	unsigned int changed; /* arguments that are new, from the first */
	u64 args[4];
};

/* While a CPU carries out an entry of a multicall. */
static struct entry_rest *in_multicall[MAX_CPUS];

long hypercall_continue(unsigned nr, u64 a1, u64 a2, u64 a3, u64 a4)
{
	const u64 args[4] = { a1, a2, a3, a4 };
	struct entry_rest *e = in_multicall[this_cpu()];
	struct cpu_user_regs *regs = guest_regs();

	this_cpu_info()->continued = true;
	if (e) {
		for (unsigned i = 0; i < nr; i++)
			e->args[i] = args[i];
		e->changed = nr;
		return -ERESTART;
	}
	if (nr > 0)
		regs->rdi = a1;
	if (nr > 1)
		regs->rsi = a2;
	if (nr > 2)
		regs->rdx = a3;
	if (nr > 3)
		regs->r10 = a4;
	return -ERESTART;
}

struct domain *hypercall_target(domid_t id)
{
	return get_domain(id == DOMID_SELF ? current->domain->domain_id : id);
}

void hypercall_target_put(struct domain *d)
{
	if (d != dom_io && d != dom_xen)
		put_domain(d);
}

#define ENTRY(field) offsetof(struct multicall_entry, field)

static __attribute__((noinline)) long continue_entry(u64 gva, u64 count, const struct entry_rest *e)
{
	for (unsigned i = 0; i < e->changed; i++)
		if (copy_to_guest(gva + ENTRY(args[i]), &e->args[i], 8)) {
			/* The entry said that it goes on; it can't. */
			this_cpu_info()->continued = false;
			return -EFAULT;
		}
	return hypercall_continue(2, gva, count, 0, 0);
}

/*
 * Entries run one after the other, each result goes into its entry, a failure
 * stops nothing. iret would leave in the middle and a nested multicall would
 * never end: both are refused in their entry, the latter by itself.
 */
HYPERCALL(hc_multicall)
{
	u64 gva = a1, count = (u32)a2, op, arg[5];
	struct cpu_info *ci = this_cpu_info();
	struct entry_rest **inside = &in_multicall[ci->cpu];
	struct entry_rest rest;
	long result;

	if (unlikely(*inside))
		return -EINVAL;
	if (unlikely(!guest_range_ok(gva, count * sizeof(struct multicall_entry))))
		return -EFAULT;
	for (; count; count--, gva += sizeof(struct multicall_entry)) {
		guest_window_open();
		guest_get(op, gva, ENTRY(op), bad_pointer);
		guest_get(arg[0], gva, ENTRY(args[0]), bad_pointer);
		guest_get(arg[1], gva, ENTRY(args[1]), bad_pointer);
		guest_get(arg[2], gva, ENTRY(args[2]), bad_pointer);
		guest_get(arg[3], gva, ENTRY(args[3]), bad_pointer);
		guest_get(arg[4], gva, ENTRY(args[4]), bad_pointer);
		guest_window_close();

		if (unlikely(op >= NR_HYPERCALLS)) {
			result = -ENOSYS;
		} else if (unlikely(op == __HYPERVISOR_iret)) {
			result = -EINVAL;
		} else {
			*inside = &rest;
			op = index_nospec(op, NR_HYPERCALLS);
			result = hypercall_table[op](arg[0], arg[1], arg[2], arg[3], arg[4]);
			*inside = NULL;
			if (unlikely(result == -ERESTART && ci->continued))
				return continue_entry(gva, count, &rest);
		}
		guest_window_open();
		guest_put(gva, ENTRY(result), result, bad_pointer);
		guest_window_close();
		/* A blocked or crashed vcpu must leave now, even in the middle; interrupts may wait a few entries. */
		if (count > 1 && (READ_ONCE(ci->work) || (!(count & 7) && preempt_check())))
			return hypercall_continue(2, gva + sizeof(struct multicall_entry), count - 1, 0, 0);
	}
	return 0;
bad_pointer:
	return -EFAULT;
}

/* --- Handlers that only unpack their arguments --------------------------------------- */

HYPERCALL(hc_event_channel_op)
{
	long rc = do_event_channel_op(current, a1, a2);

	return unlikely(rc == -ERESTART) ? hypercall_continue(0, 0, 0, 0, 0) : rc;
}

static u32 grant_op_bytes(u32 cmd)
{
	switch (cmd) {
	case GNTTABOP_map_grant_ref: return sizeof(struct gnttab_map_grant_ref);
	case GNTTABOP_unmap_grant_ref: return sizeof(struct gnttab_unmap_grant_ref);
	case GNTTABOP_copy: return sizeof(struct gnttab_copy);
	default: return 0; /* never continued: they take one element */
	}
}

HYPERCALL(hc_grant_table_op)
{
	u32 done;
	long rc = do_grant_table_op(current, a1, a2, a3, &done);

	if (rc == -ERESTART)
		return hypercall_continue(3, a1, a2 + (u64)done * grant_op_bytes(a1), a3 - done, 0);
	return rc;
}

HYPERCALL(hc_vm_assist)
{
	struct domain *d = current->domain;

	if (a2 >= 64 || !(VM_ASSIST_KNOWN >> a2 & 1))
		return -EINVAL;
	switch (a1) {
	case VMASST_CMD_enable:
		__atomic_fetch_or(&d->vm_assist, 1ULL << a2, __ATOMIC_SEQ_CST);
		return 0;
	case VMASST_CMD_disable:
		__atomic_fetch_and(&d->vm_assist, ~(1ULL << a2), __ATOMIC_SEQ_CST);
		return 0;
	default:
		return -ENOSYS;
	}
}
