// SPDX-License-Identifier: MIT
/*
 * The disk's frontend against a backend in the same program: honest ones of several kinds, ones that go away and come
 * back, and ones that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "blkfront.h"
#include "fake_os.h"

#define DEVICE	"device/vbd/51712"
#define BACKEND	"/local/domain/0/backend/vbd/1/51712"
#define SECTORS	2048u
#define MAX_QUEUES 4u

static struct blkfront *disk;
static unsigned char contents[SECTORS * 512];

/* The other side. */
static struct {
	struct xen_ring_end ring[MAX_QUEUES];
	evtchn_port_t port[MAX_QUEUES];
	unsigned int queues, flushes, discards, indirect, largest;
	int16_t status;			/* of all answers */
	bool backwards;			/* answers the last request first */
	bool inner_operation;		/* answers INDIRECT with the operation inside, as Linux does */
} backend;

/* ---- an honest backend ---- */

static void transfer(uint8_t operation, uint64_t sector, const struct blkif_request_segment *segments, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		size_t bytes = (size_t)(segments[i].last_sect - segments[i].first_sect + 1) * 512;
		char *page = fake_map(segments[i].gref, operation == BLKIF_OP_READ);

		assert_non_null(page);
		assert_true(segments[i].first_sect <= segments[i].last_sect && segments[i].last_sect < 8);
		assert_true(sector * 512 + bytes <= sizeof(contents));
		if (operation == BLKIF_OP_READ)
			memcpy(page + segments[i].first_sect * 512, contents + sector * 512, bytes);
		else
			memcpy(contents + sector * 512, page + segments[i].first_sect * 512, bytes);
		sector += bytes / 512;
	}
	if (count > backend.largest)
		backend.largest = count;
}

static struct blkif_response serve(const struct blkif_request *request)
{
	const struct blkif_request_indirect *indirect = (const void *)request;
	struct blkif_response response = { request->id, request->operation, backend.status };

	if (request->operation == BLKIF_OP_FLUSH_DISKCACHE || (request->operation == BLKIF_OP_WRITE_BARRIER &&
							       !request->nr_segments)) {
		backend.flushes++;
	} else if (request->operation == BLKIF_OP_DISCARD) {
		backend.discards++;
	} else if (request->operation == BLKIF_OP_INDIRECT) {
		void *segments = fake_map(indirect->indirect_grefs[0], false);

		assert_non_null(segments);
		backend.indirect++;
		if (!backend.status)
			transfer(indirect->indirect_op, indirect->sector_number, segments, indirect->nr_segments);
		if (backend.inner_operation)
			response.operation = indirect->indirect_op;
	} else if (!backend.status) {
		assert_in_range(request->nr_segments, 1, BLKIF_MAX_SEGMENTS_PER_REQUEST);
		transfer(request->operation, request->sector_number, request->seg, request->nr_segments);
	}
	return response;
}

/* Answers all there is on a queue. */
static bool work_on(unsigned int queue)
{
	struct xen_ring_end *ring = &backend.ring[queue];
	struct blkif_request request;
	struct blkif_response responses[512];
	int count = xen_ring_back_sleep(ring, 1);

	if (!ring->head || count <= 0)
		return false;
	for (int i = 0; i < count; i++) {
		xen_ring_get(ring, &request, sizeof(request));
		responses[backend.backwards ? count - 1 - i : i] = serve(&request);
	}
	for (int i = 0; i < count; i++)
		xen_ring_put(ring, &responses[i], sizeof(responses[i]));
	if (xen_ring_back_push(ring))
		fake_event(backend.port[queue]);
	return true;
}

static bool work(void)
{
	bool some = false;

	for (unsigned int i = 0; i < backend.queues; i++)
		some |= backend.ring[i].head && work_on(i);
	return some;
}

/* What the frontend published. */
static void map_queue(unsigned int queue, const char *dir)
{
	unsigned long pages = 1ul << fake_number(DEVICE "/ring-page-order");
	char path[96];
	void *ring;

	snprintf(path, sizeof(path), "%s/%s", dir, pages > 1 ? "ring-ref0" : "ring-ref");
	ring = fake_map((uint32_t)fake_number(path), true);
	assert_non_null(ring);
	/* The frontend's pages lie one behind the other in this program, so the first one's address is enough. */
	for (unsigned long i = 1; i < pages; i++) {
		snprintf(path, sizeof(path), "%s/ring-ref%lu", dir, i);
		assert_ptr_equal(fake_map((uint32_t)fake_number(path), true), (char *)ring + i * OS_PAGE_SIZE);
	}
	xen_ring_back_init(&backend.ring[queue], ring, pages * OS_PAGE_SIZE, BLKIF_SLOT_BYTES, 0, 0);
	snprintf(path, sizeof(path), "%s/event-channel", dir);
	backend.port[queue] = (evtchn_port_t)fake_number(path);
}

static void connect(void)
{
	assert_string_equal(fake_read(DEVICE "/state"), "3");
	assert_string_equal(fake_read(DEVICE "/protocol"), "x86_64-abi");
	backend.queues = (unsigned int)fake_number(DEVICE "/multi-queue-num-queues");
	if (!backend.queues) {
		backend.queues = 1;
		map_queue(0, DEVICE);
	}
	for (unsigned int i = 0; i < backend.queues && backend.queues > 1; i++) {
		char dir[64];

		snprintf(dir, sizeof(dir), DEVICE "/queue-%u", i);
		map_queue(i, dir);
	}
	fake_write(BACKEND "/state", "4");
	xenbus_poll();
	assert_true(blkfront_is_ready(disk));
}

static int fresh_world(void **state)
{
	(void)state;
	memset(&backend, 0, sizeof(backend));
	fake_start();
	fake_quiet = false;
	fake_other_side = work;
	fake_write(DEVICE "/backend", BACKEND);
	fake_write(DEVICE "/backend-id", "0");
	fake_write(DEVICE "/state", "1");
	fake_write(BACKEND "/state", "2");
	fake_write(BACKEND "/online", "1");
	fake_write(BACKEND "/sectors", "2048");
	fake_write(BACKEND "/sector-size", "512");
	fake_write(BACKEND "/info", "0");
	fake_write(BACKEND "/feature-flush-cache", "1");
	fake_write(BACKEND "/feature-max-indirect-segments", "256");
	fake_write(BACKEND "/max-ring-page-order", "4");
	fake_write(BACKEND "/multi-queue-max-queues", "4");
	return 0;
}

static void open_disk(unsigned int queues, unsigned int order, unsigned int segments)
{
	struct blkfront_options options = { queues, order, segments, 0 };

	assert_int_equal(blkfront_open(51712, &options, &disk), 0);
	xenbus_poll();
}

static void close_disk(void)
{
	blkfront_close(disk);
	assert_string_equal(fake_read(DEVICE "/state"), "6");
	assert_true(fake_nothing_left());
}

static void fill(unsigned char *buffer, size_t bytes, unsigned int seed)
{
	for (size_t i = 0; i < bytes; i++)
		buffer[i] = (unsigned char)((i + seed) * 2654435761u >> 13);
}

static void write_and_read(uint64_t sector, size_t bytes)
{
	unsigned char *out = malloc(bytes), *in = calloc(1, bytes);

	fill(out, bytes, (unsigned int)sector);
	assert_int_equal(blkfront_transfer(disk, BLK_WRITE, sector, out, bytes), 0);
	assert_memory_equal(contents + sector * 512, out, bytes);
	assert_int_equal(blkfront_transfer(disk, BLK_READ, sector, in, bytes), 0);
	assert_memory_equal(in, out, bytes);
	free(out);
	free(in);
}

static void data_are_carried_whatever_their_size(void **state)
{
	(void)state;
	open_disk(1, 0, 32);
	connect();
	write_and_read(0, 512);
	write_and_read(5, 4096);
	write_and_read(7, 4096 * 11);
	assert_int_equal(backend.indirect, 0);
	write_and_read(9, 4096 * 11 + 512);
	assert_int_equal(backend.indirect, 2);
	write_and_read(0, sizeof(contents));
	assert_int_equal(backend.largest, 32);
	close_disk();
}

static void old_backend_gets_no_more_than_eleven_segments(void **state)
{
	(void)state;
	fake_remove(BACKEND "/feature-max-indirect-segments");
	fake_remove(BACKEND "/max-ring-page-order");
	fake_remove(BACKEND "/multi-queue-max-queues");
	open_disk(4, 4, 256);
	connect();
	write_and_read(3, 300 * 512);
	assert_int_equal(backend.largest, 11);
	assert_int_equal(backend.queues, 1);
	close_disk();
}

static void answers_in_another_order_find_their_requests(void **state)
{
	(void)state;
	backend.backwards = backend.inner_operation = true;
	open_disk(1, 0, 32);
	connect();
	backend.backwards = backend.inner_operation = true;
	write_and_read(0, sizeof(contents));
	close_disk();
}

static void queues_and_large_rings_work_as_asked(void **state)
{
	struct blkfront_info info;

	(void)state;
	open_disk(3, 2, 256);
	connect();
	blkfront_info(disk, &info);
	assert_int_equal(info.queues, 3);
	assert_int_equal(info.ring_order, 2);
	assert_int_equal(info.segments, 256);
	assert_int_equal(backend.ring[0].slots, 128);
	assert_int_equal(fake_ports[backend.port[2]].vcpu, 2);
	write_and_read(0, sizeof(contents));
	close_disk();
}

static void flush_is_sent_as_the_backend_knows_it(void **state)
{
	(void)state;
	open_disk(1, 0, 0);
	connect();
	assert_int_equal(blkfront_transfer(disk, BLK_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(backend.flushes, 1);
	close_disk();
	fake_remove(BACKEND "/feature-flush-cache");
	fake_write(BACKEND "/feature-barrier", "1");
	fake_write(BACKEND "/state", "2");
	open_disk(1, 0, 0);
	connect();
	assert_int_equal(blkfront_transfer(disk, BLK_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(backend.flushes, 2);
	close_disk();
	fake_remove(BACKEND "/feature-barrier");
	fake_write(BACKEND "/state", "2");
	open_disk(1, 0, 0);
	connect();
	assert_int_equal(blkfront_transfer(disk, BLK_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(backend.flushes, 2);
	close_disk();
}

static void what_can_not_be_is_refused_before_the_ring(void **state)
{
	unsigned char sector[4096];

	(void)state;
	fake_write(BACKEND "/sector-size", "4096");
	fake_write(BACKEND "/info", "4");
	open_disk(1, 0, 0);
	connect();
	assert_int_equal(blkfront_transfer(disk, BLK_READ, 0, sector, 100), -XEN_EINVAL);
	assert_int_equal(blkfront_transfer(disk, BLK_READ, 0, sector, 512), -XEN_EINVAL);
	assert_int_equal(blkfront_transfer(disk, BLK_READ, 1, sector, 4096), -XEN_EINVAL);
	assert_int_equal(blkfront_transfer(disk, BLK_READ, SECTORS, sector, 4096), -XEN_EINVAL);
	assert_int_equal(blkfront_transfer(disk, BLK_READ, ~0ull - 7, sector, 4096), -XEN_EINVAL);
	assert_int_equal(blkfront_transfer(disk, BLK_READ, 0, sector, 0), -XEN_EINVAL);
	assert_int_equal(blkfront_transfer(disk, BLK_WRITE, 0, sector, 4096), -XEN_EROFS);
	assert_int_equal(blkfront_transfer(disk, BLK_READ, 0, sector, 4096), 0);
	close_disk();
}

static void discard_is_sent_where_it_is_known(void **state)
{
	(void)state;
	open_disk(1, 0, 0);
	connect();
	assert_int_equal(blkfront_transfer(disk, BLK_DISCARD, 0, NULL, 65536), -XEN_EOPNOTSUPP);
	close_disk();
	fake_write(BACKEND "/feature-discard", "1");
	fake_write(BACKEND "/state", "2");
	open_disk(1, 0, 0);
	connect();
	assert_int_equal(blkfront_transfer(disk, BLK_DISCARD, 0, NULL, 65536), 0);
	assert_int_equal(blkfront_transfer(disk, BLK_DISCARD_SECURE, 0, NULL, 65536), -XEN_EOPNOTSUPP);
	assert_int_equal(backend.discards, 1);
	close_disk();
}

static void error_ends_its_request_and_no_other(void **state)
{
	unsigned char buffer[4096];

	(void)state;
	open_disk(1, 0, 0);
	connect();
	backend.status = BLKIF_RSP_ERROR;
	assert_int_equal(blkfront_transfer(disk, BLK_READ, 0, contents, sizeof(contents)), -XEN_EIO);
	backend.status = BLKIF_RSP_EOPNOTSUPP;
	assert_int_equal(blkfront_transfer(disk, BLK_READ, 0, buffer, sizeof(buffer)), -XEN_EOPNOTSUPP);
	backend.status = 0;
	write_and_read(0, 4096);
	close_disk();
}

/* ---- many at once ---- */

#define MANY 200u
static struct blk_request many[MANY];
static unsigned int many_over;
static int many_status;

static void one_over(struct blk_request *request)
{
	many_over++;
	many_status |= request->status;
}

static void submit_many(enum blk_operation operation, unsigned char *buffer)
{
	many_over = 0;
	many_status = 0;
	for (unsigned int i = 0; i < MANY; i++) {
		many[i] = (struct blk_request){ .operation = operation, .sector = i * 10, .bytes = 10 * 512,
						.buffer = buffer + i * 10 * 512, .done = one_over };
		blkfront_submit(disk, i, &many[i]);
	}
}

static void more_requests_than_slots_wait_their_turn(void **state)
{
	static unsigned char out[sizeof(contents)], in[sizeof(contents)];

	(void)state;
	fill(out, sizeof(out), 9);
	open_disk(2, 0, 0);
	connect();
	submit_many(BLK_WRITE, out);
	while (work())
		;
	assert_int_equal(many_over, MANY);
	submit_many(BLK_READ, in);
	while (work())
		;
	assert_int_equal(many_over, MANY);
	assert_int_equal(many_status, 0);
	assert_memory_equal(in, out, MANY * 10 * 512);
	close_disk();
}

/* ---- backends that go and come ---- */

static void requests_survive_a_backend_that_comes_back(void **state)
{
	static unsigned char out[sizeof(contents)];

	(void)state;
	memset(contents, 0, sizeof(contents));
	fill(out, sizeof(out), 3);
	open_disk(2, 1, 0);
	connect();
	submit_many(BLK_WRITE, out);
	work_on(0);
	assert_in_range(many_over, 1, MANY - 1);
	fake_write(BACKEND "/state", "6");
	xenbus_poll();
	assert_false(blkfront_is_ready(disk));
	assert_string_equal(fake_read(DEVICE "/state"), "1");
	/* This one knows no more than one queue. */
	fake_write(BACKEND "/multi-queue-max-queues", "1");
	fake_remove(DEVICE "/multi-queue-num-queues");
	fake_write(BACKEND "/state", "2");
	xenbus_poll();
	connect();
	while (work())
		;
	assert_int_equal(many_over, MANY);
	assert_int_equal(many_status, 0);
	assert_memory_equal(contents, out, MANY * 10 * 512);
	close_disk();
}

/* It starts again so fast that the frontend sees only what comes after, and it has found the old nodes. */
static void backend_that_took_the_old_rings_again_is_told_to_let_go(void **state)
{
	static unsigned char out[sizeof(contents)];
	static const char *const seen[] = { "2", "4" };

	for (unsigned int i = 0; i < 2; i++) {
		fresh_world(state);
		fill(out, sizeof(out), 5 + i);
		open_disk(1, 0, 0);
		connect();
		submit_many(BLK_WRITE, out);
		if (i) {
			fake_write(BACKEND "/state", "6");
			xenbus_poll();
			assert_string_equal(fake_read(DEVICE "/state"), "1");
		}
		fake_write(BACKEND "/state", seen[i]);
		xenbus_poll();
		assert_string_equal(fake_read(DEVICE "/state"), "6");
		assert_false(blkfront_is_ready(disk));
		/* Not taken for an answer to anything. */
		fake_write(BACKEND "/state", "4");
		xenbus_poll();
		assert_false(blkfront_is_ready(disk));
		fake_write(BACKEND "/state", "6");
		xenbus_poll();
		assert_string_equal(fake_read(DEVICE "/state"), "1");
		fake_write(BACKEND "/state", "2");
		xenbus_poll();
		connect();
		while (work())
			;
		assert_int_equal(many_over, MANY);
		assert_memory_equal(contents, out, MANY * 10 * 512);
		close_disk();
	}
}

static void guest_that_was_suspended_goes_on(void **state)
{
	static unsigned char out[sizeof(contents)];

	(void)state;
	fill(out, sizeof(out), 4);
	open_disk(1, 0, 0);
	connect();
	submit_many(BLK_WRITE, out);
	/* Elsewhere it is another domain that serves it. */
	fake_write(DEVICE "/backend-id", "5");
	fake_write(BACKEND "/state", "2");
	assert_int_equal(blkfront_resume(disk), 0);
	xenbus_poll();
	connect();
	while (work())
		;
	assert_int_equal(many_over, MANY);
	assert_memory_equal(contents, out, MANY * 10 * 512);
	for (unsigned int i = 0; i < FAKE_GRANTS; i++)
		assert_true(!fake_grants[i].taken || fake_grants[i].to == 5);
	close_disk();
}

static void disk_that_is_taken_away_fails_its_requests(void **state)
{
	static unsigned char out[sizeof(contents)];

	(void)state;
	open_disk(1, 0, 0);
	connect();
	submit_many(BLK_READ, out);
	fake_write(BACKEND "/online", "0");
	fake_write(BACKEND "/state", "5");
	xenbus_poll();
	assert_true(blkfront_is_dead(disk));
	assert_int_equal(many_over, MANY);
	assert_string_equal(fake_read(DEVICE "/state"), "6");
	assert_int_equal(blkfront_transfer(disk, BLK_READ, 0, out, 512), -XEN_EIO);
	close_disk();
}

static void disk_that_grows_is_larger(void **state)
{
	struct blkfront_info info;

	(void)state;
	open_disk(1, 0, 0);
	connect();
	fake_write(BACKEND "/sectors", "4096");
	fake_write(BACKEND "/state", "4");
	xenbus_poll();
	blkfront_info(disk, &info);
	assert_int_equal(info.sectors, 4096);
	close_disk();
}

/* ---- backends that lie ---- */

static void answer_with(uint64_t id, uint8_t operation)
{
	struct blkif_response response = { id, operation, 0 };

	xen_ring_put(&backend.ring[0], &response, sizeof(response));
	xen_ring_back_push(&backend.ring[0]);
	fake_event(backend.port[0]);
}

static void expect_given_up(void)
{
	assert_true(blkfront_is_dead(disk));
	assert_int_equal(many_over, MANY);
	assert_int_not_equal(many_status, 0);
	close_disk();
}

static void an_answer_to_nothing_ends_the_device(void **state)
{
	static unsigned char space[sizeof(contents)];
	struct blkif_request request;

	for (unsigned int kind = 0; kind < 4; kind++) {
		fresh_world(state);
		fake_quiet = true;
		open_disk(1, 0, 0);
		connect();
		submit_many(BLK_READ, space);
		xen_ring_get(&backend.ring[0], &request, sizeof(request));
		if (kind == 0) {
			answer_with(1ull << 40, BLKIF_OP_READ);
		} else if (kind == 1) {
			answer_with(request.id, BLKIF_OP_READ);
			answer_with(request.id ^ 1, BLKIF_OP_WRITE);
		} else if (kind == 2) {
			answer_with(request.id, BLKIF_OP_READ);
			/* The slot may serve another by now, but not one that is a flush. */
			answer_with(request.id, BLKIF_OP_FLUSH_DISKCACHE);
		} else {
			backend.ring[0].head->rsp_prod = 1000;
			fake_event(backend.port[0]);
		}
		expect_given_up();
	}
}

static void ring_that_the_backend_keeps_is_never_used_again(void **state)
{
	(void)state;
	open_disk(1, 0, 0);
	connect();
	fake_quiet = true;
	fake_grants[fake_number(DEVICE "/ring-ref")].mapped = true;
	blkfront_close(disk);
	assert_int_equal(fake_pages, 1);
	fake_forget_pages();
}

static void missing_memory_ends_the_device_and_leaves_nothing(void **state)
{
	(void)state;
	for (unsigned int n = 2; n < 300; n += 7) {
		struct blkfront_options options = { 2, 1, 0, 0 };

		fresh_world(state);
		fake_quiet = true;
		fake_memory_left = n;
		if (blkfront_open(51712, &options, &disk))
			continue;
		xenbus_poll();
		assert_true(blkfront_is_dead(disk));
		fake_memory_left = 0;
		close_disk();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(data_are_carried_whatever_their_size, fresh_world),
		cmocka_unit_test_setup(old_backend_gets_no_more_than_eleven_segments, fresh_world),
		cmocka_unit_test_setup(answers_in_another_order_find_their_requests, fresh_world),
		cmocka_unit_test_setup(queues_and_large_rings_work_as_asked, fresh_world),
		cmocka_unit_test_setup(flush_is_sent_as_the_backend_knows_it, fresh_world),
		cmocka_unit_test_setup(what_can_not_be_is_refused_before_the_ring, fresh_world),
		cmocka_unit_test_setup(discard_is_sent_where_it_is_known, fresh_world),
		cmocka_unit_test_setup(error_ends_its_request_and_no_other, fresh_world),
		cmocka_unit_test_setup(more_requests_than_slots_wait_their_turn, fresh_world),
		cmocka_unit_test_setup(requests_survive_a_backend_that_comes_back, fresh_world),
		cmocka_unit_test_setup(backend_that_took_the_old_rings_again_is_told_to_let_go, fresh_world),
		cmocka_unit_test_setup(guest_that_was_suspended_goes_on, fresh_world),
		cmocka_unit_test_setup(disk_that_is_taken_away_fails_its_requests, fresh_world),
		cmocka_unit_test_setup(disk_that_grows_is_larger, fresh_world),
		cmocka_unit_test_setup(an_answer_to_nothing_ends_the_device, fresh_world),
		cmocka_unit_test_setup(ring_that_the_backend_keeps_is_never_used_again, fresh_world),
		cmocka_unit_test_setup(missing_memory_ends_the_device_and_leaves_nothing, fresh_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
