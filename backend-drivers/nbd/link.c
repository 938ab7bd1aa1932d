// SPDX-License-Identifier: MIT
/*
 * A connection to an NBD server. libnbd does the protocol, URIs and TLS; its handle is driven by poll() and lives for one
 * connection. When a handle dies, libnbd ends the commands under way with ENOTCONN, a number no server can send.
 *
 * A peer that is switched off sends nothing: TCP's keep-alive and user timeout find that within SILENT_SECONDS. A server that
 * is there and slow is waited for.
 */
#include <errno.h>
#include <libnbd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "link.h"

#define SILENT_SECONDS	20
#define BLOCK_MOST	4096u

static struct nbd_handle *handle;
static bool up;
static char why[512] = "there was no connection yet";

struct answer {
	link_done done;
	void *context;
};

static void keep_why(void)
{
	const char *text = nbd_get_error();
	/* libnbd begins with the name of its function. */
	const char *colon = text ? strstr(text, ": ") : NULL;

	if (colon && !strncmp(text, "nbd_", 4))
		text = colon + 2;
	snprintf(why, sizeof(why), "%s", text ? text : "the server closed the connection");
}

const char *link_why(void)
{
	return why;
}

static bool begin(void)
{
	link_close();
	handle = nbd_create();
	if (handle && !nbd_set_uri_allow_local_file(handle, true))
		return true;
	keep_why();
	return false;
}

bool link_connect_uri(const char *uri)
{
	if (!begin())
		return false;
	if (!nbd_aio_connect_uri(handle, uri))
		return true;
	keep_why();
	link_close();
	return false;
}

bool link_connect_socket(int fd)
{
	if (!begin())
		return false;
	if (!nbd_aio_connect_socket(handle, fd))
		return true;
	keep_why();
	link_close();
	return false;
}

void link_close(void)
{
	struct nbd_handle *h = handle;

	handle = NULL;
	up = false;
	nbd_close(h);
}

int link_fd(short *events)
{
	int direction = handle ? nbd_aio_get_direction(handle) : 0;

	*events = (direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
		  (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0);
	return handle ? nbd_aio_get_fd(handle) : -1;
}

static void find_silence(void)
{
	int fd = nbd_aio_get_fd(handle), one = 1, idle = SILENT_SECONDS / 2, step = SILENT_SECONDS / 10, count = 5;
	unsigned int ms = SILENT_SECONDS * 1000;
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &size) ||
	    (peer.ss_family != AF_INET && peer.ss_family != AF_INET6))
		return;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step, sizeof(step));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

enum link_state link_step(short revents)
{
	if (!handle)
		return LINK_DOWN;
	if (revents & (POLLIN | POLLHUP | POLLERR) && nbd_aio_get_direction(handle) & LIBNBD_AIO_DIRECTION_READ)
		nbd_aio_notify_read(handle);
	else if (revents & (POLLOUT | POLLHUP | POLLERR) && nbd_aio_get_direction(handle) & LIBNBD_AIO_DIRECTION_WRITE)
		nbd_aio_notify_write(handle);
	if (nbd_aio_is_dead(handle) || nbd_aio_is_closed(handle)) {
		keep_why();
		link_close();
		return LINK_DOWN;
	}
	if (!up && (nbd_aio_is_ready(handle) || nbd_aio_is_processing(handle))) {
		up = true;
		find_silence();
	}
	return up ? LINK_UP : LINK_CONNECTING;
}

int link_server(uint64_t *disk_bytes, uint32_t *block, uint32_t *flags)
{
	int64_t bytes = nbd_get_size(handle), least = nbd_get_block_size(handle, LIBNBD_SIZE_MINIMUM);
	int64_t most = nbd_get_block_size(handle, LIBNBD_SIZE_MAXIMUM);

	if (bytes <= 0) {
		snprintf(why, sizeof(why), "the server says that the disk has no size");
		return -EINVAL;
	}
	if (least > BLOCK_MOST || (most > 0 && most < NBD_MOST)) {
		snprintf(why, sizeof(why), "the server wants requests of %lld to %lld bytes; ours have %u to %u",
			 (long long)least, (long long)most, 512, NBD_MOST);
		return -EINVAL;
	}
	*disk_bytes = bytes;
	*block = least > 512 ? least : 512;
	*flags = (nbd_can_flush(handle) > 0 ? NBD_CAN_FLUSH : 0) | (nbd_can_trim(handle) > 0 ? NBD_CAN_DISCARD : 0) |
		 (nbd_can_zero(handle) > 0 ? NBD_CAN_ZERO : 0) | (nbd_is_read_only(handle) > 0 ? NBD_IS_READONLY : 0);
	return 0;
}

static int answered(void *context, int *error)
{
	struct answer *a = context;

	a->done(a->context, *error);
	return 1;	/* libnbd forgets the command */
}

bool link_send(enum nbd_op op, uint64_t offset, uint32_t length, void *data, link_done done, void *context, int *error)
{
	struct answer *a = malloc(sizeof(*a));
	nbd_completion_callback callback = { .callback = answered, .user_data = a, .free = free };
	int64_t cookie = -1;

	*error = ENOMEM;
	if (!a)
		return false;
	*a = (struct answer){ done, context };
	switch (op) {
	case NBD_READ:
		cookie = nbd_aio_pread(handle, data, length, offset, callback, 0);
		break;
	case NBD_WRITE:
		cookie = nbd_aio_pwrite(handle, data, length, offset, callback, 0);
		break;
	case NBD_FLUSH:
		cookie = nbd_aio_flush(handle, callback, 0);
		break;
	case NBD_DISCARD:
		cookie = nbd_aio_trim(handle, length, offset, callback, 0);
		break;
	case NBD_ZERO:
		cookie = nbd_aio_zero(handle, length, offset, callback, 0);
		break;
	}
	/* libnbd calls callback.free in any case. */
	if (cookie >= 0)
		return true;
	*error = nbd_aio_is_dead(handle) || nbd_aio_is_closed(handle) ? ENOTCONN : nbd_get_errno();
	keep_why();
	return false;
}
