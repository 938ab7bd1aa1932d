// SPDX-License-Identifier: MIT
/*
 * The ends of a shared ring (xen/io/ring.h): two honest ends, and ends whose other side lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <xen/io/blkif.h>

static _Alignas(4096) unsigned char page[4096];
static struct xen_ring_end front, back;

static int fresh_ring(void **state)
{
	(void)state;
	memset(page, 0, sizeof(page));
	xen_ring_front_init(&front, page, sizeof(page), BLKIF_SLOT_BYTES);
	xen_ring_back_init(&back, page, sizeof(page), BLKIF_SLOT_BYTES, 0, 0);
	return 0;
}

static void put_request(uint64_t id)
{
	struct blkif_request request = { .id = id };

	xen_ring_put(&front, &request, sizeof(request));
}

static void answer_next(void)
{
	struct blkif_request request;
	struct blkif_response response;

	xen_ring_get(&back, &request, sizeof(request));
	response = (struct blkif_response){ .id = request.id };
	xen_ring_put(&back, &response, sizeof(response));
}

static void what_is_put_is_read_in_order_across_the_wrap_of_indexes(void **state)
{
	(void)state;
	front.mine = front.shown = front.cons = back.mine = back.shown = back.cons = (RING_IDX)-5;
	((struct xen_ring_head *)page)->req_prod = ((struct xen_ring_head *)page)->rsp_prod = (RING_IDX)-5;
	for (uint64_t id = 0; id < 10; id++)
		put_request(id);
	assert_int_equal(xen_ring_back_waiting(&back), 0);
	xen_ring_front_push(&front);
	assert_int_equal(xen_ring_back_waiting(&back), 10);
	for (int i = 0; i < 10; i++)
		answer_next();
	assert_int_equal(xen_ring_front_waiting(&front), 0);
	xen_ring_back_push(&back);
	assert_int_equal(xen_ring_front_waiting(&front), 10);
	for (uint64_t id = 0; id < 10; id++) {
		struct blkif_response response;

		xen_ring_get(&front, &response, sizeof(response));
		assert_int_equal(response.id, id);
	}
	assert_int_equal(xen_ring_front_waiting(&front), 0);
}

static void notification_is_wanted_only_when_the_event_index_is_passed(void **state)
{
	(void)state;
	put_request(1);
	assert_true(xen_ring_front_push(&front));
	put_request(2);
	assert_false(xen_ring_front_push(&front));
	answer_next();
	answer_next();
	assert_int_equal(xen_ring_back_sleep(&back, 3), 0);
	put_request(3);
	assert_false(xen_ring_front_push(&front));
	put_request(4);
	put_request(5);
	assert_true(xen_ring_front_push(&front));
}

static void sleeping_end_sees_what_came_before_it_asked(void **state)
{
	(void)state;
	put_request(1);
	xen_ring_front_push(&front);
	assert_int_equal(xen_ring_back_sleep(&back, 1), 1);
	answer_next();
	xen_ring_back_push(&back);
	assert_int_equal(xen_ring_front_sleep(&front, 1), 1);
}

static void full_ring_has_no_free_slot_until_a_response_is_read(void **state)
{
	struct blkif_response response;

	(void)state;
	for (uint64_t id = 0; id < 32; id++)
		put_request(id);
	assert_int_equal(xen_ring_front_free(&front), 0);
	xen_ring_front_push(&front);
	answer_next();
	xen_ring_back_push(&back);
	assert_int_equal(xen_ring_front_free(&front), 0);
	xen_ring_get(&front, &response, sizeof(response));
	assert_int_equal(xen_ring_front_free(&front), 1);
}

static void impossible_indexes_are_seen_by_either_end(void **state)
{
	struct xen_ring_head *head = (struct xen_ring_head *)page;

	(void)state;
	head->rsp_prod = 1;	/* a response to nothing */
	assert_int_equal(xen_ring_front_waiting(&front), -1);
	head->rsp_prod = (RING_IDX)-1;
	assert_int_equal(xen_ring_front_waiting(&front), -1);
	head->req_prod = 33;	/* more than there are slots */
	assert_int_equal(xen_ring_back_waiting(&back), -1);
	head->req_prod = 32;
	assert_int_equal(xen_ring_back_waiting(&back), 32);
	answer_next();
	head->req_prod = 0;	/* takes back what was taken */
	assert_int_equal(xen_ring_back_waiting(&back), -1);
	head->req_prod = 33;	/* answered, and shown or not: that slot is the frontend's again */
	assert_int_equal(xen_ring_back_waiting(&back), 32);
}

static void backend_goes_on_where_its_records_say(void **state)
{
	struct blkif_request request;

	(void)state;
	for (uint64_t id = 0; id < 4; id++)
		put_request(id);
	xen_ring_front_push(&front);
	answer_next();
	xen_ring_back_push(&back);
	xen_ring_back_init(&back, page, sizeof(page), BLKIF_SLOT_BYTES, 1, 2);
	assert_int_equal(xen_ring_back_waiting(&back), 2);
	xen_ring_get(&back, &request, sizeof(request));
	assert_int_equal(request.id, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_put_is_read_in_order_across_the_wrap_of_indexes, fresh_ring),
		cmocka_unit_test_setup(notification_is_wanted_only_when_the_event_index_is_passed, fresh_ring),
		cmocka_unit_test_setup(sleeping_end_sees_what_came_before_it_asked, fresh_ring),
		cmocka_unit_test_setup(full_ring_has_no_free_slot_until_a_response_is_read, fresh_ring),
		cmocka_unit_test_setup(impossible_indexes_are_seen_by_either_end, fresh_ring),
		cmocka_unit_test_setup(backend_goes_on_where_its_records_say, fresh_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
