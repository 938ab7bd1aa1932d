// SPDX-License-Identifier: MIT
/*
 * xz: the container, LZMA2, and the x86 filter.
 *
 * Problem: Debian's kernel is 8 MB of LZMA that becomes 66 MB, and LZMA is
 * decoded bit by bit, each bit with a probability of its own; about a hundred
 * million of them. This is the longest single thing the machine does before
 * dom0 runs, so the inner step is made short:
 *
 *  - the range coder is a local structure that never leaves the registers;
 *  - how a probability adapts (p += (2048 - p) / 32, or p -= p / 32) is read
 *    from a table, one load instead of three operations;
 *  - input is not checked for its end at each byte but once a symbol. A symbol
 *    takes at most 20 bytes (22 bits of probability at least 31/2048 cost 6.05
 *    bits each and 26 direct ones cost 1), so RC_SLACK bytes must be readable
 *    behind the point that is checked. Where the input itself ends sooner, its
 *    last bytes are decoded from a copy that has zeros behind it.
 *
 * Shape, outermost first: stream = header, blocks, index, footer; block =
 * header with the list of filters, LZMA2 data, check; LZMA2 = chunks, which are
 * stored or LZMA; the x86 filter is undone in place once a whole block is there,
 * since the LZMA history is what stood before it.
 *
 * Invariants:
 *  1. block_start <= out <= out_end, and matches reach back no further than
 *     history, which is at or behind block_start.
 *  2. every probability is in 31..2017; both tables of adaption map that range
 *     into itself, so a table index is always below 2048.
 *  3. whatever is read from a chunk is within the chunk or the call fails.
 *
 * No locks: all state is in the caller's work memory.
 */
#include "boot/decompress.h"
#include "lib/errno.h"
#include "lib/string.h"

/* ---- LZMA ---- */

#define RC_TOP (1u << 24)
#define RC_SLACK 24
#define PROB_BITS 11
#define PROB_ONE (1u << PROB_BITS)

#define STATES 12
#define STATES_LITERAL 7 /* states below this follow a literal */
#define POS_STATES 16
#define LITERAL_CODERS 16 /* lc + lp <= 4 in LZMA2 */
#define LITERAL_PROBS 0x300
#define MATCH_MIN 2
#define DIST_MODEL_START 4
#define DIST_MODEL_END 14
#define DIST_ALIGN_BITS 4

struct length_probs {
	u16 above_low, above_mid;
	u16 low[POS_STATES][8], mid[POS_STATES][8];
	u16 high[256];
};

struct lzma_probs {
	u16 is_match[STATES][POS_STATES];
	u16 is_rep[STATES], is_rep1[STATES], is_rep2[STATES], is_rep3[STATES];
	u16 is_long_rep0[STATES][POS_STATES];
	u16 dist_slot[4][64];
	u16 dist_model[128];
	u16 dist_align[1 << DIST_ALIGN_BITS];
	struct length_probs match_len, rep_len;
	u16 literal[LITERAL_CODERS][LITERAL_PROBS];
};

struct xz_work {
	struct lzma_probs probs;
	u16 after[2][PROB_ONE]; /* a probability's successor, by the bit that came */
	u8 next_literal[STATES];

	/* LZMA state between chunks */
	u32 rep[4]; /* the last four distances, minus 1 */
	u32 state;
	u32 lc, lp_mask, pos_mask;
	bool want_props, want_history;

	u8 tail[2 * RC_SLACK + 16]; /* the end of the input, and zeros */

	u8 *out, *out_end; /* the whole output buffer: next byte and end */
	u8 *history;	   /* where the history began: matches reach no further */
	const u8 *in_end;  /* end of the whole input */

	struct crc32_table crc32;
	struct crc64_table crc64;
	const char *error;
};

_Static_assert(sizeof(struct xz_work) + 16 <= DECODE_WORK_BYTES, "xz needs more work memory");

#define INLINE static inline __attribute__((always_inline))

static int damaged(struct xz_work *w, const char *why)
{
	w->error = why;
	return -EINVAL;
}

static int output_full(struct xz_work *w)
{
	w->error = "the unpacked data is longer than the space for it";
	return -ENOSPC;
}

struct range_coder {
	u32 range, code;
	const u8 *in;
};

INLINE void rc_normalize(struct range_coder *rc)
{
	if (unlikely(rc->range < RC_TOP)) {
		rc->range <<= 8;
		rc->code = rc->code << 8 | *rc->in++;
	}
}

/* One bit of probability *prob, appended to sym; 64 bits wide, as an index is wanted. */
INLINE u64 rc_append(struct range_coder *rc, const struct xz_work *w, u16 *prob, u64 sym)
{
	u32 p = *prob, bound;

	rc_normalize(rc);
	bound = (rc->range >> PROB_BITS) * p;
	if (rc->code < bound) {
		rc->range = bound;
		*prob = w->after[0][p];
		return sym << 1;
	}
	rc->range -= bound;
	rc->code -= bound;
	*prob = w->after[1][p];
	return (sym << 1) + 1;
}

INLINE bool rc_bit(struct range_coder *rc, const struct xz_work *w, u16 *prob)
{
	return rc_append(rc, w, prob, 0);
}

/* A number of @bits bits, highest first; returned with a 1 in front. */
INLINE u32 rc_tree(struct range_coder *rc, const struct xz_work *w, u16 *probs, u32 bits)
{
	u64 sym = 1;

#pragma GCC unroll 8
	for (u32 i = 0; i < bits; i++)
		sym = rc_append(rc, w, &probs[sym], sym);
	return sym;
}

/* A number of @bits bits, lowest first. */
INLINE u32 rc_reverse_tree(struct range_coder *rc, const struct xz_work *w, u16 *probs, u32 bits)
{
	u64 sym = 1;
	u32 value = 0;

	for (u32 i = 0; i < bits; i++) {
		sym = rc_append(rc, w, &probs[sym], sym);
		value |= (sym & 1) << i;
	}
	return value;
}

/* @bits bits, 1 or more, that have no probability: half and half; appended to @value. */
INLINE u32 rc_direct(struct range_coder *rc, u32 bits, u32 value)
{
	do {
		u32 below;

		rc_normalize(rc);
		rc->range >>= 1;
		rc->code -= rc->range;
		below = 0 - (rc->code >> 31); /* all ones: the bit is 0, take it back */
		rc->code += rc->range & below;
		value = (value << 1) + 1 + below;
	} while (--bits);
	return value;
}

/* The length of a match or repeat, less MATCH_MIN. */
INLINE u32 lzma_length(struct range_coder *rc, const struct xz_work *w, struct length_probs *l, u32 pos_state)
{
	if (!rc_bit(rc, w, &l->above_low))
		return rc_tree(rc, w, l->low[pos_state], 3) - 8;
	if (!rc_bit(rc, w, &l->above_mid))
		return rc_tree(rc, w, l->mid[pos_state], 3);
	return rc_tree(rc, w, l->high, 8) - 256 + 16;
}

/* The distance of a match of length @len + MATCH_MIN, less 1. */
INLINE u32 lzma_distance(struct range_coder *rc, struct xz_work *w, u32 len)
{
	struct lzma_probs *pr = &w->probs;
	u32 slot = rc_tree(rc, w, pr->dist_slot[min(len, 3u)], 6) - 64;
	u32 bits, dist;

	if (slot < DIST_MODEL_START)
		return slot;
	bits = (slot >> 1) - 1;
	dist = 2 + (slot & 1);
	if (slot < DIST_MODEL_END) {
		dist <<= bits;
		/* dist - slot tells the slots' models apart; entry 0 of a tree is never used. */
		return dist + rc_reverse_tree(rc, w, pr->dist_model + dist - slot, bits);
	}
	dist = rc_direct(rc, bits - DIST_ALIGN_BITS, dist) << DIST_ALIGN_BITS;
	return dist + rc_reverse_tree(rc, w, pr->dist_align, DIST_ALIGN_BITS);
}

INLINE u8 lzma_literal(struct range_coder *rc, const struct xz_work *w, u16 *probs)
{
	return rc_tree(rc, w, probs, 8);
}

/* A literal right behind a match: the byte that would have continued the match helps to guess it. */
INLINE u8 lzma_matched_literal(struct range_coder *rc, const struct xz_work *w, u16 *probs, u32 guess)
{
	u64 sym = 1;

	do {
		u32 want;

		guess <<= 1;
		want = guess & 0x100;
		sym = rc_append(rc, w, &probs[0x100 + want + sym], sym);
		if ((sym & 1) != want >> 8)
			break; /* no longer like the guess: go on without it */
	} while (sym < 0x100);
	while (sym < 0x100)
		sym = rc_append(rc, w, &probs[sym], sym);
	return sym;
}

/*
 * Decode symbols until @out_stop has been reached or the input is beyond
 * @in_stop; RC_SLACK bytes behind @in_stop must be readable.
 */
static __attribute__((noinline)) int lzma_symbols(struct xz_work *w, struct range_coder *coder, u8 *out_stop,
						  const u8 *in_stop)
{
	struct range_coder local = *coder, *rc = &local;
	struct lzma_probs *pr = &w->probs;
	const u8 *wide_end = w->out_end - w->history > COPY_SLACK ? w->out_end - COPY_SLACK : w->history;
	u32 rep0 = w->rep[0], rep1 = w->rep[1], rep2 = w->rep[2], rep3 = w->rep[3];
	const u8 *history = w->history;
	u32 state = w->state;
	u8 *out = w->out;

	while (out < out_stop && rc->in <= in_stop) {
		u32 pos = out - history, pos_state = pos & w->pos_mask;
		u32 len;

		if (!rc_bit(rc, w, &pr->is_match[state][pos_state])) {
			u32 prev = out > history ? out[-1] : 0;
			u16 *probs = pr->literal[((pos & w->lp_mask) << w->lc) + (prev << w->lc >> 8)];

			if (state < STATES_LITERAL)
				*out = lzma_literal(rc, w, probs);
			else
				*out = lzma_matched_literal(rc, w, probs, *(out - rep0 - 1));
			out++;
			state = w->next_literal[state];
			continue;
		}
		if (!rc_bit(rc, w, &pr->is_rep[state])) {
			len = lzma_length(rc, w, &pr->match_len, pos_state);
			rep3 = rep2;
			rep2 = rep1;
			rep1 = rep0;
			rep0 = lzma_distance(rc, w, len);
			state = state < STATES_LITERAL ? 7 : 10;
		} else {
			if (!rc_bit(rc, w, &pr->is_rep1[state])) {
				if (!rc_bit(rc, w, &pr->is_long_rep0[state][pos_state])) {
					if (unlikely(rep0 >= (u64)(out - history)))
						goto too_far;
					*out = *(out - rep0 - 1);
					out++;
					state = state < STATES_LITERAL ? 9 : 11;
					continue;
				}
			} else {
				u32 dist = rep1;

				if (rc_bit(rc, w, &pr->is_rep2[state])) {
					dist = rep2;
					if (rc_bit(rc, w, &pr->is_rep3[state])) {
						dist = rep3;
						rep3 = rep2;
					}
					rep2 = rep1;
				}
				rep1 = rep0;
				rep0 = dist;
			}
			len = lzma_length(rc, w, &pr->rep_len, pos_state);
			state = state < STATES_LITERAL ? 8 : 11;
		}
		len += MATCH_MIN;
		if (unlikely(rep0 >= (u64)(out - history)))
			goto too_far;
		if (unlikely(len > (u64)(out_stop - out)))
			return damaged(w, "the xz data is damaged (a match runs out of its chunk)");
		out = copy_match(out, (u64)rep0 + 1, len, wide_end);
	}
	rc_normalize(rc);
	*coder = local;
	w->rep[0] = rep0;
	w->rep[1] = rep1;
	w->rep[2] = rep2;
	w->rep[3] = rep3;
	w->state = state;
	w->out = out;
	return 0;
too_far:
	return damaged(w, "the xz data is damaged (a match reaches back before the start)");
}

static void lzma_reset(struct xz_work *w)
{
	u16 *p = (u16 *)&w->probs;

	for (u32 i = 0; i < sizeof(w->probs) / sizeof(*p); i++)
		p[i] = PROB_ONE / 2;
	memset(w->rep, 0, sizeof(w->rep));
	w->state = 0;
}

static void lzma_init(struct xz_work *w)
{
	for (u32 p = 0; p < PROB_ONE; p++) {
		w->after[0][p] = p + ((PROB_ONE - p) >> 5);
		w->after[1][p] = p - (p >> 5);
	}
	for (u32 s = 0; s < STATES; s++)
		w->next_literal[s] = s < 4 ? 0 : s < 10 ? s - 3 : s - 6;
}

/* ---- LZMA2 ---- */

/* One LZMA chunk: @packed bytes at @in that give @size bytes. The range coder starts anew in each. */
static int lzma_chunk(struct xz_work *w, const u8 *in, u32 packed, u32 size)
{
	const u8 *end = in + packed, *stop = end;
	u8 *out_stop = w->out + size;
	struct range_coder rc;
	int err;

	if (packed < 5 || in[0])
		return damaged(w, "the xz data is damaged (a chunk's start)");
	rc.range = ~0u;
	rc.code = (u32)in[1] << 24 | in[2] << 16 | in[3] << 8 | in[4];
	rc.in = in + 5;

	if (w->in_end - end < RC_SLACK)
		stop = end - RC_SLACK;
	err = 0;
	if (rc.in <= stop)
		err = lzma_symbols(w, &rc, out_stop, stop);
	if (!err && stop != end) {
		u64 left = end - rc.in; /* not negative: the call above reads at most RC_SLACK behind its stop */

		if (left > RC_SLACK)
			return damaged(w, "the xz data is damaged (a chunk does not end where it should)");
		memset(w->tail, 0, sizeof(w->tail));
		memcpy(w->tail, rc.in, left);
		rc.in = w->tail;
		end = stop = w->tail + left;
		err = lzma_symbols(w, &rc, out_stop, stop);
	}
	if (err)
		return err;
	if (w->out != out_stop || rc.in != end || rc.code)
		return damaged(w, "the xz data is damaged (a chunk does not end where it should)");
	return 0;
}

static int lzma2_props(struct xz_work *w, u8 props)
{
	u32 lc = props % 9, lp = props / 9 % 5, pb = props / 45;

	if (pb > 4 || lc + lp > 4)
		return damaged(w, "the xz data is damaged (LZMA properties)");
	w->lc = lc;
	w->lp_mask = (1u << lp) - 1;
	w->pos_mask = (1u << pb) - 1;
	w->want_props = false;
	return 0;
}

/*
 * The header of the LZMA chunk with control byte *in: bits 6-5 say what starts
 * anew (1 state, 2 and properties, 3 and history), bits 4-0 are the top of the
 * size. Returns the bytes the header took, or an error.
 */
static int lzma2_lzma_header(struct xz_work *w, const u8 *in, u64 in_len)
{
	u32 head = in[0] >= 0xc0 ? 6 : 5;

	if (in_len < head)
		return damaged(w, "the xz data ends early");
	if (head == 6) {
		int err = lzma2_props(w, in[5]);

		if (err)
			return err;
	} else if (w->want_props) {
		return damaged(w, "the xz data is damaged (a chunk without properties)");
	}
	if (in[0] >= 0xa0)
		lzma_reset(w);
	return head;
}

/*
 * The LZMA2 data of one block from *@at on, to its end mark; *@at is left
 * behind it. Every chunk takes at least three bytes of input.
 */
static int lzma2_block(struct xz_work *w, const u8 **at)
{
	const u8 *in = *at;

	w->want_props = true;
	w->want_history = true;
	for (;;) {
		u64 left = w->in_end - in;
		u32 control, size, packed;
		int head = 3, err;

		if (!left)
			return damaged(w, "the xz data ends early");
		control = in[0];
		if (!control)
			break;
		if (left < 6)
			return damaged(w, "the xz data ends early");
		if (control >= 0xe0 || control == 1) {
			w->want_props = true;
			w->want_history = false;
			w->history = w->out;
		} else if (w->want_history) {
			return damaged(w, "the xz data is damaged (the first chunk)");
		}
		size = (in[1] << 8 | in[2]) + 1;
		packed = size;
		if (control >= 0x80) {
			size += (control & 0x1f) << 16;
			packed = (in[3] << 8 | in[4]) + 1;
			head = lzma2_lzma_header(w, in, left);
			if (head < 0)
				return head;
		} else if (control > 2) {
			return damaged(w, "the xz data is damaged (a chunk's kind)");
		}
		in += head;
		if ((u64)(w->in_end - in) < packed)
			return damaged(w, "the xz data ends early");
		if ((u64)(w->out_end - w->out) < size)
			return output_full(w);
		if (control >= 0x80) {
			err = lzma_chunk(w, in, packed, size);
			if (err)
				return err;
		} else {
			memcpy(w->out, in, size);
			w->out += size;
		}
		in += packed;
	}
	*at = in + 1;
	return 0;
}

/* ---- the x86 filter ---- */

/*
 * The packer has replaced the relative target of each CALL and JMP (e8, e9) by
 * an absolute one, so that calls of one function look alike. It did so only
 * where the fourth byte of the target is 00 or ff, and it steered clear of
 * opcodes that are probably the inside of another's target; to undo it the
 * same history must be kept: which of the last bytes looked like an opcode and
 * were left alone (recent: bit k stands for the byte k+1 places back).
 */
static bool is_sign(u8 b)
{
	return b == 0x00 || b == 0xff;
}

/* Which bytes of @v are neither e8 nor e9: bit 7 of each; the other bits mean nothing. */
INLINE u64 x86_others(u64 v)
{
	const u64 ones = 0x0101010101010101ull;

	/* The two differ in bit 0 only, which is shifted out; 7f added to what is left reaches bit 7 but from 0. */
	return ((v ^ 0xe8 * ones) >> 1 & 0x7f * ones) + 0x7f * ones;
}

/* The first byte in [p, stop) that is e8 or e9, or stop. */
INLINE u8 *x86_find(u8 *p, u8 *stop)
{
	const u64 tops = 0x8080808080808080ull;

	for (; stop - p >= 16; p += 16) {
		u64 low = x86_others(load64(p)), high = x86_others(load64(p + 8));

		if ((low & high & tops) == tops)
			continue;
		if (~low & tops)
			return p + (__builtin_ctzll(~low & tops) >> 3);
		return p + 8 + (__builtin_ctzll(~high & tops) >> 3);
	}
	while (p < stop && (*p & 0xfe) != 0xe8)
		p++;
	return p;
}

/* Undo the filter over [start, end), one whole block; @offset is what the packer took as start's address. */
static void x86_unfilter(u8 *start, u8 *end, u32 offset)
{
	/* By recent: how far up in the target the nearest such byte lies, and whether it may be changed at all. */
	static const u8 nearest[8] = { 0, 1, 2, 2, 3, 3, 3, 3 };
	static const u8 allowed = 0x17; /* bit recent: 0, 1, 2 and 4 */
	u8 *stop, *p = start, *last = NULL;
	u32 recent = 0;

	if (end - start < 5)
		return;
	stop = end - 4;
	while ((p = x86_find(p, stop)) < stop) {
		u32 target, n;

		recent = last && p - last <= 3 ? recent << (p - last - 1) & 7 : 0;
		last = p;
		n = nearest[recent];
		if (!is_sign(p[4]) || !(allowed >> recent & 1) || (recent && is_sign(p[4 - n]))) {
			recent = recent << 1 | 1;
			p++;
			continue;
		}
		/*
		 * Where the result would look like such a byte again, the
		 * packer has turned its lower bits over. The second round is
		 * the last: there byte 4-n is the complement of the input's,
		 * which is no sign byte.
		 */
		target = load32(p + 1);
		for (;;) {
			target -= offset + (u32)(p - start) + 5;
			if (!recent || !is_sign(target >> (24 - 8 * n)))
				break;
			target ^= (1u << (32 - 8 * n)) - 1;
		}
		/* 25 bits carry the target; the rest of the top byte repeats the highest. */
		target &= 0x01ffffff;
		store32(p + 1, target & 0x01000000 ? target | 0xfe000000 : target);
		p += 5;
	}
}

/* ---- the container ---- */

#define XZ_HEADER_BYTES 12
#define XZ_FOOTER_BYTES 12
#define FILTER_X86 0x04
#define FILTER_LZMA2 0x21

enum xz_check { CHECK_NONE = 0, CHECK_CRC32 = 1, CHECK_CRC64 = 4 };

/* What the index must say about the blocks: how many, and a digest of their sizes in order. */
struct xz_tally {
	u64 blocks, digest;
};

static void tally_add(struct xz_tally *t, u64 packed, u64 unpacked)
{
	t->blocks++;
	t->digest = (t->digest ^ packed) * 0x9e3779b97f4a7c15ull;
	t->digest = (t->digest ^ t->digest >> 29 ^ unpacked) * 0xbf58476d1ce4e5b9ull;
	t->digest ^= t->digest >> 32;
}

/* A number of up to 63 bits, seven to a byte, lowest first. False: ends early, or is not in its shortest form. */
static bool xz_number(const u8 **at, const u8 *end, u64 *value)
{
	const u8 *p = *at;

	*value = 0;
	for (u32 shift = 0; p < end && shift < 63; shift += 7) {
		u8 b = *p++;

		*value |= (u64)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*at = p;
			return b || !shift;
		}
	}
	return false;
}

static u32 header_crc(struct xz_work *w, const u8 *p, u64 len)
{
	return crc32_update(&w->crc32, 0, p, len);
}

/* The bytes of a check, by its number (.xz 1.1.0, 2.1.1.2); 0 also where we can't verify it. */
static u32 check_bytes(enum xz_check check)
{
	return check == CHECK_CRC32 ? 4 : check == CHECK_CRC64 ? 8 : 0;
}

struct xz_block {
	u64 packed, unpacked; /* as the header says, ~0: it doesn't */
	bool x86;
	u32 x86_offset;
};

/* The filters, [*at, end): LZMA2, perhaps after the x86 one. */
static int xz_filters(struct xz_work *w, const u8 **at, const u8 *end, u32 count, struct xz_block *b)
{
	for (u32 i = 0; i < count; i++) {
		bool last = i == count - 1;
		const u8 *props;
		u64 id, size;

		if (!xz_number(at, end, &id) || !xz_number(at, end, &size) || size > (u64)(end - *at))
			return damaged(w, "the xz data is damaged (a block header)");
		props = *at;
		*at += size;
		if (last && id == FILTER_LZMA2) {
			/* One byte, the size of the dictionary, which does not matter here. */
			if (size != 1 || *props > 40)
				return damaged(w, "the xz data is damaged (a block header)");
		} else if (!last && id == FILTER_X86 && !b->x86 && (size == 0 || size == 4)) {
			b->x86 = true;
			b->x86_offset = size ? load32(props) : 0;
		} else {
			return damaged(w, "the xz data uses filters other than x86 and LZMA2");
		}
	}
	return 0;
}

/* The block header at *@at, whose first byte is not 0; *@at is moved behind it. */
static int xz_block_header(struct xz_work *w, const u8 **at, struct xz_block *b)
{
	const u8 *p = *at, *end;
	u64 size = (*p + 1) * 4;
	u8 flags;
	int err;

	if ((u64)(w->in_end - p) < size)
		return damaged(w, "the xz data ends early");
	end = p + size - 4;
	if (header_crc(w, p, size - 4) != load32(end))
		return damaged(w, "the xz data is damaged (a block header's checksum)");
	flags = p[1];
	p += 2;
	*b = (struct xz_block){ .packed = ~0ull, .unpacked = ~0ull };
	if (flags & 0x3c)
		return damaged(w, "the xz data uses a block header newer than we know");
	if (((flags & 0x40) && (!xz_number(&p, end, &b->packed) || !b->packed)) ||
	    ((flags & 0x80) && !xz_number(&p, end, &b->unpacked)))
		return damaged(w, "the xz data is damaged (a block header)");
	err = xz_filters(w, &p, end, (flags & 3) + 1, b);
	if (err)
		return err;
	while (p < end) {
		if (*p++)
			return damaged(w, "the xz data uses a block header newer than we know");
	}
	*at = end + 4;
	return 0;
}

/* Is the check @want of the block that begins at @start and ends at w->out right? */
static bool xz_check_matches(struct xz_work *w, enum xz_check check, const u8 *start, const u8 *want)
{
	u64 len = w->out - start;

	if (check == CHECK_CRC32)
		return crc32_update(&w->crc32, 0, start, len) == load32(want);
	if (check == CHECK_CRC64)
		return crc64_update(&w->crc64, 0, start, len) == load64(want);
	return true;
}

/* One block: header, data, padding to four bytes, check. */
static int xz_block(struct xz_work *w, const u8 **at, enum xz_check check, struct xz_tally *tally)
{
	const u8 *start = *at, *p = start, *data;
	u32 check_len = check_bytes(check);
	u8 *out_start = w->out;
	struct xz_block b;
	u64 packed;
	int err;

	err = xz_block_header(w, &p, &b);
	if (err)
		return err;
	data = p;
	err = lzma2_block(w, &p);
	if (err)
		return err;
	packed = p - start;
	if ((b.packed != ~0ull && b.packed != (u64)(p - data)) ||
	    (b.unpacked != ~0ull && b.unpacked != (u64)(w->out - out_start)))
		return damaged(w, "the xz data is damaged (a block is not as long as it says)");
	if ((u64)(w->in_end - p) < (-packed & 3) + check_len)
		return damaged(w, "the xz data ends early");
	for (u32 pad = -packed & 3; pad; pad--) {
		if (*p++)
			return damaged(w, "the xz data is damaged (padding)");
	}
	if (b.x86)
		x86_unfilter(out_start, w->out, b.x86_offset);
	if (!xz_check_matches(w, check, out_start, p))
		return damaged(w, "the xz data is damaged (checksum of a block)");
	tally_add(tally, packed + check_len, w->out - out_start);
	*at = p + check_len;
	return 0;
}

/* The index repeats the sizes of all blocks. */
static int xz_index(struct xz_work *w, const u8 **at, const struct xz_tally *blocks)
{
	const u8 *start = *at, *p = start + 1;
	struct xz_tally listed = { 0 };
	u64 count;

	if (!xz_number(&p, w->in_end, &count) || count != blocks->blocks)
		return damaged(w, "the xz data is damaged (the index)");
	while (listed.blocks < count) {
		u64 packed, unpacked;

		if (!xz_number(&p, w->in_end, &packed) || !xz_number(&p, w->in_end, &unpacked))
			return damaged(w, "the xz data is damaged (the index)");
		tally_add(&listed, packed, unpacked);
	}
	if (listed.digest != blocks->digest)
		return damaged(w, "the xz data is damaged (the index)");
	for (; (p - start) & 3; p++) {
		if (p == w->in_end || *p)
			return damaged(w, "the xz data is damaged (the index)");
	}
	if (w->in_end - p < 4 || header_crc(w, start, p - start) != load32(p))
		return damaged(w, "the xz data is damaged (checksum of the index)");
	*at = p + 4;
	return 0;
}

/* The header of the stream at @p: finds which check its blocks have. */
static int xz_stream_header(struct xz_work *w, const u8 *p, enum xz_check *check)
{
	static const u8 magic[6] = { 0xfd, '7', 'z', 'X', 'Z', 0 };

	if (w->in_end - p < XZ_HEADER_BYTES)
		return damaged(w, "the xz data ends early");
	if (memcmp(p, magic, sizeof(magic)))
		return damaged(w, "this is not xz data");
	if (header_crc(w, p + 6, 2) != load32(p + 8))
		return damaged(w, "the xz data is damaged (checksum of the stream header)");
	if (p[6] || p[7] & 0xf0)
		return damaged(w, "the xz data uses a stream header newer than we know");
	if (p[7] != CHECK_NONE && p[7] != CHECK_CRC32 && p[7] != CHECK_CRC64)
		return damaged(w, "the xz data has a check other than CRC32 and CRC64 (pack it with xz --check=crc32)");
	*check = p[7];
	return 0;
}

/* The footer repeats the header's flags and says how long the index was. */
static int xz_stream_footer(struct xz_work *w, const u8 *p, const u8 *header, u64 index_len)
{
	if (w->in_end - p < XZ_FOOTER_BYTES)
		return damaged(w, "the xz data ends early");
	if (header_crc(w, p + 4, 6) != load32(p))
		return damaged(w, "the xz data is damaged (checksum of the stream footer)");
	if (((u64)load32(p + 4) + 1) * 4 != index_len || load16(p + 8) != load16(header + 6) || p[10] != 'Y' ||
	    p[11] != 'Z')
		return damaged(w, "the xz data is damaged (the stream footer)");
	return 0;
}

static int xz_stream(struct xz_work *w, const u8 **at)
{
	const u8 *header = *at, *p = header + XZ_HEADER_BYTES, *index;
	struct xz_tally blocks = { 0 };
	enum xz_check check;
	int err;

	err = xz_stream_header(w, header, &check);
	if (err)
		return err;
	if (check == CHECK_CRC64)
		crc64_init(&w->crc64);
	while (p < w->in_end && *p) {
		err = xz_block(w, &p, check, &blocks);
		if (err)
			return err;
	}
	if (p == w->in_end)
		return damaged(w, "the xz data ends early");
	index = p;
	err = xz_index(w, &p, &blocks);
	if (err)
		return err;
	err = xz_stream_footer(w, p, header, p - index);
	if (err)
		return err;
	*at = p + XZ_FOOTER_BYTES;
	return 0;
}

int unxz(const u8 *in, u64 in_len, u8 *out, u64 out_cap, void *work, u64 work_len, struct decode_result *r)
{
	struct xz_work *w = (struct xz_work *)ALIGN_UP((uintptr_t)work, 16);
	const u8 *p = in;
	int err;

	r->out_len = 0;
	if (work_len < DECODE_WORK_BYTES) {
		r->error = "unxz was given too little work memory";
		return -EINVAL;
	}
	w->out = w->history = out;
	w->out_end = out + out_cap;
	w->in_end = in + in_len;
	w->error = NULL;
	crc32_init(&w->crc32);
	lzma_init(w);
	err = xz_stream(w, &p);
	if (!err && p != w->in_end)
		err = damaged(w, "the xz data is followed by something else");
	if (!err)
		r->out_len = w->out - out;
	r->error = w->error;
	return err;
}
