/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's command line, parsed once at boot. docs/xenolith.8 describes
 * every option; the table in cmdline.c is what decides.
 */
#ifndef BOOT_CMDLINE_H
#define BOOT_CMDLINE_H

#include "core/seam.h"
#include "lib/types.h"

#define CONSOLE_COM1 1u
#define CONSOLE_VGA 2u

struct hv_com {
	u32 baud;
	u8 data_bits; /* 5..8 */
	char parity;  /* 'n', 'o', 'e', 'm' or 's' */
	u8 stop_bits; /* 1 or 2 */
	u16 iobase;
	u16 irq;      /* 0: polled */
};

/*
 * How many levels of enum log_level are shown: 0 none, 1 errors, 2 also
 * warnings, 3 also info, 4 all. A message of level l is printed where
 * l < always, printed with a rate limit where l < limited, else dropped.
 */
struct hv_loglvl {
	u8 always;
	u8 limited;
};

/* An amount of memory: `bytes`, or all that is available less `bytes`. */
struct hv_amount {
	bool given;
	bool less;
	u64 bytes;
};

/* Mitigations that spec-ctrl= names. */
#define SPEC_MSR_SC (1u << 0)
#define SPEC_RSB (1u << 1)
#define SPEC_MD_CLEAR (1u << 2) /* verw on the way to a guest */
#define SPEC_IBPB_ENTRY (1u << 3)
#define SPEC_IBRS (1u << 4)
#define SPEC_STIBP (1u << 5)
#define SPEC_IBPB (1u << 6) /* on a switch between vcpus */
#define SPEC_SSBD (1u << 7)
#define SPEC_PSFD (1u << 8)
#define SPEC_EAGER_FPU (1u << 9) /* FPU state is never left in the registers for the next vcpu */
#define SPEC_L1D_FLUSH (1u << 10)
#define SPEC_BRANCH_HARDEN (1u << 11)
#define SPEC_SRB_LOCK (1u << 12)
#define SPEC_UNPRIV_MMIO (1u << 13)
#define SPEC_GDS_MIT (1u << 14)
#define SPEC_DIV_SCRUB (1u << 15)
#define SPEC_THUNK_JMP (1u << 16) /* plain indirect branches */
#define SPEC_THUNK_RETPOLINE (1u << 17)
#define SPEC_THUNK_LFENCE (1u << 18)
#define SPEC_THUNKS (SPEC_THUNK_JMP | SPEC_THUNK_RETPOLINE | SPEC_THUNK_LFENCE)
#define SPEC_BHB_ENTRY (1u << 19) /* clear branch history on entry, in software */
#define SPEC_BHI_DIS_S (1u << 20) /* the CPU's own switch for that */
#define SPEC_ALL ((1u << 21) - 1)

/*
 * What this build has code for. A bit may be added here only together with it; asking for another stops the
 * boot, and so does asking for what the CPU can't do (protection_plan()).
 */
#define SPEC_IMPLEMENTED                                                                                     \
	(SPEC_RSB | SPEC_MD_CLEAR | SPEC_IBPB_ENTRY | SPEC_IBRS | SPEC_STIBP | SPEC_IBPB | SPEC_SSBD |       \
	 SPEC_PSFD | SPEC_EAGER_FPU | SPEC_BRANCH_HARDEN | SPEC_SRB_LOCK | SPEC_GDS_MIT | SPEC_DIV_SCRUB | SPEC_THUNKS |          \
	 SPEC_BHB_ENTRY | SPEC_BHI_DIS_S)

#define AS_NEEDED (-1) /* as the CPU needs it: host_protection */

/* Where microcode is: in module `module` (negative: counted from the last, -1), or in any where `scan` is set. */
struct hv_ucode {
	bool given, scan;
	s32 module;
};

enum nmi_policy { NMI_DOM0, NMI_FATAL, NMI_IGNORE };

struct hv_options {
	u32 console;             /* CONSOLE_*, 0 for none. Default COM1 and VGA */
	struct hv_com com1;      /* 115200,8n1,0x3f8,4 */
	struct hv_loglvl loglvl; /* info/info */
	struct hv_loglvl guest_loglvl; /* none/warning */
	struct hv_amount dom0_mem, dom0_mem_min, dom0_mem_max;
	u32 dom0_vcpus_min;      /* 1 */
	u32 dom0_vcpus_max;      /* ~0: as many as CPUs */
	u32 maxcpus;             /* ~0: all. Never 0 */
	bool noreboot;
	enum nmi_policy nmi;     /* NMIs that nobody here asked for */
	bool watchdog;           /* a CPU that is stuck in the hypervisor is stopped by NMI */
	u32 watchdog_timeout;    /* ... after so many seconds; 5 */
	struct hv_ucode ucode;
	bool smap;               /* true: where the CPU has it */
	bool smep;               /* true: where the CPU has it */
	bool x2apic;             /* false: as firmware left it */
	bool sync_console;
	s8 xpti_dom0, xpti_domu; /* AS_NEEDED, 0 or 1 */
	s8 l1tf_dom0, l1tf_domu; /* likewise: entries that L1TF could use are refused */
	u32 spec_on;             /* SPEC_*: asked for by name */
	u32 spec_off;            /* SPEC_*: refused by name (or all, by spec-ctrl=no) */
	const char *dom0_extra;  /* text after " -- ", to append to dom0's command line; or NULL */
	char fatal[160];         /* why the boot must stop; "" when it may go on */
};

typedef void (*cmdline_say_t)(enum log_level lvl, const char *sentence);

/*
 * Fills `o` with defaults, then with what `line` (NUL-terminated, may be NULL)
 * says. The first word may be the image's file name. Each wrong value, option
 * of Xen's that is not supported, and unknown word is told through `say`
 * (may be NULL) as one sentence without a newline, and has no other effect.
 *
 * Returns 0, or -EINVAL when an option promises a protection that can't be
 * given: o->fatal then holds the (first such) sentence and the boot must stop.
 * `o` is complete in both cases, so the console can be set up to show it.
 */
int cmdline_parse(const char *line, struct hv_options *o, cmdline_say_t say);

/*
 * dom0's memory in bytes, whole pages, by dom0_mem= out of `available` bytes of
 * free RAM; `*max` gets the limit it may later grow to. Without the option dom0
 * gets all but a sixteenth, of which at most 128 MiB is kept back.
 */
u64 cmdline_dom0_bytes(const struct hv_options *o, u64 available, u64 *max);

#endif
