// SPDX-License-Identifier: MIT
/*
 * Fuzzes what a guest can write into its console page, with daemons that come and go. The input is a row of steps of
 * one byte and its arguments:
 *
 *	0 w v3 v2 v1 v0		the guest sets index w (in_cons, in_prod, out_cons, out_prod) to v
 *	1 a n			the guest writes n bytes a into its output and moves its index as it should
 *	2 n			the daemon takes up to 16 n bytes
 *	3 n			the daemon puts n bytes in
 *	4			the daemon dies between taking and telling; another comes
 *	5 at v			a byte of the backlog's file is changed; another daemon comes
 *
 * What must hold: nothing is read or written outside (the sanitizers see to that), the ring never takes more than it
 * holds, the index that the guest sees is the one that belongs to the backlog, and a backlog nobody has changed is
 * always gone on with if the guest's index allows for it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "backlog.h"
#include "logfile.h"
#include "ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_SIZE (BACKLOG_HEAD + 2048)

static const struct backlog_owner owner = { .domid = 1, .port = 2, .frame = 3 };
static struct xencons_interface *page;
static struct backlog *backlog;
static struct ring ring;

static void start(void)
{
	if (backlog_usable(backlog, FILE_SIZE, &owner) && ring_resume(&ring, page, backlog_cons(backlog))) {
		if (page->out_cons != backlog_cons(backlog))
			abort();
		return;
	}
	ring_attach(&ring, page);
	backlog_init(backlog, FILE_SIZE - BACKLOG_HEAD, &owner, ring.out_cons);
}

static void take(size_t most, bool tell)
{
	uint8_t bytes[RING_OUT_SIZE];
	char text[LOG_TEXT_MAX(512)];
	struct log_style style = { "[x] ", true };
	size_t n = ring_peek(&ring, bytes, most < sizeof(bytes) ? most : sizeof(bytes));
	uint64_t pos = backlog->logged;
	bool line_open;

	if (n > RING_OUT_SIZE)
		abort();
	backlog_add(backlog, bytes, n);
	if (tell)
		ring_taken(&ring, n);
	if (tell && page->out_cons != backlog_cons(backlog) && n)
		abort();
	while (pos < backlog->total) {
		line_open = backlog_line_open(backlog, pos);
		n = backlog_read(backlog, &pos, bytes, 512);
		backlog_log_begin(backlog, 1, 2);
		if (log_text(text, bytes, n, &style, &line_open) > sizeof(text))
			abort();
		backlog_log_done(backlog, pos);
	}
}

static void put(size_t n)
{
	uint8_t bytes[255];
	size_t room = ring_room(&ring);

	memset(bytes, 'p', sizeof(bytes));
	if (room > RING_IN_SIZE || ring_put(&ring, bytes, n) > room)
		abort();
}

static size_t step(const uint8_t *p, size_t size)
{
	uint32_t *const indices[] = { &page->in_cons, &page->in_prod, &page->out_cons, &page->out_prod };
	uint8_t what = p[0] % 6;
	static const uint8_t lengths[] = { 6, 3, 2, 2, 1, 4 };
	uint32_t v;

	if (lengths[what] > size)
		return size;
	if (what == 0) {
		memcpy(&v, p + 2, sizeof(v));
		*indices[p[1] % 4] = v;
	} else if (what == 1) {
		for (int i = 0; i < p[2]; i++)
			page->out[page->out_prod++ % RING_OUT_SIZE] = p[1];
	} else if (what == 2) {
		take(p[1] * 16, true);
	} else if (what == 3) {
		put(p[1]);
	} else if (what == 4) {
		take(RING_OUT_SIZE, false);
		start();
	} else {
		((uint8_t *)backlog)[(p[1] | p[2] << 8) % 128] = p[3];
		start();
	}
	return lengths[what];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	page = calloc(1, sizeof(*page));
	backlog = calloc(1, FILE_SIZE);
	start();
	while (size) {
		size_t used = step(data, size);

		data += used;
		size -= used;
	}
	free(page);
	free(backlog);
	return 0;
}
