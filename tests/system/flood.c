// SPDX-License-Identifier: MIT
/*
 * A hostile guest without privileges, the second (the first is domu.c): it asks the store for what is not its own, over its
 * own ring, and says in TAP what came of it; then it floods, until it is ended: requests to the store, as many as the ring
 * takes; events to dom0 on every port it has; hypercalls that fail.
 */
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/io/xs_wire.h>
#include <xen/sched.h>

#include "runtime.h"

static struct xenstore_domain_interface *ring;
static char answer[XENSTORE_PAYLOAD_MAX + 1];

static void send_event(evtchn_port_t port)
{
	struct evtchn_send send = { .port = port };

	hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
}

static void yield(void)
{
	send_event(start_info->store_evtchn);
	hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

static uint32_t room(void)
{
	return XENSTORE_RING_SIZE - (ring->req_prod - __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE));
}

static void put(const void *from, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++) {
		while (!room())
			yield();
		ring->req[MASK_XENSTORE_IDX(ring->req_prod)] = ((const char *)from)[i];
		__atomic_store_n(&ring->req_prod, ring->req_prod + 1, __ATOMIC_RELEASE);
	}
}

static void get(void *to, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++) {
		while (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) == ring->rsp_cons)
			yield();
		((char *)to)[i] = ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons)];
		__atomic_store_n(&ring->rsp_cons, ring->rsp_cons + 1, __ATOMIC_RELEASE);
	}
}

static void put_request(uint32_t type, const char *payload, uint32_t bytes)
{
	struct xsd_sockmsg head = { .type = type, .len = bytes };

	put(&head, sizeof(head));
	put(payload, bytes);
}

/* The answer to one request; true if it is an error, whose name is in answer[]. */
static bool refused(uint32_t type, const char *payload, uint32_t bytes)
{
	struct xsd_sockmsg head;

	put_request(type, payload, bytes);
	send_event(start_info->store_evtchn);
	get(&head, sizeof(head));
	get(answer, head.len);
	answer[head.len] = '\0';
	return head.type == XS_ERROR;
}

/* @payload is a string literal; words in it end with \0, as the last one does by itself. */
#define REFUSED(type, payload, why)									\
	tap_ok(refused(type, payload, sizeof(payload)) && !strcmp(answer, why), "%s: %s is refused (%s)", #type, payload, answer)
/* The same for payloads that do not end with a zero byte. */
#define REFUSED_WRITE(payload, why)									\
	tap_ok(refused(XS_WRITE, payload, sizeof(payload) - 1) && !strcmp(answer, why), "XS_WRITE: %s is refused (%s)", payload, answer)

static void store_of_others(void)
{
	char path[32];
	unsigned int made = 0;

	REFUSED(XS_READ, "/local/domain/0/name", "EACCES");
	REFUSED(XS_DIRECTORY, "/libxl", "EACCES");
	REFUSED_WRITE("/local/domain/0/name\0x", "EACCES");
	REFUSED_WRITE("/local/domain/1/data\0x", "EACCES");
	REFUSED_WRITE("/local/domain/0/backend/vbd/1/51712/params\0/etc/shadow", "EACCES");
	REFUSED_WRITE("memory/target\0999999999", "EACCES");
	REFUSED_WRITE("name\0Domain-0", "EACCES");
	REFUSED(XS_MKDIR, "/tool/mine", "EACCES");
	REFUSED(XS_RM, "/local/domain/1", "EACCES");
	REFUSED(XS_RM, "/local", "EACCES");
	REFUSED(XS_SET_PERMS, "/local/domain/1\0b0", "EACCES");
	REFUSED(XS_INTRODUCE, "1\0001\0001", "EACCES");
	REFUSED(XS_RELEASE, "1", "EACCES");
	REFUSED(XS_RESUME, "1", "EACCES");
	REFUSED(XS_SET_TARGET, "1\0002", "EACCES");
	REFUSED(XS_CONTROL, "print\0hello", "EACCES");
	tap_ok(!refused(XS_WRITE, "data/own\0x", 10), "its own folder is its own");
	do {
		snprintf(path, sizeof(path), "data/%u", made);
	} while (!refused(XS_MKDIR, path, strlen(path) + 1) && ++made < 5000);
	tap_ok(made > 100 && made < 5000, "its nodes are bounded: %u, then %s", made, answer);
}

static void flood(void)
{
	for (;;) {
		/* Answers are thrown away, so that it never stands still. */
		__atomic_store_n(&ring->rsp_cons, __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
		while (room() > 64)
			put_request(XS_WRITE, "data/own\0flood", 14);
		for (unsigned int i = 0; i < 64; i++) {
			struct evtchn_alloc_unbound unbound = { .dom = DOMID_SELF, .remote_dom = 0 };
			struct gnttab_map_grant_ref map = { .host_addr = (uint64_t)ring, .flags = GNTMAP_host_map, .ref = i };
			struct evtchn_close close;

			send_event(start_info->store_evtchn);
			send_event(start_info->console.domU.evtchn);
			hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &map, 1);
			if (hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &unbound))
				continue;
			close.port = unbound.port;
			hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &close);
		}
	}
}

void guest_main(void)
{
	ring = mfn_to_virt(start_info->store_mfn);
	tap_start("flood");
	store_of_others();
	tap_end();
	printf("the flood begins\n");
	flood();
}
