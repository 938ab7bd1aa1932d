/* SPDX-License-Identifier: MIT */
/* Image files: how Debian's programs are called that know their formats, in which jail, and what their messages mean. */
#ifndef BACKEND_NBD_IMAGE_H
#define BACKEND_NBD_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "jail.h"

struct image {
	const char *driver;	/* QEMU's name of the format */
	char *path;		/* with all links followed */
	char *folder;
	bool readonly, discard;
	bool device;		/* it lies on a block device */
	bool direct;		/* its file system can do without the page cache */
};

/* Is this a format of images? */
bool image_known(const char *format);
/* Looks at the file (not into it). 0, or -errno with a sentence in @why. */
int image_open(struct image *i, const char *format, const char *path, bool readonly, bool discard, char *why, size_t size);
void image_close(struct image *i);

/*
 * Start, as user @uid: qemu-img, which writes what it finds to @out; qemu-nbd, which serves the socket @listen that is bound
 * and listens. @lock is held while they live. Process or -errno.
 */
pid_t image_check(const struct image *i, uint32_t uid, const char *mount_on, int out, int lock, jail_end ended, void *context);
pid_t image_serve(const struct image *i, uint32_t uid, const char *mount_on, int err, int listen, int lock, jail_end ended,
		  void *context);

/* What qemu-img said, as a sentence in @why; false if the image can be served. */
bool image_is_bad(const struct image *i, const char *text, int status, char *why, size_t size);
/* What qemu-nbd wrote before it ended. */
void image_why(const struct image *i, const char *text, int status, char *why, size_t size);

#endif
