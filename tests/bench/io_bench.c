// SPDX-License-Identifier: MIT
/*
 * A load for split drivers, counted by the TSC: the same program in a guest on its frontends, in dom0 on the raw device,
 * on every hypervisor. Under QEMU's -icount one tick of the TSC is one instruction of the whole machine, so a figure
 * has in it the guest, its drivers, the hypervisor, and the backend.
 *
 *	io_bench block DEVICE [WORD]	reads and writes past the page cache; WORD goes in front of the names
 *	io_bench serve			answers the next one, for ever
 *	io_bench net ADDRESS WORD	TCP both ways, UDP
 *
 * A figure is a line "IO name instructions-in-hundredths": for an I/O, a packet, a round trip, or for 1,000 bytes.
 *
 * Blocks: Linux AIO with O_DIRECT, a fixed number in flight; as many as have ended are sent again, by one call. Each
 * case runs unmeasured first, so that persistent grants, requests and stacks are there. Streams are measured by who began
 * them, to the byte that says that all has come. Datagrams that get lost are not counted and are told.
 *
 * The queues are kept full and there is one CPU, so nobody idles; at depth 1, and in a round trip, waiting is part of it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_DEPTH	32
#define MOST_BYTES	(64 * 1024)
#define PORT		5001
#define STREAM_PART	(128 * 1024)
#define DATAGRAM	64
#define WINDOW		256		/* datagrams */

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "io_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* Marks for the plugin count.c; to a CPU they are no-ops. */
#define MARK(n) asm volatile(".byte 0x0f, 0x1f, 0x80; .long 0x58454e00 + " #n : : : "memory")

static void report(const char *word, const char *name, uint64_t ticks, uint64_t units)
{
	printf("IO %s%s %lu\n", word, name, ticks * 100 / units);
	fflush(stdout);
}

/* ---- blocks ---- */

struct load {
	const char *name;
	unsigned int bytes, depth, count;
	bool write, random;
};

static const struct load loads[] = {
	{ "read_64k_depth_32", 65536, 32, 2048, false, false },
	{ "random_read_4k_depth_32", 4096, 32, 4096, false, true },
	{ "random_read_4k_depth_1", 4096, 1, 2048, false, true },
	{ "write_64k_depth_32", 65536, 32, 2048, true, false },
};

static char *buffers;
static aio_context_t context;
static uint64_t device_bytes;

/* The place of the n-th I/O: in turn, or by a multiplicative generator with a fixed seed. */
static uint64_t place(const struct load *load, unsigned int n)
{
	static uint64_t state = 88172645463325252ULL;
	const uint64_t places = device_bytes / load->bytes;

	if (!load->random)
		return n % places * load->bytes;
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % places * load->bytes;
}

static void play(const struct load *load, int device, unsigned int count)
{
	static struct iocb blocks[MOST_DEPTH];
	struct iocb *list[MOST_DEPTH];
	struct io_event events[MOST_DEPTH];
	unsigned int sent = 0, done = 0;
	long ready = load->depth;

	for (unsigned int i = 0; i < load->depth; i++)
		list[i] = &blocks[i];
	while (done < count) {
		long to_send = ready;

		if (to_send > (long)(count - sent))
			to_send = count - sent;
		for (long i = 0; i < to_send; i++) {
			const long index = list[i] - blocks;

			*list[i] = (struct iocb){
				.aio_lio_opcode = load->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
				.aio_fildes = device,
				.aio_buf = (uintptr_t)(buffers + index * MOST_BYTES),
				.aio_nbytes = load->bytes,
				.aio_offset = place(load, sent++),
			};
		}
		if (to_send && syscall(SYS_io_submit, context, to_send, list) != to_send)
			die("io_submit");
		ready = syscall(SYS_io_getevents, context, 1L, (long)load->depth, events, NULL);
		if (ready < 1)
			die("io_getevents");
		for (long i = 0; i < ready; i++) {
			if (events[i].res != load->bytes) {
				errno = events[i].res < 0 ? (int)-events[i].res : EIO;
				die(load->name);
			}
			list[i] = (struct iocb *)(uintptr_t)events[i].obj;
		}
		done += ready;
	}
}

static void block(const char *path, const char *word)
{
	const int device = open(path, O_RDWR | O_DIRECT);

	if (device < 0 || ioctl(device, BLKGETSIZE64, &device_bytes))
		die(path);
	buffers = mmap(NULL, MOST_DEPTH * MOST_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (buffers == MAP_FAILED)
		die("mmap");
	memset(buffers, 0x5a, MOST_DEPTH * MOST_BYTES);
	if (syscall(SYS_io_setup, MOST_DEPTH, &context))
		die("io_setup");
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		uint64_t start;

		play(&loads[i], device, loads[i].count / 4);
		MARK(0);
		start = rdtsc();
		play(&loads[i], device, loads[i].count);
		report(word, loads[i].name, rdtsc() - start, loads[i].count);
		MARK(1);
	}
}

/* ---- streams and datagrams ---- */

/* What a client wants: the server reads that many bytes and answers one, or sends them. */
struct wish {
	uint64_t bytes;
	uint64_t server_sends;
};

static char part[STREAM_PART];

static void read_all(int stream, uint64_t bytes)
{
	while (bytes) {
		ssize_t n = read(stream, part, bytes < sizeof(part) ? bytes : sizeof(part));

		if (n <= 0)
			die("reading the stream");
		bytes -= n;
	}
}

static void write_all(int stream, uint64_t bytes)
{
	while (bytes) {
		ssize_t n = write(stream, part, bytes < sizeof(part) ? bytes : sizeof(part));

		if (n <= 0)
			die("writing the stream");
		bytes -= n;
	}
}

static struct sockaddr_in address_of(const char *text)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	if (!inet_aton(text, &to.sin_addr)) {
		errno = EINVAL;
		die(text);
	}
	return to;
}

static void serve_stream(int listener)
{
	int stream = accept(listener, NULL, NULL);
	struct wish wish;

	if (stream < 0)
		die("accept");
	while (read(stream, &wish, sizeof(wish)) == sizeof(wish)) {
		if (wish.server_sends) {
			write_all(stream, wish.bytes);
		} else {
			read_all(stream, wish.bytes);
			write_all(stream, 1);
		}
	}
	close(stream);
}

struct datagram {
	uint64_t kind;		/* ECHO: send it back. COUNT: count it. ASK: send it back with the count */
	uint64_t number;
	uint64_t count;
	char rest[DATAGRAM - 24];
};
enum { ECHO, COUNT, ASK };

static void serve_datagram(int datagrams)
{
	static uint64_t count;
	struct datagram d;
	struct sockaddr_in from;
	socklen_t length = sizeof(from);

	if (recvfrom(datagrams, &d, sizeof(d), MSG_DONTWAIT, (struct sockaddr *)&from, &length) != sizeof(d))
		return;
	if (d.kind == COUNT) {
		count++;
		return;
	}
	d.count = count;
	if (sendto(datagrams, &d, sizeof(d), 0, (struct sockaddr *)&from, length) != sizeof(d))
		die("answering a datagram");
}

static void serve(void)
{
	const struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	const int one = 1, room = 4 << 20;
	int listener = socket(AF_INET, SOCK_STREAM, 0), datagrams = socket(AF_INET, SOCK_DGRAM, 0);
	struct pollfd wait[2] = { { .fd = listener, .events = POLLIN }, { .fd = datagrams, .events = POLLIN } };

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(datagrams, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(listener, (const struct sockaddr *)&here, sizeof(here)) || listen(listener, 8) ||
	    bind(datagrams, (const struct sockaddr *)&here, sizeof(here)))
		die("the port");
	printf("IO serving\n");
	fflush(stdout);
	for (;;) {
		if (poll(wait, 2, -1) < 1)
			die("poll");
		if (wait[0].revents)
			serve_stream(listener);
		if (wait[1].revents)
			serve_datagram(datagrams);
	}
}

static uint64_t stream_ticks(int stream, uint64_t bytes, bool server_sends)
{
	const struct wish wish = { bytes, server_sends };
	const uint64_t start = rdtsc();

	if (write(stream, &wish, sizeof(wish)) != sizeof(wish))
		die("asking for a stream");
	if (server_sends) {
		read_all(stream, bytes);
	} else {
		write_all(stream, bytes);
		read_all(stream, 1);
	}
	return rdtsc() - start;
}

static void streams(const struct sockaddr_in *to, const char *word)
{
	const uint64_t bytes = 32 << 20;
	int stream = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(stream, (const struct sockaddr *)to, sizeof(*to)))
		die("connect");
	for (int server_sends = 0; server_sends < 2; server_sends++) {
		stream_ticks(stream, bytes / 4, server_sends);
		report(word, server_sends ? "tcp_back_1000_bytes" : "tcp_1000_bytes", stream_ticks(stream, bytes, server_sends),
		       bytes / 1000);
	}
	close(stream);
}

/* Sends one and waits for what comes back; it may get lost: then once more. Returns the server's count. */
static uint64_t round_trip(int datagrams, uint64_t kind)
{
	static uint64_t number;
	struct pollfd wait = { .fd = datagrams, .events = POLLIN };
	struct datagram d = { .kind = kind }, back;

	for (int tries = 0; tries < 10; tries++) {
		d.number = ++number;
		if (send(datagrams, &d, sizeof(d), 0) != sizeof(d))
			die("send");
		while (poll(&wait, 1, 200) == 1) {
			if (recv(datagrams, &back, sizeof(back), 0) != sizeof(back))
				die("recv");
			if (back.number == number)
				return back.count;
		}
		printf("IO lost a round trip\n");
	}
	errno = ETIMEDOUT;
	die("no datagram comes back");
}

/* Sends them in windows, after each of which the server is asked, so that what is under way fits in all queues. */
static uint64_t send_datagrams(int datagrams, unsigned int count)
{
	const struct datagram d = { .kind = COUNT };
	uint64_t seen = 0;

	for (unsigned int i = 1; i <= count; i++) {
		if (send(datagrams, &d, sizeof(d), 0) != sizeof(d))
			die("send");
		if (i % WINDOW == 0)
			seen = round_trip(datagrams, ASK);
	}
	return seen;
}

static void datagram_load(const struct sockaddr_in *to, const char *word)
{
	const unsigned int count = 8192, trips = 2048;
	int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
	uint64_t start, before, came;

	if (connect(datagrams, (const struct sockaddr *)to, sizeof(*to)))
		die("connect");
	before = send_datagrams(datagrams, count / 8);
	start = rdtsc();
	came = send_datagrams(datagrams, count) - before;
	report(word, "udp_packet", rdtsc() - start, came ? came : 1);
	if (came != count)
		printf("IO lost %lu of %u\n", count - came, count);
	for (int warm = 1; warm >= 0; warm--) {
		start = rdtsc();
		for (unsigned int i = 0; i < (warm ? trips / 8 : trips); i++)
			round_trip(datagrams, ECHO);
	}
	report(word, "udp_round_trip", rdtsc() - start, trips);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to;

	if (argc > 2 && !strcmp(argv[1], "block")) {
		block(argv[2], argc > 3 ? argv[3] : "");
	} else if (argc == 2 && !strcmp(argv[1], "serve")) {
		serve();
	} else if (argc == 4 && !strcmp(argv[1], "net")) {
		to = address_of(argv[2]);
		streams(&to, argv[3]);
		datagram_load(&to, argv[3]);
	} else {
		fprintf(stderr, "usage: io_bench block DEVICE [WORD] | serve | net ADDRESS WORD\n");
		return 2;
	}
	return 0;
}
