// SPDX-License-Identifier: MIT
/* One line for whoever wants the parsers' reports. Text of a file may be quoted in it, so it is made printable here. */
#include "config.h"

void report_line(const struct reporter *r, bool is_error, char *line)
{
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	if (r && r->say)
		r->say(r->arg, is_error, line);
}
