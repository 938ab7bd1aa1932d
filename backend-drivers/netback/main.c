// SPDX-License-Identifier: MIT
/*
 * netback: serves one network card, as its backendd tells it. A thread for each queue; they share nothing but the rate and
 * the multicast groups. All of them are there before the worker gives up its rights, for it can make none after that.
 */
#include <pthread.h>
#include <stdlib.h>
#include "../common/worker.h"
#include "queue.h"

#define STACK_SIZE	(256u << 10)
#define MEMORY_MOST	(256u << 20)

static struct card card = { .lock = PTHREAD_MUTEX_INITIALIZER };
static pthread_barrier_t start;

static void *run(void *queue)
{
	pthread_barrier_wait(&start);
	queue_run(queue);
}

static void open_queues(struct queue **queues, unsigned int count)
{
	uint32_t refs[2 * CARD_QUEUES_MAX];
	char *pages;
	uint64_t index;

	for (unsigned int i = 0; i < count; i++) {
		refs[2 * i] = card.memory->queue[i].tx_ref;
		refs[2 * i + 1] = card.memory->queue[i].rx_ref;
	}
	pages = worker_map(refs, 2 * count, false, &index);
	if (!pages)
		worker_misbehaves("the pages of its rings can't be mapped: %m");
	for (unsigned int i = 0; i < count; i++) {
		queues[i] = queue_open(&card, i, pages + 2 * i * NET_PAGE, pages + (2 * i + 1) * NET_PAGE);
		if (!queues[i])
			worker_die("queue %u can't be opened: %m", i);
	}
}

static void start_threads(struct queue **queues, unsigned int count)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_barrier_init(&start, NULL, count);
	for (unsigned int i = 1; i < count; i++)
		if (pthread_create(&thread, &attr, run, queues[i]))
			worker_die("no thread for queue %u: %m", i);
}

int main(void)
{
	struct queue *queues[CARD_QUEUES_MAX];
	unsigned int count;

	worker_begin(CARD_LAYOUT);
	card.memory = worker_memory_own();
	card.domid = memory->domid;
	count = card.memory->queue_count;
	open_queues(queues, count);
	start_threads(queues, count);
	worker_sandbox(queue_calls, queue_calls_count, MEMORY_MOST);
	worker_ready();
	run(queues[0]);
	return 0;
}
