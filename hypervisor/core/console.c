// SPDX-License-Identifier: MIT
/*
 * The console: a ring of the last messages, the serial line and the VGA text
 * screen behind it, and the input that goes to dom0 or, after Ctrl-a three
 * times, to the hypervisor's own keys.
 *
 * Output is synchronous: it waits for the UART. A message is composed in a
 * buffer on the stack and written under the console lock, which is the
 * innermost lock of all, so anything may print. The lock is broken by the panic
 * path only.
 *
 * The ring keeps the hypervisor's own messages; a toolstack reads them (xl dmesg).
 * Guests' bytes go out as they are and are not kept, but lines of the hypervisor never start in
 * the middle of theirs: a newline is put in front where needed.
 */
#include "core/console.h"
#include "core/domain.h"
#include "core/hypercall.h"
#include "core/keyhandler.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "x86/cpu.h"
#include "x86/uart.h"
#include "x86/vga.h"

#define RING_BYTES 16384 /* as Xen's default; xl dmesg */
#define INPUT_BYTES 256
#define SWITCH_KEY 1 /* Ctrl-a */

static spinlock_t console_lock = SPINLOCK(RANK_CONSOLE, "console");
static char ring[RING_BYTES];
static u64 ring_prod, ring_cleared; /* console_lock; what lies before ring_cleared was read and is gone */
static bool at_line_start = true;
static u32 devices;
static bool lock_broken;

static struct hv_loglvl levels = { .always = 4, .limited = 4 }, guest_levels = { .always = 4, .limited = 4 };

static u8 input[INPUT_BYTES];
static u32 input_prod, input_cons; /* console_lock */
static unsigned switch_count;
static bool input_to_hv;
static u8 hv_keys[16];
static u32 hv_prod, hv_cons;

char hv_command_line[1024];

static void keep(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ring[ring_prod++ % RING_BYTES] = s[i];
}

static void put(const char *s, size_t n)
{
	if (n)
		at_line_start = s[n - 1] == '\n';
	if (devices & CONSOLE_COM1)
		uart_write(s, n);
	if (devices & CONSOLE_VGA)
		vga_write(s, n);
}

static void console_write(const char *s, size_t n)
{
	if (!lock_broken)
		spin_lock(&console_lock);
	put(s, n);
	if (!lock_broken)
		spin_unlock(&console_lock);
}

/* A whole message of ours, each of its lines marked. */
static void put_message(const char *text)
{
	if (!lock_broken)
		spin_lock(&console_lock);
	if (!at_line_start)
		put("\n", 1);
	while (*text) {
		const char *nl = strchr(text, '\n');
		size_t n = nl ? (size_t)(nl - text) + 1 : strlen(text);

		put("(XEN) ", 6);
		put(text, n);
		keep("(XEN) ", 6);
		keep(text, n);
		text += n;
	}
	if (!lock_broken)
		spin_unlock(&console_lock);
	/* Later, since anybody may print: who reads the ring in dom0 is told. */
	if (dom0)
		__atomic_fetch_or(&this_cpu_info()->work, WORK_LOG, __ATOMIC_SEQ_CST);
}

/* Messages that are rate limited: 10 in each 5 seconds (as Xen's default), the rest is counted. */
static bool rate_ok(void)
{
	static u64 window_start;
	static u32 in_window, dropped;
	u64 now = now_ns();
	char note[64];

	if (now - window_start > 5000000000ULL) {
		if (dropped) {
			snprintf_hv(note, sizeof(note), "%u messages about guests suppressed\n", dropped);
			put_message(note);
		}
		window_start = now;
		in_window = dropped = 0;
	}
	if (++in_window <= 10)
		return true;
	dropped++;
	return false;
}

static bool wanted(const struct hv_loglvl *l, enum log_level lvl)
{
	if (lvl < l->always)
		return true;
	return lvl < l->limited && rate_ok();
}

void hv_log(enum log_level lvl, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!wanted(&levels, lvl))
		return;
	va_start(ap, fmt);
	vsnprintf_hv(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_message(text);
}

void guest_log(const struct domain *d, enum log_level lvl, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	if (!wanted(&guest_levels, lvl))
		return;
	n = snprintf_hv(text, sizeof(text), "d%u ", d->domain_id);
	va_start(ap, fmt);
	vsnprintf_hv(text + n, sizeof(text) - n, fmt, ap);
	va_end(ap);
	put_message(text);
}

long console_read_ring(bool clear, bool incremental, u32 *index, u64 gva, u32 *count)
{
	char buf[256];
	u64 from;
	u32 done = 0, n;

	spin_lock(&console_lock);
	from = max(ring_cleared, ring_prod > RING_BYTES ? ring_prod - RING_BYTES : 0);
	if (incremental && (u32)ring_prod - *index <= ring_prod - from)
		from = ring_prod - ((u32)ring_prod - *index);
	spin_unlock(&console_lock);
	for (; done < *count; done += n, from += n) {
		spin_lock(&console_lock);
		/* What was overwritten meanwhile is passed over. */
		from = max(from, ring_prod > RING_BYTES ? ring_prod - RING_BYTES : 0);
		n = min((u32)sizeof(buf), *count - done);
		n = min((u64)n, ring_prod - from);
		for (u32 i = 0; i < n; i++)
			buf[i] = ring[(from + i) % RING_BYTES];
		spin_unlock(&console_lock);
		if (!n)
			break;
		if (copy_to_guest(gva + done, buf, n))
			return -EFAULT;
	}
	*index = from;
	*count = done;
	if (clear) {
		spin_lock(&console_lock);
		ring_cleared = max(ring_cleared, from);
		spin_unlock(&console_lock);
	}
	return 0;
}

void console_panic_mode(void)
{
	lock_broken = true;
}

void __init console_init(const struct hv_options *o)
{
	u64 from;

	if (o->console & CONSOLE_COM1)
		uart_init(&o->com1);
	if (o->console & CONSOLE_VGA)
		vga_init();
	/* What was said before there was a device. */
	from = ring_prod > RING_BYTES ? ring_prod - RING_BYTES : 0;
	for (u64 i = from; i < ring_prod; i++) {
		char c = ring[i % RING_BYTES];

		if (o->console & CONSOLE_COM1)
			uart_write(&c, 1);
		if (o->console & CONSOLE_VGA)
			vga_write(&c, 1);
	}
	devices = o->console;
	levels = o->loglvl;
	guest_levels = o->guest_loglvl;
}

/* --- Input ------------------------------------------------------------------------------ */

static void switch_input(void)
{
	input_to_hv = !input_to_hv;
	put_message(input_to_hv ? "*** Serial input to Xenolith (type 'CTRL-a' three times to switch input)\n"
				: "*** Serial input to DOM0 (type 'CTRL-a' three times to switch input)\n");
}

void console_input(u8 c)
{
	if (c == SWITCH_KEY) {
		if (++switch_count == 3) {
			switch_count = 0;
			switch_input();
		}
		return;
	}
	spin_lock(&console_lock);
	/* Fewer than three were meant for whoever reads. */
	for (; switch_count; switch_count--)
		if (!input_to_hv && input_prod - input_cons < INPUT_BYTES)
			input[input_prod++ % INPUT_BYTES] = SWITCH_KEY;
	if (input_to_hv) {
		if (hv_prod - hv_cons < sizeof(hv_keys))
			hv_keys[hv_prod++ % sizeof(hv_keys)] = c;
	} else if (input_prod - input_cons < INPUT_BYTES) {
		input[input_prod++ % INPUT_BYTES] = c;
	}
	spin_unlock(&console_lock);
	__atomic_fetch_or(&this_cpu_info()->work, WORK_CONSOLE, __ATOMIC_SEQ_CST);
}

void console_work(void)
{
	while (hv_cons != hv_prod)
		handle_key(hv_keys[hv_cons++ % sizeof(hv_keys)]);
	if (dom0 && input_prod != input_cons)
		send_global_virq(dom0, VIRQ_CONSOLE);
}

void __init console_start_input(void)
{
	if (devices & CONSOLE_COM1)
		uart_start_input();
}

static long console_read(u64 gva, u32 count)
{
	u8 buf[INPUT_BYTES];
	u32 n = 0;

	spin_lock(&console_lock);
	while (n < count && n < INPUT_BYTES && input_cons != input_prod)
		buf[n++] = input[input_cons++ % INPUT_BYTES];
	spin_unlock(&console_lock);
	if (n && copy_to_guest(gva, buf, n))
		return -EFAULT;
	return n;
}

HYPERCALL(hc_console_io)
{
	struct domain *d = current->domain;
	u64 gva = a3;
	u32 left = a2;
	char buf[128];

	if (!d->is_privileged)
		return -EPERM;
	if (a1 == CONSOLEIO_read)
		return console_read(gva, left);
	if (a1 != CONSOLEIO_write)
		return -ENOSYS;
	while (left) {
		u32 n = min(left, (u32)sizeof(buf));

		if (copy_from_guest(buf, gva, n))
			return -EFAULT;
		console_write(buf, n);
		left -= n;
		gva += n;
		if (left && preempt_check())
			return hypercall_continue(3, a1, left, gva, 0);
	}
	return 0;
}
