// SPDX-License-Identifier: MIT
/*
 * What an operating system supplies to the frontends: this header, about twenty short functions and two types.
 *
 * The OS writes one header, os_port.h, found through the compiler's include path. It defines `struct os_lock` and
 * `struct os_wait` and declares memcpy, memset, memmove, memcmp, strlen, strcmp and snprintf; it may define any of
 * the functions below as static inline, after a #define of its name. runtime/os_port.h and runtime/os.c are an
 * example for a kernel without threads; tests/host/front/os_port.h one for a program on Linux.
 *
 * Contexts: "anywhere" means also in an event handler and under an os_lock. "task" means where the caller may sleep.
 * Nothing of the library sleeps or calls back under a lock of its own, unless the function says so.
 */
#ifndef FRONTEND_OS_H
#define FRONTEND_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>

#include <os_port.h>

#define OS_PAGE_SIZE	4096u
#define OS_ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* ---- memory ---- */

/* Zeroed memory for records, aligned as malloc does; NULL where there is none. Task. */
void *os_alloc(size_t bytes);
void os_free(void *memory);
/* Zeroed whole pages, one behind the other in virtual addresses; NULL where there are none. Task. */
void *os_pages_alloc(unsigned int pages);
void os_pages_free(void *first, unsigned int pages);
/* The frame of the page at an address, as a grant wants it: a PV guest's mfn, others' gfn. Anywhere. */
uint64_t os_frame(const void *address);

/* ---- grants ---- */

/* Lets domain `to` at a frame. Returns 0 and *ref, or -XEN_ENOSPC where the table is full. Task. */
int os_grant(domid_t to, uint64_t frame, bool readonly, grant_ref_t *ref);
/*
 * Takes a grant back. Returns false while the other domain still has the frame mapped: the reference stays taken, and
 * the page must not be given to anybody else. Task.
 */
bool os_grant_end(grant_ref_t ref);

/* ---- event channels ---- */

typedef void (*os_event_t)(void *argument);

/*
 * Makes a port that domain `remote` may bind, and has `handler` called for each of its events, on the vcpu whose number
 * is given if there are several (otherwise on any). A handler is never run twice at once. Returns 0 or -XEN_E*. Task.
 */
int os_event_open(domid_t remote, unsigned int vcpu, os_event_t handler, void *argument, evtchn_port_t *port);
/* The same for a port that exists already: those of the store and the console. */
int os_event_attach(evtchn_port_t port, os_event_t handler, void *argument);
/* No more events: when this returns, the handler does not run any more. Task. */
void os_event_close(evtchn_port_t port);
/* Notifies the other side. Anywhere. */
void os_event_notify(evtchn_port_t port);

/* ---- locks and sleep ---- */

/* Locks are taken for a few hundred instructions, also by event handlers: the holder must not get events meanwhile. */
void os_lock(struct os_lock *lock);
void os_unlock(struct os_lock *lock);

/*
 * Sleep: `key` is what os_wait_key returned before the caller looked whether it must sleep at all. os_wait returns when
 * os_wake was called after that, at once if it was called already; returning for nothing is allowed. Zeroed memory is a
 * ready-made struct os_wait and a struct os_lock.
 */
uint32_t os_wait_key(struct os_wait *wait);	/* anywhere */
void os_wait(struct os_wait *wait, uint32_t key);	/* task */
void os_wake(struct os_wait *wait);		/* anywhere; wakes all */

/* ---- memory given back and asked for: only for balloon.c ---- */

/* HYPERVISOR_memory_op. Returns what the hypervisor does. */
long os_memory_op(unsigned int command, void *argument);
/*
 * Takes a page of os_pages_alloc out of use: a PV guest removes its mapping and its entry in the p2m. Returns the
 * frame for XENMEM_decrease_reservation.
 */
uint64_t os_page_unback(void *page);
/*
 * The page of that address has a frame again, which XENMEM_populate_physmap gave: a PV guest enters it in m2p and p2m
 * and maps it.
 */
void os_page_back(void *page, uint64_t frame);
/* The page's number in the guest's own physical memory, for XENMEM_populate_physmap. */
uint64_t os_page_pfn(const void *page);

/* ---- what people read ---- */

/* One line, without a newline, when something is wrong. Anywhere. */
void os_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
