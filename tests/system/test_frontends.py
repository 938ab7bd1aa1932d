#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our frontends (frontend-drivers/) in guests without an operating system, with the backends of dom0. The short form has
a disk, two network cards and the example guest on Linux's backends; the full form has more of each, ours too, two CPUs,
backends that go and come back under load, and Debian's Xen."""
import os

from machine import HV, TOP, add_test, boot, run

INITRAMFS = os.path.join(TOP, "build/initramfs-frontends")
FULL = bool(os.environ.get("FULL"))


def frontends(hv, name, parts, words="", cpus=1):
    with boot("frontends-%s-%s" % (name, hv), hv=hv, initrd=INITRAMFS, limit=1800 if FULL else 600,
              memory="2G" if FULL else "1G", hv_options="dom0_mem=" + ("1200M" if FULL else "600M"), smp=cpus,
              dom0_options="xltest=frontends+poweroff xlparts=%s %s" % (parts, words)) as this:
        this.step("frontends")
        this.expect_poweroff()


for hypervisor in sorted({HV, "xen" if FULL else HV} - {"bare"}):
    add_test("disk_network_and_a_page_over_http_on_linuxs_backends_on_" + hypervisor, frontends, hypervisor, "short",
             "disk+net+web", "xlmib=4 xlpackets=200")
    if FULL:
        add_test("disk_network_and_a_page_over_http_on_our_backends_on_" + hypervisor, frontends, hypervisor, "ours",
                 "disk+net+web", "xlmib=32 xlpackets=2000 xlbackends=ours", cpus=2)
        add_test("large_disk_and_many_packets_on_two_cpus_on_" + hypervisor, frontends, hypervisor, "large",
                 "disk+net+web", "xlmib=64 xlpackets=20000", cpus=2)
        add_test("disk_whose_backend_comes_back_loses_nothing_on_" + hypervisor, frontends, hypervisor, "reconnect",
                 "reconnect", "xlturns=20")
        add_test("balloon_follows_its_target_on_" + hypervisor, frontends, hypervisor, "balloon", "balloon")
run()
