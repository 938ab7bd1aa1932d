#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a guest may not survive: each case is one boot of tests/guest/iret.c.

The guest does what no return or handler can be found for; the hypervisor must
end it, name the reason, and stay alive itself to say so.
"""
import os

from machine import BUILD, add_test, boot, only_on, run

CASES = {
    "no-user-table": "iret to user mode without a user page table",
    "frame-unmapped": "iret with an unreadable frame",
    "frame-in-hole": "iret with an unreadable frame",
    "frame-straddles": "iret with an unreadable frame",
    "frame-not-canonical": "iret with an unreadable frame",
    "no-handler": "no handler for it",
    "trap-stack-unmapped": "can't take a frame",
    "trap-stack-in-hole": "can't take a frame",
}


def ends(case, reason):
    """The guest ends with `reason`, which is said once, and dom0's end halts the machine."""
    skip = only_on("xenolith")
    if skip:
        return skip
    with boot("guest-end-" + case, kernel=os.path.join(BUILD, "guest/iret.elf"), initrd="", memory="512M",
              no_reboot=True, hv_options="noreboot", dom0_options="case=" + case) as this:
        this.expect(r"^\(XEN\) domain 0 crashed: .*" + reason)
        this.expect_halted()
        this.refuse(r"STILL ALIVE", r"fatal exception", r"Xenolith stops")
    return None


for name in CASES:
    add_test("guest_that_does_%s_ends_with_its_reason" % name.replace("-", "_"), ends, name, CASES[name])
run()
