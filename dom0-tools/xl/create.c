// SPDX-License-Identifier: MIT
/*
 * Making a guest.
 *
 *	under the name lock	name and UUID are free, domain made, its nodes written (both are taken now), memory set aside
 *	then			vcpus and their CPUs, kernel and memory (domain-builder), store and console, devices
 *
 * 1. From before the domain is made until the last step is done the record of record.c says that this guest is being
 *    made; whatever fails, the domain is destroyed with all it has.
 * 2. The guest is paused; who called unpauses it, or not.
 * 3. What can be checked before anything is made is checked before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <xen/physdev.h>
#include "../domain-builder/build.h"
#include "bootloader.h"
#include "destroy.h"
#include "device.h"

#define EXTRA_KIB		1024	/* beyond the guest's own memory: limit, and what the hypervisor takes for it */
#define CPUS_MAX		1024
#define PORTS_DEFAULT		1023
#define E820_RAM		1
#define RANDOM_TRIES		64	/* for a number that is free; it fails when most of 32751 are taken */

struct creation {
	struct host *h;
	struct guest_config *c;
	uint32_t domid;
	uint32_t pool, sched_id;
	struct pv_guest g;
	struct booted booted;	/* by bootloader= */
	uint64_t from_dom0;	/* KiB that dom0 gave up for it */
	struct cpu_topology topology;	/* known if the configuration says anything of CPUs */
	int node_of[CPUS_MAX];
};

static char first_sentence[512];

/* The first thing that is said is the reason; what follows are its consequences. */
static void say(const char *format, va_list args, const char *more)
{
	char text[sizeof(first_sentence)];

	vsnprintf(text, sizeof(text), format, args);
	fprintf(stderr, "xl: %s%s%s\n", text, more ? ": " : "", more ? more : "");
	if (!first_sentence[0])
		snprintf(first_sentence, sizeof(first_sentence), "%.250s%s%.250s", text, more ? ": " : "", more ? more : "");
}

const char *said_first(void)
{
	return first_sentence;
}

int say_error(int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args, NULL);
	va_end(args);
	return -err;
}

int say_call_error(const struct host *h, const char *format, ...)
{
	int err = errno ? errno : EIO;
	va_list args;

	va_start(args, format);
	say(format, args, xc_error(h->x));
	va_end(args);
	return -err;
}

/* --- before ---------------------------------------------------------------------------------- */

static int check(struct creation *k)
{
	struct guest_config *c = k->c;

	if (c->type != GUEST_PV)
		return say_error(EOPNOTSUPP, "%s: type=\"%s\" is not supported yet; accepted is type=\"pv\"", c->name,
				 c->type == GUEST_PVH ? "pvh" : "hvm");
	if (!c->kernel && !c->bootloader)
		return say_error(EINVAL, "%s: there is no kernel; say kernel=\"/path/to/vmlinuz\"", c->name);
	if (!c->vcpus || c->vcpus > c->maxvcpus)
		return say_error(EINVAL, "%s: %u vcpus of at most %u", c->name, c->vcpus, c->maxvcpus);
	if (!c->has_uuid) {
		if (uuid_make(c->uuid))
			return -EIO;
		c->has_uuid = true;
	}
	return 0;
}

/* Kernel and ramdisk: those that are named, or what the bootloader finds. */
static int open_kernel(struct creation *k)
{
	const struct guest_config *c = k->c;
	int err = c->bootloader ? bootloader_run(&k->booted, c) : 0;

	k->g = (struct pv_guest){
		.kernel = k->booted.kernel ? k->booted.kernel : c->kernel,
		.ramdisk = k->booted.ramdisk ? k->booted.ramdisk : c->ramdisk,
		.cmdline = k->booted.args ? k->booted.args : c->cmdline,
		.pages = c->memory / 4, .ramdisk_fd = -1,
	};
	if (!err && k->g.cmdline && strlen(k->g.cmdline) >= MAX_GUEST_CMDLINE)
		err = say_error(EINVAL, "%s: the kernel's command line has %zu characters; %u is the most", c->name,
				strlen(k->g.cmdline), MAX_GUEST_CMDLINE - 1);
	if (!err && pv_open(&k->g))
		err = say_error(EINVAL, "%s: %s", c->name, k->g.error);
	return err;
}

/* A pool by its number, or by its name in the store. */
static int find_pool(struct creation *k)
{
	struct xc_pool pool;
	uint32_t first = 0;
	char *end;

	if (!k->c->pool)
		return 0;
	k->pool = strtoul(k->c->pool, &end, 10);
	while (!xc_pool_info(k->h->x, first, &pool, NULL, 0)) {
		char path[48], *name;
		bool found;

		snprintf(path, sizeof(path), "/local/pool/%u/name", pool.id);
		name = *end ? xs_read(k->h->xs, XBT_NULL, path, NULL) : NULL;
		found = *end ? name && !strcmp(name, k->c->pool) : pool.id == k->pool;
		free(name);
		if (found) {
			k->pool = pool.id;
			k->sched_id = pool.sched_id;
			return 0;
		}
		first = pool.id + 1;
	}
	return say_error(ENOENT, "%s: there is no pool of CPUs %s; xl cpupool-list shows them", k->c->name, k->c->pool);
}

/* --- domain ---------------------------------------------------------------------------------- */

/* With a number that the hypervisor chooses, or as xl.conf's domid_policy has it a random one that no domain has. */
static int create_domain(struct creation *k, const struct xen_domctl_createdomain *create)
{
	bool random = k->h->conf && k->h->conf->domid_random;
	int err, tries = random ? RANDOM_TRIES : 1;

	do {
		uint32_t domid = 0;

		if (random && getrandom(&domid, sizeof(domid), 0) == sizeof(domid))
			domid = 1 + domid % (DOMID_FIRST_RESERVED - 1);
		err = xc_domain_create(k->h->x, create, &domid);
		if (!err)
			k->domid = domid;
	} while (err == -EEXIST && --tries);
	return err;
}

static int make_domain(struct creation *k)
{
	struct guest_config *c = k->c;
	struct xen_domctl_createdomain create = {
		.max_vcpus = c->maxvcpus,
		.max_evtchn_port = c->max_event_channels > 0 ? c->max_event_channels : PORTS_DEFAULT,
		.max_grant_frames = c->max_grant_frames >= 0 ? c->max_grant_frames : -1,
		.max_maptrack_frames = c->max_maptrack_frames >= 0 ? c->max_maptrack_frames : -1,
		.grant_opts = XEN_DOMCTL_GRANT_version(c->max_grant_version > 0 ? c->max_grant_version : 2),
		.cpupool_id = k->pool,
	};
	int err;

	memcpy(create.handle, c->uuid, sizeof(create.handle));
	err = create_domain(k, &create);
	/* A hypervisor without version 2 of grant tables. */
	if (err == -EINVAL && c->max_grant_version <= 0) {
		create.grant_opts = XEN_DOMCTL_GRANT_version(1);
		err = create_domain(k, &create);
	}
	k->g.domid = k->domid;
	return err ? say_call_error(k->h, "%s", c->name) : 0;
}

static int set_memory(struct creation *k)
{
	struct guest_config *c = k->c;
	struct xen_e820_entry map = { .addr = 0, .size = c->maxmem << 10, .type = E820_RAM };
	int err = balloon_make_room(k->h, c->memory + EXTRA_KIB, &k->from_dom0);

	if (err)
		return err;
	if (xc_domain_max_memory(k->h->x, k->domid, c->memory + EXTRA_KIB) ||
	    xc_set_memory_map(k->h->x, k->domid, &map, 1))
		return say_call_error(k->h, "%s", c->name);
	if (c->claim != TRI_OFF && xc_claim_pages(k->h->x, k->domid, k->g.pages))
		return errno == ENOMEM ? say_error(ENOMEM, "%s: there is not enough free memory for %llu MiB", c->name,
						   (unsigned long long)c->memory >> 10) :
					 say_call_error(k->h, "%s", c->name);
	return 0;
}

/* What must not happen for two guests at a time. */
static int take_name(struct creation *k, struct record *r)
{
	uint32_t other;
	int lock = name_lock(), err;

	if (lock < 0)
		return lock;
	err = name_lookup(k->h, k->c->name, &other);
	if (err == -EEXIST)
		say_error(EEXIST, "the name %s is in use by domain %u", k->c->name, other);
	if (!err) {
		err = uuid_lookup(k->h, k->c->uuid, &other);
		if (err == -EEXIST)
			say_error(EEXIST, "%s: its uuid= is in use by domain %u; give it another, or none", k->c->name, other);
	}
	err = err ? err : record_open(r, "create", k->c->uuid);
	err = err ? err : make_domain(k);
	if (!err) {
		record_domid(r, k->domid);
		err = nodes_create(k->h, k->c, k->domid);
	}
	err = err ? err : set_memory(k);
	unlock(lock);
	return err;
}

/* --- vcpus ----------------------------------------------------------------------------------- */

static int set_affinity(struct creation *k, char **texts, unsigned int n, bool is_list, bool soft)
{
	const char *key = soft ? "cpus_soft" : "cpus", *why;

	for (unsigned int v = 0; v < k->c->maxvcpus && n; v++) {
		const char *text = is_list ? (v < n ? texts[v] : "all") : texts[0];
		struct cpumap map;
		uint8_t *bytes = (uint8_t *)map.word;

		if (cpus_parse(&map, text, &k->topology, &why))
			return say_error(EINVAL, "%s: %s=\"%s\": %s", k->c->name, key, text, why);
		if (xc_vcpu_set_affinity(k->h->x, k->domid, v, soft ? NULL : bytes, soft ? bytes : NULL, CPUMAP_BITS / 8))
			return say_call_error(k->h, "%s: %s=\"%s\"", k->c->name, key, text);
	}
	return 0;
}

static int find_cpus(struct creation *k)
{
	struct xen_sysctl_cputopo topo[CPUS_MAX];
	int n = xc_cpu_topology(k->h->x, topo, CPUS_MAX);

	if (n < 0)
		return say_call_error(k->h, "%s", k->c->name);
	k->topology.node_of = k->node_of;
	k->topology.nr_cpus = n < CPUS_MAX ? n : CPUS_MAX;
	for (unsigned int i = 0; i < k->topology.nr_cpus; i++) {
		k->node_of[i] = topo[i].node == XEN_INVALID_NODE_ID ? -1 : (int)topo[i].node;
		if (k->node_of[i] >= (int)k->topology.nr_nodes)
			k->topology.nr_nodes = k->node_of[i] + 1;
	}
	return 0;
}

static int set_cpus(struct creation *k)
{
	struct guest_config *c = k->c;
	int err;

	if (!c->nr_cpus && !c->nr_cpus_soft)
		return 0;
	err = find_cpus(k);
	err = err ? err : set_affinity(k, c->cpus, c->nr_cpus, c->cpus_is_list, false);
	return err ? err : set_affinity(k, c->cpus_soft, c->nr_cpus_soft, c->cpus_soft_is_list, true);
}

static int set_weight(struct creation *k)
{
	struct xc_sched sched = { .weight = k->c->cpu_weight > 0 ? k->c->cpu_weight : -1, .cap = k->c->cap };

	if (sched.weight < 0 && sched.cap < 0)
		return 0;
	if (!k->sched_id) {
		int id = xc_sched_id(k->h->x);

		if (id < 0)
			return say_call_error(k->h, "%s", k->c->name);
		k->sched_id = id;
	}
	return xc_sched_set(k->h->x, k->domid, k->sched_id, &sched) ? say_call_error(k->h, "%s", k->c->name) : 0;
}

/* Seconds by which the guest's clock differs from UTC. */
static long clock_offset(const struct guest_config *c)
{
	long offset = c->has_rtc_timeoffset ? c->rtc_timeoffset : 0;
	time_t now = time(NULL);
	struct tm tm;

	if (c->localtime && localtime_r(&now, &tm))
		offset += tm.tm_gmtoff;
	return offset;
}

static int set_vcpus(struct creation *k)
{
	struct xc *x = k->h->x;
	long offset = clock_offset(k->c);
	int err = 0;

	if (xc_domain_max_vcpus(x, k->domid, k->c->maxvcpus) ||
	    (k->c->tsc_mode != TSC_DEFAULT && xc_domain_set_tsc(x, k->domid, k->c->tsc_mode)) ||
	    (offset && xc_domain_set_time_offset(x, k->domid, offset)))
		err = say_call_error(k->h, "%s", k->c->name);
	err = err ? err : set_cpus(k);
	return err ? err : set_weight(k);
}

/* --- rights to the machine --------------------------------------------------------------------- */

static int give_rights(struct creation *k)
{
	struct xc *x = k->h->x;
	int err = 0;

	for (unsigned int i = 0; i < k->c->nr_ioports && !err; i++) {
		struct xen_domctl op = { .cmd = XEN_DOMCTL_ioport_permission, .domain = k->domid, .u.ioport_permission = {
			.first_port = k->c->ioports[i].start, .nr_ports = k->c->ioports[i].number, .allow_access = 1
		} };

		err = xc_domctl(x, &op, "giving it the ioports");
	}
	for (unsigned int i = 0; i < k->c->nr_iomem && !err; i++) {
		struct xen_domctl op = { .cmd = XEN_DOMCTL_iomem_permission, .domain = k->domid, .u.iomem_permission = {
			.first_mfn = k->c->iomem[i].start, .nr_mfns = k->c->iomem[i].number, .allow_access = 1
		} };

		err = xc_domctl(x, &op, "giving it the iomem");
	}
	for (unsigned int i = 0; i < k->c->nr_irqs && !err; i++) {
		struct xen_domctl op = { .cmd = XEN_DOMCTL_irq_permission, .domain = k->domid, .u.irq_permission = {
			.pirq = k->c->irqs[i], .allow_access = 1
		} };

		err = xc_domctl(x, &op, "giving it the irqs");
	}
	return err ? say_call_error(k->h, "%s", k->c->name) : 0;
}

/* --- memory, kernel, rings ----------------------------------------------------------------------- */

static int build(struct creation *k)
{
	int store = xc_evtchn_alloc(k->h->x, k->domid, 0), console;

	console = store < 0 ? store : xc_evtchn_alloc(k->h->x, k->domid, 0);
	if (console < 0 || xc_domain_set_address_size(k->h->x, k->domid, 64))
		return say_call_error(k->h, "%s", k->c->name);
	k->g.store_port = store;
	k->g.console_port = console;
	if (pv_build(k->h->x, &k->g))
		return say_error(EINVAL, "%s: %s", k->c->name, k->g.error);
	if (k->c->claim != TRI_OFF && xc_claim_pages(k->h->x, k->domid, 0))
		return say_call_error(k->h, "%s", k->c->name);
	return 0;
}

/* For xl list -l of either toolstack, and for what changes the guest later. */
static int save_config(struct creation *k)
{
	char path[128], *json = config_to_json(k->c, k->topology.node_of ? &k->topology : NULL, k->domid, true);
	size_t n = json ? strlen(json) : 0;
	int err = json ? 0 : ENOMEM, fd;

	userdata_path(path, sizeof(path), k->domid, k->c->uuid, "libxl-json");
	if (!err) {
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		/* A file system that is full writes less, or says so when the file is closed. */
		if (fd < 0 || (write(fd, json, n) != (ssize_t)n && (errno = errno ? errno : ENOSPC)))
			err = errno;
		if (fd >= 0 && close(fd) && !err)
			err = errno;
	}
	free(json);
	return err ? say_error(err, "%s: the configuration can't be kept in %s: %s", k->c->name, path, strerror(err)) : 0;
}

static int make(struct creation *k, struct record *r)
{
	int err = take_name(k, r);

	err = err ? err : set_vcpus(k);
	err = err ? err : give_rights(k);
	err = err ? err : build(k);
	err = err ? err : nodes_connect(k->h, &k->g);
	err = err ? err : devices_add(k->h, k->domid, k->c->disks, k->c->nr_disks, k->c->vifs, k->c->nr_vifs,
				     NULL);
	return err ? err : save_config(k);
}

int guest_create(struct host *h, struct guest_config *c, uint32_t *domid)
{
	struct creation k = { .h = h, .c = c, .g.ramdisk_fd = -1 };
	struct record r = { .fd = -1 };
	int err = check(&k);

	err = err ? err : open_kernel(&k);
	err = err ? err : devices_check(h, c->disks, c->nr_disks, c->vifs, c->nr_vifs);
	err = err ? err : find_pool(&k);
	if (!err) {
		err = make(&k, &r);
		if (err && k.domid)
			destroy_parts(h, k.domid, c->uuid);
		if (err)
			balloon_give_back(h, k.from_dom0);
		record_close(&r);
	}
	pv_close(&k.g);
	bootloader_forget(&k.booted);
	*domid = k.domid;
	return err;
}
