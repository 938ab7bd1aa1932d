#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a guest may not survive: each case is one boot of tests/guest/iret.c or fatal.c.

The guest does what no return or handler can be found for; the hypervisor must
end it, name one reason, and stay alive itself to say so.
"""
import os

from machine import BUILD, Failure, add_test, boot, only_on, run

NO_FRAME = "can't take a frame"
IRET_CASES = {
    "no-user-table": "iret to user mode without a user page table",
    "frame-unmapped": "iret with an unreadable frame",
    "frame-in-hole": "iret with an unreadable frame",
    "frame-straddles": "iret with an unreadable frame",
    "frame-not-canonical": "iret with an unreadable frame",
    "no-handler": "no handler for it",
    "trap-stack-unmapped": NO_FRAME,
    "trap-stack-in-hole": NO_FRAME,
}
FATAL_CASES = {
    "bad-return-stack-unmapped": NO_FRAME,
    "no-event-callback": "no event callback is registered",
    "event-stack-in-hole": NO_FRAME,
    "nmi-stack-unmapped": NO_FRAME,
    "debug-stack-not-canonical": NO_FRAME,
    "stack-straddles-hole": NO_FRAME,
    "stack-straddles-pages": NO_FRAME,
    "stack-at-zero": NO_FRAME,
    "stack-not-canonical": NO_FRAME,
    "stack-is-a-table": NO_FRAME,
    "handler-unmapped": NO_FRAME,
    "base-without-kernel": NO_FRAME,
    "kernel-unmapped": NO_FRAME,
    "all-memory-given-back": NO_FRAME,
}
# With page-table isolation the way out is another one.
OPTIONS = ("", "xpti=1") if os.environ.get("FULL") else ("",)


def ends(guest, case, reason, options):
    """The guest ends with `reason`, which is said once, and dom0's end halts the machine."""
    skip = only_on("xenolith")
    if skip:
        return skip
    with boot("guest-end-" + case, kernel=os.path.join(BUILD, "guest/%s.elf" % guest), initrd="", memory="512M",
              no_reboot=True, hv_options="noreboot " + options, dom0_options="case=" + case) as this:
        this.expect(r"^# CASE " + case)
        this.expect(r"^\(XEN\) domain 0 crashed: .*" + reason)
        this.expect_halted()
        this.refuse(r"STILL ALIVE", r"fatal exception", r"Xenolith stops")
        if this.text.count("domain 0 crashed") != 1:
            raise Failure("the crash is told more than once")
    return None


for xpti in OPTIONS:
    for guest_name, cases in (("iret", IRET_CASES), ("fatal", FATAL_CASES)):
        for name in cases:
            add_test("guest_that_does_%s_ends_with_its_reason%s" % (name.replace("-", "_"), xpti and "_isolated"),
                     ends, guest_name, name, cases[name], xpti)
run()
