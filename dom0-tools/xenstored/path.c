// SPDX-License-Identifier: MIT
/*
 * Names of nodes: which are valid, and what a relative one means. The rules are those of Xen 4.17's daemon: letters,
 * digits and -/_@, no empty component, no slash at the end but for the root; XENSTORE_ABS_PATH_MAX bytes, and
 * without a leading /local/domain/N/ the path-max quota's. A name that begins with @ is an event, not a node.
 */
#include <ctype.h>
#include "store.h"

static const char home[] = "/local/domain/";

static const char *const specials[SPECIAL_COUNT] = { "@introduceDomain", "@releaseDomain" };

int special_number(const char *path)
{
	for (int i = 0; i < SPECIAL_COUNT; i++)
		if (!strcmp(path, specials[i]))
			return i;
	return -1;
}

/* Length of /local/domain/N/ at the beginning of @path, 0 if it has none. */
static size_t any_home(const char *path)
{
	const char *p = path + sizeof(home) - 1;

	if (strncmp(path, home, sizeof(home) - 1) || !isdigit((unsigned char)*p))
		return 0;
	for (int digits = 0; digits < 5 && isdigit((unsigned char)*p); digits++)
		p++;
	return *p == '/' ? p + 1 - path : 0;
}

bool path_valid(const struct store *s, const char *path)
{
	static const char good[256] = {
		['0' ... '9'] = 1, ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['-'] = 1, ['_'] = 1, ['@'] = 1, ['/'] = 1
	};
	size_t len = 0;

	if (*path != '/')
		return false;
	for (; path[len]; len++)
		if (!good[(uint8_t)path[len]] || (path[len] == '/' && path[len + 1] == '/'))
			return false;
	if (len > 1 && path[len - 1] == '/')
		return false;
	return len < XENSTORE_ABS_PATH_MAX &&
	       (!s->quota[QUOTA_PATH_MAX] || len - any_home(path) <= s->quota[QUOTA_PATH_MAX]);
}

const char *path_full(const struct conn *c, const char *name, char room[PATH_ROOM])
{
	int len;

	if (*name == '/')
		return path_valid(c->store, name) ? name : NULL;
	if (!*name || *name == '@')
		return NULL;
	len = snprintf(room, PATH_ROOM, "%s%u/%s", home, c->domid, name);
	return len < PATH_ROOM && path_valid(c->store, room) ? room : NULL;
}

/* Bytes that a watcher with a relative path does not get to see of @path. */
size_t path_own_prefix(const struct conn *c, const char *path)
{
	char own[32];
	int len = snprintf(own, sizeof(own), "%s%u/", home, c->domid);

	return strncmp(path, own, len) ? 0 : len;
}

bool path_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (!path[1])
		return false;
	slash[slash == path] = 0;
	return true;
}
