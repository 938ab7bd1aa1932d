// SPDX-License-Identifier: MIT
/*
 * The instruction decoder.
 *
 * A PV guest's kernel runs in ring 3, so its privileged instructions fault, and
 * so do its writes into page tables, which it may only read. Both are redone
 * here from their bytes. Few instructions matter; all others are the guest's
 * own fault and come back as -EINVAL.
 *
 *   1. Bytes at and past `count` are never read: next() is the only reader.
 *   2. The decoder reads registers but changes nothing. What an instruction
 *      does is up to the caller, who first checks that the guest may.
 *   3. Lengths are exact, because rip moves by them: AMD 3, chapter 1.
 *   4. Bytes are copied from the guest once, by the caller. What is executed
 *      is what was decoded, even if another CPU rewrites the code meanwhile.
 *
 * Port reads and writes come first and by a path of their own: a Linux dom0
 * makes 45,000 of them in a boot.
 */
#include "x86/decode.h"

/* REX bits */
#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

#define FLAG_CF (1ULL << 0)
#define FLAG_PF (1ULL << 2)
#define FLAG_AF (1ULL << 4)
#define FLAG_ZF (1ULL << 6)
#define FLAG_SF (1ULL << 7)
#define FLAG_RF (1ULL << 16)
#define FLAG_OF (1ULL << 11)
#define FLAGS_STATUS (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

#define NO_SEG 0xff

struct decoder {
	const u8 *bytes;
	u32 count, at;
	bool long_mode;
	bool opsize66;
	bool failed;      /* ran past the end: the answer is -EFAULT */
	u8 rex;
	u8 seg;           /* override, or NO_SEG */
	u8 modrm;
	const struct cpu_user_regs *regs;
	struct insn *i;
};

static u8 next(struct decoder *d)
{
	if (unlikely(d->at >= d->count)) {
		d->failed = true;
		return 0;
	}
	return d->bytes[d->at++];
}

/* A little-endian immediate, sign extended. */
static s64 next_signed(struct decoder *d, u32 bytes)
{
	u64 value = 0;

	for (u32 n = 0; n < bytes; n++)
		value |= (u64)next(d) << (8 * n);
	switch (bytes) {
	case 1:
		return (s8)value;
	case 2:
		return (s16)value;
	case 4:
		return (s32)value;
	default:
		return (s64)value;
	}
}

static u64 low_bytes(u64 value, u32 bytes)
{
	return bytes >= 8 ? value : value & ((1ULL << (8 * bytes)) - 1);
}

/* Operand size of instructions that are not about bytes. */
static u8 word_size(const struct decoder *d)
{
	if (d->rex & REX_W)
		return 8;
	return d->opsize66 ? 2 : 4;
}

/* The register field names ah, ch, dh or bh: bytes 1 of the first four registers. */
static bool names_high8(const struct decoder *d, u32 index, u32 bytes)
{
	return bytes == 1 && !d->rex && index >= 4 && index < 8;
}

static u64 read_operand(const struct decoder *d, u32 index, u32 bytes)
{
	if (names_high8(d, index, bytes))
		return reg_read(d->regs, index - 4) >> 8 & 0xff;
	return low_bytes(reg_read(d->regs, index), bytes);
}

static u32 modrm_reg(const struct decoder *d)
{
	return (d->modrm >> 3 & 7) | (d->rex & REX_R ? 8 : 0);
}

static u32 modrm_rm(const struct decoder *d)
{
	return (d->modrm & 7) | (d->rex & REX_B ? 8 : 0);
}

/* The register operand of a memory instruction: which one, and its value as source. */
static void take_reg(struct decoder *d)
{
	u32 index = modrm_reg(d);

	d->i->high8 = names_high8(d, index, d->i->opsize);
	d->i->reg = d->i->high8 ? index - 4 : index;
	d->i->value = read_operand(d, index, d->i->opsize);
}

/* 16-bit addressing (67 in a 32-bit segment): AMD 3, table A-34. */
static u64 address16(struct decoder *d, u32 mod, u8 *seg)
{
	static const s8 base[8] = { 3, 3, 5, 5, -1, -1, 5, 3 }, index[8] = { 6, 7, 6, 7, 6, 7, -1, -1 };
	u32 rm = d->modrm & 7;
	u64 ea = 0;

	if (mod == 0 && rm == 6)
		return (u16)next_signed(d, 2);
	if (base[rm] >= 0)
		ea += reg_read(d->regs, base[rm]);
	if (index[rm] >= 0)
		ea += reg_read(d->regs, index[rm]);
	if (base[rm] == 5)
		*seg = SEG_SS;
	if (mod)
		ea += next_signed(d, mod == 1 ? 1 : 2);
	return (u16)ea;
}

/* mod, rm, SIB and displacement, except for what is relative to rip. */
static u64 address(struct decoder *d, u32 mod, bool *rip_relative, u8 *seg)
{
	u32 rm = d->modrm & 7, base = modrm_rm(d);
	u64 ea = 0;

	if (rm == 4) {
		u8 sib = next(d);
		u32 index = (sib >> 3 & 7) | (d->rex & REX_X ? 8 : 0);

		base = (sib & 7) | (d->rex & REX_B ? 8 : 0);
		if (index != 4)
			ea = reg_read(d->regs, index) << (sib >> 6);
		rm = sib & 7;
		if (mod == 0 && rm == 5)
			return ea + next_signed(d, 4);
	} else if (mod == 0 && rm == 5) {
		*rip_relative = d->long_mode;
		return next_signed(d, 4);
	}
	ea += reg_read(d->regs, base);
	if (base == 4 || base == 5)
		*seg = SEG_SS;
	if (mod)
		ea += next_signed(d, mod == 1 ? 1 : 4);
	return ea;
}

/*
 * Reads ModRM, and for a memory operand computes `ea` and `seg`. `imm` is how
 * many bytes of immediate follow: rip-relative means relative to the end.
 */
static void take_modrm(struct decoder *d, u32 imm)
{
	struct insn *i = d->i;
	bool rip_relative = false;
	u8 seg = SEG_DS;
	u32 mod;

	d->modrm = next(d);
	mod = d->modrm >> 6;
	i->mem = mod != 3;
	if (!i->mem)
		return;
	if (i->adsize == 2)
		i->ea = address16(d, mod, &seg);
	else
		i->ea = address(d, mod, &rip_relative, &seg);
	if (rip_relative)
		i->ea += d->regs->rip + d->at + imm;
	i->ea = low_bytes(i->ea, i->adsize);
	i->seg = d->seg != NO_SEG ? d->seg : seg;
}

/* ---- Groups of opcodes ---------------------------------------------------------- */

/* A memory destination whose source is the register field. */
static int mem_reg(struct decoder *d, enum insn_class class, u8 size)
{
	d->i->class = class;
	d->i->opsize = size;
	take_modrm(d, 0);
	if (!d->i->mem)
		return -EINVAL;
	take_reg(d);
	return 0;
}

/* A memory destination whose source is an immediate of `imm` bytes, sign extended. */
static int mem_imm(struct decoder *d, enum insn_class class, u8 size, u32 imm)
{
	d->i->class = class;
	d->i->opsize = size;
	take_modrm(d, imm);
	if (!d->i->mem)
		return -EINVAL;
	d->i->value = low_bytes(next_signed(d, imm), size);
	return 0;
}

/* 00..3f: add or adc sbb and sub xor, memory form; cmp only reads. */
static int alu_reg(struct decoder *d, u8 opcode)
{
	d->i->op = opcode >> 3;
	return d->i->op > OP_XOR ? -EINVAL : mem_reg(d, INSN_ALU_MEM, opcode & 1 ? word_size(d) : 1);
}

static int alu_imm(struct decoder *d, u8 opcode)
{
	u8 size = opcode & 1 ? word_size(d) : 1;
	int rc = mem_imm(d, INSN_ALU_MEM, size, opcode == 0x81 ? min(size, (u8)4) : 1);

	d->i->op = d->modrm >> 3 & 7;
	return d->i->op > OP_XOR ? -EINVAL : rc;
}

/* The word that holds bit `bit` (signed) of a bit string at ea: AMD 3, BT. */
static void bit_word(struct insn *i, s64 bit)
{
	s64 bits = i->opsize * 8;

	i->ea = low_bytes(i->ea + (bit & ~(bits - 1)) / 8, i->adsize);
	i->value = bit & (bits - 1);
}

static int bit_reg(struct decoder *d, enum insn_op op)
{
	int rc = mem_reg(d, INSN_BT_MEM, word_size(d));
	struct insn *i = d->i;

	i->op = op;
	if (!rc)
		bit_word(i, i->opsize == 8 ? (s64)i->value : i->opsize == 4 ? (s32)i->value : (s16)i->value);
	return rc;
}

/* 0f ba /5, /6, /7: the immediate counts modulo the operand's width. */
static int bit_imm(struct decoder *d)
{
	int rc = mem_imm(d, INSN_BT_MEM, word_size(d), 1);
	u32 sub = d->modrm >> 3 & 7;

	if (sub < 5)
		return -EINVAL;
	d->i->op = OP_BTS + sub - 5;
	d->i->value &= d->i->opsize * 8 - 1;
	return rc;
}

static u64 string_address(const struct decoder *d, u32 index)
{
	return low_bytes(reg_read(d->regs, index), d->i->adsize);
}

/* ins, outs, movs, stos */
static int string_insn(struct decoder *d, u8 opcode)
{
	struct insn *i = d->i;
	u8 from = d->seg != NO_SEG ? d->seg : SEG_DS;

	i->opsize = opcode & 1 ? word_size(d) : 1;
	i->ea = string_address(d, 7);
	i->seg = SEG_ES;
	i->src_ea = string_address(d, 6);
	i->src_seg = from;
	switch (opcode & 0xfe) {
	case 0x6c:
	case 0x6e:
		i->class = opcode & 2 ? INSN_OUTS : INSN_INS;
		if (i->opsize == 8)
			i->opsize = 4; /* ports are 32 bits wide, REX.W or not */
		i->port = d->regs->rdx;
		if (i->class == INSN_OUTS) {
			i->ea = i->src_ea;
			i->seg = from;
		}
		return 0;
	case 0xa4:
		i->class = INSN_MOVS;
		return 0;
	default:
		i->class = INSN_STOS;
		i->value = low_bytes(d->regs->rax, i->opsize);
		return 0;
	}
}

/* a0..a3: mov between the accumulator and an absolute address of adsize bytes. */
static int mov_absolute(struct decoder *d, u8 opcode)
{
	struct insn *i = d->i;

	i->class = opcode & 2 ? INSN_MOV_TO_MEM : INSN_MOV_FROM_MEM;
	i->opsize = opcode & 1 ? word_size(d) : 1;
	i->mem = true;
	i->reg = 0;
	i->high8 = false;
	i->value = low_bytes(d->regs->rax, i->opsize);
	i->ea = low_bytes(next_signed(d, i->adsize), i->adsize);
	i->seg = d->seg != NO_SEG ? d->seg : SEG_DS;
	return 0;
}

/* 0f 20..23. The mod field is ignored, both operands are registers, the size is the mode's. */
static int control_reg(struct decoder *d, u8 opcode)
{
	static const u8 class[4] = { INSN_MOV_FROM_CR, INSN_MOV_FROM_DR, INSN_MOV_TO_CR, INSN_MOV_TO_DR };
	struct insn *i = d->i;

	d->modrm = next(d);
	i->class = class[opcode & 3];
	i->opsize = d->long_mode ? 8 : 4;
	i->mem = false;
	i->nr = modrm_reg(d);
	i->reg = modrm_rm(d);
	/* AMD: lock mov cr0 is cr8. */
	if (i->lock && !(opcode & 1) && i->nr == 0) {
		i->nr = 8;
		i->lock = false;
	}
	if (opcode & 1)
		return i->nr < 8 ? 0 : -EINVAL;
	return i->nr == 0 || i->nr == 2 || i->nr == 3 || i->nr == 4 || i->nr == 8 ? 0 : -EINVAL;
}

/* 0f 01: descriptor tables are hypercalls, so only these are left. */
static int group_0f01(struct decoder *d)
{
	struct insn *i = d->i;
	u32 sub;

	i->opsize = word_size(d);
	take_modrm(d, 0);
	sub = d->modrm >> 3 & 7;
	if (!i->mem) {
		switch (d->modrm) {
		case 0xd0:
		case 0xd1:
			if (d->opsize66 || i->rep)
				return -EINVAL;
			i->class = d->modrm == 0xd0 ? INSN_XGETBV : INSN_XSETBV;
			return 0;
		case 0xf8:
			i->class = INSN_SWAPGS;
			return d->long_mode ? 0 : -EINVAL;
		case 0xf9:
			i->class = INSN_RDTSCP;
			return 0;
		}
	}
	switch (sub) {
	case 4:
		i->class = INSN_SMSW;
		if (i->mem)
			i->opsize = 2;
		break;
	case 6:
		i->class = INSN_LMSW;
		i->opsize = 2;
		break;
	case 7:
		i->class = INSN_INVLPG;
		return i->mem ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
	i->reg = modrm_rm(d);
	i->high8 = false;
	if (!i->mem)
		i->value = low_bytes(reg_read(d->regs, i->reg), i->opsize);
	return 0;
}

/* 0f c7 /1 */
static int cmpxchg8b(struct decoder *d)
{
	struct insn *i = d->i;

	i->class = INSN_CMPXCHG8B_MEM;
	i->opsize = d->rex & REX_W ? 16 : 8;
	take_modrm(d, 0);
	if (!i->mem || (d->modrm >> 3 & 7) != 1)
		return -EINVAL;
	i->value = i->opsize == 8 ? (u32)d->regs->rbx | d->regs->rcx << 32 : d->regs->rbx;
	return 0;
}

/* 0f 0b 'x' 'e' 'n' 0f a2: xen/arch-x86_64.h. */
static int forced_cpuid(struct decoder *d)
{
	static const u8 rest[] = { 0x78, 0x65, 0x6e, 0x0f, 0xa2 };

	/* A plain ud2 may be the last thing on a page: that is no fault of reading. */
	if (d->count - d->at < sizeof(rest))
		return -EINVAL;
	for (u32 n = 0; n < sizeof(rest); n++)
		if (next(d) != rest[n])
			return -EINVAL;
	d->i->class = INSN_FORCED_CPUID;
	return 0;
}

static int simple(struct decoder *d, enum insn_class class)
{
	d->i->class = class;
	return 0;
}

static int two_byte(struct decoder *d)
{
	u8 opcode = next(d);

	switch (opcode) {
	case 0x01: return group_0f01(d);
	case 0x06: return simple(d, INSN_CLTS);
	case 0x08: return simple(d, INSN_INVD);
	case 0x09: return simple(d, INSN_WBINVD);
	case 0x0b: return forced_cpuid(d);
	case 0x20:
	case 0x21:
	case 0x22:
	case 0x23: return control_reg(d, opcode);
	case 0x30: return simple(d, INSN_WRMSR);
	case 0x31: return simple(d, INSN_RDTSC);
	case 0x32: return simple(d, INSN_RDMSR);
	case 0x33: return simple(d, INSN_RDPMC);
	case 0xa2: return simple(d, INSN_CPUID);
	case 0xab: return bit_reg(d, OP_BTS);
	case 0xb3: return bit_reg(d, OP_BTR);
	case 0xbb: return bit_reg(d, OP_BTC);
	case 0xba: return bit_imm(d);
	case 0xb0: return mem_reg(d, INSN_CMPXCHG_MEM, 1);
	case 0xb1: return mem_reg(d, INSN_CMPXCHG_MEM, word_size(d));
	case 0xc0: return mem_reg(d, INSN_XADD_MEM, 1);
	case 0xc1: return mem_reg(d, INSN_XADD_MEM, word_size(d));
	case 0xc3: return d->opsize66 || d->i->rep ? -EINVAL : mem_reg(d, INSN_MOV_TO_MEM, word_size(d)); /* movnti */
	case 0xc7: return cmpxchg8b(d);
	default:   return -EINVAL;
	}
}

/* in and out; the same as the short path, for any other prefixes. */
static int port_insn(struct decoder *d, u8 opcode)
{
	struct insn *i = d->i;

	i->class = opcode & 2 ? INSN_OUT : INSN_IN;
	i->opsize = opcode & 1 ? (d->opsize66 && !(d->rex & REX_W) ? 2 : 4) : 1;
	i->port = opcode & 8 ? (u16)d->regs->rdx : next(d);
	return 0;
}

static int vector(struct decoder *d, enum insn_class class, u8 nr)
{
	d->i->class = class;
	d->i->nr = nr;
	return 0;
}

static int one_byte(struct decoder *d, u8 opcode)
{
	u8 size;

	if (opcode < 0x40 && (opcode & 7) < 2)
		return alu_reg(d, opcode);
	switch (opcode) {
	case 0x0f: return two_byte(d);
	case 0x6c:
	case 0x6d:
	case 0x6e:
	case 0x6f:
	case 0xa4:
	case 0xa5:
	case 0xaa:
	case 0xab: return string_insn(d, opcode);
	case 0x80:
	case 0x81:
	case 0x83: return alu_imm(d, opcode);
	case 0x86: return mem_reg(d, INSN_XCHG_MEM, 1);
	case 0x87: return mem_reg(d, INSN_XCHG_MEM, word_size(d));
	case 0x88: return mem_reg(d, INSN_MOV_TO_MEM, 1);
	case 0x89: return mem_reg(d, INSN_MOV_TO_MEM, word_size(d));
	case 0x8a: return mem_reg(d, INSN_MOV_FROM_MEM, 1);
	case 0x8b: return mem_reg(d, INSN_MOV_FROM_MEM, word_size(d));
	case 0xa0:
	case 0xa1:
	case 0xa2:
	case 0xa3: return mov_absolute(d, opcode);
	case 0xc6:
	case 0xc7:
		size = opcode & 1 ? word_size(d) : 1;
		if (mem_imm(d, INSN_MOV_TO_MEM, size, min(size, (u8)4)) || d->modrm & 0x38)
			return -EINVAL;
		return 0;
	case 0xcc: return vector(d, INSN_INT3, 3);
	case 0xcd: return vector(d, INSN_INT_N, next(d));
	case 0xe4:
	case 0xe5:
	case 0xe6:
	case 0xe7:
	case 0xec:
	case 0xed:
	case 0xee:
	case 0xef: return port_insn(d, opcode);
	case 0xf1: return vector(d, INSN_ICEBP, 1);
	case 0xf4: return simple(d, INSN_HLT);
	case 0xfa: return simple(d, INSN_CLI);
	case 0xfb: return simple(d, INSN_STI);
	default:   return -EINVAL;
	}
}

/* Takes prefixes in any order and returns the opcode. A REX that is not last counts for nothing. */
static u8 prefixes(struct decoder *d, bool *adsize67)
{
	for (;;) {
		u8 b = next(d);

		switch (b) {
		/* Long mode ignores these four, so that an fs or gs before them stays. */
		case 0x26: d->seg = d->long_mode ? d->seg : SEG_ES; break;
		case 0x2e: d->seg = d->long_mode ? d->seg : SEG_CS; break;
		case 0x36: d->seg = d->long_mode ? d->seg : SEG_SS; break;
		case 0x3e: d->seg = d->long_mode ? d->seg : SEG_DS; break;
		case 0x64: d->seg = SEG_FS; break;
		case 0x65: d->seg = SEG_GS; break;
		case 0x66: d->opsize66 = true; break;
		case 0x67: *adsize67 = true; break;
		case 0xf0: d->i->lock = true; break;
		case 0xf2: d->i->rep = REP_NE; break;
		case 0xf3: d->i->rep = REP_E; break;
		default:
			if (!d->long_mode || (b & 0xf0) != 0x40)
				return b;
			d->rex = b;
			continue;
		}
		if (d->failed)
			return 0;
		d->rex = 0;
	}
}

/* lock is #UD except before these, and needs a memory destination: AMD 3, 1.2.5. */
static bool may_lock(const struct insn *i)
{
	switch (i->class) {
	case INSN_XCHG_MEM:
	case INSN_XADD_MEM:
	case INSN_CMPXCHG_MEM:
	case INSN_CMPXCHG8B_MEM:
	case INSN_ALU_MEM:
	case INSN_BT_MEM:
		return true;
	default:
		return false;
	}
}

/* Not inlined: the short path then needs no stack. */
static int __attribute__((noinline)) decode_slowly(struct insn *i, const u8 *bytes, u32 count, bool long_mode,
						   const struct cpu_user_regs *regs)
{
	struct decoder d = {
		.bytes = bytes, .count = min(count, (u32)INSN_MAX_BYTES), .long_mode = long_mode,
		.seg = NO_SEG, .regs = regs, .i = i,
	};
	bool adsize67 = false;
	u8 opcode;
	int rc;

	*i = (struct insn){ .class = INSN_NONE };
	opcode = prefixes(&d, &adsize67);
	i->adsize = long_mode ? (adsize67 ? 4 : 8) : (adsize67 ? 2 : 4);
	rc = d.failed ? -EFAULT : one_byte(&d, opcode);
	if (d.failed)
		rc = d.count == INSN_MAX_BYTES ? -EINVAL : -EFAULT;
	else if (!rc && i->lock && !may_lock(i))
		rc = -EINVAL;
	i->length = d.at;
	return rc;
}

int insn_decode(struct insn *i, const u8 *bytes, unsigned int count, bool long_mode,
		const struct cpu_user_regs *regs)
{
	u32 prefix = count > 1 && bytes[0] == 0x66;
	u8 opcode = count ? bytes[prefix] : 0;

	/* e4..e7 (port in the next byte) and ec..ef (port in dx) */
	if (likely((opcode & 0xf4) == 0xe4)) {
		u32 length = prefix + (opcode & 8 ? 1 : 2);

		if (unlikely(length > count))
			return -EFAULT;
		i->class = opcode & 2 ? INSN_OUT : INSN_IN;
		i->length = length;
		i->opsize = opcode & 1 ? 4 >> prefix : 1;
		i->rep = REP_NONE;
		i->lock = false;
		i->port = opcode & 8 ? (u16)regs->rdx : bytes[prefix + 1];
		return 0;
	}
	return decode_slowly(i, bytes, count, long_mode, regs);
}

/* ---- What the memory instructions compute ------------------------------------------ */

static u64 sign_bit(u32 bytes)
{
	return 1ULL << (8 * bytes - 1);
}

static u64 flags_of_result(u64 r, u32 bytes)
{
	u64 f = 0;

	if (!r)
		f |= FLAG_ZF;
	if (r & sign_bit(bytes))
		f |= FLAG_SF;
	if (!(__builtin_popcount((u8)r) & 1))
		f |= FLAG_PF;
	return f;
}

static u64 add(u64 a, u64 b, u64 carry, u32 bytes, u64 *flags)
{
	u64 r = low_bytes(a + b + carry, bytes);
	/* Carries out of each bit: where both bits are set, or one is and the sum's is not. */
	u64 carries = (a & b) | ((a | b) & ~r);

	*flags = flags_of_result(r, bytes);
	if (carries & sign_bit(bytes))
		*flags |= FLAG_CF;
	if (carries & 8)
		*flags |= FLAG_AF;
	if ((a ^ r) & (b ^ r) & sign_bit(bytes))
		*flags |= FLAG_OF;
	return r;
}

static u64 subtract(u64 a, u64 b, u64 borrow, u32 bytes, u64 *flags)
{
	u64 r = low_bytes(a - b - borrow, bytes);
	u64 borrows = (~a & b) | ((~a | b) & r);

	*flags = flags_of_result(r, bytes);
	if (borrows & sign_bit(bytes))
		*flags |= FLAG_CF;
	if (borrows & 8)
		*flags |= FLAG_AF;
	if ((a ^ b) & (a ^ r) & sign_bit(bytes))
		*flags |= FLAG_OF;
	return r;
}

static u64 alu(const struct insn *i, u64 a, u64 carry, u64 *flags)
{
	u64 b = i->value, r;

	switch (i->op) {
	case OP_ADD:
		return add(a, b, 0, i->opsize, flags);
	case OP_ADC:
		return add(a, b, carry, i->opsize, flags);
	case OP_SUB:
		return subtract(a, b, 0, i->opsize, flags);
	case OP_SBB:
		return subtract(a, b, carry, i->opsize, flags);
	case OP_OR:
		r = a | b;
		break;
	case OP_AND:
		r = a & b;
		break;
	default:
		r = a ^ b;
	}
	*flags = flags_of_result(r, i->opsize);
	return r;
}

static u64 accumulator(const struct insn *i, const struct cpu_user_regs *regs)
{
	if (i->class == INSN_CMPXCHG8B_MEM)
		return (u32)regs->rax | regs->rdx << 32;
	return low_bytes(regs->rax, i->opsize);
}

int insn_apply_alu(const struct insn *i, const struct cpu_user_regs *regs, u64 old, u64 *new, u64 *rflags)
{
	u64 flags = regs->rflags & FLAGS_STATUS, bit;

	*new = old;
	switch (i->class) {
	case INSN_MOV_TO_MEM:
	case INSN_XCHG_MEM:
		*new = i->value;
		break;
	case INSN_MOV_FROM_MEM:
		break;
	case INSN_XADD_MEM:
		*new = add(old, i->value, 0, i->opsize, &flags);
		break;
	case INSN_ALU_MEM:
		*new = alu(i, old, flags & FLAG_CF, &flags);
		break;
	case INSN_CMPXCHG_MEM:
		if (accumulator(i, regs) == old)
			*new = i->value;
		subtract(accumulator(i, regs), old, 0, i->opsize, &flags);
		break;
	case INSN_CMPXCHG8B_MEM:
		if (i->opsize != 8)
			return -EINVAL;
		flags &= ~FLAG_ZF;
		if (accumulator(i, regs) == old) {
			*new = i->value;
			flags |= FLAG_ZF;
		}
		break;
	case INSN_BT_MEM:
		bit = 1ULL << i->value;
		flags = (flags & ~FLAG_CF) | (old & bit ? FLAG_CF : 0);
		*new = i->op == OP_BTS ? old | bit : i->op == OP_BTR ? old & ~bit : old ^ bit;
		break;
	default:
		return -EINVAL;
	}
	*rflags = (regs->rflags & ~FLAGS_STATUS) | flags;
	return 0;
}

static void load_reg(const struct insn *i, struct cpu_user_regs *regs, u64 value)
{
	u64 *slot = reg_slot(regs, i->reg);

	if (i->high8)
		*slot = (*slot & ~0xff00ULL) | (value & 0xff) << 8;
	else
		reg_write(regs, i->reg, value, i->opsize);
}

void insn_finish(const struct insn *i, struct cpu_user_regs *regs, u64 old, u64 rflags)
{
	switch (i->class) {
	case INSN_MOV_FROM_MEM:
	case INSN_XCHG_MEM:
	case INSN_XADD_MEM:
		load_reg(i, regs, old);
		break;
	case INSN_CMPXCHG_MEM:
		if (!(rflags & FLAG_ZF))
			reg_write(regs, 0, old, i->opsize);
		break;
	case INSN_CMPXCHG8B_MEM:
		if (!(rflags & FLAG_ZF) && i->opsize == 8) {
			regs->rax = (u32)old;
			regs->rdx = old >> 32;
		}
		break;
	}
	regs->rflags = rflags & ~FLAG_RF;
	regs->rip += i->length;
}
