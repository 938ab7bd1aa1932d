// SPDX-License-Identifier: MIT
/*
 * What the frontends ask of an operating system (os.h), as the runtime has it. Locks and waiting are in smp.c.
 *
 * Events: the runtime calls handlers by port; here each port has the handler and argument that a frontend gave, and a
 * mark while it runs, for os_event_close to wait for on another vcpu.
 */
#include <xen/memory.h>
#include <xen/sched.h>

#include "../os.h"
#include "runtime.h"

static struct {
	os_event_t handler;
	void *argument;
	bool running;
} ports[EVTCHN_2L_NR_CHANNELS];

/* ---- memory ---- */

void *os_alloc(size_t bytes)
{
	return heap_alloc(bytes);
}

void os_free(void *memory)
{
	heap_free(memory);
}

void *os_pages_alloc(unsigned int pages)
{
	return heap_pages(pages);
}

void os_pages_free(void *first, unsigned int pages)
{
	heap_pages_free(first, pages);
}

uint64_t os_frame(const void *address)
{
	return virt_to_mfn(address);
}

/* ---- grants ---- */

int os_grant(domid_t to, uint64_t frame, bool readonly, grant_ref_t *ref)
{
	int result = grant_ref_alloc(ref);

	if (!result)
		grant_access(*ref, to, frame, readonly);
	return result;
}

bool os_grant_end(grant_ref_t ref)
{
	if (!grant_end_access(ref))
		return false;
	grant_ref_free(ref);
	return true;
}

/* ---- events ---- */

static void dispatch(evtchn_port_t port)
{
	os_event_t handler;

	__atomic_store_n(&ports[port].running, true, __ATOMIC_SEQ_CST);
	handler = __atomic_load_n(&ports[port].handler, __ATOMIC_SEQ_CST);
	if (handler)
		handler(ports[port].argument);
	__atomic_store_n(&ports[port].running, false, __ATOMIC_SEQ_CST);
}

int os_event_attach(evtchn_port_t port, os_event_t handler, void *argument)
{
	if (port >= EVTCHN_2L_NR_CHANNELS)
		return -XEN_EINVAL;
	ports[port].argument = argument;
	__atomic_store_n(&ports[port].handler, handler, __ATOMIC_SEQ_CST);
	event_set_handler(port, dispatch);
	return (int)event_unmask_port(port);
}

int os_event_open(domid_t remote, unsigned int vcpu, os_event_t handler, void *argument, evtchn_port_t *port)
{
	int result;

	*port = event_alloc_unbound(remote);
	if (smp_is_up(vcpu))
		event_set_vcpu(*port, vcpu);
	result = os_event_attach(*port, handler, argument);
	if (result)
		event_close(*port);
	return result;
}

void os_event_close(evtchn_port_t port)
{
	event_mask_port(port);
	__atomic_store_n(&ports[port].handler, NULL, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&ports[port].running, __ATOMIC_SEQ_CST))
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	event_close(port);
	event_set_vcpu(port, 0);
}

void os_event_notify(evtchn_port_t port)
{
	event_send(port);
}

/* ---- the balloon ---- */

long os_memory_op(unsigned int command, void *argument)
{
	return hypercall2(__HYPERVISOR_memory_op, command, argument);
}

uint64_t os_page_pfn(const void *page)
{
	return ((uint64_t)(uintptr_t)page - RUNTIME_VIRT_BASE) / PAGE_SIZE;
}

uint64_t os_page_unback(void *page)
{
	uint64_t mfn = virt_to_mfn(page);

	if (map_pte(page, 0))
		panic("page %p could not be taken out", page);
	pfn_set_mfn(os_page_pfn(page), PFN_NO_FRAME);
	return mfn;
}

void os_page_back(void *page, uint64_t frame)
{
	struct mmu_update update = { frame << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, os_page_pfn(page) };

	if (hypercall4(__HYPERVISOR_mmu_update, &update, 1, 0, DOMID_SELF))
		panic("frame %lx could not be entered as page %p", frame, page);
	pfn_set_mfn(os_page_pfn(page), frame);
	map_over(page, frame);
}

void os_log(const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("# %s\n", text);
}
