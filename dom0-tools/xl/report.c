// SPDX-License-Identifier: MIT
/* Text of others (files, guests) in lines of ours, and in names of files. */
#include "config.h"

/* How many bytes a character of UTF-8 has that a terminal shows; 0 if these are none. */
static unsigned int shown(const unsigned char *p)
{
	unsigned int n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;

	if ((*p < ' ' && *p != '\t') || *p == 127 || (*p == 0xc2 && p[1] < 0xa0))
		return 0;
	for (unsigned int i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

char *printable(char *text)
{
	for (unsigned char *p = (unsigned char *)text; p && *p;) {
		unsigned int n = shown(p);

		if (!n)
			*p = '?';
		p += n ? n : 1;
	}
	return text;
}

char *one_component(char *text)
{
	for (char *p = text; *p; p++)
		if (*p == '/')
			*p = '_';
	return text;
}

void report_line(const struct reporter *r, bool is_error, char *line)
{
	printable(line);
	if (r && r->say)
		r->say(r->arg, is_error, line);
}
