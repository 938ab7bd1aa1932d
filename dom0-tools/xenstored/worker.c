// SPDX-License-Identifier: MIT
/*
 * The daemon: one loop over sockets and event channels. Each round every connection that has a complete message gets
 * one message run, so a connection that always has another one slows the others down by one message, never more.
 *
 * A message's course: receive -> run (effects go to the store's journal) -> commit() -> send. Nothing leaves the
 * daemon before the commit, and nothing of it happens without.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "daemon.h"

#define EVENTS_AT_ONCE	64
#define ROUNDS_AT_ONCE	16	/* before it looks whether somebody else wants something */
#define CRASHES_ALLOWED	2

struct worker worker;
static volatile sig_atomic_t reopen_log;

void make_ready(struct link *l)
{
	if (l->ready || l->dead || l->broken)
		return;
	l->ready = true;
	TAILQ_INSERT_TAIL(&worker.ready, l, ready_next);
}

static void make_dirty(struct link *l)
{
	if (l->dirty || l->dead)
		return;
	l->dirty = true;
	TAILQ_INSERT_TAIL(&worker.dirty, l, dirty_next);
}

/* --- what the store asks --- */

static void host_log(void *ctx, const char *text)
{
	log_line("%s", text);
}

static void host_output(void *ctx, struct conn *c, const struct outmsg *m)
{
	struct xsd_sockmsg hdr;

	memcpy(&hdr, m->data, sizeof(hdr));
	log_trace("OUT", c, hdr.type, (const char *)m->data + sizeof(hdr), hdr.len);
	if (c->io)
		make_dirty(c->io);
}

static void host_gone(void *ctx, struct conn *c)
{
	struct link *l = c->io;

	if (!l)
		return;
	l->conn = NULL;
	link_kill(l);
}

static void remember_port(struct link *l)
{
	uint32_t port = l->port;

	if (port >= worker.ports) {
		uint32_t n = (port + 64) * 2;

		worker.by_port = xs_realloc(worker.by_port, n * sizeof(*worker.by_port));
		memset(worker.by_port + worker.ports, 0, (n - worker.ports) * sizeof(*worker.by_port));
		worker.ports = n;
	}
	worker.by_port[port] = l;
}

/* Maps a domain's ring and has the keeper bind its port. */
int worker_introduce(void *ctx, uint32_t domid, uint64_t gfn, uint32_t port, struct conn **c)
{
	struct keeper_call call = { .op = KEEPER_BIND, .domid = domid, .port = port, .gfn = gfn };
	struct xenstore_domain_interface *ring;
	struct keeper_answer answer;
	struct slot *slot;
	struct link *l;

	if (events_fd < 0)
		return ENOSYS;
	ring = xen_map_ring(domid, gfn);
	if (!ring) {
		log_line("domain %u: its ring can't be mapped: %m", domid);
		return EINVAL;
	}
	fault_point("introduce");
	if (send(worker.calls, &call, sizeof(call), MSG_NOSIGNAL) != sizeof(call) ||
	    recv(worker.calls, &answer, sizeof(answer), 0) != sizeof(answer))
		_exit(0);	/* the keeper is gone, and all with it */
	fault_point("introduce-bound");
	if (answer.err) {
		log_line("domain %u: its event channel %u can't be bound: %s", domid, port, strerror(answer.err));
		xen_unmap_ring(domid, ring);
		return EINVAL;
	}
	slot = &shm->slots[answer.slot];
	slot->req_start = ring->req_cons;
	slot->rsp_start = ring->rsp_prod;
	*c = conn_new(worker.store, answer.slot, domid, true, false);
	slot->uid = (*c)->uid;
	shm_store(&slot->state, SLOT_ACTIVE);
	l = link_new(*c, slot);
	l->ring = ring;
	remember_port(l);
	ring_publish(l);
	make_dirty(l);
	return 0;
}

static int host_control(void *ctx, unsigned int argc, const char **argv, struct buf *answer)
{
#ifdef XENSTORED_TEST
	if (!strcmp(argv[0], "crash"))
		abort();
#endif
	if (!strcmp(argv[0], "log") && argc == 2 && (!strcmp(argv[1], "on") || !strcmp(argv[1], "off"))) {
		log_tracing = argv[1][1] == 'n';
		return 0;
	}
	if (!strcmp(argv[0], "logfile") && argc == 2)
		return log_to_file(argv[1]) ? 0 : EINVAL;
	if (!strcmp(argv[0], "memreport") && argc <= 2) {
		FILE *f = argc == 2 ? fopen(argv[1], "ae") : NULL;

		if (argc == 2 && !f)
			return EINVAL;
		log_line("journal %llu bytes, last snapshot %llu, restarts %u",
			 (unsigned long long)(shm->commit & ~COMMIT_REGION),
			 (unsigned long long)worker.snapshot_size, shm->starts - 1);
		if (f) {
			fprintf(f, "journal\t%llu\nsnapshot\t%llu\nrestarts\t%u\n",
				(unsigned long long)(shm->commit & ~COMMIT_REGION),
				(unsigned long long)worker.snapshot_size, shm->starts - 1);
			fclose(f);
		}
		return 0;
	}
	return EINVAL;
}

static const struct store_host host = {
	.log = host_log,
	.output = host_output,
	.introduce = worker_introduce,
	.gone = host_gone,
	.control = host_control,
};

/* --- messages --- */

static void run_message(struct link *l, const struct xsd_sockmsg *hdr)
{
	static uint8_t payload[XENSTORE_PAYLOAD_MAX];
	struct slot *slot = l->slot;
	struct conn *c = l->conn;
	uint64_t next = slot->consumed + sizeof(*hdr) + hdr->len;

	link_copy(slot, slot->consumed + sizeof(*hdr), payload, hdr->len);
	log_trace("IN", c, hdr->type, (char *)payload, hdr->len);
	shm_store(&shm->executing, slot - shm->slots + 1);
	fault_point("run");
	if (shm->crashes >= CRASHES_ALLOWED) {
		log_line("domain %u: the daemon died twice of a message of type %u; it is answered EIO", c->domid,
			 hdr->type);
		conn_error(c, hdr, EIO);
	} else {
		store_request(c, hdr, payload);
	}
	journal_done(c, next);
	commit();
	shm_store(&slot->consumed, next);
	shm->crashes = 0;
	shm_store(&shm->executing, 0);
	fault_point("done");
}

/* One message of every connection that has one. */
static void run_round(void)
{
	struct link *last = TAILQ_LAST(&worker.ready, link_list), *l = NULL;
	struct xsd_sockmsg hdr;

	while (l != last && (l = TAILQ_FIRST(&worker.ready))) {
		TAILQ_REMOVE(&worker.ready, l, ready_next);
		l->ready = false;
		if (l->dead || !conn_may_run(l->conn))
			continue;
		switch (link_message(l, &hdr)) {
		case 1:
			run_message(l, &hdr);
			break;
		case 0:
			break;
		default:
			link_receive(l);	/* says what is wrong and ends it */
			continue;
		}
		if (l->dead)
			continue;
		if (link_message(l, &hdr)) {
			make_ready(l);
		} else if (l->ring) {
			link_receive(l);
			make_dirty(l);
		} else if (l->eof) {
			link_kill(l);
		}
	}
}

static void flush_all(void)
{
	struct link *l;

	while ((l = TAILQ_FIRST(&worker.dirty))) {
		TAILQ_REMOVE(&worker.dirty, l, dirty_next);
		l->dirty = false;
		link_flush(l);
	}
}

/* --- connections and domains --- */

static void watch_link(struct link *l)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = l };

	if (l->fd < 0)
		return;
	l->interest = ev.events;
	epoll_ctl(worker.epoll, EPOLL_CTL_ADD, l->fd, &ev);
}

/* The keeper accepted a connection. */
static void adopt(struct slot *slot, int fd)
{
	struct conn *c = conn_new(worker.store, slot - shm->slots, 0, false, slot->kind == KIND_SOCKET_RO);
	struct link *l = link_new(c, slot);

	l->fd = fd;
	slot->uid = c->uid;
	fault_point("adopt");
	commit();
	fault_point("adopted");
	shm_store(&slot->state, SLOT_ACTIVE);
	watch_link(l);
	link_receive(l);
}

static void hear_news(void)
{
	uint32_t number;
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { &number, sizeof(number) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)
	};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(worker.news, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(number))
		return;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || number >= SLOTS)
		return;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (shm->slots[number].state == SLOT_NEW && !shm->slots[number].uid)
		adopt(&shm->slots[number], fd);
	else
		close(fd);
}

#define DOMAINS_AT_ONCE 512

/* Every domain that is there, in order; -errno where the hypervisor can't say. */
static int list_domains(struct xen_domain **list)
{
	static struct xen_domain *all;
	static unsigned int room;
	unsigned int count = 0;
	int n;

	do {
		if (room - count < DOMAINS_AT_ONCE) {
			room += DOMAINS_AT_ONCE;
			all = xs_realloc(all, room * sizeof(*all));
		}
		n = xen_domains(count ? all[count - 1].domid + 1 : 0, all + count, DOMAINS_AT_ONCE);
		if (n < 0)
			return n;
		count += n;
	} while (n == DOMAINS_AT_ONCE);
	*list = all;
	return count;
}

static int by_domid(const void *key, const void *element)
{
	uint32_t a = *(const uint32_t *)key, b = ((const struct xen_domain *)element)->domid;

	return a < b ? -1 : a > b;
}

/* Which domains have ended? Those too whose ring could not be mapped after a kill, because they were about to end. */
static void rescan_domains(void)
{
	static uint32_t *known;
	static unsigned int room;
	struct xen_domain *list;
	int count = list_domains(&list);
	unsigned int n = 0;

	if (count <= 0)
		return;
	/* An end may free any struct dom, so that numbers are collected first. */
	for (int i = 0; i < DOM_BUCKETS; i++) {
		struct dom *d;

		SLIST_FOREACH(d, &worker.store->doms[i], hash_next) {
			if (!d->introduced || !d->domid)
				continue;
			if (n == room) {
				room += DOMAINS_AT_ONCE;
				known = xs_realloc(known, room * sizeof(*known));
			}
			known[n++] = d->domid;
		}
	}
	for (unsigned int i = 0; i < n; i++) {
		const struct xen_domain *x = bsearch(&known[i], list, count, sizeof(*list), by_domid);

		if (!x || x->dying || x->shut_down)
			store_domain_ended(worker.store, known[i], !x || x->dying);
	}
	commit();
}

static void hear_events(void)
{
	uint32_t ports[EVENTS_AT_ONCE];
	int n = xen_events_read(events_fd, ports, EVENTS_AT_ONCE);

	fault_point("events");
	if (n > 0)
		xen_unmask(events_fd, ports, n);
	for (int i = 0; i < n; i++) {
		struct link *l = ports[i] < worker.ports ? worker.by_port[ports[i]] : NULL;

		if (ports[i] == shm->virq_port)
			rescan_domains();
		if (!l || l->dead)
			continue;
		link_receive(l);
		make_dirty(l);
	}
}

/* After a kill: rings again, what was half done, domains that ended meanwhile. */
static void resume(void)
{
	struct conn *c, *next;

	for (uint32_t i = 0; i < shm->slots_used; i++) {
		struct slot *slot = &shm->slots[i];

		if (slot->state == SLOT_ACTIVE || slot->state == SLOT_NEW) {
			struct conn *owner = NULL;

			/* This daemon was not born with its descriptor, and is about to be sent it. */
			if (slot->born == shm->starts)
				continue;
			/*
			 * By slot too: the uid of one that was killed before its journal was written is given again,
			 * perhaps by this very loop.
			 */
			TAILQ_FOREACH(c, &worker.store->conns, next)
				if (c->slot == i && c->uid == slot->uid)
					owner = c;
			if (!owner && slot->kind != KIND_RING && slot->state == SLOT_NEW) {
				slot->uid = 0;
				adopt(slot, slot->fd);
			} else if (!owner) {
				struct keeper_call call = { .op = KEEPER_CLOSE, .slot = i, .uid = slot->uid };

				shm_store(&slot->state, SLOT_CLOSING);
				send(worker.calls, &call, sizeof(call), MSG_NOSIGNAL);
			}
		}
	}
	for (c = TAILQ_FIRST(&worker.store->conns); c; c = next) {
		struct link *l = c->io;

		next = TAILQ_NEXT(c, next);
		if (l->ring) {
			remember_port(l);
			ring_publish(l);
			xen_unmask(events_fd, &l->port, 1);
		} else if (!l->interest) {
			watch_link(l);
		}
		link_receive(l);
		if (!l->dead)
			make_dirty(l);
	}
	for (int i = 0; i < DOM_BUCKETS; i++) {
		struct dom *d;

		SLIST_FOREACH(d, &worker.store->doms[i], hash_next)
			if (d->introduced && !d->conn && d->domid)
				store_introduce(worker.store, d->domid, d->gfn, d->port);
	}
	commit();
	if (events_fd >= 0) {
		xen_unmask(events_fd, &shm->virq_port, 1);
		rescan_domains();
	}
}

static void first_start(void)
{
	struct store *s = worker.store;
	int port = -ENOSYS;

	memcpy(s->quota, options.quota, sizeof(s->quota));
	s->quota_memory_soft = options.quota_memory_soft;
	if (!options.no_domain_init) {
		port = xen_dom0_port();
		if (port < 0 || store_introduce(s, 0, 0, port)) {
			log_line("dom0's own ring is not there (is /proc/xen mounted?); -D starts without domains");
			exit(2);
		}
	}
	dom_get(s, 0)->introduced = true;
}

static void on_hangup(int signal)
{
	reopen_log = 1;
}

static void setup(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (getrandom(&hash_seed, sizeof(hash_seed), GRND_NONBLOCK) != sizeof(hash_seed))
		hash_seed ^= (uintptr_t)&ev ^ getpid();
	signal(SIGHUP, on_hangup);
	TAILQ_INIT(&worker.ready);
	TAILQ_INIT(&worker.dirty);
	TAILQ_INIT(&worker.dead);
	worker.store = store_new(&host, NULL);
	worker.store->keep_orphans = options.keep_orphans;
	worker.epoll = epoll_create1(EPOLL_CLOEXEC);
	ev.data.ptr = &worker.news;
	epoll_ctl(worker.epoll, EPOLL_CTL_ADD, worker.news, &ev);
	if (events_fd >= 0) {
		ev.data.ptr = &events_fd;
		epoll_ctl(worker.epoll, EPOLL_CTL_ADD, events_fd, &ev);
	}
}

static void serve(void)
{
	struct epoll_event ev[EVENTS_AT_ONCE];
	int n = epoll_wait(worker.epoll, ev, EVENTS_AT_ONCE, TAILQ_EMPTY(&worker.ready) ? -1 : 0);

	if (reopen_log) {
		reopen_log = 0;
		if (options.trace_file)
			log_to_file(options.trace_file);
	}
	for (int i = 0; i < n; i++) {
		struct link *l = ev[i].data.ptr;

		if (ev[i].data.ptr == &worker.news) {
			if (ev[i].events & EPOLLHUP)
				_exit(0);
			hear_news();
		} else if (ev[i].data.ptr == &events_fd) {
			hear_events();
		} else if (!l->dead) {
			if (ev[i].events & EPOLLOUT)
				make_dirty(l);
			if (ev[i].events & EPOLLIN)
				link_receive(l);
			else if (ev[i].events & (EPOLLHUP | EPOLLERR))
				link_kill(l);
		}
	}
	/* Who sends many requests in one piece gets the answers so, and is woken once for them. */
	for (int round = 0; round < ROUNDS_AT_ONCE && !TAILQ_EMPTY(&worker.ready); round++)
		run_round();
	flush_all();
	links_reap();
	flush_all();
	commit_trim();
}

void worker_run(int calls, int news, int ready_pipe)
{
	bool first = !shm->commit;

	worker.calls = calls;
	worker.news = news;
	setup();
	if (first)
		first_start();
	else
		recover();
	fault_point("recovered");
	resume();
	commit_snapshot();
	worker.store->journal.len = 0;
	if (ready_pipe >= 0 && first && write(ready_pipe, "", 1) != 1)
		log_line("nobody waits for the start");
	if (ready_pipe >= 0)
		close(ready_pipe);
	shm->ready = 1;
	flush_all();
	links_reap();
	for (;;)
		serve();
}
