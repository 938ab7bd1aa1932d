// SPDX-License-Identifier: MIT
/*
 * When the hypervisor itself fails: say everything once, then stop.
 *
 * Registers, the code address with its symbol, a back trace, the vcpu that was
 * current. The build omits frame pointers, so the trace is every word on the
 * stack that points behind a call into our text: some may be old, none is
 * missing. Symbols come from a table that scripts/symtab.py puts in the image:
 *
 *   u32 count; then count pairs (u32 offset from image_start, u32 offset of the
 *   name from the table), sorted; then the names.
 */
#include "x86/panic.h"
#include "core/console.h"
#include "core/domain.h"
#include "core/seam.h"
#include "lib/printf.h"
#include "pv/vcpu_pv.h"
#include "x86/acpi.h"
#include "x86/apic.h"
#include "x86/asm.h"
#include "x86/cpu.h"
#include "x86/guest_copy.h"
#include "x86/paging.h"
#include "x86/smp.h"

extern char image_start[], text_start[], text_end[], init_start[], init_text_end[];
extern const u32 hv_symbols[];

bool machine_noreboot;

static struct acpi_gas reset_reg;
static u8 reset_value;

static bool is_text(u64 a)
{
	return (a >= (u64)text_start && a < (u64)text_end) || (a >= (u64)init_start && a < (u64)init_text_end);
}

static const char *symbol(u64 addr, u64 *offset)
{
	u32 rel = addr - (u64)image_start, lo = 0, hi;

	if (!hv_symbols[0] || !is_text(addr))
		return NULL;
	hi = hv_symbols[0];
	while (hi - lo > 1) {
		u32 mid = (lo + hi) / 2;

		if (hv_symbols[1 + 2 * mid] <= rel)
			lo = mid;
		else
			hi = mid;
	}
	*offset = rel - hv_symbols[1 + 2 * lo];
	return (const char *)hv_symbols + hv_symbols[2 + 2 * lo];
}

static void print_address(const char *what, u64 addr)
{
	u64 off;
	const char *name = symbol(addr, &off);

	if (name)
		hv_log(LOG_ERR, "%s%016llx %s+%#llx\n", what, (unsigned long long)addr, name,
		       (unsigned long long)off);
	else
		hv_log(LOG_ERR, "%s%016llx\n", what, (unsigned long long)addr);
}

void show_trace(const u64 *word, const u64 *end)
{
	unsigned shown = 0;

	hv_log(LOG_ERR, "Back trace:\n");
	for (; word < end && shown < 24; word++) {
		if (is_text(*word)) {
			print_address("   ", *word);
			shown++;
		}
	}
}

static void back_trace(u64 rsp)
{
	const u64 *from = (const u64 *)(rsp & ~7ULL);
	bool boot_stack = rsp < PERCPU_START || rsp >= PERCPU_START + (u64)MAX_CPUS * PERCPU_SIZE;

	show_trace(from, boot_stack ? from + 256 :
				      (const u64 *)((rsp | (PERCPU_SIZE - 1)) + 1 - sizeof(struct cpu_info)));
}

void show_registers(const struct cpu_user_regs *r)
{
	print_address("RIP: ", r->rip);
	hv_log(LOG_ERR, "RFLAGS %016llx  RSP %04x:%016llx  CS %04x\n", (unsigned long long)r->rflags, r->ss,
	       (unsigned long long)r->rsp, r->cs);
#define P(a, b, c) \
	hv_log(LOG_ERR, #a " %016llx  " #b " %016llx  " #c " %016llx\n", (unsigned long long)r->a, \
	       (unsigned long long)r->b, (unsigned long long)r->c)
	P(rax, rbx, rcx);
	P(rdx, rsi, rdi);
	P(rbp, r8, r9);
	P(r10, r11, r12);
	P(r13, r14, r15);
#undef P
}

void show_guest(struct vcpu *v)
{
	const struct cpu_user_regs *r = guest_regs();
	u64 words[16];
	size_t n = copy_from_guest_some(words, r->rsp, sizeof(words)) / 8;

	hv_log(LOG_ERR, "d%uv%u in guest %s:\n", v->domain->domain_id, v->vcpu_id, v->pv.kernel_mode ? "kernel" : "user");
	show_registers(r);
	hv_log(LOG_ERR, "CR2 %016llx  CR3 kernel %016llx  user %016llx\n", (unsigned long long)v->pv.cr2,
	       (unsigned long long)v->pv.kernel_cr3, (unsigned long long)v->pv.user_cr3);
	hv_log(LOG_ERR, "FS base %016llx  GS base %016llx  behind SWAPGS %016llx\n", (unsigned long long)rdmsr(MSR_FS_BASE),
	       (unsigned long long)rdmsr(MSR_GS_BASE), (unsigned long long)rdmsr(MSR_KERNEL_GS_BASE));
	hv_log(LOG_ERR, "DS %04x  ES %04x  FS %04x  GS %04x  LDT %u at %016llx\n", read_selector_ds(), read_selector_es(),
	       read_selector_fs(), read_selector_gs(), v->pv.ldt_ents, (unsigned long long)v->pv.ldt_base);
	for (size_t i = 0; i < n; i += 2)
		hv_log(LOG_ERR, "stack %016llx: %016llx %016llx\n", (unsigned long long)(r->rsp + 8 * i),
		       (unsigned long long)words[i], i + 1 < n ? (unsigned long long)words[i + 1] : 0ULL);
}

static void print_current(void)
{
	struct vcpu *v = current;

	if (!v)
		hv_log(LOG_ERR, "CPU %u, no vcpu yet (booting)\n", this_cpu());
	else if (v->is_idle)
		hv_log(LOG_ERR, "CPU %u, current vcpu: idle\n", this_cpu());
	else
		hv_log(LOG_ERR, "CPU %u, current vcpu: d%uv%u in guest %s at %04x:%016llx\n", this_cpu(),
		       v->domain->domain_id, v->vcpu_id, v->pv.kernel_mode ? "kernel" : "user", guest_regs()->cs,
		       (unsigned long long)guest_regs()->rip);
}

static void __noreturn stop(void)
{
	if (machine_noreboot) {
		hv_log(LOG_ERR, "Stopped ('noreboot' is set)\n");
		machine_halt();
	}
	hv_log(LOG_ERR, "Restarting the machine\n");
	machine_restart();
}

static bool on_cpu_stack(void)
{
	u64 sp = rsp_now();

	return sp >= PERCPU_START && sp < PERCPU_START + (u64)MAX_CPUS * PERCPU_SIZE;
}

/* A second failure while the first is being told: no more words. */
static void enter_panic(void)
{
	static bool panicking;

	if (__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST))
		machine_halt();
	smp_stop_others();
	console_panic_mode();
	if (on_cpu_stack())
		this_pcpu()->in_panic = true;
}

void __noreturn hypervisor_died(const struct cpu_user_regs *r, u64 cr2)
{
	static const char *const names[] = {
		"divide error", "debug", "NMI", "breakpoint", "overflow", "bound", "invalid opcode",
		"device not available", "double fault", "coprocessor", "invalid TSS", "segment not present",
		"stack fault", "general protection", "page fault", "reserved", "x87", "alignment check",
		"machine check", "SIMD", "virtualization", "control protection",
	};
	u32 v = r->entry_vector & 0xff;

	enter_panic();
	hv_log(LOG_ERR, "****************************************\n");
	hv_log(LOG_ERR, "Xenolith: fatal exception in the hypervisor: %s (vector %u, error code %#x)\n",
	       v < ARRAY_SIZE(names) ? names[v] : "unknown", v, r->error_code);
	print_current();
	show_registers(r);
	hv_log(LOG_ERR, "CR0 %016llx  CR2 %016llx  CR3 %016llx  CR4 %016llx\n", (unsigned long long)read_cr0(),
	       (unsigned long long)cr2, (unsigned long long)read_cr3(), (unsigned long long)read_cr4());
	/* A stack pointer that is not ours tells nothing. */
	back_trace(r->rsp >= HV_VIRT_START && r->rsp < DIRECT_MAP_START ? r->rsp : rsp_now());
	stop();
}

static void say_last_words(const char *fmt, va_list ap)
{
	char text[320];

	vsnprintf_hv(text, sizeof(text), fmt, ap);
	enter_panic();
	hv_log(LOG_ERR, "Xenolith stops: %s\n", text);
}

void hv_panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_last_words(fmt, ap);
	va_end(ap);
	if (on_cpu_stack()) {
		print_current();
		back_trace(rsp_now());
	}
	stop();
}

void hv_stop(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_last_words(fmt, ap);
	va_end(ap);
	stop();
}

/* --- The machine's end ------------------------------------------------------------------- */

void __init machine_reset_init(const struct acpi_info *acpi)
{
	if (acpi->has_reset) {
		reset_reg = acpi->reset;
		reset_value = acpi->reset_value;
	}
}

void machine_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* Each way in turn: ACPI's register, the PCI reset port, the keyboard controller, a triple fault. */
void machine_restart(void)
{
	struct { u16 limit; u64 base; } __packed none = { 0, 0 };

	if (reset_reg.space == ACPI_SPACE_IO && reset_reg.address)
		outb(reset_reg.address, reset_value);
	for (unsigned i = 0; i < 1000; i++)
		cpu_relax();
	outb(0xcf9, 0x02);
	outb(0xcf9, 0x06);
	for (unsigned i = 0; i < 100000; i++)
		cpu_relax();
	outb(0x64, 0xfe);
	for (unsigned i = 0; i < 100000; i++)
		cpu_relax();
	__asm__ volatile("lidt %0; int3" :: "m"(none));
	machine_halt();
}
