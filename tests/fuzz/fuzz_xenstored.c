// SPDX-License-Identifier: MIT
/*
 * Fuzzes what guests send to xenstored, and the journal's reader. The input is a row of steps:
 *
 *	c t x n payload		connection c (0: dom0, 1 and 2: guests), type t, transaction x, n bytes; t above the
 *				protocol's types: 0xf0 reads the output, 0xf1 ends a domain, 0xf2 introduces it again
 *	0xff rest		the rest as a journal
 *
 * At the end the journal of all that was done must make the same store, and the counts must be right.
 */
#include <stdint.h>
#include <stdlib.h>
#include "../tools/store_driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct store *s;

static struct conn *conn_of_domain(uint32_t domid)
{
	struct conn *c;

	TAILQ_FOREACH(c, &s->conns, next)
		if (c->domid == domid)
			return c;
	return NULL;
}

static void step(uint8_t who, uint8_t type, uint8_t tx, const uint8_t *payload, size_t len)
{
	struct conn *c = conn_of_domain(who % 3);
	uint32_t domid = who % 3;

	if (type == 0xf0 && c) {
		drain(c);
	} else if (type == 0xf1 && domid) {
		store_domain_ended(s, domid, tx & 1);
	} else if (type == 0xf2 && domid) {
		store_introduce(s, domid, tx, len);
	} else if (type < 0xf0 && c) {
		if (!conn_may_run(c))
			drain(c);
		request(c, type, tx, payload, len);
	}
}

static void read_journal(const uint8_t *data, size_t size)
{
	struct store *n = store_new(NULL, NULL);

	store_replay(n, data, size, NULL);
	store_free(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf base = { 0 }, answer = { 0 };
	struct conn *dom0;
	const char *check = "check";

	s = store_new(&driver_host, &s);
	dom0 = conn_new(s, 0, 0, false, false);
	store_set_node(s, "/g", NULL, 0, &(struct perm){ 0, 3 }, 1);
	store_introduce(s, 1, 1, 1);
	store_introduce(s, 2, 2, 2);
	image_of(s, &base);
	s->journal.len = 0;
	while (size >= 4 && data[0] != 0xff) {
		size_t len = data[3] < size - 4 ? data[3] : size - 4;

		step(data[0], data[1], data[2], data + 4, len);
		data += 4 + len;
		size -= 4 + len;
	}
	if (size && data[0] == 0xff)
		read_journal(data + 1, size - 1);
	drain_all(s);
	if (control_request(dom0, 1, &check, &answer) || !journal_makes_same(&base, s))
		abort();
	buf_free(&base);
	buf_free(&answer);
	store_free(s);
	return 0;
}
