#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our xenstored serves a real dom0: its socket, its kernel's ring, and both go on when it is killed.

Runs on the hypervisor under test and on Debian's Xen.
"""
import os

from machine import HV, TOP, add_test, boot, run

INITRAMFS = os.path.join(TOP, "build/initramfs-tools")


def serves(hv):
    with boot("xenstore-" + hv, hv=hv, initrd=INITRAMFS, dom0_options="xltest=xenstore+poweroff") as this:
        this.step("xenstore")
        this.expect_poweroff()


for hypervisor in sorted({HV, "xen"} - {"bare"}):
    add_test("xenstored_serves_dom0_and_its_kernel_on_" + hypervisor, serves, hypervisor)

run()
