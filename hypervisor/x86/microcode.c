// SPDX-License-Identifier: MIT
/*
 * Loads CPU microcode: at boot from a module that ucode= names, later from what
 * dom0 hands over (XENPF_microcode_update).
 *
 * A CPU takes the address of the microcode by an MSR, and says by another which
 * revision it runs then; that answer is what is believed. The chosen piece is
 * copied, since modules become dom0's memory and CPUs that start later need it.
 * Emulators and other hypervisors have no such MSR or ignore it; a write that
 * faults, or changes nothing, is told and harms nothing. At boot it comes before
 * the code is fitted to the CPU, which may have learned something.
 *
 * Loading later: all CPUs do it, each at its next way past do_exit_work(), while
 * the one that asked waits. Sibling threads may run guests meanwhile, which
 * some revisions forbid; so microcode belongs into the boot.
 */
#include "x86/microcode.h"
#include "boot/bootinfo.h"
#include "boot/cmdline.h"
#include "core/sched.h"
#include "core/seam.h"
#include "lib/string.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/extable.h"
#include "x86/paging.h"

#define MSR_PLATFORM_ID 0x17
#define MSR_UCODE_WRITE 0x79 /* SDM 3, 10.11.6 */
#define MSR_UCODE_REV 0x8b
#define MSR_AMD_PATCH_LOADER 0xc0010020

static struct {
	void *data;      /* what CPUs are given the address of */
	u32 revision;
	u32 signature;   /* of the CPU that it was chosen for */
} chosen;

static u32 waiting, refused; /* [A] CPUs that have not tried yet; that tried in vain */

static struct microcode_cpu this_microcode_cpu(void)
{
	struct microcode_cpu c = { .vendor = host_cpu.vendor };
	u64 value;
	u32 out[4];

	if (c.vendor == VENDOR_INTEL) {
		/* The CPU writes the revision into a register that was 0 at CPUID (SDM 3, 10.11.7). */
		wrmsr_safe(MSR_UCODE_REV, 0);
		if (!rdmsr_safe(MSR_PLATFORM_ID, &value))
			c.platform = 1u << (value >> 50 & 7);
	}
	cpuid(1, 0, out);
	c.signature = out[0];
	if (!rdmsr_safe(MSR_UCODE_REV, &value))
		c.revision = c.vendor == VENDOR_INTEL ? value >> 32 : value;
	return c;
}

/* On this CPU. True: it now runs the chosen revision. */
static bool load_here(void)
{
	struct microcode_cpu c = this_microcode_cpu();

	if (c.signature != chosen.signature)
		return false;
	if (c.revision < chosen.revision) {
		if (wrmsr_safe(c.vendor == VENDOR_INTEL ? MSR_UCODE_WRITE : MSR_AMD_PATCH_LOADER, (u64)chosen.data))
			return false;
		c = this_microcode_cpu();
	}
	return c.revision >= chosen.revision;
}

/* Keeps a copy of `m`, 16-byte aligned as the CPU wants it. */
static int choose(const struct microcode *m, const struct microcode_cpu *c)
{
	u8 *copy = hv_alloc(m->bytes);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, m->piece, m->bytes);
	hv_free(chosen.data ? (u8 *)chosen.data - (host_cpu.vendor == VENDOR_INTEL ? m->offset : 0) : NULL);
	chosen.data = copy + m->offset;
	chosen.revision = m->revision;
	chosen.signature = c->signature;
	return 0;
}

/* True: the module is, or begins with, microcode of this CPU's vendor. */
static bool __init try_module(const struct boot_module *mod, u32 number)
{
	struct microcode_cpu c = this_microcode_cpu();
	struct microcode m;
	const char *why;
	int rc = microcode_find(maddr_to_virt(mod->start), mod->len, &c, &m, &why);

	if (rc == -ENOENT)
		return false;
	if (rc) {
		hv_log(LOG_WARNING, "microcode: module %u is damaged: %s; not used\n", number, why);
	} else if (!m.data) {
		hv_log(LOG_INFO, "microcode: module %u has nothing newer for this CPU (signature %#x, revision %#x)\n",
		       number, c.signature, c.revision);
	} else if (choose(&m, &c)) {
		hv_log(LOG_WARNING, "microcode: no memory to keep it\n");
	} else if (load_here()) {
		hv_log(LOG_INFO, "microcode: revision %#x is now %#x\n", c.revision, m.revision);
	} else {
		hv_log(LOG_WARNING, "microcode: this CPU does not take revision %#x and stays at %#x\n", m.revision,
		       c.revision);
	}
	return true;
}

s32 __init microcode_module(const struct bootinfo *bi, const struct hv_options *o)
{
	s32 n = o->ucode.module < 0 ? (s32)bi->nr_modules + o->ucode.module : o->ucode.module;

	/* Module 0 is dom0's kernel. */
	return o->ucode.given && !o->ucode.scan && n > 0 && n < (s32)bi->nr_modules ? n : -1;
}

bool __init microcode_init(const struct bootinfo *bi, const struct hv_options *o)
{
	s32 n = microcode_module(bi, o);
	u32 before = this_microcode_cpu().revision;

	if (!o->ucode.given)
		return false;
	if (o->ucode.scan) {
		for (u32 i = 1; i < bi->nr_modules; i++)
			if (try_module(&bi->module[i], i))
				return this_microcode_cpu().revision != before;
		hv_log(LOG_WARNING, "ucode=scan: no module begins with microcode for this CPU's vendor\n");
	} else if (n < 0) {
		hv_log(LOG_WARNING, "ucode=%d: there is no such module; module 0 is dom0's kernel\n", o->ucode.module);
	} else if (!try_module(&bi->module[n], n)) {
		hv_log(LOG_WARNING, "ucode=%d: that module is no microcode for this CPU's vendor\n", o->ucode.module);
	}
	return this_microcode_cpu().revision != before;
}

void microcode_cpu_init(void)
{
	if (chosen.data && !load_here())
		hv_log(LOG_WARNING, "microcode: CPU %u does not take revision %#x\n", this_cpu(), chosen.revision);
}

void microcode_work(void)
{
	if (!load_here())
		__atomic_fetch_add(&refused, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&waiting, 1, __ATOMIC_SEQ_CST);
}

int microcode_update(const void *file, u64 bytes)
{
	struct microcode_cpu c = this_microcode_cpu();
	struct microcode m;
	const char *why;
	u32 none = 0;
	int rc = microcode_find(file, bytes, &c, &m, &why);

	if (rc)
		return rc;
	if (!m.data)
		return -ENOENT;
	if (!__atomic_compare_exchange_n(&waiting, &none, nr_cpus, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return -EBUSY;
	rc = choose(&m, &c);
	if (rc) {
		__atomic_store_n(&waiting, 0, __ATOMIC_SEQ_CST);
		return rc;
	}
	refused = 0;
	for (u32 cpu = 0; cpu < nr_cpus; cpu++)
		if (cpu != this_cpu())
			set_work(cpu, WORK_MICROCODE);
	microcode_work();
	while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST))
		spin_wait();
	hv_log(LOG_INFO, "microcode: revision %#x loaded on %u of %u CPUs\n", m.revision, nr_cpus - refused, nr_cpus);
	return refused ? -EIO : 0;
}
