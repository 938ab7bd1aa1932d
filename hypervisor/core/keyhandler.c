// SPDX-License-Identifier: MIT
/*
 * The hypervisor's debug keys: Ctrl-a three times on the console, then one of
 * the keys below. Each shows state and changes none, but for C and R.
 */
#include "core/keyhandler.h"
#include "core/domain.h"
#include "core/page_alloc.h"
#include "core/seam.h"
#include "x86/asm.h"
#include "x86/cpu.h"

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
	const struct cpu_user_regs *r = v->state == VCPU_RUNNING ? guest_regs() : &v->pv.regs;

	hv_log(LOG_ERR, "  vcpu %u: CPU %u, %s%s, upcall pending %u mask %u, %s %04x:%016llx rsp %016llx rflags %llx\n",
	       v->vcpu_id, v->processor, states[v->state], v->down ? " (down)" : "",
	       v->vcpu_info->evtchn_upcall_pending, v->vcpu_info->evtchn_upcall_mask,
	       v->pv.kernel_mode ? "kernel" : "user", r->cs, (unsigned long long)r->rip, (unsigned long long)r->rsp,
	       (unsigned long long)r->rflags);
}

static void key_domains(void)
{
	for (u32 id = 0; id < READ_ONCE(domain_ids_end); id++) {
		struct domain *d = get_domain(id);

		if (!d)
			continue;
		hv_log(LOG_ERR, "domain %u%s: %llu pages of %llu, %u vcpus%s%s\n", d->domain_id,
		       d->is_privileged ? " (privileged)" : "", (unsigned long long)d->tot_pages,
		       (unsigned long long)d->max_pages, d->max_vcpus, d->is_shut_down ? ", shut down" : "",
		       d->is_dying ? ", dying" : "");
		for (u32 i = 0; i < d->max_vcpus; i++) {
			struct vcpu *v = d->vcpus[i];

			if (v)
				show_vcpu(v);
		}
		put_domain(d);
	}
}

static void key_hang(void)
{
	hv_log(LOG_ERR, "debug key 'L': this CPU now runs in a circle; option watchdog ends that\n");
	for (;;)
		cpu_relax();
}

static void key_memory(void)
{
	hv_log(LOG_ERR, "memory: %llu pages in all, %llu free\n", (unsigned long long)total_page_count(),
	       (unsigned long long)free_page_count());
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
	{ 'm', key_memory, "memory" },
	{ 'q', key_domains, "domains and their vcpus" },
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
