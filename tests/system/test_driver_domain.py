#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A driver domain serves another guest's disks and network interfaces, by Linux's backends and by ours. On the hypervisor
that HV names."""
import os

from machine import HV, TOP, add_test, dom0_step, run

INITRAMFS = os.path.join(TOP, "build/initramfs-driver")


def driver_domain(hv):
    dom0_step("driver-domain-" + hv, "driver-domain", hv=hv, initrd=INITRAMFS, limit=1800, hv_options="dom0_mem=384M", memory="1G")


hypervisor = "xen" if HV == "bare" else HV
add_test("driver_domain_serves_disks_and_interfaces_on_" + hypervisor, driver_domain, hypervisor)
run()
