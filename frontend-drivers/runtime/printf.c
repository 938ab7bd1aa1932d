// SPDX-License-Identifier: MIT
/*
 * Formatted printing: integers, strings and characters with a width. Output goes to the console a line at a time,
 * so that the hypervisor's own messages, which share the serial line, don't cut one in two.
 */
#include "os_port.h"
#include "runtime.h"

struct sink {
	char *to;
	size_t room;
	size_t used;		/* characters wanted so far, also those that did not fit */
};

static void put(struct sink *s, char c)
{
	if (s->used + 1 < s->room)
		s->to[s->used] = c;
	s->used++;
}

static void put_padded(struct sink *s, const char *text, size_t length, int width, bool left, char pad)
{
	int fill = width - (int)length;

	if (!left)
		for (; fill > 0; fill--)
			put(s, pad);
	while (length--)
		put(s, *text++);
	for (; fill > 0; fill--)
		put(s, ' ');
}

static size_t digits(char *end, uint64_t value, unsigned int base)
{
	char *at = end;

	do {
		*--at = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	return (size_t)(end - at);
}

static void put_number(struct sink *s, uint64_t value, bool negative, unsigned int base, int width, bool left,
		       char pad)
{
	char text[24];
	char *end = text + sizeof(text);
	size_t length = digits(end, value, base);

	if (negative && pad == '0' && !left) {
		put(s, '-');
		width--;
	} else if (negative) {
		length++;
		end[-(long)length] = '-';
	}
	put_padded(s, end - length, length, width, left, pad);
}

/* Reads flags, width and length of one conversion; returns the place of its letter. */
static const char *parse(const char *at, bool *left, char *pad, int *width, bool *wide, va_list *args)
{
	*left = false;
	*pad = ' ';
	*width = 0;
	*wide = false;
	for (;; at++) {
		if (*at == '-')
			*left = true;
		else if (*at == '0')
			*pad = '0';
		else
			break;
	}
	if (*at == '*') {
		*width = va_arg(*args, int);
		at++;
	}
	while (*at >= '0' && *at <= '9')
		*width = *width * 10 + (*at++ - '0');
	while (*at == 'l' || *at == 'z') {
		*wide = true;
		at++;
	}
	return at;
}

int vsnprintf(char *to, size_t room, const char *format, va_list original)
{
	struct sink s = { to, room, 0 };
	va_list args;

	va_copy(args, original);
	for (const char *at = format; *at; at++) {
		bool left, wide;
		char pad;
		int width;

		if (*at != '%') {
			put(&s, *at);
			continue;
		}
		at = parse(at + 1, &left, &pad, &width, &wide, &args);
		switch (*at) {
		case 'd':
		case 'i': {
			long value = wide ? va_arg(args, long) : va_arg(args, int);

			put_number(&s, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0, 10, width,
				   left, pad);
			break;
		}
		case 'u':
		case 'x':
			put_number(&s, wide ? va_arg(args, unsigned long) : va_arg(args, unsigned int), false,
				   *at == 'x' ? 16 : 10, width, left, pad);
			break;
		case 'p':
			put(&s, '0');
			put(&s, 'x');
			put_number(&s, (uintptr_t)va_arg(args, void *), false, 16, 16, false, '0');
			break;
		case 's': {
			const char *text = va_arg(args, const char *);

			put_padded(&s, text, strlen(text), width, left, ' ');
			break;
		}
		case 'c':
			put(&s, (char)va_arg(args, int));
			break;
		default:
			put(&s, *at);
		}
	}
	va_end(args);
	if (room)
		to[s.used < room ? s.used : room - 1] = '\0';
	return (int)s.used;
}

int snprintf(char *to, size_t room, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(to, room, format, args);
	va_end(args);
	return length;
}

int printf(const char *format, ...)
{
	static struct os_lock lock;	/* guards these */
	static char line[1024];
	static size_t held;
	va_list args;
	int length;

	os_lock(&lock);
	va_start(args, format);
	length = vsnprintf(line + held, sizeof(line) - held, format, args);
	va_end(args);
	held += (size_t)length;
	if (held >= sizeof(line))
		held = sizeof(line) - 1;
	if (held && (line[held - 1] == '\n' || held > sizeof(line) / 2)) {
		console_write(line, held);
		held = 0;
	}
	os_unlock(&lock);
	return length;
}
