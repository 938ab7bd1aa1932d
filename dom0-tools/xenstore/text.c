// SPDX-License-Identifier: MIT
/* See text.h. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "text.h"

const char *text_escape(const char *value, size_t len)
{
	static const char short_names[] = { ['\t'] = 't', ['\n'] = 'n', ['\r'] = 'r' };
	static char *room;
	char *out = realloc(room, len * 4 + 1);

	if (!out)
		err(1, "malloc");
	room = out;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = value[i];

		if (c >= ' ' && c <= '~' && c != '\\')
			*out++ = c;
		else if (c == '\\')
			out += sprintf(out, "\\\\");
		else if (c < sizeof(short_names) && short_names[c])
			out += sprintf(out, "\\%c", short_names[c]);
		else
			out += sprintf(out, c < 8 ? "\\%03o" : "\\x%02x", c);
	}
	*out = 0;
	return room;
}

static int digit(char c, int base)
{
	int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
		c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;

	return v < base ? v : -1;
}

/* Up to @most digits at *@p; -1 if there is none. */
static int digits(const char **p, int base, int most)
{
	int v = -1;

	for (int i = 0; i < most && digit(**p, base) >= 0; i++, (*p)++)
		v = (v < 0 ? 0 : v) * base + digit(**p, base);
	return v;
}

size_t text_unescape(char *text)
{
	const char *in = text;
	char *out = text;
	int v;

	while (*in) {
		if (*in != '\\') {
			*out++ = *in++;
			continue;
		}
		in++;
		v = digits(&in, 8, 3);
		if (v < 0 && *in == 'x') {
			in++;
			v = digits(&in, 16, 2);
			if (v < 0)
				v = 'x';
		}
		if (v >= 0)
			*out++ = v;
		else if (!*in)
			*out++ = 0;	/* a backslash at the end */
		else
			*out++ = *in == 't' ? '\t' : *in == 'n' ? '\n' : *in == 'r' ? '\r' : *in, in++;
	}
	return out - text;
}
