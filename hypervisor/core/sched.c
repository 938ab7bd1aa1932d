// SPDX-License-Identifier: MIT
/*
 * The scheduler: run queues, blocking, and switching between vcpus. To a toolstack it is credit2.
 *
 * Who runs next. Each vcpu has a virtual time: the nanoseconds it ran, divided by its domain's weight
 * (core/sched_credit.c). Each CPU has a queue of the vcpus that wait for it, the one with the least virtual time first,
 * and that one runs when the running vcpu blocks, yields, or has used its slice up. A vcpu that wakes goes ahead of one
 * that has run for long.
 *
 * Which CPU. A vcpu may run on the CPUs of its domain's pool (core/cpupool.c) that its hard affinity has, and prefers
 * those of its soft affinity. One that wakes goes to an idle CPU, its own if that is idle. A CPU with nothing to do takes
 * a waiting vcpu from another's queue. A vcpu whose slice ended, while elsewhere one runs that had far more time, moves
 * there. So three vcpus on two CPUs get two thirds of a CPU each. When a vcpu loses a CPU it stays in that queue for a
 * moment, misplaced: pick() passes it over, and as soon as its registers have left the CPU, rehome() finds it another.
 *
 * Caps. When a domain has used up its budget, its vcpus are parked as they come up: runnable, but in no queue, until the
 * domain's timer puts them back at the end of the period.
 *
 * Switching. There is one stack per CPU: a vcpu's hypervisor state is its registers, so a switch happens only where those
 * are complete, on the way back to the guest (do_exit_work). A vcpu that blocks stays loaded: idling keeps its page
 * table, segments and registers in place, and if it is the next to run there nothing is moved.
 *
 *  1. v->loaded is set from pv_load() until pv_save() has finished, by the CPU that is v->processor then. A loaded vcpu
 *     changes neither queue nor CPU.
 *  2. A vcpu is in the queue of v->processor if and only if it is RUNNABLE and not parked.
 *  3. v->processor changes only with the locks of both queues held.
 *  4. queue->curr is the vcpu that is RUNNING there, NULL while the CPU idles.
 *  5. No vcpu is RUNNING on a CPU that it may not use for longer than it takes to interrupt that.
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
#include "core/cpupool.h"
#include "core/sched_credit.h"
#include "core/time.h"
#include "lib/string.h"
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

u32 sched_ratelimit_ns = 1000000; /* as credit2's */

#define CAP_MIN_NS 50000 /* a budget shared by several CPUs may end at any moment; no timer is set for less */

struct run_queue {
	spinlock_t lock;
	struct vcpu *head;   /* [S] by vtime */
	struct vcpu *curr;   /* [S] */
	u32 waiting;         /* [S] length of the queue; others look without the lock */
	struct vcpu *loaded; /* CPU's own: whose state it holds */
	bool slice_over;     /* CPU's own */
	bool limited;        /* [S] the timer is for the end of the rate limit, with the slice not over */
	u64 since;           /* [S] when curr got the CPU */
	struct credit_watch watch; /* CPU's own: of curr */
	bool sent;           /* CPU's own: an event was sent with others waiting, and it was not yet asked who goes first */
	bool misplaced;      /* [S] one waits here that may not run here */
	u64 idle_ns, idle_since; /* [S] idle time before idle_since, which is 0 while it is busy */
	struct timer slice;
} __aligned(64);

static struct run_queue queues[MAX_CPUS];
/* A domain's cap, once it had one. */
struct sched_cap {
	spinlock_t lock;
	struct credit_cap credit; /* percent 0: no cap now */
	struct timer refill;
};

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

	q->slice_over = !q->limited;
	set_work(this_cpu(), WORK_SCHEDULE);
}

void __init sched_cpu_init(u32 cpu)
{
	cpupool_cpu_up(cpu);
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

/* --- Queues ----------------------------------------------------------------------------------- */

/* Adds to v's virtual time, and takes from its domain's budget, what it ran since the last call. */
static void charge(struct vcpu *v, u64 now)
{
	struct sched_cap *cap = READ_ONCE(v->domain->cap);
	u64 ran = now - v->charged_at;

	/* Clocks of two CPUs may differ by a little. */
	if (now <= v->charged_at)
		return;
	v->vtime += credit_charge(ran, READ_ONCE(v->domain->weight));
	v->charged_at = now;
	if (unlikely(cap)) {
		spin_lock(&cap->lock);
		credit_cap_use(&cap->credit, ran);
		spin_unlock(&cap->lock);
	}
}

/* ns that v's domain may run before its budget is used up; 0 and below: not now. */
static s64 budget_left(struct vcpu *v, u64 now)
{
	struct sched_cap *cap = READ_ONCE(v->domain->cap);
	s64 left = INT64_MAX;

	if (likely(!cap))
		return left;
	spin_lock(&cap->lock);
	if (cap->credit.percent)
		left = credit_cap_left(&cap->credit, now);
	spin_unlock(&cap->lock);
	return left;
}

/* v is RUNNABLE and in no queue: it waits for its domain's next period. */
static void park(struct vcpu *v)
{
	struct sched_cap *cap = v->domain->cap;

	v->parked = true;
	timer_set(&cap->refill, READ_ONCE(cap->credit.period_ends));
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
	if (q->curr)
		WRITE_ONCE(q->curr->has_rivals, true);
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

static bool cpu_allowed(const struct vcpu *v, u32 cpu)
{
	return bit_test(cpupool_cpus(v->domain->cpupool), cpu) && (!v->hard || bit_test(v->hard, cpu));
}

/* An idle CPU of those that v may use and, if given, of `soft`; `first` if that is one. MAX_CPUS: none. */
static u32 idle_among(const struct vcpu *v, u32 first, const u64 *soft)
{
	const u64 *pool = cpupool_cpus(v->domain->cpupool);

	if (bit_test(idle_cpus, first) && cpu_allowed(v, first) && (!soft || bit_test(soft, first)))
		return first;
	for (u32 w = 0; w * 64 < nr_cpus; w++) {
		u64 bits = READ_ONCE(idle_cpus[w]) & READ_ONCE(pool[w]);

		bits &= (v->hard ? READ_ONCE(v->hard[w]) : ~0ULL) & (soft ? READ_ONCE(soft[w]) : ~0ULL);
		if (bits)
			return w * 64 + __builtin_ctzll(bits);
	}
	return MAX_CPUS;
}

static u32 idle_cpu(const struct vcpu *v, u32 first)
{
	u32 cpu = v->soft ? idle_among(v, first, v->soft) : MAX_CPUS;

	return cpu == MAX_CPUS ? idle_among(v, first, NULL) : cpu;
}

/* Where v shall wait that can't stay where it was: an idle CPU, else the one with the fewest that wait. */
static u32 new_home(const struct vcpu *v)
{
	u32 best = idle_cpu(v, v->processor);

	for (u32 c = 0; best == MAX_CPUS && c < nr_cpus; c++)
		if (cpu_allowed(v, c))
			best = c;
	for (u32 c = 0; best != MAX_CPUS && c < nr_cpus; c++)
		if (cpu_allowed(v, c) && READ_ONCE(queues[c].waiting) < READ_ONCE(queues[best].waiting))
			best = c;
	return best == MAX_CPUS ? v->processor : best;
}

/* Locks the queue of v and that of a CPU where it may wake, and moves it there. Both are returned locked. */
static void lock_for_wake(struct vcpu *v, u32 *from, u32 *to)
{
	for (;;) {
		*from = *to = READ_ONCE(v->processor);
		if (nr_cpus > 1 && !READ_ONCE(v->loaded)) {
			*to = idle_cpu(v, *from);
			if (*to == MAX_CPUS)
				*to = cpu_allowed(v, *from) ? *from : new_home(v);
		}
		spin_lock_two(&queues[*from].lock, &queues[*to].lock);
		if (likely(v->processor == *from && (*from == *to || !READ_ONCE(v->loaded))))
			return;
		spin_unlock_two(&queues[*from].lock, &queues[*to].lock);
	}
}

/* The least virtual time of those that v would wait with in q, which is locked; ~0 where there is none. */
static u64 least_in(struct run_queue *q, u64 now)
{
	u64 least = q->head ? q->head->vtime : ~0ULL;

	if (!q->curr)
		return least;
	charge(q->curr, now);
	return min(least, q->curr->vtime);
}

void sched_wake(struct vcpu *v)
{
	bool asleep, woken = false;
	u32 from, to;

	lock_for_wake(v, &from, &to);
	asleep = (v->state == VCPU_BLOCKED || v->state == VCPU_OFFLINE) && !READ_ONCE(v->blocked);
	if ((asleep || v->parked) && may_run(v)) {
		u64 now = now_ns(), least = least_in(&queues[to], now);

		v->vtime = least == ~0ULL ? credit_woken_alone(v->vtime, READ_ONCE(vtime_floor)) :
					    credit_woken(v->vtime, least, v->domain->weight);
		v->processor = to;
		v->parked = false;
		runstate_change(v, VCPU_RUNNABLE, now);
		enqueue(&queues[to], v);
		woken = true;
	}
	spin_unlock_two(&queues[from].lock, &queues[to].lock);
	if (woken)
		set_work(to, WORK_SCHEDULE);
}

/* A period ended: whoever was parked waits for a CPU again, and is parked again if the domain still owes. */
static void refill(void *data)
{
	struct domain *d = data;

	for (u32 i = 0; i < d->max_vcpus; i++)
		if (d->vcpus[i] && READ_ONCE(d->vcpus[i]->parked))
			sched_wake(d->vcpus[i]);
}

void sched_stop(struct vcpu *v)
{
	struct run_queue *q = lock_queue_of(v);
	u32 cpu = v->processor;
	bool look = v->state == VCPU_RUNNING || READ_ONCE(v->loaded);

	/* Let go again meanwhile, by someone who found it where it was and will not wake it any more. */
	if (may_run(v)) {
		spin_unlock(&q->lock);
		return;
	}
	if (v->state == VCPU_RUNNABLE && !v->parked)
		dequeue(q, v);
	v->parked = false;
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

static struct credit_habit *habit_of(struct vcpu *v)
{
	return &v->habit[v->sent_to % HABITS];
}

void sched_event_sent(struct vcpu *v)
{
	struct run_queue *q = &queues[this_cpu()];

	/* Told more than once by one port: in this stint it is asked no more. */
	if (q->watch.habit == habit_of(v)) {
		credit_watch_runs_on(&q->watch);
		v->has_rivals = false;
		return;
	}
	/* They may have gone to another CPU. */
	if (!READ_ONCE(q->waiting))
		return;
	credit_watch_begin(&q->watch, habit_of(v), v->stint, now_ns());
	q->sent = true;
	if (!q->watch.habit->runs_on)
		set_work(this_cpu(), WORK_SCHEDULE);
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

/* --- Affinity and caps ------------------------------------------------------------------------- */

void sched_recheck(struct vcpu *v)
{
	struct run_queue *q = lock_queue_of(v);
	u32 cpu = v->processor;
	bool moves = !cpu_allowed(v, cpu) && (v->state == VCPU_RUNNING || v->state == VCPU_RUNNABLE);

	q->misplaced |= moves;
	spin_unlock(&q->lock);
	if (moves)
		set_work(cpu, WORK_SCHEDULE);
}

/* *mask becomes `bits`, which may be NULL for no change. 0 or -ENOMEM. d->lock is held. */
static long set_mask(struct vcpu *v, u64 **mask, const u64 *bits)
{
	u64 *new = *mask;
	struct run_queue *q;

	if (!bits || (!new && bitmap_first_zero(bits, nr_cpus) >= nr_cpus))
		return 0;
	if (!new && !(new = hv_alloc(BITMAP_WORDS(nr_cpus) * 8)))
		return -ENOMEM;
	q = lock_queue_of(v);
	memcpy(new, bits, BITMAP_WORDS(nr_cpus) * 8);
	*mask = new;
	spin_unlock(&q->lock);
	return 0;
}

long sched_set_affinity(struct vcpu *v, const u64 *hard, const u64 *soft)
{
	const u64 *pool = cpupool_cpus(v->domain->cpupool);
	u64 usable = 0;
	long rc;

	for (u32 w = 0; hard && w < BITMAP_WORDS(nr_cpus); w++)
		usable |= hard[w] & pool[w];
	if (hard && !usable)
		return -EINVAL;
	spin_lock(&v->domain->lock);
	rc = set_mask(v, &v->hard, hard) ?: set_mask(v, &v->soft, soft);
	spin_unlock(&v->domain->lock);
	sched_recheck(v);
	return rc;
}

u32 sched_cap(const struct domain *d)
{
	return d->cap ? READ_ONCE(d->cap->credit.percent) : 0;
}

long sched_set_cap(struct domain *d, u32 percent)
{
	struct sched_cap *cap;

	spin_lock(&d->lock);
	if (!d->cap && percent && (cap = hv_alloc(sizeof(*cap)))) {
		spin_lock_init(&cap->lock, RANK_CAP, "cap");
		timer_init(&cap->refill, refill, d, this_cpu());
		__atomic_store_n(&d->cap, cap, __ATOMIC_RELEASE);
	}
	spin_unlock(&d->lock);
	cap = d->cap;
	if (!cap)
		return percent ? -ENOMEM : 0;
	spin_lock(&cap->lock);
	credit_cap_set(&cap->credit, percent, now_ns());
	spin_unlock(&cap->lock);
	refill(d);
	/* Whoever runs gets a slice that ends with the budget. */
	for (u32 i = 0; i < d->max_vcpus; i++)
		if (d->vcpus[i] && d->vcpus[i]->state == VCPU_RUNNING)
			set_work(d->vcpus[i]->processor, WORK_SCHEDULE);
	return 0;
}

void sched_vcpu_end(struct vcpu *v)
{
	hv_free(v->hard);
	hv_free(v->soft);
}

void sched_domain_end(struct domain *d)
{
	if (!d->cap)
		return;
	timer_kill(&d->cap->refill);
	hv_free(d->cap);
	d->cap = NULL;
}

/* --- Balance between CPUs ---------------------------------------------------------------------- */

/* With both queues locked: v, which waits in `from`, waits in `to` now. */
static void move(struct vcpu *v, u32 from, u32 to)
{
	u64 least = least_in(&queues[to], now_ns());

	dequeue(&queues[from], v);
	if (least != ~0ULL)
		v->vtime = credit_moved(v->vtime, least, v->domain->weight);
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
		for (v = queues[from].head; v; v = v->rq_next)
			if (!__atomic_load_n(&v->loaded, __ATOMIC_ACQUIRE) && cpu_allowed(v, cpu))
				break;
		if (v)
			move(v, from, cpu);
		spin_unlock_two(&queues[cpu].lock, &queues[from].lock);
		if (v)
			return true;
	}
	return false;
}

/* The CPU for v whose running vcpu had more time than any other's, and MOVE_NS more than v; MAX_CPUS: none. */
static u32 favoured_cpu(const struct vcpu *v)
{
	u64 vtime = v->vtime + MOVE_NS;
	u32 best = MAX_CPUS;

	for (u32 c = 0; c < nr_cpus; c++) {
		struct run_queue *q = &queues[c];

		if (!cpu_allowed(v, c))
			continue;
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

static void move_if_waiting(struct vcpu *v, u32 from, u32 to)
{
	spin_lock_two(&queues[from].lock, &queues[to].lock);
	if (v->processor == from && v->state == VCPU_RUNNABLE && !v->parked && !READ_ONCE(v->loaded))
		move(v, from, to);
	spin_unlock_two(&queues[from].lock, &queues[to].lock);
	set_work(to, WORK_SCHEDULE);
}

/* v had to leave this CPU, its state is saved: perhaps there is a better place for it. */
static void find_place(struct vcpu *v, u32 here)
{
	u32 to = idle_cpu(v, here);

	if (to != MAX_CPUS) {
		set_work(to, WORK_SCHEDULE); /* it will take v, or whoever waits */
		return;
	}
	to = favoured_cpu(v);
	if (to != MAX_CPUS)
		move_if_waiting(v, here, to);
}

/* Whoever waits here and may not run here goes elsewhere, but for one still loaded here. */
static void rehome(struct run_queue *q, u32 here)
{
	struct vcpu *v;

	do {
		spin_lock(&q->lock);
		for (v = q->head; v; v = v->rq_next)
			if (!cpu_allowed(v, here) && !READ_ONCE(v->loaded) && new_home(v) != here)
				break;
		q->misplaced = v;
		spin_unlock(&q->lock);
		if (v)
			move_if_waiting(v, here, new_home(v));
	} while (v);
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
	if (nr_cpus > 1 && old && READ_ONCE(old->state) == VCPU_RUNNABLE && !old->parked)
		find_place(old, ci->cpu);
}

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

/* Under the queue's lock: the first that waits here and may run now. Those whose budget is used up are parked. */
static struct vcpu *first_ready(struct run_queue *q, u32 cpu, u64 now)
{
	struct vcpu *v = q->head, *next;

	for (; v; v = next) {
		next = v->rq_next;
		if (!cpu_allowed(v, cpu)) {
			q->misplaced = true;
		} else if (budget_left(v, now) > 0) {
			break;
		} else {
			dequeue(q, v);
			park(v);
		}
	}
	return v;
}

/* Under the queue's lock: `prev` stops. It waits again if it wants to run on. */
static void put_off(struct run_queue *q, struct vcpu *prev, u64 now)
{
	if (!may_run(prev)) {
		runstate_change(prev, VCPU_OFFLINE, now);
	} else if (READ_ONCE(prev->blocked)) {
		runstate_change(prev, VCPU_BLOCKED, now);
		credit_watch_slept(&q->watch, now);
	} else {
		runstate_change(prev, VCPU_RUNNABLE, now);
		if (budget_left(prev, now) > 0)
			enqueue(q, prev);
		else
			park(prev);
	}
	q->watch.habit = NULL;
}

/* Under the queue's lock: does `v`, which runs, go on although `rival` waits? */
static bool goes_on(struct run_queue *q, struct vcpu *v, const struct vcpu *rival, u64 now, u64 ratelimit)
{
	if (!credit_goes_on(v->vtime, rival->vtime, q->slice_over, now - q->since, ratelimit)) {
		credit_watch_runs_on(&q->watch);
		return false;
	}
	if (q->slice_over || (q->watch.habit && !q->sent))
		return true;
	if (!q->sent)
		credit_watch_begin(&q->watch, habit_of(v), v->stint, now);
	q->sent = false;
	return !credit_hands_over(q->watch.habit, v->vtime, rival->vtime);
}

/*
 * Under the queue's lock: who runs next, already RUNNING; NULL for nobody. Who ran is back in the queue, or in the state
 * that it asked for.
 */
static struct vcpu *pick(struct run_queue *q, struct vcpu *prev, u32 cpu, u64 now)
{
	const u64 ratelimit = READ_ONCE(sched_ratelimit_ns);
	struct vcpu *rival, *next = prev;
	s64 until;

	if (prev)
		charge(prev, now);
	rival = first_ready(q, cpu, now);
	if (prev) {
		if (!may_run(prev) || READ_ONCE(prev->blocked) || budget_left(prev, now) <= 0 || !cpu_allowed(prev, cpu) ||
		    (rival && !goes_on(q, prev, rival, now, ratelimit))) {
			put_off(q, prev, now);
			next = NULL;
		}
		q->misplaced |= !cpu_allowed(prev, cpu);
	}
	if (!next && (next = rival)) {
		dequeue(q, next);
		next->charged_at = q->since = now;
		q->sent = false;
		next->stint++;
		next->has_rivals = q->waiting;
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
	until = next ? budget_left(next, now) : INT64_MAX;
	until = max(until, (s64)CAP_MIN_NS);
	if (q->head)
		until = min(until, (s64)credit_slice(q->waiting));
	q->limited = q->head && next && now < q->since + ratelimit && (s64)(q->since + ratelimit - now) < until;
	if (q->limited)
		until = q->since + ratelimit - now;
	if (until != INT64_MAX)
		timer_set(&q->slice, now + until);
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
		next = pick(q, prev, ci->cpu, now_ns());
		if (nr_cpus > 1 && !next)
			bit_set_atomic(idle_cpus, ci->cpu);
		spin_unlock(&q->lock);
		if (next && next == prev) {
			if (next->in_poll)
				poll_over(next);
			break;
		}
		prev = NULL;
	} while (!next && steal(ci->cpu));

	if (next) {
		if (nr_cpus > 1 && bit_test(idle_cpus, ci->cpu))
			bit_clear_atomic(idle_cpus, ci->cpu);
		switch_to(q, next);
		if (unlikely(q->misplaced))
			rehome(q, ci->cpu);
		return;
	}
	if (q->loaded && (READ_ONCE(q->loaded->state) == VCPU_OFFLINE || !cpu_allowed(q->loaded, ci->cpu)))
		unload(q);
	if (unlikely(q->misplaced))
		rehome(q, ci->cpu);
	if (ci->vcpu->is_idle)
		return;
	ci->vcpu = ci->pcpu->idle;
	reset_stack_and_jump(idle_loop);
}

/* dom0's first vcpu may have an NMI to take, does not run and must. */
static void nmi_wake(void)
{
	struct vcpu *v = dom0 ? dom0->vcpus[0] : NULL;

	if (v && READ_ONCE(v->pv.nmi_pending) && READ_ONCE(v->blocked))
		vcpu_kick(v);
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
		if (work & WORK_LOG)
			send_global_virq(dom0, VIRQ_CON_RING);
		if (work & WORK_TIMER)
			timer_run_expired(&ci->pcpu->timers, now_ns());
		if (work & WORK_REAP)
			domains_reap();
		if (work & WORK_NMI)
			nmi_wake();
		/* Last but for what switch_to() does itself: it does not come back where nobody can run. */
		if (work & WORK_SCHEDULE)
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
