// SPDX-License-Identifier: MIT
/* Domctl: each function is one of its sub-operations. */
#include <stdio.h>
#include "call.h"

/* A domctl with nothing but a number and a domain. */
static int plain(struct xc *x, uint32_t cmd, uint32_t domid, const char *what)
{
	struct xen_domctl op = { .cmd = cmd, .domain = domid };
	char text[80];

	snprintf(text, sizeof(text), "%s domain %u", what, domid);
	return xc_domctl(x, &op, text);
}

/* The same with an argument; @op comes back. */
static int call(struct xc *x, struct xen_domctl *op, uint32_t cmd, uint32_t domid, const char *what)
{
	char text[96];

	op->cmd = cmd;
	op->domain = domid;
	snprintf(text, sizeof(text), "%s domain %u", what, domid);
	return xc_domctl(x, op, text);
}

int xc_domain_create(struct xc *x, const struct xen_domctl_createdomain *create, uint32_t *domid)
{
	struct xen_domctl op = {
		.cmd = XEN_DOMCTL_createdomain, .domain = *domid ? *domid : 0xffff, .u.createdomain = *create
	};
	int err = xc_domctl(x, &op, "making a domain");

	if (!err)
		*domid = op.domain;
	return err;
}

int xc_domain_destroy(struct xc *x, uint32_t domid)
{
	int err;

	/* The hypervisor gives up the CPU to us from time to time while it takes a domain apart. */
	do {
		err = plain(x, XEN_DOMCTL_destroydomain, domid, "destroying");
	} while (err == -EAGAIN || err == -XEN_ERESTART);
	return err;
}

int xc_domain_pause(struct xc *x, uint32_t domid)
{
	return plain(x, XEN_DOMCTL_pausedomain, domid, "pausing");
}

int xc_domain_unpause(struct xc *x, uint32_t domid)
{
	return plain(x, XEN_DOMCTL_unpausedomain, domid, "unpausing");
}

int xc_domain_info(struct xc *x, uint32_t domid, struct xen_domctl_getdomaininfo *info)
{
	struct xen_domctl op = { 0 };
	int err = call(x, &op, XEN_DOMCTL_getdomaininfo, domid, "asking about");

	/* The hypervisor answers for the next domain where there is no such one. */
	if (!err && op.u.getdomaininfo.domain != domid)
		err = xc_fail(x, ESRCH, "asking about domain %u", domid);
	*info = op.u.getdomaininfo;
	return err;
}

int xc_domain_max_vcpus(struct xc *x, uint32_t domid, uint32_t vcpus)
{
	struct xen_domctl op = { .u.max_vcpus.max = vcpus };

	return call(x, &op, XEN_DOMCTL_max_vcpus, domid, "making the vcpus of");
}

int xc_domain_max_memory(struct xc *x, uint32_t domid, uint64_t kib)
{
	struct xen_domctl op = { .u.max_mem.max_memkb = kib };

	return call(x, &op, XEN_DOMCTL_max_mem, domid, "setting the memory limit of");
}

int xc_domain_set_handle(struct xc *x, uint32_t domid, const uint8_t handle[16])
{
	struct xen_domctl op = { 0 };

	memcpy(op.u.setdomainhandle.handle, handle, 16);
	return call(x, &op, XEN_DOMCTL_setdomainhandle, domid, "setting the UUID of");
}

int xc_domain_set_address_size(struct xc *x, uint32_t domid, unsigned int bits)
{
	struct xen_domctl op = { .u.address_size.size = bits };

	return call(x, &op, XEN_DOMCTL_set_address_size, domid, "setting the word size of");
}

int xc_domain_set_time_offset(struct xc *x, uint32_t domid, int64_t seconds)
{
	struct xen_domctl op = { .u.settimeoffset.time_offset_seconds = seconds };

	return call(x, &op, XEN_DOMCTL_settimeoffset, domid, "setting the clock of");
}

int xc_domain_set_tsc(struct xc *x, uint32_t domid, uint32_t mode)
{
	struct xen_domctl op = { .u.tsc_info.tsc_mode = mode };

	return call(x, &op, XEN_DOMCTL_settscinfo, domid, "setting the time stamp counter of");
}

int xc_domain_trigger(struct xc *x, uint32_t domid, uint32_t trigger, uint32_t vcpu)
{
	struct xen_domctl op = { .u.sendtrigger = { .trigger = trigger, .vcpu = vcpu } };

	return call(x, &op, XEN_DOMCTL_sendtrigger, domid, "sending a trigger to");
}

int xc_domain_set_nodes(struct xc *x, uint32_t domid, uint64_t nodes)
{
	struct xen_domctl op = { .u.nodeaffinity.nodemap = { .bitmap = address(x->data), .nr_bits = 64 } };

	memcpy(x->data, &nodes, sizeof(nodes));
	return call(x, &op, XEN_DOMCTL_setnodeaffinity, domid, "setting the NUMA nodes of");
}

/* --- vcpus ------------------------------------------------------------------------------- */

static int context(struct xc *x, uint32_t cmd, uint32_t domid, uint32_t vcpu, const char *what)
{
	struct xen_domctl op = { .u.vcpucontext = { .vcpu = vcpu, .ctxt = address(x->data) } };

	return call(x, &op, cmd, domid, what);
}

int xc_vcpu_set_context(struct xc *x, uint32_t domid, uint32_t vcpu, const struct vcpu_guest_context *c)
{
	memcpy(x->data, c, sizeof(*c));
	return context(x, XEN_DOMCTL_setvcpucontext, domid, vcpu, "setting the registers of a vcpu of");
}

int xc_vcpu_get_context(struct xc *x, uint32_t domid, uint32_t vcpu, struct vcpu_guest_context *c)
{
	int err = context(x, XEN_DOMCTL_getvcpucontext, domid, vcpu, "reading the registers of a vcpu of");

	if (!err)
		memcpy(c, x->data, sizeof(*c));
	return err;
}

int xc_vcpu_info(struct xc *x, uint32_t domid, uint32_t vcpu, struct xen_domctl_getvcpuinfo *info)
{
	struct xen_domctl op = { .u.getvcpuinfo.vcpu = vcpu };
	int err = call(x, &op, XEN_DOMCTL_getvcpuinfo, domid, "asking about a vcpu of");

	*info = op.u.getvcpuinfo;
	return err;
}

static int affinity(struct xc *x, uint32_t cmd, uint32_t domid, uint32_t vcpu, uint8_t *hard, uint8_t *soft,
		    size_t bytes, const char *what)
{
	uint8_t *map[2] = { x->data, x->data + bytes };
	struct xen_domctl op = { .u.vcpuaffinity = {
		.vcpu = vcpu,
		.flags = (hard ? XEN_VCPUAFFINITY_HARD : 0) | (soft ? XEN_VCPUAFFINITY_SOFT : 0),
		.cpumap_hard = { .bitmap = address(map[0]), .nr_bits = bytes * 8 },
		.cpumap_soft = { .bitmap = address(map[1]), .nr_bits = bytes * 8 },
	} };
	int err;

	if (bytes > DATA_BYTES / 2)
		return xc_fail(x, E2BIG, "%s domain %u", what, domid);
	memset(x->data, 0, 2 * bytes);
	if (hard)
		memcpy(map[0], hard, bytes);
	if (soft)
		memcpy(map[1], soft, bytes);
	err = call(x, &op, cmd, domid, what);
	if (!err && hard)
		memcpy(hard, map[0], bytes);
	if (!err && soft)
		memcpy(soft, map[1], bytes);
	return err;
}

int xc_vcpu_set_affinity(struct xc *x, uint32_t domid, uint32_t vcpu, uint8_t *hard, uint8_t *soft, size_t bytes)
{
	return affinity(x, XEN_DOMCTL_setvcpuaffinity, domid, vcpu, hard, soft, bytes, "setting the CPUs of");
}

int xc_vcpu_get_affinity(struct xc *x, uint32_t domid, uint32_t vcpu, uint8_t *hard, uint8_t *soft, size_t bytes)
{
	return affinity(x, XEN_DOMCTL_getvcpuaffinity, domid, vcpu, hard, soft, bytes, "asking for the CPUs of");
}

/* --- weights and caps ---------------------------------------------------------------------- */

static int sched_call(struct xc *x, uint32_t domid, struct xen_domctl *op, uint32_t sched_id, uint32_t cmd)
{
	op->u.scheduler_op.sched_id = sched_id;
	op->u.scheduler_op.cmd = cmd;
	return call(x, op, XEN_DOMCTL_scheduler_op, domid,
		    cmd == XEN_DOMCTL_SCHEDOP_getinfo ? "asking for the weight of" : "setting the weight or cap of");
}

int xc_sched_get(struct xc *x, uint32_t domid, uint32_t sched_id, struct xc_sched *sched)
{
	struct xen_domctl op = { 0 };
	int err = sched_call(x, domid, &op, sched_id, XEN_DOMCTL_SCHEDOP_getinfo);

	/* Credit's and credit2's parameters have the same form. */
	if (!err)
		*sched = (struct xc_sched){
			.weight = op.u.scheduler_op.u.credit.weight, .cap = op.u.scheduler_op.u.credit.cap
		};
	return err;
}

int xc_sched_set(struct xc *x, uint32_t domid, uint32_t sched_id, const struct xc_sched *sched)
{
	struct xen_domctl op = { 0 };
	struct xc_sched now = { 0 };
	int err = 0;

	if (sched->weight < 0 || sched->cap < 0)
		err = xc_sched_get(x, domid, sched_id, &now);
	if (err)
		return err;
	op.u.scheduler_op.u.credit.weight = sched->weight < 0 ? now.weight : sched->weight;
	op.u.scheduler_op.u.credit.cap = sched->cap < 0 ? now.cap : sched->cap;
	return sched_call(x, domid, &op, sched_id, XEN_DOMCTL_SCHEDOP_putinfo);
}
