// SPDX-License-Identifier: MIT
/*
 * libxenstore: talking to xenstored. API and ABI of Xen 4.17's libxenstore.so.4, so that programs run on either.
 *
 * A handle may be used by several threads. Functions fail with NULL or false and errno; what they return as char *,
 * void * or an array is one piece of malloc()ed memory. Paths are absolute, or relative to /local/domain/N of the own
 * domain. A transaction's number is 0 (XBT_NULL) outside of transactions.
 */
#ifndef XENSTORE_H
#define XENSTORE_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xs_handle;
typedef uint32_t xs_transaction_t;
#define XBT_NULL		0

/* The first entry is the owner, with what domains may that no entry names. */
struct xs_permissions {
	unsigned int id;
	unsigned int perms;
};
#define XS_PERM_NONE		0x00
#define XS_PERM_READ		0x01
#define XS_PERM_WRITE		0x02
#define XS_PERM_ENOENT_OK	0x04
#define XS_PERM_OWNER		0x08
#define XS_PERM_IGNORE		0x10

/* Room for a number of type x as text. */
#define MAX_STRLEN(x)		((sizeof(x) * CHAR_BIT + CHAR_BIT - 1) / 10 * 3 + 2)

/*
 * Flags of xs_open(). The first two change nothing. XS_UNWATCH_FILTER: after xs_unwatch() no event of that watch comes
 * any more, also none that was under way; the pairs of path and token must then be unique.
 */
#define XS_OPEN_READONLY	(1UL << 0)
#define XS_OPEN_SOCKETONLY	(1UL << 1)
#define XS_UNWATCH_FILTER	(1UL << 2)

/* The daemon's socket if it can be reached, else the kernel's device. */
struct xs_handle *xs_open(unsigned long flags);
void xs_close(struct xs_handle *h);

/* Old names of xs_open(0) and xs_close(). */
struct xs_handle *xs_daemon_open(void);
struct xs_handle *xs_domain_open(void);
struct xs_handle *xs_daemon_open_readonly(void);
void xs_daemon_close(struct xs_handle *h);

/* In a child after fork(): frees the handle, and leaves the connection to the parent. */
void xs_daemon_destroy_postfork(struct xs_handle *h);

/* The names of a node's children, *num of them. */
char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num);
/* A node's value with a terminator that *len does not count. */
void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len);
/* Sets a value; makes the node and its parents if need be. */
bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data, unsigned int len);
bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path);
/* Removes a node with all beneath it. */
bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path);
/* Gone from the protocol: always fails. */
bool xs_restrict(struct xs_handle *h, unsigned int domid);

struct xs_permissions *xs_get_permissions(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num);
bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path, struct xs_permissions *perms,
			unsigned int num_perms);

/* Asks for an event at each change of the node at @path or beneath it; one comes at once. */
bool xs_watch(struct xs_handle *h, const char *path, const char *token);
bool xs_unwatch(struct xs_handle *h, const char *path, const char *token);
/* Readable while events wait. */
int xs_fileno(struct xs_handle *h);
/*
 * The next event: [XS_WATCH_PATH] is the path that changed, [XS_WATCH_TOKEN] the watch's token. xs_check_watch() fails
 * with EAGAIN if there is none, xs_read_watch() waits.
 */
char **xs_check_watch(struct xs_handle *h);
char **xs_read_watch(struct xs_handle *h, unsigned int *num);

/* Fails with EAGAIN if the transaction met a conflict: all of it has to be done again. */
xs_transaction_t xs_transaction_start(struct xs_handle *h);
bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort);

/* For toolstacks: a domain's ring (frame and event channel) is there, is not, goes on after suspend. */
bool xs_introduce_domain(struct xs_handle *h, unsigned int domid, unsigned long mfn, unsigned int eventchn);
bool xs_release_domain(struct xs_handle *h, unsigned int domid);
bool xs_resume_domain(struct xs_handle *h, unsigned int domid);
/* @domid may do what @target may. */
bool xs_set_target(struct xs_handle *h, unsigned int domid, unsigned int target);
bool xs_is_domain_introduced(struct xs_handle *h, unsigned int domid);
/* /local/domain/N */
char *xs_get_domain_path(struct xs_handle *h, unsigned int domid);

/* Is @child the path @parent or one beneath it? Compares text only. */
bool xs_path_is_subpath(const char *parent, const char *child);

/* xenstore-control's way: a command, and the rest of its words, each with a terminator. */
char *xs_control_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len);
char *xs_debug_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len);

/* The event channel by which a guest wants to be suspended; negative if there is none. */
int xs_suspend_evtchn_port(int domid);

/* Where the daemon's things are: XENSTORED_RUNDIR and XENSTORED_PATH in the environment change it. */
const char *xs_daemon_rundir(void);
const char *xs_daemon_socket(void);
const char *xs_daemon_socket_ro(void);

/* Writes all of it. */
bool xs_write_all(int fd, const void *data, unsigned int len);
/* Permissions from the protocol's text: @num strings, one behind the other. */
bool xs_strings_to_perms(struct xs_permissions *perms, unsigned int num, const char *strings);

#ifdef __cplusplus
}
#endif

#endif
