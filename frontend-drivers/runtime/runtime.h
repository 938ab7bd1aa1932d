// SPDX-License-Identifier: MIT
/*
 * The runtime: a PV guest kernel small enough to be read at once, on which all test guests and benchmarks without
 * an operating system stand. A guest supplies guest_main(); the runtime has then set up traps, memory, events and
 * a console, and powers the machine (as dom0) or the domain off when guest_main() returns.
 *
 * It starts with one vcpu; smp_start() brings up others. Printing, events, grants and memory may be used on all of
 * them; probes, guest user and the trap handlers are vcpu 0's.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/event_channel.h>
#include <xen/xen.h>

#include "layout.h"

#define PAGE_SIZE	4096UL
#define PAGE_SHIFT	12
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* The guest's own code. Called with events masked. */
void guest_main(void);

/* ---- hypercalls ---- */

/* Any hypercall. Returns what rax held: a negated XEN_E* on failure. Five arguments are as many as the ABI uses. */
static inline long hypercall(unsigned long number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	register uint64_t r10 __asm__("r10") = a4;
	register uint64_t r8 __asm__("r8") = a5;
	long result = (long)number;

	__asm__ volatile("syscall"
			 : "+a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
			 :
			 : "rcx", "r11", "memory", "cc");
	return result;
}

#define HYPERCALL_ARG(x)		((uint64_t)(uintptr_t)(x))
#define hypercall0(n)			hypercall((n), 0, 0, 0, 0, 0)
#define hypercall1(n, a)		hypercall((n), HYPERCALL_ARG(a), 0, 0, 0, 0)
#define hypercall2(n, a, b)		hypercall((n), HYPERCALL_ARG(a), HYPERCALL_ARG(b), 0, 0, 0)
#define hypercall3(n, a, b, c)		hypercall((n), HYPERCALL_ARG(a), HYPERCALL_ARG(b), HYPERCALL_ARG(c), 0, 0)
#define hypercall4(n, a, b, c, d) \
	hypercall((n), HYPERCALL_ARG(a), HYPERCALL_ARG(b), HYPERCALL_ARG(c), HYPERCALL_ARG(d), 0)

/* ---- strings and printing ---- */

void *memset(void *to, int byte, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t bytes);
char *strstr(const char *in, const char *what);

/* Knows %c %s %d %i %u %x %p with width, 0, -, l, ll, z. Returns the length it wanted; room counts the NUL. */
int vsnprintf(char *to, size_t room, const char *format, va_list args);
int snprintf(char *to, size_t room, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* On the console, line by line. Returns the length. */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

void console_init(void);
void console_write(const char *text, size_t bytes);
/* Takes up to room bytes of waiting input; returns how many. Never waits. */
size_t console_read(char *to, size_t room);

/* ---- the machine ---- */

extern struct start_info *start_info;
extern struct shared_info *shared_info;
extern struct vcpu_info *vcpu_info;		/* of vcpu 0 */

bool is_dom0(void);
/* The text after `key` ("case=") in the command line, up to the next blank; NULL where the key is not there. */
const char *cmdline_value(const char *key);
/* SHUTDOWN_poweroff as dom0 switches the machine off. Does not return. */
void shutdown(unsigned int reason) __attribute__((noreturn));
/* Says why, then ends with SHUTDOWN_crash. */
void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* ---- traps ---- */

/* What start.S builds on the stack; from rax on it is struct iret_context. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rdx, rsi, rdi;
	uint64_t error, vector;
	uint64_t rax, r11, rcx, flags, rip, cs, rflags, rsp, ss;
};

/* Returns true where the trap is dealt with; the changed frame is then returned to. */
typedef bool (*trap_handler_t)(struct trap_frame *frame);

void traps_init(void);
void trap_set_handler(unsigned int vector, trap_handler_t handler);
/* A gate of the trap table that does not lead to the runtime's stub; address 0 brings the stub back. */
void trap_set_gate(unsigned int vector, uint64_t address, uint8_t flags);

extern uint64_t failsafe_segments[4];		/* ds, es, fs, gs of the last failsafe callback */
extern char trap_stubs[], event_entry[], failsafe_entry[], syscall_entry[], syscall32_entry[], sysenter_entry[];
extern char kernel_stack_top[], trap_stack_top[], user_stack_top[], image_end[];

static inline bool frame_is_user(const struct trap_frame *frame)
{
	return (frame->cs & 3) == 3;
}

/* ---- running code that may fault ---- */

struct regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi;	/* order known to start.S */
};

#define NO_FAULT	(-1)

struct outcome {
	int vector;		/* the trap that ended the code, or NO_FAULT */
	uint64_t error;		/* error code, 0 for traps without one */
	uint64_t rip;		/* saved rip */
	uint64_t cs, ss, rsp, rflags;	/* saved ones */
	uint64_t cr2;		/* for vector 14 */
	struct regs regs;	/* registers at the end */
};

/*
 * Runs machine code that ends in `ret`, with registers loaded from *regs (NULL: zeros), in the guest's kernel or in
 * guest user. Both see the same addresses: the user tables share the image's slot.
 */
struct outcome run_kernel(const void *code, const struct regs *regs);
struct outcome run_user(const void *code, const struct regs *regs);

/* Enters any frame, good or bad, by the iret hypercall; whatever trap comes first ends it. */
struct outcome run_frame(const struct trap_frame *frame);

/* Guest user's L4, made at the first run_user: its mfn. */
uint64_t user_l4_mfn(void);

/* The number of a system call that guest user makes with anything but USER_EXIT goes to this handler, if set. */
void user_set_syscall(trap_handler_t handler);

/* A snippet for run_*: `name` is its code, the fault is expected at its first byte. */
#define SNIPPET(name, text)							\
	extern const char name[];						\
	__asm__(".pushsection .text\n.balign 16\n" #name ":\n" text "\n\tret\n.popsection")

/* ---- memory ---- */

#define PTE_P		(1UL << 0)
#define PTE_RW		(1UL << 1)
#define PTE_U		(1UL << 2)
#define PTE_PWT		(1UL << 3)
#define PTE_PCD		(1UL << 4)
#define PTE_A		(1UL << 5)
#define PTE_D		(1UL << 6)
#define PTE_PSE		(1UL << 7)
#define PTE_G		(1UL << 8)
#define PTE_NX		(1UL << 63)
#define PTE_ADDR	0x000ffffffffff000UL

#define PTE_RWDATA	(PTE_P | PTE_RW | PTE_U | PTE_A | PTE_D)
#define PTE_RODATA	(PTE_P | PTE_U | PTE_A | PTE_D)
#define PTE_TABLE	(PTE_P | PTE_RW | PTE_U | PTE_A | PTE_D)

void memory_init(void);
/* One zeroed page, mapped writable at the address returned. Ends the guest when there is none left. */
void *page_alloc(void);
/* Gives a page back. It must be mapped writable again. */
void page_free(void *page);
unsigned long pages_free(void);

uint64_t pfn_to_mfn(uint64_t pfn);
uint64_t virt_to_mfn(const void *address);
/* The runtime's address of one of its own frames. */
void *mfn_to_virt(uint64_t mfn);

static inline uint64_t mfn_pte(uint64_t mfn, uint64_t flags)
{
	return mfn << PAGE_SHIFT | flags;
}

/*
 * The entry of a level (1..4) that maps an address in a table tree. Returns its machine address, 0 where a table on
 * the way is missing; *value is the entry.
 */
uint64_t pt_entry(uint64_t l4_mfn, uint64_t address, int level, uint64_t *value);
uint64_t kernel_l4_mfn(void);
/* One mmu_update of the normal kind. Returns 0 or a negated XEN_E*. */
long pt_write(uint64_t entry_maddr, uint64_t value);
/* Makes sure that an address of a tree has an L1 table, with tables from the page allocator. */
void pt_ensure(uint64_t l4_mfn, uint64_t address);
/* update_va_mapping with a local invlpg. Returns 0 or a negated XEN_E*. */
long map_pte(const void *address, uint64_t pte);
/* Maps a frame where an own page (page aligned) is: for shared pages. The page's frame is not seen any more. */
void map_over(void *page, uint64_t mfn);
/* Changes the mapping of an own page; both end the guest where the hypervisor refuses. */
void page_make_readonly(void *page);
void page_make_writable(void *page);
/* One mmuext_op on a frame. Returns 0 or a negated XEN_E*. */
long mmuext(unsigned int command, uint64_t mfn_or_address);

/* The first address behind what the domain builder mapped; and changes to the p2m, for balloons. */
uint64_t memory_end(void);
#define PFN_NO_FRAME	(~0UL)
void pfn_set_mfn(uint64_t pfn, uint64_t mfn);

/* The rest of the guest's memory, mapped by heap_init, which returns its pages. Zeroed; NULL where none is left. */
unsigned long heap_init(void);
void *heap_pages(unsigned int pages);
void heap_pages_free(void *run, unsigned int pages);
void *heap_alloc(size_t bytes);
void heap_free(void *piece);

/* ---- several vcpus ---- */

#define MAX_VCPUS	8

/* The vcpu that runs this. */
unsigned int this_cpu(void);
/* Brings a vcpu up, to run `main` on a stack of its own with events masked, and go down after it. 0 or -XEN_E*. */
long smp_start(unsigned int vcpu, void (*main)(unsigned int vcpu));
/* Whether it was started, or is vcpu 0. */
bool smp_is_up(unsigned int vcpu);
/* For smp.c: the trap table and callbacks of a vcpu to be. */
void traps_of_vcpu(struct vcpu_guest_context *context);

/* Masks this vcpu's events. Returns whether they were masked; events_restore puts that back. */
bool events_save(void);
void events_restore(bool were_masked);

/* ---- time ---- */

struct vcpu_time_info time_record(void);
uint64_t time_scale(const struct vcpu_time_info *t, uint64_t ticks);
/* System time. */
uint64_t time_ns(void);
/* vcpu 0 gets an event at that time, which ends its waiting (os_wait). */
void time_wake_at(uint64_t ns);

/* ---- events ---- */

typedef void (*event_handler_t)(evtchn_port_t port);

void events_init(void);
void event_set_handler(evtchn_port_t port, event_handler_t handler);
/* Goes over to FIFO events. Returns 0 or a negated XEN_E* (-XEN_ENOSYS: the hypervisor has none). */
long events_use_fifo(void);
/* The event word of a port, after events_use_fifo(); NULL where the port is above the array. */
volatile event_word_t *fifo_word(evtchn_port_t port);

bool event_is_pending(evtchn_port_t port);
bool event_is_masked(evtchn_port_t port);
void event_clear_pending(evtchn_port_t port);
void event_mask_port(evtchn_port_t port);
/* Unmasks by hypercall, so that a pending event is seen. */
long event_unmask_port(evtchn_port_t port);
long event_send(evtchn_port_t port);
/* These three end the guest on failure. */
evtchn_port_t event_bind_ipi(uint32_t vcpu);
evtchn_port_t event_bind_virq(uint32_t virq, uint32_t vcpu);
evtchn_port_t event_alloc_unbound(domid_t remote);
long event_close(evtchn_port_t port);
/* Has a port's events handled on a vcpu. Ports begin on vcpu 0, but for IPIs and VIRQs, which the caller tells of. */
void event_set_vcpu(evtchn_port_t port, unsigned int vcpu);

static inline void compiler_barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

static inline void events_disable(void)
{
	*(volatile uint8_t *)&shared_info->vcpu_info[this_cpu()].evtchn_upcall_mask = 1;
	compiler_barrier();
}

/* Lets upcalls in; those already pending are taken before this returns. */
void events_enable(void);

/* ---- grants (version 1) ---- */

/* Maps the first frame of the own table. Returns 0 or a negated XEN_E*. */
long grants_init(void);
/* Entry ref lets `domid` at a frame. */
void grant_access(uint32_t ref, domid_t domid, uint64_t mfn, bool readonly);
/* Takes the entry back; false while the other side still uses it. */
bool grant_end_access(uint32_t ref);
uint16_t grant_flags(uint32_t ref);
/* A reference that nobody else uses, in a table that grows. 0, or -XEN_ENOSPC. Not to be mixed with grants_init. */
int grant_ref_alloc(uint32_t *ref);
void grant_ref_free(uint32_t ref);

/* ---- TAP ---- */

void tap_start(const char *name);
void tap_ok(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tap_skip(const char *name, const char *why);
/* One test: got must be wanted; on failure both are said. */
void tap_long(long got, long wanted, const char *name);
void tap_end(void);

#endif
