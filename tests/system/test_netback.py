#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Guests of the stock kernel whose network our netback serves: TCP, UDP and ping with contents checked, several queues, MTU
9000, and streams that live through kills of the worker and of the keeper; a hostile frontend. The full form: 200 kills,
three guests on one bridge, points in the code where workers die, and Debian's Xen too."""
import os

from machine import HV, TOP, add_test, dom0_step, run

INITRAMFS = os.path.join(TOP, "build/initramfs-netback")
FULL = bool(os.environ.get("FULL"))


def step(name, hv, words):
    dom0_step("%s-%s" % (name, hv), name, words, hv=hv, initrd=INITRAMFS, memory="1G", limit=7200 if FULL else 1800,
              hv_options="dom0_mem=320M")


for hypervisor in sorted({HV, "xen" if FULL else HV} - {"bare"}):
    add_test("guest_has_network_through_netback_that_survives_kills_on_" + hypervisor, step, "network", hypervisor,
             "xlkills=%s xlguests=3" % os.environ.get("KILLS", "200") if FULL else "")
    if FULL:
        add_test("network_survives_a_worker_that_dies_at_points_of_its_code_on_" + hypervisor, step, "network", hypervisor,
                 "xlfaults=50")
    add_test("frontend_that_breaks_the_rules_of_network_cards_harms_itself_alone_on_" + hypervisor, step, "network-hostile",
             hypervisor, "")
run()
