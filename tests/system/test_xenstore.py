#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our xenstored serves a real dom0: its socket, its kernel's ring, and both go on when it is killed.

Runs on the hypervisor under test and on Debian's Xen. There Debian's xl, with our libxenstore, also creates a guest
of the stock kernel, which uses the store over its own ring.
"""
import os

from machine import HV, TOP, add_test, boot, run, test

INITRAMFS = os.path.join(TOP, "build/initramfs-tools")
WITH_XL = os.path.join(TOP, "build/initramfs-xl")


def serves(hv):
    with boot("xenstore-" + hv, hv=hv, initrd=INITRAMFS, dom0_options="xltest=xenstore+poweroff") as this:
        this.step("xenstore")
        this.expect_poweroff()


for hypervisor in sorted({HV, "xen"} - {"bare"}):
    add_test("xenstored_serves_dom0_and_its_kernel_on_" + hypervisor, serves, hypervisor)


@test
def guest_of_debians_xl_uses_our_store_while_it_is_killed():
    with boot("xenstore-xl", hv="xen", initrd=WITH_XL, limit=1500, hv_options="dom0_mem=512M",
              dom0_options="xltest=xl-store+poweroff") as this:
        this.step("xl-store")
        this.expect_poweroff()

run()
