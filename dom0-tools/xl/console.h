/* SPDX-License-Identifier: MIT */
/* Looking at a guest's console: what xl console and xl create -c do. */
#ifndef XL_CONSOLE_H
#define XL_CONSOLE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum console_type { CONSOLE_PV, CONSOLE_SERIAL, CONSOLE_VUART };

/* "pv", "serial" or "vuart" of xl console -t. Returns 0, or -EINVAL. */
int console_type_parse(const char *text, enum console_type *type);

/*
 * Joins this program's input and output to console @number of domain @domid, until Ctrl-] is typed, input ends, or the
 * domain is gone. Waits for a console that is not there yet, and for a console daemon that is started anew. @ready is a
 * descriptor to which a byte is written once the console is there, or -1.
 *
 * Returns 0, or 1 after a sentence on standard error.
 */
int console_run(uint32_t domid, enum console_type type, unsigned int number, int ready);

/*
 * The same for the guest's first console in a process of its own, for a domain that has yet to run: returns its number
 * when the console is there (so no output is missed) or when it never will be; -errno without a process.
 */
pid_t console_start(uint32_t domid);

/*
 * Up to @size - 1 bytes of what guest @name said last, from the console daemon's log, with a terminator; the guest may
 * be gone. Returns the length; 0 if there is no log.
 */
size_t console_last_words(const char *name, char *text, size_t size);

#endif
