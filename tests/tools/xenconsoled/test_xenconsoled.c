// SPDX-License-Identifier: MIT
/* The console daemon's pure part: rings of guests that lie, the backlog across restarts, logs that take turns, the rate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "backlog.h"
#include "logfile.h"
#include "rate.h"
#include "ring.h"

static struct xencons_interface page;

static void guest_says(const char *text)
{
	while (*text)
		page.out[page.out_prod++ % RING_OUT_SIZE] = *text++;
}

static void output_comes_in_order_across_the_end_of_the_ring(void **state)
{
	struct ring r;
	uint8_t bytes[RING_OUT_SIZE];

	memset(&page, 0, sizeof(page));
	page.out_cons = page.out_prod = 0xfffffffcu;
	ring_attach(&r, &page);
	guest_says("over the edge");
	assert_int_equal(ring_peek(&r, bytes, sizeof(bytes)), 13);
	assert_memory_equal(bytes, "over the edge", 13);
	ring_taken(&r, 5);
	assert_int_equal(page.out_cons, 1);
	assert_int_equal(ring_peek(&r, bytes, 4), 4);
	assert_memory_equal(bytes, "the ", 4);
}

static void full_output_ring_is_taken_whole(void **state)
{
	struct ring r;
	uint8_t bytes[RING_OUT_SIZE];

	memset(&page, 'x', sizeof(page));
	page.out_cons = 77;
	page.out_prod = 77 + RING_OUT_SIZE;
	ring_attach(&r, &page);
	assert_int_equal(ring_peek(&r, bytes, sizeof(bytes)), RING_OUT_SIZE);
	assert_false(r.nonsense);
}

static void output_index_beyond_the_ring_counts_as_no_output(void **state)
{
	struct ring r;
	uint8_t bytes[RING_OUT_SIZE];

	memset(&page, 0, sizeof(page));
	ring_attach(&r, &page);
	page.out_prod = RING_OUT_SIZE + 1;
	assert_int_equal(ring_peek(&r, bytes, sizeof(bytes)), 0);
	assert_true(r.nonsense);
	page.out_prod = (uint32_t)-1;
	assert_int_equal(ring_peek(&r, bytes, sizeof(bytes)), 0);
	page.out_prod = 1;
	assert_int_equal(ring_peek(&r, bytes, sizeof(bytes)), 1);
	assert_false(r.nonsense);
}

static void guest_that_moves_our_index_changes_nothing(void **state)
{
	struct ring r;
	uint8_t bytes[RING_OUT_SIZE];

	memset(&page, 0, sizeof(page));
	ring_attach(&r, &page);
	guest_says("abc");
	page.out_cons = 2;
	page.in_prod = 500;
	assert_int_equal(ring_peek(&r, bytes, sizeof(bytes)), 3);
	ring_taken(&r, 3);
	assert_int_equal(page.out_cons, 3);
	assert_int_equal(ring_put(&r, (const uint8_t *)"x", 1), 1);
	assert_int_equal(page.in_prod, 1);
}

static void input_stops_where_the_guest_has_not_read(void **state)
{
	struct ring r;
	uint8_t bytes[RING_IN_SIZE + 10];

	memset(bytes, 'i', sizeof(bytes));
	memset(&page, 0, sizeof(page));
	ring_attach(&r, &page);
	assert_int_equal(ring_put(&r, bytes, sizeof(bytes)), RING_IN_SIZE);
	assert_int_equal(ring_room(&r), 0);
	page.in_cons = 7;
	assert_int_equal(ring_put(&r, bytes, sizeof(bytes)), 7);
	page.in_cons = page.in_prod + 1;
	assert_int_equal(ring_room(&r), 0);
	assert_true(r.nonsense);
}

static void ring_is_taken_up_where_a_daemon_before_has_stopped(void **state)
{
	struct ring r;
	uint8_t bytes[RING_OUT_SIZE];

	memset(&page, 0, sizeof(page));
	guest_says("0123456789");
	/* It had taken four, and died before it could say so. */
	assert_true(ring_resume(&r, &page, 4));
	assert_int_equal(page.out_cons, 4);
	assert_int_equal(ring_peek(&r, bytes, sizeof(bytes)), 6);
	assert_memory_equal(bytes, "456789", 6);
	assert_false(ring_resume(&r, &page, 11));
	assert_int_equal(r.out_cons, 4);
}

/* --- the backlog ---------------------------------------------------------------------------- */

static const struct backlog_owner owner = { .domid = 5, .port = 2, .frame = 1234, .uuid = "fifteen letters" };

static struct backlog *new_backlog(uint32_t size)
{
	struct backlog *b = calloc(1, BACKLOG_HEAD + size);

	backlog_init(b, size, &owner, 100);
	return b;
}

static void viewer_that_is_behind_gets_what_is_still_there(void **state)
{
	struct backlog *b = new_backlog(2048);
	uint8_t bytes[4096];
	uint64_t pos = 0;

	for (int i = 0; i < 3000; i++)
		backlog_add(b, (const uint8_t[]){ i % 251 }, 1);
	assert_int_equal(backlog_start(b), 3000 - 2048);
	assert_int_equal(backlog_read(b, &pos, bytes, sizeof(bytes)), 2048);
	assert_int_equal(pos, 3000);
	for (int i = 0; i < 2048; i++)
		assert_int_equal(bytes[i], (i + 3000 - 2048) % 251);
	assert_int_equal(backlog_read(b, &pos, bytes, sizeof(bytes)), 0);
	assert_int_equal(backlog_cons(b), 3100);
	free(b);
}

static void backlog_of_another_domain_or_size_is_not_gone_on_with(void **state)
{
	struct backlog *b = new_backlog(2048);
	struct backlog_owner other = owner;

	assert_true(backlog_usable(b, BACKLOG_HEAD + 2048, &owner));
	assert_false(backlog_usable(b, BACKLOG_HEAD + 2047, &owner));
	assert_false(backlog_usable(b, 100, &owner));
	other.uuid[3]++;
	assert_false(backlog_usable(b, BACKLOG_HEAD + 2048, &other));
	other = owner;
	other.port++;
	assert_false(backlog_usable(b, BACKLOG_HEAD + 2048, &other));
	b->size = 3000;
	assert_false(backlog_usable(b, BACKLOG_HEAD + 4096, &owner));
	b->size = 2048;
	b->logged = 1;
	assert_false(backlog_usable(b, BACKLOG_HEAD + 2048, &owner));
	free(b);
}

static void interrupted_write_to_the_log_is_seen(void **state)
{
	struct backlog *b = new_backlog(2048);

	assert_false(backlog_log_broken(b));
	backlog_add(b, (const uint8_t *)"one\ntwo", 7);
	assert_true(backlog_line_open(b, 7));
	assert_false(backlog_line_open(b, 4));
	assert_false(backlog_line_open(b, 0));
	backlog_log_begin(b, 9, 1000);
	assert_true(backlog_log_broken(b));
	backlog_log_done(b, 7);
	assert_false(backlog_log_broken(b));
	free(b);
}

/* --- logs ----------------------------------------------------------------------------------- */

static unsigned int complaints;

static void complain(const char *what, const char *path)
{
	complaints++;
}

static void each_line_gets_one_stamp(void **state)
{
	struct log_style style = { "[now] ", true };
	bool line_open = false;
	char to[LOG_TEXT_MAX(64)];
	size_t n = log_text(to, (const uint8_t *)"a\n\nb\x1b[0m", 8, &style, &line_open);

	assert_int_equal(n, 26);
	assert_memory_equal(to, "[now] a\n[now] \n[now] b.[0m", 26);
	assert_true(line_open);
	n = log_text(to, (const uint8_t *)"c\n", 2, &style, &line_open);
	assert_memory_equal(to, "c\n", 2);
	assert_int_equal(n, 2);
	assert_false(line_open);
}

static uint64_t file_size(const char *path, unsigned int n)
{
	char name[256];
	struct stat st;

	snprintf(name, sizeof(name), n ? "%s.%u" : "%s", path, n);
	return stat(name, &st) ? UINT64_MAX : (uint64_t)st.st_size;
}

static void logs_take_turns_and_the_oldest_goes(void **state)
{
	char folder[] = "/tmp/logXXXXXX", path[64], name[80];
	struct logfile l;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/log", folder);
	complaints = 0;
	assert_true(logfile_open(&l, path, 100, 2, complain));
	for (int i = 0; i < 12; i++) {
		logfile_prepare(&l, 40, complain);
		logfile_write(&l, "0123456789012345678901234567890123456789", 40, complain);
	}
	assert_int_equal(file_size(path, 0), 80);
	assert_int_equal(file_size(path, 1), 80);
	assert_int_equal(file_size(path, 2), 80);
	assert_int_equal(file_size(path, 3), UINT64_MAX);
	/* One piece that is larger than the limit still gets a file. */
	logfile_prepare(&l, 200, complain);
	for (int i = 0; i < 5; i++)
		logfile_write(&l, "0123456789012345678901234567890123456789", 40, complain);
	assert_int_equal(file_size(path, 0), 200);
	logfile_cut(&l, l.inode + 1, 10);
	assert_int_equal(file_size(path, 0), 200);
	logfile_cut(&l, l.inode, 10);
	assert_int_equal(file_size(path, 0), 10);
	assert_int_equal(complaints, 0);
	logfile_close(&l);
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), i ? "%s.%u" : "%s", path, i);
		unlink(name);
	}
	assert_int_equal(rmdir(folder), 0);
}

static void log_that_can_not_be_written_is_told_once(void **state)
{
	struct logfile l;

	complaints = 0;
	assert_true(logfile_open(&l, "/dev/full", 0, 2, complain));
	for (int i = 0; i < 3; i++)
		logfile_write(&l, "x", 1, complain);
	assert_int_equal(complaints, 1);
	logfile_close(&l);
	assert_false(logfile_open(&l, "/dev/null/no", 0, 2, complain));
	assert_int_equal(complaints, 2);
	logfile_write(&l, "x", 1, complain);
	logfile_close(&l);
}

/* --- the rate ------------------------------------------------------------------------------- */

static void flood_is_held_to_the_rate(void **state)
{
	struct rate r;
	uint64_t now = 5, taken = 0;

	rate_init(&r, now, 10000);
	for (; now < 10000000000ull; now += 100000)
		while (rate_allows(&r, now, 10000)) {
			rate_charge(&r, 2048);
			taken += 2048;
		}
	assert_in_range(taken, 100000 - 2048, 100000 + 2500 + 2 * 2048);
}

static void bell_without_bytes_costs_too(void **state)
{
	struct rate r;
	unsigned int times = 0;

	rate_init(&r, 0, 1 << 20);
	while (rate_allows(&r, 1000, 1 << 20)) {
		rate_charge(&r, 0);
		times++;
	}
	assert_int_equal(times, (1 << 18) / RATE_EVENT + 1);
	assert_true(rate_allows(&r, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_comes_in_order_across_the_end_of_the_ring),
		cmocka_unit_test(full_output_ring_is_taken_whole),
		cmocka_unit_test(output_index_beyond_the_ring_counts_as_no_output),
		cmocka_unit_test(guest_that_moves_our_index_changes_nothing),
		cmocka_unit_test(input_stops_where_the_guest_has_not_read),
		cmocka_unit_test(ring_is_taken_up_where_a_daemon_before_has_stopped),
		cmocka_unit_test(viewer_that_is_behind_gets_what_is_still_there),
		cmocka_unit_test(backlog_of_another_domain_or_size_is_not_gone_on_with),
		cmocka_unit_test(interrupted_write_to_the_log_is_seen),
		cmocka_unit_test(each_line_gets_one_stamp),
		cmocka_unit_test(logs_take_turns_and_the_oldest_goes),
		cmocka_unit_test(log_that_can_not_be_written_is_told_once),
		cmocka_unit_test(flood_is_held_to_the_rate),
		cmocka_unit_test(bell_without_bytes_costs_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
