// SPDX-License-Identifier: MIT
/*
 * Machine checks.
 *
 * The CPU leaves what it knows of an error in banks of MSRs. Corrected errors
 * are looked for every few seconds; worse ones raise #MC:
 *
 *   corrected, deferred   a record for dom0, whose daemon counts them (VIRQ_MCA, XEN_MC_fetch)
 *   memory                bad data that somebody was about to use: the domain that owns the memory ends, and only
 *                         it; if the memory is the hypervisor's, or it was the hypervisor that used it, all ends
 *   fatal                 the machine stops, with the banks on the console
 *
 * #MC from a guest is handled on the normal stack as any exception. From the
 * hypervisor it may come anywhere, also inside of a lock: then nothing is done
 * but records, and dom0 is told at the next exit (WORK_MCE).
 *
 * Records are taken by an exchange of their state, so no lock is needed:
 *
 *   free ──record()──> filling ──> waiting ──mce_fetch()──> fetched ──mce_ack()──> free
 *
 * When all are taken the error is on the console only.
 */
#include "x86/mce.h"
#include "core/console.h"
#include "core/domain.h"
#include "core/event_channel.h"
#include "core/page_alloc.h"
#include "core/seam.h"
#include "core/timer.h"
#include "lib/string.h"
#include "pv/page_type.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/extable.h"
#include "x86/panic.h"
#include "x86/policy.h"

#define MSR_MCG_CAP 0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MCG_CTL 0x17b
#define MSR_MC_CTL(bank) (0x400 + 4 * (bank))
#define MSR_MC_STATUS(bank) (0x401 + 4 * (bank))
#define MSR_MC_ADDR(bank) (0x402 + 4 * (bank))
#define MSR_MC_MISC(bank) (0x403 + 4 * (bank))

#define LOOK_NS 5000000000ULL
#define RECORDS 32

enum record_state { REC_FREE, REC_FILLING, REC_WAITING, REC_FETCHED };

struct record {
	u32 state;  /* [A] */
	bool urgent;
	u64 id;     /* in order of time, from 1 */
	struct mc_info info;
};

static struct record records[RECORDS];
static u64 last_id;

static struct {
	struct timer look;
	u32 banks;
	bool recovery;
} mce_cpus[MAX_CPUS];

/*
 * What there is to say. A machine check may come while its own CPU holds the
 * console's lock, so what it finds then is kept, and said by mce_work().
 */
static struct sentence {
	u32 state; /* [A] 0 free, 1 being written, 2 to be said */
	u32 cpu, bank;
	enum mce_grade grade;
	u64 status, addr, misc;
} unsaid[8];

static void say(const struct sentence *s)
{
	static const char *const grades[] = {
		[MCE_CORRECTED] = "corrected", [MCE_DEFERRED] = "bad data, not used yet",
		[MCE_MEMORY] = "bad data were to be used", [MCE_FATAL] = "fatal",
	};

	hv_log(s->grade >= MCE_DEFERRED ? LOG_ERR : LOG_WARNING,
	       "machine check: CPU %u bank %u: %s, status %016llx, address %#llx, misc %#llx\n", s->cpu, s->bank,
	       grades[s->grade], (unsigned long long)s->status, (unsigned long long)s->addr,
	       (unsigned long long)s->misc);
}

/* Without a free place it stays unsaid; dom0's record has it. */
static void say_later(const struct sentence *s)
{
	for (u32 i = 0; i < ARRAY_SIZE(unsaid); i++) {
		u32 free = 0;

		if (!__atomic_compare_exchange_n(&unsaid[i].state, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			continue;
		unsaid[i] = *s;
		__atomic_store_n(&unsaid[i].state, 2, __ATOMIC_RELEASE);
		return;
	}
}

static void say_all(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(unsaid); i++) {
		if (__atomic_load_n(&unsaid[i].state, __ATOMIC_ACQUIRE) != 2)
			continue;
		say(&unsaid[i]);
		__atomic_store_n(&unsaid[i].state, 0, __ATOMIC_RELEASE);
	}
}

/* --- Records ------------------------------------------------------------------------------- */

static struct record *record_new(void)
{
	for (u32 i = 0; i < RECORDS; i++) {
		u32 expected = REC_FREE;

		if (__atomic_compare_exchange_n(&records[i].state, &expected, REC_FILLING, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return &records[i];
	}
	return NULL;
}

static void record_ready(struct record *r, bool urgent)
{
	r->urgent = urgent;
	r->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&r->state, REC_WAITING, __ATOMIC_RELEASE);
	__atomic_fetch_or(&this_cpu_info()->work, WORK_MCE, __ATOMIC_SEQ_CST);
}

u64 mce_fetch(bool urgent, const struct mc_info **info)
{
	struct record *oldest = NULL;

	for (u32 i = 0; i < RECORDS; i++) {
		struct record *r = &records[i];
		u32 state = __atomic_load_n(&r->state, __ATOMIC_ACQUIRE);

		if ((state == REC_WAITING || state == REC_FETCHED) && r->urgent == urgent &&
		    (!oldest || r->id < oldest->id))
			oldest = r;
	}
	if (!oldest)
		return 0;
	*info = &oldest->info;
	__atomic_store_n(&oldest->state, REC_FETCHED, __ATOMIC_RELEASE);
	return oldest->id;
}

bool mce_ack(u64 id)
{
	for (u32 i = 0; i < RECORDS; i++) {
		u32 expected = REC_FETCHED;

		if (records[i].id == id && __atomic_compare_exchange_n(&records[i].state, &expected, REC_FREE, false,
								       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

void mce_work(void)
{
	say_all();
	if (dom0)
		send_global_virq(dom0, VIRQ_MCA);
}

/* --- Banks ---------------------------------------------------------------------------------- */

static domid_t owner_of(u64 maddr)
{
	mfn_t mfn = MFN(maddr >> PAGE_SHIFT);

	return mfn_valid(mfn) ? page_owner(mfn_to_page(mfn)) : DOMID_IO;
}

struct finding {
	enum mce_grade worst;
	u64 maddr; /* MCE_MEMORY: where */
};

static void begin_info(struct mc_info *info, u64 gstatus, u32 flags)
{
	struct mcinfo_global *g = (struct mcinfo_global *)info->mi_data;
	const struct vcpu *v = current;

	memset(info, 0, sizeof(*info));
	*g = (struct mcinfo_global){
		.common = { MC_TYPE_GLOBAL, sizeof(*g) }, .mc_coreid = this_cpu(), .mc_apicid = this_pcpu()->apic_id,
		.mc_domid = v && !v->is_idle ? v->domain->domain_id : DOMID_XEN,
		.mc_vcpuid = v && !v->is_idle ? v->vcpu_id : 0, .mc_flags = flags, .mc_gstatus = gstatus,
	};
	info->mi_nentries = 1;
}

static void add_bank(struct mc_info *info, u32 bank, u64 status, u64 addr, u64 misc)
{
	u32 used = sizeof(struct mcinfo_global) + (info->mi_nentries - 1) * sizeof(struct mcinfo_bank);
	struct mcinfo_bank *b = (struct mcinfo_bank *)((u8 *)info->mi_data + used);

	if (used + sizeof(*b) > sizeof(info->mi_data))
		return;
	*b = (struct mcinfo_bank){
		.common = { MC_TYPE_BANK, sizeof(*b) }, .mc_bank = bank, .mc_status = status, .mc_addr = addr,
		.mc_misc = misc, .mc_tsc = rdtsc(), .mc_domid = status & MCI_ADDRV ? owner_of(addr) : DOMID_IO,
	};
	info->mi_nentries++;
}

/* Reads and clears this CPU's banks, into a record if there is something and room. `later`: nothing may be printed now. */
static struct finding read_banks(u64 gstatus, u32 flags, bool exception, bool later)
{
	struct finding f = { MCE_NONE, 0 };
	struct record *r = NULL;
	struct sentence found;
	u32 cpu = this_cpu();

	for (u32 i = 0; i < mce_cpus[cpu].banks; i++) {
		u64 status = rdmsr(MSR_MC_STATUS(i)), addr, misc;
		enum mce_grade grade = mce_grade(status, mce_cpus[cpu].recovery, exception);

		if (grade == MCE_NONE)
			continue;
		addr = status & MCI_ADDRV ? rdmsr(MSR_MC_ADDR(i)) : 0;
		misc = status & MCI_MISCV ? rdmsr(MSR_MC_MISC(i)) : 0;
		found = (struct sentence){ 1, cpu, i, grade, status, addr, misc };
		if (later)
			say_later(&found);
		else
			say(&found);
		if (!r && (r = record_new()))
			begin_info(&r->info, gstatus, flags | (grade > MCE_CORRECTED ? MC_FLAG_UNCORRECTABLE :
									      MC_FLAG_CORRECTABLE));
		if (r)
			add_bank(&r->info, i, status, addr, misc);
		if (grade == MCE_MEMORY && f.worst < MCE_MEMORY)
			f.maddr = addr;
		f.worst = max(f.worst, grade);
		wrmsr(MSR_MC_STATUS(i), 0);
	}
	if (r)
		record_ready(r, exception);
	else if (later)
		__atomic_fetch_or(&this_cpu_info()->work, WORK_MCE, __ATOMIC_SEQ_CST);
	return f;
}

static void look(void *data)
{
	(void)data;
	read_banks(0, MC_FLAG_POLLED, false, false);
	timer_set(&mce_cpus[this_cpu()].look, now_ns() + LOOK_NS);
}

/* --- #MC --------------------------------------------------------------------------------------- */

/* Bad data at `maddr` were about to be used. False: the machine can't go on. */
static bool end_owner(u64 maddr, const struct cpu_user_regs *regs)
{
	domid_t owner = owner_of(maddr);
	struct domain *d;

	/* The hypervisor was at work with it, or it is the hypervisor's own. */
	if (!(regs->cs & 3) || owner >= DOMID_FIRST_RESERVED)
		return false;
	d = domain_of_owner(owner);
	if (!d)
		return false;
	domain_crash(d, "its memory at machine address %#llx has an error that can't be corrected",
		     (unsigned long long)maddr);
	return true;
}

static void __noreturn end_machine(const struct cpu_user_regs *regs)
{
	console_panic_mode();
	say_all();
	hypervisor_died(regs, 0);
}

void mce_exception(struct cpu_user_regs *regs)
{
	u64 gstatus = rdmsr(MSR_MCG_STATUS);
	struct finding f = read_banks(gstatus, MC_FLAG_MCE, true, !(regs->cs & 3));
	struct vcpu *v = current;

	if (f.worst == MCE_FATAL || (f.worst == MCE_MEMORY && !end_owner(f.maddr, regs)))
		end_machine(regs);
	if (!(gstatus & MCG_STATUS_RIPV)) {
		/* What was interrupted can't be gone on with. */
		if (!(regs->cs & 3))
			end_machine(regs);
		domain_crash(v->domain, "a machine check left vcpu %u without an instruction to go on with", v->vcpu_id);
	}
	/* While MCIP is set, another machine check resets the machine. */
	wrmsr(MSR_MCG_STATUS, 0);
}

void mce_cpu_init(void)
{
	u32 cpu = this_cpu();
	u64 cap;

	if (!host_has(X86_FEATURE_MCE) || !host_has(X86_FEATURE_MCA) || rdmsr_safe(MSR_MCG_CAP, &cap))
		return;
	mce_cpus[cpu].banks = cap & MCG_CAP_BANKS;
	mce_cpus[cpu].recovery = cap & MCG_CAP_SER && host_cpu.vendor != VENDOR_AMD;
	/* TCG has the bit on every model; AMD's own flag is CPUID 0x80000007.ebx bit 1, "software uncorrectable". */
	if (host_cpu.under_tcg)
		mce_cpus[cpu].recovery = cap & MCG_CAP_SER;
	if (!mce_cpus[cpu].banks)
		return;
	if (cap & MCG_CAP_CTL)
		wrmsr(MSR_MCG_CTL, ~0ULL);
	for (u32 i = 0; i < mce_cpus[cpu].banks; i++)
		wrmsr(MSR_MC_CTL(i), ~0ULL);
	read_banks(0, MC_FLAG_RESET, false, false);
	timer_init(&mce_cpus[cpu].look, look, NULL, cpu);
	timer_set(&mce_cpus[cpu].look, now_ns() + LOOK_NS);
}
