// SPDX-License-Identifier: MIT
/*
 * Stands for keeper and worker in the tests of disks behind NBD (test_nbd.py), without Xen:
 *
 *	nbd_driver FOLDER PROGRAM FORMAT TARGET ro|rw discard|keep WAIT_SECONDS
 *
 * opens the disk as backendd would and says "serving BYTES BLOCK FLAGS", "gone WHY", "say TEXT". Lines of standard input:
 *
 *	load DEPTH		a worker, a process of its own, writes, reads and flushes blocks; one that dies is replaced
 *	stop			it finishes what is under way: "stopped OPERATIONS ERRORS STARTS"
 *	ops			"ops N": how many it has done
 *	verify			reads all blocks: "verified BLOCKS WRITTEN" or "wrong BLOCK ..."
 *	io OP OFFSET LENGTH	one request (read, write, flush, discard, zero): "io ERRNO"
 *	kill worker|client|server
 *	drain			as when a frontend goes: "drained"
 *	look			asks for the size
 *	close			"closed" when all processes have ended; then the driver ends
 *
 * What every block has to hold is in FOLDER/table, which outlives workers and drivers, as a guest does: a version that was
 * acknowledged, and one that is under way. A worker writes what its predecessor left under way again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../../backend-drivers/common/keeper.h"
#include "../../backend-drivers/nbd/disk.h"
#include "../../backend-drivers/nbd/jail.h"
#include "../../backend-drivers/nbd/queue.h"

#define BLOCK		4096u
#define BLOCKS_MOST	8192u
#define ZEROED		(1ull << 63)	/* a version that is all zeroes */
#define DEPTH_MOST	128u
#define RUN		8u		/* blocks that a large request has */

struct table {
	uint64_t version, operations, errors;
	uint32_t stop, starts, blocks, pad;
	uint64_t acked[BLOCKS_MOST], pending[BLOCKS_MOST];
};

static struct table *table;
static struct nbd_disk *disk;
static struct nbd_geometry geometry;
static pid_t worker;
static unsigned int depth;
static bool closing;

/* --- the worker ----------------------------------------------------------------------------------- */

static struct nbd_client client;
static char *buffer;

struct request {
	enum nbd_op op;
	uint32_t block, count;
};
static struct request requests[DEPTH_MOST];

static void fill(uint64_t *words, uint32_t block, uint64_t version)
{
	for (unsigned int i = 0; i < BLOCK / 8; i++)
		words[i] = version & ZEROED || !version ? 0 : version << 20 ^ (uint64_t)block << 4 ^ (uint64_t)i << 50;
}

static bool holds(const void *data, uint32_t block, uint64_t version)
{
	static uint64_t expected[BLOCK / 8];

	fill(expected, block, version);
	return !memcmp(data, expected, BLOCK);
}

static char *place(unsigned int i)
{
	return buffer + (size_t)i * RUN * BLOCK;
}

static void wait_bell(void)
{
	struct pollfd p = { client.bell, POLLIN, 0 };

	if (poll(&p, 1, -1) < 0 && errno != EINTR)
		_exit(9);
}

static void attach(uint32_t generation)
{
	int fds[NBD_WORKER_FDS], err;
	int64_t result;

	nbd_disk_descriptors(disk, fds);
	buffer = mmap(NULL, NBD_BUFFER, PROT_READ | PROT_WRITE, MAP_SHARED, fds[NBD_WORKER_BUFFER], 0);
	err = nbd_client_open(&client, fds[NBD_WORKER_QUEUE], fds[NBD_WORKER_RING], fds[NBD_WORKER_BELL], generation);
	if (err || buffer == MAP_FAILED) {
		printf("the queue: %s\n", strerror(-err));
		_exit(9);
	}
	while (!nbd_client_accepted(&client)) {
		uint64_t tag;

		wait_bell();
		nbd_next(&client, &tag, &result);
	}
}

static void submit(unsigned int i)
{
	struct request *r = &requests[i];

	for (uint32_t k = 0; k < r->count && r->op == NBD_WRITE; k++)
		fill((uint64_t *)(place(i) + k * BLOCK), r->block + k, table->pending[r->block + k]);
	nbd_submit(&client, r->op, i, (uint64_t)r->block * BLOCK, r->count * BLOCK, i * RUN * BLOCK);
}

static bool in_use(uint32_t block, uint32_t count)
{
	for (uint32_t k = 0; k < count; k++)
		if (table->pending[block + k])
			return true;
	for (unsigned int i = 0; i < depth; i++)
		if (requests[i].op && block < requests[i].block + requests[i].count && requests[i].block < block + count)
			return true;
	return false;
}

static void begin(unsigned int i)
{
	static uint32_t old;		/* blocks before it are looked at for what a predecessor left */
	struct request *r = &requests[i];
	unsigned int dice = random() % 100;

	for (; old < table->blocks; old++)
		if (table->pending[old]) {
			*r = (struct request){ table->pending[old] & ZEROED ? NBD_ZERO : NBD_WRITE, old, 1 };
			old++;
			submit(i);
			return;
		}
	*r = (struct request){ .count = dice % 4 ? 1 : RUN };
	do
		r->block = random() % (table->blocks - r->count);
	while (in_use(r->block, r->count));
	r->op = dice < 60 ? NBD_WRITE : dice < 90 ? NBD_READ : dice < 95 ? NBD_ZERO : NBD_FLUSH;
	if (r->op == NBD_FLUSH)
		r->block = r->count = 0;
	for (uint32_t k = 0; k < r->count && (r->op == NBD_WRITE || r->op == NBD_ZERO); k++)
		table->pending[r->block + k] = ++table->version | (r->op == NBD_ZERO ? ZEROED : 0);
	submit(i);
}

static void check_read(const char *data, const struct request *r)
{
	for (uint32_t k = 0; k < r->count; k++) {
		uint32_t b = r->block + k;

		if (holds(data + k * BLOCK, b, table->acked[b]))
			continue;
		printf("wrong block %u: it begins with %llx, version %llx was acknowledged\n", b,
		       *(const unsigned long long *)(data + k * BLOCK), (unsigned long long)table->acked[b]);
		fflush(stdout);
		_exit(8);
	}
}

static void end(unsigned int i, int error)
{
	struct request *r = &requests[i];

	if (error && r->op != NBD_FLUSH && r->op != NBD_READ) {
		/* Nobody knows what is there: write it until it is. */
		table->errors++;
		submit(i);
		return;
	}
	table->errors += error != 0;
	if (r->op == NBD_READ && !error)
		check_read(place(i), r);
	for (uint32_t k = 0; k < r->count && r->op != NBD_READ; k++) {
		table->acked[r->block + k] = table->pending[r->block + k];
		__atomic_store_n(&table->pending[r->block + k], 0, __ATOMIC_RELEASE);
	}
	r->op = 0;
	table->operations++;
}

static __attribute__((noreturn)) void work(uint32_t generation)
{
	unsigned int running = 0;
	uint64_t tag;
	int64_t result;

	srandom(generation + getpid());
	attach(generation);
	for (;;) {
		for (unsigned int i = 0; i < depth && !table->stop; i++)
			if (!requests[i].op) {
				begin(i);
				running++;
			}
		nbd_ring(&client);
		while (nbd_next(&client, &tag, &result)) {
			end(tag, result < 0 ? -result : 0);
			running -= !requests[tag].op;
		}
		nbd_ring(&client);
		if (table->stop && !running)
			_exit(0);
		if (running)
			wait_bell();
	}
}

static int one(enum nbd_op op, uint64_t offset, uint32_t length)
{
	uint64_t tag;
	int64_t result;

	if (op == NBD_WRITE)
		memset(buffer, 0xa5, NBD_BUFFER);
	nbd_submit(&client, op, 0, offset, length, 0);
	nbd_ring(&client);
	while (!nbd_next(&client, &tag, &result))
		wait_bell();
	return result < 0 ? -result : 0;
}

static void verify(void)
{
	uint32_t written = 0;

	for (uint32_t b = 0; b < table->blocks; b++) {
		int error = one(NBD_READ, (uint64_t)b * BLOCK, BLOCK);

		written += table->acked[b] != 0;
		if (!error && (holds(buffer, b, table->acked[b]) || (table->pending[b] && holds(buffer, b, table->pending[b]))))
			continue;
		printf("wrong block %u: error %d, it begins with %llx, version %llx was acknowledged\n", b, error,
		       *(unsigned long long *)buffer, (unsigned long long)table->acked[b]);
		return;
	}
	printf("verified %u %u\n", table->blocks, written);
}

/* In a process of its own, so that each has a mapping of its own and dies with it. */
static void start_worker(const char *what, enum nbd_op op, uint64_t offset, uint32_t length)
{
	pid_t parent = getpid();

	table->starts++;
	fflush(stdout);
	worker = fork();
	if (worker)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (!strcmp(what, "load"))
		work(table->starts);
	attach(table->starts);
	if (!strcmp(what, "verify"))
		verify();
	else
		printf("io %d\n", one(op, offset, length));
	fflush(stdout);
	_exit(0);
}

/* --- the keeper ------------------------------------------------------------------------------------- */

static void changed(void *context)
{
	const char *why;
	enum nbd_state state = nbd_disk_state(disk, &geometry, &why);

	if (state == NBD_GONE)
		printf("gone %s\n", why);
	if (state == NBD_SERVING) {
		table->blocks = geometry.bytes / BLOCK < BLOCKS_MOST ? geometry.bytes / BLOCK : BLOCKS_MOST;
		printf("serving %llu %u %u\n", (unsigned long long)geometry.bytes, geometry.block, geometry.flags);
	}
}

static void say(void *context, const char *text)
{
	printf("say %s\n", text);
}

static void drained_event(void *context, uint32_t events)
{
	struct event_source **source = context;

	if (nbd_disk_drained(disk)) {
		printf("drained\n");
		events_remove(*source);
		*source = NULL;
	}
}

static void child_event(void *context, uint32_t events)
{
	struct signalfd_siginfo info;
	pid_t pid;
	int status;

	if (read(*(int *)context, &info, sizeof(info)) != sizeof(info))
		return;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		jail_ended(pid, status);
		if (pid != worker)
			continue;
		worker = 0;
		if (depth && !table->stop && WIFSIGNALED(status)) {
			start_worker("load", 0, 0, 0);
		} else if (depth) {
			printf("stopped %llu %llu %u\n", (unsigned long long)table->operations, (unsigned long long)table->errors,
			       table->starts);
			depth = 0;
		}
	}
}

static enum nbd_op op_of(const char *name)
{
	static const char *const names[] = { "", "read", "write", "flush", "discard", "zero" };

	for (unsigned int i = 1; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return i;
	return 0;
}

static void command(const char *line)
{
	static struct event_source *drain;
	char word[16], name[16];
	unsigned long long offset = 0;
	unsigned int number = 0;
	int fd;

	if (sscanf(line, "load %u", &number) == 1) {
		depth = number < DEPTH_MOST ? number : DEPTH_MOST;
		table->stop = 0;
		start_worker("load", 0, 0, 0);
	} else if (!strcmp(line, "stop")) {
		table->stop = 1;
		/* It may wait for an event. */
		if (depth) {
			int fds[NBD_WORKER_FDS];
			uint64_t bell = 1;

			nbd_disk_descriptors(disk, fds);
			if (write(fds[NBD_WORKER_BELL], &bell, sizeof(bell)) < 0)
				printf("the bell: %s\n", strerror(errno));
		}
	} else if (!strcmp(line, "verify")) {
		start_worker("verify", 0, 0, 0);
	} else if (sscanf(line, "io %15s %llu %u", name, &offset, &number) >= 1) {
		start_worker("io", op_of(name), offset, number);
	} else if (!strcmp(line, "ops")) {
		printf("ops %llu\n", (unsigned long long)table->operations);
	} else if (sscanf(line, "kill %15s", word) == 1) {
		kill(worker, SIGKILL);
	} else if (!strcmp(line, "drain")) {
		fd = nbd_disk_drained_fd(disk);
		drain = events_add(fd, EPOLLIN, drained_event, &drain);
		drained_event(&drain, 0);
	} else if (!strcmp(line, "look")) {
		printf("look %d\n", nbd_disk_look(disk));
	} else if (!strcmp(line, "close")) {
		nbd_disk_close(disk);
		closing = true;
	} else {
		printf("unknown command %s\n", line);
	}
}

static void input_event(void *context, uint32_t events)
{
	static char text[4096];
	static size_t used;
	ssize_t n = read(0, text + used, sizeof(text) - 1 - used);
	char *end;

	if (n <= 0)
		exit(0);
	text[used += n] = 0;
	while ((end = strchr(text, '\n')) != NULL) {
		*end = 0;
		command(text);
		used -= end + 1 - text;
		memmove(text, end + 1, used + 1);
	}
}

int main(int argc, char **argv)
{
	char path[256], folder[256], empty[256], why[600];
	struct nbd_options o = { .name = "qdisk 1/51712", .uid = 71000, .changed = changed, .say = say };
	sigset_t mask;
	int fd, signals;

	if (argc != 8)
		return 2;
	snprintf(path, sizeof(path), "%s/table", argv[1]);
	snprintf(folder, sizeof(folder), "%s/qdisk-1-51712", argv[1]);
	snprintf(empty, sizeof(empty), "%s/empty", argv[1]);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*table)))
		return 1;
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (table == MAP_FAILED)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	events_open();
	o.folder = folder;
	o.empty = empty;
	o.program = argv[2];
	o.format = argv[3];
	o.target = argv[4];
	o.readonly = !strcmp(argv[5], "ro");
	o.discard = !strcmp(argv[6], "discard");
	o.wait_seconds = atoi(argv[7]);
	disk = nbd_disk_open(&o, why, sizeof(why));
	if (!disk) {
		printf("gone %s\n", why);
		return 0;
	}
	if (!events_add(signals, EPOLLIN, child_event, &signals) || !events_add(0, EPOLLIN, input_event, NULL))
		return 1;
	while (!closing || !jail_all_ended())
		events_serve(closing ? 100 : -1);
	printf("closed\n");
	return 0;
}
