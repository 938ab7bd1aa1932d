// SPDX-License-Identifier: MIT
/*
 * Many requests to xenstored in one piece: one write and about one read for all of them, where each by itself costs both
 * programs a system call and a switch. For programs of this tree, which link libxenstore statically.
 *
 * Requests are put one behind the other; batch_run() sends them. Paths are printf formats. A batch can be used again
 * after it ran.
 */
#ifndef LIBXENSTORE_BATCH_H
#define LIBXENSTORE_BATCH_H

#include <xenstore.h>

struct xs_batch {
	char *data;
	size_t used, room;
	unsigned int count;
	xs_transaction_t transaction;	/* of the requests put from now on */
	int unfit;			/* errno if a request could not be put: then none is sent */

	/* After batch_run(): the first request that failed, unless its failure was expected. */
	int error;			/* errno, 0 for none */
	char failed[256];		/* its path */
};

void batch_free(struct xs_batch *b);

__attribute__((format(printf, 3, 4))) void batch_write(struct xs_batch *b, const char *value, const char *path, ...);
__attribute__((format(printf, 2, 3))) void batch_mkdir(struct xs_batch *b, const char *path, ...);
/* No error if there is no such node. */
__attribute__((format(printf, 2, 3))) void batch_remove(struct xs_batch *b, const char *path, ...);
/* @owner may do all; @reader, if not negative, may read; the others nothing. */
__attribute__((format(printf, 4, 5))) void batch_perms(struct xs_batch *b, int owner, int reader, const char *path, ...);
void batch_introduce(struct xs_batch *b, unsigned int domid, unsigned long mfn, unsigned int port);
void batch_watch(struct xs_batch *b, const char *path, const char *token);
void batch_end(struct xs_batch *b, bool commit);	/* of the transaction */

/*
 * A value goes to *@value as malloc()ed text, NULL if there is no such node; it must stay there until batch_run().
 */
__attribute__((format(printf, 3, 4))) void batch_read(struct xs_batch *b, char **value, const char *path, ...);

/* Sends what was put. 0, or -errno of the first failure, with b->failed. All requests are made whatever fails. */
int batch_run(struct xs_handle *h, struct xs_batch *b);

/*
 * Runs @fill in a transaction, again as long as others interfere: it puts its requests and may not run them.
 * 0 or -errno.
 */
int batch_transaction(struct xs_handle *h, struct xs_batch *b, void (*fill)(struct xs_batch *b, void *arg), void *arg);

#endif
