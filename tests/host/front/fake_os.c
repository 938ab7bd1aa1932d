// SPDX-License-Identifier: MIT
/*
 * The world around the frontends (fake_os.h).
 */
#include "fake_os.h"

#include <stdarg.h>
#include <stdlib.h>

#define HOME		"/local/domain/1/"
#define STORE_PORT	1u
#define MAX_NODES	256
#define MAX_RUNS	8192
#define MAX_WATCHES	16

struct fake_grant fake_grants[FAKE_GRANTS];
struct fake_port fake_ports[FAKE_PORTS];
unsigned int fake_pages, fake_pieces, fake_memory_left;
bool fake_quiet;
bool (*fake_other_side)(void);

static void *runs[MAX_RUNS];		/* of pages, that are allocated */
static struct xenstore_domain_interface page;
static struct {
	char path[160], value[160];
} nodes[MAX_NODES];
static struct {
	char path[160], token[16];
} watches[MAX_WATCHES];
static char message[4096 + 17];
static size_t message_bytes;
static char backlog[65536];		/* answers that the page has no room for yet */
static size_t backlog_first, backlog_last;

/* ---- memory ---- */

static bool memory_refused(void)
{
	if (fake_memory_left > 1)
		fake_memory_left--;
	return fake_memory_left == 1;
}

/* Where in `runs`, near the place that an address has, `what` is. */
static void **place_of(const void *address, const void *what)
{
	size_t at = (uintptr_t)address / OS_PAGE_SIZE % MAX_RUNS;

	for (int i = 0; i < MAX_RUNS; i++, at = (at + 1) % MAX_RUNS)
		if (runs[at] == what)
			return &runs[at];
	abort();
}

void *os_alloc(size_t bytes)
{
	void *piece = memory_refused() ? NULL : calloc(1, bytes);

	fake_pieces += piece != NULL;
	return piece;
}

void os_free(void *memory)
{
	fake_pieces -= memory != NULL;
	free(memory);
}

void *os_pages_alloc(unsigned int count)
{
	void *run = memory_refused() ? NULL : aligned_alloc(OS_PAGE_SIZE, count * OS_PAGE_SIZE);

	if (run) {
		memset(run, 0, count * OS_PAGE_SIZE);
		fake_pages += count;
		*place_of(run, NULL) = run;
	}
	return run;
}

void os_pages_free(void *first, unsigned int count)
{
	fake_pages -= count;
	*place_of(first, first) = NULL;
	free(first);
}

void fake_forget_pages(void)
{
	for (int i = 0; i < MAX_RUNS; i++) {
		free(runs[i]);
		runs[i] = NULL;
	}
}

uint64_t os_frame(const void *address)
{
	return (uintptr_t)address / OS_PAGE_SIZE;
}

/* ---- grants and events ---- */

static uint32_t next_grant;

int os_grant(domid_t to, uint64_t frame, bool readonly, grant_ref_t *ref)
{
	for (unsigned int tries = 0; tries < FAKE_GRANTS; tries++) {
		uint32_t i = next_grant++ % (FAKE_GRANTS - 8) + 8;

		if (fake_grants[i].taken)
			continue;
		fake_grants[i] = (struct fake_grant){ .taken = true, .readonly = readonly, .to = to, .frame = frame };
		*ref = i;
		return 0;
	}
	return -XEN_ENOSPC;
}

bool os_grant_end(grant_ref_t ref)
{
	if (!fake_grants[ref].taken)
		abort();
	if (fake_grants[ref].mapped)
		return false;
	fake_grants[ref].taken = false;
	return true;
}

void *fake_map(uint32_t ref, bool write)
{
	if (ref >= FAKE_GRANTS || !fake_grants[ref].taken || (write && fake_grants[ref].readonly))
		return NULL;
	return (void *)(uintptr_t)(fake_grants[ref].frame * OS_PAGE_SIZE);
}

int os_event_attach(evtchn_port_t port, os_event_t handler, void *argument)
{
	fake_ports[port] = (struct fake_port){ .handler = handler, .argument = argument };
	return 0;
}

int os_event_open(domid_t remote, unsigned int vcpu, os_event_t handler, void *argument, evtchn_port_t *port)
{
	(void)remote;
	for (*port = STORE_PORT + 1; *port < FAKE_PORTS; ++*port) {
		if (fake_ports[*port].handler)
			continue;
		os_event_attach(*port, handler, argument);
		fake_ports[*port].vcpu = vcpu;
		return 0;
	}
	return -XEN_ENOSPC;
}

void os_event_close(evtchn_port_t port)
{
	if (!fake_ports[port].handler)
		abort();
	fake_ports[port].handler = NULL;
}

void fake_event(evtchn_port_t port)
{
	if (port < FAKE_PORTS && fake_ports[port].handler)
		fake_ports[port].handler(fake_ports[port].argument);
}

/* ---- locks and waiting ---- */

void os_lock(struct os_lock *lock)
{
	if (lock->taken++)
		abort();	/* one task: nobody will ever give it back */
}

void os_unlock(struct os_lock *lock)
{
	if (--lock->taken)
		abort();
}

uint32_t os_wait_key(struct os_wait *wait)
{
	return wait->count;
}

void os_wake(struct os_wait *wait)
{
	wait->count++;
}

void os_wait(struct os_wait *wait, uint32_t key)
{
	while (wait->count == key) {
		if (!fake_other_side || !fake_other_side()) {
			fprintf(stderr, "# the frontend sleeps and nobody will wake it\n");
			abort();
		}
	}
}

void os_log(const char *format, ...)
{
	va_list args;

	if (fake_quiet)
		return;
	va_start(args, format);
	fputs("# ", stdout);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
}

/* ---- the balloon's ---- */

long os_memory_op(unsigned int command, void *argument)
{
	(void)command, (void)argument;
	return 1;
}

uint64_t os_page_unback(void *unbacked)
{
	return os_frame(unbacked);
}

void os_page_back(void *backed, uint64_t frame)
{
	(void)backed, (void)frame;
}

uint64_t os_page_pfn(const void *of)
{
	return os_frame(of);
}

/* ---- the store ---- */

static const char *absolute(const char *path)
{
	static char full[256];

	if (path[0] == '/')
		return path;
	snprintf(full, sizeof(full), HOME "%s", path);
	return full;
}

static int find(const char *path)
{
	for (int i = 0; i < MAX_NODES; i++)
		if (nodes[i].path[0] && !strcmp(nodes[i].path, path))
			return i;
	return -1;
}

static void flush(void)
{
	while (backlog_first < backlog_last && page.rsp_prod - page.rsp_cons < XENSTORE_RING_SIZE)
		page.rsp[MASK_XENSTORE_IDX(page.rsp_prod++)] = backlog[backlog_first++];
	if (backlog_first == backlog_last)
		backlog_first = backlog_last = 0;
	fake_event(STORE_PORT);
}

static void answer_bytes(const void *from, size_t bytes)
{
	if (backlog_last + bytes > sizeof(backlog))
		abort();
	memcpy(backlog + backlog_last, from, bytes);
	backlog_last += bytes;
}

static void answer(uint32_t type, uint32_t id, const void *body, size_t bytes)
{
	struct xsd_sockmsg head = { .type = type, .req_id = id, .len = (uint32_t)bytes };

	answer_bytes(&head, sizeof(head));
	answer_bytes(body, bytes);
}

static void fire(const char *path)
{
	for (int i = 0; i < MAX_WATCHES; i++) {
		const char *watched = absolute(watches[i].path);
		size_t length = strlen(watched);
		char body[256];
		int bytes;

		if (!watches[i].token[0] || strncmp(path, watched, length) || (path[length] && path[length] != '/'))
			continue;
		bytes = snprintf(body, sizeof(body), "%s%c%s", path, 0, watches[i].token) + 1;
		answer(XS_WATCH_EVENT, 0, body, (size_t)bytes);
	}
}

void fake_write(const char *path, const char *value)
{
	int at = find(absolute(path));

	for (int i = 0; at < 0 && i < MAX_NODES; i++)
		if (!nodes[i].path[0])
			at = i;
	if (at < 0)
		abort();
	snprintf(nodes[at].path, sizeof(nodes[at].path), "%s", absolute(path));
	snprintf(nodes[at].value, sizeof(nodes[at].value), "%s", value);
	fire(nodes[at].path);
	flush();
}

void fake_remove(const char *path)
{
	int at = find(absolute(path));

	if (at < 0)
		return;
	nodes[at].path[0] = '\0';
	fire(absolute(path));
	flush();
}

const char *fake_read(const char *path)
{
	int at = find(absolute(path));

	return at < 0 ? NULL : nodes[at].value;
}

unsigned long fake_number(const char *path)
{
	const char *value = fake_read(path);

	return value ? strtoul(value, NULL, 10) : 0;
}

static void add_watch(const char *path, const char *token)
{
	for (int i = 0; i < MAX_WATCHES; i++) {
		if (watches[i].token[0])
			continue;
		snprintf(watches[i].path, sizeof(watches[i].path), "%s", path);
		snprintf(watches[i].token, sizeof(watches[i].token), "%s", token);
		return;
	}
	abort();
}

static void drop_watch(const char *token)
{
	for (int i = 0; i < MAX_WATCHES; i++)
		if (!strcmp(watches[i].token, token))
			watches[i].token[0] = '\0';
}

static void error(const struct xsd_sockmsg *head, const char *name)
{
	answer(XS_ERROR, head->req_id, name, strlen(name) + 1);
}

static void serve_directory(const struct xsd_sockmsg *head, const char *path)
{
	size_t length = strlen(absolute(path)), bytes = 0;
	char prefix[160], names[512];

	snprintf(prefix, sizeof(prefix), "%s", absolute(path));
	for (int i = 0; i < MAX_NODES; i++) {
		const char *name = nodes[i].path + length + 1;

		if (!strncmp(nodes[i].path, prefix, length) && nodes[i].path[length] == '/' && !strchr(name, '/'))
			bytes += (size_t)snprintf(names + bytes, sizeof(names) - bytes, "%s", name) + 1;
	}
	if (bytes)
		answer(XS_DIRECTORY, head->req_id, names, bytes);
	else
		error(head, "ENOENT");
}

static void serve(const struct xsd_sockmsg *head, char *body)
{
	const char *second = body + strlen(body) + 1;
	const char *value;

	body[head->len] = '\0';
	switch (head->type) {
	case XS_READ:
		value = fake_read(body);
		if (value)
			answer(XS_READ, head->req_id, value, strlen(value));
		else
			error(head, "ENOENT");
		return;
	case XS_WRITE:
		answer(XS_WRITE, head->req_id, "OK", 3);
		fake_write(body, second);
		return;
	case XS_RM:
		answer(XS_RM, head->req_id, "OK", 3);
		fake_remove(body);
		return;
	case XS_DIRECTORY:
		serve_directory(head, body);
		return;
	case XS_TRANSACTION_START:
		answer(XS_TRANSACTION_START, head->req_id, "1", 2);
		return;
	case XS_TRANSACTION_END:
		answer(XS_TRANSACTION_END, head->req_id, "OK", 3);
		return;
	case XS_WATCH:
		add_watch(body, second);
		answer(XS_WATCH, head->req_id, "OK", 3);
		fire(absolute(body));
		return;
	case XS_UNWATCH:
		drop_watch(second);
		answer(XS_UNWATCH, head->req_id, "OK", 3);
		return;
	default:
		error(head, "EINVAL");
	}
}

/* The frontend told the store: it reads whole requests and answers them. */
static void store_told(void)
{
	struct xsd_sockmsg head;

	while (page.req_cons != page.req_prod && message_bytes < sizeof(message) - 1) {
		message[message_bytes++] = page.req[MASK_XENSTORE_IDX(page.req_cons++)];
		if (message_bytes < sizeof(head))
			continue;
		memcpy(&head, message, sizeof(head));
		if (message_bytes < sizeof(head) + head.len)
			continue;
		message_bytes = 0;
		serve(&head, message + sizeof(head));
	}
	flush();
}

void os_event_notify(evtchn_port_t port)
{
	if (port == STORE_PORT)
		store_told();
	else if (port < FAKE_PORTS)
		fake_ports[port].notified++;
}

void fake_start(void)
{
	memset(fake_grants, 0, sizeof(fake_grants));
	memset(fake_ports, 0, sizeof(fake_ports));
	memset(&page, 0, sizeof(page));
	memset(nodes, 0, sizeof(nodes));
	memset(watches, 0, sizeof(watches));
	message_bytes = backlog_first = backlog_last = 0;
	fake_pages = fake_pieces = fake_memory_left = 0;
	fake_other_side = NULL;
	next_grant = 0;
	xenbus_start(&page, STORE_PORT);
}

bool fake_nothing_left(void)
{
	unsigned int grants = 0;

	for (unsigned int i = 0; i < FAKE_GRANTS; i++)
		grants += fake_grants[i].taken;
	if (fake_pages || fake_pieces || grants)
		fprintf(stderr, "# left: %u pages, %u pieces, %u grants\n", fake_pages, fake_pieces, grants);
	return !fake_pages && !fake_pieces && !grants;
}
