#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Domains come and go: created, paused, shut down, crashed and destroyed by Debian's xl, and nothing of them is left.

What happens in dom0 is scripts/initramfs/test/xl-domains. With FULL=1 there are more guests, and two CPUs.
"""
import os
import re

from machine import TOP, Failure, add_test, boot, run

INITRAMFS = os.path.join(TOP, "build/initramfs-xl")
FULL = bool(os.environ.get("FULL"))
# Beside their own memory two guests take this at most; what dom0's kernel and the daemons keep for them is theirs.
MOST_KIB_EACH = 48


def lives(smp, words):
    with boot("domains-%d" % smp, hv="xenolith", initrd=INITRAMFS, smp=smp, limit=3600 if FULL else 900,
              memory="2G", hv_options="dom0_mem=640M", dom0_options="xltest=xl-domains+poweroff" + words) as this:
        this.step("xl-domains")
        taken = int(re.search(r"two guests of 16 MiB take (\d+) KiB", this.text)[1])
        each = (taken - 2 * 16 * 1024) / 2
        print("# a guest of 16 MiB takes %.0f KiB beyond its memory" % each)
        if each > MOST_KIB_EACH:
            raise Failure("a guest takes %.0f KiB beyond its memory, more than %d" % (each, MOST_KIB_EACH))
        this.expect_poweroff()


add_test("domains_live_and_die_and_leave_nothing", lives, 1, " xlfull=1 xlcycles=50" if FULL else "")
if FULL:
    add_test("domains_live_and_die_on_two_cpus", lives, 2, " xlfull=1 xlcycles=50")
run()
