#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hostile guests get nothing that is not their own, and a neighbour's heart and dom0's go on while they attack and flood.

With FULL=1 for longer. Times are the machine's, whose clock counts instructions: nothing depends on how busy the host is. What happens in dom0 is
scripts/initramfs/test/hostile.
"""
import os
import re

from machine import TOP, Failure, add_test, boot, complain, only_on, run

INITRAMFS = os.path.join(TOP, "build/initramfs-guests")
# Milliseconds between two of a neighbour's beats, which it wants every 10: three others want the one CPU.
LONGEST_GAP = 100
# Times as long as when nobody floods.
DOM0_SLOWER = 6


def hearts():
    skip = only_on("xenolith")
    if skip:
        return skip
    with boot("hostile", initrd=INITRAMFS, limit=900, exact=True, hv_options="dom0_mem=400M",
              dom0_options="quiet xltest=hostile+poweroff" + (" xlbeats=1000" if os.environ.get("FULL") else "")) as this:
        this.step("hostile")
        this.expect_poweroff()
        this.refuse(r"\(XEN\).*(panic|fatal)", r"BUG: |Oops: ")
    gap = max(int(us) for us in re.findall(r"^hostile: beat \d+, longest gap (\d+) us", this.text, re.MULTILINE)) / 1000
    alone, flooded = (int(re.search(r"dom0 took (\d+) cs " + when, this.text)[1]) for when in ("alone", "flooded"))
    complain("the neighbour's longest gap was %.1f ms; dom0 took %d ms alone, %d ms in the flood" % (
        gap, alone * 10, flooded * 10))
    if gap > LONGEST_GAP:
        raise Failure("the neighbour's heart stood still for %.1f ms" % gap)
    if flooded > DOM0_SLOWER * alone:
        raise Failure("dom0 is slowed down %d times" % (flooded / alone))
    return None


add_test("neighbour_and_dom0_keep_their_heartbeat_beside_hostile_guests", hearts)
run()
