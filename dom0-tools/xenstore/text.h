// SPDX-License-Identifier: MIT
/* Values as text that a terminal can show, and back. */
#ifndef XENSTORE_TEXT_H
#define XENSTORE_TEXT_H

#include <stddef.h>

/*
 * @len bytes with backslash escapes for what is not printable: \t \n \r \\, \NNN (octal) below 8, \xNN else. The
 * memory is the function's own until its next call.
 */
const char *text_escape(const char *value, size_t len);

/* The other way: @text with \t \n \r \xN \xNN \N \NN \NNN, in its place; returns the number of bytes. */
size_t text_unescape(char *text);

#endif
