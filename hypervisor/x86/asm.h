/* SPDX-License-Identifier: MIT */
/* The instructions C has no words for, and the registers' bit names (SDM 3, 2.5; 2.2.1). */
#ifndef X86_ASM_H
#define X86_ASM_H

#include "lib/types.h"

#define CR0_PE 0x00000001UL
#define CR0_MP 0x00000002UL
#define CR0_TS 0x00000008UL
#define CR0_ET 0x00000010UL
#define CR0_NE 0x00000020UL
#define CR0_WP 0x00010000UL
#define CR0_PG 0x80000000UL
#define CR4_TSD 0x00000004UL
#define CR4_DE 0x00000008UL
#define CR4_PSE 0x00000010UL
#define CR4_PAE 0x00000020UL
#define CR4_MCE 0x00000040UL
#define CR4_PGE 0x00000080UL
#define CR4_OSFXSR 0x00000200UL
#define CR4_OSXMMEXCPT 0x00000400UL
#define CR4_UMIP 0x00000800UL
#define CR4_FSGSBASE 0x00010000UL
#define CR4_OSXSAVE 0x00040000UL
#define CR4_SMEP 0x00100000UL
#define CR4_SMAP 0x00200000UL

#define RFLAGS_CF 0x00001UL
#define RFLAGS_TF 0x00100UL
#define RFLAGS_IF 0x00200UL
#define RFLAGS_DF 0x00400UL
#define RFLAGS_IOPL 0x03000UL
#define RFLAGS_NT 0x04000UL
#define RFLAGS_RF 0x10000UL
#define RFLAGS_VM 0x20000UL
#define RFLAGS_AC 0x40000UL
#define RFLAGS_VIF 0x80000UL
#define RFLAGS_VIP 0x100000UL

#define MSR_TSC 0x10
#define MSR_APIC_BASE 0x1b
#define MSR_ARCH_CAPABILITIES 0x10a
#define MSR_MISC_ENABLE 0x1a0
#define MSR_PAT 0x277
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_SFMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX 0xc0000103
#define MSR_SYSENTER_CS 0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176

#define EFER_SCE 0x001UL
#define EFER_LME 0x100UL
#define EFER_LMA 0x400UL
#define EFER_NX 0x800UL

static inline u8 inb(u16 p) { u8 v; __asm__ volatile("inb %w1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline u16 inw(u16 p) { u16 v; __asm__ volatile("inw %w1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline u32 inl(u16 p) { u32 v; __asm__ volatile("inl %w1, %0" : "=a"(v) : "Nd"(p)); return v; }
static inline void outb(u16 p, u8 v) { __asm__ volatile("outb %0, %w1" :: "a"(v), "Nd"(p)); }
static inline void outw(u16 p, u16 v) { __asm__ volatile("outw %0, %w1" :: "a"(v), "Nd"(p)); }
static inline void outl(u16 p, u32 v) { __asm__ volatile("outl %0, %w1" :: "a"(v), "Nd"(p)); }

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" :: "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

static inline void cpuid(u32 leaf, u32 sub, u32 out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
			 : "a"(leaf), "c"(sub));
}

#define READ_CR(n)                                                                \
	static inline u64 read_cr##n(void)                                        \
	{                                                                         \
		u64 v;                                                            \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));                 \
		return v;                                                         \
	}                                                                         \
	static inline void write_cr##n(u64 v)                                     \
	{                                                                         \
		__asm__ volatile("mov %0, %%cr" #n :: "r"(v) : "memory");         \
	}
READ_CR(0)
READ_CR(2)
READ_CR(3)
READ_CR(4)
#undef READ_CR

static inline void invlpg(u64 va) { __asm__ volatile("invlpg (%0)" :: "r"(va) : "memory"); }
static inline void cpu_relax(void) { __asm__ volatile("pause" ::: "memory"); }
static inline void irq_window(void) { __asm__ volatile("sti; nop; cli" ::: "memory"); }

static inline u64 xgetbv0(void)
{
	u32 lo, hi;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (u64)hi << 32 | lo;
}

static inline void xsetbv0(u64 v)
{
	__asm__ volatile("xsetbv" :: "c"(0), "a"((u32)v), "d"((u32)(v >> 32)));
}

static inline u64 rsp_now(void)
{
	u64 v;
	__asm__("mov %%rsp, %0" : "=r"(v));
	return v;
}

#endif
