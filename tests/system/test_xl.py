#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our xl beside Debian's in one dom0, on Debian's Xen (and with HV=xenolith on ours): the same output of the same
guests, and each acts on the guests of the other."""
import os
import re

from machine import HV, TOP, Failure, add_test, boot, run

INITRAMFS = os.path.join(TOP, "build/initramfs-xl-compare")


def compared(hv):
    with boot("xl-compare-" + hv, hv=hv, initrd=INITRAMFS, limit=900, hv_options="dom0_mem=400M",
              dom0_options="xltest=xl-compare+poweroff" + (" xlfull=1" if os.environ.get("FULL") else "")) as this:
        this.step("xl-compare")
        this.expect_poweroff()


def lives(hv):
    with boot("xl-live-" + hv, hv=hv, initrd=INITRAMFS, limit=1500, hv_options="dom0_mem=450M",
              dom0_options="xltest=xl-live+poweroff") as this:
        this.step("xl-live")
        this.expect_poweroff()


# Instructions of xl, store, kernel and hypervisor together; Debian's xl takes 11.3 million for list.
BARS = {"list": 4000000}


def cost(hv):
    with boot("xl-cost-" + hv, hv=hv, initrd=INITRAMFS, exact=True, limit=900, hv_options="dom0_mem=400M",
              dom0_options="xltest=xl-cost+poweroff") as this:
        this.step("xl-cost")
        this.expect_poweroff()
        costs = {name: int(count) for name, count in re.findall(r"run_count: (\S+) (\d+)", this.text)}
    for name in sorted(name[3:] for name in costs if name.startswith("xl-")):
        print("# xl %s: %d instructions, Debian's %d" % (name, costs["xl-" + name], costs["xl.debian-" + name]))
        if costs["xl-" + name] > BARS.get(name, costs["xl.debian-" + name]):
            raise Failure("xl %s costs %d instructions" % (name, costs["xl-" + name]))


hypervisor = "xen" if HV == "bare" or "HV" not in os.environ else HV
add_test("verbs_print_and_do_what_those_of_debians_xl_do_on_" + hypervisor, compared, hypervisor)
if os.environ.get("FULL"):
    add_test("verbs_cost_no_more_instructions_than_their_bars_on_" + hypervisor, cost, hypervisor)
    add_test("guest_does_what_it_is_asked_and_its_end_is_explained_on_" + hypervisor, lives, hypervisor)
run()
