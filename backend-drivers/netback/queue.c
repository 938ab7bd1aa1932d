// SPDX-License-Identifier: MIT
/*
 * Packets from ring to tap and back; see queue.h. What may be lost or sent when a worker is killed: protocol.h, 3 and 4.
 *
 * The buffer's pages. Each part of a packet from the guest has a page of its own, at the same offset, so that one grant copy
 * brings it. Packets for the guest lie one behind the other, each from a page boundary on with the tap's header right
 * before it. Neither outlives its batch, so both are in the same pages.
 *
 *	0 ... 273	a batch; the first page has but the header of a packet for the guest that begins in the second
 *	274 ... 291	a packet for which the ring had no room, header and all
 *	292 ... 325	segments of a packet that had to be cut
 */
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "../common/worker.h"
#include "queue.h"

/* linux/include/uapi/xen/gntdev.h */
struct copy {
	union copy_end {
		void *here;
		struct {
			uint32_t ref;
			uint16_t offset, domid;
		} there;
	} from, to;
	uint16_t size, flags;
	int16_t status;
};
struct copy_call {
	uint32_t count;
	struct copy *copies;
};
_Static_assert(sizeof(struct copy) == 24 && sizeof(struct copy_call) == 16, "gntdev.h");
#define GRANT_COPY	_IOC(_IOC_NONE, 'G', 8, 16)

#define TX_REQUESTS	128u	/* taken at a time */
#define RX_PAGES	NET_SLOTS
#define RX_PACKETS	NET_SLOTS	/* read from the tap at a time, those that are dropped included */
#define FRAME_PAGES	(NET_FRAME_MAX / NET_PAGE)
#define CUT_PAGES	(2 * FRAME_PAGES)
#define HELD_PAGE	(1 + RX_PAGES + FRAME_PAGES)
#define CUT_PAGE	(HELD_PAGE + 1 + FRAME_PAGES)
_Static_assert(CUT_PAGE + CUT_PAGES == CARD_BUFFER, "card.h");
#define HEADER		sizeof(struct virtio_net_hdr)

struct queue {
	struct card *card;
	struct card_queue *shared;
	struct net_ring tx, rx;
	unsigned int number;
	int tap, events, epoll;
	uint32_t masked[2];		/* ports with an event that was taken and not yet unmasked */
	unsigned int masked_count;
	bool tap_ready;			/* the tap may have a packet */
	bool burst;			/* the tap is likely to have more than one packet */
	bool tap_last;			/* it was the tap that woke us last */
	bool tap_asked;			/* epoll looks at the tap */
	uint64_t sleep_until;		/* the rate allows no more till then; 0 */
	uint32_t held;			/* bytes of the packet that is held, 0 for none; its header is not counted */
	uint8_t *buffer;
	const uint32_t *refs;		/* of the buffer's pages, or NULL */
	struct copy copies[NET_SLOTS];
	struct net_tx_batch tx_batch;
	struct net_rx_batch rx_batch;
};

static void notify(struct queue *q, uint32_t port)
{
	ioctl(q->events, EVTCHN_NOTIFY, &port);
}

/* All of them, or none was done and each has failed. */
static void do_copies(struct queue *q, unsigned int count)
{
	struct copy_call call = { count, q->copies };

	if (!count || !ioctl(FD_GRANTS, GRANT_COPY, &call))
		return;
	for (unsigned int i = 0; i < count; i++)
		q->copies[i].status = GNTST_general_error;
}

/* Our end of a copy; @flag says that it is a grant, if it is. */
static void own_end(const struct queue *q, struct copy *c, union copy_end *end, uint8_t *at, uint16_t flag)
{
	size_t offset = at - q->buffer;

	if (!q->refs) {
		end->here = at;
		return;
	}
	end->there.ref = q->refs[offset / NET_PAGE];
	end->there.offset = offset % NET_PAGE;
	end->there.domid = DOMID_SELF;
	c->flags |= flag;
}

/* --- from the guest ------------------------------------------------------------------ */

static unsigned int plan_tx_copies(struct queue *q)
{
	const struct net_tx_batch *batch = &q->tx_batch;

	for (unsigned int i = 0; i < batch->part_count; i++) {
		const struct net_part *part = &batch->part[i];
		struct copy *c = &q->copies[i];

		c->from.there.ref = part->gref;
		c->from.there.offset = part->offset;
		c->from.there.domid = q->card->domid;
		c->size = part->size;
		c->flags = GNTCOPY_source_gref;
		c->status = GNTST_okay;
		own_end(q, c, &c->to, q->buffer + i * NET_PAGE + part->offset, GNTCOPY_dest_gref);
	}
	return batch->part_count;
}

static bool parts_came(const struct queue *q, const struct net_packet *p)
{
	for (unsigned int i = 0; i < p->parts; i++)
		if (q->copies[p->part + i].status != GNTST_okay)
			return false;
	return true;
}

/*
 * The packet as pieces for writev(), behind the header. Where its headers are to be parsed they must be in one piece: if the
 * first part is too short, they are gathered in @front. Returns how many pieces.
 */
static unsigned int lay_out(struct queue *q, const struct net_packet *p, uint8_t *front, struct iovec *iov)
{
	uint32_t have = 0, want = p->size < NET_FRONT_MAX ? p->size : NET_FRONT_MAX;
	unsigned int count = 0, part = 0;
	uint32_t skip = 0;

	if (q->tx_batch.part[p->part].size < want && (p->csum_blank || p->gso_type)) {
		for (; have < want; part += have < want) {
			const struct net_part *from = &q->tx_batch.part[p->part + part];
			uint32_t size = from->size < want - have ? from->size : want - have;

			memcpy(front + have, q->buffer + (p->part + part) * NET_PAGE + from->offset, size);
			have += size;
			skip = size;
		}
		iov[count++] = (struct iovec){ front, have };
	}
	for (; part < p->parts; part++, skip = 0) {
		const struct net_part *from = &q->tx_batch.part[p->part + part];

		if (from->size > skip)
			iov[count++] = (struct iovec){ q->buffer + (p->part + part) * NET_PAGE + from->offset + skip,
						       from->size - skip };
	}
	return count;
}

static int16_t change_groups(struct queue *q, const struct net_packet *p)
{
	struct card *card = q->card;
	bool good = true;

	pthread_mutex_lock(&card->lock);
	if (p->group_action == XEN_NETIF_EXTRA_TYPE_MCAST_ADD)
		good = net_group_add(&card->memory->groups, p->group);
	else
		net_group_remove(&card->memory->groups, p->group);
	pthread_mutex_unlock(&card->lock);
	return good ? NETIF_RSP_OKAY : NETIF_RSP_ERROR;
}

/* One packet, answered first (protocol.h, 4). */
static void send_one(struct queue *q, unsigned int number)
{
	const struct net_packet *p = &q->tx_batch.packet[number];
	struct net_journal *journal = &q->shared->journal;
	struct card_counts *counts = &q->shared->from_guest;
	struct iovec iov[XEN_NETIF_NR_SLOTS_MIN + 3];
	struct virtio_net_hdr header;
	uint8_t front[NET_FRONT_MAX];
	const char *problem = p->refused;
	unsigned int pieces;

	if (p->group_action && !problem) {
		net_tx_done(&q->tx, journal, &q->tx_batch, number, change_groups(q, p));
		return;
	}
	if (!problem && !parts_came(q, p))
		problem = "a page that is not granted";
	if (!problem) {
		pieces = lay_out(q, p, front, iov + 1);
		problem = net_to_tap(p, iov[1].iov_base, iov[1].iov_len, &header);
	}
	net_tx_done(&q->tx, journal, &q->tx_batch, number, problem ? NETIF_RSP_ERROR : NETIF_RSP_OKAY);
	if (problem) {
		if (!counts->refused++)
			worker_log("the guest sends what can't be taken: %s (said once)", problem);
		return;
	}
	fault_point("net-tx-answered");
	iov[0] = (struct iovec){ &header, HEADER };
	if (writev(q->tap, iov, pieces + 1) < 0) {
		counts->lost++;		/* the interface is down, or dom0 has no memory */
	} else {
		counts->packets++;
		counts->bytes += p->size;
	}
}

/* Gives back what is more than the rate allows, and says until when. */
static void limit_rate(struct queue *q)
{
	struct card *card = q->card;
	struct net_rate *rate = &card->memory->rate;
	uint64_t now = now_ns();
	unsigned int i;

	pthread_mutex_lock(&card->lock);
	for (i = 0; i < q->tx_batch.packet_count; i++)
		if (!net_rate_take(rate, now, q->tx_batch.packet[i].size))
			break;
	q->sleep_until = i < q->tx_batch.packet_count ? rate->next : 0;
	pthread_mutex_unlock(&card->lock);
	net_tx_give_back(&q->tx, &q->tx_batch, q->tx_batch.packet_count - i);
}

/* One batch; true if there was any. */
static bool send_some(struct queue *q)
{
	unsigned int packets;

	if (q->sleep_until && now_ns() < q->sleep_until)
		return false;
	q->sleep_until = 0;
	packets = net_tx_take(&q->tx, &q->tx_batch, TX_REQUESTS);
	if (packets && q->card->memory->rate.bytes) {
		limit_rate(q);
		packets = q->tx_batch.packet_count;
	}
	if (!packets)
		return false;
	do_copies(q, plan_tx_copies(q));
	fault_point("net-tx-copied");
	for (unsigned int i = 0; i < packets; i++)
		send_one(q, i);
	fault_point("net-tx-sent");
	if (net_tx_show(&q->tx, &q->shared->journal)) {
		fault_point("net-tx-shown");
		notify(q, q->shared->tx_port);
	}
	return true;
}

/* --- to the guest -------------------------------------------------------------------- */

/* Where a packet at page @page begins; the tap's header is before it. */
static uint8_t *rx_packet(struct queue *q, unsigned int page)
{
	return q->buffer + (page + 1) * NET_PAGE;
}

static uint8_t *held_packet(struct queue *q)
{
	return q->buffer + (HELD_PAGE + 1) * NET_PAGE;
}

static bool unwanted(const struct queue *q, const uint8_t *packet)
{
	return q->card->memory->groups_wanted && net_group_filtered(&q->card->memory->groups, packet);
}

/* Its pages are to be copied by the next finish_rx(). False if the ring has no room for it. */
static bool put_pages(struct queue *q, uint8_t *packet, const struct net_rx_packet *p, unsigned int *copies)
{
	struct net_rx_copy parts[FRAME_PAGES];
	unsigned int count = net_rx_take(&q->rx, &q->rx_batch, p, parts);

	for (unsigned int i = 0; i < count; i++) {
		struct copy *c = &q->copies[(*copies)++];

		c->to.there.ref = parts[i].gref;
		c->to.there.offset = 0;
		c->to.there.domid = q->card->domid;
		c->size = parts[i].size;
		c->flags = GNTCOPY_dest_gref;
		own_end(q, c, &c->from, packet + parts[i].from, GNTCOPY_source_gref);
		/* Until the copy is done: which answer it is for. */
		c->status = parts[i].slot;
	}
	if (count) {
		q->shared->to_guest.packets++;
		q->shared->to_guest.bytes += p->size;
	}
	return count;
}

static void finish_rx(struct queue *q, unsigned int copies)
{
	uint16_t slot[NET_SLOTS];

	for (unsigned int i = 0; i < copies; i++) {
		slot[i] = q->copies[i].status;
		q->copies[i].status = GNTST_okay;
	}
	fault_point("net-rx-read");
	do_copies(q, copies);
	fault_point("net-rx-copied");
	for (unsigned int i = 0; i < copies; i++)
		if (q->copies[i].status != GNTST_okay) {
			net_rx_failed(&q->rx_batch, slot[i]);
			q->shared->to_guest.lost++;
		}
	if (net_rx_show(&q->rx, &q->shared->journal, &q->rx_batch)) {
		fault_point("net-rx-shown");
		notify(q, q->shared->rx_port);
	}
}

/* A packet that the frontend can't take whole (a tagged one that dom0's kernel left uncut). */
static void put_segments(struct queue *q, const uint8_t *packet, uint32_t size, uint16_t gso_size, unsigned int *copies)
{
	struct net_rx_packet p = { .data_validated = true };
	struct net_headers h;
	unsigned int page = 0;

	net_parse(packet, size, &h);
	for (unsigned int i = 0; page + FRAME_PAGES <= CUT_PAGES; i++) {
		uint8_t *out = q->buffer + (CUT_PAGE + page) * NET_PAGE;

		p.size = net_segment(packet, size, &h, gso_size, i, out);
		if (!p.size)
			return;
		if (!put_pages(q, out, &p, copies))
			break;
		page += net_rx_slots(p.size, false);
		if (page + FRAME_PAGES > CUT_PAGES) {
			finish_rx(q, *copies);
			*copies = page = 0;
		}
	}
	q->shared->to_guest.lost++;
}

/* Puts a packet of @size bytes into the batch. False if the ring has no room for it. */
static bool put_packet(struct queue *q, uint8_t *packet, uint32_t size, unsigned int *copies)
{
	struct virtio_net_hdr header;
	struct net_rx_packet p;
	const char *problem;

	memcpy(&header, packet - HEADER, HEADER);
	problem = net_from_tap(&header, packet, size, &q->card->memory->takes, &p);
	if (!problem)
		return put_pages(q, packet, &p, copies);
	if (problem == net_to_be_cut) {
		finish_rx(q, *copies);
		*copies = 0;
		put_segments(q, packet, size, header.gso_size, copies);
		finish_rx(q, *copies);
		*copies = 0;
	} else if (!q->shared->to_guest.refused++) {
		worker_log("a packet for the guest can't be delivered: %s (said once)", problem);
	}
	return true;
}

/* What a packet took of the buffer, so that the next one's header has room before it. */
static unsigned int pages_of(uint32_t size)
{
	return (size + HEADER + NET_PAGE - 1) / NET_PAGE;
}

/* The next packet at page @page: its bytes, or 0 if the tap has none now. */
static uint32_t read_packet(struct queue *q, unsigned int page)
{
	ssize_t size = read(q->tap, rx_packet(q, page) - HEADER, HEADER + NET_FRAME_MAX);

	if (size > (ssize_t)HEADER)
		return size - HEADER;
	q->tap_ready = false;
	return 0;
}

/* Packets that wait in the tap, as many as there is room for. */
static void read_tap(struct queue *q, unsigned int *copies)
{
	unsigned int page = 0;

	for (unsigned int i = 0; i < RX_PACKETS && page + FRAME_PAGES <= RX_PAGES && net_ring_waiting(&q->rx); i++) {
		uint8_t *packet = rx_packet(q, page);
		uint32_t size = i && !q->burst ? 0 : read_packet(q, page);

		if (!size) {
			/* Behind a packet that comes alone no second is looked for: epoll says if there is one. */
			q->tap_ready = false;
			q->burst = i > 1;
			return;
		}
		if (unwanted(q, packet))
			continue;
		if (!put_packet(q, packet, size, copies)) {
			memcpy(held_packet(q) - HEADER, packet - HEADER, HEADER + size);
			q->held = size;
			return;
		}
		page += pages_of(size);
	}
}

/* One batch; true if there was any. */
static bool receive_some(struct queue *q)
{
	unsigned int copies = 0;

	if (q->held) {
		if (!put_packet(q, held_packet(q), q->held, &copies))
			return false;
		q->held = 0;
	}
	if (q->tap_ready)
		read_tap(q, &copies);
	if (copies)
		finish_rx(q, copies);
	return copies;
}

/* --- waiting ----------------------------------------------------------------------------- */

/* Whether the tap is to wake us: not while the guest has no room. */
static void ask_tap(struct queue *q, bool asked)
{
	struct epoll_event e = { .events = asked ? EPOLLIN : 0, .data.fd = q->tap };

	if (q->tap_asked != asked && epoll_ctl(q->epoll, EPOLL_CTL_MOD, q->tap, &e))
		worker_die("the tap can't be watched: %m");
	q->tap_asked = asked;
}

/* Both rings are told to wake us. True if there is something to do already. */
static bool arm(struct queue *q)
{
	bool blocked = q->held || (q->tap_ready && !net_ring_waiting(&q->rx));

	if (!q->sleep_until && net_ring_arm(&q->tx, 1))
		return true;
	/* A held packet may need all 18 slots; a frontend that offers fewer at a time than that gets no such packet. */
	if (blocked && net_ring_arm(&q->rx, q->held ? net_rx_slots(q->held, true) : 1))
		return true;
	ask_tap(q, !blocked);
	return q->tx.broken || q->rx.broken;
}

static void take_events(struct queue *q)
{
	ssize_t got = read(q->events, q->masked + q->masked_count, sizeof(q->masked) - q->masked_count * sizeof(q->masked[0]));

	if (got > 0)
		q->masked_count += got / sizeof(q->masked[0]);
}

static void unmask_events(struct queue *q)
{
	fault_point("net-unmask");
	if (q->masked_count && write(q->events, q->masked, q->masked_count * sizeof(q->masked[0])) < 0)
		worker_die("the event channels can't be unmasked: %m");
	q->masked_count = 0;
}

static void wait_for_work(struct queue *q)
{
	struct epoll_event e[2];
	struct timespec limit;
	int got;

	unmask_events(q);
	if (q->sleep_until) {
		uint64_t now = now_ns(), left = q->sleep_until > now ? q->sleep_until - now : 0;

		limit = (struct timespec){ left / 1000000000, left % 1000000000 };
	}
	got = epoll_pwait2(q->epoll, e, 2, q->sleep_until ? &limit : NULL, NULL);
	for (int i = 0; i < got; i++) {
		if (e[i].data.fd == q->tap) {
			q->tap_ready = true;
			q->burst |= q->tap_last;
			q->tap_last = true;
		} else {
			q->tap_last = false;
			take_events(q);
		}
		if (!(e[i].events & EPOLLIN))
			worker_die("%s can't be read", e[i].data.fd == q->tap ? "the tap" : "the event channels");
	}
}

void queue_run(struct queue *q)
{
	while (!q->tx.broken && !q->rx.broken) {
		bool sent = send_some(q), received = receive_some(q);

		if (!sent && !received && !arm(q))
			wait_for_work(q);
	}
	worker_misbehaves("queue %u, %s: %s", q->number, q->tx.broken ? "from the guest" : "to the guest",
			  q->tx.broken ? q->tx.broken : q->rx.broken);
}

const struct worker_rule queue_calls[] = {
	{ SCMP_SYS(epoll_pwait2), -1 }, { SCMP_SYS(writev), -1 }, { SCMP_SYS(epoll_ctl), -1 }, { SCMP_SYS(futex), -1 },
	{ SCMP_SYS(epoll_create1), -1 },
	{ SCMP_SYS(ioctl), GRANT_COPY }, { SCMP_SYS(ioctl), EVTCHN_NOTIFY },
};
const unsigned int queue_calls_count = sizeof(queue_calls) / sizeof(queue_calls[0]);

/* --- the beginning ------------------------------------------------------------------------- */

static bool watch(struct queue *q, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return !epoll_ctl(q->epoll, EPOLL_CTL_ADD, fd, &e);
}

/* Tells the frontend what a worker that was killed may not have told. */
static void come_up(struct queue *q)
{
	/* Events that it took and did not unmask: to unmask a port that is not masked does no harm. */
	q->masked[0] = q->shared->tx_port;
	q->masked[1] = q->shared->rx_port;
	q->masked_count = 2;
	unmask_events(q);
	notify(q, q->shared->tx_port);
	if (q->shared->rx_port != q->shared->tx_port)
		notify(q, q->shared->rx_port);
}

struct queue *queue_open(struct card *card, unsigned int number, void *tx_page, void *rx_page, uint8_t *buffer)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->card = card;
	q->number = number;
	q->shared = &card->memory->queue[number];
	q->tap = FD_OWN + number;
	q->events = FD_OWN + card->memory->queue_count + number;
	q->tap_ready = q->tap_asked = true;
	q->epoll = epoll_create1(EPOLL_CLOEXEC);
	q->buffer = buffer;
	q->refs = card->memory->buffers ? q->shared->buffer_ref : NULL;
	if (q->epoll < 0 || !watch(q, q->tap) || !watch(q, q->events))
		return NULL;
	if (!shared_load(&q->shared->begun)) {
		net_journal_start(&q->shared->journal, tx_page, rx_page);
		shared_store(&q->shared->begun, 1);
	}
	if (net_tx_attach(&q->tx, tx_page, &q->shared->journal) && net_rx_attach(&q->rx, rx_page, &q->shared->journal))
		come_up(q);
	return q;
}
