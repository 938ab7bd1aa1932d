#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our xenstored serves a real dom0: its socket, its kernel's ring, and both go on when it is killed.

On the hypervisor under test; with FULL=1 also on Debian's Xen, where Debian's xl, with our libxenstore, creates a
guest of the stock kernel, which uses the store over its own ring.
"""
import os
import re

from machine import HV, TOP, Failure, add_test, boot, run

INITRAMFS = os.path.join(TOP, "build/initramfs-tools")
FULL = bool(os.environ.get("FULL"))
WITH_XL = os.path.join(TOP, "build/initramfs-xl")


def serves(hv):
    with boot("xenstore-" + hv, hv=hv, initrd=INITRAMFS, dom0_options="xltest=xenstore+poweroff") as this:
        this.step("xenstore")
        this.expect_poweroff()


for hypervisor in sorted({HV, "xen" if FULL else HV} - {"bare"}):
    add_test("xenstored_serves_dom0_and_its_kernel_on_" + hypervisor, serves, hypervisor)


def guest_of_debians_xl():
    with boot("xenstore-xl", hv="xen", initrd=WITH_XL, limit=1500, hv_options="dom0_mem=512M",
              dom0_options="xltest=xl-store+poweroff") as this:
        this.step("xl-store")
        this.expect_poweroff()


# Instructions of client, daemon and kernel together, on the bare kernel. The transaction has four requests.
BARS = {"read": 30000, "write": 30000, "transaction": 120000}


def bars():
    with boot("xenstore-bench", hv="bare", initrd=INITRAMFS, exact=True,
              dom0_options="xltest=xenstore-bench+poweroff") as this:
        this.step("xenstore-bench")
        this.expect_poweroff()
        costs = dict(re.findall(r"xenstore-bench: (\w+) (\d+)", this.text))
    for name, bar in BARS.items():
        if name not in costs:
            raise Failure("the cost of %s was not printed" % name)
        print("# %s: %s instructions, bar %d" % (name, costs[name], bar))
        if int(costs[name]) > bar:
            raise Failure("%s costs %s instructions, more than %d" % (name, costs[name], bar))


if FULL:
    add_test("requests_cost_no_more_instructions_than_their_bars", bars)
    add_test("guest_of_debians_xl_uses_our_store_while_it_is_killed", guest_of_debians_xl)
run()
