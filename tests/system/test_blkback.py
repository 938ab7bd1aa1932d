#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our block backend serves stock guests: contents verified at depth 32 on a slow device, its worker and its keeper killed
meanwhile; read-only, growing and failing disks; hostile frontends. On the hypervisor that HV names."""
import os
import re

from machine import HV, TOP, Failure, add_test, complain, dom0_step, run

INITRAMFS = os.path.join(TOP, "build/initramfs-blkback")
PAUSE_US = 200000       # the most that a guest waits for a new worker, beside its outstanding I/O


def step(name, hv, words="", limit=1800, memory="1G", dom0="512M"):
    dom0_step("%s-%s" % (name, hv), name, words, hv=hv, initrd=INITRAMFS, limit=limit, hv_options="dom0_mem=" + dom0, memory=memory)


def pause(hv):
    """In virtual time: instructions are counted. What outstanding I/O takes is what the same load takes without a kill; at
    depth 1 nothing is taken off."""
    text = dom0_step("blkback-pause-" + hv, "blkback-pause", hv=hv, initrd=INITRAMFS, limit=1800, hv_options="dom0_mem=512M",
                     memory="1G", exact=True)
    found = re.findall(r"^blkback: at depth (\d+) .* takes (\d+) us, with a kill (\d+) us$", text, re.MULTILINE)
    if len(found) != 2:
        raise Failure("the pauses were not measured")
    for depth, without, killed in ((int(word) for word in line) for line in found):
        complain("depth %d: longest operation %d us, with a kill %d us" % (depth, without, killed))
        if killed - (without if depth > 1 else 0) > PAUSE_US:
            raise Failure("the pause at depth %d is too long" % depth)
    for took in re.findall(r"successor at work (\d+) us$", text, re.MULTILINE):
        complain("from the end of the worker to its successor at work %s us" % took)


hypervisor = "xen" if HV == "bare" else HV
FULL = bool(os.environ.get("FULL"))
add_test("disks_of_stock_guests_keep_what_was_written_on_" + hypervisor, step, "blkback", hypervisor,
         "xlkills=%s" % os.environ.get("KILLS", "200" if FULL else "8"), limit=3600 if FULL else 1800)
add_test("disks_of_every_kind_are_filled_on_" + hypervisor, step, "blkback-kinds", hypervisor,
         "xlmib=256" if FULL else "", memory="4G" if FULL else "1536M", dom0="2500M" if FULL else "512M", limit=3600)
add_test("disks_come_and_go_in_use_too_on_" + hypervisor, step, "blkback-detach", hypervisor, "xlturns=20" if FULL else "")
add_test("guest_waits_200_ms_at_most_when_a_worker_dies_on_" + hypervisor, pause, hypervisor)
if FULL:
    add_test("frontend_that_breaks_the_rules_costs_only_its_own_disks_on_" + hypervisor, step, "blkback-hostile", hypervisor)
    add_test("worker_that_dies_anywhere_loses_nothing_on_" + hypervisor, step, "blkback-faults", hypervisor, "xlfaults=64",
             limit=3600)
run()
