/* SPDX-License-Identifier: MIT */
/*
 * The keeper's side of a disk behind NBD: a remote server, or an image that a server of our own knows how to read. It starts
 * the processes, starts them again, and passes their words on. Nothing here waits.
 */
#ifndef BACKEND_NBD_DISK_H
#define BACKEND_NBD_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nbd_state { NBD_STARTING, NBD_SERVING, NBD_GONE };

struct nbd_options {
	const char *format;	/* "nbd", or one that image_known() */
	const char *target;	/* URI or path */
	bool readonly, discard;
	uint32_t wait_seconds;	/* how long requests wait for a lost server */
	const char *name;	/* for messages: "qdisk 3/51712" */
	const char *folder;	/* where its memory is to lie, with the prefix of the files' names: /run/xen/backendd/qdisk-3-51712 */
	const char *empty;	/* an empty folder */
	const char *program;	/* blkback-nbd */
	uint32_t uid;		/* this and the next become the processes' users */
	/* The state, or the size, may be another now. The disk may be closed within. */
	void (*changed)(void *context);
	void (*say)(void *context, const char *text);
	void *context;
};

struct nbd_geometry {
	uint64_t bytes;
	uint32_t block;		/* bytes: all offsets and lengths are multiples; 512 to 4096 */
	uint32_t flags;		/* NBD_CAN_..., queue.h */
};

struct nbd_disk;

/* Begins; the strings are copied. NULL with a sentence in @why. */
struct nbd_disk *nbd_disk_open(const struct nbd_options *o, char *why, size_t size);
/* What is known of it now; @why (when GONE) is valid until it is closed. */
enum nbd_state nbd_disk_state(const struct nbd_disk *d, struct nbd_geometry *g, const char **why);
/* The worker's descriptors: buffer; memory, ring, bell (nbd_client_open()). They stay the disk's. */
unsigned int nbd_disk_descriptors(const struct nbd_disk *d, int *fds);
/*
 * The worker is dead, and there will be no other for this connection: true when nothing of it runs any more. Else
 * nbd_disk_drained_fd() becomes readable when it is worth asking again.
 */
bool nbd_disk_drained(struct nbd_disk *d);
int nbd_disk_drained_fd(const struct nbd_disk *d);
/* Asks a remote server for the size; changed() tells. 0, or -ENOTSUP for an image. */
int nbd_disk_look(struct nbd_disk *d);
/* What was written is flushed and the processes end, in a while; @d is gone for the caller. No callbacks any more. */
void nbd_disk_close(struct nbd_disk *d);

#endif
