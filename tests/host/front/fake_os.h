// SPDX-License-Identifier: MIT
/*
 * An operating system, a store and a grant table for the frontends under test, all in one program.
 *
 * Pages are host memory and a frame is its page's address / 4096. The store is a list of nodes; requests are read off
 * the page that the frontends share with it and answered at once, watches included. A test sets nodes as the other
 * domain (fake_write), which fires watches, and looks at what the frontends wrote (fake_read).
 */
#ifndef TESTS_FAKE_OS_H
#define TESTS_FAKE_OS_H

#include "os.h"
#include "xenbus.h"

#define FAKE_GRANTS	4096u
#define FAKE_PORTS	64u

struct fake_grant {
	bool taken, mapped, readonly;	/* mapped: the backend holds it, ending fails */
	domid_t to;
	uint64_t frame;
};

struct fake_port {
	os_event_t handler;
	void *argument;
	unsigned int notified;		/* by the frontend */
	unsigned int vcpu;
};

extern struct fake_grant fake_grants[FAKE_GRANTS];
extern struct fake_port fake_ports[FAKE_PORTS];
extern unsigned int fake_pages, fake_pieces;	/* that are allocated */
extern bool fake_quiet;				/* os_log says nothing */
/* What os_wait calls: the other side's turn. Returns false where it has nothing to do: the test hangs, and fails. */
extern bool (*fake_other_side)(void);
/* Refuse allocations from the n-th on (0: never), pages and pieces alike. */
extern unsigned int fake_memory_left;

/* All as at the start of the world, with xenbus started. */
void fake_start(void);
/* Whether no page, piece or grant is taken any more; says what is. */
bool fake_nothing_left(void);
/* Frees what the frontends gave up because a backend keeps it, so that it is no leak of the test's. */
void fake_forget_pages(void);

void fake_write(const char *path, const char *value);
void fake_remove(const char *path);
/* NULL where there is no such node. Paths of the guest are kept as "/local/domain/1/...". */
const char *fake_read(const char *path);
unsigned long fake_number(const char *path);

/* Page that a reference names, or NULL where it is not granted (or not for writing, when that is asked). */
void *fake_map(uint32_t ref, bool write);
void fake_event(evtchn_port_t port);

#endif
