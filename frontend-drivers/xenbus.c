// SPDX-License-Identifier: MIT
/*
 * The client of xenstore: one page, two byte rings, messages of a header and up to 4096 bytes.
 *
 * Many tasks may ask at once and only one answer can be under way in the page. So:
 *  1. One request at a time: `busy` belongs to the task that asks; the others sleep for it.
 *  2. Whoever holds `lock` may take bytes out of the answer ring (take_bytes). A complete answer stays in `body` until
 *     its owner has copied it; what comes behind it waits in the ring. Watch events only mark their watch.
 *  3. Indexes are read once and checked: a producer more than 1024 bytes ahead, or a message of more than 4096 bytes,
 *     and the store is not believed any more (`broken`).
 *  4. The event handler only wakes. It takes no bytes, so handlers stay short.
 */
#include "xenbus.h"

#define RING	XENSTORE_RING_SIZE

static struct {
	struct xenstore_domain_interface *page;
	evtchn_port_t port;
	struct os_lock lock;		/* guards all below */
	struct os_wait wait;
	bool busy, broken;
	uint32_t request;		/* number of the last request */
	bool wanted, answered;		/* `body` is to hold, holds the answer to it */
	struct xsd_sockmsg head;	/* what is coming in */
	uint32_t taken;			/* bytes of it that have come */
	char body[XENSTORE_PAYLOAD_MAX + 1];
	struct xenbus_watch *watches;
	uint32_t last_token;
} store;

struct part {
	const char *text;
	size_t bytes;
};

/* ---- the rings ---- */

static uint32_t read_index(const XENSTORE_RING_IDX *index)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static void give_up(const char *why)
{
	if (!store.broken)
		os_log("xenbus: the store breaks its protocol: %s; it is not asked any more", why);
	store.broken = true;
}

/* How many bytes of answers lie in the page. */
static uint32_t waiting(void)
{
	uint32_t bytes = read_index(&store.page->rsp_prod) - store.page->rsp_cons;

	if (bytes > RING) {
		give_up("an index is impossible");
		return 0;
	}
	return bytes;
}

/* Takes up to `bytes` bytes of `there`. Returns how many. */
static uint32_t take(char *to, uint32_t bytes, uint32_t there)
{
	uint32_t cons = store.page->rsp_cons;
	uint32_t count = bytes < there ? bytes : there;

	for (uint32_t i = 0; i < count; i++)
		to[i] = store.page->rsp[MASK_XENSTORE_IDX(cons + i)];
	__atomic_store_n(&store.page->rsp_cons, cons + count, __ATOMIC_RELEASE);
	return count;
}

/* "path NUL token NUL" */
static void mark_watch(void)
{
	uint32_t path = 0, token = 0;
	const char *digit;

	store.body[store.head.len] = '\0';
	path = (uint32_t)strlen(store.body) + 1;
	if (path >= store.head.len)
		return;
	for (digit = store.body + path; *digit >= '0' && *digit <= '9'; digit++)
		token = token * 10 + (uint32_t)(*digit - '0');
	for (struct xenbus_watch *watch = store.watches; watch; watch = watch->next)
		if (watch->token == token)
			watch->fired = true;
}

static void message_complete(void)
{
	store.taken = 0;
	if (store.head.type == XS_WATCH_EVENT)
		mark_watch();
	else if (store.wanted && store.head.req_id == store.request)
		store.answered = true;
}

/* Takes what lies in the page, up to a complete answer. Under the lock. Returns whether bytes were taken. */
static bool take_bytes(void)
{
	bool some = false;
	uint32_t there;

	while (!store.answered && !store.broken && (there = waiting())) {
		if (store.taken < sizeof(store.head)) {
			store.taken += take((char *)&store.head + store.taken,
					    (uint32_t)sizeof(store.head) - store.taken, there);
		} else {
			uint32_t at = store.taken - (uint32_t)sizeof(store.head);

			store.taken += take(store.body + at, store.head.len - at, there);
		}
		some = true;
		if (store.taken >= sizeof(store.head) && store.head.len > XENSTORE_PAYLOAD_MAX)
			give_up("a message is too long");
		else if (store.taken == sizeof(store.head) + store.head.len)
			message_complete();
	}
	return some;
}

static void event(void *argument)
{
	(void)argument;
	os_wake(&store.wait);
}

/* Puts bytes in the page, sleeping while it is full. Only the owner of `busy`. */
static int put(const char *from, size_t bytes)
{
	while (bytes) {
		uint32_t key = os_wait_key(&store.wait);
		uint32_t prod = store.page->req_prod;
		uint32_t room = RING - (prod - read_index(&store.page->req_cons));

		if (room > RING) {
			give_up("an index is impossible");
			return -XEN_EIO;
		}
		if (!room) {
			os_wait(&store.wait, key);
			continue;
		}
		for (; room && bytes; room--, bytes--)
			store.page->req[MASK_XENSTORE_IDX(prod++)] = *from++;
		__atomic_store_n(&store.page->req_prod, prod, __ATOMIC_RELEASE);
		os_event_notify(store.port);
	}
	return 0;
}

/* ---- requests ---- */

/* The store names errors as errno(3) does. */
static int error_of(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} errors[] = {
		{ "EINVAL", XEN_EINVAL }, { "EACCES", XEN_EACCES }, { "EEXIST", XEN_EEXIST }, { "EISDIR", XEN_EISDIR },
		{ "ENOENT", XEN_ENOENT }, { "ENOMEM", XEN_ENOMEM }, { "ENOSPC", XEN_ENOSPC }, { "EIO", XEN_EIO },
		{ "ENOSYS", XEN_ENOSYS }, { "EROFS", XEN_EROFS },   { "EBUSY", XEN_EBUSY },   { "EAGAIN", XEN_EAGAIN },
	};

	for (size_t i = 0; i < OS_ARRAY_SIZE(errors); i++)
		if (!strcmp(errors[i].name, name))
			return -errors[i].number;
	return -XEN_EIO;
}

static void claim(void)
{
	for (;;) {
		uint32_t key = os_wait_key(&store.wait);
		bool mine;

		os_lock(&store.lock);
		mine = !store.busy;
		store.busy = true;
		os_unlock(&store.lock);
		if (mine)
			return;
		os_wait(&store.wait, key);
	}
}

static void release(void)
{
	os_lock(&store.lock);
	store.busy = store.wanted = store.answered = false;
	os_unlock(&store.lock);
	os_wake(&store.wait);
}

/* Waits for the answer; then it is in store.head and store.body until release(). */
static int await_answer(void)
{
	for (;;) {
		uint32_t key = os_wait_key(&store.wait);
		bool taken, answered, broken;

		os_lock(&store.lock);
		taken = take_bytes();
		answered = store.answered;
		broken = store.broken;
		os_unlock(&store.lock);
		if (taken)
			os_event_notify(store.port);
		if (answered)
			return 0;
		if (broken)
			return -XEN_EIO;
		os_wait(&store.wait, key);
	}
}

/* One request. Returns the bytes of its answer, copied with a NUL behind it if `answer` is there, or -XEN_E*. */
static int ask(uint32_t type, uint32_t tx, const struct part *parts, unsigned int nr_parts, char *answer, size_t room)
{
	struct xsd_sockmsg head = { .type = type, .tx_id = tx };
	int result;

	for (unsigned int i = 0; i < nr_parts; i++)
		head.len += (uint32_t)parts[i].bytes;
	if (head.len > XENSTORE_PAYLOAD_MAX)
		return -XEN_E2BIG;
	claim();
	os_lock(&store.lock);
	head.req_id = ++store.request;
	store.wanted = true;
	result = store.broken || !store.page ? -XEN_EIO : 0;
	os_unlock(&store.lock);
	if (!result)
		result = put((const char *)&head, sizeof(head));
	for (unsigned int i = 0; i < nr_parts && !result; i++)
		result = put(parts[i].text, parts[i].bytes);
	if (!result)
		result = await_answer();
	if (!result) {
		store.body[store.head.len] = '\0';
		if (store.head.type == XS_ERROR)
			result = error_of(store.body);
		else if (store.head.type != type)
			result = -XEN_EIO;
		else if (!answer)
			result = (int)store.head.len;
		else if (store.head.len >= room)
			result = -XEN_ENOSPC;
		else
			memcpy(answer, store.body, (size_t)(result = (int)store.head.len) + 1);
	}
	release();
	return result;
}

/* A request about a path, with a value behind it if there is one. */
static int ask_path(uint32_t type, uint32_t tx, const char *dir, const char *node, const char *value, char *answer,
		    size_t room)
{
	struct part parts[4] = { { dir, strlen(dir) }, { "/", node ? 1 : 0 }, { node, node ? strlen(node) + 1 : 0 } };

	if (!node)
		parts[0].bytes++;
	if (value)
		parts[3] = (struct part){ value, strlen(value) };
	return ask(type, tx, parts, value ? 4 : 3, answer, room);
}

int xenbus_read(uint32_t tx, const char *dir, const char *node, char *value, size_t room)
{
	return ask_path(XS_READ, tx, dir, node, NULL, value, room);
}

int xenbus_read_number(uint32_t tx, const char *dir, const char *node, uint64_t *number)
{
	char text[24];
	int length = xenbus_read(tx, dir, node, text, sizeof(text));

	if (length < 0)
		return length;
	*number = 0;
	for (int i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -XEN_EINVAL;
		*number = *number * 10 + (uint64_t)(text[i] - '0');
	}
	return length ? 0 : -XEN_EINVAL;
}

uint64_t xenbus_number_or(const char *dir, const char *node, uint64_t absent)
{
	uint64_t number;

	return xenbus_read_number(0, dir, node, &number) ? absent : number;
}

int xenbus_write(uint32_t tx, const char *dir, const char *node, const char *value)
{
	int result = ask_path(XS_WRITE, tx, dir, node, value, NULL, 0);

	return result < 0 ? result : 0;
}

int xenbus_write_number(uint32_t tx, const char *dir, const char *node, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", (unsigned long)number);
	return xenbus_write(tx, dir, node, text);
}

int xenbus_remove(uint32_t tx, const char *dir, const char *node)
{
	int result = ask_path(XS_RM, tx, dir, node, NULL, NULL, 0);

	return result < 0 ? result : 0;
}

int xenbus_directory(uint32_t tx, const char *path, char *names, size_t room)
{
	return ask_path(XS_DIRECTORY, tx, path, NULL, NULL, names, room);
}

int xenbus_transaction_start(uint32_t *tx)
{
	struct part nothing = { "", 1 };
	char text[16];
	int length = ask(XS_TRANSACTION_START, 0, &nothing, 1, text, sizeof(text));

	if (length < 0)
		return length;
	*tx = 0;
	for (const char *digit = text; *digit >= '0' && *digit <= '9'; digit++)
		*tx = *tx * 10 + (uint32_t)(*digit - '0');
	return *tx ? 0 : -XEN_EIO;
}

int xenbus_transaction_end(uint32_t tx, bool abort)
{
	struct part how = { abort ? "F" : "T", 2 };
	int result = ask(XS_TRANSACTION_END, tx, &how, 1, NULL, 0);

	return result < 0 ? result : 0;
}

/* ---- watches ---- */

static int ask_watch(uint32_t type, const struct xenbus_watch *watch)
{
	char token[16];
	struct part parts[2] = { { watch->path, strlen(watch->path) + 1 }, { token, 0 } };
	int result;

	parts[1].bytes = (size_t)snprintf(token, sizeof(token), "%u", watch->token) + 1;
	result = ask(type, 0, parts, 2, NULL, 0);
	return result < 0 ? result : 0;
}

int xenbus_watch(struct xenbus_watch *watch)
{
	int result;

	os_lock(&store.lock);
	watch->token = ++store.last_token;
	watch->fired = false;
	watch->next = store.watches;
	store.watches = watch;
	os_unlock(&store.lock);
	result = ask_watch(XS_WATCH, watch);
	if (result)
		xenbus_unwatch(watch);
	return result;
}

void xenbus_unwatch(struct xenbus_watch *watch)
{
	struct xenbus_watch **at;

	os_lock(&store.lock);
	for (at = &store.watches; *at && *at != watch; at = &(*at)->next)
		;
	if (*at)
		*at = watch->next;
	os_unlock(&store.lock);
	ask_watch(XS_UNWATCH, watch);
}

/* Takes one watch that fired; NULL where there is none. */
static struct xenbus_watch *next_fired(void)
{
	struct xenbus_watch *watch;
	bool taken = false;

	os_lock(&store.lock);
	if (store.page)
		taken = take_bytes();
	for (watch = store.watches; watch && !watch->fired; watch = watch->next)
		;
	if (watch)
		watch->fired = false;
	os_unlock(&store.lock);
	if (taken) {
		/* The answer that another task waits for may have been among it. */
		os_event_notify(store.port);
		os_wake(&store.wait);
	}
	return watch;
}

int xenbus_poll(void)
{
	struct xenbus_watch *watch;
	int count = 0;

	for (; (watch = next_fired()); count++)
		watch->changed(watch);
	return count;
}

void xenbus_run(const volatile bool *stop)
{
	while (!stop || !*stop) {
		uint32_t key = os_wait_key(&store.wait);

		if (!xenbus_poll())
			os_wait(&store.wait, key);
	}
}

struct os_wait *xenbus_waiter(void)
{
	return &store.wait;
}

int xenbus_start(struct xenstore_domain_interface *page, evtchn_port_t port)
{
	int result;

	os_lock(&store.lock);
	store.page = page;
	store.port = port;
	store.broken = store.answered = store.wanted = false;
	store.taken = 0;
	os_unlock(&store.lock);
	result = os_event_attach(port, event, NULL);
	for (struct xenbus_watch *watch = store.watches; watch && !result; watch = watch->next)
		result = ask_watch(XS_WATCH, watch);
	return result;
}
