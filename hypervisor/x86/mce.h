/* SPDX-License-Identifier: MIT */
/*
 * Machine checks: what the CPU says of its own errors. mce_grade.c (pure) says
 * how bad one is, mce.c reads the banks and acts, core/mca.c hands records to dom0.
 */
#ifndef X86_MCE_H
#define X86_MCE_H

#include "lib/types.h"
#include "xen/mca.h"

/* IA32_MCG_CAP, IA32_MCG_STATUS and IA32_MCi_STATUS: SDM 3, 16.3. */
#define MCG_CAP_BANKS 0xff
#define MCG_CAP_CTL 0x100
#define MCG_CAP_SER 0x1000000
#define MCG_STATUS_RIPV 1
#define MCG_STATUS_EIPV 2
#define MCG_STATUS_MCIP 4
#define MCI_VAL (1ULL << 63)
#define MCI_OVER (1ULL << 62)
#define MCI_UC (1ULL << 61)
#define MCI_EN (1ULL << 60)
#define MCI_MISCV (1ULL << 59)
#define MCI_ADDRV (1ULL << 58)
#define MCI_PCC (1ULL << 57)
#define MCI_S (1ULL << 56)
#define MCI_AR (1ULL << 55)

/* From harmless to fatal. */
enum mce_grade {
	MCE_NONE,      /* the bank holds nothing */
	MCE_CORRECTED, /* it went well; dom0 counts them */
	MCE_DEFERRED,  /* bad data that nobody has used; whoever owns the memory will meet them */
	MCE_MEMORY,    /* bad data were about to be used: the memory's owner can't go on */
	MCE_FATAL,     /* the CPU can't go on */
};

/*
 * Grades one bank's `status`, read in a machine check (`exception`) or by looking. `recovery`: the CPU tells
 * errors in memory from worse ones (MCG_CAP_SER, or AMD's like).
 */
enum mce_grade mce_grade(u64 status, bool recovery, bool exception);

/* --- mce.c ------------------------------------------------------------------------------ */

struct cpu_user_regs;

/* Turns machine checks on and reads what is left from before. Each CPU, after its timers work. */
void mce_cpu_init(void);
/* #MC. Does not return where the machine can't go on. */
void mce_exception(struct cpu_user_regs *regs);
/* Tells dom0 of new records: WORK_MCE. */
void mce_work(void);

/*
 * The oldest record that dom0 has not acknowledged, urgent (from #MC) or not. Its id, 0 when there is none.
 * The record stays until mce_ack().
 */
u64 mce_fetch(bool urgent, const struct mc_info **info);
/* False: there is no such record that was fetched. */
bool mce_ack(u64 id);

#endif
