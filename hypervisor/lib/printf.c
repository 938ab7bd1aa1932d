// SPDX-License-Identifier: MIT
/*
 * Formatted text into a buffer.
 *
 * Every sentence of the hypervisor passes here, so the rules are few:
 *   1. Nothing is written at or past buf + size, and the text is terminated
 *      whenever size > 0.
 *   2. A conversion that is not known is printed as it stands, so that a
 *      mistake shows on the console instead of eating an argument.
 *   3. No floating point, no locale, no allocation, no state.
 */
#include "lib/printf.h"

struct out {
	char *buf;
	size_t size;
	size_t len; /* of the whole text, also what did not fit */
};

struct spec {
	bool left, zero, alt, precise;
	int width, precision;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void pad(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_text(struct out *o, const struct spec *s, const char *text)
{
	int n = 0;

	if (!text)
		text = "(null)";
	/* With a precision the text need not be terminated. */
	while ((!s->precise || n < s->precision) && text[n])
		n++;
	if (!s->left)
		pad(o, ' ', s->width - n);
	for (int i = 0; i < n; i++)
		put(o, text[i]);
	if (s->left)
		pad(o, ' ', s->width - n);
}

static void put_number(struct out *o, const struct spec *s, u64 value, bool negative, bool hex, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	bool prefix = s->alt && hex && value;
	char text[20]; /* 2^64 has 20 decimal digits */
	int n = 0, zeros = 0, total;

	if (hex) {
		for (; value; value >>= 4)
			text[n++] = digits[value & 15];
	} else {
		for (; value; value /= 10)
			text[n++] = '0' + value % 10;
	}

	if (s->precise)
		zeros = s->precision - n;
	else if (!n)
		zeros = 1;
	if (zeros < 0)
		zeros = 0;
	total = n + zeros + negative + 2 * prefix;
	if (s->zero && !s->left && !s->precise && total < s->width) {
		zeros += s->width - total;
		total = s->width;
	}

	if (!s->left)
		pad(o, ' ', s->width - total);
	if (negative)
		put(o, '-');
	if (prefix) {
		put(o, '0');
		put(o, upper ? 'X' : 'x');
	}
	pad(o, '0', zeros);
	while (n)
		put(o, text[--n]);
	if (s->left)
		pad(o, ' ', s->width - total);
}

/* A decimal number in the format; far above any sane width it stops growing. */
static const char *number(const char *f, int *value)
{
	for (*value = 0; *f >= '0' && *f <= '9'; f++)
		if (*value < 100000)
			*value = *value * 10 + (*f - '0');
	return f;
}

/* bytes: the argument's size by its length modifier, 4 for none. */
static const char *length_modifier(const char *f, int *bytes)
{
	*bytes = 4;
	if (*f == 'h') {
		*bytes = f[1] == 'h' ? 1 : 2;
		return f + (f[1] == 'h' ? 2 : 1);
	}
	if (*f == 'l') {
		*bytes = 8;
		return f + (f[1] == 'l' ? 2 : 1);
	}
	if (*f == 'z') {
		*bytes = 8;
		return f + 1;
	}
	return f;
}

static const char *flags(const char *f, struct spec *s)
{
	for (;; f++) {
		if (*f == '-')
			s->left = true;
		else if (*f == '0')
			s->zero = true;
		else if (*f == '#')
			s->alt = true;
		else
			return f;
	}
}

/* In a structure, so that it is the same object in every function. */
struct args {
	va_list ap;
};

/* What stands between % and the conversion. *bytes: size of the argument. */
static const char *specification(const char *f, struct spec *s, int *bytes, struct args *a)
{
	f = flags(f, s);
	if (*f == '*') {
		s->width = va_arg(a->ap, int);
		if (s->width < 0) {
			s->left = true;
			s->width = s->width == -__INT_MAX__ - 1 ? 0 : -s->width;
		}
		f++;
	} else {
		f = number(f, &s->width);
	}
	if (*f == '.') {
		s->precise = true;
		if (f[1] == '*') {
			s->precision = va_arg(a->ap, int);
			s->precise = s->precision >= 0;
			f += 2;
		} else {
			f = number(f + 1, &s->precision);
		}
	}
	return length_modifier(f, bytes);
}

static void put_signed(struct out *o, const struct spec *s, int bytes, struct args *a)
{
	s64 d = bytes == 8 ? va_arg(a->ap, s64) : va_arg(a->ap, int);

	if (bytes == 2)
		d = (s16)d;
	else if (bytes == 1)
		d = (s8)d;
	put_number(o, s, d < 0 ? -(u64)d : (u64)d, d < 0, false, false);
}

static void put_unsigned(struct out *o, const struct spec *s, char kind, int bytes, struct args *a)
{
	u64 u = bytes == 8 ? va_arg(a->ap, u64) : va_arg(a->ap, unsigned int);

	if (bytes == 2)
		u = (u16)u;
	else if (bytes == 1)
		u = (u8)u;
	put_number(o, s, u, false, kind != 'u', kind == 'X');
}

/* False where there is no such conversion. */
static bool convert(struct out *o, struct spec *s, char kind, int bytes, struct args *a)
{
	switch (kind) {
	case 'd':
	case 'i':
		put_signed(o, s, bytes, a);
		return true;
	case 'u':
	case 'x':
	case 'X':
		put_unsigned(o, s, kind, bytes, a);
		return true;
	case 'p':
		s->precise = true;
		s->precision = 16;
		put_number(o, s, (u64)(uintptr_t)va_arg(a->ap, void *), false, true, false);
		return true;
	case 'c':
		if (!s->left)
			pad(o, ' ', s->width - 1);
		put(o, (char)va_arg(a->ap, int));
		if (s->left)
			pad(o, ' ', s->width - 1);
		return true;
	case 's':
		put_text(o, s, va_arg(a->ap, const char *));
		return true;
	case '%':
		put(o, '%');
		return true;
	default:
		return false;
	}
}

int vsnprintf_hv(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { buf, size, 0 };
	struct args a;

	va_copy(a.ap, ap);
	for (const char *f = fmt; *f; f++) {
		const char *start = f;
		struct spec s = { 0 };
		int bytes;

		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		f = specification(f + 1, &s, &bytes, &a);
		if (convert(&o, &s, *f, bytes, &a))
			continue;
		/* Unknown, or the format ends inside the conversion. */
		for (; start <= f && *start; start++)
			put(&o, *start);
		if (!*f)
			f--;
	}
	va_end(a.ap);

	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return (int)o.len;
}

int snprintf_hv(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf_hv(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
