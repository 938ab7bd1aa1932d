#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our xl beside Debian's in one dom0, on Debian's Xen (and with HV=xenolith on ours): the same output of the same
guests, and each acts on the guests of the other."""
import os

from machine import HV, TOP, add_test, boot, run

INITRAMFS = os.path.join(TOP, "build/initramfs-xl-compare")


def compared(hv):
    with boot("xl-compare-" + hv, hv=hv, initrd=INITRAMFS, limit=900, hv_options="dom0_mem=400M",
              dom0_options="xltest=xl-compare+poweroff" + (" xlfull=1" if os.environ.get("FULL") else "")) as this:
        this.step("xl-compare")
        this.expect_poweroff()


hypervisor = "xen" if HV == "bare" or "HV" not in os.environ else HV
add_test("verbs_print_and_do_what_those_of_debians_xl_do_on_" + hypervisor, compared, hypervisor)
run()
