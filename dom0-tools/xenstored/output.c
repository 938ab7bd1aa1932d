// SPDX-License-Identifier: MIT
/*
 * A connection's output. Answers wait in order; a connection with too many of them waiting is not served until it
 * reads. Events can't be held back, so what one connection may cause another to hold is bounded here:
 *
 * 1. A domain's event equal to the newest queued one of its watch is dropped: the reader will look anyway.
 * 2. Once EVENTS_MAX bytes wait, a watch gets one event of its own path ("look at all of it again"), and no other
 *    before that one is sent. So the queue ends at EVENTS_MAX and one message for each watch.
 */
#include "store.h"

#define EVENTS_MAX_DOMAIN	(64u << 10)
#define EVENTS_MAX_DOM0		(8u << 20)
#define RUN_MAX_DOMAIN		(64u << 10)
#define RUN_MAX_DOM0		(1u << 20)

bool conn_crowded(const struct conn *c)
{
	return c->out_bytes > (conn_privileged(c) ? EVENTS_MAX_DOM0 : EVENTS_MAX_DOMAIN);
}

bool conn_may_run(const struct conn *c)
{
	uint32_t outstanding = c->store->quota[QUOTA_OUTSTANDING];

	if (conn_privileged(c))
		return c->out_bytes < RUN_MAX_DOM0;
	return c->out_bytes < RUN_MAX_DOMAIN && (!outstanding || c->out_replies < outstanding);
}

void conn_queue(struct conn *c, uint32_t type, uint32_t req_id, uint32_t tx_id, const void *data, size_t len,
		struct watch *w)
{
	struct xsd_sockmsg hdr = { type, req_id, tx_id, len };
	bool crowded = conn_crowded(c);
	struct outmsg *m;

	if (w && w->resync)
		return;
	if (w && w->last && !w->last->sent && !conn_privileged(c) && w->last->len == sizeof(hdr) + len &&
	    !memcmp(w->last->data + sizeof(hdr), data, len))
		return;
	m = xs_alloc(sizeof(*m) + sizeof(hdr) + len);
	m->watch = w;
	m->len = sizeof(hdr) + len;
	m->sent = 0;
	m->event = type == XS_WATCH_EVENT;
	memcpy(m->data, &hdr, sizeof(hdr));
	if (len)
		memcpy(m->data + sizeof(hdr), data, len);
	STAILQ_INSERT_TAIL(&c->out, m, next);
	c->out_total += m->len;
	c->out_bytes += m->len;
	if (w) {
		w->last = m;
		w->queued++;
		w->resync = crowded;
	}
	if (!m->event)
		c->out_replies++;
	dom_memory(c->store, c->dom, m->len);
	if (c->store->replaying)
		return;
	journal_out(c, m->data, m->len);
	if (c->store->host && c->store->host->output)
		c->store->host->output(c->store->host_ctx, c, m);
}

void conn_sent(struct conn *c, size_t len)
{
	c->out_bytes -= len;
	dom_memory(c->store, c->dom, -(int64_t)len);
	while (len) {
		struct outmsg *m = STAILQ_FIRST(&c->out);
		uint32_t now = m->len - m->sent < len ? m->len - m->sent : len;

		m->sent += now;
		len -= now;
		if (m->sent < m->len)
			return;
		STAILQ_REMOVE_HEAD(&c->out, next);
		if (!m->event)
			c->out_replies--;
		if (m->watch) {
			m->watch->queued--;
			if (m->watch->last == m) {
				m->watch->last = NULL;
				m->watch->resync = false;
			}
		}
		free(m);
	}
}
