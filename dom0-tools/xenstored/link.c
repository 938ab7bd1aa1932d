// SPDX-License-Identifier: MIT
/*
 * Moving bytes: from a socket or a ring into a slot's input, from a connection's output to a socket or a ring; so that
 * a daemon killed at any point leaves in shared memory how far it had come (shm.h, rules 3 and 4).
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "daemon.h"

#define SEND_PIECES 16

struct link *link_new(struct conn *c, struct slot *slot)
{
	struct link *l = xs_zalloc(sizeof(*l));

	l->conn = c;
	l->slot = slot;
	l->uid = c->uid;
	l->domid = slot->domid;
	l->port = slot->local_port;
	l->fd = -1;
	c->io = l;
	return l;
}

void slot_settle(struct slot *slot)
{
	if (slot->rx.msg_len != NONE)
		shm_store(&slot->received, slot->rx_base + slot->rx.msg_len);
	if (slot->tx.msg_len != NONE)
		shm_store(&slot->sent, slot->tx_base + slot->tx.msg_len);
}

/* What epoll is to watch for; called wherever that may have changed. */
void link_interest(struct link *l)
{
	struct epoll_event ev = { .data.ptr = l };
	struct slot *slot = l->slot;

	if (l->fd < 0 || l->dead)
		return;
	if (!l->eof && slot->received - slot->consumed < INPUT_SIZE && conn_may_run(l->conn))
		ev.events |= EPOLLIN;
	if (l->blocked)
		ev.events |= EPOLLOUT;
	if (ev.events == l->interest)
		return;
	epoll_ctl(worker.epoll, EPOLL_CTL_MOD, l->fd, &ev);
	l->interest = ev.events;
}

/* The connection is over; the rest follows in links_reap(), outside of any message. */
void link_kill(struct link *l)
{
	if (l->dead)
		return;
	l->dead = true;
	TAILQ_INSERT_TAIL(&worker.dead, l, dead_next);
}

static void ring_error(struct link *l, uint32_t error, const char *what)
{
	log_line("domain %u: %s; its ring is not served any more", l->conn->domid, what);
	l->broken = true;
	__atomic_store_n(&l->ring->error, error, __ATOMIC_RELEASE);
	l->notify = true;
}

static void socket_receive(struct link *l)
{
	struct slot *slot = l->slot;
	uint32_t at = slot->received % INPUT_SIZE, space = INPUT_SIZE - (slot->received - slot->consumed);
	uint32_t first = INPUT_SIZE - at < space ? INPUT_SIZE - at : space;
	struct iovec iov[2] = { { slot->input + at, first }, { slot->input, space - first } };
	int n;

	if (!space || l->eof)
		return;
	shm_store(&slot->rx.msg_len, NONE);
	shm_store(&slot->rx_base, slot->received);
	memset(&slot->rx.msg_hdr, 0, sizeof(slot->rx.msg_hdr));
	slot->rx.msg_hdr.msg_iov = iov;
	slot->rx.msg_hdr.msg_iovlen = space > first ? 2 : 1;
	fault_point("receive");
	n = recvmmsg(l->fd, &slot->rx, 1, MSG_DONTWAIT, NULL);
	fault_point("received");
	if (n == 1 && slot->rx.msg_len) {
		shm_store(&slot->received, slot->rx_base + slot->rx.msg_len);
		fault_point("received-counted");
	} else if (n == 1 || (errno != EAGAIN && errno != EINTR)) {
		l->eof = true;
	}
}

static void ring_receive(struct link *l)
{
	struct slot *slot = l->slot;
	uint32_t cons = slot->req_start + (uint32_t)slot->received;
	uint32_t prod = __atomic_load_n(&l->ring->req_prod, __ATOMIC_ACQUIRE);
	uint32_t have = prod - cons, space = INPUT_SIZE - (slot->received - slot->consumed), n, i;

	if (l->broken || l->ring->connection == XENSTORE_RECONNECT)
		return;
	if (have > XENSTORE_RING_SIZE) {
		ring_error(l, XENSTORE_ERROR_RINGIDX, "its request ring's positions make no sense");
		return;
	}
	n = have < space ? have : space;
	if (!n)
		return;
	for (i = 0; i < n; i++)
		slot->input[(slot->received + i) % INPUT_SIZE] = l->ring->req[MASK_XENSTORE_IDX(cons + i)];
	fault_point("ring-copied");
	shm_store(&slot->received, slot->received + n);
	fault_point("ring-received");
	/* The bytes are ours: a full fence, since the guest may now write over them and sleeps if it sees no room. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&l->ring->req_cons, cons + n, __ATOMIC_RELEASE);
	l->notify = true;
}

void link_copy(const struct slot *slot, uint64_t from, void *to, size_t len)
{
	size_t at = from % INPUT_SIZE, first = INPUT_SIZE - at < len ? INPUT_SIZE - at : len;

	memcpy(to, slot->input + at, first);
	memcpy((uint8_t *)to + first, slot->input, len - first);
}

int link_message(struct link *l, struct xsd_sockmsg *hdr)
{
	const struct slot *slot = l->slot;
	uint64_t have = slot->received - slot->consumed;

	if (have < sizeof(*hdr))
		return 0;
	link_copy(slot, slot->consumed, hdr, sizeof(*hdr));
	if (hdr->len > XENSTORE_PAYLOAD_MAX)
		return -1;
	return have >= sizeof(*hdr) + hdr->len;
}

void link_receive(struct link *l)
{
	struct xsd_sockmsg hdr;
	int have;

	if (l->dead || l->broken)
		return;
	if (l->ring)
		ring_receive(l);
	else
		socket_receive(l);
	have = link_message(l, &hdr);
	if (have < 0) {
		log_line("domain %u: a message of %u bytes, %u are allowed; the connection ends", l->conn->domid,
			 hdr.len, XENSTORE_PAYLOAD_MAX);
		if (l->ring)
			ring_error(l, XENSTORE_ERROR_PROTO, "a message is too long");
		else
			link_kill(l);
		return;
	}
	if (have)
		make_ready(l);
	else if (l->eof)
		link_kill(l);
	link_interest(l);
}

static void count_sent(struct link *l, uint64_t sent)
{
	uint64_t n = sent - l->slot->sent;

	fault_point("sent");
	shm_store(&l->slot->sent, sent);
	fault_point("sent-counted");
	conn_sent(l->conn, n);
}

static void socket_flush(struct link *l)
{
	struct slot *slot = l->slot;
	struct iovec iov[SEND_PIECES];
	struct outmsg *m;
	int pieces, n;

	l->blocked = false;
	while (!STAILQ_EMPTY(&l->conn->out)) {
		pieces = 0;
		STAILQ_FOREACH(m, &l->conn->out, next) {
			if (pieces == SEND_PIECES)
				break;
			iov[pieces++] = (struct iovec){ m->data + m->sent, m->len - m->sent };
		}
		shm_store(&slot->tx.msg_len, NONE);
		shm_store(&slot->tx_base, slot->sent);
		memset(&slot->tx.msg_hdr, 0, sizeof(slot->tx.msg_hdr));
		slot->tx.msg_hdr.msg_iov = iov;
		slot->tx.msg_hdr.msg_iovlen = pieces;
		fault_point("send");
		n = sendmmsg(l->fd, &slot->tx, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n != 1) {
			l->blocked = errno == EAGAIN || errno == EINTR;
			if (!l->blocked)
				link_kill(l);
			return;
		}
		count_sent(l, slot->tx_base + slot->tx.msg_len);
	}
}

static void ring_flush(struct link *l)
{
	struct slot *slot = l->slot;
	struct outmsg *m;

	while (!l->broken && (m = STAILQ_FIRST(&l->conn->out))) {
		uint32_t prod = slot->rsp_start + (uint32_t)slot->sent;
		uint32_t used = prod - __atomic_load_n(&l->ring->rsp_cons, __ATOMIC_ACQUIRE);
		uint32_t n = m->len - m->sent;

		if (used > XENSTORE_RING_SIZE) {
			ring_error(l, XENSTORE_ERROR_RINGIDX, "its answer ring's positions make no sense");
			return;
		}
		if (n > XENSTORE_RING_SIZE - used)
			n = XENSTORE_RING_SIZE - used;
		if (!n)
			return;
		for (uint32_t i = 0; i < n; i++)
			l->ring->rsp[MASK_XENSTORE_IDX(prod + i)] = m->data[m->sent + i];
		count_sent(l, slot->sent + n);
		__atomic_store_n(&l->ring->rsp_prod, prod + n, __ATOMIC_RELEASE);
		/* Its rsp_cons is looked at again only after it can see the bytes. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		l->notify = true;
	}
}

/* The ring's own positions as the slot has them: after a new start, and when a domain is introduced. */
void ring_publish(struct link *l)
{
	l->ring->server_features = XENSTORE_SERVER_FEATURE_ERROR;
	l->ring->error = XENSTORE_ERROR_NONE;
	__atomic_store_n(&l->ring->req_cons, l->slot->req_start + (uint32_t)l->slot->received, __ATOMIC_RELEASE);
	__atomic_store_n(&l->ring->rsp_prod, l->slot->rsp_start + (uint32_t)l->slot->sent, __ATOMIC_RELEASE);
	__atomic_store_n(&l->ring->connection, XENSTORE_CONNECTED, __ATOMIC_RELEASE);
	l->notify = true;
}

/* Sends what can be sent now, and one event for all that changed in a ring. */
void link_flush(struct link *l)
{
	struct xsd_sockmsg hdr;

	if (l->dead)
		return;
	if (l->ring)
		ring_flush(l);
	else
		socket_flush(l);
	if (l->notify) {
		l->notify = false;
		fault_point("notify");
		xen_notify(events_fd, l->port);
	}
	if (l->dead)
		return;
	/* Room in its output may let the next message run. */
	if (conn_may_run(l->conn) && link_message(l, &hdr) == 1)
		make_ready(l);
	link_interest(l);
}

/* Ends what link_kill() marked. Outside of messages: it writes the journal. */
void links_reap(void)
{
	struct link *l;

	while ((l = TAILQ_FIRST(&worker.dead))) {
		struct keeper_call call = { .op = KEEPER_CLOSE, .slot = l->slot - shm->slots, .uid = l->uid };

		TAILQ_REMOVE(&worker.dead, l, dead_next);
		if (l->ready)
			TAILQ_REMOVE(&worker.ready, l, ready_next);
		if (l->dirty)
			TAILQ_REMOVE(&worker.dirty, l, dirty_next);
		if (l->conn) {
			if (l->conn->dom->conn == l->conn)
				l->conn->dom->conn = NULL;
			conn_free(l->conn);
			commit();
		}
		fault_point("closing");
		if (l->ring) {
			if (l->port < worker.ports && worker.by_port[l->port] == l)
				worker.by_port[l->port] = NULL;
			xen_unmap_ring(l->domid, l->ring);
		} else {
			/* The keeper's copy would keep it in the set. */
			epoll_ctl(worker.epoll, EPOLL_CTL_DEL, l->fd, NULL);
			close(l->fd);
		}
		/* The slot may already be another's: a domain that was introduced again. */
		if (l->slot->uid == l->uid) {
			shm_store(&l->slot->state, SLOT_CLOSING);
			fault_point("closed");
			send(worker.calls, &call, sizeof(call), MSG_NOSIGNAL);
		}
		free(l);
	}
}
