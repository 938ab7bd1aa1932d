// SPDX-License-Identifier: MIT
/*
 * Fuzz target: the hypercalls of four domains that mean no good.
 *
 * The input is a sequence of operations (core_calls.c); each begins with the
 * vcpu that acts and with the trouble it meets: preemption, faults of the copy
 * functions, allocations that fail, and another vcpu that does something in the
 * middle of the call, at any place where no lock is held. A call that was
 * interrupted is repeated as its guest would, at once or after others. After
 * each operation all invariants are checked (core_check.c), and at the end all
 * domains are taken apart, when nothing may be left.
 *
 * FUZZ_CHECK_EVERY in the environment checks only after every so many operations.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPS_MAX 400u       /* of one input */
#define REPEATS_MAX 10000u /* of one call: more mean that it gets nowhere */
#define NESTED_MAX 2u      /* calls in the middle of others */

static const uint8_t *input;
static size_t input_left;

bool in_left(void) { return input_left; }

/* Beyond its end the input is zeros. */
u8 in8(void)
{
	if (!input_left)
		return 0;
	input_left--;
	return *input++;
}

u16 in16(void)
{
	u16 low = in8();

	return low | in8() << 8;
}

u32 in32(void)
{
	u32 low = in16();

	return low | (u32)in16() << 16;
}

/* --- Calls --------------------------------------------------------------------------- */

/* Of each vcpu: the call that it has to repeat. */
static struct {
	bool due;
	unsigned nr;
} repeat[NCPU];

static u32 busy_cpus; /* bitmap: in the middle of a hypercall */

/* The registers hold the arguments. True: to be repeated with what they hold then. */
static bool call_once(struct vcpu *v, unsigned nr)
{
	u32 before = fake_cpus.now;
	struct cpu_info *ci;
	struct vcpu *was = fake_cpus.info[before].vcpu;
	struct cpu_user_regs *r;
	long rc;
	bool again;

	fake_run_on(cpu_of(v), v);
	ci = this_cpu_info();
	r = &ci->regs;
	ci->continued = false;
	busy_cpus |= 1u << cpu_of(v);
	calls_running++;
	rc = fake_hypercall(nr, r->rdi, r->rsi, r->rdx, r->r10, r->r8);
	calls_running--;
	busy_cpus &= ~(1u << cpu_of(v));
	again = rc == -ERESTART && ci->continued;
	if (rc == -ERESTART && !again && nr != __HYPERVISOR_get_debugreg)
		broken("hypercall %u of d%uv%u shows the guest -ERESTART", nr, v->domain->domain_id, v->vcpu_id);
	if (fake_locks_held())
		broken("hypercall %u leaves a lock held", nr);
	ci->work = 0;
	fake_run_on(before, was);
	return again;
}

/* The vcpu of CPU `k` goes on with what it was at; or, if its call failed with a job left, makes an empty call. */
static void let_go_on(u32 k)
{
	struct vcpu *v = dom[k / NVCPU]->vcpus[k % NVCPU];

	if (!repeat[k].due && v->pv.job.depth) {
		fake_cpus.info[k].regs.rsi = fake_cpus.info[k].regs.rdx = 0;
		fake_cpus.info[k].regs.r10 = DOMID_SELF;
		call_once(v, __HYPERVISOR_mmu_update);
	}
	if (repeat[k].due)
		repeat[k].due = call_once(v, repeat[k].nr);
}

static void go_on(struct vcpu *v, bool to_the_end)
{
	u32 cpu = cpu_of(v);

	for (u32 i = 0; repeat[cpu].due && (to_the_end || !i); i++) {
		repeat[cpu].due = call_once(v, repeat[cpu].nr);
		if (i == REPEATS_MAX)
			broken("hypercall %u of d%uv%u never ends", repeat[cpu].nr, v->domain->domain_id, v->vcpu_id);
		/* Another vcpu's unfinished job can be what this one waits for. */
		if (i >= REPEATS_MAX / 2)
			for (u32 k = 0; k < NCPU; k++)
				if (k != cpu && !busy_cpus)
					let_go_on(k);
	}
}

static void new_call(struct vcpu *v, bool to_the_end)
{
	struct cpu_user_regs *r = &fake_cpus.info[cpu_of(v)].regs;
	struct call c;
	u32 used = 0;

	call_build(v, &c, &used);
	r->rdi = c.a[0];
	r->rsi = c.a[1];
	r->rdx = c.a[2];
	r->r10 = c.a[3];
	r->r8 = c.a[4];
	repeat[cpu_of(v)].due = true;
	repeat[cpu_of(v)].nr = c.nr;
	go_on(v, to_the_end);
}

/* --- Operations -------------------------------------------------------------------------- */

/* dom0 destroys another domain: its vcpus are off their CPUs, whatever they were at. */
static void destroy(u8 b)
{
	struct domain *d = dom[1 + b % (NDOM - 1)];
	struct vcpu *killer = dom[0]->vcpus[b / NDOM % NVCPU];

	/* Its own unfinished tables could wait for another vcpu's, which does nothing meanwhile. */
	if (calls_running || d->is_dying || killer->pv.job.depth)
		return;
	for (u32 i = 0; i < NVCPU; i++)
		repeat[cpu_of(d->vcpus[i])].due = false;
	machine_kill(d, killer);
}

static void act(struct vcpu *v, bool to_the_end)
{
	u8 b = in8();

	if (b < 0x60)
		guest_store(v);
	else if (b < 0xe0)
		new_call(v, to_the_end);
	else if (b < 0xf0)
		go_on(v, to_the_end);
	else if (b < 0xf7)
		machine_event();
	else if (b == 0xf7)
		destroy(in8());
	else if (v->pv.user_cr3)
		v->pv.kernel_mode ^= 1;
	else
		v->domain->crash_noted = false;
	v->vcpu_info->evtchn_upcall_pending &= 1;
}

/* The vcpu that a byte names; one that was never brought up can't act. */
static struct vcpu *actor(u8 b)
{
	struct domain *d = dom[b % NDOM];
	struct vcpu *v = d->vcpus[b / NDOM % NVCPU];

	/* Of a dead domain nobody acts: dom0 does in its place. */
	if (d->is_dying)
		return dom[0]->vcpus[0];
	return v->pv.kernel_cr3 ? v : d->vcpus[0];
}

/* In the middle of a hypercall, on another CPU. */
static void other_acts(void)
{
	struct vcpu *v = actor(in8());

	if (calls_running < NESTED_MAX && input_left && !(busy_cpus >> cpu_of(v) & 1))
		act(v, false);
}

static void operation(void)
{
	struct vcpu *v = actor(in8());
	u8 how = in8();

	trouble = (struct trouble){ .copy_faults = -1, .interject = -1 };
	fake.alloc_fail_after = -1;
	/* One time in four something goes wrong. */
	if (how >= 0xc0) {
		if (how & 1)
			trouble.preempt_every = 1 + in8() % 4;
		if (how & 2)
			trouble.copy_faults = in8() % 16;
		if (how & 4)
			fake.alloc_fail_after = in8() % 3;
		if (how & 8)
			trouble.interject = in8() % 24;
	}
	act(v, !(how & 16));
	machine_reap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static u32 every;
	const char *option;

	if (!every) {
		option = getenv("FUZZ_CHECK_EVERY");
		every = option && atoi(option) > 0 ? atoi(option) : 1;
	}
	input = data;
	input_left = size;
	memset(repeat, 0, sizeof(repeat));
	busy_cpus = 0;
	other_vcpu_runs = other_acts;
	machine_start();
	check_everything();
	for (u32 i = 1; i <= OPS_MAX && input_left; i++) {
		operation();
		if (i % every == 0)
			check_everything();
	}
	machine_end();
	return 0;
}
