#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Guests come and go in batches of eight at once, and nothing of them is left: memory, domains, ports, grants, nodes, files.

With FULL=1 it is five hundred tiny guests, fifty of Linux, and five hundred tiny ones alive together. Others are made while
xenstored is killed. What happens in dom0 is scripts/initramfs/test/cycles and storm.
"""
import os

from machine import HV, TOP, add_test, boot, complain, run

INITRAMFS = os.path.join(TOP, "build/initramfs-guests")
FULL = bool(os.environ.get("FULL"))


def cycles(name, words, memory="1G", dom0="400M", limit=600, step="cycles"):
    if HV != "xenolith":
        return "skip: only on xenolith, whose debug keys tell what is left"
    with boot("cycles-" + name, initrd=INITRAMFS, limit=limit, memory=memory, hv_options="dom0_mem=" + dom0,
              dom0_options="quiet xltest=%s+poweroff %s" % (step, words)) as this:
        this.step(step)
        for line in this.text.splitlines():
            if line.startswith(step + ": "):
                complain(line)
        this.expect_poweroff()
        this.refuse(r"\(XEN\).*(panic|fatal|crashed)", r"BUG: |Oops: ")
    return None


if FULL:
    add_test("five_hundred_tiny_guests_leave_nothing", cycles, "tiny", "xltiny=63", limit=6000)
    add_test("fifty_guests_of_linux_leave_nothing", cycles, "linux", "xllinux=7", memory="3G", dom0="1G", limit=12000)
    add_test("five_hundred_tiny_guests_live_at_once", cycles, "alive", "xlalive=500+100", memory="6G", dom0="2G", limit=12000)
    add_test("xenstored_is_killed_a_hundred_times_while_guests_are_made", cycles, "storm", "xlkills=100", limit=6000,
             step="storm")
else:
    add_test("guests_in_batches_leave_nothing", cycles, "short", "xltiny=2")
    add_test("xenstored_is_killed_while_guests_are_made", cycles, "storm", "xlkills=3", step="storm")
run()
