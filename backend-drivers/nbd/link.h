/* SPDX-License-Identifier: MIT */
/* One connection to an NBD server, by libnbd; nothing here waits. */
#ifndef BACKEND_NBD_LINK_H
#define BACKEND_NBD_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include "queue.h"

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP };

/* @error: errno; ENOTCONN if the connection was lost before the answer came. */
typedef void (*link_done)(void *context, int error);

/* Begin to connect; false with link_why(). The socket becomes the link's. */
bool link_connect_uri(const char *uri);
bool link_connect_socket(int fd);
/* All that is under way ends with ENOTCONN. */
void link_close(void);
/* What to poll for; -1 if there is no connection. */
int link_fd(short *events);
/* After poll(): goes on with what is ready, calls link_done functions. */
enum link_state link_step(short revents);
/* Why there is no connection: a sentence, never NULL. */
const char *link_why(void);
/* What the server says, while up. 0, or -errno if we can't work with it (link_why()). */
int link_server(uint64_t *disk_bytes, uint32_t *block, uint32_t *flags);
/* False with *@error if the request can't be sent; then @done is not called. */
bool link_send(enum nbd_op op, uint64_t offset, uint32_t length, void *data, link_done done, void *context, int *error);

#endif
