// SPDX-License-Identifier: MIT
/*
 * A plugin for QEMU that counts what the hypervisor executes at its crossings.
 *
 * An emulator can't show that a CPU's leak is closed; it can show that the
 * instructions which close it run at each crossing. From the first return to a
 * guest on, these are counted, and printed at the end as one line:
 *
 *	CROSSINGS returns verw wrmsr48 wrmsr49 divisions indirect
 *
 * - returns: sysret, and iret at the address that is given
 * - verw, divisions: those instructions
 * - wrmsr48, wrmsr49: writes of IA32_SPEC_CTRL and IA32_PRED_CMD, told by the
 *   last `mov $number, %ecx` before them in their basic block
 * - indirect: calls and jumps by a register or memory
 *
 * all in the range of addresses that x86-64 PV gives to the hypervisor. Only
 * execution is looked at, so how the code came there does not matter.
 *
 * Arguments: out=FILE, iret=ADDRESS (hexadecimal, of guest_iretq). One virtual
 * CPU. Facts on the interface: QEMU 7.2, "QEMU TCG Plugins"; Debian packages no
 * header for it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
enum { CB_NO_REGS = 0 };

typedef void (*execute_fn)(unsigned int vcpu, void *data);
typedef void (*translate_fn)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*exit_fn)(qemu_plugin_id_t id, void *data);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translate_fn function);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, execute_fn function, int flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, exit_fn function, void *data);
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define HV_FIRST 0xffff800000000000UL
#define HV_LAST 0xffff87ffffffffffUL

enum kind { RETURN, VERW, WRMSR48, WRMSR49, DIVISION, INDIRECT, KINDS };

static uint64_t count[KINDS];
static bool in_guest_once;
static uint64_t iret_address;
static FILE *output;

static void on_execute(unsigned int vcpu, void *data)
{
	enum kind kind = (enum kind)(uintptr_t)data;

	(void)vcpu;
	if (in_guest_once)
		count[kind]++;
	else if (kind == RETURN)
		in_guest_once = true;
}

/* What the instruction is, KINDS if it does not count. `ecx`: what the block has put there, ~0 if it is not known. */
static enum kind classify(const uint8_t *code, size_t size, uint64_t address, uint32_t ecx)
{
	size_t i = 0;

	while (i < size && (code[i] == 0x2e || code[i] == 0x3e || code[i] == 0x66))
		i++;
	if (i < size && (code[i] & 0xf0) == 0x40)
		i++;
	if (i < size && code[i] == 0xcf)
		return address == iret_address ? RETURN : KINDS;
	if (i + 1 >= size)
		return KINDS;
	if (code[i] == 0xff && ((code[i + 1] >> 3 & 7) == 2 || (code[i + 1] >> 3 & 7) == 4))
		return INDIRECT;
	if (code[i] == 0xf7 && (code[i + 1] >> 3 & 7) == 6)
		return DIVISION;
	if (code[i] != 0x0f)
		return KINDS;
	if (code[i + 1] == 0x07)
		return RETURN;
	if (code[i + 1] == 0x30)
		return ecx == 0x48 ? WRMSR48 : ecx == 0x49 ? WRMSR49 : KINDS;
	if (i + 2 < size && code[i + 1] == 0x00 && (code[i + 2] >> 3 & 7) == 5)
		return VERW;
	return KINDS;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uint32_t ecx = ~0u;

	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *code = qemu_plugin_insn_data(insn);
		const size_t size = qemu_plugin_insn_size(insn);
		const uint64_t address = qemu_plugin_insn_vaddr(insn);
		enum kind kind;

		if (address < HV_FIRST || address > HV_LAST)
			continue;
		if (size == 5 && code[0] == 0xb9)
			memcpy(&ecx, code + 1, 4);
		kind = classify(code, size, address, ecx);
		if (kind < KINDS)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_execute, CB_NO_REGS, (void *)(uintptr_t)kind);
	}
}

static void on_exit_of_qemu(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	fprintf(output, "CROSSINGS");
	for (int i = 0; i < KINDS; i++)
		fprintf(output, " %lu", count[i]);
	fprintf(output, "\n");
	fclose(output);
}

__attribute__((visibility("default")))
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			output = fopen(argv[i] + 4, "w");
		if (!strncmp(argv[i], "iret=", 5))
			iret_address = strtoull(argv[i] + 5, NULL, 16);
	}
	if (!output || !iret_address) {
		fprintf(stderr, "crossings: give out=FILE, a file that can be written, and iret=ADDRESS\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
	return 0;
}
