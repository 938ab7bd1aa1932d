// SPDX-License-Identifier: MIT
/*
 * Bounce frames: what a guest kernel finds on its stack, and in its registers,
 * for each kind of event.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake_machine.h"
#include "pv/vcpu_pv.h"
#include "x86/layout.h"

#define STACK (FAKE_GUEST_BASE + 0x8000)       /* kernel_sp */
#define NOW_AT (FAKE_GUEST_BASE + 0x4008)      /* rsp when interrupted */
#define HANDLER 0xffffffff81001000ULL
#define FLAGS_ALL 0x77fd7ULL                   /* every flag up to AC, IOPL 3 */
#define F_IF 0x200ULL
#define F_IOPL 0x3000ULL
#define F_DF 0x400ULL
#define F_CLEARED 0x74100ULL                   /* TF NT RF VM AC */

static struct domain *d;
static struct vcpu *v;
static struct cpu_user_regs regs;
static u32 entered_kernel;

void pv_enter_kernel(struct vcpu *x)
{
	assert_ptr_equal(x, v);
	assert_int_equal(x->pv.kernel_mode, 0);
	x->pv.kernel_mode = 1;
	entered_kernel++;
}

static int fresh(void **state)
{
	(void)state;
	fake_reset();
	d = fake_domain(1, 1, false);
	v = d->vcpus[0];
	v->pv.kernel_mode = 1;
	v->pv.kernel_sp = STACK;
	v->pv.event.rip = HANDLER + 0x300;
	for (unsigned i = 0; i < NR_TRAPS; i++)
		v->pv.traps[i] = (struct pv_trap){ .rip = HANDLER + i * 16 };
	entered_kernel = 0;
	memset(&regs, 0, sizeof(regs));
	regs.rip = 0x1234567890;
	regs.cs = GUEST_CS64;
	regs.ss = GUEST_SS;
	regs.rsp = NOW_AT;
	regs.rflags = F_IF | 0x46;
	regs.rcx = 0xc0c0;
	regs.r11 = 0x1111;
	regs.rax = 0xaaaa;
	return 0;
}

/* The frame that ends where a stack pointer of `sp` begins; `words` long. */
static const u64 *frame_below(u64 sp, unsigned words)
{
	u64 at = (sp & ~15ULL) - words * 8;

	assert_int_equal(regs.rsp, at);
	return fake_guest(at);
}

static void assert_frame(const u64 *f, bool has_error, u64 error, u64 cs, u64 rflags, u64 rsp)
{
	assert_int_equal(*f++, 0xc0c0);
	assert_int_equal(*f++, 0x1111);
	if (has_error)
		assert_int_equal(*f++, error);
	assert_int_equal(*f++, 0x1234567890);
	assert_int_equal(*f++, cs);
	assert_int_equal(*f++, rflags);
	assert_int_equal(*f++, rsp);
	assert_int_equal(*f++, GUEST_SS);
}

static void assert_crashed(const char *word)
{
	assert_true(d->crash_noted);
	if (!strstr(d->crash_reason, word))
		fail_msg("the reason \"%s\" does not say \"%s\"", d->crash_reason, word);
}

/* ------------------------------------------------------------------- the frame -- */

static void an_exception_from_the_kernel_uses_the_present_stack(void **state)
{
	(void)state;
	pv_inject(v, &regs, 0, 77);
	assert_frame(frame_below(NOW_AT, 7), false, 0, GUEST_CS64 & ~3, F_IF | 0x46, NOW_AT);
	assert_int_equal(entered_kernel, 0);
	assert_int_equal(regs.rip, HANDLER);
	assert_int_equal(regs.cs, GUEST_CS64);
	assert_int_equal(regs.ss, GUEST_SS);
	assert_int_equal(regs.rax, 0xaaaa);
	assert_false(d->crash_noted);
}

static void an_exception_from_user_switches_stack_and_mode(void **state)
{
	(void)state;
	v->pv.kernel_mode = 0;
	regs.rsp = 0x7ffc12345678;
	pv_inject(v, &regs, 6, 0);
	assert_frame(frame_below(STACK, 7), false, 0, GUEST_CS64, F_IF | 0x46, 0x7ffc12345678);
	assert_int_equal(entered_kernel, 1);
	assert_int_equal(v->pv.kernel_mode, 1);
	assert_int_equal(regs.rip, HANDLER + 6 * 16);
}

static void the_error_code_lies_between_r11_and_rip(void **state)
{
	(void)state;
	pv_inject(v, &regs, 13, 0xabc8);
	assert_frame(frame_below(NOW_AT, 8), true, 0xabc8, GUEST_CS64 & ~3, F_IF | 0x46, NOW_AT);
}

static void exactly_the_vectors_that_have_an_error_code_get_one(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 256; n++) {
		bool has = n == 8 || (n >= 10 && n <= 14) || n == 17 || n == 21;

		fresh(NULL);
		pv_inject(v, &regs, n, 5);
		assert_int_equal(regs.rsp, (NOW_AT & ~15ULL) - (has ? 64 : 56));
	}
}

static void the_stack_is_aligned_before_the_frame(void **state)
{
	(void)state;
	for (u64 off = 0; off < 16; off++) {
		fresh(NULL);
		regs.rsp = NOW_AT + off;
		pv_inject(v, &regs, 0, 0);
		assert_frame(frame_below(NOW_AT + off, 7), false, 0, GUEST_CS64 & ~3, F_IF | 0x46, NOW_AT + off);
		fresh(NULL);
		v->pv.kernel_mode = 0;
		v->pv.kernel_sp = STACK - off;
		pv_inject(v, &regs, 14, 4);
		assert_frame(frame_below(STACK - off, 8), true, 4, GUEST_CS64, F_IF | 0x46, NOW_AT);
	}
}

static void a_user_code_selector_keeps_its_ring(void **state)
{
	(void)state;
	v->pv.kernel_mode = 0;
	regs.cs = GUEST_CS32;
	pv_inject(v, &regs, 0, 0);
	assert_int_equal(frame_below(STACK, 7)[3], GUEST_CS32);
	assert_int_equal(regs.cs, GUEST_CS64);
}

static void the_upcall_mask_is_saved_above_the_selector(void **state)
{
	(void)state;
	v->vcpu_info->evtchn_upcall_mask = 1;
	pv_inject(v, &regs, 0, 0);
	assert_int_equal(frame_below(NOW_AT, 7)[3], 1ULL << 32 | (GUEST_CS64 & ~3));
	fresh(NULL);
	v->vcpu_info->evtchn_upcall_mask = 0xff;
	pv_inject(v, &regs, 0, 0);
	assert_int_equal(frame_below(NOW_AT, 7)[3], 0xffULL << 32 | (GUEST_CS64 & ~3));
}

static void the_saved_if_is_the_virtual_one(void **state)
{
	(void)state;
	pv_inject(v, &regs, 0, 0);
	assert_int_equal(frame_below(NOW_AT, 7)[4] & F_IF, F_IF);
	fresh(NULL);
	v->vcpu_info->evtchn_upcall_mask = 1;
	pv_inject(v, &regs, 0, 0);
	assert_int_equal(frame_below(NOW_AT, 7)[4] & F_IF, 0);
	assert_int_equal(regs.rflags & F_IF, F_IF);
}

static void the_saved_flags_have_no_iopl(void **state)
{
	(void)state;
	regs.rflags = FLAGS_ALL;
	pv_inject(v, &regs, 0, 0);
	assert_int_equal(frame_below(NOW_AT, 7)[4], FLAGS_ALL & ~F_IOPL);
}

static void the_handler_starts_with_the_cpus_flags_cleared(void **state)
{
	(void)state;
	regs.rflags = FLAGS_ALL;
	pv_inject(v, &regs, 0, 0);
	assert_int_equal(regs.rflags, FLAGS_ALL & ~F_IOPL & ~F_CLEARED);
	fresh(NULL);
	regs.rflags = 2;
	pv_inject(v, &regs, 0, 0);
	assert_int_equal(regs.rflags, F_IF | 2);
}

static void only_a_gate_that_masks_sets_the_upcall_mask(void **state)
{
	(void)state;
	pv_inject(v, &regs, 0, 0);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 0);
	v->pv.traps[0].masks = true;
	pv_inject(v, &regs, 0, 0);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 1);
	/* The frame was written before. */
	assert_int_equal(((u64 *)fake_guest(regs.rsp))[3] >> 32, 0);
}

/* --------------------------------------------------------------------- crimes -- */

static void an_unmapped_kernel_stack_ends_the_guest(void **state)
{
	struct cpu_user_regs was = regs;

	(void)state;
	fake_guest_unmap(NOW_AT - 16);
	pv_inject(v, &regs, 0, 0);
	assert_crashed("stack");
	/* Nothing of the handler's is loaded. */
	assert_memory_equal(&was, &regs, sizeof(regs));
}

static void a_frame_half_on_an_unmapped_page_ends_the_guest(void **state)
{
	(void)state;
	regs.rsp = FAKE_GUEST_BASE + 0x3010;
	fake_guest_unmap(FAKE_GUEST_BASE + 0x2000);
	pv_inject(v, &regs, 0, 0);
	assert_crashed("stack");
}

static void a_read_only_kernel_stack_ends_the_guest(void **state)
{
	(void)state;
	v->pv.kernel_mode = 0;
	fake_guest_readonly(STACK - 8);
	pv_inject(v, &regs, 0, 0);
	assert_crashed("stack");
}

static void a_wrapping_stack_pointer_ends_the_guest(void **state)
{
	(void)state;
	regs.rsp = 8;
	pv_inject(v, &regs, 0, 0);
	assert_crashed("stack");
}

static void an_exception_without_a_handler_ends_the_guest(void **state)
{
	(void)state;
	v->pv.traps[13].rip = 0;
	pv_inject(v, &regs, 13, 0x18);
	assert_crashed("no handler");
	assert_crashed("13");
	assert_crashed("0x18");
	assert_crashed("1234567890");
	assert_int_equal(regs.rip, 0x1234567890);
}

/* ---------------------------------------------------------------- page faults -- */

static void a_page_fault_tells_its_address(void **state)
{
	(void)state;
	pv_inject_page_fault(v, &regs, 0xffff888012345678, 2);
	assert_int_equal(v->vcpu_info->arch.cr2, 0xffff888012345678);
	assert_int_equal(v->pv.cr2, 0xffff888012345678);
	assert_int_equal(regs.rip, HANDLER + 14 * 16);
}

static void a_page_fault_from_the_kernel_says_supervisor(void **state)
{
	(void)state;
	pv_inject_page_fault(v, &regs, 0, 0x17);
	assert_frame(frame_below(NOW_AT, 8), true, 0x13, GUEST_CS64 & ~3, F_IF | 0x46, NOW_AT);
}

static void a_page_fault_from_user_says_user(void **state)
{
	(void)state;
	v->pv.kernel_mode = 0;
	pv_inject_page_fault(v, &regs, 0, 2);
	assert_frame(frame_below(STACK, 8), true, 6, GUEST_CS64, F_IF | 0x46, NOW_AT);
}

/* ------------------------------------------------------------------------ int n -- */

static void int_n_reaches_a_gate_of_ring_3_from_user(void **state)
{
	(void)state;
	v->pv.kernel_mode = 0;
	v->pv.traps[0x80].dpl = 3;
	pv_software_int(v, &regs, 0x80, 0x123456788e);
	/* rip behind the instruction; no error code. */
	assert_frame(frame_below(STACK, 7), false, 0, GUEST_CS64, F_IF | 0x46, NOW_AT);
	assert_int_equal(regs.rip, HANDLER + 0x80 * 16);
}

static void int_n_never_pushes_an_error_code(void **state)
{
	(void)state;
	v->pv.traps[14].dpl = 3;
	pv_software_int(v, &regs, 14, 0x123456788e);
	assert_frame(frame_below(NOW_AT, 7), false, 0, GUEST_CS64 & ~3, F_IF | 0x46, NOW_AT);
}

static void int_n_through_a_gate_too_privileged_is_a_general_protection_fault(void **state)
{
	static const struct { u8 kernel, dpl; bool refused; } c[] = {
		{ 0, 0, true }, { 0, 1, true }, { 0, 2, true }, { 0, 3, false },
		{ 1, 0, true }, { 1, 1, false }, { 1, 2, false }, { 1, 3, false },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(c); i++) {
		const u64 *f;

		fresh(NULL);
		v->pv.kernel_mode = c[i].kernel;
		v->pv.traps[0x33].dpl = c[i].dpl;
		pv_software_int(v, &regs, 0x33, 0x123456788e);
		assert_int_equal(regs.rip, HANDLER + (c[i].refused ? 13 : 0x33) * 16);
		f = frame_below(c[i].kernel ? NOW_AT : STACK, c[i].refused ? 8 : 7);
		if (c[i].refused) {
			assert_int_equal(f[2], 0x33 << 3 | 2);
			assert_int_equal(f[3], 0x123456788e);
		} else {
			assert_int_equal(f[2], 0x1234567890);
		}
	}
}

static void int_n_without_a_handler_is_a_general_protection_fault(void **state)
{
	(void)state;
	v->pv.traps[0x44] = (struct pv_trap){ .dpl = 3 };
	pv_software_int(v, &regs, 0x44, 0x123456788e);
	assert_int_equal(regs.rip, HANDLER + 13 * 16);
	assert_int_equal(frame_below(NOW_AT, 8)[2], 0x44 << 3 | 2);
	fresh(NULL);
	v->pv.traps[0x44] = v->pv.traps[13] = (struct pv_trap){ .dpl = 3 };
	pv_software_int(v, &regs, 0x44, 0x123456788e);
	assert_crashed("no handler");
}

/* ------------------------------------------------------- events, NMI, system calls -- */

static void an_event_masks_events(void **state)
{
	(void)state;
	v->vcpu_info->evtchn_upcall_pending = 1;
	pv_deliver_event(v, &regs);
	assert_frame(frame_below(NOW_AT, 7), false, 0, GUEST_CS64 & ~3, F_IF | 0x46, NOW_AT);
	assert_int_equal(regs.rip, HANDLER + 0x300);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 1);
	/* Taking the flag back is the guest's part. */
	assert_int_equal(v->vcpu_info->evtchn_upcall_pending, 1);
}

static void an_event_without_a_callback_ends_the_guest(void **state)
{
	(void)state;
	v->pv.event.rip = 0;
	pv_deliver_event(v, &regs);
	assert_crashed("callback");
}

static void an_nmi_is_delivered_once_until_iret(void **state)
{
	(void)state;
	v->pv.nmi_pending = 1;
	pv_deliver_nmi(v, &regs);
	assert_int_equal(regs.rip, HANDLER + 2 * 16);
	assert_int_equal(v->pv.nmi_masked, 1);
	assert_int_equal(v->pv.nmi_pending, 0);
	v->pv.nmi_pending = 1;
	regs.rip = 1;
	pv_deliver_nmi(v, &regs);
	assert_int_equal(regs.rip, 1);
	assert_int_equal(v->pv.nmi_pending, 1);
	v->pv.nmi_masked = 0;
	pv_deliver_nmi(v, &regs);
	assert_int_equal(regs.rip, HANDLER + 2 * 16);
}

static void an_nmi_without_a_handler_waits(void **state)
{
	(void)state;
	v->pv.nmi_pending = 1;
	v->pv.traps[2].rip = 0;
	pv_deliver_nmi(v, &regs);
	assert_int_equal(regs.rip, 0x1234567890);
	assert_int_equal(v->pv.nmi_pending, 1);
	assert_false(d->crash_noted);
}

/* The three ways in from user, each with its callback and its vector where there is none. */
static const struct {
	void (*enter)(struct vcpu *v, struct cpu_user_regs *regs);
	size_t callback;
	unsigned vector, rip_back;
	bool has_error;
} way[] = {
	{ pv_user_syscall, offsetof(struct pv_vcpu, syscall), 6, 2, false },
	{ pv_user_syscall32, offsetof(struct pv_vcpu, syscall32), 6, 2, false },
	{ pv_sysenter, offsetof(struct pv_vcpu, sysenter), 13, 0, true },
};

static void a_system_call_reaches_its_callback_on_the_kernel_stack(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(way); i++) {
		for (unsigned masks = 0; masks < 2; masks++) {
			fresh(NULL);
			v->pv.kernel_mode = 0;
			*(struct pv_callback *)((char *)&v->pv + way[i].callback) =
				(struct pv_callback){ .rip = HANDLER + 0x500, .masks = masks };
			way[i].enter(v, &regs);
			assert_frame(frame_below(STACK, 7), false, 0, GUEST_CS64, F_IF | 0x46, NOW_AT);
			assert_int_equal(regs.rip, HANDLER + 0x500);
			assert_int_equal(entered_kernel, 1);
			assert_int_equal(v->vcpu_info->evtchn_upcall_mask, masks);
		}
	}
}

static void a_system_call_clears_the_direction_flag_for_the_kernel(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(way); i++) {
		fresh(NULL);
		v->pv.kernel_mode = 0;
		((struct pv_callback *)((char *)&v->pv + way[i].callback))->rip = HANDLER;
		regs.rflags |= F_DF;
		way[i].enter(v, &regs);
		assert_int_equal(frame_below(STACK, 7)[4], F_IF | F_DF | 0x46);
		assert_int_equal(regs.rflags & F_DF, 0);
	}
}

static void a_system_call_without_a_callback_is_a_fault_of_the_instruction(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(way); i++) {
		fresh(NULL);
		v->pv.kernel_mode = 0;
		way[i].enter(v, &regs);
		assert_int_equal(regs.rip, HANDLER + way[i].vector * 16);
		assert_int_equal(frame_below(STACK, way[i].has_error ? 8 : 7)[way[i].has_error ? 3 : 2],
				 0x1234567890 - way[i].rip_back);
	}
}

/* -------------------------------------------------------------------- failsafe -- */

static void set_failsafe(bool masks)
{
	v->pv.failsafe = (struct pv_callback){ .rip = HANDLER + 0x700, .masks = masks };
	v->pv.ds = 0x2b;
	v->pv.es = 0x33;
	v->pv.fs = 0x63;
	v->pv.gs = 0x6b;
}

static void a_failsafe_frame_holds_the_selectors(void **state)
{
	static const u64 want[] = { 0xc0c0, 0x1111, 0x2b, 0x33, 0x63, 0x6b, 0x1234567890, GUEST_CS64 & ~3, F_IF | 0x46,
				    NOW_AT, GUEST_SS };

	(void)state;
	set_failsafe(false);
	pv_failsafe(v, &regs);
	assert_memory_equal(frame_below(NOW_AT, 11), want, sizeof(want));
	assert_int_equal(regs.rip, HANDLER + 0x700);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 0);
}

static void a_failsafe_from_user_switches_to_the_kernel_stack(void **state)
{
	(void)state;
	set_failsafe(true);
	v->pv.kernel_mode = 0;
	pv_failsafe(v, &regs);
	assert_int_equal(frame_below(STACK, 11)[7], GUEST_CS64);
	assert_int_equal(entered_kernel, 1);
	assert_int_equal(v->vcpu_info->evtchn_upcall_mask, 1);
}

static void a_failsafe_without_a_callback_ends_the_guest(void **state)
{
	(void)state;
	pv_failsafe(v, &regs);
	assert_crashed("failsafe");
}

static void a_failsafe_frame_that_does_not_fit_ends_the_guest(void **state)
{
	(void)state;
	set_failsafe(false);
	/* Room for the plain frame, none for the selectors. */
	regs.rsp = FAKE_GUEST_BASE + 0x3000 + 56;
	fake_guest_unmap(FAKE_GUEST_BASE + 0x2000);
	pv_failsafe(v, &regs);
	assert_crashed("stack");
}

static void a_failed_failsafe_frame_touches_no_other_memory(void **state)
{
	static u8 space[FAKE_GUEST_PAGES * PAGE_SIZE];

	(void)state;
	set_failsafe(false);
	v->pv.kernel_mode = 0;
	fake_guest_unmap(STACK - 8);
	memcpy(space, fake_guest(FAKE_GUEST_BASE), sizeof(space));
	pv_failsafe(v, &regs);
	assert_crashed("stack");
	assert_memory_equal(space, fake_guest(FAKE_GUEST_BASE), sizeof(space));
}

#define T(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_exception_from_the_kernel_uses_the_present_stack),
		T(an_exception_from_user_switches_stack_and_mode),
		T(the_error_code_lies_between_r11_and_rip),
		T(exactly_the_vectors_that_have_an_error_code_get_one),
		T(the_stack_is_aligned_before_the_frame),
		T(a_user_code_selector_keeps_its_ring),
		T(the_upcall_mask_is_saved_above_the_selector),
		T(the_saved_if_is_the_virtual_one),
		T(the_saved_flags_have_no_iopl),
		T(the_handler_starts_with_the_cpus_flags_cleared),
		T(only_a_gate_that_masks_sets_the_upcall_mask),
		T(an_unmapped_kernel_stack_ends_the_guest),
		T(a_frame_half_on_an_unmapped_page_ends_the_guest),
		T(a_read_only_kernel_stack_ends_the_guest),
		T(a_wrapping_stack_pointer_ends_the_guest),
		T(an_exception_without_a_handler_ends_the_guest),
		T(a_page_fault_tells_its_address),
		T(a_page_fault_from_the_kernel_says_supervisor),
		T(a_page_fault_from_user_says_user),
		T(int_n_reaches_a_gate_of_ring_3_from_user),
		T(int_n_never_pushes_an_error_code),
		T(int_n_through_a_gate_too_privileged_is_a_general_protection_fault),
		T(int_n_without_a_handler_is_a_general_protection_fault),
		T(an_event_masks_events),
		T(an_event_without_a_callback_ends_the_guest),
		T(an_nmi_is_delivered_once_until_iret),
		T(an_nmi_without_a_handler_waits),
		T(a_system_call_reaches_its_callback_on_the_kernel_stack),
		T(a_system_call_clears_the_direction_flag_for_the_kernel),
		T(a_system_call_without_a_callback_is_a_fault_of_the_instruction),
		T(a_failsafe_frame_holds_the_selectors),
		T(a_failsafe_from_user_switches_to_the_kernel_stack),
		T(a_failsafe_without_a_callback_ends_the_guest),
		T(a_failsafe_frame_that_does_not_fit_ends_the_guest),
		T(a_failed_failsafe_frame_touches_no_other_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
