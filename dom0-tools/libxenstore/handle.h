// SPDX-License-Identifier: MIT
/* libxenstore's handle, and the one function that all requests go through. */
#ifndef LIBXENSTORE_HANDLE_H
#define LIBXENSTORE_HANDLE_H

#include <pthread.h>
#include <sys/queue.h>
#include <sys/uio.h>
#include <xenstore.h>

struct message {
	STAILQ_ENTRY(message) next;
	struct xsd_sockmsg hdr;
	char body[];			/* hdr.len bytes and a terminator */
};
STAILQ_HEAD(message_list, message);

#define INPUT_SIZE 8192

/* libxentoolcore's; a program that has it may ask that all handles be closed for good (QEMU does). */
struct active_handle {
	int (*restrict_callback)(struct active_handle *h, uint32_t domid);
	struct active_handle *next, **prev;
};

struct xs_handle {
	struct active_handle active;
	int fd;
	bool is_socket;
	bool unwatch_filter;
	/*
	 * [R] request_lock: one request at a time, from its first byte to its answer.
	 * [L] lock: the lists, failed, reader_runs, the pipe.
	 * input belongs to the reader while it runs, else to who holds request_lock.
	 * Order: request_lock, lock.
	 */
	pthread_mutex_t request_lock, lock;
	pthread_cond_t changed;		/* something was put into a list, or the connection failed */
	struct message_list replies, events;
	int failed;			/* errno of the connection's end */
	bool reader_runs;
	pthread_t reader;
	int stop;			/* -1, or an eventfd that ends the reader */
	int pipe[2];			/* -1, or holds a byte while events is not empty */
	size_t input_len;
	char input[INPUT_SIZE];
};

/*
 * Sends a request of @count pieces and waits for its answer. Returns the body, with its length in *len if that is not
 * NULL, or NULL with errno.
 */
void *xenstore_talk(struct xs_handle *h, xs_transaction_t t, uint32_t type, const struct iovec *pieces, unsigned int count,
	      unsigned int *len);

/*
 * Sends @count complete requests, @bytes in one piece, and waits for their answers: each goes to @answer with its number,
 * an errno or 0, and its body with a terminator. Returns false with errno if the connection ended.
 */
bool xenstore_talk_many(struct xs_handle *h, void *requests, size_t bytes, unsigned int count,
			void (*answer)(void *arg, unsigned int i, int err, const char *body, unsigned int len), void *arg);

/* Starts the thread that reads; needed once events can come. */
bool xenstore_start_reader(struct xs_handle *h);

/* Drops waiting events of a watch. */
void xenstore_drop_events(struct xs_handle *h, const char *path, const char *token);

#endif
