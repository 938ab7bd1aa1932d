// SPDX-License-Identifier: MIT
/*
 * A plugin for QEMU that counts, per operation, what an instruction count hides.
 *
 * A CR3 load, an invlpg or a locked operation is one instruction, but dear on a
 * real machine.  This plugin (make bench loads it into TCG) looks at each
 * instruction when it is translated and counts those kinds when they run, on
 * any hypervisor, from outside.
 *
 * linux_bench marks what is to be counted by long no-ops with a displacement
 * no compiler makes: `nopl MARK+n(%rax)`.  MARK+0 begins an operation, MARK+1
 * ends it, MARK+2 prints the sums since the last MARK+2, as one line:
 *
 *	COUNT rounds hv-instructions returns cr3 flushes ipis locked
 *
 * - hv-instructions: in the range of addresses that x86-64 PV gives to the
 *   hypervisor (ffff8000... to ffff87ff...).
 * - returns: iret and sysret there, each the second half of a ring crossing.
 * - cr3: loads of CR3 anywhere.  flushes: invlpg, invpcid and loads of CR4.
 * - ipis: stores to the local APIC's command register (offset 0x300).
 * - locked: lock-prefixed instructions, and xchg with memory, of the hypervisor.
 *
 * Invariants: one virtual CPU, so plain counters do; and nothing here changes
 * the guest, so the counts of instructions stay what they are.
 *
 * Facts on the interface: QEMU 7.2, "QEMU TCG Plugins".  Debian packages no
 * header for it, so the few declarations needed are below.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
enum { CB_NO_REGS = 0 };	/* QEMU_PLUGIN_CB_NO_REGS */
enum { MEM_WRITE = 2 };		/* QEMU_PLUGIN_MEM_W */
enum { INLINE_ADD = 0 };	/* QEMU_PLUGIN_INLINE_ADD_U64 */

typedef void (*execute_fn)(unsigned int vcpu, void *data);
typedef void (*translate_fn)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*memory_fn)(unsigned int vcpu, uint32_t info, uint64_t address, void *data);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translate_fn function);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, execute_fn function,
					    int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op,
						void *counter, uint64_t add);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, memory_fn function,
				      int flags, int access, void *data);
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

/* The version of the interface that this was written for. */
__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define MARK		0x58454e00	/* "XEN" and a zero */
#define HV_FIRST	0xffff800000000000UL
#define HV_LAST		0xffff87ffffffffffUL
#define APIC_ICR	0x300

enum kind { HV_INSTRUCTION, RETURN, CR3, FLUSH, IPI, LOCKED, KINDS };

static uint64_t now[KINDS], begun[KINDS], sum[KINDS];
static uint64_t rounds;
static FILE *output;

static void on_mark(unsigned int vcpu, void *data)
{
	(void)vcpu;
	switch ((uintptr_t)data) {
	case 0:
		for (int i = 0; i < KINDS; i++)
			begun[i] = now[i];
		break;
	case 1:
		for (int i = 0; i < KINDS; i++)
			sum[i] += now[i] - begun[i];
		rounds++;
		break;
	case 2:
		fprintf(output, "COUNT %lu", rounds);
		for (int i = 0; i < KINDS; i++) {
			fprintf(output, " %lu", sum[i]);
			sum[i] = 0;
		}
		fprintf(output, "\n");
		fflush(output);
		rounds = 0;
		break;
	}
}

/*
 * The APIC is recognised by the offset in its page, since its virtual address
 * is the hypervisor's affair: a store of 4 bytes to ...300 of a fixmap page
 * that holds no memory.  Memory there would be counted too; TCG's plugins can
 * tell the two apart only for devices.
 */
struct hwaddr;
struct hwaddr *qemu_plugin_get_hwaddr(uint32_t info, uint64_t address);
bool qemu_plugin_hwaddr_is_io(const struct hwaddr *hwaddr);

static void on_store(unsigned int vcpu, uint32_t info, uint64_t address, void *data)
{
	struct hwaddr *hwaddr;

	(void)vcpu;
	(void)data;
	if ((address & 0xfff) != APIC_ICR)
		return;
	hwaddr = qemu_plugin_get_hwaddr(info, address);
	if (hwaddr && qemu_plugin_hwaddr_is_io(hwaddr))
		now[IPI]++;
}

static bool is_prefix(uint8_t byte)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65:
	case 0x66: case 0x67: case 0xf0: case 0xf2: case 0xf3:
		return true;
	default:
		return false;
	}
}

/* What an instruction is, as far as it is counted; KINDS if it is not. */
static enum kind classify(const uint8_t *code, size_t size)
{
	size_t i = 0;
	bool lock = false;

	while (i < size && is_prefix(code[i]))
		lock |= code[i++] == 0xf0;
	if (lock)
		return LOCKED;
	if (i < size && (code[i] & 0xf0) == 0x40)
		i++;
	if (i < size && code[i] == 0xcf)
		return RETURN;			/* iret */
	if (i + 1 >= size)
		return KINDS;
	if ((code[i] == 0x86 || code[i] == 0x87) && code[i + 1] < 0xc0)
		return LOCKED;			/* xchg with memory */
	if (code[i] != 0x0f)
		return KINDS;
	if (code[i + 1] == 0x07)
		return RETURN;			/* sysret */
	if (i + 2 >= size)
		return KINDS;
	if (code[i + 1] == 0x22 && (code[i + 2] >> 3 & 7) == 3)
		return CR3;
	if (code[i + 1] == 0x22 && (code[i + 2] >> 3 & 7) == 4)
		return FLUSH;			/* mov to CR4 */
	if (code[i + 1] == 0x01 && (code[i + 2] >> 3 & 7) == 7 && code[i + 2] < 0xc0)
		return FLUSH;			/* invlpg */
	if (code[i + 1] == 0x38 && code[i + 2] == 0x82)
		return FLUSH;			/* invpcid */
	return KINDS;
}

/* The number behind MARK, or -1: 0f 1f 80 and four bytes. */
static int mark_of(const uint8_t *code, size_t size)
{
	uint32_t value;

	if (size != 7 || code[0] != 0x0f || code[1] != 0x1f || code[2] != 0x80)
		return -1;
	value = code[3] | code[4] << 8 | code[5] << 16 | (uint32_t)code[6] << 24;
	return value >= MARK && value <= MARK + 2 ? (int)(value - MARK) : -1;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *code = qemu_plugin_insn_data(insn);
		const size_t size = qemu_plugin_insn_size(insn);
		const uint64_t address = qemu_plugin_insn_vaddr(insn);
		const bool hv = address >= HV_FIRST && address <= HV_LAST;
		const enum kind kind = classify(code, size);
		const int mark = mark_of(code, size);

		if (mark >= 0)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, CB_NO_REGS,
							       (void *)(uintptr_t)mark);
		if (hv) {
			qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD,
								   &now[HV_INSTRUCTION], 1);
			qemu_plugin_register_vcpu_mem_cb(insn, on_store, CB_NO_REGS, MEM_WRITE,
							 NULL);
		}
		/* A kernel's own locked operations are not the hypervisor's. */
		if (kind < KINDS && (hv || kind == CR3 || kind == FLUSH))
			qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD, &now[kind],
								   1);
	}
}

/* The one argument is the name of the file to write: out=FILE. */
__attribute__((visibility("default")))
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	const char *name = argc == 1 ? argv[0] : "";

	(void)info;
	while (*name && *name++ != '=')
		;
	output = fopen(name, "w");
	if (!output) {
		fprintf(stderr, "count: give out=FILE, a file that can be written\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}
