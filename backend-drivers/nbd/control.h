/* SPDX-License-Identifier: MIT */
/* What the keeper and blkback-nbd tell each other: packets over a socket; and the descriptors that it starts with. */
#ifndef BACKEND_NBD_CONTROL_H
#define BACKEND_NBD_CONTROL_H

#include <stdint.h>

enum nbd_fd { NBD_FD_CONTROL = 3, NBD_FD_QUEUE, NBD_FD_BUFFER, NBD_FD_UNFLUSHED, NBD_FD_RING, NBD_FD_BELL, NBD_FD_LOCK, NBD_FDS };

enum nbd_message_type {
	/* From the process. */
	NBD_UP = 1,			/* it is connected; .disk_bytes, .block, .flags: the server's */
	NBD_LOST,			/* no connection, .text says why; our own server is to be started anew */
	NBD_FAILED,			/* the first connection can't be made: .text; it ends */
	NBD_LOG,			/* .text */
	NBD_ACCEPTED,			/* .generation: nothing of an earlier one runs any more */
	/* From the keeper. */
	NBD_SOCKET = 32,		/* connected to a new server of ours, all of whose predecessors are dead */
	NBD_LOOK,			/* connect anew, and say how large the disk is then */
	NBD_END,			/* flush, disconnect, end */
};

struct nbd_message {
	uint32_t type;
	uint32_t generation;
	uint64_t disk_bytes;
	uint32_t block, flags;
	char text[512];
};

#endif
