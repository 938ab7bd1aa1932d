/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's own page tables; docs/memory-map.md has the picture.
 */
#ifndef X86_PAGING_H
#define X86_PAGING_H

#include "lib/types.h"
#include "pv/page_type.h"
#include "x86/e820.h"
#include "x86/layout.h"

/* Where the direct map shows a machine address, and back. Only RAM is there. */
static inline void *maddr_to_virt(u64 maddr) { return (void *)(DIRECT_MAP_START + maddr); }
static inline void *mfn_to_virt(mfn_t m) { return (void *)(DIRECT_MAP_START + (m.m << PAGE_SHIFT)); }
static inline u64 virt_to_maddr(const void *va) { return (u64)va - DIRECT_MAP_START; }
static inline mfn_t virt_to_mfn(const void *va) { return MFN(virt_to_maddr(va) >> PAGE_SHIFT); }

/* The M2P entry of a frame: read anywhere, write through the hypervisor's alias. */
#define M2P ((u64 *)M2P_START)
#define INVALID_M2P (~0ULL)

/* First frame of the 2 MiB of M2P that describe the `gib`th GiB; INVALID_MFN where there is no memory. */
mfn_t m2p_chunk(u64 gib);

/* L4 with nothing but the hypervisor in it: idle vcpus run on it, new L4s copy it. */
extern u64 *idle_l4;
extern mfn_t idle_l4_mfn;

/* First of all C: memory for tables comes from free RAM in `map` outside `busy` (boot/memory.c). */
void paging_init(const struct e820_map *map);
/* Maps `pages` frames at `va` (hypervisor range outside the direct map) with PTE bits `flags`. */
void map_pages(u64 va, mfn_t mfn, u64 pages, u64 flags);
/* Device memory, uncached; never unmapped. NULL when the window is full. */
void *ioremap(u64 maddr, u64 bytes);
/* Fills the slots 256..271 of a guest's L4 for domain slot `perdomain_l3`. */
void fill_hypervisor_slots(u64 *l4, mfn_t perdomain_l3);
/* XPTI: the two page tables of `cpu` that guests run on, as machine addresses; made by percpu_area_init(). */
void xpti_roots_create(u32 cpu, u64 *first, u64 *second);
/* Ends boot-only mappings (identity) and drops write access to init data. */
void paging_finish(void);

#endif
