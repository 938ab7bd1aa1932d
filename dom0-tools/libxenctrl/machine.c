// SPDX-License-Identifier: MIT
/* Sysctl: each function is one of its sub-operations. */
#include "call.h"

int xc_domain_list(struct xc *x, uint32_t first, struct xen_domctl_getdomaininfo *list, unsigned int max)
{
	unsigned int done = 0;

	while (done < max) {
		unsigned int room = DATA_BYTES / sizeof(*list), n = max - done < room ? max - done : room;
		struct xen_sysctl op = { .cmd = XEN_SYSCTL_getdomaininfolist, .u.getdomaininfolist = {
			.first_domain = first, .max_domains = n, .buffer = address(x->data)
		} };
		int err = xc_sysctl(x, &op, "listing the domains");
		unsigned int got = op.u.getdomaininfolist.num_domains;

		if (err < 0)
			return err;
		if (got > n)
			got = n;
		memcpy(list + done, x->data, got * sizeof(*list));
		done += got;
		if (got < n)
			break;
		first = list[done - 1].domain + 1u;
	}
	return done;
}

int xc_physinfo(struct xc *x, struct xen_sysctl_physinfo *info)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_physinfo };
	int err = xc_sysctl(x, &op, "asking about the machine");

	*info = op.u.physinfo;
	return err;
}

int xc_sched_id(struct xc *x)
{
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_sched_id };
	int err = xc_sysctl(x, &op, "asking for the scheduler");

	return err ? err : (int)op.u.sched_id.sched_id;
}

int xc_cpu_topology(struct xc *x, struct xen_sysctl_cputopo *cpus, unsigned int max)
{
	unsigned int room = DATA_BYTES / sizeof(*cpus), n = max < room ? max : room, got;
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_cputopoinfo, .u.cputopoinfo = {
		.num_cpus = n, .cputopo = n ? address(x->data) : 0
	} };
	int err = xc_sysctl(x, &op, "asking for the CPUs' topology");

	if (err)
		return err;
	got = op.u.cputopoinfo.num_cpus;
	memcpy(cpus, x->data, (got < n ? got : n) * sizeof(*cpus));
	return got;
}

int xc_numa_info(struct xc *x, struct xen_sysctl_meminfo *nodes, uint32_t *distance, unsigned int max)
{
	size_t size = max * sizeof(*nodes);
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_numainfo, .u.numainfo = {
		.num_nodes = max, .meminfo = max ? address(x->data) : 0, .distance = max && distance ? address(x->data + size) : 0
	} };
	unsigned int got;
	int err;

	if (max > 64)
		return xc_fail(x, E2BIG, "asking for the NUMA nodes");
	err = xc_sysctl(x, &op, "asking for the NUMA nodes");
	if (err)
		return err;
	got = op.u.numainfo.num_nodes;
	memcpy(nodes, x->data, size);
	if (distance)
		memcpy(distance, x->data + size, max * max * sizeof(*distance));
	return got;
}

int xc_cpu_idle(struct xc *x, uint64_t *idle_ns, unsigned int max)
{
	unsigned int room = DATA_BYTES / sizeof(*idle_ns), n = max < room ? max : room;
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_getcpuinfo, .u.getcpuinfo = {
		.max_cpus = n, .info = address(x->data)
	} };
	int err = xc_sysctl(x, &op, "asking for the CPUs' idle time");

	if (err)
		return err;
	if (op.u.getcpuinfo.nr_cpus < n)
		n = op.u.getcpuinfo.nr_cpus;
	memcpy(idle_ns, x->data, n * sizeof(*idle_ns));
	return n;
}

int xc_console_read(struct xc *x, char *text, size_t size, uint32_t *index, bool clear, bool incremental)
{
	uint32_t room = size < DATA_BYTES ? size : DATA_BYTES;
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_readconsole, .u.readconsole = {
		.clear = clear, .incremental = incremental, .index = *index, .buffer = address(x->data), .count = room
	} };
	int err = xc_sysctl(x, &op, "reading the hypervisor's log");

	if (err)
		return err;
	if (op.u.readconsole.count < room)
		room = op.u.readconsole.count;
	memcpy(text, x->data, room);
	*index = op.u.readconsole.index;
	return room;
}

int xc_debug_keys(struct xc *x, const char *keys)
{
	size_t n = strlen(keys);
	struct xen_sysctl op = { .cmd = XEN_SYSCTL_debug_keys, .u.debug_keys = {
		.keys = address(x->data), .nr_keys = n
	} };

	if (n > DATA_BYTES)
		return xc_fail(x, E2BIG, "sending debug keys");
	memcpy(x->data, keys, n);
	return xc_sysctl(x, &op, "sending debug keys");
}

/* --- pools of CPUs ------------------------------------------------------------------------- */

static int pool_call(struct xc *x, struct xen_sysctl *op, uint8_t *cpus, size_t bytes, const char *what)
{
	int err;

	if (bytes > DATA_BYTES)
		return xc_fail(x, E2BIG, "%s", what);
	memset(x->data, 0, bytes);
	op->cmd = XEN_SYSCTL_cpupool_op;
	op->u.cpupool_op.cpumap.bitmap = address(x->data);
	op->u.cpupool_op.cpumap.nr_bits = bytes * 8;
	err = xc_sysctl(x, op, what);
	if (!err && cpus)
		memcpy(cpus, x->data, bytes);
	return err;
}

int xc_pool_info(struct xc *x, uint32_t first, struct xc_pool *pool, uint8_t *cpus, size_t bytes)
{
	struct xen_sysctl op = { .u.cpupool_op = { .op = XEN_SYSCTL_CPUPOOL_OP_INFO, .cpupool_id = first } };
	int err = pool_call(x, &op, cpus, bytes, "asking about a pool of CPUs");

	if (!err)
		*pool = (struct xc_pool){
			.id = op.u.cpupool_op.cpupool_id, .sched_id = op.u.cpupool_op.sched_id,
			.domains = op.u.cpupool_op.n_dom
		};
	return err;
}

int xc_pool_free_cpus(struct xc *x, uint8_t *cpus, size_t bytes)
{
	struct xen_sysctl op = { .u.cpupool_op = { .op = XEN_SYSCTL_CPUPOOL_OP_FREEINFO } };

	return pool_call(x, &op, cpus, bytes, "asking for CPUs in no pool");
}

int xc_pool_op(struct xc *x, uint32_t op, uint32_t pool, uint32_t sched_id, uint32_t domid, uint32_t cpu)
{
	struct xen_sysctl call = { .u.cpupool_op = {
		.op = op, .cpupool_id = pool, .sched_id = sched_id, .domid = domid, .cpu = cpu
	} };
	int err = pool_call(x, &call, NULL, 0, "changing the pools of CPUs");

	return err || op != XEN_SYSCTL_CPUPOOL_OP_CREATE ? err : (int)call.u.cpupool_op.cpupool_id;
}
