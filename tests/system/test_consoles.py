#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our xenconsoled serves guests that Debian's xl creates; our xl gives guests disks and network interfaces of Linux's
backends. On Debian's Xen, and on the hypervisor under test."""
import os

from machine import HV, TOP, add_test, boot, run

INITRAMFS = os.path.join(TOP, "build/initramfs-consoles")
DEVICES = os.path.join(TOP, "build/initramfs-devices")
FULL = bool(os.environ.get("FULL"))


def consoles(hv):
    with boot("consoles-" + hv, hv=hv, initrd=INITRAMFS, limit=600, hv_options="dom0_mem=256M",
              dom0_options="xltest=consoles+poweroff") as this:
        this.step("consoles")
        this.expect_poweroff()


def devices(hv):
    with boot("xl-devices-" + hv, hv=hv, initrd=DEVICES, limit=900, hv_options="dom0_mem=384M",
              dom0_options="xltest=xl-devices+poweroff") as this:
        this.step("xl-devices")
        this.expect_poweroff()


for hypervisor in sorted({HV, "xen" if FULL else HV} - {"bare"}):
    add_test("guests_of_debians_xl_have_consoles_on_" + hypervisor, consoles, hypervisor)
    add_test("guest_has_disk_and_network_interface_that_come_and_go_on_" + hypervisor, devices, hypervisor)
run()
