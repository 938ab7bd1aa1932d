// SPDX-License-Identifier: MIT
/*
 * Batches of requests (batch.h). Each request is kept as it goes over the socket: a header of xs_wire.h, path, NUL,
 * value. What is to be done with the answer stands before it until it is sent.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "batch.h"
#include "handle.h"

/* Stands before each request until it is sent. */
struct prefix {
	char **value;		/* where the value goes; NULL if it is not a read */
	bool may_fail;
};

static void put_bytes(struct xs_batch *b, const void *data, size_t len)
{
	if (b->used + len > b->room) {
		size_t room = (b->used + len) * 2 + 4096;
		char *p = realloc(b->data, room);

		if (!p) {
			b->unfit = ENOMEM;
			return;
		}
		b->data = p;
		b->room = room;
	}
	memcpy(b->data + b->used, data, len);
	b->used += len;
}

static void put(struct xs_batch *b, uint32_t type, struct prefix prefix, const char *path, size_t path_len,
		const void *value, size_t len)
{
	struct xsd_sockmsg hdr = { .type = type, .tx_id = b->transaction, .len = path_len + len };

	/* For a longer one xenstored ends the connection. */
	if (path_len + len > XENSTORE_PAYLOAD_MAX) {
		b->unfit = E2BIG;
		snprintf(b->failed, sizeof(b->failed), "%s", path);
		return;
	}
	put_bytes(b, &prefix, sizeof(prefix));
	put_bytes(b, &hdr, sizeof(hdr));
	put_bytes(b, path, path_len);
	put_bytes(b, value, len);
	b->count++;
}

#define PUT(b, type, prefix, path, value, len, with_nul)						\
	do {												\
		char text_[XENSTORE_ABS_PATH_MAX + 1];							\
		va_list args_;										\
		int n_;											\
													\
		va_start(args_, path);									\
		n_ = vsnprintf(text_, sizeof(text_), path, args_);					\
		va_end(args_);										\
		if (n_ < 0 || n_ >= (int)sizeof(text_))							\
			(b)->unfit = E2BIG;								\
		else											\
			put(b, type, prefix, text_, n_ + with_nul, value, len);				\
	} while (0)

void batch_write(struct xs_batch *b, const char *value, const char *path, ...)
{
	PUT(b, XS_WRITE, ((struct prefix){ 0 }), path, value, strlen(value), 1);
}

void batch_mkdir(struct xs_batch *b, const char *path, ...)
{
	PUT(b, XS_MKDIR, ((struct prefix){ 0 }), path, "", 0, 1);
}

void batch_remove(struct xs_batch *b, const char *path, ...)
{
	PUT(b, XS_RM, ((struct prefix){ .may_fail = true }), path, "", 0, 1);
}

void batch_perms(struct xs_batch *b, int owner, int reader, const char *path, ...)
{
	char perms[40];
	int n = snprintf(perms, sizeof(perms), "n%d", owner) + 1;

	if (reader >= 0)
		n += snprintf(perms + n, sizeof(perms) - n, "r%d", reader) + 1;
	PUT(b, XS_SET_PERMS, ((struct prefix){ 0 }), path, perms, n, 1);
}

void batch_read(struct xs_batch *b, char **value, const char *path, ...)
{
	*value = NULL;
	PUT(b, XS_READ, ((struct prefix){ .value = value, .may_fail = true }), path, "", 0, 1);
}

void batch_introduce(struct xs_batch *b, unsigned int domid, unsigned long mfn, unsigned int port)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%u", domid) + 1;

	n += snprintf(text + n, sizeof(text) - n, "%lu", mfn) + 1;
	n += snprintf(text + n, sizeof(text) - n, "%u", port) + 1;
	put(b, XS_INTRODUCE, (struct prefix){ 0 }, text, n, "", 0);
}

void batch_watch(struct xs_batch *b, const char *path, const char *token)
{
	put(b, XS_WATCH, (struct prefix){ 0 }, path, strlen(path) + 1, token, strlen(token) + 1);
}

void batch_end(struct xs_batch *b, bool commit)
{
	put(b, XS_TRANSACTION_END, (struct prefix){ 0 }, commit ? "T" : "F", 2, "", 0);
}

void batch_free(struct xs_batch *b)
{
	free(b->data);
	*b = (struct xs_batch){ 0 };
}

/* --- running ------------------------------------------------------------------------------- */

struct run {
	struct xs_batch *b;
	struct prefix *prefixes;
	size_t at;		/* of the request that is answered next */
};

static void answered(void *arg, unsigned int i, int err, const char *body, unsigned int len)
{
	struct run *run = arg;
	struct xs_batch *b = run->b;
	struct xsd_sockmsg hdr;

	memcpy(&hdr, b->data + run->at, sizeof(hdr));
	if (!err && run->prefixes[i].value)
		*run->prefixes[i].value = strndup(body, len);
	if (err && !run->prefixes[i].may_fail && !b->error) {
		b->error = err;
		snprintf(b->failed, sizeof(b->failed), "%.*s", (int)hdr.len, b->data + run->at + sizeof(hdr));
	}
	run->at += sizeof(hdr) + hdr.len;
}

/* Takes the prefixes out; what is left is what is sent. */
static struct prefix *separate(struct xs_batch *b)
{
	struct prefix *prefixes = calloc(b->count, sizeof(*prefixes));
	size_t from = 0, to = 0;

	for (unsigned int i = 0; prefixes && i < b->count; i++) {
		struct xsd_sockmsg hdr;

		memcpy(&prefixes[i], b->data + from, sizeof(*prefixes));
		from += sizeof(*prefixes);
		memcpy(&hdr, b->data + from, sizeof(hdr));
		memmove(b->data + to, b->data + from, sizeof(hdr) + hdr.len);
		from += sizeof(hdr) + hdr.len;
		to += sizeof(hdr) + hdr.len;
	}
	b->used = to;
	return prefixes;
}

int batch_run(struct xs_handle *h, struct xs_batch *b)
{
	struct run run = { .b = b };

	b->error = 0;
	if (!b->unfit)
		b->failed[0] = 0;
	if (!b->count && !b->unfit)
		return 0;
	if (b->unfit)
		b->error = b->unfit;
	else if (!(run.prefixes = separate(b)))
		b->error = ENOMEM;
	else if (!xenstore_talk_many(h, b->data, b->used, b->count, answered, &run))
		b->error = errno ? errno : EIO;
	free(run.prefixes);
	b->used = 0;
	b->count = 0;
	b->unfit = 0;
	return -b->error;
}

int batch_transaction(struct xs_handle *h, struct xs_batch *b, void (*fill)(struct xs_batch *b, void *arg), void *arg)
{
	int err;

	do {
		b->transaction = xs_transaction_start(h);
		if (b->transaction == XBT_NULL)
			return -errno;
		fill(b, arg);
		batch_end(b, true);
		/* What is not sent does not end it either. */
		if (b->unfit)
			xs_transaction_end(h, b->transaction, true);
		err = batch_run(h, b);
		b->transaction = XBT_NULL;
	} while (err == -EAGAIN);
	return err;
}
