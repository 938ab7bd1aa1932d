// SPDX-License-Identifier: MIT
/*
 * gzip: the wrapper (RFC 1952) and deflate (RFC 1951).
 *
 * A deflate stream is blocks: stored, or Huffman codes for literals, lengths
 * and distances, fixed or described at the block's start. Codes are decoded by
 * tables of two levels: the next FIRST_BITS bits of input select an entry,
 * which is a symbol or, for a longer code, says where a table for the rest of
 * the bits lies. Bits come lowest first, so codes are entered in reverse.
 *
 * Input is taken into a 64-bit buffer, at least 56 bits at a time, which is
 * enough for a whole length and distance (15 + 5 + 15 + 13 = 48). Behind the
 * end of the input the buffer is filled with zeros and what was made up is
 * counted; having used such a bit is the error "ends early".
 *
 * Invariants:
 *  1. out stays within [start, out_end]; matches reach back at most to start,
 *     the beginning of the member.
 *  2. tables are built only from codes that are not over-subscribed, which is
 *     also what bounds their size; every slot no code leads to is marked.
 *  3. each turn of a loop makes output or uses up input; once a bit that was
 *     made up has been used the loop ends.
 *
 * No locks: all state is in the caller's work memory.
 */
#include "boot/decompress.h"
#include "lib/errno.h"
#include "lib/string.h"

#define CODE_BITS_MAX 15
#define LITERAL_SYMBOLS 288
#define DISTANCE_SYMBOLS 32
#define END_OF_BLOCK 256

#define LITERAL_FIRST_BITS 10
#define DISTANCE_FIRST_BITS 8
#define LENGTHS_FIRST_BITS 7

/*
 * Room for the tables. In a complete code a second-level table of 2^k slots
 * serves at least k+1 symbols, so that all of them together have at most
 * 288/6 * 32 = 1536 slots for literals and 30/8 * 128 = 480 for distances.
 */
#define LITERAL_SLOTS ((1 << LITERAL_FIRST_BITS) + 1536)
#define DISTANCE_SLOTS ((1 << DISTANCE_FIRST_BITS) + 480)
#define LENGTHS_SLOTS (1 << LENGTHS_FIRST_BITS)

/*
 * A slot: bits 0-7 how many bits the code takes, 8-11 how many more bits
 * follow that are added to the value, 12-15 the kind, 16-31 the value (literal,
 * base of a length or distance, or where the second table starts).
 */
#define SLOT(value, kind, extra) ((u32)(value) << 16 | (kind) | (u32)(extra) << 8)
#define SLOT_LITERAL 0x1000u
#define SLOT_END 0x2000u
#define SLOT_TABLE 0x4000u /* bits 0-7: the index bits of the second table */
#define SLOT_INVALID 0x8000u
#define SLOT_EXTRA(slot) ((slot) >> 8 & 15)

struct bit_reader {
	u64 bits;
	u32 count;   /* of valid bits; those above may be input that is still to come */
	u32 made_up; /* zero bytes put into bits after the end of the input */
	const u8 *in, *end;
};

struct gzip_work {
	struct crc32_table crc32;
	u32 literals[LITERAL_SLOTS];
	u32 distances[DISTANCE_SLOTS];
	u32 lengths_code[LENGTHS_SLOTS];

	/* while tables are built */
	u8 lengths[LITERAL_SYMBOLS + DISTANCE_SYMBOLS];
	u16 reversed[LITERAL_SYMBOLS];
	u8 longest[1 << LITERAL_FIRST_BITS];

	struct bit_reader br;
	u8 *start, *out, *out_end;
	const char *error;
};

_Static_assert(sizeof(struct gzip_work) + 16 <= DECODE_WORK_BYTES, "gzip needs more work memory");

static int damaged(struct gzip_work *w, const char *why)
{
	w->error = why;
	return -EINVAL;
}

static int ends_early(struct gzip_work *w)
{
	return damaged(w, "the gzip data ends early");
}

static int output_full(struct gzip_work *w)
{
	w->error = "the unpacked data is longer than the space for it";
	return -ENOSPC;
}

/* ---- bits ---- */

static inline void bits_refill(struct bit_reader *br)
{
	if (likely(br->end - br->in >= 8)) {
		br->bits |= load64(br->in) << br->count;
		br->in += (63 - br->count) >> 3;
		br->count |= 56;
		return;
	}
	while (br->count < 56) {
		if (br->in < br->end)
			br->bits |= (u64)*br->in++ << br->count;
		else
			br->made_up++;
		br->count += 8;
	}
}

/* Has a bit been used that was made up? */
static inline bool bits_ended(const struct bit_reader *br)
{
	return br->made_up * 8 > br->count;
}

static inline void bits_drop(struct bit_reader *br, u32 n)
{
	br->bits >>= n;
	br->count -= n;
}

/* The next @n bits, at most 16, of which there are enough since the last refill. */
static inline u32 bits_take(struct bit_reader *br, u32 n)
{
	u32 v = br->bits & ((1u << n) - 1);

	bits_drop(br, n);
	return v;
}

/* Go on at the next byte of the input; false where the input has ended. */
static bool bits_to_byte(struct bit_reader *br)
{
	u32 whole = br->count / 8;

	if (br->made_up > whole)
		return false;
	br->in -= whole - br->made_up;
	br->bits = 0;
	br->count = 0;
	br->made_up = 0;
	return true;
}

/* ---- code tables ---- */

static u32 reverse_bits(u32 code, u32 len)
{
	u32 r = 0;

	for (; len; len--, code >>= 1)
		r = r << 1 | (code & 1);
	return r;
}

struct table_plan {
	u32 *slots;
	u32 size;	  /* of slots */
	u32 first_bits;
	const u32 *meaning; /* by symbol: a slot without its number of bits */
	bool partial_ok;  /* may be one code of one bit, or none at all */
};

/*
 * Give each symbol of w->lengths its code, lowest bit first, into w->reversed.
 * False if no such code exists, or it leaves bit strings without a meaning that
 * it may not.
 */
static bool assign_codes(struct gzip_work *w, const u8 *lengths, u32 symbols, bool partial_ok)
{
	u32 count[CODE_BITS_MAX + 1] = { 0 }, next[CODE_BITS_MAX + 2], longest = 0, code = 0;

	for (u32 s = 0; s < symbols; s++) {
		count[lengths[s]]++;
		longest = max(longest, (u32)lengths[s]);
	}
	count[0] = 0;
	for (u32 len = 1; len <= CODE_BITS_MAX; len++) {
		code = (code + count[len - 1]) << 1;
		next[len] = code;
		if (code + count[len] > 1u << len)
			return false;
	}
	if (code + count[CODE_BITS_MAX] != 1u << CODE_BITS_MAX && !(partial_ok && longest <= 1))
		return false;
	for (u32 s = 0; s < symbols; s++)
		w->reversed[s] = lengths[s] ? reverse_bits(next[lengths[s]]++, lengths[s]) : 0;
	return true;
}

/* Fill the tables of @plan for the code with these lengths. */
static bool build_table(struct gzip_work *w, const u8 *lengths, u32 symbols, const struct table_plan *plan)
{
	u32 first = plan->first_bits, used = 1u << first, mask = used - 1;

	if (!assign_codes(w, lengths, symbols, plan->partial_ok))
		return false;
	memset(w->longest, 0, used);
	for (u32 s = 0; s < symbols; s++) {
		u8 *longest = &w->longest[w->reversed[s] & mask];

		if (lengths[s] > first)
			*longest = max(*longest, lengths[s]);
	}
	for (u32 i = 0; i <= mask; i++) {
		plan->slots[i] = SLOT_INVALID;
		if (w->longest[i]) {
			u32 bits = w->longest[i] - first;

			if (plan->size - used < 1u << bits)
				return false;
			plan->slots[i] = SLOT(used, SLOT_TABLE, 0) | bits;
			for (u32 k = 0; k < 1u << bits; k++)
				plan->slots[used++] = SLOT_INVALID;
		}
	}
	for (u32 s = 0; s < symbols; s++) {
		u32 len = lengths[s], at = w->reversed[s], end = mask + 1, offset = 0;

		if (!len)
			continue;
		if (len > first) {
			u32 table = plan->slots[at & mask];

			offset = table >> 16;
			end = 1u << (table & 0xff);
			at >>= first;
			len -= first;
		}
		for (; at < end; at += 1u << len)
			plan->slots[offset + at] = plan->meaning[s] | len;
	}
	return true;
}

/* The slot of the next code; its bits are used up. */
static inline u32 next_slot(struct bit_reader *br, const u32 *slots, u32 first_bits)
{
	u32 slot = slots[br->bits & ((1u << first_bits) - 1)];

	if (unlikely(slot & SLOT_TABLE)) {
		bits_drop(br, first_bits);
		slot = slots[(slot >> 16) + (br->bits & ((1u << (slot & 0xff)) - 1))];
	}
	bits_drop(br, slot & 0xff);
	return slot;
}

/* ---- what the symbols mean (RFC 1951, 3.2.5 to 3.2.7) ---- */

#define L(n) SLOT(n, SLOT_LITERAL, 0)
#define L4(n) L(n), L((n) + 1), L((n) + 2), L((n) + 3)
#define L16(n) L4(n), L4((n) + 4), L4((n) + 8), L4((n) + 12)
#define L64(n) L16(n), L16((n) + 16), L16((n) + 32), L16((n) + 48)
#define B(base, extra) SLOT(base, 0, extra)

static const u32 literal_meaning[LITERAL_SYMBOLS] = {
	L64(0), L64(64), L64(128), L64(192), SLOT(0, SLOT_END, 0),
	B(3, 0), B(4, 0), B(5, 0), B(6, 0), B(7, 0), B(8, 0), B(9, 0), B(10, 0),
	B(11, 1), B(13, 1), B(15, 1), B(17, 1), B(19, 2), B(23, 2), B(27, 2), B(31, 2),
	B(35, 3), B(43, 3), B(51, 3), B(59, 3), B(67, 4), B(83, 4), B(99, 4), B(115, 4),
	B(131, 5), B(163, 5), B(195, 5), B(227, 5), B(258, 0), SLOT_INVALID, SLOT_INVALID,
};

static const u32 distance_meaning[DISTANCE_SYMBOLS] = {
	B(1, 0), B(2, 0), B(3, 0), B(4, 0), B(5, 1), B(7, 1), B(9, 2), B(13, 2),
	B(17, 3), B(25, 3), B(33, 4), B(49, 4), B(65, 5), B(97, 5), B(129, 6), B(193, 6),
	B(257, 7), B(385, 7), B(513, 8), B(769, 8), B(1025, 9), B(1537, 9), B(2049, 10), B(3073, 10),
	B(4097, 11), B(6145, 11), B(8193, 12), B(12289, 12), B(16385, 13), B(24577, 13),
	SLOT_INVALID, SLOT_INVALID,
};

/* The code of the code lengths: 0-15 is a length, 16 to 18 repeat one. */
static const u32 lengths_meaning[19] = {
	L16(0), B(3, 2), B(3, 3), B(11, 7),
};

#undef L
#undef L4
#undef L16
#undef L64
#undef B

/* ---- blocks ---- */

static bool build_both(struct gzip_work *w, u32 literals, u32 distances)
{
	struct table_plan literal_plan = { w->literals, LITERAL_SLOTS, LITERAL_FIRST_BITS, literal_meaning, true };
	struct table_plan distance_plan = { w->distances, DISTANCE_SLOTS, DISTANCE_FIRST_BITS, distance_meaning, true };

	return build_table(w, w->lengths, literals, &literal_plan) &&
	       build_table(w, w->lengths + literals, distances, &distance_plan);
}

static int fixed_codes(struct gzip_work *w)
{
	memset(w->lengths, 8, 144);
	memset(w->lengths + 144, 9, 112);
	memset(w->lengths + 256, 7, 24);
	memset(w->lengths + 280, 8, 8);
	memset(w->lengths + LITERAL_SYMBOLS, 5, DISTANCE_SYMBOLS);
	return build_both(w, LITERAL_SYMBOLS, DISTANCE_SYMBOLS) ? 0 : damaged(w, "the gzip data is damaged (codes)");
}

/* Read @total code lengths, which are themselves packed. */
static int read_lengths(struct gzip_work *w, u32 total)
{
	struct bit_reader *br = &w->br;
	u32 at = 0;

	while (at < total) {
		u32 slot, times, kind;

		bits_refill(br);
		slot = next_slot(br, w->lengths_code, LENGTHS_FIRST_BITS);
		if (bits_ended(br))
			return ends_early(w);
		if (slot & SLOT_INVALID)
			return damaged(w, "the gzip data is damaged (code lengths)");
		if (slot & SLOT_LITERAL) {
			w->lengths[at++] = slot >> 16;
			continue;
		}
		kind = SLOT_EXTRA(slot); /* two more bits: repeat the last; three or seven: zeros */
		times = (slot >> 16) + bits_take(br, kind);
		if (times > total - at || (kind == 2 && !at))
			return damaged(w, "the gzip data is damaged (code lengths)");
		memset(w->lengths + at, kind == 2 ? w->lengths[at - 1] : 0, times);
		at += times;
	}
	return 0;
}

/* The codes a block brings along. */
static int described_codes(struct gzip_work *w)
{
	static const u8 order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };
	struct table_plan plan = { w->lengths_code, LENGTHS_SLOTS, LENGTHS_FIRST_BITS, lengths_meaning, false };
	struct bit_reader *br = &w->br;
	u32 literals, distances, described;
	u8 lengths[19] = { 0 };
	int err;

	literals = 257 + bits_take(br, 5);
	distances = 1 + bits_take(br, 5);
	described = 4 + bits_take(br, 4);
	if (literals > 286 || distances > 30)
		return damaged(w, "the gzip data is damaged (too many codes)");
	for (u32 i = 0; i < described; i++) {
		bits_refill(br);
		lengths[order[i]] = bits_take(br, 3);
	}
	if (bits_ended(br))
		return ends_early(w);
	if (!build_table(w, lengths, ARRAY_SIZE(lengths), &plan))
		return damaged(w, "the gzip data is damaged (code lengths)");
	err = read_lengths(w, literals + distances);
	if (err)
		return err;
	if (!w->lengths[END_OF_BLOCK] || !build_both(w, literals, distances))
		return damaged(w, "the gzip data is damaged (codes)");
	return 0;
}

/* Literals and matches up to the block's end mark. */
static int coded_block(struct gzip_work *w)
{
	const u8 *wide_end = w->out_end - w->start > COPY_SLACK ? w->out_end - COPY_SLACK : w->start;
	struct bit_reader br = w->br;
	u8 *out = w->out;

	for (;;) {
		u32 slot, len, dist;

		bits_refill(&br);
		if (unlikely(br.made_up > 8)) /* more than are in the buffer: one was used */
			return ends_early(w);
		slot = next_slot(&br, w->literals, LITERAL_FIRST_BITS);
		if (slot & SLOT_LITERAL) {
			if (unlikely(out == w->out_end))
				return bits_ended(&br) ? ends_early(w) : output_full(w);
			*out++ = slot >> 16;
			continue;
		}
		if (unlikely(slot & (SLOT_END | SLOT_INVALID))) {
			if (bits_ended(&br))
				return ends_early(w);
			if (slot & SLOT_INVALID)
				return damaged(w, "the gzip data is damaged (a code without meaning)");
			break;
		}
		len = (slot >> 16) + bits_take(&br, SLOT_EXTRA(slot));
		slot = next_slot(&br, w->distances, DISTANCE_FIRST_BITS);
		dist = (slot >> 16) + bits_take(&br, SLOT_EXTRA(slot));
		if (unlikely(slot & SLOT_INVALID || dist > (u64)(out - w->start) || len > (u64)(w->out_end - out))) {
			if (bits_ended(&br))
				return ends_early(w);
			if (slot & SLOT_INVALID)
				return damaged(w, "the gzip data is damaged (a code without meaning)");
			if (dist > (u64)(out - w->start))
				return damaged(w, "the gzip data is damaged (a match reaches back before the start)");
			return output_full(w);
		}
		out = copy_match(out, dist, len, wide_end);
	}
	w->br = br;
	w->out = out;
	return 0;
}

static int stored_block(struct gzip_work *w)
{
	struct bit_reader *br = &w->br;
	u32 len;

	if (!bits_to_byte(br) || br->end - br->in < 4)
		return ends_early(w);
	len = load16(br->in);
	if ((len ^ load16(br->in + 2)) != 0xffff)
		return damaged(w, "the gzip data is damaged (length of a stored block)");
	br->in += 4;
	if (br->end - br->in < len)
		return ends_early(w);
	if (w->out_end - w->out < len)
		return output_full(w);
	memcpy(w->out, br->in, len);
	w->out += len;
	br->in += len;
	return 0;
}

/* A whole deflate stream, from w->br.in on; leaves that at the byte behind it. */
static int inflate(struct gzip_work *w)
{
	struct bit_reader *br = &w->br;
	bool last;

	br->bits = 0;
	br->count = 0;
	br->made_up = 0;
	do {
		u32 kind;
		int err;

		bits_refill(br);
		last = bits_take(br, 1);
		kind = bits_take(br, 2);
		if (bits_ended(br))
			return ends_early(w);
		if (kind == 3)
			return damaged(w, "the gzip data is damaged (a block's kind)");
		if (kind == 0) {
			err = stored_block(w);
		} else {
			err = kind == 1 ? fixed_codes(w) : described_codes(w);
			if (!err)
				err = coded_block(w);
		}
		if (err)
			return err;
	} while (!last);
	return bits_to_byte(br) ? 0 : ends_early(w);
}

/* ---- the wrapper ---- */

#define FLAG_HEADER_CRC 0x02
#define FLAG_EXTRA 0x04
#define FLAG_NAME 0x08
#define FLAG_COMMENT 0x10
#define FLAGS_UNKNOWN 0xe0

/* Step over a member's header. */
static int gzip_header(struct gzip_work *w)
{
	const u8 *start = w->br.in, *end = w->br.end, *p = start + 10;
	u8 flags;

	if (end - start < 10)
		return ends_early(w);
	flags = start[3];
	if (start[0] != 0x1f || start[1] != 0x8b)
		return damaged(w, "this is not gzip data, or it is followed by something else");
	if (start[2] != 8 || flags & FLAGS_UNKNOWN)
		return damaged(w, "the gzip data uses a method newer than we know");
	if (flags & FLAG_EXTRA) {
		if (end - p < 2 || end - p - 2 < load16(p))
			return ends_early(w);
		p += 2 + load16(p);
	}
	for (u32 texts = !!(flags & FLAG_NAME) + !!(flags & FLAG_COMMENT); texts; texts--) {
		do {
			if (p == end)
				return ends_early(w);
		} while (*p++);
	}
	if (flags & FLAG_HEADER_CRC) {
		if (end - p < 2)
			return ends_early(w);
		if ((u16)crc32_update(&w->crc32, 0, start, p - start) != load16(p))
			return damaged(w, "the gzip data is damaged (checksum of the header)");
		p += 2;
	}
	w->br.in = p;
	return 0;
}

static int gzip_member(struct gzip_work *w)
{
	const u8 *p;
	u64 len;
	int err;

	err = gzip_header(w);
	if (err)
		return err;
	w->start = w->out;
	err = inflate(w);
	if (err)
		return err;
	p = w->br.in;
	if (w->br.end - p < 8)
		return ends_early(w);
	len = w->out - w->start;
	if (crc32_update(&w->crc32, 0, w->start, len) != load32(p))
		return damaged(w, "the gzip data is damaged (checksum)");
	if ((u32)len != load32(p + 4))
		return damaged(w, "the gzip data is damaged (length)");
	w->br.in = p + 8;
	return 0;
}

int gunzip(const u8 *in, u64 in_len, u8 *out, u64 out_cap, void *work, u64 work_len, struct decode_result *r)
{
	struct gzip_work *w = (struct gzip_work *)ALIGN_UP((uintptr_t)work, 16);
	int err;

	r->out_len = 0;
	if (work_len < DECODE_WORK_BYTES) {
		r->error = "gunzip was given too little work memory";
		return -EINVAL;
	}
	w->br.in = in;
	w->br.end = in + in_len;
	w->out = out;
	w->out_end = out + out_cap;
	w->error = NULL;
	crc32_init(&w->crc32);
	do
		err = gzip_member(w);
	while (!err && w->br.in < w->br.end);
	if (!err)
		r->out_len = w->out - out;
	r->error = w->error;
	return err;
}
