// SPDX-License-Identifier: MIT
/*
 * The instruction decoder: lengths and classes against what GNU as and objdump
 * made of some thousand instructions, operands by hand, results of the memory
 * instructions against the host's CPU, and random bytes in buffers that end
 * where the decoder is told they end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "x86/decode.h"
#include "decode_samples.h"

static u64 seed = 1;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static struct cpu_user_regs regs_numbered(void)
{
	struct cpu_user_regs r = {
		.rax = 0xa0a1a2a3a4a5a6a7, .rcx = 0xc0c1c2c3c4c5c6c7, .rdx = 0xd0d1d2d3d4d5d6d7,
		.rbx = 0xb0b1b2b3b4b5b6b7, .rsp = 0x1000, .rbp = 0x2000, .rsi = 0x3000, .rdi = 0x4000,
		.r8 = 0x8000, .r9 = 0x9000, .r10 = 0x10000, .r11 = 0x11000, .r12 = 0x12000, .r13 = 0x13000,
		.r14 = 0x14000, .r15 = 0x15000, .rip = 0xffffffff81000000,
	};

	return r;
}

/* Decodes a literal, from a heap block of just its length, so that a byte too far is seen. */
static int decode_n(struct insn *i, const char *bytes, size_t n, bool lm, const struct cpu_user_regs *r)
{
	u8 *copy = malloc(n ? n : 1);
	int rc;

	memcpy(copy, bytes, n);
	rc = insn_decode(i, copy, n, lm, r);
	free(copy);
	return rc;
}

#define DECODE(i, text, r) decode_n(i, text, sizeof(text) - 1, true, r)
#define DECODE32(i, text, r) decode_n(i, text, sizeof(text) - 1, false, r)

static void check_samples(const struct sample *s, size_t nr, bool lm)
{
	struct cpu_user_regs r = regs_numbered();

	for (size_t k = 0; k < nr; k++) {
		struct insn i;

		assert_int_equal(decode_n(&i, s[k].bytes, s[k].length, lm, &r), 0);
		assert_int_equal(i.length, s[k].length);
		assert_int_equal(i.class, s[k].class);
		/* One byte less is always a read past the end, never another instruction. */
		for (size_t n = 1; n < s[k].length; n++)
			assert_int_equal(decode_n(&i, s[k].bytes, n, lm, &r), -EFAULT);
	}
}

static void lengths_and_classes_are_those_of_the_assembler(void **state)
{
	(void)state;
	check_samples(samples64, ARRAY_SIZE(samples64), true);
	check_samples(samples32, ARRAY_SIZE(samples32), false);
}

static void bytes_behind_the_instruction_change_nothing(void **state)
{
	struct cpu_user_regs r = regs_numbered();

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(samples64); k++) {
		u8 buf[15];
		struct insn i;

		for (size_t n = 0; n < sizeof(buf); n++)
			buf[n] = rnd();
		memcpy(buf, samples64[k].bytes, samples64[k].length);
		assert_int_equal(insn_decode(&i, buf, 15, true, &r), 0);
		assert_int_equal(i.length, samples64[k].length);
	}
}

static void ports_come_from_dx_or_the_immediate(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	r.rdx = 0xffff00000cf8;
	assert_int_equal(DECODE(&i, "\xef", &r), 0); /* out %eax,%dx */
	assert_int_equal(i.class, INSN_OUT);
	assert_int_equal(i.port, 0x0cf8);
	assert_int_equal(i.opsize, 4);
	assert_int_equal(DECODE(&i, "\x66\xed", &r), 0); /* in %dx,%ax */
	assert_int_equal(i.class, INSN_IN);
	assert_int_equal(i.opsize, 2);
	assert_int_equal(i.length, 2);
	assert_int_equal(DECODE(&i, "\x66\xec", &r), 0); /* byte forms ignore 66 */
	assert_int_equal(i.opsize, 1);
	assert_int_equal(DECODE(&i, "\x66\xe7\x92", &r), 0); /* out %ax,$0x92 */
	assert_int_equal(i.port, 0x92);
	assert_int_equal(i.opsize, 2);
	assert_int_equal(i.length, 3);
}

static void odd_prefixes_before_a_port_insn_give_the_same_as_the_short_path(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	r.rdx = 0x60;
	assert_int_equal(DECODE(&i, "\x2e\xec", &r), 0);
	assert_int_equal(i.class, INSN_IN);
	assert_int_equal(i.port, 0x60);
	assert_int_equal(i.length, 2);
	assert_int_equal(DECODE(&i, "\x48\xed", &r), 0); /* REX.W: still 32 bits */
	assert_int_equal(i.opsize, 4);
	assert_int_equal(DECODE(&i, "\x66\x48\xed", &r), 0); /* REX.W beats 66 */
	assert_int_equal(i.opsize, 4);
	assert_int_equal(DECODE(&i, "\x66\x66\xef", &r), 0);
	assert_int_equal(i.opsize, 2);
	assert_int_equal(i.length, 3);
	assert_int_equal(DECODE(&i, "\xf0\xec", &r), -EINVAL); /* lock in: #UD */
}

static void string_ports_know_segment_size_and_repeat(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	r.rdx = 0x1f0;
	r.rsi = 0xfedcba9876543210;
	assert_int_equal(DECODE(&i, "\xf3\x65\x66\x6f", &r), 0); /* rep outsw %gs:(%rsi),%dx */
	assert_int_equal(i.class, INSN_OUTS);
	assert_int_equal(i.opsize, 2);
	assert_int_equal(i.rep, REP_E);
	assert_int_equal(i.seg, SEG_GS);
	assert_int_equal(i.port, 0x1f0);
	assert_true(i.ea == 0xfedcba9876543210);
	assert_int_equal(DECODE(&i, "\x67\x65\x6d", &r), 0); /* insl: es:edi, gs: has no effect */
	assert_int_equal(i.class, INSN_INS);
	assert_int_equal(i.seg, SEG_ES);
	assert_int_equal(i.ea, 0x4000);
	assert_int_equal(i.adsize, 4);
	assert_int_equal(DECODE(&i, "\x67\x6e", &r), 0);
	assert_true(i.ea == 0x76543210);
	assert_int_equal(i.seg, SEG_DS);
}

static void control_registers_and_gprs_use_rex(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	assert_int_equal(DECODE(&i, "\x0f\x20\xd0", &r), 0); /* mov %cr2,%rax */
	assert_int_equal(i.class, INSN_MOV_FROM_CR);
	assert_int_equal(i.nr, 2);
	assert_int_equal(i.reg, 0);
	assert_int_equal(i.opsize, 8);
	assert_int_equal(DECODE(&i, "\x41\x0f\x22\xdf", &r), 0); /* mov %r15,%cr3 */
	assert_int_equal(i.class, INSN_MOV_TO_CR);
	assert_int_equal(i.nr, 3);
	assert_int_equal(i.reg, 15);
	assert_int_equal(DECODE(&i, "\x44\x0f\x20\xc3", &r), 0); /* mov %cr8,%rbx */
	assert_int_equal(i.nr, 8);
	assert_int_equal(DECODE(&i, "\xf0\x0f\x20\xc3", &r), 0); /* AMD: lock mov %cr0 is cr8 */
	assert_int_equal(i.nr, 8);
	assert_int_equal(DECODE(&i, "\x0f\x20\x10", &r), 0); /* mod is ignored */
	assert_int_equal(i.nr, 2);
	assert_int_equal(i.length, 3);
	assert_int_equal(DECODE(&i, "\x0f\x20\xc8", &r), -EINVAL); /* cr1 */
	assert_int_equal(DECODE(&i, "\x0f\x23\xf8", &r), 0); /* mov %rax,%db7 */
	assert_int_equal(i.class, INSN_MOV_TO_DR);
	assert_int_equal(i.nr, 7);
	assert_int_equal(DECODE(&i, "\x44\x0f\x23\xf8", &r), -EINVAL); /* db15 */
}

static void forced_cpuid_is_the_whole_sequence_or_nothing(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	assert_int_equal(DECODE(&i, "\x0f\x0b\x78\x65\x6e\x0f\xa2", &r), 0);
	assert_int_equal(i.class, INSN_FORCED_CPUID);
	assert_int_equal(i.length, 7);
	assert_int_equal(DECODE(&i, "\x0f\x0b\x78\x65\x6e\x0f\x31", &r), -EINVAL);
	/* ud2 as the last bytes that can be read is the guest's #UD, not a page fault. */
	assert_int_equal(DECODE(&i, "\x0f\x0b", &r), -EINVAL);
	assert_int_equal(DECODE(&i, "\x0f\x0b\x78\x65\x6e", &r), -EINVAL);
}

static void int_n_names_its_vector(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	assert_int_equal(DECODE(&i, "\xcd\x82", &r), 0);
	assert_int_equal(i.class, INSN_INT_N);
	assert_int_equal(i.nr, 0x82);
	assert_int_equal(i.length, 2);
	assert_int_equal(DECODE(&i, "\xcc", &r), 0);
	assert_int_equal(i.nr, 3);
}

static void addresses_follow_modrm_sib_and_rip(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	assert_int_equal(DECODE(&i, "\x48\x89\x05\x10\x00\x00\x00", &r), 0); /* mov %rax,0x10(%rip) */
	assert_true(i.ea == r.rip + 7 + 0x10);
	assert_true(i.value == r.rax);
	/* The immediate counts: rip-relative is from the end of the instruction. */
	assert_int_equal(DECODE(&i, "\x48\xc7\x05\xf0\xff\xff\xff\xff\xff\xff\xff", &r), 0);
	assert_true(i.ea == r.rip + 11 - 0x10);
	assert_true(i.value == ~0ULL);
	assert_int_equal(DECODE(&i, "\x48\x0f\xba\x35\x00\x01\x00\x00\x05", &r), 0); /* btrq $5,0x100(%rip) */
	assert_true(i.ea == r.rip + 9 + 0x100);
	assert_int_equal(DECODE(&i, "\x4b\x89\x44\xcb\x08", &r), 0); /* mov %rax,8(%r11,%r9,8) */
	assert_int_equal(i.ea, 0x11000 + 8 * 0x9000 + 8);
	assert_int_equal(DECODE(&i, "\x48\x89\x04\x24", &r), 0); /* (%rsp) */
	assert_int_equal(i.ea, 0x1000);
	assert_int_equal(DECODE(&i, "\x49\x89\x04\x24", &r), 0); /* (%r12) */
	assert_int_equal(i.ea, 0x12000);
	assert_int_equal(DECODE(&i, "\x4a\x89\x04\x20", &r), 0); /* (%rax,%r12) */
	assert_true(i.ea == r.rax + 0x12000);
	assert_int_equal(DECODE(&i, "\x48\x89\x04\x25\x00\x00\x00\x80", &r), 0); /* disp32, sign extended */
	assert_true(i.ea == 0xffffffff80000000);
	assert_int_equal(DECODE(&i, "\x65\x48\x89\x04\x25\x08\x00\x00\x00", &r), 0); /* %gs:8 */
	assert_int_equal(i.seg, SEG_GS);
	assert_int_equal(i.ea, 8);
	assert_true(insn_linear(i.ea, 0xffff888000000000, true) == 0xffff888000000008);
	assert_int_equal(DECODE(&i, "\x67\x89\x00", &r), 0); /* (%eax) */
	assert_true(i.ea == 0xa4a5a6a7);
	assert_int_equal(i.adsize, 4);
}

static void an_override_of_a_flat_segment_does_not_hide_an_earlier_one(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	/* Long mode ignores cs:, also as a counterpart of gs:. */
	assert_int_equal(DECODE(&i, "\x65\x2e\x89\x06", &r), 0);
	assert_int_equal(i.seg, SEG_GS);
	assert_int_equal(DECODE32(&i, "\x65\x2e\x89\x06", &r), 0);
	assert_int_equal(i.seg, SEG_CS);
	assert_int_equal(DECODE(&i, "\x2e\x65\x89\x06", &r), 0);
	assert_int_equal(i.seg, SEG_GS);
}

static void a_rex_that_is_not_last_counts_for_nothing(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	assert_int_equal(DECODE(&i, "\x48\x66\x89\x06", &r), 0);
	assert_int_equal(i.opsize, 2);
	assert_int_equal(i.value, 0xa6a7);
	assert_int_equal(DECODE(&i, "\x66\x48\x89\x06", &r), 0);
	assert_int_equal(i.opsize, 8);
	assert_int_equal(DECODE(&i, "\x4f\x48\x89\x06", &r), 0); /* only the last REX */
	assert_int_equal(i.ea, 0x3000);
	/* In 32-bit code 48 is dec %eax. */
	assert_int_equal(DECODE32(&i, "\x48\x89\x06", &r), -EINVAL);
}

static void high_byte_registers_exist_without_rex_only(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	assert_int_equal(DECODE(&i, "\x88\x26", &r), 0); /* mov %ah,(%rsi) */
	assert_int_equal(i.value, 0xa6);
	assert_int_equal(DECODE(&i, "\x88\x3e", &r), 0); /* mov %bh,(%rsi) */
	assert_int_equal(i.value, 0xb6);
	r.rsp = 0x1234;
	assert_int_equal(DECODE(&i, "\x40\x88\x26", &r), 0); /* mov %spl,(%rsi) */
	assert_int_equal(i.value, 0x34);
	assert_int_equal(DECODE(&i, "\x86\x2e", &r), 0); /* xchg %ch,(%rsi) */
	insn_finish(&i, &r, 0x55, 2);
	assert_true(r.rcx == 0xc0c1c2c3c4c555c7);
}

static void immediates_are_sign_extended_to_the_operand(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	assert_int_equal(DECODE(&i, "\xf0\x48\x83\x26\xfd", &r), 0); /* lock andq $-3,(%rsi) */
	assert_int_equal(i.class, INSN_ALU_MEM);
	assert_int_equal(i.op, OP_AND);
	assert_true(i.lock);
	assert_true(i.value == ~2ULL);
	assert_int_equal(DECODE(&i, "\x66\x83\x0e\x80", &r), 0); /* orw $-128,(%rsi) */
	assert_int_equal(i.value, 0xff80);
	assert_int_equal(DECODE(&i, "\x80\x26\x7f", &r), 0); /* andb $0x7f,(%rsi) */
	assert_int_equal(i.value, 0x7f);
}

static void bit_offsets_in_a_register_reach_beyond_the_operand(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	r.rax = 130;
	assert_int_equal(DECODE(&i, "\xf0\x48\x0f\xab\x06", &r), 0); /* lock bts %rax,(%rsi) */
	assert_int_equal(i.ea, 0x3000 + 16);
	assert_int_equal(i.value, 2);
	r.rax = -1;
	assert_int_equal(DECODE(&i, "\x48\x0f\xb3\x06", &r), 0); /* btr */
	assert_int_equal(i.ea, 0x3000 - 8);
	assert_int_equal(i.value, 63);
	r.rax = 0xffffffff00000021; /* eax = 33 */
	assert_int_equal(DECODE(&i, "\x0f\xbb\x06", &r), 0); /* btc %eax,(%rsi) */
	assert_int_equal(i.ea, 0x3004);
	assert_int_equal(i.value, 1);
	/* The immediate form wraps inside the operand. */
	assert_int_equal(DECODE(&i, "\x48\x0f\xba\x2e\x41", &r), 0); /* bts $65,(%rsi) */
	assert_int_equal(i.ea, 0x3000);
	assert_int_equal(i.value, 1);
}

static void lock_needs_a_memory_destination(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	assert_int_equal(DECODE(&i, "\xf0\x89\x06", &r), -EINVAL); /* lock mov */
	assert_int_equal(DECODE(&i, "\xf0\xfa", &r), -EINVAL);     /* lock cli */
	assert_int_equal(DECODE(&i, "\xf0\x0f\xa2", &r), -EINVAL); /* lock cpuid */
}

static void what_is_not_ours_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
		{ "\x90", 1 },             /* nop */
		{ "\x89\xc0", 2 },         /* mov %eax,%eax: no memory */
		{ "\x87\xc1", 2 },         /* xchg %eax,%ecx */
		{ "\x39\x06", 2 },         /* cmp */
		{ "\x83\x3e\x01", 3 },     /* cmp $1,(%rsi) */
		{ "\x0f\xba\x26\x01", 4 }, /* bt $1,(%rsi): reads only */
		{ "\x0f\x01\x10", 3 },     /* lgdt (%rax) */
		{ "\x0f\x00\xd8", 3 },     /* ltr %ax */
		{ "\x0f\xc7\x30", 3 },     /* vmptrld */
		{ "\xc7\x08\x00\x00\x00\x00", 6 },
		{ "\xcf", 1 },             /* iret */
		{ "\x0f\x05", 2 },         /* syscall */
		{ "\x0f\x24\xc0", 3 },
		{ "\xc4\xe2\x7b\xf7\x06", 5 }, /* VEX */
	};
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
		assert_int_equal(decode_n(&i, bad[k].bytes, bad[k].n, true, &r), -EINVAL);
}

static void more_than_fifteen_bytes_is_no_instruction(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	assert_int_equal(DECODE(&i, "\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\xfa", &r), 0);
	assert_int_equal(i.length, 15);
	assert_int_equal(DECODE(&i, "\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e", &r), -EINVAL);
	assert_int_equal(DECODE(&i, "\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e", &r), -EFAULT);
	assert_int_equal(insn_decode(&i, NULL, 0, true, &r), -EFAULT);
}

static void sixteen_bit_addresses_wrap_and_default_to_ss_with_bp(void **state)
{
	struct cpu_user_regs r = regs_numbered();
	struct insn i;

	(void)state;
	r.rbp = 0x1fff0;
	r.rdi = 0x20;
	assert_int_equal(DECODE32(&i, "\x67\x89\x03", &r), 0); /* mov %eax,(%bp,%di) */
	assert_int_equal(i.ea, 0x0010);
	assert_int_equal(i.seg, SEG_SS);
	assert_int_equal(i.adsize, 2);
	assert_int_equal(DECODE32(&i, "\x67\x89\x06\x34\x12", &r), 0);
	assert_int_equal(i.ea, 0x1234);
	assert_int_equal(i.seg, SEG_DS);
	assert_int_equal(DECODE32(&i, "\x89\x05\x34\x12\x00\x80", &r), 0); /* no rip here */
	assert_true(i.ea == 0x80001234);
	assert_true(insn_linear(0xfffffff0, 0x20, false) == 0x10);
}

/* ---- Results against this CPU ---------------------------------------------------------- */

#define STATUS 0x8d5ULL

#define NATIVE(name, text)                                                                             \
	static void name(u64 *mem, u64 *reg, u64 *rax, u64 *flags)                                     \
	{                                                                                              \
		u64 a = *rax, f = *flags, g = *reg;                                                    \
		/* Below the red zone, which may hold variables. */                                    \
		__asm__ volatile("lea -128(%%rsp),%%rsp; push %2; popfq; " text                        \
				 "; pushfq; pop %2; lea 128(%%rsp),%%rsp"                              \
				 : "+a"(a), "+c"(g), "+r"(f), "+m"(*mem) : "D"(mem) : "cc", "memory"); \
		*rax = a;                                                                              \
		*reg = g;                                                                              \
		*flags = f;                                                                            \
	}

NATIVE(n_add1, "addb %%cl,(%%rdi)")
NATIVE(n_add2, "addw %%cx,(%%rdi)")
NATIVE(n_add4, "addl %%ecx,(%%rdi)")
NATIVE(n_add8, "addq %%rcx,(%%rdi)")
NATIVE(n_adc4, "adcl %%ecx,(%%rdi)")
NATIVE(n_sub1, "subb %%cl,(%%rdi)")
NATIVE(n_sub8, "subq %%rcx,(%%rdi)")
NATIVE(n_sbb2, "sbbw %%cx,(%%rdi)")
NATIVE(n_sbb8, "sbbq %%rcx,(%%rdi)")
NATIVE(n_or8, "orq %%rcx,(%%rdi)")
NATIVE(n_and4, "andl %%ecx,(%%rdi)")
NATIVE(n_xor1, "xorb %%cl,(%%rdi)")
NATIVE(n_xchg4, "xchgl %%ecx,(%%rdi)")
NATIVE(n_xadd8, "xaddq %%rcx,(%%rdi)")
NATIVE(n_xadd1, "xaddb %%cl,(%%rdi)")
NATIVE(n_cmpxchg8, "cmpxchgq %%rcx,(%%rdi)")
NATIVE(n_cmpxchg4, "cmpxchgl %%ecx,(%%rdi)")
NATIVE(n_cmpxchg2, "cmpxchgw %%cx,(%%rdi)")
NATIVE(n_bts8, "btsq $37,(%%rdi)")
NATIVE(n_btr4, "btrl $31,(%%rdi)")
NATIVE(n_btc2, "btcw $3,(%%rdi)")

static const struct {
	void (*native)(u64 *mem, u64 *reg, u64 *rax, u64 *flags);
	const char *bytes;
	size_t n;
	u64 undefined; /* flags that the manuals leave open */
} natives[] = {
	{ n_add1, "\x00\x0f", 2, 0 }, { n_add2, "\x66\x01\x0f", 3, 0 }, { n_add4, "\x01\x0f", 2, 0 },
	{ n_add8, "\x48\x01\x0f", 3, 0 }, { n_adc4, "\x11\x0f", 2, 0 }, { n_sub1, "\x28\x0f", 2, 0 },
	{ n_sub8, "\x48\x29\x0f", 3, 0 }, { n_sbb2, "\x66\x19\x0f", 3, 0 }, { n_sbb8, "\x48\x19\x0f", 3, 0 },
	{ n_or8, "\x48\x09\x0f", 3, 0x10 }, { n_and4, "\x21\x0f", 2, 0x10 }, { n_xor1, "\x30\x0f", 2, 0x10 },
	{ n_xchg4, "\x87\x0f", 2, 0 }, { n_xadd8, "\x48\x0f\xc1\x0f", 4, 0 }, { n_xadd1, "\x0f\xc0\x0f", 3, 0 },
	{ n_cmpxchg8, "\xf0\x48\x0f\xb1\x0f", 5, 0 }, { n_cmpxchg4, "\x0f\xb1\x0f", 3, 0 },
	{ n_cmpxchg2, "\x66\x0f\xb1\x0f", 4, 0 }, { n_bts8, "\x48\x0f\xba\x2f\x25", 5, 0x894 },
	{ n_btr4, "\x0f\xba\x37\x1f", 4, 0x894 }, { n_btc2, "\x66\x0f\xba\x3f\x03", 5, 0x894 },
};

/* Values at which carries and signs happen, and any. */
static u64 operand(void)
{
	static const u64 edges[] = {
		0, 1, 0xf, 0x10, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
		0x7fffffffffffffff, 0x8000000000000000, ~0ULL,
	};
	u64 pick = rnd() % (2 * ARRAY_SIZE(edges));

	return pick < ARRAY_SIZE(edges) ? edges[pick] : rnd();
}

static void results_and_flags_are_those_of_the_cpu(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(natives); k++) {
		for (int turn = 0; turn < 5000; turn++) {
			u64 mem = operand(), rcx = operand(), rax = turn & 1 ? mem : operand();
			u64 old = mem, flags = 2 | (rnd() & STATUS), new, rflags, mask;
			struct cpu_user_regs r = { .rcx = rcx, .rax = rax, .rdi = 0x5000, .rflags = flags };
			struct insn i;

			assert_int_equal(decode_n(&i, natives[k].bytes, natives[k].n, true, &r), 0);
			mask = i.opsize == 8 ? ~0ULL : (1ULL << (8 * i.opsize)) - 1;
			assert_int_equal(insn_apply_alu(&i, &r, old & mask, &new, &rflags), 0);
			insn_finish(&i, &r, old & mask, rflags);
			natives[k].native(&mem, &rcx, &rax, &flags);
			assert_true(new == (mem & mask));
			assert_true(r.rcx == rcx);
			/* Where cmpxchg stores, CPUs differ in whether a 32-bit rax is widened. */
			assert_true((r.rax & mask) == (rax & mask));
			mask = STATUS & ~natives[k].undefined;
			assert_int_equal(r.rflags & mask, flags & mask);
			assert_int_equal(r.rip, i.length);
		}
	}
}

static void cmpxchg8b_swaps_only_what_is_expected(void **state)
{
	struct cpu_user_regs r = { .rax = 0x11111111, .rdx = 0x22222222, .rbx = 0x33333333, .rcx = 0x44444444,
				   .rdi = 0x5000, .rflags = 2 };
	struct insn i;
	u64 new, flags;

	(void)state;
	assert_int_equal(DECODE(&i, "\xf0\x0f\xc7\x0f", &r), 0);
	assert_int_equal(insn_apply_alu(&i, &r, 0x2222222211111111, &new, &flags), 0);
	assert_true(new == 0x4444444433333333);
	assert_int_equal(flags & 0x40, 0x40);
	assert_int_equal(insn_apply_alu(&i, &r, 0x5555555566666666, &new, &flags), 0);
	assert_true(new == 0x5555555566666666);
	assert_int_equal(flags & 0x40, 0);
	insn_finish(&i, &r, 0x5555555566666666, flags);
	assert_int_equal(r.rax, 0x66666666);
	assert_int_equal(r.rdx, 0x55555555);
	assert_int_equal(DECODE(&i, "\x48\x0f\xc7\x0f", &r), 0);
	assert_int_equal(i.opsize, 16);
	assert_int_equal(insn_apply_alu(&i, &r, 0, &new, &flags), -EINVAL);
}

static void applying_changes_no_register_until_finished(void **state)
{
	struct cpu_user_regs r = regs_numbered(), before = r;
	struct insn i;
	u64 new, flags;

	(void)state;
	assert_int_equal(DECODE(&i, "\x48\x87\x0e", &r), 0); /* xchg %rcx,(%rsi) */
	assert_int_equal(insn_apply_alu(&i, &r, 77, &new, &flags), 0);
	assert_memory_equal(&r, &before, sizeof(r));
	assert_true(new == before.rcx);
	r.rflags = 1 << 16;
	flags |= 1 << 16;
	insn_finish(&i, &r, 77, flags);
	assert_int_equal(r.rcx, 77);
	assert_true(r.rip == before.rip + 3);
	assert_int_equal(r.rflags & 1 << 16, 0); /* RF ends with the instruction */
}

static void register_slots_are_in_modrm_order(void **state)
{
	struct cpu_user_regs r = regs_numbered();

	(void)state;
	assert_ptr_equal(reg_slot(&r, 0), &r.rax);
	assert_ptr_equal(reg_slot(&r, 1), &r.rcx);
	assert_ptr_equal(reg_slot(&r, 4), &r.rsp);
	assert_ptr_equal(reg_slot(&r, 7), &r.rdi);
	assert_ptr_equal(reg_slot(&r, 8), &r.r8);
	assert_ptr_equal(reg_slot(&r, 15), &r.r15);
	reg_write(&r, 0, 0x1122334455667788, 4);
	assert_true(r.rax == 0x55667788);
	reg_write(&r, 1, 0xeeee, 2);
	assert_true(r.rcx == 0xc0c1c2c3c4c5eeee);
}

static void random_bytes_never_read_past_the_count(void **state)
{
	struct cpu_user_regs r = regs_numbered();

	(void)state;
	for (int turn = 0; turn < 300000; turn++) {
		size_t n = 1 + rnd() % 15;
		u8 *buf = malloc(n); /* AddressSanitizer guards its end */
		struct insn i;
		int rc;

		for (size_t k = 0; k < n; k++)
			buf[k] = rnd() >> 8;
		/* Half of them begin like something we know. */
		if (turn & 1 && n > 4)
			memcpy(buf, samples64[rnd() % ARRAY_SIZE(samples64)].bytes, 2);
		rc = insn_decode(&i, buf, n, turn & 2, &r);
		assert_true(rc == 0 || rc == -EINVAL || rc == -EFAULT);
		if (!rc) {
			u64 new, flags;

			assert_in_range(i.length, 1, n);
			assert_true(i.class != INSN_NONE);
			insn_apply_alu(&i, &r, 0, &new, &flags);
		}
		free(buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_and_classes_are_those_of_the_assembler),
		cmocka_unit_test(bytes_behind_the_instruction_change_nothing),
		cmocka_unit_test(ports_come_from_dx_or_the_immediate),
		cmocka_unit_test(odd_prefixes_before_a_port_insn_give_the_same_as_the_short_path),
		cmocka_unit_test(string_ports_know_segment_size_and_repeat),
		cmocka_unit_test(control_registers_and_gprs_use_rex),
		cmocka_unit_test(forced_cpuid_is_the_whole_sequence_or_nothing),
		cmocka_unit_test(int_n_names_its_vector),
		cmocka_unit_test(addresses_follow_modrm_sib_and_rip),
		cmocka_unit_test(an_override_of_a_flat_segment_does_not_hide_an_earlier_one),
		cmocka_unit_test(a_rex_that_is_not_last_counts_for_nothing),
		cmocka_unit_test(high_byte_registers_exist_without_rex_only),
		cmocka_unit_test(immediates_are_sign_extended_to_the_operand),
		cmocka_unit_test(bit_offsets_in_a_register_reach_beyond_the_operand),
		cmocka_unit_test(lock_needs_a_memory_destination),
		cmocka_unit_test(what_is_not_ours_is_refused),
		cmocka_unit_test(more_than_fifteen_bytes_is_no_instruction),
		cmocka_unit_test(sixteen_bit_addresses_wrap_and_default_to_ss_with_bp),
		cmocka_unit_test(results_and_flags_are_those_of_the_cpu),
		cmocka_unit_test(cmpxchg8b_swaps_only_what_is_expected),
		cmocka_unit_test(applying_changes_no_register_until_finished),
		cmocka_unit_test(register_slots_are_in_modrm_order),
		cmocka_unit_test(random_bytes_never_read_past_the_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
