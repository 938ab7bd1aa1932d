// SPDX-License-Identifier: MIT
/*
 * netback: serves one network card, as its backendd tells it. A thread for each queue; they share nothing but the rate and
 * the multicast groups. All of them are there before the worker's last rights go, for it can make none after that; they wait
 * then until their queues are open.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include "../common/worker.h"
#include "queue.h"

#define STACK_SIZE	(256u << 10)
#define MEMORY_MOST	(256u << 20)

static struct card card = { .lock = PTHREAD_MUTEX_INITIALIZER };
static pthread_barrier_t up, start;

/* @queue: where the queue will be. */
static void *run(void *queue)
{
	pthread_barrier_wait(&up);
	pthread_barrier_wait(&start);
	queue_run(*(struct queue **)queue);
}

/* For all queues; see card.h. */
static uint8_t *map_buffers(unsigned int count)
{
	size_t size = (size_t)count * CARD_BUFFER * NET_PAGE;
	int fd = FD_OWN + 2 * count;
	uint8_t *p;

	if (card.memory->buffers)
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, card.memory->buffer_index);
	else
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		worker_die("no memory for packets: %m");
	return p;
}

static void open_queues(struct queue **queues, unsigned int count)
{
	uint32_t refs[2 * CARD_QUEUES_MAX];
	uint8_t *buffers = map_buffers(count);
	uint64_t index;
	char *pages;

	for (unsigned int i = 0; i < count; i++) {
		refs[2 * i] = card.memory->queue[i].tx_ref;
		refs[2 * i + 1] = card.memory->queue[i].rx_ref;
	}
	pages = worker_map(refs, 2 * count, false, &index);
	if (!pages)
		worker_misbehaves("the pages of its rings can't be mapped: %m");
	for (unsigned int i = 0; i < count; i++) {
		queues[i] = queue_open(&card, i, pages + 2 * i * NET_PAGE, pages + (2 * i + 1) * NET_PAGE,
				       buffers + (size_t)i * CARD_BUFFER * NET_PAGE);
		if (!queues[i])
			worker_die("queue %u can't be opened: %m", i);
	}
}

/* A thread makes system calls of its own before its function runs: all are past those when this comes back. */
static void start_threads(struct queue **queues, unsigned int count)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_barrier_init(&up, NULL, count);
	pthread_barrier_init(&start, NULL, count);
	for (unsigned int i = 1; i < count; i++)
		if (pthread_create(&thread, &attr, run, &queues[i]))
			worker_die("no thread for queue %u: %m", i);
	pthread_barrier_wait(&up);
}

/*
 * What the scheduler of this domain is to do with the worker, for a switch between processes costs more than a small packet.
 * A packet for the guest wakes the worker, which would run at once in place of who sends: as a batch job it waits until the
 * sender waits, or has used up its slice. A packet from the guest wakes who receives, which would run at once in place of
 * the worker: with more weight than an ordinary process the worker mostly goes on, so that one who receives finds several
 * packets, and TCP answers them by one ACK. Linux's own backend sends where no process can interrupt it. The weight must be
 * enough for the guest's work too: when this domain hands its CPU over in the middle of the worker, Linux takes what the
 * guest then runs for the worker's. No harm if neither can be had. While it still may: worker_begin() gives such rights up.
 */
#define NICE	(-8)		/* six times the weight of 0 */

static void ask_for_batches(void)
{
	const struct sched_param none = { 0 };

	sched_setscheduler(0, SCHED_BATCH, &none);
	setpriority(PRIO_PROCESS, 0, NICE);
}

int main(int argc, char **argv)
{
	static struct queue *queues[CARD_QUEUES_MAX];
	unsigned int count;

	ask_for_batches();
	worker_begin(argc, argv, CARD_LAYOUT);
	card.memory = worker_memory_own();
	card.domid = memory->domid;
	count = shared_load(&card.memory->queue_count);
	if (!count || count > CARD_QUEUES_MAX)
		worker_die("backendd gave it %u queues", count);
	start_threads(queues, count);
	worker_sandbox(queue_calls, queue_calls_count, MEMORY_MOST);
	open_queues(queues, count);
	worker_ready();
	pthread_barrier_wait(&start);
	queue_run(queues[0]);
}
