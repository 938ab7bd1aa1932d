// SPDX-License-Identifier: MIT
/*
 * The memory that keeper and daemon share: what must outlive the daemon, which can be killed between any two
 * instructions. docs/xenstore.md has the reasons; the rules:
 *
 * 1. The journal is two regions, of which commit names one and how much of it counts: one 64-bit store makes a
 *    request's records count, or a new snapshot take the old one's place. What lies behind is nothing.
 * 2. A message counts as taken when its J_DONE record counts. slot.consumed only repeats that.
 * 3. Bytes count as received or sent by one 64-bit store each. Over a socket the kernel itself writes how many they
 *    were: recvmmsg() and sendmmsg() store msg_len into rx and tx here before the daemon can run (or die) again.
 *    With NONE in msg_len the call did not happen; else received is rx_base + rx.msg_len, sent is tx_base + tx.msg_len,
 *    however often that is worked out. msg_len becomes NONE before the base changes.
 * 4. Over a ring the positions are req_start + received and rsp_start + sent; the ring's own are written afterwards,
 *    and again at a new start.
 * 5. The keeper owns slot.state's ways FREE -> NEW and CLOSING -> FREE, the daemon NEW -> ACTIVE -> CLOSING. At a new
 *    start the keeper frees what is CLOSING.
 */
#ifndef XENSTORED_SHM_H
#define XENSTORED_SHM_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SLOTS		4096u
#define INPUT_SIZE	8192u		/* a power of two, more than a message */
#define REGION_SIZE	(1ull << 30)
#define NONE		UINT32_MAX

enum slot_state { SLOT_FREE, SLOT_NEW, SLOT_ACTIVE, SLOT_CLOSING };
enum slot_kind { KIND_SOCKET = 1, KIND_SOCKET_RO, KIND_RING };

struct slot {
	uint32_t state;
	uint32_t kind;
	uint32_t domid;
	int32_t fd;			/* the keeper's; a daemon started later has it under that number too */
	uint32_t born;			/* shm.starts at that time: that daemon is sent the descriptor */
	uint32_t port, local_port;	/* of a ring: the domain's, ours */
	uint64_t gfn;
	uint64_t uid;			/* the connection's, 0 until the daemon gave it one */
	uint64_t received, sent;	/* bytes, of a connection's whole life */
	uint64_t consumed;
	uint32_t req_start, rsp_start;
	uint64_t rx_base, tx_base;
	struct mmsghdr rx, tx;
	uint8_t input[INPUT_SIZE];	/* byte n of the input is at n modulo the size */
};

#define COMMIT_REGION	(1ull << 63)

struct shm {
	uint64_t commit;
	uint32_t executing;		/* slot + 1 of the message that runs, 0 between messages */
	uint32_t crashes;		/* of the daemon, by other than SIGKILL, while that message ran */
	uint32_t ready;			/* the daemon has come up */
	uint32_t starts;		/* of daemons, the running one included */
	uint32_t virq_port;
	uint32_t fault_left;		/* test build: passes of the fault point until it kills */
	char fault_point[32];
	uint32_t slots_used;		/* the slots behind these were never touched, and have no memory yet */
	struct slot slots[SLOTS];
};

#define SHM_HEAD	((sizeof(struct shm) + 4095) & ~4095ull)
#define SHM_SIZE	(SHM_HEAD + 2 * REGION_SIZE)

static inline uint8_t *shm_region(struct shm *m, int region)
{
	return (uint8_t *)m + SHM_HEAD + region * REGION_SIZE;
}

/* A store that the compiler keeps, in its place; the machine keeps its order for whoever looks after a kill. */
#define shm_store(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define shm_load(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)

/* Where a daemon of the test build can be told to die. */
#ifdef XENSTORED_TEST
void fault_point(const char *label);
#else
static inline void fault_point(const char *label)
{
}
#endif

#endif
