/* SPDX-License-Identifier: MIT */
/*
 * The one instruction decoder: privileged instructions of PV guests, and writes
 * into page tables that a guest may only read. See decode.c.
 */
#ifndef X86_DECODE_H
#define X86_DECODE_H

#include "lib/errno.h"
#include "lib/types.h"
#include "xen/arch-x86_64.h"

#define INSN_MAX_BYTES 15

enum insn_class {
	INSN_NONE,
	/* Ports: opsize 1, 2, 4; `port`. INS and OUTS: also adsize, rep, seg, ea. */
	INSN_IN, INSN_OUT, INSN_INS, INSN_OUTS,
	INSN_CLI, INSN_STI, INSN_CLTS, INSN_HLT, INSN_WBINVD, INSN_INVD, INSN_SWAPGS,
	INSN_INVLPG,                    /* seg, ea */
	INSN_MOV_FROM_CR, INSN_MOV_TO_CR, /* `nr` = control register, `reg` = GPR; 8 bytes in long mode */
	INSN_MOV_FROM_DR, INSN_MOV_TO_DR, /* likewise, debug register */
	INSN_LMSW, INSN_SMSW,           /* mem? seg, ea : `reg`. LMSW by register: `value` */
	INSN_RDMSR, INSN_WRMSR, INSN_RDTSC, INSN_RDTSCP, INSN_RDPMC,
	INSN_CPUID,
	INSN_FORCED_CPUID,              /* ud2; "xen"; cpuid */
	INSN_XSETBV, INSN_XGETBV,
	INSN_INT_N, INSN_INT3, INSN_ICEBP, /* `nr` = vector */
	/* Memory: opsize 1, 2, 4, 8; seg, ea; `value` is the source; lock */
	INSN_MOV_TO_MEM,
	INSN_MOV_FROM_MEM,              /* into `reg` */
	INSN_XCHG_MEM, INSN_XADD_MEM, INSN_CMPXCHG_MEM, /* with `reg` */
	INSN_CMPXCHG8B_MEM,             /* opsize 8, or 16 for cmpxchg16b */
	INSN_ALU_MEM,                   /* `op` */
	INSN_BT_MEM,                    /* `op`; `value` = bit number inside the word at ea */
	INSN_STOS, INSN_MOVS,           /* ea, seg = es:rdi; MOVS reads `src_seg`:`src_ea`; STOS stores `value`. rep */
};

/* For INSN_ALU_MEM the numbers of the opcode map; cmp is not here, it does not write. */
enum insn_op { OP_ADD, OP_OR, OP_ADC, OP_SBB, OP_AND, OP_SUB, OP_XOR, OP_BTS, OP_BTR, OP_BTC };

enum insn_seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

enum insn_rep { REP_NONE, REP_E = 1, REP_NE = 2 }; /* f3, f2 */

/* Fields that the class does not name are undefined. */
struct insn {
	u8 class;   /* enum insn_class */
	u8 length;  /* bytes */
	u8 opsize;  /* bytes */
	u8 adsize;  /* bytes: 2, 4 or 8 */
	u8 rep;     /* enum insn_rep */
	u8 seg;     /* enum insn_seg */
	u8 src_seg;
	u8 reg;     /* GPR in ModRM order 0..15 */
	bool high8; /* `reg` is ah, ch, dh, bh of GPR reg (0..3) */
	bool lock;
	bool mem;   /* operand is memory */
	u8 op;      /* enum insn_op */
	u8 nr;
	u16 port;
	u64 ea;     /* offset in segment `seg`, adsize bytes wide */
	u64 src_ea;
	u64 value;  /* opsize bytes wide */
};

/*
 * Decodes the instruction at `bytes`, of which `count` (1..15) may be read.
 * `long_mode`: cs is a 64-bit segment; else it is a 32-bit one.
 *
 * 0; -EFAULT: it goes on past `count` bytes, which the caller could not read
 * (a page fault at rip + count); -EINVAL: anything not listed above, or longer
 * than 15 bytes: the caller reflects the fault it had.
 *
 * Segment bases are not added here, because reading them costs and most callers
 * need none: insn_linear() does it.
 */
int insn_decode(struct insn *i, const u8 *bytes, unsigned int count, bool long_mode,
		const struct cpu_user_regs *regs);

/*
 * Linear address of an operand with offset `ea` in a segment with base `base`.
 * In long mode only fs and gs have a base, pass 0 for the others.
 */
static inline u64 insn_linear(u64 ea, u64 base, bool long_mode)
{
	return long_mode ? ea + base : (u32)(ea + base);
}

/*
 * The result of a memory class other than STOS and MOVS, when memory holds
 * `old` (opsize bytes, zero extended): `*new` is what to store and `*rflags`
 * the flags afterwards. Registers are left alone, so that the store can still
 * fail. 0, or -EINVAL for a class without a result (also cmpxchg16b).
 */
int insn_apply_alu(const struct insn *i, const struct cpu_user_regs *regs, u64 old, u64 *new, u64 *rflags);

/*
 * After the store: registers that the instruction loads (from `old`), flags,
 * and rip moved behind it. The caller then raises #DB where rflags.TF is set.
 */
void insn_finish(const struct insn *i, struct cpu_user_regs *regs, u64 old, u64 rflags);

/* Slot of GPR `index`, 0..15 in ModRM order: rax rcx rdx rbx rsp rbp rsi rdi r8..r15. */
static inline u64 *reg_slot(struct cpu_user_regs *regs, unsigned int index)
{
#define AT(r) (offsetof(struct cpu_user_regs, r) / 8)
	static const u8 at[16] = {
		AT(rax), AT(rcx), AT(rdx), AT(rbx), AT(rsp), AT(rbp), AT(rsi), AT(rdi),
		AT(r8),  AT(r9),  AT(r10), AT(r11), AT(r12), AT(r13), AT(r14), AT(r15),
	};
#undef AT
	return (u64 *)regs + at[index & 15];
}

static inline u64 reg_read(const struct cpu_user_regs *regs, unsigned int index)
{
	return *reg_slot((struct cpu_user_regs *)regs, index);
}

/* Writes the low `bytes` bytes of a GPR as the CPU does: 4 clears the upper half, 1 and 2 keep the rest. */
static inline void reg_write(struct cpu_user_regs *regs, unsigned int index, u64 value, unsigned int bytes)
{
	u64 *slot = reg_slot(regs, index);

	switch (bytes) {
	case 1:
		*slot = (*slot & ~0xffULL) | (u8)value;
		break;
	case 2:
		*slot = (*slot & ~0xffffULL) | (u16)value;
		break;
	case 4:
		*slot = (u32)value;
		break;
	default:
		*slot = value;
	}
}

#endif
