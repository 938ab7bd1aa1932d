// SPDX-License-Identifier: MIT
/*
 * Further vcpus, locks, and waiting.
 *
 * A vcpu is brought up with a stack of its own out of one array, by which this_cpu() knows it: no register and no
 * segment is needed, and a guest that loads odd selectors does not confuse it. All share one address space, one trap
 * table and the handlers of the events; an event is handled on the vcpu to which its port is bound.
 *
 * Locks: one word, taken with events masked, so that a handler on the same vcpu can't wait for its own vcpu. A vcpu
 * that waits long gives its CPU away: the holder may not be running at all.
 *
 * Waiting: os_wake counts up, then sends an event to each vcpu that sleeps; os_wait enters itself as a sleeper, then
 * looks at the count with events masked, then blocks, which unmasks them: a wake can't fall in between.
 */
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "os_port.h"
#include "runtime.h"

#define STACK_SIZE	32768UL
#define SPINS		1000

static char stacks[MAX_VCPUS - 1][STACK_SIZE] __attribute__((aligned(16)));
static void (*mains[MAX_VCPUS])(unsigned int vcpu);
static evtchn_port_t wake_port[MAX_VCPUS];	/* 0: not up */
static struct vcpu_guest_context context;

unsigned int this_cpu(void)
{
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0) - (uintptr_t)stacks;

	return sp < sizeof(stacks) ? 1 + (unsigned int)(sp / STACK_SIZE) : 0;
}

/* What a new vcpu runs; it comes with its number in rdi. */
void smp_main(unsigned long vcpu);

void smp_main(unsigned long vcpu)
{
	mains[vcpu]((unsigned int)vcpu);
	for (;;)
		hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_down, vcpu, 0);
}

static void nothing(evtchn_port_t port)
{
	(void)port;
}

static void make_wake_port(unsigned int vcpu)
{
	if (wake_port[vcpu])
		return;
	wake_port[vcpu] = event_bind_ipi(vcpu);
	event_set_vcpu(wake_port[vcpu], vcpu);
	event_set_handler(wake_port[vcpu], nothing);
	event_unmask_port(wake_port[vcpu]);
}

long smp_start(unsigned int vcpu, void (*main)(unsigned int vcpu))
{
	uint64_t stack;
	long result;

	if (!vcpu || vcpu >= MAX_VCPUS)
		return -XEN_EINVAL;
	stack = (uint64_t)(uintptr_t)stacks[vcpu - 1] + STACK_SIZE;
	mains[vcpu] = main;
	memset(&context, 0, sizeof(context));
	context.flags = VGCF_in_kernel;
	context.user_regs.rip = (uint64_t)(uintptr_t)smp_main;
	context.user_regs.rdi = vcpu;
	context.user_regs.cs = FLAT_KERNEL_CS;
	context.user_regs.ss = FLAT_KERNEL_SS;
	context.user_regs.rsp = stack - 8;	/* as if called */
	context.user_regs.rflags = 0x202;
	context.kernel_ss = FLAT_KERNEL_SS;
	context.kernel_sp = stack - 16;
	context.ctrlreg[3] = xen_pfn_to_cr3(kernel_l4_mfn());
	traps_of_vcpu(&context);
	shared_info->vcpu_info[vcpu].evtchn_upcall_mask = 1;
	result = hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_initialise, vcpu, &context);
	if (result)
		return result;
	make_wake_port(0);
	make_wake_port(vcpu);
	return hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_up, vcpu, 0);
}

bool smp_is_up(unsigned int vcpu)
{
	return !vcpu || (vcpu < MAX_VCPUS && wake_port[vcpu]);
}

/* ---- locks ---- */

bool events_save(void)
{
	volatile uint8_t *mask = &shared_info->vcpu_info[this_cpu()].evtchn_upcall_mask;
	bool were_masked = *mask;

	*mask = 1;
	compiler_barrier();
	return were_masked;
}

void events_restore(bool were_masked)
{
	if (!were_masked)
		events_enable();
}

void os_lock(struct os_lock *lock)
{
	bool were_masked = events_save();
	unsigned int spins = 0;

	while (__atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE)) {
		if (++spins % SPINS == 0)
			hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
		__builtin_ia32_pause();
	}
	lock->were_masked = were_masked;
}

void os_unlock(struct os_lock *lock)
{
	bool were_masked = lock->were_masked;

	__atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
	events_restore(were_masked);
}

/* ---- waiting ---- */

uint32_t os_wait_key(struct os_wait *wait)
{
	return __atomic_load_n(&wait->count, __ATOMIC_SEQ_CST);
}

void os_wait(struct os_wait *wait, uint32_t key)
{
	uint32_t self = 1u << this_cpu();
	bool were_masked;

	__atomic_fetch_or(&wait->sleepers, self, __ATOMIC_SEQ_CST);
	were_masked = events_save();
	if (__atomic_load_n(&wait->count, __ATOMIC_SEQ_CST) == key) {
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
		if (were_masked)
			events_save();
	} else {
		events_restore(were_masked);
	}
	__atomic_fetch_and(&wait->sleepers, ~self, __ATOMIC_SEQ_CST);
}

void os_wake(struct os_wait *wait)
{
	uint32_t others;

	__atomic_fetch_add(&wait->count, 1, __ATOMIC_SEQ_CST);
	others = __atomic_load_n(&wait->sleepers, __ATOMIC_SEQ_CST) & ~(1u << this_cpu());
	for (; others; others &= others - 1) {
		unsigned int vcpu = (unsigned int)__builtin_ctz(others);

		if (wake_port[vcpu])
			event_send(wake_port[vcpu]);
	}
}
