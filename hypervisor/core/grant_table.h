/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, version 1: a domain says in shared entries which of its frames
 * which other domain may map or copy. Rules in grant_table.c.
 */
#ifndef CORE_GRANT_TABLE_H
#define CORE_GRANT_TABLE_H

#include "lib/types.h"
#include "xen/grant_table.h"

struct domain;
struct vcpu;
struct grant_table;

#define GRANT_DEFAULT_MAX_FRAMES 64u    /* 512 entries each */
#define GRANT_DEFAULT_MAX_MAPTRACK 1024u /* pages of 128 handles each */

/*
 * Gives `d` a grant table of one frame that can grow to max_frames, and the
 * right to hold max_maptrack * 128 mappings of others' grants. 0, -ENOMEM, or
 * -EINVAL where a limit is 0 or above 4096 frames or 65536 pages.
 */
int __must_check grant_table_init(struct domain *d, u32 max_frames, u32 max_maptrack);
/*
 * `d` is dying and none of its vcpus runs: ends all its mappings of others'
 * grants. Its page tables must be gone before. 0, or -ERESTART: call again.
 */
int __must_check grant_table_destroy(struct domain *d);
/*
 * Nobody can use its entries any more; its pages are freed once nobody has them mapped. After
 * grant_table_destroy(), once. Uses by others stay until they end them.
 */
void grant_table_unshare(struct domain *d);
/* Frees the rest, when the last reference to `d` is gone. */
void grant_table_free(struct domain *d);

/*
 * Hypercall 20 of vcpu `v`: `count` elements at `gva`. Each has its own status;
 * the result is 0, -EFAULT, -EINVAL, -ENOSYS for what is not offered, or -ERESTART:
 * preempt_check() asked to stop after *done elements, go on from there. *done is
 * set on every return.
 */
long do_grant_table_op(struct vcpu *v, u32 cmd, u64 gva, u32 count, u32 *done);

/* For XENMEM_acquire_resource: machine frame `index` of d's table, which grows to it. 0, -EINVAL, -ENOMEM. */
int __must_check grant_table_frame(struct domain *d, u32 index, mfn_t *mfn);
/* Frames the table may have at most. */
u32 grant_table_max_frames(const struct domain *d);
/*
 * Writes entry `ref` of d's own table: `to` may access `frame` (gfn of `d`).
 * For console and xenstore of a domain that has not run. 0, -EINVAL.
 */
int __must_check grant_table_seed(struct domain *d, u32 ref, domid_t to, u32 frame);

/* --- To be supplied by pv/grant_pv.c ----------------------------------------- */

/*
 * Makes `frame` visible to v's domain at host_addr: the empty L1 entry of that
 * kernel address, or (GNTMAP_contains_pte) the L1 entry at that machine address.
 * flags: GNTMAP_*. The caller holds a reference on the frame (and a writable
 * type unless GNTMAP_readonly) from before this call until after
 * grant_host_unmap(). No grant lock is held. GNTST_*.
 */
int grant_host_map(struct vcpu *v, u64 host_addr, mfn_t frame, u32 flags);
/*
 * Takes it away again. Refuses if the entry doesn't map `frame` (with the
 * access that `flags` say). The caller flushes TLBs. GNTST_*.
 */
int grant_host_unmap(struct vcpu *v, u64 host_addr, mfn_t frame, u32 flags);

/* Prints the entries of `d` that others use, at most `max`. For the debug keys. */
void grants_show(struct domain *d, u32 max);

#endif
