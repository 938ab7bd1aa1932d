// SPDX-License-Identifier: MIT
/*
 * The machine state of a PV vcpu: address spaces, modes, segments, descriptor
 * tables.
 *
 * A vcpu's kernel and user both run in ring 3, told apart by pv.kernel_mode.
 * Going from one to the other exchanges the page table and the GS base (the
 * hypervisor uses SWAPGS as a native kernel does, so the inactive base is always
 * in KERNEL_GS_BASE). While a vcpu is on a CPU its bases and selectors live in
 * the CPU; pv_save() and pv_load() move them.
 *
 * Each vcpu has 128 KiB in its domain's slot: 64 KiB of GDT (14 frames of its
 * own, one with the CPU's descriptors) and 64 KiB of LDT, whose frames are
 * mapped when first used.
 *
 * Invariants: frames mapped there hold type seg_desc; GDT entries not in use map
 * a page of zeros, so a selector beyond the table is a #GP.
 */
#include "pv/vcpu_pv.h"
#include "core/hypercall.h"
#include "lib/string.h"
#include "pv/descriptors.h"
#include "x86/alternative.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/extable.h"
#include "x86/guest_copy.h"
#include "x86/paging.h"
#include "x86/policy.h"
#include "x86/tlb.h"
#include "x86/xsave.h"

/* L1 entries of v's GDT (first 16) and LDT (next 16). */
static u64 *slot_l1(struct vcpu *v)
{
	return v->domain->pv.perdomain_l1[v->vcpu_id / 16] + v->vcpu_id % 16 * 32;
}

/* What a selector beyond the guest's frames finds: descriptors that are not present, hence #GP. */
static u64 empty_gdt_frame(void)
{
	static const u8 zeros[PAGE_SIZE] __aligned(4096);

	return ((u64)zeros - HV_IMAGE_START) | HV_RO;
}

int pv_domain_init(struct domain *d)
{
	mfn_t l3 = alloc_pages(0, 0, 0), l2 = alloc_pages(0, 0, 0);

	d->pv.perdomain_l1 = hv_alloc(((d->max_vcpus + 15) / 16) * sizeof(u64 *));
	d->pv.perdomain_l3_mfn = l3;
	d->pv.perdomain_l3 = mfn_eq(l3, INVALID_MFN) ? NULL : mfn_to_virt(l3);
	d->pv.perdomain_l2 = mfn_eq(l2, INVALID_MFN) ? NULL : mfn_to_virt(l2);
	if (!d->pv.perdomain_l3 || !d->pv.perdomain_l2 || !d->pv.perdomain_l1)
		return -ENOMEM;
	d->pv.perdomain_l3[0] = l2.m << PAGE_SHIFT | HV_TABLE;
	d->pv.xpti = d->is_privileged ? cpu_features.xpti_dom0 : cpu_features.xpti_domu;
	if (d->is_privileged ? cpu_features.l1tf_dom0 : cpu_features.l1tf_domu)
		d->pv.l1tf_end = (u64)max_page << PAGE_SHIFT;
	return 0;
}

void pv_domain_free(struct domain *d)
{
	for (u32 i = 0; d->pv.perdomain_l1 && i < (d->max_vcpus + 15) / 16; i++)
		if (d->pv.perdomain_l1[i])
			free_pages(virt_to_mfn(d->pv.perdomain_l1[i]), 0, false);
	hv_free(d->pv.perdomain_l1);
	if (d->pv.perdomain_l2)
		free_pages(virt_to_mfn(d->pv.perdomain_l2), 0, false);
	if (d->pv.perdomain_l3)
		free_pages(d->pv.perdomain_l3_mfn, 0, false);
}

int pv_vcpu_init(struct vcpu *v)
{
	struct domain *d = v->domain;
	u32 i = v->vcpu_id / 16;

	if (!d->pv.perdomain_l1[i]) {
		mfn_t m = alloc_pages(0, 0, 0);

		if (mfn_eq(m, INVALID_MFN))
			return -ENOMEM;
		d->pv.perdomain_l1[i] = mfn_to_virt(m);
		d->pv.perdomain_l2[i] = m.m << PAGE_SHIFT | HV_TABLE;
	}
	for (unsigned f = 0; f < GDT_GUEST_FRAMES; f++) {
		v->pv.gdt_frames[f] = INVALID_MFN;
		slot_l1(v)[f] = empty_gdt_frame();
	}
	v->pv.kernel_mode = 1;
	v->pv.cr4 = 0;
	v->pv.dr[6] = 0xffff0ff0;
	v->pv.dr[7] = 0x400;
	return 0;
}

/* --- Address spaces ------------------------------------------------------------------ */

static inline void load_table(struct vcpu *v, u64 cr3)
{
	if (alternative_on(ALT_XPTI) && v->domain->pv.xpti)
		this_cpu_info()->hv_cr3 = cr3;
	write_cr3(cr3);
}

void load_guest_table(struct vcpu *v)
{
	load_table(v, v->pv.kernel_mode ? v->pv.kernel_cr3 : v->pv.user_cr3);
}

void pv_enter_kernel(struct vcpu *v)
{
	v->pv.kernel_mode = 1;
	__asm__ volatile("swapgs");
	load_table(v, v->pv.kernel_cr3);
}

void pv_enter_user(struct vcpu *v)
{
	v->pv.kernel_mode = 0;
	__asm__ volatile("swapgs");
	load_table(v, v->pv.user_cr3);
}

int pv_copy_from_kernel(struct vcpu *v, void *dst, u64 gva, size_t bytes)
{
	int rc;

	if (v->pv.kernel_mode)
		return copy_from_guest(dst, gva, bytes);
	write_cr3(v->pv.kernel_cr3);
	rc = copy_from_guest(dst, gva, bytes);
	write_cr3(v->pv.user_cr3);
	return rc;
}

int pv_copy_to_kernel(struct vcpu *v, u64 gva, const void *src, size_t bytes)
{
	int rc;

	if (v->pv.kernel_mode)
		return copy_to_guest(gva, src, bytes);
	write_cr3(v->pv.kernel_cr3);
	rc = copy_to_guest(gva, src, bytes);
	write_cr3(v->pv.user_cr3);
	return rc;
}

/*
 * XPTI: brings this CPU's root table in line with the table the guest thinks it
 * runs on. There are two, so that going back and forth between a guest's kernel
 * and user copies nothing. A copy is good while the L4 clock stands still: the
 * clock goes on when any L4 changes, and a CPU whose guest runs on that L4 is
 * made to come here then (tlb.c, l4_changed()). The time is looked at before the
 * copying, so a change meanwhile makes the copy old at once.
 */
void xpti_sync_root(void)
{
	struct cpu_info *ci = this_cpu_info();
	u64 now = l4_clock(), cr3 = ci->root_cr3, source = ci->root_source, time = ci->root_time;
	const u64 *from = maddr_to_virt(ci->hv_cr3);
	u64 *to;

	if (source == ci->hv_cr3 && time == now)
		return;
	ci->root_cr3 = ci->other_cr3;
	ci->root_source = ci->other_source;
	ci->root_time = ci->other_time;
	ci->other_cr3 = cr3;
	ci->other_source = source;
	ci->other_time = time;
	if (ci->root_source == ci->hv_cr3 && ci->root_time == now)
		return;
	to = maddr_to_virt(ci->root_cr3);
	for (unsigned i = 0; i < HV_SLOT_FIRST; i++)
		to[i] = READ_ONCE(from[i]);
	for (unsigned i = HV_SLOT_LAST + 1; i < 512; i++)
		to[i] = READ_ONCE(from[i]);
	to[PERDOMAIN_SLOT] = current->domain->pv.perdomain_l3_mfn.m << PAGE_SHIFT | HV_TABLE;
	ci->root_source = ci->hv_cr3;
	ci->root_time = now;
}

/* --- Segments ------------------------------------------------------------------------- */

u16 read_selector_ds(void) { u16 s; __asm__ volatile("mov %%ds, %0" : "=r"(s)); return s; }
u16 read_selector_es(void) { u16 s; __asm__ volatile("mov %%es, %0" : "=r"(s)); return s; }
u16 read_selector_fs(void) { u16 s; __asm__ volatile("mov %%fs, %0" : "=r"(s)); return s; }
u16 read_selector_gs(void) { u16 s; __asm__ volatile("mov %%gs, %0" : "=r"(s)); return s; }

/* Loads a selector; a bad one becomes null. True when it was good. */
#define LOAD_SELECTOR(seg, sel)                                                   \
	({                                                                        \
		const u32 wanted_ = (sel);                                        \
		u32 s_ = wanted_;                                                 \
		__asm__ volatile("1: mov %0, %%" #seg "\n2:\n"                    \
				 ".pushsection .text.fixup, \"ax\"; 3: xor %k0, %k0; jmp 1b; .popsection\n" \
				 EXTABLE(1b, 3b) : "+r"(s_));                     \
		s_ == wanted_;                                                    \
	})

static void load_gdt(struct vcpu *v)
{
	struct { u16 limit; u64 base; } __packed p = { HV_GDT_LIMIT, GDT_VIRT(v->vcpu_id) };
	u64 area = PERCPU_START + (u64)this_cpu() * PERCPU_SIZE;
	u64 *cpu_gdt = (u64 *)(area + PERCPU_GDT);

	__asm__ volatile("lgdt %0" :: "m"(p));
	if (v->pv.ldt_ents) {
		u64 base = LDT_VIRT(v->vcpu_id), limit = v->pv.ldt_ents * 8 - 1;

		cpu_gdt[(HV_LDT_SEL & 0xff8) / 8] = (limit & 0xffff) | (base & 0xffffff) << 16 | 0x82ULL << 40 |
						    (base >> 24 & 0xff) << 56;
		cpu_gdt[(HV_LDT_SEL & 0xff8) / 8 + 1] = base >> 32;
		__asm__ volatile("lldt %w0" :: "r"(HV_LDT_SEL));
	} else {
		__asm__ volatile("lldt %w0" :: "r"(0));
	}
}

void pv_save(struct vcpu *v)
{
	struct pv_vcpu *pv = &v->pv;

	pv->regs = *guest_regs();
	pv->ds = read_selector_ds();
	pv->es = read_selector_es();
	pv->fs = read_selector_fs();
	pv->gs = read_selector_gs();
	pv->fs_base = rdmsr(MSR_FS_BASE);
	if (pv->kernel_mode) {
		pv->gs_base_kernel = rdmsr(MSR_GS_BASE);
		pv->gs_base_user = rdmsr(MSR_KERNEL_GS_BASE);
	} else {
		pv->gs_base_user = rdmsr(MSR_GS_BASE);
		pv->gs_base_kernel = rdmsr(MSR_KERNEL_GS_BASE);
	}
}

static void load_debug_registers(struct vcpu *v)
{
	u64 dr7 = v->pv.dr[7];

	if (dr7 & 0xff) {
		__asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3" ::
				 "r"(v->pv.dr[0]), "r"(v->pv.dr[1]), "r"(v->pv.dr[2]), "r"(v->pv.dr[3]));
		__asm__ volatile("mov %0, %%dr7" :: "r"(dr7));
	} else {
		__asm__ volatile("mov %0, %%dr7" :: "r"(0x400ULL));
	}
}

bool pv_has_tsc_aux(void)
{
	return host_has(X86_FEATURE_RDTSCP) || host_has(X86_FEATURE_RDPID);
}

/*
 * TSD makes rdtsc fault in ring 3, kernel included, for which it is emulated; for both where the toolstack wants it. Without
 * FSGSBASE the four instructions that use it fault, as a guest expects that has not set it.
 */
void pv_load_cr4(struct vcpu *v)
{
	const u64 theirs = CR4_TSD | CR4_DE | CR4_FSGSBASE;
	u64 now = read_cr4(), want = (now & ~theirs) | (v->pv.cr4 & theirs);

	if (v->domain->tsc_mode == TSC_ALWAYS_EMULATE)
		want |= CR4_TSD;
	if (want != now)
		write_cr4(want);
}

void pv_load(struct vcpu *v)
{
	struct pv_vcpu *pv = &v->pv;
	struct cpu_info *ci = this_cpu_info();
	bool good;

	if (!v->domain->pv.xpti)
		ci->hv_cr3 = 0;
	/*
	 * The frame behind the guest's shows this CPU's descriptors, since the TSS is the CPU's. What this CPU may remember
	 * of the place goes with the load of CR3: no mapping there is global.
	 */
	slot_l1(v)[14] = this_pcpu()->gdt_maddr | HV_RW;
	load_guest_table(v);
	load_gdt(v);
	good = LOAD_SELECTOR(ds, pv->ds);
	good &= LOAD_SELECTOR(es, pv->es);
	good &= LOAD_SELECTOR(fs, pv->fs);
	good &= LOAD_SELECTOR(gs, pv->gs);
	wrmsr(MSR_FS_BASE, pv->fs_base);
	wrmsr(MSR_GS_BASE, pv->kernel_mode ? pv->gs_base_kernel : pv->gs_base_user);
	wrmsr(MSR_KERNEL_GS_BASE, pv->kernel_mode ? pv->gs_base_user : pv->gs_base_kernel);
	load_debug_registers(v);
	pv_load_cr4(v);
	if (pv_has_tsc_aux())
		wrmsr(MSR_TSC_AUX, pv->tsc_aux);
	ci->regs = pv->regs;
	/* While it was not here, somebody changed a descriptor: its kernel hears of it, with what should have been. */
	if (unlikely(!good))
		pv_failsafe(v, &ci->regs);
}

void pv_unload(void)
{
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" :: "r"(0));
	__asm__ volatile("mov %0, %%dr7" :: "r"(0x400ULL));
	this_cpu_info()->hv_cr3 = 0;
	cpu_load_own_gdt();
	write_cr3(idle_l4_mfn.m << PAGE_SHIFT);
}

static bool canonical(u64 va) { return (s64)(va << 16) >> 16 == (s64)va; }

HYPERCALL(hc_set_segment_base)
{
	switch (a1) {
	case SEGBASE_FS:
		if (!canonical(a2))
			return -EINVAL;
		wrmsr(MSR_FS_BASE, a2);
		return 0;
	case SEGBASE_GS_USER:
		if (!canonical(a2))
			return -EINVAL;
		wrmsr(MSR_KERNEL_GS_BASE, a2);
		return 0;
	case SEGBASE_GS_KERNEL:
		if (!canonical(a2))
			return -EINVAL;
		wrmsr(MSR_GS_BASE, a2);
		return 0;
	case SEGBASE_GS_USER_SEL: {
		/* The user's selector is loaded while the user's base is the active one. Never an error (abi.md 1.10). */
		__asm__ volatile("swapgs");
		LOAD_SELECTOR(gs, a2 & 0xffff);
		__asm__ volatile("mfence; swapgs" ::: "memory");
		return 0;
	}
	default:
		return -EINVAL;
	}
}

HYPERCALL(hc_stack_switch)
{
	struct vcpu *v = current;

	v->pv.kernel_ss = a1 | 3;
	v->pv.kernel_sp = a2;
	return 0;
}

/* --- Descriptor tables -------------------------------------------------------------------- */

int pv_set_gdt(struct vcpu *v, const u64 *frames, u32 entries)
{
	u32 nr = (entries + 511) / 512, got = 0;
	u64 *l1 = slot_l1(v);

	if (entries > FIRST_RESERVED_GDT_ENTRY)
		return -EINVAL;
	for (; got < nr; got++)
		if (!get_page_seg_desc(MFN(frames[got]), v->domain))
			goto undo;
	for (u32 i = 0; i < GDT_GUEST_FRAMES; i++) {
		mfn_t old = v->pv.gdt_frames[i];

		v->pv.gdt_frames[i] = i < nr ? MFN(frames[i]) : INVALID_MFN;
		l1[i] = i < nr ? frames[i] << PAGE_SHIFT | HV_RW : empty_gdt_frame();
		if (!mfn_eq(old, INVALID_MFN))
			put_page_seg_desc(old);
	}
	v->pv.gdt_ents = entries;
	if (v == current)
		flush_local(FLUSH_ALL_VA);
	return 0;
undo:
	while (got-- > 0)
		put_page_seg_desc(MFN(frames[got]));
	return -EINVAL;
}

HYPERCALL(hc_set_gdt)
{
	u64 frames[GDT_GUEST_FRAMES];
	u32 nr = ((u32)a2 + 511) / 512;

	if ((u32)a2 > FIRST_RESERVED_GDT_ENTRY)
		return -EINVAL;
	if (copy_from_guest(frames, a1, nr * 8))
		return -EFAULT;
	return pv_set_gdt(current, frames, a2);
}

HYPERCALL(hc_update_descriptor)
{
	struct domain *d = current->domain;
	mfn_t mfn = MFN(a1 >> PAGE_SHIFT);
	u64 desc = a2, *page;

	if ((a1 & 7) || !descriptor_fix(&desc))
		return -EINVAL;
	if (get_page_seg_desc(mfn, d)) {
		page = map_frame(mfn);
		WRITE_ONCE(page[(a1 & (PAGE_SIZE - 1)) / 8], desc);
		unmap_frame(page);
		put_page_seg_desc(mfn);
		return 0;
	}
	if (!get_page_writable(mfn, d))
		return -EINVAL;
	page = map_frame(mfn);
	WRITE_ONCE(page[(a1 & (PAGE_SIZE - 1)) / 8], desc);
	unmap_frame(page);
	put_page_writable(mfn);
	return 0;
}

void pv_drop_ldt(struct vcpu *v)
{
	u64 *l1 = slot_l1(v) + 16;

	for (unsigned i = 0; v->pv.ldt_mapped; i++) {
		if (!(v->pv.ldt_mapped >> i & 1))
			continue;
		v->pv.ldt_mapped &= ~(1u << i);
		put_page_seg_desc(MFN((l1[i] & PTE_MFN_MASK) >> PAGE_SHIFT));
		l1[i] = 0;
	}
}

static bool ldt_ok(u64 base, u64 ents)
{
	return ents <= 8192 && !(base & (PAGE_SIZE - 1)) && (!ents || guest_range_ok(base, ents * 8));
}

int pv_set_ldt(struct vcpu *v, u64 base, u32 ents)
{
	if (!ldt_ok(base, ents))
		return -EINVAL;
	if (v->pv.ldt_ents != ents || v->pv.ldt_base != base || ents) {
		pv_drop_ldt(v);
		flush_local(FLUSH_ALL_VA);
		v->pv.ldt_base = base;
		v->pv.ldt_ents = ents;
		load_gdt(v);
	}
	return 0;
}

bool pv_map_ldt_page(struct vcpu *v, u64 off)
{
	unsigned i = off >> PAGE_SHIFT;
	u64 *l1 = slot_l1(v) + 16, *pl1e, pte;
	mfn_t table, mfn;

	if (off >= v->pv.ldt_ents * 8ULL || (v->pv.ldt_mapped >> i & 1))
		return false;
	pl1e = guest_l1_entry(v, v->pv.ldt_base + ((u64)i << PAGE_SHIFT), &table);
	if (!pl1e)
		return false;
	pte = READ_ONCE(*pl1e);
	unmap_frame(pl1e);
	release_page_table(v, table);
	mfn = MFN((pte & PTE_MFN_MASK) >> PAGE_SHIFT);
	if (!(pte & PTE_P) || !get_page_seg_desc(mfn, v->domain))
		return false;
	l1[i] = mfn.m << PAGE_SHIFT | HV_RW;
	v->pv.ldt_mapped |= 1u << i;
	return true;
}

/* --- Debug registers, FPU ------------------------------------------------------------------- */

/* Break on instruction, write or I/O only outside the hypervisor; reserved bits as the CPU wants them (SDM 3, 18.2). */
int pv_set_debugreg(struct vcpu *v, unsigned reg, u64 value)
{
	switch (reg) {
	case 0 ... 3:
		/* Its first byte says all: the CPU aligns what it watches, and so do the edges of our range. */
		if (!guest_range_ok(value, 1))
			return -EPERM;
		break;
	case 6:
		value = (value & 0xe00f) | 0xffff0ff0;
		break;
	case 7:
		if (value >> 32)
			return -EINVAL;
		/* GD would trap the hypervisor's own accesses; a length of 8 or I/O breakpoints stay possible. */
		if (value & (1 << 13))
			return -EPERM;
		for (unsigned i = 0; i < 4; i++)
			if ((value >> (16 + 4 * i) & 3) == 2)
				return -EPERM;
		value = (value & 0xffff07ff) | 0x400;
		break;
	default:
		return -EINVAL;
	}
	v->pv.dr[reg] = value;
	if (v == current)
		load_debug_registers(v);
	return 0;
}

HYPERCALL(hc_set_debugreg)
{
	if (a1 == 4 || a1 == 5)
		a1 += 2;
	return a1 < 8 ? pv_set_debugreg(current, a1, a2) : -EINVAL;
}

HYPERCALL(hc_get_debugreg)
{
	if (a1 == 4 || a1 == 5)
		a1 += 2;
	return a1 < 8 ? (long)current->pv.dr[index_nospec(a1, 8)] : -EINVAL;
}

HYPERCALL(hc_fpu_taskswitch)
{
	struct vcpu *v = current;

	v->pv.cr0_ts = a1 ? CR0_TS : 0;
	fpu_set_ts(v->pv.cr0_ts);
	return 0;
}

/* --- A vcpu's first state ---------------------------------------------------------------------- */

/* What of a context can be refused: all of it is held afterwards, or nothing. */
static int context_tables(struct vcpu *v, const struct vcpu_guest_context *c)
{
	mfn_t kernel = MFN(xen_cr3_to_pfn(c->ctrlreg[3])), user = MFN(xen_cr3_to_pfn(c->ctrlreg[1]));
	int rc = get_page_table(current, kernel, v->domain, 4);

	if (rc)
		return rc;
	if (c->ctrlreg[1]) {
		rc = get_page_table(current, user, v->domain, 4);
		if (rc) {
			put_page_table(current, kernel);
			return rc;
		}
		v->pv.user_cr3 = user.m << PAGE_SHIFT;
	}
	v->pv.kernel_cr3 = kernel.m << PAGE_SHIFT;
	return 0;
}

/* What it has of tables it keeps once it has a context: a toolstack changes registers of a vcpu that waits. */
static bool same_tables(const struct vcpu *v, const struct vcpu_guest_context *c)
{
	for (u32 i = 0; i < (c->gdt_ents + 511) / 512 && i < GDT_GUEST_FRAMES; i++)
		if (v->pv.gdt_frames[i].m != c->gdt_frames[i])
			return false;
	return xen_cr3_to_pfn(c->ctrlreg[3]) == v->pv.kernel_cr3 >> PAGE_SHIFT &&
	       xen_cr3_to_pfn(c->ctrlreg[1]) == v->pv.user_cr3 >> PAGE_SHIFT && c->gdt_ents == v->pv.gdt_ents &&
	       c->ldt_base == v->pv.ldt_base && c->ldt_ents == v->pv.ldt_ents;
}

static int take_tables(struct vcpu *v, const struct vcpu_guest_context *c)
{
	int rc;

	if (!ldt_ok(c->ldt_base, c->ldt_ents))
		return -EINVAL;
	/* It has never run, so nothing of it is loaded anywhere. */
	if (c->gdt_ents && (rc = pv_set_gdt(v, c->gdt_frames, c->gdt_ents)))
		return rc;
	rc = context_tables(v, c);
	if (rc && c->gdt_ents)
		pv_set_gdt(v, NULL, 0);
	return rc;
}

int pv_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
	struct pv_vcpu *pv = &v->pv;
	int rc;

	/* It would begin in user mode without tables for that. */
	if (!(c->flags & VGCF_in_kernel) && !c->ctrlreg[1])
		return -EINVAL;
	if (v->initialised && !same_tables(v, c))
		return -EOPNOTSUPP;
	rc = v->initialised ? 0 : take_tables(v, c);
	if (rc)
		return rc;
	pv->regs = c->user_regs;
	pv->regs.cs |= 3;
	pv->regs.ss |= 3;
	pv->iopl = c->user_regs.rflags >> 12 & 3;
	pv->regs.rflags = (pv->regs.rflags & ~(RFLAGS_IOPL | RFLAGS_VM | RFLAGS_VIF | RFLAGS_VIP)) | RFLAGS_IF | 2;
	pv->regs.entry_vector = 0;
	pv->ds = c->user_regs.ds;
	pv->es = c->user_regs.es;
	pv->fs = c->user_regs.fs;
	pv->gs = c->user_regs.gs;
	pv->fs_base = canonical(c->fs_base) ? c->fs_base : 0;
	pv->gs_base_kernel = canonical(c->gs_base_kernel) ? c->gs_base_kernel : 0;
	pv->gs_base_user = canonical(c->gs_base_user) ? c->gs_base_user : 0;
	pv->kernel_mode = !!(c->flags & VGCF_in_kernel);
	pv->kernel_ss = c->kernel_ss | 3;
	pv->kernel_sp = c->kernel_sp;
	for (unsigned i = 0; i < NR_TRAPS; i++) {
		const struct trap_info *t = &c->trap_ctxt[i];

		if (guest_range_ok(t->address, 1))
			pv->traps[i] = (struct pv_trap){ t->address, TI_GET_DPL(t), TI_GET_IF(t) };
	}
	pv->event.rip = guest_range_ok(c->event_callback_eip, 1) ? c->event_callback_eip : 0;
	pv->failsafe.rip = guest_range_ok(c->failsafe_callback_eip, 1) ? c->failsafe_callback_eip : 0;
	pv->failsafe.masks = c->flags & VGCF_failsafe_disables_events;
	pv->syscall.rip = guest_range_ok(c->syscall_callback_eip, 1) ? c->syscall_callback_eip : 0;
	pv->syscall.masks = c->flags & VGCF_syscall_disables_events;
	for (unsigned i = 0; i < 8; i++)
		if (c->debugreg[i])
			pv_set_debugreg(v, i, c->debugreg[i]);
	pv->ldt_base = c->ldt_base;
	pv->ldt_ents = c->ldt_ents;
	if (c->flags & VGCF_i387_valid)
		fpu_set_image(v, &c->fpu_ctxt);
	return 0;
}

void pv_get_context(const struct vcpu *v, struct vcpu_guest_context *c)
{
	const struct pv_vcpu *pv = &v->pv;

	memcpy(&c->fpu_ctxt, v->fpu, sizeof(c->fpu_ctxt));
	c->flags = VGCF_i387_valid | (pv->kernel_mode ? VGCF_in_kernel : 0) | (READ_ONCE(v->down) ? 0 : VGCF_online) |
		   (pv->failsafe.masks ? VGCF_failsafe_disables_events : 0) |
		   (pv->syscall.masks ? VGCF_syscall_disables_events : 0);
	c->user_regs = pv->regs;
	c->user_regs.rflags |= (u64)pv->iopl << 12;
	c->user_regs.entry_vector = 0;
	c->user_regs.ds = pv->ds;
	c->user_regs.es = pv->es;
	c->user_regs.fs = pv->fs;
	c->user_regs.gs = pv->gs;
	for (unsigned i = 0; i < NR_TRAPS; i++)
		if (pv->traps[i].rip)
			c->trap_ctxt[i] = (struct trap_info){ .vector = i, .cs = GUEST_CS64, .address = pv->traps[i].rip,
							      .flags = pv->traps[i].dpl | (pv->traps[i].masks ? 4 : 0) };
	c->ldt_base = pv->ldt_base;
	c->ldt_ents = pv->ldt_ents;
	c->gdt_ents = pv->gdt_ents;
	for (unsigned i = 0; i < (pv->gdt_ents + 511) / 512; i++)
		c->gdt_frames[i] = pv->gdt_frames[i].m;
	c->kernel_ss = pv->kernel_ss;
	c->kernel_sp = pv->kernel_sp;
	c->ctrlreg[0] = (read_cr0() & ~CR0_TS) | pv->cr0_ts;
	c->ctrlreg[1] = xen_pfn_to_cr3(pv->user_cr3 >> PAGE_SHIFT);
	c->ctrlreg[3] = xen_pfn_to_cr3(pv->kernel_cr3 >> PAGE_SHIFT);
	c->ctrlreg[4] = pv->cr4;
	memcpy(c->debugreg, pv->dr, sizeof(c->debugreg));
	c->event_callback_eip = pv->event.rip;
	c->failsafe_callback_eip = pv->failsafe.rip;
	c->syscall_callback_eip = pv->syscall.rip;
	c->vm_assist = v->domain->vm_assist;
	c->fs_base = pv->fs_base;
	c->gs_base_kernel = pv->gs_base_kernel;
	c->gs_base_user = pv->gs_base_user;
}

int pv_vcpu_release(struct vcpu *v)
{
	u64 *root[] = { &v->pv.user_cr3, &v->pv.kernel_cr3 };
	struct vcpu *self = current;

	if (pt_job_resume(self))
		return -ERESTART;
	pv_set_gdt(v, NULL, 0);
	pv_drop_ldt(v);
	for (unsigned i = 0; i < ARRAY_SIZE(root); i++) {
		mfn_t mfn = MFN(*root[i] >> PAGE_SHIFT);

		if (!*root[i])
			continue;
		*root[i] = 0;
		put_page_table(self, mfn);
		if (pt_job_resume(self))
			return -ERESTART;
	}
	return 0;
}
