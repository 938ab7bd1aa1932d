/* SPDX-License-Identifier: MIT */
/*
 * What dom0's programs ask of the hypervisor: hypercalls through /dev/xen/privcmd, pages of other domains, event
 * channels and grants. Thin: each function is one call of the ABI (or a loop of the same one), with typed arguments.
 *
 * All functions that return int or long: 0 or a count, or -errno; then xc_error() is a sentence that says what was
 * asked and why it failed, fit to be printed behind a program's name. A handle is for one thread.
 */
#ifndef XENCTRL_H
#define XENCTRL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/sysctl.h>
#include <xen/version.h>

#define XC_PAGE_SIZE	4096u
#define XC_PAGE_SHIFT	12

struct xc;

/* The handle. NULL with errno if this is no dom0 (and then a sentence in @why, if that is not NULL). */
struct xc *xc_open(char *why, size_t size);
/* Mappings and buffers that are still there stay until they are given back, or the program ends. */
void xc_close(struct xc *x);
const char *xc_error(const struct xc *x);

/* --- calls ------------------------------------------------------------------ */

/*
 * Memory that a hypercall can reach and that stays where it is. Zeroed, at a page boundary; NULL with errno.
 * xc_buffer_free() wants the same size.
 */
void *xc_buffer(struct xc *x, size_t bytes);
void xc_buffer_free(struct xc *x, void *buffer, size_t bytes);

/* Any hypercall; pointers among the arguments must be xc_buffer() memory. What it returned, or -errno. */
long xc_hypercall(struct xc *x, unsigned int number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

/*
 * A domctl or sysctl, copied in and out; the version is filled in. Pointers inside must be xc_buffer() memory.
 * @what is for the sentence ("pausing domain 3").
 */
int xc_domctl(struct xc *x, struct xen_domctl *op, const char *what);
int xc_sysctl(struct xc *x, struct xen_sysctl *op, const char *what);

/* --- domains ---------------------------------------------------------------- */

/* @domid: in 0 to have one chosen, else the one wanted; out: the new domain's. It is paused and has nothing. */
int xc_domain_create(struct xc *x, const struct xen_domctl_createdomain *create, uint32_t *domid);
/* Takes as long as it takes; the domain is gone from the list when nobody holds a page of it. */
int xc_domain_destroy(struct xc *x, uint32_t domid);
int xc_domain_pause(struct xc *x, uint32_t domid);
int xc_domain_unpause(struct xc *x, uint32_t domid);
/* Exactly this domain: -ESRCH if there is none. */
int xc_domain_info(struct xc *x, uint32_t domid, struct xen_domctl_getdomaininfo *info);
/* Domains from number @first on, in ascending order; returns how many of at most @max there are. */
int xc_domain_list(struct xc *x, uint32_t first, struct xen_domctl_getdomaininfo *list, unsigned int max);
int xc_domain_max_vcpus(struct xc *x, uint32_t domid, uint32_t vcpus);
int xc_domain_max_memory(struct xc *x, uint32_t domid, uint64_t kib);
int xc_domain_set_handle(struct xc *x, uint32_t domid, const uint8_t handle[16]);
/* Bytes of a guest's words: 8 for a 64-bit PV guest. */
int xc_domain_set_address_size(struct xc *x, uint32_t domid, unsigned int bits);
/* @reason: SHUTDOWN_* of xen/sched.h */
int xc_domain_shutdown(struct xc *x, uint32_t domid, uint32_t reason);
int xc_domain_set_time_offset(struct xc *x, uint32_t domid, int64_t seconds);
/* @mode: XEN_CPUID_TSC_MODE... 0 default, 1 always emulate, 2 never emulate */
int xc_domain_set_tsc(struct xc *x, uint32_t domid, uint32_t mode);
/* @trigger: XEN_DOMCTL_SENDTRIGGER_* */
int xc_domain_trigger(struct xc *x, uint32_t domid, uint32_t trigger, uint32_t vcpu);
/* Nodes are those of NUMA, a bit each. */
int xc_domain_set_nodes(struct xc *x, uint32_t domid, uint64_t nodes);
/* Pages that the domain has now. */
long xc_domain_pages(struct xc *x, uint32_t domid);

/* --- vcpus and scheduling --------------------------------------------------- */

int xc_vcpu_set_context(struct xc *x, uint32_t domid, uint32_t vcpu, const struct vcpu_guest_context *context);
int xc_vcpu_get_context(struct xc *x, uint32_t domid, uint32_t vcpu, struct vcpu_guest_context *context);
int xc_vcpu_info(struct xc *x, uint32_t domid, uint32_t vcpu, struct xen_domctl_getvcpuinfo *info);
/* Bitmaps of @bytes bytes, bit n of byte n / 8 being CPU n. Either may be NULL; both come back as in force. */
int xc_vcpu_set_affinity(struct xc *x, uint32_t domid, uint32_t vcpu, uint8_t *hard, uint8_t *soft, size_t bytes);
int xc_vcpu_get_affinity(struct xc *x, uint32_t domid, uint32_t vcpu, uint8_t *hard, uint8_t *soft, size_t bytes);

/* Weight and cap under credit (5) or credit2 (6). In xc_sched_set() a negative value leaves what is. */
struct xc_sched {
	int weight, cap;	/* cap: percent of one CPU, 0 for no cap */
};
int xc_sched_id(struct xc *x);
int xc_sched_get(struct xc *x, uint32_t domid, uint32_t sched_id, struct xc_sched *sched);
int xc_sched_set(struct xc *x, uint32_t domid, uint32_t sched_id, const struct xc_sched *sched);

/* The pool with the lowest number >= @first; cpus gets a bitmap of @bytes bytes. -ENOENT: no more. */
struct xc_pool {
	uint32_t id, sched_id, domains;
};
int xc_pool_info(struct xc *x, uint32_t first, struct xc_pool *pool, uint8_t *cpus, size_t bytes);
/* CPUs in no pool. */
int xc_pool_free_cpus(struct xc *x, uint8_t *cpus, size_t bytes);
/* @op: XEN_SYSCTL_CPUPOOL_OP_*; what of the rest is used depends on it. Returns the pool's number for CREATE. */
int xc_pool_op(struct xc *x, uint32_t op, uint32_t pool, uint32_t sched_id, uint32_t domid, uint32_t cpu);

/* --- the machine ------------------------------------------------------------ */

int xc_physinfo(struct xc *x, struct xen_sysctl_physinfo *info);
/* Returns how many there are; up to @max are stored. */
int xc_cpu_topology(struct xc *x, struct xen_sysctl_cputopo *cpus, unsigned int max);
/* Memory of NUMA nodes (bytes) and @distance, @max * @max values, which may be NULL. */
int xc_numa_info(struct xc *x, struct xen_sysctl_meminfo *nodes, uint32_t *distance, unsigned int max);
/* Idle nanoseconds of each CPU. */
int xc_cpu_idle(struct xc *x, uint64_t *idle_ns, unsigned int max);
/* The hypervisor's log from *@index on (0: all of it); returns bytes, and @index for the next call. */
int xc_console_read(struct xc *x, char *text, size_t size, uint32_t *index, bool clear, bool incremental);
int xc_debug_keys(struct xc *x, const char *keys);
/* xen_version: @command is XENVER_*, @out @size bytes of its argument or NULL. Returns what the call does. */
long xc_version(struct xc *x, unsigned int command, void *out, size_t size);

/* --- memory ----------------------------------------------------------------- */

/*
 * Gives domain @domid @count blocks of 2^@order pages. @frames: in the first pfn of each, out the first mfn.
 * Returns how many it got, which may be fewer; negative only where the call itself was refused.
 */
long xc_populate(struct xc *x, uint32_t domid, uint64_t *frames, unsigned long count, unsigned int order,
		 uint32_t mem_flags);
/* Sets aside @pages for the domain, less what it has; 0 gives the claim up. */
int xc_claim_pages(struct xc *x, uint32_t domid, unsigned long pages);
int xc_set_memory_map(struct xc *x, uint32_t domid, const struct xen_e820_entry *map, unsigned int entries);
/* Any memory_op: @arg is copied in and out. */
long xc_memory_op(struct xc *x, unsigned int command, void *arg, size_t size);

/*
 * Pages of another domain (or of DOMID_XEN, read-only) as one piece of memory. With @err (an errno or 0 for each page)
 * a part may fail; without, all or nothing. NULL with errno.
 */
void *xc_map(struct xc *x, uint32_t domid, int prot, const uint64_t *frames, size_t count, int *err);
/* The same at an address of the caller's choice, in place of what is mapped there. 0 or -errno. */
int xc_map_at(struct xc *x, void *where, uint32_t domid, int prot, const uint64_t *frames, size_t count);
void xc_unmap(struct xc *x, void *p, size_t pages);
/* @type, @id: XENMEM_resource_*; @first: the first frame of it. */
void *xc_map_resource(struct xc *x, uint32_t domid, uint32_t type, uint32_t id, uint64_t first, size_t count);

/* Makes frame @mfn the root of a page table of @domid, for good (MMUEXT_PIN_L4_TABLE); any pin or unpin by @command. */
int xc_mmuext(struct xc *x, uint32_t domid, unsigned int command, uint64_t mfn);

/* --- event channels (hypercalls; for other domains) -------------------------- */

/* A port of @domid that @remote may bind to. Returns the port. */
int xc_evtchn_alloc(struct xc *x, uint32_t domid, uint32_t remote);
int xc_evtchn_status(struct xc *x, uint32_t domid, uint32_t port, struct evtchn_status *status);

/* --- event channels (of this program: /dev/xen/evtchn) ------------------------ */

/* A descriptor, readable while events wait; several programs and several descriptors may be open. */
int xc_events_open(void);
int xc_events_bind(int fd, uint32_t domid, uint32_t port);	/* returns the local port */
int xc_events_bind_virq(int fd, uint32_t virq);			/* likewise */
int xc_events_unbind(int fd, uint32_t local);
int xc_events_notify(int fd, uint32_t local);
/* Ports with events, each masked until xc_events_unmask(). Returns how many; -EAGAIN if O_NONBLOCK is set. */
int xc_events_read(int fd, uint32_t *ports, unsigned int max);
int xc_events_unmask(int fd, uint32_t local);

/* --- grants of other domains (/dev/xen/gntdev) -------------------------------- */

int xc_grants_open(void);
/* @count pages that domain @domid grants; NULL with errno. */
void *xc_grants_map(int fd, uint32_t domid, const uint32_t *refs, size_t count, int prot);
int xc_grants_unmap(int fd, void *p, size_t count);

#endif
