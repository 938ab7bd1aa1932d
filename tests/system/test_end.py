#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How a machine ends: dom0 reboots, or crashes, with and without noreboot."""
from machine import Failure, boot, only_on, run, test


@test
def reboot_of_dom0_resets_the_machine():
    """The kernel says why, then the reset ends QEMU."""
    with boot("end-reboot", no_reboot=True, dom0_options="xltest=reboot") as this:
        this.expect(r"reboot: (Restarting system|machine restart)")
        this.expect_reset()
        this.refuse(r"Kernel panic")


@test
def reset_machine_boots_dom0_again():
    """After a reboot the hypervisor finds the machine as at power-on."""
    with boot("end-again", dom0_options="xltest=reboot") as this:
        for _ in range(2):
            this.expect(r"XLTEST userland$")
        if this.reason != "guest-reset":
            raise Failure("two boots, and no reset between: %s" % this.reason)


@test
def crash_of_dom0_prints_the_reason_and_resets():
    """sysrq c panics the kernel; panic=0 leaves the end to the hypervisor."""
    skip = only_on("xenolith", "xen")
    if skip:
        return skip
    with boot("end-crash", no_reboot=True, dom0_options="xltest=crash") as this:
        this.expect(r"Kernel panic - not syncing: sysrq triggered crash")
        this.expect(r"^\(XEN\).*(?:[Dd]om(?:ain)? ?0|d0)\b.*crash")
        this.expect_reset()


@test
def crash_of_dom0_halts_with_noreboot():
    """With noreboot the reason stays on the screen: nothing resets the machine."""
    skip = only_on("xenolith", "xen")
    if skip:
        return skip
    with boot("end-halt", hv_options="noreboot", no_reboot=True,
              dom0_options="xltest=crash") as this:
        this.expect(r"Kernel panic - not syncing: sysrq triggered crash")
        this.expect(r"^\(XEN\).*(?:[Dd]om(?:ain)? ?0|d0)\b.*crash")
        this.expect(r"halt|not reboot|noreboot")
        this.expect_halted()


run()
