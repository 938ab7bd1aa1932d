// SPDX-License-Identifier: MIT
/*
 * zstd (RFC 8878).
 *
 * A frame is blocks: raw, one repeated byte, or compressed. A compressed block
 * is two parts: all its literals, usually Huffman coded in four streams, and
 * then sequences "so many literals, then a match of this length from so far
 * back", whose three numbers are FSE coded. Tables may be repeated from the
 * block before.
 *
 * Coded streams are read from their last byte backwards. Reading a few bytes
 * before a stream's beginning is harmless, since there stand at least 8 bytes
 * of headers in the same buffer (magic 4, frame header 2 or more, block header
 * 3); such bits are nonsense, and a stream from which they were used, or in
 * which bits are left over, is damaged. All tables give safe values for
 * nonsense: each is filled whole, and indexed with no more bits than it has.
 *
 * Invariants:
 *  1. start <= out <= out_end; matches reach back at most to start, where the
 *     frame's output began.
 *  2. literals are in the input or in w->literals, whose end has COPY_SLACK
 *     bytes to spare; how many are left is counted.
 *  3. every state of an FSE table leads to states of the same table.
 *
 * No locks: all state is in the caller's work memory.
 */
#include "boot/decompress.h"
#include "lib/errno.h"
#include "lib/string.h"

#define BLOCK_MAX (128 * 1024)
#define HUF_BITS_MAX 11
#define FSE_BITS_MAX 9
#define FSE_SYMBOLS_MAX 53

/* A state of a number's table: the number it stands for and how to go on. */
struct fse_state {
	u32 base;	/* of the number; its low bits follow in the stream */
	u8 extra;	/* how many */
	u8 bits;	/* the next state is next plus this many bits */
	u16 next;
};

struct fse_table {
	struct fse_state state[1 << FSE_BITS_MAX];
	u32 bits; /* of the index */
	bool valid;
};

enum number { NUMBER_LITERALS, NUMBER_OFFSET, NUMBER_MATCH, NUMBERS };

struct zstd_work {
	u8 literals[BLOCK_MAX + 4 * COPY_SLACK];
	u16 huf[1 << HUF_BITS_MAX]; /* byte << 8 | bits of the code */
	u32 huf_bits;		    /* of the index; 0: no table yet */
	struct fse_table fse[NUMBERS];
	u64 rep[3];

	/* while tables are built */
	s16 share[256];
	u8 symbol[1 << FSE_BITS_MAX];
	u16 next[256];
	u8 weights[256];
	struct fse_state weight_state[64];

	const u8 *in, *in_end;
	u8 *start, *out, *out_end;
	const char *error;
};

_Static_assert(sizeof(struct zstd_work) + 16 <= DECODE_WORK_BYTES, "zstd needs more work memory");

static int damaged(struct zstd_work *w, const char *why)
{
	w->error = why;
	return -EINVAL;
}

static int ends_early(struct zstd_work *w)
{
	return damaged(w, "the zstd data ends early");
}

static int output_full(struct zstd_work *w)
{
	w->error = "the unpacked data is longer than the space for it";
	return -ENOSPC;
}

/* ---- bits, backwards ---- */

struct bit_reader {
	u64 bits;      /* the next bits, highest first */
	s64 left;      /* bits of the stream that bits does not begin with any more; negative: too many were used */
	const u8 *start;
};

/* Fill br->bits with at least 57 bits. At most 57 are used between two calls. */
static inline void bits_refill(struct bit_reader *br)
{
	u64 left = likely(br->left > 0) ? br->left : 0;

	br->bits = load64(br->start + ((left + 7) >> 3) - 8) << (-left & 7);
}

/* Start at the end of the @len bytes at @p: behind the highest 1 bit of the last. */
static bool bits_open(struct bit_reader *br, const u8 *p, u64 len)
{
	if (!len || !p[len - 1])
		return false;
	br->start = p;
	br->left = 8 * len - 1 - (__builtin_clz(p[len - 1]) - 24);
	bits_refill(br);
	return true;
}

static inline void bits_drop(struct bit_reader *br, u32 n)
{
	br->bits <<= n;
	br->left -= n;
}

/* The next @n bits, 0 to 32. */
static inline u32 bits_take(struct bit_reader *br, u32 n)
{
	u32 v = br->bits >> 1 >> (63 - n);

	bits_drop(br, n);
	return v;
}

/* ---- FSE tables ---- */

/*
 * Read how the 2^bits states are shared out among the symbols, from *@at on,
 * bits lowest first (RFC 8878, 4.1.1): w->share[], -1 being one state of the
 * rarest kind. Returns the number of symbols, or 0 if damaged.
 */
static u32 fse_read_shares(struct zstd_work *w, const u8 **at, const u8 *end, u32 bits_max, u32 symbols_max, u32 *bits)
{
	const u8 *p = *at;
	u64 len = end - p, bit = 4; /* position in the description */
	u32 symbols = 0;
	s32 left;

	if (!len)
		return 0;
	*bits = (p[0] & 15) + 5;
	if (*bits > bits_max)
		return 0;
	left = 1 << *bits;
	while (left > 0) {
		u32 width = 32 - __builtin_clz(left + 1), v = 0, small, low;
		s32 share;

		if (symbols == symbols_max)
			return 0;
		for (u32 i = 0; i < 3 && bit / 8 + i < len; i++)
			v |= (u32)p[bit / 8 + i] << 8 * i;
		v >>= bit & 7;
		/* Of the 2^width codes for 0 to left+1, the first `small` do with a bit less. */
		small = (1u << width) - 1 - (left + 1);
		low = v & ((1u << (width - 1)) - 1);
		if (low < small) {
			v = low;
			bit += width - 1;
		} else {
			v &= (1u << width) - 1;
			if (v >= 1u << (width - 1))
				v -= small;
			bit += width;
		}
		share = (s32)v - 1;
		w->share[symbols++] = share;
		left -= share < 0 ? 1 : share;
		if (share)
			continue;
		/* Two bits at a time: how many more symbols have no state; 3 means more to come. */
		for (u32 more = 3; more == 3;) {
			if (bit / 8 >= len)
				return 0;
			v = p[bit / 8] | (bit / 8 + 1 < len ? (u32)p[bit / 8 + 1] << 8 : 0);
			more = v >> (bit & 7) & 3;
			bit += 2;
			if (more > symbols_max - symbols)
				return 0;
			for (u32 i = 0; i < more; i++)
				w->share[symbols++] = 0;
		}
	}
	if (left < 0 || (bit + 7) / 8 > len)
		return 0;
	*at = p + (bit + 7) / 8;
	return symbols;
}

/* What a symbol of the number means; for the Huffman weights the symbol is the number. */
static void fse_meaning(enum number number, u32 symbol, struct fse_state *s)
{
	/* RFC 8878, 3.1.1.3.2.1.1: literal lengths from code 16, match lengths from code 32. */
	static const u32 literals_base[20] = { 16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024, 2048, 4096,
					       8192, 16384, 32768, 65536 };
	static const u8 literals_extra[20] = { 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	static const u32 match_base[21] = { 35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051,
					    4099, 8195, 16387, 32771, 65539 };
	static const u8 match_extra[21] = { 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

	s->base = symbol;
	s->extra = 0;
	if (number == NUMBER_OFFSET) {
		s->base = 1u << symbol;
		s->extra = symbol;
	} else if (number == NUMBER_LITERALS && symbol >= 16) {
		s->base = literals_base[symbol - 16];
		s->extra = literals_extra[symbol - 16];
	} else if (number == NUMBER_MATCH && symbol >= 32) {
		s->base = match_base[symbol - 32];
		s->extra = match_extra[symbol - 32];
	} else if (number == NUMBER_MATCH) {
		s->base = symbol + 3;
	}
}

/*
 * Lay out the 2^bits states by w->share[] (RFC 8878, 4.1.1): rare symbols at
 * the end, the others strewn over the rest with a step that meets every place.
 */
static void fse_build(struct zstd_work *w, struct fse_state *state, u32 bits, u32 symbols, enum number number)
{
	u32 size = 1u << bits, step = (size >> 1) + (size >> 3) + 3, end = size, at = 0;

	for (u32 s = 0; s < symbols; s++) {
		if (w->share[s] < 0)
			w->symbol[--end] = s;
		w->next[s] = w->share[s] < 0 ? 1 : w->share[s];
	}
	for (u32 s = 0; s < symbols; s++) {
		for (s32 i = 0; i < w->share[s]; i++) {
			w->symbol[at] = s;
			do
				at = (at + step) & (size - 1);
			while (at >= end);
		}
	}
	for (u32 i = 0; i < size; i++) {
		u32 s = w->symbol[i], n = w->next[s]++;

		state[i].bits = bits - (31 - __builtin_clz(n));
		state[i].next = (n << state[i].bits) - size;
		fse_meaning(number, s, &state[i]);
	}
}

/* ---- Huffman literals ---- */

/* The weights as an FSE stream of two states taking turns (RFC 8878, 4.2.1.2). Returns how many, or 0. */
static u32 huf_read_packed_weights(struct zstd_work *w, const u8 *p, const u8 *end)
{
	const struct fse_state *state = w->weight_state;
	u32 symbols, bits, n = 0, turn[2];
	struct bit_reader br;

	symbols = fse_read_shares(w, &p, end, 6, 256, &bits);
	if (!symbols || !bits_open(&br, p, end - p))
		return 0;
	fse_build(w, w->weight_state, bits, symbols, NUMBERS);
	turn[0] = bits_take(&br, bits);
	turn[1] = bits_take(&br, bits);
	if (br.left < 0)
		return 0;
	for (u32 i = 0;; i ^= 1) {
		const struct fse_state *s = &state[turn[i]];

		if (n >= 254)
			return 0;
		w->weights[n++] = s->base;
		bits_refill(&br);
		turn[i] = s->next + bits_take(&br, s->bits);
		if (br.left < 0) {
			/* The bits are used up: the other state has one more weight, and that is all. */
			w->weights[n++] = state[turn[i ^ 1]].base;
			return n;
		}
	}
}

/* Read the weights at *@at into w->weights; returns how many, without the last, which is implied. Or 0. */
static u32 huf_read_weights(struct zstd_work *w, const u8 **at, const u8 *end)
{
	const u8 *p = *at;
	u32 head, n, bytes;

	if (p == end)
		return 0;
	head = *p++;
	if (head < 128) {
		if (end - p < head)
			return 0;
		*at = p + head;
		return huf_read_packed_weights(w, p, *at);
	}
	n = head - 127;
	bytes = (n + 1) / 2;
	if (end - p < bytes)
		return 0;
	for (u32 i = 0; i < n; i++)
		w->weights[i] = i & 1 ? p[i / 2] & 15 : p[i / 2] >> 4;
	*at = p + bytes;
	return n;
}

/*
 * Build w->huf from the description at *@at (RFC 8878, 4.2.1). A symbol of
 * weight k > 0 has 2^(k-1) slots; the last symbol's weight is what makes the
 * sum a power of two. Slots go by weight, then by symbol.
 */
static bool huf_build(struct zstd_work *w, const u8 **at, const u8 *end)
{
	u32 n = huf_read_weights(w, at, end), sum = 0, rest, bits, slot = 0;

	w->huf_bits = 0;
	if (!n)
		return false;
	for (u32 i = 0; i < n; i++) {
		if (w->weights[i] > HUF_BITS_MAX)
			return false;
		sum += (1u << w->weights[i]) >> 1;
	}
	if (!sum)
		return false;
	bits = 32 - __builtin_clz(sum);
	rest = (1u << bits) - sum;
	if (bits > HUF_BITS_MAX || rest & (rest - 1))
		return false;
	w->weights[n++] = 32 - __builtin_clz(rest);
	for (u32 weight = 1; weight <= bits; weight++) {
		for (u32 i = 0; i < n; i++) {
			if (w->weights[i] != weight)
				continue;
			for (u32 k = 1u << (weight - 1); k; k--)
				w->huf[slot++] = i << 8 | (bits + 1 - weight);
		}
	}
	w->huf_bits = bits;
	return true;
}

/* One Huffman stream of @len bytes at @p that gives exactly @n bytes at @to. */
static bool huf_stream(const struct zstd_work *w, const u8 *p, u64 len, u8 *to, u64 n)
{
	const u16 *huf = w->huf;
	u32 shift = 64 - w->huf_bits;
	u8 *end = to + n;
	struct bit_reader br;

	if (!bits_open(&br, p, len))
		return false;
	while (end - to >= 5) {
		bits_refill(&br);
#pragma GCC unroll 5
		for (u32 i = 0; i < 5; i++) {
			u32 slot = huf[br.bits >> shift];

			bits_drop(&br, slot & 0xff);
			*to++ = slot >> 8;
		}
		if (unlikely(br.left < 0))
			return false;
	}
	bits_refill(&br);
	while (to < end) {
		u32 slot = huf[br.bits >> shift];

		bits_drop(&br, slot & 0xff);
		*to++ = slot >> 8;
	}
	return !br.left;
}

/* Four streams, each but the last a quarter of the output rounded up; three lengths stand in front. */
static bool huf_four_streams(struct zstd_work *w, const u8 *p, u64 len, u64 n)
{
	u64 part = (n + 3) / 4, done = 0;
	const u8 *table = p;

	if (len < 6 || 3 * part > n)
		return false;
	p += 6;
	len -= 6;
	for (u32 i = 0; i < 4; i++) {
		u64 packed = i < 3 ? load16(table + 2 * i) : len;

		if (packed > len || !huf_stream(w, p, packed, w->literals + done, i < 3 ? part : n - done))
			return false;
		p += packed;
		len -= packed;
		done += part;
	}
	return true;
}

struct literals {
	const u8 *at;
	u64 left;
	const u8 *wide_end; /* literals that end by here may be read COPY_SLACK bytes too far */
};

enum literals_kind { LITERALS_RAW, LITERALS_REPEATED, LITERALS_CODED, LITERALS_CODED_SAME };

/* The literals section, from *@at on (RFC 8878, 3.1.1.3.1). */
static int read_literals(struct zstd_work *w, const u8 **at, const u8 *end, struct literals *lit)
{
	static const u8 header_bytes[2][4] = { { 1, 2, 1, 3 }, { 3, 3, 4, 5 } };
	const u8 *p = *at;
	u64 room = end - p, head = 0, packed;
	enum literals_kind kind;
	u32 format, bytes;
	bool coded;

	if (!room)
		return ends_early(w);
	kind = p[0] & 3;
	format = p[0] >> 2 & 3;
	coded = kind >= LITERALS_CODED;
	bytes = header_bytes[coded][format];
	if (room < bytes)
		return ends_early(w);
	for (u32 i = 0; i < bytes; i++)
		head |= (u64)p[i] << 8 * i;
	p += bytes;
	room -= bytes;
	if (coded) {
		u32 width = bytes == 3 ? 10 : bytes == 4 ? 14 : 18;

		lit->left = head >> 4 & ((1u << width) - 1);
		packed = head >> (4 + width);
	} else {
		lit->left = head >> (bytes == 1 ? 3 : 4);
		packed = kind == LITERALS_RAW ? lit->left : 1;
	}
	if (packed > room)
		return ends_early(w);
	if (lit->left > BLOCK_MAX)
		return damaged(w, "the zstd data is damaged (too many literals)");
	*at = p + packed;
	lit->at = w->literals;
	lit->wide_end = w->literals + sizeof(w->literals) - COPY_SLACK;
	if (kind == LITERALS_RAW) {
		lit->at = p;
		lit->wide_end = w->in_end - COPY_SLACK; /* not before p - COPY_SLACK, thus in the buffer */
	} else if (kind == LITERALS_REPEATED) {
		memset(w->literals, *p, lit->left);
	} else {
		if (kind == LITERALS_CODED && !huf_build(w, &p, *at))
			return damaged(w, "the zstd data is damaged (Huffman table)");
		if (!w->huf_bits)
			return damaged(w, "the zstd data is damaged (no Huffman table)");
		packed = *at - p;
		if (!(format ? huf_four_streams(w, p, packed, lit->left)
			     : huf_stream(w, p, packed, w->literals, lit->left)))
			return damaged(w, "the zstd data is damaged (literals)");
	}
	return 0;
}

/* ---- sequences ---- */

enum table_kind { TABLE_PREDEFINED, TABLE_ONE_SYMBOL, TABLE_DESCRIBED, TABLE_REPEATED };

/* RFC 8878, 3.1.1.3.2.2: the shares of the predefined tables. */
static const s8 literals_shares[36] = { 4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1,  1,  2,  2,
					2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1 };
static const s8 offset_shares[29] = { 1, 1, 1, 1, 1, 1, 2, 2, 2, 1,  1,  1,  1,  1, 1,
				      1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1 };
static const s8 match_shares[53] = { 1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1,	 1,
				     1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,	 1,
				     1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1 };

static const struct {
	const s8 *shares;
	u8 count, bits;		  /* of the predefined table */
	u8 symbols_max, bits_max; /* of any */
} numbers[NUMBERS] = {
	[NUMBER_LITERALS] = { literals_shares, ARRAY_SIZE(literals_shares), 6, 36, 9 },
	[NUMBER_OFFSET] = { offset_shares, ARRAY_SIZE(offset_shares), 5, 32, 8 },
	[NUMBER_MATCH] = { match_shares, ARRAY_SIZE(match_shares), 6, 53, 9 },
};

/* Make the table of one of the three numbers ready. */
static bool read_table(struct zstd_work *w, enum number number, enum table_kind kind, const u8 **at, const u8 *end)
{
	struct fse_table *t = &w->fse[number];
	u32 symbols;

	if (kind == TABLE_REPEATED)
		return t->valid;
	t->valid = false;
	if (kind == TABLE_ONE_SYMBOL) {
		if (*at == end || **at >= numbers[number].symbols_max)
			return false;
		t->bits = 0;
		t->state[0].bits = 0;
		t->state[0].next = 0;
		fse_meaning(number, *(*at)++, &t->state[0]);
	} else {
		if (kind == TABLE_PREDEFINED) {
			t->bits = numbers[number].bits;
			symbols = numbers[number].count;
			for (u32 i = 0; i < symbols; i++)
				w->share[i] = numbers[number].shares[i];
		} else {
			symbols = fse_read_shares(w, at, end, numbers[number].bits_max, numbers[number].symbols_max,
						  &t->bits);
			if (!symbols)
				return false;
		}
		fse_build(w, t->state, t->bits, symbols, number);
	}
	t->valid = true;
	return true;
}

/*
 * The distance that an offset number stands for; 1 to 3 mean one of the last
 * three, counted one on when the sequence has no literals (RFC 8878, 3.1.1.5).
 * 0 is damage.
 */
static inline u64 match_distance(u64 *rep, u64 offset, bool no_literals)
{
	u64 dist;

	if (offset > 3) {
		dist = offset - 3;
	} else {
		offset += no_literals;
		if (offset == 1)
			return rep[0];
		dist = offset == 4 ? rep[0] - 1 : rep[offset - 1];
		if (offset == 2) {
			rep[1] = rep[0];
			rep[0] = dist;
			return dist;
		}
	}
	rep[2] = rep[1];
	rep[1] = rep[0];
	rep[0] = dist;
	return dist;
}

/* Copy @n literals to @out. Both have been checked to be there, the room too. */
static inline u8 *copy_literals(u8 *out, const u8 *wide_end, struct literals *lit, u64 n)
{
	const u8 *from = lit->at;
	u8 *end = out + n;

	lit->at += n;
	lit->left -= n;
	if (unlikely(end > wide_end || lit->at > lit->wide_end)) {
		memcpy(out, from, n);
		return end;
	}
	for (; out < end; out += 8, from += 8)
		store64(out, load64(from));
	return end;
}

/* Carry out @count sequences, the stream of which fills [p, end). */
static int run_sequences(struct zstd_work *w, const u8 *p, const u8 *end, u32 count, struct literals *lit)
{
	const u8 *wide_end = w->out_end - w->start > COPY_SLACK ? w->out_end - COPY_SLACK : w->start;
	const struct fse_state *lit_table = w->fse[NUMBER_LITERALS].state, *ls;
	const struct fse_state *off_table = w->fse[NUMBER_OFFSET].state, *os;
	const struct fse_state *match_table = w->fse[NUMBER_MATCH].state, *ms;
	struct bit_reader br;
	u8 *out = w->out;

	if (!bits_open(&br, p, end - p))
		return damaged(w, "the zstd data is damaged (sequences)");
	ls = &lit_table[bits_take(&br, w->fse[NUMBER_LITERALS].bits)];
	os = &off_table[bits_take(&br, w->fse[NUMBER_OFFSET].bits)];
	ms = &match_table[bits_take(&br, w->fse[NUMBER_MATCH].bits)];
	for (;;) {
		u64 dist, literals, len;

		bits_refill(&br);
		dist = (u64)os->base + bits_take(&br, os->extra);
		len = ms->base + bits_take(&br, ms->extra);
		bits_refill(&br);
		literals = ls->base + bits_take(&br, ls->extra);
		if (--count) {
			ls = &lit_table[ls->next + bits_take(&br, ls->bits)];
			ms = &match_table[ms->next + bits_take(&br, ms->bits)];
			os = &off_table[os->next + bits_take(&br, os->bits)];
		}
		if (unlikely(br.left < 0 || literals > lit->left))
			return damaged(w, "the zstd data is damaged (sequences)");
		dist = match_distance(w->rep, dist, !literals);
		if (unlikely(literals + len > (u64)(w->out_end - out)))
			return output_full(w);
		out = copy_literals(out, wide_end, lit, literals);
		if (unlikely(!dist || dist > (u64)(out - w->start)))
			return damaged(w, "the zstd data is damaged (a match reaches back before the start)");
		out = copy_match(out, dist, len, wide_end);
		if (!count)
			break;
	}
	if (br.left)
		return damaged(w, "the zstd data is damaged (sequences)");
	w->out = out;
	return 0;
}

/* A compressed block, [p, end) (RFC 8878, 3.1.1.3). */
static int compressed_block(struct zstd_work *w, const u8 *p, const u8 *end)
{
	u8 *block_start = w->out;
	struct literals lit;
	u32 count, modes;
	int err;

	err = read_literals(w, &p, end, &lit);
	if (err)
		return err;
	if (p == end)
		return ends_early(w);
	count = *p++;
	if (count >= 128) {
		u32 more = count == 255 ? 2 : 1;

		if ((u64)(end - p) < more)
			return ends_early(w);
		count = more == 2 ? load16(p) + 0x7f00u : (count - 128) << 8 | *p;
		p += more;
	}
	if (count) {
		if (p == end)
			return ends_early(w);
		modes = *p++;
		if (modes & 3 || !read_table(w, NUMBER_LITERALS, modes >> 6, &p, end) ||
		    !read_table(w, NUMBER_OFFSET, modes >> 4 & 3, &p, end) ||
		    !read_table(w, NUMBER_MATCH, modes >> 2 & 3, &p, end))
			return damaged(w, "the zstd data is damaged (sequence tables)");
		err = run_sequences(w, p, end, count, &lit);
		if (err)
			return err;
	} else if (p != end) {
		return damaged(w, "the zstd data is damaged (a block is not as long as it says)");
	}
	if (lit.left > (u64)(w->out_end - w->out))
		return output_full(w);
	memcpy(w->out, lit.at, lit.left);
	w->out += lit.left;
	if (w->out - block_start > BLOCK_MAX)
		return damaged(w, "the zstd data is damaged (a block is too long)");
	return 0;
}

/* ---- frames ---- */

#define ZSTD_MAGIC 0xfd2fb528u
#define SKIPPABLE_MAGIC 0x184d2a50u /* and the 15 above it */
#define FRAME_CHECKSUM 0x04
#define FRAME_RESERVED 0x08
#define FRAME_SINGLE_SEGMENT 0x20

enum block_kind { BLOCK_RAW, BLOCK_REPEATED, BLOCK_COMPRESSED, BLOCK_RESERVED };

/* All blocks of a frame, each at least three bytes of input. */
static int frame_blocks(struct zstd_work *w)
{
	bool last;

	do {
		enum block_kind kind;
		u32 head, size, packed;
		int err;

		if (w->in_end - w->in < 3)
			return ends_early(w);
		head = load16(w->in) | (u32)w->in[2] << 16;
		w->in += 3;
		last = head & 1;
		kind = head >> 1 & 3;
		size = head >> 3;
		packed = kind == BLOCK_REPEATED ? 1 : size;
		if (kind == BLOCK_RESERVED || size > BLOCK_MAX)
			return damaged(w, "the zstd data is damaged (a block header)");
		if ((u64)(w->in_end - w->in) < packed)
			return ends_early(w);
		if (kind == BLOCK_COMPRESSED) {
			err = compressed_block(w, w->in, w->in + packed);
			if (err)
				return err;
		} else {
			if (size > (u64)(w->out_end - w->out))
				return output_full(w);
			if (kind == BLOCK_RAW)
				memcpy(w->out, w->in, size);
			else
				memset(w->out, *w->in, size);
			w->out += size;
		}
		w->in += packed;
	} while (!last);
	return 0;
}

/* The frame header behind the magic (RFC 8878, 3.1.1.1); *@content is the size it gives, or ~0. */
static int frame_header(struct zstd_work *w, u8 *flags, u64 *content)
{
	static const u8 dictionary_bytes[4] = { 0, 1, 2, 4 }, content_bytes[4] = { 0, 2, 4, 8 };
	u64 room = w->in_end - w->in;
	u32 window, dictionary, size;

	if (!room)
		return ends_early(w);
	*flags = *w->in;
	if (*flags & FRAME_RESERVED)
		return damaged(w, "the zstd data uses a frame header newer than we know");
	window = *flags & FRAME_SINGLE_SEGMENT ? 0 : 1; /* how large it is does not matter: the output is it */
	dictionary = dictionary_bytes[*flags & 3];
	size = content_bytes[*flags >> 6];
	if (!size && !window)
		size = 1;
	if (room < 1 + window + dictionary + size)
		return ends_early(w);
	w->in += 1 + window;
	for (u32 i = 0; i < dictionary; i++) {
		if (*w->in++)
			return damaged(w, "the zstd data needs a dictionary");
	}
	*content = size ? 0 : ~0ull;
	for (u32 i = 0; i < size; i++)
		*content |= (u64)*w->in++ << 8 * i;
	if (size == 2)
		*content += 256;
	return 0;
}

static int zstd_frame(struct zstd_work *w)
{
	u64 content;
	u8 flags;
	int err;

	if (w->in_end - w->in < 8)
		return ends_early(w);
	if ((load32(w->in) & ~15u) == SKIPPABLE_MAGIC) {
		u32 size = load32(w->in + 4);

		w->in += 8;
		if (w->in_end - w->in < size)
			return ends_early(w);
		w->in += size;
		return 0;
	}
	if (load32(w->in) != ZSTD_MAGIC)
		return damaged(w, "this is not zstd data, or it is followed by something else");
	w->in += 4;
	err = frame_header(w, &flags, &content);
	if (err)
		return err;
	if (content != ~0ull && content > (u64)(w->out_end - w->out))
		return output_full(w);
	w->start = w->out;
	w->huf_bits = 0;
	for (u32 i = 0; i < NUMBERS; i++)
		w->fse[i].valid = false;
	w->rep[0] = 1;
	w->rep[1] = 4;
	w->rep[2] = 8;
	err = frame_blocks(w);
	if (err)
		return err;
	if (content != ~0ull && content != (u64)(w->out - w->start))
		return damaged(w, "the zstd data is damaged (a frame is not as long as it says)");
	if (flags & FRAME_CHECKSUM) {
		if (w->in_end - w->in < 4)
			return ends_early(w);
		if ((u32)xxh64(w->start, w->out - w->start) != load32(w->in))
			return damaged(w, "the zstd data is damaged (checksum)");
		w->in += 4;
	}
	return 0;
}

int unzstd(const u8 *in, u64 in_len, u8 *out, u64 out_cap, void *work, u64 work_len, struct decode_result *r)
{
	struct zstd_work *w = (struct zstd_work *)ALIGN_UP((uintptr_t)work, 16);
	int err;

	r->out_len = 0;
	if (work_len < DECODE_WORK_BYTES) {
		r->error = "unzstd was given too little work memory";
		return -EINVAL;
	}
	w->in = in;
	w->in_end = in + in_len;
	w->out = out;
	w->out_end = out + out_cap;
	w->error = NULL;
	do
		err = zstd_frame(w);
	while (!err && w->in < w->in_end);
	if (!err)
		r->out_len = w->out - out;
	r->error = w->error;
	return err;
}
