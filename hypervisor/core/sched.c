// SPDX-License-Identifier: MIT
/*
 * The scheduler: run queues, blocking, and switching between vcpus.
 *
 * Each CPU has a queue of runnable vcpus, served in turn with a time slice.
 * There is one stack per CPU and none per vcpu: a vcpu's hypervisor state is
 * its registers, so a switch happens only where those are complete, on the way
 * back to the guest (do_exit_work).
 *
 * A vcpu that blocks stays loaded: idling keeps its page table, segments and
 * registers in place, and if it is the next to run nothing is moved. `loaded`
 * says whose state the CPU holds; `current` is the vcpu that runs, or the idle
 * one.
 *
 * States (enum vcpu_state) and who changes them, under the queue's lock:
 *
 *   offline ──VCPUOP_up──> runnable <──slice ends / schedule()──> running
 *      ^                      ^                                     │
 *      │                      └────────── sched_wake() ── blocked <─┘ SCHEDOP_block
 *      └──── VCPUOP_down, pause, shutdown: sched_stop() ────────────┘
 */
#include "core/sched.h"
#include "core/access.h"
#include "core/console.h"
#include "core/hypercall.h"
#include "core/time.h"
#include "lib/string.h"
#include "pv/vcpu_pv.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/irq.h"
#include "x86/panic.h"
#include "x86/tlb.h"
#include "x86/xsave.h"

#define TIME_SLICE_NS 10000000ULL /* 10 ms, as credit2's upper bound */

struct run_queue {
	spinlock_t lock;
	struct vcpu *head, *tail; /* [S] runnable, not running */
	struct vcpu *loaded;      /* CPU's own: whose state it holds */
	struct timer slice;
};

static struct run_queue queues[MAX_CPUS];

void __noreturn reset_stack_and_exit(void);
void __noreturn reset_stack_and_jump(void (*fn)(void));

static struct run_queue *queue_of(const struct vcpu *v)
{
	return &queues[v->processor];
}

static void set_work(u32 cpu, u32 bits)
{
	__atomic_fetch_or(&cpu_info_of(cpu)->work, bits, __ATOMIC_SEQ_CST);
	if (cpu != this_cpu())
		send_ipi(cpu, IPI_EVENT);
}

static void slice_over(void *data)
{
	(void)data;
	set_work(this_cpu(), WORK_SCHEDULE);
}

void __init sched_init(void)
{
	for (u32 cpu = 0; cpu < nr_cpus; cpu++) {
		spin_lock_init(&queues[cpu].lock, RANK_SCHED, "run queue");
		timer_init(&queues[cpu].slice, slice_over, NULL, cpu);
	}
}

/* --- Runstates ---------------------------------------------------------------------------- */

static void runstate_change(struct vcpu *v, enum vcpu_state state, u64 now)
{
	v->runstate.time[v->runstate.state] += now - v->runstate.state_entry_time;
	v->runstate.state_entry_time = now;
	v->runstate.state = state;
	v->state = state;
}

void runstate_get(struct vcpu *v, struct vcpu_runstate_info *out)
{
	struct run_queue *q = queue_of(v);
	u64 now = now_ns();

	spin_lock(&q->lock);
	*out = v->runstate;
	spin_unlock(&q->lock);
	out->time[out->state] += now - out->state_entry_time;
}

/*
 * A guest that asked for the update flag sees it set in the entry time before
 * anything else changes, and cleared when all has. One that unmapped its area
 * misses the news; that is its own affair.
 */
static int write_runstate(u64 gva, struct vcpu_runstate_info rs, bool flag)
{
	const u64 at = gva + offsetof(struct vcpu_runstate_info, state_entry_time), entry_time = rs.state_entry_time;

	if (!flag)
		return copy_to_guest(gva, &rs, sizeof(rs));
	rs.state_entry_time |= XEN_RUNSTATE_UPDATE;
	return copy_to_guest(at, &rs.state_entry_time, 8) ?: copy_to_guest(gva, &rs, sizeof(rs)) ?:
	       copy_to_guest(at, &entry_time, 8);
}

void runstate_publish(struct vcpu *v)
{
	bool user = !v->pv.kernel_mode;

	if (!v->runstate_gva)
		return;
	/* The area is in the kernel's address space. */
	if (user)
		write_cr3(v->pv.kernel_cr3);
	write_runstate(v->runstate_gva, v->runstate, bit_test(&v->domain->vm_assist, VMASST_TYPE_runstate_update_flag));
	if (user)
		write_cr3(v->pv.user_cr3);
}

/* --- Queues ----------------------------------------------------------------------------------- */

static void enqueue(struct run_queue *q, struct vcpu *v)
{
	v->rq_next = NULL;
	if (q->tail)
		q->tail->rq_next = v;
	else
		q->head = v;
	q->tail = v;
}

static void dequeue(struct run_queue *q, struct vcpu *v)
{
	struct vcpu **p = &q->head, *prev = NULL;

	while (*p && *p != v) {
		prev = *p;
		p = &(*p)->rq_next;
	}
	if (!*p)
		return;
	*p = v->rq_next;
	if (q->tail == v)
		q->tail = prev;
}

static bool may_run(const struct vcpu *v)
{
	return !v->down && !READ_ONCE(v->pause_count) && !v->domain->is_shut_down;
}

void sched_wake(struct vcpu *v)
{
	struct run_queue *q = queue_of(v);

	spin_lock(&q->lock);
	if ((v->state == VCPU_BLOCKED || v->state == VCPU_OFFLINE) && may_run(v) && !READ_ONCE(v->blocked)) {
		runstate_change(v, VCPU_RUNNABLE, now_ns());
		enqueue(q, v);
		spin_unlock(&q->lock);
		set_work(v->processor, WORK_SCHEDULE);
		return;
	}
	spin_unlock(&q->lock);
}

void sched_stop(struct vcpu *v)
{
	struct run_queue *q = queue_of(v);

	spin_lock(&q->lock);
	if (v->state == VCPU_RUNNABLE) {
		dequeue(q, v);
		runstate_change(v, VCPU_OFFLINE, now_ns());
	} else if (v->state == VCPU_BLOCKED) {
		runstate_change(v, VCPU_OFFLINE, now_ns());
	}
	spin_unlock(&q->lock);
	if (v->state == VCPU_RUNNING)
		set_work(v->processor, WORK_SCHEDULE);
}

void vcpu_kick(struct vcpu *v)
{
	if (READ_ONCE(v->blocked)) {
		WRITE_ONCE(v->blocked, false);
		sched_wake(v);
	} else if (v != current && v->state == VCPU_RUNNING && v->processor != this_cpu()) {
		send_ipi(v->processor, IPI_EVENT);
	}
}

/* Whatever ended it: the event it waited for, another one, or the time-out. */
static void poll_over(struct vcpu *v)
{
	v->in_poll = false;
	events_poll_end(v);
	timer_stop(&v->poll_timer);
}

/* --- Switching ------------------------------------------------------------------------------------ */

static void switch_state(struct run_queue *q, struct vcpu *next)
{
	struct cpu_info *ci = this_cpu_info();

	if (q->loaded != next) {
		if (q->loaded)
			pv_save(q->loaded);
		bit_set_atomic(next->domain->dirty_cpus, this_cpu());
		q->loaded = next;
		ci->vcpu = next;
		pv_load(next);
		fpu_load(next);
		time_publish(next);
	}
	ci->vcpu = next;
	if (next->in_poll)
		poll_over(next);
	runstate_publish(next);
}

static void __noreturn idle_loop(void)
{
	struct cpu_info *ci = this_cpu_info();

	for (;;) {
		while (!READ_ONCE(ci->work))
			__asm__ volatile("sti; hlt; cli" ::: "memory");
		do_exit_work();
		if (!ci->vcpu->is_idle)
			reset_stack_and_exit();
	}
}

/* Who runs next here. Leaves by the idle loop when nobody can. */
static void schedule(void)
{
	u32 cpu = this_cpu();
	struct run_queue *q = &queues[cpu];
	struct cpu_info *ci = this_cpu_info();
	struct vcpu *prev = ci->vcpu, *next;
	u64 now = now_ns();

	spin_lock(&q->lock);
	if (!prev->is_idle && prev->state == VCPU_RUNNING) {
		if (may_run(prev) && !READ_ONCE(prev->blocked)) {
			if (!q->head) {
				spin_unlock(&q->lock);
				return;
			}
			runstate_change(prev, VCPU_RUNNABLE, now);
			enqueue(q, prev);
		} else {
			runstate_change(prev, may_run(prev) ? VCPU_BLOCKED : VCPU_OFFLINE, now);
		}
	}
	next = q->head;
	if (next) {
		dequeue(q, next);
		runstate_change(next, VCPU_RUNNING, now);
		if (q->head)
			timer_set(&q->slice, now + TIME_SLICE_NS);
	}
	spin_unlock(&q->lock);

	if (next) {
		switch_state(q, next);
		return;
	}
	if (prev->is_idle)
		return;
	ci->vcpu = ci->pcpu->idle;
	reset_stack_and_jump(idle_loop);
}

void do_exit_work(void)
{
	struct cpu_info *ci = this_cpu_info();
	u32 work;

	while ((work = __atomic_exchange_n(&ci->work, 0, __ATOMIC_SEQ_CST))) {
		if (work & WORK_FLUSH)
			tlb_serve_requests();
		if (work & WORK_TIMER)
			timer_run_expired(&ci->pcpu->timers, now_ns());
		if (work & WORK_CONSOLE)
			console_work();
		if (work & (WORK_SCHEDULE | WORK_TIMER))
			schedule();
		if ((work & WORK_NMI) && !ci->vcpu->is_idle)
			pv_deliver_nmi(ci->vcpu, &ci->regs);
		/* Interrupts that came meanwhile may have set more. */
		irq_window();
	}
}

bool preempt_check(void)
{
	struct cpu_info *ci = this_cpu_info();
	struct vcpu *v = ci->vcpu;

	irq_window();
	if (READ_ONCE(ci->work))
		return true;
	return !v->is_idle && READ_ONCE(v->vcpu_info->evtchn_upcall_pending) &&
	       !READ_ONCE(v->vcpu_info->evtchn_upcall_mask);
}

void __noreturn sched_start(void)
{
	set_work(this_cpu(), WORK_SCHEDULE);
	this_cpu_info()->vcpu = this_pcpu()->idle;
	reset_stack_and_jump(idle_loop);
}

/* --- sched_op -------------------------------------------------------------------------------------- */

static bool events_due(const struct vcpu *v)
{
	return READ_ONCE(v->vcpu_info->evtchn_upcall_pending) && !READ_ONCE(v->vcpu_info->evtchn_upcall_mask);
}

static long block(struct vcpu *v)
{
	WRITE_ONCE(v->vcpu_info->evtchn_upcall_mask, 0);
	WRITE_ONCE(v->blocked, true);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* An event before `blocked` was seen to be set would have woken nobody. */
	if (events_due(v))
		WRITE_ONCE(v->blocked, false);
	else
		set_work(this_cpu(), WORK_SCHEDULE);
	return 0;
}

static void poll_timeout(void *data)
{
	struct vcpu *v = data;

	events_poll_end(v);
	vcpu_kick(v);
}

static long poll(struct vcpu *v, u64 gva)
{
	struct sched_poll p;
	struct domain *d = v->domain;
	u32 port = 0;

	if (copy_from_guest(&p, gva, sizeof(p)))
		return -EFAULT;
	if (p.nr_ports > 128)
		return -EINVAL;
	if (!v->poll_timer.fn)
		timer_init(&v->poll_timer, poll_timeout, v, v->processor);
	if (p.nr_ports == 1 && copy_from_guest(&port, p.ports, 4))
		return -EFAULT;
	WRITE_ONCE(v->blocked, true);
	events_poll_begin(v, p.nr_ports == 1 ? port : ~0u);
	for (u32 i = 0; i < p.nr_ports; i++) {
		long rc = 0;

		if (copy_from_guest(&port, p.ports + i * 4, 4))
			rc = -EFAULT;
		else if (port >= EVTCHN_MAX_PORTS)
			rc = -EINVAL;
		if (rc || evtchn_port_pending(d, port)) {
			events_poll_end(v);
			WRITE_ONCE(v->blocked, false);
			return rc;
		}
	}
	if (events_due(v) || !v->polling) {
		events_poll_end(v);
		WRITE_ONCE(v->blocked, false);
		return 0;
	}
	v->in_poll = true;
	if (p.timeout)
		timer_set(&v->poll_timer, p.timeout);
	set_work(this_cpu(), WORK_SCHEDULE);
	return 0;
}

static const char *const shutdown_names[] = { "poweroff", "reboot", "suspend", "crash", "watchdog", "soft reset" };

/* What dom0's end means for the machine. */
static void __noreturn dom0_ended(u8 reason)
{
	const char *name = reason < ARRAY_SIZE(shutdown_names) ? shutdown_names[reason] : "unknown reason";

	hv_log(LOG_ERR, "dom0 shut down (%s)%s%s\n", name, dom0->crash_reason[0] ? ": " : "", dom0->crash_reason);
	if (reason == SHUTDOWN_poweroff) {
		hv_log(LOG_ERR, "halting; the machine may be switched off\n");
		machine_halt();
	}
	if (reason != SHUTDOWN_reboot && machine_noreboot) {
		hv_log(LOG_ERR, "'noreboot' is set: not restarting\n");
		machine_halt();
	}
	hv_log(LOG_ERR, "restarting the machine\n");
	machine_restart();
}

void domain_shutdown(struct domain *d, u8 reason)
{
	spin_lock(&d->lock);
	if (d->is_shut_down) {
		spin_unlock(&d->lock);
		return;
	}
	d->is_shut_down = true;
	d->shutdown_code = reason;
	spin_unlock(&d->lock);
	if (d == dom0)
		dom0_ended(reason);
	for (u32 i = 0; i < d->max_vcpus; i++)
		if (d->vcpus[i])
			sched_stop(d->vcpus[i]);
	send_global_virq(dom0, VIRQ_DOM_EXC);
}

HYPERCALL(hc_sched_op)
{
	struct vcpu *v = current;
	u32 reason;

	switch (a1) {
	case SCHEDOP_yield:
		set_work(this_cpu(), WORK_SCHEDULE);
		return 0;
	case SCHEDOP_block:
		return block(v);
	case SCHEDOP_shutdown:
		if (copy_from_guest(&reason, a2, 4))
			return -EFAULT;
		if (reason > SHUTDOWN_MAX)
			return -EINVAL;
		domain_shutdown(v->domain, reason);
		return 0;
	case SCHEDOP_poll:
		return poll(v, a2);
	default:
		return -ENOSYS;
	}
}
