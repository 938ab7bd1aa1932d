// SPDX-License-Identifier: MIT
/*
 * Permissions: the first entry names a node's owner, who may all, and what domains may that no entry names. dom0
 * may all everywhere; a domain with a target (SET_TARGET) may what its target may.
 */
#include "store.h"

unsigned int perms_of(const struct conn *c, const struct node *n)
{
	const struct perm *p = n->perms;
	const struct dom *d = c->dom;
	bool aims = d->has_target;

	if (conn_privileged(c) || p[0].domid == c->domid || (aims && p[0].domid == d->target))
		return PERM_READ | PERM_WRITE | PERM_OWNER;
	for (unsigned int i = 1; i < n->perm_count; i++)
		if (p[i].domid == c->domid || (aims && p[i].domid == d->target))
			return p[i].flags;
	return p[0].flags;
}

/* @count entries of a letter and a number, each with a terminator (which the last may lack). */
bool perms_parse(const char *text, size_t len, struct perm *perms, unsigned int count)
{
	const char *p = text, *end = text + len;

	for (unsigned int i = 0; i < count; i++) {
		char number[16];
		size_t n = strnlen(p, end - p);
		char *stop;

		if (n < 2 || n - 1 >= sizeof(number))
			return false;
		switch (*p) {
		case 'r':
			perms[i].flags = PERM_READ;
			break;
		case 'w':
			perms[i].flags = PERM_WRITE;
			break;
		case 'b':
			perms[i].flags = PERM_READ | PERM_WRITE;
			break;
		case 'n':
			perms[i].flags = 0;
			break;
		default:
			return false;
		}
		memcpy(number, p + 1, n - 1);
		number[n - 1] = 0;
		perms[i].domid = strtoul(number, &stop, 0);
		if (*stop || stop == number)
			return false;
		p += n + 1;
	}
	return true;
}

void perms_print(struct buf *b, const struct node *n)
{
	static const char letters[] = "nrwb";

	for (unsigned int i = 0; i < n->perm_count; i++) {
		char text[16];
		int len = snprintf(text, sizeof(text), "%c%u", letters[n->perms[i].flags & 3], n->perms[i].domid);

		buf_put(b, text, len + 1);
	}
}
