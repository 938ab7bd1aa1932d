// SPDX-License-Identifier: MIT
/*
 * Network load with contents that are checked, for dom0 and for guests:
 *
 *	netload serve PORT				serves what follows to any number of clients, IPv4 and IPv6; at a
 *							port that it says, if PORT is 0
 *	netload send ADDRESS PORT BYTES [STREAMS]	TCP to the server, which checks every byte
 *	netload receive ADDRESS PORT BYTES [STREAMS]	TCP from the server, checked here
 *	netload udp ADDRESS PORT COUNT SIZE		UDP to the server, which says how many came, and whole
 *	netload ask ADDRESS PORT COUNT SIZE		UDP there and back, one after the other
 *	netload pace ADDRESS PORT COUNT US		UDP there and back, one each US microseconds whether the last one is back or
 *							not; says the longest time without an answer
 *
 * Each ends with a line "netload: WHAT BYTES bytes, NS ns" and status 0, or a line that says what was wrong and status 1.
 * With a minus before BYTES contents are not checked, so that only the network's cost is measured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIECE	65536u

static uint64_t block[PIECE / 8];

static __attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	printf("netload: ");
	vprintf(format, ap);
	printf("\n");
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* What the stream has at byte @at, which is a multiple of 8: no two words of a stream are the same. */
static uint64_t word(uint64_t at, uint64_t seed)
{
	uint64_t x = (at + seed) * 0x9e3779b97f4a7c15ull;

	return x ^ x >> 29;
}

static void fill(uint64_t at, uint64_t seed)
{
	for (unsigned int i = 0; i < PIECE / 8; i++)
		block[i] = word(at + i * 8, seed);
}

static void send_all(int fd, const void *p, size_t size)
{
	while (size) {
		ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

		if (n < 0)
			fail("send: %s", strerror(errno));
		p = (const char *)p + n;
		size -= n;
	}
}

/* What a client wants of a TCP server. */
struct want {
	uint64_t bytes, seed;
	uint32_t check, to_server;
};

static void send_stream(int fd, const struct want *w)
{
	for (uint64_t at = 0; at < w->bytes; at += PIECE) {
		if (w->check)
			fill(at, w->seed);
		send_all(fd, block, w->bytes - at < PIECE ? w->bytes - at : PIECE);
	}
}

/* Bytes that were right before the first wrong one, or the end. */
static uint64_t receive_stream(int fd, const struct want *w)
{
	uint64_t at = 0;

	while (at < w->bytes) {
		size_t most = w->bytes - at < PIECE ? w->bytes - at : PIECE;
		ssize_t n = w->check ? recv(fd, block, most, MSG_WAITALL) : recv(fd, block, most, 0);

		if (n <= 0)
			break;
		for (ssize_t i = 0; w->check && i < n / 8; i++)
			if (block[i] != word(at + i * 8, w->seed))
				return at + i * 8;
		at += n;
	}
	return at;
}

static void serve_tcp(int fd)
{
	struct want w;
	uint64_t good;

	if (recv(fd, &w, sizeof(w), MSG_WAITALL) != sizeof(w))
		_exit(1);
	if (!w.to_server) {
		send_stream(fd, &w);
		_exit(0);
	}
	good = receive_stream(fd, &w);
	send_all(fd, &good, sizeof(good));
	_exit(0);
}

/* A packet's first word says how many there will be, its second which it is; a count of 0: send it back. */
static void serve_udp(int fd)
{
	static uint64_t received;
	struct sockaddr_storage from;
	socklen_t from_size = sizeof(from);
	ssize_t n = recvfrom(fd, block, PIECE, MSG_DONTWAIT, (void *)&from, &from_size);

	while (n >= 24) {
		if (!block[0]) {
			sendto(fd, block, n, 0, (void *)&from, from_size);
		} else if (block[1] == UINT64_MAX) {
			block[2] = received;
			received = 0;
			sendto(fd, block, 24, 0, (void *)&from, from_size);
		} else {
			bool good = true;

			for (ssize_t i = 3; i < n / 8; i++)
				good &= block[i] == word(i * 8, block[1]);
			received += good;
		}
		n = recvfrom(fd, block, PIECE, MSG_DONTWAIT, (void *)&from, &from_size);
	}
}

static int listen_on(int type, uint16_t port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type, 0), on = 1, off = 0, large = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof(large));
	if (bind(fd, (void *)&at, sizeof(at)) || (type == SOCK_STREAM && listen(fd, 64)))
		fail("port %u: %s", port, strerror(errno));
	return fd;
}

static void serve(uint16_t port)
{
	struct pollfd fds[2] = { { listen_on(SOCK_STREAM, port), POLLIN, 0 } };
	struct sockaddr_in6 at;
	socklen_t size = sizeof(at);

	if (getsockname(fds[0].fd, (void *)&at, &size))
		fail("getsockname: %s", strerror(errno));
	port = ntohs(at.sin6_port);
	fds[1] = (struct pollfd){ listen_on(SOCK_DGRAM, port), POLLIN, 0 };
	signal(SIGCHLD, SIG_IGN);
	printf("netload: serving at port %u\n", port);
	fflush(stdout);
	for (;;) {
		poll(fds, 2, -1);
		if (fds[1].revents)
			serve_udp(fds[1].fd);
		if (fds[0].revents) {
			int fd = accept(fds[0].fd, NULL, NULL);

			if (fd >= 0 && !fork())
				serve_tcp(fd);
			close(fd);
		}
	}
}

static int connect_to(const char *address, const char *port, int type)
{
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	bool v6 = inet_pton(AF_INET6, address, &to6.sin6_addr) == 1;
	int fd = socket(v6 ? AF_INET6 : AF_INET, type, 0);

	if (!v6 && inet_pton(AF_INET, address, &to4.sin_addr) != 1)
		fail("%s is no address", address);
	if (v6 ? connect(fd, (void *)&to6, sizeof(to6)) : connect(fd, (void *)&to4, sizeof(to4)))
		fail("connect to %s: %s", address, strerror(errno));
	return fd;
}

static void one_stream(const char *address, const char *port, const struct want *w)
{
	int fd = connect_to(address, port, SOCK_STREAM);
	uint64_t good;

	send_all(fd, w, sizeof(*w));
	if (w->to_server) {
		send_stream(fd, w);
		if (recv(fd, &good, sizeof(good), MSG_WAITALL) != sizeof(good))
			fail("the server gave no answer");
	} else {
		good = receive_stream(fd, w);
	}
	if (good != w->bytes)
		fail("wrong, or the end, at byte %llu of %llu", (unsigned long long)good, (unsigned long long)w->bytes);
}

static int streams(char **argv, unsigned int count)
{
	struct want w = { .to_server = !strcmp(argv[1], "send"), .check = argv[4][0] != '-' };
	uint64_t start = now();
	int bad = 0, status;

	w.bytes = strtoull(argv[4] + !w.check, NULL, 10);
	for (unsigned int i = 0; i < count; i++) {
		w.seed = start + i;
		if (count == 1)
			one_stream(argv[2], argv[3], &w);
		else if (!fork())
			return one_stream(argv[2], argv[3], &w), 0;
	}
	while (wait(&status) > 0)
		bad |= status;
	if (bad)
		return 1;
	printf("netload: %s %llu bytes, %llu ns\n", argv[1], (unsigned long long)w.bytes * count,
	       (unsigned long long)(now() - start));
	return 0;
}

/* Until it has come back; packets may be lost. */
static void ask(int fd, size_t size)
{
	uint64_t answer[PIECE / 8];
	struct pollfd p = { fd, POLLIN, 0 };

	for (int tries = 0; tries < 20; tries++) {
		send(fd, block, size, 0);
		while (poll(&p, 1, 1000) > 0)
			if (recv(fd, answer, sizeof(answer), 0) >= 24 && answer[1] == block[1]) {
				block[2] = answer[2];
				return;
			}
	}
	fail("no answer");
}

static void pace(char **argv)
{
	int fd = connect_to(argv[2], argv[3], SOCK_DGRAM);
	uint64_t count = strtoull(argv[4], NULL, 10), step = strtoull(argv[5], NULL, 10) * 1000, sent = 0, back = 0, longest = 0;
	uint64_t next, last, end;
	struct pollfd p = { fd, POLLIN, 0 };

	block[0] = block[1] = 0;
	ask(fd, 24);
	next = last = now();
	/* Those on their way when the last one is sent have a second. */
	end = next + count * step + 1000000000;
	while (back < count && now() < end) {
		struct timespec wait = { 0, 1000000 };

		if (sent < count && now() >= next) {
			block[1] = ++sent;
			next += step;
			if (send(fd, block, 24, 0) < 0 && errno != ENOBUFS)
				fail("send: %s", strerror(errno));
		}
		if (sent < count)
			wait.tv_nsec = next > now() ? next - now() : 0;
		if (ppoll(&p, 1, &wait, NULL) <= 0)
			continue;
		while (recv(fd, block, sizeof(block), MSG_DONTWAIT) > 0) {
			uint64_t t = now();

			back++;
			longest = t - last > longest ? t - last : longest;
			last = t;
		}
		block[0] = 0;
	}
	printf("netload: pace %llu of %llu are back, longest pause %llu us\n", (unsigned long long)back, (unsigned long long)count,
	       (unsigned long long)longest / 1000);
}

static void packets(char **argv)
{
	int fd = connect_to(argv[2], argv[3], SOCK_DGRAM);
	uint64_t count = strtoull(argv[4], NULL, 10), start;
	size_t size = strtoul(argv[5], NULL, 10);
	bool back = !strcmp(argv[1], "ask");

	block[0] = back ? 0 : count;
	block[1] = back ? 1 : UINT64_MAX;
	block[2] = 0;
	ask(fd, size < 24 ? 24 : size);
	start = now();
	for (uint64_t i = 0; i < count; i++) {
		block[1] = i;
		if (back) {
			ask(fd, size);
			continue;
		}
		for (size_t k = 3; k < size / 8; k++)
			block[k] = word(k * 8, i);
		if (send(fd, block, size, 0) < 0 && errno != ENOBUFS && errno != ECONNREFUSED)
			fail("send: %s", strerror(errno));
	}
	block[1] = UINT64_MAX;
	if (!back)
		ask(fd, 24);
	printf("netload: %s %llu of %llu packets, %llu ns\n", argv[1], (unsigned long long)(back ? count : block[2]),
	       (unsigned long long)count, (unsigned long long)(now() - start));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(atoi(argv[2]));
	else if ((argc == 5 || argc == 6) && (!strcmp(argv[1], "send") || !strcmp(argv[1], "receive")))
		return streams(argv, argc == 6 ? atoi(argv[5]) : 1);
	else if (argc == 6 && (!strcmp(argv[1], "udp") || !strcmp(argv[1], "ask")))
		packets(argv);
	else if (argc == 6 && !strcmp(argv[1], "pace"))
		pace(argv);
	else
		fail("serve PORT | send|receive ADDRESS PORT BYTES [STREAMS] | udp|ask ADDRESS PORT COUNT SIZE | pace ADDRESS PORT COUNT US");
	return 0;
}
