// SPDX-License-Identifier: MIT
/*
 * FPU state moves with the rest of a vcpu's state when another guest's vcpu
 * comes to a CPU (core/sched.c), and only then: a vcpu that blocks and comes
 * back finds its registers where it left them, and the hypervisor itself uses
 * none. The switch is eager, so no guest can look at another's registers by a
 * deferred fault.
 *
 * While no vcpu's state is loaded, XCR0 has every component that a guest may use.
 */
#include "x86/xsave.h"
#include "core/domain.h"
#include "core/seam.h"
#include "lib/string.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/policy.h"

#define FXSAVE_BYTES 512
#define XSAVE_HEADER 64

static bool use_xsave(void) { return host_cpu.guest_xcr0 != 0; }

/* Bits that MXCSR can have: others fault when they are loaded (SDM 1, 11.6.6). */
static u32 mxcsr_mask;

static void find_mxcsr_mask(u8 *area)
{
	__asm__ volatile("clts; fxsave64 (%0)" :: "r"(area) : "memory");
	mxcsr_mask = *(u32 *)(area + 28);
	if (!mxcsr_mask)
		mxcsr_mask = 0xffbf;
	memset(area, 0, FXSAVE_BYTES);
}

void *fpu_area_new(void)
{
	u8 *a, *raw = hv_alloc(max(host_cpu.xsave_bytes, 1024u) + 64);

	if (!raw)
		return NULL;
	a = (u8 *)ALIGN_UP((u64)raw + 1, 64ULL); /* hv_alloc() aligns to 16, so there is room in front */
	*(void **)(a - 8) = raw;
	/* The first is the boot CPU's, before any guest has anything in the FPU. */
	if (!mxcsr_mask)
		find_mxcsr_mask(a);
	*(u16 *)(a + 0) = 0x37f;  /* FCW after FNINIT */
	*(u32 *)(a + 24) = 0x1f80; /* MXCSR at reset */
	if (use_xsave())
		*(u64 *)(a + FXSAVE_BYTES) = 3; /* XSTATE_BV: x87 and SSE are in the image */
	return a;
}

void fpu_area_free(void *area)
{
	if (area)
		hv_free(*(void **)((u8 *)area - 8));
}

void fpu_set_image(struct vcpu *v, const void *fxsave_image)
{
	u8 *a = v->fpu;

	memcpy(a, fxsave_image, FXSAVE_BYTES);
	*(u32 *)(a + 24) &= mxcsr_mask;
}

void fpu_save(struct vcpu *v)
{
	__asm__ volatile("clts");
	if (use_xsave() && v->xcr0 != host_cpu.guest_xcr0)
		xsetbv0(host_cpu.guest_xcr0);
	if (use_xsave())
		__asm__ volatile("xsave64 (%0)" :: "r"(v->fpu), "a"(~0u), "d"(~0u) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" :: "r"(v->fpu) : "memory");
}

/*
 * AMD's CPUs load the addresses of the last x87 instruction and operand only if
 * an exception is pending (AMD 3, RSTR_FP_ERR_PTRS in E.4.7): those of another
 * vcpu would stay. A load of ours puts ours there; what it pushes is replaced at once.
 */
static void forget_x87_pointers(void)
{
	static const u32 zero;

	if ((host_cpu.vendor == VENDOR_AMD || host_cpu.vendor == VENDOR_HYGON) &&
	    !host_has(X86_FEATURE_RSTR_FP_ERR_PTRS))
		__asm__ volatile("fnclex; emms; fildl %0" :: "m"(zero));
}

void fpu_load(struct vcpu *v)
{
	__asm__ volatile("clts");
	forget_x87_pointers();
	if (use_xsave())
		__asm__ volatile("xrstor64 (%0)" :: "r"(v->fpu), "a"(~0u), "d"(~0u) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" :: "r"(v->fpu) : "memory");
	if (use_xsave() && v->xcr0 != host_cpu.guest_xcr0)
		xsetbv0(v->xcr0);
	fpu_set_ts(v->pv.cr0_ts);
}

void fpu_set_ts(bool on)
{
	u64 cr0 = read_cr0();

	if (on && !(cr0 & CR0_TS))
		write_cr0(cr0 | CR0_TS);
	else if (!on && (cr0 & CR0_TS))
		__asm__ volatile("clts");
}

static bool xcr0_ok(const struct domain *d, u64 xcr0)
{
	const struct cpu_policy *p = d->policy ?: &pv_policy;

	/* SDM 1, 13.3: x87 always, AVX needs SSE, the three AVX-512 parts go together and need AVX. */
	return (xcr0 & 1) && !(xcr0 & ~(p->xstate[0][EAX] | (u64)p->xstate[0][EDX] << 32)) && (!(xcr0 & 4) || (xcr0 & 2)) &&
	       (!(xcr0 & 0xe0) || ((xcr0 & 0xe0) == 0xe0 && (xcr0 & 4)));
}

int fpu_set_area(struct vcpu *v, u64 xcr0, u8 *area)
{
	const u64 *header = (const u64 *)(area + FXSAVE_BYTES);

	/* SDM 1, 13.8.1: XSTATE_BV, XCOMP_BV, and 48 bytes of zeros; anything else faults when it is loaded. */
	if (!xcr0_ok(v->domain, xcr0) || header[0] & ~host_cpu.guest_xcr0)
		return -EINVAL;
	for (unsigned i = 1; i < XSAVE_HEADER / 8; i++)
		if (header[i])
			return -EINVAL;
	*(u32 *)(area + 24) &= mxcsr_mask;
	memcpy(v->fpu, area, host_cpu.xsave_bytes);
	v->xcr0 = xcr0;
	return 0;
}

int fpu_set_xcr0(struct vcpu *v, u64 xcr0)
{
	if (!xcr0_ok(v->domain, xcr0))
		return -EINVAL;
	v->xcr0 = xcr0;
	xsetbv0(xcr0);
	return 0;
}
