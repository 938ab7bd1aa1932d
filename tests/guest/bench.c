// SPDX-License-Identifier: MIT
/*
 * What the operations of a PV guest cost, in ticks of the time-stamp counter. Under the emulator's exact-count flags
 * a tick is one executed instruction, of the guest and the hypervisor together.
 *
 * Each operation is done many times and the least is taken, less the cost of measuring nothing: an interrupt in
 * between can only make it more. Results are lines "BENCH name ticks". The handlers here are a few instructions of
 * assembly, so that the figures are the hypervisor's; returns within the kernel use the CPU's own iretq, as a kernel
 * that cares would.
 */
#include <xen/callback.h>
#include <xen/version.h>

#include "runtime.h"

#define ROUNDS		200
#define BATCH		64
#define BASE		0x0000100000000000UL

void raw_int3(void);
void raw_page_fault(void);
void raw_event(void);
void raw_syscall(void);

/*
 * Frames as in start.S. The saved cs has privilege 0 and the event mask in its upper half; iretq wants the real one.
 * The page fault goes on behind the two-byte load that caused it. The event handler knows that one port is open.
 */
__asm__(".pushsection .text\n"
	"raw_int3:\n"
	"	pop %rcx\n"
	"	pop %r11\n"
	"	movq $0xe033, 8(%rsp)\n"
	"	iretq\n"
	"raw_page_fault:\n"
	"	pop %rcx\n"
	"	pop %r11\n"
	"	add $8, %rsp\n"
	"	addq $2, (%rsp)\n"
	"	movq $0xe033, 8(%rsp)\n"
	"	iretq\n"
	"raw_event:\n"
	"	pop %rcx\n"
	"	pop %r11\n"
	"	push %rax\n"
	"	mov raw_vcpu_info, %rax\n"
	"	movb $0, (%rax)\n"
	"	movq $0, 8(%rax)\n"
	"	mov raw_pending_word, %rax\n"
	"	movq $0, (%rax)\n"
	"	incl raw_events\n"
	"	mov raw_vcpu_info, %rax\n"
	"	movb $0, 1(%rax)\n"
	"	pop %rax\n"
	"	movq $0xe033, 8(%rsp)\n"
	"	iretq\n"
	"raw_syscall:\n"
	"	cmp $0x7e57e17, %eax\n"		/* USER_EXIT */
	"	je syscall_entry\n"
	"	pop %rcx\n"
	"	pop %r11\n"
	"	push $0\n"
	"	push %rcx\n"
	"	push %r11\n"
	"	push %rax\n"
	"	mov $23, %eax\n"		/* __HYPERVISOR_iret */
	"	syscall\n"
	".popsection");

struct vcpu_info *raw_vcpu_info;
volatile uint64_t *raw_pending_word;
unsigned int raw_events;

static uint64_t overhead;
static uint64_t least;

static struct mmu_update updates[BATCH];
static struct multicall_entry entries[BATCH];
static evtchn_port_t port;
static uint64_t pte[2], l1_entry, l4;
static void *frame[2];

/* Measures one expression; `i` counts the rounds. */
#define MEASURE(expression)						\
	do {								\
		least = ~0UL;						\
		for (unsigned int i = 0; i < ROUNDS; i++) {		\
			uint64_t start = rdtsc(), ticks;		\
									\
			(void)i;					\
			expression;					\
			ticks = rdtsc() - start;			\
			if (ticks < least)				\
				least = ticks;				\
		}							\
	} while (0)

static void report(const char *name, unsigned int times)
{
	printf("BENCH %s %lu\n", name, (least - overhead) / times);
}

static void calls(void)
{
	MEASURE(compiler_barrier());
	overhead = least;
	MEASURE(hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0));
	report("null_hypercall", 1);
	for (unsigned int i = 0; i < BATCH; i++)
		entries[i].op = __HYPERVISOR_xen_version;
	MEASURE(hypercall2(__HYPERVISOR_multicall, entries, BATCH));
	report("multicall_entry", BATCH);
	MEASURE(hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, trap_stack_top));
	report("stack_switch", 1);
}

static void set_callback(uint16_t type, void (*entry)(void))
{
	struct callback_register callback = { .type = type, .address = (uint64_t)(uintptr_t)entry };

	if (hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &callback))
		panic("callback %u was refused", type);
}

static void events(void)
{
	struct evtchn_send send;
	volatile uint64_t *pending;

	send.port = port = event_bind_ipi(0);
	pending = &shared_info->evtchn_pending[port / 64];
	event_mask_port(port);
	MEASURE(*pending = 0; hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send));
	report("event_send_masked", 1);

	raw_vcpu_info = vcpu_info;
	raw_pending_word = pending;
	set_callback(CALLBACKTYPE_event, raw_event);
	*pending = 0;
	event_unmask_port(port);
	vcpu_info->evtchn_upcall_pending = 0;
	vcpu_info->evtchn_upcall_mask = 0;
	MEASURE(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send));
	vcpu_info->evtchn_upcall_mask = 1;
	if (raw_events < ROUNDS)
		panic("only %u upcalls came", raw_events);
	report("event_upcall", 1);
	event_close(port);
}

static void traps(void)
{
	trap_set_gate(3, (uint64_t)(uintptr_t)raw_int3, 3);
	MEASURE(__asm__ volatile("int3" : : : "rcx", "r11", "memory"));
	report("int3", 1);
	trap_set_gate(14, (uint64_t)(uintptr_t)raw_page_fault, 0);
	MEASURE(__asm__ volatile("movb (%%rdi), %%al" : : "D"(0x1000UL) : "rax", "rcx", "r11", "memory"));
	report("page_fault", 1);
	trap_set_gate(3, 0, 3);
	trap_set_gate(14, 0, 0);
}

static void page_tables(void)
{
	uint64_t value;

	l4 = kernel_l4_mfn();
	pt_ensure(l4, BASE);
	l1_entry = pt_entry(l4, BASE, 1, &value);
	for (unsigned int i = 0; i < 2; i++) {
		frame[i] = page_alloc();
		pte[i] = mfn_pte(virt_to_mfn(frame[i]), PTE_RWDATA);
	}
	MEASURE(hypercall3(__HYPERVISOR_update_va_mapping, BASE, pte[i & 1], UVMF_INVLPG));
	report("update_va_mapping", 1);
	MEASURE(updates[0].ptr = l1_entry; updates[0].val = pte[i & 1];
		hypercall4(__HYPERVISOR_mmu_update, updates, 1, 0, DOMID_SELF));
	report("mmu_update_1", 1);
	for (unsigned int i = 0; i < BATCH; i++)
		updates[i] = (struct mmu_update){ l1_entry + 8 * i, pte[i & 1] };
	MEASURE(for (unsigned int k = 0; k < BATCH; k++) updates[k].val ^= pte[0] ^ pte[1];
		hypercall4(__HYPERVISOR_mmu_update, updates, BATCH, 0, DOMID_SELF));
	report("mmu_update_64", BATCH);
	MEASURE(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0));
	report("tlb_flush_local", 1);
	MEASURE(mmuext(MMUEXT_NEW_BASEPTR, l4));
	report("new_baseptr_same", 1);
}

/* From one table to another and back: what a process switch does. */
static void base_switch(void)
{
	uint64_t *other = page_alloc();
	uint64_t base[2];

	memcpy(other, mfn_to_virt(l4), PAGE_SIZE);
	memset(other + 256, 0, 16 * sizeof(*other));
	page_make_readonly(other);
	base[0] = l4;
	base[1] = virt_to_mfn(other);
	if (mmuext(MMUEXT_PIN_L4_TABLE, base[1]))
		panic("the second L4 was refused");
	MEASURE(mmuext(MMUEXT_NEW_BASEPTR, base[~i & 1]));
	report("new_baseptr", 1);
	mmuext(MMUEXT_NEW_BASEPTR, l4);
	mmuext(MMUEXT_UNPIN_TABLE, base[1]);
}

/* Runs as guest user. */
static void user_calls(void)
{
	MEASURE(__asm__ volatile("xor %%eax, %%eax\n\tsyscall" : : : "rax", "rcx", "r11", "memory"));
}

static void user(void)
{
	set_callback(CALLBACKTYPE_syscall, raw_syscall);
	if (run_user(user_calls, NULL).vector != NO_FAULT)
		panic("the user side faulted");
	report("user_syscall", 1);
}

void guest_main(void)
{
	tap_start("bench");
	calls();
	events();
	traps();
	page_tables();
	base_switch();
	user();
	tap_ok(true, "all was measured");
	tap_end();
}
