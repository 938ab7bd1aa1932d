// SPDX-License-Identifier: MIT
/*
 * I/O ports of a program: ioperm and iopl are the kernel's promises, which only
 * the hypervisor can keep. A port is used where both allow it; a port that is
 * the hypervisor's own reads as if nothing were there.
 */
#include "tap.h"
#include <setjmp.h>
#include <sys/io.h>

static sigjmp_buf back;

static void on_segv(int sig, siginfo_t *info, void *data)
{
	(void)sig; (void)info; (void)data;
	siglongjmp(back, 1);
}

/* size 1, 2 or 4 bytes; false where that is a fault. */
static bool reads(unsigned short port, int size)
{
	if (sigsetjmp(back, 1))
		return false;
	if (size == 1)
		inb(port);
	else if (size == 2)
		inw(port);
	else
		inl(port);
	return true;
}

static int bcd(int value) { return (value >> 4) * 10 + (value & 15); }

/* The seconds of the RTC: an index written to one port, a value read from another. */
static int rtc_seconds(void)
{
	outb(0, 0x70);
	return bcd(inb(0x71));
}

static bool inherits(void *data)
{
	(void)data;
	return reads(0x80, 1) && !reads(0x90, 1);
}

static bool gives_up(void *data)
{
	(void)data;
	ioperm(0x80, 1, 0);
	return !reads(0x80, 1);
}

static bool string_io(void *data)
{
	static unsigned char seconds[40];
	static bool good = true;

	(void)data;
	if (ioperm(0x70, 2, 1))
		return false;
	outb(0, 0x70);
	insb(0x71, seconds, sizeof(seconds));
	for (unsigned i = 0; i < sizeof(seconds); i++)
		good &= bcd(seconds[i]) < 60 && (seconds[i] == seconds[0] || i > 0);
	/* Forbidden, and to a page that is not there. */
	if (!sigsetjmp(back, 1)) {
		insb(0x90, seconds, sizeof(seconds));
		return false;
	}
	if (!sigsetjmp(back, 1)) {
		insb(0x71, (void *)8, 4);
		return false;
	}
	return good;
}

static bool with_iopl(void *data)
{
	bool good;

	(void)data;
	if (iopl(3))
		return false;
	good = reads(0x80, 1) && reads(0x90, 4) && reads(0xcf8, 4) && rtc_seconds() < 60;
	iopl(0);
	return good && !reads(0x90, 1);
}

/* The interrupt controllers and the timer are the hypervisor's. */
static bool hypervisors_own(void *data)
{
	(void)data;
	if (iopl(3))
		return false;
	outb(0xff, 0x21);
	return inb(0x21) == 0xff && inb(0xa1) == 0xff && inb(0x40) == 0xff;
}

int main(int argc, char **argv)
{
	handle(SIGSEGV, on_segv, SA_NODEFER);
	ok(!reads(0x80, 1), "no port without permission");
	ok(ioperm(0x80, 8, 1) == 0, "ioperm");
	ok(reads(0x80, 1) && reads(0x80, 4) && reads(0x87, 1) && reads(0x86, 2), "the ports of ioperm");
	ok(!reads(0x7f, 1) && !reads(0x88, 1) && !reads(0x87, 2) && !reads(0x85, 4) && !reads(0x7f, 2),
	   "not one beside them, nor partly");
	ok(ioperm(0x80, 8, 0) == 0 && !reads(0x83, 1), "and not any more when it is taken back");
	ok(ioperm(0xfff0, 16, 1) == 0 && reads(0xffff, 1) && reads(0xfffc, 4) && !reads(0xffef, 1), "the last ports");
	ioperm(0x80, 1, 1);
	ok(in_child(inherits, NULL), "a child has its parent's ports");
	ok(in_child(gives_up, NULL) && reads(0x80, 1), "and gives up its own only");
	ok(in_child(string_io, NULL), "strings of bytes from a port");
	ok(in_child(with_iopl, NULL), "iopl opens all ports, and closes them");
	if (argc > 1 && strcmp(argv[1], "bare"))
		ok(in_child(hypervisors_own, NULL), "the hypervisor's own ports are not there");
	return tap_end();
}
