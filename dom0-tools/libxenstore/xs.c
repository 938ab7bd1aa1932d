// SPDX-License-Identifier: MIT
/* libxenstore's functions, one for each request of the protocol; handle.c carries them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "handle.h"

/* A request of one string. */
static void *talk_string(struct xs_handle *h, xs_transaction_t t, uint32_t type, const char *text, unsigned int *len)
{
	struct iovec iov = { (char *)text, strlen(text) + 1 };

	return xenstore_talk(h, t, type, &iov, 1, len);
}

/* Of an answer only that it is none of an error counts. */
static bool done(void *answer)
{
	free(answer);
	return answer;
}

static bool talk_numbers(struct xs_handle *h, uint32_t type, const unsigned long *numbers, unsigned int count)
{
	char text[3][MAX_STRLEN(unsigned long)];
	struct iovec iov[3];

	for (unsigned int i = 0; i < count; i++)
		iov[i] = (struct iovec){ text[i], snprintf(text[i], sizeof(text[i]), "%lu", numbers[i]) + 1 };
	return done(xenstore_talk(h, XBT_NULL, type, iov, count, NULL));
}

/* Names one behind the other become an array with them behind it, for one free(). */
static char **name_array(const char *names, size_t len, unsigned int *num)
{
	unsigned int count = 0;
	char **out, *text;

	for (size_t i = 0; i < len; i++)
		count += !names[i];
	out = malloc(count * sizeof(*out) + len + 1);
	if (!out)
		return NULL;
	text = (char *)(out + count);
	memcpy(text, names, len);
	*num = count;
	for (unsigned int i = 0; i < count; i++) {
		out[i] = text;
		text += strlen(text) + 1;
	}
	return out;
}

/* A list that is longer than a message comes in parts, all of one generation of the node. */
static char **directory_parts(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
	char generation[32] = "", offset[16], *names = NULL, *more;
	struct iovec iov[2] = { { (char *)path, strlen(path) + 1 }, { offset, 0 } };
	unsigned int len;
	size_t have = 0, skip;
	char **out, *part;

	for (;;) {
		iov[1].iov_len = snprintf(offset, sizeof(offset), "%zu", have) + 1;
		part = xenstore_talk(h, t, XS_DIRECTORY_PART, iov, 2, &len);
		if (!part)
			break;
		skip = strlen(part) + 1;
		if (skip > len || skip > sizeof(generation)) {
			free(part);
			errno = EINVAL;
			break;
		}
		if (have && strcmp(part, generation)) {
			free(part);
			have = 0;
			continue;
		}
		strcpy(generation, part);
		more = realloc(names, have + len);
		if (!more) {
			free(part);
			break;
		}
		names = more;
		memcpy(names + have, part + skip, len - skip);
		have += len - skip;
		free(part);
		/* An empty name is the end. */
		if (have && !names[have - 1] && (have == 1 || !names[have - 2])) {
			out = name_array(names, have - 1, num);
			free(names);
			return out;
		}
		if (len == skip) {
			errno = EINVAL;
			break;
		}
	}
	free(names);
	return NULL;
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
	unsigned int len;
	char **out, *names = talk_string(h, t, XS_DIRECTORY, path, &len);

	if (!names)
		return errno == E2BIG ? directory_parts(h, t, path, num) : NULL;
	out = name_array(names, len, num);
	free(names);
	return out;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
	return talk_string(h, t, XS_READ, path, len);
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data, unsigned int len)
{
	struct iovec iov[2] = { { (char *)path, strlen(path) + 1 }, { (void *)data, len } };

	return done(xenstore_talk(h, t, XS_WRITE, iov, 2, NULL));
}

bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	return done(talk_string(h, t, XS_MKDIR, path, NULL));
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	return done(talk_string(h, t, XS_RM, path, NULL));
}

bool xs_restrict(struct xs_handle *h, unsigned int domid)
{
	return false;
}

struct xs_permissions *xs_get_permissions(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
	unsigned int len, count = 0;
	char *text = talk_string(h, t, XS_GET_PERMS, path, &len);
	struct xs_permissions *perms;

	if (!text)
		return NULL;
	for (unsigned int i = 0; i < len; i++)
		count += !text[i];
	perms = malloc(count ? count * sizeof(*perms) : 1);
	if (perms && !xs_strings_to_perms(perms, count, text)) {
		free(perms);
		perms = NULL;
	}
	free(text);
	if (perms)
		*num = count;
	return perms;
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path, struct xs_permissions *perms,
			unsigned int num_perms)
{
	static const char letters[] = "nrwb";
	char *text = malloc(num_perms * (MAX_STRLEN(unsigned int) + 1) + 1);
	struct iovec iov[2] = { { (char *)path, strlen(path) + 1 }, { text, 0 } };
	bool good;

	if (!text)
		return false;
	for (unsigned int i = 0; i < num_perms; i++) {
		if (perms[i].perms & ~(XS_PERM_READ | XS_PERM_WRITE)) {
			free(text);
			errno = EINVAL;
			return false;
		}
		iov[1].iov_len += sprintf(text + iov[1].iov_len, "%c%u", letters[perms[i].perms], perms[i].id) + 1;
	}
	good = done(xenstore_talk(h, t, XS_SET_PERMS, iov, 2, NULL));
	free(text);
	return good;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	struct iovec iov[2] = { { (char *)path, strlen(path) + 1 }, { (char *)token, strlen(token) + 1 } };

	return xenstore_start_reader(h) && done(xenstore_talk(h, XBT_NULL, XS_WATCH, iov, 2, NULL));
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
	struct iovec iov[2] = { { (char *)path, strlen(path) + 1 }, { (char *)token, strlen(token) + 1 } };
	bool good = done(xenstore_talk(h, XBT_NULL, XS_UNWATCH, iov, 2, NULL));

	if (good && h->unwatch_filter)
		xenstore_drop_events(h, path, token);
	return good;
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
	char *text = talk_string(h, XBT_NULL, XS_TRANSACTION_START, "", NULL);
	xs_transaction_t t = text ? strtoul(text, NULL, 0) : XBT_NULL;

	free(text);
	return t;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
	return done(talk_string(h, t, XS_TRANSACTION_END, abort ? "F" : "T", NULL));
}

bool xs_introduce_domain(struct xs_handle *h, unsigned int domid, unsigned long mfn, unsigned int eventchn)
{
	return talk_numbers(h, XS_INTRODUCE, (unsigned long[]){ domid, mfn, eventchn }, 3);
}

bool xs_release_domain(struct xs_handle *h, unsigned int domid)
{
	return talk_numbers(h, XS_RELEASE, (unsigned long[]){ domid }, 1);
}

bool xs_resume_domain(struct xs_handle *h, unsigned int domid)
{
	return talk_numbers(h, XS_RESUME, (unsigned long[]){ domid }, 1);
}

bool xs_set_target(struct xs_handle *h, unsigned int domid, unsigned int target)
{
	return talk_numbers(h, XS_SET_TARGET, (unsigned long[]){ domid, target }, 2);
}

static char *talk_domid(struct xs_handle *h, uint32_t type, unsigned int domid)
{
	char text[MAX_STRLEN(domid)];

	snprintf(text, sizeof(text), "%u", domid);
	return talk_string(h, XBT_NULL, type, text, NULL);
}

char *xs_get_domain_path(struct xs_handle *h, unsigned int domid)
{
	return talk_domid(h, XS_GET_DOMAIN_PATH, domid);
}

bool xs_is_domain_introduced(struct xs_handle *h, unsigned int domid)
{
	char *text = talk_domid(h, XS_IS_DOMAIN_INTRODUCED, domid);
	bool yes = text && !strcmp(text, "T");

	free(text);
	return yes;
}

bool xs_path_is_subpath(const char *parent, const char *child)
{
	size_t len = strlen(parent);

	if (strncmp(parent, child, len))
		return false;
	return !child[len] || child[len] == '/' || (len && parent[len - 1] == '/');
}

char *xs_control_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len)
{
	struct iovec iov[2] = { { (char *)cmd, strlen(cmd) + 1 }, { data, len } };

	return xenstore_talk(h, XBT_NULL, XS_CONTROL, iov, 2, NULL);
}

char *xs_debug_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len)
{
	return xs_control_command(h, cmd, data, len);
}

int xs_suspend_evtchn_port(int domid)
{
	struct xs_handle *h = xs_open(0);
	char path[64], *text;
	int port = -1;

	if (!h)
		return -1;
	snprintf(path, sizeof(path), "/local/domain/%d/device/suspend/event-channel", domid);
	text = xs_read(h, XBT_NULL, path, NULL);
	if (text)
		port = atoi(text);
	free(text);
	xs_close(h);
	return port;
}
