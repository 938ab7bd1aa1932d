#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our block backend serves stock guests: contents verified at depth 32 on a slow device, its worker and its keeper killed
meanwhile; read-only, growing and failing disks; hostile frontends. On the hypervisor that HV names."""
import os

from machine import HV, TOP, add_test, boot, run

INITRAMFS = os.path.join(TOP, "build/initramfs-blkback")


def step(name, hv, options="", limit=1800, memory="1G", dom0="512M"):
    with boot("%s-%s" % (name, hv), hv=hv, initrd=INITRAMFS, limit=limit, hv_options="dom0_mem=" + dom0, memory=memory,
              dom0_options="xltest=%s+poweroff %s" % (name, options)) as this:
        this.step(name)
        this.expect_poweroff()
        this.refuse(r"\(XEN\).*(panic|fatal|crashed)", r"BUG: |Oops: |WARNING: ")


hypervisor = "xen" if HV == "bare" else HV
FULL = bool(os.environ.get("FULL"))
add_test("disks_of_stock_guests_keep_what_was_written_on_" + hypervisor, step, "blkback", hypervisor,
         "xlkills=%s" % os.environ.get("KILLS", "200" if FULL else "8"), limit=3600 if FULL else 1800)
add_test("disks_of_every_kind_are_filled_come_and_go_on_" + hypervisor, step, "blkback-kinds", hypervisor,
         "xlmib=128 xlturns=20" if FULL else "", memory="4G" if FULL else "1536M", dom0="2500M" if FULL else "512M", limit=3600)
if FULL:
    add_test("frontend_that_breaks_the_rules_costs_only_its_own_disks_on_" + hypervisor, step, "blkback-hostile", hypervisor)
    add_test("worker_that_dies_anywhere_loses_nothing_on_" + hypervisor, step, "blkback-faults", hypervisor, "xlfaults=64",
             limit=3600)
run()
