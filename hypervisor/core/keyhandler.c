// SPDX-License-Identifier: MIT
/*
 * The hypervisor's debug keys: Ctrl-a three times on the console, then one of
 * the keys below. Each shows state and changes none, but for C, L and R.
 */
#include "core/keyhandler.h"
#include "core/domain.h"
#include "core/grant_table.h"
#include "core/page_alloc.h"
#include "core/sched.h"
#include "core/seam.h"
#include "lib/string.h"
#include "pv/page_type.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/irq.h"
#include "x86/panic.h"
#include "x86/smp.h"

static void key_help(void);

static void key_crash(void)
{
	/* A real fault in ring 0, so that the whole path of a hypervisor bug is walked. */
	hv_log(LOG_ERR, "debug key 'C': provoking a hypervisor bug\n");
	__asm__ volatile("ud2");
}

static void show_vcpu(struct vcpu *v)
{
	static const char *const states[] = { "running", "runnable", "blocked", "offline" };
	/* While it is loaded its registers are on its CPU, where they change as it runs. */
	struct vcpu_runstate_info rs;
	const struct cpu_user_regs *r = v->loaded ? &cpu_info_of(v->processor)->regs : &v->pv.regs;

	hv_log(LOG_ERR, "  vcpu %u: CPU %u, %s%s, upcall pending %u mask %u, %s %04x:%016llx rsp %016llx rflags %llx\n",
	       v->vcpu_id, v->processor, states[v->state], v->down ? " (down)" : "",
	       v->vcpu_info->evtchn_upcall_pending, v->vcpu_info->evtchn_upcall_mask,
	       v->pv.kernel_mode ? "kernel" : "user", r->cs, (unsigned long long)r->rip, (unsigned long long)r->rsp,
	       (unsigned long long)r->rflags);
	runstate_get(v, &rs);
	hv_log(LOG_ERR, "  vcpu %u: ran %llu ms, waited %llu ms, blocked %llu ms\n", v->vcpu_id,
	       (unsigned long long)rs.time[RUNSTATE_running] / 1000000,
	       (unsigned long long)rs.time[RUNSTATE_runnable] / 1000000,
	       (unsigned long long)rs.time[RUNSTATE_blocked] / 1000000);
}

static void each_domain(void (*show)(struct domain *d))
{
	for (u32 id = 0; id < READ_ONCE(domain_ids_end); id++) {
		struct domain *d = get_domain(id);

		if (!d)
			continue;
		show(d);
		put_domain(d);
	}
}

static void show_domain(struct domain *d)
{
	hv_log(LOG_ERR, "domain %u%s: %llu pages of %llu, %u vcpus%s%s\n", d->domain_id,
	       d->is_privileged ? " (privileged)" : "", (unsigned long long)d->tot_pages,
	       (unsigned long long)d->max_pages, d->max_vcpus, d->is_shut_down ? ", shut down" : "",
	       d->is_dying ? ", dying" : "");
	for (u32 i = 0; i < d->max_vcpus; i++) {
		struct vcpu *v = d->vcpus[i];

		if (v)
			show_vcpu(v);
	}
}

static void key_domains(void)
{
	each_domain(show_domain);
}

static void key_hang(void)
{
	hv_log(LOG_ERR, "debug key 'L': this CPU now runs in a circle; option watchdog ends that\n");
	for (;;)
		cpu_relax();
}

/* Of each domain up to here, and of all others together: frames by type. */
#define OWNERS_SHOWN 32

static void count_frames(u64 counts[OWNERS_SHOWN + 1][8])
{
	for (u64 m = 0; m < frame_table_entries; m++) {
		const struct page_info *pg = mfn_to_page(MFN(m));
		domid_t owner;

		/* A MiB without memory has no entries. */
		if (!(m & 0xff) && !mfn_valid(MFN(m)) && !mfn_valid(MFN(m + 0xff))) {
			m |= 0xff;
			continue;
		}
		if (!mfn_valid(MFN(m)))
			continue;
		owner = page_owner(pg);
		if (owner == PGC_owner_none)
			continue;
		counts[min((u32)owner, (u32)OWNERS_SHOWN)][READ_ONCE(pg->type) >> PGT_type_shift]++;
		/* What takes long lets other CPUs' flushes through. */
		if (!(m & 0xfff))
			spin_wait();
	}
}

static void key_memory(void)
{
	static u64 counts[OWNERS_SHOWN + 1][8];

	hv_log(LOG_ERR, "memory: %llu pages in all, %llu free\n", (unsigned long long)total_page_count(),
	       (unsigned long long)free_page_count());
	memset(counts, 0, sizeof(counts));
	count_frames(counts);
	for (u32 i = 0; i <= OWNERS_SHOWN; i++) {
		const u64 *c = counts[i];
		u64 all = 0;

		for (unsigned t = 0; t < 8; t++)
			all += c[t];
		if (!all)
			continue;
		hv_log(LOG_ERR, "%s %u: %llu pages: page tables %llu L1, %llu L2, %llu L3, %llu L4; %llu descriptors, %llu writable, %llu of no type\n",
		       i < OWNERS_SHOWN ? "domain" : "domains and device memory from", i, (unsigned long long)all,
		       (unsigned long long)c[1], (unsigned long long)c[2], (unsigned long long)c[3],
		       (unsigned long long)c[4], (unsigned long long)c[5], (unsigned long long)c[6],
		       (unsigned long long)c[0]);
	}
}

/* Entries of one domain that are printed, at most. */
#define SHOWN_MAX 256

static void show_events(struct domain *d)
{
	hv_log(LOG_ERR, "domain %u: event channels\n", d->domain_id);
	events_show(d, SHOWN_MAX);
}

static void key_events(void)
{
	each_domain(show_events);
}

static void show_grants(struct domain *d)
{
	hv_log(LOG_ERR, "domain %u: grants\n", d->domain_id);
	grants_show(d, SHOWN_MAX);
}

static void key_grants(void)
{
	each_domain(show_grants);
}

static void key_cpus(void)
{
	static struct cpu_snapshot s;

	for (u32 c = 0; c < nr_cpus; c++) {
		const struct vcpu *v = cpu_info_of(c)->vcpu;

		if (v->is_idle)
			hv_log(LOG_ERR, "CPU %u: idle\n", c);
		else
			hv_log(LOG_ERR, "CPU %u: d%uv%u\n", c, v->domain->domain_id, v->vcpu_id);
		if (c == this_cpu()) {
			hv_log(LOG_ERR, "This CPU came from:\n");
			show_registers(guest_regs());
		} else if (smp_snapshot(c, &s)) {
			show_registers(&s.regs);
			if (s.nr_stack)
				show_trace(s.stack, s.stack + s.nr_stack);
		} else {
			hv_log(LOG_ERR, "It does not answer\n");
		}
	}
}

static void key_reboot(void)
{
	hv_log(LOG_ERR, "debug key 'R': restarting the machine\n");
	machine_restart();
}

static const struct {
	u8 key;
	void (*fn)(void);
	const char *help;
} keys[] = {
	{ 'h', key_help, "show this list" },
	{ 'C', key_crash, "provoke a hypervisor bug" },
	{ 'L', key_hang, "hang this CPU, to try the watchdog" },
	{ 'd', key_cpus, "registers and stack of every CPU" },
	{ 'e', key_events, "event channels" },
	{ 'g', key_grants, "grants" },
	{ 'i', irqs_show, "interrupts: where they go and whose they are" },
	{ 'm', key_memory, "memory: owners and page types" },
	{ 'q', key_domains, "domains and their vcpus" },
	{ 'r', sched_show, "run queues" },
	{ 'R', key_reboot, "restart the machine" },
};

static void key_help(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		hv_log(LOG_ERR, " key '%c': %s\n", keys[i].key, keys[i].help);
}

void handle_key(u8 key)
{
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].key == key)
			keys[i].fn();
}
