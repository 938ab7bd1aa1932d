// SPDX-License-Identifier: MIT
/*
 * The scheduler: run queues, blocking, and switching between vcpus.
 *
 * Who runs next. Each vcpu has a virtual time: the nanoseconds it ran, divided
 * by its domain's weight (256 counts them one to one). Each CPU has a queue of
 * the vcpus that wait for it, the one with the least virtual time first, and
 * that one runs when the running vcpu blocks, yields, or has used its slice up.
 * A vcpu that wakes goes ahead of one that has run for long: its virtual time is
 * behind, though by no more than WAKE_CREDIT_NS, so sleeping saves nothing up.
 *
 * Which CPU. A vcpu that wakes goes to an idle CPU, its own if that is idle. A
 * CPU with nothing to do takes a waiting vcpu from another's queue. A vcpu whose
 * slice ended, while elsewhere one runs that had far more time, moves there. So
 * three vcpus on two CPUs get two thirds of a CPU each.
 *
 * Switching. There is one stack per CPU and none per vcpu: a vcpu's hypervisor
 * state is its registers, so a switch happens only where those are complete, on
 * the way back to the guest (do_exit_work). A vcpu that blocks stays loaded:
 * idling keeps its page table, segments and registers in place, and if it is the
 * next to run there nothing is moved.
 *
 *  1. v->loaded is set from pv_load() until pv_save() has finished, by the CPU
 *     that is v->processor then. A loaded vcpu changes neither queue nor CPU.
 *  2. A vcpu is in the queue of v->processor if and only if it is RUNNABLE.
 *  3. v->processor changes only with the locks of both queues held.
 *  4. queue->curr is the vcpu that is RUNNING there, NULL while the CPU idles.
 *
 * States (enum vcpu_state) and who changes them, under the queue's lock:
 *
 *   offline ──VCPUOP_up──> runnable <──slice ends / schedule()──> running
 *      ^                      ^                                     │
 *      │                      └────────── sched_wake() ── blocked <─┘ SCHEDOP_block
 *      └──── VCPUOP_down, pause, shutdown: sched_stop() ────────────┘
 */
#include "core/sched.h"
#include "core/console.h"
#include "core/time.h"
#include "pv/vcpu_pv.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/irq.h"
#include "x86/mce.h"
#include "x86/microcode.h"
#include "x86/paging.h"
#include "x86/protection.h"
#include "x86/smp.h"
#include "x86/tlb.h"
#include "x86/xsave.h"

#define SLICE_NS 10000000ULL      /* 10 ms, as credit2's upper bound; shared among those that wait */
#define SLICE_MIN_NS 2000000ULL
#define WAKE_CREDIT_NS 5000000ULL
#define MOVE_NS 20000000ULL       /* two slices behind the vcpu running elsewhere: worth a move */

u32 sched_ratelimit_ns = 1000000; /* as credit2's */

struct run_queue {
	spinlock_t lock;
	struct vcpu *head;   /* [S] by vtime */
	struct vcpu *curr;   /* [S] */
	u32 waiting;         /* [S] length of the queue; others look without the lock */
	struct vcpu *loaded; /* CPU's own: whose state it holds */
	bool slice_over;     /* CPU's own */
	u64 idle_ns;         /* [S] before idle_since */
	u64 idle_since;      /* [S] 0 while it is busy */
	struct timer slice;
} __aligned(64);

static struct run_queue queues[MAX_CPUS];
static u64 idle_cpus[BITMAP_WORDS(MAX_CPUS)]; /* [A] with nr_cpus == 1 not kept */
static u64 vtime_floor; /* [A] the least virtual time of any busy queue, at its highest */

void __noreturn reset_stack_and_exit(void);
void __noreturn reset_stack_and_jump(void (*fn)(void));

static struct run_queue *lock_queue_of(const struct vcpu *v)
{
	for (;;) {
		u32 cpu = READ_ONCE(v->processor);

		spin_lock(&queues[cpu].lock);
		if (likely(v->processor == cpu))
			return &queues[cpu];
		spin_unlock(&queues[cpu].lock);
	}
}

void set_work(u32 cpu, u32 bits)
{
	__atomic_fetch_or(&cpu_info_of(cpu)->work, bits, __ATOMIC_SEQ_CST);
	if (cpu != this_cpu())
		send_ipi(cpu, IPI_EVENT);
}

static void slice_ended(void *data)
{
	struct run_queue *q = data;

	q->slice_over = true;
	set_work(this_cpu(), WORK_SCHEDULE);
}

void __init sched_cpu_init(u32 cpu)
{
	spin_lock_init(&queues[cpu].lock, RANK_SCHED, "run queue");
	timer_init(&queues[cpu].slice, slice_ended, &queues[cpu], cpu);
}

/* --- Runstates ---------------------------------------------------------------------------- */

static void runstate_change(struct vcpu *v, enum vcpu_state state, u64 now)
{
	now = max(now, v->runstate.state_entry_time); /* clocks of two CPUs may differ by a little */
	v->runstate.time[v->runstate.state] += now - v->runstate.state_entry_time;
	v->runstate.state_entry_time = now;
	v->runstate.state = state;
	v->state = state;
}

void runstate_get(struct vcpu *v, struct vcpu_runstate_info *out)
{
	struct run_queue *q = lock_queue_of(v);

	*out = v->runstate;
	spin_unlock(&q->lock);
	out->time[out->state] += now_ns() - out->state_entry_time;
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

/* Adds to v's virtual time what it ran since the last call. */
static void charge(struct vcpu *v, u64 now)
{
	/* Clocks of two CPUs may differ by a little. */
	if (now <= v->charged_at)
		return;
	v->vtime += (now - v->charged_at) * SCHED_WEIGHT_DEFAULT / READ_ONCE(v->domain->weight);
	v->charged_at = now;
}

static void raise_floor(u64 vtime)
{
	if (vtime > READ_ONCE(vtime_floor))
		WRITE_ONCE(vtime_floor, vtime);
}

static void enqueue(struct run_queue *q, struct vcpu *v)
{
	struct vcpu **p = &q->head;

	while (*p && (*p)->vtime <= v->vtime)
		p = &(*p)->rq_next;
	v->rq_next = *p;
	*p = v;
	WRITE_ONCE(q->waiting, q->waiting + 1);
}

/* v is in q. */
static void dequeue(struct run_queue *q, struct vcpu *v)
{
	struct vcpu **p = &q->head;

	while (*p != v)
		p = &(*p)->rq_next;
	*p = v->rq_next;
	WRITE_ONCE(q->waiting, q->waiting - 1);
}

static bool may_run(const struct vcpu *v)
{
	return !READ_ONCE(v->down) && !READ_ONCE(v->pause_count) && !READ_ONCE(v->domain->pause_count) &&
	       !READ_ONCE(v->domain->is_shut_down);
}

/* An idle CPU, `first` if that is; MAX_CPUS when all are busy. */
static u32 idle_cpu(u32 first)
{
	if (bit_test(idle_cpus, first))
		return first;
	for (u32 w = 0; w * 64 < nr_cpus; w++) {
		u64 bits = READ_ONCE(idle_cpus[w]);

		if (bits)
			return w * 64 + __builtin_ctzll(bits);
	}
	return MAX_CPUS;
}

/* Locks the queue of v and that of a CPU where it may wake, and moves it there. Both are returned locked. */
static void lock_for_wake(struct vcpu *v, u32 *from, u32 *to)
{
	for (;;) {
		*from = *to = READ_ONCE(v->processor);
		if (nr_cpus > 1 && !READ_ONCE(v->loaded)) {
			*to = idle_cpu(*from);
			if (*to == MAX_CPUS)
				*to = *from;
		}
		spin_lock_two(&queues[*from].lock, &queues[*to].lock);
		if (likely(v->processor == *from && (*from == *to || !READ_ONCE(v->loaded))))
			return;
		spin_unlock_two(&queues[*from].lock, &queues[*to].lock);
	}
}

void sched_wake(struct vcpu *v)
{
	u32 from, to;
	bool woken = false;

	lock_for_wake(v, &from, &to);
	if ((v->state == VCPU_BLOCKED || v->state == VCPU_OFFLINE) && may_run(v) && !READ_ONCE(v->blocked)) {
		u64 floor = READ_ONCE(vtime_floor);

		if (v->vtime + WAKE_CREDIT_NS < floor)
			v->vtime = floor - WAKE_CREDIT_NS;
		v->processor = to;
		runstate_change(v, VCPU_RUNNABLE, now_ns());
		enqueue(&queues[to], v);
		woken = true;
	}
	spin_unlock_two(&queues[from].lock, &queues[to].lock);
	if (woken)
		set_work(to, WORK_SCHEDULE);
}

void sched_stop(struct vcpu *v)
{
	struct run_queue *q = lock_queue_of(v);
	u32 cpu = v->processor;
	bool look = v->state == VCPU_RUNNING || READ_ONCE(v->loaded);

	if (v->state == VCPU_RUNNABLE)
		dequeue(q, v);
	if (v->state != VCPU_RUNNING)
		runstate_change(v, VCPU_OFFLINE, now_ns());
	spin_unlock(&q->lock);
	/* It is taken off the CPU, or out of it. */
	if (look)
		set_work(cpu, WORK_SCHEDULE);
}

void sched_yield(struct vcpu *v)
{
	struct run_queue *q = lock_queue_of(v);

	charge(v, now_ns());
	if (q->head) {
		v->vtime = max(v->vtime, q->head->vtime);
		q->slice_over = true;
		set_work(this_cpu(), WORK_SCHEDULE);
	}
	spin_unlock(&q->lock);
}

u64 sched_idle_ns(u32 cpu)
{
	struct run_queue *q = &queues[cpu];
	u64 now = now_ns(), ns;

	spin_lock(&q->lock);
	ns = q->idle_ns + (q->idle_since ? now - min(now, q->idle_since) : 0);
	spin_unlock(&q->lock);
	return ns;
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

void sched_show(void)
{
	for (u32 c = 0; c < nr_cpus; c++) {
		struct run_queue *q = &queues[c];

		spin_lock(&q->lock);
		if (q->curr)
			hv_log(LOG_ERR, "CPU %u: runs d%uv%u, virtual time %llu us, %u waiting\n", c, q->curr->domain->domain_id,
			       q->curr->vcpu_id, (unsigned long long)q->curr->vtime / 1000, q->waiting);
		else
			hv_log(LOG_ERR, "CPU %u: idle, %u waiting\n", c, q->waiting);
		for (const struct vcpu *v = q->head; v; v = v->rq_next)
			hv_log(LOG_ERR, "  d%uv%u waits, virtual time %llu us\n", v->domain->domain_id, v->vcpu_id,
			       (unsigned long long)v->vtime / 1000);
		spin_unlock(&q->lock);
	}
}

/* --- Balance between CPUs ---------------------------------------------------------------------- */

/* With both queues locked: v, which waits in `from`, waits in `to` now. */
static void move(struct vcpu *v, u32 from, u32 to)
{
	dequeue(&queues[from], v);
	v->processor = to;
	enqueue(&queues[to], v);
}

/* This CPU has nothing to do: looks for a vcpu that waits elsewhere. True: it is in our queue. */
static bool steal(u32 cpu)
{
	for (u32 i = 1; i < nr_cpus; i++) {
		u32 from = cpu + i < nr_cpus ? cpu + i : cpu + i - nr_cpus;
		struct vcpu *v;

		if (!READ_ONCE(queues[from].waiting))
			continue;
		spin_lock_two(&queues[cpu].lock, &queues[from].lock);
		for (v = queues[from].head; v && __atomic_load_n(&v->loaded, __ATOMIC_ACQUIRE); v = v->rq_next)
			;
		if (v)
			move(v, from, cpu);
		spin_unlock_two(&queues[cpu].lock, &queues[from].lock);
		if (v)
			return true;
	}
	return false;
}

/* The CPU whose running vcpu had more time than any other's, and MOVE_NS more than `vtime`; MAX_CPUS: none. */
static u32 favoured_cpu(u64 vtime)
{
	u32 best = MAX_CPUS;

	vtime += MOVE_NS;
	for (u32 c = 0; c < nr_cpus; c++) {
		struct run_queue *q = &queues[c];

		spin_lock(&q->lock);
		if (q->curr && c != this_cpu()) {
			charge(q->curr, now_ns());
			if (q->curr->vtime > vtime) {
				vtime = q->curr->vtime;
				best = c;
			}
		}
		spin_unlock(&q->lock);
	}
	return best;
}

/* v had to leave this CPU and its state is saved: perhaps there is a better place for it. */
static void find_place(struct vcpu *v, u32 here)
{
	u32 to = idle_cpu(here);

	if (to != MAX_CPUS) {
		set_work(to, WORK_SCHEDULE); /* it will take v, or whoever waits */
		return;
	}
	to = favoured_cpu(v->vtime);
	if (to == MAX_CPUS)
		return;
	spin_lock_two(&queues[here].lock, &queues[to].lock);
	if (v->processor == here && v->state == VCPU_RUNNABLE)
		move(v, here, to);
	spin_unlock_two(&queues[here].lock, &queues[to].lock);
	set_work(to, WORK_SCHEDULE);
}

/* --- Switching ------------------------------------------------------------------------------------ */

/* The state of `old`, if any, was replaced on this CPU. */
static void unloaded(struct vcpu *old, const struct vcpu *next)
{
	if (!old)
		return;
	if (!next || next->domain != old->domain)
		bit_clear_atomic(old->domain->dirty_cpus, this_cpu());
	__atomic_store_n(&old->loaded, false, __ATOMIC_RELEASE);
}

static void move_timers(struct vcpu *v, u32 cpu)
{
	timer_migrate(&v->singleshot, cpu);
	timer_migrate(&v->periodic, cpu);
	timer_migrate(&v->poll_timer, cpu);
}

static void load(struct run_queue *q, struct vcpu *next)
{
	struct cpu_info *ci = this_cpu_info();
	struct vcpu *old = q->loaded;

	if (old) {
		pv_save(old);
		fpu_save(old);
	}
	protection_vcpu_switch();
	__atomic_store_n(&next->loaded, true, __ATOMIC_RELAXED);
	bit_set_atomic(next->domain->dirty_cpus, ci->cpu);
	q->loaded = next;
	ci->vcpu = next;
	pv_load(next);
	fpu_load(next);
	time_publish(next);
	unloaded(old, next);
	if (next->singleshot.cpu != ci->cpu)
		move_timers(next, ci->cpu);
	if (nr_cpus > 1 && old && READ_ONCE(old->state) == VCPU_RUNNABLE)
		find_place(old, ci->cpu);
}

/* Nothing of the vcpu that was loaded stays behind: it may be looked at, moved, or freed. */
static void unload(struct run_queue *q)
{
	struct vcpu *old = q->loaded;

	pv_save(old);
	fpu_save(old);
	pv_unload();
	q->loaded = NULL;
	unloaded(old, NULL);
}

static void switch_to(struct run_queue *q, struct vcpu *next)
{
	if (q->loaded != next)
		load(q, next);
	this_cpu_info()->vcpu = next;
	if (next->in_poll)
		poll_over(next);
	if (next->pv.nmi_pending)
		set_work(this_cpu(), WORK_NMI);
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

/* Under the queue's lock. True: `prev`, which runs and may go on, shall do so. */
static bool goes_on(const struct run_queue *q, const struct vcpu *prev)
{
	if (!q->head)
		return true;
	return q->slice_over ? prev->vtime < q->head->vtime : prev->vtime <= q->head->vtime + sched_ratelimit_ns;
}

/*
 * Under the queue's lock: who runs next, already RUNNING; NULL for nobody. The
 * vcpu that ran is back in the queue, or in the state that it asked for.
 */
static struct vcpu *pick(struct run_queue *q, struct vcpu *prev, u64 now)
{
	struct vcpu *next = prev;

	if (prev) {
		charge(prev, now);
		if (!may_run(prev) || READ_ONCE(prev->blocked)) {
			runstate_change(prev, may_run(prev) ? VCPU_BLOCKED : VCPU_OFFLINE, now);
			next = NULL;
		} else if (!goes_on(q, prev)) {
			runstate_change(prev, VCPU_RUNNABLE, now);
			enqueue(q, prev);
			next = NULL;
		}
	}
	if (!next && (next = q->head)) {
		dequeue(q, next);
		next->charged_at = now;
		runstate_change(next, VCPU_RUNNING, now);
	}
	if (!next && !q->idle_since) {
		q->idle_since = now;
	} else if (next && q->idle_since) {
		q->idle_ns += now - min(now, q->idle_since);
		q->idle_since = 0;
	}
	q->curr = next;
	q->slice_over = false;
	if (next)
		raise_floor(q->head ? min(next->vtime, q->head->vtime) : next->vtime);
	if (q->head)
		timer_set(&q->slice, now + max(SLICE_NS / q->waiting, SLICE_MIN_NS));
	return next;
}

/* Who runs next here. Leaves by the idle loop when nobody can. */
static void schedule(void)
{
	struct cpu_info *ci = this_cpu_info();
	struct run_queue *q = &queues[ci->cpu];
	struct vcpu *prev = ci->vcpu->is_idle ? NULL : ci->vcpu, *next;

	do {
		spin_lock(&q->lock);
		next = pick(q, prev, now_ns());
		if (nr_cpus > 1 && !next)
			bit_set_atomic(idle_cpus, ci->cpu);
		spin_unlock(&q->lock);
		if (next && next == prev) {
			if (next->in_poll)
				poll_over(next);
			return;
		}
		prev = NULL;
	} while (!next && steal(ci->cpu));

	if (next) {
		if (nr_cpus > 1 && bit_test(idle_cpus, ci->cpu))
			bit_clear_atomic(idle_cpus, ci->cpu);
		switch_to(q, next);
		return;
	}
	if (q->loaded && READ_ONCE(q->loaded->state) == VCPU_OFFLINE)
		unload(q);
	if (ci->vcpu->is_idle)
		return;
	ci->vcpu = ci->pcpu->idle;
	reset_stack_and_jump(idle_loop);
}

/* dom0's first vcpu may have an NMI to take: it runs here, or does not run and must. */
static void nmi_work(void)
{
	struct cpu_info *ci = this_cpu_info();
	struct vcpu *v = dom0 ? dom0->vcpus[0] : NULL;

	if (v && READ_ONCE(v->pv.nmi_pending) && READ_ONCE(v->blocked))
		vcpu_kick(v);
	if (!ci->vcpu->is_idle)
		pv_deliver_nmi(ci->vcpu, &ci->regs);
}

void do_exit_work(void)
{
	struct cpu_info *ci = this_cpu_info();
	u32 work;

	while ((work = __atomic_exchange_n(&ci->work, 0, __ATOMIC_SEQ_CST))) {
		if (work & WORK_QUIESCE)
			smp_quiesced();
		if (work & WORK_FLUSH)
			tlb_serve_requests();
		if (work & WORK_MICROCODE)
			microcode_work();
		if (work & WORK_MCE)
			mce_work();
		if (work & WORK_CONSOLE)
			console_work();
		if (work & WORK_TIMER)
			timer_run_expired(&ci->pcpu->timers, now_ns());
		if (work & WORK_SCHEDULE)
			schedule();
		if (work & WORK_NMI)
			nmi_work();
		if (work & WORK_REAP)
			domains_reap();
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
