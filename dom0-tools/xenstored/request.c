// SPDX-License-Identifier: MIT
/*
 * One message: what its payload must look like, what it does, what is answered. The table at the end is the protocol.
 * A handler returns 0 after it has filled the answer, or an errno, which is answered as its name (XS_ERROR).
 */
#include <errno.h>
#include "store.h"

struct request {
	struct conn *conn;
	struct txn *txn;
	const char *data;
	size_t len;
	struct buf *answer;		/* of a handler that answers more than "OK" */
	struct watch *first_event;	/* of a new watch: its event comes behind the answer */
};

/* Where the next string of the payload starts, *@at going on; NULL if there is none with a terminator. */
static const char *next_string(const struct request *r, size_t *at)
{
	const char *p = r->data + *at;
	const char *end = *at < r->len ? memchr(p, 0, r->len - *at) : NULL;

	if (!end)
		return NULL;
	*at = end + 1 - r->data;
	return p;
}

/* The payload as exactly @count strings. */
static bool strings(const struct request *r, const char **out, unsigned int count)
{
	size_t at = 0;

	for (unsigned int i = 0; i < count; i++) {
		out[i] = next_string(r, &at);
		if (!out[i])
			return false;
	}
	return at == r->len;
}

/* A number as Xen's daemon reads it: leading digits, 0 without any. */
static uint32_t number(const char *text)
{
	return strtoul(text, NULL, 10);
}

static int one_path(const struct request *r, char room[PATH_ROOM], const char **path)
{
	const char *name;

	if (!strings(r, &name, 1))
		return EINVAL;
	*path = path_full(r->conn, name, room);
	return *path ? 0 : EINVAL;
}

static int readable(struct request *r, char room[PATH_ROOM], const char **path, struct node **n)
{
	int err = one_path(r, room, path);

	return err ? err : node_lookup(r->conn, r->txn, *path, PERM_READ, n);
}

static int do_read(struct request *r)
{
	char room[PATH_ROOM];
	const char *path;
	struct node *n;
	int err = readable(r, room, &path, &n);

	if (!err)
		buf_put(r->answer, n->value, n->value_len);
	return err;
}

static int touch_kids(struct request *r, const char *path)
{
	return r->txn ? txn_touch(r->txn, path, true) : 0;
}

static int do_directory(struct request *r)
{
	char room[PATH_ROOM];
	const char *path;
	struct node *n, *k;
	int err = readable(r, room, &path, &n);

	if (!err)
		err = touch_kids(r, path);
	if (!err && n->kids_bytes > XENSTORE_PAYLOAD_MAX)
		err = E2BIG;
	if (err)
		return err;
	for (uint32_t i = 0; (k = node_next(n, &i));)
		buf_put(r->answer, k->name, k->name_len + 1);
	return 0;
}

/* From byte @offset of the list on, as much as fits, behind the generation; an empty name says that it is the end. */
static int do_directory_part(struct request *r)
{
	char room[PATH_ROOM], gen[24];
	const char *in[2], *path;
	struct node *n, *k;
	size_t at = 0, offset;
	int err;

	if (!strings(r, in, 2))
		return EINVAL;
	path = path_full(r->conn, in[0], room);
	if (!path)
		return EINVAL;
	offset = strtoul(in[1], NULL, 10);
	err = node_lookup(r->conn, r->txn, path, PERM_READ, &n);
	if (!err)
		err = touch_kids(r, path);
	if (err)
		return err;
	snprintf(gen, sizeof(gen), "%llu", (unsigned long long)(n->kids_gen > n->gen ? n->kids_gen : n->gen));
	buf_str(r->answer, gen);
	for (uint32_t i = 0; (k = node_next(n, &i));) {
		size_t len = k->name_len + 1;

		if (at >= offset) {
			if (r->answer->len + len >= XENSTORE_PAYLOAD_MAX)
				return 0;
			buf_put(r->answer, k->name, len);
		}
		at += len;
	}
	buf_put(r->answer, "", 1);
	return 0;
}

static int do_get_perms(struct request *r)
{
	char room[PATH_ROOM];
	const char *path;
	struct node *n;
	int err = readable(r, room, &path, &n);

	if (!err)
		perms_print(r->answer, n);
	if (r->answer->len > XENSTORE_PAYLOAD_MAX)
		return E2BIG;
	return err;
}

static int do_write(struct request *r)
{
	char room[PATH_ROOM];
	size_t at = 0;
	const char *name = next_string(r, &at);
	const char *path = name ? path_full(r->conn, name, room) : NULL;

	if (!path)
		return EINVAL;
	return change_write(r->conn, r->txn, path, r->data + at, r->len - at, false);
}

static int do_mkdir(struct request *r)
{
	char room[PATH_ROOM];
	const char *path;
	int err = one_path(r, room, &path);

	return err ? err : change_write(r->conn, r->txn, path, NULL, 0, true);
}

static int do_rm(struct request *r)
{
	char room[PATH_ROOM];
	const char *path;
	int err = one_path(r, room, &path);

	return err ? err : change_remove(r->conn, r->txn, path);
}

static int do_set_perms(struct request *r)
{
	char room[PATH_ROOM];
	struct perm perms[XENSTORE_PAYLOAD_MAX / 2];
	size_t at = 0;
	const char *name = next_string(r, &at), *path;
	unsigned int count = 0;

	if (!name || at == r->len)
		return EINVAL;
	path = special_number(name) >= 0 ? name : path_full(r->conn, name, room);
	if (!path)
		return EINVAL;
	for (size_t i = at; i < r->len; i++)
		count += !r->data[i] || i == r->len - 1;
	if (!perms_parse(r->data + at, r->len - at, perms, count))
		return EINVAL;
	return change_perms(r->conn, r->txn, path, perms, count);
}

/* A watch's path, which may be an event's name; @relative: it was given without /. */
static const char *watch_path(struct request *r, const char *name, char room[PATH_ROOM], bool *relative)
{
	*relative = false;
	if (*name == '@')
		return strlen(name) <= XENSTORE_REL_PATH_MAX ? name : NULL;
	*relative = *name != '/';
	return path_full(r->conn, name, room);
}

static int do_watch(struct request *r)
{
	struct conn *c = r->conn;
	char room[PATH_ROOM];
	const char *in[2], *path;
	bool relative;

	if (!strings(r, in, 2))
		return EINVAL;
	path = watch_path(r, in[0], room, &relative);
	if (!path)
		return EINVAL;
	if (watch_find(c, path, in[1]))
		return EEXIST;
	if (quota_refuses(c, QUOTA_WATCHES, c->dom->watches, 1, path))
		return E2BIG;
	if (quota_refuses(c, QUOTA_MEMORY, c->dom->memory, sizeof(struct watch) + r->len, path))
		return ENOMEM;
	watch_add(c, path, in[1], relative);
	r->first_event = watch_find(c, path, in[1]);
	return 0;
}

static int do_unwatch(struct request *r)
{
	char room[PATH_ROOM];
	const char *in[2], *path;
	struct watch *w;
	bool relative;

	if (!strings(r, in, 2))
		return EINVAL;
	path = watch_path(r, in[0], room, &relative);
	if (!path)
		return EINVAL;
	w = watch_find(r->conn, path, in[1]);
	if (!w)
		return ENOENT;
	watch_del(w);
	return 0;
}

/* A kernel that starts again (kexec) wants nothing of the one before. */
static int do_reset_watches(struct request *r)
{
	txn_end_all(r->conn);
	watch_del_all(r->conn);
	return 0;
}

static int do_transaction_start(struct request *r)
{
	char text[16];
	uint32_t id;
	int err;

	if (r->txn)
		return EBUSY;
	err = txn_start(r->conn, &id);
	if (!err) {
		snprintf(text, sizeof(text), "%u", id);
		buf_str(r->answer, text);
	}
	return err;
}

static int do_transaction_end(struct request *r)
{
	const char *how;
	struct txn *t = r->txn;

	if (!strings(r, &how, 1) || (strcmp(how, "T") && strcmp(how, "F")))
		return EINVAL;
	if (!t)
		return ENOENT;
	return txn_end(t, *how == 'T');
}

static int do_introduce(struct request *r)
{
	const char *in[3];

	if (!strings(r, in, 3))
		return EINVAL;
	return domain_introduce(r->conn, number(in[0]), strtoull(in[1], NULL, 10), number(in[2]));
}

static int do_release(struct request *r)
{
	const char *id;

	return strings(r, &id, 1) ? domain_release(r->conn, number(id)) : EINVAL;
}

static int do_resume(struct request *r)
{
	const char *id;

	return strings(r, &id, 1) ? domain_resume(r->conn, number(id)) : EINVAL;
}

static int do_set_target(struct request *r)
{
	const char *in[2];

	return strings(r, in, 2) ? domain_target(r->conn, number(in[0]), number(in[1])) : EINVAL;
}

static int do_get_domain_path(struct request *r)
{
	const char *id;
	char text[40];

	if (!strings(r, &id, 1))
		return EINVAL;
	snprintf(text, sizeof(text), "/local/domain/%u", number(id));
	buf_str(r->answer, text);
	return 0;
}

static int do_is_introduced(struct request *r)
{
	const char *id;
	const struct dom *d;

	if (!strings(r, &id, 1))
		return EINVAL;
	if (!conn_privileged(r->conn))
		return EACCES;
	d = dom_find(r->conn->store, number(id));
	buf_str(r->answer, number(id) == DOMID_FIRST_RESERVED || (d && d->introduced) ? "T" : "F");
	return 0;
}

#define CONTROL_WORDS 64

static int do_control(struct request *r)
{
	const char *argv[CONTROL_WORDS];
	unsigned int argc = 0;
	size_t at = 0;
	int err;

	if (!conn_privileged(r->conn))
		return EACCES;
	while (at < r->len && argc < CONTROL_WORDS && (argv[argc] = next_string(r, &at)))
		argc++;
	if (!argc || at < r->len)
		return EINVAL;
	err = control_request(r->conn, argc, argv, r->answer);
	if (!err && !r->answer->len)
		buf_str(r->answer, "OK");
	return r->answer->len > XENSTORE_PAYLOAD_MAX ? E2BIG : err;
}

static const struct {
	int (*run)(struct request *r);
	bool answers;			/* else "OK" */
	bool changes;			/* refused on the read-only socket */
} handlers[XS_TYPE_COUNT] = {
	[XS_CONTROL] = { do_control, true, true },
	[XS_DIRECTORY] = { do_directory, true, false },
	[XS_READ] = { do_read, true, false },
	[XS_GET_PERMS] = { do_get_perms, true, false },
	[XS_WATCH] = { do_watch, false, false },
	[XS_UNWATCH] = { do_unwatch, false, false },
	[XS_TRANSACTION_START] = { do_transaction_start, true, false },
	[XS_TRANSACTION_END] = { do_transaction_end, false, false },
	[XS_INTRODUCE] = { do_introduce, false, true },
	[XS_RELEASE] = { do_release, false, true },
	[XS_GET_DOMAIN_PATH] = { do_get_domain_path, true, false },
	[XS_WRITE] = { do_write, false, true },
	[XS_MKDIR] = { do_mkdir, false, true },
	[XS_RM] = { do_rm, false, true },
	[XS_SET_PERMS] = { do_set_perms, false, true },
	[XS_IS_DOMAIN_INTRODUCED] = { do_is_introduced, true, false },
	[XS_RESUME] = { do_resume, false, true },
	[XS_SET_TARGET] = { do_set_target, false, true },
	[XS_RESET_WATCHES] = { do_reset_watches, false, false },
	[XS_DIRECTORY_PART] = { do_directory_part, true, false },
};

/* The errors that the protocol has names for (xen/io/xs_wire.h). */
static const char *error_name(int error)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
		{ EINVAL, "EINVAL" }, { EACCES, "EACCES" }, { EEXIST, "EEXIST" }, { EISDIR, "EISDIR" },
		{ ENOENT, "ENOENT" }, { ENOMEM, "ENOMEM" }, { ENOSPC, "ENOSPC" }, { EIO, "EIO" },
		{ ENOTEMPTY, "ENOTEMPTY" }, { ENOSYS, "ENOSYS" }, { EROFS, "EROFS" }, { EBUSY, "EBUSY" },
		{ EAGAIN, "EAGAIN" }, { EISCONN, "EISCONN" }, { E2BIG, "E2BIG" }, { EPERM, "EPERM" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == error)
			return names[i].name;
	return "EINVAL";
}

void conn_error(struct conn *c, const struct xsd_sockmsg *hdr, int error)
{
	const char *name = error_name(error);

	conn_queue(c, XS_ERROR, hdr->req_id, hdr->tx_id, name, strlen(name) + 1, NULL);
}

static int run(struct request *r, const struct xsd_sockmsg *hdr)
{
	int err;

	if (hdr->type >= XS_TYPE_COUNT || !handlers[hdr->type].run)
		return ENOSYS;
	if (r->conn->read_only && handlers[hdr->type].changes)
		return EROFS;
	if (hdr->tx_id) {
		r->txn = txn_find(r->conn, hdr->tx_id);
		if (!r->txn)
			return ENOENT;
	}
	err = handlers[hdr->type].run(r);
	/* What it is about may be among the changes that were lost; the transaction's end says EAGAIN, and all is done again. */
	if ((err == ENOENT || err == EACCES) && handlers[hdr->type].changes && r->txn && txn_doomed(r->txn))
		err = 0;
	return err;
}

void store_request(struct conn *c, const struct xsd_sockmsg *hdr, const void *payload)
{
	struct buf answer = { 0 };
	struct request r = { .conn = c, .data = payload, .len = hdr->len, .answer = &answer };
	int err = run(&r, hdr);

	if (err)
		conn_error(c, hdr, err);
	else if (handlers[hdr->type].answers)
		conn_queue(c, hdr->type, hdr->req_id, hdr->tx_id, answer.data, answer.len, NULL);
	else
		conn_queue(c, hdr->type, hdr->req_id, hdr->tx_id, "OK", 3, NULL);
	if (r.first_event)
		watch_first_event(r.first_event);
	buf_free(&answer);
}
