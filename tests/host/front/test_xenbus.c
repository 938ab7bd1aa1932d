// SPDX-License-Identifier: MIT
/*
 * The client of the store, the console's rings and the balloon, in the world of fake_os.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "balloon.h"
#include "consfront.h"
#include "fake_os.h"

static int fresh_world(void **state)
{
	(void)state;
	fake_start();
	fake_quiet = false;
	return 0;
}

/* ---- requests ---- */

static void nodes_are_written_read_listed_and_removed(void **state)
{
	char value[64], names[64];
	uint64_t number;

	(void)state;
	assert_int_equal(xenbus_write(0, "data", "name", "some text"), 0);
	assert_string_equal(fake_read("data/name"), "some text");
	assert_int_equal(xenbus_read(0, "data", "name", value, sizeof(value)), 9);
	assert_string_equal(value, "some text");
	assert_int_equal(xenbus_write_number(0, "data/number", NULL, 4294967296), 0);
	assert_int_equal(xenbus_read_number(0, "data", "number", &number), 0);
	assert_int_equal(number, 4294967296);
	assert_int_equal(xenbus_directory(0, "data", names, sizeof(names)), 12);
	assert_memory_equal(names, "name\0number\0", 12);
	assert_int_equal(xenbus_remove(0, "data", "name"), 0);
	assert_int_equal(xenbus_read(0, "data", "name", value, sizeof(value)), -XEN_ENOENT);
	assert_int_equal(xenbus_number_or("data", "name", 7), 7);
}

static void value_that_does_not_fit_is_an_error(void **state)
{
	char value[4];
	uint64_t number;

	(void)state;
	fake_write("data", "four");
	assert_int_equal(xenbus_read(0, "data", NULL, value, sizeof(value)), -XEN_ENOSPC);
	assert_int_equal(xenbus_read_number(0, "data", NULL, &number), -XEN_EINVAL);
	fake_write("data", "");
	assert_int_equal(xenbus_read_number(0, "data", NULL, &number), -XEN_EINVAL);
}

static void request_longer_than_the_page_goes_through_it(void **state)
{
	static char name[3000], value[8];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(xenbus_read(0, name, NULL, value, sizeof(value)), -XEN_ENOENT);
	assert_int_equal(xenbus_write(0, "a", "b", "after it"), 0);
	assert_string_equal(fake_read("a/b"), "after it");
}

static void transaction_is_begun_and_ended(void **state)
{
	uint32_t tx = 0;

	(void)state;
	assert_int_equal(xenbus_transaction_start(&tx), 0);
	assert_int_equal(tx, 1);
	assert_int_equal(xenbus_transaction_end(tx, false), 0);
}

/* ---- watches ---- */

static unsigned int changes;

static void count(struct xenbus_watch *watch)
{
	(void)watch;
	changes++;
}

static void watch_fires_for_changes_together_and_not_after_its_end(void **state)
{
	struct xenbus_watch watch = { .path = "data", .changed = count };

	(void)state;
	changes = 0;
	assert_int_equal(xenbus_watch(&watch), 0);
	assert_int_equal(xenbus_poll(), 1);
	fake_write("elsewhere", "1");
	assert_int_equal(xenbus_poll(), 0);
	for (unsigned int i = 0; i < 500; i++)
		fake_write("data/below", "1");
	/* As often as the store could fill its page: not once for each. */
	assert_in_range(xenbus_poll(), 1, 50);
	assert_int_equal(xenbus_poll(), 0);
	fake_write("data", "1");
	xenbus_unwatch(&watch);
	changes = 0;
	fake_write("data", "2");
	assert_int_equal(xenbus_poll(), 0);
	assert_int_equal(changes, 0);
}

static void ask_again(struct xenbus_watch *watch)
{
	char value[8];

	assert_int_equal(xenbus_read(0, watch->path, NULL, value, sizeof(value)), 1);
	changes++;
}

static void callback_may_ask_the_store(void **state)
{
	struct xenbus_watch watch = { .path = "data", .changed = ask_again };

	(void)state;
	changes = 0;
	fake_write("data", "1");
	xenbus_watch(&watch);
	fake_write("data", "2");
	assert_true(xenbus_poll() > 0);
	assert_true(changes > 0);
	xenbus_unwatch(&watch);
}

static void devices_are_listed(void **state)
{
	unsigned int numbers[2];

	(void)state;
	assert_int_equal(xenbus_devices("vif", numbers, 2), 0);
	fake_write("device/vif/0", "");
	fake_write("device/vif/12", "");
	fake_write("device/vif/3", "");
	assert_int_equal(xenbus_devices("vif", numbers, 2), 3);
	assert_int_equal(numbers[1], 12);
}

/* ---- a store that breaks the protocol ---- */

static struct xenstore_domain_interface bad_page;
static XENSTORE_RING_IDX bad_prod;
static uint32_t bad_length;

/* The store answers with a message of a length that can't be, or with an index that can't be. */
static bool answer_badly(void)
{
	struct xsd_sockmsg head = { .type = XS_READ, .req_id = 1, .len = bad_length };

	memcpy(bad_page.rsp, &head, sizeof(head));
	bad_page.rsp_prod = bad_prod;
	fake_event(1);
	return true;
}

static void store_that_lies_is_not_asked_again(void **state)
{
	char value[8];

	for (unsigned int kind = 0; kind < 2; kind++) {
		fresh_world(state);
		fake_quiet = true;
		memset(&bad_page, 0, sizeof(bad_page));
		bad_prod = kind ? 1025 : 16;
		bad_length = kind ? 0 : 4097;
		fake_other_side = answer_badly;
		/* Nobody serves this page but the function above. */
		xenbus_start(&bad_page, 1);
		assert_int_equal(xenbus_read(0, "data", NULL, value, sizeof(value)), -XEN_EIO);
		assert_int_equal(xenbus_read(0, "data", NULL, value, sizeof(value)), -XEN_EIO);
	}
}

/* ---- console ---- */

static void console_takes_what_fits_and_gives_what_came(void **state)
{
	static struct xencons_interface page;
	struct consfront console = { &page, 5 };
	static char text[4000];
	char in[16];

	(void)state;
	memset(&page, 0, sizeof(page));
	page.out_prod = page.out_cons = (uint32_t)-100;
	memset(text, 'o', sizeof(text));
	assert_int_equal(consfront_write(&console, text, sizeof(text)), sizeof(page.out));
	assert_int_equal(consfront_write(&console, text, 1), 0);
	page.out_cons += 10;
	assert_int_equal(consfront_write(&console, text, 100), 10);
	assert_int_equal(consfront_read(&console, in, sizeof(in)), 0);
	memcpy(page.in, "typed", 5);
	page.in_prod = 5;
	assert_int_equal(consfront_read(&console, in, 3), 3);
	assert_int_equal(consfront_read(&console, in + 3, sizeof(in)), 2);
	assert_memory_equal(in, "typed", 5);
}

static void console_with_impossible_indexes_is_silent(void **state)
{
	static struct xencons_interface page;
	struct consfront console = { &page, 5 };
	char in[16];

	(void)state;
	memset(&page, 0, sizeof(page));
	page.in_prod = 1025;
	assert_int_equal(consfront_read(&console, in, sizeof(in)), 0);
	page.out_cons = 1;
	assert_int_equal(consfront_write(&console, "x", 1), 0);
	page.out_cons = (uint32_t)-3000;
	assert_int_equal(consfront_write(&console, "x", 1), 0);
}

/* ---- balloon ---- */

static void balloon_follows_its_target_within_its_limit(void **state)
{
	struct balloon balloon;

	(void)state;
	fake_write("memory/target", "4000");
	assert_int_equal(balloon_start(&balloon, 1000, 500), 0);
	xenbus_poll();
	assert_int_equal(balloon.pages, 1000);
	fake_write("memory/target", "2400");
	xenbus_poll();
	assert_int_equal(balloon.pages, 600);
	fake_write("memory/target", "1");
	xenbus_poll();
	assert_int_equal(balloon.pages, 500);
	fake_write("memory/target", "nonsense");
	xenbus_poll();
	assert_int_equal(balloon.pages, 500);
	fake_write("memory/target", "8000");
	xenbus_poll();
	assert_int_equal(balloon.pages, 1000);
	xenbus_unwatch(&balloon.watch);
	os_free(balloon.given);
	assert_true(fake_nothing_left());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nodes_are_written_read_listed_and_removed, fresh_world),
		cmocka_unit_test_setup(value_that_does_not_fit_is_an_error, fresh_world),
		cmocka_unit_test_setup(request_longer_than_the_page_goes_through_it, fresh_world),
		cmocka_unit_test_setup(transaction_is_begun_and_ended, fresh_world),
		cmocka_unit_test_setup(watch_fires_for_changes_together_and_not_after_its_end, fresh_world),
		cmocka_unit_test_setup(callback_may_ask_the_store, fresh_world),
		cmocka_unit_test_setup(devices_are_listed, fresh_world),
		cmocka_unit_test_setup(store_that_lies_is_not_asked_again, fresh_world),
		cmocka_unit_test_setup(console_takes_what_fits_and_gives_what_came, fresh_world),
		cmocka_unit_test_setup(console_with_impossible_indexes_is_silent, fresh_world),
		cmocka_unit_test_setup(balloon_follows_its_target_within_its_limit, fresh_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
