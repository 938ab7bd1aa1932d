/* SPDX-License-Identifier: MIT */
/*
 * What the keeper and a worker share: descriptors under fixed numbers, messages over a socket, and memory.
 *
 * The memory is a file in /run/xen/backendd that the keeper makes when a frontend connects, and removes when it has
 * closed. It outlives the worker, and a killed keeper finds it again. It begins with struct backend_memory; what is
 * behind (at BACKEND_OWN) belongs to the kind of device, whose journal it holds. The rules:
 *
 * 1. The keeper writes the head before it starts a worker; afterwards only `starts`, `died_ns` and what is marked.
 * 2. The worker writes its kind's part and `ready`. The keeper believes nothing that it reads there. Nor may a worker
 *    that has rights left: its predecessor may have been taken over by its guest. So a worker gives them up first, by what
 *    the keeper says in its arguments (worker.h), and what it reads afterwards can only harm its own device.
 * 3. A worker can be killed between any two instructions, so a fact is one aligned store, made after what it speaks of.
 */
#ifndef BACKEND_SHARED_H
#define BACKEND_SHARED_H

#include <stdint.h>
#include <time.h>

/* Descriptors of a worker. FD_OWN and those behind it are its kind's (struct backend_kind.descriptors). */
enum worker_fd { FD_CONTROL = 3, FD_MEMORY, FD_EVENTS, FD_GRANTS, FD_OWN };
#define WORKER_OWN_FDS	16	/* at most */

#define BACKEND_MAGIC	0x6b6e6562u
#define BACKEND_OWN	4096u	/* bytes from the memory's start to the kind's part */

struct backend_memory {
	uint32_t magic;
	uint32_t layout;		/* the kind's: a memory of another layout is not taken over */
	uint64_t size;			/* bytes, this head included */
	uint32_t domid, devid;
	uint32_t doorbell;		/* local event channel by which the keeper says: look at FD_CONTROL */
	uint32_t starts;		/* of workers on this connection, the running one included */
	uint32_t ready;			/* the worker's: the start that has come up */
	uint64_t died_ns;		/* CLOCK_MONOTONIC when the last worker's death was noticed, 0 for none */
	char name[64];			/* for messages: "qdisk 3/51712" */
	char connection[2048];		/* what the frontend wrote into the store: of another connection, another journal */
	uint32_t fault_left;		/* test build: passes of that fault point until it kills */
	char fault_point[32];
};
_Static_assert(sizeof(struct backend_memory) <= BACKEND_OWN, "the head has a page");

/* A store that the compiler keeps, in its place; x86 keeps the order for whoever looks after a kill. */
#define shared_store(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define shared_load(p)		__atomic_load_n((p), __ATOMIC_ACQUIRE)

/*
 * Messages, one packet each. The worker asks, the keeper answers MAP and COPY with the same type; the other types have
 * no answer. Numbers from MESSAGE_OWN on are the kind's own, either way.
 */
enum message_type {
	MESSAGE_READY = 1,		/* worker: I serve */
	MESSAGE_LOG,			/* worker: .text */
	MESSAGE_MISBEHAVES,		/* worker: the frontend broke the protocol, .text says how; close the device */
	MESSAGE_MAP,			/* worker: prepare .count .refs to be mmap()ed from FD_GRANTS; answer: .error, .index */
	MESSAGE_UNMAP,			/* worker: forget the .count pages at .index; they are not mapped any more */
	MESSAGE_COPY,			/* worker: do .count .copies; answer: .error, and .status of each */
	MESSAGE_CHANGED,		/* keeper: the kind's part of the memory has changed */
	MESSAGE_CLOSING,		/* keeper: the frontend has said Closed; serve what it still asks for, then say ANSWERED */
	MESSAGE_ANSWERED,		/* worker: since CLOSING all has been answered */
	MESSAGE_OWN = 64,
};

#define MESSAGE_ITEMS	512u

/* One piece of a grant copy; it stays within one page of the guest. */
struct message_copy {
	uint32_t ref;
	uint16_t offset, length;	/* bytes, in the guest's page */
	uint32_t buffer;		/* bytes from the start of the kind's buffer (backend_kind.buffer) */
	uint32_t to_guest;
};

struct message {
	uint32_t type;
	int32_t error;			/* errno, 0 for none */
	uint32_t count;
	uint32_t readonly;		/* MAP: the grant allows no more, or no more is wanted */
	uint64_t index;			/* MAP: offset for mmap() */
	union {
		char text[512];
		uint32_t refs[MESSAGE_ITEMS];
		struct message_copy copies[MESSAGE_ITEMS];
		int16_t status[MESSAGE_ITEMS];	/* GNTST_*: xen/grant_table.h */
		uint8_t own[4096];
	};
};
#define MESSAGE_HEAD	24u		/* bytes before the union */

/* CLOCK_MONOTONIC */
static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

#endif
