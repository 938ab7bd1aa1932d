#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our xenconsoled serves guests that Debian's xl creates, on Debian's Xen and on the hypervisor under test."""
import os

from machine import HV, TOP, add_test, boot, run

INITRAMFS = os.path.join(TOP, "build/initramfs-consoles")
FULL = bool(os.environ.get("FULL"))


def consoles(hv):
    with boot("consoles-" + hv, hv=hv, initrd=INITRAMFS, limit=600, hv_options="dom0_mem=256M",
              dom0_options="xltest=consoles+poweroff") as this:
        this.step("consoles")
        this.expect_poweroff()


add_test("guests_of_debians_xl_have_consoles_on_xen", consoles, "xen")
run()
