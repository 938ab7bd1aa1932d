#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A driver domain serves another guest's disks and network interfaces, by Linux's backends and by ours. On the hypervisor
that HV names."""
import os

from machine import HV, TOP, add_test, boot, run

INITRAMFS = os.path.join(TOP, "build/initramfs-driver")


def driver_domain(hv):
    with boot("driver-domain-" + hv, hv=hv, initrd=INITRAMFS, limit=1800, hv_options="dom0_mem=384M", memory="1G",
              dom0_options="xltest=driver-domain+poweroff") as this:
        this.step("driver-domain")
        this.expect_poweroff()
        this.refuse(r"\(XEN\).*(panic|fatal|crashed)", r"BUG: |Oops: |WARNING: ")


hypervisor = "xen" if HV == "bare" else HV
add_test("driver_domain_serves_disks_and_interfaces_on_" + hypervisor, driver_domain, hypervisor)
run()
