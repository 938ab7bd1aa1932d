// SPDX-License-Identifier: MIT
/*
 * Privileged instructions of a PV guest, and its writes into page tables.
 *
 * A guest kernel runs in ring 3, so these instructions fault. Those that abi.md
 * section 3 lists are carried out on the vcpu's virtual state, the rest is the
 * guest's fault to handle. Decoding is in x86/decode.c; this file does what the
 * instruction means.
 *
 * The guest's code is fetched once and the copy decoded, so that a second CPU
 * changing it in between gains nothing.
 */
#include "core/access.h"
#include "core/domain.h"
#include "core/seam.h"
#include "pv/vcpu_pv.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/decode.h"
#include "x86/extable.h"
#include "x86/guest_copy.h"
#include "x86/msi.h"
#include "x86/pci.h"
#include "x86/paging.h"
#include "x86/policy.h"
#include "x86/xsave.h"
#include "core/physdev.h"

/*
 * The segment that code runs in, by its descriptor in the guest's tables. The guest may have
 * changed that since it was loaded; then it is the guest that gets another instruction decoded.
 */
struct code_segment {
	u64 base;
	bool long_mode;
};

/* Base of a code or data segment outside of 64-bit mode; 0 where the CPU would not load it. */
static u64 descriptor_base(struct vcpu *v, u16 sel)
{
	u64 at = (sel & 4 ? LDT_VIRT(v->vcpu_id) : GDT_VIRT(v->vcpu_id)) + (sel & ~7u), desc = 0;
	u32 valid = 0;

	/*
	 * VERR wants a present segment inside its table's limit (SDM 2, VERR). A page of
	 * the LDT that isn't there, and that the guest no longer has, faults here too.
	 */
	__asm__ volatile("1: verr %w2; setz %b0; test %b0, %b0; jz 3f; 2: mov (%3), %1; 3:\n" EXTABLE(1b, 3b)
			 EXTABLE(2b, 3b) : "+q"(valid), "+r"(desc) : "r"((u32)sel), "r"(at) : "cc");
	return (desc >> 16 & 0xffffff) | (desc >> 56) << 24;
}

static struct code_segment code_segment(struct vcpu *v, const struct cpu_user_regs *regs)
{
	u64 attrs = 0;

	if (likely(regs->cs == GUEST_CS64))
		return (struct code_segment){ .long_mode = true };
	if (regs->cs == GUEST_CS32)
		return (struct code_segment){ .base = 0 };
	/* LAR shows the descriptor's L bit (SDM 2, LAR): bit 21. A selector that is bad by now leaves it 0. */
	__asm__ volatile("1: lar %1, %0; 2:\n" EXTABLE(1b, 2b) : "+r"(attrs) : "r"((u64)regs->cs) : "cc");
	if (attrs >> 21 & 1)
		return (struct code_segment){ .long_mode = true };
	return (struct code_segment){ .base = descriptor_base(v, regs->cs) };
}

/* Linear address of `off` in the segment. */
static u64 code_linear(const struct code_segment *cs, u64 off)
{
	return insn_linear(off, cs->base, cs->long_mode);
}

/* --- I/O ports ------------------------------------------------------------------------ */

/* May the guest, in its present mode, use ports port..port+size-1 at all? If not, #GP. */
static bool port_allowed(struct vcpu *v, u16 port, unsigned size)
{
	u8 bits[2];

	/* A guest kernel is ring 1 to the virtual IOPL (abi.md 3.5). */
	if (v->pv.iopl >= (v->pv.kernel_mode ? 1 : 3))
		return true;
	if (port + size > v->pv.iobitmap_ports)
		return false;
	bits[1] = 0xff;
	if (pv_copy_from_kernel(v, bits, v->pv.iobitmap_gva + port / 8, (port & 7) + size > 8 ? 2 : 1))
		return false;
	return !((bits[0] | bits[1] << 8) >> (port & 7) & ((1u << size) - 1));
}

static u32 port_in(u16 port, unsigned size)
{
	return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
}

static void port_out(u16 port, unsigned size, u32 val)
{
	if (size == 1)
		outb(port, val);
	else if (size == 2)
		outw(port, val);
	else
		outl(port, val);
}

static bool is_pit_channel2(u16 port, bool write, u32 val)
{
	/* Channel 2 and its gate time the guest's calibration loops; channel 0 would raise interrupts. */
	return port == 0x42 || port == 0x61 || (port == 0x43 && (!write || val >> 6 == 2));
}

static u32 io_read(struct vcpu *v, u16 port, unsigned size)
{
	struct domain *d = v->domain;

	if ((port & 0xfffc) == 0xcfc && port + size <= 0xd00)
		return access_machine(d) ? pci_cf8_read(d->pci_cf8, port & 3, size) : ~0u;
	if (port == 0xcf8 && size == 4)
		return d->pci_cf8;
	if (rangeset_contains(d->ioports, port, port + size - 1))
		return port_in(port, size);
	if (size == 1 && access_machine(d) && is_pit_channel2(port, false, 0))
		return inb(port);
	return ~0u;
}

static void io_write(struct vcpu *v, u16 port, unsigned size, u32 val)
{
	struct domain *d = v->domain;

	if ((port & 0xfffc) == 0xcfc && port + size <= 0xd00) {
		if (access_machine(d))
			msi_guest_config_write(d->pci_cf8, port & 3, size, val);
	} else if (port == 0xcf8 && size == 4) {
		d->pci_cf8 = val;
	} else if (rangeset_contains(d->ioports, port, port + size - 1)) {
		port_out(port, size, val);
	} else if (size == 1 && access_machine(d) && is_pit_channel2(port, true, val)) {
		outb(port, val);
	}
}

static u64 segment_base(struct vcpu *v, const struct cpu_user_regs *regs, unsigned seg, bool lm)
{
	if (seg == SEG_FS)
		return rdmsr(MSR_FS_BASE);
	if (seg == SEG_GS)
		return rdmsr(MSR_GS_BASE);
	if (lm)
		return 0;
	return descriptor_base(v, seg == SEG_CS ? regs->cs : seg == SEG_SS ? regs->ss :
				  seg == SEG_ES ? read_selector_es() : read_selector_ds());
}

#define STRING_AT_ONCE 512 /* elements before interrupts are looked at again */

/* INS and OUTS with REP. True: done or to be repeated by the guest; false: *cr2 faulted. */
static bool string_io(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i, bool lm, u64 *cr2)
{
	bool in = i->class == INSN_INS;
	u64 *ptr = in ? &regs->rdi : &regs->rsi;
	u64 mask = i->adsize == 8 ? ~0ULL : i->adsize == 4 ? 0xffffffff : 0xffff;
	s64 step = regs->rflags & RFLAGS_DF ? -(s64)i->opsize : i->opsize;
	u64 base = segment_base(v, regs, i->seg, lm);

	for (unsigned n = 0; !i->rep || (regs->rcx & mask); n++) {
		u64 va = insn_linear(*ptr & mask, base, lm);
		u32 val = 0;

		if (n == STRING_AT_ONCE)
			return true; /* rip unchanged: the guest goes on with what is left */
		if (in) {
			val = io_read(v, i->port, i->opsize);
			if (copy_to_guest(va, &val, i->opsize)) {
				*cr2 = va;
				return false;
			}
		} else {
			if (copy_from_guest(&val, va, i->opsize)) {
				*cr2 = va;
				return false;
			}
			io_write(v, i->port, i->opsize, val);
		}
		*ptr = (*ptr & ~mask) | ((*ptr + step) & mask);
		if (!i->rep)
			break;
		regs->rcx = (regs->rcx & ~mask) | ((regs->rcx - 1) & mask);
	}
	regs->rip += i->length;
	return true;
}

#define MSR_HYPERCALL_PAGE 0x40000000 /* CPUID leaf 0x40000002 says so */

/* --- MSRs -------------------------------------------------------------------------------- */

static bool read_msr(struct vcpu *v, u32 msr, u64 *val)
{
	switch (msr) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_PAT:
		*val = rdmsr(msr);
		return true;
	case MSR_TSC:
		*val = rdtsc();
		return true;
	case MSR_TSC_AUX:
		*val = v->pv.tsc_aux;
		return pv_has_tsc_aux();
	case MSR_EFER:
		*val = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;
		return true;
	case MSR_APIC_BASE:
		*val = 0xfee00800 | (v->vcpu_id == 0 ? 0x100 : 0);
		return true;
	case 0x8b:  /* microcode revision */
		/* Other hypervisors underneath need not have it. */
		return (host_cpu.vendor == VENDOR_INTEL || host_cpu.vendor == VENDOR_AMD) && !rdmsr_safe(msr, val);
	case 0x179: /* MCG_CAP: no banks */
	case 0x17a: /* MCG_STATUS */
	case MSR_MISC_ENABLE:
	case 0x17:  /* platform id */
	case 0xce:  /* PLATFORM_INFO */
	case 0x140: /* MISC_FEATURES_ENABLES */
		*val = 0;
		return host_cpu.vendor == VENDOR_INTEL || msr == 0x179 || msr == 0x17a;
	case 0xc0010015: /* HWCR */
	case 0xc001001f: /* NB_CFG */
	case 0xc0010055: /* interrupt pending message */
	case 0xc0010058: /* MMIO configuration base */
	case 0xc0011029: /* DE_CFG */
	case 0xc0010010: /* SYSCFG */
		*val = 0;
		return host_cpu.vendor == VENDOR_AMD || host_cpu.vendor == VENDOR_HYGON;
	default:
		return false;
	}
}

static bool write_msr(struct vcpu *v, u32 msr, u64 val)
{
	u64 now;

	switch (msr) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
		if ((s64)(val << 16) >> 16 != (s64)val)
			return false;
		wrmsr(msr, val);
		return true;
	case MSR_TSC_AUX:
		if (!pv_has_tsc_aux() || val >> 32)
			return false;
		v->pv.tsc_aux = val;
		wrmsr(msr, val);
		return true;
	case 0x8b:
	case 0x17a:
		return true;
	case MSR_HYPERCALL_PAGE:
		return pv_install_hypercall_page(v->domain, val);
	default:
		/* What it may read it may write back; a change has no effect. */
		return read_msr(v, msr, &now);
	}
}

/* --- Control registers ---------------------------------------------------------------------- */

static bool read_cr(struct vcpu *v, unsigned cr, u64 *val)
{
	switch (cr) {
	case 0:
		*val = (read_cr0() & ~CR0_TS) | v->pv.cr0_ts;
		return true;
	case 2:
		*val = v->pv.cr2;
		return true;
	case 3:
		*val = v->pv.kernel_cr3;
		return true;
	case 4:
		*val = v->pv.cr4 | CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_MCE;
		return true;
	default:
		return false;
	}
}

static bool write_cr(struct vcpu *v, unsigned cr, u64 val)
{
	switch (cr) {
	case 0:
		/* Only TS can change; paging and protection are not the guest's. */
		if ((val ^ read_cr0()) & ~(CR0_TS))
			return false;
		v->pv.cr0_ts = val & CR0_TS;
		fpu_set_ts(v->pv.cr0_ts);
		return true;
	case 2:
		v->pv.cr2 = val;
		v->vcpu_info->arch.cr2 = val;
		return true;
	case 4:
		/* Bits it may not have are dropped without a word, as the ABI says (abi.md 3.4). */
		v->pv.cr4 = val & policy_guest_cr4();
		pv_load_cr4(v);
		return true;
	default:
		return false;
	}
}

static void do_cpuid(struct vcpu *v, struct cpu_user_regs *regs)
{
	struct policy_guest g = { .policy = v->domain->policy, .privileged = v->domain->is_privileged, .xcr0 = v->xcr0 };
	u32 out[4];

	policy_cpuid(&g, regs->rax, regs->rcx, out);
	regs->rax = out[0];
	regs->rbx = out[1];
	regs->rcx = out[2];
	regs->rdx = out[3];
}

/* Instructions that only the guest kernel may use. False: #GP. */
static bool kernel_insn(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i)
{
	u64 val;

	switch (i->class) {
	case INSN_CLI:
	case INSN_STI:
		/* The virtual IF is upcall_mask; with an IOPL that permits them they do nothing, else they fault. */
		return v->pv.iopl >= 1;
	case INSN_CLTS:
		v->pv.cr0_ts = 0;
		fpu_set_ts(false);
		return true;
	case INSN_WBINVD:
	case INSN_INVD:
		if (access_cache_flush(v->domain))
			__asm__ volatile("wbinvd" ::: "memory");
		return true;
	case INSN_MOV_FROM_CR:
		if (!read_cr(v, i->nr, &val))
			return false;
		reg_write(regs, i->reg, val, 8);
		return true;
	case INSN_MOV_TO_CR:
		return write_cr(v, i->nr, reg_read(regs, i->reg));
	case INSN_MOV_FROM_DR:
		reg_write(regs, i->reg, v->pv.dr[i->nr & 7], 8);
		return true;
	case INSN_MOV_TO_DR:
		return pv_set_debugreg(v, i->nr, reg_read(regs, i->reg)) == 0;
	case INSN_RDMSR:
		if (!read_msr(v, regs->rcx, &val))
			return false;
		regs->rax = (u32)val;
		regs->rdx = val >> 32;
		return true;
	case INSN_WRMSR:
		return write_msr(v, regs->rcx, (u32)regs->rax | regs->rdx << 32);
	case INSN_XSETBV:
		return (u32)regs->rcx == 0 && host_cpu.guest_xcr0 &&
		       fpu_set_xcr0(v, (u32)regs->rax | regs->rdx << 32) == 0;
	default:
		return false;
	}
}

bool pv_emulate(struct vcpu *v, struct cpu_user_regs *regs)
{
	u8 code[INSN_MAX_BYTES];
	struct code_segment cs = code_segment(v, regs);
	bool lm = cs.long_mode;
	struct insn i;
	size_t n = copy_from_guest_some(code, code_linear(&cs, regs->rip), sizeof(code));
	u64 cr2;

	if (!n || insn_decode(&i, code, n, lm, regs))
		return false;
	switch (i.class) {
	case INSN_IN:
		if (!port_allowed(v, i.port, i.opsize))
			return false;
		reg_write(regs, 0, io_read(v, i.port, i.opsize), i.opsize);
		break;
	case INSN_OUT:
		if (!port_allowed(v, i.port, i.opsize))
			return false;
		io_write(v, i.port, i.opsize, regs->rax);
		break;
	case INSN_INS:
	case INSN_OUTS:
		if (!port_allowed(v, i.port, i.opsize))
			return false;
		if (!string_io(v, regs, &i, lm, &cr2))
			pv_inject_page_fault(v, regs, cr2, i.class == INSN_INS ? 2 : 0);
		return true;
	case INSN_CPUID:
	case INSN_FORCED_CPUID:
		do_cpuid(v, regs);
		break;
	case INSN_RDTSC:
	case INSN_RDTSCP:
		/* Traps while the guest has set CR4.TSD, which its kernel is exempt from, and for tsc_mode=1. */
		if (!v->pv.kernel_mode && (v->pv.cr4 & CR4_TSD))
			return false;
		cr2 = rdtsc();
		regs->rax = (u32)cr2;
		regs->rdx = cr2 >> 32;
		if (i.class == INSN_RDTSCP)
			regs->rcx = v->pv.tsc_aux;
		break;
	default:
		if (!v->pv.kernel_mode || !kernel_insn(v, regs, &i))
			return false;
	}
	regs->rip += i.length;
	return true;
}

/* ud2; "xen"; cpuid (abi.md 3.1). */
bool pv_forced_cpuid(struct vcpu *v, struct cpu_user_regs *regs)
{
	static const u8 want[7] = { 0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2 };
	u8 code[7];

	if (copy_from_guest(code, regs->rip, sizeof(code)))
		return false;
	for (unsigned i = 0; i < sizeof(want); i++)
		if (code[i] != want[i])
			return false;
	do_cpuid(v, regs);
	regs->rip += sizeof(want);
	return true;
}

/*
 * SGDT, which no CPU refuses in ring 3 unless it is told to, gives the guest the address of
 * its GDT's slot. Linux reads code descriptors there to find an instruction that faulted.
 */
bool pv_read_gdt(struct vcpu *v, struct cpu_user_regs *regs, u64 cr2)
{
	struct code_segment cs = code_segment(v, regs);
	u64 off = cr2 - GDT_VIRT(v->vcpu_id), val;
	u8 code[INSN_MAX_BYTES];
	size_t n = copy_from_guest_some(code, code_linear(&cs, regs->rip), sizeof(code));
	struct insn i;

	if (!v->pv.kernel_mode || !n || insn_decode(&i, code, n, cs.long_mode, regs) || i.class != INSN_MOV_FROM_MEM ||
	    (off & 7) || i.opsize != 8 || off / 8 > HV_GDT_LIMIT / 8)
		return false;
	/* Of ours, the guest uses the segments it was given. */
	val = off / 8 < FIRST_RESERVED_GDT_ENTRY || off / 8 == (GUEST_CS64 >> 3) || off / 8 == (GUEST_CS32 >> 3) ||
			      off / 8 == (GUEST_SS >> 3) ?
		      *(volatile u64 *)cr2 :
		      0;
	reg_write(regs, i.reg, val, 8);
	regs->rip += i.length;
	return true;
}

/* --- Writes to page tables -------------------------------------------------------------------- */

/*
 * STOS or MOVS to such a frame: element by element, as far as the page goes, one with
 * the direction flag set; what is left of a REP faults again. False: nothing was done.
 */
static bool string_to_registers(struct cpu_user_regs *regs, const struct insn *i, mfn_t frame)
{
	bool down = regs->rflags & RFLAGS_DF;
	u64 step = down ? -(u64)i->opsize : i->opsize, nr = 0;

	if (i->adsize != 8)
		return false;
	do {
		unsigned offset = regs->rdi & ~PAGE_MASK;
		u64 value = i->value;

		if (i->rep && !regs->rcx)
			break;
		if (i->class == INSN_MOVS) {
			value = 0;
			if (copy_from_guest(&value, regs->rsi, i->opsize))
				return nr > 0;
			regs->rsi += step;
		}
		if (offset + i->opsize <= PAGE_SIZE)
			io_frame_write(frame, offset, i->opsize, value);
		regs->rdi += step;
		if (i->rep)
			regs->rcx--;
		nr++;
	} while (i->rep && !down && (regs->rdi & ~PAGE_MASK) >= i->opsize);
	if (!i->rep || !regs->rcx)
		regs->rip += i->length;
	return true;
}

/* A write to a page of device registers that guests may only read: x86/msi.c does what is allowed of it. */
static bool write_registers(struct cpu_user_regs *regs, mfn_t frame, u64 va)
{
	u8 code[INSN_MAX_BYTES];
	struct code_segment cs = code_segment(current, regs);
	size_t n = copy_from_guest_some(code, code_linear(&cs, regs->rip), sizeof(code));
	unsigned offset = va & ~PAGE_MASK;
	u64 old = 0, new, flags;
	struct insn i;
	bool fits;

	if (!n || insn_decode(&i, code, n, cs.long_mode, regs) || !i.opsize || i.opsize > 8)
		return false;
	if (i.class == INSN_STOS || i.class == INSN_MOVS)
		return string_to_registers(regs, &i, frame);
	/* No register lies across two pages. */
	fits = offset + i.opsize <= PAGE_SIZE;
	if (fits && i.class != INSN_MOV_TO_MEM)
		old = io_frame_read(frame, offset, i.opsize);
	if (insn_apply_alu(&i, regs, old, &new, &flags))
		return false;
	if (fits)
		io_frame_write(frame, offset, i.opsize, new);
	insn_finish(&i, regs, old, flags);
	return true;
}

/*
 * The guest's kernel wrote to a page that is mapped read-only. If the frame is
 * one of its L1 tables, the instruction is done for it: fetched, applied to the
 * entry's present value, checked like any new entry.
 */
bool pv_write_page_table(struct vcpu *v, struct cpu_user_regs *regs, u64 va)
{
	u8 code[INSN_MAX_BYTES];
	mfn_t table, target;
	u64 *pl1e, pte, *entry, old, part, new, flags;
	struct code_segment cs;
	unsigned shift, n;
	struct insn i;
	u64 mask;
	int rc;

	pl1e = guest_l1_entry(v, va, &table);
	if (!pl1e)
		return false;
	pte = READ_ONCE(*pl1e);
	unmap_frame(pl1e);
	release_page_table(v, table);
	if (!(pte & PTE_P))
		return false;
	/*
	 * Writable by now: another CPU changed it, the instruction will succeed when tried again. Not so if a higher
	 * entry forbids it: then it would fault for ever.
	 */
	if (pte & PTE_RW)
		return guest_may_write(v, va);
	target = MFN((pte & PTE_MFN_MASK) >> PAGE_SHIFT);
	if (unlikely(!mfn_valid(target) || page_owner(mfn_to_page(target)) == DOMID_IO))
		return io_frame_readonly(target) && write_registers(regs, target, va);
	if (!hold_l1_table(target, v->domain))
		return false;
	rc = -EINVAL;
	cs = code_segment(v, regs);
	n = copy_from_guest_some(code, code_linear(&cs, regs->rip), sizeof(code));
	if (!n || insn_decode(&i, code, n, cs.long_mode, regs))
		goto out;
	shift = (va & 7) * 8;
	if (i.opsize > 8 || (va & 7) + i.opsize > 8)
		goto out;
	mask = i.opsize == 8 ? ~0ULL : ((1ULL << i.opsize * 8) - 1) << shift;
	entry = (u64 *)((char *)map_frame(target) + (va & (PAGE_SIZE - 1) & ~7ULL));
	old = READ_ONCE(*entry);
	part = (old & mask) >> shift;
	rc = insn_apply_alu(&i, regs, part, &new, &flags);
	if (!rc) {
		new = (old & ~mask) | (new << shift & mask);
		rc = mod_l1_entry(v, entry, new, false, v->domain, v->domain);
	}
	unmap_frame(entry);
	if (!rc)
		insn_finish(&i, regs, part, flags);
out:
	release_page_table(v, target);
	return rc == 0;
}
